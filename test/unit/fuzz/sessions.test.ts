import { expect, test } from 'vitest';
import { fuzzFake } from '../../fuzz/run.ts';

test('sessions of all kinds against a speaker in a fake network, for three seconds', async () => {
  const seed = Date.now() % 1_000_000;
  try {
    const counts = await fuzzFake(seed, performance.now() + 3000);
    expect(counts.get('established')).toBeGreaterThan(20);
    expect(counts.get('UPDATE treat-as-withdraw')).toBeGreaterThan(0);
    expect(counts.get('UPDATE reset')).toBeGreaterThan(0);
  } catch (error) {
    throw new Error(`seed ${seed} (npm run fuzz -- --only fake --seed ${seed})`, { cause: error });
  }
});
