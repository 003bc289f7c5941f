/**
 * The BGP finite state machine (RFC 4271 §8.2.2) of one connection: a pure function from state and event to the next
 * state and the actions to perform. Whoever performs them owns socket and timers. Two connections to one peer are two
 * runs of the machine; which one survives (§6.8) is decided outside and arrives as `OpenCollisionDump`.
 *
 * All mandatory events are here, of the optional ones those that have a use (3, 4, 5, 8), and 29 of RFC 9687.
 * `omittedEvents` lists the others with the reason. Departures from the text of §8.2.2, each where it applies:
 * - a NOTIFICATION is never answered with a NOTIFICATION, as §8.2.2 would have it in OpenSent (event 25);
 * - a broken header is answered with Message Header Error (§6.1) in Established too, where §8.2.2 says FSM Error (21);
 * - a second OPEN on one connection is an FSM Error in OpenConfirm and Established (19): here a collision always
 *   concerns two connections, and each has its own run;
 * - FSM Errors carry the subcode and data of RFC 6608.
 */
import type { Notification } from './errors.ts';
import { notification } from './errors.ts';
import { CeaseSubcode, ErrorCode, FsmSubcode, MessageType } from './iana.ts';
import { unreachable } from './result.ts';

/** The six states. */
export type FsmState = 'Idle' | 'Connect' | 'Active' | 'OpenSent' | 'OpenConfirm' | 'Established';

/** Every state, in the order in which a session passes through them. */
export const fsmStates: readonly FsmState[] = ['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'];

/** Something that happened. Errors carry the NOTIFICATION which the checks of §6 ask for. */
export type FsmEvent =
  | { readonly type: 'ManualStart' }
  /** `notification` is Cease/Administrative Shutdown unless the caller says otherwise (RFC 9003 texts, RFC 4486). */
  | { readonly type: 'ManualStop'; readonly notification?: Notification }
  | { readonly type: 'AutomaticStart' }
  | { readonly type: 'ManualStartPassive' }
  | { readonly type: 'AutomaticStartPassive' }
  /** The speaker itself ends the session: maximum prefixes, BFD down, reconfiguration ... */
  | { readonly type: 'AutomaticStop'; readonly notification: Notification }
  | { readonly type: 'ConnectRetryTimerExpires' }
  | { readonly type: 'HoldTimerExpires' }
  | { readonly type: 'KeepaliveTimerExpires' }
  | { readonly type: 'TcpConnectionRequestAcked' }
  | { readonly type: 'TcpConnectionConfirmed' }
  | { readonly type: 'TcpConnectionFails' }
  /** An OPEN without fault; the times are those negotiated, hold time 0 for none. */
  | { readonly type: 'OpenReceived'; readonly holdSeconds: number; readonly keepaliveSeconds: number }
  | { readonly type: 'HeaderError'; readonly notification: Notification }
  | { readonly type: 'OpenMessageError'; readonly notification: Notification }
  | { readonly type: 'OpenCollisionDump' }
  | { readonly type: 'NotificationVersionError' }
  | { readonly type: 'NotificationReceived' }
  | { readonly type: 'KeepaliveReceived' }
  | { readonly type: 'UpdateReceived' }
  | { readonly type: 'UpdateMessageError'; readonly notification: Notification }
  | { readonly type: 'SendHoldTimerExpires' }
  /** Not in RFC 4271: a ROUTE-REFRESH (RFC 2918) is as out of place before Established as an UPDATE. */
  | { readonly type: 'RouteRefreshReceived' };

/** The event numbers of RFC 4271 §8.1, and 29 of RFC 9687; 0 where there is none. */
export const fsmEventNumbers: Readonly<Record<FsmEvent['type'], number>> = {
  ManualStart: 1,
  ManualStop: 2,
  AutomaticStart: 3,
  ManualStartPassive: 4,
  AutomaticStartPassive: 5,
  AutomaticStop: 8,
  ConnectRetryTimerExpires: 9,
  HoldTimerExpires: 10,
  KeepaliveTimerExpires: 11,
  TcpConnectionRequestAcked: 16,
  TcpConnectionConfirmed: 17,
  TcpConnectionFails: 18,
  OpenReceived: 19,
  HeaderError: 21,
  OpenMessageError: 22,
  OpenCollisionDump: 23,
  NotificationVersionError: 24,
  NotificationReceived: 25,
  KeepaliveReceived: 26,
  UpdateReceived: 27,
  UpdateMessageError: 28,
  SendHoldTimerExpires: 29,
  RouteRefreshReceived: 0,
};

/** Optional events of RFC 4271 §8.1 that this machine does not know, with the reason. */
export const omittedEvents: Readonly<Record<number, string>> = {
  6: 'oscillation damping: the owner of both connections keeps one back-off for them and starts with 3 or 5',
  7: 'oscillation damping: as 6',
  12: 'DelayOpen: an OPEN is sent as soon as TCP stands; waiting only slows the start down',
  13: 'oscillation damping: the idle hold timer runs outside, its end arrives as 3 or 5',
  14: 'TrackTcpState: the kernel shows a connection only when it stands',
  15: 'TrackTcpState: a connection that is not wanted is closed before it gets a machine',
  20: 'DelayOpen: as 12',
};

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

/** The hold timer while an OPEN is awaited: §8.2.2 suggests four minutes. */
export const openSentHoldSeconds = 240;

/**
 * One step of the machine.
 * @returns the next state and what to do, in order; an event that means nothing in a state gives that state and nothing
 */
export function transition(state: FsmState, event: FsmEvent, context: FsmContext): Transition {
  switch (state) {
    case 'Idle':
      return idle(event, context);
    case 'Connect':
      return connect(event);
    case 'Active':
      return active(event, context);
    case 'OpenSent':
      return openSent(event, context);
    case 'OpenConfirm':
      return openConfirm(event, context);
    case 'Established':
      return established(event, context);
    default:
      return unreachable(state);
  }
}

const stopRetry: FsmAction = { type: 'stop-timer', timer: 'connect-retry' };
const startRetry: FsmAction = { type: 'start-connect-retry' };
const closeTcp: FsmAction = { type: 'drop', abort: false };
const abortTcp: FsmAction = { type: 'drop', abort: true };
const zeroRetries: FsmAction = { type: 'retry-counter', to: 'zero' };
const countRetry: FsmAction = { type: 'retry-counter', to: 'plus-one' };
const sendKeepalive: FsmAction = { type: 'send-keepalive' };
const stay: Readonly<Record<FsmState, Transition>> = {
  Idle: { next: 'Idle', actions: [] },
  Connect: { next: 'Connect', actions: [] },
  Active: { next: 'Active', actions: [] },
  OpenSent: { next: 'OpenSent', actions: [] },
  OpenConfirm: { next: 'OpenConfirm', actions: [] },
  Established: { next: 'Established', actions: [] },
};

/** Idle: nothing but a start is heeded. */
function idle(event: FsmEvent, context: FsmContext): Transition {
  switch (event.type) {
    case 'ManualStart': // 1
    case 'AutomaticStart': // 3
      if (context.passive) return { next: 'Active', actions: [...zeroOnManual(event)] };
      return { next: 'Connect', actions: [...zeroOnManual(event), startRetry, { type: 'connect' }] };
    case 'ManualStartPassive': // 4
    case 'AutomaticStartPassive': // 5
      return { next: 'Active', actions: [...zeroOnManual(event), ...retryUnlessPassive(context)] };
    case 'ManualStop': // 2: "ignored in the Idle state", as is all that follows
    case 'AutomaticStop':
    case 'ConnectRetryTimerExpires':
    case 'HoldTimerExpires':
    case 'KeepaliveTimerExpires':
    case 'TcpConnectionRequestAcked':
    case 'TcpConnectionConfirmed':
    case 'TcpConnectionFails':
    case 'OpenReceived':
    case 'HeaderError':
    case 'OpenMessageError':
    case 'OpenCollisionDump':
    case 'NotificationVersionError':
    case 'NotificationReceived':
    case 'KeepaliveReceived':
    case 'UpdateReceived':
    case 'UpdateMessageError':
    case 'SendHoldTimerExpires':
    case 'RouteRefreshReceived':
      return stay.Idle;
    default:
      return unreachable(event);
  }
}

/** Connect: our TCP connection attempt is under way. */
function connect(event: FsmEvent): Transition {
  switch (event.type) {
    case 'ManualStart': // 1, 3 to 5
    case 'AutomaticStart':
    case 'ManualStartPassive':
    case 'AutomaticStartPassive':
      return stay.Connect;
    case 'ManualStop': // 2
      return { next: 'Idle', actions: [stopRetry, abortTcp, zeroRetries] };
    case 'ConnectRetryTimerExpires': // 9
      return { next: 'Connect', actions: [abortTcp, startRetry, { type: 'connect' }] };
    case 'TcpConnectionRequestAcked': // 16
    case 'TcpConnectionConfirmed': // 17
      return sendOpen();
    case 'TcpConnectionFails': // 18, no DelayOpen; the owner's back-off starts the next run
      return { next: 'Idle', actions: [stopRetry, abortTcp] };
    case 'AutomaticStop': // 8, 10, 11, 19, 21 to 28
    case 'HoldTimerExpires':
    case 'KeepaliveTimerExpires':
    case 'OpenReceived':
    case 'HeaderError':
    case 'OpenMessageError':
    case 'OpenCollisionDump':
    case 'NotificationVersionError':
    case 'NotificationReceived':
    case 'KeepaliveReceived':
    case 'UpdateReceived':
    case 'UpdateMessageError':
    case 'SendHoldTimerExpires':
    case 'RouteRefreshReceived':
      return { next: 'Idle', actions: [stopRetry, abortTcp, countRetry] };
    default:
      return unreachable(event);
  }
}

/** Active: waiting for the peer's TCP connection, or for the time to try ours again. */
function active(event: FsmEvent, context: FsmContext): Transition {
  switch (event.type) {
    case 'ManualStart': // 1, 3 to 5
    case 'AutomaticStart':
    case 'ManualStartPassive':
    case 'AutomaticStartPassive':
      return stay.Active;
    case 'ManualStop': // 2
      return { next: 'Idle', actions: [stopRetry, abortTcp, zeroRetries] };
    case 'ConnectRetryTimerExpires': // 9
      if (context.passive) return stay.Active;
      return { next: 'Connect', actions: [startRetry, { type: 'connect' }] };
    case 'TcpConnectionRequestAcked': // 16
    case 'TcpConnectionConfirmed': // 17
      return sendOpen();
    case 'TcpConnectionFails': // 18, 8, 10, 11, 19, 21 to 28
    case 'AutomaticStop':
    case 'HoldTimerExpires':
    case 'KeepaliveTimerExpires':
    case 'OpenReceived':
    case 'HeaderError':
    case 'OpenMessageError':
    case 'OpenCollisionDump':
    case 'NotificationVersionError':
    case 'NotificationReceived':
    case 'KeepaliveReceived':
    case 'UpdateReceived':
    case 'UpdateMessageError':
    case 'SendHoldTimerExpires':
    case 'RouteRefreshReceived':
      return { next: 'Idle', actions: [stopRetry, abortTcp, countRetry] };
    default:
      return unreachable(event);
  }
}

/** OpenSent: our OPEN is out, the peer's is awaited. */
function openSent(event: FsmEvent, context: FsmContext): Transition {
  switch (event.type) {
    case 'ManualStart': // 1, 3 to 5
    case 'AutomaticStart':
    case 'ManualStartPassive':
    case 'AutomaticStartPassive':
    case 'TcpConnectionRequestAcked': // 16, 17: the other connection has its own run
    case 'TcpConnectionConfirmed':
      return stay.OpenSent;
    case 'ManualStop': // 2
      return stop('OpenSent', event.notification ?? administrativeShutdown);
    case 'AutomaticStop': // 8
    case 'HeaderError': // 21
    case 'OpenMessageError': // 22
      return fail('OpenSent', event.notification);
    case 'HoldTimerExpires': // 10
      return fail('OpenSent', holdTimerExpired);
    case 'TcpConnectionFails': // 18: back to listening, and to trying again later
      return {
        next: 'Active',
        actions: [{ type: 'stop-timer', timer: 'hold' }, abortTcp, ...retryUnlessPassive(context)],
      };
    case 'OpenReceived': // 19
      return {
        next: 'OpenConfirm',
        actions: [
          stopRetry,
          sendKeepalive,
          ...startOrStop('keepalive', event.keepaliveSeconds),
          ...startOrStop('hold', event.holdSeconds),
        ],
      };
    case 'OpenCollisionDump': // 23
      return fail('OpenSent', collision);
    case 'NotificationVersionError': // 24: not counted as a failure
      return { next: 'Idle', actions: [...stopTimers, closeTcp] };
    case 'NotificationReceived': // 25: see the departures above
      return { next: 'Idle', actions: [...stopTimers, closeTcp, countRetry] };
    case 'ConnectRetryTimerExpires': // 9, 11, 26 to 28
    case 'KeepaliveTimerExpires':
    case 'UpdateMessageError':
    case 'SendHoldTimerExpires':
      return fail('OpenSent', unexpected(FsmSubcode.UnexpectedMessageInOpenSent));
    case 'KeepaliveReceived':
      return fail('OpenSent', unexpected(FsmSubcode.UnexpectedMessageInOpenSent, MessageType.Keepalive));
    case 'UpdateReceived':
      return fail('OpenSent', unexpected(FsmSubcode.UnexpectedMessageInOpenSent, MessageType.Update));
    case 'RouteRefreshReceived':
      return fail('OpenSent', unexpected(FsmSubcode.UnexpectedMessageInOpenSent, MessageType.RouteRefresh));
    default:
      return unreachable(event);
  }
}

/** OpenConfirm: both OPENs are accepted, the peer's KEEPALIVE is awaited. */
function openConfirm(event: FsmEvent, context: FsmContext): Transition {
  switch (event.type) {
    case 'ManualStart': // 1, 3 to 5
    case 'AutomaticStart':
    case 'ManualStartPassive':
    case 'AutomaticStartPassive':
    case 'TcpConnectionRequestAcked': // 16, 17
    case 'TcpConnectionConfirmed':
      return stay.OpenConfirm;
    case 'ManualStop': // 2
      return stop('OpenConfirm', event.notification ?? administrativeShutdown);
    case 'AutomaticStop': // 8
    case 'HeaderError': // 21
    case 'OpenMessageError': // 22
      return fail('OpenConfirm', event.notification);
    case 'HoldTimerExpires': // 10
      return fail('OpenConfirm', holdTimerExpired);
    case 'KeepaliveTimerExpires': // 11
      return { next: 'OpenConfirm', actions: [sendKeepalive, ...restart('keepalive', context.keepaliveSeconds)] };
    case 'TcpConnectionFails': // 18
    case 'NotificationReceived': // 25
      return { next: 'Idle', actions: [...stopTimers, closeTcp, countRetry] };
    case 'NotificationVersionError': // 24
      return { next: 'Idle', actions: [...stopTimers, closeTcp] };
    case 'OpenCollisionDump': // 23
      return fail('OpenConfirm', collision);
    case 'KeepaliveReceived': // 26
      return {
        next: 'Established',
        actions: [
          ...restart('hold', context.holdSeconds),
          ...restart('send-hold', context.sendHoldSeconds),
          { type: 'session-up' },
        ],
      };
    case 'SendHoldTimerExpires': // 29
      return { next: 'Idle', actions: [...stopTimers, abortTcp, countRetry] };
    case 'ConnectRetryTimerExpires': // 9, 27, 28
    case 'UpdateMessageError':
      return fail('OpenConfirm', unexpected(FsmSubcode.UnexpectedMessageInOpenConfirm));
    case 'OpenReceived': // 19, a second one
      return fail('OpenConfirm', unexpected(FsmSubcode.UnexpectedMessageInOpenConfirm, MessageType.Open));
    case 'UpdateReceived':
      return fail('OpenConfirm', unexpected(FsmSubcode.UnexpectedMessageInOpenConfirm, MessageType.Update));
    case 'RouteRefreshReceived':
      return fail('OpenConfirm', unexpected(FsmSubcode.UnexpectedMessageInOpenConfirm, MessageType.RouteRefresh));
    default:
      return unreachable(event);
  }
}

/** Established: UPDATEs flow. */
function established(event: FsmEvent, context: FsmContext): Transition {
  switch (event.type) {
    case 'ManualStart': // 1, 3 to 5
    case 'AutomaticStart':
    case 'ManualStartPassive':
    case 'AutomaticStartPassive':
    case 'TcpConnectionRequestAcked': // 16, 17
    case 'TcpConnectionConfirmed':
      return stay.Established;
    case 'ManualStop': // 2
      return stop('Established', event.notification ?? administrativeShutdown);
    case 'AutomaticStop': // 8
    case 'HeaderError': // 21: see the departures above
    case 'OpenMessageError': // 22
    case 'UpdateMessageError': // 28
      return fail('Established', event.notification);
    case 'HoldTimerExpires': // 10
      return fail('Established', holdTimerExpired);
    case 'KeepaliveTimerExpires': // 11
      return { next: 'Established', actions: [sendKeepalive, ...restart('keepalive', context.keepaliveSeconds)] };
    case 'TcpConnectionFails': // 18
    case 'NotificationVersionError': // 24
    case 'NotificationReceived': // 25
      return { next: 'Idle', actions: [...stopTimers, closeTcp, { type: 'session-down' }, countRetry] };
    case 'OpenCollisionDump': // 23
      return fail('Established', collision);
    case 'KeepaliveReceived': // 26
      return { next: 'Established', actions: restart('hold', context.holdSeconds) };
    case 'UpdateReceived': // 27
      return {
        next: 'Established',
        actions: [...restart('hold', context.holdSeconds), { type: 'process-update' }],
      };
    case 'RouteRefreshReceived':
      return {
        next: 'Established',
        actions: [...restart('hold', context.holdSeconds), { type: 'process-route-refresh' }],
      };
    case 'SendHoldTimerExpires': // 29: the socket takes nothing, so no NOTIFICATION would get through
      return { next: 'Idle', actions: [...stopTimers, abortTcp, { type: 'session-down' }, countRetry] };
    case 'ConnectRetryTimerExpires': // 9
      return fail('Established', unexpected(FsmSubcode.UnexpectedMessageInEstablished));
    case 'OpenReceived': // 19, a second one
      return fail('Established', unexpected(FsmSubcode.UnexpectedMessageInEstablished, MessageType.Open));
    default:
      return unreachable(event);
  }
}

const stopTimers: readonly FsmAction[] = [
  stopRetry,
  { type: 'stop-timer', timer: 'hold' },
  { type: 'stop-timer', timer: 'keepalive' },
  { type: 'stop-timer', timer: 'send-hold' },
];

const administrativeShutdown = notification(ErrorCode.Cease, CeaseSubcode.AdministrativeShutdown);
const collision = notification(ErrorCode.Cease, CeaseSubcode.ConnectionCollisionResolution);
const holdTimerExpired = notification(ErrorCode.HoldTimerExpired, 0);

/** FSM Error; the data is the type of the message that should not have come (RFC 6608 §3), if it was one. */
function unexpected(subcode: number, messageType?: number): Notification {
  if (messageType === undefined) return notification(ErrorCode.FiniteStateMachine, FsmSubcode.Unspecific);
  return notification(ErrorCode.FiniteStateMachine, subcode, Uint8Array.of(messageType));
}

/** TCP stands: the OPEN goes out, and the peer has a large hold time to send its own. */
function sendOpen(): Transition {
  return {
    next: 'OpenSent',
    actions: [stopRetry, { type: 'send-open' }, { type: 'start-timer', timer: 'hold', seconds: openSentHoldSeconds }],
  };
}

/** An error ends the run: NOTIFICATION, close, one failure more. */
function fail(from: FsmState, reason: Notification): Transition {
  return { next: 'Idle', actions: [...ending(from, reason), countRetry] };
}

/** The administrator ends the run: NOTIFICATION, close, failures forgotten. */
function stop(from: FsmState, reason: Notification): Transition {
  return { next: 'Idle', actions: [...ending(from, reason), zeroRetries] };
}

function ending(from: FsmState, reason: Notification): FsmAction[] {
  const actions: FsmAction[] = [{ type: 'send-notification', notification: reason }, ...stopTimers, closeTcp];
  if (from === 'Established') actions.push({ type: 'session-down' });
  return actions;
}

function restart(timer: 'hold' | 'keepalive' | 'send-hold', seconds: number): FsmAction[] {
  return seconds > 0 ? [{ type: 'start-timer', timer, seconds }] : [];
}

/** As `restart`, and a timer that is not wanted any more stops: the large hold time of OpenSent. */
function startOrStop(timer: 'hold' | 'keepalive', seconds: number): FsmAction[] {
  return seconds > 0 ? restart(timer, seconds) : [{ type: 'stop-timer', timer }];
}

function retryUnlessPassive(context: FsmContext): FsmAction[] {
  return context.passive ? [] : [startRetry];
}

/** A manual start forgets earlier failures; an automatic one follows such a failure and must not. */
function zeroOnManual(event: FsmEvent): FsmAction[] {
  return event.type === 'ManualStart' || event.type === 'ManualStartPassive' ? [zeroRetries] : [];
}
