const NO_SLOTS = new Int32Array(0);

/** Addresses are kept in pieces of 4096 rows, so that they never have to be copied. */
const PIECE_BITS = 12;
const PIECE_MASK = (1 << PIECE_BITS) - 1;

/** Rows that move to new slots with each row that is added: more than one, or the next growing would have to wait. */
const MOVED_AT_ONCE = 8;

/**
 * Rows found by prefix and metric: open addressing over typed arrays, no object and no string per row. A row costs 4 octets per address
 * word, 4 for length and metric, and 8 to 16 in the hash slots (load 1/4 to 1/2), so about 20 octets for IPv4 and 32 for IPv6. Rows keep
 * their number while they live; users keep their own columns beside, for rows below `end`.
 *
 * Growing costs no pause that grows with the table: the rows move to twice as many slots a few at a time, with each row that is added.
 * Until all have moved, a key that is not found in the new slots is looked up in the old ones.
 */
export class KeyTable {
  readonly #words: 1 | 4;
  /** Address words of row r in piece `r >> PIECE_BITS` from `(r & PIECE_MASK) * words`, most significant first. */
  readonly #addresses: Int32Array[] = [];
  /** Prefix length | (metric index + 1) << 8; 0 for a free row, whose first address word is then the next free row (-1: none). */
  #metas: Int32Array;
  /** Row + 1, 0 for empty. */
  #slots: Int32Array;
  /** The slots before they were doubled; empty when all rows have moved. -1 for a row that went meanwhile. */
  #oldSlots: Int32Array = NO_SLOTS;
  /** Rows below this have moved. */
  #moved = 0;
  #free = -1;
  #end = 0;
  #size = 0;
  #metrics: number[] = [];
  #metricIndex = new Map<number, number>();

  /** @param words 32-bit words of an address: 1 for IPv4, 4 for IPv6 */
  constructor(words: 1 | 4, capacity = 64) {
    this.#words = words;
    this.#metas = new Int32Array(capacity);
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

  /** All metrics seen, in the order first seen. */
  get metrics(): readonly number[] {
    return this.#metrics;
  }

  has(row: number): boolean {
    return (this.#metas[row] ?? 0) !== 0;
  }

  length(row: number): number {
    return (this.#metas[row] ?? 0) & 0xff;
  }

  metric(row: number): number {
    return this.#metrics[((this.#metas[row] ?? 0) >>> 8) - 1] ?? 0;
  }

  /** Copies the address words of `row` into `out` from `at`. */
  copyAddress(row: number, out: Int32Array, at: number): void {
    const words = this.#words;
    const piece = this.#addresses[row >> PIECE_BITS] ?? NO_SLOTS;
    const base = (row & PIECE_MASK) * words;
    for (let i = 0; i < words; i++) out[at + i] = piece[base + i] ?? 0;
  }

  /** The row of a key, or -1. The address is `words` values of `address` from `at`. */
  find(address: Int32Array, at: number, length: number, metric: number): number {
    const index = this.#metricIndex.get(metric);
    if (index === undefined) return -1;
    const meta = length | ((index + 1) << 8);
    const entry = this.#slots[this.#slotOf(this.#slots, address, at, meta)] ?? 0;
    if (entry !== 0 || this.#oldSlots.length === 0) return entry - 1;
    return (this.#oldSlots[this.#slotOf(this.#oldSlots, address, at, meta)] ?? 0) - 1;
  }

  /** The row of a key, made if it is not there. */
  ensure(address: Int32Array, at: number, length: number, metric: number): number {
    const meta = length | ((this.#indexOf(metric) + 1) << 8);
    if (this.#oldSlots.length > 0) this.#move(MOVED_AT_ONCE);
    if ((this.#size + 1) * 2 > this.#slots.length) this.#growSlots();
    const slot = this.#slotOf(this.#slots, address, at, meta);
    const known = this.#slots[slot] ?? 0;
    if (known !== 0) return known - 1;
    if (this.#oldSlots.length > 0) {
      const old = this.#oldSlots[this.#slotOf(this.#oldSlots, address, at, meta)] ?? 0;
      if (old !== 0) return old - 1;
    }
    const row = this.#newRow();
    const words = this.#words;
    const piece = this.#addresses[row >> PIECE_BITS] ?? NO_SLOTS;
    const base = (row & PIECE_MASK) * words;
    for (let i = 0; i < words; i++) piece[base + i] = address[at + i] ?? 0;
    this.#metas[row] = meta;
    this.#slots[slot] = row + 1;
    this.#size++;
    return row;
  }

  /** Forgets a row; its number may be given again. */
  remove(row: number): void {
    if (!this.has(row)) return;
    const meta = this.#metas[row] ?? 0;
    const piece = this.#addresses[row >> PIECE_BITS] ?? NO_SLOTS;
    const base = (row & PIECE_MASK) * this.#words;
    const slot = this.#slotOf(this.#slots, piece, base, meta);
    if (this.#slots[slot] !== 0) this.#close(slot);
    if (this.#oldSlots.length > 0) {
      const old = this.#slotOf(this.#oldSlots, piece, base, meta);
      if (this.#oldSlots[old] !== 0) this.#oldSlots[old] = -1;
    }
    this.#metas[row] = 0;
    piece[base] = this.#free;
    this.#free = row;
    this.#size--;
  }

  #indexOf(metric: number): number {
    let index = this.#metricIndex.get(metric);
    if (index === undefined) {
      index = this.#metrics.length;
      if (index >= 0x7fffff) throw new RangeError('too many distinct metrics');
      this.#metrics.push(metric);
      this.#metricIndex.set(metric, index);
    }
    return index;
  }

  #newRow(): number {
    if (this.#free >= 0) {
      const row = this.#free;
      this.#free = this.#addresses[row >> PIECE_BITS]?.[(row & PIECE_MASK) * this.#words] ?? -1;
      return row;
    }
    if (this.#end >> PIECE_BITS === this.#addresses.length) {
      this.#addresses.push(new Int32Array((PIECE_MASK + 1) * this.#words));
    }
    if (this.#end === this.#metas.length) this.#metas = doubled(this.#metas);
    return this.#end++;
  }

  /** Where a key is in `slots`, or the empty place where it would be. */
  #slotOf(slots: Int32Array, address: Int32Array, at: number, meta: number): number {
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
    const piece = this.#addresses[row >> PIECE_BITS] ?? NO_SLOTS;
    const base = (row & PIECE_MASK) * words;
    for (let i = 0; i < words; i++) if (piece[base + i] !== address[at + i]) return false;
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
      const piece = this.#addresses[row >> PIECE_BITS] ?? NO_SLOTS;
      const home = this.#hash(piece, (row & PIECE_MASK) * this.#words, this.#metas[row] ?? 0) & mask;
      if (((next - home) & mask) < ((next - hole) & mask)) continue;
      slots[hole] = entry;
      hole = next;
    }
    slots[hole] = 0;
  }

  #growSlots(): void {
    this.#move(Number.POSITIVE_INFINITY); // in case the last growing is not over, which it is
    this.#oldSlots = this.#slots;
    this.#slots = new Int32Array(this.#slots.length * 2);
    this.#moved = 0;
  }

  /** Puts up to so many more rows into the new slots. */
  #move(rows: number): void {
    if (this.#oldSlots.length === 0) return;
    const end = Math.min(this.#end, this.#moved + rows);
    for (; this.#moved < end; this.#moved++) {
      const row = this.#moved;
      const meta = this.#metas[row] ?? 0;
      if (meta === 0) continue;
      const piece = this.#addresses[row >> PIECE_BITS] ?? NO_SLOTS;
      this.#slots[this.#slotOf(this.#slots, piece, (row & PIECE_MASK) * this.#words, meta)] = row + 1;
    }
    if (this.#moved >= this.#end) this.#oldSlots = NO_SLOTS;
  }
}

function doubled(column: Int32Array): Int32Array<ArrayBuffer> {
  const next = new Int32Array(column.length * 2);
  next.set(column);
  return next;
}

function nextPowerOfTwo(n: number): number {
  let power = 2;
  while (power < n) power *= 2;
  return power;
}
