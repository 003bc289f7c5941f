import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { projectRoot } from '../../deploy/lab/podroute.ts';
import { isRoot } from './lab-daemon.ts';

/** Somebody without any rights. */
const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'env', 'HOME=/tmp'];
const run = (words: readonly string[]) =>
  spawnSync(words[0] as string, words.slice(1), { cwd: projectRoot, encoding: 'utf8', timeout: 100_000 });
const allows = isRoot && run([...nobody, 'unshare', '-Urnm', 'true']).status === 0;
if (!allows)
  console.warn('SKIPPED: this kernel does not let users make namespaces: the demonstration without root is not run');

test.skipIf(!allows)(
  'the demonstration runs without root',
  () => {
    const result = run([...nobody, 'sh', 'deploy/rootless.sh', process.execPath, 'deploy/demo.ts']);
    expect(result.stdout, result.stderr).toContain('All pings were answered.');
    expect(result.status).toBe(0);
  },
  120_000,
);
