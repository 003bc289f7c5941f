import { describe, expect, test } from 'vitest';
import { formatExplanation } from '../../../bgpctl/commands/explain.ts';
import { type ExplainReply, explainReplySchema } from '../../../lib/api-explain.ts';
import { explainReply, route } from '../../support/control-surface.ts';

/** What is printed for a reply that the schema allows. */
function printed(over: Partial<ExplainReply> = {}, hasColours = false): string {
  return formatExplanation(explainReplySchema.parse(explainReply(over)), { hasColours });
}

/** The lines of a section. */
function section(text: string, heading: string): string {
  const at = text.indexOf(`${heading}\n`);
  const end = text.indexOf('\n\n', at);
  return text.slice(at, end < 0 ? undefined : end + 1);
}

describe('explain prints', () => {
  test('a route with one path', () => {
    expect(printed()).toBe(`10.64.2.0/26, ipv4-unicast: 1 path, 1 usable; the best is from tor

Paths
  *> from tor (10.0.1.254), eBGP
       best: the only usable path
       import policy: accepted by tor-in: fabric
       next hop 10.0.1.254: route 10.0.1.0/24 of table 254, on the link dev eth0, cost 0

Told to
  tor (eBGP): not advertised: the best path came from it (split horizon)

Kernel
  same: as wanted
  unicast via 10.0.1.254 dev eth0
`);
  });

  test('what each term changed; of communities what came and went', () => {
    const [first] = explainReply().candidates;
    if (first === undefined) throw new Error('no candidate');
    const text = printed({
      candidates: [
        {
          ...first,
          policy: {
            direction: 'import',
            verdict: 'accept',
            term: 'in: customers',
            steps: [
              { term: 'in: look', verdict: 'next', changes: [] },
              {
                term: 'in: mark',
                verdict: 'next',
                changes: [
                  { attribute: 'communities', before: '65000:1 65000:2', after: '65000:2 65000:3' },
                  { attribute: 'med', before: '7' },
                ],
              },
              {
                term: 'in: customers',
                verdict: 'accept',
                changes: [
                  { attribute: 'localPref', before: '100', after: '200' },
                  { attribute: 'asPath', before: '', after: '65000' },
                  { attribute: 'weight', after: '5' },
                  { attribute: 'communities', before: '1:1 2:2', after: '2:2 1:1' },
                ],
              },
            ],
            changes: [],
          },
        },
      ],
    });
    expect(section(text, 'Paths')).toBe(`Paths
  *> from tor (10.0.1.254), eBGP
       best: the only usable path
       import policy: accepted by in: customers
         in: look: changed nothing
         in: mark: communities +65000:3 -65000:1, MED 7 -> none
         in: customers: LOCAL_PREF 100 -> 200, AS path empty -> 65000, weight set to 5, communities 1:1 2:2 -> 2:2 1:1
       next hop 10.0.1.254: route 10.0.1.0/24 of table 254, on the link dev eth0, cost 0
`);
  });

  test('paths that are not best, used beside it, or not usable', () => {
    const other = { best: false, peer: 'tor-b', peerAddress: '10.0.1.253' } as const;
    const against = { source: 'peer', peer: 'tor' } as const;
    const rank = {
      rule: 'router id',
      won: false,
      against,
      own: '9.9.9.9',
      other: '1.1.1.1',
      prefers: 'lower',
    } as const;
    const words = 'by router id: 9.9.9.9 against 1.1.1.1 of tor (lower is preferred)';
    const text = printed({
      candidates: [
        {
          route: route({ ...other, multipath: true, pathId: 3 }),
          state: 'multipath',
          text: `used beside the best path, ranked below it ${words}`,
          rank: { ...rank, withinAs: false },
        },
        { route: route(other), state: 'not-best', text: `not best, ${words}`, rank: { ...rank, withinAs: true } },
        {
          route: route({ ...other, valid: false }),
          state: 'not-usable',
          reason: 'next-hop-unreachable',
          text: 'not usable: next hop 192.0.2.1 is unreachable: no route covers it',
          nextHop: { address: '192.0.2.1', result: 'unreachable', text: 'no route covers it' },
        },
      ],
    });
    expect(section(text, 'Paths')).toBe(`Paths
  *= from tor-b (10.0.1.253), eBGP, path id 3
       used beside the best path, ranked below it by router id: 9.9.9.9 against 1.1.1.1 of tor (lower is preferred)
  *  from tor-b (10.0.1.253), eBGP
       not best, by router id: 9.9.9.9 against 1.1.1.1 of tor (lower is preferred)
     from tor-b (10.0.1.253), eBGP
       not usable: next hop 192.0.2.1 is unreachable: no route covers it
       next hop 192.0.2.1: no route covers it
`);
  });

  test('who is told what', () => {
    const { attributes } = route();
    const text = printed({
      advertisements: [
        {
          peer: 'rr',
          kind: 'ibgp',
          advertised: true,
          text: 'advertised, from tor',
          paths: [
            {
              from: { source: 'peer', peer: 'tor' },
              attributes,
              changes: [{ attribute: 'nextHop', before: '10.0.1.254', after: '10.0.1.1' }],
            },
          ],
          policy: { direction: 'export', verdict: 'accept', term: 'default', steps: [], changes: [] },
        },
        {
          peer: 'many',
          kind: 'ebgp',
          advertised: true,
          reason: 'pending',
          text: '2 paths advertised; the best path is not: it is on its way',
          paths: [
            { pathId: 1, from: { source: 'peer', peer: 'tor' }, attributes, changes: [] },
            { pathId: 2, from: { source: 'pod-block' }, attributes },
          ],
          kept: [
            { path: { source: 'peer', peer: 'third' }, reason: 'beyond-limit' },
            { path: { source: 'peer', peer: 'fourth' }, reason: 'not-usable' },
          ],
        },
        {
          peer: 'edge',
          kind: 'ebgp',
          advertised: false,
          reason: 'export-policy',
          text: 'not advertised: rejected by export policy, out: private',
          paths: [],
          policy: {
            direction: 'export',
            verdict: 'reject',
            term: 'out: private',
            steps: [{ term: 'out: private', verdict: 'reject', changes: [] }],
            changes: [],
          },
        },
      ],
    });
    expect(section(text, 'Told to')).toBe(`Told to
  rr (iBGP): advertised, from tor
       as sent: next hop 10.0.1.254 -> 10.0.1.1
  many (eBGP): 2 paths advertised; the best path is not: it is on its way
       as sent: path id 1, from tor
       as sent: path id 2, from pod-block
       not told: from third, better ones fill what the session may carry
  edge (eBGP): not advertised: rejected by export policy, out: private
`);
  });

  test('why it is not here from one peer', () => {
    const text = printed({
      prefix: '10.9.0.0/16',
      text: 'no path of this prefix is here; nothing covers it',
      candidates: [],
      received: {
        peer: 'tor',
        state: 'absent',
        reason: 'session-down',
        text: 'not here: there is no session, its state is Active',
        treatedAsWithdraw: { at: '2026-01-02T03:04:05.000Z', problem: 'ORIGIN: value 3' },
      },
      advertisements: [],
      kernel: { state: 'none', text: 'no route of ours, and none is wanted', compared: true },
    });
    expect(text).toBe(`10.9.0.0/16, ipv4-unicast: no path of this prefix is here; nothing covers it

Heard from tor
  not here: there is no session, its state is Active
  malformed UPDATE at 2026-01-02T03:04:05.000Z: ORIGIN: value 3

Kernel
  none: no route of ours, and none is wanted
`);
  });

  test.each<[ExplainReply['kernel'], string]>([
    [
      {
        state: 'different',
        text: 'the kernel has another route',
        wanted: 'unicast via 1.1.1.1',
        found: 'blackhole',
        compared: true,
      },
      '  different: the kernel has another route\n  wanted unicast via 1.1.1.1\n  found  blackhole\n',
    ],
    [
      { state: 'missing', text: 'the kernel does not have it', wanted: 'unicast via 1.1.1.1', compared: true },
      '  missing: the kernel does not have it\n  wanted unicast via 1.1.1.1\n',
    ],
    [
      { state: 'same', text: 'as wanted', wanted: 'blackhole', found: 'blackhole', compared: false },
      '  same: as wanted (by its notifications; not read for a table of this size)\n  blackhole\n',
    ],
    [
      { state: 'not-written', reason: 'no-kernel', text: 'this speaker writes no kernel routes', compared: false },
      '  not-written: this speaker writes no kernel routes\n',
    ],
  ])('the kernel: $state', (kernel, expected) => {
    expect(printed({ kernel }).split('Kernel\n')[1]).toBe(expected);
  });

  test('nothing a peer sent can drive the terminal', () => {
    const text = printed({
      advertisements: [],
      received: { peer: 'tor\u001b[2J', state: 'absent', reason: 'not-sent', text: 'a\u0007b' },
    });
    expect(text).toContain('Heard from tor\\u001b[2J\n  a\\u0007b\n');
  });

  test('colours say what is good and what is not', () => {
    const text = printed({}, true);
    expect(text).toContain('\u001b[32mbest: the only usable path\u001b[0m');
    expect(text).toContain('\u001b[32msame\u001b[0m');
    expect(printed({ kernel: { state: 'failed', text: 'x', compared: true } }, true)).toContain('\u001b[31mfailed');
  });
});
