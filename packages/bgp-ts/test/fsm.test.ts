import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Notification } from '../src/errors.ts';
import { notification } from '../src/errors.ts';
import {
  type FsmAction,
  type FsmContext,
  type FsmEvent,
  type FsmState,
  fsmEventNumbers,
  fsmStates,
  omittedEvents,
  openSentHoldSeconds,
  transition,
} from '../src/fsm.ts';

const context: FsmContext = { passive: false, holdSeconds: 90, keepaliveSeconds: 30, sendHoldSeconds: 480 };
const updateError = notification(3, 1);
const headerError = notification(1, 1);
const openError = notification(2, 2);
const maxPrefixes = notification(6, 1);

/** One of each event. */
const events: { readonly [Type in FsmEvent['type']]: FsmEvent & { readonly type: Type } } = {
  ManualStart: { type: 'ManualStart' },
  ManualStop: { type: 'ManualStop' },
  AutomaticStart: { type: 'AutomaticStart' },
  ManualStartPassive: { type: 'ManualStartPassive' },
  AutomaticStartPassive: { type: 'AutomaticStartPassive' },
  AutomaticStop: { type: 'AutomaticStop', notification: maxPrefixes },
  ConnectRetryTimerExpires: { type: 'ConnectRetryTimerExpires' },
  HoldTimerExpires: { type: 'HoldTimerExpires' },
  KeepaliveTimerExpires: { type: 'KeepaliveTimerExpires' },
  TcpConnectionRequestAcked: { type: 'TcpConnectionRequestAcked' },
  TcpConnectionConfirmed: { type: 'TcpConnectionConfirmed' },
  TcpConnectionFails: { type: 'TcpConnectionFails' },
  OpenReceived: { type: 'OpenReceived', holdSeconds: 90, keepaliveSeconds: 30 },
  HeaderError: { type: 'HeaderError', notification: headerError },
  OpenMessageError: { type: 'OpenMessageError', notification: openError },
  OpenCollisionDump: { type: 'OpenCollisionDump' },
  NotificationVersionError: { type: 'NotificationVersionError' },
  NotificationReceived: { type: 'NotificationReceived' },
  KeepaliveReceived: { type: 'KeepaliveReceived' },
  UpdateReceived: { type: 'UpdateReceived' },
  UpdateMessageError: { type: 'UpdateMessageError', notification: updateError },
  SendHoldTimerExpires: { type: 'SendHoldTimerExpires' },
  RouteRefreshReceived: { type: 'RouteRefreshReceived' },
};
const eventTypes = Object.keys(events) as FsmEvent['type'][];

// The words of the tables below. A NOTIFICATION is written code/subcode or code/subcode:data.
function word(action: FsmAction): string {
  switch (action.type) {
    case 'start-connect-retry':
      return '+retry';
    case 'start-timer':
      return `+${action.timer} ${action.seconds}`;
    case 'stop-timer':
      return action.timer === 'connect-retry' ? '-retry' : `-${action.timer}`;
    case 'send-notification':
      return `!${action.notification.code}/${action.notification.subcode}${dataOf(action.notification)}`;
    case 'drop':
      return action.abort ? 'abort' : 'close';
    case 'retry-counter':
      return action.to === 'zero' ? 'count 0' : 'count +1';
    default:
      return action.type;
  }
}

function dataOf({ data }: Notification): string {
  return data.length === 0 ? '' : `:${[...data].join(' ')}`;
}

function show(state: FsmState, event: FsmEvent, ctx: FsmContext = context): string {
  const { next, actions } = transition(state, event, ctx);
  return [next, ...actions.map(word)].join(', ');
}

const timersOff = '-retry, -hold, -keepalive, -send-hold';
const failBeforeOpen = 'Idle, -retry, abort, count +1';
const failed = (error: string): string => `Idle, !${error}, ${timersOff}, close, count +1`;
const stopped = (error: string): string => `Idle, !${error}, ${timersOff}, close, count 0`;
const failedUp = (error: string): string => `Idle, !${error}, ${timersOff}, close, session-down, count +1`;

/** What RFC 4271 §8.2.2 says of every event in every state, with the departures that fsm.ts lists. */
const table: Readonly<Record<FsmState, Readonly<Record<FsmEvent['type'], string>>>> = {
  Idle: {
    ManualStart: 'Connect, count 0, +retry, connect',
    ManualStop: 'Idle',
    AutomaticStart: 'Connect, +retry, connect',
    ManualStartPassive: 'Active, count 0, +retry',
    AutomaticStartPassive: 'Active, +retry',
    AutomaticStop: 'Idle',
    ConnectRetryTimerExpires: 'Idle',
    HoldTimerExpires: 'Idle',
    KeepaliveTimerExpires: 'Idle',
    TcpConnectionRequestAcked: 'Idle',
    TcpConnectionConfirmed: 'Idle',
    TcpConnectionFails: 'Idle',
    OpenReceived: 'Idle',
    HeaderError: 'Idle',
    OpenMessageError: 'Idle',
    OpenCollisionDump: 'Idle',
    NotificationVersionError: 'Idle',
    NotificationReceived: 'Idle',
    KeepaliveReceived: 'Idle',
    UpdateReceived: 'Idle',
    UpdateMessageError: 'Idle',
    SendHoldTimerExpires: 'Idle',
    RouteRefreshReceived: 'Idle',
  },
  Connect: {
    ManualStart: 'Connect',
    ManualStop: 'Idle, -retry, abort, count 0',
    AutomaticStart: 'Connect',
    ManualStartPassive: 'Connect',
    AutomaticStartPassive: 'Connect',
    AutomaticStop: failBeforeOpen,
    ConnectRetryTimerExpires: 'Connect, abort, +retry, connect',
    HoldTimerExpires: failBeforeOpen,
    KeepaliveTimerExpires: failBeforeOpen,
    TcpConnectionRequestAcked: 'OpenSent, -retry, send-open, +hold 240',
    TcpConnectionConfirmed: 'OpenSent, -retry, send-open, +hold 240',
    TcpConnectionFails: 'Idle, -retry, abort',
    OpenReceived: failBeforeOpen,
    HeaderError: failBeforeOpen,
    OpenMessageError: failBeforeOpen,
    OpenCollisionDump: failBeforeOpen,
    NotificationVersionError: failBeforeOpen,
    NotificationReceived: failBeforeOpen,
    KeepaliveReceived: failBeforeOpen,
    UpdateReceived: failBeforeOpen,
    UpdateMessageError: failBeforeOpen,
    SendHoldTimerExpires: failBeforeOpen,
    RouteRefreshReceived: failBeforeOpen,
  },
  Active: {
    ManualStart: 'Active',
    ManualStop: 'Idle, -retry, abort, count 0',
    AutomaticStart: 'Active',
    ManualStartPassive: 'Active',
    AutomaticStartPassive: 'Active',
    AutomaticStop: failBeforeOpen,
    ConnectRetryTimerExpires: 'Connect, +retry, connect',
    HoldTimerExpires: failBeforeOpen,
    KeepaliveTimerExpires: failBeforeOpen,
    TcpConnectionRequestAcked: 'OpenSent, -retry, send-open, +hold 240',
    TcpConnectionConfirmed: 'OpenSent, -retry, send-open, +hold 240',
    TcpConnectionFails: failBeforeOpen,
    OpenReceived: failBeforeOpen,
    HeaderError: failBeforeOpen,
    OpenMessageError: failBeforeOpen,
    OpenCollisionDump: failBeforeOpen,
    NotificationVersionError: failBeforeOpen,
    NotificationReceived: failBeforeOpen,
    KeepaliveReceived: failBeforeOpen,
    UpdateReceived: failBeforeOpen,
    UpdateMessageError: failBeforeOpen,
    SendHoldTimerExpires: failBeforeOpen,
    RouteRefreshReceived: failBeforeOpen,
  },
  OpenSent: {
    ManualStart: 'OpenSent',
    ManualStop: stopped('6/2'),
    AutomaticStart: 'OpenSent',
    ManualStartPassive: 'OpenSent',
    AutomaticStartPassive: 'OpenSent',
    AutomaticStop: failed('6/1'),
    ConnectRetryTimerExpires: failed('5/0'),
    HoldTimerExpires: failed('4/0'),
    KeepaliveTimerExpires: failed('5/0'),
    TcpConnectionRequestAcked: 'OpenSent',
    TcpConnectionConfirmed: 'OpenSent',
    TcpConnectionFails: 'Active, -hold, abort, +retry',
    OpenReceived: 'OpenConfirm, -retry, send-keepalive, +keepalive 30, +hold 90',
    HeaderError: failed('1/1'),
    OpenMessageError: failed('2/2'),
    OpenCollisionDump: failed('6/7'),
    NotificationVersionError: `Idle, ${timersOff}, close`,
    NotificationReceived: `Idle, ${timersOff}, close, count +1`,
    KeepaliveReceived: failed('5/1:4'),
    UpdateReceived: failed('5/1:2'),
    UpdateMessageError: failed('5/0'),
    SendHoldTimerExpires: failed('5/0'),
    RouteRefreshReceived: failed('5/1:5'),
  },
  OpenConfirm: {
    ManualStart: 'OpenConfirm',
    ManualStop: stopped('6/2'),
    AutomaticStart: 'OpenConfirm',
    ManualStartPassive: 'OpenConfirm',
    AutomaticStartPassive: 'OpenConfirm',
    AutomaticStop: failed('6/1'),
    ConnectRetryTimerExpires: failed('5/0'),
    HoldTimerExpires: failed('4/0'),
    KeepaliveTimerExpires: 'OpenConfirm, send-keepalive, +keepalive 30',
    TcpConnectionRequestAcked: 'OpenConfirm',
    TcpConnectionConfirmed: 'OpenConfirm',
    TcpConnectionFails: `Idle, ${timersOff}, close, count +1`,
    OpenReceived: failed('5/2:1'),
    HeaderError: failed('1/1'),
    OpenMessageError: failed('2/2'),
    OpenCollisionDump: failed('6/7'),
    NotificationVersionError: `Idle, ${timersOff}, close`,
    NotificationReceived: `Idle, ${timersOff}, close, count +1`,
    KeepaliveReceived: 'Established, +hold 90, +send-hold 480, session-up',
    UpdateReceived: failed('5/2:2'),
    UpdateMessageError: failed('5/0'),
    SendHoldTimerExpires: failed('8/0'),
    RouteRefreshReceived: failed('5/2:5'),
  },
  Established: {
    ManualStart: 'Established',
    ManualStop: `Idle, !6/2, ${timersOff}, close, session-down, count 0`,
    AutomaticStart: 'Established',
    ManualStartPassive: 'Established',
    AutomaticStartPassive: 'Established',
    AutomaticStop: failedUp('6/1'),
    ConnectRetryTimerExpires: failedUp('5/0'),
    HoldTimerExpires: failedUp('4/0'),
    KeepaliveTimerExpires: 'Established, send-keepalive, +keepalive 30',
    TcpConnectionRequestAcked: 'Established',
    TcpConnectionConfirmed: 'Established',
    TcpConnectionFails: `Idle, ${timersOff}, close, session-down, count +1`,
    OpenReceived: failedUp('5/3:1'),
    HeaderError: failedUp('1/1'),
    OpenMessageError: failedUp('2/2'),
    OpenCollisionDump: failedUp('6/7'),
    NotificationVersionError: `Idle, ${timersOff}, close, session-down, count +1`,
    NotificationReceived: `Idle, ${timersOff}, close, session-down, count +1`,
    KeepaliveReceived: 'Established, +hold 90',
    UpdateReceived: 'Established, +hold 90, process-update',
    UpdateMessageError: failedUp('3/1'),
    SendHoldTimerExpires: failedUp('8/0'),
    RouteRefreshReceived: 'Established, +hold 90, process-route-refresh',
  },
};

describe.each(fsmStates.map((state) => ({ state })))('in $state', ({ state }) => {
  test.each(eventTypes.map((type) => ({ type, number: fsmEventNumbers[type] })))('event $number $type', ({ type }) => {
    expect(show(state, events[type])).toBe(table[state][type]);
  });
});

test('every event of RFC 4271 §8.1, and 29 of RFC 9687, is handled or listed as left out', () => {
  const handled = Object.values(fsmEventNumbers).filter((number) => number > 0);
  const known = [...handled, ...Object.keys(omittedEvents).map(Number)].sort((a, b) => a - b);
  expect(known).toEqual(Array.from({ length: 29 }, (_, index) => index + 1));
  // The mandatory ones (§8.1).
  for (const number of [1, 2, 9, 10, 11, 16, 17, 18, 19, 21, 22, 23, 24, 25, 26, 27, 28])
    expect(handled).toContain(number);
});

describe('a passive peer', () => {
  const passive: FsmContext = { ...context, passive: true };
  test.each<{ name: string; state: FsmState; event: FsmEvent; result: string }>([
    { name: 'starts listening', state: 'Idle', event: events.ManualStart, result: 'Active, count 0' },
    { name: 'starts listening again', state: 'Idle', event: events.AutomaticStartPassive, result: 'Active' },
    { name: 'never connects', state: 'Active', event: events.ConnectRetryTimerExpires, result: 'Active' },
    {
      name: 'goes back to listening',
      state: 'OpenSent',
      event: events.TcpConnectionFails,
      result: 'Active, -hold, abort',
    },
  ])('$name', ({ state, event, result }) => {
    expect(show(state, event, passive)).toBe(result);
  });
});

describe('a negotiated hold time of 0', () => {
  const none: FsmContext = { ...context, holdSeconds: 0, keepaliveSeconds: 0 };
  test.each<{ name: string; state: FsmState; event: FsmEvent; result: string }>([
    {
      name: 'stops the large hold timer and sends one KEEPALIVE',
      state: 'OpenSent',
      event: { type: 'OpenReceived', holdSeconds: 0, keepaliveSeconds: 0 },
      result: 'OpenConfirm, -retry, send-keepalive, -keepalive, -hold',
    },
    {
      name: 'starts no timer',
      state: 'OpenConfirm',
      event: events.KeepaliveReceived,
      result: 'Established, +send-hold 480, session-up',
    },
    {
      name: 'restarts no timer',
      state: 'Established',
      event: events.UpdateReceived,
      result: 'Established, process-update',
    },
  ])('$name', ({ state, event, result }) => {
    expect(show(state, event, none)).toBe(result);
  });
});

test('a manual stop says what the administrator says', () => {
  const reset = notification(6, 4, Uint8Array.of(2, 104, 105));
  expect(show('Established', { type: 'ManualStop', notification: reset })).toContain('!6/4:2 104 105');
});

test('the owner waits four minutes for an OPEN', () => {
  expect(openSentHoldSeconds).toBe(240);
});

/** Follows the actions as an owner would, and checks what must hold whatever happens. */
class Model {
  state: FsmState = 'Idle';
  hasTcp = false;
  isUp = false;
  sentOpen = false;
  receivedOpen = false;
  timers = new Set<string>();

  feed(event: FsmEvent, ctx: FsmContext): void {
    const { next, actions } = transition(this.state, event, ctx);
    const isTcp = event.type === 'TcpConnectionConfirmed' || event.type === 'TcpConnectionRequestAcked';
    if (isTcp && this.state === 'Active') this.hasTcp = true;
    if (event.type === 'OpenReceived' && this.state === 'OpenSent') this.receivedOpen = true;
    this.state = next;
    for (const action of actions) this.perform(action);
    expect(this.isUp).toBe(this.state === 'Established');
    if (this.state === 'Idle' || this.state === 'Active') expect(this.hasTcp).toBe(false);
    else expect(this.hasTcp).toBe(true);
    if (this.state === 'Idle') expect([...this.timers]).toEqual([]);
    expect(this.timers.has('connect-retry')).toBe(
      this.state === 'Connect' || (this.state === 'Active' && !ctx.passive),
    );
    if (this.isUp) expect(this.receivedOpen).toBe(true);
  }

  perform(action: FsmAction): void {
    switch (action.type) {
      case 'start-connect-retry':
        this.timers.add('connect-retry');
        return;
      case 'start-timer':
        this.timers.add(action.timer);
        return;
      case 'stop-timer':
        this.timers.delete(action.timer);
        return;
      case 'connect':
        expect(this.hasTcp).toBe(false);
        this.hasTcp = true;
        return;
      case 'send-open':
        expect(this.hasTcp).toBe(true);
        expect(this.sentOpen).toBe(false);
        this.sentOpen = true;
        return;
      case 'send-keepalive':
        expect(this.hasTcp && this.sentOpen && this.receivedOpen).toBe(true);
        return;
      case 'send-notification':
        expect(this.hasTcp && this.sentOpen).toBe(true);
        return;
      case 'drop':
        this.hasTcp = false;
        this.sentOpen = false;
        this.receivedOpen = false;
        return;
      case 'session-up':
        expect(this.isUp).toBe(false);
        this.isUp = true;
        return;
      case 'session-down':
        expect(this.isUp).toBe(true);
        this.isUp = false;
        return;
      case 'process-update':
      case 'process-route-refresh':
        expect(this.isUp).toBe(true);
        return;
      case 'retry-counter':
        return;
    }
  }
}

test('whatever happens: one OPEN a connection, nothing said without one, up and down in turn, no timer left behind', () => {
  // A walk of single events would hardly ever see Established: some steps climb all the way, or a part of it.
  const climb: FsmEvent['type'][] = ['ManualStart', 'TcpConnectionConfirmed', 'OpenReceived', 'KeepaliveReceived'];
  const anyStep = fc.oneof(
    fc.constantFrom(...eventTypes).map((type) => [type]),
    fc.nat({ max: climb.length }).map((length) => climb.slice(0, length)),
  );
  let established = 0;
  fc.assert(
    fc.property(
      fc.array(anyStep, { minLength: 1, maxLength: 60, size: 'max' }),
      fc.boolean(),
      fc.boolean(),
      (steps, passive, hasHold) => {
        const ctx = hasHold ? { ...context, passive } : { ...context, passive, holdSeconds: 0, keepaliveSeconds: 0 };
        const model = new Model();
        for (const type of steps.flat()) {
          const event: FsmEvent = type === 'OpenReceived' ? { ...ctx, type } : events[type];
          model.feed(event, ctx);
          if (model.isUp) established++;
        }
      },
    ),
    { numRuns: 500 },
  );
  expect(established).toBeGreaterThan(1000);
});
