import { type FamilyName, formatIp, type IpAddress, ipEquals, isLinkLocal } from 'bgp-ts';
import { BGP_PORT, type Cluster, type ClusterNode, nodeAddress, nodeWithAddress, selectsNode } from './cluster.ts';
import { PolicyBook } from './compile-policy.ts';
import type {
  DesiredDynamicPeer,
  DesiredMaxPrefixes,
  DesiredPassword,
  DesiredPeer,
  DesiredPeerOrigin,
  DesiredPolicy,
  DesiredSession,
} from './desired-state.ts';
import { Reporter } from './document.ts';
import type { Problem } from './problem.ts';
import { meshSecret, peerSecret, type SecretReference, secretId } from './resource-set.ts';
import type { BgpFilterResource } from './resources/bgp-filter.ts';
import type { BgpPeerResource, BgpPeerSpec } from './resources/bgp-peer.ts';

/** Hold time where nobody says (RFC 4271 §10 suggests 90 s). */
const HOLD_SECONDS = 90;
const CONNECT_RETRY_SECONDS = 10;
/** CS6, network control. */
const TOS = 0xc0;
const DYNAMIC_PEER_LIMIT = 1000;

/** Peers of this node, and the policies they use. */
export interface CompiledPeers {
  readonly peers: readonly DesiredPeer[];
  readonly dynamicPeers: readonly DesiredDynamicPeer[];
  readonly policies: readonly DesiredPolicy[];
}

/**
 * The peers of this node: those of BGPPeer resources, the mirror images of peerings that other nodes have with it, and the
 * node-to-node mesh. Where two lead to the same address and port, the first in this order stays: all-nodes peers, peers of some
 * nodes, mirror images, mesh.
 */
export function compilePeers(cluster: Cluster, isReflector: boolean, problems: Problem[]): CompiledPeers {
  return new PeerCompiler(cluster, isReflector, problems).compile();
}

/** True if a BGPPeer that applies to this node makes its peers clients: that alone makes the node a reflector. */
export function hasExplicitClients(cluster: Cluster): boolean {
  return cluster.resources.peers.some(
    (peer) => peer.spec.routeReflectorClient === true && localNodes(peer.spec, cluster.nodes).includes(cluster.self),
  );
}

/** The far end of one session. */
interface Remote {
  readonly name: string;
  readonly address: IpAddress;
  readonly port: number;
  readonly asn: number;
  /** The node at the far end, where it is one of the cluster. */
  readonly node: ClusterNode | undefined;
  readonly device: string | undefined;
  readonly localAs: number;
  /** The two ends were generated from the same resource, so they can agree on who connects. */
  readonly isAgreed: boolean;
  readonly families: readonly FamilyName[];
}

class PeerCompiler {
  readonly #cluster: Cluster;
  readonly #isReflector: boolean;
  readonly #problems: Problem[];
  readonly #policies: PolicyBook;
  readonly #peers = new Map<string, DesiredPeer>();
  readonly #dynamicPeers: DesiredDynamicPeer[] = [];

  constructor(cluster: Cluster, isReflector: boolean, problems: Problem[]) {
    this.#cluster = cluster;
    this.#isReflector = isReflector;
    this.#problems = problems;
    this.#policies = new PolicyBook(cluster);
  }

  compile(): CompiledPeers {
    const { resources, nodes, self } = this.#cluster;
    const [global, some] = [true, false].map((isGlobal) => {
      return resources.peers.filter((peer) => isForAllNodes(peer.spec) === isGlobal);
    });
    for (const peer of [...(global ?? []), ...(some ?? [])]) {
      this.#checkFilters(peer);
      if (localNodes(peer.spec, nodes).includes(self)) this.#forward(peer);
    }
    for (const peer of [...(global ?? []), ...(some ?? [])]) this.#reverse(peer);
    this.#mesh();
    const byName = <T extends { readonly name: string }>(a: T, b: T) =>
      a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
    return {
      peers: [...this.#peers.values()].sort(byName),
      dynamicPeers: this.#dynamicPeers.sort(byName),
      policies: this.#policies.policies(),
    };
  }

  #forward(peer: BgpPeerResource): void {
    const { self, nodes } = this.#cluster;
    const { spec } = peer;
    const type = isForAllNodes(spec) ? 'global' : 'node';
    const localAs = spec.localASNumber ?? self.asn;
    if (spec.peerPrefixes !== undefined) {
      this.#dynamic(peer, type, localAs);
      return;
    }
    if (spec.peerIP !== undefined && spec.asNumber !== undefined) {
      const { address, port, zone } = spec.peerIP;
      const node = nodeWithAddress(nodes, address);
      if (node === self) return;
      const known = node?.asn === spec.asNumber ? node : undefined;
      const remote: Remote = {
        name: peer.name,
        address,
        port: port ?? spec.port ?? known?.listenPort ?? BGP_PORT,
        asn: spec.asNumber,
        node: known,
        device: zone ?? spec.device,
        localAs,
        isAgreed: false,
        families: this.#families(peer, [address.version]),
      };
      this.#add(this.#peer(peer, remote, type), peer);
      return;
    }
    const selector = spec.peerSelector;
    if (selector === undefined) return;
    for (const node of nodes) {
      if (node === self || !selectsNode(selector, node)) continue;
      for (const remote of this.#sessionsWith(node, peer, { asn: node.asn, localAs, prefix: peer.name })) {
        this.#add(this.#peer(peer, remote, type), peer);
      }
    }
  }

  /** The other end of peerings that other nodes have with this one. */
  #reverse(peer: BgpPeerResource): void {
    const { self, nodes } = this.#cluster;
    const { spec } = peer;
    if (spec.reversePeering === 'Manual' || spec.peerPrefixes !== undefined) return;
    let versions: readonly (4 | 6)[] = [4, 6];
    let localAs = self.asn;
    if (spec.peerSelector !== undefined) {
      if (!selectsNode(spec.peerSelector, self)) return;
    } else {
      const { peerIP, asNumber } = spec;
      if (peerIP === undefined || asNumber === undefined || asNumber !== self.asn) return;
      const own = nodeAddress(self, peerIP.address.version);
      if (own === undefined || !ipEquals(own, peerIP.address)) return;
      if ((peerIP.port ?? spec.port ?? self.listenPort) !== self.listenPort) return;
      versions = [peerIP.address.version];
      localAs = asNumber;
    }
    for (const node of localNodes(spec, nodes)) {
      if (node === self) continue;
      const asn = spec.localASNumber ?? node.asn;
      for (const remote of this.#sessionsWith(node, peer, { asn, localAs, prefix: peer.name }, versions)) {
        this.#add(this.#peer(peer, remote, 'reverse'), undefined);
      }
    }
  }

  #mesh(): void {
    const { self, nodes, configuration, resources } = this.#cluster;
    if (configuration.nodeToNodeMeshEnabled === false || self.clusterId !== undefined) return;
    const source = resources.configurations.find(({ name }) => name === 'default');
    const dialect = source?.dialect === 'podroute' ? 'podroute' : 'calico';
    const reference = source && meshSecret(source);
    const isOptional = source?.spec.nodeMeshPassword?.secretKeyRef?.optional === true;
    const password =
      reference &&
      source &&
      this.#password(reference, isOptional, new Reporter(source.origin, `${source.kind} ${source.name}`), [
        'spec',
        'nodeMeshPassword',
      ]);
    const origin: DesiredPeerOrigin = { dialect, type: 'mesh', resource: 'node-to-node mesh' };
    for (const node of nodes) {
      if (node === self || node.clusterId !== undefined) continue;
      const parties = { asn: node.asn, localAs: self.asn, prefix: 'mesh' };
      for (const remote of this.#sessionsWith(node, undefined, parties, [4, 6], dialect)) {
        this.#add(
          {
            ...this.#session(undefined, origin, remote, password),
            name: remote.name,
            description: undefined,
            address: remote.address,
            port: remote.port,
            remoteAs: remote.asn,
            passive: this.#isPassive(remote, dialect),
            reachableBy: undefined,
          },
          undefined,
        );
      }
    }
  }

  /**
   * The sessions with a node. Calico has one for each IP version that both ends have, with routes of that version only; podroute has
   * one, with routes of all versions that both ends have.
   */
  #sessionsWith(
    node: ClusterNode,
    peer: BgpPeerResource | undefined,
    parties: { readonly asn: number; readonly localAs: number; readonly prefix: string },
    wanted: readonly (4 | 6)[] = [4, 6],
    dialect: 'calico' | 'podroute' = peer?.dialect === 'podroute' ? 'podroute' : 'calico',
  ): Remote[] {
    const { self } = this.#cluster;
    const versions = ([4, 6] as const).filter(
      (version) => nodeAddress(self, version) !== undefined && nodeAddress(node, version) !== undefined,
    );
    const sessions = versions.filter((version) => wanted.includes(version));
    return sessions.slice(0, dialect === 'calico' ? 2 : 1).flatMap((version, i): Remote[] => {
      const address = nodeAddress(node, version);
      if (address === undefined) return [];
      return [
        {
          name: `${parties.prefix}/${node.name}${i === 0 ? '' : '/ipv6'}`,
          address,
          port: peer?.spec.port ?? node.listenPort,
          asn: parties.asn,
          node,
          device: peer?.spec.device,
          localAs: parties.localAs,
          isAgreed: true,
          families: this.#families(peer, dialect === 'calico' ? [version] : versions),
        },
      ];
    });
  }

  #peer(peer: BgpPeerResource, remote: Remote, type: DesiredPeerOrigin['type']): DesiredPeer {
    const { spec } = peer;
    const origin: DesiredPeerOrigin = { dialect: dialectOf(peer), type, resource: `BGPPeer ${peer.name}` };
    const reference = peerSecret(peer);
    const report = reporterOf(peer);
    const password =
      reference &&
      this.#password(reference, spec.password?.secretKeyRef?.optional === true, report, [
        'spec',
        reference.type === 'file' ? 'passwordFile' : 'password',
      ]);
    this.#problems.push(...report.problems.splice(0));
    return {
      ...this.#session(peer, origin, remote, password),
      name: remote.name,
      description: spec.description,
      address: remote.address,
      port: remote.port,
      remoteAs: remote.asn,
      passive: spec.passive ?? this.#isPassive(remote, origin.dialect),
      reachableBy: type === 'reverse' ? undefined : spec.reachableBy,
    };
  }

  #dynamic(peer: BgpPeerResource, type: 'global' | 'node', localAs: number): void {
    const { spec } = peer;
    const { peerPrefixes, asNumber } = spec;
    if (peerPrefixes === undefined || asNumber === undefined) return;
    const first = peerPrefixes[0];
    if (first === undefined) return;
    const remote: Remote = {
      name: peer.name,
      address: first.address,
      port: BGP_PORT,
      asn: asNumber,
      node: undefined,
      device: spec.device,
      localAs,
      isAgreed: false,
      families: this.#families(peer, [...new Set(peerPrefixes.map(({ address }) => address.version))]),
    };
    const {
      address: _,
      port: __,
      reachableBy: ___,
      passive: ____,
      description: _____,
      ...session
    } = this.#peer(peer, remote, type);
    this.#dynamicPeers.push({ ...session, prefixes: peerPrefixes, limit: spec.peerLimit ?? DYNAMIC_PEER_LIMIT });
  }

  /** What every kind of peer has: explicit fields of the resource, else defaults. */
  #session(
    peer: BgpPeerResource | undefined,
    origin: DesiredPeerOrigin,
    remote: Remote,
    password: DesiredPassword | undefined,
  ): DesiredSession & { readonly origin: DesiredPeerOrigin } {
    const { configuration } = this.#cluster;
    const spec: BgpPeerSpec = peer?.spec ?? {};
    const kind = remote.asn === remote.localAs ? 'ibgp' : 'ebgp';
    const keepaliveSeconds = spec.keepaliveTime;
    return {
      origin,
      device: remote.device,
      localAddress: this.#localAddress(peer, remote),
      localAs: remote.localAs,
      kind,
      // a keepalive time without a hold time asks for a hold time of three of them (RFC 4271 §4.4)
      holdSeconds: spec.holdTime ?? configuration.holdTime ?? Math.max(HOLD_SECONDS, 3 * (keepaliveSeconds ?? 0)),
      keepaliveSeconds,
      connectRetrySeconds: spec.connectRetryTime ?? configuration.connectRetryTime ?? CONNECT_RETRY_SECONDS,
      families: remote.families,
      password,
      ttlSecurityHops: spec.ttlSecurity,
      multihopTtl: spec.multihop,
      tos: TOS,
      routeReflectorClient: this.#isClient(peer, kind, remote),
      nextHop: nextHopMode(spec, kind),
      maxPrefixes: maxPrefixes(spec),
      allowOwnAs: spec.numAllowedLocalASNumbers ?? 0,
      ...this.#policyOf(peer, origin, kind),
      restartSeconds:
        spec.maxRestartTime ?? (origin.type === 'mesh' ? configuration.nodeMeshMaxRestartTime : undefined),
      adminDown: spec.shutdown === true ? { text: spec.shutdownText ?? '' } : undefined,
    };
  }

  #policyOf(
    peer: BgpPeerResource | undefined,
    origin: DesiredPeerOrigin,
    kind: 'ebgp' | 'ibgp',
  ): Pick<DesiredSession, 'importPolicy' | 'exportPolicy'> {
    const spec: BgpPeerSpec = peer?.spec ?? {};
    // the mesh is trusted by being switched on: its nodes may have an AS number each, and still need no policy
    const dialect = origin.type === 'mesh' ? 'calico' : origin.dialect;
    const base = { dialect, kind, isReflector: this.#isReflector } as const;
    const filters = (names: readonly string[] = []) =>
      [...(spec.filters ?? []), ...names].flatMap((name) => this.#filter(name));
    const { import: incoming, export: outgoing } = spec.policy ?? {};
    return {
      importPolicy: this.#policies.use('import', {
        ...base,
        filters: filters(incoming?.filters),
        default: incoming?.default,
      }),
      exportPolicy: this.#policies.use('export', {
        ...base,
        filters: filters(outgoing?.filters),
        default: outgoing?.default,
      }),
    };
  }

  #filter(name: string): BgpFilterResource[] {
    return this.#cluster.resources.filters.filter((filter) => filter.name === name);
  }

  #checkFilters(peer: BgpPeerResource): void {
    const report = reporterOf(peer);
    const { filters, policy } = peer.spec;
    const lists = [
      { path: ['spec', 'filters'], names: filters },
      { path: ['spec', 'policy', 'import', 'filters'], names: policy?.import?.filters },
      { path: ['spec', 'policy', 'export', 'filters'], names: policy?.export?.filters },
    ];
    for (const { path, names = [] } of lists) {
      for (const [i, name] of names.entries()) {
        if (this.#filter(name).length === 0)
          report.error([...path, i], `there is no BGPFilter ${JSON.stringify(name)}`);
      }
    }
    this.#problems.push(...report.problems);
  }

  /** A Calico session's address family; podroute's also carry the other one where this node has an address for it. */
  #families(peer: BgpPeerResource | undefined, versions: readonly (4 | 6)[]): FamilyName[] {
    const written = peer?.spec.families;
    if (written !== undefined)
      return (['ipv4', 'ipv6'] as const).filter((word) => written.includes(word)).map(toFamily);
    const isDual = peer?.dialect === 'podroute' && peer.spec.peerSelector === undefined;
    return ([4, 6] as const)
      .filter(
        (version) => versions.includes(version) || (isDual && nodeAddress(this.#cluster.self, version) !== undefined),
      )
      .map((version) => toFamily(version === 4 ? 'ipv4' : 'ipv6'));
  }

  /**
   * Calico's rule for nodes that both know of their session: the one whose peer has the greater address, compared as text, waits.
   * Peers of podroute's kinds both try, and RFC 4271 §6.8 decides: the far end may be configured without knowing this node.
   */
  #isPassive(remote: Remote, dialect: 'calico' | 'podroute'): boolean {
    if (dialect !== 'calico' || !remote.isAgreed) return false;
    const own = nodeAddress(this.#cluster.self, remote.address.version);
    return own !== undefined && formatIp(remote.address) > formatIp(own);
  }

  /** A reflector's iBGP peers are clients, but for reflectors of the same cluster id. */
  #isClient(peer: BgpPeerResource | undefined, kind: 'ebgp' | 'ibgp', remote: Remote): boolean {
    const { self } = this.#cluster;
    if (peer?.spec.routeReflectorClient !== undefined) {
      if (peer.spec.routeReflectorClient && kind === 'ebgp') {
        const report = reporterOf(peer);
        const message = `only iBGP peers can be clients: AS ${remote.asn} is not AS ${remote.localAs} (RFC 4456)`;
        report.error(['spec', 'routeReflectorClient'], message);
        this.#problems.push(...report.problems);
      }
      return peer.spec.routeReflectorClient;
    }
    if (kind === 'ebgp' || self.clusterId === undefined) return false;
    const other = remote.node?.clusterId;
    return other === undefined || !ipEquals(other, self.clusterId);
  }

  #localAddress(peer: BgpPeerResource | undefined, remote: Remote): IpAddress | undefined {
    const source = peer?.spec.sourceAddress ?? 'UseNodeIP';
    const { version } = remote.address;
    if (source === 'None' || (source === 'UseNodeIP' && isLinkLocal(remote.address))) return undefined;
    if (source === 'UseNodeIP') return nodeAddress(this.#cluster.self, version);
    if (source.version !== version && peer !== undefined) {
      const report = reporterOf(peer);
      report.error(
        ['spec', 'sourceAddress'],
        `${formatIp(source)}: must be an IPv${version} address, as the peer's is`,
      );
      this.#problems.push(...report.problems);
    }
    return source;
  }

  #password(
    reference: SecretReference,
    isOptional: boolean,
    report: Reporter,
    path: readonly string[],
  ): DesiredPassword | undefined {
    const id = secretId(reference);
    const found = this.#cluster.resources.secrets.get(id) ?? { type: 'missing', reason: `${id} was not looked for` };
    if (found.type === 'key') return found;
    if (found.type === 'missing' && isOptional) {
      report.warn(path, `${found.reason}: it is optional, so sessions come up without a password`);
      this.#problems.push(...report.problems.splice(0));
      return undefined;
    }
    report.warn(path, `${found.reason}: the peer stays down, as it must not come up without its password`);
    this.#problems.push(...report.problems.splice(0));
    return { type: 'unreadable', reason: found.reason };
  }

  /** @param explicit the resource to blame when another peer is already there; absent where giving way is the rule */
  #add(peer: DesiredPeer, explicit: BgpPeerResource | undefined): void {
    const where = `${formatIp(peer.address)}${peer.device === undefined ? '' : `%${peer.device}`} port ${peer.port}`;
    const other = this.#peers.get(where);
    if (other === undefined) {
      this.#peers.set(where, peer);
      return;
    }
    if (explicit === undefined || other.origin.resource === peer.origin.resource) return;
    const report = reporterOf(explicit);
    report.warn(['spec'], `${where} is already a peer of this node by ${other.origin.resource}, ignored`);
    this.#problems.push(...report.problems);
  }
}

function reporterOf(peer: BgpPeerResource): Reporter {
  return new Reporter(peer.origin, `BGPPeer ${peer.name}`);
}

function dialectOf(peer: BgpPeerResource): 'calico' | 'podroute' {
  return peer.dialect === 'podroute' ? 'podroute' : 'calico';
}

function isForAllNodes(spec: BgpPeerSpec): boolean {
  return spec.node === undefined && spec.nodeSelector === undefined;
}

/** The nodes that have the peering. */
function localNodes(spec: BgpPeerSpec, nodes: readonly ClusterNode[]): ClusterNode[] {
  const { node, nodeSelector } = spec;
  if (node !== undefined) return nodes.filter(({ name }) => name === node);
  if (nodeSelector !== undefined) return nodes.filter((candidate) => selectsNode(nodeSelector, candidate));
  return [...nodes];
}

function toFamily(word: 'ipv4' | 'ipv6'): FamilyName {
  return word === 'ipv4' ? 'ipv4-unicast' : 'ipv6-unicast';
}

function nextHopMode(spec: BgpPeerSpec, kind: 'ebgp' | 'ibgp'): 'auto' | 'self' | 'unchanged' {
  if (spec.nextHopMode === 'Self') return 'self';
  if (spec.nextHopMode === 'Keep') return 'unchanged';
  return spec.nextHopMode === undefined && spec.keepOriginalNextHop === true && kind === 'ebgp' ? 'unchanged' : 'auto';
}

function maxPrefixes({ maxPrefixes: written }: BgpPeerSpec): DesiredMaxPrefixes | undefined {
  return (
    written && {
      count: written.count,
      warnPercent: written.warnPercent ?? 80,
      action: written.action ?? 'restart',
      restartSeconds: written.restartTime ?? 300,
    }
  );
}
