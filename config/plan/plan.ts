import { err, ok, type Result } from '../../lib/result.ts';
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

/**
 * Compares two configurations of a cluster.
 * @returns the plan, or every problem of the second one
 */
export function planChange(before: ResourceSet, after: ResourceSet): Result<Plan, readonly Problem[]> {
  const old = compileAll(before);
  const now = compileAll(after);
  if (!now.ok) return now;
  // A configuration that was broken before had nothing in force that this could be compared with.
  const states = { old: old.ok ? old.value : [], now: now.value };
  const [oldStates, newStates] = [byName(states.old), byName(states.now)];
  const [reachBefore, reachAfter] = [reachOf(states.old), reachOf(states.now)];
  const names = [...new Set([...oldStates.keys(), ...newStates.keys()])].sort();
  const plans = names.map((name): NodePlan => {
    const [a, b] = [reachBefore.get(name), reachAfter.get(name)];
    const missing = [...(a?.nodes ?? [])].filter((node) => b?.nodes.has(node) !== true && reachAfter.has(node));
    const isOutside = (node: string) => b?.hasOutside === true && reachAfter.get(node)?.hasOutside === true;
    return {
      node: name,
      sessions: sessionChanges(oldStates.get(name), newStates.get(name)),
      gained: [...(b?.nodes ?? [])].filter((node) => a?.nodes.has(node) !== true).sort(),
      lost: missing.filter((node) => !isOutside(node)).sort(),
      onlyOutside: missing.filter(isOutside).sort(),
    };
  });
  const isChanged = ({ sessions, gained, lost, onlyOutside }: NodePlan) =>
    sessions.length + gained.length + lost.length + onlyOutside.length > 0;
  const disconnected = plans.flatMap(({ node, lost }) =>
    newStates.has(node) ? lost.map((to) => ({ from: node, to })) : [],
  );
  return ok({ nodes: plans.filter(isChanged), disconnected });
}

function byName(states: readonly DesiredState[]): Map<string, DesiredState> {
  return new Map(states.map((state) => [state.node.name, state]));
}

function compileAll(resources: ResourceSet): Result<readonly DesiredState[], readonly Problem[]> {
  const problems: Problem[] = [];
  const states: DesiredState[] = [];
  for (const { name } of resources.nodes) {
    const compiled = compile(resources, name);
    if (compiled.ok) states.push(compiled.value.state);
    else problems.push(...compiled.error);
  }
  return hasErrors(problems) ? err(uniqueProblems(problems)) : ok(states);
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
