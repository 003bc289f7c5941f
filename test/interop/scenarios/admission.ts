import { expect } from 'vitest';
import { waitFor } from '../../support/wait-for.ts';
import type { Chain } from '../lab/chain.ts';
import { announce, announceEast, converged, withChain } from '../lab/few-routes.ts';
import { addresses, type ChainHosts } from '../lab/network.ts';
import { countPackets, kernelCounter } from '../lab/packets.ts';
import type { ChainScenario } from '../scenario.ts';

const common = { subject: 'sessions', on: 'own network' } as const;
const KEY = 'key-of-the-lab';
/** Segments whose key is another one. */
const KEY_DROPS = 'TcpExtTCPMD5Failure';
/** Further addresses of podrouted and of the daemon on the link between them. */
const second = { node: '10.2.0.3', peer: '10.2.0.4' };

/** The daemon has another session, with the second address of podrouted. */
const secondSession = (localAddress: string) => ({
  otherNeighbors: [
    { name: 'second', address: second.node, localAddress, otherNextHop: addresses.peer.ipv6, asn: 65010 },
  ],
  prepare({ node, peer }: ChainHosts) {
    node.ip(`addr add ${second.node}/24 dev peer`);
    peer.ip(`addr add ${second.peer}/24 dev node`);
  },
});

/** Which of the two sessions the daemon shows as up. */
function sessionsUp({ daemon, nodeAddress }: Chain): string[] {
  return [nodeAddress, second.node].filter((address) => daemon.session(address).isEstablished);
}

/** Who is let in, and where. */
export const admissionScenarios: readonly ChainScenario[] = [
  {
    ...common,
    name: 'podrouted listens on chosen addresses only',
    run: (daemon) =>
      withChain(
        {
          daemon,
          nodeSettings: { passive: true },
          nodeConfiguration: { listenAddresses: [addresses.nodeWest.ipv4, addresses.node.ipv4] },
          ...secondSession(addresses.peer.ipv4),
        },
        async (chain) => {
          const refused = countPackets(chain.hosts.peer, `ip saddr ${second.node} tcp sport 179 tcp flags rst`);
          announce(await chain.west(), 20);
          await announceEast(chain);
          await chain.established();
          await converged(chain);
          await waitFor('connections to the other address refused', () => refused.packets() > 0, 30_000, 100);
          expect(sessionsUp(chain)).toEqual([chain.nodeAddress]);
          const listening = chain.hosts.node.run(['ss', '-Hltn', 'sport = 179']).trim().split('\n');
          const where = listening.map((line) => line.split(/\s+/)[3]).sort();
          expect(where).toEqual([`${addresses.nodeWest.ipv4}:179`, `${addresses.node.ipv4}:179`]);
          return undefined;
        },
      ),
  },
  {
    ...common,
    name: 'accepted by prefix: no more peers than allowed',
    run: (daemon) =>
      withChain(
        {
          daemon,
          nodeSettings: {
            peerIP: undefined,
            peerPrefixes: ['10.2.0.0/24'],
            asNumber: 'external',
            connectRetryTime: undefined,
            peerLimit: 1,
          },
          ...secondSession(second.peer),
        },
        async (chain) => {
          const isRefused = (): boolean => /the limit of 1 peers is reached/.test(chain.node.process.log());
          await waitFor('one session', () => sessionsUp(chain).length === 1, 30_000, 100);
          await waitFor('the other refused', isRefused, 30_000, 100);
          expect(sessionsUp(chain)).toHaveLength(1);
          const peers = chain.node.bgpctlJson<{ peers: { name: string }[] }>('show', 'peers');
          expect(peers.peers.filter(({ name }) => name.startsWith('peer/'))).toHaveLength(1);
          return undefined;
        },
      ),
  },
  {
    ...common,
    name: 'TCP MD5: another key lets nothing through, the changed one does',
    rfc: 'RFC 2385',
    run: (daemon) =>
      withChain({ daemon, password: KEY, peerSettings: { holdSeconds: 9 } }, async (chain) => {
        announce(await chain.west(), 20);
        await announceEast(chain);
        await chain.established();
        await converged(chain);
        chain.setNodeKey('another-key');
        chain.reloadNode();
        // It hears no word of why, as all that comes has the other key.
        chain.node.bgpctl('clear', 'peer');
        const { node, peer } = chain.hosts;
        const drops = (): number => kernelCounter(node, KEY_DROPS) + kernelCounter(peer, KEY_DROPS);
        await waitFor('the end', () => !chain.daemon.session(chain.nodeAddress).isEstablished, 30_000, 100);
        await waitFor('segments refused', () => drops() >= 3, 30_000, 100);
        expect((await chain.peer()).state).not.toBe('Established');
        expect(chain.daemon.session(chain.nodeAddress).isEstablished).toBe(false);
        chain.setNodeKey(KEY);
        chain.reloadNode();
        // OpenBGPD gives its listening socket no keys, and its next SYN may be half a minute away.
        await chain.established(1, 90_000);
        if (chain.daemon.announce !== undefined) await announceEast(chain);
        await converged(chain);
        return undefined;
      }),
  },
];
