import type { FamilyName, PathAttributes } from 'bgp-ts';
import { applyAction, type Changes } from './policy/action.ts';
import { evaluate, type Policy, type Verdict } from './policy/evaluate.ts';
import { holds } from './policy/match.ts';
import type { PolicyAction, PolicyPeer, PolicyRoute, RouteSource } from './policy/policy.ts';
import { type Condition, changesAttributes, type PolicyProgram } from './policy/program.ts';
import type { PrefixTable } from './prefix-table.ts';
import type { SetClasses } from './set-classes.ts';
import type { SetValues } from './set-values.ts';

/** What a policy says, as a number: these, and from {@link Outcome.FirstChange} on one number for each list of actions it may come to. */
export const Outcome = {
  /** Ask {@link Verdicts.effect} each time: there are too many outcomes to number them. */
  Unnumbered: 0,
  Refused: 1,
  /** Accepted as it is. */
  Unchanged: 2,
  FirstChange: 3,
} as const;

/** Most outcomes, and for policies whose terms build on each other most classes of prefixes, that get numbers. */
const MAX_OUTCOMES = 64;
/** Most numbers of a table of outcomes by class of set and prefix, and most tables (one for each kind of source the policy tells apart). */
const MAX_TABLE = 1 << 20;
const MAX_TABLES = 64;
/** Most matches on the source whose answers fit a key. */
const MAX_SOURCE_BITS = 30;
/** Key of a source whose answers do not fit one: nothing is remembered. */
const NO_KEY = -1;

const noTable = new Uint16Array(0);
const noAttributes: PathAttributes = {};

/** An outcome that changes something. */
interface Change {
  readonly actions: readonly PolicyAction[];
  readonly changesAttributes: boolean;
}

/** A verdict without the name of the term: that is for people, who ask {@link evaluate}. */
export type Effect = Omit<Verdict, 'term'>;

/** Who a policy is asked for. */
export interface VerdictSession {
  readonly family: FamilyName;
  readonly peer: PolicyPeer;
}

/**
 * One policy at work for one session (or group of sessions) and family: {@link outcomeOf} says in a few steps over typed arrays what becomes of a
 * set and a prefix. Sets and prefixes are told apart only as far as the policy does, by class, and the answer is worked out once for each
 * pair of classes. Values are made of a set only where an action changes it.
 */
export class Verdicts {
  /** Each prefix must be shown; else any will do. */
  readonly needsPrefix: boolean;
  /** {@link sourceKey} must be asked for each path. */
  readonly needsSource: boolean;
  readonly needsSourceLabel: boolean;
  readonly #policy: Policy;
  readonly #program: PolicyProgram;
  readonly #values: SetValues;
  readonly #sets: SetClasses | undefined;
  readonly #prefixClasses: number;
  /** Answers of the matches on the session. */
  readonly #sessionHolds: readonly boolean[];
  /** Answers of the matches on the source, for the one asked about last. */
  readonly #sourceHolds: boolean[];
  /** By key of source: outcome of `[class of set * classes of prefixes + class of prefix]`, 0 where nobody asked yet. */
  readonly #tables: Map<number, Uint16Array>;
  #table: Uint16Array;
  #tableKey: number;
  #epoch: number;
  /** Where the outcomes of the open set begin in a table. */
  #base: number;
  readonly #changes: Change[];
  /** Terms that an outcome came through -> its number. */
  readonly #numbers: Map<string, number>;

  constructor(policy: Policy, session: VerdictSession, values: SetValues) {
    const { program } = policy;
    this.#policy = policy;
    this.#program = program;
    this.#values = values;
    this.#sets = program.setMatches.length === 0 ? undefined : values.classesFor(program);
    this.needsPrefix = program.prefixes !== undefined;
    this.needsSource = program.sourceMatches.length > 0;
    this.needsSourceLabel = program.needsSourceLabel;
    this.#prefixClasses = program.prefixes?.count ?? 1;
    const route: PolicyRoute = { ...session, attributes: noAttributes, source: 'bgp' };
    this.#sessionHolds = program.sessionMatches.map((match) => holds(match, route, noAttributes));
    this.#sourceHolds = program.sourceMatches.map(() => false);
    this.#tables = new Map();
    this.#table = noTable;
    this.#tableKey = 0;
    this.#epoch = 0;
    this.#base = 0;
    this.#changes = [];
    this.#numbers = new Map();
  }

  /** Nobody asks any more. */
  close(): void {
    if (this.#sets !== undefined) this.#values.releaseClasses(this.#program);
  }

  /**
   * Turns to a set, and a source: {@link outcomeOf} is about them until the next call.
   * @param source what {@link sourceKey} just gave, 0 unless {@link needsSource}
   */
  open(set: number, source: number): void {
    const sets = this.#sets;
    if (sets === undefined) {
      this.#base = 0;
    } else {
      this.#base = sets.classOf(set) * this.#prefixClasses;
      if (sets.epoch !== this.#epoch) this.#forget(sets.epoch);
    }
    if (source !== this.#tableKey) this.#useTable(source);
  }

  /**
   * What the policy says about the open set and a prefix.
   * @param row of the prefix; does not matter unless {@link needsPrefix}
   * @returns a number of {@link Outcome}, or of a change
   */
  outcomeOf(prefixes: PrefixTable, row: number): number {
    const at = this.needsPrefix ? this.#base + this.#classOf(prefixes, row) : this.#base;
    const known = at < this.#table.length ? this.#table[at]! : 0;
    return known !== 0 ? known - 1 : this.#decide(at);
  }

  #classOf(prefixes: PrefixTable, row: number): number {
    const classes = this.#program.prefixes;
    if (classes === undefined) return 0;
    const { rows } = prefixes;
    if (prefixes.keyWords === 1) return classes.classOf4(rows[row << 2]!, rows[(row << 2) + 1]! & 0xff);
    return classes.classOf6(rows, row << 3, rows[(row << 3) + 4]! & 0xff);
  }

  /** Key of a source for {@link open}. `label` matters only if {@link needsSourceLabel}. */
  sourceKey(
    label: RouteSource,
    learnedFrom: { readonly name: string; readonly kind: 'ebgp' | 'ibgp' } | undefined,
  ): number {
    const matches = this.#program.sourceMatches;
    let key = 0;
    for (let n = 0; n < matches.length; n++) {
      const match = matches[n]!;
      let isHeld: boolean;
      if (match.type === 'source') isHeld = match.sources.includes(label);
      else if (learnedFrom === undefined) isHeld = false;
      else if (match.type === 'learned-from') isHeld = match.names.includes(learnedFrom.name);
      else isHeld = learnedFrom.kind === match.kind;
      this.#sourceHolds[n] = isHeld;
      if (isHeld && n < MAX_SOURCE_BITS) key |= 1 << n;
    }
    return matches.length > MAX_SOURCE_BITS ? NO_KEY : key;
  }

  /** Whether an outcome leaves attributes alone: its effect is then the same for all paths, and needs no values. */
  keepsAttributes(outcome: number): boolean {
    if (outcome === Outcome.Unnumbered || this.#program.isStaged) return false;
    return outcome < Outcome.FirstChange || !this.#changes[outcome - Outcome.FirstChange]!.changesAttributes;
  }

  /** What {@link outcomeOf} came to for this path. */
  effect(outcome: number, route: PolicyRoute): Effect {
    if (outcome === Outcome.Unnumbered || this.#program.isStaged) return evaluate(this.#policy, route);
    const changes: Changes = { attributes: route.attributes, weight: undefined, nextHop: undefined };
    const change = this.#changes[outcome - Outcome.FirstChange];
    for (const action of change?.actions ?? []) applyAction(action, route, changes);
    const { attributes, weight, nextHop } = changes;
    return {
      accept: outcome !== Outcome.Refused,
      attributes,
      ...(weight === undefined ? {} : { weight }),
      ...(nextHop === undefined ? {} : { nextHop }),
    };
  }

  #forget(epoch: number): void {
    this.#epoch = epoch;
    this.#tables.clear();
    this.#table = noTable;
  }

  #useTable(source: number): void {
    this.#tableKey = source;
    this.#table = this.#tables.get(source) ?? noTable;
  }

  #remember(at: number, outcome: number): void {
    const source = this.#tableKey;
    if (at >= MAX_TABLE || source === NO_KEY) return;
    if (at >= this.#table.length) {
      let length = Math.max(this.#table.length, this.#prefixClasses, 8);
      while (length <= at) length *= 2;
      const grown = new Uint16Array(length);
      grown.set(this.#table);
      if (this.#tables.size >= MAX_TABLES && !this.#tables.has(source)) this.#tables.clear();
      this.#tables.set(source, grown);
      this.#table = grown;
    }
    this.#table[at] = outcome + 1;
  }

  /** Goes through the terms for a pair of classes. */
  #decide(at: number): number {
    const setClass = Math.floor(at / this.#prefixClasses);
    const prefixClass = at - setClass * this.#prefixClasses;
    const outcome = this.#program.isStaged ? this.#stagedOutcome(prefixClass) : this.#numberOf(setClass, prefixClass);
    this.#remember(at, outcome);
    return outcome;
  }

  /** Only the classes of prefixes count then: what becomes of a set is remembered by set. */
  #stagedOutcome(prefixClass: number): number {
    const outcome = Outcome.FirstChange + prefixClass;
    return outcome < MAX_OUTCOMES ? outcome : Outcome.Unnumbered;
  }

  #numberOf(setClass: number, prefixClass: number): number {
    const { terms } = this.#program;
    let passed = '';
    let isDecided = false;
    for (let n = 0; n < terms.length; n++) {
      const term = terms[n]!;
      if (!this.#applies(term.condition, setClass, prefixClass)) continue;
      if (term.verdict === 'reject') return Outcome.Refused;
      passed += `${n} `;
      if (term.verdict === 'next') continue;
      isDecided = true;
      break;
    }
    if (!isDecided && this.#program.default === 'reject') return Outcome.Refused;
    return this.#intern(passed);
  }

  #intern(passed: string): number {
    const known = this.#numbers.get(passed);
    if (known !== undefined) return known;
    const actions = passed
      .split(' ')
      .slice(0, -1)
      .flatMap((n) => this.#program.terms[Number(n)]!.actions);
    let number: number = Outcome.Unchanged;
    if (actions.length > 0) {
      number = Outcome.FirstChange + this.#changes.length;
      if (number >= MAX_OUTCOMES) return Outcome.Unnumbered;
      this.#changes.push({ actions, changesAttributes: actions.some(changesAttributes) });
    }
    this.#numbers.set(passed, number);
    return number;
  }

  #applies(condition: Condition, setClass: number, prefixClass: number): boolean {
    switch (condition.type) {
      case 'set':
        return this.#sets?.holds(setClass, condition.match) ?? false;
      case 'prefix':
        return this.#program.prefixes?.holds(prefixClass, condition.match) ?? false;
      case 'source':
        return this.#sourceHolds[condition.match]!;
      case 'session':
        return this.#sessionHolds[condition.match]!;
      case 'not':
        return !this.#applies(condition.condition, setClass, prefixClass);
      case 'any':
        for (const inner of condition.conditions) if (this.#applies(inner, setClass, prefixClass)) return true;
        return false;
      case 'all':
        for (const inner of condition.conditions) if (!this.#applies(inner, setClass, prefixClass)) return false;
        return true;
    }
  }
}
