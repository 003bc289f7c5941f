import {
  asPathLength,
  decodeAttributes,
  encodeAttributes,
  formatIp,
  ip,
  missingAttributes,
  neighbourAs,
  type PathAttributes,
  type SessionContext,
  strongestProblem,
} from 'bgp-ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AttributeScanner, SetFlag } from '../../../rib/attribute-scan.ts';
import { canonicalContext } from '../../../rib/set-values.ts';
import { attributesKey } from '../../support/naive-rib.ts';

const LOCAL_AS = 64999;
const scanner = new AttributeScanner({ localAs: LOCAL_AS, routerId: 0x0a000001, clusterId: 0x0a090909 });
const contexts: Record<'ebgp' | 'ibgp', SessionContext> = {
  ebgp: { ...canonicalContext, kind: 'ebgp' },
  ibgp: canonicalContext,
};

function scan(octets: Uint8Array, mode: 'ebgp' | 'ibgp' | 'trusted', withNextHop = true): boolean {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  return scanner.scan(octets, view, 0, octets.length, mode, withNextHop);
}

const asn = fc.constantFrom(1, 65000, LOCAL_AS, 4_200_000_000);
const attributes: fc.Arbitrary<PathAttributes> = fc
  .record(
    {
      origin: fc.constantFrom(0 as const, 1 as const, 2 as const),
      asPath: fc.array(
        fc.record({
          type: fc.constantFrom('sequence' as const, 'set' as const),
          asns: fc.array(asn, { minLength: 1, maxLength: 4 }),
        }),
        { maxLength: 3 },
      ),
      nextHop: fc.constant(ip('192.0.2.1')),
      med: fc.nat(0xffffffff),
      localPref: fc.nat(0xffffffff),
      atomicAggregate: fc.constant(true as const),
      aggregator: fc.constant({ asn: 70000, address: ip('10.1.1.1') }),
      communities: fc.array(fc.constantFrom(0xffffff01, 0xffffff02, 0xffffff03, 0xfde80001, 7), {
        minLength: 1,
        maxLength: 80,
      }),
      largeCommunities: fc.array(fc.record({ globalAdmin: fc.nat(3), local1: fc.nat(3), local2: fc.nat(0xffffffff) }), {
        minLength: 1,
        maxLength: 3,
      }),
      extendedCommunities: fc.array(fc.uint8Array({ minLength: 8, maxLength: 8 }), { minLength: 1, maxLength: 3 }),
      originatorId: fc.constantFrom(ip('10.0.0.1'), ip('10.0.0.2')),
      clusterList: fc.array(fc.constantFrom(ip('10.9.9.9'), ip('10.9.9.8')), { minLength: 1, maxLength: 3 }),
      onlyToCustomer: fc.constant(5),
    },
    { requiredKeys: ['origin', 'asPath', 'nextHop'] },
  )
  .map((value) => value as PathAttributes);

/** Octets of attributes, with something done to them: another order, another flag, an octet changed, something cut or doubled. */
const octets = fc
  .tuple(attributes, fc.array(fc.tuple(fc.nat(7), fc.nat(), fc.nat(255)), { maxLength: 2 }))
  .map(([value, changes]) => {
    let blocks = split(encodeAttributes(value, canonicalContext));
    for (const [what, where, octet] of changes) {
      const i = where % blocks.length;
      const block = blocks[i] ?? new Uint8Array(0);
      if (what === 0) blocks.reverse();
      if (what === 1) blocks.push(block);
      if (what === 2) block[0] = octet;
      if (what === 3) block[where % block.length] = octet;
      if (what === 4) blocks = blocks.filter((_, k) => k !== i);
      if (what === 5) blocks[i] = block.subarray(0, where % (block.length + 1));
      if (what === 6) blocks[i] = longForm(block);
      if (what === 7) blocks.unshift(Uint8Array.of(0xc0, 100 + (octet & 63), 1, octet));
      if (blocks.length === 0) break;
    }
    return Uint8Array.from(blocks.flatMap((block) => [...block]));
  });

function split(all: Uint8Array): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  for (let at = 0; at < all.length; ) {
    const isLong = ((all[at] ?? 0) & 0x10) !== 0;
    const length = isLong ? ((all[at + 2] ?? 0) << 8) | (all[at + 3] ?? 0) : (all[at + 2] ?? 0);
    const next = at + (isLong ? 4 : 3) + length;
    blocks.push(all.slice(at, next));
    at = next;
  }
  return blocks;
}

function longForm(block: Uint8Array): Uint8Array {
  if (((block[0] ?? 0) & 0x10) !== 0 || block.length < 3) return block;
  return Uint8Array.of((block[0] ?? 0) | 0x10, block[1] ?? 0, 0, block[2] ?? 0, ...block.subarray(3));
}

describe('the scanner says yes only where the decoder finds nothing wrong, and both read the same', {
  timeout: 120_000,
}, () => {
  for (const mode of ['ebgp', 'ibgp'] as const) {
    for (const withNextHop of [true, false]) {
      test(`${mode}, ${withNextHop ? 'NLRI field' : 'MP_REACH_NLRI'}`, () => {
        let accepted = 0;
        fc.assert(
          fc.property(octets, (bytes) => {
            if (!scan(bytes, mode, withNextHop)) return;
            // MP attributes are not looked at: UpdateScan has checked them before.
            if (split(bytes).some(([, code]) => code === 14 || code === 15)) return;
            accepted++;
            const decoded = decodeAttributes(bytes, 0, bytes.length, contexts[mode], { nlriIsEmpty: !withNextHop });
            // Both drop LOCAL_PREF and the like from another AS, and a NEXT_HOP that nobody uses; nothing else may be wrong.
            const dropped = [...(mode === 'ebgp' ? [5, 9, 10] : []), ...(withNextHop ? [] : [3])];
            const others = decoded.problems.filter(({ attributeCode }) => !dropped.includes(attributeCode));
            expect(others).toEqual([]);
            expect(strongestProblem(decoded.problems)?.action ?? 'attribute-discard').toBe('attribute-discard');
            const announces = { nlri: withNextHop, mpReach: !withNextHop };
            const missing = missingAttributes(decoded.attributes, contexts[mode], announces, decoded.problems);
            expect(scanner.missing !== 0).toBe(missing.length > 0);
            const again = decodeAttributes(scanner.bytes, scanner.start, scanner.end, canonicalContext);
            expect(again.problems).toEqual([]);
            const { nextHop, ...rest } = decoded.attributes;
            const wanted = withNextHop && nextHop !== undefined ? { ...rest, nextHop } : rest;
            expect(attributesKey(again.attributes)).toBe(attributesKey(wanted));
            // Canonical means that an encoder would write the same.
            const canonical = encodeAttributes(again.attributes, canonicalContext);
            expect([...scanner.bytes.subarray(scanner.start, scanner.end)]).toEqual([...canonical]);
            checkFacts(again.attributes);
          }),
          { numRuns: Number(process.env['FC_RUNS'] ?? 2000) },
        );
        expect(accepted).toBeGreaterThan(300);
      });
    }
  }

  test('well-formed attributes are accepted, in any order and with long lengths', () => {
    fc.assert(
      fc.property(attributes, fc.boolean(), (value, isLong) => {
        const unique = new Set((value.largeCommunities ?? []).map((community) => JSON.stringify(community)));
        fc.pre(unique.size === (value.largeCommunities ?? []).length);
        const blocks = split(encodeAttributes({ localPref: 100, ...value }, canonicalContext)).reverse();
        const bytes = Uint8Array.from(blocks.flatMap((block) => [...(isLong ? longForm(block) : block)]));
        expect(scan(bytes, 'ibgp')).toBe(true);
        expect(scan(bytes, 'ebgp')).toBe(true);
      }),
    );
  });
});

function checkFacts(value: PathAttributes): void {
  const has = (flag: number) => (scanner.flags & flag) !== 0;
  const path = value.asPath ?? [];
  const isConfederation = (type: string) => type === 'confed-sequence' || type === 'confed-set';
  expect(scanner.asPathLength).toBe(asPathLength(path));
  expect(scanner.neighbourAs >>> 0).toBe(neighbourAs(path) ?? 0);
  expect(has(SetFlag.HasConfederation)).toBe(path.some(({ type }) => isConfederation(type)));
  expect(has(SetFlag.HasAsSet)).toBe(path.some(({ type }) => type === 'set' || type === 'confed-set'));
  expect(has(SetFlag.HasOtc)).toBe(value.onlyToCustomer !== undefined);
  expect(has(SetFlag.HasAigp)).toBe(value.aigp !== undefined);
  expect(has(SetFlag.GracefulShutdown)).toBe(value.communities?.includes(0xffff0000) === true);
  const own = path.flatMap(({ asns }) => asns).filter((member) => member === LOCAL_AS).length;
  expect((scanner.flags & SetFlag.OwnAsMask) >>> SetFlag.OwnAsShift).toBe(own);
  expect(scanner.med >>> 0).toBe(value.med ?? 0);
  expect(has(SetFlag.HasMed)).toBe(value.med !== undefined);
  expect(scanner.localPref >>> 0).toBe(value.localPref ?? 100);
  expect(has(SetFlag.NoExport)).toBe(value.communities?.includes(0xffffff01) === true);
  expect(has(SetFlag.NoAdvertise)).toBe(value.communities?.includes(0xffffff02) === true);
  expect(has(SetFlag.NoExportSubconfed)).toBe(value.communities?.includes(0xffffff03) === true);
  expect(has(SetFlag.OwnOriginator)).toBe(
    value.originatorId !== undefined && formatIp(value.originatorId) === '10.0.0.1',
  );
  expect(has(SetFlag.OwnCluster)).toBe(value.clusterList?.some((id) => formatIp(id) === '10.9.9.9') === true);
  expect(scanner.flags >>> SetFlag.ClusterShift).toBe(value.clusterList?.length ?? 0);
}

test('MP attributes are left out wherever they stand', () => {
  const value: PathAttributes = { origin: 0, asPath: [{ type: 'sequence', asns: [65000] }], med: 3 };
  const blocks = split(encodeAttributes(value, canonicalContext));
  const mp = Uint8Array.of(0x90, 14, 0, 4, 0, 2, 1, 0);
  for (let at = 0; at <= blocks.length; at++) {
    const bytes = Uint8Array.from([...blocks.slice(0, at), mp, ...blocks.slice(at)].flatMap((block) => [...block]));
    expect(scan(bytes, 'ebgp', false)).toBe(true);
    const rest = scanner.bytes.subarray(scanner.start, scanner.end);
    expect([...rest]).toEqual([...encodeAttributes(value, canonicalContext)]);
  }
});

test('an attribute of type 0, which nobody may use and anybody can send, is kept like any unknown one', () => {
  const unknown = [{ flags: 0xe0, code: 0, value: Uint8Array.of(1, 2) }];
  const value: PathAttributes = { origin: 0, asPath: [], nextHop: ip('192.0.2.1'), unknown };
  expect(scan(encodeAttributes(value, canonicalContext), 'trusted')).toBe(true);
});

// ORIGIN, AS_PATH, NEXT_HOP, then what is wrong or unusual.
const origin = '40010100';
const path = '40020602010000fde8';
const nextHop = '400304c0000201';
test.each([
  ['AS 0 in AS_PATH (RFC 7607)', `${origin}400206020100000000${nextHop}`],
  ['a confederation segment from outside', `${origin}40020603010000fde8${nextHop}`],
  ['AIGP of 2^64-1', `${origin}${path}${nextHop}801a0b01000bffffffffffffffff`],
  ['AIGP of two TLVs', `${origin}${path}${nextHop}801a0e01000b0000000000000005020003`],
  ['an empty segment', `${origin}4002020200${nextHop}`],
  ['NEXT_HOP 127.0.0.1', `${origin}${path}4003047f000001`],
  ['ORIGIN 3', `40010103${path}${nextHop}`],
  ['a MED of three octets', `${origin}${path}${nextHop}800403000001`],
  ['a MED that claims to be transitive', `${origin}${path}${nextHop}c00404000001`],
  ['a MED with the Partial bit', `${origin}${path}${nextHop}a0040400000001`],
  ['an attribute cut short', `${origin}${path}${nextHop}8004040000`],
  ['communities of five octets', `${origin}${path}${nextHop}c008050000000100`],
  ['no communities', `${origin}${path}${nextHop}c00800`],
  ['a large community twice', `${origin}${path}${nextHop}c02018${'00000001'.repeat(6)}`],
  ['an attribute twice', `${origin}${origin}${path}${nextHop}`],
  ['an unknown attribute', `${origin}${path}${nextHop}c06300`],
])('leaves %s to the decoder', (_name, hex) => {
  expect(scan(Uint8Array.from(Buffer.from(`${origin}${path}${nextHop}`, 'hex')), 'ebgp')).toBe(true);
  expect(scan(Uint8Array.from(Buffer.from(hex, 'hex')), 'ebgp')).toBe(false);
});
