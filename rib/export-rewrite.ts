import { AttributeCode } from 'bgp-ts';
import { type AsPathEdit, editAsPath, prependAsPath, Segment } from './as-path-rewrite.ts';
import { copyInto, put32, putHeader, putInt32 } from './octets.ts';

/** What becomes of LOCAL_PREF. */
export const LocalPrefMode = {
  /** It stays as it is, also if it is not there. */
  Keep: 0,
  /** Put in where it is not there. */
  Fill: 1,
  /** Replaced, or put in. */
  Set: 2,
  /** Taken out: the route leaves the AS (RFC 4271 §5.1.5). */
  Drop: 3,
} as const;

/** What becomes of the attributes of a set when it is sent to a group of peers, or was received from one. All numbers are signed 32-bit. */
export interface Rewrite {
  /** Put this AS in front of AS_PATH, and `secondAs` behind it; 0: leave it. */
  prependAs: number;
  secondAs: number;
  /** Type of the segment they go into, see `Segment`. */
  prependType: number;
  /** Further changes of AS_PATH, undefined if there are none. */
  edit: AsPathEdit | undefined;
  /** IPv4: put this NEXT_HOP in; 0: there is none among the octets (IPv6). */
  nextHop4: number;
  /** `LocalPrefMode`, and the value to put in. */
  localPrefMode: number;
  localPref: number;
  keepMed: boolean;
  /** Reflection (RFC 4456 §8): ORIGINATOR_ID to put in where there is none, and cluster id to prepend. */
  isReflected: boolean;
  originatorId: number;
  clusterId: number;
  /** Take ORIGINATOR_ID and CLUSTER_LIST out: the route leaves the AS, or the member AS. */
  dropsReflection: boolean;
  /** The route leaves the AS, or the confederation: remove what must not. */
  leavesAs: boolean;
  /** Add this community if it is not there; 0: none. */
  addedCommunity: number;
  /** Put this ONLY_TO_CUSTOMER in where there is none (RFC 9234 §5); 0: do not. */
  otc: number;
  /** Extended community to add to attributes that are known to have none of this kind; undefined: none. */
  extendedCommunity: Uint8Array | undefined;
  dropsAigp: boolean;
  /** Added to the metric of AIGP (RFC 7311 §3.4.3), unsigned. */
  aigpCost: number;
}

/** A rewrite that changes nothing, to be filled in. */
export function emptyRewrite(): Rewrite {
  return {
    prependAs: 0,
    secondAs: 0,
    prependType: Segment.Sequence,
    edit: undefined,
    nextHop4: 0,
    localPrefMode: LocalPrefMode.Keep,
    localPref: 0,
    keepMed: true,
    isReflected: false,
    originatorId: 0,
    clusterId: 0,
    dropsReflection: false,
    leavesAs: false,
    addedCommunity: 0,
    otc: 0,
    extendedCommunity: undefined,
    dropsAigp: false,
    aigpCost: 0,
  };
}

/**
 * Writes the canonical octets of what is sent instead of `bytes[start, end)` to `out`, which must have room for 96 octets more.
 * Octets to octets: a set that no policy changes is exported without being decoded.
 * @returns octets written
 */
export function rewriteAttributes(bytes: Uint8Array, start: number, end: number, r: Rewrite, out: Uint8Array): number {
  let to = 0;
  let at = start;
  let hasNextHop = r.nextHop4 === 0;
  let hasLocalPref = r.localPrefMode === LocalPrefMode.Keep || r.localPrefMode === LocalPrefMode.Drop;
  let hasCommunity = r.addedCommunity === 0;
  let hasOriginator = !r.isReflected;
  let hasCluster = !r.isReflected;
  let hasOtc = r.otc === 0;
  let hasExtended = r.extendedCommunity === undefined;
  while (at < end) {
    const flags = bytes[at]!;
    const code = bytes[at + 1]!;
    const isLong = (flags & 0x10) !== 0;
    const value = at + (isLong ? 4 : 3);
    const length = isLong ? (bytes[at + 2]! << 8) | bytes[at + 3]! : bytes[at + 2]!;
    const next = value + length;
    if (!hasNextHop && code >= AttributeCode.NextHop) {
      to = put32(out, to, 0x40, AttributeCode.NextHop, r.nextHop4);
      hasNextHop = true;
    }
    if (!hasLocalPref && code >= AttributeCode.LocalPref) {
      if (code !== AttributeCode.LocalPref) to = put32(out, to, 0x40, AttributeCode.LocalPref, r.localPref);
      hasLocalPref = true;
    }
    if (!hasCommunity && code >= AttributeCode.Communities) {
      if (code !== AttributeCode.Communities) to = put32(out, to, 0xc0, AttributeCode.Communities, r.addedCommunity);
      hasCommunity = true;
    }
    if (!hasOriginator && code >= AttributeCode.OriginatorId) {
      if (code !== AttributeCode.OriginatorId) to = put32(out, to, 0x80, AttributeCode.OriginatorId, r.originatorId);
      hasOriginator = true;
    }
    if (!hasCluster && code >= AttributeCode.ClusterList) {
      hasCluster = true;
      if (code === AttributeCode.ClusterList) {
        to = putHeader(out, to, 0x80, code, length + 4);
        to = putInt32(out, to, r.clusterId);
        to = copyInto(bytes, value, next, out, to);
        at = next;
        continue;
      }
      to = put32(out, to, 0x80, AttributeCode.ClusterList, r.clusterId);
    }
    if (!hasExtended && code >= AttributeCode.ExtendedCommunities) {
      if (code !== AttributeCode.ExtendedCommunities) to = withExtended(bytes, 0xc0, 0, 0, r, out, to);
      hasExtended = true;
    }
    if (!hasOtc && code >= AttributeCode.OnlyToCustomer) {
      if (code !== AttributeCode.OnlyToCustomer) to = put32(out, to, 0xc0, AttributeCode.OnlyToCustomer, r.otc);
      hasOtc = true;
    }
    switch (code) {
      case AttributeCode.AsPath:
        to = asPath(bytes, flags, at, value, next, r, out, to);
        break;
      case AttributeCode.NextHop:
        break;
      case AttributeCode.MultiExitDisc:
        if (r.keepMed) to = copyInto(bytes, at, next, out, to);
        break;
      case AttributeCode.LocalPref:
        if (r.localPrefMode === LocalPrefMode.Set) to = put32(out, to, 0x40, code, r.localPref);
        else if (r.localPrefMode !== LocalPrefMode.Drop) to = copyInto(bytes, at, next, out, to);
        break;
      case AttributeCode.Communities:
        to =
          r.addedCommunity === 0
            ? copyInto(bytes, at, next, out, to)
            : withCommunity(bytes, flags, value, next, r.addedCommunity, out, to);
        break;
      case AttributeCode.OriginatorId:
      case AttributeCode.ClusterList:
        if (!r.dropsReflection) to = copyInto(bytes, at, next, out, to);
        break;
      case AttributeCode.ExtendedCommunities:
        if (r.leavesAs) to = transitiveCommunities(bytes, flags, value, next, out, to);
        else if (r.extendedCommunity !== undefined) to = withExtended(bytes, flags, value, next, r, out, to);
        else to = copyInto(bytes, at, next, out, to);
        break;
      case AttributeCode.Aigp:
        if (!r.dropsAigp) to = withCost(bytes, at, value, next, r.aigpCost, out, to);
        break;
      default:
        to = copyInto(bytes, at, next, out, to);
    }
    at = next;
  }
  if (!hasNextHop) to = put32(out, to, 0x40, AttributeCode.NextHop, r.nextHop4);
  if (!hasLocalPref) to = put32(out, to, 0x40, AttributeCode.LocalPref, r.localPref);
  if (!hasCommunity) to = put32(out, to, 0xc0, AttributeCode.Communities, r.addedCommunity);
  if (!hasOriginator) to = put32(out, to, 0x80, AttributeCode.OriginatorId, r.originatorId);
  if (!hasCluster) to = put32(out, to, 0x80, AttributeCode.ClusterList, r.clusterId);
  if (!hasExtended) to = withExtended(bytes, 0xc0, 0, 0, r, out, to);
  if (!hasOtc) to = put32(out, to, 0xc0, AttributeCode.OnlyToCustomer, r.otc);
  return to;
}

function asPath(
  bytes: Uint8Array,
  flags: number,
  at: number,
  start: number,
  end: number,
  r: Rewrite,
  out: Uint8Array,
  to: number,
): number {
  const { edit, prependAs, secondAs, prependType } = r;
  if (edit !== undefined) {
    return editAsPath(bytes, flags, start, end, edit, prependType, prependAs, secondAs, out, to);
  }
  if (prependAs === 0) return copyInto(bytes, at, end, out, to);
  return prependAsPath(bytes, flags, start, end, prependType, prependAs, secondAs, out, to);
}

/** COMMUNITIES with one more, unless it is among them. */
function withCommunity(
  bytes: Uint8Array,
  flags: number,
  start: number,
  end: number,
  community: number,
  out: Uint8Array,
  at: number,
): number {
  let isThere = false;
  for (let i = start; i < end; i += 4) if (int32At(bytes, i) === community) isThere = true;
  const to = putHeader(out, at, flags & 0xe0, AttributeCode.Communities, end - start + (isThere ? 0 : 4));
  const behind = copyInto(bytes, start, end, out, to);
  return isThere ? behind : putInt32(out, behind, community);
}

/** EXTENDED COMMUNITIES with one more behind those in `bytes[start, end)`. */
function withExtended(
  bytes: Uint8Array,
  flags: number,
  start: number,
  end: number,
  { extendedCommunity }: Rewrite,
  out: Uint8Array,
  at: number,
): number {
  if (extendedCommunity === undefined) return copyInto(bytes, start, end, out, at);
  let to = putHeader(out, at, flags & 0xe0, AttributeCode.ExtendedCommunities, end - start + 8);
  to = copyInto(bytes, start, end, out, to);
  return copyInto(extendedCommunity, 0, 8, out, to);
}

/** AIGP with a cost added to its metric, which stands in its first TLV and stops short of 2^64-1, the sign of an error. */
function withCost(
  bytes: Uint8Array,
  at: number,
  start: number,
  end: number,
  cost: number,
  out: Uint8Array,
  to: number,
): number {
  const behind = copyInto(bytes, at, end, out, to);
  if (cost === 0) return behind;
  const metric = to + (start - at) + 3;
  const low = (int32At(bytes, start + 7) >>> 0) + cost;
  const high = (int32At(bytes, start + 3) >>> 0) + (low > 0xffff_ffff ? 1 : 0);
  const isFull = high > 0xffff_ffff || (high === 0xffff_ffff && (low | 0) === -1);
  putInt32(out, metric, isFull ? -1 : high | 0);
  putInt32(out, metric + 4, isFull ? -2 : low | 0);
  return behind;
}

function int32At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/** Extended communities without the non-transitive ones, which end at the border of the AS (RFC 4360 §6). */
function transitiveCommunities(
  bytes: Uint8Array,
  flags: number,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
): number {
  let kept = 0;
  for (let i = start; i < end; i += 8) if ((bytes[i]! & 0x40) === 0) kept += 8;
  if (kept === 0) return at;
  let to = putHeader(out, at, flags & 0xe0, AttributeCode.ExtendedCommunities, kept);
  for (let i = start; i < end; i += 8) if ((bytes[i]! & 0x40) === 0) to = copyInto(bytes, i, i + 8, out, to);
  return to;
}
