import { fork } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SqliteDatastore } from '../../../../config/datastore/sqlite.ts';
import { collect, describeContract, problem, shortHistory } from '../../../support/datastore-contract.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { waitFor } from '../../../support/wait-for.ts';

function temporary(): string {
  return mkdtempSync(join(tmpdir(), 'podroute-datastore-'));
}

describeContract('SQLite', async () => {
  const directory = temporary();
  return {
    open: async () => new SqliteDatastore(join(directory, 'store.db'), { historyRevisions: shortHistory }),
    dispose: async () => rmSync(directory, { recursive: true }),
  };
});

describe('SQLite', () => {
  let directory: string;
  let path: string;
  let store: SqliteDatastore;
  beforeEach(() => {
    directory = temporary();
    path = join(directory, 'store.db');
    store = new SqliteDatastore(path);
  });
  afterEach(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
  });

  test('a change of another process reaches a watch, and both count without loss', async () => {
    const watch = collect(store, '', await store.list(''));
    const child = fork(join(import.meta.dirname, 'sqlite-process.ts'), [path, '50'], { stdio: 'inherit' });
    const ended = new Promise<number | null>((done) => child.once('exit', done));
    for (let done = 0; done < 50; ) {
      const entry = await store.get('n');
      const value = `${Number(entry?.value ?? '0') + 1}`;
      const put = store.commit([{ type: 'put', key: 'n', value, expect: entry?.revision ?? 'absent' }]);
      done += await put.then(
        () => 1,
        () => 0,
      );
      await new Promise((next) => setImmediate(next));
    }
    expect(await ended).toBe(0);
    expect((await store.get('n'))?.value).toBe('100');
    await watch.until(100);
    expect(watch.events.map((event) => event.type === 'put' && event.entry.value)).toEqual(
      Array.from({ length: 100 }, (_, n) => `${n + 1}`),
    );
    await watch.stop();
  });

  test('everything is there again after closing and opening', async () => {
    const revision = await store.commit([{ type: 'put', key: 'k', value: 'v', expect: 'absent' }]);
    const before = await store.list('');
    await store.close();
    store = new SqliteDatastore(path);
    expect(await store.list('')).toEqual(before);
    expect(before.entries).toEqual([{ key: 'k', value: 'v', revision }]);
  });

  test('a file replaced under its name is noticed: lost, and written back', async () => {
    const revision = await store.commit([{ type: 'put', key: 'k', value: 'v', expect: 'absent' }]);
    const from = await store.list('');
    const watch = collect(store, '', from);
    for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
    const lost = await watch.untilType('lost');
    expect(lost).toMatchObject({ was: from.storeId, snapshot: { entries: [] } });
    expect(lost.snapshot.storeId).not.toBe(from.storeId);
    const stale = store.commit([{ type: 'put', key: 'k', value: 'stale', expect: revision }]);
    expect(await problem(stale)).toMatchObject({ code: 'conflict', current: undefined });
    const again = await store.commit([{ type: 'put', key: 'k', value: 'v', expect: 'absent' }]);
    expect(again).toBeGreaterThan(0);
    expect((await watch.untilType('put')).entry.value).toBe('v');
    await watch.stop();
  });

  test('another process that holds the lock: unavailable after a time, served before it', async () => {
    const clock = new FakeClock();
    const patient = new SqliteDatastore(path, { clock, busyMs: 1000 });
    await patient.list('');
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    const step = { type: 'put', key: 'k', value: 'v', expect: 'absent' } as const;
    const first = patient.commit([step]).catch((error: unknown) => error);
    await waitFor('the wait', () => clock.pendingCount === 1);
    clock.advance(2000);
    expect(await first).toMatchObject({ detail: { code: 'unavailable', outcome: 'not-done' } });
    const second = patient.commit([step]);
    await waitFor('the wait', () => clock.pendingCount === 1);
    other.exec('COMMIT');
    clock.advance(20);
    const revision = await second;
    expect((await store.get('k'))?.revision).toBe(revision);
    // Readers are not held up by a writer.
    other.exec('BEGIN IMMEDIATE');
    expect(await patient.get('k')).toMatchObject({ value: 'v' });
    other.exec('ROLLBACK');
    other.close();
    await patient.close();
  });

  test('a watch says once that the store is away, and carries on', async () => {
    const from = await store.list('');
    const watch = collect(store, '', from);
    await store.commit([{ type: 'put', key: 'k', value: 'v', expect: 'absent' }]);
    await watch.until(1);
    renameSync(directory, `${directory}.away`);
    writeFileSync(directory, 'no directory');
    expect((await watch.untilType('away')).error.detail.code).toBe('unavailable');
    rmSync(directory);
    renameSync(`${directory}.away`, directory);
    await watch.untilType('back');
    await store.commit([{ type: 'put', key: 'l', value: 'w', expect: 'absent' }]);
    await waitFor('the change', () => watch.events.length === 4);
    expect(watch.events.map((event) => event.type)).toEqual(['put', 'away', 'back', 'put']);
    await watch.stop();
  });

  test('opened read-only it reads and watches, and refuses to write', async () => {
    const reader = new SqliteDatastore(path, { isReadOnly: true });
    const watch = collect(reader, '', await reader.list(''));
    const step = { type: 'put', key: 'k', value: 'v', expect: 'absent' } as const;
    expect(await problem(reader.commit([step]))).toMatchObject({ code: 'read-only' });
    expect(await problem(reader.grant(5))).toMatchObject({ code: 'read-only' });
    await store.commit([step]);
    expect(await reader.get('k')).toMatchObject({ value: 'v' });
    await watch.until(1);
    await watch.stop();
    await reader.close();
  });

  test('a full disk is said by name, and the store goes on', async () => {
    const value = 'x'.repeat(500_000);
    const small = new SqliteDatastore(path, { maxPages: 100 });
    const put = small.commit([{ type: 'put', key: 'k', value, expect: 'absent' }]);
    expect(await problem(put)).toMatchObject({ code: 'full' });
    expect(await small.get('k')).toBeUndefined();
    await small.commit([{ type: 'put', key: 'k', value: 'small', expect: 'absent' }]);
    await small.close();
  });

  const strange: readonly [string, (path: string) => void, RegExp][] = [
    ['no database', (file) => writeFileSync(file, 'x'.repeat(4096)), /not a database/],
    ['something else', (file) => new DatabaseSync(file).exec('CREATE TABLE t (a)'), /a database of something else/],
    [
      'a newer version',
      (file) =>
        new DatabaseSync(file).exec('CREATE TABLE t (a); PRAGMA application_id=1886545011; PRAGMA user_version=2'),
      /version 2 of the tables, and this program knows version 1/,
    ],
  ];
  test.each(strange)('a file that is %s is refused and left as it is', (_name, make, message) => {
    const file = join(directory, 'strange.db');
    make(file);
    expect(() => new SqliteDatastore(file)).toThrow(message);
  });

  describe('leases and time', () => {
    let clock: FakeClock;
    let timed: SqliteDatastore;
    beforeEach(() => {
      clock = new FakeClock();
      timed = new SqliteDatastore(join(directory, 'timed.db'), { clock });
    });
    afterEach(() => timed.close());

    async function bound(ttlSeconds: number): Promise<string> {
      const lease = await timed.grant(ttlSeconds);
      await timed.commit([{ type: 'put', key: 'k', value: '', expect: 'absent', lease }]);
      return lease;
    }

    test('one that ran out is not read, even before anybody ended it', async () => {
      await bound(10);
      clock.advance(9_999);
      expect(await timed.get('k')).toBeDefined();
      clock.advance(1);
      expect(await timed.get('k')).toBeUndefined();
      expect((await timed.list('')).entries).toEqual([]);
      await timed.commit([{ type: 'put', key: 'k', value: 'free', expect: 'absent' }]);
    });

    test.each([
      ['the store was away for', 3_600_000],
      ['the clock went back by', -3_600_000],
    ])('%s an hour: the lease has its whole time again', async (_name, ms) => {
      const lease = await bound(10);
      const later = new SqliteDatastore(join(directory, 'timed.db'), { clock: clockAt(ms) });
      expect(await later.get('k')).toBeDefined();
      await later.keepAlive(lease);
      expect(await later.get('k')).toMatchObject({ lease });
      await later.close();
    });

    test('a watch ends leases by itself', async () => {
      await bound(3);
      const watch = collect(timed, '', await timed.list(''));
      for (let n = 0; n < 4; n += 1) {
        await waitFor('the watch to sleep', () => clock.pendingCount === 1);
        expect(watch.events).toEqual([]);
        clock.advance(n < 3 ? 990 : 100);
      }
      await watch.until(1);
      expect(watch.events).toMatchObject([{ type: 'delete', key: 'k' }]);
      await watch.stop();
    });
  });
});

function clockAt(ms: number): FakeClock {
  return new (class extends FakeClock {
    override wallMs(): number {
      return super.wallMs() + ms;
    }
  })();
}
