import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prefix } from 'bgp-ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BlockAgent } from '../../../../config/blocks/agent.ts';
import { fileMemory } from '../../../../config/blocks/memory-file.ts';
import { NodeBlocks } from '../../../../config/blocks/node-blocks.ts';
import { SqliteDatastore } from '../../../../config/datastore/sqlite.ts';
import { systemClock } from '../../../../lib/clock.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { waitFor } from '../../../support/wait-for.ts';

const pools = [
  { cidr: prefix('10.244.0.0/16'), blockLength: 28 },
  { cidr: prefix('fd00:10:244::/48'), blockLength: 124 },
];
let directory: string;
let store: SqliteDatastore;
const agents: BlockAgent[] = [];

/** A node whose pods are a number of addresses used of each block. */
function node(name: string, settings: { readonly maxBlocks?: number; readonly idleMs?: number } = {}) {
  const used = new Map<string, number>();
  let usable: string[] = [];
  const blocks = new NodeBlocks({
    store,
    node: name,
    memory: fileMemory(join(directory, `${name}.json`)),
    local: {
      held: () => new Set([...used].flatMap(([block, count]) => (count > 0 ? [block.split('/')[0] as string] : []))),
      setUsable: (given) => {
        usable = given.map(({ block }) => block);
      },
    },
    settings: {
      graceMs: 60_000,
      settleMs: 0,
      lendableShare: 0,
      maxBlocks: settings.maxBlocks ?? 20,
      strictAffinity: false,
    },
    registrationKey: (of) => `nodes/${of}`,
    nowMs: () => Date.now(),
    problem: (message) => expect.fail(message),
  });
  const agent = new BlockAgent({
    blocks,
    store,
    clock: systemClock,
    log: silentLogger,
    settings: { lowWater: 0.25, idleMs: settings.idleMs ?? 60_000, sweepMs: 60_000 },
    fill: () => usable.map((block) => ({ block, capacity: 16, used: used.get(block) ?? 0 })),
  });
  agents.push(agent);
  agent.setPools(pools);
  agent.start();
  return {
    agent,
    usable: (family: 4 | 6) => usable.filter((block) => block.includes(':') === (family === 6)),
    use(block: string, count: number) {
      used.set(block, count);
      agent.look();
    },
  };
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podroute-agent-'));
  store = new SqliteDatastore(join(directory, 'store.db'));
});
afterEach(async () => {
  for (const agent of agents.splice(0)) agent.close();
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

describe('a node keeps itself in blocks', () => {
  test('one of each family before the first pod, another before the last is full', async () => {
    const a = node('a');
    await waitFor('a block of each family', () => a.usable(4).length === 1 && a.usable(6).length === 1);
    const [first] = a.usable(4) as [string];
    a.use(first, 12);
    // Four of sixteen are free: a quarter is enough.
    a.use(first, 13);
    await waitFor('a second block', () => a.usable(4).length === 2);
    expect(a.usable(6)).toHaveLength(1);
    expect(a.agent.problem).toBeUndefined();
  });

  test('two nodes never have the same block', async () => {
    const [a, b] = [node('a'), node('b')];
    await waitFor('blocks on both', () =>
      [a, b].every((one) => one.usable(4).length === 1 && one.usable(6).length === 1),
    );
    expect(a.usable(4)).not.toEqual(b.usable(4));
  });

  test('a block without pods goes back after a while, and one stays', async () => {
    const a = node('a', { idleMs: 200 });
    await waitFor('a block', () => a.usable(4).length === 1);
    const [first] = a.usable(4) as [string];
    a.use(first, 16);
    await waitFor('a second block', () => a.usable(4).length === 2);
    a.use(first, 0);
    await waitFor('one block', () => a.usable(4).length === 1);
    const free = (await store.list('blocks/v4')).entries.filter(({ value }) => value.includes('"free"'));
    expect(free).toHaveLength(1);
  });

  test('as many as it may have: what is missing is said, and no more are taken', async () => {
    const a = node('a', { maxBlocks: 2 });
    await waitFor('blocks', () => a.usable(4).length === 1 && a.usable(6).length === 1);
    a.use(a.usable(4)[0] as string, 16);
    const problem = await waitFor('a reason', () => a.agent.problem);
    expect(problem).toContain('no IPv4 block is to be had');
    expect(a.usable(4)).toHaveLength(1);
  });

  test('a node that starts again has the blocks it had', async () => {
    const a = node('a');
    await waitFor('blocks', () => a.usable(4).length === 1 && a.usable(6).length === 1);
    const before = [...a.usable(4), ...a.usable(6)];
    a.agent.close();
    const again = node('a');
    await waitFor('blocks', () => again.usable(4).length === 1 && again.usable(6).length === 1);
    expect([...again.usable(4), ...again.usable(6)]).toEqual(before);
  });
});
