import { ErrorCode, encodeEndOfRib, formatPrefix, ip, type PathAttributes, prefix } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { preparePolicy, rejectAll } from '../../../rib/policy/evaluate.ts';
import type { RibOptions, RibPeerSettings } from '../../../rib/types.ts';
import { type LabPeer, type LabSession, RibLab } from '../../support/rib-lab.ts';
import { base } from '../../support/table-peers.ts';

const good: PathAttributes = {
  origin: 0,
  asPath: [{ type: 'sequence', asns: [65000, 7] }],
  nextHop: ip('10.0.1.1'),
};
const net = prefix('10.1.0.0/16');
const net6 = prefix('2001:db8::/32');

function start(settings: Partial<RibPeerSettings> = {}, session: LabSession = {}, options: Partial<RibOptions> = {}) {
  const lab = new RibLab(options);
  const peer = lab.peer({ ...base, ...settings }, session);
  peer.up();
  const held = () => {
    lab.settle();
    return [...lab.rib.received(peer.handle, {})].map(({ prefix: of, pathId }) =>
      pathId === undefined ? formatPrefix(of) : `${formatPrefix(of)} ${pathId}`,
    );
  };
  return { lab, peer, held };
}

/** An UPDATE from hex: withdrawn routes, attributes, NLRI. */
function update(withdrawn: string, attributes: string, nlri: string): Uint8Array {
  const parts = [withdrawn, attributes, nlri].map((hex) => Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  const [w = Buffer.alloc(0), a = Buffer.alloc(0), n = Buffer.alloc(0)] = parts;
  const message = Buffer.alloc(23 + w.length + a.length + n.length, 0xff);
  message.writeUInt16BE(message.length, 16);
  message[18] = 2;
  message.writeUInt16BE(w.length, 19);
  w.copy(message, 21);
  message.writeUInt16BE(a.length, 21 + w.length);
  a.copy(message, 23 + w.length);
  n.copy(message, 23 + w.length + a.length);
  return Uint8Array.from(message);
}

const ORIGIN = '400101 00';
const AS_PATH = '400206 0201 0000fde8'; // 65000
const NEXT_HOP = '400304 0a000101';
const NLRI = '10 0a01'; // 10.1.0.0/16

describe('malformed attributes (RFC 7606)', () => {
  const treatAsWithdraw: readonly [string, string][] = [
    ['ORIGIN of two octets', `400102 0000 ${AS_PATH} ${NEXT_HOP}`],
    ['ORIGIN missing', `${AS_PATH} ${NEXT_HOP}`],
    ['AS_PATH missing', `${ORIGIN} ${NEXT_HOP}`],
    ['NEXT_HOP missing', `${ORIGIN} ${AS_PATH}`],
    ['AS_PATH segment past its end', `${ORIGIN} 400206 0203 0000fde8 ${NEXT_HOP}`],
    ['MED of three octets', `${ORIGIN} ${AS_PATH} ${NEXT_HOP} 800403 000001`],
    ['communities of five octets', `${ORIGIN} ${AS_PATH} ${NEXT_HOP} c00805 0000000100`],
    ['wrong flags', `c00101 00 ${AS_PATH} ${NEXT_HOP}`],
    ['attributes cut short', `${ORIGIN} ${AS_PATH} ${NEXT_HOP} 800404 0000`],
    ['another AS in front than the peer', `${ORIGIN} 400206 0201 0000fde9 ${NEXT_HOP}`],
  ];
  for (const [name, attributes] of treatAsWithdraw) {
    test(`${name}: the routes of the message are withdrawn, others stay`, () => {
      const { peer, held } = start();
      peer.announce([net, prefix('10.2.0.0/16')], good);
      expect(held()).toEqual(['10.1.0.0/16', '10.2.0.0/16']);
      expect(peer.sendOctets(update('', attributes, NLRI))).toBeUndefined();
      expect(held()).toEqual(['10.2.0.0/16']);
      expect(peer.updateIn?.counters.treatedAsWithdraw).toBe(1);
    });
  }

  test('a malformed AGGREGATOR is dropped, the route stays', () => {
    const { peer, held, lab } = start();
    expect(peer.sendOctets(update('', `${ORIGIN} ${AS_PATH} ${NEXT_HOP} c00702 0001`, NLRI))).toBeUndefined();
    expect(held()).toEqual(['10.1.0.0/16']);
    expect(peer.updateIn?.counters.attributesDiscarded).toBe(1);
    expect([...lab.rib.routes({})][0]?.attributes.aggregator).toBeUndefined();
  });

  test('an attribute twice: the first one counts (§3 g)', () => {
    const { peer, lab } = start();
    peer.sendOctets(update('', `${ORIGIN} ${AS_PATH} ${NEXT_HOP} 800404 00000005 800404 00000009`, NLRI));
    lab.settle();
    expect([...lab.rib.routes({})][0]?.attributes.med).toBe(5);
  });

  test.each([
    ['NLRI longer than 32 bits', update('', `${ORIGIN} ${AS_PATH} ${NEXT_HOP}`, '21 0a0100000000'), 10],
    ['NLRI past the end', update('', `${ORIGIN} ${AS_PATH} ${NEXT_HOP}`, '18 0a01'), 10],
    ['withdrawn routes past their end', update('18 0a', '', ''), 10],
    ['an unknown well-known attribute', update('', `${ORIGIN} ${AS_PATH} ${NEXT_HOP} 406300`, NLRI), 2],
    ['MP_UNREACH_NLRI twice', update('', '800f03 000201 800f03 000201', ''), 1],
    ['lengths that do not fit', Uint8Array.from([...update('', '', '').subarray(0, 19), 0, 9, 0, 0]), 1],
  ])('%s ends the session', (_name, message, subcode) => {
    const { peer } = start();
    expect(peer.sendOctets(message)).toMatchObject({ code: ErrorCode.UpdateMessage, subcode });
  });

  test('attributes in error without any route end the session: what was lost cannot be withdrawn (§5.2)', () => {
    const { peer } = start();
    expect(peer.sendOctets(update('', '400102 0000', ''))).toMatchObject({ code: ErrorCode.UpdateMessage });
    expect(peer.sendOctets(update('', ORIGIN, ''))).toBeUndefined();
  });

  test('IPv4 routes without NEXT_HOP beside IPv6 routes that have theirs: all are withdrawn (§2, §3 d)', () => {
    const { peer, held } = start();
    const mpReach = '800e1a 0002 01 10 20010db8000000000000000000000001 00 20 20010db8';
    peer.sendOctets(update('', `${ORIGIN} ${AS_PATH} ${NEXT_HOP} ${mpReach}`, NLRI));
    expect(held()).toEqual(['10.1.0.0/16', '2001:db8::/32']);
    expect(peer.sendOctets(update('', `${ORIGIN} ${AS_PATH} ${mpReach}`, NLRI))).toBeUndefined();
    expect(held()).toEqual([]);
  });

  test.each([
    ['of a family that nobody knows', '800e05 0022 01 00 00'],
    ['without prefixes', '800e15 0002 01 10 20010db8000000000000000000000001 00'],
  ])('routes %s do not make up for an unknown well-known attribute (RFC 4271 §6.3)', (_name, mpReach) => {
    const { peer } = start();
    expect(peer.sendOctets(update('', `${ORIGIN} ${AS_PATH} ${mpReach}`, ''))).toBeUndefined();
    const reset = peer.sendOctets(update('', `${ORIGIN} ${AS_PATH} ${mpReach} 406300`, ''));
    expect(reset).toMatchObject({ code: ErrorCode.UpdateMessage, subcode: 2 });
  });

  test('an MP_REACH_NLRI with an impossible next hop withdraws its routes', () => {
    const { peer, held } = start();
    peer.announce([net6], { ...good, nextHop: ip('fd00::2') });
    expect(held()).toEqual(['2001:db8::/32']);
    const mp = `800e1a 0002 01 10 ${'00'.repeat(16)} 00 20 20010db8`;
    expect(peer.sendOctets(update('', `${mp} ${ORIGIN} ${AS_PATH}`, ''))).toBeUndefined();
    expect(held()).toEqual([]);
  });
});

describe('what is not for us', () => {
  test('our AS in the path: kept, but never used; with allowOwnAs used', () => {
    const looped = { ...good, asPath: [{ type: 'sequence' as const, asns: [65000, 64999, 7] }] };
    for (const allowOwnAs of [0, 1]) {
      const { lab, peer } = start({ allowOwnAs });
      peer.announce([net], looped);
      lab.settle();
      const [view] = [...lab.rib.routes({})];
      expect(view?.valid).toBe(allowOwnAs === 1);
      expect(view?.invalidReason).toBe(allowOwnAs === 1 ? undefined : 'as-loop');
      expect(lab.rib.counters(peer.handle, 'ipv4-unicast')).toMatchObject({ received: 1, accepted: allowOwnAs });
    }
  });

  test('an AS that only this peer knows us by counts as ours too', () => {
    const { lab, peer } = start({ localAs: 65100 });
    peer.announce([net], { ...good, asPath: [{ type: 'sequence', asns: [65000, 65100] }] });
    lab.settle();
    expect([...lab.rib.routes({})][0]?.invalidReason).toBe('as-loop');
  });

  test('our router id and cluster id from within the AS (RFC 4456 §8)', () => {
    const { lab, peer } = start({ kind: 'ibgp', remoteAs: 64999 });
    const inside = { ...good, asPath: [], localPref: 100 };
    peer.announce([net], { ...inside, originatorId: ip('10.0.0.1') });
    peer.announce([prefix('10.2.0.0/16')], { ...inside, clusterList: [ip('10.3.3.3'), ip('10.0.0.1')] });
    peer.announce([prefix('10.3.0.0/16')], { ...inside, originatorId: ip('10.0.0.9'), clusterList: [ip('10.3.3.3')] });
    lab.settle();
    const reasons = [...lab.rib.routes({})].map((view) => view.invalidReason);
    expect(reasons).toEqual(['originator-loop', 'cluster-loop', undefined]);
  });

  test('a next hop that is ours, or that cannot be reached until it can', () => {
    const { lab, peer } = start({}, {}, { ownAddresses: [ip('10.0.0.1')] });
    lab.metrics.set('10.0.7.7', undefined);
    peer.announce([net], { ...good, nextHop: ip('10.0.0.1') });
    peer.announce([prefix('10.2.0.0/16')], { ...good, nextHop: ip('10.0.7.7') });
    lab.settle();
    const reasons = () => [...lab.rib.routes({})].map((view) => view.invalidReason ?? 'fine');
    expect(reasons()).toEqual(['next-hop-own', 'next-hop-unreachable']);
    lab.metrics.set('10.0.7.7', 3);
    lab.rib.nextHopChanged(ip('10.0.7.7'));
    lab.rib.setOwnAddresses([ip('10.0.9.9')]);
    lab.settle();
    expect(reasons()).toEqual(['fine', 'fine']);
  });

  test('LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST from another AS are dropped', () => {
    const { lab, peer } = start();
    const strange = { localPref: 500, originatorId: ip('1.1.1.1'), clusterList: [ip('10.0.0.1')] };
    peer.announce([net], { ...good, ...strange });
    lab.settle();
    const [view] = [...lab.rib.routes({})];
    expect(view).toMatchObject({ valid: true });
    expect(Object.keys(view?.attributes ?? {})).toEqual(['origin', 'asPath', 'nextHop'].sort(byName(view?.attributes)));
  });

  test('LOCAL_PREF missing from within the AS: treat as withdraw', () => {
    const { peer, held } = start({ kind: 'ibgp', remoteAs: 64999 });
    peer.announce([net], good);
    expect(held()).toEqual([]);
    expect(peer.updateIn?.counters.treatedAsWithdraw).toBe(1);
  });

  test('the same octets mean other things from another AS than from within', () => {
    const lab = new RibLab();
    const outside = lab.peer({ ...base, remoteAs: 65000 });
    const inside = lab.peer({ ...base, name: 'in', address: ip('10.0.2.1'), kind: 'ibgp', remoteAs: 64999 });
    outside.up();
    inside.up();
    inside.announce([net], { ...good, localPref: 500 });
    outside.announce([net], { ...good, localPref: 500 });
    inside.announce([prefix('10.2.0.0/16')], good);
    lab.settle();
    const views = [...lab.rib.routes({})];
    expect(views.map((view) => [view.peer?.name, view.attributes.localPref])).toEqual([
      ['in', 500],
      ['tor', undefined],
    ]);
  });

  test('a family that was not negotiated', () => {
    const { peer, held } = start({}, { families: ['ipv4-unicast'] });
    expect(peer.announce([net6], { ...good, nextHop: ip('fd00::2') })).toBeUndefined();
    expect(held()).toEqual([]);
  });
});

describe('attributes in unusual form', () => {
  test('unknown transitive attributes are kept with the Partial bit, others dropped; the second time from memory', () => {
    const { lab, peer } = start();
    const unknown = [
      { flags: 0xc0, code: 99, value: Uint8Array.of(1, 2) },
      { flags: 0x80, code: 98, value: Uint8Array.of(3) },
    ];
    peer.announce([net], { ...good, unknown });
    peer.announce([prefix('10.2.0.0/16')], { ...good, unknown });
    lab.settle();
    const views = [...lab.rib.routes({})];
    expect(views.map((view) => view.attributes.unknown)).toEqual([
      [{ flags: 0xe0, code: 99, value: Uint8Array.of(1, 2) }],
      [{ flags: 0xe0, code: 99, value: Uint8Array.of(1, 2) }],
    ]);
    // As received, and as it would be sent on.
    expect(lab.rib.sets.count).toBe(2);
  });

  test('a speaker of two-octet AS numbers: AS4_PATH is merged, the first AS is checked', () => {
    const { lab, peer } = start({}, { fourOctetAs: false });
    const asPath = [{ type: 'sequence' as const, asns: [65000, 4_200_000_000] }];
    peer.announce([net], { ...good, asPath });
    lab.settle();
    expect([...lab.rib.routes({})][0]?.attributes.asPath).toEqual(asPath);
  });

  test('a link-local next hop beside a global one is kept', () => {
    const { lab, peer } = start();
    const hops = { nextHop: ip('fd00::2'), linkLocalNextHop: ip('fe80::2') };
    peer.announce([net6], { ...good, ...hops });
    lab.settle();
    expect([...lab.rib.routes({})][0]?.attributes).toMatchObject(hops);
  });

  test('IPv4 and IPv6 routes in one message', () => {
    const { held, peer } = start();
    const mp = `800e1a 0002 01 10 fd00${'00'.repeat(13)}02 00 20 20010db8`;
    expect(peer.sendOctets(update('', `${mp} ${ORIGIN} ${AS_PATH} ${NEXT_HOP}`, NLRI))).toBeUndefined();
    expect(held()).toEqual(['10.1.0.0/16', '2001:db8::/32']);
  });

  test('IPv4 routes in MP_REACH_NLRI', () => {
    const { held, lab, peer } = start();
    const mp = '800e0c 0001 01 04 0a000101 00 10 0a01';
    expect(peer.sendOctets(update('', `${mp} ${ORIGIN} ${AS_PATH}`, ''))).toBeUndefined();
    expect(held()).toEqual(['10.1.0.0/16']);
    expect([...lab.rib.routes({})][0]?.attributes.nextHop).toEqual(ip('10.0.1.1'));
  });

  test('host bits mean nothing', () => {
    const { held, peer } = start();
    peer.sendOctets(update('', `${ORIGIN} ${AS_PATH} ${NEXT_HOP}`, '0c 0a1f'));
    expect(held()).toEqual(['10.16.0.0/12']);
    peer.sendOctets(update('0c 0a10', '', ''));
    expect(held()).toEqual([]);
  });

  test('paths with identifiers live side by side (RFC 7911)', () => {
    const { held, peer } = start({}, { addPathReceive: true });
    peer.announce([net], good, 1);
    peer.announce([net], { ...good, med: 1 }, 2);
    peer.announce([net], { ...good, med: 2 }, 2);
    expect(held().sort()).toEqual(['10.1.0.0/16 1', '10.1.0.0/16 2']);
    peer.withdraw([net], 1);
    peer.withdraw([net], 3);
    expect(held()).toEqual(['10.1.0.0/16 2']);
  });
});

test('End-of-RIB is noted per family', () => {
  const { peer } = start();
  expect(peer.updateIn?.endOfRibReceived('ipv4-unicast')).toBe(false);
  peer.sendOctets(encodeEndOfRib('ipv4-unicast', peer.context));
  expect(peer.updateIn?.endOfRibReceived('ipv4-unicast')).toBe(true);
  expect(peer.updateIn?.endOfRibReceived('ipv6-unicast')).toBe(false);
  peer.sendOctets(encodeEndOfRib('ipv6-unicast', peer.context));
  expect(peer.updateIn?.endOfRibReceived('ipv6-unicast')).toBe(true);
});

describe('prefix limit (RFC 4486 §4)', () => {
  const nets = Array.from({ length: 12 }, (_, i) => prefix(`10.${i}.0.0/16`));

  test('warns once at the threshold, then ends the session with family and limit', () => {
    const { lab, peer } = start({ prefixLimit: { 'ipv4-unicast': { limit: 8, warnPercent: 50 } } });
    const send = (peerOf: LabPeer, upTo: number) => peerOf.announce(nets.slice(0, upTo), good);
    expect(send(peer, 4)).toBeUndefined();
    expect(lab.warnings).toEqual([]);
    expect(send(peer, 5)).toBeUndefined();
    expect(send(peer, 8)).toBeUndefined();
    expect(lab.warnings).toEqual(['tor ipv4-unicast 5/8']);
    // Cease/Maximum Number of Prefixes Reached: AFI 1, SAFI 1, limit 8.
    expect(send(peer, 9)).toEqual({ code: 6, subcode: 1, data: Uint8Array.of(0, 1, 1, 0, 0, 0, 8) });
    expect(peer.announce([net6], { ...good, nextHop: ip('fd00::2') })).toBeUndefined();
  });

  test('only warns where that is wanted, and counts what import policy refuses', () => {
    const { lab, peer } = start({
      prefixLimit: { 'ipv4-unicast': { limit: 3, action: 'warn' } },
      importPolicy: rejectAll,
    });
    expect(peer.announce(nets, good)).toBeUndefined();
    expect(lab.warnings).toEqual(['tor ipv4-unicast 12/3']);
    expect(lab.rib.counters(peer.handle, 'ipv4-unicast')).toMatchObject({ received: 12, accepted: 0, best: 0 });
  });
});

describe('import policy', () => {
  const raise = (value: number) =>
    preparePolicy({
      name: 'raise',
      terms: [
        {
          name: 'net 1',
          matches: [{ type: 'prefix', set: { name: 's', entries: [{ prefix: net, minLength: 16, maxLength: 16 }] } }],
          actions: [{ type: 'set-local-pref', value }],
          verdict: 'accept',
        },
      ],
      default: 'reject',
      defaultName: 'others',
    });

  test('a new policy is applied to what is there, without a reset; before and after are both shown', () => {
    const { lab, peer } = start({ importPolicy: raise(200) });
    peer.announce([net, prefix('10.2.0.0/16')], good);
    lab.settle();
    const show = () =>
      [...lab.rib.received(peer.handle, {})].map((view) => [
        formatPrefix(view.prefix),
        view.valid,
        view.attributes.localPref,
        view.afterPolicy?.localPref,
        view.policyTerm,
      ]);
    expect(show()).toEqual([
      ['10.1.0.0/16', true, undefined, 200, 'net 1'],
      ['10.2.0.0/16', false, undefined, undefined, 'others'],
    ]);
    lab.rib.updatePeer(peer.handle, { ...base, importPolicy: raise(300) });
    lab.settle();
    expect(show()[0]).toEqual(['10.1.0.0/16', true, undefined, 300, 'net 1']);
    expect([...lab.rib.routes({ bestOnly: true })].map((view) => view.attributes.localPref)).toEqual([300]);
    lab.rib.updatePeer(peer.handle, base);
    lab.settle();
    expect(show()).toEqual([
      ['10.1.0.0/16', true, undefined, undefined, 'accept all'],
      ['10.2.0.0/16', true, undefined, undefined, 'accept all'],
    ]);
    peer.down();
    lab.settle();
    expect(lab.rib.sets.count).toBe(0);
  });
});

function byName(of: PathAttributes | undefined): (a: string, b: string) => number {
  const order = Object.keys(of ?? {});
  return (a, b) => order.indexOf(a) - order.indexOf(b);
}
