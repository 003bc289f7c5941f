import type { FamilyName } from 'bgp-ts';
import type { BatchLimits, PathKeys, RibOut } from './adj-rib-out.ts';
import type { AttributeSets } from './attribute-sets.ts';
import { Audience, type ChangeBatch } from './change-batch.ts';
import { BitSet, growInt32, growUint8, growUint16, RowQueue } from './columns.ts';
import type { Exporter } from './export.ts';
import type { LocRib } from './loc-rib.ts';

/** Columns, indexed by key. */
interface Columns {
  row: Int32Array;
  pathId: Int32Array;
}

/**
 * Adj-RIB-Out of a group that is told several paths a prefix, each with an identifier of its own (ADD-PATH, RFC 7911). A *key* stands
 * for a prefix and an identifier: 19 octets, and 4 a prefix. It outlives the path until every member has heard that it is gone, or
 * another path of the prefix takes the identifier over. An identifier is the path's as long as it is in the Loc-RIB, for every group.
 *
 * Which paths: the best `maxPaths` of the Loc-RIB that may be selected, and of these what export rules and policy let through, each
 * judged by itself. A member is not told the paths that came from it.
 */
export class AdjRibOutPaths implements RibOut {
  readonly family: FamilyName;
  readonly exporter: Exporter;
  readonly keys: PathKeys;
  readonly #columns: Columns;
  readonly #maxPaths: number;
  readonly #sets: AttributeSets;
  readonly #locRib: LocRib;
  readonly #dirty: RowQueue;
  readonly #isDirty: BitSet;
  readonly #onDirty: () => void;
  /** Per row its first key, 0: none. */
  #first: Int32Array;
  /** Per key the next one of its row, 0: last; of a free one the next free one. */
  #next: Int32Array;
  /** Per key what was told, 0: nothing; and whose it was. */
  #told: Int32Array;
  #source: Uint16Array;
  /** Per key 1 while the row is looked at and the path is to be told. */
  #isWanted: Uint8Array;
  #end: number;
  #free: number;
  #count: number;
  #bySource: Int32Array;
  readonly #holders: Set<(key: number) => boolean>;

  constructor(
    family: FamilyName,
    exporter: Exporter,
    sets: AttributeSets,
    locRib: LocRib,
    maxPaths: number,
    onDirty: () => void,
  ) {
    this.family = family;
    this.exporter = exporter;
    this.#columns = { row: new Int32Array(64), pathId: new Int32Array(64) };
    this.keys = this.#columns;
    this.#maxPaths = maxPaths;
    this.#sets = sets;
    this.#locRib = locRib;
    this.#dirty = new RowQueue();
    this.#isDirty = new BitSet();
    this.#onDirty = onDirty;
    this.#first = new Int32Array(64);
    this.#next = new Int32Array(64);
    this.#told = new Int32Array(64);
    this.#source = new Uint16Array(64);
    this.#isWanted = new Uint8Array(64);
    this.#end = 1;
    this.#free = 0;
    this.#count = 0;
    this.#bySource = new Int32Array(16);
    this.#holders = new Set();
  }

  get count(): number {
    return this.#count;
  }

  countFor(source: number): number {
    return this.#count - (source < this.#bySource.length ? this.#bySource[source]! : 0);
  }

  get dirtyCount(): number {
    return this.#dirty.length;
  }

  get end(): number {
    return this.#end;
  }

  toldOf(key: number): number {
    return key < this.#end ? this.#told[key]! : 0;
  }

  sourceOf(key: number): number {
    return key < this.#end ? this.#source[key]! : 0;
  }

  firstOf(row: number): number {
    return row < this.#first.length ? this.#first[row]! : 0;
  }

  nextOf(key: number): number {
    return this.#next[key]!;
  }

  rowOf(key: number): number {
    return this.#columns.row[key]!;
  }

  pathIdOf(key: number): number {
    return this.#columns.pathId[key]!;
  }

  keyFor(row: number, pathId: number): number {
    if (row >= this.#first.length) this.#growRows(row + 1);
    return this.#keyOf(row, pathId, 0);
  }

  rowChanged(row: number): void {
    if (!this.#isDirty.add(row)) return;
    if (this.#dirty.length === 0) this.#onDirty();
    this.#dirty.push(row);
  }

  markAll(): void {
    const { prefixes } = this.#locRib;
    for (let row = 1; row < prefixes.end; row++) {
      if (this.firstOf(row) !== 0 || this.#locRib.bestOf(row) !== 0) this.rowChanged(row);
    }
  }

  addHolder(holds: (key: number) => boolean): void {
    this.#holders.add(holds);
  }

  removeHolder(holds: (key: number) => boolean): void {
    this.#holders.delete(holds);
  }

  holdsRow(row: number): boolean {
    if (this.#isDirty.has(row)) return true;
    if (this.firstOf(row) === 0) return false;
    this.#letGo(row);
    return this.#first[row] !== 0;
  }

  /**
   * Takes dirty rows, within limits, into `batch` as the changes members must hear of, and notes them as told.
   * @param isMember whether a source is a member of the group, so that it has to be left out
   * @param changed called for each key whose state changed
   * @returns true if more rows are waiting
   */
  takeChanges(
    limits: BatchLimits,
    batch: ChangeBatch,
    isMember: (source: number) => boolean,
    changed: ((key: number) => void) | undefined,
  ): boolean {
    batch.clear();
    for (let n = 0; n < limits.rows && batch.octets < limits.octets; n++) {
      const row = this.#dirty.shift();
      if (row === 0) break;
      this.#isDirty.delete(row);
      if (row >= this.#first.length) this.#growRows(row + 1);
      this.#takeRow(row, batch, isMember, changed);
    }
    batch.sort();
    return this.#dirty.length > 0;
  }

  #takeRow(
    row: number,
    batch: ChangeBatch,
    isMember: (source: number) => boolean,
    changed: ((key: number) => void) | undefined,
  ): void {
    const locRib = this.#locRib;
    const { paths, prefixes, decision } = locRib;
    this.#letGo(row);
    locRib.collect(row);
    decision.chooseSeveral(this.#maxPaths);
    const count = decision.usedCount;
    let key = 0;
    for (let i = 0; i < count; i++) {
      const path = decision.used[i]!;
      const source = paths.sourceOf(path);
      const set = this.exporter.exported(paths.effectiveSet(path), source, row, prefixes);
      if (set === 0) continue;
      this.#sets.retain(set); // before another path is asked for
      // Most often the keys are in the order of the paths.
      key = this.#keyOf(row, locRib.pathIdOf(row, path), key);
      this.#isWanted[key] = 1;
      this.#note(key, set, source, batch, isMember, changed);
      this.#sets.release(set);
    }
    for (key = this.#first[row]!; key !== 0; key = this.#next[key]!) {
      if (this.#isWanted[key] === 1) {
        this.#isWanted[key] = 0;
        continue;
      }
      const told = this.#told[key]!;
      if (told === 0) continue;
      const toldSource = this.#source[key]!;
      batch.add(key, Audience.allBut(isMember(toldSource) ? toldSource : 0), 0);
      this.#untell(key, told, toldSource);
      changed?.(key);
    }
  }

  /** A path is to be told under this key, in the place of what was. */
  #note(
    key: number,
    set: number,
    source: number,
    batch: ChangeBatch,
    isMember: (source: number) => boolean,
    changed: ((key: number) => void) | undefined,
  ): void {
    const told = this.#told[key]!;
    const toldSource = this.#source[key]!;
    if (set === told && source === toldSource) return;
    if (set !== told) {
      batch.add(key, Audience.allBut(isMember(source) ? source : 0), set);
      // The new source had been told the old path, and must not keep it.
      if (told !== 0 && source !== toldSource && isMember(source)) batch.add(key, Audience.only(source), 0);
    } else {
      // The same attributes from another source: only these two notice.
      if (isMember(toldSource)) batch.add(key, Audience.only(toldSource), set);
      if (isMember(source)) batch.add(key, Audience.only(source), 0);
    }
    this.#sets.retain(set);
    if (told !== 0) this.#untell(key, told, toldSource);
    this.#tell(key, set, source);
    changed?.(key);
  }

  dismantle(from: number, max: number): number {
    const end = Math.min(this.#end, from + max);
    for (let key = from; key < end; key++) {
      const told = this.#told[key]!;
      if (told === 0) continue;
      this.#sets.release(told);
      this.#told[key] = 0;
    }
    return end < this.#end ? end : 0;
  }

  /** The key of a row with this identifier; the search begins behind `after`, 0: from the first one. */
  #keyOf(row: number, pathId: number, after: number): number {
    const ids = this.#columns.pathId;
    for (let key = after === 0 ? 0 : this.#next[after]!; key !== 0; key = this.#next[key]!) {
      if (ids[key] === pathId) return key;
    }
    let last = 0;
    for (let key = this.#first[row]!; key !== 0; key = this.#next[key]!) {
      if (ids[key] === pathId) return key;
      last = key;
    }
    const key = this.#newKey();
    this.#columns.row[key] = row;
    this.#columns.pathId[key] = pathId;
    this.#next[key] = 0;
    if (last === 0) this.#first[row] = key;
    else this.#next[last] = key;
    return key;
  }

  /** Gives back the keys of a row under which nothing is told and of which everybody has heard. */
  #letGo(row: number): void {
    let previous = 0;
    let next = 0;
    for (let key = this.#first[row]!; key !== 0; key = next) {
      next = this.#next[key]!;
      if (this.#told[key] !== 0 || this.#isHeld(key)) {
        previous = key;
        continue;
      }
      if (previous === 0) this.#first[row] = next;
      else this.#next[previous] = next;
      this.#next[key] = this.#free;
      this.#free = key;
    }
  }

  #isHeld(key: number): boolean {
    for (const holds of this.#holders) if (holds(key)) return true;
    return false;
  }

  #tell(key: number, set: number, source: number): void {
    this.#told[key] = set;
    this.#source[key] = source;
    this.#count++;
    this.#countSource(source, 1);
  }

  #untell(key: number, set: number, source: number): void {
    this.#told[key] = 0;
    this.#source[key] = 0;
    this.#count--;
    this.#countSource(source, -1);
    this.#sets.release(set);
  }

  #countSource(source: number, by: number): void {
    if (source >= this.#bySource.length) this.#bySource = growInt32(this.#bySource, source + 1);
    this.#bySource[source]! += by;
  }

  #newKey(): number {
    const free = this.#free;
    if (free !== 0) {
      this.#free = this.#next[free]!;
      return free;
    }
    const key = this.#end++;
    if (key >= this.#next.length) {
      this.#next = growInt32(this.#next, key + 1);
      this.#told = growInt32(this.#told, key + 1);
      this.#source = growUint16(this.#source, key + 1);
      this.#isWanted = growUint8(this.#isWanted, key + 1);
      this.#columns.row = growInt32(this.#columns.row, key + 1);
      this.#columns.pathId = growInt32(this.#columns.pathId, key + 1);
    }
    return key;
  }

  #growRows(wanted: number): void {
    this.#first = growInt32(this.#first, Math.max(wanted, this.#locRib.prefixes.capacity));
  }
}
