import { expect, test } from 'vitest';
import { fuzzTcp } from '../fuzz/run.ts';
import { isRoot } from './lab-daemon.ts';

test.skipIf(!isRoot)(
  'sessions of all kinds over TCP against podrouted, for twenty seconds',
  { timeout: 120_000 },
  async () => {
    const seed = Date.now() % 1_000_000;
    try {
      const { counts, judged } = await fuzzTcp(seed, performance.now() + 20_000);
      expect(counts.get('established')).toBeGreaterThan(20);
      expect(Math.min(...judged)).toBeGreaterThan(20);
    } catch (error) {
      throw new Error(`seed ${seed} (npm run fuzz -- --only tcp --seed ${seed})`, { cause: error });
    }
  },
);
