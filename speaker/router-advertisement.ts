import { type IpAddress, ip, isLinkLocal } from 'bgp-ts';

/** ICMPv6 types of router discovery (RFC 4861 §4.1, §4.2). */
export const DiscoveryType = { RouterSolicitation: 133, RouterAdvertisement: 134 } as const;

/** All nodes and all routers of a link. */
export const allNodes: IpAddress = ip('ff02::1');
export const allRouters: IpAddress = ip('ff02::2');

/** What was sent beyond one link has passed a router, which lowers it: only this value proves a neighbour (RFC 4861 §6.1). */
export const DISCOVERY_HOP_LIMIT = 255;

const ADVERTISEMENT_OCTETS = 16;
const SOLICITATION_OCTETS = 8;
/** `cmsghdr` on 64-bit Linux: length (8), level (4), type (4). */
const CONTROL_HEADER_OCTETS = 16;
const IPPROTO_IPV6 = 41;
const IPV6_HOPLIMIT = 52;

/**
 * A router advertisement that says no more than that there is a router here: lifetime 0, so nobody takes it for a default router, and no
 * prefix (RFC 4861 §4.2). The kernel fills in the checksum.
 */
export function routerAdvertisement(): Uint8Array {
  const octets = new Uint8Array(ADVERTISEMENT_OCTETS);
  octets[0] = DiscoveryType.RouterAdvertisement;
  return octets;
}

/** Asks the routers of the link to advertise themselves now (RFC 4861 §4.1). */
export function routerSolicitation(): Uint8Array {
  const octets = new Uint8Array(SOLICITATION_OCTETS);
  octets[0] = DiscoveryType.RouterSolicitation;
  return octets;
}

/** `struct icmp6_filter` that lets router discovery pass and nothing else: a bit set keeps a type out. */
export function discoveryFilter(): Uint8Array {
  const words = new Uint32Array(8).fill(0xffff_ffff);
  for (const type of Object.values(DiscoveryType)) words[type >> 5]! &= ~(1 << (type & 31));
  return new Uint8Array(words.buffer);
}

/** A packet as the socket gave it. */
export interface DiscoveryPacket {
  readonly bytes: Uint8Array;
  readonly octets: number;
  readonly source: IpAddress;
  readonly hopLimit: number | undefined;
}

/**
 * What a received packet is (RFC 4861 §6.1.1, §6.1.2); undefined for one that must be dropped: not from this link, cut short, or from
 * somebody without a link-local address where he needs one.
 */
export function readDiscovery(packet: DiscoveryPacket): 'advertisement' | 'solicitation' | undefined {
  const { bytes, octets, source, hopLimit } = packet;
  if (hopLimit !== DISCOVERY_HOP_LIMIT || octets < SOLICITATION_OCTETS || bytes[1] !== 0) return undefined;
  if (bytes[0] === DiscoveryType.RouterSolicitation) return 'solicitation';
  if (bytes[0] !== DiscoveryType.RouterAdvertisement || octets < ADVERTISEMENT_OCTETS) return undefined;
  return isLinkLocal(source) ? 'advertisement' : undefined;
}

/** The hop limit among control messages (`IPV6_RECVHOPLIMIT`), if it is there. */
export function hopLimitOf(control: Uint8Array): number | undefined {
  const view = new DataView(control.buffer, control.byteOffset, control.byteLength);
  let at = 0;
  while (at + CONTROL_HEADER_OCTETS + 4 <= control.length) {
    const length = Number(view.getBigUint64(at, true));
    if (length < CONTROL_HEADER_OCTETS) return undefined;
    if (view.getInt32(at + 8, true) === IPPROTO_IPV6 && view.getInt32(at + 12, true) === IPV6_HOPLIMIT) {
      return view.getInt32(at + CONTROL_HEADER_OCTETS, true);
    }
    at += (length + 7) & ~7;
  }
  return undefined;
}
