import { ip, Origin, parseAsPath, prefix } from 'bgp-ts';
import { afterAll, describe, expect, test } from 'vitest';
import type { TestPeer } from '../support/test-peer.ts';
import { waitFor } from '../support/wait-for.ts';
import { Chain, type ChainOptions } from './chain.ts';
import { type DaemonName, daemonNames } from './daemon.ts';
import { Summary } from './summary.ts';

const asns = { west: 65001, node: 65010, peer: 65020, east: 65030 };
const ROUTES = 20;
const HOLD_SECONDS = 3;
/** Less than come in one message: FRR counts when the next one comes. */
const PREFIX_LIMIT = ROUTES / 4 - 1;
const COLLISIONS = 3;
/** Far more than it takes: every wait has a deadline of its own, which says more when it passes. */
const TIMEOUT_MS = 300_000;

/** Chains made so far: several are there at once, and each has names of its own. */
let chains = 0;

/** A chain that is taken down whatever happens. */
async function withChain(
  options: Omit<ChainOptions, 'asns' | 'label'>,
  body: (chain: Chain) => Promise<string | undefined>,
): Promise<string | undefined> {
  chains += 1;
  const chain = Chain.start({ asns, label: `ses${chains}`, ...options });
  try {
    const note = await body(chain);
    chain.expectQuietLog();
    return note;
  } catch (error) {
    console.error(chain.lab.logTails(30).join('\n'));
    throw error;
  } finally {
    await chain.close();
  }
}

/** Announces a few routes of both families from one end; two sets of attributes, so that they travel in more than one message. */
function announce(feeder: TestPeer, block: 20 | 30): void {
  const end = block === 20 ? { asn: 65001, subnet: 1 } : { asn: 65030, subnet: 3 };
  for (const [half, origin] of [Origin.Igp, Origin.Incomplete].entries()) {
    const numbers = Array.from({ length: ROUTES / 4 }, (_, i) => (half * ROUTES) / 4 + i);
    const attributes = { origin, asPath: parseAsPath(`${end.asn}`) ?? [] };
    feeder.announce(
      numbers.map((i) => prefix(`${block}.0.${i}.0/24`)),
      { ...attributes, nextHop: ip(`10.${end.subnet}.0.2`) },
    );
    feeder.announce(
      numbers.map((i) => prefix(`2001:db8:${block}:${i}::/64`)),
      { ...attributes, nextHop: ip(`fd00:${end.subnet}::2`) },
    );
  }
}

/** Waits until both sides hold all routes of the other. */
async function converged(chain: Chain): Promise<void> {
  await waitFor(
    `${ROUTES} routes each way`,
    async () => {
      const seen = { withDaemon: chain.daemon.session(chain.nodeAddress).prefixes, fromDaemon: await chain.accepted() };
      if (seen.withDaemon !== ROUTES || seen.fromDaemon !== ROUTES) throw new Error(JSON.stringify(seen));
      return true;
    },
    30_000,
    100,
  );
}

/**
 * Lets both sides connect at once and holds the OPENs back until so many connections are there; one must stay. Which one is not certain: a
 * connection whose OPENs arrive first may be Established before the other is compared (RFC 4271 §6.8).
 */
async function collide(chain: Chain, connections: number): Promise<void> {
  const { established } = (await chain.peer()).counters;
  chain.daemon.shutdown(chain.nodeAddress, 'collision');
  chain.node.bgpctl('shutdown', 'peer');
  await waitFor('no connection', () => chain.connections().length === 0);
  chain.dropData();
  try {
    chain.daemon.enable(chain.nodeAddress);
    chain.node.bgpctl('enable', 'peer');
    await waitFor('connections from both sides', () => chain.connections().length >= connections, 20_000);
  } finally {
    chain.passData();
  }
  await chain.established(established);
  await converged(chain);
  expect(chain.connections()).toHaveLength(1);
  // At worst each side closes another one of the two, and the next attempt stays.
  expect((await chain.peer()).counters.established).toBeLessThanOrEqual(established + 2);
}

/** What a session goes through with one daemon, in this order. */
interface Step {
  readonly name: string;
  run(chain: Chain): Promise<string | undefined>;
}

const steps: readonly Step[] = [
  {
    name: 'both families, the shorter hold time',
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
    name: 'keepalives hold an idle session',
    async run(chain) {
      const before = await chain.peer();
      const wanted = before.counters.keepalive.received + 8;
      const { peer, daemon } = { peer: () => chain.peer(), daemon: () => chain.daemon.session(chain.nodeAddress) };
      await waitFor('8 more keepalives', async () => (await peer()).counters.keepalive.received >= wanted, 20_000, 200);
      expect(daemon()).toMatchObject({ isEstablished: true, prefixes: ROUTES });
      const after = await peer();
      expect(after.counters.established).toBe(before.counters.established);
      expect(after.stateSeconds - before.stateSeconds).toBeGreaterThan(2 * HOLD_SECONDS);
      return `${(after.stateSeconds - before.stateSeconds).toFixed(0)} s idle`;
    },
  },
  {
    name: 'route refresh asked for by the daemon',
    async run(chain) {
      const before = await chain.peer();
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
    name: 'route refresh asked for by podrouted',
    async run(chain) {
      const before = await chain.peer();
      const seenBefore = chain.daemon.session(chain.nodeAddress);
      chain.node.bgpctl('clear', 'peer', '--soft');
      await waitFor('the routes once more', async () => {
        const { update, routeRefresh } = (await chain.peer()).counters;
        return (
          update.received > before.counters.update.received &&
          routeRefresh.sent === before.counters.routeRefresh.sent + 2
        );
      });
      if (seenBefore.refreshesReceived !== undefined) {
        const { refreshesReceived } = chain.daemon.session(chain.nodeAddress);
        expect(refreshesReceived).toBe(seenBefore.refreshesReceived + 2);
      }
      await converged(chain);
      expect((await chain.peer()).counters.established).toBe(before.counters.established);
      return undefined;
    },
  },
  {
    name: 'routes sent again with another policy of the daemon',
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
    name: 'administrative shutdown, text shown by the daemon',
    async run(chain) {
      const { established } = (await chain.peer()).counters;
      chain.node.bgpctl('shutdown', 'peer', '--message', 'rack 7 moves at noon');
      await waitFor('the text', () => chain.daemon.lastError(chain.nodeAddress).includes('rack 7 moves at noon'));
      expect(chain.daemon.session(chain.nodeAddress)).toMatchObject({ isEstablished: false, prefixes: 0 });
      expect(chain.shownPeer()).toMatchObject({ adminState: 'down', adminText: 'rack 7 moves at noon' });
      chain.node.bgpctl('enable', 'peer');
      await chain.established(established);
      await converged(chain);
      return undefined;
    },
  },
  {
    name: 'administrative shutdown, text shown by bgpctl',
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
      await chain.established(established);
      await converged(chain);
      return undefined;
    },
  },
  {
    name: 'simultaneous open, repeated',
    async run(chain) {
      // GoBGP takes the connection that is there first and closes any other: there is nothing to resolve, once is enough.
      const isFirstTaken = chain.daemon.name === 'GoBGP';
      const rounds = isFirstTaken ? 1 : COLLISIONS;
      for (let round = 0; round < rounds; round++) await collide(chain, isFirstTaken ? 1 : 2);
      return isFirstTaken ? 'takes the first' : `${rounds} times two connections`;
    },
  },
  {
    name: 'daemon killed and started again',
    async run(chain) {
      const { established } = (await chain.peer()).counters;
      await chain.daemon.kill();
      await waitFor('the routes gone', async () => (await chain.accepted()) === 0);
      const start = performance.now();
      chain.daemon.restart();
      await chain.established(established);
      const seconds = (performance.now() - start) / 1000;
      expect(seconds).toBeLessThan(10);
      const east = await chain.east();
      announce(east, 30);
      await converged(chain);
      return `up after ${seconds.toFixed(1)} s`;
    },
  },
  {
    name: 'podrouted killed and started again',
    async run(chain) {
      await chain.node.process.stop('SIGKILL');
      await waitFor('the routes gone', () => chain.daemon.session(chain.nodeAddress).prefixes === 0);
      const start = performance.now();
      chain.node.restart();
      await chain.established();
      const seconds = (performance.now() - start) / 1000;
      const west = await chain.west();
      announce(west, 20);
      await converged(chain);
      return `up after ${seconds.toFixed(1)} s`;
    },
  },
];

/** A session under some condition: it comes up and carries routes, or ends as it must. */
interface Condition extends Omit<ChainOptions, 'label' | 'daemon' | 'asns'> {
  readonly name: string;
  /** What is to be seen, in place of routes both ways. */
  check?(chain: Chain): Promise<string | undefined>;
}

const conditions: readonly Condition[] = [
  { name: 'podrouted waits', nodeSettings: { passive: true } },
  { name: 'the daemon waits', peerSettings: { passive: true } },
  { name: 'TCP MD5, podrouted connects', password: 'key-of-the-lab', peerSettings: { passive: true } },
  { name: 'TCP MD5, the daemon connects', password: 'key-of-the-lab', nodeSettings: { passive: true } },
  { name: 'TTL security', peerSettings: { ttlSecurity: true }, nodeSettings: { ttlSecurity: 1 } },
  {
    name: 'TCP MD5 and TTL security over IPv6',
    password: 'key-of-the-lab',
    peerSettings: { ttlSecurity: true },
    nodeSettings: { ttlSecurity: 1 },
    transport: 'ipv6',
  },
  {
    name: "podrouted's prefix limit, seen by the daemon",
    nodeSettings: { maxPrefixes: { count: PREFIX_LIMIT, action: 'shutdown' } },
    async check(chain) {
      const { daemon, nodeAddress } = chain;
      await waitFor('the reason', () => limitReached[daemon.name].test(daemon.lastError(nodeAddress)), 30_000, 100);
      expect(chain.shownPeer()).toMatchObject({ adminState: 'down', state: 'Idle' });
      return undefined;
    },
  },
  {
    name: "the daemon's prefix limit, seen by podrouted",
    peerSettings: { maxPrefixes: PREFIX_LIMIT },
    async check(chain) {
      const wanted = 'Cease/Maximum Number of Prefixes Reached';
      const reset = await waitFor('the session ended', async () => (await chain.peer()).lastReset, 30_000, 100);
      expect(reset).toMatchObject({ by: 'remote', text: expect.stringContaining(wanted) });
      return undefined;
    },
  },
];

/** The words of each daemon for Cease/Maximum Number of Prefixes Reached. */
const limitReached: Readonly<Record<DaemonName, RegExp>> = {
  FRR: /"lastNotificationReason":"Cease\\?\/Maximum Number of Prefixes Reached"/,
  BIRD: /Received: Maximum number of prefixes reached/,
  GoBGP: /received notification.*Code=6.*Subcode=1 /,
};

const summary = new Summary(
  'sessions',
  [...steps, ...conditions].map(({ name }) => name),
  daemonNames,
);

afterAll(() => summary.print());

describe.concurrent('one session after the other', () => {
  test.each(daemonNames)('%s', (daemon) => throughAllSteps(daemon), TIMEOUT_MS);
});

async function throughAllSteps(daemon: DaemonName): Promise<void> {
  const options = {
    daemon,
    nodeSettings: { holdTime: `${HOLD_SECONDS}s` },
    peerSettings: { holdSeconds: 30 },
  };
  await withChain(options, async (chain) => {
    announce(await chain.west(), 20);
    announce(await chain.east(), 30);
    for (const step of steps) await summary.run(step.name, daemon, () => step.run(chain));
    return undefined;
  });
}

describe.concurrent.each(conditions)('$name', ({ name, check, ...options }) => {
  test.each(daemonNames)(
    '%s',
    (daemon) =>
      summary.run(name, daemon, () =>
        withChain({ daemon, ...options }, async (chain) => {
          announce(await chain.west(), 20);
          announce(await chain.east(), 30);
          if (check !== undefined) return check(chain);
          await chain.established();
          await converged(chain);
          return undefined;
        }),
      ),
    TIMEOUT_MS,
  );
});
