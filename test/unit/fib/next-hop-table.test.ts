import { formatIp, ip } from 'bgp-ts';
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import type { FibNextHop } from '../../../fib/fib.ts';
import { NextHopTable } from '../../../fib/next-hop-table.ts';
import { RouteIndex } from '../../../fib/route-index.ts';
import { Target } from '../../../fib/target.ts';
import { FakeKernel } from '../../support/fake-kernel.ts';

const OURS = 177;
const KERNEL = 2;
const STATIC = 4;
const OSPF = 188;

let kernel: FakeKernel;
let table: NextHopTable;
let changes: string[];

beforeEach(async () => {
  kernel = new FakeKernel();
  kernel.addLink(1, 'eth0');
  kernel.addLink(2, 'eth1');
  kernel.addAddress(1, ip('192.0.2.1'), 24);
  connected('192.0.2.0/24', 1);
  connected('198.51.100.0/24', 2);
  connected('2001:db8::/64', 1);
  table = new NextHopTable(kernel, { table: 254, ownProtocols: [OURS] });
  await table.start();
  changes = [];
  table.onChange((address, ifIndex) => changes.push(`${formatIp(address)}${ifIndex ? `%${ifIndex}` : ''}`));
});

function connected(prefix: string, ifIndex: number): void {
  kernel.foreignAdd({ prefix, protocol: KERNEL, metric: 0, target: kernel.targets.intern([{ ifIndex }]) });
}

function route(prefix: string, hops: readonly FibNextHop[], protocol = STATIC, metric = 0): void {
  kernel.foreignAdd({ prefix, protocol, metric, target: kernel.targets.intern(hops) });
}

/** `dev 1`, `dev 1 via 192.0.2.9 metric 20`, or `no`. */
function answer(address: string, ifIndex?: number): string {
  const found = table.resolve(ip(address), ifIndex);
  if (!found.reachable) return 'no';
  expect(found.hops[0]?.ifIndex).toBe(found.ifIndex);
  const via = found.gateway === undefined ? '' : ` via ${formatIp(found.gateway)}`;
  const more = found.hops.length > 1 ? ` and ${found.hops.length - 1} more` : '';
  return `dev ${found.ifIndex}${via} metric ${found.metric}${more}`;
}

test.each([
  ['on the link', '192.0.2.7', 'dev 1 metric 0'],
  ['on the link, IPv6', '2001:db8::7', 'dev 1 metric 0'],
  ['nowhere', '203.0.113.1', 'no'],
  ['an address of our own', '192.0.2.1', 'no'],
])('%s', (_name, address, expected) => {
  expect(answer(address)).toBe(expected);
});

test('by gateway: the longest prefix, then the lowest metric', () => {
  route('10.0.0.0/8', [{ gateway: ip('192.0.2.9'), ifIndex: 1 }], OSPF, 20);
  route('10.0.0.0/8', [{ gateway: ip('192.0.2.8'), ifIndex: 1 }], STATIC, 5);
  route('10.1.0.0/16', [{ gateway: ip('198.51.100.9'), ifIndex: 2 }], OSPF, 110);
  expect(answer('10.2.0.1')).toBe('dev 1 via 192.0.2.8 metric 5');
  expect(answer('10.1.0.1')).toBe('dev 2 via 198.51.100.9 metric 110');
});

test('never by routes of our own, whatever their prefix', () => {
  route('10.0.0.0/8', [{ gateway: ip('192.0.2.9'), ifIndex: 1 }], OSPF, 20);
  route('10.1.0.0/16', [{ gateway: ip('198.51.100.9'), ifIndex: 2 }], OURS, 1024);
  expect(answer('10.1.0.1')).toBe('dev 1 via 192.0.2.9 metric 20');
});

test('a discard route that covers it makes it unreachable', () => {
  route('10.0.0.0/8', [{ gateway: ip('192.0.2.9'), ifIndex: 1 }], OSPF, 20);
  kernel.foreignAdd({ prefix: '10.1.0.0/16', protocol: STATIC, target: Target.Blackhole });
  expect(answer('10.1.0.1')).toBe('no');
});

test('a default route counts unless told otherwise', async () => {
  route('0.0.0.0/0', [{ gateway: ip('192.0.2.254'), ifIndex: 1 }], STATIC, 100);
  expect(answer('203.0.113.1')).toBe('dev 1 via 192.0.2.254 metric 100');
  table = new NextHopTable(kernel, { table: 254, ownProtocols: [OURS], viaDefault: false });
  await table.start();
  expect(answer('203.0.113.1')).toBe('no');
});

test('all ways of a multipath route', () => {
  route('10.0.0.0/8', [
    { gateway: ip('192.0.2.9'), ifIndex: 1 },
    { gateway: ip('198.51.100.9'), ifIndex: 2 },
  ]);
  expect(answer('10.1.0.1')).toBe('dev 1 via 192.0.2.9 metric 0 and 1 more');
  kernel.setLink(1, false);
  expect(answer('10.1.0.1')).toBe('dev 2 via 198.51.100.9 metric 0');
});

test('link-local: only with an interface, and that one up', async () => {
  expect(answer('fe80::1')).toBe('no');
  expect(answer('fe80::1', 2)).toBe('dev 2 metric 0');
  kernel.setLink(2, false);
  expect(answer('fe80::1', 2)).toBe('no');
  expect(changes).toEqual(['fe80::1%2']);
});

test('in words: which route decided, or what is missing; nobody is told of changes for that', () => {
  route('10.0.0.0/8', [{ gateway: ip('192.0.2.9'), ifIndex: 1 }], OSPF, 20);
  kernel.foreignAdd({ prefix: '10.1.0.0/16', protocol: STATIC, target: Target.Blackhole });
  const words = (address: string, ifIndex?: number) => table.explain(ip(address), ifIndex);
  expect(words('192.0.2.7')).toBe('route 192.0.2.0/24 of table 254, on the link dev eth0');
  expect(words('10.2.0.1')).toBe('route 10.0.0.0/8 of table 254, via 192.0.2.9 dev eth0');
  expect(words('10.1.0.1')).toBe('discarded by route 10.1.0.0/16 of table 254');
  expect(words('203.0.113.1')).toBe('no route covers it');
  expect(words('192.0.2.1')).toBe('it is an address of this machine');
  expect(words('fe80::1')).toBe('link-local, and its interface is not known');
  expect(words('fe80::1', 2)).toBe('link-local, on the link dev eth1');
  kernel.setLink(2, false);
  expect(words('fe80::1', 2)).toBe('link-local, and eth1 is down');
  expect(words('198.51.100.7')).toBe('no route covers it');
  expect(table.size).toBe(0);
  expect(changes).toEqual([]);
});

test('tells who asked, and only about what changed', () => {
  for (const address of ['192.0.2.7', '10.1.0.1', '10.2.0.1']) answer(address);
  route('10.1.0.0/16', [{ gateway: ip('192.0.2.9'), ifIndex: 1 }]);
  expect(changes).toEqual(['10.1.0.1']);
  expect(answer('10.1.0.1')).toBe('dev 1 via 192.0.2.9 metric 0');
  kernel.foreignReplace({
    prefix: '10.1.0.0/16',
    metric: 0,
    protocol: STATIC,
    target: kernel.targets.intern([{ gateway: ip('192.0.2.8'), ifIndex: 1 }]),
  });
  expect(changes).toEqual(['10.1.0.1', '10.1.0.1']);
  kernel.foreignDelete({ prefix: '10.1.0.0/16', metric: 0 });
  expect(changes).toEqual(['10.1.0.1', '10.1.0.1', '10.1.0.1']);
  table.forget(ip('10.2.0.1'));
  route('10.0.0.0/8', [{ gateway: ip('192.0.2.9'), ifIndex: 1 }]);
  expect(changes).toHaveLength(4);
  table.close();
  kernel.foreignDelete({ prefix: '10.0.0.0/8', metric: 0 });
  expect(changes).toHaveLength(4);
});

test('a link that goes takes its routes along, though the kernel says nothing of them', async () => {
  route('10.0.0.0/8', [{ gateway: ip('192.0.2.9'), ifIndex: 1 }], STATIC, 5);
  route('10.0.0.0/8', [{ gateway: ip('198.51.100.9'), ifIndex: 2 }], STATIC, 10);
  expect(answer('10.1.0.1')).toBe('dev 1 via 192.0.2.9 metric 5');
  kernel.setLink(1, false);
  expect(answer('10.1.0.1')).toBe('dev 2 via 198.51.100.9 metric 10');
  for (let i = 0; i < 10; i++) await Promise.resolve();
  kernel.setLink(1, true);
  for (let i = 0; i < 10; i++) await Promise.resolve();
  expect(answer('10.1.0.1')).toBe('dev 2 via 198.51.100.9 metric 10');
  expect(answer('192.0.2.7')).toBe('no');
  connected('192.0.2.0/24', 1);
  expect(answer('192.0.2.7')).toBe('dev 1 metric 0');
});

test('an address that becomes ours is unreachable, until it goes', async () => {
  expect(answer('192.0.2.7')).toBe('dev 1 metric 0');
  kernel.addAddress(1, ip('192.0.2.7'), 24);
  expect(answer('192.0.2.7')).toBe('no');
  kernel.removeAddress(ip('192.0.2.7'));
  for (let i = 0; i < 10; i++) await Promise.resolve();
  expect(answer('192.0.2.7')).toBe('dev 1 metric 0');
  expect(changes).toEqual(['192.0.2.7', '192.0.2.7']);
});

test('of two routes with one key the other is left when one goes', async () => {
  route('10.0.0.0/8', [{ gateway: ip('192.0.2.9'), ifIndex: 1 }]);
  const second = kernel.targets.intern([{ gateway: ip('192.0.2.8'), ifIndex: 1 }]);
  kernel.foreignAppend({ prefix: '10.0.0.0/8', metric: 0, protocol: OSPF, target: second });
  expect(answer('10.1.0.1')).toBe('dev 1 via 192.0.2.9 metric 0');
  kernel.foreignDelete({ prefix: '10.0.0.0/8', metric: 0 });
  for (let i = 0; i < 10; i++) await Promise.resolve();
  expect(answer('10.1.0.1')).toBe('dev 1 via 192.0.2.8 metric 0');
});

test('lost notifications: everything is read again', async () => {
  expect(answer('10.1.0.1')).toBe('no');
  kernel.isManual = true;
  route('10.0.0.0/8', [{ gateway: ip('192.0.2.9'), ifIndex: 1 }]);
  kernel.isManual = false;
  kernel.overflow();
  for (let i = 0; i < 10; i++) await Promise.resolve();
  expect(answer('10.1.0.1')).toBe('dev 1 via 192.0.2.9 metric 0');
  expect(changes).toEqual(['10.1.0.1']);
});

test('names and indexes of links', () => {
  expect(table.linkIndex('eth1')).toBe(2);
  expect(table.linkName(1)).toBe('eth0');
  expect(table.linkIndex('eth7')).toBeUndefined();
});

for (const words of [1, 4] as const) {
  test(`the index finds what a plain search finds (${words} words)`, () => {
    const bits = 32 * words;
    const address = fc.array(fc.constantFrom(0, 1, -1, 0x40000000, -0x80000000), {
      minLength: words,
      maxLength: words,
    });
    const entry = fc.record({
      address,
      length: fc.constantFrom(0, 1, 2, 31, 32, bits - 1, bits),
      metric: fc.constantFrom(0, 5, 0xffffffff),
    });
    const maskWord = (word: number, keep: number) => (keep <= 0 ? 0 : keep >= 32 ? word : word & (-1 << (32 - keep)));
    const mask = (a: number[], length: number) => a.map((word, i) => maskWord(word, length - 32 * i));
    fc.assert(
      fc.property(
        fc.array(entry, { maxLength: 20 }),
        fc.array(entry, { maxLength: 5 }),
        address,
        (added, gone, asked) => {
          const index = new RouteIndex(words);
          const plain = new Map<string, { length: number; metric: number; target: number; address: number[] }>();
          for (const [i, e] of added.entries()) {
            const masked = mask(e.address, e.length);
            index.add(Int32Array.from(masked), 0, e.length, e.metric, i, true);
            plain.set(`${masked}/${e.length}/${e.metric}`, { ...e, address: masked, target: i });
          }
          for (const e of gone) {
            const masked = mask(e.address, e.length);
            index.remove(Int32Array.from(masked), 0, e.length, e.metric);
            plain.delete(`${masked}/${e.length}/${e.metric}`);
          }
          const expected = [...plain.values()]
            .filter((e) => mask(asked, e.length).join() === e.address.join())
            .sort((a, b) => b.length - a.length || a.metric - b.metric)
            .map((e) => e.target);
          const found: number[] = [];
          index.covering(Int32Array.from(asked), (target) => {
            found.push(target);
            return false;
          });
          expect(found).toEqual(expected);
          expect(index.size).toBe(plain.size);
        },
      ),
    );
  });
}
