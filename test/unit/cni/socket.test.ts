import { once } from 'node:events';
import { existsSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { decodeReply, encodeRequest } from '../../../cni/frame.ts';
import { type AnswerRequest, CniSocket, removeStaleSocket } from '../../../cni/socket.ts';
import { silentLogger } from '../../../lib/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { waitFor } from '../../support/wait-for.ts';

let directory: string;
let path: string;
let clock: FakeClock;
let opened: CniSocket[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podroute-socket-'));
  path = join(directory, 'run', 'cni.sock');
  clock = new FakeClock();
  opened = [];
});

afterEach(async () => {
  for (const socket of opened) await socket.close();
  rmSync(directory, { recursive: true, force: true });
});

async function listen(answer: AnswerRequest, busy?: (isBusy: boolean) => void): Promise<CniSocket> {
  const options = { path, answer, clock, log: silentLogger };
  const socket = new CniSocket(busy === undefined ? options : { ...options, busy });
  opened.push(socket);
  await socket.listen();
  return socket;
}

/** Everything the other side sends until it ends. */
async function readAll(client: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  client.on('data', (chunk: Buffer) => chunks.push(chunk));
  client.on('error', () => {});
  await once(client, 'close');
  return Buffer.concat(chunks);
}

const hello: AnswerRequest = async (raw) => ({ exitCode: 3, stdout: `hello ${raw.environment.get('CNI_COMMAND')}` });
const request = encodeRequest({ CNI_COMMAND: 'ADD' }, '{}');

test('answers requests, many at once, each on its own connection', async () => {
  await listen(hello);
  const clients = Array.from({ length: 20 }, () => connect(path));
  for (const client of clients) client.write(request);
  for (const answer of await Promise.all(clients.map(readAll))) {
    expect(decodeReply(answer)).toEqual({ exitCode: 3, stdout: 'hello ADD' });
  }
});

test('is busy from the first connection to the last answer, or until the plugin is gone', async () => {
  const told: boolean[] = [];
  let answer = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  await listen(
    async () => {
      await answered;
      return { exitCode: 0, stdout: '' };
    },
    (isBusy) => void told.push(isBusy),
  );
  const asking = connect(path);
  const silent = connect(path);
  asking.write(request);
  await waitFor('a connection', () => told.length > 0);
  expect(told).toEqual([true]);
  answer();
  await readAll(asking);
  expect(told).toEqual([true]);
  silent.destroy();
  await waitFor('nobody waits', () => told.length > 1);
  expect(told).toEqual([true, false]);
});

test('the socket is for root and its group alone', async () => {
  await listen(hello);
  expect(statSync(path).mode & 0o777).toBe(0o660);
});

test('what is no request gets no answer', async () => {
  await listen(hello);
  const huge = connect(path);
  huge.write(Buffer.from([255, 255, 255, 255]));
  const trailing = connect(path);
  trailing.write(Buffer.concat([request, request]));
  const half = connect(path);
  half.end(request.subarray(0, 9));
  expect((await readAll(huge)).length + (await readAll(trailing)).length).toBe(0);
  clock.advance(10_000);
  expect((await readAll(half)).length).toBe(0);
});

test('a plugin that sends nothing is dropped after ten seconds', async () => {
  await listen(hello);
  const client = connect(path);
  const ended = readAll(client);
  await waitFor('the connection', () => clock.pendingCount === 1);
  clock.advance(9_999);
  expect(client.destroyed).toBe(false);
  clock.advance(1);
  expect((await ended).length).toBe(0);
});

test('tells whether the plugin still waits', async () => {
  const seen: boolean[] = [];
  let finish = () => {};
  const gate = new Promise<void>((resolve) => {
    finish = resolve;
  });
  let isWanted = () => true;
  await listen(async (_, wanted) => {
    isWanted = wanted;
    seen.push(wanted());
    await gate;
    return { exitCode: 0, stdout: '' };
  });
  const client = connect(path);
  client.write(request);
  await waitFor('the request', () => seen.length === 1);
  client.destroy();
  await waitFor('the end of the connection', () => !isWanted());
  finish();
  expect(seen).toEqual([true]);
});

test('close gives the answers that are due and takes no more', async () => {
  let finish = () => {};
  let isAsked = false;
  const socket = await listen(async () => {
    isAsked = true;
    await new Promise<void>((resolve) => {
      finish = resolve;
    });
    return { exitCode: 0, stdout: 'done' };
  });
  const busy = connect(path);
  busy.write(request);
  const idle = connect(path);
  await waitFor('the request', () => isAsked && clock.pendingCount === 1);
  const closed = socket.close();
  const answers = Promise.all([readAll(busy), readAll(idle)]);
  finish();
  const [answer, nothing] = await answers;
  expect(decodeReply(answer ?? Buffer.alloc(0))).toEqual({ exitCode: 0, stdout: 'done' });
  expect(nothing).toHaveLength(0);
  await closed;
  await socket.close();
  expect(existsSync(path)).toBe(false);
});

test('a socket that nobody answers on is removed, one that somebody does is not', async () => {
  await removeStaleSocket(path);
  const socket = await listen(hello);
  await expect(removeStaleSocket(path)).rejects.toThrow(/another podrouted/);
  await socket.close();
  const stale = join(directory, 'stale.sock');
  const server = createServer().listen(stale);
  await once(server, 'listening');
  // What a SIGKILL leaves: the name without anybody behind it.
  const moved = join(directory, 'left.sock');
  renameSync(stale, moved);
  server.close();
  expect(existsSync(moved)).toBe(true);
  await removeStaleSocket(moved);
  expect(existsSync(moved)).toBe(false);
});
