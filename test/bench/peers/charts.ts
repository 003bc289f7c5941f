import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { medianOf, type RunResult } from './results.ts';
import { speakers } from './speakers.ts';
import { type Chart, drawChart, type Series } from './svg-chart.ts';

/** A chart over workloads that differ in one number. */
interface Curve {
  readonly file: string;
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** Whether the workload of a run belongs to the chart. */
  readonly takes: (workload: string) => boolean;
  readonly at: (result: RunResult) => number;
  readonly figure: (result: RunResult) => number | undefined;
}

/** One peer to one peer, with ten prefixes to an attribute set. */
const isTable = (name: string): boolean => ['x-100k', 'x-250k', 'x-500k', 'a'].includes(name);
/** 500 k prefixes in more or fewer attribute sets. */
const isSets = (name: string): boolean => /^x-sets-/.test(name) || name === 'x-500k';
const isReflection = (name: string): boolean => /^c\d+$/.test(name);
const isIdle = (name: string): boolean => /^s\d+$/.test(name);

const prefixes = (r: RunResult): number => r.prefixes;
const sets = (r: RunResult): number => r.sets;
const sessions = (r: RunResult): number => r.sessions;

const PREFIXES = 'prefixes (ten to an attribute set)';
const CLIENTS = 'clients of the reflector, 4 prefixes each';

const curves: readonly Curve[] = [
  {
    file: 'prefixes-time',
    title: 'One peer to one peer: time to converge',
    x: PREFIXES,
    y: 'seconds',
    takes: isTable,
    at: prefixes,
    figure: (r) => r.convergeSeconds,
  },
  {
    file: 'prefixes-cpu',
    title: 'One peer to one peer: CPU time',
    x: PREFIXES,
    y: 'CPU seconds',
    takes: isTable,
    at: prefixes,
    figure: (r) => r.cpuSeconds,
  },
  {
    file: 'prefixes-memory',
    title: 'One peer to one peer: memory',
    x: PREFIXES,
    y: 'peak resident megabytes',
    takes: isTable,
    at: prefixes,
    figure: (r) => (r.peakOctets ?? 0) / 1e6,
  },
  {
    file: 'memory-per-route',
    title: 'Memory of one route',
    x: PREFIXES,
    y: 'octets a route, above the idle speaker',
    takes: isTable,
    at: prefixes,
    figure: octetsPerRoute,
  },
  {
    file: 'sets-cpu',
    title: '500 k prefixes in more and more attribute sets: CPU time',
    x: 'attribute sets',
    y: 'CPU seconds',
    takes: isSets,
    at: sets,
    figure: (r) => r.cpuSeconds,
  },
  {
    file: 'sets-memory',
    title: '500 k prefixes in more and more attribute sets: memory',
    x: 'attribute sets',
    y: 'peak resident megabytes',
    takes: isSets,
    at: sets,
    figure: (r) => (r.peakOctets ?? 0) / 1e6,
  },
  {
    file: 'peers-time',
    title: 'Route reflection: time to converge',
    x: CLIENTS,
    y: 'seconds',
    takes: isReflection,
    at: sessions,
    figure: (r) => r.convergeSeconds,
  },
  {
    file: 'peers-cpu',
    title: 'Route reflection: CPU time',
    x: CLIENTS,
    y: 'CPU seconds',
    takes: isReflection,
    at: sessions,
    figure: (r) => r.cpuSeconds,
  },
  {
    file: 'sessions-time',
    title: 'Idle sessions: time until all are Established',
    x: 'sessions',
    y: 'seconds',
    takes: isIdle,
    at: sessions,
    figure: (r) => r.sessionsSeconds,
  },
  {
    file: 'sessions-memory',
    title: 'Idle sessions: memory of the speaker',
    x: 'sessions',
    y: 'resident megabytes',
    takes: isIdle,
    at: sessions,
    figure: (r) => r.idleOctets / 1e6,
  },
];

/** What a route adds to the resident set, right after convergence. */
export function octetsPerRoute(result: RunResult): number | undefined {
  const grown = (result.convergedOctets ?? 0) - result.idleOctets;
  return result.prefixes === 0 || grown <= 0 ? undefined : grown / result.prefixes;
}

/**
 * Draws every chart that the results have at least two points of some speaker for.
 * @returns paths of the files written
 */
export function drawCharts(results: readonly RunResult[], directory: string): string[] {
  mkdirSync(directory, { recursive: true });
  const written: string[] = [];
  for (const curve of curves) {
    const series = speakers
      .map((speaker, style) => ({ name: speaker.name, style, points: pointsOf(curve, results, speaker.name) }))
      .filter((s) => s.points.length > 1);
    if (series.length === 0) continue;
    const path = join(directory, `${curve.file}.svg`);
    writeFileSync(path, drawChart(chartOf(curve, series, results)));
    written.push(path);
  }
  return written;
}

function pointsOf(curve: Curve, results: readonly RunResult[], device: string): Series['points'] {
  const own = results.filter((r) => r.ok && r.device === device && curve.takes(r.workload));
  const points = [...new Set(own.map((r) => r.workload))].map((workload) => ({
    x: curve.at(own.find((r) => r.workload === workload) as RunResult),
    y: medianOf(own, workload, device, curve.figure) ?? 0,
  }));
  return points.filter((p) => p.x > 0 && p.y > 0).sort((a, b) => a.x - b.x);
}

function chartOf({ title, x, y, takes }: Curve, series: readonly Series[], results: readonly RunResult[]): Chart {
  const used = results.filter((r) => takes(r.workload));
  const versions = series.map(({ name }) => used.findLast((r) => r.device === name)?.version ?? name);
  const [{ machine = '', time = '' } = {}] = used;
  return { title, x, y, series, notes: [[...new Set(versions)].join('; '), `${time.slice(0, 10)}, ${machine}`] };
}
