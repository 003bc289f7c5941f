import { ip, nextFrame } from 'bgp-ts';
import { RouteOp } from '../../../fib/kernel.ts';
import { RouteBatchWriter } from '../../../fib/route-batch.ts';
import { FIRST_SET } from '../../../fib/target.ts';
import { BATCH_SEQUENCE_BIT, NetlinkBatch } from '../../../netlink/batch.ts';
import { AttributeScanner } from '../../../rib/attribute-scan.ts';
import { AttributeSets } from '../../../rib/attribute-sets.ts';
import { NextHops } from '../../../rib/next-hop.ts';
import { acceptAll, type Policy } from '../../../rib/policy/evaluate.ts';
import { Bench, filter } from '../rib.ts';
import { type TableMessages, tableMessages } from '../rib-table.ts';

/** What one round of a case took: CPU nanoseconds, or octets, for each unit of work. */
export type Measured = Readonly<Record<string, number>>;

/** A piece of the hot path, measured alone. */
export interface MicroCase {
  /** What is measured; the figures of a round are named `NAME FIGURE`. */
  readonly name: string;
  readonly rounds: number;
  /** Prepares the work and gives the function that does it once. */
  prepare(): () => Measured;
}

const PREFIXES = 200_000;
const SETS = 20_000;

function table(ipv6: boolean, sender = 0, prefixes = PREFIXES, sets = SETS): TableMessages {
  const nextHop = 0x0a000101 + sender;
  return tableMessages({ prefixes, sets, peerAs: 100_001 + sender, nextHop, ipv6, seed: 12_345 });
}

/** CPU nanoseconds for each unit; the collector's and compiler's threads count too. */
function nanoseconds(units: number, work: () => void): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return ((user + system) * 1000) / units;
}

/** Finding the messages in what a socket gave: for each message. */
const framing: MicroCase = {
  name: 'framing',
  rounds: 6,
  prepare() {
    const { bytes, starts } = table(false);
    const messages = starts.length - 1;
    return () => ({
      'ns/message': nanoseconds(messages * 50, () => {
        for (let n = 0; n < 50; n++) {
          let found = 0;
          for (let at = 0; at < bytes.length; found++) at += nextFrame(bytes, at, bytes.length, 4096);
          if (found !== messages) throw new Error(`framing: ${found} messages of ${messages}`);
        }
      }),
    });
  },
};

/** Attributes of an UPDATE to an interned set: checked and stored when new, found again when known, given up. For each set. */
const interning: MicroCase = {
  name: 'attribute interning',
  rounds: 30,
  prepare() {
    const { bytes, starts } = table(false);
    const view = new DataView(bytes.buffer);
    const messages = starts.length - 1;
    const nextHops = new NextHops({ resolve: () => ({ reachable: true }) }, []);
    const sets = new AttributeSets(nextHops);
    const scanner = new AttributeScanner({ localAs: 64_999, routerId: 1, clusterId: 1 });
    const ids = new Int32Array(messages);
    const intern = (): void => {
      for (let m = 0; m < messages; m++) {
        // No withdrawn routes: the attributes begin 23 octets in, their length stands before.
        const start = starts[m]! + 23;
        const end = start + view.getUint16(start - 2);
        if (!scanner.scan(bytes, view, start, end, 'ebgp', true)) throw new Error('interning: refused');
        const id = sets.internScanned(scanner, nextHops.intern4(scanner.nextHop4), 0, 0);
        sets.retain(id);
        ids[m] = id;
      }
    };
    return () => {
      const isNew = nanoseconds(messages, intern);
      const isKnown = nanoseconds(messages, intern);
      const octets = sets.octets / sets.count;
      const released = nanoseconds(messages, () => {
        for (let m = 0; m < messages; m++) sets.release(ids[m]!, 2);
      });
      if (sets.count !== 0) throw new Error(`interning: ${sets.count} sets left`);
      return { 'ns/new set': isNew, 'ns/known set': isKnown, 'ns/release': released, 'octets/set': octets };
    };
  },
};

/** A table in, decided, packed out to one peer, withdrawn: for each route received. */
function rib(name: string, tables: () => TableMessages[], policy: Policy = acceptAll): MicroCase {
  return {
    name,
    rounds: 6,
    prepare() {
      const made = tables();
      const routes = made.reduce((sum, t) => sum + t.prefixes, 0);
      const bench = new Bench(made, policy);
      return () => {
        const result = bench.run(false);
        if (result['rows left'] !== 0 || result['sets left'] !== 0)
          throw new Error(`${name}: something is left behind`);
        const each = (figure: string, factor: number): number => ((result[figure] ?? 0) * factor) / routes;
        return {
          'ns/insert': each('in', 1e6),
          'ns/decide': each('decide', 1e6),
          'ns/pack': each('out', 1e6),
          'ns/withdraw': each('withdraw', 1e6),
          'octets/route': each('memory', 1),
          'sent octets/route': each('octets out', 1),
        };
      };
    },
  };
}

/** Routes to netlink messages: for each route. */
const netlink: MicroCase = {
  name: 'netlink encode',
  rounds: 6,
  prepare() {
    const count = 100_000;
    let sent = 0;
    let octets = 0;
    const batch: NetlinkBatch = new NetlinkBatch({
      send(_buffer, length) {
        octets += length;
      },
      async sendInThread(_buffer, length) {
        octets += length;
      },
      receive() {},
      receiveUntil(isDone) {
        batch.reply({ sequence: (BATCH_SEQUENCE_BIT | sent) >>> 0, errno: 0 });
        if (!isDone()) throw new Error('netlink: the barrier was not answered');
      },
    });
    const writer = new RouteBatchWriter(batch);
    writer.addTargets([[{ gateway: ip('10.0.0.2'), ifIndex: 2 }]]);
    const words = new Int32Array(count * 8);
    for (let i = 0; i < count; i++) {
      words.set([RouteOp.Add | (4 << 8) | (24 << 16), i, FIRST_SET, 1024, 0x14000000 + (i << 8)], i * 8);
    }
    return () => {
      octets = 0;
      const time = nanoseconds(count, () => {
        sent += count;
        writer.apply(words, count, 177, 254);
      });
      return { 'ns/route': time, 'octets/route': octets / count };
    };
  },
};

/** All cases, in the order of the way of a route through the speaker. */
export const microCases: readonly MicroCase[] = [
  framing,
  interning,
  rib('one peer', () => [table(false)]),
  rib('one peer, filtered', () => [table(false)], filter),
  rib('one peer, IPv6', () => [table(true)]),
  rib('best of 10', () => Array.from({ length: 10 }, (_, i) => table(false, i, PREFIXES / 10, SETS / 10))),
  netlink,
];
