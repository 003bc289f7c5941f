/**
 * What RFC 4271, 4760, 6793 and 7606 want done about an UPDATE: written from them and from nothing of the product's, plainly and slowly, to be
 * held against what the decoder and the daemon do. Where an RFC leaves a choice, the one that bgp-ts documents is taken.
 */

/** What both OPENs agreed on, as far as it changes the judgement. */
export interface JudgeContext {
  readonly kind: 'ebgp' | 'ibgp';
  readonly fourOctetAs: boolean;
  /** Received prefixes of the family have path identifiers. */
  readonly addPath4: boolean;
  readonly addPath6: boolean;
}

/** One prefix, as `4 10.0.0.0/8` or `6 2001...(32 hex digits)/32`, with `#ID` in front where there are path identifiers. */
export type RouteKey = string;

/** The action for an UPDATE. */
export type Judgement =
  /** NOTIFICATION with one of `codes` (`3/1`): several, where several things of the same weight are wrong. */
  | { readonly action: 'reset'; readonly codes: ReadonlySet<string> }
  | {
      readonly action: 'accept' | 'treat-as-withdraw';
      readonly announced: readonly RouteKey[];
      readonly withdrawn: readonly RouteKey[];
      readonly attributes: ReadonlyMap<number, Uint8Array>;
      /** Attributes that are dropped. */
      readonly discarded: number;
      /**
       * Families whose routes could not be read: nothing more is believed of them, and all of theirs are withdrawn (RFC 7606 §2, RFC 4760 §7).
       * Where no other family is left, the session ends with one of `codes`.
       */
      readonly disabled: readonly (4 | 6)[];
      readonly codes: ReadonlySet<string>;
    }
  /** An attribute is in it that this judge has not learned about. */
  | { readonly action: 'unsure'; readonly code: number };

type Weight = 'discard' | 'withdraw' | 'disable' | 'reset';

interface Fault {
  readonly weight: Weight;
  readonly code: number;
  readonly answers: readonly string[];
}

/** Optional and Transitive bits of the attributes known here (RFC 4271 §5, 1997, 4456, 4760, 4360, 6793, 8092, 9234). */
const KIND: Readonly<Record<number, number>> = {
  1: 0x40,
  2: 0x40,
  3: 0x40,
  4: 0x80,
  5: 0x40,
  6: 0x40,
  7: 0xc0,
  8: 0xc0,
  9: 0x80,
  10: 0x80,
  14: 0x80,
  15: 0x80,
  16: 0xc0,
  17: 0xc0,
  18: 0xc0,
  32: 0xc0,
  35: 0xc0,
};
/** AIGP: whether it is in force depends on the configuration. */
const UNSURE = 26;

/** Judges the body of an UPDATE, the message header not included. */
export function judgeUpdate(body: Uint8Array, context: JudgeContext): Judgement {
  const sections = split(body);
  if (sections === undefined) return reset(['3/1']);
  const { attributes, nlri, withdrawn } = sections;
  const withdrawnRoutes = readRoutes(withdrawn, 4, context.addPath4);
  const nlriRoutes = readRoutes(nlri, 4, context.addPath4);
  if (withdrawnRoutes === undefined || nlriRoutes === undefined) return reset(['3/10']);

  const run = new AttributeRun(context, nlriRoutes.length === 0);
  run.walk(attributes);
  if (run.unsure) return { action: 'unsure', code: UNSURE };
  const announces = nlriRoutes.length > 0 || run.reach !== undefined;
  if (announces) run.missing(nlriRoutes.length > 0);

  const hasOthers = run.count > (run.unreach === undefined ? 0 : 1);
  const answersOf = (weight: Weight) => run.faults.filter((f) => f.weight === weight).flatMap((f) => f.answers);
  if (answersOf('reset').length > 0) return reset(answersOf('reset'));
  const isDisabling = answersOf('disable').length > 0;
  const mustWithdraw = isDisabling || answersOf('withdraw').length > 0;
  // RFC 7606 §5.2: the routes that were meant may have been lost.
  if (mustWithdraw && !isDisabling && !announces && hasOthers) return reset(answersOf('withdraw'));
  return {
    action: mustWithdraw ? 'treat-as-withdraw' : 'accept',
    announced: [...nlriRoutes, ...(run.reach ?? [])],
    withdrawn: [...withdrawnRoutes, ...(run.unreach ?? [])],
    attributes: run.values,
    discarded: run.faults.length,
    disabled: run.disabled,
    codes: new Set(answersOf('disable')),
  };
}

function reset(codes: readonly string[]): Judgement {
  return { action: 'reset', codes: new Set(codes) };
}

function split(body: Uint8Array): { withdrawn: Uint8Array; attributes: Uint8Array; nlri: Uint8Array } | undefined {
  if (body.length < 4) return undefined;
  const withdrawnLength = body[0]! * 256 + body[1]!;
  if (2 + withdrawnLength + 2 > body.length) return undefined;
  const at = 2 + withdrawnLength;
  const attributesLength = body[at]! * 256 + body[at + 1]!;
  if (at + 2 + attributesLength > body.length) return undefined;
  return {
    withdrawn: body.subarray(2, at),
    attributes: body.subarray(at + 2, at + 2 + attributesLength),
    nlri: body.subarray(at + 2 + attributesLength),
  };
}

/** Prefixes of one IP version, host bits cleared; undefined if they are malformed (RFC 7606 §5.3). */
export function readRoutes(octets: Uint8Array, version: 4 | 6, hasIds: boolean): RouteKey[] | undefined {
  const routes: RouteKey[] = [];
  let rest = [...octets];
  while (rest.length > 0) {
    let id = '';
    if (hasIds) {
      if (rest.length < 5) return undefined;
      id = `#${rest.slice(0, 4).reduce((sum, octet) => sum * 256 + octet, 0)} `;
      rest = rest.slice(4);
    }
    const length = rest[0]!;
    if (length > (version === 4 ? 32 : 128)) return undefined;
    const count = Math.ceil(length / 8);
    if (rest.length < 1 + count) return undefined;
    const bits = rest.slice(1, 1 + count);
    if (length % 8 !== 0) bits[count - 1]! &= 0xff << (8 - (length % 8));
    routes.push(`${id}${routeKey(version, bits, length)}`);
    rest = rest.slice(1 + count);
  }
  return routes;
}

/** The key of a prefix without path identifier. */
export function routeKey(version: 4 | 6, octets: readonly number[], length: number): RouteKey {
  const full = [...octets, ...new Array<number>(16).fill(0)].slice(0, version === 4 ? 4 : 16);
  const text =
    version === 4 ? full.join('.') : full.map((octet) => (octet & 0xff).toString(16).padStart(2, '0')).join('');
  return `${version} ${text}/${length}`;
}

/** One run over the path attributes. */
class AttributeRun {
  readonly faults: Fault[] = [];
  readonly values = new Map<number, Uint8Array>();
  count = 0;
  reach: RouteKey[] | undefined;
  unreach: RouteKey[] | undefined;
  unsure = false;
  readonly disabled: (4 | 6)[] = [];
  readonly #context: JudgeContext;
  readonly #nlriIsEmpty: boolean;
  readonly #seen = new Set<number>();

  constructor(context: JudgeContext, nlriIsEmpty: boolean) {
    this.#context = context;
    this.#nlriIsEmpty = nlriIsEmpty;
  }

  walk(octets: Uint8Array): void {
    let at = 0;
    while (at < octets.length) {
      this.count++;
      const flags = octets[at]!;
      const code = octets[at + 1] ?? 0;
      const isLong = (flags & 0x10) !== 0;
      const headerEnd = at + (isLong ? 4 : 3);
      const length = isLong ? octets[at + 2]! * 256 + octets[at + 3]! : octets[at + 2]!;
      if (headerEnd > octets.length || headerEnd + length > octets.length) {
        // RFC 7606 §4; §3 j where it hides routes.
        this.#fault(code === 14 || code === 15 ? 'reset' : 'withdraw', code, '3/5', '3/1');
        return;
      }
      this.#attribute(flags, code, octets.subarray(headerEnd, headerEnd + length));
      at = headerEnd + length;
    }
  }

  /** RFC 4271 §6.3 with RFC 7606 §3 d, RFC 4760 §3. */
  missing(usesNlri: boolean): void {
    const wanted = [1, 2, ...(usesNlri ? [3] : []), ...(this.#context.kind === 'ibgp' ? [5] : [])];
    for (const code of wanted) {
      if (!this.values.has(code) && !this.faults.some((fault) => fault.code === code))
        this.#fault('withdraw', code, '3/3');
    }
  }

  #fault(weight: Weight, code: number, ...answers: string[]): false {
    this.faults.push({ weight, code, answers });
    return false;
  }

  #attribute(flags: number, code: number, value: Uint8Array): void {
    const isMp = code === 14 || code === 15;
    if (code === UNSURE) this.unsure = true;
    if (this.#seen.has(code)) {
      this.#fault(isMp ? 'reset' : 'discard', code, '3/1'); // RFC 7606 §3 g
      return;
    }
    this.#seen.add(code);
    const kind = KIND[code];
    if (kind === undefined) {
      if ((flags & 0x80) === 0) this.#fault('reset', code, '3/2');
      return;
    }
    // RFC 7606 §7.5, §7.9, §7.10; RFC 6793 §4.1.
    if (this.#context.kind === 'ebgp' && (code === 5 || code === 9 || code === 10)) {
      this.#fault('discard', code);
      return;
    }
    if (this.#context.fourOctetAs && (code === 17 || code === 18)) {
      this.#fault('discard', code);
      return;
    }
    if ((flags & 0xc0) !== kind) {
      this.#fault('withdraw', code, '3/4'); // RFC 7606 §3 c
      if (!isMp) return;
    }
    if (code === 14) this.#reach(value);
    else if (code === 15) this.#unreach(value);
    else if (this.#isFit(code, value)) this.values.set(code, value);
  }

  /** RFC 7606 §7, by type code. */
  #isFit(code: number, value: Uint8Array): boolean {
    const n = value.length;
    switch (code) {
      case 1:
        if (n !== 1) return this.#fault('withdraw', code, '3/5');
        return value[0]! <= 2 || this.#fault('withdraw', code, '3/6');
      case 2:
        return this.#isPath(value, this.#context.fourOctetAs) || this.#fault('withdraw', code, '3/11');
      case 3:
        if (n !== 4) return this.#fault('withdraw', code, '3/5');
        if (isHost4(value)) return true;
        // Where MP_REACH_NLRI has the routes, NEXT_HOP means nothing (RFC 4760 §3).
        return this.#fault(this.#nlriIsEmpty ? 'discard' : 'withdraw', code, '3/8');
      case 4:
      case 5:
        return n === 4 || this.#fault('withdraw', code, '3/5');
      case 6:
        return n === 0 || this.#fault('discard', code);
      case 7:
        return this.#isAggregator(value, this.#context.fourOctetAs) || this.#fault('discard', code);
      case 8:
        return (n > 0 && n % 4 === 0) || this.#fault('withdraw', code, '3/5', '3/9');
      case 9:
        return n === 4 || this.#fault('withdraw', code, '3/5', '3/9');
      case 10:
        return (n > 0 && n % 4 === 0) || this.#fault('withdraw', code, '3/5', '3/9');
      case 16:
        return (n > 0 && n % 8 === 0) || this.#fault('withdraw', code, '3/5', '3/9');
      case 17:
        return (n > 0 && this.#isPath(value, true, true)) || this.#fault('discard', code);
      case 18:
        return this.#isAggregator(value, true) || this.#fault('discard', code);
      case 32:
        return (n > 0 && n % 12 === 0) || this.#fault('withdraw', code, '3/5', '3/9');
      default:
        return n === 4 || this.#fault('withdraw', code, '3/5', '3/9'); // ONLY_TO_CUSTOMER
    }
  }

  #isAggregator(value: Uint8Array, wide: boolean): boolean {
    const asOctets = wide ? 4 : 2;
    return value.length === asOctets + 4 && value.subarray(0, asOctets).some((octet) => octet !== 0);
  }

  /** RFC 4271 §4.3, RFC 7606 §7.2, RFC 7607 §2, RFC 5065 §5.3. */
  #isPath(value: Uint8Array, wide: boolean, isAs4 = false): boolean {
    const width = wide ? 4 : 2;
    let at = 0;
    while (at < value.length) {
      if (at + 2 > value.length) return false;
      const [type, count] = [value[at]!, value[at + 1]!];
      if (type < 1 || type > 4 || count === 0 || at + 2 + count * width > value.length) return false;
      if (type > 2 && this.#context.kind === 'ebgp' && !isAs4) return false;
      for (let i = 0; i < count; i++) {
        const from = at + 2 + i * width;
        if (value.subarray(from, from + width).every((octet) => octet === 0)) return false;
      }
      at += 2 + count * width;
    }
    return true;
  }

  /** RFC 4760 §3, RFC 2545 §3, RFC 7606 §7.11. Other families stay octets. */
  #reach(value: Uint8Array): void {
    if (value.length < 3) {
      this.#fault('reset', 14, '3/9', '3/5');
      return;
    }
    const version = versionOf(value);
    if (version === undefined) {
      this.reach = [];
      return;
    }
    const length = value[3];
    const right = version === 4 ? [4] : [16, 32];
    if (length === undefined || !right.includes(length) || value.length < 4 + length + 1) {
      this.#disable(version, 14);
      return;
    }
    const hop = value.subarray(4, 4 + length);
    const hasIds = version === 4 ? this.#context.addPath4 : this.#context.addPath6;
    const routes = readRoutes(value.subarray(4 + length + 1), version, hasIds);
    if (routes === undefined) {
      this.#disable(version, 14);
      return;
    }
    this.reach = routes;
    if (!isHost(hop)) this.#fault('withdraw', 14, '3/8');
  }

  /** RFC 4760 §4, RFC 7606 §7.12. */
  #unreach(value: Uint8Array): void {
    if (value.length < 3) {
      this.#fault('reset', 15, '3/9', '3/5');
      return;
    }
    const version = versionOf(value);
    const hasIds = version === 4 ? this.#context.addPath4 : this.#context.addPath6;
    const routes = version === undefined ? [] : readRoutes(value.subarray(3), version, hasIds);
    if (routes !== undefined) this.unreach = routes;
    else if (version !== undefined) this.#disable(version, 15);
  }

  #disable(version: 4 | 6, code: number): void {
    this.disabled.push(version);
    this.#fault('disable', code, '3/9', '3/5');
  }
}

function versionOf(value: Uint8Array): 4 | 6 | undefined {
  if (value[0] !== 0 || value[2] !== 1) return undefined;
  return value[1] === 1 ? 4 : value[1] === 2 ? 6 : undefined;
}

function isHost4(value: Uint8Array): boolean {
  return value[0] !== 0 && value[0] !== 127 && value[0]! < 224;
}

/** RFC 4271 §6.3 for either version; `::` before a link-local address is how BIRD says that it has no other. */
function isHost(hop: Uint8Array): boolean {
  if (hop.length === 4) return isHost4(hop);
  const first = hop.subarray(0, 16);
  if (first[0] === 0xff) return false;
  if (first.subarray(0, 15).some((octet) => octet !== 0)) return true;
  if (first[15] !== 0) return first[15]! > 1;
  return hop.length === 32 && hop[16] === 0xfe && (hop[17]! & 0xc0) === 0x80;
}
