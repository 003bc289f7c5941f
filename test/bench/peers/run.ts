import { readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Lab, type LabHost, type LabProcess, tryCommand } from '../../../deploy/lab/lab.ts';
import { waitFor } from '../../support/wait-for.ts';
import type { LoadPlan } from './load.ts';
import { dotted, dutAddress, sessionAddress } from './load-table.ts';
import type { LoadResult, RunResult } from './results.ts';
import type { Speaker } from './speakers.ts';
import { favour } from './usage.ts';
import { sessionsOf, type Workload } from './workloads.ts';

/** Sessions in the handshake at once: listen queues of some speakers are that short. */
const CONNECTING = 6;
const DUT_ADDRESS = 0x0a000001;
/** The load process makes little and collects it, if ever, in its own thread, not on the processor that the speaker runs on. */
const LOAD_FLAGS = [
  '--expose-gc',
  '--single-threaded-gc',
  '--no-flush-bytecode',
  '--min-semi-space-size=64',
  '--max-semi-space-size=64',
];

/**
 * One run: two fresh namespaces joined by a veth pair, the speaker in one and the load process in the other. Both are gone when it ends,
 * also when `signal` ends it.
 */
export async function runOnce(
  speaker: Speaker,
  workload: Workload,
  signal: AbortSignal,
  keepFiles = false,
): Promise<RunResult> {
  const lab = new Lab('bench');
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    return await Promise.race([measure(lab, speaker, workload, keepFiles), aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    await lab.close({ keepFiles });
  }
}

async function measure(lab: Lab, speaker: Speaker, workload: Workload, keepFiles: boolean): Promise<RunResult> {
  const dut = lab.host('dut');
  const load = lab.host('load');
  connectHosts(lab, dut, load, workload);
  speaker.start(dut, workload);
  await waitFor(`${speaker.name} to listen`, () => isListening(dut), 30_000);
  // Daemons that have just begun to listen are still reading their configuration or starting their other processes.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const dutPids = pidsIn(dut);
  for (const pid of dutPids) favour(pid);
  const result = await runLoad(load, { workload, dutPids });
  if (!result.ok && keepFiles) process.stderr.write(`files of this run: ${lab.directory}\n`);
  return {
    workload: workload.name,
    device: speaker.name,
    version: speaker.version() ?? '',
    time: new Date().toISOString(),
    sessions: sessionsOf(workload),
    prefixes: workload.prefixes,
    sets: workload.sets,
    machine: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Linux ${release()}`,
    ...result,
  };
}

function connectHosts(lab: Lab, dut: LabHost, load: LabHost, workload: Workload): void {
  lab.link(dut, 'eth0', [`${dutAddress}/16`], load, 'eth0', []);
  const sessions = sessionsOf(workload);
  const lines = Array.from({ length: sessions }, (_, i) => `addr add ${dotted(sessionAddress(i))}/16 dev eth0`);
  if (workload.ipv6) {
    dut.ip('addr add fd00::a00:1/64 dev eth0 nodad');
    lines.push('addr add fd00::ffff:1/64 dev eth0 nodad');
  }
  load.run(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` });
  // Hundreds of load sessions have addresses of one link: they must not share the neighbour table's low limit.
  for (const host of [dut, load]) {
    for (const [name, value] of [
      ['gc_thresh1', 4096],
      ['gc_thresh2', 8192],
      ['gc_thresh3', 16384],
    ]) {
      host.try(['sh', '-c', `echo ${value} > /proc/sys/net/ipv4/neigh/default/${name}`]);
    }
  }
}

/** Whether something listens on TCP port 179. */
function isListening(host: LabHost): boolean {
  return /:00B3 [0-9A-F:]+ 0A /.test(host.run(['cat', '/proc/net/tcp', '/proc/net/tcp6']));
}

function pidsIn(host: LabHost): number[] {
  return tryCommand(['ip', 'netns', 'pids', host.namespace]).stdout.split('\n').filter(Boolean).map(Number);
}

async function runLoad(host: LabHost, plan: Pick<LoadPlan, 'workload' | 'dutPids'>): Promise<LoadResult> {
  const resultPath = join(host.directory, 'result.json');
  const full: LoadPlan = { ...plan, dutAddress: DUT_ADDRESS, connecting: CONNECTING, resultPath };
  const program = fileURLToPath(new URL('./load.ts', import.meta.url));
  const load = host.start('load', [
    process.execPath,
    ...LOAD_FLAGS,
    program,
    host.write('plan.json', JSON.stringify(full)),
  ]);
  favour(load.pid);
  await ended(load, plan.workload.timeoutSeconds * 4 * 1000);
  try {
    return JSON.parse(readFileSync(resultPath, 'utf8')) as LoadResult;
  } catch (cause) {
    throw new Error(`the load process gave no result: ${load.log().slice(-2000)}`, { cause });
  }
}

async function ended(load: LabProcess, timeoutMs: number): Promise<void> {
  await waitFor('the load process to end', () => !load.isRunning(), timeoutMs, 50);
}
