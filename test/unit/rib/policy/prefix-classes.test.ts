import { type Prefix, prefix, prefixContains } from 'bgp-ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PrefixRange } from '../../../../rib/policy/policy.ts';
import { PrefixClasses, type PrefixQuestion } from '../../../../rib/policy/prefix-classes.ts';
import { prefixRanges, prefixValues } from '../../../support/policy-arbitraries.ts';

const range = (text: string, minLength: number, maxLength: number): PrefixRange => ({
  prefix: prefix(text),
  minLength,
  maxLength,
});
const list = (...entries: PrefixRange[]): PrefixQuestion => ({ type: 'list', entries });

function classOf(classes: PrefixClasses, { address, length }: Prefix): number {
  const view = new DataView(address.octets.buffer, address.octets.byteOffset, address.octets.length);
  // One word more in front: where the address begins must not matter.
  const words = Int32Array.from({ length: 1 + address.octets.length / 4 }, (_, i) =>
    i === 0 ? -1 : view.getInt32(i * 4 - 4),
  );
  return address.version === 4 ? classes.classOf4(words[1] ?? 0, length) : classes.classOf6(words, 1, length);
}

/** Looks at every entry. */
function answer(question: PrefixQuestion, value: Prefix): boolean {
  if (question.type === 'length') return value.length >= question.min && value.length <= question.max;
  return question.entries.some(
    (entry) =>
      prefixContains(entry.prefix, value) && value.length >= entry.minLength && value.length <= entry.maxLength,
  );
}

describe('one list', () => {
  test.each([
    ['exactly', list(range('10.0.0.0/8', 8, 8)), '10.0.0.0/8', true],
    ['longer', list(range('10.0.0.0/8', 8, 8)), '10.0.0.0/9', false],
    ['a range, inside', list(range('10.0.0.0/8', 16, 24)), '10.1.0.0/16', true],
    ['a range, above', list(range('10.0.0.0/8', 16, 24)), '10.1.0.0/25', false],
    ['a shorter prefix with the same address', list(range('10.0.0.0/24', 24, 24)), '10.0.0.0/8', false],
    ['a range that begins below its prefix', list(range('10.0.0.0/8', 0, 32)), '0.0.0.0/0', false],
    ['an empty range', list(range('10.0.0.0/8', 9, 8)), '10.0.0.0/8', false],
    ['under a longer entry', list(range('10.0.0.0/8', 24, 24), range('10.1.0.0/16', 16, 16)), '10.1.2.0/24', true],
    ['a host', list(range('10.1.2.3/32', 32, 32)), '10.1.2.3/32', true],
    ['its neighbour', list(range('10.1.2.3/32', 32, 32)), '10.1.2.2/32', false],
    ['everything', list(range('0.0.0.0/0', 0, 32)), '203.0.113.7/32', true],
    ['everything, but not IPv6', list(range('0.0.0.0/0', 0, 32)), '::/0', false],
    ['an IPv6 host', list(range('2001:db8::1/128', 128, 128)), '2001:db8::1/128', true],
    ['lengths', { type: 'length', min: 8, max: 9 } as const, '2000::/9', true],
  ])('%s', (_, question, text, expected) => {
    const classes = new PrefixClasses([question]);
    expect(classes.holds(classOf(classes, prefix(text)), 0)).toBe(expected);
  });
});

test('a handful of entries is a handful of classes', () => {
  const classes = new PrefixClasses([
    list(range('10.0.0.0/8', 8, 32), range('192.168.0.0/16', 16, 32)),
    list(range('10.0.0.0/8', 24, 24), range('fc00::/7', 7, 128)),
  ]);
  expect(classes.count).toBe(4);
  expect(classOf(classes, prefix('10.1.0.0/16'))).toBe(classOf(classes, prefix('192.168.1.0/24')));
});

const questions: fc.Arbitrary<PrefixQuestion> = fc.oneof(
  { weight: 4, arbitrary: fc.array(prefixRanges, { maxLength: 12 }).map((entries) => list(...entries)) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('length' as const), min: fc.nat({ max: 64 }), max: fc.nat({ max: 128 }) }),
  },
);

test('agrees with looking at every entry of every list', () => {
  fc.assert(
    fc.property(
      fc.array(questions, { maxLength: 40 }),
      fc.array(fc.oneof(prefixValues(4), prefixValues(6)), { maxLength: 30 }),
      (asked, values) => {
        const classes = new PrefixClasses(asked);
        const entries = asked.flatMap((question) => (question.type === 'list' ? question.entries : []));
        for (const value of [...values, ...entries.map((entry) => entry.prefix)]) {
          const number = classOf(classes, value);
          expect(number).toBeLessThan(classes.count);
          const answers = asked.map((_, n) => classes.holds(number, n));
          expect(answers).toEqual(asked.map((question) => answer(question, value)));
        }
      },
    ),
  );
});
