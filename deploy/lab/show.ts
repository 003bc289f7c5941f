import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage } from '../../lib/result.ts';
import type { Lab } from './lab.ts';

const isColour = process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined;
let stepNumber = 0;

/** The text in bold where the terminal can. */
export function bold(text: string): string {
  return isColour ? `\x1b[1m${text}\x1b[0m` : text;
}

/** Announces the next part of a demonstration. */
export function step(title: string, explanation: string): void {
  stepNumber += 1;
  console.log(`\n${bold(`== ${stepNumber}. ${title}`)}\n${explanation}\n`);
}

/** Prints a command and what it wrote. */
export function show(command: string, output: string): void {
  console.log(bold(`$ ${command}`));
  console.log(`${output.trimEnd()}\n`);
}

/**
 * Asks until `isTrue`, at most `seconds`.
 * @returns how long it took, in seconds
 * @throws Error that names `what`
 */
export async function until(what: string, seconds: number, isTrue: () => boolean | Promise<boolean>): Promise<number> {
  const start = Date.now();
  while (!(await isTrue())) {
    if (Date.now() - start > seconds * 1000) throw new Error(`${what}: not so after ${seconds} s`);
    await delay(100);
  }
  return (Date.now() - start) / 1000;
}

/**
 * Runs a demonstration to its end and ends the process with its exit code. The lab is taken away again, also after an
 * interrupt; `KEEP=1` leaves it up and prints `howToEnter`.
 */
export async function runDemonstration(
  lab: Lab,
  demonstrate: (lab: Lab) => Promise<number>,
  howToEnter: (lab: Lab) => string,
): Promise<never> {
  let interrupted: (() => void) | undefined;
  const interruption = new Promise<number>((resolve) => {
    interrupted = () => resolve(130);
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted?.());
  let status = 1;
  try {
    status = await Promise.race([demonstrate(lab), interruption]);
    if (process.env['KEEP'] === '1' && status !== 130) {
      console.log(`\n${howToEnter(lab)}`);
      lab.detach();
    }
  } catch (error) {
    console.error(`\ndemo: ${errorMessage(error)}`);
    for (const text of lab.logTails(15)) console.error(text);
  } finally {
    if (!lab.isDetached) {
      await lab.close();
      console.log('\nThe lab is down: namespaces, daemons and files are removed.');
    }
  }
  process.exit(status);
}
