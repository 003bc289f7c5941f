import { ip, prefix } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { comparePaths, emptyCandidate, NO_AIGP, Rule, ruleName } from '../../../rib/decision.ts';
import { compareInWords } from '../../../rib/explain-rank.ts';
import { ExportRefusal, exportRefusalName } from '../../../rib/export-refusal.ts';
import { acceptAll, preparePolicy } from '../../../rib/policy/evaluate.ts';
import type { RibPeerSettings } from '../../../rib/types.ts';
import { RibLab } from '../../support/rib-lab.ts';

const P = prefix('203.0.113.0/24');

function settings(name: string, address: string, over: Partial<RibPeerSettings> = {}): RibPeerSettings {
  return {
    name,
    address: ip(address),
    kind: 'ebgp',
    remoteAs: 65002,
    localAs: 64999,
    importPolicy: acceptAll,
    exportPolicy: acceptAll,
    ...over,
  };
}

describe('the values that a rule compares', () => {
  type Candidate = ReturnType<typeof emptyCandidate>;
  const addresses = [ip('10.0.0.2'), ip('10.0.0.3')] as const;
  const cases: readonly (readonly [number, Partial<Candidate>, Partial<Candidate>, string, string, string])[] = [
    [Rule.LocalOrigin, { isLocal: true }, {}, 'originated here', 'heard from a peer', 'what this node originates'],
    [Rule.Weight, { weight: 2 }, { weight: 1 }, '2', '1', 'higher'],
    [Rule.LocalPref, { localPref: 4_000_000_000 }, { localPref: 1 }, '4000000000', '1', 'higher'],
    [Rule.Aigp, { aigp: 20 }, { aigp: NO_AIGP }, '20', 'none', 'lower'],
    [Rule.AsPathLength, { asPathLength: 1 }, { asPathLength: 3 }, '1', '3', 'shorter'],
    [Rule.Origin, { origin: 1 }, { origin: 2 }, 'EGP', 'incomplete', 'IGP before EGP before incomplete'],
    [Rule.Med, { med: 0 }, { med: 7 }, '0', '7', 'lower'],
    [Rule.EbgpOverIbgp, { isEbgp: true }, {}, 'eBGP', 'iBGP', 'eBGP'],
    [Rule.IgpMetric, { igpMetric: 10 }, { igpMetric: 20 }, '10', '20', 'lower'],
    [
      Rule.Current,
      { isEbgp: true, isCurrent: true, routerId: 9 },
      { isEbgp: true, routerId: 1 },
      'selected',
      'not selected',
      'the eBGP path that is selected already',
    ],
    [Rule.RouterId, { routerId: 0xc0000201 }, { routerId: 0xffffffff }, '192.0.2.1', '255.255.255.255', 'lower'],
    [Rule.ClusterListLength, { clusterListLength: 0 }, { clusterListLength: 2 }, '0', '2', 'shorter'],
    [Rule.PeerAddress, { peerRank: 1 }, { peerRank: 2 }, '10.0.0.2', '10.0.0.3', 'lower'],
    [Rule.PathId, { pathId: 1 }, { pathId: 2 }, '1', '2', 'lower'],
  ];

  test.each(cases.map((row) => [ruleName(row[0]), row] as const))('%s', (name, [rule, a, b, own, other, prefers]) => {
    const [first, second] = [
      { ...emptyCandidate(), ...a },
      { ...emptyCandidate(), ...b },
    ];
    const result = comparePaths(first, second, { preferCurrent: true });
    expect(result).toBe(rule);
    expect(compareInWords(result, first, second, ...addresses)).toEqual({ rule: name, prefers, own, other });
  });

  test('every rule has a row above', () => {
    expect(cases.map(([rule]) => rule)).toEqual(Object.values(Rule));
  });
});

test('every refusal of the exporter has a name of its own', () => {
  const names = Object.values(ExportRefusal).map((refusal) => exportRefusalName(refusal));
  expect(new Set(names).size).toBe(names.length);
  expect(names.every((name) => /^[a-z-]+$/.test(name))).toBe(true);
});

describe('what a peer is told', () => {
  test('pending: decided and not packed, then told; changed, then withdrawn', () => {
    const lab = new RibLab();
    const from = lab.peer(settings('a', '10.0.0.2'));
    const to = lab.peer(settings('b', '10.0.0.3', { remoteAs: 65003 }));
    from.up();
    to.up();
    lab.settle();
    const path = { origin: 0, asPath: [{ type: 'sequence', asns: [65002] }], nextHop: ip('10.0.0.2') } as const;
    from.announce([P], path);
    lab.rib.work(0);
    expect(lab.rib.advertisement(to.handle, P)).toMatchObject({ told: [], reason: 'pending', best: { peer: 'a' } });
    lab.settle();
    const told = lab.rib.advertisement(to.handle, P);
    expect(told).not.toHaveProperty('reason');
    expect(told.told).toMatchObject([{ from: { source: 'bgp', peer: 'a' }, attributes: { nextHop: ip('10.0.0.1') } }]);
    from.announce([P], { ...path, med: 7, origin: 2 });
    lab.rib.work(0);
    expect(lab.rib.advertisement(to.handle, P)).toMatchObject({ told: [{}], reason: 'pending' });
    lab.settle();
    expect(lab.rib.advertisement(to.handle, P).told[0]?.attributes.origin).toBe(2);
    from.withdraw([P]);
    lab.rib.work(0);
    expect(lab.rib.advertisement(to.handle, P)).toMatchObject({ told: [{}], reason: 'pending' });
    lab.settle();
    expect(lab.rib.advertisement(to.handle, P)).toEqual({ told: [], reason: 'no-path' });
  });

  test('no-next-hop: an IPv4 path over an IPv6 session without an own IPv4 address', () => {
    const lab = new RibLab();
    const to = lab.peer(settings('b', '2001:db8::3'), {
      localAddress: ip('2001:db8::1'),
      routerId: ip('10.0.0.3'),
    });
    to.up();
    lab.rib.originate(P, {}, 'network');
    lab.settle();
    expect(lab.rib.advertisement(to.handle, P)).toMatchObject({ told: [], reason: 'no-next-hop' });
  });

  test('too-long: the attributes fit into no message', () => {
    const lab = new RibLab();
    const to = lab.peer(settings('b', '10.0.0.3'), { maxOctets: 65_535 });
    to.up();
    const largeCommunities = Array.from({ length: 5_420 }, (_, n) => ({ globalAdmin: 1, local1: 2, local2: n }));
    lab.rib.originate(P, { largeCommunities }, 'network');
    lab.settle();
    expect(lab.rib.advertisement(to.handle, P)).toMatchObject({ told: [], reason: 'too-long' });
  });

  const notFromB = preparePolicy({
    name: 'p',
    terms: [{ name: 'p: b', matches: [{ type: 'learned-from', names: ['b'] }], actions: [], verdict: 'reject' }],
    default: 'accept',
    defaultName: 'p: default',
  });

  test('several paths (ADD-PATH): each with its identifier and where it is from', () => {
    const lab = new RibLab();
    const a = lab.peer(settings('a', '10.0.0.2'));
    const b = lab.peer(settings('b', '10.0.0.3', { remoteAs: 65003 }));
    const to = lab.peer(settings('c', '10.0.0.4', { remoteAs: 65004 }), { addPathSend: true });
    for (const peer of [a, b, to]) peer.up();
    a.announce([P], { origin: 0, asPath: [{ type: 'sequence', asns: [65002] }], nextHop: ip('10.0.0.2') });
    b.announce([P], { origin: 0, asPath: [{ type: 'sequence', asns: [65003, 65009] }], nextHop: ip('10.0.0.3') });
    lab.settle();
    const { told, reason } = lab.rib.advertisement(to.handle, P);
    expect(reason).toBeUndefined();
    expect(told.map(({ from, pathId }) => [from.peer, typeof pathId])).toEqual(
      expect.arrayContaining([
        ['a', 'number'],
        ['b', 'number'],
      ]),
    );
    expect(new Set(told.map(({ pathId }) => pathId)).size).toBe(2);
    const views = [...lab.rib.advertised(to.handle, { prefix: P })];
    expect(views.map(({ peer, best }) => [peer?.name, best]).sort()).toEqual([
      ['a', true],
      ['b', false],
    ]);
    // One path a session: the other one is not told for want of ADD-PATH.
    expect(lab.rib.advertisement(a.handle, P)).toMatchObject({
      reason: 'split-horizon',
      kept: [{ reason: 'not-best' }],
    });
    const few = lab.peer(settings('d', '10.0.0.5', { remoteAs: 65005, addPathMax: { 'ipv4-unicast': 1 } }), {
      addPathSend: true,
    });
    const back = lab.peer(settings('e', '10.0.0.6', { remoteAs: 65006, exportPolicy: notFromB }), {
      addPathSend: true,
    });
    for (const peer of [few, back]) peer.up();
    lab.settle();
    const kept = (peer: typeof few) => lab.rib.advertisement(peer.handle, P).kept;
    expect(kept(to)).toEqual([]);
    expect(kept(few)).toEqual([{ path: { source: 'bgp', peer: 'b' }, reason: 'beyond-limit' }]);
    expect(kept(back)).toEqual([{ path: { source: 'bgp', peer: 'b' }, reason: 'export-policy' }]);
    // Explaining changes nothing: what is told next is only what changes.
    const updates = to.updates;
    lab.settle();
    expect(to.updates).toBe(updates);
  });

  test('the set of a path that is explained is not lost, and not leaked', () => {
    const lab = new RibLab();
    const exportPolicy = preparePolicy({
      name: 'p',
      terms: [
        {
          name: 'p: far',
          matches: [{ type: 'prefix-length', min: 24, max: 24 }],
          actions: [{ type: 'set-med', operation: 'set', value: 9 }],
          verdict: 'accept',
        },
      ],
      default: 'reject',
      defaultName: 'p: default',
    });
    const to = lab.peer(settings('b', '10.0.0.3', { exportPolicy }));
    to.up();
    lab.rib.originate(P, {}, 'network');
    lab.settle();
    const sets = lab.rib.sets.count;
    for (let n = 0; n < 3; n++) expect(lab.rib.advertisement(to.handle, P).told[0]?.attributes.med).toBe(9);
    expect(lab.rib.sets.count).toBe(sets);
    lab.rib.unoriginate(P, 'network');
    lab.settle();
    expect(to.told.size).toBe(0);
    expect(lab.rib.advertisement(to.handle, P)).toEqual({ told: [], reason: 'no-path' });
  });
});

test('the longest match of Adj-RIB-In of one peer', () => {
  const lab = new RibLab();
  const a = lab.peer(settings('a', '10.0.0.2'));
  const b = lab.peer(settings('b', '10.0.0.3', { remoteAs: 65003 }));
  for (const peer of [a, b]) peer.up();
  a.announce([prefix('203.0.0.0/16')], {
    origin: 0,
    asPath: [{ type: 'sequence', asns: [65002] }],
    nextHop: ip('10.0.0.2'),
  });
  b.announce([prefix('203.0.112.0/20')], {
    origin: 0,
    asPath: [{ type: 'sequence', asns: [65003] }],
    nextHop: ip('10.0.0.3'),
  });
  lab.settle();
  expect(lab.rib.receivedCovering(a.handle, P)).toMatchObject({ prefix: prefix('203.0.0.0/16') });
  expect(lab.rib.longestMatch(P)).toEqual(prefix('203.0.112.0/20'));
  a.down();
  expect(lab.rib.receivedCovering(a.handle, P)).toBeUndefined();
});
