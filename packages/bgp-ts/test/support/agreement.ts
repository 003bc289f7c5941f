import { expect } from 'vitest';
import {
  AttributeCode,
  AttributeCursor,
  type AttributeProblem,
  ByteReader,
  decodeAttributes,
  decodeUpdate,
  formatIp,
  formatPrefix,
  type IpAddress,
  ipFromOctets,
  type MpRange,
  type MpReach,
  type MpUnreach,
  maskIp,
  NlriCursor,
  type NlriEntry,
  readMpNextHop,
  type SessionContext,
  type UpdateScan,
} from '../../src/index.ts';

/**
 * The in-place scanner and the decoder say the same of an UPDATE body: the same routes and next hops where the scanner is content, and where
 * it is not, the decoder has found an error.
 */
export function expectAgreement(body: Uint8Array, context: SessionContext, scan: UpdateScan): void {
  // In the middle of a larger buffer, as the scanner is used.
  const buffer = new Uint8Array(body.length + 20).fill(0xee);
  buffer.set(body, 7);
  const isContent = scan.read(buffer, 7, 7 + body.length, context);
  const decoded = decodeUpdate(body, context);
  if (!isContent) {
    if (decoded.ok) expect(decoded.value.problems).not.toEqual([]);
    return;
  }
  expectNothingSeen(decodeAttributes(buffer, scan.attributesStart, scan.attributesEnd, context).problems);
  if (!decoded.ok) {
    expect(decoded.error.code).toBe(3);
    expect([1, 10]).not.toContain(decoded.error.subcode);
    return;
  }
  const { withdrawn, nlri, mpReach, mpUnreach, endOfRib } = decoded.value;
  const hasIds = context.addPathReceive.has('ipv4-unicast');
  expect(walk(buffer, scan.withdrawnStart, scan.withdrawnEnd, 4, hasIds)).toEqual(withdrawn.map(entry));
  expect(scan.withdrawnCount).toBe(withdrawn.length);
  expect(walk(buffer, scan.nlriStart, scan.nlriEnd, 4, hasIds)).toEqual(nlri.map(entry));
  expect(scan.nlriCount).toBe(nlri.length);
  expect(scan.endOfRib()).toBe(endOfRib);
  expectRange(buffer, scan.mpReach, mpReach, mpReach?.nlri ?? [], context);
  expectRange(buffer, scan.mpUnreach, mpUnreach, mpUnreach?.withdrawn ?? [], context);
  if (scan.mpReach.isPresent && scan.mpReach.family) {
    const r = new ByteReader(buffer, scan.mpReach.nextHopStart, scan.mpReach.nextHopEnd);
    const { nextHop, linkLocalNextHop } = readMpNextHop(r);
    expect(formatIp(nextHop)).toBe(mpReach?.nextHop && formatIp(mpReach.nextHop));
    expect(text(linkLocalNextHop)).toBe(text(mpReach?.linkLocalNextHop));
  }
}

/** Where the scanner is content, problems are only with attributes it does not look at. */
function expectNothingSeen(problems: readonly AttributeProblem[]): void {
  for (const { attributeCode, message } of problems) {
    expect([AttributeCode.MpReachNlri, AttributeCode.MpUnreachNlri]).not.toContain(attributeCode);
    expect(message).not.toContain('runs past the end');
  }
}

function expectRange(
  buffer: Uint8Array,
  range: MpRange,
  decoded: MpReach | MpUnreach | undefined,
  entries: readonly NlriEntry[],
  context: SessionContext,
): void {
  expect(range.isPresent).toBe(decoded !== undefined);
  if (!decoded) return;
  const { afi, safi, family } = decoded;
  expect({ afi: range.afi, safi: range.safi, family: range.family }).toEqual({ afi, safi, family });
  const cursor = new AttributeCursor();
  cursor.reset(buffer, range.attributeStart, range.attributeEnd);
  expect(cursor.next()).toBe(true);
  expect([AttributeCode.MpReachNlri, AttributeCode.MpUnreachNlri]).toContain(cursor.code);
  expect(cursor.valueEnd).toBe(range.attributeEnd);
  if (!range.family) return;
  expect(range.count).toBe(entries.length);
  const version = range.family === 'ipv4-unicast' ? 4 : 6;
  const hasIds = context.addPathReceive.has(range.family);
  expect(walk(buffer, range.nlriStart, range.nlriEnd, version, hasIds)).toEqual(entries.map(entry));
}

/** Walks NLRI octets with the cursor; host bits are masked here, as every user of the cursor must. */
function walk(bytes: Uint8Array, start: number, end: number, version: 4 | 6, hasIds: boolean): string[] {
  const cursor = new NlriCursor();
  cursor.reset(bytes, start, end, version === 4 ? 32 : 128, hasIds);
  const found: string[] = [];
  while (cursor.next()) {
    const octets = new Uint8Array(version === 4 ? 4 : 16);
    octets.set(bytes.subarray(cursor.prefixStart, cursor.prefixStart + ((cursor.length + 7) >> 3)));
    const address = maskIp(ipFromOctets(octets), cursor.length);
    found.push(`${hasIds ? cursor.pathId : '-'} ${formatPrefix({ address, length: cursor.length })}`);
  }
  expect(cursor.isMalformed).toBe(false);
  return found;
}

function entry({ prefix, pathId }: NlriEntry): string {
  return `${pathId ?? '-'} ${formatPrefix(prefix)}`;
}

function text(address: IpAddress | undefined): string | undefined {
  return address && formatIp(address);
}
