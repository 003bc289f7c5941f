import { decodeAttributes, encodeAttributes, type FamilyName, MessageType, type SessionContext } from 'bgp-ts';
import type { PathKeys } from '../rib/adj-rib-out.ts';
import { type AttributeSets, copyOctets } from '../rib/attribute-sets.ts';
import type { ChangeBatch } from '../rib/change-batch.ts';
import type { Rib } from '../rib/rib.ts';
import { canonicalContext } from '../rib/set-values.ts';
import type { SelectedNextHop } from '../rib/types.ts';

const HEADER_OCTETS = 19;

/** Rounds of up to an eighth of these share memory, which lives as long as the last of them. */
const SHARED_OCTETS = 1 << 18;
const SHARED_NUMBERS = 1 << 14;

/** How a group's UPDATEs are written. */
export interface EncodingOptions {
  readonly family: FamilyName;
  readonly fourOctetAs: boolean;
  /** What the rows of a batch stand for where prefixes are sent with a path identifier (RFC 7911 §3). */
  readonly keys: PathKeys | undefined;
  readonly maxOctets: number;
}

/**
 * UPDATEs for a batch of changes, all members at once: one buffer of whole messages, cut into parts by who must get them. Immutable.
 */
export interface EncodedRound {
  readonly bytes: Uint8Array;
  /** Rows (or keys) that are in here, for a member that falls behind and has to be told of them otherwise. */
  readonly rows: Int32Array;
  /** Part i is `bytes[partStart[i], partStart[i + 1])`, for `Audience` `partAudience[i]`, and holds `partUpdates[i]` messages. */
  readonly partStart: Int32Array;
  readonly partAudience: Int32Array;
  readonly partUpdates: Int32Array;
}

/**
 * Packs changes into UPDATEs, as many prefixes to a message as fit: once per group, however many sessions get the octets.
 * One buffer serves all groups; what is handed out is a copy of the right size.
 */
export class UpdateEncoder {
  readonly #rib: Rib;
  #out: Uint8Array;
  #view: DataView;
  #at: number;
  #parts: number;
  #partStart: Int32Array;
  #partAudience: Int32Array;
  #partUpdates: Int32Array;
  #updates: number;
  #tooLong: number;
  /** What small rounds are copied to, one behind the other. */
  #octets: Uint8Array;
  #octetsAt: number;
  #numbers: Int32Array;
  #numbersAt: number;
  readonly #twoOctet: Map<number, Uint8Array>;

  constructor(rib: Rib) {
    this.#rib = rib;
    this.#out = new Uint8Array(1 << 16);
    this.#view = new DataView(this.#out.buffer);
    this.#at = 0;
    this.#parts = 0;
    this.#partStart = new Int32Array(16);
    this.#partAudience = new Int32Array(16);
    this.#partUpdates = new Int32Array(16);
    this.#updates = 0;
    this.#tooLong = 0;
    this.#octets = new Uint8Array(0);
    this.#octetsAt = SHARED_OCTETS;
    this.#numbers = new Int32Array(0);
    this.#numbersAt = SHARED_NUMBERS;
    this.#twoOctet = new Map();
  }

  get sets(): AttributeSets {
    return this.#rib.sets;
  }

  /** Routes that were withdrawn instead of sent because their attributes do not fit a message (RFC 8654 §4). */
  get tooLong(): number {
    return this.#tooLong;
  }

  /**
   * The messages for a sorted batch.
   * @param isWanted whether anybody is to get what is for an audience; asked once for each
   */
  encode(batch: ChangeBatch, options: EncodingOptions, isWanted: (audience: number) => boolean): EncodedRound {
    this.#at = 0;
    this.#parts = 0;
    this.#twoOctet.clear();
    const { rows, runStart, runAudience, runSet, runCount } = batch;
    let audience = -1;
    let skips = false;
    for (let run = 0; run < runCount; run++) {
      if (runAudience[run] !== audience) {
        audience = runAudience[run]!;
        skips = !isWanted(audience);
        if (!skips) this.#startPart(audience);
      }
      if (skips) continue;
      const set = runSet[run]!;
      const first = runStart[run]!;
      const last = runStart[run + 1]!;
      if (set === 0) this.#withdraw(rows, first, last, options);
      else this.#announce(set, rows, first, last, options);
      this.#partUpdates[this.#parts - 1] = this.#updates;
    }
    this.#partStart[this.#parts] = this.#at;
    return {
      bytes: this.#copyOfOctets(),
      rows: this.#copyOf(rows, runStart[runCount]!),
      partStart: this.#copyOf(this.#partStart, this.#parts + 1),
      partAudience: this.#copyOf(this.#partAudience, this.#parts),
      partUpdates: this.#copyOf(this.#partUpdates, this.#parts),
    };
  }

  /** The messages, in a piece of memory that many small rounds share: a buffer for each would keep the collector busy. */
  #copyOfOctets(): Uint8Array {
    const length = this.#at;
    if (length > SHARED_OCTETS / 8) return this.#out.slice(0, length);
    if (this.#octetsAt + length > SHARED_OCTETS) {
      this.#octets = new Uint8Array(SHARED_OCTETS);
      this.#octetsAt = 0;
    }
    const copy = this.#octets.subarray(this.#octetsAt, this.#octetsAt + length);
    copy.set(this.#out.subarray(0, length));
    this.#octetsAt += length;
    return copy;
  }

  /** The same for numbers. */
  #copyOf(numbers: Int32Array, length: number): Int32Array {
    if (length > SHARED_NUMBERS / 8) return numbers.slice(0, length);
    if (this.#numbersAt + length > SHARED_NUMBERS) {
      this.#numbers = new Int32Array(SHARED_NUMBERS);
      this.#numbersAt = 0;
    }
    const copy = this.#numbers.subarray(this.#numbersAt, this.#numbersAt + length);
    for (let i = 0; i < length; i++) copy[i] = numbers[i]!;
    this.#numbersAt += length;
    return copy;
  }

  #startPart(audience: number): void {
    const part = this.#parts++;
    if (part + 1 >= this.#partStart.length) {
      this.#partStart = doubled(this.#partStart);
      this.#partAudience = doubled(this.#partAudience);
      this.#partUpdates = doubled(this.#partUpdates);
    }
    this.#partStart[part] = this.#at;
    this.#partAudience[part] = audience;
    this.#updates = 0;
  }

  #announce(set: number, rows: Int32Array, first: number, last: number, options: EncodingOptions): void {
    const { sets } = this.#rib;
    let bytes = sets.bytes;
    let start = sets.offsetOf(set);
    let length = sets.lengthOf(set);
    if (!options.fourOctetAs) {
      bytes = this.#inTwoOctets(set);
      start = 0;
      length = bytes.length;
    }
    const isV4 = options.family === 'ipv4-unicast';
    // IPv4 with an IPv6 next hop (RFC 8950) goes as IPv6 does.
    const hop = this.#rib.nextHops.get(sets.nextHopOf(set));
    const isMp = !isV4 || hop?.address.version === 6;
    const overhead = HEADER_OCTETS + 4 + length + (isMp ? 4 + mpHeadOctets(hop) : 0);
    // The longest prefix must still fit.
    const longest = (isV4 ? 5 : 17) + (options.keys === undefined ? 0 : 4);
    if (overhead + longest > options.maxOctets) {
      this.#tooLong += last - first;
      this.#withdraw(rows, first, last, options);
      return;
    }
    let from = first;
    while (from < last) {
      this.#reserve(options.maxOctets);
      const out = this.#out;
      const message = this.#startMessage();
      out[this.#at++] = 0; // no withdrawn routes
      out[this.#at++] = 0;
      const lengthAt = this.#at;
      this.#at += 2;
      if (!isMp) {
        this.#copy(bytes, start, length);
        const octets = this.#at - lengthAt - 2;
        out[lengthAt] = octets >> 8;
        out[lengthAt + 1] = octets;
        from = this.#nlri4(rows, from, last, message + options.maxOctets, options.keys);
      } else {
        // MP_REACH_NLRI comes first (RFC 7606 §5.1).
        const attribute = this.#at;
        out[attribute] = 0x90;
        out[attribute + 1] = 14;
        this.#at += 4;
        this.#mpHead(isV4 ? 1 : 2, hop);
        const limit = message + options.maxOctets - length;
        from = isV4
          ? this.#nlri4(rows, from, last, limit, options.keys)
          : this.#nlri6(rows, from, last, limit, options.keys);
        const value = this.#at - attribute - 4;
        out[attribute + 2] = value >> 8;
        out[attribute + 3] = value;
        this.#copy(bytes, start, length);
        const octets = this.#at - lengthAt - 2;
        out[lengthAt] = octets >> 8;
        out[lengthAt + 1] = octets;
      }
      this.#endMessage(message);
    }
  }

  #withdraw(rows: Int32Array, first: number, last: number, options: EncodingOptions): void {
    const isV4 = options.family === 'ipv4-unicast';
    let from = first;
    while (from < last) {
      this.#reserve(options.maxOctets);
      const out = this.#out;
      const message = this.#startMessage();
      const lengthAt = this.#at;
      if (isV4) {
        this.#at += 2;
        from = this.#nlri4(rows, from, last, message + options.maxOctets - 2, options.keys);
        const octets = this.#at - lengthAt - 2;
        out[lengthAt] = octets >> 8;
        out[lengthAt + 1] = octets;
        out[this.#at++] = 0; // no attributes
        out[this.#at++] = 0;
      } else {
        out[lengthAt] = 0;
        out[lengthAt + 1] = 0;
        const attribute = lengthAt + 4;
        out[attribute] = 0x90;
        out[attribute + 1] = 15;
        out[attribute + 4] = 0;
        out[attribute + 5] = 2;
        out[attribute + 6] = 1;
        this.#at = attribute + 7;
        from = this.#nlri6(rows, from, last, message + options.maxOctets, options.keys);
        const octets = this.#at - attribute;
        out[lengthAt + 2] = octets >> 8;
        out[lengthAt + 3] = octets;
        out[attribute + 2] = (octets - 4) >> 8;
        out[attribute + 3] = octets - 4;
      }
      this.#endMessage(message);
    }
  }

  /** Writes prefixes up to `limit`; the first row that did not fit. */
  #nlri4(rows: Int32Array, first: number, last: number, limit: number, keys: PathKeys | undefined): number {
    const out = this.#out;
    const table = this.#rib.locRib('ipv4-unicast').prefixes.rows;
    const idOctets = keys === undefined ? 0 : 4;
    let at = this.#at;
    let i = first;
    for (; i < last; i++) {
      const row = (keys === undefined ? rows[i]! : keys.row[rows[i]!]!) << 2;
      const address = table[row]!;
      const length = table[row + 1]! & 0xff;
      const octets = (length + 7) >> 3;
      if (at + octets + idOctets + 1 > limit) break;
      if (keys !== undefined) at = writeId(out, at, keys.pathId[rows[i]!]!);
      out[at++] = length;
      if (octets > 0) out[at] = address >>> 24;
      if (octets > 1) out[at + 1] = address >>> 16;
      if (octets > 2) out[at + 2] = address >>> 8;
      if (octets > 3) out[at + 3] = address;
      at += octets;
    }
    this.#at = at;
    return i;
  }

  #nlri6(rows: Int32Array, first: number, last: number, limit: number, keys: PathKeys | undefined): number {
    const out = this.#out;
    const table = this.#rib.locRib('ipv6-unicast').prefixes.rows;
    const idOctets = keys === undefined ? 0 : 4;
    let at = this.#at;
    let i = first;
    for (; i < last; i++) {
      const row = (keys === undefined ? rows[i]! : keys.row[rows[i]!]!) << 3;
      const length = table[row + 4]! & 0xff;
      const octets = (length + 7) >> 3;
      if (at + octets + idOctets + 1 > limit) break;
      if (keys !== undefined) at = writeId(out, at, keys.pathId[rows[i]!]!);
      out[at++] = length;
      for (let k = 0; k < octets; k++) out[at + k] = table[row + (k >> 2)]! >>> (24 - ((k & 3) << 3));
      at += octets;
    }
    this.#at = at;
    return i;
  }

  /** AFI, SAFI, next hop, reserved octet (RFC 4760 §3, RFC 2545 §3). */
  #mpHead(afi: number, hop: SelectedNextHop | undefined): void {
    const out = this.#out;
    const octets = hop?.linkLocal === undefined ? 16 : 32;
    out[this.#at] = 0;
    out[this.#at + 1] = afi;
    out[this.#at + 2] = 1;
    out[this.#at + 3] = octets;
    if (hop !== undefined) out.set(hop.address.octets, this.#at + 4);
    if (hop?.linkLocal !== undefined) out.set(hop.linkLocal.octets, this.#at + 20);
    out[this.#at + 4 + octets] = 0;
    this.#at += 5 + octets;
  }

  /** The attributes as a speaker without four-octet AS numbers gets them (RFC 6793 §4.2.2). */
  #inTwoOctets(set: number): Uint8Array {
    const known = this.#twoOctet.get(set);
    if (known !== undefined) return known;
    const { sets } = this.#rib;
    const start = sets.offsetOf(set);
    const { attributes } = decodeAttributes(sets.bytes, start, start + sets.lengthOf(set), canonicalContext);
    const context: SessionContext = { ...canonicalContext, fourOctetAs: false };
    const octets = encodeAttributes(attributes, context);
    this.#twoOctet.set(set, octets);
    return octets;
  }

  #copy(bytes: Uint8Array, start: number, length: number): void {
    const { sets } = this.#rib;
    const isArena = bytes === sets.bytes;
    const view = isArena ? sets.view : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    copyOctets(bytes, view, start, start + length, this.#out, this.#view, this.#at);
    this.#at += length;
  }

  #startMessage(): number {
    const start = this.#at;
    this.#out.fill(0xff, start, start + 16);
    this.#out[start + 18] = MessageType.Update;
    this.#at = start + HEADER_OCTETS;
    this.#updates++;
    return start;
  }

  #endMessage(start: number): void {
    const octets = this.#at - start;
    this.#out[start + 16] = octets >> 8;
    this.#out[start + 17] = octets;
  }

  #reserve(octets: number): void {
    if (this.#at + octets <= this.#out.length) return;
    const grown = new Uint8Array(this.#out.length * 2 + octets);
    grown.set(this.#out);
    this.#out = grown;
    this.#view = new DataView(grown.buffer);
  }
}

function writeId(out: Uint8Array, at: number, id: number): number {
  out[at] = id >>> 24;
  out[at + 1] = id >>> 16;
  out[at + 2] = id >>> 8;
  out[at + 3] = id;
  return at + 4;
}

/** Octets that MP_REACH_NLRI takes up to its prefixes. */
function mpHeadOctets(hop: SelectedNextHop | undefined): number {
  return 5 + 16 + (hop?.linkLocal === undefined ? 0 : 16);
}

function doubled(column: Int32Array): Int32Array {
  const grown = new Int32Array(column.length * 2);
  grown.set(column);
  return grown;
}
