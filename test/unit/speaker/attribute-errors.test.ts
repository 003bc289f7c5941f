import { AttributeCode, attributeRows, formatPrefix, ip, type PathAttributes, prefix } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { type LabPeer, RibLab } from '../../support/rib-lab.ts';
import { base } from '../../support/table-peers.ts';

// One table for RFC 7606: every path attribute in every way it can be wrong, what becomes of the routes of the message, of other routes of
// the peer, and of the session.

const ORIGIN = '400101 00';
const AS_PATH = '400206 0201 0000fde8';
const AS_PATH_2 = '400204 0201 fde8';
const NEXT_HOP = '400304 0a000101';
const LOCAL_PREF = '400504 00000064';
const v6 = 'fd000000000000000000000000000002';

/** What becomes of the routes of the message: withdrawn, or kept without the attribute; or the NOTIFICATION that ends the session. */
type Outcome = 'withdrawn' | 'kept' | `${number}/${number}`;
interface Row {
  readonly name: string;
  readonly code: number;
  /** Beside ORIGIN, AS_PATH and NEXT_HOP, or in place of the one with the same code. */
  readonly octets: string;
  readonly outcome: Outcome;
  readonly session?: 'ibgp' | 'two-octet';
}
const { Origin, AsPath, NextHop, MultiExitDisc, LocalPref, AtomicAggregate, Aggregator, Communities } = AttributeCode;
const { OriginatorId, ClusterList, ExtendedCommunities, As4Path, As4Aggregator, Aigp } = AttributeCode;
const { LargeCommunities, OnlyToCustomer } = AttributeCode;

const rows: readonly Row[] = [
  { name: 'two octets', code: Origin, octets: '400102 0000', outcome: 'withdrawn' },
  { name: 'no octets', code: Origin, octets: '400100', outcome: 'withdrawn' },
  { name: 'value 3', code: Origin, octets: '400101 03', outcome: 'withdrawn' },
  { name: 'optional', code: Origin, octets: 'c00101 00', outcome: 'withdrawn' },
  { name: 'missing', code: Origin, octets: '', outcome: 'withdrawn' },
  { name: 'segment type 9', code: AsPath, octets: '400206 0901 0000fde8', outcome: 'withdrawn' },
  { name: 'segment past the end', code: AsPath, octets: '400206 0202 0000fde8', outcome: 'withdrawn' },
  { name: 'octet left over', code: AsPath, octets: '400207 0201 0000fde8 02', outcome: 'withdrawn' },
  { name: 'empty segment', code: AsPath, octets: '400208 0201 0000fde8 0200', outcome: 'withdrawn' },
  { name: 'AS 0 (RFC 7607)', code: AsPath, octets: '40020a 0202 0000fde8 00000000', outcome: 'withdrawn' },
  { name: 'AS_SET (RFC 9774)', code: AsPath, octets: '40020c 0201 0000fde8 0101 00000007', outcome: 'withdrawn' },
  { name: 'AS_CONFED_SEQUENCE from outside', code: AsPath, octets: '400206 0301 0000fde8', outcome: 'withdrawn' },
  { name: 'another AS in front', code: AsPath, octets: '400206 0201 0000fde9', outcome: 'withdrawn' },
  { name: 'missing', code: AsPath, octets: '', outcome: 'withdrawn' },
  { name: 'five octets', code: NextHop, octets: '400305 0a00010100', outcome: 'withdrawn' },
  { name: '0.0.0.0', code: NextHop, octets: '400304 00000000', outcome: 'withdrawn' },
  { name: 'multicast', code: NextHop, octets: '400304 e0000001', outcome: 'withdrawn' },
  { name: 'missing', code: NextHop, octets: '', outcome: 'withdrawn' },
  { name: 'three octets', code: MultiExitDisc, octets: '800403 000001', outcome: 'withdrawn' },
  { name: 'transitive', code: MultiExitDisc, octets: 'c00404 00000001', outcome: 'withdrawn' },
  { name: 'from another AS', code: LocalPref, octets: '400504 00000001', outcome: 'kept' },
  { name: 'from another AS, three octets', code: LocalPref, octets: '400503 000001', outcome: 'kept' },
  { name: 'three octets', code: LocalPref, octets: '400503 000001', outcome: 'withdrawn', session: 'ibgp' },
  { name: 'missing', code: LocalPref, octets: '', outcome: 'withdrawn', session: 'ibgp' },
  { name: 'one octet', code: AtomicAggregate, octets: '400601 00', outcome: 'kept' },
  { name: 'six octets', code: Aggregator, octets: 'c00706 fde8 0a000001', outcome: 'kept' },
  { name: 'AS 0 (RFC 7607)', code: Aggregator, octets: 'c00708 00000000 0a000001', outcome: 'kept' },
  { name: 'eight octets', code: Aggregator, octets: 'c00708 0000fde8 0a000001', outcome: 'kept', session: 'two-octet' },
  { name: 'five octets', code: Communities, octets: 'c00805 0000000100', outcome: 'withdrawn' },
  { name: 'no octets', code: Communities, octets: 'c00800', outcome: 'withdrawn' },
  { name: 'from another AS', code: OriginatorId, octets: '800904 0a000009', outcome: 'kept' },
  { name: 'five octets', code: OriginatorId, octets: '800905 0a00000900', outcome: 'withdrawn', session: 'ibgp' },
  { name: 'from another AS', code: ClusterList, octets: '800a04 0a000009', outcome: 'kept' },
  { name: 'six octets', code: ClusterList, octets: '800a06 0a0000090a00', outcome: 'withdrawn', session: 'ibgp' },
  { name: 'no octets', code: ClusterList, octets: '800a00', outcome: 'withdrawn', session: 'ibgp' },
  { name: 'nine octets', code: ExtendedCommunities, octets: 'c01009 000200010000000100', outcome: 'withdrawn' },
  { name: 'with four-octet AS numbers', code: As4Path, octets: 'c01106 0201 0000fde8', outcome: 'kept' },
  {
    name: 'segment past the end',
    code: As4Path,
    octets: 'c01106 0203 0000fde8',
    outcome: 'kept',
    session: 'two-octet',
  },
  { name: 'with four-octet AS numbers', code: As4Aggregator, octets: 'c01208 0000fde8 0a000001', outcome: 'kept' },
  { name: 'four octets', code: As4Aggregator, octets: 'c01204 0000fde8', outcome: 'kept', session: 'two-octet' },
  { name: 'a TLV past the end', code: Aigp, octets: '801a0b 01000c 0000000000000001', outcome: 'kept' },
  { name: '2^64-1', code: Aigp, octets: '801a0b 01000b ffffffffffffffff', outcome: 'kept' },
  { name: 'transitive', code: Aigp, octets: 'c01a0b 01000b 0000000000000001', outcome: 'withdrawn' },
  { name: 'eleven octets', code: LargeCommunities, octets: `c0200b ${'00'.repeat(11)}`, outcome: 'withdrawn' },
  { name: 'three octets', code: OnlyToCustomer, octets: 'c02303 000007', outcome: 'withdrawn' },
  { name: 'unknown, well-known', code: 99, octets: '406300', outcome: '3/2' },
  { name: 'unknown, optional', code: 99, octets: '806301 07', outcome: 'kept' },
  { name: 'past the end', code: 99, octets: 'c06309 07', outcome: 'withdrawn' },
];

const net = prefix('10.1.0.0/16');
const other = prefix('10.2.0.0/16');
const net6 = prefix('2001:db8::/32');

function start(session: Row['session'], families?: readonly ('ipv4-unicast' | 'ipv6-unicast')[]) {
  const lab = new RibLab();
  const kind = session === 'ibgp' ? ({ kind: 'ibgp', remoteAs: 64999 } as const) : {};
  const peer = lab.peer(
    { ...base, ...kind },
    { fourOctetAs: session !== 'two-octet', ...(families === undefined ? {} : { families }) },
  );
  peer.up();
  const good: PathAttributes = {
    origin: 0,
    asPath: session === 'ibgp' ? [] : [{ type: 'sequence', asns: [65000] }],
    ...(session === 'ibgp' ? { localPref: 100 } : {}),
  };
  peer.announce([net, other], { ...good, nextHop: ip('10.0.1.1') });
  if (families === undefined) peer.announce([net6], { ...good, nextHop: ip('fd00::2') });
  return { lab, peer };
}

/** An UPDATE from hex. */
function update(attributes: string, nlri: string): Uint8Array {
  const [a, n] = [attributes, nlri].map((hex) => [...Buffer.from(hex.replaceAll(' ', ''), 'hex')]) as [
    number[],
    number[],
  ];
  const length = 23 + a.length + n.length;
  const header = [...new Array<number>(16).fill(0xff), length >> 8, length & 0xff, 2];
  return Uint8Array.from([...header, 0, 0, a.length >> 8, a.length & 0xff, ...a, ...n]);
}

function held(lab: RibLab, peer: LabPeer): string[] {
  lab.settle();
  const views = [...lab.rib.received(peer.handle, {})].filter(({ invalidReason }) => invalidReason === undefined);
  return views.map((view) => formatPrefix(view.prefix));
}

describe('every attribute in error (RFC 7606 §7)', () => {
  test.each(rows)('$code $name: $outcome', ({ code, octets, outcome, session }) => {
    const { lab, peer } = start(session);
    const all = [
      [Origin, ORIGIN],
      [AsPath, session === 'ibgp' ? '400200' : session === 'two-octet' ? AS_PATH_2 : AS_PATH],
      [NextHop, NEXT_HOP],
      ...(session === 'ibgp' ? [[LocalPref, LOCAL_PREF] as const] : []),
    ] as const;
    const rest = all.filter(([present]) => present !== code).map(([, text]) => text);
    const answer = peer.sendOctets(update([...rest, octets].join(' '), '10 0a01'));
    if (outcome.includes('/')) {
      expect(answer && `${answer.code}/${answer.subcode}`).toBe(outcome);
      return;
    }
    expect(answer).toBeUndefined();
    const kept = ['10.2.0.0/16', '2001:db8::/32'];
    expect(held(lab, peer)).toEqual(outcome === 'kept' ? ['10.1.0.0/16', ...kept] : kept);
    if (outcome !== 'kept') return;
    const view = [...lab.rib.received(peer.handle, {})][0];
    const row = attributeRows().find(({ codec }) => codec.code === code);
    if (row !== undefined) expect(view?.attributes).not.toHaveProperty(row.field);
    expect(view?.attributes.unknown).toBeUndefined();
  });

  test('the table has every attribute there is', () => {
    const mp = [AttributeCode.MpReachNlri, AttributeCode.MpUnreachNlri] as readonly number[];
    const known = attributeRows().map(({ codec }) => codec.code);
    const missing = known.filter((code) => !mp.includes(code) && !rows.some((row) => row.code === code));
    expect(missing).toEqual([]);
  });
});

describe('routes that cannot be read: the family is disabled, not the session (RFC 7606 §2, §5.3)', () => {
  const bad6: readonly [string, string, string][] = [
    ['MP_REACH_NLRI, prefix of 129 bits', `800e27 0002 01 10 ${v6} 00 81 ${'00'.repeat(17)}`, '3/9'],
    ['MP_REACH_NLRI, prefix past the end', `800e17 0002 01 10 ${v6} 00 40 20`, '3/9'],
    ['MP_REACH_NLRI, next hop past the end', '800e06 0002 01 10 2001', '3/9'],
    ['MP_REACH_NLRI, next hop of four octets', '800e09 0002 01 04 0a000101 00', '3/9'],
    ['MP_REACH_NLRI, cut short behind the family', '800e03 0002 01', '3/9'],
    ['MP_UNREACH_NLRI, prefix past the end', '800f05 0002 01 40 20', '3/9'],
  ];
  test.each(bad6)('%s', (_name, octets) => {
    const { lab, peer } = start(undefined);
    const { sets } = lab.rib;
    expect(held(lab, peer)).toContain('2001:db8::/32');
    expect(peer.sendOctets(update(`${octets} ${ORIGIN} ${AS_PATH}`, ''))).toBeUndefined();
    expect(held(lab, peer)).toEqual(['10.1.0.0/16', '10.2.0.0/16']);
    expect([...lab.rib.received(peer.handle, { family: 'ipv6-unicast' })][0]?.invalidReason).toBe('family-disabled');
    expect([...lab.rib.disabledFamilies(peer.handle)]).toEqual(['ipv6-unicast']);
    // Nothing it says about the family counts any more, and the other one goes on.
    const good: PathAttributes = { origin: 0, asPath: [{ type: 'sequence', asns: [65000] }] };
    peer.announce([prefix('2001:db8:7::/48')], { ...good, nextHop: ip('fd00::2') });
    peer.announce([prefix('10.3.0.0/16')], { ...good, nextHop: ip('10.0.1.1') });
    expect(held(lab, peer)).toEqual(['10.1.0.0/16', '10.2.0.0/16', '10.3.0.0/16']);
    expect(peer.updateIn?.endOfRibReceived('ipv6-unicast')).toBe(true);
    // A new session begins anew.
    peer.down();
    lab.settle();
    expect(sets.count).toBe(0);
    peer.up();
    peer.announce([net6], { ...good, nextHop: ip('fd00::2') });
    expect(held(lab, peer)).toEqual(['2001:db8::/32']);
  });

  test.each(bad6)('%s, with no other family: the session ends', (_name, octets, wanted) => {
    const { peer } = start(undefined, ['ipv6-unicast']);
    const answer = peer.sendOctets(update(`${octets} ${ORIGIN} ${AS_PATH}`, ''));
    expect(answer && `${answer.code}/${answer.subcode}`).toBe(wanted);
  });

  test('a family that is not spoken is nobody to disable', () => {
    const { lab, peer } = start(undefined, ['ipv4-unicast']);
    expect(peer.sendOctets(update('800f05 0002 01 40 20', ''))).toBeUndefined();
    expect(lab.rib.disabledFamilies(peer.handle).size).toBe(0);
    expect(held(lab, peer)).toEqual(['10.1.0.0/16', '10.2.0.0/16']);
  });

  test.each([
    ['an attribute that ends nowhere', '800e40 0002 01', '3/5'],
    ['a family that cannot be told', '800f02 0002', '3/9'],
    ['the attribute twice', '800f03 000201 800f03 000201', '3/1'],
  ])('%s: the session ends', (_name, octets, wanted) => {
    const { peer } = start(undefined);
    const answer = peer.sendOctets(update(octets, ''));
    expect(answer && `${answer.code}/${answer.subcode}`).toBe(wanted);
  });
});
