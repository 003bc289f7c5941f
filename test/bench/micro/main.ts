/**
 * `npm run bench`: the pieces of the hot path one by one. Times are CPU nanoseconds and, next to them, multiples of one step of a
 * calibration loop right before and after, so that budgets hold on other machines and in busy minutes; the least ratio of several rounds
 * counts, since others on the machine can only add. Fails when a figure is above its budget in budgets.json.
 *
 * `--check`, for the test suite: no more rounds than it takes to see everything within its budget, and two fifths more time are allowed.
 * `--write-budgets` sets budgets anew from this run.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { calibrationStepNs } from '../calibrate.ts';
import { type MicroCase, microCases } from './cases.ts';

/** Room left when budgets are written: ratios differ between quiet and busy minutes, octets hardly at all. */
const TIME_ROOM = 1.4;
const OCTETS_ROOM = 1.15;
/** What `--check` allows on top: it is to fail for what a change did, not for what else the machine does. */
const CHECK_ROOM = 1.4;
/** A case above a budget goes on for so many times its rounds: what a busy machine did must not fail anything. */
const PATIENCE = 6;

/** Budgets by figure: multiples of a calibration step for times, octets for the others. */
type Budgets = Record<string, number>;

/** The least that was measured of one figure. */
interface Figure {
  /** Nanoseconds or octets. */
  value: number;
  /** What its budget is about: times as multiples of a calibration step of the same round, octets as they are. */
  measured: number;
}

const path = fileURLToPath(new URL('./budgets.json', import.meta.url));
const { values: flags } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    'write-budgets': { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
});
const budgets = JSON.parse(readFileSync(path, 'utf8')) as Budgets;

function isTime(figure: string): boolean {
  return figure.includes(': ns/');
}

function budgetOf(figure: string): number {
  const budget = budgets[figure] ?? Number.POSITIVE_INFINITY;
  return flags.check && isTime(figure) ? budget * CHECK_ROOM : budget;
}

function isOver(name: string, { measured }: Figure): boolean {
  return measured > budgetOf(name);
}

/** Runs rounds of a case, each between two calibrations, until it has been seen within its budgets or patience is out. */
async function measure(micro: MicroCase): Promise<Map<string, Figure>> {
  const least = new Map<string, Figure>();
  await new Promise((resolve) => setImmediate(resolve));
  const round = micro.prepare();
  for (let n = 0; n < micro.rounds * PATIENCE; n++) {
    const isWithin = n > 0 && ![...least].some(([name, figure]) => isOver(name, figure));
    if (isWithin && (flags.check || n >= micro.rounds)) break;
    if (flags['write-budgets'] && n >= micro.rounds) break;
    // What the last round left behind can be collected from here on.
    await new Promise((resolve) => setImmediate(resolve));
    const before = calibrationStepNs();
    const result = round();
    const stepNs = Math.min(before, calibrationStepNs());
    for (const [what, value] of Object.entries(result)) {
      const name = `${micro.name}: ${what}`;
      const measured = isTime(name) ? value / stepNs : value;
      if (measured < (least.get(name)?.measured ?? Number.POSITIVE_INFINITY)) least.set(name, { value, measured });
    }
  }
  return least;
}

function print(name: string, figure: Figure): void {
  const unit = isTime(name) ? 'ns' : 'octets';
  const ratio = isTime(name) ? `${figure.measured.toFixed(2)} x` : '';
  const budget = budgets[name];
  const room = budget === undefined ? 'no budget' : `budget ${budget}${isTime(name) ? ' x' : ''}`;
  const shown = `${figure.value.toFixed(1)} ${unit}`;
  process.stdout.write(
    `${name.padEnd(40)}${shown.padStart(14)}${ratio.padStart(11)}   ${room}${isOver(name, figure) ? '  OVER' : ''}\n`,
  );
}

function writeBudgets(figures: readonly (readonly [string, Figure])[]): void {
  const next: Budgets = {};
  for (const [name, { measured }] of figures) {
    next[name] = Number((measured * (isTime(name) ? TIME_ROOM : OCTETS_ROOM)).toPrecision(3));
  }
  writeFileSync(path, `${JSON.stringify(next, null, 2)}\n`);
  process.stdout.write(`budgets written: ${path}\n`);
}

async function main(): Promise<void> {
  if (globalThis.gc === undefined) throw new Error('needs node --expose-gc');
  const steps = Array.from({ length: 5 }, calibrationStepNs);
  const figures: [string, Figure][] = [];
  for (const micro of microCases) if (micro.name.includes(flags.only)) figures.push(...(await measure(micro)));
  const over = figures.filter(([name, figure]) => isOver(name, figure));
  if (!flags.check) process.stdout.write(`calibration step: ${Math.min(...steps).toFixed(1)} ns\n`);
  for (const [name, figure] of flags.check ? over : figures) print(name, figure);
  if (flags['write-budgets']) writeBudgets(figures);
  else if (over.length > 0) {
    process.stdout.write(`over budget: ${over.map(([name]) => name).join('; ')}\n`);
    process.exitCode = 1;
  } else if (flags.check) process.stdout.write(`bench: ${figures.length} figures within their budgets\n`);
}

await main();
