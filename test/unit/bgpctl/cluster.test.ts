import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { run } from '../../../bgpctl/run.ts';
import { ControlError, type ControlSurface } from '../../../speaker/api/control-surface.ts';
import { fakeSurface, startTestDaemon, storedPeer, type TestDaemon } from '../../support/control-surface.ts';

let directory: string;
const daemons: TestDaemon[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podroute-bgpctl-'));
});
afterEach(async () => {
  for (const daemon of daemons.splice(0)) await daemon.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Runs a command line against a daemon that behaves as `over` says; `env` is laid over the environment. */
async function bgpctl(words: readonly string[], over: Partial<ControlSurface> = {}, env: Record<string, string> = {}) {
  const surface = fakeSurface(over);
  const daemon = await startTestDaemon(surface);
  daemons.push(daemon);
  let [out, err] = ['', ''];
  const terminal = {
    async write(text: string) {
      out += text;
    },
    complain(text: string) {
      err += text;
    },
    columns: undefined,
    hasColours: false,
  };
  const code = await run(words, terminal, { PODROUTE_API_SOCKET: daemon.socketPath, ...env });
  return { code, out, err, calls: surface.calls };
}

const file = (name: string, text: string): string => {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
};

describe('apply', () => {
  test('files and directories are sent with their names; the diff is shown', async () => {
    mkdirSync(join(directory, 'more'));
    const [one, two] = [file('one.yaml', 'a: 1\n'), file('more/b.yaml', 'b: 1\n')];
    file('more/notes.txt', 'not for this');
    const { code, out, calls } = await bgpctl(['apply', '-f', one, '-f', join(directory, 'more')]);
    expect(code).toBe(0);
    const files = [
      { name: one, text: 'a: 1\n' },
      { name: two, text: 'b: 1\n' },
    ];
    expect(calls).toEqual([['apply', { files, dryRun: false, force: false }]]);
    expect(out).toBe('BGPPeer tor: configured\n-  asNumber: 1\n+  asNumber: 2\nApplied 1 change.\n');
  });

  test('--dry-run says what it would do', async () => {
    const { out } = await bgpctl(['apply', '--dry-run', '-f', file('one.yaml', '')]);
    expect(out).toContain('Would apply 1 change.');
  });

  test('what is refused is told with every problem, and a file that is not there by its name', async () => {
    const problems = [{ file: 'one.yaml', document: 2, path: 'spec.peerIP', message: 'nowhere: must be an address' }];
    const apply = () => {
      throw new ControlError('invalid-config', 'nothing was changed', problems);
    };
    const refused = await bgpctl(['apply', '-f', file('one.yaml', '')], { apply });
    expect(refused.code).toBe(1);
    expect(refused.err).toContain('one.yaml, document 2: spec.peerIP: nowhere: must be an address');
    const missing = await bgpctl(['apply', '-f', join(directory, 'gone.yaml')]);
    expect(missing.code).toBe(2);
    expect(missing.err).toContain('gone.yaml');
  });
});

describe('get', () => {
  test('a line each; YAML; how each field was understood', async () => {
    expect((await bgpctl(['get', 'bgppeers', 'tor'])).out).toMatch(/BGPPeer +tor +projectcalico\.org\/v3 +store/);
    expect((await bgpctl(['get', 'bgppeer', 'tor', '-o', 'yaml'])).out).toBe(storedPeer.text);
    const { out } = await bgpctl(['get', 'bgppeer', 'tor', '--explain']);
    expect(out).toContain('BGPPeer tor (projectcalico.org/v3, store)');
    expect(out).toMatch(/spec\.asNumber +65000 +is looked at twice/);
  });

  test('a name that is not there is an error', async () => {
    const { code, err } = await bgpctl(['get', 'bgppeer', 'gone'], { resources: () => ({ resources: [] }) });
    expect([code, err]).toEqual([1, "bgpctl: no bgppeer 'gone'\n"]);
  });

  test('export prints only what is in the store', async () => {
    const other = { ...storedPeer, source: 'node.yaml', text: 'not this\n' };
    const { out } = await bgpctl(['export'], { resources: () => ({ resources: [storedPeer, other, storedPeer] }) });
    expect(out).toBe(`${storedPeer.text}---\n${storedPeer.text}`);
  });
});

test('delete', async () => {
  const { out, calls } = await bgpctl(['delete', 'BGPPeer', 'tor']);
  expect(calls).toEqual([['delete', { resources: [{ kind: 'BGPPeer', name: 'tor' }], dryRun: false, force: false }]]);
  expect(out).toBe('BGPPeer tor: deleted\nApplied 1 change.\n');
});

describe('edit', () => {
  /** An editor that runs `script` on the file. */
  const editor = (script: string): Record<string, string> => {
    const path = file('editor', `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    return { EDITOR: path };
  };

  test('what the editor wrote is applied', async () => {
    const { code, calls } = await bgpctl(['edit', 'bgppeer', 'tor'], {}, editor('echo "spec: {}" >> "$1"'));
    expect(code).toBe(0);
    expect(calls.at(-1)).toMatchObject(['apply', { files: [{ text: `${storedPeer.text}spec: {}\n` }], dryRun: false }]);
  });

  test('an editor that changes nothing, or fails, applies nothing', async () => {
    const same = await bgpctl(['edit', 'bgppeer', 'tor'], {}, editor('true'));
    expect([same.code, same.out]).toEqual([0, 'Nothing was changed.\n']);
    const failed = await bgpctl(['edit', 'bgppeer', 'tor'], {}, editor('echo x >> "$1"; exit 3'));
    expect(failed.code).toBe(1);
    expect(failed.err).toContain('exit code 3; nothing was changed');
    expect(failed.calls.some(([name]) => name === 'apply')).toBe(false);
  });

  test('what is refused comes back with the reasons, until it is good', async () => {
    const seen: string[] = [];
    const apply: ControlSurface['apply'] = ({ files: [given] }) => {
      seen.push(given?.text ?? '');
      if (seen.length === 1)
        throw new ControlError('invalid-config', 'nothing was changed', [{ message: 'try again' }]);
      return { applied: true, changes: [], warnings: [] };
    };
    const { code } = await bgpctl(['edit', 'bgppeer', 'tor'], { apply }, editor('echo "# more" >> "$1"'));
    expect(code).toBe(0);
    expect(seen[1]).toMatch(/^# try again\n/);
  });

  test('what is in a file is to be edited there', async () => {
    const resources = () => ({ resources: [{ ...storedPeer, source: '/etc/podroute/tor.yaml' }] });
    const { code, err } = await bgpctl(['edit', 'bgppeer', 'tor'], { resources });
    expect(code).toBe(1);
    expect(err).toContain('is in /etc/podroute/tor.yaml, not in the store: edit it there');
  });
});

describe('the cluster', () => {
  test('node: who this is and who else is there', async () => {
    const { out } = await bgpctl(['node']);
    expect(out).toContain('Node node-a, AS 64512, router id 10.0.1.1');
    expect(out).toContain('Registration: registered');
    expect(out).toMatch(/node-b .*gone for 12 s/);
  });

  test('ipam show', async () => {
    const { out } = await bgpctl(['ipam', 'show']);
    expect(out).toMatch(/pods +10\.64\.0\.0\/16 +\/26 +1 +1024 +enabled/);
    expect(out).toMatch(/10\.64\.1\.0\/26 +owned +node-a \(this node\) +3\/64 +0/);
  });

  test('ipam check: a difference is an exit code', async () => {
    expect(await bgpctl(['ipam', 'check'])).toMatchObject({
      code: 0,
      out: 'Compared 1 block, 3 pods, 3 interfaces: no difference.\n',
    });
    const checked = { blocks: 1, pods: 1, interfaces: 2 };
    const ipamCheck = () => ({ isClean: false, checked, problems: ['interface pr0 belongs to no pod'] });
    const { code, out, err } = await bgpctl(['ipam', 'check'], { ipamCheck });
    expect([code, err]).toEqual([1, 'bgpctl: 1 difference found\n']);
    expect(out).toContain('  interface pr0 belongs to no pod\n');
  });

  test('plan: sessions and routes by node, and an exit code for nodes that would be cut off', async () => {
    const { code, out, err } = await bgpctl(['plan', '-f', file('one.yaml', '')]);
    expect(out).toBe(
      [
        'Node node-a',
        '  ~ tor [session resets]: holdSeconds: 90 -> 9',
        '  + routes of node-c',
        '  - routes of node-b',
        'Sessions: 0 added, 0 removed, 1 reset, each counted on both its nodes.',
        '',
      ].join('\n'),
    );
    expect([code, err]).toEqual([1, 'bgpctl: this would cut nodes off: 1 way from one node to another\n']);
    const harmless = () => ({ nodes: [], disconnected: [], warnings: [] });
    expect(await bgpctl(['plan', '-f', file('one.yaml', '')], { plan: harmless })).toMatchObject({
      code: 0,
      out: 'Nothing would change.\n',
    });
  });
});
