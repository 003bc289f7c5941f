import { performance } from 'node:perf_hooks';

/** A timer that was set; clearing it twice, or after it fired, does nothing. */
export interface TimerHandle {
  clear(): void;
}

/** Time and chance, injected so that tests decide both. */
export interface Clock {
  /** Milliseconds on a clock that never goes back; meaningful only as a difference. */
  nowMs(): number;
  /** Milliseconds since 1970, for what people read. */
  wallMs(): number;
  /** Calls `fn` once after `ms` milliseconds. */
  setTimer(ms: number, fn: () => void): TimerHandle;
  /** Calls `fn` in a later turn of the event loop, after waiting I/O was served. */
  defer(fn: () => void): TimerHandle;
  /** Uniform in [0, 1): jitter. */
  random(): number;
}

/** The real clock: the only user of `setTimeout` and `setImmediate` in the product. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(ms, fn) {
    const handle = setTimeout(fn, ms);
    return { clear: () => clearTimeout(handle) };
  },
  defer(fn) {
    const handle = setImmediate(fn);
    return { clear: () => clearImmediate(handle) };
  },
  random: () => Math.random(),
};
