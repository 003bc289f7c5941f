import { encodeAttributes, type PathAttributes, type SessionContext } from 'bgp-ts';

/** UPDATEs of a made-up full table, whole messages one after the other, and where they begin. */
export interface TableMessages {
  readonly bytes: Uint8Array;
  /** Message i is `bytes[starts[i], starts[i + 1])`. */
  readonly starts: Int32Array;
  readonly prefixes: number;
  readonly sets: number;
}

/** What the table is like. */
export interface TableShape {
  readonly prefixes: number;
  readonly sets: number;
  /** First AS of every path, which is that of the peer. */
  readonly peerAs: number;
  /** Next hop, as a number. */
  readonly nextHop: number;
  readonly ipv6: boolean;
  readonly seed: number;
}

const context: SessionContext = {
  fourOctetAs: true,
  addPathReceive: new Set(),
  addPathSend: new Set(),
  kind: 'ebgp',
};

/** Numbers that look random and are the same for the same seed. */
export function randomSource(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 0x1_0000_0000;
  };
}

/**
 * A table with the shape of the Internet's: lengths as in a full feed, few prefixes for most attribute sets and many for some, paths of 3 to 6
 * AS numbers, up to six communities, now and then MED and large communities.
 */
export function tableMessages(shape: TableShape): TableMessages {
  const random = randomSource(shape.seed);
  const average = shape.prefixes / shape.sets;
  const chunks: Uint8Array[] = [];
  let octets = 0;
  let left = shape.prefixes;
  let sets = 0;
  const prefixOf = shape.ipv6 ? ipv6Prefixes(random) : ipv4Prefixes(random);
  while (left > 0) {
    // Sizes 1 to 15 times the average, most of them small.
    const r = random();
    const size = Math.min(left, Math.max(1, Math.round(r * r * r * 4 * average)));
    left -= size;
    sets++;
    let first = 0;
    const attributes = attributeOctets(shape, random);
    while (first < size) {
      const message = new Uint8Array(4096);
      const written = writeUpdate(message, attributes, shape, size - first, prefixOf);
      first += written.count;
      chunks.push(message.subarray(0, written.octets));
      octets += written.octets;
    }
  }
  const bytes = new Uint8Array(octets);
  const starts = new Int32Array(chunks.length + 1);
  let at = 0;
  for (const [i, chunk] of chunks.entries()) {
    starts[i] = at;
    bytes.set(chunk, at);
    at += chunk.length;
  }
  starts[chunks.length] = at;
  return { bytes, starts, prefixes: shape.prefixes, sets };
}

function attributeOctets(shape: TableShape, random: () => number): Uint8Array {
  const hops = 2 + Math.floor(random() * 4);
  const asns = [shape.peerAs, ...Array.from({ length: hops }, () => 1 + Math.floor(random() * 400_000))];
  const communities = Array.from({ length: Math.floor(random() * 7) }, () => Math.floor(random() * 0xfff0_0000));
  const n = shape.nextHop;
  const attributes: PathAttributes = {
    origin: random() < 0.9 ? 0 : 2,
    asPath: [{ type: 'sequence', asns }],
    ...(shape.ipv6 ? {} : { nextHop: { version: 4, octets: Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n) } }),
    ...(random() < 0.2 ? { med: Math.floor(random() * 1000) } : {}),
    ...(communities.length === 0 ? {} : { communities }),
    ...(random() < 0.1
      ? { largeCommunities: [{ globalAdmin: shape.peerAs, local1: Math.floor(random() * 1e6), local2: 7 }] }
      : {}),
  };
  return encodeAttributes(attributes, context, { omitNextHop: shape.ipv6 });
}

/** Lengths of a full feed: 60 % /24, the rest mostly /16 to /23. */
function ipv4Prefixes(random: () => number): (out: Uint8Array, at: number) => number {
  const seen = new Set<number>();
  return (out, at) => {
    for (;;) {
      const r = random();
      const length = r < 0.6 ? 24 : r < 0.95 ? 16 + Math.floor(random() * 8) : 8 + Math.floor(random() * 8);
      const address = ((1 + Math.floor(random() * 222)) << 24) | Math.floor(random() * 0x100_0000);
      const masked = (address & (-1 << (32 - length))) >>> 0;
      const key = masked * 64 + length;
      if (seen.has(key)) continue;
      seen.add(key);
      const octets = (length + 7) >> 3;
      out[at] = length;
      for (let i = 0; i < octets; i++) out[at + 1 + i] = masked >>> (24 - 8 * i);
      return 1 + octets;
    }
  };
}

function ipv6Prefixes(random: () => number): (out: Uint8Array, at: number) => number {
  const seen = new Set<string>();
  return (out, at) => {
    for (;;) {
      const length = random() < 0.5 ? 48 : 32 + Math.floor(random() * 17);
      const octets = (length + 7) >> 3;
      out[at] = length;
      out[at + 1] = 0x20;
      for (let i = 1; i < octets; i++) out[at + 1 + i] = Math.floor(random() * 256);
      const mask = (length & 7) === 0 ? 0xff : (0xff00 >> (length & 7)) & 0xff;
      out[at + octets] = (out[at + octets] ?? 0) & mask;
      const key = out.subarray(at, at + 1 + octets).join();
      if (seen.has(key)) continue;
      seen.add(key);
      return 1 + octets;
    }
  };
}

function writeUpdate(
  out: Uint8Array,
  attributes: Uint8Array,
  shape: TableShape,
  wanted: number,
  prefixOf: (out: Uint8Array, at: number) => number,
): { count: number; octets: number } {
  out.fill(0xff, 0, 16);
  out[18] = 2;
  let at = 23;
  let count = 0;
  if (shape.ipv6) {
    const start = at;
    out.set([0x90, 14, 0, 0, 0, 2, 1, 16, 0xfd], at);
    const n = shape.nextHop;
    out.set([n >>> 24, n >>> 16, n >>> 8, n, 0], at + 8 + 12);
    at += 25;
    while (count < wanted && at + 17 + attributes.length < 4096) {
      at += prefixOf(out, at);
      count++;
    }
    const value = at - start - 4;
    out[start + 2] = value >> 8;
    out[start + 3] = value;
    out.set(attributes, at);
    at += attributes.length;
    out[21] = (at - 23) >> 8;
    out[22] = at - 23;
  } else {
    out.set(attributes, at);
    at += attributes.length;
    out[21] = attributes.length >> 8;
    out[22] = attributes.length;
    while (count < wanted && at + 5 < 4096) {
      at += prefixOf(out, at);
      count++;
    }
  }
  out[16] = at >> 8;
  out[17] = at;
  return { count, octets: at };
}
