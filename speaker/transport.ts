import type { IpAddress, Prefix } from 'bgp-ts';
import { isUnspecified } from 'bgp-ts';
import type { Clock, TimerHandle } from '../lib/clock.ts';
import {
  accept,
  bind,
  close,
  getpeername,
  getsockname,
  listen,
  PollEvent,
  SocketLevel,
  SocketOption,
  SystemError,
  setsockopt,
  Watcher,
  WOULD_BLOCK,
} from '../native/index.ts';
import type { ConnectionHandlers, ConnectOptions, ListeningSocket, ListenOptions, Transport } from './connection.ts';
import { TcpConnection, type TcpShared } from './tcp-connection.ts';
import {
  addressOfInterface,
  applyTcpOptions,
  bindToDevice,
  endpointOf,
  setMd5Key,
  setMd5PrefixKey,
  setTtl,
  socketAddress,
  tcpSocket,
} from './tcp-socket.ts';

const INPUT_OCTETS = 128 * 1024;
const OUTPUT_OCTETS = 64 * 1024;
const ACCEPTS_PER_TURN = 64;
const ACCEPT_RETRY_MS = 1000;
const DEFAULT_TOS = 0xc0;

/** TCP of the kernel, by the native addon: MD5, TTL security, TOS and devices are out of reach for `node:net`. */
export function createTcpTransport(clock: Clock): Transport {
  const shared: TcpShared = { clock, input: new Uint8Array(INPUT_OCTETS), output: new Uint8Array(OUTPUT_OCTETS) };
  return {
    connect: (options, handlers) => connectTo(shared, options, handlers),
    listen: (options) => new TcpListener(shared, options),
  };
}

function connectTo(shared: TcpShared, options: ConnectOptions, handlers: ConnectionHandlers): TcpConnection {
  const { remoteAddress, remotePort, localInterface, device } = options;
  const remote = { address: remoteAddress, port: remotePort, device };
  let connection: TcpConnection | undefined;
  try {
    const fd = tcpSocket(remoteAddress);
    connection = new TcpConnection(shared, fd, remote);
    if (device !== undefined) bindToDevice(fd, device);
    const localAddress =
      options.localAddress ?? (localInterface && addressOfInterface(localInterface, remoteAddress.version));
    if (localAddress) {
      setsockopt(fd, SocketLevel.Socket, SocketOption.SO_REUSEADDR, 1);
      bind(fd, socketAddress(localAddress, 0, device));
    }
    connection.configure(options);
    connection.open(socketAddress(remoteAddress, remotePort, device), options.timeoutMs, handlers);
    return connection;
  } catch (error) {
    connection?.destroy();
    const failed = new TcpConnection(shared, -1, remote);
    failed.attach(handlers);
    failed.fail(error);
    return failed;
  }
}

class TcpListener implements ListeningSocket {
  readonly address: IpAddress;
  readonly port: number;
  readonly #shared: TcpShared;
  readonly #options: ListenOptions;
  #fd: number;
  #watcher: Watcher | undefined;
  #retry: TimerHandle | undefined;

  constructor(shared: TcpShared, options: ListenOptions) {
    this.#shared = shared;
    this.#options = options;
    this.#retry = undefined;
    this.address = options.address;
    const fd = tcpSocket(options.address);
    try {
      this.port = openListener(fd, options);
      this.#watcher = new Watcher(fd, () => this.#accept());
      this.#watcher.start(PollEvent.Readable);
    } catch (error) {
      close(fd);
      throw error;
    }
    this.#fd = fd;
  }

  setPassword(remote: IpAddress, device: string | undefined, password: string | undefined): void {
    if (this.#fd >= 0) setMd5Key(this.#fd, remote, device, password);
  }

  setPrefixPassword(prefix: Prefix, password: string | undefined): void {
    if (this.#fd >= 0) setMd5PrefixKey(this.#fd, prefix, password);
  }

  close(): void {
    const fd = this.#fd;
    this.#fd = -1;
    this.#retry?.clear();
    this.#watcher?.close();
    this.#watcher = undefined;
    if (fd >= 0) close(fd);
  }

  #accept(): void {
    for (let n = 0; n < ACCEPTS_PER_TURN && this.#fd >= 0; n++) {
      let fd: number;
      try {
        fd = accept(this.#fd);
      } catch (error) {
        this.#acceptFailed(error);
        return;
      }
      if (fd === WOULD_BLOCK) return;
      this.#take(fd);
    }
  }

  #take(fd: number): void {
    let connection: TcpConnection;
    try {
      connection = new TcpConnection(this.#shared, fd, endpointOf(getpeername(fd)));
    } catch {
      // It was reset before it could be taken.
      close(fd);
      return;
    }
    try {
      connection.accepted();
      this.#options.accepted(connection);
    } finally {
      if (!connection.hasOwner) connection.destroy();
    }
  }

  /** A connection that broke while it waited is nobody's concern; for want of descriptors there is a pause. */
  #acceptFailed(error: unknown): void {
    if (error instanceof SystemError && (error.code === 'ECONNABORTED' || error.code === 'EINTR')) return;
    this.#options.failed(error instanceof Error ? error : new Error(String(error)));
    this.#watcher?.stop();
    this.#retry = this.#shared.clock.setTimer(ACCEPT_RETRY_MS, () => this.#watcher?.start(PollEvent.Readable));
  }
}

/** Binds and listens. @returns the port, which the kernel chose if 0 was asked for */
function openListener(fd: number, options: ListenOptions): number {
  const { address, port, device } = options;
  setsockopt(fd, SocketLevel.Socket, SocketOption.SO_REUSEADDR, 1);
  if (address.version === 6) setsockopt(fd, SocketLevel.Ipv6, SocketOption.IPV6_V6ONLY, 1);
  if (device !== undefined) bindToDevice(fd, device);
  applyTcpOptions(fd, address.version, { tos: DEFAULT_TOS });
  // The SYN-ACK goes out before it is known to whom: peers with GTSM drop anything below 255.
  setTtl(fd, address.version, 255);
  bind(fd, socketAddress(address, port, isUnspecified(address) ? undefined : device));
  listen(fd);
  return endpointOf(getsockname(fd)).port;
}
