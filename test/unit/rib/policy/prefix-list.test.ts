import { type IpAddress, ip, maskIp, type Prefix, prefix, prefixContains } from 'bgp-ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PrefixRange } from '../../../../rib/policy/policy.ts';
import { PrefixList } from '../../../../rib/policy/prefix-list.ts';

const range = (text: string, minLength: number, maxLength: number): PrefixRange => ({
  prefix: prefix(text),
  minLength,
  maxLength,
});

describe('matches', () => {
  const rows: readonly [string, PrefixRange[], string, boolean][] = [
    ['exactly', [range('10.0.0.0/8', 8, 8)], '10.0.0.0/8', true],
    ['exactly, longer', [range('10.0.0.0/8', 8, 8)], '10.0.0.0/9', false],
    ['or longer', [range('10.0.0.0/8', 8, 32)], '10.1.2.3/32', true],
    ['a range, below', [range('10.0.0.0/8', 16, 24)], '10.0.0.0/15', false],
    ['a range, inside', [range('10.0.0.0/8', 16, 24)], '10.1.0.0/16', true],
    ['a range, above', [range('10.0.0.0/8', 16, 24)], '10.1.0.0/25', false],
    ['another prefix', [range('10.0.0.0/8', 8, 32)], '11.0.0.0/8', false],
    ['a shorter prefix', [range('10.0.0.0/8', 8, 32)], '0.0.0.0/0', false],
    ['the default route', [range('0.0.0.0/0', 0, 0)], '0.0.0.0/0', true],
    ['any prefix', [range('0.0.0.0/0', 0, 32)], '203.0.113.7/32', true],
    ['any IPv4 prefix is no IPv6 prefix', [range('0.0.0.0/0', 0, 32)], '::/0', false],
    ['any IPv6 prefix', [range('::/0', 0, 128)], '2001:db8::/32', true],
    ['two ranges of one prefix', [range('10.0.0.0/8', 8, 8), range('10.0.0.0/8', 24, 24)], '10.0.0.0/24', true],
    ['between two ranges', [range('10.0.0.0/8', 8, 8), range('10.0.0.0/8', 24, 24)], '10.0.0.0/16', false],
    [
      'a shorter entry under a longer one',
      [range('10.0.0.0/8', 24, 24), range('10.1.0.0/16', 16, 16)],
      '10.1.2.0/24',
      true,
    ],
    ['an empty range', [range('10.0.0.0/8', 9, 8)], '10.0.0.0/8', false],
    ['an empty list', [], '10.0.0.0/8', false],
  ];
  test.each(rows)('%s', (_, entries, text, expected) => {
    expect(new PrefixList(entries).matches(prefix(text))).toBe(expected);
  });
});

describe('covers', () => {
  const list = new PrefixList([
    range('10.0.0.0/8', 8, 8),
    range('2001:db8::/32', 48, 64),
    range('192.0.2.1/32', 32, 32),
  ]);
  test.each([
    ['10.255.0.1', true],
    ['11.0.0.1', false],
    ['192.0.2.1', true],
    ['192.0.2.2', false],
    ['2001:db8::1', true],
    ['2001:db9::1', false],
  ])('%s', (text, expected) => {
    expect(list.covers(ip(text))).toBe(expected);
  });
});

/** Few bits set, so that random prefixes are inside each other. */
const prefixes: fc.Arbitrary<Prefix> = fc
  .tuple(fc.constantFrom(4 as const, 6 as const), fc.nat({ max: 255 }), fc.nat({ max: 3 }), fc.nat({ max: 128 }))
  .map(([version, first, second, rawLength]) => {
    const octets = new Uint8Array(version === 4 ? 4 : 16);
    octets[0] = first & 0xc1;
    octets[octets.length - 1] = second;
    const length = version === 4 ? rawLength % 33 : rawLength;
    return { address: maskIp({ version, octets }, length), length };
  });

const ranges: fc.Arbitrary<PrefixRange> = fc
  .tuple(prefixes, fc.nat({ max: 128 }), fc.nat({ max: 128 }))
  .map(([value, a, b]) => ({ prefix: value, minLength: Math.min(a, b), maxLength: Math.max(a, b) }));

test('agrees with looking at every entry', () => {
  fc.assert(
    fc.property(
      fc.array(ranges, { maxLength: 40 }),
      fc.array(prefixes, { minLength: 1, maxLength: 40 }),
      (entries, queries) => {
        const list = new PrefixList(entries);
        for (const query of [...queries, ...entries.map((entry) => entry.prefix)]) {
          const naive = entries.some(
            (entry) =>
              prefixContains(entry.prefix, query) && query.length >= entry.minLength && query.length <= entry.maxLength,
          );
          expect(list.matches(query)).toBe(naive);
          const address: IpAddress = query.address;
          expect(list.covers(address)).toBe(entries.some((entry) => prefixContains(entry.prefix, address)));
        }
      },
    ),
  );
});
