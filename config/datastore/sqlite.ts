import { type FSWatcher, watch as watchFile } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/result.ts';
import type { Datastore, Entry, LeaseId, Position, Revision, Snapshot, Step, WatchEvent } from './datastore.ts';
import { DatastoreError } from './errors.ts';
import { checkKey, checkPosition, checkPrefix, checkSteps, leaseMs } from './request.ts';
import { Sleepers } from './sleepers.ts';
import { SqliteFile, type SqliteFileOptions } from './sqlite-file.ts';

/** Settings of a {@link SqliteDatastore}; nothing is needed but the path. */
export interface SqliteOptions extends Partial<SqliteFileOptions> {
  readonly clock?: Clock;
  /** Milliseconds to wait for another process's transaction before giving up. */
  readonly busyMs?: number;
}

/** Milliseconds between looks at the file, should its notification have been missed. */
const lookMs = 1000;
/** The same where the kernel gives no notifications (no inotify watch left). */
const lookOftenMs = 100;
/** Changes read from the history at a time. */
const batchChanges = 256;

/**
 * A datastore in one SQLite file, for one machine: several processes may have it open. A commit is on its way at once to
 * the watches of this process and, by inotify on the file's directory, to those of others.
 *
 * SQLite's work is done in place, on the calling thread. Only waiting for
 * another process's lock is done by timer, so that sessions are served meanwhile.
 */
export class SqliteDatastore implements Datastore {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #busyMs: number;
  readonly #fileOptions: SqliteFileOptions;
  readonly #sleepers: Sleepers;
  #file: SqliteFile | undefined;
  #notifier: FSWatcher | undefined;
  #hasNotifier = false;
  /** Writes of this process: its own do not change SQLite's `data_version`. */
  #writes = 0;
  #isClosed = false;

  /**
   * Opens or makes the file.
   * @throws DatastoreError when it cannot be opened (`unavailable`, `denied`) or is something else (`broken`)
   */
  constructor(path: string, options: SqliteOptions = {}) {
    this.#path = resolve(path);
    this.#clock = options.clock ?? systemClock;
    this.#sleepers = new Sleepers(this.#clock);
    this.#busyMs = options.busyMs ?? 5000;
    this.#fileOptions = {
      isReadOnly: options.isReadOnly ?? false,
      isDurable: options.isDurable ?? false,
      historyRevisions: options.historyRevisions ?? 4096,
      maxPages: options.maxPages ?? 0,
    };
    try {
      this.#file = this.#open();
    } catch (error) {
      // A file that another process is just making opens at the first request.
      const problem = problemOf(error);
      if (!isBusy(error)) throw problem;
    }
  }

  async get(key: string): Promise<Entry | undefined> {
    checkKey(key);
    return this.#do((file, now) => file.get(key, now));
  }

  async list(prefix: string): Promise<Snapshot> {
    checkPrefix(prefix);
    return this.#do((file, now) => file.list(prefix, now));
  }

  async commit(steps: readonly Step[]): Promise<Revision> {
    checkSteps(steps);
    return this.#do((file, now) => file.commit(steps, now), true);
  }

  async grant(ttlSeconds: number): Promise<LeaseId> {
    const ttlMs = leaseMs(ttlSeconds);
    return this.#do((file, now) => file.grant(ttlMs, now), true);
  }

  async keepAlive(lease: LeaseId): Promise<void> {
    return this.#do((file, now) => file.keepAlive(lease, now), true);
  }

  async revoke(lease: LeaseId): Promise<void> {
    return this.#do((file, now) => file.revoke(lease, now), true);
  }

  async *watch(prefix: string, from: Position, signal: AbortSignal): AsyncGenerator<WatchEvent, void, undefined> {
    checkPrefix(prefix);
    checkPosition(from);
    let { storeId, revision } = from;
    let isAway = false;
    while (!signal.aborted && !this.#isClosed) {
      let events: readonly WatchEvent[] = [];
      let nextMs: number | undefined;
      let version = '';
      try {
        [events, nextMs, version] = await this.#do((file, now) => {
          const next = this.#fileOptions.isReadOnly ? undefined : file.sweep(now);
          const seen = this.#versionOf(file);
          const at = file.position();
          if (at.storeId !== storeId || revision > at.revision || revision < at.trimmed) {
            const snapshot = file.list(prefix, now);
            const was = storeId;
            ({ storeId, revision } = snapshot);
            return [[was === storeId ? { type: 'resync', snapshot } : { type: 'lost', was, snapshot }], next, seen];
          }
          const changes = file.changesAfter(revision, batchChanges);
          const last = changes.at(-1);
          if (last !== undefined) revision = last.type === 'put' ? last.entry.revision : last.revision;
          return [changes, next, seen] as const;
        });
      } catch (error) {
        const problem = problemOf(error);
        if (problem.detail.code === 'closed') return;
        if (!isAway) yield { type: 'away', error: problem };
        isAway = true;
        await this.#sleep(lookMs, signal);
        continue;
      }
      if (isAway) yield { type: 'back' };
      isAway = false;
      for (const event of events) {
        if (signal.aborted || this.#isClosed) return;
        const key = event.type === 'put' ? event.entry.key : event.type === 'delete' ? event.key : prefix;
        if (key.startsWith(prefix)) yield event;
      }
      if (events.length === 0) await this.#sleepUntilChanged(version, nextMs, signal);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#notifier?.close();
    this.#notifier = undefined;
    this.#wake();
    this.#file?.close();
    this.#file = undefined;
  }

  #open(): SqliteFile {
    return new SqliteFile(this.#path, this.#fileOptions, this.#clock.wallMs());
  }

  /** Runs one transaction, waiting by timer while another process holds the lock. */
  async #do<T>(fn: (file: SqliteFile, nowMs: number) => T, isWrite = false): Promise<T> {
    const deadline = this.#clock.nowMs() + this.#busyMs;
    for (;;) {
      if (this.#isClosed) throw new DatastoreError({ code: 'closed' });
      try {
        // A file that was replaced under its name is another store, and is used from now on.
        if (this.#file !== undefined && !this.#file.isInPlace) {
          this.#file.close();
          this.#file = undefined;
        }
        this.#file ??= this.#open();
        const result = fn(this.#file, this.#clock.wallMs());
        if (isWrite) {
          this.#writes += 1;
          this.#wake();
        }
        return result;
      } catch (error) {
        if (!isBusy(error) || this.#clock.nowMs() >= deadline) throw problemOf(error);
      }
      await new Promise<void>((done) => this.#clock.setTimer(2 + this.#clock.random() * 10, done));
    }
  }

  #versionOf(file: SqliteFile): string {
    return `${file.dataVersion()}.${this.#writes}`;
  }

  #wake(): void {
    this.#sleepers.wake();
  }

  /** Sleeps until the file may have changed, a lease may have run out, or it is time to look. */
  async #sleepUntilChanged(version: string, nextMs: number | undefined, signal: AbortSignal): Promise<void> {
    this.#notify();
    // What was committed between reading and the notifier's start woke nobody.
    try {
      if (this.#file === undefined || this.#versionOf(this.#file) !== version) return;
    } catch {
      return; // The next request finds out what is wrong.
    }
    await this.#sleep(Math.min(this.#hasNotifier ? lookMs : lookOftenMs, nextMs ?? lookMs), signal);
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#isClosed) await this.#sleepers.sleep(ms, signal);
  }

  /** Starts the notifier, once: SQLite writes its log beside the file, so it is the directory that is watched. */
  #notify(): void {
    if (this.#notifier !== undefined || this.#isClosed) return;
    const name = basename(this.#path);
    try {
      this.#notifier = watchFile(dirname(this.#path), { persistent: false }, (_event, file) => {
        if (file === null || file.startsWith(name)) this.#wake();
      });
      this.#notifier.on('error', () => {
        this.#hasNotifier = false;
      });
      this.#hasNotifier = true;
    } catch {
      this.#hasNotifier = false;
    }
  }
}

/** SQLite's primary result codes that mean something to a user. */
const ResultCode = {
  Busy: 5,
  Locked: 6,
  ReadOnly: 8,
  IoError: 10,
  Corrupt: 11,
  Full: 13,
  CannotOpen: 14,
  NotADatabase: 26,
} as const;

function resultCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}

function isBusy(error: unknown): boolean {
  const code = resultCodeOf(error);
  return code === ResultCode.Busy || code === ResultCode.Locked;
}

/** What SQLite or the file system threw, in the words of all datastores. */
function problemOf(error: unknown): DatastoreError {
  if (error instanceof DatastoreError) return error;
  const reason = errorMessage(error);
  const errno = error instanceof Error && 'code' in error ? error.code : undefined;
  const code = resultCodeOf(error);
  if (code === undefined && typeof errno !== 'string') throw error;
  const make = (detail: ConstructorParameters<typeof DatastoreError>[0]) =>
    new DatastoreError(detail, { cause: error });
  if (errno === 'EROFS' || code === ResultCode.ReadOnly) return make({ code: 'read-only', reason });
  if (errno === 'EACCES' || errno === 'EPERM') return make({ code: 'denied', reason });
  if (errno === 'ENOSPC' || errno === 'EDQUOT' || code === ResultCode.Full) return make({ code: 'full', reason });
  if (code === ResultCode.Corrupt || code === ResultCode.NotADatabase) return make({ code: 'broken', reason });
  const outcome = code === ResultCode.IoError ? 'unknown' : 'not-done';
  const waited = isBusy(error) ? `another process holds the file: ${reason}` : reason;
  return make({ code: 'unavailable', reason: waited, outcome });
}
