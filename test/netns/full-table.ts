/**
 * Workload a of `npm run bench:peers` against a running daemon: `node full-table.ts PLAN` (JSON, `TablePlan`). One session sends the table, another
 * must be told all of it; then the sender's connection drops and all must be withdrawn. Around both the daemon is asked for the delays of its event
 * loop. Ends with one line of JSON, `TableReport`; non-zero when anything went wrong.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { MessageType, UpdateScan } from 'bgp-ts';
import { Client } from '../../bgpctl/client.ts';
import type { StatusReply } from '../../lib/api.ts';
import { buildStream, contextOf } from '../bench/peers/load-stream.ts';
import { dotted, dutAddress, LoadTable, sessionAddress, sessionAs } from '../bench/peers/load-table.ts';
import { workloads } from '../bench/peers/workloads.ts';
import { RawSession } from '../support/raw-session.ts';

/** What the process is told. */
export interface TablePlan {
  /** The daemon's control socket and process. */
  readonly socketPath: string;
  readonly pid: number;
}

/** How the daemon fared in one phase. */
export interface PhaseReport {
  readonly seconds: number;
  readonly eventLoop: StatusReply['eventLoop'];
  /** Time in which its main thread wanted a processor and others had it, milliseconds. */
  readonly deniedMs: number;
}

/** Loading the table and withdrawing it. */
export interface TableReport {
  readonly load: PhaseReport;
  readonly withdraw: PhaseReport;
}

const PHASE_SECONDS = 60;
const plan = JSON.parse(process.argv[2] ?? '') as TablePlan;
const workload = workloads.find(({ name }) => name === 'a');
if (workload === undefined) throw new Error('no workload a');
const table = new LoadTable(workload);
const stream = buildStream(workload, table, 0).bytes;
const client = new Client(plan.socketPath);

/** Prefixes that the receiver holds, and how many. */
const holds = new Uint8Array(table.count);
let held = 0;
let unknown = 0;

function hear(i: number, isHeld: number): void {
  if (i < 0) unknown++;
  else if (holds[i] !== isHeld) {
    holds[i] = isHeld;
    held += isHeld === 1 ? 1 : -1;
  }
}

const scan = new UpdateScan();
const context = contextOf(workload);

function update(bytes: Uint8Array, start: number, end: number): void {
  if (!scan.read(bytes, start, end, context)) throw new Error('an UPDATE that cannot be read');
  for (let at = scan.withdrawnStart; at < scan.withdrawnEnd; ) {
    at = table.read(bytes, at);
    hear(table.found, 0);
  }
  for (let at = scan.nlriStart; at < scan.nlriEnd; ) {
    at = table.read(bytes, at);
    hear(table.found, 1);
  }
}

function connect(
  i: number,
  message: (type: number, bytes: Uint8Array, start: number, end: number) => void,
): Promise<RawSession> {
  return new Promise((resolve) => {
    const options = {
      localAddress: dotted(sessionAddress(i)),
      remoteAddress: dutAddress,
      asn: sessionAs(workload!, i),
      holdSeconds: 90,
    };
    const session = new RawSession(options, {
      established: () => resolve(session),
      message,
      ended(reason) {
        throw new Error(`session ${i}: ${reason}`);
      },
    });
  });
}

/** Milliseconds in which the daemon's main thread waited for a processor, so far. */
function deniedMs(): number {
  return Number(readFileSync(`/proc/${plan.pid}/task/${plan.pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
}

async function phase(what: string, begin: () => void, isDone: () => boolean): Promise<PhaseReport> {
  await client.post<StatusReply>('/v1/status/reset');
  const denied = deniedMs();
  const start = performance.now();
  begin();
  while (!isDone()) {
    if (performance.now() - start > PHASE_SECONDS * 1000)
      throw new Error(`${what}: receiver holds ${held} of ${table.count}`);
    await delay(1);
  }
  const seconds = (performance.now() - start) / 1000;
  const { eventLoop } = await client.get<StatusReply>('/v1/status');
  if (unknown > 0) throw new Error(`${what}: ${unknown} prefixes that nobody sent`);
  return { seconds, eventLoop, deniedMs: deniedMs() - denied };
}

// The first answers of the API are those of code that was never run.
for (let i = 0; i < 3; i++) await client.post<StatusReply>('/v1/status/reset');
const sender = await connect(0, () => {});
await connect(1, (type, bytes, start, end) => {
  if (type === MessageType.Update) update(bytes, start, end);
});
const load = await phase(
  'load',
  () => sender.send(stream),
  () => held === table.count,
);
// Until what the receiver was told last is its own past: nothing of the load is left in the daemon's queues.
await delay(500);
const withdraw = await phase(
  'withdraw',
  () => sender.close(),
  () => held === 0,
);
const report: TableReport = { load, withdraw };
process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
