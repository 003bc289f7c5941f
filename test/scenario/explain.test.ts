import { encodeUpdate, ip, type PathAttributes, prefix, Role, WellKnownCommunity } from 'bgp-ts';
import { beforeEach, describe, expect, test } from 'vitest';
import { type ExplainReply, explainReplySchema } from '../../lib/api-explain.ts';
import { acceptAll, preparePolicy, rejectAll } from '../../rib/policy/evaluate.ts';
import type { PolicySpec } from '../../rib/policy/policy.ts';
import type { RibPeerSettings } from '../../rib/types.ts';
import type { PeerFacts } from '../../speaker/api/peer-view.ts';
import { Control, type ForwardingReading, type KernelRouteReading } from '../../speaker/control.ts';
import { type EndOptions, SpeakerLab, type SpeakerOptions, type TestSpeaker } from '../support/speaker-lab.ts';

const P = '203.0.113.0/24';
const accept: PeerFacts['importPolicy'] = { mode: 'configured', names: ['in'] };

let lab: SpeakerLab;
let node: TestSpeaker;
let facts: Map<string, Partial<PeerFacts>>;
let forwarding: ForwardingReading | undefined;

function control(): Control {
  return new Control({
    clock: lab.clock,
    startedMs: 0,
    rib: node.rib,
    speaker: node.speaker,
    node: () => ({ name: 'node1', asn: node.asn, routerId: node.name }),
    peerFacts: (name) => ({
      description: undefined,
      routeReflectorClient: false,
      nextHop: 'auto',
      maxPrefix: undefined,
      importPolicy: accept,
      exportPolicy: accept,
      ...facts.get(name),
    }),
    forwarding,
    pods: () => [],
    blocks: () => [],
    reload: async () => ({ applied: false, changes: [], resets: [], warnings: [] }),
    health: () => ({ ready: true, checks: [] }),
    eventLoop: {
      delay: () => ({
        elapsedMs: 1,
        busyShare: 0,
        p50Ms: 0,
        p99Ms: 0,
        maxMs: 0,
        cpu: { busyShare: 0, p99Ms: 0, maxMs: 0 },
      }),
      reset: () => {},
    },
    wake: () => node.loop.wake(),
  });
}

/** The explanation, which must be of the documented shape with nothing beside. */
async function explain(asked: string, peer?: TestSpeaker): Promise<ExplainReply> {
  const reply = await control().explain({ prefix: asked, ...(peer === undefined ? {} : { peer: peer.name }) });
  expect(explainReplySchema.parse(reply)).toEqual(reply);
  return reply;
}

/** Another speaker with a session to the node. */
function neighbour(
  options: SpeakerOptions,
  ends: { readonly node?: EndOptions; readonly theirs?: EndOptions } = {},
): TestSpeaker {
  const one = lab.speaker(options);
  lab.connect(node, one, ends.node, ends.theirs);
  return one;
}

function ribEnd(rib: Partial<RibPeerSettings>): EndOptions {
  return { rib };
}

function policy(terms: PolicySpec['terms'], fallback: 'accept' | 'reject' = 'accept') {
  return preparePolicy({ name: 'p', terms, default: fallback, defaultName: `p: default ${fallback}` });
}

beforeEach(() => {
  lab = new SpeakerLab();
  node = lab.speaker({ asn: 65001 });
  facts = new Map();
  forwarding = undefined;
});

describe('why a path has its place', () => {
  interface Case {
    readonly rule: string;
    /** Of the two origins: the first wins. */
    readonly attributes: readonly [PathAttributes, PathAttributes];
    readonly ends?: readonly [EndOptions, EndOptions];
    readonly asns?: readonly [number, number];
    readonly text: string;
    readonly loser: string;
  }
  const localPref = (value: number): EndOptions =>
    ribEnd({
      importPolicy: policy([
        { name: 'p: prefer', matches: [], actions: [{ type: 'set-local-pref', value }], verdict: 'accept' },
      ]),
    });
  const weight = (value: number): EndOptions =>
    ribEnd({
      importPolicy: policy([
        { name: 'p: weigh', matches: [], actions: [{ type: 'set-weight', value }], verdict: 'accept' },
      ]),
    });
  const cases: readonly Case[] = [
    {
      rule: 'weight',
      attributes: [{}, {}],
      ends: [weight(20), weight(10)],
      text: 'best, by weight: 20 against 10 of 10.0.0.3 (higher is preferred)',
      loser: 'not best, by weight: 10 against 20 of 10.0.0.2 (higher is preferred)',
    },
    {
      rule: 'LOCAL_PREF',
      attributes: [{}, {}],
      ends: [localPref(200), localPref(150)],
      text: 'best, by LOCAL_PREF: 200 against 150 of 10.0.0.3 (higher is preferred)',
      loser: 'not best, by LOCAL_PREF: 150 against 200 of 10.0.0.2 (higher is preferred)',
    },
    {
      rule: 'AS_PATH length',
      attributes: [{}, { asPath: [{ type: 'sequence', asns: [65099] }] }],
      text: 'best, by AS_PATH length: 1 against 2 of 10.0.0.3 (shorter is preferred)',
      loser: 'not best, by AS_PATH length: 2 against 1 of 10.0.0.2 (shorter is preferred)',
    },
    {
      rule: 'ORIGIN',
      attributes: [{ origin: 0 }, { origin: 2 }],
      text: 'best, by ORIGIN: IGP against incomplete of 10.0.0.3 (IGP before EGP before incomplete is preferred)',
      loser: 'not best, by ORIGIN: incomplete against IGP of 10.0.0.2 (IGP before EGP before incomplete is preferred)',
    },
    {
      rule: 'MED',
      attributes: [{ med: 5 }, { med: 9 }],
      asns: [65002, 65002],
      text: 'best, by MED: 5 against 9 of 10.0.0.3 (lower is preferred)',
      loser: 'not best, by MED: 9 against 5 of 10.0.0.2 (lower is preferred)',
    },
    {
      rule: 'router id',
      attributes: [{}, {}],
      text: 'best, by router id: 10.0.0.2 against 10.0.0.3 of 10.0.0.3 (lower is preferred)',
      loser: 'not best, by router id: 10.0.0.3 against 10.0.0.2 of 10.0.0.2 (lower is preferred)',
    },
  ];
  test.each(cases)('$rule', async ({ rule, attributes, ends, asns = [65002, 65003], text, loser }) => {
    const speakers = attributes.map((of, i) => {
      const one = neighbour({ asn: asns[i as 0 | 1] }, ends === undefined ? {} : { node: ends[i as 0 | 1] });
      one.originate(P, of);
      return one;
    });
    lab.run(15);
    const { candidates, found, text: summary } = await explain('203.0.113.9');
    expect(found).toBe(true);
    expect(summary).toBe(`2 paths, 2 usable; the best is from ${speakers[0]?.name}`);
    expect(candidates.map((one) => [one.state, one.text])).toEqual([
      ['best', text],
      ['not-best', loser],
    ]);
    expect(candidates[0]?.rank).toMatchObject({
      rule,
      won: true,
      against: { source: 'peer', peer: speakers[1]?.name },
    });
    expect(candidates[1]?.rank).toMatchObject({ rule, won: false, withinAs: false });
  });

  test('eBGP before iBGP, and what this node originates before both', async () => {
    const inner = neighbour({ asn: 65001 });
    const outer = neighbour({ asn: 65003 });
    inner.originate(P, { asPath: [{ type: 'sequence', asns: [65009] }] });
    outer.originate(P);
    lab.run(15);
    expect((await explain(P)).candidates[0]?.text).toBe(
      `best, by eBGP over iBGP: eBGP against iBGP of ${inner.name} (eBGP is preferred)`,
    );
    node.originate(P);
    lab.run(1);
    const { candidates } = await explain(P);
    expect(candidates[0]).toMatchObject({
      state: 'best',
      text: `best, by local origin: originated here against heard from a peer of ${outer.name} (what this node originates is preferred)`,
    });
  });

  test('a path that lost to another of its own neighbouring AS', async () => {
    // Router ids: the AS 65002 path with the worse MED would win over that of AS 65003, which wins over the better one.
    const worse = neighbour({ asn: 65002 });
    const other = neighbour({ asn: 65003 });
    const better = neighbour({ asn: 65002 });
    worse.originate(P, { med: 9 });
    other.originate(P);
    better.originate(P, { med: 5 });
    lab.run(15);
    const { candidates } = await explain(P);
    expect(candidates[0]?.route.peer).toBe(other.name);
    const lost = candidates.find(({ route }) => route.peer === worse.name);
    expect(lost?.text).toBe(
      `not best, by MED: 9 against 5 of ${better.name}, of the same neighbouring AS (lower is preferred)`,
    );
    expect(lost?.rank?.withinAs).toBe(true);
  });

  test('the only path', async () => {
    const one = neighbour({ asn: 65002 });
    one.originate(P);
    lab.run(15);
    const { candidates } = await explain(P);
    expect(candidates).toMatchObject([{ state: 'best', text: 'best: the only usable path' }]);
    expect(candidates[0]).not.toHaveProperty('rank');
  });

  test('paths side by side', async () => {
    lab = new SpeakerLab();
    node = lab.speaker({ asn: 65001, multipath: { maxPaths: 2, relaxAsPath: true } });
    for (const asn of [65002, 65003]) neighbour({ asn }).originate(P);
    lab.run(15);
    expect((await explain(P)).candidates[1]).toMatchObject({
      state: 'multipath',
      text: 'used beside the best path, ranked below it by router id: 10.0.0.3 against 10.0.0.2 of 10.0.0.2 (lower is preferred)',
    });
  });
});

describe('what policy did', () => {
  const terms = [
    {
      name: 'p: mark',
      matches: [],
      actions: [{ type: 'add-communities', communities: [{ type: 'standard', value: 65001 * 65536 + 7 }] }],
      verdict: 'next',
    },
    {
      name: 'p: prefer',
      matches: [],
      actions: [
        { type: 'set-local-pref', value: 300 },
        { type: 'set-weight', value: 5 },
      ],
      verdict: 'accept',
    },
  ] as const;

  test('on import, term by term and together', async () => {
    const one = neighbour({ asn: 65002 }, { node: ribEnd({ importPolicy: policy(terms) }) });
    one.originate(P, { med: 4 });
    lab.run(15);
    const [candidate] = (await explain(P)).candidates;
    const mark = { attribute: 'communities', after: '65001:7' };
    expect(candidate?.policy).toEqual({
      direction: 'import',
      verdict: 'accept',
      term: 'p: prefer',
      steps: [
        { term: 'p: mark', verdict: 'next', changes: [mark] },
        {
          term: 'p: prefer',
          verdict: 'accept',
          changes: [
            { attribute: 'localPref', after: '300' },
            { attribute: 'weight', after: '5' },
          ],
        },
      ],
      changes: [{ attribute: 'localPref', after: '300' }, mark, { attribute: 'weight', after: '5' }],
    });
    expect(candidate?.route.beforePolicy).toMatchObject({ med: 4 });
  });

  test('on export, and what is sent', async () => {
    const one = neighbour({ asn: 65002 }, { node: ribEnd({ exportPolicy: policy(terms) }) });
    node.originate(P);
    lab.run(15);
    const [told] = (await explain(P)).advertisements;
    expect(told).toMatchObject({ peer: one.name, advertised: true, text: 'advertised, from network of this node' });
    expect(told).not.toHaveProperty('reason');
    expect(told?.policy?.steps.map(({ term }) => term)).toEqual(['p: mark', 'p: prefer']);
    expect(told?.paths[0]?.attributes).toMatchObject({
      asPath: '65001',
      nextHop: '10.0.0.1',
      communities: ['65001:7'],
    });
    expect(told?.paths[0]?.changes).toEqual(
      expect.arrayContaining([
        { attribute: 'asPath', before: '', after: '65001' },
        { attribute: 'communities', after: '65001:7' },
      ]),
    );
  });
});

describe('why a path is not here from a peer', () => {
  const reject = policy([{ name: 'p: no', matches: [], actions: [], verdict: 'reject' }]);
  interface Case {
    readonly reason: string;
    readonly asn?: number;
    readonly node?: EndOptions;
    readonly theirs?: EndOptions;
    readonly attributes?: PathAttributes;
    readonly arrange?: (one: TestSpeaker) => void;
    readonly state?: 'absent' | 'not-usable';
    readonly text: string | RegExp;
  }
  const sequence = (...asns: number[]): PathAttributes => ({ asPath: [{ type: 'sequence', asns }] });
  const cases: readonly Case[] = [
    {
      reason: 'import-policy',
      node: ribEnd({ importPolicy: reject }),
      text: 'not usable: rejected by import policy, p: no',
    },
    {
      reason: 'rfc8212',
      node: ribEnd({ importPolicy: rejectAll }),
      arrange: (one) => void facts.set(one.name, { importPolicy: { mode: 'rfc8212', names: [], reason: 'no policy' } }),
      text: 'not usable: it is from an eBGP peer without an import policy, nothing is let in (RFC 8212)',
    },
    { reason: 'as-loop', attributes: sequence(65001), text: 'not usable: own AS in the AS path' },
    {
      reason: 'originator-loop',
      asn: 65001,
      attributes: { originatorId: ip('10.0.0.1') },
      text: 'not usable: own router id as ORIGINATOR_ID',
    },
    {
      reason: 'cluster-loop',
      asn: 65001,
      attributes: { originatorId: ip('10.9.9.9'), clusterList: [ip('10.0.0.1')] },
      text: 'not usable: own cluster id in CLUSTER_LIST',
    },
    {
      reason: 'route-leak',
      node: ribEnd({ role: Role.Provider }),
      attributes: { onlyToCustomer: 65009 },
      text: /^not usable: route leak/,
    },
    {
      reason: 'family-disabled',
      arrange: (one) => {
        const entry = node.speaker.find(one.name);
        if (entry !== undefined) node.rib.disableFamily(entry.handle, 'ipv4-unicast');
        node.loop.wake();
      },
      text: /the family is out of use \(RFC 7606\)$/,
    },
    {
      reason: 'next-hop-unreachable',
      arrange: () => {
        node.unreachable.add('10.0.0.2');
        node.rib.nextHopChanged();
        node.loop.wake();
      },
      text: 'not usable: next hop 10.0.0.2 is unreachable: no route covers it',
    },
    {
      reason: 'next-hop-own',
      arrange: () => {
        node.rib.setOwnAddresses([node.address, ip('10.0.0.2')]);
        node.loop.wake();
      },
      text: 'not usable: next hop 10.0.0.2 is an address of this node',
    },
    {
      reason: 'session-down',
      arrange: (one) => {
        lab.break(node, one);
        lab.run(1);
      },
      state: 'absent',
      text: /^not here: there is no session, its state is \w+; the last one ended: /,
    },
    {
      reason: 'shut-down',
      arrange: (one) => void control().shutdown(one.name, { message: 'new cable' }),
      state: 'absent',
      text: 'not here: the peer is shut down ("new cable")',
    },
    {
      reason: 'prefix-limit',
      node: ribEnd({ prefixLimit: { 'ipv4-unicast': { limit: 1 } } }),
      arrange: (one) => {
        one.originate('198.51.100.0/24');
        one.originate('192.0.2.0/24');
        lab.run(5);
      },
      state: 'absent',
      text: 'not here: the session was ended because the peer sent more prefixes than its limit allows',
    },
    {
      reason: 'family-not-in-force',
      theirs: { session: { families: ['ipv6-unicast'] } },
      state: 'absent',
      text: 'not here: the session does not carry ipv4-unicast, the peer did not offer it',
    },
    {
      reason: 'not-sent',
      arrange: (one) => {
        one.unoriginate(P);
        one.originate('203.0.112.0/23');
        lab.run(1);
      },
      state: 'absent',
      text: 'not here: the peer has not sent it, or has withdrawn it (nothing is damped here); it sent 203.0.112.0/23, which covers it',
    },
  ];
  test.each(cases)('$reason', async (row) => {
    const { reason, asn = 65002, attributes = {}, arrange, state = 'not-usable', text } = row;
    const one = neighbour(
      { asn },
      {
        ...(row.node === undefined ? {} : { node: row.node }),
        ...(row.theirs === undefined ? {} : { theirs: row.theirs }),
      },
    );
    one.originate(P, attributes);
    lab.run(15);
    arrange?.(one);
    lab.run(0.5);
    const { received } = await explain(P, one);
    expect(received).toMatchObject({ peer: one.name, state, reason });
    expect(received?.text).toMatch(text);
  });

  test('treated-as-withdraw: what was wrong, also when the session is gone', async () => {
    const one = neighbour({ asn: 65002 });
    lab.run(15);
    const context = {
      fourOctetAs: true,
      addPathReceive: new Set<never>(),
      addPathSend: new Set<never>(),
      kind: 'ebgp',
      localAs: 65002,
    } as const;
    const message = encodeUpdate(
      {
        withdrawn: [],
        attributes: { origin: 0, asPath: [{ type: 'sequence', asns: [65009] }], nextHop: ip('10.0.0.2') },
        nlri: [{ prefix: prefix('198.51.100.0/25') }, { prefix: prefix(P) }],
      },
      context,
    );
    node.speaker.find(one.name)?.updateIn?.receive(message, 19, message.length);
    const { received, found } = await explain(P, one);
    expect(found).toBe(false);
    const problem = "AS_PATH: the first AS must be the peer's, 65002; it is 65009 (RFC 4271 §6.3)";
    expect(received).toEqual({
      peer: one.name,
      state: 'absent',
      reason: 'treated-as-withdraw',
      text: `not here: its last UPDATE with this prefix was malformed and treated as withdraw (RFC 7606): ${problem}`,
      treatedAsWithdraw: { at: new Date(lab.clock.wallMs()).toISOString(), problem },
    });
    expect((await explain('198.51.100.0/24', one)).received?.reason).toBe('not-sent');
    lab.break(node, one);
    lab.run(1);
    expect((await explain(P, one)).received).toMatchObject({ reason: 'session-down', treatedAsWithdraw: { problem } });
  });

  test('here: the best, or not the best and why', async () => {
    const [first, second] = [neighbour({ asn: 65002 }), neighbour({ asn: 65003 })];
    for (const one of [first, second]) one.originate(P);
    lab.run(15);
    expect((await explain(P, first)).received).toMatchObject({ state: 'best' });
    expect((await explain(P, second)).received).toEqual({
      peer: second.name,
      state: 'not-best',
      text: 'not best, by router id: 10.0.0.3 against 10.0.0.2 of 10.0.0.2 (lower is preferred)',
    });
    const { advertisements } = await explain(P, second);
    expect(advertisements.map(({ peer }) => peer)).toEqual([second.name]);
  });
});

describe('why a peer is not told', () => {
  const reject = policy([{ name: 'p: no', matches: [], actions: [], verdict: 'reject' }]);
  interface Case {
    readonly reason: string;
    readonly asn?: number;
    readonly node?: EndOptions;
    readonly theirs?: EndOptions;
    /** Of the path: originated by the node, or by a third speaker of this AS. */
    readonly attributes?: PathAttributes;
    readonly heardFrom?: { readonly asn: number; readonly node?: EndOptions };
    readonly arrange?: (one: TestSpeaker) => void;
    readonly text: string;
  }
  const communities = (value: number): PathAttributes => ({ communities: [value] });
  const cases: readonly Case[] = [
    {
      reason: 'export-policy',
      node: ribEnd({ exportPolicy: reject }),
      text: 'not advertised: rejected by export policy, p: no',
    },
    {
      reason: 'rfc8212',
      node: ribEnd({ exportPolicy: rejectAll }),
      arrange: (one) => void facts.set(one.name, { exportPolicy: { mode: 'rfc8212', names: [] } }),
      text: 'not advertised: it is an eBGP peer without an export policy, nothing is told (RFC 8212)',
    },
    {
      reason: 'not-originated-here',
      node: ribEnd({ exportOnlyLocal: true }),
      heardFrom: { asn: 65003 },
      text: 'not advertised: it is told only what this node originates',
    },
    {
      reason: 'ibgp-to-ibgp',
      asn: 65001,
      heardFrom: { asn: 65001 },
      text: 'not advertised: heard by iBGP, told by iBGP only from or to route-reflector clients (RFC 4271 §9.2, RFC 4456 §6)',
    },
    {
      reason: 'client-to-client',
      asn: 65001,
      node: ribEnd({ routeReflectorClient: true, clientToClient: false }),
      heardFrom: { asn: 65001, node: ribEnd({ routeReflectorClient: true, clientToClient: false }) },
      text: 'not advertised: heard from a client of its cluster, and the clients speak to each other (RFC 4456)',
    },
    {
      reason: 'no-advertise',
      attributes: communities(WellKnownCommunity.NoAdvertise),
      text: 'not advertised: it has the community NO_ADVERTISE (RFC 1997)',
    },
    {
      reason: 'no-export',
      attributes: communities(WellKnownCommunity.NoExport),
      text: 'not advertised: it has the community NO_EXPORT, and the peer is outside of this AS (RFC 1997)',
    },
    {
      reason: 'no-export-subconfed',
      attributes: communities(WellKnownCommunity.NoExportSubconfed),
      text: 'not advertised: it has the community NO_EXPORT_SUBCONFED, and the peer is outside of this member AS (RFC 1997)',
    },
    {
      reason: 'only-to-customer',
      node: ribEnd({ role: Role.Customer }),
      attributes: { onlyToCustomer: 65009 },
      text: 'not advertised: it has ONLY_TO_CUSTOMER, and the peer is no customer (RFC 9234)',
    },
    {
      reason: 'session-down',
      arrange: (one) => {
        lab.break(node, one);
        lab.run(1);
      },
      text: 'not advertised: its session is down',
    },
    {
      reason: 'family-not-in-force',
      theirs: { session: { families: ['ipv6-unicast'] } },
      text: 'not advertised: its session does not carry this family',
    },
    { reason: 'no-path', arrange: () => node.unoriginate(P), text: 'not advertised: there is no path' },
    {
      reason: 'no-usable-path',
      heardFrom: { asn: 65003, node: ribEnd({ importPolicy: reject }) },
      text: 'not advertised: no path of it can be used',
    },
  ];
  test.each(cases)('$reason', async (row) => {
    const { reason, asn = 65002, attributes = {}, heardFrom, arrange, text } = row;
    const one = neighbour(
      { asn },
      {
        ...(row.node === undefined ? {} : { node: row.node }),
        ...(row.theirs === undefined ? {} : { theirs: row.theirs }),
      },
    );
    if (heardFrom === undefined) node.originate(P, attributes);
    else {
      neighbour({ asn: heardFrom.asn }, heardFrom.node === undefined ? {} : { node: heardFrom.node }).originate(P);
    }
    lab.run(15);
    arrange?.(one);
    lab.run(0.5);
    const { advertisements } = await explain(P, one);
    expect(advertisements).toMatchObject([{ peer: one.name, advertised: false, reason, text, paths: [] }]);
  });

  test('split-horizon: its own path', async () => {
    const one = neighbour({ asn: 65002 });
    const other = neighbour({ asn: 65003 });
    one.originate(P);
    lab.run(15);
    const { advertisements } = await explain(P);
    expect(advertisements).toMatchObject([
      {
        peer: one.name,
        advertised: false,
        reason: 'split-horizon',
        text: 'not advertised: the best path came from it (split horizon)',
      },
      { peer: other.name, advertised: true, text: `advertised, from ${one.name}` },
    ]);
  });
});

describe('what the kernel holds', () => {
  class FakeKernel implements ForwardingReading {
    readonly table = 254;
    readonly protocol = 177;
    readonly metric = 1024;
    routes: KernelRouteReading[] = [];
    differences: Awaited<ReturnType<ForwardingReading['check']>> = [];
    converged = true;
    never = false;
    list = () => this.routes;
    listOf = () => this.routes;
    count = () => this.wanted;
    wanted = 1;
    isConverged = () => this.converged;
    isNeverInstalled = () => this.never;
    check = async () => this.differences;
    checkNextHops = async () => [];
    linkName = () => 'eth0';
  }
  const hop = { gateway: ip('10.0.0.2'), ifIndex: 2 };
  const route = { prefix: prefix(P), metric: 1024, kind: 'unicast', nextHops: [hop] } as const;
  const words = 'unicast via 10.0.0.2 dev eth0';

  test.each<[string, (kernel: FakeKernel) => void, object]>([
    [
      'same',
      (kernel) => kernel.routes.push({ ...route, state: 'installed' }),
      { text: 'as wanted', wanted: words, found: words, compared: true },
    ],
    [
      'missing',
      (kernel) => {
        kernel.differences = [{ type: 'missing', prefix: prefix(P), metric: 1024, wanted: route }];
      },
      { text: 'the route is wanted and the kernel does not have it; it is written again', wanted: words },
    ],
    [
      'different',
      (kernel) => {
        const found = { kind: 'blackhole', nextHops: [] };
        kernel.differences = [{ type: 'different', prefix: prefix(P), metric: 1024, wanted: route, found }];
      },
      { wanted: words, found: 'blackhole' },
    ],
    ['pending', (kernel) => kernel.routes.push({ ...route, state: 'pending' }), { text: 'on its way' }],
    [
      'failed',
      (kernel) => kernel.routes.push({ ...route, state: 'failed', error: { text: 'ENETUNREACH' } }),
      { text: 'the kernel refused it: ENETUNREACH; it is tried again' },
    ],
    [
      'conflict',
      (kernel) => kernel.routes.push({ ...route, state: 'conflict' }),
      {
        text: 'a route of another program holds this prefix with metric 1024; ours goes in when that one is gone',
      },
    ],
    [
      'conflict',
      (kernel) => {
        kernel.routes.push({ ...route, state: 'conflict' });
        kernel.differences = [{ type: 'missing', prefix: prefix(P), metric: 1024, wanted: route }];
      },
      { wanted: words },
    ],
    ['extra', (kernel) => kernel.routes.push({ ...route, state: 'orphan' }), { found: words }],
    [
      'not-written',
      (kernel) => {
        kernel.never = true;
      },
      { reason: 'never-installed' },
    ],
    ['not-written', () => {}, { reason: 'next-hop-unresolved' }],
    [
      'pending',
      (kernel) => {
        kernel.converged = false;
      },
      { text: 'on its way' },
    ],
    [
      'same',
      (kernel) => {
        kernel.routes.push({ ...route, state: 'installed' });
        kernel.wanted = 1_000_000;
      },
      { compared: false },
    ],
  ])('%s (%#)', async (state, arrange, expected) => {
    neighbour({ asn: 65002 }).originate(P);
    lab.run(15);
    const kernel = new FakeKernel();
    arrange(kernel);
    forwarding = kernel;
    expect((await explain(P)).kernel).toMatchObject({ state, ...expected });
  });

  test('no kernel, local origin, and nothing wanted', async () => {
    node.originate(P);
    lab.run(1);
    expect((await explain(P)).kernel).toMatchObject({ state: 'not-written', reason: 'no-kernel' });
    forwarding = new FakeKernel();
    expect((await explain(P)).kernel).toMatchObject({ state: 'not-written', reason: 'local-origin' });
    expect((await explain('192.0.2.0/24')).kernel).toMatchObject({ state: 'none' });
  });
});

test('a prefix that is not here names what covers it; an address is answered by its longest match', async () => {
  node.originate('203.0.112.0/23');
  lab.run(1);
  expect(await explain(P)).toMatchObject({
    asked: P,
    prefix: P,
    found: false,
    coveredBy: '203.0.112.0/23',
    text: 'no path of this prefix is here; 203.0.112.0/23 covers it',
    candidates: [],
  });
  expect(await explain('203.0.113.9')).toMatchObject({ prefix: '203.0.112.0/23', found: true });
  expect(await explain('192.0.2.1')).toMatchObject({
    prefix: '192.0.2.1/32',
    found: false,
    text: 'no path of this prefix is here; nothing covers it',
  });
  await expect(control().explain({ prefix: P, peer: 'nobody' })).rejects.toThrow("no peer 'nobody'");
});

test('a change of policy changes the explanation with it', async () => {
  const one = neighbour({ asn: 65002 }, { node: ribEnd({ importPolicy: acceptAll }) });
  one.originate(P);
  lab.run(15);
  expect((await explain(P, one)).received?.state).toBe('best');
  const entry = node.speaker.find(one.name);
  if (entry === undefined) throw new Error('no such peer');
  node.rib.updatePeer(entry.handle, { ...entry.handle.settings, importPolicy: rejectAll });
  lab.run(1);
  expect((await explain(P, one)).received).toMatchObject({ state: 'not-usable', reason: 'import-policy' });
});
