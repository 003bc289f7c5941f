import { chooseNodeName } from './cluster.ts';
import { compile } from './compile.ts';
import type { DesiredState } from './desired-state.ts';
import { loadConfig } from './load.ts';
import { formatProblem, hasErrors, type Problem } from './problem.ts';
import { type DetectedAddresses, nothingShared, type SharedConfig } from './shared.ts';

/** Where the configuration is, and whose. */
export interface ConfigurationSource {
  /** A YAML file or a directory of them. */
  readonly path: string;
  /** Name of the Node resource that is this machine, where it was given. */
  readonly node: string | undefined;
  readonly hostname: string;
  /** What the node found out about itself; with it `node` must be there. */
  readonly detected?: DetectedAddresses;
}

/** A configuration that cannot be used, with every problem in it. */
export class ConfigurationError extends Error {
  readonly problems: readonly Problem[];

  constructor(path: string, problems: readonly Problem[]) {
    const errors = problems.filter((problem) => problem.severity === 'error').length;
    super(`${path}: ${errors} problem${errors === 1 ? '' : 's'} in the configuration`);
    this.name = 'ConfigurationError';
    this.problems = problems;
  }

  /** One line a problem, for people. */
  get lines(): string[] {
    return this.problems.map(formatProblem);
  }
}

/** A configuration that can be used. */
export interface ReadConfiguration {
  readonly state: DesiredState;
  /** What its author should know, one line each. */
  readonly warnings: readonly string[];
}

/**
 * Reads a configuration and works out what it means for one node (`chooseNodeName` says which).
 * @param shared what the cluster adds to the files; with it `source.node` must be there
 * @throws ConfigurationError with every problem, warnings included
 */
export async function readConfiguration(
  source: ConfigurationSource,
  shared: SharedConfig = nothingShared,
): Promise<ReadConfiguration> {
  const { resources, problems } = await loadConfig(source.path, shared, source.node, source.detected);
  const node = chooseNodeName(resources, source.node, source.hostname);
  const compiled = compile(resources, node ?? source.hostname);
  const all = [...problems, ...(compiled.ok ? compiled.value.warnings : compiled.error)];
  if (!compiled.ok || hasErrors(all)) throw new ConfigurationError(source.path, all);
  return { state: compiled.value.state, warnings: all.map(formatProblem) };
}
