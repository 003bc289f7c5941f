import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Datastore, Limits, type Position, type WatchEvent } from '../../config/datastore/datastore.ts';
import { DatastoreError } from '../../config/datastore/errors.ts';
import { waitFor } from './wait-for.ts';

/** What the contract needs of an implementation. */
export interface DatastoreUnderTest {
  /** Opens the store once more: each call is another client of the same contents, with 16 revisions of history. */
  open(): Promise<Datastore>;
  /** Takes away what the test left. */
  dispose(): Promise<void>;
}

/** History that stores under test keep, in revisions (Redis may keep some more). */
export const shortHistory = 16;

/** Collects what a watch tells; `stop` ends it. */
export function collect(store: Datastore, prefix: string, from: Position) {
  const events: WatchEvent[] = [];
  const abort = new AbortController();
  const ended = (async () => {
    for await (const event of store.watch(prefix, from, abort.signal)) events.push(event);
  })();
  return {
    events,
    ended,
    /** Waits until there are `count` events. */
    async until(count: number): Promise<WatchEvent[]> {
      return waitFor(`${count} events, there are ${JSON.stringify(events)}`, () =>
        events.length >= count ? events : undefined,
      );
    },
    async untilType<T extends WatchEvent['type']>(type: T): Promise<Extract<WatchEvent, { type: T }>> {
      const isIt = (event: WatchEvent): event is Extract<WatchEvent, { type: T }> => event.type === type;
      return waitFor(`event ${type} among ${JSON.stringify(events)}`, () => events.find(isIt), 30_000);
    },
    async stop(): Promise<void> {
      abort.abort();
      await ended;
    },
  };
}

/** The error's detail. @throws when the promise resolves, or rejects with something else */
export async function problem(promise: Promise<unknown>): Promise<DatastoreError['detail']> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof DatastoreError) return error.detail;
    throw error;
  }
  throw new Error('expected a DatastoreError');
}

/** What every datastore promises, against real implementations. */
export function describeContract(name: string, make: () => Promise<DatastoreUnderTest>): void {
  describe(`${name}: contract`, () => {
    let subject: DatastoreUnderTest;
    let a: Datastore;
    let b: Datastore;
    beforeEach(async () => {
      subject = await make();
      a = await subject.open();
      b = await subject.open();
    });
    afterEach(async () => {
      await a.close();
      await b.close();
      await subject.dispose();
    });

    test('an entry is put, read by another client, changed, deleted', async () => {
      const first = await a.commit([{ type: 'put', key: 'c/one', value: '{"a":1}', expect: 'absent' }]);
      expect(await b.get('c/one')).toEqual({ key: 'c/one', value: '{"a":1}', revision: first });
      const second = await b.commit([{ type: 'put', key: 'c/one', value: '{"a":2}', expect: first }]);
      expect(second).toBeGreaterThan(first);
      expect(await a.get('c/one')).toEqual({ key: 'c/one', value: '{"a":2}', revision: second });
      await a.commit([{ type: 'delete', key: 'c/one', expect: second }]);
      expect(await b.get('c/one')).toBeUndefined();
    });

    const texts = ['', 'ä€🦊', 'a\nb "quoted" \\ \'single\'', 'x'.repeat(100_000), 'nul \0 inside', '12 34 abc'];
    test.each(texts.map((text) => [text.slice(0, 12), text]))('text %j comes back as it was', async (_name, text) => {
      const watch = collect(b, '', await b.list(''));
      const revision = await a.commit([{ type: 'put', key: 'k', value: text, expect: 'absent' }]);
      const entry = { key: 'k', value: text, revision };
      expect(await b.get('k')).toEqual(entry);
      expect((await b.list('')).entries).toEqual([entry]);
      expect(await watch.until(1)).toEqual([{ type: 'put', entry }]);
      await watch.stop();
    });

    const refused: readonly [string, 'absent' | 'right' | 'stale', 'absent' | 'right' | 'stale', boolean][] = [
      ['put over what is there', 'right', 'absent', true],
      ['put over an older revision', 'right', 'stale', true],
      ['put over what is gone', 'absent', 'stale', true],
      ['put over the right revision', 'right', 'right', false],
      ['put of what is absent', 'absent', 'absent', false],
    ];
    test.each(refused)('%s', async (_name, state, expectation, isRefused) => {
      const old = await a.commit([{ type: 'put', key: 'k', value: 'old', expect: 'absent' }]);
      const right = await a.commit([{ type: 'put', key: 'k', value: 'now', expect: old }]);
      if (state === 'absent') await a.commit([{ type: 'delete', key: 'k', expect: right }]);
      const wanted = expectation === 'absent' ? 'absent' : expectation === 'right' ? right : old;
      const current = state === 'absent' ? undefined : { key: 'k', value: 'now', revision: right };
      const put = b.commit([{ type: 'put', key: 'k', value: 'new', expect: wanted }]);
      if (isRefused) {
        expect(await problem(put)).toEqual({ code: 'conflict', key: 'k', wanted, current });
        expect(await a.get('k')).toEqual(current);
      } else {
        const revision = await put;
        expect(await a.get('k')).toEqual({ key: 'k', value: 'new', revision });
      }
    });

    test('a delete needs the right revision', async () => {
      const old = await a.commit([{ type: 'put', key: 'k', value: 'old', expect: 'absent' }]);
      const right = await a.commit([{ type: 'put', key: 'k', value: 'now', expect: old }]);
      expect(await problem(b.commit([{ type: 'delete', key: 'k', expect: old }]))).toMatchObject({ code: 'conflict' });
      await b.commit([{ type: 'delete', key: 'k', expect: right }]);
      expect(await problem(b.commit([{ type: 'delete', key: 'k', expect: right }]))).toEqual({
        code: 'conflict',
        key: 'k',
        wanted: right,
        current: undefined,
      });
    });

    test('a commit of several steps is whole or nothing, and has one revision', async () => {
      const revision = await a.commit([
        { type: 'put', key: 'a', value: '1', expect: 'absent' },
        { type: 'put', key: 'b', value: '2', expect: 'absent' },
      ]);
      expect((await b.list('')).entries.map((entry) => entry.revision)).toEqual([revision, revision]);
      const detail = await problem(
        b.commit([
          { type: 'put', key: 'a', value: 'x', expect: revision },
          { type: 'delete', key: 'b', expect: revision },
          { type: 'put', key: 'c', value: 'x', expect: 'absent' },
          { type: 'check', key: 'd', expect: revision },
        ]),
      );
      expect(detail).toEqual({ code: 'conflict', key: 'd', wanted: revision, current: undefined });
      expect(await a.list('')).toMatchObject({ revision, entries: [{ value: '1' }, { value: '2' }] });
      const next = await b.commit([
        { type: 'check', key: 'a', expect: revision },
        { type: 'delete', key: 'b', expect: revision },
        { type: 'put', key: 'c', value: '3', expect: 'absent' },
      ]);
      expect((await a.list('')).entries).toEqual([
        { key: 'a', value: '1', revision },
        { key: 'c', value: '3', revision: next },
      ]);
    });

    test('a commit of checks alone changes nothing', async () => {
      const before = await a.list('');
      expect(await a.commit([{ type: 'check', key: 'k', expect: 'absent' }])).toBe(before.revision);
      expect(await b.list('')).toEqual(before);
    });

    test('of many who want the same key one gets it', async () => {
      const tries = Array.from({ length: 20 }, (_, n) =>
        (n % 2 === 0 ? a : b).commit([{ type: 'put', key: 'block', value: `${n}`, expect: 'absent' }]),
      );
      const results = await Promise.allSettled(tries);
      expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
      const winner = results.findIndex((result) => result.status === 'fulfilled');
      expect((await a.get('block'))?.value).toBe(`${winner}`);
    });

    test('counting by compare-and-swap from two clients loses nothing', async () => {
      await a.commit([{ type: 'put', key: 'n', value: '0', expect: 'absent' }]);
      const add = async (store: Datastore) => {
        for (let done = 0; done < 25; ) {
          const entry = await store.get('n');
          if (entry === undefined) throw new Error('n is gone');
          const step = { type: 'put', key: 'n', value: `${Number(entry.value) + 1}`, expect: entry.revision } as const;
          try {
            await store.commit([step]);
            done += 1;
          } catch (error) {
            if (!(error instanceof DatastoreError) || error.detail.code !== 'conflict') throw error;
          }
        }
      };
      await Promise.all([add(a), add(b)]);
      expect((await a.get('n'))?.value).toBe('50');
    });

    test('a list is of its prefix, in order, at one revision', async () => {
      for (const key of ['node/b', 'node/a', 'nod', 'node', 'node0', 'node/a/x', 'node/~', 'p']) {
        await a.commit([{ type: 'put', key, value: key, expect: 'absent' }]);
      }
      const { entries, revision } = await b.list('node/');
      expect(entries.map((entry) => entry.key)).toEqual(['node/a', 'node/a/x', 'node/b', 'node/~']);
      expect(revision).toBe((await a.get('p'))?.revision);
      expect((await b.list('')).entries).toHaveLength(8);
      expect((await b.list('none')).entries).toEqual([]);
    });

    test('a watch tells changes of its prefix, in order, from its revision on', async () => {
      const r1 = await a.commit([{ type: 'put', key: 'x/1', value: 'before', expect: 'absent' }]);
      const from = await b.list('x/');
      const r2 = await a.commit([{ type: 'put', key: 'x/2', value: '2', expect: 'absent' }]);
      await a.commit([{ type: 'put', key: 'y/1', value: 'other', expect: 'absent' }]);
      const watch = collect(b, 'x/', from);
      await watch.until(1);
      const r3 = await a.commit([{ type: 'put', key: 'x/2', value: '3', expect: r2 }]);
      const r4 = await b.commit([{ type: 'delete', key: 'x/1', expect: r1 }]);
      expect(await watch.until(3)).toEqual([
        { type: 'put', entry: { key: 'x/2', value: '2', revision: r2 } },
        { type: 'put', entry: { key: 'x/2', value: '3', revision: r3 } },
        { type: 'delete', key: 'x/1', revision: r4 },
      ]);
      await watch.stop();
    });

    test('a change reaches a waiting watch of another client without being asked for', async () => {
      const watch = collect(b, '', await b.list(''));
      await a.commit([{ type: 'put', key: 'k0', value: '', expect: 'absent' }]);
      await watch.until(1);
      const delays: number[] = [];
      for (let n = 1; n <= 5; n += 1) {
        const start = performance.now();
        await a.commit([{ type: 'put', key: `k${n}`, value: '', expect: 'absent' }]);
        await waitFor('the change', () => watch.events.length > n, 10_000, 1);
        delays.push(performance.now() - start);
      }
      // A watch that polled once a second would take half of one on average.
      expect(delays.sort((x, y) => x - y)[2]).toBeLessThan(200);
      await watch.stop();
    });

    test('a watch whose history was trimmed tells a fresh list, then changes again', async () => {
      const from = await b.list('');
      let revision = await a.commit([{ type: 'put', key: 'k', value: '0', expect: 'absent' }]);
      // Redis trims its stream by whole nodes of a hundred entries.
      for (let n = 1; n <= 300; n += 1) {
        revision = await a.commit([{ type: 'put', key: 'k', value: `${n}`, expect: revision }]);
      }
      const watch = collect(b, '', from);
      expect(await watch.until(1)).toEqual([
        {
          type: 'resync',
          snapshot: { storeId: from.storeId, revision, entries: [{ key: 'k', value: '300', revision }] },
        },
      ]);
      const next = await a.commit([{ type: 'delete', key: 'k', expect: revision }]);
      expect((await watch.until(2))[1]).toEqual({ type: 'delete', key: 'k', revision: next });
      await watch.stop();
    });

    test('a watch from another store says that it was lost', async () => {
      const revision = await a.commit([{ type: 'put', key: 'k', value: 'v', expect: 'absent' }]);
      const { storeId } = await a.list('');
      const watch = collect(a, '', { storeId: 'another', revision: 5 });
      expect(await watch.until(1)).toEqual([
        {
          type: 'lost',
          was: 'another',
          snapshot: { storeId, revision, entries: [{ key: 'k', value: 'v', revision }] },
        },
      ]);
      await watch.stop();
    });

    test('entries vanish with their lease when it runs out, and watches hear it', async () => {
      const lease = await a.grant(1);
      const kept = await a.commit([{ type: 'put', key: 'kept', value: '', expect: 'absent' }]);
      await a.commit([
        { type: 'put', key: 'n/1', value: 'x', expect: 'absent', lease },
        { type: 'put', key: 'n/2', value: 'y', expect: 'absent', lease },
      ]);
      expect((await b.get('n/1'))?.lease).toBe(lease);
      const watch = collect(b, 'n/', await b.list('n/'));
      const events = await watch.until(2);
      expect(events.map((event) => event.type === 'delete' && event.key)).toEqual(['n/1', 'n/2']);
      expect((await a.list('')).entries).toEqual([{ key: 'kept', value: '', revision: kept }]);
      expect(await problem(a.keepAlive(lease))).toEqual({ code: 'no-lease', lease });
      await watch.stop();
    });

    test('a lease that is kept alive stays', async () => {
      const lease = await a.grant(1);
      const other = await a.grant(1);
      await a.commit([{ type: 'put', key: 'kept', value: '', expect: 'absent', lease }]);
      await a.commit([{ type: 'put', key: 'gone', value: '', expect: 'absent', lease: other }]);
      const watch = collect(b, '', await b.list(''));
      // Half a second more than the other lease lasts, renewed on the way.
      const start = performance.now();
      await waitFor('the other lease to run out and more', async () => {
        await a.keepAlive(lease);
        return watch.events.length > 0 && performance.now() - start > 1500;
      });
      expect(watch.events).toMatchObject([{ type: 'delete', key: 'gone' }]);
      expect(await b.get('kept')).toMatchObject({ lease });
      await watch.stop();
    });

    test('a revoked lease takes its entries at once; an entry put again without it stays', async () => {
      const lease = await a.grant(60);
      const r = await a.commit([
        { type: 'put', key: 'bound', value: '', expect: 'absent', lease },
        { type: 'put', key: 'freed', value: '', expect: 'absent', lease },
      ]);
      const freed = await b.commit([{ type: 'put', key: 'freed', value: 'mine', expect: r }]);
      await b.revoke(lease);
      expect((await a.list('')).entries).toEqual([{ key: 'freed', value: 'mine', revision: freed }]);
      await a.revoke(lease);
      const put = a.commit([{ type: 'put', key: 'late', value: '', expect: 'absent', lease }]);
      expect(await problem(put)).toEqual({ code: 'no-lease', lease });
      expect(await a.get('late')).toBeUndefined();
    });

    const tooLarge: readonly [string, () => Parameters<Datastore['commit']>[0], object][] = [
      [
        'a value',
        () => [{ type: 'put', key: 'k', value: 'ä'.repeat(Limits.valueOctets / 2 + 1), expect: 'absent' }],
        { what: 'value', size: Limits.valueOctets + 2, limit: Limits.valueOctets },
      ],
      [
        'a key',
        () => [{ type: 'put', key: 'k'.repeat(513), value: '', expect: 'absent' }],
        { what: 'key', size: 513, limit: 512 },
      ],
      [
        'too many steps',
        () =>
          Array.from({ length: 129 }, (_, n) => ({ type: 'put', key: `k${n}`, value: '', expect: 'absent' }) as const),
        { what: 'steps', size: 129, limit: 128 },
      ],
      [
        'a commit',
        () =>
          Array.from(
            { length: 5 },
            (_, n) => ({ type: 'put', key: `${n}`, value: 'x'.repeat(1 << 20), expect: 'absent' }) as const,
          ),
        { what: 'commit', size: (5 << 20) + 5, limit: 4 << 20 },
      ],
    ];
    test.each(tooLarge)('%s beyond the limit is refused by name', async (_name, steps, detail) => {
      expect(await problem(a.commit(steps()))).toEqual({ code: 'too-large', ...detail });
    });

    test('the largest commits are taken', async () => {
      const step = (n: number) => ({ type: 'put', key: `k${n}`, value: 'x', expect: 'absent' }) as const;
      await a.commit(Array.from({ length: Limits.steps }, (_, n) => step(n)));
      await a.commit([{ type: 'put', key: 'k'.repeat(512), value: 'x'.repeat(Limits.valueOctets), expect: 'absent' }]);
      expect((await b.list('')).entries).toHaveLength(Limits.steps + 1);
    });

    test('what no store could mean is a bug of the caller', async () => {
      await expect(a.get('a b')).rejects.toThrow(TypeError);
      await expect(a.commit([])).rejects.toThrow(TypeError);
      const put = { type: 'put', key: 'k', value: '', expect: 'absent' } as const;
      await expect(a.commit([put, put])).rejects.toThrow('k: twice in one commit');
      await expect(a.commit([{ ...put, value: '\ud800' }])).rejects.toThrow(TypeError);
      await expect(a.grant(0)).rejects.toThrow('lease of 0 s: must be between 1 and 86400 s');
    });

    test('a closed store refuses, ends its watches, and can be closed again', async () => {
      const watch = collect(a, '', await a.list(''));
      await a.close();
      await watch.ended;
      expect(await problem(a.get('k'))).toEqual({ code: 'closed' });
      await a.close();
    });

    test('leaving the loop ends the watch', async () => {
      await a.commit([{ type: 'put', key: 'k', value: '', expect: 'absent' }]);
      const from = { ...(await a.list('')), revision: 1 };
      for await (const event of a.watch('', from, new AbortController().signal)) {
        expect(event.type).toBe('resync');
        break;
      }
    });
  });
}
