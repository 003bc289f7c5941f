/**
 * `npm run bench`: the pieces of the hot path one by one, under a minute. Times are CPU nanoseconds and, next to them, multiples of one
 * step of a calibration loop of the same run (a random access to 8 MB of typed array), so that budgets hold on other machines; of the loop
 * as of everything the least of several rounds counts, since others on the machine can only add. Fails when a figure is above its budget in budgets.json. `--write-budgets` sets budgets anew from this run.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { calibrate } from '../rib.ts';
import { type MicroCase, microCases } from './cases.ts';

const CALIBRATION_STEPS = 4_000_000;
/** Room left when budgets are written: ratios differ between quiet and busy minutes, octets hardly at all. */
const TIME_ROOM = 1.6;
const OCTETS_ROOM = 1.15;
/** A figure above its budget is measured again that often: what a busy machine did must not fail anything. */
const RETRIES = 2;

/** Budgets by figure: multiples of a calibration step for times, octets for the others. */
type Budgets = Record<string, number>;

/** The least that was measured of one figure: nanoseconds or octets. */
type Figures = Map<string, number>;

const path = fileURLToPath(new URL('./budgets.json', import.meta.url));
const { values: flags } = parseArgs({
  options: { 'write-budgets': { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
});
const budgets = JSON.parse(readFileSync(path, 'utf8')) as Budgets;

/** Nanoseconds of one calibration step, the least so far. */
let stepNs = Number.POSITIVE_INFINITY;

/** Runs the rounds of a case, each behind the calibration loop, and keeps the least of each figure. */
function measure(micro: MicroCase, least: Figures): void {
  const round = micro.prepare();
  for (let n = 0; n < micro.rounds; n++) {
    stepNs = Math.min(stepNs, (calibrate() * 1e6) / CALIBRATION_STEPS);
    for (const [name, value] of Object.entries(round())) {
      const figure = `${micro.name}: ${name}`;
      least.set(figure, Math.min(value, least.get(figure) ?? Number.POSITIVE_INFINITY));
    }
  }
}

function isTime(figure: string): boolean {
  return figure.includes(': ns/');
}

/** What the budget of a figure is about: times as multiples of a calibration step, octets as they are. */
function measured(figure: string, value: number): number {
  return isTime(figure) ? value / stepNs : value;
}

function isOver([figure, value]: readonly [string, number]): boolean {
  return measured(figure, value) > (budgets[figure] ?? Number.POSITIVE_INFINITY);
}

function print(figure: string, value: number): void {
  const unit = isTime(figure) ? 'ns' : 'octets';
  const ratio = isTime(figure) ? `${measured(figure, value).toFixed(2)} x` : '';
  const budget = budgets[figure];
  const room = budget === undefined ? 'no budget' : `budget ${budget}${isTime(figure) ? ' x' : ''}`;
  const verdict = isOver([figure, value]) ? '  OVER' : '';
  const shown = `${value.toFixed(1)} ${unit}`;
  process.stdout.write(`${figure.padEnd(40)}${shown.padStart(14)}${ratio.padStart(11)}   ${room}${verdict}\n`);
}

function main(): void {
  if (globalThis.gc === undefined) throw new Error('needs node --expose-gc');
  const chosen = microCases.filter(({ name }) => name.includes(flags.only));
  const least: Figures = new Map();
  for (const micro of chosen) measure(micro, least);
  for (let n = 0; n < RETRIES && !flags['write-budgets']; n++) {
    const over = [...least].filter(isOver).map(([figure]) => figure);
    for (const micro of chosen) if (over.some((figure) => figure.startsWith(`${micro.name}: `))) measure(micro, least);
  }
  process.stdout.write(`calibration step: ${stepNs.toFixed(1)} ns\n`);
  for (const [figure, value] of least) print(figure, value);
  if (flags['write-budgets']) {
    const next: Budgets = {};
    for (const [figure, value] of least) {
      const room = isTime(figure) ? TIME_ROOM : OCTETS_ROOM;
      next[figure] = Number((measured(figure, value) * room).toPrecision(3));
    }
    writeFileSync(path, `${JSON.stringify(next, null, 2)}\n`);
    process.stdout.write(`budgets written: ${path}\n`);
    return;
  }
  const over = [...least].filter(isOver).map(([figure]) => figure);
  if (over.length === 0) return;
  process.stdout.write(`over budget: ${over.join('; ')}\n`);
  process.exitCode = 1;
}

main();
