import type { Notification } from 'bgp-ts';
import type { PeerHandle, Rib } from '../rib/rib.ts';
import type { Negotiated } from './negotiate.ts';

/** Counts of what RFC 7606 did on one session. */
export interface UpdateInCounters {
  readonly updates: number;
  readonly treatedAsWithdraw: number;
  readonly attributesDiscarded: number;
}

/** Received UPDATEs of one session -> Adj-RIB-In. Make one after `rib.sessionUp`, drop it on sessionDown. */
export class UpdateIn {
  constructor(rib: Rib, peer: PeerHandle, negotiated: Negotiated) {
    void rib;
    void peer;
    void negotiated;
  }

  /**
   * Takes the body of an UPDATE in `bytes[start, end)`; nothing of it is kept by reference.
   * @returns the NOTIFICATION to reset the session with, or undefined
   */
  receive(bytes: Uint8Array, start: number, end: number): Notification | undefined {
    throw new Error('being written');
  }

  get counters(): UpdateInCounters {
    throw new Error('being written');
  }

  /** The family was seen to its End-of-RIB. */
  endOfRibReceived(family: 'ipv4-unicast' | 'ipv6-unicast'): boolean {
    throw new Error('being written');
  }
}
