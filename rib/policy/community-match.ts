import type { PathAttributes } from 'bgp-ts';
import type { CommunityPart, CommunityPattern } from './policy.ts';

/** True if the path carries a community that fits the pattern. */
export function hasCommunity(pattern: CommunityPattern, attributes: PathAttributes): boolean {
  switch (pattern.type) {
    case 'standard':
      return attributes.communities?.some((value) => fitsStandard(pattern.parts, value)) ?? false;
    case 'large':
      return attributes.largeCommunities?.some((value) => fitsLarge(pattern.parts, value)) ?? false;
    case 'extended':
      return attributes.extendedCommunities?.some((octets) => fitsExtended(pattern.hex, octets)) ?? false;
  }
}

/** A standard community, as a 32-bit number (RFC 1997), against a pattern of its two halves. */
export function fitsStandard(parts: readonly [CommunityPart, CommunityPart], value: number): boolean {
  return fitsPart(parts[0], value >>> 16) && fitsPart(parts[1], value & 0xffff);
}

/** A large community (RFC 8092) against a pattern of its three parts. */
export function fitsLarge(
  parts: readonly [CommunityPart, CommunityPart, CommunityPart],
  value: { readonly globalAdmin: number; readonly local1: number; readonly local2: number },
): boolean {
  return fitsPart(parts[0], value.globalAdmin) && fitsPart(parts[1], value.local1) && fitsPart(parts[2], value.local2);
}

/** The 8 octets of an extended community (RFC 4360) against 16 hex digits, where `*` stands for any digit. */
export function fitsExtended(hex: string, octets: Uint8Array): boolean {
  for (let digit = 0; digit < 16; digit++) {
    const wanted = hex[digit];
    if (wanted === '*') continue;
    const octet = octets[digit >> 1] ?? 0;
    const nibble = digit % 2 === 0 ? octet >> 4 : octet & 15;
    if (wanted === undefined || nibble !== Number.parseInt(wanted, 16)) return false;
  }
  return true;
}

function fitsPart(part: CommunityPart, value: number): boolean {
  if (part === '*') return true;
  if (typeof part === 'number') return part === value;
  return value >= part.min && value <= part.max;
}
