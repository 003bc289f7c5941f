import { Truncated } from './errors.ts';

/** Bounds-checked big-endian cursor over received octets. Reading past the end throws `Truncated`. */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  readonly #view: DataView;
  #position: number;

  /** Reads `bytes` from `start` up to, not including, `end`. */
  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    if (start < 0 || start > end || end > bytes.length) {
      throw new RangeError(`octets ${start} to ${end} of ${bytes.length}`);
    }
    this.bytes = bytes;
    this.end = end;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#position = start;
  }

  /** Offset in `bytes` of the next octet. */
  get position(): number {
    return this.#position;
  }

  /** Octets left. */
  get remaining(): number {
    return this.end - this.#position;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4));
  }

  /** The next `count` octets as a view of the same memory. */
  view(count: number): Uint8Array {
    const at = this.#advance(count);
    return this.bytes.subarray(at, at + count);
  }

  /** The next `count` octets as a copy that may be kept. */
  copy(count: number): Uint8Array {
    const at = this.#advance(count);
    return this.bytes.slice(at, at + count);
  }

  /** A reader of the next `count` octets, which this one skips. */
  sub(count: number): ByteReader {
    const at = this.#advance(count);
    return new ByteReader(this.bytes, at, at + count);
  }

  #advance(count: number): number {
    const at = this.#position;
    if (count > this.end - at) throw new Truncated(count, this.end - at);
    this.#position = at + count;
    return at;
  }
}

/** Grows as needed; numbers go out big-endian and are cut to their width. */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(Math.max(16, capacity));
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Octets written so far. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    const at = this.#reserve(1);
    this.#view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.#reserve(2);
    this.#view.setUint16(at, value);
  }

  u32(value: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value);
  }

  octets(value: Uint8Array): void {
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
  }

  /** Puts `value` where a 16-bit placeholder was written before. */
  patchU16(at: number, value: number): void {
    if (at + 2 > this.#length) throw new RangeError(`patch at ${at} of ${this.#length}`);
    this.#view.setUint16(at, value);
  }

  /** Puts `value` where an 8-bit placeholder was written before. */
  patchU8(at: number, value: number): void {
    if (at + 1 > this.#length) throw new RangeError(`patch at ${at} of ${this.#length}`);
    this.#view.setUint8(at, value);
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** May replace the buffer: to be called before `#bytes` or `#view` is looked at. */
  #reserve(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#length = needed;
    return at;
  }
}

/** Lower-case hex without separators. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const octet of bytes) text += octet.toString(16).padStart(2, '0');
  return text;
}

/**
 * Octets from hex; white space is ignored.
 * @throws RangeError for anything else
 */
export function fromHex(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, '');
  if (!/^([0-9a-fA-F]{2})*$/.test(digits)) throw new RangeError(`not hex: ${text}`);
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
