/**
 * `npm run fuzz -- --minutes 10`: sessions over TCP against a running podrouted, for as long as asked, the first seconds of it in the decoders and
 * in a fake network. `--seed N` repeats a run; `--only decoders|fake|tcp` leaves the rest out. Prints what was done; exits 1 with what was wrong.
 */
import { appendFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fuzzDecoders } from './decoders.ts';
import { Random } from './random.ts';
import { fuzzFake, fuzzTcp } from './run.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string' }, only: { type: 'string' } },
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new RangeError(`--minutes ${values.minutes}: a number above 0 is wanted`);
const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
const start = performance.now();
const endMs = start + minutes * 60_000;
const sideMs = values.only === undefined ? Math.min(30_000, minutes * 6000) : minutes * 60_000;
console.log(`seed ${seed}, ${minutes} min`);

try {
  if (values.only === undefined || values.only === 'decoders') decoders();
  if (values.only === undefined || values.only === 'fake') {
    show('fake network', await fuzzFake(seed, performance.now() + sideMs));
  }
  if (values.only === undefined || values.only === 'tcp') await tcp();
} catch (error) {
  console.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
}

function decoders(): void {
  const counts = new Map<string, number>();
  const limits = { untilMs: performance.now() + sideMs, most: Number.POSITIVE_INFINITY };
  const finding = fuzzDecoders(new Random(seed), limits, counts);
  show('decoders', counts);
  if (finding === undefined) return;
  const { target, hex, problem } = finding;
  const entry = { target, hex, note: problem.split('\n')[0] };
  appendFileSync(new URL('corpus/regressions.jsonl', import.meta.url), `${JSON.stringify(entry)}\n`);
  throw new Error(`${target}: ${problem}\n${hex}\n(added to corpus/regressions.jsonl)`);
}

async function tcp(): Promise<void> {
  const report = await fuzzTcp(seed, endMs, (counts, memory) => {
    const seconds = Math.round((performance.now() - start) / 1000);
    const [sessions, messages] = [counts.get('sessions') ?? 0, counts.get('messages sent') ?? 0];
    console.log(`${seconds} s: ${sessions} sessions, ${messages} messages, podrouted ${memory} MiB`);
  });
  show('TCP', report.counts);
  console.log(`  onlookers: sessions up throughout, ${report.judged.join(' and ')} UPDATEs judged right`);
  console.log(
    `  podrouted: ${report.memoryMiB.join(' -> ')} MiB, ${report.descriptors.join(' -> ')} descriptors, no error in its log`,
  );
}

function show(what: string, counts: ReadonlyMap<string, number>): void {
  const total = counts.get('messages sent') ?? [...counts.values()].reduce((sum, count) => sum + count, 0);
  console.log(`${what}: ${total} inputs`);
  for (const [name, count] of [...counts].sort(([a], [b]) => a.localeCompare(b))) console.log(`  ${name}: ${count}`);
}
