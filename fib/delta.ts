import { KeyTable } from './key-table.ts';

/** Marks of a row; several may be set. */
export const RowFlag = {
  /** Waits in the queue. */
  Queued: 1,
  /** An operation on it was handed out and has not come back. */
  InFlight: 2,
  /** Something else changed it while an operation was in flight: the operation's success does not settle what is there. */
  Suspect: 4,
  /** The last try was refused; see the errno column. */
  Failed: 8,
  /** Somebody else holds the key. */
  Conflict: 16,
  /** Found, not wanted, and to be left alone for now. */
  Orphan: 32,
  /** Adding was refused because something is there: find out whether it is ours. */
  Verify: 64,
  /** Waits in the list of rows to try again. */
  Parked: 128,
  /** Somebody else has a second entry beside ours under the same key. */
  Shared: 256,
  /** Seen in the listing under way. */
  Seen: 512,
  /** Tried again after a failure: its success is good news for others like it. */
  Probe: 1024,
} as const;

/**
 * What is wanted and what is there, by prefix and metric, with a queue of the rows where the two may differ. A row stands in the queue at
 * most once, so changes between two turns of the writer cost one operation however many they were, and none when they cancel out.
 * Beside the key (see `KeyTable`) a row costs 12 octets, and 4 in the queue while it waits.
 */
export class DeltaTable {
  readonly keys: KeyTable;
  /** Target wanted, by row; 0 for none. */
  wanted: Int32Array;
  /** Target there, as far as known, by row; 0 for none. */
  actual: Int32Array;
  /** `RowFlag`s, by row. */
  flags: Uint16Array;
  /** Errno of the last refusal, by row; 0 for none. */
  errnos: Uint16Array;
  /** Ring of rows; `#head` is the first, `#waiting` how many. Its length is a power of two. */
  #ring = new Int32Array(64);
  #head = 0;
  #waiting = 0;

  /** @param words 32-bit words of an address: 1 for IPv4, 4 for IPv6 */
  constructor(words: 1 | 4) {
    this.keys = new KeyTable(words);
    // Lengths that differ: the columns grow at different times, each with a pause of its own.
    this.wanted = new Int32Array(72);
    this.actual = new Int32Array(88);
    this.flags = new Uint16Array(96);
    this.errnos = new Uint16Array(112);
  }

  /** Rows in the queue. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The row of a key, made with nothing wanted and nothing there if new. */
  ensure(address: Int32Array, at: number, length: number, metric: number): number {
    const row = this.keys.ensure(address, at, length, metric);
    if (row >= this.wanted.length) this.wanted = copyInto(new Int32Array(this.wanted.length * 2), this.wanted);
    if (row >= this.actual.length) this.actual = copyInto(new Int32Array(this.actual.length * 2), this.actual);
    if (row >= this.flags.length) this.flags = copyInto(new Uint16Array(this.flags.length * 2), this.flags);
    if (row >= this.errnos.length) this.errnos = copyInto(new Uint16Array(this.errnos.length * 2), this.errnos);
    return row;
  }

  /** Puts a row in the queue unless it stands there, or is in flight and so looked at again anyway. */
  enqueue(row: number): void {
    const flags = this.flags[row] ?? 0;
    if ((flags & (RowFlag.Queued | RowFlag.InFlight)) !== 0) return;
    this.flags[row] = flags | RowFlag.Queued;
    if (this.#waiting === this.#ring.length) this.#growRing();
    this.#ring[(this.#head + this.#waiting) & (this.#ring.length - 1)] = row;
    this.#waiting++;
  }

  /** Takes the row that waits longest, or -1. */
  dequeue(): number {
    if (this.#waiting === 0) return -1;
    const row = this.#ring[this.#head] ?? -1;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#waiting--;
    this.clear(row, RowFlag.Queued);
    return row;
  }

  is(row: number, flag: number): boolean {
    return ((this.flags[row] ?? 0) & flag) !== 0;
  }

  mark(row: number, flag: number): void {
    this.flags[row] = (this.flags[row] ?? 0) | flag;
  }

  clear(row: number, flag: number): void {
    this.flags[row] = (this.flags[row] ?? 0) & ~flag;
  }

  /** Forgets a row when nothing is wanted, nothing is there and nothing is under way. */
  releaseIfIdle(row: number): void {
    if (this.wanted[row] !== 0 || this.actual[row] !== 0) return;
    if (this.is(row, RowFlag.Queued | RowFlag.InFlight | RowFlag.Parked)) return;
    this.flags[row] = 0;
    this.errnos[row] = 0;
    this.keys.remove(row);
  }

  #growRing(): void {
    const old = this.#ring;
    const ring = new Int32Array(old.length * 2);
    ring.set(old.subarray(this.#head));
    ring.set(old.subarray(0, this.#head), old.length - this.#head);
    this.#ring = ring;
    this.#head = 0;
  }
}

function copyInto<T extends Int32Array | Uint16Array>(to: T, from: T): T {
  to.set(from);
  return to;
}
