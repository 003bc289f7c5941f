import { ip, prefix } from 'bgp-ts';
import { beforeEach, describe, expect, test } from 'vitest';
import { Fib, type FibNextHop } from '../../../fib/fib.ts';
import type { KernelNextHop, NextHopOperation, NextHopResult } from '../../../fib/kernel.ts';
import type { Logger } from '../../../lib/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeKernel } from '../../support/fake-kernel.ts';

/** A fake kernel that keeps nexthop objects, and refuses on request. */
class ObjectKernel extends FakeKernel {
  readonly objects = new Map<number, KernelNextHop>();
  /** Messages, as `add 2969567233` words. */
  readonly said: string[] = [];
  refuse: ((operation: NextHopOperation) => number) | undefined;

  override applyNextHops(operations: readonly NextHopOperation[]): Promise<NextHopResult> {
    const errnos = operations.map((operation) => {
      const id = operation.op === 'delete' ? operation.id : operation.nextHop.id;
      this.said.push(`${operation.op} ${id - 177 * 2 ** 24}`);
      const errno = this.refuse?.(operation) ?? 0;
      if (errno !== 0) return errno;
      if (operation.op === 'delete') this.objects.delete(id);
      else if (operation.op === 'add' && this.objects.has(id)) return 17;
      else {
        const { nextHop } = operation;
        if (nextHop.type === 'group' && !nextHop.members.every((member) => this.objects.has(member.id))) return 22;
        this.objects.set(id, nextHop);
      }
      return 0;
    });
    return Promise.resolve({ errnos, uncertain: false });
  }

  override listNextHops(): Promise<readonly KernelNextHop[]> {
    return Promise.resolve([...this.objects.values()]);
  }
}

let clock: FakeClock;
let logged: string[];
let log: Logger;

beforeEach(() => {
  clock = new FakeClock();
  logged = [];
  const write = (event: string, fields?: object): void => void logged.push(`${event} ${JSON.stringify(fields ?? {})}`);
  log = { debug: () => {}, info: write, warn: write, error: write, child: () => log } as unknown as Logger;
});

async function run(ms = 0): Promise<void> {
  for (let i = 0; i < 20; i++) {
    clock.advance(i === 10 ? ms : 0);
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  }
}

async function started(kernel: FakeKernel, nextHopObjects: 'auto' | 'off' = 'auto'): Promise<Fib> {
  kernel.addLink(1);
  const fib = new Fib(kernel, { protocol: 177, table: 254, metric: 1024, nextHopObjects, log, clock });
  const done = fib.start();
  await run();
  await done;
  return fib;
}

const via = (...hosts: number[]): FibNextHop[] => hosts.map((host) => ({ gateway: ip(`192.0.2.${host}`), ifIndex: 1 }));

function set(fib: Fib, text: string, way: number): void {
  const { address, length } = prefix(text);
  fib.set(address.version, address.octets, length, way);
}

describe('without nexthop objects', () => {
  test('a kernel that has none: said once, and routes carry gateways', async () => {
    const kernel = new FakeKernel();
    const fib = await started(kernel);
    const way = fib.openWay(via(1));
    const other = fib.openWay(via(9));
    for (let i = 0; i < 50; i++) set(fib, `10.0.${i}.0/24`, way);
    set(fib, '10.1.0.0/24', other);
    await run();
    fib.changeWay(way, via(2, 3));
    await run();
    expect(kernel.executed).toMatchObject({ Add: 51, Replace: 50, Delete: 0 });
    expect(kernel.lines(177).filter((line) => line.includes('192.0.2.2,') && line.includes('192.0.2.3,'))).toHaveLength(
      50,
    );
    kernel.overflow();
    await run(1000);
    expect(logged.filter((line) => line.startsWith('nexthop objects off'))).toEqual([
      'nexthop objects off {"reason":"the kernel has none"}',
    ]);
    expect(await check(fib)).toEqual([[], []]);
  });

  test('switched off by configuration: the kernel is not asked to keep any', async () => {
    const kernel = new ObjectKernel();
    const fib = await started(kernel, 'off');
    set(fib, '10.1.0.0/24', fib.openWay(via(1)));
    await run();
    expect(kernel.said).toEqual([]);
    expect(fib.counters.installed).toBe(1);
    expect(logged.filter((line) => line.startsWith('nexthop objects off'))).toEqual([
      'nexthop objects off {"reason":"configured"}',
    ]);
  });
});

async function check(fib: Fib): Promise<unknown[]> {
  const both = Promise.all([fib.check(), fib.checkNextHops()]);
  await run();
  return both;
}

describe('with nexthop objects', () => {
  let kernel: ObjectKernel;
  let fib: Fib;

  beforeEach(async () => {
    kernel = new ObjectKernel();
    fib = await started(kernel);
  });

  test('ten flaps cost one message, and none when they cancel out', async () => {
    const way = fib.openWay(via(1));
    const other = fib.openWay(via(2));
    set(fib, '10.1.0.0/24', way);
    await run();
    expect(kernel.said).toEqual(['add 3', 'add 1', 'add 4', 'add 2']);
    kernel.said.length = 0;
    for (let i = 0; i < 10; i++) {
      fib.changeWay(way, via(2));
      fib.changeWay(way, via(1));
      fib.changeWay(other, via(1));
    }
    await run();
    expect(kernel.said).toEqual(['replace 2']);
    expect(kernel.executed).toMatchObject({ Add: 1, Replace: 0, Delete: 0 });
  });

  test('a route on its way to one set of next hops that is wanted over a new one gets there, whoever is first', async () => {
    const one = fib.openWay(via(1));
    set(fib, '10.1.0.0/24', one);
    clock.advance(0); // told, and not answered yet
    const two = fib.openWay(via(1, 2));
    set(fib, '10.1.0.0/24', two);
    fib.closeWay(one);
    // The answer comes before the new next hops had their turn.
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    await run();
    expect(fib.counters).toMatchObject({ installed: 1, pending: 0 });
    expect(await check(fib)).toEqual([[], []]);
  });

  test('a gateway that is refused is left out, tried again with a change of the machine, and by a timer', async () => {
    kernel.refuse = (operation) => {
      const isBad =
        operation.op !== 'delete' &&
        operation.nextHop.type === 'single' &&
        operation.nextHop.hop.gateway?.octets[3] === 2;
      return isBad ? 101 : 0;
    };
    const way = fib.openWay(via(1, 2));
    const dead = fib.openWay(via(2));
    set(fib, '10.1.0.0/24', way);
    set(fib, '10.2.0.0/24', dead);
    await run();
    expect(
      fib
        .list()
        .map(({ state, error }) => `${state} ${error?.errno ?? ''}`)
        .sort(),
    ).toEqual(['failed ENETUNREACH', 'installed ']);
    expect((await check(fib))[1]).toMatchObject([{ type: 'different' }, { type: 'missing' }]);
    kernel.refuse = undefined;
    kernel.addLink(2);
    await run(50);
    expect(fib.counters).toMatchObject({ installed: 2, failed: 0 });
    expect(await check(fib)).toEqual([[], []]);
  });

  test('refused for a while: the timer is enough', async () => {
    kernel.refuse = () => 100;
    set(fib, '10.1.0.0/24', fib.openWay(via(1)));
    await run();
    expect(fib.counters.failed).toBe(1);
    kernel.refuse = undefined;
    await run(1000);
    expect(fib.counters).toMatchObject({ installed: 1, failed: 0 });
  });

  test('an id that somebody took is passed over', async () => {
    const id = 177 * 2 ** 24;
    for (const n of [2, 3]) kernel.objects.set(id + n, { type: 'other', id: id + n, protocol: 4 });
    const way = fib.openWay(via(1)); // 1 for the way, 2 for its gateway
    set(fib, '10.1.0.0/24', way);
    await run();
    expect(fib.counters.installed).toBe(1);
    expect(kernel.objects.get(id + 2)?.protocol).toBe(4);
    expect(kernel.objects.get(id + 3)?.protocol).toBe(4);
    expect(kernel.said).not.toContain('delete 2');
  });

  test('whoever wants the impossible hears of it', () => {
    expect(() => fib.openWay([])).toThrow(RangeError);
    expect(() => fib.changeWay(12, via(1))).toThrow(RangeError);
    const way = fib.openWay(via(1));
    fib.closeWay(way);
    fib.closeWay(way);
    expect(() => fib.changeWay(way, via(2))).toThrow(RangeError);
  });
});
