import { Worker } from 'node:worker_threads';
import { type Clock, systemClock, type TimerHandle } from '../lib/clock.ts';
import { type Logger, silentLogger } from '../lib/log.ts';
import {
  type BatchResult,
  type KernelAddress,
  KernelError,
  type KernelErrorDetail,
  type KernelLink,
  type KernelNextHop,
  type KernelRoutes,
  type KernelWatcher,
  type NextHopOperation,
  type NextHopResult,
  RECORD_WORDS,
  type RouteBatch,
  type RouteFilter,
  type RouteRecords,
} from './kernel.ts';
import { FIRST_SET, type FibNextHop, isSet, TargetTable } from './target.ts';
import type { FromWorker, RecordsMessage, ToWorker, WorkerOptions } from './worker-protocol.ts';

/** How to reach the kernel. */
export interface NetlinkKernelOptions {
  /** Network namespace to work in (`/run/netns/NAME`); the process's own when absent. */
  readonly netnsPath?: string;
  /**
   * Receive buffer for notifications, octets (default 64 MiB, used only as far as needed). When it is full, notifications are lost and
   * the tables are read again.
   */
  readonly watchBufferOctets?: number;
  /** Receive buffer for the kernel's verdicts, octets (default 16 MiB). When it is full, verdicts are lost and the tables are read again. */
  readonly writeBufferOctets?: number;
  readonly log?: Logger;
  readonly clock?: Clock;
}

/** What an answer of the worker settles. */
interface Pending {
  readonly resolve: (message: FromWorker) => void;
  readonly reject: (error: Error) => void;
  readonly sink?: (records: RouteRecords) => void;
}

/** What the worker numbers, in the numbers of `targets`; listings and notifications are numbered apart. */
type Renumbering = number[];

const MIB = 1024 * 1024;

/** How long the worker gets to end by itself. */
const CLOSE_MS = 5000;

/** How long after the end of a worker that nobody asked to end the next one is started. */
const RESTART_MS = 1000;

/**
 * `KernelRoutes` over rtnetlink, in a worker thread that runs `netlink-worker.ts`. Needs CAP_NET_ADMIN for anything but reading. Should the
 * thread die, what waits for it is rejected, and another one is started; its watchers are then told of an overflow, so that they read again.
 */
export class NetlinkKernel implements KernelRoutes {
  readonly targets = new TargetTable();
  readonly #workerData: WorkerOptions;
  readonly #giveWay = new Int32Array(new SharedArrayBuffer(4));
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #pending = new Map<number, Pending>();
  readonly #watchers = new Set<KernelWatcher>();
  #worker: Worker;
  /** Resolves when the worker's thread is gone. */
  #gone: Promise<void>;
  #renumberWatched: Renumbering = [];
  #renumberListed = new Map<number, Renumbering>();
  #toldEnd = FIRST_SET;
  #lastId = 0;
  #isReady = false;
  /** Why nothing can be asked now. */
  #failure: KernelErrorDetail | undefined;
  #restart: TimerHandle | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: NetlinkKernelOptions) {
    const { netnsPath, watchBufferOctets = 64 * MIB, writeBufferOctets = 16 * MIB } = options;
    const sockets = { watchBufferOctets, writeBufferOctets, giveWay: this.#giveWay.buffer };
    this.#workerData = { ...sockets, ...(netnsPath === undefined ? {} : { netnsPath }) };
    this.#log = options.log ?? silentLogger;
    this.#clock = options.clock ?? systemClock;
    [this.#worker, this.#gone] = this.#startWorker();
  }

  /**
   * Starts the thread and opens its sockets.
   * @throws KernelError when a socket or the namespace cannot be opened
   */
  static async open(options: NetlinkKernelOptions = {}): Promise<NetlinkKernel> {
    const kernel = new NetlinkKernel(options);
    try {
      await new Promise<FromWorker>((resolve, reject) => kernel.#pending.set(0, { resolve, reject }));
    } catch (error) {
      await kernel.close();
      throw error;
    }
    return kernel;
  }

  async apply(batch: RouteBatch): Promise<BatchResult> {
    const { protocol, table, count, words } = batch;
    const targets: (readonly FibNextHop[])[] = [];
    for (; this.#toldEnd < this.targets.end; this.#toldEnd++) targets.push(this.targets.hops(this.#toldEnd));
    const answer = await this.#ask(
      (id) => ({ type: 'apply', id, protocol, table, count, words, targets }),
      [words.buffer],
    );
    if (answer.type !== 'applied') throw new Error(`apply answered by ${answer.type}`);
    return answer;
  }

  async list(filter: RouteFilter, sink: (records: RouteRecords) => void): Promise<void> {
    await this.#ask((id) => ({ type: 'list', id, filter }), [], sink);
  }

  async applyNextHops(operations: readonly NextHopOperation[]): Promise<NextHopResult> {
    const answer = await this.#ask((id) => ({ type: 'apply-nexthops', id, operations }));
    if (answer.type !== 'nexthops-applied') throw new Error(`nexthops answered by ${answer.type}`);
    return answer;
  }

  async listNextHops(): Promise<readonly KernelNextHop[] | undefined> {
    const answer = await this.#ask((id) => ({ type: 'nexthops', id }));
    return answer.type === 'nexthops' ? answer.nextHops : undefined;
  }

  async links(): Promise<readonly KernelLink[]> {
    const answer = await this.#ask((id) => ({ type: 'links', id }));
    return answer.type === 'links' ? answer.links : [];
  }

  async addresses(): Promise<readonly KernelAddress[]> {
    const answer = await this.#ask((id) => ({ type: 'addresses', id }));
    return answer.type === 'addresses' ? answer.addresses : [];
  }

  /**
   * Lets others have the kernel's lock of routes and interfaces, which a table being written takes for every route: from the next send on
   * (`SEND_OCTETS`), until called with false. Writing goes on all the same, slowly, so that nobody can hold it up for good. A pause that was
   * begun is not cut short: pods come in rows, and the next one would find the writer in the middle of a send.
   */
  giveWay(isWanted: boolean): void {
    Atomics.store(this.#giveWay, 0, isWanted ? 1 : 0);
  }

  watch(watcher: KernelWatcher): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#restart?.clear();
    const timer = this.#clock.setTimer(CLOSE_MS, () => void this.#worker.terminate());
    if (this.#failure === undefined) this.#worker.postMessage({ type: 'close' } satisfies ToWorker);
    this.#fail({ code: 'closed' });
    await this.#gone;
    timer.clear();
  }

  #startWorker(): [Worker, Promise<void>] {
    // No flags of the parent's: a test runner's loader has no business in this thread.
    const options = { workerData: this.#workerData, execArgv: [] };
    const worker = new Worker(new URL('./netlink-worker.ts', import.meta.url), options);
    let reason = '';
    worker.on('message', (message: FromWorker) => this.#received(message));
    worker.on('error', (error) => {
      reason = error.stack ?? error.message;
    });
    const gone = new Promise<void>((resolve) => {
      worker.once('exit', (code) => {
        this.#workerEnded(reason === '' ? `exit code ${code}` : reason);
        resolve();
      });
    });
    return [worker, gone];
  }

  #workerEnded(reason: string): void {
    if (this.#closing !== undefined) return;
    const wasReady = this.#isReady;
    this.#isReady = false;
    this.#fail({ code: 'worker', reason });
    if (!wasReady && this.#restart === undefined) return; // it never came up: `open` says so
    this.#log.error('kernel thread ended', { reason });
    this.#restart = this.#clock.setTimer(RESTART_MS, () => {
      this.#toldEnd = FIRST_SET;
      this.#renumberWatched = [];
      [this.#worker, this.#gone] = this.#startWorker();
    });
  }

  #workerReady(): void {
    this.#isReady = true;
    this.#failure = undefined;
    const opening = this.#pending.get(0);
    if (opening !== undefined) this.#settle(0, { type: 'ready' });
    else for (const watcher of this.#watchers) watcher.overflow();
  }

  #ask(
    make: (id: number) => ToWorker,
    transfer: ArrayBuffer[] = [],
    sink?: (records: RouteRecords) => void,
  ): Promise<FromWorker> {
    if (this.#failure !== undefined) return Promise.reject(new KernelError(this.#failure));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, ...(sink === undefined ? {} : { sink }) });
      this.#worker.postMessage(make(id), transfer);
    });
  }

  #received(message: FromWorker): void {
    switch (message.type) {
      case 'ready':
        this.#workerReady();
        break;
      case 'records':
        this.#records(message);
        break;
      case 'link':
        for (const watcher of this.#watchers) watcher.link(message.link, message.present);
        break;
      case 'address':
        for (const watcher of this.#watchers) watcher.address(message.address, message.present);
        break;
      case 'nexthop':
        for (const watcher of this.#watchers) watcher.nextHop?.(message.nextHop);
        break;
      case 'overflow':
        for (const watcher of this.#watchers) watcher.overflow();
        break;
      case 'failed':
        if (message.id === 0) this.#fail(message.detail);
        else this.#settle(message.id, new KernelError(message.detail));
        break;
      default:
        this.#settle(message.id, message);
    }
  }

  #settle(id: number, outcome: FromWorker | Error): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    this.#renumberListed.delete(id);
    if (outcome instanceof Error) pending?.reject(outcome);
    else pending?.resolve(outcome);
  }

  #records(message: RecordsMessage): void {
    const { id, count, words } = message;
    const renumbering = this.#renumberingOf(id);
    for (const hops of message.targets) renumbering.push(this.targets.intern(hops));
    for (let at = 5; at < count * RECORD_WORDS; at += RECORD_WORDS) {
      const target = words[at] ?? 0;
      if (isSet(target)) words[at] = renumbering[target - FIRST_SET] ?? 0;
    }
    if (id === 0) for (const watcher of this.#watchers) watcher.routes(message);
    else this.#pending.get(id)?.sink?.(message);
  }

  #renumberingOf(id: number): Renumbering {
    if (id === 0) return this.#renumberWatched;
    let renumbering = this.#renumberListed.get(id);
    if (renumbering === undefined) {
      renumbering = [];
      this.#renumberListed.set(id, renumbering);
    }
    return renumbering;
  }

  /** All that waits fails, and what is asked from now on. The first reason counts. */
  #fail(detail: KernelErrorDetail): void {
    this.#failure ??= detail;
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    this.#renumberListed.clear();
    for (const { reject } of waiting) reject(new KernelError(this.#failure));
  }
}
