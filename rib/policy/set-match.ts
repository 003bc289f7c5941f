import { AttributeCode } from 'bgp-ts';
import { unreachable } from '../../lib/result.ts';
import type { AttributeReader } from '../attribute-reader.ts';
import { DEFAULT_LOCAL_PREF } from '../attribute-scan.ts';
import type { PreparedMatch } from './match.ts';
import type { CommunityPart, CommunityPattern, NumberRange } from './policy.ts';

/** Matches that look at nothing but the attributes of a path: their answer is the same for all paths with the same attribute set. */
export type AttributeMatch = Extract<
  PreparedMatch,
  {
    readonly type:
      | 'origin'
      | 'as-path'
      | 'as-path-prefix'
      | 'as-path-length'
      | 'neighbour-as'
      | 'origin-as'
      | 'community'
      | 'med'
      | 'local-pref'
      | 'next-hop';
  }
>;

/** A match over the octets of an attribute set. */
export type SetMatch =
  | Exclude<AttributeMatch, { readonly type: 'community' }>
  | { readonly type: 'community'; readonly require: 'any' | 'all' | 'none'; readonly tests: readonly CommunityTest[] };

/**
 * A community pattern over octets. `halves`: the upper and lower half of a standard community, each between two numbers. `parts`: the same
 * for the three parts of a large one. `masked`: the two words of an extended one, as signed numbers, under a mask.
 */
type CommunityTest =
  | { readonly type: 'halves' | 'parts'; readonly least: Uint32Array; readonly greatest: Uint32Array }
  | { readonly type: 'masked'; readonly masks: Int32Array; readonly values: Int32Array };

/** The form of a match that runs over octets. */
export function compileAttributeMatch(match: AttributeMatch): SetMatch {
  if (match.type !== 'community') return match;
  return { type: 'community', require: match.require, tests: match.patterns.map(compilePattern) };
}

/** Whether the match holds for the set that the reader has open. Agrees with `holds` on the decoded attributes; allocates nothing. */
export function holdsForSet(match: SetMatch, set: AttributeReader): boolean {
  switch (match.type) {
    case 'origin': {
      if (!set.has(AttributeCode.Origin)) return false;
      const origin = set.view.getUint8(set.startOf(AttributeCode.Origin));
      for (const wanted of match.origins) if (wanted === origin) return true;
      return false;
    }
    case 'as-path':
      return match.pattern.test(set.asPathText());
    case 'as-path-prefix':
      return set.asPathStartsWith(match.asns);
    case 'as-path-length':
      return within(match.range, set.asPathLength());
    case 'neighbour-as':
      return includesAsn(match.asns, set.neighbourAs());
    case 'origin-as':
      return includesAsn(match.asns, set.originAs());
    case 'community':
      return holdsCommunity(match.require, match.tests, set);
    case 'med':
      if (!set.has(AttributeCode.MultiExitDisc)) return false;
      return within(match.range, set.view.getUint32(set.startOf(AttributeCode.MultiExitDisc)));
    case 'local-pref': {
      if (!set.has(AttributeCode.LocalPref)) return within(match.range, match.absent ?? DEFAULT_LOCAL_PREF);
      return within(match.range, set.view.getUint32(set.startOf(AttributeCode.LocalPref)));
    }
    case 'next-hop':
      return set.nextHop !== undefined && match.list.covers(set.nextHop);
    default:
      return unreachable(match);
  }
}

function within(range: NumberRange, value: number): boolean {
  const { min, max } = range;
  return (min === undefined || value >= min) && (max === undefined || value <= max);
}

function includesAsn(asns: readonly number[], asn: number): boolean {
  return asn !== 0 && asns.includes(asn);
}

function holdsCommunity(
  require: 'any' | 'all' | 'none',
  tests: readonly CommunityTest[],
  set: AttributeReader,
): boolean {
  for (let i = 0; i < tests.length; i++) {
    const isFound = findsCommunity(tests[i]!, set);
    if (isFound !== (require === 'all')) return require === 'any';
  }
  return require !== 'any';
}

function findsCommunity(test: CommunityTest, set: AttributeReader): boolean {
  const { view } = set;
  switch (test.type) {
    case 'halves': {
      const { least, greatest } = test;
      const end = set.endOf(AttributeCode.Communities);
      for (let at = set.startOf(AttributeCode.Communities); at < end; at += 4) {
        const upper = view.getUint16(at);
        if (upper < least[0]! || upper > greatest[0]!) continue;
        const lower = view.getUint16(at + 2);
        if (lower >= least[1]! && lower <= greatest[1]!) return true;
      }
      return false;
    }
    case 'parts': {
      const { least, greatest } = test;
      const end = set.endOf(AttributeCode.LargeCommunities);
      for (let at = set.startOf(AttributeCode.LargeCommunities); at < end; at += 12) {
        let part = 0;
        for (; part < 3; part++) {
          const value = view.getUint32(at + part * 4);
          if (value < least[part]! || value > greatest[part]!) break;
        }
        if (part === 3) return true;
      }
      return false;
    }
    case 'masked': {
      const { masks, values } = test;
      const end = set.endOf(AttributeCode.ExtendedCommunities);
      for (let at = set.startOf(AttributeCode.ExtendedCommunities); at < end; at += 8) {
        if ((view.getInt32(at) & masks[0]!) !== values[0]) continue;
        if ((view.getInt32(at + 4) & masks[1]!) === values[1]) return true;
      }
      return false;
    }
    default:
      return unreachable(test);
  }
}

function compilePattern(pattern: CommunityPattern): CommunityTest {
  switch (pattern.type) {
    case 'standard':
      return { type: 'halves', ...bounds(pattern.parts) };
    case 'large':
      return { type: 'parts', ...bounds(pattern.parts) };
    case 'extended':
      return { type: 'masked', ...maskOf(pattern.hex) };
  }
}

function bounds(parts: readonly CommunityPart[]): { readonly least: Uint32Array; readonly greatest: Uint32Array } {
  const least = parts.map((part) => (part === '*' ? 0 : typeof part === 'number' ? part : part.min));
  const greatest = parts.map((part) => (part === '*' ? 0xffff_ffff : typeof part === 'number' ? part : part.max));
  return { least: Uint32Array.from(least), greatest: Uint32Array.from(greatest) };
}

/** 16 hex digits, `*` for any, as two words of mask and value. */
function maskOf(hex: string): { readonly masks: Int32Array; readonly values: Int32Array } {
  const masks = new Int32Array(2);
  const values = new Int32Array(2);
  for (let digit = 0; digit < 16; digit++) {
    const shift = (7 - (digit & 7)) * 4;
    const text = hex[digit] ?? '0';
    if (text === '*') continue;
    masks[digit >> 3]! |= 15 << shift;
    values[digit >> 3]! |= Number.parseInt(text, 16) << shift;
  }
  return { masks, values };
}
