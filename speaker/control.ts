import {
  Families,
  type FamilyName,
  formatIp,
  formatPrefix,
  ipBits,
  type Prefix,
  parseIp,
  parsePrefix,
  prefixContains,
} from 'bgp-ts';
import type {
  ClearRequest,
  DrainReply,
  DrainRequest,
  HealthReply,
  PeerActionReply,
  PeerDetail,
  PeersReply,
  ReloadReply,
  ReloadRequest,
  Route,
  RoutesBegin,
  RoutesQuery,
  ShutdownRequest,
  StatusReply,
  VersionReply,
} from '../lib/api.ts';
import { API_VERSION } from '../lib/api.ts';
import type {
  ApplyRequest,
  DeleteRequest,
  IpamCheckReply,
  IpamReply,
  NodeReply,
  PlanReply,
  PlanRequest,
  ResourceChangesReply,
  ResourcesQuery,
  ResourcesReply,
} from '../lib/api-cluster.ts';
import type { ExplainQuery, ExplainReply } from '../lib/api-explain.ts';
import type { FibBegin, FibCheckReply, FibNextHop, FibQuery, FibRoute } from '../lib/api-fib.ts';
import type { Block, BlocksReply, PodsReply } from '../lib/api-pods.ts';
import type { Clock } from '../lib/clock.ts';
import { version } from '../lib/version.ts';
import type { Rib } from '../rib/rib.ts';
import type { PathView, RouteQuery } from '../rib/types.ts';
import {
  type Awaitable,
  type ClusterSurface,
  ControlError,
  type ControlSurface,
  type Listing,
} from './api/control-surface.ts';
import { type PeerFacts, type PeerReading, peerDetail, peerSummary } from './api/peer-view.ts';
import { apiRoute } from './api/route-view.ts';
import type { EventLoopDelay } from './event-loop.ts';
import { explainRoute } from './explain.ts';
import { explainKernel, type RouteWords } from './explain-kernel.ts';
import type { ForwardingHop } from './forwarding.ts';
import type { PeerEntry, Speaker } from './speaker.ts';

/** A kernel route of ours, as the forwarding table lists it. */
export interface KernelRouteReading {
  readonly prefix: Prefix;
  readonly metric: number;
  readonly kind: 'unicast' | 'blackhole' | 'unreachable' | 'other';
  readonly nextHops: readonly ForwardingHop[];
  readonly state: 'installed' | 'pending' | 'failed' | 'conflict' | 'orphan';
  readonly error?: { readonly text: string };
}

/** A difference between kernel and desired state. */
export interface KernelDifferenceReading {
  readonly type: 'missing' | 'different' | 'unexpected';
  readonly prefix: Prefix;
  readonly metric: number;
  readonly wanted?: { readonly kind: string; readonly nextHops: readonly ForwardingHop[] };
  readonly found?: { readonly kind: string; readonly nextHops: readonly ForwardingHop[] };
}

/** A difference in a nexthop object that routes name. */
export interface NextHopDifferenceReading {
  readonly type: 'missing' | 'different' | 'unexpected';
  readonly id: number;
  readonly wanted?: readonly ForwardingHop[];
  readonly found?: readonly ForwardingHop[];
}

/** What the control API shows of the kernel's forwarding table. */
export interface ForwardingReading {
  readonly table: number;
  readonly protocol: number;
  readonly metric: number;
  list(): readonly KernelRouteReading[];
  /** Routes of one prefix, whatever their metric. */
  listOf(prefix: Prefix): readonly KernelRouteReading[];
  /** Routes wanted. */
  count(): number;
  /** Everything selected was handed over. */
  isConverged(): boolean;
  isNeverInstalled(prefix: Prefix): boolean;
  check(): Promise<readonly KernelDifferenceReading[]>;
  checkNextHops(): Promise<readonly NextHopDifferenceReading[]>;
  linkName(ifIndex: number): string | undefined;
}

/** What the control API asks of the rest of the daemon. */
export interface ControlParts {
  /** Absent: nothing is known of a cluster. */
  readonly cluster?: ClusterSurface;
  readonly clock: Clock;
  readonly startedMs: number;
  readonly rib: Rib;
  readonly speaker: Speaker;
  node(): { readonly name: string; readonly asn: number; readonly routerId: string };
  peerFacts(name: string): PeerFacts;
  /** Absent: this speaker writes no kernel routes. */
  readonly forwarding: ForwardingReading | undefined;
  pods(): PodsReply['pods'];
  blocks(): Block[];
  reload(dryRun: boolean): Promise<ReloadReply>;
  health(): HealthReply;
  eventLoop: {
    delay(): EventLoopDelay;
    /** Measures from now on. */
    reset(): void;
  };
  /** Something was changed that the tables must work on. */
  wake(): void;
}

/** The daemon as the control API sees it: read-only views, and the few things a person may ask for. */
export class Control implements ControlSurface {
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  version(): VersionReply {
    const { clock, startedMs } = this.#parts;
    return {
      program: 'podrouted',
      version,
      apiVersion: API_VERSION,
      node: this.#parts.node().name,
      nodejs: process.version,
      pid: process.pid,
      startedAt: new Date(startedMs).toISOString(),
      uptimeSeconds: (clock.wallMs() - startedMs) / 1000,
    };
  }

  health(): HealthReply {
    return this.#parts.health();
  }

  status(): StatusReply {
    const { node, startedAt, uptimeSeconds } = this.version();
    const { rss, heapUsed } = process.memoryUsage();
    const { elapsedMs, busyShare, p50Ms, p99Ms, maxMs, cpu } = this.#parts.eventLoop.delay();
    return {
      node,
      startedAt,
      uptimeSeconds,
      memory: { residentOctets: rss, heapOctets: heapUsed },
      eventLoop: {
        measuredSeconds: elapsedMs / 1000,
        busyShare,
        p50Seconds: p50Ms / 1000,
        p99Seconds: p99Ms / 1000,
        maxSeconds: maxMs / 1000,
        cpu: { busyShare: cpu.busyShare, p99Seconds: cpu.p99Ms / 1000, maxSeconds: cpu.maxMs / 1000 },
      },
    };
  }

  statusReset(): StatusReply {
    const reply = this.status();
    this.#parts.eventLoop.reset();
    return reply;
  }

  peers(): PeersReply {
    const { asn, routerId } = this.#parts.node();
    return {
      localAs: asn,
      routerId,
      peers: this.#parts.speaker.peers().map((entry) => peerSummary(this.#read(entry))),
    };
  }

  peer(name: string): PeerDetail {
    return peerDetail(this.#read(this.#find(name)));
  }

  clear(name: string, request: ClearRequest): PeerActionReply {
    const entry = this.#find(name);
    if (request.soft) {
      this.#parts.speaker.softClear(entry);
      return this.#done(entry, 'routes are evaluated again in both directions');
    }
    if (entry.peer.snapshot().adminDown !== undefined) {
      throw new ControlError('refused', `peer ${entry.peer.name} is shut down: enable it first`);
    }
    entry.peer.clear();
    return this.#done(entry, 'session reset (Cease/Administrative Reset)');
  }

  shutdown(name: string, request: ShutdownRequest): PeerActionReply {
    const entry = this.#find(name);
    this.#parts.speaker.shutdown(entry, request.message ?? '');
    return this.#done(entry, 'shut down (Cease/Administrative Shutdown)');
  }

  enable(name: string): PeerActionReply {
    const entry = this.#find(name);
    if (entry.peer.snapshot().adminDown === undefined) return this.#done(entry, 'was not shut down');
    this.#parts.speaker.enable(entry);
    return this.#done(entry, 'enabled');
  }

  drain({ peer, end }: DrainRequest): DrainReply {
    const { speaker } = this.#parts;
    const entry = peer === undefined ? undefined : this.#find(peer);
    speaker.drain(entry, !end);
    const peers = speaker.peers().filter(({ handle }) => handle.settings.gracefulShutdown === true);
    const names = peers.map((draining) => draining.peer.name);
    const whom = entry === undefined ? 'the node' : entry.peer.name;
    if (!end) return { peers: names, done: `${whom} is being drained (GRACEFUL_SHUTDOWN, RFC 8326)` };
    const isConfigured = entry !== undefined && names.includes(entry.peer.name);
    const left = isConfigured ? ': it is drained by configuration, or with the node' : '';
    return { peers: names, done: `${whom} is no longer drained by hand${left}` };
  }

  routes(query: RoutesQuery): Listing<RoutesBegin, Route> {
    const { asn, routerId } = this.#parts.node();
    const { rib } = this.#parts;
    const ribQuery = routeQuery(query);
    const begin = { view: query.view, localAs: asn, routerId };
    if (query.view === 'loc-rib') return { begin, entries: apiRoutes(rib.routes(ribQuery), 'import') };
    const entry = this.#find(query.peer ?? '');
    const isReceived = query.view === 'received';
    const views = isReceived ? rib.received(entry.handle, ribQuery) : rib.advertised(entry.handle, ribQuery);
    return {
      begin: { ...begin, peer: entry.peer.name },
      entries: apiRoutes(views, isReceived ? 'import' : 'export'),
    };
  }

  async explain(query: ExplainQuery): Promise<ExplainReply> {
    const { rib, speaker, forwarding, peerFacts } = this.#parts;
    const peer = query.peer === undefined ? undefined : this.#find(query.peer);
    const prefix = this.#prefixToExplain(query.prefix);
    const words: RouteWords = (route) => (forwarding === undefined ? '' : routeWords(forwarding, route));
    const best = rib.explain(prefix)?.paths.find(({ view }) => view.best)?.view;
    const kernel = await explainKernel(forwarding, prefix, best, words);
    const sources = {
      rib,
      entries: peer === undefined ? speaker.peers() : [peer],
      peerFacts: (name: string) => peerFacts(name),
    };
    return explainRoute(sources, { asked: query.prefix, prefix, peer }, kernel);
  }

  fib(query: FibQuery): Listing<FibBegin, FibRoute> {
    const { forwarding } = this.#parts;
    if (forwarding === undefined) return { begin: { enabled: false, table: 0, protocol: 0, metric: 0 }, entries: [] };
    const { table, protocol, metric } = forwarding;
    const routes = selectFib(forwarding.list(), query);
    return {
      begin: { enabled: true, table, protocol, metric },
      entries: routes.map((route) => this.#fibRoute(forwarding, route)),
    };
  }

  async fibCheck(): Promise<FibCheckReply> {
    const { forwarding } = this.#parts;
    if (forwarding === undefined) throw new ControlError('refused', 'this speaker writes no kernel routes');
    const nextHops = await forwarding.checkNextHops();
    const differences = await forwarding.check();
    const hopsText = (hops: readonly ForwardingHop[]): string => hopsWords(forwarding, hops);
    const describe = (route: { kind: string; nextHops: readonly ForwardingHop[] }): string =>
      routeWords(forwarding, route);
    const nextHopDifferences = nextHops.map(({ type, id, wanted, found }) => ({
      id,
      problem: problemOf(type),
      ...(wanted === undefined ? {} : { wanted: hopsText(wanted) }),
      ...(found === undefined ? {} : { found: hopsText(found) }),
    }));
    return {
      checked: forwarding.list().filter((route) => route.state !== 'orphan').length,
      differences: differences.map((difference) => ({
        prefix: formatPrefix(difference.prefix),
        family: familyOfPrefix(difference.prefix),
        problem: problemOf(difference.type),
        ...(difference.wanted === undefined ? {} : { wanted: describe(difference.wanted) }),
        ...(difference.found === undefined ? {} : { found: describe(difference.found) }),
      })),
      ...(nextHopDifferences.length === 0 ? {} : { nextHopDifferences }),
    };
  }

  pods(): PodsReply {
    return { pods: this.#parts.pods() };
  }

  blocks(): BlocksReply {
    return { blocks: this.#parts.blocks() };
  }

  reload(request: ReloadRequest): Promise<ReloadReply> {
    return this.#parts.reload(request.dryRun);
  }

  #cluster(): ClusterSurface {
    const { cluster } = this.#parts;
    if (cluster === undefined) throw new ControlError('unavailable', 'this daemon has no datastore');
    return cluster;
  }

  node(): Awaitable<NodeReply> {
    return this.#cluster().node();
  }

  resources(query: ResourcesQuery): Awaitable<ResourcesReply> {
    return this.#cluster().resources(query);
  }

  apply(request: ApplyRequest): Awaitable<ResourceChangesReply> {
    return this.#cluster().apply(request);
  }

  delete(request: DeleteRequest): Awaitable<ResourceChangesReply> {
    return this.#cluster().delete(request);
  }

  plan(request: PlanRequest): Awaitable<PlanReply> {
    return this.#cluster().plan(request);
  }

  ipam(): Awaitable<IpamReply> {
    return this.#cluster().ipam();
  }

  ipamCheck(): Awaitable<IpamCheckReply> {
    return this.#cluster().ipamCheck();
  }

  /** The prefix that was asked about, or the longest match of an address; the address itself where nothing covers it. */
  #prefixToExplain(text: string): Prefix {
    const prefix = parsePrefix(text);
    if (prefix !== undefined) return prefix;
    const address = parseIp(text);
    if (address === undefined) throw new ControlError('invalid-request', `'${text}': expected an address or a prefix`);
    return this.#parts.rib.longestMatch(address) ?? { address, length: ipBits(address.version) };
  }

  #find(name: string): PeerEntry {
    const entry = this.#parts.speaker.find(name);
    if (entry !== undefined) return entry;
    const known = this.#parts.speaker.peers().map(({ peer }) => peer.name);
    throw ControlError.notFound('peer', name, known);
  }

  #done(entry: PeerEntry, done: string): PeerActionReply {
    this.#parts.wake();
    const isDown = entry.peer.snapshot().adminDown !== undefined;
    return { peer: entry.peer.name, done, adminState: isDown ? 'down' : 'up' };
  }

  #read(entry: PeerEntry): PeerReading {
    const { rib, clock } = this.#parts;
    return {
      entry,
      snapshot: entry.peer.snapshot(),
      facts: this.#parts.peerFacts(entry.peer.name),
      nowMs: clock.wallMs(),
      counters: (family) => rib.counters(entry.handle, family),
      disabled: rib.disabledFamilies(entry.handle),
    };
  }

  #fibRoute(forwarding: ForwardingReading, route: KernelRouteReading): FibRoute {
    return {
      prefix: formatPrefix(route.prefix),
      family: familyOfPrefix(route.prefix),
      kind: route.kind,
      origin: route.kind === 'blackhole' || route.kind === 'unreachable' ? 'discard' : 'bgp',
      nextHops: route.nextHops.map((hop) => fibNextHop(forwarding, hop)),
      table: forwarding.table,
      metric: route.metric,
      protocol: forwarding.protocol,
      state: route.state,
      ...(route.error === undefined ? {} : { error: route.error.text }),
    };
  }
}

function routeQuery(query: RoutesQuery): RouteQuery {
  const prefix = query.prefix === undefined ? undefined : parsePrefix(query.prefix);
  const address = query.prefix === undefined || prefix !== undefined ? undefined : parseIp(query.prefix);
  return {
    ...(query.family === undefined ? {} : { family: query.family }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(address === undefined ? {} : { address }),
    ...(query.longer === undefined ? {} : { longer: query.longer }),
    ...(query.best === undefined ? {} : { bestOnly: query.best }),
  };
}

function* apiRoutes(views: Iterable<PathView>, direction: 'import' | 'export'): Generator<Route> {
  for (const view of views) yield apiRoute(view, direction);
}

function selectFib(routes: readonly KernelRouteReading[], query: FibQuery): readonly KernelRouteReading[] {
  const ofFamily = routes.filter(
    (route) => query.family === undefined || familyOfPrefix(route.prefix) === query.family,
  );
  if (query.prefix === undefined) return ofFamily;
  const prefix = parsePrefix(query.prefix);
  if (prefix !== undefined) return ofFamily.filter((route) => formatPrefix(route.prefix) === formatPrefix(prefix));
  const address = parseIp(query.prefix);
  if (address === undefined) return [];
  const covering = ofFamily.filter((route) => prefixContains(route.prefix, address));
  const longest = Math.max(...covering.map((route) => route.prefix.length));
  return covering.filter((route) => route.prefix.length === longest);
}

function familyOfPrefix(prefix: Prefix): FamilyName {
  return prefix.address.version === 4 ? Families['ipv4-unicast'].name : Families['ipv6-unicast'].name;
}

function problemOf(type: KernelDifferenceReading['type']): 'missing' | 'different' | 'extra' {
  return type === 'unexpected' ? 'extra' : type;
}

function fibNextHop(forwarding: ForwardingReading, hop: ForwardingHop): FibNextHop {
  const device = hop.ifIndex === undefined ? undefined : (forwarding.linkName(hop.ifIndex) ?? `#${hop.ifIndex}`);
  return {
    ...(hop.gateway === undefined ? {} : { gateway: formatIp(hop.gateway) }),
    ...(device === undefined ? {} : { device }),
    ...(hop.weight === undefined ? {} : { weight: hop.weight }),
  };
}

/** A route as `ip route` would print it. */
function routeWords(
  forwarding: ForwardingReading,
  route: { readonly kind: string; readonly nextHops: readonly ForwardingHop[] },
): string {
  return [route.kind, hopsWords(forwarding, route.nextHops)].filter((part) => part !== '').join(' ');
}

function hopsWords(forwarding: ForwardingReading, hops: readonly ForwardingHop[]): string {
  return hops.map((hop) => hopText(fibNextHop(forwarding, hop))).join(' ');
}

function hopText(hop: FibNextHop): string {
  return [
    hop.gateway === undefined ? '' : `via ${hop.gateway}`,
    hop.device === undefined ? '' : `dev ${hop.device}`,
    hop.weight === undefined ? '' : `weight ${hop.weight}`,
  ]
    .filter((part) => part !== '')
    .join(' ');
}
