import { type FamilyName, type IpAddress, isLinkLocal, type Prefix, prefixContains } from 'bgp-ts';

/** One way out, as the kernel's forwarding table takes it. */
export interface ForwardingHop {
  readonly gateway?: IpAddress;
  readonly ifIndex?: number;
  readonly weight?: number;
}

/** The kernel's forwarding table, as far as selected routes go into it. */
export interface ForwardingTable {
  /** Next hops for `set` that may change under their routes. */
  openWay(hops: readonly ForwardingHop[]): number;
  changeWay(way: number, hops: readonly ForwardingHop[]): void;
  /** No route is set to it any more; those that still lead there are removed or changed before it goes. */
  closeWay(way: number): void;
  set(
    version: 4 | 6,
    octets: Uint8Array,
    length: number,
    way: number,
    kind?: 'unicast' | 'blackhole' | 'unreachable',
    metric?: number,
  ): void;
  remove(version: 4 | 6, octets: Uint8Array, length: number, metric?: number): void;
}

/** One BGP next hop of a selected route. */
export interface SelectedHop {
  readonly address: IpAddress;
  /** RFC 2545 §3: used in place of the global address where that is not on the link itself. */
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

/** Where routes of one RIB next-hop set go. */
interface Resolution {
  /** Way of the forwarding table; undefined as long as nothing in the set was ever reachable. */
  way: number | undefined;
  /** False when nothing in the set is reachable now: the RIB is about to take its routes away. */
  isReachable: boolean;
}

/**
 * Turns selected routes into kernel routes: BGP next hops become gateways and interfaces, resolved once per set of next hops
 * and not per prefix. Each set is a way of the forwarding table, so when its next hops are reached differently the way
 * changes, and its routes stay as they are.
 */
export class Forwarding {
  readonly #deps: ForwardingDeps;
  /** By the RIB's number of the next-hop set. */
  readonly #resolved = new Map<number, Resolution>();
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
    let resolution = this.#resolved.get(nextHopSet);
    if (resolution === undefined) {
      resolution = { way: undefined, isReachable: false };
      this.#resolved.set(nextHopSet, resolution);
      this.#resolve(nextHopSet, resolution);
    }
    const { way, isReachable } = resolution;
    if (way === undefined || !isReachable || this.isNeverInstalled(family, octets, length)) {
      this.remove(family, octets, length);
    } else this.#deps.table.set(versionOf(family), octets, length, way, 'unicast', this.#deps.metric[family]);
  }

  /** A route is no longer selected. */
  remove(family: FamilyName, octets: Uint8Array, length: number): void {
    this.#deps.table.remove(versionOf(family), octets, length, this.#deps.metric[family]);
  }

  /** The RIB uses this number no more; it may come back with another meaning. */
  forget(nextHopSet: number): void {
    const way = this.#resolved.get(nextHopSet)?.way;
    if (way !== undefined) this.#deps.table.closeWay(way);
    this.#resolved.delete(nextHopSet);
  }

  /**
   * Links, addresses or foreign routes changed: resolves every known set of next hops again. Routes follow their way. A set of which
   * nothing is reachable any more keeps its last way until the RIB, which hears of it too, has other routes.
   * @returns true when a set that led nowhere now leads somewhere, so that the selected routes must be handed over again
   */
  resolveAgain(): boolean {
    let isNews = false;
    for (const [nextHopSet, resolution] of this.#resolved) {
      const { isReachable } = resolution;
      this.#resolve(nextHopSet, resolution);
      if (resolution.isReachable && !isReachable) isNews = true;
    }
    return isNews;
  }

  /** Whether a prefix stays out of the kernel by configuration. */
  isNeverInstalled(family: FamilyName, octets: Uint8Array, length: number): boolean {
    if (this.#neverInstalled.length === 0) return false;
    const prefix: Prefix = { address: { version: versionOf(family), octets }, length };
    return this.#neverInstalled.some((outer) => prefixContains(outer, prefix));
  }

  #resolve(nextHopSet: number, resolution: Resolution): void {
    const hops = this.#deps.selectedHops(nextHopSet).flatMap((hop) => this.#forwardingHops(hop));
    resolution.isReachable = hops.length > 0;
    if (hops.length === 0) return;
    if (resolution.way === undefined) resolution.way = this.#deps.table.openWay(hops);
    else this.#deps.table.changeWay(resolution.way, hops);
  }

  #forwardingHops(hop: SelectedHop): ForwardingHop[] {
    const weight = hop.weight === undefined ? {} : { weight: hop.weight };
    const ifIndex = hop.device === undefined ? undefined : this.#deps.linkIndex(hop.device);
    if (isLinkLocal(hop.address)) {
      return ifIndex === undefined ? [] : [{ gateway: hop.address, ifIndex, ...weight }];
    }
    const resolved = this.#deps.resolve(hop.address, ifIndex);
    const isOnLink = resolved.reachable && resolved.gateway === undefined;
    if (!isOnLink && hop.linkLocal !== undefined && ifIndex !== undefined) {
      if (this.#deps.resolve(hop.linkLocal, ifIndex).reachable) return [{ gateway: hop.linkLocal, ifIndex, ...weight }];
    }
    if (!resolved.reachable) return [];
    return resolved.hops.map((way) => ({ ...way, gateway: way.gateway ?? hop.address, ...weight }));
  }
}

function versionOf(family: FamilyName): 4 | 6 {
  return family === 'ipv4-unicast' ? 4 : 6;
}
