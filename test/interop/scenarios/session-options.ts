import { expect } from 'vitest';
import type { PeerDetail, Route } from '../../../lib/api.ts';
import { waitFor } from '../../support/wait-for.ts';
import type { Chain, ChainOptions } from '../lab/chain.ts';
import { announce, announceEast, converged, ROUTES, withChain } from '../lab/few-routes.ts';
import { addresses } from '../lab/network.ts';
import { type ChainScenario, headOf, type Note } from '../scenario.ts';

const KEY = 'key-of-the-lab';
const MAINTENANCE = 'maintenance of the rack';

/** A session with settings of its own. */
interface Case
  extends Omit<ChainOptions, 'label' | 'daemon' | 'asns'>,
    Pick<ChainScenario, 'name' | 'rfc' | 'lacks' | 'subject'> {
  /** After routes went both ways, or in their place. */
  check?(chain: Chain): Promise<Note>;
  /** The session does not come up, or does not last: there are no routes to wait for. */
  readonly isDown?: boolean;
}

const cases: readonly Case[] = [
  {
    subject: 'sessions',
    name: 'any other AS number, told by the OPEN',
    nodeSettings: { asNumber: 'external' },
    check: expectPeer({ remoteAs: 65020, kind: 'ebgp' }),
  },
  {
    subject: 'sessions',
    name: 'any AS number, told by the OPEN',
    nodeSettings: { asNumber: 'auto' },
    check: expectPeer({ remoteAs: 65020, kind: 'ebgp' }),
  },
  {
    subject: 'sessions',
    name: 'accepted by prefix, with the key of the prefix',
    rfc: 'RFC 2385',
    password: KEY,
    nodeSettings: { peerIP: undefined, peerPrefixes: ['10.2.0.0/24'], asNumber: 'external' },
    isDown: true,
    async check(chain) {
      const name = `peer/${addresses.peer.ipv4}`;
      const accepted = (peer: PeerDetail): number => peer.families.reduce((sum, family) => sum + family.accepted, 0);
      await waitFor('routes both ways', () => chain.daemon.session(chain.nodeAddress).prefixes === ROUTES, 30_000, 100);
      await waitFor('its routes', () => accepted(chain.node.bgpctlJson('show', 'peers', name)) === ROUTES, 30_000, 100);
      expect(chain.node.bgpctlJson<PeerDetail>('show', 'peers', name)).toMatchObject({
        state: 'Established',
        remoteAs: 65020,
        options: { authentication: 'tcp-md5', passive: true },
      });
      return undefined;
    },
  },
  {
    subject: 'sessions',
    name: 'podrouted listens on another port',
    nodePort: 1790,
    nodeSettings: { passive: true },
  },
  {
    subject: 'sessions',
    name: 'the address of an interface as source',
    nodeSettings: { sourceInterface: 'peer' },
    check: expectPeer({ localAddress: addresses.node.ipv4 }),
  },
  {
    subject: 'sessions',
    name: 'more than one hop away is allowed',
    nodeSettings: { multihop: 3 },
    peerSettings: { multihop: 3 },
    check: expectPeer({ options: { multihopTtl: 3 } }),
  },
  {
    subject: 'sessions',
    name: 'another local AS number, as if it were the own one',
    nodeSettings: { localASNumber: 65011 },
    peerSettings: { asn: 65011 },
    check: (chain) => expectPaths(chain, { told: /^65011 65001$/, heard: /^65020( 65030)?$/ }),
  },
  {
    subject: 'sessions',
    name: 'another local AS number beside the own one',
    nodeSettings: { localASNumber: 65011, localASNoPrepend: false, localASReplaceAS: false },
    peerSettings: { asn: 65011 },
    check: (chain) => expectPaths(chain, { told: /^65011 65010 65001$/, heard: /^65011 65020( 65030)?$/ }),
  },
  {
    subject: 'sessions',
    name: 'shut down: the daemon is told why',
    lacks: {
      GoBGP: 'counts a NOTIFICATION before the OPEN, shows no words of it',
      FRR: 'shows its own answer to a NOTIFICATION before the OPEN',
      ExaBGP: 'cannot read a NOTIFICATION with a text',
    },
    rfc: 'RFC 9003 §2',
    nodeSettings: { shutdown: true, shutdownText: MAINTENANCE },
    isDown: true,
    async check(chain) {
      const isTold = (): boolean => /maintenance of the rack|administrative(ly)?[ _]shut ?down/i.test(lastError(chain));
      await waitFor('the reason at the daemon', isTold, 30_000, 100);
      expect(chain.shownPeer()).toMatchObject({ state: 'Idle', adminState: 'down', adminText: MAINTENANCE });
      return lastError(chain).includes(MAINTENANCE) ? undefined : 'does not show the text';
    },
  },
  {
    subject: 'sessions',
    name: 'more prefixes to tell than allowed',
    nodeSettings: { maxPrefixesOut: { count: 3, action: 'shutdown' } },
    isDown: true,
    async check(chain) {
      await waitFor('the session ended', () => chain.shownPeer().adminState === 'down', 30_000, 100);
      expect(chain.shownPeer()).toMatchObject({
        state: 'Idle',
        counters: { established: 1 },
        lastReset: { by: 'local', text: expect.stringMatching(/more than 3 ipv[46]-unicast prefixes to send/) },
      });
      return undefined;
    },
  },
  {
    subject: 'capabilities',
    name: 'podrouted has AS numbers of two octets',
    rfc: 'RFC 6793 §4',
    nodeSettings: { fourOctetAS: false },
    check: expectPeer({ capabilities: { inForce: { fourOctetAs: false } } }),
  },
  {
    subject: 'capabilities',
    name: 'the daemon has AS numbers of two octets',
    lacks: { GoBGP: 'always offers four octets' },
    rfc: 'RFC 6793 §4',
    peerSettings: { twoOctetAs: true },
    isDown: true,
    check: (chain) => expectNarrow(chain),
  },
  {
    subject: 'capabilities',
    name: 'both have AS numbers of two octets',
    lacks: { GoBGP: 'always offers four octets' },
    rfc: 'RFC 6793 §4',
    nodeSettings: { fourOctetAS: false },
    peerSettings: { twoOctetAs: true },
    isDown: true,
    check: (chain) => expectNarrow(chain),
  },
];

/** A check that bgpctl shows this of the session. */
function expectPeer(wanted: object): (chain: Chain) => Promise<Note> {
  return async (chain) => {
    expect(chain.shownPeer()).toMatchObject(wanted);
    return undefined;
  };
}

/** A daemon without the capability; one that then offers none at all speaks IPv4 only. */
async function expectNarrow(chain: Chain): Promise<Note> {
  await chain.established();
  await waitFor('routes of the daemon', async () => (await chain.accepted()) >= ROUTES / 2, 30_000, 100);
  await waitFor('routes of podrouted', () => chain.daemon.session(chain.nodeAddress).prefixes >= ROUTES / 2, 30_000);
  expect(chain.shownPeer()).toMatchObject({ capabilities: { inForce: { fourOctetAs: false } } });
  return undefined;
}

/** The AS paths of what went each way. */
async function expectPaths(chain: Chain, wanted: { readonly told: RegExp; readonly heard: RegExp }): Promise<Note> {
  const told = [...chain.daemon.routes(chain.nodeAddress).values()].map(({ asPath = '' }) => asPath);
  const heard = [...acceptedPaths(chain)];
  expect(told.filter((path) => !wanted.told.test(path))).toEqual([]);
  expect(heard.filter((path) => !wanted.heard.test(path))).toEqual([]);
  expect([told.length, heard.length]).toEqual([ROUTES, ROUTES]);
  return undefined;
}

/** AS paths of the routes from the daemon as they are used. */
function acceptedPaths(chain: Chain): string[] {
  const { routes } = chain.node.bgpctlJson<{ routes: Route[] }>('show', 'routes');
  // FRR sends routes back, which fail the loop check.
  return routes.filter(({ peer, valid }) => peer === 'peer' && valid).map(({ attributes }) => attributes.asPath);
}

function lastError({ daemon, nodeAddress }: Chain): string {
  return daemon.lastError(nodeAddress);
}

/** Sessions with settings of their own, on a network of their own each. */
export const sessionOptionScenarios: readonly ChainScenario[] = cases.map(
  ({ check, isDown, ...told }): ChainScenario => ({
    ...headOf(told),
    on: 'own network',
    run: (daemon) =>
      withChain({ daemon, ...told }, async (chain) => {
        announce(await chain.west(), 20);
        // A session that is not to last gives a daemon which announces by command nothing to wait for.
        if (isDown !== true || daemon !== 'ExaBGP' || !/shut down|more prefixes/.test(told.name))
          await announceEast(chain);
        if (isDown !== true) {
          await chain.established();
          await converged(chain);
        }
        return check?.(chain);
      }),
  }),
);
