import { asPathLength, neighbourAs, originAs, type PathAttributes } from 'bgp-ts';
import { AsPathPattern } from '../../lib/as-path-pattern.ts';
import { unreachable } from '../../lib/result.ts';
import { matchesAsPath, startsWithAsns } from './as-path-match.ts';
import { hasCommunity } from './community-match.ts';
import type { NumberRange, PolicyMatch, PolicyRoute, PrefixSet } from './policy.ts';
import { PrefixList } from './prefix-list.ts';

/** LOCAL_PREF of a path that has none, as the decision process counts it. */
const DEFAULT_LOCAL_PREF = 100;

type Prepared = 'prefix' | 'next-hop' | 'as-path' | 'interface' | 'not' | 'any';

/** A match with its prefix set as a trie and its pattern compiled. */
export type PreparedMatch =
  | Exclude<PolicyMatch, { readonly type: Prepared }>
  | { readonly type: 'prefix'; readonly list: PrefixList }
  | { readonly type: 'next-hop'; readonly list: PrefixList }
  | { readonly type: 'as-path'; readonly pattern: AsPathPattern }
  | { readonly type: 'interface'; readonly pieces: readonly string[] }
  | { readonly type: 'not'; readonly match: PreparedMatch }
  | { readonly type: 'any'; readonly matches: readonly PreparedMatch[] };

/**
 * Makes a match ready to run.
 * @param prefixLists what was prepared before: the same set object is prepared once
 * @throws RangeError if an AS-path pattern does not parse
 */
export function prepareMatch(match: PolicyMatch, prefixLists: Map<PrefixSet, PrefixList>): PreparedMatch {
  switch (match.type) {
    case 'prefix':
      return { type: 'prefix', list: prepareSet(match.set, prefixLists) };
    case 'next-hop':
      return { type: 'next-hop', list: prepareSet(match.set, prefixLists) };
    case 'as-path':
      return { type: 'as-path', pattern: AsPathPattern.parse(match.pattern) };
    case 'interface':
      return { type: 'interface', pieces: match.pattern.split('*') };
    case 'not':
      return { type: 'not', match: prepareMatch(match.match, prefixLists) };
    case 'any':
      return { type: 'any', matches: match.matches.map((inner) => prepareMatch(inner, prefixLists)) };
    default:
      return match;
  }
}

function prepareSet(set: PrefixSet, prefixLists: Map<PrefixSet, PrefixList>): PrefixList {
  let list = prefixLists.get(set);
  if (list === undefined) {
    list = new PrefixList(set.entries);
    prefixLists.set(set, list);
  }
  return list;
}

/** True if the match holds for the path with the attributes it has by now (earlier terms may have changed them). */
export function holds(match: PreparedMatch, route: PolicyRoute, attributes: PathAttributes): boolean {
  switch (match.type) {
    case 'family':
      return route.family === match.family;
    case 'prefix':
      return route.prefix !== undefined && match.list.matches(route.prefix);
    case 'prefix-length':
      return route.prefix !== undefined && route.prefix.length >= match.min && route.prefix.length <= match.max;
    case 'origin':
      return attributes.origin !== undefined && match.origins.includes(attributes.origin);
    case 'as-path':
      return matchesAsPath(match.pattern, attributes.asPath ?? []);
    case 'as-path-prefix':
      return startsWithAsns(attributes.asPath ?? [], match.asns);
    case 'as-path-length':
      return within(match.range, asPathLength(attributes.asPath ?? []));
    case 'neighbour-as':
      return includes(match.asns, neighbourAs(attributes.asPath ?? []));
    case 'origin-as':
      return includes(match.asns, originAs(attributes.asPath ?? []));
    case 'community':
      return holdsCommunity(match, attributes);
    case 'med':
      return attributes.med !== undefined && within(match.range, attributes.med);
    case 'local-pref':
      return within(match.range, attributes.localPref ?? match.absent ?? DEFAULT_LOCAL_PREF);
    case 'next-hop':
      return attributes.nextHop !== undefined && match.list.covers(attributes.nextHop);
    case 'peer':
      return match.names.includes(route.peer.name);
    case 'peer-kind':
      return route.peer.kind === match.kind;
    case 'peer-as':
      return match.asns.includes(route.peer.remoteAs);
    case 'learned-from':
      return route.learnedFrom !== undefined && match.names.includes(route.learnedFrom.name);
    case 'learned-from-kind':
      return route.learnedFrom?.kind === match.kind;
    case 'source':
      return match.sources.includes(route.source);
    case 'interface':
      return route.interfaceName !== undefined && fitsPieces(match.pieces, route.interfaceName);
    case 'not':
      return !holds(match.match, route, attributes);
    case 'any':
      return match.matches.some((inner) => holds(inner, route, attributes));
    default:
      return unreachable(match);
  }
}

function holdsCommunity(
  match: Extract<PolicyMatch, { readonly type: 'community' }>,
  attributes: PathAttributes,
): boolean {
  switch (match.require) {
    case 'any':
      return match.patterns.some((pattern) => hasCommunity(pattern, attributes));
    case 'all':
      return match.patterns.every((pattern) => hasCommunity(pattern, attributes));
    case 'none':
      return !match.patterns.some((pattern) => hasCommunity(pattern, attributes));
  }
}

function within({ min, max }: NumberRange, value: number): boolean {
  return (min === undefined || value >= min) && (max === undefined || value <= max);
}

function includes(asns: readonly number[], asn: number | undefined): boolean {
  return asn !== undefined && asns.includes(asn);
}

/** Text between the `*` of a pattern, in order; without any `*` the whole name must be equal. */
function fitsPieces(pieces: readonly string[], name: string): boolean {
  const first = pieces[0] ?? '';
  if (pieces.length === 1) return name === first;
  const last = pieces[pieces.length - 1] ?? '';
  if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
  let at = first.length;
  const end = name.length - last.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = name.indexOf(piece, at);
    if (found < 0 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}
