import { ip } from 'bgp-ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OP_WORDS, RouteOp } from '../../../fib/kernel.ts';
import { RouteBatchWriter } from '../../../fib/route-batch.ts';
import { FIRST_SET, FIRST_WAY, type FibNextHop, Target } from '../../../fib/target.ts';
import { octetsOfWords } from '../../../fib/words.ts';
import { BATCH_SEQUENCE_BIT, NetlinkBatch } from '../../../netlink/batch.ts';
import { MessageFlag, MessageType, NETLINK_HEADER_OCTETS } from '../../../netlink/message.ts';
import { type Route, RouteType, writeRoute } from '../../../netlink/route.ts';
import { NetlinkWriter } from '../../../netlink/writer.ts';

const PROTOCOL = 177;

const sets: readonly (readonly FibNextHop[])[] = [
  [{ gateway: ip('192.0.2.1'), ifIndex: 3 }],
  [{ gateway: ip('2001:db8::1'), ifIndex: 4, onlink: true }],
  [
    { gateway: ip('fe80::1'), ifIndex: 3, weight: 2 },
    { gateway: ip('fe80::2'), ifIndex: 4 },
  ],
  [{ ifIndex: 7 }],
];

interface Operation {
  readonly op: RouteOp;
  readonly version: 4 | 6;
  readonly length: number;
  readonly target: number;
  readonly metric: number;
  readonly address: readonly number[];
}

/** What a batch writer sends for operations, without the flag that asks for an acknowledgement, and with sequence numbers from 0. */
function sent(operations: readonly Operation[], table: number): Uint8Array[] {
  const messages: Uint8Array[] = [];
  const batch: NetlinkBatch = new NetlinkBatch({
    send(buffer, octets) {
      const view = new DataView(buffer.buffer, buffer.byteOffset, octets);
      for (let at = 0; at < octets; ) {
        const length = view.getUint32(at, true);
        messages.push(buffer.slice(at, at + length));
        at += length;
      }
    },
    sendInThread: () => Promise.reject(new Error('not asked for here')),
    receive() {},
    receiveUntil: () => {
      const last = messages.at(-1) ?? new Uint8Array(16);
      const sequence = new DataView(last.buffer).getUint32(8, true);
      batch.reply({ sequence, errno: 0, text: '' });
    },
  });
  const writer = new RouteBatchWriter(batch);
  writer.addTargets(sets);
  const words = new Int32Array(operations.length * OP_WORDS);
  operations.forEach(({ op, version, length, target, metric, address }, i) => {
    words.set([op | (version << 8) | (length << 16), i, target, metric, ...address], i * OP_WORDS);
  });
  writer.apply(words, operations.length, PROTOCOL, table);
  messages.forEach((message, i) => {
    const view = new DataView(message.buffer);
    expect(view.getUint32(8, true)).toBe((BATCH_SEQUENCE_BIT | (1 + i)) >>> 0);
    view.setUint32(8, 0, true);
    view.setUint16(6, view.getUint16(6, true) & ~MessageFlag.Ack, true);
  });
  return messages;
}

/** The same by the plain codec. */
function plain({ op, version, length, target, metric, address }: Operation, table: number): Uint8Array[] {
  const key = {
    version,
    destination: octetsOfWords(Int32Array.from(address), 0, version),
    destinationLength: length,
    table,
    protocol: PROTOCOL,
    priority: metric >>> 0,
  };
  const hops = (sets[target - FIRST_SET] ?? []).map(({ gateway, ifIndex, weight, onlink }) => ({
    gateway: gateway?.octets,
    interfaceIndex: ifIndex,
    weight,
    onLink: onlink,
  }));
  const discard = target === Target.Blackhole ? RouteType.Blackhole : RouteType.Unreachable;
  const type = target < FIRST_SET ? discard : RouteType.Unicast;
  const way = target >= FIRST_WAY ? { nextHopId: PROTOCOL * 2 ** 24 + (target - FIRST_WAY) } : {};
  const add: Route = { ...key, type, nextHops: hops, ...way };
  const isDelete = op === RouteOp.Delete || op === RouteOp.DeleteHops;
  const remove: Route = { ...key, type: RouteType.Unspecified, nextHops: op === RouteOp.DeleteHops ? hops : [] };
  const flags = op === RouteOp.Replace ? MessageFlag.Replace : MessageFlag.Create | MessageFlag.Exclusive;
  return [
    ...(isDelete || op === RouteOp.Reclaim ? [message(MessageType.DelRoute, 0, remove, true)] : []),
    ...(isDelete ? [] : [message(MessageType.NewRoute, flags, add, false)]),
  ];
}

function message(type: number, flags: number, route: Route, isDelete: boolean): Uint8Array {
  const writer = new NetlinkWriter();
  writer.begin(type, flags | MessageFlag.Request, 0);
  writeRoute(writer, route, isDelete);
  writer.end();
  expect(writer.length).toBeGreaterThan(NETLINK_HEADER_OCTETS);
  return writer.written().slice();
}

const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

const operation: fc.Arbitrary<Operation> = fc
  .record({
    op: fc.constantFrom(...Object.values(RouteOp)),
    version: fc.constantFrom(4 as const, 6 as const),
    share: fc.nat({ max: 32 }),
    target: fc.constantFrom(
      Target.Blackhole,
      Target.Unreachable,
      FIRST_SET,
      FIRST_SET + 1,
      FIRST_SET + 2,
      FIRST_SET + 3,
      FIRST_WAY + 1,
      FIRST_WAY + 0xabcdef,
    ),
    metric: word,
    address: fc.tuple(word, word, word, word),
  })
  .map(({ version, share, address, op, target, ...others }) => ({
    ...others,
    op,
    version,
    target: op === RouteOp.DeleteHops && (target < FIRST_SET || target >= FIRST_WAY) ? FIRST_SET : target,
    length: version === 4 ? share : share * 4,
    address: version === 4 ? address.slice(0, 1) : address,
  }));

describe('messages from templates are those of the plain codec', () => {
  test.each([254, 10_001])('in table %i', (table) => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 60 }), (operations) => {
        const expected = operations.flatMap((one) => plain(one, table));
        expect(sent(operations, table).map(hex)).toEqual(expected.map(hex));
      }),
      { numRuns: 300 },
    );
  });

  test('more than one send', () => {
    const one: Operation = {
      op: RouteOp.Add,
      version: 4,
      length: 24,
      target: FIRST_SET,
      metric: 1024,
      address: [0x0a000100],
    };
    const expected = hex(plain(one, 254)[0] ?? new Uint8Array());
    const all = sent(
      Array.from({ length: 4000 }, () => one),
      254,
    );
    expect(all).toHaveLength(4000);
    expect(new Set(all.map(hex))).toEqual(new Set([expected]));
  });
});

function hex(octets: Uint8Array): string {
  return Buffer.from(octets).toString('hex');
}
