import type { PathAttributes } from 'bgp-ts';
import { applyAction, type Changes } from './action.ts';
import { holds, type PreparedMatch, prepareMatch } from './match.ts';
import type { PolicyAction, PolicyRoute, PolicySpec, PrefixSet } from './policy.ts';
import type { PrefixList } from './prefix-list.ts';
import { compileProgram, type PolicyProgram } from './program.ts';

/** A policy that is ready to run: prefix sets are tries, AS-path patterns are compiled. Immutable; share it between peers. */
export interface Policy {
  readonly spec: PolicySpec;
  readonly terms: readonly PreparedTerm[];
  /** The same for the routing tables, where a verdict is wanted without making values of every attribute set. */
  readonly program: PolicyProgram;
  /** Some term looks at the prefix: a verdict then holds for one prefix, else for all prefixes with the same attributes. */
  readonly needsPrefix: boolean;
}

/** A term with its matches made ready. */
export interface PreparedTerm {
  readonly name: string;
  readonly matches: readonly PreparedMatch[];
  readonly actions: readonly PolicyAction[];
  readonly verdict: 'accept' | 'reject' | 'next';
}

/** What a policy says about a path. */
export interface Verdict {
  readonly accept: boolean;
  /** The very object that came in when no action changed anything. */
  readonly attributes: PathAttributes;
  /** Name of the term that decided, or of the default. */
  readonly term: string;
  /** Weight that an action set; absent: none did. */
  readonly weight?: number;
  /**
   * Who decides the next hop when the path is sent; absent: the peer's setting. `explicit`: an action put the address into the
   * attributes, and it stays.
   */
  readonly nextHop?: 'self' | 'unchanged' | 'explicit';
}

/**
 * Makes a policy ready to run.
 * @param prefixLists prepared prefix sets, shared between policies of one configuration: pass one Map to all calls
 * @throws RangeError if a pattern does not parse; configuration checks them before
 */
export function preparePolicy(spec: PolicySpec, prefixLists: Map<PrefixSet, PrefixList> = new Map()): Policy {
  const terms = spec.terms.map((term) => ({
    name: term.name,
    matches: term.matches.map((match) => prepareMatch(match, prefixLists)),
    actions: term.actions,
    verdict: term.verdict,
  }));
  const program = compileProgram(terms, spec);
  return { spec, terms, program, needsPrefix: program.prefixes !== undefined };
}

/** True: {@link evaluate} must be asked per prefix; false: once per attribute set (and family, source and peer) is enough. */
export function policyNeedsPrefix(policy: Policy): boolean {
  return policy.needsPrefix;
}

/** A term whose matches held, and the attributes before and after its actions: the same object where it changed nothing. */
export interface PassedTerm {
  readonly name: string;
  readonly verdict: 'accept' | 'reject' | 'next';
  readonly before: PathAttributes;
  readonly after: PathAttributes;
  /** Weight and next hop that this term set. */
  readonly weight?: number;
  readonly nextHop?: Verdict['nextHop'];
}

/**
 * Runs a policy over a path as values: for people, for policies whose terms build on each other, and what the compiled form is held to.
 * @param passed for people: filled with the terms that matched, in order; the default is not among them
 */
export function evaluate(policy: Policy, route: PolicyRoute, passed?: PassedTerm[]): Verdict {
  const changes: Changes = { attributes: route.attributes, weight: undefined, nextHop: undefined };
  for (const term of policy.terms) {
    if (!allHold(term.matches, route, changes.attributes)) continue;
    if (term.verdict === 'reject') {
      passed?.push({ name: term.name, verdict: 'reject', before: changes.attributes, after: changes.attributes });
      return { accept: false, attributes: route.attributes, term: term.name };
    }
    const { attributes, weight, nextHop } = changes;
    for (const action of term.actions) applyAction(action, route, changes);
    passed?.push({
      name: term.name,
      verdict: term.verdict,
      before: attributes,
      after: changes.attributes,
      ...(changes.weight === weight || changes.weight === undefined ? {} : { weight: changes.weight }),
      ...(changes.nextHop === nextHop ? {} : { nextHop: changes.nextHop }),
    });
    if (term.verdict === 'accept') return verdict(true, changes, term.name);
  }
  if (policy.spec.default === 'reject') {
    return { accept: false, attributes: route.attributes, term: policy.spec.defaultName };
  }
  return verdict(true, changes, policy.spec.defaultName);
}

function allHold(matches: readonly PreparedMatch[], route: PolicyRoute, attributes: PathAttributes): boolean {
  for (const match of matches) if (!holds(match, route, attributes)) return false;
  return true;
}

function verdict(accept: boolean, changes: Changes, term: string): Verdict {
  const { attributes, weight, nextHop } = changes;
  return {
    accept,
    attributes,
    term,
    ...(weight === undefined ? {} : { weight }),
    ...(nextHop === undefined ? {} : { nextHop }),
  };
}

/** Lets everything pass unchanged. */
export const acceptAll: Policy = preparePolicy({
  name: 'accept-all',
  terms: [],
  default: 'accept',
  defaultName: 'accept all',
});

/** Lets nothing pass: also what eBGP without a policy gets (RFC 8212 §2). */
export const rejectAll: Policy = preparePolicy({
  name: 'reject-all',
  terms: [],
  default: 'reject',
  defaultName: 'reject all (RFC 8212: no policy)',
});
