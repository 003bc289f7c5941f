import type { NextHops } from './next-hop.ts';
import type { SelectedNextHop } from './types.ts';

/**
 * Sets of next hops as the kernel gets them, interned and counted by the prefixes that have them: id 1 upwards, 0 is none. The order
 * of the paths does not matter, so that another best path among the same next hops changes nothing in the kernel.
 */
export class NextHopSets {
  readonly #nextHops: NextHops;
  readonly #onFreed: ((id: number) => void) | undefined;
  readonly #byKey: Map<string, number>;
  /** Sets of one next hop, by its id: no key to build. */
  readonly #single: Map<number, number>;
  readonly #members: (readonly number[] | undefined)[];
  readonly #references: number[];
  readonly #free: number[];

  constructor(nextHops: NextHops, onFreed?: (id: number) => void) {
    this.#nextHops = nextHops;
    this.#onFreed = onFreed;
    this.#byKey = new Map();
    this.#single = new Map();
    this.#members = [undefined];
    this.#references = [0];
    this.#free = [];
  }

  /** The set of one next hop, not yet counted. */
  one(nextHop: number): number {
    return this.#single.get(nextHop) ?? this.#add([nextHop]);
  }

  /** The set of the first `count` numbers of `nextHops`, not yet counted. */
  many(nextHops: Int32Array, count: number): number {
    if (count === 1) return this.one(nextHops[0]!);
    const members = Array.from(nextHops.subarray(0, count)).sort((a, b) => a - b);
    return this.#byKey.get(members.join()) ?? this.#add(members);
  }

  retain(id: number): void {
    if (id !== 0) this.#references[id]!++;
  }

  release(id: number): void {
    if (id === 0 || --this.#references[id]! > 0) return;
    const members = this.#members[id];
    if (members === undefined) return;
    if (members.length === 1) this.#single.delete(members[0]!);
    else this.#byKey.delete(members.join());
    for (const member of members) this.#nextHops.release(member);
    this.#members[id] = undefined;
    this.#free.push(id);
    this.#onFreed?.(id);
  }

  /** The addresses of a set that is in use; empty for an id that is not. */
  get(id: number): readonly SelectedNextHop[] {
    const values: SelectedNextHop[] = [];
    for (const member of this.#members[id] ?? []) {
      const value = this.#nextHops.get(member);
      if (value !== undefined) values.push(value);
    }
    return values;
  }

  #add(members: readonly number[]): number {
    const id = this.#free.pop() ?? this.#members.length;
    this.#members[id] = members;
    this.#references[id] = 0;
    for (const member of members) this.#nextHops.retain(member);
    if (members.length === 1) this.#single.set(members[0]!, id);
    else this.#byKey.set(members.join(), id);
    return id;
  }
}
