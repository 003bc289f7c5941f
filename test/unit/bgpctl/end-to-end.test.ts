import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { run } from '../../../bgpctl/run.ts';
import type { Route } from '../../../lib/api.ts';
import * as api from '../../../lib/api.ts';
import * as fib from '../../../lib/api-fib.ts';
import * as pods from '../../../lib/api-pods.ts';
import { ControlError, type ControlSurface } from '../../../speaker/api/control-surface.ts';
import { fakeSurface, route, startTestDaemon, type TestDaemon } from '../../support/control-surface.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const launcher = join(root, 'deploy/bin/bgpctl');

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function daemon(
  over: Partial<ControlSurface> = {},
): Promise<TestDaemon & { surface: ReturnType<typeof fakeSurface> }> {
  const surface = fakeSurface(over);
  const started = await startTestDaemon(surface);
  cleanups.push(() => started.close());
  return { ...started, surface };
}

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'podroute-bgpctl-'));
  cleanups.push(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line in this process, against a real socket. */
async function bgpctl(socketPath: string, ...words: string[]): Promise<Outcome> {
  let out = '';
  let err = '';
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
  const code = await run(words, terminal, { PODROUTE_API_SOCKET: socketPath });
  return { code, out, err };
}

describe('show', () => {
  test('peers and one peer', async () => {
    const { socketPath } = await daemon();
    const all = await bgpctl(socketPath, 'show', 'peers');
    expect(all).toMatchObject({ code: 0, err: '' });
    expect(all.out).toContain('tor   10.0.1.254  65000  eBGP  Established  01:02:03             3/2/1\n');
    const one = await bgpctl(socketPath, 'show', 'peers', 'tor');
    expect(one.out).toContain('Peer tor\n');
    const slashed = await bgpctl(socketPath, 'show', 'peers', 'mesh/node-b');
    expect(slashed.out).toContain('Peer mesh/node-b\n');
  });

  test('a table of routes', async () => {
    const entries = [
      route(),
      route({
        best: false,
        multipath: true,
        peer: 'rr1',
        attributes: { ...route().attributes, nextHop: '10.0.1.253', med: 5 },
      }),
      route({
        prefix: '2001:db8::/64',
        family: 'ipv6-unicast',
        attributes: {
          origin: 'EGP',
          asPath: '',
          asPathLength: 0,
          nextHop: '2001:db8::1',
          localPref: 100,
          communities: ['65000:1', 'no-export'],
        },
      }),
    ];
    const begin = { view: 'loc-rib', localAs: 64512, routerId: '10.0.1.1' } as const;
    const { socketPath } = await daemon({ routes: () => ({ begin, entries }) });
    const { code, out } = await bgpctl(socketPath, 'show', 'routes');
    expect(code).toBe(0);
    expect(out).toBe(
      [
        'Loc-RIB; local AS 64512, router id 10.0.1.1',
        '* valid, > best, = multipath, S stale, ! rejected by policy; origin: i IGP, e EGP, ? incomplete',
        '    Prefix         Next hop     MED  LocPrf  AS path        Communities        From',
        '*>  10.64.2.0/26   10.0.1.254                65000 64513 i                     tor',
        '*=  10.64.2.0/26   10.0.1.253     5          65000 64513 i                     rr1',
        '*>  2001:db8::/64  2001:db8::1          100  e              65000:1 no-export  tor',
        '',
        '3 paths, 2 prefixes',
        '',
      ].join('\n'),
    );
  });

  test.each<[string[], object]>([
    [['show', 'routes'], { view: 'loc-rib' }],
    [
      ['show', 'routes', '10.0.0.0/8', '--longer', '--best'],
      { view: 'loc-rib', prefix: '10.0.0.0/8', longer: true, best: true },
    ],
    [
      ['show', 'routes', '--received', 'tor', '--family', 'ipv6'],
      { view: 'received', peer: 'tor', family: 'ipv6-unicast' },
    ],
    [['show', 'routes', '--advertised=tor', '10.0.0.1'], { view: 'advertised', peer: 'tor', prefix: '10.0.0.1' }],
  ])('%j asks for %j', async (words, query) => {
    const { socketPath, surface } = await daemon();
    expect((await bgpctl(socketPath, ...words)).code).toBe(0);
    expect(surface.calls).toEqual([['routes', query]]);
  });

  test('one prefix in full, and none', async () => {
    const { socketPath } = await daemon();
    expect((await bgpctl(socketPath, 'show', 'routes', '10.64.2.0/26')).out).toContain(
      'AS path   65000 64513 (length 2)\n',
    );
    const begin = { view: 'loc-rib', localAs: 64512, routerId: '10.0.1.1' } as const;
    const empty = await daemon({ routes: () => ({ begin, entries: [] }) });
    expect((await bgpctl(empty.socketPath, 'show', 'routes', '10.9.0.0/16')).out).toContain(
      'No route for 10.9.0.0/16.\n',
    );
    expect((await bgpctl(empty.socketPath, 'show', 'routes')).out).toContain('No routes.\n');
  });

  test('the kernel, pods and blocks', async () => {
    const { socketPath } = await daemon();
    expect((await bgpctl(socketPath, 'show', 'fib')).out).toBe(
      [
        'Kernel table 254, protocol 177, metric 1024',
        '',
        'Prefix        Next hops            Metric  Origin  State',
        '10.64.2.0/26  10.0.1.254 dev eth0    1024  bgp     installed',
        '',
        '1 route',
        '',
      ].join('\n'),
    );
    expect((await bgpctl(socketPath, 'show', 'pods')).out).toContain('default/web-0');
    expect((await bgpctl(socketPath, 'show', 'blocks')).out).toContain('10.64.1.0/26');
    const reflector = await daemon({
      fib: () => ({ begin: { enabled: false, table: 254, protocol: 177, metric: 1024 }, entries: [] }),
    });
    expect((await bgpctl(reflector.socketPath, 'show', 'fib')).out).toBe('This speaker writes no kernel routes.\n');
  });

  test('lists far longer than the sample, without losing or doubling a row', async () => {
    function* many(): Generator<Route> {
      for (let n = 0; n < 20_000; n++) yield route({ prefix: `10.${n >> 8}.${n & 255}.0/24` });
    }
    const begin = { view: 'loc-rib', localAs: 64512, routerId: '10.0.1.1' } as const;
    const { socketPath } = await daemon({ routes: () => ({ begin, entries: many() }) });
    const { out } = await bgpctl(socketPath, 'show', 'routes');
    const prefixes = out.split('\n').flatMap((line) => (line.startsWith('*>') ? [line.split(/\s+/)[1]] : []));
    expect(prefixes).toHaveLength(20_000);
    expect(new Set(prefixes).size).toBe(20_000);
    expect(out).toContain('\n20000 paths, 20000 prefixes\n');
    const { out: json } = await bgpctl(socketPath, 'show', 'routes', '--json');
    expect(api.routesOutputSchema.parse(JSON.parse(json)).routes).toHaveLength(20_000);
  });
});

describe('--json prints the documented shapes', () => {
  test.each<[string[], z.ZodType]>([
    [['show', 'peers'], api.peersReplySchema],
    [['show', 'peers', 'tor'], api.peerDetailSchema],
    [['show', 'routes'], api.routesOutputSchema],
    [['show', 'routes', '10.64.2.0/26'], api.routesOutputSchema],
    [['show', 'routes', '--received', 'tor'], api.routesOutputSchema],
    [['show', 'fib'], fib.fibOutputSchema],
    [['show', 'pods'], pods.podsReplySchema],
    [['show', 'blocks'], pods.blocksReplySchema],
    [['fib', 'check'], fib.fibCheckReplySchema],
    [['reload', '--dry-run'], api.reloadReplySchema],
    [['clear', 'tor'], api.peerActionReplySchema],
    [['shutdown', 'tor'], api.peerActionReplySchema],
    [['enable', 'tor'], api.peerActionReplySchema],
    [['drain', 'tor'], api.drainReplySchema],
    [['drain'], api.drainReplySchema],
    [['health'], api.healthReplySchema],
    [['status'], api.statusReplySchema],
    [['status', '--reset'], api.statusReplySchema],
  ])('%j', async (words, schema) => {
    const { socketPath } = await daemon();
    const { code, out } = await bgpctl(socketPath, ...words, '--json');
    expect(code).toBe(0);
    expect(schema.parse(JSON.parse(out))).toEqual(JSON.parse(out));
  });

  test('version', async () => {
    const { socketPath } = await daemon();
    const { out } = await bgpctl(socketPath, 'version', '--json');
    expect(api.versionOutputSchema.parse(JSON.parse(out))).toMatchObject({ daemon: { node: 'node-a' } });
    expect((await bgpctl(socketPath, 'version')).out).toMatch(
      /^bgpctl \d+\.\d+\.\d+\npodrouted 0\.1\.0 on node node-a, pid 42, up 00:01:01, Node\.js v24\.0\.0\n$/,
    );
  });

  test('errors too, on standard error', async () => {
    const { socketPath } = await daemon();
    const { code, out, err } = await bgpctl(socketPath, 'show', 'peers', 'nobody', '--json');
    expect([code, out]).toEqual([1, '']);
    expect(api.errorReplySchema.parse(JSON.parse(err)).error).toEqual({
      code: 'not-found',
      message: "no peer 'nobody'; known: tor",
    });
  });
});

describe('actions', () => {
  test('ask for what was typed, and say what was done', async () => {
    const { socketPath, surface } = await daemon();
    expect(await bgpctl(socketPath, 'clear', '10.0.1.254')).toEqual({ code: 0, out: 'tor: session reset\n', err: '' });
    expect((await bgpctl(socketPath, 'clear', 'tor', '--soft')).out).toBe('tor: routes are evaluated again\n');
    expect((await bgpctl(socketPath, 'shutdown', 'tor', '--message', 'moving rack')).out).toBe('tor: shut down\n');
    expect((await bgpctl(socketPath, 'enable', 'tor')).out).toBe('tor: enabled\n');
    expect((await bgpctl(socketPath, 'drain', 'tor')).out).toBe('is being drained\nDrained now: tor\n');
    expect((await bgpctl(socketPath, 'drain', '--end')).out).toBe('no longer drained\nDrained now: none\n');
    expect((await bgpctl(socketPath, 'reload', '--dry-run')).out).toContain(
      'Would apply 1 change; sessions that reset: tor.\n',
    );
    expect((await bgpctl(socketPath, 'reload')).out).toContain('Applied 1 change');
    expect(surface.calls).toEqual([
      ['clear', '10.0.1.254', { soft: false }],
      ['clear', 'tor', { soft: true }],
      ['shutdown', 'tor', { message: 'moving rack' }],
      ['enable', 'tor'],
      ['drain', { peer: 'tor', end: false }],
      ['drain', { end: true }],
      ['reload', { dryRun: true }],
      ['reload', { dryRun: false }],
    ]);
  });

  test('a bad configuration is told problem by problem', async () => {
    const { socketPath } = await daemon({
      reload: () => {
        throw new ControlError('invalid-config', '2 problems; the running configuration stays in force', [
          { file: 'podroute.yaml', document: 2, path: 'spec.peerIP', message: 'not an address' },
          { file: 'podroute.yaml', message: 'no Node resource for node-a' },
        ]);
      },
    });
    expect(await bgpctl(socketPath, 'reload')).toEqual({
      code: 1,
      out: '',
      err: [
        'bgpctl: 2 problems; the running configuration stays in force',
        '  podroute.yaml, document 2: spec.peerIP: not an address',
        '  podroute.yaml: no Node resource for node-a',
        '',
      ].join('\n'),
    });
  });

  test('fib check and health tell by their exit code', async () => {
    const difference = {
      prefix: '10.64.2.0/26',
      family: 'ipv4-unicast',
      problem: 'missing',
      wanted: 'via 10.0.1.254',
    } as const;
    const { socketPath } = await daemon({
      fibCheck: () => ({ checked: 2, differences: [difference] }),
      health: () => ({ ready: false, checks: [{ name: 'fib', ok: false, detail: '3 routes waiting' }] }),
    });
    expect(await bgpctl(socketPath, 'fib', 'check')).toMatchObject({
      code: 1,
      err: 'bgpctl: the kernel differs in 1 route\n',
    });
    expect(await bgpctl(socketPath, 'health')).toMatchObject({ code: 1, err: 'bgpctl: the daemon is not ready\n' });
    const nextHop = { id: 2969567233, problem: 'missing', wanted: 'via 10.0.1.254 dev eth0' } as const;
    const objects = await daemon({ fibCheck: () => ({ checked: 2, differences: [], nextHopDifferences: [nextHop] }) });
    expect(await bgpctl(objects.socketPath, 'fib', 'check')).toMatchObject({
      code: 1,
      out: expect.stringContaining('2969567233  missing'),
      err: 'bgpctl: the kernel differs in 1 nexthop object\n',
    });
    const well = await daemon();
    expect((await bgpctl(well.socketPath, 'fib', 'check')).code).toBe(0);
    expect((await bgpctl(well.socketPath, 'health')).code).toBe(0);
  });
});

describe('wrong command lines exit with 2', () => {
  test.each<[string, string[], string]>([
    ['nothing', [], 'Usage: bgpctl'],
    ['no such command', ['shwo'], 'Did you mean show?'],
    ['no such thing to show', ['show', 'peeers'], 'Did you mean peers?'],
    ['no such option', ['show', 'peers', '--all'], "unknown option '--all'"],
    ['a peer is missing', ['clear'], "missing required argument 'peer'"],
    ['too much', ['show', 'pods', 'all'], 'too many arguments'],
    ['two views', ['show', 'routes', '--received', 'a', '--advertised', 'b'], 'cannot be used with option'],
    ['best of received', ['show', 'routes', '--received', 'a', '--best'], 'cannot be used with option'],
    ['no such family', ['show', 'routes', '--family', 'ipx'], 'Allowed choices are ipv4, ipv6'],
    ['no such shell', ['completion', 'csh'], 'Allowed choices are bash, zsh, fish'],
    ['no prefix', ['show', 'routes', 'hello'], "'hello': expected an address or a prefix"],
    ['longer than nothing', ['show', 'routes', '--longer'], 'longer than which prefix?'],
    ['a message too long', ['shutdown', 'tor', '--message', 'x'.repeat(256)], 'at most 255 octets'],
  ])('%s', async (_name, words, text) => {
    const { socketPath } = await daemon();
    const { code, out, err } = await bgpctl(socketPath, ...words);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(text);
  });

  test('help is none of them', async () => {
    const { code, out, err } = await bgpctl('/nowhere', 'show', 'routes', '--help');
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain('--longer');
  });
});

describe('the daemon is away: exit code 3', () => {
  test('no socket', async () => {
    const path = join(directory(), 'podrouted.sock');
    const { code, out, err } = await bgpctl(path, 'show', 'peers');
    expect([code, out]).toEqual([3, '']);
    expect(err).toBe(
      `bgpctl: podrouted is not running: there is no socket ${path}.\nStart podrouted, or name its socket with --socket PATH or PODROUTE_API_SOCKET.\n`,
    );
  });

  test('a socket that a dead daemon left', async () => {
    const path = join(directory(), 'podrouted.sock');
    const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    const { code, err } = await bgpctl(path, 'show', 'peers');
    expect(code).toBe(3);
    expect(err).toContain(`nobody answers on ${path}, the socket was left by a daemon that ended`);
  });

  test('not a socket', async () => {
    const path = join(directory(), 'file');
    writeFileSync(path, '');
    expect(await bgpctl(path, 'show', 'peers')).toMatchObject({
      code: 3,
      err: expect.stringContaining(`${path} is not a socket`),
    });
  });

  test('version still says its own', async () => {
    const { code, out } = await bgpctl(join(directory(), 'none'), 'version');
    expect(code).toBe(3);
    expect(out).toMatch(/^bgpctl \d/);
  });

  test('--json tells it as JSON', async () => {
    const { code, err } = await bgpctl(join(directory(), 'none'), '--json', 'show', 'peers');
    expect(code).toBe(3);
    expect(api.errorReplySchema.parse(JSON.parse(err)).error.code).toBe('unavailable');
  });

  test('something else answers', async () => {
    const path = join(directory(), 'other.sock');
    const other: Server = createHttpServer((_request, response) => response.end('hello'));
    await new Promise<void>((resolve) => other.listen(path, resolve));
    cleanups.push(() => void other.close());
    const { code, err } = await bgpctl(path, 'show', 'peers');
    expect([code, err.includes('what answers there is not podrouted')]).toEqual([3, true]);
  });

  test('it dies in the middle of a list', async () => {
    const path = join(directory(), 'cut.sock');
    const head = 'HTTP/1.1 200 OK\r\npodroute-api: 1\r\ntransfer-encoding: chunked\r\n\r\n';
    const line = `${JSON.stringify({ type: 'begin', view: 'loc-rib', localAs: 1, routerId: '10.0.0.1' })}\n`;
    const chunk = `${line.length.toString(16)}\r\n${line}\r\n`;
    const other = createServer((socket) => socket.once('data', () => socket.end(head + chunk)));
    await new Promise<void>((resolve) => other.listen(path, resolve));
    cleanups.push(() => void other.close());
    const { code, err } = await bgpctl(path, 'show', 'routes');
    expect(code).toBe(3);
    expect(err).toContain('did not answer');
  });

  test('a list without its end was cut', async () => {
    const path = join(directory(), 'cut.sock');
    const other = createHttpServer((_request, response) => {
      response.setHeader('podroute-api', '1');
      response.end(`${JSON.stringify({ type: 'begin', view: 'loc-rib', localAs: 1, routerId: '10.0.0.1' })}\n`);
    });
    await new Promise<void>((resolve) => other.listen(path, resolve));
    cleanups.push(() => void other.close());
    const { code, err } = await bgpctl(path, 'show', 'routes');
    expect([code, err.includes('the list ended before its end')]).toEqual([3, true]);
  });
});

describe('as a program', () => {
  /** Not spawnSync: the daemon it asks lives in this process. */
  function launch(
    file: string,
    words: readonly string[],
    options: { env?: NodeJS.ProcessEnv; uid?: number; gid?: number } = {},
  ): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const { env = process.env, ...rest } = options;
      const child = spawn(file, words, { ...rest, env, stdio: ['ignore', 'pipe', 'pipe'] });
      let out = '';
      let err = '';
      child.stdout.on('data', (data: Buffer) => {
        out += data.toString();
      });
      child.stderr.on('data', (data: Buffer) => {
        err += data.toString();
      });
      child.once('error', reject);
      child.once('close', (code) => resolve({ code: code ?? -1, out, err }));
    });
  }

  test('the launcher starts it, from a link elsewhere too, and --socket wins over the environment', async () => {
    const { socketPath } = await daemon();
    const link = join(directory(), 'bgpctl');
    symlinkSync(launcher, link);
    const env = { ...process.env, PODROUTE_API_SOCKET: '/nowhere', PATH: '/usr/bin:/bin' };
    const result = await launch(link, ['--socket', socketPath, 'show', 'peers'], { env });
    expect(result).toMatchObject({ code: 0, err: '' });
    expect(result.out).toContain('Established');
    expect((await launch(link, ['show', 'peers'], { env })).code).toBe(3);
  });

  test('the launcher says what is missing where nothing was installed', async () => {
    const where = directory();
    const bin = join(where, 'deploy/bin');
    spawnSync('mkdir', ['-p', bin]);
    copyFileSync(launcher, join(bin, 'bgpctl'));
    const { code, err } = await launch(join(bin, 'bgpctl'), []);
    expect(code).toBe(127);
    expect(err).toContain(`run 'npm ci' in ${where} first`);
  });

  test('a reader that leaves early ends it quietly', async () => {
    function* many(): Generator<Route> {
      for (let n = 0; n < 20_000; n++) yield route();
    }
    const begin = { view: 'loc-rib', localAs: 64512, routerId: '10.0.1.1' } as const;
    const { socketPath } = await daemon({ routes: () => ({ begin, entries: many() }) });
    const script = `"$0" --socket "$1" show routes | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const { out, err } = await launch('bash', ['-c', script, launcher, socketPath]);
    expect(out).toBe('Loc-RIB; local AS 64512, router id 10.0.1.1\n0\n');
    expect(err).toBe('');
  });

  test.runIf(process.getuid?.() === 0)('who may not open the socket is told why, and what to do', async () => {
    const { socketPath, directory: where } = await daemon();
    chmodSync(where, 0o755);
    const { code, err } = await launch(launcher, ['--socket', socketPath, 'show', 'peers'], { uid: 65534, gid: 65534 });
    expect(code).toBe(3);
    expect(err).toContain(
      `no permission to open ${socketPath} as nobody (uid 65534); it belongs to uid 0, gid 0, mode 660.`,
    );
    expect(err).toContain('Run bgpctl as root or as a member of that group.');
  });

  test('both launchers exist for npm', () => {
    for (const name of ['bgpctl', 'podrouted']) expect(existsSync(join(root, 'deploy/bin', name))).toBe(true);
  });
});
