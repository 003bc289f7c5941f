import type { FamilyName, IpAddress, Origin, Prefix, Role } from 'bgp-ts';
import type { SecretText } from './secret.ts';

/**
 * What one node should be doing: the result of `compile`. Plain data, every default filled in, addresses as values. Lists are in a
 * stable order (peers, policies and blocks by name or prefix), so that equal configurations give equal states.
 */
export interface DesiredState {
  readonly node: DesiredNode;
  readonly bgp: DesiredBgp;
  readonly peers: readonly DesiredPeer[];
  /** Peers accepted by the prefix they connect from. */
  readonly dynamicPeers: readonly DesiredDynamicPeer[];
  /** Policies that peers refer to by name. */
  readonly policies: readonly DesiredPolicy[];
  /** Networks originated into BGP beside the blocks. */
  readonly originate: readonly DesiredNetwork[];
  /** Address blocks of this node's pods: originated as aggregates, given to IPAM, backed by a discard route. */
  readonly blocks: readonly DesiredBlock[];
  /** All pools of the cluster, also those this node has no block of. */
  readonly pools: readonly DesiredPool[];
  readonly ipam: DesiredIpam;
  readonly fib: DesiredFib;
  readonly cni: DesiredCni;
  readonly api: DesiredApi;
  readonly log: DesiredLog;
  readonly datastore: DesiredDatastore;
  readonly addressDetection: DesiredAddressDetection;
}

/** The store that the nodes of a cluster share. */
export interface DesiredDatastore {
  /** How long a node that is gone keeps its peerings and blocks, in seconds. */
  readonly graceSeconds: number;
  readonly place: /** Nobody said: a file in the state directory, and no blocks are claimed, since others may share the pools. */
    | { readonly type: 'default' }
    | { readonly type: 'sqlite'; readonly path: string | undefined }
    | ({ readonly type: 'redis' } & DesiredRedis);
}

/** How Redis is reached. Exactly one of `url`, `sentinels` and `cluster` is there. */
export interface DesiredRedis {
  readonly url: string | undefined;
  /** `HOST:PORT` each. */
  readonly sentinels: readonly string[] | undefined;
  readonly masterName: string | undefined;
  /** `HOST:PORT` each. */
  readonly cluster: readonly string[] | undefined;
  readonly username: string | undefined;
  readonly passwordFile: string | undefined;
  readonly tls:
    | {
        readonly caFile?: string | undefined;
        readonly certFile?: string | undefined;
        readonly keyFile?: string | undefined;
        readonly serverName?: string | undefined;
      }
    | undefined;
}

/** How the node finds an address that its Node does not name, for each IP version. Read once, at the start. */
export interface DesiredAddressDetection {
  readonly ipv4: DesiredDetection;
  readonly ipv6: DesiredDetection;
}

export interface DesiredDetection {
  /** As `parseDetectionMethod` reads it. */
  readonly method: string;
  /** Somebody asked for it: a node that finds no address then does not start. */
  readonly isAskedFor: boolean;
}

/** This node. */
export interface DesiredNode {
  readonly name: string;
  readonly asn: number;
  /** Confederation that `asn` is a member of: the AS number the outside sees (RFC 5065). */
  readonly confederationId: number | undefined;
  /** An IPv4-shaped value, never 0.0.0.0. */
  readonly routerId: IpAddress;
  /** Set exactly when the node is a route reflector (RFC 4456 §7). */
  readonly clusterId: IpAddress | undefined;
  readonly ipv4Address: IpAddress | undefined;
  readonly ipv6Address: IpAddress | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/** Speaker-wide BGP settings. */
export interface DesiredBgp {
  readonly listenPort: number;
  /** Empty: all addresses of both families. */
  readonly listenAddresses: readonly IpAddress[];
  readonly multipath: {
    /** Most next hops of one route; 1 is no multipath. */
    readonly maxPaths: number;
    /** Paths of equal length through different neighbour AS numbers may be used together. */
    readonly relaxAsPath: boolean;
  };
}

/** Which rules decide where a peer has no policy of its own; shown by `bgpctl`. */
export type PolicyMode =
  /** A peer of Calico's kinds: what its filters leave open is imported, and own routes are exported. */
  | 'calico'
  /** The operator wrote a policy for this direction of a peer of podroute's kinds. */
  | 'configured'
  /** eBGP without a policy: nothing passes (RFC 8212). */
  | 'rfc8212'
  /** iBGP of podroute kinds without a policy: everything is imported; own (reflector: all) routes are exported. */
  | 'ibgp';

/** One direction of a peer's policy. */
export interface DesiredPolicyUse {
  /** Name in {@link DesiredState.policies}. */
  readonly policy: string;
  readonly mode: PolicyMode;
}

/** What becomes of path attributes on a session. A field that is left out has the default of its kind of session, see `RibPeerSettings`. */
export interface DesiredAttributeRules {
  /** eBGP with another member AS of the confederation (RFC 5065). */
  readonly isConfederationMember?: boolean | undefined;
  /** The peer's AS number is replaced by ours in what it is told. */
  readonly asOverride?: boolean | undefined;
  /** AS numbers for private use are taken out of what it is told, or replaced by ours. */
  readonly removePrivateAs?: { readonly all: boolean; readonly replace: boolean } | undefined;
  /** What this node is to the peer (RFC 9234), and whether the peer must have a role too. */
  readonly role?: Role | undefined;
  readonly strictRole?: boolean | undefined;
  /** The session is being drained (RFC 8326). */
  readonly gracefulShutdown?: boolean | undefined;
  readonly honoursGracefulShutdown?: boolean | undefined;
  readonly aigp?: boolean | undefined;
  readonly allowsAsSets?: boolean | undefined;
  /** Cluster of this client, where it is not the node's. */
  readonly clusterId?: IpAddress | undefined;
  readonly clientToClient?: boolean | undefined;
  /** Next hop by where a path came from, in place of `nextHop`. */
  readonly nextHopOf?:
    | {
        readonly ebgp?: 'auto' | 'self' | 'unchanged' | undefined;
        readonly ibgp?: 'auto' | 'self' | 'unchanged' | undefined;
      }
    | undefined;
  /** Received paths lead to the peer itself, whatever they name. */
  readonly nextHopIn?: 'peer' | undefined;
}

/** What a session needs to know that static and dynamic peers share. */
export interface DesiredSession extends DesiredAttributeRules {
  /** Interface that the connection is bound to (SO_BINDTODEVICE); the zone of a link-local address. */
  readonly device: string | undefined;
  /** TCP source; absent: the kernel chooses. */
  readonly localAddress: IpAddress | undefined;
  /** Interface whose address is the TCP source, where `localAddress` is absent. */
  readonly localInterface: string | undefined;
  /** The AS this node shows to the peer. */
  readonly localAs: number;
  /** `localAs` is not the node's: whether it is put in front of received paths, and whether the node's is told behind it. */
  readonly localAsInPaths: { readonly prependIn: boolean; readonly keepOwn: boolean };
  /** Of a peer whose AS number only its OPEN tells (`auto`): what its policy is made for. */
  readonly kind: 'ebgp' | 'ibgp';
  /** 0: no hold timer; else at least 3 (RFC 4271 §4.2). */
  readonly holdSeconds: number;
  /** Absent: a third of the negotiated hold time. */
  readonly keepaliveSeconds: number | undefined;
  readonly connectRetrySeconds: number;
  /** Quiet time after an error of the protocol; absent: the daemon's. */
  readonly idleHoldSeconds: number | undefined;
  /** RFC 9687; absent: the larger of eight minutes and twice the hold time. */
  readonly sendHoldSeconds: number | undefined;
  /** Offers messages of up to 65535 octets (RFC 8654). */
  readonly extendedMessages: boolean;
  /** Offers IPv6 next hops for IPv4 (RFC 8950). */
  readonly extendedNextHop: boolean;
  /** Offers four-octet AS numbers (RFC 6793). */
  readonly fourOctetAs: boolean;
  /** The OPEN has extended parameters whether it needs them or not (RFC 9072). */
  readonly extendedOpenParameters: boolean;
  readonly families: readonly FamilyName[];
  readonly password: DesiredPassword | undefined;
  /** GTSM: how many hops away the peer may be, 1 is on-link (RFC 5082). */
  readonly ttlSecurityHops: number | undefined;
  /** TTL of what is sent where GTSM is off; absent: the kernel's default, any distance. */
  readonly multihopTtl: number | undefined;
  /** DSCP and ECN octet of the session's packets; 0xc0 is CS6. */
  readonly tos: number;
  /** ADD-PATH (RFC 7911) as it is offered; families without either direction are not listed. */
  readonly addPath: readonly { readonly family: FamilyName; readonly send: boolean; readonly receive: boolean }[];
  /** Most paths of a prefix that are told where sending several was agreed on; all where a family is not listed. */
  readonly addPathMax: Readonly<Partial<Record<FamilyName, number>>>;
  /** What received paths without a link bandwidth get. */
  readonly linkBandwidth: { readonly bitsPerSecond: number; readonly isTransitive: boolean } | undefined;
  readonly routeReflectorClient: boolean;
  /** `auto`: self towards eBGP and for own routes, else unchanged. */
  readonly nextHop: 'auto' | 'self' | 'unchanged';
  readonly maxPrefixes: DesiredMaxPrefixes | undefined;
  /** Most prefixes per family that the peer is told. */
  readonly maxPrefixesOut: DesiredMaxPrefixesOut | undefined;
  /** How often the own AS may be in a received path before it counts as a loop; 0 is never. */
  readonly allowOwnAs: number;
  readonly importPolicy: DesiredPolicyUse;
  readonly exportPolicy: DesiredPolicyUse;
  /** Graceful restart: how long the peer should keep our routes, in seconds (RFC 4724); absent: not offered. */
  readonly restartSeconds: number | undefined;
  /** Not to be started, with the text for the Cease (RFC 9003). */
  readonly adminDown: { readonly text: string } | undefined;
}

/** One peer of this node. */
export interface DesiredPeer extends DesiredSession {
  /** Unique on the node: the resource's name, `NAME/NODE` where one resource gives several peers, `mesh/NODE` in the mesh. */
  readonly name: string;
  /** Where it comes from. */
  readonly origin: DesiredPeerOrigin;
  readonly description: string | undefined;
  /** Of an unnumbered peer `fe80::`: what stands there is found on the link. */
  readonly address: IpAddress;
  readonly port: number;
  /** The peer is whoever is at the other end of the link at `device`. */
  readonly unnumbered: boolean;
  readonly remoteAs: DesiredRemoteAs;
  /** Waits for the peer to connect. */
  readonly passive: boolean;
  /** Gateway that the peer is reached by, where it is not on-link and no route leads there. */
  readonly reachableBy: IpAddress | undefined;
}

/** Peers accepted by source address; each connection becomes a peer named `NAME/ADDRESS`. */
export interface DesiredDynamicPeer extends DesiredSession {
  readonly name: string;
  readonly origin: DesiredPeerOrigin;
  readonly prefixes: readonly Prefix[];
  readonly remoteAs: DesiredRemoteAs;
  /** Most sessions at a time. */
  readonly limit: number;
}

/** Where a peer comes from. `calico` and `podroute` tell whose semantics hold. */
export interface DesiredPeerOrigin {
  readonly dialect: 'calico' | 'podroute';
  readonly type: 'global' | 'node' | 'mesh' | 'reverse';
  /** `BGPPeer tor`, or `node-to-node mesh`. */
  readonly resource: string;
}

/** A TCP MD5 key (RFC 2385). One that cannot be read keeps the peer down: it never means "no password". */
export type DesiredPassword =
  | { readonly type: 'key'; readonly key: SecretText }
  | { readonly type: 'unreadable'; readonly reason: string };

/** Most prefixes per family that a peer may send (RFC 4486: Cease/1). */
export interface DesiredMaxPrefixes extends DesiredMaxPrefixesOut {
  /** Share of `count`, in percent, that is worth a warning. */
  readonly warnPercent: number;
}

/** Most prefixes per family that a peer is told: a guard against a mistake of our own. */
export interface DesiredMaxPrefixesOut {
  readonly count: number;
  /** `warn`: only say so; `restart`: Cease and come back after `restartSeconds`; `shutdown`: Cease and stay down. */
  readonly action: 'warn' | 'restart' | 'shutdown';
  readonly restartSeconds: number;
}

/** A peer's AS number, or which ones are taken: any but ours, any at all. */
export type DesiredRemoteAs = number | 'external' | 'auto';

/** A network originated into BGP. */
export interface DesiredNetwork {
  readonly prefix: Prefix;
  readonly source: 'network' | 'service';
  /** Put a discard route for it into the kernel, so that what has no more specific route does not loop. */
  readonly discard: boolean;
}

/** An address block of this node. */
export interface DesiredBlock {
  readonly prefix: Prefix;
  /** Name of the pool it is cut from; absent for blocks that the Node resource lists and no pool contains. */
  readonly pool: string | undefined;
  /** False: used for pods, but not told to BGP (`disableBGPExport`). */
  readonly advertise: boolean;
  /** False: no new addresses are given out (`disabled`, `assignmentMode: Manual`). */
  readonly allocate: boolean;
}

/** An address pool. */
export interface DesiredPool {
  readonly name: string;
  readonly prefix: Prefix;
  /** Length of the blocks it is cut into. */
  readonly blockLength: number;
  readonly natOutgoing: boolean;
  readonly disabled: boolean;
  readonly disableBgpExport: boolean;
  /** This node may take blocks of it (`nodeSelector`). */
  readonly selectsNode: boolean;
  readonly namespaceSelector: string | undefined;
  readonly allowedUses: readonly ('Workload' | 'Tunnel' | 'LoadBalancer')[];
  readonly assignmentMode: 'Automatic' | 'Manual';
}

/** The kernel's forwarding table. */
export interface DesiredFib {
  /** False: a reflector that forwards nothing; the kernel is left alone. */
  readonly enabled: boolean;
  readonly table: number;
  readonly metric: number;
  /** Metric of IPv6 routes. */
  readonly ipv6Metric: number;
  /** Metric of discard routes, worse than both others. */
  readonly discardMetric: number;
  readonly discardType: 'blackhole' | 'unreachable';
  /** Kernel protocol number of routes that are ours. */
  readonly protocol: number;
  /** Leave the routes in the kernel when the daemon stops. */
  readonly keepRoutes: boolean;
  /** `auto`: nexthop objects where the kernel has them; `off`: every route carries its gateways. */
  readonly nextHopObjects: 'auto' | 'off';
  /**
   * Ranges whose routes are never put into the kernel, however they were learned: service addresses, which each node serves itself.
   */
  readonly neverInstall: readonly Prefix[];
}

/** Address management. */
export interface DesiredIpam {
  /** Addresses come from blocks of this node only. */
  readonly strictAffinity: boolean;
  /** Most blocks of one node. */
  readonly maxBlocks: number;
  /** Claim a further block when the node's are full. */
  readonly autoAllocateBlocks: boolean;
  /** How long a released address rests before it is given out again. */
  readonly cooldownSeconds: number;
  /** Never given out. */
  readonly reserved: readonly Prefix[];
}

/** Pod wiring. */
export interface DesiredCni {
  readonly enabled: boolean;
  /** Absent: that of the interface towards the default route. */
  readonly mtu: number | undefined;
  readonly socketPath: string;
  readonly statePath: string;
}

/** The control API. */
export interface DesiredApi {
  readonly socketPath: string;
}

/** Log settings. */
export interface DesiredLog {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
}

// Policies: the shape of rib/policy/policy.ts's PolicySpec, repeated here because config does not import rib. A test holds the two
// to each other.

/** Prefixes inside `prefix` with a length between both ends. */
export interface DesiredPrefixRange {
  readonly prefix: Prefix;
  readonly minLength: number;
  readonly maxLength: number;
}

/** A named list of prefix ranges. */
export interface DesiredPrefixSet {
  readonly name: string;
  readonly entries: readonly DesiredPrefixRange[];
}

/** A part of a community: a number, any, or a range. */
export type DesiredCommunityPart = number | '*' | { readonly min: number; readonly max: number };

/** A community with wildcards. */
export type DesiredCommunityPattern =
  | { readonly type: 'standard'; readonly parts: readonly [DesiredCommunityPart, DesiredCommunityPart] }
  | {
      readonly type: 'large';
      readonly parts: readonly [DesiredCommunityPart, DesiredCommunityPart, DesiredCommunityPart];
    }
  | { readonly type: 'extended'; readonly hex: string };

/** A community to set or add. */
export type DesiredCommunity =
  | { readonly type: 'standard'; readonly value: number }
  | { readonly type: 'large'; readonly globalAdmin: number; readonly local1: number; readonly local2: number }
  | { readonly type: 'extended'; readonly octets: Uint8Array };

/** An inclusive range; an end left out is open. */
export interface DesiredRange {
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

/** One condition of a term. */
export type DesiredMatch =
  | { readonly type: 'family'; readonly family: FamilyName }
  | { readonly type: 'prefix'; readonly set: DesiredPrefixSet }
  | { readonly type: 'prefix-length'; readonly min: number; readonly max: number }
  | { readonly type: 'origin'; readonly origins: readonly Origin[] }
  | { readonly type: 'as-path'; readonly pattern: string }
  | { readonly type: 'as-path-prefix'; readonly asns: readonly number[] }
  | { readonly type: 'as-path-length'; readonly range: DesiredRange }
  | { readonly type: 'neighbour-as'; readonly asns: readonly number[] }
  | { readonly type: 'origin-as'; readonly asns: readonly number[] }
  | {
      readonly type: 'community';
      readonly require: 'any' | 'all' | 'none';
      readonly patterns: readonly DesiredCommunityPattern[];
    }
  | { readonly type: 'med'; readonly range: DesiredRange }
  /** A path without LOCAL_PREF counts as `absent`, or as 100. */
  | { readonly type: 'local-pref'; readonly range: DesiredRange; readonly absent?: number | undefined }
  | { readonly type: 'next-hop'; readonly set: DesiredPrefixSet }
  | { readonly type: 'peer'; readonly names: readonly string[] }
  | { readonly type: 'peer-kind'; readonly kind: 'ebgp' | 'ibgp' }
  | { readonly type: 'peer-as'; readonly asns: readonly number[] }
  | { readonly type: 'learned-from'; readonly names: readonly string[] }
  | { readonly type: 'learned-from-kind'; readonly kind: 'ebgp' | 'ibgp' }
  | { readonly type: 'source'; readonly sources: readonly ('bgp' | 'network' | 'pod-block' | 'service')[] }
  | { readonly type: 'interface'; readonly pattern: string }
  | { readonly type: 'not'; readonly match: DesiredMatch }
  | { readonly type: 'any'; readonly matches: readonly DesiredMatch[] };

/** One change of the attributes. */
export type DesiredAction =
  | { readonly type: 'set-local-pref'; readonly value: number }
  | { readonly type: 'set-med'; readonly operation: 'set' | 'add' | 'subtract'; readonly value: number }
  | { readonly type: 'remove-med' }
  | { readonly type: 'set-origin'; readonly origin: Origin }
  | { readonly type: 'prepend'; readonly asns: readonly number[] }
  | { readonly type: 'prepend-local-as'; readonly times: number }
  | { readonly type: 'prepend-last-as'; readonly times: number }
  | { readonly type: 'set-next-hop'; readonly address: IpAddress }
  | { readonly type: 'next-hop'; readonly mode: 'self' | 'unchanged' }
  | { readonly type: 'add-communities'; readonly communities: readonly DesiredCommunity[] }
  | { readonly type: 'set-communities'; readonly communities: readonly DesiredCommunity[] }
  | { readonly type: 'delete-communities'; readonly patterns: readonly DesiredCommunityPattern[] }
  | { readonly type: 'set-link-bandwidth'; readonly octetsPerSecond: number; readonly isTransitive: boolean }
  | { readonly type: 'set-weight'; readonly value: number };

/** A term of a policy. */
export interface DesiredTerm {
  readonly name: string;
  readonly matches: readonly DesiredMatch[];
  readonly actions: readonly DesiredAction[];
  readonly verdict: 'accept' | 'reject' | 'next';
}

/** A policy: ordered terms and what happens when none decides. */
export interface DesiredPolicy {
  readonly name: string;
  readonly terms: readonly DesiredTerm[];
  readonly default: 'accept' | 'reject';
  readonly defaultName: string;
}
