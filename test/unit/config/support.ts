import { compile } from '../../../config/compile.ts';
import type { DesiredPeer, DesiredPolicy, DesiredState } from '../../../config/desired-state.ts';
import { parseResources } from '../../../config/load.ts';
import { formatProblem } from '../../../config/problem.ts';
import { type SecretLookup, toResourceSet } from '../../../config/resource-set.ts';
import type { AnyResource } from '../../../config/resources/table.ts';

/** What reading a text gave: resources, errors and warnings as people see them. */
export interface Read {
  readonly resources: readonly AnyResource[];
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
}

/** Reads one file's text. */
export function read(text: string, file = 'test.yaml'): Read {
  const { resources, problems } = parseResources([{ name: file, text }]);
  const of = (severity: string) => problems.filter((problem) => problem.severity === severity).map(formatProblem);
  return { resources, errors: of('error'), warnings: of('warning') };
}

/** Reads a text that must be good, and compiles it. */
export function compileText(
  text: string,
  node: string,
  secrets: ReadonlyMap<string, SecretLookup> = new Map(),
): { state: DesiredState; warnings: string[] } {
  const { resources, errors } = read(text);
  if (errors.length > 0) throw new Error(errors.join('\n'));
  const result = compile(toResourceSet(resources, secrets), node);
  if (!result.ok) throw new Error(result.error.map(formatProblem).join('\n'));
  return { state: result.value.state, warnings: result.value.warnings.map(formatProblem) };
}

/** The desired state of a text that must be good. */
export function stateOf(text: string, node: string): DesiredState {
  return compileText(text, node).state;
}

/** The problems of a text that reads well and does not compile. */
export function compileErrors(text: string, node: string): string[] {
  const { resources, errors } = read(text);
  if (errors.length > 0) throw new Error(errors.join('\n'));
  const result = compile(toResourceSet(resources, new Map()), node);
  if (result.ok) throw new Error('it compiles');
  return result.error.filter(({ severity }) => severity === 'error').map(formatProblem);
}

/** A peer by name. */
export function peerOf(state: DesiredState, name: string): DesiredPeer {
  const peer = state.peers.find((candidate) => candidate.name === name);
  if (peer === undefined) throw new Error(`no peer ${name}, there are ${state.peers.map((p) => p.name).join(', ')}`);
  return peer;
}

/** The policy of one direction of a peer. */
export function policyOf(state: DesiredState, peer: string, direction: 'import' | 'export'): DesiredPolicy {
  const { importPolicy, exportPolicy } = peerOf(state, peer);
  const name = (direction === 'import' ? importPolicy : exportPolicy).policy;
  const policy = state.policies.find((candidate) => candidate.name === name);
  if (policy === undefined) throw new Error(`no policy ${name}`);
  return policy;
}

/** A resource as YAML: the spec as written, indented. */
export function resource(apiVersion: string, kind: string, name: string, spec: string, labels = '{}'): string {
  const indented = spec
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
  return `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: { name: ${name}, labels: ${labels} }\nspec:\n${indented}\n`;
}

/** Documents of one file. */
export function documents(...texts: readonly string[]): string {
  return texts.join('---\n');
}

/** A resource of Calico. */
export const calico = (kind: string, name: string, spec: string, labels?: string) =>
  resource('projectcalico.org/v3', kind, name, spec, labels);

/** A resource of podroute. */
export const podroute = (kind: string, name: string, spec: string, labels?: string) =>
  resource('podroute.io/v1', kind, name, spec, labels);
