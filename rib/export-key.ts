import { type FamilyName, formatIp, formatPrefix, type IpAddress, isLinkLocal } from 'bgp-ts';
import type { Policy } from './policy/evaluate.ts';
import type { RibPeerSettings, RibSession } from './types.ts';

/** Policies that say the same share a group, also when a reload made a new object of one. */
const policyKeys = new WeakMap<Policy, string>();

/**
 * What decides how a session's routes are exported and encoded. Sessions with the same key form an update group: they are told the
 * same octets.
 */
export function exportKey(settings: RibPeerSettings, session: RibSession, family: FamilyName): string {
  const self = selfNextHop(settings, session, family);
  return [
    family,
    settings.kind,
    settings.localAs,
    settings.routeReflectorClient === true,
    settings.nextHop ?? 'auto',
    self === undefined ? '' : formatIp(self.address),
    self?.linkLocal === undefined ? '' : formatIp(self.linkLocal),
    settings.nextHop === 'third-party' || settings.nextHopOf !== undefined
      ? (settings.sharedSubnets ?? []).map(formatPrefix).join()
      : '',
    settings.exportOnlyLocal === true,
    settings.exportMed === true,
    session.fourOctetAs,
    session.addPathSend.has(family) ? `paths ${settings.addPathMax?.[family] ?? 'all'}` : '',
    session.maxOctets,
    session.extendedNextHop?.has(family) === true,
    policyKey(settings),
    attributeKey(settings),
  ].join('|');
}

/** What becomes of attributes by settings that few peers have; most need no word of it. */
function attributeKey(settings: RibPeerSettings): string {
  const { isConfederationMember, keepOwnAs, asOverride, removePrivateAs, role, gracefulShutdown, aigp } = settings;
  const { clusterId, clientToClient, nextHopOf, remoteAs } = settings;
  const key = { isConfederationMember, keepOwnAs, role, gracefulShutdown, aigp, clientToClient, nextHopOf };
  const isForOneAs = asOverride === true || removePrivateAs !== undefined;
  return JSON.stringify({
    ...key,
    ...(isForOneAs ? { asOverride, removePrivateAs, remoteAs } : {}),
    ...(clusterId === undefined ? {} : { clusterId: formatIp(clusterId) }),
  });
}

/** A policy that asks for the peer makes each peer a group of its own. */
function policyKey(settings: RibPeerSettings): string {
  const policy = settings.exportPolicy;
  let key = policyKeys.get(policy);
  if (key === undefined) {
    key = JSON.stringify(policy.spec);
    policyKeys.set(policy, key);
  }
  if (!/"type":"(peer|peer-as)"/.test(key)) return key;
  return `${key}|${settings.name}|${settings.remoteAs}`;
}

/**
 * The addresses that a group names as its own next hop. IPv4 paths get an IPv6 one where the session itself is of IPv6 and both sides do
 * RFC 8950, since that address is known to lead here; over IPv4, or without, they get an IPv4 address.
 */
export function selfNextHop(
  settings: RibPeerSettings,
  session: Pick<RibSession, 'localAddress' | 'extendedNextHop'>,
  family: FamilyName,
): { readonly address: IpAddress; readonly linkLocal?: IpAddress } | undefined {
  const { nextHopSelf = {} } = settings;
  const { linkLocal } = nextHopSelf;
  const isExtended = session.extendedNextHop?.has(family) === true;
  const { localAddress } = session;
  if (family === 'ipv4-unicast') {
    if (isExtended && localAddress.version === 6) {
      return linkLocal === undefined || isLinkLocal(localAddress)
        ? { address: localAddress }
        : { address: localAddress, linkLocal };
    }
    const own = nextHopSelf.ipv4 ?? (localAddress.version === 4 ? localAddress : undefined);
    if (own !== undefined || !isExtended) return own && { address: own };
    const address = nextHopSelf.ipv6 ?? linkLocal;
    return address && { address };
  }
  const address = nextHopSelf.ipv6 ?? (localAddress.version === 6 ? localAddress : undefined);
  if (address !== undefined) {
    return linkLocal === undefined || isLinkLocal(address) ? { address } : { address, linkLocal };
  }
  if (linkLocal !== undefined) return { address: linkLocal };
  // Nothing better is known: the IPv4 address of the session in its IPv6 form, as other speakers do.
  const octets = new Uint8Array(16);
  octets[10] = 0xff;
  octets[11] = 0xff;
  octets.set(session.localAddress.octets, 12);
  return { address: { version: 6, octets } };
}
