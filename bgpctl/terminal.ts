import type { Writable } from 'node:stream';

/** Where output goes, and what it may look like there. */
export interface Terminal {
  /** Writes to standard output; resolves when more can be written. */
  write(text: string): Promise<void>;
  /** Writes to standard error. */
  complain(text: string): void;
  /** Width to fit tables into; undefined where output is no terminal: nothing is shortened then. */
  readonly columns: number | undefined;
  readonly hasColours: boolean;
}

/** Thrown by `write` when the reader went away (`bgpctl ... | head`): no error, only the end. */
export class ReaderGone extends Error {}

/** A terminal over the streams of a process. Colours only in a terminal, and not where NO_COLOR or TERM=dumb says so. */
export function processTerminal(
  stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number },
  stderr: Writable,
  env: Readonly<Record<string, string | undefined>>,
): Terminal {
  const isTerminal = stdout.isTTY === true;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    failure = error.code === 'EPIPE' ? new ReaderGone() : error;
    wake?.();
  });
  stdout.on('drain', () => wake?.());
  return {
    async write(text) {
      if (failure !== undefined) throw failure;
      if (stdout.write(text)) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      if (failure !== undefined) throw failure;
    },
    complain(text) {
      stderr.write(text);
    },
    columns: isTerminal ? (stdout.columns ?? 80) : undefined,
    hasColours: isTerminal && !env['NO_COLOR'] && env['TERM'] !== 'dumb',
  };
}
