import type { JudgeContext } from './judge.ts';
import type { Random } from './random.ts';
import { type RawAttribute, type RawUpdate, u16, u32, writePrefix } from './wire.ts';

/** Who speaks: what goes into the attributes of a route that shall be usable. */
export interface Sender {
  readonly context: JudgeContext;
  /** AS number of the sender; first in AS_PATH on an external session. */
  readonly asn: number;
  /** Address that routes are reached by. */
  readonly nextHop4: readonly number[];
  readonly nextHop6: readonly number[];
}

/** AS numbers that occur in paths: neither of the speakers', some that need four octets. */
const ASNS = [64701, 64702, 64703, 23456, 4200000123, 70000, 65535, 1];

/** An UPDATE without fault: announcements and withdrawals of both families with attributes of all kinds, from a small pool of prefixes. */
export function generateUpdate(random: Random, sender: Sender): RawUpdate {
  const { context } = sender;
  const isMp = random.once(2);
  const announces = !random.once(6);
  const nlri = announces && !isMp ? prefixes(random, 4, context.addPath4, 1) : [];
  const withdrawn = random.once(3) ? prefixes(random, 4, context.addPath4, 1) : [];
  const attributes: RawAttribute[] = announces ? routeAttributes(random, sender, isMp) : [];
  if (random.once(4)) {
    attributes.push({ flags: 0x80, code: 15, value: [0, 2, 1, ...prefixes(random, 6, context.addPath6, 0)] });
  }
  if (random.once(3)) shuffle(random, attributes);
  return { withdrawn, attributes: attributes.map((attribute) => spell(random, attribute)), nlri };
}

/** Long lengths where short ones would do are legal (RFC 4271 §4.3), and needed above 255. */
function spell(random: Random, attribute: RawAttribute): RawAttribute {
  const isLong = attribute.value.length > 255 || random.once(8);
  return isLong ? { ...attribute, flags: attribute.flags | 0x10 } : attribute;
}

function routeAttributes(random: Random, { context, asn, nextHop4, nextHop6 }: Sender, isMp: boolean): RawAttribute[] {
  const list: RawAttribute[] = [
    { flags: 0x40, code: 1, value: [random.below(3)] },
    { flags: 0x40, code: 2, value: asPath(random, context, asn) },
  ];
  if (isMp) {
    const hasPair = random.once(4);
    const second = [0xfe, 0x80, ...new Array<number>(13).fill(0), 1];
    const hop = hasPair ? [32, ...nextHop6, ...second] : [16, ...nextHop6];
    list.push({ flags: 0x80, code: 14, value: [0, 2, 1, ...hop, 0, ...prefixes(random, 6, context.addPath6, 1)] });
  } else {
    list.push({ flags: 0x40, code: 3, value: nextHop4 });
  }
  if (context.kind === 'ibgp') list.push({ flags: 0x40, code: 5, value: u32(random.below(300)) });
  return [...list, ...extras(random, context)];
}

function extras(random: Random, context: JudgeContext): RawAttribute[] {
  const list: RawAttribute[] = [];
  const wide = context.fourOctetAs;
  const asn = random.pick(ASNS.filter((value) => wide || value <= 0xffff));
  const asOctets = wide ? u32(asn) : u16(asn);
  const times = (count: number, one: () => number[]) => Array.from({ length: count }, one).flat();
  const some = (): number => (random.once(30) ? random.between(40, 90) : random.between(1, 4));
  const maybe = (flags: number, code: number, value: () => number[]): void => {
    if (random.once(5))
      list.push({ flags: flags | (flags === 0xc0 && random.once(8) ? 0x20 : 0), code, value: value() });
  };
  maybe(0x80, 4, () => u32(random.u32()));
  maybe(0x40, 6, () => []);
  maybe(0xc0, 7, () => [...asOctets, 10, 0, 0, random.between(1, 254)]);
  maybe(0xc0, 8, () => times(some(), () => u32(0xfc000000 + random.below(0x10000))));
  maybe(0xc0, 16, () => times(some(), () => [0, 2, 0xfc, 0, ...u32(random.u32())]));
  maybe(0xc0, 32, () => times(some(), () => [...u32(64700), ...u32(random.below(9)), ...u32(random.below(9))]));
  maybe(0xc0, random.pick([21, 99, 200, 254]), () => random.octets(random.pick([0, 1, 7, 300])));
  maybe(0x80, random.pick([22, 129]), () => random.octets(random.below(20)));
  if (context.kind === 'ibgp') {
    maybe(0x80, 9, () => [10, 200, 0, random.between(1, 254)]);
    maybe(0x80, 10, () => times(random.between(1, 3), () => [10, 201, 0, random.between(1, 254)]));
  }
  if (!wide) maybe(0xc0, 18, () => [...u32(70000), 10, 0, 0, 1]);
  return list;
}

function asPath(random: Random, context: JudgeContext, asn: number): number[] {
  const wide = context.fourOctetAs;
  const pool = ASNS.filter((value) => wide || value <= 0xffff);
  const count = random.once(40) ? random.between(100, 250) : random.below(4);
  const asns = Array.from({ length: count }, () => random.pick(pool));
  if (context.kind === 'ebgp') asns.unshift(asn);
  if (asns.length === 0) return [];
  return [2, asns.length, ...asns.flatMap((value) => (wide ? u32(value) : u16(value)))];
}

/** Prefixes of 10.77.0.0/16 and 2001:db8:77::/48: few enough to be announced, changed and withdrawn again and again. */
export function prefixes(random: Random, version: 4 | 6, hasIds: boolean, atLeast: number): number[] {
  const count = atLeast + random.below(4);
  const all: number[] = [];
  for (let i = 0; i < count; i++) {
    const n = random.below(24);
    const octets = version === 4 ? [10, 77, n, 0] : [0x20, 1, 0xd, 0xb8, 0, 0x77, 0, n];
    const length = version === 4 ? random.pick([24, 24, 25, 32, 23]) : random.pick([64, 64, 72, 128]);
    const masked = length === 23 ? [10, 77, n & 0xfe, 0] : octets;
    all.push(
      ...writePrefix([...masked, ...new Array<number>(16).fill(0)], length, hasIds ? random.between(0, 2) : undefined),
    );
  }
  return all;
}

/** Puts a list into another order. */
export function shuffle<T>(random: Random, list: T[]): void {
  for (let i = list.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const [a, b] = [list[i] as T, list[j] as T];
    list[i] = b;
    list[j] = a;
  }
}
