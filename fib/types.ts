import type { Prefix } from 'bgp-ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { FibNextHop } from './target.ts';

/** What a route does with a packet. */
export type FibRouteKind = 'unicast' | 'blackhole' | 'unreachable';

/** How a `Fib` marks its routes, and its collaborators. */
export interface FibOptions {
  /** Protocol number that marks a route as ours, 5..255 (`ip route` prints it as `proto`); no other program on the machine may use it. */
  readonly protocol: number;
  /** Routing table, 1..2^32-1; 254 is main. */
  readonly table: number;
  /** Metric of routes that name none. */
  readonly metric: number;
  /**
   * `auto` (default): ways are nexthop objects where the kernel has them, so that a change of one is a message, not a message for each route;
   * `off`: every route carries its gateways. Objects have our protocol number, and ids that begin with it: 177 << 24 and up.
   */
  readonly nextHopObjects?: 'auto' | 'off';
  readonly log: Logger;
  readonly clock: Clock;
}

/**
 * State of a route. `installed`: the kernel has it as wanted; `pending`: on its way (or on its way out); `failed`: the kernel refused
 * it, it is tried again when links, addresses or routes change, and by a timer; `conflict`: somebody else's route holds prefix and
 * metric, ours goes in when that one is gone; `orphan`: found in the kernel, wanted by nobody so far, removed by `sweep`.
 */
export type FibRouteState = 'installed' | 'pending' | 'failed' | 'conflict' | 'orphan';

/** A route as `bgpctl show fib` prints it. */
export interface FibRouteView {
  readonly prefix: Prefix;
  readonly metric: number;
  /** For an orphan of a kind that is never written here, `unreachable`. */
  readonly kind: FibRouteKind;
  /** Wanted next hops; for an orphan, or a route on its way out, those found. Empty unless `kind` is unicast. */
  readonly nextHops: readonly FibNextHop[];
  readonly state: FibRouteState;
  /** Why it failed: `{ errno: 'ENETUNREACH', text: 'ENETUNREACH: network is unreachable' }`. */
  readonly error?: { readonly errno: string; readonly text: string };
}

/** Where a route leads, for people and JSON. */
export interface FibTargetView {
  readonly kind: FibRouteKind | 'other';
  readonly nextHops: readonly FibNextHop[];
}

/** One disagreement between what is wanted and what the kernel has. */
export interface FibDifference {
  readonly type: 'missing' | 'different' | 'unexpected';
  readonly prefix: Prefix;
  readonly metric: number;
  /** What is wanted (missing, different). */
  readonly wanted?: FibTargetView;
  /** What the kernel has (different, unexpected). */
  readonly found?: FibTargetView;
  /** State of the route in this `Fib`, when it knows the prefix. */
  readonly state?: FibRouteState;
}

/** One disagreement about a nexthop object. */
export interface FibNextHopDifference {
  readonly type: 'missing' | 'different' | 'unexpected';
  /** The kernel's id. */
  readonly id: number;
  readonly wanted?: readonly FibNextHop[];
  readonly found?: readonly FibNextHop[];
}

/** What a `Fib` has done since it was made. */
export interface FibWork {
  /** Operations the kernel accepted. */
  readonly adds: number;
  readonly replaces: number;
  readonly deletes: number;
  /** Operations the kernel refused, for whatever reason. */
  readonly refused: number;
  /** Routes found at start. */
  readonly adopted: number;
  /** Times the kernel was read and compared after the start. */
  readonly resyncs: number;
  /** Times the kernel lost notifications or answers. */
  readonly overflows: number;
  /** Changes that others made to our routes. */
  readonly foreignChanges: number;
  /** Changes of a nexthop object under its routes. */
  readonly wayChanges: number;
}

/** How many routes are in each state, and what was done. */
export interface FibCounters extends FibWork {
  readonly wanted: number;
  readonly installed: number;
  readonly pending: number;
  readonly failed: number;
  readonly conflicts: number;
  readonly orphans: number;
}
