import { Families, type FamilyName, type IpAddress, type Prefix } from 'bgp-ts';
import { nextCapacity, resizeInt32 } from './columns.ts';

/** Bits of the meta word of a row, above the prefix length (bits 0 to 7). */
export const RowFlag = {
  /** In the queue of the decision process. */
  Dirty: 0x100,
  /** The head of the path list is the selected path. */
  Selected: 0x200,
  /** The content of the selected path changed since the last decision. */
  Changed: 0x400,
  /** In the queue towards the kernel. */
  FibDirty: 0x800,
  /** In the list of rows to be given back. */
  Zombie: 0x1000,
  /** In the free list. */
  Free: 0x2000,
  /** To be handed to the kernel again, also if it has not changed. */
  Resend: 0x4000,
} as const;

const INITIAL_ROWS = 256;
/** Prefix length and "free" of the meta word: what tells a row of this prefix from any other. */
const LENGTH_OR_FREE = 0xff | RowFlag.Free;
/** The index grows fourfold up to this size, then twofold: filling it anew is the dearest part of growing. */
const FOURFOLD_UP_TO = 1 << 21;
/** Above so many slots an index that grows is not filled anew at once: entries follow, so many slots with every insertion. */
const AT_ONCE_UP_TO = 1 << 15;
const MOVED_AT_ONCE = 16;
const none = new Int32Array(0);

/**
 * Prefixes of one family -> rows. Rows are 32-bit words in one typed array, numbered from 1, and keep their number as long as they
 * live: four words for IPv4 (address, meta, head of the path list, next-hop set the kernel has), eight for IPv6 (four of address).
 * Beside them an open-addressing index of row numbers, whose spare upper bits hold part of the hash, so that a probe reads a row only
 * when it very likely is the one. A row that is removed leaves its entry behind: it leads to a free row, or to a row whose prefix is
 * compared anyway, until the next rehash drops it. A large index that grows stays beside the new one until all its entries went over, a few with
 * each insertion: filling the new one takes tens of milliseconds at a million prefixes. 16 octets (IPv6: 32) and 8 of index for a prefix.
 */
export class PrefixTable {
  readonly family: FamilyName;
  /** 1 (IPv4) or 4 (IPv6) words of address in front of a row. */
  readonly keyWords: number;
  /** Words of a row. */
  readonly stride: number;
  /** The rows; replaced when the table grows, so read it anew after every `insert`. Row 0 is unused. */
  rows: Int32Array;
  /** One above the largest row number in use so far. */
  end: number;
  /** Rows in use. */
  count: number;
  /** Per prefix length how many rows have it. */
  readonly #lengths: Int32Array;
  #index: Int32Array;
  #mask: number;
  /** Three quarters of the index. */
  #limit: number;
  /** Entries of the index that rows left behind. */
  #stale: number;
  #free: number;
  /** While the index grows: what it was before (else empty), its mask, and the next of its slots to go to the new one. */
  #old: Int32Array;
  #oldMask: number;
  #oldAt: number;
  readonly #scratch: Int32Array;
  #touched: number;
  readonly #peeked: { readonly address: IpAddress; length: number };

  constructor(family: FamilyName) {
    this.family = family;
    this.keyWords = Families[family].addressOctets / 4;
    this.stride = this.keyWords === 1 ? 4 : 8;
    this.rows = new Int32Array(INITIAL_ROWS * this.stride);
    this.end = 1;
    this.count = 0;
    this.#lengths = new Int32Array(129);
    this.#index = new Int32Array(INITIAL_ROWS * 2);
    this.#mask = this.#index.length - 1;
    this.#limit = this.#mask - (this.#mask >> 2);
    this.#stale = 0;
    this.#free = 0;
    this.#old = none;
    this.#oldMask = 0;
    this.#oldAt = 0;
    this.#scratch = new Int32Array(4);
    this.#touched = 0;
    const octets = new Uint8Array(this.keyWords * 4);
    this.#peeked = { address: { version: this.keyWords === 1 ? 4 : 6, octets }, length: 0 };
  }

  /** Rows there is room for: what a column beside the table must hold. */
  get capacity(): number {
    return this.rows.length / this.stride;
  }

  /** Prefix length in bits of a row. */
  lengthOf(row: number): number {
    return this.rows[row * this.stride + this.keyWords]! & 0xff;
  }

  /** Row of an IPv4 prefix whose host bits are zero (address as a signed 32-bit number); 0 if there is none. */
  find4(address: number, length: number): number {
    const hash = hash4(address, length);
    const index = this.#index;
    const mask = this.#mask;
    const rows = this.rows;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = index[slot]!;
      if (entry === 0) return this.#old.length === 0 ? 0 : this.#findOld4(hash, address, length);
      if (((entry ^ hash) & ~mask) !== 0) continue;
      const row = entry & mask;
      const at = row << 2;
      if (rows[at] === address && (rows[at + 1]! & LENGTH_OR_FREE) === length) return row;
    }
  }

  /** As {@link find4}, but a prefix that is not there is put there, with no paths. */
  insert4(address: number, length: number): number {
    if (this.end + this.#stale >= this.#limit) this.#makeRoom();
    if (this.#old.length > 0) this.#moveSome(MOVED_AT_ONCE);
    const hash = hash4(address, length);
    const index = this.#index;
    const mask = this.#mask;
    const rows = this.rows;
    let hole = -1;
    let slot = hash & mask;
    for (; ; slot = (slot + 1) & mask) {
      const entry = index[slot]!;
      if (entry === 0) break;
      if (((entry ^ hash) & ~mask) !== 0) continue;
      const row = entry & mask;
      const at = row << 2;
      if ((rows[at + 1]! & RowFlag.Free) !== 0) hole = slot;
      else if (rows[at] === address && (rows[at + 1]! & 0xff) === length) return row;
    }
    if (this.#old.length > 0) {
      const known = this.#findOld4(hash, address, length);
      if (known !== 0) return known;
    }
    const row = this.#newRow(hash, slot, hole, length);
    this.rows[row << 2] = address;
    return row;
  }

  /**
   * Reads the index where {@link insert4} and {@link find4} are going to look, so that it is in the cache by then: called for all prefixes of a
   * message first, the waits for memory overlap.
   */
  touch4(address: number, length: number): void {
    // Kept, or the reading would be optimised away.
    this.#touched ^= this.#index[hash4(address, length) & this.#mask]!;
  }

  /** As {@link touch4}. */
  touch6(a: number, b: number, c: number, d: number, length: number): void {
    this.#touched ^= this.#index[hash6(a, b, c, d, length) & this.#mask]!;
  }

  /** Row of an IPv6 prefix whose host bits are zero; 0 if there is none. */
  find6(a: number, b: number, c: number, d: number, length: number): number {
    const hash = hash6(a, b, c, d, length);
    const index = this.#index;
    const mask = this.#mask;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = index[slot]!;
      if (entry === 0) return this.#old.length === 0 ? 0 : this.#findOld6(hash, a, b, c, d, length);
      if (((entry ^ hash) & ~mask) !== 0) continue;
      const row = entry & mask;
      if (this.#isRow6(row, a, b, c, d, length)) return row;
    }
  }

  /** As {@link find6}, but a prefix that is not there is put there, with no paths. */
  insert6(a: number, b: number, c: number, d: number, length: number): number {
    if (this.end + this.#stale >= this.#limit) this.#makeRoom();
    if (this.#old.length > 0) this.#moveSome(MOVED_AT_ONCE);
    const hash = hash6(a, b, c, d, length);
    const index = this.#index;
    const rows = this.rows;
    const mask = this.#mask;
    let hole = -1;
    let slot = hash & mask;
    for (; ; slot = (slot + 1) & mask) {
      const entry = index[slot]!;
      if (entry === 0) break;
      if (((entry ^ hash) & ~mask) !== 0) continue;
      const row = entry & mask;
      if ((rows[(row << 3) + 4]! & RowFlag.Free) !== 0) hole = slot;
      else if (this.#isRow6(row, a, b, c, d, length)) return row;
    }
    if (this.#old.length > 0) {
      const known = this.#findOld6(hash, a, b, c, d, length);
      if (known !== 0) return known;
    }
    const row = this.#newRow(hash, slot, hole, length);
    const at = row << 3;
    const grown = this.rows;
    grown[at] = a;
    grown[at + 1] = b;
    grown[at + 2] = c;
    grown[at + 3] = d;
    return row;
  }

  /** Row of a prefix value, 0 if there is none. For configuration and queries. */
  find(prefix: Prefix): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#wordsOf(prefix.address.octets, prefix.length);
    return this.keyWords === 1 ? this.find4(a, prefix.length) : this.find6(a, b, c, d, prefix.length);
  }

  /** Row of a prefix value, made if there is none. For configuration and tests. */
  insert(prefix: Prefix): number {
    const [a = 0, b = 0, c = 0, d = 0] = this.#wordsOf(prefix.address.octets, prefix.length);
    return this.keyWords === 1 ? this.insert4(a, prefix.length) : this.insert6(a, b, c, d, prefix.length);
  }

  /**
   * The longest prefix that covers the first `maxLength` bits of an address and that `wanted` agrees to; 0 if there is none.
   * Tries each length in use: for queries only.
   */
  longestMatch(octets: Uint8Array, maxLength: number, wanted: (row: number) => boolean): number {
    for (let length = maxLength; length >= 0; length--) {
      if (this.#lengths[length] === 0) continue;
      const [a = 0, b = 0, c = 0, d = 0] = this.#wordsOf(octets, length);
      const row = this.keyWords === 1 ? this.find4(a, length) : this.find6(a, b, c, d, length);
      if (row !== 0 && wanted(row)) return row;
    }
    return 0;
  }

  /** Writes the address of a row to the first 4 or 16 octets of `octets`. */
  copyAddress(row: number, octets: Uint8Array): void {
    let at = row * this.stride;
    for (let i = 0; i < this.keyWords * 4; i += 4, at++) {
      const word = this.rows[at]!;
      octets[i] = word >>> 24;
      octets[i + 1] = word >>> 16;
      octets[i + 2] = word >>> 8;
      octets[i + 3] = word;
    }
  }

  /** The prefix of a row as a value. */
  prefixOf(row: number): Prefix {
    const octets = new Uint8Array(this.keyWords * 4);
    this.copyAddress(row, octets);
    return { address: { version: this.keyWords === 1 ? 4 : 6, octets }, length: this.lengthOf(row) };
  }

  /** As {@link prefixOf}, but always the same object with other content: for who looks and does not keep. */
  peekPrefix(row: number): Prefix {
    const peeked = this.#peeked;
    this.copyAddress(row, peeked.address.octets);
    peeked.length = this.lengthOf(row);
    return peeked;
  }

  /** Gives back a row. */
  remove(row: number): void {
    const rows = this.rows;
    const at = row * this.stride;
    const meta = at + this.keyWords;
    this.#lengths[rows[meta]! & 0xff]!--;
    rows[meta] = RowFlag.Free;
    rows[meta + 1] = this.#free;
    rows[meta + 2] = 0;
    this.#free = row;
    this.#stale++;
    this.count--;
    if (this.count === 0) this.#reset();
  }

  /** Rows in use in order of address, then length. Builds a sorted list: for queries. */
  sortedRows(): Int32Array {
    const list = new Int32Array(this.count);
    let n = 0;
    const meta = this.keyWords;
    for (let row = 1; row < this.end; row++) {
      if ((this.rows[row * this.stride + meta]! & RowFlag.Free) === 0) list[n++] = row;
    }
    return this.keyWords === 1 ? this.#sort4(list) : list.sort((x, y) => this.#compareRows(x, y));
  }

  /** IPv4 keys fit the 53 bits of a number, and sorting plain numbers is an order of magnitude faster than with a comparison. */
  #sort4(list: Int32Array): Int32Array {
    const keys = new Float64Array(list.length);
    for (let i = 0; i < list.length; i++) {
      const row = list[i]!;
      keys[i] = (this.rows[row << 2]! >>> 0) * 64 + (this.rows[(row << 2) + 1]! & 0xff);
    }
    keys.sort();
    for (let i = 0; i < list.length; i++) {
      const key = keys[i]!;
      const address = Math.floor(key / 64);
      list[i] = this.find4(address | 0, key - address * 64);
    }
    return list;
  }

  #compareRows(x: number, y: number): number {
    const rows = this.rows;
    for (let i = 0; i < 4; i++) {
      const difference = (rows[(x << 3) + i]! >>> 0) - (rows[(y << 3) + i]! >>> 0);
      if (difference !== 0) return difference;
    }
    return (rows[(x << 3) + 4]! & 0xff) - (rows[(y << 3) + 4]! & 0xff);
  }

  /** The row that only the index of before the growth knows, 0 if there is none. */
  #findOld4(hash: number, address: number, length: number): number {
    const index = this.#old;
    const mask = this.#oldMask;
    const rows = this.rows;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = index[slot]!;
      if (entry === 0) return 0;
      if (((entry ^ hash) & ~mask) !== 0) continue;
      const row = entry & mask;
      if (rows[row << 2] === address && (rows[(row << 2) + 1]! & LENGTH_OR_FREE) === length) return row;
    }
  }

  #findOld6(hash: number, a: number, b: number, c: number, d: number, length: number): number {
    const index = this.#old;
    const mask = this.#oldMask;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = index[slot]!;
      if (entry === 0) return 0;
      if (((entry ^ hash) & ~mask) !== 0) continue;
      if (this.#isRow6(entry & mask, a, b, c, d, length)) return entry & mask;
    }
  }

  /** Takes the entries of so many slots over from the index of before. They stay there, too, so that what is behind them is still found. */
  #moveSome(slots: number): void {
    const old = this.#old;
    const end = Math.min(old.length, this.#oldAt + slots);
    for (let at = this.#oldAt; at < end; at++) {
      const entry = old[at]!;
      if (entry !== 0) this.#enter(entry & this.#oldMask);
    }
    this.#oldAt = end;
    if (end === old.length) this.#old = none;
  }

  /** Puts a row into the index, unless it is free or there already. */
  #enter(row: number): void {
    if ((this.rows[row * this.stride + this.keyWords]! & RowFlag.Free) !== 0) return;
    const index = this.#index;
    const mask = this.#mask;
    const hash = this.#hashOf(row);
    const entry = (hash & ~mask) | row;
    let slot = hash & mask;
    for (; index[slot] !== 0; slot = (slot + 1) & mask) if (index[slot] === entry) return;
    index[slot] = entry;
  }

  #isRow6(row: number, a: number, b: number, c: number, d: number, length: number): boolean {
    const rows = this.rows;
    const at = row << 3;
    return (
      rows[at] === a &&
      rows[at + 1] === b &&
      rows[at + 2] === c &&
      rows[at + 3] === d &&
      (rows[at + 4]! & LENGTH_OR_FREE) === length
    );
  }

  #wordsOf(octets: Uint8Array, length: number): Int32Array {
    const words = this.#scratch;
    for (let i = 0; i < this.keyWords; i++) {
      const word = (octets[i * 4]! << 24) | (octets[i * 4 + 1]! << 16) | (octets[i * 4 + 2]! << 8) | octets[i * 4 + 3]!;
      const bits = length - i * 32;
      words[i] = bits >= 32 ? word : bits <= 0 ? 0 : word & (-1 << (32 - bits));
    }
    return words;
  }

  #hashOf(row: number): number {
    const rows = this.rows;
    const at = row * this.stride;
    if (this.keyWords === 1) return hash4(rows[at]!, rows[at + 1]! & 0xff);
    return hash6(rows[at]!, rows[at + 1]!, rows[at + 2]!, rows[at + 3]!, rows[at + 4]! & 0xff);
  }

  #newRow(hash: number, slot: number, hole: number, length: number): number {
    let row = this.#free;
    if (row !== 0) {
      this.#free = this.rows[row * this.stride + this.keyWords + 1]!;
    } else {
      row = this.end++;
      if (row >= this.capacity) {
        this.rows = resizeInt32(this.rows, nextCapacity(this.capacity, row + 1) * this.stride);
      }
    }
    const meta = row * this.stride + this.keyWords;
    this.rows[meta] = length;
    this.rows[meta + 1] = 0;
    this.rows[meta + 2] = 0;
    // The entry of a row that was removed serves again: most likely it had the same prefix.
    if (hole >= 0) this.#stale--;
    this.#index[hole >= 0 ? hole : slot] = (hash & ~this.#mask) | row;
    this.#lengths[length]!++;
    this.count++;
    return row;
  }

  /** Before an insertion: row numbers must stay below the mask, and probes are short up to three quarters of load. */
  #makeRoom(): void {
    if (this.#free !== 0 && this.count + this.#stale < this.#limit) return;
    let size = this.#mask + 1;
    // Half full with live rows: grow, or stale entries soon fill it again.
    while (this.end >= size - (size >> 2) || this.count > size >> 1) size *= size < FOURFOLD_UP_TO ? 4 : 2;
    // An index that is still filling is filled before another one begins.
    if (this.#old.length > 0) this.#moveSome(this.#old.length);
    const before = this.#index;
    this.#oldMask = this.#mask;
    this.#oldAt = 0;
    this.#useIndex(new Int32Array(size));
    this.#stale = 0;
    this.#old = before;
    if (size <= AT_ONCE_UP_TO) this.#moveSome(before.length);
  }

  #useIndex(index: Int32Array): void {
    this.#index = index;
    this.#mask = index.length - 1;
    this.#limit = this.#mask - (this.#mask >> 2);
  }

  /** Empty again: forget free list and stale entries, and give large tables back. */
  #reset(): void {
    this.end = 1;
    this.#free = 0;
    this.#stale = 0;
    this.#old = none;
    if (this.#mask >= INITIAL_ROWS * 8) {
      this.rows = new Int32Array(INITIAL_ROWS * this.stride);
      this.#useIndex(new Int32Array(INITIAL_ROWS * 2));
    } else {
      this.#index.fill(0);
    }
  }
}

/** Mixes address and length; the low bits choose the slot, the high ones are kept in the index. */
function hash4(address: number, length: number): number {
  let h = Math.imul(address ^ (length * 0x9e3779b1), 0x85ebca6b);
  h ^= h >>> 15;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 13);
}

function hash6(a: number, b: number, c: number, d: number, length: number): number {
  let h = Math.imul(a ^ (length * 0x9e3779b1), 0x85ebca6b);
  h = Math.imul((h ^ (h >>> 15)) + b, 0xc2b2ae35);
  h = Math.imul((h ^ (h >>> 13)) + c, 0x27d4eb2f);
  h = Math.imul((h ^ (h >>> 15)) + d, 0x165667b1);
  h ^= h >>> 15;
  return h ^ (h >>> 13);
}
