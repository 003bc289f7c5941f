import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { waitFor } from '../support/wait-for.ts';

let made = 0;

/** A route as `ip -j route` prints it, the fields tests look at. */
export interface IpRoute {
  readonly dst: string;
  readonly type?: string;
  readonly gateway?: string;
  readonly via?: { readonly family: string; readonly host: string };
  readonly dev?: string;
  readonly protocol: string;
  readonly metric?: number;
  readonly flags: readonly string[];
  readonly nexthops?: readonly {
    readonly gateway?: string;
    readonly dev: string;
    readonly weight: number;
    readonly flags: readonly string[];
  }[];
}

/** A network namespace of a test's own, with two links `ea` and `eb` whose other ends are in a second namespace. */
export class Namespace {
  readonly name: string;
  readonly path: string;
  readonly #far: string;

  constructor() {
    this.name = `fib-${process.pid}-${made++}`;
    this.#far = `${this.name}-far`;
    this.path = `/run/netns/${this.name}`;
    for (const name of [this.name, this.#far]) run('ip', 'netns', 'add', name);
    try {
      this.ip('link set lo up');
      for (const link of ['ea', 'eb']) {
        this.ip(`link add ${link} type veth peer name ${link} netns ${this.#far}`);
        run('ip', '-n', this.#far, 'link', 'set', link, 'up');
        this.up(link);
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Brings a link up and gives it its addresses: ea 192.0.2.1/25, 2001:db8:a::1/64; eb 192.0.2.129/25, 2001:db8:b::1/64. */
  up(link: string): void {
    this.ip(`link set ${link} up`);
    this.ip(`addr replace ${link === 'ea' ? '192.0.2.1/25' : '192.0.2.129/25'} dev ${link}`);
    this.ip(`-6 addr replace 2001:db8:${link.slice(1)}::1/64 dev ${link} nodad`);
  }

  /** Runs `ip` inside, and gives back what it prints. @throws Error with its words when it fails */
  ip(command: string): string {
    return run('ip', '-n', this.name, ...command.split(' '));
  }

  /** Runs `ip` in the second namespace, where the other ends of the links are. */
  far(command: string): string {
    return run('ip', '-n', this.#far, ...command.split(' '));
  }

  /** Runs a program inside, and gives back what it prints. @throws Error with its words when it fails */
  exec(...command: readonly string[]): string {
    return run('ip', 'netns', 'exec', this.name, ...command);
  }

  /** Starts a program inside; what it prints, when it has ended, well or not. */
  async start(...command: readonly string[]): Promise<string> {
    const child = spawn('ip', ['netns', 'exec', this.name, ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    await once(child, 'close');
    return output;
  }

  /** Runs many `ip` commands in one process, while the test goes on; those that fail are passed over. */
  async batch(commands: readonly string[]): Promise<void> {
    const child = spawn('ip', ['-n', this.name, '-force', '-batch', '-'], { stdio: ['pipe', 'ignore', 'ignore'] });
    child.stdin.end(`${commands.join('\n')}\n`);
    await once(child, 'exit');
  }

  /** Interface index of a link. */
  index(link: string): number {
    const [entry] = JSON.parse(this.ip(`-j link show ${link}`)) as { ifindex: number }[];
    if (entry === undefined) throw new Error(`no link ${link}`);
    return entry.ifindex;
  }

  /** The routes of a family that `filter` (`proto 177`, `table 100`) names. */
  routes(version: 4 | 6, filter: string): IpRoute[] {
    const text = this.ip(`-j -${version} route show ${filter}`);
    return text.trim() === '' ? [] : (JSON.parse(text) as IpRoute[]);
  }

  /** Routes as sorted lines: `10.0.0.0/24 via 192.0.2.2 dev ea metric 1024`. */
  lines(filter: string): string[] {
    return [...this.routes(4, filter), ...this.routes(6, filter)].map(line).sort();
  }

  /** Writes down every change of an IPv4 route, or of a nexthop object, from now on, as `ip monitor` prints it, until `stop`. */
  async monitor(what: 'route' | 'nexthop' = 'route'): Promise<{ stop(): Promise<string[]> }> {
    const objects = what === 'route' ? ['-4', 'monitor', 'route'] : ['-o', 'monitor', 'nexthop'];
    const child = spawn('ip', ['-n', this.name, ...objects], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const [mark, sign] =
      what === 'route'
        ? ['route replace 198.18.0.0/24 dev lo proto static', '198.18.0.0/24']
        : ['nexthop replace id 999999 dev lo', 'id 999999 '];
    const unmark = what === 'route' ? 'route del 198.18.0.0/24 dev lo proto static' : 'nexthop del id 999999';
    await waitFor('the monitor to listen', () => {
      this.ip(mark);
      return output.includes(sign);
    });
    return {
      stop: async () => {
        this.ip(unmark);
        const isLast = (line: string): boolean => line.includes('eleted') && line.includes(sign);
        await waitFor('the monitor to have seen all', () => output.split('\n').some(isLast));
        const ended = once(child, 'exit');
        child.kill();
        await ended;
        return output.split('\n').filter((line) => line !== '' && !line.includes(sign));
      },
    };
  }

  /** Removes both namespaces, and with them everything inside. */
  close(): void {
    for (const name of [this.name, this.#far]) run('ip', 'netns', 'del', name);
  }
}

function line(route: IpRoute): string {
  const type = route.type === undefined || route.type === 'unicast' ? '' : `${route.type} `;
  const hops = (route.nexthops ?? [route as { gateway?: string; dev: string; weight?: number }])
    .map((hop) => {
      const via = hop.gateway ?? (route.via === undefined ? undefined : `${route.via.family} ${route.via.host}`);
      const weight = hop.weight === undefined || hop.weight === 1 ? '' : ` weight ${hop.weight}`;
      return `${via === undefined ? '' : ` via ${via}`}${hop.dev === undefined || type !== '' ? '' : ` dev ${hop.dev}`}${weight}`;
    })
    .sort()
    .join('');
  return `${type}${route.dst}${hops} metric ${route.metric ?? 0}`;
}

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 28 });
}
