/**
 * Copies what is in the write-ahead log of a database back into its file, and ends. A thread of its own, since this is
 * where SQLite waits for the disk: behind an image that is being unpacked that may take long, and the daemon's loop has
 * keepalives to send. PASSIVE holds up neither readers nor the writer.
 */
import { DatabaseSync } from 'node:sqlite';
import { workerData } from 'node:worker_threads';

const { path } = workerData as { readonly path: string };
const db = new DatabaseSync(path);
try {
  db.exec('PRAGMA synchronous = NORMAL; PRAGMA wal_checkpoint(PASSIVE);');
} finally {
  db.close();
}
