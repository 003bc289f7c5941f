import type { Clock, TimerHandle } from '../../lib/clock.ts';

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

/** A clock that stands still until told to move; `random()` is 0.5 unless set. */
export class FakeClock implements Clock {
  #now = 0;
  #order = 0;
  #pending = new Set<Pending>();
  /** What `random()` returns. */
  randomValue = 0.5;

  nowMs(): number {
    return this.#now;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#now;
  }

  setTimer(ms: number, fn: () => void): TimerHandle {
    const entry: Pending = { at: this.#now + ms, order: this.#order++, fn };
    this.#pending.add(entry);
    return { clear: () => void this.#pending.delete(entry) };
  }

  defer(fn: () => void): TimerHandle {
    return this.setTimer(0, fn);
  }

  random(): number {
    return this.randomValue;
  }

  /** How many timers are waiting. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Moves time forward by `ms`, running timers in the order they are due, those set on the way included. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      let next: Pending | undefined;
      for (const entry of this.#pending) {
        if (entry.at > end) continue;
        if (next === undefined || entry.at < next.at || (entry.at === next.at && entry.order < next.order))
          next = entry;
      }
      if (next === undefined) break;
      this.#pending.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.fn();
    }
    this.#now = end;
  }
}
