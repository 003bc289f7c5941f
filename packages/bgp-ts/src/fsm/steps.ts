/** What the states have in common: the action lists that §8.2.2 repeats from event to event. */
import type { Notification } from '../errors.ts';
import { notification } from '../errors.ts';
import { CeaseSubcode, ErrorCode, FsmSubcode } from '../iana.ts';
import type { FsmAction, FsmContext, Transition } from './actions.ts';
import type { FsmEvent, FsmState } from './events.ts';

export const stopRetry: FsmAction = { type: 'stop-timer', timer: 'connect-retry' };
export const startRetry: FsmAction = { type: 'start-connect-retry' };
export const closeTcp: FsmAction = { type: 'drop', abort: false };
export const abortTcp: FsmAction = { type: 'drop', abort: true };
export const zeroRetries: FsmAction = { type: 'retry-counter', to: 'zero' };
export const countRetry: FsmAction = { type: 'retry-counter', to: 'plus-one' };
export const sendKeepalive: FsmAction = { type: 'send-keepalive' };
/** Nothing happens. */
export const stay: Readonly<Record<FsmState, Transition>> = {
  Idle: { next: 'Idle', actions: [] },
  Connect: { next: 'Connect', actions: [] },
  Active: { next: 'Active', actions: [] },
  OpenSent: { next: 'OpenSent', actions: [] },
  OpenConfirm: { next: 'OpenConfirm', actions: [] },
  Established: { next: 'Established', actions: [] },
};

/** The hold timer while an OPEN is awaited: §8.2.2 suggests four minutes. */
export const openSentHoldSeconds = 240;

export const stopTimers: readonly FsmAction[] = [
  stopRetry,
  { type: 'stop-timer', timer: 'hold' },
  { type: 'stop-timer', timer: 'keepalive' },
  { type: 'stop-timer', timer: 'send-hold' },
];

export const administrativeShutdown = notification(ErrorCode.Cease, CeaseSubcode.AdministrativeShutdown);
export const collision = notification(ErrorCode.Cease, CeaseSubcode.ConnectionCollisionResolution);
export const holdTimerExpired = notification(ErrorCode.HoldTimerExpired, 0);
export const sendHoldTimerExpired = notification(ErrorCode.SendHoldTimerExpired, 0);

/** FSM Error; the data is the type of the message that should not have come (RFC 6608 §3), if it was one. */
export function unexpected(subcode: number, messageType?: number): Notification {
  if (messageType === undefined) return notification(ErrorCode.FiniteStateMachine, FsmSubcode.Unspecific);
  return notification(ErrorCode.FiniteStateMachine, subcode, Uint8Array.of(messageType));
}

/** TCP stands: the OPEN goes out, and the peer has a large hold time to send its own. */
export function sendOpen(): Transition {
  return {
    next: 'OpenSent',
    actions: [stopRetry, { type: 'send-open' }, { type: 'start-timer', timer: 'hold', seconds: openSentHoldSeconds }],
  };
}

/** An error ends the run: NOTIFICATION, close, one failure more. */
export function fail(from: FsmState, reason: Notification): Transition {
  return { next: 'Idle', actions: [...ending(from, reason), countRetry] };
}

/** The administrator ends the run: NOTIFICATION, close, failures forgotten. */
export function stop(from: FsmState, reason: Notification): Transition {
  return { next: 'Idle', actions: [...ending(from, reason), zeroRetries] };
}

function ending(from: FsmState, reason: Notification): FsmAction[] {
  const actions: FsmAction[] = [{ type: 'send-notification', notification: reason }, ...stopTimers, closeTcp];
  if (from === 'Established') actions.push({ type: 'session-down' });
  return actions;
}

export function restart(timer: 'hold' | 'keepalive' | 'send-hold', seconds: number): FsmAction[] {
  return seconds > 0 ? [{ type: 'start-timer', timer, seconds }] : [];
}

/** As `restart`, and a timer that is not wanted any more stops: the large hold time of OpenSent. */
export function startOrStop(timer: 'hold' | 'keepalive', seconds: number): FsmAction[] {
  return seconds > 0 ? restart(timer, seconds) : [{ type: 'stop-timer', timer }];
}

export function retryUnlessPassive(context: FsmContext): FsmAction[] {
  return context.passive ? [] : [startRetry];
}

/** A manual start forgets earlier failures; an automatic one follows such a failure and must not. */
export function zeroOnManual(event: FsmEvent): FsmAction[] {
  return event.type === 'ManualStart' || event.type === 'ManualStartPassive' ? [zeroRetries] : [];
}
