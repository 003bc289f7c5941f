import { formatPrefix, type Prefix, prefix, prefixContains } from 'bgp-ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { blockCount, contains, cutBlocks, overlaps } from '../../../config/cidr.ts';

const prefixes: fc.Arbitrary<Prefix> = fc
  .tuple(fc.constantFrom('10.0.0.0', '10.1.0.0', '2001:db8::', '2001:db8:1::'), fc.nat({ max: 32 }))
  .map(([address, n]) =>
    prefix(address.includes(':') ? `${address}/${n + 48}` : `${address}/${16 + Math.floor(n / 2)}`),
  );

test('containment and overlap agree with comparing bits', () => {
  fc.assert(
    fc.property(prefixes, prefixes, (a, b) => {
      expect(contains(a, b)).toBe(prefixContains(a, b));
      expect(overlaps(a, b)).toBe(prefixContains(a, b) || prefixContains(b, a));
    }),
  );
});

test.each([
  ['10.244.0.0/24', 26, 0n, 10, ['10.244.0.0/26', '10.244.0.64/26', '10.244.0.128/26', '10.244.0.192/26']],
  ['10.244.0.0/24', 26, 3n, 10, ['10.244.0.192/26']],
  ['10.244.0.0/24', 26, 4n, 10, []],
  ['10.244.0.0/16', 26, 1023n, 1, ['10.244.255.192/26']],
  ['10.244.0.0/26', 26, 0n, 10, ['10.244.0.0/26']],
  ['2001:db8::/48', 122, 1n, 2, ['2001:db8::40/122', '2001:db8::80/122']],
  ['2001:db8::/48', 122, (1n << 74n) - 1n, 2, ['2001:db8:0:ffff:ffff:ffff:ffff:ffc0/122']],
])('%s cut into /%d from %d', (pool, length, from, limit, expected) => {
  expect(cutBlocks(prefix(pool), length, from, limit).map(formatPrefix)).toEqual(expected);
});

test('blocks of a pool: how many, and which lengths there are', () => {
  expect(blockCount(prefix('10.244.0.0/16'), 26)).toBe(1024n);
  expect(blockCount(prefix('2001:db8::/48'), 122)).toBe(1n << 74n);
  expect(() => cutBlocks(prefix('10.244.0.0/24'), 23, 0n, 1)).toThrow(RangeError);
  expect(() => cutBlocks(prefix('10.244.0.0/24'), 33, 0n, 1)).toThrow(RangeError);
});

test('blocks of a pool do not overlap and are inside it', () => {
  fc.assert(
    fc.property(prefixes, fc.integer({ min: 0, max: 8 }), (pool, more) => {
      const length = Math.min(pool.length + more, pool.address.octets.length * 8);
      const blocks = cutBlocks(pool, length, 0n, 300);
      expect(BigInt(blocks.length)).toBe(blockCount(pool, length));
      for (const [i, block] of blocks.entries()) {
        expect(contains(pool, block)).toBe(true);
        const next = blocks[i + 1];
        if (next !== undefined) expect(overlaps(block, next)).toBe(false);
      }
    }),
    { numRuns: 20 },
  );
});
