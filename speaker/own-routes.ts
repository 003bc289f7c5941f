import type { Prefix } from 'bgp-ts';
import type { DesiredState } from '../config/desired-state.ts';
import type { Fib } from '../fib/fib.ts';
import type { Rib } from '../rib/rib.ts';
import { discardPrefixes, type Origination, originations } from './apply-config.ts';

/** Where {@link OwnRoutes} puts routes. */
export interface OwnRoutesOptions {
  readonly rib: Rib;
  /** Absent for a speaker that writes no kernel routes. */
  readonly fib: Fib | undefined;
}

/** The routes that come of the configuration and not of a peer: what this node originates, discard routes under it, ways to peers. */
export class OwnRoutes {
  readonly #rib: Rib;
  readonly #fib: Fib | undefined;
  #originated = new Map<string, Origination>();
  #discarded = new Map<string, Prefix>();

  constructor({ rib, fib }: OwnRoutesOptions) {
    this.#rib = rib;
    this.#fib = fib;
  }

  /** Prefixes with a discard route, by their text. */
  get discarded(): ReadonlyMap<string, Prefix> {
    return this.#discarded;
  }

  /**
   * Brings what this node originates, and the discard routes under it, to what `state` says.
   * @param retired blocks that are no longer configured and still have pods
   */
  apply(state: DesiredState, retired: readonly Prefix[]): void {
    const wanted = originations(state, retired);
    for (const [key, { prefix, source }] of this.#originated) {
      if (!wanted.has(key)) this.#rib.unoriginate(prefix, source);
    }
    for (const [key, { prefix, attributes, source }] of wanted) {
      if (!this.#originated.has(key)) this.#rib.originate(prefix, attributes, source);
    }
    this.#originated = wanted;

    const discards = discardPrefixes(state);
    const { discardMetric, discardType } = state.fib;
    for (const [key, { address, length }] of this.#discarded) {
      if (!discards.has(key)) this.#fib?.remove(address.version, address.octets, length, discardMetric);
    }
    for (const { address, length } of discards.values()) {
      this.#fib?.set(address.version, address.octets, length, 0, discardType, discardMetric);
    }
    this.#discarded = discards;
  }

  /** Host routes to peers that are neither on-link nor known to the kernel's routes (`reachableBy`). */
  applyGateways(before: DesiredState | undefined, state: DesiredState): void {
    if (this.#fib === undefined) return;
    const { metric, ipv6Metric } = state.fib;
    for (const { address } of before?.peers.filter((peer) => peer.reachableBy !== undefined) ?? []) {
      const length = address.octets.length * 8;
      this.#fib.remove(address.version, address.octets, length, address.version === 4 ? metric : ipv6Metric);
    }
    for (const { address, reachableBy } of state.peers) {
      if (reachableBy === undefined) continue;
      const length = address.octets.length * 8;
      const target = this.#fib.nextHopSet([{ gateway: reachableBy }]);
      const peerMetric = address.version === 4 ? metric : ipv6Metric;
      this.#fib.set(address.version, address.octets, length, target, 'unicast', peerMetric);
    }
  }
}
