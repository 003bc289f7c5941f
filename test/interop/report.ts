import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { projectRoot } from '../../deploy/lab/podroute.ts';
import { daemonNames } from './daemons/daemon.ts';
import { type DaemonResults, readResults, resultsDirectory } from './results.ts';
import { interopDocument } from './table.ts';

const documentPath = join(projectRoot, 'docs/interop.md');

/** Before the runs of all daemons: what earlier ones left goes. */
export function setup(project: TestProject): () => void {
  rmSync(resultsDirectory, { recursive: true, force: true });
  const isUpdate = project.config.snapshotOptions.updateSnapshot === 'all';
  return () => report(isUpdate);
}

/**
 * After them: prints the table, and holds docs/interop.md against it if every scenario was run with every daemon.
 * @throws Error if the file says something else
 */
function report(isUpdate: boolean): void {
  const all = daemonNames.map(readResults).filter((results): results is DaemonResults => results !== undefined);
  if (all.length === 0) return;
  const text = interopDocument(all);
  process.stdout.write(`\n${text}\n`);
  const isWhole = all.length === daemonNames.length;
  const outcomes = new Set(all.flatMap(({ rows }) => rows.map(({ outcome }) => outcome)));
  if (!isWhole || outcomes.has('not run') || outcomes.has('failed')) return;
  if (isUpdate) writeFileSync(documentPath, text);
  else if (readDocument() !== text) {
    throw new Error(
      'docs/interop.md does not say what this run has seen: `npm run test:interop -- --update` writes it',
    );
  }
}

function readDocument(): string {
  try {
    return readFileSync(documentPath, 'utf8');
  } catch {
    return '';
  }
}
