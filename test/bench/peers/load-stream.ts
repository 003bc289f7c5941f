import {
  encodeAttributes,
  encodeMpReachHead,
  encodeUpdate,
  type IpAddress,
  ipv4FromUint32,
  type SessionContext,
} from 'bgp-ts';
import { attributesOf, type LoadTable, sessionAddress } from './load-table.ts';
import type { Workload } from './workloads.ts';

const MAX_OCTETS = 4096;

/** What every load session negotiates. */
export function contextOf(workload: Workload): SessionContext {
  return {
    fourOctetAs: true,
    addPathReceive: new Set(),
    addPathSend: new Set(),
    kind: workload.kind === 'ebgp' ? 'ebgp' : 'ibgp',
  };
}

/** The IPv6 next hop of an IPv4 address: fd00:: with the address in its last four octets. */
export function ipv6NextHop(address: number): IpAddress {
  const octets = new Uint8Array(16);
  octets[0] = 0xfd;
  octets.set([address >>> 24, address >>> 16, address >>> 8, address], 12);
  return { version: 6, octets };
}

/** Octets to send, all UPDATEs of one sender with the End-of-RIB marker at the end. */
export interface LoadStream {
  readonly bytes: Uint8Array;
  readonly updates: number;
}

/** The UPDATEs of sender `sender`, each as full as it gets. */
export function buildStream(workload: Workload, table: LoadTable, sender: number): LoadStream {
  const perSender = workload.kind === 'reflection' ? table.count / workload.senders : table.count;
  const first = workload.kind === 'reflection' ? perSender * sender : 0;
  const end = first + perSender;
  const writer = new UpdateWriter(workload, sender);
  let bytes = new Uint8Array(1 << 16);
  let octets = 0;
  let updates = 0;
  for (let i = first; i < end; ) {
    const set = table.setOf[i]!;
    writer.startSet(set);
    while (i < end && table.setOf[i] === set) {
      if (bytes.length - octets < MAX_OCTETS + 64) {
        const larger = new Uint8Array(bytes.length * 2);
        larger.set(bytes);
        bytes = larger;
      }
      const lastOfSet = endOfSet(table, i, end);
      i = writer.write(bytes, octets, table, i, lastOfSet);
      octets += writer.octets;
      updates++;
    }
  }
  const marker = encodeUpdate(
    workload.ipv6 ? { mpUnreach: { afi: 2, safi: 1, family: 'ipv6-unicast', withdrawn: [] } } : {},
    contextOf(workload),
  );
  bytes.set(marker, octets);
  return { bytes: bytes.subarray(0, octets + marker.length), updates };
}

function endOfSet(table: LoadTable, i: number, end: number): number {
  const set = table.setOf[i]!;
  let behind = i + 1;
  while (behind < end && table.setOf[behind] === set) behind++;
  return behind;
}

/** Writes UPDATEs with the attributes of one set after the other. */
class UpdateWriter {
  /** Octets of the message written last. */
  octets = 0;
  readonly #workload: Workload;
  readonly #sender: number;
  readonly #context: SessionContext;
  readonly #nextHop: IpAddress;
  #attributes: Uint8Array = new Uint8Array(0);

  constructor(workload: Workload, sender: number) {
    this.#workload = workload;
    this.#sender = sender;
    this.#context = contextOf(workload);
    const address = sessionAddress(sender);
    this.#nextHop = workload.ipv6 ? ipv6NextHop(address) : ipv4FromUint32(address);
  }

  startSet(set: number): void {
    const attributes = attributesOf(this.#workload, this.#sender, set);
    this.#attributes = this.#workload.ipv6
      ? encodeAttributes(attributes, this.#context, { omitNextHop: true })
      : encodeAttributes({ ...attributes, nextHop: this.#nextHop }, this.#context);
  }

  /** Writes one UPDATE at `at` with prefixes `i` up to at most `end`. @returns index of the first prefix that did not fit */
  write(out: Uint8Array, at: number, table: LoadTable, i: number, end: number): number {
    out.fill(0xff, at, at + 16);
    out[at + 18] = 2;
    out[at + 19] = 0;
    out[at + 20] = 0;
    const limit = at + MAX_OCTETS - 8;
    let next = at + 23;
    out.set(this.#attributes, next);
    next += this.#attributes.length;
    let index = i;
    if (this.#workload.ipv6) {
      const head = encodeMpReachHead('ipv6-unicast', { nextHop: this.#nextHop });
      const start = next;
      out[next++] = 0x90;
      out[next++] = 14;
      next += 2;
      out.set(head, next);
      next += head.length;
      for (; index < end && next < limit; index++) next = table.write(out, next, index);
      put16(out, start + 2, next - start - 4);
      put16(out, at + 21, next - at - 23);
    } else {
      put16(out, at + 21, this.#attributes.length);
      for (; index < end && next < limit; index++) next = table.write(out, next, index);
    }
    put16(out, at + 16, next - at);
    this.octets = next - at;
    return index;
  }
}

function put16(out: Uint8Array, at: number, value: number): void {
  out[at] = value >> 8;
  out[at + 1] = value;
}
