import { parseAsPath } from 'bgp-ts';
import { expect } from 'vitest';
import type { PairScenario } from '../scenario.ts';

const common = { subject: 'policy', on: 'shared network', kind: 'ebgp' } as const;

/** What podrouted makes of routes for the daemon and of those from it. */
export const policyScenarios: readonly PairScenario[] = [
  {
    ...common,
    name: 'export policy: communities, MED and prepending',
    nodeExport: [
      {
        action: 'Next',
        operations: [{ addCommunity: { value: '65010:7' } }, { setMED: 30 }, { prependLocalAS: 2 }],
      },
    ],
    async run(meeting) {
      await meeting.established();
      const route = await meeting.toDaemon(1);
      expect(route).toMatchObject({ communities: '65010:7', med: 30, asPath: '65010 65010 65010 65001' });
      return undefined;
    },
  },
  {
    ...common,
    name: 'the own AS number in a path: not used, unless so often is allowed',
    rfc: 'RFC 4271 §9.1.2',
    lacks: { GoBGP: 'sends no path to an AS that is in it' },
    node: { numAllowedLocalASNumbers: 1 },
    async run(meeting) {
      await meeting.established();
      const once = await meeting.fromDaemon(1, { asPath: parseAsPath('65030 65010') ?? [] });
      const twice = await meeting.fromDaemon(2, { asPath: parseAsPath('65030 65010 65010') ?? [] });
      expect({ once: once.reason, twice: twice.reason }).toEqual({ once: undefined, twice: 'own AS in the AS path' });
      return undefined;
    },
  },
];
