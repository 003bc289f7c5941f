import { ip, Origin, type PathAttributes, prefix } from 'bgp-ts';
import { expect } from 'vitest';
import type { Route } from '../../../lib/api.ts';
import type { ExplainReply } from '../../../lib/api-explain.ts';
import type { TestPeer } from '../../support/test-peer.ts';
import { waitFor } from '../../support/wait-for.ts';
import { withChain } from '../lab/few-routes.ts';
import { addresses, routerIds } from '../lab/network.ts';
import type { ChainScenario } from '../scenario.ts';

const common = { subject: 'reflection', on: 'own network' } as const;
const asns = { west: 65010, node: 65010, peer: 65010, east: 65010 };

const WEST_PREFIX = '20.9.0.0/24';
const OWN_PREFIX = '20.99.0.0/24';
const EAST_PREFIX = '30.9.0.0/24';
const GROUP_CLUSTER = '198.51.100.9';

function tell(feeder: TestPeer, text: string, nextHop: string, attributes: PathAttributes = {}): void {
  feeder.announce([prefix(text)], {
    origin: Origin.Igp,
    asPath: [],
    nextHop: ip(nextHop),
    localPref: 100,
    ...attributes,
  });
}

/** podrouted as the reflector of the daemon: what of it can be set. */
export const reflectionScenarios: readonly ChainScenario[] = [
  {
    ...common,
    name: 'a cluster id for a group of clients: put in, and known as the own one',
    rfc: 'RFC 4456 §7',
    run: (daemon) =>
      withChain({ daemon, asns, nodeSettings: { clusterID: GROUP_CLUSTER } }, async (chain) => {
        await chain.established();
        tell(await chain.west(), WEST_PREFIX, addresses.west.ipv4);
        const { nodeAddress } = chain;
        const told = await waitFor('the route at the daemon', () => chain.daemon.routes(nodeAddress).get(WEST_PREFIX));
        expect(told).toMatchObject({ clusterList: GROUP_CLUSTER, originatorId: routerIds.west });
        const looped = { originatorId: '198.51.100.77', clusterList: GROUP_CLUSTER };
        if (chain.daemon.announce === undefined) {
          tell(await chain.east(), EAST_PREFIX, addresses.east.ipv4, {
            originatorId: ip(looped.originatorId),
            clusterList: [ip(looped.clusterList)],
          });
        } else {
          chain.daemon.announce(nodeAddress, [EAST_PREFIX], { ...looped, nextHop: addresses.peer.ipv4 });
        }
        const heard = await waitFor('the route of the daemon', () => {
          const { routes } = chain.node.bgpctlJson<{ routes: Route[] }>('show', 'routes', '--received', 'peer');
          return routes.find((route) => route.prefix === EAST_PREFIX);
        });
        expect(heard).toMatchObject({ valid: false, reason: 'own cluster id in CLUSTER_LIST' });
        return undefined;
      }),
  },
  {
    ...common,
    name: 'a client is not told what other clients said, where they are meshed',
    rfc: 'RFC 4456 §6',
    run: (daemon) =>
      withChain(
        {
          daemon,
          asns,
          nodeSettings: { clientToClientReflection: false },
          nodeSpec: { networks: [OWN_PREFIX] },
        },
        async (chain) => {
          await chain.established();
          tell(await chain.west(), WEST_PREFIX, addresses.west.ipv4);
          await waitFor('the route of the other client', () => chain.locRib(WEST_PREFIX));
          // All that there is to tell is told once more, from the beginning.
          const { established } = (await chain.peer()).counters;
          chain.node.bgpctl('clear', 'peer');
          await chain.established(established);
          const { nodeAddress } = chain;
          await waitFor('the own route', () => chain.daemon.routes(nodeAddress).has(OWN_PREFIX), 20_000, 100);
          expect([...chain.daemon.routes(nodeAddress).keys()]).toEqual([OWN_PREFIX]);
          const explained = chain.node.bgpctlJson<ExplainReply>('explain', WEST_PREFIX, '--peer', 'peer');
          expect(JSON.stringify(explained.advertisements)).toContain('client-to-client');
          return undefined;
        },
      ),
  },
];
