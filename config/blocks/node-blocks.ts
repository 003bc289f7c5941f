import { formatPrefix, type Prefix, parseIp, prefixContains } from 'bgp-ts';
import type { Datastore, Entry, Revision, Step } from '../datastore/datastore.ts';
import { DatastoreError, isProblem } from '../datastore/errors.ts';
import { findFreeBlock, type Pool } from './pools.ts';
import {
  type Block,
  type BlockRecord,
  blockKey,
  blockOfKey,
  blocksPrefix,
  epochKey,
  formatRecord,
  parseEpoch,
  parseRecord,
  toPrefix,
} from './records.ts';
import {
  borrowed,
  borrowerGone,
  claimed,
  confirmed,
  freeLendable,
  gaveBack,
  graceOver,
  inGrace,
  isOwner,
  isSettled,
  lendablePart,
  loanOf,
  loanOver,
  loanRestored,
  released,
  tookBack,
} from './transitions.ts';

/** A block that this node may give addresses of to new pods, but for the reserved parts. */
export interface UsableBlock {
  readonly block: string;
  readonly reserved: readonly string[];
}

/** The node's own allocator, as seen from here. */
export interface LocalAddresses {
  /** Addresses of pods, of any block, in canonical text. */
  held(): ReadonlySet<string>;
  /** In force when it returns: no new pod gets an address of anything else. */
  setUsable(blocks: readonly UsableBlock[]): void;
}

/** The node's own copy of the blocks it has or borrows from; it survives the daemon and the store. */
export interface BlockMemory {
  load(): readonly Block[];
  /** Durable when it returns. @throws Error when it cannot be written; the step that needed it is not made then */
  save(blocks: readonly Block[]): void;
}

/** How blocks are handed around; the same on all nodes. */
export interface BlockSettings {
  /** Ms from when an owner or borrower was first seen gone until others may have what it had. */
  readonly graceMs: number;
  /** Ms after a loss of the store in which nodes write back what they have before anybody takes anything new. */
  readonly settleMs: number;
  /** Part of each new block that is for lending, 0 to 1. */
  readonly lendableShare: number;
  /** Blocks of a node at most, both families together. */
  readonly maxBlocks: number;
  /** No node takes an address of another's block. */
  readonly strictAffinity: boolean;
}

/** Where a node's blocks meet the store, the allocator and the time. */
export interface NodeBlocksOptions {
  readonly store: Datastore;
  readonly node: string;
  readonly local: LocalAddresses;
  readonly memory: BlockMemory;
  readonly settings: BlockSettings;
  /** The key, under a lease, that is in the store while a node is there. */
  registrationKey(node: string): string;
  /** Ms since 1970; nodes need to agree to within a small part of the grace time. */
  nowMs(): number;
  /** Something that a person must look at: a record that cannot be read, a pod whose address another node has. */
  problem(message: string): void;
}

/** All blocks at one moment. */
interface View {
  readonly records: Map<string, BlockRecord>;
  /** Blocks whose record cannot be read: nobody takes them. */
  readonly unreadable: Set<string>;
  readonly epoch: { readonly revision: Revision; readonly since: number };
}

/**
 * One node's part in sharing the cluster's blocks. Operations run one after the other; each may reject with a
 * DatastoreError and may be cut short anywhere: {@link sync} mends what that leaves behind.
 *
 * The order that makes this safe: an address is used only after the commit that made it ours and after the memory was
 * written, and is out of use, and the memory written, before the commit that gives it up. What a commit of unknown
 * outcome was about is used again only after another commit on the same key, behind which the first can no longer land.
 */
export class NodeBlocks {
  readonly #options: NodeBlocksOptions;
  readonly #mine: Map<string, BlockRecord>;
  /**
   * Owned blocks that this node may use: those the store said are ours since we started, and those that pods have
   * addresses of. Without either, the memory may be older than the grace time, and the block another node's by now.
   */
  readonly #trusted = new Set<string>();
  #last: Promise<unknown> = Promise.resolve();

  /** Takes up what the memory has: blocks that pods use serve new pods whether or not the store answers. */
  constructor(options: NodeBlocksOptions) {
    this.#options = options;
    this.#mine = new Map(options.memory.load().map(({ block, record }) => [block, record]));
    const held = [...options.local.held()];
    for (const block of this.#mine.keys()) {
      if (held.some((address) => contains(block, address))) this.#trusted.add(block);
    }
    this.#publish();
  }

  /** The blocks this node owns. */
  owned(): readonly Block[] {
    const { node } = this.#options;
    return [...this.#mine].filter(([, record]) => isOwner(record, node)).map(([block, record]) => ({ block, record }));
  }

  /** Addresses of other nodes' blocks that this node has, each to be announced as a host route. */
  borrowedAddresses(): readonly string[] {
    const { node } = this.#options;
    const found: string[] = [];
    for (const record of this.#mine.values()) {
      for (const [address, loan] of Object.entries(record.lent)) if (loan.node === node) found.push(address);
    }
    return found;
  }

  /**
   * Brings the store and this node together: writes back what the store lost, takes up what is ours, gives back what no
   * pod uses. To be called after the node is registered, after a change of its blocks, a resync, a loss, or when the
   * store is back.
   */
  sync(): Promise<void> {
    return this.#alone(async () => {
      const view = await this.#view();
      for (const [block, record] of [...this.#mine]) {
        if (view.unreadable.has(block)) continue;
        if (isOwner(record, this.#options.node)) await this.#syncOwned(block, record, view.records.get(block));
        else await this.#syncBorrowed(block, record, view.records.get(block));
      }
      for (const [block, record] of view.records) {
        if (!this.#mine.has(block) && isOwner(record, this.#options.node)) {
          // Of an operation that was cut short: only a commit of our own makes sure that it is over.
          await this.#confirm(block);
        }
        for (const [address, loan] of Object.entries(record.lent)) {
          if (loan.node !== this.#options.node || this.#isHeld(address)) continue;
          await this.#change(block, (now) => now && gaveBack(now, address, loan.node, loan.sequence));
          this.#forgetLoan(block, address);
        }
      }
      this.#publish();
    });
  }

  /**
   * Takes a block of the first pool that has one.
   * @returns undefined when the node has as many blocks as it may, when no pool has a free one, or when the store lost
   * everything a moment ago
   */
  claim(pools: readonly Pool[]): Promise<string | undefined> {
    return this.#alone(async () => {
      const { node, settings } = this.#options;
      if (this.owned().length >= settings.maxBlocks) return undefined;
      const view = await this.#view();
      const avoid = new Set(view.unreadable);
      const nowMs = this.#options.nowMs();
      const mayCreate = nowMs - view.epoch.since >= settings.settleMs;
      for (const pool of pools) {
        for (;;) {
          const block = findFreeBlock(pool, node, view.records, mayCreate, avoid);
          if (block === undefined) break;
          const lendable = settings.strictAffinity ? [] : lendablePart(block, settings.lendableShare);
          const record = await this.#change(
            block,
            (now) =>
              now === undefined && !mayCreate
                ? undefined
                : claimed(now, { pool: formatPrefix(pool.cidr), node, lendable, nowMs }),
            [{ type: 'check', key: epochKey, expect: view.epoch.revision }],
          );
          if (record !== undefined) {
            this.#remember(block, record);
            this.#publish();
            return block;
          }
          avoid.add(block);
        }
      }
      return undefined;
    });
  }

  /**
   * Gives a block up: first no new pod gets an address of it, and if then none has one, the store is told.
   * @returns false when addresses of it are in use here or lent
   */
  release(block: string): Promise<boolean> {
    return this.#alone(async () => {
      const record = this.#mine.get(block);
      const { node, local, settings } = this.#options;
      if (record === undefined || !isOwner(record, node)) return false;
      local.setUsable(this.#usable().filter((usable) => usable.block !== block));
      if ([...local.held()].some((address) => contains(block, address))) {
        this.#publish();
        return false;
      }
      this.#forget(block);
      const nowMs = this.#options.nowMs();
      const done = await this.#change(block, (now) =>
        now && isSettled(now, nowMs, settings.settleMs) ? released(now, node) : undefined,
      );
      if (done === undefined) await this.#confirm(block);
      this.#publish();
      return done !== undefined;
    });
  }

  /** Takes back what this node's blocks have to lend and nobody borrowed. @returns the number of blocks that changed */
  takeBack(): Promise<number> {
    return this.#alone(async () => {
      const { node, settings } = this.#options;
      let changed = 0;
      for (const { block } of this.owned()) {
        const nowMs = this.#options.nowMs();
        const record = await this.#change(block, (now) =>
          now && isSettled(now, nowMs, settings.settleMs) ? tookBack(now, node) : undefined,
        );
        if (record === undefined) continue;
        this.#remember(block, record);
        changed++;
      }
      this.#publish();
      return changed;
    });
  }

  /**
   * Takes one address of another node's block, to be announced as a host route.
   * @param handle for what it is taken
   * @param hold called with the address when it is ours; the allocator must have it as held when this returns
   * @returns undefined when no block of these pools has an address to lend, or strict affinity forbids it
   */
  borrow(
    pools: readonly Pool[],
    handle: string,
    hold: (address: string) => void,
    reserved: readonly Prefix[] = [],
  ): Promise<string | undefined> {
    return this.#alone(async () => {
      const { node, settings } = this.#options;
      if (settings.strictAffinity) return undefined;
      const view = await this.#view();
      for (const block of view.records.keys()) {
        if (!pools.some((pool) => prefixContains(pool.cidr, toPrefix(block)))) continue;
        const nowMs = this.#options.nowMs();
        let address: string | undefined;
        const record = await this.#change(block, (now) => {
          if (now === undefined || isOwner(now, node) || !isSettled(now, nowMs, settings.settleMs)) return undefined;
          address = freeLendable(now, reserved);
          return address === undefined ? undefined : borrowed(now, { address, node, handle });
        });
        if (record === undefined || address === undefined) continue;
        this.#remember(block, record);
        hold(address);
        return address;
      }
      return undefined;
    });
  }

  /** Gives a borrowed address back that no pod here has any more. @returns false when it is held, or was not borrowed */
  giveBack(address: string): Promise<boolean> {
    return this.#alone(async () => {
      const { node } = this.#options;
      if (this.#isHeld(address)) return false;
      for (const [block, record] of this.#mine) {
        const loan = loanOf(record, address);
        if (loan === undefined || loan.node !== node) continue;
        const done = await this.#change(block, (now) => now && gaveBack(now, address, node, loan.sequence));
        this.#forgetLoan(block, address);
        return done !== undefined;
      }
      return false;
    });
  }

  /** Looks after what nodes that are gone left behind. Any node may do this, and several at once. */
  sweep(): Promise<void> {
    return this.#alone(async () => {
      const { settings } = this.#options;
      const { records } = await this.#view();
      for (const [block, record] of records) {
        for (const [address, loan] of Object.entries(record.lent)) {
          await this.#sweepGone(
            block,
            loan.node,
            (now, nowMs) =>
              loanOf(now, address)?.node !== loan.node
                ? undefined
                : (loanOver(now, address, nowMs, settings.graceMs) ?? borrowerGone(now, address, nowMs)),
            (now) => (loanOf(now, address)?.node === loan.node ? borrowerGone(now, address, undefined) : undefined),
          );
        }
        if (record.holder.state === 'free') continue;
        const { owner } = record.holder;
        await this.#sweepGone(
          block,
          owner,
          (now, nowMs) =>
            isOwner(now, owner) ? (graceOver(now, nowMs, settings.graceMs) ?? inGrace(now, nowMs)) : undefined,
          (now) => (now.holder.state === 'grace' ? confirmed(now, owner) : undefined),
        );
      }
    });
  }

  /** Both changes carry the registration that they believe in, so that a node that comes back meanwhile is not wronged. */
  async #sweepGone(
    block: string,
    node: string,
    gone: (record: BlockRecord, nowMs: number) => BlockRecord | undefined,
    there: (record: BlockRecord) => BlockRecord | undefined,
  ): Promise<void> {
    const key = this.#options.registrationKey(node);
    const registration = await this.#options.store.get(key);
    const nowMs = this.#options.nowMs();
    await this.#change(block, (now) => now && (registration === undefined ? gone(now, nowMs) : there(now)), [
      { type: 'check', key, expect: registration?.revision ?? 'absent' },
    ]);
  }

  async #syncOwned(block: string, record: BlockRecord, stored: BlockRecord | undefined): Promise<void> {
    const { node, nowMs } = this.#options;
    if (stored !== undefined && stored.holder.state === 'owned' && stored.holder.owner === node) {
      this.#remember(block, stored);
      return;
    }
    const { lent } = record;
    const isTrusted = this.#trusted.has(block);
    const now = await this.#change(block, (current) => {
      if (!isTrusted) return current && confirmed(current, node);
      if (current === undefined) return { ...record, holder: { state: 'owned', owner: node }, lent, restored: nowMs() };
      // Free after our grace time: ours again, and none of it for lending, as pods may have any address of it.
      const claim = { pool: record.pool, node, lendable: [], nowMs: nowMs() };
      return confirmed(current, node) ?? claimed(current, claim);
    });
    if (now !== undefined) {
      this.#remember(block, now);
      return;
    }
    this.#forget(block);
    this.#publish();
    const stranded = [...this.#options.local.held()].filter((address) => contains(block, address));
    if (stranded.length > 0) {
      this.#options.problem(`${block}: belongs to another node now; pods here still have ${stranded.join(', ')}`);
    }
  }

  async #syncBorrowed(block: string, record: BlockRecord, stored: BlockRecord | undefined): Promise<void> {
    const { node, nowMs, problem } = this.#options;
    let latest = stored;
    for (const [address, loan] of Object.entries(record.lent)) {
      if (loan.node !== node || !this.#isHeld(address) || (latest && loanOf(latest, address)?.node === node)) continue;
      const now = await this.#change(block, (current) => {
        // Its owner may have written it back, loan and all, since we looked.
        if (current !== undefined && loanOf(current, address)?.node === node) return current;
        if (current !== undefined) return loanRestored(current, address, loan);
        if (record.holder.state === 'free') return undefined;
        // Its owner has not written it back yet: nobody else may have it before the owner had the time for that.
        const { owner } = record.holder;
        return { ...record, holder: { state: 'grace', owner, since: nowMs() }, restored: nowMs() };
      });
      if (now === undefined)
        problem(`${address} of ${block}: a pod here has it, and the cluster gave it to another node`);
      else latest = now;
    }
    // What pods here have stays in the memory, so that the next sync tries again; what none has is not written back.
    const kept = Object.entries(record.lent).filter(([address, loan]) => loan.node === node && this.#isHeld(address));
    this.#remember(block, { ...(latest ?? record), lent: { ...Object.fromEntries(kept), ...latest?.lent } });
  }

  async #confirm(block: string): Promise<void> {
    const record = await this.#change(block, (now) => now && confirmed(now, this.#options.node));
    if (record !== undefined) this.#remember(block, record);
  }

  async #view(): Promise<View> {
    const { store, nowMs, problem } = this.#options;
    const { entries } = await store.list(blocksPrefix);
    const records = new Map<string, BlockRecord>();
    const unreadable = new Set<string>();
    let epoch: View['epoch'] | undefined;
    for (const entry of entries) {
      if (entry.key === epochKey) {
        const read = parseEpoch(entry.value);
        if (!read.ok) throw new DatastoreError({ code: 'broken', reason: read.error });
        epoch = { revision: entry.revision, since: read.value };
        continue;
      }
      const read = parseRecord(entry.key, entry.value);
      if (read.ok) records.set(read.value.block, read.value.record);
      else {
        const block = blockOfKey(entry.key);
        if (block !== undefined) unreadable.add(block);
        problem(read.error);
      }
    }
    if (epoch !== undefined) return { records, unreadable, epoch };
    const since = nowMs();
    const value = JSON.stringify({ since });
    try {
      const revision = await store.commit([{ type: 'put', key: epochKey, value, expect: 'absent' }]);
      return { records, unreadable, epoch: { revision, since } };
    } catch (thrown) {
      if (!isProblem(thrown, 'conflict')) throw thrown;
      return this.#view();
    }
  }

  /**
   * Reads a block, decides, and commits what was decided; again when somebody else was faster.
   * @returns the record now in force, or undefined when the decision was to leave it or one of `checks` failed
   */
  async #change(
    block: string,
    decide: (record: BlockRecord | undefined) => BlockRecord | undefined,
    checks: readonly Step[] = [],
  ): Promise<BlockRecord | undefined> {
    const { store } = this.#options;
    const key = blockKey(block);
    for (;;) {
      const entry = await store.get(key);
      const record = decide(recordOf(entry));
      if (record === undefined) return undefined;
      const expect = entry?.revision ?? 'absent';
      try {
        await store.commit([...checks, { type: 'put', key, value: formatRecord(record), expect }]);
        return record;
      } catch (thrown) {
        if (!isProblem(thrown, 'conflict')) throw thrown;
        if (thrown.detail.key !== key) return undefined;
      }
    }
  }

  #remember(block: string, record: BlockRecord): void {
    this.#mine.set(block, record);
    this.#save();
    if (isOwner(record, this.#options.node)) this.#trusted.add(block);
  }

  #forget(block: string): void {
    this.#trusted.delete(block);
    this.#mine.delete(block);
    this.#save();
  }

  #forgetLoan(block: string, address: string): void {
    const record = this.#mine.get(block);
    if (record === undefined || loanOf(record, address) === undefined) return;
    const { [address]: _, ...lent } = record.lent;
    this.#remember(block, { ...record, lent });
  }

  /** Writes the memory, without blocks in which this node has nothing any more. */
  #save(): void {
    const { node, memory } = this.#options;
    for (const [block, record] of this.#mine) {
      const isUsed = isOwner(record, node) || Object.values(record.lent).some((loan) => loan.node === node);
      if (!isUsed) this.#mine.delete(block);
    }
    memory.save([...this.#mine].map(([block, record]) => ({ block, record })));
  }

  #usable(): UsableBlock[] {
    return this.owned()
      .filter(({ block }) => this.#trusted.has(block))
      .map(({ block, record }) => ({ block, reserved: record.lendable }));
  }

  #publish(): void {
    this.#options.local.setUsable(this.#usable());
  }

  #isHeld(address: string): boolean {
    return this.#options.local.held().has(address);
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

function recordOf(entry: Entry | undefined): BlockRecord | undefined {
  if (entry === undefined) return undefined;
  const read = parseRecord(entry.key, entry.value);
  if (!read.ok) throw new DatastoreError({ code: 'broken', reason: read.error });
  return read.value.record;
}

function contains(block: string, address: string): boolean {
  const value = parseIp(address);
  return value !== undefined && prefixContains(toPrefix(block), value);
}
