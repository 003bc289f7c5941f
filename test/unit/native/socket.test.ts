import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync } from 'node:fs';
import { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import * as native from '../../../native/index.ts';
import { waitFor } from '../../support/wait-for.ts';

const { AddressFamily, PollEvent, SocketLevel, SocketOption, SocketType, SystemError, WOULD_BLOCK } = native;
const loopback = new Uint8Array([127, 0, 0, 1]);
const indexUrl = new URL('../../../native/index.ts', import.meta.url).href;

const opened: number[] = [];
const watchers: native.Watcher[] = [];
afterEach(() => {
  for (const watcher of watchers.splice(0)) watcher.close();
  for (const fd of opened.splice(0)) {
    try {
      native.close(fd);
    } catch {
      // closed by the test
    }
  }
});

function open(type: number = SocketType.Stream, family: number = AddressFamily.Inet): number {
  const fd = native.socket(family, type, 0);
  opened.push(fd);
  return fd;
}

function watch(fd: number, events: number, callback: (events: number) => void): native.Watcher {
  const watcher = new native.Watcher(fd, callback);
  watchers.push(watcher);
  watcher.start(events);
  return watcher;
}

function listening(): { fd: number; address: Uint8Array } {
  const fd = open(SocketType.Stream | SocketType.NonBlocking);
  native.bind(fd, native.inetSocketAddress(loopback, 0));
  native.listen(fd);
  return { fd, address: native.getsockname(fd) };
}

/** Two ends of a TCP connection. */
function pair(): [client: number, server: number] {
  const { fd, address } = listening();
  const client = open();
  expect(native.connect(client, address)).toBe('connected');
  const server = native.accept(fd);
  opened.push(server);
  return [client, server];
}

function code(fn: () => unknown): unknown {
  try {
    fn();
  } catch (error) {
    if (error instanceof SystemError) return { code: error.code, errno: error.errno, syscall: error.syscall };
    throw error;
  }
  return undefined;
}

describe('stream sockets', () => {
  test('octets go both ways, and end', () => {
    const [client, server] = pair();
    const buffer = new Uint8Array(10);
    expect(native.recv(server, buffer)).toBe(WOULD_BLOCK);
    expect(native.send(client, new Uint8Array([9, 1, 2, 3, 9]), 1, 3)).toBe(3);
    expect(native.poll(server, PollEvent.Readable, 1000)).toBe(PollEvent.Readable);
    expect(native.recv(server, buffer, 2, 5)).toBe(3);
    expect([...buffer]).toEqual([0, 0, 1, 2, 3, 0, 0, 0, 0, 0]);
    expect(native.send(server, new Uint8Array([7]))).toBe(1);
    expect(native.recv(client, buffer)).toBe(1);
    native.shutdown(server, 1);
    expect(native.recv(client, buffer)).toBe(0);
  });

  test('addresses of both ends', () => {
    const [client, server] = pair();
    expect(native.parseSocketAddress(native.getpeername(client))).toEqual(
      native.parseSocketAddress(native.getsockname(server)),
    );
  });

  test('a full send buffer is not an error', () => {
    const [, server] = pair();
    const octets = new Uint8Array(1 << 20);
    let last = 0;
    for (let i = 0; i < 64 && last !== WOULD_BLOCK; i++) last = native.send(server, octets);
    expect(last).toBe(WOULD_BLOCK);
  });

  test('errors have a name, a number and a call', () => {
    const { fd, address } = listening();
    native.close(fd);
    expect(code(() => native.connect(open(), address))).toEqual({
      code: 'ECONNREFUSED',
      errno: 111,
      syscall: 'connect',
    });
    expect(code(() => native.recv(-1, new Uint8Array(1)))).toEqual({ code: 'EBADF', errno: 9, syscall: 'recv' });
    expect(code(() => native.socket(99, 1, 0))).toMatchObject({ code: 'EAFNOSUPPORT' });
    expect(code(() => native.interfaceIndex('no-such-if'))).toMatchObject({ code: 'ENODEV' });
    expect(native.interfaceIndex('lo')).toBe(1);
  });

  test('ranges outside the buffer, and wrong arguments, are refused', () => {
    const [client] = pair();
    const buffer = new Uint8Array(4);
    for (const [offset, length] of [
      [0, 5],
      [5, 0],
      [4, 1],
      [-1, 1],
      [0, -1],
      [2, Number.MAX_SAFE_INTEGER],
    ] as const) {
      expect(() => native.send(client, buffer, offset, length), `${offset} ${length}`).toThrow(RangeError);
      expect(() => native.recv(client, buffer, offset, length), `${offset} ${length}`).toThrow(RangeError);
    }
    expect(() => native.drain(client, buffer, 5, 1, native.createDrainStatus())).toThrow(RangeError);
    expect(() => native.drain(client, buffer, 0, 1, new Int32Array(2))).toThrow(RangeError);
    expect(() => native.recv(client, 'text' as unknown as Uint8Array, 0, 1)).toThrow(TypeError);
    expect(() => native.close('1' as unknown as number)).toThrow(TypeError);
    expect(() => new native.Watcher(client, 1 as unknown as () => void)).toThrow(TypeError);
  });

  test('options', () => {
    const fd = open();
    native.setsockopt(fd, SocketLevel.Ip, SocketOption.IP_TOS, 0xc0);
    expect(native.getsockopt(fd, SocketLevel.Ip, SocketOption.IP_TOS)).toBe(0xc0);
    native.setsockopt(fd, SocketLevel.Tcp, SocketOption.TCP_NODELAY, new Uint8Array([1, 0, 0, 0]));
    expect(native.getsockopt(fd, SocketLevel.Tcp, SocketOption.TCP_NODELAY)).toBe(1);
    expect(native.getsockoptOctets(fd, SocketLevel.Tcp, SocketOption.TCP_INFO, 64)).toHaveLength(64);
    expect(code(() => native.setsockopt(fd, 1, 9999, 1))).toMatchObject({ code: 'ENOPROTOOPT', syscall: 'setsockopt' });
  });
});

describe('datagrams', () => {
  function datagrams(): [number, number, Uint8Array] {
    const receiver = open(SocketType.Datagram | SocketType.NonBlocking);
    native.bind(receiver, native.inetSocketAddress(loopback, 0));
    return [open(SocketType.Datagram), receiver, native.getsockname(receiver)];
  }

  test('drain takes all that wait in one call', () => {
    const [sender, receiver, to] = datagrams();
    for (let i = 0; i < 5; i++) native.send(sender, new Uint8Array([i, i]), 0, 2, 0, to);
    const status = native.createDrainStatus();
    const buffer = new Uint8Array(100);
    expect(native.drain(receiver, buffer, 1, 10, status)).toBe(10);
    expect([...buffer.subarray(0, 12)]).toEqual([0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 0]);
    expect([...status]).toEqual([11, 5, 0]);
  });

  test('drain stops when the buffer ends, and says so', () => {
    const [sender, receiver, to] = datagrams();
    for (let i = 0; i < 5; i++) native.send(sender, new Uint8Array([i, i]), 0, 2, 0, to);
    const status = native.createDrainStatus();
    expect(native.drain(receiver, new Uint8Array(5), 0, 2, status)).toBe(4);
    expect([...status]).toEqual([0, 2, 0]);
    expect(native.drain(receiver, new Uint8Array(1), 0, 1, status)).toBe(1);
    expect([...status]).toEqual([0, 1, native.DrainFlag.Truncated]);
  });

  test('drain of a stream says when it ended', () => {
    const [client, server] = pair();
    native.send(client, new Uint8Array(3));
    native.close(client);
    const status = native.createDrainStatus();
    native.poll(server, PollEvent.Disconnect, 1000);
    expect(native.drain(server, new Uint8Array(10), 0, 1, status)).toBe(3);
    expect(status[2]).toBe(native.DrainFlag.EndOfStream);
  });

  test('receiveMessage tells the sender and what comes beside', () => {
    const [sender, receiver, to] = datagrams();
    native.setsockopt(receiver, SocketLevel.Ip, SocketOption.IP_RECVTTL, 1);
    native.setsockopt(sender, SocketLevel.Ip, SocketOption.IP_TTL, 254);
    const buffer = new Uint8Array(2);
    expect(native.receiveMessage(receiver, buffer)).toBeUndefined();
    native.send(sender, new Uint8Array([1, 2, 3]), 0, 3, 0, to);
    const message = native.receiveMessage(receiver, buffer);
    expect(message).toMatchObject({ octets: 2, isTruncated: true });
    expect(message && native.parseSocketAddress(message.address)).toEqual(
      native.parseSocketAddress(native.getsockname(sender)) && expect.objectContaining({ octets: loopback }),
    );
    expect(message?.control.length).toBeGreaterThanOrEqual(20);
    expect(message?.control.includes(254)).toBe(true);
  });
});

describe('watchers', () => {
  test('say when a connection waits, when octets wait, and stay quiet when stopped', async () => {
    const { fd, address } = listening();
    const accepted: number[] = [];
    watch(fd, PollEvent.Readable, () => {
      for (;;) {
        const connection = native.accept(fd);
        if (connection === WOULD_BLOCK) return;
        accepted.push(connection);
        opened.push(connection);
      }
    });
    const client = open();
    native.connect(client, address);
    await waitFor('the connection', () => accepted.length === 1);
    const received: number[] = [];
    const buffer = new Uint8Array(8);
    const server = accepted[0] ?? -1;
    const watcher = watch(server, PollEvent.Readable, () => received.push(native.recv(server, buffer)));
    native.send(client, new Uint8Array(3));
    await waitFor('three octets', () => received.length === 1 && received[0] === 3);
    watcher.stop();
    native.send(client, new Uint8Array(4));
    await new Promise((resolve) => setImmediate(resolve));
    expect(received).toEqual([3]);
    watcher.start(PollEvent.Readable);
    await waitFor('four more', () => received[1] === 4);
    watcher.close();
    watcher.close();
    watcher.start(PollEvent.Readable);
    watcher.stop();
  });

  test('tell of a refused connection', async () => {
    const { fd, address } = listening();
    native.close(fd);
    const client = open(SocketType.Stream | SocketType.NonBlocking);
    expect(native.connect(client, address)).toBe('EINPROGRESS');
    const seen: number[] = [];
    const watcher = watch(client, PollEvent.Writable, (events) => {
      seen.push(events, native.getsockopt(client, SocketLevel.Socket, SocketOption.SO_ERROR));
      watcher.close();
    });
    await waitFor('the refusal', () => seen.length > 0);
    expect(seen).toEqual([PollEvent.Writable | PollEvent.Error, 111]);
  });

  test('let go of a descriptor that net.Socket takes over', async () => {
    const { fd, address } = listening();
    const client = open(SocketType.Stream | SocketType.NonBlocking);
    native.connect(client, address);
    await new Promise<void>((resolve) => {
      const watcher = watch(client, PollEvent.Writable, () => {
        watcher.close();
        resolve();
      });
    });
    opened.splice(opened.indexOf(client), 1);
    const socket = new Socket({ fd: client });
    socket.write('hello');
    const server = await waitFor('the connection', () => {
      const accepted = native.accept(fd);
      return accepted === WOULD_BLOCK ? undefined : accepted;
    });
    opened.push(server);
    const buffer = new Uint8Array(5);
    await waitFor('hello', () => native.recv(server, buffer) === 5);
    expect(Buffer.from(buffer).toString()).toBe('hello');
    socket.destroy();
  });

  test('two on one descriptor are refused, a descriptor that cannot be watched as well', () => {
    const { fd } = listening();
    watch(fd, PollEvent.Readable, () => {});
    expect(code(() => new native.Watcher(fd, () => {}))).toMatchObject({ code: 'EEXIST' });
    const file = openSync(import.meta.filename, 'r');
    expect(code(() => new native.Watcher(file, () => {}))).toMatchObject({ code: 'EPERM' });
    closeSync(file);
    expect(code(() => new native.Watcher(-1, () => {}))).toMatchObject({ code: 'EBADF' });
  });

  test('an exception in a callback is an uncaught exception, and an unref’ed watcher holds nothing up', () => {
    const script = (body: string): string => `
      import * as native from ${JSON.stringify(indexUrl)};
      const fd = native.socket(1, 2, 0);
      native.bind(fd, new Uint8Array([1, 0]));
      const watcher = new native.Watcher(fd, () => { throw new Error('from the callback'); });
      ${body}`;
    const run = (body: string) =>
      spawnSync(process.execPath, ['--input-type=module', '-e', script(body)], { encoding: 'utf8', timeout: 10_000 });
    const thrown = run('watcher.start(native.PollEvent.Writable);');
    expect(thrown.status).toBe(1);
    expect(thrown.stderr).toContain('from the callback');
    const idle = run('watcher.start(native.PollEvent.Readable); watcher.unref();');
    expect(idle).toMatchObject({ status: 0, signal: null });
  });
});

describe('worker threads', () => {
  const script = `
    import * as native from ${JSON.stringify(indexUrl)};
    import { parentPort } from 'node:worker_threads';
    const fd = native.socket(native.AddressFamily.Inet, native.SocketType.Datagram | native.SocketType.NonBlocking, 0);
    native.bind(fd, native.inetSocketAddress(new Uint8Array([127, 0, 0, 1]), 0));
    const buffer = new Uint8Array(8);
    const watcher = new native.Watcher(fd, () => parentPort.postMessage(native.recv(fd, buffer)));
    watcher.start(native.PollEvent.Readable);
    const closed = new native.Watcher(native.socket(2, 2, 0), () => {});
    closed.close();
    parentPort.postMessage([...native.getsockname(fd)]);
    parentPort.on('message', () => process.exit(0));
  `;

  test('have their own watchers, and may end at any time', async () => {
    const fds = (): number => readdirSync('/proc/self/fd').length;
    const before = fds();
    for (let round = 0; round < 3; round++) {
      const workers = Array.from(
        { length: 4 },
        () => new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`)),
      );
      const sender = open(SocketType.Datagram);
      await Promise.all(
        workers.map(async (worker, i) => {
          const messages: unknown[] = [];
          worker.on('message', (message) => messages.push(message));
          const to = (await waitFor('the address', () => messages[0])) as number[];
          native.send(sender, new Uint8Array(3), 0, 3, 0, new Uint8Array(to));
          await waitFor('the datagram in the worker', () => messages[1] === 3);
          // Half end by themselves with a running watcher, half are ended.
          const exit = new Promise((resolve) => worker.once('exit', resolve));
          if (i % 2 === 0) worker.postMessage('end');
          else await worker.terminate();
          await exit;
        }),
      );
    }
    // Sockets of a worker that is ended are nobody's: the owner closes them. Here there are two for each.
    expect(fds() - before).toBeLessThanOrEqual(3 * 4 * 2 + 4);
  });
});

test('the loader says how to build what is not there', () => {
  const script = `import(${JSON.stringify(indexUrl)}).catch((error) => console.log(error.message))`;
  const preload = `data:text/javascript,${encodeURIComponent(
    "import Module from 'node:module'; Module._load = () => { throw new Error('gone'); }; Module.prototype.require = Module._load;",
  )}`;
  const text = execFileSync(process.execPath, ['--import', preload, '--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  expect(text).toMatch(/cannot load the native addon .*build\/podroute\.node: build it with native\/build\.sh/);
});
