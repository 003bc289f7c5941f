import { align, hostIsLittle, MessageFlag, NETLINK_HEADER_OCTETS, type NetlinkRequest } from './message.ts';

/**
 * Writes messages one after the other into one buffer, which grows by doubling. Lengths and padding are filled in by
 * `end` and `close`. Every message starts at a multiple of 4.
 */
export class NetlinkWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #words: Int32Array;
  #at = 0;
  #messageStart = 0;

  constructor(octets = 1024) {
    this.#bytes = new Uint8Array(align(octets));
    this.#words = new Int32Array(this.#bytes.buffer);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Octets written. */
  get length(): number {
    return this.#at;
  }

  /** Where the buffer is now; another one after it had to grow. */
  get buffer(): Uint8Array {
    return this.#bytes;
  }

  /** What was written: a view, valid until the next write. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  /** Forgets everything written; the buffer stays. */
  reset(): void {
    this.#at = 0;
  }

  /** Forgets the message begun last and not ended. */
  abandon(): void {
    this.#at = this.#messageStart;
  }

  /** `buffer` as 32-bit words in host byte order. */
  get words(): Int32Array {
    return this.#words;
  }

  /** Appends a copy of a whole message under another sequence number; gives the index of its first word in `words`. */
  copy(message: Int32Array, sequence: number): number {
    const octets = message.length * 4;
    this.#room(octets);
    const at = this.#at >> 2;
    this.#words.set(message, at);
    this.#words[at + 2] = sequence;
    this.#messageStart = this.#at;
    this.#at += octets;
    return at;
  }

  /** Starts a message. */
  begin(type: number, flags: number, sequence: number): void {
    this.#room(NETLINK_HEADER_OCTETS);
    const at = this.#at;
    this.#messageStart = at;
    this.#view.setUint16(at + 4, type, hostIsLittle);
    this.#view.setUint16(at + 6, flags, hostIsLittle);
    this.#view.setUint32(at + 8, sequence, hostIsLittle);
    this.#view.setUint32(at + 12, 0, hostIsLittle);
    this.#at = at + NETLINK_HEADER_OCTETS;
  }

  /** Ends the message: its length goes into the header. */
  end(): void {
    this.#view.setUint32(this.#messageStart, this.#at - this.#messageStart, hostIsLittle);
  }

  /** Adds flags to the message begun last. */
  addFlags(flags: number): void {
    const at = this.#messageStart + 6;
    this.#view.setUint16(at, this.#view.getUint16(at, hostIsLittle) | flags, hostIsLittle);
  }

  u8(value: number): void {
    this.#room(1);
    this.#bytes[this.#at++] = value;
  }

  u16(value: number): void {
    this.#room(2);
    this.#view.setUint16(this.#at, value, hostIsLittle);
    this.#at += 2;
  }

  u32(value: number): void {
    this.#room(4);
    this.#view.setUint32(this.#at, value, hostIsLittle);
    this.#at += 4;
  }

  i32(value: number): void {
    this.#room(4);
    this.#view.setInt32(this.#at, value, hostIsLittle);
    this.#at += 4;
  }

  attributeU8(type: number, value: number): void {
    this.#header(type, 5, 8);
    this.#view.setUint32(this.#at + 4, 0, hostIsLittle);
    this.#bytes[this.#at + 4] = value;
    this.#at += 8;
  }

  attributeU16(type: number, value: number): void {
    this.#header(type, 6, 8);
    this.#view.setUint32(this.#at + 4, 0, hostIsLittle);
    this.#view.setUint16(this.#at + 4, value, hostIsLittle);
    this.#at += 8;
  }

  attributeU32(type: number, value: number): void {
    this.#header(type, 8, 8);
    this.#view.setUint32(this.#at + 4, value, hostIsLittle);
    this.#at += 8;
  }

  attributeI32(type: number, value: number): void {
    this.attributeU32(type, value >>> 0);
  }

  /** An attribute without a value. */
  attributeFlag(type: number): void {
    this.#header(type, 4, 4);
    this.#at += 4;
  }

  attributeOctets(type: number, value: Uint8Array): void {
    const length = value.length;
    const padded = align(length);
    this.#header(type, 4 + length, 4 + padded);
    const at = this.#at + 4;
    if (length !== padded) this.#view.setUint32(at + padded - 4, 0, hostIsLittle);
    if (length <= 16) for (let i = 0; i < length; i++) this.#bytes[at + i] = value[i]!;
    else this.#bytes.set(value, at);
    this.#at = at + padded;
  }

  /** Text and the NUL that ends it. */
  attributeText(type: number, value: string): void {
    this.attributeOctets(type, Buffer.from(`${value}\0`, 'utf8'));
  }

  /** Opens an attribute that holds others; gives what `close` wants. */
  open(type: number): number {
    const at = this.#at;
    this.#header(type, 4, 4);
    this.#at = at + 4;
    return at;
  }

  /** Closes what `open` opened. @throws RangeError when it is longer than an attribute can be */
  close(opened: number): void {
    const length = this.#at - opened;
    if (length > 0xffff) throw new RangeError(`nested attribute of ${length} octets: at most 65535`);
    this.#view.setUint16(opened, length, hostIsLittle);
  }

  #header(type: number, length: number, room: number): void {
    if (length > 0xffff) throw new RangeError(`attribute of ${length} octets: at most 65535`);
    this.#room(room);
    this.#view.setUint16(this.#at, length, hostIsLittle);
    this.#view.setUint16(this.#at + 2, type, hostIsLittle);
  }

  #room(octets: number): void {
    const needed = this.#at + octets;
    if (needed <= this.#bytes.length) return;
    let size = Math.max(64, this.#bytes.length * 2);
    while (size < needed) size *= 2;
    const bytes = new Uint8Array(align(size));
    bytes.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = bytes;
    this.#words = new Int32Array(bytes.buffer);
    this.#view = new DataView(bytes.buffer);
  }
}

/** A request as one whole message, for tests and for callers with a socket of their own. */
export function encodeRequest(request: NetlinkRequest, sequence: number, flags = 0): Uint8Array {
  const writer = new NetlinkWriter();
  writer.begin(request.type, request.flags | MessageFlag.Request | flags, sequence);
  request.write(writer);
  writer.end();
  return writer.written().slice();
}
