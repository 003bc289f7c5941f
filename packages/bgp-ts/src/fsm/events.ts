import type { Notification } from '../errors.ts';

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
