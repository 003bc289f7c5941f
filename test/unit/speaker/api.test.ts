import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PeerDetail, Route } from '../../../lib/api.ts';
import * as api from '../../../lib/api.ts';
import { type EndpointName, endpoints } from '../../../lib/api-endpoints.ts';
import { systemClock } from '../../../lib/clock.ts';
import { type LogFields, type Logger, silentLogger } from '../../../lib/log.ts';
import { ControlError, type ControlSurface } from '../../../speaker/api/control-surface.ts';
import { ApiServer, buildApp } from '../../../speaker/api/server.ts';
import { fakeSurface, peerDetail, route } from '../../support/control-surface.ts';
import { waitFor } from '../../support/wait-for.ts';

const apps: FastifyInstance[] = [];

function app(surface: ControlSurface = fakeSurface(), log: Logger = silentLogger): FastifyInstance {
  const made = buildApp({ surface, socketPath: '/nowhere', clock: systemClock, log });
  apps.push(made);
  return made;
}

afterEach(async () => {
  for (const made of apps.splice(0)) await made.close();
});

const linesIn = (text: string): unknown[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

/** Bodies of requests that need one. */
const bodies: Partial<Record<EndpointName, object>> = {
  apply: { files: [{ name: 'a.yaml', text: '' }] },
  plan: { files: [{ name: 'a.yaml', text: '' }] },
  delete: { resources: [{ kind: 'BGPPeer', name: 'tor' }] },
};

describe('replies', () => {
  const queries: Partial<Record<EndpointName, string>> = {
    routes: '?view=received&peer=tor',
    explain: '?prefix=10.64.2.7',
  };
  for (const name of Object.keys(endpoints) as EndpointName[]) {
    test(`${name} answers what its schema says`, async () => {
      const { method, path, reply } = endpoints[name];
      const payload = bodies[name];
      const response = await app().inject({
        ...(payload === undefined ? {} : { payload }),
        method,
        url: path.replace(':peer', 'tor') + (queries[name] ?? ''),
      });
      expect(response.statusCode).toBe(200);
      expect(response.headers['podroute-api']).toBe('1');
      if (reply.type === 'json') expect(reply.schema.parse(response.json())).toEqual(response.json());
      else for (const line of linesIn(response.body)) expect(reply.schema.parse(line)).toEqual(line);
    });
  }

  test('what the schema does not name never leaves', async () => {
    const leaky = { ...peerDetail(), password: 'secret' } as PeerDetail;
    const response = await app(fakeSurface({ peer: () => leaky })).inject('/v1/peers/tor');
    expect(response.statusCode).toBe(200);
    expect(response.body).not.toContain('secret');
  });

  test('a reply of the wrong shape is our bug and says nothing of itself', async () => {
    const logged: LogFields[] = [];
    const log: Logger = { ...silentLogger, error: (_event, fields) => void logged.push(fields ?? {}) };
    const broken = { ...peerDetail(), state: 'Lost' } as unknown as PeerDetail;
    const response = await app(fakeSurface({ peer: () => broken }), log).inject('/v1/peers/tor');
    expect(response.statusCode).toBe(500);
    expect(api.errorReplySchema.parse(response.json()).error.code).toBe('internal');
    expect(response.body).not.toContain('Lost');
    expect(String(logged[0]?.['error'])).toContain('state');
  });

  test('a daemon that is not ready answers 503 with the same body', async () => {
    const response = await app(fakeSurface({ health: () => ({ ready: false, checks: [] }) })).inject('/v1/health');
    expect([response.statusCode, response.json()]).toEqual([503, { ready: false, checks: [] }]);
  });

  test('names of peers may hold a slash', async () => {
    const response = await app().inject(`/v1/peers/${encodeURIComponent('mesh/node-b')}`);
    expect(response.json()).toMatchObject({ name: 'mesh/node-b' });
  });
});

describe('requests', () => {
  test.each([
    ['a family that is none', '/v1/routes?family=ipx', 'query.family'],
    ['a misspelt filter', '/v1/routes?bets=true', "unknown field 'bets'"],
    ['a query where none is taken', '/v1/peers?x=1', 'nothing is taken here'],
    [
      'a prefix with host bits',
      '/v1/routes?prefix=10.0.0.1/24',
      "'10.0.0.1/24': expected an address or a prefix without host bits",
    ],
    ['no prefix', '/v1/routes?prefix=hello', "'hello': expected an address or a prefix, such as"],
    ['no prefix for the FIB', '/v1/fib?prefix=hello', "'hello': expected"],
    ['longer than nothing', '/v1/routes?longer=true', 'longer than which prefix'],
    ['longer than an address', '/v1/routes?longer=true&prefix=10.0.0.1', '10.0.0.1 is an address'],
    ['received from nobody', '/v1/routes?view=received', 'the received view is of one peer'],
    ['a peer in the loc-rib', '/v1/routes?peer=tor', 'the loc-rib view is of all peers'],
    ['best of what was sent', '/v1/routes?view=advertised&peer=tor&best=true', 'only the loc-rib view has best paths'],
  ])('%s is refused in words', async (_name, url, words) => {
    const response = await app().inject(url);
    expect(response.statusCode).toBe(400);
    const { error } = api.errorReplySchema.parse(response.json());
    expect(error.code).toBe('invalid-request');
    expect(error.message).toContain(words);
  });

  test('all problems are told at once', async () => {
    const response = await app().inject('/v1/routes?family=ipx&view=all');
    expect(api.errorReplySchema.parse(response.json()).error.problems).toHaveLength(2);
  });

  test('a query arrives validated', async () => {
    const surface = fakeSurface();
    await app(surface).inject('/v1/routes?best=true&family=ipv6-unicast&prefix=2001:db8::/32&longer=true');
    expect(surface.calls).toEqual([
      ['routes', { view: 'loc-rib', best: true, family: 'ipv6-unicast', prefix: '2001:db8::/32', longer: true }],
    ]);
  });

  test('bodies are optional, checked, and arrive with their defaults', async () => {
    const surface = fakeSurface();
    const made = app(surface);
    await made.inject({ method: 'POST', url: '/v1/peers/tor/clear' });
    await made.inject({ method: 'POST', url: '/v1/peers/tor/shutdown', payload: { message: 'moving rack' } });
    const tooLong = await made.inject({
      method: 'POST',
      url: '/v1/peers/tor/shutdown',
      payload: { message: 'ü'.repeat(128) },
    });
    const notJson = await made.inject({
      method: 'POST',
      url: '/v1/reload',
      payload: '{',
      headers: { 'content-type': 'application/json' },
    });
    expect(surface.calls).toEqual([
      ['clear', 'tor', { soft: false }],
      ['shutdown', 'tor', { message: 'moving rack' }],
    ]);
    expect([tooLong.statusCode, notJson.statusCode]).toEqual([400, 400]);
    expect(tooLong.json().error.message).toContain('at most 255 octets');
    expect(api.errorReplySchema.safeParse(notJson.json()).success).toBe(true);
  });

  test('an unknown request and another version are answered in our form', async () => {
    const response = await app().inject('/v2/peers');
    expect([response.statusCode, response.json().error.code]).toEqual([404, 'not-found']);
  });

  test('what the daemon refuses keeps its code, words and problems', async () => {
    const problems = [{ file: 'podroute.yaml', document: 2, path: 'spec.peerIP', message: 'not an address' }];
    const surface = fakeSurface({
      reload: () => {
        throw new ControlError('invalid-config', '1 problem; the running configuration stays in force', problems);
      },
    });
    const response = await app(surface).inject({ method: 'POST', url: '/v1/reload' });
    expect(response.statusCode).toBe(422);
    expect(api.errorReplySchema.parse(response.json()).error).toEqual({
      code: 'invalid-config',
      message: '1 problem; the running configuration stays in force',
      problems,
    });
  });
});

describe('long lists', () => {
  const begin = { view: 'loc-rib', localAs: 64512, routerId: '10.0.1.1' } as const;
  const listOf = (entries: Iterable<Route> | AsyncIterable<Route>) =>
    fakeSurface({ routes: () => ({ begin, entries }) });

  test('arrive whole and in order, with their count', async () => {
    function* many(): Generator<Route> {
      for (let n = 0; n < 5000; n++) yield route({ prefix: `10.${n >> 8}.${n & 255}.0/24` });
    }
    const lines = linesIn((await app(listOf(many())).inject('/v1/routes')).body) as { type: string; route: Route }[];
    expect(lines).toHaveLength(5002);
    expect(lines[0]).toEqual({ type: 'begin', ...begin });
    expect(lines[1]?.route.prefix).toBe('10.0.0.0/24');
    expect(lines[5000]?.route.prefix).toBe('10.19.135.0/24');
    expect(lines.at(-1)).toEqual({ type: 'end', count: 5000 });
  });

  test('one that breaks ends in an error instead of a count', async () => {
    function* broken(): Generator<Route> {
      yield route();
      throw new ControlError('unavailable', 'the peer was removed meanwhile');
    }
    const lines = linesIn((await app(listOf(broken())).inject('/v1/routes')).body);
    expect(lines.at(-1)).toEqual({ error: { code: 'unavailable', message: 'the peer was removed meanwhile' } });
  });

  test('other work has its turn in between, however long they are', async () => {
    let served = 0;
    let isDone = false;
    function* long(): Generator<Route> {
      for (let n = 0; n < 200_000 && served < 20; n++) yield route();
      isDone = true;
    }
    const tick = (): void => {
      served++;
      if (!isDone) setImmediate(tick);
    };
    setImmediate(tick);
    const response = await app(listOf(long())).inject('/v1/routes');
    expect(served).toBeGreaterThanOrEqual(20);
    expect(linesIn(response.body).at(-1)).toMatchObject({ type: 'end' });
  });
});

describe('the socket', () => {
  let directory: string;
  const servers: ApiServer[] = [];
  const serve = async (path: string, surface = fakeSurface()): Promise<ApiServer> => {
    const server = new ApiServer({ surface, socketPath: path, clock: systemClock, log: silentLogger });
    servers.push(server);
    await server.start();
    return server;
  };
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'podroute-api-'));
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test('is for owner and group only, and gone after close', async () => {
    const path = join(directory, 'deep', 'podrouted.sock');
    const server = await serve(path);
    expect(lstatSync(path).isSocket()).toBe(true);
    expect(lstatSync(path).mode & 0o777).toBe(0o660);
    await server.close();
    await server.close();
    expect(existsSync(path)).toBe(false);
  });

  test('takes the place of one whose daemon was killed', async () => {
    const path = join(directory, 'podrouted.sock');
    const listen = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`;
    const dead = spawn(process.execPath, ['-e', listen], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(dead.stdout, 'data');
    dead.kill('SIGKILL');
    await once(dead, 'exit');
    expect(lstatSync(path).isSocket()).toBe(true);
    await serve(path);
    expect(await statusOf(path, '/v1/version')).toBe(200);
  });

  test('is not taken from a daemon that lives', async () => {
    const path = join(directory, 'podrouted.sock');
    await serve(path);
    await expect(serve(path)).rejects.toThrow('another daemon answers there');
    expect(await statusOf(path, '/v1/version')).toBe(200);
  });

  test('a file of somebody else stays', async () => {
    const path = join(directory, 'podrouted.sock');
    writeFileSync(path, 'precious');
    await expect(serve(path)).rejects.toThrow('something that is not a socket is there');
    expect(lstatSync(path).isFile()).toBe(true);
  });

  test('a path that cannot be one is refused by name', async () => {
    const path = join(directory, 'x'.repeat(100));
    await expect(serve(path)).rejects.toThrow('at most');
  });

  test('a reader that goes away ends the cursor and is never awaited', async () => {
    let isEnded = false;
    function* forever(): Generator<Route> {
      try {
        for (;;) yield route();
      } finally {
        isEnded = true;
      }
    }
    const path = join(directory, 'podrouted.sock');
    const begin = { view: 'loc-rib', localAs: 1, routerId: '10.0.0.1' } as const;
    await serve(path, fakeSurface({ routes: () => ({ begin, entries: forever() }) }));
    const outgoing = request({ socketPath: path, path: '/v1/routes' });
    outgoing.end();
    const [response] = await once(outgoing, 'response');
    await once(response, 'data');
    outgoing.destroy();
    await waitFor('the cursor to be ended', () => isEnded);
  });

  function statusOf(socketPath: string, path: string): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ socketPath, path }, (response) => {
        response.resume();
        response.once('end', () => resolve(response.statusCode));
      });
      outgoing.once('error', reject);
      outgoing.end();
    });
  }
});
