import type { AddressOf, AfiOf, NextHopOf, SafiOf } from '../family.ts';
import type { FamilyName, Origin } from '../iana.ts';
import type { IpAddress, Ipv6Address } from '../ip.ts';
import type { NlriEntry } from '../nlri/nlri.ts';

/** A part of AS_PATH (RFC 4271 §4.3, RFC 5065 §3). */
export interface AsPathSegment {
  readonly type: 'sequence' | 'set' | 'confed-sequence' | 'confed-set';
  /** Nearest AS first. */
  readonly asns: readonly number[];
}

/** AS_PATH, nearest segment first; empty for a route of our own AS. */
export type AsPath = readonly AsPathSegment[];

/** AGGREGATOR (RFC 4271 §5.1.7). */
export interface Aggregator {
  readonly asn: number;
  /** Router id of the aggregating speaker. */
  readonly address: IpAddress;
}

/** A large community (RFC 8092): three unsigned 32-bit numbers. */
export interface LargeCommunity {
  readonly globalAdmin: number;
  readonly local1: number;
  readonly local2: number;
}

/** AIGP, the accumulated cost of the way inside several ASes of one operator (RFC 7311 §3). */
export interface Aigp {
  /** Unsigned 64-bit, below 2^64-1. */
  readonly metric: bigint;
  /** TLVs behind the first AIGP TLV, which are passed along as they are. */
  readonly further?: Uint8Array;
}

/** An attribute this package does not know, kept octet for octet. */
export interface UnknownAttribute {
  /** Optional, Transitive and Partial as received; the other bits are zero. */
  readonly flags: number;
  readonly code: number;
  readonly value: Uint8Array;
}

/**
 * The path attributes of a route as values. Fields are absent where the attribute was. Everything in here is immutable and owns
 * its octets, so that a decoded set can be kept and shared.
 */
export interface PathAttributes {
  readonly origin?: Origin;
  /** With AS4_PATH merged in (RFC 6793 §4.2.3). */
  readonly asPath?: AsPath;
  /** Of NEXT_HOP, or, in an UPDATE whose only routes are those of MP_REACH_NLRI, of that. */
  readonly nextHop?: IpAddress;
  /** The second next hop of MP_REACH_NLRI for IPv6 (RFC 2545 §3). */
  readonly linkLocalNextHop?: IpAddress;
  /** MULTI_EXIT_DISC, unsigned 32-bit. */
  readonly med?: number;
  /** Unsigned 32-bit. */
  readonly localPref?: number;
  readonly atomicAggregate?: true;
  /** With AS4_AGGREGATOR merged in. */
  readonly aggregator?: Aggregator;
  /** Unsigned 32-bit numbers, sorted as received. */
  readonly communities?: readonly number[];
  /** 8 octets each. */
  readonly extendedCommunities?: readonly Uint8Array[];
  readonly largeCommunities?: readonly LargeCommunity[];
  readonly aigp?: Aigp;
  readonly originatorId?: IpAddress;
  readonly clusterList?: readonly IpAddress[];
  /** OTC (RFC 9234 §5): an AS number. */
  readonly onlyToCustomer?: number;
  /** In order of arrival. */
  readonly unknown?: readonly UnknownAttribute[];
  /** Type codes of known optional transitive attributes that arrived with the Partial bit, which must stay set (RFC 4271 §4.3). */
  readonly partial?: readonly number[];
}

/** MP_REACH_NLRI (RFC 4760 §3). */
export type MpReach = { readonly [F in FamilyName]: MpReachOf<F> }[FamilyName] | OpaqueMpReach;

/** MP_REACH_NLRI of a known family: AFI, SAFI, prefixes and next hops fit each other, or it does not compile. */
export interface MpReachOf<F extends FamilyName> {
  readonly afi: AfiOf<F>;
  readonly safi: SafiOf<F>;
  readonly family: F;
  readonly nextHop: NextHopOf<F>;
  /** fe80::/10 next hop beside a global one (RFC 2545 §3). */
  readonly linkLocalNextHop?: Ipv6Address;
  readonly nlri: readonly NlriEntry<AddressOf<F>>[];
  readonly raw?: undefined;
}

/** MP_REACH_NLRI of a family this package does not know: octets. */
export interface OpaqueMpReach {
  /** 16 bits. */
  readonly afi: number;
  /** 8 bits. */
  readonly safi: number;
  readonly family?: undefined;
  readonly nextHop?: undefined;
  readonly linkLocalNextHop?: undefined;
  /** Empty. */
  readonly nlri: readonly never[];
  /** The value after AFI and SAFI. */
  readonly raw: Uint8Array;
}

/** MP_UNREACH_NLRI (RFC 4760 §4). */
export type MpUnreach = { readonly [F in FamilyName]: MpUnreachOf<F> }[FamilyName] | OpaqueMpUnreach;

/** MP_UNREACH_NLRI of a known family: AFI, SAFI and prefixes fit each other, or it does not compile. */
export interface MpUnreachOf<F extends FamilyName> {
  readonly afi: AfiOf<F>;
  readonly safi: SafiOf<F>;
  readonly family: F;
  readonly withdrawn: readonly NlriEntry<AddressOf<F>>[];
  readonly raw?: undefined;
}

/** MP_UNREACH_NLRI of a family this package does not know: octets. */
export interface OpaqueMpUnreach {
  /** 16 bits. */
  readonly afi: number;
  /** 8 bits. */
  readonly safi: number;
  readonly family?: undefined;
  /** Empty. */
  readonly withdrawn: readonly never[];
  /** The value after AFI and SAFI. */
  readonly raw: Uint8Array;
}
