import { readNlri, writeNlri } from './nlri.ts';
import type { NlriCodec } from './table.ts';

/**
 * IPv4 unicast (AFI 1, SAFI 1), RFC 4271 §4.3. Per prefix: path identifier (4 octets, only with ADD-PATH, RFC 7911 §3), length in
 * bits (1 octet, 0 to 32), then as many octets as the length needs.
 * Malformed (length above 32, prefix past the end): session reset, RFC 7606 §5.3.
 */
export const ipv4Unicast: NlriCodec<'ipv4-unicast'> = {
  family: 'ipv4-unicast',
  maxBits: 32,
  decode: (r, hasPathIds) => readNlri(r, 4, hasPathIds),
  encode: (w, entries, hasPathIds) => writeNlri(w, entries, 4, hasPathIds),
};
