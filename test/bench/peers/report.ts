import { formatTable, isShareOf, medianOf, type RunResult, thousands } from './results.ts';
import { speakers } from './speakers.ts';
import { checkTargets } from './targets.ts';
import { workloads } from './workloads.ts';

const devices = ['BIRD', 'FRR', 'OpenBGPD', 'GoBGP', 'podroute'] as const;
const reference = 'BIRD';

/** A row of the summary: one figure of one workload, for all speakers. */
interface Row {
  readonly workload: string;
  readonly name: string;
  readonly figure: (result: RunResult) => number | undefined;
  readonly format: (value: number) => string;
}

const seconds = (value: number): string => `${Number(value.toPrecision(2))} s`;
const megabytes = (value: number): string => `${Math.round(value / 1e6)} MB`;
const kilobytes = (value: number): string => `${Math.round(value / 1e3)} kB`;

const times = (workload: string): Row[] => [
  { workload, name: 'converge', figure: (r) => r.convergeSeconds, format: seconds },
  { workload, name: 'CPU', figure: (r) => r.cpuSeconds, format: seconds },
];
const memory = (workload: string): Row => ({
  workload,
  name: 'peak memory',
  figure: (r) => r.peakOctets,
  format: megabytes,
});
const withdrawal = (workload: string): Row => ({
  workload,
  name: 'withdraw',
  figure: (r) => r.withdrawSeconds,
  format: seconds,
});
const latency = (workload: string): Row => ({
  workload,
  name: 'latency p99',
  figure: (r) => r.latencyMs?.p99,
  format: (value) => `${value.toFixed(1)} ms`,
});

const rows: readonly Row[] = [
  ...times('a'),
  memory('a'),
  withdrawal('a'),
  ...times('v6'),
  ...times('b'),
  ...times('c100'),
  ...times('c500'),
  latency('d10k'),
  latency('d60k'),
  { workload: 'f', name: 'late joiner', figure: (r) => r.lateFromEstablishedSeconds, format: seconds },
  { workload: 's1000', name: 'all Established', figure: (r) => r.sessionsSeconds, format: seconds },
  {
    workload: 's1000',
    name: 'memory of one',
    figure: (r) => (r.idleOctets - r.startOctets) / r.sessions,
    format: kilobytes,
  },
];

/** The standard workloads on one page of Markdown: a row for each figure, a column for each speaker. */
export function formatSummary(results: readonly RunResult[]): string {
  const lines = [
    `| workload | | ${devices.join(' | ')} | podroute / ${reference} |`,
    `|${' --- |'.repeat(devices.length + 3)}`,
  ];
  for (const { workload, name, figure, format } of rows) {
    const values = devices.map((device) => medianOf(results, workload, device, figure));
    if (values.every((value) => value === undefined)) continue;
    const other = medianOf(results, workload, reference, figure);
    const own = values.at(-1);
    const ratio = own === undefined || other === undefined || other === 0 ? '' : (own / other).toFixed(2);
    const cells = devices.map((device, i) => {
      const value = values[i];
      return value === undefined ? smaller(results, workload, device, figure, format) : format(value);
    });
    lines.push(`| ${[workload, name, ...cells, ratio].join(' | ')} |`);
  }
  return [...lines, '', ...gaps(results), `${versionsOf(results)}.`].join('\n');
}

/** The figure of a speaker that had the workload with fewer prefixes, with their number; empty if there is none. */
function smaller(
  results: readonly RunResult[],
  workload: string,
  device: string,
  figure: Row['figure'],
  format: Row['format'],
): string {
  const run = results.findLast((r) => r.ok && r.device === device && isShareOf(r, workload));
  const value = run === undefined ? undefined : medianOf(results, run.workload, device, figure);
  return run === undefined || value === undefined ? '' : `${format(value)} with ${thousands(run.prefixes)}`;
}

/** Why cells are empty: what a speaker is left out of, and what it failed. */
function gaps(results: readonly RunResult[]): string[] {
  const sentences: string[] = [];
  for (const workload of workloads.filter(({ name }) => rows.some((row) => row.workload === name))) {
    for (const device of devices) {
      const own = results.filter(
        (r) => r.device === device && (r.workload === workload.name || isShareOf(r, workload.name)),
      );
      if (own.some((r) => r.ok)) continue;
      const reason = speakers.find(({ name }) => name === device)?.leavesOut?.(workload);
      const problem = own.at(-1)?.problem?.split('\n', 1)[0]?.slice(0, 160);
      if (problem !== undefined) sentences.push(`${device} failed ${workload.name}: ${problem}.`);
      else if (reason !== undefined) sentences.push(`${device} is left out of ${workload.name}: ${reason}.`);
    }
  }
  return sentences.length === 0 ? [] : [sentences.join(' '), ''];
}

/** The latest version of each speaker, days and machines that results come from. */
function versionsOf(results: readonly RunResult[]): string {
  const versions = [...new Set(results.map((r) => r.device))].map((device) => {
    const own = new Set(results.filter((r) => r.device === device).map((r) => r.version));
    const latest = results.findLast((r) => r.device === device)?.version ?? device;
    return own.size === 1 ? latest : `${latest}, some runs on earlier commits`;
  });
  const machines = [...new Set(results.map((r) => `${r.time.slice(0, 10)}, ${r.machine}`))];
  return `${[...new Set(versions)].join('; ')}. ${machines.join('; ')}`;
}

/** Every workload that has results as a table under a heading, then what became of the targets. */
export function formatReport(results: readonly RunResult[]): string {
  const sections = workloads
    .filter(({ name }) => results.some((r) => r.workload === name || isShareOf(r, name)))
    .map(({ name, about }) => {
      const sentence = `${about.slice(0, 1).toUpperCase()}${about.slice(1)}.`;
      return `## ${name}\n\n${sentence}\n\n${formatTable(results, name, reference)}\n`;
    });
  const verdicts = checkTargets(results).map(({ text }) => text);
  return [
    '<!-- Generated by `npm run bench:charts` from the JSON files beside it: do not edit. -->\n',
    '# Speakers side by side: all tables\n',
    `Medians; in parentheses the ratio to ${reference}. ${versionsOf(results)}.`,
    'What is measured and how: [README](../../test/bench/peers/README.md).\n',
    ...sections,
    `## Targets\n\n\`\`\`text\n${verdicts.join('\n')}\n\`\`\`\n`,
  ].join('\n');
}
