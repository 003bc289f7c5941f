/**
 * `npm run bench:peers`: podroute beside BIRD, FRR, OpenBGPD and GoBGP on this machine. Needs root. See README.md and `--help`.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { projectRoot } from '../../../deploy/lab/podroute.ts';
import { drawCharts } from './charts.ts';
import { formatTable, type RunResult, readResults, writeResults } from './results.ts';
import { runOnce } from './run.ts';
import { defaultSpeakers, type Speaker, speakers } from './speakers.ts';
import { checkTargets } from './targets.ts';
import { chartWorkloads, quickWorkloads, scaled, standardWorkloads, type Workload, workloads } from './workloads.ts';

interface Options {
  readonly peers: string[];
  readonly runs: number;
  readonly long: number;
  readonly scale: number;
  readonly quick?: true;
  readonly forCharts?: true;
  readonly out: string;
  readonly append?: true;
  readonly keep?: true;
  readonly check?: true;
  readonly install: boolean;
  readonly charts: boolean;
}

const defaultResults = join(projectRoot, 'docs/performance/peers.json');
/** The two whose ratio is looked at. */
const alwaysRepeated: ReadonlySet<string> = new Set(['BIRD', 'podroute']);
const byName = new Map(workloads.map((w) => [w.name, w]));

const program = new Command('bench:peers')
  .description(
    `Measures BGP speakers side by side, one run of each in turn. Workloads:\n${workloads.map((w) => `  ${w.name.padEnd(12)}${w.about}`).join('\n')}`,
  )
  .argument('[workloads...]', `what to run (default: ${standardWorkloads.join(' ')})`)
  .option('--peers <names>', 'speakers, by comma', list, [...defaultSpeakers])
  .option('--runs <n>', 'runs of each; medians are printed', positive, 3)
  .option('--long <seconds>', 'a run that takes longer is not repeated, but of BIRD and podroute', positive, 8)
  .option('--scale <factor>', 'prefixes and attribute sets times this', positive, 1)
  .option('--quick', `one run each of ${quickWorkloads.join(', ')}: a minute`)
  .option('--for-charts', 'one run each of the further workloads that the charts are drawn from, too')
  .option('--out <file>', 'where results are stored', defaultResults)
  .option('--append', 'keep the results that the file holds')
  .option('--check', "fail when one of podroute's targets is missed")
  .option('--keep', 'keep the files of failed runs')
  .option('--no-install', 'do not install missing peers')
  .option('--no-charts', 'do not draw the charts');

function list(text: string): string[] {
  return text.split(',');
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('must be a number above 0');
  return value;
}

/** A workload and how often each speaker runs it. */
interface Job {
  readonly workload: Workload;
  readonly runs: number;
}

function chosenJobs(names: readonly string[], options: Options): Job[] {
  const { quick, forCharts, runs, scale } = options;
  const first = names.length > 0 ? names : quick ? quickWorkloads : standardWorkloads;
  const further = forCharts ? chartWorkloads.filter((name) => !first.includes(name)) : [];
  const job = (name: string, times: number): Job => {
    const workload = byName.get(name);
    if (workload === undefined) program.error(`no workload '${name}': there are ${[...byName.keys()].join(', ')}`);
    return { workload: scaled(workload as Workload, scale), runs: times };
  };
  return [...first.map((name) => job(name, quick ? 1 : runs)), ...further.map((name) => job(name, 1))];
}

function chosenSpeakers({ peers }: Options): Speaker[] {
  return peers.map((name) => {
    const found = speakers.find((s) => s.name.toLowerCase() === name.toLowerCase());
    if (found === undefined) program.error(`no peer '${name}': there are ${speakers.map((s) => s.name).join(', ')}`);
    return found as Speaker;
  });
}

function install(): void {
  execFileSync(join(projectRoot, 'deploy/setup.sh'), ['bench'], { stdio: 'inherit' });
}

function report(result: RunResult): void {
  const { workload, device, ok, problem, convergeSeconds, cpuSeconds, sessionsSeconds } = result;
  const figures =
    convergeSeconds === undefined
      ? `sessions ${sessionsSeconds.toFixed(2)} s`
      : `converge ${convergeSeconds.toFixed(3)} s, CPU ${cpuSeconds?.toFixed(3)} s`;
  process.stdout.write(`${workload} ${device}: ${ok ? figures : `FAILED: ${problem}`}\n`);
}

async function main(): Promise<void> {
  program.parse();
  const options = program.opts<Options>();
  const jobs = chosenJobs(program.args, options);
  if (process.getuid?.() !== 0) program.error('needs root: it makes network namespaces');
  if (options.install) install();
  const present = chosenSpeakers(options).filter((speaker) => {
    const version = speaker.version();
    process.stdout.write(`${speaker.name}: ${version ?? 'not installed, left out'}\n`);
    return version !== undefined;
  });
  mkdirSync(dirname(options.out), { recursive: true });
  const results = options.append ? readResults(options.out) : [];
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => stop.abort(`ended by ${name}`));
  }
  let failures = 0;
  for (const { workload, runs } of jobs) {
    process.stdout.write(`\n${workload.name}: ${workload.about}\n`);
    const long = new Set<Speaker>();
    for (let n = 0; n < runs; n++) {
      for (const speaker of present) {
        if (long.has(speaker)) continue;
        const reason = speaker.leavesOut?.(workload);
        if (reason !== undefined) {
          if (n === 0) process.stdout.write(`${workload.name} ${speaker.name}: left out: ${reason}\n`);
          continue;
        }
        const began = performance.now();
        try {
          const own = scaled(workload, speaker.shareOf?.(workload) ?? 1);
          const result = await runOnce(speaker, own, stop.signal, options.keep);
          report(result);
          if (!result.ok) failures++;
          results.push(result);
          writeResults(options.out, results);
        } catch (error) {
          if (stop.signal.aborted) {
            process.stdout.write(`${stop.signal.reason}\n`);
            process.exit(130);
          }
          failures++;
          process.stdout.write(`${workload.name} ${speaker.name}: FAILED: ${String(error)}\n`);
        }
        const isLong = performance.now() - began > options.long * 1000;
        if (isLong && !alwaysRepeated.has(speaker.name)) long.add(speaker);
      }
    }
    process.stdout.write(`\n${formatTable(results, workload.name, present[0]?.name ?? '')}\n`);
  }
  const verdicts = checkTargets(results);
  process.stdout.write(verdicts.length === 0 ? '' : `\nTargets:\n${verdicts.map((v) => v.text).join('\n')}\n`);
  if (options.charts) {
    for (const path of drawCharts(results, dirname(options.out))) process.stdout.write(`chart: ${path}\n`);
  }
  if (failures > 0 || (options.check && verdicts.some((v) => !v.isMet))) process.exitCode = 1;
}

await main();
