import type { IpAddress } from 'bgp-ts';
import type { KernelRoutes } from './kernel.ts';
import type { FibNextHop } from './target.ts';

/** How a next hop is reached. `gateway` is left out when it is on the link: then the next hop itself is the gateway. */
export type NextHopAnswer =
  | {
      readonly reachable: true;
      readonly ifIndex: number;
      readonly gateway?: IpAddress;
      /** Metric of the route that covers it; 0 on the link. */
      readonly metric: number;
      /** All ways when the covering route is a multipath one; ready for `Fib.nextHopSet`. The first is `ifIndex`/`gateway`. */
      readonly hops: readonly FibNextHop[];
    }
  | { readonly reachable: false };

/** Which routes count for resolving. */
export interface NextHopTableOptions {
  /** Table looked up; 254 (main). */
  readonly table: number;
  /** Protocol numbers that never resolve a next hop: those of our own BGP routes. */
  readonly ownProtocols: readonly number[];
  /** Whether a default route resolves next hops (default true). */
  readonly viaDefault?: boolean;
}

/** Answers whether and how a BGP next hop is reached. */
export class NextHopTable {
  constructor(kernel: KernelRoutes, options: NextHopTableOptions) {
    void kernel;
    void options;
    throw new Error('not built yet');
  }

  declare start: () => Promise<void>;
  /** `ifIndex` is needed for link-local addresses. Remembers the address and reports when the answer changes, until `forget`. */
  declare resolve: (ip: IpAddress, ifIndex?: number) => NextHopAnswer;
  declare forget: (ip: IpAddress, ifIndex?: number) => void;
  /** Told of every remembered next hop whose answer changed. */
  declare onChange: (callback: (ip: IpAddress, ifIndex?: number) => void) => void;
  declare linkIndex: (name: string) => number | undefined;
  declare close: () => void;
}
