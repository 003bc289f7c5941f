import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SqliteDatastore } from '../../../../config/datastore/sqlite.ts';
import { RegisteredNodes } from '../../../../config/nodes/registered-nodes.ts';
import { Registrar } from '../../../../config/nodes/registrar.ts';
import { parseRegistration, type Registration, registrationKey } from '../../../../config/nodes/registration.ts';
import { systemClock } from '../../../../lib/clock.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { waitFor } from '../../../support/wait-for.ts';

const registration = (name: string, over: Partial<Registration> = {}): Registration => ({
  name,
  asNumber: 64512,
  ipv4Address: '10.0.0.1',
  routerId: '10.0.0.1',
  labels: { rack: 'a' },
  machine: `machine of ${name}`,
  startedMs: 1_700_000_000_000,
  version: '0.1.0',
  ...over,
});

describe('a registration as text', () => {
  test('reads back', () => {
    const whole = registration('a', { ipv6Address: 'fd00::1', clusterId: '10.0.0.9' });
    expect(parseRegistration('nodes/a', JSON.stringify(whole))).toEqual({ ok: true, value: whole });
  });

  test.each([
    ['nodes/a', '{', 'is no JSON'],
    ['nodes/b', JSON.stringify(registration('a')), 'is the registration of a'],
    ['nodes/a', JSON.stringify(registration('a', { ipv4Address: 'fd00::1' })), 'ipv4Address: must be an IPv4 address'],
    ['nodes/a', JSON.stringify({ ...registration('a'), extra: 1 }), 'extra'],
  ])('%s %s: %s', (key, text, message) => {
    const read = parseRegistration(key, text);
    expect(read.ok ? '' : read.error).toContain(message);
  });

  test('a name is one part of a key, whatever is in it', () => {
    expect(registrationKey('a/../b')).toBe('nodes/a%2F..%2Fb');
  });
});

describe('registering', () => {
  let directory: string;
  let store: SqliteDatastore;
  const started: { close(): void | Promise<void> }[] = [];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'podroute-nodes-'));
    store = new SqliteDatastore(join(directory, 'store.db'));
  });
  afterEach(async () => {
    for (const one of started.splice(0)) await one.close();
    await store.close();
    rmSync(directory, { recursive: true, force: true });
  });

  function register(current: () => Registration): Registrar {
    const made = new Registrar({ store, clock: systemClock, log: silentLogger, ttlSeconds: 1, current });
    started.push({ close: () => made.close({ leave: false }) });
    made.start();
    return made;
  }

  function watchNodes(graceMs: number, known: readonly Registration[] = []) {
    const nodes = new RegisteredNodes({ store, clock: systemClock, log: silentLogger, graceMs, known, changed() {} });
    started.push(nodes);
    nodes.start();
    return nodes;
  }

  const registered = (name: string) => waitFor(`${name} in the store`, () => store.get(registrationKey(name)));

  test('a node is there for as long as it keeps itself there', async () => {
    const a = register(() => registration('a'));
    await registered('a');
    const nodes = watchNodes(60_000);
    await waitFor('a is seen', () => nodes.nodes().length === 1);
    const entry = await registered('a');
    const start = Date.now();
    await waitFor('two and a half times its lease to pass', () => Date.now() - start > 2500);
    expect((await store.get(registrationKey('a')))?.revision).toBe(entry.revision);
    await a.close({ leave: true });
    const gone = await waitFor('a is gone', () => nodes.nodes().find(({ goneSinceMs }) => goneSinceMs !== undefined));
    expect(gone.registration.name).toBe('a');
  });

  test('what it says of itself changes with it', async () => {
    let rack = 'a';
    const a = register(() => registration('a', { labels: { rack } }));
    await registered('a');
    const nodes = watchNodes(60_000);
    await waitFor('rack a', () => nodes.nodes()[0]?.registration.labels['rack'] === 'a');
    rack = 'b';
    a.update();
    await waitFor('rack b', () => nodes.nodes()[0]?.registration.labels['rack'] === 'b');
  });

  test('a second machine of that name is refused by name, and the first stays', async () => {
    register(() => registration('a'));
    await registered('a');
    const other = register(() => registration('a', { machine: 'another', ipv4Address: '10.0.0.2' }));
    const refused = await waitFor('a refusal', () => (other.state.type === 'refused' ? other.state : undefined));
    expect(refused.reason).toContain('another machine (10.0.0.1) is registered as a');
    expect((await store.get(registrationKey('a')))?.value).toContain('10.0.0.1');
  });

  test('the same machine takes over from its earlier run', async () => {
    const before = register(() => registration('a', { startedMs: 1 }));
    await registered('a');
    await before.close({ leave: false });
    const after = register(() => registration('a', { startedMs: 2 }));
    await waitFor('registered', () => after.state.type === 'registered');
    expect((await store.get(registrationKey('a')))?.value).toContain('"startedMs":2');
  });

  test('lost by the store, it is written back', async () => {
    register(() => registration('a'));
    const entry = await registered('a');
    await store.commit([{ type: 'delete', key: entry.key, expect: entry.revision }]);
    await registered('a');
  });

  test('a node that is gone is forgotten after the grace time, and one that comes back is not', async () => {
    const a = register(() => registration('a'));
    const b = register(() => registration('b'));
    await registered('a');
    await registered('b');
    const nodes = watchNodes(1500);
    await waitFor('both', () => nodes.nodes().length === 2);
    await a.close({ leave: true });
    await b.close({ leave: true });
    await waitFor('both gone', () => nodes.nodes().every(({ goneSinceMs }) => goneSinceMs !== undefined));
    register(() => registration('b'));
    await waitFor(
      'a forgotten',
      () =>
        nodes
          .nodes()
          .map(({ registration: { name } }) => name)
          .join() === 'b',
    );
    expect(nodes.nodes()[0]?.goneSinceMs).toBeUndefined();
  });

  test('nodes of the last run count as there until the grace time is over', async () => {
    const nodes = watchNodes(500, [registration('old')]);
    expect(nodes.nodes().map(({ registration: { name } }) => name)).toEqual(['old']);
    await waitFor('forgotten', () => nodes.nodes().length === 0);
  });
});
