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
import type { FsmContext, Transition } from './fsm/actions.ts';
import type { FsmEvent, FsmState } from './fsm/events.ts';
import { established, openConfirm, openSent } from './fsm/with-open.ts';
import { active, connect, idle } from './fsm/without-open.ts';
import { unreachable } from './result.ts';

export type { FsmAction, FsmContext, FsmTimer, Transition } from './fsm/actions.ts';
export type { FsmEvent, FsmState } from './fsm/events.ts';
export { fsmEventNumbers, fsmStates, omittedEvents } from './fsm/events.ts';
export { openSentHoldSeconds } from './fsm/steps.ts';

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
