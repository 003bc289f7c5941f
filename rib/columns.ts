/** From so many octets on, a column lives in memory that grows where it is. */
const IN_PLACE_OCTETS = 256 * 1024;
/** Address space set aside for such a column. Pages that were never written cost nothing. */
const RESERVED_OCTETS = 2 ** 30;

/**
 * `column` with room for `length` numbers, zero beyond what was there. Large columns grow in place, without a copy; so the array given
 * may share its memory with the one returned and is not to be used any more.
 */
export function resizeInt32(column: Int32Array, length: number): Int32Array {
  const buffer = grownInPlace(column.buffer, length * 4);
  const grown = buffer === undefined ? new Int32Array(length) : new Int32Array(buffer, 0, length);
  if (buffer !== column.buffer) grown.set(column);
  return grown;
}

/** As {@link resizeInt32}, for 16-bit columns. */
export function resizeUint16(column: Uint16Array, length: number): Uint16Array {
  const buffer = grownInPlace(column.buffer, length * 2);
  const grown = buffer === undefined ? new Uint16Array(length) : new Uint16Array(buffer, 0, length);
  if (buffer !== column.buffer) grown.set(column);
  return grown;
}

/** As {@link resizeInt32}, for octet columns. */
export function resizeUint8(column: Uint8Array, length: number): Uint8Array {
  const buffer = grownInPlace(column.buffer, length);
  const grown = buffer === undefined ? new Uint8Array(length) : new Uint8Array(buffer, 0, length);
  if (buffer !== column.buffer) grown.set(column);
  return grown;
}

/** Room for at least `length` numbers, and some to spare; else as {@link resizeInt32}. */
export function growInt32(column: Int32Array, length: number): Int32Array {
  return resizeInt32(column, nextCapacity(column.length, length));
}

/** As {@link growInt32}, for 16-bit columns. */
export function growUint16(column: Uint16Array, length: number): Uint16Array {
  return resizeUint16(column, nextCapacity(column.length, length));
}

/** As {@link growInt32}, for octet columns. */
export function growUint8(column: Uint8Array, length: number): Uint8Array {
  return resizeUint8(column, nextCapacity(column.length, length));
}

/**
 * The memory of a large column with room for `octets`: the same as before where it can grow, new memory that can grow otherwise;
 * undefined where a plain array does. It is shared memory, though nobody shares it, since only that kind both grows and is read at full
 * speed through an array of fixed length; and the collector neither copies it nor counts it.
 */
function grownInPlace(buffer: ArrayBufferLike, octets: number): SharedArrayBuffer | undefined {
  if (buffer instanceof SharedArrayBuffer && octets <= buffer.maxByteLength) {
    if (octets > buffer.byteLength) buffer.grow(octets);
    return buffer;
  }
  if (octets < IN_PLACE_OCTETS) return undefined;
  try {
    return new SharedArrayBuffer(octets, { maxByteLength: Math.max(RESERVED_OCTETS, octets * 4) });
  } catch (error) {
    // No address space to set aside (a limit on virtual memory): a copy does as well, only slower.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/**
 * Doubling up to 64 Ki numbers, then by a quarter: columns are large, and half of the last one would lie idle.
 */
export function nextCapacity(present: number, wanted: number): number {
  let capacity = Math.max(present, 16);
  while (capacity < wanted) capacity = capacity < 65_536 ? capacity * 2 : capacity + (capacity >> 2);
  return capacity;
}

/** A set of small integers as bits, growing on demand; absent beyond its end. */
export class BitSet {
  #words: Int32Array;
  #count: number;

  constructor(capacity = 32) {
    this.#words = new Int32Array((capacity + 31) >> 5);
    this.#count = 0;
  }

  /** How many numbers are in the set. */
  get count(): number {
    return this.#count;
  }

  has(n: number): boolean {
    const word = n >> 5;
    return word < this.#words.length && (this.#words[word]! & (1 << (n & 31))) !== 0;
  }

  /** True if `n` was not in the set before. */
  add(n: number): boolean {
    const word = n >> 5;
    if (word >= this.#words.length) this.#words = growInt32(this.#words, word + 1);
    const bit = 1 << (n & 31);
    const before = this.#words[word]!;
    if ((before & bit) !== 0) return false;
    this.#words[word] = before | bit;
    this.#count++;
    return true;
  }

  /** True if `n` was in the set before. */
  delete(n: number): boolean {
    const word = n >> 5;
    if (word >= this.#words.length) return false;
    const bit = 1 << (n & 31);
    const before = this.#words[word]!;
    if ((before & bit) === 0) return false;
    this.#words[word] = before & ~bit;
    this.#count--;
    return true;
  }

  /** The smallest member that is at least `from`, or -1. */
  next(from: number): number {
    let word = from >> 5;
    if (word >= this.#words.length) return -1;
    let bits = this.#words[word]! & (-1 << (from & 31));
    while (bits === 0) {
      word++;
      if (word >= this.#words.length) return -1;
      bits = this.#words[word]!;
    }
    return (word << 5) + (31 - Math.clz32(bits & -bits));
  }

  clear(): void {
    this.#words.fill(0);
    this.#count = 0;
  }

  /** An independent copy. */
  clone(): BitSet {
    const copy = new BitSet();
    copy.#words = this.#words.slice();
    copy.#count = this.#count;
    return copy;
  }
}

/** Rows waiting for something, first in first out, without an object per row. Shrinks when it runs empty. */
export class RowQueue {
  #rows: Int32Array;
  #head: number;
  #tail: number;

  constructor() {
    this.#rows = new Int32Array(64);
    this.#head = 0;
    this.#tail = 0;
  }

  get length(): number {
    return this.#tail - this.#head;
  }

  push(row: number): void {
    if (this.#tail === this.#rows.length) this.#makeRoom();
    this.#rows[this.#tail++] = row;
  }

  /** The first row, 0 when there is none. */
  shift(): number {
    if (this.#head === this.#tail) return 0;
    const row = this.#rows[this.#head++]!;
    if (this.#head === this.#tail) {
      this.#head = 0;
      this.#tail = 0;
      if (this.#rows.length > 65_536) this.#rows = new Int32Array(64);
    }
    return row;
  }

  #makeRoom(): void {
    if (this.#head > this.#rows.length >> 1) {
      this.#rows.copyWithin(0, this.#head, this.#tail);
    } else {
      const grown = new Int32Array(nextCapacity(this.#rows.length, this.#rows.length + 1));
      grown.set(this.#rows.subarray(this.#head, this.#tail));
      this.#rows = grown;
    }
    this.#tail -= this.#head;
    this.#head = 0;
  }
}
