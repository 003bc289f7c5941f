import type { Clock, TimerHandle } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { errorMessage } from '../../lib/result.ts';
import type { Datastore, Entry, Snapshot } from './datastore.ts';

/** What a {@link Mirror} is told to do. */
export interface MirrorOptions {
  readonly store: Datastore;
  /** Keys that begin so are mirrored. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called after entries came, changed or went; `gone` are those that went with this change. */
  changed(gone: readonly Entry[]): void;
  /** The store was emptied or began anew, with what had been there before. Called before `changed`. */
  lost?(before: readonly Entry[]): void;
}

const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 10_000;

/** A copy of all entries under a prefix, kept up to date for as long as it runs; what was there stays while the store is away. */
export class Mirror {
  readonly #options: MirrorOptions;
  readonly #abort = new AbortController();
  #entries = new Map<string, Entry>();
  #isFilled = false;
  #problem: string | undefined;
  #wait: { readonly timer: TimerHandle; readonly end: () => void } | undefined;

  constructor(options: MirrorOptions) {
    this.#options = options;
  }

  /** In order of their keys. */
  entries(): Entry[] {
    return [...this.#entries.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** True once the store was read. */
  get isFilled(): boolean {
    return this.#isFilled;
  }

  /** Why the store does not answer; undefined while it does. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Begins to read; never throws for the store's sake. */
  start(): void {
    this.#run().catch((error: unknown) => this.#options.log.error('bug', { error: errorMessage(error) }));
  }

  close(): void {
    this.#abort.abort();
    this.#wait?.timer.clear();
    this.#wait?.end();
  }

  async #run(): Promise<void> {
    const { store, prefix } = this.#options;
    const { signal } = this.#abort;
    for (let delayMs = RETRY_MIN_MS; !signal.aborted; delayMs = Math.min(delayMs * 2, RETRY_MAX_MS)) {
      try {
        const snapshot = await store.list(prefix);
        if (signal.aborted) return;
        delayMs = RETRY_MIN_MS;
        this.#back();
        this.#replace(snapshot);
        for await (const event of store.watch(prefix, snapshot, signal)) {
          if (event.type === 'away') this.#away(event.error);
          else if (event.type === 'back') this.#back();
          else if (event.type === 'put') {
            this.#entries.set(event.entry.key, event.entry);
            this.#options.changed([]);
          } else if (event.type === 'delete') {
            const gone = this.#entries.get(event.key);
            this.#entries.delete(event.key);
            if (gone !== undefined) this.#options.changed([gone]);
          } else {
            if (event.type === 'lost') this.#options.lost?.(this.entries());
            this.#replace(event.snapshot);
          }
        }
      } catch (error) {
        if (signal.aborted) return;
        this.#away(error);
      }
      if (!signal.aborted) await this.#sleep(delayMs);
    }
  }

  #replace({ entries }: Snapshot): void {
    const next = new Map(entries.map((entry) => [entry.key, entry]));
    const gone = [...this.#entries.values()].filter(({ key }) => !next.has(key));
    const isSame =
      this.#isFilled &&
      gone.length === 0 &&
      entries.every(({ key, revision }) => this.#entries.get(key)?.revision === revision);
    this.#entries = next;
    this.#isFilled = true;
    if (!isSame) this.#options.changed(gone);
  }

  #away(error: unknown): void {
    const reason = errorMessage(error);
    if (this.#problem === undefined) {
      this.#options.log.warn('datastore away', { prefix: this.#options.prefix, reason });
    }
    this.#problem = reason;
  }

  #back(): void {
    if (this.#problem === undefined) return;
    this.#problem = undefined;
    this.#options.log.info('datastore back', { prefix: this.#options.prefix });
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#wait = undefined;
        resolve();
      };
      this.#wait = { timer: this.#options.clock.setTimer(ms, end), end };
    });
  }
}
