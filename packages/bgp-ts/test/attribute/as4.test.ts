import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type AsPath,
  asPathLength,
  decodeAttributes,
  encodeAttributes,
  formatAsPath,
  ip,
  mergeAs4Path,
  parseAsPath,
} from '../../src/index.ts';
import { attributes } from '../support/arbitrary.ts';
import { ebgp2, ibgp2 } from '../support/contexts.ts';
import { hex } from '../support/hex.ts';

function path(text: string): AsPath {
  const value = parseAsPath(text);
  if (!value) throw new Error(`not a path: ${text}`);
  return value;
}

describe('mergeAs4Path (RFC 6793 §4.2.3)', () => {
  test.each([
    // AS_PATH, AS4_PATH, merged
    ['equal lengths', '23456 23456', '70000 80000', '70000 80000'],
    ['an old speaker in front', '1 23456 23456', '70000 80000', '1 70000 80000'],
    ['several, one sequence', '1 2 3 23456', '70000', '1 2 3 70000'],
    ['AS4_PATH longer: ignored', '1 23456', '70000 80000 90000', '1 23456'],
    ['a set counts as one', '1 {2,3} 23456', '70000', '1 {2,3} 70000'],
    ['a set in AS4_PATH counts as one', '1 {23456,3}', '{70000,3}', '1 {70000,3}'],
    ['AS4_PATH empty', '1 2', '', '1 2'],
    ['a leading confederation sequence stays', '(65001) 1 23456', '70000', '(65001) 1 70000'],
    ['also where nothing else is taken', '(65001) 23456', '70000', '(65001) 70000'],
    ['and one next to what is taken', '1 (65001) 23456', '70000', '1 (65001) 70000'],
    ['but none further back', '23456 (65001) 2', '70000 2', '70000 2'],
    ['part of a sequence', '1 2 23456 4', '70000 4', '1 2 70000 4'],
  ])('%s', (_name, asPath, as4Path, merged) => {
    expect(formatAsPath(mergeAs4Path(path(asPath), path(as4Path)))).toBe(merged);
  });

  test('never changes the length', () => {
    const segments = fc.array(
      fc.record({
        type: fc.constantFrom('sequence' as const, 'set' as const, 'confed-sequence' as const),
        asns: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
      }),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(segments, segments, (asPath, all) => {
        const as4Path = all.filter((segment) => segment.type !== 'confed-sequence');
        expect(asPathLength(mergeAs4Path(asPath, as4Path))).toBe(asPathLength(asPath));
      }),
    );
  });
});

describe('in an UPDATE of a 2-octet speaker', () => {
  // AS_PATH 1 AS_TRANS; AS4_PATH 70000; AGGREGATOR; AS4_AGGREGATOR 70000
  const asPath = '40 02 06 02 02 0001 5ba0';
  const as4Path = 'c0 11 06 02 01 00011170';
  const transAggregator = 'c0 07 06 5ba0 c0000201';
  const ownAggregator = 'c0 07 06 0002 c0000202';
  const as4Aggregator = 'c0 12 08 00011170 c0000203';
  const decode = (octets: string) => {
    const bytes = hex(octets);
    const { attributes: decoded, problems } = decodeAttributes(bytes, 0, bytes.length, ebgp2);
    return { path: decoded.asPath && formatAsPath(decoded.asPath), aggregator: decoded.aggregator, problems };
  };

  test.each([
    ['path only', asPath + as4Path, '1 70000', undefined],
    ['AS4_PATH alone', as4Path, undefined, undefined],
    [
      'both, aggregator AS_TRANS',
      asPath + transAggregator + as4Path + as4Aggregator,
      '1 70000',
      { asn: 70000, address: ip('192.0.2.3') },
    ],
    [
      'aggregated anew: the AS4 attributes are void',
      asPath + ownAggregator + as4Path + as4Aggregator,
      '1 23456',
      { asn: 2, address: ip('192.0.2.2') },
    ],
    [
      'AGGREGATOR alone says nothing about AS4_PATH',
      asPath + ownAggregator + as4Path,
      '1 70000',
      { asn: 2, address: ip('192.0.2.2') },
    ],
    ['AS4_AGGREGATOR alone', asPath + as4Aggregator, '1 23456', undefined],
    [
      'confederation segments in AS4_PATH are left out (§6)',
      `${asPath} c0 11 0c 03 01 0000fde9 02 01 00011170`,
      '1 70000',
      undefined,
    ],
    ['a malformed AS4_PATH is dropped', `${asPath} c0 11 05 02 01 000111`, '1 23456', undefined],
  ])('%s', (_name, octets, wantedPath, aggregator) => {
    const decoded = decode(octets);
    expect([decoded.path, decoded.aggregator]).toEqual([wantedPath, aggregator]);
  });

  test('what we send, we read back', () => {
    fc.assert(
      fc.property(attributes, (value) => {
        const bytes = encodeAttributes(value, ibgp2);
        expect(decodeAttributes(bytes, 0, bytes.length, ibgp2)).toMatchObject({ attributes: value, problems: [] });
      }),
    );
  });

  test('AS4 attributes are sent only where needed, without confederation segments', () => {
    const codes = (value: Parameters<typeof encodeAttributes>[0]) => {
      const bytes = encodeAttributes(value, ibgp2);
      const found: number[] = [];
      for (let at = 0; at < bytes.length; at += 3 + (bytes[at + 2] as number)) found.push(bytes[at + 1] as number);
      return found;
    };
    const address = ip('192.0.2.1');
    expect(codes({ asPath: path('1 2'), aggregator: { asn: 3, address } })).toEqual([2, 7]);
    expect(codes({ asPath: path('1 70000'), aggregator: { asn: 3, address } })).toEqual([2, 7, 17]);
    expect(codes({ asPath: path('1 2'), aggregator: { asn: 70000, address } })).toEqual([2, 7, 18]);
    expect(codes({ asPath: path('(70000) 1') })).toEqual([2]);
  });
});
