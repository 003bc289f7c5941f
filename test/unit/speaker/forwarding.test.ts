import { formatIp, formatPrefix, type IpAddress, ip, prefix } from 'bgp-ts';
import { beforeEach, expect, test } from 'vitest';
import { Forwarding, type ForwardingHop, type ResolvedHop, type SelectedHop } from '../../../speaker/forwarding.ts';

let ways: Map<number, string>;
let routes: Map<string, number>;
let calls: string[];
let reached: Record<string, ResolvedHop>;
let sets: Record<number, readonly SelectedHop[]>;
let forwarding: Forwarding;

const text = (hops: readonly ForwardingHop[]): string =>
  hops.map(({ gateway, ifIndex, weight }) => `${gateway && formatIp(gateway)}%${ifIndex}*${weight ?? 1}`).join(' ');

beforeEach(() => {
  ways = new Map();
  routes = new Map();
  calls = [];
  reached = {};
  sets = {};
  const name = (version: 4 | 6, octets: Uint8Array, length: number): string =>
    formatPrefix({ address: { version, octets: octets.slice() }, length });
  forwarding = new Forwarding({
    table: {
      openWay(hops) {
        const way = 100 + ways.size;
        ways.set(way, text(hops));
        calls.push(`open ${text(hops)}`);
        return way;
      },
      changeWay(way, hops) {
        if (ways.get(way) !== text(hops)) calls.push(`change ${ways.get(way)} to ${text(hops)}`);
        ways.set(way, text(hops));
      },
      closeWay: (way) => void calls.push(`close ${ways.get(way)}`),
      set: (version, octets, length, way) => void routes.set(name(version, octets, length), way),
      remove: (version, octets, length) => void routes.delete(name(version, octets, length)),
    },
    selectedHops: (set) => sets[set] ?? [],
    resolve: (address: IpAddress) => reached[formatIp(address)] ?? { reachable: false },
    linkIndex: (device) => (device === 'eth1' ? 7 : undefined),
    metric: { 'ipv4-unicast': 1024, 'ipv6-unicast': 1024 },
  });
});

function route(dst: string, set: number): void {
  const { address, length } = prefix(dst);
  forwarding.route(address.version === 4 ? 'ipv4-unicast' : 'ipv6-unicast', address.octets, length, set);
}

const via = (gateway: string | undefined, ifIndex: number): ResolvedHop => ({
  reachable: true,
  ifIndex,
  hops: [{ ifIndex, ...(gateway === undefined ? {} : { gateway: ip(gateway) }) }],
});

/** Where each route goes. */
const leads = (): Record<string, string | undefined> =>
  Object.fromEntries([...routes].map(([dst, way]) => [dst, ways.get(way)]));

test('one way for each set of next hops, whatever the number of routes', () => {
  sets = { 1: [{ address: ip('10.0.0.1') }], 2: [{ address: ip('10.0.0.1') }, { address: ip('10.0.0.2'), weight: 3 }] };
  reached = { '10.0.0.1': via(undefined, 2), '10.0.0.2': via('10.0.9.9', 3) };
  for (let i = 0; i < 100; i++) route(`10.1.${i}.0/24`, 1);
  route('10.2.0.0/24', 2);
  expect(calls).toEqual(['open 10.0.0.1%2*1', 'open 10.0.0.1%2*1 10.0.9.9%3*3']);
  expect(leads()['10.1.99.0/24']).toBe('10.0.0.1%2*1');
  expect(leads()['10.2.0.0/24']).toBe('10.0.0.1%2*1 10.0.9.9%3*3');
});

test('a next hop that is reached differently changes its ways, and no route is handed over again', () => {
  sets = { 1: [{ address: ip('10.0.0.1') }], 2: [{ address: ip('10.0.0.2') }] };
  reached = { '10.0.0.1': via('10.9.0.1', 2), '10.0.0.2': via(undefined, 2) };
  route('10.1.0.0/24', 1);
  route('10.2.0.0/24', 2);
  calls = [];
  reached['10.0.0.1'] = via('10.9.0.2', 3);
  expect(forwarding.resolveAgain()).toBe(false);
  expect(calls).toEqual(['change 10.9.0.1%2*1 to 10.9.0.2%3*1']);
  expect(leads()).toEqual({ '10.1.0.0/24': '10.9.0.2%3*1', '10.2.0.0/24': '10.0.0.2%2*1' });
});

test('of several next hops those that are reached are used', () => {
  sets = { 1: [{ address: ip('10.0.0.1') }, { address: ip('10.0.0.2') }] };
  reached = { '10.0.0.1': via(undefined, 2), '10.0.0.2': via(undefined, 3) };
  route('10.1.0.0/24', 1);
  delete reached['10.0.0.2'];
  expect(forwarding.resolveAgain()).toBe(false);
  expect(leads()).toEqual({ '10.1.0.0/24': '10.0.0.1%2*1' });
});

test('when nothing is reached the way stays as it is, but takes no more routes; when something is, all are handed over again', () => {
  sets = { 1: [{ address: ip('10.0.0.1') }] };
  reached = { '10.0.0.1': via(undefined, 2) };
  route('10.1.0.0/24', 1);
  reached = {};
  expect(forwarding.resolveAgain()).toBe(false);
  expect(leads()).toEqual({ '10.1.0.0/24': '10.0.0.1%2*1' });
  route('10.1.1.0/24', 1);
  expect(leads()).toEqual({ '10.1.0.0/24': '10.0.0.1%2*1' });
  reached = { '10.0.0.1': via(undefined, 4) };
  expect(forwarding.resolveAgain()).toBe(true);
  route('10.1.1.0/24', 1);
  expect(leads()).toEqual({ '10.1.0.0/24': '10.0.0.1%4*1', '10.1.1.0/24': '10.0.0.1%4*1' });
});

test('a set that never led anywhere has no way until it does', () => {
  sets = { 1: [{ address: ip('10.0.0.1') }] };
  route('10.1.0.0/24', 1);
  expect(calls).toEqual([]);
  expect(leads()).toEqual({});
  reached = { '10.0.0.1': via(undefined, 2) };
  expect(forwarding.resolveAgain()).toBe(true);
  route('10.1.0.0/24', 1);
  expect(leads()).toEqual({ '10.1.0.0/24': '10.0.0.1%2*1' });
});

test('link-local next hops leave by the interface of their session', () => {
  sets = { 1: [{ address: ip('fe80::1'), device: 'eth1' }], 2: [{ address: ip('fe80::1'), device: 'gone' }] };
  route('2001:db8:1::/48', 1);
  route('2001:db8:2::/48', 2);
  expect(leads()).toEqual({ '2001:db8:1::/48': 'fe80::1%7*1' });
});

test('a set that is used no more gives its way back, and its number may come again', () => {
  sets = { 1: [{ address: ip('10.0.0.1') }] };
  reached = { '10.0.0.1': via(undefined, 2), '10.0.0.2': via(undefined, 2) };
  route('10.1.0.0/24', 1);
  forwarding.forget(1);
  forwarding.forget(1);
  sets = { 1: [{ address: ip('10.0.0.2') }] };
  route('10.1.0.0/24', 1);
  expect(calls).toEqual(['open 10.0.0.1%2*1', 'close 10.0.0.1%2*1', 'open 10.0.0.2%2*1']);
  expect(leads()).toEqual({ '10.1.0.0/24': '10.0.0.2%2*1' });
});

test('what is never to be installed stays out', () => {
  sets = { 1: [{ address: ip('10.0.0.1') }] };
  reached = { '10.0.0.1': via(undefined, 2) };
  route('10.96.0.0/16', 1);
  forwarding.setNeverInstalled([prefix('10.96.0.0/12')]);
  route('10.96.0.0/16', 1);
  route('10.1.0.0/16', 1);
  expect(leads()).toEqual({ '10.1.0.0/16': '10.0.0.1%2*1' });
});

test('a link-local next hop is used where the global one beside it is not on the link (RFC 2545)', () => {
  const address = ip('2001:db8::1');
  const linkLocal = ip('fe80::1');
  sets = { 1: [{ address, linkLocal, device: 'eth1' }], 2: [{ address, linkLocal }] };
  reached = { 'fe80::1': via(undefined, 7) };
  route('10.1.0.0/16', 1);
  route('10.2.0.0/16', 2);
  expect(leads()).toEqual({ '10.1.0.0/16': 'fe80::1%7*1' });
  reached['2001:db8::1'] = { ...via('2001:db8:9::9', 3), gateway: ip('2001:db8:9::9') } as ResolvedHop;
  forwarding.resolveAgain();
  expect(leads()['10.1.0.0/16']).toBe('fe80::1%7*1');
  reached['2001:db8::1'] = via(undefined, 7);
  forwarding.resolveAgain();
  expect(leads()['10.1.0.0/16']).toBe('2001:db8::1%7*1');
});
