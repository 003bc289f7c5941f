import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PeerDetail, PeerSummary, Route, StatusReply } from '../../lib/api.ts';
import type { ApiClusterNode, ApiResource } from '../../lib/api-cluster.ts';
import type { ExplainReply } from '../../lib/api-explain.ts';
import type { FibRoute } from '../../lib/api-fib.ts';
import type { Block, Pod } from '../../lib/api-pods.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { ControlError, type ControlSurface } from '../../speaker/api/control-surface.ts';
import { ApiServer } from '../../speaker/api/server.ts';

/** A peer in the list, Established with a router of AS 65000 unless told otherwise. */
export function peerSummary(over: Partial<PeerSummary> = {}): PeerSummary {
  return {
    name: 'tor',
    address: '10.0.1.254',
    localAs: 64512,
    remoteAs: 65000,
    kind: 'ebgp',
    routeReflectorClient: false,
    state: 'Established',
    adminState: 'up',
    stateSeconds: 3723.4,
    families: [{ family: 'ipv4-unicast', inForce: true, received: 3, accepted: 2, advertised: 1 }],
    ...over,
  };
}

/** Everything about that peer. */
export function peerDetail(over: Partial<PeerDetail> = {}): PeerDetail {
  const none = { sent: 0, received: 0 };
  return {
    ...peerSummary(),
    localRouterId: '10.0.1.1',
    remoteRouterId: '10.0.0.254',
    localAddress: '10.0.1.1',
    localPort: 40312,
    remotePort: 179,
    capabilities: {
      sent: [
        { code: 1, name: 'multiprotocol', detail: 'ipv4-unicast' },
        { code: 2, name: 'route-refresh' },
        { code: 65, name: 'four-octet-as', detail: 'AS 64512' },
      ],
      received: [
        { code: 1, name: 'multiprotocol', detail: 'ipv4-unicast' },
        { code: 65, name: 'four-octet-as', detail: 'AS 65000' },
        { code: 73, name: 'unknown', detail: '0474' },
      ],
      inForce: {
        families: ['ipv4-unicast'],
        fourOctetAs: true,
        routeRefresh: false,
        enhancedRefresh: false,
        addPathReceive: [],
        addPathSend: [],
        maxOctets: 4096,
      },
    },
    timers: {
      holdConfiguredSeconds: 90,
      holdSeconds: 9,
      holdRemainingSeconds: 7.2,
      keepaliveSeconds: 3,
      connectRetrySeconds: 10,
    },
    counters: {
      established: 2,
      resets: 1,
      octetsSent: 1234,
      octetsReceived: 5678,
      open: { sent: 2, received: 2 },
      update: { sent: 4, received: 7 },
      notification: { sent: 0, received: 1 },
      keepalive: { sent: 40, received: 41 },
      routeRefresh: none,
    },
    lastReset: { at: '2026-01-02T03:04:05Z', by: 'remote', text: 'received Cease/Administrative Shutdown: "bye"' },
    policy: {
      import: { mode: 'configured', names: ['tor-in'] },
      export: { mode: 'rfc8212', names: [], reason: 'give peer tor an export policy' },
    },
    options: { passive: false, nextHop: 'auto', authentication: 'tcp-md5', ttlSecurityHops: 1, maxPrefix: 1000 },
    ...over,
  };
}

/** A best path from the top-of-rack router. */
export function route(over: Partial<Route> = {}): Route {
  return {
    prefix: '10.64.2.0/26',
    family: 'ipv4-unicast',
    source: 'peer',
    peer: 'tor',
    peerAddress: '10.0.1.254',
    kind: 'ebgp',
    valid: true,
    best: true,
    multipath: false,
    attributes: { origin: 'IGP', asPath: '65000 64513', asPathLength: 2, nextHop: '10.0.1.254' },
    ...over,
  };
}

/** Why that path is here: the only one, told to nobody, in the kernel. */
export function explainReply(over: Partial<ExplainReply> = {}): ExplainReply {
  return {
    asked: '10.64.2.7',
    prefix: '10.64.2.0/26',
    family: 'ipv4-unicast',
    found: true,
    text: '1 path, 1 usable; the best is from tor',
    candidates: [
      {
        route: route(),
        state: 'best',
        text: 'best: the only usable path',
        policy: { direction: 'import', verdict: 'accept', term: 'tor-in: fabric', steps: [], changes: [] },
        nextHop: {
          address: '10.0.1.254',
          result: 'reachable',
          metric: 0,
          text: 'route 10.0.1.0/24 of table 254, on the link dev eth0',
        },
      },
    ],
    advertisements: [
      {
        peer: 'tor',
        kind: 'ebgp',
        advertised: false,
        reason: 'split-horizon',
        text: 'not advertised: the best path came from it (split horizon)',
        paths: [],
      },
    ],
    kernel: {
      state: 'same',
      text: 'as wanted',
      wanted: 'unicast via 10.0.1.254 dev eth0',
      found: 'unicast via 10.0.1.254 dev eth0',
      compared: true,
    },
    ...over,
  };
}

/** An installed kernel route. */
export function fibRoute(over: Partial<FibRoute> = {}): FibRoute {
  return {
    prefix: '10.64.2.0/26',
    family: 'ipv4-unicast',
    kind: 'unicast',
    origin: 'bgp',
    nextHops: [{ gateway: '10.0.1.254', device: 'eth0' }],
    table: 254,
    metric: 1024,
    protocol: 177,
    state: 'installed',
    ...over,
  };
}

/** A wired pod. */
export const pod: Pod = {
  containerId: '0123456789abcdef0123456789abcdef',
  interface: 'eth0',
  hostInterface: 'pod1a2b3c',
  namespace: 'default',
  name: 'web-0',
  addresses: ['10.64.1.2', 'fd00:64:1::2'],
  createdAt: '2026-01-02T03:04:05Z',
};

/** A block of the node. */
export const block: Block = {
  prefix: '10.64.1.0/26',
  family: 'ipv4-unicast',
  pool: 'pods',
  size: 64,
  used: 3,
  free: 61,
  advertised: true,
  discard: 'blackhole',
};

/** A daemon that has been up for a minute, and was busy in between. */
export function statusReply(): StatusReply {
  return {
    node: 'node-a',
    startedAt: '2026-01-02T03:04:05Z',
    uptimeSeconds: 61,
    memory: { residentOctets: 131_072_000, heapOctets: 8_000_000 },
    eventLoop: {
      measuredSeconds: 60,
      busyShare: 0.0213,
      p50Seconds: 0,
      p99Seconds: 0.00432,
      maxSeconds: 0.0123,
      cpu: { busyShare: 0.02, p99Seconds: 0.004, maxSeconds: 0.011 },
    },
  };
}

/** A call that changes something, as the fake saw it. */
export type RecordedCall = readonly [string, ...unknown[]];

/** A daemon with one peer; methods can be replaced one by one. */
export function fakeSurface(over: Partial<ControlSurface> = {}): ControlSurface & { readonly calls: RecordedCall[] } {
  const calls: RecordedCall[] = [];
  const known = (name: string): string => {
    if (name !== 'tor' && name !== '10.0.1.254' && name !== 'mesh/node-b')
      throw ControlError.notFound('peer', name, ['tor']);
    return name === '10.0.1.254' ? 'tor' : name;
  };
  return {
    calls,
    version: () => ({
      program: 'podrouted',
      version: '0.1.0',
      apiVersion: 1,
      node: 'node-a',
      nodejs: 'v24.0.0',
      pid: 42,
      startedAt: '2026-01-02T03:04:05Z',
      uptimeSeconds: 61,
    }),
    health: () => ({ ready: true, checks: [{ name: 'fib', ok: true }] }),
    status: () => statusReply(),
    statusReset() {
      calls.push(['statusReset']);
      return statusReply();
    },
    peers: () => ({ localAs: 64512, routerId: '10.0.1.1', peers: [peerSummary()] }),
    peer: (name) => peerDetail({ name: known(name) }),
    clear(name, request) {
      calls.push(['clear', name, request]);
      const done = request.soft ? 'routes are evaluated again' : 'session reset';
      return { peer: known(name), done, adminState: 'up' };
    },
    shutdown(name, request) {
      calls.push(['shutdown', name, request]);
      return { peer: known(name), done: 'shut down', adminState: 'down' };
    },
    enable(name) {
      calls.push(['enable', name]);
      return { peer: known(name), done: 'enabled', adminState: 'up' };
    },
    drain(request) {
      calls.push(['drain', request]);
      const peers = request.end ? [] : [request.peer === undefined ? 'tor' : known(request.peer)];
      return { peers, done: request.end ? 'no longer drained' : 'is being drained' };
    },
    routes(query) {
      calls.push(['routes', query]);
      const peer = query.peer === undefined ? {} : { peer: known(query.peer) };
      return { begin: { view: query.view, ...peer, localAs: 64512, routerId: '10.0.1.1' }, entries: [route()] };
    },
    explain(query) {
      calls.push(['explain', query]);
      return explainReply({
        asked: query.prefix,
        ...(query.peer === undefined
          ? {}
          : { received: { peer: known(query.peer), state: 'best', text: 'best: the only usable path' } }),
      });
    },
    fib(query) {
      calls.push(['fib', query]);
      return { begin: { enabled: true, table: 254, protocol: 177, metric: 1024 }, entries: [fibRoute()] };
    },
    fibCheck: () => ({ checked: 5, differences: [] }),
    pods: () => ({ pods: [pod] }),
    blocks: () => ({ blocks: [block] }),
    reload(request) {
      calls.push(['reload', request]);
      return {
        applied: !request.dryRun,
        changes: [{ action: 'change', kind: 'peer', name: 'tor', detail: 'holdSeconds: 90 -> 9', effect: 'reset' }],
        resets: ['tor'],
        warnings: [],
      };
    },
    node: () => ({
      node: clusterNode('node-a'),
      addresses: [
        {
          version: 4,
          method: 'first-found',
          address: '10.0.0.1',
          interface: 'eth0',
          candidates: [
            {
              interface: 'eth0',
              address: '10.0.0.1/24',
              isChosen: true,
              reason: 'the default route leaves through its interface',
            },
            {
              interface: 'docker0',
              kind: 'bridge',
              address: '172.17.0.1/16',
              isChosen: false,
              reason: 'is a bridge',
            },
          ],
        },
        { version: 6, method: 'none', candidates: [] },
      ],
      store: { type: 'sqlite' },
      registration: { state: 'registered', sinceSeconds: 60 },
      nodes: [clusterNode('node-a'), { ...clusterNode('node-b'), goneSeconds: 12 }],
    }),
    resources(query) {
      calls.push(['resources', query]);
      return { resources: [storedPeer] };
    },
    apply(request) {
      calls.push(['apply', request]);
      const change = {
        kind: 'BGPPeer',
        name: 'tor',
        action: 'configured',
        diff: '-  asNumber: 1\n+  asNumber: 2\n',
      } as const;
      return { applied: !request.dryRun, changes: [change], warnings: [] };
    },
    delete(request) {
      calls.push(['delete', request]);
      const changes = request.resources.map((one) => ({ ...one, action: 'deleted' as const, diff: '' }));
      return { applied: !request.dryRun, changes, warnings: [] };
    },
    plan(request) {
      calls.push(['plan', request]);
      const sessions = [{ peer: 'tor', action: 'reset' as const, detail: 'holdSeconds: 90 -> 9' }];
      return {
        nodes: [{ node: 'node-a', sessions, gained: ['node-c'], lost: ['node-b'], onlyOutside: [] }],
        disconnected: [{ from: 'node-a', to: 'node-b' }],
        warnings: [],
      };
    },
    ipam: () => ({
      pools: [{ name: 'pods', cidr: '10.64.0.0/16', blockLength: 26, blocks: 1024, taken: 1, disabled: false }],
      blocks: [
        {
          block: '10.64.1.0/26',
          pool: '10.64.0.0/16',
          state: 'owned',
          owner: 'node-a',
          isOwn: true,
          used: 3,
          size: 64,
          lent: [],
        },
      ],
    }),
    ipamCheck: () => ({ isClean: true, checked: { blocks: 1, pods: 3, interfaces: 3 }, problems: [] }),
    ...over,
  };
}

/** A node as it registered. */
function clusterNode(name: string): ApiClusterNode {
  return { name, asn: 64512, routerId: '10.0.1.1', ipv4Address: '10.0.1.1', labels: { rack: 'a' }, version: '0.1.0' };
}

/** A peer of the store. */
export const storedPeer: ApiResource = {
  kind: 'BGPPeer',
  name: 'tor',
  apiVersion: 'projectcalico.org/v3',
  source: 'store',
  text: 'apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata:\n  name: tor\n',
  fields: [
    { path: 'spec.peerIP', value: '10.0.1.254' },
    { path: 'spec.asNumber', value: '65000', note: 'is looked at twice' },
  ],
};

/** A real server over a surface, on a socket in a directory of its own. */
export interface TestDaemon {
  readonly socketPath: string;
  readonly directory: string;
  close(): Promise<void>;
}

/** Starts one; `close` also removes the directory. */
export async function startTestDaemon(surface: ControlSurface): Promise<TestDaemon> {
  const directory = mkdtempSync(join(tmpdir(), 'podroute-api-'));
  const socketPath = join(directory, 'podrouted.sock');
  const server = new ApiServer({ surface, socketPath, clock: systemClock, log: silentLogger });
  await server.start();
  return {
    socketPath,
    directory,
    async close() {
      await server.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
