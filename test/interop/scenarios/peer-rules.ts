import { formatAsPath, ip, Origin, type PathAttributes, parseAsPath, prefix } from 'bgp-ts';
import { expect } from 'vitest';
import type { Route } from '../../../lib/api.ts';
import type { TestPeer } from '../../support/test-peer.ts';
import { waitFor } from '../../support/wait-for.ts';
import type { Chain } from '../lab/chain.ts';
import { announce, announceEast, converged, withChain } from '../lab/few-routes.ts';
import type { ChainScenario } from '../scenario.ts';

/** One prefix that says it all. */
const PREFIX = '20.9.0.0/24';
/** AS numbers of the chain, see few-routes.ts. */
const asns = { west: 65001, node: 65010, peer: 65020, east: 65030 };
const CONFEDERATION = 65100;
const noRoles = { GoBGP: 'has no roles', ExaBGP: 'has no roles' };

/** Sends one route to podrouted from behind it. */
function tell(west: TestPeer, asPath: string, attributes: PathAttributes = {}): void {
  west.announce([prefix(PREFIX)], {
    origin: Origin.Igp,
    asPath: parseAsPath(asPath) ?? [],
    nextHop: ip('10.1.0.2'),
    ...attributes,
  });
}

/** AS path of a route as the daemon shows it; waits for the route. */
function pathAtDaemon(chain: Chain): Promise<string | undefined> {
  const { daemon, nodeAddress } = chain;
  return waitFor('the route at the daemon', () => daemon.routes(nodeAddress).get(PREFIX)?.asPath, 30_000, 100);
}

/** A way of changing AS_PATH towards the daemon. */
interface PathRule {
  readonly name: string;
  readonly nodeSettings: Readonly<Record<string, unknown>>;
  /** The AS that the daemon sees. */
  readonly seenAs?: number;
  readonly sent: string;
  readonly wanted: string;
}

const pathRules: readonly PathRule[] = [
  { name: 'as-override', nodeSettings: { asOverride: true }, sent: '65001 65020 7', wanted: '65010 65001 65010 7' },
  {
    name: 'remove-private-AS, all',
    nodeSettings: { removePrivateAS: { all: true } },
    sent: '65001 7 64512 8',
    wanted: '65010 7 8',
  },
  {
    name: 'remove-private-AS, all, replaced',
    nodeSettings: { removePrivateAS: { all: true, replaceAS: true } },
    sent: '65001 7 64512 8',
    wanted: '65010 65010 7 65010 8',
  },
  {
    name: 'local AS alone',
    nodeSettings: { localASNumber: 64999 },
    seenAs: 64999,
    sent: '65001 7',
    wanted: '64999 65001 7',
  },
  {
    name: 'local AS before the own',
    nodeSettings: { localASNumber: 64999, localASReplaceAS: false },
    seenAs: 64999,
    sent: '65001 7',
    wanted: '64999 65010 65001 7',
  },
];

const pathScenarios = pathRules.map(
  ({ name, nodeSettings, seenAs, sent, wanted }): ChainScenario => ({
    subject: 'attributes',
    on: 'own network',
    name: `AS_PATH: ${name}`,
    run: (daemon) =>
      withChain(
        { daemon, nodeSettings, ...(seenAs === undefined ? {} : { peerSettings: { asn: seenAs } }) },
        async (chain) => {
          tell(await chain.west(), sent);
          expect(await pathAtDaemon(chain)).toBe(wanted);
          return undefined;
        },
      ),
  }),
);

/** Routes of the Loc-RIB of podrouted. */
function locRib(chain: Chain): Route[] {
  return chain.node.bgpctlJson<{ routes: Route[] }>('show', 'routes').routes;
}

function nonEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}

const shutdownScenarios: readonly ChainScenario[] = [
  {
    subject: 'attributes',
    on: 'own network',
    name: 'GRACEFUL_SHUTDOWN sent by `bgpctl drain`, and taken back',
    rfc: 'RFC 8326 §4.1',
    run: (daemon) =>
      withChain({ daemon }, async (chain) => {
        announce(await chain.west(), 20);
        await chain.established();
        const marked = () =>
          [...chain.daemon.routes(chain.nodeAddress).values()].map(
            ({ communities = '' }) => communities.includes('graceful-shutdown') || communities.includes('65535:0'),
          );
        await waitFor('routes at the daemon', () => marked().length === 20 && !marked().includes(true), 30_000, 100);
        chain.node.bgpctl('drain', 'peer');
        await waitFor('all of them marked', () => marked().length === 20 && !marked().includes(false), 30_000, 100);
        expect(chain.shownPeer().options.attributes).toContain('draining (GRACEFUL_SHUTDOWN)');
        chain.node.bgpctl('drain', 'peer', '--end');
        await waitFor('none of them marked', () => marked().length === 20 && !marked().includes(true), 30_000, 100);
        expect((await chain.peer()).counters.established).toBe(1);
        return undefined;
      }),
  },
  {
    subject: 'attributes',
    on: 'own network',
    name: 'GRACEFUL_SHUTDOWN received: LOCAL_PREF 0',
    rfc: 'RFC 8326 §4.2',
    lacks: { ExaBGP: 'has no policies' },
    run: (daemon) =>
      withChain({ daemon, peerSettings: { addCommunityOut: '65535:0' } }, async (chain) => {
        await announceEast(chain);
        const routes = await waitFor('routes of the daemon', () => nonEmpty(locRib(chain)), 30_000, 200);
        for (const { attributes } of routes) {
          expect(attributes).toMatchObject({ localPref: 0, communities: ['graceful-shutdown'] });
        }
        return undefined;
      }),
  },
];

const roleScenarios: readonly ChainScenario[] = [
  {
    subject: 'attributes',
    on: 'own network',
    name: 'roles: customer of the daemon, which puts ONLY_TO_CUSTOMER in',
    rfc: 'RFC 9234',
    lacks: noRoles,
    run: (daemon) =>
      withChain(
        { daemon, nodeSettings: { localRole: 'Customer', strictRole: true }, peerSettings: { role: 'provider' } },
        async (chain) => {
          announce(await chain.west(), 20);
          await announceEast(chain);
          await chain.established();
          await converged(chain);
          const heard = locRib(chain).filter(({ prefix: text }) => /^(30\.|2001:db8:30:)/.test(text));
          expect(heard.map(({ attributes }) => attributes.onlyToCustomer)).toEqual(heard.map(() => asns.peer));
          return undefined;
        },
      ),
  },
  {
    subject: 'attributes',
    on: 'own network',
    name: 'roles: provider of the daemon, ONLY_TO_CUSTOMER travels on behind it',
    rfc: 'RFC 9234',
    lacks: noRoles,
    run: (daemon) =>
      withChain(
        { daemon, nodeSettings: { localRole: 'Provider', strictRole: true }, peerSettings: { role: 'customer' } },
        async (chain) => {
          announce(await chain.west(), 20);
          const east = await chain.east();
          await waitFor('routes behind the daemon', () => east.routes.size === 20, 30_000, 100);
          expect([...east.routes.values()].map(({ onlyToCustomer }) => onlyToCustomer)).toEqual(
            Array.from({ length: 20 }, () => asns.node),
          );
          return undefined;
        },
      ),
  },
  {
    subject: 'attributes',
    on: 'own network',
    name: 'roles that do not go together: no session',
    rfc: 'RFC 9234 §4.2',
    lacks: noRoles,
    run: (daemon) =>
      withChain({ daemon, nodeSettings: { localRole: 'Peer' }, peerSettings: { role: 'provider' } }, async (chain) => {
        // Both connect: what ends the second connection may be shown for a moment.
        const isWhy = async (): Promise<boolean> => (await chain.peer()).lastError?.includes('Role Mismatch') === true;
        await waitFor('why there is none', isWhy, 30_000, 20);
        expect((await chain.peer()).counters.established).toBe(0);
        return undefined;
      }),
  },
];

const confederationScenarios: readonly ChainScenario[] = [
  {
    subject: 'reflection',
    on: 'own network',
    name: 'confederation of two members',
    rfc: 'RFC 5065',
    lacks: { OpenBGPD: 'has no confederations', ExaBGP: 'passes nothing on' },
    run: (daemon) =>
      // Next hops from outside stay by default, which BIRD takes from directly connected members only if they are on the link.
      withChain({ daemon, confederation: CONFEDERATION, nodeSettings: { nextHopMode: 'Self' } }, async (chain) => {
        const west = await chain.west();
        const east = await chain.east();
        announce(west, 20);
        announce(east, 30);
        await chain.established();
        await converged(chain);
        // Segments of the confederation inside, none of them outside.
        const inside = locRib(chain).filter(({ prefix: text }) => /^(30\.|2001:db8:30:)/.test(text));
        expect(new Set(inside.map(({ attributes }) => attributes.asPath))).toEqual(new Set(['(65020) 65030']));
        expect(new Set(inside.map(({ attributes }) => attributes.asPathLength))).toEqual(new Set([1]));
        const paths = (peer: TestPeer, block: number) =>
          [...peer.routes]
            .filter(([text]) => text.startsWith(`${block}.`) || text.startsWith(`2001:db8:${block}:`))
            .map(([, { asPath = [] }]) => formatAsPath(asPath));
        const all = (asn: number) => Array.from({ length: 20 }, () => `${CONFEDERATION} ${asn}`);
        await waitFor('routes at both ends', () => paths(west, 30).length === 20 && paths(east, 20).length === 20);
        expect(paths(west, 30)).toEqual(all(asns.east));
        expect(paths(east, 20)).toEqual(all(asns.west));
        return undefined;
      }),
  },
];

/** What becomes of attributes by the settings of a peer. */
export const peerRuleScenarios: readonly ChainScenario[] = [
  ...pathScenarios,
  ...shutdownScenarios,
  ...roleScenarios,
  ...confederationScenarios,
];
