import type { Clock, TimerHandle } from '../../lib/clock.ts';

/** Watches that wait for something to happen, for a time at most. */
export class Sleepers {
  readonly #clock: Clock;
  readonly #wakes = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ends all sleeps that are under way. */
  wake(): void {
    for (const wake of [...this.#wakes]) wake();
  }

  /** Resolves after `ms`, when woken, or when aborted. */
  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    let timer: TimerHandle | undefined;
    let wake: () => void = () => {};
    await new Promise<void>((done) => {
      wake = () => done();
      timer = this.#clock.setTimer(ms, wake);
      this.#wakes.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
    timer?.clear();
    this.#wakes.delete(wake);
    signal.removeEventListener('abort', wake);
  }
}
