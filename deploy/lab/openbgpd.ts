import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LabHost, LabProcess } from './lab.ts';

/** OpenBGPD inside one host of the lab. */
export interface Openbgpd {
  /** The running daemon; another object after `restart`. */
  readonly process: LabProcess;
  /** Runs OpenBGPD's own bgpctl with the words given. */
  control(...words: string[]): string;
  /** The same with `-j`, parsed. */
  controlJson<T = unknown>(...words: string[]): T;
  /** Replaces the configuration and loads it. @throws Error with its words if it refuses it */
  reconfigure(config: string): void;
  /** Starts OpenBGPD again after it ended. */
  restart(): void;
}

/** Starts OpenBGPD in `host` with `config` as its bgpd.conf; `config` names no control socket. */
export function startOpenbgpd(host: LabHost, config: string): Openbgpd {
  const socket = join(host.directory, 'bgpd.sock');
  const write = (text: string): string => {
    const path = host.write('bgpd.conf', `socket "${socket}"\n${text}`);
    // It refuses a configuration that others may read.
    chmodSync(path, 0o600);
    return path;
  };
  const conf = write(config);
  // Where its processes without privileges live; the package leaves making it to systemd.
  mkdirSync('/run/openbgpd', { recursive: true, mode: 0o755 });
  const start = (): LabProcess => host.start('bgpd', ['bgpd', '-d', '-f', conf]);
  let process = start();
  const control = (...words: string[]): string => host.run(['/usr/sbin/bgpctl', '-s', socket, ...words]);
  return {
    get process() {
      return process;
    },
    control,
    controlJson: <T>(...words: string[]) => JSON.parse(control('-j', ...words)) as T,
    reconfigure(next) {
      write(next);
      control('reload');
    },
    restart() {
      process = start();
    },
  };
}
