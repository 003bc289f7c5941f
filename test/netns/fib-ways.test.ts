import { formatPrefix, ip, prefix } from 'bgp-ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Fib, type FibNextHop } from '../../fib/fib.ts';
import { KernelError, OP_WORDS, RouteOp } from '../../fib/kernel.ts';
import { NetlinkKernel } from '../../fib/netlink-kernel.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { waitFor } from '../support/wait-for.ts';
import { Namespace } from './fib-namespace.ts';

const OURS = 177;
const FIRST_ID = OURS * 2 ** 24;

let ns: Namespace;
let kernel: NetlinkKernel;
let fib: Fib;
let a: number;
let b: number;

beforeEach(async () => {
  ns = new Namespace();
  a = ns.index('ea');
  b = ns.index('eb');
  kernel = await NetlinkKernel.open({ netnsPath: ns.path });
  fib = makeFib();
  await fib.start();
});

afterEach(async () => {
  await fib.close({ keepRoutes: true });
  await kernel.close();
  ns.close();
});

function makeFib(nextHopObjects: 'auto' | 'off' = 'auto'): Fib {
  const options = { protocol: OURS, table: 254, metric: 1024, log: silentLogger, clock: systemClock };
  return new Fib(kernel, { ...options, nextHopObjects });
}

function set(text: string, way: number): void {
  const { address, length } = prefix(text);
  fib.set(address.version, address.octets, length, way);
}

function remove(text: string): void {
  const { address, length } = prefix(text);
  fib.remove(address.version, address.octets, length);
}

/** 10.A.B.0/24 for the first `count` numbers. */
function setMany(count: number, way: number): void {
  const octets = new Uint8Array(4);
  for (let i = 0; i < count; i++) {
    octets.set([20 + (i >> 16), i >> 8, i, 0]);
    fib.set(4, octets, 24, way);
  }
}

function states(): Record<string, string> {
  return Object.fromEntries(
    fib.list().map((view) => [formatPrefix(view.prefix), `${view.state}${view.error ? ` ${view.error.errno}` : ''}`]),
  );
}

interface IpNextHop {
  readonly id: number;
  readonly gateway?: string;
  readonly dev?: string;
  readonly protocol?: string;
  readonly group?: readonly { readonly id: number; readonly weight?: number }[];
}

/** The nexthop objects as the kernel shows them: gateways of the single ones, and of each group those of its members. */
function objects(protocol = '177'): { singles: string[]; groups: string[] } {
  const text = ns.ip(`-j nexthop show proto ${protocol}`);
  const all = text.trim() === '' ? [] : (JSON.parse(text) as IpNextHop[]);
  const nameOf = (id: number): string => {
    const one = all.find((nextHop) => nextHop.id === id);
    return `${one?.gateway} ${one?.dev}`;
  };
  const singles = all.filter((nextHop) => nextHop.group === undefined).map((nextHop) => nameOf(nextHop.id));
  const groups = all.flatMap(({ group }) =>
    group === undefined
      ? []
      : [
          group
            .map(({ id, weight }) => `${nameOf(id)} ${weight ?? 1}`)
            .sort()
            .join(', '),
        ],
  );
  return { singles: singles.sort(), groups: groups.sort() };
}

async function inStep(): Promise<void> {
  await fib.flush();
  expect(await fib.check()).toEqual([]);
  expect(await fib.checkNextHops()).toEqual([]);
}

const viaA = (host = 2): FibNextHop => ({ gateway: ip(`192.0.2.${host}`), ifIndex: a });
const viaB = (host = 130): FibNextHop => ({ gateway: ip(`192.0.2.${host}`), ifIndex: b });
const viaA6 = (host = 2): FibNextHop => ({ gateway: ip(`2001:db8:a::${host}`), ifIndex: a });
const viaB6 = (host = 2): FibNextHop => ({ gateway: ip(`2001:db8:b::${host}`), ifIndex: b });
const linkLocal = (host: number, ifIndex: number): FibNextHop => ({ gateway: ip(`fe80::${host}`), ifIndex });

describe('routes by way of nexthop objects', () => {
  test('both families, several ways, weights, link-local gateways', async () => {
    const one = fib.openWay([viaA()]);
    const two = fib.openWay([viaA(), { ...viaB(), weight: 3 }]);
    const six = fib.openWay([viaA6(), { ...viaB6(), weight: 2 }]);
    const local = fib.openWay([linkLocal(7, b)]);
    set('10.1.0.0/16', one);
    set('10.2.0.0/16', two);
    set('10.3.0.0/16', local);
    set('2001:db8:1::/48', six);
    set('2001:db8:2::/48', local);
    set('::/0', six);
    set('0.0.0.0/0', one);
    await inStep();
    expect(ns.lines('proto 177')).toEqual([
      '10.1.0.0/16 via 192.0.2.2 dev ea metric 1024',
      '10.2.0.0/16 via 192.0.2.130 dev eb weight 3 via 192.0.2.2 dev ea metric 1024',
      '10.3.0.0/16 via inet6 fe80::7 dev eb metric 1024',
      '2001:db8:1::/48 via 2001:db8:a::2 dev ea via 2001:db8:b::2 dev eb weight 2 metric 1024',
      '2001:db8:2::/48 via fe80::7 dev eb metric 1024',
      'default via 192.0.2.2 dev ea metric 1024',
      'default via 2001:db8:a::2 dev ea via 2001:db8:b::2 dev eb weight 2 metric 1024',
    ]);
    // One object for each gateway and interface, one group for each way.
    expect(objects()).toEqual({
      singles: ['192.0.2.130 eb', '192.0.2.2 ea', '2001:db8:a::2 ea', '2001:db8:b::2 eb', 'fe80::7 eb'],
      groups: [
        '192.0.2.130 eb 3, 192.0.2.2 ea 1',
        '192.0.2.2 ea 1',
        '2001:db8:a::2 ea 1, 2001:db8:b::2 eb 2',
        'fe80::7 eb 1',
      ],
    });
    for (const { id } of JSON.parse(ns.ip('-j nexthop show')) as IpNextHop[])
      expect(Math.floor(id / 2 ** 24)).toBe(OURS);

    await fib.close({ keepRoutes: false });
    expect(ns.lines('proto 177')).toEqual([]);
    expect(objects()).toEqual({ singles: [], groups: [] });
  });

  test('a way that nothing leads to any more goes, and its gateway with it; the others stay', async () => {
    const one = fib.openWay([viaA()]);
    const two = fib.openWay([viaA(), viaB()]);
    set('10.1.0.0/16', one);
    set('10.2.0.0/16', two);
    await inStep();
    fib.sweep();
    fib.closeWay(two);
    await fib.flush();
    expect(objects().groups).toHaveLength(2); // a route still goes there
    expect(ns.lines('proto 177')).toHaveLength(2);
    set('10.2.0.0/16', one);
    await fib.flush();
    expect(objects()).toEqual({ singles: ['192.0.2.2 ea'], groups: ['192.0.2.2 ea 1'] });
    remove('10.1.0.0/16');
    remove('10.2.0.0/16');
    fib.closeWay(one);
    await fib.flush();
    expect(objects()).toEqual({ singles: [], groups: [] });
    expect(ns.lines('proto 177')).toEqual([]);
  });
});

test('100,000 routes change their gateway by one message, without a gap', async () => {
  const way = fib.openWay([viaA()]);
  const other = fib.openWay([viaB()]); // its gateway is known already
  set('10.9.0.0/16', other);
  setMany(100_000, way);
  await fib.flush();
  expect(fib.counters).toMatchObject({ installed: 100_001, refused: 0 });
  const { adds, replaces, deletes } = fib.counters;
  const writes = await ns.monitor('nexthop');
  fib.changeWay(way, [viaB()]);
  await fib.flush();
  const heard = await writes.stop();
  expect(heard.filter((line) => line.includes('group'))).toHaveLength(1);
  expect(heard).toHaveLength(1);
  expect(fib.counters).toMatchObject({ adds, replaces, deletes, wayChanges: 1 });
  const gateways = new Set(ns.routes(4, 'proto 177').map((route) => route.gateway));
  expect(gateways).toEqual(new Set(['192.0.2.130']));
  await inStep();

  // To a gateway nobody used: one more message makes it known. And to two of them.
  fib.changeWay(way, [viaA(77), { ...viaB(), weight: 2 }]);
  await fib.flush();
  expect(fib.counters).toMatchObject({ adds, replaces, deletes, wayChanges: 2 });
  expect(ns.ip('route show 20.0.7.0/24')).toMatch(/via 192.0.2.130 dev eb weight 2.*via 192.0.2.77 dev ea weight 1/s);
  await inStep();
});

test.each([4, 6] as const)('packets flow on when the next hop of IPv%i routes moves', async (version) => {
  // Two routers, one behind each link, with the same address behind them.
  ns.far('link set lo up');
  const target = version === 4 ? '198.18.1.1' : '2001:db8:ffff::1';
  ns.far(`addr add ${target} dev lo`);
  ns.far('addr add 192.0.2.2/25 dev ea');
  ns.far('addr add 192.0.2.130/25 dev eb');
  ns.far('-6 addr add 2001:db8:a::2/64 dev ea nodad');
  ns.far('-6 addr add 2001:db8:b::2/64 dev eb nodad');
  const [first, second] = version === 4 ? [viaA(), viaB()] : [viaA6(), viaB6()];
  const way = fib.openWay([first]);
  set(version === 4 ? '198.18.1.0/24' : '2001:db8:ffff::/48', way);
  await fib.flush();
  const received = (link: string): number => {
    const [stats] = JSON.parse(ns.far(`-j -s link show ${link}`)) as { stats64: { rx: { packets: number } } }[];
    return stats?.stats64.rx.packets ?? 0;
  };
  const ping = (): void => void ns.exec('ping', '-c', '20', '-i', '0.002', '-w', '5', '-q', target);
  ping();
  const before = { ea: received('ea'), eb: received('eb') };
  const pinging = ns.start('ping', '-c', '300', '-i', '0.003', '-w', '10', '-q', target);
  await waitFor('packets by the first way', () => received('ea') > before.ea + 20);
  fib.changeWay(way, [second]);
  await fib.flush();
  expect(await pinging).toContain(' 0% packet loss');
  const moved = { ea: received('ea'), eb: received('eb') };
  expect(moved.eb).toBeGreaterThan(before.eb + 20);
  ping();
  expect(received('eb')).toBeGreaterThanOrEqual(moved.eb + 20);
  expect(received('ea')).toBeLessThan(moved.ea + 5);
});

describe('a dead next hop', () => {
  test('of two ways to go is taken out by one message', async () => {
    const way = fib.openWay([viaA(), viaB()]);
    setMany(20_000, way);
    await fib.flush();
    const { adds, replaces, deletes } = fib.counters;
    const writes = await ns.monitor('nexthop');
    fib.changeWay(way, [viaB()]);
    await fib.flush();
    expect(await writes.stop()).toHaveLength(1);
    expect(fib.counters).toMatchObject({ adds, replaces, deletes, wayChanges: 1 });
    expect(new Set(ns.routes(4, 'proto 177').map((route) => route.dev))).toEqual(new Set(['eb']));
    await inStep();
  });

  test.each(['down', 'without carrier'])('link %s: its routes go and come back with it', async (how) => {
    const one = fib.openWay([viaA()]);
    const two = fib.openWay([viaA(), viaB()]);
    const six = fib.openWay([viaA6()]);
    setMany(3000, one);
    set('10.2.0.0/16', two);
    set('2001:db8:1::/48', six);
    set('2001:db8:2::/48', fib.openWay([viaA6(), viaB6()]));
    await inStep();
    const before = ns.lines('proto 177');
    if (how === 'down') ns.ip('link set ea down');
    else ns.far('link set ea down');
    await waitFor(
      'the routes of one way to be gone',
      () => fib.counters.failed === 3001 || ns.lines('proto 177').length === 2,
    );
    await waitFor('what is left', () => ns.lines('proto 177').length === 2);
    expect(ns.ip('route get 10.2.0.1')).toContain('dev eb');
    expect(ns.ip('-6 route get 2001:db8:2::1')).toContain('dev eb');
    if (how === 'down') ns.up('ea');
    else ns.far('link set ea up');
    await waitFor('all routes', () => ns.lines('proto 177').join() === before.join(), 20_000);
    await waitFor('states', () => fib.counters.installed === 3003);
    await inStep();
  });

  test('a link that vanishes in the middle of a batch', async () => {
    const ways = [fib.openWay([viaA()]), fib.openWay([viaB()]), fib.openWay([viaA(), viaB()])];
    const octets = new Uint8Array(4);
    for (let i = 0; i < 30_000; i++) {
      octets.set([20, i >> 8, i, 0]);
      fib.set(4, octets, 24, ways[i % 3] ?? 0);
    }
    await waitFor('the first of them', () => fib.counters.adds > 0, 10_000, 1);
    ns.ip('link del ea');
    await waitFor('the dust to settle', () => {
      const { installed, failed, pending } = fib.counters;
      return pending === 0 && installed === 20_000 && failed === 10_000;
    });
    expect(ns.routes(4, 'proto 177')).toHaveLength(20_000);
    expect((await fib.check()).every(({ state }) => state === 'failed')).toBe(true);
    ns.ip('link add ea type veth peer name ea2');
    ns.ip('link set ea2 up');
    ns.up('ea');
    const again = { gateway: ip('192.0.2.2'), ifIndex: ns.index('ea') };
    fib.changeWay(ways[0] ?? 0, [again]);
    fib.changeWay(ways[2] ?? 0, [again, viaB()]);
    await waitFor('all', () => fib.counters.installed === 30_000, 20_000);
    await inStep();
  });

  test('a gateway that is not there, then appears', async () => {
    const way = fib.openWay([{ gateway: ip('198.51.100.2'), ifIndex: b }]);
    const six = fib.openWay([{ gateway: ip('2001:db8:c::2'), ifIndex: b }]);
    const half = fib.openWay([{ gateway: ip('198.51.100.2'), ifIndex: b }, viaA()]);
    setMany(300, way);
    set('2001:db8:1::/48', six);
    set('10.5.0.0/16', half);
    await fib.flush();
    expect(fib.counters).toMatchObject({ failed: 301, installed: 1 });
    expect(states()['20.0.7.0/24']).toBe('failed ENETUNREACH');
    expect(ns.ip('route show 10.5.0.0/16')).toContain('via 192.0.2.2 dev ea');
    ns.ip('addr add 198.51.100.1/24 dev eb');
    ns.ip('-6 addr add 2001:db8:c::1/64 dev eb nodad');
    await waitFor('all of them', () => fib.counters.installed === 302);
    await waitFor('the other half', () => ns.ip('route show 10.5.0.0/16').includes('198.51.100.2'));
    await inStep();
  });
});

describe('restart', () => {
  test('adopts objects and routes without a write, and sweeps what nobody needs', async () => {
    setMany(500, fib.openWay([viaA()]));
    set('10.2.0.0/16', fib.openWay([viaA(), viaB()]));
    set('2001:db8:1::/48', fib.openWay([viaB6()]));
    set('10.3.0.0/16', fib.openWay([viaA(9)]));
    await fib.flush();
    await fib.close({ keepRoutes: true });
    const before = ns.lines('proto 177');

    fib = makeFib();
    await fib.start();
    expect(fib.counters).toMatchObject({ adopted: 503, orphans: 503 });
    const writes = await ns.monitor('nexthop');
    setMany(500, fib.openWay([viaA()]));
    set('10.2.0.0/16', fib.openWay([viaB(), viaA()]));
    set('2001:db8:1::/48', fib.openWay([viaB6()]));
    await fib.flush();
    expect(fib.counters).toMatchObject({ adds: 0, replaces: 0, deletes: 0, orphans: 1, wayChanges: 0 });
    expect(await writes.stop()).toEqual([]);
    expect(objects().groups).toHaveLength(4);
    fib.sweep();
    await fib.flush();
    expect(ns.lines('proto 177')).toEqual(before.filter((line) => !line.startsWith('10.3.')));
    expect(objects()).toEqual({
      singles: ['192.0.2.130 eb', '192.0.2.2 ea', '2001:db8:b::2 eb'],
      groups: ['192.0.2.130 eb 1, 192.0.2.2 ea 1', '192.0.2.2 ea 1', '2001:db8:b::2 eb 1'],
    });
    await inStep();
  });

  test.each([
    ['auto', 'off'],
    ['off', 'auto'],
  ] as const)('from %s to %s', async (from, to) => {
    await fib.close({ keepRoutes: true });
    const want = (): void => {
      set('10.1.0.0/16', fib.openWay([viaA()]));
      set('10.2.0.0/16', fib.openWay([viaA(), viaB()]));
      set('2001:db8:1::/48', fib.openWay([viaA6()]));
      set('2001:db8:2::/48', fib.openWay([viaA6(), viaB6()]));
    };
    for (const mode of [from, to]) {
      fib = makeFib(mode);
      await fib.start();
      want();
      await fib.flush();
      fib.sweep();
      await inStep();
      expect(objects().groups).toHaveLength(mode === 'auto' ? 4 : 0);
      expect(objects().singles).toHaveLength(mode === 'auto' ? 4 : 0);
      expect(ns.lines('proto 177')).toEqual([
        '10.1.0.0/16 via 192.0.2.2 dev ea metric 1024',
        '10.2.0.0/16 via 192.0.2.130 dev eb via 192.0.2.2 dev ea metric 1024',
        '2001:db8:1::/48 via 2001:db8:a::2 dev ea metric 1024',
        '2001:db8:2::/48 via 2001:db8:a::2 dev ea via 2001:db8:b::2 dev eb metric 1024',
      ]);
      await fib.close({ keepRoutes: true });
    }
  });

  test('switched off: a way that changes costs a write for each route, and none for others', async () => {
    await fib.close({ keepRoutes: true });
    fib = makeFib('off');
    await fib.start();
    const way = fib.openWay([viaA()]);
    setMany(2000, way);
    set('10.1.0.0/16', fib.openWay([viaB()]));
    await inStep();
    fib.changeWay(way, [viaB()]);
    await inStep();
    expect(fib.counters).toMatchObject({ adds: 2001, replaces: 2000, deletes: 0 });
    expect(objects()).toEqual({ singles: [], groups: [] });
    expect(new Set(ns.routes(4, 'proto 177').map((route) => route.gateway))).toEqual(new Set(['192.0.2.130']));
  });
});

describe('what others do', () => {
  test('their objects are never touched, not even in our range', async () => {
    await fib.close({ keepRoutes: true });
    ns.ip(`nexthop add id ${FIRST_ID + 1} via 192.0.2.50 dev ea proto static`);
    ns.ip(`nexthop add id ${FIRST_ID + 2} group ${FIRST_ID + 1} proto static`);
    ns.ip('nexthop add id 12 via 192.0.2.51 dev ea proto 177');
    ns.ip('route add 10.77.0.0/16 nhid 12 proto static');
    fib = makeFib();
    await fib.start();
    const way = fib.openWay([viaA()]);
    setMany(10, way);
    await inStep();
    ns.ip(`nexthop add id ${FIRST_ID + 5} via 192.0.2.52 dev ea proto static`); // a number we might take next
    ns.ip(`nexthop add id ${FIRST_ID + 6} via 192.0.2.53 dev ea proto static`);
    const ways = [30, 31, 32, 33].map((host) => fib.openWay([viaA(host)]));
    ways.forEach((one, i) => {
      set(`10.${i}.0.0/16`, one);
    });
    await inStep();
    expect(fib.counters).toMatchObject({ installed: 14, failed: 0 });
    await fib.close({ keepRoutes: false });
    const left = (JSON.parse(ns.ip('-j nexthop show')) as IpNextHop[]).map(({ id }) => id).sort((x, y) => x - y);
    expect(left).toEqual([12, FIRST_ID + 1, FIRST_ID + 2, FIRST_ID + 5, FIRST_ID + 6]);
    expect(ns.lines('proto static')).toEqual(['10.77.0.0/16 via 192.0.2.51 dev ea metric 0']);
  });

  test('an object of ours that somebody deletes or changes is put right, with its routes', async () => {
    const way = fib.openWay([viaA()]);
    const six = fib.openWay([viaA6()]);
    setMany(2000, way);
    set('2001:db8:1::/48', six);
    await inStep();
    const before = ns.lines('proto 177');
    ns.ip('nexthop flush proto 177');
    await waitFor('everything to come back', () => ns.lines('proto 177').length === 2001, 20_000);
    await waitFor('states', () => fib.counters.installed === 2001);
    await inStep();
    expect(ns.lines('proto 177')).toEqual(before);
    const groups = (JSON.parse(ns.ip('-j nexthop show proto 177')) as IpNextHop[]).filter(
      (one) => one.group !== undefined,
    );
    ns.ip('nexthop add id 7 via 192.0.2.99 dev ea');
    for (const { id } of groups.filter((one) => one.id === groups[0]?.id))
      ns.ip(`nexthop replace id ${id} group 7 proto 177`);
    await waitFor('the content to come back', () => ns.lines('proto 177').join() === before.join());
    await inStep();
    for (const { id } of groups) ns.ip(`nexthop del id ${id}`);
    await waitFor('everything to come back', () => ns.lines('proto 177').length === 2001, 20_000);
    await inStep();
  });

  test('check names what differs', async () => {
    const way = fib.openWay([viaA()]);
    set('10.1.0.0/16', way);
    await inStep();
    fib.sweep();
    await fib.flush();
    const [group] = (JSON.parse(ns.ip('-j nexthop show proto 177')) as IpNextHop[]).filter((one) => one.group);
    // Read what a check would read, before our own repair can get in between.
    await fib.close({ keepRoutes: true });
    ns.ip(`nexthop add id 7 via 192.0.2.99 dev ea`);
    ns.ip(`nexthop replace id ${group?.id} group 7 proto 177`);
    ns.ip(`nexthop add id ${FIRST_ID + 900} via 192.0.2.98 dev ea proto 177`);
    ns.ip(`nexthop add id ${FIRST_ID + 901} group ${FIRST_ID + 900} proto 177`);
    const listed = (await kernel.listNextHops()) ?? [];
    expect(listed.map(({ type, id }) => `${type} ${id}`)).toContain(`group ${group?.id}`);
    fib = makeFib();
    await fib.start();
    fib.sweep();
    await fib.flush();
    expect(objects().groups).toEqual([]);
  });
});

test('a large table of 200,000 routes of another program beside ours', { timeout: 240_000 }, async () => {
  const others = await NetlinkKernel.open({ netnsPath: ns.path });
  const bird = new Fib(others, {
    protocol: 12,
    table: 254,
    metric: 32,
    nextHopObjects: 'off',
    log: silentLogger,
    clock: systemClock,
  });
  try {
    await bird.start();
    const his = bird.nextHopSet([viaA(9)]);
    const octets = new Uint8Array(4);
    const each = (count: number, use: (octets: Uint8Array) => void): void => {
      for (let i = 0; i < count; i++) {
        octets.set([30 + (i >> 16), i >> 8, i, 0]);
        use(octets);
      }
    };
    const way = fib.openWay([viaB()]);
    each(200_000, (o) => bird.set(4, o, 24, his));
    // Beside his, under another metric, while his come; and his own metric for some.
    each(20_000, (o) => fib.set(4, o, 24, way));
    for (let i = 0; i < 1000; i++) {
      octets.set([30, i >> 8, i, 0]);
      fib.set(4, octets, 24, way, 'unicast', 32);
    }
    await bird.flush();
    await fib.flush();
    const held = bird.counters.installed;
    const { installed, conflicts, wanted } = fib.counters;
    expect(wanted).toBe(21_000);
    expect(installed + conflicts).toBe(wanted);
    expect(held + installed - 20_000).toBe(200_000); // a prefix and metric is his or ours
    fib.changeWay(way, [viaA()]);
    await fib.flush();
    expect((await fib.check()).filter(({ state }) => state !== 'conflict')).toEqual([]);
    expect(await fib.checkNextHops()).toEqual([]);
    expect(bird.counters.installed).toBe(held);
    each(20_000, (o) => fib.remove(4, o, 24));
    await bird.close({ keepRoutes: false });
    await waitFor('ours in the place of his', () => fib.counters.installed === 1000, 60_000);
    await fib.flush();
    expect(ns.lines('proto 12')).toEqual([]);
    expect(ns.routes(4, 'proto 177')).toHaveLength(1000);
    expect(new Set(ns.routes(4, 'proto 177').map((route) => route.dev))).toEqual(new Set(['ea']));
    await inStep();
  } finally {
    await others.close();
  }
});

test('a thread that dies is started again, and objects and routes are put right', async () => {
  const way = fib.openWay([viaA()]);
  setMany(500, way);
  await fib.flush();
  const words = new Int32Array(OP_WORDS);
  words.set([RouteOp.Add | (4 << 8) | (24 << 16), 0, 99_999]); // a target it was never told of
  await expect(kernel.apply({ protocol: OURS, table: 254, count: 1, words })).rejects.toThrow(KernelError);
  fib.changeWay(way, [viaB()]);
  set('2001:db8:1::/48', fib.openWay([viaB6()]));
  ns.ip('nexthop flush proto 177'); // nobody hears of it
  await waitFor(
    'all routes, the new way',
    () => {
      const routes = ns.routes(4, 'proto 177');
      return routes.length === 500 && routes.every((route) => route.gateway === '192.0.2.130');
    },
    20_000,
  );
  await waitFor('states', () => fib.counters.installed === 501);
  await inStep();
});

test('ten changes before the writer comes round cost one message', async () => {
  const way = fib.openWay([viaA()]);
  set('10.1.0.0/16', way);
  await fib.flush();
  for (let i = 0; i < 10; i++) {
    fib.changeWay(way, [viaB(130 + i)]);
    fib.changeWay(way, [viaA()]);
  }
  fib.changeWay(way, [viaB(140)]);
  await fib.flush();
  expect(fib.counters.wayChanges).toBe(1);
  expect(ns.ip('route show 10.1.0.0/16')).toContain('via 192.0.2.140');
  await inStep();
});

test('verdicts on objects lost with those on routes: the kernel is read, and all is put right', async () => {
  await fib.close({ keepRoutes: true });
  await kernel.close();
  kernel = await NetlinkKernel.open({ netnsPath: ns.path, writeBufferOctets: 4096 });
  fib = makeFib();
  await fib.start();
  const good = fib.openWay([viaA()]);
  const ways = Array.from({ length: 60 }, (_, i) => fib.openWay([{ gateway: ip(`198.51.100.${i + 1}`), ifIndex: a }]));
  for (let i = 0; i < 3000; i++) set(`10.${i >> 8}.${i & 255}.0/24`, i % 2 === 0 ? good : (ways[i % 60] ?? 0));
  await waitFor(
    'the good ones, and the verdict on the others',
    () => {
      const { installed, failed, pending } = fib.counters;
      return installed === 1500 && failed === 1500 && pending === 0;
    },
    20_000,
  );
  ns.ip('addr add 198.51.100.254/24 dev ea');
  await waitFor('all of them', () => fib.counters.installed === 3000, 20_000);
  await inStep();
});
