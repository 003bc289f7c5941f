/** A copy of `column` with room for at least `length` numbers, zero beyond what was there. */
export function growInt32(column: Int32Array, length: number): Int32Array {
  const grown = new Int32Array(nextCapacity(column.length, length));
  grown.set(column);
  return grown;
}

/** As {@link growInt32}, for 16-bit columns. */
export function growUint16(column: Uint16Array, length: number): Uint16Array {
  const grown = new Uint16Array(nextCapacity(column.length, length));
  grown.set(column);
  return grown;
}

/** As {@link growInt32}, for octet columns. */
export function growUint8(column: Uint8Array, length: number): Uint8Array {
  const grown = new Uint8Array(nextCapacity(column.length, length));
  grown.set(column);
  return grown;
}

/**
 * Doubling up to 64 Ki numbers, then by half: columns are large, and half of the last one would lie idle.
 */
export function nextCapacity(present: number, wanted: number): number {
  let capacity = Math.max(present, 16);
  while (capacity < wanted) capacity = capacity < 65_536 ? capacity * 2 : capacity + (capacity >> 1);
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
