import type { Expected } from './vector.ts';

/** Where a row of `vectors/messages.jsonl` is decoded to something other than its `expect`, and why that is right. */
export interface Judgement {
  readonly why: string;
  /** Code and subcode of the NOTIFICATION. */
  readonly error?: readonly [number, number];
  /** Action and attribute of each problem, in order. */
  readonly problems?: readonly string[];
  /** Replaces attributes of `expect`; `undefined` removes one. */
  readonly attrs?: Expected;
}

interface Group extends Judgement {
  readonly rows: readonly string[];
}

const sequence = (...asns: number[]) => ({ as_path: [{ type: 'seq', asns }], as4_path: undefined });
const merged = 'AS4_PATH takes the place of AS_TRANS and what follows it in AS_PATH (RFC 6793 §4.2.3)';
const noFlags = { origin: undefined, as_path: undefined, next_hop: undefined };

const groups: readonly Group[] = [
  {
    why: 'a loopback or reserved next hop is no host address: RFC 4271 §6.3, RFC 7606 §3 e',
    rows: ['qa/api/api-healthcheck-module.ci:3', 'qa/encoding/conf-attributes.ci:10'],
    problems: ['treat-as-withdraw NEXT_HOP'],
    attrs: { next_hop: undefined },
  },
  {
    why: '0.0.0.0 is no host address: RFC 4271 §6.3, RFC 7606 §3 e',
    rows: [78, 230, 295].flatMap((line) =>
      [0, 1].map((n) => `protocols/bgp/server/update_sender_test.go@${line}#${n}`),
    ),
    problems: ['treat-as-withdraw NEXT_HOP'],
    attrs: { next_hop: undefined },
  },
  {
    why: 'the loopback and the unspecified address are no next hops; the routes can still be told, so they are withdrawn',
    rows: [
      'qa/api/api-check.ci:8',
      'test_data/updates.20071015.1505.gz#149',
      'test_data/updates.20071015.1505.gz#150',
      'test_data/updates.20071015.1505.gz#2076',
    ],
    problems: ['treat-as-withdraw MP_REACH_NLRI'],
  },
  {
    why: 'the Optional bit is clear, so an unknown attribute claims to be well-known: RFC 4271 §6.3',
    rows: [
      'qa/encoding/conf-generic-attribute.ci:6',
      'qa/encoding/conf-generic-attribute.ci:9',
      'decoder_test.go:TestDecodeUpdateMsg@1146',
    ],
    error: [3, 2],
  },
  {
    why: 'a next hop of 4 octets for IPv6, which no RFC allows: RFC 7606 §7.11',
    rows: ['qa/encoding/extended-nexthop.ci:6'],
    error: [3, 9],
  },
  {
    why: 'NLRI without the well-known mandatory attributes: RFC 7606 §3 d',
    rows: [
      'protocols/bgp/packet/path_attributes_test.go@1965#0',
      'protocols/bgp/packet/path_attributes_test.go@2164#0',
    ],
    problems: ['treat-as-withdraw ORIGIN', 'treat-as-withdraw AS_PATH', 'treat-as-withdraw NEXT_HOP'],
  },
  {
    why: 'MP_REACH_NLRI without ORIGIN and AS_PATH: RFC 4760 §3, RFC 7606 §3 d',
    rows: ['arbitrary', 'as_based', 'l2_bridge', 'lacp'].map(
      (name) => `ryu/tests/packet_data/bgp4/evpn_esi_${name}.pcap:stream0@0`,
    ),
    problems: ['treat-as-withdraw ORIGIN', 'treat-as-withdraw AS_PATH'],
  },
  {
    why: 'flags contradict the type codes: RFC 7606 §3 c',
    rows: ['protocols/bgp/server/bmp_receiver_test.go@234#0', 'protocols/bgp/server/bmp_receiver_test.go@326#0'],
    problems: ['treat-as-withdraw NEXT_HOP', 'treat-as-withdraw ORIGIN', 'treat-as-withdraw AS_PATH'],
    attrs: noFlags,
  },
  {
    why: 'flags contradict the type codes: RFC 7606 §3 c',
    rows: ['decoder_test.go:TestDecodeUpdateMsg@963'],
    problems: [
      'treat-as-withdraw ORIGIN',
      'treat-as-withdraw AS_PATH',
      'treat-as-withdraw NEXT_HOP',
      'treat-as-withdraw MULTI_EXIT_DISC',
      'treat-as-withdraw LOCAL_PREF',
      'treat-as-withdraw ATOMIC_AGGREGATE',
      'treat-as-withdraw AGGREGATOR',
    ],
    attrs: { ...noFlags, med: undefined, local_pref: undefined, atomic_aggregate: undefined, aggregator: undefined },
  },
  {
    why: 'flags contradict the type codes, and with attributes but no announced routes that resets: RFC 7606 §3 c, §5.2',
    rows: [441, 550, 634, 731, 841, 1164, 1183].map((line) => `decoder_test.go:TestDecodeUpdateMsg@${line}`),
    error: [3, 4],
  },
  {
    why: 'AS_PATH overruns by one octet, which then stands in the NLRI field as the length 248: the stronger error wins',
    rows: ['decoder_test.go:TestDecodeUpdateMsg@529'],
    error: [3, 10],
  },
  {
    why: 'BoRR and EoRR have exactly 4 octets: RFC 7313 §5',
    rows: ['src/parser/bgp/messages.rs@950#0'],
    error: [7, 1],
  },
  {
    why: 'multicast is a family of its own, kept as octets',
    rows: ['test_data/updates.20070211.0141.gz#1340'],
    attrs: { mp_reach: { afi: 1, safi: 2, next_hop_hex: 'c342e08a', nlri_hex: '18c00c87' } },
  },
  {
    why: 'multicast is a family of its own, kept as octets',
    rows: ['test_data/updates.20070211.0141.gz#1341'],
    attrs: { mp_unreach: { afi: 1, safi: 2, nlri_hex: '18c00c87' } },
  },
  ...(
    [
      [89, sequence(5385, 3356, 2914, 4230, 262685)],
      [139, sequence(3303, 2914, 4230, 262685)],
      [264, sequence(5385, 3356, 4230, 262685)],
      [2013, sequence(39912, 3549, 1299, 13237, 13237, 25394, 16152, 196817)],
      [2036, sequence(8514, 196817)],
      [2083, sequence(5385, 8514, 196817)],
      [2084, sequence(5385, 3356, 1239, 4230, 262685)],
      [2106, sequence(8596, 174, 1239, 4230, 262685)],
      [2118, sequence(8596, 8514, 196817)],
      [2140, sequence(3303, 6830, 8514, 196817)],
    ] as const
  ).map(([n, attrs]) => ({ why: merged, rows: [`test_data/updates.20100722.2015.gz#${n}`], attrs })),
  ...(
    [
      [220, sequence(28220, 28220, 12956, 3257, 1103, 1125, 196613, 12654)],
      [237, sequence(28220, 28220, 12956, 6453, 1103, 1125, 196613, 12654)],
      [279, sequence(27664, 16735, 12956, 3257, 1103, 1125, 196613, 12654)],
    ] as const
  ).map(([n, attrs]) => ({
    why: merged,
    rows: [`tests/fixtures/ripe/rrc15/2010.02/updates.20100227.1600.gz#${n}`],
    attrs,
  })),
];

/** Judgements by the `name` of the row. */
export const judgements: ReadonlyMap<string, Judgement> = new Map(
  groups.flatMap(({ rows, ...judgement }) => rows.map((row) => [row, judgement] as const)),
);
