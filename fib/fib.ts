import { formatPrefix, type Prefix } from 'bgp-ts';
import type { Clock, TimerHandle } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { errorMessage, unreachable } from '../lib/result.ts';
import { DeltaTable, RowFlag } from './delta.ts';
import { Errno, errnoName, errnoText } from './errno.ts';
import {
  type BatchResult,
  FOREIGN_BESIDE,
  type KernelRoutes,
  OP_WORDS,
  RECORD_WORDS,
  RecordKind,
  RouteOp,
  type RouteRecords,
} from './kernel.ts';
import { isOurs, nextOperation, type Ownership } from './ownership.ts';
import { Retry } from './retry.ts';
import { type FibNextHop, Target, type TargetTable } from './target.ts';
import { prefixOfRow, wordsOfOctets } from './words.ts';

export type { FibNextHop } from './target.ts';

/** What a route does with a packet. */
export type FibRouteKind = 'unicast' | 'blackhole' | 'unreachable';

/** How a `Fib` marks its routes, and its collaborators. */
export interface FibOptions {
  /** Protocol number that marks a route as ours, 5..255 (`ip route` prints it as `proto`); no other program on the machine may use it. */
  readonly protocol: number;
  /** Routing table, 1..2^32-1; 254 is main. */
  readonly table: number;
  /** Metric of routes that name none. */
  readonly metric: number;
  readonly log: Logger;
  readonly clock: Clock;
}

/**
 * State of a route. `installed`: the kernel has it as wanted; `pending`: on its way (or on its way out); `failed`: the kernel refused
 * it, it is tried again when links, addresses or routes change, and by a timer; `conflict`: somebody else's route holds prefix and
 * metric, ours goes in when that one is gone; `orphan`: found in the kernel, wanted by nobody so far, removed by `sweep`.
 */
export type FibRouteState = 'installed' | 'pending' | 'failed' | 'conflict' | 'orphan';

/** A route as `bgpctl show fib` prints it. */
export interface FibRouteView {
  readonly prefix: Prefix;
  readonly metric: number;
  /** For an orphan of a kind that is never written here, `unreachable`. */
  readonly kind: FibRouteKind;
  /** Wanted next hops; for an orphan, or a route on its way out, those found. Empty unless `kind` is unicast. */
  readonly nextHops: readonly FibNextHop[];
  readonly state: FibRouteState;
  /** Why it failed: `{ errno: 'ENETUNREACH', text: 'ENETUNREACH: network is unreachable' }`. */
  readonly error?: { readonly errno: string; readonly text: string };
}

/** Where a route leads, for people and JSON. */
export interface FibTargetView {
  readonly kind: FibRouteKind | 'other';
  readonly nextHops: readonly FibNextHop[];
}

/** One disagreement between what is wanted and what the kernel has. */
export interface FibDifference {
  readonly type: 'missing' | 'different' | 'unexpected';
  readonly prefix: Prefix;
  readonly metric: number;
  /** What is wanted (missing, different). */
  readonly wanted?: FibTargetView;
  /** What the kernel has (different, unexpected). */
  readonly found?: FibTargetView;
  /** State of the route in this `Fib`, when it knows the prefix. */
  readonly state?: FibRouteState;
}

/** How many routes are in each state, and what a `Fib` has done since it was made. */
export interface FibCounters {
  readonly wanted: number;
  readonly installed: number;
  readonly pending: number;
  readonly failed: number;
  readonly conflicts: number;
  readonly orphans: number;
  /** Operations the kernel accepted. */
  readonly adds: number;
  readonly replaces: number;
  readonly deletes: number;
  /** Operations the kernel refused, for whatever reason. */
  readonly refused: number;
  /** Routes found at start. */
  readonly adopted: number;
  /** Times the kernel was read and compared after the start. */
  readonly resyncs: number;
  /** Times the kernel lost notifications or answers. */
  readonly overflows: number;
  /** Changes that others made to our routes. */
  readonly foreignChanges: number;
}

/** Operations in one batch: big enough to keep the writer's 64 KiB sends full, small enough to cost the event loop about a millisecond. */
const BATCH_OPS = 4096;

/** Batches under way at once: one being written, one being prepared or settled. */
const MAX_IN_FLIGHT = 2;

/** How long `check` waits for what is on its way before it compares. */
const CHECK_SETTLE_MS = 2000;

/** How long `close` waits for the removal of routes. */
const CLOSE_MS = 30_000;

interface Work {
  adds: number;
  replaces: number;
  deletes: number;
  refused: number;
  adopted: number;
  resyncs: number;
  overflows: number;
  foreignChanges: number;
}

/**
 * Keeps the kernel's routes of one protocol number in one table equal to what was `set`. Changes are coalesced until the writer takes
 * them. Routes of others are never touched (rules in `ownership.ts`). A wanted route costs about 36 octets (IPv4) or 48 (IPv6).
 */
export class Fib {
  readonly #kernel: KernelRoutes;
  readonly #targets: TargetTable;
  readonly #own: Ownership;
  readonly #metric: number;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #v4 = new DeltaTable(1);
  readonly #v6 = new DeltaTable(4);
  readonly #retry: Retry;
  readonly #scratch = new Int32Array(4);
  #phase: 'idle' | 'running' | 'closed' = 'idle';
  #isSwept = false;
  #inFlight = 0;
  #pumpTimer: TimerHandle | undefined;
  /** A listing is under way or waits for the batches in flight: nothing is written and records are held. */
  #listings = 0;
  #listingTail: Promise<void> = Promise.resolve();
  #held: Int32Array[] = [];
  #resyncWanted: 'no' | 'ours' | 'beside' = 'no';
  #idleWaiters: (() => void)[] = [];
  #quietWaiters: (() => void)[] = [];
  #spareWords: Int32Array<ArrayBuffer>[] = [];
  #complaints = new Set<number>();
  #unwatch: () => void = () => {};
  #work: Work = {
    adds: 0,
    replaces: 0,
    deletes: 0,
    refused: 0,
    adopted: 0,
    resyncs: 0,
    overflows: 0,
    foreignChanges: 0,
  };

  constructor(kernel: KernelRoutes, options: FibOptions) {
    this.#kernel = kernel;
    this.#targets = kernel.targets;
    this.#own = { protocol: options.protocol, table: options.table };
    this.#metric = options.metric;
    this.#log = options.log;
    this.#clock = options.clock;
    this.#retry = new Retry(this.#clock, [this.#v4, this.#v6], () => this.#schedule());
  }

  /**
   * The id of a set of next hops, for `set`; equal sets have equal ids, which stay valid.
   * @throws RangeError on an empty set, a hop with neither gateway nor interface, or a weight outside 1..256
   */
  nextHopSet(hops: readonly FibNextHop[]): number {
    return this.#targets.intern(hops);
  }

  /**
   * Wants a route; in place of what was wanted for the prefix and metric before. Costs no kernel work before the next turn of the event loop.
   * @param octets 4 or 16, host bits zero; may be the caller's scratch
   * @param nextHopSetId from `nextHopSet`; not looked at unless `kind` is unicast
   */
  set(
    version: 4 | 6,
    octets: Uint8Array,
    length: number,
    nextHopSetId: number,
    kind: FibRouteKind = 'unicast',
    metric = this.#metric,
  ): void {
    const table = this.#table(version);
    wordsOfOctets(octets, version, this.#scratch);
    const row = table.ensure(this.#scratch, 0, length, metric);
    const target = targetOf(kind, nextHopSetId);
    if (table.wanted[row] === target && !table.is(row, RowFlag.Orphan)) return;
    table.wanted[row] = target;
    table.clear(row, RowFlag.Orphan | RowFlag.Failed | RowFlag.Conflict | RowFlag.Verify | RowFlag.Probe);
    table.enqueue(row);
    this.#schedule();
  }

  /** Wants it no more. */
  remove(version: 4 | 6, octets: Uint8Array, length: number, metric = this.#metric): void {
    const table = this.#table(version);
    wordsOfOctets(octets, version, this.#scratch);
    const row = table.keys.find(this.#scratch, 0, length, metric);
    if (row < 0 || table.wanted[row] === Target.None) return;
    this.#unwant(table, row);
    this.#schedule();
  }

  /**
   * Reads the kernel, adopts what survived of our routes and starts writing. Routes may be `set` before; routes found and not wanted
   * become orphans.
   * @throws KernelError when the kernel cannot be read
   */
  async start(): Promise<void> {
    if (this.#phase !== 'idle') throw new Error('Fib: started twice');
    this.#phase = 'running';
    this.#unwatch = this.#kernel.watch({
      routes: (records) => this.#routesChanged(records),
      link: (link, present) => this.#machineChanged(present && link.up),
      address: (_address, present) => this.#machineChanged(present),
      overflow: () => this.#overflowed(),
    });
    try {
      await this.#exclusive(() => this.#compareWithKernel(true, true));
    } catch (error) {
      this.#unwatch();
      this.#phase = 'idle';
      throw error;
    }
    const { adopted } = this.#work;
    this.#log.info('fib started', { protocol: this.#own.protocol, table: this.#own.table, adopted });
  }

  /**
   * Removes the orphans, and from now on whatever else appears with our protocol number without being wanted. To be called once, when
   * everything that should be wanted has been `set`.
   */
  sweep(): void {
    this.#isSwept = true;
    let swept = 0;
    for (const table of [this.#v4, this.#v6]) {
      for (let row = 0; row < table.keys.end; row++) {
        if (!table.keys.has(row) || !table.is(row, RowFlag.Orphan)) continue;
        table.clear(row, RowFlag.Orphan);
        table.enqueue(row);
        swept++;
      }
    }
    this.#log.info('fib swept', { orphans: swept });
    this.#schedule();
  }

  /** Resolves when the kernel has answered for everything wanted so far. Routes that it refused wait for their retry and do not hold this up. */
  flush(): Promise<void> {
    if (this.#isIdle() || this.#phase === 'closed') return Promise.resolve();
    this.#schedule();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /**
   * Reads the kernel and compares. Gives what is on its way two seconds first; what is still on its way then counts as a difference.
   * A difference in what was believed to be right is put right afterwards.
   * @throws KernelError when the kernel cannot be read
   */
  async check(): Promise<FibDifference[]> {
    await this.#within(CHECK_SETTLE_MS, this.flush());
    const differences: FibDifference[] = [];
    await this.#exclusive(() => this.#collectDifferences(differences));
    if (differences.some((d) => d.state === undefined || d.state === 'installed')) this.#requestResync('beside');
    return differences;
  }

  /** All routes, wanted or found, in no particular order. */
  list(): FibRouteView[] {
    const views: FibRouteView[] = [];
    for (const table of [this.#v4, this.#v6]) {
      for (let row = 0; row < table.keys.end; row++) {
        if (!table.keys.has(row)) continue;
        const wanted = table.wanted[row] ?? 0;
        const target = wanted === Target.None ? (table.actual[row] ?? 0) : wanted;
        if (target === Target.None) continue;
        const errno = table.errnos[row] ?? 0;
        views.push({
          prefix: prefixOfRow(table.keys, row, this.#version(table)),
          metric: table.keys.metric(row),
          ...this.#describeRoute(target),
          state: stateOf(table, row),
          ...(errno === 0 ? {} : { error: { errno: errnoName(errno), text: errnoText(errno) } }),
        });
      }
    }
    return views;
  }

  get counters(): FibCounters {
    const states = { installed: 0, pending: 0, failed: 0, conflict: 0, orphan: 0 };
    let wanted = 0;
    for (const table of [this.#v4, this.#v6]) {
      for (let row = 0; row < table.keys.end; row++) {
        if (!table.keys.has(row)) continue;
        if (table.wanted[row] !== Target.None) wanted++;
        else if (table.actual[row] === Target.None) continue;
        states[stateOf(table, row)]++;
      }
    }
    const { conflict: conflicts, orphan: orphans, ...others } = states;
    return { wanted, ...others, conflicts, orphans, ...this.#work };
  }

  /**
   * Stops. With `keepRoutes` the kernel keeps all our routes as they are; without, they are removed first, orphans too. The kernel object stays
   * open, its owner closes it. May be called twice.
   */
  async close(options: { readonly keepRoutes: boolean }): Promise<void> {
    if (this.#phase === 'closed') return;
    if (this.#phase === 'running' && !options.keepRoutes) {
      this.#isSwept = true;
      for (const table of [this.#v4, this.#v6]) {
        for (let row = 0; row < table.keys.end; row++) if (table.keys.has(row)) this.#unwant(table, row);
      }
      await this.#within(CLOSE_MS, this.flush());
    }
    this.#phase = 'closed';
    this.#unwatch();
    this.#retry.close();
    this.#pumpTimer?.clear();
    if (this.#inFlight > 0) await new Promise<void>((resolve) => this.#quietWaiters.push(resolve));
    await this.#listingTail;
    this.#release(this.#idleWaiters);
  }

  #table(version: 4 | 6): DeltaTable {
    return version === 4 ? this.#v4 : this.#v6;
  }

  #version(table: DeltaTable): 4 | 6 {
    return table === this.#v4 ? 4 : 6;
  }

  #unwant(table: DeltaTable, row: number): void {
    table.wanted[row] = Target.None;
    table.errnos[row] = 0;
    table.clear(row, RowFlag.Orphan | RowFlag.Failed | RowFlag.Conflict | RowFlag.Verify | RowFlag.Probe);
    table.enqueue(row);
  }

  // ---- writing

  /** Lets the writer come round in a later turn, so that what changes meanwhile costs one write. */
  #schedule(): void {
    if (this.#phase !== 'running' || this.#pumpTimer !== undefined) return;
    this.#pumpTimer = this.#clock.defer(() => {
      this.#pumpTimer = undefined;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#phase !== 'running') return;
    if (this.#resyncWanted !== 'no' && this.#listings === 0) this.#resync();
    while (this.#listings === 0 && this.#inFlight < MAX_IN_FLIGHT && this.#waiting > 0) this.#sendBatch();
    if (this.#isIdle()) this.#release(this.#idleWaiters);
  }

  get #waiting(): number {
    return this.#v4.waiting + this.#v6.waiting;
  }

  #isIdle(): boolean {
    return this.#waiting === 0 && this.#inFlight === 0 && this.#listings === 0 && this.#resyncWanted === 'no';
  }

  #release(waiters: (() => void)[]): void {
    for (const resolve of waiters.splice(0)) resolve();
  }

  #sendBatch(): void {
    const words = this.#spareWords.pop() ?? new Int32Array(BATCH_OPS * OP_WORDS);
    let count = this.#fill(this.#v4, words, 0, BATCH_OPS / 2);
    count = this.#fill(this.#v6, words, count, BATCH_OPS);
    count = this.#fill(this.#v4, words, count, BATCH_OPS);
    if (count === 0) {
      this.#spareWords.push(words);
      return;
    }
    this.#inFlight++;
    const { protocol, table } = this.#own;
    this.#kernel.apply({ protocol, table, count, words }).then(
      (result) => this.#settleBatch(result, count),
      (error: unknown) => this.#batchLost(error),
    );
  }

  /** Fills operations `count`..`limit` from a table's queue; the new count. */
  #fill(table: DeltaTable, words: Int32Array, count: number, limit: number): number {
    const version = this.#version(table);
    let filled = count;
    while (filled < limit) {
      const row = table.dequeue();
      if (row < 0) break;
      const wanted = table.wanted[row] ?? 0;
      if (this.#targets.matches(wanted, table.actual[row] ?? 0)) table.actual[row] = wanted;
      const op = nextOperation(wanted, table.actual[row] ?? 0, table.flags[row] ?? 0, this.#targets);
      if (op === 0) {
        this.#settled(table, row);
        continue;
      }
      const at = filled * OP_WORDS;
      words[at] = op | (version << 8) | (table.keys.length(row) << 16);
      words[at + 1] = row;
      words[at + 2] = op === RouteOp.Delete ? Target.None : wanted;
      words[at + 3] = table.keys.metric(row);
      table.keys.copyAddress(row, words, at + 4);
      table.mark(row, RowFlag.InFlight);
      filled++;
    }
    return filled;
  }

  #settleBatch(result: BatchResult, count: number): void {
    const { words, failures } = result;
    if (result.uncertain) {
      this.#work.overflows++;
      this.#requestResync('beside');
    }
    let failure = 0;
    for (let i = 0; i < count; i++) {
      let errno = 0;
      if (failure < failures.length && failures[failure] === i) {
        errno = failures[failure + 1] ?? 0;
        failure += 2;
      }
      const at = i * OP_WORDS;
      const head = words[at] ?? 0;
      const table = ((head >> 8) & 0xff) === 4 ? this.#v4 : this.#v6;
      const row = words[at + 1] ?? 0;
      table.clear(row, RowFlag.InFlight);
      if (result.uncertain) this.#unsettled(table, row);
      else this.#settle(table, row, (head & 0xff) as RouteOp, words[at + 2] ?? 0, errno);
    }
    this.#spareWords.push(words);
    this.#batchDone();
  }

  #batchDone(): void {
    this.#inFlight--;
    this.#retry.healed();
    if (this.#complaints.size > 0 && this.#retry.size === 0) {
      this.#complaints.clear();
      this.#log.info('routes accepted again');
    }
    if (this.#inFlight === 0) this.#release(this.#quietWaiters);
    if (this.#phase === 'running') this.#pump();
  }

  /** The kernel side broke down under a batch: what it did is unknown, and so is which rows it held. */
  #batchLost(error: unknown): void {
    if (this.#phase !== 'closed') this.#log.error('fib batch lost', { error: errorMessage(error) });
    for (const table of [this.#v4, this.#v6]) {
      for (let row = 0; row < table.keys.end; row++) {
        if (!table.is(row, RowFlag.InFlight)) continue;
        table.clear(row, RowFlag.InFlight);
        this.#unsettled(table, row);
      }
    }
    this.#requestResync('beside');
    this.#batchDone();
  }

  #unsettled(table: DeltaTable, row: number): void {
    table.actual[row] = Target.Unknown;
    table.clear(row, RowFlag.Suspect | RowFlag.Verify);
    table.enqueue(row);
  }

  /** Takes in what became of one operation. */
  #settle(table: DeltaTable, row: number, op: RouteOp, target: number, errno: number): void {
    const flags = table.flags[row] ?? 0;
    const isStale = op === RouteOp.Delete && table.wanted[row] !== Target.None;
    const isStillWanted = isStale ? (flags & RowFlag.Failed) !== 0 : table.wanted[row] === target;
    table.clear(row, RowFlag.Suspect | RowFlag.Verify | RowFlag.Probe);
    const refusal = errno === 0 ? 'none' : refusalOf(op, errno);
    switch (refusal) {
      case 'none':
        table.actual[row] = op === RouteOp.Delete ? Target.None : target;
        this.#count(op);
        if (op !== RouteOp.Delete) {
          table.errnos[row] = 0;
          table.clear(row, RowFlag.Failed | RowFlag.Conflict | (op === RouteOp.Replace ? 0 : RowFlag.Shared));
        }
        if ((flags & RowFlag.Probe) !== 0) this.#retry.good(target);
        break;
      case 'absent':
        table.actual[row] = Target.None;
        break;
      case 'occupied':
        table.actual[row] = Target.None;
        table.mark(row, RowFlag.Verify);
        break;
      case 'conflict':
        table.actual[row] = Target.None;
        if (isStillWanted) this.#refuse(table, row, RowFlag.Conflict, errno);
        break;
      case 'failed':
        if (op === RouteOp.Reclaim) table.actual[row] = Target.None;
        if (isStillWanted) this.#refuse(table, row, RowFlag.Failed, errno);
        break;
      default:
        unreachable(refusal);
    }
    if ((flags & RowFlag.Suspect) !== 0) {
      table.actual[row] = Target.Unknown;
      table.clear(row, RowFlag.Failed | RowFlag.Conflict);
    }
    this.#settled(table, row);
  }

  #count(op: RouteOp): void {
    if (op === RouteOp.Delete) this.#work.deletes++;
    else if (op === RouteOp.Replace) this.#work.replaces++;
    else this.#work.adds++;
  }

  #refuse(table: DeltaTable, row: number, flag: number, errno: number): void {
    table.mark(row, flag);
    table.errnos[row] = errno;
    this.#work.refused++;
    if (this.#complaints.has(errno)) return;
    this.#complaints.add(errno);
    const prefix = formatPrefix(prefixOfRow(table.keys, row, this.#version(table)));
    this.#log.warn('route refused', { errno: errnoName(errno), prefix, metric: table.keys.metric(row) });
  }

  /** Looks at a row again after something became known about it: more to do, to be tried later, or finished. */
  #settled(table: DeltaTable, row: number): void {
    const wanted = table.wanted[row] ?? 0;
    if (nextOperation(wanted, table.actual[row] ?? 0, table.flags[row] ?? 0, this.#targets) !== 0) {
      if (!this.#targets.matches(wanted, table.actual[row] ?? 0)) table.enqueue(row);
    } else if (table.is(row, RowFlag.Failed | RowFlag.Conflict)) this.#retry.park(table, row);
    else table.releaseIfIdle(row);
  }

  // ---- reading

  /** Runs `fn` with nothing in flight and nothing being written; changes by others are taken in afterwards. */
  #exclusive(fn: () => Promise<void>): Promise<void> {
    this.#listings++;
    const run = this.#listingTail.then(async () => {
      if (this.#inFlight > 0) await new Promise<void>((resolve) => this.#quietWaiters.push(resolve));
      try {
        if (this.#phase === 'running') await fn();
      } finally {
        this.#listings--;
        if (this.#listings === 0) this.#takeHeld();
        if (this.#phase === 'running') this.#pump();
      }
    });
    this.#listingTail = run.catch(() => {});
    return run;
  }

  #requestResync(how: 'ours' | 'beside'): void {
    if (this.#resyncWanted !== 'beside') this.#resyncWanted = how;
    this.#schedule();
  }

  #resync(): void {
    const beside = this.#resyncWanted === 'beside';
    this.#resyncWanted = 'no';
    this.#work.resyncs++;
    this.#exclusive(() => this.#compareWithKernel(beside, false)).catch((error: unknown) => {
      if (this.#phase === 'closed') return;
      this.#log.error('fib resync', { error: errorMessage(error) });
      this.#clock.setTimer(1000, () => this.#requestResync('beside'));
    });
  }

  /** Brings `actual` up to date, and queues whatever is not as wanted. */
  async #compareWithKernel(beside: boolean, isStart: boolean): Promise<void> {
    await this.#kernel.list({ ...this.#own, beside }, (records) => {
      for (let i = 0; i < records.count; i++) this.#takeListed(records.words, i * RECORD_WORDS, isStart);
    });
    for (const table of [this.#v4, this.#v6]) {
      for (let row = 0; row < table.keys.end; row++) {
        if (!table.keys.has(row)) continue;
        if (table.is(row, RowFlag.Seen)) table.clear(row, RowFlag.Seen);
        else if (table.actual[row] !== Target.None) {
          table.actual[row] = Target.None;
          table.clear(row, RowFlag.Orphan | RowFlag.Shared);
          this.#settled(table, row);
        }
      }
    }
  }

  #takeListed(words: Int32Array, at: number, isStart: boolean): void {
    if (!isOurs(this.#own, words[at + 3] ?? 0, (words[at + 2] ?? 0) >>> 0)) return;
    const shape = words[at + 1] ?? 0;
    const table = (shape & 0xff) === 4 ? this.#v4 : this.#v6;
    const row = table.ensure(words, at + 6, (shape >> 8) & 0xff, (words[at + 4] ?? 0) >>> 0);
    if (isStart) this.#work.adopted++;
    const isNews = table.actual[row] === Target.None;
    this.#found(table, row, words[at + 5] ?? 0);
    if (((words[at] ?? 0) & FOREIGN_BESIDE) !== 0) table.mark(row, RowFlag.Shared);
    table.mark(row, RowFlag.Seen);
    if (isNews && table.wanted[row] === Target.None && !this.#isSwept) table.mark(row, RowFlag.Orphan);
    this.#settled(table, row);
  }

  /** There is a route of ours that leads to `target`. */
  #found(table: DeltaTable, row: number, target: number): void {
    const wanted = table.wanted[row] ?? 0;
    const known = this.#targets.matches(wanted, target) ? wanted : target;
    table.actual[row] = known;
    if (known === wanted) {
      table.errnos[row] = 0;
      table.clear(row, RowFlag.Failed | RowFlag.Conflict | RowFlag.Verify);
    }
  }

  async #collectDifferences(differences: FibDifference[]): Promise<void> {
    const seen = new Map<DeltaTable, Uint8Array>([
      [this.#v4, new Uint8Array(this.#v4.keys.end)],
      [this.#v6, new Uint8Array(this.#v6.keys.end)],
    ]);
    await this.#kernel.list(this.#own, ({ words, count }) => {
      for (let i = 0; i < count; i++) {
        const at = i * RECORD_WORDS;
        if (!isOurs(this.#own, words[at + 3] ?? 0, (words[at + 2] ?? 0) >>> 0)) continue;
        const version = ((words[at + 1] ?? 0) & 0xff) as 4 | 6;
        const table = this.#table(version);
        const length = ((words[at + 1] ?? 0) >> 8) & 0xff;
        const metric = (words[at + 4] ?? 0) >>> 0;
        const row = table.keys.find(words, at + 6, length, metric);
        const marks = seen.get(table);
        if (row >= 0 && marks !== undefined) marks[row] = 1;
        const wanted = row < 0 ? 0 : (table.wanted[row] ?? 0);
        const target = words[at + 5] ?? 0;
        if (wanted !== Target.None && this.#targets.matches(wanted, target)) continue;
        differences.push({
          type: wanted === Target.None ? 'unexpected' : 'different',
          prefix: prefixOfRow(
            { copyAddress: (_row, out) => out.set(words.subarray(at + 6, at + 10)), length: () => length },
            0,
            version,
          ),
          metric,
          ...(wanted === Target.None ? {} : { wanted: this.#describe(wanted) }),
          found: this.#describe(target),
          ...(row < 0 ? {} : { state: stateOf(table, row) }),
        });
      }
    });
    for (const [table, marks] of seen) {
      for (let row = 0; row < marks.length; row++) {
        const wanted = table.wanted[row] ?? 0;
        if (marks[row] === 1 || wanted === Target.None || !table.keys.has(row)) continue;
        differences.push({
          type: 'missing',
          prefix: prefixOfRow(table.keys, row, this.#version(table)),
          metric: table.keys.metric(row),
          wanted: this.#describe(wanted),
          state: stateOf(table, row),
        });
      }
    }
  }

  #describe(target: number): FibTargetView {
    if (target === Target.Blackhole) return { kind: 'blackhole', nextHops: [] };
    if (target === Target.Unreachable) return { kind: 'unreachable', nextHops: [] };
    const nextHops = this.#targets.hops(target);
    return nextHops.length === 0 ? { kind: 'other', nextHops } : { kind: 'unicast', nextHops };
  }

  #describeRoute(target: number): { readonly kind: FibRouteKind; readonly nextHops: readonly FibNextHop[] } {
    const { kind, nextHops } = this.#describe(target);
    return { kind: kind === 'other' ? 'unreachable' : kind, nextHops };
  }

  // ---- what others do

  #routesChanged(records: RouteRecords): void {
    if (this.#listings > 0) this.#held.push(records.words.slice(0, records.count * RECORD_WORDS));
    else for (let i = 0; i < records.count; i++) this.#routeChanged(records.words, i * RECORD_WORDS);
    this.#schedule();
  }

  #takeHeld(): void {
    for (const words of this.#held.splice(0)) {
      for (let at = 0; at < words.length; at += RECORD_WORDS) this.#routeChanged(words, at);
    }
  }

  #routeChanged(words: Int32Array, at: number): void {
    const kind = (words[at] ?? 0) as RecordKind;
    const isGone = kind === RecordKind.Deleted;
    const protocol = words[at + 3] ?? 0;
    const inTable = (words[at + 2] ?? 0) >>> 0;
    const isMine = isOurs(this.#own, protocol, inTable);
    if (!isMine && !isGone) this.#retry.probe();
    if (inTable !== this.#own.table) return;
    const shape = words[at + 1] ?? 0;
    const table = (shape & 0xff) === 4 ? this.#v4 : this.#v6;
    const length = (shape >> 8) & 0xff;
    const metric = (words[at + 4] ?? 0) >>> 0;
    const isNewOfOurs = isMine && !isGone;
    const row = isNewOfOurs
      ? table.ensure(words, at + 6, length, metric)
      : table.keys.find(words, at + 6, length, metric);
    if (row < 0) return;
    if (isMine || kind === RecordKind.Replaced) {
      this.#work.foreignChanges++;
      this.#takeChange(table, row, isNewOfOurs ? (words[at + 5] ?? 0) : Target.None);
    } else if (isGone) this.#foreignGone(table, row);
    else if (table.actual[row] !== Target.None || table.is(row, RowFlag.InFlight)) table.mark(row, RowFlag.Shared);
  }

  /** Somebody else put (or took away, `Target.None`) a route of ours. */
  #takeChange(table: DeltaTable, row: number, target: number): void {
    if (table.is(row, RowFlag.InFlight)) {
      table.mark(row, RowFlag.Suspect);
      return;
    }
    if (target === Target.None) {
      table.actual[row] = Target.None;
      table.clear(row, RowFlag.Orphan | RowFlag.Shared | RowFlag.Failed);
    } else {
      const isNews = table.actual[row] === Target.None;
      this.#found(table, row, target);
      if (isNews && table.wanted[row] === Target.None && !this.#isSwept) table.mark(row, RowFlag.Orphan);
    }
    this.#settled(table, row);
  }

  #foreignGone(table: DeltaTable, row: number): void {
    if (table.is(row, RowFlag.InFlight)) {
      table.mark(row, RowFlag.Suspect);
      return;
    }
    table.clear(row, RowFlag.Shared);
    if (!table.is(row, RowFlag.Conflict)) return;
    table.clear(row, RowFlag.Conflict);
    this.#settled(table, row);
  }

  /** A link or an address came or went. When one goes the kernel drops IPv4 routes without a word. */
  #machineChanged(isGain: boolean): void {
    this.#retry.probe(true);
    if (!isGain) this.#requestResync('ours');
  }

  #overflowed(): void {
    this.#work.overflows++;
    this.#log.warn('fib notifications lost', {});
    this.#requestResync('beside');
    this.#retry.probe();
  }

  /** Waits for `promise`, but no longer than `ms`. */
  #within(ms: number, promise: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(ms, resolve);
      void promise.then(() => {
        timer.clear();
        resolve();
      });
    });
  }
}

function targetOf(kind: FibRouteKind, nextHopSetId: number): number {
  switch (kind) {
    case 'unicast':
      return nextHopSetId;
    case 'blackhole':
      return Target.Blackhole;
    case 'unreachable':
      return Target.Unreachable;
    default:
      return unreachable(kind);
  }
}

function stateOf(table: DeltaTable, row: number): FibRouteState {
  if (table.is(row, RowFlag.Orphan)) return 'orphan';
  if (table.is(row, RowFlag.Failed)) return 'failed';
  if (table.is(row, RowFlag.Conflict)) return 'conflict';
  return table.wanted[row] === table.actual[row] && !table.is(row, RowFlag.InFlight) ? 'installed' : 'pending';
}

type Refusal = 'absent' | 'occupied' | 'conflict' | 'failed';

/** What an errno means: `absent`: there is nothing to delete or replace; `occupied`: something is there, ours or not; `conflict`: it is not ours. */
function refusalOf(op: RouteOp, errno: number): Refusal {
  if (op === RouteOp.Delete && errno === Errno.ESRCH) return 'absent';
  if (op === RouteOp.Replace && (errno === Errno.ENOENT || errno === Errno.ESRCH)) return 'absent';
  if (op === RouteOp.Add && errno === Errno.EEXIST) return 'occupied';
  if (op === RouteOp.Reclaim && errno === Errno.EEXIST) return 'conflict';
  return 'failed';
}
