import { type IpAddress, ipEquals, prefixContains } from 'bgp-ts';
import type { DesiredPeer, DesiredState } from '../desired-state.ts';

/** Whose routes a node has, by the sessions between the nodes of a cluster. */
export interface Reach {
  /** Names of nodes whose routes it has, itself not among them. */
  readonly nodes: ReadonlySet<string>;
  /** It has sessions with routers that are no nodes. */
  readonly hasOutside: boolean;
}

interface Session {
  readonly to: string;
  /** What the far side is to this one. */
  readonly isExternal: boolean;
  readonly isClient: boolean;
}

/** From where a node has a route. */
type Source = 'own' | 'external' | 'client' | 'other';

/** Follows the routes of every node over all sessions that both sides agree on. */
export function reachOf(states: readonly DesiredState[]): Map<string, Reach> {
  const sessions = new Map(states.map((state) => [state.node.name, sessionsOf(state, states)]));
  const reflectors = new Set(states.filter(({ node }) => node.clusterId !== undefined).map(({ node }) => node.name));
  const learned = new Map(states.map(({ node }) => [node.name, new Set<string>()]));
  for (const { node } of states) {
    const seen = new Set<string>();
    const queue: { at: string; source: Source }[] = [{ at: node.name, source: 'own' }];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { at, source } = next;
      // A route heard from a client goes further than the same one heard from others.
      if (seen.has(`${at} ${source}`)) continue;
      seen.add(`${at} ${source}`);
      if (at !== node.name) learned.get(at)?.add(node.name);
      for (const session of sessions.get(at) ?? []) {
        if (session.to === node.name || !tells(source, session, reflectors.has(at))) continue;
        const back = sessions.get(session.to)?.find(({ to }) => to === at);
        queue.push({
          at: session.to,
          source: session.isExternal ? 'external' : back?.isClient === true ? 'client' : 'other',
        });
      }
    }
  }
  return new Map(
    states.map((state) => {
      const hasOutside = state.peers.some((peer) => nodeAt(states, peer) === undefined);
      return [state.node.name, { nodes: learned.get(state.node.name) ?? new Set(), hasOutside }];
    }),
  );
}

/** Whether a node tells a route over a session (RFC 4271 §9.2, RFC 4456 §6). */
function tells(source: Source, session: Session, isReflector: boolean): boolean {
  if (source === 'own') return true;
  if (!isReflector) return false;
  if (session.isExternal || source === 'external' || source === 'client') return true;
  return session.isClient;
}

function sessionsOf(state: DesiredState, states: readonly DesiredState[]): Session[] {
  return state.peers.flatMap((peer): Session[] => {
    const other = nodeAt(states, peer);
    if (other === undefined || peer.adminDown !== undefined || !expects(other, state)) return [];
    return [{ to: other.node.name, isExternal: peer.kind === 'ebgp', isClient: peer.routeReflectorClient }];
  });
}

/** A session needs both sides: one that names the other, or that takes whoever comes from there. */
function expects(state: DesiredState, from: DesiredState): boolean {
  const addresses = addressesOf(from);
  return (
    state.peers.some(
      (peer) => peer.adminDown === undefined && addresses.some((address) => ipEquals(address, peer.address)),
    ) ||
    state.dynamicPeers.some(({ prefixes }) =>
      prefixes.some((prefix) => addresses.some((address) => prefixContains(prefix, address))),
    )
  );
}

function nodeAt(states: readonly DesiredState[], peer: DesiredPeer): DesiredState | undefined {
  return states.find((state) => addressesOf(state).some((address) => ipEquals(address, peer.address)));
}

function addressesOf({ node }: DesiredState): IpAddress[] {
  return [node.ipv4Address, node.ipv6Address].filter((address) => address !== undefined);
}
