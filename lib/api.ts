/**
 * Requests and replies of the control API, one schema each: what `podrouted` answers on its Unix socket, what `bgpctl` prints
 * with `--json`, and what docs/api.md says. The shapes are stable: within version 1 fields and enumeration members are added,
 * never renamed, retyped or removed. A field that does not apply is left out; none is ever `null`.
 *
 * Addresses, prefixes, communities and AS paths are text in the field's printable forms (RFC 5952 for IPv6), times are
 * seconds or ISO 8601 in UTC, sizes are octets. Secrets have no field here.
 */
import { z } from 'zod';

/** Version of these shapes; the first segment of every path and the value of the `podroute-api` reply header. */
export const API_VERSION = 1;

/** The named shapes, for docs/api.md. */
export const apiSchemas = z.registry<{ id: string }>();

/** Any text. */
export const text = z.string();
export const count = z.int().nonnegative();
const seconds = z.number().nonnegative();
/** A number of 32 bits, such as an AS number. */
export const uint32 = z.int().min(0).max(0xffff_ffff);
export const timestamp = z.string().describe('ISO 8601, UTC');

/** Address families by name. */
export const familySchema = z.enum(['ipv4-unicast', 'ipv6-unicast']);
export type ApiFamily = z.infer<typeof familySchema>;

// ---------------------------------------------------------------------------------------------------------------- errors

/** One thing wrong with a request or a configuration. */
export const problemSchema = z
  .object({
    file: text.optional().describe('configuration file, where the problem is in one'),
    document: z.int().positive().optional().describe('number of the YAML document in that file, from 1'),
    path: text.optional().describe('field, such as `spec.peerIP` or `query.family`'),
    message: text,
  })
  .register(apiSchemas, { id: 'Problem' });
export type ApiProblem = z.infer<typeof problemSchema>;

/** Why a request failed, for programs. */
export const errorCodeSchema = z.enum([
  'invalid-request',
  'not-found',
  'refused',
  'invalid-config',
  'unavailable',
  'internal',
]);
export type ApiErrorCode = z.infer<typeof errorCodeSchema>;

/** HTTP status of each error code. */
export const errorStatus: Readonly<Record<ApiErrorCode, number>> = {
  'invalid-request': 400,
  'not-found': 404,
  refused: 409,
  'invalid-config': 422,
  internal: 500,
  unavailable: 503,
};

/** Body of every reply whose status is not 2xx, and last line of a stream that broke. */
export const errorReplySchema = z
  .object({
    error: z.object({
      code: errorCodeSchema,
      message: text.describe('what was seen and what was wanted, in words'),
      problems: z.array(problemSchema).optional().describe('all of them, where there can be several'),
    }),
  })
  .register(apiSchemas, { id: 'ErrorReply' });
export type ErrorReply = z.infer<typeof errorReplySchema>;

// ----------------------------------------------------------------------------------------------------------------- peers

/** FSM states, RFC 4271 §8.2.2. */
export const peerStateSchema = z.enum(['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established']);
export type ApiPeerState = z.infer<typeof peerStateSchema>;

/** Prefix counts of one family with one peer. */
export const peerFamilySchema = z
  .object({
    family: familySchema,
    inForce: z.boolean().describe('both sides offered it on the present session'),
    received: count.describe('paths in Adj-RIB-In, before policy'),
    accepted: count.describe('those that import policy let into the Loc-RIB'),
    advertised: count.describe('paths in Adj-RIB-Out'),
    endOfRibReceived: z.boolean().optional(),
  })
  .register(apiSchemas, { id: 'PeerFamily' });

const peerShape = {
  name: text,
  description: text.optional(),
  address: text.describe('IPv4 or IPv6 address; link-local with `%interface`'),
  localAs: uint32,
  remoteAs: uint32.optional().describe('left out while it is not known (taken from the OPEN)'),
  kind: z.enum(['ebgp', 'ibgp']),
  routeReflectorClient: z.boolean(),
  state: peerStateSchema,
  adminState: z.enum(['up', 'down']),
  stateSeconds: seconds.describe('time in this state; for Established the age of the session'),
  families: z.array(peerFamilySchema),
  lastError: text.optional().describe('why the last session ended or could not start, in words'),
};

/** One row of the peer list. */
export const peerSummarySchema = z.object(peerShape).register(apiSchemas, { id: 'PeerSummary' });
export type PeerSummary = z.infer<typeof peerSummarySchema>;

/** One capability of an OPEN, printable. */
export const capabilitySchema = z
  .object({
    code: z.int().min(0).max(255),
    name: text.describe('registry name in lower case, such as `multiprotocol` or `four-octet-as`; `unknown` otherwise'),
    detail: text.optional().describe('value in words, such as `ipv4-unicast` or `65000`; hexadecimal where unknown'),
  })
  .register(apiSchemas, { id: 'Capability' });
export type ApiCapability = z.infer<typeof capabilitySchema>;

/** What the present session may do: offered by both sides. */
export const inForceSchema = z
  .object({
    families: z.array(familySchema),
    fourOctetAs: z.boolean(),
    routeRefresh: z.boolean(),
    enhancedRefresh: z.boolean().describe('both sides mark begin and end of a refresh (RFC 7313)'),
    addPathReceive: z.array(familySchema),
    addPathSend: z.array(familySchema),
    extendedNextHop: z
      .array(familySchema)
      .optional()
      .describe('families whose paths may have an IPv6 next hop (RFC 8950); left out where there is none'),
    role: text.optional().describe('what this node is to the peer, where both sides gave a role (RFC 9234)'),
    maxOctets: count.describe('largest message: 4096, or 65535 with extended messages'),
  })
  .register(apiSchemas, { id: 'CapabilitiesInForce' });

const messageCountSchema = z.object({ sent: count, received: count }).register(apiSchemas, { id: 'MessageCount' });

/** Which policy decides in one direction. */
export const policyModeSchema = z
  .object({
    mode: z
      .enum(['configured', 'calico', 'rfc8212', 'ibgp'])
      .describe(
        '`configured`: the policy named decides; `calico`: what Calico resources mean without a filter, everything is imported; ' +
          '`rfc8212`: an eBGP session without policy, nothing passes; `ibgp`: iBGP without policy, everything is imported',
      ),
    names: z.array(text).describe('policies or filters in the order they are applied'),
    reason: text.optional().describe('why this mode is in force, in words'),
  })
  .register(apiSchemas, { id: 'PolicyMode' });
export type PolicyMode = z.infer<typeof policyModeSchema>;

/** A peer with everything that is known about its session. */
export const peerDetailSchema = z
  .object({
    ...peerShape,
    adminText: text.optional().describe('shutdown communication given when it was shut down (RFC 9003)'),
    localAddress: text.optional(),
    localPort: z.int().optional(),
    remotePort: z.int().optional(),
    localRouterId: text,
    remoteRouterId: text.optional(),
    capabilities: z.object({
      sent: z.array(capabilitySchema),
      received: z.array(capabilitySchema),
      inForce: inForceSchema.optional().describe('left out when no session is up'),
    }),
    timers: z.object({
      holdConfiguredSeconds: seconds,
      holdSeconds: seconds.optional().describe('negotiated; 0 = no keepalives'),
      holdRemainingSeconds: seconds.optional(),
      keepaliveSeconds: seconds.optional().describe('in force'),
      connectRetrySeconds: seconds,
      idleHoldRemainingSeconds: seconds.optional().describe('back-off left before the next attempt'),
    }),
    counters: z.object({
      established: count.describe('times a session reached Established'),
      resets: count.describe('times an Established session ended'),
      octetsSent: count,
      octetsReceived: count,
      open: messageCountSchema,
      update: messageCountSchema,
      notification: messageCountSchema,
      keepalive: messageCountSchema,
      routeRefresh: messageCountSchema,
      treatedAsWithdraw: count.optional().describe('UPDATEs handled as withdraws, RFC 7606'),
      attributesDiscarded: count.optional(),
    }),
    lastReset: z
      .object({
        at: timestamp,
        by: z.enum(['local', 'remote', 'transport']),
        text: text.describe('such as `received Cease/Administrative Shutdown: "maintenance"`'),
      })
      .optional(),
    policy: z.object({ import: policyModeSchema, export: policyModeSchema }),
    options: z.object({
      passive: z.boolean(),
      nextHop: text.describe('`auto`, `self` or `unchanged`'),
      attributes: z.array(text).optional().describe('rules for path attributes in force, in words'),
      disabledFamilies: z
        .array(familySchema)
        .optional()
        .describe('families of which nothing is used: the peer sent routes that cannot be read (RFC 7606)'),
      authentication: z.enum(['none', 'tcp-md5']),
      session: z.array(text).optional().describe('further settings of the session that are not the default, in words'),
      ttlSecurityHops: z.int().optional(),
      multihopTtl: z.int().optional(),
      maxPrefix: count.optional(),
      device: text.optional(),
    }),
  })
  .register(apiSchemas, { id: 'PeerDetail' });
export type PeerDetail = z.infer<typeof peerDetailSchema>;

/** Reply of `GET /v1/peers`. */
export const peersReplySchema = z
  .object({ localAs: uint32, routerId: text, peers: z.array(peerSummarySchema) })
  .register(apiSchemas, { id: 'PeersReply' });
export type PeersReply = z.infer<typeof peersReplySchema>;

// ---------------------------------------------------------------------------------------------------------------- routes

/** Path attributes in printable form. */
export const attributesSchema = z
  .object({
    origin: z.enum(['IGP', 'EGP', 'incomplete']).optional(),
    asPath: text.describe('`65000 64512 {1,2} (65001)`; empty for a local path'),
    asPathLength: count.describe('as the decision process counts it'),
    nextHop: text.optional(),
    linkLocalNextHop: text.optional().describe('RFC 2545 §3'),
    med: uint32.optional(),
    localPref: uint32.optional(),
    atomicAggregate: z.literal(true).optional(),
    aggregator: z.object({ asn: uint32, address: text }).optional(),
    communities: z.array(text).optional().describe('`65000:1`, or the well-known name'),
    extendedCommunities: z.array(text).optional(),
    largeCommunities: z.array(text).optional(),
    originatorId: text.optional(),
    clusterList: z.array(text).optional(),
    aigp: text.optional().describe('accumulated metric, RFC 7311; a number of up to 64 bits'),
    onlyToCustomer: uint32.optional().describe('AS number, RFC 9234'),
    unknown: z.array(z.object({ code: z.int(), flags: z.int(), value: text.describe('hexadecimal') })).optional(),
  })
  .register(apiSchemas, { id: 'PathAttributes' });
export type ApiAttributes = z.infer<typeof attributesSchema>;

/** What a policy decided about one path. */
export const verdictSchema = z
  .object({
    direction: z.enum(['import', 'export']),
    verdict: z.enum(['accept', 'reject']),
    term: text.describe('the term that decided'),
  })
  .register(apiSchemas, { id: 'Verdict' });

/** One path of one prefix, as the asked table holds it. */
export const routeSchema = z
  .object({
    prefix: text,
    family: familySchema,
    pathId: uint32.optional().describe('ADD-PATH identifier'),
    source: text.describe('`peer`, or the local origin: `network`, `pod-block` ...'),
    peer: text.optional().describe('name of the peer it came from'),
    peerAddress: text.optional(),
    kind: z.enum(['ebgp', 'ibgp', 'local']),
    valid: z.boolean().describe('may be chosen: next hop reachable, accepted by policy, no loop'),
    best: z.boolean(),
    multipath: z.boolean().describe('used beside the best path'),
    stale: z.boolean().optional().describe('kept through a graceful restart'),
    rule: text
      .optional()
      .describe(
        'rule of the decision process that ranked it: for the best path over the next one, else below the best',
      ),
    reason: text.optional().describe('why it is not valid, in words'),
    attributes: attributesSchema.describe(
      'as the asked table holds them. loc-rib: after import policy; received: as received; advertised: as sent',
    ),
    beforePolicy: attributesSchema
      .optional()
      .describe('loc-rib and advertised: before policy, where policy changed them'),
    afterPolicy: attributesSchema.optional().describe('received: after import policy, where policy changed them'),
    policy: verdictSchema.optional(),
  })
  .register(apiSchemas, { id: 'Route' });
export type Route = z.infer<typeof routeSchema>;

/** A truth value in a query string. */
const flag = z.enum(['true', 'false']).transform((value) => value === 'true');

/** Query of `GET /v1/routes`. */
export const routesQuerySchema = z
  .object({
    view: z.enum(['loc-rib', 'received', 'advertised']).default('loc-rib').describe('which table'),
    peer: text.optional().describe('name or address; wanted by `received` and `advertised`'),
    family: familySchema.optional().describe('both when left out'),
    prefix: text
      .optional()
      .describe('a prefix: that one; an address: the longest match; with `longer`: everything inside'),
    longer: flag.optional().describe('everything inside `prefix`, itself included'),
    best: flag.optional().describe('loc-rib: only the best path of each prefix'),
  })
  .register(apiSchemas, { id: 'RoutesQuery' });
/** What a routes request asks for, after validation. */
export type RoutesQuery = z.output<typeof routesQuerySchema>;

/** First line of the routes stream. */
export const routesBeginSchema = z
  .object({
    type: z.literal('begin'),
    view: z.enum(['loc-rib', 'received', 'advertised']),
    peer: text.optional(),
    localAs: uint32,
    routerId: text,
  })
  .register(apiSchemas, { id: 'RoutesBegin' });
export type RoutesBegin = z.infer<typeof routesBeginSchema>;

/** Last line of a stream: without it the stream was cut. */
export const streamEndSchema = z
  .object({ type: z.literal('end'), count: count.describe('entries sent') })
  .register(apiSchemas, { id: 'StreamEnd' });

/** A line of `GET /v1/routes`. */
export const routesLineSchema = z.union([
  routesBeginSchema,
  z.object({ type: z.literal('route'), route: routeSchema }),
  streamEndSchema,
  errorReplySchema,
]);

/** What `bgpctl show routes --json` prints. */
export const routesOutputSchema = z
  .object({
    view: z.enum(['loc-rib', 'received', 'advertised']),
    peer: text.optional(),
    localAs: uint32,
    routerId: text,
    routes: z.array(routeSchema),
  })
  .register(apiSchemas, { id: 'RoutesOutput' });

// --------------------------------------------------------------------------------------------------------------- actions

/** Body of `POST /v1/reload`. */
export const reloadRequestSchema = z
  .object({ dryRun: z.boolean().default(false).describe('say what would change, change nothing') })
  .register(apiSchemas, { id: 'ReloadRequest' });
export type ReloadRequest = z.output<typeof reloadRequestSchema>;

/** One change of a reload. */
export const changeSchema = z
  .object({
    action: z.enum(['add', 'remove', 'change']),
    kind: text.describe('`peer`, `network`, `block`, `policy`, `node` ...'),
    name: text,
    detail: text.optional().describe('such as `holdSeconds: 90 -> 9`; never a secret'),
    effect: z
      .enum(['none', 'refresh', 'reset', 'restart'])
      .describe(
        'on sessions: routes evaluated again, the session reset; `restart`: only a new start of the daemon applies it',
      ),
  })
  .register(apiSchemas, { id: 'Change' });
export type ApiChange = z.infer<typeof changeSchema>;

/** Reply of `POST /v1/reload`. A configuration with problems is answered with an `invalid-config` error and changes nothing. */
export const reloadReplySchema = z
  .object({
    applied: z.boolean().describe('false for a dry run'),
    changes: z.array(changeSchema).describe('empty: the running configuration is already this one'),
    resets: z.array(text).describe('peers whose session is reset'),
    warnings: z.array(problemSchema),
  })
  .register(apiSchemas, { id: 'ReloadReply' });
export type ReloadReply = z.infer<typeof reloadReplySchema>;

/** Body of `POST /v1/peers/{peer}/clear`. */
export const clearRequestSchema = z
  .object({ soft: z.boolean().default(false).describe('evaluate routes again, keep the session') })
  .register(apiSchemas, { id: 'ClearRequest' });
export type ClearRequest = z.output<typeof clearRequestSchema>;

const encoder = new TextEncoder();

/** Body of `POST /v1/peers/{peer}/shutdown`. */
export const shutdownRequestSchema = z
  .object({
    message: text
      .refine(
        (value) => encoder.encode(value).length <= 255,
        'a shutdown message has at most 255 octets of UTF-8 (RFC 9003 §2)',
      )
      .optional()
      .describe('sent to the peer, at most 255 octets of UTF-8'),
  })
  .register(apiSchemas, { id: 'ShutdownRequest' });
export type ShutdownRequest = z.output<typeof shutdownRequestSchema>;

/** Reply of clear, shutdown and enable. */
export const peerActionReplySchema = z
  .object({
    peer: text.describe('name of the peer, also where it was given by address'),
    done: text.describe('what was done, in words'),
    adminState: z.enum(['up', 'down']),
  })
  .register(apiSchemas, { id: 'PeerActionReply' });
export type PeerActionReply = z.infer<typeof peerActionReplySchema>;

/** Body of `POST /v1/drain`. */
export const drainRequestSchema = z
  .object({
    peer: text.optional().describe('name or address; the whole node without one'),
    end: z.boolean().default(false).describe('take it back'),
  })
  .register(apiSchemas, { id: 'DrainRequest' });
export type DrainRequest = z.output<typeof drainRequestSchema>;

/** Reply of `POST /v1/drain`. */
export const drainReplySchema = z
  .object({
    peers: z.array(text).describe('peers that are told and used as before a shutdown now, however that was asked for'),
    done: text.describe('what was done, in words'),
  })
  .register(apiSchemas, { id: 'DrainReply' });
export type DrainReply = z.infer<typeof drainReplySchema>;

// ---------------------------------------------------------------------------------------------------- version and health

/** Reply of `GET /v1/version`. */
export const versionReplySchema = z
  .object({
    program: z.literal('podrouted'),
    version: text,
    apiVersion: z.int(),
    node: text.describe('name of the node it serves'),
    nodejs: text,
    pid: z.int(),
    startedAt: timestamp,
    uptimeSeconds: seconds,
  })
  .register(apiSchemas, { id: 'VersionReply' });
export type VersionReply = z.infer<typeof versionReplySchema>;

/** What `bgpctl version --json` prints. */
export const versionOutputSchema = z
  .object({ bgpctl: text, daemon: versionReplySchema })
  .register(apiSchemas, { id: 'VersionOutput' });

/** Reply of `GET /v1/status` and of `POST /v1/status/reset`. */
export const statusReplySchema = z
  .object({
    node: text.describe('name of the node it serves'),
    startedAt: timestamp,
    uptimeSeconds: seconds,
    memory: z.object({
      residentOctets: count.describe('of the whole process'),
      heapOctets: count.describe("in use of JavaScript's heap; the tables are beside it"),
    }),
    eventLoop: z
      .object({
        measuredSeconds: seconds.describe('since the daemon started, or since the last reset'),
        busyShare: z.number().min(0).max(1).describe('share of that time in which it worked'),
        p50Seconds: seconds,
        p99Seconds: seconds.describe('what happened at 99 of 100 moments waited no longer'),
        maxSeconds: seconds.describe('the longest stretch of work'),
        cpu: z
          .object({ busyShare: z.number().min(0).max(1), p99Seconds: seconds, maxSeconds: seconds })
          .describe('the same in processor time: much less than the above where others had the processor'),
      })
      .describe('how long arriving octets and timers that are due wait for the daemon to look at them'),
  })
  .register(apiSchemas, { id: 'StatusReply' });
export type StatusReply = z.infer<typeof statusReplySchema>;

/** Reply of `GET /v1/health`; never a function of one remote peer. Not ready is status 503 with this same body. */
export const healthReplySchema = z
  .object({
    ready: z.boolean().describe('its own job is done: configuration in force, tables converged, kernel written'),
    checks: z.array(z.object({ name: text, ok: z.boolean(), detail: text.optional() })),
  })
  .register(apiSchemas, { id: 'HealthReply' });
export type HealthReply = z.infer<typeof healthReplySchema>;
