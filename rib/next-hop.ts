import { type IpAddress, ipEquals } from 'bgp-ts';
import { growInt32 } from './columns.ts';
import type { NextHopLookup, NextHopResolver, SelectedNextHop } from './types.ts';

/** "Metric" of a next hop that cannot be reached. */
export const UNREACHABLE = -1;
/** "Metric" of an address of this node, which no received path may name as its next hop (RFC 4271 §5.1.3). */
export const OWN_ADDRESS = -2;

/**
 * Next hops of attribute sets, interned and counted: id 1 upwards; 0 is "this node itself" (local origin). Each carries what the
 * resolver last said, so that the decision process asks nobody.
 */
export class NextHops {
  /** Per id the interior cost, or {@link UNREACHABLE} or {@link OWN_ADDRESS}. Id 0 costs nothing. */
  metrics: Int32Array;
  readonly #resolver: NextHopResolver;
  readonly #byV4: Map<number, number>;
  readonly #byText: Map<string, number>;
  readonly #values: (SelectedNextHop | undefined)[];
  #references: Int32Array;
  readonly #free: number[];
  #ownAddresses: readonly IpAddress[];
  /** The IPv6 next hop asked for last: a table from one peer has one. */
  readonly #last6: Uint8Array;
  #lastId6: number;

  constructor(resolver: NextHopResolver, ownAddresses: readonly IpAddress[]) {
    this.metrics = new Int32Array(16);
    this.#resolver = resolver;
    this.#byV4 = new Map();
    this.#byText = new Map();
    this.#values = [undefined];
    this.#references = new Int32Array(16);
    this.#free = [];
    this.#ownAddresses = ownAddresses;
    this.#last6 = new Uint8Array(16);
    this.#lastId6 = 0;
  }

  /**
   * Id of an IPv4 next hop (as a signed 32-bit number), not yet counted: {@link retain} it.
   */
  intern4(address: number): number {
    const known = this.#byV4.get(address);
    if (known !== undefined) return known;
    const octets = Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address);
    const id = this.#add({ address: { version: 4, octets } });
    this.#byV4.set(address, id);
    return id;
  }

  /** Id of an IPv4 next hop that is in use, 0 if it is not. */
  find4(address: number): number {
    return this.#byV4.get(address) ?? 0;
  }

  /**
   * Id of the IPv6 next hop field of MP_REACH_NLRI in `bytes[start, end)`, 16 or 32 octets: a global address and perhaps a link-local one
   * behind it, or `::` and a link-local one, which then is the next hop (RFC 2545 §3 and what BIRD sends).
   * @param device interface of the session: the scope of link-local addresses, which are others on every link
   */
  intern6(bytes: Uint8Array, start: number, end: number, device: string): number {
    let at = start;
    let octets = end - start;
    if (octets === 32) {
      if (!isLinkLocalAt(bytes, at + 16)) octets = 16;
      else if (isZeroAt(bytes, at)) {
        at += 16;
        octets = 16;
      }
    }
    const isScoped = octets === 32 || isLinkLocalAt(bytes, at);
    if (!isScoped && this.#lastId6 !== 0 && sameOctets(bytes, at, this.#last6)) return this.#lastId6;
    const key = latin1(bytes, at, octets) + (isScoped ? device : '');
    let id = this.#byText.get(key);
    if (id === undefined) {
      const address: IpAddress = { version: 6, octets: bytes.slice(at, at + 16) };
      const value = octets === 16 ? { address } : { address, linkLocal: ipv6At(bytes, at + 16) };
      id = this.#add(isScoped && device !== '' ? { ...value, device } : value);
      this.#byText.set(key, id);
    }
    if (!isScoped) {
      for (let i = 0; i < 16; i++) this.#last6[i] = bytes[at + i]!;
      this.#lastId6 = id;
    }
    return id;
  }

  /** Id of an address value, as {@link intern4} and {@link intern6}. */
  intern(address: IpAddress, linkLocal: IpAddress | undefined, device: string): number {
    const o = address.octets;
    if (address.version === 4) return this.intern4((o[0]! << 24) | (o[1]! << 16) | (o[2]! << 8) | o[3]!);
    if (linkLocal === undefined) return this.intern6(o, 0, 16, device);
    const both = new Uint8Array(32);
    both.set(o);
    both.set(linkLocal.octets, 16);
    return this.intern6(both, 0, 32, device);
  }

  retain(id: number): void {
    this.#references[id]!++;
  }

  release(id: number): void {
    if (id === 0 || --this.#references[id]! > 0) return;
    const value = this.#values[id];
    if (value === undefined) return;
    const { address, linkLocal, device = '' } = value;
    const o = address.octets;
    if (address.version === 4) this.#byV4.delete((o[0]! << 24) | (o[1]! << 16) | (o[2]! << 8) | o[3]!);
    else this.#byText.delete(latin1(o, 0, 16) + (linkLocal ? latin1(linkLocal.octets, 0, 16) : '') + device);
    if (id === this.#lastId6) this.#lastId6 = 0;
    this.#values[id] = undefined;
    this.#free.push(id);
  }

  /** The addresses of an id that is in use. */
  get(id: number): SelectedNextHop | undefined {
    return this.#values[id];
  }

  /** How an id was looked up, for people; undefined if it is not in use. */
  lookup(id: number): NextHopLookup | undefined {
    const value = this.#values[id];
    if (value === undefined) return undefined;
    const { address, device } = value;
    const metric = this.metrics[id]!;
    const text = this.#resolver.describe?.(address, device);
    return {
      address,
      ...(device === undefined ? {} : { device }),
      result: metric >= 0 ? 'reachable' : metric === OWN_ADDRESS ? 'own' : 'unreachable',
      ...(metric < 0 ? {} : { metric }),
      ...(text === undefined ? {} : { text }),
    };
  }

  isReachable(id: number): boolean {
    return this.metrics[id]! >= 0;
  }

  /** Asks the resolver again, for one address or for all; ids whose answer changed. */
  refresh(address?: IpAddress): number[] {
    const changed: number[] = [];
    for (const [id, value] of this.#values.entries()) {
      if (value === undefined) continue;
      if (address !== undefined && !ipEquals(value.address, address)) {
        if (value.linkLocal === undefined || !ipEquals(value.linkLocal, address)) continue;
      }
      if (this.#resolve(id, value)) changed.push(id);
    }
    return changed;
  }

  /** Other addresses of this node; ids whose answer changed. */
  setOwnAddresses(addresses: readonly IpAddress[]): number[] {
    this.#ownAddresses = addresses;
    return this.refresh();
  }

  #add(value: SelectedNextHop): number {
    const id = this.#free.pop() ?? this.#values.length;
    if (id >= this.metrics.length) {
      this.metrics = growInt32(this.metrics, id + 1);
      this.#references = growInt32(this.#references, id + 1);
    }
    this.#values[id] = value;
    this.#references[id] = 0;
    this.#resolve(id, value);
    return id;
  }

  /** A link-local address of this machine may be a neighbour's on another link. */
  #isOwn({ address, device }: SelectedNextHop): boolean {
    if (device !== undefined && isLinkLocalAt(address.octets, 0)) return false;
    return this.#ownAddresses.some((own) => ipEquals(own, address));
  }

  /** True if the answer is another one than before. */
  #resolve(id: number, value: SelectedNextHop): boolean {
    let metric = OWN_ADDRESS;
    if (!this.#isOwn(value)) {
      const answer = this.#resolver.resolve(value.address, value.device);
      metric = answer.reachable ? Math.min(answer.metric ?? 0, 0x7fff_ffff) : UNREACHABLE;
      // Whoever names a link-local address too is on the link (RFC 2545 §3), whatever the way to the global one.
      if (metric !== 0 && value.linkLocal !== undefined && value.device !== undefined) {
        if (this.#resolver.resolve(value.linkLocal, value.device).reachable) metric = 0;
      }
    }
    const before = this.metrics[id];
    this.metrics[id] = metric;
    return before !== metric;
  }
}

function isLinkLocalAt(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0xfe && (bytes[at + 1]! & 0xc0) === 0x80;
}

function isZeroAt(bytes: Uint8Array, at: number): boolean {
  for (let i = at; i < at + 16; i++) if (bytes[i] !== 0) return false;
  return true;
}

function sameOctets(bytes: Uint8Array, at: number, octets: Uint8Array): boolean {
  for (let i = 0; i < octets.length; i++) if (bytes[at + i] !== octets[i]) return false;
  return true;
}

function ipv6At(bytes: Uint8Array, at: number): IpAddress {
  return { version: 6, octets: bytes.slice(at, at + 16) };
}

function latin1(bytes: Uint8Array, at: number, octets: number): string {
  let text = '';
  for (let i = 0; i < octets; i++) text += String.fromCharCode(bytes[at + i]!);
  return text;
}
