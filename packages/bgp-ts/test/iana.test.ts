import { expect, test } from 'vitest';
import { AS_TRANS, asn, Families, type FamilyName, familyOf, formatFamily, parseAsn } from '../src/index.ts';

test.each([
  ['0', 0],
  ['65000', 65000],
  ['4294967295', 4294967295],
  ['1.0', 65536],
  ['0.23456', AS_TRANS],
  ['65535.65535', 4294967295],
])('AS %s', (text, value) => {
  expect(parseAsn(text)).toBe(value);
});

test.each(['', '4294967296', '1.65536', '65536.1', '-1', '1.2.3', 'AS1', '1e3', ' 1'])('no AS: %j', (text) => {
  expect(parseAsn(text)).toBeUndefined();
});

test('asn checks its range', () => {
  expect(asn(4294967295)).toBe(4294967295);
  for (const bad of [-1, 4294967296, 1.5, Number.NaN]) expect(() => asn(bad)).toThrow(RangeError);
});

test('families go both ways', () => {
  for (const name of Object.keys(Families) as FamilyName[]) {
    const { afi, safi } = Families[name];
    expect(familyOf(afi, safi)).toBe(name);
    expect(formatFamily(afi, safi)).toBe(name);
  }
  expect(familyOf(1, 2)).toBeUndefined();
  expect(familyOf(25, 1)).toBeUndefined();
  expect(formatFamily(25, 70)).toBe('afi 25 safi 70');
});
