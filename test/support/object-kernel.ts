import type { FibNextHop } from '../../fib/fib.ts';
import type { KernelNextHop, NextHopOperation, NextHopResult } from '../../fib/kernel.ts';
import { isWay, nextHopId } from '../../fib/target.ts';
import { FakeKernel, type FakeRoute } from './fake-kernel.ts';

const EEXIST = 17;
const EINVAL = 22;
const ENOENT = 2;
const ENETUNREACH = 101;

/**
 * A fake kernel with nexthop objects: routes may name a group that is there and no other, a group only singles that are there, and a group that
 * goes takes its routes along. Faults come on request.
 */
export class ObjectKernel extends FakeKernel {
  readonly objects = new Map<number, KernelNextHop>();
  /** Gateways that no single object is made for. */
  readonly refused = new Set<string>();
  /** The next message about objects takes effect, but its verdicts are lost. */
  areNextObjectsUncertain = false;
  /** The next message about objects fails as a whole, having done nothing. */
  isNextObjectsFailing = false;
  readonly #protocol: number;

  constructor(protocol: number) {
    super();
    this.#protocol = protocol;
  }

  /** Ends every fault. */
  heal(): void {
    this.refused.clear();
    this.isNextUncertain = false;
    this.areNextObjectsUncertain = false;
    this.isNextObjectsFailing = false;
  }

  /** How many objects of a kind there are. */
  count(type: KernelNextHop['type']): number {
    return [...this.objects.values()].filter((object) => object.type === type).length;
  }

  /** Somebody else deletes one of our objects; the kernel tells so. */
  deleteAsOthers(n: number): void {
    const id = [...this.objects.keys()][n];
    if (id === undefined) return;
    this.#drop(id);
    this.tellNextHop(id);
  }

  override problemOf(target: number): number {
    if (!isWay(target)) return super.problemOf(target);
    return this.objects.has(nextHopId(this.#protocol, target)) ? 0 : EINVAL;
  }

  override applyNextHops(operations: readonly NextHopOperation[]): Promise<NextHopResult> {
    if (this.isNextObjectsFailing) {
      this.isNextObjectsFailing = false;
      return Promise.reject(new Error('a fault on request'));
    }
    const errnos = operations.map((operation) => this.#operate(operation));
    const uncertain = this.areNextObjectsUncertain;
    this.areNextObjectsUncertain = false;
    return Promise.resolve({ errnos: uncertain ? errnos.map(() => 0) : errnos, uncertain });
  }

  override listNextHops(): Promise<readonly KernelNextHop[]> {
    return Promise.resolve([...this.objects.values()]);
  }

  /** The hops of a route, by way of its group where it names one. */
  hopsOf(route: FakeRoute): readonly FibNextHop[] {
    if (!isWay(route.target)) return this.targets.hops(route.target);
    const group = this.objects.get(nextHopId(this.#protocol, route.target));
    if (group?.type !== 'group') throw new Error(`a route to ${route.target}, which is not there`);
    return group.members.map(({ id, weight }) => {
      const single = this.objects.get(id);
      if (single?.type !== 'single') throw new Error(`member ${id} is not there`);
      return { ...single.hop, weight };
    });
  }

  #operate(operation: NextHopOperation): number {
    if (operation.op === 'delete') return this.#drop(operation.id) ? 0 : ENOENT;
    const { nextHop } = operation;
    const old = this.objects.get(nextHop.id);
    if (operation.op === 'add' && old !== undefined) return EEXIST;
    if (old !== undefined && old.type !== nextHop.type) return EINVAL;
    if (nextHop.type === 'single' && this.refused.has(nextHop.hop.gateway?.octets.join('.') ?? '')) return ENETUNREACH;
    if (nextHop.type === 'group' && !nextHop.members.every(({ id }) => this.objects.get(id)?.type === 'single')) {
      return EINVAL;
    }
    this.objects.set(nextHop.id, nextHop);
    return 0;
  }

  /** An object goes: out of its groups, groups without members with it, and routes of groups that went. */
  #drop(id: number): boolean {
    if (!this.objects.delete(id)) return false;
    for (const [groupId, object] of [...this.objects]) {
      if (object.type !== 'group' || !object.members.some((member) => member.id === id)) continue;
      const members = object.members.filter((member) => member.id !== id);
      if (members.length === 0) this.#drop(groupId);
      else this.objects.set(groupId, { ...object, members });
    }
    this.dropRoutes(({ target, protocol }) => {
      return protocol === this.#protocol && isWay(target) && nextHopId(protocol, target) === id;
    });
    return true;
  }
}

/** Every route as `10.0.0.0/24 HOP, HOP`, sorted. */
export function routesOfObjects(kernel: ObjectKernel, hopText: (hop: FibNextHop) => string): string[] {
  return [...kernel.all()]
    .map((route) => `${kernel.prefixOf(route)} ${kernel.hopsOf(route).map(hopText).sort().join(', ')}`)
    .sort();
}
