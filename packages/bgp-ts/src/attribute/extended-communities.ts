import { toHex } from '../bytes.ts';
import { AttributeCode, AttributeFlag, UpdateSubcode } from '../iana.ts';
import { type AttributeCodec, malformed } from './codec.ts';

/**
 * EXTENDED COMMUNITIES (type 16, optional transitive), RFC 4360. Value: extended communities of 8 octets.
 * Malformed (length 0 or not a multiple of 8): treat-as-withdraw, RFC 7606 §7.14.
 */
export const extendedCommunitiesCodec: AttributeCodec<readonly Uint8Array[]> = {
  name: 'EXTENDED_COMMUNITIES',
  code: AttributeCode.ExtendedCommunities,
  flags: AttributeFlag.Optional | AttributeFlag.Transitive,
  onError: 'treat-as-withdraw',
  decode(r) {
    if (r.remaining === 0 || r.remaining % 8 !== 0) {
      return malformed(extendedCommunitiesCodec, UpdateSubcode.OptionalAttributeError, `${r.remaining} octets`);
    }
    const value: Uint8Array[] = [];
    while (r.remaining > 0) value.push(r.copy(8));
    return { ok: true, value };
  },
  encode(w, value) {
    for (const community of value) {
      if (community.length !== 8) throw new RangeError(`extended community of ${community.length} octets: must be 8`);
      w.octets(community);
    }
  },
  format: (value) => value.map(formatExtendedCommunity).join(' '),
};

/** Names of the subtypes that occur with all three AS- and address-specific types (RFC 4360 §4, §5). */
const subtypeNames: Readonly<Record<number, string>> = { 2: 'rt', 3: 'soo' };

/**
 * `rt:65000:100` and `soo:192.0.2.1:7` for route targets and origins of the three forms of RFC 4360 §3.1, §3.2 and RFC 5668 (the last
 * with an `L` behind an AS number that would also fit two octets); hex with `0x` for anything else.
 */
export function formatExtendedCommunity(community: Uint8Array): string {
  const [type = 0, subtype = 0, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = community;
  const name = subtypeNames[subtype];
  if (name !== undefined && community.length === 8) {
    if (type === 0) return `${name}:${(a << 8) | b}:${((c << 24) | (d << 16) | (e << 8) | f) >>> 0}`;
    if (type === 1) return `${name}:${a}.${b}.${c}.${d}:${(e << 8) | f}`;
    if (type === 2) {
      const as = ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
      return `${name}:${as}${as > 0xffff ? '' : 'L'}:${(e << 8) | f}`;
    }
  }
  return `0x${toHex(community)}`;
}

/**
 * Reads what `formatExtendedCommunity` writes. An AS number above 65535, or one followed by `L`, takes the 4-octet form; `undefined` for
 * anything else.
 */
export function parseExtendedCommunity(text: string): Uint8Array | undefined {
  if (/^0x[0-9a-f]{16}$/i.test(text)) {
    return Uint8Array.from({ length: 8 }, (_, i) => Number.parseInt(text.slice(2 + 2 * i, 4 + 2 * i), 16));
  }
  const match = /^(rt|soo):(?:(\d+)(L?)|(\d+)\.(\d+)\.(\d+)\.(\d+)):(\d+)$/.exec(text);
  if (!match) return undefined;
  const subtype = match[1] === 'rt' ? 2 : 3;
  const local = Number(match[8]);
  if (match[2] === undefined) {
    const parts = match.slice(4, 8).map(Number);
    if (parts.some((part) => part > 255) || local > 0xffff) return undefined;
    return Uint8Array.of(1, subtype, ...parts, local >> 8, local);
  }
  const as = Number(match[2]);
  if (as <= 0xffff && match[3] === '') {
    if (local > 0xffffffff) return undefined;
    return Uint8Array.of(0, subtype, as >> 8, as, local >>> 24, local >>> 16, local >>> 8, local);
  }
  if (as > 0xffffffff || local > 0xffff) return undefined;
  return Uint8Array.of(2, subtype, as >>> 24, as >>> 16, as >>> 8, as, local >> 8, local);
}
