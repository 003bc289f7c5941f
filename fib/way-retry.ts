import type { Clock, TimerHandle } from '../lib/clock.ts';

/** First and longest wait before what was refused is tried again. */
const FIRST_MS = 1000;
const LONGEST_MS = 60_000;

/** As in `retry.ts`: changes in the machine come in bursts. */
const BURST_MS = 20;

/** When to try nexthop objects again that the kernel refused: by a timer that slows down, and soon after the machine changed. */
export class WayRetry {
  readonly #clock: Clock;
  readonly #hasRefused: () => boolean;
  readonly #tryAgain: () => void;
  #isClosed = false;
  #delayMs = FIRST_MS;
  #timer: TimerHandle | undefined;
  #burst: TimerHandle | undefined;

  constructor(clock: Clock, owner: { readonly hasRefused: () => boolean; readonly tryAgain: () => void }) {
    this.#clock = clock;
    this.#hasRefused = owner.hasRefused;
    this.#tryAgain = owner.tryAgain;
  }

  /** Something was refused. */
  later(): void {
    if (this.#isClosed) return;
    this.#timer ??= this.#clock.setTimer(this.#delayMs, () => {
      this.#timer = undefined;
      this.#delayMs = Math.min(this.#delayMs * 2, LONGEST_MS);
      if (this.#hasRefused()) this.#tryAgain();
      else this.#delayMs = FIRST_MS;
    });
  }

  /** Something changed in the machine: what was refused may be accepted now. */
  probe(): void {
    if (this.#burst !== undefined || this.#isClosed || !this.#hasRefused()) return;
    this.#burst = this.#clock.setTimer(BURST_MS, () => {
      this.#burst = undefined;
      this.#tryAgain();
    });
  }

  /** Ends its timers. */
  stop(): void {
    this.#isClosed = true;
    this.#timer?.clear();
    this.#burst?.clear();
  }
}
