import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { TurnMeter } from '../../../native/index.ts';
import { waitFor } from '../../support/wait-for.ts';

const indexUrl = new URL('../../../native/index.ts', import.meta.url).href;
const meters: TurnMeter[] = [];
afterEach(() => {
  for (const meter of meters.splice(0)) meter.close();
});

function meter(): TurnMeter {
  const made = new TurnMeter();
  meters.push(made);
  return made;
}

function work(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('turns of the event loop', () => {
  test('a stretch of work is one turn, in the bucket of its length', async () => {
    const turns = meter();
    await nextTurn();
    turns.reset();
    work(30);
    await nextTurn();
    await nextTurn();
    const { turns: count, elapsedMs, busy, cpu } = turns.read();
    const { longestMs, counts, sumsMs } = busy;
    expect(cpu.longestMs).toBeGreaterThan(0);
    expect(cpu.longestMs).toBeLessThanOrEqual(longestMs);
    expect(longestMs).toBeGreaterThanOrEqual(30);
    expect(elapsedMs).toBeGreaterThanOrEqual(longestMs);
    expect(counts.reduce((a, b) => a + b)).toBe(count);
    const longest = counts.findLastIndex((n) => n > 0);
    expect(sumsMs[longest]).toBeGreaterThanOrEqual(longestMs);
  });

  test('sleep is not work', async () => {
    const turns = meter();
    await nextTurn();
    turns.reset();
    await new Promise((resolve) => setTimeout(resolve, 100));
    const { elapsedMs, busy } = turns.read();
    const { sumsMs, longestMs } = busy;
    expect(elapsedMs).toBeGreaterThanOrEqual(95);
    expect(sumsMs.reduce((a, b) => a + b)).toBeLessThan(elapsedMs / 2);
    expect(longestMs).toBeLessThan(95);
  });

  test('a bucket holds turns that differ by a sixteenth at most', async () => {
    const turns = meter();
    for (let i = 0; i < 200; i++) {
      work((i % 20) / 10);
      await nextTurn();
    }
    const { counts, sumsMs } = turns.read().busy;
    let before = 0;
    for (const [bucket, count] of counts.entries()) {
      if (count === 0) continue;
      const mean = (sumsMs[bucket] ?? 0) / count;
      expect(mean).toBeGreaterThan(before);
      // Bucket b above 16 begins at (16 + b % 16) << (b / 16 - 1) microseconds.
      if (bucket >= 16) {
        const power = Math.floor(bucket / 16) - 1;
        const from = ((16 + (bucket % 16)) << power) / 1000;
        expect(mean).toBeGreaterThanOrEqual(from);
        expect(mean).toBeLessThanOrEqual(from + (1 << power) / 1000);
      }
      before = mean;
    }
  });

  test('after a reset nothing of what was is left', async () => {
    const turns = meter();
    work(20);
    await nextTurn();
    await nextTurn();
    turns.reset();
    expect(turns.read()).toMatchObject({ turns: 0, busy: { longestMs: 0 }, cpu: { longestMs: 0 } });
  });

  test('a closed one cannot be read; closing twice is nothing', () => {
    const turns = meter();
    turns.close();
    turns.close();
    turns.reset();
    expect(() => turns.read()).toThrow(/closed/);
  });

  test('a worker ends with its meter open, and while it measures', async () => {
    const program = `import { TurnMeter } from ${JSON.stringify(indexUrl)};
      import { parentPort } from 'node:worker_threads';
      const meters = [new TurnMeter(), new TurnMeter()];
      meters[0].close();
      parentPort.postMessage(meters[1].read().turns);`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
    let code: number | undefined;
    worker.on('exit', (seen) => {
      code = seen;
    });
    await waitFor('the worker to end', () => code !== undefined);
    expect(code).toBe(0);
  });
});
