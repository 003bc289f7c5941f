import type { LabHost, LabProcess } from './lab.ts';

/** GoBGP inside one host of the lab. */
export interface Gobgp {
  /** The running daemon; another object after `restart`. */
  readonly process: LabProcess;
  /** Runs the gobgp client with the words given (`neighbor`, `global rib -a ipv6`). */
  gobgp(words: string): string;
  /** The same with `-j`, parsed. */
  gobgpJson<T = unknown>(words: string): T;
  /** Starts gobgpd again after it ended. */
  restart(): void;
}

/** Starts gobgpd in `host` with `config` (TOML). */
export function startGobgp(host: LabHost, config: string): Gobgp {
  const conf = host.write('gobgpd.toml', config);
  const start = (): LabProcess =>
    host.start('gobgpd', ['gobgpd', '-t', 'toml', '-f', conf, '--api-hosts', '127.0.0.1:50051', '-p']);
  let process = start();
  const gobgp = (words: string): string => host.run(['gobgp', ...words.split(' ')]);
  return {
    get process() {
      return process;
    },
    gobgp,
    gobgpJson: <T>(words: string) => JSON.parse(gobgp(`-j ${words}`)) as T,
    restart() {
      process = start();
    },
  };
}
