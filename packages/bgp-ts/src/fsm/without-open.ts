/** The states in which no OPEN has been sent: Idle, Connect, Active. */
import { unreachable } from '../result.ts';
import type { FsmContext, Transition } from './actions.ts';
import type { FsmEvent } from './events.ts';
import {
  abortTcp,
  countRetry,
  retryUnlessPassive,
  sendOpen,
  startRetry,
  stay,
  stopRetry,
  zeroOnManual,
  zeroRetries,
} from './steps.ts';

/** Idle: nothing but a start is heeded. */
export function idle(event: FsmEvent, context: FsmContext): Transition {
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
export function connect(event: FsmEvent): Transition {
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
export function active(event: FsmEvent, context: FsmContext): Transition {
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
