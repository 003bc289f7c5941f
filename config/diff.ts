import { formatIp, formatPrefix, type IpAddress, type Prefix } from 'bgp-ts';
import type { DesiredPeer, DesiredSession, DesiredState } from './desired-state.ts';
import { sameValue } from './equal.ts';
import { SecretText } from './secret.ts';

/**
 * What a change does to sessions: `none`, `refresh` (routes are evaluated again), `reset` (the session is ended and comes back), or
 * `restart` (it takes a new start of the daemon, until then the old value holds). In order of weight.
 */
export type Effect = 'none' | 'refresh' | 'reset' | 'restart';

/** One difference between two desired states. */
export interface Change {
  readonly action: 'add' | 'remove' | 'change';
  readonly kind:
    | 'node'
    | 'bgp'
    | 'peer'
    | 'dynamic-peer'
    | 'policy'
    | 'network'
    | 'block'
    | 'pool'
    | 'ipam'
    | 'fib'
    | 'cni'
    | 'api'
    | 'datastore'
    | 'address-detection'
    | 'log';
  /** Name of the peer, policy or pool, or the prefix; the section itself for settings. */
  readonly name: string;
  /** `holdSeconds: 90 -> 9, passive: false -> true`; secrets are never shown. */
  readonly detail?: string;
  readonly effect: Effect;
  /** The fields that differ, those with the heaviest effect first. */
  readonly fields: readonly string[];
}

const WEIGHT: Readonly<Record<Effect, number>> = { none: 0, refresh: 1, reset: 2, restart: 3 };

/**
 * What a change of each field of a peer does to its session. Reset: what OPEN says and what the connection was made with. The key of
 * a peer that has one before and after can change in place: TCP repeats what the far end refuses until both have the new one.
 */
const PEER_EFFECTS: Readonly<Record<keyof DesiredPeer, Effect>> = {
  name: 'reset',
  origin: 'none',
  description: 'none',
  address: 'reset',
  port: 'reset',
  device: 'reset',
  unnumbered: 'reset',
  localAddress: 'reset',
  localInterface: 'reset',
  localAs: 'reset',
  localAsInPaths: 'refresh',
  remoteAs: 'reset',
  kind: 'reset',
  passive: 'none',
  reachableBy: 'none',
  holdSeconds: 'reset',
  keepaliveSeconds: 'none',
  connectRetrySeconds: 'none',
  idleHoldSeconds: 'none',
  sendHoldSeconds: 'none',
  extendedMessages: 'reset',
  extendedNextHop: 'reset',
  fourOctetAs: 'reset',
  extendedOpenParameters: 'none',
  families: 'reset',
  password: 'none',
  ttlSecurityHops: 'none',
  multihopTtl: 'none',
  tos: 'none',
  addPath: 'reset',
  addPathMax: 'refresh',
  linkBandwidth: 'refresh',
  routeReflectorClient: 'refresh',
  nextHop: 'refresh',
  maxPrefixes: 'none',
  maxPrefixesOut: 'none',
  allowOwnAs: 'refresh',
  isConfederationMember: 'reset',
  asOverride: 'refresh',
  removePrivateAs: 'refresh',
  role: 'reset',
  strictRole: 'reset',
  gracefulShutdown: 'refresh',
  honoursGracefulShutdown: 'refresh',
  aigp: 'refresh',
  // what was withdrawn for it must be asked for again
  allowsAsSets: 'refresh',
  clusterId: 'refresh',
  clientToClient: 'refresh',
  nextHopOf: 'refresh',
  nextHopIn: 'refresh',
  importPolicy: 'refresh',
  exportPolicy: 'refresh',
  restartSeconds: 'none',
  adminDown: 'reset',
};

/** Settings that a running daemon takes over; all others take a restart. */
const LIVE_SETTINGS: ReadonlySet<string> = new Set([
  'node.labels',
  'node.ipv4Address',
  'node.ipv6Address',
  'fib.neverInstall',
  'fib.keepRoutes',
]);

/** What a reload would change, in the order in which one would do it: removals first. Empty if the states are the same. */
export function diffStates(before: DesiredState, after: DesiredState): Change[] {
  const changes = [
    ...diffSection('node', before.node, after.node),
    ...diffSection('bgp', before.bgp, after.bgp),
    ...diffPeers(before, after),
    ...diffNamed('dynamic-peer', before.dynamicPeers, after.dynamicPeers, sessionEffect),
    ...diffPolicies(before, after),
    ...diffPrefixes('network', before.originate, after.originate),
    ...diffPrefixes('block', before.blocks, after.blocks),
    ...diffNamed('pool', before.pools, after.pools, () => 'none'),
    ...(sameValue(before.ipam, after.ipam) ? [] : diffFields('ipam', 'ipam', before.ipam, after.ipam, () => 'none')),
    ...diffSection('fib', before.fib, after.fib),
    ...diffSection('cni', before.cni, after.cni),
    ...diffSection('api', before.api, after.api),
    ...diffSection('log', before.log, after.log),
    ...diffSection('datastore', before.datastore, after.datastore),
    ...diffSection('address-detection', detectionAsked(before), detectionAsked(after)),
  ];
  const rank = { remove: 0, change: 1, add: 2 } as const;
  return changes.sort((a, b) => rank[a.action] - rank[b.action]);
}

/** The peers whose sessions a reload would reset, with the fields that force it. */
export function resets(changes: readonly Change[]): { name: string; fields: readonly string[] }[] {
  return changes
    .filter(({ kind, action, effect }) => kind === 'peer' && action === 'change' && effect === 'reset')
    .map(({ name, fields }) => ({ name, fields }));
}

function diffPeers(before: DesiredState, after: DesiredState): Change[] {
  const changes = diffNamed('peer', before.peers, after.peers, sessionEffect);
  if (sameValue(before.node.routerId, after.node.routerId)) return changes;
  // the router id is in every OPEN
  const routerIds = `routerId: ${formatIp(before.node.routerId)} -> ${formatIp(after.node.routerId)}`;
  const changed = new Map(changes.map((change) => [change.name, change]));
  for (const { name } of after.peers) {
    const change = changed.get(name);
    if (!before.peers.some((peer) => peer.name === name)) continue;
    changed.set(name, {
      action: 'change',
      kind: 'peer',
      name,
      detail: change?.detail === undefined ? routerIds : `${routerIds}, ${change.detail}`,
      effect: 'reset',
      fields: ['routerId', ...(change?.fields ?? [])],
    });
  }
  return [...changed.values()];
}

function sessionEffect(field: string, before: unknown, after: unknown): Effect {
  if (field === 'password') {
    const isKey = (value: unknown) => (value as DesiredSession['password'])?.type === 'key';
    return isKey(before) === isKey(after) ? 'none' : 'reset';
  }
  // a peer that is let go again has no session to reset; another text reaches nobody
  if (field === 'adminDown') return before === undefined ? 'reset' : 'none';
  return PEER_EFFECTS[field as keyof DesiredPeer] ?? 'none';
}

/** A policy that keeps its name and says something else; new and dropped ones show where peers refer to them. */
function diffPolicies(before: DesiredState, after: DesiredState): Change[] {
  const old = new Map(before.policies.map((policy) => [policy.name, policy]));
  return after.policies.flatMap((policy): Change[] => {
    const previous = old.get(policy.name);
    if (previous === undefined || sameValue(previous, policy)) return [];
    const users = after.peers.filter(
      ({ importPolicy, exportPolicy }) => importPolicy.policy === policy.name || exportPolicy.policy === policy.name,
    );
    const detail = `used by ${users.length === 0 ? 'no peer' : users.map(({ name }) => name).join(', ')}`;
    return [{ action: 'change', kind: 'policy', name: policy.name, detail, effect: 'refresh', fields: ['terms'] }];
  });
}

function diffNamed<T extends { readonly name: string }>(
  kind: Change['kind'],
  before: readonly T[],
  after: readonly T[],
  effectOf: (field: string, before: unknown, after: unknown) => Effect,
): Change[] {
  const old = new Map(before.map((item) => [item.name, item]));
  const names = new Set(after.map(({ name }) => name));
  const removed = before.filter(({ name }) => !names.has(name)).map(({ name }) => whole('remove', kind, name));
  return [
    ...removed,
    ...after.flatMap((item): Change[] => {
      const previous = old.get(item.name);
      if (previous === undefined) return [whole('add', kind, item.name)];
      return sameValue(previous, item) ? [] : diffFields(kind, item.name, previous, item, effectOf);
    }),
  ];
}

function diffPrefixes(
  kind: 'network' | 'block',
  before: readonly { readonly prefix: Prefix }[],
  after: readonly { readonly prefix: Prefix }[],
): Change[] {
  const named = (list: readonly { readonly prefix: Prefix }[]) =>
    list.map((item) => ({ ...item, name: formatPrefix(item.prefix) }));
  return diffNamed(kind, named(before), named(after), () => 'none');
}

/** The methods that somebody asked for: what holds without a word follows from the Node, whose own changes are told. */
function detectionAsked({ addressDetection }: DesiredState): object {
  return Object.fromEntries(
    Object.entries(addressDetection).map(([key, one]) => [key, one.isAskedFor ? one.method : undefined]),
  );
}

function diffSection(kind: Change['kind'], before: object, after: object): Change[] {
  if (sameValue(before, after)) return [];
  return diffFields(kind, kind, before, after, (field) => (LIVE_SETTINGS.has(`${kind}.${field}`) ? 'none' : 'restart'));
}

function diffFields(
  kind: Change['kind'],
  name: string,
  before: object,
  after: object,
  effectOf: (field: string, before: unknown, after: unknown) => Effect,
): Change[] {
  const [old, now] = [before as Record<string, unknown>, after as Record<string, unknown>];
  const keys = [...new Set([...Object.keys(old), ...Object.keys(now)])];
  const differences = keys
    .filter((key) => !sameValue(old[key], now[key]))
    .map((key) => ({ key, effect: effectOf(key, old[key], now[key]) }))
    .sort((a, b) => WEIGHT[b.effect] - WEIGHT[a.effect]);
  const [heaviest] = differences;
  if (heaviest === undefined) return [];
  const detail = differences.map(({ key }) => `${key}: ${shown(old[key])} -> ${shown(now[key])}`).join(', ');
  const fields = differences.map(({ key }) => key);
  return [{ action: 'change', kind, name, detail, effect: heaviest.effect, fields }];
}

function whole(action: 'add' | 'remove', kind: Change['kind'], name: string): Change {
  return { action, kind, name, effect: 'none', fields: [] };
}

/** A value for people; secrets stay hidden. */
function shown(value: unknown): string {
  if (value === undefined) return 'none';
  if (value instanceof SecretText) return '[secret]';
  if (Array.isArray(value)) return `[${value.map(shown).join(' ')}]`;
  if (typeof value !== 'object' || value === null) return value === '' ? '""' : String(value);
  if ('octets' in value) return formatIp(value as IpAddress);
  if ('address' in value && 'length' in value) return formatPrefix(value as Prefix);
  if ('policy' in value) return String(value.policy);
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return `{${entries.map(([key, inner]) => `${key}: ${shown(inner)}`).join(', ')}}`;
}
