import { formatIp, type IpAddress, ipEquals, ipv4FromUint32 } from 'bgp-ts';
import { Reporter } from './document.ts';
import type { Problem } from './problem.ts';
import type { ResourceSet } from './resource-set.ts';
import type { BgpConfigurationSpec } from './resources/bgp-configuration.ts';
import type { NodeResource } from './resources/node.ts';
import { matchesSelector, type Selector } from './selector.ts';

/** AS number of a cluster that does not say. */
export const DEFAULT_AS = 64512;
/** TCP port of BGP. */
export const BGP_PORT = 179;

/** A node with everything filled in that others need to know about it. */
export interface ClusterNode {
  readonly name: string;
  readonly asn: number;
  readonly listenPort: number;
  readonly ipv4Address: IpAddress | undefined;
  readonly ipv6Address: IpAddress | undefined;
  /** Set: a route reflector. */
  readonly clusterId: IpAddress | undefined;
  readonly resource: NodeResource;
}

/** The cluster as one node sees it. */
export interface Cluster {
  readonly resources: ResourceSet;
  readonly nodes: readonly ClusterNode[];
  readonly self: ClusterNode;
  /** BGPConfiguration `default`, with what `node.SELF` may override. */
  readonly configuration: BgpConfigurationSpec;
}

/** Fields that BGPConfiguration `node.NAME` may override in Calico's dialect. */
const CALICO_NODE_FIELDS = ['logSeverityScreen', 'listenPort', 'prefixAdvertisements', 'communities'];

/** Puts the cluster together around one of its nodes; nothing if the node is not there. */
export function assembleCluster(resources: ResourceSet, nodeName: string, problems: Problem[]): Cluster | undefined {
  const defaults = resources.configurations.find(({ name }) => name === 'default')?.spec ?? {};
  warnAboutNames(resources, problems);
  const nodes = resources.nodes.map((resource): ClusterNode => {
    const own = nodeConfiguration(resources, resource.name, problems, resource.name === nodeName);
    const { asNumber, ipv4Address, ipv6Address, routeReflectorClusterID } = resource.spec;
    return {
      name: resource.name,
      asn: asNumber ?? own.asNumber ?? defaults.asNumber ?? DEFAULT_AS,
      listenPort: own.listenPort ?? defaults.listenPort ?? BGP_PORT,
      ipv4Address,
      ipv6Address,
      clusterId: routeReflectorClusterID,
      resource,
    };
  });
  checkAddresses(nodes, problems);
  const self = nodes.find((node) => node.name === nodeName);
  if (self === undefined) {
    const known = nodes.map(({ name }) => name);
    const list = known.length === 0 ? 'there is no Node at all' : `there are ${known.slice(0, 20).join(', ')}`;
    const message = `this node is ${JSON.stringify(nodeName)}, and no Node has that name: ${list}`;
    problems.push({ severity: 'error', file: '', path: '', message });
    return undefined;
  }
  return {
    resources,
    nodes,
    self,
    configuration: { ...defaults, ...nodeConfiguration(resources, nodeName, [], false) },
  };
}

/**
 * The name of the node to run as: the one asked for; else the only Node there is; else the Node named like the host, with or without
 * its domain. Nothing if none of these leads to a Node.
 */
export function chooseNodeName(
  resources: ResourceSet,
  asked: string | undefined,
  hostname: string,
): string | undefined {
  if (asked !== undefined && asked !== '') return asked;
  const names = resources.nodes.map(({ name }) => name);
  if (names.length === 1) return names[0];
  const host = hostname.toLowerCase();
  return [host, host.split('.')[0] ?? host].find((name) => names.includes(name));
}

/** True if a node's labels are selected. */
export function selectsNode(selector: Selector, node: ClusterNode): boolean {
  return matchesSelector(selector, node.resource.labels);
}

/** The node's address of one version. */
export function nodeAddress(node: ClusterNode, version: 4 | 6): IpAddress | undefined {
  return version === 4 ? node.ipv4Address : node.ipv6Address;
}

/** The node that has an address. */
export function nodeWithAddress(nodes: readonly ClusterNode[], address: IpAddress): ClusterNode | undefined {
  return nodes.find((node) => {
    const own = nodeAddress(node, address.version);
    return own !== undefined && ipEquals(own, address);
  });
}

/** A router id made of the node's name, for nodes without an IPv4 address: FNV-1a, never 0.0.0.0. */
export function hashedRouterId(name: string): IpAddress {
  let hash = 0x811c9dc5;
  for (const octet of Buffer.from(name)) hash = Math.imul(hash ^ octet, 0x01000193);
  return ipv4FromUint32(hash >>> 0 || 1);
}

function nodeConfiguration(
  resources: ResourceSet,
  nodeName: string,
  problems: Problem[],
  report: boolean,
): BgpConfigurationSpec {
  const resource = resources.configurations.find(({ name }) => name === `node.${nodeName}`);
  if (resource === undefined) return {};
  if (resource.dialect === 'podroute') return resource.spec;
  const entries = Object.entries(resource.spec);
  if (report) {
    const reporter = new Reporter(resource.origin, `BGPConfiguration ${resource.name}`);
    for (const [key, value] of entries) {
      if (value === undefined || CALICO_NODE_FIELDS.includes(key)) continue;
      reporter.warn(
        ['spec', key],
        'cannot be set for a single node, ignored: it belongs into BGPConfiguration default',
      );
    }
    problems.push(...reporter.problems);
  }
  return Object.fromEntries(entries.filter(([key]) => CALICO_NODE_FIELDS.includes(key)));
}

function warnAboutNames(resources: ResourceSet, problems: Problem[]): void {
  for (const { name, kind, origin } of [...resources.configurations, ...resources.speakers]) {
    if (name === 'default' || name.startsWith('node.')) continue;
    const reporter = new Reporter(origin, `${kind} ${name}`);
    const message = `${JSON.stringify(name)}: ignored, the name must be default, or node. and the name of a node`;
    reporter.warn(['metadata', 'name'], message);
    problems.push(...reporter.problems);
  }
}

/** Two nodes with one address could not be told apart. */
function checkAddresses(nodes: readonly ClusterNode[], problems: Problem[]): void {
  const owners = new Map<string, string>();
  for (const node of nodes) {
    for (const address of [node.ipv4Address, node.ipv6Address]) {
      if (address === undefined) continue;
      const text = formatIp(address);
      const other = owners.get(text);
      if (other === undefined) {
        owners.set(text, node.name);
        continue;
      }
      const reporter = new Reporter(node.resource.origin, `Node ${node.name}`);
      reporter.error(['spec'], `${text}: is also the address of Node ${other}`);
      problems.push(...reporter.problems);
    }
  }
}
