import { formatPrefix, ip, type PathAttributes, prefix } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { preparePolicy, rejectAll } from '../../../rib/policy/evaluate.ts';
import type { RibPeerSettings } from '../../../rib/types.ts';
import { RibLab } from '../../support/rib-lab.ts';
import { announceAll, first, inside, nets, outside, pathOf, upAll } from '../../support/table-peers.ts';

describe('packing', () => {
  test('prefixes with the same attributes share messages, however they arrived', () => {
    const lab = new RibLab();
    const [sender, receiver] = first(upAll(lab, outside(1), outside(2)));
    const [red, blue] = [pathOf(sender, 7), pathOf(sender, 8)];
    // One by one, in turns.
    for (const [i, net] of nets(600).entries()) sender.announce([net], i % 2 === 0 ? red : blue);
    receiver.updates = 0;
    lab.settle();
    expect(receiver.told.size).toBe(600);
    expect(receiver.updates).toBe(2);
    sender.withdraw(nets(600));
    receiver.updates = 0;
    lab.settle();
    expect(receiver.told.size).toBe(0);
    expect(receiver.updates).toBe(1);
  });

  test('messages are filled up to the size that was negotiated, and never beyond', () => {
    for (const maxOctets of [4096, 65_535]) {
      const lab = new RibLab();
      const sender = lab.peer(outside(1));
      const receiver = lab.peer(outside(2), { maxOctets });
      sender.up();
      receiver.up();
      lab.settle();
      receiver.updates = 0;
      receiver.octets = 0;
      announceAll(sender, nets(4000), pathOf(sender, 7));
      while (lab.rib.work(0));
      lab.settle();
      expect(receiver.told.size).toBe(4000);
      // 5 octets a prefix; the lab refuses a message above the limit.
      expect(receiver.updates).toBe(Math.ceil(20_000 / (maxOctets - 60)));
    }
  });

  test('attributes that leave no room for a prefix are withdrawn and counted, not sent', () => {
    const lab = new RibLab();
    const sender = lab.peer(outside(1), { maxOctets: 65_535 });
    const [receiver] = first([lab.peer(outside(2))]);
    sender.up();
    receiver.up();
    const [net] = first(nets(1));
    sender.announce([net], pathOf(sender, 7));
    lab.settle();
    expect(receiver.told.size).toBe(1);
    // They just fit what we receive; with our AS in front they do not fit what we send.
    const communities = Array.from({ length: 1010 }, (_, i) => 65_536 + i);
    expect(sender.announce([net], { ...pathOf(sender, 7), communities })).toBeUndefined();
    lab.settle();
    expect(receiver.told.size).toBe(0);
    expect(lab.out.tooLong).toBe(1);
  });

  test('a peer of two-octet AS numbers gets AS_TRANS and AS4_PATH', () => {
    const lab = new RibLab();
    const sender = lab.peer(outside(1));
    const receiver = lab.peer(outside(2), { fourOctetAs: false });
    sender.up();
    receiver.up();
    const [net] = first(nets(1));
    sender.announce([net], pathOf(sender, 4_200_000_000));
    lab.settle();
    expect(receiver.told.get(formatPrefix(net))?.asPath).toEqual([
      { type: 'sequence', asns: [64999, 65001, 4_200_000_000] },
    ]);
  });
});

describe('one encoding for all', () => {
  test('members get the same buffer, the source its own routes never', () => {
    const lab = new RibLab();
    const clients = upAll(lab, ...Array.from({ length: 20 }, (_, i) => inside(i + 1, { routeReflectorClient: true })));
    for (const client of clients) client.buffers.length = 0;
    for (const [i, client] of clients.entries()) client.announce(nets(4, i + 1), pathOf(client));
    lab.settle();
    const buffers = new Set(clients.flatMap((client) => client.buffers.map((bytes) => bytes.buffer)));
    expect(buffers.size).toBe(1);
    for (const [i, client] of clients.entries()) {
      expect(client.told.size).toBe(19 * 4);
      expect([...client.told.keys()].some((key) => key.startsWith(`10.${i + 1}.`))).toBe(false);
      // What is before and what is behind its own routes: at most two pieces.
      expect(client.buffers.length).toBeLessThanOrEqual(2);
    }
    // RFC 4456 §8: who it came from, and through which cluster.
    const [, second] = first(clients);
    expect(clients[0]?.told.get('10.2.0.0/30')).toMatchObject({
      originatorId: second.settings.address,
      clusterList: [ip('10.0.0.1')],
      nextHop: second.settings.address,
    });
  });

  test('a change that is the same to others is not repeated to them', () => {
    const lab = new RibLab();
    const more = { enforceFirstAs: false };
    const [a, b, c] = first(upAll(lab, outside(1, more), outside(2, more), outside(3, more)));
    const path: PathAttributes = { ...pathOf(a, 7), asPath: [{ type: 'sequence', asns: [9] }] };
    const [net] = first(nets(1));
    a.announce([net], path);
    b.announce([net], path);
    lab.settle();
    expect([a.told.size, b.told.size, c.told.size]).toEqual([0, 1, 1]);
    c.updates = 0;
    a.withdraw([net]);
    lab.settle();
    expect([a.told.size, b.told.size, c.told.size]).toEqual([1, 0, 1]);
    expect(c.updates).toBe(0);
  });

  test('sessions with the same behaviour share a group across reloads; others do not', () => {
    const lab = new RibLab();
    const policy = () => preparePolicy({ name: 'p', terms: [], default: 'accept', defaultName: 'd' });
    const groups = (settings: RibPeerSettings[]) => {
      const peers = upAll(lab, ...settings);
      return new Set(peers.map((peer) => lab.rib.adjRibOut(peer.handle, 'ipv4-unicast'))).size;
    };
    expect(groups([outside(1, { exportPolicy: policy() }), outside(2, { exportPolicy: policy() })])).toBe(1);
    const different: Partial<RibPeerSettings>[] = [
      {},
      { nextHop: 'unchanged' },
      { exportOnlyLocal: true },
      { exportMed: true },
      { exportPolicy: rejectAll },
      { nextHopSelf: { ipv4: ip('10.0.0.7') } },
      { localAs: 65_100 },
    ];
    expect(groups(different.map((more, i) => outside(10 + i, more)))).toBe(different.length);
    expect(groups([inside(1), inside(2, { routeReflectorClient: true }), inside(3)])).toBe(2);
  });
});

describe('End-of-RIB and late joiners', () => {
  test('a late joiner gets everything, then End-of-RIB, then changes', () => {
    const lab = new RibLab({}, { batchRows: 50, batchOctets: 1 << 20, laneOctets: 1 << 20 });
    const [sender] = first(upAll(lab, outside(1)));
    announceAll(sender, nets(400), pathOf(sender, 7));
    lab.settle();
    const late = lab.peer(outside(2));
    late.up();
    lab.slice();
    // In the middle of the dump some change, some go, some come.
    announceAll(sender, nets(100), pathOf(sender, 8));
    sender.withdraw(nets(400).slice(300));
    announceAll(sender, nets(50, 2), pathOf(sender, 9));
    lab.settle();
    expect(late.told.size).toBe(350);
    expect(late.told.get('10.1.0.0/30')?.asPath).toEqual([{ type: 'sequence', asns: [64999, 65001, 8] }]);
    expect(late.endOfRib.map(({ family }) => family)).toEqual(['ipv6-unicast', 'ipv4-unicast']);
    expect(late.endOfRib[1]?.told).toBeGreaterThanOrEqual(300);
    sender.withdraw(nets(400).slice(0, 10));
    lab.settle();
    expect(late.told.size).toBe(340);
    expect(late.endOfRib).toHaveLength(2);
  });

  test('End-of-RIB waits for routes that are there but not decided yet', () => {
    const lab = new RibLab({ sliceRows: 10 }, { batchRows: 10, batchOctets: 1 << 20, laneOctets: 1 << 20 });
    const [sender] = first(upAll(lab, outside(1)));
    const late = lab.peer(outside(2));
    announceAll(sender, nets(100), pathOf(sender, 7));
    lab.rib.work(0);
    while (lab.rib.work(0));
    late.up();
    lab.settle();
    expect(late.endOfRib.find(({ family }) => family === 'ipv4-unicast')?.told).toBe(100);
  });

  test('joiners that come up together share one encoding', () => {
    const lab = new RibLab();
    const [sender] = first(upAll(lab, outside(1)));
    announceAll(sender, nets(400), pathOf(sender, 7));
    lab.settle();
    const late = Array.from({ length: 5 }, (_, i) => lab.peer(outside(i + 2)));
    for (const peer of late) peer.up();
    lab.settle();
    const dumps = new Set(
      late.flatMap((peer) => peer.buffers.filter((bytes) => bytes.length > 100)).map((b) => b.buffer),
    );
    expect(dumps.size).toBe(1);
    for (const peer of late) expect(peer.told.size).toBe(400);
  });

  test('without anything to tell End-of-RIB comes at once', () => {
    const lab = new RibLab();
    const [peer] = first(upAll(lab, outside(1)));
    expect(peer.endOfRib.map(({ family }) => family).sort()).toEqual(['ipv4-unicast', 'ipv6-unicast']);
  });
});

test('a batch is limited by octets too: large attributes do not make a round of many megabytes', () => {
  const octets = 100_000;
  const lab = new RibLab({}, { batchRows: 16_384, batchOctets: octets, laneOctets: 1 << 30 });
  const [sender, receiver] = first(upAll(lab, outside(1), outside(2)));
  const communities = Array.from({ length: 900 }, (_, i) => 65_536 + i);
  // One set for each prefix, of 3.6 kilobytes; and one that leaves room for few prefixes in a message.
  for (const [i, net] of nets(200).entries()) sender.announce([net], { ...pathOf(sender, 7 + i), communities });
  announceAll(sender, nets(600, 2).slice(0, 600), pathOf(sender, 7));
  while (lab.rib.work(0));
  receiver.buffers.length = 0;
  lab.settle();
  expect(receiver.told.size).toBe(800);
  for (const { length } of receiver.buffers) expect(length).toBeLessThan(octets + 4096);
  expect(receiver.buffers.length).toBeGreaterThan(7);
});

describe('a slow member', () => {
  test('gets nothing while its socket is full, holds nobody up, and ends with the newest state', () => {
    const lab = new RibLab({}, { batchRows: 64, batchOctets: 1 << 20, laneOctets: 2000 });
    const [sender, slow, fast] = first(upAll(lab, outside(1), outside(2), outside(3)));
    slow.isStuck = true;
    for (let version = 0; version < 30; version++) {
      announceAll(sender, nets(200), pathOf(sender, 100 + version));
      lab.settle();
    }
    sender.withdraw(nets(200).slice(150));
    lab.settle();
    expect(fast.told.size).toBe(150);
    const octets = slow.octets;
    expect(slow.buffers.length).toBeLessThan(8);
    slow.unstick();
    lab.settle();
    expect(slow.told.size).toBe(150);
    expect([...slow.told].sort()).toEqual([...fast.told].sort());
    // 30 versions of 200 prefixes came to one.
    expect(slow.octets - octets).toBeLessThan(fast.octets / 5);
    // It is with the others again: the next change is the same buffer.
    announceAll(sender, nets(10), pathOf(sender, 1));
    lab.settle();
    expect(slow.buffers.at(-1)?.buffer).toBe(fast.buffers.at(-1)?.buffer);
  });

  test('when all are slow nothing is packed: what waits can still be superseded', () => {
    const lab = new RibLab();
    const [sender, slow] = first(upAll(lab, inside(1), outside(2)));
    slow.isStuck = true;
    announceAll(sender, nets(1), pathOf(sender, 1));
    lab.settle();
    slow.updates = 0;
    for (let version = 2; version < 40; version++) {
      announceAll(sender, nets(1), pathOf(sender, version));
      lab.settle();
    }
    expect(slow.updates).toBe(0);
    slow.unstick();
    lab.settle();
    expect(slow.updates).toBe(1);
    expect(slow.told.get('10.1.0.0/30')?.asPath?.[0]?.asns).toEqual([64999, 39]);
  });

  test('a row that was given to another prefix meanwhile is not mistaken', () => {
    const lab = new RibLab({}, { batchRows: 64, batchOctets: 1 << 20, laneOctets: 300 });
    const [sender, slow] = first(upAll(lab, outside(1), outside(2), outside(3)));
    announceAll(sender, nets(100), pathOf(sender, 7));
    lab.settle();
    slow.isStuck = true;
    sender.withdraw(nets(100));
    lab.settle();
    announceAll(sender, nets(100, 2), pathOf(sender, 8));
    lab.settle();
    slow.unstick();
    lab.settle();
    expect([...slow.told.keys()].every((key) => key.startsWith('10.2.'))).toBe(true);
    expect(slow.told.size).toBe(100);
  });

  test('memory goes back when it leaves', () => {
    const lab = new RibLab({ feedsFib: false }, { batchRows: 64, batchOctets: 1 << 20, laneOctets: 2000 });
    const [sender, slow] = first(upAll(lab, outside(1), outside(2), outside(3)));
    slow.isStuck = true;
    announceAll(sender, nets(500), pathOf(sender, 7));
    lab.settle();
    sender.withdraw(nets(500));
    lab.settle();
    expect(lab.rib.locRib('ipv4-unicast').prefixes.count).toBe(500);
    slow.down();
    lab.settle();
    expect(lab.rib.locRib('ipv4-unicast').prefixes.count).toBe(0);
    expect(lab.rib.sets.count).toBe(0);
  });
});

describe('changes of behaviour without a reset', () => {
  test('route refresh sends everything again, without End-of-RIB', () => {
    const lab = new RibLab();
    const [sender, receiver] = first(upAll(lab, outside(1), outside(2)));
    announceAll(sender, nets(30), pathOf(sender, 7));
    lab.settle();
    receiver.told.clear();
    lab.out.routeRefresh(receiver.handle, 'ipv4-unicast');
    lab.settle();
    expect(receiver.told.size).toBe(30);
    expect(receiver.endOfRib).toHaveLength(2);
  });

  test('route refresh withdraws nothing that came from the peer itself, nor what it never had', () => {
    const lab = new RibLab();
    const [a, b] = first(upAll(lab, outside(1), outside(2)));
    announceAll(a, nets(30), pathOf(a, 7));
    announceAll(b, nets(20, 2), pathOf(b, 7));
    lab.settle();
    lab.out.routeRefresh(a.handle, 'ipv4-unicast');
    lab.settle();
    expect(a.needless).toEqual([]);
    expect(a.refreshes.map(({ isEnded, announced }) => [isEnded, announced.size])).toEqual([[true, 20]]);
    // A change in the middle of it is told as the change it is.
    const slow = new RibLab({}, { batchRows: 5, batchOctets: 1 << 20, laneOctets: 1 << 20 });
    const [c, d] = first(upAll(slow, outside(1), outside(2)));
    announceAll(c, nets(30), pathOf(c, 7));
    slow.settle();
    slow.out.routeRefresh(d.handle, 'ipv4-unicast');
    slow.out.work(0);
    c.withdraw(nets(2));
    c.withdraw(nets(30).slice(28));
    slow.settle();
    expect(d.told.size).toBe(26);
    expect(d.needless).toEqual([]);
    expect(d.refreshes.map(({ isEnded }) => isEnded)).toEqual([true]);
  });

  test('a refresh asked for before End-of-RIB is marked after it (RFC 7313 §4)', () => {
    const lab = new RibLab({}, { batchRows: 5, batchOctets: 1 << 20, laneOctets: 1 << 20 });
    const [sender] = first(upAll(lab, outside(1)));
    announceAll(sender, nets(30), pathOf(sender, 7));
    lab.settle();
    const late = lab.peer(outside(2));
    late.up();
    lab.slice();
    lab.out.routeRefresh(late.handle, 'ipv4-unicast'); // the lab refuses a mark that comes too early
    lab.settle();
    expect(late.told.size).toBe(30);
    expect(late.refreshes.map(({ isEnded, announced }) => [isEnded, announced.size])).toEqual([[true, 30]]);
  });

  test('another export policy: what stays is never withdrawn on the way', () => {
    const lab = new RibLab({}, { batchRows: 8, batchOctets: 1 << 20, laneOctets: 500 });
    const [sender, receiver] = first(upAll(lab, outside(1), outside(2), outside(3)));
    announceAll(sender, nets(64), pathOf(sender, 7));
    lab.settle();
    const half = preparePolicy({
      name: 'half',
      terms: [
        {
          name: 'upper half',
          matches: [
            {
              type: 'prefix',
              set: { name: 's', entries: [{ prefix: prefix('10.1.0.128/25'), minLength: 25, maxLength: 32 }] },
            },
          ],
          actions: [],
          verdict: 'reject',
        },
      ],
      default: 'accept',
      defaultName: 'rest',
    });
    let least = receiver.told.size;
    receiver.onTold = () => {
      least = Math.min(least, [...receiver.told.keys()].filter((key) => !isUpperHalf(key)).length);
    };
    lab.rib.updatePeer(receiver.handle, { ...receiver.settings, exportPolicy: half });
    lab.settle();
    expect(receiver.told.size).toBe(32);
    expect(least).toBe(32);
    lab.rib.updatePeer(receiver.handle, { ...receiver.settings, exportPolicy: rejectAll });
    lab.settle();
    expect(receiver.told.size).toBe(0);
    lab.rib.updatePeer(receiver.handle, receiver.settings);
    lab.settle();
    expect(receiver.told.size).toBe(64);
    expect(receiver.endOfRib).toHaveLength(2);
  });
});

describe('next hops', () => {
  const net6 = prefix('2001:db8::/32');

  test.each([
    ['auto, towards another AS: ourselves', outside(2), '10.0.0.1'],
    ['unchanged', outside(2, { nextHop: 'unchanged' }), '10.0.1.1'],
    ['auto, towards our AS: unchanged', inside(2), '10.0.1.1'],
    ['self, towards our AS', inside(2, { nextHop: 'self' }), '10.0.0.1'],
    ['an address of its own', outside(2, { nextHopSelf: { ipv4: ip('10.0.0.99') } }), '10.0.0.99'],
    [
      'third party on a shared subnet: stays (RFC 4271 §5.1.3)',
      outside(2, { nextHop: 'third-party', sharedSubnets: [prefix('10.0.1.0/24')] }),
      '10.0.1.1',
    ],
    [
      'third party elsewhere: ourselves',
      outside(2, { nextHop: 'third-party', sharedSubnets: [prefix('10.7.0.0/16')] }),
      '10.0.0.1',
    ],
  ])('%s', (_name, settings, wanted) => {
    const lab = new RibLab();
    const [sender, receiver] = first(upAll(lab, outside(1), settings));
    const [net] = first(nets(1));
    sender.announce([net], pathOf(sender, 7));
    lab.settle();
    expect(receiver.told.get(formatPrefix(net))?.nextHop).toEqual(ip(wanted));
  });

  test('our own routes name ourselves, towards our AS too', () => {
    const lab = new RibLab();
    const [a, b] = first(upAll(lab, inside(1, { nextHopSelf: { ipv6: ip('fd00::1') } }), outside(2)));
    lab.rib.originate(prefix('10.9.0.0/24'), {}, 'pod-block');
    lab.rib.originate(net6, {}, 'pod-block');
    lab.settle();
    expect(a.told.get('10.9.0.0/24')).toEqual({ origin: 0, asPath: [], localPref: 100, nextHop: ip('10.0.0.1') });
    expect(a.told.get('2001:db8::/32')?.nextHop).toEqual(ip('fd00::1'));
    // No IPv6 address is known for this one: that of the session, in its IPv6 form.
    expect(b.told.get('2001:db8::/32')?.nextHop).toEqual(ip('::ffff:10.0.0.1'));
    expect(b.told.get('10.9.0.0/24')?.asPath).toEqual([{ type: 'sequence', asns: [64999] }]);
  });

  test('a link-local next hop stays on its link; with our own one both are sent', () => {
    const lab = new RibLab();
    const own = { nextHopSelf: { ipv6: ip('fd00::1'), linkLocal: ip('fe80::1') } };
    const [sender, kept, self] = first(upAll(lab, outside(1), inside(2), outside(3, own)));
    sender.announce([net6], { ...pathOf(sender, 7), nextHop: ip('fd00::11'), linkLocalNextHop: ip('fe80::11') });
    lab.settle();
    expect(kept.told.get('2001:db8::/32')).toMatchObject({ nextHop: ip('fd00::11') });
    expect(kept.told.get('2001:db8::/32')?.linkLocalNextHop).toBeUndefined();
    expect(self.told.get('2001:db8::/32')).toMatchObject({ nextHop: ip('fd00::1'), linkLocalNextHop: ip('fe80::1') });
  });

  test('no own address of the family: nothing is sent, and it is said once', () => {
    const lack: string[] = [];
    const lab = new RibLab({}, undefined, (peers, family) => lack.push(`${peers.join()} ${family}`));
    const sender = lab.peer(outside(1));
    const receiver = lab.peer(outside(2, { address: ip('fd00::2') }), {
      localAddress: ip('fd00::1'),
      routerId: ip('9.9.9.9'),
    });
    sender.up();
    receiver.up();
    announceAll(sender, nets(5), pathOf(sender, 7));
    lab.settle();
    expect(receiver.told.size).toBe(0);
    expect(lack).toEqual(['out2 ipv4-unicast']);
  });
});

describe('who may hear what', () => {
  test('reflection by client flags (RFC 4456 §6)', () => {
    const client = { routeReflectorClient: true };
    const lab = new RibLab();
    const peers = upAll(lab, inside(1, client), inside(2, client), inside(3), inside(4), outside(5));
    const hears = (n: number) => {
      const sender = peers[n];
      if (sender === undefined) throw new RangeError(`peer ${n}`);
      sender.announce(nets(1, n + 1), pathOf(sender));
      lab.settle();
      return peers.map((peer) => (peer.told.has(`10.${n + 1}.0.0/30`) ? 1 : 0)).join('');
    };
    expect(hears(0)).toBe('01111'); // from a client: to all but itself
    expect(hears(2)).toBe('11001'); // from a non-client: to clients, and out of the AS
    expect(hears(4)).toBe('11110');
  });

  test('a client that is none any more is told and heard accordingly, without a reset', () => {
    const lab = new RibLab();
    const [a, b] = first(upAll(lab, inside(1, { routeReflectorClient: true }), inside(2)));
    a.announce(nets(1), pathOf(a));
    lab.settle();
    expect(b.told.size).toBe(1);
    lab.rib.updatePeer(a.handle, { ...a.settings, routeReflectorClient: false });
    lab.settle();
    expect(b.told.size).toBe(0);
  });

  test('only local origin, where that is wanted', () => {
    const lab = new RibLab();
    const [sender, receiver] = first(upAll(lab, outside(1), outside(2, { exportOnlyLocal: true })));
    sender.announce(nets(1), pathOf(sender, 7));
    lab.rib.originate(prefix('10.9.0.0/24'), {}, 'network');
    lab.settle();
    expect([...receiver.told.keys()]).toEqual(['10.9.0.0/24']);
    lab.rib.unoriginate(prefix('10.9.0.0/24'), 'network');
    lab.settle();
    expect(receiver.told.size).toBe(0);
  });
});

test('keepalives never wait long: no slice of work is longer than its budget by more than a batch', () => {
  let now = 0;
  const lab = new RibLab(
    { nowMs: () => now, sliceRows: 100 },
    { batchRows: 100, batchOctets: 1 << 20, laneOctets: 1 << 20 },
  );
  const [sender] = first(upAll(lab, outside(1), outside(2)));
  announceAll(sender, nets(3000), pathOf(sender, 7));
  now = 0;
  // The clock stands still within a call: every call would go on to the end if it did not look at it.
  const lookAndMove = () => ++now;
  const slow = new RibLab(
    { nowMs: lookAndMove, sliceRows: 100 },
    { batchRows: 100, batchOctets: 1 << 20, laneOctets: 1 << 20 },
  );
  const [from, to] = first(upAll(slow, outside(1), outside(2)));
  announceAll(from, nets(3000), pathOf(from, 7));
  expect(slow.rib.work(1)).toBe(true);
  expect(slow.rib.locRib('ipv4-unicast').dirtyCount).toBeGreaterThan(2500);
  slow.settle();
  expect(to.told.size).toBe(3000);
  from.down();
  expect(slow.rib.work(1)).toBe(true);
  expect(slow.rib.size('ipv4-unicast').paths).toBeGreaterThan(2500);
  slow.settle();
  expect(to.told.size).toBe(0);
});

function isUpperHalf(key: string): boolean {
  return Number(key.split(/[./]/)[3]) >= 128;
}
