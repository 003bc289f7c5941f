import { type Frr, startFrr } from './frr.ts';
import type { Lab, LabHost } from './lab.ts';
import { type Podroute, startPodroute } from './podroute.ts';

/** A pod of the lab: a namespace that the CNI plugin wired. */
export interface LabPod {
  readonly name: string;
  readonly node: LabNode;
  readonly host: LabHost;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** A node of the lab: one rack, one AS, one subnet behind the ToR. */
export interface LabNode {
  readonly name: string;
  readonly asn: number;
  readonly index: number;
  readonly host: LabHost;
  readonly podroute: Podroute;
}

/** The demonstration's network: a top-of-rack router and two nodes on subnets of their own behind it. */
export interface TwoRacks {
  readonly tor: LabHost;
  readonly frr: Frr;
  readonly nodes: readonly LabNode[];
}

const TOR_AS = 65000;
const FIRST_NODE_AS = 64512;

/** Addresses of rack `index` (from 1): the ToR has .1 and the node .10 of both families; the pods' blocks follow. */
export function rackAddresses(index: number) {
  return {
    torIpv4: `10.0.${index}.1`,
    torIpv6: `fd00:0:0:${index}::1`,
    nodeIpv4: `10.0.${index}.10`,
    nodeIpv6: `fd00:0:0:${index}::10`,
    podsIpv4: `10.244.${index}.0/26`,
    podsIpv6: `fd00:10:244:${index}::/122`,
  };
}

/** Builds the hosts, links and routers, and starts podrouted on both nodes. Sessions come up after that by themselves. */
export function buildTwoRacks(lab: Lab): TwoRacks {
  const tor = lab.host('tor');
  const racks = [1, 2];
  const nodeHosts = racks.map((index) => {
    const a = rackAddresses(index);
    const host = lab.host(`node${index}`);
    lab.link(tor, `rack${index}`, [`${a.torIpv4}/24`, `${a.torIpv6}/64`], host, 'eth0', [
      `${a.nodeIpv4}/24`,
      `${a.nodeIpv6}/64`,
    ]);
    host.ip(`route add default via ${a.torIpv4}`);
    host.ip(`-6 route add default via ${a.torIpv6}`);
    return host;
  });
  const frr = startFrr(tor, torConfig(racks));
  const nodes = nodeHosts.map((host, i) => {
    const index = i + 1;
    return {
      name: host.name,
      asn: FIRST_NODE_AS + i,
      index,
      host,
      podroute: startPodroute(host, nodeConfig(index, FIRST_NODE_AS + i)),
    };
  });
  return { tor, frr, nodes };
}

/** frr.conf of the ToR: one eBGP session for both families to each rack's node. */
function torConfig(racks: readonly number[]): string[] {
  const neighbors = racks.map((index) => ({ address: rackAddresses(index).nodeIpv4, asn: FIRST_NODE_AS + index - 1 }));
  return [
    'hostname tor',
    'ip forwarding',
    'ipv6 forwarding',
    `router bgp ${TOR_AS}`,
    ' bgp router-id 10.255.0.1',
    ' no bgp ebgp-requires-policy',
    ' no bgp default ipv4-unicast',
    ' timers bgp 3 9',
    ...neighbors.flatMap((n) => [
      ` neighbor ${n.address} remote-as ${n.asn}`,
      ` neighbor ${n.address} timers connect 1`,
      ` neighbor ${n.address} advertisement-interval 0`,
    ]),
    ...['ipv4', 'ipv6'].flatMap((family) => [
      ` address-family ${family} unicast`,
      ...neighbors.map((n) => `  neighbor ${n.address} activate`),
      ' exit-address-family',
    ]),
  ];
}

/** podroute.yaml of a node: who it is, its pod blocks, its ToR. */
export function nodeConfig(index: number, asn: number): string {
  const a = rackAddresses(index);
  return `apiVersion: podroute.io/v1
kind: Node
metadata: { name: node${index} }
spec:
  bgp: { asNumber: ${asn}, ipv4Address: ${a.nodeIpv4}/24, ipv6Address: "${a.nodeIpv6}/64" }
  podCIDRs: [${a.podsIpv4}, "${a.podsIpv6}"]
---
apiVersion: podroute.io/v1
kind: BGPPeer
metadata: { name: tor }
spec: { peerIP: ${a.torIpv4}, asNumber: ${TOR_AS}, holdTime: 9s, policy: { import: accept, export: own } }
`;
}

/** Makes a pod on `node`: a namespace, wired by calling the CNI plugin exactly as a container runtime does. */
export function addPod(lab: Lab, node: LabNode, name: string): LabPod {
  const host = lab.host(name);
  const result = node.podroute.cni('ADD', { id: name, netns: host.namespacePath });
  if (result.status !== 0) {
    throw new Error(`CNI ADD for ${name} on ${node.name}: exit ${result.status}: ${result.stdout}${result.stderr}`);
  }
  const answer = JSON.parse(result.stdout) as { ips: { address: string }[] };
  const address = (version: 4 | 6): string => {
    const found = answer.ips.find((ip) => ip.address.includes(':') === (version === 6));
    return found === undefined ? '' : (found.address.split('/')[0] as string);
  };
  return { name, node, host, ipv4: address(4), ipv6: address(6) };
}
