import { encodeAttributes, type FamilyName, ip, type PathAttributes, type SessionContext } from 'bgp-ts';
import type { Clock, TimerHandle } from '../lib/clock.ts';
import { acceptAll } from '../rib/policy/evaluate.ts';
import { type PeerHandle, Rib } from '../rib/rib.ts';
import type { Negotiated } from './negotiate.ts';
import type { SessionPort } from './peer-handlers.ts';
import { UpdateIn } from './update-in.ts';
import { UpdateOut } from './update-out.ts';
import { SLICE_MS } from './work-loop.ts';

const LOCAL_AS = 64512;
const SENDER_AS = 64513;
const RECEIVER_AS = 64514;
/** Prefixes of one table, and UPDATEs they come in. */
const PREFIXES = 6000;
const UPDATES = 600;
/** Tables sent, replaced and withdrawn of each family: then what is called for every route has been compiled. */
const ROUNDS = 14;
/** Sessions that come up at once need no rehearsal. */
const DELAY_MS = 150;
/** Whatever the machine, it ends after so long. */
const LIMIT_MS = 3000;

const families: readonly FamilyName[] = ['ipv4-unicast', 'ipv6-unicast'];

/**
 * Sends made-up tables through a RIB of its own, from one peer that is not there to another, so that the code that every route goes through is
 * compiled before the first real table arrives, and not while it does. It works in slices while nothing else happens, and ends for good once
 * it is not wanted any more. Nothing of it is seen outside.
 */
export class WarmUp {
  readonly #clock: Clock;
  readonly #isWanted: () => boolean;
  readonly #steps: Iterator<void>;
  /** Who took part: V8 throws compiled code away with the last object of a shape that the code was made for. */
  readonly #kept: object[] = [];
  readonly #untilMs: number;
  #next: TimerHandle | undefined;

  /** @param isWanted asked before every slice: false from the first session on, since real routes warm just as well */
  constructor(clock: Clock, isWanted: () => boolean) {
    this.#clock = clock;
    this.#isWanted = isWanted;
    this.#steps = rehearsal(clock, this.#kept);
    this.#untilMs = clock.nowMs() + DELAY_MS + LIMIT_MS;
    this.#next = clock.setTimer(DELAY_MS, () => this.#turn());
  }

  /** Ends it; can be called at any time. */
  stop(): void {
    this.#next?.clear();
    this.#next = undefined;
  }

  #turn(): void {
    this.#next = undefined;
    const startMs = this.#clock.nowMs();
    let isOver = startMs > this.#untilMs || !this.#isWanted();
    while (!isOver && this.#clock.nowMs() < startMs + SLICE_MS) isOver = this.#steps.next().done === true;
    if (isOver) {
      // What the rehearsal leaves behind would be half of the heap for as long as nothing else fills it.
      globalThis.gc?.();
      return;
    }
    this.#next = this.#clock.defer(() => this.#turn());
  }
}

/** One peer of the rehearsal. */
interface Part {
  readonly handle: PeerHandle;
  readonly negotiated: Negotiated;
  updateIn: UpdateIn;
}

/** @param parties filled with all that take part */
function* rehearsal(clock: Clock, parties: object[]): Generator<void, void> {
  const rib = new Rib(
    {
      localAs: LOCAL_AS,
      routerId: ip('192.0.2.1'),
      multipath: { maxPaths: 8, relaxAsPath: false },
      nextHops: { resolve: () => ({ reachable: true, metric: 0 }) },
      nowMs: () => clock.nowMs(),
      ownAddresses: [ip('192.0.2.1')],
      feedsFib: false,
    },
    { workArrived() {}, nextHopSetFreed() {}, prefixLimitWarning() {}, noNextHopSelf() {} },
  );
  const out = new UpdateOut(rib);
  const sender = join(rib, out, 'sender', SENDER_AS, '192.0.2.2');
  parties.push(rib, out, sender, join(rib, out, 'receiver', RECEIVER_AS, '192.0.2.3'));
  for (let round = 0; round < ROUNDS; round++) {
    for (const family of families) {
      const bodies: Uint8Array[] = [];
      for (let n = 0; n < UPDATES; n++) {
        bodies.push(announcement(family, round, n));
        if (n % 64 === 63) yield;
      }
      yield* deliver(rib, out, sender, bodies);
      // Half of the tables leave prefix by prefix, the others with the session.
      if (round % 2 === 0) yield* deliver(rib, out, sender, withdrawals(family));
    }
    if (round % 2 === 1) {
      out.sessionDown(sender.handle);
      rib.sessionDown(sender.handle);
      yield* settle(rib, out);
      rib.sessionUp(sender.handle, sender.negotiated);
      sender.updateIn = new UpdateIn(rib, sender.handle, sender.negotiated);
      out.sessionUp(sender.handle, silentPort(sender.negotiated));
    }
  }
}

function* deliver(rib: Rib, out: UpdateOut, from: Part, bodies: readonly Uint8Array[]): Generator<void, void> {
  for (const [n, body] of bodies.entries()) {
    from.updateIn.receive(body, 0, body.length);
    if (n % 32 === 31) yield* settle(rib, out);
  }
  yield* settle(rib, out);
}

function* settle(rib: Rib, out: UpdateOut): Generator<void, void> {
  for (let hasMore = true; hasMore; ) {
    hasMore = rib.work(SLICE_MS);
    if (out.work(SLICE_MS)) hasMore = true;
    yield;
  }
}

function join(rib: Rib, out: UpdateOut, name: string, remoteAs: number, address: string): Part {
  const remote = ip(address);
  const local = ip('192.0.2.1');
  const handle = rib.addPeer({
    name,
    address: remote,
    kind: 'ebgp',
    remoteAs,
    localAs: LOCAL_AS,
    importPolicy: acceptAll,
    exportPolicy: acceptAll,
    nextHopSelf: { ipv6: ip('2001:db8::1') },
  });
  const negotiated: Negotiated = {
    families: new Set(families),
    fourOctetAs: true,
    addPathReceive: new Set(),
    addPathSend: new Set(),
    extendedNextHop: new Set(),
    routeRefresh: true,
    enhancedRefresh: true,
    holdSeconds: 0,
    keepaliveSeconds: 0,
    maxOctets: 4096,
    kind: 'ebgp',
    localAs: LOCAL_AS,
    remoteAs,
    localRouterId: local,
    remoteRouterId: remote,
    localAddress: local,
    remoteAddress: remote,
    capabilitiesSent: [],
    capabilitiesReceived: [],
  };
  rib.sessionUp(handle, negotiated);
  const part = { handle, negotiated, updateIn: new UpdateIn(rib, handle, negotiated) };
  out.sessionUp(handle, silentPort(negotiated));
  return part;
}

function silentPort(negotiated: Negotiated): SessionPort {
  return {
    negotiated,
    isUp: true,
    send: () => true,
    requestRefresh: () => true,
    markRefresh() {},
    close() {},
    pauseReading() {},
    resumeReading() {},
  };
}

const context: SessionContext = {
  fourOctetAs: true,
  addPathReceive: new Set(),
  addPathSend: new Set(),
  kind: 'ebgp',
};

/** The body of one UPDATE, with attributes that no other of its round has. */
function announcement(family: FamilyName, round: number, n: number): Uint8Array {
  const asns = [SENDER_AS];
  for (let hop = 0; hop < n % 6; hop++)
    asns.push(hop % 2 === 0 ? 4_200_000_000 + n + hop : 1 + ((n * 31 + hop) % 64_000));
  const attributes: PathAttributes = {
    origin: n % 16 === 0 ? 2 : 0,
    asPath: [{ type: 'sequence', asns }],
    nextHop: ip('192.0.2.2'),
    ...(n % 4 === 0 ? { med: round } : {}),
    ...(n % 3 === 0 ? { communities: upTo(n % 7, (i) => ((SENDER_AS << 16) >>> 0) + n + i * 100 + round) } : {}),
    ...(n % 8 === 0
      ? { largeCommunities: upTo((n >> 3) % 4, (i) => ({ globalAdmin: SENDER_AS, local1: n, local2: round + i })) }
      : {}),
  };
  const routes = nlri(family, n);
  if (family === 'ipv4-unicast') {
    const block = encodeAttributes(attributes, context);
    return body(new Uint8Array(0), block, routes);
  }
  const { nextHop: _, ...rest } = attributes;
  const block = encodeAttributes(rest, context);
  // MP_REACH_NLRI (RFC 4760 §3): AFI 2, SAFI 1, one global next hop, a reserved octet.
  const value = joined([new Uint8Array([0, 2, 1, 16]), ip('2001:db8::2').octets, new Uint8Array(1), routes]);
  return body(new Uint8Array(0), joined([attribute(14, value), block]), new Uint8Array(0));
}

function upTo<T>(last: number, make: (i: number) => T): T[] {
  return Array.from({ length: last + 1 }, (_, i) => make(i));
}

/** The bodies of UPDATEs that take a table back. */
function withdrawals(family: FamilyName): Uint8Array[] {
  const bodies: Uint8Array[] = [];
  for (let n = 0; n < UPDATES; n++) {
    const routes = nlri(family, n);
    bodies.push(
      family === 'ipv4-unicast'
        ? body(routes, new Uint8Array(0), new Uint8Array(0))
        : // MP_UNREACH_NLRI (RFC 4760 §4).
          body(new Uint8Array(0), attribute(15, joined([new Uint8Array([0, 2, 1]), routes])), new Uint8Array(0)),
    );
  }
  return bodies;
}

const lengths: Readonly<Record<FamilyName, readonly number[]>> = {
  'ipv4-unicast': [24, 24, 24, 23, 22, 21, 20, 19, 18, 17, 16, 12, 24, 25, 32],
  'ipv6-unicast': [48, 48, 48, 47, 46, 44, 40, 36, 32, 29, 48, 56, 64, 65, 128],
};

/** Prefixes of UPDATE `n`: of many lengths, from all over the address space, some of them in two UPDATEs. */
function nlri(family: FamilyName, n: number): Uint8Array {
  const octets: number[] = [];
  for (let i = n; i < PREFIXES; i += UPDATES) {
    const hash = Math.imul(i + 1, 0x9e3779b1);
    const length = lengths[family][(hash >>> 8) % lengths[family].length] ?? 24;
    const words = family === 'ipv4-unicast' ? [hash] : [(hash & 0x0fff_ffff) | 0x2000_0000, ~hash, hash, i];
    octets.push(length);
    for (let bit = 0; bit < length; bit += 8) {
      const octet = ((words[bit >> 5] ?? 0) >>> (24 - (bit & 31))) & 0xff;
      octets.push(length - bit < 8 ? octet & (0xff << (8 - (length - bit))) : octet);
    }
  }
  return Uint8Array.from(octets);
}

function attribute(code: number, value: Uint8Array): Uint8Array {
  return joined([new Uint8Array([0x90, code, value.length >> 8, value.length]), value]);
}

function body(withdrawn: Uint8Array, attributes: Uint8Array, routes: Uint8Array): Uint8Array {
  const length = (octets: Uint8Array): Uint8Array => new Uint8Array([octets.length >> 8, octets.length]);
  return joined([length(withdrawn), withdrawn, length(attributes), attributes, routes]);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
