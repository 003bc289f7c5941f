/** What one run asks of a speaker. Plain data: it travels to the load process as JSON. */
export interface Workload {
  readonly name: string;
  readonly about: string;
  /** `ebgp`: every session in an AS of its own. `reflection`: all sessions are iBGP clients of the speaker, each sends and receives. */
  readonly kind: 'ebgp' | 'reflection';
  /** Sessions that send (`reflection`: all of them). */
  readonly senders: number;
  /** Sessions that only receive, there from the start. */
  readonly receivers: number;
  /** Prefixes of the table; in `ebgp` every sender sends all of them, in `reflection` they are split evenly. */
  readonly prefixes: number;
  /** Attribute sets of the table. */
  readonly sets: number;
  readonly ipv6: boolean;
  /** What happens after convergence. */
  readonly ending: 'nothing' | 'withdraw' | 'churn' | 'late-receiver' | 'idle';
  /** With `churn`: UPDATEs a second, and for how many seconds. */
  readonly churnRate?: number;
  readonly churnSeconds?: number;
  /** The run fails after so many seconds in one phase. */
  readonly timeoutSeconds: number;
}

const base: Omit<Workload, 'name' | 'about' | 'prefixes' | 'sets'> = {
  kind: 'ebgp',
  senders: 1,
  receivers: 1,
  ipv6: false,
  ending: 'nothing',
  timeoutSeconds: 240,
};

function table(name: string, prefixes: number, sets: number): Workload {
  const about = `${count(prefixes)} prefixes, ${count(sets)} attribute sets, one eBGP peer to another; then all withdrawn`;
  return { ...base, name, about, prefixes, sets, ending: 'withdraw' };
}

function reflection(clients: number): Workload {
  return {
    ...base,
    name: `c${clients}`,
    about: `route reflector, ${clients} clients with 4 blocks each, everything to everybody; then one client leaves`,
    kind: 'reflection',
    senders: clients,
    receivers: 0,
    prefixes: clients * 4,
    sets: clients,
    ending: 'withdraw',
  };
}

function churn(rate: number): Workload {
  return {
    ...base,
    name: `d${rate / 1000}k`,
    about: `churn: ${count(rate)} UPDATEs a second for 5 s over 100 k prefixes, one prefix each`,
    prefixes: 100_000,
    sets: 10_000,
    ending: 'churn',
    churnRate: rate,
    churnSeconds: 5,
  };
}

function idle(sessions: number): Workload {
  return {
    ...base,
    name: `s${sessions}`,
    about: `${sessions} sessions that say nothing: time until all are Established, memory of one`,
    senders: 0,
    receivers: sessions,
    prefixes: 0,
    sets: 0,
    ending: 'idle',
  };
}

function count(n: number): string {
  return n % 1_000_000 === 0 ? `${n / 1_000_000} M` : n % 1000 === 0 ? `${n / 1000} k` : String(n);
}

/** Every workload by name. The `x-` ones are points of the charts. */
export const workloads: readonly Workload[] = [
  table('a', 1_000_000, 100_000),
  {
    ...base,
    name: 'b',
    about: 'best of 10: ten eBGP peers send the same 100 k prefixes, one of them the best path of each',
    senders: 10,
    prefixes: 100_000,
    sets: 10_000,
  },
  reflection(100),
  reflection(500),
  churn(10_000),
  churn(60_000),
  {
    ...base,
    name: 'f',
    about: 'late joiner: 500 k prefixes are there when a second receiver comes',
    prefixes: 500_000,
    sets: 50_000,
    ending: 'late-receiver',
  },
  { ...table('v6', 200_000, 20_000), ipv6: true, about: '200 k IPv6 prefixes, 20 k attribute sets, one to one' },
  idle(100),
  idle(500),
  idle(1000),
  reflection(50),
  reflection(250),
  table('x-100k', 100_000, 10_000),
  table('x-250k', 250_000, 25_000),
  table('x-500k', 500_000, 50_000),
  table('x-sets-500', 500_000, 500),
  table('x-sets-5k', 500_000, 5_000),
  table('x-sets-250k', 500_000, 250_000),
];

/** The workloads of the table in docs/performance.md. */
export const standardWorkloads: readonly string[] = ['a', 'b', 'c100', 'c500', 'd10k', 'd60k', 'f', 'v6', 's1000'];

/** What the charts are drawn from, beside the standard ones. */
export const chartWorkloads: readonly string[] = workloads
  .map((w) => w.name)
  .filter((name) => !standardWorkloads.includes(name));

/** A few seconds for each speaker: does it run at all, and about where does it stand? */
export const quickWorkloads: readonly string[] = ['x-100k', 'c100', 's100'];

/**
 * The workload at another size: prefixes and attribute sets multiplied by `factor` (sessions and rates stay).
 * @throws RangeError when `factor` is not above 0 or nothing would be left
 */
export function scaled(workload: Workload, factor: number): Workload {
  if (!(factor > 0)) throw new RangeError(`scale ${factor}: must be above 0`);
  if (factor === 1 || workload.kind === 'reflection' || workload.prefixes === 0) return workload;
  const prefixes = Math.round(workload.prefixes * factor);
  const sets = Math.max(1, Math.round(workload.sets * factor));
  if (prefixes < 1) throw new RangeError(`scale ${factor}: nothing is left of workload ${workload.name}`);
  return { ...workload, name: `${workload.name}*${factor}`, prefixes, sets };
}

/** Sessions in all, the late one included. */
export function sessionsOf(workload: Workload): number {
  return workload.senders + workload.receivers + (workload.ending === 'late-receiver' ? 1 : 0);
}
