import { join } from 'node:path';
import type { LabHost, LabProcess } from './lab.ts';

/** BIRD 2 inside one host of the lab. */
export interface Bird {
  readonly process: LabProcess;
  /** Runs a command of birdc (`show protocols all`). */
  birdc(command: string): string;
  /** Replaces the configuration and loads it. */
  reconfigure(config: string): void;
}

/** Starts BIRD in `host` with `config` as its bird.conf. */
export function startBird(host: LabHost, config: string): Bird {
  const conf = host.write('bird.conf', config);
  const control = join(host.directory, 'bird.ctl');
  const process = host.start('bird', ['bird', '-f', '-c', conf, '-s', control, '-P', join(host.directory, 'bird.pid')]);
  const birdc = (command: string): string => host.run(['birdc', '-s', control, ...command.split(' ')]);
  return {
    process,
    birdc,
    reconfigure(next) {
      host.write('bird.conf', next);
      birdc('configure');
    },
  };
}
