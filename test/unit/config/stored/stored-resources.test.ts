import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SqliteDatastore } from '../../../../config/datastore/sqlite.ts';
import { type CheckDocuments, StoredResources } from '../../../../config/stored/stored-resources.ts';
import { systemClock } from '../../../../lib/clock.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { waitFor } from '../../../support/wait-for.ts';

const peer = (name: string, asNumber: number, more = '') => `apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: { name: ${name}${more} }
spec: { peerIP: 192.0.2.1, asNumber: ${asNumber} }
`;
const files = (...texts: string[]) => [{ name: 'input.yaml', text: texts.join('---\n') }];
const good: CheckDocuments = async () => [];

let directory: string;
let store: SqliteDatastore;
let resources: StoredResources;
let changes = 0;

function open(): StoredResources {
  return new StoredResources({
    store,
    clock: systemClock,
    log: silentLogger,
    changed: () => {
      changes += 1;
    },
  });
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podroute-stored-'));
  store = new SqliteDatastore(join(directory, 'store.db'));
  resources = open();
  resources.start();
});
afterEach(async () => {
  resources.close();
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

describe('apply', () => {
  test('creates, changes with a diff, and leaves alone what is the same', async () => {
    const first = await resources.apply(files(peer('a', 65001), peer('b', 65002)), good, { dryRun: false });
    expect(first.changes.map(({ name, action }) => `${name} ${action}`)).toEqual(['a created', 'b created']);
    const second = await resources.apply(files(peer('a', 65009), peer('b', 65002)), good, { dryRun: false });
    expect(second.changes.map(({ name, action }) => `${name} ${action}`)).toEqual(['a configured', 'b unchanged']);
    expect(second.changes[0]?.diff).toContain('-  asNumber: 65001\n+  asNumber: 65009\n');
    await waitFor('both are known', () => resources.documents().length === 2);
    expect(resources.documents()[0]).toMatchObject({
      name: 'store: BGPPeer a',
      text: expect.stringContaining('65009'),
    });
    expect(changes).toBeGreaterThan(0);
  });

  test('a dry run writes nothing', async () => {
    const result = await resources.apply(files(peer('a', 65001)), good, { dryRun: true });
    expect(result).toMatchObject({ applied: false, changes: [{ name: 'a', action: 'created' }] });
    expect((await store.list('')).entries).toEqual([]);
  });

  test('one bad document keeps all of them out, and every problem is told', async () => {
    const bad = peer('b', 65002).replace('192.0.2.1', 'nowhere').replace('65002', '-1');
    const result = await resources.apply(files(peer('a', 65001), bad), good, { dryRun: false });
    expect(result.applied).toBe(false);
    expect(
      result.problems
        .filter(({ severity }) => severity === 'error')
        .map(({ path }) => path)
        .sort(),
    ).toEqual(['spec.asNumber', 'spec.peerIP']);
    expect((await store.list('')).entries).toEqual([]);
  });

  test('what does not fit the rest is refused before anything is written', async () => {
    const seen: string[][] = [];
    const refuse: CheckDocuments = async (documents) => {
      seen.push(documents.map(({ name }) => name));
      return [{ severity: 'error', file: 'store: BGPPeer a', path: 'spec', message: 'does not fit' }];
    };
    const result = await resources.apply(files(peer('a', 65001)), refuse, { dryRun: false });
    expect(result).toMatchObject({ applied: false, problems: [{ message: 'does not fit' }] });
    expect(seen).toEqual([['store: BGPPeer a']]);
    expect((await store.list('')).entries).toEqual([]);
  });

  test('secrets and what says where the store is stay in files', async () => {
    const secret = 'apiVersion: v1\nkind: Secret\nmetadata: { name: s }\nstringData: { key: hidden }\n';
    const speaker = 'apiVersion: podroute.io/v1\nkind: Speaker\nmetadata: { name: default }\nspec: {}\n';
    const result = await resources.apply(files(secret, speaker), good, { dryRun: false });
    expect(result.problems.map(({ resource }) => resource)).toEqual(['Secret s', 'Speaker default']);
    expect(result.problems[0]?.message).toContain('secretsDirectory');
    expect(JSON.stringify(result)).not.toContain('hidden');
  });

  test('what a Kubernetes server adds is not kept', async () => {
    await resources.apply(files(peer('a', 65001, ', uid: "1", resourceVersion: "7"')), good, { dryRun: false });
    const [entry] = (await store.list('')).entries;
    expect(entry?.value).not.toContain('resourceVersion');
  });

  test('somebody else was faster: the change is worked out anew on top of his', async () => {
    await resources.apply(files(peer('a', 65001)), good, { dryRun: false });
    let isFirst = true;
    const meddle: CheckDocuments = async () => {
      if (isFirst) {
        isFirst = false;
        const [entry] = (await store.list('')).entries;
        const value = entry?.value.replace('65001', '65005') as string;
        await store.commit([{ type: 'put', key: entry?.key as string, value, expect: entry?.revision as number }]);
      }
      return [];
    };
    const result = await resources.apply(files(peer('a', 65009)), meddle, { dryRun: false });
    expect(result.applied).toBe(true);
    expect(result.changes[0]?.diff).toContain('-  asNumber: 65005\n+  asNumber: 65009\n');
  });
});

describe('delete', () => {
  test('by any name of the kind; what is not there is said', async () => {
    await resources.apply(files(peer('a', 65001)), good, { dryRun: false });
    const missing = await resources.remove([{ kind: 'BGPPeer', name: 'z' }], good, { dryRun: false });
    expect(missing).toMatchObject({ applied: false, problems: [{ resource: 'BGPPeer z', message: 'is not there' }] });
    const result = await resources.remove([{ kind: 'bgppeers', name: 'a' }], good, { dryRun: false });
    expect(result.changes).toMatchObject([{ kind: 'BGPPeer', name: 'a', action: 'deleted' }]);
    expect((await store.list('')).entries).toEqual([]);
  });
});

test('a copy of the last run holds until the store was read', async () => {
  const copy = new StoredResources({
    store,
    clock: systemClock,
    log: silentLogger,
    known: [{ name: 'store: BGPPeer old', text: '{}' }],
    changed() {},
  });
  expect(copy.documents().map(({ name }) => name)).toEqual(['store: BGPPeer old']);
  copy.start();
  await waitFor('the store was read', () => copy.documents().length === 0);
  copy.close();
});

test('a store that lost everything gets back what is known here', async () => {
  await resources.apply(files(peer('a', 65001)), good, { dryRun: false });
  await waitFor('a is known', () => resources.documents().length === 1);
  // Another file under the same name is another store.
  const path = join(directory, 'store.db');
  for (const end of ['', '-wal', '-shm']) rmSync(`${path}${end}`, { force: true });
  const fresh = new SqliteDatastore(path);
  await waitFor('it is written back', async () => (await fresh.list('resources/')).entries.length === 1);
  expect(resources.documents().map(({ name }) => name)).toEqual(['store: BGPPeer a']);
  await fresh.close();
});
