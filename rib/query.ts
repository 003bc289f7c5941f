import { type FamilyName, ipBits, type PathAttributes, prefixContains } from 'bgp-ts';
import type { AttributeSets } from './attribute-sets.ts';
import { emptyCandidate, ruleName } from './decision.ts';
import type { Importer } from './import.ts';
import type { LocRib } from './loc-rib.ts';
import type { NextHops } from './next-hop.ts';
import type { Originated } from './originate.ts';
import { PATH_WORDS, PathFlag } from './path-table.ts';
import type { PassedTerm } from './policy/evaluate.ts';
import { RowFlag } from './prefix-table.ts';
import type { RibPeer } from './rib-peer.ts';
import type { SetValues } from './set-values.ts';
import { LOCAL_SOURCE, type Sources } from './sources.ts';
import type { InvalidReason, PathView, RouteQuery } from './types.ts';

/** What queries read. */
export interface QueryTables {
  readonly locRibs: ReadonlyMap<FamilyName, LocRib>;
  readonly sets: AttributeSets;
  readonly values: SetValues;
  readonly sources: Sources;
  readonly originated: Originated;
  readonly nextHops: NextHops;
  readonly maxPaths: number;
}

/** Against which path a path has its place. */
export interface Rank {
  /** `Rule`. */
  readonly rule: number;
  /** It won over `other`; false: it lost to it. */
  readonly isWinner: boolean;
  readonly other: number;
  /** It would have won over the best path, but lost to one of its own neighbouring AS first. */
  readonly isWithinAs: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const storedReasons: readonly (InvalidReason | undefined)[] = [
  undefined,
  'import-policy',
  'as-loop',
  'originator-loop',
  'cluster-loop',
  'route-leak',
  'family-disabled',
];
const lookedUpReasons: readonly InvalidReason[] = ['next-hop-unreachable', 'next-hop-own', 'session-down'];

/** Read-only views of the tables for people and programs: decoded, explained, in order of prefix. Nothing here is on a hot path. */
export class Queries {
  readonly #tables: QueryTables;
  readonly #a = emptyCandidate();
  readonly #b = emptyCandidate();

  constructor(tables: QueryTables) {
    this.#tables = tables;
  }

  /** See `Rib.routes`. */
  *routes(query: RouteQuery): IterableIterator<PathView> {
    for (const locRib of this.#familiesOf(query)) {
      for (const row of rowsOf(locRib, query, (candidate) => locRib.headOf(candidate) !== 0)) {
        yield* this.#pathsOf(locRib, row, query.bestOnly === true);
      }
    }
  }

  /** See `Rib.received`. */
  *received(peer: RibPeer, query: RouteQuery): IterableIterator<PathView> {
    for (const locRib of this.#familiesOf(query)) {
      if (peer.source < 0) return;
      const isTheirs = (row: number) => pathOfSource(locRib, row, peer.source) !== 0;
      for (const row of rowsOf(locRib, query, isTheirs)) {
        const { paths } = locRib;
        for (let path = locRib.headOf(row); path !== 0; path = paths.words[path * PATH_WORDS + 2] ?? 0) {
          if (paths.sourceOf(path) !== peer.source) continue;
          const view = this.view(locRib, row, path);
          const { attributes, beforePolicy, ...rest } = view;
          yield beforePolicy === undefined
            ? { ...rest, attributes }
            : { ...rest, attributes: beforePolicy, afterPolicy: attributes };
        }
      }
    }
  }

  /** See `Rib.advertised`. */
  *advertised(peer: RibPeer, query: RouteQuery): IterableIterator<PathView> {
    const { values, sources } = this.#tables;
    for (const locRib of this.#familiesOf(query)) {
      const out = peer.ribOut.get(locRib.family);
      if (out === undefined) continue;
      for (const row of rowsOf(locRib, query, (candidate) => out.firstOf(candidate) !== 0)) {
        const prefix = locRib.prefixes.prefixOf(row);
        for (let key = out.firstOf(row); key !== 0; key = out.nextOf(key)) {
          const source = out.sourceOf(key);
          const told = out.toldOf(key);
          if (told === 0 || source === peer.source) continue;
          const owner = sources.ownerOf(source)?.settings;
          const pathId = out.pathIdOf(key) >>> 0;
          const best = locRib.bestOf(row);
          const path = pathId === 0 ? best : locRib.pathToldAs(row, pathId);
          const isBest = path !== 0 && path === best;
          const set = path === 0 || locRib.paths.sourceOf(path) !== source ? 0 : locRib.paths.effectiveSet(path);
          const passed: PassedTerm[] = [];
          const verdict = set === 0 ? undefined : out.exporter.verdict(set, source, row, prefix, passed);
          const isChanged = passed.some(({ before, after }) => before !== after);
          yield {
            family: locRib.family,
            prefix,
            ...(pathId === 0 ? {} : { pathId }),
            source: source === LOCAL_SOURCE ? (this.#tables.originated.sourceOf(prefix) ?? 'network') : 'bgp',
            ...(owner === undefined ? {} : { peer: { name: owner.name, address: owner.address, kind: owner.kind } }),
            valid: true,
            best: isBest,
            multipath: false,
            attributes: values.decode(told),
            ...(isChanged ? { beforePolicy: values.decode(set) } : {}),
            ...(verdict === undefined ? {} : { policyTerm: verdict.term }),
          };
        }
      }
    }
  }

  #familiesOf(query: RouteQuery): LocRib[] {
    const version = query.prefix?.address.version ?? query.address?.version;
    const family = version === undefined ? query.family : version === 4 ? 'ipv4-unicast' : 'ipv6-unicast';
    return [...this.#tables.locRibs.values()].filter((rib) => family === undefined || rib.family === family);
  }

  /** The paths of a row, the best first, then as the decision process ranks them, those that cannot be used last. */
  *#pathsOf(locRib: LocRib, row: number, bestOnly: boolean): IterableIterator<PathView> {
    const best = locRib.bestOf(row);
    if (bestOnly) {
      if (best !== 0) yield this.view(locRib, row, best);
      return;
    }
    const views = this.rankedPaths(locRib, row).map((path) => this.view(locRib, row, path));
    yield* views;
  }

  /** The paths of a row, the best first, then as the decision process ranks them, those that cannot be used last. */
  rankedPaths(locRib: LocRib, row: number): number[] {
    const { paths, decision } = locRib;
    const best = locRib.bestOf(row);
    const usable: number[] = [];
    const others: number[] = [];
    for (let path = locRib.headOf(row); path !== 0; path = paths.words[path * PATH_WORDS + 2] ?? 0) {
      if (path !== best) (locRib.obstacleOf(path) === 0 ? usable : others).push(path);
    }
    usable.sort((a, b) => decision.compare(b, a));
    return [...(best === 0 ? [] : [best]), ...usable, ...others];
  }

  /** A path of a source in a row, 0 if there is none. */
  pathOfSource(locRib: LocRib, row: number, source: number): number {
    return pathOfSource(locRib, row, source);
  }

  /** What lets the paths of a source in; undefined where the source is gone. */
  importerOf(owner: object | undefined, family: FamilyName): Importer | undefined {
    return owner === undefined ? undefined : importerOf(owner, family);
  }

  /** One path, decoded. */
  view(locRib: LocRib, row: number, path: number): PathView {
    const { values, sources, originated } = this.#tables;
    const { paths, prefixes } = locRib;
    const prefix = prefixes.prefixOf(row);
    const source = paths.sourceOf(path);
    const owner = sources.ownerOf(source);
    const set = paths.words[path * PATH_WORDS] ?? 0;
    const effective = paths.effectiveSet(path);
    const obstacle = locRib.obstacleOf(path);
    const best = locRib.bestOf(row);
    const attributes: PathAttributes = values.decode(effective);
    const view: Mutable<PathView> = {
      family: locRib.family,
      prefix,
      source: source === LOCAL_SOURCE ? (originated.sourceOf(prefix) ?? 'network') : 'bgp',
      valid: obstacle === 0,
      best: path === best,
      multipath: ((paths.words[path * PATH_WORDS + 1] ?? 0) & PathFlag.Multipath) !== 0,
      attributes,
    };
    const id = paths.ids === undefined ? 0 : (paths.ids[path] ?? 0);
    if (id !== 0) view.pathId = id >>> 0;
    if (obstacle !== 0) view.invalidReason = reasonOf(obstacle);
    if (effective !== set) view.beforePolicy = values.decode(set);
    if (owner !== undefined) {
      const { name, address, kind } = owner.settings;
      view.peer = { name, address, kind };
    }
    const importer = owner === undefined ? undefined : importerOf(owner, locRib.family);
    if (importer !== undefined && (obstacle <= 0 || obstacle === 1)) view.policyTerm = importer.term(set, prefix);
    const rank = this.rankOf(locRib, row, path);
    if (rank !== undefined) view.rule = ruleName(rank.rule);
    return view;
  }

  /** What ranked a path: the best one over the next one, another one below the best; undefined if it is the only one or unusable. */
  rankOf(locRib: LocRib, row: number, path: number): Rank | undefined {
    const { decision } = locRib;
    const best = locRib.bestOf(row);
    if (best === 0 || locRib.obstacleOf(path) !== 0) return undefined;
    locRib.collect(row);
    const all = Array.from(decision.candidates.subarray(0, decision.count));
    if (all.length < 2) return undefined;
    if (path !== best) return this.#rankBelow(locRib, best, path, all);
    // Who would be next?
    decision.begin(best);
    for (const other of all) if (other !== best) decision.add(other);
    const next = decision.choose();
    const direct = decision.compare(best, next);
    if (direct > 0) return { rule: direct, isWinner: true, other: next, isWithinAs: false };
    // The next one would have won over it, had it not lost to one of its own neighbouring AS: say so of that one.
    const below = this.#rankBelow(locRib, best, next, all);
    return below === undefined ? undefined : { ...below, isWinner: true, other: next };
  }

  #rankBelow(locRib: LocRib, best: number, loser: number, all: readonly number[]): Rank | undefined {
    const { decision } = locRib;
    const direct = decision.compare(best, loser);
    if (direct > 0) return { rule: direct, isWinner: false, other: best, isWithinAs: false };
    // It would have beaten the best one, but fell to another path of its own neighbouring AS first.
    decision.load(loser, this.#a);
    for (const other of all) {
      decision.load(other, this.#b);
      if (other === loser || this.#b.neighbourAs !== this.#a.neighbourAs) continue;
      const result = decision.compare(other, loser);
      if (result > 0) return { rule: result, isWinner: false, other, isWithinAs: true };
    }
    return undefined;
  }
}

function reasonOf(obstacle: number): InvalidReason {
  const reason = obstacle > 0 ? storedReasons[obstacle] : lookedUpReasons[-obstacle - 1];
  return reason ?? 'import-policy';
}

function importerOf(owner: object, family: FamilyName) {
  return 'ribIn' in owner ? (owner as RibPeer).ribIn.get(family)?.importer : undefined;
}

function pathOfSource(locRib: LocRib, row: number, source: number): number {
  const { paths } = locRib;
  for (let path = locRib.headOf(row); path !== 0; path = paths.words[path * PATH_WORDS + 2] ?? 0) {
    if (paths.sourceOf(path) === source) return path;
  }
  return 0;
}

/** Rows a query asks for, in order of prefix. */
function* rowsOf(locRib: LocRib, query: RouteQuery, wanted: (row: number) => boolean): IterableIterator<number> {
  const { prefixes } = locRib;
  const { prefix, address } = query;
  if (address !== undefined) {
    const row = prefixes.longestMatch(address.octets, ipBits(address.version), wanted);
    if (row !== 0) yield row;
    return;
  }
  if (prefix !== undefined && query.longer !== true) {
    const row = prefixes.find(prefix);
    if (row !== 0 && wanted(row)) yield row;
    return;
  }
  for (const row of prefixes.sortedRows()) {
    const meta = prefixes.rows[row * prefixes.stride + prefixes.keyWords] ?? RowFlag.Free;
    if ((meta & RowFlag.Free) !== 0 || !wanted(row)) continue;
    if (prefix !== undefined && !prefixContains(prefix, prefixes.prefixOf(row))) continue;
    yield row;
  }
}
