import { formatIp, parseIp, parsePrefix, prefixContains } from 'bgp-ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NodeBlocks, type UsableBlock } from '../../../../config/blocks/node-blocks.ts';
import type { Pool } from '../../../../config/blocks/pools.ts';
import { type Block, blockOfKey, parseRecord } from '../../../../config/blocks/records.ts';
import { cutBlocks } from '../../../../config/cidr.ts';
import type { Datastore, Entry, Revision, Step } from '../../../../config/datastore/datastore.ts';
import { DatastoreError } from '../../../../config/datastore/errors.ts';

const graceMs = 1000;
const settleMs = 100;
const nodes = ['a', 'b', 'c'] as const;
const pool: Pool = { cidr: parsed('10.0.0.0/27'), blockLength: 29 };

/** A store in memory that can be lost; revisions jump then. */
class MemoryStore {
  entries = new Map<string, Entry>();
  revision = 0;
  late: (readonly Step[])[] = [];

  commit(steps: readonly Step[]): Revision {
    for (const step of steps) {
      const current = this.entries.get(step.key);
      if ((current?.revision ?? 'absent') !== step.expect) {
        throw new DatastoreError({ code: 'conflict', key: step.key, wanted: step.expect, current });
      }
    }
    this.revision++;
    for (const step of steps) {
      if (step.type === 'put') {
        this.entries.set(step.key, { key: step.key, value: step.value, revision: this.revision });
      } else if (step.type === 'delete') this.entries.delete(step.key);
    }
    return this.revision;
  }

  landLate(): void {
    for (const steps of this.late.splice(0)) {
      try {
        this.commit(steps);
      } catch (thrown) {
        if (!(thrown instanceof DatastoreError)) throw thrown;
      }
    }
  }

  lose(): void {
    this.entries = new Map();
    this.revision += 1000;
  }

  blocks(): Block[] {
    return [...this.entries.values()].flatMap((entry) => {
      if (blockOfKey(entry.key) === undefined) return [];
      const read = parseRecord(entry.key, entry.value);
      if (!read.ok) throw new Error(read.error);
      return [read.value];
    });
  }
}

class Crash extends Error {}

/** What goes wrong at the `step`-th call to the store. */
interface Fault {
  readonly step: number;
  readonly kind: 'before' | 'after' | 'late';
}

/** One node: what is on its disk, its pods, and its daemon while that runs. */
class SimNode {
  readonly name: string;
  readonly cluster: Cluster;
  memory: readonly Block[] = [];
  pods: string[] = [];
  usable: readonly UsableBlock[] = [];
  daemon: NodeBlocks | undefined;
  fault: { step: number; kind: Fault['kind'] } | undefined;

  constructor(name: string, cluster: Cluster) {
    this.name = name;
    this.cluster = cluster;
  }

  start(): void {
    const { cluster } = this;
    this.cluster.register(this.name);
    if (this.daemon !== undefined) return;
    this.usable = [];
    this.daemon = new NodeBlocks({
      store: this.#store(),
      node: this.name,
      local: {
        held: () => new Set(this.pods),
        setUsable: (blocks) => {
          this.usable = blocks;
        },
      },
      memory: {
        load: () => this.memory,
        save: (blocks) => {
          this.memory = structuredClone(blocks);
        },
      },
      settings: { graceMs, settleMs, lendableShare: 0.5, maxBlocks: 3, strictAffinity: false },
      registrationKey: (node) => `nodes/${node}`,
      nowMs: () => cluster.nowMs,
      problem: (message) => cluster.problems.push(`${this.name}: ${message}`),
    });
  }

  crash(): void {
    this.daemon = undefined;
    this.usable = [];
  }

  die(): void {
    this.crash();
    this.pods = [];
    this.cluster.store.entries.delete(`nodes/${this.name}`);
  }

  /** What a few ADDs do, without asking anybody. */
  add(): void {
    const free = this.usable.flatMap(freeAddresses).filter((candidate) => !this.pods.includes(candidate));
    this.pods.push(...free.slice(0, 3));
  }

  async run(what: What, fault: Fault | undefined): Promise<void> {
    const { daemon } = this;
    if (daemon === undefined) return;
    this.fault = fault === undefined ? undefined : { ...fault };
    try {
      await this.#perform(daemon, what);
    } catch (thrown) {
      if (thrown instanceof Crash) this.crash();
      else if (!(thrown instanceof DatastoreError)) throw thrown;
    } finally {
      this.fault = undefined;
    }
  }

  async #perform(daemon: NodeBlocks, what: What): Promise<void> {
    switch (what) {
      case 'claim':
        await daemon.claim([pool]);
        return;
      case 'release':
        for (const { block } of daemon.owned().slice(0, 1)) await daemon.release(block);
        return;
      case 'borrow':
        await daemon.borrow([pool], `pod${this.cluster.nowMs}`, (address) => this.pods.push(address));
        return;
      case 'give-back':
        for (const address of daemon.borrowedAddresses().slice(0, 1)) {
          this.pods = this.pods.filter((pod) => pod !== address);
          await daemon.giveBack(address);
        }
        return;
      case 'take-back':
        await daemon.takeBack();
        return;
      case 'sync':
        await daemon.sync();
        return;
      case 'sweep':
        await daemon.sweep();
        return;
    }
  }

  #store(): Datastore {
    const { store } = this.cluster;
    const unused = () => Promise.reject(new Error('not used here'));
    const through = async <T>(call: () => T, commit?: readonly Step[]): Promise<T> => {
      await this.cluster.turn();
      const { fault } = this;
      const kind = fault !== undefined && fault.step-- === 0 ? fault.kind : undefined;
      if (kind === 'before') throw new Crash();
      if (kind === 'late' && commit !== undefined) {
        store.late.push(commit);
        throw new DatastoreError({ code: 'unavailable', reason: 'no answer', outcome: 'unknown' });
      }
      const result = call();
      if (kind === 'after') throw new Crash();
      return result;
    };
    return {
      get: (key) => through(() => store.entries.get(key)),
      list: (prefix) =>
        through(() => ({
          storeId: 'model',
          revision: store.revision,
          entries: [...store.entries.values()].filter((entry) => entry.key.startsWith(prefix)),
        })),
      commit: (steps) => through(() => store.commit(steps), steps),
      grant: unused,
      keepAlive: unused,
      revoke: unused,
      watch: () => {
        throw new Error('not used here');
      },
      close: unused,
    };
  }
}

class Cluster {
  readonly store = new MemoryStore();
  readonly nodes = nodes.map((name) => new SimNode(name, this));
  readonly problems: string[] = [];
  nowMs = 1_000_000;
  isLost = false;
  /** Calls that wait for their turn, and which of them has it next. */
  #waiting: (() => void)[] = [];
  #order: readonly number[] = [];

  register(name: string): void {
    const key = `nodes/${name}`;
    if (this.store.entries.has(key)) return;
    this.store.commit([{ type: 'put', key, value: '{}', expect: 'absent' }]);
  }

  turn(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Lets the calls of several operations have their turns in the given order; the store may be lost before one of them. */
  async interleave(work: Promise<unknown>, order: readonly number[], loseAt?: number): Promise<void> {
    this.#order = order;
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    for (let i = 0; !isDone; i++) {
      for (let tick = 0; tick < 30 && !isDone; tick++) await Promise.resolve();
      if (i === loseAt) this.lose();
      const pick = (this.#order[i % Math.max(1, this.#order.length)] ?? 0) % Math.max(1, this.#waiting.length);
      this.#waiting.splice(pick, 1)[0]?.();
      this.check();
      if (i > 20_000) throw new Error('does not end');
    }
    await done;
  }

  async all(what: What): Promise<void> {
    for (const node of this.nodes) await this.interleave(node.run(what, undefined), [0]);
  }

  /** Every node that lives comes back in time and brings its blocks together with the store; then the time is over. */
  async pass(ms: number): Promise<void> {
    for (const node of this.nodes) if (node.daemon !== undefined || node.pods.length > 0) node.start();
    // An owner writes its block back first, a borrower its loan after that.
    for (let round = 0; round < 2; round++) await this.all('sync');
    this.isLost = false;
    this.check();
    this.nowMs += ms;
  }

  lose(): void {
    this.isLost = true;
    this.store.lose();
  }

  check(): void {
    const holders = new Map<string, string>();
    for (const node of this.nodes) {
      for (const pod of node.pods) {
        if (holders.has(pod)) throw new Error(`${pod} is held by ${holders.get(pod)} and ${node.name}`);
        holders.set(pod, node.name);
      }
    }
    const users = new Map<string, string>();
    for (const node of this.nodes) {
      for (const usable of node.usable) {
        const other = users.get(usable.block);
        if (other !== undefined) throw new Error(`${usable.block} is used by ${other} and ${node.name}`);
        users.set(usable.block, node.name);
        for (const address of freeAddresses(usable)) {
          const holder = holders.get(address) ?? node.name;
          if (holder !== node.name) throw new Error(`${node.name} may give out ${address}, which ${holder} holds`);
        }
      }
    }
    if (this.isLost) return;
    const blocks = this.store.blocks();
    for (const [pod, name] of holders) {
      const found = blocks.find(({ block }) => prefixContains(parsed(block), address(pod)));
      const holder = found?.record.holder;
      const owner = holder === undefined || holder.state === 'free' ? undefined : holder.owner;
      if (owner !== name && found?.record.lent[pod]?.node !== name) {
        throw new Error(`${pod} of ${name} is in no block of its own and not borrowed: ${JSON.stringify(found)}`);
      }
    }
    if (this.problems.length > 0) throw new Error(this.problems.join('\n'));
  }
}

const whats = ['claim', 'release', 'borrow', 'give-back', 'take-back', 'sync', 'sweep'] as const;
type What = (typeof whats)[number];

const fault = fc.option(fc.record({ step: fc.nat(5), kind: fc.constantFrom('before', 'after', 'late') }), {
  nil: undefined,
  freq: 2,
});
const operation = fc.record({ node: fc.nat(2), what: fc.constantFrom(...whats), fault });
const command = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant('one'), run: operation }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('together'),
      runs: fc.array(operation, { minLength: 2, maxLength: 3 }),
      order: fc.array(fc.nat(5), { minLength: 1, maxLength: 12 }),
      loseAt: fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.nat(10) }),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({ type: fc.constantFrom('add', 'add', 'delete', 'start'), node: fc.nat(2) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom('die', 'expire', 'crash'), node: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom('grace', 'settle', 'late') }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('lose') }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

async function perform(cluster: Cluster, step: Command): Promise<void> {
  const at = (index: number): SimNode => {
    const node = cluster.nodes[index];
    if (node === undefined) throw new Error(`no node ${index}`);
    return node;
  };
  switch (step.type) {
    case 'one':
      return cluster.interleave(at(step.run.node).run(step.run.what, step.run.fault), [0]);
    case 'together': {
      const distinct = step.runs.filter((run, i) => step.runs.findIndex((other) => other.node === run.node) === i);
      const work = Promise.all(distinct.map((run) => at(run.node).run(run.what, run.fault)));
      return cluster.interleave(work, step.order, step.loseAt);
    }
    case 'add':
      return at(step.node).add();
    case 'delete':
      at(step.node).pods.shift();
      return;
    case 'start':
      at(step.node).start();
      return;
    case 'crash':
      return at(step.node).crash();
    case 'die':
      return at(step.node).die();
    case 'expire':
      cluster.store.entries.delete(`nodes/${at(step.node).name}`);
      return;
    case 'grace':
      await cluster.all('sweep');
      await cluster.pass(graceMs);
      return cluster.all('sweep');
    case 'settle':
      return cluster.pass(settleMs);
    case 'late':
      return cluster.store.landLate();
    case 'lose':
      return cluster.lose();
  }
}

test('nodes that crash anywhere hold no address twice, lose none, and own each block alone', async () => {
  const seen = { pods: 0, loans: 0, owners: 0 };
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(command, { minLength: 5, maxLength: 80 }), async (isWarm, steps) => {
      const cluster = new Cluster();
      for (const node of cluster.nodes) node.start();
      await cluster.pass(settleMs);
      if (isWarm) await warmUp(cluster);
      for (const step of steps) {
        await perform(cluster, step);
        cluster.check();
        const blocks = cluster.store.blocks();
        seen.pods = Math.max(seen.pods, cluster.nodes.flatMap((node) => node.pods).length);
        seen.loans = Math.max(seen.loans, blocks.flatMap(({ record }) => Object.keys(record.lent)).length);
        seen.owners = Math.max(seen.owners, blocks.filter(({ record }) => record.holder.state === 'owned').length);
      }
      await expectNothingLeaked(cluster);
    }),
    { numRuns: Number(process.env['BLOCKS_RUNS'] ?? 300) },
  );
  // The runs are worth something only if they come to a full pool and to loans.
  expect(seen.owners).toBe(4);
  expect(seen.loans).toBeGreaterThan(1);
  expect(seen.pods).toBeGreaterThan(6);
});

/** All blocks have owners with pods, and two addresses are lent. */
async function warmUp(cluster: Cluster): Promise<void> {
  for (let round = 0; round < 2; round++) await cluster.all('claim');
  for (const node of cluster.nodes) node.add();
  for (const node of cluster.nodes.slice(1)) await cluster.interleave(node.run('borrow', undefined), [0]);
}

/** One node never comes back, the pods of the others end: in the end every block is free and nothing is lent. */
async function expectNothingLeaked(cluster: Cluster): Promise<void> {
  cluster.nodes[0]?.die();
  for (const node of cluster.nodes.slice(1)) node.start();
  cluster.store.landLate();
  await cluster.pass(settleMs);
  for (const node of cluster.nodes) node.pods = [];
  for (let round = 0; round < 4; round++) {
    await cluster.all('sync');
    await cluster.all('sweep');
    for (let i = 0; i < 3; i++) await cluster.all('release');
    cluster.nowMs += graceMs;
  }
  expect(cluster.store.blocks().filter(({ record }) => record.holder.state !== 'free')).toEqual([]);
  for (const node of cluster.nodes.slice(1)) expect(node.memory).toEqual([]);
}

function freeAddresses(usable: UsableBlock): string[] {
  return cutBlocks(parsed(usable.block), 32, 0n, 64)
    .map((found) => found.address)
    .filter((found) => !usable.reserved.some((part) => prefixContains(parsed(part), found)))
    .map(formatIp);
}

function parsed(text: string) {
  const value = parsePrefix(text);
  if (value === undefined) throw new Error(text);
  return value;
}

function address(text: string) {
  const value = parseIp(text);
  if (value === undefined) throw new Error(text);
  return value;
}
