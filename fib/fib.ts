import type { Prefix } from 'bgp-ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { KernelRoutes } from './kernel.ts';
import type { FibNextHop } from './target.ts';

export type { FibNextHop } from './target.ts';

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
  readonly log: Logger;
  readonly clock: Clock;
}

/**
 * State of a route. `installed`: the kernel has it as wanted; `pending`: on its way (or on its way out); `failed`: the kernel refused
 * it, it is tried again when links, addresses or routes change, and by a timer; `conflict`: somebody else's route holds prefix and
 * metric, ours goes in when that one is gone; `orphan`: found at start, wanted by nobody, removed by `sweep`.
 */
export type FibRouteState = 'installed' | 'pending' | 'failed' | 'conflict' | 'orphan';

/** A route as `bgpctl show fib` prints it. */
export interface FibRouteView {
  readonly prefix: Prefix;
  readonly metric: number;
  readonly kind: FibRouteKind;
  /** Wanted next hops; for an orphan those found. Empty unless `kind` is unicast. */
  readonly nextHops: readonly FibNextHop[];
  readonly state: FibRouteState;
  /** Why it failed: `{ errno: 'ENETUNREACH', text: 'ENETUNREACH: network is unreachable' }`. */
  readonly error?: { readonly errno: string; readonly text: string };
}

/** One disagreement between what is wanted and what the kernel has. */
export interface FibDifference {
  readonly type: 'missing' | 'different' | 'unexpected';
  readonly prefix: Prefix;
  readonly metric: number;
  /** Wanted next hops (missing, different). */
  readonly wanted?: { readonly kind: FibRouteKind; readonly nextHops: readonly FibNextHop[] };
  /** What the kernel has (different, unexpected). */
  readonly found?: { readonly kind: FibRouteKind | 'other'; readonly nextHops: readonly FibNextHop[] };
  /** State of the route in this `Fib`, when it knows the prefix. */
  readonly state?: FibRouteState;
}

/** What a `Fib` has done since it was made, and how many routes it has in each state. */
export interface FibCounters {
  readonly wanted: number;
  readonly installed: number;
  readonly pending: number;
  readonly failed: number;
  readonly conflicts: number;
  readonly orphans: number;
  readonly adds: number;
  readonly replaces: number;
  readonly deletes: number;
  readonly refused: number;
  readonly adopted: number;
  readonly resyncs: number;
  readonly overflows: number;
  readonly foreignChanges: number;
}

/** Keeps the kernel's routes of one protocol number in one table equal to what was `set`. */
export class Fib {
  constructor(kernel: KernelRoutes, options: FibOptions) {
    void kernel;
    void options;
    throw new Error('not built yet');
  }

  /** The id of a set of next hops, for `set`. Equal sets have equal ids. @throws RangeError on an empty set or a hop without gateway and interface */
  declare nextHopSet: (hops: readonly FibNextHop[]) => number;
  /** Wants a route. `octets` (4 or 16, host bits zero) may be the caller's scratch. The set id is ignored unless `kind` is unicast. */
  declare set: (version: 4 | 6, octets: Uint8Array, length: number, nextHopSetId: number, kind?: FibRouteKind, metric?: number) => void;
  /** Wants it no more. */
  declare remove: (version: 4 | 6, octets: Uint8Array, length: number, metric?: number) => void;
  /** Reads the kernel, adopts our surviving routes, starts writing. `set` may be called before. */
  declare start: () => Promise<void>;
  /** Removes orphans, now and from now on: call it once, when the RIB has converged. */
  declare sweep: () => void;
  /** Resolves when the kernel was told everything wanted so far (routes it refused do not hold this up). */
  declare flush: () => Promise<void>;
  /** Reads the kernel and compares. */
  declare check: () => Promise<FibDifference[]>;
  declare list: () => FibRouteView[];
  declare counters: FibCounters;
  /** Stops writing; without `keepRoutes` removes every route of ours first. The kernel object stays open: its owner closes it. */
  declare close: (options: { keepRoutes: boolean }) => Promise<void>;
}
