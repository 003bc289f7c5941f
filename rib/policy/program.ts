import type { PreparedMatch } from './match.ts';
import type { PolicyAction, PolicyMatch } from './policy.ts';
import { PrefixClasses, type PrefixQuestion } from './prefix-classes.ts';
import { type AttributeMatch, compileAttributeMatch, type SetMatch } from './set-match.ts';

/**
 * What a match depends on: the prefix, the attribute set, the source of the path (its kind of origin, the peer it was heard from), or
 * only on the session whose policy this is.
 */
export type Dependency = 'prefix' | 'set' | 'source' | 'session';

/** Matches that depend on where a path comes from. */
export type SourceMatch = Extract<PreparedMatch, { readonly type: 'source' | 'learned-from' | 'learned-from-kind' }>;
/** Matches that have one answer for everything that passes a session in one family. */
export type SessionMatch = Extract<
  PreparedMatch,
  { readonly type: 'family' | 'peer' | 'peer-kind' | 'peer-as' | 'interface' }
>;

/** When a term applies: matches by number, within the program's list of their kind. */
export type Condition =
  | { readonly type: Dependency; readonly match: number }
  | { readonly type: 'not'; readonly condition: Condition }
  | { readonly type: 'any' | 'all'; readonly conditions: readonly Condition[] };

/** A term over numbered matches. */
export interface ProgramTerm {
  readonly name: string;
  readonly condition: Condition;
  readonly actions: readonly PolicyAction[];
  readonly verdict: 'accept' | 'reject' | 'next';
}

/**
 * A policy with its matches sorted by what they depend on, so that each is asked as seldom as possible: those of the attribute set once a
 * set, those of the prefix all together by one look-up, those of the session once. Immutable.
 */
export interface PolicyProgram {
  readonly terms: readonly ProgramTerm[];
  readonly default: 'accept' | 'reject';
  readonly defaultName: string;
  readonly setMatches: readonly SetMatch[];
  readonly sourceMatches: readonly SourceMatch[];
  readonly sessionMatches: readonly SessionMatch[];
  /** Undefined if no term looks at the prefix. */
  readonly prefixes: PrefixClasses | undefined;
  /** Some term asks for the kind of local origin, which takes a look-up by prefix. */
  readonly needsSourceLabel: boolean;
  /**
   * A term looks at attributes that an earlier one may have changed before it went on (`next`): what it finds does not follow from the set
   * that came in, and has to be worked out on values.
   */
  readonly isStaged: boolean;
}

/** Sorts the matches of prepared terms. */
export function compileProgram(
  terms: readonly {
    readonly name: string;
    readonly matches: readonly PreparedMatch[];
    readonly actions: readonly PolicyAction[];
    readonly verdict: 'accept' | 'reject' | 'next';
  }[],
  defaults: { readonly default: 'accept' | 'reject'; readonly defaultName: string },
): PolicyProgram {
  const collector = new Collector();
  const changed = new Set<Aspect>();
  let isStaged = false;
  const compiled = terms.map(({ name, matches, actions, verdict }) => {
    if (matches.some((match) => looksAt(match, changed))) isStaged = true;
    if (verdict === 'next') {
      for (const aspect of aspectsChanged(actions)) changed.add(aspect);
    }
    const condition: Condition = { type: 'all', conditions: matches.map((match) => collector.condition(match)) };
    return { name, condition, actions, verdict };
  });
  return {
    terms: compiled,
    default: defaults.default,
    defaultName: defaults.defaultName,
    setMatches: collector.sets,
    sourceMatches: collector.sources,
    sessionMatches: collector.sessions,
    prefixes: collector.questions.length === 0 ? undefined : new PrefixClasses(collector.questions),
    needsSourceLabel: collector.sources.some((match) => match.type === 'source'),
    isStaged,
  };
}

/** Numbers matches; those that ask for the same prefix list share a number. */
class Collector {
  readonly sets: SetMatch[] = [];
  readonly sources: SourceMatch[] = [];
  readonly sessions: SessionMatch[] = [];
  readonly questions: PrefixQuestion[] = [];
  readonly #lists = new Map<object, number>();

  condition(match: PreparedMatch): Condition {
    switch (match.type) {
      case 'not':
        return { type: 'not', condition: this.condition(match.match) };
      case 'any':
        return { type: 'any', conditions: match.matches.map((inner) => this.condition(inner)) };
      case 'prefix': {
        let number = this.#lists.get(match.list);
        if (number === undefined) {
          number = this.questions.push({ type: 'list', entries: match.list.entries }) - 1;
          this.#lists.set(match.list, number);
        }
        return { type: 'prefix', match: number };
      }
      case 'prefix-length':
        return {
          type: 'prefix',
          match: this.questions.push({ type: 'length', min: match.min, max: match.max }) - 1,
        };
      case 'source':
      case 'learned-from':
      case 'learned-from-kind':
        return { type: 'source', match: this.sources.push(match) - 1 };
      case 'family':
      case 'peer':
      case 'peer-kind':
      case 'peer-as':
      case 'interface':
        return { type: 'session', match: this.sessions.push(match) - 1 };
      default:
        return { type: 'set', match: this.sets.push(compileAttributeMatch(match)) - 1 };
    }
  }
}

/** What of a path's attributes a match looks at or an action changes. */
export type Aspect = 'origin' | 'as-path' | 'communities' | 'med' | 'local-pref' | 'next-hop';

const aspectOfMatch: Readonly<Record<AttributeMatch['type'], Aspect>> = {
  origin: 'origin',
  'as-path': 'as-path',
  'as-path-prefix': 'as-path',
  'as-path-length': 'as-path',
  'neighbour-as': 'as-path',
  'origin-as': 'as-path',
  community: 'communities',
  med: 'med',
  'local-pref': 'local-pref',
  'next-hop': 'next-hop',
};

const aspectOfAction: Readonly<Record<PolicyAction['type'], Aspect | undefined>> = {
  'set-local-pref': 'local-pref',
  'set-med': 'med',
  'remove-med': 'med',
  'set-origin': 'origin',
  prepend: 'as-path',
  'prepend-local-as': 'as-path',
  'prepend-last-as': 'as-path',
  'set-next-hop': 'next-hop',
  'next-hop': undefined,
  'add-communities': 'communities',
  'set-communities': 'communities',
  'delete-communities': 'communities',
  'set-link-bandwidth': 'communities',
  'set-weight': undefined,
};

/** What of the attributes a list of actions may change. */
export function aspectsChanged(actions: readonly PolicyAction[]): Aspect[] {
  return actions.flatMap(({ type }) => aspectOfAction[type] ?? []);
}

/** Whether a match looks at one of these. */
export function looksAt(match: PreparedMatch | PolicyMatch, changed: ReadonlySet<Aspect>): boolean {
  if (match.type === 'not') return looksAt(match.match, changed);
  if (match.type === 'any') return match.matches.some((inner) => looksAt(inner, changed));
  const aspect: Aspect | undefined = (aspectOfMatch as Readonly<Record<PolicyMatch['type'], Aspect | undefined>>)[
    match.type
  ];
  return aspect !== undefined && changed.has(aspect);
}

/** Whether an action changes attributes at all: weight and the choice of a next hop when sending are not among them. */
export function changesAttributes(action: PolicyAction): boolean {
  return aspectOfAction[action.type] !== undefined;
}
