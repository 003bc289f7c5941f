import type { Prefix } from 'bgp-ts';

/** Writes an address into 32-bit words, most significant first: 1 word for version 4, 4 for version 6. */
export function wordsOfOctets(octets: Uint8Array, version: 4 | 6, out: Int32Array, at = 0): void {
  const words = version === 4 ? 1 : 4;
  for (let i = 0; i < words; i++) {
    const o = i * 4;
    out[at + i] =
      ((octets[o] ?? 0) << 24) | ((octets[o + 1] ?? 0) << 16) | ((octets[o + 2] ?? 0) << 8) | (octets[o + 3] ?? 0);
  }
}

/** The octets of an address kept as words; a fresh array of 4 or 16. */
export function octetsOfWords(words: Int32Array, at: number, version: 4 | 6): Uint8Array {
  const octets = new Uint8Array(version === 4 ? 4 : 16);
  for (let i = 0; i < octets.length; i++) octets[i] = (words[at + (i >> 2)] ?? 0) >>> (24 - 8 * (i & 3));
  return octets;
}

const scratch = new Int32Array(4);

/** The prefix of a row of a `KeyTable`, as a value of its own. */
export function prefixOfRow(
  keys: { copyAddress(row: number, out: Int32Array, at: number): void; length(row: number): number },
  row: number,
  version: 4 | 6,
): Prefix {
  keys.copyAddress(row, scratch, 0);
  return { address: { version, octets: octetsOfWords(scratch, 0, version) }, length: keys.length(row) };
}
