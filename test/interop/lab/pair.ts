import { join } from 'node:path';
import { ip, type PathAttributes, parseAsPath, prefix } from 'bgp-ts';
import { expect } from 'vitest';
import { Client } from '../../../bgpctl/client.ts';
import { Lab, type LabHost } from '../../../deploy/lab/lab.ts';
import { type Podroute, startPodroute } from '../../../deploy/lab/podroute.ts';
import type { PeerDetail, Route } from '../../../lib/api.ts';
import { TestPeer } from '../../support/test-peer.ts';
import { waitFor } from '../../support/wait-for.ts';
import { type Daemon, type DaemonName, type NeighborOptions, startDaemon } from '../daemons/daemon.ts';
import type { PairScenario } from '../scenario.ts';
import { expectQuietLog } from './chain.ts';
import { carriersUp } from './network.ts';
import { type ShownRoute, shown } from './shown-route.ts';

/** Kinds of pairs: how the AS numbers of podrouted and the daemon relate. */
export const pairKinds = {
  ebgp: { node: 65010, peer: 65020 },
  ibgp: { node: 65010, peer: 65010 },
} as const;
export type PairKind = keyof typeof pairKinds;

const AS_WEST = 65001;
const AS_EAST = 65030;
/** Further feeders on the same links, for further paths of a prefix. */
const AS_WEST_2 = 65002;
const AS_EAST_2 = 65031;
const west2 = { ipv4: '10.1.0.3', ipv6: 'fd00:1::3' };
const east2 = { ipv4: '10.3.0.3', ipv6: 'fd00:3::3' };
const west = { ipv4: '10.1.0.2', ipv6: 'fd00:1::2' };
const nodeWest = { ipv4: '10.1.0.1', ipv6: 'fd00:1::1' };
const east = { ipv4: '10.3.0.2', ipv6: 'fd00:3::2' };
const peerEast = { ipv4: '10.3.0.1', ipv6: 'fd00:3::1' };

const eastSide = { localAddress: peerEast.ipv4, otherNextHop: peerEast.ipv6, passive: true };

/**
 * podrouted and one daemon with a session for each scenario, every one over a link of its own, and a feeder behind each of the two. Routes are
 * told apart by scenario: podrouted sends over a session only what is in its block.
 */
export class Pair {
  readonly lab: Lab;
  readonly node: Podroute;
  readonly daemon: Daemon;
  readonly kind: PairKind;
  readonly client: Client;
  readonly #hosts: { readonly west: LabHost; readonly east: LabHost };
  readonly #scenarios: readonly PairScenario[];
  #west: Promise<TestPeer> | undefined;
  #east: Promise<TestPeer> | undefined;

  /** Builds the network and starts both speakers with all sessions. */
  static start(daemon: DaemonName, kind: PairKind, scenarios: readonly PairScenario[]): Pair {
    const lab = new Lab(`pr${kind[0]}${daemon.slice(0, 3).toLowerCase()}`);
    try {
      return new Pair(lab, daemon, kind, scenarios);
    } catch (error) {
      void lab.close();
      throw error;
    }
  }

  private constructor(lab: Lab, daemon: DaemonName, kind: PairKind, scenarios: readonly PairScenario[]) {
    this.lab = lab;
    this.kind = kind;
    this.#scenarios = scenarios;
    const westHost = lab.host('west');
    const node = lab.host('node');
    const peer = lab.host('peer');
    const eastHost = lab.host('east');
    this.#hosts = { west: westHost, east: eastHost };
    const both = (a: { readonly ipv4: string; readonly ipv6: string }): string[] => [`${a.ipv4}/24`, `${a.ipv6}/64`];
    lab.link(westHost, 'eth0', both(west), node, 'west', both(nodeWest));
    lab.link(peer, 'east', both(peerEast), eastHost, 'eth0', both(east));
    westHost.ip(`addr add ${west2.ipv4}/24 dev eth0`);
    eastHost.ip(`addr add ${east2.ipv4}/24 dev eth0`);
    for (const i of scenarios.keys()) {
      lab.link(node, `peer${i}`, both(linkOf(i).node), peer, `node${i}`, both(linkOf(i).peer));
    }
    carriersUp(node);
    const asns = pairKinds[kind];
    this.daemon = startDaemon(daemon, peer, {
      asn: asns.peer,
      routerId: '10.255.0.2',
      neighbors: [
        ...scenarios.map((scenario, i) => this.#neighbor(scenario, i, asns.node)),
        ...(daemon === 'ExaBGP'
          ? []
          : [
              { name: 'east', address: east.ipv4, asn: AS_EAST, ...eastSide },
              { name: 'east2', address: east2.ipv4, asn: AS_EAST_2, ...eastSide },
            ]),
      ],
    });
    this.node = startPodroute(node, this.#nodeConfig());
    this.client = new Client(join(this.node.runDirectory, 'podrouted.sock'));
  }

  /** What the daemon is told about the session of scenario `i`. */
  #neighbor({ transport = 'ipv4', peer = {} }: PairScenario, i: number, asn: number): NeighborOptions {
    const { node: nodeEnd, peer: peerEnd } = linkOf(i);
    const other = transport === 'ipv4' ? 'ipv6' : 'ipv4';
    return {
      name: `s${i}`,
      address: nodeEnd[transport],
      localAddress: peerEnd[transport],
      otherNextHop: peerEnd[other],
      asn,
      ...peer,
    };
  }

  /** podroute.yaml; JSON is YAML. */
  #nodeConfig(): string {
    const asns = pairKinds[this.kind];
    const head = (kind: string, name: string) => ({ apiVersion: 'podroute.io/v1', kind, metadata: { name } });
    const documents = [
      {
        ...head('Node', 'node'),
        spec: { asNumber: asns.node, ipv4Address: '10.1.0.1/24', ipv6Address: 'fd00:1::1/64', routerID: '10.255.0.1' },
      },
      { ...head('Speaker', 'default'), spec: { cni: { enabled: false }, fib: { enabled: true } } },
      ...[
        { name: 'west', peerIP: west.ipv4, asNumber: AS_WEST },
        { name: 'west2', peerIP: west2.ipv4, asNumber: AS_WEST_2 },
      ].map(({ name, ...whom }) => ({
        ...head('BGPPeer', name),
        spec: {
          ...whom,
          sourceAddress: nodeWest.ipv4,
          passive: true,
          allowASSets: true,
          policy: { import: 'accept', export: 'accept' },
        },
      })),
      ...this.#scenarios.flatMap((scenario, i) => {
        const { transport = 'ipv4', node = {}, nodeExport = [], nodeImport, nodeDocuments = [] } = scenario;
        const rules = (cidr: string) => [{ cidr, matchOperator: 'In', action: 'Accept' }];
        return [
          ...nodeDocuments.map((document) => ({ apiVersion: 'podroute.io/v1', ...document })),
          {
            ...head('BGPFilter', `block${i}`),
            spec: {
              ...(nodeImport === undefined ? {} : { import: nodeImport }),
              exportV4: [...nodeExport, ...rules(`20.${i}.0.0/16`)],
              exportV6: [...nodeExport, ...rules(`2001:db8:20${hex2(i)}::/48`)],
            },
          },
          {
            ...head('BGPPeer', `s${i}`),
            spec: {
              peerIP: linkOf(i).peer[transport],
              asNumber: asns.peer,
              sourceAddress: linkOf(i).node[transport],
              connectRetryTime: '1s',
              policy: {
                import: nodeImport === undefined ? 'accept' : { filters: [`block${i}`], default: 'accept' },
                export: { filters: [`block${i}`], default: 'reject' },
              },
              ...node,
            },
          },
        ];
      }),
    ];
    return documents.map((document) => JSON.stringify(document)).join('\n---\n');
  }

  /** The session of one scenario. */
  meeting(scenario: PairScenario): Meeting {
    return new Meeting(this, scenario, this.#scenarios.indexOf(scenario));
  }

  /** The feeder behind podrouted. */
  west(): Promise<TestPeer> {
    this.#west ??= this.#feeder(this.#hosts.west, AS_WEST, west.ipv4, nodeWest.ipv4);
    return this.#west;
  }

  /** The feeder behind the daemon. */
  east(): Promise<TestPeer> {
    this.#east ??= this.#feeder(this.#hosts.east, AS_EAST, east.ipv4, peerEast.ipv4);
    return this.#east;
  }

  /** Further feeders: at podrouted's side and at the daemon's. Whoever asks ends them. */
  second(side: 'west' | 'east'): Promise<TestPeer> {
    return side === 'west'
      ? this.#feeder(this.#hosts.west, AS_WEST_2, west2.ipv4, nodeWest.ipv4)
      : this.#feeder(this.#hosts.east, AS_EAST_2, east2.ipv4, peerEast.ipv4);
  }

  #feeder(host: LabHost, asn: number, local: string, remote: string): Promise<TestPeer> {
    return TestPeer.connect({
      netnsPath: host.namespacePath,
      localAddress: ip(local),
      remoteAddress: ip(remote),
      asn,
      routerId: ip(local),
      kind: 'ebgp',
    });
  }

  /** Ends everything. @throws Error if podrouted has logged an error or is gone */
  async close(): Promise<void> {
    try {
      expectQuietLog(this.node);
    } finally {
      await this.lab.close();
    }
  }
}

/** Ends of the link of session `i`. */
function linkOf(i: number) {
  const end = (host: number) => ({ ipv4: `10.50.${i}.${host}`, ipv6: `fd00:50:${i}::${host}` });
  return { node: end(1), peer: end(2) };
}

function hex2(i: number): string {
  return i.toString(16).padStart(2, '0');
}

/** The session of one scenario, from both sides. */
export class Meeting {
  readonly pair: Pair;
  readonly daemon: Daemon;
  readonly #scenario: PairScenario;
  readonly #index: number;

  constructor(pair: Pair, scenario: PairScenario, index: number) {
    this.pair = pair;
    this.daemon = pair.daemon;
    this.#scenario = scenario;
    this.#index = index;
  }

  get #transport(): 'ipv4' | 'ipv6' {
    return this.#scenario.transport ?? 'ipv4';
  }

  /** Name of the peer in podrouted. */
  get name(): string {
    return `s${this.#index}`;
  }

  /** Address of podrouted, by which the daemon knows the session. */
  get nodeAddress(): string {
    return linkOf(this.#index).node[this.#transport];
  }

  /** Addresses of both ends of the link. */
  get link() {
    return linkOf(this.#index);
  }

  /** Prefix `n` of those that come from behind podrouted. */
  westPrefix(n: number, family: 'ipv4' | 'ipv6' = 'ipv4'): string {
    return family === 'ipv4'
      ? `20.${this.#index}.${n}.0/24`
      : `2001:db8:20${hex2(this.#index)}:${n}::/64`.replace(':0::', '::');
  }

  /** Prefix `n` of those that come from the daemon or from behind it. */
  eastPrefix(n: number, family: 'ipv4' | 'ipv6' = 'ipv4'): string {
    return family === 'ipv4'
      ? `30.${this.#index}.${n}.0/24`
      : `2001:db8:30${hex2(this.#index)}:${n}::/64`.replace(':0::', '::');
  }

  /** The session as podrouted shows it. */
  peer(): Promise<PeerDetail> {
    return this.pair.client.get<PeerDetail>(`/v1/peers/${this.name}`);
  }

  /** Waits until both sides show the session as Established. @param after sessions there have been before */
  async established(after = 0): Promise<PeerDetail> {
    return waitFor(
      `session ${this.name} with ${this.daemon.name}`,
      async () => {
        const peer = await this.peer();
        if (peer.state !== 'Established' || peer.counters.established <= after) {
          throw new Error(`podrouted: ${peer.state} ${peer.lastError ?? ''}`);
        }
        if (!this.daemon.session(this.nodeAddress).isEstablished)
          throw new Error(`${this.daemon.name} is not there yet`);
        return peer;
      },
      40_000,
      200,
    );
  }

  /** A route from behind podrouted goes to the daemon. @returns what the daemon shows of it */
  async toDaemon(
    n: number,
    attributes: Partial<PathAttributes> = {},
    family: 'ipv4' | 'ipv6' = 'ipv4',
  ): Promise<ShownRoute> {
    const text = this.westPrefix(n, family);
    await this.announceWest(n, attributes, family);
    return waitFor(
      `${text} with ${this.daemon.name}`,
      () => this.daemon.routes(this.nodeAddress).get(text),
      20_000,
      200,
    );
  }

  /** A route from behind podrouted, whatever becomes of it. */
  async announceWest(
    n: number,
    attributes: Partial<PathAttributes> = {},
    family: 'ipv4' | 'ipv6' = 'ipv4',
  ): Promise<void> {
    const feeder = await this.pair.west();
    feeder.announce([prefix(this.westPrefix(n, family))], {
      origin: 0,
      asPath: parseAsPath(`${AS_WEST}`) ?? [],
      nextHop: ip(west[family]),
      ...attributes,
    });
  }

  async withdrawWest(n: number, family: 'ipv4' | 'ipv6' = 'ipv4'): Promise<void> {
    (await this.pair.west()).withdraw([prefix(this.westPrefix(n, family))]);
  }

  /** A route from behind the daemon comes here. @returns what podrouted has received on this session */
  async fromDaemon(
    n: number,
    attributes: Partial<PathAttributes> = {},
    family: 'ipv4' | 'ipv6' = 'ipv4',
  ): Promise<Route> {
    await this.announceEast(n, attributes, family);
    return this.received(this.eastPrefix(n, family));
  }

  /** A route from behind the daemon, or its own if nobody is behind it, whatever becomes of it. */
  async announceEast(
    n: number,
    attributes: Partial<PathAttributes> = {},
    family: 'ipv4' | 'ipv6' = 'ipv4',
  ): Promise<void> {
    const text = this.eastPrefix(n, family);
    if (this.daemon.announce !== undefined) {
      const { asPath, nextHop, ...rest } = shown(attributes as PathAttributes);
      const own = pairKinds[this.pair.kind].peer;
      const isEbgp = this.pair.kind === 'ebgp';
      this.daemon.announce(this.nodeAddress, [text], {
        ...rest,
        ...(asPath === undefined ? {} : { asPath: isEbgp ? `${own} ${asPath}` : asPath }),
        nextHop: nextHop ?? this.link.peer[family],
      });
      return;
    }
    const feeder = await this.pair.east();
    feeder.announce([prefix(text)], {
      origin: 0,
      asPath: parseAsPath(`${AS_EAST}`) ?? [],
      nextHop: ip(east[family]),
      ...attributes,
    });
  }

  async withdrawEast(n: number, family: 'ipv4' | 'ipv6' = 'ipv4'): Promise<void> {
    const text = this.eastPrefix(n, family);
    if (this.daemon.withdraw !== undefined) this.daemon.withdraw(this.nodeAddress, [text]);
    else (await this.pair.east()).withdraw([prefix(text)]);
  }

  /** Waits for a route in the Adj-RIB-In of this session. */
  async received(text: string): Promise<Route> {
    return waitFor(`${text} from ${this.daemon.name}`, async () => (await this.receivedNow(text))[0], 20_000, 200);
  }

  /** All paths of a prefix in the Adj-RIB-In of this session. */
  async receivedNow(text: string): Promise<Route[]> {
    const routes: Route[] = [];
    const query = { view: 'received', peer: this.name, prefix: text };
    for await (const part of this.pair.client.list<{ readonly type: 'begin' }, Route>('/v1/routes', query)) {
      if (Array.isArray(part)) routes.push(...part);
    }
    return routes.filter((route) => route.prefix === text);
  }

  /** Waits until a prefix is gone from the Adj-RIB-In of this session. */
  async gone(text: string): Promise<void> {
    await waitFor(`${text} gone`, async () => (await this.receivedNow(text)).length === 0, 20_000, 200);
  }

  /** The session has not ended meanwhile. @param before the session as it was */
  async expectSameSession(before: PeerDetail): Promise<void> {
    const { state, counters } = await this.peer();
    expect({ state, established: counters.established }).toEqual({
      state: 'Established',
      established: before.counters.established,
    });
  }
}
