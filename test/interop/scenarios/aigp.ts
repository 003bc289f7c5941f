import { ip, Origin, type PathAttributes, parseAsPath, prefix } from 'bgp-ts';
import { expect } from 'vitest';
import type { TestPeer } from '../../support/test-peer.ts';
import { waitFor } from '../../support/wait-for.ts';
import type { Chain } from '../lab/chain.ts';
import { withChain } from '../lab/few-routes.ts';
import { addresses } from '../lab/network.ts';
import type { ChainScenario } from '../scenario.ts';

const common = {
  subject: 'attributes',
  on: 'own network',
  lacks: { FRR: 'does not know AIGP', OpenBGPD: 'does not know AIGP', ExaBGP: 'fails on an AIGP that it is sent' },
} as const;

const WEST_PREFIX = '20.9.0.0/24';
const FAR_PREFIX = '20.9.1.0/24';
const EAST_PREFIX = '30.9.0.0/24';
/** More than 32 bits. */
const METRIC = 2n ** 40n + 7n;
/** Cost of the way to what is behind the feeder's network. */
const COST = 30;
/** Its own way to the feeder is no route of BIRD's in this network, and so costs what it does not know. */
const BIRD_NOTE = 'sends none where it does not know the cost of its own next hop';
const inside = { west: 65010, node: 65010, peer: 65010, east: 65010 };
const border = { west: 65010, node: 65010, peer: 65020, east: 65020 };

function tell(feeder: TestPeer, text: string, nextHop: string, attributes: PathAttributes = {}): void {
  feeder.announce([prefix(text)], {
    origin: Origin.Igp,
    asPath: parseAsPath('') ?? [],
    nextHop: ip(nextHop),
    localPref: 100,
    aigp: { metric: METRIC },
    ...attributes,
  });
}

/** The feeder behind the daemon sends a route with a metric. */
async function tellFromEast(chain: Chain): Promise<void> {
  tell(await chain.east(), EAST_PREFIX, addresses.east.ipv4);
}

/** Metric of a route from podrouted as the daemon shows it, `none` for a route without. */
function metricAtDaemon({ daemon, nodeAddress }: Chain, text: string): Promise<string> {
  return waitFor(
    `${text} at the daemon`,
    () => {
      const route = daemon.routes(nodeAddress).get(text);
      return route && (route.aigp ?? 'none');
    },
    30_000,
    200,
  );
}

/** A next hop of the feeder's that is not on its link. */
function makeFarNextHop(chain: Chain): string {
  chain.node.host.ip(`route add 10.9.0.0/24 via ${addresses.west.ipv4} metric ${COST}`);
  return '10.9.0.9';
}

/** The accumulated metric on its way (RFC 7311). */
export const aigpScenarios: readonly ChainScenario[] = [
  {
    ...common,
    name: 'AIGP within the AS, both ways, as it came where the next hop stays',
    rfc: 'RFC 7311 §3.4',
    run: (daemon) =>
      withChain({ daemon, asns: inside }, async (chain) => {
        await chain.established();
        tell(await chain.west(), WEST_PREFIX, addresses.west.ipv4);
        await tellFromEast(chain);
        expect(await metricAtDaemon(chain, WEST_PREFIX)).toBe(String(METRIC));
        const heard = await waitFor('the route of the daemon', () => chain.receivedRoutes().routes.get(EAST_PREFIX));
        expect(heard.aigp).toBe(String(METRIC));
        return undefined;
      }),
  },
  {
    ...common,
    name: 'AIGP to another AS that asks for it, with the cost of the next hop added',
    rfc: 'RFC 7311 §3.4.3',
    run: (daemon) =>
      withChain({ daemon, asns: border, nodeSettings: { aigp: true }, peerSettings: { aigp: true } }, async (chain) => {
        const west = await chain.west();
        await chain.established();
        tell(west, WEST_PREFIX, addresses.west.ipv4);
        tell(west, FAR_PREFIX, makeFarNextHop(chain));
        await tellFromEast(chain);
        expect(await metricAtDaemon(chain, WEST_PREFIX)).toBe(String(METRIC));
        expect(await metricAtDaemon(chain, FAR_PREFIX)).toBe(String(METRIC + BigInt(COST)));
        if (chain.daemon.name === 'BIRD') return BIRD_NOTE;
        const { attributes } = await waitFor('the route of the daemon', () => chain.locRib(EAST_PREFIX));
        expect(attributes.aigp).toBe(String(METRIC));
        return undefined;
      }),
  },
  {
    ...common,
    name: 'AIGP neither to another AS nor from it unless asked for',
    rfc: 'RFC 7311 §3.2',
    run: (daemon) =>
      withChain({ daemon, asns: border, peerSettings: { aigp: true } }, async (chain) => {
        await chain.established();
        tell(await chain.west(), WEST_PREFIX, addresses.west.ipv4);
        await tellFromEast(chain);
        expect(await metricAtDaemon(chain, WEST_PREFIX)).toBe('none');
        const route = await waitFor('the route of the daemon', () => chain.locRib(EAST_PREFIX));
        expect(route.attributes).not.toHaveProperty('aigp');
        if (chain.daemon.name === 'BIRD') return BIRD_NOTE;
        expect(chain.receivedRoutes().routes.get(EAST_PREFIX)?.aigp).toBe(String(METRIC));
        return undefined;
      }),
  },
];
