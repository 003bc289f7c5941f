import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ExitCode } from '../../../bgpctl/errors.ts';
import { buildProgram, DEFAULT_SOCKET, SOCKET_VARIABLE } from '../../../bgpctl/program.ts';
import { run } from '../../../bgpctl/run.ts';
import { endpoints } from '../../../lib/api-endpoints.ts';
import { renderReference } from '../../../speaker/api/reference.ts';
import { fakeSurface, peerSummary, route, startTestDaemon, type TestDaemon } from '../../support/control-surface.ts';

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
const guide = read('docs/bgpctl.md');
const quiet = { write: async () => {}, complain() {}, columns: undefined, hasColours: false };

test('docs/api.md is current: node speaker/api/reference.ts > docs/api.md', () => {
  expect(read('docs/api.md')).toBe(renderReference());
});

test('docs/api.md names every request', () => {
  for (const { method, path } of Object.values(endpoints))
    expect(renderReference()).toContain(`### ${method} ${path}\n`);
});

describe('docs/bgpctl.md', () => {
  /** All commands that do something, with the words that lead to them. */
  function leaves(command: Command, words: readonly string[] = []): [string, Command][] {
    const here = command.parent === null ? words : [...words, command.name()];
    return command.commands.length === 0
      ? [[here.join(' '), command]]
      : command.commands.flatMap((one) => leaves(one as Command, here));
  }
  const program = buildProgram(quiet, {});

  test.each(leaves(program))('%s', (words, command) => {
    expect(guide).toContain(`\`bgpctl ${words}`);
    for (const option of command.options) expect(guide).toContain(option.long ?? '');
  });

  test('options of all commands, defaults and exit codes', () => {
    for (const option of program.options) expect(guide).toContain(option.long ?? '');
    expect(guide).toContain(DEFAULT_SOCKET);
    expect(guide).toContain(SOCKET_VARIABLE);
    for (const code of Object.values(ExitCode)) expect(guide).toContain(`\n| ${code} | `);
  });

  test('names no option that does not exist', () => {
    const known = new Set(['--help', ...program.options.map((option) => option.long)]);
    for (const [, command] of leaves(program)) for (const option of command.options) known.add(option.long);
    for (const [word] of guide.matchAll(/--[a-z][a-z-]*/g)) expect(known).toContain(word);
  });
});

describe('the examples of docs/bgpctl.md are what is printed', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    const peers = [
      peerSummary(),
      peerSummary({
        name: 'rr',
        address: '10.0.9.9',
        remoteAs: 64512,
        kind: 'ibgp',
        state: 'Active',
        stateSeconds: 41,
        families: [{ family: 'ipv4-unicast', inForce: false, received: 0, accepted: 0, advertised: 0 }],
        lastError: 'connect: timed out',
      }),
    ];
    const {
      peer: _peer,
      peerAddress: _address,
      ...local
    } = route({ prefix: '10.64.1.0/26', source: 'pod-block', kind: 'local' });
    const learned = route();
    const begin = { view: 'loc-rib', localAs: 64512, routerId: '10.0.1.1' } as const;
    const all = [
      { ...local, attributes: { origin: 'IGP' as const, asPath: '', asPathLength: 0 } },
      route({ attributes: { ...learned.attributes, communities: ['65000:2'] } }),
      route({
        best: false,
        multipath: true,
        peer: 'tor-b',
        attributes: { ...learned.attributes, nextHop: '10.0.1.253' },
      }),
    ];
    daemon = await startTestDaemon(
      fakeSurface({
        peers: () => ({ localAs: 64512, routerId: '10.0.1.1', peers }),
        routes: (query) => ({ begin, entries: query.prefix === undefined ? all : [learned] }),
      }),
    );
  });
  afterAll(() => daemon.close());

  test.each(['show peers', 'show routes', 'show routes 10.64.2.7', 'explain 10.64.2.7'])('%s', async (line) => {
    let out = '';
    const terminal = {
      ...quiet,
      async write(text: string) {
        out += text;
      },
    };
    expect(await run(line.split(' '), terminal, { PODROUTE_API_SOCKET: daemon.socketPath })).toBe(0);
    expect(guide).toContain(`$ bgpctl ${line}\n${out}\`\`\`\n`);
  });
});
