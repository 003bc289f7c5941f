/**
 * The kernel's forwarding table, as fast as `Fib` writes it, beside a plain batch writer in C (`fib-writer.c`) of the same form, run in turn in
 * fresh network namespaces: medians of seconds and their ratio (1: as fast as C). Needs root, `cc` and `ip`.
 * `node --expose-gc test/bench/fib.ts [routes] [v4|v6] [gateway|nexthop] [runs]`
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { formatPrefix, ip } from 'bgp-ts';
import { Fib } from '../../fib/fib.ts';
import { NetlinkKernel } from '../../fib/netlink-kernel.ts';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { randomSource } from './rib-table.ts';

const [routesText = '100000', familyText = 'v4', form = 'gateway', runsText = '3'] = process.argv.slice(2);
const routes = Number(routesText);
const version = familyText === 'v6' ? 6 : 4;
const gateways = version === 4 ? ['10.0.0.2', '10.0.0.3'] : ['fd00::2', 'fd00::3'];
const PHASES = ['add', 'replace', 'delete'] as const;
type Phase = (typeof PHASES)[number];
type Times = Record<Phase, number>;

const directory = mkdtempSync(join(tmpdir(), 'fib-bench-'));
const writer = join(directory, 'fib-writer');
execFileSync('cc', ['-O2', '-o', writer, new URL('./fib-writer.c', import.meta.url).pathname]);

/** Distinct prefixes in random order, lengths as in the Internet's table: most /24 (IPv6: /48). */
function makeTable(): { octets: Uint8Array; lengths: Uint8Array } {
  const size = version === 4 ? 4 : 16;
  const octets = new Uint8Array(routes * size);
  const lengths = new Uint8Array(routes);
  const random = randomSource(1);
  const seen = new Set<number>();
  for (let i = 0; i < routes; ) {
    const pick = random();
    const length = pick < 0.6 ? 24 : pick < 0.72 ? 22 : pick < 0.82 ? 23 : pick < 0.9 ? 20 : 16 + ((random() * 8) | 0);
    const value = ((20 + random() * 180) * 2 ** 24) >>> (32 - length);
    const key = value * 64 + length;
    if (seen.has(key)) continue;
    seen.add(key);
    const word = (value << (32 - length)) >>> 0;
    const at = i * size;
    const shift = version === 4 ? 0 : 2;
    if (version === 6) octets.set([0x2a, 0x00], at);
    octets.set([word >>> 24, word >>> 16, word >>> 8, word], at + shift);
    lengths[i] = version === 4 ? length : length + 16;
    i++;
  }
  return { octets, lengths };
}

const table = makeTable();
const size = version === 4 ? 4 : 16;
const octetsOf = (i: number): Uint8Array => table.octets.subarray(i * size, (i + 1) * size);
const file = join(directory, 'table');
writeFileSync(
  file,
  Array.from({ length: routes }, (_, i) =>
    formatPrefix({ address: { version, octets: octetsOf(i) }, length: table.lengths[i] ?? 0 }),
  ).join('\n'),
);

function inNamespace<T>(use: (name: string, ifIndex: number) => T): T {
  const name = `fib-bench-${process.pid}`;
  const run = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' });
  run('netns', 'add', name);
  const done = (): string => run('netns', 'del', name);
  try {
    run('-n', name, 'link', 'add', 'ea', 'type', 'veth', 'peer', 'name', 'eb');
    for (const link of ['lo', 'ea', 'eb']) run('-n', name, 'link', 'set', link, 'up');
    run('-n', name, 'addr', 'add', '10.0.0.1/16', 'dev', 'ea');
    run('-n', name, 'addr', 'add', 'fd00::1/64', 'dev', 'ea', 'nodad');
    const [link] = JSON.parse(run('-n', name, '-j', 'link', 'show', 'ea')) as { ifindex: number }[];
    const result = use(name, link?.ifindex ?? 0);
    if (result instanceof Promise) return result.finally(done) as T;
    done();
    return result;
  } catch (error) {
    done();
    throw error;
  }
}

function plain(): Times {
  return inNamespace((name, ifIndex) => {
    const args = ['netns', 'exec', name, writer, file, String(ifIndex), form, ...gateways];
    const result = JSON.parse(execFileSync('ip', args, { encoding: 'utf8' })) as Times & { errors: number };
    if (result.errors > 0) throw new Error(`plain writer: ${result.errors} errors`);
    return result;
  });
}

interface Ours extends Times {
  readonly cpu: Times;
  readonly worstDelayMs: number;
  readonly octetsPerRoute: number;
}

function ours(): Promise<Ours> {
  return inNamespace(async (name, ifIndex) => {
    const kernel = await NetlinkKernel.open({ netnsPath: `/run/netns/${name}` });
    const fib = new Fib(kernel, { protocol: 177, table: 254, metric: 1024, log: silentLogger, clock: systemClock });
    await fib.start();
    const targets = gateways.map((gateway) => {
      const hops = [{ gateway: ip(gateway), ifIndex }];
      return form === 'nexthop' ? fib.openWay(hops) : fib.nextHopSet(hops);
    });
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const times = { add: 0, replace: 0, delete: 0 };
    const cpu = { add: 0, replace: 0, delete: 0 };
    gc?.();
    const before = process.memoryUsage().arrayBuffers;
    let octetsPerRoute = 0;
    delay.enable();
    for (const phase of PHASES) {
      const from = performance.now();
      const cpuFrom = process.cpuUsage();
      // In pieces, as the RIB hands them over.
      for (let i = 0; i < routes; i += 4096) {
        for (let n = i; n < Math.min(routes, i + 4096); n++) {
          if (phase === 'delete') fib.remove(version, octetsOf(n), table.lengths[n] ?? 0);
          else fib.set(version, octetsOf(n), table.lengths[n] ?? 0, targets[phase === 'add' ? 0 : 1] ?? 0);
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
      await fib.flush();
      times[phase] = (performance.now() - from) / 1000;
      const used = process.cpuUsage(cpuFrom);
      cpu[phase] = (used.user + used.system) / 1e6;
      if (phase === 'replace') octetsPerRoute = (process.memoryUsage().arrayBuffers - before) / routes;
    }
    delay.disable();
    const { adds, replaces, deletes, refused } = fib.counters;
    if (adds !== routes || replaces !== routes || deletes !== routes || refused !== 0) {
      throw new Error(`not what was asked for: ${JSON.stringify(fib.counters)}`);
    }
    await fib.close({ keepRoutes: false });
    await kernel.close();
    return { ...times, cpu, worstDelayMs: delay.max / 1e6, octetsPerRoute };
  });
}

const median = (values: number[]): number => values.sort((x, y) => x - y)[values.length >> 1] ?? Number.NaN;

const plainRuns: Times[] = [];
const ourRuns: Ours[] = [];
for (let run = 0; run < Number(runsText); run++) {
  plainRuns.push(plain());
  ourRuns.push(await ours());
}
console.log(`${routes} ${familyText} routes, ${form}, medians of ${runsText}`);
for (const phase of PHASES) {
  const c = median(plainRuns.map((run) => run[phase]));
  const mine = median(ourRuns.map((run) => run[phase]));
  const used = median(ourRuns.map((run) => run.cpu[phase]));
  const perSecond = (seconds: number): string => `${(routes / seconds / 1000).toFixed(0)} k/s`;
  console.log(
    `${phase.padEnd(8)} C ${perSecond(c)}  here ${perSecond(mine)}  ratio ${(c / mine).toFixed(2)}  CPU of both threads ${used.toFixed(2)} s`,
  );
}
const worst = Math.max(...ourRuns.map((run) => run.worstDelayMs));
console.log(
  `event loop: worst delay ${worst.toFixed(1)} ms; ${median(ourRuns.map((r) => r.octetsPerRoute)).toFixed(0)} octets a route`,
);
rmSync(directory, { recursive: true });
process.exit(0);
