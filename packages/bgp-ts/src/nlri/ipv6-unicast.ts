import { readNlri, writeNlri } from './nlri.ts';
import type { NlriCodec } from './table.ts';

/**
 * IPv6 unicast (AFI 2, SAFI 1), RFC 2545 and RFC 4760 §5, only in MP_REACH_NLRI and MP_UNREACH_NLRI. Per prefix: path identifier
 * (4 octets, only with ADD-PATH, RFC 7911 §3), length in bits (1 octet, 0 to 128), then as many octets as the length needs.
 * Malformed (length above 128, prefix past the end): as the attribute that it is in, RFC 7606 §5.3.
 */
export const ipv6Unicast: NlriCodec<'ipv6-unicast'> = {
  family: 'ipv6-unicast',
  maxBits: 128,
  decode: (r, hasPathIds) => readNlri(r, 6, hasPathIds),
  encode: (w, entries, hasPathIds) => writeNlri(w, entries, 6, hasPathIds),
};
