import { endianness } from 'node:os';
import { describe, expect, test } from 'vitest';
import { addAddress, decodeAddress, deleteAddress } from '../../../netlink/address.ts';
import { addLink, addVeth, decodeLink, deleteLink, setLink } from '../../../netlink/link.ts';
import { AttributeReader, MessageFlag, MessageType, type NetlinkRequest } from '../../../netlink/message.ts';
import { addNeighbour, decodeNeighbour, deleteNeighbour } from '../../../netlink/neighbour.ts';
import { addNextHop, decodeNextHop, deleteNextHop } from '../../../netlink/nexthop.ts';
import { addRoute, decodeRoute, deleteRoute, type Route, RouteType } from '../../../netlink/route.ts';
import { encodeRequest } from '../../../netlink/writer.ts';
import { decodeAll, firstMessage, hexOctets } from '../../support/netlink-octets.ts';
import captured from '../../vectors/netlink/iproute2.json' with { type: 'json' };

/** Octets of an address, written as people do (IPv6 only with one `::`). */
function at(text: string): Uint8Array {
  if (!text.includes(':')) return new Uint8Array(text.split('.').map(Number));
  const [head = '', tail = ''] = text.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const front = groups(head);
  const back = groups(tail);
  const all = [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back];
  return new Uint8Array(all.flatMap((group) => [group >> 8, group & 0xff]));
}

const v0 = captured.v0;
const mac = hexOctets('eeeeeeeeeeee');
const v4 = (prefix: string, rest: Partial<Route>): Route => {
  const [address = '', length] = prefix.split('/');
  return {
    version: 4,
    destination: at(address),
    destinationLength: Number(length),
    table: 254,
    protocol: 177,
    nextHops: [],
    ...rest,
  };
};
const v6 = (prefix: string, rest: Partial<Route>): Route => ({ ...v4(prefix, rest), version: 6 });
const via = (gateway: string, rest = {}) => ({ gateway: at(gateway), ...rest });

/** Our request for what iproute2 was told to do; `h0` is the index it had then. */
const ours: Record<string, (h0: number) => NetlinkRequest> = {
  'route v4 by gateway': () => addRoute(v4('10.1.0.0/16', { priority: 1024, nextHops: [via('10.0.0.2')] })),
  'route v4 default onlink': () =>
    addRoute(v4('0.0.0.0/0', { nextHops: [via('192.0.2.1', { interfaceIndex: v0, onLink: true })] })),
  'route v4 to a link': () =>
    addRoute(
      v4('10.64.0.5/32', { protocol: 178, preferredSource: at('10.0.0.1'), nextHops: [{ interfaceIndex: v0 }] }),
    ),
  'route v4 large table': () => addRoute(v4('10.2.0.0/16', { table: 1000, nextHops: [via('10.0.0.2')] })),
  'route v4 blackhole': () => addRoute(v4('10.3.0.0/24', { type: RouteType.Blackhole, priority: 4096 })),
  'route v4 unreachable': () => addRoute(v4('10.3.1.0/24', { type: RouteType.Unreachable, priority: 4096 }), 'replace'),
  'route v4 multipath': () =>
    addRoute(
      v4('10.4.0.0/16', {
        nextHops: [
          via('10.0.0.2', { interfaceIndex: v0 }),
          via('10.0.0.3', { interfaceIndex: v0, weight: 5, onLink: true }),
        ],
      }),
    ),
  'route v4 via v6': () => addRoute(v4('10.5.0.0/16', { nextHops: [via('fe80::2', { interfaceIndex: v0 })] })),
  'route v4 mtu': () => addRoute(v4('10.6.0.0/16', { mtu: 1400, nextHops: [via('10.0.0.2')] })),
  'nexthop single': () =>
    addNextHop({ type: 'single', id: 5, protocol: 177, version: 4, gateway: at('10.0.0.2'), interfaceIndex: v0 }),
  'nexthop onlink': () =>
    addNextHop({
      type: 'single',
      id: 6,
      protocol: 177,
      version: 4,
      gateway: at('192.0.2.7'),
      interfaceIndex: v0,
      onLink: true,
    }),
  'nexthop v6': () =>
    addNextHop({ type: 'single', id: 7, protocol: 177, version: 4, gateway: at('fe80::7'), interfaceIndex: v0 }),
  'nexthop blackhole': () => addNextHop({ type: 'blackhole', id: 8, protocol: 177, version: 4 }),
  'nexthop group': () =>
    addNextHop({
      type: 'group',
      id: 9,
      protocol: 177,
      members: [
        { id: 5, weight: 1 },
        { id: 6, weight: 3 },
      ],
    }),
  'nexthop replace': () =>
    addNextHop(
      { type: 'single', id: 5, protocol: 177, version: 4, gateway: at('10.0.0.9'), interfaceIndex: v0 },
      'replace',
    ),
  'route v4 by nexthop id': () => addRoute(v4('10.7.0.0/16', { nextHopId: 9 })),
  'route v6 by gateway': () =>
    addRoute(v6('fd01::/64', { priority: 1024, nextHops: [via('fe80::2', { interfaceIndex: v0 })] })),
  'route v6 multipath': () =>
    addRoute(v6('fd02::/64', { nextHops: [via('fd00::2', { weight: 2 }), via('fd00::3', { weight: 3 })] })),
  'route v6 blackhole': () => addRoute(v6('fd03::/64', { type: RouteType.Blackhole, priority: 4096 })),
  'route v6 to a link': () => addRoute(v6('fd04::5/128', { protocol: 178, nextHops: [{ interfaceIndex: v0 }] })),
  'route v4 delete': () => deleteRoute(v4('10.1.0.0/16', { priority: 1024, nextHops: [via('10.0.0.2')] })),
  'nexthop delete': () => deleteNextHop(8),
  'address v4': () => addAddress({ version: 4, octets: at('169.254.1.1'), prefixLength: 32, interfaceIndex: v0 }),
  'address v4 peer': () =>
    addAddress({ version: 4, octets: at('10.9.0.1'), peer: at('10.9.0.2'), prefixLength: 32, interfaceIndex: v0 }),
  'address v6 nodad noprefixroute': () =>
    addAddress({
      version: 6,
      octets: at('fd00::9'),
      prefixLength: 64,
      interfaceIndex: v0,
      noDad: true,
      noPrefixRoute: true,
    }),
  'address v6 delete': () => deleteAddress({ version: 6, octets: at('fd00::9'), prefixLength: 64, interfaceIndex: v0 }),
  'neighbour permanent': () =>
    addNeighbour({ version: 4, octets: at('169.254.1.9'), interfaceIndex: v0, linkAddress: mac }),
  'neighbour proxy v6': () =>
    addNeighbour({ version: 6, octets: at('fd00::77'), interfaceIndex: v0, state: 0x80, isProxy: true }, 'create'),
  'neighbour delete': () => deleteNeighbour({ version: 4, octets: at('169.254.1.9'), interfaceIndex: v0 }),
  'link veth': () => addVeth({ name: 'h0', mtu: 1400, peer: { name: 'p0', mtu: 1400 } }),
  'link up': (h0) => setLink({ index: h0 }, { isUp: true }),
  'link mtu': (h0) => setLink({ index: h0 }, { mtu: 1450 }),
  'link address': (h0) => setLink({ index: h0 }, { address: mac }),
  'link delete': (h0) => deleteLink({ index: h0 }),
};

/** Octets of `struct rtmsg` and its like, by message type divided by 4. */
const fixedOctets: Record<number, number> = { 4: 16, 5: 8, 6: 12, 7: 12, 26: 8 };

/** A request without what may differ: sequence number and order of attributes. */
function shape(octets: Uint8Array) {
  const message = firstMessage(octets);
  const fixed = fixedOctets[message.type >> 2] ?? 0;
  const attributes: string[] = [];
  const reader = AttributeReader.ofMessage(message, fixed);
  while (reader.next()) attributes.push(`${reader.type}: ${Buffer.from(reader.octets()).toString('hex')}`);
  return {
    type: message.type,
    flags: message.flags,
    fixed: Buffer.from(octets.subarray(message.start, message.start + fixed)).toString('hex'),
    attributes: attributes.sort(),
  };
}

// Integers are in host byte order, and the capture is from a little-endian machine.
describe.runIf(endianness() === 'LE')('against iproute2', () => {
  for (const { name, command, hex, h0 } of captured.requests as {
    name: string;
    command: string;
    hex: string;
    h0?: number;
  }[]) {
    test(`${name}: ip ${command}`, () => {
      const request = ours[name]?.(h0 ?? 0);
      if (request === undefined) throw new Error('no request of ours for this case');
      expect(shape(encodeRequest(request, 7, MessageFlag.Ack))).toEqual(shape(hexOctets(hex)));
    });
  }

  const answer = (name: string): Uint8Array => {
    const found = captured.answers.find((each) => each.name === name);
    if (found === undefined) throw new Error(`no answer ${name}`);
    return hexOctets(found.hex.join(''));
  };
  const plain = (value: unknown): unknown =>
    JSON.parse(
      JSON.stringify(value, (_key, inner) =>
        inner instanceof Uint8Array ? Buffer.from(inner).toString('hex') : inner,
      ),
    );

  test('a listing of IPv4 routes', () => {
    const routes = decodeAll(answer('routes v4'), MessageType.NewRoute, decodeRoute);
    const texts = captured.answers.find((each) => each.name === 'routes v4')?.text ?? [];
    expect(routes.length).toBe(texts.filter((line) => !line.startsWith('\t')).length);
    const byPrefix = new Map(
      routes.map((route) => [`${route.destination.join('.')}/${route.destinationLength}`, plain(route)]),
    );
    const common = { version: 4, table: 254, protocol: 177, scope: 0, type: 1, flags: 0 };
    expect(byPrefix.get('10.2.0.0/16')).toEqual({
      ...common,
      destination: '0a020000',
      destinationLength: 16,
      table: 1000,
      nextHops: [{ gateway: '0a000002', interfaceIndex: v0 }],
    });
    expect(byPrefix.get('0.0.0.0/0')).toMatchObject({
      flags: 4,
      nextHops: [{ gateway: 'c0000201', interfaceIndex: v0, onLink: true, flags: 4 }],
    });
    expect(byPrefix.get('10.4.0.0/16')).toMatchObject({
      nextHops: [
        { gateway: '0a000002', interfaceIndex: v0 },
        { gateway: '0a000003', interfaceIndex: v0, weight: 5, onLink: true },
      ],
    });
    expect(byPrefix.get('10.5.0.0/16')).toMatchObject({ nextHops: [{ gateway: 'fe800000000000000000000000000002' }] });
    expect(byPrefix.get('10.6.0.0/16')).toMatchObject({ mtu: 1400 });
    expect(byPrefix.get('10.7.0.0/16')).toMatchObject({
      nextHopId: 9,
      nextHops: [{ gateway: '0a000009' }, { gateway: 'c0000207', weight: 3 }],
    });
    expect(byPrefix.get('10.3.0.0/24')).toMatchObject({ type: RouteType.Blackhole, priority: 4096, nextHops: [] });
    expect(byPrefix.get('10.64.0.5/32')).toMatchObject({ scope: 253, preferredSource: '0a000001', protocol: 178 });
    expect(byPrefix.get('10.0.0.1/32')).toMatchObject({ type: RouteType.Local, table: 255, protocol: 2, scope: 254 });
  });

  test('a listing of IPv6 routes', () => {
    const routes = decodeAll(answer('routes v6'), MessageType.NewRoute, decodeRoute).map(plain) as {
      destination: string;
    }[];
    expect(routes.find((route) => route.destination.startsWith('fd02'))).toMatchObject({
      version: 6,
      destinationLength: 64,
      priority: 1024,
      nextHops: [
        { gateway: 'fd000000000000000000000000000002', interfaceIndex: v0, weight: 2 },
        { gateway: 'fd000000000000000000000000000003', interfaceIndex: v0, weight: 3 },
      ],
    });
    expect(routes.find((route) => route.destination.startsWith('fd03'))).toMatchObject({
      type: RouteType.Blackhole,
      priority: 4096,
    });
  });

  test('a listing of nexthop objects', () => {
    expect(plain(decodeAll(answer('nexthops'), MessageType.NewNextHop, decodeNextHop))).toEqual([
      { type: 'single', id: 5, protocol: 177, version: 4, gateway: '0a000009', interfaceIndex: v0, scope: 253 },
      {
        type: 'single',
        id: 6,
        protocol: 177,
        version: 4,
        gateway: 'c0000207',
        interfaceIndex: v0,
        onLink: true,
        flags: 4,
        scope: 253,
      },
      {
        type: 'single',
        id: 7,
        protocol: 177,
        version: 6,
        gateway: 'fe800000000000000000000000000007',
        interfaceIndex: v0,
        scope: 253,
      },
      {
        type: 'group',
        id: 9,
        protocol: 177,
        members: [
          { id: 5, weight: 1 },
          { id: 6, weight: 3 },
        ],
      },
    ]);
  });

  test('a listing of addresses', () => {
    const addresses = decodeAll(answer('addresses'), MessageType.NewAddress, decodeAddress);
    const ofV0 = addresses.filter((address) => address.interfaceIndex === v0);
    expect(ofV0.map((address) => plain(address))).toMatchObject([
      { version: 4, octets: '0a000001', prefixLength: 24, scope: 0, label: 'v0' },
      { version: 4, octets: 'a9fe0101', prefixLength: 32 },
      { version: 4, octets: '0a090001', peer: '0a090002', prefixLength: 32 },
      { version: 6, octets: 'fd000000000000000000000000000001', prefixLength: 64, noDad: true },
      { version: 6, prefixLength: 64, scope: 253 },
    ]);
  });

  test('a listing of proxy entries', () => {
    const proxies = decodeAll(answer('proxies v6'), MessageType.NewNeighbour, decodeNeighbour);
    expect(plain(proxies)).toMatchObject([
      { version: 6, octets: 'fd000000000000000000000000000077', interfaceIndex: v0, isProxy: true },
    ]);
  });

  test('a listing of links', () => {
    const links = decodeAll(answer('links'), MessageType.NewLink, decodeLink);
    expect(links.map(({ name, mtu, isUp, isRunning, kind }) => ({ name, mtu, isUp, isRunning, kind }))).toEqual([
      { name: 'lo', mtu: 65536, isUp: true, isRunning: true, kind: undefined },
      { name: 'v1', mtu: 1500, isUp: true, isRunning: true, kind: 'veth' },
      { name: 'v0', mtu: 1500, isUp: true, isRunning: true, kind: 'veth' },
    ]);
    expect(links[2]).toMatchObject({ index: v0, peerIndex: links[1]?.index, address: hexOctets('020000000001') });
  });

  test('a bridge is a kind like any other', () => {
    const message = shape(encodeRequest(addLink('bridge', { name: 'br0', isUp: true }), 1));
    expect(message.attributes.some((attribute) => attribute.includes(Buffer.from('bridge\0').toString('hex')))).toBe(
      true,
    );
  });
});
