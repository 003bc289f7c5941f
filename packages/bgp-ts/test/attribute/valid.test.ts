import { describe, expect, test } from 'vitest';
import {
  AS_TRANS,
  attributeByCode,
  attributeRows,
  attributeTable,
  decodeAttributes,
  encodeAttributes,
  formatAttributes,
  ip,
  type PathAttributes,
  type SessionContext,
} from '../../src/index.ts';
import { confed, ebgp, ebgp2, ibgp } from '../support/contexts.ts';
import { hex } from '../support/hex.ts';

interface Valid {
  readonly name: string;
  readonly context?: SessionContext;
  /** Flags, type, length, value. */
  readonly octets: string;
  readonly value: PathAttributes;
  readonly text: string;
}

const valid: readonly Valid[] = [
  { name: 'ORIGIN IGP', octets: '40 01 01 00', value: { origin: 0 }, text: 'IGP' },
  { name: 'ORIGIN EGP', octets: '40 01 01 01', value: { origin: 1 }, text: 'EGP' },
  { name: 'ORIGIN incomplete', octets: '40 01 01 02', value: { origin: 2 }, text: 'incomplete' },
  { name: 'AS_PATH empty', octets: '40 02 00', value: { asPath: [] }, text: '' },
  {
    name: 'AS_PATH of a sequence and a set',
    octets: '40 02 10  02 02 0000fde8 00010000  01 01 0000fc00',
    value: {
      asPath: [
        { type: 'sequence', asns: [65000, 65536] },
        { type: 'set', asns: [64512] },
      ],
    },
    text: '65000 65536 {64512}',
  },
  {
    // From bio-rd's tests (bmp_receiver_test.go), with the flags corrected.
    name: 'AS_PATH with 2 octets',
    context: ebgp2,
    octets: '40 02 0c  02 02 3b41 0cf8  01 02 3b41 0cf8',
    value: {
      asPath: [
        { type: 'sequence', asns: [15169, 3320] },
        { type: 'set', asns: [15169, 3320] },
      ],
    },
    text: '15169 3320 {15169,3320}',
  },
  {
    name: 'AS_PATH within a confederation',
    context: confed,
    octets: '40 02 10  03 01 0000fde9  04 02 0000fdea 0000fdeb',
    value: {
      asPath: [
        { type: 'confed-sequence', asns: [65001] },
        { type: 'confed-set', asns: [65002, 65003] },
      ],
    },
    text: '(65001) [65002,65003]',
  },
  {
    name: 'NEXT_HOP',
    octets: '40 03 04 c0000201',
    value: { nextHop: ip('192.0.2.1') },
    text: '192.0.2.1',
  },
  { name: 'MULTI_EXIT_DISC', octets: '80 04 04 ffffffff', value: { med: 0xffffffff }, text: '4294967295' },
  { name: 'LOCAL_PREF', context: ibgp, octets: '40 05 04 00000064', value: { localPref: 100 }, text: '100' },
  { name: 'ATOMIC_AGGREGATE', octets: '40 06 00', value: { atomicAggregate: true }, text: 'yes' },
  {
    name: 'AGGREGATOR',
    octets: 'c0 07 08 00010000 c0000201',
    value: { aggregator: { asn: 65536, address: ip('192.0.2.1') } },
    text: '65536 192.0.2.1',
  },
  {
    name: 'AGGREGATOR with 2 octets',
    context: ebgp2,
    octets: 'c0 07 06 fde8 c0000201',
    value: { aggregator: { asn: 65000, address: ip('192.0.2.1') } },
    text: '65000 192.0.2.1',
  },
  {
    name: 'COMMUNITIES',
    octets: 'c0 08 08 fde80001 ffffff01',
    value: { communities: [0xfde80001, 0xffffff01] },
    text: '65000:1 no-export',
  },
  {
    name: 'COMMUNITIES with the Partial bit',
    octets: 'e0 08 04 00000000',
    value: { communities: [0], partial: [8] },
    text: '0:0',
  },
  {
    name: 'ORIGINATOR_ID',
    context: ibgp,
    octets: '80 09 04 c0000201',
    value: { originatorId: ip('192.0.2.1') },
    text: '192.0.2.1',
  },
  {
    name: 'CLUSTER_LIST',
    context: ibgp,
    octets: '80 0a 08 00000001 c0000201',
    value: { clusterList: [ip('0.0.0.1'), ip('192.0.2.1')] },
    text: '0.0.0.1 192.0.2.1',
  },
  {
    name: 'EXTENDED_COMMUNITIES',
    octets: 'c0 10 20  0002fde800000064  0103c00002010007  0202000100000008  8006000042c80000',
    value: {
      extendedCommunities: ['0002fde800000064', '0103c00002010007', '0202000100000008', '8006000042c80000'].map(hex),
    },
    text: 'rt:65000:100 soo:192.0.2.1:7 rt:65536:8 0x8006000042c80000',
  },
  {
    name: 'LARGE_COMMUNITY',
    octets: 'c0 20 0c 00010000 00000001 ffffffff',
    value: { largeCommunities: [{ globalAdmin: 65536, local1: 1, local2: 0xffffffff }] },
    text: '65536:1:4294967295',
  },
  // RFC 7311 §3: TLVs of type, length with both, value; type 1 is the metric
  { name: 'AIGP', octets: '80 1a 0b  01 000b 0000000000000064', value: { aigp: { metric: 100n } }, text: '100' },
  {
    name: 'AIGP above 32 bits, and other TLVs behind it',
    octets: '80 1a 1b  01 000b fffffffffffffffe  01 000b 0000000000000001  02 0005 abcd',
    value: { aigp: { metric: 0xffff_ffff_ffff_fffen, further: hex('01000b0000000000000001 020005abcd') } },
    text: '18446744073709551614',
  },
  { name: 'ONLY_TO_CUSTOMER', octets: 'c0 23 04 0000fde8', value: { onlyToCustomer: 65000 }, text: '65000' },
  {
    name: 'unknown optional transitive',
    octets: 'c0 c8 03 010203',
    value: { unknown: [{ flags: 0xc0, code: 200, value: hex('010203') }] },
    text: 'flags 0xc0, 3 octets',
  },
  {
    name: 'unknown optional, Partial, empty',
    octets: 'a0 c8 00',
    value: { unknown: [{ flags: 0xa0, code: 200, value: hex('') }] },
    text: 'flags 0xa0, 0 octets',
  },
  {
    name: 'a long value',
    octets: `d0 c8 0100 ${'ab'.repeat(256)}`,
    value: { unknown: [{ flags: 0xc0, code: 200, value: new Uint8Array(256).fill(0xab) }] },
    text: 'flags 0xc0, 256 octets',
  },
];

describe.each(valid)('$name', ({ context = ebgp, octets, value, text }) => {
  const bytes = hex(octets);

  test('decodes', () => {
    const decoded = decodeAttributes(bytes, 0, bytes.length, context);
    expect(decoded).toEqual({ attributes: value, count: 1, problems: [] });
  });

  test('encodes', () => {
    expect(encodeAttributes(value, context)).toEqual(bytes);
  });

  test('prints', () => {
    expect(formatAttributes(value).map((line) => line.text)).toEqual([text]);
  });

  test('cut short anywhere: one problem, no exception', () => {
    for (let end = 1; end < bytes.length; end++) {
      const { problems } = decodeAttributes(bytes, 0, end, context);
      expect(problems.map((problem) => problem.action)).toEqual(['treat-as-withdraw']);
    }
  });
});

test('the table lists every code once, under the field of the codec', () => {
  expect(attributeRows().map((row) => row.codec.code)).toEqual(
    [...new Set(attributeRows().map((row) => row.codec.code))].sort((a, b) => a - b),
  );
  for (const row of attributeRows()) {
    expect(attributeTable[row.field]).toBe(row.codec);
    expect(attributeByCode(row.codec.code)).toBe(row);
  }
  expect(attributeByCode(200)).toBeUndefined();
});

test('low flag bits and the extended length on a short value are ignored on receipt', () => {
  const bytes = hex('5f 01 0001 00');
  const decoded = decodeAttributes(bytes, 0, bytes.length, ebgp);
  expect(decoded.attributes).toEqual({ origin: 0 });
  expect(encodeAttributes(decoded.attributes, ebgp)).toEqual(hex('40 01 01 00'));
});

test('any order in, by type code out', () => {
  const bytes = hex('80 c8 01 ff  c0 08 04 00000001  40 02 00  c0 14 00  40 01 01 00');
  const { attributes, problems } = decodeAttributes(bytes, 0, bytes.length, ebgp);
  expect(problems).toEqual([]);
  expect(encodeAttributes(attributes, ebgp)).toEqual(
    hex('40 01 01 00  40 02 00  c0 08 04 00000001  c0 14 00  80 c8 01 ff'),
  );
});

test('decoded attributes own their octets', () => {
  const bytes = hex('c0 c8 01 01  40 03 04 c0000201  c0 10 08 0002fde800000064');
  const { attributes } = decodeAttributes(bytes, 0, bytes.length, ebgp);
  const before = structuredClone(attributes);
  bytes.fill(0);
  expect(attributes).toEqual(before);
});

test('a range within a larger buffer', () => {
  const bytes = hex('ffff 40 01 01 02 ffff');
  expect(decodeAttributes(bytes, 2, 6, ebgp)).toEqual({ attributes: { origin: 2 }, count: 1, problems: [] });
  expect(() => decodeAttributes(bytes, 2, 99, ebgp)).toThrow(RangeError);
});

test('AS_PATH segments above 255 are split', () => {
  const asns = Array.from({ length: 300 }, (_, i) => i + 1);
  const bytes = encodeAttributes({ asPath: [{ type: 'sequence', asns }] }, ebgp);
  const { attributes } = decodeAttributes(bytes, 0, bytes.length, ebgp);
  expect(attributes.asPath).toEqual([
    { type: 'sequence', asns: asns.slice(0, 255) },
    { type: 'sequence', asns: asns.slice(255) },
  ]);
});

test('repeated large communities are dropped (RFC 8092 §3)', () => {
  const bytes = hex('c0 20 18  00000001 00000002 00000003  00000001 00000002 00000003');
  const { attributes, problems } = decodeAttributes(bytes, 0, bytes.length, ebgp);
  expect(attributes.largeCommunities).toEqual([{ globalAdmin: 1, local1: 2, local2: 3 }]);
  expect(problems).toEqual([]);
});

test.each<[string, PathAttributes]>([
  ['an extended community of 7 octets', { extendedCommunities: [new Uint8Array(7)] }],
  ['a known code as unknown', { unknown: [{ flags: 0xc0, code: 8, value: hex('') }] }],
  ['a value above 65535 octets', { unknown: [{ flags: 0xc0, code: 200, value: new Uint8Array(65536) }] }],
])('cannot be written: %s', (_name, value) => {
  expect(() => encodeAttributes(value, ebgp)).toThrow(RangeError);
});

test('an IPv6 next hop makes no NEXT_HOP, and IPv4 none where it is not wanted', () => {
  expect(encodeAttributes({ origin: 0, nextHop: ip('2001:db8::1') }, ebgp)).toEqual(hex('40 01 01 00'));
  expect(encodeAttributes({ nextHop: ip('192.0.2.1') }, ebgp, { omitNextHop: true })).toEqual(hex(''));
});

test('AS_TRANS stands for what does not fit', () => {
  expect(encodeAttributes({ asPath: [{ type: 'sequence', asns: [65536, 1] }] }, ebgp2)).toEqual(
    hex(`40 02 06 02 02 ${AS_TRANS.toString(16)} 0001   c0 11 0a 02 02 00010000 00000001`),
  );
});
