import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { formatIp, formatPrefix, ip, prefix } from 'bgp-ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Fib, type FibNextHop, type FibRouteKind } from '../../fib/fib.ts';
import { KernelError, OP_WORDS, RouteOp } from '../../fib/kernel.ts';
import { NetlinkKernel } from '../../fib/netlink-kernel.ts';
import { NextHopTable } from '../../fib/next-hop-table.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { waitFor } from '../support/wait-for.ts';
import { Namespace } from './fib-namespace.ts';

const OURS = 177;

let ns: Namespace;
let kernel: NetlinkKernel;
let fib: Fib;
let a: number;
let b: number;
let children: ChildProcess[];

beforeEach(async () => {
  children = [];
  ns = new Namespace();
  a = ns.index('ea');
  b = ns.index('eb');
  kernel = await NetlinkKernel.open({ netnsPath: ns.path });
  fib = makeFib();
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  await fib.close({ keepRoutes: true });
  await kernel.close();
  ns.close();
});

function makeFib(table = 254): Fib {
  return new Fib(kernel, { protocol: OURS, table, metric: 1024, log: silentLogger, clock: systemClock });
}

function set(text: string, hops: readonly FibNextHop[], kind?: FibRouteKind, metric?: number): void {
  const { address, length } = prefix(text);
  fib.set(address.version, address.octets, length, hops.length === 0 ? 0 : fib.nextHopSet(hops), kind, metric);
}

function remove(text: string): void {
  const { address, length } = prefix(text);
  fib.remove(address.version, address.octets, length);
}

function states(): Record<string, string> {
  return Object.fromEntries(
    fib.list().map((view) => [formatPrefix(view.prefix), `${view.state}${view.error ? ` ${view.error.errno}` : ''}`]),
  );
}

const viaA = (host = 2): FibNextHop => ({ gateway: ip(`192.0.2.${host}`), ifIndex: a });
const viaB = (host = 130): FibNextHop => ({ gateway: ip(`192.0.2.${host}`), ifIndex: b });
const viaA6: () => FibNextHop = () => ({ gateway: ip('2001:db8:a::2'), ifIndex: a });
const viaB6: () => FibNextHop = () => ({ gateway: ip('2001:db8:b::2'), ifIndex: b });

describe('what is wanted is what `ip route` shows', () => {
  test('every kind of route, added, changed, removed', async () => {
    await fib.start();
    set('10.1.0.0/16', [viaA()]);
    set('10.2.0.0/16', [viaA(), { ...viaB(), weight: 3 }]);
    set('10.3.0.0/16', [{ gateway: ip('2001:db8:a::2'), ifIndex: a }]);
    set('10.4.0.0/16', [{ gateway: ip('fe80::2'), ifIndex: b }]);
    set('10.5.0.0/16', [{ ifIndex: b }]);
    set('10.6.0.0/16', [{ gateway: ip('203.0.113.1'), ifIndex: b, onlink: true }]);
    set('10.7.0.0/16', [], 'blackhole', 4096);
    set('0.0.0.0/0', [viaA()]);
    set('2001:db8:1::/48', [viaA6()]);
    set('2001:db8:2::/48', [viaA6(), { ...viaB6(), weight: 2 }]);
    set('2001:db8:3::/48', [{ gateway: ip('fe80::2'), ifIndex: a }]);
    set('2001:db8:4::/48', [], 'unreachable', 4096);
    set('::/0', [viaB6()]);
    await fib.flush();
    expect(Object.values(states()).filter((state) => state !== 'installed')).toEqual([]);
    expect(ns.lines('proto 177')).toEqual([
      '10.1.0.0/16 via 192.0.2.2 dev ea metric 1024',
      '10.2.0.0/16 via 192.0.2.130 dev eb weight 3 via 192.0.2.2 dev ea metric 1024',
      '10.3.0.0/16 via inet6 2001:db8:a::2 dev ea metric 1024',
      '10.4.0.0/16 via inet6 fe80::2 dev eb metric 1024',
      '10.5.0.0/16 dev eb metric 1024',
      '10.6.0.0/16 via 203.0.113.1 dev eb metric 1024',
      '2001:db8:1::/48 via 2001:db8:a::2 dev ea metric 1024',
      '2001:db8:2::/48 via 2001:db8:a::2 dev ea via 2001:db8:b::2 dev eb weight 2 metric 1024',
      '2001:db8:3::/48 via fe80::2 dev ea metric 1024',
      'blackhole 10.7.0.0/16 metric 4096',
      'default via 192.0.2.2 dev ea metric 1024',
      'default via 2001:db8:b::2 dev eb metric 1024',
      'unreachable 2001:db8:4::/48 metric 4096',
    ]);
    expect(await fib.check()).toEqual([]);

    set('10.1.0.0/16', [viaA(), viaB()]);
    set('10.2.0.0/16', [viaB()]);
    set('10.3.0.0/16', [], 'blackhole');
    set('2001:db8:1::/48', [viaA6(), viaB6()]);
    set('2001:db8:2::/48', [viaB6()]);
    set('2001:db8:3::/48', [], 'blackhole');
    for (const gone of ['10.4.0.0/16', '10.5.0.0/16', '10.6.0.0/16', '0.0.0.0/0', '::/0']) remove(gone);
    await fib.flush();
    expect(ns.lines('proto 177')).toEqual([
      '10.1.0.0/16 via 192.0.2.130 dev eb via 192.0.2.2 dev ea metric 1024',
      '10.2.0.0/16 via 192.0.2.130 dev eb metric 1024',
      '2001:db8:1::/48 via 2001:db8:a::2 dev ea via 2001:db8:b::2 dev eb metric 1024',
      '2001:db8:2::/48 via 2001:db8:b::2 dev eb metric 1024',
      'blackhole 10.3.0.0/16 metric 1024',
      'blackhole 10.7.0.0/16 metric 4096',
      'blackhole 2001:db8:3::/48 metric 1024',
      'unreachable 2001:db8:4::/48 metric 4096',
    ]);
    expect(await fib.check()).toEqual([]);
    await fib.close({ keepRoutes: false });
    expect(ns.lines('proto 177')).toEqual([]);
  });

  test('in a table of its own', async () => {
    fib = makeFib(10_001);
    await fib.start();
    set('10.1.0.0/16', [viaA()]);
    set('2001:db8:1::/48', [viaA6()]);
    await fib.flush();
    expect(ns.lines('table 10001')).toHaveLength(2);
    expect(ns.lines('proto 177')).toEqual([]);
    ns.ip('route del 10.1.0.0/16 table 10001');
    await waitFor('the route to come back', () => ns.lines('table 10001').length === 2);
    expect(await fib.check()).toEqual([]);
  });

  test('50,000 routes', async () => {
    await fib.start();
    const target = fib.nextHopSet([viaA()]);
    const other = fib.nextHopSet([viaA(3)]);
    const octets = new Uint8Array(4);
    const each = (use: (octets: Uint8Array) => void) => {
      for (let i = 0; i < 50_000; i++) {
        octets.set([20 + (i >> 16), i >> 8, i, 0]);
        use(octets);
      }
    };
    const timed = async (use: (octets: Uint8Array) => void): Promise<number> => {
      const from = performance.now();
      each(use);
      await fib.flush();
      return performance.now() - from;
    };
    const add = await timed((o) => fib.set(4, o, 24, target));
    expect(ns.routes(4, 'proto 177')).toHaveLength(50_000);
    const replace = await timed((o) => fib.set(4, o, 24, other));
    expect(new Set(ns.routes(4, 'proto 177').map((route) => route.gateway))).toEqual(new Set(['192.0.2.3']));
    expect(await fib.check()).toEqual([]);
    const drop = await timed((o) => fib.remove(4, o, 24));
    expect(ns.routes(4, 'proto 177')).toEqual([]);
    expect(fib.list()).toEqual([]);
    if (process.env['FIB_TIMES']) console.log({ add, replace, drop });
    expect(Math.max(add, replace, drop)).toBeLessThan(5000);
  });
});

describe('foreign routes', () => {
  test('beside ours are never touched', async () => {
    ns.ip('route add 10.1.0.0/16 via 192.0.2.9 proto static metric 1024');
    ns.ip('-6 route add 2001:db8:1::/48 via 2001:db8:a::9 proto bird metric 1024');
    ns.ip('route add 10.2.0.0/16 via 192.0.2.9 proto bird metric 20');
    ns.ip('route add 10.3.0.0/16 via 192.0.2.9 proto static');
    const foreign = [...ns.lines('proto static'), ...ns.lines('proto bird')];
    await fib.start();
    for (const n of [1, 2, 3]) set(`10.${n}.0.0/16`, [viaA()]);
    set('2001:db8:1::/48', [viaA6()]);
    await fib.flush();
    expect(states()).toEqual({
      '10.1.0.0/16': 'conflict EEXIST',
      '10.2.0.0/16': 'installed',
      '10.3.0.0/16': 'installed',
      '2001:db8:1::/48': 'conflict EEXIST',
    });
    expect(await fib.check()).toMatchObject([
      { type: 'missing', state: 'conflict' },
      { type: 'missing', state: 'conflict' },
    ]);
    for (const n of [1, 2, 3]) set(`10.${n}.0.0/16`, [viaB()]);
    set('2001:db8:1::/48', [viaB6()]);
    await fib.flush();
    for (const n of [2, 3]) remove(`10.${n}.0.0/16`);
    await fib.flush();
    expect([...ns.lines('proto static'), ...ns.lines('proto bird')]).toEqual(foreign);

    ns.ip('route del 10.1.0.0/16 proto static');
    ns.ip('-6 route del 2001:db8:1::/48 proto bird');
    await waitFor('both conflicts to end', () => ns.lines('proto 177').length === 2);
    await fib.close({ keepRoutes: false });
    expect(ns.lines('proto 177')).toEqual([]);
    expect([...ns.lines('proto static'), ...ns.lines('proto bird')]).toEqual(
      foreign.filter((line) => !line.startsWith('10.1.') && !line.startsWith('2001:')),
    );
  });

  test('put before ours under the same metric survives a change of ours', async () => {
    await fib.start();
    set('10.1.0.0/16', [viaA()]);
    await fib.flush();
    ns.ip('route prepend 10.1.0.0/16 via 192.0.2.9 proto static metric 1024');
    ns.ip('route add 10.99.0.0/16 via 192.0.2.9 proto static'); // heard after the other one
    ns.ip('route del 10.99.0.0/16 via 192.0.2.9 proto static');
    await fib.check();
    set('10.1.0.0/16', [viaB()]);
    await fib.flush();
    expect(ns.lines('proto static')).toEqual(['10.1.0.0/16 via 192.0.2.9 dev ea metric 1024']);
    expect(states()).toEqual({ '10.1.0.0/16': 'conflict EEXIST' });
    ns.ip('route del 10.1.0.0/16 proto static');
    await waitFor('ours to come back', () => ns.lines('proto 177').length === 1);
    expect(ns.lines('proto 177')).toEqual(['10.1.0.0/16 via 192.0.2.130 dev eb metric 1024']);
  });

  test.each([
    ['10.1.0.0/16', 'route', 'via 192.0.2.9'],
    ['2001:db8:1::/48', '-6 route', 'via 2001:db8:a::9'],
  ])('in the place of ours (%s) is left there, and ours comes back after it', async (dst, command, via) => {
    await fib.start();
    set(dst, [dst.includes(':') ? viaA6() : viaA()]);
    await fib.flush();
    ns.ip(`${command} replace ${dst} ${via} proto static metric 1024`);
    await waitFor('the conflict to be seen', () => states()[dst] === 'conflict EEXIST');
    expect(ns.lines('proto static')).toHaveLength(1);
    ns.ip(`${command} del ${dst} proto static`);
    await waitFor('ours to come back', () => ns.lines('proto 177').length === 1);
  });

  test('what somebody deletes comes back', async () => {
    await fib.start();
    set('10.1.0.0/16', [viaA(), viaB()]);
    set('2001:db8:1::/48', [viaA6(), viaB6()]);
    await fib.flush();
    const before = ns.lines('proto 177');
    ns.ip('route del 10.1.0.0/16');
    ns.ip('-6 route del 2001:db8:1::/48');
    await waitFor('both to come back', () => ns.lines('proto 177').length === 2);
    expect(ns.lines('proto 177')).toEqual(before);
    ns.ip('route flush proto 177');
    ns.ip('-6 route flush proto 177');
    await waitFor('both to come back', () => ns.lines('proto 177').length === 2);
    ns.ip('-6 route del 2001:db8:1::/48 via 2001:db8:a::2');
    await waitFor('the missing next hop', () => ns.lines('proto 177').join() === before.join());
    await fib.flush();
    expect(await fib.check()).toEqual([]);
  });
});

describe('links and gateways', () => {
  test('a link down takes its routes, a link up brings them back', async () => {
    await fib.start();
    set('10.1.0.0/16', [viaA()]);
    set('10.2.0.0/16', [viaB()]);
    set('2001:db8:1::/48', [viaA6()]);
    set('2001:db8:2::/48', [viaB6()]);
    await fib.flush();
    const before = ns.lines('proto 177');
    ns.ip('link set ea down');
    await waitFor('two failed routes', () => fib.counters.failed === 2);
    expect(ns.lines('proto 177')).toHaveLength(2);
    expect(states()).toMatchObject({ '10.2.0.0/16': 'installed', '2001:db8:2::/48': 'installed' });
    ns.up('ea');
    await waitFor('all routes', () => ns.lines('proto 177').join() === before.join());
    await waitFor('states', () => fib.counters.installed === 4);
    expect(await fib.check()).toEqual([]);
  });

  test('of two ways the one that is up stays, and both are there in the end', async () => {
    await fib.start();
    set('10.1.0.0/16', [viaA(), viaB()]);
    set('2001:db8:1::/48', [viaA6(), viaB6()]);
    await fib.flush();
    const before = ns.lines('proto 177');
    ns.ip('link set ea down');
    await waitFor('the notice', () => fib.counters.resyncs > 0);
    await fib.flush();
    expect(ns.ip('route get 10.1.0.1')).toContain('dev eb');
    expect(ns.ip('-6 route get 2001:db8:1::1')).toContain('dev eb');
    ns.up('ea');
    await waitFor('both ways', () => ns.lines('proto 177').join() === before.join());
    await waitFor('states', () => fib.counters.installed === 2);
    expect(await fib.check()).toEqual([]);
  });

  test('a link that is deleted and made again', async () => {
    await fib.start();
    set('10.1.0.0/16', [{ gateway: ip('192.0.2.2') }]);
    await fib.flush();
    ns.ip('link del ea');
    await waitFor('the failure', () => fib.counters.failed === 1);
    ns.ip('link add ea type veth peer name ea2');
    ns.up('ea');
    await waitFor('the route', () => ns.lines('proto 177').length === 1);
  });

  test('a gateway that is not there, then appears', async () => {
    await fib.start();
    for (let i = 0; i < 300; i++)
      set(`10.1.${i & 255}.${(i >> 8) << 7}/25`, [{ gateway: ip('198.51.100.2'), ifIndex: b }]);
    set('2001:db8:1::/48', [{ gateway: ip('2001:db8:c::2'), ifIndex: b }]);
    await fib.flush();
    expect(fib.counters).toMatchObject({ failed: 301, installed: 0 });
    expect(states()['10.1.7.0/25']).toBe('failed ENETUNREACH');
    ns.ip('addr add 198.51.100.1/24 dev eb');
    ns.ip('-6 addr add 2001:db8:c::1/64 dev eb nodad');
    await waitFor('all of them', () => fib.counters.installed === 301);
    expect(ns.lines('proto 177')).toHaveLength(301);
  });
});

test('adopts the routes of an earlier run, changes what changed, sweeps the rest', async () => {
  await fib.start();
  set('10.1.0.0/16', [viaA()]);
  set('10.2.0.0/16', [viaA(), viaB()]);
  set('10.3.0.0/16', [viaA()]);
  set('2001:db8:1::/48', [viaA6(), viaB6()]);
  set('2001:db8:2::/48', [], 'blackhole', 4096);
  await fib.flush();
  await fib.close({ keepRoutes: true });
  const before = ns.lines('proto 177');
  expect(before).toHaveLength(5);

  fib = makeFib();
  await fib.start();
  expect(fib.counters).toMatchObject({ adopted: 5, orphans: 5 });
  set('10.1.0.0/16', [viaA()]);
  set('10.2.0.0/16', [viaA(), viaB()]);
  set('2001:db8:1::/48', [viaA6(), viaB6()]);
  set('2001:db8:2::/48', [], 'blackhole', 4096);
  await fib.flush();
  expect(fib.counters).toMatchObject({ adds: 0, replaces: 0, deletes: 0, orphans: 1 });
  fib.sweep();
  await fib.flush();
  expect(ns.lines('proto 177')).toEqual(before.filter((line) => !line.startsWith('10.3.')));
});

/** A started `fib-process.ts`. */
interface Started {
  readonly child: ChildProcess;
  /** Its exit code; null when it was killed. */
  readonly ended: Promise<number | null>;
}

/** Starts `fib-process.ts` under plain node and waits until its routes are in. */
async function startProcess(...args: string[]): Promise<Started> {
  const script = new URL('./fib-process.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, ns.path, '192.0.2.2', String(a), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] },
  });
  children.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  let code: number | null | undefined;
  const ended = once(child, 'exit').then(([exitCode]) => {
    code = exitCode as number | null;
    return code;
  });
  await waitFor('the process', () => code !== undefined || output.includes('installed'), 30_000);
  if (!output.includes('installed')) throw new Error(`the process ended with ${code}: ${output}`);
  return { child, ended };
}

test('kill -9: the routes stay, the next run adopts them without a write, and sweeps', async () => {
  const { child, ended } = await startProcess('2000');
  child.kill('SIGKILL');
  await ended;
  expect(ns.routes(4, 'proto 177')).toHaveLength(2000);
  const writes = await ns.monitor();
  await fib.start();
  expect(fib.counters).toMatchObject({ adopted: 2000, orphans: 2000 });
  const target = fib.nextHopSet([viaA()]);
  for (let i = 0; i < 1990; i++) fib.set(4, Uint8Array.of(10, i >> 8, i & 255, 0), 24, target);
  await fib.flush();
  expect(fib.counters).toMatchObject({ adds: 0, replaces: 0, deletes: 0, installed: 1990, orphans: 10 });
  fib.sweep();
  await fib.flush();
  expect(ns.routes(4, 'proto 177')).toHaveLength(1990);
  expect(fib.counters.deletes).toBe(10);
  const lines = await writes.stop();
  expect(lines.filter((line) => line.startsWith('Deleted'))).toHaveLength(10);
  expect(lines).toHaveLength(10);
});

test('a process that closes everything ends by itself', async () => {
  const { ended } = await startProcess('10', 'exit');
  expect(await ended).toBe(0);
  expect(ns.routes(4, 'proto 177')).toHaveLength(10);
});

test('next hops follow links and routes of the kernel', async () => {
  const table = new NextHopTable(kernel, { table: 254, ownProtocols: [OURS] });
  await table.start();
  const told: string[] = [];
  table.onChange((address, ifIndex) => told.push(`${formatIp(address)}${ifIndex === undefined ? '' : `%${ifIndex}`}`));
  const at = (address: string, ifIndex?: number): string => {
    const answer = table.resolve(ip(address), ifIndex);
    if (!answer.reachable) return 'no';
    return `${table.linkName(answer.ifIndex)} ${answer.gateway ? formatIp(answer.gateway) : 'on link'} ${answer.metric}`;
  };
  expect(at('192.0.2.2')).toBe('ea on link 0');
  expect(at('192.0.2.1')).toBe('no');
  expect(at('2001:db8:b::2')).toBe('eb on link 0');
  expect(at('2001:db8:b::1')).toBe('no');
  expect(at('fe80::2', b)).toBe('eb on link 0');
  expect(at('fe80::2')).toBe('no');
  expect(at('203.0.113.1')).toBe('no');
  expect(table.linkIndex('eb')).toBe(b);

  ns.ip('route add 203.0.113.0/24 via 192.0.2.130 proto ospf metric 20');
  await waitFor('the static route', () => at('203.0.113.1') === 'eb 192.0.2.130 20');
  expect(told).toContain('203.0.113.1');

  // A more specific route of ours to the same place does not count.
  await fib.start();
  set('203.0.113.0/28', [viaA()]);
  await fib.flush();
  ns.ip('route add 203.0.113.128/25 via 192.0.2.2 proto ospf');
  await waitFor('a later change', () => at('203.0.113.200') === 'ea 192.0.2.2 0');
  expect(at('203.0.113.1')).toBe('eb 192.0.2.130 20');

  ns.ip('link set eb down');
  await waitFor('the link to be down', () => at('203.0.113.1') === 'no' && at('fe80::2', b) === 'no');
  expect(told).toContain(`fe80::2%${b}`);
  ns.up('eb');
  await waitFor('the link to be back', () => at('2001:db8:b::2') === 'eb on link 0');
  expect(at('203.0.113.1')).toBe('no'); // the kernel dropped the route with the link
  table.close();
});

test('notifications lost by the thousand: the kernel is read again', async () => {
  await fib.close({ keepRoutes: true });
  await kernel.close();
  kernel = await NetlinkKernel.open({ netnsPath: ns.path, watchBufferOctets: 4096 });
  fib = makeFib();
  await fib.start();
  for (let i = 0; i < 5000; i++) set(`10.${i >> 8}.${i & 255}.0/24`, [viaA()]);
  await fib.flush();
  expect(ns.routes(4, 'proto 177')).toHaveLength(5000);
  await waitFor('lost notifications', () => {
    ns.ip('route flush proto 177');
    return fib.counters.overflows > 0;
  });
  await waitFor('all of them again', () => ns.routes(4, 'proto 177').length === 5000);
  await fib.flush();
  expect(await fib.check()).toEqual([]);
});

test('verdicts lost by the thousand: the kernel is read again', async () => {
  await fib.close({ keepRoutes: true });
  await kernel.close();
  kernel = await NetlinkKernel.open({ netnsPath: ns.path, writeBufferOctets: 4096 });
  fib = makeFib();
  await fib.start();
  for (let i = 0; i < 3000; i++) {
    const gateway = i % 2 === 0 ? '192.0.2.2' : '198.51.100.2'; // the second one is not there
    set(`10.${i >> 8}.${i & 255}.0/24`, [{ gateway: ip(gateway), ifIndex: a }]);
  }
  await waitFor('the good ones, and the verdict on the others', () => {
    const { installed, failed, pending } = fib.counters;
    return installed === 1500 && failed === 1500 && pending === 0;
  });
  expect(fib.counters.overflows).toBeGreaterThan(0);
  expect(ns.routes(4, 'proto 177')).toHaveLength(1500);
  ns.ip('addr add 198.51.100.1/24 dev ea');
  await waitFor('all of them', () => fib.counters.installed === 3000, 20_000);
  expect(ns.routes(4, 'proto 177')).toHaveLength(3000);
});

test('a link that vanishes in the middle of a batch', async () => {
  await fib.start();
  const ways = [fib.nextHopSet([viaA()]), fib.nextHopSet([viaB()]), fib.nextHopSet([viaA(), viaB()])];
  const octets = new Uint8Array(4);
  for (let i = 0; i < 30_000; i++) {
    octets.set([20, i >> 8, i & 255, 0]);
    fib.set(4, octets, 24, ways[i % 3] ?? 0);
  }
  await waitFor('the first of them', () => fib.counters.adds > 0, 10_000, 1);
  ns.ip('link del ea');
  await fib.flush();
  await waitFor('the dust to settle', () => {
    const { installed, failed, pending } = fib.counters;
    return pending === 0 && installed === 10_000 && failed === 20_000;
  });
  const differences = await fib.check();
  expect(differences.filter(({ state }) => state !== 'failed')).toEqual([]);
  ns.ip('link add ea type veth peer name ea2');
  ns.up('ea');
  // The new link has another index, as the RIB would find out.
  const index = ns.index('ea');
  const again = [
    fib.nextHopSet([{ gateway: ip('192.0.2.2'), ifIndex: index }]),
    ways[1] ?? 0,
    fib.nextHopSet([{ gateway: ip('192.0.2.2'), ifIndex: index }, viaB()]),
  ];
  for (let i = 0; i < 30_000; i++) {
    octets.set([20, i >> 8, i & 255, 0]);
    fib.set(4, octets, 24, again[i % 3] ?? 0);
  }
  await fib.flush();
  expect(await fib.check()).toEqual([]);
  expect(ns.routes(4, 'proto 177')).toHaveLength(30_000);
});

test('a full table of another program beside ours, coming and going', async () => {
  await kernel.close();
  kernel = await NetlinkKernel.open({ netnsPath: ns.path, watchBufferOctets: 256 * 1024 });
  fib = makeFib();
  await fib.start();
  const foreign = Array.from(
    { length: 40_000 },
    (_, i) => `30.${i >> 8}.${i & 255}.0/24 via 192.0.2.9 proto bird metric 1024`,
  );
  const coming = ns.batch(foreign.map((route) => `route add ${route}`));
  for (let i = 0; i < 5000; i++) set(`30.${i >> 8}.${i & 255}.0/25`, [viaA()]);
  for (let i = 0; i < 500; i++) set(`30.0.${i & 255}.0/24`, [viaB()]); // the same as some of his
  await coming;
  const heldByHim = new Set(ns.lines('proto bird'));
  await fib.flush();
  for (let i = 0; i < 256; i++) set(`30.0.${i}.0/24`, [viaA()]);
  await fib.flush();
  const { installed, conflicts, wanted } = fib.counters;
  expect(installed + conflicts).toBe(wanted);
  expect(heldByHim.size + fib.list().filter((v) => v.prefix.length === 24 && v.state === 'installed').length).toBe(
    40_000,
  );
  expect(new Set(ns.lines('proto bird'))).toEqual(heldByHim);
  expect((await fib.check()).filter(({ state }) => state !== 'conflict')).toEqual([]);

  await ns.batch([...heldByHim].map((line) => `route del ${line.split(' ')[0]} proto bird`));
  await waitFor('ours in the place of his', () => fib.counters.installed === wanted, 20_000);
  expect(ns.routes(4, 'proto bird')).toEqual([]);
  expect(await fib.check()).toEqual([]);
});

test('an IPv6 route that somebody joins to ours stays when ours goes', async () => {
  await fib.start();
  set('2001:db8:1::/48', [viaA6()]);
  await fib.flush();
  ns.ip('-6 route append 2001:db8:1::/48 via 2001:db8:b::9 proto static metric 1024');
  await fib.check();
  await fib.flush();
  set('2001:db8:1::/48', [viaB6()]);
  await fib.flush();
  await fib.check();
  await fib.flush();
  expect(ns.ip('-6 route show 2001:db8:1::/48')).toContain('via 2001:db8:b::9');
  expect(states()).toEqual({ '2001:db8:1::/48': 'conflict EEXIST' });
  ns.ip('-6 route del 2001:db8:1::/48 via 2001:db8:b::9');
  await waitFor('ours to be alone', () => states()['2001:db8:1::/48'] === 'installed');
  expect(ns.lines('proto 177')).toEqual(['2001:db8:1::/48 via 2001:db8:b::2 dev eb metric 1024']);
});

test('a thread that dies is started again, and everything is put right', async () => {
  await fib.start();
  set('10.1.0.0/16', [viaA()]);
  await fib.flush();
  const words = new Int32Array(OP_WORDS);
  words.set([RouteOp.Add | (4 << 8) | (24 << 16), 0, 99_999]);
  await expect(kernel.apply({ protocol: OURS, table: 254, count: 1, words })).rejects.toThrow(KernelError);
  set('10.2.0.0/16', [viaA()]);
  ns.ip('route del 10.1.0.0/16');
  await waitFor('both routes', () => ns.lines('proto 177').length === 2);
  await fib.flush();
  expect(await fib.check()).toEqual([]);
  ns.ip('route del 10.2.0.0/16');
  await waitFor('notifications of the new thread', () => ns.lines('proto 177').length === 2);
});

test('what cannot be opened is an error, and nothing stays behind', async () => {
  await expect(NetlinkKernel.open({ netnsPath: '/run/netns/there-is-none' })).rejects.toMatchObject({
    detail: { code: 'refused', errno: 'ENOENT' },
  });
});
