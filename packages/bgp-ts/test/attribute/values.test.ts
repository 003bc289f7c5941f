import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AsPath,
  asPathContains,
  asPathCount,
  asPathLength,
  formatAsPath,
  formatCommunity,
  formatExtendedCommunity,
  formatLargeCommunity,
  neighbourAs,
  originAs,
  parseAsPath,
  parseCommunity,
  parseExtendedCommunity,
  parseLargeCommunity,
  prependAsPath,
  toHex,
} from '../../src/index.ts';
import { asPath, u32 } from '../support/arbitrary.ts';

describe('AS path', () => {
  test.each([
    // text, length, neighbour, origin
    ['', 0, undefined, undefined],
    ['65000', 1, 65000, 65000],
    ['65000 64512 64513', 3, 65000, 64513],
    ['65000 {1,2,3}', 2, 65000, undefined],
    ['{1,2} 3', 2, undefined, 3],
    ['(65001 65002) 3', 1, 3, 3],
    ['[65001,65002] (65003) 3 4', 2, 3, 4],
    ['(65001)', 0, undefined, undefined],
  ])('%j', (text, length, neighbour, origin) => {
    const path = parseAsPath(text) as AsPath;
    expect(formatAsPath(path)).toBe(text);
    expect([asPathLength(path), neighbourAs(path), originAs(path)]).toEqual([length, neighbour, origin]);
  });

  test.each(['65000,1', '{', '{1', '(1))', '4294967296', 'x', '{}', '()', '1{2'])('refuses %j', (text) => {
    expect(parseAsPath(text)).toBeUndefined();
  });

  test('reads asdot, and white space as it comes', () => {
    expect(parseAsPath('  1.1   2 { 3 , 4 } ')).toEqual([
      { type: 'sequence', asns: [65537, 2] },
      { type: 'set', asns: [3, 4] },
    ]);
  });

  test('any path is read back', () => {
    fc.assert(fc.property(asPath, (path) => void expect(parseAsPath(formatAsPath(path))).toEqual(path)));
    fc.assert(fc.property(fc.string(), (text) => void parseAsPath(text)));
  });

  test('counts and finds in all segments', () => {
    const path = parseAsPath('(7) 1 7 {7,2}') as AsPath;
    expect(asPathCount(path, 7)).toBe(3);
    expect(asPathContains(path, 7)).toBe(true);
    expect(asPathContains(path, 8)).toBe(false);
  });

  test.each([
    ['', 1, 1, 'sequence', '1'],
    ['2', 1, 3, 'sequence', '1 1 1 2'],
    ['{2}', 1, 1, 'sequence', '1 {2}'],
    ['(9) 2', 1, 1, 'sequence', '1 (9) 2'],
    ['(9) 2', 8, 1, 'confed-sequence', '(8 9) 2'],
    ['2', 8, 1, 'confed-sequence', '(8) 2'],
    ['2', 1, 0, 'sequence', '2'],
  ] as const)('prepend to %j', (text, asn, times, type, wanted) => {
    const path = parseAsPath(text) as AsPath;
    expect(formatAsPath(prependAsPath(path, asn, times, type))).toBe(wanted);
    expect(formatAsPath(path)).toBe(text);
  });
});

describe('communities', () => {
  test.each([
    ['65000:1', 0xfde80001],
    ['0:0', 0],
    ['65535:65535', 0xffffffff],
    ['no-export', 0xffffff01],
    ['no-advertise', 0xffffff02],
    ['no-export-subconfed', 0xffffff03],
    ['no-peer', 0xffffff04],
    ['graceful-shutdown', 0xffff0000],
    ['blackhole', 0xffff029a],
    ['llgr-stale', 0xffff0006],
    ['no-llgr', 0xffff0007],
    ['accept-own', 0xffff0001],
  ])('%s', (text, value) => {
    expect(parseCommunity(text)).toBe(value);
    expect(formatCommunity(value)).toBe(text);
  });

  test('names in any case', () => expect(parseCommunity('NO-EXPORT')).toBe(0xffffff01));

  test.each(['', '65536:1', '1:65536', '1', '1:2:3', '-1:1', 'no-such', '1:'])('refuses %j', (text) => {
    expect(parseCommunity(text)).toBeUndefined();
  });

  test('any is read back', () => {
    fc.assert(fc.property(u32, (value) => void expect(parseCommunity(formatCommunity(value))).toBe(value)));
  });
});

describe('large communities', () => {
  test('any is read back', () => {
    fc.assert(
      fc.property(u32, u32, u32, (globalAdmin, local1, local2) => {
        const value = { globalAdmin, local1, local2 };
        expect(parseLargeCommunity(formatLargeCommunity(value))).toEqual(value);
      }),
    );
  });

  test.each(['', '1:2', '1:2:3:4', '4294967296:0:0', '01:2:3', '1:-2:3', '1:2:x'])('refuses %j', (text) => {
    expect(parseLargeCommunity(text)).toBeUndefined();
  });
});

describe('extended communities', () => {
  test.each([
    ['rt:65000:100', '0002fde800000064'],
    ['soo:1:4294967295', '00030001ffffffff'],
    ['rt:192.0.2.1:7', '0102c00002010007'],
    ['rt:65536:8', '0202000100000008'],
    ['soo:65000L:8', '02030000fde80008'],
    ['0x8006000042c80000', '8006000042c80000'],
  ])('%s', (text, octets) => {
    const value = parseExtendedCommunity(text);
    expect(value && toHex(value)).toBe(octets);
    expect(value && formatExtendedCommunity(value)).toBe(text);
  });

  test.each(['', 'rt:1', 'rt:65536:65536', 'rt:1:4294967296', 'rt:4294967296:1', 'rt:1.2.3.256:1', 'xx:1:1', '0x00'])(
    'refuses %j',
    (text) => {
      expect(parseExtendedCommunity(text)).toBeUndefined();
    },
  );

  test('any is read back', () => {
    const octets = fc.tuple(
      fc.constantFrom(0, 1, 2, 3, 0x80),
      fc.constantFrom(2, 3, 6),
      fc.uint8Array({ minLength: 6, maxLength: 6 }),
    );
    fc.assert(
      fc.property(octets, ([type, subtype, rest]) => {
        const value = Uint8Array.of(type, subtype, ...rest);
        expect(parseExtendedCommunity(formatExtendedCommunity(value))).toEqual(value);
      }),
    );
  });
});
