import { type FamilyName, type IpAddress, ipEquals, ipv4ToUint32, type PathAttributes, type Prefix } from 'bgp-ts';
import { AdjRibIn } from './adj-rib-in.ts';
import { AdjRibOut, type RibOut } from './adj-rib-out.ts';
import { AdjRibOutPaths } from './adj-rib-out-paths.ts';
import { AttributeScanner } from './attribute-scan.ts';
import { AttributeSets } from './attribute-sets.ts';
import { BlockCache } from './block-cache.ts';
import { type Advertisement, type CoveringPath, Explanations, type PrefixExplanation } from './explain.ts';
import { Exporter, type ExportTables } from './export.ts';
import { exportKey, selfNextHop } from './export-key.ts';
import { Importer, type ImportTables, policyPeer } from './import.ts';
import { LocRib } from './loc-rib.ts';
import { NextHops } from './next-hop.ts';
import { NextHopSets } from './next-hop-sets.ts';
import { Originated } from './originate.ts';
import type { Policy } from './policy/evaluate.ts';
import { policyChange } from './policy/policy-change.ts';
import { Queries } from './query.ts';
import { ReviewScope } from './review-scope.ts';
import { inOneShape, type PeerHandle, RibPeer } from './rib-peer.ts';
import { SetValues } from './set-values.ts';
import { Sources } from './sources.ts';
import type {
  FibSink,
  LocalSource,
  PathView,
  RibObserver,
  RibOptions,
  RibPeerCounters,
  RibPeerSettings,
  RibSession,
  RouteQuery,
  SelectedNextHop,
} from './types.ts';
import { Outcome, Verdicts } from './verdicts.ts';

export type { PeerHandle } from './rib-peer.ts';

/** Rows gone through between two looks at the clock: some hundred microseconds. */
const SLICE_ROWS = 1024;

/** Peers with the same export behaviour in one family. */
interface Group {
  readonly key: string;
  readonly out: RibOut;
  readonly nextHop: number;
  readonly members: Set<RibPeer>;
}

/** The group that a peer comes from, and the policy that tells what is different now; undefined: nothing is. */
interface Predecessor {
  readonly out: AdjRibOut;
  readonly change: Policy | undefined;
}

/** Told by the RIB when a running session's routes go through another Adj-RIB-Out (its export behaviour was changed). */
export interface GroupListener {
  groupChanged(peer: PeerHandle, family: FamilyName, from: RibOut, to: RibOut): void;
  /** There is something to pack. */
  outDirty(): void;
}

/**
 * Adj-RIB-In, Loc-RIB and Adj-RIB-Out of both families, and the decision process between them (RFC 4271 §3.2, §9).
 * Synchronous and without I/O. Changes are only noted when they arrive; {@link work} makes the decisions, in slices.
 */
export class Rib {
  /** Checks and interns received attributes; see `speaker/update-in.ts`. */
  readonly scanner: AttributeScanner;
  readonly sets: AttributeSets;
  readonly nextHops: NextHops;
  readonly values: SetValues;
  readonly sources: Sources;
  readonly blocks: BlockCache;
  readonly #options: RibOptions;
  readonly #observer: RibObserver;
  readonly #nextHopSets: NextHopSets;
  readonly #locRibs: ReadonlyMap<FamilyName, LocRib>;
  readonly #originated: Originated;
  readonly #importTables: ImportTables;
  readonly #exportTables: ReadonlyMap<FamilyName, ExportTables>;
  /** Cluster ids of groups of peers, beside that of the node. */
  readonly #clusterIds: Set<number>;
  readonly #queries: Queries;
  readonly #explanations: Explanations;
  readonly #peers: Set<RibPeer>;
  readonly #groups: Map<string, Group>;
  /** Groups without members whose sets are being given back, with the next row to look at. */
  readonly #dismantled: { group: Group; row: number }[];
  #groupListener: GroupListener | undefined;
  #isWorkKnown: boolean;
  #viewed: Uint8Array;
  #view: DataView;

  constructor(options: RibOptions, observer: RibObserver) {
    const routerId = ipv4ToUint32(options.routerId) | 0;
    const clusterId = ipv4ToUint32(options.clusterId ?? options.routerId) | 0;
    this.#options = options;
    this.#observer = observer;
    const { localAs, confederationId = 0 } = options;
    this.scanner = new AttributeScanner({ localAs, confederationId, routerId, clusterId });
    this.nextHops = new NextHops(options.nextHops, options.ownAddresses ?? []);
    this.sets = new AttributeSets(this.nextHops);
    this.values = new SetValues(this.sets, this.nextHops, this.scanner);
    this.sources = new Sources(options.routerId);
    this.blocks = new BlockCache(this.sets);
    this.#nextHopSets = new NextHopSets(this.nextHops, (id) => observer.nextHopSetFreed?.(id));
    const shared = {
      sets: this.sets,
      sources: this.sources,
      nextHops: this.nextHops,
      nextHopSets: this.#nextHopSets,
      multipath: options.multipath ?? { maxPaths: 1, relaxAsPath: false },
      decision: options.decision ?? {},
      feedsFib: options.feedsFib ?? true,
      workArrived: () => this.#workArrived(),
    };
    const families: readonly FamilyName[] = ['ipv4-unicast', 'ipv6-unicast'];
    this.#locRibs = new Map(families.map((family) => [family, new LocRib(family, shared)]));
    this.#originated = new Originated(this.#locRibs, this.sets, this.values);
    this.#clusterIds = new Set();
    this.#importTables = {
      sets: this.sets,
      values: this.values,
      localAs,
      confederationId,
      nextHops: this.nextHops,
      scanner: this.scanner,
      clusterIds: this.#clusterIds,
    };
    this.#exportTables = new Map(
      families.map((family) => [
        family,
        {
          sets: this.sets,
          values: this.values,
          nextHops: this.nextHops,
          sources: this.sources,
          clusterId,
          localAs,
          confederationId,
          sourceLabel: (row: number) => this.#originated.sourceOf(this.locRib(family).prefixes.prefixOf(row)) ?? 'bgp',
        },
      ]),
    );
    const tables = {
      locRibs: this.#locRibs,
      sets: this.sets,
      values: this.values,
      sources: this.sources,
      originated: this.#originated,
      nextHops: this.nextHops,
      maxPaths: shared.multipath.maxPaths,
    };
    this.#queries = new Queries(tables);
    this.#explanations = new Explanations(tables, this.#queries);
    this.#peers = new Set();
    this.#groups = new Map();
    this.#dismantled = [];
    this.#groupListener = undefined;
    this.#isWorkKnown = false;
    this.#viewed = new Uint8Array(0);
    this.#view = new DataView(this.#viewed.buffer);
  }

  /** Makes a peer known. It has no routes until its session is up. */
  addPeer(settings: RibPeerSettings): PeerHandle {
    const peer = new RibPeer(settings);
    this.#peers.add(peer);
    this.#noteClusterIds();
    return peer;
  }

  /**
   * New settings of a peer. Import policy: its paths are evaluated again; export behaviour: it is told what changes. Neither needs
   * a reset. (kind, remoteAs, localAs and address belong to the session: change them only while it is down.)
   */
  updatePeer(peer: PeerHandle, settings: RibPeerSettings): void {
    const own = this.#own(peer);
    const before = own.settings;
    own.settings = inOneShape(settings);
    this.#noteClusterIds();
    if (own.session === undefined) return;
    const wasClient = before.routeReflectorClient === true;
    const isClient = settings.routeReflectorClient === true;
    this.sources.refresh(own.source);
    this.#changeImport(own, before);
    // Whose paths are reflected to whom depends on both ends.
    if (wasClient !== isClient || !sameId(before.clusterId, settings.clusterId)) this.#reexport();
    for (const [family, out] of own.ribOut) {
      const key = this.#groupKey(own, family);
      if (this.#groups.get(key)?.out === out) continue;
      const to = this.#join(own, family, this.#likeBefore(own, before, family, out));
      this.#groupListener?.groupChanged(own, family, out, to);
      this.#leave(own, family, out);
      own.ribOut.set(family, to);
    }
  }

  /** Forgets a peer; its paths are withdrawn as in {@link sessionDown}. */
  removePeer(peer: PeerHandle): void {
    const own = this.#own(peer);
    this.sessionDown(own);
    this.#peers.delete(own);
    this.#noteClusterIds();
  }

  /** A session reached Established. Paths of an earlier session that are not yet swept away stay unused. */
  sessionUp(peer: PeerHandle, session: RibSession): void {
    const own = this.#own(peer);
    this.sessionDown(own);
    own.session = session;
    own.source = this.sources.open(own, session);
    for (const family of session.families) {
      const hasPathIds = session.addPathReceive.has(family);
      const importer = this.#importer(own, family);
      own.ribIn.set(family, new AdjRibIn(this.locRib(family), this.sets, own.source, hasPathIds, importer));
      own.ribOut.set(family, this.#join(own, family));
    }
  }

  /** The session ended: from now on no path of it is selected; they are removed in slices by {@link work}. */
  sessionDown(peer: PeerHandle): void {
    const own = this.#own(peer);
    if (own.session === undefined) return;
    for (const [family, out] of own.ribOut) this.#leave(own, family, out);
    for (const ribIn of own.ribIn.values()) ribIn.close();
    own.ribOut.clear();
    own.ribIn.clear();
    own.disabled.clear();
    const source = own.source;
    own.source = -1;
    own.session = undefined;
    const { received } = this.sources;
    const families = [...this.#locRibs.values()].filter((rib) => received[source * 2 + rib.familyIndex]! > 0);
    this.sources.close(source);
    for (const rib of families) rib.startSweep([]);
  }

  /** Evaluates the import policy again for all paths of a peer (soft reconfiguration), in slices. */
  refreshIn(peer: PeerHandle): void {
    const own = this.#own(peer);
    for (const ribIn of own.ribIn.values()) ribIn.setImporter(this.#importer(own, ribIn.family));
  }

  /**
   * Nothing that a session said about a family is used any more, nor what it will say, until it ends (RFC 7606 §2, "AFI/SAFI disable"). The
   * paths stay in Adj-RIB-In to be looked at, with the reason.
   */
  disableFamily(peer: PeerHandle, family: FamilyName): void {
    const own = this.#own(peer);
    if (own.disabled.has(family)) return;
    own.disabled.add(family);
    own.ribIn.get(family)?.setImporter(this.#importer(own, family));
    this.#workArrived();
  }

  /** Families that {@link disableFamily} was called for on the running session. */
  disabledFamilies(peer: PeerHandle): ReadonlySet<FamilyName> {
    return this.#own(peer).disabled;
  }

  /** The peer is about to send a family again: until it does, what it sent before is stale (RFC 7313 §4). */
  beginRefresh(peer: PeerHandle, family: FamilyName): void {
    this.#own(peer).ribIn.get(family)?.beginRefresh();
  }

  /** The peer has sent a family again, or has had the time: what it did not repeat is withdrawn, in slices. */
  endRefresh(peer: PeerHandle, family: FamilyName): void {
    this.#own(peer).ribIn.get(family)?.endRefresh();
  }

  /** Puts a local path into the Loc-RIB. Attributes: ORIGIN IGP, empty AS_PATH and own next hop unless given. */
  originate(prefix: Prefix, attributes: PathAttributes, source: LocalSource): void {
    this.#originated.add(prefix, attributes, source);
  }

  /** Takes back what {@link originate} put there for this source. */
  unoriginate(prefix: Prefix, source: LocalSource): void {
    this.#originated.remove(prefix, source);
  }

  /** Asks the resolver again for this next hop (all when absent) and decides anew where it matters. */
  nextHopChanged(nextHop?: IpAddress): void {
    this.#sweepNextHops(this.nextHops.refresh(nextHop));
  }

  /** Other addresses of this node, which no received path may name as its next hop. */
  setOwnAddresses(addresses: readonly IpAddress[]): void {
    this.#sweepNextHops(this.nextHops.setOwnAddresses(addresses));
  }

  /** Decides for at most about `budgetMs`. True: there is more to do. */
  work(budgetMs: number): boolean {
    this.#isWorkKnown = true;
    const { nowMs, sliceRows = SLICE_ROWS } = this.#options;
    const deadline = nowMs() + budgetMs;
    let hasMore = false;
    do {
      hasMore = false;
      for (const rib of this.#locRibs.values()) {
        rib.sweepSome(sliceRows);
        rib.decideSome(sliceRows);
        if (rib.hasWork) hasMore = true;
      }
      if (this.#dismantleSome(sliceRows * 8)) hasMore = true;
    } while (hasMore && nowMs() < deadline);
    for (const rib of this.#locRibs.values()) {
      const before = rib.zombieCount;
      rib.reclaimSome(sliceRows * 4);
      if (rib.zombieCount < before && rib.zombieCount > 0) hasMore = true;
    }
    this.#isWorkKnown = hasMore;
    return hasMore;
  }

  /** Rows without paths may have become free: somebody let go of them. */
  reclaim(): void {
    for (const rib of this.#locRibs.values()) if (rib.zombieCount > 0) this.#workArrived();
  }

  /** Hands over at most `max` changed selections. Returns how many are left. */
  takeSelected(max: number, sink: FibSink): number {
    let left = max;
    let waiting = 0;
    for (const rib of this.#locRibs.values()) {
      left -= rib.takeSelected(left, sink);
      waiting += rib.fibDirtyCount;
    }
    if (left < max) this.reclaim();
    return waiting;
  }

  /** Queues every selected route for {@link takeSelected} again, e.g. when its next hops lead elsewhere now. */
  resendSelected(): void {
    for (const rib of this.#locRibs.values()) rib.resendSelected();
  }

  /** The next hops behind an id that {@link takeSelected} gave out, 1 to maxPaths of them, in no particular order. */
  nextHopSet(id: number): readonly SelectedNextHop[] {
    return this.#nextHopSets.get(id);
  }

  /** Prefixes with at least one path, and paths, per family. */
  size(family: FamilyName): { readonly prefixes: number; readonly paths: number } {
    const rib = this.locRib(family);
    return { prefixes: rib.prefixes.count - rib.zombieCount, paths: rib.paths.count };
  }

  counters(peer: PeerHandle, family: FamilyName): RibPeerCounters {
    const own = this.#own(peer);
    if (own.source < 0) return { received: 0, accepted: 0, best: 0, advertised: 0 };
    const at = own.source * 2 + this.locRib(family).familyIndex;
    const { received, accepted, best } = this.sources;
    return {
      received: received[at]!,
      accepted: accepted[at]!,
      best: best[at]!,
      advertised: own.ribOut.get(family)?.countFor(own.source) ?? 0,
    };
  }

  /** Paths of the Loc-RIB in order of prefix, the best of each prefix first. May be consumed slowly: it follows the table. */
  routes(query: RouteQuery): IterableIterator<PathView> {
    return this.#queries.routes(query);
  }

  /** Adj-RIB-In of a peer, in order of prefix. */
  received(peer: PeerHandle, query: RouteQuery): IterableIterator<PathView> {
    return this.#queries.received(this.#own(peer), query);
  }

  /** Adj-RIB-Out of a peer, in order of prefix. */
  advertised(peer: PeerHandle, query: RouteQuery): IterableIterator<PathView> {
    return this.#queries.advertised(this.#own(peer), query);
  }

  /** Every path of a prefix with the reasons for its place; undefined where there is none. */
  explain(prefix: Prefix): PrefixExplanation | undefined {
    return this.#explanations.explain(prefix);
  }

  /** The longest prefix with a path that covers an address, or a prefix, itself included. */
  longestMatch(covered: IpAddress | Prefix): Prefix | undefined {
    return this.#explanations.longestMatch(covered);
  }

  /** What a peer is told of a prefix, and why not. */
  advertisement(peer: PeerHandle, prefix: Prefix): Advertisement {
    return this.#explanations.advertisement(this.#own(peer), prefix);
  }

  /** The longest prefix in Adj-RIB-In of a peer that covers a prefix, itself included. */
  receivedCovering(peer: PeerHandle, prefix: Prefix): CoveringPath | undefined {
    return this.#explanations.receivedCovering(this.#own(peer), prefix);
  }

  // What follows is for speaker/update-in.ts and update-out.ts.

  /** The tables of a family. */
  locRib(family: FamilyName): LocRib {
    const rib = this.#locRibs.get(family);
    if (rib === undefined) throw new RangeError(`family ${family}`);
    return rib;
  }

  /** Adj-RIB-In of the running session, undefined if it does not have the family. */
  adjRibIn(peer: PeerHandle, family: FamilyName): AdjRibIn | undefined {
    return this.#own(peer).ribIn.get(family);
  }

  /** Adj-RIB-Out that the running session belongs to, undefined if it does not have the family. */
  adjRibOut(peer: PeerHandle, family: FamilyName): RibOut | undefined {
    return this.#own(peer).ribOut.get(family);
  }

  /** Number of the running session among the sources, -1 if it is down. */
  sourceOf(peer: PeerHandle): number {
    return this.#own(peer).source;
  }

  /** Paths that a session has in Adj-RIB-In of a family. */
  receivedCount(ribIn: AdjRibIn): number {
    return this.sources.received[ribIn.source * 2 + this.locRib(ribIn.family).familyIndex]!;
  }

  /** A DataView with the offsets of `bytes`; the last one is kept, since messages come many in one buffer. */
  viewOf(bytes: Uint8Array): DataView {
    if (this.#viewed !== bytes) {
      this.#viewed = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    return this.#view;
  }

  get observer(): RibObserver {
    return this.#observer;
  }

  get nowMs(): () => number {
    return this.#options.nowMs;
  }

  /** Who packs what Adj-RIB-Out collects. */
  setGroupListener(listener: GroupListener): void {
    this.#groupListener = listener;
  }

  #own(peer: PeerHandle): RibPeer {
    if (!(peer instanceof RibPeer)) throw new TypeError(`peer ${peer.name} is not of this RIB`);
    return peer;
  }

  #importer(peer: RibPeer, family: FamilyName): Importer {
    const { settings, session, disabled } = peer;
    return new Importer(this.#importTables, settings, family, session?.device ?? '', disabled.has(family));
  }

  /** Who is in which cluster has changed: paths with another cluster id in their CLUSTER_LIST are loops now (RFC 4456 §8), or no longer. */
  #noteClusterIds(): void {
    const wanted = new Set<number>();
    for (const { settings } of this.#peers) {
      if (settings.clusterId !== undefined) wanted.add(ipv4ToUint32(settings.clusterId) | 0);
    }
    const present = this.#clusterIds;
    if (wanted.size === present.size && [...wanted].every((id) => present.has(id))) return;
    present.clear();
    for (const id of wanted) present.add(id);
    for (const peer of this.#peers) if (peer.settings.kind === 'ibgp') this.refreshIn(peer);
  }

  #sweepNextHops(changed: readonly number[]): void {
    if (changed.length === 0) return;
    for (const rib of this.#locRibs.values()) if (rib.prefixes.count > 0) rib.startSweep(changed);
    // What AIGP comes to contains the cost of the next hop. Who has no such path is sent nothing: the sets stay what they were.
    if ([...this.#groups.values()].some(({ out }) => out.exporter.dependsOnCosts) && this.#usesAigp()) this.#reexport();
  }

  /** Looks again at the paths of a peer that its new settings can touch. */
  #changeImport(peer: RibPeer, before: RibPeerSettings): void {
    const { settings } = peer;
    const isPolicyOnly = importKey(before) === importKey(settings);
    if (isPolicyOnly && before.importPolicy === settings.importPolicy) return;
    const change = isPolicyOnly ? policyChange(before.importPolicy, settings.importPolicy) : undefined;
    for (const ribIn of peer.ribIn.values()) {
      const { family } = ribIn;
      const importer = this.#importer(peer, family);
      if (!isPolicyOnly) ribIn.setImporter(importer);
      else
        ribIn.changePolicy(
          importer,
          change && new ReviewScope(change, { family, peer: policyPeer(settings) }, this.values),
        );
    }
  }

  #groupKey(peer: RibPeer, family: FamilyName): string {
    if (peer.session === undefined) return '';
    return exportKey(peer.settings, peer.session, family);
  }

  /** The group that a peer leaves, if nothing but the export policy is another one in that which it joins; and how the two policies differ. */
  #likeBefore(peer: RibPeer, before: RibPeerSettings, family: FamilyName, out: RibOut): Predecessor | undefined {
    const { session, settings } = peer;
    if (session === undefined || !(out instanceof AdjRibOut)) return undefined;
    const { exportPolicy } = before;
    const isPolicyOnly = this.#groups.get(exportKey({ ...settings, exportPolicy }, session, family))?.out === out;
    return isPolicyOnly ? { out, change: policyChange(exportPolicy, settings.exportPolicy) } : undefined;
  }

  #join(peer: RibPeer, family: FamilyName, predecessor?: Predecessor): RibOut {
    const key = this.#groupKey(peer, family);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = this.#newGroup(key, peer, family, predecessor);
      this.#groups.set(key, group);
    }
    group.members.add(peer);
    return group.out;
  }

  #newGroup(key: string, peer: RibPeer, family: FamilyName, predecessor?: Predecessor): Group {
    const tables = this.#exportTables.get(family);
    if (tables === undefined || peer.session === undefined) throw new RangeError(`family ${family}`);
    const self = selfNextHop(peer.settings, peer.session, family);
    const nextHop = self === undefined ? 0 : this.nextHops.intern(self.address, self.linkLocal, '');
    this.nextHops.retain(nextHop);
    const members = new Set<RibPeer>();
    const takesIpv6 = family === 'ipv6-unicast' || peer.session.extendedNextHop?.has(family) === true;
    const exporter = new Exporter(tables, peer.settings, family, { id: nextHop, takesIpv6 }, () => {
      this.#observer.noNextHopSelf?.(
        [...members].map(({ name }) => name),
        family,
      );
    });
    const locRib = this.locRib(family);
    const onDirty = () => this.#groupListener?.outDirty();
    let out: RibOut;
    if (peer.session.addPathSend.has(family)) {
      const maxPaths = peer.settings.addPathMax?.[family] ?? Number.POSITIVE_INFINITY;
      out = new AdjRibOutPaths(family, exporter, this.sets, locRib, maxPaths, onDirty);
      locRib.addPathConsumer(out);
    } else {
      out = new AdjRibOut(family, exporter, this.sets, locRib, onDirty);
      locRib.addConsumer(out);
    }
    if (predecessor !== undefined && out instanceof AdjRibOut) this.#startFrom(out, peer, predecessor);
    else out.markAll();
    return { key, out, nextHop, members };
  }

  #startFrom(out: AdjRibOut, peer: RibPeer, { out: before, change }: Predecessor): void {
    if (change === undefined) {
      out.startFrom(before, () => false);
      return;
    }
    const { family, exporter } = out;
    const { paths, prefixes } = this.locRib(family);
    const verdicts = new Verdicts(change, { family, peer: policyPeer(peer.settings) }, this.values);
    out.startFrom(before, (row, best) => {
      verdicts.open(paths.effectiveSet(best), exporter.sourceKey(verdicts, paths.sourceOf(best), row));
      return verdicts.outcomeOf(prefixes, row) !== Outcome.Refused;
    });
    verdicts.close();
  }

  #leave(peer: RibPeer, family: FamilyName, out: RibOut): void {
    for (const group of this.#groups.values()) {
      if (group.out !== out) continue;
      group.members.delete(peer);
      if (group.members.size > 0) return;
      this.#groups.delete(group.key);
      this.locRib(family).removeConsumer(out);
      out.exporter.close();
      this.nextHops.release(group.nextHop);
      this.#dismantled.push({ group, row: 1 });
      this.#workArrived();
      return;
    }
  }

  #dismantleSome(rows: number): boolean {
    const first = this.#dismantled[0];
    if (first === undefined) return false;
    first.row = first.group.out.dismantle(first.row, rows);
    if (first.row === 0) this.#dismantled.shift();
    return this.#dismantled.length > 0;
  }

  #usesAigp(): boolean {
    return this.scanner.hasSeenAigp;
  }

  /** Everything is to be exported anew: what a set becomes has changed for reasons outside the group. */
  #reexport(): void {
    for (const { out } of this.#groups.values()) {
      out.exporter.forget();
      out.markAll();
    }
  }

  #workArrived(): void {
    if (this.#isWorkKnown) return;
    this.#isWorkKnown = true;
    this.#observer.workArrived();
  }
}

/** What beside the policy decides how a peer's paths come out. */
function importKey(settings: RibPeerSettings): string {
  const {
    allowOwnAs = 0,
    localAs,
    prependLocalAsIn,
    role,
    gracefulShutdown,
    honoursGracefulShutdown,
    aigp,
    nextHopIn,
    linkBandwidth,
  } = settings;
  return JSON.stringify([
    allowOwnAs,
    localAs,
    prependLocalAsIn === true,
    role ?? null,
    gracefulShutdown === true,
    honoursGracefulShutdown ?? null,
    aigp ?? null,
    nextHopIn ?? 'keep',
    linkBandwidth?.join() ?? null,
  ]);
}

function sameId(a: IpAddress | undefined, b: IpAddress | undefined): boolean {
  return a === undefined || b === undefined ? a === b : ipEquals(a, b);
}
