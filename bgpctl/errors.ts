import type { ApiErrorCode, ApiProblem } from '../lib/api.ts';

/** Exit codes of bgpctl, documented in docs/bgpctl.md. */
export const ExitCode = {
  Ok: 0,
  /** The daemon answered and refused, or a check found a difference. */
  Refused: 1,
  /** The command line is wrong. */
  Usage: 2,
  /** No daemon answered. */
  Away: 3,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Ends the program with a message for the person who called it. */
export class CliError extends Error {
  readonly exitCode: ExitCode;
  readonly code: ApiErrorCode;
  readonly problems: readonly ApiProblem[];

  /** @param message what was tried, what was seen, what to do; may have several lines */
  constructor(exitCode: ExitCode, code: ApiErrorCode, message: string, problems: readonly ApiProblem[] = []) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
    this.code = code;
    this.problems = problems;
  }
}
