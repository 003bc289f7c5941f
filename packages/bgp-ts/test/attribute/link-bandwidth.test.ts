import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../src/bytes.ts';
import { makeLinkBandwidth, parseLinkBandwidth } from '../../src/index.ts';

// type, subtype 4, AS number, IEEE 754 octets per second: 100 Mbit/s, 10 Gbit/s, nothing
const vectors = [
  { hex: '4004fde84b3ebc20', value: { asn: 65000, octetsPerSecond: 12_500_000, isTransitive: false } },
  { hex: '0004fde84e9502f9', value: { asn: 65000, octetsPerSecond: 1_250_000_000, isTransitive: true } },
  { hex: '40045ba000000000', value: { asn: 23456, octetsPerSecond: 0, isTransitive: false } },
] as const;

describe('link bandwidth', () => {
  test.each(vectors)('$hex', ({ hex, value }) => {
    const parsed = parseLinkBandwidth(fromHex(hex));
    expect(parsed?.asn).toBe(value.asn);
    expect(parsed?.isTransitive).toBe(value.isTransitive);
    expect(parsed?.octetsPerSecond).toBeCloseTo(value.octetsPerSecond, -3);
    expect(toHex(makeLinkBandwidth(value))).toBe(hex);
  });

  test.each([
    ['another subtype', '0002fde84b3ebc20'],
    ['a four-octet AS', '0204fde84b3ebc20'],
    ['less than nothing', '4004fde8cb3ebc20'],
    ['infinity', '4004fde87f800000'],
    ['not a number', '4004fde87fc00000'],
    ['cut short', '4004fde84b3ebc'],
  ])('%s is no bandwidth', (_name, hex) => {
    expect(parseLinkBandwidth(fromHex(hex))).toBeUndefined();
  });

  test.each([
    { asn: 65536, octetsPerSecond: 1, isTransitive: true },
    { asn: 1, octetsPerSecond: -1, isTransitive: true },
    { asn: 1, octetsPerSecond: Number.NaN, isTransitive: true },
    { asn: 1, octetsPerSecond: 1e39, isTransitive: true },
  ])('%j cannot be written', (value) => {
    expect(() => makeLinkBandwidth(value)).toThrow(RangeError);
  });
});
