import { join } from 'node:path';
import { formatIp, formatPrefix, type IpAddress, type Prefix, parsePrefix, prefixContains } from 'bgp-ts';
import { BlockAgent } from '../../config/blocks/agent.ts';
import { fileMemory } from '../../config/blocks/memory-file.ts';
import { NodeBlocks } from '../../config/blocks/node-blocks.ts';
import type { Datastore } from '../../config/datastore/datastore.ts';
import type { DesiredBlock, DesiredIpam, DesiredPool, DesiredState } from '../../config/desired-state.ts';
import { registrationKey } from '../../config/nodes/registration.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';

/** A block of this node, and the parts of it that no new pod gets. */
export interface ClaimedBlock {
  readonly prefix: Prefix;
  readonly reserved: readonly Prefix[];
}

/** What {@link ClusterBlocks} needs of its node. */
export interface ClusterBlocksOptions {
  readonly store: Datastore;
  readonly node: string;
  readonly stateDirectory: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** As configured now. */
  ipam(): DesiredIpam;
  readonly graceSeconds: number;
  /** Addresses of pods of this node, those being added and deleted included. */
  held(): readonly IpAddress[];
  /** How full the node's blocks are. */
  fill(): readonly { readonly prefix: Prefix; readonly capacity: number; readonly used: number }[];
  /** In force when it returns: no new pod gets an address of a claimed block that is not among these. */
  setClaimed(blocks: readonly ClaimedBlock[]): void;
}

/** After a loss of the store nodes have this long to write back what they have, in ms. */
const SETTLE_MS = 10_000;
const LOW_WATER = 0.25;
const IDLE_MS = 10 * 60_000;
const SWEEP_MS = 60_000;
/** How long an ADD that finds no free address waits for another block; runtimes give up much later. */
const MORE_MS = 4000;

/** The blocks that this node claims from the cluster's pools. */
export class ClusterBlocks {
  readonly #options: ClusterBlocksOptions;
  readonly #blocks: NodeBlocks;
  readonly #agent: BlockAgent;
  /** Things that a person must look at, by text. */
  readonly #problems = new Set<string>();
  /** Pods that wait for an address. */
  readonly #waiting = new Set<(isMore: boolean) => void>();
  #count = 0;

  /** Takes up what is remembered: {@link ClusterBlocksOptions.setClaimed} is called before this returns. */
  constructor(options: ClusterBlocksOptions) {
    this.#options = options;
    const { store, node, stateDirectory, clock, log, ipam, graceSeconds } = options;
    this.#blocks = new NodeBlocks({
      store,
      node,
      memory: fileMemory(join(stateDirectory, 'blocks.json')),
      local: {
        held: () => new Set(options.held().map(formatIp)),
        setUsable: (blocks) => {
          options.setClaimed(
            blocks.flatMap(({ block, reserved }) => {
              const prefix = parsePrefix(block);
              return prefix === undefined
                ? []
                : [{ prefix, reserved: reserved.flatMap((part) => parsePrefix(part) ?? []) }];
            }),
          );
          const isMore = blocks.length > this.#count;
          this.#count = blocks.length;
          if (isMore) for (const done of [...this.#waiting]) done(true);
        },
      },
      settings: {
        graceMs: graceSeconds * 1000,
        settleMs: SETTLE_MS,
        lendableShare: 0,
        get maxBlocks() {
          return ipam().maxBlocks;
        },
        get strictAffinity() {
          return ipam().strictAffinity;
        },
      },
      registrationKey,
      nowMs: () => clock.wallMs(),
      problem: (message) => {
        if (!this.#problems.has(message)) log.error('blocks', { problem: message });
        this.#problems.add(message);
      },
    });
    this.#agent = new BlockAgent({
      blocks: this.#blocks,
      store,
      clock,
      log,
      settings: { lowWater: LOW_WATER, idleMs: IDLE_MS, sweepMs: SWEEP_MS },
      fill: () => options.fill().map(({ prefix, capacity, used }) => ({ block: formatPrefix(prefix), capacity, used })),
    });
  }

  /** Why there are no more blocks; undefined when there are enough. */
  get problem(): string | undefined {
    return this.#agent.problem;
  }

  /** Sets the pools of the cluster. */
  setPools(pools: readonly DesiredPool[]): void {
    const usable = this.#options.ipam().autoAllocateBlocks ? pools.filter(givesBlocks) : [];
    this.#agent.setPools(usable.map(({ prefix, blockLength }) => ({ cidr: prefix, blockLength })));
  }

  start(): void {
    this.#agent.start();
  }

  /** Addresses were taken or given back. */
  used(): void {
    this.#agent.look();
  }

  /** Waits until this node has another block. @returns false when it got none within four seconds */
  more(): Promise<boolean> {
    this.#agent.look();
    return new Promise((resolve) => {
      const done = (isMore: boolean): void => {
        timer.clear();
        this.#waiting.delete(done);
        resolve(isMore);
      };
      const timer = this.#options.clock.setTimer(MORE_MS, () => done(false));
      this.#waiting.add(done);
    });
  }

  /** This node was registered anew: what it owns is to be confirmed. */
  registered(): void {
    this.#agent.look({ sync: true });
  }

  close(): void {
    this.#agent.close();
  }
}

function givesBlocks(pool: DesiredPool): boolean {
  return (
    pool.selectsNode && !pool.disabled && pool.assignmentMode === 'Automatic' && pool.allowedUses.includes('Workload')
  );
}

/** Claimed blocks as the configuration would list them, each with what its pool says. */
export function desiredBlocks(claimed: readonly ClaimedBlock[], pools: readonly DesiredPool[]): DesiredBlock[] {
  return claimed.map(({ prefix }) => {
    const pool = pools.find((candidate) => prefixContains(candidate.prefix, prefix));
    return { prefix, pool: pool?.name, advertise: pool?.disableBgpExport !== true, allocate: pool?.disabled !== true };
  });
}

/** The blocks that new pods get addresses of, less what is reserved. */
export function cniBlocks(state: DesiredState, claimed: readonly ClaimedBlock[]) {
  const { reserved } = state.ipam;
  const lendable = claimed.flatMap((block) => block.reserved);
  return state.blocks
    .filter((block) => block.allocate)
    .map(({ prefix }) => ({
      prefix,
      reserved: [...reserved, ...lendable.filter((part) => prefixContains(prefix, part))],
    }));
}

/** The state with claimed blocks beside those of the configuration. */
export function withClaimed(state: DesiredState, claimed: readonly ClaimedBlock[]): DesiredState {
  const configured = new Set(state.blocks.map(({ prefix }) => formatPrefix(prefix)));
  const others = claimed.filter(({ prefix }) => !configured.has(formatPrefix(prefix)));
  return { ...state, blocks: [...state.blocks, ...desiredBlocks(others, state.pools)] };
}
