import type { GroupMember, KernelNextHop } from './kernel.ts';
import { type FibNextHop, hopText, isInRange, LAST_NEXT_HOP, type TargetTable } from './target.ts';

/** A group found in the kernel that no way has claimed. */
export interface AdoptedGroup {
  readonly number: number;
  readonly members: readonly GroupMember[];
}

/**
 * Which nexthop objects of ours the kernel has, as far as known, and which numbers (the low 24 bits of an id) are free. Ours is what has
 * our protocol number and an id in our range; numbers that others hold in our range are passed over.
 */
export class NextHopObjects {
  readonly #protocol: number;
  /** Hop of each single object, by number. */
  #singles = new Map<number, FibNextHop>();
  /** Number of the single object of each hop, by `hopText` without weight. */
  #byKey = new Map<string, number>();
  /** Groups that no way has, by number. */
  #adopted = new Map<number, readonly GroupMember[]>();
  /** All groups of the last listing, those of ways too. */
  #groups = new Map<number, readonly GroupMember[]>();
  /** Numbers that others hold. */
  #foreign = new Set<number>();
  /** Numbers given out for ways. */
  readonly #allocated = new Set<number>();
  #last = 0;

  constructor(protocol: number) {
    this.#protocol = protocol;
  }

  /** What the kernel has now, in place of what was believed. Groups are `claim`ed afterwards. */
  take(listed: readonly KernelNextHop[]): void {
    this.#singles = new Map();
    this.#byKey = new Map();
    this.#adopted = new Map();
    this.#groups = new Map();
    this.#foreign = new Set();
    for (const nextHop of listed) {
      const { id, protocol } = nextHop;
      if (!isInRange(this.#protocol, id)) continue;
      const number = id & LAST_NEXT_HOP;
      if (protocol !== this.#protocol || nextHop.type === 'other') this.#foreign.add(number);
      else if (nextHop.type === 'single') {
        this.#singles.set(number, nextHop.hop);
        this.#byKey.set(hopText(nextHop.hop), number);
      } else {
        const members = [...nextHop.members].sort((a, b) => a.id - b.id);
        this.#adopted.set(number, members);
        this.#groups.set(number, members);
      }
    }
  }

  /** A way's group, which is no longer adopted; no members when it is not there, `foreign` when somebody else has its number. */
  claim(number: number): readonly GroupMember[] | 'foreign' {
    if (this.#foreign.has(number) || this.#singles.has(number)) return 'foreign';
    const members = this.#adopted.get(number) ?? [];
    this.#adopted.delete(number);
    return members;
  }

  /** Takes an adopted group with this content. */
  adoptedWith(text: string): AdoptedGroup | undefined {
    for (const [number, members] of this.#adopted) {
      const hops = this.#hopsOf(members);
      if (hops === undefined || hops.map(hopText).sort().join(' ') !== text) continue;
      this.#adopted.delete(number);
      this.#allocated.add(number);
      return { number, members };
    }
    return undefined;
  }

  /** Every number known here is below this. */
  get end(): number {
    let last = 0;
    for (const numbers of [this.#allocated, this.#adopted.keys()]) for (const n of numbers) last = Math.max(last, n);
    return last + 1;
  }

  /** Groups left by an earlier run. */
  adopted(): AdoptedGroup[] {
    return [...this.#adopted].map(([number, members]) => ({ number, members }));
  }

  /** Numbers of single objects. */
  singles(): number[] {
    return [...this.#singles.keys()];
  }

  /** Numbers of the groups of the last listing. */
  groups(): number[] {
    return [...this.#groups.keys()];
  }

  /** Next hops of a group of the last listing; undefined when it is not there, or not all of its members are known. */
  contentOf(number: number): readonly FibNextHop[] | undefined {
    const members = this.#groups.get(number);
    return members === undefined ? undefined : this.#hopsOf(members);
  }

  /** The content of a group of the last listing as a set. */
  setOf(number: number, targets: TargetTable): number | undefined {
    const hops = this.contentOf(number);
    return hops === undefined || hops.length === 0 ? undefined : targets.intern(hops);
  }

  /** A number nobody has. @throws RangeError when there is none left */
  allocate(): number {
    for (let tries = 0; tries < LAST_NEXT_HOP; tries++) {
      this.#last = this.#last >= LAST_NEXT_HOP ? 1 : this.#last + 1;
      const number = this.#last;
      if (this.#allocated.has(number) || this.#singles.has(number) || this.#foreign.has(number)) continue;
      if (this.#adopted.has(number)) continue;
      this.#allocated.add(number);
      return number;
    }
    throw new RangeError('no number left for another nexthop object');
  }

  free(number: number): void {
    this.#allocated.delete(number);
  }

  /** Number of the single object of a hop. */
  single(key: string): number | undefined {
    return this.#byKey.get(key);
  }

  /** Takes note of a single object that is being added. */
  addSingle(key: string, hop: FibNextHop): number {
    const number = this.allocate();
    this.#allocated.delete(number);
    this.#byKey.set(key, number);
    this.#singles.set(number, hop);
    return number;
  }

  /** A single object was refused; `isTaken` when somebody else has its number. */
  dropSingle(key: string, isTaken: boolean): void {
    const number = this.#byKey.get(key);
    if (number === undefined) return;
    this.#byKey.delete(key);
    this.#singles.delete(number);
    if (isTaken) this.#foreign.add(number);
  }

  /** An object is gone. */
  dropped(number: number): void {
    const hop = this.#singles.get(number);
    if (hop !== undefined) {
      const key = hopText({ ...hop, weight: 1 });
      if (this.#byKey.get(key) === number) this.#byKey.delete(key);
    }
    this.#singles.delete(number);
    this.#adopted.delete(number);
    this.#groups.delete(number);
  }

  #hopsOf(members: readonly GroupMember[]): FibNextHop[] | undefined {
    const hops: FibNextHop[] = [];
    for (const { id, weight } of members) {
      const hop = isInRange(this.#protocol, id) ? this.#singles.get(id & LAST_NEXT_HOP) : undefined;
      if (hop === undefined) return undefined;
      hops.push(weight === 1 ? hop : { ...hop, weight });
    }
    return hops;
  }
}
