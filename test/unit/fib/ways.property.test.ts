import { ip, prefix } from 'bgp-ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Fib, type FibNextHop } from '../../../fib/fib.ts';
import { silentLogger } from '../../../lib/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { ObjectKernel, routesOfObjects } from '../../support/object-kernel.ts';

const OURS = 177;
const prefixes = ['10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/24', '10.1.0.0/16'];
const hops: readonly FibNextHop[] = [1, 2, 3].map((n) => ({ gateway: ip(`192.0.2.${n}`), ifIndex: 1 }));
const contents: readonly (readonly FibNextHop[])[] = [
  [hops[0]!],
  [hops[1]!],
  [hops[0]!, hops[1]!],
  [{ ...hops[0]!, weight: 3 }, hops[2]!],
  [hops[0]!, hops[1]!, hops[2]!],
];

const step = fc.record({
  do: fc.oneof(
    {
      weight: 5,
      arbitrary: fc.constantFrom('open', 'change', 'change', 'close', 'set', 'set', 'set', 'remove', 'run', 'run'),
    },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        'refuse',
        'accept',
        'lose verdicts',
        'fail',
        'delete object',
        'wait',
        'sweep',
        'check',
      ),
    },
  ),
  a: fc.nat({ max: 7 }),
  b: fc.nat({ max: 7 }),
});
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** A `Fib` over a kernel with nexthop objects, and beside it what it was asked for: content of each open way, way of each prefix. */
class World {
  readonly clock = new FakeClock();
  readonly kernel = new ObjectKernel(OURS);
  readonly fib = new Fib(this.kernel, {
    protocol: OURS,
    table: 254,
    metric: 1024,
    log: silentLogger,
    clock: this.clock,
  });
  readonly ways = new Map<number, readonly FibNextHop[]>();
  readonly routes = new Map<string, number>();
  readonly promises: Promise<unknown>[] = [];

  async microtasks(): Promise<void> {
    for (let i = 0; i < 12; i++) await Promise.resolve();
  }

  async settle(ms = 0): Promise<void> {
    this.clock.advance(ms);
    for (let i = 0; i < 12; i++) {
      await this.microtasks();
      this.clock.advance(0);
    }
    await this.microtasks();
  }

  async do({ do: what, a, b }: Step): Promise<void> {
    const { fib, kernel } = this;
    const content = contents[b % contents.length] ?? [];
    const open = [...this.ways.keys()];
    const way = open[a % Math.max(1, open.length)];
    const { address, length } = prefix(prefixes[a % prefixes.length] ?? '');
    const text = prefixes[a % prefixes.length] ?? '';
    switch (what) {
      case 'open':
        this.ways.set(fib.openWay(content), content);
        break;
      case 'change':
        if (way === undefined) break;
        fib.changeWay(way, content);
        this.ways.set(way, content);
        break;
      case 'close':
        // As its caller does: what led there is led elsewhere, or taken out, first.
        if (way === undefined) break;
        for (const [p, target] of this.routes) if (target === way) this.#remove(p);
        fib.closeWay(way);
        this.ways.delete(way);
        break;
      case 'set': {
        const target = open[b % Math.max(1, open.length)];
        if (target === undefined) break;
        fib.set(address.version, address.octets, length, target);
        this.routes.set(text, target);
        break;
      }
      case 'remove':
        this.#remove(text);
        break;
      case 'run':
        this.clock.advance(0);
        break;
      case 'refuse':
        kernel.refused.add(`192.0.2.${(a % 3) + 1}`);
        break;
      case 'accept':
        kernel.refused.clear();
        break;
      case 'lose verdicts':
        if (a % 2 === 0) kernel.isNextUncertain = true;
        else kernel.areNextObjectsUncertain = true;
        break;
      case 'fail':
        kernel.isNextObjectsFailing = true;
        break;
      case 'delete object':
        kernel.deleteAsOthers(a);
        break;
      case 'wait':
        this.clock.advance(700 * (a + 1));
        break;
      case 'sweep':
        fib.sweep();
        break;
      case 'check':
        this.promises.push(fib.checkNextHops(), fib.check());
        break;
      default:
        throw new Error(what);
    }
    await this.microtasks();
  }

  #remove(text: string): void {
    const { address, length } = prefix(text);
    this.fib.remove(address.version, address.octets, length);
    this.routes.delete(text);
  }
}

const hopText = ({ gateway, weight = 1 }: FibNextHop): string => `${gateway?.octets.join('.')} x${weight}`;

test('ways: any history ends with every route over exactly the next hops its way has', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
      const world = new World();
      const { kernel, fib } = world;
      kernel.addLink(1);
      const started = fib.start();
      await world.settle();
      await started;
      for (const entry of steps) await world.do(entry);

      // The machine heals; time passes.
      kernel.heal();
      fib.sweep();
      for (let i = 0; i < 4; i++) await world.settle(61_000);
      await Promise.all(world.promises);

      const expected = [...world.routes].map(([p, way]) => {
        return `${p} ${[...(world.ways.get(way) ?? [])].map(hopText).sort().join(', ')}`;
      });
      expect(routesOfObjects(kernel, hopText)).toEqual(expected.sort());
      // Nothing is left over: a group for each open way, a single object for each of their hops.
      const wantedSingles = new Set([...world.ways.values()].flat().map(({ gateway }) => gateway?.octets.join('.')));
      expect(kernel.count('group')).toBe(world.ways.size);
      expect(kernel.count('single')).toBe(wantedSingles.size);
      expect(fib.counters).toMatchObject({ pending: 0, failed: 0 });

      const check = fib.checkNextHops();
      await world.settle(2000);
      expect(await check).toEqual([]);

      const closed = fib.close({ keepRoutes: false });
      await world.settle();
      await closed;
      expect(routesOfObjects(kernel, hopText)).toEqual([]);
      expect(kernel.objects.size).toBe(0);
    }),
    { numRuns: Number(process.env['FIB_RUNS'] ?? 300) },
  );
}, 60_000);
