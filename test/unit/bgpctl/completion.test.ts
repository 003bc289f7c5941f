import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { candidates } from '../../../bgpctl/commands/completion.ts';
import { buildProgram } from '../../../bgpctl/program.ts';
import { run } from '../../../bgpctl/run.ts';
import type { Terminal } from '../../../bgpctl/terminal.ts';
import { fakeSurface, peerSummary, startTestDaemon, type TestDaemon } from '../../support/control-surface.ts';

const bin = fileURLToPath(new URL('../../../deploy/bin', import.meta.url));

function capture(): Terminal & { text(): string } {
  let out = '';
  return {
    async write(text) {
      out += text;
    },
    complain() {},
    columns: undefined,
    hasColours: false,
    text: () => out,
  };
}

async function script(shell: string): Promise<string> {
  const terminal = capture();
  expect(await run(['completion', shell], terminal, {})).toBe(0);
  return terminal.text();
}

let daemon: TestDaemon;
beforeAll(async () => {
  const peers = [
    peerSummary(),
    peerSummary({ name: 'tor2' }),
    peerSummary({ name: 'mesh/node-b' }),
    peerSummary({ name: 'v6:a' }),
  ];
  daemon = await startTestDaemon(fakeSurface({ peers: () => ({ localAs: 64512, routerId: '10.0.1.1', peers }) }));
});
afterAll(() => daemon.close());

describe('what may come next', () => {
  test.each<[string[], string[]]>([
    [['s'], ['show', 'shutdown', 'status']],
    [
      ['show', ''],
      ['peers', 'routes', 'fib', 'pods', 'blocks'],
    ],
    [
      ['show', 'peers', ''],
      ['tor', 'tor2', 'mesh/node-b', 'v6:a'],
    ],
    [
      ['clear', 't'],
      ['tor', 'tor2'],
    ],
    [['clear', 'tor', ''], []],
    [
      ['clear', 'tor', '--s'],
      ['--soft', '--socket'],
    ],
    [['show', 'routes', '--received', 'm'], ['mesh/node-b']],
    [['show', 'routes', '--advertised=tor2'], ['--advertised=tor2']],
    [
      ['show', 'routes', '--family', ''],
      ['ipv4', 'ipv6', 'ipv4-unicast', 'ipv6-unicast'],
    ],
    [
      ['show', 'routes', '--family=ipv6'],
      ['--family=ipv6', '--family=ipv6-unicast'],
    ],
    [
      ['--json', 'sh'],
      ['show', 'shutdown'],
    ],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['show', 'routes', '--l'], ['--longer']],
    [['fib', ''], ['check']],
    [['--socket', '/nowhere', 'clear', ''], []],
    [['--socket=/nowhere', 'clear', ''], []],
  ])('%j', async (words, expected) => {
    const program = buildProgram(capture(), { PODROUTE_API_SOCKET: daemon.socketPath });
    expect((await candidates(program, words)).map(({ word }) => word)).toEqual(expected);
  });
});

describe('bash', () => {
  test('parses', async () => {
    const checked = spawnSync('bash', ['-n'], { input: await script('bash'), encoding: 'utf8' });
    expect(checked).toMatchObject({ status: 0, stderr: '' });
  });

  /** Lets bash complete `line` as it would at a TAB at its end. */
  async function complete(line: string): Promise<string[]> {
    const program = `
      eval "$2"
      COMP_LINE=$1 COMP_POINT=\${#1}
      _bgpctl
      complete -p bgpctl >/dev/null || exit 9
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const child = spawn('bash', ['-c', program, 'bash', line, await script('bash')], {
      env: { ...process.env, PATH: `${bin}:/usr/bin:/bin`, PODROUTE_API_SOCKET: daemon.socketPath },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.on('data', (data: Buffer) => {
      out += data.toString();
    });
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
    return out.split('\n').filter((word) => word !== '');
  }

  test.each<[string, string[]]>([
    ['bgpctl sh', ['show', 'shutdown']],
    ['bgpctl show ', ['peers', 'routes', 'fib', 'pods', 'blocks']],
    ['bgpctl  clear t', ['tor', 'tor2']],
    ['bgpctl show routes --family=ipv6', ['ipv6', 'ipv6-unicast']],
    ['bgpctl clear v6:', ['a']],
    ['bgpctl clear nobody', []],
  ])('%s', async (line, expected) => {
    expect(await complete(line)).toEqual(expected);
  });
});

describe.each(['zsh', 'fish'])('%s', (shell) => {
  const isThere = spawnSync(shell, ['-c', 'true']).status === 0;

  test('asks bgpctl for the words', async () => {
    expect(await script(shell)).toContain(' __complete ');
  });

  test.runIf(isThere)('parses', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'podroute-completion-'));
    try {
      const path = join(directory, `bgpctl.${shell}`);
      writeFileSync(path, await script(shell));
      expect(spawnSync(shell, ['-n', path], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
