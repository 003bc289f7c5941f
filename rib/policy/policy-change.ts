import { type Policy, preparePolicy } from './evaluate.ts';
import type { PolicyMatch, PolicyTerm } from './policy.ts';
import { type Aspect, aspectsChanged, looksAt } from './program.ts';

/**
 * What a change of policy can touch, as a policy of its own: it accepts every path that the two might treat differently (and perhaps more), and
 * rejects the rest. Undefined if no path is treated differently.
 *
 * Terms that both policies begin and end with are passed over. Of a path that none of the terms between applies to, under the old policy or
 * the new, both say the same. Where a term looks at what an earlier one may have changed, that match is left out of the question, which asks
 * for more paths and never for fewer.
 */
export function policyChange(before: Policy, after: Policy): Policy | undefined {
  if (before === after) return undefined;
  const [a, b] = [before.spec, after.spec];
  const [textsA, textsB] = [a.terms.map(termText), b.terms.map(termText)];
  const shorter = Math.min(a.terms.length, b.terms.length);
  let first = 0;
  while (first < shorter && textsA[first] === textsB[first]) first++;
  let last = 0;
  while (last < shorter - first && textsA.at(-1 - last) === textsB.at(-1 - last)) last++;
  const changedA = a.terms.slice(first, a.terms.length - last);
  const changedB = b.terms.slice(first, b.terms.length - last);
  const isDefaultChanged = a.default !== b.default;
  if (changedA.length === 0 && changedB.length === 0 && !isDefaultChanged) return undefined;

  const terms: PolicyTerm[] = [];
  const aspects = new Set<Aspect>();
  for (const term of a.terms.slice(0, first)) addDecided(terms, term, aspects);
  const aspectsB = new Set(aspects);
  for (const term of changedA) addAsked(terms, term, aspects);
  for (const term of changedB) addAsked(terms, term, aspectsB);
  if (isDefaultChanged) {
    for (const aspect of aspectsB) aspects.add(aspect);
    for (const term of a.terms.slice(a.terms.length - last)) addDecided(terms, term, aspects);
  }
  return preparePolicy({
    name: `what differs between ${a.name} and ${b.name}`,
    terms,
    default: isDefaultChanged ? 'accept' : 'reject',
    defaultName: 'neither touches it',
  });
}

/** A term that both have: what it decides is decided the same. */
function addDecided(terms: PolicyTerm[], term: PolicyTerm, changed: Set<Aspect>): void {
  if (term.verdict === 'next') {
    for (const aspect of aspectsChanged(term.actions)) changed.add(aspect);
  } else if (!term.matches.some((match) => looksAt(match, changed))) {
    terms.push({ name: term.name, matches: term.matches, actions: [], verdict: 'reject' });
  }
}

/** A term that only one of the two has. */
function addAsked(terms: PolicyTerm[], term: PolicyTerm, changed: Set<Aspect>): void {
  const matches: readonly PolicyMatch[] = term.matches.filter((match) => !looksAt(match, changed));
  terms.push({ name: term.name, matches, actions: [], verdict: 'accept' });
  if (term.verdict === 'next') for (const aspect of aspectsChanged(term.actions)) changed.add(aspect);
}

/** A term without its name, which decides nothing; equal texts are equal terms. */
function termText({ matches, actions, verdict }: PolicyTerm): string {
  return JSON.stringify([withoutNames(matches), actions, verdict], octetsAsText);
}

function withoutNames(matches: readonly PolicyMatch[]): unknown[] {
  return matches.map((match): unknown => {
    switch (match.type) {
      case 'prefix':
      case 'next-hop':
        return { type: match.type, entries: match.set.entries };
      case 'not':
        return { type: 'not', match: withoutNames([match.match]) };
      case 'any':
        return { type: 'any', matches: withoutNames(match.matches) };
      default:
        return match;
    }
  });
}

function octetsAsText(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? value.join('.') : value;
}
