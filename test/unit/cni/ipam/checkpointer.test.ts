import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SqliteStore } from '../../../../cni/ipam/store.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { waitFor } from '../../../support/wait-for.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podroute-checkpoint-'));
  path = join(directory, 'state.db');
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Adds so many pods, of two transactions each. */
function addPods(store: SqliteStore, from: number, count: number): void {
  for (let i = from; i < from + count; i++) {
    const key = { containerId: `c${i}`, ifName: 'eth0' };
    store.begin(
      {
        ...key,
        hostIfName: `pr${i}`,
        network: 'podroute',
        netns: `/run/netns/${i}`,
        defaultRoutes: true,
        createdMs: i,
        addresses: [`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`],
      },
      'adding',
    );
    store.confirm(key, { hostMac: 'ee:ee:ee:ee:ee:ee', podMac: '02:00:00:00:00:01', mtu: 1500 });
  }
}

test('a long log is copied back once it is quiet, and not within a transaction', async () => {
  const clock = new FakeClock();
  const store = new SqliteStore(path, clock);
  const before = statSync(path).size;
  addPods(store, 0, 199);
  expect(clock.pendingCount).toBe(0);
  addPods(store, 199, 1);
  expect(clock.pendingCount).toBe(1);
  clock.advance(999);
  addPods(store, 200, 1);
  clock.advance(999);
  expect(statSync(path).size).toBe(before);
  clock.advance(1);
  await waitFor('the log in the file', () => statSync(path).size > before + 20_000);
  addPods(store, 201, 1);
  expect(store.load().attachments).toHaveLength(202);
  store.close();
});

test('in a storm that does not end it is copied back all the same', async () => {
  const clock = new FakeClock();
  const store = new SqliteStore(path, clock);
  const before = statSync(path).size;
  addPods(store, 0, 1000);
  await waitFor('the log in the file', () => statSync(path).size > before + 100_000);
  store.close();
  expect(clock.pendingCount).toBe(0);
});
