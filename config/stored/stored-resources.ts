import { createTwoFilesPatch } from 'diff';
import { Document } from 'yaml';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { type Datastore, Limits, type Step } from '../datastore/datastore.ts';
import { isProblem } from '../datastore/errors.ts';
import { Mirror } from '../datastore/mirror.ts';
import type { RawMap } from '../document.ts';
import { type ConfigFile, parseResources } from '../load.ts';
import { hasErrors, type Problem } from '../problem.ts';
import { type AnyResource, isKind } from '../resources/table.ts';

const prefix = 'resources/';
/** How often a change is begun anew because somebody else was faster. */
const ATTEMPTS = 5;

/** What becomes of one resource. */
export interface ResourceChange {
  readonly kind: string;
  readonly name: string;
  readonly action: 'created' | 'configured' | 'deleted' | 'unchanged';
  /** Unified diff of the YAML; empty where nothing changes. */
  readonly diff: string;
}

/** A change of stored resources: what it does, or every reason against it. Warnings come with both. */
export interface ChangeResult {
  readonly applied: boolean;
  readonly changes: readonly ResourceChange[];
  readonly problems: readonly Problem[];
}

/** Says what is wrong with a set of stored documents, the files of this node and the other nodes considered. */
export type CheckDocuments = (documents: readonly ConfigFile[]) => Promise<readonly Problem[]>;

/** The resources that `bgpctl apply` put into the store. */
export class StoredResources {
  readonly #store: Datastore;
  readonly #log: Logger;
  readonly #mirror: Mirror;
  /** Resources that the store lost and nobody has written back yet, by key. */
  readonly #missing = new Map<string, string>();
  /** The copy of the last run, until the store was read. */
  #known: readonly ConfigFile[];

  constructor(options: {
    readonly store: Datastore;
    readonly clock: Clock;
    readonly log: Logger;
    readonly known?: readonly ConfigFile[];
    changed(): void;
  }) {
    this.#store = options.store;
    this.#log = options.log;
    this.#known = options.known ?? [];
    this.#mirror = new Mirror({
      ...options,
      prefix,
      lost: (before) => {
        for (const { key, value } of before) this.#missing.set(key, value);
      },
      changed: () => {
        for (const { key } of this.#mirror.entries()) this.#missing.delete(key);
        this.#writeBack();
        options.changed();
      },
    });
  }

  /** Why the store does not answer; undefined while it does. */
  get problem(): string | undefined {
    return this.#mirror.problem;
  }

  start(): void {
    this.#mirror.start();
  }

  close(): void {
    this.#mirror.close();
  }

  /** All stored resources, as files of one document each. */
  documents(): ConfigFile[] {
    if (!this.#mirror.isFilled) return [...this.#known];
    const entries = [...this.#mirror.entries(), ...[...this.#missing].map(([key, value]) => ({ key, value }))];
    return entries.map(documentOf);
  }

  /**
   * Puts the resources of a text into the store, all or none, once the whole was found good.
   * @throws DatastoreError when the store does not take it
   */
  async apply(
    files: readonly ConfigFile[],
    check: CheckDocuments,
    options: { readonly dryRun: boolean },
  ): Promise<ChangeResult> {
    const read = parseResources(files);
    const problems = [...read.problems, ...read.resources.flatMap(unfit)];
    if (hasErrors(problems)) return { applied: false, changes: [], problems };
    return this.#change(
      read.resources.map((resource) => ({ ...resource, value: JSON.stringify(withoutServerFields(resource.raw)) })),
      problems,
      check,
      options,
    );
  }

  /**
   * Takes resources out of the store, all or none.
   * @throws DatastoreError when the store does not take it
   */
  remove(
    places: readonly { readonly kind: string; readonly name: string }[],
    check: CheckDocuments,
    options: { readonly dryRun: boolean },
  ): Promise<ChangeResult> {
    return this.#change(
      places.map(({ kind, name }) => ({ kind, name, value: undefined })),
      [],
      check,
      options,
    );
  }

  async #change(
    wanted: readonly { readonly kind: string; readonly name: string; readonly value: string | undefined }[],
    problems: readonly Problem[],
    check: CheckDocuments,
    { dryRun }: { readonly dryRun: boolean },
  ): Promise<ChangeResult> {
    for (let attempt = 1; ; attempt++) {
      const { entries } = await this.#store.list(prefix);
      const stored = new Map(entries.map((entry) => [entry.key, entry]));
      const steps: Step[] = [];
      const changes: ResourceChange[] = [];
      const absent: Problem[] = [];
      const next = new Map(entries.map(({ key, value }) => [key, value]));
      for (const { kind, name, value } of wanted) {
        const known = [...stored.keys()].flatMap((key) => placeOf(key) ?? []);
        // What is deleted may be named as people do: bgppeers for BGPPeer.
        const place =
          value === undefined ? known.find((other) => isKind(other.kind, kind) && other.name === name) : { kind, name };
        if (place === undefined) {
          absent.push({
            severity: 'error',
            file: 'store',
            path: '',
            resource: `${kind} ${name}`,
            message: 'is not there',
          });
          continue;
        }
        const key = keyOf(place.kind, place.name);
        const before = stored.get(key);
        if (before?.value === value) {
          changes.push({ ...place, action: 'unchanged', diff: '' });
          continue;
        }
        changes.push({
          ...place,
          action: value === undefined ? 'deleted' : before === undefined ? 'created' : 'configured',
          diff: patch(`${place.kind} ${place.name}`, before?.value, value),
        });
        if (value === undefined) {
          next.delete(key);
          steps.push({ type: 'delete', key, expect: before?.revision ?? 0 });
        } else {
          next.set(key, value);
          steps.push({ type: 'put', key, value, expect: before?.revision ?? 'absent' });
        }
      }
      const documents = [...next].map(([key, value]) => documentOf({ key, value }));
      const found = [...problems, ...absent, ...(absent.length > 0 ? [] : await check(documents))];
      if (hasErrors(found)) return { applied: false, changes, problems: found };
      if (dryRun || steps.length === 0) return { applied: !dryRun, changes, problems: found };
      try {
        for (let at = 0; at < steps.length; at += Limits.steps) {
          await this.#store.commit(steps.slice(at, at + Limits.steps));
        }
        return { applied: true, changes, problems: found };
      } catch (error) {
        if (!isProblem(error, 'conflict') || attempt === ATTEMPTS) throw error;
      }
    }
  }

  /** After a loss everybody writes back what he knows: `absent` keeps it from being doubled. */
  #writeBack(): void {
    for (const [key, value] of this.#missing) {
      this.#store.commit([{ type: 'put', key, value, expect: 'absent' }]).then(
        () => this.#log.info('resource written back', { key }),
        () => undefined,
      );
    }
  }
}

function keyOf(kind: string, name: string): string {
  return `${prefix}${kind}/${encodeURIComponent(name)}`;
}

function placeOf(key: string): { kind: string; name: string } | undefined {
  const [, kind, name] = /^resources\/([^/]+)\/([^/]+)$/.exec(key) ?? [];
  return kind === undefined || name === undefined ? undefined : { kind, name: decodeURIComponent(name) };
}

function documentOf({ key, value }: { readonly key: string; readonly value: string }): ConfigFile {
  const place = placeOf(key);
  return { name: `store: ${place === undefined ? key : `${place.kind} ${place.name}`}`, text: value };
}

/** Resources that have no place in a store that all nodes can read. */
function unfit(resource: AnyResource): Problem[] {
  const { kind, name, origin } = resource;
  if (kind !== 'Secret' && kind !== 'Speaker') return [];
  const message =
    kind === 'Secret'
      ? `does not go into the store, where every node could read it: put it into a file of each node that needs it, or as ${name}/KEY into its secretsDirectory`
      : 'does not go into the store: it says where the store is, and belongs into a file of the node';
  const { file, document } = origin;
  return [{ severity: 'error', file, document, resource: `${kind} ${name}`, path: '', message }];
}

/** What a Kubernetes server adds to a resource that was read from it. */
const SERVER_METADATA = ['uid', 'resourceVersion', 'creationTimestamp', 'generation', 'managedFields', 'selfLink'];

function withoutServerFields({ status: _, ...raw }: RawMap): RawMap {
  const { metadata } = raw;
  if (typeof metadata !== 'object' || metadata === null) return raw;
  const kept = Object.entries(metadata).filter(([key]) => !SERVER_METADATA.includes(key));
  return { ...raw, metadata: Object.fromEntries(kept) };
}

function yamlOf(value: string): string {
  return new Document(JSON.parse(value)).toString({ lineWidth: 120 });
}

function patch(title: string, before: string | undefined, after: string | undefined): string {
  const text = (value: string | undefined) => (value === undefined ? '' : yamlOf(value));
  return createTwoFilesPatch(`${title} (stored)`, `${title} (new)`, text(before), text(after), undefined, undefined, {
    context: 3,
  }).replace(/^=+\n/, '');
}
