import { AttributeCode } from 'bgp-ts';
import { copyInto, putHeader, putInt32 } from './octets.ts';

/** Types of an AS_PATH segment (RFC 4271 §4.3, RFC 5065 §3). */
export const Segment = { Set: 1, Sequence: 2, ConfedSequence: 3, ConfedSet: 4 } as const;

/** What becomes of private AS numbers. */
export const PrivateAs = { Keep: 0, IfOnly: 1, All: 2 } as const;

/** How an AS_PATH is changed before AS numbers are put in front of it. All AS numbers are signed 32-bit, 0 is "none". */
export interface AsPathEdit {
  /** Leave out segments of a confederation (RFC 5065 §5.3: the path leaves it). */
  stripsConfederation: boolean;
  /** Each of these becomes `overrideBy`. */
  overridden: number;
  overrideBy: number;
  /** `PrivateAs`: private AS numbers (RFC 6996) but `keptPrivate` become `privateBy`, or are left out if that is 0. */
  privateAs: number;
  privateBy: number;
  keptPrivate: number;
}

/** An edit that changes nothing. */
export function emptyAsPathEdit(): AsPathEdit {
  return {
    stripsConfederation: false,
    overridden: 0,
    overrideBy: 0,
    privateAs: PrivateAs.Keep,
    privateBy: 0,
    keptPrivate: 0,
  };
}

/** Octets that {@link prependAsPath} may put in front of the path: attribute header, segment header and two AS numbers. */
const MAX_FRONT = 4 + 2 + 8;

/**
 * Writes an AS_PATH with one or two AS numbers in front: in the first segment if that is of type `type` and has room (RFC 4271 §5.1.2,
 * RFC 5065 §5.3). `out` may be `bytes`, if `start` is at least 16 octets behind `at`.
 * @param first nearest AS number
 * @param second the one behind it, 0 if there is only one
 * @returns where the attribute ends in `out`
 */
export function prependAsPath(
  bytes: Uint8Array,
  flags: number,
  start: number,
  end: number,
  type: number,
  first: number,
  second: number,
  out: Uint8Array,
  at: number,
): number {
  const added = second === 0 ? 1 : 2;
  const isJoined = end > start && bytes[start] === type && bytes[start + 1]! + added <= 255;
  const count = isJoined ? bytes[start + 1]! + added : added;
  let to = putHeader(out, at, flags & 0xe0, AttributeCode.AsPath, end - start + added * 4 + (isJoined ? 0 : 2));
  out[to] = type;
  out[to + 1] = count;
  to = putInt32(out, to + 2, first);
  if (second !== 0) to = putInt32(out, to, second);
  return copyInto(bytes, isJoined ? start + 2 : start, end, out, to);
}

/**
 * Writes an edited AS_PATH, with AS numbers in front as {@link prependAsPath} does (none if `first` is 0).
 * `out` must have room for the path and {@link MAX_FRONT} octets more.
 */
export function editAsPath(
  bytes: Uint8Array,
  flags: number,
  start: number,
  end: number,
  edit: AsPathEdit,
  type: number,
  first: number,
  second: number,
  out: Uint8Array,
  at: number,
): number {
  const from = at + MAX_FRONT + 2;
  const to = writeEdited(bytes, start, end, edit, out, from);
  if (first !== 0) return prependAsPath(out, flags, from, to, type, first, second, out, at);
  const value = putHeader(out, at, flags & 0xe0, AttributeCode.AsPath, to - from);
  return copyInto(out, from, to, out, value);
}

/** The member AS that told a path to another one of its confederation: first of a leading AS_CONFED_SEQUENCE; 0 if it does not begin so. */
export function leadingMemberAs(view: DataView, start: number, end: number): number {
  let at = start;
  for (let n = 0; n < 2 && at + 3 <= end; n++) {
    const isLong = (view.getUint8(at) & 0x10) !== 0;
    const value = at + (isLong ? 4 : 3);
    const next = value + (isLong ? view.getUint16(at + 2) : view.getUint8(at + 2));
    if (view.getUint8(at + 1) === AttributeCode.AsPath) {
      return next - value >= 6 && view.getUint8(value) === Segment.ConfedSequence ? view.getUint32(value + 2) : 0;
    }
    at = next;
  }
  return 0;
}

/** An AS number for private use (RFC 6996). */
export function isPrivateAs(asn: number): boolean {
  const value = asn >>> 0;
  return (value >= 64512 && value <= 65534) || (value >= 4_200_000_000 && value <= 4_294_967_294);
}

function writeEdited(
  bytes: Uint8Array,
  start: number,
  end: number,
  edit: AsPathEdit,
  out: Uint8Array,
  at: number,
): number {
  const { stripsConfederation, overridden, overrideBy, privateBy, keptPrivate } = edit;
  const editsPrivate =
    edit.privateAs === PrivateAs.All || (edit.privateAs === PrivateAs.IfOnly && hasOnlyPrivate(bytes, start, end));
  let to = at;
  for (let segment = start; segment < end; ) {
    const type = bytes[segment]!;
    const next = segment + 2 + bytes[segment + 1]! * 4;
    if (stripsConfederation && type >= Segment.ConfedSequence) {
      segment = next;
      continue;
    }
    const head = to;
    to += 2;
    for (let member = segment + 2; member < next; member += 4) {
      let asn = asnAt(bytes, member);
      if (editsPrivate && asn !== keptPrivate && isPrivateAs(asn)) asn = privateBy;
      if (asn === 0) continue;
      to = putInt32(out, to, asn === overridden ? overrideBy : asn);
    }
    const count = (to - head - 2) >> 2;
    out[head] = type;
    out[head + 1] = count;
    if (count === 0) to = head;
    segment = next;
  }
  return to;
}

function hasOnlyPrivate(bytes: Uint8Array, start: number, end: number): boolean {
  for (let segment = start; segment < end; ) {
    const next = segment + 2 + bytes[segment + 1]! * 4;
    for (let member = segment + 2; member < next; member += 4) if (!isPrivateAs(asnAt(bytes, member))) return false;
    segment = next;
  }
  return true;
}

function asnAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
