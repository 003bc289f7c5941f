import { run } from './run.ts';
import { processTerminal } from './terminal.ts';

process.exitCode = await run(
  process.argv.slice(2),
  processTerminal(process.stdout, process.stderr, process.env),
  process.env,
);
