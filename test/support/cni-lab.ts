import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CniCall, cniEnvironment, cniStdin } from './cni-request.ts';

const root = join(import.meta.dirname, '../..');

/** What the plugin printed and how it ended. */
export interface PluginRun {
  readonly exitCode: number;
  /** The parsed output; undefined when there was none. */
  readonly output: Record<string, unknown> | undefined;
  readonly tookMs: number;
}

/** How to start a daemon of the lab. */
export interface DaemonOptions {
  readonly blocks: readonly string[];
  readonly wiring: 'netlink' | 'fake';
  /** Network namespace to run in. */
  readonly netns?: string;
  readonly killAt?: string;
  readonly killCount?: number;
}

/** Builds the plugin once per test run. */
export function buildPlugin(): string {
  const path = join(root, 'build/podroute');
  execFileSync('sh', [join(root, 'native/build-shim.sh'), path], { stdio: ['ignore', 'ignore', 'inherit'] });
  return path;
}

/** Runs the plugin with an environment and standard input as a container runtime does. */
export async function runPlugin(path: string, call: CniCall, socket: string): Promise<PluginRun> {
  const startedMs = performance.now();
  const child = spawn(path, {
    env: { ...cniEnvironment(call), PODROUTE_SOCKET: socket },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stdin.on('error', () => {});
  child.stdin.end(cniStdin(call));
  const [exitCode] = (await once(child, 'close')) as [number];
  const tookMs = performance.now() - startedMs;
  const text = Buffer.concat(chunks).toString('utf8');
  return { exitCode, output: text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>), tookMs };
}

/** A directory with a socket, a store, a pretended kernel, and the daemons that use them one after the other. */
export class CniLab {
  readonly directory = mkdtempSync(join(tmpdir(), 'podroute-cni-'));
  readonly socket = join(this.directory, 'cni.sock');
  readonly state = join(this.directory, 'state.db');
  readonly kernel = join(this.directory, 'kernel.json');
  readonly #plugin = buildPlugin();
  readonly #daemons: ChildProcess[] = [];
  /** What the daemons logged. */
  log = '';

  /** Starts a daemon and waits until it listens. @throws Error with its log when it ends instead */
  async start(options: DaemonOptions): Promise<void> {
    const node = join(root, 'node_modules/.bin/node');
    const script = join(root, 'test/support/cni-daemon.ts');
    const command = options.netns === undefined ? [node, script] : ['nsenter', `--net=${options.netns}`, node, script];
    const child = spawn(command[0] ?? '', command.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        SOCKET: this.socket,
        STATE: this.state,
        BLOCKS: options.blocks.join(','),
        WIRING: options.wiring === 'netlink' ? 'netlink' : this.kernel,
        ...(options.killAt === undefined ? {} : { KILL_AT: options.killAt }),
        ...(options.killCount === undefined ? {} : { KILL_COUNT: String(options.killCount) }),
      },
    });
    this.#daemons.push(child);
    child.stderr.on('data', (chunk: Buffer) => {
      this.log += chunk.toString('utf8');
    });
    const ready = new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('close', () => reject(new Error(`the daemon ended:\n${this.log}`)));
    });
    await ready;
  }

  /** Resolves once every daemon has ended. */
  async ended(): Promise<void> {
    for (const child of this.#daemons.splice(0)) {
      if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
    }
  }

  /** Ends the daemons, gently or not. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    for (const child of this.#daemons) child.kill(signal);
    await this.ended();
  }

  /** Calls the plugin. */
  call(call: CniCall): Promise<PluginRun> {
    return runPlugin(this.#plugin, call, this.socket);
  }

  async close(): Promise<void> {
    await this.stop('SIGKILL');
    if (existsSync(this.directory)) rmSync(this.directory, { recursive: true });
  }
}
