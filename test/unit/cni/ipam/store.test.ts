import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Attachment, SqliteStore } from '../../../../cni/ipam/store.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podroute-store-'));
  path = join(directory, 'deeper', 'state.db');
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

function attachment(containerId: string, ...addresses: string[]): Omit<Attachment, 'state' | 'wired'> {
  return {
    containerId,
    ifName: 'eth0',
    hostIfName: `pr-${containerId}`,
    network: 'podroute',
    netns: `/run/netns/${containerId}`,
    podNamespace: 'shop',
    podName: containerId,
    defaultRoutes: true,
    mtu: 1400,
    createdMs: 1,
    addresses,
  };
}

const wired = { hostMac: 'ee:ee:ee:ee:ee:ee', podMac: '02:00:00:00:00:01', mtu: 1400 };

test('what was written is there after the file is opened again', () => {
  let store = new SqliteStore(path);
  store.begin(attachment('a', '10.0.0.1', 'fd00::1'));
  store.confirm({ containerId: 'a', ifName: 'eth0' }, wired);
  store.begin(attachment('b', '10.0.0.2'));
  store.begin(attachment('c', '10.0.0.3'));
  store.markDeleting({ containerId: 'c', ifName: 'eth0' });
  store.begin(attachment('d', '10.0.0.4'));
  store.release({ containerId: 'd', ifName: 'eth0' }, 77);
  store.saveBlocks(['10.0.0.0/24', 'fd00::/120']);
  store.close();
  store.close();
  store = new SqliteStore(path);
  expect(store.load()).toEqual({
    attachments: [
      { ...attachment('a', '10.0.0.1', 'fd00::1'), state: 'ready', wired },
      { ...attachment('b', '10.0.0.2'), state: 'adding' },
      { ...attachment('c', '10.0.0.3'), state: 'deleting' },
    ],
    released: [{ address: '10.0.0.4', releasedMs: 77 }],
    blocks: ['10.0.0.0/24', 'fd00::/120'],
  });
  store.close();
});

test('the file is for its owner alone', () => {
  new SqliteStore(path).close();
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('an address that is held cannot be held again, and the attempt leaves nothing', () => {
  const store = new SqliteStore(path);
  store.begin(attachment('a', '10.0.0.1'));
  expect(() => store.begin(attachment('b', '10.0.0.2', '10.0.0.1'))).toThrow(/10.0.0.1 is held/);
  expect(store.load().attachments.map((entry) => entry.containerId)).toEqual(['a']);
  store.begin(attachment('b', '10.0.0.2'));
  store.close();
});

test('the same container and interface cannot be begun twice', () => {
  const store = new SqliteStore(path);
  store.begin(attachment('a', '10.0.0.1'));
  expect(() => store.begin(attachment('a', '10.0.0.2'))).toThrow();
  expect(store.load().attachments[0]?.addresses).toEqual(['10.0.0.1']);
  store.close();
});

describe('cannot be opened', () => {
  test('what is no database', () => {
    new SqliteStore(path).close();
    writeFileSync(path, 'hello, this is a text file of some length'.repeat(100));
    expect(() => new SqliteStore(path)).toThrow(/not a database/);
  });

  test('what a newer version wrote', () => {
    new SqliteStore(path).close();
    const db = new DatabaseSync(path);
    db.exec('PRAGMA user_version = 99');
    db.close();
    expect(() => new SqliteStore(path)).toThrow(/tables of version 99/);
  });

  test('a directory that is a file', () => {
    writeFileSync(join(directory, 'deeper'), '');
    chmodSync(join(directory, 'deeper'), 0o400);
    expect(() => new SqliteStore(path)).toThrow();
  });
});
