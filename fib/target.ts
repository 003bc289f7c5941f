import { formatIp, type IpAddress } from 'bgp-ts';

/** One next hop of a route: where a packet goes next. At least one of `gateway` and `ifIndex` is there. */
export interface FibNextHop {
  /** Address of the next router; left out when the destination is on the link. An IPv4 route may have an IPv6 one (RFC 8950, RTA_VIA). */
  readonly gateway?: IpAddress;
  /** Interface to leave by; needed with a link-local gateway. */
  readonly ifIndex?: number;
  /** Share of the traffic among several next hops, 1 (default) to 256. */
  readonly weight?: number;
  /** The gateway is on the link even if no route says so. */
  readonly onlink?: boolean;
}

/** Targets that are not next-hop sets. Ids of sets start at `FIRST_SET`. */
export const Target = {
  /** No route. */
  None: 0,
  /** Drop silently. */
  Blackhole: 1,
  /** Drop with an ICMP error. */
  Unreachable: 2,
  /** Drop with an ICMP "administratively prohibited"; only seen, never written. */
  Prohibit: 3,
  /** A route whose content this program does not model (local, multicast, throw, ...); only seen. */
  Other: 4,
  /** There is a route, but nobody knows its content. */
  Unknown: 5,
  /** A way that the kernel does not have now: a route there has to wait. */
  Blocked: 6,
} as const;

/** Lowest id of a next-hop set. */
export const FIRST_SET = 8;

/**
 * Lowest id of a way: a next-hop set with a name, whose content may change under the routes that lead there. Where the kernel has nexthop
 * objects a way is one of them, and its low 24 bits are those of the object's id.
 */
export const FIRST_WAY = 0x40000000;

/** Largest number of a way or of any nexthop object of ours. */
export const LAST_NEXT_HOP = 0xffffff;

/** Whether a target is a way. */
export function isWay(target: number): boolean {
  return target >= FIRST_WAY;
}

/**
 * Id of a nexthop object of ours: the protocol number that marks our routes, then 24 bits. Whatever has our protocol number and an id in
 * this range is ours, nothing else is.
 */
export function nextHopId(protocol: number, number: number): number {
  return ((protocol << 24) | (number & LAST_NEXT_HOP)) >>> 0;
}

/** Whether an id is in our range. */
export function isInRange(protocol: number, id: number): boolean {
  return id >>> 24 === protocol;
}

/**
 * Interns what routes can point at, so that a route costs one integer. An id once given stays valid; a distinct set costs some hundred
 * octets and is kept for the life of the table, since there are as many as distinct combinations of next hops, not as routes.
 */
export class TargetTable {
  #sets: (readonly FibNextHop[])[] = [];
  #byText = new Map<string, number>();
  #matches = new Map<number, boolean>();

  /**
   * The id of a set of next hops; order and repetition of equal hops do not matter to the id's meaning but repetition is kept out.
   * @throws RangeError when the set is empty, a hop has neither gateway nor interface, or a weight is outside 1..256
   */
  intern(hops: readonly FibNextHop[]): number {
    if (hops.length === 0) throw new RangeError('next-hop set: empty');
    const texts = new Map<string, FibNextHop>();
    for (const hop of hops) texts.set(hopText(hop), hop);
    const text = [...texts.keys()].sort().join(' ');
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const id = FIRST_SET + this.#sets.length;
    this.#sets.push([...texts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, hop]) => copyHop(hop)));
    this.#byText.set(text, id);
    return id;
  }

  /** The next hops of a set; none for any other target. */
  hops(id: number): readonly FibNextHop[] {
    return this.#sets[id - FIRST_SET] ?? [];
  }

  /** The ids given so far are below this. */
  get end(): number {
    return FIRST_SET + this.#sets.length;
  }

  /**
   * Whether a route seen in the kernel is what was wanted: the same kind, and hop by hop the same gateway and weight, and the same
   * interface where the wanted hop names one (the kernel always reports one).
   */
  matches(wanted: number, seen: number): boolean {
    if (wanted === seen) return true;
    if (!isSet(wanted) || !isSet(seen)) return false;
    const key = wanted * 0x4000000 + seen;
    let answer = this.#matches.get(key);
    if (answer === undefined) {
      answer = this.hops(wanted).length === this.hops(seen).length && this.#covers(wanted, seen);
      this.#matches.set(key, answer);
    }
    return answer;
  }

  /** Whether every hop of `part` is one of `whole`: a route that lost some of its next hops, say because a link went down. */
  isPartOf(part: number, whole: number): boolean {
    return isSet(part) && isSet(whole) && this.#covers(whole, part);
  }

  /** Whether each hop of `seen` satisfies one hop of `wanted`, none used twice. */
  #covers(wanted: number, seen: number): boolean {
    const left = [...this.hops(wanted)];
    for (const hop of this.hops(seen)) {
      const at = left.findIndex((other) => satisfies(hop, other));
      if (at < 0) return false;
      left.splice(at, 1);
    }
    return true;
  }
}

/** Whether a target is a next-hop set that stays as it is. */
export function isSet(target: number): boolean {
  return target >= FIRST_SET && target < FIRST_WAY;
}

/** `via 192.0.2.1 dev 3 weight 2 onlink`; equal hops have equal texts. */
export function hopText(hop: FibNextHop): string {
  const { gateway, ifIndex, weight = 1, onlink = false } = hop;
  if (gateway === undefined && ifIndex === undefined) throw new RangeError('next hop: neither gateway nor interface');
  if (!Number.isInteger(weight) || weight < 1 || weight > 256)
    throw new RangeError(`next hop: weight ${weight} is not in 1..256`);
  const via = gateway === undefined ? '' : `via ${formatIp(gateway)},`;
  return `${via}dev ${ifIndex ?? '?'},weight ${weight}${onlink ? ',onlink' : ''}`;
}

function copyHop(hop: FibNextHop): FibNextHop {
  const { gateway } = hop;
  if (gateway === undefined) return { ...hop };
  return { ...hop, gateway: { version: gateway.version, octets: gateway.octets.slice() } };
}

function satisfies(seen: FibNextHop, wanted: FibNextHop): boolean {
  if (wanted.ifIndex !== undefined && seen.ifIndex !== wanted.ifIndex) return false;
  if ((seen.weight ?? 1) !== (wanted.weight ?? 1)) return false;
  if (seen.gateway === undefined || wanted.gateway === undefined) return seen.gateway === wanted.gateway;
  return formatIp(seen.gateway) === formatIp(wanted.gateway);
}
