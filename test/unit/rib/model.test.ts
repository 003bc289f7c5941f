import { formatPrefix, ip, type PathAttributes, prefix, WellKnownCommunity } from 'bgp-ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Rule, ruleName } from '../../../rib/decision.ts';
import { acceptAll, type Policy, preparePolicy, rejectAll } from '../../../rib/policy/evaluate.ts';
import type { RibPeerSettings } from '../../../rib/types.ts';
import { attributesKey, type NaivePeer, NaiveRib } from '../../support/naive-rib.ts';
import { type LabPeer, type LabSession, RibLab } from '../../support/rib-lab.ts';

const LOCAL_AS = 64999;
const ROUTER_ID = ip('10.0.0.1');
const CLUSTER_ID = ip('10.9.9.9');
const OWN = [ip('10.0.0.1'), ip('fd00::1')];

const prefixes = {
  4: ['10.1.0.0/16', '0.0.0.0/0', '192.0.2.1/32'].map(prefix),
  6: ['2001:db8::/32', '::/0', '2001:db8:0:8000::/49'].map(prefix),
};
const nextHops = {
  4: ['10.0.1.1', '10.0.1.2', '10.0.1.3', '10.0.0.1'].map(ip),
  6: ['fd00::11', 'fd00::12', 'fd00::13', 'fd00::1'].map(ip),
};

const preferCommunity = preparePolicy({
  name: 'prefer',
  terms: [
    {
      name: 'no 192.0.2.0/24',
      matches: [
        {
          type: 'prefix',
          set: { name: 'doc', entries: [{ prefix: prefix('192.0.2.0/24'), minLength: 24, maxLength: 32 }] },
        },
      ],
      actions: [],
      verdict: 'reject',
    },
    {
      name: 'preferred',
      matches: [{ type: 'community', require: 'any', patterns: [{ type: 'standard', parts: [65000, 1] }] }],
      actions: [{ type: 'set-local-pref', value: 200 }],
      verdict: 'next',
    },
    {
      name: 'heavy',
      matches: [{ type: 'med', range: { min: 7 } }],
      actions: [{ type: 'set-weight', value: 5 }],
      verdict: 'next',
    },
  ],
  default: 'accept',
  defaultName: 'rest',
});
const exportChange = preparePolicy({
  name: 'export',
  terms: [
    {
      name: 'tag',
      matches: [{ type: 'as-path-length', range: { min: 2 } }],
      actions: [
        { type: 'add-communities', communities: [{ type: 'standard', value: 0xfde80063 }] },
        { type: 'set-med', operation: 'set', value: 42 },
      ],
      verdict: 'accept',
    },
    {
      name: 'not from client 1',
      matches: [{ type: 'learned-from', names: ['client1'] }],
      actions: [],
      verdict: 'reject',
    },
  ],
  default: 'accept',
  defaultName: 'rest',
});
/** Terms that build on each other, by prefix, and one for local origin alone. */
const staged = preparePolicy({
  name: 'staged',
  terms: [
    {
      name: 'tag 10.0.0.0/8',
      matches: [
        {
          type: 'prefix',
          set: { name: 'ten', entries: [{ prefix: prefix('10.0.0.0/8'), minLength: 8, maxLength: 32 }] },
        },
      ],
      actions: [{ type: 'add-communities', communities: [{ type: 'standard', value: 0xfde80001 }] }],
      verdict: 'next',
    },
    { name: 'local', matches: [{ type: 'source', sources: ['network'] }], actions: [], verdict: 'reject' },
    {
      name: 'tagged',
      matches: [{ type: 'community', require: 'any', patterns: [{ type: 'standard', parts: [65000, 1] }] }],
      actions: [{ type: 'prepend', asns: [65_001] }],
      verdict: 'accept',
    },
  ],
  default: 'accept',
  defaultName: 'rest',
});
/** By source, prefix and attributes, without changing any attribute. */
const nextHopChoice = preparePolicy({
  name: 'next hop',
  terms: [
    {
      name: 'self',
      matches: [
        { type: 'not', match: { type: 'prefix-length', min: 17, max: 128 } },
        {
          type: 'any',
          matches: [
            { type: 'learned-from-kind', kind: 'ibgp' },
            { type: 'origin', origins: [2] },
          ],
        },
      ],
      actions: [{ type: 'next-hop', mode: 'self' }],
      verdict: 'accept',
    },
    {
      name: 'keep',
      matches: [{ type: 'med', range: { min: 5 } }],
      actions: [{ type: 'next-hop', mode: 'unchanged' }],
      verdict: 'next',
    },
    { name: 'not local', matches: [{ type: 'source', sources: ['network'] }], actions: [], verdict: 'reject' },
  ],
  default: 'accept',
  defaultName: 'rest',
});
const policies: readonly Policy[] = [acceptAll, preferCommunity, exportChange, rejectAll, staged, nextHopChoice];

const specs: readonly { settings: RibPeerSettings; session: LabSession }[] = [
  ebgp('tor1', '10.0.1.1', 100001, { enforceFirstAs: false }),
  ebgp('tor2', '10.0.1.2', 100002, { enforceFirstAs: false, importPolicy: preferCommunity }),
  ebgp('old', '10.0.1.3', 65003, { nextHop: 'unchanged', exportMed: true }, { fourOctetAs: false }),
  ebgp(
    'paths',
    '10.0.1.4',
    100004,
    { exportPolicy: exportChange, addPathMax: { 'ipv4-unicast': 2 } },
    { addPathReceive: true, addPathSend: true },
  ),
  ibgp('client1', '10.0.2.1', { routeReflectorClient: true }),
  ibgp('client2', '10.0.2.2', { routeReflectorClient: true, exportPolicy: exportChange }),
  ibgp('plain1', '10.0.2.3', { nextHop: 'self' }),
  ibgp('plain2', '10.0.2.4', { importPolicy: preferCommunity }),
  ebgp('all', '10.0.1.6', 100006, { exportPolicy: staged }, { addPathSend: true }),
  ibgp('reflected', '10.0.2.5', { routeReflectorClient: true }, { addPathReceive: true, addPathSend: true }),
  ebgp('node', '10.0.1.5', 100005, { exportOnlyLocal: true, allowOwnAs: 1 }),
];

function ebgp(
  name: string,
  address: string,
  remoteAs: number,
  more: Partial<RibPeerSettings>,
  session: LabSession = {},
): { settings: RibPeerSettings; session: LabSession } {
  const base = { name, address: ip(address), kind: 'ebgp' as const, remoteAs, localAs: LOCAL_AS };
  return { settings: { ...base, importPolicy: acceptAll, exportPolicy: acceptAll, ...more }, session };
}

function ibgp(name: string, address: string, more: Partial<RibPeerSettings>, session: LabSession = {}) {
  const base = { name, address: ip(address), kind: 'ibgp' as const, remoteAs: LOCAL_AS, localAs: LOCAL_AS };
  const settings = { ...base, importPolicy: acceptAll, exportPolicy: acceptAll, ...more };
  // Router ids in the opposite order of addresses.
  const last = 200 - (settings.address.octets[3] ?? 0);
  return { settings, session: { routerId: ip(`10.250.0.${last}`), ...session } };
}

interface Sample {
  readonly version: 4 | 6;
  readonly path: readonly number[];
  readonly origin: 0 | 1 | 2;
  readonly med: number | undefined;
  readonly localPref: number;
  readonly nextHop: number;
  readonly communities: readonly number[];
  readonly extras: number;
}

/** Paths that several peers have alike. */
const popular: Sample = {
  version: 4,
  path: [7],
  origin: 0,
  med: undefined,
  localPref: 100,
  nextHop: 0,
  communities: [],
  extras: 15,
};
const random: fc.Arbitrary<Sample> = fc.record({
  version: fc.constantFrom(4 as const, 6 as const),
  path: fc.array(fc.constantFrom(7, 8, 70000, LOCAL_AS, 70001), { maxLength: 2 }),
  origin: fc.constantFrom(0 as const, 0 as const, 1 as const, 2 as const),
  med: fc.constantFrom(undefined, 0, 5, 9),
  localPref: fc.constantFrom(100, 100, 150),
  nextHop: fc.integer({ min: 0, max: 3 }),
  communities: fc.constantFrom(
    [],
    [],
    [],
    [0xfde80001],
    [WellKnownCommunity.NoExport],
    [WellKnownCommunity.NoAdvertise, 5],
    [WellKnownCommunity.NoExportSubconfed],
  ),
  extras: fc.integer({ min: 0, max: 15 }),
});

const sample = fc.oneof(
  { weight: 3, arbitrary: random },
  { weight: 2, arbitrary: fc.constantFrom(popular, { ...popular, version: 6 as const }, { ...popular, nextHop: 1 }) },
);

function attributesOf(of: Sample, settings: RibPeerSettings): PathAttributes {
  const { kind, remoteAs } = settings;
  const isInternal = kind === 'ibgp';
  // Now and then a path whose first AS is not the peer's.
  const first = isInternal ? [] : [of.extras >= 13 ? 9 : remoteAs];
  const asns = [...first, ...of.path];
  return {
    origin: of.origin,
    asPath: asns.length === 0 ? [] : [{ type: 'sequence', asns }],
    nextHop: nextHops[of.version][of.nextHop] ?? ROUTER_ID,
    ...(of.med === undefined ? {} : { med: of.med }),
    ...(isInternal ? { localPref: of.localPref } : {}),
    ...(of.communities.length === 0 ? {} : { communities: of.communities }),
    ...(of.extras === 1 ? { unknown: [{ flags: 0xc0, code: 99, value: Uint8Array.of(1, 2, 3) }] } : {}),
    ...(of.extras === 2 ? { unknown: [{ flags: 0x80, code: 98, value: Uint8Array.of(4) }] } : {}),
    ...(of.extras === 3 ? { largeCommunities: [{ globalAdmin: 1, local1: 2, local2: 3 }] } : {}),
    ...(of.extras === 4 || of.extras === 5
      ? { extendedCommunities: [Uint8Array.of(0x40, 1, 2, 3, 4, 5, 6, 7), Uint8Array.of(0, 2, 0, 1, 0, 0, 0, 9)] }
      : {}),
    ...(isInternal && of.extras === 6 ? { originatorId: ip('10.3.3.3'), clusterList: [ip('10.4.4.4')] } : {}),
    ...(isInternal && of.extras === 7 ? { originatorId: ROUTER_ID } : {}),
    ...(isInternal && of.extras === 8 ? { originatorId: ip('10.3.3.4'), clusterList: [CLUSTER_ID] } : {}),
    ...(of.extras === 9 ? { aggregator: { asn: 70000, address: ip('10.5.5.5') }, atomicAggregate: true as const } : {}),
  };
}

type Operation =
  | { type: 'announce'; peer: number; sample: Sample; which: number[]; pathId: number }
  | { type: 'withdraw'; peer: number; version: 4 | 6; which: number[]; pathId: number }
  | { type: 'down' | 'up' | 'stick' | 'unstick' | 'refreshIn' | 'routeRefresh'; peer: number }
  | { type: 'policy'; peer: number; importPolicy: number; exportPolicy: number }
  | { type: 'paths'; peer: number; max: number | undefined }
  | { type: 'refreshed'; peer: number; sample: Sample; which: number[]; pathId: number; isCut: boolean }
  | { type: 'client'; peer: number; isClient: boolean }
  | { type: 'originate'; version: 4 | 6; which: number; med: number | undefined }
  | { type: 'unoriginate'; version: 4 | 6; which: number }
  | { type: 'nextHop'; version: 4 | 6; which: number; metric: number | undefined }
  | { type: 'slice'; count: number };

/** The first two peers, which may tell the same, more often. */
const peerIndex = fc.oneof(fc.integer({ min: 0, max: specs.length - 1 }), fc.integer({ min: 0, max: 1 }));
const version = fc.constantFrom(4 as const, 6 as const);
const which = fc.uniqueArray(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 4 });
const pathId = fc.integer({ min: 1, max: 2 });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ type: fc.constant('announce' as const), peer: peerIndex, sample, which, pathId }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('withdraw' as const), peer: peerIndex, version, which, pathId }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constantFrom(
        'down' as const,
        'up' as const,
        'up' as const,
        'refreshIn' as const,
        'routeRefresh' as const,
      ),
      peer: peerIndex,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constantFrom('stick' as const, 'unstick' as const), peer: peerIndex }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('policy' as const),
      peer: peerIndex,
      importPolicy: fc.integer({ min: 0, max: policies.length - 1 }),
      exportPolicy: fc.integer({ min: 0, max: policies.length - 1 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('paths' as const),
      peer: peerIndex,
      max: fc.constantFrom(undefined, 1, 2, 3),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('refreshed' as const),
      peer: peerIndex,
      sample,
      which,
      pathId,
      isCut: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('client' as const), peer: peerIndex, isClient: fc.boolean() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('originate' as const),
      version,
      which: fc.integer({ min: 0, max: 2 }),
      med: fc.constantFrom(undefined, 3),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('unoriginate' as const),
      version,
      which: fc.integer({ min: 0, max: 2 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('nextHop' as const),
      version,
      which: fc.integer({ min: 0, max: 2 }),
      metric: fc.constantFrom(undefined, 0, 10, 20),
    }),
  },
  { weight: 8, arbitrary: fc.record({ type: fc.constant('slice' as const), count: fc.integer({ min: 1, max: 6 }) }) },
);

/** Both RIBs, driven by the same operations. */
class Pair {
  readonly lab: RibLab;
  readonly naive: NaiveRib;
  readonly peers: { readonly fast: LabPeer; readonly plain: NaivePeer; readonly session: LabSession }[];

  constructor(limits = { batchRows: 2, batchOctets: 1 << 20, laneOctets: 150 }) {
    this.lab = new RibLab({ clusterId: CLUSTER_ID, ownAddresses: OWN, sliceRows: 2 }, limits);
    this.naive = new NaiveRib({
      localAs: LOCAL_AS,
      routerId: ROUTER_ID,
      clusterId: CLUSTER_ID,
      own: OWN,
      metricOf: (address) => this.lab.metricOf(address),
    });
    this.peers = specs.map(({ settings, session }) => {
      const plain: NaivePeer = {
        settings,
        isUp: false,
        hasPathIds: session.addPathSend === true,
        routerId: session.routerId ?? settings.address,
        localAddress: ROUTER_ID,
        ribIn: new Map(),
      };
      this.naive.peers.push(plain);
      return { fast: this.lab.peer(settings, session), plain, session };
    });
  }

  run(op: Operation): void {
    const { lab, naive } = this;
    switch (op.type) {
      case 'slice':
        for (let n = 0; n < op.count; n++) lab.slice();
        return;
      case 'originate': {
        const target = at(prefixes[op.version], op.which);
        const attributes: PathAttributes = op.med === undefined ? {} : { med: op.med };
        lab.rib.originate(target, attributes, 'network');
        naive.originate(target, attributes, 'network');
        return;
      }
      case 'unoriginate':
        lab.rib.unoriginate(at(prefixes[op.version], op.which), 'network');
        naive.unoriginate(at(prefixes[op.version], op.which));
        return;
      case 'nextHop': {
        const address = at(nextHops[op.version], op.which);
        lab.metrics.set(address.octets.join('.'), op.metric);
        lab.rib.nextHopChanged(address);
        return;
      }
      default:
        this.#runPeer(op);
    }
  }

  #runPeer(op: Extract<Operation, { peer: number }>): void {
    const { lab, naive } = this;
    const { fast, plain, session } = at(this.peers, op.peer);
    const id = session.addPathReceive === true && 'pathId' in op ? op.pathId : undefined;
    switch (op.type) {
      case 'up':
        if (plain.isUp) return;
        plain.isUp = true;
        fast.up();
        return;
      case 'down':
        if (!plain.isUp) return;
        naive.down(plain);
        fast.down();
        return;
      case 'announce': {
        if (!plain.isUp) return;
        const targets = op.which.map((n) => at(prefixes[op.sample.version], n));
        const attributes = attributesOf(op.sample, plain.settings);
        expect(fast.announce(targets, attributes, id)).toBeUndefined();
        for (const target of targets) naive.announce(plain, target, id ?? 0, attributes);
        return;
      }
      case 'withdraw': {
        if (!plain.isUp) return;
        const targets = op.which.map((n) => at(prefixes[op.version], n));
        expect(fast.withdraw(targets, id)).toBeUndefined();
        for (const target of targets) naive.withdraw(plain, target, id ?? 0);
        return;
      }
      case 'stick':
        fast.isStuck = true;
        return;
      case 'unstick':
        fast.unstick();
        return;
      case 'refreshIn':
        lab.rib.refreshIn(fast.handle);
        return;
      case 'routeRefresh':
        lab.out.routeRefresh(fast.handle, 'ipv4-unicast');
        return;
      case 'policy':
        this.#settings(op.peer, {
          importPolicy: at(policies, op.importPolicy),
          exportPolicy: at(policies, op.exportPolicy),
        });
        return;
      case 'paths':
        this.#settings(op.peer, { addPathMax: op.max === undefined ? {} : { 'ipv4-unicast': op.max } });
        return;
      case 'refreshed': {
        if (!plain.isUp) return;
        // The peer repeats one path and forgets the others; now and then it begins again before it has ended.
        const family = op.sample.version === 4 ? 'ipv4-unicast' : 'ipv6-unicast';
        lab.rib.beginRefresh(fast.handle, family);
        if (op.isCut) {
          this.#runPeer({ ...op, type: 'announce' });
          lab.rib.beginRefresh(fast.handle, family);
        }
        for (const target of prefixes[op.sample.version]) {
          for (const known of [0, 1, 2]) naive.withdraw(plain, target, known);
        }
        if (!op.isCut) this.#runPeer({ ...op, type: 'announce' });
        lab.rib.endRefresh(fast.handle, family);
        return;
      }
      case 'client':
        if (plain.settings.kind === 'ibgp') this.#settings(op.peer, { routeReflectorClient: op.isClient });
        return;
    }
  }

  #settings(peer: number, change: Partial<RibPeerSettings>): void {
    const { fast, plain } = at(this.peers, peer);
    plain.settings = { ...plain.settings, ...change };
    fast.settings = plain.settings;
    this.lab.rib.updatePeer(fast.handle, plain.settings);
  }

  /** Lets everything through and compares. */
  check(): void {
    for (const { fast } of this.peers) fast.unstick();
    this.lab.settle();
    const best = new Map<string, string>();
    for (const view of this.lab.rib.routes({ bestOnly: true })) {
      best.set(formatPrefix(view.prefix), `${view.peer?.name ?? 'local'} ${view.pathId ?? 0}`);
    }
    const wanted = new Map<string, string>();
    for (const key of this.naive.prefixes.keys()) {
      const path = this.naive.best(key);
      if (path !== undefined) wanted.set(key, `${path.peer?.settings.name ?? 'local'} ${path.pathId}`);
    }
    expect(sorted(best)).toEqual(sorted(wanted));
    for (const { fast, plain } of this.peers) {
      const { name } = plain.settings;
      if (!plain.isUp) continue;
      const expected = [...this.naive.told(plain)].map(([key, paths]) => [key, paths.map(attributesKey).sort()]);
      expect({ name, told: toldPaths(fast) }).toEqual({ name, told: expected.sort() });
      const views = [...this.lab.rib.advertised(fast.handle, {})];
      const shown = views.map(({ prefix: of, pathId: id }) => formatPrefix(of) + (id === undefined ? '' : ` ${id}`));
      expect({ name, told: shown.sort() }).toEqual({ name, told: [...fast.told.keys()].sort() });
      for (const family of ['ipv4-unicast', 'ipv6-unicast'] as const) {
        const inFamily = views.filter((view) => view.family === family).length;
        const received = [...this.lab.rib.received(fast.handle, { family })];
        const counters = this.lab.rib.counters(fast.handle, family);
        expect(counters.advertised).toBe(inFamily);
        expect(counters.received).toBe(received.length);
        expect(counters.best).toBe(received.filter((view) => view.best).length);
      }
      expect(new Set(fast.endOfRib.map(({ family }) => family)).size).toBe(2);
      expect(fast.endOfRib.length).toBe(2);
    }
  }

  /** Everything goes: nothing may be left behind. */
  empty(): void {
    for (const { fast, plain } of this.peers) {
      if (plain.isUp) fast.down();
      this.naive.down(plain);
    }
    for (const group of [prefixes[4], prefixes[6]])
      for (const target of group) this.lab.rib.unoriginate(target, 'network');
    this.lab.settle();
    this.lab.rib.takeSelected(1000, { route() {}, remove() {} });
    this.lab.settle();
    const { rib } = this.lab;
    expect(rib.size('ipv4-unicast')).toEqual({ prefixes: 0, paths: 0 });
    expect(rib.size('ipv6-unicast')).toEqual({ prefixes: 0, paths: 0 });
    expect(rib.locRib('ipv4-unicast').prefixes.count).toBe(0);
    expect(rib.locRib('ipv6-unicast').prefixes.count).toBe(0);
    expect(rib.sets.count).toBe(0);
  }
}

/** What a peer holds, by prefix: attributes without the path identifiers. */
function toldPaths({ told }: LabPeer): [string, string[]][] {
  const found = new Map<string, string[]>();
  for (const [key, attributes] of told) {
    const [of = ''] = key.split(' ');
    found.set(of, [...(found.get(of) ?? []), attributesKey(attributes)].sort());
  }
  return [...found].sort();
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new RangeError(`${index} of ${list.length}`);
  return item;
}

function sorted(map: ReadonlyMap<string, string>): [string, string][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

describe('the tables agree with the plain RIB', { timeout: 120_000 }, () => {
  test('over random operations, with several peers of mixed kinds and sockets that stick', () => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 10, maxLength: 100 }), (operations) => {
        const pair = new Pair();
        for (let n = 0; n < specs.length; n++) pair.run({ type: 'up', peer: n });
        for (const op of operations) pair.run(op);
        pair.check();
        pair.empty();
      }),
      { numRuns: Number(process.env['FC_RUNS'] ?? 150) },
    );
  });

  test('with all sessions coming up late and nothing split', () => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 10, maxLength: 100 }), (operations) => {
        const pair = new Pair({ batchRows: 16_384, batchOctets: 1 << 20, laneOctets: 1 << 20 });
        for (const [n, op] of operations.entries()) {
          // One session after the other comes up while routes are on their way.
          if (n % 3 === 0) pair.run({ type: 'up', peer: (n / 3) % specs.length });
          pair.run(op);
        }
        pair.check();
        pair.empty();
      }),
      { numRuns: Number(process.env['FC_RUNS'] ?? 100) },
    );
  });
});

test('rules have names', () => {
  expect(ruleName(-Rule.Med)).toBe('MED');
});
