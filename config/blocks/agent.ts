import { parsePrefix } from 'bgp-ts';
import type { Clock, TimerHandle } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { errorMessage } from '../../lib/result.ts';
import type { Datastore } from '../datastore/datastore.ts';
import { isProblem } from '../datastore/errors.ts';
import { Mirror } from '../datastore/mirror.ts';
import type { NodeBlocks } from './node-blocks.ts';
import type { Pool } from './pools.ts';
import { blocksPrefix } from './records.ts';

/** How full one of this node's blocks is. */
export interface BlockFill {
  /** In canonical text. */
  readonly block: string;
  /** Addresses that can be given out. */
  readonly capacity: number;
  readonly used: number;
}

/** When a node takes blocks and gives them back. */
export interface AgentSettings {
  /** Another block is taken when fewer than this part of a block's addresses is free. */
  readonly lowWater: number;
  /** How long a block stays without pods before it is given back, where the family has others. */
  readonly idleMs: number;
  /** How often this node looks after what gone nodes left behind. */
  readonly sweepMs: number;
}

/** Where an agent meets the rest of its node. */
export interface BlockAgentOptions {
  readonly blocks: NodeBlocks;
  readonly store: Datastore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly settings: AgentSettings;
  /** How full this node's blocks are now. */
  fill(): readonly BlockFill[];
}

const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 15_000;
/** Several changes of the store that come together are looked at once. */
const GATHER_MS = 50;

/**
 * Keeps a node in blocks: takes one of each family that has a pool before the first pod comes, and the next one before the last is
 * full, so that adding a pod asks nobody; gives idle ones back; looks after the blocks when the store lost something or was away, and
 * after those of nodes that are gone. Nothing here fails: what the store refuses is tried again.
 */
export class BlockAgent {
  readonly #options: BlockAgentOptions;
  readonly #mirror: Mirror;
  #pools: readonly Pool[] = [];
  #timer: TimerHandle | undefined;
  #sweepTimer: TimerHandle | undefined;
  #isBusy = false;
  #isAgain = false;
  #needsSync = true;
  #isStarted = false;
  #isClosed = false;
  #retryMs = RETRY_MIN_MS;
  /** Why there are no more blocks than there are; undefined when there are enough. */
  #problem: string | undefined;
  readonly #idleSince = new Map<string, number>();

  constructor(options: BlockAgentOptions) {
    this.#options = options;
    this.#mirror = new Mirror({
      ...options,
      prefix: blocksPrefix,
      lost: () => {
        this.#needsSync = true;
      },
      changed: () => {
        this.#needsSync = true;
        this.#wakeIn(GATHER_MS);
      },
    });
  }

  get problem(): string | undefined {
    return this.#problem ?? this.#mirror.problem;
  }

  /** Sets the pools that this node may take blocks of, best first. */
  setPools(pools: readonly Pool[]): void {
    this.#pools = pools;
    this.#wakeIn(0);
  }

  /** Begins. Before that nothing is asked of the store. */
  start(): void {
    this.#isStarted = true;
    this.#mirror.start();
    this.#wakeIn(0);
    this.#sweepLater();
  }

  /** To be called when addresses were taken or given back, and after this node was registered anew. */
  look(options: { readonly sync?: boolean } = {}): void {
    if (options.sync === true) this.#needsSync = true;
    this.#wakeIn(GATHER_MS);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.clear();
    this.#sweepTimer?.clear();
    this.#mirror.close();
  }

  #wakeIn(ms: number): void {
    if (!this.#isStarted || this.#isClosed) return;
    if (this.#isBusy) {
      this.#isAgain = true;
      return;
    }
    this.#timer?.clear();
    this.#timer = this.#options.clock.setTimer(ms, () => {
      this.#turn().catch((error: unknown) => this.#options.log.error('bug', { error: errorMessage(error) }));
    });
  }

  async #turn(): Promise<void> {
    if (this.#isBusy) return;
    this.#isBusy = true;
    let waitMs: number | undefined;
    try {
      do {
        this.#isAgain = false;
        if (this.#needsSync) {
          this.#needsSync = false;
          await this.#options.blocks.sync();
        }
        const isEnough = await this.#take();
        waitMs = isEnough ? await this.#giveBack() : this.#retryMs;
        this.#retryMs = isEnough ? RETRY_MIN_MS : Math.min(this.#retryMs * 2, RETRY_MAX_MS);
      } while (this.#isAgain && !this.#isClosed);
    } catch (error) {
      if (isProblem(error, 'closed')) return;
      this.#needsSync = true;
      this.#say(errorMessage(error));
      waitMs = this.#retryMs;
      this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
    } finally {
      this.#isBusy = false;
    }
    if (waitMs !== undefined) this.#wakeIn(waitMs);
  }

  /** Takes blocks until each family has enough free addresses. @returns false when there is none to be had */
  async #take(): Promise<boolean> {
    const { blocks, fill, settings, log } = this.#options;
    for (const version of [4, 6] as const) {
      const pools = this.#pools.filter(({ cidr }) => cidr.address.version === version);
      if (pools.length === 0) continue;
      for (;;) {
        const own = new Set(blocks.owned().map(({ block }) => block));
        const known = fill().filter(({ block }) => own.has(block) && isOfVersion(block, version));
        const free = known.reduce((sum, { capacity, used }) => sum + capacity - used, 0);
        const size = Math.min(
          ...pools.map(({ blockLength }) => 2 ** Math.min(20, (version === 4 ? 32 : 128) - blockLength)),
        );
        if (known.length > 0 && free >= Math.ceil(size * settings.lowWater)) break;
        const block = await blocks.claim(pools);
        if (block === undefined) {
          if (known.length > 0 && free > 0) break;
          this.#say(
            `no IPv${version} block is to be had: the pools are used up, this node has as many as it may, or the store was empty a moment ago`,
          );
          return false;
        }
        log.info('block claimed', { block });
      }
    }
    this.#say(undefined);
    return true;
  }

  /** Gives back blocks that had no pod for long enough; one of each family stays. @returns when to look again, in ms */
  async #giveBack(): Promise<number | undefined> {
    const { blocks, fill, settings, clock, log } = this.#options;
    const now = clock.nowMs();
    const own = new Set(blocks.owned().map(({ block }) => block));
    const empty = fill().filter(({ block, used }) => own.has(block) && used === 0);
    for (const block of this.#idleSince.keys()) {
      if (!empty.some((other) => other.block === block)) this.#idleSince.delete(block);
    }
    let next: number | undefined;
    for (const { block, capacity } of empty) {
      const version = block.includes(':') ? 6 : 4;
      const others = fill().filter(
        (other) => other.block !== block && own.has(other.block) && isOfVersion(other.block, version),
      );
      const free = others.reduce((sum, other) => sum + other.capacity - other.used, 0);
      const isPooled = this.#pools.some(({ cidr }) => cidr.address.version === version);
      // What is left must be enough, or the block would be taken again at once.
      if (isPooled && free < Math.ceil(capacity * settings.lowWater) * 2) {
        this.#idleSince.delete(block);
        continue;
      }
      const since = this.#idleSince.get(block) ?? now;
      this.#idleSince.set(block, since);
      const left = since + settings.idleMs - now;
      if (left > 0) {
        next = Math.min(next ?? left, left);
        continue;
      }
      this.#idleSince.delete(block);
      own.delete(block);
      if (await blocks.release(block)) log.info('block given back', { block });
    }
    return next;
  }

  #sweepLater(): void {
    if (this.#isClosed) return;
    const { clock, settings, blocks } = this.#options;
    // Not all nodes at the same time.
    this.#sweepTimer = clock.setTimer(settings.sweepMs * (0.5 + clock.random()), () => {
      blocks.sweep().then(
        () => this.#sweepLater(),
        () => this.#sweepLater(),
      );
    });
  }

  #say(problem: string | undefined): void {
    if (problem !== this.#problem && problem !== undefined) this.#options.log.warn('blocks', { reason: problem });
    this.#problem = problem;
  }
}

function isOfVersion(block: string, version: 4 | 6): boolean {
  return parsePrefix(block)?.address.version === version;
}
