import { AttributeReader, hostIsLittle, MessageFlag, MessageType, type NetlinkMessage } from '../netlink/message.ts';
import { decodeRoute, type RouteNextHop, RouteType, RTM_F_CLONED } from '../netlink/route.ts';
import { FOREIGN_BESIDE, RECORD_WORDS, RecordKind } from './kernel.ts';
import { FIRST_SET, FIRST_WAY, type FibNextHop, isInRange, LAST_NEXT_HOP, Target, TargetTable } from './target.ts';

const RTMSG_OCTETS = 12;
const AF_INET = 2;
const AF_INET6 = 10;
/** Attribute types looked at here; `decodeRoute` knows them all. */
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const RTA_VIA = 18;
const RTA_NH_ID = 30;

/** Distinct next-hop octets remembered before the memory is emptied. */
const MAX_REMEMBERED = 100_000;

/**
 * Turns route messages into records (`kernel.ts`, RECORD_WORDS). The next hops of a message are decoded once per distinct octets; all
 * else is read in place. Target ids are this object's own.
 */
export class RouteRecordReader {
  readonly #targets = new TargetTable();
  /** Targets by gateway and interface (IPv4, one next hop), and by the octets of all else. */
  #rememberedIpv4 = new Map<number, number>();
  #remembered = new Map<string, number>();
  #toldEnd = FIRST_SET;
  #words = new Int32Array(256 * RECORD_WORDS);
  #count = 0;
  /** The foreign route read last, to see neighbours with the same key. */
  readonly #foreign = new Int32Array(RECORD_WORDS);
  #hasForeign = false;
  readonly #keep: { readonly protocol?: number; readonly table?: number; readonly beside?: boolean };

  /** @param keep which routes become records; with `beside`, all are read to tell which of those kept have a foreign route beside them */
  constructor(keep: { readonly protocol?: number; readonly table?: number; readonly beside?: boolean } = {}) {
    this.#keep = keep;
  }

  get count(): number {
    return this.#count;
  }

  /** Takes everything collected. */
  take(): { count: number; words: Int32Array<ArrayBuffer>; targets: (readonly FibNextHop[])[] } {
    const count = this.#count;
    const words = this.#words.slice(0, count * RECORD_WORDS);
    const targets: (readonly FibNextHop[])[] = [];
    for (; this.#toldEnd < this.#targets.end; this.#toldEnd++) targets.push(this.#targets.hops(this.#toldEnd));
    this.#count = 0;
    this.#hasForeign = false;
    return { count, words, targets };
  }

  /** Forgets what was collected: a listing starts again. */
  reset(): void {
    this.#count = 0;
    this.#hasForeign = false;
  }

  /**
   * Reads one RTM_NEWROUTE or RTM_DELROUTE; others, and routes of a kind this program never has to do with (by source or TOS, cached), are
   * passed over.
   * @throws MalformedNetlink
   */
  read(message: NetlinkMessage, isListing: boolean): void {
    const attributes = AttributeReader.ofMessage(message, RTMSG_OCTETS);
    const { view, start } = message;
    const family = view.getUint8(start);
    if (family !== AF_INET && family !== AF_INET6) return;
    if (view.getUint8(start + 2) !== 0 || view.getUint8(start + 3) !== 0) return;
    if ((view.getUint32(start + 8, hostIsLittle) & RTM_F_CLONED) !== 0) return;
    const protocol = view.getUint8(start + 5);
    const type = view.getUint8(start + 7);
    const length = view.getUint8(start + 1);
    let table = view.getUint8(start + 4);
    let metric = 0;
    let destination = -1;
    let interfaceIndex = 0;
    let viaStart = 0;
    let viaEnd = 0;
    let isPlain = true;
    let nextHop = 0;
    while (attributes.next()) {
      switch (attributes.type) {
        case RTA_DST:
          destination = attributes.start;
          break;
        case RTA_PRIORITY:
          metric = attributes.u32();
          break;
        case RTA_TABLE:
          table = attributes.u32();
          break;
        case RTA_OIF:
          interfaceIndex = attributes.u32();
          break;
        case RTA_NH_ID:
          nextHop = attributes.u32();
          break;
        case RTA_VIA:
        case RTA_MULTIPATH:
        case RTA_GATEWAY:
          isPlain = attributes.type === RTA_GATEWAY && attributes.length === 4;
          viaStart = attributes.start;
          viaEnd = attributes.end;
          break;
      }
    }
    const keep = this.#keep;
    if (keep.table !== undefined && table !== keep.table) return;
    const isKept = keep.protocol === undefined || protocol === keep.protocol;
    if (!isKept && keep.beside !== true) return;

    const at = this.#next();
    const words = this.#words;
    words[at] = isListing ? RecordKind.Listed : kindOf(message);
    words[at + 1] = (family === AF_INET ? 4 : 6) | (length << 8);
    words[at + 2] = table;
    words[at + 3] = protocol;
    words[at + 4] = metric;
    words[at + 5] = Target.Other;
    const addressWords = family === AF_INET ? 1 : 4;
    for (let i = 0; i < 4; i++) {
      words[at + 6 + i] = i < addressWords && destination >= 0 ? view.getInt32(destination + 4 * i) : 0;
    }
    if (keep.beside === true) this.#compareWithLast(at, isKept);
    if (!isKept) return;
    this.#count++;
    if (type !== RouteType.Unicast) words[at + 5] = discardOf(type);
    else if (nextHop !== 0 && isInRange(protocol, nextHop)) words[at + 5] = FIRST_WAY | (nextHop & LAST_NEXT_HOP);
    else if (isPlain && family === AF_INET && interfaceIndex < 0x100000) {
      const gateway = viaEnd === 0 ? 0 : view.getUint32(viaStart);
      const key = gateway * 0x100000 + interfaceIndex;
      words[at + 5] = this.#rememberedIpv4.get(key) ?? this.#remember(this.#rememberedIpv4, key, message);
    } else {
      const key = `${family} ${interfaceIndex} ${isPlain} ${latin1(message, viaStart, viaEnd)}`;
      words[at + 5] = this.#remembered.get(key) ?? this.#remember(this.#remembered, key, message);
    }
  }

  /**
   * Routes with the same key come one after the other in a listing. Foreign ones are written behind the last record, where the next one
   * may overwrite them, and compared with.
   */
  #compareWithLast(at: number, isKept: boolean): void {
    const words = this.#words;
    if (!isKept) {
      const last = at - RECORD_WORDS;
      if (last >= 0 && sameKey(words, last, words, at)) words[last] = (words[last] ?? 0) | FOREIGN_BESIDE;
      this.#foreign.set(words.subarray(at, at + RECORD_WORDS));
      this.#hasForeign = true;
    } else if (this.#hasForeign && sameKey(this.#foreign, 0, words, at)) {
      words[at] = (words[at] ?? 0) | FOREIGN_BESIDE;
    }
  }

  #next(): number {
    const at = this.#count * RECORD_WORDS;
    if (at + RECORD_WORDS > this.#words.length) {
      const words = new Int32Array(this.#words.length * 2);
      words.set(this.#words);
      this.#words = words;
    }
    return at;
  }

  #remember<K>(memory: Map<K, number>, key: K, message: NetlinkMessage): number {
    const hops = decodeRoute(message)?.nextHops ?? [];
    const target = hops.length === 0 ? Target.Other : this.#targets.intern(hops.map(asFibHop));
    if (memory.size >= MAX_REMEMBERED) memory.clear();
    memory.set(key, target);
    return target;
  }
}

function kindOf(message: NetlinkMessage): number {
  if (message.type === MessageType.DelRoute) return RecordKind.Deleted;
  return (message.flags & MessageFlag.Replace) === 0 ? RecordKind.Added : RecordKind.Replaced;
}

function discardOf(type: number): number {
  if (type === RouteType.Blackhole) return Target.Blackhole;
  if (type === RouteType.Unreachable) return Target.Unreachable;
  if (type === RouteType.Prohibit) return Target.Prohibit;
  return Target.Other;
}

/** Same prefix, table and metric. */
function sameKey(a: Int32Array, atA: number, b: Int32Array, atB: number): boolean {
  for (let i = 1; i < RECORD_WORDS; i++) {
    if (i !== 3 && i !== 5 && a[atA + i] !== b[atB + i]) return false;
  }
  return true;
}

function asFibHop(hop: RouteNextHop): FibNextHop {
  const { gateway, interfaceIndex, weight, onLink } = hop;
  return {
    ...(gateway === undefined ? {} : { gateway: { version: gateway.length === 4 ? 4 : 6, octets: gateway } }),
    ...(interfaceIndex === undefined ? {} : { ifIndex: interfaceIndex }),
    ...(weight === undefined ? {} : { weight }),
    ...(onLink === true ? { onlink: true } : {}),
  };
}

function latin1(message: NetlinkMessage, start: number, end: number): string {
  const { bytes } = message;
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}
