/** Random policies, attributes and prefixes from a small world, so that matches hold about as often as not. */
import { type AsPath, ip, maskIp, type Origin, type PathAttributes, type Prefix } from 'bgp-ts';
import fc from 'fast-check';
import type {
  CommunityPart,
  CommunityPattern,
  CommunityValue,
  NumberRange,
  PolicyAction,
  PolicyMatch,
  PolicyPeer,
  PolicySpec,
  PrefixRange,
  PrefixSet,
} from '../../rib/policy/policy.ts';

/** The peers of that world; the first is the one of the session. */
export const peers: readonly PolicyPeer[] = [
  { name: 'tor', address: ip('192.0.2.1'), kind: 'ebgp', remoteAs: 7, localAs: 64512 },
  { name: 'node2', address: ip('10.0.0.2'), kind: 'ibgp', remoteAs: 64512, localAs: 64512 },
  { name: 'node3', address: ip('10.0.0.3'), kind: 'ibgp', remoteAs: 64512, localAs: 64512 },
];

const asn = fc.constantFrom(1, 7, 8, 65_000, 70_000, 4_200_000_000);
const small = fc.constantFrom(0, 1, 5, 50, 100, 4_294_967_295);
const segmentType = fc.constantFrom('sequence' as const, 'sequence' as const, 'set' as const);
const confederation = fc.constantFrom('confed-sequence' as const, 'confed-set' as const);
const asns = fc.array(asn, { minLength: 1, maxLength: 3 });

/** Paths with sets and now and then confederation segments; also empty, also longer than one segment holds. */
export const asPaths: fc.Arbitrary<AsPath> = fc.oneof(
  { weight: 8, arbitrary: fc.array(fc.record({ type: segmentType, asns }), { maxLength: 3 }) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.record({ type: confederation, asns }),
        fc.array(fc.record({ type: segmentType, asns }), { maxLength: 2 }),
      )
      .map(([first, rest]) => [first, ...rest]),
  },
  { weight: 1, arbitrary: asn.map((n): AsPath => [{ type: 'sequence', asns: new Array<number>(300).fill(n) }]) },
);

const standardValue = fc.constantFrom(0xfde80001, 0xfde80002, 0x00070001, 0xffffff01, 5);
const largeValue = fc.record({
  globalAdmin: fc.constantFrom(1, 65_000, 4_294_967_295),
  local1: fc.constantFrom(1, 2),
  local2: fc.constantFrom(0, 4_294_967_295),
});
const extendedValue = fc
  .tuple(fc.constantFrom(0, 0x40, 0xff), fc.constantFrom(2, 3), fc.constantFrom(0, 0xfd), fc.constantFrom(1, 0x80))
  .map(([a, b, c, d]) => Uint8Array.of(a, b, c, 0xe8, 0, 0, 0, d));
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });

/** Attributes of a path; `version` is that of the next hop. */
export function attributeValues(version: 4 | 6): fc.Arbitrary<PathAttributes> {
  const hops = version === 4 ? ['192.0.2.1', '10.0.0.9', '198.51.100.1'] : ['2001:db8::1', 'fd00::9', '2001:db9::1'];
  return fc
    .record({
      origin: fc.constantFrom<Origin>(0, 1, 2),
      asPath: asPaths,
      nextHop: maybe(fc.constantFrom(...hops.map(ip))),
      med: maybe(small),
      localPref: maybe(small),
      communities: maybe(fc.uniqueArray(standardValue, { minLength: 1, maxLength: 3 })),
      largeCommunities: maybe(
        fc.uniqueArray(largeValue, { minLength: 1, maxLength: 2, selector: (value) => JSON.stringify(value) }),
      ),
      extendedCommunities: maybe(
        fc.uniqueArray(extendedValue, { minLength: 1, maxLength: 2, selector: (octets) => octets.join() }),
      ),
      unknown: maybe(fc.constant([{ flags: 0xc0, code: 99, value: Uint8Array.of(1, 2, 3) }])),
    })
    .map((record) => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)));
}

/** Prefixes with few bits set, so that many are inside each other. */
export function prefixValues(version: 4 | 6): fc.Arbitrary<Prefix> {
  return fc
    .tuple(fc.nat({ max: 255 }), fc.nat({ max: 255 }), fc.nat({ max: 3 }), fc.nat({ max: version === 4 ? 32 : 128 }))
    .map(([first, second, last, length]) => {
      const octets = new Uint8Array(version === 4 ? 4 : 16);
      octets[0] = first & 0xc1;
      octets[1] = second & 0x81;
      octets[octets.length - 1] = last;
      return { address: maskIp({ version, octets }, length), length };
    });
}

/** Entries of a prefix list; one in a while whose range is empty or reaches below its prefix. */
export const prefixRanges: fc.Arbitrary<PrefixRange> = fc
  .tuple(
    fc.oneof({ weight: 3, arbitrary: prefixValues(4) }, { weight: 2, arbitrary: prefixValues(6) }),
    fc.nat({ max: 40 }),
    fc.nat({ max: 140 }),
  )
  .map(([prefix, a, b]) => ({ prefix, minLength: a, maxLength: b }));

const prefixSet: fc.Arbitrary<PrefixSet> = fc.record({
  name: fc.constant('set'),
  entries: fc.array(prefixRanges, { maxLength: 6 }),
});
const range: fc.Arbitrary<NumberRange> = fc.record({ min: maybe(small), max: maybe(small) });

function part(...values: number[]): fc.Arbitrary<CommunityPart> {
  const value = fc.constantFrom(...values);
  return fc.oneof(value, fc.constant('*' as const), fc.record({ min: value, max: value }));
}

const pattern: fc.Arbitrary<CommunityPattern> = fc.oneof(
  fc.record({
    type: fc.constant('standard' as const),
    parts: fc.tuple(part(0xfde8, 7, 0xffff), part(1, 2, 5, 0xff01)),
  }),
  fc.record({
    type: fc.constant('large' as const),
    parts: fc.tuple(part(1, 65_000, 4_294_967_295), part(1, 2), part(0, 4_294_967_295)),
  }),
  fc.record({
    type: fc.constant('extended' as const),
    hex: fc.constantFrom(
      '0002FDE8********',
      '4*02**e800000080',
      'ff**************',
      '****************',
      '00020000000000*1',
    ),
  }),
);

const names = fc.subarray(['tor', 'node2', 'x']);
const kind = fc.constantFrom('ebgp' as const, 'ibgp' as const);

/** A match that is made of no others. */
export const plainMatches: fc.Arbitrary<PolicyMatch> = fc.oneof(
  fc.record({
    type: fc.constant('family' as const),
    family: fc.constantFrom('ipv4-unicast' as const, 'ipv6-unicast' as const),
  }),
  { weight: 3, arbitrary: fc.record({ type: fc.constant('prefix' as const), set: prefixSet }) },
  fc.record({ type: fc.constant('prefix-length' as const), min: fc.nat({ max: 30 }), max: fc.nat({ max: 40 }) }),
  fc.record({ type: fc.constant('origin' as const), origins: fc.subarray<Origin>([0, 1, 2]) }),
  fc.record({
    type: fc.constant('as-path' as const),
    pattern: fc.constantFrom('^7_', '_8_', '^$', '\\{', '_70000$', '\\(', '1,7'),
  }),
  fc.record({ type: fc.constant('as-path-prefix' as const), asns: fc.array(asn, { maxLength: 3 }) }),
  fc.record({
    type: fc.constant('as-path-length' as const),
    range: fc.record({ min: maybe(fc.nat({ max: 4 })), max: maybe(fc.nat({ max: 5 })) }),
  }),
  fc.record({ type: fc.constant('neighbour-as' as const), asns: fc.array(asn, { maxLength: 3 }) }),
  fc.record({ type: fc.constant('origin-as' as const), asns: fc.array(asn, { maxLength: 3 }) }),
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('community' as const),
      require: fc.constantFrom('any' as const, 'all' as const, 'none' as const),
      patterns: fc.array(pattern, { maxLength: 3 }),
    }),
  },
  fc.record({ type: fc.constant('med' as const), range }),
  fc.record({ type: fc.constant('local-pref' as const), range, absent: maybe(small) }),
  fc.record({ type: fc.constant('next-hop' as const), set: prefixSet }),
  fc.record({ type: fc.constant('peer' as const), names }),
  fc.record({ type: fc.constant('peer-kind' as const), kind }),
  fc.record({ type: fc.constant('peer-as' as const), asns: fc.array(asn, { maxLength: 3 }) }),
  fc.record({ type: fc.constant('learned-from' as const), names }),
  fc.record({ type: fc.constant('learned-from-kind' as const), kind }),
  fc.record({
    type: fc.constant('source' as const),
    sources: fc.subarray(['bgp' as const, 'network' as const, 'pod-block' as const]),
  }),
  fc.record({ type: fc.constant('interface' as const), pattern: fc.constantFrom('*', 'eth*') }),
);

const matches: fc.Arbitrary<PolicyMatch> = fc.oneof(
  { weight: 6, arbitrary: plainMatches },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('not' as const), match: plainMatches }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('any' as const), matches: fc.array(plainMatches, { maxLength: 3 }) }),
  },
);

const communityValues: fc.Arbitrary<readonly CommunityValue[]> = fc.array(
  fc.oneof(
    standardValue.map((value) => ({ type: 'standard' as const, value })),
    largeValue.map((value) => ({ type: 'large' as const, ...value })),
    extendedValue.map((octets) => ({ type: 'extended' as const, octets })),
  ),
  { maxLength: 2 },
);

const actions: fc.Arbitrary<PolicyAction> = fc.oneof(
  fc.record({ type: fc.constant('set-local-pref' as const), value: small }),
  fc.record({
    type: fc.constant('set-med' as const),
    operation: fc.constantFrom('set' as const, 'add' as const, 'subtract' as const),
    value: small,
  }),
  fc.record({ type: fc.constant('remove-med' as const) }),
  fc.record({ type: fc.constant('set-origin' as const), origin: fc.constantFrom<Origin>(0, 1, 2) }),
  fc.record({ type: fc.constant('prepend' as const), asns: fc.array(asn, { maxLength: 2 }) }),
  fc.record({ type: fc.constant('prepend-local-as' as const), times: fc.nat({ max: 2 }) }),
  fc.record({ type: fc.constant('prepend-last-as' as const), times: fc.nat({ max: 2 }) }),
  fc.record({
    type: fc.constant('set-next-hop' as const),
    address: fc.constantFrom('10.9.9.9', '2001:db8::9').map(ip),
  }),
  fc.record({ type: fc.constant('next-hop' as const), mode: fc.constantFrom('self' as const, 'unchanged' as const) }),
  fc.record({ type: fc.constant('add-communities' as const), communities: communityValues }),
  fc.record({ type: fc.constant('set-communities' as const), communities: communityValues }),
  fc.record({ type: fc.constant('delete-communities' as const), patterns: fc.array(pattern, { maxLength: 2 }) }),
  fc.record({
    type: fc.constant('set-link-bandwidth' as const),
    octetsPerSecond: fc.constantFrom(1, 1.25e9),
    isTransitive: fc.boolean(),
  }),
  fc.record({ type: fc.constant('set-weight' as const), value: fc.nat({ max: 3 }) }),
);

/** Whole policies: several terms, half of which go on. */
export const policySpecs: fc.Arbitrary<PolicySpec> = fc.record({
  name: fc.constant('random'),
  terms: fc.array(
    fc.record({
      name: fc.constant('term'),
      matches: fc.array(matches, { maxLength: 3 }),
      actions: fc.array(actions, { maxLength: 2 }),
      verdict: fc.constantFrom('accept' as const, 'reject' as const, 'next' as const, 'next' as const),
    }),
    { maxLength: 6 },
  ),
  default: fc.constantFrom('accept' as const, 'reject' as const),
  defaultName: fc.constant('default'),
});
