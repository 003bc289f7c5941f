import { ip, type PathAttributes, parseAsPath, parseCommunity, parseExtendedCommunity, prefix } from 'bgp-ts';
import { expect } from 'vitest';
import { waitFor } from '../../support/wait-for.ts';
import type { Meeting } from '../lab/pair.ts';
import { textSet } from '../lab/shown-route.ts';
import type { PairScenario } from '../scenario.ts';

const common = { subject: 'policy', on: 'shared network', kind: 'ebgp' } as const;

const path = (text: string) => ({ asPath: parseAsPath(text) ?? expect.fail(text) });
const communities = (...texts: string[]) => texts.map((text) => parseCommunity(text) ?? expect.fail(text));

/** Waits until the daemon has these prefixes from behind podrouted, and no others. */
async function daemonHas(meeting: Meeting, wanted: readonly string[]): Promise<void> {
  await waitFor(
    `${wanted.join(', ')} with ${meeting.daemon.name}`,
    () => {
      const found = [...meeting.daemon.routes(meeting.nodeAddress).keys()].sort();
      if (found.join() !== [...wanted].sort().join()) throw new Error(found.join(', '));
      return true;
    },
    20_000,
    200,
  );
}

const tagged: Partial<PathAttributes> = {
  communities: communities('65001:1', '65001:2', '7:7'),
  largeCommunities: [
    { globalAdmin: 65001, local1: 1, local2: 1 },
    { globalAdmin: 7, local1: 7, local2: 7 },
  ],
  extendedCommunities: ['rt:65001:1', 'rt:7:7'].map((text) => parseExtendedCommunity(text) ?? expect.fail(text)),
};

/** Each kind of rule, as the daemon at the other end sees what came of it. */
export const policyRuleScenarios: readonly PairScenario[] = [
  {
    ...common,
    name: 'export: standard, large and extended communities deleted by pattern and added',
    nodeExport: [
      {
        communities: { all: ['65001:1-2', '65001:*:1', 'rt:65001:*'] },
        action: 'Next',
        operations: [
          { deleteCommunities: ['65001:*', '65001:*:*', 'rt:65001:*'] },
          { addCommunities: ['65010:9', '65010:1:2', 'rt:65010:3'] },
        ],
      },
    ],
    async run(meeting) {
      await meeting.established();
      const { hidden } = meeting.daemon;
      const changed = await meeting.toDaemon(1, tagged);
      expect(changed).toMatchObject({
        ...textSet('communities', ['65010:9', '7:7']),
        ...textSet('largeCommunities', ['65010:1:2', '7:7:7']),
        ...(hidden.has('extendedCommunities') ? {} : textSet('extendedCommunities', ['rt:65010:3', 'rt:7:7'])),
      });
      const other = await meeting.toDaemon(2, { communities: communities('65001:1') });
      expect(other.communities).toBe('65001:1');
      return hidden.has('extendedCommunities') ? 'extended communities are not shown' : undefined;
    },
  },
  {
    ...common,
    name: 'export: communities replaced, MED set and changed, first AS of the path and own AS prepended',
    nodeExport: [
      {
        communities: { any: ['7:7'] },
        action: 'Next',
        operations: [
          { setCommunities: ['65010:5'] },
          { setMED: 30 },
          { addMED: 20 },
          { addMED: -8 },
          { prependLastAS: 2 },
          { prependLocalAS: 1 },
        ],
      },
    ],
    async run(meeting) {
      await meeting.established();
      const changed = await meeting.toDaemon(1, { communities: communities('7:7', '8:8') });
      expect(changed).toMatchObject({ communities: '65010:5', med: 42, asPath: '65010 65010 65001 65001 65001' });
      const other = await meeting.toDaemon(2, { communities: communities('8:8') });
      expect(other).toMatchObject({ communities: '8:8', asPath: '65010 65001' });
      expect(other.med ?? 0).toBe(0);
      return undefined;
    },
  },
  {
    ...common,
    name: 'export: a set of prefixes with ranges of lengths',
    nodeExport: [{ prefixSets: ['subnets'], action: 'Reject' }],
    nodeDocuments: [
      {
        kind: 'PrefixSet',
        metadata: { name: 'subnets' },
        spec: { prefixes: [{ cidr: '20.0.0.0/8', min: 25, max: 28 }, '192.0.2.0/24'] },
      },
    ],
    async run(meeting) {
      await meeting.established();
      const block = meeting.westPrefix(0).split('.').slice(0, 2).join('.');
      const feeder = await meeting.pair.west();
      const prefixes = [`${block}.1.0/24`, `${block}.2.0/25`, `${block}.3.0/28`, `${block}.4.0/29`];
      feeder.announce(prefixes.map(prefix), { origin: 0, ...path('65001'), nextHop: ip('10.1.0.2') });
      await daemonHas(meeting, [`${block}.1.0/24`, `${block}.4.0/29`]);
      return undefined;
    },
  },
  {
    ...common,
    name: 'export: AS-path patterns over whole AS numbers',
    nodeExport: [
      { asPath: '^65001 .* 65099$', action: 'Reject' },
      {
        asPath: '_70_',
        not: { asPath: '_71_' },
        action: 'Next',
        operations: [{ addCommunity: { value: '65010:70' } }],
      },
    ],
    async run(meeting) {
      await meeting.established();
      await meeting.announceWest(1, path('65001 7 65099'));
      expect((await meeting.toDaemon(2, path('65001 7 165099'))).communities).toBeUndefined();
      expect((await meeting.toDaemon(3, path('65001 70 8'))).communities).toBe('65010:70');
      expect((await meeting.toDaemon(4, path('65001 170 8'))).communities).toBeUndefined();
      expect((await meeting.toDaemon(5, path('65001 70 71'))).communities).toBeUndefined();
      await daemonHas(
        meeting,
        [2, 3, 4, 5].map((n) => meeting.westPrefix(n)),
      );
      return undefined;
    },
  },
  {
    ...common,
    kind: 'ibgp',
    name: 'export within the AS: LOCAL_PREF and next hop',
    nodeExport: [
      {
        neighbourAS: [65001],
        originAS: [7],
        action: 'Next',
        operations: [{ setLocalPref: 250 }, { setNextHop: 'Self' }],
      },
    ],
    async run(meeting) {
      await meeting.established();
      const changed = await meeting.toDaemon(1, path('65001 7'));
      expect(changed).toMatchObject({ localPref: 250, nextHop: meeting.link.node.ipv4, asPath: '65001 7' });
      return undefined;
    },
  },
  {
    ...common,
    name: 'import: rules by AS path, communities and prefix, with the term that decided',
    nodeImport: [
      { name: 'too long', asPathLength: { min: 4 }, action: 'Reject' },
      {
        name: 'theirs',
        communities: { any: ['65030:*'] },
        asPath: '^65020_',
        action: 'Accept',
        operations: [{ setLocalPref: 300 }],
      },
    ],
    async run(meeting) {
      await meeting.established();
      const base = meeting.daemon.announce === undefined ? '65030' : '';
      const preferred = await meeting.fromDaemon(1, { ...path(base), communities: communities('65030:5') });
      expect(preferred.afterPolicy).toMatchObject({ localPref: 300 });
      expect(preferred.policy?.term).toContain('(theirs)');
      const long = await meeting.fromDaemon(2, path(`${base} 1 2 3 4`.trim()));
      expect(long).toMatchObject({ reason: 'rejected by import policy' });
      expect(long.policy?.term).toContain('(too long)');
      const other = await meeting.fromDaemon(3, path(base));
      expect(other.policy?.term).toBe('policy.import.default: accept');
      return undefined;
    },
  },
];
