import { join } from 'node:path';
import type { LabHost, LabProcess } from './lab.ts';

/** BIRD 2 inside one host of the lab. */
export interface Bird {
  /** The running daemon; another object after `restart`. */
  readonly process: LabProcess;
  /** Runs a command of birdc (`show protocols all`); words between double quotes stay together. */
  birdc(command: string): string;
  /** Replaces the configuration and loads it. @throws Error with BIRD's words if it refuses it */
  reconfigure(config: string): void;
  /** Starts BIRD again after it ended. */
  restart(): void;
}

/** Starts BIRD in `host` with `config` as its bird.conf. */
export function startBird(host: LabHost, config: string): Bird {
  const conf = host.write('bird.conf', config);
  const control = join(host.directory, 'bird.ctl');
  const start = (): LabProcess =>
    host.start('bird', ['bird', '-f', '-c', conf, '-s', control, '-P', join(host.directory, 'bird.pid')]);
  let process = start();
  const birdc = (command: string): string => host.run(['birdc', '-s', control, command]);
  return {
    get process() {
      return process;
    },
    birdc,
    reconfigure(next) {
      host.write('bird.conf', next);
      const answer = birdc('configure');
      if (!/Reconfigured|Reconfiguration in progress/.test(answer)) throw new Error(`bird: ${answer.trim()}`);
    },
    restart() {
      process = start();
    },
  };
}
