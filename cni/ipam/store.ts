import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Clock } from '../../lib/clock.ts';
import { Checkpointer } from './checkpointer.ts';

/** Where an attachment stands. Only `ready` ones were ever reported to the runtime. */
export type AttachmentState = 'adding' | 'ready' | 'deleting';

/** One interface of one container. */
export interface AttachmentKey {
  readonly containerId: string;
  readonly ifName: string;
}

/** What is kept of an attachment. */
export interface Attachment extends AttachmentKey {
  readonly hostIfName: string;
  /** Name of the network configuration; GC is per network. */
  readonly network: string;
  readonly netns: string;
  readonly podNamespace?: string;
  readonly podName?: string;
  readonly defaultRoutes: boolean;
  /** Octets, as asked for; nothing means detected. */
  readonly mtu?: number;
  readonly state: AttachmentState;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  /** Known once the pod is wired. */
  readonly wired?: { readonly hostMac: string; readonly podMac: string; readonly mtu: number };
  /** Canonical text, IPv4 first. */
  readonly addresses: readonly string[];
}

/** Everything in the store. */
export interface StoreContents {
  readonly attachments: readonly Attachment[];
  /** Free addresses that were used before, the one released longest ago first. */
  readonly released: readonly { readonly address: string; readonly releasedMs: number }[];
  /** Blocks configured when the daemon last ran, as CIDR text. */
  readonly blocks: readonly string[];
}

/**
 * Keeps attachments and addresses. Every method is one atomic step: after a crash it happened whole or not at all.
 * Methods throw what the database throws (disk full, read-only file system).
 */
export interface IpamStore {
  load(): StoreContents;
  /**
   * Records an attachment and its addresses as held: as `adding`, the intent to wire it, or as `ready` one that was
   * found in the kernel. Throws if one of the addresses is held.
   */
  begin(attachment: Omit<Attachment, 'state' | 'wired'>, state: 'adding' | 'ready'): void;
  /** Records that the pod is wired: `ready`. */
  confirm(key: AttachmentKey, wired: NonNullable<Attachment['wired']>): void;
  /** Records the intent to unwire: `deleting`. */
  markDeleting(key: AttachmentKey): void;
  /** Forgets the attachment and frees its addresses. */
  release(key: AttachmentKey, releasedMs: number): void;
  saveBlocks(blocks: readonly string[]): void;
  /** Proves that a write gets through. */
  probe(): void;
  close(): void;
}

/** Version of the tables, in the file's `user_version`. */
const schemaVersion = 1;

// The primary key of `addresses` is what makes it impossible to hand out an address twice, and the foreign key what
// makes it impossible to forget a holder and keep its address.
const schema = `
  CREATE TABLE attachments (
    container_id TEXT NOT NULL, if_name TEXT NOT NULL, host_if_name TEXT NOT NULL UNIQUE, network TEXT NOT NULL,
    netns TEXT NOT NULL, pod_namespace TEXT, pod_name TEXT, default_routes INTEGER NOT NULL, mtu INTEGER,
    state TEXT NOT NULL CHECK (state IN ('adding', 'ready', 'deleting')), created_ms INTEGER NOT NULL,
    host_mac TEXT, pod_mac TEXT, wired_mtu INTEGER,
    PRIMARY KEY (container_id, if_name)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE addresses (
    address TEXT PRIMARY KEY, container_id TEXT, if_name TEXT, released_ms INTEGER,
    CHECK ((container_id IS NULL) = (released_ms IS NOT NULL) AND (container_id IS NULL) = (if_name IS NULL)),
    FOREIGN KEY (container_id, if_name) REFERENCES attachments
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX addresses_of ON addresses (container_id, if_name);
  CREATE TABLE blocks (position INTEGER PRIMARY KEY, prefix TEXT NOT NULL) STRICT;
  CREATE TABLE probe (id INTEGER PRIMARY KEY CHECK (id = 1), count INTEGER NOT NULL) STRICT;
  INSERT INTO probe VALUES (1, 0);
  PRAGMA user_version = ${schemaVersion};
`;

type Row = Record<string, unknown>;

/** Pages in the write-ahead log at which SQLite copies it back by itself, should the {@link Checkpointer} have failed. */
const largestLogPages = 16_384;

/**
 * The store in one SQLite file. WAL with `synchronous = NORMAL`: a transaction is in the kernel's hands when it returns,
 * so a killed process loses nothing. A power cut may lose the last steps but not the file, and takes the pods with it:
 * `FULL` would make every ADD wait for the disk twice to save what nobody needs, and `OFF` could leave a broken file.
 */
export class SqliteStore implements IpamStore {
  readonly #db: DatabaseSync;
  readonly #checkpointer: Checkpointer | undefined;
  readonly #insertAttachment: StatementSync;
  readonly #holdAddress: StatementSync;
  readonly #confirm: StatementSync;
  readonly #markDeleting: StatementSync;
  readonly #freeAddresses: StatementSync;
  readonly #deleteAttachment: StatementSync;
  readonly #probe: StatementSync;

  /**
   * Opens or makes the file (mode 0600) and its directory.
   * @param clock when to copy the log back from a thread; without it that happens within transactions
   * @throws Error when it cannot be opened, is no database or was written by a newer version
   */
  constructor(path: string, clock?: Clock) {
    this.#checkpointer = clock === undefined || path === ':memory:' ? undefined : new Checkpointer(path, clock);
    if (path !== ':memory:') {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      closeSync(openSync(path, 'a', 0o600));
    }
    this.#db = new DatabaseSync(path, { enableForeignKeyConstraints: true });
    try {
      this.#prepareFile(path);
      const prepare = (sql: string) => this.#db.prepare(sql);
      this.#insertAttachment = prepare(
        `INSERT INTO attachments (container_id, if_name, host_if_name, network, netns, pod_namespace, pod_name,
           default_routes, mtu, state, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      );
      this.#holdAddress = prepare(
        `INSERT INTO addresses (address, container_id, if_name) VALUES (?, ?, ?)
         ON CONFLICT (address) DO UPDATE SET container_id = excluded.container_id, if_name = excluded.if_name,
           released_ms = NULL WHERE container_id IS NULL`,
      );
      this.#confirm = prepare(
        `UPDATE attachments SET state = 'ready', host_mac = ?, pod_mac = ?, wired_mtu = ?
         WHERE container_id = ? AND if_name = ?`,
      );
      this.#markDeleting = prepare(`UPDATE attachments SET state = 'deleting' WHERE container_id = ? AND if_name = ?`);
      this.#freeAddresses = prepare(
        `UPDATE addresses SET container_id = NULL, if_name = NULL, released_ms = ?
         WHERE container_id = ? AND if_name = ?`,
      );
      this.#deleteAttachment = prepare('DELETE FROM attachments WHERE container_id = ? AND if_name = ?');
      this.#probe = prepare('UPDATE probe SET count = count + 1 WHERE id = 1');
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  load(): StoreContents {
    const addresses = new Map<string, string[]>();
    const released: { address: string; releasedMs: number }[] = [];
    for (const row of this.#rows('SELECT * FROM addresses ORDER BY released_ms, address')) {
      if (row['container_id'] === null) {
        released.push({ address: text(row, 'address'), releasedMs: integer(row, 'released_ms') });
        continue;
      }
      const key = `${text(row, 'container_id')}\0${text(row, 'if_name')}`;
      const held = addresses.get(key) ?? [];
      held.push(text(row, 'address'));
      addresses.set(key, held.sort(ipv4First));
    }
    const attachments = this.#rows('SELECT * FROM attachments ORDER BY created_ms, container_id, if_name').map((row) =>
      attachmentOf(row, addresses.get(`${text(row, 'container_id')}\0${text(row, 'if_name')}`) ?? []),
    );
    const blocks = this.#rows('SELECT prefix FROM blocks ORDER BY position').map((row) => text(row, 'prefix'));
    return { attachments, released, blocks };
  }

  begin(attachment: Omit<Attachment, 'state' | 'wired'>, state: 'adding' | 'ready' = 'adding'): void {
    const { containerId, ifName } = attachment;
    this.#atomically(() => {
      this.#insertAttachment.run(
        containerId,
        ifName,
        attachment.hostIfName,
        attachment.network,
        attachment.netns,
        attachment.podNamespace ?? null,
        attachment.podName ?? null,
        attachment.defaultRoutes ? 1 : 0,
        attachment.mtu ?? null,
        state,
        attachment.createdMs,
      );
      for (const address of attachment.addresses) {
        const { changes } = this.#holdAddress.run(address, containerId, ifName);
        if (Number(changes) !== 1) throw new Error(`${address} is held by another pod in the store`);
      }
    });
  }

  confirm(key: AttachmentKey, wired: NonNullable<Attachment['wired']>): void {
    this.#confirm.run(wired.hostMac, wired.podMac, wired.mtu, key.containerId, key.ifName);
    this.#checkpointer?.wrote();
  }

  markDeleting(key: AttachmentKey): void {
    this.#markDeleting.run(key.containerId, key.ifName);
    this.#checkpointer?.wrote();
  }

  release(key: AttachmentKey, releasedMs: number): void {
    this.#atomically(() => {
      this.#freeAddresses.run(Math.round(releasedMs), key.containerId, key.ifName);
      this.#deleteAttachment.run(key.containerId, key.ifName);
    });
  }

  saveBlocks(blocks: readonly string[]): void {
    this.#atomically(() => {
      this.#db.exec('DELETE FROM blocks');
      const insert = this.#db.prepare('INSERT INTO blocks (prefix) VALUES (?)');
      for (const prefix of blocks) insert.run(prefix);
    });
  }

  probe(): void {
    this.#probe.run();
    this.#checkpointer?.wrote();
  }

  close(): void {
    this.#checkpointer?.close();
    if (this.#db.isOpen) this.#db.close();
  }

  #prepareFile(path: string): void {
    this.#db.exec('PRAGMA busy_timeout = 2000; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    if (this.#checkpointer !== undefined) this.#db.exec(`PRAGMA wal_autocheckpoint = ${largestLogPages}`);
    const version = integer(this.#rows('PRAGMA user_version')[0] ?? {}, 'user_version');
    if (version === 0) this.#atomically(() => this.#db.exec(schema));
    else if (version !== schemaVersion) {
      throw new Error(`${path}: tables of version ${version}, this program knows version ${schemaVersion}`);
    }
  }

  #atomically(step: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      step();
      this.#db.exec('COMMIT');
      this.#checkpointer?.wrote();
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  #rows(sql: string): Row[] {
    return this.#db.prepare(sql).all();
  }
}

function attachmentOf(row: Row, addresses: readonly string[]): Attachment {
  const podNamespace = optionalText(row, 'pod_namespace');
  const podName = optionalText(row, 'pod_name');
  const hostMac = optionalText(row, 'host_mac');
  const podMac = optionalText(row, 'pod_mac');
  return {
    containerId: text(row, 'container_id'),
    ifName: text(row, 'if_name'),
    hostIfName: text(row, 'host_if_name'),
    network: text(row, 'network'),
    netns: text(row, 'netns'),
    ...(podNamespace === undefined ? {} : { podNamespace }),
    ...(podName === undefined ? {} : { podName }),
    defaultRoutes: integer(row, 'default_routes') === 1,
    ...(row['mtu'] === null ? {} : { mtu: integer(row, 'mtu') }),
    state: stateOf(text(row, 'state')),
    createdMs: integer(row, 'created_ms'),
    ...(hostMac === undefined || podMac === undefined
      ? {}
      : { wired: { hostMac, podMac, mtu: integer(row, 'wired_mtu') } }),
    addresses,
  };
}

function stateOf(value: string): AttachmentState {
  if (value === 'adding' || value === 'ready' || value === 'deleting') return value;
  throw new Error(`attachment state '${value}' in the store`);
}

function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw new Error(`column ${column} of the store is no text`);
  return value;
}

function optionalText(row: Row, column: string): string | undefined {
  return row[column] === null ? undefined : text(row, column);
}

function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== 'number') throw new Error(`column ${column} of the store is no number`);
  return value;
}

/** IPv4 addresses before IPv6 ones. */
function ipv4First(a: string, b: string): number {
  return Number(a.includes(':')) - Number(b.includes(':'));
}
