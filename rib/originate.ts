import { type FamilyName, formatPrefix, Origin, type PathAttributes, type Prefix } from 'bgp-ts';
import type { AttributeSets } from './attribute-sets.ts';
import type { LocRib } from './loc-rib.ts';
import type { SetValues } from './set-values.ts';
import { LOCAL_SOURCE } from './sources.ts';
import type { LocalSource } from './types.ts';

/** Which of several local sources of one prefix counts: the first of these that is there. */
const precedence: readonly LocalSource[] = ['network', 'pod-block', 'service'];

/** What this node puts into the Loc-RIB itself: networks, pod blocks, service addresses. At most one path a prefix is in force. */
export class Originated {
  readonly #locRibs: ReadonlyMap<FamilyName, LocRib>;
  readonly #sets: AttributeSets;
  readonly #values: SetValues;
  readonly #byPrefix: Map<string, Map<LocalSource, PathAttributes>>;

  constructor(locRibs: ReadonlyMap<FamilyName, LocRib>, sets: AttributeSets, values: SetValues) {
    this.#locRibs = locRibs;
    this.#sets = sets;
    this.#values = values;
    this.#byPrefix = new Map();
  }

  /** Adds or replaces what a local source has for a prefix. */
  add(prefix: Prefix, attributes: PathAttributes, source: LocalSource): void {
    const key = formatPrefix(prefix);
    let sources = this.#byPrefix.get(key);
    if (sources === undefined) {
      sources = new Map();
      this.#byPrefix.set(key, sources);
    }
    sources.set(source, attributes);
    this.#apply(prefix, sources);
  }

  remove(prefix: Prefix, source: LocalSource): void {
    const key = formatPrefix(prefix);
    const sources = this.#byPrefix.get(key);
    if (sources?.delete(source) !== true) return;
    if (sources.size === 0) this.#byPrefix.delete(key);
    this.#apply(prefix, sources);
  }

  /** The local source in force for a prefix. */
  sourceOf(prefix: Prefix): LocalSource | undefined {
    const sources = this.#byPrefix.get(formatPrefix(prefix));
    return sources === undefined ? undefined : precedence.find((source) => sources.has(source));
  }

  #apply(prefix: Prefix, sources: ReadonlyMap<LocalSource, PathAttributes>): void {
    const family: FamilyName = prefix.address.version === 4 ? 'ipv4-unicast' : 'ipv6-unicast';
    const locRib = this.#locRibs.get(family);
    if (locRib === undefined) return;
    const source = precedence.find((candidate) => sources.has(candidate));
    if (source === undefined) {
      const row = locRib.prefixes.find(prefix);
      if (row !== 0) locRib.take(row, LOCAL_SOURCE, 0);
      return;
    }
    const attributes: PathAttributes = { origin: Origin.Igp, asPath: [], ...sources.get(source) };
    const set = this.#values.intern(attributes, family, 0, '');
    this.#sets.retain(set);
    locRib.put(locRib.prefixes.insert(prefix), LOCAL_SOURCE, 0, set, 0, 0, 0);
    this.#sets.release(set);
  }
}
