import fc from 'fast-check';
import {
  type AddressOf,
  type AsPath,
  type Capability,
  type FamilyName,
  type IpAddress,
  type Ipv4Address,
  type Ipv6Address,
  isNextHopHost,
  type MpReach,
  type MpUnreach,
  maskIp,
  type NlriEntry,
  nlriOf,
  type OpenMessage,
  Origin,
  type PathAttributes,
  type Prefix,
} from '../../src/index.ts';

/** Values that are legal and in the form the decoder gives, so that a round trip returns them. */

const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
export const u32 = fc.oneof(fc.integer({ min: 0, max: 0xffffffff }), fc.constantFrom(0, 0xffff, 0x10000, 0xffffffff));

/** AS numbers, half of which fit two octets; never 0. */
const asNumber = fc.oneof(fc.integer({ min: 1, max: 0xffff }), fc.integer({ min: 0x10000, max: 0xffffffff }));
const octets = (count: number) => fc.uint8Array({ minLength: count, maxLength: count });

export const ipv4 = octets(4).map((bytes): Ipv4Address => ({ version: 4, octets: bytes }));
export const ipv6 = octets(16).map((bytes): Ipv6Address => ({ version: 6, octets: bytes }));
const host4 = ipv4.filter(isNextHopHost);
const host6 = ipv6.filter(isNextHopHost);
const linkLocal = octets(16).map(
  (bytes): Ipv6Address => ({ version: 6, octets: Uint8Array.of(0xfe, 0x80, ...bytes.subarray(2)) }),
);
const routerId = ipv4.filter((address) => address.octets.some((octet) => octet !== 0));

function prefixOf(address: fc.Arbitrary<IpAddress>, maxBits: number): fc.Arbitrary<Prefix> {
  return fc
    .tuple(address, fc.integer({ min: 0, max: maxBits }))
    .map(([ip, length]) => ({ address: maskIp(ip, length), length }));
}

/** Routes of one family, with path identifiers or without. */
export function nlri<F extends FamilyName>(
  family: F,
  hasPathIds: boolean,
  minLength = 0,
): fc.Arbitrary<readonly NlriEntry<AddressOf<F>>[]> {
  const prefix = family === 'ipv4-unicast' ? prefixOf(ipv4, 32) : prefixOf(ipv6, 128);
  const entry: fc.Arbitrary<NlriEntry> = hasPathIds ? fc.record({ prefix, pathId: u32 }) : fc.record({ prefix });
  return fc.array(entry, { minLength, maxLength: minLength + 6 }).map((entries) => nlriOf(family, entries));
}

const segment = fc.record({
  type: fc.constantFrom('sequence' as const, 'set' as const),
  asns: fc.array(asNumber, { minLength: 1, maxLength: 6 }),
});

/** Two sequences in a row would come back as one after an AS4_PATH merge, so they are joined here. */
export const asPath: fc.Arbitrary<AsPath> = fc.array(segment, { maxLength: 4 }).map((segments) => {
  const path: { type: 'sequence' | 'set'; asns: number[] }[] = [];
  for (const { type, asns } of segments) {
    const last = path.at(-1);
    if (type === 'sequence' && last?.type === 'sequence') last.asns.push(...asns);
    else path.push({ type, asns });
  }
  return path;
});

const largeCommunity = fc.record({ globalAdmin: u32, local1: u32, local2: u32 });

const unknownAttribute = fc.record({
  flags: fc.constantFrom(0x80, 0xa0, 0xc0, 0xe0),
  code: fc.constantFrom(20, 21, 40, 128, 200, 255),
  value: fc.uint8Array({ maxLength: 300 }),
});

const optional = {
  med: u32,
  atomicAggregate: fc.constant(true as const),
  aggregator: fc.record({ asn: asNumber, address: ipv4 }),
  communities: fc.array(u32, { minLength: 1, maxLength: 80 }),
  extendedCommunities: fc.array(octets(8), { minLength: 1, maxLength: 5 }),
  largeCommunities: fc.uniqueArray(largeCommunity, {
    minLength: 1,
    maxLength: 5,
    selector: (c) => `${c.globalAdmin}:${c.local1}:${c.local2}`,
  }),
  aigp: fc.record(
    {
      metric: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_fffen }),
      // one TLV of another type
      further: fc.uint8Array({ maxLength: 8 }).map((value) => Uint8Array.of(2, 0, 3 + value.length, ...value)),
    },
    { requiredKeys: ['metric'] },
  ),
  onlyToCustomer: u32,
  unknown: fc
    .uniqueArray(unknownAttribute, { minLength: 1, maxLength: 3, selector: (a) => a.code })
    .map((list) => list.sort((a, b) => a.code - b.code)),
};

/** Attributes of a route: ORIGIN, AS_PATH and LOCAL_PREF always, NEXT_HOP not, the rest at will. */
export const attributes: fc.Arbitrary<PathAttributes> = fc
  .record(
    {
      origin: fc.constantFrom(...Object.values(Origin)),
      asPath,
      localPref: u32,
      originatorId: ipv4,
      clusterList: fc.array(ipv4, { minLength: 1, maxLength: 4 }),
      ...optional,
    },
    { requiredKeys: ['origin', 'asPath', 'localPref'] },
  )
  .chain((value) =>
    fc.subarray([7, 8, 16, 32, 35]).map((partial) => {
      const fields = {
        7: 'aggregator',
        8: 'communities',
        16: 'extendedCommunities',
        32: 'largeCommunities',
        35: 'onlyToCustomer',
      } as const;
      const set = partial.filter((code) => value[fields[code as keyof typeof fields]] !== undefined);
      return set.length > 0 ? { ...value, partial: set } : value;
    }),
  );

/** MP_REACH_NLRI of IPv6 unicast with one or two next hops. */
export function mpReach(hasPathIds: boolean): fc.Arbitrary<MpReach> {
  return fc
    .tuple(host6, fc.option(linkLocal, { nil: undefined }), nlri('ipv6-unicast', hasPathIds, 1))
    .map(([nextHop, linkLocalNextHop, entries]) => ({
      afi: 2 as const,
      safi: 1 as const,
      family: 'ipv6-unicast' as const,
      nextHop,
      ...(linkLocalNextHop && { linkLocalNextHop }),
      nlri: entries,
    }));
}

/** MP_UNREACH_NLRI of IPv6 unicast, never empty. */
export function mpUnreach(hasPathIds: boolean): fc.Arbitrary<MpUnreach> {
  return nlri('ipv6-unicast', hasPathIds, 1).map((withdrawn) => ({
    afi: 2 as const,
    safi: 1 as const,
    family: 'ipv6-unicast' as const,
    withdrawn,
  }));
}

export { host4 as ipv4NextHop };

const afiSafi = { afi: u16, safi: u8 };
const name = fc.string({ maxLength: 20 }).map((text) => text.toWellFormed());

const capability: fc.Arbitrary<Capability> = fc.oneof(
  fc.record({ type: fc.constant('multiprotocol' as const), ...afiSafi }),
  fc.record({
    type: fc.constantFrom('route-refresh' as const, 'extended-message' as const, 'enhanced-route-refresh' as const),
  }),
  fc.record({
    type: fc.constant('extended-next-hop' as const),
    entries: fc.array(fc.record({ afi: u16, safi: u16, nextHopAfi: u16 }), { maxLength: 3 }),
  }),
  fc.record({ type: fc.constant('role' as const), role: u8 }),
  fc.record({
    type: fc.constant('graceful-restart' as const),
    restarted: fc.boolean(),
    notifications: fc.boolean(),
    restartSeconds: fc.integer({ min: 0, max: 4095 }),
    families: fc.array(fc.record({ ...afiSafi, forwarding: fc.boolean() }), { maxLength: 3 }),
  }),
  fc.record({ type: fc.constant('four-octet-as' as const), asn: asNumber }),
  fc.record({
    type: fc.constant('add-path' as const),
    entries: fc.array(fc.record({ ...afiSafi, sendReceive: fc.constantFrom(1 as const, 2 as const, 3 as const) }), {
      maxLength: 3,
    }),
  }),
  fc.record({
    type: fc.constant('long-lived-graceful-restart' as const),
    families: fc.array(
      fc.record({ ...afiSafi, forwarding: fc.boolean(), staleSeconds: fc.integer({ min: 0, max: 0xffffff }) }),
      { maxLength: 3 },
    ),
  }),
  fc.record({ type: fc.constant('fqdn' as const), hostName: name, domainName: name }),
  fc.record({ type: fc.constant('software-version' as const), version: name }),
  fc.record({
    type: fc.constant('unknown' as const),
    code: fc.constantFrom(3, 77, 128, 255),
    value: fc.uint8Array({ maxLength: 255 }),
  }),
);

export const capabilities: fc.Arbitrary<Capability[]> = fc.array(capability, { maxLength: 8 });

export const openMessage: fc.Arbitrary<OpenMessage> = fc.record({
  version: fc.constant(4),
  myAs: fc.integer({ min: 1, max: 0xffff }),
  holdSeconds: u16.filter((seconds) => seconds !== 1 && seconds !== 2),
  routerId,
  capabilities,
});
