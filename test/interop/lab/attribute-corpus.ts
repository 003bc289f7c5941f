import {
  AttributeFlag,
  type FamilyName,
  formatPrefix,
  type IpAddress,
  ip,
  type Origin,
  type PathAttributes,
  type Prefix,
  parseAsPath,
  parseCommunity,
  parseExtendedCommunity,
  parseLargeCommunity,
  prefix,
  prependAsPath,
  WellKnownCommunity,
} from 'bgp-ts';

/** Routes of one family that share their attributes. */
export interface RouteGroup {
  readonly prefixes: readonly Prefix[];
  readonly attributes: PathAttributes;
}

/** Whose routes to make: how they reach the first speaker, and numbers that keep one feeder's apart from another's. */
export interface CorpusOptions {
  readonly kind: 'ebgp' | 'ibgp';
  /** AS of the feeder; begins every path over eBGP. */
  readonly asn: number;
  /** Next hops, per family; the groups take turns. */
  readonly nextHops: Readonly<Record<FamilyName, readonly IpAddress[]>>;
  /** No AGGREGATOR. */
  readonly withoutAggregator?: boolean;
  /** First octet of the IPv4 prefixes, and a group of the IPv6 ones. */
  readonly block: number;
}

export const ROUTES_PER_FAMILY = 1000;
const GROUPS = 125;

/**
 * Routes over 125 sets of attributes: the forms of each attribute take turns in cycles of different lengths, so that each meets the others.
 * No value means anything to a router but to be carried (no AS of the lab), except that what comes from within an AS may be for that AS alone:
 * NO_EXPORT, and extended communities that are not transitive.
 */
export function makeRoutes(options: CorpusOptions): Record<FamilyName, RouteGroup[]> {
  const make = (family: FamilyName): RouteGroup[] =>
    Array.from({ length: GROUPS }, (_, i) => ({
      prefixes: Array.from({ length: ROUTES_PER_FAMILY / GROUPS }, (_, j) =>
        prefixOf(family, options.block, i * (ROUTES_PER_FAMILY / GROUPS) + j),
      ),
      attributes: attributesOf(i, family, options),
    }));
  return { 'ipv4-unicast': make('ipv4-unicast'), 'ipv6-unicast': make('ipv6-unicast') };
}

/** All lengths from /24 to /32 and from /56 to /128. */
function prefixOf(family: FamilyName, block: number, n: number): Prefix {
  if (family === 'ipv4-unicast') return prefix(`${block}.${n >> 8}.${n & 255}.0/${24 + (n % 9)}`);
  return prefix(`2001:db8:${block}:${(n << 4).toString(16)}::/${60 + (n % 69)}`);
}

/** Whether a prefix is one of a feeder's. */
export function isOfBlock(prefix: string, block: number): boolean {
  return prefix.startsWith(`${block}.`) || prefix.startsWith(`2001:db8:${block}:`);
}

/** The path each group has behind the feeder's AS: lengths, prepending, sets at every place, large numbers. */
const paths = [
  '65101',
  '4200000001 65102',
  '65103 {65104,65105}',
  '',
  '65106 4200000002 {4200000003,65107}',
  '65108 65108 65108 65108',
  '1 2 3 4 5 6 7 8 9 10 11 4294967294 65535',
  '{65109}',
  '65110 {65111,65112} 65113 {4200000004}',
  Array.from({ length: 260 }, (_, i) => 100_000 + i).join(' '),
];

const meds = [undefined, 0, 7, 0xffffffff];
const localPrefs = [100, 0, 0xffffffff, 150, 101];
const aggregators = ['65020', undefined, '4200000009', undefined, undefined];
const communities = [undefined, '65000:1', '0:5 65000:65535 1:0', undefined, '65001:1 65001:2 65001:3 65001:4'];
const internalCommunities = [undefined, '65000:9 no-export', '65000:1', '0:5 65000:65535 1:0', '65001:1 65001:2'];
const largeCommunities = [undefined, '4200000001:2:4294967295', undefined, '0:0:1 65000:1:2 65000:1:3'];
/** Route targets and origins of all three forms, a color (RFC 9012 §4.3), and one whose type nobody has assigned. */
const extendedCommunities = [
  undefined,
  'rt:65000:100 soo:192.0.2.1:7',
  'rt:4200000001:9 rt:65000:4294967295',
  undefined,
  undefined,
  '0x030b000000001234 soo:65000:3',
  '0x0f23456789abcdef rt:192.0.2.3:65535',
];
const internalExtendedCommunities = [...extendedCommunities, '0x4300000000000001', 'rt:65000:8 0x4004fde800000000'];
const clusterLists = [undefined, undefined, '198.51.100.1', '198.51.100.2 198.51.100.3 0.0.0.9'];
/** Codes that IANA has not assigned; a long one has a two-octet length on the wire. */
const unknownValues = [undefined, 'deadbeef', undefined, '', '00'.repeat(300), undefined];

function attributesOf(i: number, family: FamilyName, options: CorpusOptions): PathAttributes {
  const { kind, asn } = options;
  const isIbgp = kind === 'ibgp';
  const nextHops = options.nextHops[family];
  const behind = parseAsPath(cycle(paths, i) ?? '') ?? [];
  const med = cycle(meds, i);
  const aggregator = options.withoutAggregator === true ? undefined : cycle(aggregators, i);
  const clusterList = isIbgp ? words(clusterLists, i) : undefined;
  const unknown = cycle(unknownValues, i);
  const community = words(isIbgp ? internalCommunities : communities, i)?.map((text) => known(parseCommunity(text)));
  const large = words(largeCommunities, i)?.map((text) => known(parseLargeCommunity(text)));
  const extended = words(isIbgp ? internalExtendedCommunities : extendedCommunities, i)?.map((text) =>
    known(parseExtendedCommunity(text)),
  );
  return {
    origin: (i % 3) as Origin,
    asPath: isIbgp ? behind : prependAsPath(behind, asn),
    nextHop: nextHops[i % nextHops.length] as IpAddress,
    ...(med === undefined ? {} : { med }),
    ...(isIbgp ? { localPref: cycle(localPrefs, i) as number } : {}),
    ...(i % 2 === 1 ? { atomicAggregate: true as const } : {}),
    ...(aggregator === undefined ? {} : { aggregator: { asn: Number(aggregator), address: ip('203.0.113.9') } }),
    ...(community === undefined ? {} : { communities: community }),
    ...(extended === undefined ? {} : { extendedCommunities: extended }),
    ...(large === undefined ? {} : { largeCommunities: large }),
    ...(clusterList === undefined ? {} : { originatorId: ip('198.51.100.77'), clusterList: clusterList.map(ip) }),
    ...(unknown === undefined
      ? {}
      : {
          unknown: [
            {
              flags: AttributeFlag.Optional | AttributeFlag.Transitive,
              code: 213,
              value: Uint8Array.from(Buffer.from(unknown, 'hex')),
            },
          ],
        }),
  };
}

function cycle<T>(values: readonly T[], i: number): T | undefined {
  return values[i % values.length];
}

function words(values: readonly (string | undefined)[], i: number): string[] | undefined {
  return cycle(values, i)?.split(' ');
}

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a value of the corpus does not parse');
  return value;
}

/** What becomes of attributes at one speaker on their way. */
export type Hop =
  | { readonly type: 'reflect'; readonly clusterId: IpAddress; readonly fromRouterId: IpAddress }
  | { readonly type: 'into-as' }
  | {
      readonly type: 'ebgp';
      readonly asn: number;
      readonly nextHop: Readonly<Record<FamilyName, IpAddress>>;
      /** What is for the own AS alone goes out as well. */
      readonly keepsInternal?: boolean;
    };

/** What routers give a route that comes into their AS without one. */
const DEFAULT_LOCAL_PREF = 100;

/**
 * The attributes a speaker must send on, worked out from the RFCs and not by the code under test: RFC 4456 §8 for a reflector, RFC 4271
 * §5.1 towards iBGP and eBGP, RFC 1997 and RFC 4360 §6 for what stays within an AS, and §5: what it does not know it marks as Partial.
 * @returns undefined for a route that must not be sent on
 */
export function afterHop(attributes: PathAttributes, family: FamilyName, hop: Hop): PathAttributes | undefined {
  const unknown = attributes.unknown?.map((a) => ({ ...a, flags: a.flags | AttributeFlag.Partial }));
  const marked = unknown === undefined ? attributes : { ...attributes, unknown };
  switch (hop.type) {
    case 'reflect':
      return {
        ...marked,
        originatorId: attributes.originatorId ?? hop.fromRouterId,
        clusterList: [hop.clusterId, ...(attributes.clusterList ?? [])],
      };
    case 'into-as':
      return { ...marked, localPref: attributes.localPref ?? DEFAULT_LOCAL_PREF };
    case 'ebgp':
      if (hop.keepsInternal !== true && marked.communities?.includes(WellKnownCommunity.NoExport) === true) {
        return undefined;
      }
      return outOfAs(marked, hop.asn, hop.nextHop[family], hop.keepsInternal === true);
  }
}

function outOfAs(attributes: PathAttributes, asn: number, nextHop: IpAddress, keepsInternal: boolean): PathAttributes {
  const {
    localPref: _localPref,
    med: _med,
    originatorId: _originatorId,
    clusterList: _clusterList,
    extendedCommunities: extended,
    ...rest
  } = attributes;
  const transitive = extended?.filter(([type = 0]) => keepsInternal || (type & 0x40) === 0);
  return {
    ...rest,
    ...(transitive === undefined || transitive.length === 0 ? {} : { extendedCommunities: transitive }),
    asPath: prependAsPath(attributes.asPath ?? [], asn),
    nextHop,
  };
}

/** All groups of both families by prefix, each as the last of `hops` sends it on. */
export function routesAfter(
  routes: Readonly<Record<FamilyName, readonly RouteGroup[]>>,
  hops: readonly Hop[],
): Map<string, PathAttributes> {
  const result = new Map<string, PathAttributes>();
  for (const family of ['ipv4-unicast', 'ipv6-unicast'] as const) {
    for (const { prefixes, attributes } of routes[family]) {
      const arrived = hops.reduce<PathAttributes | undefined>((a, hop) => a && afterHop(a, family, hop), attributes);
      if (arrived === undefined) continue;
      for (const p of prefixes) result.set(formatPrefix(p), arrived);
    }
  }
  return result;
}
