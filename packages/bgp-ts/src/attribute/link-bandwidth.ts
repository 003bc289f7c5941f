/** Bandwidth of a link, as an extended community tells it (draft-ietf-idr-link-bandwidth §3). */
export interface LinkBandwidth {
  /** AS number, two octets; AS_TRANS in place of a larger one. */
  readonly asn: number;
  /** Octets per second, not bits; 0 and above. Written with the precision of 32-bit floating point. */
  readonly octetsPerSecond: number;
  /** Passed on to other ASes. The draft began without; both forms are in use. */
  readonly isTransitive: boolean;
}

/** Subtype of the two-octet AS specific extended community. */
const LINK_BANDWIDTH = 4;
/** Type octet: two-octet AS specific, transitive and not (RFC 4360 §3.1). */
const TRANSITIVE = 0x00;
const NON_TRANSITIVE = 0x40;

/** What a community says of a link's bandwidth; undefined for another community, or for a number that is no bandwidth. */
export function parseLinkBandwidth(community: Uint8Array): LinkBandwidth | undefined {
  if (community.length !== 8 || community[1] !== LINK_BANDWIDTH) return undefined;
  if (community[0] !== TRANSITIVE && community[0] !== NON_TRANSITIVE) return undefined;
  const view = new DataView(community.buffer, community.byteOffset, 8);
  const octetsPerSecond = view.getFloat32(4);
  if (!(octetsPerSecond >= 0) || octetsPerSecond === Number.POSITIVE_INFINITY) return undefined;
  return { asn: view.getUint16(2), octetsPerSecond, isTransitive: community[0] === TRANSITIVE };
}

/**
 * The community of a bandwidth.
 * @throws RangeError for an AS number above 65535 or a bandwidth that is negative or not finite
 */
export function makeLinkBandwidth({ asn, octetsPerSecond, isTransitive }: LinkBandwidth): Uint8Array {
  if (!Number.isInteger(asn) || asn < 0 || asn > 0xffff) throw new RangeError(`AS ${asn}: must be 0 to 65535`);
  const isBandwidth = octetsPerSecond >= 0 && Math.fround(octetsPerSecond) < Number.POSITIVE_INFINITY;
  if (!isBandwidth) throw new RangeError(`${octetsPerSecond} octets per second: must be 0 or more`);
  const community = new Uint8Array(8);
  community[0] = isTransitive ? TRANSITIVE : NON_TRANSITIVE;
  community[1] = LINK_BANDWIDTH;
  const view = new DataView(community.buffer);
  view.setUint16(2, asn);
  view.setFloat32(4, octetsPerSecond);
  return community;
}
