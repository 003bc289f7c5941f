import { CommanderError } from 'commander';
import type { ErrorReply } from '../lib/api.ts';
import { CliError, ExitCode } from './errors.ts';
import { buildProgram } from './program.ts';
import { ReaderGone, type Terminal } from './terminal.ts';

/**
 * Runs one command line.
 * @param words what follows the program's name
 * @returns the exit code; whatever went wrong was said on the terminal
 */
export async function run(
  words: readonly string[],
  terminal: Terminal,
  env: Readonly<Record<string, string | undefined>>,
): Promise<ExitCode> {
  const program = buildProgram(terminal, env);
  try {
    if (words[0] === '__complete') {
      await (await import('./commands/completion.ts')).printCandidates(program, words.slice(1), terminal);
      return ExitCode.Ok;
    }
    await program.parseAsync(words, { from: 'user' });
    return ExitCode.Ok;
  } catch (error) {
    if (error instanceof ReaderGone) return ExitCode.Ok;
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.Ok : ExitCode.Usage;
    if (!(error instanceof CliError)) throw error;
    if (program.opts<{ json?: boolean }>().json === true) terminal.complain(`${JSON.stringify(errorReply(error))}\n`);
    else terminal.complain(await formatError(error));
    return error.exitCode;
  }
}

function errorReply(error: CliError): ErrorReply {
  const problems = error.problems.length === 0 ? {} : { problems: [...error.problems] };
  return { error: { code: error.code, message: error.message, ...problems } };
}

async function formatError(error: CliError): Promise<string> {
  const { printable } = await import('./format.ts');
  const { formatProblem } = await import('./problems.ts');
  // The message of an invalid request lists its problems already.
  const problems = error.exitCode === ExitCode.Usage ? [] : error.problems;
  const lines = [
    ...error.message.split('\n').map(printable),
    ...problems.map((problem) => `  ${formatProblem(problem)}`),
  ];
  return `bgpctl: ${lines.join('\n')}\n`;
}
