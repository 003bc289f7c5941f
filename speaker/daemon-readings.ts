import { formatIp, formatPrefix, type IpAddress, type Prefix } from 'bgp-ts';
import type { HealthReply, PolicyMode } from '../lib/api.ts';
import type { Block, Pod } from '../lib/api-pods.ts';
import type { PeerFacts } from './api/peer-view.ts';

/** A pod as pod wiring knows it. */
export interface PodSource {
  readonly containerId: string;
  readonly ifName: string;
  readonly hostIfName: string;
  readonly network: string;
  readonly podNamespace?: string;
  readonly podName?: string;
  readonly addresses: readonly IpAddress[];
  readonly createdMs: number;
}

/** A pod as the control API shows it. */
export function podReading(pod: PodSource): Pod {
  return {
    containerId: pod.containerId,
    interface: pod.ifName,
    hostInterface: pod.hostIfName,
    network: pod.network,
    addresses: pod.addresses.map(formatIp),
    createdAt: new Date(pod.createdMs).toISOString(),
    ...(pod.podNamespace === undefined ? {} : { namespace: pod.podNamespace }),
    ...(pod.podName === undefined ? {} : { name: pod.podName }),
  };
}

/** A block as address management knows it. */
export interface BlockSource {
  readonly prefix: Prefix;
  readonly capacity: number;
  readonly used: number;
}

/** What the configuration says about blocks. */
export interface BlockSettings {
  readonly blocks: readonly {
    readonly prefix: Prefix;
    readonly pool: string | undefined;
    readonly advertise: boolean;
  }[];
  readonly fib: { readonly enabled: boolean; readonly discardType: 'blackhole' | 'unreachable' };
}

/**
 * Blocks as the control API shows them. One that is no longer configured is announced as long as a pod lives in it.
 * @param discarded prefixes with a discard route, by their text
 */
export function blockReadings(
  blocks: readonly BlockSource[],
  { blocks: configured, fib }: BlockSettings,
  discarded: ReadonlyMap<string, Prefix>,
): Block[] {
  return blocks.map(({ prefix, capacity, used }) => {
    const text = formatPrefix(prefix);
    const desired = configured.find((block) => formatPrefix(block.prefix) === text);
    return {
      prefix: text,
      family: prefix.address.version === 4 ? 'ipv4-unicast' : 'ipv6-unicast',
      size: capacity,
      used,
      free: Math.max(0, capacity - used),
      advertised: desired?.advertise ?? true,
      discard: fib.enabled && discarded.has(text) ? fib.discardType : 'none',
      ...(desired?.pool === undefined ? {} : { pool: desired.pool }),
    };
  });
}

/** The state of the kernel routes, for the health report. */
export function kernelCheck(counters: {
  readonly failed: number;
  readonly pending: number;
}): HealthReply['checks'][number] {
  const { failed, pending } = counters;
  const detail = `${failed} refused by the kernel, ${pending} on their way`;
  return { name: 'kernel routes', ok: failed === 0, ...(failed + pending === 0 ? {} : { detail }) };
}

/** A policy in use, and why. */
export interface PolicyUse {
  readonly policy: string;
  readonly mode: PolicyMode['mode'];
}

/** What the configuration says of a peer, static or accepted by prefix. */
export interface PeerSource {
  readonly routeReflectorClient: boolean;
  readonly nextHop: string;
  readonly maxPrefixes: { readonly count: number } | undefined;
  readonly importPolicy: PolicyUse;
  readonly exportPolicy: PolicyUse;
}

/** A peer's settings as the control API shows them. */
export function peerFacts(peer: PeerSource, description: string | undefined): PeerFacts {
  return {
    description,
    routeReflectorClient: peer.routeReflectorClient,
    nextHop: peer.nextHop,
    maxPrefix: peer.maxPrefixes?.count,
    importPolicy: policyMode(peer.importPolicy, 'import'),
    exportPolicy: policyMode(peer.exportPolicy, 'export'),
  };
}

function policyMode({ policy, mode }: PolicyUse, direction: 'import' | 'export'): PolicyMode {
  if (mode === 'configured') return { mode, names: [policy] };
  return { mode, names: [], reason: reasons[mode](direction) };
}

const reasons = {
  calico: (direction: string) =>
    direction === 'import' ? 'Calico resources import everything' : 'Calico resources export what this node originates',
  rfc8212: (direction: string) => `eBGP without an ${direction} policy passes nothing (RFC 8212)`,
  ibgp: (direction: string) => `iBGP without an ${direction} policy`,
} as const;
