import type { Prefix } from 'bgp-ts';
import type {
  DesiredAction,
  DesiredCommunity,
  DesiredCommunityPattern,
  DesiredMatch,
  DesiredPrefixSet,
} from './desired-state.ts';
import type { BgpFilterConditions, BgpFilterOperation } from './resources/bgp-filter.ts';
import type { PrefixEntry } from './resources/policy-sets.ts';

/** Calico carries a route's priority (its kernel metric) in LOCAL_PREF: this number minus the priority. */
export const PRIORITY_BASE = 2147483647;
/** LOCAL_PREF that other routers use by default; counts as normal priority. */
const DEFAULT_LOCAL_PREF = 100;

const ORIGINS = { IGP: 0, EGP: 1, Incomplete: 2 } as const;

/** The named sets of the configuration; nothing is in one that is not there. */
export interface NamedSets {
  prefixes(name: string): DesiredPrefixSet;
  asPaths(name: string): readonly string[];
  communities(name: string): readonly DesiredCommunityPattern[];
}

/** Everything inside of these prefixes, under a name. */
export function inside(name: string, prefixes: readonly Prefix[]): DesiredPrefixSet {
  return { name, entries: prefixes.map((prefix) => ({ prefix, minLength: prefix.length, maxLength: bitsOf(prefix) })) };
}

function bitsOf(prefix: Prefix): number {
  return prefix.address.octets.length * 8;
}

/** Holds unless all of them do. */
export function notAll(matches: readonly DesiredMatch[]): DesiredMatch {
  return { type: 'any', matches: matches.map((match) => ({ type: 'not', match })) };
}

/** An entry of a list of prefixes with the lengths it stands for. */
export function toRange({ cidr, min, max }: PrefixEntry) {
  return {
    prefix: cidr,
    minLength: min ?? cidr.length,
    maxLength: max ?? (min === undefined ? cidr.length : bitsOf(cidr)),
  };
}

/** What a rule asks for, all of which must hold. `name` is for what has none of its own, `normalPriority` that of the family. */
export function ruleMatches(
  rule: BgpFilterConditions,
  name: string,
  normalPriority: number,
  sets: NamedSets,
): DesiredMatch[] {
  const matches: DesiredMatch[] = [];
  if (rule.cidr !== undefined) matches.push(cidrMatch(rule, rule.cidr, name));
  else if (rule.prefixLength !== undefined) {
    matches.push({ type: 'prefix-length', min: rule.prefixLength.min ?? 0, max: rule.prefixLength.max ?? 128 });
  }
  if (rule.prefixes !== undefined) {
    matches.push({ type: 'prefix', set: { name, entries: rule.prefixes.map(toRange) } });
  }
  if (rule.prefixSets !== undefined) {
    matches.push(anyOf(rule.prefixSets.map((set) => ({ type: 'prefix', set: sets.prefixes(set) }))));
  }
  if (rule.source === 'RemotePeers') matches.push({ type: 'source', sources: ['bgp'] });
  if (rule.source === 'Local') matches.push({ type: 'source', sources: ['network', 'pod-block', 'service'] });
  if (rule.interface !== undefined) matches.push({ type: 'interface', pattern: rule.interface });
  if (rule.peerType !== undefined)
    matches.push({ type: 'peer-kind', kind: rule.peerType === 'eBGP' ? 'ebgp' : 'ibgp' });
  if (rule.peers !== undefined) matches.push({ type: 'peer', names: rule.peers });
  if (rule.peerAS !== undefined) matches.push({ type: 'peer-as', asns: rule.peerAS });
  if (rule.learnedFrom !== undefined) matches.push({ type: 'learned-from', names: rule.learnedFrom });
  if (rule.learnedFromType !== undefined)
    matches.push({ type: 'learned-from-kind', kind: rule.learnedFromType === 'eBGP' ? 'ebgp' : 'ibgp' });
  matches.push(...communityMatches(rule));
  if (rule.communitySets !== undefined) {
    matches.push({ type: 'community', require: 'any', patterns: rule.communitySets.flatMap(sets.communities) });
  }
  if (rule.asPathSets !== undefined) {
    const patterns = rule.asPathSets.flatMap(sets.asPaths);
    matches.push(anyOf(patterns.map((pattern) => ({ type: 'as-path', pattern }))));
  }
  if (rule.asPathPrefix !== undefined) matches.push({ type: 'as-path-prefix', asns: rule.asPathPrefix });
  if (rule.asPath !== undefined) matches.push({ type: 'as-path', pattern: rule.asPath });
  if (rule.asPathLength !== undefined) matches.push({ type: 'as-path-length', range: rule.asPathLength });
  if (rule.neighbourAS !== undefined) matches.push({ type: 'neighbour-as', asns: rule.neighbourAS });
  if (rule.originAS !== undefined) matches.push({ type: 'origin-as', asns: rule.originAS });
  if (rule.origin !== undefined) matches.push({ type: 'origin', origins: rule.origin.map((word) => ORIGINS[word]) });
  if (rule.med !== undefined) matches.push({ type: 'med', range: rule.med });
  if (rule.localPref !== undefined) matches.push({ type: 'local-pref', range: rule.localPref });
  if (rule.nextHops !== undefined) matches.push({ type: 'next-hop', set: inside(name, rule.nextHops) });
  if (rule.priority !== undefined) matches.push(priorityMatch(rule.priority, normalPriority));
  return matches;
}

/** One of them holds. */
function anyOf(matches: readonly DesiredMatch[]): DesiredMatch {
  const [only, ...others] = matches;
  return only !== undefined && others.length === 0 ? only : { type: 'any', matches };
}

function cidrMatch(rule: BgpFilterConditions, prefix: Prefix, name: string): DesiredMatch {
  const isExact = rule.matchOperator === 'Equal' || rule.matchOperator === 'NotEqual';
  const isNegated = rule.matchOperator === 'NotEqual' || rule.matchOperator === 'NotIn';
  const minLength = Math.max(prefix.length, rule.prefixLength?.min ?? 0);
  const maxLength = Math.min(isExact ? prefix.length : bitsOf(prefix), rule.prefixLength?.max ?? 128);
  const match: DesiredMatch = { type: 'prefix', set: { name, entries: [{ prefix, minLength, maxLength }] } };
  return isNegated ? { type: 'not', match } : match;
}

function communityMatches({ communities }: BgpFilterConditions): DesiredMatch[] {
  if (communities === undefined) return [];
  const matches: DesiredMatch[] = [];
  if (communities.values !== undefined) {
    const patterns = communities.values.map(toPattern);
    matches.push({ type: 'community', require: 'all', patterns });
  }
  for (const require of ['any', 'all', 'none'] as const) {
    const patterns = communities[require];
    if (patterns !== undefined) matches.push({ type: 'community', require, patterns });
  }
  return matches;
}

function toPattern(value: Exclude<DesiredCommunity, { type: 'extended' }>) {
  if (value.type === 'large') {
    return { type: 'large', parts: [value.globalAdmin, value.local1, value.local2] } as const;
  }
  return { type: 'standard', parts: [Math.floor(value.value / 0x10000), value.value % 0x10000] } as const;
}

function priorityMatch(priority: number, normalPriority: number): DesiredMatch {
  const wanted = PRIORITY_BASE - priority;
  const exact: DesiredMatch = {
    type: 'local-pref',
    range: { min: wanted, max: wanted },
    absent: PRIORITY_BASE - normalPriority,
  };
  if (priority !== normalPriority) return exact;
  const byDefault: DesiredMatch = {
    type: 'local-pref',
    range: { min: DEFAULT_LOCAL_PREF, max: DEFAULT_LOCAL_PREF },
  };
  return { type: 'any', matches: [exact, byDefault] };
}

/** What an operation does to a route. */
export function toAction(operation: BgpFilterOperation): DesiredAction {
  const { addMED = 0 } = operation;
  if (operation.addCommunity) return { type: 'add-communities', communities: [operation.addCommunity.value] };
  if (operation.prependASPath) return { type: 'prepend', asns: operation.prependASPath.prefix };
  if (operation.setPriority) return { type: 'set-local-pref', value: PRIORITY_BASE - operation.setPriority.value };
  if (operation.addCommunities) return { type: 'add-communities', communities: operation.addCommunities };
  if (operation.setCommunities) return { type: 'set-communities', communities: operation.setCommunities };
  if (operation.deleteCommunities) return { type: 'delete-communities', patterns: operation.deleteCommunities };
  if (operation.setLocalPref !== undefined) return { type: 'set-local-pref', value: operation.setLocalPref };
  if (operation.setMED !== undefined) return { type: 'set-med', operation: 'set', value: operation.setMED };
  if (operation.removeMED) return { type: 'remove-med' };
  if (operation.setOrigin !== undefined) return { type: 'set-origin', origin: ORIGINS[operation.setOrigin] };
  if (operation.setNextHop === 'Self') return { type: 'next-hop', mode: 'self' };
  if (operation.setNextHop === 'Keep') return { type: 'next-hop', mode: 'unchanged' };
  if (operation.setNextHop !== undefined) return { type: 'set-next-hop', address: operation.setNextHop };
  if (operation.prependLocalAS !== undefined) return { type: 'prepend-local-as', times: operation.prependLocalAS };
  if (operation.prependLastAS !== undefined) return { type: 'prepend-last-as', times: operation.prependLastAS };
  if (operation.setLinkBandwidth) {
    const { rate, transitive = false } = operation.setLinkBandwidth;
    return { type: 'set-link-bandwidth', octetsPerSecond: rate / 8, isTransitive: transitive };
  }
  if (operation.setWeight !== undefined) return { type: 'set-weight', value: operation.setWeight };
  return { type: 'set-med', operation: addMED < 0 ? 'subtract' : 'add', value: Math.abs(addMED) };
}
