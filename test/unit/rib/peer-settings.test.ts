import {
  type AsPath,
  type FamilyName,
  formatAsPath,
  formatCommunity,
  formatPrefix,
  ip,
  type PathAttributes,
  parseAsPath,
  prefix,
  Role,
  WellKnownCommunity,
} from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { exportRefusalName } from '../../../rib/export-refusal.ts';
import { acceptAll } from '../../../rib/policy/evaluate.ts';
import type { RibOptions, RibPeerSettings } from '../../../rib/types.ts';
import { type LabPeer, RibLab } from '../../support/rib-lab.ts';

const LOCAL_AS = 64999;
const net = prefix('10.1.0.0/16');
const net6 = prefix('2001:db8:1::/48');

/** A path in the form of `formatAsPath`. */
function path(text: string): AsPath {
  const parsed = parseAsPath(text);
  if (parsed === undefined) throw new Error(`AS path ${text}`);
  return parsed;
}

class Pair {
  readonly lab: RibLab;
  #count = 0;

  constructor(options: Partial<RibOptions> = {}) {
    this.lab = new RibLab(options);
  }

  peer(settings: Partial<RibPeerSettings> = {}): LabPeer {
    const n = ++this.#count;
    const peer = this.lab.peer(
      {
        name: `peer${n}`,
        address: ip(`10.0.1.${n}`),
        kind: 'ebgp',
        remoteAs: 65000 + n,
        localAs: LOCAL_AS,
        importPolicy: acceptAll,
        exportPolicy: acceptAll,
        ...settings,
      },
      { routerId: ip(`10.0.1.${n}`) },
    );
    peer.up();
    return peer;
  }

  /** An iBGP peer. */
  inside(settings: Partial<RibPeerSettings> = {}): LabPeer {
    return this.peer({ kind: 'ibgp', remoteAs: settings.localAs ?? LOCAL_AS, ...settings });
  }

  /** What `to` holds of a prefix after `from` sent it with these attributes. */
  pass(from: LabPeer, to: LabPeer, attributes: PathAttributes = {}): PathAttributes | undefined {
    announce(from, attributes);
    this.lab.settle();
    return to.told.get(formatPrefix(net));
  }

  /** The best path to `net`. */
  best() {
    this.lab.settle();
    return [...this.lab.rib.routes({ family: 'ipv4-unicast' })].find(({ best }) => best);
  }
}

function announce(from: LabPeer, attributes: PathAttributes): void {
  const { kind, remoteAs, isConfederationMember } = from.settings;
  const own: AsPath =
    kind === 'ibgp'
      ? []
      : [{ type: isConfederationMember === true ? 'confed-sequence' : 'sequence', asns: [remoteAs] }];
  const all = {
    origin: 0 as const,
    asPath: own,
    nextHop: from.settings.address,
    ...(kind === 'ibgp' ? { localPref: 100 } : {}),
    ...attributes,
  };
  expect(from.announce([net], all)).toBeUndefined();
}

function text(attributes: PathAttributes | undefined): string | undefined {
  return attributes?.asPath && formatAsPath(attributes.asPath);
}

function communities(attributes: PathAttributes | undefined): string[] {
  return (attributes?.communities ?? []).map(formatCommunity);
}

describe('well-known communities (RFC 1997)', () => {
  const { NoExport, NoAdvertise, NoExportSubconfed, NoPeer } = WellKnownCommunity;
  test.each([
    ['none', [], ['ebgp', 'ibgp', 'confed']],
    ['NO_EXPORT', [NoExport], ['ibgp', 'confed']],
    ['NO_EXPORT_SUBCONFED', [NoExportSubconfed], ['ibgp']],
    ['NO_ADVERTISE', [NoAdvertise], []],
    ['NOPEER, which is advice only', [NoPeer], ['ebgp', 'ibgp', 'confed']],
  ])('%s', (_name, values, told) => {
    const pair = new Pair({ confederationId: 65100 });
    const from = pair.peer({ localAs: 65100 });
    const to = {
      ebgp: pair.peer({ localAs: 65100 }),
      ibgp: pair.inside(),
      confed: pair.peer({ isConfederationMember: true }),
    };
    announce(from, values.length === 0 ? {} : { communities: values });
    pair.lab.settle();
    expect(Object.entries(to).flatMap(([kind, peer]) => (peer.told.size > 0 ? [kind] : []))).toEqual(told);
  });
});

describe('graceful shutdown (RFC 8326)', () => {
  const going = { communities: [WellKnownCommunity.GracefulShutdown] };

  test('a path from another AS that is about to go is the last choice, and says so within the AS', () => {
    const pair = new Pair();
    const first = pair.peer();
    const second = pair.peer();
    const inside = pair.inside();
    announce(second, { asPath: path('65002 7 8 9') });
    expect(pair.pass(first, inside)?.localPref).toBe(100);
    expect(text(pair.best()?.attributes)).toBe('65001');
    announce(first, going);
    expect(text(pair.best()?.attributes)).toBe('65002 7 8 9');
    announce(first, {});
    expect(text(pair.best()?.attributes)).toBe('65001');
    second.down();
    announce(first, going);
    pair.lab.settle();
    expect(inside.told.get('10.1.0.0/16')).toMatchObject({ localPref: 0, communities: going.communities });
  });

  test('not from within the AS, and not where it is switched off', () => {
    const pair = new Pair();
    const from = pair.inside();
    announce(from, { ...going, localPref: 300 });
    expect(pair.best()?.attributes.localPref).toBe(300);
    const off = new Pair();
    announce(off.peer({ honoursGracefulShutdown: false }), going);
    expect(off.best()?.attributes.localPref).toBeUndefined();
  });

  test.each([
    ['ebgp', { kind: 'ebgp' as const }, undefined],
    ['ibgp', { kind: 'ibgp' as const, remoteAs: LOCAL_AS }, 0],
  ])(
    'draining an %s peer: what it is told is marked, what it said is used last; and back',
    (_name, kind, localPref) => {
      const pair = new Pair();
      const from = pair.peer();
      const drained = pair.peer({ ...kind });
      expect(communities(pair.pass(from, drained, { communities: [0xfde80001] }))).toEqual(['65000:1']);
      pair.lab.rib.updatePeer(drained.handle, { ...drained.settings, gracefulShutdown: true });
      pair.lab.settle();
      const told = drained.told.get('10.1.0.0/16');
      expect(communities(told)).toEqual(['65000:1', 'graceful-shutdown']);
      expect(told?.localPref).toBe(localPref);
      announce(drained, { ...(localPref === undefined ? {} : { localPref: 500 }) });
      const heard = () => [...pair.lab.rib.routes({})].find(({ peer }) => peer?.name === 'peer2');
      pair.lab.settle();
      expect(heard()?.attributes.localPref).toBe(0);
      expect(heard()?.best).toBe(false);
      pair.lab.rib.updatePeer(drained.handle, drained.settings);
      pair.lab.settle();
      expect(heard()?.attributes.localPref).toBe(localPref === undefined ? undefined : 500);
      expect(communities(drained.told.get('10.1.0.0/16'))).not.toContain('graceful-shutdown');
    },
  );
});

describe('AS numbers of AS_PATH towards another AS', () => {
  const rows: readonly [string, Partial<RibPeerSettings>, string, string][] = [
    ['plain', {}, '65001 7', '64999 65001 7'],
    ['as-override', { asOverride: true, remoteAs: 7 }, '65001 7 8 {7,9} 7', '64999 65001 64999 8 {64999,9} 64999'],
    [
      'remove private, other AS numbers in it: not touched',
      { removePrivateAs: { all: false, replace: false } },
      '65001 7',
      '64999 65001 7',
    ],
    [
      'remove private, nothing else in it',
      { removePrivateAs: { all: false, replace: false } },
      '65001 64512 4200000000',
      '64999',
    ],
    [
      'remove private, all',
      { removePrivateAs: { all: true, replace: false } },
      '65001 7 64512 8 {65003,9}',
      '64999 7 8 {9}',
    ],
    [
      'remove private, all, but the peer keeps its own',
      { removePrivateAs: { all: true, replace: false }, remoteAs: 64512 },
      '65001 64512 7',
      '64999 64512 7',
    ],
    [
      'replace private',
      { removePrivateAs: { all: false, replace: true }, localAs: 64999 },
      '65001 64512',
      '64999 64999 64999',
    ],
    ['replace private, all', { removePrivateAs: { all: true, replace: true } }, '65001 7 64512', '64999 64999 7 64999'],
    [
      'AS numbers 65535 and 64511 are not private',
      { removePrivateAs: { all: true, replace: false } },
      '65001 65535 64511 4294967295',
      '64999 65535 64511 4294967295',
    ],
    ['local AS alone', { localAs: 64000 }, '65001 7', '64000 65001 7'],
    ['local AS before the own', { localAs: 64000, keepOwnAs: true }, '65001 7', '64000 64999 65001 7'],
    [
      'as-override and remove private together',
      { asOverride: true, removePrivateAs: { all: true, replace: false }, remoteAs: 7 },
      '65001 7 64512',
      '64999 64999',
    ],
  ];
  for (const [name, settings, sent, wanted] of rows) {
    test(name, () => {
      const pair = new Pair();
      const from = pair.peer({ allowsAsSets: true });
      const to = pair.peer(settings);
      expect(text(pair.pass(from, to, { asPath: path(sent) }))).toBe(wanted);
      const inside = pair.inside();
      pair.lab.settle();
      expect(text(inside.told.get('10.1.0.0/16'))).toBe(sent);
    });
  }

  test('long paths: a full segment is not overrun, and the length needs two octets', () => {
    const pair = new Pair();
    const from = pair.peer();
    const to = pair.peer({ localAs: 64000, keepOwnAs: true, asOverride: true, remoteAs: 9 });
    const asns = [65001, ...Array.from({ length: 253 }, () => 9)];
    const told = pair.pass(from, to, { asPath: [{ type: 'sequence', asns }] });
    expect(told?.asPath).toEqual([
      { type: 'sequence', asns: [64000, 64999] },
      { type: 'sequence', asns: [65001, ...Array.from({ length: 253 }, () => 64000)] },
    ]);
  });

  test('a local AS in front of what is heard, where that is asked for', () => {
    for (const [prependLocalAsIn, wanted] of [
      [true, '64000 65001 7'],
      [false, '65001 7'],
    ] as const) {
      const pair = new Pair();
      const from = pair.peer({ localAs: 64000, prependLocalAsIn });
      const inside = pair.inside();
      expect(text(pair.pass(from, inside, { asPath: path('65001 7') }))).toBe(wanted);
    }
  });

  test('the local AS in what is heard is a loop as the own is', () => {
    const pair = new Pair();
    announce(pair.peer({ localAs: 64000 }), { asPath: path('65001 64000') });
    pair.lab.settle();
    expect([...pair.lab.rib.routes({})][0]?.invalidReason).toBe('as-loop');
  });
});

describe('roles (RFC 9234)', () => {
  const roles = Object.entries(Role) as [keyof typeof Role, Role][];
  /** What the other side of our role is. */
  const isUp = (role: Role) => role === Role.Customer || role === Role.RouteServerClient;
  const isDown = (role: Role) => role === Role.Provider || role === Role.RouteServer;

  test.each(roles)('heard as %s without ONLY_TO_CUSTOMER', (_name, role) => {
    const pair = new Pair();
    const told = pair.pass(pair.peer({ role }), pair.inside());
    expect(told?.onlyToCustomer).toBe(isDown(role) ? undefined : 65001);
  });

  test.each(roles)('heard as %s with ONLY_TO_CUSTOMER', (_name, role) => {
    for (const otc of [65001, 7]) {
      const pair = new Pair();
      announce(pair.peer({ role }), { onlyToCustomer: otc });
      pair.lab.settle();
      const view = [...pair.lab.rib.routes({})][0];
      const isLeak = isDown(role) || (role === Role.Peer && otc !== 65001);
      expect(view?.invalidReason).toBe(isLeak ? 'route-leak' : undefined);
      if (!isLeak) expect(view?.attributes.onlyToCustomer).toBe(otc);
    }
  });

  test.each(roles)('told as %s', (_name, role) => {
    const pair = new Pair();
    const from = pair.peer();
    const to = pair.peer({ role });
    expect(pair.pass(from, to)?.onlyToCustomer).toBe(isUp(role) ? undefined : LOCAL_AS);
    const marked = pair.pass(from, to, { onlyToCustomer: 7 });
    expect(marked?.onlyToCustomer).toBe(isDown(role) ? 7 : undefined);
    expect(marked === undefined).toBe(!isDown(role));
  });

  test('without a role it is passed on as it came', () => {
    const pair = new Pair();
    const from = pair.peer();
    expect(pair.pass(from, pair.peer(), { onlyToCustomer: 7 })?.onlyToCustomer).toBe(7);
  });

  test('a role that comes later is seen to at once', () => {
    const pair = new Pair();
    const from = pair.peer();
    const to = pair.peer();
    expect(pair.pass(from, to)).toBeDefined();
    pair.lab.rib.updatePeer(from.handle, { ...from.settings, role: Role.Customer });
    pair.lab.settle();
    expect(to.told.get('10.1.0.0/16')?.onlyToCustomer).toBe(65001);
    pair.lab.rib.updatePeer(to.handle, { ...to.settings, role: Role.Customer });
    pair.lab.settle();
    expect(to.told.size).toBe(0);
  });
});

describe('confederations (RFC 5065)', () => {
  const confederation = { confederationId: 65100 };
  const outside = { localAs: 65100 };
  const member = { isConfederationMember: true };

  test('from outside through the confederation and out again', () => {
    const pair = new Pair(confederation);
    const from = pair.peer(outside);
    const inside = pair.inside();
    const other = pair.peer(member);
    const out = pair.peer(outside);
    const sent = { asPath: path('65001 7'), med: 5 };
    expect(text(pair.pass(from, inside, sent))).toBe('65001 7');
    const told = other.told.get('10.1.0.0/16');
    expect(text(told)).toBe('(64999) 65001 7');
    expect(told).toMatchObject({ med: 5, localPref: 100, nextHop: ip('10.0.1.1') });
    const left = out.told.get('10.1.0.0/16');
    expect(text(left)).toBe('65100 65001 7');
    expect(left?.med).toBeUndefined();
    expect(left?.localPref).toBeUndefined();
    expect(left?.nextHop).toEqual(ip('10.0.0.1'));
  });

  test('from another member: LOCAL_PREF and MED are kept, segments of the confederation leave it in no form', () => {
    const pair = new Pair(confederation);
    const from = pair.peer(member);
    const inside = pair.inside();
    const third = pair.peer(member);
    const out = pair.peer({ ...outside, removePrivateAs: { all: true, replace: false } });
    const plain = pair.peer(outside);
    const sent = { asPath: path('(65001 65002) [65007,65008] 4 5'), localPref: 250, med: 3 };
    const asSets = { allowsAsSets: true };
    pair.lab.rib.updatePeer(from.handle, { ...from.settings, ...asSets });
    expect(pair.pass(from, inside, sent)).toMatchObject({ localPref: 250, med: 3 });
    expect(text(inside.told.get('10.1.0.0/16'))).toBe('(65001 65002) [65007,65008] 4 5');
    expect(text(third.told.get('10.1.0.0/16'))).toBe('(64999 65001 65002) [65007,65008] 4 5');
    expect(text(out.told.get('10.1.0.0/16'))).toBe('65100 4 5');
    expect(text(plain.told.get('10.1.0.0/16'))).toBe('65100 4 5');
  });

  test('what this node originates', () => {
    const pair = new Pair(confederation);
    const peers = [pair.inside(), pair.peer(member), pair.peer(outside)];
    pair.lab.rib.originate(net, {}, 'network');
    pair.lab.settle();
    expect(peers.map((peer) => text(peer.told.get('10.1.0.0/16')))).toEqual(['', '(64999)', '65100']);
  });

  test.each([
    ['the own member AS in a segment of the confederation', '(65001 64999)', 'as-loop'],
    ['the confederation in a path from outside', '(65001) 7 65100', 'as-loop'],
    ['the number of the own member AS outside is somebody else', '(65001) 7 64999', undefined],
    ['the number of the confederation inside is somebody else', '(65001 65100) 7', undefined],
  ])('loops: %s', (_name, sent, reason) => {
    const pair = new Pair(confederation);
    announce(pair.peer(member), { asPath: path(sent) });
    pair.lab.settle();
    expect([...pair.lab.rib.routes({})][0]?.invalidReason).toBe(reason);
  });

  test.each([
    ['no segment of the confederation in front', '65001 7', {}],
    ['another member in front', '(65009) 7', {}],
    ['nothing at all', '', {}],
  ])('a path of another member with %s is withdrawn (§5.3)', (_name, sent, settings) => {
    const pair = new Pair(confederation);
    announce(pair.peer({ ...member, ...settings }), { asPath: path(sent) });
    pair.lab.settle();
    expect([...pair.lab.rib.routes({})]).toEqual([]);
  });

  test('segments of a confederation from outside are malformed (§5.3)', () => {
    const pair = new Pair(confederation);
    announce(pair.peer(outside), { asPath: path('(65001) 7') });
    pair.lab.settle();
    expect([...pair.lab.rib.routes({})]).toEqual([]);
  });

  test('they do not count as length, and a path from outside comes before one of another member', () => {
    const pair = new Pair(confederation);
    announce(pair.peer(member), { asPath: path('(65001 65002 65003) 7') });
    announce(pair.peer(outside), { asPath: path('65002 7') });
    const best = pair.best();
    expect(text(best?.attributes)).toBe('(65001 65002 65003) 7');
    expect(best?.rule).toBe('AS_PATH length');
    const equal = new Pair(confederation);
    announce(equal.peer(member), { asPath: path('(65001 65002 65003) 7') });
    announce(equal.peer(outside), { asPath: path('65002') });
    expect(text(equal.best()?.attributes)).toBe('65002');
    expect(equal.best()?.rule).toBe('eBGP over iBGP');
  });

  test('the path of another member is not reflected, and its cluster list does not leave its AS', () => {
    const pair = new Pair(confederation);
    const from = pair.inside({ routeReflectorClient: true });
    const client = pair.inside({ routeReflectorClient: true });
    const other = pair.peer(member);
    expect(pair.pass(from, client)?.clusterList).toHaveLength(1);
    expect(other.told.get('10.1.0.0/16')?.clusterList).toBeUndefined();
    expect(other.told.get('10.1.0.0/16')?.originatorId).toBeUndefined();
  });
});

describe('AS_SET (RFC 9774)', () => {
  test.each([
    ['65001 {7,8}', false],
    ['65001 7', true],
  ])('%s', (sent, isUsed) => {
    for (const [allowsAsSets, wanted] of [
      [undefined, isUsed],
      [true, true],
    ] as const) {
      const pair = new Pair();
      const peer = pair.peer(allowsAsSets === undefined ? {} : { allowsAsSets });
      announce(peer, {});
      announce(peer, { asPath: path(sent) });
      pair.lab.settle();
      expect([...pair.lab.rib.routes({})]).toHaveLength(wanted ? 1 : 0);
    }
  });
});

describe('AIGP (RFC 7311)', () => {
  const aigp = (metric: bigint) => ({ aigp: { metric } });

  test('passed within the AS; with the cost of the next hop where this node becomes that', () => {
    const pair = new Pair();
    pair.lab.metrics.set(ip('10.0.1.1').octets.join('.'), 40);
    const from = pair.inside({ routeReflectorClient: true });
    const same = pair.inside({ routeReflectorClient: true });
    const self = pair.inside({ routeReflectorClient: true, nextHop: 'self' });
    const outside = pair.peer();
    const enabled = pair.peer({ aigp: true });
    expect(pair.pass(from, same, aigp(0xffff_fffen))?.aigp?.metric).toBe(0xffff_fffen);
    expect(self.told.get('10.1.0.0/16')?.aigp?.metric).toBe(0xffff_fffen + 40n);
    expect(outside.told.get('10.1.0.0/16')?.aigp).toBeUndefined();
    expect(enabled.told.get('10.1.0.0/16')?.aigp?.metric).toBe(0xffff_fffen + 40n);
    pair.lab.metrics.set(ip('10.0.1.1').octets.join('.'), 60);
    pair.lab.rib.nextHopChanged();
    pair.lab.settle();
    expect(self.told.get('10.1.0.0/16')?.aigp?.metric).toBe(0xffff_fffen + 60n);
  });

  test('the metric stops short of the one that means an error', () => {
    const pair = new Pair();
    pair.lab.metrics.set(ip('10.0.1.1').octets.join('.'), 40);
    const from = pair.inside({ routeReflectorClient: true });
    const self = pair.inside({ routeReflectorClient: true, nextHop: 'self' });
    expect(pair.pass(from, self, aigp(2n ** 64n - 3n))?.aigp?.metric).toBe(2n ** 64n - 2n);
  });

  test('from a session without it: as if it were not there', () => {
    const pair = new Pair();
    const inside = pair.inside();
    expect(pair.pass(pair.peer(), inside, aigp(5n))?.aigp).toBeUndefined();
    const on = new Pair();
    expect(on.pass(on.peer({ aigp: true }), on.inside(), aigp(5n))?.aigp?.metric).toBe(5n);
  });

  test.each([
    ['the lower one, before AS_PATH', [aigp(10n), aigp(9n)], 'peer2'],
    ['one before none', [{}, aigp(900n)], 'peer2'],
    ['LOCAL_PREF before it', [{ localPref: 200 }, aigp(1n)], 'peer1'],
    ['beyond 32 bits', [aigp(2n ** 40n + 1n), aigp(2n ** 40n)], 'peer2'],
  ])('compared: %s', (_name, sent, winner) => {
    const pair = new Pair();
    announce(pair.inside(), { asPath: path('7'), ...sent[0] });
    announce(pair.inside(), { asPath: path('7 8'), ...sent[1] });
    expect(pair.best()?.peer?.name).toBe(winner);
    if (winner === 'peer2') expect(pair.best()?.rule).toBe('AIGP');
  });

  test('the cost of the next hop is part of the comparison', () => {
    const pair = new Pair();
    pair.lab.metrics.set(ip('10.0.1.2').octets.join('.'), 100);
    announce(pair.inside(), aigp(10n));
    announce(pair.inside(), aigp(5n));
    expect(pair.best()?.peer?.name).toBe('peer1');
  });
});

describe('reflection (RFC 4456)', () => {
  const client = { routeReflectorClient: true };

  test('a cluster id of its own for a group of peers', () => {
    const pair = new Pair({ clusterId: ip('10.9.9.9') });
    const from = pair.inside(client);
    const other = pair.inside({ ...client, clusterId: ip('10.9.9.8') });
    const plain = pair.inside(client);
    pair.pass(from, plain);
    expect(plain.told.get('10.1.0.0/16')?.clusterList).toEqual([ip('10.9.9.9')]);
    expect(other.told.get('10.1.0.0/16')?.clusterList).toEqual([ip('10.9.9.8')]);
  });

  test.each([
    ['10.9.9.9', 'cluster-loop'],
    ['10.9.9.8', 'cluster-loop'],
    ['10.9.9.7', undefined],
  ])('%s in CLUSTER_LIST', (id, reason) => {
    const pair = new Pair({ clusterId: ip('10.9.9.9') });
    const from = pair.inside();
    announce(from, { clusterList: [ip(id)], originatorId: ip('10.0.1.77') });
    const other = pair.inside({ ...client, clusterId: ip('10.9.9.8') });
    pair.lab.settle();
    expect([...pair.lab.rib.routes({})][0]?.invalidReason).toBe(reason);
    pair.lab.rib.removePeer(other.handle);
    pair.lab.settle();
    expect([...pair.lab.rib.routes({})][0]?.invalidReason).toBe(id === '10.9.9.8' ? undefined : reason);
  });

  test('client to client off: within a cluster nothing is reflected, everything else is', () => {
    const pair = new Pair();
    const off = { ...client, clientToClient: false };
    const from = pair.inside(off);
    const same = pair.inside(off);
    const other = pair.inside({ ...off, clusterId: ip('10.9.9.8') });
    const plain = pair.inside();
    pair.pass(from, same);
    expect([same, other, plain].map(({ told }) => told.size)).toEqual([0, 1, 1]);
    from.withdraw([net]);
    announce(pair.peer(), {});
    pair.lab.settle();
    expect(same.told.size).toBe(1);
  });
});

describe('next hops', () => {
  test.each([
    ['auto', {}, ['10.0.1.1', '10.0.1.2']],
    ['self for all', { nextHop: 'self' as const }, ['10.0.0.1', '10.0.0.1']],
    ['self for what came from outside', { nextHopOf: { ebgp: 'self' as const } }, ['10.0.0.1', '10.0.1.2']],
    [
      'self but for what is reflected',
      { nextHop: 'self' as const, nextHopOf: { ibgp: 'unchanged' as const } },
      ['10.0.0.1', '10.0.1.2'],
    ],
  ])('towards iBGP: %s', (_name, settings, wanted) => {
    const pair = new Pair();
    const outside = pair.peer();
    const inside = pair.inside();
    const to = pair.inside({ routeReflectorClient: true, ...settings });
    const hops = [outside, inside].map((from) => {
      const told = pair.pass(from, to);
      from.withdraw([net]);
      pair.lab.settle();
      return told?.nextHop;
    });
    expect(hops).toEqual(wanted.map(ip));
  });

  test('inwards: the address of the peer in place of what it names, in its own family', () => {
    const pair = new Pair();
    const from = pair.inside({ nextHopIn: 'peer' });
    announce(from, { nextHop: ip('10.0.9.9') });
    from.announce([net6], { origin: 0, asPath: [], localPref: 100, nextHop: ip('fd00::99') });
    pair.lab.settle();
    const hopOf = (family: FamilyName) => [...pair.lab.rib.routes({ family })][0]?.attributes.nextHop;
    expect(hopOf('ipv4-unicast')).toEqual(ip('10.0.1.1'));
    expect(hopOf('ipv6-unicast')).toEqual(ip('fd00::99'));
  });
});

test('settings at rest leave nothing behind: all sets are given back', () => {
  const pair = new Pair();
  const from = pair.peer({ role: Role.Customer, localAs: 64000, prependLocalAsIn: true });
  const to = pair.peer({ role: Role.Provider, gracefulShutdown: true, asOverride: true });
  pair.pass(from, to, { communities: [WellKnownCommunity.GracefulShutdown] });
  expect(to.told.size).toBe(1);
  from.down();
  to.down();
  pair.lab.settle();
  expect(pair.lab.rib.sets.count).toBe(0);
});

test('every reason not to tell has a name of its own', () => {
  const names = Array.from({ length: 10 }, (_, n) => exportRefusalName((n + 1) as 1));
  expect(new Set(names).size).toBe(10);
});
