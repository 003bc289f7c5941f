import { nextCapacity, resizeInt32 } from './columns.ts';

/** Words of a path: attribute set as received, source and flags, next path of the prefix (0: last). */
export const PATH_WORDS = 3;

/** Bits of the second word of a path; the lower 16 are the source. */
export const PathFlag = {
  /** Why the path may not be used: an index into {@link InvalidCode}, three bits. */
  ReasonShift: 16,
  ReasonMask: 0x70000,
  /** Used beside the best path. */
  Multipath: 0x80000,
  /** Eight bits, the round of the peer's Adj-RIB-In in which it was last announced: an earlier one than now is stale (RFC 7313). */
  RoundShift: 20,
  RoundMask: 0xff00000,
} as const;

/** Why a path may not be used, as stored; 0 is "nothing against it". The next hop's state and the session's are looked up instead. */
export const InvalidCode = {
  None: 0,
  ImportPolicy: 1,
  AsLoop: 2,
  OriginatorLoop: 3,
  ClusterLoop: 4,
  /** ONLY_TO_CUSTOMER where it must not come from (RFC 9234 §5). */
  RouteLeak: 5,
  /** The peer sent routes of this family that cannot be read; nothing of it is believed any more (RFC 7606 §2). */
  FamilyDisabled: 6,
} as const;

const INITIAL_PATHS = 256;

/**
 * Paths of one family, numbered from 1: 12 octets each. Path identifiers (RFC 7911) and attribute sets after import policy are in
 * columns of their own (4 octets each), which exist from the first path that needs them; so are the identifiers that paths are told with.
 */
export class PathTable {
  /** The paths; replaced when the table grows, so read it anew after every `add`. */
  words: Int32Array;
  /** Per path its identifier, or undefined while no path has one (all 0). */
  ids: Int32Array | undefined;
  /** Per path the set after import policy, 0: as received; or undefined while no policy changed anything. */
  after: Int32Array | undefined;
  /** Per path the identifier it is advertised with (RFC 7911), 0: none yet; or undefined while no path has one. */
  toldIds: Int32Array | undefined;
  /** Paths in use. */
  count: number;
  #end: number;
  #free: number;

  constructor() {
    this.words = new Int32Array(INITIAL_PATHS * PATH_WORDS);
    this.ids = undefined;
    this.after = undefined;
    this.toldIds = undefined;
    this.count = 0;
    this.#end = 1;
    this.#free = 0;
  }

  /** A new path that is in no list. */
  add(set: number, source: number): number {
    let path = this.#free;
    if (path !== 0) this.#free = this.words[path * PATH_WORDS + 2]!;
    else path = this.#extend();
    const at = path * PATH_WORDS;
    this.words[at] = set;
    this.words[at + 1] = source;
    this.words[at + 2] = 0;
    this.count++;
    return path;
  }

  /** Gives back a path that is in no list any more. */
  remove(path: number): void {
    const at = path * PATH_WORDS;
    this.words[at] = 0;
    this.words[at + 2] = this.#free;
    if (this.ids !== undefined) this.ids[path] = 0;
    if (this.after !== undefined) this.after[path] = 0;
    if (this.toldIds !== undefined) this.toldIds[path] = 0;
    this.#free = path;
    this.count--;
    if (this.count === 0) this.#reset();
  }

  setId(path: number, id: number): void {
    if (this.ids === undefined) {
      if (id === 0) return;
      this.ids = new Int32Array(this.words.length / PATH_WORDS);
    }
    this.ids[path] = id;
  }

  setAfter(path: number, set: number): void {
    if (this.after === undefined) {
      if (set === 0) return;
      this.after = new Int32Array(this.words.length / PATH_WORDS);
    }
    this.after[path] = set;
  }

  setToldId(path: number, id: number): void {
    this.toldIds ??= new Int32Array(this.words.length / PATH_WORDS);
    this.toldIds[path] = id;
  }

  /** The set that counts: after import policy. */
  effectiveSet(path: number): number {
    if (this.after !== undefined) {
      const set = this.after[path]!;
      if (set !== 0) return set;
    }
    return this.words[path * PATH_WORDS]!;
  }

  sourceOf(path: number): number {
    return this.words[path * PATH_WORDS + 1]! & 0xffff;
  }

  #extend(): number {
    const path = this.#end++;
    if ((path + 1) * PATH_WORDS > this.words.length) {
      const capacity = nextCapacity(this.words.length / PATH_WORDS, path + 1);
      this.words = resizeInt32(this.words, capacity * PATH_WORDS);
      if (this.ids !== undefined) this.ids = resizeInt32(this.ids, capacity);
      if (this.after !== undefined) this.after = resizeInt32(this.after, capacity);
      if (this.toldIds !== undefined) this.toldIds = resizeInt32(this.toldIds, capacity);
    }
    return path;
  }

  /** Empty again: give large columns back. */
  #reset(): void {
    this.#end = 1;
    this.#free = 0;
    this.ids = undefined;
    this.after = undefined;
    this.toldIds = undefined;
    if (this.words.length > INITIAL_PATHS * PATH_WORDS * 8) this.words = new Int32Array(INITIAL_PATHS * PATH_WORDS);
  }
}
