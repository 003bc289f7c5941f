import { FakeStage } from './fake-stage.ts';
import { Random } from './random.ts';
import { SessionFuzzer } from './session-fuzzer.ts';
import { TcpStage } from './tcp-stage.ts';

/** What a run over TCP has seen, beside the counts of what it did. */
export interface TcpReport {
  readonly counts: ReadonlyMap<string, number>;
  /** UPDATEs that each onlooker judged. */
  readonly judged: readonly number[];
  /** Resident memory of the daemon in MiB: after a tenth of the time, halfway, and at the end. */
  readonly memoryMiB: readonly number[];
  /** Files and sockets it had open after a tenth of the time, and after the last session. */
  readonly descriptors: readonly [number, number];
}

/** Most that the daemon's memory may grow in the second half of a run: with 80,000 sessions in five minutes it was 3. */
const MEMORY_GROWTH_MIB = 24;
/** In the first minutes a daemon's memory grows to what it needs, and nothing follows from that. */
const MEMORY_MATTERS_MS = 300_000;

/** Fuzzes sessions of a speaker in a fake network until `untilMs` of `performance.now()`. @throws Mistake */
export async function fuzzFake(seed: number, untilMs: number): Promise<ReadonlyMap<string, number>> {
  const stage = new FakeStage();
  const fuzzer = await SessionFuzzer.start(stage, new Random(seed));
  const before = stage.connections;
  stage.onSecond = () => fuzzer.keepalive();
  while (performance.now() < untilMs) {
    await fuzzer.session();
    stage.forget();
  }
  if (stage.bugs.length > 0) throw new Error(stage.bugs.join('\n'));
  if (!(await stage.until(() => stage.connections === before)))
    throw new Error(`${stage.connections} connections, were ${before}`);
  return fuzzer.counts;
}

/**
 * Fuzzes sessions of a running podrouted until `untilMs` of `performance.now()`. Needs root.
 * @param progress told what was done so far, every ten seconds
 * @throws Mistake, and Error for a leak or a bug in the log
 */
export async function fuzzTcp(
  seed: number,
  untilMs: number,
  progress: (counts: ReadonlyMap<string, number>, memoryMiB: number) => void = () => {},
): Promise<TcpReport> {
  const stage = await TcpStage.open();
  let timer: NodeJS.Timeout | undefined;
  try {
    const fuzzer = await SessionFuzzer.start(stage, new Random(seed));
    timer = setInterval(() => fuzzer.keepalive(), 2000);
    let before = 0;
    const started = performance.now();
    const memory: number[] = [];
    let shown = started;
    while (performance.now() < untilMs) {
      await fuzzer.session();
      const now = performance.now();
      const part = (now - started) / (untilMs - started);
      if (memory.length < [0.1, 0.5].filter((mark) => part >= mark).length) {
        memory.push(stage.memoryMiB);
        // Not at once: a program opens some files when it first needs them.
        if (before === 0) before = stage.descriptors;
      }
      if (now - shown < 10_000) continue;
      shown = now;
      progress(fuzzer.counts, stage.memoryMiB);
    }
    const onlookers = stage.observers.length;
    if (!(await stage.until(() => stage.descriptors <= before && stage.connections.length === onlookers))) {
      throw new Error(`${stage.descriptors} descriptors are open, were ${before}: ${stage.connections.join('; ')}`);
    }
    memory.push(stage.memoryMiB);
    const halfway = memory.at(-2) ?? 0;
    const late = memory.at(-1) ?? 0;
    const isLong = performance.now() - started >= MEMORY_MATTERS_MS;
    if (isLong && late - halfway > MEMORY_GROWTH_MIB) throw new Error(`memory grew from ${halfway} to ${late} MiB`);
    if (stage.bugs.length > 0) throw new Error(stage.bugs.join('\n'));
    if (!stage.daemon.process.isRunning()) throw new Error('podrouted ended');
    const report = { counts: fuzzer.counts, judged: fuzzer.judged, memoryMiB: memory };
    const after = stage.descriptors;
    clearInterval(timer);
    fuzzer.close();
    return { ...report, descriptors: [before, after] };
  } catch (error) {
    const log = stage.bugs.slice(-3).join('\n');
    if (error instanceof Error)
      error.message += `\nconnections: ${stage.connections.join('; ')}\nerrors in the log: ${log || 'none'}`;
    throw error;
  } finally {
    clearInterval(timer);
    await stage.close();
  }
}
