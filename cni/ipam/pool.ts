import type { Prefix } from 'bgp-ts';

/** A block as the configuration gives it. */
export interface BlockSpec {
  readonly prefix: Prefix;
  /** Parts of the block that no new pod gets (IPReservation). */
  readonly reserved?: readonly Prefix[];
}
