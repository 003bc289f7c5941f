import { ip, Origin, prefix } from 'bgp-ts';
import { expect } from 'vitest';
import { waitFor } from '../../support/wait-for.ts';
import { withChain } from '../lab/few-routes.ts';
import { addresses } from '../lab/network.ts';
import type { Meeting } from '../lab/pair.ts';
import type { ChainScenario, Note, PairScenario, Scenario } from '../scenario.ts';

const shared = { subject: 'attributes', on: 'shared network' } as const;
/** Next hops of the feeder behind podrouted. */
const feeder = { ipv4: '10.1.0.2', ipv6: 'fd00:1::2' } as const;

/** What the daemon shows as next hop of routes of both families. */
async function expectNextHops(
  meeting: Meeting,
  wanted: { readonly ipv4: string; readonly ipv6: string },
): Promise<Note> {
  await meeting.established();
  for (const family of ['ipv4', 'ipv6'] as const) {
    expect((await meeting.toDaemon(1, {}, family)).nextHop).toBe(wanted[family]);
  }
  return undefined;
}

const pairs: readonly PairScenario[] = [
  {
    ...shared,
    kind: 'ebgp',
    name: 'next hop kept towards another AS',
    node: { nextHop: { ebgp: 'Keep' }, multihop: 2 },
    // A next hop off the link is nothing for a peer that is on it.
    peer: { multihop: 2 },
    run: (meeting) => expectNextHops(meeting, feeder),
  },
  {
    ...shared,
    kind: 'ibgp',
    name: 'next hop of another AS kept within the AS',
    run: (meeting) => expectNextHops(meeting, feeder),
  },
  {
    ...shared,
    kind: 'ibgp',
    name: 'next hop of another AS made the own one within the AS',
    node: { nextHop: { ebgp: 'Self', ibgp: 'Keep' } },
    run: (meeting) => expectNextHops(meeting, meeting.link.node),
  },
  {
    ...shared,
    kind: 'ibgp',
    name: 'next hop of the daemon replaced by the daemon itself',
    node: { nextHop: { import: 'Peer' } },
    async run(meeting) {
      await meeting.established();
      const route = await meeting.fromDaemon(1, { nextHop: ip('10.3.0.2') });
      expect(route.attributes.nextHop).toBe('10.3.0.2');
      expect(route.afterPolicy?.nextHop).toBe(meeting.link.peer.ipv4);
      return undefined;
    },
  },
];

const reflected = { west: 65010, node: 65010, peer: 65010, east: 65010 };

/** A route heard within the AS, told within it. */
const reflections = (
  [
    ['kept', { nextHop: { ebgp: 'Self', ibgp: 'Keep' } }, addresses.west.ipv4],
    ['made the own one', { nextHop: { ebgp: 'Keep', ibgp: 'Self' } }, addresses.node.ipv4],
  ] as const
).map(
  ([word, nodeSettings, wanted]): ChainScenario => ({
    subject: 'attributes',
    on: 'own network',
    name: `next hop of the AS itself ${word} by the reflector`,
    rfc: 'RFC 4456 §10',
    run: (daemon) =>
      withChain({ daemon, asns: reflected, nodeSettings }, async (chain) => {
        await chain.established();
        const text = '20.9.0.0/24';
        (await chain.west()).announce([prefix(text)], {
          origin: Origin.Igp,
          asPath: [],
          nextHop: ip(addresses.west.ipv4),
          localPref: 100,
        });
        const told = await waitFor('the route', () => chain.daemon.routes(chain.nodeAddress).get(text), 20_000, 200);
        expect(told.nextHop).toBe(wanted);
        return undefined;
      }),
  }),
);

/** Next hops by the kind of peer that a route goes to, and of the one it came from. */
export const nextHopScenarios: readonly Scenario[] = [...pairs, ...reflections];
