import { ip, parseAsPath, prefix } from 'bgp-ts';
import { expect } from 'vitest';
import { waitFor } from '../../support/wait-for.ts';
import type { PairScenario } from '../scenario.ts';

const common = { subject: 'add-path', on: 'shared network', kind: 'ebgp', rfc: 'RFC 7911' } as const;

/** Several paths of a prefix. */
export const addPathScenarios: readonly PairScenario[] = [
  {
    ...common,
    name: 'two paths of a prefix to the daemon, one changed, one withdrawn',
    lacks: { ExaBGP: 'keeps no routes' },
    node: { addPath: { send: 'all' } },
    peer: { addPath: 'receive' },
    async run(meeting) {
      const peer = await meeting.established();
      expect(peer.capabilities.inForce?.addPathSend).toEqual(['ipv4-unicast', 'ipv6-unicast']);
      const of = meeting.westPrefix(1);
      const holds = (wanted: readonly string[]) =>
        waitFor(`paths ${wanted.join(', ')}`, () => {
          // OpenBGPD sends a route back, and the session of another scenario lets that in.
          const found = meeting.daemon.asPaths?.(meeting.nodeAddress, of).filter((path) => !path.includes('65020'));
          if (JSON.stringify(found) !== JSON.stringify(wanted)) throw new Error(JSON.stringify(found));
          return true;
        });
      await meeting.announceWest(1);
      const second = await meeting.pair.second('west');
      const announce = (asPath: string) =>
        second.announce([prefix(of)], { origin: 0, asPath: parseAsPath(asPath) ?? [], nextHop: ip('10.1.0.3') });
      try {
        announce('65002 7');
        await holds(['65010 65001', '65010 65002 7']);
        announce('65002 7 8');
        await holds(['65010 65001', '65010 65002 7 8']);
        await meeting.withdrawWest(1);
        await holds(['65010 65002 7 8']);
        await meeting.expectSameSession(peer);
      } finally {
        second.close();
      }
      return undefined;
    },
  },
  {
    ...common,
    name: 'two paths of a prefix from the daemon',
    lacks: { ExaBGP: 'sends one path of a prefix unless identifiers are given by hand' },
    node: { addPath: { receive: true } },
    peer: { addPath: 'send' },
    async run(meeting) {
      const peer = await meeting.established();
      expect(peer.capabilities.inForce?.addPathReceive).toEqual(['ipv4-unicast', 'ipv6-unicast']);
      await meeting.fromDaemon(1);
      const second = await meeting.pair.second('east');
      try {
        second.announce([prefix(meeting.eastPrefix(1))], {
          origin: 0,
          asPath: parseAsPath('65031') ?? [],
          nextHop: ip('10.3.0.3'),
        });
        await waitFor('both paths', async () => (await meeting.receivedNow(meeting.eastPrefix(1))).length === 2);
        const paths = (await meeting.receivedNow(meeting.eastPrefix(1))).map(({ attributes }) => attributes.asPath);
        expect(paths.sort()).toEqual(['65020 65030', '65020 65031']);
      } finally {
        second.close();
      }
      return undefined;
    },
  },
];
