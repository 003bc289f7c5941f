import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CommandResult, type LabHost, type LabProcess, tryCommand } from './lab.ts';

/** Root of the checkout. */
export const projectRoot = fileURLToPath(new URL('../..', import.meta.url));

/** podrouted inside one host of the lab. */
export interface Podroute {
  readonly host: LabHost;
  /** The running daemon; another object after `restart`. */
  readonly process: LabProcess;
  readonly configPath: string;
  /** Directory of its Unix sockets. */
  readonly runDirectory: string;
  /** Runs bgpctl against it. @throws Error when bgpctl exits non-zero */
  bgpctl(...words: string[]): string;
  /** Runs bgpctl with `--json` and parses the answer. */
  bgpctlJson<T = Record<string, unknown>>(...words: string[]): T;
  /** Runs bgpctl, whatever its exit code. */
  tryBgpctl(...words: string[]): CommandResult;
  /** Starts the daemon again after it ended. */
  restart(): void;
  /** Calls the CNI plugin as a container runtime does: environment and network configuration on standard input. */
  cni(command: CniCommand, pod: { readonly id: string; readonly netns: string }, extra?: CniExtra): CommandResult;
}

export type CniCommand = 'ADD' | 'DEL' | 'CHECK' | 'STATUS' | 'GC' | 'VERSION';

export interface CniExtra {
  readonly ifName?: string;
  readonly args?: string;
  /** Keys laid over the network configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** Starts podrouted in `host` with `config` (YAML); its sockets and state are in the host's own directory. */
export function startPodroute(host: LabHost, config: string, flags: readonly string[] = []): Podroute {
  const configPath = host.write('podroute.yaml', config);
  const runDirectory = join(host.directory, 'run');
  const stateDirectory = join(host.directory, 'state');
  for (const directory of [runDirectory, stateDirectory]) mkdirSync(directory, { recursive: true });
  const argv = [
    process.execPath,
    join(projectRoot, 'speaker/main.ts'),
    '--config',
    configPath,
    '--node',
    host.name,
    '--run-dir',
    runDirectory,
    '--state-dir',
    stateDirectory,
    ...flags,
  ];
  const start = (): LabProcess => host.start('podrouted', argv);
  let daemon = start();
  const tryBgpctl = (...words: string[]): CommandResult =>
    tryCommand([
      process.execPath,
      join(projectRoot, 'bgpctl/main.ts'),
      '--socket',
      join(runDirectory, 'podrouted.sock'),
      ...words,
    ]);
  const bgpctl = (...words: string[]): string => {
    const result = tryBgpctl(...words);
    if (result.status !== 0) {
      throw new Error(`${host.name}: bgpctl ${words.join(' ')}: exit ${result.status}: ${result.stderr}`);
    }
    return result.stdout;
  };
  return {
    host,
    get process() {
      return daemon;
    },
    configPath,
    runDirectory,
    bgpctl,
    bgpctlJson: <T>(...words: string[]) => JSON.parse(bgpctl(...words, '--json')) as T,
    tryBgpctl,
    restart() {
      daemon = start();
    },
    cni(command, pod, extra = {}) {
      const network = { cniVersion: '1.0.0', name: 'podroute', type: 'podroute', ...extra.config };
      return host.try([join(projectRoot, 'build/podroute')], {
        input: JSON.stringify(network),
        env: {
          CNI_COMMAND: command,
          CNI_CONTAINERID: pod.id,
          CNI_NETNS: pod.netns,
          CNI_IFNAME: extra.ifName ?? 'eth0',
          CNI_PATH: join(projectRoot, 'build'),
          CNI_ARGS: extra.args ?? '',
          PODROUTE_SOCKET: join(runDirectory, 'cni.sock'),
        },
      });
    },
  };
}
