import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/** What a set of processes has used so far. */
export interface Usage {
  /** User and system time of all threads. */
  readonly cpuSeconds: number;
  /** Sum of the processes' present and highest resident sets (VmRSS, VmHWM); pages they share count twice. */
  readonly residentOctets: number;
  readonly peakResidentOctets: number;
}

/** Ticks of /proc/PID/stat a second; Linux shows 100 to programs on all common machines. */
const TICKS = 100;

/** CPU time and memory of processes, zero for those that are gone. */
export function usageOf(pids: readonly number[]): Usage {
  let cpuSeconds = 0;
  let residentOctets = 0;
  let peakResidentOctets = 0;
  for (const pid of pids) {
    try {
      cpuSeconds += cpuOf(pid);
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      residentOctets += kilobytes(status, 'VmRSS') * 1024;
      peakResidentOctets += kilobytes(status, 'VmHWM') * 1024;
    } catch {
      // It has ended; what it used before is lost, and the run will fail for other reasons.
    }
  }
  return { cpuSeconds, residentOctets, peakResidentOctets };
}

/** Nanoseconds from each thread's schedstat where the kernel keeps it, the 10 ms ticks of the process otherwise. */
function cpuOf(pid: number): number {
  const ticks = ticksOf(`/proc/${pid}/stat`);
  try {
    let nanoseconds = 0;
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
    }
    // Threads that ended count in the ticks alone.
    return Math.max(nanoseconds / 1e9, ticks - 0.05);
  } catch {
    return ticks;
  }
}

function ticksOf(path: string): number {
  const text = readFileSync(path, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function kilobytes(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
}

/** CPU seconds of the whole machine so far, idle time aside. */
export function machineCpuSeconds(): number {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const fields = line.split(/\s+/).slice(1).map(Number);
  const idle = (fields[3] ?? 0) + (fields[4] ?? 0);
  return (fields.slice(0, 8).reduce((a, b) => a + b, 0) - idle) / TICKS;
}

/** Lets a process go first, so that what else runs on the machine disturbs a measurement less; needs root, else nothing happens. */
export function favour(pid: number): void {
  try {
    // Linux keeps a priority for each thread; a collector's helper left behind would hold up all the others.
    for (const thread of readdirSync(`/proc/${pid}/task`)) setPriority(Number(thread), -12);
    writeFileSync(`/proc/${pid}/autogroup`, '-12');
  } catch {
    // Without root, or without autogroups: then the run is noisier.
  }
}
