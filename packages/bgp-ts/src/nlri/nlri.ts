import type { ByteReader, ByteWriter } from '../bytes.ts';
import { Truncated } from '../errors.ts';
import type { IpAddress, Ipv4Address, Ipv6Address, Prefix } from '../ip.ts';

/** One prefix of an UPDATE, with the path identifier where ADD-PATH is in use (RFC 7911 §3). */
export interface NlriEntry<Address extends IpAddress = IpAddress> {
  readonly prefix: Prefix<Address>;
  /** Unsigned 32-bit. */
  readonly pathId?: number;
}

/** What is wrong with NLRI octets (RFC 7606 §5.3): the routes of the message cannot be trusted. */
export class BadNlri extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'BadNlri';
  }
}

/**
 * Checks NLRI octets in place and counts the prefixes: every length within the family, the last prefix ending at `end`. After
 * that they can be walked without checks. Host bits may be set and mean nothing (RFC 4271 §4.3): mask them.
 * Does not allocate.
 * @param maxBits 32 or 128
 * @param hasPathIds whether each prefix is preceded by four octets of path identifier
 * @returns the number of prefixes, or -1 if the octets are malformed
 */
export function countNlri(bytes: Uint8Array, start: number, end: number, maxBits: number, hasPathIds: boolean): number {
  const overhead = hasPathIds ? 4 : 0;
  let at = start;
  let count = 0;
  while (at < end) {
    at += overhead;
    if (at >= end) return -1;
    const length = bytes[at] as number;
    if (length > maxBits) return -1;
    at += 1 + ((length + 7) >> 3);
    if (at > end) return -1;
    count++;
  }
  return count;
}

/**
 * Walks NLRI octets in place. One cursor serves any number of ranges; it allocates nothing.
 *
 *     cursor.reset(bytes, start, end, 32, false);
 *     while (cursor.next()) use(bytes, cursor.prefixStart, cursor.length);
 *     if (cursor.isMalformed) ...
 */
export class NlriCursor {
  /** Bits of the current prefix. */
  length = 0;
  /** Offset of its first address octet; `(length + 7) >> 3` octets follow. */
  prefixStart = 0;
  /** Its path identifier, 0 where there are none. */
  pathId = 0;
  /** Whether `next` returned false because of a malformed prefix and not at the end. */
  isMalformed = false;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #maxBits = 0;
  #hasPathIds = false;

  /** Starts over on the octets from `start` up to `end`. */
  reset(bytes: Uint8Array, start: number, end: number, maxBits: number, hasPathIds: boolean): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.#maxBits = maxBits;
    this.#hasPathIds = hasPathIds;
    this.isMalformed = false;
  }

  /** Moves to the next prefix; false at the end or at a malformed one. */
  next(): boolean {
    const b = this.#bytes;
    let at = this.#at;
    if (this.isMalformed || at >= this.#end) return false;
    if (this.#hasPathIds) {
      if (this.#end - at < 5) return this.#fail();
      this.pathId =
        (((b[at] as number) << 24) |
          ((b[at + 1] as number) << 16) |
          ((b[at + 2] as number) << 8) |
          (b[at + 3] as number)) >>>
        0;
      at += 4;
    } else {
      this.pathId = 0;
    }
    const length = b[at] as number;
    const next = at + 1 + ((length + 7) >> 3);
    if (length > this.#maxBits || next > this.#end) return this.#fail();
    this.length = length;
    this.prefixStart = at + 1;
    this.#at = next;
    return true;
  }

  #fail(): false {
    this.isMalformed = true;
    return false;
  }
}

/**
 * Decodes the rest of `r` as prefixes of one IP version; host bits are cleared.
 * @throws BadNlri, Truncated
 */
export function readNlri(r: ByteReader, version: 4, hasPathIds: boolean): NlriEntry<Ipv4Address>[];
export function readNlri(r: ByteReader, version: 6, hasPathIds: boolean): NlriEntry<Ipv6Address>[];
export function readNlri(r: ByteReader, version: 4 | 6, hasPathIds: boolean): NlriEntry[] {
  const maxBits = version === 4 ? 32 : 128;
  const entries: NlriEntry[] = [];
  while (r.remaining > 0) {
    const pathId = hasPathIds ? r.u32() : undefined;
    const length = r.u8();
    if (length > maxBits) throw new BadNlri(`prefix length ${length}: IPv${version} has ${maxBits} bits`);
    const count = (length + 7) >> 3;
    if (count > r.remaining) throw new Truncated(count, r.remaining);
    const octets = new Uint8Array(maxBits >> 3);
    octets.set(r.view(count));
    if ((length & 7) !== 0) octets[count - 1] = (octets[count - 1] as number) & (0xff00 >> (length & 7));
    const prefix: Prefix = { address: { version, octets }, length };
    entries.push(pathId === undefined ? { prefix } : { prefix, pathId });
  }
  return entries;
}

/**
 * Encodes prefixes of one IP version, with path identifiers if `hasPathIds` (an entry without one gets 0).
 * @throws RangeError for a prefix of the other version
 */
export function writeNlri(w: ByteWriter, entries: readonly NlriEntry[], version: 4 | 6, hasPathIds: boolean): void {
  for (const { prefix, pathId } of entries) {
    if (prefix.address.version !== version)
      throw new RangeError(`an IPv${prefix.address.version} prefix among IPv${version}`);
    if (hasPathIds) w.u32(pathId ?? 0);
    w.u8(prefix.length);
    w.octets(prefix.address.octets.subarray(0, (prefix.length + 7) >> 3));
  }
}
