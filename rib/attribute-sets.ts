import { AttributeCode } from 'bgp-ts';
import type { AttributeScanner } from './attribute-scan.ts';
import { SetFlag } from './attribute-scan.ts';
import { nextCapacity, resizeInt32 } from './columns.ts';
import type { NextHops } from './next-hop.ts';
import { OctetArena } from './octet-arena.ts';

/** Words of a set in {@link AttributeSets.facts}: one cache line holds two sets. Numbers are unsigned 32-bit: read with `>>> 0`. */
export const Fact = {
  LocalPref: 0,
  /** As path length times 4, plus ORIGIN: ordered as the decision process wants it. */
  PathRank: 1,
  /** 0 where there is none, see `SetFlag.HasMed`. */
  Med: 2,
  /** First AS of AS_PATH; 0: none, or a set. */
  NeighbourAs: 3,
  /** 0 where there is none. */
  OriginatorId: 4,
  /** `SetFlag`, and the length of CLUSTER_LIST in the upper half. */
  Flags: 5,
  NextHop: 6,
  /** Local preference of this speaker alone, given by import policy. */
  Weight: 7,
} as const;

/** Words of a set in `facts`. */
export const FACT_WORDS = 8;

/** Words of a set in the storage column: offset in the arena, length there and generation (upper 16 bits), hash, references. */
const STORE_WORDS = 4;
const INITIAL_SETS = 128;

/** Told when a set is gone: forget its id. */
export interface SetFreedListener {
  setFreed(id: number): void;
}

/**
 * Immutable sets of path attributes, interned: the same canonical octets, next hop and weight have one id, counted by those who hold it.
 * Canonical octets are what an UPDATE carries, by type code and with four-octet AS numbers, without MP_REACH_NLRI; IPv4 sets have
 * NEXT_HOP among them, so that they are sent as they are. 48 octets of columns and 4 to 8 of index a set, beside its octets.
 */
export class AttributeSets {
  /** Eight words a set, see {@link Fact}; replaced when it grows. */
  facts: Int32Array;
  readonly #arena: OctetArena;
  readonly #nextHops: NextHops;
  readonly #listeners: Set<SetFreedListener>;
  #view: DataView;
  #store: Int32Array;
  #index: Int32Array;
  #mask: number;
  /** Entries of the index that sets left behind. */
  #stale: number;
  #end: number;
  #free: number;
  #count: number;

  constructor(nextHops: NextHops) {
    this.facts = new Int32Array(INITIAL_SETS * FACT_WORDS);
    this.#arena = new OctetArena();
    this.#nextHops = nextHops;
    this.#listeners = new Set();
    this.#view = new DataView(this.#arena.bytes.buffer);
    this.#store = new Int32Array(INITIAL_SETS * STORE_WORDS);
    this.#index = new Int32Array(INITIAL_SETS * 2);
    this.#mask = this.#index.length - 1;
    this.#stale = 0;
    this.#end = 1;
    this.#free = 0;
    this.#count = 0;
  }

  /** Sets alive. */
  get count(): number {
    return this.#count;
  }

  /** One above the largest id so far: what a column by id must hold. */
  get end(): number {
    return this.#end;
  }

  /** Octets held for the sets, without columns. */
  get octets(): number {
    return this.#arena.usedOctets;
  }

  /** The arena; with {@link offsetOf} and {@link lengthOf} the canonical octets of a set. Replaced by any new set. */
  get bytes(): Uint8Array {
    return this.#arena.bytes;
  }

  /** The arena as a DataView, same offsets. */
  get view(): DataView {
    return this.#view;
  }

  offsetOf(id: number): number {
    return this.#store[id * STORE_WORDS]!;
  }

  lengthOf(id: number): number {
    return this.#store[id * STORE_WORDS + 1]! & 0xffff;
  }

  /** Changes whenever the id is given to another set: with it an id can be remembered without being held. */
  generationOf(id: number): number {
    return this.#store[id * STORE_WORDS + 1]! >>> 16;
  }

  referencesTo(id: number): number {
    return this.#store[id * STORE_WORDS + 3]!;
  }

  nextHopOf(id: number): number {
    return this.facts[id * FACT_WORDS + Fact.NextHop]!;
  }

  /** Metric of AIGP (RFC 7311 §3) of a set that has it, exact up to 2^53. For few paths: it is looked for among the octets. */
  aigpOf(id: number): number {
    const view = this.#view;
    let at = this.offsetOf(id);
    const end = at + this.lengthOf(id);
    while (at < end) {
      const isLong = (view.getUint8(at) & 0x10) !== 0;
      const value = at + (isLong ? 4 : 3);
      // The metric stands in the first TLV: a canonical set is written so.
      if (view.getUint8(at + 1) === AttributeCode.Aigp) {
        return view.getUint32(value + 3) * 0x1_0000_0000 + view.getUint32(value + 7);
      }
      at = value + (isLong ? view.getUint16(at + 2) : view.getUint8(at + 2));
    }
    return 0;
  }

  listen(listener: SetFreedListener): void {
    this.#listeners.add(listener);
  }

  unlisten(listener: SetFreedListener): void {
    this.#listeners.delete(listener);
  }

  /** The set with exactly these octets, next hop and weight, 0 if there is none. `hash` is {@link hashOctets} of the octets. */
  find(view: DataView, start: number, end: number, hash: number, nextHop: number, weight: number): number {
    const key = mixKey(hash, nextHop, weight);
    const length = end - start;
    const index = this.#index;
    const mask = this.#mask;
    const store = this.#store;
    const facts = this.facts;
    for (let slot = key & mask; ; slot = (slot + 1) & mask) {
      const id = index[slot]!;
      if (id === 0) return 0;
      const at = id * STORE_WORDS;
      if (store[at + 2] !== key || (store[at + 1]! & 0xffff) !== length || store[at] === 0) continue;
      if (facts[id * FACT_WORDS + Fact.NextHop] !== nextHop || facts[id * FACT_WORDS + Fact.Weight] !== weight)
        continue;
      if (equalOctets(this.#view, store[at]!, view, start, length)) return id;
    }
  }

  /**
   * The IPv4 set with exactly these octets, if they were checked for this kind of session; 0 otherwise. The next hop is among the octets, and
   * part of the key all the same: the scanner that put the set there read it from the same place.
   */
  findChecked(view: DataView, start: number, end: number, hash: number, checked: number): number {
    const nextHop = this.#nextHops.find4(nextHopIn(view, start, end));
    if (nextHop === 0) return 0;
    const id = this.find(view, start, end, hash, nextHop, 0);
    return id !== 0 && (this.facts[id * FACT_WORDS + Fact.Flags]! & checked) !== 0 ? id : 0;
  }

  /**
   * The set of what the scanner found last. Not yet counted: {@link retain} it, or {@link discard} it when it is not wanted after all.
   * @param checked `SetFlag.CheckedEbgp`, `CheckedIbgp` or 0: which sessions need not check these octets again
   */
  internScanned(scanner: AttributeScanner, nextHop: number, weight: number, checked: number): number {
    const hash = hashOctets(scanner.view, scanner.start, scanner.end);
    const id = this.intern(scanner.bytes, scanner.view, scanner.start, scanner.end, hash, nextHop, weight);
    const at = id * FACT_WORDS;
    const facts = this.facts;
    if ((facts[at + Fact.Flags]! & SetFlag.HasFacts) === 0) {
      facts[at + Fact.LocalPref] = scanner.localPref;
      facts[at + Fact.PathRank] = scanner.asPathLength * 4 + scanner.origin;
      facts[at + Fact.Med] = scanner.med;
      facts[at + Fact.NeighbourAs] = scanner.neighbourAs;
      facts[at + Fact.OriginatorId] = scanner.originatorId;
      facts[at + Fact.Flags] = scanner.flags;
    }
    facts[at + Fact.Flags] = facts[at + Fact.Flags]! | checked;
    return id;
  }

  /** As {@link internScanned} for octets nobody ranks (what is sent): the facts stay empty but for next hop and weight. */
  intern(
    bytes: Uint8Array,
    view: DataView,
    start: number,
    end: number,
    hash: number,
    nextHop: number,
    weight: number,
  ): number {
    const known = this.find(view, start, end, hash, nextHop, weight);
    if (known !== 0) return known;
    if (this.#count + this.#stale >= this.#mask - (this.#mask >> 2)) this.#rehash();
    const length = end - start;
    const offset = this.#arena.allocate(length);
    const arena = this.#arena.bytes;
    if (arena.buffer !== this.#view.buffer) this.#view = new DataView(arena.buffer);
    copyOctets(bytes, view, start, end, arena, this.#view, offset);

    const id = this.#newId();
    const key = mixKey(hash, nextHop, weight);
    const at = id * STORE_WORDS;
    const store = this.#store;
    store[at] = offset;
    store[at + 1] = (store[at + 1]! & ~0xffff) | length;
    store[at + 2] = key;
    store[at + 3] = 0;
    const fact = id * FACT_WORDS;
    this.facts.fill(0, fact, fact + FACT_WORDS);
    this.facts[fact + Fact.NextHop] = nextHop;
    this.facts[fact + Fact.Weight] = weight;
    this.#nextHops.retain(nextHop);
    let slot = key & this.#mask;
    while (this.#index[slot] !== 0) slot = (slot + 1) & this.#mask;
    this.#index[slot] = id;
    this.#count++;
    return id;
  }

  /** Counts `n` more holders. */
  retain(id: number, n = 1): void {
    this.#store[id * STORE_WORDS + 3]! += n;
  }

  /** Counts `n` holders less; without any the set is gone. */
  release(id: number, n = 1): void {
    const at = id * STORE_WORDS + 3;
    const left = this.#store[at]! - n;
    this.#store[at] = left;
    if (left <= 0) this.#remove(id);
  }

  /** Removes a set that was interned and that nobody came to hold. */
  discard(id: number): void {
    if (this.#store[id * STORE_WORDS + 3] === 0) this.#remove(id);
  }

  #remove(id: number): void {
    const at = id * STORE_WORDS;
    const store = this.#store;
    if (store[at]! === 0) return;
    // The index keeps its entry until it is made anew: that of a set that is gone has no offset, and another set in its place is
    // compared by hash and octets as ever.
    this.#stale++;
    this.#arena.release(store[at]!, store[at + 1]! & 0xffff);
    this.#nextHops.release(this.facts[id * FACT_WORDS + Fact.NextHop]!);
    store[at] = 0;
    store[at + 1] = ((store[at + 1]! >>> 16) + 1) << 16;
    store[at + 2] = this.#free;
    store[at + 3] = 0;
    this.#free = id;
    this.#count--;
    for (const listener of this.#listeners) listener.setFreed(id);
  }

  #newId(): number {
    const free = this.#free;
    if (free !== 0) {
      this.#free = this.#store[free * STORE_WORDS + 2]!;
      return free;
    }
    const id = this.#end++;
    if ((id + 1) * STORE_WORDS > this.#store.length) {
      const capacity = nextCapacity(this.#store.length / STORE_WORDS, id + 1);
      this.#store = resizeInt32(this.#store, capacity * STORE_WORDS);
      this.facts = resizeInt32(this.facts, capacity * FACT_WORDS);
    }
    return id;
  }

  #rehash(): void {
    let size = this.#mask + 1;
    while (this.#count > size >> 1) size *= 4;
    const index = new Int32Array(size);
    const mask = size - 1;
    for (let id = 1; id < this.#end; id++) {
      if (this.#store[id * STORE_WORDS] === 0) continue;
      let slot = this.#store[id * STORE_WORDS + 2]! & mask;
      while (index[slot] !== 0) slot = (slot + 1) & mask;
      index[slot] = id;
    }
    this.#index = index;
    this.#mask = mask;
    this.#stale = 0;
  }
}

/** Copies octets four at a time; both views show what the arrays next to them do. */
export function copyOctets(
  from: Uint8Array,
  fromView: DataView,
  start: number,
  end: number,
  to: Uint8Array,
  toView: DataView,
  offset: number,
): void {
  let at = start;
  let out = offset;
  for (; at + 4 <= end; at += 4, out += 4) toView.setInt32(out, fromView.getInt32(at));
  for (; at < end; at++, out++) to[out] = from[at]!;
}

/** NEXT_HOP among canonical octets: behind ORIGIN and AS_PATH. 0 if the octets do not look so. */
function nextHopIn(view: DataView, start: number, end: number): number {
  let at = start;
  for (let n = 0; n < 3 && at + 7 <= end; n++) {
    const isLong = (view.getUint8(at) & 0x10) !== 0;
    if (view.getUint8(at + 1) === 3) return view.getInt32(at + 3);
    at += isLong ? 4 + view.getUint16(at + 2) : 3 + view.getUint8(at + 2);
  }
  return 0;
}

/** A hash of octets, four at a time. Not for hostile keys: probes compare lengths and the full hash first. */
export function hashOctets(view: DataView, start: number, end: number): number {
  let h = 0x9e3779b9 ^ (end - start);
  let at = start;
  for (; at + 4 <= end; at += 4) {
    h = Math.imul(h ^ view.getInt32(at, true), 0x85ebca6b);
    h ^= h >>> 15;
  }
  for (; at < end; at++) h = Math.imul(h ^ view.getUint8(at), 0x01000193);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function mixKey(hash: number, nextHop: number, weight: number): number {
  return nextHop === 0 && weight === 0
    ? hash
    : Math.imul(hash ^ Math.imul(nextHop, 0x9e3779b1) ^ (weight << 7), 0x01000193);
}

function equalOctets(a: DataView, aStart: number, b: DataView, bStart: number, length: number): boolean {
  let i = 0;
  for (; i + 4 <= length; i += 4) if (a.getInt32(aStart + i) !== b.getInt32(bStart + i)) return false;
  for (; i < length; i++) if (a.getUint8(aStart + i) !== b.getUint8(bStart + i)) return false;
  return true;
}
