import { type FamilyName, type IpAddress, ipBits, type PathAttributes, type Prefix } from 'bgp-ts';
import type { RibOut } from './adj-rib-out.ts';
import { type Candidate, emptyCandidate } from './decision.ts';
import { compareInWords, type RuleComparison } from './explain-rank.ts';
import type { ExportRefusalName } from './export-refusal.ts';
import { exportRefusalName } from './export-refusal.ts';
import type { LocRib } from './loc-rib.ts';
import { PATH_WORDS } from './path-table.ts';
import type { PassedTerm, Verdict } from './policy/evaluate.ts';
import type { RouteSource } from './policy/policy.ts';
import type { Queries, QueryTables } from './query.ts';
import type { RibPeer } from './rib-peer.ts';
import { LOCAL_SOURCE } from './sources.ts';
import type { NextHopLookup, PathView } from './types.ts';

/** Which path of a prefix. */
export interface PathName {
  readonly source: RouteSource;
  /** Name of the peer it is from; absent for local origin. */
  readonly peer?: string;
  readonly pathId?: number;
}

/** What a policy did to a path: the terms that matched, and the attributes before and after. */
export interface PolicyTrace {
  readonly verdict: Verdict;
  readonly passed: readonly PassedTerm[];
  /** Before policy; `verdict.attributes` is after. */
  readonly before: PathAttributes;
}

/** Why a path has its place among those of its prefix. */
export interface RankExplanation extends RuleComparison {
  /** True: it won over `against`; false: it lost to it. */
  readonly isWinner: boolean;
  readonly against: PathName;
  /** It lost to another path of its own neighbouring AS before the best path was looked at: MED compares only within one. */
  readonly isWithinAs: boolean;
}

/** One candidate path, as {@link PathView} has it, and the reasons. */
export interface PathExplanation {
  readonly view: PathView;
  /** Absent for a path that cannot be used, and for the only one. */
  readonly rank?: RankExplanation;
  /** Import policy; absent for local origin. */
  readonly policy?: PolicyTrace;
  /** How its next hop was looked up; absent for local origin. */
  readonly lookup?: NextHopLookup;
}

/** Every path of a prefix: the best first, then as the decision process ranks them, those that cannot be used last. */
export interface PrefixExplanation {
  readonly family: FamilyName;
  readonly prefix: Prefix;
  readonly paths: readonly PathExplanation[];
}

/** Why a peer is not told a prefix, or not yet what it should be told. */
export type AdvertisementReason =
  | ExportRefusalName
  /** There is no running session. */
  | 'session-down'
  | 'family-not-in-force'
  /** There is no path at all, or none that can be used. */
  | 'no-path'
  | 'no-usable-path'
  /** The best path is the peer's own. */
  | 'split-horizon'
  /** It is decided and not in Adj-RIB-Out yet. */
  | 'pending';

/** A path that a peer was told. */
export interface ToldPath {
  /** Identifier it was sent with (RFC 7911). */
  readonly pathId?: number;
  readonly from: PathName;
  readonly attributes: PathAttributes;
}

/** A path beside the best one that a peer is not told. */
export interface KeptPath {
  readonly path: PathName;
  /** `not-best`: the session carries one path a prefix; `beyond-limit`: it carries several, and better ones fill them. */
  readonly reason: ExportRefusalName | 'not-usable' | 'not-best' | 'beyond-limit' | 'split-horizon' | 'pending';
}

/** What one peer is told of a prefix, and why not. */
export interface Advertisement {
  /** Adj-RIB-Out; empty: the peer is told nothing. */
  readonly told: readonly ToldPath[];
  /** Absent: the best path is told as it should be. */
  readonly reason?: AdvertisementReason;
  /** The best path; absent where there is none. */
  readonly best?: PathName;
  /** Export policy over the best path; absent where it was not asked. */
  readonly policy?: PolicyTrace;
  /** The other paths, as far as they are not told; absent while there is no best one. */
  readonly kept?: readonly KeptPath[];
}

/** What a peer has in Adj-RIB-In that covers an address: its longest match. */
export interface CoveringPath {
  readonly prefix: Prefix;
  readonly view: PathView;
}

/**
 * Answers why a route is here, or is not. Every reason comes from what decides: the comparison of `Decision`, the reason stored with a path by
 * its `Importer`, the refusal of the `Exporter`, the verdict of `evaluate`. For people: nothing here is on a hot path.
 */
export class Explanations {
  readonly #tables: QueryTables;
  readonly #queries: Queries;
  readonly #own: Candidate = emptyCandidate();
  readonly #other: Candidate = emptyCandidate();

  constructor(tables: QueryTables, queries: Queries) {
    this.#tables = tables;
    this.#queries = queries;
  }

  /** See `Rib.explain`. */
  explain(prefix: Prefix): PrefixExplanation | undefined {
    const locRib = this.#locRib(prefix.address);
    const row = locRib.prefixes.find(prefix);
    if (row === 0 || locRib.headOf(row) === 0) return undefined;
    const paths = this.#queries.rankedPaths(locRib, row).map((path) => this.#path(locRib, row, path));
    return { family: locRib.family, prefix: locRib.prefixes.prefixOf(row), paths };
  }

  /** See `Rib.longestMatch`. */
  longestMatch(covered: IpAddress | Prefix): Prefix | undefined {
    const { address, length } = 'length' in covered ? covered : { address: covered, length: ipBits(covered.version) };
    const locRib = this.#locRib(address);
    const { prefixes } = locRib;
    const row = prefixes.longestMatch(address.octets, length, (one) => locRib.headOf(one) !== 0);
    return row === 0 ? undefined : prefixes.prefixOf(row);
  }

  /** See `Rib.advertisement`. */
  advertisement(peer: RibPeer, prefix: Prefix): Advertisement {
    const locRib = this.#locRib(prefix.address);
    const row = locRib.prefixes.find(prefix);
    const best = row === 0 ? 0 : locRib.bestOf(row);
    const bestName = best === 0 ? {} : { best: this.#nameOf(locRib, row, best) };
    if (peer.session === undefined) return { told: [], reason: 'session-down', ...bestName };
    const out = peer.ribOut.get(locRib.family);
    if (out === undefined) return { told: [], reason: 'family-not-in-force', ...bestName };
    const told = row === 0 ? [] : this.#told(peer, locRib, row);
    if (best === 0) {
      if (told.length > 0) return { told, reason: 'pending' };
      const hasPath = row !== 0 && locRib.headOf(row) !== 0;
      return { told, reason: hasPath ? 'no-usable-path' : 'no-path' };
    }
    const source = locRib.paths.sourceOf(best);
    const kept = this.#kept(peer, out, locRib, row, best);
    if (source === peer.source) return { told, reason: 'split-horizon', ...bestName, kept };
    const { sets } = this.#tables;
    const set = locRib.paths.effectiveSet(best);
    const exported = out.exporter.exported(set, source, row, locRib.prefixes);
    const refusal = exported === 0 ? exportRefusalName(out.exporter.refusal) : undefined;
    let isTold = false;
    if (exported !== 0) {
      sets.retain(exported);
      for (let key = out.firstOf(row); key !== 0; key = out.nextOf(key)) {
        if (out.toldOf(key) === exported && out.sourceOf(key) === source) isTold = true;
      }
      sets.release(exported);
    }
    const passed: PassedTerm[] = [];
    const verdict = out.exporter.verdict(set, source, row, locRib.prefixes.prefixOf(row), passed);
    // Other rules come first: of a path they keep back nobody asks the policy.
    const isAsked = refusal === undefined || refusal === 'export-policy' || !verdict.accept;
    const policy = isAsked ? { policy: { verdict, passed, before: passed[0]?.before ?? verdict.attributes } } : {};
    const reason = refusal ?? (isTold ? undefined : 'pending');
    return { told, ...(reason === undefined ? {} : { reason }), ...bestName, ...policy, kept };
  }

  /** See `Rib.receivedCovering`. */
  receivedCovering(peer: RibPeer, prefix: Prefix): CoveringPath | undefined {
    if (peer.source < 0) return undefined;
    const locRib = this.#locRib(prefix.address);
    const { prefixes } = locRib;
    const row = prefixes.longestMatch(
      prefix.address.octets,
      prefix.length,
      (one) => this.#queries.pathOfSource(locRib, one, peer.source) !== 0,
    );
    if (row === 0) return undefined;
    const path = this.#queries.pathOfSource(locRib, row, peer.source);
    return { prefix: prefixes.prefixOf(row), view: this.#queries.view(locRib, row, path) };
  }

  #locRib(address: IpAddress): LocRib {
    const family = address.version === 4 ? 'ipv4-unicast' : 'ipv6-unicast';
    const locRib = this.#tables.locRibs.get(family);
    if (locRib === undefined) throw new RangeError(`family ${family}`);
    return locRib;
  }

  #path(locRib: LocRib, row: number, path: number): PathExplanation {
    const { sources, sets, nextHops } = this.#tables;
    const view = this.#queries.view(locRib, row, path);
    const rank = this.#rank(locRib, row, path);
    const source = locRib.paths.sourceOf(path);
    if (source === LOCAL_SOURCE) return { view, ...(rank === undefined ? {} : { rank }) };
    const set = locRib.paths.words[path * PATH_WORDS] ?? 0;
    const importer = this.#queries.importerOf(sources.ownerOf(source), locRib.family);
    const passed: PassedTerm[] = [];
    // A path that a loop check stopped was shown to no policy.
    const isAsked = view.policyTerm !== undefined && importer !== undefined;
    const verdict = isAsked ? importer.verdict(set, view.prefix, passed) : undefined;
    const lookup = nextHops.lookup(sets.nextHopOf(locRib.paths.effectiveSet(path)));
    return {
      view,
      ...(rank === undefined ? {} : { rank }),
      ...(verdict === undefined
        ? {}
        : { policy: { verdict, passed, before: passed[0]?.before ?? verdict.attributes } }),
      ...(lookup === undefined ? {} : { lookup }),
    };
  }

  #rank(locRib: LocRib, row: number, path: number): RankExplanation | undefined {
    const rank = this.#queries.rankOf(locRib, row, path);
    if (rank === undefined) return undefined;
    const { decision, paths } = locRib;
    const { sources } = this.#tables;
    decision.load(path, this.#own);
    decision.load(rank.other, this.#other);
    const addressOf = (one: number) => sources.ownerOf(paths.sourceOf(one))?.settings.address;
    return {
      ...compareInWords(rank.rule, this.#own, this.#other, addressOf(path), addressOf(rank.other)),
      isWinner: rank.isWinner,
      against: this.#nameOf(locRib, row, rank.other),
      isWithinAs: rank.isWithinAs,
    };
  }

  #told(peer: RibPeer, locRib: LocRib, row: number): ToldPath[] {
    const out = peer.ribOut.get(locRib.family);
    const told: ToldPath[] = [];
    if (out === undefined) return told;
    for (let key = out.firstOf(row); key !== 0; key = out.nextOf(key)) {
      const set = out.toldOf(key);
      const source = out.sourceOf(key);
      if (set === 0 || source === peer.source) continue;
      const pathId = out.pathIdOf(key) >>> 0;
      told.push({
        ...(pathId === 0 ? {} : { pathId }),
        from: this.#nameOfSource(locRib, row, source, 0),
        attributes: this.#tables.values.decode(set),
      });
    }
    return told;
  }

  #kept(peer: RibPeer, out: RibOut, locRib: LocRib, row: number, best: number): KeptPath[] {
    const kept: KeptPath[] = [];
    for (const path of this.#queries.rankedPaths(locRib, row)) {
      const reason = path === best ? undefined : this.#whyKept(peer, out, locRib, row, path);
      if (reason !== undefined) kept.push({ path: this.#nameOf(locRib, row, path), reason });
    }
    return kept;
  }

  #whyKept(peer: RibPeer, out: RibOut, locRib: LocRib, row: number, path: number): KeptPath['reason'] | undefined {
    const { paths, prefixes } = locRib;
    if (locRib.obstacleOf(path) !== 0) return 'not-usable';
    if (out.keys === undefined) return 'not-best';
    const source = paths.sourceOf(path);
    if (source === peer.source) return 'split-horizon';
    const { sets } = this.#tables;
    const exported = out.exporter.exported(paths.effectiveSet(path), source, row, prefixes);
    if (exported === 0) return exportRefusalName(out.exporter.refusal);
    sets.retain(exported);
    sets.release(exported);
    const id = paths.toldIds?.[path] ?? 0;
    for (let key = out.firstOf(row); key !== 0 && id !== 0; key = out.nextOf(key)) {
      if (out.pathIdOf(key) === id && out.toldOf(key) !== 0 && out.sourceOf(key) === source) return undefined;
    }
    return out.dirtyCount > 0 ? 'pending' : 'beyond-limit';
  }

  #nameOf(locRib: LocRib, row: number, path: number): PathName {
    const { ids } = locRib.paths;
    return this.#nameOfSource(locRib, row, locRib.paths.sourceOf(path), ids === undefined ? 0 : (ids[path] ?? 0));
  }

  #nameOfSource(locRib: LocRib, row: number, source: number, id: number): PathName {
    const { sources, originated } = this.#tables;
    if (source === LOCAL_SOURCE) return { source: originated.sourceOf(locRib.prefixes.prefixOf(row)) ?? 'network' };
    const peer = sources.ownerOf(source)?.settings.name;
    return { source: 'bgp', ...(peer === undefined ? {} : { peer }), ...(id === 0 ? {} : { pathId: id >>> 0 }) };
  }
}
