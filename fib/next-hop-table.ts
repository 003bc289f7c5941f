import { formatIp, formatPrefix, type IpAddress, isLinkLocal, maskIp } from 'bgp-ts';
import type { KernelAddress, KernelLink, KernelRoutes, RouteRecords } from './kernel.ts';
import { RECORD_WORDS, RecordKind } from './kernel.ts';
import { RouteIndex } from './route-index.ts';
import type { FibNextHop } from './target.ts';
import { wordsOfOctets } from './words.ts';

/** How a next hop is reached. `gateway` is left out when it is on the link: then the next hop itself is the gateway. */
export type NextHopAnswer =
  | {
      readonly reachable: true;
      readonly ifIndex: number;
      readonly gateway?: IpAddress;
      /** Metric of the route that covers it; 0 on the link. */
      readonly metric: number;
      /**
       * Every way there when the covering route is a multipath one; `ifIndex` and `gateway` are those of the first. Ways over links
       * that are down or without carrier are left out.
       */
      readonly hops: readonly FibNextHop[];
    }
  | { readonly reachable: false };

/** Which routes count for resolving. */
export interface NextHopTableOptions {
  /** Table looked up; 254 (main). */
  readonly table: number;
  /** Protocol numbers that never resolve a next hop: those of our own BGP routes. */
  readonly ownProtocols: readonly number[];
  /** Whether a default route resolves next hops (default true: a node behind a router often has nothing else). */
  readonly viaDefault?: boolean;
}

/** A next hop somebody asked for, and what he was told. */
interface Tracked {
  readonly ip: IpAddress;
  readonly ifIndex: number | undefined;
  answer: NextHopAnswer;
  text: string;
}

/** For people: what a look-up came upon. */
interface LookUpTrace {
  /** Why it is unreachable. */
  why: string;
  /** Length of the prefix of the route that decided, -1: none did. */
  length: number;
}

const UNREACHABLE: NextHopAnswer = { reachable: false };

/**
 * Answers whether and how a BGP next hop is reached, from the links, the addresses and the routes of the kernel. The rule:
 * - the longest prefix that covers it decides, then the lowest metric; a discard route there means unreachable;
 * - routes that this program installs itself do not count: a BGP next hop is resolved by connected, static and IGP routes and those of
 *   pods, never by a BGP route of ours, so no route can come to depend on itself;
 * - routes over a link that is down do not count (the kernel is about to drop them); a link without carrier leads nowhere;
 * - an address of this machine is unreachable: a route to ourselves cannot be forwarded;
 * - a link-local address is reached over the interface given with it, and only with one.
 * The kernel holds gateways to be on the link, so the covering route's gateway is the whole way: nothing needs a second look-up.
 */
export class NextHopTable {
  readonly #kernel: KernelRoutes;
  readonly #table: number;
  readonly #own: ReadonlySet<number>;
  readonly #viaDefault: boolean;
  readonly #tracked = new Map<string, Tracked>();
  readonly #callbacks = new Set<(ip: IpAddress, ifIndex?: number) => void>();
  readonly #scratch = new Int32Array(4);
  #links = new Map<number, KernelLink>();
  #addresses = new Map<string, KernelAddress>();
  #v4 = new RouteIndex(1);
  #v6 = new RouteIndex(4);
  #unwatch: () => void = () => {};
  /** Set while the tables are being read: changes wait here, to be taken in afterwards. */
  #held: (() => void)[] | undefined;
  #isReadAgainWanted = false;
  #reading: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(kernel: KernelRoutes, options: NextHopTableOptions) {
    this.#kernel = kernel;
    this.#table = options.table;
    this.#own = new Set(options.ownProtocols);
    this.#viaDefault = options.viaDefault ?? true;
  }

  /**
   * Reads links, addresses and routes, and follows their changes from then on. Before, everything is unreachable.
   * @throws KernelError when the kernel cannot be read
   */
  async start(): Promise<void> {
    this.#unwatch = this.#kernel.watch({
      routes: (records) => this.#routesChanged(records),
      link: (link, present) => this.#take(() => this.#linkChanged(link, present)),
      address: (address, present) => this.#take(() => this.#addressChanged(address, present)),
      overflow: () => this.#readAgain(),
    });
    await this.#read();
  }

  /**
   * How `ip` is reached now. It is remembered, and changes of the answer are reported, until `forget`.
   * @param ifIndex interface of the session; needed for link-local addresses, not looked at for others
   */
  resolve(ip: IpAddress, ifIndex?: number): NextHopAnswer {
    const scope = isLinkLocal(ip) ? ifIndex : undefined;
    const key = keyOf(ip, scope);
    const known = this.#tracked.get(key);
    if (known !== undefined) return known.answer;
    const answer = this.#lookUp(ip, scope);
    const copy: IpAddress = { version: ip.version, octets: ip.octets.slice() };
    this.#tracked.set(key, { ip: copy, ifIndex: scope, answer, text: answerText(answer) });
    return answer;
  }

  /**
   * The same answer in words: which route decided, or what is missing.
   * @param ifIndex as for {@link resolve}
   */
  explain(ip: IpAddress, ifIndex?: number): string {
    const found: LookUpTrace = { why: 'no route covers it', length: -1 };
    const answer = this.#lookUp(ip, isLinkLocal(ip) ? ifIndex : undefined, found);
    const covering =
      found.length < 0
        ? ''
        : ` ${formatPrefix({ address: maskIp(ip, found.length), length: found.length })} of table ${this.#table}`;
    if (!answer.reachable) return `${found.why}${covering}`;
    const device = this.linkName(answer.ifIndex) ?? `#${answer.ifIndex}`;
    const way = answer.gateway === undefined ? 'on the link' : `via ${formatIp(answer.gateway)}`;
    return `${found.length < 0 ? 'link-local' : `route${covering}`}, ${way} dev ${device}`;
  }

  /** Nobody wants to hear of changes for this next hop any more. */
  forget(ip: IpAddress, ifIndex?: number): void {
    this.#tracked.delete(keyOf(ip, isLinkLocal(ip) ? ifIndex : undefined));
  }

  /** Next hops remembered. */
  get size(): number {
    return this.#tracked.size;
  }

  /**
   * Calls back for every remembered next hop whose answer changed, reachability, metric or way, when `resolve` already gives the new one.
   * @returns what ends it
   */
  onChange(callback: (ip: IpAddress, ifIndex?: number) => void): () => void {
    this.#callbacks.add(callback);
    return () => void this.#callbacks.delete(callback);
  }

  /** Index of an interface by name. */
  linkIndex(name: string): number | undefined {
    for (const link of this.#links.values()) if (link.name === name) return link.ifIndex;
    return undefined;
  }

  /** Name of an interface by index. */
  linkName(ifIndex: number): string | undefined {
    return this.#links.get(ifIndex)?.name;
  }

  /** Stops following changes. The kernel object stays open: its owner closes it. May be called twice. */
  close(): void {
    this.#isClosed = true;
    this.#unwatch();
    this.#callbacks.clear();
  }

  // ---- looking up

  /** @param found for people: why the answer is what it is */
  #lookUp(ip: IpAddress, ifIndex: number | undefined, found?: LookUpTrace): NextHopAnswer {
    if (this.#addresses.has(formatIp(ip)) && ifIndex === undefined) {
      if (found !== undefined) found.why = 'it is an address of this machine';
      return UNREACHABLE;
    }
    if (isLinkLocal(ip)) {
      const link = ifIndex === undefined ? undefined : this.#links.get(ifIndex);
      if (link === undefined || !link.up || !link.carrier) {
        if (found !== undefined) found.why = linkTrouble(link);
        return UNREACHABLE;
      }
      return { reachable: true, ifIndex: link.ifIndex, metric: 0, hops: [{ ifIndex: link.ifIndex }] };
    }
    const index = ip.version === 4 ? this.#v4 : this.#v6;
    wordsOfOctets(ip.octets, ip.version, this.#scratch);
    let answer = UNREACHABLE;
    index.covering(this.#scratch, (target, metric, length) => {
      if (length === 0 && !this.#viaDefault) return true;
      const verdict = this.#judge(target, metric);
      if (verdict === undefined) return false;
      answer = verdict;
      if (found !== undefined) {
        found.length = length;
        found.why =
          this.#kernel.targets.hops(target).length === 0 ? 'discarded by route' : 'no carrier on the way of route';
      }
      return true;
    });
    return answer;
  }

  /** What a covering route means; undefined when its links are down, so that the kernel does not have it for long. */
  #judge(target: number, metric: number): NextHopAnswer | undefined {
    const ways = this.#kernel.targets.hops(target);
    if (ways.length === 0) return UNREACHABLE;
    const present = ways.filter((hop) => this.#links.get(hop.ifIndex ?? 0)?.up === true);
    if (present.length === 0) return undefined;
    const hops = present.filter((hop) => this.#links.get(hop.ifIndex ?? 0)?.carrier === true);
    const [first] = hops;
    if (first?.ifIndex === undefined) return UNREACHABLE;
    const { ifIndex, gateway } = first;
    if (gateway === undefined) return { reachable: true, ifIndex, metric: 0, hops };
    return { reachable: true, ifIndex, gateway, metric, hops };
  }

  #lookUpAgain(): void {
    if (this.#isClosed) return;
    for (const tracked of [...this.#tracked.values()]) {
      const answer = this.#lookUp(tracked.ip, tracked.ifIndex);
      const text = answerText(answer);
      if (text === tracked.text) continue;
      tracked.answer = answer;
      tracked.text = text;
      for (const callback of this.#callbacks) {
        if (tracked.ifIndex === undefined) callback(tracked.ip);
        else callback(tracked.ip, tracked.ifIndex);
      }
    }
  }

  // ---- following the kernel

  #take(change: () => void): void {
    if (this.#isClosed) return;
    if (this.#held !== undefined) this.#held.push(change);
    else {
      change();
      this.#lookUpAgain();
    }
  }

  #linkChanged(link: KernelLink, present: boolean): void {
    const before = this.#links.get(link.ifIndex);
    if (present) this.#links.set(link.ifIndex, link);
    else this.#links.delete(link.ifIndex);
    // IPv4 routes go with their link without a word.
    if (before?.up === true && !(present && link.up)) this.#readAgain();
  }

  #addressChanged(address: KernelAddress, present: boolean): void {
    const key = formatIp(address.address);
    if (present) this.#addresses.set(key, address);
    else if (this.#addresses.get(key)?.ifIndex === address.ifIndex) this.#addresses.delete(key);
    if (!present) this.#readAgain();
  }

  #routesChanged({ words, count }: RouteRecords): void {
    let isRelevant = false;
    for (let at = 0; at < count * RECORD_WORDS && !isRelevant; at += RECORD_WORDS) isRelevant = this.#counts(words, at);
    if (!isRelevant) return;
    const copy = this.#held === undefined ? words : words.slice(0, count * RECORD_WORDS);
    this.#take(() => {
      for (let at = 0; at < count * RECORD_WORDS; at += RECORD_WORDS) this.#routeChanged(copy, at);
    });
  }

  #counts(words: Int32Array, at: number): boolean {
    return (words[at + 2] ?? 0) >>> 0 === this.#table && !this.#own.has(words[at + 3] ?? 0);
  }

  #routeChanged(words: Int32Array, at: number): void {
    if (!this.#counts(words, at)) return;
    const shape = words[at + 1] ?? 0;
    const index = (shape & 0xff) === 4 ? this.#v4 : this.#v6;
    const length = (shape >> 8) & 0xff;
    const metric = (words[at + 4] ?? 0) >>> 0;
    const target = words[at + 5] ?? 0;
    if (words[at] === RecordKind.Deleted) {
      if (!index.remove(words, at + 6, length, metric)) this.#readAgain();
    } else index.add(words, at + 6, length, metric, target, words[at] === RecordKind.Replaced);
  }

  #readAgain(): void {
    if (this.#isClosed || this.#isReadAgainWanted) return;
    this.#isReadAgainWanted = true;
    this.#reading = this.#reading.then(() => this.#read()).catch(() => {});
  }

  /** Reads everything afresh; what changes meanwhile is taken in behind it. */
  async #read(): Promise<void> {
    if (this.#isClosed) return;
    this.#isReadAgainWanted = false;
    const held: (() => void)[] = [];
    this.#held = held;
    try {
      const v4 = new RouteIndex(1);
      const v6 = new RouteIndex(4);
      const links = await this.#kernel.links();
      const addresses = await this.#kernel.addresses();
      await this.#kernel.list({ table: this.#table }, ({ words, count }) => {
        for (let at = 0; at < count * RECORD_WORDS; at += RECORD_WORDS) {
          if (!this.#counts(words, at)) continue;
          const shape = words[at + 1] ?? 0;
          const index = (shape & 0xff) === 4 ? v4 : v6;
          index.add(words, at + 6, (shape >> 8) & 0xff, (words[at + 4] ?? 0) >>> 0, words[at + 5] ?? 0, false);
        }
      });
      this.#v4 = v4;
      this.#v6 = v6;
      this.#links = new Map(links.map((link) => [link.ifIndex, link]));
      this.#addresses = new Map(addresses.map((address) => [formatIp(address.address), address]));
    } finally {
      this.#held = undefined;
      for (const change of held) change();
      this.#lookUpAgain();
    }
  }
}

function linkTrouble(link: KernelLink | undefined): string {
  if (link === undefined) return 'link-local, and its interface is not known';
  return `link-local, and ${link.name} ${link.up ? 'has no carrier' : 'is down'}`;
}

function keyOf(ip: IpAddress, ifIndex: number | undefined): string {
  return ifIndex === undefined ? formatIp(ip) : `${formatIp(ip)}%${ifIndex}`;
}

function answerText(answer: NextHopAnswer): string {
  if (!answer.reachable) return '';
  const hops = answer.hops.map(
    ({ gateway, ifIndex, weight }) => `${gateway ? formatIp(gateway) : ''}%${ifIndex}*${weight}`,
  );
  return `${answer.metric} ${hops.join(' ')}`;
}
