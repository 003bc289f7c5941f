import { comparePrefix, formatPrefix, type IpAddress, type Prefix, prefixEquals } from 'bgp-ts';
import { err, ok, type Result } from '../lib/result.ts';
import { contains, overlaps } from './cidr.ts';
import { assembleCluster, type Cluster, hashedRouterId, selectsNode } from './cluster.ts';
import { compilePeers, hasExplicitClients } from './compile-peers.ts';
import type {
  DesiredAddressDetection,
  DesiredBlock,
  DesiredCni,
  DesiredDatastore,
  DesiredFib,
  DesiredIpam,
  DesiredLog,
  DesiredNetwork,
  DesiredPool,
  DesiredState,
} from './desired-state.ts';
import { type Origin, Reporter } from './document.ts';
import { didYouMean, hasErrors, type Problem, uniqueProblems } from './problem.ts';
import type { ResourceSet } from './resource-set.ts';
import { ALL_FILTER_LISTS } from './resources/bgp-filter.ts';
import { defaultBlockLength } from './resources/ip-pool.ts';
import type { SpeakerSpec } from './resources/speaker.ts';
import { formatSelector } from './selector.ts';

/** Kernel protocol number of podroute's BGP and discard routes. */
const PROTOCOL = 177;
/** The kernel's main table. */
const MAIN_TABLE = 254;
const METRIC = 1024;
const DISCARD_METRIC = 4096;
const MAX_PATHS = 16;
const MAX_BLOCKS = 20;
/** How long a node may be away before others get what it had. */
const GRACE_SECONDS = 600;
const EXCLUDE_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers';

/** What a configuration means for one node, and what its author should know although it can be used. */
export interface Compiled {
  readonly state: DesiredState;
  readonly warnings: readonly Problem[];
}

/** What the resources mean for the node of that name. Pure; all problems at once. */
export function compile(resources: ResourceSet, nodeName: string): Result<Compiled, readonly Problem[]> {
  const problems: Problem[] = [];
  const cluster = assembleCluster(resources, nodeName, problems);
  checkPools(resources, problems);
  checkBlocks(resources, problems);
  checkSets(resources, problems);
  if (cluster === undefined) return err(problems);
  const state = compileState(cluster, problems);
  const once = uniqueProblems(problems);
  return hasErrors(once) ? err(once) : ok({ state, warnings: once });
}

function compileState(cluster: Cluster, problems: Problem[]): DesiredState {
  const { self, configuration, resources } = cluster;
  const speaker = speakerSpec(cluster);
  const { name, labels } = self.resource;
  const addressDetection = compileDetection(cluster, speaker);
  const routerId = compileRouterId(cluster, addressDetection, problems);
  const clusterId = self.clusterId ?? (hasExplicitClients(cluster) ? routerId : undefined);
  const pools = compilePools(cluster);
  const blocks = compileBlocks(cluster, pools);
  return {
    node: {
      name,
      asn: self.asn,
      confederationId: configuration.confederation?.identifier,
      routerId,
      clusterId,
      ipv4Address: self.ipv4Address,
      ipv6Address: self.ipv6Address,
      labels,
    },
    bgp: {
      listenPort: self.listenPort,
      listenAddresses: compileListenAddresses(cluster),
      multipath: {
        maxPaths: configuration.multipath?.maxPaths ?? MAX_PATHS,
        relaxAsPath: configuration.multipath?.relaxASPath ?? true,
      },
    },
    ...compilePeers(cluster, clusterId !== undefined, problems),
    originate: compileNetworks(cluster),
    blocks,
    pools,
    ipam: compileIpam(resources),
    fib: compileFib(cluster, speaker, clusterId, blocks, pools),
    cni: compileCni(speaker, clusterId, blocks, pools),
    api: { socketPath: speaker.api?.socket ?? '/run/podroute/podrouted.sock' },
    log: compileLog(cluster, speaker),
    datastore: compileDatastore(speaker),
    addressDetection,
  };
}

/** Speaker `default`, overlaid part by part with `node.SELF`. */
function speakerSpec(cluster: Cluster): SpeakerSpec {
  const find = (name: string) => cluster.resources.speakers.find((speaker) => speaker.name === name)?.spec ?? {};
  const [all, own] = [find('default'), find(`node.${cluster.self.name}`)];
  return {
    fib: { ...all.fib, ...own.fib },
    cni: { ...all.cni, ...own.cni },
    api: { ...all.api, ...own.api },
    log: { ...all.log, ...own.log },
    ...((own.addressDetection ?? all.addressDetection) && {
      addressDetection: { ...all.addressDetection, ...own.addressDetection },
    }),
    ...((own.datastore ?? all.datastore) && { datastore: own.datastore ?? all.datastore }),
  };
}

/**
 * A Node that says nothing of itself but its AS number gets an IPv4 address; one that has a router id and no address is meant to be without, as
 * where all links are unnumbered.
 */
function compileDetection({ self }: Cluster, { addressDetection }: SpeakerSpec): DesiredAddressDetection {
  const { routerID, ipv6Address } = self.resource.spec;
  const isAskedFor = addressDetection !== undefined;
  const isBare = routerID === undefined && ipv6Address === undefined;
  const detection = (method: string | undefined, otherwise: string) => ({
    method: method ?? otherwise,
    isAskedFor: method !== undefined && method !== 'none',
  });
  return {
    ipv4: detection(addressDetection?.ipv4, isAskedFor || isBare ? 'first-found' : 'none'),
    ipv6: detection(addressDetection?.ipv6, 'none'),
  };
}

function compileRouterId(cluster: Cluster, { ipv4 }: DesiredAddressDetection, problems: Problem[]): IpAddress {
  const { self } = cluster;
  const known = self.resource.spec.routerID ?? self.ipv4Address;
  if (known !== undefined) return known;
  // The daemon will find one, or say that it did not.
  if (ipv4.method !== 'none') return hashedRouterId(self.name);
  const report = new Reporter(self.resource.origin, `Node ${self.name}`);
  report.warn(['spec'], 'has neither an IPv4 address nor a router id: one is made of its name');
  problems.push(...report.problems);
  return hashedRouterId(self.name);
}

function compileListenAddresses({ configuration, self }: Cluster): IpAddress[] {
  if (configuration.listenAddresses !== undefined) return [...configuration.listenAddresses];
  if (configuration.bindMode !== 'NodeIP') return [];
  return [self.ipv4Address, self.ipv6Address].filter((address) => address !== undefined);
}

function compilePools(cluster: Cluster): DesiredPool[] {
  return cluster.resources.pools.map(({ name, spec }): DesiredPool => {
    const nodes = spec.nodeSelector;
    return {
      name,
      prefix: spec.cidr,
      blockLength: spec.blockSize ?? defaultBlockLength(spec.cidr.address.version),
      natOutgoing: spec.natOutgoing ?? false,
      disabled: spec.disabled ?? false,
      disableBgpExport: spec.disableBGPExport ?? false,
      selectsNode: nodes === undefined || selectsNode(nodes, cluster.self),
      namespaceSelector: spec.namespaceSelector && formatSelector(spec.namespaceSelector),
      allowedUses: spec.allowedUses ?? ['Workload', 'Tunnel'],
      assignmentMode: spec.assignmentMode ?? 'Automatic',
    };
  });
}

/** The node's own blocks: those its Node lists, and those whose affinity is confirmed. */
function compileBlocks({ self, resources }: Cluster, pools: readonly DesiredPool[]): DesiredBlock[] {
  const affine = resources.affinities.filter(({ spec }) => spec.node === self.name && spec.state === 'confirmed');
  const prefixes = [...(self.resource.spec.podCIDRs ?? []), ...affine.map(({ spec }) => spec.cidr)];
  const blocks = unique(prefixes).map((prefix): DesiredBlock => {
    const pool = pools.find((candidate) => contains(candidate.prefix, prefix));
    return {
      prefix,
      pool: pool?.name,
      advertise: pool?.disableBgpExport !== true,
      allocate: pool === undefined || isAllocatable(pool),
    };
  });
  return blocks;
}

function isAllocatable(pool: DesiredPool): boolean {
  return !pool.disabled && pool.assignmentMode === 'Automatic' && pool.allowedUses.includes('Workload');
}

/** Networks of the Node, and the ranges of services that every node advertises whole. */
function compileNetworks({ self, configuration }: Cluster): DesiredNetwork[] {
  const networks = new Map<string, DesiredNetwork>();
  for (const { cidr, discard } of self.resource.spec.networks ?? []) {
    networks.set(formatPrefix(cidr), { prefix: cidr, source: 'network', discard: discard ?? false });
  }
  if (self.resource.labels[EXCLUDE_LABEL] !== 'true') {
    const shared =
      configuration.serviceLoadBalancerAggregation === 'Disabled' ? [] : configuration.serviceLoadBalancerIPs;
    const external = [...(shared ?? []), ...(configuration.serviceExternalIPs ?? [])].filter(
      ({ cidr }) => !isSingle(cidr),
    );
    for (const { cidr } of [...(configuration.serviceClusterIPs ?? []), ...external]) {
      const text = formatPrefix(cidr);
      if (!networks.has(text)) networks.set(text, { prefix: cidr, source: 'service', discard: false });
    }
  }
  return [...networks.values()].sort((a, b) => comparePrefix(a.prefix, b.prefix));
}

function compileIpam(resources: ResourceSet): DesiredIpam {
  const spec = resources.ipam.find(({ name }) => name === 'default')?.spec ?? resources.ipam[0]?.spec ?? {};
  return {
    strictAffinity: spec.strictAffinity ?? false,
    maxBlocks: spec.maxBlocksPerHost === undefined || spec.maxBlocksPerHost === 0 ? MAX_BLOCKS : spec.maxBlocksPerHost,
    autoAllocateBlocks: spec.autoAllocateBlocks ?? true,
    cooldownSeconds: spec.ipCooldownSeconds ?? 0,
    reserved: unique(resources.reservations.flatMap((reservation) => reservation.spec.reservedCIDRs ?? [])),
  };
}

function compileFib(
  { configuration }: Cluster,
  { fib = {} }: SpeakerSpec,
  clusterId: IpAddress | undefined,
  blocks: readonly DesiredBlock[],
  pools: readonly DesiredPool[],
): DesiredFib {
  const metric = fib.metric ?? configuration.ipv4NormalRoutePriority ?? METRIC;
  const ipv6Metric = fib.metric ?? configuration.ipv6NormalRoutePriority ?? METRIC;
  const worst = Math.max(metric, ipv6Metric);
  const services = [
    ...(configuration.serviceClusterIPs ?? []),
    ...(configuration.serviceExternalIPs ?? []),
    ...(configuration.serviceLoadBalancerIPs ?? []),
  ];
  return {
    // a reflector without pods forwards nothing, and can run without rights to the kernel's tables
    enabled: fib.enabled ?? (clusterId === undefined || hasPods(blocks, pools)),
    table: fib.table ?? MAIN_TABLE,
    metric,
    ipv6Metric,
    discardMetric: fib.discardMetric ?? (worst < DISCARD_METRIC ? DISCARD_METRIC : worst + 1),
    discardType: fib.discardType ?? 'unreachable',
    protocol: fib.protocol ?? PROTOCOL,
    keepRoutes: fib.keepRoutes ?? true,
    nextHopObjects: fib.nextHopObjects ?? 'auto',
    neverInstall: unique(services.map(({ cidr }) => cidr)),
  };
}

function compileCni(
  { cni = {}, datastore }: SpeakerSpec,
  clusterId: IpAddress | undefined,
  blocks: readonly DesiredBlock[],
  pools: readonly DesiredPool[],
): DesiredCni {
  return {
    // The pools may come from the store later.
    enabled: cni.enabled ?? (hasPods(blocks, pools) || (datastore !== undefined && clusterId === undefined)),
    mtu: cni.mtu,
    socketPath: cni.socket ?? '/run/podroute/cni.sock',
    statePath: cni.state ?? '/var/lib/podroute/state.db',
  };
}

function compileDatastore({ datastore }: SpeakerSpec): DesiredDatastore {
  const graceSeconds = datastore?.graceSeconds ?? GRACE_SECONDS;
  if (datastore?.redis !== undefined) {
    const { url, sentinels, masterName, cluster, username, passwordFile, tls } = datastore.redis;
    const place = { type: 'redis', url, sentinels, masterName, cluster, username, passwordFile, tls } as const;
    return { graceSeconds, place };
  }
  if (datastore?.sqlite !== undefined) {
    return { graceSeconds, place: { type: 'sqlite', path: datastore.sqlite.path } };
  }
  return { graceSeconds, place: { type: 'default' } };
}

/** The node has blocks, or may take some. */
function hasPods(blocks: readonly DesiredBlock[], pools: readonly DesiredPool[]): boolean {
  return blocks.length > 0 || pools.some((pool) => pool.selectsNode && isAllocatable(pool));
}

function compileLog({ configuration }: Cluster, { log }: SpeakerSpec): DesiredLog {
  if (log?.level !== undefined) return { level: log.level };
  switch (configuration.logSeverityScreen) {
    case 'Trace':
    case 'Debug':
      return { level: 'debug' };
    case 'Warning':
    case 'Warn':
      return { level: 'warn' };
    case 'Error':
    case 'Fatal':
      return { level: 'error' };
    default:
      return { level: 'info' };
  }
}

/** Pools must not overlap: an address would belong to two. */
function checkPools({ pools }: ResourceSet, problems: Problem[]): void {
  for (const [i, pool] of pools.entries()) {
    const other = pools.slice(0, i).find((candidate) => overlaps(candidate.spec.cidr, pool.spec.cidr));
    if (other === undefined) continue;
    const report = new Reporter(pool.origin, `IPPool ${pool.name}`);
    const seen = `${formatPrefix(pool.spec.cidr)}: overlaps ${formatPrefix(other.spec.cidr)}`;
    report.error(['spec', 'cidr'], `${seen} of IPPool ${other.name}`);
    problems.push(...report.problems);
  }
}

/** The sets that filters name must be there. */
function checkSets({ filters, prefixSets, asPathSets, communitySets }: ResourceSet, problems: Problem[]): void {
  const kinds = [
    { field: 'prefixSets', kind: 'PrefixSet', sets: prefixSets },
    { field: 'asPathSets', kind: 'ASPathSet', sets: asPathSets },
    { field: 'communitySets', kind: 'CommunitySet', sets: communitySets },
  ] as const;
  for (const { name, spec, origin } of filters) {
    const report = new Reporter(origin, `BGPFilter ${name}`);
    for (const list of ALL_FILTER_LISTS) {
      for (const [i, rule] of (spec[list] ?? []).entries()) {
        for (const { field, kind, sets } of kinds) {
          const check = (wanted: readonly string[] | undefined, path: PropertyKey[]) => {
            for (const [n, set] of (wanted ?? []).entries()) {
              if (sets.some((candidate) => candidate.name === set)) continue;
              const meant = didYouMean(
                set,
                sets.map((candidate) => candidate.name),
              );
              const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
              report.error([...path, field, n], `there is no ${kind} ${JSON.stringify(set)}${hint}`);
            }
          };
          check(rule[field], ['spec', list, i]);
          check(rule.not?.[field], ['spec', list, i, 'not']);
        }
      }
    }
    problems.push(...report.problems);
  }
}

/** A block has one owner. */
function checkBlocks({ nodes, affinities }: ResourceSet, problems: Problem[]): void {
  const blocks: { prefix: Prefix; node: string; what: string; path: PropertyKey[]; origin: Origin }[] = [];
  for (const { name, spec, origin } of nodes) {
    for (const [i, prefix] of (spec.podCIDRs ?? []).entries()) {
      blocks.push({ prefix, node: name, what: `Node ${name}`, path: ['spec', 'podCIDRs', i], origin });
    }
  }
  for (const { name, spec, origin } of affinities) {
    if (spec.state !== 'confirmed') continue;
    blocks.push({ prefix: spec.cidr, node: spec.node, what: `BlockAffinity ${name}`, path: ['spec', 'cidr'], origin });
  }
  for (const [i, block] of blocks.entries()) {
    const other = blocks.slice(0, i).find((candidate) => {
      const isSame = candidate.node === block.node && prefixEquals(candidate.prefix, block.prefix);
      return !isSame && overlaps(candidate.prefix, block.prefix);
    });
    if (other === undefined) continue;
    const report = new Reporter(block.origin, block.what);
    report.error(block.path, `${formatPrefix(block.prefix)}: overlaps ${formatPrefix(other.prefix)} of ${other.what}`);
    problems.push(...report.problems);
  }
}

function isSingle(prefix: Prefix): boolean {
  return prefix.length === prefix.address.octets.length * 8;
}

function unique(prefixes: readonly Prefix[]): Prefix[] {
  const sorted = prefixes.toSorted(comparePrefix);
  return sorted.filter((prefix, i) => {
    const before = sorted[i - 1];
    return before === undefined || !prefixEquals(before, prefix);
  });
}
