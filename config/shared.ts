import { formatIp, type IpAddress } from 'bgp-ts';
import type { Problem } from './problem.ts';
import type { NodeResource } from './resources/node.ts';
import type { AnyResource } from './resources/table.ts';

/** What a node knows of its cluster beside its own files. */
export interface SharedConfig {
  /** Resources of the store: `name` is what messages call the place. */
  readonly documents: readonly { readonly name: string; readonly text: string }[];
  /** Nodes that registered. */
  readonly nodes: readonly SharedNode[];
}

/** A node as its registration describes it; addresses in canonical text. */
export interface SharedNode {
  readonly name: string;
  readonly asNumber: number;
  readonly ipv4Address?: string;
  readonly ipv6Address?: string;
  readonly routerId: string;
  /** Set: a route reflector. */
  readonly clusterId?: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Nothing is shared. */
export const nothingShared: SharedConfig = { documents: [], nodes: [] };

/**
 * Files before the store: a resource that is in both is taken from the file.
 * @returns all resources, and a warning for each that was passed over
 */
export function mergeStored(
  files: readonly AnyResource[],
  stored: readonly AnyResource[],
): { resources: AnyResource[]; problems: Problem[] } {
  const idOf = ({ kind, name }: AnyResource) => `${kind} ${name}`;
  const inFiles = new Map(files.map((resource) => [idOf(resource), resource]));
  const problems: Problem[] = [];
  const kept = stored.filter((resource) => {
    const file = inFiles.get(idOf(resource));
    if (file === undefined) return true;
    problems.push({
      severity: 'warning',
      file: resource.origin.file,
      path: '',
      message: `is also in ${file.origin.file}, document ${file.origin.document}, which holds`,
    });
    return false;
  });
  return { resources: [...files, ...kept], problems };
}

/** Addresses that a node found out about itself, where its Node names none. */
export interface DetectedAddresses {
  readonly ipv4?: IpAddress | undefined;
  readonly ipv6?: IpAddress | undefined;
}

/** Fills in what this node's own Node leaves open. */
export function withDetected(
  resources: readonly AnyResource[],
  self: string | undefined,
  { ipv4, ipv6 }: DetectedAddresses,
): AnyResource[] {
  return resources.map((resource) => {
    if (resource.kind !== 'Node' || resource.name !== self) return resource;
    const { ipv4Address = ipv4, ipv6Address = ipv6 } = resource.spec;
    return { ...resource, spec: { ...resource.spec, ipv4Address, ipv6Address } };
  });
}

/** A text that reads as the Node that a registration stands for. */
export function registeredNodeText(node: SharedNode): string {
  const { name, asNumber, ipv4Address, ipv6Address, routerId, clusterId, labels } = node;
  const spec = { asNumber, ipv4Address, ipv6Address, routerID: routerId, routeReflectorClusterID: clusterId };
  return JSON.stringify({ apiVersion: 'podroute.io/v1', kind: 'Node', metadata: { name, labels }, spec });
}

/**
 * Puts registered nodes beside the Nodes that somebody wrote. Where both are there, what was written holds, field by field, and what it
 * leaves open comes from the registration. This node's own Node is not touched: its registration is made of it.
 */
export function mergeRegistered(
  resources: readonly AnyResource[],
  registered: readonly AnyResource[],
  self: string | undefined,
): AnyResource[] {
  const nodes = registered.filter((resource): resource is NodeResource => resource.kind === 'Node');
  const open = new Map(nodes.map((node) => [node.name, node]));
  const written = resources.map((resource) => {
    if (resource.kind !== 'Node') return resource;
    const other = open.get(resource.name);
    open.delete(resource.name);
    if (other === undefined || resource.name === self) return resource;
    const spec = Object.fromEntries(Object.entries(resource.spec).filter(([, value]) => value !== undefined));
    return { ...resource, labels: { ...other.labels, ...resource.labels }, spec: { ...other.spec, ...spec } };
  });
  return [...written, ...[...open.values()].filter(({ name }) => name !== self)];
}

/** What a node registers, out of what its configuration means for it. */
export function sharedNode(node: {
  readonly name: string;
  readonly asn: number;
  readonly ipv4Address: Parameters<typeof formatIp>[0] | undefined;
  readonly ipv6Address: Parameters<typeof formatIp>[0] | undefined;
  readonly routerId: Parameters<typeof formatIp>[0];
  readonly clusterId: Parameters<typeof formatIp>[0] | undefined;
  readonly labels: Readonly<Record<string, string>>;
}): SharedNode {
  return {
    name: node.name,
    asNumber: node.asn,
    ...(node.ipv4Address === undefined ? {} : { ipv4Address: formatIp(node.ipv4Address) }),
    ...(node.ipv6Address === undefined ? {} : { ipv6Address: formatIp(node.ipv6Address) }),
    routerId: formatIp(node.routerId),
    ...(node.clusterId === undefined ? {} : { clusterId: formatIp(node.clusterId) }),
    labels: node.labels,
  };
}
