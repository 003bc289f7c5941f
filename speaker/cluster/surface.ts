import { comparePrefix, formatIp, formatPrefix, type IpAddress, type Prefix, prefixContains } from 'bgp-ts';
import type { CniServer } from '../../cni/server.ts';
import { type BlockRecord, blocksPrefix, epochKey, parseRecord, toPrefix } from '../../config/blocks/records.ts';
import { DatastoreError } from '../../config/datastore/errors.ts';
import type { DesiredState } from '../../config/desired-state.ts';
import { loadConfig, parseResources } from '../../config/load.ts';
import { type CompiledNodes, compileNodes, type Pause, type Plan, planChange } from '../../config/plan/plan.ts';
import { printResources } from '../../config/print.ts';
import { formatPath, hasErrors, type Problem, uniqueProblems } from '../../config/problem.ts';
import type { ConfigurationSource } from '../../config/read.ts';
import { type AnyResource, isKind } from '../../config/resources/table.ts';
import { nothingShared, type SharedConfig, sharedNode } from '../../config/shared.ts';
import type { ChangeResult } from '../../config/stored/stored-resources.ts';
import type { ApiProblem } from '../../lib/api.ts';
import type {
  ApiClusterBlock,
  ApiClusterNode,
  ApiResource,
  IpamCheckReply,
  IpamReply,
  NodeReply,
  ResourceChangesReply,
  ResourcesReply,
} from '../../lib/api-cluster.ts';
import type { Clock } from '../../lib/clock.ts';
import { type ClusterSurface, ControlError } from '../api/control-surface.ts';
import type { NodeAddresses } from './addresses.ts';
import type { ClusterBlocks } from './blocks.ts';
import type { Cluster } from './cluster.ts';

/** What {@link clusterSurface} reads. */
export interface ClusterParts {
  readonly clock: Clock;
  readonly source: ConfigurationSource;
  readonly cluster: Cluster | undefined;
  readonly cni: CniServer | undefined;
  readonly addresses: Pick<NodeAddresses, 'reply'>;
  state(): DesiredState;
  blocks(): ClusterBlocks | undefined;
  /** Blocks in force that were claimed, not configured. */
  claimed(): readonly Prefix[];
}

/** The cluster as the control API sees it. */
export function clusterSurface(parts: ClusterParts): ClusterSurface {
  const open = (): Cluster => {
    if (parts.cluster !== undefined) return parts.cluster;
    throw new ControlError('unavailable', 'this daemon has no datastore: its log says why it could not be opened');
  };
  const shared = (): SharedConfig => parts.cluster?.shared() ?? nothingShared;
  const load = (documents: SharedConfig['documents']) =>
    loadConfig(parts.source.path, { ...shared(), documents }, parts.state().node.name, parts.source.detected);
  const pause: Pause = () => new Promise((resolve) => parts.clock.defer(resolve));
  /** What a set of stored documents means for every node, and everything that is wrong with it. */
  const compileAll = async (documents: SharedConfig['documents']): Promise<CompiledNodes> => {
    const { resources, problems } = await load(documents);
    if (hasErrors(problems)) return { states: [], problems };
    const compiled = await compileNodes(resources, pause);
    return { ...compiled, problems: uniqueProblems([...problems, ...compiled.problems]) };
  };
  /** What is wrong with stored documents, and who would be cut off by them from whom, unless that is wanted. */
  const checkChange =
    (force: boolean) =>
    async (documents: SharedConfig['documents']): Promise<readonly Problem[]> => {
      const after = await compileAll(documents);
      if (force || hasErrors(after.problems)) return after.problems;
      const before = await compileAll(shared().documents);
      return [...after.problems, ...cutOff(await planChange(before, after, pause))];
    };
  return {
    node: () => nodeReply(parts),
    resources: async ({ kind, name }): Promise<ResourcesReply> => {
      const { resources, problems } = await load(shared().documents);
      const chosen = resources.all.filter(
        (resource) =>
          (kind === undefined || isKind(resource.kind, kind)) && (name === undefined || resource.name === name),
      );
      return { resources: chosen.map((resource) => apiResource(resource, problems)).sort(byKindAndName) };
    },
    apply: ({ files, dryRun, force }) => answer(() => open().resources.apply(files, checkChange(force), { dryRun })),
    delete: ({ resources, dryRun, force }) =>
      answer(() => open().resources.remove(resources, checkChange(force), { dryRun })),
    plan: async ({ files }) => {
      const given = parseResources(files);
      const { documents } = shared();
      const isReplaced = (name: string) =>
        given.resources.some((resource) => name === `store: ${resource.kind} ${resource.name}`);
      const texts = given.resources.map((resource) => ({
        name: `store: ${resource.kind} ${resource.name}`,
        text: JSON.stringify(resource.raw),
      }));
      const after = await compileAll([...documents.filter(({ name }) => !isReplaced(name)), ...texts]);
      const problems = uniqueProblems([...given.problems, ...after.problems]);
      if (hasErrors(problems)) throw refused(problems);
      const { nodes, disconnected } = await planChange(await compileAll(documents), after, pause);
      return {
        nodes: nodes.map((plan) => ({
          ...plan,
          sessions: [...plan.sessions],
          gained: [...plan.gained],
          lost: [...plan.lost],
          onlyOutside: [...plan.onlyOutside],
        })),
        disconnected: [...disconnected],
        warnings: problems.map(apiProblem),
      };
    },
    ipam: () => ipamReply(parts, open()),
    ipamCheck: () => ipamCheck(parts, open()),
  };
}

/** A problem for each pair of nodes that a change would cut off, as far as a person reads. */
function cutOff({ disconnected }: Plan): Problem[] {
  const shown = disconnected.slice(0, 5).map(({ from, to }) => `${from} would no longer have the routes of ${to}`);
  const more = disconnected.length - shown.length;
  const lines = more > 0 ? [...shown, `and ${more} more`] : shown;
  const hint = '(bgpctl plan shows the whole, --force applies it all the same)';
  return lines.length === 0 ? [] : [{ severity: 'error', file: '', path: '', message: `${lines.join('; ')} ${hint}` }];
}

async function answer(change: () => Promise<ChangeResult>): Promise<ResourceChangesReply> {
  const result = await orUnavailable(change);
  if (hasErrors(result.problems)) throw refused(result.problems);
  return { applied: result.applied, changes: [...result.changes], warnings: result.problems.map(apiProblem) };
}

/** The errors among the problems, as an answer. */
function refused(problems: readonly Problem[]): ControlError {
  const errors = problems.filter(({ severity }) => severity === 'error');
  return new ControlError('invalid-config', 'nothing was changed', errors.map(apiProblem));
}

/** What the store refuses is no bug. */
async function orUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DatastoreError) throw new ControlError('unavailable', error.message);
    throw error;
  }
}

function apiProblem(problem: Problem): ApiProblem {
  const { file, document, path, message, resource } = problem;
  return {
    message: resource === undefined || file.startsWith('store: ') ? message : `${resource}: ${message}`,
    ...(file === '' ? {} : { file }),
    ...(path === '' ? {} : { path }),
    ...(document === undefined ? {} : { document }),
  };
}

function nodeReply({ cluster, clock, addresses, state }: ClusterParts): NodeReply {
  const { node, datastore } = state();
  const own = sharedNode(node);
  const now = clock.wallMs();
  const nodes = (cluster?.nodes.nodes() ?? []).map(({ registration, goneSinceMs }): ApiClusterNode => {
    const { machine: _, startedMs, version, asNumber, ...rest } = registration;
    const gone = goneSinceMs === undefined ? {} : { goneSeconds: (now - goneSinceMs) / 1000 };
    return { ...rest, asn: asNumber, version, startedAt: new Date(startedMs).toISOString(), ...gone };
  });
  const registered = cluster?.registrar.state;
  const { asNumber, ...rest } = own;
  return {
    node: { ...rest, asn: asNumber },
    addresses: addresses.reply(state()),
    store: {
      type: cluster === undefined ? 'none' : datastore.place.type === 'redis' ? 'redis' : 'sqlite',
      ...(cluster?.problem === undefined ? {} : { problem: cluster.problem }),
    },
    registration: {
      state: registered?.type ?? 'none',
      ...(registered !== undefined && 'reason' in registered ? { reason: registered.reason } : {}),
      ...(registered?.type === 'registered' ? { sinceSeconds: (now - registered.sinceMs) / 1000 } : {}),
    },
    nodes,
  };
}

function byKindAndName(a: ApiResource, b: ApiResource): number {
  const [x, y] = [`${a.kind} ${a.name}`, `${b.kind} ${b.name}`];
  return x < y ? -1 : x > y ? 1 : 0;
}

function apiResource(resource: AnyResource, problems: readonly Problem[]): ApiResource {
  const { kind, name, raw, spec, origin } = resource;
  const isStored = origin.file.startsWith('store: ');
  const source = isStored ? 'store' : origin.file.startsWith('registration of ') ? 'registration' : origin.file;
  const own = problems.filter(({ file, document }) => file === origin.file && document === origin.document);
  const written = kind === 'Secret' ? {} : raw['spec'];
  return {
    kind,
    name,
    apiVersion: String(raw['apiVersion']),
    source,
    text: printResources([resource], { secrets: 'hide' }),
    fields: leaves(written, []).map(({ path, value }) => {
      const text = formatPath(['spec', ...path]);
      const understood = path.reduce<unknown>(memberOf, spec);
      const note = own
        .filter((problem) => problem.path !== '' && text.startsWith(problem.path))
        .map(({ message }) => message);
      return {
        path: text,
        value: wordOf(understood) ?? wordOf(value) ?? JSON.stringify(value),
        ...(note.length === 0 ? {} : { note: note.join('; ') }),
      };
    }),
  };
}

/** Every value of a tree that has no values below it, lists of plain values as one. */
function leaves(
  value: unknown,
  path: readonly (string | number)[],
): { path: readonly (string | number)[]; value: unknown }[] {
  if (Array.isArray(value) && value.some((item) => typeof item === 'object' && item !== null)) {
    return value.flatMap((item, i) => leaves(item, [...path, i]));
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]));
  }
  return value === undefined || value === null ? [] : [{ path, value }];
}

function memberOf(at: unknown, key: string | number): unknown {
  if (typeof at !== 'object' || at === null) return undefined;
  return (at as Record<string | number, unknown>)[key];
}

/** A value of a resource in words, addresses and prefixes as people write them; nothing for what has no short form. */
function wordOf(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (Array.isArray(value)) {
    const words = value.map(wordOf);
    return words.includes(undefined) ? undefined : words.join(', ') || 'none';
  }
  if (typeof value !== 'object' || value === null) return String(value);
  if ('octets' in value && 'version' in value) return formatIp(value as IpAddress);
  if ('address' in value && 'length' in value) return formatPrefix(value as Prefix);
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  const [only] = entries;
  return entries.length === 1 && only?.[0] === 'address' ? wordOf(only[1]) : undefined;
}

interface StoredBlocks {
  readonly blocks: readonly { readonly block: string; readonly record: BlockRecord }[];
  readonly unreadable: readonly string[];
}

async function readBlocks(cluster: Cluster): Promise<StoredBlocks> {
  const { entries } = await orUnavailable(() => cluster.store.list(blocksPrefix));
  const read = entries.filter(({ key }) => key !== epochKey).map(({ key, value }) => parseRecord(key, value));
  return {
    blocks: read.flatMap((one) => (one.ok ? [one.value] : [])),
    unreadable: read.flatMap((one) => (one.ok ? [] : [one.error])),
  };
}

async function ipamReply(parts: ClusterParts, cluster: Cluster): Promise<IpamReply> {
  const { blocks } = await readBlocks(cluster);
  const { pools, node } = parts.state();
  const own = new Map((parts.cni?.blocks() ?? []).map((block) => [formatPrefix(block.prefix), block]));
  const problem = parts.blocks()?.problem;
  return {
    pools: pools.map(({ name, prefix, blockLength, disabled }) => {
      const cidr = formatPrefix(prefix);
      const ofPool = blocks.filter(({ record }) => record.pool === cidr && record.holder.state !== 'free');
      const bits = Math.max(0, blockLength - prefix.length);
      return { name, cidr, blockLength, blocks: 2 ** Math.min(bits, 52), taken: ofPool.length, disabled };
    }),
    blocks: blocks.map(({ block, record }): ApiClusterBlock => {
      const { holder } = record;
      const owner = holder.state === 'free' ? undefined : holder.owner;
      const here = owner === node.name ? own.get(block) : undefined;
      return {
        block,
        pool: record.pool,
        state: holder.state,
        ...(owner === undefined ? {} : { owner }),
        isOwn: owner === node.name,
        ...(here === undefined ? {} : { used: here.used, size: here.capacity }),
        lent: Object.entries(record.lent).map(([address, loan]) => ({ address, node: loan.node, handle: loan.handle })),
      };
    }),
    ...(problem === undefined ? {} : { problem }),
  };
}

/** What does not agree: blocks of the store among themselves, with what this node has in force, pods with blocks, kernel with pods. */
async function ipamCheck(parts: ClusterParts, cluster: Cluster): Promise<IpamCheckReply> {
  const { blocks, unreadable } = await readBlocks(cluster);
  const state = parts.state();
  const problems = [...unreadable];
  const taken = blocks
    .filter(({ record }) => record.holder.state !== 'free')
    .map(({ block, record }) => ({ prefix: toPrefix(block), block, record }));
  // In order of prefix, what lies inside a block follows it.
  const ordered = taken.toSorted((a, b) => comparePrefix(a.prefix, b.prefix));
  for (const [i, outer] of ordered.entries()) {
    for (let n = i + 1; n < ordered.length; n++) {
      const inner = ordered[n];
      if (inner === undefined || !prefixContains(outer.prefix, inner.prefix)) break;
      problems.push(`block ${inner.block} overlaps block ${outer.block}`);
    }
  }
  const mine = taken.filter(({ record }) => record.holder.state === 'owned' && record.holder.owner === state.node.name);
  const inForce = new Map(state.blocks.map(({ prefix }) => [formatPrefix(prefix), prefix]));
  const isClaiming = parts.blocks() !== undefined;
  for (const { block } of isClaiming ? mine : []) {
    if (!inForce.has(block)) problems.push(`block ${block} is this node's in the store, and not in force here`);
  }
  const owned = new Set(mine.map(({ block }) => block));
  for (const prefix of parts.claimed()) {
    const block = formatPrefix(prefix);
    if (!owned.has(block)) problems.push(`block ${block} is in force here, and in the store it is not this node's`);
  }
  const pods = parts.cni?.pods() ?? [];
  const seen = new Map<string, string>();
  for (const pod of pods) {
    for (const address of pod.addresses) {
      const text = formatIp(address);
      const other = seen.get(text);
      if (other !== undefined) problems.push(`${text} is held twice: by ${other} and ${pod.containerId}`);
      seen.set(text, pod.containerId);
      const isInside = [...inForce.values()].some((prefix) => prefixContains(prefix, address));
      const elsewhere = taken.find(({ prefix }) => prefixContains(prefix, address));
      const isLent = elsewhere?.record.lent[text]?.node === state.node.name;
      if (!isInside && !isLent) {
        const owner =
          elsewhere === undefined || elsewhere.record.holder.state === 'free'
            ? 'nobody'
            : elsewhere.record.holder.owner;
        problems.push(
          `${text} of pod ${pod.podName ?? pod.containerId} is in no block of this node; its block belongs to ${owner}`,
        );
      }
    }
  }
  for (const { block, record } of taken) {
    for (const [address, loan] of Object.entries(record.lent)) {
      if (loan.node === state.node.name && !seen.has(address)) {
        problems.push(`${address} of block ${block} is borrowed by this node, and no pod has it`);
      }
    }
  }
  const audit = (await parts.cni?.audit()) ?? { interfaces: 0, problems: [] };
  problems.push(...audit.problems);
  return {
    isClean: problems.length === 0,
    checked: { blocks: taken.length, pods: pods.length, interfaces: audit.interfaces },
    problems,
  };
}
