import { isDeepStrictEqual } from 'node:util';
import { formatExtendedCommunity, ip, makeLinkBandwidth, Origin, parseAsPath, prefix } from 'bgp-ts';
import { expect } from 'vitest';
import type { TestPeer } from '../../support/test-peer.ts';
import { waitFor } from '../../support/wait-for.ts';
import type { DaemonName } from '../daemons/daemon.ts';
import type { Chain } from '../lab/chain.ts';
import { withChain } from '../lab/few-routes.ts';
import { addresses } from '../lab/network.ts';
import type { Meeting } from '../lab/pair.ts';
import type { ChainScenario, Note, PairScenario, Scenario } from '../scenario.ts';

const common = { subject: 'fabric', on: 'shared network', rfc: 'draft-ietf-idr-link-bandwidth §3' } as const;

const GIGABIT = 1e9 / 8;

function bandwidth(asn: number, gigabits: number, isTransitive = true): Uint8Array {
  return makeLinkBandwidth({ asn, octetsPerSecond: gigabits * GIGABIT, isTransitive });
}

/** Weights of the next hops of a kernel route of podrouted's, by gateway. */
function kernelWeights(chain: Chain, text: string): Record<string, number> {
  const shown = chain.node.host.run(['ip', 'route', 'show', text]);
  const hops = [...shown.matchAll(/nexthop via (\S+) .*?weight (\d+)/g)];
  return Object.fromEntries(hops.map(([, gateway = '', weight]) => [gateway, Number(weight)]));
}

/** 2^30 octets per second: a number that ExaBGP's JSON, which has communities as one number, does not round. */
const SENT_GIGABITS = 8.589934592;

const PREFIX = '20.9.0.0/24';

const received: ChainScenario = {
  subject: 'fabric',
  on: 'own network',
  name: 'link bandwidth received: weights of the kernel route in proportion',
  rfc: 'draft-ietf-idr-link-bandwidth §2',
  run: (daemon) =>
    withChain({ daemon }, async (chain) => {
      await chain.established();
      const tell = (feeder: TestPeer, asPath: string, nextHop: string, community: Uint8Array): void =>
        feeder.announce([prefix(PREFIX)], {
          origin: Origin.Igp,
          asPath: parseAsPath(asPath) ?? [],
          nextHop: ip(nextHop),
          extendedCommunities: [community],
        });
      tell(await chain.west(), '65001 7', addresses.west.ipv4, bandwidth(65001, 10));
      if (chain.daemon.announce === undefined) {
        tell(await chain.east(), '65030', addresses.east.ipv4, bandwidth(65030, 40));
      } else {
        chain.daemon.announce(chain.nodeAddress, [PREFIX], {
          origin: 'IGP',
          asPath: '65020 65030',
          nextHop: addresses.peer.ipv4,
          extendedCommunities: formatExtendedCommunity(bandwidth(65030, 40)),
        });
      }
      const wanted = { [addresses.west.ipv4]: 1, [addresses.peer.ipv4]: 4 };
      await waitFor(
        'shares of 1 and 4',
        () => {
          const found = kernelWeights(chain, PREFIX);
          if (!isDeepStrictEqual(found, wanted)) throw new Error(JSON.stringify(found));
          return true;
        },
        20_000,
        200,
      );
      return undefined;
    }),
};

/** Says no more of a link bandwidth than its AS number and rate, not whether it is transitive. */
const TRANSITIVE_HIDDEN: ReadonlySet<DaemonName> = new Set(['FRR', 'GoBGP']);

/** What the daemon, or whoever is behind it, has of a route is this bandwidth alone. */
async function expectBandwidth(meeting: Meeting, text: string, isTransitive: boolean): Promise<Note> {
  const found = await communitiesOf(meeting, text);
  const forms = TRANSITIVE_HIDDEN.has(meeting.daemon.name) ? [true, false] : [isTransitive];
  expect(forms.map((form) => formatExtendedCommunity(bandwidth(65010, SENT_GIGABITS, form)))).toContain(found);
  return forms.length === 1 ? undefined : 'does not show whether it is transitive';
}

/** Extended communities of a route from podrouted: as the daemon shows them, else as it passes them on. */
async function communitiesOf(meeting: Meeting, text: string): Promise<string | undefined> {
  const { daemon, nodeAddress, pair } = meeting;
  const route = await waitFor(`${text} at the daemon`, () => daemon.routes(nodeAddress).get(text), 20_000, 200);
  // FRR shows extended communities of this kind.
  if (daemon.name === 'FRR' || !daemon.hidden.has('extendedCommunities')) return route.extendedCommunities;
  const east = await pair.east();
  const passed = await waitFor(`${text} behind the daemon`, () => east.routes.get(text), 20_000, 200);
  return passed.extendedCommunities?.map(formatExtendedCommunity).join(' ');
}

const pairs: readonly PairScenario[] = [
  {
    ...common,
    kind: 'ebgp',
    name: 'link bandwidth put in by a policy of the daemon',
    lacks: {
      OpenBGPD: 'has no action for it',
      ExaBGP: 'has no policies',
    },
    peer: { linkBandwidthOut: 20 },
    async run(meeting) {
      await meeting.established();
      const { attributes } = await meeting.fromDaemon(1);
      const isTransitive = meeting.daemon.keepsInternal !== true;
      expect(attributes.extendedCommunities).toEqual([formatExtendedCommunity(bandwidth(65020, 20, isTransitive))]);
      return isTransitive ? undefined : 'not transitive, and sent all the same';
    },
  },
  {
    ...common,
    kind: 'ebgp',
    name: 'link bandwidth put in by policy, for another AS, in place of the one that was there',
    nodeExport: [
      { action: 'Next', operations: [{ setLinkBandwidth: { rate: `${SENT_GIGABITS}G`, transitive: true } }] },
    ],
    async run(meeting) {
      await meeting.established();
      await meeting.announceWest(1, { extendedCommunities: [bandwidth(65001, 40)] });
      return expectBandwidth(meeting, meeting.westPrefix(1), true);
    },
  },
  {
    ...common,
    kind: 'ibgp',
    name: 'link bandwidth put in by policy, within the AS',
    lacks: { OpenBGPD: 'shows them in words of its own, and keeps them within the AS' },
    nodeExport: [{ action: 'Next', operations: [{ setLinkBandwidth: `${SENT_GIGABITS}G` }] }],
    async run(meeting) {
      await meeting.established();
      await meeting.announceWest(1);
      return expectBandwidth(meeting, meeting.westPrefix(1), false);
    },
  },
];

/** Shares of traffic by the bandwidth of links. */
export const linkBandwidthScenarios: readonly Scenario[] = [received, ...pairs];
