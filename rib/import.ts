import type { FamilyName, PathAttributes, Prefix } from 'bgp-ts';
import { SetFlag } from './attribute-scan.ts';
import { type AttributeSets, FACT_WORDS, Fact } from './attribute-sets.ts';
import { InvalidCode } from './path-table.ts';
import { evaluate, type Policy, policyNeedsPrefix } from './policy/evaluate.ts';
import type { PolicyPeer, PolicyRoute } from './policy/policy.ts';
import { PrefixClasses } from './prefix-classes.ts';
import type { SetValues } from './set-values.ts';
import type { RibPeerSettings } from './types.ts';

/** What an importer works with. */
export interface ImportTables {
  readonly sets: AttributeSets;
  readonly values: SetValues;
  readonly localAs: number;
}

/** Answer of a policy about a set, as remembered: refused, or the set that came out (the set itself when nothing changed). */
const REFUSED = -1;

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
 * then import policy. The answer is remembered per set, and per class of prefixes if the policy looks at those.
 */
export class Importer {
  /** Result: the set after policy, 0 when it is the set that went in. */
  after: number;
  /** Result: `InvalidCode`. */
  reason: number;
  /** The policy must be asked for each prefix. */
  readonly needsPrefix: boolean;
  readonly #tables: ImportTables;
  readonly #settings: RibPeerSettings;
  readonly #family: FamilyName;
  readonly #peer: PolicyPeer;
  readonly #device: string;
  readonly #policy: Policy | undefined;
  readonly #rejects: boolean;
  /** Per class of prefixes (one, if the policy does not look at them) what became of a set. */
  readonly #caches: Map<number, number>[];
  readonly #classes: PrefixClasses | undefined;
  #decodedSet: number;
  #decoded: PathAttributes;
  #isListening: boolean;

  constructor(tables: ImportTables, settings: RibPeerSettings, family: FamilyName, device: string) {
    this.after = 0;
    this.reason = 0;
    this.#tables = tables;
    this.#settings = settings;
    this.#family = family;
    this.#peer = policyPeer(settings);
    this.#device = device;
    const policy = settings.importPolicy;
    this.#rejects = rejectsAll(policy);
    this.#policy = this.#rejects || acceptsAll(policy) ? undefined : policy;
    this.needsPrefix = this.#policy !== undefined && policyNeedsPrefix(this.#policy);
    this.#caches = [];
    this.#classes = this.#policy !== undefined && this.needsPrefix ? new PrefixClasses(this.#policy) : undefined;
    this.#decodedSet = 0;
    this.#decoded = {};
    this.#isListening = false;
  }

  /** Forgets everything; the importer must not be used any more. */
  close(): void {
    this.#tables.sets.unlisten(this);
    const { sets } = this.#tables;
    for (const cache of this.#caches) {
      for (const [set, after] of cache) if (after > 0 && after !== set) sets.release(after);
      cache.clear();
    }
  }

  /** A set is gone: so is what was known about it. */
  setFreed(id: number): void {
    if (id === this.#decodedSet) this.#decodedSet = 0;
    for (const cache of this.#caches) {
      const after = cache.get(id);
      if (after === undefined) continue;
      cache.delete(id);
      if (after > 0 && after !== id) this.#tables.sets.release(after);
    }
  }

  /**
   * Sets {@link after} and {@link reason} for a set; `prefix` is wanted only if {@link needsPrefix}, and not kept. A set in `after` is not
   * counted for the caller: whoever stores it counts it, before the next call.
   */
  run(set: number, prefix: Prefix | undefined): void {
    this.after = 0;
    this.reason = this.#loop(set);
    if (this.reason !== InvalidCode.None) return;
    if (this.#rejects) {
      this.reason = InvalidCode.ImportPolicy;
      return;
    }
    const policy = this.#policy;
    if (policy === undefined) return;
    const classOfPrefix = this.#classes === undefined || prefix === undefined ? 0 : this.#classes.classOf(prefix);
    let answer: number | undefined;
    if (classOfPrefix < 0) {
      answer = this.#ask(policy, set, prefix);
    } else {
      let cache = this.#caches[classOfPrefix];
      if (cache === undefined) {
        cache = new Map();
        this.#caches[classOfPrefix] = cache; // classes are numbered as they appear: no holes
      }
      answer = cache.get(set);
      if (answer === undefined) {
        answer = this.#ask(policy, set, prefix);
        cache.set(set, answer);
        if (answer > 0 && answer !== set) this.#tables.sets.retain(answer);
      }
    }
    if (answer === REFUSED) this.reason = InvalidCode.ImportPolicy;
    else if (answer !== set) this.after = answer;
  }

  /** Name of the policy term that decides about a set and prefix, for people. */
  term(set: number, prefix: Prefix): string {
    return evaluate(this.#settings.importPolicy, this.#route(set, prefix)).term;
  }

  #loop(set: number): number {
    const { sets, localAs } = this.#tables;
    const flags = sets.facts[set * FACT_WORDS + Fact.Flags]!;
    const { allowOwnAs = 0, localAs: shownAs, kind } = this.#settings;
    const own = (flags & SetFlag.OwnAsMask) >>> SetFlag.OwnAsShift;
    if (own > allowOwnAs) return InvalidCode.AsLoop;
    if (shownAs !== localAs && own + this.#countAs(set, shownAs) > allowOwnAs) return InvalidCode.AsLoop;
    if (kind === 'ebgp') return InvalidCode.None;
    if ((flags & SetFlag.OwnOriginator) !== 0) return InvalidCode.OriginatorLoop;
    if ((flags & SetFlag.OwnCluster) !== 0) return InvalidCode.ClusterLoop;
    return InvalidCode.None;
  }

  /** How often an AS is in the AS_PATH of a set; rare: only where the peer sees another AS of ours than the node's. */
  #countAs(set: number, asn: number): number {
    let count = 0;
    for (const segment of this.#attributesOf(set).asPath ?? []) {
      for (const member of segment.asns) if (member === asn) count++;
    }
    return count;
  }

  #ask(policy: Policy, set: number, prefix: Prefix | undefined): number {
    const route = this.#route(set, prefix);
    const verdict = evaluate(policy, route);
    if (!verdict.accept) return REFUSED;
    const weight = verdict.weight ?? 0;
    if (verdict.attributes === route.attributes && weight === 0) return set;
    return this.#tables.values.intern(verdict.attributes, this.#family, weight, this.#device);
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
