import {
  type Capability,
  capabilityCode,
  type FamilyName,
  formatCapability,
  formatIp,
  ipEquals,
  type Role,
} from 'bgp-ts';
import type { ApiCapability, PeerDetail, PeerSummary, PolicyMode } from '../../lib/api.ts';
import type { RibPeerCounters } from '../../rib/types.ts';
import type { PeerSettings } from '../negotiate.ts';
import type { MessageCounts, PeerSnapshot } from '../peer-handlers.ts';
import { roleName } from '../role.ts';
import type { PeerEntry } from '../speaker.ts';
import { nobodyYet } from '../unnumbered.ts';
import { attributeWords } from './attribute-words.ts';

/** What the configuration says of a peer, beyond the session's own settings. */
export interface PeerFacts {
  readonly description: string | undefined;
  readonly routeReflectorClient: boolean;
  readonly nextHop: string;
  readonly maxPrefix: number | undefined;
  readonly importPolicy: PolicyMode;
  readonly exportPolicy: PolicyMode;
}

/** What is read of a peer at one moment. */
export interface PeerReading {
  readonly entry: PeerEntry;
  readonly snapshot: PeerSnapshot;
  readonly facts: PeerFacts;
  readonly nowMs: number;
  readonly counters: (family: FamilyName) => RibPeerCounters;
  /** Families of which nothing is used (RFC 7606). */
  readonly disabled: ReadonlySet<FamilyName>;
}

/** One row of the peer list. */
export function peerSummary(reading: PeerReading): PeerSummary {
  const { entry, snapshot, facts, nowMs } = reading;
  const error = lastError(snapshot);
  return {
    name: snapshot.name,
    ...(facts.description === undefined ? {} : { description: facts.description }),
    address: formatIp(snapshot.address) + (snapshot.device === undefined ? '' : `%${snapshot.device}`),
    localAs: snapshot.localAs,
    remoteAs: snapshot.remoteAs,
    kind: snapshot.kind,
    routeReflectorClient: facts.routeReflectorClient,
    state: snapshot.state,
    adminState: snapshot.adminDown === undefined ? 'up' : 'down',
    stateSeconds: Math.max(0, nowMs - snapshot.sinceMs) / 1000,
    families: entry.peer.settings.families.map((family) => {
      const { received, accepted, advertised } = reading.counters(family);
      const inForce = snapshot.negotiated?.families.has(family) ?? false;
      const endOfRib = entry.updateIn?.endOfRibReceived(family);
      return {
        family,
        inForce,
        received,
        accepted,
        advertised,
        ...(endOfRib === undefined ? {} : { endOfRibReceived: endOfRib }),
      };
    }),
    ...(error === undefined ? {} : { lastError: error }),
  };
}

/** A peer with everything that is known about its session. */
export function peerDetail(reading: PeerReading): PeerDetail {
  const { entry, snapshot, facts } = reading;
  const { settings } = entry.peer;
  const { negotiated } = snapshot;
  const updates = entry.updateIn?.counters;
  return {
    ...peerSummary(reading),
    ...(snapshot.adminDown === undefined ? {} : { adminText: snapshot.adminDown.text }),
    ...(negotiated === undefined
      ? {}
      : { localAddress: formatIp(negotiated.localAddress), remoteRouterId: formatIp(negotiated.remoteRouterId) }),
    localRouterId: formatIp(settings.routerId),
    capabilities: {
      sent: (negotiated?.capabilitiesSent ?? []).map(apiCapability),
      received: (negotiated?.capabilitiesReceived ?? []).map(apiCapability),
      ...(negotiated === undefined
        ? {}
        : {
            inForce: {
              families: [...negotiated.families],
              fourOctetAs: negotiated.fourOctetAs,
              routeRefresh: negotiated.routeRefresh,
              enhancedRefresh: negotiated.enhancedRefresh,
              addPathReceive: [...negotiated.addPathReceive],
              addPathSend: [...negotiated.addPathSend],
              ...(negotiated.extendedNextHop.size === 0 ? {} : { extendedNextHop: [...negotiated.extendedNextHop] }),
              ...roleInForce(settings.role, negotiated.capabilitiesReceived),
              maxOctets: negotiated.maxOctets,
            },
          }),
    },
    timers: {
      holdConfiguredSeconds: settings.holdSeconds,
      ...(negotiated === undefined
        ? {}
        : { holdSeconds: negotiated.holdSeconds, keepaliveSeconds: negotiated.keepaliveSeconds }),
      ...optionalSeconds('holdRemainingSeconds', snapshot.holdRemainingMs),
      connectRetrySeconds: settings.connectRetrySeconds,
      ...optionalSeconds('idleHoldRemainingSeconds', snapshot.nextAttemptMs),
    },
    counters: {
      established: snapshot.established,
      resets: entry.resets,
      octetsSent: snapshot.octetsSent,
      octetsReceived: snapshot.octetsReceived,
      ...messageCounts(snapshot),
      ...(updates === undefined
        ? {}
        : { treatedAsWithdraw: updates.treatedAsWithdraw, attributesDiscarded: updates.attributesDiscarded }),
    },
    ...(entry.lastReset === undefined
      ? {}
      : {
          lastReset: {
            at: new Date(entry.lastReset.atMs).toISOString(),
            by: entry.lastReset.by,
            text: entry.lastReset.text,
          },
        }),
    policy: { import: facts.importPolicy, export: facts.exportPolicy },
    options: {
      passive: settings.passive,
      nextHop: facts.nextHop,
      ...attributeOptions(entry, reading.disabled),
      authentication: snapshot.hasPassword ? 'tcp-md5' : 'none',
      ...sessionWords(settings),
      ...(settings.ttlSecurityHops === undefined ? {} : { ttlSecurityHops: settings.ttlSecurityHops }),
      ...(settings.multihopTtl === undefined ? {} : { multihopTtl: settings.multihopTtl }),
      ...(facts.maxPrefix === undefined ? {} : { maxPrefix: facts.maxPrefix }),
      ...(settings.device === undefined ? {} : { device: settings.device }),
    },
  };
}

function attributeOptions(entry: PeerEntry, disabled: ReadonlySet<FamilyName>) {
  const attributes = attributeWords(entry.handle.settings);
  return {
    ...(attributes.length === 0 ? {} : { attributes }),
    ...(disabled.size === 0 ? {} : { disabledFamilies: [...disabled] }),
  };
}

/** Our role, where the peer gave one as well: then it is one that goes with ours (RFC 9234 §4.2). */
function roleInForce(role: Role | undefined, received: readonly Capability[]): { role?: string } {
  if (role === undefined || !received.some(({ type }) => type === 'role')) return {};
  return { role: roleName(role) };
}

/** What is set of the session beyond what has a field of its own. */
function sessionWords(settings: PeerSettings): { session?: string[] } {
  const { remoteAs, localInterface, sendHoldSeconds } = settings;
  const words = [
    typeof remoteAs === 'number' ? '' : `AS number ${remoteAs}, told by the OPEN`,
    localInterface === undefined ? '' : `source address of ${localInterface}`,
    sendHoldSeconds === undefined ? '' : `send hold ${sendHoldSeconds} s`,
    settings.extendedMessages === true ? 'extended messages' : '',
    settings.fourOctetAs === false ? 'two-octet AS numbers' : '',
    settings.extendedOpenParameters === true ? 'extended OPEN parameters' : '',
  ].filter((word) => word !== '');
  return words.length === 0 ? {} : { session: words };
}

function optionalSeconds<Name extends string>(name: Name, ms: number | undefined): { [key in Name]?: number } {
  return ms === undefined ? {} : ({ [name]: ms / 1000 } as { [key in Name]: number });
}

function messageCounts({ sent, received }: PeerSnapshot) {
  const count = (type: keyof MessageCounts) => ({ sent: sent[type], received: received[type] });
  return {
    open: count('open'),
    update: count('update'),
    notification: count('notification'),
    keepalive: count('keepalive'),
    routeRefresh: count('routeRefresh'),
  };
}

/** The newest trouble, unless a session is up again. */
function lastError(snapshot: PeerSnapshot): string | undefined {
  if (snapshot.state === 'Established') return undefined;
  if (ipEquals(snapshot.address, nobodyYet)) return `no neighbour heard on ${snapshot.device ?? 'its interface'} yet`;
  const candidates = [
    snapshot.lastErrorSent && { ...snapshot.lastErrorSent, verb: 'sent ' },
    snapshot.lastErrorReceived && { ...snapshot.lastErrorReceived, verb: 'received ' },
    snapshot.lastFailure && { ...snapshot.lastFailure, verb: '' },
  ].filter((error) => error !== undefined);
  const newest = candidates.sort((a, b) => b.atMs - a.atMs)[0];
  return newest && `${newest.verb}${newest.message}`;
}

function apiCapability(capability: Capability): ApiCapability {
  const [name = capability.type, ...detail] = formatCapability(capability).split(' ');
  const text = capability.type === 'unknown' ? Buffer.from(capability.value).toString('hex') : detail.join(' ');
  return {
    code: capabilityCode(capability),
    name: capability.type === 'unknown' ? 'unknown' : name,
    ...(text === '' ? {} : { detail: text }),
  };
}
