import { type FamilyName, ipv4ToUint32, type PathAttributes, type Prefix, Role } from 'bgp-ts';
import { type AttributeScanner, SetFlag } from './attribute-scan.ts';
import { type AttributeSets, FACT_WORDS, Fact } from './attribute-sets.ts';
import { growInt32 } from './columns.ts';
import { ImportPreparation } from './import-preparation.ts';
import type { NextHops } from './next-hop.ts';
import { InvalidCode } from './path-table.ts';
import { evaluate, type PassedTerm, type Policy, type Verdict } from './policy/evaluate.ts';
import type { PolicyPeer, PolicyRoute } from './policy/policy.ts';
import type { PrefixTable } from './prefix-table.ts';
import type { SetValues } from './set-values.ts';
import type { RibPeerSettings } from './types.ts';
import { Outcome, Verdicts } from './verdicts.ts';

/** What an importer works with. */
export interface ImportTables {
  readonly sets: AttributeSets;
  readonly values: SetValues;
  readonly localAs: number;
  /** The confederation that `localAs` is a member of, 0 if there is none. */
  readonly confederationId: number;
  readonly nextHops: NextHops;
  /** Finds the facts of a set that was changed on its way in. */
  readonly scanner: AttributeScanner;
  /** Cluster ids of this node beside its own, as signed 32-bit numbers (RFC 4456 §7). */
  readonly clusterIds: ReadonlySet<number>;
}

/** What became of a set, where it is not another one (that is above 0): nobody asked yet, refused, or it stayed as it was. */
const NOT_KNOWN = 0;
const REFUSED = -1;
const SAME = -2;

/** Whether a policy lets everything pass as it is. */
export function acceptsAll(policy: Policy): boolean {
  return policy.terms.length === 0 && policy.spec.default === 'accept';
}

/** Whether a policy lets nothing pass. */
export function rejectsAll(policy: Policy): boolean {
  return policy.terms.length === 0 && policy.spec.default === 'reject';
}

/** The peer as a policy sees it. */
export function policyPeer(settings: RibPeerSettings): PolicyPeer {
  const { name, address, kind, remoteAs, localAs } = settings;
  return { name, address, kind, remoteAs, localAs };
}

/**
 * From a received attribute set to what the Loc-RIB makes of it, for one peer and family: loop checks (RFC 4271 §9.1.2, RFC 4456 §8),
 * then import policy. A set that the policy changes is changed once, and remembered.
 */
export class Importer {
  /** Result: the set after policy, 0 when it is the set that went in. */
  after: number;
  /** Result: `InvalidCode`. */
  reason: number;
  /** Result: {@link decide} must be asked for each prefix. */
  isPerPrefix: boolean;
  readonly #tables: ImportTables;
  readonly #settings: RibPeerSettings;
  readonly #family: FamilyName;
  readonly #peer: PolicyPeer;
  readonly #device: string;
  /** Undefined if the policy lets everything or nothing pass. */
  readonly #verdicts: Verdicts | undefined;
  readonly #sourceKey: number;
  /** Changes that the settings ask for before policy; undefined if they never ask for any. */
  readonly #preparation: ImportPreparation | undefined;
  readonly #role: Role | undefined;
  /** Nothing of this family is used, see `Rib.disableFamily`. */
  readonly #isDisabled: boolean;
  readonly #rejects: boolean;
  /** Per outcome that changes something, and set, what became of it. Sets there are counted. */
  readonly #changed: Int32Array[];
  #set: number;
  /** The set before policy, 0 if it is the one that went in. */
  #prepared: number;
  #decodedSet: number;
  #decoded: PathAttributes;
  #isListening: boolean;

  constructor(tables: ImportTables, settings: RibPeerSettings, family: FamilyName, device: string, isDisabled = false) {
    this.after = 0;
    this.reason = 0;
    this.isPerPrefix = false;
    this.#set = 0;
    this.#prepared = 0;
    this.#tables = tables;
    this.#settings = settings;
    this.#family = family;
    this.#peer = policyPeer(settings);
    this.#device = device;
    const policy = settings.importPolicy;
    this.#rejects = rejectsAll(policy);
    const isAsked = !this.#rejects && !acceptsAll(policy);
    this.#verdicts = isAsked ? new Verdicts(policy, { family, peer: this.#peer }, tables.values) : undefined;
    this.#sourceKey = this.#verdicts?.needsSource === true ? this.#verdicts.sourceKey('bgp', undefined) : 0;
    this.#preparation = ImportPreparation.for(tables, settings, family, device);
    this.#role = settings.role;
    this.#isDisabled = isDisabled;
    this.#changed = [];
    this.#decodedSet = 0;
    this.#decoded = {};
    this.#isListening = false;
  }

  /** Forgets everything; the importer must not be used any more. */
  close(): void {
    const { sets } = this.#tables;
    sets.unlisten(this);
    this.#verdicts?.close();
    this.#preparation?.close();
    for (const column of this.#changed) {
      for (let set = 0; set < column.length; set++) if (column[set]! > 0) sets.release(column[set]!);
    }
    this.#changed.length = 0;
  }

  /** A set is gone: so is what was known about it. */
  setFreed(id: number): void {
    if (id === this.#decodedSet) this.#decodedSet = 0;
    for (let i = 0; i < this.#changed.length; i++) {
      const column = this.#changed[i]!;
      if (id >= column.length) continue;
      const after = column[id]!;
      column[id] = NOT_KNOWN;
      if (after > 0) this.#tables.sets.release(after);
    }
  }

  /**
   * Turns to a set. If {@link isPerPrefix} is set then, {@link decide} must be called for each prefix, else {@link after} and {@link reason}
   * hold for all. A set in `after` is not counted for the caller: whoever stores it counts it, before the next call.
   */
  begin(set: number, prefixes: PrefixTable): void {
    this.after = 0;
    this.isPerPrefix = false;
    this.reason = this.#rejects ? InvalidCode.ImportPolicy : InvalidCode.None;
    const flags = this.#tables.sets.facts[set * FACT_WORDS + Fact.Flags]!;
    const loop = this.#loop(set, flags);
    if (loop !== InvalidCode.None) {
      this.reason = loop;
      return;
    }
    let prepared = set;
    if (this.#preparation?.applies(flags) === true) {
      prepared = this.#preparation.prepared(set);
      if (prepared !== set) this.after = prepared;
    }
    this.#prepared = this.after;
    const verdicts = this.#verdicts;
    if (verdicts === undefined) return;
    this.#set = prepared;
    verdicts.open(prepared, this.#sourceKey);
    this.isPerPrefix = verdicts.needsPrefix;
    if (!verdicts.needsPrefix) this.decide(prefixes, 0);
  }

  /** Sets {@link after} and {@link reason} for the set that {@link begin} was about and a prefix. */
  decide(prefixes: PrefixTable, row: number): void {
    const verdicts = this.#verdicts;
    if (verdicts === undefined) return;
    const outcome = verdicts.outcomeOf(prefixes, row);
    this.after = this.#prepared;
    this.reason = outcome === Outcome.Refused ? InvalidCode.ImportPolicy : InvalidCode.None;
    if (outcome === Outcome.Unchanged || outcome === Outcome.Refused) return;
    const prefix = verdicts.needsPrefix ? prefixes.peekPrefix(row) : undefined;
    this.#change(verdicts, outcome, this.#set, prefix);
  }

  #change(verdicts: Verdicts, outcome: number, set: number, prefix: Prefix | undefined): void {
    let answer: number;
    if (outcome === Outcome.Unnumbered) {
      answer = this.#ask(verdicts, outcome, set, prefix);
    } else {
      const n = outcome - Outcome.FirstChange;
      while (this.#changed.length <= n) this.#changed.push(new Int32Array(0));
      let column = this.#changed[n]!;
      if (set >= column.length) {
        column = growInt32(column, Math.max(set + 1, this.#tables.sets.end));
        this.#changed[n] = column;
      }
      answer = column[set]!;
      if (answer === NOT_KNOWN) {
        answer = this.#ask(verdicts, outcome, set, prefix);
        column[set] = answer;
        if (answer > 0) this.#tables.sets.retain(answer);
      }
    }
    if (answer > 0) this.after = answer;
    else if (answer === REFUSED) this.reason = InvalidCode.ImportPolicy;
  }

  /** The set that the policy sees of a received one: settings of the peer may have changed it before. */
  policyInput(set: number): number {
    if (this.#preparation === undefined) return set;
    const flags = this.#tables.sets.facts[set * FACT_WORDS + Fact.Flags]!;
    return this.#preparation.applies(flags) ? this.#preparation.prepared(set) : set;
  }

  /** Name of the policy term that decides about a set and prefix, for people. */
  term(set: number, prefix: Prefix): string {
    return this.verdict(set, prefix).term;
  }

  /** The import policy over a path as values, for people; `passed` collects every term that matched. */
  verdict(set: number, prefix: Prefix, passed?: PassedTerm[]): Verdict {
    return evaluate(this.#settings.importPolicy, this.#route(this.policyInput(set), prefix), passed);
  }

  #loop(set: number, flags: number): number {
    const { localAs, confederationId, clusterIds } = this.#tables;
    const { allowOwnAs = 0, localAs: shownAs, kind } = this.#settings;
    if (this.#isDisabled) return InvalidCode.FamilyDisabled;
    const own = (flags & SetFlag.OwnAsMask) >>> SetFlag.OwnAsShift;
    if (own > allowOwnAs) return InvalidCode.AsLoop;
    if (shownAs !== localAs && shownAs !== confederationId && own + this.#countAs(set, shownAs) > allowOwnAs) {
      return InvalidCode.AsLoop;
    }
    if (this.#role !== undefined && (flags & SetFlag.HasOtc) !== 0 && this.#isLeak(set, this.#role)) {
      return InvalidCode.RouteLeak;
    }
    if (kind === 'ebgp') return InvalidCode.None;
    if ((flags & SetFlag.OwnOriginator) !== 0) return InvalidCode.OriginatorLoop;
    if ((flags & SetFlag.OwnCluster) !== 0) return InvalidCode.ClusterLoop;
    if (flags >>> SetFlag.ClusterShift > 0 && clusterIds.size > 0 && this.#hasOwnCluster(set)) {
      return InvalidCode.ClusterLoop;
    }
    return InvalidCode.None;
  }

  /** ONLY_TO_CUSTOMER from a customer, or from a peer that did not put it in itself (RFC 9234 §5). */
  #isLeak(set: number, role: Role): boolean {
    if (role === Role.Provider || role === Role.RouteServer) return true;
    return role === Role.Peer && this.#attributesOf(set).onlyToCustomer !== this.#settings.remoteAs;
  }

  #hasOwnCluster(set: number): boolean {
    const { clusterIds } = this.#tables;
    return this.#attributesOf(set).clusterList?.some((id) => clusterIds.has(ipv4ToUint32(id) | 0)) === true;
  }

  /** How often an AS is in the AS_PATH of a set; rare: only where the peer sees another AS of ours than the node's. */
  #countAs(set: number, asn: number): number {
    let count = 0;
    for (const segment of this.#attributesOf(set).asPath ?? []) {
      for (const member of segment.asns) if (member === asn) count++;
    }
    return count;
  }

  #ask(verdicts: Verdicts, outcome: number, set: number, prefix: Prefix | undefined): number {
    const route = this.#route(set, prefix);
    const effect = verdicts.effect(outcome, route);
    if (!effect.accept) return REFUSED;
    const weight = effect.weight ?? 0;
    if (effect.attributes === route.attributes && weight === 0) return SAME;
    const after = this.#tables.values.intern(effect.attributes, this.#family, weight, this.#device);
    return after === set ? SAME : after;
  }

  #route(set: number, prefix: Prefix | undefined): PolicyRoute {
    return {
      family: this.#family,
      prefix,
      attributes: this.#attributesOf(set),
      source: 'bgp',
      peer: this.#peer,
    };
  }

  #attributesOf(set: number): PathAttributes {
    if (!this.#isListening) {
      // Only who remembers anything must hear of sets that go: most peers have no policy that looks inside.
      this.#tables.sets.listen(this);
      this.#isListening = true;
    }
    if (this.#decodedSet !== set) {
      this.#decoded = this.#tables.values.decode(set);
      this.#decodedSet = set;
    }
    return this.#decoded;
  }
}
