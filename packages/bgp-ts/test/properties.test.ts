import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  AttributeCursor,
  attributeByCode,
  attributeRows,
  decodeAttributes,
  decodeMessage,
  decodeUpdate,
  encodeUpdate,
  formatAttributes,
  HEADER_OCTETS,
  type SessionContext,
  type UpdateInput,
  UpdateScan,
} from '../src/index.ts';
import { expectAgreement } from './support/agreement.ts';
import { attributes, ipv4NextHop, mpReach, mpUnreach, nlri } from './support/arbitrary.ts';
import { addPath, allContexts, ibgp, ibgp2 } from './support/contexts.ts';

const context = fc.constantFrom<SessionContext>(...allContexts);
const scan = new UpdateScan();

/** An UPDATE that is right for `session`: routes of both families, announced and withdrawn. */
function update(session: SessionContext): fc.Arbitrary<UpdateInput> {
  const ids = session.addPathReceive.size > 0;
  const withdrawn = nlri('ipv4-unicast', ids);
  const unreach = fc.option(mpUnreach(ids), { nil: undefined });
  const ipv4 = fc.record({ withdrawn, attributes, nextHop: ipv4NextHop, nlri: nlri('ipv4-unicast', ids, 1), unreach });
  const ipv6 = fc.record({ withdrawn, attributes, reach: mpReach(ids), unreach });
  return fc.oneof(
    ipv4.map(({ unreach: mp, nextHop, attributes: a, ...rest }) => ({
      ...rest,
      attributes: { ...a, nextHop },
      ...(mp && { mpUnreach: mp }),
    })),
    ipv6.map(({ unreach: mp, reach, attributes: a, ...rest }) => ({
      ...rest,
      nlri: [],
      attributes: {
        ...a,
        ...(reach.nextHop && { nextHop: reach.nextHop }),
        ...(reach.linkLocalNextHop && { linkLocalNextHop: reach.linkLocalNextHop }),
      },
      mpReach: reach,
      ...(mp && { mpUnreach: mp }),
    })),
  );
}

/** Octets that look like an UPDATE body: right lengths around parts that are often wrong. */
const attributeCode = fc.oneof(
  fc.constantFrom(...attributeRows().map((row) => row.codec.code)),
  fc.integer({ min: 0, max: 255 }),
);
const attributeOctets = fc
  .tuple(
    attributeCode,
    fc.constantFrom(0x00, 0x40, 0x80, 0xc0, 0xe0, -1, -1, -1, -1),
    fc.uint8Array({ maxLength: 40 }),
    fc.boolean(),
  )
  .map(([code, flags, value, isShaped]) => {
    const kind = flags === -1 ? (attributeByCode(code)?.codec.flags ?? 0xc0) : flags;
    const shaped = isShaped ? shape(code, value) : value;
    return Uint8Array.of(kind, code, shaped.length, ...shaped);
  });
const nlriOctets = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 34 }), fc.uint8Array({ minLength: 5, maxLength: 5 })), { maxLength: 4 })
  .map((list) =>
    Uint8Array.from(list.flatMap(([length, octets]) => [length, ...octets.subarray(0, (length + 7) >> 3)])),
  );
const bodyOctets = fc
  .tuple(nlriOctets, fc.array(attributeOctets, { maxLength: 6 }), nlriOctets, fc.constantFrom(0, 0, 0, 0, 1, -1))
  .map(([withdrawn, list, announced, error]) => {
    const section = list.flatMap((octets) => [...octets]);
    const length = Math.max(0, section.length + error);
    return Uint8Array.of(0, withdrawn.length, ...withdrawn, length >> 8, length & 0xff, ...section, ...announced);
  });

/** Makes the beginning of an MP attribute plausible, so that what is behind it gets looked at. */
function shape(code: number, value: Uint8Array): Uint8Array {
  if (code !== 14 && code !== 15) return value;
  const family = (value[0] ?? 0) & 1 ? [0, 2, 1] : [0, 1, 1];
  const nextHop = family[1] === 2 ? [16, 0x20, 1, ...new Uint8Array(14), 0] : [4, 192, 0, 2, 1, 0];
  return Uint8Array.of(...family, ...(code === 14 ? nextHop : []), ...value.subarray(1));
}

describe('round trip', () => {
  test.each([
    ['iBGP', ibgp],
    ['iBGP with 2-octet AS numbers', ibgp2],
    ['iBGP with ADD-PATH', { ...addPath, kind: 'ibgp' as const }],
  ])('%s', (_name, session) => {
    const wide = { ...session, maxOctets: 65535 };
    fc.assert(
      fc.property(update(session), (value) => {
        const octets = encodeUpdate(value, wide).subarray(HEADER_OCTETS);
        expect(decodeUpdate(octets, wide)).toEqual({ ok: true, value: { problems: [], ...value } });
        expectAgreement(octets, wide, scan);
      }),
    );
  });
});

describe('whatever a peer sends', () => {
  const octets = fc.oneof(
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 80 }) },
    { weight: 4, arbitrary: bodyOctets },
  );

  test('no message throws', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 6 }), octets, context, (type, bytes, session) => {
        decodeMessage(type, bytes, session);
      }),
      { numRuns: 2000 },
    );
  });

  test('decoder and scanner agree', () => {
    fc.assert(
      fc.property(octets, context, (bytes, session) => expectAgreement(bytes, session, scan)),
      { numRuns: 4000 },
    );
  });

  test('attributes: every octet is accounted for, values print, no exception', () => {
    fc.assert(
      fc.property(
        fc.array(attributeOctets, { maxLength: 8 }),
        fc.uint8Array({ maxLength: 3 }),
        context,
        (list, tail, session) => {
          const bytes = Uint8Array.from([...list.flatMap((o) => [...o]), ...tail]);
          const decoded = decodeAttributes(bytes, 0, bytes.length, session);
          expect(decoded.count).toBeGreaterThanOrEqual(list.length);
          for (const line of formatAttributes(decoded.attributes)) expect(line.name).not.toBe('');
          const cursor = new AttributeCursor();
          cursor.reset(bytes, 0, bytes.length);
          let end = 0;
          while (cursor.next()) {
            expect(cursor.start).toBe(end);
            end = cursor.valueEnd;
          }
          expect(end <= bytes.length && (cursor.isMalformed || end === bytes.length)).toBe(true);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('a good UPDATE cut anywhere', () => {
    fc.assert(
      fc.property(update(ibgp), context, (value, session) => {
        const whole = encodeUpdate(value, { ...ibgp, maxOctets: 65535 }).subarray(HEADER_OCTETS);
        const step = Math.max(1, whole.length >> 6);
        for (let end = 0; end < whole.length; end += step) expectAgreement(whole.subarray(0, end), session, scan);
      }),
      { numRuns: 60 },
    );
  });

  test('a good UPDATE with one octet changed', () => {
    fc.assert(
      fc.property(update(ibgp), fc.nat(), fc.integer({ min: 0, max: 255 }), (value, where, octet) => {
        const bytes = encodeUpdate(value, { ...ibgp, maxOctets: 65535 }).slice(HEADER_OCTETS);
        bytes[where % bytes.length] = octet;
        expectAgreement(bytes, ibgp, scan);
      }),
      { numRuns: 1000 },
    );
  });
});
