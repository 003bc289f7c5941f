import { describe, expect, test } from 'vitest';
import { Backoff, type FailureKind, jitter } from '../../../speaker/backoff.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const settings = { connectRetrySeconds: 10, idleHoldSeconds: 5 };

/** The waits, in seconds, after so many failures in a row, without jitter. */
function waits(kind: FailureKind, count: number): { idle: number[]; connect: number[] } {
  const clock = new FakeClock();
  clock.randomValue = 1;
  const backoff = new Backoff(clock, settings);
  const delays = Array.from({ length: count }, () => backoff.failed(kind));
  return { idle: delays.map(({ idleMs }) => idleMs / 1000), connect: delays.map(({ connectMs }) => connectMs / 1000) };
}

describe('failures in a row', () => {
  test.each(['unreachable', 'lost', 'collision'] as const)('%s: doubles to the limit, never idle', (kind) => {
    expect(waits(kind, 6)).toEqual({ idle: [0, 0, 0, 0, 0, 0], connect: [1, 2, 4, 8, 10, 10] });
  });

  test('protocol: idle for the configured time, attempts up to twelve times as far apart', () => {
    expect(waits('protocol', 6)).toEqual({ idle: [5, 5, 5, 5, 5, 5], connect: [5, 10, 20, 40, 60, 60] });
  });

  test('many failures do not overflow', () => {
    expect(waits('protocol', 2000).connect.at(-1)).toBe(60);
  });
});

test('a session of half a minute makes the next failure the first one', () => {
  const clock = new FakeClock();
  clock.randomValue = 1;
  const backoff = new Backoff(clock, settings);
  for (let n = 0; n < 5; n++) backoff.failed('unreachable');
  backoff.established();
  clock.advance(29_000);
  expect(backoff.failed('lost').connectMs).toBe(10_000);
  backoff.established();
  clock.advance(30_000);
  expect(backoff.failed('lost').connectMs).toBe(1000);
  expect(backoff.failures).toBe(1);
});

test('reset forgets, configure changes the limit', () => {
  const clock = new FakeClock();
  clock.randomValue = 1;
  const backoff = new Backoff(clock, settings);
  for (let n = 0; n < 5; n++) backoff.failed('unreachable');
  backoff.configure({ connectRetrySeconds: 3, idleHoldSeconds: 1 });
  expect(backoff.failed('unreachable').connectMs).toBe(3000);
  backoff.reset();
  expect(backoff.failed('protocol')).toEqual({ idleMs: 1000, connectMs: 1000 });
});

test('jitter takes away up to a quarter', () => {
  const clock = new FakeClock();
  clock.randomValue = 0;
  expect(jitter(clock, 1000)).toBe(750);
  clock.randomValue = 1;
  expect(jitter(clock, 1000)).toBe(1000);
});
