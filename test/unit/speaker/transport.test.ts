import { ip, prefix } from 'bgp-ts';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../lib/clock.ts';
import { close, getsockopt, SocketLevel, SocketOption } from '../../../native/index.ts';
import type {
  Connection,
  ConnectionEnd,
  ConnectionHandlers,
  ConnectOptions,
  ListeningSocket,
} from '../../../speaker/connection.ts';
import { applyTcpOptions, tcpSocket } from '../../../speaker/tcp-socket.ts';
import { createTcpTransport } from '../../../speaker/transport.ts';
import { waitFor } from '../../support/wait-for.ts';

const transport = createTcpTransport(systemClock);
const opened: { destroy?: () => void; close?: () => void }[] = [];

afterEach(() => {
  for (const thing of opened.splice(0)) {
    thing.destroy?.();
    thing.close?.();
  }
});

/** An end that keeps what it hears. */
class End implements ConnectionHandlers {
  connection: Connection | undefined;
  isConnected = false;
  end: ConnectionEnd | undefined;
  octets = 0;
  /** Sum of all octets, each multiplied by its place, to notice any disorder. */
  sum = 0;
  drains = 0;
  /** How many of the octets offered are consumed. */
  take = (offered: number): number => offered;

  connected(): void {
    this.isConnected = true;
  }

  received(bytes: Uint8Array, start: number, end: number): number {
    const taken = this.take(end - start);
    for (let at = start; at < start + taken; at++) {
      this.sum = (this.sum + (bytes[at] ?? 0) * ((this.octets % 251) + 1)) % 1_000_000_007;
      this.octets++;
    }
    return taken;
  }

  drained(): void {
    this.drains++;
  }

  closed(end: ConnectionEnd): void {
    this.end = end;
  }
}

/** Listens on an address; `ends` grows with each connection that comes in. */
function listenOn(address: string, accept = true): { socket: ListeningSocket; ends: End[] } {
  const ends: End[] = [];
  const socket = transport.listen({
    address: ip(address),
    port: 0,
    accepted(connection) {
      if (!accept) return;
      const end = new End();
      end.connection = connection;
      end.isConnected = true;
      connection.attach(end);
      opened.push(connection);
      ends.push(end);
    },
    failed: (error) => {
      throw error;
    },
  });
  opened.push(socket);
  return { socket, ends };
}

function connectTo(socket: ListeningSocket, options: Partial<ConnectOptions> = {}): End {
  const end = new End();
  const remoteAddress = options.remoteAddress ?? socket.address;
  end.connection = transport.connect({ remoteAddress, remotePort: socket.port, timeoutMs: 2000, ...options }, end);
  opened.push(end.connection);
  return end;
}

/** The connecting and the accepting end of a new connection. */
async function pair(address = '127.0.0.1', options: Partial<ConnectOptions> = {}): Promise<[End, End]> {
  const { socket, ends } = listenOn(address);
  const near = connectTo(socket, options);
  const far = await waitFor('the connection', () => (near.isConnected ? ends[0] : undefined));
  return [near, far];
}

describe('connect and accept', () => {
  test.each(['127.0.0.1', '::1'])('%s: octets arrive in both directions', async (address) => {
    const [near, far] = await pair(address);
    near.connection?.write(Uint8Array.of(1, 2, 3));
    far.connection?.write(Uint8Array.of(4, 5));
    await waitFor('the octets', () => far.octets === 3 && near.octets === 2);
    expect(near.connection?.localAddress).toEqual(ip(address));
    expect(far.connection?.remoteAddress).toEqual(ip(address));
    expect(far.connection?.localAddress).toEqual(ip(address));
  });

  test('from a source address of our choice', async () => {
    const [, far] = await pair('127.0.0.1', { localAddress: ip('127.0.0.77') });
    expect(far.connection?.remoteAddress).toEqual(ip('127.0.0.77'));
  });

  test('from the address of an interface', async () => {
    const [near] = await pair('127.0.0.1', { localInterface: 'lo' });
    expect(near.connection?.localAddress).toEqual(ip('127.0.0.1'));
  });

  test('from an interface that does not exist: the attempt fails and says so', async () => {
    const { socket } = listenOn('127.0.0.1');
    const end = connectTo(socket, { localInterface: 'nowhere0' });
    await waitFor('the failure', () => end.end);
    expect(end.end?.message).toBe('interface nowhere0 has no IPv4 address to connect from');
  });

  test('to a port where nobody listens: ECONNREFUSED', async () => {
    const { socket } = listenOn('127.0.0.1');
    socket.close();
    const end = connectTo(socket);
    expect(end.end).toBeUndefined();
    await waitFor('the refusal', () => end.end);
    expect(end.end).toMatchObject({ code: 'ECONNREFUSED' });
    expect(end.isConnected).toBe(false);
  });

  test('from an address that is not ours: EADDRNOTAVAIL, and in a later turn', async () => {
    const { socket } = listenOn('127.0.0.1');
    const end = connectTo(socket, { localAddress: ip('203.0.113.1') });
    expect(end.end).toBeUndefined();
    await waitFor('the failure', () => end.end);
    expect(end.end).toMatchObject({ code: 'EADDRNOTAVAIL' });
  });

  test('through an interface that does not exist: ENODEV', async () => {
    const { socket } = listenOn('127.0.0.1');
    const end = connectTo(socket, { device: 'nonesuch0' });
    await waitFor('the failure', () => end.end);
    expect(end.end?.code).toMatch(/ENODEV|EPERM/);
  });

  test('an address that is taken cannot be listened on', () => {
    const { socket } = listenOn('127.0.0.1');
    const again = { address: ip('127.0.0.1'), port: socket.port, accepted() {}, failed() {} };
    expect(() => transport.listen(again)).toThrow(/EADDRINUSE/);
  });

  test('a connection that nobody attaches to is closed', async () => {
    const { socket } = listenOn('127.0.0.1', false);
    const end = connectTo(socket);
    await waitFor('the close', () => end.end);
  });

  test('destroy before the answer says nothing more', async () => {
    const { socket, ends } = listenOn('127.0.0.1');
    const end = connectTo(socket);
    end.connection?.destroy();
    end.connection?.destroy();
    const other = connectTo(socket);
    await waitFor('another connection', () => other.isConnected && ends.length > 0);
    expect(end.isConnected).toBe(false);
    expect(end.end).toBeUndefined();
  });
});

describe('reading and writing', () => {
  test('30 MB in pieces of any size arrive whole and in order, with back-pressure', async () => {
    const [near, far] = await pair();
    let offered = 0;
    // Leaves something over each time, as a session does with half a message.
    far.take = (octets) => (offered++ % 3 === 0 ? octets : octets - Math.min(octets - 1, 4095));
    const piece = Uint8Array.from({ length: 65_521 }, (_, index) => index * 7);
    let sum = 0;
    let octets = 0;
    const total = 460;
    let written = 0;
    let stops = 0;
    const pump = (): void => {
      while (written < total) {
        for (const octet of piece) sum = (sum + octet * ((octets++ % 251) + 1)) % 1_000_000_007;
        written++;
        if (near.connection?.write(piece) === false) {
          stops++;
          return;
        }
      }
    };
    near.drained = () => {
      near.drains++;
      pump();
    };
    pump();
    // What is left of the last piece comes out when one more octet arrives.
    await waitFor('all to be written', () => written === total && near.connection?.queuedOctets === 0, 20_000);
    near.connection?.write(Uint8Array.of(0));
    far.take = (count) => count;
    await waitFor('all to arrive', () => far.octets === octets + 1, 20_000);
    expect(far.sum).toBe(sum);
    expect(stops).toBeGreaterThan(0);
    expect(near.drains).toBe(stops);
  });

  test('a paused end does not read, holds up the sender, and says that octets wait', async () => {
    const [near, far] = await pair();
    far.connection?.pauseReading();
    const piece = new Uint8Array(256 * 1024);
    while (near.connection?.write(piece) !== false);
    await waitFor('octets to wait', () => far.connection?.hasUnread());
    expect(far.octets).toBe(0);
    expect(near.connection?.queuedOctets).toBeGreaterThan(0);
    far.connection?.resumeReading();
    await waitFor(
      'the rest',
      () => near.drains === 1 && far.octets % piece.length === 0 && !far.connection?.hasUnread(),
    );
  });

  test('what a handler leaves when it pauses is offered again', async () => {
    const [near, far] = await pair();
    far.take = () => {
      far.connection?.pauseReading();
      return 2;
    };
    near.connection?.write(Uint8Array.of(1, 2, 3, 4, 5));
    await waitFor('the first two', () => far.octets === 2);
    expect(far.connection?.hasUnread()).toBe(true);
    far.connection?.resumeReading();
    await waitFor('the next two', () => far.octets === 4);
    far.take = (octets) => octets;
    far.connection?.resumeReading();
    await waitFor('the last one', () => far.octets === 5);
    expect(far.connection?.hasUnread()).toBe(false);
  });

  test('end sends what is queued first, also when more arrives meanwhile; the other side sees no reset', async () => {
    const [near, far] = await pair();
    far.connection?.pauseReading();
    far.connection?.write(new Uint8Array(1000));
    const piece = new Uint8Array(256 * 1024);
    let octets = 0;
    do octets += piece.length;
    while (near.connection?.write(piece) !== false);
    near.connection?.end();
    far.connection?.resumeReading();
    await waitFor('the end', () => far.end);
    expect(far.octets).toBe(octets);
    expect(far.end).toEqual({ message: 'closed by the peer' });
    expect(near.end).toBeUndefined();
  });
});

describe('TCP MD5 (RFC 2385)', () => {
  test.each([
    { address: '127.0.0.1', name: 'IPv4' },
    { address: '::1', name: 'IPv6' },
  ])('$name: the right key connects, a wrong or missing one is silence', async ({ address }) => {
    const { socket, ends } = listenOn(address);
    socket.setPassword(ip(address), undefined, 'secret');
    const right = connectTo(socket, { password: 'secret' });
    await waitFor('the connection', () => right.isConnected && ends.length === 1);
    right.connection?.write(Uint8Array.of(1));
    await waitFor('an octet', () => ends[0]?.octets === 1);
    const wrong = connectTo(socket, { password: 'guess', timeoutMs: 300 });
    const missing = connectTo(socket, { timeoutMs: 300 });
    await waitFor('both to time out', () => wrong.end && missing.end);
    expect([wrong.end?.code, missing.end?.code]).toEqual(['ETIMEDOUT', 'ETIMEDOUT']);
    socket.setPassword(ip(address), undefined, undefined);
    socket.setPassword(ip(address), undefined, undefined);
    const open = connectTo(socket);
    await waitFor('the connection without a key', () => open.isConnected);
  });

  test('a key that is changed on both ends of a connection keeps it', async () => {
    const { socket, ends } = listenOn('127.0.0.1');
    socket.setPassword(ip('127.0.0.1'), undefined, 'old');
    const near = connectTo(socket, { password: 'old' });
    const far = await waitFor('the connection', () => (near.isConnected ? ends[0] : undefined));
    near.connection?.configure({ password: 'new' });
    near.connection?.write(Uint8Array.of(1));
    far.connection?.configure({ password: 'new' });
    await waitFor('the octet', () => far.octets === 1);
  });

  test.each([
    { name: 'IPv4', address: '127.0.0.1', range: '127.7.0.0/16', inside: '127.7.0.9', outside: '127.8.0.9' },
    { name: 'IPv6', address: '::1', range: '::/64', inside: '::1', outside: undefined },
  ])('$name: one key for a prefix', async ({ address, range, inside, outside }) => {
    const { socket, ends } = listenOn(address);
    socket.setPrefixPassword(prefix(range), 'secret');
    const right = connectTo(socket, { localAddress: ip(inside), password: 'secret' });
    await waitFor('the connection', () => right.isConnected && ends.length === 1);
    const wrong = connectTo(socket, { localAddress: ip(inside), password: 'guess', timeoutMs: 300 });
    const missing = connectTo(socket, { localAddress: ip(inside), timeoutMs: 300 });
    await waitFor('both to time out', () => wrong.end && missing.end);
    expect([wrong.end?.code, missing.end?.code]).toEqual(['ETIMEDOUT', 'ETIMEDOUT']);
    if (outside !== undefined) {
      const other = connectTo(socket, { localAddress: ip(outside) });
      await waitFor('somebody whom the key does not concern', () => other.isConnected);
    }
    socket.setPrefixPassword(prefix(range), undefined);
    socket.setPrefixPassword(prefix(range), undefined);
    const open = connectTo(socket, { localAddress: ip(inside) });
    await waitFor('the connection without a key', () => open.isConnected);
  });

  test('a longer prefix and a single address come before a shorter prefix', async () => {
    const { socket } = listenOn('127.0.0.1');
    socket.setPrefixPassword(prefix('127.0.0.0/8'), 'eight');
    socket.setPrefixPassword(prefix('127.7.0.0/16'), 'sixteen');
    socket.setPassword(ip('127.7.0.9'), undefined, 'one');
    for (const [localAddress, password] of [
      ['127.6.0.1', 'eight'],
      ['127.7.0.1', 'sixteen'],
      ['127.7.0.9', 'one'],
    ] as const) {
      const end = connectTo(socket, { localAddress: ip(localAddress), password });
      await waitFor(`${localAddress} with ${password}`, () => end.isConnected);
    }
  });

  test('the key of a prefix is changed under a connection made with it, which keeps it', async () => {
    const { socket, ends } = listenOn('127.0.0.1');
    socket.setPrefixPassword(prefix('127.7.0.0/16'), 'old');
    const near = connectTo(socket, { localAddress: ip('127.7.0.1'), password: 'old' });
    const far = await waitFor('the connection', () => (near.isConnected ? ends[0] : undefined));
    far.connection?.configure({ password: 'old' });
    socket.setPrefixPassword(prefix('127.7.0.0/16'), 'new');
    far.connection?.configure({ password: 'new' });
    near.connection?.write(Uint8Array.of(1));
    near.connection?.configure({ password: 'new' });
    await waitFor('the octet', () => far.octets === 1);
    const late = connectTo(socket, { localAddress: ip('127.7.0.1'), password: 'new' });
    await waitFor('a connection with the new key', () => late.isConnected);
  });

  test('a key that the kernel would not take fails the connection before anything is sent', async () => {
    const { socket, ends } = listenOn('127.0.0.1');
    const end = connectTo(socket, { password: 'x'.repeat(81) });
    await waitFor('the failure', () => end.end);
    expect(end.end?.message).toContain('81 octets');
    expect(ends).toEqual([]);
    expect(() => socket.setPassword(ip('127.0.0.1'), undefined, '')).toThrow(RangeError);
  });
});

describe('TTL security (RFC 5082)', () => {
  test.each(['127.0.0.1', '::1'])('%s: octets with a smaller TTL do not arrive', async (address) => {
    const [near, far] = await pair(address, { ttl: 255, minTtl: 255 });
    far.connection?.configure({ ttl: 255, minTtl: 255 });
    near.connection?.write(Uint8Array.of(1));
    far.connection?.write(Uint8Array.of(1));
    await waitFor('octets with TTL 255', () => near.octets === 1 && far.octets === 1);
    near.connection?.configure({ ttl: 254, minTtl: 255 });
    near.connection?.write(Uint8Array.of(2));
    far.connection?.write(Uint8Array.of(2));
    await waitFor('the octet of the other direction', () => near.octets === 2);
    expect(far.octets).toBe(1);
    near.connection?.configure({ ttl: 255, minTtl: 255 });
    await waitFor('the octet that was sent again', () => far.octets === 2);
  });

  test.each(['127.0.0.1', '::1'])('%s: octets that came before the minimum was known do not count', async (address) => {
    const [near, far] = await pair(address, { ttl: 254 });
    near.connection?.write(Uint8Array.of(1));
    await waitFor('the octet', () => far.octets === 1);
    far.connection?.configure({ ttl: 255, minTtl: 254 });
    expect(far.end).toBeUndefined();
    far.connection?.configure({ ttl: 255, minTtl: 255 });
    await waitFor('the end', () => far.end);
    expect(far.end?.message).toBe('it came with a TTL of 254, less than 255 (RFC 5082)');
  });
});

describe('socket options', () => {
  test.each([
    {
      version: 4 as const,
      address: '127.0.0.1',
      level: SocketLevel.Ip,
      ttl: 'IP_TTL',
      min: 'IP_MINTTL',
      tos: 'IP_TOS',
    },
    {
      version: 6 as const,
      address: '::1',
      level: SocketLevel.Ipv6,
      ttl: 'IPV6_UNICAST_HOPS',
      min: 'IPV6_MINHOPCOUNT',
      tos: 'IPV6_TCLASS',
    },
  ] as const)('IPv$version: TTL, its minimum, TOS and the user timeout reach the kernel', (row) => {
    const fd = tcpSocket(ip(row.address));
    try {
      const normalTtl = getsockopt(fd, row.level, SocketOption[row.ttl]);
      applyTcpOptions(fd, row.version, { ttl: 255, minTtl: 254, tos: 0xc0, userTimeoutMs: 90_000 });
      expect(getsockopt(fd, row.level, SocketOption[row.ttl])).toBe(255);
      expect(getsockopt(fd, row.level, SocketOption[row.min])).toBe(254);
      expect(getsockopt(fd, row.level, SocketOption[row.tos])).toBe(0xc0);
      expect(getsockopt(fd, SocketLevel.Tcp, SocketOption.TCP_USER_TIMEOUT)).toBe(90_000);
      applyTcpOptions(fd, row.version, {});
      expect(getsockopt(fd, row.level, SocketOption[row.ttl])).toBe(normalTtl);
      expect(getsockopt(fd, row.level, SocketOption[row.min])).toBe(0);
      expect(getsockopt(fd, row.level, SocketOption[row.tos])).toBe(0);
    } finally {
      close(fd);
    }
  });
});
