import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TurnFigures } from '../../../native/index.ts';
import { eventLoopDelay } from '../../../speaker/event-loop.ts';

/** Turns of these lengths, shortest first, one bucket each. */
function turnsOf(elapsedMs: number, lengths: readonly number[]): TurnFigures {
  const sorted = [...lengths].sort((a, b) => a - b);
  const lengthsOf = (of: readonly number[]) => ({
    longestMs: of.at(-1) ?? 0,
    counts: Float64Array.from(of, () => 1),
    sumsMs: Float64Array.from(of),
  });
  // Half of the time others had the processor.
  return { elapsedMs, turns: sorted.length, busy: lengthsOf(sorted), cpu: lengthsOf(sorted.map((ms) => ms / 2)) };
}

describe('event-loop delay', () => {
  test.each([
    ['an idle loop', 1000, [], { busyShare: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 }],
    ['one short turn in a long time', 10_000, [5], { busyShare: 0.0005, p50Ms: 0, p99Ms: 0, maxMs: 5 }],
    // Busy all the time, with turns of 10 ms: half of all moments are 5 ms or less before the end of one.
    ['turn after turn', 1000, Array<number>(100).fill(10), { busyShare: 1, p50Ms: 5, p99Ms: 9.9, maxMs: 10 }],
    // One turn of 100 ms in a second, else idle: 10 ms, one hundredth, lie more than 90 ms before its end.
    ['a long turn in rest', 1000, [100], { busyShare: 0.1, p50Ms: 0, p99Ms: 90, maxMs: 100 }],
    // 20 ms over 40 and 10 over 30 are 10 + 0 over 30 ms, one hundredth of 1 s; below it the second one counts too.
    ['two turns', 1000, [30, 40], { busyShare: 0.07, p50Ms: 0, p99Ms: 30, maxMs: 40 }],
  ])('%s', (_name, elapsedMs, lengths, expected) => {
    const delay = eventLoopDelay(turnsOf(elapsedMs, lengths));
    for (const [name, value] of Object.entries(expected)) {
      expect(delay[name as keyof typeof expected], name).toBeCloseTo(value, 6);
    }
  });

  test('processor time by itself', () => {
    const { cpu } = eventLoopDelay(turnsOf(1000, [100]));
    expect(cpu.busyShare).toBeCloseTo(0.05, 6);
    expect(cpu.p99Ms).toBeCloseTo(40, 6);
    expect(cpu.maxMs).toBe(50);
  });

  test('agrees with looking at every moment', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 500 }),
        (lengths, rest) => {
          const busy = lengths.reduce((sum, ms) => sum + ms, 0);
          const elapsed = busy + rest;
          // What happens in the middle of each hundredth of a millisecond waits until the end of the turn.
          const waits = lengths.flatMap((ms) => Array.from({ length: ms * 100 }, (_, i) => (i + 0.5) / 100));
          const all = Float64Array.from({ length: elapsed * 100 }, (_, i) => waits[i] ?? 0).sort();
          const { p50Ms, p99Ms } = eventLoopDelay(turnsOf(elapsed, lengths));
          expect(p50Ms).toBeCloseTo(all[Math.floor(all.length * 0.5)] ?? 0, 1);
          expect(p99Ms).toBeCloseTo(all[Math.floor(all.length * 0.99)] ?? 0, 1);
        },
      ),
      { numRuns: 50 },
    );
  });
});
