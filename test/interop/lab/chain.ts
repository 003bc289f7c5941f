import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ip } from 'bgp-ts';
import { Client } from '../../../bgpctl/client.ts';
import { Lab, type LabHost } from '../../../deploy/lab/lab.ts';
import { type Podroute, projectRoot, startPodroute } from '../../../deploy/lab/podroute.ts';
import type { PeerDetail, Route } from '../../../lib/api.ts';
import { TestPeer } from '../../support/test-peer.ts';
import { waitFor } from '../../support/wait-for.ts';
import { type Daemon, type DaemonName, type NeighborOptions, startDaemon } from '../daemons/daemon.ts';
import { addresses, type ChainHosts, chainHosts, type Middle, routerIds, type Transport } from './network.ts';
import { type ShownRoute, type ShownRoutes, textSet } from './shown-route.ts';

export interface ChainOptions {
  readonly label: string;
  readonly daemon: DaemonName;
  readonly asns: { readonly west: number; readonly node: number; readonly peer: number; readonly east: number };
  /** Transport of the session between node and peer. */
  readonly transport?: Transport;
  /** What is between them; a link when left out. */
  readonly middle?: Middle;
  /** What must be there before both are started: further addresses, settings of the kernel. */
  prepare?(hosts: ChainHosts): void;
  /** What the daemon is told about its session with the node, beyond addresses and AS. */
  readonly peerSettings?: Partial<NeighborOptions>;
  /** Further neighbors of the daemon. */
  readonly otherNeighbors?: readonly NeighborOptions[];
  /** Lines for the node's BGPPeer of that session. */
  readonly nodeSettings?: Readonly<Record<string, unknown>>;
  /** Laid over what the node itself is. */
  readonly nodeSpec?: Readonly<Record<string, unknown>>;
  /** Laid over the node's BGPConfiguration. */
  readonly nodeConfiguration?: Readonly<Record<string, unknown>>;
  /** Node and peer are members of this confederation (RFC 5065). */
  readonly confederation?: number;
  /** Port that podrouted listens on; 179 when left out. */
  readonly nodePort?: number;
  /** TCP MD5 key of the session between node and peer. */
  readonly password?: string;
  /** AS numbers of the feeder at the node's side travel in two octets. */
  readonly twoOctetWest?: boolean;
  /** The same between the daemon and the feeder at its side. */
  readonly twoOctetEast?: boolean;
}

// Many processes are started from the same sources: what Node makes of them is kept, as deploy/bin does it.
process.env['NODE_COMPILE_CACHE'] ??= join(projectRoot, 'build/compile-cache');

const PASSWORD_FILE = 'md5.key';

/** A feeder, podrouted, a real daemon and another feeder in a row, each in a namespace of its own. */
export class Chain {
  readonly lab: Lab;
  readonly node: Podroute;
  readonly daemon: Daemon;
  readonly options: ChainOptions;
  /** Hosts of the network; what else is in between is not among them. */
  readonly hosts: ChainHosts;
  readonly #client: Client;

  /** Builds the network and starts both speakers; sessions come up after that by themselves. What was made goes again if that fails. */
  static start(options: ChainOptions): Chain {
    const lab = new Lab(options.label);
    try {
      return new Chain(options, lab);
    } catch (error) {
      void lab.close();
      throw error;
    }
  }

  private constructor(options: ChainOptions, lab: Lab) {
    this.options = options;
    this.lab = lab;
    this.hosts = chainHosts(lab, options.middle ?? 'link');
    options.prepare?.(this.hosts);
    const { node, peer } = this.hosts;
    this.daemon = startDaemon(options.daemon, peer, this.daemonOptions());
    if (options.password !== undefined) this.setNodeKey(options.password);
    this.node = startPodroute(node, this.#nodeConfig({}));
    this.#client = new Client(join(this.node.runDirectory, 'podrouted.sock'));
  }

  /** Address of the node as the daemon sees it. */
  get nodeAddress(): string {
    return this.options.peerSettings?.address ?? addresses.node[this.#transport];
  }

  /** Address of the daemon as the node sees it. */
  get peerAddress(): string {
    return this.options.peerSettings?.localAddress ?? addresses.peer[this.#transport];
  }

  get #transport(): Transport {
    return this.options.transport ?? 'ipv4';
  }

  get #isReflection(): boolean {
    const { west, node, peer, east } = this.options.asns;
    return west === node && node === peer && peer === east;
  }

  get #confederation() {
    const { asns, confederation } = this.options;
    return confederation === undefined ? undefined : { identifier: confederation, members: [asns.node, asns.peer] };
  }

  /** What the daemon is told. @param changes laid over the session with the node */
  daemonOptions(changes: Partial<NeighborOptions> = {}) {
    const { asns, peerSettings, otherNeighbors = [], password, nodePort, twoOctetEast = false } = this.options;
    const other = this.#transport === 'ipv4' ? 'ipv6' : 'ipv4';
    return {
      asn: asns.peer,
      routerId: routerIds.peer,
      ...(this.#confederation === undefined ? {} : { confederation: this.#confederation }),
      neighbors: [
        {
          name: 'node',
          address: this.nodeAddress,
          localAddress: this.peerAddress.replace(/%.*/, ''),
          otherNextHop: addresses.peer[other],
          asn: asns.node,
          client: this.#isReflection,
          ...(password === undefined ? {} : { password }),
          ...(nodePort === undefined ? {} : { port: nodePort }),
          ...peerSettings,
          ...changes,
        },
        ...otherNeighbors,
        // ExaBGP passes nothing on: there is nobody behind it.
        ...(this.options.daemon === 'ExaBGP'
          ? []
          : [
              {
                name: 'east',
                address: addresses.east.ipv4,
                localAddress: addresses.peerEast.ipv4,
                otherNextHop: addresses.peerEast.ipv6,
                asn: asns.east,
                client: this.#isReflection,
                passive: true,
                twoOctetAs: twoOctetEast,
              },
            ]),
      ],
    };
  }

  /** podroute.yaml of the node; JSON is YAML. @param changes laid over the session with the daemon */
  #nodeConfig(changes: Readonly<Record<string, unknown>>): string {
    const { asns, nodeSettings, nodeSpec, nodeConfiguration, password } = this.options;
    const metadata = (name: string) => ({ apiVersion: 'podroute.io/v1', metadata: { name } });
    const common = {
      policy: { import: 'accept', export: 'accept' },
      routeReflectorClient: this.#isReflection,
      allowASSets: true,
    };
    const documents = [
      {
        ...metadata('node'),
        kind: 'Node',
        spec: {
          asNumber: asns.node,
          ipv4Address: `${addresses.node.ipv4}/24`,
          ipv6Address: `${addresses.node.ipv6}/64`,
          routeReflectorClusterID: routerIds.node,
          ...nodeSpec,
        },
      },
      {
        ...metadata('default'),
        kind: 'BGPConfiguration',
        spec: { confederation: this.#confederation, listenPort: this.options.nodePort, ...nodeConfiguration },
      },
      { ...metadata('default'), kind: 'Speaker', spec: { cni: { enabled: false }, fib: { enabled: true } } },
      {
        ...metadata('peer'),
        kind: 'BGPPeer',
        spec: {
          peerIP: this.peerAddress,
          asNumber: asns.peer,
          connectRetryTime: '1s',
          ...(password === undefined ? {} : { passwordFile: PASSWORD_FILE }),
          ...common,
          ...nodeSettings,
          ...changes,
        },
      },
      {
        ...metadata('west'),
        kind: 'BGPPeer',
        spec: {
          peerIP: addresses.west.ipv4,
          asNumber: asns.west,
          sourceAddress: addresses.nodeWest.ipv4,
          passive: true,
          ...common,
        },
      },
    ];
    return documents.map((document) => JSON.stringify(document)).join('\n---\n');
  }

  /** Has podrouted read its configuration again. @param changes laid over the session with the daemon */
  reloadNode(changes: Readonly<Record<string, unknown>> = {}): void {
    writeFileSync(this.node.configPath, this.#nodeConfig(changes));
    this.node.bgpctl('reload');
  }

  /** The key of the session with the daemon from the next `reloadNode` on. */
  setNodeKey(password: string): void {
    this.hosts.node.write(PASSWORD_FILE, password);
  }

  /** Connects the feeder at the node's side. */
  west(): Promise<TestPeer> {
    return this.#feeder(this.hosts.west, addresses.west.ipv4, addresses.nodeWest.ipv4, routerIds.west, 'west', 'node');
  }

  /** Connects the feeder at the daemon's side. */
  east(): Promise<TestPeer> {
    return this.#feeder(this.hosts.east, addresses.east.ipv4, addresses.peerEast.ipv4, routerIds.east, 'east', 'peer');
  }

  async #feeder(
    host: LabHost,
    local: string,
    remote: string,
    routerId: string,
    own: 'west' | 'east',
    other: 'node' | 'peer',
  ): Promise<TestPeer> {
    const { asns, twoOctetWest = false, twoOctetEast = false } = this.options;
    return TestPeer.connect({
      netnsPath: host.namespacePath,
      ...(own === 'west' && this.options.nodePort !== undefined ? { remotePort: this.options.nodePort } : {}),
      localAddress: ip(local),
      remoteAddress: ip(remote),
      asn: asns[own],
      routerId: ip(routerId),
      kind: asns[own] === asns[other] ? 'ibgp' : 'ebgp',
      fourOctetAs: !(own === 'west' ? twoOctetWest : twoOctetEast),
    });
  }

  /** Waits until both sides show the session as Established. @param after sessions there have been before */
  async established(after = 0, timeoutMs = 30_000): Promise<void> {
    const { daemon, nodeAddress } = this;
    await waitFor(
      `a session between podrouted and ${daemon.name}`,
      async () => {
        const { state, counters, lastError = '' } = await this.peer();
        if (state !== 'Established' || counters.established <= after) throw new Error(`node: ${state} ${lastError}`);
        if (!daemon.session(nodeAddress).isEstablished) throw new Error(`${daemon.name} is not there yet`);
        return true;
      },
      timeoutMs,
      100,
    );
  }

  /** The session with the daemon; asked over the socket that bgpctl uses, since it is asked often. */
  peer(): Promise<PeerDetail> {
    return this.#client.get<PeerDetail>('/v1/peers/peer');
  }

  /** The same as `bgpctl show peers PEER --json` prints it. */
  shownPeer(): PeerDetail {
    return this.node.bgpctlJson<PeerDetail>('show', 'peers', 'peer');
  }

  /** Prefixes accepted from the daemon, both families together. */
  async accepted(): Promise<number> {
    const { families } = await this.peer();
    return families.reduce((sum, family) => sum + family.accepted, 0);
  }

  /**
   * What `bgpctl show routes --received PEER` shows, in two: routes, and those that came back to where they had been before. (FRR sends
   * routes back to the one it has them from if another peer is in the same update group.)
   */
  receivedRoutes(): { readonly routes: ShownRoutes; readonly looped: readonly string[] } {
    const { routes } = this.node.bgpctlJson<{ routes: Route[] }>('show', 'routes', '--received', 'peer');
    const isLooped = ({ reason }: Route): boolean => reason !== undefined && loopReasons.has(reason);
    return {
      routes: new Map(routes.filter((r) => !isLooped(r)).map((route) => [route.prefix, shownByBgpctl(route)])),
      looped: routes.filter(isLooped).map(({ prefix }) => prefix),
    };
  }

  /** The best route of a prefix in podrouted's Loc-RIB. */
  locRib(prefix: string): Route | undefined {
    const { routes } = this.node.bgpctlJson<{ routes: Route[] }>('show', 'routes');
    return routes.find((route) => route.prefix === prefix && route.best);
  }

  /** TCP connections between node and daemon that are established, as `ss` of the node shows them. */
  connections(): string[] {
    const lines = this.node.host.run(['ss', '-Htn', 'state', 'established', 'dst', this.peerAddress]).split('\n');
    return lines.filter((line) => line !== '');
  }

  /** Drops every TCP segment with data between node and daemon: connections come up, and no OPEN arrives. */
  dropData(): void {
    this.node.host.run(['nft', '-f', '-'], {
      input: `table inet interop {
        chain in { type filter hook input priority 0; iifname "peer" tcp flags & psh == psh drop; }
        chain out { type filter hook output priority 0; oifname "peer" tcp flags & psh == psh drop; }
      }`,
    });
  }

  /** Ends `dropData`. */
  passData(): void {
    this.node.host.run(['nft', 'delete', 'table', 'inet', 'interop']);
  }

  /** podrouted runs and has logged no error: a bug of its own would be one. @throws Error with the lines */
  expectQuietLog(): void {
    expectQuietLog(this.node);
  }

  async close(): Promise<void> {
    await this.lab.close();
  }
}

/** podrouted runs and has logged no error: a bug of its own would be one. @throws Error with the lines */
export function expectQuietLog({ process }: Podroute): void {
  if (!process.isRunning()) throw new Error('podrouted has ended');
  const errors = process
    .log()
    .split('\n')
    .filter((line) => line.includes('"level":"error"'));
  if (errors.length > 0) throw new Error(errors.join('\n'));
}

const loopReasons = new Set([
  'own AS in the AS path',
  'own router id as ORIGINATOR_ID',
  'own cluster id in CLUSTER_LIST',
]);

/** A route of bgpctl in the form of all. */
export function shownByBgpctl({ attributes: a }: Route): ShownRoute {
  return {
    ...(a.origin === undefined ? {} : { origin: a.origin }),
    asPath: a.asPath.replace(
      /\{([^}]*)\}/g,
      (_, members: string) =>
        `{${members
          .split(',')
          .sort((x, y) => Number(x) - Number(y))
          .join(',')}}`,
    ),
    ...(a.nextHop === undefined ? {} : { nextHop: a.nextHop }),
    ...(a.med === undefined ? {} : { med: a.med }),
    ...(a.localPref === undefined ? {} : { localPref: a.localPref }),
    ...(a.atomicAggregate === undefined ? {} : { atomicAggregate: true }),
    ...(a.aggregator === undefined ? {} : { aggregator: `${a.aggregator.asn} ${a.aggregator.address}` }),
    ...textSet('communities', a.communities),
    ...textSet('extendedCommunities', a.extendedCommunities),
    ...textSet('largeCommunities', a.largeCommunities),
    ...(a.originatorId === undefined ? {} : { originatorId: a.originatorId }),
    ...(a.clusterList === undefined ? {} : { clusterList: a.clusterList.join(' ') }),
    ...(a.aigp === undefined ? {} : { aigp: a.aigp }),
    ...textSet(
      'unknown',
      a.unknown?.map(({ code, flags, value }) => `${code} ${(flags & 0xef).toString(16)} ${value}`),
    ),
  };
}
