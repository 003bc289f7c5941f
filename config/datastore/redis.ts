import { randomUUID } from 'node:crypto';
import { Cluster, Redis } from 'ioredis';
import { type Clock, systemClock } from '../../lib/clock.ts';
import type { Datastore, Entry, LeaseId, Position, Revision, Snapshot, Step, WatchEvent } from './datastore.ts';
import { DatastoreError } from './errors.ts';
import { redisProblem } from './redis-errors.ts';
import { redisKeys, scripts } from './redis-scripts.ts';
import { checkKey, checkPosition, checkPrefix, checkSteps, leaseMs } from './request.ts';
import { afterPrefix } from './shared.ts';
import { Sleepers } from './sleepers.ts';

/** A server's name or address and its port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Where Redis is, and as whom it is spoken to. */
export interface RedisSettings {
  readonly place:
    | { readonly type: 'server'; readonly at: HostPort | { readonly path: string }; readonly db?: number }
    | { readonly type: 'sentinel'; readonly sentinels: readonly HostPort[]; readonly masterName: string }
    | { readonly type: 'cluster'; readonly nodes: readonly HostPort[] };
  readonly username?: string;
  readonly password?: string;
  /** PEM texts. */
  readonly tls?: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly serverName?: string;
  };
  /** Commits that watches can look back at. */
  readonly historyRevisions?: number;
  /** How long a request may take, in ms. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
}

type Client = Redis | Cluster;
type ScriptName = keyof typeof scripts;
type Reply = readonly string[];

/** Between looks at the store, should its notification have been missed: leases run out by somebody looking. */
const LOOK_MS = 1000;
/** Commits read at a time. */
const BATCH = 256;
/** Of a blocking read, after which it is asked again. */
const BLOCK_MS = 5000;
const TIMEOUT_MS = 3000;
const HISTORY = 4096;

/**
 * A datastore in Redis 6.2 or later: one server, a master watched by Sentinels, or a Cluster. Everything is under one hash tag
 * `{podroute}`; each step is a script that the server runs whole. Two connections: one for requests, and one
 * that waits for the stream of commits and wakes the watches.
 */
export class RedisDatastore implements Datastore {
  readonly #clock: Clock;
  readonly #client: Client;
  readonly #notifier: Client;
  readonly #timeoutMs: number;
  readonly #history: number;
  readonly #sleepers: Sleepers;
  /** Requests that wait for the connection. */
  readonly #waiting = new Set<() => void>();
  #isClosed = false;
  #isNotifying = false;
  /** How often commits were heard of. */
  #wakes = 0;
  #lastError: Error | undefined;

  /** Connects in the background. */
  constructor(settings: RedisSettings) {
    this.#clock = settings.clock ?? systemClock;
    this.#sleepers = new Sleepers(this.#clock);
    this.#timeoutMs = settings.timeoutMs ?? TIMEOUT_MS;
    this.#history = settings.historyRevisions ?? HISTORY;
    this.#client = connect(settings, this.#timeoutMs);
    this.#notifier = connect(settings, undefined);
    // As many requests as there are may wait for the connection.
    this.#client.setMaxListeners(0);
    this.#client.on('error', (error: Error) => {
      this.#lastError = error;
    });
    this.#notifier.on('error', () => undefined);
  }

  async get(key: string): Promise<Entry | undefined> {
    checkKey(key);
    const [, , revision, lease, value] = await this.#run('get', [key]);
    return revision === undefined ? undefined : entryOf(key, revision, lease as string, value as string);
  }

  async list(prefix: string): Promise<Snapshot> {
    checkPrefix(prefix);
    const [storeId, revision, ...rest] = await this.#run('list', [prefix, afterPrefix(prefix)]);
    const entries: Entry[] = [];
    for (let i = 0; i < rest.length; i += 4) {
      const [key, at, lease, value] = rest.slice(i, i + 4) as [string, string, string, string];
      entries.push(entryOf(key, at, lease, value));
    }
    return { storeId: storeId as string, revision: Number(revision), entries };
  }

  async commit(steps: readonly Step[]): Promise<Revision> {
    checkSteps(steps);
    const text = JSON.stringify(
      steps.map((step) => [
        step.type,
        step.key,
        String(step.expect),
        step.type === 'put' ? step.value : '',
        (step.type === 'put' ? step.lease : undefined) ?? '-',
      ]),
    );
    const [answer, first, ...rest] = await this.#run('commit', [text]);
    if (answer === 'ok') return Number(first);
    if (answer === 'no-lease') throw new DatastoreError({ code: 'no-lease', lease: first as string });
    const { key, expect } = steps[Number(first)] as Step;
    const [revision, lease, value] = rest;
    const current = revision === undefined ? undefined : entryOf(key, revision, lease as string, value as string);
    throw new DatastoreError({ code: 'conflict', key, wanted: expect, current });
  }

  async grant(ttlSeconds: number): Promise<LeaseId> {
    const lease = randomUUID();
    await this.#run('grant', [lease, String(leaseMs(ttlSeconds))]);
    return lease;
  }

  async keepAlive(lease: LeaseId): Promise<void> {
    const [answer] = await this.#run('keepAlive', [lease]);
    if (answer === 'no-lease') throw new DatastoreError({ code: 'no-lease', lease });
  }

  async revoke(lease: LeaseId): Promise<void> {
    await this.#run('revoke', [lease]);
  }

  async *watch(prefix: string, from: Position, signal: AbortSignal): AsyncGenerator<WatchEvent, void, undefined> {
    checkPrefix(prefix);
    checkPosition(from);
    let { storeId, revision } = from;
    this.#notify(revision);
    let isAway = false;
    while (!signal.aborted && !this.#isClosed) {
      let events: WatchEvent[] = [];
      let answer: string | undefined;
      const seen = this.#wakes;
      try {
        const [first, ...commits] = await this.#run('changes', [storeId, String(revision), String(BATCH)]);
        answer = first;
        if (answer === 'lost' || answer === 'resync') {
          const snapshot = await this.list(prefix);
          const was = storeId;
          ({ storeId, revision } = snapshot);
          events = [was === storeId ? { type: 'resync', snapshot } : { type: 'lost', was, snapshot }];
        } else {
          events = eventsOf(commits);
          if (commits.length > 0) revision = Number(commits.at(-2));
        }
      } catch (error) {
        if (!(error instanceof DatastoreError)) throw error;
        if (error.detail.code === 'closed') return;
        if (!isAway) yield { type: 'away', error };
        isAway = true;
        await this.#sleep(LOOK_MS, signal);
        continue;
      }
      if (isAway) yield { type: 'back' };
      isAway = false;
      for (const event of events) {
        if (signal.aborted || this.#isClosed) return;
        const key = event.type === 'put' ? event.entry.key : event.type === 'delete' ? event.key : prefix;
        if (key.startsWith(prefix)) yield event;
      }
      // What was committed while the answer was on its way woke nobody.
      if (answer === 'none' && seen === this.#wakes) await this.#sleep(LOOK_MS, signal);
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#wake();
    for (const done of [...this.#waiting]) done();
    this.#client.disconnect();
    this.#notifier.disconnect();
  }

  async #run(name: ScriptName, args: readonly string[]): Promise<Reply> {
    if (this.#isClosed) throw new DatastoreError({ code: 'closed' });
    await this.#ready();
    const isWrite = name !== 'get' && name !== 'list' && name !== 'changes';
    try {
      const command = (this.#client as unknown as Record<ScriptName, (...args: unknown[]) => Promise<Reply>>)[name];
      return await command.call(this.#client, ...redisKeys, randomUUID(), String(this.#history), ...args);
    } catch (error) {
      if (this.#isClosed) throw new DatastoreError({ code: 'closed' });
      throw redisProblem(error, isWrite);
    }
  }

  /** Waits for the connection; nothing is queued while there is none. */
  async #ready(): Promise<void> {
    const client = this.#client;
    if (client.status === 'ready') return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.clear();
        client.off('ready', done);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = this.#clock.setTimer(this.#timeoutMs, done);
      this.#waiting.add(done);
      client.once('ready', done);
    });
    if (this.#isClosed) throw new DatastoreError({ code: 'closed' });
    if ((client.status as string) === 'ready') return;
    const cause = this.#lastError;
    if (cause !== undefined) throw redisProblem(cause, false);
    throw new DatastoreError({ code: 'unavailable', reason: 'no connection to Redis', outcome: 'not-done' });
  }

  /** Waits for commits after a revision for as long as the store is open, and wakes the watches at each. */
  #notify(revision: Revision): void {
    if (this.#isNotifying) return;
    this.#isNotifying = true;
    const log = redisKeys[3] as string;
    const next = async (): Promise<void> => {
      let after = `${revision}-0`;
      while (!this.#isClosed) {
        try {
          if (this.#notifier.status !== 'ready') throw new Error('not connected');
          const found = await this.#notifier.xread('COUNT', BATCH, 'BLOCK', BLOCK_MS, 'STREAMS', log, after);
          const last = found?.[0]?.[1].at(-1)?.[0];
          if (last === undefined) continue;
          after = last;
        } catch {
          // The watches look by themselves meanwhile.
          after = '$';
          await new Promise<void>((resolve) => this.#clock.setTimer(LOOK_MS / 4, resolve));
        }
        this.#wake();
      }
    };
    next().catch(() => undefined);
  }

  #wake(): void {
    this.#wakes += 1;
    this.#sleepers.wake();
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#isClosed) await this.#sleepers.sleep(ms, signal);
  }
}

function entryOf(key: string, revision: string, lease: string, value: string): Entry {
  return { key, value, revision: Number(revision), ...(lease === '-' ? {} : { lease }) };
}

/** Commits as the `changes` script gives them: revision and JSON by turns. */
function eventsOf(commits: Reply): WatchEvent[] {
  const events: WatchEvent[] = [];
  for (let i = 0; i < commits.length; i += 2) {
    const revision = Number(commits[i]);
    // Lua writes an empty list as {}.
    const changes = JSON.parse(commits[i + 1] as string) as readonly [string, string, string, string][] | object;
    for (const [op, key, lease, value] of Array.isArray(changes) ? changes : []) {
      events.push(
        op === 'p'
          ? { type: 'put', entry: entryOf(key, String(revision), lease, value) }
          : { type: 'delete', key, revision },
      );
    }
  }
  return events;
}

function connect(settings: RedisSettings, commandTimeout: number | undefined): Client {
  const { place, username, password, tls } = settings;
  const timeoutMs = settings.timeoutMs ?? TIMEOUT_MS;
  const common = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined
      ? {}
      : {
          tls: {
            ...(tls.ca === undefined ? {} : { ca: tls.ca }),
            ...(tls.cert === undefined ? {} : { cert: tls.cert }),
            ...(tls.key === undefined ? {} : { key: tls.key }),
            ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
          },
        }),
    ...(commandTimeout === undefined ? {} : { commandTimeout }),
    connectTimeout: timeoutMs,
    // What could not be sent at once is refused, and what was not answered is not sent again.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    enableReadyCheck: true,
    keepAlive: 5000,
    retryStrategy: backoffMs,
    scripts: Object.fromEntries(
      Object.entries(scripts).map(([name, lua]) => [name, { lua, numberOfKeys: redisKeys.length }]),
    ),
  };
  if (place.type === 'cluster') {
    const { scripts: ours, retryStrategy: _, enableOfflineQueue: __, ...redisOptions } = common;
    return new Cluster([...place.nodes], {
      redisOptions,
      scripts: ours,
      enableOfflineQueue: false,
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      retryDelayOnTryAgain: 0,
      clusterRetryStrategy: backoffMs,
      slotsRefreshTimeout: timeoutMs,
    });
  }
  if (place.type === 'sentinel') {
    return new Redis({
      ...common,
      sentinels: [...place.sentinels],
      name: place.masterName,
      sentinelRetryStrategy: backoffMs,
      // Without these two the master is spoken to in the clear, password and all, though TLS was asked for.
      ...(common.tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: common.tls }),
      // A master that has become a replica is left.
      reconnectOnError: (error: Error) => (error.message.startsWith('READONLY') ? 1 : false),
    });
  }
  return new Redis({ ...common, ...place.at, ...(place.db === undefined ? {} : { db: place.db }) });
}

/** How long until a connection is tried again, in ms. */
function backoffMs(times: number): number {
  return Math.min(100 * 2 ** Math.min(times, 5), 2000);
}
