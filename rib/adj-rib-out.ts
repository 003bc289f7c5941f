import type { FamilyName } from 'bgp-ts';
import type { AttributeSets } from './attribute-sets.ts';
import { BitSet, growInt32, growUint16, RowQueue } from './columns.ts';
import type { Exporter } from './export.ts';
import type { LocRib, RowConsumer } from './loc-rib.ts';
import { LOCAL_SOURCE } from './sources.ts';

/** Who is told of a change: everybody but a source, or only a source. The lowest bit of an audience tells which. */
export const Audience = {
  /** All members but the one whose source this is (source 0: all). */
  allBut(source: number): number {
    return source << 1;
  },
  /** Only the member whose source this is. */
  only(source: number): number {
    return (source << 1) | 1;
  },
} as const;

/**
 * Changes of a batch, sorted for packing: runs of rows that have audience and exported set in common. Columns, reused from batch to
 * batch; read it before the next one is filled.
 */
export class ChangeBatch {
  /** Rows, run after run. */
  rows: Int32Array;
  /** Runs: the first `runCount` numbers of each column. A run is `rows[runStart[i], runStart[i + 1])`. */
  runStart: Int32Array;
  /** `Audience`. Runs of one audience are next to each other. */
  runAudience: Int32Array;
  /** Exported set, 0 to withdraw. Within an audience withdrawals come first. */
  runSet: Int32Array;
  runCount: number;
  /** Prefixes changed, each counted once. */
  changed: number;

  #events: number;
  #eventRow: Int32Array;
  #eventRun: Int32Array;
  #audience: Int32Array;
  #set: Int32Array;
  #size: Int32Array;
  #runs: number;
  #index: Int32Array;
  #order: Int32Array;
  readonly #audienceCount: Map<number, number>;

  constructor() {
    const runs = 1024;
    this.rows = new Int32Array(1024);
    this.runStart = new Int32Array(runs + 1);
    this.runAudience = new Int32Array(runs);
    this.runSet = new Int32Array(runs);
    this.runCount = 0;
    this.changed = 0;
    this.#events = 0;
    this.#eventRow = new Int32Array(1024);
    this.#eventRun = new Int32Array(1024);
    this.#audience = new Int32Array(runs);
    this.#set = new Int32Array(runs);
    this.#size = new Int32Array(runs);
    this.#runs = 0;
    this.#index = new Int32Array(4096);
    this.#order = new Int32Array(runs);
    this.#audienceCount = new Map();
  }

  /** Empties the batch. */
  clear(): void {
    this.#events = 0;
    this.#runs = 0;
    this.runCount = 0;
    this.changed = 0;
    this.#index.fill(0);
    this.#audienceCount.clear();
  }

  /** Adds a row to the run of an audience and set. */
  add(row: number, audience: number, set: number): void {
    const run = this.#runOf(audience, set);
    if (this.#events === this.#eventRow.length) {
      this.#eventRow = growInt32(this.#eventRow, this.#events + 1);
      this.#eventRun = growInt32(this.#eventRun, this.#events + 1);
    }
    this.#eventRow[this.#events] = row;
    this.#eventRun[this.#events++] = run;
    this.#size[run]!++;
  }

  /** A counting sort: first the runs by audience, then the rows by run. */
  sort(): void {
    const runs = this.#runs;
    this.runCount = runs;
    if (this.runStart.length < runs + 1) this.runStart = growInt32(this.runStart, runs + 1);
    if (this.runAudience.length < runs) {
      this.runAudience = growInt32(this.runAudience, runs);
      this.runSet = growInt32(this.runSet, runs);
      this.#order = growInt32(this.#order, runs);
    }
    if (this.rows.length < this.#events) this.rows = growInt32(this.rows, this.#events);
    this.#orderRuns();
    let start = 0;
    for (let at = 0; at < runs; at++) {
      const run = this.#order[at]!;
      this.runStart[at] = start;
      this.runAudience[at] = this.#audience[run]!;
      this.runSet[at] = this.#set[run]!;
      const size = this.#size[run]!;
      this.#size[run] = start; // from here on: where the next row of the run goes
      start += size;
    }
    this.runStart[runs] = start;
    for (let i = 0; i < this.#events; i++) this.rows[this.#size[this.#eventRun[i]!]!++] = this.#eventRow[i]!;
  }

  /** Runs in order of audience (in the order these were met, but "only" at the end), withdrawals first. */
  #orderRuns(): void {
    const runs = this.#runs;
    const audiences = [...this.#audienceCount.keys()].sort((a, b) => (a & 1) - (b & 1) || a - b);
    let start = 0;
    for (const audience of audiences) {
      const count = this.#audienceCount.get(audience) ?? 0;
      this.#audienceCount.set(audience, start);
      start += count;
    }
    if (audiences.length === 1) {
      // The common case needs no map.
      let to = 0;
      for (let run = 0; run < runs; run++) if (this.#set[run] === 0) this.#order[to++] = run;
      for (let run = 0; run < runs; run++) if (this.#set[run] !== 0) this.#order[to++] = run;
      return;
    }
    for (let pass = 0; pass < 2; pass++) {
      for (let run = 0; run < runs; run++) {
        if ((this.#set[run] === 0) !== (pass === 0)) continue;
        const audience = this.#audience[run]!;
        const to = this.#audienceCount.get(audience) ?? 0;
        this.#order[to] = run;
        this.#audienceCount.set(audience, to + 1);
      }
    }
  }

  #runOf(audience: number, set: number): number {
    const mask = this.#index.length - 1;
    let slot = Math.imul(set ^ Math.imul(audience, 0x9e3779b1), 0x85ebca6b);
    slot = (slot ^ (slot >>> 15)) & mask;
    for (; ; slot = (slot + 1) & mask) {
      const entry = this.#index[slot]!;
      if (entry === 0) break;
      if (this.#audience[entry - 1] === audience && this.#set[entry - 1] === set) return entry - 1;
    }
    const run = this.#runs++;
    if (run >= this.#audience.length) {
      this.#audience = growInt32(this.#audience, run + 1);
      this.#set = growInt32(this.#set, run + 1);
      this.#size = growInt32(this.#size, run + 1);
    }
    this.#audience[run] = audience;
    this.#set[run] = set;
    this.#size[run] = 0;
    this.#audienceCount.set(audience, (this.#audienceCount.get(audience) ?? 0) + 1);
    this.#index[slot] = run + 1;
    if (this.#runs > mask >> 1) this.#growIndex();
    return run;
  }

  #growIndex(): void {
    const index = new Int32Array(this.#index.length * 4);
    const mask = index.length - 1;
    for (let run = 0; run < this.#runs; run++) {
      let slot = Math.imul(this.#set[run]! ^ Math.imul(this.#audience[run]!, 0x9e3779b1), 0x85ebca6b);
      slot = (slot ^ (slot >>> 15)) & mask;
      while (index[slot] !== 0) slot = (slot + 1) & mask;
      index[slot] = run + 1;
    }
    this.#index = index;
  }
}

/**
 * What a group of peers with the same export behaviour has been told in one family, and what is dirty (Adj-RIB-Out, RFC 4271 §3.2).
 * Six octets a prefix for the whole group: the exported set and the source it came from. A member whose own source that is was told
 * nothing; everybody else was told the set.
 */
export class AdjRibOut implements RowConsumer {
  readonly family: FamilyName;
  readonly exporter: Exporter;
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
   * Takes up to `max` dirty rows into `batch` as the changes members must hear of, and notes them as told.
   * @param isMember whether a source is a member of the group, so that it has to be left out
   * @param changed called for each row whose state changed
   * @returns true if more rows are waiting
   */
  takeChanges(
    max: number,
    batch: ChangeBatch,
    isMember: (source: number) => boolean,
    changed: ((row: number) => void) | undefined,
  ): boolean {
    const locRib = this.#locRib;
    const { paths } = locRib;
    batch.clear();
    for (let n = 0; n < max; n++) {
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
      batch.changed++;
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
