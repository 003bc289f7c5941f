import { encodeUpdate, ipv4FromUint32 } from 'bgp-ts';
import { contextOf, ipv6NextHop } from './load-stream.ts';
import { attributesOf, type LoadTable, sessionAddress } from './load-table.ts';
import type { LoadResult } from './results.ts';
import type { Workload } from './workloads.ts';

/** First community of a churn UPDATE has this in its high half, the second the next number; their low halves are the send time. */
export const CHURN_COMMUNITY = 64_600;

/** Send times are counted in units of 10 microseconds. */
const STAMPS_PER_MS = 100;

/** All UPDATEs of a churn in the order in which they are due, with the times at which they are due in their communities. */
export interface ChurnStream {
  readonly bytes: Uint8Array;
  /** UPDATE k is `bytes[starts[k], starts[k + 1])`. */
  readonly starts: Uint32Array;
  /** The last stamp of each prefix; 0: it has none. */
  readonly newest: Int32Array;
}

/**
 * Makes the UPDATEs of a churn, one prefix each, every prefix once before one comes again.
 * @param count UPDATEs
 * @param rate UPDATEs a second
 */
export function buildChurn(workload: Workload, table: LoadTable, count: number, rate: number): ChurnStream {
  const context = contextOf(workload);
  const nextHop = workload.ipv6 ? ipv6NextHop(sessionAddress(0)) : ipv4FromUint32(sessionAddress(0));
  const communities = [CHURN_COMMUNITY * 0x1_0000, (CHURN_COMMUNITY + 1) * 0x1_0000];
  /** Attributes by set, made when first needed, and where the stamp is in them. */
  const heads: ({ readonly head: Uint8Array; readonly stampAt: number } | undefined)[] = [];
  const headOf = (set: number): { readonly head: Uint8Array; readonly stampAt: number } => {
    const known = heads[set];
    if (known !== undefined) return known;
    const head = encodeUpdate({ attributes: { ...attributesOf(workload, 0, set), nextHop, communities } }, context);
    const made = { head, stampAt: offsetOf(head, CHURN_COMMUNITY) + 2 };
    heads[set] = made;
    return made;
  };
  // A stride without common divisor with the table.
  let stride = Math.floor(table.count * 0.618) | 1;
  while (commonDivisor(stride, table.count) !== 1) stride += 2;
  const starts = new Uint32Array(count + 1);
  const newest = new Int32Array(table.count);
  let bytes = new Uint8Array(1 << 20);
  let at = 0;
  for (let k = 0, prefix = 0; k < count; k++) {
    prefix = (prefix + stride) % table.count;
    const { head, stampAt } = headOf(table.setOf[prefix]!);
    if (bytes.length - at < head.length + 16) {
      const larger = new Uint8Array(bytes.length * 2);
      larger.set(bytes);
      bytes = larger;
    }
    starts[k] = at;
    bytes.set(head, at);
    const end = table.write(bytes, at + head.length, prefix);
    bytes[at + 16] = (end - at) >> 8;
    bytes[at + 17] = end - at;
    const stamp = Math.round(((k * 1000) / rate) * STAMPS_PER_MS) + 1;
    const mark = at + stampAt;
    bytes[mark] = stamp >>> 24;
    bytes[mark + 1] = stamp >>> 16;
    bytes[mark + 4] = stamp >>> 8;
    bytes[mark + 5] = stamp;
    newest[prefix] = stamp;
    at = end;
  }
  starts[count] = at;
  return { bytes, starts, newest };
}

function offsetOf(bytes: Uint8Array, community: number): number {
  for (let i = 0; i + 8 <= bytes.length; i++) {
    const isHere =
      ((bytes[i]! << 8) | bytes[i + 1]!) === community && ((bytes[i + 4]! << 8) | bytes[i + 5]!) === community + 1;
    if (isHere) return i;
  }
  throw new Error('no communities in the template');
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

/** What a receiver got of a churn: how late each UPDATE was, and how many prefixes it does not yet hold the newest version of. */
export class ChurnLog {
  /** Prefixes whose newest version the receiver does not hold. */
  outdated = 0;
  /** UPDATEs received, as far as there is room for them. */
  count = 0;
  /** Stamp 1 in milliseconds of the clock. */
  #origin = 0;
  readonly #newest: Int32Array;
  readonly #seen: Int32Array;
  readonly #latencies: Int32Array;

  /** @param room UPDATEs that can be counted */
  constructor(newest: Int32Array, room: number) {
    this.#newest = newest;
    this.#seen = new Int32Array(newest.length);
    this.#latencies = new Int32Array(room);
    for (const stamp of newest) if (stamp !== 0) this.outdated++;
  }

  /** Says when the first UPDATE is due, milliseconds of the clock. */
  begin(atMs: number): void {
    this.#origin = atMs;
  }

  /** A version of `prefix` stamped `stamp` was read from the socket at `atMs`. */
  received(prefix: number, stamp: number, atMs: number): void {
    if (this.count < this.#latencies.length) {
      this.#latencies[this.count++] = Math.max(0, Math.round((atMs - this.#origin) * STAMPS_PER_MS) + 1 - stamp);
    }
    const newest = this.#newest[prefix]!;
    const seen = this.#seen[prefix]!;
    if (seen === stamp) return;
    if (stamp === newest) this.outdated--;
    else if (seen === newest) this.outdated++;
    this.#seen[prefix] = stamp;
  }

  /** Percentiles so far, milliseconds. */
  latencyMs(): NonNullable<LoadResult['latencyMs']> {
    const sorted = this.#latencies.slice(0, this.count).sort();
    const at = (share: number): number =>
      (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0) / STAMPS_PER_MS;
    return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1) };
  }
}
