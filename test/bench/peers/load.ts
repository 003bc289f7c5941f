/**
 * The load process of `npm run bench:peers`: peers with one speaker, drives it through one workload, checks everything it says, and writes
 * what it measured. Runs in a network namespace beside the speaker's: `node load.ts PLAN`, a JSON file (see `LoadPlan`).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Backlog } from './load-backlog.ts';
import { buildChurn, ChurnLog, type ChurnStream } from './load-churn.ts';
import { Expectations, LoadReceiver, noErrors } from './load-receiver.ts';
import { LoadSession } from './load-session.ts';
import { buildStream } from './load-stream.ts';
import { LoadTable, sessionAddress, sessionAs } from './load-table.ts';
import { warmUp } from './load-warm-up.ts';
import type { LoadResult } from './results.ts';
import { machineCpuSeconds, type Usage, usageOf } from './usage.ts';
import { sessionsOf, type Workload } from './workloads.ts';

/** What the load process is told. */
export interface LoadPlan {
  readonly workload: Workload;
  /** The speaker: its address as a number, and all its processes. */
  readonly dutAddress: number;
  readonly dutPids: readonly number[];
  /** Sessions in the handshake at once: listen queues are short. */
  readonly connecting: number;
  readonly resultPath: string;
}

const SETTLE_SECONDS = 1;
/** How often a wait looks around when no socket has anything. */
const IDLE_MS = 20;
const BGP_PORT = 179;

const plan = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as LoadPlan;
const { workload } = plan;
const isReflection = workload.kind === 'reflection';
const total = sessionsOf(workload);
const table = new LoadTable(workload);
const expectations = new Expectations(workload);
const errors = noErrors();
const sessions: LoadSession[] = [];
/** Receiver of session `i`, if it is one. */
const receivers: (LoadReceiver | undefined)[] = [];
let problem: string | undefined;
/** When the octets at hand were read from their socket, milliseconds of the clock. */
let takenMs = 0;
/** Called when some of what was read has been looked at. */
let onTurn = (): void => {};
const backlog = new Backlog(() => onTurn());

// --- Sessions ---

/** Where a session goes; for the warm-up to this process itself. */
interface Remote {
  readonly localAddress: number;
  readonly remoteAddress: number;
  readonly port: number;
}

/** One attempt at session `i`. */
function openSession(
  i: number,
  remote: Remote,
  receiver: LoadReceiver | undefined,
  established: () => void,
  ended: (reason: string) => void,
): LoadSession {
  return new LoadSession({ ...remote, asn: sessionAs(workload, i), ipv6: workload.ipv6 }, backlog, {
    established,
    ended,
    taken(ms) {
      takenMs = ms;
    },
    update(bytes, start, end) {
      if (receiver === undefined) return;
      receiver.takenMs = takenMs;
      receiver.receive(bytes, start, end);
    },
  });
}

/** Brings up session `i`; tried again when the speaker refuses or drops it. @returns seconds on the clock when it was Established */
function connectSession(i: number): Promise<number> {
  const isReceiver = isReflection || i >= workload.senders;
  const remote: Remote = { localAddress: sessionAddress(i), remoteAddress: plan.dutAddress, port: BGP_PORT };
  return new Promise((resolve) => {
    const attempt = (): void => {
      const receiver = isReceiver
        ? new LoadReceiver(workload, table, expectations, plan.dutAddress, errors)
        : undefined;
      receivers[i] = receiver;
      let wasUp = false;
      const established = (): void => {
        wasUp = true;
        resolve(takenMs / 1000);
      };
      sessions[i] = openSession(i, remote, receiver, established, (reason) => {
        if (!wasUp) {
          setTimeout(attempt, 100);
          return;
        }
        errors.lost++;
        problem ??= `session ${i} lost: ${reason}`;
      });
    };
    attempt();
  });
}

async function connectAll(): Promise<void> {
  let next = 0;
  const last = workload.ending === 'late-receiver' ? total - 1 : total;
  const worker = async (): Promise<void> => {
    while (next < last) await connectSession(next++);
  };
  await within('sessions', Promise.all(Array.from({ length: plan.connecting }, worker)));
}

async function within<T>(what: string, work: Promise<T>): Promise<T> {
  const timeout = Symbol();
  const timer = new AbortController();
  const result = await Promise.race([work, delay(workload.timeoutSeconds * 1000, timeout, { signal: timer.signal })]);
  timer.abort();
  if (result === timeout) throw new Error(`${what}: not within ${workload.timeoutSeconds} s`);
  return result as T;
}

/** Waits until `isDone`, which is asked whenever something was looked at. @returns seconds on the clock of the octets that made it so */
async function until(what: string, isDone: () => boolean): Promise<number> {
  const deadline = performance.now() + workload.timeoutSeconds * 1000;
  for (;;) {
    if (isDone()) return takenMs / 1000;
    if (problem !== undefined) throw new Error(problem);
    const wrong = Object.entries(errors).find(([, count]) => count > 0);
    if (wrong !== undefined) {
      const fault = receivers.find((r) => r?.firstFault !== undefined)?.firstFault ?? wrong[0];
      throw new Error(`${what}: ${wrong[1]} errors, the first ${fault}`);
    }
    if (performance.now() > deadline) throw new Error(`${what}: not within ${workload.timeoutSeconds} s: ${held()}`);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, IDLE_MS);
      onTurn = () => {
        if (!isDone()) return;
        clearTimeout(timer);
        resolve();
      };
    });
    onTurn = () => {};
  }
}

function held(): string {
  const counts = receivers.filter((r) => r !== undefined).map((r) => r.right);
  return `receivers hold ${Math.min(...counts)} to ${Math.max(...counts)} of ${table.count} prefixes`;
}

/** Prefixes that a receiver is to have: all, for a client of a reflector all but its own. */
function expected(): number {
  return isReflection ? table.count - table.count / workload.senders : table.count;
}

function hasAll(i: number): boolean {
  const receiver = receivers[i];
  if (receiver === undefined) return true;
  // A reflector may send a client its own routes back; these come on top.
  return receiver.right >= expected() && (!isReflection || ownOf(receiver, i) + expected() === receiver.right);
}

function ownOf(receiver: LoadReceiver, client: number): number {
  const own = table.count / workload.senders;
  let count = 0;
  for (let k = 0; k < own; k++) if (receiver.holds(client * own + k)) count++;
  return count;
}

// --- Measuring ---

interface Mark {
  readonly at: number;
  readonly dut: Usage;
  readonly own: number;
  readonly machine: number;
}

function mark(): Mark {
  const { user, system } = process.cpuUsage();
  return {
    at: performance.now() / 1000,
    dut: usageOf(plan.dutPids),
    own: (user + system) / 1e6,
    machine: machineCpuSeconds(),
  };
}

/** Updates and octets that all receivers got so far. */
function received(): { updates: number; octets: number } {
  let updates = 0;
  let octets = 0;
  for (const receiver of receivers) {
    updates += receiver?.updates ?? 0;
    octets += receiver?.octets ?? 0;
  }
  return { updates, octets };
}

// --- Phases ---

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

async function converge(result: Mutable<LoadResult>, streams: readonly Uint8Array[]): Promise<void> {
  const before = mark();
  const start = performance.now() / 1000;
  for (const [i, stream] of streams.entries()) sessions[i]?.send(stream);
  const watched = receivers.map((_, i) => i).filter((i) => receivers[i] !== undefined);
  // Receivers that are done stay done, or the check after the settling time finds it; so the loop looks at the last one only.
  let first = 0;
  const isDone = (): boolean => {
    while (first < watched.length && hasAll(watched[first]!)) first++;
    return first === watched.length;
  };
  const end = await until('converge', isDone);
  const after = mark();
  result.convergeSeconds = end - start;
  result.cpuSeconds = after.dut.cpuSeconds - before.dut.cpuSeconds;
  result.loadCpuSeconds = after.own - before.own;
  result.otherCpuSeconds = Math.max(0, after.machine - before.machine - result.cpuSeconds - result.loadCpuSeconds);
  await delay(SETTLE_SECONDS * 1000);
  first = 0;
  if (!isDone()) throw new Error(`converge: a receiver lost routes again: ${held()}`);
  result.convergedOctets = mark().dut.residentOctets;
  const { updates, octets } = received();
  result.receivedUpdates = updates;
  result.receivedOctets = octets;
}

async function withdraw(result: Mutable<LoadResult>): Promise<void> {
  const before = mark();
  // A reflector loses one client, a plain speaker its only sender.
  const gone = 0;
  const own = isReflection ? table.count / workload.senders : table.count;
  sessions[gone]?.close();
  const isEmpty = (receiver: LoadReceiver | undefined, i: number): boolean => {
    if (receiver === undefined || i === gone) return true;
    if (!isReflection) return receiver.right === 0;
    for (let k = 0; k < own; k++) if (receiver.holds(gone * own + k)) return false;
    return true;
  };
  let first = 0;
  const end = await until('withdraw', () => {
    while (first < receivers.length && isEmpty(receivers[first], first)) first++;
    return first >= receivers.length;
  });
  result.withdrawSeconds = end - before.at;
  result.withdrawCpuSeconds = mark().dut.cpuSeconds - before.dut.cpuSeconds;
}

async function churn(result: Mutable<LoadResult>, { bytes, starts }: ChurnStream, log: ChurnLog): Promise<void> {
  const rate = workload.churnRate ?? 0;
  const count = starts.length - 1;
  for (const receiver of receivers) if (receiver !== undefined) receiver.churn = log;
  const before = mark();
  const origin = performance.now();
  log.begin(origin);
  let sent = 0;
  // What is due goes out whenever something was looked at, and every millisecond; nothing is made meanwhile that must be collected.
  await new Promise<void>((resolve) => {
    const sendDue = (): void => {
      const due = Math.min(count, Math.floor(((performance.now() - origin) * rate) / 1000));
      if (due > sent) {
        sessions[0]?.send(bytes.subarray(starts[sent], starts[due]));
        sent = due;
      }
    };
    const tick = (): void => {
      sendDue();
      if (sent < count && problem === undefined) setTimeout(tick, 1);
      else resolve();
    };
    onTurn = sendDue;
    tick();
  });
  const lastSent = performance.now() / 1000;
  const end = await until('churn', () => log.outdated === 0);
  result.drainSeconds = Math.max(0, end - lastSent);
  result.churnCpuSeconds = mark().dut.cpuSeconds - before.dut.cpuSeconds;
  result.seenShare = log.count / count;
  result.latencyMs = log.latencyMs();
}

async function late(result: Mutable<LoadResult>): Promise<void> {
  const before = mark();
  const i = total - 1;
  const established = await within('late receiver', connectSession(i));
  const end = await until('late receiver', () => hasAll(i));
  result.lateSeconds = end - before.at;
  result.lateFromEstablishedSeconds = end - established;
  result.lateCpuSeconds = mark().dut.cpuSeconds - before.dut.cpuSeconds;
}

/** Sessions of the rehearsal: several, so that nothing is compiled for one alone. They stay: what was compiled with them would go too. */
const rehearsed: { session: LoadSession; receiver: LoadReceiver; log: ChurnLog }[] = [];
const REHEARSING = 3;

/** Compiles what counts later: sessions over the loopback interface with this process, which sends itself what a speaker would. */
async function rehearse(): Promise<void> {
  const trial = noErrors();
  const known = new Expectations(workload);
  const one = async (): Promise<void> => {
    const log = new ChurnLog(new Int32Array(table.count), 1000);
    const receiver = new LoadReceiver(workload, table, known, plan.dutAddress, trial);
    const { promise: failed, reject } = Promise.withResolvers<never>();
    const work = warmUp(workload, table, receiver, log, (remote) => {
      const { promise: up, resolve } = Promise.withResolvers<void>();
      const session = openSession(0, remote, receiver, resolve, (reason) => reject(new Error(`warm-up: ${reason}`)));
      rehearsed.push({ session, receiver, log });
      return { session, up };
    });
    await Promise.race([work, failed]);
    if (receiver.firstFault !== undefined) throw new Error(`made in the warm-up: ${receiver.firstFault}`);
  };
  await within('warm-up', Promise.all(Array.from({ length: REHEARSING }, one)));
}

async function run(result: Mutable<LoadResult>): Promise<void> {
  const isIdle = workload.ending === 'idle';
  const churnCount = (workload.churnRate ?? 0) * (workload.churnSeconds ?? 0);
  const churning = churnCount === 0 ? undefined : buildChurn(workload, table, churnCount, workload.churnRate ?? 0);
  const log = churning === undefined ? undefined : new ChurnLog(churning.newest, churnCount);
  const streams = Array.from({ length: workload.senders }, (_, i) => buildStream(workload, table, i).bytes);
  if (table.count > 0) await rehearse();
  globalThis.gc?.();
  result.startOctets = usageOf(plan.dutPids).residentOctets;
  const start = performance.now() / 1000;
  await connectAll();
  result.sessionsSeconds = performance.now() / 1000 - start;
  await delay(SETTLE_SECONDS * 1000);
  result.idleOctets = usageOf(plan.dutPids).residentOctets;
  if (isIdle) {
    if (problem !== undefined) throw new Error(problem);
    return;
  }
  await converge(result, streams);
  if (workload.ending === 'withdraw') await withdraw(result);
  else if (churning !== undefined && log !== undefined) await churn(result, churning, log);
  else if (workload.ending === 'late-receiver') await late(result);
}

const result: Mutable<LoadResult> = {
  ok: true,
  errors: { ...errors },
  sessionsSeconds: 0,
  idleOctets: 0,
  startOctets: 0,
};
try {
  await run(result);
} catch (error) {
  result.ok = false;
  result.problem = error instanceof Error ? error.message : String(error);
}
result.errors = { ...errors };
result.peakOctets = usageOf(plan.dutPids).peakResidentOctets;
if (Object.values(errors).some((count) => count > 0)) result.ok = false;
writeFileSync(plan.resultPath, JSON.stringify(result));
for (const session of sessions) session.close();
process.exit(0);
