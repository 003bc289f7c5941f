import { ip } from 'bgp-ts';
import { expect, test } from 'vitest';
import { FIRST_SET, type FibNextHop, Target, TargetTable } from '../../../fib/target.ts';

const a = { gateway: ip('192.0.2.1'), ifIndex: 2 };
const b = { gateway: ip('192.0.2.2'), ifIndex: 3 };
const loose = { gateway: ip('192.0.2.1') };

test('equal sets have one id, whatever the order and repetition of hops', () => {
  const table = new TargetTable();
  const id = table.intern([a, b]);
  expect(id).toBeGreaterThanOrEqual(FIRST_SET);
  expect(table.intern([b, a, { ...b, weight: 1 }])).toBe(id);
  expect(table.intern([a])).not.toBe(id);
  expect(table.hops(id)).toHaveLength(2);
  expect(table.hops(Target.Blackhole)).toEqual([]);
});

test('keeps its own copy of a gateway', () => {
  const table = new TargetTable();
  const octets = Uint8Array.of(192, 0, 2, 1);
  const id = table.intern([{ gateway: { version: 4, octets } }]);
  octets[3] = 9;
  expect(table.hops(id)[0]?.gateway?.octets[3]).toBe(1);
});

test.each([
  ['empty', []],
  ['neither gateway nor interface', [{}]],
  ['weight 0', [{ ...a, weight: 0 }]],
  ['weight 257', [{ ...a, weight: 257 }]],
])('refuses %s', (_name, hops: readonly FibNextHop[]) => {
  expect(() => new TargetTable().intern(hops)).toThrow(RangeError);
});

test.each([
  ['the same set', [a], [a], true],
  ['an interface that was not asked for', [loose], [a], true],
  ['another gateway', [b], [a], false],
  ['another interface', [a], [{ ...a, ifIndex: 9 }], false],
  ['another weight', [a], [{ ...a, weight: 2 }], false],
  ['one hop too few', [a, b], [a], false],
  ['one hop too many', [a], [a, b], false],
  ['on the link, not by gateway', [a], [{ ifIndex: 2 }], false],
])('a route with %s', (_name, wanted: readonly FibNextHop[], seen: readonly FibNextHop[], matches) => {
  const table = new TargetTable();
  expect(table.matches(table.intern(wanted), table.intern(seen))).toBe(matches);
});

test('knows a part of a set', () => {
  const table = new TargetTable();
  const whole = table.intern([a, b]);
  expect(table.isPartOf(table.intern([a]), whole)).toBe(true);
  expect(table.isPartOf(whole, table.intern([a]))).toBe(false);
  expect(table.isPartOf(Target.Blackhole, whole)).toBe(false);
});
