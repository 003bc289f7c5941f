import { AttributeCode, AttributeCursor, UpdateScan } from 'bgp-ts';
import { CHURN_COMMUNITY, type ChurnLog } from './load-churn.ts';
import { contextOf, ipv6NextHop } from './load-stream.ts';
import { attributesOf, bestSender, dutAs, type LoadTable, sessionAddress, sessionAs } from './load-table.ts';
import type { Workload } from './workloads.ts';

/** What was wrong with UPDATEs received. Any of these fails the run. */
export interface LoadErrors {
  malformed: number;
  unknownPrefix: number;
  attribute: number;
  nextHop: number;
  community: number;
  /** Sessions that the other side ended. */
  lost: number;
}

export function noErrors(): LoadErrors {
  return { malformed: 0, unknownPrefix: 0, attribute: 0, nextHop: 0, community: 0, lost: 0 };
}

/** Whether several receivers hear of the same sets: then what was checked octet by octet once need only be compared. */
function repeatsBlocks({ kind, ipv6, ending }: Workload): boolean {
  return !ipv6 && (kind === 'reflection' || ending === 'late-receiver');
}

/** The attribute values that a receiver must see, in octets, for each sender and set: slices of one array. */
export class Expectations {
  readonly bytes: Uint8Array;
  /** Three slices (AS_PATH, communities, large communities) for each sender and set; slice k is `bytes[starts[k], starts[k + 1])`. */
  readonly starts: Uint32Array;
  readonly #sets: number;
  /** Where attribute blocks come again, by set: the block that was found right last, and whose it is; -1: none. */
  readonly #passed: Uint8Array[] = [];
  readonly #passedSender: Int32Array;

  constructor(workload: Workload) {
    this.#passedSender = new Int32Array(repeatsBlocks(workload) ? workload.sets : 0).fill(-1);
    const isReflection = workload.kind === 'reflection';
    const senders = isReflection ? 1 : workload.senders;
    this.#sets = workload.sets;
    this.starts = new Uint32Array(senders * workload.sets * 3 + 1);
    let view = new DataView(new ArrayBuffer(1 << 16));
    let at = 0;
    let slice = 0;
    const put = (value: number): void => {
      if (at + 8 > view.byteLength) {
        const larger = new Uint8Array(view.byteLength * 2);
        larger.set(new Uint8Array(view.buffer));
        view = new DataView(larger.buffer);
      }
      view.setUint32(at, value);
      at += 4;
    };
    for (let sender = 0; sender < senders; sender++) {
      for (let set = 0; set < workload.sets; set++) {
        const { asPath = [], communities = [], largeCommunities = [] } = attributesOf(workload, sender, set);
        const asns = asPath.flatMap((segment) => segment.asns);
        this.starts[slice++] = at;
        if (!isReflection) {
          view.setUint16(at, 0x0200 | (asns.length + 1));
          at += 2;
          for (const value of [dutAs, ...asns]) put(value);
        }
        this.starts[slice++] = at;
        for (const value of communities) put(value);
        this.starts[slice++] = at;
        for (const { globalAdmin, local1, local2 } of largeCommunities)
          for (const v of [globalAdmin, local1, local2]) put(v);
      }
    }
    this.starts[slice] = at;
    this.bytes = new Uint8Array(view.buffer, 0, at);
  }

  /** Notes an attribute block that was found right. */
  pass(set: number, sender: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.#passedSender.length === 0) return;
    this.#passed[set] = bytes.slice(start, end);
    this.#passedSender[set] = sender;
  }

  /** Whose block it is when one of the same octets was found right for this set before, otherwise -1. */
  passedSender(set: number, bytes: Uint8Array, start: number, end: number): number {
    const sender = this.#passedSender[set]!;
    if (sender < 0) return -1;
    const block = this.#passed[set]!;
    if (block.length !== end - start) return -1;
    for (let i = 0; i < block.length; i++) if (block[i] !== bytes[start + i]) return -1;
    return sender;
  }

  /** Index of the first of the three slices. */
  sliceOf(sender: number, set: number): number {
    return (sender * this.#sets + set) * 3;
  }
}

/**
 * The table one receiving session was told, prefix by prefix, checked against what the senders announced: every UPDATE is parsed whole, and
 * each prefix counts as right only with the attribute set of the sender whose path is best.
 */
export class LoadReceiver {
  /** Prefixes held with the right path. */
  right = 0;
  /** Prefixes held with the path of another sender. */
  other = 0;
  updates = 0;
  octets = 0;
  /** What was wrong first, with the octets of its UPDATE. */
  firstFault: string | undefined;
  /** When the octets at hand were taken from the socket, milliseconds of the clock. */
  takenMs = 0;
  /** Once set, communities carry send times, which go there. */
  churn: ChurnLog | undefined;
  /** 0: not held, 1: right, 2: a path that is not the best. */
  readonly #held: Uint8Array;
  readonly #workload: Workload;
  readonly #table: LoadTable;
  readonly #expectations: Expectations;
  readonly #errors: LoadErrors;
  readonly #context: ReturnType<typeof contextOf>;
  readonly #scan = new UpdateScan();
  readonly #cursor = new AttributeCursor();
  readonly #dutAddress: number;
  readonly #firstAs: number;
  readonly #repeats: boolean;
  #sender = 0;
  #sentAt = 0;
  /** The UPDATE at hand. */
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;

  constructor(
    workload: Workload,
    table: LoadTable,
    expectations: Expectations,
    dutAddress: number,
    errors: LoadErrors,
  ) {
    this.#workload = workload;
    this.#table = table;
    this.#expectations = expectations;
    this.#dutAddress = dutAddress;
    this.#errors = errors;
    this.#context = contextOf(workload);
    this.#repeats = repeatsBlocks(workload);
    this.#held = new Uint8Array(table.count);
    this.#firstAs = sessionAs(workload, 0);
  }

  /** Whether prefix `i` is held, right or not. */
  holds(i: number): boolean {
    return this.#held[i] !== 0;
  }

  /** One UPDATE, without its header. */
  receive(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.updates++;
    this.octets += end - start + 19;
    if (this.#repeats && this.#receiveKnown(bytes, start, end)) return;
    const scan = this.#scan;
    if (!scan.read(bytes, start, end, this.#context)) {
      this.#fault('malformed');
      return;
    }
    if (scan.withdrawnCount > 0) this.#withdraw(bytes, scan.withdrawnStart, scan.withdrawnEnd);
    if (scan.mpUnreach.isPresent) this.#withdraw(bytes, scan.mpUnreach.nlriStart, scan.mpUnreach.nlriEnd);
    if (this.#workload.ipv6) {
      if (scan.mpReach.isPresent) this.#announce(bytes, scan.mpReach.nlriStart, scan.mpReach.nlriEnd);
    } else if (scan.nlriCount > 0) this.#announce(bytes, scan.nlriStart, scan.nlriEnd);
  }

  /** An UPDATE with nothing but announcements whose attributes were checked before. @returns whether it was one */
  #receiveKnown(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < 5 || u16(bytes, start) !== 0) return false;
    const attributes = start + 4;
    const nlri = attributes + u16(bytes, start + 2);
    if (nlri >= end || !isWhole(bytes, nlri, end)) return false;
    const at = this.#table.read(bytes, nlri);
    const i = this.#table.found;
    if (i < 0) return false;
    const set = this.#table.setOf[i]!;
    const sender = this.#expectations.passedSender(set, bytes, attributes, nlri);
    if (sender < 0) return false;
    this.#sender = sender;
    this.#sentAt = 0;
    this.#hold(bytes, at, end, i, set);
    return true;
  }

  #withdraw(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) {
      at = this.#table.read(bytes, at);
      const i = this.#table.found;
      if (i < 0) this.#fault('unknownPrefix');
      else this.#set(i, 0);
    }
  }

  #announce(bytes: Uint8Array, start: number, end: number): void {
    const at = this.#table.read(bytes, start);
    const i = this.#table.found;
    if (i < 0) {
      this.#fault('unknownPrefix');
      return;
    }
    const set = this.#table.setOf[i]!;
    if (!this.#checkAttributes(bytes, set)) return;
    const { attributesStart, attributesEnd } = this.#scan;
    if (this.#repeats && this.#sentAt === 0) {
      this.#expectations.pass(set, this.#sender, bytes, attributesStart, attributesEnd);
    }
    this.#hold(bytes, at, end, i, set);
  }

  /** Prefix `first`, and those up to `end`, which must be of the same set, are held now with the attributes at hand. */
  #hold(bytes: Uint8Array, start: number, end: number, first: number, set: number): void {
    let at = start;
    let i = first;
    const isBest = this.#workload.kind === 'reflection' || this.#sender === bestSender(this.#workload, set);
    const value = isBest ? 1 : 2;
    for (;;) {
      this.#set(i, value);
      if (this.#sentAt !== 0) this.churn?.received(i, this.#sentAt, this.takenMs);
      if (at >= end) return;
      at = this.#table.read(bytes, at);
      i = this.#table.found;
      if (i < 0) {
        this.#fault('unknownPrefix');
        return;
      }
      if (this.#table.setOf[i] !== set) {
        this.#fault('attribute');
        return;
      }
    }
  }

  #set(i: number, value: number): void {
    const before = this.#held[i]!;
    if (before === value) return;
    this.#held[i] = value;
    if (before === 1) this.right--;
    else if (before === 2) this.other--;
    if (value === 1) this.right++;
    else if (value === 2) this.other++;
  }

  /** Whether the attributes of the UPDATE scanned are exactly what a speaker makes of those announced for `set`. */
  #checkAttributes(bytes: Uint8Array, set: number): boolean {
    const scan = this.#scan;
    const cursor = this.#cursor;
    cursor.reset(bytes, scan.attributesStart, scan.attributesEnd);
    let pathStart = -1;
    let pathEnd = -1;
    let communities = -1;
    let communitiesEnd = -1;
    let large = -1;
    let largeEnd = -1;
    let hasOrigin = false;
    let hasLocalPref = false;
    let nextHop = -1;
    let nextHopEnd = -1;
    while (cursor.next()) {
      switch (cursor.code) {
        case AttributeCode.Origin:
          hasOrigin = true;
          break;
        case AttributeCode.AsPath:
          pathStart = cursor.valueStart;
          pathEnd = cursor.valueEnd;
          break;
        case AttributeCode.NextHop:
          nextHop = cursor.valueStart;
          nextHopEnd = cursor.valueEnd;
          break;
        case AttributeCode.LocalPref:
          hasLocalPref = true;
          break;
        case AttributeCode.Communities:
          communities = cursor.valueStart;
          communitiesEnd = cursor.valueEnd;
          break;
        case AttributeCode.LargeCommunities:
          large = cursor.valueStart;
          largeEnd = cursor.valueEnd;
          break;
        default:
          break;
      }
    }
    const isReflection = this.#workload.kind === 'reflection';
    if (!hasOrigin || hasLocalPref !== isReflection || pathStart < 0) return this.#fault('attribute');
    // Whose path it is: the AS behind the speaker's own, or, reflected, the client that owns the block.
    if (isReflection) this.#sender = set;
    else {
      if (pathEnd - pathStart < 10) return this.#fault('attribute');
      this.#sender = u32(bytes, pathStart + 6) - this.#firstAs;
      if (this.#sender < 0 || this.#sender >= this.#workload.senders) return this.#fault('attribute');
    }
    const slice = isReflection ? this.#expectations.sliceOf(0, set) : this.#expectations.sliceOf(this.#sender, set);
    if (!this.#equals(slice, bytes, pathStart, pathEnd)) return this.#fault('attribute');
    const hasNextHop = this.#workload.ipv6 ? this.#isIpv6NextHop(bytes) : this.#isNextHop(bytes, nextHop, nextHopEnd);
    if (!hasNextHop) return this.#fault('nextHop');
    if (this.churn !== undefined && isStamp(bytes, communities, communitiesEnd)) {
      this.#sentAt = (u16(bytes, communities + 2) << 16) | u16(bytes, communities + 6);
    } else {
      this.#sentAt = 0;
      if (!this.#equals(slice + 1, bytes, communities, communitiesEnd)) return this.#fault('community');
    }
    return this.#equals(slice + 2, bytes, large, largeEnd) || this.#fault('community');
  }

  #fault(what: keyof LoadErrors): false {
    this.#errors[what]++;
    this.firstFault ??= `${what}: UPDATE ${Buffer.from(this.#bytes.subarray(this.#start, this.#end)).toString('hex')}`;
    return false;
  }

  #equals(slice: number, bytes: Uint8Array, start: number, end: number): boolean {
    const { bytes: expected, starts } = this.#expectations;
    const from = starts[slice]!;
    const octets = starts[slice + 1]! - from;
    if (octets !== end - start) return false;
    for (let i = 0; i < octets; i++) if (expected[from + i] !== bytes[start + i]) return false;
    return true;
  }

  #isNextHop(bytes: Uint8Array, start: number, end: number): boolean {
    if (start < 0 || end - start !== 4) return false;
    const address = u32(bytes, start);
    return address === this.#dutAddress || address === sessionAddress(this.#sender);
  }

  /** fd00:: with the sender's or the speaker's IPv4 address, or the speaker's IPv4 address mapped; a link-local one may follow. */
  #isIpv6NextHop(bytes: Uint8Array): boolean {
    const { nextHopStart: start, nextHopEnd: end } = this.#scan.mpReach;
    if (end - start < 16) return false;
    const address = u32(bytes, start + 12);
    if (address !== this.#dutAddress && address !== sessionAddress(this.#sender)) return false;
    const isMapped = u16(bytes, start + 10) === 0xffff && u32(bytes, start) === 0;
    return isMapped || u32(bytes, start) === u32(ipv6NextHop(0).octets, 0);
  }
}

/** Whether the octets are IPv4 NLRI, none cut short or too long. */
function isWhole(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    const length = bytes[at]!;
    if (length > 32) return false;
    at += 1 + ((length + 7) >> 3);
  }
  return at === end;
}

/** Whether these communities are a send time. */
function isStamp(bytes: Uint8Array, start: number, end: number): boolean {
  if (start < 0 || end - start !== 8) return false;
  return u16(bytes, start) === CHURN_COMMUNITY && u16(bytes, start + 4) === CHURN_COMMUNITY + 1;
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
