import type { ByteReader, ByteWriter } from '../bytes.ts';
import type { SessionContext } from '../context.ts';
import { Families, type FamilyName } from '../iana.ts';
import { type IpAddress, isLinkLocal, isLoopback, isMulticast, isUnspecified } from '../ip.ts';
import { isIpv4Host } from './next-hop.ts';

/** The next hop field of MP_REACH_NLRI. */
export interface MpNextHop {
  readonly nextHop: IpAddress;
  readonly linkLocalNextHop?: IpAddress;
}

/** Whether a next hop field of `octets` octets is right for the family: 4 (IPv4), 16 or 32 (IPv6, or IPv4 by RFC 8950). */
export function isMpNextHopLength(octets: number, family: FamilyName, context: SessionContext): boolean {
  if (family === 'ipv4-unicast') {
    return octets === 4 || ((octets === 16 || octets === 32) && context.extendedNextHop?.has(family) === true);
  }
  return octets === 16 || octets === 32;
}

/**
 * Reads the next hop field, all of `r`, whose length was checked before (RFC 4760 §3, RFC 2545 §3).
 *
 * Of a pair the second counts only if it is link-local. BIRD sends `::` in front of it when it has no global address: then the
 * link-local address is the next hop.
 */
export function readMpNextHop(r: ByteReader): MpNextHop {
  if (r.remaining === 4) return { nextHop: { version: 4, octets: r.copy(4) } };
  const nextHop: IpAddress = { version: 6, octets: r.copy(16) };
  if (r.remaining === 0) return { nextHop };
  const linkLocalNextHop: IpAddress = { version: 6, octets: r.copy(16) };
  if (!isLinkLocal(linkLocalNextHop)) return { nextHop };
  return isUnspecified(nextHop) ? { nextHop: linkLocalNextHop } : { nextHop, linkLocalNextHop };
}

/** Whether a next hop is the address of a host: not unspecified, loopback, multicast, or (IPv4) from a reserved block. */
export function isNextHopHost(address: IpAddress): boolean {
  if (address.version === 4) return isIpv4Host(address);
  return !isUnspecified(address) && !isLoopback(address) && !isMulticast(address);
}

/** Writes length octet, next hop or hops, and the reserved octet. */
function writeMpNextHop(w: ByteWriter, value: MpNextHop): void {
  w.u8(value.nextHop.octets.length + (value.linkLocalNextHop?.octets.length ?? 0));
  w.octets(value.nextHop.octets);
  if (value.linkLocalNextHop) w.octets(value.linkLocalNextHop.octets);
  w.u8(0);
}

/** Writes the value of MP_REACH_NLRI up to its NLRI: AFI (2), SAFI (1), length of the next hop (1), next hop, reserved (1). */
export function writeMpReachHead(w: ByteWriter, family: FamilyName, value: MpNextHop): void {
  w.u16(Families[family].afi);
  w.u8(Families[family].safi);
  writeMpNextHop(w, value);
}
