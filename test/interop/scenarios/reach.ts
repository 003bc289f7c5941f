import { expect } from 'vitest';
import { waitFor } from '../../support/wait-for.ts';
import { announce, announceEast, converged, withChain } from '../lab/few-routes.ts';
import { addresses } from '../lab/network.ts';
import { kernelCounter } from '../lab/packets.ts';
import type { ChainScenario } from '../scenario.ts';

const common = { subject: 'sessions', on: 'own network' } as const;
/** Counts what arrived with a smaller TTL than a socket asks for (RFC 5082). */
const TTL_DROPS = 'TcpExtTCPMinTTLDrop';
const LOOPBACK = { ipv4: '10.9.0.1', ipv6: 'fd00:9::1' };

/** From how far away, and between which addresses. */
export const reachScenarios: readonly ChainScenario[] = [
  {
    ...common,
    name: 'TTL security of podrouted: what comes with a smaller TTL is refused',
    rfc: 'RFC 5082 §3',
    run: (daemon) =>
      withChain({ daemon, nodeSettings: { ttlSecurity: 1 } }, async (chain) => {
        announce(await chain.west(), 20);
        await waitFor('packets refused', () => kernelCounter(chain.hosts.node, TTL_DROPS) >= 5, 30_000, 100);
        expect((await chain.peer()).counters.established).toBe(0);
        expect(chain.daemon.session(chain.nodeAddress)).toMatchObject({ isEstablished: false, prefixes: 0 });
        return undefined;
      }),
  },
  {
    ...common,
    name: 'a loopback address as source',
    run: (daemon) =>
      withChain(
        {
          daemon,
          nodeSettings: { sourceAddress: LOOPBACK.ipv4, multihop: 2 },
          peerSettings: { address: LOOPBACK.ipv4, multihop: 2 },
          prepare({ node, peer }) {
            node.ip(`addr add ${LOOPBACK.ipv4}/32 dev lo`);
            node.ip(`addr add ${LOOPBACK.ipv6}/128 dev lo`);
            peer.ip(`route add ${LOOPBACK.ipv4} via ${addresses.node.ipv4}`);
            peer.ip(`route add ${LOOPBACK.ipv6} via ${addresses.node.ipv6}`);
          },
        },
        async (chain) => {
          announce(await chain.west(), 20);
          await announceEast(chain);
          await chain.established();
          await converged(chain);
          expect(chain.shownPeer()).toMatchObject({ localAddress: LOOPBACK.ipv4 });
          const seen = chain.hosts.peer.run(['ss', '-Htn', 'state', 'established', 'dst', LOOPBACK.ipv4]);
          expect(seen.trim().split('\n')).toHaveLength(1);
          const routes = chain.daemon.routes(LOOPBACK.ipv4);
          expect(routes.get('20.0.0.0/24')?.nextHop).toBe(LOOPBACK.ipv4);
          expect(routes.get('2001:db8:20::/64')?.nextHop).toBe(LOOPBACK.ipv6);
          return undefined;
        },
      ),
  },
];
