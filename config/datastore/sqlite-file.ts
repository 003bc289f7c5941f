import { randomUUID } from 'node:crypto';
import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Entry, LeaseId, Position, Revision, Snapshot, Step } from './datastore.ts';
import { DatastoreError } from './errors.ts';
import { afterPrefix, awayMs, expiredAtOnce } from './shared.ts';

/** Marks the file as ours, in its `application_id`: "prds". */
const applicationId = 0x70726473;
/** Version of the tables, in the file's `user_version`. */
const schemaVersion = 1;

// `seen_ms` is when somebody last wrote: a longer silence than `awayMs` renews the leases instead of ending them.
// `changes` is the history that watches read; a row without a value is a deletion.
const schema = `
  CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1), store_id TEXT NOT NULL, revision INTEGER NOT NULL,
    trimmed INTEGER NOT NULL, seen_ms INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE leases (id TEXT PRIMARY KEY, ttl_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE entries (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, revision INTEGER NOT NULL, lease TEXT REFERENCES leases
  ) STRICT;
  CREATE INDEX entries_of ON entries (lease) WHERE lease IS NOT NULL;
  CREATE TABLE changes (
    revision INTEGER NOT NULL, key TEXT NOT NULL, value TEXT, lease TEXT, PRIMARY KEY (revision, key)
  ) STRICT, WITHOUT ROWID;
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${schemaVersion};
`;

/** One line of the history. */
export type Change =
  | { readonly type: 'put'; readonly entry: Entry }
  | { readonly type: 'delete'; readonly key: string; readonly revision: Revision };

/** How to open a {@link SqliteFile}. */
export interface SqliteFileOptions {
  /** Open it without being able to write; it must exist. */
  readonly isReadOnly: boolean;
  /** Wait for the disk at each commit, so that a power cut loses nothing; otherwise it may lose the last ones. */
  readonly isDurable: boolean;
  /** Revisions of history to keep for watches. */
  readonly historyRevisions: number;
  /** Largest size of the file, in pages of 4096 octets; 0 for no limit but the disk's. */
  readonly maxPages: number;
}

type Row = Record<string, unknown>;

/**
 * The tables of a datastore in one SQLite file: every method is one transaction, synchronous and without waiting for
 * locks (`SQLITE_BUSY` is thrown as SQLite gives it). `nowMs` is milliseconds since 1970.
 */
export class SqliteFile {
  readonly #db: DatabaseSync;
  readonly #historyRevisions: number;
  /** Device and inode, to notice a file that was replaced under its name. */
  readonly #identity: string;
  readonly #path: string;
  readonly #meta: StatementSync;
  readonly #get: StatementSync;
  readonly #list: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  readonly #record: StatementSync;
  readonly #advance: StatementSync;
  readonly #trim: StatementSync;
  readonly #changes: StatementSync;
  readonly #isLive: StatementSync;

  /**
   * Opens or makes the file (mode 0600) and its directory.
   * @throws DatastoreError `broken` when it is no datastore or was written by a newer version; otherwise what SQLite and
   *   the file system throw
   */
  constructor(path: string, options: SqliteFileOptions, nowMs: number) {
    this.#path = path;
    this.#historyRevisions = options.historyRevisions;
    if (!options.isReadOnly) {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      closeSync(openSync(path, 'a', 0o600));
    }
    this.#identity = identityOf(path) ?? '';
    this.#db = new DatabaseSync(path, { readOnly: options.isReadOnly, enableForeignKeyConstraints: true, timeout: 0 });
    try {
      if (!options.isReadOnly) {
        this.#db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${options.isDurable ? 'FULL' : 'NORMAL'}`);
      }
      if (options.maxPages > 0) this.#db.exec(`PRAGMA max_page_count = ${options.maxPages}`);
      this.#prepareTables(path, options.isReadOnly, nowMs);
      const prepare = (sql: string) => this.#db.prepare(sql);
      this.#meta = prepare('SELECT * FROM meta');
      const live = '(lease IS NULL OR EXISTS (SELECT 1 FROM leases WHERE id = lease AND expires_ms > ?))';
      this.#get = prepare(`SELECT * FROM entries WHERE key = ? AND ${live}`);
      this.#list = prepare(`SELECT * FROM entries WHERE key >= ? AND key < ? AND ${live} ORDER BY key`);
      this.#put = prepare(
        `INSERT INTO entries (key, value, revision, lease) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE
           SET value = excluded.value, revision = excluded.revision, lease = excluded.lease`,
      );
      this.#delete = prepare('DELETE FROM entries WHERE key = ?');
      this.#record = prepare('INSERT INTO changes (revision, key, value, lease) VALUES (?, ?, ?, ?)');
      this.#advance = prepare('UPDATE meta SET revision = ?, trimmed = max(trimmed, ?)');
      this.#trim = prepare('DELETE FROM changes WHERE revision <= ?');
      this.#changes = prepare('SELECT * FROM changes WHERE revision > ? ORDER BY revision, key LIMIT ?');
      this.#isLive = prepare('SELECT 1 FROM leases WHERE id = ?');
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  /** Whether the path still leads to this file. */
  get isInPlace(): boolean {
    return identityOf(this.#path) === this.#identity;
  }

  /** Changes whenever another connection, of this process or not, has committed. */
  dataVersion(): number {
    return integer(this.#db.prepare('PRAGMA data_version').get() ?? {}, 'data_version');
  }

  /** Where the store is, and the last revision that is no longer in the history. */
  position(): Position & { readonly trimmed: Revision } {
    const meta = this.#metaRow();
    return { storeId: meta.storeId, revision: meta.revision, trimmed: meta.trimmed };
  }

  get(key: string, nowMs: number): Entry | undefined {
    return this.#transaction('BEGIN', () => this.#read(key, this.#expiredBefore(nowMs)));
  }

  list(prefix: string, nowMs: number): Snapshot {
    return this.#transaction('BEGIN', () => {
      const { storeId, revision } = this.#metaRow();
      const rows = this.#list.all(prefix, afterPrefix(prefix), this.#expiredBefore(nowMs));
      return { storeId, revision, entries: rows.map(entryOf) };
    });
  }

  /** @returns history after `revision`, whole revisions only, at most some `most` changes */
  changesAfter(revision: Revision, most: number): readonly Change[] {
    const rows = this.#changes.all(revision, most);
    // A revision that the limit cut in two is left for the next call.
    const cut = rows.length === most ? integer(rows[rows.length - 1] ?? {}, 'revision') : undefined;
    const whole = rows.filter((row) => row['revision'] !== cut);
    return (whole.length > 0 ? whole : this.#changes.all(revision, -1).filter((row) => row['revision'] === cut)).map(
      changeOf,
    );
  }

  /** @throws DatastoreError `conflict`, `no-lease` */
  commit(steps: readonly Step[], nowMs: number): Revision {
    return this.#write(nowMs, () => {
      for (const step of steps) {
        const current = this.#read(step.key, 0);
        if ((current?.revision ?? 'absent') !== step.expect) {
          throw new DatastoreError({ code: 'conflict', key: step.key, wanted: step.expect, current });
        }
        if (step.type === 'put' && step.lease !== undefined) this.#requireLease(step.lease);
      }
      const revision = this.#metaRow().revision;
      const changes = steps.filter((step) => step.type !== 'check');
      if (changes.length === 0) return revision;
      this.#change(revision + 1, changes);
      return revision + 1;
    });
  }

  grant(ttlMs: number, nowMs: number): LeaseId {
    return this.#write(nowMs, () => {
      const id = randomUUID();
      this.#db.prepare('INSERT INTO leases (id, ttl_ms, expires_ms) VALUES (?, ?, ?)').run(id, ttlMs, nowMs + ttlMs);
      return id;
    });
  }

  /** @throws DatastoreError `no-lease` */
  keepAlive(lease: LeaseId, nowMs: number): void {
    this.#write(nowMs, () => {
      this.#requireLease(lease);
      this.#db.prepare('UPDATE leases SET expires_ms = ? + ttl_ms WHERE id = ?').run(nowMs, lease);
    });
  }

  revoke(lease: LeaseId, nowMs: number): void {
    this.#write(nowMs, () => this.#end(lease));
  }

  /**
   * Ends leases that ran out, and says that somebody looked.
   * @returns milliseconds until the next lease runs out, or `undefined` when there is none
   */
  sweep(nowMs: number): number | undefined {
    const next = this.#nextExpiryMs();
    if (next === undefined) return undefined;
    const isDue = next <= nowMs || Math.abs(nowMs - this.#metaRow().seenMs) > awayMs / 3;
    if (!isDue) return next - nowMs;
    this.#write(nowMs, () => {});
    const then = this.#nextExpiryMs();
    return then === undefined ? undefined : Math.max(0, then - nowMs);
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #nextExpiryMs(): number | undefined {
    const next = this.#db.prepare('SELECT min(expires_ms) AS next FROM leases').get()?.['next'];
    return typeof next === 'number' ? next : undefined;
  }

  #prepareTables(path: string, isReadOnly: boolean, nowMs: number): void {
    const number = (pragma: string) => integer(this.#db.prepare(`PRAGMA ${pragma}`).get() ?? {}, pragma);
    const isEmpty = () => this.#db.prepare('SELECT 1 FROM sqlite_schema').get() === undefined;
    if (!isReadOnly && isEmpty()) {
      this.#transaction('BEGIN IMMEDIATE', () => {
        if (!isEmpty()) return; // Another process was quicker.
        this.#db.exec(schema);
        // Revisions begin at the time of day, so that those of a file which this one replaces cannot come again.
        const insert = 'INSERT INTO meta (id, store_id, revision, trimmed, seen_ms) VALUES (1, ?, ?, ?, ?)';
        this.#db.prepare(insert).run(randomUUID(), Math.floor(nowMs), Math.floor(nowMs), Math.floor(nowMs));
      });
    }
    if (number('application_id') !== applicationId) {
      throw new DatastoreError({ code: 'broken', reason: `${path} is a database of something else` });
    }
    const version = number('user_version');
    if (version !== schemaVersion) {
      const reason = `${path} has version ${version} of the tables, and this program knows version ${schemaVersion}`;
      throw new DatastoreError({ code: 'broken', reason });
    }
  }

  /** A write transaction, which first ends the leases that ran out. */
  #write<T>(nowMs: number, fn: () => T): T {
    return this.#transaction('BEGIN IMMEDIATE', () => {
      const now = Math.floor(nowMs);
      const { seenMs } = this.#metaRow();
      if (expiredAtOnce(now, seenMs)) {
        this.#db.prepare('UPDATE leases SET expires_ms = ? + ttl_ms').run(now);
      } else {
        const due = this.#db.prepare('SELECT id FROM leases WHERE expires_ms <= ?').all(now);
        for (const row of due) this.#end(text(row, 'id'));
      }
      this.#db.prepare('UPDATE meta SET seen_ms = ?').run(now);
      return fn();
    });
  }

  /** Leases that end at or before this moment are over, though nobody may have ended them yet. */
  #expiredBefore(nowMs: number): number {
    return expiredAtOnce(nowMs, this.#metaRow().seenMs) ? 0 : Math.floor(nowMs);
  }

  #end(lease: LeaseId): void {
    const keys = this.#db.prepare('SELECT key FROM entries WHERE lease = ? ORDER BY key').all(lease);
    if (keys.length > 0) {
      const steps = keys.map((row) => ({ type: 'delete' as const, key: text(row, 'key') }));
      this.#change(this.#metaRow().revision + 1, steps);
    }
    this.#db.prepare('DELETE FROM leases WHERE id = ?').run(lease);
  }

  #change(revision: Revision, steps: readonly (Step | { readonly type: 'delete'; readonly key: string })[]): void {
    for (const step of steps) {
      if (step.type === 'put') {
        this.#put.run(step.key, step.value, revision, step.lease ?? null);
        this.#record.run(revision, step.key, step.value, step.lease ?? null);
      } else if (step.type === 'delete') {
        this.#delete.run(step.key);
        this.#record.run(revision, step.key, null, null);
      }
    }
    const trimmed = revision - this.#historyRevisions;
    this.#advance.run(revision, trimmed);
    this.#trim.run(trimmed);
  }

  #requireLease(lease: LeaseId): void {
    if (this.#isLive.get(lease) === undefined) throw new DatastoreError({ code: 'no-lease', lease });
  }

  #read(key: string, expiredBefore: number): Entry | undefined {
    const row = this.#get.get(key, expiredBefore);
    return row === undefined ? undefined : entryOf(row);
  }

  #metaRow() {
    const row = this.#meta.get();
    if (row === undefined) throw new DatastoreError({ code: 'broken', reason: `${this.#path} has no meta row` });
    return {
      storeId: text(row, 'store_id'),
      revision: integer(row, 'revision'),
      trimmed: integer(row, 'trimmed'),
      seenMs: integer(row, 'seen_ms'),
    };
  }

  #transaction<T>(begin: 'BEGIN' | 'BEGIN IMMEDIATE', fn: () => T): T {
    this.#db.exec(begin);
    try {
      const result = fn();
      this.#db.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }
}

function identityOf(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? undefined : `${stats.dev}:${stats.ino}`;
}

function entryOf(row: Row): Entry {
  const lease = row['lease'];
  const entry = { key: text(row, 'key'), value: text(row, 'value'), revision: integer(row, 'revision') };
  return typeof lease === 'string' ? { ...entry, lease } : entry;
}

function changeOf(row: Row): Change {
  if (row['value'] === null) return { type: 'delete', key: text(row, 'key'), revision: integer(row, 'revision') };
  return { type: 'put', entry: entryOf(row) };
}

function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value === 'string') return value;
  throw new DatastoreError({ code: 'broken', reason: `column ${column} is ${typeof value}, must be text` });
}

function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value === 'number') return value;
  throw new DatastoreError({ code: 'broken', reason: `column ${column} is ${typeof value}, must be a number` });
}
