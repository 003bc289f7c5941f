import type { PathAttributes } from 'bgp-ts';
import { randomSource } from '../rib-table.ts';
import type { Workload } from './workloads.ts';

/** Addresses and AS numbers that both sides of a run agree on. */
export const dutAddress = '10.0.0.1';
export const dutAs = 65_000;
const FIRST_AS = 100_001;
const FIRST_ADDRESS = 0x0a000101;

/** AS number of load session `i`. */
export function sessionAs(workload: Workload, i: number): number {
  return workload.kind === 'ebgp' ? FIRST_AS + i : dutAs;
}

/** Source address of load session `i`, as a number: 10.0.1.1 and up. */
export function sessionAddress(i: number): number {
  return FIRST_ADDRESS + i;
}

export function dotted(address: number): string {
  return [address >>> 24, (address >>> 16) & 0xff, (address >>> 8) & 0xff, address & 0xff].join('.');
}

/** Lengths of a full IPv4 feed, per mille, near enough: more than half /24, then /22 and /23. */
const ipv4Lengths = [
  [24, 596],
  [22, 116],
  [23, 104],
  [21, 54],
  [20, 47],
  [19, 27],
  [18, 15],
  [16, 15],
  [17, 12],
  [15, 4],
  [14, 4],
  [13, 3],
  [12, 3],
] as const;

const ipv6Lengths = [
  [48, 470],
  [32, 130],
  [44, 120],
  [40, 100],
  [36, 60],
  [46, 40],
  [47, 30],
  [29, 30],
  [33, 20],
] as const;

/**
 * The prefixes of a run, in the order they are sent, and which attribute set each has. A prefix is two signed 32-bit numbers: its first 32
 * bits, and the next 24 with the length in the low octet (so IPv6 prefixes go up to /56).
 */
export class LoadTable {
  readonly high: Int32Array;
  readonly low: Int32Array;
  /** Attribute set of each prefix, ascending: the prefixes of one set are neighbours. */
  readonly setOf: Int32Array;
  readonly count: number;
  /** Index of the prefix that `read` found, -1 for one that is not of this table. */
  found = -1;
  /** Open addressing; -1: free. */
  readonly #slots: Int32Array;
  readonly #shift: number;

  constructor(workload: Workload) {
    this.count = workload.prefixes;
    const bits = Math.max(4, Math.ceil(Math.log2(Math.max(1, workload.prefixes) * 2)));
    this.#slots = new Int32Array(1 << bits).fill(-1);
    this.#shift = 32 - bits;
    this.high = new Int32Array(this.count);
    this.low = new Int32Array(this.count);
    this.setOf = new Int32Array(this.count);
    if (workload.kind === 'reflection') this.#fillBlocks(workload.senders);
    else if (this.count > 0) {
      const random = randomSource(20_260);
      this.#fillInternet(workload.ipv6, random);
      this.#fillSets(workload.sets, random);
    }
  }

  /**
   * Reads the prefix at `bytes[at]` (length octet, then its octets) and looks it up: see `found`.
   * @returns offset behind it
   */
  read(bytes: Uint8Array, at: number): number {
    const length = bytes[at]!;
    const octets = (length + 7) >> 3;
    let high = 0;
    let low = length;
    if (octets > 0) high = bytes[at + 1]! << 24;
    if (octets > 1) high |= bytes[at + 2]! << 16;
    if (octets > 2) high |= bytes[at + 3]! << 8;
    if (octets > 3) high |= bytes[at + 4]!;
    for (let i = 4; i < octets && i < 7; i++) low |= bytes[at + 1 + i]! << (24 - 8 * (i - 4));
    // Often it is the one that was sent next.
    const next = this.found + 1;
    if (octets > 7) this.found = -1;
    else if (next === this.count || this.high[next] !== high || this.low[next] !== low)
      this.found = this.#find(high, low);
    else this.found = next;
    return at + 1 + octets;
  }

  /** Writes prefix `i` in wire form; at most 8 octets. @returns offset behind it */
  write(bytes: Uint8Array, at: number, i: number): number {
    const high = this.high[i]!;
    const low = this.low[i]!;
    const length = low & 0xff;
    const octets = (length + 7) >> 3;
    bytes[at] = length;
    for (let k = 0; k < octets; k++) bytes[at + 1 + k] = k < 4 ? high >>> (24 - 8 * k) : low >>> (24 - 8 * (k - 4));
    return at + 1 + octets;
  }

  #slotOf(high: number, low: number): number {
    return (Math.imul(Math.imul(high, 0x9e3779b1) ^ low ^ (high >>> 15), 0x85ebca6b) >>> this.#shift) | 0;
  }

  #find(high: number, low: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = this.#slotOf(high, low); ; slot = (slot + 1) & mask) {
      const i = this.#slots[slot]!;
      if (i < 0 || (this.high[i] === high && this.low[i] === low)) return i;
    }
  }

  /** Puts a prefix at index `i` unless it is there already. */
  #insert(i: number, high: number, low: number): boolean {
    const mask = this.#slots.length - 1;
    let slot = this.#slotOf(high, low);
    for (; this.#slots[slot]! >= 0; slot = (slot + 1) & mask) {
      const other = this.#slots[slot]!;
      if (this.high[other] === high && this.low[other] === low) return false;
    }
    this.#slots[slot] = i;
    this.high[i] = high;
    this.low[i] = low;
    return true;
  }

  /** As an address manager hands them out: /26 blocks of 172.16.0.0/12 dealt to the clients in turn. */
  #fillBlocks(clients: number): void {
    const perClient = this.count / clients;
    for (let i = 0; i < this.count; i++) {
      const client = Math.floor(i / perClient);
      const block = (i % perClient) * clients + client;
      this.#insert(i, (0xac100000 + (block << 6)) | 0, 26);
      this.setOf[i] = client;
    }
  }

  /** Clusters of neighbouring prefixes, cut into runs of one to six, the runs in random order. */
  #fillInternet(ipv6: boolean, random: () => number): void {
    const runs: number[] = [];
    /** Indices, sorted by address within each cluster. */
    const order = Uint32Array.from({ length: this.count }, (_, i) => i);
    let made = 0;
    while (made < this.count) {
      const anchor = ipv6 ? 0x20000000 | (random() * 0x10000000) : publicAnchor(random);
      const start = made;
      const wanted = Math.min(this.count - made, 1 + Math.floor(random() * 32));
      for (let tries = 0; made < start + wanted && tries < 64; tries++) {
        const length = pick(ipv6 ? ipv6Lengths : ipv4Lengths, random);
        const isLong = length > 32;
        const high = ipv6 ? anchor : anchor + Math.floor(random() * 0x40000);
        const low = isLong ? (random() * 0x100000000) & (-1 << (64 - length)) : 0;
        if (this.#insert(made, isLong ? high | 0 : high & (-1 << (32 - length)), low | length)) made++;
      }
      order.subarray(start, made).sort((a, b) => this.#compare(a, b));
      for (let i = start; i < made; ) {
        const end = Math.min(made, i + 1 + Math.floor(random() * 6));
        runs.push(i, end);
        i = end;
      }
    }
    this.#reorder(order, runs, random);
  }

  #compare(a: number, b: number): number {
    return (this.high[a]! >>> 0) - (this.high[b]! >>> 0) || (this.low[a]! >>> 0) - (this.low[b]! >>> 0);
  }

  /** @param runs pairs: first place in `order` and the place behind the run */
  #reorder(order: Uint32Array, runs: readonly number[], random: () => number): void {
    const shuffled = Uint32Array.from({ length: runs.length / 2 }, (_, i) => i);
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      const other = shuffled[j]!;
      shuffled[j] = shuffled[i]!;
      shuffled[i] = other;
    }
    const high = this.high.slice();
    const low = this.low.slice();
    this.#slots.fill(-1);
    let at = 0;
    for (const run of shuffled) {
      for (let k = runs[run * 2]!; k < runs[run * 2 + 1]!; k++) {
        const i = order[k]!;
        this.#insert(at++, high[i]!, low[i]!);
      }
    }
  }

  /** Few prefixes for most sets and many for some, one at least. */
  #fillSets(sets: number, random: () => number): void {
    const weights = Float64Array.from({ length: sets }, () => 1 / (0.02 + random()) - 0.98);
    const sum = weights.reduce((a, b) => a + b, 0);
    let share = 0;
    let at = 0;
    for (let set = 0; set < sets; set++) {
      share += weights[set]!;
      const end = set === sets - 1 ? this.count : Math.floor(((this.count - sets) * share) / sum) + set + 1;
      this.setOf.fill(set, at, end);
      at = end;
    }
  }
}

/** The first address of a /14 that is not reserved for anything. */
function publicAnchor(random: () => number): number {
  for (;;) {
    const first = 1 + Math.floor(random() * 222);
    if (![10, 25, 100, 127, 169, 172, 192, 198, 203].includes(first)) return (first << 24) | ((random() * 64) << 18);
  }
}

function pick(weights: readonly (readonly [number, number])[], random: () => number): number {
  let left = random() * 1000;
  for (const [value, weight] of weights) {
    left -= weight;
    if (left < 0) return value;
  }
  return weights[0]?.[0] ?? 0;
}

/** A number from three, spread over 32 bits. */
function mix(a: number, b: number, c: number): number {
  let h = Math.imul(a + 0x7f4a7c15, 0x9e3779b1) ^ Math.imul(b + 1, 0x85ebca6b) ^ Math.imul(c + 1, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Which sender has the strictly shortest AS_PATH for the prefixes of `set`. */
export function bestSender(workload: Workload, set: number): number {
  return workload.senders <= 1 ? 0 : mix(set, 0, 77) % workload.senders;
}

/** What sender `sender` announces with attribute set `set`; without the next hop, which is its own address. */
export function attributesOf(workload: Workload, sender: number, set: number): PathAttributes {
  if (workload.kind === 'reflection') return { origin: 0, asPath: [], localPref: 100 };
  const own = sessionAs(workload, sender);
  const extra =
    workload.senders === 1
      ? 1 + (mix(set, 0, 1) % 4)
      : sender === bestSender(workload, set)
        ? 1
        : 2 + (mix(set, sender, 2) % 4);
  const asns = [own];
  for (let i = 0; i < extra; i++) asns.push(1000 + (mix(set, sender, 10 + i) % 20_000));
  asns.push(400_000 + set);
  const communities = Array.from(
    { length: mix(set, sender, 3) % 7 },
    (_, i) => (1000 + i * 7000 + (mix(set, i, 4) % 6000)) * 0x1_0000 + (mix(set, i, 5) & 0xffff),
  );
  const h = mix(set, 0, 6);
  return {
    origin: workload.senders === 1 && h % 10 === 0 ? 2 : 0,
    asPath: [{ type: 'sequence', asns }],
    ...(h % 5 === 0 ? { med: (h >>> 8) % 1000 } : {}),
    ...(communities.length === 0 ? {} : { communities }),
    ...(h % 10 === 1
      ? {
          largeCommunities: [0, 1].map((i) => ({ globalAdmin: 200_000 + i, local1: mix(set, i, 7), local2: set })),
        }
      : {}),
  };
}
