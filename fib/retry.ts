import type { Clock, TimerHandle } from '../lib/clock.ts';
import { type DeltaTable, RowFlag } from './delta.ts';

/** First and longest wait before everything refused is tried again, whether or not anything changed. */
const FIRST_MS = 1000;
const LONGEST_MS = 60_000;

/** Changes in the machine come in bursts (link, its address, its connected route): wait for the burst, not longer. */
const BURST_MS = 20;

/**
 * The rows that the kernel refused. They are tried again
 * - when something changed in the machine: one row of each kind of failure as a probe, and the others when their probe succeeds, so
 *   that 100,000 routes through a dead gateway cost one operation per change;
 * - all of them by a timer, after 1 s, doubled up to 60 s, since the kernel does not report everything.
 */
export class Retry {
  readonly #clock: Clock;
  readonly #wake: () => void;
  readonly #effective: (table: DeltaTable, row: number) => number;
  readonly #parked: Map<DeltaTable, number[]>;
  #good = new Set<number>();
  #delayMs = FIRST_MS;
  #timer: TimerHandle | undefined;
  #burst: TimerHandle | undefined;
  #withConflicts = false;
  #isClosed = false;

  /**
   * @param wake called after rows were put back into a queue
   * @param effective what the kernel should have for a row
   */
  constructor(
    clock: Clock,
    tables: readonly DeltaTable[],
    wake: () => void,
    effective: (table: DeltaTable, row: number) => number,
  ) {
    this.#effective = effective;
    this.#clock = clock;
    this.#wake = wake;
    this.#parked = new Map(tables.map((table) => [table, []]));
  }

  /** Rows waiting; some may have been settled meanwhile. */
  get size(): number {
    let size = 0;
    for (const rows of this.#parked.values()) size += rows.length;
    return size;
  }

  /** Takes a row that is `Failed` or in `Conflict`. */
  park(table: DeltaTable, row: number): void {
    if (this.#isClosed || table.is(row, RowFlag.Parked)) return;
    table.mark(row, RowFlag.Parked);
    this.#parked.get(table)?.push(row);
    this.#timer ??= this.#clock.setTimer(this.#delayMs, () => this.#tick());
  }

  /** Something changed in the machine. @param withConflicts foreign routes may have gone without notice, too */
  probe(withConflicts = false): void {
    this.#withConflicts ||= withConflicts;
    if (this.#isClosed || this.#burst !== undefined || this.size === 0) return;
    this.#burst = this.#clock.setTimer(BURST_MS, () => {
      this.#burst = undefined;
      const conflicts = this.#withConflicts;
      this.#withConflicts = false;
      const tried = new Set<number>();
      this.#take((table, row) => {
        if (table.is(row, RowFlag.Conflict)) return conflicts;
        const kind = (table.wanted[row] ?? 0) * 0x10000 + (table.errnos[row] ?? 0);
        if (tried.has(kind)) return false;
        tried.add(kind);
        return true;
      });
    });
  }

  /** A probe towards `target` was accepted; `healed` lets the others follow. */
  good(target: number): void {
    this.#good.add(target);
  }

  /** Takes up the rows whose target was found to be good. To be called once per batch. */
  healed(): void {
    if (this.#good.size === 0) return;
    const good = this.#good;
    this.#good = new Set();
    this.#delayMs = FIRST_MS;
    this.#take((table, row) => table.is(row, RowFlag.Failed) && good.has(this.#effective(table, row)));
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.clear();
    this.#burst?.clear();
  }

  #tick(): void {
    this.#timer = undefined;
    this.#delayMs = Math.min(this.#delayMs * 2, LONGEST_MS);
    this.#take(() => true);
    if (this.size === 0) this.#delayMs = FIRST_MS;
  }

  /** Puts the rows that `choose` names back into their queues, and drops those that need no retry any more. */
  #take(choose: (table: DeltaTable, row: number) => boolean): void {
    for (const [table, rows] of this.#parked) {
      let kept = 0;
      for (const row of rows) {
        const isRefused = table.is(row, RowFlag.Failed | RowFlag.Conflict);
        if (isRefused && !choose(table, row)) {
          rows[kept++] = row;
          continue;
        }
        table.clear(row, RowFlag.Parked);
        if (isRefused) {
          table.clear(row, RowFlag.Failed | RowFlag.Conflict);
          table.mark(row, RowFlag.Probe);
          table.enqueue(row);
        } else table.releaseIfIdle(row);
      }
      rows.length = kept;
    }
    this.#wake();
  }
}
