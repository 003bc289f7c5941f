import type { FamilyName } from 'bgp-ts';
import { SetFlag } from './attribute-scan.ts';
import { type AttributeSets, FACT_WORDS, Fact } from './attribute-sets.ts';
import { RowQueue } from './columns.ts';
import { Decision } from './decision.ts';
import { linkBandwidthIn, sharesOf } from './link-bandwidth.ts';
import type { NextHops } from './next-hop.ts';
import type { NextHopSets } from './next-hop-sets.ts';
import { InvalidCode, PATH_WORDS, PathFlag, PathTable } from './path-table.ts';
import { PrefixTable, RowFlag } from './prefix-table.ts';
import { LOCAL_SOURCE, type Sources } from './sources.ts';
import type { DecisionOptions, FibSink, MultipathOptions } from './types.ts';

/** Somebody who is told of prefixes whose selection changed, and who may still need a row that has no paths any more. */
export interface RowConsumer {
  /** The selected path of this row is another one, or its attributes changed, or it is gone. */
  rowChanged(row: number): void;
  /** True while the row number must not be given to another prefix. */
  holdsRow(row: number): boolean;
}

/** What an import policy says about a path again, for {@link LocRib.sweep}. */
export interface PathReviewer {
  /** Evaluates the import policy of the source of this path anew. */
  review(row: number, path: number): void;
  /** Every path there was has been reviewed. */
  reviewDone(): void;
}

/** What is shared between the families. */
export interface LocRibShared {
  readonly sets: AttributeSets;
  readonly sources: Sources;
  readonly nextHops: NextHops;
  readonly nextHopSets: NextHopSets;
  readonly multipath: MultipathOptions;
  readonly decision: DecisionOptions;
  readonly feedsFib: boolean;
  /** Something was queued. */
  readonly workArrived: () => void;
}

/**
 * The paths of one family, candidates and selected (RFC 4271 §3.2). Owns the prefix and path tables; Adj-RIB-In puts paths in and takes
 * them out, which only marks the prefix; {@link decide} then chooses, once per prefix however many changes there were.
 */
export class LocRib {
  readonly family: FamilyName;
  readonly prefixes: PrefixTable;
  readonly paths: PathTable;
  /** 0 for IPv4, 1 for IPv6: which of the two counters of a source is this family's. */
  readonly familyIndex: 0 | 1;
  readonly decision: Decision;
  readonly #shared: LocRibShared;
  readonly #consumers: RowConsumer[];
  /** Those who are told of a row whenever any path of it changed. */
  readonly #pathConsumers: RowConsumer[];
  #marks: Uint8Array;
  readonly #dirty: RowQueue;
  readonly #fibDirty: RowQueue;
  readonly #zombies: RowQueue;
  readonly #address: Uint8Array;
  #used: Int32Array;
  #bandwidths: Float64Array;
  /** Next row to sweep; 0: there is nothing to sweep. */
  #sweepAt: number;
  /** Where the present pass ends (0: with the table), and up to where another pass goes after it. */
  #sweepEnd: number;
  #sweepThen: number;
  readonly #changedNextHops: Set<number>;
  readonly #reviewed: Map<number, PathReviewer>;
  /** Sources whose paths of rounds before this one are to go, and the round. */
  readonly #staleBefore: Map<number, number>;

  constructor(family: FamilyName, shared: LocRibShared) {
    this.family = family;
    this.prefixes = new PrefixTable(family);
    this.paths = new PathTable();
    this.familyIndex = family === 'ipv4-unicast' ? 0 : 1;
    this.decision = new Decision({ paths: this.paths, ...shared }, shared.decision);
    this.#shared = shared;
    this.#consumers = [];
    this.#pathConsumers = [];
    this.#marks = new Uint8Array(64);
    this.#dirty = new RowQueue();
    this.#fibDirty = new RowQueue();
    this.#zombies = new RowQueue();
    this.#address = new Uint8Array(this.prefixes.keyWords * 4);
    this.#used = new Int32Array(16);
    this.#bandwidths = new Float64Array(16);
    this.#sweepAt = 0;
    this.#sweepEnd = 0;
    this.#sweepThen = 0;
    this.#changedNextHops = new Set();
    this.#reviewed = new Map();
    this.#staleBefore = new Map();
  }

  addConsumer(consumer: RowConsumer): void {
    this.#consumers.push(consumer);
  }

  /** As {@link addConsumer}, for one who looks at all paths of a row: told when any of them changed, selected or not. */
  addPathConsumer(consumer: RowConsumer): void {
    this.#pathConsumers.push(consumer);
  }

  removeConsumer(consumer: RowConsumer): void {
    for (const consumers of [this.#consumers, this.#pathConsumers]) {
      const at = consumers.indexOf(consumer);
      if (at >= 0) consumers.splice(at, 1);
    }
  }

  /** First path of a row (the selected one if there is one), 0 if there are none. */
  headOf(row: number): number {
    const { rows, stride, keyWords } = this.prefixes;
    return rows[row * stride + keyWords + 1]!;
  }

  /** The selected path of a row, 0 if there is none. */
  bestOf(row: number): number {
    const { rows, stride, keyWords } = this.prefixes;
    const at = row * stride + keyWords;
    return (rows[at]! & RowFlag.Selected) === 0 ? 0 : rows[at + 1]!;
  }

  /**
   * Puts a path of a source into a row, in the place of the one with the same identifier (implicit withdraw, RFC 4271 §9.1.4).
   * @param set attributes as received
   * @param after set after import policy, 0 if it is the same
   * @param reason `InvalidCode`
   * @param round of the source's Adj-RIB-In, `PathFlag.RoundShift` bits up
   */
  put(row: number, source: number, id: number, set: number, after: number, reason: number, round: number): void {
    const { sets, sources } = this.#shared;
    const paths = this.paths;
    const at = row * this.prefixes.stride + this.prefixes.keyWords;
    const rows = this.prefixes.rows;
    const head = rows[at + 1]!;
    const owner = source | (reason << PathFlag.ReasonShift) | round;
    let words = paths.words;
    for (let path = head; path !== 0; path = words[path * PATH_WORDS + 2]!) {
      const w = path * PATH_WORDS;
      const present = words[w + 1]!;
      if ((present & 0xffff) !== source || (paths.ids === undefined ? 0 : paths.ids[path]!) !== id) continue;
      const presentAfter = paths.after === undefined ? 0 : paths.after[path]!;
      const difference = (present ^ owner) & ~PathFlag.Multipath;
      if (words[w] === set && presentAfter === after && (difference & ~PathFlag.RoundMask) === 0) {
        if (difference !== 0) words[w + 1] = present ^ difference; // still there (RFC 7313 §4)
        return;
      }
      sets.retain(set);
      if (after !== 0) sets.retain(after);
      sets.release(words[w]!);
      if (presentAfter !== 0) sets.release(presentAfter);
      words[w] = set;
      words[w + 1] = owner | (present & PathFlag.Multipath);
      if (after !== presentAfter) paths.setAfter(path, after);
      const counter = source * 2 + this.familyIndex;
      if ((present & PathFlag.ReasonMask) === 0) sources.accepted[counter]!--;
      if (reason === InvalidCode.None) sources.accepted[counter]!++;
      if (path === head || (present & PathFlag.Multipath) !== 0) rows[at] = rows[at]! | RowFlag.Changed;
      this.markDirty(row);
      return;
    }
    const path = paths.add(set, owner);
    sets.retain(set);
    if (id !== 0) paths.setId(path, id);
    if (after !== 0) {
      sets.retain(after);
      paths.setAfter(path, after);
    }
    if (head === 0) {
      rows[at + 1] = path;
    } else {
      words = paths.words;
      words[path * PATH_WORDS + 2] = words[head * PATH_WORDS + 2]!;
      words[head * PATH_WORDS + 2] = path;
    }
    const counter = source * 2 + this.familyIndex;
    sources.received[counter]!++;
    if (reason === InvalidCode.None) sources.accepted[counter]!++;
    this.markDirty(row);
  }

  /** Takes a path of a source out of a row; false if it was not there. */
  take(row: number, source: number, id: number): boolean {
    const paths = this.paths;
    const words = paths.words;
    let previous = 0;
    for (let path = this.headOf(row); path !== 0; path = words[path * PATH_WORDS + 2]!) {
      if (
        (words[path * PATH_WORDS + 1]! & 0xffff) === source &&
        (paths.ids === undefined ? 0 : paths.ids[path]!) === id
      ) {
        this.#unlink(row, previous, path);
        this.markDirty(row);
        return true;
      }
      previous = path;
    }
    return false;
  }

  /** Queues a row for the decision process. */
  markDirty(row: number): void {
    const rows = this.prefixes.rows;
    const at = row * this.prefixes.stride + this.prefixes.keyWords;
    const meta = rows[at]!;
    if ((meta & RowFlag.Dirty) !== 0) return;
    rows[at] = meta | RowFlag.Dirty;
    if (this.#dirty.length === 0) this.#shared.workArrived();
    this.#dirty.push(row);
  }

  /** There is a row to decide or to sweep. */
  get hasWork(): boolean {
    return this.#dirty.length > 0 || this.#hasSweep;
  }

  /** Rows waiting for a decision. */
  get dirtyCount(): number {
    return this.#dirty.length;
  }

  /** Decides for at most `max` rows; true if more are waiting. */
  decideSome(max: number): boolean {
    this.#shared.sources.rank();
    const queue = this.#dirty;
    for (let n = 0; n < max; n++) {
      const row = queue.shift();
      if (row === 0) return false;
      this.#decide(row);
    }
    return queue.length > 0;
  }

  /** A source went down, next hops changed or paths are to be reviewed: go through all rows, in slices. */
  startSweep(nextHops: readonly number[]): void {
    for (const id of nextHops) this.#changedNextHops.add(id);
    if (this.#sweepAt === 0) {
      this.#sweepAt = 1;
      this.#sweepThen = 0;
    } else {
      // On to the end of the table, then again over what was passed already.
      this.#sweepThen = this.#sweepAt;
    }
    this.#sweepEnd = 0;
    this.#shared.workArrived();
  }

  /** As {@link startSweep}: evaluates the import policy of a source anew for each of its paths. */
  startReview(source: number, reviewer: PathReviewer): void {
    this.#reviewed.set(source, reviewer);
    this.startSweep([]);
  }

  /** As {@link startSweep}: removes the paths of a source that were not announced since its round `round` began (RFC 7313 §4). */
  startStaleSweep(source: number, round: number): void {
    this.#staleBefore.set(source, round);
    this.startSweep([]);
  }

  /** The source is gone: nothing of it is left to review. */
  stopReview(source: number): void {
    this.#reviewed.delete(source);
    this.#staleBefore.delete(source);
  }

  /** Sweeps at most `max` rows; true if there are more. */
  sweepSome(max: number): boolean {
    if (!this.#hasSweep) return false;
    const { prefixes, paths } = this;
    const { sources, sets } = this.#shared;
    sources.rank();
    const alive = sources.alive;
    for (let n = 0; n < max; n++) {
      const row = this.#sweepAt;
      if (row >= (this.#sweepEnd === 0 ? prefixes.end : Math.min(this.#sweepEnd, prefixes.end))) {
        if (this.#sweepThen <= 1) {
          this.#sweepAt = 0;
          this.#changedNextHops.clear();
          for (const reviewer of this.#reviewed.values()) reviewer.reviewDone();
          this.#reviewed.clear();
          this.#staleBefore.clear();
          return false;
        }
        this.#sweepAt = 1;
        this.#sweepEnd = this.#sweepThen;
        this.#sweepThen = 0;
        continue;
      }
      this.#sweepAt++;
      if ((prefixes.rows[row * prefixes.stride + prefixes.keyWords]! & RowFlag.Free) !== 0) continue;
      let path = this.headOf(row);
      let previous = 0;
      let hasLost = false;
      let isTouched = false;
      while (path !== 0) {
        const w = path * PATH_WORDS;
        const next = paths.words[w + 2]!;
        const source = paths.words[w + 1]! & 0xffff;
        if (alive[source] === 0 || (this.#staleBefore.size > 0 && this.#isStale(paths.words[w + 1]!))) {
          this.#unlink(row, previous, path);
          hasLost = true;
        } else {
          if (this.#reviewed.size > 0) this.#reviewed.get(source)?.review(row, path);
          if (this.#changedNextHops.size > 0 && this.#changedNextHops.has(sets.nextHopOf(paths.effectiveSet(path)))) {
            isTouched = true;
          }
          previous = path;
        }
        path = next;
      }
      // The row is in the cache now: decide at once, unless it waits in the queue anyway.
      if (hasLost && (prefixes.rows[row * prefixes.stride + prefixes.keyWords]! & RowFlag.Dirty) === 0) {
        this.#decide(row);
      } else if (isTouched) {
        this.markDirty(row);
      }
    }
    return true;
  }

  #isStale(owner: number): boolean {
    const from = this.#staleBefore.get(owner & 0xffff);
    // Rounds are counted modulo 256; one that began meanwhile is no reason to go.
    return from !== undefined && ((((owner & PathFlag.RoundMask) >>> PathFlag.RoundShift) - from) & 0x80) !== 0;
  }

  /** Gives back at most `max` rows without paths that nobody holds any more; true if another call might give back more now. */
  reclaimSome(max: number): boolean {
    for (let n = Math.min(max, this.#zombies.length); n > 0; n--) {
      const row = this.#zombies.shift();
      const { rows, stride, keyWords } = this.prefixes;
      const at = row * stride + keyWords;
      if (rows[at + 1] !== 0) {
        rows[at] = rows[at]! & ~RowFlag.Zombie; // has a path again
      } else if ((rows[at]! & (RowFlag.Dirty | RowFlag.FibDirty)) !== 0 || rows[at + 2] !== 0 || this.#isHeld(row)) {
        this.#zombies.push(row);
      } else {
        this.prefixes.remove(row);
      }
    }
    return this.#zombies.length > 0;
  }

  #isHeld(row: number): boolean {
    const consumers = this.#consumers;
    for (let i = 0; i < consumers.length; i++) if (consumers[i]!.holdsRow(row)) return true;
    for (const consumer of this.#pathConsumers) if (consumer.holdsRow(row)) return true;
    return false;
  }

  /** Rows without paths that wait to be given back. */
  get zombieCount(): number {
    return this.#zombies.length;
  }

  /** Selections the kernel has not been told yet. */
  get fibDirtyCount(): number {
    return this.#fibDirty.length;
  }

  /** Hands over at most `max` changed selections; how many were gone through. */
  takeSelected(max: number, sink: FibSink): number {
    const { nextHopSets } = this.#shared;
    let n = 0;
    for (; n < max; n++) {
      const row = this.#fibDirty.shift();
      if (row === 0) break;
      const { rows, stride, keyWords } = this.prefixes;
      const at = row * stride + keyWords;
      const isAgain = (rows[at]! & RowFlag.Resend) !== 0;
      rows[at] = rows[at]! & ~(RowFlag.FibDirty | RowFlag.Resend);
      const wanted = this.#nextHopSetOf(row);
      const present = rows[at + 2]!;
      if (wanted === present && (!isAgain || wanted === 0)) continue;
      this.prefixes.copyAddress(row, this.#address);
      if (wanted === 0) sink.remove(this.family, this.#address, rows[at]! & 0xff);
      else {
        nextHopSets.retain(wanted);
        sink.route(this.family, this.#address, rows[at]! & 0xff, wanted);
      }
      rows[at + 2] = wanted;
      nextHopSets.release(present);
    }
    return n;
  }

  /** Queues every row that the kernel has or should have, to be handed over whether it changed or not. */
  resendSelected(): void {
    const { rows, stride, keyWords } = this.prefixes;
    for (let row = 1; row < this.prefixes.end; row++) {
      const at = row * stride + keyWords;
      if ((rows[at]! & RowFlag.Free) !== 0) continue;
      if (rows[at + 2] === 0 && (rows[at]! & RowFlag.Selected) === 0) continue;
      rows[at] = rows[at]! | RowFlag.Resend;
      this.#queueFib(row);
    }
  }

  /** Why a path cannot be selected: `InvalidCode`, or -1 next hop unreachable, -2 own address as next hop, -3 session down; 0: it can. */
  obstacleOf(path: number): number {
    const { sources, sets, nextHops } = this.#shared;
    const owner = this.paths.words[path * PATH_WORDS + 1]!;
    const reason = (owner & PathFlag.ReasonMask) >>> PathFlag.ReasonShift;
    if (reason !== 0) return reason;
    const source = owner & 0xffff;
    if (source === LOCAL_SOURCE) return 0;
    if (sources.alive[source] === 0) return -3;
    const metric = nextHops.metrics[sets.nextHopOf(this.paths.effectiveSet(path))]!;
    return Math.min(metric, 0);
  }

  /**
   * The identifier a path is advertised with where several of its prefix are (RFC 7911 §2): the smallest number that no other path of the row
   * has, given when first asked for and kept as long as the path is there.
   */
  pathIdOf(row: number, path: number): number {
    const paths = this.paths;
    const known = paths.toldIds === undefined ? 0 : paths.toldIds[path]!;
    if (known !== 0) return known;
    let count = 0;
    for (let other = this.headOf(row); other !== 0; other = paths.words[other * PATH_WORDS + 2]!) count++;
    if (this.#marks.length < count + 2) this.#marks = new Uint8Array((count + 2) * 2);
    const marks = this.#marks.fill(0, 0, count + 2);
    for (let other = this.headOf(row); other !== 0; other = paths.words[other * PATH_WORDS + 2]!) {
      const id = paths.toldIds === undefined ? 0 : paths.toldIds[other]!;
      if (id <= count) marks[id] = 1;
    }
    let id = 1;
    while (marks[id] === 1) id++;
    paths.setToldId(path, id);
    return id;
  }

  /** The path of a row that has this identifier, 0 if there is none (any more). */
  pathToldAs(row: number, id: number): number {
    const { words, toldIds } = this.paths;
    if (toldIds === undefined) return 0;
    for (let path = this.headOf(row); path !== 0; path = words[path * PATH_WORDS + 2]!) {
      if (toldIds[path] === id) return path;
    }
    return 0;
  }

  /** Puts the paths of a row that can be selected up for choice. */
  collect(row: number): void {
    const { sources, sets, nextHops } = this.#shared;
    const { paths, decision } = this;
    decision.begin(this.bestOf(row));
    const words = paths.words;
    const metrics = nextHops.metrics;
    const alive = sources.alive;
    for (let path = this.headOf(row); path !== 0; path = words[path * PATH_WORDS + 2]!) {
      const owner = words[path * PATH_WORDS + 1]!;
      if ((owner & PathFlag.ReasonMask) !== 0) continue;
      const source = owner & 0xffff;
      if (source !== LOCAL_SOURCE) {
        if (alive[source] === 0 || metrics[sets.nextHopOf(paths.effectiveSet(path))]! < 0) continue;
      }
      decision.add(path);
    }
  }

  #decide(row: number): void {
    const { sources, multipath } = this.#shared;
    const { paths, decision } = this;
    const { rows, stride, keyWords } = this.prefixes;
    const at = row * stride + keyWords;
    const meta = rows[at]!;
    const head = rows[at + 1]!;
    const before = (meta & RowFlag.Selected) === 0 ? 0 : head;
    let best: number;
    if (head !== 0 && paths.words[head * PATH_WORDS + 2] === 0) {
      best = this.obstacleOf(head) === 0 ? head : 0; // nothing to compare
      if (multipath.maxPaths > 1) {
        decision.begin(before);
        if (best !== 0) decision.add(best);
      }
    } else {
      this.collect(row);
      best = decision.choose();
    }
    let isChanged = (meta & RowFlag.Changed) !== 0;
    let flags = meta & ~(RowFlag.Dirty | RowFlag.Changed | RowFlag.Selected);
    if (best !== 0) flags |= RowFlag.Selected;
    rows[at] = flags;
    if (best !== before) {
      isChanged = true;
      const words = paths.words;
      const family = this.familyIndex;
      if (before !== 0) sources.best[(words[before * PATH_WORDS + 1]! & 0xffff) * 2 + family]!--;
      if (best !== 0) {
        sources.best[(words[best * PATH_WORDS + 1]! & 0xffff) * 2 + family]!++;
        if (best !== head) this.#moveToFront(at, best);
      }
    }
    if (multipath.maxPaths > 1 && this.#markMultipath(row, best)) isChanged = true;
    if (isChanged) {
      const consumers = this.#consumers;
      for (let i = 0; i < consumers.length; i++) consumers[i]!.rowChanged(row);
      if (this.#shared.feedsFib) this.#queueFib(row);
    }
    const pathConsumers = this.#pathConsumers;
    for (let i = 0; i < pathConsumers.length; i++) pathConsumers[i]!.rowChanged(row);
    if (head === 0 && (flags & RowFlag.Zombie) === 0) {
      rows[at] = rows[at]! | RowFlag.Zombie;
      this.#zombies.push(row);
    }
  }

  #moveToFront(at: number, path: number): void {
    const words = this.paths.words;
    const rows = this.prefixes.rows;
    let previous = rows[at + 1]!;
    while (words[previous * PATH_WORDS + 2] !== path) previous = words[previous * PATH_WORDS + 2]!;
    words[previous * PATH_WORDS + 2] = words[path * PATH_WORDS + 2]!;
    words[path * PATH_WORDS + 2] = rows[at + 1]!;
    rows[at + 1] = path;
  }

  /** Sets the multipath bit of each path of a row; true if any changed. */
  #markMultipath(row: number, best: number): boolean {
    const { decision, paths } = this;
    const { maxPaths, relaxAsPath } = this.#shared.multipath;
    if (best === 0) decision.usedCount = 0;
    else decision.chooseMultipath(best, maxPaths, relaxAsPath);
    let isChanged = false;
    const words = paths.words;
    for (let path = this.headOf(row); path !== 0; path = words[path * PATH_WORDS + 2]!) {
      let isUsed = false;
      if (decision.usedCount > 1) {
        for (let i = 1; i < decision.usedCount; i++) if (decision.used[i] === path) isUsed = true;
      }
      const owner = words[path * PATH_WORDS + 1]!;
      const wanted = isUsed ? owner | PathFlag.Multipath : owner & ~PathFlag.Multipath;
      if (wanted === owner) continue;
      words[path * PATH_WORDS + 1] = wanted;
      isChanged = true;
    }
    return isChanged;
  }

  #unlink(row: number, previous: number, path: number): void {
    const { sets, sources } = this.#shared;
    const paths = this.paths;
    const words = paths.words;
    const { rows, stride, keyWords } = this.prefixes;
    const at = row * stride + keyWords;
    const w = path * PATH_WORDS;
    const owner = words[w + 1]!;
    const source = owner & 0xffff;
    const counter = source * 2 + this.familyIndex;
    if (previous === 0) {
      rows[at + 1] = words[w + 2]!;
      if ((rows[at]! & RowFlag.Selected) !== 0) {
        rows[at] = (rows[at]! & ~RowFlag.Selected) | RowFlag.Changed;
        sources.best[counter]!--;
      }
    } else {
      words[previous * PATH_WORDS + 2] = words[w + 2]!;
      if ((owner & PathFlag.Multipath) !== 0) rows[at] = rows[at]! | RowFlag.Changed;
    }
    const after = paths.after === undefined ? 0 : paths.after[path]!;
    const set = words[w]!;
    paths.remove(path);
    sets.release(set);
    if (after !== 0) sets.release(after);
    if ((owner & PathFlag.ReasonMask) === 0) sources.accepted[counter]!--;
    if (--sources.received[counter]! === 0) sources.emptied(source);
  }

  #queueFib(row: number): void {
    const { rows, stride, keyWords } = this.prefixes;
    const at = row * stride + keyWords;
    if ((rows[at]! & RowFlag.FibDirty) !== 0) return;
    rows[at] = rows[at]! | RowFlag.FibDirty;
    this.#fibDirty.push(row);
  }

  /** The next hops a row should have in the kernel; 0: none, or the node's own origin. */
  #nextHopSetOf(row: number): number {
    const { sets, nextHopSets, multipath } = this.#shared;
    const paths = this.paths;
    const best = this.bestOf(row);
    if (best === 0 || paths.sourceOf(best) === LOCAL_SOURCE) return 0;
    const first = sets.nextHopOf(paths.effectiveSet(best));
    if (multipath.maxPaths <= 1) return nextHopSets.one(first);
    let used = this.#used;
    let count = 0;
    used[count++] = first;
    for (let path = best; path !== 0; path = paths.words[path * PATH_WORDS + 2]!) {
      if ((paths.words[path * PATH_WORDS + 1]! & PathFlag.Multipath) === 0) continue;
      if (count === used.length) {
        used = new Int32Array(count * 2);
        used.set(this.#used);
        this.#used = used;
      }
      used[count++] = sets.nextHopOf(paths.effectiveSet(path));
    }
    return nextHopSets.many(used, count, count > 1 ? this.#sharesOf(row, best, count) : undefined);
  }

  /** Shares of the paths in use, in their order, if every one of them tells the bandwidth of its link; undefined: all are equal. */
  #sharesOf(row: number, best: number, count: number): number[] | undefined {
    const { sets } = this.#shared;
    const paths = this.paths;
    if (this.#bandwidths.length < count) this.#bandwidths = new Float64Array(count * 2);
    const bandwidths = this.#bandwidths;
    let n = 0;
    for (let path = this.headOf(row); path !== 0; path = paths.words[path * PATH_WORDS + 2]!) {
      if (path !== best && (paths.words[path * PATH_WORDS + 1]! & PathFlag.Multipath) === 0) continue;
      const set = paths.effectiveSet(path);
      if ((sets.facts[set * FACT_WORDS + Fact.Flags]! & SetFlag.HasLinkBandwidth) === 0) return undefined;
      const start = sets.offsetOf(set);
      const bandwidth = linkBandwidthIn(sets.view, start, start + sets.lengthOf(set));
      if (bandwidth === 0) return undefined;
      bandwidths[n++] = bandwidth;
    }
    return sharesOf(bandwidths, count);
  }

  get #hasSweep(): boolean {
    return this.#sweepAt !== 0;
  }
}
