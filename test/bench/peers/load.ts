/**
 * The load process of `npm run bench:peers`: peers with one speaker, drives it through one workload, checks everything it says, and writes
 * what it measured. Runs in a network namespace beside the speaker's: `node load.ts PLAN`, a JSON file (see `LoadPlan`).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { encodeUpdate, ipv4FromUint32 } from 'bgp-ts';
import { CHURN_COMMUNITY, Expectations, LoadReceiver, noErrors } from './load-receiver.ts';
import { LoadSession } from './load-session.ts';
import { buildStream, contextOf, ipv6NextHop } from './load-stream.ts';
import { attributesOf, LoadTable, sessionAddress, sessionAs } from './load-table.ts';
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
/** What UPDATEs of a churn are cut from, so that sending leaves little to collect. */
const ARENA_OCTETS = 8 << 20;
/** Send times in churn UPDATEs are counted in units of 10 microseconds. */
const STAMPS_PER_MS = 100;

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
/** When an UPDATE came last, milliseconds. */
let lastReceived = 0;

// --- Churn bookkeeping: newest version sent and received of each prefix, and how many differ. ---
const sentStamps = new Int32Array(workload.ending === 'churn' ? table.count : 0);
const seenStamps = new Int32Array(sentStamps.length);
let outdated = 0;
let latencies = new Int32Array(0);
let latencyCount = 0;
let stampOrigin = 0;

function stampNow(): number {
  return Math.round((performance.now() - stampOrigin) * STAMPS_PER_MS) + 1;
}

function churned(prefix: number, sentAt: number): void {
  if (latencyCount < latencies.length) latencies[latencyCount++] = Math.max(0, stampNow() - sentAt);
  if (seenStamps[prefix] !== sentStamps[prefix] && sentAt === sentStamps[prefix]) outdated--;
  seenStamps[prefix] = sentAt;
}

// --- Sessions ---

/** Brings up session `i`; tried again when the speaker refuses or drops it. @returns seconds on the clock when it was Established */
function connectSession(i: number): Promise<number> {
  const isReceiver = isReflection || i >= workload.senders;
  return new Promise((resolve) => {
    const attempt = (): void => {
      const receiver = isReceiver
        ? new LoadReceiver(workload, table, expectations, plan.dutAddress, errors, { churned })
        : undefined;
      receivers[i] = receiver;
      let wasUp = false;
      const session = new LoadSession(
        {
          localAddress: sessionAddress(i),
          remoteAddress: plan.dutAddress,
          asn: sessionAs(workload, i),
          ipv6: workload.ipv6,
        },
        {
          established() {
            wasUp = true;
            resolve(performance.now() / 1000);
          },
          update(bytes, start, end) {
            receiver?.receive(bytes, start, end);
            lastReceived = performance.now();
          },
          ended(reason) {
            if (!wasUp) {
              setTimeout(attempt, 100);
              return;
            }
            errors.lost++;
            problem ??= `session ${i} lost: ${reason}`;
          },
        },
      );
      sessions[i] = session;
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

/** Turns of the event loop until `isDone`; the time of the UPDATE that made it so. */
async function until(what: string, isDone: () => boolean): Promise<number> {
  const deadline = performance.now() + workload.timeoutSeconds * 1000;
  for (;;) {
    const now = performance.now();
    if (isDone()) return lastReceived / 1000;
    if (problem !== undefined) throw new Error(problem);
    const wrong = Object.entries(errors).find(([, count]) => count > 0);
    if (wrong !== undefined) {
      const fault = receivers.find((r) => r?.firstFault !== undefined)?.firstFault ?? wrong[0];
      throw new Error(`${what}: ${wrong[1]} errors, the first ${fault}`);
    }
    if (now > deadline) throw new Error(`${what}: not within ${workload.timeoutSeconds} s: ${held()}`);
    await nextEvents();
  }
}

/** Waits for the next thing that happens, at most a millisecond. */
function nextEvents(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
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

async function converge(result: Mutable<LoadResult>): Promise<void> {
  const streams = Array.from({ length: workload.senders }, (_, i) => buildStream(workload, table, i));
  globalThis.gc?.();
  await delay(100);
  const before = mark();
  const start = performance.now() / 1000;
  for (const [i, stream] of streams.entries()) sessions[i]?.send(stream.bytes);
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

/** One UPDATE for each prefix with room for its send time, which is written in place when it is due. */
function churnTemplates(): { bytes: Uint8Array; starts: Int32Array; stampAt: Int32Array } {
  const context = contextOf(workload);
  const nextHop = workload.ipv6 ? ipv6NextHop(sessionAddress(0)) : ipv4FromUint32(sessionAddress(0));
  const communities = [CHURN_COMMUNITY * 0x1_0000, (CHURN_COMMUNITY + 1) * 0x1_0000];
  let bytes = new Uint8Array(1 << 20);
  const starts = new Int32Array(table.count + 1);
  const stampAt = new Int32Array(table.count);
  let at = 0;
  let set = -1;
  let head: Uint8Array = new Uint8Array(0);
  let stampOffset = 0;
  for (let i = 0; i < table.count; i++) {
    if (table.setOf[i] !== set) {
      set = table.setOf[i]!;
      head = encodeUpdate({ attributes: { ...attributesOf(workload, 0, set), nextHop, communities } }, context);
      stampOffset = offsetOf(head, CHURN_COMMUNITY);
    }
    if (bytes.length - at < head.length + 16) {
      const larger = new Uint8Array(bytes.length * 2);
      larger.set(bytes);
      bytes = larger;
    }
    bytes.set(head, at);
    const end = table.write(bytes, at + head.length, i);
    bytes[at + 16] = (end - at) >> 8;
    bytes[at + 17] = end - at;
    stampAt[i] = at + stampOffset + 2;
    starts[i] = at;
    at = end;
  }
  starts[table.count] = at;
  return { bytes, starts, stampAt };
}

function offsetOf(bytes: Uint8Array, community: number): number {
  for (let i = 0; i + 8 <= bytes.length; i++) {
    const isHere =
      ((bytes[i]! << 8) | bytes[i + 1]!) === community && ((bytes[i + 4]! << 8) | bytes[i + 5]!) === community + 1;
    if (isHere) return i;
  }
  throw new Error('no communities in the template');
}

async function churn(result: Mutable<LoadResult>): Promise<void> {
  const rate = workload.churnRate ?? 0;
  const count = rate * (workload.churnSeconds ?? 0);
  const { bytes, starts, stampAt } = churnTemplates();
  latencies = new Int32Array(count);
  for (const receiver of receivers) if (receiver !== undefined) receiver.isChurn = true;
  // A stride without common divisor with the table: every prefix has its turn before one comes again.
  let stride = Math.floor(table.count * 0.618) | 1;
  while (commonDivisor(stride, table.count) !== 1) stride += 2;
  let prefix = 0;
  let sent = 0;
  let arena = new Uint8Array(0);
  globalThis.gc?.();
  await delay(100);
  const before = mark();
  const seenBefore = latencyCount;
  stampOrigin = performance.now();
  while (sent < count) {
    const elapsed = performance.now() - stampOrigin;
    const due = Math.min(count, Math.floor((elapsed * rate) / 1000));
    if (due > sent) {
      let octets = 0;
      for (let k = sent, p = prefix; k < due; k++) {
        p = (p + stride) % table.count;
        octets += starts[p + 1]! - starts[p]!;
      }
      if (arena.length < octets) arena = new Uint8Array(ARENA_OCTETS + octets);
      const out = arena.subarray(0, octets);
      arena = arena.subarray(octets);
      for (let at = 0; sent < due; sent++) {
        prefix = (prefix + stride) % table.count;
        const stamp = Math.round(((sent * 1000) / rate) * STAMPS_PER_MS) + 1;
        const start = starts[prefix]!;
        out.set(bytes.subarray(start, starts[prefix + 1]), at);
        const mark = at + stampAt[prefix]! - start;
        out[mark] = stamp >>> 24;
        out[mark + 1] = stamp >>> 16;
        out[mark + 4] = stamp >>> 8;
        out[mark + 5] = stamp;
        if (seenStamps[prefix] === sentStamps[prefix]) outdated++;
        sentStamps[prefix] = stamp;
        at += starts[prefix + 1]! - start;
      }
      sessions[0]?.send(out);
    }
    if (problem !== undefined) throw new Error(problem);
    // No timer: they are a millisecond coarse. The loop spins, looking after the sockets at every turn.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const lastSent = performance.now() / 1000;
  const end = await until('churn', () => outdated === 0);
  result.drainSeconds = Math.max(0, end - lastSent);
  result.churnCpuSeconds = mark().dut.cpuSeconds - before.dut.cpuSeconds;
  result.seenShare = (latencyCount - seenBefore) / count;
  const sorted = latencies.slice(0, latencyCount).sort();
  const at = (share: number): number =>
    (sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0) / STAMPS_PER_MS;
  result.latencyMs = { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1) };
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
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

async function run(result: Mutable<LoadResult>): Promise<void> {
  warmUp(workload, table, expectations);
  result.startOctets = usageOf(plan.dutPids).residentOctets;
  const start = performance.now() / 1000;
  await connectAll();
  result.sessionsSeconds = performance.now() / 1000 - start;
  await delay(SETTLE_SECONDS * 1000);
  result.idleOctets = usageOf(plan.dutPids).residentOctets;
  if (workload.ending === 'idle') {
    if (problem !== undefined) throw new Error(problem);
    return;
  }
  await converge(result);
  if (workload.ending === 'withdraw') await withdraw(result);
  else if (workload.ending === 'churn') await churn(result);
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
