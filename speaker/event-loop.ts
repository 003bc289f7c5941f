import type { TurnFigures, TurnLengths } from '../native/index.ts';

/** How long whatever happens (octets arrive, a timer is due) has to wait until this process looks at it. */
export interface EventLoopDelay {
  /** For how long it was measured, milliseconds. */
  readonly elapsedMs: number;
  /** Share of that time in which the loop worked, 0 to 1. */
  readonly busyShare: number;
  /** Half of all moments: what happened then waited no longer. 0 where the loop was idle most of the time. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The longest stretch of work. */
  readonly maxMs: number;
  /** The same with processor time for time: what is left where others do not take the processor away. */
  readonly cpu: { readonly busyShare: number; readonly p99Ms: number; readonly maxMs: number };
}

/**
 * Delays out of turns of the event loop. What happens at a moment of rest is seen at once; what happens within a turn waits for its end. So the
 * share of moments that wait longer than x is what all turns last beyond x, by the time that passed. Unlike samples taken by a timer it leaves
 * out none of a long turn; time in which the kernel let others run while the loop was asleep is not in it.
 */
export function eventLoopDelay({ elapsedMs, busy, cpu }: TurnFigures): EventLoopDelay {
  return {
    elapsedMs,
    busyShare: shareOf(elapsedMs, busy),
    p50Ms: percentile(elapsedMs, busy, 0.5),
    p99Ms: percentile(elapsedMs, busy, 0.99),
    maxMs: busy.longestMs,
    cpu: { busyShare: shareOf(elapsedMs, cpu), p99Ms: percentile(elapsedMs, cpu, 0.99), maxMs: cpu.longestMs },
  };
}

function shareOf(elapsedMs: number, { sumsMs }: TurnLengths): number {
  const sum = sumsMs.reduce((all, ms) => all + ms, 0);
  return elapsedMs > 0 ? Math.min(1, sum / elapsedMs) : 0;
}

/** The shortest delay that is not exceeded at this share of all moments. */
function percentile(elapsedMs: number, { counts, sumsMs, longestMs }: TurnLengths, share: number): number {
  const beyond = elapsedMs * (1 - share);
  let turns = 0;
  let sum = 0;
  let delay = 0;
  // From the longest turns down: `turns` of them together exceed a delay by `sum - turns * delay`, until shorter ones come in.
  for (let bucket = counts.length - 1; bucket >= 0; bucket--) {
    const count = counts[bucket] ?? 0;
    if (count === 0) continue;
    const mean = (sumsMs[bucket] ?? 0) / count;
    if (turns > 0 && delay >= mean) break;
    turns += count;
    sum += sumsMs[bucket] ?? 0;
    delay = (sum - beyond) / turns;
  }
  return Math.min(Math.max(0, delay), longestMs);
}
