import { ip } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { preparePolicy } from '../../../rib/policy/evaluate.ts';
import type { RibPeerSettings } from '../../../rib/types.ts';
import { type LabPeer, RibLab } from '../../support/rib-lab.ts';
import { announceAll, first, inside, nets, outside, pathOf, upAll } from '../../support/table-peers.ts';

describe('several paths a prefix (ADD-PATH, RFC 7911)', () => {
  const net = '10.1.0.0/30';
  const asOf = (peer: LabPeer) =>
    Object.fromEntries([...peer.told].map(([key, { asPath }]) => [key, asPath?.[0]?.asns.slice(1)]));

  /** Three peers that announce the same prefix, the second one with the best path, and one that is told. */
  function fan(more: Partial<RibPeerSettings> = {}, lab = new RibLab()) {
    const [a, b, c] = first(upAll(lab, outside(1), outside(2), outside(3)));
    const to = lab.peer(outside(9, more), { addPathSend: true });
    to.up();
    a.announce(nets(1), pathOf(a, 7));
    b.announce(nets(1), pathOf(b));
    c.announce(nets(1), pathOf(c, 7, 8));
    lab.settle();
    return { lab, a, b, c, to };
  }

  test('all of them, each with an identifier that is its own as long as it is there', () => {
    const { lab, a, b, c, to } = fan();
    expect(asOf(to)).toEqual({ [`${net} 1`]: [65002], [`${net} 2`]: [65001, 7], [`${net} 3`]: [65003, 7, 8] });
    to.updates = 0;
    // One changes: it is told alone.
    c.announce(nets(1), pathOf(c));
    lab.settle();
    expect(asOf(to)).toMatchObject({ [`${net} 3`]: [65003] });
    expect(to.updates).toBe(1);
    // One goes: the others keep theirs, and the best one being another now is nothing to tell.
    b.withdraw(nets(1));
    lab.settle();
    expect(asOf(to)).toEqual({ [`${net} 2`]: [65001, 7], [`${net} 3`]: [65003] });
    expect(to.updates).toBe(2);
    a.down();
    c.down();
    lab.settle();
    expect(to.told.size).toBe(0);
    expect(to.needless).toEqual([]);
    expect(lab.rib.sets.count).toBe(0);
  });

  test('the best N; one that goes makes room for the next', () => {
    const { lab, b, to } = fan({ addPathMax: { 'ipv4-unicast': 2 } });
    expect(Object.values(asOf(to)).sort()).toEqual([[65001, 7], [65002]]);
    b.withdraw(nets(1));
    lab.settle();
    expect(Object.values(asOf(to)).sort()).toEqual([
      [65001, 7],
      [65003, 7, 8],
    ]);
  });

  test('from the best N to all and back: no reset, no End-of-RIB, and what stays keeps its identifier', () => {
    const { lab, to } = fan({ addPathMax: { 'ipv4-unicast': 1 } });
    const [[key] = ['']] = [...to.told];
    const all = { ...to.settings, addPathMax: {} };
    lab.rib.updatePeer(to.handle, all);
    lab.settle();
    expect(to.told.size).toBe(3);
    expect(to.told.get(key)?.asPath?.[0]?.asns).toEqual([64999, 65002]);
    lab.rib.updatePeer(to.handle, to.settings);
    lab.settle();
    expect([...to.told.keys()]).toEqual([key]);
    expect(to.endOfRib).toHaveLength(2);
    expect(to.needless).toEqual([]);
  });

  test('a peer is told the paths of others, not its own; policy judges each path', () => {
    const lab = new RibLab();
    const members = [1, 2, 3].map((n) => lab.peer(outside(n), { addPathSend: true, addPathReceive: true }));
    for (const member of members) member.up();
    const notFrom2 = preparePolicy({
      name: 'not from 2',
      terms: [{ name: 't', matches: [{ type: 'learned-from', names: ['out2'] }], actions: [], verdict: 'reject' }],
      default: 'accept',
      defaultName: 'rest',
    });
    const picky = lab.peer(outside(4, { exportPolicy: notFrom2 }), { addPathSend: true });
    picky.up();
    for (const [i, member] of members.entries()) {
      member.announce(nets(1), pathOf(member, 7), 1);
      member.announce(nets(1), pathOf(member, 7, 8 + i), 2);
    }
    lab.settle();
    const neighbours = (peer: LabPeer) =>
      Object.values(asOf(peer))
        .map((asns) => asns?.[0])
        .sort();
    expect(members.map(neighbours)).toEqual([
      [65002, 65002, 65003, 65003],
      [65001, 65001, 65003, 65003],
      [65001, 65001, 65002, 65002],
    ]);
    expect(neighbours(picky)).toEqual([65001, 65001, 65003, 65003]);
    expect(lab.rib.counters(picky.handle, 'ipv4-unicast').advertised).toBe(4);
    expect(members.flatMap(({ needless }) => needless)).toEqual([]);
  });

  test('a reflector passes several paths on, with originator and cluster of each', () => {
    const lab = new RibLab();
    const client = { routeReflectorClient: true };
    const [a, b] = first(upAll(lab, inside(1, client), inside(2, client)));
    const to = lab.peer(inside(3, client), { addPathSend: true });
    to.up();
    for (const peer of [a, b]) peer.announce(nets(1), pathOf(peer, 7));
    lab.settle();
    const told = [...to.told.values()].map(({ originatorId, clusterList, nextHop }) => [
      originatorId,
      clusterList,
      nextHop,
    ]);
    expect(told).toEqual([
      [ip('10.0.2.1'), [ip('10.0.0.1')], ip('10.0.2.1')],
      [ip('10.0.2.2'), [ip('10.0.0.1')], ip('10.0.2.2')],
    ]);
  });

  test('packing is as good as without: a message is as full, paths with the same attributes share it', () => {
    const lab = new RibLab();
    const [a, b] = first(upAll(lab, outside(1), outside(2)));
    const to = lab.peer(outside(9), { addPathSend: true });
    to.up();
    lab.settle();
    to.updates = 0;
    for (const peer of [a, b]) announceAll(peer, nets(2000), pathOf(peer, 7));
    while (lab.rib.work(0));
    lab.settle();
    expect(to.told.size).toBe(4000);
    // Two sets of attributes, 9 octets for a prefix and its identifier.
    expect(to.updates).toBe(2 * Math.ceil((2000 * 9) / (4096 - 60)));
  });

  test('groups: those who are told as many paths share one encoding', () => {
    const lab = new RibLab();
    const groupOf = (more: Partial<RibPeerSettings>, addPathSend: boolean, n: number) => {
      const peer = lab.peer(outside(n, more), { addPathSend });
      peer.up();
      return lab.rib.adjRibOut(peer.handle, 'ipv4-unicast');
    };
    const all = groupOf({}, true, 1);
    expect(groupOf({}, true, 2)).toBe(all);
    expect(groupOf({ addPathMax: { 'ipv6-unicast': 2 } }, true, 3)).toBe(all);
    const others = [groupOf({}, false, 4), groupOf({ addPathMax: { 'ipv4-unicast': 2 } }, true, 5)];
    expect(new Set([all, ...others]).size).toBe(3);
  });

  test('a slow peer catches up without hearing of paths that came and went meanwhile', () => {
    const lab = new RibLab({ feedsFib: false }, { batchRows: 64, batchOctets: 1 << 20, laneOctets: 300 });
    const { a, to } = fan({}, lab);
    const quick = lab.peer(outside(10), { addPathSend: true });
    quick.up();
    lab.settle();
    to.isStuck = true;
    for (let n = 0; n < 30; n++) {
      announceAll(a, nets(50), pathOf(a, 100 + n));
      lab.settle();
      a.withdraw(nets(50));
      lab.settle();
    }
    to.unstick();
    lab.settle();
    expect([...to.told].sort()).toEqual([...quick.told].sort());
    expect(to.told.size).toBe(2);
    const { count } = lab.rib.locRib('ipv4-unicast').prefixes;
    expect(count).toBe(1);
  });
});
