import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatSelector,
  type Labels,
  matchesSelector,
  parseSelector,
  type Selector,
} from '../../../config/selector.ts';

const labels: Labels = { rack: 'r1', role: 'rr', 'node.kubernetes.io/zone': 'a-1', empty: '' };

const parsed = (text: string): Selector => {
  const result = parseSelector(text);
  if (!result.ok) throw new Error(result.error);
  return result.value;
};

describe('selects', () => {
  const rows: readonly [string, boolean][] = [
    ['', true],
    ['  ', true],
    ['all()', true],
    ['all( )', true],
    ['global()', true],
    ["rack == 'r1'", true],
    ['rack == "r1"', true],
    ["rack=='r2'", false],
    ["missing == ''", false],
    ["empty == ''", true],
    ["rack != 'r1'", false],
    ["rack != 'r2'", true],
    ["missing != 'x'", true],
    ["rack in {'r1', 'r2'}", true],
    ["rack in{'r2'}", false],
    ['rack in {}', false],
    ["missing in {'r1'}", false],
    ["rack not in {'r1'}", false],
    ["rack not  in {'r2'}", true],
    ["missing not in {'r1'}", true],
    ["rack contains '1'", true],
    ["rack contains 'x'", false],
    ["missing contains ''", false],
    ["node.kubernetes.io/zone starts with 'a-'", true],
    ["rack starts with '1'", false],
    ["rack ends with '1'", true],
    ["missing ends with ''", false],
    ['has(role)', true],
    ['has( role )', true],
    ['has(missing)', false],
    ['has(toString)', false],
    ['!has(missing)', true],
    ['! has(role)', false],
    ['!!has(role)', true],
    ["has(role) && rack == 'r1'", true],
    ["has(role) && rack == 'r2'", false],
    ["has(missing) || rack == 'r1'", true],
    // && binds stronger than ||
    ['has(role) || has(missing) && has(missing)', true],
    ['(has(role) || has(missing)) && has(missing)', false],
    ["!(rack == 'r1' && has(missing))", true],
    ["!has(missing) && rack == 'r1' && has(role)", true],
    // words of the language are labels where a label stands
    ["in == 'x' || rack == 'r1'", true],
    ["contains contains 'x' || not not in {'x'}", true],
  ];
  test.each(rows)('%s', (text, expected) => {
    expect(matchesSelector(parsed(text), labels)).toBe(expected);
  });
});

describe('refuses', () => {
  const rows: readonly [string, string][] = [
    ['rack', 'expected an operator after rack, not the end (column 5)'],
    ['rack = "r1"', 'expected an operator after rack, not "= "r1"" (column 6)'],
    ['rack == r1', 'expected a value in quotes, not "r1" (column 9)'],
    ["rack == 'r1", "the closing ' is missing (column 9)"],
    ["rack == 'r1' has(x)", 'expected && or || or the end, not "has(x)" (column 14)'],
    ['has(x', 'expected ), not the end (column 6)'],
    ['(all()', 'expected ), not the end (column 7)'],
    ['everything()', 'everything(): there are only has(), all() and global() (column 1)'],
    ['&& all()', 'expected a label, not "&& all()" (column 1)'],
    ["rack in 'r1'", `expected {, not "'r1'" (column 9)`],
    ["rack in {'r1' 'r2'}", `expected }, not "'r2'}" (column 15)`],
    ["rack not == 'r1'", `expected an operator after rack, not "not == 'r1'" (column 6)`],
    [`has(${'a'.repeat(513)})`, 'a label has at most 512 characters, not 513 (column 5)'],
  ];
  test.each(rows)('%s', (text, error) => {
    expect(parseSelector(text)).toEqual({ ok: false, error });
  });
});

const label = fc.constantFrom('a', 'b', 'c.d/e', 'in', 'not', 'has');
const value = fc.constantFrom('', 'x', 'y', 'x y', "it's", '{', 'xy');
const { selectors } = fc.letrec<{ selectors: Selector }>((tie) => ({
  selectors: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constant<Selector>({ type: 'all' }),
    fc.record({ type: fc.constant('has' as const), label }),
    fc.record({
      type: fc.constant('compare' as const),
      operator: fc.constantFrom(
        '==' as const,
        '!=' as const,
        'contains' as const,
        'starts with' as const,
        'ends with' as const,
      ),
      label,
      value,
    }),
    fc.record({
      type: fc.constant('in' as const),
      isNegated: fc.boolean(),
      label,
      values: fc.array(value, { maxLength: 3 }),
    }),
    fc.record({ type: fc.constant('not' as const), operand: tie('selectors') }),
    fc.record({
      type: fc.constantFrom('and' as const, 'or' as const),
      operands: fc.array(tie('selectors'), { minLength: 2, maxLength: 3 }),
    }),
  ),
}));
const someLabels = fc.dictionary(label, value, { maxKeys: 4 });

describe('properties', () => {
  test('a selector prints as text that parses to it', () => {
    fc.assert(
      fc.property(selectors, (selector) => {
        expect(parsed(formatSelector(selector))).toEqual(selector);
      }),
    );
  });

  test('logic', () => {
    fc.assert(
      fc.property(selectors, selectors, someLabels, (a, b, given) => {
        const [left, right] = [matchesSelector(a, given), matchesSelector(b, given)];
        expect(matchesSelector({ type: 'not', operand: a }, given)).toBe(!left);
        expect(matchesSelector({ type: 'and', operands: [a, b] }, given)).toBe(left && right);
        expect(matchesSelector({ type: 'or', operands: [a, b] }, given)).toBe(left || right);
      }),
    );
  });

  test('not in is the opposite of in, != the opposite of ==', () => {
    fc.assert(
      fc.property(label, fc.array(value), value, someLabels, (name, values, one, given) => {
        const isIn = matchesSelector({ type: 'in', isNegated: false, label: name, values }, given);
        expect(matchesSelector({ type: 'in', isNegated: true, label: name, values }, given)).toBe(!isIn);
        const isEqual = matchesSelector({ type: 'compare', operator: '==', label: name, value: one }, given);
        expect(matchesSelector({ type: 'compare', operator: '!=', label: name, value: one }, given)).toBe(!isEqual);
      }),
    );
  });

  test('any text is read or refused, never thrown at', () => {
    const fragments = fc.array(
      fc.constantFrom(
        'a',
        ' ',
        '==',
        '!=',
        "'x'",
        '"',
        'in',
        '{',
        '}',
        'not',
        'has(',
        ')',
        'all()',
        '&&',
        '||',
        '!',
        '(',
        ',',
      ),
    );
    fc.assert(fc.property(fragments, (parts) => typeof parseSelector(parts.join('')).ok === 'boolean'));
    fc.assert(fc.property(fc.string(), (text) => typeof parseSelector(text).ok === 'boolean'));
  });
});
