import type { FamilyName } from 'bgp-ts';
import type { Clock, TimerHandle } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { PeerHandle, Rib } from '../rib/rib.ts';

/**
 * How long a peer may take to send everything again before what it has not repeated is removed (RFC 7313 §4 leaves it to the speaker).
 * Seconds; what FRR allows.
 */
export const STALE_SECONDS = 360;

/** What this works with. */
export interface RefreshInDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly rib: Rib;
  /** There is work for the tables. */
  wake(): void;
}

/**
 * Refreshes whose begin and end the peer marks (BoRR and EoRR, RFC 7313 §4): what it does not send between the two is gone. One that is not
 * ended in time counts as ended.
 */
export class RefreshIn {
  readonly #deps: RefreshInDeps;
  readonly #running: Map<PeerHandle, Map<FamilyName, TimerHandle>>;

  constructor(deps: RefreshInDeps) {
    this.#deps = deps;
    this.#running = new Map();
  }

  /** The peer begins; once more while it runs: it begins anew. */
  begin(peer: PeerHandle, family: FamilyName): void {
    const { clock, log, rib } = this.#deps;
    const ofPeer = this.#running.get(peer) ?? new Map<FamilyName, TimerHandle>();
    this.#running.set(peer, ofPeer);
    ofPeer.get(family)?.clear();
    rib.beginRefresh(peer, family);
    const timer = clock.setTimer(STALE_SECONDS * 1000, () => {
      log.warn('refresh not ended by the peer', { peer: peer.name, family, seconds: STALE_SECONDS });
      this.end(peer, family);
    });
    ofPeer.set(family, timer);
  }

  /** The peer has ended. Without a begin it means nothing. */
  end(peer: PeerHandle, family: FamilyName): void {
    const ofPeer = this.#running.get(peer);
    const timer = ofPeer?.get(family);
    if (ofPeer === undefined || timer === undefined) return;
    timer.clear();
    ofPeer.delete(family);
    this.#deps.rib.endRefresh(peer, family);
    this.#deps.wake();
  }

  /** The session is over. */
  forget(peer: PeerHandle): void {
    for (const timer of this.#running.get(peer)?.values() ?? []) timer.clear();
    this.#running.delete(peer);
  }
}
