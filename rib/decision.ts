import { SetFlag } from './attribute-scan.ts';
import { type AttributeSets, FACT_WORDS, Fact } from './attribute-sets.ts';
import type { NextHops } from './next-hop.ts';
import type { PathTable } from './path-table.ts';
import { LOCAL_SOURCE, SourceKind, type Sources } from './sources.ts';
import type { DecisionOptions } from './types.ts';

/** The rules of the decision process, in the order they are applied; the numbers are what {@link comparePaths} answers with. */
export const Rule = {
  /** What this node originates comes before what it hears. */
  LocalOrigin: 1,
  /** Local preference of this speaker alone, set by import policy. */
  Weight: 2,
  /** Higher LOCAL_PREF, RFC 4271 §9.1.1. */
  LocalPref: 3,
  /** Lower AIGP and interior cost together, and any before none, RFC 7311 §4.1. */
  Aigp: 4,
  /** Shorter AS_PATH, §9.1.2.2 a. */
  AsPathLength: 5,
  /** Lower ORIGIN, §9.1.2.2 b. */
  Origin: 6,
  /** Lower MED within one neighbouring AS, §9.1.2.2 c. */
  Med: 7,
  /** eBGP before iBGP, §9.1.2.2 d. */
  EbgpOverIbgp: 8,
  /** Lower interior cost to the next hop, §9.1.2.2 e. */
  IgpMetric: 9,
  /** Of two eBGP paths the one that is selected now, RFC 5004 (if switched on). */
  Current: 10,
  /** Lower BGP identifier, or ORIGINATOR_ID in its place, §9.1.2.2 f and RFC 4456 §9. */
  RouterId: 11,
  /** Shorter CLUSTER_LIST, RFC 4456 §9. */
  ClusterListLength: 12,
  /** Lower peer address, §9.1.2.2 g. */
  PeerAddress: 13,
  /** Lower path identifier, of two paths of one peer (RFC 7911). */
  PathId: 14,
} as const;

const ruleNames = [
  'none',
  'local origin',
  'weight',
  'LOCAL_PREF',
  'AIGP',
  'AS_PATH length',
  'ORIGIN',
  'MED',
  'eBGP over iBGP',
  'IGP metric',
  'current best (RFC 5004)',
  'router id',
  'CLUSTER_LIST length',
  'peer address',
  'path id',
] as const;

/** Printable name of what {@link comparePaths} returned, whoever won. */
export function ruleName(result: number): string {
  return ruleNames[Math.abs(result)] ?? 'none';
}

/** A path as the comparison sees it: a reusable view of table rows, all unsigned numbers. */
export interface Candidate {
  isLocal: boolean;
  weight: number;
  localPref: number;
  /** AIGP and the cost to the next hop; {@link NO_AIGP} where there is none. Exact up to 2^53. */
  aigp: number;
  asPathLength: number;
  origin: number;
  med: number;
  neighbourAs: number;
  isEbgp: boolean;
  igpMetric: number;
  isCurrent: boolean;
  routerId: number;
  clusterListLength: number;
  peerRank: number;
  pathId: number;
}

/** AIGP of a path that has none: behind every other. */
export const NO_AIGP = -1;

/** A candidate whose numbers are all zero. */
export function emptyCandidate(): Candidate {
  return {
    isLocal: false,
    weight: 0,
    localPref: 0,
    aigp: NO_AIGP,
    asPathLength: 0,
    origin: 0,
    med: 0,
    neighbourAs: 0,
    isEbgp: false,
    igpMetric: 0,
    isCurrent: false,
    routerId: 0,
    clusterListLength: 0,
    peerRank: 0,
    pathId: 0,
  };
}

/**
 * > 0: `a` wins; < 0: `b` wins; the absolute value is the {@link Rule} that decided. 0 only for two views of one path.
 * MED makes this no total order between paths of several ASes: choose within each neighbouring AS first.
 */
export function comparePaths(a: Candidate, b: Candidate, options: DecisionOptions): number {
  const byCost = compareCosts(a, b, options);
  if (byCost !== 0) return byCost;
  if (
    options.preferCurrent === true &&
    a.isEbgp &&
    b.isEbgp &&
    a.isCurrent !== b.isCurrent &&
    a.routerId !== b.routerId
  ) {
    return a.isCurrent ? Rule.Current : -Rule.Current; // RFC 5004 §3.1
  }
  if (a.routerId !== b.routerId) return a.routerId < b.routerId ? Rule.RouterId : -Rule.RouterId; // §9.1.2.2 f
  if (a.clusterListLength !== b.clusterListLength) {
    return a.clusterListLength < b.clusterListLength ? Rule.ClusterListLength : -Rule.ClusterListLength; // RFC 4456 §9
  }
  if (a.peerRank !== b.peerRank) return a.peerRank < b.peerRank ? Rule.PeerAddress : -Rule.PeerAddress; // §9.1.2.2 g
  if (a.pathId !== b.pathId) return a.pathId < b.pathId ? Rule.PathId : -Rule.PathId;
  return 0;
}

/** The rules that multipath must not cross: everything before the tie-breakers. 0: the two may be used side by side. */
export function compareCosts(a: Candidate, b: Candidate, options: DecisionOptions): number {
  if (a.isLocal !== b.isLocal) return a.isLocal ? Rule.LocalOrigin : -Rule.LocalOrigin;
  if (a.weight !== b.weight) return a.weight > b.weight ? Rule.Weight : -Rule.Weight;
  if (a.localPref !== b.localPref) return a.localPref > b.localPref ? Rule.LocalPref : -Rule.LocalPref; // §9.1.1
  if (a.aigp !== b.aigp) {
    // RFC 7311 §4.1
    const isBetter = b.aigp === NO_AIGP || (a.aigp !== NO_AIGP && a.aigp < b.aigp);
    return isBetter ? Rule.Aigp : -Rule.Aigp;
  }
  if (a.asPathLength !== b.asPathLength) {
    return a.asPathLength < b.asPathLength ? Rule.AsPathLength : -Rule.AsPathLength; // §9.1.2.2 a
  }
  if (a.origin !== b.origin) return a.origin < b.origin ? Rule.Origin : -Rule.Origin; // §9.1.2.2 b
  if (a.med !== b.med && (a.neighbourAs === b.neighbourAs || options.alwaysCompareMed === true)) {
    return a.med < b.med ? Rule.Med : -Rule.Med; // §9.1.2.2 c
  }
  if (a.isEbgp !== b.isEbgp) return a.isEbgp ? Rule.EbgpOverIbgp : -Rule.EbgpOverIbgp; // §9.1.2.2 d
  if (a.igpMetric !== b.igpMetric) return a.igpMetric < b.igpMetric ? Rule.IgpMetric : -Rule.IgpMetric; // §9.1.2.2 e
  return 0;
}

/** What a decision reads: the tables of one family and what is shared between families. */
export interface DecisionTables {
  readonly paths: PathTable;
  readonly sets: AttributeSets;
  readonly sources: Sources;
  readonly nextHops: NextHops;
}

/**
 * Chooses among the paths of one prefix. Owns scratch space, so that a choice allocates nothing; not reentrant.
 */
export class Decision {
  /** Paths given to {@link choose}: the first {@link count} numbers of `candidates`. */
  candidates: Int32Array;
  count: number;
  /** Result of {@link chooseMultipath} and {@link chooseSeveral}: the first `usedCount` numbers are the paths, for multipath the best first. */
  used: Int32Array;
  usedCount: number;
  readonly #tables: DecisionTables;
  readonly #options: DecisionOptions;
  readonly #a: Candidate;
  readonly #b: Candidate;
  /** Per neighbouring AS met so far the AS and its best path. */
  #groupAs: Int32Array;
  #groupBest: Int32Array;
  /** The path selected now, for RFC 5004; 0 is none. */
  #current: number;

  constructor(tables: DecisionTables, options: DecisionOptions) {
    this.candidates = new Int32Array(64);
    this.count = 0;
    this.used = new Int32Array(64);
    this.usedCount = 0;
    this.#tables = tables;
    this.#options = options;
    this.#a = emptyCandidate();
    this.#b = emptyCandidate();
    this.#groupAs = new Int32Array(64);
    this.#groupBest = new Int32Array(64);
    this.#current = 0;
  }

  /** Starts a choice; `current` is the path selected now or 0. */
  begin(current: number): void {
    this.count = 0;
    this.#current = current;
  }

  /** Puts a path up for choice that may be selected. */
  add(path: number): void {
    if (this.count === this.candidates.length) {
      const grown = new Int32Array(this.count * 2);
      grown.set(this.candidates);
      this.candidates = grown;
      this.#groupAs = new Int32Array(this.count * 2);
      this.#groupBest = new Int32Array(this.count * 2);
      this.used = new Int32Array(this.count * 2);
    }
    this.candidates[this.count++] = path;
  }

  /** The best of the paths that were put up, 0 when there are none. */
  choose(): number {
    const count = this.count;
    if (count <= 1) return count === 0 ? 0 : this.candidates[0]!;
    if (count === 2 || this.#options.alwaysCompareMed === true || !this.#medMatters()) return this.#chooseLinear();
    return this.#chooseByAs();
  }

  /**
   * After {@link choose}: fills {@link used} with `best` and the paths that may share its load (same cost in every rule before the
   * tie-breakers, another next hop), best ranked first, at most `maxPaths`.
   */
  chooseMultipath(best: number, maxPaths: number, relaxAsPath: boolean): void {
    this.used[0] = best;
    this.usedCount = 1;
    if (maxPaths <= 1 || this.count <= 1) return;
    const { sets, paths } = this.#tables;
    this.load(best, this.#a);
    if (this.#a.isLocal) return;
    const neighbourAs = this.#a.neighbourAs;
    for (let i = 0; i < this.count; i++) {
      const path = this.candidates[i]!;
      if (path === best) continue;
      this.load(best, this.#a);
      this.load(path, this.#b);
      if (compareCosts(this.#a, this.#b, this.#options) !== 0) continue;
      if (!relaxAsPath && this.#b.neighbourAs !== neighbourAs) continue;
      if (this.#isBeatenByMed(path)) continue;
      const nextHop = sets.nextHopOf(paths.effectiveSet(path));
      let at = this.usedCount;
      let isNew = true;
      for (let k = 0; k < at; k++) {
        if (sets.nextHopOf(paths.effectiveSet(this.used[k]!)) !== nextHop) continue;
        // Of several paths through one next hop the best ranked stands for all.
        isNew = false;
        if (k > 0 && this.compare(path, this.used[k]!) > 0) {
          this.used.copyWithin(k, k + 1, at);
          at = --this.usedCount;
          isNew = true;
        }
        break;
      }
      if (!isNew) continue;
      let to = at;
      while (to > 1 && this.compare(path, this.used[to - 1]!) > 0) {
        this.used[to] = this.used[to - 1]!;
        to--;
      }
      this.used[to] = path;
      this.usedCount = at + 1;
    }
    if (this.usedCount > maxPaths) this.usedCount = maxPaths;
  }

  /**
   * Fills {@link used} with the best `max` of the paths that were put up: the best one, then the best of what is left, and so on (so that MED
   * counts as it would had the better ones never been). In no particular order if that is all of them. Uses up the candidates.
   */
  chooseSeveral(max: number): void {
    if (this.count <= max) {
      for (let i = 0; i < this.count; i++) this.used[i] = this.candidates[i]!;
      this.usedCount = this.count;
      return;
    }
    this.usedCount = 0;
    while (this.usedCount < max) {
      const best = this.choose();
      this.used[this.usedCount++] = best;
      const at = this.candidates.indexOf(best);
      this.candidates[at] = this.candidates[--this.count]!;
    }
  }

  /** {@link comparePaths} for two paths of the table. */
  compare(a: number, b: number): number {
    this.load(a, this.#a);
    this.load(b, this.#b);
    return comparePaths(this.#a, this.#b, this.#options);
  }

  /** Fills a candidate from the tables. */
  load(path: number, into: Candidate): void {
    const { paths, sets, sources, nextHops } = this.#tables;
    const source = paths.sourceOf(path);
    const at = paths.effectiveSet(path) * FACT_WORDS;
    const facts = sets.facts;
    const flags = facts[at + Fact.Flags]!;
    const rank = facts[at + Fact.PathRank]!;
    into.isLocal = source === LOCAL_SOURCE;
    into.weight = facts[at + Fact.Weight]!;
    into.localPref = facts[at + Fact.LocalPref]! >>> 0;
    into.asPathLength = rank >>> 2;
    into.origin = rank & 3;
    into.med =
      (flags & SetFlag.HasMed) === 0 && this.#options.missingMedIsWorst === true
        ? 0xffff_ffff
        : facts[at + Fact.Med]! >>> 0;
    into.neighbourAs = facts[at + Fact.NeighbourAs]!;
    into.isEbgp = sources.kind[source] === SourceKind.Ebgp;
    into.igpMetric = source === LOCAL_SOURCE ? 0 : nextHops.metrics[facts[at + Fact.NextHop]!]!;
    into.aigp =
      (flags & SetFlag.HasAigp) === 0 ? NO_AIGP : sets.aigpOf(paths.effectiveSet(path)) + Math.max(into.igpMetric, 0);
    into.isCurrent = path === this.#current;
    into.routerId =
      ((flags & SetFlag.HasOriginatorId) === 0 ? sources.routerId[source]! : facts[at + Fact.OriginatorId]!) >>> 0;
    into.clusterListLength = flags >>> SetFlag.ClusterShift;
    into.peerRank = sources.addressRank[source]!;
    into.pathId = paths.ids === undefined ? 0 : paths.ids[path]! >>> 0;
  }

  /** Whether two candidates differ in MED at all: if not, one pass over a total order is enough. */
  #medMatters(): boolean {
    const { paths, sets } = this.#tables;
    const facts = sets.facts;
    const first = paths.effectiveSet(this.candidates[0]!) * FACT_WORDS;
    const med = facts[first + Fact.Med];
    const hasMed = facts[first + Fact.Flags]! & SetFlag.HasMed;
    for (let i = 1; i < this.count; i++) {
      const at = paths.effectiveSet(this.candidates[i]!) * FACT_WORDS;
      if (facts[at + Fact.Med] !== med || (facts[at + Fact.Flags]! & SetFlag.HasMed) !== hasMed) return true;
    }
    return false;
  }

  #chooseLinear(): number {
    let best = this.candidates[0]!;
    let leader = this.#a;
    let other = this.#b;
    this.load(best, leader);
    for (let i = 1; i < this.count; i++) {
      const path = this.candidates[i]!;
      this.load(path, other);
      if (comparePaths(leader, other, this.#options) >= 0) continue;
      best = path;
      const loser = leader;
      leader = other;
      other = loser;
    }
    return best;
  }

  /**
   * First the best of each neighbouring AS, then the best of these: what the elimination of §9.1.2.2 c ends with, whatever the order
   * of arrival. (Within an AS the rules are a total order; the winner over all is never behind another path of its own AS.)
   */
  #chooseByAs(): number {
    const { paths, sets } = this.#tables;
    const facts = sets.facts;
    let groups = 0;
    for (let i = 0; i < this.count; i++) {
      const path = this.candidates[i]!;
      const neighbour = facts[paths.effectiveSet(path) * FACT_WORDS + Fact.NeighbourAs]!;
      let group = 0;
      while (group < groups && this.#groupAs[group] !== neighbour) group++;
      if (group === groups) {
        this.#groupAs[groups] = neighbour;
        this.#groupBest[groups++] = path;
      } else if (this.compare(path, this.#groupBest[group]!) > 0) {
        this.#groupBest[group] = path;
      }
    }
    let best = this.#groupBest[0]!;
    for (let group = 1; group < groups; group++) {
      const path = this.#groupBest[group]!;
      if (this.compare(path, best) > 0) best = path;
    }
    return best;
  }

  /** Whether another candidate of its AS, equal up to ORIGIN, has a lower MED. */
  #isBeatenByMed(path: number): boolean {
    for (let i = 0; i < this.count; i++) {
      const other = this.candidates[i]!;
      if (other === path) continue;
      this.load(path, this.#a);
      this.load(other, this.#b);
      if (compareCosts(this.#a, this.#b, this.#options) === -Rule.Med) return true;
    }
    return false;
  }
}
