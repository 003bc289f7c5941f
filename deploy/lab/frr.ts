import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LabHost } from './lab.ts';

/** FRR (zebra and bgpd) inside one host of the lab. */
export interface Frr {
  /** Runs a command of vtysh (`show bgp summary`). */
  vtysh(command: string): string;
  /** The same with `json` appended, parsed. */
  vtyshJson<T = Record<string, unknown>>(command: string): T;
  /** Adds lines to the running configuration. */
  configure(lines: readonly string[]): void;
}

/**
 * Starts zebra and bgpd in `host` and gives them `config` (lines of frr.conf). Every file of theirs is in the host's own
 * directory, so that any number of them run side by side.
 */
export function startFrr(host: LabHost, config: readonly string[]): Frr {
  const dir = join(host.directory, 'frr');
  mkdirSync(dir, { recursive: true });
  execFileSync('chown', ['frr:frr', dir]);
  chmodSync(dir, 0o755);
  for (const daemon of ['zebra', 'bgpd']) {
    const files = [
      '--vty_socket',
      dir,
      '-z',
      join(dir, 'zserv.api'),
      '-i',
      join(dir, `${daemon}.pid`),
      '-f',
      join(dir, 'none.conf'),
    ];
    host.run([`/usr/lib/frr/${daemon}`, '-d', ...files, '-P', '0', ...(daemon === 'bgpd' ? ['-p', '179'] : [])]);
  }
  const path = host.write('frr.conf', `${config.join('\n')}\n`);
  const vtysh = (args: readonly string[]): string => host.run(['vtysh', '--vty_socket', dir, ...args]);
  vtysh(['-f', path]);
  return {
    vtysh: (command) => vtysh(['-c', command]),
    vtyshJson: <T>(command: string) => JSON.parse(vtysh(['-c', `${command} json`])) as T,
    configure(lines) {
      vtysh(['-c', 'configure terminal', ...lines.flatMap((line) => ['-c', line])]);
    },
  };
}
