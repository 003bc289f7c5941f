import { createHash } from 'node:crypto';
import { type IpAddress, ip } from 'bgp-ts';

/** What every pod uses as its IPv4 gateway; the host end of its veth holds it. */
export const gateway4: IpAddress = ip('169.254.1.1');

/** What every pod uses as its IPv6 gateway: a link-local address of the host end. */
export const gateway6: IpAddress = ip('fe80::1');

/** All that is needed to wire one pod. Names and paths have been checked by the time they stand here. */
export interface WireRequest {
  readonly containerId: string;
  /** Name of the network configuration. */
  readonly network: string;
  /** Interface name inside the pod. */
  readonly ifName: string;
  /** Name of the host end, see {@link hostIfName}. */
  readonly hostIfName: string;
  /** Path of the pod's network namespace. */
  readonly netns: string;
  /** At most one per family. */
  readonly addresses: readonly IpAddress[];
  /** Octets; nothing means the smallest MTU of the node's uplinks. */
  readonly mtu?: number;
  /** Whether the pod's default routes go through this interface. */
  readonly defaultRoutes: boolean;
}

/** What wiring gave. */
export interface WiredPod {
  readonly hostMac: string;
  readonly podMac: string;
  /** Octets. */
  readonly mtu: number;
}

/** The pod behind a host end. */
export interface HostInterfaceOwner {
  readonly containerId: string;
  readonly ifName: string;
  readonly network: string;
  readonly netns: string;
}

/** A host end found in the kernel. */
export interface HostInterface {
  readonly name: string;
  /** Addresses that routes of ours lead to through this interface. */
  readonly addresses: readonly IpAddress[];
  /** Whose it is, as {@link Wiring.wire} noted it on the interface; absent when it was killed before it could. */
  readonly owner?: HostInterfaceOwner;
}

/** The kernel, as the CNI commands need it. Every method may be called again after a failure or a crash. */
export interface Wiring {
  /**
   * Makes the veth pair, addresses, routes and sysctls. When it returns, the routes to the pod are in the kernel.
   * A leftover host end of the same name is replaced.
   * @throws WiringError after everything it had done is undone
   */
  wire(request: WireRequest): Promise<WiredPod>;
  /** Deletes the host end and with it the pair, its addresses and routes. Nothing there: nothing to do. */
  unwire(hostIfName: string): Promise<void>;
  /** What is not as {@link wire} left it, one sentence each; empty when all is well. */
  verify(request: WireRequest): Promise<readonly string[]>;
  /**
   * Puts the host end's own part (addresses, sysctls, routes to the pod) back, as after someone flushed routes.
   * @returns false when there is no host end, so that the pod cannot be alive
   */
  repairHost(request: Pick<WireRequest, 'hostIfName' | 'addresses'>): Promise<boolean>;
  /** All host ends of ours on this node. */
  hostInterfaces(): Promise<readonly HostInterface[]>;
  /** Sets the node's forwarding switches for the families given. */
  prepareHost(families: { readonly ipv4: boolean; readonly ipv6: boolean }): void;
  close(): Promise<void>;
}

/** A step the kernel refused. */
export class WiringError extends Error {
  readonly detail: WiringFailure;

  constructor(detail: WiringFailure, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'WiringError';
    this.detail = detail;
  }
}

/** Why wiring failed. */
export type WiringFailure =
  | { readonly code: 'no-namespace'; readonly netns: string }
  | { readonly code: 'interface-exists'; readonly ifName: string }
  | { readonly code: 'refused'; readonly step: string; readonly errno: string };

/**
 * The name of the host end: `pr` and 13 hexadecimal digits of a hash, so that it follows from what DEL is given and
 * fits the kernel's 15 characters.
 */
export function hostIfName(containerId: string, ifName: string): string {
  return `pr${createHash('sha256').update(`${containerId}\0${ifName}`).digest('hex').slice(0, 13)}`;
}

/**
 * The hardware address of the pod's end: follows from the same hash, with the bit of addresses given locally, so that
 * nobody has to ask the kernel which one it took.
 */
export function podMac(containerId: string, ifName: string): Uint8Array {
  const octets = createHash('sha256').update(`${containerId}\0${ifName}`).digest().subarray(16, 22);
  octets[0] = ((octets[0] ?? 0) & 0xfc) | 0x02;
  return octets;
}

/** What {@link hostIfName} makes. */
export const hostIfNamePattern = /^pr[0-9a-f]{13}$/;

/** What an interface of ours says about itself in `ip link`: enough to know the pod again should the store be lost. */
export function ownerText(owner: HostInterfaceOwner): string {
  const text = `podroute ${owner.containerId} ${owner.ifName} ${owner.network} ${owner.netns}`;
  return text.length <= maxAliasOctets ? text : '';
}

/** Reads what {@link ownerText} wrote. */
export function parseOwner(text: string | undefined): HostInterfaceOwner | undefined {
  const [, containerId, ifName, network, netns] = /^podroute (\S+) (\S+) (\S+) (\/.*)$/.exec(text ?? '') ?? [];
  if (containerId === undefined || ifName === undefined || network === undefined || netns === undefined)
    return undefined;
  return { containerId, ifName, network, netns };
}

/** The kernel takes 255 and an end. */
const maxAliasOctets = 255;
