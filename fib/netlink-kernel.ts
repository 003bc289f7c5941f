import { Worker } from 'node:worker_threads';
import { systemClock } from '../lib/clock.ts';
import {
  type BatchResult,
  type KernelAddress,
  KernelError,
  type KernelErrorDetail,
  type KernelLink,
  type KernelRoutes,
  type KernelWatcher,
  RECORD_WORDS,
  type RouteBatch,
  type RouteFilter,
  type RouteRecords,
} from './kernel.ts';
import { FIRST_SET, type FibNextHop, TargetTable } from './target.ts';
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
}

/** What an answer of the worker settles. */
interface Pending {
  readonly resolve: (message: FromWorker) => void;
  readonly reject: (error: Error) => void;
  readonly sink?: (records: RouteRecords) => void;
}

/** What the worker numbers, in the numbers of `targets`; listings and notifications are numbered apart. */
type Renumbering = number[];

/** How long the worker gets to end by itself. */
const CLOSE_MS = 5000;

/** `KernelRoutes` over rtnetlink, in a worker thread that runs `netlink-worker.ts`. Needs CAP_NET_ADMIN for anything but reading. */
export class NetlinkKernel implements KernelRoutes {
  readonly targets = new TargetTable();
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #watchers = new Set<KernelWatcher>();
  readonly #ended: Promise<void>;
  #renumberWatched: Renumbering = [];
  #renumberListed = new Map<number, Renumbering>();
  #toldEnd = FIRST_SET;
  #lastId = 0;
  #failure: KernelErrorDetail | undefined;
  #closing: Promise<void> | undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
    this.#ended = new Promise((resolve) => worker.once('exit', () => resolve()));
    worker.on('message', (message: FromWorker) => this.#received(message));
    worker.on('error', (error) => this.#failed({ code: 'worker', reason: error.stack ?? error.message }));
    worker.on('exit', (code) => this.#failed({ code: 'worker', reason: `exit code ${code}` }));
  }

  /**
   * Starts the thread and opens its sockets.
   * @throws KernelError when a socket or the namespace cannot be opened
   */
  static async open(options: NetlinkKernelOptions = {}): Promise<NetlinkKernel> {
    const { netnsPath, watchBufferOctets = 64 * 1024 * 1024 } = options;
    const workerData: WorkerOptions = { watchBufferOctets, ...(netnsPath === undefined ? {} : { netnsPath }) };
    // No flags of the parent's: a test runner's loader has no business in this thread.
    const worker = new Worker(new URL('./netlink-worker.ts', import.meta.url), { workerData, execArgv: [] });
    const kernel = new NetlinkKernel(worker);
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

  async links(): Promise<readonly KernelLink[]> {
    const answer = await this.#ask((id) => ({ type: 'links', id }));
    return answer.type === 'links' ? answer.links : [];
  }

  async addresses(): Promise<readonly KernelAddress[]> {
    const answer = await this.#ask((id) => ({ type: 'addresses', id }));
    return answer.type === 'addresses' ? answer.addresses : [];
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
    const timer = systemClock.setTimer(CLOSE_MS, () => void this.#worker.terminate());
    if (this.#failure === undefined) this.#worker.postMessage({ type: 'close' } satisfies ToWorker);
    this.#failed({ code: 'closed' });
    await this.#ended;
    timer.clear();
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
        this.#settle(0, message);
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
      case 'overflow':
        for (const watcher of this.#watchers) watcher.overflow();
        break;
      case 'failed':
        if (message.id === 0) this.#failed(message.detail);
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
      if (target >= FIRST_SET) words[at] = renumbering[target - FIRST_SET] ?? 0;
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

  /** The first failure counts; all that waits fails with it. */
  #failed(detail: KernelErrorDetail): void {
    this.#failure ??= detail;
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of waiting) reject(new KernelError(this.#failure));
  }
}
