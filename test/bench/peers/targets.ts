import { medianOf, type RunResult } from './results.ts';

const SELF = 'podroute';

/** A figure to reach: podroute's median, in seconds or as a share of the best of the speakers named. */
interface Target {
  readonly workloads: readonly string[];
  readonly name: string;
  readonly figure: (result: RunResult) => number | undefined;
  readonly most: number;
  /** Whose figure the share is of; the least of theirs counts. Absent: `most` is the figure itself. */
  readonly of?: readonly string[];
}

const converge = (r: RunResult): number | undefined => r.convergeSeconds;
const cpu = (r: RunResult): number | undefined => r.cpuSeconds;
const p99 = (r: RunResult): number | undefined => (r.latencyMs === undefined ? undefined : r.latencyMs.p99 / 1000);

const targets: readonly Target[] = [
  { workloads: ['a', 'v6'], name: 'converge', figure: converge, most: 0.6, of: ['BIRD'] },
  { workloads: ['a', 'v6'], name: 'CPU', figure: cpu, most: 0.6, of: ['BIRD'] },
  { workloads: ['a', 'v6'], name: 'peak memory', figure: (r) => r.peakOctets, most: 2, of: ['BIRD'] },
  { workloads: ['a', 'v6'], name: 'withdraw', figure: (r) => r.withdrawSeconds, most: 1, of: ['BIRD'] },
  { workloads: ['b'], name: 'converge', figure: converge, most: 0.7, of: ['BIRD', 'FRR'] },
  { workloads: ['c100', 'c500'], name: 'converge', figure: converge, most: 0.5, of: ['BIRD'] },
  { workloads: ['c100', 'c500'], name: 'CPU', figure: cpu, most: 0.5, of: ['BIRD'] },
  { workloads: ['d10k'], name: 'p99', figure: p99, most: 0.005 },
  { workloads: ['d60k'], name: 'p99', figure: p99, most: 0.01 },
  { workloads: ['d10k', 'd60k'], name: 'drain', figure: (r) => r.drainSeconds, most: 0.1 },
  {
    workloads: ['f'],
    name: 'from Established',
    figure: (r) => r.lateFromEstablishedSeconds,
    most: 0.5,
    of: ['OpenBGPD'],
  },
  { workloads: ['s1000'], name: 'sessions up', figure: (r) => r.sessionsSeconds, most: 10 },
];

/** A target beside what was measured. */
export interface Verdict {
  readonly text: string;
  readonly isMet: boolean;
}

/** Every target that the results have something to say about. */
export function checkTargets(results: readonly RunResult[]): Verdict[] {
  const verdicts: Verdict[] = [];
  for (const { workloads, name, figure, most, of } of targets) {
    for (const workload of workloads) {
      const own = medianOf(results, workload, SELF, figure);
      const others = (of ?? [])
        .map((device) => medianOf(results, workload, device, figure))
        .filter((v) => v !== undefined);
      if (own === undefined || (of !== undefined && others.length === 0)) continue;
      const value = of === undefined ? own : own / Math.min(...others);
      const unit = of === undefined ? ' s' : ` x ${of.length > 1 ? `the better of ${of.join(' and ')}` : of[0]}`;
      const isMet = value <= most;
      verdicts.push({
        text: `${isMet ? 'met   ' : 'MISSED'} ${workload} ${name}: ${value.toPrecision(3)}${unit}, at most ${most}`,
        isMet,
      });
    }
  }
  return verdicts;
}
