import type { FamilyName, IpAddress, Origin, PathAttributes, Prefix } from 'bgp-ts';

/**
 * Where a path comes from: `bgp` was heard from a peer, everything else was put into the Loc-RIB by this node
 * (a configured network, the block of its pods, an address of a service).
 */
export type RouteSource = 'bgp' | 'network' | 'pod-block' | 'service';

/** The session seen from this node: other AS, same AS. */
export type PeerKind = 'ebgp' | 'ibgp';

/** What a policy may ask about a peer. */
export interface PolicyPeer {
  readonly name: string;
  readonly address: IpAddress;
  readonly kind: PeerKind;
  readonly remoteAs: number;
  /** The AS number this node shows to the peer. */
  readonly localAs: number;
}

/**
 * A path in front of a policy. On import the attributes are as received, on export as in the Loc-RIB: the own AS is not yet in
 * front, so that AS numbers prepended by a policy end up behind it.
 */
export interface PolicyRoute {
  readonly family: FamilyName;
  /** May be left out when {@link policyNeedsPrefix} says that no term looks at it; a prefix match never holds without it. */
  readonly prefix?: Prefix | undefined;
  readonly attributes: PathAttributes;
  readonly source: RouteSource;
  /** The peer of this session: who sent the path (import), who would get it (export). */
  readonly peer: PolicyPeer;
  /** Export only: who the path was heard from; absent for local origin. */
  readonly learnedFrom?: PolicyPeer | undefined;
  /** Name of the interface towards the next hop where it is known; an interface match never holds without it. */
  readonly interfaceName?: string | undefined;
}

/**
 * Prefixes inside `prefix` (or equal to it) whose length is between `minLength` and `maxLength`, both included.
 * Just the prefix itself: both equal to `prefix.length`.
 */
export interface PrefixRange {
  readonly prefix: Prefix;
  readonly minLength: number;
  readonly maxLength: number;
}

/** A list of prefix ranges under a name; the same object in several matches is prepared once. */
export interface PrefixSet {
  readonly name: string;
  readonly entries: readonly PrefixRange[];
}

/**
 * A community with wildcards. Parts are numbers, `*` for any, or a range; `asn` is the upper half of a standard community and the
 * global administrator of a large one.
 */
export type CommunityPart = number | '*' | { readonly min: number; readonly max: number };

/** Standard: two 16-bit parts (RFC 1997). Large: three 32-bit parts (RFC 8092). Extended: 16 hex digits, `*` for any (RFC 4360). */
export type CommunityPattern =
  | { readonly type: 'standard'; readonly parts: readonly [CommunityPart, CommunityPart] }
  | { readonly type: 'large'; readonly parts: readonly [CommunityPart, CommunityPart, CommunityPart] }
  | { readonly type: 'extended'; readonly hex: string };

/** A community to set or add. */
export type CommunityValue =
  | { readonly type: 'standard'; readonly value: number }
  | { readonly type: 'large'; readonly globalAdmin: number; readonly local1: number; readonly local2: number }
  | { readonly type: 'extended'; readonly octets: Uint8Array };

/** An inclusive range of numbers; an end left out is open. */
export interface NumberRange {
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

/** One condition; all conditions of a term must hold. */
export type PolicyMatch =
  | { readonly type: 'family'; readonly family: FamilyName }
  | { readonly type: 'prefix'; readonly set: PrefixSet }
  | { readonly type: 'prefix-length'; readonly min: number; readonly max: number }
  | { readonly type: 'origin'; readonly origins: readonly Origin[] }
  /** Regular expression over the AS numbers of the path, see `lib/as-path-pattern.ts`. */
  | { readonly type: 'as-path'; readonly pattern: string }
  /** These AS numbers, in this order, are the first of the path (the most recent ones). */
  | { readonly type: 'as-path-prefix'; readonly asns: readonly number[] }
  /** Length as the decision process counts it: a set is 1, confederation segments are 0. */
  | { readonly type: 'as-path-length'; readonly range: NumberRange }
  /** The neighbouring (most recent) and the originating (last) AS number. */
  | { readonly type: 'neighbour-as'; readonly asns: readonly number[] }
  | { readonly type: 'origin-as'; readonly asns: readonly number[] }
  /** How many of the patterns must be found among the communities of the path. */
  | {
      readonly type: 'community';
      readonly require: 'any' | 'all' | 'none';
      readonly patterns: readonly CommunityPattern[];
    }
  | { readonly type: 'med'; readonly range: NumberRange }
  /** A path without LOCAL_PREF counts as `absent`, or as 100. */
  | { readonly type: 'local-pref'; readonly range: NumberRange; readonly absent?: number | undefined }
  | { readonly type: 'next-hop'; readonly set: PrefixSet }
  | { readonly type: 'peer'; readonly names: readonly string[] }
  | { readonly type: 'peer-kind'; readonly kind: PeerKind }
  | { readonly type: 'peer-as'; readonly asns: readonly number[] }
  /** Export only: the peer the path was heard from. */
  | { readonly type: 'learned-from'; readonly names: readonly string[] }
  | { readonly type: 'learned-from-kind'; readonly kind: PeerKind }
  | { readonly type: 'source'; readonly sources: readonly RouteSource[] }
  /** Interface name with `*` for any number of characters. */
  | { readonly type: 'interface'; readonly pattern: string }
  | { readonly type: 'not'; readonly match: PolicyMatch }
  | { readonly type: 'any'; readonly matches: readonly PolicyMatch[] };

/** One change of the attributes; changes of a term happen in order, and also when its verdict is `next`. */
export type PolicyAction =
  | { readonly type: 'set-local-pref'; readonly value: number }
  /** Relative changes stay within 0..4294967295 and start from 0 where there is no MED. */
  | { readonly type: 'set-med'; readonly operation: 'set' | 'add' | 'subtract'; readonly value: number }
  | { readonly type: 'remove-med' }
  | { readonly type: 'set-origin'; readonly origin: Origin }
  /** Puts AS numbers in front of the path: the first one listed ends up first. */
  | { readonly type: 'prepend'; readonly asns: readonly number[] }
  /** Puts the AS number this node shows to the peer in front of the path. */
  | { readonly type: 'prepend-local-as'; readonly times: number }
  /** Puts the AS number that is the first of the path there again; nothing happens to an empty path or one that begins with a set. */
  | { readonly type: 'prepend-last-as'; readonly times: number }
  | { readonly type: 'set-next-hop'; readonly address: IpAddress }
  /** Decided when the route is sent; has no effect on import. */
  | { readonly type: 'next-hop'; readonly mode: 'self' | 'unchanged' }
  | { readonly type: 'add-communities'; readonly communities: readonly CommunityValue[] }
  /** Replaces the communities of the kinds that are listed; an empty list removes all of all kinds. */
  | { readonly type: 'set-communities'; readonly communities: readonly CommunityValue[] }
  | { readonly type: 'delete-communities'; readonly patterns: readonly CommunityPattern[] }
  /** Puts a link bandwidth (draft-ietf-idr-link-bandwidth) in place of any there is, with the AS number this node shows to the peer. */
  | { readonly type: 'set-link-bandwidth'; readonly octetsPerSecond: number; readonly isTransitive: boolean }
  /** Local preference of this speaker alone, compared before LOCAL_PREF. */
  | { readonly type: 'set-weight'; readonly value: number };

/** A term whose matches all hold performs its actions; `next` then goes on with the following term, the others end the policy. */
export interface PolicyTerm {
  /** Named in the verdict, e.g. `BGPFilter no-default: importV4[0]`. */
  readonly name: string;
  readonly matches: readonly PolicyMatch[];
  readonly actions: readonly PolicyAction[];
  readonly verdict: 'accept' | 'reject' | 'next';
}

/** A policy as plain data, as configuration carries it. {@link preparePolicy} makes it ready to run. */
export interface PolicySpec {
  readonly name: string;
  readonly terms: readonly PolicyTerm[];
  /** What happens to a path that no term decided. */
  readonly default: 'accept' | 'reject';
  /** The name that the verdict shows for the default, e.g. `RFC 8212: no export policy`. */
  readonly defaultName: string;
}
