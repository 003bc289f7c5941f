import { type JudgeContext, type Judgement, type RouteKey, routeKey } from './judge.ts';
import { AS } from './link.ts';

/** What somebody else must have heard about a prefix; `either` where that is for a policy or a configuration to say, and not for this model. */
type Expected = 'in' | 'out' | 'either';

/** What the speaker shall have from one peer: judged UPDATEs go in, what others are told comes out. */
export class Model {
  readonly #context: JudgeContext;
  readonly #nextHop4: string;
  readonly #nextHop6: string;
  readonly #routes = new Map<RouteKey, Expected>();
  readonly #disabled = new Set<4 | 6>();

  constructor(
    context: JudgeContext,
    nextHops: { readonly nextHop4: readonly number[]; readonly nextHop6: readonly number[] },
  ) {
    this.#context = context;
    this.#nextHop4 = nextHops.nextHop4.join();
    this.#nextHop6 = nextHops.nextHop6.join();
  }

  /** Families that are no longer believed. */
  get disabled(): ReadonlySet<4 | 6> {
    return this.#disabled;
  }

  /** Takes what was judged; the codes of the NOTIFICATION that must follow, if one must. */
  apply(judged: Judgement, body: Uint8Array): ReadonlySet<string> | undefined {
    if (judged.action === 'unsure') throw new Error('an UPDATE that cannot be judged must not be sent');
    if (judged.action === 'reset') return judged.codes;
    for (const version of judged.disabled) {
      this.#disabled.add(version);
      if (this.#disabled.size === 2) return judged.codes;
      for (const key of this.#routes.keys()) if (versionOf(key) === version) this.#routes.set(key, 'out');
    }
    for (const key of judged.withdrawn) this.#set(key, 'out');
    const expected =
      judged.action === 'accept' ? this.#usable(judged.attributes, body) : ({ 4: 'out', 6: 'out' } as const);
    for (const key of judged.announced) this.#set(key, expected[versionOf(key)]);
    return undefined;
  }

  /** The session is over. */
  clear(): void {
    for (const key of this.#routes.keys()) this.#routes.set(key, 'out');
    this.#disabled.clear();
  }

  /** What is wrong with somebody's table, in words; undefined if nothing is. */
  difference(table: ReadonlySet<RouteKey>): string | undefined {
    const byPrefix = new Map<RouteKey, Expected>();
    for (const [key, expected] of this.#routes) {
      const prefix = key.replace(/^#\d+ /, '');
      const before = byPrefix.get(prefix);
      // With path identifiers one path is enough.
      if (before === undefined || expected === 'in' || (expected === 'either' && before === 'out'))
        byPrefix.set(prefix, expected);
    }
    for (const [prefix, expected] of byPrefix) {
      if (expected === 'in' && !table.has(prefix)) return `${prefix} is missing`;
      if (expected === 'out' && table.has(prefix)) return `${prefix} should not be there`;
    }
    for (const prefix of table) if (!byPrefix.has(prefix)) return `${prefix} came from nowhere`;
    return undefined;
  }

  #set(key: RouteKey, expected: Expected): void {
    if (!this.#disabled.has(versionOf(key))) this.#routes.set(key, expected);
  }

  /** What RFC 4271 §6.3, §9.1.2 and §5.1.3 have to say about attributes that are well-formed. */
  #usable(attributes: ReadonlyMap<number, Uint8Array>, body: Uint8Array): Record<4 | 6, Expected> {
    const path = pathOf(attributes.get(2), this.#context.fourOctetAs);
    const unclear =
      body.length > 3000 ||
      attributes.has(17) ||
      attributes.has(35) ||
      path.hasSets ||
      path.asns.some((asn) => (AS.observers as readonly number[]).includes(asn)) ||
      isOwnReflection(attributes) ||
      hasWellKnown(attributes.get(8));
    const isFirstRight = this.#context.kind === 'ibgp' || path.asns[0] === AS.fuzzer;
    const common = path.asns.includes(AS.local) || !isFirstRight ? 'out' : unclear ? 'either' : 'in';
    if (path.hasSets) return { 4: 'either', 6: 'either' };
    const reach = reachOf(body);
    const hop4 = attributes.get(3)?.join() === this.#nextHop4;
    // A pair of next hops, or a link-local one alone: which is used is for the session to say.
    const hop6 = reach !== undefined && reach.length === 16 && reach.join() === this.#nextHop6;
    const isPair = reach?.length === 32 && reach.subarray(0, 16).join() === this.#nextHop6;
    const with_ = (isKnown: boolean): Expected => (common === 'in' && !isKnown ? 'either' : common);
    return { 4: with_(hop4), 6: with_(hop6 || isPair) };
  }
}

function versionOf(key: RouteKey): 4 | 6 {
  return key.replace(/^#\d+ /, '').startsWith('4') ? 4 : 6;
}

function pathOf(value: Uint8Array | undefined, wide: boolean): { asns: number[]; hasSets: boolean } {
  const asns: number[] = [];
  let hasSets = false;
  const octets = value ?? new Uint8Array(0);
  const width = wide ? 4 : 2;
  for (let at = 0; at + 2 <= octets.length; at += 2 + octets[at + 1]! * width) {
    if (octets[at] !== 2) hasSets = true;
    for (let i = 0; i < octets[at + 1]!; i++) {
      const from = at + 2 + i * width;
      asns.push([...octets.subarray(from, from + width)].reduce((sum, octet) => sum * 256 + octet, 0));
    }
  }
  return { asns, hasSets };
}

/** Attributes of reflection that may name the speaker itself: 10.*, which every router id here is. */
function isOwnReflection(attributes: ReadonlyMap<number, Uint8Array>): boolean {
  const own = (octets: Uint8Array | undefined) =>
    octets !== undefined &&
    !Array.from({ length: octets.length / 4 }, (_, i) => octets[i * 4 + 1] ?? 0).every((second) => second >= 200);
  return own(attributes.get(9)) || own(attributes.get(10));
}

/** Communities that forbid to pass a route on, or ask for something else (RFC 1997, 8326). */
function hasWellKnown(value: Uint8Array | undefined): boolean {
  for (let at = 0; at < (value?.length ?? 0); at += 4) {
    if ((value?.[at] === 0xff && value[at + 1] === 0xff) || (value?.[at] === 0 && value[at + 1] === 0)) return true;
  }
  return false;
}

/** The next hop field of MP_REACH_NLRI in an UPDATE that was found right. */
function reachOf(body: Uint8Array): Uint8Array | undefined {
  const start = 2 + (body[0]! * 256 + body[1]!) + 2;
  const end = start + body[start - 2]! * 256 + body[start - 1]!;
  for (let at = start; at < end; ) {
    const isLong = (body[at]! & 0x10) !== 0;
    const length = isLong ? body[at + 2]! * 256 + body[at + 3]! : body[at + 2]!;
    const value = body.subarray(at + (isLong ? 4 : 3), at + (isLong ? 4 : 3) + length);
    if (body[at + 1] === 14) return value.subarray(4, 4 + value[3]!);
    at += (isLong ? 4 : 3) + length;
  }
  return undefined;
}

/** The two prefixes that a fuzzing peer announces to see that what it sent before has arrived everywhere. */
export const SENTINELS: Readonly<Record<4 | 6, RouteKey>> = {
  4: routeKey(4, [10, 99], 16),
  6: routeKey(6, [0x20, 1, 0xd, 0xb8, 0, 0x99], 48),
};
