import type { IpAddress, Prefix } from 'bgp-ts';
import { formatIp, formatPrefix, ip, prefixContains } from 'bgp-ts';
import type { Clock, TimerHandle } from '../../lib/clock.ts';
import type {
  Connection,
  ConnectionEnd,
  ConnectionHandlers,
  ConnectOptions,
  ListeningSocket,
  ListenOptions,
  TcpOptions,
  Transport,
} from '../../speaker/connection.ts';

/** What the network shall do wrong, or may be asked to do. All of it can be changed at any time. */
export interface FakeNetworkOptions {
  /** Milliseconds one way. */
  latencyMs?: number;
  /** Largest piece in which octets arrive; small ones cut messages. */
  maxSegment?: number;
  /** Octets a receiver that does not read takes before the sender has to queue. */
  windowOctets?: number;
}

/** An in-process TCP/IP network between named addresses, driven by a clock. */
export class FakeNetwork {
  readonly clock: Clock;
  readonly options: Required<FakeNetworkOptions>;
  readonly listeners = new Map<string, FakeListener>();
  /** Every connection made, in the order of the attempts. */
  readonly connections: FakeConnection[] = [];
  readonly #blackholes = new Set<string>();
  #nextPort = 40_000;

  constructor(clock: Clock, options: FakeNetworkOptions = {}) {
    this.clock = clock;
    this.options = { latencyMs: 1, maxSegment: 65_536, windowOctets: 65_536, ...options };
  }

  /** The transport of a host with this address. */
  host(address: string): Transport {
    const local = ip(address);
    return {
      connect: (options, handlers) => {
        const connection = new FakeConnection(this, local, this.#nextPort++, options.remoteAddress, options.remotePort);
        connection.configure(options);
        connection.attach(handlers);
        this.connections.push(connection);
        connection.open(options);
        return connection;
      },
      listen: (options) => {
        const listener = new FakeListener(this, local, options);
        this.listeners.set(key(local, options.port), listener);
        return listener;
      },
    };
  }

  /** Silence in both directions between two addresses, until `heal`. */
  blackhole(a: string, b: string): void {
    this.#blackholes.add(pair(ip(a), ip(b)));
  }

  /** Ends `blackhole`; TCP repeats what it lost meanwhile. */
  heal(a: string, b: string): void {
    const wanted = pair(ip(a), ip(b));
    this.#blackholes.delete(wanted);
    for (const connection of this.connections) {
      if (pair(connection.localAddress, connection.remoteAddress) !== wanted) continue;
      connection.repeat();
      connection.peer?.repeat();
    }
  }

  isBlackholed(a: IpAddress, b: IpAddress): boolean {
    return this.#blackholes.has(pair(a, b));
  }

  /** Resets every connection between two addresses. */
  reset(a: string, b: string): void {
    const wanted = pair(ip(a), ip(b));
    for (const connection of this.connections) {
      if (connection.isOpen && pair(connection.localAddress, connection.remoteAddress) === wanted) connection.reset();
    }
  }

  /** Connections that stand at the moment, seen from the side that opened them. */
  get open(): FakeConnection[] {
    return this.connections.filter((connection) => connection.isOpen && connection.isConnected);
  }
}

/** One end of a connection. */
export class FakeConnection implements Connection {
  readonly localAddress: IpAddress;
  readonly localPort: number;
  readonly remoteAddress: IpAddress;
  readonly remotePort: number;
  device: string | undefined = undefined;
  /** Options as the owner set them. */
  options: TcpOptions = {};
  isConnected = false;
  isOpen = true;
  readonly #network: FakeNetwork;
  #handlers: ConnectionHandlers | undefined;
  #peer: FakeConnection | undefined;
  #timeout: TimerHandle | undefined;
  #input = new Uint8Array(0);
  #isPaused = false;
  #wire: Uint8Array[] = [];
  #queued: Uint8Array[] = [];
  #queuedOctets = 0;
  #inFlight = 0;
  #mustSignal = false;
  #isEnding = false;
  #isDetached = false;

  constructor(
    network: FakeNetwork,
    localAddress: IpAddress,
    localPort: number,
    remoteAddress: IpAddress,
    remotePort: number,
  ) {
    this.#network = network;
    this.localAddress = localAddress;
    this.localPort = localPort;
    this.remoteAddress = remoteAddress;
    this.remotePort = remotePort;
  }

  get hasOwner(): boolean {
    return this.#handlers !== undefined;
  }

  /** The other end, once there is one. */
  get peer(): FakeConnection | undefined {
    return this.#peer;
  }

  open(options: ConnectOptions): void {
    const { clock, listeners } = this.#network;
    this.#timeout = clock.setTimer(options.timeoutMs, () => this.#fail('ETIMEDOUT', 'no answer'));
    this.#after(1, () => {
      if (this.#isCutOff) return;
      const listener = listeners.get(key(this.remoteAddress, this.remotePort));
      if (listener === undefined) {
        this.#after(1, () => this.#fail('ECONNREFUSED', 'connection refused'));
        return;
      }
      // A wrong or missing key is silence (RFC 2385 §4.1).
      if (listener.passwordFor(this.localAddress) !== options.password) return;
      const peer = new FakeConnection(
        this.#network,
        this.remoteAddress,
        this.remotePort,
        this.localAddress,
        this.localPort,
      );
      peer.isConnected = true;
      peer.#peer = this;
      this.#peer = peer;
      this.#after(1, () => {
        if (!this.isOpen) return;
        this.#timeout?.clear();
        this.isConnected = true;
        this.#handlers?.connected();
      });
      listener.accept(peer);
    });
  }

  attach(handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
    if (this.#input.length > 0) this.#after(0, () => this.#deliver());
  }

  configure(options: TcpOptions): void {
    this.options = { ...options };
  }

  get queuedOctets(): number {
    return this.#queuedOctets;
  }

  /** Octets on their way or waiting, not yet consumed by the other end. */
  get unacknowledged(): number {
    return this.#inFlight + this.#queuedOctets;
  }

  hasUnread(): boolean {
    return this.#isPaused && this.#input.length > 0;
  }

  write(bytes: Uint8Array): boolean {
    if (!this.isOpen || this.#isEnding) return true;
    this.#queued.push(bytes);
    this.#queuedOctets += bytes.length;
    this.#flush();
    if (this.#queuedOctets === 0) return true;
    this.#mustSignal = true;
    return false;
  }

  pauseReading(): void {
    this.#isPaused = true;
  }

  resumeReading(): void {
    this.#isPaused = false;
    this.#after(0, () => this.#deliver());
  }

  end(): void {
    if (!this.isOpen || this.#isEnding) return;
    this.#isEnding = true;
    this.#isDetached = true;
    this.#after(0, () => this.#finish());
    // The real one gives up after a second.
    if (this.#queuedOctets > 0) this.#network.clock.setTimer(1000, () => this.destroy());
  }

  destroy(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#isDetached = true;
    this.#timeout?.clear();
    this.#tellPeer({ message: 'closed by the peer' });
  }

  /** A fault: both ends see a reset. */
  reset(): void {
    const peer = this.#peer;
    this.#fail('ECONNRESET', 'connection reset by the peer');
    if (peer !== undefined) peer.#fail('ECONNRESET', 'connection reset by the peer');
  }

  /** What is on its way to this end arrives after all. */
  repeat(): void {
    for (let n = this.#wire.length; n > 0; n--) this.#after(1, () => this.#takeFromWire());
  }

  /** A fault: these octets appear in the other end's input, as if this end had sent them. */
  inject(bytes: Uint8Array): void {
    const peer = this.#peer;
    if (peer !== undefined) this.#after(1, () => peer.#arrive(bytes));
  }

  get #isCutOff(): boolean {
    return this.#network.isBlackholed(this.localAddress, this.remoteAddress);
  }

  #finish(): void {
    if (this.#queuedOctets > 0) return;
    this.isOpen = false;
    this.#tellPeer({ message: 'closed by the peer' });
  }

  #tellPeer(end: ConnectionEnd): void {
    const peer = this.#peer;
    if (peer === undefined || this.#isCutOff) return;
    this.#after(1, () => peer.#closedByPeer(end));
  }

  #closedByPeer(end: ConnectionEnd): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    if (!this.#isDetached) this.#handlers?.closed(end);
  }

  #fail(code: string, message: string): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#timeout?.clear();
    if (!this.#isDetached) this.#handlers?.closed({ code, message });
  }

  #flush(): void {
    const peer = this.#peer;
    if (peer === undefined) return;
    while (this.#queued.length > 0 && this.#inFlight < this.#network.options.windowOctets) {
      const bytes = this.#queued.shift() as Uint8Array;
      this.#queuedOctets -= bytes.length;
      this.#inFlight += bytes.length;
      const copy = bytes.slice();
      for (let at = 0; at < copy.length; at += this.#network.options.maxSegment) {
        peer.#wire.push(copy.subarray(at, at + this.#network.options.maxSegment));
        this.#after(1, () => peer.#takeFromWire());
      }
    }
  }

  #takeFromWire(): void {
    if (this.#isCutOff) return;
    const bytes = this.#wire.shift();
    if (bytes !== undefined) this.#arrive(bytes);
  }

  #arrive(bytes: Uint8Array): void {
    if (!this.isOpen) return;
    const input = new Uint8Array(this.#input.length + bytes.length);
    input.set(this.#input);
    input.set(bytes, this.#input.length);
    this.#input = input;
    this.#deliver();
  }

  #deliver(): void {
    if (!this.isOpen || this.#isPaused || this.#input.length === 0) return;
    if (this.#isDetached) {
      this.#acknowledge(this.#input.length);
      this.#input = new Uint8Array(0);
      return;
    }
    if (this.#handlers === undefined) return;
    // A view into the middle of something larger, which is overwritten afterwards: nobody may keep it.
    const buffer = new Uint8Array(this.#input.length + 7);
    buffer.set(this.#input, 5);
    const consumed = this.#handlers.received(buffer, 5, 5 + this.#input.length);
    buffer.fill(0xee);
    this.#input = this.#input.slice(consumed);
    this.#acknowledge(consumed);
  }

  #acknowledge(octets: number): void {
    const peer = this.#peer;
    if (peer === undefined) return;
    peer.#inFlight = Math.max(0, peer.#inFlight - octets);
    if (!peer.isOpen) return;
    peer.#flush();
    if (peer.#queuedOctets > 0) return;
    if (peer.#isEnding) {
      peer.#finish();
    } else if (peer.#mustSignal) {
      peer.#mustSignal = false;
      peer.#after(0, () => {
        if (peer.isOpen && !peer.#isDetached) peer.#handlers?.drained();
      });
    }
  }

  #after(hops: number, fn: () => void): void {
    this.#network.clock.setTimer(hops * this.#network.options.latencyMs, fn);
  }
}

/** A listening socket. */
export class FakeListener implements ListeningSocket {
  readonly address: IpAddress;
  readonly port: number;
  /** MD5 keys by remote address. */
  readonly passwords = new Map<string, string>();
  /** Those of whole prefixes. */
  readonly prefixPasswords = new Map<string, { readonly prefix: Prefix; readonly password: string }>();
  readonly #network: FakeNetwork;
  readonly #options: ListenOptions;
  readonly #local: IpAddress;

  constructor(network: FakeNetwork, local: IpAddress, options: ListenOptions) {
    this.#network = network;
    this.#options = options;
    this.#local = local;
    this.address = options.address;
    this.port = options.port;
  }

  accept(connection: FakeConnection): void {
    this.#options.accepted(connection);
    if (!connection.hasOwner) connection.destroy();
  }

  setPassword(remote: IpAddress, _device: string | undefined, password: string | undefined): void {
    if (password === undefined) this.passwords.delete(formatIp(remote));
    else this.passwords.set(formatIp(remote), password);
  }

  setPrefixPassword(prefix: Prefix, password: string | undefined): void {
    if (password === undefined) this.prefixPasswords.delete(formatPrefix(prefix));
    else this.prefixPasswords.set(formatPrefix(prefix), { prefix, password });
  }

  /** The key for an address: its own, else that of the longest prefix. */
  passwordFor(remote: IpAddress): string | undefined {
    const covering = [...this.prefixPasswords.values()].filter(({ prefix }) => prefixContains(prefix, remote));
    covering.sort((a, b) => b.prefix.length - a.prefix.length);
    return this.passwords.get(formatIp(remote)) ?? covering[0]?.password;
  }

  close(): void {
    this.#network.listeners.delete(key(this.#local, this.port));
  }
}

function key(address: IpAddress, port: number): string {
  return `${formatIp(address)} ${port}`;
}

function pair(a: IpAddress, b: IpAddress): string {
  return [formatIp(a), formatIp(b)].sort().join(' ');
}
