import { expect } from 'vitest';
import { waitFor } from '../../support/wait-for.ts';
import type { DaemonName } from '../daemons/daemon.ts';
import type { Chain } from '../lab/chain.ts';
import { announce, announceEast, converged, ROUTES, withChain } from '../lab/few-routes.ts';
import type { StepScenario } from '../scenario.ts';

const HOLD_SECONDS = 3;
const COLLISIONS = 3;

/** A session with routes both ways, for all that happens to it in turn. */
export async function withLifeOfOneSession(daemon: DaemonName, live: (chain: Chain) => Promise<void>): Promise<void> {
  const options = {
    daemon,
    nodeSettings: { holdTime: `${HOLD_SECONDS}s` },
    peerSettings: { holdSeconds: 30 },
  };
  await withChain(options, async (chain) => {
    announce(await chain.west(), 20);
    await announceEast(chain);
    await live(chain);
    return undefined;
  });
}

/** The session is up once more, with all its routes. @param established sessions there have been before */
async function comesBack(chain: Chain, established: number): Promise<void> {
  await chain.established(established);
  await converged(chain);
}

/**
 * Lets both sides connect at once and holds the OPENs back until so many connections are there; one must stay. Which one is not certain: a
 * connection whose OPENs arrive first may be Established before the other is compared (RFC 4271 §6.8).
 * @returns false if the connections never were there together: with data dropped, each is given up after a few seconds
 */
async function collide(chain: Chain, connections: number): Promise<boolean> {
  const { established } = (await chain.peer()).counters;
  chain.daemon.shutdown(chain.nodeAddress, 'collision');
  chain.node.bgpctl('shutdown', 'peer');
  await waitFor('no connection', () => chain.connections().length === 0);
  chain.dropData();
  let isBroughtAbout = true;
  try {
    const enable = [() => chain.daemon.enable(chain.nodeAddress), () => chain.node.bgpctl('enable', 'peer')];
    // Who takes the first connection alone must find podrouted ready: the end of a refused connection is among what is dropped.
    for (const side of connections === 1 ? enable.reverse() : enable) side();
    await waitFor('connections from both sides', () => chain.connections().length >= connections, 10_000);
  } catch {
    isBroughtAbout = false;
  } finally {
    chain.passData();
  }
  await comesBack(chain, established);
  if (!isBroughtAbout) return false;
  expect(chain.connections()).toHaveLength(1);
  // At worst each side closes another one of the two, and the next attempt stays.
  expect((await chain.peer()).counters.established).toBeLessThanOrEqual(established + 2);
  return true;
}

/** What a session goes through with one daemon, in this order. */
export const lifeScenarios: readonly StepScenario[] = [
  {
    subject: 'sessions',
    on: 'one session',
    name: 'both families, the shorter hold time',
    rfc: 'RFC 4760 §8',
    async run(chain) {
      await chain.established();
      const session = chain.daemon.session(chain.nodeAddress);
      expect(session).toMatchObject({ families: ['ipv4-unicast', 'ipv6-unicast'], holdSeconds: HOLD_SECONDS });
      expect(chain.shownPeer()).toMatchObject({ state: 'Established', timers: { holdSeconds: HOLD_SECONDS } });
      await converged(chain);
      return undefined;
    },
  },
  {
    subject: 'sessions',
    on: 'one session',
    name: 'keepalives hold an idle session',
    rfc: 'RFC 4271 §4.4',
    async run(chain) {
      const before = await chain.peer();
      const wanted = before.counters.keepalive.received + 8;
      const { peer, daemon } = { peer: () => chain.peer(), daemon: () => chain.daemon.session(chain.nodeAddress) };
      await waitFor('8 more keepalives', async () => (await peer()).counters.keepalive.received >= wanted, 20_000, 200);
      expect(daemon()).toMatchObject({ isEstablished: true, prefixes: ROUTES });
      const after = await peer();
      expect(after.counters.established).toBe(before.counters.established);
      expect(after.stateSeconds - before.stateSeconds).toBeGreaterThan(2 * HOLD_SECONDS);
      return undefined;
    },
  },
  {
    subject: 'sessions',
    on: 'one session',
    name: 'route refresh asked for by the daemon',
    rfc: 'RFC 2918',
    async run(chain) {
      const before = await chain.peer();
      if (chain.daemon.name === 'ExaBGP') {
        const updates = chain.daemon.session(chain.nodeAddress).updatesReceived;
        chain.daemon.softClearIn(chain.nodeAddress);
        const wanted = before.counters.routeRefresh.received + 2;
        await waitFor('both requests', async () => (await chain.peer()).counters.routeRefresh.received === wanted);
        await waitFor('answers', () => chain.daemon.session(chain.nodeAddress).updatesReceived > updates);
        expect((await chain.peer()).counters.established).toBe(before.counters.established);
        return undefined;
      }
      chain.daemon.reconfigure(chain.daemonOptions({ addCommunityIn: '65020:7' }));
      chain.daemon.softClearIn(chain.nodeAddress);
      await waitFor('the community that its import adds', () => {
        const routes = [...chain.daemon.routes(chain.nodeAddress).values()];
        return routes.length === ROUTES && routes.every(({ communities }) => communities === '65020:7');
      });
      const after = await chain.peer();
      expect(after.counters.established).toBe(before.counters.established);
      if (chain.daemon.name === 'GoBGP') return 'keeps what it received, sends no ROUTE-REFRESH';
      expect(after.counters.routeRefresh.received).toBeGreaterThan(before.counters.routeRefresh.received);
      return undefined;
    },
  },
  {
    subject: 'sessions',
    on: 'one session',
    name: 'route refresh asked for by podrouted',
    rfc: 'RFC 2918',
    async run(chain) {
      const before = await chain.peer();
      const seenBefore = chain.daemon.session(chain.nodeAddress);
      chain.node.bgpctl('clear', 'peer', '--soft');
      // What marks the own answers to the daemon (RFC 7313) counts as ROUTE-REFRESH too.
      const asked = async (): Promise<boolean> =>
        (await chain.peer()).counters.routeRefresh.sent >= before.counters.routeRefresh.sent + 2;
      // OpenBGPD 7.7 logs `AID IPv4 unicast not negotiated`, though its own commands show the family as negotiated.
      const isSilent = chain.daemon.name === 'OpenBGPD';
      await waitFor('the routes once more', async () => {
        const { update } = (await chain.peer()).counters;
        return (await asked()) && (isSilent || update.received > before.counters.update.received);
      });
      if (seenBefore.refreshesReceived !== undefined) {
        const wanted = seenBefore.refreshesReceived + 2;
        await waitFor('both requests at the daemon', () => {
          return (chain.daemon.session(chain.nodeAddress).refreshesReceived ?? 0) >= wanted;
        });
      }
      await converged(chain);
      expect((await chain.peer()).counters.established).toBe(before.counters.established);
      return isSilent ? 'hears it and answers nothing' : undefined;
    },
  },
  {
    subject: 'sessions',
    on: 'one session',
    name: 'routes sent again with another policy of the daemon',
    lacks: { ExaBGP: 'has no policies' },
    async run(chain) {
      chain.daemon.reconfigure(chain.daemonOptions({ addCommunityOut: '65020:9' }));
      chain.daemon.softClearOut(chain.nodeAddress);
      await waitFor('the community that its export adds', () => {
        const routes = [...chain.receivedRoutes().routes.values()];
        return routes.length === ROUTES && routes.every(({ communities }) => communities === '65020:9');
      });
      return undefined;
    },
  },
  {
    subject: 'sessions',
    on: 'one session',
    name: 'administrative shutdown, text shown by the daemon',
    lacks: { ExaBGP: 'cannot read a NOTIFICATION with a text' },
    rfc: 'RFC 9003',
    async run(chain) {
      const { established } = (await chain.peer()).counters;
      chain.node.bgpctl('shutdown', 'peer', '--message', 'rack 7 moves at noon');
      await waitFor('the text', () => chain.daemon.lastError(chain.nodeAddress).includes('rack 7 moves at noon'));
      expect(chain.daemon.session(chain.nodeAddress)).toMatchObject({ isEstablished: false, prefixes: 0 });
      expect(chain.shownPeer()).toMatchObject({ adminState: 'down', adminText: 'rack 7 moves at noon' });
      chain.node.bgpctl('enable', 'peer');
      await comesBack(chain, established);
      return undefined;
    },
  },
  {
    subject: 'sessions',
    on: 'one session',
    name: 'administrative shutdown, text shown by bgpctl',
    lacks: { ExaBGP: 'sends no text' },
    rfc: 'RFC 9003',
    async run(chain) {
      const { established } = (await chain.peer()).counters;
      chain.daemon.shutdown(chain.nodeAddress, 'maintenance');
      await waitFor('the text', async () => (await chain.peer()).lastReset?.text?.includes('maintenance') === true);
      expect(chain.shownPeer().lastReset).toMatchObject({
        by: 'remote',
        text: 'Cease/Administrative Shutdown: "maintenance"',
      });
      expect(await chain.accepted()).toBe(0);
      chain.daemon.enable(chain.nodeAddress);
      await comesBack(chain, established);
      return undefined;
    },
  },
  {
    subject: 'sessions',
    on: 'one session',
    name: 'simultaneous open, repeated',
    lacks: { ExaBGP: 'cannot be told to stay down' },
    rfc: 'RFC 4271 §6.8',
    async run(chain) {
      // These take the connection that is there first and close any other: there is nothing to resolve, once is enough.
      const isFirstTaken = chain.daemon.name === 'GoBGP' || chain.daemon.name === 'OpenBGPD';
      const rounds = isFirstTaken ? 1 : COLLISIONS;
      let collided = 0;
      for (let round = 0; round < 2 * rounds && collided < rounds; round++) {
        if (await collide(chain, isFirstTaken ? 1 : 2)) collided += 1;
      }
      expect(collided).toBe(rounds);
      return isFirstTaken ? 'takes the first' : `${rounds} times two connections`;
    },
  },
  {
    subject: 'sessions',
    on: 'one session',
    name: 'daemon killed and started again',
    rfc: 'RFC 4271 §8',
    async run(chain) {
      const { established } = (await chain.peer()).counters;
      await chain.daemon.kill();
      await waitFor('the routes gone', async () => (await chain.accepted()) === 0);
      const start = performance.now();
      chain.daemon.restart();
      await chain.established(established);
      const seconds = (performance.now() - start) / 1000;
      expect(seconds).toBeLessThan(10);
      await announceEast(chain);
      await converged(chain);
      return undefined;
    },
  },
  {
    subject: 'sessions',
    on: 'one session',
    name: 'podrouted killed and started again',
    rfc: 'RFC 4271 §8',
    async run(chain) {
      await chain.node.process.stop('SIGKILL');
      await waitFor('the routes gone', () => chain.daemon.session(chain.nodeAddress).prefixes === 0);
      chain.node.restart();
      await chain.established();
      const west = await chain.west();
      announce(west, 20);
      await converged(chain);
      return undefined;
    },
  },
];
