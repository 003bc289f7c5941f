import type { FamilyName, Prefix } from 'bgp-ts';
import type { Cluster } from './cluster.ts';
import { inside, type NamedSets, notAll, PRIORITY_BASE, ruleMatches, toAction, toRange } from './compile-rule.ts';
import type {
  DesiredCommunity,
  DesiredMatch,
  DesiredPolicy,
  DesiredPolicyUse,
  DesiredPrefixSet,
  DesiredTerm,
  PolicyMode,
} from './desired-state.ts';
import {
  ALL_FILTER_LISTS,
  type BgpFilterResource,
  type BgpFilterRule,
  type BgpFilterSpec,
  FILTER_LISTS,
} from './resources/bgp-filter.ts';
import { community as readCommunity } from './values.ts';

/** Priority of a route that nothing else is said about. */
const NORMAL_PRIORITY = 1024;

type Direction = 'import' | 'export';

/** What a peer says about its policy. */
export interface PolicyRequest {
  readonly dialect: 'calico' | 'podroute';
  readonly kind: 'ebgp' | 'ibgp';
  readonly isReflector: boolean;
  /** Filters for this direction, in order. */
  readonly filters: readonly BgpFilterResource[];
  /** Verdict for what the filters leave open, where the peer says so. */
  readonly default: 'accept' | 'own' | 'reject' | undefined;
}

/** Makes policies and keeps each once. */
export class PolicyBook {
  readonly #cluster: Cluster;
  readonly #policies = new Map<string, DesiredPolicy>();
  /** Named sets are one object for all policies, so that each is prepared once. */
  readonly #prefixSets: ReadonlyMap<string, DesiredPrefixSet>;
  readonly #sets: NamedSets;
  /** Some filter looks at or sets the priority: then every Calico session carries it. */
  readonly #usesPriority: boolean;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    const { prefixSets, asPathSets, communitySets } = cluster.resources;
    this.#prefixSets = new Map(
      prefixSets.map(({ name, spec }) => [name, { name: `PrefixSet ${name}`, entries: spec.prefixes.map(toRange) }]),
    );
    this.#sets = {
      prefixes: (name) => this.#prefixSets.get(name) ?? { name, entries: [] },
      asPaths: (name) => asPathSets.find((set) => set.name === name)?.spec.patterns ?? [],
      communities: (name) => communitySets.find((set) => set.name === name)?.spec.communities ?? [],
    };
    this.#usesPriority = cluster.resources.filters.some(({ spec }) => allRules(spec).some(usesPriority));
  }

  /** All policies made so far, in order of name. */
  policies(): DesiredPolicy[] {
    return [...this.#policies.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  /** The policy of one direction of a peer. */
  use(direction: Direction, request: PolicyRequest): DesiredPolicyUse {
    const mode = modeOf(direction, request);
    const verdict = defaultOf(direction, request, mode);
    const name = policyName(direction, request, mode, verdict);
    if (!this.#policies.has(name)) this.#policies.set(name, this.#make(name, direction, request, mode, verdict));
    return { policy: name, mode };
  }

  #make(
    name: string,
    direction: Direction,
    request: PolicyRequest,
    mode: PolicyMode,
    verdict: 'accept' | 'own' | 'reject',
  ): DesiredPolicy {
    const terms = request.filters.flatMap((filter) => this.#filterTerms(filter, direction));
    if (request.dialect === 'calico' && this.#usesPriority) terms.unshift(...this.#priorityTerms(direction, request));
    if (direction === 'export' && verdict !== 'reject') terms.push(...this.#exportTerms(request, verdict));
    return {
      name,
      terms,
      default: verdict === 'accept' ? 'accept' : 'reject',
      defaultName: defaultName(direction, mode, verdict),
    };
  }

  #filterTerms(filter: BgpFilterResource, direction: Direction): DesiredTerm[] {
    return FILTER_LISTS[direction].flatMap((list) => {
      const family = familyOf(list);
      const normal = this.#normalPriority(family ?? 'ipv4-unicast');
      return (filter.spec[list] ?? []).map((rule, i): DesiredTerm => {
        const name = `BGPFilter ${filter.name}: ${list}[${i}]${rule.name === undefined ? '' : ` (${rule.name})`}`;
        return {
          name,
          matches: [
            ...(family === undefined ? [] : [{ type: 'family', family } as const]),
            ...ruleMatches(rule, name, normal, this.#sets),
            ...(rule.not === undefined ? [] : [notAll(ruleMatches(rule.not, name, normal, this.#sets))]),
          ],
          actions: (rule.operations ?? []).map(toAction),
          verdict: rule.action === 'Accept' ? 'accept' : rule.action === 'Reject' ? 'reject' : 'next',
        };
      });
    });
  }

  /** What follows the filters on export: pools that are not to be told, communities, and whose routes pass. */
  #exportTerms(request: PolicyRequest, verdict: 'accept' | 'own'): DesiredTerm[] {
    const { pools } = this.#cluster.resources;
    const hidden = pools.filter(({ spec }) => spec.disableBGPExport === true);
    const terms: DesiredTerm[] = hidden.map(({ name, spec }) => ({
      name: `IPPool ${name}: disableBGPExport`,
      matches: [{ type: 'prefix', set: inside(`IPPool ${name}`, [spec.cidr]) }],
      actions: [],
      verdict: 'reject',
    }));
    terms.push(...this.#communityTerms());
    if (verdict === 'accept') return terms;
    const own: DesiredMatch = { type: 'source', sources: ['network', 'pod-block', 'service'] };
    terms.push({ name: 'own routes', matches: [own], actions: [], verdict: 'accept' });
    if (request.dialect === 'calico' && request.isReflector) terms.push(...this.#reflectorTerms(request));
    return terms;
  }

  /** `prefixAdvertisements`: communities for prefixes inside a range. */
  #communityTerms(): DesiredTerm[] {
    const { prefixAdvertisements = [], communities = [] } = this.#cluster.configuration;
    return prefixAdvertisements.flatMap(({ cidr, communities: names = [] }, i): DesiredTerm[] => {
      const values = names.flatMap((name): DesiredCommunity[] => {
        const named = communities.find((candidate) => candidate.name === name)?.value;
        if (named !== undefined) return [named];
        const read = readCommunity(name);
        return read.ok ? [read.value] : [];
      });
      if (values.length === 0) return [];
      const name = `BGPConfiguration: prefixAdvertisements[${i}]`;
      const matches: DesiredMatch[] = [{ type: 'prefix', set: inside(name, [cidr]) }];
      return [{ name, matches, actions: [{ type: 'add-communities', communities: values }], verdict: 'next' }];
    });
  }

  /** A reflector of Calico passes on what is in pools and ranges of services; between iBGP peers everything if no pool is known. */
  #reflectorTerms({ kind }: PolicyRequest): DesiredTerm[] {
    if (kind === 'ibgp' && this.#cluster.resources.pools.length === 0) {
      return [
        { name: 'route reflector: everything, as there is no IPPool', matches: [], actions: [], verdict: 'accept' },
      ];
    }
    const set = inside('pools and services', this.#reflectedRanges());
    return [
      {
        name: 'route reflector: pools and services',
        matches: [{ type: 'prefix', set }],
        actions: [],
        verdict: 'accept',
      },
    ];
  }

  /** Pools, and ranges of services. */
  #reflectedRanges(): Prefix[] {
    const {
      serviceClusterIPs = [],
      serviceExternalIPs = [],
      serviceLoadBalancerIPs = [],
    } = this.#cluster.configuration;
    const pools = this.#cluster.resources.pools.filter(({ spec }) => spec.disableBGPExport !== true);
    return [
      ...pools.map(({ spec }) => spec.cidr),
      ...[...serviceClusterIPs, ...serviceExternalIPs, ...serviceLoadBalancerIPs].map(({ cidr }) => cidr),
    ];
  }

  /** Gives routes of normal priority the LOCAL_PREF that stands for it, so that they compare with those that a filter touched. */
  #priorityTerms(direction: Direction, request: PolicyRequest): DesiredTerm[] {
    const isNeeded = direction === 'import' ? request.kind === 'ebgp' : request.kind === 'ibgp';
    if (!isNeeded) return [];
    const own: DesiredMatch[] =
      direction === 'import' ? [] : [{ type: 'source', sources: ['network', 'pod-block', 'service'] }];
    return (['ipv4-unicast', 'ipv6-unicast'] as const).map((family) => ({
      name: `normal route priority (${family})`,
      matches: [{ type: 'family', family }, ...own],
      actions: [{ type: 'set-local-pref', value: PRIORITY_BASE - this.#normalPriority(family) }],
      verdict: 'next',
    }));
  }

  #normalPriority(family: FamilyName): number {
    const { ipv4NormalRoutePriority, ipv6NormalRoutePriority } = this.#cluster.configuration;
    return (family === 'ipv4-unicast' ? ipv4NormalRoutePriority : ipv6NormalRoutePriority) ?? NORMAL_PRIORITY;
  }
}

function familyOf(list: string): FamilyName | undefined {
  if (list.endsWith('V4')) return 'ipv4-unicast';
  return list.endsWith('V6') ? 'ipv6-unicast' : undefined;
}

function modeOf(direction: Direction, request: PolicyRequest): PolicyMode {
  if (request.dialect === 'calico') return 'calico';
  const hasRules = request.filters.some(({ spec }) => FILTER_LISTS[direction].some((list) => spec[list] !== undefined));
  if (request.default !== undefined || hasRules) return 'configured';
  return request.kind === 'ebgp' ? 'rfc8212' : 'ibgp';
}

function defaultOf(direction: Direction, request: PolicyRequest, mode: PolicyMode): 'accept' | 'own' | 'reject' {
  if (mode === 'calico') return direction === 'import' ? 'accept' : 'own';
  if (request.default !== undefined) return request.default;
  if (request.kind === 'ebgp') return 'reject'; // RFC 8212 §2
  return direction === 'import' || request.isReflector ? 'accept' : 'own';
}

function policyName(
  direction: Direction,
  request: PolicyRequest,
  mode: PolicyMode,
  verdict: 'accept' | 'own' | 'reject',
): string {
  const filters = request.filters.map(({ name }) => name);
  const kind = request.dialect === 'calico' ? ` ${request.kind}` : '';
  const reflector = request.dialect === 'calico' && request.isReflector && direction === 'export' ? ' reflector' : '';
  return `${mode} ${direction}${kind}${reflector}: ${[...filters, verdict].join(', ')}`;
}

function defaultName(direction: Direction, mode: PolicyMode, verdict: 'accept' | 'own' | 'reject'): string {
  switch (mode) {
    case 'calico':
      return direction === 'import' ? 'Calico: import everything' : 'Calico: export own routes only';
    case 'rfc8212':
      return `RFC 8212: eBGP peer without ${direction} policy`;
    case 'ibgp':
      if (direction === 'import') return 'iBGP: import everything';
      return verdict === 'accept' ? 'route reflector: export everything' : 'iBGP: export own routes only';
    case 'configured':
      return `policy.${direction}.default: ${verdict}`;
  }
}

function allRules(spec: BgpFilterSpec): BgpFilterRule[] {
  return ALL_FILTER_LISTS.flatMap((list): BgpFilterRule[] => spec[list] ?? []);
}

function usesPriority(rule: BgpFilterRule): boolean {
  return (
    rule.priority !== undefined ||
    rule.not?.priority !== undefined ||
    (rule.operations ?? []).some(({ setPriority }) => setPriority !== undefined)
  );
}
