import { dirname } from 'node:path';
import type { DesiredState } from '../../config/desired-state.ts';
import {
  ConfigurationError,
  type ConfigurationSource,
  type ReadConfiguration,
  readConfiguration,
} from '../../config/read.ts';
import { nothingShared } from '../../config/shared.ts';
import { systemClock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { errorMessage } from '../../lib/result.ts';
import { Cluster, type ClusterOptions } from './cluster.ts';

/** Where what outlives a restart is kept. */
export function stateDirectoryOf(named: string | undefined, state: DesiredState): string {
  return named ?? dirname(state.cni.statePath);
}

/** The source with the node's name: once others are known, a name cannot be guessed any more. */
export function namedSource(source: ConfigurationSource, state: DesiredState): ConfigurationSource {
  return { ...source, node: state.node.name };
}

/** Opens the store. Where nobody asked for one, a directory that cannot be written is no reason not to start. */
export async function openCluster(
  state: DesiredState,
  options: Omit<ClusterOptions, 'datastore' | 'clock'>,
): Promise<Cluster | undefined> {
  try {
    return await Cluster.open({ ...options, datastore: state.datastore, clock: systemClock });
  } catch (error) {
    if (state.datastore.place.type !== 'default') throw error;
    options.log.warn('no datastore', { reason: errorMessage(error) });
    return undefined;
  }
}

/** The configuration with what the store said last; what of that does not fit any more is left out until the store is read. */
export async function withCopy(
  source: ConfigurationSource,
  files: ReadConfiguration,
  cluster: Cluster | undefined,
  log: Logger,
): Promise<ReadConfiguration> {
  const shared = cluster?.shared() ?? nothingShared;
  if (shared.documents.length + shared.nodes.length === 0) return files;
  try {
    return await readConfiguration(source, shared);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    for (const problem of error.lines) log.error('copy of the store not used', { problem });
    return files;
  }
}
