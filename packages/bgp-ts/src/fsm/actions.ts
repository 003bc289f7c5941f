import type { Notification } from '../errors.ts';
import type { FsmState } from './events.ts';

/** Timers an owner keeps. `connect-retry` takes its length from the owner's back-off, the others from the action. */
export type FsmTimer = 'connect-retry' | 'hold' | 'keepalive' | 'send-hold';

/** Something to do. Actions are performed in order, the state having changed before. */
export type FsmAction =
  | { readonly type: 'start-connect-retry' }
  /** (Re)starts a timer; keepalive gets jitter (§10), hold never does. */
  | { readonly type: 'start-timer'; readonly timer: 'hold' | 'keepalive' | 'send-hold'; readonly seconds: number }
  | { readonly type: 'stop-timer'; readonly timer: FsmTimer }
  /** Starts a TCP connection attempt, dropping one that is under way. */
  | { readonly type: 'connect' }
  | { readonly type: 'send-open' }
  | { readonly type: 'send-keepalive' }
  | { readonly type: 'send-notification'; readonly notification: Notification }
  /** Ends TCP after what was sent; `abort` means at once, since nothing can be sent any more. */
  | { readonly type: 'drop'; readonly abort: boolean }
  /** Established is reached. */
  | { readonly type: 'session-up' }
  /** Established is left: everything learned from the peer goes, unless graceful restart keeps it. */
  | { readonly type: 'session-down' }
  /** Hands the message that caused the event to those who process it. */
  | { readonly type: 'process-update' }
  | { readonly type: 'process-route-refresh' }
  /** ConnectRetryCounter (§8): failures in a row. */
  | { readonly type: 'retry-counter'; readonly to: 'zero' | 'plus-one' };

/** The result of an event. */
export interface Transition {
  readonly next: FsmState;
  readonly actions: readonly FsmAction[];
}

/** What of configuration and negotiation the machine needs. Seconds; 0 means "no such timer". */
export interface FsmContext {
  /** Never connects by itself: the connect-retry timer does not run. */
  readonly passive: boolean;
  /** Negotiated; meaningful from OpenConfirm on. */
  readonly holdSeconds: number;
  readonly keepaliveSeconds: number;
  /** RFC 9687. */
  readonly sendHoldSeconds: number;
}
