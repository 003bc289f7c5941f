import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type CniCall, cniEnvironment } from './cni-request.ts';

/** One call of a plugin, for the driver. */
export interface DriverCall {
  /** Path of the plugin. */
  readonly plugin: string;
  readonly call: CniCall;
  /** File with the network configuration. */
  readonly stdin: string;
  /** File for what it prints. */
  readonly stdout: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** How a call went. */
export interface DriverRun {
  readonly exitCode: number;
  /** From the start of the plugin to its end. */
  readonly tookMs: number;
}

/** Compiles the driver (`test/bench/cni-driver.c`) into `directory`. */
export function buildDriver(directory: string): string {
  const path = join(directory, 'cni-driver');
  const source = join(import.meta.dirname, '../bench/cni-driver.c');
  execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-o', path, source], { stdio: ['ignore', 'inherit', 'inherit'] });
  return path;
}

/** Makes or removes the network namespaces PREFIX0, PREFIX1, ... */
export function driveNamespaces(driver: string, what: 'create' | 'delete', prefix: string, count: number): void {
  execFileSync(driver, [what, prefix, String(count)], { stdio: ['ignore', 'inherit', 'inherit'] });
}

/** Calls plugins from inside a network namespace, one after the other or all at once. */
export async function drive(
  driver: string,
  namespace: string,
  order: 'serial' | 'parallel',
  calls: readonly DriverCall[],
): Promise<DriverRun[]> {
  const child = spawn(driver, ['run', namespace, order], { stdio: ['pipe', 'pipe', 'inherit'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stdin.end(calls.map((one) => `${planLine(one)}\n`).join(''));
  const [exitCode] = (await once(child, 'close')) as [number];
  if (exitCode !== 0) throw new Error(`cni-driver: exit ${exitCode}`);
  const lines = Buffer.concat(chunks).toString('utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const [, status, nanoseconds] = line.split(' ').map(Number);
    return { exitCode: status ?? -1, tookMs: (nanoseconds ?? 0) / 1e6 };
  });
}

function planLine({ plugin, call, stdin, stdout, environment }: DriverCall): string {
  const variables = { ...cniEnvironment(call), ...environment };
  return [plugin, stdin, stdout, ...Object.entries(variables).map(([name, value]) => `${name}=${value}`)].join('\t');
}
