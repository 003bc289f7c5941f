import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { waitFor } from './wait-for.ts';

/** A real redis-server (or Sentinel) of a test, on a loopback port of its own. */
export interface RedisServer {
  readonly port: number;
  readonly directory: string;
  readonly pid: number;
  /** A connection of the test's own, to look and to meddle. */
  readonly admin: Redis;
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Starts again after `kill`, with the same port and files. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** A free loopback port; `also` is how far above it another must be free (a Cluster's bus is 10,000 higher). */
export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => (port > 50_000 ? resolve(freePort()) : resolve(port)));
    });
  });
}

/**
 * Starts redis-server with `options` (`--name value`) and waits until it answers.
 * @param command what to run in place of `redis-server`, such as a Sentinel with its file
 */
export async function startRedis(
  options: readonly string[] = [],
  admin: { readonly username?: string; readonly password?: string } = {},
  command: readonly string[] = ['redis-server'],
): Promise<RedisServer> {
  const directory = mkdtempSync(join(tmpdir(), 'podroute-redis-'));
  const port = await freePort();
  const [program, ...first] = command as [string, ...string[]];
  const isSentinel = first.includes('--sentinel');
  const storage = isSentinel ? [] : ['--save', ''];
  const argv = [...first, '--port', String(port), '--bind', '127.0.0.1', '--dir', directory, ...storage, ...options];
  let child: ChildProcess;
  const client = new Redis({ port, lazyConnect: true, retryStrategy: () => 50, maxRetriesPerRequest: 0, ...admin });
  client.on('error', () => undefined);
  const start = async (): Promise<void> => {
    const log = openSync(join(directory, 'log'), 'a');
    child = spawn(program, argv, { stdio: ['ignore', log, log] });
    client.connect().catch(() => undefined);
    await waitFor('redis-server answers', async () => (await client.ping()) === 'PONG', 10_000);
  };
  await start();
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  };
  return {
    port,
    directory,
    get pid() {
      return child.pid as number;
    },
    admin: client,
    kill,
    restart: start,
    async close() {
      client.disconnect();
      await kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Whether this machine has redis-server; said aloud by the tests that need it. */
export function hasRedis(): boolean {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
