import { AttributeFlag, ip, type PathAttributes, parseAsPath, parseExtendedCommunity } from 'bgp-ts';
import { expect } from 'vitest';
import { waitFor } from '../../support/wait-for.ts';
import { shownByBgpctl } from '../lab/chain.ts';
import { differences, type ShownField, type ShownRoute, shown } from '../lab/shown-route.ts';
import type { PairScenario } from '../scenario.ts';

const common = { subject: 'attributes', on: 'shared network', kind: 'ebgp' } as const;

/** One of each kind. */
const every: Partial<PathAttributes> = {
  origin: 1,
  atomicAggregate: true,
  aggregator: { asn: 4200000009, address: ip('203.0.113.9') },
  communities: [(65000 << 16) >>> 0, ((65000 << 16) | 9) >>> 0],
  largeCommunities: [{ globalAdmin: 4200000001, local1: 2, local2: 4294967295 }],
  extendedCommunities: [parseExtendedCommunity('rt:65000:100') as Uint8Array],
  unknown: [{ flags: AttributeFlag.Optional | AttributeFlag.Transitive, code: 213, value: Uint8Array.of(0xde, 0xad) }],
};

/** Attributes on their way. */
export const attributeScenarios: readonly PairScenario[] = [
  {
    ...common,
    name: 'one route with every attribute, to the daemon',
    rfc: 'RFC 4271 §5',
    async run(meeting) {
      await meeting.established();
      const route = await meeting.toDaemon(1, every);
      const wanted: ShownRoute = {
        ...shown(every as PathAttributes),
        asPath: '65010 65001',
        nextHop: meeting.link.node.ipv4,
        unknown: '213 e0 dead',
      };
      const hidden = new Set<ShownField>([...meeting.daemon.hidden, 'localPref', 'med']);
      expect(differences(new Map([['', wanted]]), new Map([['', route]]), hidden)).toEqual([]);
      return undefined;
    },
  },
  {
    ...common,
    name: 'one route with every attribute, from the daemon',
    rfc: 'RFC 4271 §5',
    async run(meeting) {
      await meeting.established();
      const route = await meeting.fromDaemon(1, every);
      const { asPath: _asPath, nextHop: _nextHop, unknown, ...rest } = shownByBgpctl(route);
      const { unknown: _unknown, ...wanted } = shown(every as PathAttributes);
      expect(rest).toEqual(wanted);
      expect(unknown).toMatch(/^213 [ce]0 dead$/);
      return undefined;
    },
  },
  {
    ...common,
    name: 'IPv6 routes with global next hops on a session over IPv4, both ways',
    rfc: 'RFC 2545',
    async run(meeting) {
      await meeting.established();
      const { nextHop } = await meeting.toDaemon(1, {}, 'ipv6');
      expect(nextHop).toBe(meeting.link.node.ipv6);
      expect((await meeting.fromDaemon(1, {}, 'ipv6')).attributes.nextHop).toBe(meeting.link.peer.ipv6);
      return undefined;
    },
  },
  {
    ...common,
    name: 'a session over IPv6, routes of both families both ways',
    rfc: 'RFC 4760',
    transport: 'ipv6',
    async run(meeting) {
      await meeting.established();
      for (const family of ['ipv4', 'ipv6'] as const) {
        expect((await meeting.toDaemon(1, {}, family)).nextHop).toBe(meeting.link.node[family]);
        expect((await meeting.fromDaemon(1, {}, family)).attributes.nextHop).toBe(meeting.link.peer[family]);
      }
      return undefined;
    },
  },
  {
    ...common,
    name: 'routes withdrawn, both ways',
    rfc: 'RFC 4271 §4.3',
    async run(meeting) {
      const before = await meeting.established();
      for (const family of ['ipv4', 'ipv6'] as const) {
        await meeting.toDaemon(1, {}, family);
        await meeting.fromDaemon(1, {}, family);
        await meeting.withdrawWest(1, family);
        await meeting.withdrawEast(1, family);
        await meeting.gone(meeting.eastPrefix(1, family));
        const text = meeting.westPrefix(1, family);
        await waitFor(`${text} gone`, () => !meeting.daemon.routes(meeting.nodeAddress).has(text), 10_000, 200);
      }
      await meeting.expectSameSession(before);
      return undefined;
    },
  },
  {
    ...common,
    name: 'graceful shutdown: what the daemon says is the last to be used',
    rfc: 'RFC 8326 §4',
    async run(meeting) {
      await meeting.established();
      const route = await meeting.fromDaemon(1, { communities: [0xffff0000] });
      expect(route.attributes.communities).toEqual(['graceful-shutdown']);
      expect((route.afterPolicy ?? route.attributes).localPref).toBe(0);
      return undefined;
    },
  },
  {
    ...common,
    name: 'a path with an AS_SET is treated as withdrawn',
    rfc: 'RFC 9774',
    async run(meeting) {
      const before = await meeting.established();
      await meeting.fromDaemon(1);
      await meeting.announceEast(1, { asPath: parseAsPath('65030 {7,8}') ?? [] });
      await meeting.gone(meeting.eastPrefix(1));
      await meeting.expectSameSession(before);
      return undefined;
    },
  },
];
