import { AttributeCode, AttributeFlag, UpdateSubcode } from '../iana.ts';
import type { LargeCommunity } from './attributes.ts';
import { type AttributeCodec, malformed } from './codec.ts';

/**
 * LARGE_COMMUNITY (type 32, optional transitive), RFC 8092. Value: large communities of three 4-octet numbers. Repeated ones are
 * dropped (§3: "silently removed"). Malformed (length 0 or not a multiple of 12): treat-as-withdraw, RFC 8092 §6.
 */
export const largeCommunitiesCodec: AttributeCodec<readonly LargeCommunity[]> = {
  name: 'LARGE_COMMUNITY',
  code: AttributeCode.LargeCommunities,
  flags: AttributeFlag.Optional | AttributeFlag.Transitive,
  onError: 'treat-as-withdraw',
  decode(r) {
    if (r.remaining === 0 || r.remaining % 12 !== 0) {
      return malformed(largeCommunitiesCodec, UpdateSubcode.OptionalAttributeError, `${r.remaining} octets`);
    }
    const value = new Map<string, LargeCommunity>();
    while (r.remaining > 0) {
      const community = { globalAdmin: r.u32(), local1: r.u32(), local2: r.u32() };
      value.set(formatLargeCommunity(community), community);
    }
    return { ok: true, value: [...value.values()] };
  },
  encode(w, value) {
    for (const { globalAdmin, local1, local2 } of value) {
      w.u32(globalAdmin);
      w.u32(local1);
      w.u32(local2);
    }
  },
  format: (value) => value.map(formatLargeCommunity).join(' '),
};

/** `65000:1:2`. */
export function formatLargeCommunity(community: LargeCommunity): string {
  return `${community.globalAdmin}:${community.local1}:${community.local2}`;
}

/** Reads `65000:1:2`; `undefined` for anything else, leading zeros included (RFC 8092 §5). */
export function parseLargeCommunity(text: string): LargeCommunity | undefined {
  const match = /^(0|[1-9]\d{0,9}):(0|[1-9]\d{0,9}):(0|[1-9]\d{0,9})$/.exec(text);
  if (!match) return undefined;
  const [globalAdmin = 0, local1 = 0, local2 = 0] = match.slice(1).map(Number);
  if (Math.max(globalAdmin, local1, local2) > 0xffffffff) return undefined;
  return { globalAdmin, local1, local2 };
}
