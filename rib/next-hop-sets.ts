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
  /** Shares of the traffic, one a member; undefined where all are equal. */
  readonly #shares: (readonly number[] | undefined)[];
  readonly #references: number[];
  readonly #free: number[];

  constructor(nextHops: NextHops, onFreed?: (id: number) => void) {
    this.#nextHops = nextHops;
    this.#onFreed = onFreed;
    this.#byKey = new Map();
    this.#single = new Map();
    this.#members = [undefined];
    this.#shares = [undefined];
    this.#references = [0];
    this.#free = [];
  }

  /** The set of one next hop, not yet counted. */
  one(nextHop: number): number {
    return this.#single.get(nextHop) ?? this.#add([nextHop]);
  }

  /**
   * The set of the first `count` numbers of `nextHops`, not yet counted.
   * @param shares of the traffic, 1 to 256, one for each; undefined: all are equal
   */
  many(nextHops: Int32Array, count: number, shares?: readonly number[]): number {
    if (count === 1) return this.one(nextHops[0]!);
    if (shares === undefined || shares.every((share) => share === shares[0])) {
      const members = Array.from(nextHops.subarray(0, count)).sort((a, b) => a - b);
      return this.#byKey.get(members.join()) ?? this.#add(members);
    }
    const pairs = shares.map((share, i): readonly [number, number] => [nextHops[i]!, share]);
    pairs.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const members = pairs.map(([member]) => member);
    const inOrder = pairs.map(([, share]) => share);
    return this.#byKey.get(keyOf(members, inOrder)) ?? this.#add(members, inOrder);
  }

  retain(id: number): void {
    if (id !== 0) this.#references[id]!++;
  }

  release(id: number): void {
    if (id === 0 || --this.#references[id]! > 0) return;
    const members = this.#members[id];
    if (members === undefined) return;
    if (members.length === 1) this.#single.delete(members[0]!);
    else this.#byKey.delete(keyOf(members, this.#shares[id]));
    for (const member of members) this.#nextHops.release(member);
    this.#members[id] = undefined;
    this.#shares[id] = undefined;
    this.#free.push(id);
    this.#onFreed?.(id);
  }

  /** The addresses of a set that is in use; empty for an id that is not. */
  get(id: number): readonly SelectedNextHop[] {
    const values: SelectedNextHop[] = [];
    const shares = this.#shares[id];
    for (const [i, member] of (this.#members[id] ?? []).entries()) {
      const value = this.#nextHops.get(member);
      const weight = shares?.[i];
      if (value !== undefined) values.push(weight === undefined ? value : { ...value, weight });
    }
    return values;
  }

  #add(members: readonly number[], shares?: readonly number[]): number {
    const id = this.#free.pop() ?? this.#members.length;
    this.#members[id] = members;
    this.#shares[id] = shares;
    this.#references[id] = 0;
    for (const member of members) this.#nextHops.retain(member);
    if (members.length === 1) this.#single.set(members[0]!, id);
    else this.#byKey.set(keyOf(members, shares), id);
    return id;
  }
}

function keyOf(members: readonly number[], shares: readonly number[] | undefined): string {
  return shares === undefined ? members.join() : `${members.join()}*${shares.join()}`;
}
