import { execFileSync } from 'node:child_process';
import { close, openNetns } from '../../native/index.ts';

/** One network namespace of a test. */
export interface TestNamespace {
  readonly name: string;
  /** Stays open until the namespace is removed. */
  readonly fd: number;
  /** Runs `ip -n NAME ARGS` (split at spaces) and gives what it printed. */
  ip(args: string): string;
  /** The same with `-j`, parsed. */
  ipJson(args: string): unknown;
  /** Runs any program inside. */
  run(program: string, ...args: string[]): string;
}

/** Namespaces with names of this process alone, which `removeAll` takes away whatever happened. */
export class TestNamespaces {
  readonly #prefix: string;
  readonly #made: TestNamespace[] = [];

  constructor(label: string) {
    this.#prefix = `${label}-${process.pid}-`;
  }

  create(label: string): TestNamespace {
    const name = `${this.#prefix}${label}`;
    exec('ip', ['netns', 'add', name]);
    const ip = (args: string): string => exec('ip', ['-n', name, ...args.split(' ')]);
    const namespace: TestNamespace = {
      name,
      fd: openNetns(`/run/netns/${name}`),
      ip,
      ipJson: (args) => JSON.parse(ip(`-j -d ${args}`) || '[]'),
      run: (program, ...args) => exec('ip', ['netns', 'exec', name, program, ...args]),
    };
    this.#made.push(namespace);
    return namespace;
  }

  removeAll(): void {
    for (const { name, fd } of this.#made.splice(0)) {
      close(fd);
      try {
        exec('ip', ['netns', 'del', name]);
      } catch {
        // Gone already: then there is nothing to remove.
      }
    }
  }
}

function exec(program: string, args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 28 });
}
