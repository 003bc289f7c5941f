import type { LabHost, LabProcess } from './lab.ts';

/** GoBGP inside one host of the lab. */
export interface Gobgp {
  readonly process: LabProcess;
  /** Runs the gobgp client with the words given (`neighbor`, `global rib -a ipv6`). */
  gobgp(words: string): string;
  /** The same with `-j`, parsed. */
  gobgpJson<T = unknown>(words: string): T;
}

/** Starts gobgpd in `host` with `config` (TOML). */
export function startGobgp(host: LabHost, config: string): Gobgp {
  const conf = host.write('gobgpd.toml', config);
  const process = host.start('gobgpd', ['gobgpd', '-t', 'toml', '-f', conf, '--api-hosts', '127.0.0.1:50051', '-p']);
  const gobgp = (words: string): string => host.run(['gobgp', ...words.split(' ')]);
  return { process, gobgp, gobgpJson: <T>(words: string) => JSON.parse(gobgp(`-j ${words}`)) as T };
}
