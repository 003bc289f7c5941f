import type { Random } from './random.ts';
import { message, u16 } from './wire.ts';

/** Octets that are no message, or none that may come in Established, and the answer. */
export interface FrameCase {
  readonly name: string;
  readonly octets: Uint8Array;
  /** The NOTIFICATION, as `1/2`; `none` where there is nothing to answer, `closed` where the session ends without one. */
  readonly answer: string;
  /** Its data, where the RFC says what it is. */
  readonly data?: readonly number[];
}

/** One case for an established session (RFC 4271 §6.1, §6.5, RFC 6608, RFC 7313 §5). @param open the body of a good OPEN */
export function generateFrame(random: Random, open: readonly number[]): FrameCase {
  const cases: (() => FrameCase)[] = [
    () => {
      const octets = message(4, []);
      octets[random.below(16)] = random.below(255);
      return { name: 'marker', octets, answer: '1/1' };
    },
    () => length('too short', random.pick([1, 2, 3, 4, 5]), random.below(19)),
    () => length('too long', random.pick([1, 2, 3, 4, 5]), random.between(4097, 65535)),
    () => length('KEEPALIVE with a body', 4, random.between(20, 60)),
    () => length('UPDATE too short', 2, random.between(19, 22)),
    () => length('NOTIFICATION too short', 3, random.between(19, 20)),
    () => length('OPEN too short', 1, random.between(19, 28)),
    () => {
      const type = random.pick([0, 6, 7, 128, 255]);
      return { name: 'type', octets: message(type, []), answer: '1/3', data: [type] };
    },
    () => ({ name: 'a second OPEN', octets: message(1, open), answer: '5/3', data: [1] }),
    () => {
      const octets = message(5, random.octets(random.below(4)));
      return { name: 'ROUTE-REFRESH too short', octets, answer: '7/1', data: [...octets] };
    },
    () => {
      const octets = message(5, [0, 1, random.pick([1, 2]), 1, ...random.octets(random.between(1, 20))]);
      return { name: 'marker of a refresh too long', octets, answer: '7/1', data: [...octets] };
    },
    () => ({ name: 'refresh', octets: message(5, [0, random.pick([1, 2]), 0, 1]), answer: 'none' }),
    () => ({ name: 'refresh of no family', octets: message(5, [...u16(random.below(65536)), 0, 77]), answer: 'none' }),
    () => ({ name: 'refresh of no known kind', octets: message(5, [0, 1, random.between(3, 255), 1]), answer: 'none' }),
    () => ({ name: 'KEEPALIVE', octets: message(4, []), answer: 'none' }),
    () => ({
      name: 'NOTIFICATION',
      octets: message(3, [random.below(256), random.below(256), ...random.octets(random.below(9))]),
      answer: 'closed',
    }),
  ];
  return random.pick(cases)();
}

/** A header whose length is no length of this type; the data of the answer is that length (RFC 4271 §6.1). */
function length(name: string, type: number, octets: number): FrameCase {
  const body = new Array<number>(Math.max(0, Math.min(octets, 5000) - 19)).fill(0);
  return { name, octets: message(type, body, octets), answer: '1/2', data: u16(octets) };
}
