/** The states in which our OPEN is out: OpenSent, OpenConfirm, Established. */
import { FsmSubcode, MessageType } from '../iana.ts';
import { unreachable } from '../result.ts';
import type { FsmContext, Transition } from './actions.ts';
import type { FsmEvent } from './events.ts';
import {
  abortTcp,
  administrativeShutdown,
  closeTcp,
  collision,
  countRetry,
  fail,
  holdTimerExpired,
  restart,
  retryUnlessPassive,
  sendHoldTimerExpired,
  sendKeepalive,
  startOrStop,
  stay,
  stop,
  stopRetry,
  stopTimers,
  unexpected,
} from './steps.ts';

/** OpenSent: our OPEN is out, the peer's is awaited. */
export function openSent(event: FsmEvent, context: FsmContext): Transition {
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
export function openConfirm(event: FsmEvent, context: FsmContext): Transition {
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
      return fail('OpenConfirm', sendHoldTimerExpired);
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
export function established(event: FsmEvent, context: FsmContext): Transition {
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
    case 'SendHoldTimerExpires': // 29: who takes octets again while TCP closes hears why; nothing waits for that (RFC 9687)
      return fail('Established', sendHoldTimerExpired);
    case 'ConnectRetryTimerExpires': // 9
      return fail('Established', unexpected(FsmSubcode.UnexpectedMessageInEstablished));
    case 'OpenReceived': // 19, a second one
      return fail('Established', unexpected(FsmSubcode.UnexpectedMessageInEstablished, MessageType.Open));
    default:
      return unreachable(event);
  }
}
