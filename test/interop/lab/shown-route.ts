import {
  formatAsPath,
  formatCommunity,
  formatExtendedCommunity,
  formatIp,
  formatLargeCommunity,
  type PathAttributes,
} from 'bgp-ts';

/**
 * A route as text, in one form for everybody: what was sent, what a router's own command shows, what came on the wire. Communities of
 * all three kinds are sets and so are sorted; everything else keeps its order. A field is absent where the attribute is.
 */
export interface ShownRoute {
  readonly origin?: string;
  /** `65000 64512 {1,2}`, members of a set sorted. */
  readonly asPath?: string;
  readonly nextHop?: string;
  readonly med?: number;
  readonly localPref?: number;
  readonly atomicAggregate?: boolean;
  /** `65000 192.0.2.1` */
  readonly aggregator?: string;
  readonly communities?: string;
  readonly extendedCommunities?: string;
  readonly largeCommunities?: string;
  readonly originatorId?: string;
  readonly clusterList?: string;
  /** Metric of AIGP (RFC 7311), in decimal. */
  readonly aigp?: string;
  /** `213 e0 deadbeef`: code, flags without the length bit, value. */
  readonly unknown?: string;
}

export type ShownField = keyof ShownRoute;

/** Routes by prefix. */
export type ShownRoutes = ReadonlyMap<string, ShownRoute>;

const originNames = ['IGP', 'EGP', 'incomplete'];

const known = new WeakMap<PathAttributes, ShownRoute>();

/** The form of attributes that are known as values. Many routes share one object of attributes: it is looked at once. */
export function shown(attributes: PathAttributes): ShownRoute {
  let route = known.get(attributes);
  if (route === undefined) {
    route = shownOnce(attributes);
    known.set(attributes, route);
  }
  return route;
}

function shownOnce(a: PathAttributes): ShownRoute {
  return {
    ...(a.origin === undefined ? {} : { origin: originNames[a.origin] as string }),
    ...(a.asPath === undefined ? {} : { asPath: formatAsPath(a.asPath.map(sortedSet)) }),
    ...(a.nextHop === undefined ? {} : { nextHop: formatIp(a.nextHop) }),
    ...(a.med === undefined ? {} : { med: a.med }),
    ...(a.localPref === undefined ? {} : { localPref: a.localPref }),
    ...(a.atomicAggregate === undefined ? {} : { atomicAggregate: true }),
    ...(a.aggregator === undefined ? {} : { aggregator: `${a.aggregator.asn} ${formatIp(a.aggregator.address)}` }),
    ...textSet('communities', a.communities?.map(formatCommunity)),
    ...textSet('extendedCommunities', a.extendedCommunities?.map(formatExtendedCommunity)),
    ...textSet('largeCommunities', a.largeCommunities?.map(formatLargeCommunity)),
    ...(a.originatorId === undefined ? {} : { originatorId: formatIp(a.originatorId) }),
    ...(a.clusterList === undefined ? {} : { clusterList: a.clusterList.map(formatIp).join(' ') }),
    ...(a.aigp === undefined ? {} : { aigp: String(a.aigp.metric) }),
    ...textSet(
      'unknown',
      a.unknown?.map(({ code, flags, value }) => `${code} ${(flags & 0xef).toString(16)} ${hex(value)}`),
    ),
  };
}

/** One field that holds a set, in sorted order; nothing for an absent or empty one. */
export function textSet<F extends ShownField>(
  field: F,
  members: readonly string[] | undefined,
): { readonly [key in F]?: string } {
  if (members === undefined || members.length === 0) return {};
  return { [field]: [...members].sort().join(' ') } as { readonly [key in F]?: string };
}

/** Octets as hexadecimal. */
export function hex(octets: Uint8Array): string {
  return Buffer.from(octets).toString('hex');
}

function sortedSet(segment: NonNullable<PathAttributes['asPath']>[number]) {
  return segment.type === 'set' ? { ...segment, asns: [...segment.asns].sort((a, b) => a - b) } : segment;
}

/**
 * Compares prefix by prefix and attribute by attribute.
 * @param ignored fields that one side has no way to tell
 * @param isKnown a departure of the daemon's own, found and understood
 * @returns a line for each difference, for the report of a failed test; empty when all is as expected
 */
export function differences(
  expected: ShownRoutes,
  found: ShownRoutes,
  ignored: ReadonlySet<ShownField> = new Set(),
  isKnown: (field: ShownField, expected: ShownRoute, found: ShownRoute) => boolean = () => false,
): string[] {
  const lines: string[] = [];
  for (const [prefix, route] of expected) {
    const other = found.get(prefix);
    if (other === undefined) {
      lines.push(`${prefix}: missing`);
      continue;
    }
    const fields = new Set([...Object.keys(route), ...Object.keys(other)] as ShownField[]);
    for (const field of fields) {
      if (ignored.has(field) || isSame(field, route[field], other[field]) || isKnown(field, route, other)) continue;
      lines.push(`${prefix}: ${field}: expected ${brief(route[field])}, found ${brief(other[field])}`);
    }
  }
  for (const prefix of found.keys()) if (!expected.has(prefix)) lines.push(`${prefix}: not expected`);
  return lines;
}

/** Equal; or as much of it as a command shows that cuts long values short (`...`) or leaves out flags (`?`). */
function isSame(field: ShownField, expected: ShownRoute[ShownField], found: ShownRoute[ShownField]): boolean {
  if (typeof expected !== 'string' || typeof found !== 'string') return expected === found;
  const wanted = field === 'unknown' && found.includes(' ? ') ? expected.replace(/ [0-9a-f]{1,2} /, ' ? ') : expected;
  return found.endsWith('...') ? wanted.startsWith(found.slice(0, -'...'.length)) : wanted === found;
}

/** A value, cut short in the middle if it is long. */
function brief(value: ShownRoute[ShownField]): string {
  const text = String(value);
  return text.length > 120 ? `${text.slice(0, 60)} ... ${text.slice(-55)}` : text;
}
