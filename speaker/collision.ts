import type { FsmState, IpAddress } from 'bgp-ts';
import { ipv4ToUint32 } from 'bgp-ts';

/** Who opened a connection. */
export type ConnectionOrigin = 'outgoing' | 'incoming';

/** The two ends of a possible collision, as far as they decide it. */
export interface CollisionFacts {
  readonly localRouterId: IpAddress;
  readonly remoteRouterId: IpAddress;
  readonly localAs: number;
  readonly remoteAs: number;
  /** The connection that was there. */
  readonly existing: { readonly state: FsmState; readonly origin: ConnectionOrigin };
  /** The connection on which an OPEN has just been accepted. */
  readonly fresh: { readonly origin: ConnectionOrigin };
}

/** What becomes of the two: one gives way, or it is too early to say. */
export type CollisionVerdict = 'keep-both' | 'drop-existing' | 'drop-fresh';

/**
 * Connection collision detection (RFC 4271 §6.8), run when an OPEN arrives while another connection to the peer exists.
 * The connection opened by the side with the larger BGP identifier survives (the larger AS number when the identifiers
 * are equal, RFC 6286 §2.3); an established session always does. Two connections that the peer opened cannot be told
 * apart like that: a speaker that opens a second one has given the first one up.
 *
 * A connection in OpenSent may be looked at too, since the OPEN of the other one names the peer's identifier: it goes if it will lose in
 * any case. If it would win it has yet to show that its OPEN comes, so the other one stays until then.
 */
export function resolveCollision(facts: CollisionFacts): CollisionVerdict {
  switch (facts.existing.state) {
    case 'Established':
      return 'drop-fresh';
    case 'OpenConfirm':
      if (facts.existing.origin === facts.fresh.origin) return 'drop-existing';
      return winner(facts) === facts.fresh.origin ? 'drop-existing' : 'drop-fresh';
    case 'OpenSent':
      if (facts.existing.origin === facts.fresh.origin) return 'keep-both';
      return winner(facts) === facts.fresh.origin ? 'drop-existing' : 'keep-both';
    // There is nothing to drop yet: the comparison follows when its OPEN comes, or this one is established first.
    case 'Connect':
    case 'Active':
    case 'Idle':
      return 'keep-both';
  }
}

function winner(facts: CollisionFacts): ConnectionOrigin {
  const local = ipv4ToUint32(facts.localRouterId);
  const remote = ipv4ToUint32(facts.remoteRouterId);
  const isLocal = local === remote ? facts.localAs > facts.remoteAs : local > remote;
  return isLocal ? 'outgoing' : 'incoming';
}
