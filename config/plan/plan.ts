import { compile } from '../compile.ts';
import type { DesiredState } from '../desired-state.ts';
import { diffStates } from '../diff.ts';
import { hasErrors, type Problem, uniqueProblems } from '../problem.ts';
import type { ResourceSet } from '../resource-set.ts';
import { reachOf } from './propagation.ts';

/** A session that would come, go, or begin anew. */
export interface SessionChange {
  readonly peer: string;
  readonly action: 'add' | 'remove' | 'reset' | 'refresh';
  /** What is different, `holdSeconds: 90 -> 9`. */
  readonly detail?: string;
}

/** What a change would do to one node. */
export interface NodePlan {
  readonly node: string;
  readonly sessions: readonly SessionChange[];
  /** Nodes whose routes it would have, or no longer have. */
  readonly gained: readonly string[];
  readonly lost: readonly string[];
  /** Nodes whose routes it would no longer have from nodes, but may still have from routers outside. */
  readonly onlyOutside: readonly string[];
}

/** What a change would do. */
export interface Plan {
  /** Nodes that anything would change for, in order of name. */
  readonly nodes: readonly NodePlan[];
  /** Pairs of nodes that reached each other and would not any more. */
  readonly disconnected: readonly { readonly from: string; readonly to: string }[];
}

/** What a configuration means for each node, with everything that is wrong with it for any of them. */
export interface CompiledNodes {
  readonly states: readonly DesiredState[];
  readonly problems: readonly Problem[];
}

/** Lets others have the thread: the work for a node is done, that for the next one is not begun. */
export type Pause = () => Promise<void>;

/** Compiles a configuration for all its nodes. */
export async function compileNodes(resources: ResourceSet, pause: Pause): Promise<CompiledNodes> {
  const problems: Problem[] = [];
  const states: DesiredState[] = [];
  for (const { name } of resources.nodes) {
    const compiled = compile(resources, name);
    if (compiled.ok) states.push(compiled.value.state);
    problems.push(...(compiled.ok ? compiled.value.warnings : compiled.error));
    await pause();
  }
  return { states, problems: uniqueProblems(problems) };
}

/**
 * Compares two configurations of a cluster, the second one free of errors.
 * A first one that has errors had nothing in force that the second could be compared with.
 */
export async function planChange(before: CompiledNodes, after: CompiledNodes, pause: Pause): Promise<Plan> {
  const states = { old: hasErrors(before.problems) ? [] : before.states, now: after.states };
  const [oldStates, newStates] = [byName(states.old), byName(states.now)];
  const [reachBefore, reachAfter] = [await reachOf(states.old, pause), await reachOf(states.now, pause)];
  const names = [...new Set([...oldStates.keys(), ...newStates.keys()])].sort();
  const plans: NodePlan[] = [];
  for (const name of names) {
    const [a, b] = [reachBefore.get(name), reachAfter.get(name)];
    const missing = [...(a?.nodes ?? [])].filter((node) => b?.nodes.has(node) !== true && reachAfter.has(node));
    const isOutside = (node: string) => b?.hasOutside === true && reachAfter.get(node)?.hasOutside === true;
    plans.push({
      node: name,
      sessions: sessionChanges(oldStates.get(name), newStates.get(name)),
      gained: [...(b?.nodes ?? [])].filter((node) => a?.nodes.has(node) !== true).sort(),
      lost: missing.filter((node) => !isOutside(node)).sort(),
      onlyOutside: missing.filter(isOutside).sort(),
    });
    await pause();
  }
  const isChanged = ({ sessions, gained, lost, onlyOutside }: NodePlan) =>
    sessions.length + gained.length + lost.length + onlyOutside.length > 0;
  const disconnected = plans.flatMap(({ node, lost }) =>
    newStates.has(node) ? lost.map((to) => ({ from: node, to })) : [],
  );
  return { nodes: plans.filter(isChanged), disconnected };
}

function byName(states: readonly DesiredState[]): Map<string, DesiredState> {
  return new Map(states.map((state) => [state.node.name, state]));
}

function sessionChanges(before: DesiredState | undefined, after: DesiredState | undefined): SessionChange[] {
  const named = (state: DesiredState | undefined) =>
    [...(state?.peers ?? []), ...(state?.dynamicPeers ?? [])].map(({ name }) => name);
  if (before === undefined) return named(after).map((peer) => ({ peer, action: 'add' }));
  if (after === undefined) return named(before).map((peer) => ({ peer, action: 'remove' }));
  return diffStates(before, after).flatMap((change): SessionChange[] => {
    if (change.kind !== 'peer' && change.kind !== 'dynamic-peer') return [];
    const detail = change.detail === undefined ? {} : { detail: change.detail };
    if (change.action !== 'change') return [{ peer: change.name, action: change.action }];
    if (change.effect === 'reset' || change.effect === 'refresh') {
      return [{ peer: change.name, action: change.effect, ...detail }];
    }
    return [];
  });
}
