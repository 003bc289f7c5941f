import { expect } from 'vitest';
import type { PairScenario } from '../scenario.ts';

const common = { subject: 'fabric', on: 'shared network', kind: 'ebgp' } as const;

/** Links, hops and next hops. */
export const fabricScenarios: readonly PairScenario[] = [
  {
    ...common,
    name: 'IPv4 routes with IPv6 next hops, to the daemon',
    rfc: 'RFC 8950',
    transport: 'ipv6',
    lacks: { OpenBGPD: 'has no extended next hops' },
    node: { extendedNextHop: true },
    peer: { extendedNextHop: true },
    async run(meeting) {
      await meeting.established();
      expect((await meeting.toDaemon(1)).nextHop).toBe(meeting.link.node.ipv6);
      return undefined;
    },
  },
];
