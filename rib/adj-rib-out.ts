import type { FamilyName } from 'bgp-ts';
import type { AttributeSets } from './attribute-sets.ts';
import { Audience, type ChangeBatch } from './change-batch.ts';
import { BitSet, growInt32, growUint16, RowQueue } from './columns.ts';
import type { Exporter } from './export.ts';
import type { LocRib, RowConsumer } from './loc-rib.ts';
import { LOCAL_SOURCE } from './sources.ts';

/** How much is taken at a time. */
export interface BatchLimits {
  /** Most rows. */
  readonly rows: number;
  /** No further row once the batch makes for so many octets of messages. */
  readonly octets: number;
}

/**
 * Adj-RIB-Out of a group of peers, whatever it holds: one path a prefix ({@link AdjRibOut}), or several with identifiers
 * (`AdjRibOutPaths`). What was told goes by *keys*: a key is one advertised path, or one that was, as long as somebody still has to hear
 * of its end. With one path a prefix the key is the row.
 */
export interface RibOut extends RowConsumer {
  readonly family: FamilyName;
  readonly exporter: Exporter;
  /** Rows and identifiers behind the keys; undefined where a key is a row. */
  readonly keys: PathKeys | undefined;
  /** Paths the group has been told. */
  readonly count: number;
  /** Paths a member with this source has been told. */
  countFor(source: number): number;
  /** Rows waiting to be packed. */
  readonly dirtyCount: number;
  /** One above the last key that may have been told. */
  readonly end: number;
  /** Exported set that was told, 0 if none. */
  toldOf(key: number): number;
  /** Source of what was told. */
  sourceOf(key: number): number;
  /** First key of a row, 0 if there is none, and the next one of the same row. A key may have nothing told. */
  firstOf(row: number): number;
  nextOf(key: number): number;
  rowOf(key: number): number;
  /** Path identifier (RFC 7911), 0 where the group has none. */
  pathIdOf(key: number): number;
  /** The key for a row and path identifier, made if need be: for a member that was told such a path by another group. */
  keyFor(row: number, pathId: number): number;
  /** Marks every row that has a path or was told. */
  markAll(): void;
  addHolder(holds: (key: number) => boolean): void;
  removeHolder(holds: (key: number) => boolean): void;
  takeChanges(
    limits: BatchLimits,
    batch: ChangeBatch,
    isMember: (source: number) => boolean,
    changed: ((key: number) => void) | undefined,
  ): boolean;
  dismantle(from: number, max: number): number;
}

/** Columns behind the keys of several paths a prefix; replaced when they grow, so read them anew. */
export interface PathKeys {
  readonly row: Int32Array;
  readonly pathId: Int32Array;
}

/**
 * What a group of peers with the same export behaviour has been told in one family, and what is dirty (Adj-RIB-Out, RFC 4271 §3.2).
 * Six octets a prefix for the whole group: the exported set and the source it came from. A member whose own source that is was told
 * nothing; everybody else was told the set.
 */
export class AdjRibOut implements RibOut {
  readonly family: FamilyName;
  readonly exporter: Exporter;
  readonly keys: undefined;
  readonly #sets: AttributeSets;
  readonly #locRib: LocRib;
  readonly #dirty: RowQueue;
  readonly #isDirty: BitSet;
  readonly #onDirty: () => void;
  /** Per row what was told, 0: nothing; and whose it was. */
  #told: Int32Array;
  #source: Uint16Array;
  /** Prefixes told, over all and per source. */
  #count: number;
  #bySource: Int32Array;
  /** Members other than this group's own attachments that need rows kept: see {@link holdsRow}. */
  readonly #holders: Set<(row: number) => boolean>;

  constructor(family: FamilyName, exporter: Exporter, sets: AttributeSets, locRib: LocRib, onDirty: () => void) {
    this.family = family;
    this.exporter = exporter;
    this.keys = undefined;
    this.#sets = sets;
    this.#locRib = locRib;
    this.#dirty = new RowQueue();
    this.#isDirty = new BitSet();
    this.#onDirty = onDirty;
    this.#told = new Int32Array(64);
    this.#source = new Uint16Array(64);
    this.#count = 0;
    this.#bySource = new Int32Array(16);
    this.#holders = new Set();
  }

  /** Prefixes the group has been told. */
  get count(): number {
    return this.#count;
  }

  /** Prefixes a member with this source has been told. */
  countFor(source: number): number {
    return this.#count - (source < this.#bySource.length ? this.#bySource[source]! : 0);
  }

  /** Prefixes waiting to be packed. */
  get dirtyCount(): number {
    return this.#dirty.length;
  }

  /** Exported set that was told for a row, 0 if none. */
  toldOf(row: number): number {
    return row < this.#told.length ? this.#told[row]! : 0;
  }

  /** Source of what was told for a row. */
  sourceOf(row: number): number {
    return row < this.#source.length ? this.#source[row]! : 0;
  }

  firstOf(row: number): number {
    return this.toldOf(row) === 0 ? 0 : row;
  }

  nextOf(): number {
    return 0;
  }

  rowOf(key: number): number {
    return key;
  }

  pathIdOf(): number {
    return 0;
  }

  keyFor(row: number): number {
    return row;
  }

  /** One above the last row that may have been told. */
  get end(): number {
    return Math.min(this.#told.length, this.#locRib.prefixes.end);
  }

  rowChanged(row: number): void {
    if (!this.#isDirty.add(row)) return;
    if (this.#dirty.length === 0) this.#onDirty();
    this.#dirty.push(row);
  }

  /** Marks every row that has a selected path or was told. */
  markAll(): void {
    const { prefixes } = this.#locRib;
    for (let row = 1; row < prefixes.end; row++) {
      if (this.toldOf(row) !== 0 || this.#locRib.bestOf(row) !== 0) this.rowChanged(row);
    }
  }

  /**
   * Begins with what another group has been told, where the two differ in nothing but what `isTouched` says of a row and its selected path: only
   * such rows, and those the other group has not come to yet, are looked at.
   */
  startFrom(other: AdjRibOut, isTouched: (row: number, best: number) => boolean): void {
    this.#told = other.#told.slice();
    this.#source = other.#source.slice();
    this.#bySource = other.#bySource.slice();
    this.#count = other.#count;
    for (const told of this.#told) if (told !== 0) this.#sets.retain(told);
    const { prefixes } = this.#locRib;
    for (let row = 1; row < prefixes.end; row++) {
      const best = this.#locRib.bestOf(row);
      if (other.#isDirty.has(row) || (best !== 0 && isTouched(row, best))) this.rowChanged(row);
    }
  }

  /** Others that keep row numbers of this group: rows are not given back while one of them says true. */
  addHolder(holds: (row: number) => boolean): void {
    this.#holders.add(holds);
  }

  removeHolder(holds: (row: number) => boolean): void {
    this.#holders.delete(holds);
  }

  holdsRow(row: number): boolean {
    if (this.toldOf(row) !== 0 || this.#isDirty.has(row)) return true;
    for (const holds of this.#holders) if (holds(row)) return true;
    return false;
  }

  /**
   * Takes dirty rows, within limits, into `batch` as the changes members must hear of, and notes them as told.
   * @param isMember whether a source is a member of the group, so that it has to be left out
   * @param changed called for each row whose state changed
   * @returns true if more rows are waiting
   */
  takeChanges(
    limits: BatchLimits,
    batch: ChangeBatch,
    isMember: (source: number) => boolean,
    changed: ((row: number) => void) | undefined,
  ): boolean {
    const locRib = this.#locRib;
    const { paths } = locRib;
    batch.clear();
    for (let n = 0; n < limits.rows && batch.octets < limits.octets; n++) {
      const row = this.#dirty.shift();
      if (row === 0) break;
      this.#isDirty.delete(row);
      if (row >= this.#told.length) this.#grow(row + 1);
      const told = this.#told[row]!;
      const toldSource = this.#source[row]!;
      const best = locRib.bestOf(row);
      let source = LOCAL_SOURCE;
      let set = 0;
      if (best !== 0) {
        source = paths.sourceOf(best);
        set = this.exporter.exported(paths.effectiveSet(best), source, row, locRib.prefixes);
      }
      if (set === 0) {
        if (told === 0) continue;
        batch.add(row, Audience.allBut(isMember(toldSource) ? toldSource : 0), 0);
        this.#untell(row, told, toldSource);
      } else if (set !== told) {
        batch.add(row, Audience.allBut(isMember(source) ? source : 0), set);
        if (told !== 0) {
          // The new source had been told the old path, and must not keep it.
          if (source !== toldSource && isMember(source)) batch.add(row, Audience.only(source), 0);
          this.#sets.retain(set);
          this.#untell(row, told, toldSource);
          this.#tell(row, set, source);
        } else {
          this.#sets.retain(set);
          this.#tell(row, set, source);
        }
      } else if (source !== toldSource) {
        // The same attributes from another source: only these two notice.
        if (isMember(toldSource)) batch.add(row, Audience.only(toldSource), set);
        if (isMember(source)) batch.add(row, Audience.only(source), 0);
        this.#source[row] = source;
        this.#countSource(toldSource, -1);
        this.#countSource(source, 1);
      } else {
        continue;
      }
      changed?.(row);
    }
    batch.sort();
    return this.#dirty.length > 0;
  }

  /** Gives back the sets of at most `max` rows, starting from `row`, when the group is over. The row to go on with, 0 at the end. */
  dismantle(row: number, max: number): number {
    const end = Math.min(this.#told.length, row + max);
    for (let at = row; at < end; at++) {
      const told = this.#told[at]!;
      if (told === 0) continue;
      this.#sets.release(told);
      this.#told[at] = 0;
    }
    return end < this.#told.length ? end : 0;
  }

  #tell(row: number, set: number, source: number): void {
    this.#told[row] = set;
    this.#source[row] = source;
    this.#count++;
    this.#countSource(source, 1);
  }

  #untell(row: number, set: number, source: number): void {
    this.#told[row] = 0;
    this.#source[row] = 0;
    this.#count--;
    this.#countSource(source, -1);
    this.#sets.release(set);
  }

  #countSource(source: number, by: number): void {
    if (source >= this.#bySource.length) this.#bySource = growInt32(this.#bySource, source + 1);
    this.#bySource[source]! += by;
  }

  #grow(wanted: number): void {
    const length = Math.max(wanted, this.#locRib.prefixes.capacity);
    this.#told = growInt32(this.#told, length);
    this.#source = growUint16(this.#source, length);
  }
}
