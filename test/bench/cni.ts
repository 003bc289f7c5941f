/**
 * podroute beside the reference plugins `ptp` + `host-local`, in one run: ADD, CHECK and DEL, one after the other and all
 * at once, with one address family and with two. Each round gives both their own fresh namespaces and takes turns in who
 * comes first, so that what else the machine does hits both alike; what counts is the ratio.
 * `node test/bench/cni.ts [--rounds N] [--serial N] [--parallel N] [--only TEXT] [--out FILE] [--check]`; needs root,
 * a C compiler and Debian's containernetworking-plugins. `--check` fails when a target is missed.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, release, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Lab } from '../../deploy/lab/lab.ts';
import { type Podroute, projectRoot, startPodroute } from '../../deploy/lab/podroute.ts';
import { version } from '../../lib/version.ts';
import { decodeLink, getLink } from '../../netlink/link.ts';
import { NetlinkSocket } from '../../netlink/socket.ts';
import { buildDriver, type DriverCall, drive, driveNamespaces } from '../support/cni-driver.ts';
import { buildPlugin } from '../support/cni-lab.ts';
import { waitFor } from '../support/wait-for.ts';

const commands = ['ADD', 'CHECK', 'DEL'] as const;
const orders = ['serial', 'parallel'] as const;
const sides = ['podroute', 'ptp'] as const;
type Command = (typeof commands)[number];
type Order = (typeof orders)[number];
type Side = (typeof sides)[number];

/** What a pod gets, and how its namespace starts. */
interface Flavour {
  readonly name: string;
  readonly isDual: boolean;
  /** Off: addresses are usable at once, so that ptp, which otherwise waits for it, is compared in its own work. */
  readonly hasDad: boolean;
  /** Of the serial pods, one in so many is made: ptp waits 2 s for each. */
  readonly serialShare: number;
}

const flavours: readonly Flavour[] = [
  { name: 'IPv4', isDual: false, hasDad: true, serialShare: 1 },
  { name: 'dual stack', isDual: true, hasDad: true, serialShare: 10 },
  { name: 'dual stack, pods without DAD', isDual: true, hasDad: false, serialShare: 1 },
];

/** The figures to reach: podroute's time as a share of ptp's. */
const targets: Readonly<Record<Command, { readonly median?: number; readonly p99?: number }>> = {
  ADD: { median: 0.4, p99: 0.5 },
  CHECK: {},
  DEL: { median: 1 },
};

/** One measured case. Times in milliseconds. */
interface Row {
  readonly flavour: string;
  readonly order: Order;
  readonly command: Command;
  readonly samples: number;
  readonly podroute: { readonly median: number; readonly p99: number };
  readonly ptp: { readonly median: number; readonly p99: number };
  /** podroute / ptp. */
  readonly ratio: { readonly median: number; readonly p99: number };
  readonly isMet?: boolean;
}

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    serial: { type: 'string', default: '40' },
    parallel: { type: 'string', default: '100' },
    only: { type: 'string' },
    order: { type: 'string' },
    out: { type: 'string', default: join(projectRoot, 'build/bench-cni.json') },
    check: { type: 'boolean', default: false },
  },
});
const rounds = Number(flags.rounds);
const pluginDirectory = '/usr/lib/cni';

/** The `p`-quantile of milliseconds, by the nearest rank. */
function quantile(sorted: readonly number[], p: number): number {
  return sorted[Math.min(sorted.length - 1, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN;
}

function nodeConfig(isDual: boolean): string {
  return `apiVersion: podroute.io/v1
kind: Node
metadata: { name: ${isDual ? 'dual' : 'single'} }
spec:
  bgp: { asNumber: 64512, ipv4Address: 192.0.2.1/32 }
  podCIDRs: [10.244.0.0/22${isDual ? ', "fd00:10:244::/118"' : ''}]
`;
}

/** Both plugins on nodes of their own, and the driver that calls them. */
class Comparison {
  readonly #directory = mkdtempSync(join(tmpdir(), 'podroute-bench-cni-'));
  readonly #driver = buildDriver(this.#directory);
  readonly #lab = new Lab('prbc');
  readonly #plugin = buildPlugin();
  readonly #daemons = new Map<boolean, Podroute>();
  readonly #samples = new Map<string, number[]>();
  readonly #netlink = NetlinkSocket.open();
  #namespaces = 0;
  #isRehearsal = false;
  /** The very first ADD of each side: of a daemon that was just started, and of binaries that were not read yet. */
  readonly firstAddMs = new Map<Side, number>();

  async start(): Promise<void> {
    for (const isDual of [false, true]) {
      const host = this.#lab.host(isDual ? 'dual' : 'single');
      host.ip('addr add 192.0.2.1/32 dev lo');
      const daemon = startPodroute(host, nodeConfig(isDual));
      this.#daemons.set(isDual, daemon);
      this.#lab.host(isDual ? 'ptp-dual' : 'ptp-single');
      const listens = (): boolean => {
        if (!daemon.process.isRunning()) throw new Error(daemon.process.log());
        return daemon.process.log().includes('cni listening');
      };
      await waitFor(`podrouted on ${host.name}`, listens, 60_000);
    }
  }

  async close(): Promise<void> {
    this.#netlink.close();
    await this.#lab.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** One round of one case: ADD, CHECK and DEL of `pods` pods by both, the one called first first. */
  async round(flavour: Flavour, order: Order, pods: number, first: Side): Promise<void> {
    const prefix = `prbc${process.pid}x${this.#namespaces++}x`;
    const inOrder = first === 'podroute' ? sides : [...sides].reverse();
    for (const side of sides) this.#makeNamespaces(`${prefix}${side}`, pods, flavour);
    for (const command of commands) {
      for (const side of inOrder) {
        await this.#quiet();
        const took = await this.#run(side, flavour, order, command, `${prefix}${side}`, pods);
        if (this.#isRehearsal) {
          if (command === 'ADD' && !this.firstAddMs.has(side)) this.firstAddMs.set(side, took[0] ?? Number.NaN);
          continue;
        }
        const key = sampleKey(flavour, order, command, side);
        this.#samples.set(key, [...(this.#samples.get(key) ?? []), ...took]);
      }
    }
    for (const side of sides) driveNamespaces(this.#driver, 'delete', `${prefix}${side}`, pods);
  }

  /**
   * A round that does not count, of a few pods: a daemon that has been up for seconds is compared, binaries are in the page cache. What the
   * first ADD took is told beside the table.
   */
  async rehearse(flavour: Flavour): Promise<void> {
    this.#isRehearsal = true;
    await this.round(flavour, 'serial', 8, 'ptp');
    this.#isRehearsal = false;
  }

  /**
   * Waits until nobody keeps the kernel's interface lock: it takes namespaces and interfaces down in the background, and one
   * side must not pay for what the other or the last round has left.
   */
  async #quiet(): Promise<void> {
    await delay(50);
    const deadlineMs = performance.now() + 15_000;
    for (let inRow = 0; inRow < 12 && performance.now() < deadlineMs; ) {
      const startedMs = performance.now();
      this.#netlink.querySync(getLink({ index: 1 }), decodeLink);
      inRow = performance.now() - startedMs < 3 ? inRow + 1 : 0;
      await delay(15);
    }
  }

  rows(): Row[] {
    const rows: Row[] = [];
    for (const flavour of flavours) {
      for (const order of orders) {
        for (const command of commands) {
          const [ours, theirs] = sides.map((side) =>
            [...(this.#samples.get(sampleKey(flavour, order, command, side)) ?? [])].sort((a, b) => a - b),
          );
          if (ours === undefined || theirs === undefined || ours.length === 0) continue;
          const figures = (sorted: number[]) => ({ median: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) });
          const [podroute, ptp] = [figures(ours), figures(theirs)];
          const ratio = { median: podroute.median / ptp.median, p99: podroute.p99 / ptp.p99 };
          const target = targets[command];
          const isMet =
            ratio.median <= (target.median ?? Number.POSITIVE_INFINITY) &&
            ratio.p99 <= (target.p99 ?? Number.POSITIVE_INFINITY);
          rows.push({
            flavour: flavour.name,
            order,
            command,
            samples: ours.length,
            podroute,
            ptp,
            ratio,
            ...(target.median === undefined ? {} : { isMet }),
          });
        }
      }
    }
    return rows;
  }

  #makeNamespaces(prefix: string, count: number, flavour: Flavour): void {
    driveNamespaces(this.#driver, 'create', prefix, count);
    if (flavour.hasDad) return;
    for (let i = 0; i < count; i++) {
      const off = 'echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad; echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad';
      execFileSync('nsenter', [`--net=/run/netns/${prefix}${i}`, 'sh', '-c', off]);
    }
  }

  /** Milliseconds of each call. @throws Error when one fails: a fast failure is no result */
  async #run(
    side: Side,
    flavour: Flavour,
    order: Order,
    command: Command,
    prefix: string,
    pods: number,
  ): Promise<number[]> {
    const host = `${side === 'ptp' ? 'ptp-' : ''}${flavour.isDual ? 'dual' : 'single'}`;
    const namespace = this.#lab.hosts.find((one) => one.name === host)?.namespace ?? '';
    const output = (i: number, of: Command) => join(this.#directory, `${prefix}${i}.${of}`);
    const config = side === 'ptp' ? this.#ptpConfig(flavour) : { cniVersion: '1.0.0', name: 'bench', type: 'podroute' };
    const socket = join(this.#daemons.get(flavour.isDual)?.runDirectory ?? '', 'cni.sock');
    const calls = Array.from({ length: pods }, (_, i): DriverCall => {
      const stdin = join(this.#directory, `${prefix}${i}.${command}.json`);
      const prevResult = command === 'ADD' ? {} : { prevResult: JSON.parse(readFileSync(output(i, 'ADD'), 'utf8')) };
      writeFileSync(stdin, JSON.stringify({ ...config, ...prevResult }));
      return {
        plugin: side === 'ptp' ? join(pluginDirectory, 'ptp') : this.#plugin,
        call: {
          command,
          containerId: `${prefix}${i}`,
          netns: `/run/netns/${prefix}${i}`,
          ifName: 'eth0',
          args: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=bench',
        },
        stdin,
        stdout: output(i, command),
        environment: { CNI_PATH: pluginDirectory, PODROUTE_SOCKET: socket, PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      };
    });
    const runs = await drive(this.#driver, namespace, order, calls);
    const failed = runs.findIndex(({ exitCode }) => exitCode !== 0);
    if (failed >= 0) throw new Error(`${side} ${command}: ${readFileSync(output(failed, command), 'utf8')}`);
    return runs.map(({ tookMs }) => tookMs);
  }

  #ptpConfig(flavour: Flavour): object {
    const ranges = [[{ subnet: '10.244.0.0/22' }], ...(flavour.isDual ? [[{ subnet: 'fd00:10:244::/118' }]] : [])];
    const routes = [{ dst: '0.0.0.0/0' }, ...(flavour.isDual ? [{ dst: '::/0' }] : [])];
    const dataDir = join(this.#directory, flavour.isDual ? 'host-local-dual' : 'host-local');
    return { cniVersion: '1.0.0', name: 'bench', type: 'ptp', ipam: { type: 'host-local', dataDir, ranges, routes } };
  }
}

function sampleKey(flavour: Flavour, order: Order, command: Command, side: Side): string {
  return [flavour.name, order, command, side].join('/');
}

function printRows(rows: readonly Row[]): void {
  const figures = (one: { median: number; p99: number }) => `${one.median.toFixed(2)} / ${one.p99.toFixed(2)}`;
  console.log('| pods | calls | n | podroute, ms: median / p99 | ptp + host-local, ms | ratio | target |');
  console.log('| --- | --- | --- | --- | --- | --- | --- |');
  for (const row of rows) {
    const met = row.isMet === undefined ? '' : row.isMet ? 'met' : 'MISSED';
    const what = `${row.command}, ${row.order}`;
    console.log(
      `| ${row.flavour} | ${what} | ${row.samples} | ${figures(row.podroute)} | ${figures(row.ptp)} | ${figures(row.ratio)} | ${met} |`,
    );
  }
}

const comparison = new Comparison();
let rows: Row[] = [];
const loadBefore = loadavg()[0];
try {
  await comparison.start();
  const chosen = flavours.filter((flavour) => flags.only === undefined || flavour.name === flags.only);
  const chosenOrders = orders.filter((order) => flags.order === undefined || order === flags.order);
  for (const isDual of [false, true]) {
    const flavour = flavours.find((one) => one.isDual === isDual && (!isDual || !one.hasDad));
    if (flavour !== undefined && chosen.some((one) => one.isDual === isDual)) await comparison.rehearse(flavour);
  }
  for (let round = 0; round < rounds; round++) {
    for (const flavour of chosen) {
      for (const order of chosenOrders) {
        const pods =
          order === 'parallel'
            ? Number(flags.parallel)
            : Math.max(1, Math.round(Number(flags.serial) / flavour.serialShare));
        await comparison.round(flavour, order, pods, round % 2 === 0 ? 'podroute' : 'ptp');
      }
    }
  }
  rows = comparison.rows();
} finally {
  await comparison.close();
}
printRows(rows);
const plugins = execFileSync('dpkg-query', ['-W', 'containernetworking-plugins'], { encoding: 'utf8' });
const facts = {
  podroute: version,
  containernetworkingPlugins: plugins.trim().split('\t')[1],
  node: process.version,
  kernel: release(),
  rounds,
  firstAddMs: Object.fromEntries(comparison.firstAddMs),
  loadBefore,
  loadAfter: loadavg()[0],
  date: new Date().toISOString(),
};
console.log(JSON.stringify(facts));
mkdirSync(dirname(flags.out), { recursive: true });
writeFileSync(flags.out, `${JSON.stringify({ facts, rows }, undefined, 2)}\n`);
if (flags.check && rows.some((row) => row.isMet === false)) process.exitCode = 1;
