import type { Prefix } from 'bgp-ts';
import type { Clock, TimerHandle } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { errorMessage, unreachable } from '../lib/result.ts';
import { type DeltaTable, RowFlag } from './delta.ts';
import { type KernelLink, type KernelRoutes, RECORD_WORDS, type RouteRecords } from './kernel.ts';
import { readKernel, takeChange } from './reconcile.ts';
import { Rows } from './rows.ts';
import { type FibNextHop, isInRange, Target } from './target.ts';
import type {
  FibCounters,
  FibDifference,
  FibNextHopDifference,
  FibOptions,
  FibRouteKind,
  FibRouteView,
} from './types.ts';
import { countRoutes, findDifferences, listRoutes } from './views.ts';
import { Ways } from './ways.ts';
import { wordsOfOctets } from './words.ts';
import { Writer } from './writer.ts';

export type { FibNextHop } from './target.ts';
export type * from './types.ts';

/** How long `check` waits for what is on its way before it compares. */
const CHECK_SETTLE_MS = 2000;

/** How long `close` waits for the removal of routes. */
const CLOSE_MS = 30_000;

/** How long after a failed reading of the kernel the next one is tried. */
const READ_AGAIN_MS = 1000;

/** Share of the time that readings may take when notifications keep being lost: one part in so many. */
const READING_SHARE = 4;

/**
 * Keeps the kernel's routes of one protocol number in one table equal to what was `set`. Changes are coalesced until the writer takes
 * them. Routes of others are never touched (rules in `ownership.ts`). A wanted route costs about 36 octets (IPv4) or 48 (IPv6).
 */
export class Fib {
  readonly #kernel: KernelRoutes;
  readonly #rows: Rows;
  readonly #ways: Ways;
  readonly #writer: Writer;
  readonly #metric: number;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #scratch = new Int32Array(4);
  #phase: 'idle' | 'running' | 'closed' = 'idle';
  #turn: TimerHandle | undefined;
  /** Readings of the kernel under way or waiting for the batches in flight: nothing is written and changes are held. */
  #readings = 0;
  #lastReading: Promise<void> = Promise.resolve();
  #held: Int32Array[] = [];
  /** Links that are down or without carrier: their routes were looked after when that happened. */
  readonly #lostLinks = new Set<number>();
  /** A reading that is due: of our routes, or (`beside`) of the whole table, see `readKernel`. */
  #wantedReading: 'none' | 'ours' | 'beside' = 'none';
  /** The kernel side broke down, and could not be read since: nothing is written before it can. */
  #isBroken = false;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #readTimer: TimerHandle | undefined;
  #idleWaiters: (() => void)[] = [];
  #quietWaiters: (() => void)[] = [];
  #unwatch: () => void = () => {};

  constructor(kernel: KernelRoutes, options: FibOptions) {
    const { protocol, table, metric, log, clock } = options;
    this.#kernel = kernel;
    this.#metric = metric;
    this.#log = log;
    this.#clock = clock;
    const own = { protocol, table };
    const mode = options.nextHopObjects ?? 'auto';
    this.#ways = new Ways(
      kernel,
      { own, mode, log, clock },
      {
        wake: () => {
          this.#releaseIfQuiet();
          this.#schedule();
        },
        changed: (target) => {
          this.#rows.lookAgain(target);
          this.#schedule();
        },
        emptied: (target) => {
          this.#rows.emptied(target);
          this.#schedule();
        },
        lost: (isBroken) => this.#lost(isBroken),
      },
    );
    this.#rows = new Rows(own, kernel.targets, this.#ways, clock, () => this.#schedule());
    this.#writer = new Writer(kernel, this.#rows, log, {
      settled: () => {
        this.#ways.routesWritten();
        this.#releaseIfQuiet();
        this.#run();
      },
      lost: (isBroken) => this.#lost(isBroken),
    });
  }

  /**
   * The id of a set of next hops, for `set`; equal sets have equal ids, which stay valid.
   * @throws RangeError on an empty set, a hop with neither gateway nor interface, or a weight outside 1..256
   */
  nextHopSet(hops: readonly FibNextHop[]): number {
    return this.#rows.targets.intern(hops);
  }

  /**
   * A way: next hops for `set` that may change under their routes, which then costs one message where the kernel has nexthop objects. It
   * belongs to the caller; after `start`.
   * @throws RangeError as `nextHopSet`
   */
  openWay(hops: readonly FibNextHop[]): number {
    if (this.#phase !== 'running') throw new Error('Fib: a way opened before the start or after the end');
    return this.#ways.open(hops);
  }

  /** Leads everything that goes this way over other next hops. @throws RangeError as `nextHopSet`, and for a way that is not open */
  changeWay(way: number, hops: readonly FibNextHop[]): void {
    this.#ways.change(way, hops);
    this.#schedule();
  }

  /** The caller sets no more routes to it. Routes that still lead there are not touched; the way goes with the last of them. */
  closeWay(way: number): void {
    this.#ways.close(way);
  }

  /**
   * Wants a route, in place of what was wanted for the prefix and metric before. Costs no kernel work before the next turn of the event loop.
   * @param octets 4 or 16, host bits zero; may be the caller's scratch
   * @param nextHopSetId from `nextHopSet` or `openWay`; not looked at unless `kind` is unicast
   */
  set(
    version: 4 | 6,
    octets: Uint8Array,
    length: number,
    nextHopSetId: number,
    kind: FibRouteKind = 'unicast',
    metric = this.#metric,
  ): void {
    const table = this.#rows.table(version);
    wordsOfOctets(octets, version, this.#scratch);
    const row = table.ensure(this.#scratch, 0, length, metric);
    const target = targetOf(kind, nextHopSetId);
    if (table.wanted[row] === target && !table.is(row, RowFlag.Orphan)) return;
    table.wanted[row] = target;
    table.errnos[row] = 0;
    table.clear(row, RowFlag.Orphan | RowFlag.Failed | RowFlag.Conflict | RowFlag.Verify | RowFlag.Probe);
    table.enqueue(row);
    this.#schedule();
  }

  /** Wants it no more. */
  remove(version: 4 | 6, octets: Uint8Array, length: number, metric = this.#metric): void {
    const table = this.#rows.table(version);
    wordsOfOctets(octets, version, this.#scratch);
    const row = table.keys.find(this.#scratch, 0, length, metric);
    if (row < 0 || table.wanted[row] === Target.None) return;
    this.#rows.unwant(table, row);
    this.#schedule();
  }

  /**
   * Reads the kernel, adopts what survived of our routes and starts writing. Routes may be `set` before; routes found and not wanted
   * become orphans.
   * @throws KernelError when the kernel cannot be read; it may be called again then
   */
  async start(): Promise<void> {
    if (this.#phase !== 'idle') throw new Error('Fib: started twice');
    this.#phase = 'running';
    this.#unwatch = this.#kernel.watch({
      routes: (records) => this.#routesChanged(records),
      link: (link, present) => this.#linkChanged(link, present),
      address: (_address, present) => this.#machineChanged(present),
      nextHop: (id) => this.#nextHopChanged(id),
      overflow: () => this.#overflowed(),
    });
    try {
      await this.#whileQuiet(async () => {
        await this.#ways.read();
        this.#rows.work.adopted += await readKernel(this.#kernel, this.#rows, true);
      });
    } catch (error) {
      this.#unwatch();
      this.#phase = 'idle';
      throw error;
    }
    const { own, work } = this.#rows;
    this.#ways.tellMode();
    this.#log.info('fib started', { ...own, adopted: work.adopted, nextHopObjects: this.#ways.areObjects });
  }

  /**
   * Removes the orphans, and from now on whatever else appears with our protocol number without being wanted. To be called once, when
   * everything that should be wanted has been `set`.
   */
  sweep(): void {
    this.#rows.isSwept = true;
    this.#ways.sweep();
    let orphans = 0;
    this.#eachRow((table, row) => {
      if (!table.is(row, RowFlag.Orphan)) return;
      this.#rows.unwant(table, row);
      orphans++;
    });
    this.#log.info('fib swept', { orphans });
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
    let differences: FibDifference[] = [];
    await this.#whileQuiet(async () => {
      differences = await findDifferences(this.#kernel, this.#rows);
    });
    if (differences.some(({ state }) => state === undefined || state === 'installed')) this.#wantReading('beside');
    return differences;
  }

  /**
   * Reads the kernel's nexthop objects and compares. None when they are not used.
   * @throws KernelError when the kernel cannot be read
   */
  async checkNextHops(): Promise<FibNextHopDifference[]> {
    await this.#within(CHECK_SETTLE_MS, this.flush());
    let differences: FibNextHopDifference[] = [];
    await this.#whileQuiet(async () => {
      differences = this.#ways.compare(await this.#kernel.listNextHops());
    });
    if (differences.length > 0) this.#wantReading('ours');
    return differences;
  }

  /** All routes, wanted or found, in no particular order; or only those of one prefix, whatever their metric. */
  list(prefix?: Prefix): FibRouteView[] {
    return listRoutes(this.#rows, prefix);
  }

  get counters(): FibCounters {
    return countRoutes(this.#rows);
  }

  /**
   * Stops. With `keepRoutes` the kernel keeps all our routes as they are; without, they are removed first, orphans too. The kernel object stays
   * open, its owner closes it. May be called twice.
   */
  async close(options: { readonly keepRoutes: boolean }): Promise<void> {
    if (this.#phase === 'closed') return;
    if (this.#phase === 'running' && !options.keepRoutes) {
      this.#rows.isSwept = true;
      this.#eachRow((table, row) => this.#rows.unwant(table, row));
      this.#ways.closeAll();
      await this.#within(CLOSE_MS, this.flush());
    }
    this.#phase = 'closed';
    this.#unwatch();
    this.#rows.retry.close();
    this.#ways.stop();
    this.#turn?.clear();
    this.#readTimer?.clear();
    await this.#quiet();
    await this.#lastReading;
    release(this.#idleWaiters);
  }

  // ---- turns

  /** Lets the writer come round in a later turn, so that what changes meanwhile costs one write. */
  #schedule(): void {
    if (this.#phase !== 'running' || this.#turn !== undefined) return;
    this.#turn = this.#clock.defer(() => {
      this.#turn = undefined;
      this.#run();
    });
  }

  #run(): void {
    if (this.#phase !== 'running') return;
    if (this.#wantedReading !== 'none' && this.#readings === 0) this.#readWhenDue();
    if (this.#readings === 0 && !this.#isBroken) {
      this.#ways.send();
      this.#writer.send();
    }
    this.#collect();
    if (this.#isIdle()) release(this.#idleWaiters);
  }

  /** Removes the nexthop objects that nothing needs, when no row is on its way to one. */
  #collect(): void {
    if (!this.#ways.mayCollect || this.#isBroken || this.#readings > 0 || this.#wantedReading !== 'none') return;
    if (this.#rows.waiting > 0 || this.#writer.inFlight > 0) return;
    this.#ways.collect((end) => this.#rows.usedWays(end));
  }

  #isIdle(): boolean {
    if (this.#isBroken || this.#readings > 0 || this.#wantedReading !== 'none') return false;
    return this.#rows.waiting === 0 && this.#writer.inFlight === 0 && !this.#ways.isBusy && !this.#ways.mayCollect;
  }

  #eachRow(use: (table: DeltaTable, row: number) => void): void {
    for (const table of this.#rows.tables) {
      for (let row = 0; row < table.keys.end; row++) if (table.keys.has(row)) use(table, row);
    }
  }

  // ---- reading

  #wantReading(how: 'ours' | 'beside'): void {
    if (how === 'beside') this.#rows.isBlind = true;
    if (this.#wantedReading !== 'beside') this.#wantedReading = how;
    this.#schedule();
  }

  /** Reads now, or later when readings already take much of the time because a table changes faster than it can be followed. */
  #readWhenDue(): void {
    const waitMs = this.#notBeforeMs - this.#clock.nowMs();
    if (waitMs <= 0) this.#read();
    else {
      this.#readTimer ??= this.#clock.setTimer(waitMs, () => {
        this.#readTimer = undefined;
        this.#run();
      });
    }
  }

  #read(): void {
    const isWhole = this.#wantedReading === 'beside';
    this.#wantedReading = 'none';
    this.#rows.work.resyncs++;
    const fromMs = this.#clock.nowMs();
    this.#whileQuiet(async () => {
      if (isWhole) this.#rows.isBlind = false; // unless notifications are lost again from here on
      try {
        await this.#ways.read();
        await readKernel(this.#kernel, this.#rows, isWhole);
        this.#isBroken = false;
      } finally {
        this.#notBeforeMs = this.#clock.nowMs() + (READING_SHARE - 1) * (this.#clock.nowMs() - fromMs);
      }
    }).catch((error: unknown) => {
      if (this.#phase === 'closed') return;
      this.#log.error('kernel routes not read', { error: errorMessage(error) });
      this.#notBeforeMs = Math.max(this.#notBeforeMs, this.#clock.nowMs() + READ_AGAIN_MS);
      this.#wantReading('beside');
    });
  }

  /** Runs `fn` with nothing in flight and nothing being written; changes by others are taken in afterwards. */
  #whileQuiet(fn: () => Promise<void>): Promise<void> {
    this.#readings++;
    const run = this.#lastReading.then(async () => {
      await this.#quiet();
      try {
        if (this.#phase === 'running') await fn();
      } finally {
        this.#readings--;
        if (this.#readings === 0) this.#takeHeld();
        this.#schedule();
      }
    });
    this.#lastReading = run.catch(() => {});
    return run;
  }

  #releaseIfQuiet(): void {
    if (this.#writer.inFlight === 0 && this.#ways.inFlight === 0) release(this.#quietWaiters);
  }

  #lost(isBroken: boolean): void {
    this.#rows.work.overflows++;
    this.#isBroken ||= isBroken;
    this.#wantReading('beside');
  }

  /** Resolves when nothing is in flight. */
  #quiet(): Promise<void> {
    if (this.#writer.inFlight === 0 && this.#ways.inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => this.#quietWaiters.push(resolve));
  }

  // ---- what others do

  #routesChanged(records: RouteRecords): void {
    const { words, count } = records;
    if (this.#readings > 0) this.#held.push(words.slice(0, count * RECORD_WORDS));
    else for (let at = 0; at < count * RECORD_WORDS; at += RECORD_WORDS) takeChange(this.#rows, words, at);
    if (this.#rows.waiting > 0) this.#schedule();
  }

  #takeHeld(): void {
    for (const words of this.#held.splice(0)) {
      for (let at = 0; at < words.length; at += RECORD_WORDS) takeChange(this.#rows, words, at);
    }
  }

  /** Nexthop objects go with their link's carrier, and their routes with them. */
  #linkChanged(link: KernelLink, present: boolean): void {
    const isUsable = present && link.up && (link.carrier || !this.#ways.areObjects);
    const isLoss = !isUsable && !this.#lostLinks.has(link.ifIndex);
    if (isUsable || !present) this.#lostLinks.delete(link.ifIndex);
    else this.#lostLinks.add(link.ifIndex);
    this.#machineChanged(!isLoss);
  }

  /** Somebody else changed a nexthop object; with one of ours its routes went. */
  #nextHopChanged(id: number): void {
    if (isInRange(this.#rows.own.protocol, id)) this.#wantReading('ours');
  }

  /** A link or an address came or went. When one goes the kernel drops IPv4 routes without a word. */
  #machineChanged(isGain: boolean): void {
    this.#ways.probe();
    this.#rows.retry.probe(true);
    if (!isGain) this.#wantReading('ours');
  }

  #overflowed(): void {
    this.#rows.work.overflows++;
    this.#log.warn('kernel notifications lost');
    this.#rows.retry.probe(true);
    this.#wantReading('beside');
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

function release(waiters: (() => void)[]): void {
  for (const resolve of waiters.splice(0)) resolve();
}
