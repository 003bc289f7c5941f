import type { FamilyName, IpAddress, PathAttributes, Prefix } from 'bgp-ts';
import type {
  FibSink,
  LocalSource,
  PathView,
  RibObserver,
  RibOptions,
  RibPeerCounters,
  RibPeerSettings,
  RibSession,
  RouteQuery,
  SelectedNextHop,
} from './types.ts';

/** A peer inside the RIB: opaque outside `rib/` but for its name and settings. */
export interface PeerHandle {
  readonly name: string;
  readonly settings: RibPeerSettings;
}

const todo = (): never => {
  throw new Error('being written');
};

/**
 * Adj-RIB-In, Loc-RIB and Adj-RIB-Out of both families, and the decision process between them (RFC 4271 §3.2, §9).
 * Synchronous and without I/O. Changes are only noted when they arrive; {@link work} makes the decisions, in slices.
 */
export class Rib {
  constructor(options: RibOptions, observer: RibObserver) {
    void options;
    void observer;
  }

  /** Makes a peer known. It has no routes until its session is up. */
  addPeer(settings: RibPeerSettings): PeerHandle {
    return todo();
  }

  /**
   * New settings of a peer. Import policy: its paths are evaluated again; export behaviour: it is told what changes. Neither needs
   * a reset. (kind, remoteAs, localAs and address belong to the session: change them only while it is down.)
   */
  updatePeer(peer: PeerHandle, settings: RibPeerSettings): void {
    todo();
  }

  /** Forgets a peer; its paths are withdrawn as in {@link sessionDown}. */
  removePeer(peer: PeerHandle): void {
    todo();
  }

  /** A session reached Established. Paths of an earlier session that are not yet swept away stay unused. */
  sessionUp(peer: PeerHandle, session: RibSession): void {
    todo();
  }

  /** The session ended: from now on no path of it is selected; they are removed in slices by {@link work}. */
  sessionDown(peer: PeerHandle): void {
    todo();
  }

  /** Evaluates the import policy again for all paths of a peer (soft reconfiguration), in slices. */
  refreshIn(peer: PeerHandle): void {
    todo();
  }

  /** Puts a local path into the Loc-RIB. Attributes: ORIGIN IGP, empty AS_PATH and own next hop unless given. */
  originate(prefix: Prefix, attributes: PathAttributes, source: LocalSource): void {
    todo();
  }

  /** Takes back what {@link originate} put there for this source. */
  unoriginate(prefix: Prefix, source: LocalSource): void {
    todo();
  }

  /** Asks the resolver again for this next hop (all when absent) and decides anew where it matters. */
  nextHopChanged(nextHop?: IpAddress): void {
    todo();
  }

  /** Decides for at most about `budgetMs`. True: there is more to do. */
  work(budgetMs: number): boolean {
    return todo();
  }

  /** Hands over at most `max` changed selections. Returns how many are left. */
  takeSelected(max: number, sink: FibSink): number {
    return todo();
  }

  /** Hands over every selected route (again), e.g. to a kernel table that was found empty. */
  resendSelected(): void {
    todo();
  }

  /** The next hops behind an id that {@link takeSelected} gave out; 1 to maxPaths of them, the best path's first. */
  nextHopSet(id: number): readonly SelectedNextHop[] {
    return todo();
  }

  /** Prefixes with at least one path, and paths, per family. */
  size(family: FamilyName): { readonly prefixes: number; readonly paths: number } {
    return todo();
  }

  counters(peer: PeerHandle, family: FamilyName): RibPeerCounters {
    return todo();
  }

  /** Paths of the Loc-RIB in order of prefix, the best of each prefix first. May be consumed slowly: it follows the table. */
  routes(query: RouteQuery): IterableIterator<PathView> {
    return todo();
  }

  /** Adj-RIB-In of a peer, in order of prefix. */
  received(peer: PeerHandle, query: RouteQuery): IterableIterator<PathView> {
    return todo();
  }

  /** Adj-RIB-Out of a peer, in order of prefix. */
  advertised(peer: PeerHandle, query: RouteQuery): IterableIterator<PathView> {
    return todo();
  }
}
