import {
  AS_TRANS,
  type FamilyName,
  formatIp,
  formatPrefix,
  type IpAddress,
  ipEquals,
  isLinkLocal,
  makeLinkBandwidth,
  type PathAttributes,
  type Prefix,
} from 'bgp-ts';
import type {
  DesiredBlock,
  DesiredDynamicPeer,
  DesiredNetwork,
  DesiredPeer,
  DesiredPolicy,
  DesiredState,
} from '../config/desired-state.ts';
import { acceptAll, type Policy, preparePolicy } from '../rib/policy/evaluate.ts';
import type { PrefixSet } from '../rib/policy/policy.ts';
import type { PrefixList } from '../rib/policy/prefix-list.ts';
import type { LocalSource, PrefixLimit, RibPeerSettings } from '../rib/types.ts';
import type { DynamicRule } from './dynamic-peers.ts';
import type { LocalAddresses } from './local-addresses.ts';
import type { PeerSettings } from './negotiate.ts';
import type { SpeakerPeerSettings } from './speaker.ts';
import { nobodyYet, type UnnumberedRule } from './unnumbered.ts';

/** The policies of a configuration, ready to run. A policy that did not change keeps its object, so that nothing is evaluated again. */
export class PolicySet {
  readonly #byName = new Map<string, { readonly text: string; readonly policy: Policy }>();

  /** Takes the policies of a new configuration. */
  replace(policies: readonly DesiredPolicy[]): void {
    const lists = new Map<PrefixSet, PrefixList>();
    const wanted = new Set<string>();
    for (const spec of policies) {
      wanted.add(spec.name);
      const text = JSON.stringify(spec, octetsAsText);
      if (this.#byName.get(spec.name)?.text === text) continue;
      this.#byName.set(spec.name, { text, policy: preparePolicy(spec, lists) });
    }
    for (const name of this.#byName.keys()) if (!wanted.has(name)) this.#byName.delete(name);
  }

  /** @throws Error for a name that is in no configuration */
  get(name: string): Policy {
    if (name === acceptAll.spec.name) return acceptAll;
    const found = this.#byName.get(name);
    if (found === undefined) throw new Error(`policy ${name}: not in the configuration`);
    return found.policy;
  }
}

function octetsAsText(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
}

/** One peer of the configuration, as speaker and RIB take it. */
export function peerSettings(
  state: DesiredState,
  peer: DesiredPeer,
  policies: PolicySet,
  local: LocalAddresses,
): SpeakerPeerSettings {
  const restart = peer.maxPrefixes?.action === 'restart' ? peer.maxPrefixes.restartSeconds : undefined;
  const { maxPrefixesOut } = peer;
  return {
    session: sessionSettings(state, peer),
    rib: ribSettings(state, peer, policies, local),
    ...(restart === undefined ? {} : { prefixLimitRestartSeconds: restart }),
    ...(maxPrefixesOut === undefined ? {} : { exportLimit: maxPrefixesOut }),
  };
}

/** A rule of the configuration by which peers are accepted. */
export function dynamicRule(
  state: DesiredState,
  dynamic: DesiredDynamicPeer,
  policies: PolicySet,
  local: LocalAddresses,
): DynamicRule {
  const { name, prefixes, limit, password } = dynamic;
  return {
    name,
    prefixes,
    limit,
    ...(password?.type === 'key' ? { password: password.key.reveal() } : {}),
    ...(password?.type === 'unreadable' ? { refused: unreadableKey(password.reason) } : {}),
    settings(address) {
      const peer: DesiredPeer = {
        ...dynamic,
        name: `${name}/${formatIp(address)}`,
        description: undefined,
        address,
        port: state.bgp.listenPort,
        unnumbered: false,
        passive: true,
        reachableBy: undefined,
      };
      return peerSettings(state, peer, policies, local);
    },
  };
}

/** A peer of the configuration that is whoever is at the other end of a link. */
export function unnumberedRule(
  state: DesiredState,
  peer: DesiredPeer,
  policies: PolicySet,
  local: () => LocalAddresses,
): UnnumberedRule {
  return {
    name: peer.name,
    device: peer.device ?? '',
    settings(address) {
      // Nobody can be called before somebody was heard.
      const passive = peer.passive || ipEquals(address, nobodyYet);
      return peerSettings(state, { ...peer, address, passive }, policies, local());
    },
  };
}

function sessionSettings(state: DesiredState, peer: DesiredPeer): PeerSettings {
  const { device, localAddress, localInterface, keepaliveSeconds, password, ttlSecurityHops, multihopTtl } = peer;
  const { sendHoldSeconds } = peer;
  // A key that cannot be read keeps the peer down: without it the session would be open to anybody (RFC 2385).
  const adminDown =
    password?.type === 'unreadable' ? { text: unreadableKey(password.reason), isPrivate: true } : peer.adminDown;
  return {
    name: peer.name,
    address: peer.address,
    port: peer.port,
    localAs: peer.localAs,
    remoteAs: peer.remoteAs,
    kind: peer.kind,
    routerId: state.node.routerId,
    passive: peer.passive,
    holdSeconds: peer.holdSeconds,
    connectRetrySeconds: peer.connectRetrySeconds,
    connectTimeoutSeconds: CONNECT_TIMEOUT_SECONDS,
    idleHoldSeconds: peer.idleHoldSeconds ?? IDLE_HOLD_SECONDS,
    families: peer.families,
    addPath: peer.addPath,
    tos: peer.tos,
    multihopTtl: multihopTtl ?? ANY_DISTANCE_TTL,
    ...(device === undefined ? {} : { device }),
    ...(localAddress === undefined ? {} : { localAddress }),
    ...(localInterface === undefined ? {} : { localInterface }),
    ...(keepaliveSeconds === undefined ? {} : { keepaliveSeconds }),
    ...(password?.type === 'key' ? { password: password.key.reveal() } : {}),
    ...(ttlSecurityHops === undefined ? {} : { ttlSecurityHops }),
    ...(peer.role === undefined ? {} : { role: peer.role, strictRole: peer.strictRole === true }),
    ...(adminDown === undefined ? {} : { adminDown }),
    ...(sendHoldSeconds === undefined ? {} : { sendHoldSeconds }),
    ...(peer.extendedMessages ? { extendedMessages: true } : {}),
    ...(peer.extendedNextHop ? { extendedNextHop: true } : {}),
    ...(peer.fourOctetAs ? {} : { fourOctetAs: false }),
    ...(peer.extendedOpenParameters ? { extendedOpenParameters: true } : {}),
  };
}

function unreadableKey(reason: string): string {
  return `TCP MD5 key cannot be read: ${reason}`;
}

/** A wrong MD5 key answers with silence: an attempt that is not answered by then has failed. */
const CONNECT_TIMEOUT_SECONDS = 5;
/** Quiet time after an error of the protocol; grows with repetition. */
const IDLE_HOLD_SECONDS = 2;
/** The configuration leaves the distance open: a session may cross any number of routers, as Calico's do. */
const ANY_DISTANCE_TTL = 64;

function ribSettings(
  state: DesiredState,
  peer: DesiredPeer,
  policies: PolicySet,
  local: LocalAddresses,
): RibPeerSettings {
  const ipv4 = nextHopSelf(state.node.ipv4Address, peer, 4, local);
  const ipv6 = nextHopSelf(state.node.ipv6Address, peer, 6, local);
  const linkLocal = local.linkTowards(peer.address, peer.device)?.linkLocal;
  return {
    name: peer.name,
    address: peer.address,
    kind: peer.kind,
    // Until the OPEN tells: the session then brings the number, and the kind.
    remoteAs: typeof peer.remoteAs === 'number' ? peer.remoteAs : 0,
    localAs: peer.localAs,
    ...(peer.localAsInPaths.prependIn ? { prependLocalAsIn: true } : {}),
    ...(peer.localAsInPaths.keepOwn ? { keepOwnAs: true } : {}),
    importPolicy: policies.get(peer.importPolicy.policy),
    exportPolicy: policies.get(peer.exportPolicy.policy),
    routeReflectorClient: peer.routeReflectorClient,
    nextHop: peer.nextHop,
    nextHopSelf: {
      ...(ipv4 === undefined ? {} : { ipv4 }),
      ...(ipv6 === undefined ? {} : { ipv6 }),
      ...(linkLocal === undefined ? {} : { linkLocal }),
    },
    allowOwnAs: peer.allowOwnAs,
    addPathMax: peer.addPathMax,
    ...attributeSettings(peer),
    ...(peer.linkBandwidth === undefined ? {} : { linkBandwidth: linkBandwidth(peer, peer.linkBandwidth) }),
    ...(peer.maxPrefixes === undefined ? {} : { prefixLimit: prefixLimits(peer) }),
  };
}

/** The community of a link's bandwidth: it has room for two octets of the AS number that the peer is shown. */
function linkBandwidth(
  { localAs }: DesiredPeer,
  { bitsPerSecond, isTransitive }: NonNullable<DesiredPeer['linkBandwidth']>,
): Uint8Array {
  const asn = localAs > 0xffff ? AS_TRANS : localAs;
  return makeLinkBandwidth({ asn, octetsPerSecond: bitsPerSecond / 8, isTransitive });
}

/** What the RIB is told about attributes: fields without a word keep its defaults. */
function attributeSettings(peer: DesiredPeer): Partial<RibPeerSettings> {
  const { isConfederationMember, asOverride, removePrivateAs, role, gracefulShutdown, honoursGracefulShutdown } = peer;
  const { aigp, allowsAsSets, clusterId, clientToClient, nextHopOf, nextHopIn } = peer;
  return {
    ...(isConfederationMember === undefined ? {} : { isConfederationMember }),
    ...(asOverride === undefined ? {} : { asOverride }),
    ...(removePrivateAs === undefined ? {} : { removePrivateAs }),
    ...(role === undefined ? {} : { role }),
    ...(gracefulShutdown === undefined ? {} : { gracefulShutdown }),
    ...(honoursGracefulShutdown === undefined ? {} : { honoursGracefulShutdown }),
    ...(aigp === undefined ? {} : { aigp }),
    ...(allowsAsSets === undefined ? {} : { allowsAsSets }),
    ...(clusterId === undefined ? {} : { clusterId }),
    ...(clientToClient === undefined ? {} : { clientToClient }),
    ...(nextHopOf === undefined
      ? {}
      : {
          nextHopOf: {
            ...(nextHopOf.ebgp === undefined ? {} : { ebgp: nextHopOf.ebgp }),
            ...(nextHopOf.ibgp === undefined ? {} : { ibgp: nextHopOf.ibgp }),
          },
        }),
    ...(nextHopIn === undefined ? {} : { nextHopIn }),
  };
}

/**
 * The address to name as next hop. For the session's own family the RIB takes the session's local address; for the other one it
 * must be found: one on the interface towards the peer, else the node's.
 */
function nextHopSelf(
  nodeAddress: IpAddress | undefined,
  peer: DesiredPeer,
  version: 4 | 6,
  local: LocalAddresses,
): IpAddress | undefined {
  const isLink = isLinkLocal(peer.address);
  if (isLink && peer.device !== undefined) {
    // The neighbour knows the way to what is on the link, and to nothing else that this node has.
    return local.onInterface(peer.device, version) ?? (version === 4 ? nodeAddress : undefined);
  }
  if (peer.address.version === version) return undefined;
  return local.towards(peer.address, peer.localAddress, version) ?? nodeAddress;
}

function prefixLimits(peer: DesiredPeer): Partial<Record<FamilyName, PrefixLimit>> {
  const limits: Partial<Record<FamilyName, PrefixLimit>> = {};
  if (peer.maxPrefixes === undefined) return limits;
  const { count, warnPercent, action } = peer.maxPrefixes;
  for (const family of peer.families) {
    limits[family] = { limit: count, warnPercent, action: action === 'warn' ? 'warn' : 'reset' };
  }
  return limits;
}

/** `wanted` as far as a running daemon can take it over: settings that are read once at the start keep their running value. */
export function liveState(running: DesiredState, wanted: DesiredState): DesiredState {
  const { neverInstall, keepRoutes } = wanted.fib;
  const { bgp, cni, api, log, datastore, addressDetection } = running;
  return {
    ...wanted,
    bgp,
    cni,
    api,
    log,
    datastore,
    addressDetection,
    fib: { ...running.fib, neverInstall, keepRoutes },
  };
}

/** A route that this node puts into BGP. */
export interface Origination {
  readonly prefix: Prefix;
  readonly source: LocalSource;
  readonly attributes: PathAttributes;
}

/**
 * Everything this node originates, by `SOURCE PREFIX`.
 * @param retired blocks that are no longer configured and still hold pods: announced until the last of them is gone
 */
export function originations(state: DesiredState, retired: readonly Prefix[]): Map<string, Origination> {
  const result = new Map<string, Origination>();
  const add = (prefix: Prefix, source: LocalSource): void => {
    result.set(`${source} ${formatPrefix(prefix)}`, { prefix, source, attributes: {} });
  };
  const configured = new Set(state.blocks.map(({ prefix }) => formatPrefix(prefix)));
  for (const prefix of retired) if (!configured.has(formatPrefix(prefix))) add(prefix, 'pod-block');
  for (const block of state.blocks) if (block.advertise) add(block.prefix, 'pod-block');
  for (const network of state.originate) add(network.prefix, network.source);
  return result;
}

/** Prefixes that get a discard route in the kernel, by their text: what has no more specific route is dropped and does not loop. */
export function discardPrefixes(state: DesiredState): Map<string, Prefix> {
  const wanted = [
    ...state.blocks.filter(isWorthDiscarding),
    ...state.originate.filter((network: DesiredNetwork) => network.discard),
  ];
  return new Map(wanted.map(({ prefix }) => [formatPrefix(prefix), prefix]));
}

/** A block of one address is its pod: nothing in it can be without a route but the pod's own. */
function isWorthDiscarding(block: DesiredBlock): boolean {
  return block.prefix.length < (block.prefix.address.version === 4 ? 32 : 128);
}

/** The pools of the cluster, as address translation takes them. */
export function natPools({ pools }: DesiredState) {
  return pools.map(({ prefix, natOutgoing }) => ({ prefix: formatPrefix(prefix), natOutgoing }));
}
