import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RedisDatastore, type RedisSettings } from '../../config/datastore/redis.ts';
import { collect, describeContract, problem, shortHistory } from '../support/datastore-contract.ts';
import { type RedisServer, startRedis } from '../support/redis-server.ts';
import { waitFor } from '../support/wait-for.ts';

const open = (place: RedisSettings['place'], more: Partial<RedisSettings> = {}) =>
  new RedisDatastore({ place, historyRevisions: shortHistory, timeoutMs: 2000, ...more });

describe('a Cluster of three', () => {
  const servers: RedisServer[] = [];
  let nodes: { host: string; port: number }[] = [];

  beforeAll(async () => {
    for (let i = 0; i < 3; i++)
      servers.push(await startRedis(['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000']));
    nodes = servers.map(({ port }) => ({ host: '127.0.0.1', port }));
    const shares = [
      [0, 5460],
      [5461, 10922],
      [10923, 16383],
    ] as const;
    for (const [i, { admin }] of servers.entries()) {
      const [from, to] = shares[i] as readonly [number, number];
      await admin.call('CLUSTER', 'ADDSLOTSRANGE', from, to);
      await admin.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
      await admin.call('CLUSTER', 'MEET', '127.0.0.1', servers[0]?.port as number);
    }
    for (const { admin } of servers) {
      await waitFor(
        'the cluster agrees',
        async () => String(await admin.call('CLUSTER', 'INFO')).includes('cluster_state:ok'),
        20_000,
      );
    }
  });
  afterAll(async () => {
    for (const server of servers) await server.close();
  });

  describeContract('Redis Cluster', async () => {
    for (const { admin } of servers) await admin.flushall();
    return { open: async () => open({ type: 'cluster', nodes }), dispose: async () => undefined };
  });
});

describe('Sentinel', () => {
  let master: RedisServer;
  let replica: RedisServer;
  let sentinel: RedisServer;
  let directory: string;
  let place: RedisSettings['place'];

  beforeAll(async () => {
    master = await startRedis(['--repl-diskless-sync-delay', '0']);
    replica = await startRedis(['--replicaof', '127.0.0.1', String(master.port), '--repl-diskless-sync-delay', '0']);
    await waitFor(
      'the replica follows',
      async () => (await replica.admin.info('replication')).includes('master_link_status:up'),
      20_000,
    );
    directory = mkdtempSync(join(tmpdir(), 'podroute-sentinel-'));
    const file = join(directory, 'sentinel.conf');
    writeFileSync(
      file,
      [
        `sentinel monitor podroute 127.0.0.1 ${master.port} 1`,
        'sentinel down-after-milliseconds podroute 1000',
        'sentinel failover-timeout podroute 3000',
      ].join('\n'),
    );
    sentinel = await startRedis([], {}, ['redis-server', file, '--sentinel']);
    place = { type: 'sentinel', sentinels: [{ host: '127.0.0.1', port: sentinel.port }], masterName: 'podroute' };
    await waitFor(
      'Sentinel knows the replica',
      async () => String(await sentinel.admin.call('SENTINEL', 'REPLICAS', 'podroute')).includes(String(replica.port)),
      30_000,
    );
  }, 60_000);
  afterAll(async () => {
    for (const server of [sentinel, replica, master]) await server?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test('a master that dies: the replica is written to, watches read everything anew, leases begin anew', async () => {
    const store = open(place);
    const lease = await store.grant(2);
    await store.commit([{ type: 'put', key: 'a', value: '1', expect: 'absent', lease }]);
    await waitFor('the replica has it', async () => (await replica.admin.hexists('{podroute}:data', 'a')) === 1);
    const watch = collect(store, '', await store.list(''));
    await master.kill('SIGKILL');
    expect((await problem(store.commit([{ type: 'put', key: 'b', value: '1', expect: 'absent' }]))).code).toBe(
      'unavailable',
    );
    const { snapshot } = await watch.untilType('resync');
    expect(snapshot.entries.map(({ key }) => key)).toContain('a');
    await store.keepAlive(lease);
    const revision = await store.commit([{ type: 'put', key: 'c', value: '1', expect: 'absent' }]);
    await waitFor('the watch goes on', () =>
      watch.events.some((event) => event.type === 'put' && event.entry.key === 'c'),
    );
    const look = new Redis({ port: replica.port, maxRetriesPerRequest: 1 });
    expect(await look.hget('{podroute}:meta', 'rev')).toBe(String(revision));
    look.disconnect();
    await watch.stop();
    await store.close();
  }, 60_000);
});

describe('TLS', () => {
  let directory: string;
  let server: RedisServer;
  let tlsPort: number;
  const file = (name: string): string => join(directory, name);

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'podroute-tls-'));
    const openssl = (...words: string[]) => execFileSync('openssl', words, { stdio: 'ignore' });
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    openssl(
      'req',
      '-x509',
      ...key,
      '-days',
      '2',
      '-subj',
      '/CN=test CA',
      '-keyout',
      file('ca.key'),
      '-out',
      file('ca.pem'),
    );
    for (const name of ['server', 'client']) {
      openssl('req', ...key, '-subj', '/CN=store.test', '-keyout', file(`${name}.key`), '-out', file(`${name}.csr`));
      writeFileSync(file('san'), 'subjectAltName=DNS:store.test\n');
      openssl(
        'x509',
        '-req',
        '-in',
        file(`${name}.csr`),
        '-CA',
        file('ca.pem'),
        '-CAkey',
        file('ca.key'),
        '-CAcreateserial',
        '-days',
        '2',
        '-extfile',
        file('san'),
        '-out',
        file(`${name}.pem`),
      );
    }
    tlsPort = 20_000 + (process.pid % 20_000);
    server = await startRedis([
      '--tls-port',
      String(tlsPort),
      '--tls-cert-file',
      file('server.pem'),
      '--tls-key-file',
      file('server.key'),
      '--tls-ca-cert-file',
      file('ca.pem'),
    ]);
  });
  afterAll(async () => {
    await server?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const place = () => ({ type: 'server', at: { host: '127.0.0.1', port: tlsPort } }) as const;
  const text = (name: string) => readFileSync(file(name), 'utf8');

  test('with certificates of both sides', async () => {
    const tls = { ca: text('ca.pem'), cert: text('client.pem'), key: text('client.key'), serverName: 'store.test' };
    const store = open(place(), { tls });
    await store.commit([{ type: 'put', key: 'a', value: '1', expect: 'absent' }]);
    expect((await store.get('a'))?.value).toBe('1');
    await store.close();
  });

  test.each([
    [
      'a certificate of somebody unknown',
      () => ({ cert: text('client.pem'), key: text('client.key'), serverName: 'store.test' }),
    ],
    [
      'another name',
      () => ({ ca: text('ca.pem'), cert: text('client.pem'), key: text('client.key'), serverName: 'other.test' }),
    ],
    ['no certificate of its own', () => ({ ca: text('ca.pem'), serverName: 'store.test' })],
  ])('%s: nothing is said to it', async (_, tls) => {
    const store = open(place(), { tls: tls(), timeoutMs: 1000 });
    const seen = await problem(store.get('a'));
    expect(seen).toMatchObject({ code: 'unavailable', outcome: 'not-done' });
    await store.close();
  });
});
