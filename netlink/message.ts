/**
 * Netlink framing (linux/netlink.h): messages of a 16-octet header and a body, attributes of type and length inside, both
 * padded to 4 octets, integers in host byte order. Decoding throws `MalformedNetlink` and nothing else.
 */
import { endianness } from 'node:os';
import type { NetlinkWriter } from './writer.ts';

/** Whether this machine is little-endian: the `littleEndian` argument of every DataView access to netlink data. */
export const hostIsLittle = endianness() === 'LE';

export const NETLINK_HEADER_OCTETS = 16;

/** Message types: the four control messages, then those of rtnetlink. */
export const MessageType = {
  Noop: 1,
  Error: 2,
  Done: 3,
  Overrun: 4,
  NewLink: 16,
  DelLink: 17,
  GetLink: 18,
  NewAddress: 20,
  DelAddress: 21,
  GetAddress: 22,
  NewRoute: 24,
  DelRoute: 25,
  GetRoute: 26,
  NewNeighbour: 28,
  DelNeighbour: 29,
  GetNeighbour: 30,
  NewNextHop: 104,
  DelNextHop: 105,
  GetNextHop: 106,
} as const;

/** Flags of the header. Values repeat: `Replace` to `Append` belong to NEW requests, `Root` and `Match` to GET, the last two to errors. */
export const MessageFlag = {
  Request: 0x1,
  Multi: 0x2,
  Ack: 0x4,
  Echo: 0x8,
  DumpInterrupted: 0x10,
  DumpFiltered: 0x20,
  Dump: 0x300,
  Replace: 0x100,
  Exclusive: 0x200,
  Create: 0x400,
  Append: 0x800,
  Capped: 0x100,
  AckAttributes: 0x200,
} as const;

/** Octets that are no netlink message: too short for their own lengths, or an attribute of the wrong size. */
export class MalformedNetlink extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'MalformedNetlink';
  }
}

/** One received message. A view of the receive buffer: valid until the callback that got it returns. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Port id of the socket whose request this answers or reports; 0 when the kernel did it by itself. */
  readonly portId: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The body: `bytes[start..end)`, without header and padding. */
  readonly start: number;
  readonly end: number;
}

/** A request before it has a sequence number: what to ask, and who writes the body. */
export interface NetlinkRequest {
  readonly type: number;
  /** `MessageFlag` bits beyond `Request` and `Ack`, which the socket sets. */
  readonly flags: number;
  /** An errno by which the kernel says that there is nothing to list (a routing table that was never used). */
  readonly emptyErrno?: number;
  write(writer: NetlinkWriter): void;
}

/** The next multiple of 4, for numbers that are lengths. */
export function align(octets: number): number {
  return (octets + 3) & ~3;
}

/** Walks over the messages in `bytes[start..end)`: `while (reader.next()) use(reader)`. */
export class MessageReader implements NetlinkMessage {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  type = 0;
  flags = 0;
  sequence = 0;
  portId = 0;
  start = 0;
  end = 0;
  #next: number;
  readonly #limit: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#next = start;
    this.#limit = end;
  }

  /**
   * Moves to the next message.
   * @returns false at the end
   * @throws MalformedNetlink when the header or the body is cut short
   */
  next(): boolean {
    const at = this.#next;
    const left = this.#limit - at;
    if (left <= 0) return false;
    if (left < NETLINK_HEADER_OCTETS) throw new MalformedNetlink(`${left} octets left: a header has 16`);
    const length = this.view.getUint32(at, hostIsLittle);
    if (length < NETLINK_HEADER_OCTETS || length > left) {
      throw new MalformedNetlink(`message length ${length}: must be 16 to ${left}`);
    }
    this.type = this.view.getUint16(at + 4, hostIsLittle);
    this.flags = this.view.getUint16(at + 6, hostIsLittle);
    this.sequence = this.view.getUint32(at + 8, hostIsLittle);
    this.portId = this.view.getUint32(at + 12, hostIsLittle);
    this.start = at + NETLINK_HEADER_OCTETS;
    this.end = at + length;
    this.#next = at + align(length);
    return true;
  }
}

/**
 * Walks over the attributes in a range: `while (attributes.next()) switch (attributes.type) ...`. The typed getters check
 * the length. Types come without the NESTED and NET_BYTEORDER bits.
 */
export class AttributeReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #next: number;
  readonly #limit: number;
  type = 0;
  /** The value: `[start, end)` of the buffer. */
  start = 0;
  end = 0;

  constructor(bytes: Uint8Array, view: DataView, start: number, end: number) {
    this.#bytes = bytes;
    this.#view = view;
    this.#next = start;
    this.#limit = end;
  }

  /**
   * The attributes of a message, after the fixed part of its body.
   * @throws MalformedNetlink when the body is shorter than the fixed part
   */
  static ofMessage(message: NetlinkMessage, fixedOctets: number): AttributeReader {
    if (message.end - message.start < fixedOctets) {
      throw new MalformedNetlink(
        `body of ${message.end - message.start} octets: type ${message.type} has ${fixedOctets}`,
      );
    }
    return new AttributeReader(message.bytes, message.view, message.start + align(fixedOctets), message.end);
  }

  /** Moves to the next attribute; false at the end. @throws MalformedNetlink when it is cut short */
  next(): boolean {
    const at = this.#next;
    const left = this.#limit - at;
    if (left <= 0) return false;
    if (left < 4) throw new MalformedNetlink(`${left} octets left: an attribute has at least 4`);
    const length = this.#view.getUint16(at, hostIsLittle);
    if (length < 4 || length > left) throw new MalformedNetlink(`attribute length ${length}: must be 4 to ${left}`);
    this.type = this.#view.getUint16(at + 2, hostIsLittle) & 0x3fff;
    this.start = at + 4;
    this.end = at + length;
    this.#next = at + align(length);
    return true;
  }

  get length(): number {
    return this.end - this.start;
  }

  u8(): number {
    this.#need(1);
    return this.#view.getUint8(this.start);
  }

  u16(): number {
    this.#need(2);
    return this.#view.getUint16(this.start, hostIsLittle);
  }

  u32(): number {
    this.#need(4);
    return this.#view.getUint32(this.start, hostIsLittle);
  }

  i32(): number {
    this.#need(4);
    return this.#view.getInt32(this.start, hostIsLittle);
  }

  /** A 64-bit counter as a number, `offset` octets into the value; exact to 2^53. */
  u64(offset = 0): number {
    this.#need(offset + 8);
    return Number(this.#view.getBigUint64(this.start + offset, hostIsLittle));
  }

  /** A copy of the value. */
  octets(): Uint8Array {
    return this.#bytes.slice(this.start, this.end);
  }

  /** A copy of the value, which must be an IPv4 or IPv6 address. */
  address(): Uint8Array {
    if (this.length !== 4 && this.length !== 16) this.#wrong('4 or 16');
    return this.octets();
  }

  /** Text, without the NUL that ends it. */
  text(): string {
    let end = this.start;
    while (end < this.end && this.#bytes[end] !== 0) end++;
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + this.start, end - this.start).toString('utf8');
  }

  /** The attributes inside this one, after `skip` octets. */
  nested(skip = 0): AttributeReader {
    this.#need(skip);
    return new AttributeReader(this.#bytes, this.#view, this.start + skip, this.end);
  }

  #need(octets: number): void {
    if (this.end - this.start < octets) this.#wrong(`at least ${octets}`);
  }

  #wrong(wanted: string): never {
    throw new MalformedNetlink(`attribute ${this.type} of ${this.length} octets: must have ${wanted}`);
  }
}

/** What the kernel said about one request: `errno` 0 is an acknowledgement. */
export interface NetlinkReply {
  readonly sequence: number;
  /** Positive errno, 0 for success. */
  readonly errno: number;
  /** The kernel's own words (extended acknowledgement); on success, a warning. */
  readonly text?: string;
  /** Where in the request the trouble is, in octets from its header. */
  readonly offset?: number;
}

/** Reads an NLMSG_ERROR, with the extended acknowledgement if it has one. @throws MalformedNetlink */
export function decodeReply(message: NetlinkMessage): NetlinkReply {
  const { start, end, view } = message;
  if (end - start < 4 + NETLINK_HEADER_OCTETS)
    throw new MalformedNetlink(`error of ${end - start} octets: must have 20`);
  const errno = 0 - view.getInt32(start, hostIsLittle);
  const sequence = view.getUint32(start + 4 + 8, hostIsLittle);
  const requestOctets = view.getUint32(start + 4, hostIsLittle);
  if ((message.flags & MessageFlag.AckAttributes) === 0) return { sequence, errno };
  const isCapped = (message.flags & MessageFlag.Capped) !== 0;
  if (!isCapped && requestOctets > end - start) {
    throw new MalformedNetlink(`error about a request of ${requestOctets} octets in ${end - start}`);
  }
  const skip = 4 + (isCapped ? NETLINK_HEADER_OCTETS : align(Math.max(requestOctets, NETLINK_HEADER_OCTETS)));
  return { sequence, errno, ...extendedAck(message, skip) };
}

/** Reads an NLMSG_DONE: 0, or the errno that ended a dump. @throws MalformedNetlink */
export function decodeDone(message: NetlinkMessage): NetlinkReply {
  const { start, end, view, sequence } = message;
  if (end - start < 4) return { sequence, errno: 0 };
  const errno = Math.max(0, -view.getInt32(start, hostIsLittle));
  if ((message.flags & MessageFlag.AckAttributes) === 0) return { sequence, errno };
  return { sequence, errno, ...extendedAck(message, 4) };
}

function extendedAck(message: NetlinkMessage, skip: number): { text?: string; offset?: number } {
  const found: { text?: string; offset?: number } = {};
  const attributes = AttributeReader.ofMessage(message, skip);
  while (attributes.next()) {
    if (attributes.type === 1) found.text = attributes.text();
    else if (attributes.type === 2) found.offset = attributes.u32();
  }
  return found;
}
