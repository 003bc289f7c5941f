import { ip, type PathAttributes, prefix } from 'bgp-ts';
import { beforeEach, describe, expect, test } from 'vitest';
import { acceptAll, rejectAll } from '../../rib/policy/evaluate.ts';
import type { ForwardingReading, KernelRouteReading } from '../../speaker/control.ts';
import {
  control,
  explain,
  lab,
  neighbour,
  node,
  P,
  policy,
  resetLab,
  ribEnd,
  setForwarding,
} from '../support/explain-lab.ts';
import type { EndOptions } from '../support/speaker-lab.ts';

beforeEach(() => resetLab());

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
    resetLab({ asn: 65001, multipath: { maxPaths: 2, relaxAsPath: true } });
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
    setForwarding(kernel);
    expect((await explain(P)).kernel).toMatchObject({ state, ...expected });
  });

  test('no kernel, local origin, and nothing wanted', async () => {
    node.originate(P);
    lab.run(1);
    expect((await explain(P)).kernel).toMatchObject({ state: 'not-written', reason: 'no-kernel' });
    setForwarding(new FakeKernel());
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
