import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RedisDatastore, type RedisSettings } from '../../../../config/datastore/redis.ts';
import { collect, describeContract, problem, shortHistory } from '../../../support/datastore-contract.ts';
import { type RedisServer, startRedis } from '../../../support/redis-server.ts';
import { waitFor } from '../../../support/wait-for.ts';

const clientOf = (port: number, more: Partial<RedisSettings> = {}) =>
  new RedisDatastore({
    place: { type: 'server', at: { host: '127.0.0.1', port } },
    historyRevisions: shortHistory,
    timeoutMs: 1000,
    ...more,
  });

let shared: RedisServer;
beforeAll(async () => {
  shared = await startRedis();
});
afterAll(() => shared?.close());

describeContract('Redis', async () => {
  await shared.admin.flushall();
  return { open: async () => clientOf(shared.port), dispose: async () => undefined };
});

describe('Redis: what can happen to a server', () => {
  test('emptied: a watch says that everything was lost, and old revisions mean nothing', async () => {
    await shared.admin.flushall();
    const store = clientOf(shared.port);
    const revision = await store.commit([{ type: 'put', key: 'a', value: '1', expect: 'absent' }]);
    const watch = collect(store, '', await store.list(''));
    await shared.admin.flushall();
    const lost = await watch.untilType('lost');
    expect(lost.snapshot.entries).toEqual([]);
    expect(lost.snapshot.storeId).not.toBe(lost.was);
    expect(lost.snapshot.revision).toBeGreaterThan(revision);
    await watch.stop();
    await store.close();
  });

  test('killed and restarted with its log: the same store, read anew, its leases begin anew', async () => {
    const server = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
    const store = clientOf(server.port);
    const lease = await store.grant(1);
    await store.commit([{ type: 'put', key: 'kept', value: '1', expect: 'absent', lease }]);
    const watch = collect(store, '', await store.list(''));
    await server.kill('SIGKILL');
    expect((await watch.untilType('away')).error.detail.code).toBe('unavailable');
    await server.restart();
    const { snapshot } = await watch.untilType('resync');
    expect(snapshot.entries.map(({ key }) => key)).toEqual(['kept']);
    expect(watch.events.map(({ type }) => type).slice(0, 3)).toEqual(['away', 'back', 'resync']);
    await store.keepAlive(lease);
    await watch.stop();
    await store.close();
    await server.close();
  });

  test('killed and restarted empty: lost', async () => {
    const server = await startRedis();
    const store = clientOf(server.port);
    await store.commit([{ type: 'put', key: 'a', value: '1', expect: 'absent' }]);
    const watch = collect(store, '', await store.list(''));
    await server.kill('SIGKILL');
    await server.restart();
    expect((await watch.untilType('lost')).snapshot.entries).toEqual([]);
    await watch.stop();
    await store.close();
    await server.close();
  });

  test('a server that stands still: a write may have been done, and nothing hangs', async () => {
    const server = await startRedis();
    const store = clientOf(server.port);
    await store.commit([{ type: 'put', key: 'a', value: '1', expect: 'absent' }]);
    process.kill(server.pid, 'SIGSTOP');
    try {
      const seen = await problem(store.commit([{ type: 'put', key: 'b', value: '1', expect: 'absent' }]));
      expect(seen).toMatchObject({ code: 'unavailable', outcome: 'unknown' });
    } finally {
      process.kill(server.pid, 'SIGCONT');
    }
    await waitFor('it answers again', async () => (await store.get('a')) !== undefined, 10_000);
    await store.close();
    await server.close();
  });

  test('away from the start: said in the words of the system, and taken up when it comes', async () => {
    const server = await startRedis();
    await server.kill('SIGKILL');
    const store = clientOf(server.port, { timeoutMs: 300 });
    expect(await problem(store.get('a'))).toMatchObject({
      code: 'unavailable',
      outcome: 'not-done',
      reason: expect.stringContaining('ECONNREFUSED'),
    });
    await server.restart();
    await waitFor('it answers', async () => (await store.get('a').catch(() => 'no')) === undefined, 10_000);
    await store.close();
    await server.close();
  });

  test('a replica is read and refuses writes', async () => {
    await shared.admin.flushall();
    const master = clientOf(shared.port);
    await master.commit([{ type: 'put', key: 'a', value: '1', expect: 'absent' }]);
    const server = await startRedis(['--replicaof', '127.0.0.1', String(shared.port)]);
    const store = clientOf(server.port);
    await waitFor('the entry on the replica', async () => (await store.get('a'))?.value === '1', 10_000);
    expect((await store.list('')).entries).toHaveLength(1);
    const seen = await problem(store.commit([{ type: 'put', key: 'b', value: '1', expect: 'absent' }]));
    expect(seen.code).toBe('read-only');
    await store.close();
    await master.close();
    await server.close();
  });

  test('full: nothing of the commit is done', async () => {
    const server = await startRedis(['--maxmemory-policy', 'noeviction']);
    const store = clientOf(server.port);
    await store.get('a');
    await server.admin.config('SET', 'maxmemory', '1');
    const seen = await problem(store.commit([{ type: 'put', key: 'a', value: '1', expect: 'absent' }]));
    expect(seen.code).toBe('full');
    await server.admin.config('SET', 'maxmemory', '0');
    expect(await store.get('a')).toBeUndefined();
    await store.close();
    await server.close();
  });

  test('a user with the rights that the documentation names is enough; without them it is said', async () => {
    await shared.admin.flushall();
    const rights =
      '~{podroute}:* resetchannels -@all +eval +evalsha +xread +ping +info +time +auth +hello  +hget +hmget +hset +hdel +zadd +zrem +zrange +zrangebyscore +zscore +xadd +xlen +xrange +xdel +del';
    await shared.admin.acl('SETUSER', 'podroute', 'reset', 'on', '>secret', ...rights.split(' '));
    await shared.admin.acl('SETUSER', 'nobody', 'reset', 'on', '>secret', '~other:*', '+@all');
    const store = clientOf(shared.port, { username: 'podroute', password: 'secret' });
    const lease = await store.grant(10);
    await store.commit([{ type: 'put', key: 'a', value: '1', expect: 'absent', lease }]);
    const watch = collect(store, '', await store.list(''));
    await store.revoke(lease);
    await watch.until(1);
    await watch.stop();
    await store.close();
    for (const [username, password] of [
      ['nobody', 'secret'],
      ['podroute', 'wrong'],
    ] as const) {
      const other = clientOf(shared.port, { username, password });
      expect((await problem(other.get('a'))).code).toBe('denied');
      await other.close();
    }
  });

  test('with TLS nothing goes in the clear, to Sentinels neither', async () => {
    const first: number[] = [];
    const listener = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (octets) => {
        first.push(octets[0] as number);
        socket.destroy();
      });
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const { port } = listener.address() as { port: number };
    const store = clientOf(0, {
      place: { type: 'sentinel', sentinels: [{ host: '127.0.0.1', port }], masterName: 'm' },
      password: 'secret',
      tls: {},
    });
    expect((await problem(store.get('a'))).code).toBe('unavailable');
    await store.close();
    await new Promise((resolve) => listener.close(resolve));
    // A TLS record of a handshake (RFC 8446 §5.1), not a command of Redis.
    expect(new Set(first)).toEqual(new Set([22]));
  });
});
