import type { TurnFigures } from '../native/index.ts';

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
}

/**
 * Delays out of turns of the event loop. What happens at a moment of rest is seen at once; what happens within a turn waits for its end. So the
 * share of moments that wait longer than x is what all turns last beyond x, by the time that passed. Unlike samples taken by a timer it leaves
 * out none of a long turn; time in which the kernel let others run while the loop was asleep is not in it.
 */
export function eventLoopDelay(figures: TurnFigures): EventLoopDelay {
  const { elapsedMs, longestMs, sumsMs } = figures;
  const busyMs = sumsMs.reduce((sum, ms) => sum + ms, 0);
  return {
    elapsedMs,
    busyShare: elapsedMs > 0 ? Math.min(1, busyMs / elapsedMs) : 0,
    p50Ms: percentile(figures, 0.5),
    p99Ms: percentile(figures, 0.99),
    maxMs: longestMs,
  };
}

/** The shortest delay that is not exceeded at this share of all moments. */
function percentile({ elapsedMs, counts, sumsMs, longestMs }: TurnFigures, share: number): number {
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
