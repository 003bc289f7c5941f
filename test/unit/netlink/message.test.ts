import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addAddress, decodeAddress, type InterfaceAddress } from '../../../netlink/address.ts';
import { decodeLink } from '../../../netlink/link.ts';
import {
  AttributeReader,
  decodeDone,
  decodeReply,
  hostIsLittle,
  MalformedNetlink,
  MessageFlag,
  MessageReader,
  MessageType,
  type NetlinkMessage,
} from '../../../netlink/message.ts';
import { addNeighbour, decodeNeighbour, type Neighbour } from '../../../netlink/neighbour.ts';
import { addNextHop, decodeNextHop, type NextHop } from '../../../netlink/nexthop.ts';
import { addRoute, decodeRoute, type Route, type RouteNextHop } from '../../../netlink/route.ts';
import { encodeRequest, NetlinkWriter } from '../../../netlink/writer.ts';
import { firstMessage, hexOctets } from '../../support/netlink-octets.ts';

const decoders: Record<string, (message: NetlinkMessage) => unknown> = {
  decodeRoute,
  decodeNextHop,
  decodeLink,
  decodeAddress,
  decodeNeighbour,
  decodeReply,
  decodeDone,
};

/** A message around `body`, with a header that says its true length. */
function framed(body: Uint8Array, type: number = MessageType.NewRoute, flags = 0): Uint8Array {
  const octets = new Uint8Array(16 + body.length);
  const view = new DataView(octets.buffer);
  view.setUint32(0, octets.length, hostIsLittle);
  view.setUint16(4, type, hostIsLittle);
  view.setUint16(6, flags, hostIsLittle);
  octets.set(body, 16);
  return octets;
}

/** Runs `fn`, which may throw nothing but MalformedNetlink. */
function onlyMalformed(fn: () => void): void {
  try {
    fn();
  } catch (error) {
    if (!(error instanceof MalformedNetlink)) throw error;
  }
}

const u32 = fc.integer({ min: 1, max: 0xffffffff });
const u8 = fc.integer({ min: 0, max: 255 });
const octets = (n: number) => fc.uint8Array({ minLength: n, maxLength: n });
const addressOf = (version: 4 | 6) => octets(version === 4 ? 4 : 16);
const versionArbitrary = fc.constantFrom<4 | 6>(4, 6);
const some = { requiredKeys: [] as never[] };

const hop = (version: 4 | 6, needsInterface: boolean): fc.Arbitrary<RouteNextHop> =>
  fc
    .record(
      {
        gateway: version === 4 ? fc.oneof(octets(4), octets(16)) : octets(16),
        onLink: fc.constant(true),
        weight: fc.integer({ min: 2, max: 256 }),
      },
      some,
    )
    .chain((rest) =>
      u32.map((interfaceIndex) => (needsInterface ? { ...rest, interfaceIndex } : { interfaceIndex, ...rest })),
    );

const routeArbitrary: fc.Arbitrary<Route> = versionArbitrary.chain((version) => {
  const bits = version === 4 ? 32 : 128;
  const nextHops = fc.oneof(
    fc.constant<RouteNextHop[]>([]),
    hop(version, true).map(({ weight: _, ...rest }) => [rest]),
    fc.array(hop(version, true), { minLength: 2, maxLength: 20 }),
  );
  return fc
    .record({
      base: fc.record({
        version: fc.constant(version),
        destination: addressOf(version),
        destinationLength: fc.integer({ min: 1, max: bits }),
        table: fc.integer({ min: 1, max: 0xffffffff }),
        protocol: u8,
        scope: u8,
        type: fc.integer({ min: 1, max: 11 }),
      }),
      more: fc.record(
        { priority: u32, preferredSource: addressOf(version), mtu: u32, tos: fc.integer({ min: 1, max: 255 }) },
        some,
      ),
      target: fc.oneof(
        nextHops.map((hops) => ({ nextHops: hops })),
        u32.map((nextHopId) => ({ nextHopId, nextHops: [] })),
      ),
    })
    .map(({ base, more, target }) => ({ ...base, ...more, ...target }));
});

/** Without what the kernel adds when it reports. */
function withoutFlags(route: Route | undefined): unknown {
  if (route === undefined) return undefined;
  const { flags: _, ...rest } = route;
  return { ...rest, nextHops: route.nextHops.map(({ flags: __, ...each }) => each) };
}

describe('round trip', () => {
  test('routes', () => {
    fc.assert(
      fc.property(routeArbitrary, (route) => {
        const message = firstMessage(encodeRequest(addRoute(route), 1));
        expect(withoutFlags(decodeRoute(message))).toEqual(withoutFlags(route));
      }),
    );
  });

  test('nexthop objects', () => {
    const member = fc.record({ id: u32, weight: fc.integer({ min: 1, max: 65536 }) });
    const nextHop: fc.Arbitrary<NextHop> = fc.oneof(
      fc.record({
        type: fc.constant('group' as const),
        id: u32,
        protocol: u8,
        members: fc.array(member, { minLength: 1 }),
      }),
      fc.record({ type: fc.constant('blackhole' as const), id: u32, protocol: u8, version: versionArbitrary }),
      versionArbitrary.chain((version) =>
        fc.record({
          type: fc.constant('single' as const),
          id: u32,
          protocol: u8,
          version: fc.constant(version),
          gateway: addressOf(version),
          interfaceIndex: u32,
          scope: fc.constant(0),
        }),
      ),
    );
    fc.assert(
      fc.property(nextHop, (value) => {
        expect(decodeNextHop(firstMessage(encodeRequest(addNextHop(value), 1)))).toEqual(value);
      }),
    );
  });

  test('addresses', () => {
    const address: fc.Arbitrary<InterfaceAddress> = versionArbitrary.chain((version) =>
      fc
        .record({
          base: fc.record({
            version: fc.constant(version),
            octets: addressOf(version),
            prefixLength: u8,
            interfaceIndex: u32,
            scope: u8,
          }),
          more: fc.record(
            { noDad: fc.constant(true), noPrefixRoute: fc.constant(true), label: fc.constant('eth0:1') },
            some,
          ),
        })
        .map(({ base, more }) => ({ ...base, ...more })),
    );
    fc.assert(
      fc.property(address, (value) => {
        const { flags: _, ...decoded } = decodeAddress(firstMessage(encodeRequest(addAddress(value), 1))) ?? {};
        expect(decoded).toEqual(value);
      }),
    );
  });

  test('neighbours', () => {
    const neighbour: fc.Arbitrary<Neighbour> = versionArbitrary.chain((version) =>
      fc
        .record({
          base: fc.record({
            version: fc.constant(version),
            octets: addressOf(version),
            interfaceIndex: u32,
            state: u8,
          }),
          more: fc.record({ linkAddress: octets(6), isProxy: fc.constant(true) }, some),
        })
        .map(({ base, more }) => ({ ...base, ...more })),
    );
    fc.assert(
      fc.property(neighbour, (value) => {
        expect(decodeNeighbour(firstMessage(encodeRequest(addNeighbour(value), 1)))).toEqual(value);
      }),
    );
  });
});

describe('octets from anywhere', () => {
  for (const [name, decode] of Object.entries(decoders)) {
    test(`${name} throws nothing but MalformedNetlink`, () => {
      const body = fc.uint8Array({ maxLength: 200 });
      // Half of them begin like something: a family that is known, so that the attributes are reached.
      const likely = fc
        .tuple(fc.constantFrom(0, 2, 10), fc.uint8Array({ minLength: 15, maxLength: 200 }))
        .map(([family, rest]) => {
          return new Uint8Array([family, ...rest]);
        });
      fc.assert(
        fc.property(fc.oneof(body, likely), fc.constantFrom(0, 0x200, 0x300), (bytes, flags) => {
          onlyMalformed(() => decode(firstMessage(framed(bytes, MessageType.NewRoute, flags))));
        }),
        { numRuns: 1000 },
      );
    });
  }

  test('framing throws nothing but MalformedNetlink, and comes to an end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        onlyMalformed(() => {
          const reader = new MessageReader(bytes);
          while (reader.next()) expect(reader.end).toBeLessThanOrEqual(bytes.length);
        });
      }),
      { numRuns: 1000 },
    );
  });

  test('a route cut short anywhere', () => {
    fc.assert(
      fc.property(routeArbitrary, fc.nat(), (route, n) => {
        const whole = encodeRequest(addRoute(route), 1);
        const body = whole.subarray(16, 16 + (n % (whole.length - 15)));
        onlyMalformed(() => decodeRoute(firstMessage(framed(body))));
      }),
    );
  });

  test('values that are wrong are named', () => {
    const route = (hex: string) => () => decodeRoute(firstMessage(framed(hexOctets(hex))));
    const cases: [name: string, hex: string, message: string][] = [
      ['prefix length', '0221000000000001 00000000', 'prefix length 33, 0: at most 32'],
      [
        'address of the other family',
        `0a40000000000001 00000000 08000100 0a000000`,
        'address of 4 octets: the family has 16',
      ],
      ['attribute too long', '0218000000000001 00000000 0c000100 0a000000', 'attribute length 12: must be 4 to 8'],
      ['body too short', '02180000', 'body of 4 octets: type 24 has 12'],
      [
        'next hop of no length',
        '0218000000000001 00000000 0c000900 00000000 00000000',
        'next hop length 0: must be 8 to 8',
      ],
    ];
    if (!hostIsLittle) return;
    for (const [name, hex, message] of cases) expect(route(hex), name).toThrow(new MalformedNetlink(message));
  });
});

describe('writer and reader', () => {
  test('several messages in one buffer, which grows', () => {
    const writer = new NetlinkWriter(20);
    for (let i = 0; i < 50; i++) {
      writer.begin(24, 1, i);
      writer.u32(i);
      writer.attributeText(3, 'x'.repeat(i % 7));
      const outer = writer.open(18);
      writer.attributeU8(1, i);
      writer.attributeU16(2, 1000 + i);
      writer.attributeFlag(4);
      writer.close(outer);
      writer.end();
    }
    const reader = new MessageReader(writer.written());
    for (let i = 0; i < 50; i++) {
      expect(reader.next()).toBe(true);
      expect([reader.type, reader.flags, reader.sequence]).toEqual([24, 1, i]);
      const attributes = AttributeReader.ofMessage(reader, 4);
      expect(attributes.next() && attributes.text()).toBe('x'.repeat(i % 7));
      expect(attributes.next() && attributes.type).toBe(18);
      const inner = attributes.nested();
      expect(inner.next() && inner.u8()).toBe(i);
      expect(inner.next() && inner.u16()).toBe(1000 + i);
      expect(inner.next() && inner.length).toBe(0);
      expect(inner.next()).toBe(false);
      expect(attributes.next()).toBe(false);
    }
    expect(reader.next()).toBe(false);
  });

  test('padding is zero also where the buffer was used before', () => {
    const writer = new NetlinkWriter(256);
    const once = (value: Uint8Array) => {
      writer.reset();
      writer.begin(24, 0, 0);
      writer.attributeOctets(1, value);
      writer.attributeU8(2, 255);
      writer.end();
      return writer.written().slice();
    };
    once(new Uint8Array(64).fill(0xff));
    expect(
      Buffer.from(once(new Uint8Array([1, 2, 3, 4, 5])))
        .toString('hex')
        .slice(32),
    ).toBe(hostIsLittle ? '090001000102030405000000' + '05000200ff000000' : expect.anything());
  });

  test('an attribute longer than 65535 octets is a bug of the caller', () => {
    const writer = new NetlinkWriter();
    expect(() => writer.attributeOctets(1, new Uint8Array(70000))).toThrow(RangeError);
    const opened = writer.open(1);
    for (let i = 0; i < 20; i++) writer.attributeOctets(1, new Uint8Array(4000));
    expect(() => writer.close(opened)).toThrow(RangeError);
  });
});

describe.runIf(hostIsLittle)('replies of a real kernel', () => {
  test('an acknowledgement', () => {
    const reply = '24000000 02000001 cf7b046b cc2e0000 00000000 2c000000 18000506 cf7b046b 00000000';
    expect(decodeReply(firstMessage(hexOctets(reply)))).toEqual({ sequence: 0x6b047bcf, errno: 0 });
  });

  test('a refusal with words, the request cut off', () => {
    // -ENETUNREACH, header of the request only (capped), then "Nexthop has invalid gateway"
    const text = Buffer.from('Nexthop has invalid gateway\0').toString('hex');
    const reply = `44000000 02000003 07000000 cc2e0000 9bffffff 2c000000 18000506 07000000 00000000 20000100 ${text}`;
    expect(decodeReply(firstMessage(hexOctets(reply)))).toEqual({
      sequence: 7,
      errno: 101,
      text: 'Nexthop has invalid gateway',
    });
  });

  test('the end of a listing', () => {
    expect(decodeDone(firstMessage(hexOctets('14000000 03000200 05000000 cc2e0000 00000000')))).toEqual({
      sequence: 5,
      errno: 0,
    });
    expect(decodeDone(firstMessage(hexOctets('14000000 03000200 05000000 cc2e0000 feffffff')))).toEqual({
      sequence: 5,
      errno: 2,
    });
  });

  test('flags of the header', () => {
    expect(
      firstMessage(encodeRequest(addNeighbour({ version: 4, octets: new Uint8Array(4), interfaceIndex: 1 }), 1)).flags,
    ).toBe(MessageFlag.Request | MessageFlag.Create | MessageFlag.Replace);
  });
});
