/**
 * Rows found by prefix and metric: open addressing over typed arrays, no object and no string per row. A row costs 4 octets per address
 * word, 4 for length and metric, and 8 to 16 in the hash slots (load 1/4 to 1/2), so about 20 octets for IPv4 and 32 for IPv6. Rows keep
 * their number while they live; users keep their own columns beside, as long as `capacity`.
 */
export class KeyTable {
  readonly #words: 1 | 4;
  /** Address words of row r from `r * words`, most significant first. */
  #addresses: Int32Array;
  /** Prefix length | metric index << 8; -1 for a free row, whose first address word is then the next free row (-1: none). */
  #metas: Int32Array;
  /** Row + 1, 0 for empty. */
  #slots: Int32Array;
  #free = -1;
  #end = 0;
  #size = 0;
  #metrics: number[] = [];
  #metricIndex = new Map<number, number>();

  /** @param words 32-bit words of an address: 1 for IPv4, 4 for IPv6 */
  constructor(words: 1 | 4, capacity = 64) {
    this.#words = words;
    this.#addresses = new Int32Array(capacity * words);
    this.#metas = new Int32Array(capacity).fill(-1);
    this.#slots = new Int32Array(nextPowerOfTwo(capacity * 2));
  }

  /** Rows that live. */
  get size(): number {
    return this.#size;
  }

  /** Every row ever given is below this. */
  get end(): number {
    return this.#end;
  }

  /** Length columns kept beside this table need. */
  get capacity(): number {
    return this.#metas.length;
  }

  /** All metrics seen, in the order first seen. */
  get metrics(): readonly number[] {
    return this.#metrics;
  }

  has(row: number): boolean {
    return (this.#metas[row] ?? -1) >= 0;
  }

  length(row: number): number {
    return (this.#metas[row] ?? 0) & 0xff;
  }

  metric(row: number): number {
    return this.#metrics[(this.#metas[row] ?? 0) >>> 8] ?? 0;
  }

  /** Copies the address words of `row` into `out` from `at`. */
  copyAddress(row: number, out: Int32Array, at: number): void {
    const words = this.#words;
    const base = row * words;
    for (let i = 0; i < words; i++) out[at + i] = this.#addresses[base + i] ?? 0;
  }

  /** The row of a key, or -1. The address is `words` values of `address` from `at`. */
  find(address: Int32Array, at: number, length: number, metric: number): number {
    const index = this.#metricIndex.get(metric);
    if (index === undefined) return -1;
    const meta = length | (index << 8);
    const slot = this.#slotOf(address, at, meta);
    return (this.#slots[slot] ?? 0) - 1;
  }

  /** The row of a key, made if it is not there. */
  ensure(address: Int32Array, at: number, length: number, metric: number): number {
    const meta = length | (this.#indexOf(metric) << 8);
    let slot = this.#slotOf(address, at, meta);
    const known = this.#slots[slot] ?? 0;
    if (known !== 0) return known - 1;
    if ((this.#size + 1) * 2 > this.#slots.length) {
      this.#rehash(this.#slots.length * 2);
      slot = this.#slotOf(address, at, meta);
    }
    const row = this.#newRow();
    const words = this.#words;
    for (let i = 0; i < words; i++) this.#addresses[row * words + i] = address[at + i] ?? 0;
    this.#metas[row] = meta;
    this.#slots[slot] = row + 1;
    this.#size++;
    return row;
  }

  /** Forgets a row; its number may be given again. */
  remove(row: number): void {
    if (!this.has(row)) return;
    const meta = this.#metas[row] ?? 0;
    this.#close(this.#slotOf(this.#addresses, row * this.#words, meta));
    this.#metas[row] = -1;
    this.#addresses[row * this.#words] = this.#free;
    this.#free = row;
    this.#size--;
  }

  #indexOf(metric: number): number {
    let index = this.#metricIndex.get(metric);
    if (index === undefined) {
      index = this.#metrics.length;
      if (index > 0x7fffff) throw new RangeError('too many distinct metrics');
      this.#metrics.push(metric);
      this.#metricIndex.set(metric, index);
    }
    return index;
  }

  #newRow(): number {
    if (this.#free >= 0) {
      const row = this.#free;
      this.#free = this.#addresses[row * this.#words] ?? -1;
      return row;
    }
    if (this.#end === this.#metas.length) {
      const addresses = new Int32Array(this.#addresses.length * 2);
      addresses.set(this.#addresses);
      this.#addresses = addresses;
      const metas = new Int32Array(this.#metas.length * 2).fill(-1);
      metas.set(this.#metas);
      this.#metas = metas;
    }
    return this.#end++;
  }

  #slotOf(address: Int32Array, at: number, meta: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = this.#hash(address, at, meta) & mask;
    for (;;) {
      const entry = slots[slot] ?? 0;
      if (entry === 0 || this.#isKey(entry - 1, address, at, meta)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #isKey(row: number, address: Int32Array, at: number, meta: number): boolean {
    if (this.#metas[row] !== meta) return false;
    const words = this.#words;
    const base = row * words;
    for (let i = 0; i < words; i++) if (this.#addresses[base + i] !== address[at + i]) return false;
    return true;
  }

  #hash(address: Int32Array, at: number, meta: number): number {
    let hash = Math.imul(meta, 0x9e3779b1);
    for (let i = 0; i < this.#words; i++) {
      hash = Math.imul(hash ^ (address[at + i] ?? 0), 0x85ebca6b);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash, 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) >>> 0;
  }

  /** Empties a slot and moves what was pushed past it back (linear probing without tombstones). */
  #close(slot: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hole = slot;
    let next = slot;
    for (;;) {
      next = (next + 1) & mask;
      const entry = slots[next] ?? 0;
      if (entry === 0) break;
      const row = entry - 1;
      const home = this.#hash(this.#addresses, row * this.#words, this.#metas[row] ?? 0) & mask;
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      slots[hole] = entry;
      hole = next;
    }
    slots[hole] = 0;
  }

  #rehash(size: number): void {
    this.#slots = new Int32Array(size);
    const mask = size - 1;
    for (let row = 0; row < this.#end; row++) {
      const meta = this.#metas[row] ?? -1;
      if (meta < 0) continue;
      let slot = this.#hash(this.#addresses, row * this.#words, meta) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = row + 1;
    }
  }
}

function nextPowerOfTwo(n: number): number {
  let power = 2;
  while (power < n) power *= 2;
  return power;
}
