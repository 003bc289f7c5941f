import { type FamilyName, NlriCursor, type NlriEntry, type Prefix, prefixEquals } from 'bgp-ts';

/** UPDATEs remembered per peer, and octets of prefixes in all of them together. */
const MAX_EVENTS = 32;
const MAX_OCTETS = 16_384;

/** An UPDATE whose routes were treated as withdrawn (RFC 7606 §2). */
export interface WithdrawEvent {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly family: FamilyName;
  /** What was wrong: attribute name, what was seen and wanted. */
  readonly reason: string;
}

interface Kept extends WithdrawEvent {
  readonly octets: Uint8Array;
  readonly hasPathIds: boolean;
  readonly entries: readonly NlriEntry[];
}

/**
 * The last UPDATEs of one peer that were treated as withdraw, for whoever asks where a route is. Bounded in number and in octets, whatever the
 * peer sends; it outlives sessions, since one is often reset by the person who looks for the route.
 */
export class WithdrawLog {
  readonly #wallMs: () => number;
  readonly #events: Kept[];
  #octets: number;
  #total: number;

  /** @param wallMs milliseconds since 1970 */
  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
    this.#events = [];
    this.#octets = 0;
    this.#total = 0;
  }

  /** Events since the peer was configured; at most {@link MAX_EVENTS} of them are remembered. */
  get total(): number {
    return this.#total;
  }

  /** Notes an UPDATE by its NLRI, which were checked to be well-formed: `bytes[start, end)`, of which the beginning is copied. */
  addOctets(
    family: FamilyName,
    bytes: Uint8Array,
    start: number,
    end: number,
    hasPathIds: boolean,
    reason: string,
  ): void {
    // A cut may be in the middle of a prefix: walking stops there.
    const octets = bytes.slice(start, Math.min(end, start + MAX_OCTETS));
    this.#add({ atMs: this.#wallMs(), family, reason, octets, hasPathIds, entries: [] });
  }

  /** Notes an UPDATE by its NLRI as values. */
  addEntries(family: FamilyName, entries: readonly NlriEntry[], reason: string): void {
    const kept = entries.slice(0, MAX_OCTETS / ENTRY_OCTETS);
    this.#add({ atMs: this.#wallMs(), family, reason, octets: noOctets, hasPathIds: false, entries: kept });
  }

  /** The last event that was about this prefix. */
  find(family: FamilyName, prefix: Prefix): WithdrawEvent | undefined {
    return this.#events.findLast((event) => event.family === family && holds(event, prefix));
  }

  #add(event: Kept): void {
    this.#total++;
    this.#events.push(event);
    this.#octets += sizeOf(event);
    while (this.#events.length > MAX_EVENTS || (this.#octets > MAX_OCTETS && this.#events.length > 1)) {
      const oldest = this.#events.shift();
      if (oldest !== undefined) this.#octets -= sizeOf(oldest);
    }
  }
}

/** About what a prefix takes as a value. */
const ENTRY_OCTETS = 128;
const noOctets = new Uint8Array(0);

function sizeOf({ octets, entries }: Kept): number {
  return octets.length + entries.length * ENTRY_OCTETS;
}

function holds({ family, octets, hasPathIds, entries }: Kept, prefix: Prefix): boolean {
  if (entries.some((entry) => prefixEquals(entry.prefix, prefix))) return true;
  const cursor = new NlriCursor();
  cursor.reset(octets, 0, octets.length, family === 'ipv4-unicast' ? 32 : 128, hasPathIds);
  while (cursor.next()) {
    if (cursor.length !== prefix.length) continue;
    if (sameBits(octets, cursor.prefixStart, prefix.address.octets, prefix.length)) return true;
  }
  return false;
}

/** Host bits of what a peer sends mean nothing (RFC 4271 §4.3). */
function sameBits(octets: Uint8Array, at: number, wanted: Uint8Array, bits: number): boolean {
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (octets[at + i] !== wanted[i]) return false;
  const rest = bits & 7;
  if (rest === 0) return true;
  const mask = 0xff << (8 - rest);
  return (((octets[at + whole] ?? 0) ^ (wanted[whole] ?? 0)) & mask & 0xff) === 0;
}
