import { type FamilyName, type IpAddress, isLinkLocal, type Prefix, prefixContains } from 'bgp-ts';

/** One way out, as the kernel's forwarding table takes it. */
export interface ForwardingHop {
  readonly gateway?: IpAddress;
  readonly ifIndex?: number;
  readonly weight?: number;
}

/** The kernel's forwarding table, as far as selected routes go into it. */
export interface ForwardingTable {
  nextHopSet(hops: readonly ForwardingHop[]): number;
  set(
    version: 4 | 6,
    octets: Uint8Array,
    length: number,
    nextHopSetId: number,
    kind?: 'unicast' | 'blackhole' | 'unreachable',
    metric?: number,
  ): void;
  remove(version: 4 | 6, octets: Uint8Array, length: number, metric?: number): void;
}

/** One BGP next hop of a selected route. */
export interface SelectedHop {
  readonly address: IpAddress;
  /** RFC 2545 §3: used in place of the global address where the peer is on the link. */
  readonly linkLocal?: IpAddress;
  /** Interface of the session the path came by; the scope of a link-local next hop. */
  readonly device?: string;
  readonly weight?: number;
}

/** How a BGP next hop is reached, as the kernel's connected and foreign routes say. */
export type ResolvedHop =
  | {
      readonly reachable: true;
      readonly ifIndex: number;
      readonly gateway?: IpAddress;
      readonly hops: readonly ForwardingHop[];
    }
  | { readonly reachable: false };

/** What forwarding asks of its surroundings. */
export interface ForwardingDeps {
  readonly table: ForwardingTable;
  /** BGP next hops of a set the RIB numbered. */
  selectedHops(nextHopSet: number): readonly SelectedHop[];
  resolve(address: IpAddress, ifIndex?: number): ResolvedHop;
  linkIndex(device: string): number | undefined;
  /** Metric of kernel routes, by family. */
  readonly metric: Readonly<Record<FamilyName, number>>;
}

const NONE = -1;

/**
 * Turns selected routes into kernel routes: BGP next hops become gateways and interfaces, resolved once per set of next hops
 * and not per prefix.
 */
export class Forwarding {
  readonly #deps: ForwardingDeps;
  /** RIB next-hop set -> set of the forwarding table, `NONE` when nothing in it is reachable. */
  readonly #resolved = new Map<number, number>();
  #neverInstalled: readonly Prefix[] = [];

  constructor(deps: ForwardingDeps) {
    this.#deps = deps;
  }

  /** Routes inside these prefixes stay out of the kernel. The caller hands over all selected routes again after a change. */
  setNeverInstalled(prefixes: readonly Prefix[]): void {
    this.#neverInstalled = prefixes;
  }

  /** A route was selected or changed. `octets` is the caller's scratch. */
  route(family: FamilyName, octets: Uint8Array, length: number, nextHopSet: number): void {
    let target = this.#resolved.get(nextHopSet);
    if (target === undefined) {
      target = this.#resolve(nextHopSet);
      this.#resolved.set(nextHopSet, target);
    }
    if (target === NONE || this.#isNeverInstalled(family, octets, length)) this.remove(family, octets, length);
    else this.#deps.table.set(versionOf(family), octets, length, target, 'unicast', this.#deps.metric[family]);
  }

  /** A route is no longer selected. */
  remove(family: FamilyName, octets: Uint8Array, length: number): void {
    this.#deps.table.remove(versionOf(family), octets, length, this.#deps.metric[family]);
  }

  /** The RIB uses this number no more; it may come back with another meaning. */
  forget(nextHopSet: number): void {
    this.#resolved.delete(nextHopSet);
  }

  /**
   * Links, addresses or foreign routes changed: resolves every known set of next hops again.
   * @returns true when one of them now leads elsewhere, so that the selected routes must be handed over again
   */
  resolveAgain(): boolean {
    let isChanged = false;
    for (const [nextHopSet, before] of this.#resolved) {
      const target = this.#resolve(nextHopSet);
      if (target === before) continue;
      this.#resolved.set(nextHopSet, target);
      isChanged = true;
    }
    return isChanged;
  }

  #isNeverInstalled(family: FamilyName, octets: Uint8Array, length: number): boolean {
    if (this.#neverInstalled.length === 0) return false;
    const prefix: Prefix = { address: { version: versionOf(family), octets }, length };
    return this.#neverInstalled.some((outer) => prefixContains(outer, prefix));
  }

  #resolve(nextHopSet: number): number {
    const hops = this.#deps.selectedHops(nextHopSet).flatMap((hop) => this.#forwardingHops(hop));
    return hops.length === 0 ? NONE : this.#deps.table.nextHopSet(hops);
  }

  #forwardingHops(hop: SelectedHop): ForwardingHop[] {
    const weight = hop.weight === undefined ? {} : { weight: hop.weight };
    const ifIndex = hop.device === undefined ? undefined : this.#deps.linkIndex(hop.device);
    const viaLinkLocal = isLinkLocal(hop.address) ? hop.address : undefined;
    if (viaLinkLocal !== undefined) {
      return ifIndex === undefined ? [] : [{ gateway: viaLinkLocal, ifIndex, ...weight }];
    }
    const resolved = this.#deps.resolve(hop.address, ifIndex);
    if (!resolved.reachable) return [];
    return resolved.hops.map((way) => ({
      ...way,
      gateway: way.gateway ?? hop.address,
      ...weight,
    }));
  }
}

function versionOf(family: FamilyName): 4 | 6 {
  return family === 'ipv4-unicast' ? 4 : 6;
}
