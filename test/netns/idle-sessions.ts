/**
 * Sessions that say nothing but KEEPALIVE, in a process of their own: `node idle-sessions.ts PLAN` (JSON, `IdlePlan`). Writes "up" once all
 * are Established; at SIGTERM one line of JSON, `IdleReport`, and ends.
 */
import { MessageType } from 'bgp-ts';
import { RawSession } from '../support/raw-session.ts';

/** What the process is told. */
export interface IdlePlan {
  readonly localAddresses: readonly string[];
  readonly remoteAddress: string;
  readonly asn: number;
  readonly holdSeconds: number;
}

/** What it saw. */
export interface IdleReport {
  /** Sessions that ended, with the reason. */
  readonly lost: readonly string[];
  /** KEEPALIVEs that the session with the fewest heard. */
  readonly fewestKeepalives: number;
  /** The longest time that any session went without hearing one, milliseconds; the time up to the end counts. */
  readonly longestGapMs: number;
}

const plan = JSON.parse(process.argv[2] ?? '') as IdlePlan;
const lost: string[] = [];
const heardAt = new Float64Array(plan.localAddresses.length);
const keepalives = new Uint32Array(plan.localAddresses.length);
let longestGapMs = 0;
let up = 0;

function heard(i: number): void {
  const now = performance.now();
  longestGapMs = Math.max(longestGapMs, now - (heardAt[i] ?? now));
  heardAt[i] = now;
}

for (const [i, localAddress] of plan.localAddresses.entries()) {
  new RawSession(
    { ...plan, localAddress },
    {
      established() {
        heardAt[i] = performance.now();
        if (++up === plan.localAddresses.length) process.stdout.write('up\n');
      },
      message(type) {
        if (type !== MessageType.Keepalive || heardAt[i] === 0) return;
        heard(i);
        keepalives[i]!++;
      },
      ended(reason) {
        lost.push(`${localAddress}: ${reason}`);
      },
    },
  );
}

process.on('SIGTERM', () => {
  for (const i of plan.localAddresses.keys()) heard(i);
  const report: IdleReport = { lost, fewestKeepalives: Math.min(...keepalives), longestGapMs };
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
});
