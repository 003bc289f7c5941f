import { expect } from 'vitest';
import { waitFor } from '../../support/wait-for.ts';
import type { PairScenario } from '../scenario.ts';

const common = { subject: 'capabilities', on: 'shared network', kind: 'ebgp' } as const;

/** What both sides offer and what comes of it. */
export const capabilityScenarios: readonly PairScenario[] = [
  {
    ...common,
    name: 'what podrouted offers is what the daemon shows',
    rfc: 'RFC 5492',
    async run(meeting) {
      await meeting.established();
      expect(meeting.daemon.capabilities(meeting.nodeAddress)).toEqual(
        expect.arrayContaining(['ipv4-unicast', 'ipv6-unicast', 'route-refresh', 'four-octet-as']),
      );
      return undefined;
    },
  },
  {
    ...common,
    name: 'one family alone',
    rfc: 'RFC 4760',
    node: { families: ['ipv4'] },
    async run(meeting) {
      const peer = await meeting.established();
      expect(peer.capabilities.inForce?.families).toEqual(['ipv4-unicast']);
      expect(meeting.daemon.capabilities(meeting.nodeAddress)).not.toContain('ipv6-unicast');
      await meeting.toDaemon(1);
      return undefined;
    },
  },
  {
    ...common,
    name: 'messages of up to 65535 octets',
    rfc: 'RFC 8654',
    lacks: { GoBGP: 'has no extended messages', OpenBGPD: 'has no extended messages' },
    node: { extendedMessages: true },
    nodeExport: Array.from({ length: 6 }, () => ({ action: 'Next', operations: [{ prependLocalAS: 10 }] })),
    peer: { extendedMessages: true },
    async run(meeting) {
      const peer = await meeting.established();
      expect(peer.capabilities.inForce?.maxOctets).toBe(65535);
      // What the feeder says fits 4096 octets; with the AS number put in front 60 times more it does not.
      const many = Array.from({ length: 975 }, (_, n) => ((65001 << 16) | n) >>> 0);
      const { asPath = '' } = await meeting.toDaemon(1, { communities: many });
      expect(asPath.startsWith('65010 '.repeat(20))).toBe(true);
      return undefined;
    },
  },
  {
    ...common,
    name: 'OPEN with extended optional parameters',
    rfc: 'RFC 9072',
    lacks: { GoBGP: 'does not know them', ExaBGP: 'does not know them' },
    node: { extendedOpenParameters: true },
    async run(meeting) {
      await meeting.established();
      return undefined;
    },
  },
  {
    ...common,
    name: 'a refresh with its begin and end marked',
    rfc: 'RFC 7313',
    lacks: {
      FRR: 'offers it, marks none of its answers',
      GoBGP: 'does not offer it',
      OpenBGPD: 'answers no ROUTE-REFRESH (`AID IPv4 unicast not negotiated`)',
      ExaBGP: 'ends the session when asked',
    },
    peer: { enhancedRefresh: true },
    async run(meeting) {
      const before = await meeting.established();
      expect(meeting.daemon.capabilities(meeting.nodeAddress)).toContain('enhanced-route-refresh');
      await meeting.fromDaemon(1);
      meeting.pair.node.bgpctl('clear', meeting.name, '--soft');
      // Both requests, and the marks of the daemon's two answers.
      await waitFor('begin and end of both families', async () => {
        const { sent, received } = (await meeting.peer()).counters.routeRefresh;
        return sent >= before.counters.routeRefresh.sent + 2 && received >= before.counters.routeRefresh.received + 4;
      });
      await meeting.received(meeting.eastPrefix(1));
      await meeting.expectSameSession(before);
      return undefined;
    },
  },
];
