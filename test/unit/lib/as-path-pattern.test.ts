import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AsPathPattern } from '../../../lib/as-path-pattern.ts';

const rows: readonly [pattern: string, path: string, found: boolean][] = [
  ['^$', '', true],
  ['^$', '65000', false],
  ['.*', '', true],
  ['^65000_', '65000 1', true],
  ['^65000_', '65000', true],
  ['^65000_', '650001', false],
  ['_65000$', '1 65000', true],
  ['_65000$', '65000 1', false],
  ['_65000_', '1 65000 2', true],
  ['_65000_', '1 {65000,2}', true],
  ['_65000_', '(65000 1) 2', true],
  ['_65000_', '[65000,1] 2', true],
  ['_65000_', '165000 650001', false],
  ['65000', '1 65000 2', true],
  ['65000', '1 {7,65000}', true],
  ['65000', '165000', false],
  ['65000', '650001', false],
  ['65000|65010', '165010 65000', true],
  ['65000|65010', '165010 650001', false],
  ['6500[0-9]', '1 65007', true],
  ['6500[0-9]', '165007', false],
  ['[0-9]*65000$', '165000', true],
  ['^65000 .* 65010$', '65000 1 2 65010', true],
  ['^65000 .* 65010$', '65000 1 2 165010', false],
  ['^65000.*65010$', '65000 65010', true],
  ['^65000.*65010$', '650001 65010', false],
  ['^65000.*65010$', '65000 165010', false],
  ['^(65000|65001).+$', '65001 1', true],
  ['^(65000|65001).+$', '650010', false],
  ['^[0-9]+$', '65000', true],
  ['^[0-9]+$', '65000 1', false],
  ['^(65000|65001)( [0-9]+)*$', '65001 1 2 3', true],
  ['^(65000|65001)( [0-9]+)*$', '65002 1 2 3', false],
  ['^65000(_65000)*$', '65000 65000 65000', true],
  ['^65000(_65000)*$', '65000 65000 1', false],
  ['^6[45]...$', '64512', true],
  ['^6[^5]...$', '65000', false],
  ['^a?b{2}$', 'abb', true],
  ['^a?b{2}$', 'abbb', false],
  ['^b{2,}$', 'bbbb', true],
  ['^b{2,3}$', 'bbbb', false],
  ['^b{0}$', '', true],
  ['\\{1,2\\}', '3 {1,2}', true],
  ['\\{1,2\\}', '3 12', false],
  ['[\\]x-]', '-', true],
  ['[]x]', ']', true],
  ['x||y', 'z', true],
  ['(_1_)+', '1 1', true],
  ['1__2', '1 2', false],
  ['1_{2}2', '1 (2)', true],
];

test.each(rows)('%s on "%s"', (pattern, path, found) => {
  expect(AsPathPattern.parse(pattern).test(path)).toBe(found);
});

describe('patterns that do not parse', () => {
  test.each([
    ['(', 'missing )'],
    [')', 'unexpected )'],
    ['[0-9', 'missing ]'],
    ['*1', 'nothing to repeat before *'],
    ['1{', 'expected {n}'],
    ['1{2,1}', 'smaller'],
    ['[9-0]', 'the range is empty'],
    ['1\\', 'nothing after \\'],
    ['((1{999}){999}){999}', 'too long'],
  ])('%s', (pattern, message) => {
    expect(() => AsPathPattern.parse(pattern)).toThrow(message);
    expect(() => AsPathPattern.parse(pattern)).toThrow(RangeError);
  });
});

/** Pieces that mean the same here and in JavaScript. */
const piece = fc.constantFrom('1', '2', ' ', '.', '[12]', '[^1]', '(1|2 )', '^', '$', '(12)');
const repeated = fc
  .tuple(piece, fc.constantFrom('', '*', '+', '?', '{2}', '{1,2}'))
  .map(([atom, repeat]) => (atom === '^' || atom === '$' ? atom : atom + repeat));

/** Not between two digits. */
const edge = '(?:(?<!\\d)|(?!\\d))';

/** The same for JavaScript: no number is begun or ended in the middle, nor split next to `.*` and `.+`. */
function oracleOf(pieces: readonly string[]): RegExp {
  const isOpen = (text: string) => /^\.[*+]$/.test(text);
  const hasDigit = (text: string) => /^[(12]/.test(text);
  const parts = pieces.map((text, i) => {
    const before = pieces[i - 1] ?? '';
    const isSeam = (isOpen(before) && hasDigit(text)) || (hasDigit(before) && isOpen(text));
    return isSeam ? edge + text : text;
  });
  return new RegExp(`${edge}(?:${parts.join('')})${edge}`);
}

test('agrees with JavaScript where both have the construct, but for whole numbers', () => {
  fc.assert(
    fc.property(
      fc.array(repeated, { maxLength: 6 }),
      fc.array(fc.constantFrom('1', '2', ' ', '12'), { maxLength: 10 }),
      (pieces, words) => {
        const pattern = pieces.join('');
        const path = words.join('');
        expect(AsPathPattern.parse(pattern).test(path)).toBe(oracleOf(pieces).test(path));
      },
    ),
    { numRuns: 2000 },
  );
});

test('_ agrees with a group of borders in JavaScript', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('_', '1', '2', '.*'), { minLength: 1, maxLength: 6 }),
      fc.array(fc.constantFrom('1', '2', ' ', ',', '{', '}'), { maxLength: 8 }),
      (pieces, words) => {
        const pattern = pieces.join('');
        const oracle = new RegExp(oracleOf(pieces).source.replaceAll('_', '(?:^|$|[ ,{}()\\[\\]])'));
        expect(AsPathPattern.parse(pattern).test(words.join(''))).toBe(oracle.test(words.join('')));
      },
    ),
    { numRuns: 2000 },
  );
});

test('a pattern that would take a backtracking engine for ever takes no time', () => {
  const path = '1 '.repeat(4000);
  const started = performance.now();
  expect(AsPathPattern.parse('^((1 )*)*((1 )*)*((1 )*)*2$').test(path)).toBe(false);
  expect(performance.now() - started).toBeLessThan(2000);
});
