import { growInt32 } from './columns.ts';

/** Header, lengths and what MP_REACH_NLRI has before its prefixes, about. */
const EMPTY_UPDATE_OCTETS = 40;
/** A prefix, about. */
const ROW_OCTETS = 8;

/** How long encoded attributes are. */
export interface SetLengths {
  /** Octets of a set. */
  lengthOf(set: number): number;
}

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
  /** Octets of the messages that are going to be made of it, about. */
  octets: number;

  #events: number;
  #eventRow: Int32Array;
  #eventRun: Int32Array;
  #audience: Int32Array;
  #set: Int32Array;
  #size: Int32Array;
  /** Octets that a row of the run adds. */
  #rowOctets: Int32Array;
  #runs: number;
  #index: Int32Array;
  #order: Int32Array;
  readonly #audienceCount: Map<number, number>;
  #lengths: SetLengths | undefined;
  #messageOctets: number;

  constructor() {
    const runs = 1024;
    this.rows = new Int32Array(1024);
    this.runStart = new Int32Array(runs + 1);
    this.runAudience = new Int32Array(runs);
    this.runSet = new Int32Array(runs);
    this.runCount = 0;
    this.octets = 0;
    this.#events = 0;
    this.#eventRow = new Int32Array(1024);
    this.#eventRun = new Int32Array(1024);
    this.#audience = new Int32Array(runs);
    this.#set = new Int32Array(runs);
    this.#size = new Int32Array(runs);
    this.#rowOctets = new Int32Array(runs);
    this.#runs = 0;
    this.#index = new Int32Array(4096);
    this.#order = new Int32Array(runs);
    this.#audienceCount = new Map();
    this.#lengths = undefined;
    this.#messageOctets = 4096;
  }

  /** What {@link octets} is reckoned by: how long the attributes of a set are, and the longest message. */
  measureBy(lengths: SetLengths, messageOctets: number): void {
    this.#lengths = lengths;
    this.#messageOctets = messageOctets;
  }

  /** Empties the batch. */
  clear(): void {
    this.#events = 0;
    this.#runs = 0;
    this.runCount = 0;
    this.octets = 0;
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
    this.octets = (this.octets + this.#rowOctets[run]!) | 0;
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
      this.#rowOctets = growInt32(this.#rowOctets, run + 1);
    }
    this.#audience[run] = audience;
    this.#set[run] = set;
    this.#size[run] = 0;
    this.#measure(run, set);
    this.#audienceCount.set(audience, (this.#audienceCount.get(audience) ?? 0) + 1);
    this.#index[slot] = run + 1;
    if (this.#runs > mask >> 1) this.#growIndex();
    return run;
  }

  /** A run begins a message; where attributes leave little room for prefixes they are repeated in many. */
  #measure(run: number, set: number): void {
    const overhead = EMPTY_UPDATE_OCTETS + (set === 0 || this.#lengths === undefined ? 0 : this.#lengths.lengthOf(set));
    const room = Math.max(1, this.#messageOctets - overhead);
    this.#rowOctets[run] = ROW_OCTETS + Math.floor((overhead * ROW_OCTETS) / room);
    this.octets += overhead;
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
