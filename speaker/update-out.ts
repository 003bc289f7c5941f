import type { FamilyName } from 'bgp-ts';
import type { PeerHandle, Rib } from '../rib/rib.ts';
import type { SessionPort } from './peer-handlers.ts';

/** Adj-RIB-Out -> UPDATEs for all sessions: one encoding per update group, pulled when a socket can take more. */
export class UpdateOut {
  constructor(rib: Rib) {
    void rib;
  }

  /** After `rib.sessionUp`: the peer gets what there is, then End-of-RIB for each family, then changes. */
  sessionUp(peer: PeerHandle, port: SessionPort): void {
    throw new Error('being written');
  }

  /** Before or after `rib.sessionDown`. */
  sessionDown(peer: PeerHandle): void {
    throw new Error('being written');
  }

  /** The socket can take more. */
  writable(peer: PeerHandle): void {
    throw new Error('being written');
  }

  /** The peer asks for everything again (RFC 2918). */
  routeRefresh(peer: PeerHandle, family: FamilyName): void {
    throw new Error('being written');
  }

  /** Packs and sends for at most about `budgetMs`; call after `rib.work`. True: there is more that could be done now. */
  work(budgetMs: number): boolean {
    throw new Error('being written');
  }
}
