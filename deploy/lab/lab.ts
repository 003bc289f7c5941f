import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a finished command gave. */
export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a command inside a namespace is run. */
export interface CommandOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** A long-running program inside a namespace. */
export interface LabProcess {
  readonly name: string;
  readonly pid: number;
  /** What it wrote so far, standard output and error together. */
  log(): string;
  /** True while it runs. */
  isRunning(): boolean;
  /** Sends `signal` and waits until the process is gone; a process that ended before is left alone. */
  stop(signal?: NodeJS.Signals, timeoutMs?: number): Promise<void>;
}

/** One host of the lab: a network namespace of its own. */
export class LabHost {
  readonly name: string;
  /** Name of the network namespace, as `ip netns list` shows it. */
  readonly namespace: string;
  /** Scratch directory of this host. */
  readonly directory: string;
  readonly #lab: Lab;

  constructor(lab: Lab, name: string, namespace: string, directory: string) {
    this.#lab = lab;
    this.name = name;
    this.namespace = namespace;
    this.directory = directory;
  }

  /** Path of the namespace, as a container runtime passes it in CNI_NETNS. */
  get namespacePath(): string {
    return `/run/netns/${this.namespace}`;
  }

  /**
   * Runs a command to its end inside the namespace.
   * @throws Error with the command and what it wrote when it exits non-zero
   */
  run(argv: readonly string[], options: CommandOptions = {}): string {
    const result = this.try(argv, options);
    if (result.status !== 0) {
      throw new Error(`${this.name}: ${argv.join(' ')}: exit ${result.status}: ${result.stderr || result.stdout}`);
    }
    return result.stdout;
  }

  /** Runs a command to its end inside the namespace, whatever its exit code. */
  try(argv: readonly string[], options: CommandOptions = {}): CommandResult {
    return tryCommand(this.enter(argv), options);
  }

  /** Runs `ip` with the words of `line`. */
  ip(line: string): string {
    return this.run(['ip', ...line.split(' ')]);
  }

  /** Reads kernel state as JSON: `ip -j` with the words of `line`. */
  ipJson<T = Record<string, unknown>>(line: string): T[] {
    const text = this.run(['ip', '-j', ...line.split(' ')]).trim();
    return text === '' ? [] : (JSON.parse(text) as T[]);
  }

  /** Sets a sysctl of this namespace, `name` in dotted form with `/` for a dot inside a name. */
  sysctl(name: string, value: string | number): void {
    this.run(['sh', '-c', `echo ${value} > /proc/sys/${name.replaceAll('.', '/')}`]);
  }

  /** The command line that runs `argv` inside the namespace. */
  enter(argv: readonly string[]): string[] {
    return ['nsenter', `--net=${this.namespacePath}`, '--', ...argv];
  }

  /** Starts a long-running program inside the namespace; it is ended with the lab. */
  start(name: string, argv: readonly string[], env: Readonly<Record<string, string>> = {}): LabProcess {
    return this.#lab.startProcess(this, name, argv, env);
  }

  /** Writes a file into the host's directory. */
  write(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text);
    return path;
  }

  /** Ends everything that runs inside the namespace, at once. */
  killAll(): void {
    for (const pid of pidsIn(this.namespace)) killQuietly(pid);
  }

  /** True if one echo request to `address` is answered within a second. */
  pings(address: string, extra: readonly string[] = []): boolean {
    return this.try(['ping', '-n', '-c', '1', '-W', '1', ...extra, address]).status === 0;
  }

  /** The same without holding this process up. */
  pingsAsync(address: string): Promise<boolean> {
    const [command, ...args] = this.enter(['ping', '-n', '-c', '1', '-W', '1', address]);
    return new Promise((resolve) => {
      execFile(command as string, args, (error) => resolve(error === null));
    });
  }
}

/**
 * A network of hosts made of namespaces and veth pairs, for the demonstration and the tests. Everything it makes carries
 * the process id in its name and is taken away by `close()`.
 */
export class Lab {
  readonly #prefix: string;
  readonly #root: string;
  readonly #hosts: LabHost[] = [];
  readonly #processes: LabProcess[] = [];
  #closed = false;
  #detached = false;

  /** @param label a short name; shows in the namespaces' names */
  constructor(label: string) {
    this.#prefix = `${label}${process.pid}`;
    this.#root = mkdtempSync(join(tmpdir(), `podroute-${label}-`));
    chmodSync(this.#root, 0o755);
  }

  /** Directory that holds the configuration, state and logs of all hosts. */
  get directory(): string {
    return this.#root;
  }

  /** True once `detach` was called. */
  get isDetached(): boolean {
    return this.#detached;
  }

  get hosts(): readonly LabHost[] {
    return this.#hosts;
  }

  /** Makes a host: a namespace with its loopback up and forwarding on for both families. */
  host(name: string): LabHost {
    const namespace = `${this.#prefix}-${name}`;
    const directory = join(this.#root, name);
    mkdirSync(directory, { recursive: true });
    chmodSync(directory, 0o755);
    execFileSync('ip', ['netns', 'add', namespace]);
    const host = new LabHost(this, name, namespace, directory);
    this.#hosts.push(host);
    host.ip('link set lo up');
    host.sysctl('net.ipv4.ip_forward', 1);
    host.sysctl('net.ipv6.conf.all.forwarding', 1);
    host.sysctl('net.ipv6.conf.default.accept_dad', 0);
    host.sysctl('net.ipv6.conf.all.accept_dad', 0);
    return host;
  }

  /** Joins two hosts by a veth pair; each end gets its name and addresses (`10.0.1.1/24`) and is brought up. */
  link(
    a: LabHost,
    aName: string,
    aAddresses: readonly string[],
    b: LabHost,
    bName: string,
    bAddresses: readonly string[],
  ): void {
    execFileSync('ip', [
      'link',
      'add',
      aName,
      'netns',
      a.namespace,
      'type',
      'veth',
      'peer',
      'name',
      bName,
      'netns',
      b.namespace,
    ]);
    for (const [host, name, addresses] of [
      [a, aName, aAddresses],
      [b, bName, bAddresses],
    ] as const) {
      for (const address of addresses) {
        host.ip(`addr add ${address} dev ${name}${address.includes(':') ? ' nodad' : ''}`);
      }
      host.ip(`link set ${name} up`);
    }
  }

  /** Starts a program inside `host`; its output goes to a file in the host's directory. */
  startProcess(
    host: LabHost,
    name: string,
    argv: readonly string[],
    env: Readonly<Record<string, string>>,
  ): LabProcess {
    const logPath = join(host.directory, `${name}.log`);
    const fd = openSync(logPath, 'a');
    const [command, ...args] = host.enter(argv);
    const child = spawn(command as string, args, {
      stdio: ['ignore', fd, fd],
      env: { ...process.env, ...env },
      // A group of its own: an interrupt typed at the terminal reaches only the lab's owner, who ends the rest in order.
      detached: true,
    });
    closeSync(fd);
    const started = track(name, child, () => readFileSync(logPath, 'utf8'));
    this.#processes.push(started);
    return started;
  }

  /** Leaves everything up when this process ends; `removeDetachedLabs` takes it down later. */
  detach(): void {
    this.#closed = true;
    this.#detached = true;
    const manifest: LabManifest = { namespaces: this.#hosts.map((host) => host.namespace) };
    writeFileSync(join(this.#root, MANIFEST), JSON.stringify(manifest));
  }

  /** The last lines that each started program wrote, for the report of a failure. */
  logTails(lines: number): string[] {
    return this.#processes.map((p) => `--- ${p.name}\n${p.log().trimEnd().split('\n').slice(-lines).join('\n')}`);
  }

  /** Ends all processes, removes all namespaces and files. Can be called twice. */
  async close(options: { readonly keepFiles?: boolean } = {}): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all(this.#processes.map((p) => p.stop('SIGTERM', 3000)));
    removeNamespaces(this.#hosts.map((host) => host.namespace));
    unmountUnder(this.#root);
    if (options.keepFiles !== true) rmSync(this.#root, { recursive: true, force: true });
  }
}

/** Takes away what container runtimes mounted inside a directory and had no time to take away themselves. */
function unmountUnder(directory: string): void {
  const points = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => point.startsWith(`${directory}/`));
  for (const point of points.reverse()) tryCommand(['umount', '--lazy', point]);
}

/** What `Lab.detach` leaves for `removeDetachedLabs`. */
interface LabManifest {
  readonly namespaces: readonly string[];
}

const MANIFEST = 'lab.json';

/**
 * Takes down every lab with this label that was left up by `Lab.detach`.
 * @returns how many there were
 */
export function removeDetachedLabs(label: string): number {
  const roots = readdirSync(tmpdir())
    .filter((name) => name.startsWith(`podroute-${label}-`))
    .map((name) => join(tmpdir(), name))
    .filter((root) => existsSync(join(root, MANIFEST)));
  for (const root of roots) {
    const manifest = JSON.parse(readFileSync(join(root, MANIFEST), 'utf8')) as LabManifest;
    removeNamespaces(manifest.namespaces);
    rmSync(root, { recursive: true, force: true });
  }
  return roots.length;
}

/** Ends what still runs inside the namespaces (daemons that put themselves in the background), then removes them. */
function removeNamespaces(namespaces: readonly string[]): void {
  for (const namespace of namespaces) {
    for (const pid of pidsIn(namespace)) killQuietly(pid);
  }
  for (const namespace of namespaces) tryCommand(['ip', 'netns', 'del', namespace]);
}

function pidsIn(namespace: string): number[] {
  return tryCommand(['ip', 'netns', 'pids', namespace])
    .stdout.split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself in the meantime.
  }
}

/** Runs a command to its end, whatever its exit code. */
export function tryCommand(argv: readonly string[], options: CommandOptions = {}): CommandResult {
  const [command, ...args] = argv;
  try {
    const stdout = execFileSync(command as string, args, {
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
      maxBuffer: 256 * 1024 * 1024,
      timeout: options.timeoutMs ?? 60_000,
      env: { ...process.env, ...options.env },
      ...(options.input === undefined ? {} : { input: options.input }),
    });
    return { status: 0, stdout, stderr: '' };
  } catch (error) {
    const failure = error as { status?: number | null; stdout?: string; stderr?: string; message: string };
    return { status: failure.status ?? 127, stdout: failure.stdout ?? '', stderr: failure.stderr || failure.message };
  }
}

function track(name: string, child: ChildProcess, readLog: () => string): LabProcess {
  let running = true;
  const ended = new Promise<void>((resolve) => {
    const finish = (): void => {
      running = false;
      resolve();
    };
    child.once('exit', finish);
    child.once('error', finish);
  });
  return {
    name,
    pid: child.pid ?? -1,
    log: readLog,
    isRunning: () => running,
    async stop(signal = 'SIGTERM', timeoutMs = 5000) {
      if (!running) return;
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
      await ended;
      clearTimeout(timer);
    },
  };
}
