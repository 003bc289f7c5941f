import { encodeUpdate, ip, type PathAttributes, prefix, Role, WellKnownCommunity } from 'bgp-ts';
import { beforeEach, describe, expect, test } from 'vitest';
import { rejectAll } from '../../rib/policy/evaluate.ts';
import { control, explain, facts, lab, neighbour, node, P, policy, resetLab, ribEnd } from '../support/explain-lab.ts';
import type { EndOptions, TestSpeaker } from '../support/speaker-lab.ts';

beforeEach(() => resetLab());

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
