import type { Clock } from '../lib/clock.ts';
import { DeltaTable, RowFlag } from './delta.ts';
import { Errno } from './errno.ts';
import { type Caution, nextOperation, type Ownership } from './ownership.ts';
import { Retry } from './retry.ts';
import { FIRST_WAY, Target, type TargetTable } from './target.ts';
import type { FibRouteState, FibWork } from './types.ts';
import type { Ways } from './ways.ts';

/** `FibWork` while it is being counted. */
export type Work = { -readonly [K in keyof FibWork]: FibWork[K] };

/** The rows of both families, and what is the same for each of them whatever happened to it. One owner, `Fib`; its parts share it. */
export class Rows {
  readonly v4 = new DeltaTable(1);
  readonly v6 = new DeltaTable(4);
  readonly own: Ownership;
  readonly targets: TargetTable;
  readonly ways: Ways;
  readonly retry: Retry;
  readonly work: Work = {
    adds: 0,
    replaces: 0,
    deletes: 0,
    refused: 0,
    adopted: 0,
    resyncs: 0,
    overflows: 0,
    foreignChanges: 0,
    wayChanges: 0,
  };
  /** Orphans go; before `sweep` they stay. */
  isSwept = false;
  /** Notifications were lost and the kernel was not read since: a foreign route may be anywhere. */
  isBlind = false;

  /** @param wake called when rows were put into a queue by a timer */
  constructor(own: Ownership, targets: TargetTable, ways: Ways, clock: Clock, wake: () => void) {
    this.own = own;
    this.targets = targets;
    this.ways = ways;
    this.retry = new Retry(clock, [this.v4, this.v6], wake, (table, row) => this.wanted(table, row));
  }

  get tables(): readonly [DeltaTable, DeltaTable] {
    return [this.v4, this.v6];
  }

  /** Rows in the queues. */
  get waiting(): number {
    return this.v4.waiting + this.v6.waiting;
  }

  table(version: number): DeltaTable {
    return version === 4 ? this.v4 : this.v6;
  }

  version(table: DeltaTable): 4 | 6 {
    return table === this.v4 ? 4 : 6;
  }

  /** What the kernel should have for a row: where it is wanted to lead, in the form that routes have now. */
  wanted(table: DeltaTable, row: number): number {
    const wanted = table.wanted[row] ?? 0;
    return wanted < FIRST_WAY ? wanted : this.ways.effective(wanted);
  }

  /** The operation a row needs now; takes note when what is there satisfies what is wanted under another id. */
  operation(table: DeltaTable, row: number): ReturnType<typeof nextOperation> {
    const wanted = this.wanted(table, row);
    const actual = table.actual[row] ?? 0;
    if (wanted === Target.Blocked) return this.#blockedOperation(table, row);
    if (wanted !== actual && this.targets.matches(wanted, actual)) table.actual[row] = wanted;
    const caution: Caution = this.isBlind ? 'any' : table === this.v6 ? 'merged' : 'none';
    return nextOperation(wanted, table.actual[row] ?? 0, table.flags[row] ?? 0, this.targets, caution);
  }

  /** A row whose way is not there: nothing can be put in, and what is there goes unless it still leads where it should. */
  #blockedOperation(table: DeltaTable, row: number): ReturnType<typeof nextOperation> {
    const actual = table.actual[row] ?? 0;
    const wanted = table.wanted[row] ?? 0;
    const flags = table.flags[row] ?? 0;
    if (actual === Target.None || actual === wanted || (flags & RowFlag.Orphan) !== 0) return 0;
    if (actual !== Target.Unknown && this.targets.isPartOf(this.ways.setOf(actual), this.ways.setOf(wanted))) return 0;
    return nextOperation(
      Target.None,
      actual,
      flags & RowFlag.Shared,
      this.targets,
      table === this.v6 ? 'merged' : 'none',
    );
  }

  /** Looks at a row again after something became known about it: more to do, to be tried later, or finished. */
  settled(table: DeltaTable, row: number): void {
    if (this.operation(table, row) !== 0) table.enqueue(row);
    else if (table.is(row, RowFlag.Failed | RowFlag.Conflict)) this.retry.park(table, row);
    else table.releaseIfIdle(row);
  }

  /** There is a route of ours that leads to `target`. */
  found(table: DeltaTable, row: number, target: number): void {
    const wanted = this.wanted(table, row);
    const isNews = table.actual[row] === Target.None;
    const isRight = this.targets.matches(wanted, target);
    table.actual[row] = isRight ? wanted : target;
    if (isRight) {
      table.errnos[row] = 0;
      table.clear(row, RowFlag.Failed | RowFlag.Conflict | RowFlag.Verify);
    } else if (table === this.v6 && this.targets.isPartOf(wanted, target)) {
      table.mark(row, RowFlag.Shared); // more next hops than wanted: somebody joined his to our route
    }
    if (isNews && wanted === Target.None && !this.isSwept) table.mark(row, RowFlag.Orphan);
  }

  /** What rows that want `target` should have has changed: they are looked at again. */
  lookAgain(target: number): void {
    for (const table of this.tables) {
      const { wanted } = table;
      for (let row = 0; row < table.keys.end; row++) {
        if (wanted[row] !== target || !table.keys.has(row)) continue;
        table.errnos[row] = 0;
        table.clear(row, RowFlag.Failed | RowFlag.Conflict | RowFlag.Probe);
        table.enqueue(row);
      }
    }
  }

  /** The kernel removed the routes that led to `target`. */
  emptied(target: number): void {
    for (const table of this.tables) {
      const { actual } = table;
      for (let row = 0; row < table.keys.end; row++) {
        if (actual[row] !== target || !table.keys.has(row) || table.is(row, RowFlag.InFlight)) continue;
        actual[row] = Target.None;
        this.settled(table, row);
      }
    }
  }

  /** Which ways, by number below `end`, rows want or have: 1 at the number. */
  usedWays(end: number): Uint8Array {
    const used = new Uint8Array(end);
    for (const { wanted, actual, keys } of this.tables) {
      for (let row = 0; row < keys.end; row++) {
        const a = wanted[row] ?? 0;
        if (a >= FIRST_WAY) used[a - FIRST_WAY] = 1;
        const b = actual[row] ?? 0;
        if (b >= FIRST_WAY) used[b - FIRST_WAY] = 1;
      }
    }
    return used;
  }

  /** Nobody wants the route; orphans included. */
  unwant(table: DeltaTable, row: number): void {
    table.wanted[row] = Target.None;
    table.errnos[row] = 0;
    table.clear(row, RowFlag.Orphan | RowFlag.Failed | RowFlag.Conflict | RowFlag.Verify | RowFlag.Probe);
    table.enqueue(row);
  }
}

/** Why the kernel does not have a row: the errno of the last refusal, its own or its way's; 0 for none. */
export function errnoOf(rows: Rows, table: DeltaTable, row: number): number {
  const wanted = table.wanted[row] ?? 0;
  return (wanted >= FIRST_WAY ? rows.ways.errno(wanted) : 0) || (table.errnos[row] ?? 0);
}

/** The state of a row as people see it: what was refused stays refused until it is accepted, also while it is being tried again. */
export function stateOf(rows: Rows, table: DeltaTable, row: number): FibRouteState {
  if (table.is(row, RowFlag.Orphan)) return 'orphan';
  const errno = errnoOf(rows, table, row);
  if (errno !== 0) return errno === Errno.EEXIST ? 'conflict' : 'failed';
  return rows.wanted(table, row) === table.actual[row] && !table.is(row, RowFlag.InFlight) ? 'installed' : 'pending';
}
