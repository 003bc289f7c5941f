import { describe, expect, test } from 'vitest';
import { addAddress, decodeAddress, deleteAddress, dumpAddresses } from '../../netlink/address.ts';
import { addVeth, decodeLink, deleteLink, dumpLinks, setLink } from '../../netlink/link.ts';
import { addNeighbour, decodeNeighbour, deleteNeighbour, dumpNeighbours } from '../../netlink/neighbour.ts';
import { addNextHop, decodeNextHop, deleteNextHop, dumpNextHops } from '../../netlink/nexthop.ts';
import { addRoute, decodeRoute, deleteRoute, dumpRoutes, lookupRoute, RouteType } from '../../netlink/route.ts';
import { waitFor } from '../support/wait-for.ts';
import { at, linkOf, NetlinkLab, refused, route } from './netlink-lab.ts';

const lab = new NetlinkLab('nlo');

describe('links', () => {
  test('a veth is born with its other end in another namespace, and packets go through', () => {
    const mine = lab.open();
    const theirs = lab.open({ netnsFd: lab.pod.fd });
    mine.requestSync(
      addVeth({
        name: 'host0',
        isUp: true,
        mtu: 1450,
        address: new Uint8Array(6).fill(0xee),
        peer: { name: 'eth0', netnsFd: lab.pod.fd, mtu: 1450, address: new Uint8Array([2, 0, 0, 0, 0, 9]) },
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
    expect(lab.pod.run('ping', '-c', '1', '-W', '5', '10.0.0.1')).toContain('1 received');
    expect(linkOf(theirs, 'eth0').stats?.rxPackets).toBeGreaterThan(0);
    expect(lab.pod.ip('-6 address show dev eth0')).not.toContain('tentative fd00');
    mine.requestSync(deleteLink({ name: 'host0' }));
    expect(refused(() => linkOf(theirs, 'eth0'))).toMatchObject({ code: 'refused', name: 'ENODEV' });
    expect(refused(() => mine.requestSync(deleteLink({ name: 'host0' })))).toMatchObject({ name: 'ENODEV' });
  });

  test('up, down, size, address, name, alias; another namespace', () => {
    const socket = lab.open();
    const { index } = linkOf(socket, 'v1');
    socket.requestSync(setLink({ index }, { mtu: 9000, address: new Uint8Array([2, 1, 1, 1, 1, 1]), alias: 'a pod' }));
    socket.requestSync(setLink({ name: 'v1' }, { isUp: false }));
    socket.requestSync(setLink({ index }, { newName: 'renamed' }));
    expect(lab.node.ipJson('link show renamed')).toMatchObject([
      { ifindex: index, mtu: 9000, address: '02:01:01:01:01:01', ifalias: 'a pod', operstate: 'DOWN' },
    ]);
    expect(linkOf(socket, 'renamed')).toMatchObject({ alias: 'a pod', isUp: false, isRunning: false });
    // v0 is up, but its other end is not: no carrier.
    expect(linkOf(socket, 'v0')).toMatchObject({ isUp: true, isRunning: false });
    socket.requestSync(setLink({ index }, { netnsFd: lab.pod.fd }));
    expect(lab.pod.ipJson('link show renamed')).toMatchObject([{ ifname: 'renamed' }]);
  });

  test('a listing has what ip sees', () => {
    const seen = lab.node.ipJson('link show') as { ifindex: number; ifname: string; mtu: number }[];
    const links = lab.open().querySync(dumpLinks(), decodeLink);
    expect(links.map(({ index, name, mtu }) => ({ index, name, mtu }))).toEqual(
      seen.map(({ ifindex, ifname, mtu }) => ({ index: ifindex, name: ifname, mtu })),
    );
  });
});

describe('addresses', () => {
  test('with and without duplicate address detection and prefix route', () => {
    const socket = lab.open();
    const { index } = linkOf(socket, 'v0');
    const base = { version: 6, prefixLength: 64, interfaceIndex: index } as const;
    socket.requestSync(addAddress({ ...base, octets: at('fd00:1::1'), noDad: true, noPrefixRoute: true }));
    socket.requestSync(addAddress({ ...base, octets: at('fd00:2::1'), noDad: true }));
    expect(lab.node.ip('-6 address show dev v0 tentative')).not.toContain('fd00:1');
    const routes = lab.node.ip('-6 route show dev v0');
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
    const socket = lab.open();
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

    const v4 = lab.node.ipJson('-4 route show table all proto 177') as { dst: string }[];
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
    const v6 = lab.node.ipJson('-6 route show table all proto 177') as { dst: string }[];
    expect(v6.find((each) => each.dst === 'fd01::/64')).toMatchObject({ gateway: 'fe80::2', metric: 1024 });
    expect(v6.find((each) => each.dst === 'fd02::/64')).toMatchObject({ nexthops: [{ weight: 2 }, { weight: 3 }] });
    expect(v6.find((each) => each.dst === 'fd03::/64')).toMatchObject({ type: 'blackhole', metric: 4096 });
    expect(v6.find((each) => each.dst === 'fd04::5')).toMatchObject({ dev: 'v0' });

    expect(refused(() => socket.requestSync(addRoute(routes[0] ?? route('0.0.0.0/0'))))).toMatchObject({
      name: 'EEXIST',
    });
    socket.requestSync(addRoute(route('10.1.0.0/16', { priority: 1024, nextHops: [over('10.0.0.7')] }), 'replace'));
    expect(lab.node.ipJson('route show 10.1.0.0/16')).toMatchObject([{ gateway: '10.0.0.7', protocol: '177' }]);
    for (const each of routes.slice(1)) socket.requestSync(deleteRoute(each));
    socket.requestSync(deleteRoute(route('10.1.0.0/16', { priority: 1024 })));
    expect(lab.node.ip('-4 route show table all proto 177') + lab.node.ip('-6 route show table all proto 177')).toBe(
      '',
    );
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
      lab.node.ip(command);
    }
    const socket = lab.open();
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
    expect(all).toHaveLength((lab.node.ipJson('-4 route show table all') as unknown[]).length);
  });

  test('a dead link shows in the next hop, and a lookup says where a packet goes', async () => {
    const socket = lab.open();
    lab.node.ip('route add 10.4.0.0/16 proto 177 nexthop via 10.0.0.2 nexthop via 10.0.0.3');
    expect(socket.querySync(lookupRoute(4, at('10.4.1.1')), decodeRoute)).toMatchObject([
      { preferredSource: at('10.0.0.1'), nextHops: [{ interfaceIndex: linkOf(socket, 'v0').index }] },
    ]);
    lab.node.ip('link set v1 down');
    // The kernel looks after a link that lost its carrier a moment later.
    await waitFor('both next hops to be dead', () => {
      const [read] = socket.querySync(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute);
      expect(read?.nextHops.map((hop) => (hop.flags ?? 0) & 0x11)).not.toContain(0);
      return read;
    });
  });

  test('a refusal comes with the kernel’s words', () => {
    const socket = lab.open();
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
    const socket = lab.open();
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
    expect(lab.node.ipJson('nexthop show id 10')).toMatchObject([{ group: [{ id: 1 }, { id: 2, weight: 4 }] }]);
    expect(lab.node.ipJson('route show 10.1.3.0/24')).toMatchObject([
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
    expect(lab.node.ipJson('route show 10.1.9.0/24')).toMatchObject([{ nhid: 10, gateway: '10.0.0.9' }]);
    const [read] = socket.querySync(dumpRoutes({ version: 4, protocol: 177 }), decodeRoute);
    expect(read).toMatchObject({ nextHopId: 10, nextHops: [{ gateway: at('10.0.0.9') }] });
    socket.requestSync(deleteNextHop(10));
    expect(lab.node.ip('route show proto 177')).toBe('');
  });

  test('a listing that changes while it is read is read again', () => {
    const socket = lab.open();
    const other = lab.open();
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
    const socket = lab.open();
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
    expect(lab.node.ipJson('neigh show 169.254.1.1')).toMatchObject([
      { lladdr: 'ee:ee:ee:ee:ee:ee', state: ['PERMANENT'] },
    ]);
    expect(lab.node.ip('-6 neigh show proxy')).toContain('fd00::77 dev v0');
    const listed = socket.querySync(dumpNeighbours({ version: 4 }), decodeNeighbour);
    expect(listed.find((each) => each.octets[0] === 169)).toEqual({ ...four, state: 0x80 });
    expect(socket.querySync(dumpNeighbours({ version: 6, isProxy: true }), decodeNeighbour)).toMatchObject([six]);
    socket.requestSync(deleteNeighbour(four));
    socket.requestSync(deleteNeighbour(six));
    expect(socket.querySync(dumpNeighbours({ version: 6, isProxy: true }), decodeNeighbour)).toEqual([]);
    expect(refused(() => socket.requestSync(deleteNeighbour(six)))).toMatchObject({ name: 'ENOENT' });
  });
});
