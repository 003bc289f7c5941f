import { formatPrefix, ip, prefix } from 'bgp-ts';
import { beforeEach, describe, expect, test } from 'vitest';
import { Fib, type FibRouteKind } from '../../../fib/fib.ts';
import { RouteOp } from '../../../fib/kernel.ts';
import { silentLogger } from '../../../lib/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeKernel } from '../../support/fake-kernel.ts';

const OURS = 177;
const STATIC = 4;
const BIRD = 12;

let clock: FakeClock;
let kernel: FakeKernel;
let fib: Fib;

function makeFib(): Fib {
  return new Fib(kernel, { protocol: OURS, table: 254, metric: 1024, log: silentLogger, clock });
}

beforeEach(() => {
  clock = new FakeClock();
  kernel = new FakeKernel();
  kernel.addLink(1);
  kernel.addLink(2);
  fib = makeFib();
});

/** Lets everything run that needs no more than `ms` of time. */
async function run(ms = 0): Promise<void> {
  for (let i = 0; i < 20; i++) {
    clock.advance(i === 10 ? ms : 0);
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  }
}

async function started(): Promise<Fib> {
  const done = fib.start();
  await run();
  await done;
  return fib;
}

function via(...gateways: string[]): number {
  return kernel.targets.intern(gateways.map((g) => ({ gateway: ip(g), ifIndex: 1 })));
}

function set(text: string, target: number, kind?: FibRouteKind, metric?: number): void {
  const { address, length } = prefix(text);
  fib.set(address.version, address.octets, length, target, kind, metric);
}

function remove(text: string, metric?: number): void {
  const { address, length } = prefix(text);
  fib.remove(address.version, address.octets, length, metric);
}

function ours(): string[] {
  return kernel.lines(OURS).map((line) => line.replace(' table 254 proto 177', '').replaceAll(',weight 1', ''));
}

function states(): Record<string, string> {
  return Object.fromEntries(fib.list().map((view) => [formatPrefix(view.prefix), view.state]));
}

describe('writing', () => {
  test('installs, changes and removes routes of both families', async () => {
    await started();
    set('10.1.0.0/16', via('192.0.2.1'));
    set('2001:db8:1::/48', via('fe80::1'));
    set('0.0.0.0/0', via('192.0.2.1', '192.0.2.2'));
    set('10.9.0.0/16', 0, 'blackhole', 4096);
    set('2001:db8:9::/48', 0, 'unreachable', 4096);
    await run();
    expect(ours()).toEqual([
      '0.0.0.0/0 metric 1024 via 192.0.2.1,dev 1 via 192.0.2.2,dev 1',
      '10.1.0.0/16 metric 1024 via 192.0.2.1,dev 1',
      '10.9.0.0/16 metric 4096 blackhole',
      '2001:db8:1::/48 metric 1024 via fe80::1,dev 1',
      '2001:db8:9::/48 metric 4096 unreachable',
    ]);
    set('10.1.0.0/16', via('192.0.2.2'));
    remove('2001:db8:1::/48');
    remove('10.9.0.0/16', 4096);
    await run();
    expect(ours()).toEqual([
      '0.0.0.0/0 metric 1024 via 192.0.2.1,dev 1 via 192.0.2.2,dev 1',
      '10.1.0.0/16 metric 1024 via 192.0.2.2,dev 1',
      '2001:db8:9::/48 metric 4096 unreachable',
    ]);
    expect(kernel.executed).toEqual({ Add: 5, Replace: 1, Delete: 2, Reclaim: 0, DeleteHops: 0 });
    expect(fib.counters).toMatchObject({ wanted: 3, installed: 3, adds: 5, replaces: 1, deletes: 2, refused: 0 });
  });

  test('lists the routes of one prefix, whatever their metric', async () => {
    await started();
    set('10.1.0.0/16', via('192.0.2.1'));
    set('10.1.0.0/16', 0, 'unreachable', 4096);
    set('10.1.0.0/17', via('192.0.2.1'));
    set('10.2.0.0/16', via('192.0.2.1'));
    set('2001:db8:1::/48', via('fe80::1'));
    await run();
    const of = (text: string) => fib.list(prefix(text)).map(({ metric, kind }) => `${metric} ${kind}`);
    expect(of('10.1.0.0/16').sort()).toEqual(['1024 unicast', '4096 unreachable']);
    expect(of('2001:db8:1::/48')).toEqual(['1024 unicast']);
    expect(of('10.3.0.0/16')).toEqual([]);
  });

  test('ten flaps before the writer comes round cost one write, and none when they cancel out', async () => {
    await started();
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    for (let i = 0; i < 10; i++) {
      remove('10.0.0.0/24');
      set('10.0.0.0/24', via(`192.0.2.${i + 2}`));
      remove('10.0.1.0/24');
      set('10.0.1.0/24', via('192.0.2.1'));
    }
    set('10.0.2.0/24', via('192.0.2.1'));
    remove('10.0.2.0/24');
    await run();
    expect(kernel.executed).toEqual({ Add: 2, Replace: 1, Delete: 0, Reclaim: 0, DeleteHops: 0 });
    expect(ours()).toEqual([
      '10.0.0.0/24 metric 1024 via 192.0.2.11,dev 1',
      '10.0.1.0/24 metric 1024 via 192.0.2.1,dev 1',
    ]);
  });

  test('changes made while a write is under way cost one more', async () => {
    await started();
    kernel.isManual = true;
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    expect(kernel.pendingJobs).toBe(1);
    for (let i = 2; i < 9; i++) {
      set('10.0.0.0/24', via(`192.0.2.${i}`));
      await run();
    }
    expect(kernel.pendingJobs).toBe(1);
    expect(states()).toEqual({ '10.0.0.0/24': 'pending' });
    kernel.isManual = false;
    kernel.step();
    kernel.answer();
    await run();
    expect(kernel.executed).toEqual({ Add: 1, Replace: 1, Delete: 0, Reclaim: 0, DeleteHops: 0 });
    expect(ours()).toEqual(['10.0.0.0/24 metric 1024 via 192.0.2.8,dev 1']);
  });

  test('one prefix may have a route and a discard route of worse metric', async () => {
    await started();
    set('10.0.0.0/24', via('192.0.2.1'));
    set('10.0.0.0/24', 0, 'blackhole', 4096);
    await run();
    remove('10.0.0.0/24');
    await run();
    expect(ours()).toEqual(['10.0.0.0/24 metric 4096 blackhole']);
  });

  test('flush waits for the kernel, not for refused routes', async () => {
    await started();
    kernel.unreachableGateways.add('192.0.2.9');
    kernel.isManual = true;
    set('10.0.0.0/24', via('192.0.2.1'));
    set('10.0.1.0/24', via('192.0.2.9'));
    let isDone = false;
    const flushed = fib.flush().then(() => {
      isDone = true;
    });
    await run();
    expect(isDone).toBe(false);
    kernel.step();
    kernel.answer();
    await run();
    await flushed;
    expect(states()).toEqual({ '10.0.0.0/24': 'installed', '10.0.1.0/24': 'failed' });
  });

  test('several batches, both families', async () => {
    await started();
    const target = via('192.0.2.1');
    for (let i = 0; i < 10_000; i++) fib.set(4, Uint8Array.of(10, i >> 8, i & 255, 0), 24, target);
    for (let i = 0; i < 5_000; i++) {
      const octets = new Uint8Array(16);
      octets.set([0x20, 1, i >> 8, i & 255]);
      fib.set(6, octets, 32, target);
    }
    await run();
    expect(fib.counters).toMatchObject({ wanted: 15_000, installed: 15_000 });
    expect(kernel.lines(OURS)).toHaveLength(15_000);
  });
});

describe('start, sweep, close', () => {
  test('adopts what survived and sweeps the rest once told', async () => {
    const target = via('192.0.2.1');
    for (const n of [1, 2, 3]) kernel.foreignAdd({ prefix: `10.0.${n}.0/24`, protocol: OURS, target });
    kernel.foreignAdd({ prefix: '10.0.4.0/24', protocol: STATIC, target });
    kernel.foreignAdd({ prefix: '10.0.5.0/24', protocol: OURS, target, table: 100 });
    set('10.0.1.0/24', target);
    await started();
    set('10.0.2.0/24', via('192.0.2.2'));
    await run();
    expect(states()).toEqual({
      '10.0.1.0/24': 'installed',
      '10.0.2.0/24': 'installed',
      '10.0.3.0/24': 'orphan',
    });
    expect(kernel.executed).toEqual({ Add: 0, Replace: 1, Delete: 0, Reclaim: 0, DeleteHops: 0 });
    expect(fib.counters).toMatchObject({ adopted: 3, orphans: 1, installed: 2 });
    fib.sweep();
    await run();
    expect(ours()).toEqual([
      '10.0.1.0/24 metric 1024 via 192.0.2.1,dev 1',
      '10.0.2.0/24 metric 1024 via 192.0.2.2,dev 1',
      '10.0.5.0/24 metric 1024 table 100 proto 177 via 192.0.2.1,dev 1',
    ]);
    expect(kernel.lines(STATIC)).toHaveLength(1);
  });

  test('an adopted route costs nothing even when the wanted hop names no interface', async () => {
    kernel.foreignAdd({ prefix: '10.0.1.0/24', protocol: OURS, target: via('192.0.2.1') });
    await started();
    set('10.0.1.0/24', kernel.targets.intern([{ gateway: ip('192.0.2.1') }]));
    await run();
    expect(states()).toEqual({ '10.0.1.0/24': 'installed' });
    expect(kernel.executed).toEqual({ Add: 0, Replace: 0, Delete: 0, Reclaim: 0, DeleteHops: 0 });
  });

  test('an orphan removed by somebody else is forgotten', async () => {
    kernel.foreignAdd({ prefix: '10.0.1.0/24', protocol: OURS, target: via('192.0.2.1') });
    await started();
    kernel.foreignDelete({ prefix: '10.0.1.0/24' });
    await run();
    expect(fib.list()).toEqual([]);
  });

  test('after the sweep a route that appears with our number is removed', async () => {
    await started();
    fib.sweep();
    kernel.foreignAdd({ prefix: '10.0.1.0/24', protocol: OURS, target: via('192.0.2.1') });
    await run();
    expect(ours()).toEqual([]);
  });

  test.each([true, false])('close, keepRoutes %s', async (keepRoutes) => {
    kernel.foreignAdd({ prefix: '10.0.1.0/24', protocol: OURS, target: via('192.0.2.1') });
    kernel.foreignAdd({ prefix: '10.0.2.0/24', protocol: STATIC, target: via('192.0.2.1') });
    await started();
    set('10.0.3.0/24', via('192.0.2.1'));
    await run();
    const closed = fib.close({ keepRoutes });
    await run();
    await closed;
    await fib.close({ keepRoutes });
    expect(ours()).toHaveLength(keepRoutes ? 2 : 0);
    expect(kernel.lines(STATIC)).toHaveLength(1);
    expect(clock.pendingCount).toBe(0);
    expect(kernel.isClosed).toBe(false);
  });

  test('start says so when the kernel cannot be read, and may be tried again', async () => {
    kernel.listError = new Error('no permission');
    const failing = expect(fib.start()).rejects.toThrow('no permission');
    await run();
    await failing;
    await started();
    expect(fib.counters.installed).toBe(0);
  });
});

describe('routes of others', () => {
  test('one with the same prefix and metric is a conflict until it goes', async () => {
    kernel.foreignAdd({ prefix: '10.0.0.0/24', protocol: BIRD, target: via('192.0.2.7') });
    await started();
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    expect(fib.list()).toMatchObject([{ state: 'conflict', error: { errno: 'EEXIST' } }]);
    expect(kernel.lines(BIRD)).toHaveLength(1);
    expect(fib.counters).toMatchObject({ conflicts: 1, installed: 0 });
    kernel.foreignDelete({ prefix: '10.0.0.0/24' });
    await run();
    expect(fib.list()).toMatchObject([{ state: 'installed' }]);
    expect(fib.list()[0]).not.toHaveProperty('error');
  });

  test('a conflict that nobody wants any more is forgotten', async () => {
    kernel.foreignAdd({ prefix: '10.0.0.0/24', protocol: BIRD, target: via('192.0.2.7') });
    await started();
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    remove('10.0.0.0/24');
    await run();
    expect(fib.list()).toEqual([]);
    expect(kernel.lines(BIRD)).toHaveLength(1);
  });

  test('another metric is no conflict', async () => {
    kernel.foreignAdd({ prefix: '10.0.0.0/24', metric: 20, protocol: BIRD, target: via('192.0.2.7') });
    await started();
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    expect(states()).toEqual({ '10.0.0.0/24': 'installed' });
  });

  test('what somebody deletes comes back at once', async () => {
    await started();
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    kernel.foreignDelete({ prefix: '10.0.0.0/24' });
    expect(ours()).toEqual([]);
    await run();
    expect(ours()).toEqual(['10.0.0.0/24 metric 1024 via 192.0.2.1,dev 1']);
    expect(fib.counters.foreignChanges).toBe(1);
  });

  test.each([
    ['heard before the answer', true],
    ['heard after the answer', false],
  ])('what somebody deletes right after it was written comes back (%s)', async (_name, isFirst) => {
    await started();
    kernel.isManual = true;
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    kernel.step();
    kernel.foreignDelete({ prefix: '10.0.0.0/24' });
    if (isFirst) kernel.deliver();
    kernel.answer();
    await run();
    kernel.deliver();
    kernel.isManual = false;
    while (kernel.step()) kernel.answer();
    await run();
    expect(ours()).toEqual(['10.0.0.0/24 metric 1024 via 192.0.2.1,dev 1']);
    expect(states()).toEqual({ '10.0.0.0/24': 'installed' });
  });

  test('what somebody replaces right after it was written is his, also when ours changes again', async () => {
    await started();
    kernel.isManual = true;
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    kernel.step();
    kernel.foreignReplace({ prefix: '10.0.0.0/24', protocol: STATIC, target: via('192.0.2.9') });
    kernel.deliver();
    set('10.0.0.0/24', via('192.0.2.2'));
    kernel.answer();
    kernel.isManual = false;
    await run();
    while (kernel.step()) kernel.answer();
    await run();
    expect(kernel.clobbered).toEqual([]);
    expect(states()).toEqual({ '10.0.0.0/24': 'conflict' });
  });

  test('what somebody replaces is his, until he takes it away', async () => {
    await started();
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    kernel.foreignReplace({ prefix: '10.0.0.0/24', protocol: STATIC, target: via('192.0.2.9') });
    await run();
    expect(states()).toEqual({ '10.0.0.0/24': 'conflict' });
    expect(kernel.lines(STATIC)).toHaveLength(1);
    kernel.foreignDelete({ prefix: '10.0.0.0/24' });
    await run();
    expect(ours()).toEqual(['10.0.0.0/24 metric 1024 via 192.0.2.1,dev 1']);
  });

  test('what somebody changes under our number is put right', async () => {
    await started();
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    kernel.foreignReplace({ prefix: '10.0.0.0/24', protocol: OURS, target: via('192.0.2.9') });
    await run();
    expect(ours()).toEqual(['10.0.0.0/24 metric 1024 via 192.0.2.1,dev 1']);
  });

  test.each([true, false])('one put beside ours survives our changes (seen only in the listing: %s)', async (isOld) => {
    const foreign = { prefix: '10.0.0.0/24', protocol: STATIC, target: via('192.0.2.9') };
    if (isOld) {
      kernel.foreignAdd({ prefix: '10.0.0.0/24', protocol: OURS, target: via('192.0.2.1') });
      kernel.foreignAppend(foreign, true);
    }
    await started();
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    if (!isOld) kernel.foreignAppend(foreign, true);
    await run();
    expect(states()).toEqual({ '10.0.0.0/24': 'installed' });
    set('10.0.0.0/24', via('192.0.2.2'));
    await run();
    expect(kernel.clobbered).toEqual([]);
    expect(kernel.lines(STATIC)).toHaveLength(1);
    expect(states()).toEqual({ '10.0.0.0/24': 'conflict' });
    kernel.foreignDelete({ prefix: '10.0.0.0/24', protocol: STATIC });
    await run();
    expect(ours()).toEqual(['10.0.0.0/24 metric 1024 via 192.0.2.2,dev 1']);
  });
});

describe('refusals', () => {
  test('a route whose gateway is not there goes in when something changes', async () => {
    await started();
    kernel.unreachableGateways.add('192.0.2.1');
    for (let i = 0; i < 100; i++) set(`10.0.${i}.0/24`, via('192.0.2.1'));
    await run();
    expect(fib.counters).toMatchObject({ failed: 100, installed: 0 });
    expect(fib.list()[0]?.error).toEqual({ errno: 'ENETUNREACH', text: 'ENETUNREACH: network is unreachable' });
    kernel.executed.Add = 0;
    kernel.addAddress(1, ip('198.51.100.1'), 24);
    await run(20);
    expect(kernel.executed.Add).toBe(1); // one probe for the hundred
    kernel.unreachableGateways.clear();
    kernel.addAddress(1, ip('192.0.2.100'), 24);
    await run(20);
    expect(fib.counters).toMatchObject({ failed: 0, installed: 100 });
  });

  test('and by the timer when nothing tells', async () => {
    await started();
    kernel.unreachableGateways.add('192.0.2.1');
    set('10.0.0.0/24', via('192.0.2.1'));
    await run(1000);
    await run(2000);
    expect(kernel.executed.Add).toBe(3);
    kernel.unreachableGateways.clear();
    await run(4000);
    expect(states()).toEqual({ '10.0.0.0/24': 'installed' });
  });

  test('a change that is refused takes the old route out', async () => {
    await started();
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    kernel.unreachableGateways.add('192.0.2.2');
    set('10.0.0.0/24', via('192.0.2.2'));
    await run();
    expect(ours()).toEqual([]);
    expect(states()).toEqual({ '10.0.0.0/24': 'failed' });
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    expect(ours()).toEqual(['10.0.0.0/24 metric 1024 via 192.0.2.1,dev 1']);
  });

  test('but not when the old next hops are among the new ones', async () => {
    await started();
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    kernel.unreachableGateways.add('192.0.2.2');
    set('10.0.0.0/24', via('192.0.2.1', '192.0.2.2'));
    await run();
    expect(ours()).toEqual(['10.0.0.0/24 metric 1024 via 192.0.2.1,dev 1']);
    expect(states()).toEqual({ '10.0.0.0/24': 'failed' });
    kernel.unreachableGateways.clear();
    kernel.addAddress(1, ip('192.0.2.100'), 24);
    await run(20);
    expect(ours()).toEqual(['10.0.0.0/24 metric 1024 via 192.0.2.1,dev 1 via 192.0.2.2,dev 1']);
  });

  test('a delete that is refused is tried again', async () => {
    await started();
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    kernel.fault = (op) => (op === RouteOp.Delete ? 1 : undefined);
    remove('10.0.0.0/24');
    await run();
    expect(ours()).toHaveLength(1);
    expect(states()).toEqual({ '10.0.0.0/24': 'failed' });
    kernel.fault = undefined;
    await run(1000);
    expect(ours()).toEqual([]);
    expect(fib.list()).toEqual([]);
  });

  test('lost answers: what happened is read from the kernel', async () => {
    await started();
    kernel.isNextUncertain = true;
    set('10.0.0.0/24', via('192.0.2.1'));
    set('10.0.1.0/24', via('192.0.2.1'));
    await run();
    expect(fib.counters).toMatchObject({ installed: 2, resyncs: 1, overflows: 1 });
    expect(kernel.executed).toEqual({ Add: 2, Replace: 0, Delete: 0, Reclaim: 0, DeleteHops: 0 });
    expect(ours()).toHaveLength(2);
  });

  test('lost notifications: the kernel is read again', async () => {
    await started();
    set('10.0.0.0/24', via('192.0.2.1'));
    set('10.0.1.0/24', via('192.0.2.1'));
    await run();
    kernel.isManual = true;
    kernel.foreignDelete({ prefix: '10.0.0.0/24' });
    kernel.isManual = false;
    kernel.overflow();
    await run();
    expect(ours()).toHaveLength(2);
    expect(fib.counters).toMatchObject({ overflows: 1, resyncs: 1, installed: 2 });
  });

  test('answers lost again and again: smaller batches, until they are heard', async () => {
    await started();
    let batches = 0;
    const apply = kernel.apply.bind(kernel);
    kernel.apply = (batch) => {
      batches++;
      if (batch.count > 20) kernel.isNextUncertain = true;
      return apply(batch);
    };
    kernel.unreachableGateways.add('192.0.2.9');
    for (let i = 0; i < 200; i++) set(`10.0.${i}.0/24`, via(i % 2 === 0 ? '192.0.2.1' : '192.0.2.9'));
    for (let i = 0; i < 60; i++) await run();
    expect(fib.counters).toMatchObject({ installed: 100, failed: 100, pending: 0 });
    expect(batches).toBeLessThan(60);
  });

  test('a kernel side that breaks down: nothing is written before it can be read again', async () => {
    await started();
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    kernel.applyError = new Error('thread ended');
    kernel.listError = new Error('thread ended');
    set('10.0.1.0/24', via('192.0.2.1'));
    await run();
    expect(states()).toEqual({ '10.0.0.0/24': 'installed', '10.0.1.0/24': 'pending' });
    kernel.applyError = undefined;
    remove('10.0.0.0/24');
    await run();
    expect(ours()).toEqual(['10.0.0.0/24 metric 1024 via 192.0.2.1,dev 1']);
    await run(1000);
    expect(ours()).toEqual(['10.0.1.0/24 metric 1024 via 192.0.2.1,dev 1']);
    expect(fib.counters).toMatchObject({ installed: 1, pending: 0 });
  });

  test('what was refused is shown as refused while it is tried again', async () => {
    await started();
    kernel.unreachableGateways.add('192.0.2.1');
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    kernel.isManual = true;
    await run(1000);
    expect(kernel.pendingJobs).toBe(1);
    expect(states()).toEqual({ '10.0.0.0/24': 'failed' });
    kernel.unreachableGateways.clear();
    kernel.step();
    kernel.answer();
    await run();
    expect(fib.list()[0]).toMatchObject({ state: 'installed' });
  });

  test('while notifications are lost a change spares whoever may stand there', async () => {
    await started();
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    kernel.isManual = true;
    kernel.foreignAppend({ prefix: '10.0.0.0/24', protocol: STATIC, target: via('192.0.2.9') }, true);
    kernel.isManual = false;
    kernel.overflow();
    kernel.listError = new Error('interrupted');
    set('10.0.0.0/24', via('192.0.2.2'));
    await run();
    expect(kernel.clobbered).toEqual([]);
    expect(kernel.lines(STATIC)).toHaveLength(1);
  });

  test('a listing that fails is tried again', async () => {
    await started();
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    kernel.isManual = true;
    kernel.foreignDelete({ prefix: '10.0.0.0/24' });
    kernel.isManual = false;
    kernel.listError = new Error('interrupted');
    kernel.overflow();
    await run();
    expect(ours()).toHaveLength(0);
    await run(1000);
    expect(ours()).toHaveLength(1);
  });
});

describe('links', () => {
  test('routes that vanish with their link come back with it', async () => {
    await started();
    set('10.0.0.0/24', via('192.0.2.1'));
    set('2001:db8::/32', via('fe80::1'));
    await run();
    kernel.setLink(1, false);
    expect(ours()).toEqual([]);
    await run(20);
    expect(states()).toEqual({ '10.0.0.0/24': 'failed', '2001:db8::/32': 'failed' });
    kernel.setLink(1, true);
    await run(20);
    expect(states()).toEqual({ '10.0.0.0/24': 'installed', '2001:db8::/32': 'installed' });
    expect(ours()).toHaveLength(2);
  });
});

describe('check', () => {
  test('names what is missing, different and unexpected, then puts right what it can', async () => {
    await started();
    fib.sweep();
    set('10.0.0.0/24', via('192.0.2.1'));
    set('10.0.1.0/24', via('192.0.2.1'));
    set('10.0.2.0/24', via('192.0.2.1'));
    await run();
    kernel.isManual = true; // nothing of this is heard
    kernel.foreignDelete({ prefix: '10.0.0.0/24' });
    kernel.foreignReplace({ prefix: '10.0.1.0/24', protocol: OURS, target: via('192.0.2.3') });
    kernel.foreignAdd({ prefix: '2001:db8::/32', protocol: OURS, target: via('fe80::1') });
    kernel.isManual = false;
    const checking = fib.check();
    await run();
    const found = (await checking).map(({ type, prefix, state }) => `${type} ${formatPrefix(prefix)} ${state}`);
    expect(found.sort()).toEqual([
      'different 10.0.1.0/24 installed',
      'missing 10.0.0.0/24 installed',
      'unexpected 2001:db8::/32 undefined',
    ]);
    await run();
    const again = fib.check();
    await run();
    expect(await again).toEqual([]);
    expect(ours()).toHaveLength(3);
  });

  test('a route that the kernel refuses is missing', async () => {
    await started();
    kernel.unreachableGateways.add('192.0.2.1');
    set('10.0.0.0/24', via('192.0.2.1'));
    await run();
    const checking = fib.check();
    await run();
    expect(await checking).toMatchObject([{ type: 'missing', state: 'failed', wanted: { kind: 'unicast' } }]);
  });
});
