import type { Prefix } from 'bgp-ts';
import type { Policy } from './policy/evaluate.ts';
import type { PreparedMatch } from './policy/match.ts';
import type { PrefixList } from './policy/prefix-list.ts';

/** More matches or classes than this, and verdicts are not remembered by class. */
const MAX_MATCHES = 30;
const MAX_CLASSES = 64;

type PrefixMatch =
  | { readonly type: 'prefix'; readonly list: PrefixList }
  | Extract<PreparedMatch, { readonly type: 'prefix-length' }>;

/**
 * Prefixes as one policy sees them: those for which the same of its prefix matches hold are one class, and what the policy says about an
 * attribute set is the same for a whole class. Most policies have a handful of classes, so that a verdict is worked out once per set and
 * class, and a prefix costs its look-ups.
 */
export class PrefixClasses {
  readonly #matches: readonly PrefixMatch[];
  /** Which matches hold, as bits -> number of the class. */
  readonly #classes: Map<number, number>;

  constructor(policy: Policy) {
    const matches: PrefixMatch[] = [];
    for (const term of policy.terms) for (const match of term.matches) collect(match, matches);
    this.#matches = matches;
    this.#classes = new Map();
  }

  /** Number of the prefix's class, from 0 in order of appearance; -1: there are too many to tell. */
  classOf(prefix: Prefix): number {
    const matches = this.#matches;
    if (matches.length > MAX_MATCHES) return -1;
    let bits = 0;
    for (let i = 0; i < matches.length; i++) {
      const match = matches[i]!;
      const isMatch =
        match.type === 'prefix' ? match.list.matches(prefix) : prefix.length >= match.min && prefix.length <= match.max;
      if (isMatch) bits |= 1 << i;
    }
    const known = this.#classes.get(bits);
    if (known !== undefined) return known;
    const number = this.#classes.size;
    if (number >= MAX_CLASSES) return -1;
    this.#classes.set(bits, number);
    return number;
  }
}

function collect(match: PreparedMatch, into: PrefixMatch[]): void {
  if (match.type === 'prefix') into.push({ type: 'prefix', list: match.list });
  else if (match.type === 'prefix-length') into.push(match);
  else if (match.type === 'not') collect(match.match, into);
  else if (match.type === 'any') for (const inner of match.matches) collect(inner, into);
}
