import { type FamilyName, formatIp, ip, ipEquals } from 'bgp-ts';
import { BGP_PORT, type Cluster, type ClusterNode, nodeAddress, nodeWithAddress, selectsNode } from './cluster.ts';
import { PolicyBook } from './compile-policy.ts';
import { type Remote, reporterOf, SessionCompiler } from './compile-session.ts';
import type {
  DesiredDynamicPeer,
  DesiredPeer,
  DesiredPeerOrigin,
  DesiredPolicy,
  DesiredRemoteAs,
} from './desired-state.ts';
import { Reporter } from './document.ts';
import type { Problem } from './problem.ts';
import { meshSecret, peerSecret } from './resource-set.ts';
import type { BgpPeerResource, BgpPeerSpec } from './resources/bgp-peer.ts';

/** In place of the address of a peer that is configured by its interface: that of all routers of a link. */
const NOBODY_YET = ip('fe80::');

/** Most sessions at a time with peers accepted by prefix. */
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

class PeerCompiler {
  readonly #cluster: Cluster;
  readonly #problems: Problem[];
  readonly #policies: PolicyBook;
  readonly #sessions: SessionCompiler;
  readonly #peers = new Map<string, DesiredPeer>();
  readonly #dynamicPeers: DesiredDynamicPeer[] = [];

  constructor(cluster: Cluster, isReflector: boolean, problems: Problem[]) {
    this.#cluster = cluster;
    this.#problems = problems;
    this.#policies = new PolicyBook(cluster);
    this.#sessions = new SessionCompiler(cluster, isReflector, this.#policies, problems);
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
    if (spec.interface !== undefined && spec.asNumber !== undefined) {
      const remote: Remote = {
        name: peer.name,
        address: NOBODY_YET,
        port: spec.port ?? BGP_PORT,
        asn: remoteAs(spec.asNumber, localAs),
        node: undefined,
        device: spec.interface,
        localAs,
        isAgreed: false,
        families: this.#families(peer, [4, 6]),
      };
      this.#add({ ...this.#peer(peer, remote, type), unnumbered: true }, peer);
      return;
    }
    if (spec.peerIP !== undefined && spec.asNumber !== undefined) {
      const { address, port, zone } = spec.peerIP;
      const node = nodeWithAddress(nodes, address);
      if (node === self) return;
      const asn = remoteAs(spec.asNumber, localAs);
      const known = node?.asn === asn ? node : undefined;
      const remote: Remote = {
        name: peer.name,
        address,
        port: port ?? spec.port ?? known?.listenPort ?? BGP_PORT,
        asn,
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
    if (spec.reversePeering === 'Manual' || spec.peerPrefixes !== undefined || spec.interface !== undefined) return;
    let versions: readonly (4 | 6)[] = [4, 6];
    let localAs = self.asn;
    if (spec.peerSelector !== undefined) {
      if (!selectsNode(spec.peerSelector, self)) return;
    } else {
      const { peerIP, asNumber } = spec;
      // a word in place of the number (`auto`) does not name this end's: no mirror image is made of such a peering
      if (peerIP === undefined || asNumber !== self.asn) return;
      const own = nodeAddress(self, peerIP.address.version);
      if (own === undefined || !ipEquals(own, peerIP.address)) return;
      if ((peerIP.port ?? spec.port ?? self.listenPort) !== self.listenPort) return;
      versions = [peerIP.address.version];
      localAs = asNumber;
    }
    const mirror = mirrored(peer);
    for (const node of localNodes(spec, nodes)) {
      if (node === self) continue;
      const asn = spec.localASNumber ?? node.asn;
      for (const remote of this.#sessionsWith(node, mirror, { asn, localAs, prefix: peer.name }, versions)) {
        this.#add(this.#peer(mirror, remote, 'reverse'), undefined);
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
      this.#sessions.password(reference, isOptional, new Reporter(source.origin, `${source.kind} ${source.name}`), [
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
            ...this.#sessions.session(undefined, origin, remote, password),
            name: remote.name,
            description: undefined,
            address: remote.address,
            port: remote.port,
            unnumbered: false,
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
      this.#sessions.password(reference, spec.password?.secretKeyRef?.optional === true, report, [
        'spec',
        reference.type === 'file' ? 'passwordFile' : 'password',
      ]);
    this.#problems.push(...report.problems.splice(0));
    return {
      ...this.#sessions.session(peer, origin, remote, password),
      name: remote.name,
      description: spec.description,
      address: remote.address,
      port: remote.port,
      unnumbered: false,
      remoteAs: remote.asn,
      passive: spec.passive ?? this.#isPassive(remote, origin.dialect),
      reachableBy: spec.reachableBy,
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
      asn: remoteAs(asNumber, localAs),
      node: undefined,
      device: spec.device,
      localAs,
      isAgreed: false,
      families: this.#families(peer, [...new Set(peerPrefixes.map(({ address }) => address.version))]),
    };
    const {
      address: _,
      port: __,
      unnumbered: ______,
      reachableBy: ___,
      passive: ____,
      description: _____,
      ...session
    } = this.#peer(peer, remote, type);
    this.#dynamicPeers.push({ ...session, prefixes: peerPrefixes, limit: spec.peerLimit ?? DYNAMIC_PEER_LIMIT });
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
        if (this.#sessions.filters(name).length === 0)
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

function dialectOf(peer: BgpPeerResource): 'calico' | 'podroute' {
  return peer.dialect === 'podroute' ? 'podroute' : 'calico';
}

/** The resource as the other end of its peering reads it: without what one end says of itself, or of whom it calls. */
function mirrored(peer: BgpPeerResource): BgpPeerResource {
  const {
    port,
    device,
    passive,
    routeReflectorClient,
    localASNumber,
    reachableBy,
    sourceAddress,
    sourceInterface,
    localASNoPrepend,
    localASReplaceAS,
    description,
    ...spec
  } = peer.spec;
  const isOwnAddress = sourceAddress !== undefined && typeof sourceAddress !== 'string';
  return { ...peer, spec: isOwnAddress ? spec : { ...spec, sourceAddress } };
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

/** The peer's AS number as far as it is known: `internal` is ours. */
function remoteAs(written: number | 'internal' | 'external' | 'auto', localAs: number): DesiredRemoteAs {
  return written === 'internal' ? localAs : written;
}

function toFamily(word: 'ipv4' | 'ipv6'): FamilyName {
  return word === 'ipv4' ? 'ipv4-unicast' : 'ipv6-unicast';
}
