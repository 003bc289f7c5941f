import { type Frr, startFrr } from './frr.ts';
import type { Lab, LabHost } from './lab.ts';

/** A router of the fabric. */
export interface FabricRouter {
  readonly host: LabHost;
  readonly frr: Frr;
}

/** Something that is attached to two routers of the fabric and has one address of each family for itself. */
export interface FabricHost {
  readonly host: LabHost;
  /** On its loopback, without length. */
  readonly ipv4: string;
  readonly ipv6: string;
}

/** A node of the cluster: attached to the ToR of its rack and to the next rack's. */
export interface FabricNode extends FabricHost {
  readonly index: number;
  readonly rack: number;
}

/** How large a fabric is to be. */
export interface FabricSize {
  readonly racks: number;
  readonly nodes: number;
  readonly reflectors: number;
}

/** Private AS number of the cluster: nodes and reflectors. */
export const CLUSTER_AS = 64512;
const SPINE_AS = 65100;
const TOR_AS = 65000;
const SPINES = 2;

/**
 * A leaf-spine fabric of FRR routers: two spines in one AS, a ToR with an AS of its own per rack, eBGP between them over numbered links.
 * Nodes hang on two ToRs, reflectors and the store on both spines. Every host has a static default route over both its links
 * and an address on its loopback; those of nodes and reflectors get known by the BGP sessions that they open to
 * their routers themselves (unnumbered, AS 64512).
 */
export class LeafSpine {
  readonly #lab: Lab;
  readonly size: FabricSize;
  readonly spines: FabricRouter[] = [];
  readonly tors: FabricRouter[] = [];
  readonly nodes: FabricNode[] = [];
  readonly reflectors: FabricHost[] = [];
  /** Where the cluster's store runs. */
  readonly store: FabricHost;

  /** Builds everything but the programs on nodes, reflectors and the store's host. */
  constructor(lab: Lab, size: FabricSize) {
    this.#lab = lab;
    this.size = size;
    const spines = range(SPINES).map((s) => lab.host(`spine${s}`));
    const tors = range(size.racks).map((t) => lab.host(`tor${t}`));
    for (const [s, spine] of spines.entries()) {
      for (const [t, tor] of tors.entries()) {
        const at = linkAddresses(100 + s, t + 1);
        lab.link(spine, `tor${t + 1}`, at.router, tor, `spine${s + 1}`, at.host);
      }
    }
    this.store = this.#attach(lab.host('store'), 3, 1, spines, 'spine');
    for (const [s, spine] of spines.entries()) {
      // Its host speaks no BGP: the spines say where it is.
      const { host } = linkAddresses(120 + s, 31);
      spine.ip(`route add ${this.store.ipv4} via ${host[0]?.split('/')[0]}`);
      spine.ip(`-6 route add ${this.store.ipv6} via ${host[1]?.split('/')[0]}`);
    }
    for (const k of range(size.reflectors)) {
      this.reflectors.push(this.#attach(lab.host(`rr${k}`), 2, k, spines, 'spine'));
    }
    this.spines.push(...spines.map((host, s) => ({ host, frr: startFrr(host, this.#spineConfig(s + 1)) })));
    this.tors.push(...tors.map((host, t) => ({ host, frr: startFrr(host, this.#torConfig(t + 1)) })));
    for (const _ of range(size.nodes)) this.addNode();
  }

  /** Attaches one more node, in the rack whose turn it is. */
  addNode(): FabricNode {
    const index = this.nodes.length + 1;
    const rack = ((index - 1) % this.size.racks) + 1;
    const second = (rack % this.size.racks) + 1;
    const routers = [...new Set([rack, second])].map((t) => this.tors[t - 1] as FabricRouter);
    const attached = this.#attach(
      this.#lab.host(`node${index}`),
      1,
      index,
      routers.map(({ host }) => host),
      'tor',
    );
    for (const [i, { frr }] of routers.entries()) {
      const asn = TOR_AS + ([rack, second][i] as number);
      frr.configure([
        `router bgp ${asn}`,
        ...interfaceNeighbor(attached.host.name),
        ...families([attached.host.name], []),
      ]);
    }
    const node = { ...attached, index, rack };
    this.nodes.push(node);
    return node;
  }

  /**
   * Joins a host to each of `routers` and gives it its own address (10.255.KIND.INDEX, fd00:255:KIND::INDEX), a default route
   * over all its links, and a kernel that does not use a link without carrier.
   */
  #attach(host: LabHost, kind: number, index: number, routers: readonly LabHost[], tier: 'spine' | 'tor'): FabricHost {
    const ipv4 = `10.255.${kind}.${index}`;
    const ipv6 = `fd00:255:${kind}::${index}`;
    host.ip(`addr add ${ipv4}/32 dev lo`);
    host.ip(`-6 addr add ${ipv6}/128 dev lo`);
    for (const family of ['ipv4', 'ipv6']) {
      for (const scope of ['all', 'default']) host.sysctl(`net.${family}.conf.${scope}.ignore_routes_with_linkdown`, 1);
    }
    const ways: { v4: string; v6: string }[] = [];
    for (const [i, router] of routers.entries()) {
      // Numbers of the routers of a tier begin with 1; the store's links come after those of any number of reflectors.
      const number = Number(router.name.replace(/\D/g, ''));
      const row = tier === 'tor' ? 110 + number : 120 + number - 1;
      const at = linkAddresses(row, kind === 3 ? 31 : index);
      this.#lab.link(router, host.name, at.router, host, `eth${i}`, at.host);
      ways.push({ v4: firstAddress(at.router, 0), v6: firstAddress(at.router, 1) });
    }
    const nexthops = (way: 'v4' | 'v6') => ways.map((at, i) => `nexthop via ${at[way]} dev eth${i}`).join(' ');
    host.ip(`route add default src ${ipv4} ${nexthops('v4')}`);
    host.ip(`-6 route add default src ${ipv6} ${nexthops('v6')}`);
    return { host, ipv4, ipv6 };
  }

  #spineConfig(s: number): string[] {
    const tors = range(this.size.racks).map((t) => ({ ...linkNeighbor(100 + s - 1, t), asn: TOR_AS + t }));
    return [
      ...heading(`spine${s}`, SPINE_AS, `10.255.0.${s}`),
      ...tors.flatMap(({ host, asn }) => numberedNeighbor(host, asn)),
      ...this.reflectors.flatMap(({ host }) => interfaceNeighbor(host.name)),
      ...families(
        [...tors.map(({ host }) => host), ...this.reflectors.map(({ host }) => host.name)],
        ['redistribute kernel'],
      ),
    ];
  }

  #torConfig(t: number): string[] {
    const spines = range(SPINES).map((s) => linkNeighbor(100 + s - 1, t).router);
    return [
      ...heading(`tor${t}`, TOR_AS + t, `10.255.0.${10 + t}`),
      ...spines.flatMap((address) => numberedNeighbor(address, SPINE_AS)),
      ...families(spines, []),
    ];
  }
}

/** Sets all links of a host down and ends what runs in it, as if somebody had pulled its plug. */
export function pullPlug(host: LabHost): void {
  for (const { ifname } of host.ipJson<{ ifname: string }>('link show')) {
    if (ifname !== 'lo') host.ip(`link set ${ifname} down`);
  }
  host.killAll();
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

interface LinkAddresses {
  readonly router: readonly string[];
  readonly host: readonly string[];
}

/** Both ends of a link: the router has .1, what hangs on it .2. On a /30 FRR would peer with the IPv4 address of the other end. */
function linkAddresses(row: number, index: number): LinkAddresses {
  return {
    router: [`10.${row}.${index}.1/24`, `fd00:${row}:${index}::1/64`],
    host: [`10.${row}.${index}.2/24`, `fd00:${row}:${index}::2/64`],
  };
}

function firstAddress(addresses: readonly string[], family: 0 | 1): string {
  return (addresses[family] as string).split('/')[0] as string;
}

function linkNeighbor(row: number, index: number): { readonly router: string; readonly host: string } {
  const at = linkAddresses(row, index);
  return { router: firstAddress(at.router, 0), host: firstAddress(at.host, 0) };
}

function heading(name: string, asn: number, id: string): string[] {
  return [
    `hostname ${name}`,
    'ip forwarding',
    'ipv6 forwarding',
    `router bgp ${asn}`,
    ` bgp router-id ${id}`,
    ' no bgp ebgp-requires-policy',
    ' no bgp default ipv4-unicast',
    ' bgp bestpath as-path multipath-relax',
    ' timers bgp 3 9',
  ];
}

function numberedNeighbor(address: string, asn: number): string[] {
  return [
    ` neighbor ${address} remote-as ${asn}`,
    ` neighbor ${address} timers connect 1`,
    ` neighbor ${address} advertisement-interval 0`,
  ];
}

function interfaceNeighbor(name: string): string[] {
  return [
    ` neighbor ${name} interface remote-as ${CLUSTER_AS}`,
    ` neighbor ${name} timers connect 1`,
    ` neighbor ${name} advertisement-interval 0`,
  ];
}

function families(neighbors: readonly string[], more: readonly string[]): string[] {
  return ['ipv4', 'ipv6'].flatMap((family) => [
    ` address-family ${family} unicast`,
    ...neighbors.map((name) => `  neighbor ${name} activate`),
    ...more.map((line) => `  ${line}`),
    '  maximum-paths 8',
    ' exit-address-family',
  ]);
}
