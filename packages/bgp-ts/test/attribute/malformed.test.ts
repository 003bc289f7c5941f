import { describe, expect, test } from 'vitest';
import { decodeAttributes, type ErrorAction, type SessionContext, UpdateScan } from '../../src/index.ts';
import { expectAgreement } from '../support/agreement.ts';
import { confed, ebgp, ebgp2, extendedNextHop, ibgp } from '../support/contexts.ts';
import { hex } from '../support/hex.ts';

interface Malformed {
  readonly name: string;
  readonly context?: SessionContext;
  readonly octets: string;
  readonly action: ErrorAction;
  /** Subcode of UPDATE Message Error. */
  readonly subcode: number;
  readonly rfc: string;
}

const withdraw = 'treat-as-withdraw' as const;
const discard = 'attribute-discard' as const;
const reset = 'session-reset' as const;
const disable = 'disable-family' as const;
const v6 = '20010db8000000000000000000000001';

const malformed: readonly Malformed[] = [
  // RFC 7606 §7.1
  { name: 'ORIGIN of 2 octets', octets: '40 01 02 0000', action: withdraw, subcode: 5, rfc: '7606 §7.1' },
  { name: 'ORIGIN without value', octets: '40 01 00', action: withdraw, subcode: 5, rfc: '7606 §4' },
  { name: 'ORIGIN 3', octets: '40 01 01 03', action: withdraw, subcode: 6, rfc: '7606 §7.1' },
  // §7.2
  {
    name: 'AS_PATH segment type 0',
    octets: '40 02 06 00 01 00000001',
    action: withdraw,
    subcode: 11,
    rfc: '7606 §7.2',
  },
  {
    name: 'AS_PATH segment type 5',
    octets: '40 02 06 05 01 00000001',
    action: withdraw,
    subcode: 11,
    rfc: '7606 §7.2',
  },
  {
    name: 'AS_PATH segment overrun',
    octets: '40 02 06 02 02 00000001',
    action: withdraw,
    subcode: 11,
    rfc: '7606 §7.2',
  },
  { name: 'AS_PATH underrun', octets: '40 02 07 02 01 00000001 02', action: withdraw, subcode: 11, rfc: '7606 §7.2' },
  { name: 'AS_PATH empty segment', octets: '40 02 02 02 00', action: withdraw, subcode: 11, rfc: '7606 §7.2' },
  { name: 'AS_PATH with AS 0', octets: '40 02 06 02 01 00000000', action: withdraw, subcode: 11, rfc: '7607 §2' },
  {
    name: 'AS_PATH of 2-octet numbers',
    octets: '40 02 04 02 01 fde8',
    action: withdraw,
    subcode: 11,
    rfc: '7606 §7.2',
  },
  {
    name: 'AS_PATH of 4-octet numbers to a 2-octet speaker',
    context: ebgp2,
    octets: '40 02 06 02 01 0000fde8',
    action: withdraw,
    subcode: 11,
    rfc: '7606 §7.2',
  },
  {
    name: 'AS_PATH confederation segment from outside',
    octets: '40 02 06 03 01 00000001',
    action: withdraw,
    subcode: 11,
    rfc: '5065 §5.3',
  },
  // §7.3
  { name: 'NEXT_HOP of 3 octets', octets: '40 03 03 c00002', action: withdraw, subcode: 5, rfc: '7606 §7.3' },
  { name: 'NEXT_HOP of 16 octets', octets: `40 03 10 ${v6}`, action: withdraw, subcode: 5, rfc: '7606 §7.3' },
  { name: 'NEXT_HOP 0.0.0.0', octets: '40 03 04 00000000', action: withdraw, subcode: 8, rfc: '7606 §3 e' },
  { name: 'NEXT_HOP 127.0.0.1', octets: '40 03 04 7f000001', action: withdraw, subcode: 8, rfc: '7606 §3 e' },
  { name: 'NEXT_HOP multicast', octets: '40 03 04 e0000001', action: withdraw, subcode: 8, rfc: '7606 §3 e' },
  { name: 'NEXT_HOP broadcast', octets: '40 03 04 ffffffff', action: withdraw, subcode: 8, rfc: '7606 §3 e' },
  // §7.4
  { name: 'MED of 3 octets', octets: '80 04 03 000001', action: withdraw, subcode: 5, rfc: '7606 §7.4' },
  { name: 'MED of 5 octets', octets: '80 04 05 0000000001', action: withdraw, subcode: 5, rfc: '7606 §7.4' },
  // §7.5
  { name: 'LOCAL_PREF from outside', octets: '40 05 04 00000064', action: discard, subcode: 9, rfc: '7606 §7.5' },
  { name: 'LOCAL_PREF from outside, malformed', octets: '40 05 01 64', action: discard, subcode: 9, rfc: '7606 §7.5' },
  {
    name: 'LOCAL_PREF of 3 octets',
    context: ibgp,
    octets: '40 05 03 000064',
    action: withdraw,
    subcode: 5,
    rfc: '7606 §7.5',
  },
  // §7.6
  { name: 'ATOMIC_AGGREGATE with a value', octets: '40 06 01 00', action: discard, subcode: 5, rfc: '7606 §7.6' },
  // §7.7
  { name: 'AGGREGATOR of 6 octets', octets: 'c0 07 06 fde8 c0000201', action: discard, subcode: 5, rfc: '7606 §7.7' },
  {
    name: 'AGGREGATOR of 8 octets from a 2-octet speaker',
    context: ebgp2,
    octets: 'c0 07 08 0000fde8 c0000201',
    action: discard,
    subcode: 5,
    rfc: '7606 §7.7',
  },
  { name: 'AGGREGATOR AS 0', octets: 'c0 07 08 00000000 c0000201', action: discard, subcode: 9, rfc: '7607 §2' },
  { name: 'AGGREGATOR without value', octets: 'c0 07 00', action: discard, subcode: 5, rfc: '7606 §4' },
  // §7.8; the first two from bio-rd's tests (decoder_test.go)
  { name: 'COMMUNITIES of 3 octets', octets: 'c0 08 03 000001', action: withdraw, subcode: 9, rfc: '7606 §7.8' },
  { name: 'COMMUNITIES of 5 octets', octets: 'c0 08 05 0000000101', action: withdraw, subcode: 9, rfc: '7606 §7.8' },
  { name: 'COMMUNITIES without value', octets: 'c0 08 00', action: withdraw, subcode: 5, rfc: '7606 §7.8' },
  // §7.9
  { name: 'ORIGINATOR_ID from outside', octets: '80 09 04 c0000201', action: discard, subcode: 9, rfc: '7606 §7.9' },
  {
    name: 'ORIGINATOR_ID of 5',
    context: ibgp,
    octets: '80 09 05 c000020100',
    action: withdraw,
    subcode: 5,
    rfc: '7606 §7.9',
  },
  // §7.10
  { name: 'CLUSTER_LIST from outside', octets: '80 0a 04 c0000201', action: discard, subcode: 9, rfc: '7606 §7.10' },
  {
    name: 'CLUSTER_LIST of 6',
    context: ibgp,
    octets: '80 0a 06 c00002010000',
    action: withdraw,
    subcode: 9,
    rfc: '7606 §7.10',
  },
  {
    name: 'CLUSTER_LIST without value',
    context: ibgp,
    octets: '80 0a 00',
    action: withdraw,
    subcode: 5,
    rfc: '7606 §7.10',
  },
  // §7.11 and §5.3
  { name: 'MP_REACH without value', octets: '80 0e 00', action: reset, subcode: 5, rfc: '7606 §7.11' },
  { name: 'MP_REACH of 4 octets', octets: '80 0e 04 0002 01 10', action: disable, subcode: 9, rfc: '7606 §7.11' },
  {
    name: 'MP_REACH next hop past the end',
    octets: '80 0e 06 0002 01 10 2001',
    action: disable,
    subcode: 9,
    rfc: '7606 §7.11',
  },
  {
    name: 'MP_REACH without reserved octet',
    octets: `80 0e 14 0002 01 10 ${v6}`,
    action: disable,
    subcode: 9,
    rfc: '7606 §7.11',
  },
  {
    name: 'MP_REACH IPv6 by 4 octets',
    octets: '80 0e 09 0002 01 04 c0000201 00',
    action: disable,
    subcode: 9,
    rfc: '7606 §7.11',
  },
  {
    name: 'MP_REACH IPv6 by 24 octets',
    octets: `80 0e 1d 0002 01 18 ${'00'.repeat(8)} ${v6} 00`,
    action: disable,
    subcode: 9,
    rfc: '7606 §7.11',
  },
  {
    name: 'MP_REACH IPv4 by 16 octets',
    octets: `80 0e 15 0001 01 10 ${v6} 00`,
    action: disable,
    subcode: 9,
    rfc: '7606 §7.11',
  },
  {
    name: 'MP_REACH prefix of 129 bits',
    octets: `80 0e 27 0002 01 10 ${v6} 00 81 ${'00'.repeat(17)}`,
    action: disable,
    subcode: 9,
    rfc: '7606 §5.3',
  },
  {
    name: 'MP_REACH prefix past the end',
    octets: `80 0e 17 0002 01 10 ${v6} 00 40 20`,
    action: disable,
    subcode: 9,
    rfc: '7606 §5.3',
  },
  {
    name: 'MP_REACH next hop ::',
    octets: `80 0e 15 0002 01 10 ${'00'.repeat(16)} 00`,
    action: withdraw,
    subcode: 8,
    rfc: '7606 §3 e',
  },
  {
    name: 'MP_REACH next hop ::1',
    octets: `80 0e 15 0002 01 10 ${'00'.repeat(15)}01 00`,
    action: withdraw,
    subcode: 8,
    rfc: '7606 §3 e',
  },
  {
    name: 'MP_REACH next hop ::1 before a link-local one',
    octets: `80 0e 25 0002 01 20 ${'00'.repeat(15)}01 fe80${'00'.repeat(13)}01 00`,
    action: withdraw,
    subcode: 8,
    rfc: '7606 §3 e',
  },
  {
    name: 'MP_REACH next hop :: before a global one',
    octets: `80 0e 25 0002 01 20 ${'00'.repeat(16)} ${v6} 00`,
    action: withdraw,
    subcode: 8,
    rfc: '7606 §3 e',
  },
  {
    name: 'MP_REACH next hop ff02::1',
    octets: `80 0e 15 0002 01 10 ff02${'00'.repeat(13)}01 00`,
    action: withdraw,
    subcode: 8,
    rfc: '7606 §3 e',
  },
  {
    name: 'MP_REACH IPv4 next hop 0.0.0.0',
    octets: '80 0e 09 0001 01 04 00000000 00',
    action: withdraw,
    subcode: 8,
    rfc: '7606 §3 e',
  },
  // §7.12
  { name: 'MP_UNREACH without value', octets: '80 0f 00', action: reset, subcode: 5, rfc: '7606 §7.12' },
  { name: 'MP_UNREACH of 2 octets', octets: '80 0f 02 0002', action: reset, subcode: 9, rfc: '7606 §7.12' },
  {
    name: 'MP_UNREACH prefix past the end',
    octets: '80 0f 05 0002 01 40 20',
    action: disable,
    subcode: 9,
    rfc: '7606 §5.3',
  },
  {
    name: 'MP_UNREACH IPv4 prefix of 33 bits',
    octets: '80 0f 09 0001 01 21 0a00000000',
    action: disable,
    subcode: 9,
    rfc: '7606 §5.3',
  },
  // §7.14
  {
    name: 'EXTENDED_COMMUNITIES of 9',
    octets: 'c0 10 09 000200010000000100',
    action: withdraw,
    subcode: 9,
    rfc: '7606 §7.14',
  },
  { name: 'EXTENDED_COMMUNITIES without value', octets: 'c0 10 00', action: withdraw, subcode: 5, rfc: '7606 §7.14' },
  // RFC 6793 §4.1, §6
  {
    name: 'AS4_PATH with 4-octet AS',
    octets: 'c0 11 06 02 01 00010000',
    action: discard,
    subcode: 9,
    rfc: '6793 §4.1',
  },
  {
    name: 'AS4_AGGREGATOR with 4-octet AS',
    octets: 'c0 12 08 00010000 c0000201',
    action: discard,
    subcode: 9,
    rfc: '6793 §4.1',
  },
  {
    name: 'AS4_PATH segment type 9',
    context: ebgp2,
    octets: 'c0 11 06 09 01 00010000',
    action: discard,
    subcode: 11,
    rfc: '6793 §6',
  },
  { name: 'AS4_PATH without value', context: ebgp2, octets: 'c0 11 00', action: discard, subcode: 5, rfc: '6793 §6' },
  {
    name: 'AS4_PATH with AS 0',
    context: ebgp2,
    octets: 'c0 11 06 02 01 00000000',
    action: discard,
    subcode: 11,
    rfc: '7607 §2',
  },
  {
    name: 'AS4_AGGREGATOR of 6',
    context: ebgp2,
    octets: 'c0 12 06 fde8 c0000201',
    action: discard,
    subcode: 5,
    rfc: '6793 §6',
  },
  {
    name: 'AS4_AGGREGATOR AS 0',
    context: ebgp2,
    octets: 'c0 12 08 00000000 c0000201',
    action: discard,
    subcode: 9,
    rfc: '7607 §2',
  },
  // RFC 8092 §6, RFC 9234 §5
  {
    name: 'LARGE_COMMUNITY of 13',
    octets: `c0 20 0d ${'00'.repeat(13)}`,
    action: withdraw,
    subcode: 9,
    rfc: '8092 §6',
  },
  { name: 'LARGE_COMMUNITY without value', octets: 'c0 20 00', action: withdraw, subcode: 5, rfc: '8092 §6' },
  { name: 'ONLY_TO_CUSTOMER of 3', octets: 'c0 23 03 00fde8', action: withdraw, subcode: 5, rfc: '9234 §5' },
  // RFC 7311 §3
  { name: 'AIGP without value', octets: '80 1a 00', action: discard, subcode: 5, rfc: '7606 §4' },
  { name: 'AIGP of another TLV', octets: '80 1a 04 02 0004 00', action: discard, subcode: 9, rfc: '7311 §3' },
  {
    name: 'AIGP with a metric of 7 octets',
    octets: '80 1a 0a 01 000a 00000000000001',
    action: discard,
    subcode: 9,
    rfc: '7311 §3',
  },
  {
    name: 'AIGP with a TLV that does not fit',
    octets: '80 1a 0b 01 000c 0000000000000001',
    action: discard,
    subcode: 9,
    rfc: '7311 §3',
  },
  {
    name: 'AIGP with a TLV shorter than its head',
    octets: '80 1a 0e 01 000b 0000000000000001 02 0002',
    action: discard,
    subcode: 9,
    rfc: '7311 §3',
  },
  {
    name: 'AIGP with octets left over',
    octets: '80 1a 0d 01 000b 0000000000000001 0200',
    action: discard,
    subcode: 9,
    rfc: '7311 §3',
  },
  { name: 'AIGP of 2^64-1', octets: '80 1a 0b 01 000b ffffffffffffffff', action: discard, subcode: 9, rfc: '7311 §3' },
  // RFC 7606 §3 c
  { name: 'ORIGIN optional', octets: 'c0 01 01 00', action: withdraw, subcode: 4, rfc: '7606 §3 c' },
  { name: 'AS_PATH not transitive', octets: '00 02 00', action: withdraw, subcode: 4, rfc: '7606 §3 c' },
  { name: 'MED transitive', octets: 'c0 04 04 00000001', action: withdraw, subcode: 4, rfc: '7606 §3 c' },
  { name: 'ATOMIC_AGGREGATE optional', octets: 'c0 06 00', action: withdraw, subcode: 4, rfc: '7606 §3 c' },
  {
    name: 'AGGREGATOR well-known',
    octets: '40 07 08 0000fde8 c0000201',
    action: withdraw,
    subcode: 4,
    rfc: '7606 §3 c',
  },
  { name: 'COMMUNITIES not transitive', octets: '80 08 04 00000001', action: withdraw, subcode: 4, rfc: '7606 §3 c' },
  {
    name: 'MP_REACH transitive',
    octets: `c0 0e 15 0002 01 10 ${v6} 00`,
    action: withdraw,
    subcode: 4,
    rfc: '7606 §3 c',
  },
  { name: 'MP_UNREACH well-known', octets: '00 0f 03 0002 01', action: withdraw, subcode: 4, rfc: '7606 §3 c' },
  // RFC 4271 §6.3
  { name: 'unknown well-known', octets: '40 c8 01 00', action: reset, subcode: 2, rfc: '4271 §6.3' },
  // RFC 7606 §4
  { name: 'a flags octet alone', octets: '40', action: withdraw, subcode: 5, rfc: '7606 §4' },
  { name: 'a header without length', octets: '40 01', action: withdraw, subcode: 5, rfc: '7606 §4' },
  { name: 'half an extended length', octets: '50 01 00', action: withdraw, subcode: 5, rfc: '7606 §4' },
  { name: 'a value past the end', octets: '40 01 02 00', action: withdraw, subcode: 5, rfc: '7606 §4' },
  { name: 'an unknown attribute past the end', octets: 'c0 c8 02 00', action: withdraw, subcode: 5, rfc: '7606 §4' },
  { name: 'MP_REACH past the end', octets: '80 0e 40 0002 01', action: reset, subcode: 5, rfc: '7606 §3 j' },
  { name: 'MP_UNREACH past the end', octets: '80 0f 40 0002 01', action: reset, subcode: 5, rfc: '7606 §3 j' },
  { name: 'MP_UNREACH without length', octets: '80 0f', action: reset, subcode: 5, rfc: '7606 §3 j' },
];

describe.each(malformed)('$name: $action (RFC $rfc)', ({ context = ebgp, octets, action, subcode }) => {
  const bytes = hex(octets);

  test('alone', () => {
    const { problems } = decodeAttributes(bytes, 0, bytes.length, context);
    expect(
      problems.map((problem) => [problem.action, problem.notification.code, problem.notification.subcode]),
    ).toEqual([[action, 3, subcode]]);
    expect(problems[0]?.attributeCode).toBe(bytes[1] ?? 0);
    expect(problems[0]?.message).toMatch(/^(attribute \d+|[A-Z_0-9]+): ./);
  });

  test('in an UPDATE, as the scanner sees it', () => {
    const section = hex(`00 00 ${bytes.length.toString(16).padStart(4, '0')} ${octets}`);
    expectAgreement(section, context, new UpdateScan());
    expectAgreement(Uint8Array.of(...section, 8, 10), context, new UpdateScan());
  });

  test('does not hide its neighbours', () => {
    const flags = bytes[0] as number;
    const isWhole = bytes.length >= 3 && (flags & 0x10) === 0 && (bytes[2] as number) + 3 === bytes.length;
    const all = hex(`c0 fd 01 06 ${octets} ${isWhole ? 'c0 fe 01 07' : ''}`);
    const { unknown } = decodeAttributes(all, 0, all.length, context).attributes;
    const before = { flags: 0xc0, code: 253, value: hex('06') };
    const after = { flags: 0xc0, code: 254, value: hex('07') };
    expect(unknown).toEqual(isWhole ? [before, after] : [before]);
  });
});

describe('repeated attributes (RFC 7606 §3 g)', () => {
  test('the first one counts', () => {
    const bytes = hex('80 04 04 00000001  80 04 04 00000002  c0 c8 01 01  c0 c8 01 02');
    const { attributes, problems } = decodeAttributes(bytes, 0, bytes.length, ebgp);
    expect(attributes).toEqual({ med: 1, unknown: [{ flags: 0xc0, code: 200, value: hex('01') }] });
    expect(problems.map((problem) => [problem.action, problem.attributeCode])).toEqual([
      ['attribute-discard', 4],
      ['attribute-discard', 200],
    ]);
  });

  test('also where the first one was malformed', () => {
    const bytes = hex('80 04 01 01  80 04 04 00000002');
    const { attributes, problems } = decodeAttributes(bytes, 0, bytes.length, ebgp);
    expect(attributes).toEqual({});
    expect(problems.map((problem) => problem.action)).toEqual(['treat-as-withdraw', 'attribute-discard']);
  });

  test.each(['80 0f 03 0002 01', `80 0e 15 0002 01 10 ${v6} 00`])('not of %s', (octets) => {
    const bytes = hex(`${octets} ${octets}`);
    const { problems } = decodeAttributes(bytes, 0, bytes.length, ebgp);
    expect(problems.map((problem) => [problem.action, problem.notification.subcode])).toEqual([['session-reset', 1]]);
  });
});

describe('the data of the NOTIFICATION (RFC 4271 §6.3)', () => {
  const dataOf = (octets: string, context = ebgp) =>
    decodeAttributes(hex(octets), 0, hex(octets).length, context).problems[0]?.notification.data;

  test('is the attribute', () => {
    expect(dataOf('40 01 01 03')).toEqual(hex('40 01 01 03'));
    expect(dataOf('c0 01 01 00')).toEqual(hex('c0 01 01 00'));
    expect(dataOf('40 01 02 00')).toEqual(hex('40 01 02 00'));
  });

  test('is nothing for a malformed AS_PATH or list', () => {
    expect(dataOf('40 02 02 02 00')).toEqual(hex(''));
    expect(dataOf('80 0f 03 0002 01  80 0f 03 0002 01')).toEqual(hex(''));
  });
});

describe('what is fine although it looks odd', () => {
  test.each<[string, string, SessionContext]>([
    [
      'the Partial bit on a well-known attribute (RFC 7606 §3 c names Optional and Transitive only)',
      '60 01 01 00',
      ebgp,
    ],
    ['LOCAL_PREF from another member AS', '40 05 04 00000064', confed],
    ['confederation segments from an internal peer', '40 02 06 03 01 00000001', ibgp],
    ['an IPv6 next hop for IPv4 where negotiated (RFC 8950)', `80 0e 15 0001 01 10 ${v6} 00`, extendedNextHop],
    ['class A through C next hops', '40 03 04 dfffffff', ebgp],
    ['an unknown attribute without value', 'c0 c8 00', ebgp],
    ['MP_REACH of an unknown family', '80 0e 05 0019 46 00 00', ebgp],
    ['MP_REACH of an unknown family with nothing in it', '80 0e 03 0019 46', ebgp],
    ['MP_UNREACH of an unknown family', '80 0f 06 0019 46 ffffff', ebgp],
  ])('%s', (_name, octets, context) => {
    const bytes = hex(octets);
    expect(decodeAttributes(bytes, 0, bytes.length, context).problems).toEqual([]);
  });
});
