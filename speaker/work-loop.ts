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

/** How long work is held back at most while somebody is to be served first. */
const HOLD_MS = 10;

/**
 * Runs workers in slices, round robin, while any of them has work. Nothing waits on a timer: an idle speaker answers in the
 * next turn of the event loop, and under load batches grow by what arrives between two turns.
 */
export class WorkLoop {
  readonly #clock: Clock;
  readonly #workers: readonly Worker[];
  #next: TimerHandle | undefined;
  #closed = false;
  #heldUntilMs = Number.NEGATIVE_INFINITY;
  /** `#next` is the end of the hold, not a turn. */
  #isHeld = false;

  constructor(clock: Clock, workers: readonly Worker[]) {
    this.#clock = clock;
    this.#workers = workers;
  }

  /** Says that there is work. Calling it often costs nothing. */
  wake(): void {
    if (this.#next !== undefined || this.#closed) return;
    this.#next = this.#clock.defer(() => this.#turn());
  }

  /** Somebody waits for an answer that takes a few turns: none of them goes to the tables, for a limited time, or until called with false. */
  hold(isHeld: boolean): void {
    this.#heldUntilMs = isHeld ? this.#clock.nowMs() + HOLD_MS : Number.NEGATIVE_INFINITY;
    if (isHeld || !this.#isHeld) return;
    this.#next?.clear();
    this.#turnEnded();
    this.wake();
  }

  /** Stops for good. */
  close(): void {
    this.#closed = true;
    this.#next?.clear();
    this.#next = undefined;
  }

  #turnEnded(): void {
    this.#next = undefined;
    this.#isHeld = false;
  }

  #turn(): void {
    this.#turnEnded();
    const heldMs = this.#heldUntilMs - this.#clock.nowMs();
    if (heldMs > 0) {
      this.#isHeld = true;
      this.#next = this.#clock.setTimer(heldMs, () => this.#turn());
      return;
    }
    let hasMore = false;
    for (const worker of this.#workers) {
      if (worker.work(SLICE_MS)) hasMore = true;
    }
    if (hasMore) this.wake();
  }
}
