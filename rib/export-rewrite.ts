import { AttributeCode } from 'bgp-ts';

/** What becomes of the attributes of a set when it is sent to a group of peers. All numbers are signed 32-bit. */
export interface Rewrite {
  /** eBGP: prepend this AS; 0: leave AS_PATH as it is. */
  prependAs: number;
  /** IPv4: put this NEXT_HOP in; 0: there is none among the octets (IPv6). */
  nextHop4: number;
  /** Keep LOCAL_PREF, or put in this value where there is none (iBGP); it is removed when the route leaves the AS. */
  localPref: number;
  keepMed: boolean;
  /** Reflection (RFC 4456 §8): ORIGINATOR_ID to put in where there is none, and cluster id to prepend. */
  isReflected: boolean;
  originatorId: number;
  clusterId: number;
  /** The route leaves the AS: remove what must not. */
  leavesAs: boolean;
}

/** A rewrite that changes nothing, to be filled in. */
export function emptyRewrite(): Rewrite {
  return {
    prependAs: 0,
    nextHop4: 0,
    localPref: 0,
    keepMed: true,
    isReflected: false,
    originatorId: 0,
    clusterId: 0,
    leavesAs: false,
  };
}

/**
 * Writes the canonical octets of what is sent instead of `bytes[start, end)` to `out`, which must have room for 64 octets more.
 * Octets to octets: a set that no policy changes is exported without being decoded.
 * @returns octets written
 */
export function rewriteAttributes(bytes: Uint8Array, start: number, end: number, r: Rewrite, out: Uint8Array): number {
  let to = 0;
  let at = start;
  let hasNextHop = r.nextHop4 === 0;
  let hasLocalPref = r.leavesAs;
  let hasOriginator = !r.isReflected;
  let hasCluster = !r.isReflected;
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
    if (!hasOriginator && code >= AttributeCode.OriginatorId) {
      if (code !== AttributeCode.OriginatorId) to = put32(out, to, 0x80, AttributeCode.OriginatorId, r.originatorId);
      hasOriginator = true;
    }
    if (!hasCluster && code >= AttributeCode.ClusterList) {
      hasCluster = true;
      if (code === AttributeCode.ClusterList) {
        to = putHeader(out, to, 0x80, code, length + 4);
        to = putInt32(out, to, r.clusterId);
        to = copy(bytes, value, next, out, to);
        at = next;
        continue;
      }
      to = put32(out, to, 0x80, AttributeCode.ClusterList, r.clusterId);
    }
    switch (code) {
      case AttributeCode.AsPath:
        to =
          r.prependAs === 0
            ? copy(bytes, at, next, out, to)
            : prependAs(bytes, flags, value, next, r.prependAs, out, to);
        break;
      case AttributeCode.NextHop:
        break;
      case AttributeCode.MultiExitDisc:
        if (r.keepMed) to = copy(bytes, at, next, out, to);
        break;
      case AttributeCode.LocalPref:
        if (!r.leavesAs) to = copy(bytes, at, next, out, to);
        break;
      case AttributeCode.OriginatorId:
      case AttributeCode.ClusterList:
        if (!r.leavesAs) to = copy(bytes, at, next, out, to);
        break;
      case AttributeCode.ExtendedCommunities:
        to = r.leavesAs ? transitiveCommunities(bytes, flags, value, next, out, to) : copy(bytes, at, next, out, to);
        break;
      default:
        to = copy(bytes, at, next, out, to);
    }
    at = next;
  }
  if (!hasNextHop) to = put32(out, to, 0x40, AttributeCode.NextHop, r.nextHop4);
  if (!hasLocalPref) to = put32(out, to, 0x40, AttributeCode.LocalPref, r.localPref);
  if (!hasOriginator) to = put32(out, to, 0x80, AttributeCode.OriginatorId, r.originatorId);
  if (!hasCluster) to = put32(out, to, 0x80, AttributeCode.ClusterList, r.clusterId);
  return to;
}

/** AS_PATH with one AS number in front: in the first segment if that is a sequence with room (RFC 4271 §5.1.2). */
function prependAs(
  bytes: Uint8Array,
  flags: number,
  start: number,
  end: number,
  asn: number,
  out: Uint8Array,
  at: number,
): number {
  const isSequence = end > start && bytes[start] === 2 && bytes[start + 1]! < 255;
  let to = putHeader(out, at, flags & 0xe0, AttributeCode.AsPath, end - start + (isSequence ? 4 : 6));
  out[to] = 2;
  out[to + 1] = isSequence ? bytes[start + 1]! + 1 : 1;
  to = putInt32(out, to + 2, asn);
  return copy(bytes, isSequence ? start + 2 : start, end, out, to);
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
  for (let i = start; i < end; i += 8) if ((bytes[i]! & 0x40) === 0) to = copy(bytes, i, i + 8, out, to);
  return to;
}

function put32(out: Uint8Array, at: number, flags: number, code: number, value: number): number {
  return putInt32(out, putHeader(out, at, flags, code, 4), value);
}

function putHeader(out: Uint8Array, at: number, flags: number, code: number, length: number): number {
  out[at + 1] = code;
  if (length < 256) {
    out[at] = flags;
    out[at + 2] = length;
    return at + 3;
  }
  out[at] = flags | 0x10;
  out[at + 2] = length >> 8;
  out[at + 3] = length;
  return at + 4;
}

function putInt32(out: Uint8Array, at: number, value: number): number {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
  return at + 4;
}

function copy(bytes: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
  let to = at;
  for (let from = start; from < end; from++) out[to++] = bytes[from]!;
  return to;
}
