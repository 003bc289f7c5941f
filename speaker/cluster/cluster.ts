import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Datastore } from '../../config/datastore/datastore.ts';
import { openDatastore } from '../../config/datastore/open.ts';
import type { DesiredDatastore } from '../../config/desired-state.ts';
import { RegisteredNodes } from '../../config/nodes/registered-nodes.ts';
import { Registrar } from '../../config/nodes/registrar.ts';
import { parseRegistration, type Registration, registrationKey } from '../../config/nodes/registration.ts';
import type { SharedConfig, SharedNode } from '../../config/shared.ts';
import { StoredResources } from '../../config/stored/stored-resources.ts';
import type { Clock, TimerHandle } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { errorMessage } from '../../lib/result.ts';
import { version } from '../../lib/version.ts';
import { readIfThere, replaceFile } from '../../lib/whole-file.ts';

/** How long a node's registration outlives it, in seconds. */
const LEASE_SECONDS = 30;
/** Changes that come together are applied together. */
const GATHER_MS = 100;

/** What a {@link Cluster} needs of its daemon. */
export interface ClusterOptions {
  readonly datastore: DesiredDatastore;
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** What this node registers. */
  self(): SharedNode;
  /** What the cluster shares is another than before. */
  changed(): void;
  /** This node was registered, or registered anew. */
  registered(): void;
}

/**
 * This node's part in its cluster: the store, the resources in it, and who else is there. What was known last outlives a restart,
 * so that a node which starts while the store is away does what it did before.
 */
export class Cluster {
  readonly store: Datastore;
  readonly resources: StoredResources;
  readonly nodes: RegisteredNodes;
  readonly registrar: Registrar;
  readonly #options: ClusterOptions;
  readonly #knownPath: string;
  #written = '';
  #timer: TimerHandle | undefined;

  /**
   * Opens the store; a server that does not answer is no reason not to.
   * @throws Error when the state directory or the store's file cannot be used
   */
  static async open(options: ClusterOptions): Promise<Cluster> {
    mkdirSync(options.stateDirectory, { recursive: true });
    const machine = machineId(join(options.stateDirectory, 'machine-id'));
    const path = join(options.stateDirectory, 'cluster.db');
    return new Cluster(options, await openDatastore(options.datastore.place, path, options.clock), machine);
  }

  private constructor(options: ClusterOptions, store: Datastore, machine: string) {
    const { clock, log, stateDirectory, datastore } = options;
    this.#options = options;
    this.store = store;
    this.#knownPath = join(stateDirectory, 'shared.json');
    const known = this.#readKnown();
    const changed = (): void => this.#changed();
    this.resources = new StoredResources({ store, clock, log, known: known.documents, changed });
    const graceMs = datastore.graceSeconds * 1000;
    this.nodes = new RegisteredNodes({ store, clock, log, graceMs, known: known.nodes, changed });
    const startedMs = clock.wallMs();
    this.registrar = new Registrar({
      store,
      clock,
      log,
      ttlSeconds: LEASE_SECONDS,
      current: (): Registration => ({ ...options.self(), machine, startedMs, version }),
      registered: () => options.registered(),
    });
  }

  /** What the store says now, or said when it was last seen. */
  shared(): SharedConfig {
    const nodes = this.nodes.nodes().map(({ registration }) => registration);
    return { documents: this.resources.documents(), nodes };
  }

  /** Why the store does not answer; undefined while it does. */
  get problem(): string | undefined {
    return this.resources.problem ?? this.nodes.problem;
  }

  /** Begins to read and to be registered; never throws for the store's sake. */
  start(): void {
    this.resources.start();
    this.nodes.start();
    this.registrar.start();
  }

  /** Ends it. The registration runs out by itself: a daemon that is restarted is not gone. */
  async close(): Promise<void> {
    this.#timer?.clear();
    this.resources.close();
    this.nodes.close();
    await this.registrar.close({ leave: false });
    await this.store.close();
  }

  #changed(): void {
    this.#timer ??= this.#options.clock.setTimer(GATHER_MS, () => {
      this.#timer = undefined;
      this.#remember();
      this.#options.changed();
    });
  }

  #readKnown(): { readonly documents: SharedConfig['documents']; readonly nodes: readonly Registration[] } {
    try {
      const text = readIfThere(this.#knownPath);
      if (text === undefined) return { documents: [], nodes: [] };
      const known = JSON.parse(text) as {
        documents: { name: string; text: string }[];
        nodes: Registration[];
      };
      const nodes = known.nodes.flatMap((node) => {
        const read = parseRegistration(registrationKey(node.name), JSON.stringify(node));
        return read.ok ? [read.value] : [];
      });
      return { documents: known.documents.map(({ name, text }) => ({ name, text })), nodes };
    } catch (error) {
      this.#options.log.warn('copy of the store', { path: this.#knownPath, reason: errorMessage(error) });
      return { documents: [], nodes: [] };
    }
  }

  #remember(): void {
    const text = JSON.stringify(this.shared());
    if (text === this.#written) return;
    try {
      replaceFile(this.#knownPath, 0o600, text);
      this.#written = text;
    } catch (error) {
      this.#options.log.warn('copy of the store', { path: this.#knownPath, reason: errorMessage(error) });
    }
  }
}

/** An id of this machine, made at the first start and kept. */
function machineId(path: string): string {
  const text = readIfThere(path)?.trim() ?? '';
  if (text !== '') return text.slice(0, 64);
  const id = randomUUID();
  replaceFile(path, 0o600, `${id}\n`);
  return id;
}
