import { execFile } from 'node:child_process';
import type { Clock, TimerHandle } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { errorMessage } from '../lib/result.ts';

/** A pool of pod addresses, as far as address translation goes. */
export interface NatPool {
  /** In canonical text, such as `10.244.0.0/16`. */
  readonly prefix: string;
  /** Its pods leave the cluster behind the node's address. */
  readonly natOutgoing: boolean;
}

/** Name of the nftables table that is ours in each family; nothing outside of it is read or touched. */
export const natTable = 'podroute-nat';

/** How long after a failure it is tried again. */
const RETRY_MS = 30_000;

/** Runs `nft -f -`. @throws Error with what it said */
export type RunNft = (ruleset: string) => Promise<void>;

/**
 * Keeps one nftables table per family that puts the node's address in place of a pod's (masquerade) where a pod of a pool with
 * `natOutgoing` talks to anything that is in no pool. Between pods, and for what comes from outside, nothing is translated.
 */
export class NatOutgoing {
  readonly #run: RunNft;
  readonly #clock: Clock;
  readonly #log: Logger;
  #wanted = '';
  #inForce: string | undefined;
  #problem: string | undefined;
  #retry: TimerHandle | undefined;
  #isBusy = false;
  #isClosed = false;

  constructor(options: { readonly clock: Clock; readonly log: Logger; readonly run?: RunNft }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#run = options.run ?? runNft;
  }

  /** Why the kernel does not have the rules that are wanted; `undefined` when it has. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Sets the pools of the whole cluster. The rules change in one transaction; a failure is told and tried again. */
  setPools(pools: readonly NatPool[]): void {
    this.#wanted = natRuleset(pools);
    this.#write().catch(() => undefined);
  }

  /** Stops trying; the rules stay, as pods do. */
  close(): void {
    this.#isClosed = true;
    this.#retry?.clear();
  }

  async #write(): Promise<void> {
    if (this.#isBusy || this.#isClosed) return;
    this.#isBusy = true;
    this.#retry?.clear();
    try {
      while (this.#inForce !== this.#wanted) {
        const ruleset = this.#wanted;
        await this.#run(ruleset).catch((error: unknown) => {
          // Nothing to translate needs no nft; what an earlier run left is taken away where there is one.
          if (ruleset.includes('masquerade')) throw error;
        });
        this.#inForce = ruleset;
        this.#problem = undefined;
      }
    } catch (error) {
      const problem = errorMessage(error);
      if (problem !== this.#problem) this.#log.error('natOutgoing not in force', { reason: problem });
      this.#problem = problem;
      if (!this.#isClosed) this.#retry = this.#clock.setTimer(RETRY_MS, () => this.#writeAgain());
    } finally {
      this.#isBusy = false;
    }
  }

  #writeAgain(): void {
    this.#write().catch(() => undefined);
  }
}

/** The text for `nft -f` that replaces our tables as a whole; it only takes them away when no pool asks for translation. */
export function natRuleset(pools: readonly NatPool[]): string {
  return [...family('ip', 'ipv4_addr', 4, pools), ...family('ip6', 'ipv6_addr', 6, pools), ''].join('\n');
}

function family(name: 'ip' | 'ip6', type: string, version: 4 | 6, pools: readonly NatPool[]): string[] {
  const ours = pools.filter(({ prefix }) => prefix.includes(':') === (version === 6));
  const translated = ours.filter(({ natOutgoing }) => natOutgoing);
  // The first line makes sure that there is something to delete.
  const replaced = [`table ${name} ${natTable}`, `delete table ${name} ${natTable}`];
  if (translated.length === 0) return replaced;
  const set = (elements: readonly NatPool[]): string =>
    `{ type ${type}; flags interval; auto-merge; elements = { ${elements.map(({ prefix }) => prefix).join(', ')} }; }`;
  // What is said to everybody on a link is no connection that could be translated.
  const everybody = version === 4 ? '{ 224.0.0.0/4, 255.255.255.255 }' : '{ fe80::/10, ff00::/8 }';
  return [
    ...replaced,
    `table ${name} ${natTable} {`,
    `  set pools ${set(ours)}`,
    `  set translated ${set(translated)}`,
    '  chain postrouting {',
    '    type nat hook postrouting priority srcnat; policy accept;',
    `    ${name} saddr @translated ${name} daddr != @pools ${name} daddr != ${everybody} masquerade`,
    '  }',
    '}',
  ];
}

function runNft(ruleset: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile('nft', ['-f', '-'], { timeout: 10_000 }, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else if ('code' in error && error.code === 'ENOENT') {
        reject(new Error('nft is not installed (package nftables), and IPPool natOutgoing needs it'));
      } else reject(new Error(`nft: ${stderr.trim().split('\n')[0] || error.message}`));
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(ruleset);
  });
}
