import type { FamilyName, FsmState, Notification, OpenMessage } from 'bgp-ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Transport } from './connection.ts';
import type { MessageCounter } from './counters.ts';
import type { PeerSettings } from './negotiate.ts';
import type { SessionDownReason } from './peer-handlers.ts';
import type { Session } from './session.ts';

/** What a session asks of, and tells, the peer it belongs to. */
export interface SessionOwner {
  readonly clock: Clock;
  readonly log: Logger;
  readonly transport: Transport;
  readonly settings: PeerSettings;
  readonly sent: MessageCounter;
  readonly received: MessageCounter;
  /** TCP failed just now, before both OPENs were there: milliseconds to wait before the next attempt. */
  connectRetryMs(): number;
  /** A valid OPEN arrived; the owner may dump the other connection. False: this one is to be dumped. */
  survivesCollision(session: Session, open: OpenMessage): boolean;
  notificationSent(notification: Notification, message: string): void;
  notificationReceived(notification: Notification): void;
  /** TCP failed. */
  connectionFailed(message: string): void;
  sessionUp(session: Session): void;
  sessionDown(session: Session, reason: SessionDownReason): void;
  update(session: Session, bytes: Uint8Array, start: number, end: number): Notification | undefined;
  routeRefresh(session: Session, family: FamilyName, subtype: 0 | 1 | 2): void;
  writable(session: Session): void;
  /** A change of state is complete, all actions performed. */
  settled(session: Session, from: FsmState): void;
}
