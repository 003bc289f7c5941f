import {
  type FamilyName,
  ipv4ToUint32,
  type PathAttributes,
  type Prefix,
  prefixContains,
  Role,
  WellKnownCommunity,
} from 'bgp-ts';
import { type AsPathEdit, emptyAsPathEdit, PrivateAs, Segment } from './as-path-rewrite.ts';
import { SetFlag } from './attribute-scan.ts';
import { type AttributeSets, FACT_WORDS, Fact, hashOctets } from './attribute-sets.ts';
import { nextCapacity } from './columns.ts';
import { ExportRefusal } from './export-refusal.ts';
import { emptyRewrite, LocalPrefMode, rewriteAttributes } from './export-rewrite.ts';
import { acceptsAll, policyPeer, rejectsAll } from './import.ts';
import type { NextHops } from './next-hop.ts';
import { evaluate, type PassedTerm, type Verdict } from './policy/evaluate.ts';
import type { PolicyPeer, PolicyRoute, RouteSource } from './policy/policy.ts';
import type { PrefixTable } from './prefix-table.ts';
import type { SetValues } from './set-values.ts';
import { LOCAL_SOURCE, SourceKind, type Sources } from './sources.ts';
import type { RibPeerSettings } from './types.ts';
import { type Effect, Outcome, Verdicts } from './verdicts.ts';

/** What an exporter works with. */
export interface ExportTables {
  readonly sets: AttributeSets;
  readonly values: SetValues;
  readonly nextHops: NextHops;
  readonly sources: Sources;
  /** As a signed 32-bit number. */
  readonly clusterId: number;
  /** The node's own AS number, and the confederation it is a member of (0: none). */
  readonly localAs: number;
  readonly confederationId: number;
  /** Label of a local path, for policy. */
  readonly sourceLabel: (row: number) => RouteSource;
}

/** Two words a set: what it becomes (0 not known yet, below 0 nothing: `-ExportRefusal`, else the exported set), and for which class of source. */
const CACHE_WORDS = 2;
/** Classes of source: 0 to 2 are kinds, then come the labels of local origin, from here on single sources. */
const FIRST_LABEL_CLASS = 4;
const FIRST_SOURCE_CLASS = 8;
const labels: readonly RouteSource[] = ['network', 'pod-block', 'service', 'bgp'];

/**
 * From a set of the Loc-RIB to what a group of peers is told: export rules of eBGP and iBGP, reflection, export policy, next hop. The answer
 * is cached per outcome of the policy and set, with the class of source it holds for: the kind of session it came by, or the very source
 * where it matters (reflection writes its router id).
 */
export class Exporter {
  /** Result of {@link exported} when that is 0: why. */
  refusal: ExportRefusal;
  readonly #tables: ExportTables;
  readonly #settings: RibPeerSettings;
  readonly #family: FamilyName;
  readonly #self: number;
  /** IPv6 next hops may be told. */
  readonly #takesIpv6: boolean;
  readonly #peer: PolicyPeer;
  /** Undefined if the policy lets everything or nothing pass. */
  readonly #verdicts: Verdicts | undefined;
  /** A path of which nothing is looked at. */
  readonly #bareRoute: PolicyRoute;
  /** What becomes of a set follows from where it is from, beyond the outcome of the policy. */
  readonly #isPerSource: boolean;
  readonly #rejects: boolean;
  /** The other side is outside of our AS, and of our confederation. */
  readonly #isBorder: boolean;
  /** Paths with one of these flags are not told, by role (RFC 9234 §5). */
  readonly #leaks: number;
  readonly #clusterId: number;
  /** Whether AIGP is told (RFC 7311 §3.2). */
  readonly #tellsAigp: boolean;
  /** Changes of AS_PATH beyond what is put in front; for paths with segments of our confederation, and for all. */
  readonly #strip: AsPathEdit;
  readonly #edit: AsPathEdit | undefined;
  readonly #rewrite = emptyRewrite();
  readonly #out: Uint8Array;
  readonly #outView: DataView;
  /** Per outcome of the policy (first those that leave a path as it is) what sets became: two words each. */
  readonly #caches: Int32Array[];
  #decodedSet: number;
  #decoded: PathAttributes;
  #lacksNextHop: boolean;
  readonly #onLack: () => void;

  /**
   * @param hops `id` of the own next hop (counted by the caller), 0 if there is none, and whether IPv6 next hops may be told (RFC 8950 for IPv4)
   * @param onLack called once when a route cannot be sent for want of it
   */
  constructor(
    tables: ExportTables,
    settings: RibPeerSettings,
    family: FamilyName,
    hops: { readonly id: number; readonly takesIpv6: boolean },
    onLack: () => void,
  ) {
    this.refusal = ExportRefusal.Policy;
    this.#tables = tables;
    this.#settings = settings;
    this.#family = family;
    this.#self = hops.id;
    this.#takesIpv6 = hops.takesIpv6;
    this.#peer = policyPeer(settings);
    const policy = settings.exportPolicy;
    this.#rejects = rejectsAll(policy);
    const isAsked = !this.#rejects && !acceptsAll(policy);
    this.#verdicts = isAsked ? new Verdicts(policy, { family, peer: this.#peer }, tables.values) : undefined;
    this.#bareRoute = { family, attributes: {}, source: 'bgp', peer: this.#peer };
    this.#isPerSource = isAsked && policy.program.isStaged && policy.program.sourceMatches.length > 0;
    this.#isBorder = settings.kind === 'ebgp' && settings.isConfederationMember !== true;
    this.#leaks = settings.role !== undefined && isTowardsProvider(settings.role) ? SetFlag.HasOtc : 0;
    this.#clusterId = settings.clusterId === undefined ? tables.clusterId : ipv4ToUint32(settings.clusterId) | 0;
    this.#tellsAigp = settings.aigp ?? !this.#isBorder;
    this.#strip = { ...emptyAsPathEdit(), stripsConfederation: true };
    this.#edit = this.#isBorder ? pathEdit(settings) : undefined;
    this.#prepareRewrite();
    this.#out = new Uint8Array(70_000);
    this.#outView = new DataView(this.#out.buffer);
    this.#caches = [];
    this.#decodedSet = 0;
    this.#decoded = {};
    this.#lacksNextHop = false;
    this.#onLack = onLack;
    tables.sets.listen(this);
  }

  /** What a set becomes depends on the cost of its next hop (RFC 7311 §3.4.3). */
  get dependsOnCosts(): boolean {
    return this.#tellsAigp;
  }

  /** Forgets everything; the exporter must not be used any more. */
  close(): void {
    this.#tables.sets.unlisten(this);
    this.#verdicts?.close();
    this.forget();
  }

  /** Forgets what sets became. */
  forget(): void {
    const { sets } = this.#tables;
    for (const cache of this.#caches) {
      for (let at = 0; at < cache.length; at += CACHE_WORDS) if (cache[at]! > 0) sets.release(cache[at]!);
    }
    this.#caches.length = 0;
  }

  /** A set is gone: so is what it became. */
  setFreed(id: number): void {
    if (id === this.#decodedSet) this.#decodedSet = 0;
    const at = id * CACHE_WORDS;
    for (let i = 0; i < this.#caches.length; i++) {
      const cache = this.#caches[i]!;
      if (at >= cache.length) continue;
      const exported = cache[at]!;
      cache[at] = 0;
      if (exported > 0) this.#tables.sets.release(exported);
    }
  }

  /**
   * What a path is told as: the exported set, or 0 if it is not told ({@link refusal} says why). The set stays valid while the one that went in does and no other
   * source asks for it: count it before the next call.
   */
  exported(set: number, source: number, row: number, prefixes: PrefixTable): number {
    const classOfSource = this.#classOf(source, row);
    if (classOfSource < 0) return this.#refuse(-classOfSource as ExportRefusal);
    const verdicts = this.#verdicts;
    let outcome: number = Outcome.Unchanged;
    if (verdicts !== undefined) {
      verdicts.open(set, verdicts.needsSource ? this.#sourceKey(verdicts, source, row) : 0);
      outcome = verdicts.outcomeOf(prefixes, row);
      if (outcome === Outcome.Refused) return this.#refuse(ExportRefusal.Policy);
      if (outcome === Outcome.Unnumbered) return this.#compute(outcome, set, source, row, prefixes);
    }
    const at = set * CACHE_WORDS;
    const n = outcome - Outcome.Unchanged;
    let cache = this.#caches[n];
    if (cache === undefined || at >= cache.length) cache = this.#growCache(n, set);
    const known = cache[at]!;
    if (known !== 0 && cache[at + 1] === classOfSource) {
      return known > 0 ? known : this.#refuse(-known as ExportRefusal);
    }
    const exported = this.#compute(outcome, set, source, row, prefixes);
    if (exported !== 0) this.#tables.sets.retain(exported);
    if (known > 0) this.#tables.sets.release(known);
    cache[at] = exported === 0 ? -this.refusal : exported;
    cache[at + 1] = classOfSource;
    return exported;
  }

  #growCache(n: number, set: number): Int32Array {
    while (this.#caches.length <= n) this.#caches.push(new Int32Array(0));
    const present = this.#caches[n]!;
    const grown = new Int32Array(nextCapacity(Math.max(present.length / CACHE_WORDS, 64), set + 1) * CACHE_WORDS);
    grown.set(present);
    this.#caches[n] = grown;
    return grown;
  }

  /** Key of a source for the policy that `verdicts` is about. */
  sourceKey(verdicts: Verdicts, source: number, row: number): number {
    return verdicts.needsSource ? this.#sourceKey(verdicts, source, row) : 0;
  }

  /** Name of the policy term that lets a path through, for people. */
  term(set: number, source: number, row: number, prefix: Prefix): string {
    return this.verdict(set, source, row, prefix).term;
  }

  /** The export policy over a path as values, for people; `passed` collects every term that matched. */
  verdict(set: number, source: number, row: number, prefix: Prefix, passed?: PassedTerm[]): Verdict {
    return evaluate(this.#settings.exportPolicy, this.#route(set, source, row, prefix), passed);
  }

  #refuse(refusal: ExportRefusal): 0 {
    this.refusal = refusal;
    return 0;
  }

  #sourceKey(verdicts: Verdicts, source: number, row: number): number {
    const { sources, sourceLabel } = this.#tables;
    const label = verdicts.needsSourceLabel && source === LOCAL_SOURCE ? sourceLabel(row) : 'bgp';
    return verdicts.sourceKey(label, sources.ownerOf(source)?.settings);
  }

  /** Below 0: paths of this source are not for this group at all, `-ExportRefusal`. */
  #classOf(source: number, row: number): number {
    const { sources, sourceLabel } = this.#tables;
    const { kind, routeReflectorClient, exportOnlyLocal } = this.#settings;
    if (this.#rejects) return -ExportRefusal.Policy;
    const sourceKind = sources.kind[source]!;
    if (source !== LOCAL_SOURCE) {
      if (exportOnlyLocal === true) return -ExportRefusal.LocalOnly;
      if (kind === 'ibgp' && sourceKind === SourceKind.Ibgp) {
        // RFC 4271 §9.2: not from iBGP to iBGP, but a route reflector does, if either side is a client (RFC 4456 §6).
        if (sources.client[source] === 0 && routeReflectorClient !== true) return -ExportRefusal.IbgpToIbgp;
        if (this.#settings.clientToClient === false && this.#isOfCluster(source)) return -ExportRefusal.ClientToClient;
        return FIRST_SOURCE_CLASS + source;
      }
    }
    if (!this.#isPerSource) return sourceKind;
    if (source === LOCAL_SOURCE) return FIRST_LABEL_CLASS + labels.indexOf(sourceLabel(row));
    return FIRST_SOURCE_CLASS + source;
  }

  /** Whether a source is a client of the same cluster. */
  #isOfCluster(source: number): boolean {
    const { sources, clusterId: ownId } = this.#tables;
    if (sources.client[source] === 0 || this.#settings.routeReflectorClient !== true) return false;
    const clusterId = sources.ownerOf(source)?.settings.clusterId;
    return (clusterId === undefined ? ownId : ipv4ToUint32(clusterId) | 0) === this.#clusterId;
  }

  #compute(outcome: number, set: number, source: number, row: number, prefixes: PrefixTable): number {
    const { sets, values } = this.#tables;
    const flags = sets.facts[set * FACT_WORDS + Fact.Flags]!;
    const barred = this.#barredBy(flags);
    if (barred !== undefined) return this.#refuse(barred);
    if (this.#verdicts === undefined || outcome === Outcome.Unchanged) {
      return this.#finish(set, source, undefined, false);
    }
    if (this.#verdicts.keepsAttributes(outcome)) {
      return this.#finish(set, source, this.#verdicts.effect(outcome, this.#bareRoute), false);
    }
    const prefix = this.#verdicts.needsPrefix ? prefixes.peekPrefix(row) : undefined;
    const route = this.#route(set, source, row, prefix);
    const effect = this.#verdicts.effect(outcome, route);
    if (!effect.accept) return this.#refuse(ExportRefusal.Policy);
    const before = route.attributes;
    if (effect.attributes === before) return this.#finish(set, source, effect, false);
    const changed = values.intern(effect.attributes, this.#family, 0, '');
    sets.retain(changed);
    const changedFlags = sets.facts[changed * FACT_WORDS + Fact.Flags]!;
    let exported = 0;
    const barredNow = this.#barredBy(changedFlags);
    if (barredNow !== undefined) this.#refuse(barredNow);
    else {
      const hasOwnMed = effect.attributes.med !== undefined && effect.attributes.med !== before.med;
      exported = this.#finish(changed, source, effect, hasOwnMed);
      if (exported !== 0) sets.retain(exported);
    }
    sets.release(changed);
    // Held a moment longer only so that the two could be the same; the caller counts it.
    if (exported !== 0) this.#uncount(exported);
    return exported;
  }

  /** What keeps a path from these peers: a well-known community (RFC 1997), or ONLY_TO_CUSTOMER (RFC 9234). */
  #barredBy(flags: number): ExportRefusal | undefined {
    if ((flags & SetFlag.NoAdvertise) !== 0) return ExportRefusal.NoAdvertise;
    if ((flags & this.#leaks) !== 0) return ExportRefusal.OnlyToCustomer;
    if (this.#settings.kind !== 'ebgp') return undefined;
    if ((flags & SetFlag.NoExport) !== 0 && this.#isBorder) return ExportRefusal.NoExport;
    return (flags & SetFlag.NoExportSubconfed) !== 0 ? ExportRefusal.NoExportSubconfed : undefined;
  }

  /** What becomes of attributes and does not depend on the path. */
  #prepareRewrite(): void {
    const { localAs: nodeAs, confederationId } = this.#tables;
    const { kind, localAs, isConfederationMember, keepOwnAs, role, gracefulShutdown } = this.#settings;
    const r = this.#rewrite;
    const ownAs = confederationId === 0 ? nodeAs : confederationId;
    if (isConfederationMember === true) {
      r.prependAs = localAs | 0;
      r.prependType = Segment.ConfedSequence;
    } else if (this.#isBorder) {
      r.prependAs = localAs | 0;
      r.secondAs = keepOwnAs === true && localAs !== ownAs ? ownAs | 0 : 0;
    }
    r.localPrefMode = this.#isBorder ? LocalPrefMode.Drop : LocalPrefMode.Fill;
    if (gracefulShutdown === true) {
      // RFC 8326 §4.1: every path told says that it is about to go; within the AS it is also the last choice already.
      r.addedCommunity = WellKnownCommunity.GracefulShutdown | 0;
      if (!this.#isBorder) r.localPrefMode = LocalPrefMode.Set;
      r.localPref = 0;
    }
    r.clusterId = this.#clusterId;
    r.dropsReflection = kind === 'ebgp';
    r.leavesAs = this.#isBorder;
    r.otc = role !== undefined && marksOnlyToCustomer(role) ? localAs | 0 : 0;
    r.dropsAigp = !this.#tellsAigp;
  }

  /** Takes back one count without letting the set go. */
  #uncount(id: number): void {
    this.#tables.sets.retain(id, -1);
  }

  #finish(set: number, source: number, effect: Effect | undefined, hasOwnMed: boolean): number {
    const { sets, nextHops, sources } = this.#tables;
    const { kind, exportMed } = this.#settings;
    const nextHop = this.#nextHop(set, source, effect);
    if (nextHop === 0) {
      if (!this.#lacksNextHop) this.#onLack();
      this.#lacksNextHop = true;
      return this.#refuse(ExportRefusal.NoNextHop);
    }
    const r = this.#rewrite;
    r.nextHop4 = 0;
    if (this.#family === 'ipv4-unicast') {
      const address = nextHops.get(nextHop)?.address;
      if (address === undefined || (address.version === 6 && !this.#takesIpv6)) {
        return this.#refuse(ExportRefusal.NoNextHop);
      }
      // An IPv6 next hop is in MP_REACH_NLRI, not among the octets (RFC 8950 §3).
      if (address.version === 4) r.nextHop4 = ipv4ToUint32(address) | 0;
    }
    const facts = set * FACT_WORDS;
    const flags = sets.facts[facts + Fact.Flags]!;
    if (r.localPrefMode === LocalPrefMode.Fill) r.localPref = sets.facts[facts + Fact.LocalPref]!;
    // A learned MED stays within this AS (RFC 4271 §5.1.4).
    r.keepMed = !this.#isBorder || source === LOCAL_SOURCE || exportMed === true || hasOwnMed;
    r.isReflected = kind === 'ibgp' && sources.kind[source] === SourceKind.Ibgp;
    r.originatorId = sources.routerId[source]!;
    if (this.#isBorder) {
      r.edit = this.#edit ?? ((flags & SetFlag.HasConfederation) === 0 ? undefined : this.#strip);
    }
    if ((flags & SetFlag.HasAigp) !== 0) {
      // Whoever is sent here reaches the next hop by way of this node, which costs what it costs this node.
      const from = sets.nextHopOf(set);
      r.aigpCost = nextHop === from ? 0 : Math.max(nextHops.metrics[from]!, 0);
    }
    const start = sets.offsetOf(set);
    const length = rewriteAttributes(sets.bytes, start, start + sets.lengthOf(set), r, this.#out);
    if (length > 65_000) return this.#refuse(ExportRefusal.TooLong);
    const hash = hashOctets(this.#outView, 0, length);
    return sets.intern(this.#out, this.#outView, 0, length, hash, nextHop, 0);
  }

  /** Id of the next hop to tell; 0: there is none. */
  #nextHop(set: number, source: number, effect: Effect | undefined): number {
    const { sets, nextHops, sources } = this.#tables;
    const { nextHop: common = 'auto', nextHopOf, sharedSubnets = [] } = this.#settings;
    const mode = (sources.kind[source] === SourceKind.Ibgp ? nextHopOf?.ibgp : nextHopOf?.ebgp) ?? common;
    const present = sets.nextHopOf(set);
    if (present === 0) return this.#self;
    const wanted = effect?.nextHop ?? (mode === 'auto' || mode === 'third-party' ? undefined : mode);
    if (wanted === 'self') return this.#self;
    if (wanted === undefined && this.#isBorder) {
      const address = nextHops.get(present)?.address;
      const isShared =
        mode === 'third-party' &&
        address !== undefined &&
        sharedSubnets.some((subnet) => prefixContains(subnet, address));
      if (!isShared) return this.#self;
    }
    return this.#withoutLinkLocal(present);
  }

  /** A link-local next hop means nothing on another link (RFC 2545 §3): only the global one is passed on. */
  #withoutLinkLocal(id: number): number {
    const { nextHops } = this.#tables;
    const value = nextHops.get(id);
    if (value === undefined) return 0;
    if (value.address.version === 4) return id;
    const isLinkLocal = value.address.octets[0] === 0xfe && (value.address.octets[1]! & 0xc0) === 0x80;
    if (isLinkLocal) return this.#self;
    return value.linkLocal === undefined ? id : nextHops.intern(value.address, undefined, '');
  }

  #route(set: number, source: number, row: number, prefix: Prefix | undefined): PolicyRoute {
    const { sources, sourceLabel } = this.#tables;
    const settings = sources.ownerOf(source)?.settings;
    return {
      family: this.#family,
      prefix,
      attributes: this.#attributesOf(set),
      source: source === LOCAL_SOURCE ? sourceLabel(row) : 'bgp',
      peer: this.#peer,
      learnedFrom: settings === undefined ? undefined : policyPeer(settings),
    };
  }

  #attributesOf(set: number): PathAttributes {
    if (this.#decodedSet !== set) {
      this.#decoded = this.#tables.values.decode(set);
      this.#decodedSet = set;
    }
    return this.#decoded;
  }
}

/** Whether paths with ONLY_TO_CUSTOMER stop here: the other side is a provider, peer or route server (RFC 9234 §5). */
function isTowardsProvider(role: Role): boolean {
  return role === Role.Customer || role === Role.Peer || role === Role.RouteServerClient;
}

/** Whether paths are marked here as going down or across, never up again: the other side is a customer, peer or client of a route server. */
function marksOnlyToCustomer(role: Role): boolean {
  return role === Role.Provider || role === Role.Peer || role === Role.RouteServer;
}

/** What the settings of a peer outside ask to be done to AS_PATH; undefined for nothing. */
function pathEdit(settings: RibPeerSettings): AsPathEdit | undefined {
  const { asOverride, removePrivateAs, localAs, remoteAs } = settings;
  if (asOverride !== true && removePrivateAs === undefined) return undefined;
  const edit = { ...emptyAsPathEdit(), stripsConfederation: true };
  if (asOverride === true) {
    edit.overridden = remoteAs | 0;
    edit.overrideBy = localAs | 0;
  }
  if (removePrivateAs !== undefined) {
    edit.privateAs = removePrivateAs.all ? PrivateAs.All : PrivateAs.IfOnly;
    edit.privateBy = removePrivateAs.replace ? localAs | 0 : 0;
    edit.keptPrivate = remoteAs | 0;
  }
  return edit;
}
