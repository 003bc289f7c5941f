import { loadConfig, parseResources } from '../../config/load.ts';
import { type CompiledNodes, compileNodes, type Pause, type Plan, planChange } from '../../config/plan/plan.ts';
import { hasErrors, type Problem, uniqueProblems } from '../../config/problem.ts';
import type { ConfigurationSource } from '../../config/read.ts';
import { isKind } from '../../config/resources/table.ts';
import { nothingShared, type SharedConfig } from '../../config/shared.ts';
import type { ChangeResult } from '../../config/stored/stored-resources.ts';
import type { ApiProblem } from '../../lib/api.ts';
import type { ApiResource, ResourceChangesReply, ResourcesReply } from '../../lib/api-cluster.ts';
import { type ClusterSurface, ControlError } from '../api/control-surface.ts';
import type { Cluster } from './cluster.ts';
import { type IpamParts, ipamCheck, ipamReply } from './ipam-view.ts';
import { type NodeParts, nodeReply } from './node-view.ts';
import { apiResource } from './resource-view.ts';
import { orUnavailable } from './unavailable.ts';

/** What {@link clusterSurface} reads. */
export interface ClusterParts extends NodeParts, IpamParts {
  readonly source: ConfigurationSource;
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

function apiProblem(problem: Problem): ApiProblem {
  const { file, document, path, message, resource } = problem;
  return {
    message: resource === undefined || file.startsWith('store: ') ? message : `${resource}: ${message}`,
    ...(file === '' ? {} : { file }),
    ...(path === '' ? {} : { path }),
    ...(document === undefined ? {} : { document }),
  };
}

function byKindAndName(a: ApiResource, b: ApiResource): number {
  const [x, y] = [`${a.kind} ${a.name}`, `${b.kind} ${b.name}`];
  return x < y ? -1 : x > y ? 1 : 0;
}
