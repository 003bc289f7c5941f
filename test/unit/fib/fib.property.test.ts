import { formatPrefix, ip, prefix } from 'bgp-ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Fib, type FibDifference } from '../../../fib/fib.ts';
import { RouteOp } from '../../../fib/kernel.ts';
import { silentLogger } from '../../../lib/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeKernel } from '../../support/fake-kernel.ts';

const OURS = 177;
const STATIC = 4;
const prefixes = ['10.0.0.0/24', '10.0.1.0/24', '10.0.0.0/16', '2001:db8::/32', '2001:db8::/48'];
/** Next hops on links 1 and 2: single ways, both, weighted. */
const sets = [
  [{ gateway: ip('192.0.2.1'), ifIndex: 1 }],
  [{ gateway: ip('192.0.2.2'), ifIndex: 2 }],
  [
    { gateway: ip('192.0.2.1'), ifIndex: 1 },
    { gateway: ip('192.0.2.2'), ifIndex: 2 },
  ],
  [
    { gateway: ip('192.0.2.1'), ifIndex: 1, weight: 3 },
    { gateway: ip('192.0.2.2'), ifIndex: 2 },
  ],
  [{ ifIndex: 1 }],
];

type Step = { readonly do: string; readonly p: string; readonly n: number };
const step: fc.Arbitrary<Step> = fc.record({
  do: fc.oneof(
    {
      weight: 8,
      arbitrary: fc.constantFrom('set', 'set', 'set discard', 'remove', 'run', 'step', 'answer', 'deliver'),
    },
    {
      weight: 4,
      arbitrary: fc.constantFrom(
        'foreign add',
        'foreign delete',
        'delete ours',
        'write as ours',
        'foreign replace',
        'foreign prepend',
        'link down',
        'link up',
        'gateway gone',
        'gateway back',
        'lose notifications',
        'lose answers',
        'refuse',
        'sweep',
        'check',
        'wait',
      ),
    },
  ),
  p: fc.constantFrom(...prefixes),
  n: fc.nat({ max: sets.length - 1 }),
});

const errnos = [1, 12, 16, 22, 100, 101, 105, 113];

/** A `Fib` over a kernel of which every write, listing and notification is let through by hand. */
class World {
  readonly clock = new FakeClock();
  readonly kernel = new FakeKernel();
  readonly fib: Fib;
  readonly wanted = new Map<string, { target: number; metric: number }>();
  readonly promises: Promise<unknown>[] = [];

  constructor() {
    this.kernel.addLink(1);
    this.kernel.addLink(2);
    this.kernel.isManual = true;
    const { kernel, clock } = this;
    this.fib = new Fib(kernel, { protocol: OURS, table: 254, metric: 1024, log: silentLogger, clock });
  }

  async microtasks(): Promise<void> {
    for (let i = 0; i < 12; i++) await Promise.resolve();
  }

  /** Lets everything through until nothing more happens within `ms`. */
  async settle(ms: number): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      for (let i = 0; i < 30; i++) {
        this.clock.advance(i === 0 ? ms : 0);
        await this.microtasks();
        while (this.kernel.deliver());
        if (this.kernel.step()) i = 1;
        if (this.kernel.answer()) i = 1;
        await this.microtasks();
      }
    }
  }

  async do({ do: what, p, n }: Step): Promise<void> {
    const { kernel, fib } = this;
    const { address, length } = prefix(p);
    const target = kernel.targets.intern(sets[n] ?? []);
    const foreign = { prefix: p, protocol: STATIC, target };
    switch (what) {
      case 'set':
        fib.set(address.version, address.octets, length, target);
        this.wanted.set(p, { target, metric: 1024 });
        break;
      case 'set discard':
        fib.set(address.version, address.octets, length, 0, n % 2 === 0 ? 'blackhole' : 'unreachable', 4096);
        this.wanted.set(`${p} discard`, { target: n % 2 === 0 ? 1 : 2, metric: 4096 });
        break;
      case 'remove':
        fib.remove(address.version, address.octets, length, n % 2 === 0 ? 1024 : 4096);
        this.wanted.delete(n % 2 === 0 ? p : `${p} discard`);
        break;
      case 'run':
        this.clock.advance(0);
        break;
      case 'step':
        kernel.step();
        break;
      case 'answer':
        kernel.answer();
        break;
      case 'deliver':
        kernel.deliver();
        break;
      case 'foreign add':
        kernel.foreignAdd({ ...foreign, metric: n === 0 ? 4096 : 1024 });
        break;
      case 'foreign delete':
        kernel.foreignDelete({ prefix: p, protocol: STATIC, metric: n === 0 ? 4096 : 1024 });
        break;
      case 'delete ours':
        kernel.foreignDelete({ prefix: p, protocol: OURS });
        break;
      case 'write as ours':
        if (!this.#isHeldByForeign(p)) {
          kernel.foreignReplace({ ...foreign, protocol: OURS });
        }
        break;
      case 'foreign replace':
      case 'foreign prepend':
        // The kernel has no compare-and-swap: a replace of ours that is already on its way hits what somebody put there this instant.
        if (kernel.pendingJobs > 0 || this.#isHeldByForeign(p)) break;
        while (kernel.deliver());
        if (what === 'foreign replace') kernel.foreignReplace(foreign);
        else kernel.foreignAppend(foreign, true);
        while (kernel.deliver());
        break;
      case 'link down':
      case 'link up':
        kernel.setLink((n % 2) + 1, what === 'link up');
        break;
      case 'gateway gone':
        kernel.unreachableGateways.add(`192.0.2.${(n % 2) + 1}`);
        break;
      case 'gateway back':
        kernel.unreachableGateways.clear();
        break;
      case 'lose notifications':
        kernel.overflow();
        while (kernel.deliver());
        break;
      case 'lose answers':
        kernel.isNextUncertain = true;
        break;
      case 'refuse': {
        let left = n + 1;
        kernel.fault = (op) => (left-- > 0 && op !== RouteOp.Reclaim ? errnos[(n + left) % errnos.length] : undefined);
        break;
      }
      case 'sweep':
        fib.sweep();
        break;
      case 'check':
        this.promises.push(fib.check());
        break;
      case 'wait':
        this.clock.advance(500 * (n + 1));
        break;
      default:
        throw new Error(what);
    }
    await this.microtasks();
  }

  #isHeldByForeign(p: string): boolean {
    return this.kernel.lines(STATIC).some((line) => line.startsWith(`${p} metric 1024 `));
  }
}

test('any history ends in exactly what is wanted, with foreign routes untouched', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 60 }),
      fc.array(fc.tuple(fc.constantFrom(...prefixes), fc.nat({ max: sets.length - 1 })), { maxLength: 4 }),
      fc.nat({ max: 10 }),
      async (steps, survivors, startAt) => {
        const world = new World();
        const { kernel, fib } = world;
        for (const [p, n] of survivors) {
          kernel.foreignAdd({ prefix: p, protocol: OURS, target: kernel.targets.intern(sets[n] ?? []) });
        }
        for (const [i, entry] of steps.entries()) {
          if (i === startAt) world.promises.push(fib.start());
          await world.do(entry);
        }
        if (steps.length <= startAt) world.promises.push(fib.start());

        // The machine heals; time passes.
        kernel.fault = undefined;
        kernel.isNextUncertain = false;
        kernel.unreachableGateways.clear();
        kernel.setLink(1, true);
        kernel.setLink(2, true);
        await world.settle(0);
        fib.sweep();
        for (let i = 0; i < 3; i++) await world.settle(61_000);
        await Promise.all(world.promises);

        expect(kernel.clobbered).toEqual([]);
        const foreign = kernel.lines(STATIC);
        const expected: string[] = [];
        const conflicts: string[] = [];
        for (const [key, { target, metric }] of world.wanted) {
          const p = key.replace(' discard', '');
          const { address, length } = prefix(p);
          const words = new Int32Array(address.version === 4 ? 1 : 4);
          new Uint8Array(words.buffer).set(address.octets);
          for (let i = 0; i < words.length; i++) words[i] = new DataView(words.buffer).getInt32(i * 4);
          const route = {
            version: address.version,
            address: words,
            length,
            metric,
            table: 254,
            protocol: OURS,
            target,
          };
          if (foreign.some((line) => line.startsWith(`${p} metric ${metric} `))) conflicts.push(kernel.line(route));
          else expected.push(kernel.line(route));
        }
        const actual = kernel.lines(OURS);
        // Where somebody put his route beside ours, ours may still be there.
        expect(actual.filter((line) => !conflicts.includes(line))).toEqual(expected.sort());
        expect(fib.counters.pending).toBe(0);
        expect(fib.counters.wanted).toBe(world.wanted.size);

        const differences = fib.check();
        await world.settle(2000);
        const isHeld = (d: FibDifference) =>
          foreign.some((line) => line.startsWith(`${formatPrefix(d.prefix)} metric ${d.metric} `));
        expect((await differences).filter((d) => !isHeld(d))).toEqual([]);

        const closed = fib.close({ keepRoutes: false });
        await world.settle(0);
        await closed;
        expect(kernel.lines(OURS)).toEqual([]);
        expect(kernel.lines(STATIC)).toEqual(foreign);
      },
    ),
    { numRuns: Number(process.env['FIB_RUNS'] ?? 400) },
  );
}, 60_000);
