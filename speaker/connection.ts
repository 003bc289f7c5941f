import type { IpAddress, Prefix } from 'bgp-ts';

/** Options of one TCP connection that the kernel enforces. */
export interface TcpOptions {
  /** TCP MD5 key (RFC 2385). */
  readonly password?: string;
  /** TTL or hop limit of what we send; the system's default when absent. */
  readonly ttl?: number;
  /** Packets with a smaller TTL or hop limit are dropped (GTSM, RFC 5082). */
  readonly minTtl?: number;
  /** Type of service or traffic class octet. */
  readonly tos?: number;
  /** Milliseconds that sent data may stay unacknowledged before the kernel gives the connection up. */
  readonly userTimeoutMs?: number;
}

/** Where to connect to, and how. */
export interface ConnectOptions extends TcpOptions {
  readonly remoteAddress: IpAddress;
  readonly remotePort: number;
  readonly localAddress?: IpAddress;
  /** Interface whose address is the source, if `localAddress` is absent; without one of the family the attempt fails. */
  readonly localInterface?: string;
  /** Interface to bind to; also the scope of a link-local address. */
  readonly device?: string;
  /** Milliseconds after which an unanswered attempt fails with ETIMEDOUT. */
  readonly timeoutMs: number;
}

/** Why a connection ended other than by our own hand. */
export interface ConnectionEnd {
  /** An errno name such as ECONNREFUSED or ECONNRESET; absent when the other side closed in good order. */
  readonly code?: string;
  /** In words, for people. */
  readonly message: string;
}

/** What a connection tells its owner. No call comes after `closed`, nor after the owner's `end` or `destroy`. */
export interface ConnectionHandlers {
  /** The three-way handshake is done (never called for an accepted connection). */
  connected(): void;
  /**
   * Octets arrived. `bytes[start, end)` is everything not consumed so far, in order; the view is the connection's own
   * reused buffer and valid only during the call.
   * @returns octets consumed from `start`; the rest is offered again, with what follows it, once more has arrived or
   * after `resumeReading`
   */
  received(bytes: Uint8Array, start: number, end: number): number;
  /** Everything that was queued has gone to the kernel, after a `write` that returned false. */
  drained(): void;
  /** The other side closed, or the connection failed. */
  closed(end: ConnectionEnd): void;
}

/** One TCP connection, or the attempt to make one. */
export interface Connection {
  /** Undefined until connected. */
  readonly localAddress: IpAddress | undefined;
  readonly remoteAddress: IpAddress;
  readonly remotePort: number;
  /** Interface name of a link-local remote address, when known. */
  readonly device: string | undefined;
  /** Sets who is told; nothing is read before. An accepted connection has no handlers at first. */
  attach(handlers: ConnectionHandlers): void;
  /** Sets options of an accepted connection, once it is known which peer it belongs to. */
  configure(options: TcpOptions): void;
  /**
   * Queues octets; the array is not copied and must never change again.
   * @returns false beyond the high-water mark: `drained` follows
   */
  write(bytes: Uint8Array): boolean;
  /** Octets queued here and not yet taken by the kernel. */
  readonly queuedOctets: number;
  /** True if octets of the peer wait unread, here or in the kernel. */
  hasUnread(): boolean;
  /** Stops `received` until `resumeReading`; TCP then slows the peer down. */
  pauseReading(): void;
  resumeReading(): void;
  /** Sends what is queued, then closes; gives up after a second or so. The handlers hear nothing more. */
  end(): void;
  /** Closes at once, dropping what is queued. The handlers hear nothing more. */
  destroy(): void;
}

/** What to listen on. */
export interface ListenOptions {
  /** `0.0.0.0` and `::` mean every address of that family (never of both). */
  readonly address: IpAddress;
  /** 0 lets the kernel choose. */
  readonly port: number;
  readonly device?: string;
  /** A connection came in; it is closed unless somebody attaches to it during the call. */
  accepted(connection: Connection): void;
  /** Accepting failed, for instance for want of file descriptors; listening goes on. */
  failed(error: Error): void;
}

/** A listening socket. */
export interface ListeningSocket {
  readonly address: IpAddress;
  readonly port: number;
  /**
   * Sets, changes or (undefined) removes the MD5 key of one remote address: the key must be there before its SYN.
   * @throws Error if the kernel refuses
   */
  setPassword(remote: IpAddress, device: string | undefined, password: string | undefined): void;
  /**
   * The same for all addresses of a prefix; where several keys cover an address the longest prefix decides.
   * @throws Error if the kernel refuses
   */
  setPrefixPassword(prefix: Prefix, password: string | undefined): void;
  close(): void;
}

/** Makes TCP connections: the kernel's in the daemon, an in-process network in tests. */
export interface Transport {
  /** Starts an attempt; failures, also immediate ones, arrive through `closed` in a later turn. */
  connect(options: ConnectOptions, handlers: ConnectionHandlers): Connection;
  /** @throws Error if the address cannot be bound */
  listen(options: ListenOptions): ListeningSocket;
}
