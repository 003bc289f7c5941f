import { type AsPath, type AsPathSegment, decodeAttributes, encodeAttributes } from 'bgp-ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AsPathEdit,
  editAsPath,
  emptyAsPathEdit,
  isPrivateAs,
  leadingMemberAs,
  PrivateAs,
  prependAsPath,
  Segment,
} from '../../../rib/as-path-rewrite.ts';
import { canonicalContext } from '../../../rib/set-values.ts';

// The same as values: what the octets must agree with.

const asn = fc.oneof(
  fc.constantFrom(7, 8, 64511, 64512, 65534, 65535, 4200000000, 4294967294),
  fc.integer({ min: 1, max: 20 }),
);
const segment: fc.Arbitrary<AsPathSegment> = fc.record({
  type: fc.constantFrom('sequence' as const, 'set' as const, 'confed-sequence' as const, 'confed-set' as const),
  asns: fc.oneof(
    { weight: 9, arbitrary: fc.array(asn, { minLength: 1, maxLength: 5 }) },
    { weight: 1, arbitrary: fc.array(asn, { minLength: 253, maxLength: 255 }) },
  ),
});
const paths = fc.array(segment, { maxLength: 4 });
const edits: fc.Arbitrary<AsPathEdit> = fc.record({
  stripsConfederation: fc.boolean(),
  overridden: fc.constantFrom(0, 7, 64512),
  overrideBy: fc.constant(99),
  privateAs: fc.constantFrom(PrivateAs.Keep, PrivateAs.IfOnly, PrivateAs.All),
  privateBy: fc.constantFrom(0, 99),
  keptPrivate: fc.constantFrom(0, 64512),
});
const fronts = fc.record({
  isMember: fc.boolean(),
  first: fc.constantFrom(0, 64999),
  second: fc.constantFrom(0, 65100),
});

function plainEdit(path: AsPath, edit: AsPathEdit): AsPath {
  const left = edit.privateAs === PrivateAs.IfOnly && !path.every(({ asns }) => asns.every(isPrivateAs));
  const drops = edit.privateAs !== PrivateAs.Keep && !left;
  const changed = (member: number): number[] => {
    let by = member;
    if (drops && isPrivateAs(member) && member !== edit.keptPrivate) by = edit.privateBy;
    if (by === 0) return [];
    return [by === edit.overridden ? edit.overrideBy : by];
  };
  return path
    .filter(({ type }) => !edit.stripsConfederation || !type.startsWith('confed'))
    .map(({ type, asns }) => ({ type, asns: asns.flatMap(changed) }))
    .filter(({ asns }) => asns.length > 0);
}

function plainFront(path: AsPath, type: AsPathSegment['type'], added: readonly number[]): AsPath {
  const [first, ...rest] = path;
  if (first?.type === type && first.asns.length + added.length <= 255)
    return [{ type, asns: [...added, ...first.asns] }, ...rest];
  return [{ type, asns: added }, ...path];
}

/** AS_PATH as an attribute, and where its value is. */
function encoded(path: AsPath) {
  const bytes = encodeAttributes({ asPath: path }, canonicalContext);
  return { bytes, start: (bytes[0]! & 0x10) === 0 ? 3 : 4, end: bytes.length };
}

function decoded(out: Uint8Array, end: number): AsPath {
  const { attributes, problems } = decodeAttributes(out, 5, end, canonicalContext);
  expect(problems).toEqual([]);
  // As short a header as there is: the octets are a key.
  expect((out[5]! & 0x10) !== 0).toBe(end - 5 > 255 + 3);
  return attributes.asPath ?? [];
}

describe('AS_PATH in octets agrees with AS_PATH as a value', () => {
  test('edited, with AS numbers in front or not', () => {
    fc.assert(
      fc.property(paths, edits, fronts, (path, edit, { isMember, first, second }) => {
        const { bytes, start, end } = encoded(path);
        const out = new Uint8Array(5000).fill(0xee);
        const type = isMember ? Segment.ConfedSequence : Segment.Sequence;
        const last = first === 0 ? 0 : second;
        const signed = { ...edit, overridden: edit.overridden | 0, keptPrivate: edit.keptPrivate | 0 };
        const to = editAsPath(bytes, 0x40, start, end, signed, type, first, last, out, 5);
        const plain = plainEdit(path, edit);
        const added = first === 0 ? [] : second === 0 ? [first] : [first, second];
        const name = isMember ? 'confed-sequence' : 'sequence';
        expect(decoded(out, to)).toEqual(added.length === 0 ? plain : plainFront(plain, name, added));
      }),
      { numRuns: 1000 },
    );
  });

  test('only with AS numbers in front', () => {
    fc.assert(
      fc.property(paths, fronts, (path, { isMember, second }) => {
        const { bytes, start, end } = encoded(path);
        const out = new Uint8Array(5000);
        const type = isMember ? Segment.ConfedSequence : Segment.Sequence;
        const to = prependAsPath(bytes, 0x40, start, end, type, 64999, second, out, 5);
        const added = second === 0 ? [64999] : [64999, second];
        expect(decoded(out, to)).toEqual(plainFront(path, isMember ? 'confed-sequence' : 'sequence', added));
      }),
    );
  });

  test('the member that told it', () => {
    fc.assert(
      fc.property(paths, (path) => {
        const octets = encodeAttributes({ origin: 0, asPath: path }, canonicalContext);
        const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
        const [first] = path;
        const wanted = first?.type === 'confed-sequence' ? first.asns[0] : 0;
        expect(leadingMemberAs(view, 0, octets.length)).toBe(wanted);
      }),
    );
  });

  test('an edit that changes nothing', () => {
    fc.assert(
      fc.property(paths, (path) => {
        const { bytes, start, end } = encoded(path);
        const out = new Uint8Array(5000);
        const to = editAsPath(bytes, 0x40, start, end, emptyAsPathEdit(), Segment.Sequence, 0, 0, out, 0);
        expect([...out.subarray(0, to)]).toEqual([...bytes]);
      }),
    );
  });
});
