import type { Capability, FamilyName, IpAddress, Notification, OpenEncoding, OpenMessage, Role } from 'bgp-ts';
import {
  AS_TRANS,
  ErrorCode,
  encodeCapabilities,
  Families,
  familyOf,
  formatIp,
  ipEquals,
  ipv4ToUint32,
  OpenSubcode,
} from 'bgp-ts';
import { err, ok, type Result } from '../lib/result.ts';
import { roleProblem } from './role.ts';

/** A peer's AS number, or which ones are taken. */
export type RemoteAs = number | 'external' | 'auto';

/** What is configured for one peer, every default already filled in. Times are seconds. */
export interface PeerSettings {
  /** Unique among the peers of this speaker; appears in logs and `bgpctl`. */
  readonly name: string;
  readonly address: IpAddress;
  /** TCP port the peer listens on, 179 unless configured. */
  readonly port: number;
  /** Source address of our connections; the kernel chooses when absent. */
  readonly localAddress?: IpAddress;
  /** Interface the session is bound to; required for a link-local `address`, where it is the scope. */
  readonly device?: string;
  /** Interface whose address is the source of our connections, looked up for each attempt; not with `localAddress`. */
  readonly localInterface?: string;
  readonly localAs: number;
  /** The peer's AS, or which ones will do: any but ours (`external`), any at all (`auto`). Its OPEN then says which. */
  readonly remoteAs: RemoteAs;
  /** With `remoteAs: 'auto'` what is assumed until the OPEN says; `Negotiated.kind` is what it is. */
  readonly kind: 'ebgp' | 'ibgp';
  /** Our BGP identifier: an IPv4 value. */
  readonly routerId: IpAddress;
  /** Never connects, only waits for the peer to do so. */
  readonly passive: boolean;
  /** Offered hold time: 0 (no keepalives at all) or at least 3. */
  readonly holdSeconds: number;
  /** At most this between keepalives; a third of the negotiated hold time when absent or longer than that. */
  readonly keepaliveSeconds?: number;
  /** Longest wait between two connection attempts to a peer that cannot be reached (the back-off grows up to it). */
  readonly connectRetrySeconds: number;
  /** After this an unanswered attempt counts as failed: a wrong MD5 key answers with silence. */
  readonly connectTimeoutSeconds: number;
  /** Quiet time after an error of the protocol; attempts after repeated ones are up to twelve times as far apart. */
  readonly idleHoldSeconds: number;
  /** Address families offered; not empty. */
  readonly families: readonly FamilyName[];
  /** TCP MD5 key (RFC 2385), 1 to 80 octets of UTF-8. */
  readonly password?: string;
  /** GTSM (RFC 5082): the peer is at most so many hops away; 1 means directly connected. */
  readonly ttlSecurityHops?: number;
  /** TTL of a multihop session; without it an eBGP session has 1 and an iBGP session the system's default. */
  readonly multihopTtl?: number;
  /** Type of service or traffic class octet, 0xc0 (CS6) unless configured. */
  readonly tos: number;
  /** Present: the peer is shut down by the administrator. */
  readonly adminDown?: AdminDown;
  /** ADD-PATH (RFC 7911) per family, from our point of view. */
  readonly addPath?: readonly AddPathSetting[];
  /** Offers Extended Message (RFC 8654); off when absent. */
  readonly extendedMessages?: boolean;
  /** What this node is to the peer (RFC 9234): offered, and the peer's must go with it. eBGP only. */
  readonly role?: Role;
  /** A peer without a role is refused (RFC 9234 §4.2); off when absent. */
  readonly strictRole?: boolean;
  /** Offers IPv6 next hops for IPv4 paths, if IPv4 is among the families (RFC 8950); off when absent. */
  readonly extendedNextHop?: boolean;
  /** Offers four-octet AS numbers (RFC 6793), which everybody should; on when absent. */
  readonly fourOctetAs?: boolean;
  /** Writes the OPEN with extended parameters although they would fit without (RFC 9072 §2); off when absent. */
  readonly extendedOpenParameters?: boolean;
  /** Sends an OPEN without any capability, to a peer that refused their very parameter (RFC 5492 §3); never configured. */
  readonly withoutCapabilities?: boolean;
  /** Send hold time (RFC 9687); when absent the larger of 480 and twice the negotiated hold time. */
  readonly sendHoldSeconds?: number;
}

/** A peer that is shut down. */
export interface AdminDown {
  /** Why: shown, and sent with the Cease (RFC 9003); may be empty. */
  readonly text: string;
  /** The text is nobody else's business, and the peer is not told who it is talking to: it hears Connection Rejected. */
  readonly isPrivate?: boolean;
}

/** ADD-PATH of one family: what we are willing to do. */
export interface AddPathSetting {
  readonly family: FamilyName;
  readonly send: boolean;
  readonly receive: boolean;
}

/** What both OPENs together allow on one session. Never changes while the session lives. */
export interface Negotiated {
  /** Families both sides offered. */
  readonly families: ReadonlySet<FamilyName>;
  /** Both sides speak four-octet AS numbers (RFC 6793): AS_PATH holds four octets an AS. */
  readonly fourOctetAs: boolean;
  /** Families whose NLRI arrive with a path identifier. */
  readonly addPathReceive: ReadonlySet<FamilyName>;
  /** Families whose NLRI must be sent with a path identifier. */
  readonly addPathSend: ReadonlySet<FamilyName>;
  /** IPv4 families whose paths may have an IPv6 next hop, both ways (RFC 8950). */
  readonly extendedNextHop: ReadonlySet<FamilyName>;
  /** The peer understands ROUTE-REFRESH (RFC 2918), which we always do. */
  readonly routeRefresh: boolean;
  /** Both sides mark begin and end of a refresh (RFC 7313). */
  readonly enhancedRefresh: boolean;
  /** The smaller of both offers; 0: neither keepalives nor a hold timer. */
  readonly holdSeconds: number;
  /** Between two of our keepalives, before jitter; 0: none. */
  readonly keepaliveSeconds: number;
  /** Largest message we may send: 4096, or 65535 with Extended Message on both sides. */
  readonly maxOctets: number;
  readonly kind: 'ebgp' | 'ibgp';
  readonly localAs: number;
  readonly remoteAs: number;
  readonly localRouterId: IpAddress;
  readonly remoteRouterId: IpAddress;
  readonly localAddress: IpAddress;
  readonly remoteAddress: IpAddress;
  /** Interface of a session with a link-local address, or the one configured. */
  readonly device?: string;
  readonly capabilitiesSent: readonly Capability[];
  readonly capabilitiesReceived: readonly Capability[];
}

/** Addresses of the connection that an OPEN arrived on. */
export interface ConnectionAddresses {
  readonly localAddress: IpAddress;
  readonly remoteAddress: IpAddress;
  readonly device?: string;
}

const STANDARD_MAX_OCTETS = 4096;
const EXTENDED_MAX_OCTETS = 65535;

/** The capabilities we offer to a peer, in the order they are sent. */
export function offeredCapabilities(settings: PeerSettings): Capability[] {
  if (settings.withoutCapabilities === true) return [];
  const capabilities: Capability[] = settings.families.map((name) => multiprotocol(name));
  capabilities.push({ type: 'route-refresh' }, { type: 'enhanced-route-refresh' });
  if (settings.fourOctetAs !== false) capabilities.push({ type: 'four-octet-as', asn: settings.localAs });
  const addPath = (settings.addPath ?? []).filter((entry) => settings.families.includes(entry.family));
  if (addPath.some((entry) => entry.send || entry.receive)) {
    capabilities.push({
      type: 'add-path',
      entries: addPath
        .filter((entry) => entry.send || entry.receive)
        .map(({ family, send, receive }) => ({
          afi: Families[family].afi,
          safi: Families[family].safi,
          sendReceive: send && receive ? 3 : send ? 2 : 1,
        })),
    });
  }
  if (settings.extendedMessages === true) capabilities.push({ type: 'extended-message' });
  if (settings.role !== undefined) capabilities.push({ type: 'role', role: settings.role });
  if (settings.extendedNextHop === true && settings.families.includes('ipv4-unicast')) {
    const { afi, safi } = Families['ipv4-unicast'];
    capabilities.push({
      type: 'extended-next-hop',
      entries: [{ afi, safi, nextHopAfi: Families['ipv6-unicast'].afi }],
    });
  }
  return capabilities;
}

/** The OPEN we send to a peer: AS_TRANS stands in for an AS number above 65535 (RFC 6793 §9). */
export function openFor(settings: PeerSettings): OpenMessage {
  return {
    version: 4,
    myAs: settings.localAs > 0xffff ? AS_TRANS : settings.localAs,
    holdSeconds: settings.holdSeconds,
    routerId: settings.routerId,
    capabilities: offeredCapabilities(settings),
  };
}

/** How that OPEN is written. */
export function openEncoding(settings: PeerSettings): OpenEncoding {
  return { extendedParameters: settings.extendedOpenParameters === true };
}

/** The largest message the peer may send: 65535 if we offer Extended Message, whatever it offers itself (RFC 8654 §4). */
export function maxReceivedOctets(settings: PeerSettings): number {
  return settings.extendedMessages === true ? EXTENDED_MAX_OCTETS : STANDARD_MAX_OCTETS;
}

/** The peer's AS number: that of its four-octet capability, else the two octets of the header (RFC 6793 §4.2.3). */
export function remoteAsOf(open: OpenMessage): number {
  for (const capability of open.capabilities) if (capability.type === 'four-octet-as') return capability.asn;
  return open.myAs;
}

/**
 * Checks a peer's OPEN against what is configured (RFC 4271 §6.2, RFC 6286, RFC 6793, RFC 7607) and works out what
 * the session may do.
 * @returns what was agreed on, or the NOTIFICATION (code 2) to send
 */
export function negotiate(
  settings: PeerSettings,
  received: OpenMessage,
  addresses: ConnectionAddresses,
): Result<Negotiated, Notification> {
  if (received.version !== 4) {
    // The data is the largest version we support, in two octets (RFC 4271 §6.2).
    return refuse(OpenSubcode.UnsupportedVersionNumber, Uint8Array.of(0, 4));
  }
  const remoteAs = remoteAsOf(received);
  if (!isWantedAs(settings, remoteAs) || !headerAsAgrees(received, remoteAs)) return refuse(OpenSubcode.BadPeerAs);
  const kind = kindOf(settings, remoteAs);
  const identifier = ipv4ToUint32(received.routerId);
  if (identifier === 0 || (kind === 'ibgp' && ipEquals(received.routerId, settings.routerId))) {
    return refuse(OpenSubcode.BadBgpIdentifier);
  }
  if (received.holdSeconds === 1 || received.holdSeconds === 2) return refuse(OpenSubcode.UnacceptableHoldTime);

  const sent = offeredCapabilities(settings);
  const families = commonFamilies(settings.families, received.capabilities);
  if (families.size === 0) {
    // A session without a family is of no use: name those we require (RFC 5492 §5).
    return refuse(OpenSubcode.UnsupportedCapability, encodeCapabilities(settings.families.map(multiprotocol)));
  }
  if (roleProblem(settings.role, settings.strictRole === true, received.capabilities) !== undefined) {
    return refuse(OpenSubcode.RoleMismatch);
  }
  const holdSeconds = Math.min(settings.holdSeconds, received.holdSeconds);
  const extended =
    settings.extendedMessages === true && received.capabilities.some(({ type }) => type === 'extended-message');
  return ok({
    families,
    fourOctetAs: settings.fourOctetAs !== false && received.capabilities.some(({ type }) => type === 'four-octet-as'),
    ...addPathOf(settings, families, received.capabilities),
    extendedNextHop: extendedNextHopOf(sent, families, received.capabilities),
    routeRefresh:
      settings.withoutCapabilities !== true && received.capabilities.some(({ type }) => type === 'route-refresh'),
    enhancedRefresh: offersBoth(sent, received.capabilities, 'enhanced-route-refresh'),
    holdSeconds,
    keepaliveSeconds: Math.min(settings.keepaliveSeconds ?? Number.POSITIVE_INFINITY, holdSeconds / 3),
    maxOctets: extended ? EXTENDED_MAX_OCTETS : STANDARD_MAX_OCTETS,
    kind,
    localAs: settings.localAs,
    remoteAs,
    localRouterId: settings.routerId,
    remoteRouterId: received.routerId,
    localAddress: addresses.localAddress,
    remoteAddress: addresses.remoteAddress,
    ...(addresses.device === undefined ? {} : { device: addresses.device }),
    capabilitiesSent: sent,
    capabilitiesReceived: received.capabilities,
  });
}

/** What was wrong with an OPEN in words, for the log: the NOTIFICATION alone does not say what was seen and wanted. */
export function openProblem(settings: PeerSettings, received: OpenMessage): string {
  const remoteAs = remoteAsOf(received);
  if (received.version !== 4) return `version ${received.version}: only 4 is spoken`;
  if (!isWantedAs(settings, remoteAs)) return `AS ${remoteAs}: ${asWanted(settings)}`;
  if (!headerAsAgrees(received, remoteAs)) return `AS ${received.myAs} in the header, AS ${remoteAs} in the capability`;
  if (received.holdSeconds === 1 || received.holdSeconds === 2) {
    return `hold time ${received.holdSeconds} s: must be 0 or at least 3 s (RFC 4271 §4.2)`;
  }
  if (ipv4ToUint32(received.routerId) === 0 || ipEquals(received.routerId, settings.routerId)) {
    return `BGP identifier ${formatIp(received.routerId)}: must not be zero, nor ours within one AS (RFC 6286)`;
  }
  const role = roleProblem(settings.role, settings.strictRole === true, received.capabilities);
  if (role !== undefined && commonFamilies(settings.families, received.capabilities).size > 0) return role;
  return `no address family in common with ${settings.families.join(', ')}`;
}

/** Whether the peer may have this AS number; 0 (RFC 7607) and AS_TRANS are nobody's. */
function isWantedAs({ remoteAs: wanted, localAs }: PeerSettings, remoteAs: number): boolean {
  if (typeof wanted === 'number') return remoteAs === wanted && remoteAs !== 0;
  return remoteAs !== 0 && remoteAs !== AS_TRANS && (wanted === 'auto' || remoteAs !== localAs);
}

function asWanted({ remoteAs, localAs }: PeerSettings): string {
  if (typeof remoteAs === 'number') return `${remoteAs} is configured`;
  return remoteAs === 'external' ? `any but ${localAs} is configured` : 'must be a number of its own';
}

function kindOf(settings: PeerSettings, remoteAs: number): 'ebgp' | 'ibgp' {
  if (typeof settings.remoteAs === 'number') return settings.kind;
  return remoteAs === settings.localAs ? 'ibgp' : 'ebgp';
}

/** What is left of a peer's settings if no capability may be offered: what RFC 4271 alone has. */
export function withoutCapabilities(settings: PeerSettings): PeerSettings {
  const { addPath: _addPath, ...rest } = settings;
  return {
    ...rest,
    families: ['ipv4-unicast'],
    fourOctetAs: false,
    extendedMessages: false,
    withoutCapabilities: true,
  };
}

/** The two-octet field repeats an AS number that fits, and is AS_TRANS for one that does not. */
function headerAsAgrees(open: OpenMessage, remoteAs: number): boolean {
  return open.myAs === remoteAs || open.myAs === AS_TRANS;
}

/** A peer that offers no multiprotocol capability speaks IPv4 unicast, as before RFC 4760. */
function commonFamilies(ours: readonly FamilyName[], received: readonly Capability[]): Set<FamilyName> {
  const theirs = new Set<FamilyName>();
  let offersAny = false;
  for (const capability of received) {
    if (capability.type !== 'multiprotocol') continue;
    offersAny = true;
    const name = familyOf(capability.afi, capability.safi);
    if (name !== undefined) theirs.add(name);
  }
  if (!offersAny) theirs.add('ipv4-unicast');
  return new Set(ours.filter((name) => theirs.has(name)));
}

function offersBoth(ours: readonly Capability[], theirs: readonly Capability[], wanted: Capability['type']): boolean {
  return ours.some(({ type }) => type === wanted) && theirs.some(({ type }) => type === wanted);
}

/** ADD-PATH works in a direction only if one side sends and the other receives (RFC 7911 §4). */
function addPathOf(
  settings: PeerSettings,
  families: ReadonlySet<FamilyName>,
  received: readonly Capability[],
): Pick<Negotiated, 'addPathReceive' | 'addPathSend'> {
  const addPathReceive = new Set<FamilyName>();
  const addPathSend = new Set<FamilyName>();
  for (const capability of received) {
    if (capability.type !== 'add-path') continue;
    for (const entry of capability.entries) {
      const name = familyOf(entry.afi, entry.safi);
      const own = settings.addPath?.find(({ family }) => family === name);
      if (name === undefined || own === undefined || !families.has(name)) continue;
      if (own.receive && (entry.sendReceive & 2) !== 0) addPathReceive.add(name);
      if (own.send && (entry.sendReceive & 1) !== 0) addPathSend.add(name);
    }
  }
  return { addPathReceive, addPathSend };
}

/** An IPv6 next hop for IPv4 is understood by both sides if both offered it (RFC 8950 §4). */
function extendedNextHopOf(
  sent: readonly Capability[],
  families: ReadonlySet<FamilyName>,
  received: readonly Capability[],
): ReadonlySet<FamilyName> {
  const offered = (capabilities: readonly Capability[]): Set<FamilyName> => {
    const names = new Set<FamilyName>();
    for (const capability of capabilities) {
      if (capability.type !== 'extended-next-hop') continue;
      for (const { afi, safi, nextHopAfi } of capability.entries) {
        const name = familyOf(afi, safi);
        if (name === 'ipv4-unicast' && nextHopAfi === Families['ipv6-unicast'].afi) names.add(name);
      }
    }
    return names;
  };
  const ours = offered(sent);
  return new Set([...offered(received)].filter((name) => ours.has(name) && families.has(name)));
}

function multiprotocol(name: FamilyName): Capability {
  const { afi, safi } = Families[name];
  return { type: 'multiprotocol', afi, safi };
}

function refuse(subcode: number, data: Uint8Array = new Uint8Array(0)): Result<never, Notification> {
  return err({ code: ErrorCode.OpenMessage, subcode, data });
}
