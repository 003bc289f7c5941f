import type { FamilyName, NlriEntry } from 'bgp-ts';
import type { AttributeSets } from './attribute-sets.ts';
import type { Importer } from './import.ts';
import type { LocRib, PathReviewer } from './loc-rib.ts';
import { PATH_WORDS, PathFlag } from './path-table.ts';
import type { ReviewScope } from './review-scope.ts';

/**
 * What one session sent in one family, before policy (RFC 4271 §3.2). The paths themselves are in the tables of the Loc-RIB, under the
 * number of this source; here is how they get in and out.
 */
export class AdjRibIn implements PathReviewer {
  readonly family: FamilyName;
  readonly source: number;
  /** Prefixes come with a path identifier (RFC 7911). */
  readonly hasPathIds: boolean;
  /** How many paths were shown to the import policy again since the session came up. */
  reviewed: number;
  readonly #locRib: LocRib;
  readonly #sets: AttributeSets;
  #importer: Importer;
  /** Number of refreshes begun, modulo 256: what was announced in an earlier round is stale until it is again. */
  #round: number;
  /** The review under way is about all paths; else about those that one of the scopes touches. */
  #reviewsAll: boolean;
  #scopes: ReviewScope[];

  constructor(locRib: LocRib, sets: AttributeSets, source: number, hasPathIds: boolean, importer: Importer) {
    this.family = locRib.family;
    this.source = source;
    this.hasPathIds = hasPathIds;
    this.#locRib = locRib;
    this.#sets = sets;
    this.#importer = importer;
    this.#round = 0;
    this.reviewed = 0;
    this.#reviewsAll = false;
    this.#scopes = [];
  }

  /** The peer is about to send everything again: what there is becomes stale (RFC 7313 §4). */
  beginRefresh(): void {
    this.#round = (this.#round + 1) & 0xff;
  }

  /** The peer has sent everything again: what it did not repeat goes, in slices. */
  endRefresh(): void {
    this.#locRib.startStaleSweep(this.source, this.#round);
  }

  get importer(): Importer {
    return this.#importer;
  }

  /** Replaces what decides about paths; all that are there are looked at again in slices. */
  setImporter(importer: Importer): void {
    this.#replaceImporter(importer);
    this.reviewAll();
  }

  /**
   * Replaces the import policy; paths that the change can touch are looked at again in slices.
   * @param scope undefined: no path comes out otherwise; closed when it is not needed any more
   */
  changePolicy(importer: Importer, scope: ReviewScope | undefined): void {
    this.#replaceImporter(importer);
    if (scope === undefined) return;
    // A review that is under way begins anew, for what it was about and for this.
    this.#scopes.push(scope);
    this.#locRib.startReview(this.source, this);
  }

  /** Evaluates the import policy anew for all paths, in slices. */
  reviewAll(): void {
    this.#reviewsAll = true;
    this.#locRib.startReview(this.source, this);
  }

  reviewDone(): void {
    for (const scope of this.#scopes) scope.close();
    this.#scopes = [];
    this.#reviewsAll = false;
  }

  #replaceImporter(importer: Importer): void {
    this.#importer.close();
    this.#importer = importer;
  }

  /** The session is over. */
  close(): void {
    this.#locRib.stopReview(this.source);
    this.reviewDone();
    this.#importer.close();
  }

  /**
   * Announces the prefixes in `bytes[start, end)`, NLRI that were checked to be well-formed, with a set that the caller holds.
   */
  announce(set: number, bytes: Uint8Array, start: number, end: number): void {
    if (start === end) return; // what policy makes of the set must find somebody to hold it
    if (this.family === 'ipv4-unicast') this.#announce4(set, bytes, start, end);
    else this.#announce6(set, bytes, start, end);
  }

  /** Withdraws the prefixes in `bytes[start, end)`, NLRI that were checked to be well-formed. Unknown ones are ignored. */
  withdraw(bytes: Uint8Array, start: number, end: number): void {
    if (this.family === 'ipv4-unicast') this.#withdraw4(bytes, start, end);
    else this.#withdraw6(bytes, start, end);
  }

  /** As {@link announce}, from values: for messages that are out of the ordinary. */
  announceEntries(set: number, entries: readonly NlriEntry[]): void {
    const { prefixes } = this.#locRib;
    const importer = this.#importer;
    importer.begin(set, prefixes);
    for (const { prefix, pathId = 0 } of entries) {
      const row = prefixes.insert(prefix);
      if (importer.isPerPrefix) importer.decide(prefixes, row);
      this.#put(row, pathId | 0, set, importer, this.#round << PathFlag.RoundShift);
    }
  }

  /** As {@link withdraw}, from values. */
  withdrawEntries(entries: readonly NlriEntry[]): void {
    for (const { prefix, pathId = 0 } of entries) {
      const row = this.#locRib.prefixes.find(prefix);
      if (row !== 0) this.#locRib.take(row, this.source, pathId | 0);
    }
  }

  review(row: number, path: number): void {
    const { paths, prefixes } = this.#locRib;
    const set = paths.words[path * PATH_WORDS]!;
    const importer = this.#importer;
    if (!this.#reviewsAll && !this.#isTouched(importer.policyInput(set), row)) return;
    this.reviewed++;
    importer.begin(set, prefixes);
    if (importer.isPerPrefix) importer.decide(prefixes, row);
    const id = paths.ids === undefined ? 0 : paths.ids[path]!;
    this.#put(row, id, set, importer, paths.words[path * PATH_WORDS + 1]! & PathFlag.RoundMask);
  }

  #isTouched(set: number, row: number): boolean {
    for (const scope of this.#scopes) if (scope.touches(set, this.#locRib.prefixes, row)) return true;
    return false;
  }

  #put(row: number, id: number, set: number, importer: Importer, round: number): void {
    const after = importer.after;
    if (after === 0) {
      this.#locRib.put(row, this.source, id, set, 0, importer.reason, round);
      return;
    }
    // A set that only this prefix gave rise to is held by nobody yet.
    this.#sets.retain(after);
    this.#locRib.put(row, this.source, id, set, after, importer.reason, round);
    this.#sets.release(after);
  }

  /** A first look at where the prefixes of a message are going to be: nearly all the time of an insertion is waiting for memory. */
  #touch4(bytes: Uint8Array, start: number, end: number): void {
    const prefixes = this.#locRib.prefixes;
    const idOctets = this.hasPathIds ? 4 : 0;
    for (let at = start + idOctets; at < end; ) {
      const length = bytes[at]!;
      prefixes.touch4(address4(bytes, at + 1, length), length);
      at += 1 + ((length + 7) >> 3) + idOctets;
    }
  }

  #touch6(bytes: Uint8Array, start: number, end: number): void {
    const prefixes = this.#locRib.prefixes;
    const idOctets = this.hasPathIds ? 4 : 0;
    for (let at = start + idOctets; at < end; ) {
      const length = bytes[at]!;
      prefixes.touch6(
        word6(bytes, at + 1, length),
        word6(bytes, at + 5, length - 32),
        word6(bytes, at + 9, length - 64),
        word6(bytes, at + 13, length - 96),
        length,
      );
      at += 1 + ((length + 7) >> 3) + idOctets;
    }
  }

  #announce4(set: number, bytes: Uint8Array, start: number, end: number): void {
    const locRib = this.#locRib;
    const prefixes = locRib.prefixes;
    const importer = this.#importer;
    const { source, hasPathIds } = this;
    const round = this.#round << PathFlag.RoundShift;
    importer.begin(set, prefixes);
    const isPerPrefix = importer.isPerPrefix;
    const isPlain = !isPerPrefix && importer.after === 0;
    const reason = importer.reason;
    this.#touch4(bytes, start, end);
    let at = start;
    while (at < end) {
      let id = 0;
      if (hasPathIds) {
        id = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
        at += 4;
      }
      const length = bytes[at]!;
      const address = address4(bytes, at + 1, length);
      at += 1 + ((length + 7) >> 3);
      const row = prefixes.insert4(address, length);
      if (isPlain) {
        locRib.put(row, source, id, set, 0, reason, round);
      } else {
        if (isPerPrefix) importer.decide(prefixes, row);
        this.#put(row, id, set, importer, round);
      }
    }
  }

  #announce6(set: number, bytes: Uint8Array, start: number, end: number): void {
    const locRib = this.#locRib;
    const prefixes = locRib.prefixes;
    const importer = this.#importer;
    const { source, hasPathIds } = this;
    const round = this.#round << PathFlag.RoundShift;
    importer.begin(set, prefixes);
    const isPerPrefix = importer.isPerPrefix;
    const isPlain = !isPerPrefix && importer.after === 0;
    const reason = importer.reason;
    this.#touch6(bytes, start, end);
    let at = start;
    while (at < end) {
      let id = 0;
      if (hasPathIds) {
        id = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
        at += 4;
      }
      const length = bytes[at]!;
      const first = at + 1;
      at = first + ((length + 7) >> 3);
      const row = prefixes.insert6(
        word6(bytes, first, length),
        word6(bytes, first + 4, length - 32),
        word6(bytes, first + 8, length - 64),
        word6(bytes, first + 12, length - 96),
        length,
      );
      if (isPlain) {
        locRib.put(row, source, id, set, 0, reason, round);
      } else {
        if (isPerPrefix) importer.decide(prefixes, row);
        this.#put(row, id, set, importer, round);
      }
    }
  }

  #withdraw4(bytes: Uint8Array, start: number, end: number): void {
    const locRib = this.#locRib;
    const prefixes = locRib.prefixes;
    this.#touch4(bytes, start, end);
    let at = start;
    while (at < end) {
      let id = 0;
      if (this.hasPathIds) {
        id = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
        at += 4;
      }
      const length = bytes[at]!;
      const row = prefixes.find4(address4(bytes, at + 1, length), length);
      at += 1 + ((length + 7) >> 3);
      if (row !== 0) locRib.take(row, this.source, id);
    }
  }

  #withdraw6(bytes: Uint8Array, start: number, end: number): void {
    const locRib = this.#locRib;
    const prefixes = locRib.prefixes;
    this.#touch6(bytes, start, end);
    let at = start;
    while (at < end) {
      let id = 0;
      if (this.hasPathIds) {
        id = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
        at += 4;
      }
      const length = bytes[at]!;
      const first = at + 1;
      at = first + ((length + 7) >> 3);
      const row = prefixes.find6(
        word6(bytes, first, length),
        word6(bytes, first + 4, length - 32),
        word6(bytes, first + 8, length - 64),
        word6(bytes, first + 12, length - 96),
        length,
      );
      if (row !== 0) locRib.take(row, this.source, id);
    }
  }
}

/** The first `length` bits at `at` as a signed 32-bit number, host bits cleared. Reads no octet beyond them. */
function address4(bytes: Uint8Array, at: number, length: number): number {
  if (length > 16) {
    const high = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8);
    return (length > 24 ? high | bytes[at + 3]! : high) & (-1 << (32 - length));
  }
  if (length === 0) return 0;
  const high = bytes[at]! << 24;
  return (length > 8 ? high | (bytes[at + 1]! << 16) : high) & (-1 << (32 - length));
}

/** One of the four words of an IPv6 prefix: of the `bits` bits that are left at `at` at most 32, host bits cleared. */
function word6(bytes: Uint8Array, at: number, bits: number): number {
  if (bits >= 32) return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  return bits <= 0 ? 0 : address4(bytes, at, bits);
}
