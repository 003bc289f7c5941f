import { ip, Origin, parseAsPath, prefix } from 'bgp-ts';
import { expect } from 'vitest';
import type { TestPeer } from '../../support/test-peer.ts';
import { waitFor } from '../../support/wait-for.ts';
import type { Chain } from '../lab/chain.ts';
import { announce, announceEast, converged, ROUTES, withChain } from '../lab/few-routes.ts';
import { addresses, type ChainHosts } from '../lab/network.ts';
import { countPackets, notification, signalAll } from '../lab/packets.ts';
import type { ChainScenario } from '../scenario.ts';

const common = { subject: 'sessions', on: 'own network' } as const;
const HOLD_TIMER_EXPIRED = 4;

/** One side falls silent while its kernel goes on answering: the timers of the other must end the session. */
export const timerScenarios: readonly ChainScenario[] = [
  {
    ...common,
    name: 'the daemon is frozen: the hold timer of podrouted ends the session',
    rfc: 'RFC 4271 §6.5',
    run: (daemon) =>
      withChain({ daemon, nodeSettings: { holdTime: '3s' } }, async (chain) => {
        await begin(chain);
        const told = countPackets(chain.hosts.peer, notification(HOLD_TIMER_EXPIRED, 0));
        signalAll(chain.hosts.peer, 'SIGSTOP');
        await waitFor('the session ended', async () => (await chain.peer()).state !== 'Established', 20_000);
        expect(chain.shownPeer().lastReset).toMatchObject({ by: 'local', text: 'hold timer expired' });
        await waitFor('its routes gone', async () => (await chain.accepted()) === 0);
        await waitFor('the NOTIFICATION', () => told.packets() > 0);
        signalAll(chain.hosts.peer, 'SIGCONT');
        await beginAgain(chain);
        return undefined;
      }),
  },
  {
    ...common,
    name: 'podrouted is frozen: the hold timer of the daemon ends the session',
    rfc: 'RFC 4271 §6.5',
    run: (daemon) =>
      withChain({ daemon, nodeSettings: { holdTime: '3s' } }, async (chain) => {
        await begin(chain);
        const told = countPackets(chain.hosts.node, notification(HOLD_TIMER_EXPIRED, 0));
        signalAll(chain.hosts.node, 'SIGSTOP');
        await waitFor('the routes gone', () => chain.daemon.session(chain.nodeAddress).prefixes === 0, 20_000, 100);
        expect(chain.daemon.session(chain.nodeAddress).isEstablished).toBe(false);
        await waitFor('the NOTIFICATION', () => told.packets() > 0);
        signalAll(chain.hosts.node, 'SIGCONT');
        await beginAgain(chain);
        return undefined;
      }),
  },
  {
    ...common,
    name: 'the daemon is frozen while there is much to tell: the send hold timer of podrouted ends the session',
    rfc: 'RFC 9687',
    run: (daemon) =>
      withChain({ daemon, nodeSettings: { sendHoldTime: '3s' }, prepare: smallBuffers }, async (chain) => {
        const west = await begin(chain);
        const before = endsOf(chain);
        expect(before).toHaveLength(1);
        signalAll(chain.hosts.peer, 'SIGSTOP');
        announceMuch(west);
        await waitFor('the session ended', async () => (await chain.peer()).state !== 'Established', 30_000);
        const { lastReset } = chain.shownPeer();
        expect(lastReset).toMatchObject({ by: 'local', text: expect.stringMatching(/^send hold timer expired/) });
        // A new one may stand already: the kernel of the frozen side takes it.
        await waitFor('the connection gone from the kernel', () => !endsOf(chain).includes(before[0] as string));
        signalAll(chain.hosts.peer, 'SIGCONT');
        await chain.established(1);
        const wanted = ROUTES + MANY;
        await waitFor('all of it', () => chain.daemon.session(chain.nodeAddress).prefixes === wanted, 30_000, 100);
        return undefined;
      }),
  },
];

/** A session with some routes each way; whom the western ones are from. */
async function begin(chain: Chain): Promise<TestPeer> {
  const west = await chain.west();
  announce(west, 20);
  await announceEast(chain);
  await chain.established();
  await converged(chain);
  return west;
}

/** The same after one end; a daemon that keeps no routes of its own has to say them after each start of a session. */
async function beginAgain(chain: Chain): Promise<void> {
  await chain.established(1);
  if (chain.daemon.announce !== undefined) await announceEast(chain);
  await converged(chain);
}

/** Addresses and ports of the connections with the daemon, without the octets under way. */
function endsOf(chain: Chain): string[] {
  return chain.connections().map((line) => line.trim().split(/\s+/).slice(2).join(' '));
}

/** The kernels hold little for one who does not read. */
function smallBuffers({ node, peer }: ChainHosts): void {
  node.sysctl('net.ipv4.tcp_wmem', '4096 16384 32768');
  peer.sysctl('net.ipv4.tcp_rmem', '4096 16384 32768');
}

const MANY = 2000;
const OCTETS_EACH = 720;

/** More than fits into the buffers of both kernels: every route has attributes of its own, and so a message. */
function announceMuch(west: TestPeer): void {
  for (let i = 0; i < MANY; i += 1) {
    west.announce([prefix(`40.${i >>> 8}.${i & 255}.0/24`)], {
      origin: Origin.Igp,
      asPath: parseAsPath('65001') ?? [],
      nextHop: ip(addresses.west.ipv4),
      largeCommunities: Array.from({ length: OCTETS_EACH / 12 }, (_, n) => ({
        globalAdmin: 65001,
        local1: i,
        local2: n,
      })),
    });
  }
}
