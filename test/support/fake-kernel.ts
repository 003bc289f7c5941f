import type { IpAddress } from 'bgp-ts';
import { formatIp, prefix } from 'bgp-ts';
import {
  type BatchResult,
  FOREIGN_BESIDE,
  type KernelAddress,
  type KernelLink,
  type KernelNextHop,
  type KernelRoutes,
  type KernelWatcher,
  type NextHopOperation,
  type NextHopResult,
  OP_WORDS,
  RECORD_WORDS,
  RecordKind,
  type RouteBatch,
  type RouteFilter,
  RouteOp,
  type RouteRecords,
} from '../../fib/kernel.ts';
import { FIRST_SET, hopText, Target, TargetTable } from '../../fib/target.ts';
import { wordsOfOctets } from '../../fib/words.ts';

const EEXIST = 17;
const ENODEV = 19;
const ENETDOWN = 100;
const ENETUNREACH = 101;
const ENOENT = 2;
const ESRCH = 3;

/** A route in the fake kernel. `key` is `version/words/length/metric/table`. */
export interface FakeRoute {
  readonly version: 4 | 6;
  readonly address: Int32Array;
  readonly length: number;
  readonly metric: number;
  readonly table: number;
  readonly protocol: number;
  readonly target: number;
}

/** How tests write a route. */
export interface RouteText {
  readonly prefix: string;
  readonly metric?: number;
  readonly table?: number;
  readonly protocol: number;
  readonly target: number;
}

interface Job {
  /** Takes effect; what is returned makes the answer arrive. */
  run(): () => void;
}

/**
 * A kernel in memory: exclusive adds, replaces that hit the first route of a key whoever owns it, deletes by protocol number, IPv4 routes
 * that vanish silently with their link. Faults come on request. With `isManual` nothing happens and nothing is heard until `step`,
 * `answer` and `deliver` are called, so that tests choose how writes, their answers, listings and notifications interleave.
 */
export class FakeKernel implements KernelRoutes {
  readonly targets = new TargetTable();
  isManual = false;
  /** Operations executed, as `Add 10.0.0.0/24`-like words are too costly: counts by kind. */
  readonly executed = { Add: 0, Replace: 0, Delete: 0, Reclaim: 0, DeleteHops: 0 };
  /** Foreign routes that our operations destroyed. */
  readonly clobbered: FakeRoute[] = [];
  /** Answers for the next operations instead of executing them: errno by operation kind, or undefined to go on. */
  fault: ((op: RouteOp) => number | undefined) | undefined;
  /** The next batch takes effect, but its answers are lost. */
  isNextUncertain = false;
  /** Every batch fails as a whole, having done nothing. */
  applyError: Error | undefined;
  /** The next listing fails. */
  listError: Error | undefined;
  readonly unreachableGateways = new Set<string>();
  readonly #links = new Map<number, KernelLink>();
  readonly #addresses: KernelAddress[] = [];
  #routes = new Map<string, FakeRoute[]>();
  #watchers = new Set<KernelWatcher>();
  #jobs: Job[] = [];
  #answers: (() => void)[] = [];
  #notices: (() => void)[] = [];
  isClosed = false;

  addLink(ifIndex: number, name = `eth${ifIndex}`): void {
    this.#links.set(ifIndex, { ifIndex, name, up: true, carrier: true });
    this.#tell((w) => w.link({ ifIndex, name, up: true, carrier: true }, true));
  }

  /** Up or down; going down takes routes along, IPv4 ones silently. */
  setLink(ifIndex: number, up: boolean): void {
    const old = this.#links.get(ifIndex);
    if (old === undefined || old.up === up) return;
    const link = { ...old, up, carrier: up };
    this.#links.set(ifIndex, link);
    if (!up) {
      for (const route of [...this.all()]) {
        const hops = this.targets.hops(route.target);
        if (hops.length === 0 || !hops.every((hop) => this.#links.get(hop.ifIndex ?? 1)?.up !== true)) continue;
        this.#take(route);
        if (route.version === 6) this.#notify(RecordKind.Deleted, route);
      }
    }
    this.#tell((w) => w.link(link, true));
  }

  addAddress(ifIndex: number, address: IpAddress, length: number): void {
    const entry = { ifIndex, address, length };
    this.#addresses.push(entry);
    this.#tell((w) => w.address(entry, true));
  }

  removeAddress(address: IpAddress): void {
    const at = this.#addresses.findIndex((entry) => formatIp(entry.address) === formatIp(address));
    const [entry] = this.#addresses.splice(at, 1);
    if (entry !== undefined) this.#tell((w) => w.address(entry, false));
  }

  /** What another program does: adds exclusively; false when the key is taken. */
  foreignAdd(text: RouteText): boolean {
    const route = parse(text);
    if (this.#at(route).length > 0) return false;
    this.#at(route).push(route);
    this.#notify(RecordKind.Added, route);
    return true;
  }

  /** `ip route append` or, `first`, `ip route prepend`: a second route under the same key. */
  foreignAppend(text: RouteText, first = false): void {
    const route = parse(text);
    const list = this.#at(route);
    if (list.some((other) => other.target === route.target && other.protocol === route.protocol)) return;
    if (first) list.unshift(route);
    else list.push(route);
    this.#notify(RecordKind.Added, route);
  }

  /** `ip route replace`: hits the first route of the key. */
  foreignReplace(text: RouteText): void {
    const route = parse(text);
    const list = this.#at(route);
    const isReplaced = list.length > 0;
    list[0] = route;
    this.#notify(isReplaced ? RecordKind.Replaced : RecordKind.Added, route);
  }

  /** Deletes the first route of a key, of `protocol` if given, whoever owns it; false if there is none. */
  foreignDelete(text: { prefix: string; metric?: number; table?: number; protocol?: number }): boolean {
    const probe = parse({ ...text, protocol: text.protocol ?? 0, target: 0 });
    const route = this.#at(probe).find((r) => text.protocol === undefined || r.protocol === text.protocol);
    if (route === undefined) return false;
    this.#take(route);
    this.#notify(RecordKind.Deleted, route);
    return true;
  }

  /** Undelivered notifications are lost, and the watchers are told so. */
  overflow(): void {
    this.#notices = [];
    this.#tell((w) => w.overflow());
  }

  *all(): IterableIterator<FakeRoute> {
    for (const list of this.#routes.values()) yield* list;
  }

  /** Routes as sorted lines `10.0.0.0/24 metric 1024 table 254 proto 177 via 192.0.2.1,dev 1,weight 1`, of one protocol if given. */
  lines(protocol?: number): string[] {
    const lines: string[] = [];
    for (const route of this.all()) {
      if (protocol === undefined || route.protocol === protocol) lines.push(this.line(route));
    }
    return lines.sort();
  }

  line(route: FakeRoute): string {
    const { target } = route;
    const kind = Object.entries(Target).find(([, id]) => id === target)?.[0] ?? '';
    const to = target < FIRST_SET ? kind.toLowerCase() : this.targets.hops(target).map(hopText).join(' ');
    return `${this.prefixOf(route)} metric ${route.metric} table ${route.table} proto ${route.protocol} ${to}`;
  }

  /** `10.0.0.0/24` of a route. */
  prefixOf(route: FakeRoute): string {
    return `${addressText(route)}/${route.length}`;
  }

  /** Routes go without a word. */
  dropRoutes(isGone: (route: FakeRoute) => boolean): void {
    for (const route of [...this.all()]) if (isGone(route)) this.#take(route);
  }

  /** Somebody else changed a nexthop object. */
  tellNextHop(id: number): void {
    this.#tell((watcher) => watcher.nextHop?.(id));
  }

  get pendingJobs(): number {
    return this.#jobs.length;
  }

  /** Executes the oldest waiting batch or listing; its answer waits for `answer`. */
  step(): boolean {
    const job = this.#jobs.shift();
    if (job !== undefined) this.#answers.push(job.run());
    return job !== undefined;
  }

  /** Lets the oldest answer arrive. */
  answer(): boolean {
    const arrive = this.#answers.shift();
    arrive?.();
    return arrive !== undefined;
  }

  /** Delivers the oldest notification. */
  deliver(): boolean {
    const notice = this.#notices.shift();
    notice?.();
    return notice !== undefined;
  }

  apply(batch: RouteBatch): Promise<BatchResult> {
    return this.#enqueue(() => this.#execute(batch));
  }

  list(filter: RouteFilter, sink: (records: RouteRecords) => void): Promise<void> {
    return this.#enqueue(() => {
      const error = this.listError;
      this.listError = undefined;
      if (error !== undefined) throw error;
      for (const route of this.all()) {
        if (filter.protocol !== undefined && filter.protocol !== route.protocol) continue;
        if (filter.table !== undefined && filter.table !== route.table) continue;
        const beside = filter.beside === true && this.#at(route).some((other) => other.protocol !== route.protocol);
        sink(record(RecordKind.Listed | (beside ? FOREIGN_BESIDE : 0), route));
      }
    });
  }

  applyNextHops(_operations: readonly NextHopOperation[]): Promise<NextHopResult> {
    return Promise.reject(new Error('no nexthop objects here'));
  }

  listNextHops(): Promise<readonly KernelNextHop[] | undefined> {
    return Promise.resolve(undefined);
  }

  links(): Promise<readonly KernelLink[]> {
    return Promise.resolve([...this.#links.values()]);
  }

  addresses(): Promise<readonly KernelAddress[]> {
    return Promise.resolve([...this.#addresses]);
  }

  watch(watcher: KernelWatcher): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }

  #enqueue<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const run = () => {
        try {
          const value = work();
          return () => resolve(value);
        } catch (error) {
          return () => reject(error);
        }
      };
      if (this.isManual) this.#jobs.push({ run });
      else queueMicrotask(() => run()());
    });
  }

  #execute(batch: RouteBatch): BatchResult {
    if (this.applyError !== undefined) throw this.applyError;
    const failures: number[] = [];
    for (let i = 0; i < batch.count; i++) {
      const errno = this.#operate(batch, i * OP_WORDS);
      if (errno !== 0) failures.push(i, errno);
    }
    const uncertain = this.isNextUncertain;
    this.isNextUncertain = false;
    return { words: batch.words, failures: Int32Array.from(failures), uncertain };
  }

  #operate(batch: RouteBatch, at: number): number {
    const { words } = batch;
    const head = words[at] ?? 0;
    const op = (head & 0xff) as RouteOp;
    const version = ((head >> 8) & 0xff) as 4 | 6;
    const route: FakeRoute = {
      version,
      address: words.slice(at + 4, at + (version === 4 ? 5 : 8)),
      length: head >> 16,
      metric: (words[at + 3] ?? 0) >>> 0,
      table: batch.table,
      protocol: batch.protocol,
      target: words[at + 2] ?? 0,
    };
    const name = Object.entries(RouteOp).find(([, code]) => code === op)?.[0] as keyof typeof this.executed;
    this.executed[name]++;
    const fault = this.fault?.(op);
    if (fault !== undefined) return fault;
    const list = this.#at(route);
    if (op === RouteOp.Delete || op === RouteOp.DeleteHops || op === RouteOp.Reclaim) {
      const mine = list.find((other) => other.protocol === route.protocol);
      if (mine !== undefined) this.#take(mine);
      if (op !== RouteOp.Reclaim) return mine === undefined ? ESRCH : 0;
    }
    const problem = this.problemOf(route.target);
    if (op === RouteOp.Replace) {
      if (problem !== 0) return problem;
      const old = list[0];
      if (old === undefined) return ENOENT;
      if (old.protocol !== route.protocol) this.clobbered.push(old);
      list[0] = route;
      return 0;
    }
    if (problem !== 0) return problem;
    if (list.length > 0) return EEXIST;
    this.#at(route).push(route);
    return 0;
  }

  /** The errno that a route to this target gets, 0 when it is accepted. */
  problemOf(target: number): number {
    for (const hop of this.targets.hops(target)) {
      const link = this.#links.get(hop.ifIndex ?? 1);
      if (link === undefined) return ENODEV;
      if (!link.up) return ENETDOWN;
      if (hop.gateway !== undefined && this.unreachableGateways.has(formatIp(hop.gateway))) return ENETUNREACH;
    }
    return 0;
  }

  #at(route: FakeRoute): FakeRoute[] {
    const key = `${route.version}/${route.address}/${route.length}/${route.metric}/${route.table}`;
    let list = this.#routes.get(key);
    if (list === undefined) {
      list = [];
      this.#routes.set(key, list);
    }
    return list;
  }

  #take(route: FakeRoute): void {
    const list = this.#at(route);
    list.splice(list.indexOf(route), 1);
  }

  #notify(kind: RecordKind, route: FakeRoute): void {
    this.#tell((watcher) => watcher.routes(record(kind, route)));
  }

  #tell(call: (watcher: KernelWatcher) => void): void {
    const notice = () => {
      for (const watcher of this.#watchers) call(watcher);
    };
    if (this.isManual) this.#notices.push(notice);
    else notice();
  }
}

function parse(text: RouteText): FakeRoute {
  const { address, length } = prefix(text.prefix);
  const words = new Int32Array(address.version === 4 ? 1 : 4);
  wordsOfOctets(address.octets, address.version, words);
  const { metric = 1024, table = 254, protocol, target } = text;
  return { version: address.version, address: words, length, metric, table, protocol, target };
}

function record(kind: number, route: FakeRoute): RouteRecords {
  const words = new Int32Array(RECORD_WORDS);
  words.set([kind, route.version | (route.length << 8), route.table, route.protocol, route.metric, route.target]);
  words.set(route.address, 6);
  return { count: 1, words };
}

function addressText(route: FakeRoute): string {
  const octets = new Uint8Array(route.version === 4 ? 4 : 16);
  for (let i = 0; i < octets.length; i++) octets[i] = (route.address[i >> 2] ?? 0) >>> (24 - 8 * (i & 3));
  return formatIp({ version: route.version, octets });
}
