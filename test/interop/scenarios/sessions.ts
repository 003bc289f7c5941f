import { expect } from 'vitest';
import { waitFor } from '../../support/wait-for.ts';
import type { DaemonName } from '../daemons/daemon.ts';
import type { Chain, ChainOptions } from '../lab/chain.ts';
import { announce, announceEast, converged, ROUTES, withChain } from '../lab/few-routes.ts';
import { type ChainScenario, headOf, type Note } from '../scenario.ts';

/** Less than come in one message: FRR counts when the next one comes. */
const PREFIX_LIMIT = ROUTES / 4 - 1;

/** A session under some condition: it comes up and carries routes, or ends as it must. */
interface Condition
  extends Omit<ChainOptions, 'label' | 'daemon' | 'asns'>,
    Pick<ChainScenario, 'name' | 'rfc' | 'lacks'> {
  /** What is to be seen, in place of routes both ways. */
  check?(chain: Chain): Promise<Note>;
}

const conditions: readonly Condition[] = [
  { name: 'podrouted waits', nodeSettings: { passive: true } },
  { name: 'the daemon waits', peerSettings: { passive: true } },
  {
    name: 'TCP MD5, podrouted connects',
    lacks: { OpenBGPD: 'gives its listening socket no keys' },
    rfc: 'RFC 2385',
    password: 'key-of-the-lab',
    peerSettings: { passive: true },
  },
  {
    name: 'TCP MD5, the daemon connects',
    rfc: 'RFC 2385',
    password: 'key-of-the-lab',
    nodeSettings: { passive: true },
  },
  { name: 'TTL security', rfc: 'RFC 5082', peerSettings: { ttlSecurity: true }, nodeSettings: { ttlSecurity: 1 } },
  {
    name: 'TCP MD5 and TTL security over IPv6',
    rfc: 'RFC 5082',
    password: 'key-of-the-lab',
    peerSettings: { ttlSecurity: true },
    nodeSettings: { ttlSecurity: 1 },
    transport: 'ipv6',
  },
  {
    name: "podrouted's prefix limit, seen by the daemon",
    rfc: 'RFC 4486',
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
    lacks: { ExaBGP: 'sets no limits' },
    rfc: 'RFC 4486',
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
  OpenBGPD: /received notification: Cease, received max-prefix exceeded/,
  ExaBGP: /"code": ?6, ?"subcode": ?1\D/,
};

/** Sessions on a network of their own each. */
export const sessionScenarios: readonly ChainScenario[] = conditions.map(
  ({ check, ...told }): ChainScenario => ({
    ...headOf({ subject: 'sessions', ...told }),
    on: 'own network',
    run: (daemon) =>
      withChain({ daemon, ...told }, async (chain) => {
        announce(await chain.west(), 20);
        await announceEast(chain);
        if (check !== undefined) return check(chain);
        await chain.established();
        await converged(chain);
        return undefined;
      }),
  }),
);
