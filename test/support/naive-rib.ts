import {
  AttributeFlag,
  asPathLength,
  compareIp,
  type FamilyName,
  formatPrefix,
  type IpAddress,
  ipEquals,
  neighbourAs,
  Origin,
  type PathAttributes,
  type Prefix,
  prependAsPath,
  WellKnownCommunity,
} from 'bgp-ts';
import { evaluate } from '../../rib/policy/evaluate.ts';
import type { PolicyPeer, RouteSource } from '../../rib/policy/policy.ts';
import type { RibPeerSettings } from '../../rib/types.ts';

/** A peer of the model. */
export interface NaivePeer {
  settings: RibPeerSettings;
  isUp: boolean;
  /** It is told several paths a prefix. */
  readonly hasPathIds?: boolean;
  readonly routerId: IpAddress;
  readonly localAddress: IpAddress;
  /** What it sent: by prefix text, then path id. */
  readonly ribIn: Map<string, Map<number, PathAttributes>>;
}

/** A path of the model. `peer` is absent for local origin. */
export interface NaivePath {
  readonly prefix: Prefix;
  readonly pathId: number;
  readonly peer: NaivePeer | undefined;
  readonly source: RouteSource;
  /** After import policy. */
  readonly attributes: PathAttributes;
  readonly weight: number;
}

/** Settings of the model. */
export interface NaiveOptions {
  readonly localAs: number;
  readonly routerId: IpAddress;
  readonly clusterId: IpAddress;
  readonly own: readonly IpAddress[];
  readonly metricOf: (nextHop: IpAddress) => number | undefined;
}

/**
 * The plain RIB: Maps of values, everything computed anew whenever it is asked for, in the words of the RFCs. Slow and obviously right;
 * the fast one is measured against it.
 */
export class NaiveRib {
  readonly options: NaiveOptions;
  readonly peers: NaivePeer[] = [];
  readonly local = new Map<string, { prefix: Prefix; attributes: PathAttributes; source: RouteSource }>();
  readonly prefixes = new Map<string, Prefix>();

  constructor(options: NaiveOptions) {
    this.options = options;
  }

  announce(peer: NaivePeer, prefix: Prefix, pathId: number, attributes: PathAttributes): void {
    const key = formatPrefix(prefix);
    this.prefixes.set(key, prefix);
    const { enforceFirstAs = true, kind, remoteAs } = peer.settings;
    if (kind === 'ebgp' && enforceFirstAs && neighbourAs(attributes.asPath ?? []) !== remoteAs) {
      this.withdraw(peer, prefix, pathId); // RFC 4271 §6.3 and RFC 7606: treat as withdraw
      return;
    }
    const paths = peer.ribIn.get(key) ?? new Map<number, PathAttributes>();
    peer.ribIn.set(key, paths.set(pathId, asReceived(attributes, kind)));
  }

  withdraw(peer: NaivePeer, prefix: Prefix, pathId: number): void {
    const key = formatPrefix(prefix);
    const paths = peer.ribIn.get(key);
    paths?.delete(pathId);
    if (paths?.size === 0) peer.ribIn.delete(key);
  }

  down(peer: NaivePeer): void {
    peer.isUp = false;
    peer.ribIn.clear();
  }

  originate(prefix: Prefix, attributes: PathAttributes, source: RouteSource): void {
    const key = formatPrefix(prefix);
    this.prefixes.set(key, prefix);
    this.local.set(key, { prefix, attributes: { origin: Origin.Igp, asPath: [], ...attributes }, source });
  }

  unoriginate(prefix: Prefix): void {
    this.local.delete(formatPrefix(prefix));
  }

  /** Paths that may be selected. */
  candidates(key: string): NaivePath[] {
    const found: NaivePath[] = [];
    const prefix = this.prefixes.get(key);
    if (prefix === undefined) return found;
    const own = this.local.get(key);
    if (own !== undefined) {
      found.push({ prefix, pathId: 0, peer: undefined, source: own.source, attributes: own.attributes, weight: 0 });
    }
    for (const peer of this.peers) {
      for (const [pathId, attributes] of peer.ribIn.get(key) ?? []) {
        if (this.#hasLoop(peer, attributes)) continue;
        const verdict = evaluate(peer.settings.importPolicy, {
          family: familyOf(prefix),
          prefix,
          attributes,
          source: 'bgp',
          peer: policyPeer(peer),
        });
        if (!verdict.accept) continue;
        const { nextHop } = verdict.attributes;
        if (nextHop === undefined || this.options.own.some((address) => ipEquals(address, nextHop))) continue;
        if (this.options.metricOf(nextHop) === undefined) continue;
        const weight = verdict.weight ?? 0;
        found.push({ prefix, pathId, peer, source: 'bgp', attributes: verdict.attributes, weight });
      }
    }
    return found;
  }

  /** The best path. */
  best(key: string): NaivePath | undefined {
    return this.#bestOf(this.candidates(key));
  }

  /** The best `max` paths: the best one, then the best one had that one not been there, and so on. */
  bestSeveral(key: string, max: number): NaivePath[] {
    let left = this.candidates(key);
    const found: NaivePath[] = [];
    while (found.length < max) {
      const best = this.#bestOf(left);
      if (best === undefined) break;
      found.push(best);
      left = left.filter((path) => path !== best);
    }
    return found;
  }

  /** RFC 4271 §9.1.2.2 as an elimination, step by step. */
  #bestOf(candidates: readonly NaivePath[]): NaivePath | undefined {
    let left = [...candidates];
    const keepLowest = (value: (path: NaivePath) => number) => {
      const lowest = Math.min(...left.map(value));
      left = left.filter((path) => value(path) === lowest);
    };
    if (left.length === 0) return undefined;
    keepLowest((path) => (path.peer === undefined ? 0 : 1));
    keepLowest((path) => -path.weight);
    keepLowest((path) => -(path.attributes.localPref ?? 100));
    keepLowest((path) => asPathLength(path.attributes.asPath ?? []));
    keepLowest((path) => path.attributes.origin ?? 2);
    const before = left;
    left = before.filter(
      (path) =>
        !before.some(
          (other) =>
            (neighbourAs(other.attributes.asPath ?? []) ?? 0) === (neighbourAs(path.attributes.asPath ?? []) ?? 0) &&
            (other.attributes.med ?? 0) < (path.attributes.med ?? 0),
        ),
    );
    keepLowest((path) => (path.peer?.settings.kind === 'ibgp' ? 1 : 0));
    keepLowest((path) => (path.attributes.nextHop ? (this.options.metricOf(path.attributes.nextHop) ?? 0) : 0));
    keepLowest((path) => numberOf(path.attributes.originatorId ?? path.peer?.routerId ?? this.options.routerId));
    keepLowest((path) => path.attributes.clusterList?.length ?? 0);
    left.sort((a, b) => {
      if (a.peer === undefined || b.peer === undefined) return 0;
      return compareIp(a.peer.settings.address, b.peer.settings.address) || a.pathId - b.pathId;
    });
    return left[0];
  }

  /** What a peer should have been told, by prefix text: one path, or with ADD-PATH (RFC 7911) several in no particular order. */
  told(peer: NaivePeer): Map<string, PathAttributes[]> {
    const told = new Map<string, PathAttributes[]>();
    if (!peer.isUp) return told;
    for (const [key, { address }] of this.prefixes) {
      const family = address.version === 4 ? 'ipv4-unicast' : 'ipv6-unicast';
      const max = peer.hasPathIds === true ? (peer.settings.addPathMax?.[family] ?? Number.POSITIVE_INFINITY) : 1;
      const found = this.bestSeveral(key, max)
        .filter((path) => path.peer !== peer)
        .map((path) => this.#exported(path, peer))
        .filter((attributes) => attributes !== undefined);
      if (found.length > 0) told.set(key, found);
    }
    return told;
  }

  #hasLoop(peer: NaivePeer, attributes: PathAttributes): boolean {
    const { allowOwnAs = 0, kind } = peer.settings;
    const asns = (attributes.asPath ?? []).flatMap((segment) => segment.asns);
    if (asns.filter((asn) => asn === this.options.localAs).length > allowOwnAs) return true;
    if (kind === 'ebgp') return false;
    const { routerId, clusterId } = this.options;
    if (attributes.originatorId !== undefined && ipEquals(attributes.originatorId, routerId)) return true;
    return attributes.clusterList?.some((id) => ipEquals(id, clusterId)) === true;
  }

  #exported(path: NaivePath, to: NaivePeer): PathAttributes | undefined {
    const { kind, exportOnlyLocal, exportPolicy, routeReflectorClient, nextHop: mode = 'auto' } = to.settings;
    const from = path.peer;
    if (exportOnlyLocal === true && from !== undefined) return undefined;
    const isReflected = kind === 'ibgp' && from?.settings.kind === 'ibgp';
    if (isReflected && routeReflectorClient !== true && from.settings.routeReflectorClient !== true) return undefined;
    if (mayNotLeave(path.attributes, kind)) return undefined;
    const verdict = evaluate(exportPolicy, {
      family: familyOf(path.prefix),
      prefix: path.prefix,
      attributes: path.attributes,
      source: path.source,
      peer: policyPeer(to),
      learnedFrom: from === undefined ? undefined : policyPeer(from),
    });
    if (!verdict.accept || mayNotLeave(verdict.attributes, kind)) return undefined;
    const { nextHop: _, linkLocalNextHop: __, ...attributes } = { ...verdict.attributes };
    const self = selfAddress(to, path.prefix);
    const learned = verdict.attributes.nextHop;
    const wanted = verdict.nextHop ?? (mode === 'auto' ? (kind === 'ebgp' ? 'self' : 'unchanged') : mode);
    const nextHop = learned === undefined || wanted === 'self' ? self : learned;
    if (nextHop === undefined) return undefined;
    const told: { -readonly [K in keyof PathAttributes]: PathAttributes[K] } = { ...attributes, nextHop };
    if (kind === 'ebgp') {
      told.asPath = prependAsPath(told.asPath ?? [], to.settings.localAs, 1);
      delete told.localPref;
      delete told.originatorId;
      delete told.clusterList;
      const isOwnMed = from === undefined || told.med !== path.attributes.med;
      if (!isOwnMed && to.settings.exportMed !== true) delete told.med;
      const extended = told.extendedCommunities?.filter((community) => ((community[0] ?? 0) & 0x40) === 0);
      delete told.extendedCommunities;
      if (extended !== undefined && extended.length > 0) told.extendedCommunities = extended;
    } else {
      told.localPref ??= 100;
      if (isReflected) {
        told.originatorId ??= from.routerId;
        told.clusterList = [this.options.clusterId, ...(told.clusterList ?? [])];
      }
    }
    return told;
  }
}

/** Attributes as text that is the same for equal attributes. */
export function attributesKey(attributes: PathAttributes): string {
  const plain = (value: unknown): unknown => {
    if (value instanceof Uint8Array) return [...value].join('.');
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).filter(([, member]) => member !== undefined);
    return Object.fromEntries(
      entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, member]) => [name, plain(member)]),
    );
  };
  return JSON.stringify(plain(attributes));
}

function asReceived(attributes: PathAttributes, kind: 'ebgp' | 'ibgp'): PathAttributes {
  const { localPref, originatorId, clusterList, unknown, ...rest } = attributes;
  const kept = unknown
    ?.filter(({ flags }) => (flags & AttributeFlag.Transitive) !== 0)
    .map((attribute) => ({ ...attribute, flags: attribute.flags | AttributeFlag.Partial }));
  return {
    ...rest,
    ...(kept === undefined || kept.length === 0 ? {} : { unknown: kept }),
    ...(kind === 'ebgp'
      ? {}
      : {
          ...(localPref === undefined ? {} : { localPref }),
          ...(originatorId === undefined ? {} : { originatorId }),
          ...(clusterList === undefined ? {} : { clusterList }),
        }),
  };
}

function mayNotLeave(attributes: PathAttributes, kind: 'ebgp' | 'ibgp'): boolean {
  const has = (community: number) => attributes.communities?.includes(community) === true;
  if (has(WellKnownCommunity.NoAdvertise)) return true;
  return kind === 'ebgp' && (has(WellKnownCommunity.NoExport) || has(WellKnownCommunity.NoExportSubconfed));
}

function selfAddress(peer: NaivePeer, prefix: Prefix): IpAddress | undefined {
  const { nextHopSelf = {} } = peer.settings;
  if (prefix.address.version === 4) {
    return nextHopSelf.ipv4 ?? (peer.localAddress.version === 4 ? peer.localAddress : undefined);
  }
  if (nextHopSelf.ipv6 !== undefined) return nextHopSelf.ipv6;
  if (peer.localAddress.version === 6) return peer.localAddress;
  return { version: 6, octets: Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...peer.localAddress.octets]) };
}

function policyPeer(peer: NaivePeer): PolicyPeer {
  const { name, address, kind, remoteAs, localAs } = peer.settings;
  return { name, address, kind, remoteAs, localAs };
}

function familyOf(prefix: Prefix): FamilyName {
  return prefix.address.version === 4 ? 'ipv4-unicast' : 'ipv6-unicast';
}

function numberOf(address: IpAddress): number {
  const [a = 0, b = 0, c = 0, d = 0] = address.octets;
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}
