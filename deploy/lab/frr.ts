import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LabHost, tryCommand } from './lab.ts';

/** FRR (zebra and bgpd) inside one host of the lab. */
export interface Frr {
  /** Runs a command of vtysh (`show bgp summary`). */
  vtysh(command: string): string;
  /** The same with `json` appended, parsed. */
  vtyshJson<T = Record<string, unknown>>(command: string): T;
  /** Adds lines to the running configuration. */
  configure(lines: readonly string[]): void;
  /** Ends bgpd without a word (`kill -9`). */
  killBgpd(): void;
  /** False once bgpd has ended. */
  isBgpdRunning(): boolean;
  /** Starts bgpd again after it ended, with the configuration of the beginning. */
  restartBgpd(): void;
}

/**
 * Starts zebra and bgpd in `host` and gives them `config` (lines of frr.conf). Every file of theirs is in the host's own
 * directory, so that any number of them run side by side.
 */
export function startFrr(host: LabHost, config: readonly string[]): Frr {
  const dir = join(host.directory, 'frr');
  mkdirSync(dir, { recursive: true });
  // In a user namespace with a single user there is no frr to become.
  const owner = tryCommand(['chown', 'frr:frr', dir]).status === 0 ? [] : ['-u', 'root', '-g', 'root'];
  chmodSync(dir, 0o755);
  const path = host.write('frr.conf', `${config.join('\n')}\n`);
  const pidFile = (daemon: string): string => join(dir, `${daemon}.pid`);
  const pidOf = (daemon: string): number => Number(readFileSync(pidFile(daemon), 'utf8'));
  const vtysh = (args: readonly string[]): string => host.run(['vtysh', '--vty_socket', dir, ...args]);
  const start = (daemon: 'zebra' | 'bgpd'): void => {
    const files = [
      '--vty_socket',
      dir,
      '-z',
      join(dir, 'zserv.api'),
      '-i',
      pidFile(daemon),
      '-f',
      join(dir, 'none.conf'),
      ...owner,
    ];
    host.run([`/usr/lib/frr/${daemon}`, '-d', ...files, '-P', '0', ...(daemon === 'bgpd' ? ['-p', '179'] : [])]);
  };
  start('zebra');
  start('bgpd');
  vtysh(['-f', path]);
  return {
    vtysh: (command) => vtysh(['-c', command]),
    vtyshJson: <T>(command: string) => JSON.parse(vtysh(['-c', `${command} json`])) as T,
    configure(lines) {
      vtysh(['-c', 'configure terminal', ...lines.flatMap((line) => ['-c', line])]);
    },
    killBgpd() {
      process.kill(pidOf('bgpd'), 'SIGKILL');
    },
    isBgpdRunning() {
      try {
        // The state stands behind the name in parentheses; where nobody collects the dead, one stays as a zombie.
        return !/\) [ZX] /.test(readFileSync(`/proc/${pidOf('bgpd')}/stat`, 'utf8'));
      } catch {
        return false;
      }
    },
    restartBgpd() {
      start('bgpd');
      vtysh(['-f', path]);
    },
  };
}
