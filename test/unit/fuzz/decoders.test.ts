import { fromHex } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { fuzzDecoders, readCorpus, runTarget } from '../../fuzz/decoders.ts';
import { Random } from '../../fuzz/random.ts';
import { targets } from '../../fuzz/targets.ts';

/** Octets of a whole message behind its header, or from its type on: what a target takes. */
function partFor(target: string, octets: Uint8Array): Uint8Array {
  return octets.subarray(target === 'framing' ? 0 : target === 'message' ? 18 : 19);
}

describe('every decoder', () => {
  test('on messages of other implementations and on what broke something once', () => {
    const corpus = readCorpus();
    expect(corpus.length).toBeGreaterThan(100);
    for (const { target, hex } of corpus) {
      const names = target === 'message' ? Object.keys(targets) : [target];
      for (const name of names) {
        const octets = fromHex(hex);
        expect(runTarget(name, target === 'message' ? partFor(name, octets) : octets)).toBeUndefined();
      }
    }
  });

  test('on random inputs, for two seconds', () => {
    const seed = Date.now() % 1_000_000;
    const counts = new Map<string, number>();
    const limits = { untilMs: performance.now() + 2000, most: Number.POSITIVE_INFINITY };
    expect(fuzzDecoders(new Random(seed), limits, counts), `seed ${seed}`).toBeUndefined();
    expect(counts.size).toBe(Object.keys(targets).length);
  });
});
