import { readFileSync, readlinkSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import * as native from '../../native/index.ts';
import { addAddress, decodeAddress, deleteAddress, dumpAddresses } from '../../netlink/address.ts';
import { isRefused, NetlinkError } from '../../netlink/errors.ts';
import { addVeth, decodeLink, deleteLink, dumpLinks, getLink, type Link, setLink } from '../../netlink/link.ts';
import { MessageType, type NetlinkMessage } from '../../netlink/message.ts';
import { addNeighbour, decodeNeighbour, deleteNeighbour, dumpNeighbours } from '../../netlink/neighbour.ts';
import { addNextHop, decodeNextHop, deleteNextHop, dumpNextHops } from '../../netlink/nexthop.ts';
import {
  addFlags,
  addRoute,
  decodeRoute,
  deleteRoute,
  dumpRoutes,
  lookupRoute,
  type Route,
  RouteType,
  writeRoute,
} from '../../netlink/route.ts';
import { NetlinkGroup, NetlinkSocket, type NetlinkSocketOptions } from '../../netlink/socket.ts';
import { type TestNamespace, TestNamespaces } from '../support/namespaces.ts';
import { waitFor } from '../support/wait-for.ts';

const namespaces = new TestNamespaces('nl');
let node: TestNamespace;
let pod: TestNamespace;
const sockets: NetlinkSocket[] = [];

/** Octets of an address, written as people do (IPv6 only with one `::`). */
function at(text: string): Uint8Array {
  if (!text.includes(':')) return new Uint8Array(text.split('.').map(Number));
  const [head = '', tail = ''] = text.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const middle = new Array<number>(8 - groups(head).length - groups(tail).length).fill(0);
  return new Uint8Array([...groups(head), ...middle, ...groups(tail)].flatMap((group) => [group >> 8, group & 0xff]));
}

function open(options: NetlinkSocketOptions = {}): NetlinkSocket {
  const socket = NetlinkSocket.open({ netnsFd: node.fd, ...options });
  sockets.push(socket);
  return socket;
}

function linkOf(socket: NetlinkSocket, name: string): Link {
  const [link] = socket.querySync(getLink({ name }), decodeLink);
  if (link === undefined) throw new Error(`no link ${name}`);
  return link;
}

/** A route with protocol 177 in the main table. */
function route(prefix: string, rest: Partial<Route> = {}): Route {
  const [address = '', length] = prefix.split('/');
  return {
    version: prefix.includes(':') ? 6 : 4,
    destination: at(address),
    destinationLength: Number(length),
    table: 254,
    protocol: 177,
    nextHops: [],
    ...rest,
  };
}

function refused(fn: () => void): unknown {
  try {
    fn();
  } catch (error) {
    if (error instanceof NetlinkError) return error.detail;
    throw error;
  }
  return 'done';
}

beforeAll(() => {
  node = namespaces.create('node');
  pod = namespaces.create('pod');
  for (const { ip } of [node, pod]) ip('link set lo up');
});

afterAll(() => namespaces.removeAll());

/** Every test has v0 (10.0.0.1/24, fd00::1/64) and v1 wired to each other in `node`, and nothing of the test before. */
beforeEach(() => {
  node.ip('link add v0 type veth peer name v1');
  node.ip('link set v0 up');
  node.ip('link set v1 up');
  node.ip('address add 10.0.0.1/24 dev v0');
  node.ip('address add fd00::1/64 dev v0 nodad');
});

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
  node.ip('route flush table all proto 177');
  node.ip('-6 route flush table all proto 177');
  node.ip('nexthop flush');
  node.ip('link del v0');
});

describe('network namespaces', () => {
  const here = (): string => readlinkSync('/proc/thread-self/ns/net');

  test('a window into another one, also nested, and also when the function throws', () => {
    const home = here();
    const seen = native.withNetns(node.fd, () => {
      const outer = here();
      const inner = native.withNetns(pod.fd, here);
      expect(here()).toBe(outer);
      return [outer, inner];
    });
    expect(new Set([home, ...seen]).size).toBe(3);
    expect(here()).toBe(home);
    expect(() =>
      native.withNetns(node.fd, () => {
        throw new Error('inside');
      }),
    ).toThrow('inside');
    expect(here()).toBe(home);
    expect(() => native.withNetns(node.fd, async () => 1)).toThrow(TypeError);
    expect(here()).toBe(home);
  });

  test('sysctls and interface names follow the thread', () => {
    expect(native.withNetns(node.fd, () => readFileSync('/proc/sys/net/ipv4/conf/v0/rp_filter', 'utf8'))).toMatch(
      /^\d/,
    );
    expect(native.withNetns(node.fd, () => native.interfaceIndex('v0'))).toBe(linkOf(open(), 'v0').index);
    expect(() => native.interfaceIndex('v0')).toThrow('ENODEV');
  });

  test('a socket is made inside without going there', () => {
    const home = here();
    const fd = native.socket(native.AddressFamily.Inet, native.SocketType.Datagram, 0, node.fd);
    native.bind(fd, native.inetSocketAddress(at('10.0.0.1'), 0));
    native.close(fd);
    expect(here()).toBe(home);
  });

  test('what is no network namespace is refused', () => {
    for (const path of ['/etc/passwd', '/proc/self/ns/mnt', '/dev/null']) {
      expect(() => native.openNetns(path), path).toThrow('EINVAL');
    }
    expect(() => native.openNetns('/run/netns/no-such')).toThrow('ENOENT');
    expect(() => native.withNetns(0, () => 1)).toThrow('EINVAL');
    expect(() => native.socket(2, 1, 0, 99999)).toThrow('EBADF');
  });
});

describe('links', () => {
  test('a veth is born with its other end in another namespace, and packets go through', () => {
    const mine = open();
    const theirs = open({ netnsFd: pod.fd });
    mine.requestSync(
      addVeth({
        name: 'host0',
        isUp: true,
        mtu: 1450,
        address: new Uint8Array(6).fill(0xee),
        peer: { name: 'eth0', netnsFd: pod.fd, mtu: 1450, address: new Uint8Array([2, 0, 0, 0, 0, 9]) },
      }),
    );
    const host = linkOf(mine, 'host0');
    const eth = linkOf(theirs, 'eth0');
    expect(host).toMatchObject({
      kind: 'veth',
      isUp: true,
      mtu: 1450,
      peerIndex: eth.index,
      address: new Uint8Array(6).fill(0xee),
    });
    expect(host.linkNetnsId).toBeDefined();
    expect(eth).toMatchObject({ isUp: false, mtu: 1450, peerIndex: host.index });
    theirs.requestSync(setLink({ index: eth.index }, { isUp: true }));
    theirs.requestSync(
      addAddress({ version: 4, octets: at('10.64.0.5'), prefixLength: 32, interfaceIndex: eth.index }),
    );
    theirs.requestSync(
      addAddress({ version: 6, octets: at('fd00:64::5'), prefixLength: 128, interfaceIndex: eth.index, noDad: true }),
    );
    mine.requestSync(
      addAddress({ version: 4, octets: at('169.254.1.1'), prefixLength: 32, interfaceIndex: host.index }),
    );
    mine.requestSync(addRoute(route('10.64.0.5/32', { nextHops: [{ interfaceIndex: host.index }] })));
    theirs.requestSync(addRoute(route('169.254.1.1/32', { nextHops: [{ interfaceIndex: eth.index }] })));
    theirs.requestSync(
      addRoute(
        route('0.0.0.0/0', { nextHops: [{ gateway: at('169.254.1.1'), interfaceIndex: eth.index, onLink: true }] }),
      ),
    );
    expect(pod.run('ping', '-c', '1', '-W', '5', '10.0.0.1')).toContain('1 received');
    expect(linkOf(theirs, 'eth0').stats?.rxPackets).toBeGreaterThan(0);
    expect(pod.ip('-6 address show dev eth0')).not.toContain('tentative fd00');
    mine.requestSync(deleteLink({ name: 'host0' }));
    expect(refused(() => linkOf(theirs, 'eth0'))).toMatchObject({ code: 'refused', name: 'ENODEV' });
    expect(refused(() => mine.requestSync(deleteLink({ name: 'host0' })))).toMatchObject({ name: 'ENODEV' });
  });

  test('up, down, size, address, name, alias; another namespace', () => {
    const socket = open();
    const { index } = linkOf(socket, 'v1');
    socket.requestSync(setLink({ index }, { mtu: 9000, address: new Uint8Array([2, 1, 1, 1, 1, 1]), alias: 'a pod' }));
    socket.requestSync(setLink({ name: 'v1' }, { isUp: false }));
    socket.requestSync(setLink({ index }, { newName: 'renamed' }));
    expect(node.ipJson('link show renamed')).toMatchObject([
      { ifindex: index, mtu: 9000, address: '02:01:01:01:01:01', ifalias: 'a pod', operstate: 'DOWN' },
    ]);
    expect(linkOf(socket, 'renamed')).toMatchObject({ alias: 'a pod', isUp: false, isRunning: false });
    // v0 is up, but its other end is not: no carrier.
    expect(linkOf(socket, 'v0')).toMatchObject({ isUp: true, isRunning: false });
    socket.requestSync(setLink({ index }, { netnsFd: pod.fd }));
    expect(pod.ipJson('link show renamed')).toMatchObject([{ ifname: 'renamed' }]);
  });

  test('a listing has what ip sees', () => {
    const seen = node.ipJson('link show') as { ifindex: number; ifname: string; mtu: number }[];
    const links = open().querySync(dumpLinks(), decodeLink);
    expect(links.map(({ index, name, mtu }) => ({ index, name, mtu }))).toEqual(
      seen.map(({ ifindex, ifname, mtu }) => ({ index: ifindex, name: ifname, mtu })),
    );
  });
});

describe('addresses', () => {
  test('with and without duplicate address detection and prefix route', () => {
    const socket = open();
    const { index } = linkOf(socket, 'v0');
    const base = { version: 6, prefixLength: 64, interfaceIndex: index } as const;
    socket.requestSync(addAddress({ ...base, octets: at('fd00:1::1'), noDad: true, noPrefixRoute: true }));
    socket.requestSync(addAddress({ ...base, octets: at('fd00:2::1'), noDad: true }));
    expect(node.ip('-6 address show dev v0 tentative')).not.toContain('fd00:1');
    const routes = node.ip('-6 route show dev v0');
    expect(routes).toContain('fd00:2::/64');
    expect(routes).not.toContain('fd00:1::/64');
    const listed = socket.querySync(dumpAddresses({ version: 6, interfaceIndex: index }), decodeAddress);
    expect(listed.find((each) => each.octets[3] === 1)).toMatchObject({ noDad: true, noPrefixRoute: true });
    expect(listed.find((each) => each.octets[3] === 2)?.noPrefixRoute).toBeUndefined();
    expect(refused(() => socket.requestSync(addAddress({ ...base, octets: at('fd00:1::1') })))).toMatchObject({
      name: 'EEXIST',
    });
    socket.requestSync(deleteAddress({ ...base, octets: at('fd00:1::1') }));
    expect(refused(() => socket.requestSync(deleteAddress({ ...base, octets: at('fd00:1::1') })))).toMatchObject({
      name: 'EADDRNOTAVAIL',
    });
  });
});

describe('routes', () => {
  test('ours are seen by ip', () => {
    const socket = open();
    const { index } = linkOf(socket, 'v0');
    const over = (gateway: string, rest = {}) => ({ gateway: at(gateway), interfaceIndex: index, ...rest });
    const routes = [
      route('10.1.0.0/16', { priority: 1024, nextHops: [over('10.0.0.2')] }),
      route('10.2.0.0/16', { table: 70000, nextHops: [over('10.0.0.2')] }),
      route('10.3.0.0/24', { type: RouteType.Blackhole, priority: 4096 }),
      route('10.3.1.0/24', { type: RouteType.Unreachable, priority: 4096 }),
      route('10.4.0.0/16', { nextHops: [over('10.0.0.2'), over('192.0.2.1', { weight: 10, onLink: true })] }),
      route('10.5.0.0/16', { nextHops: [over('fe80::2')] }),
      route('10.6.0.0/16', { preferredSource: at('10.0.0.1'), mtu: 1400, nextHops: [over('10.0.0.2')] }),
      route('10.64.0.5/32', { nextHops: [{ interfaceIndex: index }] }),
      route('0.0.0.0/0', { nextHops: [over('192.0.2.9', { onLink: true })] }),
      route('fd01::/64', { priority: 1024, nextHops: [over('fe80::2')] }),
      route('fd02::/64', { nextHops: [over('fd00::2', { weight: 2 }), over('fd00::3', { weight: 3 })] }),
      route('fd03::/64', { type: RouteType.Blackhole, priority: 4096 }),
      route('fd04::5/128', { nextHops: [{ interfaceIndex: index }] }),
    ];
    for (const each of routes) socket.requestSync(addRoute(each));

    const v4 = node.ipJson('-4 route show table all proto 177') as { dst: string }[];
    const seen = (dst: string) => v4.find((each) => each.dst === dst);
    expect(v4).toHaveLength(9);
    expect(seen('10.1.0.0/16')).toMatchObject({ gateway: '10.0.0.2', dev: 'v0', metric: 1024 });
    expect(seen('10.2.0.0/16')).toMatchObject({ table: '70000' });
    expect(seen('10.3.0.0/24')).toMatchObject({ type: 'blackhole', metric: 4096 });
    expect(seen('10.3.1.0/24')).toMatchObject({ type: 'unreachable' });
    expect(seen('10.4.0.0/16')).toMatchObject({
      nexthops: [
        { gateway: '10.0.0.2', weight: 1 },
        { gateway: '192.0.2.1', weight: 10, flags: ['onlink'] },
      ],
    });
    expect(seen('10.5.0.0/16')).toMatchObject({ via: { family: 'inet6', host: 'fe80::2' } });
    expect(seen('10.6.0.0/16')).toMatchObject({ prefsrc: '10.0.0.1', metrics: [{ mtu: 1400 }] });
    expect(seen('10.64.0.5')).toMatchObject({ scope: 'link', dev: 'v0' });
    expect(seen('default')).toMatchObject({ flags: ['onlink'] });
    const v6 = node.ipJson('-6 route show table all proto 177') as { dst: string }[];
    expect(v6.find((each) => each.dst === 'fd01::/64')).toMatchObject({ gateway: 'fe80::2', metric: 1024 });
    expect(v6.find((each) => each.dst === 'fd02::/64')).toMatchObject({ nexthops: [{ weight: 2 }, { weight: 3 }] });
    expect(v6.find((each) => each.dst === 'fd03::/64')).toMatchObject({ type: 'blackhole', metric: 4096 });
    expect(v6.find((each) => each.dst === 'fd04::5')).toMatchObject({ dev: 'v0' });

    expect(refused(() => socket.requestSync(addRoute(routes[0] ?? route('0.0.0.0/0'))))).toMatchObject({
      name: 'EEXIST',
    });
    socket.requestSync(addRoute(route('10.1.0.0/16', { priority: 1024, nextHops: [over('10.0.0.7')] }), 'replace'));
    expect(node.ipJson('route show 10.1.0.0/16')).toMatchObject([{ gateway: '10.0.0.7', protocol: '177' }]);
    for (const each of routes.slice(1)) socket.requestSync(deleteRoute(each));
    socket.requestSync(deleteRoute(route('10.1.0.0/16', { priority: 1024 })));
    expect(node.ip('-4 route show table all proto 177') + node.ip('-6 route show table all proto 177')).toBe('');
    expect(refused(() => socket.requestSync(deleteRoute(route('10.1.0.0/16'))))).toMatchObject({ name: 'ESRCH' });
  });

  test('those of ip are read, all of them', () => {
    for (const command of [
      'route add 10.1.0.0/16 via 10.0.0.2 proto 177 metric 7',
      'route add 10.2.0.0/16 via 10.0.0.2 table 1000 proto 177',
      'route add 10.4.0.0/16 proto 177 nexthop via 10.0.0.2 weight 2 nexthop via 10.0.0.3 weight 256',
      'route add 10.5.0.0/16 via inet6 fe80::2 dev v0 proto 177',
      'route add prohibit 10.6.0.0/16 proto 177',
      'route add local 10.7.0.1 dev v0 proto 177',
      'route add throw 10.8.0.0/16 proto 177',
      '-6 route add fd02::/64 proto 177 nexthop via fd00::2 nexthop via fd00::3',
      '-6 route add unreachable fd03::/64 proto 177',
    ]) {
      node.ip(command);
    }
    const socket = open();
    const read = socket.querySync(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute);
    const byOctet = (octet: number) => read.find((each) => each.destination[1] === octet);
    expect(read).toHaveLength(7);
    expect(byOctet(1)).toMatchObject({ priority: 7, nextHops: [{ gateway: at('10.0.0.2') }] });
    expect(byOctet(2)).toMatchObject({ table: 1000 });
    expect(byOctet(4)).toMatchObject({ nextHops: [{ weight: 2 }, { weight: 256 }] });
    expect(byOctet(5)).toMatchObject({ nextHops: [{ gateway: at('fe80::2') }] });
    expect(byOctet(6)).toMatchObject({ type: RouteType.Prohibit, nextHops: [] });
    expect(byOctet(7)).toMatchObject({ type: RouteType.Local, destinationLength: 32 });
    const six = socket.querySync(dumpRoutes({ version: 6, protocol: 177 }), decodeRoute);
    expect(six.find((each) => each.destination[1] === 2)).toMatchObject({
      nextHops: [{ gateway: at('fd00::2') }, { gateway: at('fd00::3') }],
    });
    expect(six.find((each) => each.destination[1] === 3)).toMatchObject({ type: RouteType.Unreachable });
    expect(socket.querySync(dumpRoutes({ version: 4, table: 1000 }), decodeRoute)).toHaveLength(1);
    expect(socket.querySync(dumpRoutes({ version: 4, table: 4711 }), decodeRoute)).toEqual([]);
    expect(socket.querySync(dumpRoutes({ version: 6, table: 4711 }), decodeRoute)).toEqual([]);
    const all = socket.querySync(dumpRoutes({ version: 4 }), decodeRoute);
    expect(all).toHaveLength((node.ipJson('-4 route show table all') as unknown[]).length);
  });

  test('a dead link shows in the next hop, and a lookup says where a packet goes', () => {
    const socket = open();
    node.ip('route add 10.4.0.0/16 proto 177 nexthop via 10.0.0.2 nexthop via 10.0.0.3');
    expect(socket.querySync(lookupRoute(4, at('10.4.1.1')), decodeRoute)).toMatchObject([
      { preferredSource: at('10.0.0.1'), nextHops: [{ interfaceIndex: linkOf(socket, 'v0').index }] },
    ]);
    node.ip('link set v1 down');
    const [read] = socket.querySync(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute);
    expect(read?.nextHops.map((hop) => (hop.flags ?? 0) & 0x11)).not.toContain(0);
  });

  test('a refusal comes with the kernel’s words', () => {
    const socket = open();
    expect(
      refused(() => socket.requestSync(addRoute(route('10.1.0.0/16', { nextHops: [{ gateway: at('172.31.0.1') }] })))),
    ).toEqual({
      code: 'refused',
      errno: 101,
      name: 'ENETUNREACH',
      text: 'Nexthop has invalid gateway',
    });
  });
});

describe('nexthop objects', () => {
  test('routes by id follow the object', () => {
    const socket = open();
    const { index } = linkOf(socket, 'v0');
    const single = (id: number, gateway: string) =>
      ({ type: 'single', id, protocol: 177, version: 4, gateway: at(gateway), interfaceIndex: index }) as const;
    socket.requestSync(addNextHop(single(1, '10.0.0.2')));
    socket.requestSync(addNextHop(single(2, '10.0.0.3')));
    socket.requestSync(addNextHop({ type: 'blackhole', id: 3, protocol: 177, version: 4 }));
    socket.requestSync(
      addNextHop({
        type: 'group',
        id: 10,
        protocol: 177,
        members: [
          { id: 1, weight: 1 },
          { id: 2, weight: 4 },
        ],
      }),
    );
    socket.requestSync(addNextHop(single(4, 'fe80::4')));
    for (let i = 0; i < 10; i++) socket.requestSync(addRoute(route(`10.1.${i}.0/24`, { nextHopId: 10 })));
    expect(node.ipJson('nexthop show id 10')).toMatchObject([{ group: [{ id: 1 }, { id: 2, weight: 4 }] }]);
    expect(node.ipJson('route show 10.1.3.0/24')).toMatchObject([
      { nhid: 10, nexthops: [{ gateway: '10.0.0.2' }, { weight: 4 }] },
    ]);
    const listed = socket.querySync(dumpNextHops(), decodeNextHop);
    expect(listed).toMatchObject([
      { id: 1, type: 'single', gateway: at('10.0.0.2') },
      { id: 2 },
      { id: 3, type: 'blackhole' },
      { id: 4, version: 6, gateway: at('fe80::4') },
      {
        id: 10,
        type: 'group',
        members: [
          { id: 1, weight: 1 },
          { id: 2, weight: 4 },
        ],
      },
    ]);
    socket.requestSync(addNextHop({ ...single(1, '10.0.0.9') }, 'replace'));
    socket.requestSync(deleteNextHop(2));
    expect(node.ipJson('route show 10.1.9.0/24')).toMatchObject([{ nhid: 10, gateway: '10.0.0.9' }]);
    const [read] = socket.querySync(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute);
    expect(read).toMatchObject({ nextHopId: 10, nextHops: [{ gateway: at('10.0.0.9') }] });
    socket.requestSync(deleteNextHop(10));
    expect(node.ip('route show proto 177')).toBe('');
  });

  test('a listing that changes while it is read is read again', () => {
    const socket = open();
    const other = open();
    const { index } = linkOf(socket, 'v0');
    const batch = other.batch();
    const nextHop = (id: number) =>
      addNextHop({ type: 'single', id, protocol: 177, version: 4, interfaceIndex: index });
    for (let id = 1; id <= 8000; id++) batch.add(nextHop(id));
    expect(batch.flush()).toEqual({ sent: 8000, errors: [], isOverrun: false });
    let changes = 0;
    const read = socket.querySync(dumpNextHops(), (message) => {
      const value = decodeNextHop(message);
      if (value?.id === 1 && changes < 3) other.requestSync(nextHop(9000 + changes++));
      return value;
    });
    expect(changes).toBe(3);
    expect(read).toHaveLength(8003);
    expect(new Set(read.map(({ id }) => id)).size).toBe(8003);
    const never = refused(() =>
      socket.querySync(dumpNextHops(), (message) => {
        if (decodeNextHop(message)?.id === 1) other.requestSync(nextHop(9100 + changes++));
        return undefined;
      }),
    );
    expect(never).toMatchObject({ code: 'interrupted' });
  });
});

describe('neighbours', () => {
  test('permanent entries and proxy entries', () => {
    const socket = open();
    const { index } = linkOf(socket, 'v0');
    const four = {
      version: 4,
      octets: at('169.254.1.1'),
      interfaceIndex: index,
      linkAddress: new Uint8Array(6).fill(0xee),
    } as const;
    const six = { version: 6, octets: at('fd00::77'), interfaceIndex: index, isProxy: true } as const;
    socket.requestSync(addNeighbour(four));
    socket.requestSync(addNeighbour(four));
    socket.requestSync(addNeighbour(six));
    expect(node.ipJson('neigh show 169.254.1.1')).toMatchObject([
      { lladdr: 'ee:ee:ee:ee:ee:ee', state: ['PERMANENT'] },
    ]);
    expect(node.ip('-6 neigh show proxy')).toContain('fd00::77 dev v0');
    const listed = socket.querySync(dumpNeighbours({ version: 4 }), decodeNeighbour);
    expect(listed.find((each) => each.octets[0] === 169)).toEqual({ ...four, state: 0x80 });
    expect(socket.querySync(dumpNeighbours({ version: 6, isProxy: true }), decodeNeighbour)).toMatchObject([six]);
    socket.requestSync(deleteNeighbour(four));
    socket.requestSync(deleteNeighbour(six));
    expect(socket.querySync(dumpNeighbours({ version: 6, isProxy: true }), decodeNeighbour)).toEqual([]);
    expect(refused(() => socket.requestSync(deleteNeighbour(six)))).toMatchObject({ name: 'ENOENT' });
  });
});

describe('batches', () => {
  /** A route of its own for each number below 2^20. */
  const numbered = (i: number, rest: Partial<Route>): Route => ({
    ...route('0.0.0.0/24', rest),
    destination: new Uint8Array([20 + (i >>> 16), i >>> 8, i, 0]),
  });

  test('20,000 routes, the refused ones named', () => {
    const socket = open();
    const { index } = linkOf(socket, 'v0');
    const good = [{ gateway: at('10.0.0.2'), interfaceIndex: index }];
    const bad = [{ gateway: at('172.31.0.1') }];
    const batch = socket.batch();
    const wanted: [number, string][] = [];
    const count = 20_000;
    for (let i = 0; i < count; i++) {
      // Every thousandth has a gateway that nobody knows, every 997th is one that was there before.
      const isUnreachable = i % 1000 === 7;
      const isDouble = !isUnreachable && i % 997 === 996 && (i - 1) % 1000 !== 7;
      if (isUnreachable) wanted.push([i, 'ENETUNREACH']);
      if (isDouble) wanted.push([i, 'EEXIST']);
      const writer = batch.begin(MessageType.NewRoute, addFlags('create'));
      writeRoute(writer, numbered(isDouble ? i - 1 : i, { nextHops: isUnreachable ? bad : good }), false);
      expect(batch.end()).toBe(i);
    }
    const result = batch.flush();
    expect(result).toMatchObject({ sent: count, isOverrun: false });
    expect(result.errors.map(({ index: at, problem }) => [at, problem.name])).toEqual(wanted);
    const read = socket.querySync(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute);
    expect(read).toHaveLength(count - wanted.length);
    expect((node.ipJson('route show proto 177') as unknown[]).length).toBe(count - wanted.length);

    // The same batch object again: indexes start at 0, errors of before are forgotten.
    for (const each of read) batch.add(deleteRoute(each));
    batch.add(deleteRoute(numbered(7, {})));
    expect(batch.flush()).toMatchObject({ errors: [{ index: read.length, problem: { name: 'ESRCH' } }] });
    expect(batch.flush()).toEqual({ sent: 0, errors: [], isOverrun: false });
    expect(socket.querySync(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute)).toEqual([]);
  });

  test('only one message, first or last at fault, single requests in between', () => {
    const socket = open();
    const batch = socket.batch();
    batch.add(deleteRoute(route('10.1.0.0/16')));
    expect(batch.flush()).toMatchObject({ sent: 1, errors: [{ index: 0, problem: { name: 'ESRCH' } }] });
    batch.add(addRoute(route('10.1.0.0/16', { type: RouteType.Blackhole })));
    socket.requestSync(addRoute(route('10.2.0.0/16', { type: RouteType.Blackhole })));
    batch.add(addRoute(route('10.2.0.0/16', { type: RouteType.Blackhole })));
    expect(batch.flush()).toMatchObject({ sent: 2, errors: [{ index: 1, problem: { name: 'EEXIST' } }] });
  });

  test('answers that did not fit are no success', () => {
    const socket = open({ receiveBufferOctets: 2048 });
    const batch = socket.batch();
    for (let i = 0; i < 1000; i++) batch.add(deleteRoute(numbered(i, {})));
    expect(batch.flush().isOverrun).toBe(true);
    batch.add(addRoute(numbered(1, { type: RouteType.Blackhole })));
    expect(batch.flush()).toEqual({ sent: 1, errors: [], isOverrun: false });
  });

  test('a closure that throws leaves the batch as it was', () => {
    const batch = open().batch();
    batch.add(addRoute(route('10.1.0.0/16', { type: RouteType.Blackhole })));
    const broken = { ...addRoute(route('10.2.0.0/16')), write: () => expect.fail('broken') };
    expect(() => batch.add(broken)).toThrow('broken');
    batch.add(addRoute(route('10.3.0.0/16', { type: RouteType.Blackhole })));
    expect(batch.flush()).toEqual({ sent: 2, errors: [], isOverrun: false });
    expect((node.ipJson('route show proto 177') as unknown[]).length).toBe(2);
  });
});

describe('asynchronous forms', () => {
  test('many at once, a synchronous listing among them', async () => {
    const socket = open();
    const adds = Array.from({ length: 300 }, (_, i) =>
      socket.request(addRoute(route(`30.${i >> 8}.${i & 255}.0/24`, { type: RouteType.Blackhole }))),
    );
    const again = socket.request(addRoute(route('30.0.0.0/24', { type: RouteType.Blackhole })));
    await expect(again).rejects.toSatisfy((error) => isRefused(error, 'EEXIST'));
    await Promise.all(adds);
    // Enough for several turns of the event loop.
    const batch = socket.batch();
    for (let i = 300; i < 9000; i++) {
      batch.add(addRoute(route(`30.${i >> 8}.${i & 255}.0/24`, { type: RouteType.Blackhole })));
    }
    expect(batch.flush().errors).toEqual([]);
    const lists = [1, 2, 3].map(() => socket.query(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute));
    // The first of them is on its way now.
    await Promise.resolve();
    expect(socket.querySync(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute)).toHaveLength(9000);
    for (const list of await Promise.all(lists)) expect(list).toHaveLength(9000);
  });

  test('what decode throws goes to who asked', async () => {
    const socket = open();
    const decode = () => {
      throw new Error('from decode');
    };
    await expect(socket.query(dumpLinks(), decode)).rejects.toThrow('from decode');
    expect(() => socket.querySync(dumpLinks(), decode)).toThrow('from decode');
    expect((await socket.query(dumpLinks(), decodeLink)).length).toBeGreaterThan(2);
  });

  test('close ends what is on its way', async () => {
    const socket = open();
    const batch = socket.batch();
    for (let i = 0; i < 30_000; i++)
      batch.add(addRoute(route(`30.${i >> 8}.${i & 255}.0/24`, { type: RouteType.Blackhole })));
    expect(batch.flush().errors).toHaveLength(0);
    const listing = socket.query(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute);
    const ended = expect(listing).rejects.toMatchObject({ detail: { code: 'closed' } });
    await Promise.resolve();
    socket.close();
    socket.close();
    await ended;
    await expect(socket.request(dumpLinks())).rejects.toMatchObject({ detail: { code: 'closed' } });
  });

  test('a worker thread works in a namespace that it was given', async () => {
    const code = `
      import { workerData, parentPort } from 'node:worker_threads';
      const { NetlinkSocket } = await import(workerData.base + 'socket.ts');
      const { dumpLinks, decodeLink } = await import(workerData.base + 'link.ts');
      const socket = NetlinkSocket.open({ netnsFd: workerData.netnsFd });
      const links = await socket.query(dumpLinks(), decodeLink);
      parentPort.postMessage(links.map((link) => link.name).sort());
      socket.close();`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
      workerData: { base: new URL('../../netlink/', import.meta.url).href, netnsFd: node.fd },
    });
    // Both at once: a worker that ends at once hands over its last message and is gone in the same turn.
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    const names = await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    expect(names).toEqual(['lo', 'v0', 'v1']);
    await ended;
  });
});

describe('notifications', () => {
  function listen(groups: number[], options: NetlinkSocketOptions = {}) {
    const heard: string[] = [];
    const counts = { notifications: 0, overruns: 0 };
    const names: Record<number, string> = {
      16: 'link+',
      17: 'link-',
      24: 'route+',
      25: 'route-',
      104: 'nexthop+',
      105: 'nexthop-',
    };
    const describeMessage = (message: NetlinkMessage): string => {
      const name = names[message.type] ?? `${message.type}`;
      if (message.type === MessageType.NewRoute || message.type === MessageType.DelRoute) {
        const read = decodeRoute(message);
        return `${name} ${read?.destination.join('.')}/${read?.destinationLength}`;
      }
      if (message.type >> 2 === 4) return `${name} ${decodeLink(message)?.name}`;
      return `${name} ${decodeNextHop(message)?.id}`;
    };
    const socket = open({
      groups,
      handlers: {
        notification(message) {
          counts.notifications++;
          if (heard.length < 100) heard.push(describeMessage(message));
        },
        overrun: () => void counts.overruns++,
      },
      ...options,
    });
    return { socket, heard, counts };
  }

  test('of routes, links and nexthop objects, whoever made them; ours hidden when wished', async () => {
    const { socket, heard } = listen([NetlinkGroup.Ipv4Route, NetlinkGroup.Link, NetlinkGroup.NextHop]);
    const writer = open();
    const { index } = linkOf(writer, 'v0');
    node.ip('route add 10.1.0.0/16 via 10.0.0.2 proto 177');
    writer.requestSync(addNextHop({ type: 'single', id: 9, protocol: 177, version: 4, interfaceIndex: index }));
    writer.requestSync(deleteRoute(route('10.1.0.0/16')));
    await waitFor('three', () => heard.length >= 3);
    expect(heard).toEqual(['route+ 10.1.0.0/16', 'nexthop+ 9', 'route- 10.1.0.0/16']);

    socket.hidePorts([12345, writer.portId]);
    heard.length = 0;
    writer.requestSync(addRoute(route('10.2.0.0/16', { nextHops: [{ interfaceIndex: index }] })));
    node.ip('route add 10.3.0.0/16 via 10.0.0.2 proto 177');
    node.ip('link set v0 mtu 1400');
    await waitFor('the link', () => heard.includes('link+ v0'));
    expect(heard).not.toContain('route+ 10.2.0.0/16');
    expect(heard).toContain('route+ 10.3.0.0/16');
    // Its own requests and listings still work.
    expect(socket.querySync(dumpLinks(), decodeLink).length).toBe(3);
    expect((await socket.query(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute)).length).toBe(2);
  });

  test('of one type alone, when asked', async () => {
    const { socket, heard } = listen([NetlinkGroup.Ipv4Route]);
    socket.hearOnly(MessageType.DelRoute);
    node.ip('route add 10.4.0.0/16 via 10.0.0.2 proto 177');
    node.ip('route delete 10.4.0.0/16');
    await waitFor('the removal', () => heard.length > 0);
    expect(heard).toEqual(['route- 10.4.0.0/16']);
  });

  test('a batch that a thread sends is done when it says so, with its errors', async () => {
    const socket = open();
    const { index } = linkOf(socket, 'v0');
    const batch = socket.batch();
    batch.add(addRoute(route('10.5.0.0/16', { nextHops: [{ interfaceIndex: index }] })));
    batch.add(addRoute(route('10.5.0.0/16', { nextHops: [{ interfaceIndex: index }] })));
    batch.add(addRoute(route('10.6.0.0/16', { nextHops: [{ interfaceIndex: index }] })));
    const result = await batch.flushInThread();
    expect(result).toMatchObject({ sent: 3, errors: [{ index: 1, problem: { name: 'EEXIST' } }], isOverrun: false });
    expect(node.ip('route show proto 177').match(/10\.[56]\.0\.0\/16/g)).toEqual(['10.5.0.0/16', '10.6.0.0/16']);
    for (const text of ['10.5.0.0/16', '10.6.0.0/16']) socket.requestSync(deleteRoute(route(text)));
  });

  test('an overrun is told once, after what had arrived, and then it goes on', async () => {
    const { socket, heard, counts } = listen([NetlinkGroup.Ipv4Route], { receiveBufferOctets: 64 * 1024 });
    const batch = open().batch();
    const count = 5000;
    for (let i = 0; i < count; i++)
      batch.add(addRoute(route(`30.${i >> 8}.${i & 255}.0/24`, { type: RouteType.Blackhole })));
    expect(batch.flush().errors).toEqual([]);
    await waitFor('the overrun', () => counts.overruns === 1);
    expect(counts.notifications).toBeGreaterThan(10);
    expect(counts.notifications).toBeLessThan(count);
    expect(await socket.query(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute)).toHaveLength(count);
    heard.length = 0;
    node.ip('route add 10.200.0.0/16 via 10.0.0.2 proto 177');
    await waitFor('news after the overrun', () => heard.includes('route+ 10.200.0.0/16'));
    expect(counts.overruns).toBe(1);
  });

  test('a handler may ask on the same socket', async () => {
    const seen: number[] = [];
    const socket = open({
      groups: [NetlinkGroup.Ipv4Route],
      handlers: {
        notification: (message) => {
          if (message.type === MessageType.NewRoute) seen.push(socket.querySync(dumpLinks(), decodeLink).length);
        },
        overrun: () => expect.fail('overrun'),
      },
    });
    const writer = open();
    for (let i = 0; i < 20; i++) writer.requestSync(addRoute(route(`10.1.${i}.0/24`, { type: RouteType.Blackhole })));
    await waitFor('twenty answers', () => seen.length === 20);
    expect(new Set(seen)).toEqual(new Set([3]));
  });

  test('without anybody to wait for, the process ends', () => {
    const base = new URL('../../netlink/', import.meta.url).href;
    const code = `
      const { NetlinkSocket } = await import('${base}socket.ts');
      const { dumpLinks, decodeLink } = await import('${base}link.ts');
      const socket = NetlinkSocket.open();
      console.log((await socket.query(dumpLinks(), decodeLink)).length > 0);`;
    expect(node.run(process.execPath, '--input-type=module', '-e', code)).toBe('true\n');
  });
});
