import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** What the load process found out in one run. Seconds of wall clock unless the name says otherwise. */
export interface LoadResult {
  readonly ok: boolean;
  /** Why not. */
  readonly problem?: string;
  readonly errors: Readonly<Record<string, number>>;
  /** From the first connection attempt until every session was Established. */
  readonly sessionsSeconds: number;
  /** Resident set of the speaker with all sessions up and nothing sent yet, and before the first connection. */
  readonly idleOctets: number;
  readonly startOctets: number;
  /** From the first octet of an UPDATE sent until every receiver had every prefix with the right path. */
  readonly convergeSeconds?: number;
  /** CPU time of all the speaker's processes in that phase, of the load process, and of what else ran on the machine. */
  readonly cpuSeconds?: number;
  readonly loadCpuSeconds?: number;
  readonly otherCpuSeconds?: number;
  /** Resident set of the speaker right after convergence, and its highest until the end. */
  readonly convergedOctets?: number;
  readonly peakOctets?: number;
  readonly receivedUpdates?: number;
  readonly receivedOctets?: number;
  /** From the end of the sender's connection until no receiver held any of its prefixes. */
  readonly withdrawSeconds?: number;
  readonly withdrawCpuSeconds?: number;
  /** Churn: from the moment an UPDATE was due to be sent until the receiver had it. */
  readonly latencyMs?: {
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly p999: number;
    readonly max: number;
  };
  /** From the last UPDATE until the receiver held the newest version of everything. */
  readonly drainSeconds?: number;
  /** Announcements received / sent: below 1, versions that were overtaken were left out. */
  readonly seenShare?: number;
  readonly churnCpuSeconds?: number;
  /** Late receiver: from its first connection attempt, and from Established, until it had everything. */
  readonly lateSeconds?: number;
  readonly lateFromEstablishedSeconds?: number;
  readonly lateCpuSeconds?: number;
}

/** One run of one workload against one speaker, as stored. */
export interface RunResult extends LoadResult {
  readonly workload: string;
  readonly device: string;
  readonly version: string;
  readonly time: string;
  readonly sessions: number;
  readonly prefixes: number;
  readonly sets: number;
  readonly machine: string;
}

/** Runs stored in a file, none if there is no such file. */
export function readResults(path: string): RunResult[] {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as RunResult[]) : [];
}

/** Writes runs as JSON, one a line. */
export function writeResults(path: string, results: readonly RunResult[]): void {
  writeFileSync(path, `[\n${results.map((r) => JSON.stringify(r)).join(',\n')}\n]\n`);
}

export function median(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Median of a figure over the good runs of one workload and speaker. */
export function medianOf(
  results: readonly RunResult[],
  workload: string,
  device: string,
  figure: (result: RunResult) => number | undefined,
): number | undefined {
  const values = results
    .filter((r) => r.workload === workload && r.device === device && r.ok)
    .map(figure)
    .filter((value) => value !== undefined);
  return median(values);
}

/** A figure of the tables: its name, how to get it, how to print it. */
interface Column {
  readonly name: string;
  readonly figure: (result: RunResult) => number | undefined;
  readonly format: (value: number) => string;
  /** Whether the ratio to the first speaker is worth printing. */
  readonly hasRatio: boolean;
}

const seconds = (value: number): string => `${value.toPrecision(3)} s`;
const megabytes = (value: number): string => `${(value / 1e6).toFixed(value < 1e7 ? 1 : 0)} MB`;
const milliseconds = (value: number): string => `${value.toFixed(2)} ms`;

const columns: readonly Column[] = [
  { name: 'converge', figure: (r) => r.convergeSeconds, format: seconds, hasRatio: true },
  { name: 'CPU', figure: (r) => r.cpuSeconds, format: seconds, hasRatio: true },
  { name: 'peak memory', figure: (r) => r.peakOctets, format: megabytes, hasRatio: true },
  { name: 'withdraw', figure: (r) => r.withdrawSeconds, format: seconds, hasRatio: true },
  { name: 'p50', figure: (r) => r.latencyMs?.p50, format: milliseconds, hasRatio: false },
  { name: 'p99', figure: (r) => r.latencyMs?.p99, format: milliseconds, hasRatio: true },
  { name: 'max', figure: (r) => r.latencyMs?.max, format: milliseconds, hasRatio: false },
  { name: 'drain', figure: (r) => r.drainSeconds, format: seconds, hasRatio: false },
  { name: 'seen', figure: (r) => r.seenShare, format: (v) => `${(v * 100).toFixed(0)} %`, hasRatio: false },
  { name: 'late join', figure: (r) => r.lateSeconds, format: seconds, hasRatio: true },
  { name: 'from Established', figure: (r) => r.lateFromEstablishedSeconds, format: seconds, hasRatio: true },
  {
    name: 'sessions up',
    figure: (r) => (r.prefixes === 0 ? r.sessionsSeconds : undefined),
    format: seconds,
    hasRatio: true,
  },
  {
    name: 'memory per session',
    figure: (r) => (r.prefixes === 0 ? (r.idleOctets - r.startOctets) / r.sessions : undefined),
    format: (v) => `${(v / 1000).toFixed(1)} kB`,
    hasRatio: false,
  },
  {
    name: 'load CPU',
    figure: (r) => share(r.loadCpuSeconds, r.convergeSeconds),
    format: (v) => `${(v * 100).toFixed(0)} %`,
    hasRatio: false,
  },
  {
    name: 'others',
    figure: (r) => share(r.otherCpuSeconds, r.convergeSeconds),
    format: (v) => `${v.toFixed(1)}`,
    hasRatio: false,
  },
];

function share(part: number | undefined, whole: number | undefined): number | undefined {
  return part === undefined || whole === undefined || whole === 0 ? undefined : part / whole;
}

/**
 * The runs of one workload as a Markdown table: medians, and in parentheses the ratio to `reference`. `load CPU` is the load process's
 * share of one core, `others` how many cores the rest of the machine used.
 */
export function formatTable(results: readonly RunResult[], workload: string, reference: string): string {
  // Speakers that would take minutes got the same workload with fewer prefixes: a row of its own, without ratios.
  const runs = results.filter((r) => r.workload === workload || isShareOf(r, workload));
  const kinds = [...new Map(runs.map((r) => [`${r.device} ${r.workload}`, r])).values()];
  const used = columns.filter((c) => runs.some((r) => r.ok && c.figure(r) !== undefined));
  const lines = [
    `| ${[workload, 'runs', ...used.map((c) => c.name)].join(' | ')} |`,
    `|${' --- |'.repeat(used.length + 2)}`,
  ];
  for (const kind of kinds) {
    const { device } = kind;
    const isWhole = kind.workload === workload;
    const own = runs.filter((r) => r.device === device && r.workload === kind.workload);
    const good = own.filter((r) => r.ok).length;
    const cells = used.map((column) => {
      const value = medianOf(runs, kind.workload, device, column.figure);
      if (value === undefined) return '';
      const other = column.hasRatio && isWhole ? medianOf(runs, workload, reference, column.figure) : undefined;
      const ratio =
        other === undefined || other === 0 || device === reference ? '' : ` (${(value / other).toFixed(2)})`;
      return `${column.format(value)}${ratio}`;
    });
    const count = good === own.length ? String(good) : `${good} of ${own.length}`;
    lines.push(
      `| ${[isWhole ? device : `${device}, ${thousands(kind.prefixes)} prefixes`, count, ...cells].join(' | ')} |`,
    );
  }
  return lines.join('\n');
}

/** Whether a run was one of this workload with fewer prefixes. */
export function isShareOf(result: RunResult, workload: string): boolean {
  return result.workload.startsWith(`${workload}*`);
}

/** 10000 as `10 k`. */
export function thousands(n: number): string {
  return n % 1000 === 0 ? `${n / 1000} k` : String(n);
}
