import { Worker } from 'node:worker_threads';
import type { Clock, TimerHandle } from '../../lib/clock.ts';

/** After so many transactions (some 2 to 5 pages of 4 KiB each) the log is worth copying back, once it is quiet. */
const worthIt = 400;
/** After so many it is copied back in the middle of the storm. */
const overdue = 2000;
/** No transaction for so long is quiet. */
const quietMs = 1000;

/**
 * Decides when a database's write-ahead log is copied back, and has a thread do it. Left to itself SQLite does it within
 * the transaction that makes the log long enough, and the ADD which has that bad luck waits for the disk.
 */
export class Checkpointer {
  readonly #path: string;
  readonly #clock: Clock;
  #transactions = 0;
  #timer: TimerHandle | undefined;
  #worker: Worker | undefined;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  /** To be told of every transaction. */
  wrote(): void {
    if (++this.#transactions < worthIt || this.#worker !== undefined) return;
    this.#timer?.clear();
    this.#timer = undefined;
    if (this.#transactions >= overdue) this.#start();
    else this.#timer = this.#clock.setTimer(quietMs, () => this.#start());
  }

  /** No more checkpoints; one that runs ends by itself. */
  close(): void {
    this.#timer?.clear();
    this.#timer = undefined;
    this.#transactions = Number.NEGATIVE_INFINITY;
  }

  #start(): void {
    this.#timer = undefined;
    this.#transactions = 0;
    const worker = new Worker(new URL('./checkpoint-worker.ts', import.meta.url), { workerData: { path: this.#path } });
    this.#worker = worker;
    worker.unref();
    // A failure is not lost: the log stays as it is, the next one has it all, and SQLite's own limit stands behind it.
    worker.on('error', () => {});
    worker.on('exit', () => {
      this.#worker = undefined;
    });
  }
}
