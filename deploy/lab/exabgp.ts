import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LabHost, LabProcess } from './lab.ts';

/** ExaBGP inside one host of the lab. */
export interface Exabgp {
  /** The running daemon; another object after `restart`. */
  readonly process: LabProcess;
  /** Gives it one command of its API (`announce route ...`). */
  command(line: string): void;
  /** What it told its API's process so far, a line each: JSON of messages and changes of state. */
  events(): string[];
  /** Starts ExaBGP again after it ended; what it told before is forgotten. */
  restart(): void;
}

/** How ExaBGP is run. */
export interface ExabgpOptions {
  /** exabgp.conf; `PROCESS` in it becomes the name of the process that `command` and `events` work through. */
  readonly config: string;
  /** Addresses it listens on. */
  readonly listen: readonly string[];
  /** A Python program that starts ExaBGP in place of its own script. */
  readonly program?: string;
}

const PROCESS = 'lab';

/** Starts ExaBGP in `host`. */
export function startExabgp(host: LabHost, { config, listen, program }: ExabgpOptions): Exabgp {
  const events = join(host.directory, 'exabgp-events');
  let starts = 0;
  let commands = '';
  /** Each run has a pipe of its own: the process of one that was killed may still read. */
  const configure = (): string => {
    starts += 1;
    commands = join(host.directory, `exabgp-commands-${starts}`);
    writeFileSync(events, '');
    execFileSync('mkfifo', [commands]);
    // The process keeps its end of the pipe open for writing too: else it would end with the first command.
    const script = host.write(
      'exabgp-process.sh',
      `#!/bin/sh\nexec 3<>${commands} 4<&0\ncat <&4 >>${events} &\nexec cat <&3\n`,
    );
    return host.write(
      'exabgp.conf',
      `process ${PROCESS} { run /bin/sh ${script}; encoder json; }\n${config.replaceAll('PROCESS', PROCESS)}`,
    );
  };
  const env = {
    'exabgp.daemon.user': 'root',
    'exabgp.daemon.drop': 'false',
    'exabgp.tcp.bind': listen.join(' '),
    'exabgp.tcp.port': '179',
    'exabgp.api.ack': 'false',
    'exabgp.api.cli': 'false',
    'exabgp.cache.attributes': 'false',
  };
  const start = (): LabProcess => {
    const conf = configure();
    return host.start('exabgp', program === undefined ? ['exabgp', conf] : ['/usr/bin/python3', program, conf], env);
  };
  let process = start();
  return {
    get process() {
      return process;
    },
    command: (line) => appendFileSync(commands, `${line}\n`),
    events: () => readFileSync(events, 'utf8').split('\n'),
    restart() {
      process = start();
    },
  };
}
