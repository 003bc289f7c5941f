import { formatIp, type IpAddress, prefixContains } from 'bgp-ts';
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
export async function reachOf(
  states: readonly DesiredState[],
  pause: () => Promise<void>,
): Promise<Map<string, Reach>> {
  const owners = new Map(states.flatMap((state) => addressesOf(state).map((address) => [formatIp(address), state])));
  const { sessions, outside } = await agreedSessions(states, (peer) => owners.get(formatIp(peer.address)), pause);
  const reflectors = new Set(states.filter(({ node }) => node.clusterId !== undefined).map(({ node }) => node.name));
  const learned = new Map(states.map(({ node }) => [node.name, new Set<string>()]));
  for (const { node } of states) {
    const seen = new Set<string>();
    const queue: { readonly at: string; readonly source: Source }[] = [{ at: node.name, source: 'own' }];
    for (const { at, source } of queue) {
      // A route heard from a client goes further than the same one heard from others.
      if (seen.has(`${at} ${source}`)) continue;
      seen.add(`${at} ${source}`);
      if (at !== node.name) learned.get(at)?.add(node.name);
      const isReflector = reflectors.has(at);
      if (source !== 'own' && !isReflector) continue;
      for (const session of sessions.get(at)?.values() ?? []) {
        if (session.to === node.name || !tells(source, session, isReflector)) continue;
        const back = sessions.get(session.to)?.get(at);
        queue.push({
          at: session.to,
          source: session.isExternal ? 'external' : back?.isClient === true ? 'client' : 'other',
        });
      }
    }
    await pause();
  }
  return new Map(
    [...learned].map(([name, nodes]) => {
      return [name, { nodes, hasOutside: outside.has(name) }];
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

/**
 * Sessions by the names of both ends: a session needs both, one that names the other, or that takes whoever comes from there. And the
 * names of nodes that have peers which are no nodes.
 */
async function agreedSessions(
  states: readonly DesiredState[],
  nodeAt: (peer: DesiredPeer) => DesiredState | undefined,
  pause: () => Promise<void>,
): Promise<{ sessions: Map<string, Map<string, Session>>; outside: Set<string> }> {
  const sessions = new Map<string, Map<string, Session>>();
  const outside = new Set<string>();
  for (const { node, peers } of states) {
    const own = new Map<string, Session>();
    sessions.set(node.name, own);
    for (const peer of peers) {
      const to = nodeAt(peer)?.node.name;
      if (to === undefined) outside.add(node.name);
      if (to === undefined || peer.adminDown !== undefined || own.has(to)) continue;
      own.set(to, { to, isExternal: peer.kind === 'ebgp', isClient: peer.routeReflectorClient });
    }
    await pause();
  }
  const byName = new Map(states.map((state) => [state.node.name, state]));
  // Judged by what everybody names, before anything is taken out.
  const oneSided = [...sessions].flatMap(([name, own]) =>
    [...own.keys()].filter((to) => sessions.get(to)?.has(name) !== true).map((to) => ({ name, to })),
  );
  for (const { name, to } of oneSided) {
    const [caller, called] = [byName.get(name), byName.get(to)];
    if (caller === undefined || called === undefined || !takes(called, caller)) sessions.get(name)?.delete(to);
  }
  return { sessions, outside };
}

/** Whether a node takes sessions from wherever the other one is. */
function takes({ dynamicPeers }: DesiredState, from: DesiredState): boolean {
  const addresses = addressesOf(from);
  return dynamicPeers.some(({ prefixes }) =>
    prefixes.some((prefix) => addresses.some((address) => prefixContains(prefix, address))),
  );
}

function addressesOf({ node }: DesiredState): IpAddress[] {
  return [node.ipv4Address, node.ipv6Address].filter((address) => address !== undefined);
}
