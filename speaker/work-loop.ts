import type { Clock, TimerHandle } from '../lib/clock.ts';

/** A part of the speaker with work that can be done in slices. */
export interface Worker {
  /**
   * Works for at most about `budgetMs`.
   * @returns true when there is more to do
   */
  work(budgetMs: number): boolean;
}

/**
 * How long one slice may take. Between two slices the event loop serves sockets and timers, so that keepalives go out on
 * time whatever the tables are doing.
 */
export const SLICE_MS = 5;

/**
 * Runs workers in slices, round robin, while any of them has work. Nothing waits on a timer: an idle speaker answers in the
 * next turn of the event loop, and under load batches grow by what arrives between two turns.
 */
export class WorkLoop {
  readonly #clock: Clock;
  readonly #workers: readonly Worker[];
  #next: TimerHandle | undefined;
  #closed = false;

  constructor(clock: Clock, workers: readonly Worker[]) {
    this.#clock = clock;
    this.#workers = workers;
  }

  /** Says that there is work. Calling it often costs nothing. */
  wake(): void {
    if (this.#next !== undefined || this.#closed) return;
    this.#next = this.#clock.defer(() => this.#turn());
  }

  /** Stops for good. */
  close(): void {
    this.#closed = true;
    this.#next?.clear();
    this.#next = undefined;
  }

  #turn(): void {
    this.#next = undefined;
    let hasMore = false;
    for (const worker of this.#workers) {
      if (worker.work(SLICE_MS)) hasMore = true;
    }
    if (hasMore) this.wake();
  }
}
