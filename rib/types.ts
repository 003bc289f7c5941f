import type { FamilyName, IpAddress, PathAttributes, Prefix, Role } from 'bgp-ts';
import type { Policy } from './policy/evaluate.ts';
import type { RouteSource } from './policy/policy.ts';

/** Where a local path comes from; `bgp` is what was heard from a peer. */
export type LocalSource = Exclude<RouteSource, 'bgp'>;

/** How the decision process is run. */
export interface DecisionOptions {
  /** Compare MED also between different neighbouring ASes. Default false (RFC 4271 §9.1.2.2 c). */
  readonly alwaysCompareMed?: boolean;
  /** A path without MED counts as 4294967295 instead of 0. */
  readonly missingMedIsWorst?: boolean;
  /** Between eBGP paths keep the one that is selected rather than compare router ids (RFC 5004). */
  readonly preferCurrent?: boolean;
}

/** Equal-cost multipath. */
export interface MultipathOptions {
  /** Most paths used for one prefix; 1 switches multipath off. */
  readonly maxPaths: number;
  /** Accept paths through different neighbouring ASes, as long as their AS paths are equally long. */
  readonly relaxAsPath: boolean;
}

/** What the routing table of the node says about a next hop. */
export interface NextHopResolver {
  /**
   * Asked once per next hop, and again after `Rib.nextHopChanged`. `metric` is the interior cost, 0 when connected.
   * @param device interface of the session the next hop was heard on, where that is its scope (link-local addresses)
   */
  resolve(nextHop: IpAddress, device?: string): { readonly reachable: boolean; readonly metric?: number };
  /** The same answer in words, for people: what was looked up and what was found. */
  describe?(nextHop: IpAddress, device?: string): string;
}

/** How a next hop was looked up. */
export interface NextHopLookup {
  readonly address: IpAddress;
  /** Interface that scopes a link-local address. */
  readonly device?: string;
  readonly result: 'reachable' | 'unreachable' | 'own';
  /** Interior cost of a reachable one. */
  readonly metric?: number;
  /** What the lookup found, in the words of the resolver. */
  readonly text?: string;
}

/** Settings of the RIB that hold for all peers. */
export interface RibOptions {
  readonly localAs: number;
  readonly routerId: IpAddress;
  /** Cluster id of a route reflector (RFC 4456 §7); the router id when absent. */
  readonly clusterId?: IpAddress;
  /** Identifier of the confederation that `localAs` is a member of (RFC 5065): the AS that the outside sees. */
  readonly confederationId?: number;
  readonly multipath?: MultipathOptions;
  readonly decision?: DecisionOptions;
  readonly nextHops: NextHopResolver;
  /** Milliseconds on a clock that never goes back, for the budget of `work`. */
  readonly nowMs: () => number;
  /** Addresses of this node: a received path whose next hop is one of them is never used (RFC 4271 §5.1.3). */
  readonly ownAddresses?: readonly IpAddress[];
  /** False: nobody takes selections for a kernel, do not collect them (a pure route reflector). Default true. */
  readonly feedsFib?: boolean;
  /** Rows gone through between two looks at the clock. Default 1024. */
  readonly sliceRows?: number;
}

/** What the RIB tells its owner. Called synchronously: do little. */
export interface RibObserver {
  /** There is something to do: call `work` soon. Called once until `work` is called. */
  workArrived(): void;
  /** A peer has passed the warning threshold of its prefix limit, or the limit itself when that only warns. */
  prefixLimitWarning?(peer: string, family: FamilyName, count: number, limit: number): void;
  /** A peer sent routes of a family that cannot be read: nothing it says about that family is used until its session ends (RFC 7606 §2). */
  familyDisabled?(peer: string, family: FamilyName, reason: string): void;
  /** A route of this group has no next hop to advertise: no own address of its family is known. Once per peer group. */
  noNextHopSelf?(peers: readonly string[], family: FamilyName): void;
  /** An id of `Rib.nextHopSet` is no longer in use and may come back with another meaning. */
  nextHopSetFreed?(id: number): void;
}

/** Limit on the paths a peer may have in Adj-RIB-In, per family. */
export interface PrefixLimit {
  /** Paths allowed. */
  readonly limit: number;
  /** Percent of the limit at which to warn. Default 75. */
  readonly warnPercent?: number;
  /** `reset` (default): Cease/Maximum Number of Prefixes Reached (RFC 4486). `warn`: say so and carry on. */
  readonly action?: 'reset' | 'warn';
}

/**
 * Whom the next hop of an advertised path names. `auto`: this node towards eBGP; unchanged towards iBGP, but this node for what it
 * originates. `third-party`: as `auto`, but towards eBGP a next hop on a subnet shared with the peer stays (RFC 4271 §5.1.3).
 */
export type NextHopMode = 'auto' | 'self' | 'unchanged' | 'third-party';

/** What becomes of AS numbers for private use (RFC 6996) towards a peer; one that is the peer's own stays. */
export interface RemovePrivateAs {
  /** Also in paths that hold other AS numbers; else only paths without any other are changed. */
  readonly all: boolean;
  /** Put the AS number shown to the peer in their place, so that the path stays as long. */
  readonly replace: boolean;
}

/** A peer as the RIB needs it. */
export interface RibPeerSettings {
  readonly name: string;
  readonly address: IpAddress;
  readonly kind: 'ebgp' | 'ibgp';
  readonly remoteAs: number;
  /** The AS number this node shows to the peer. */
  readonly localAs: number;
  readonly importPolicy: Policy;
  readonly exportPolicy: Policy;
  /** iBGP only: we reflect for this peer (RFC 4456). */
  readonly routeReflectorClient?: boolean;
  /** Default `auto`. */
  readonly nextHop?: NextHopMode;
  /** Own addresses to name as next hop; for the family of the session its local address when absent. */
  readonly nextHopSelf?: { readonly ipv4?: IpAddress; readonly ipv6?: IpAddress; readonly linkLocal?: IpAddress };
  /** Subnets shared with the peer, for `third-party`. */
  readonly sharedSubnets?: readonly Prefix[];
  readonly prefixLimit?: Readonly<Partial<Record<FamilyName, PrefixLimit>>>;
  /** Where ADD-PATH was agreed on: most paths told for a prefix, the best ones; all that may be selected when absent (RFC 7911). */
  readonly addPathMax?: Readonly<Partial<Record<FamilyName, number>>>;
  /** Advertise only what this node originates (a node that is no transit). */
  readonly exportOnlyLocal?: boolean;
  /** How often the own AS may be in a received AS_PATH. Default 0. */
  readonly allowOwnAs?: number;
  /** eBGP: the first AS of a received path must be the peer's (RFC 4271 §6.3). Default true; off for route servers. */
  readonly enforceFirstAs?: boolean;
  /** eBGP: keep the MED of learned paths on export. Default false (RFC 4271 §5.1.4). */
  readonly exportMed?: boolean;
  /** The peer is of another member AS of our confederation (RFC 5065); `kind` is `ebgp`. */
  readonly isConfederationMember?: boolean;
  /** `localAs` is not the node's: put it in front of received paths too. Default false (`no-prepend` elsewhere). */
  readonly prependLocalAsIn?: boolean;
  /** `localAs` is not the node's: tell the node's AS behind it. Default false (`replace-as` elsewhere). */
  readonly keepOwnAs?: boolean;
  /** eBGP: the peer's own AS is replaced by `localAs` in what it is told, for sites that share an AS number. */
  readonly asOverride?: boolean;
  readonly removePrivateAs?: RemovePrivateAs;
  /** What this node is to the peer (RFC 9234); eBGP only. */
  readonly role?: Role;
  /** The session is about to be taken down (RFC 8326): what is told carries GRACEFUL_SHUTDOWN, what is heard is used last. */
  readonly gracefulShutdown?: boolean;
  /** Paths with GRACEFUL_SHUTDOWN get LOCAL_PREF 0. Default: on eBGP sessions (RFC 8326 §4.2). */
  readonly honoursGracefulShutdown?: boolean;
  /** AIGP is heard and told (RFC 7311). Default: within the AS and the confederation. */
  readonly aigp?: boolean;
  /** Paths with an AS_SET or AS_CONFED_SET are used instead of withdrawn (RFC 9774). Default false. */
  readonly allowsAsSets?: boolean;
  /** Cluster that a client belongs to, where it is not that of the node (RFC 4456 §7). */
  readonly clusterId?: IpAddress;
  /** Client: it is told what other clients of its cluster said. Default true; off where the clients speak to each other. */
  readonly clientToClient?: boolean;
  /** Next hop by the kind of session that a path was heard on, where it differs from `nextHop`. */
  readonly nextHopOf?: { readonly ebgp?: NextHopMode; readonly ibgp?: NextHopMode };
  /** Link bandwidth, as an extended community, for received paths that have none (draft-ietf-idr-link-bandwidth). */
  readonly linkBandwidth?: Uint8Array;
  /** Whom a received path leads to: `peer` is the address of the session's other end, whatever the path names. Default `keep`. */
  readonly nextHopIn?: 'keep' | 'peer';
}

/** What the RIB needs to know about a session: a part of `Negotiated`. */
export interface RibSession {
  readonly families: ReadonlySet<FamilyName>;
  readonly fourOctetAs: boolean;
  readonly addPathReceive: ReadonlySet<FamilyName>;
  readonly addPathSend: ReadonlySet<FamilyName>;
  readonly maxOctets: number;
  readonly remoteRouterId: IpAddress;
  readonly localAddress: IpAddress;
  readonly remoteAddress: IpAddress;
  /** Interface of a session with a link-local address, or with a peer on the link: the scope of link-local next hops. */
  readonly device?: string;
  /** IPv4 families whose paths may have an IPv6 next hop (RFC 8950), in both directions. */
  readonly extendedNextHop?: ReadonlySet<FamilyName>;
}

/** One next hop of a selected route. */
export interface SelectedNextHop {
  readonly address: IpAddress;
  /** Link-local address to send to, when the peer gave one (RFC 2545 §3). */
  readonly linkLocal?: IpAddress;
  /** Interface of the session: the scope of the link-local address. */
  readonly device?: string;
  /** Share of the traffic among the next hops of a set, 1 (when absent) to 256. */
  readonly weight?: number;
}

/**
 * Takes changed selections. `octets` is scratch space, valid during the call: 4 or 16 octets of the address.
 */
export interface FibSink {
  /** The route now has these next hops: see `Rib.nextHopSet`. */
  route(family: FamilyName, octets: Uint8Array, length: number, nextHopSet: number): void;
  /** There is no BGP route any more (none, or the node's own origin is selected). */
  remove(family: FamilyName, octets: Uint8Array, length: number): void;
}

/** Counters of a peer in one family. */
export interface RibPeerCounters {
  /** Paths in Adj-RIB-In, before policy. */
  readonly received: number;
  /** Paths that the loop checks and the import policy let through. */
  readonly accepted: number;
  /** Prefixes whose best path is from this peer. */
  readonly best: number;
  /** Paths in Adj-RIB-Out. */
  readonly advertised: number;
}

/** Why a path may not be selected. */
export type InvalidReason =
  | 'import-policy'
  | 'as-loop'
  | 'originator-loop'
  | 'cluster-loop'
  | 'route-leak'
  | 'family-disabled'
  | 'next-hop-unreachable'
  | 'next-hop-own'
  | 'session-down';

/** One path of one prefix, decoded for people. */
export interface PathView {
  readonly family: FamilyName;
  readonly prefix: Prefix;
  /** ADD-PATH identifier (RFC 7911), when the session has them. */
  readonly pathId?: number;
  readonly source: RouteSource;
  /** Name, address and kind of the peer it was heard from; absent for local origin. */
  readonly peer?: { readonly name: string; readonly address: IpAddress; readonly kind: 'ebgp' | 'ibgp' };
  readonly valid: boolean;
  readonly invalidReason?: InvalidReason;
  readonly best: boolean;
  /** Used beside the best path. */
  readonly multipath: boolean;
  /**
   * Name of the rule of the decision process that ranked it: for the best path over the next one, else below the best.
   * Absent for invalid paths and where there is no other.
   */
  readonly rule?: string;
  /** As the table asked for holds them: Loc-RIB after import policy, Adj-RIB-In as received, Adj-RIB-Out as sent. */
  readonly attributes: PathAttributes;
  /** Loc-RIB: as received, where import policy changed them. */
  readonly beforePolicy?: PathAttributes;
  /** Adj-RIB-In: after import policy, where it changed them. */
  readonly afterPolicy?: PathAttributes;
  /** Adj-RIB-In and Loc-RIB: the term of the import policy that decided; Adj-RIB-Out: of the export policy. */
  readonly policyTerm?: string;
}

/** Which part of a table. */
export interface RouteQuery {
  /** Both when absent. */
  readonly family?: FamilyName;
  /** This prefix alone, or everything inside with `longer`. */
  readonly prefix?: Prefix;
  /** The longest match of this address. Not with `prefix`. */
  readonly address?: IpAddress;
  readonly longer?: boolean;
  /** Loc-RIB: only the best path of each prefix. */
  readonly bestOnly?: boolean;
}
