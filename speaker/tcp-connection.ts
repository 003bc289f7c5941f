import type { IpAddress } from 'bgp-ts';
import type { Clock, TimerHandle } from '../lib/clock.ts';
import { errorMessage } from '../lib/result.ts';
import {
  close,
  connect,
  errnoName,
  errnoText,
  getsockname,
  getsockopt,
  MessageFlag,
  PollEvent,
  recv,
  SocketLevel,
  SocketOption,
  SystemError,
  send,
  shutdown,
  Watcher,
  WOULD_BLOCK,
} from '../native/index.ts';
import type { Connection, ConnectionEnd, ConnectionHandlers, TcpOptions } from './connection.ts';
import { readMd5Drops, silenceReason } from './tcp-md5.ts';
import { applyTcpOptions, endpointOf, handshakeTtl, setMd5Key } from './tcp-socket.ts';

/** Beyond so many queued octets `write` asks its caller to wait. */
const HIGH_WATER_OCTETS = 256 * 1024;
/** Pieces shorter than this are sent together, up to `output` in one call. */
const GATHER_BELOW_OCTETS = 32 * 1024;
/** So much is not held back until the end of the turn. */
const FLUSH_OCTETS = 64 * 1024;
/** How long `end` waits for the last octets to leave, and then for the other side to close. */
const LINGER_MS = 1000;
/**
 * Read at once: a turn of the event loop is as long as what it reads takes, and 32 KiB can be 7,000 prefixes. More at once is no faster.
 */
const READ_OCTETS = 32 * 1024;

const noOctets = new Uint8Array(0);

/** What connections of one transport share. */
export interface TcpShared {
  readonly clock: Clock;
  /** All of them read into this; what a handler leaves is copied out before the next reads. 64 KiB or more. */
  readonly input: Uint8Array;
  /** Small pieces are gathered here, to go to the kernel in one call. 64 KiB or so. */
  readonly output: Uint8Array;
}

/**
 * One TCP socket, read and written through the addon. It reads once per turn of the event loop, so that no peer keeps
 * the others waiting, and never more than fits the shared buffer.
 */
export class TcpConnection implements Connection {
  readonly remoteAddress: IpAddress;
  readonly remotePort: number;
  readonly device: string | undefined;
  readonly #shared: TcpShared;
  #fd: number;
  #watcher: Watcher | undefined;
  #handlers: ConnectionHandlers | undefined;
  #localAddress: IpAddress | undefined;
  #isAccepted: boolean;
  #isConnecting: boolean;
  #isPaused: boolean;
  #isEnding: boolean;
  /** `fail` was called: nothing goes out any more. */
  #isFailing: boolean;
  #mustSignal: boolean;
  /** The queue is looked at before this turn ends. */
  #isFlushDue: boolean;
  /** The kernel would not take more; the watcher tells when it does. */
  #isBlocked: boolean;
  #timer: TimerHandle | undefined;
  #deferred: TimerHandle | undefined;
  /** Octets that the handler has not consumed. */
  #rest: Uint8Array;
  #queue: Uint8Array[];
  /** Octets of the first queued array that are gone. */
  #queueOffset: number;
  #queuedOctets: number;
  #password: string | undefined;

  /** @param fd a socket, connected or not, which now belongs to the connection; -1 if making one failed already */
  constructor(shared: TcpShared, fd: number, remote: { address: IpAddress; port: number; device: string | undefined }) {
    this.#shared = shared;
    this.#fd = fd;
    this.remoteAddress = remote.address;
    this.remotePort = remote.port;
    this.device = remote.device;
    this.#handlers = undefined;
    this.#localAddress = undefined;
    this.#isAccepted = false;
    this.#isConnecting = false;
    this.#isPaused = false;
    this.#isEnding = false;
    this.#isFailing = false;
    this.#mustSignal = false;
    this.#isFlushDue = false;
    this.#isBlocked = false;
    this.#timer = undefined;
    this.#deferred = undefined;
    this.#rest = noOctets;
    this.#queue = [];
    this.#queueOffset = 0;
    this.#queuedOctets = 0;
    this.#password = undefined;
    this.#watcher = fd < 0 ? undefined : new Watcher(fd, (events) => this.#ready(events));
  }

  get localAddress(): IpAddress | undefined {
    return this.#localAddress;
  }

  get queuedOctets(): number {
    return this.#queuedOctets;
  }

  /** Whether somebody will take what arrives. */
  get hasOwner(): boolean {
    return this.#handlers !== undefined;
  }

  /** Starts connecting; `handlers` hear of success and failure in a later turn. */
  open(address: Uint8Array, timeoutMs: number, handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
    if (this.#isFailing) return;
    this.#isConnecting = true;
    const drops = readMd5Drops();
    this.#timer = this.#shared.clock.setTimer(timeoutMs, () => {
      const reason = silenceReason(this.#password !== undefined, drops, readMd5Drops());
      this.#close({ code: 'ETIMEDOUT', message: `no answer within ${timeoutMs / 1000} s${reason}` });
    });
    try {
      connect(this.#fd, address);
      this.#watch();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Reports `error` to the handlers in a later turn. */
  fail(error: unknown): void {
    this.#isFailing = true;
    this.#deferred?.clear();
    this.#deferred = this.#shared.clock.defer(() => this.#close(endOf(error)));
  }

  /** For a connection that came in. */
  accepted(): void {
    this.#isAccepted = true;
    this.#established();
  }

  /** Reads the local address of a connection that stands. */
  #established(): void {
    this.#localAddress = endpointOf(getsockname(this.#fd)).address;
  }

  attach(handlers: ConnectionHandlers): void {
    this.#handlers = handlers;
    this.#watch();
  }

  configure(options: TcpOptions): void {
    if (this.#fd < 0) return;
    try {
      applyTcpOptions(this.#fd, this.remoteAddress.version, options);
      if (this.#isAccepted && options.minTtl !== undefined) this.#checkHandshake(options.minTtl);
      if (options.password !== this.#password) {
        setMd5Key(this.#fd, this.remoteAddress, this.device, options.password);
        this.#password = options.password;
      }
    } catch (error) {
      // Without what was asked for, key and GTSM included, the connection must not go on.
      this.fail(error);
    }
  }

  /** What was queued before the kernel knew which TTL to ask for came from where the handshake came from (RFC 5082 §3). */
  #checkHandshake(minTtl: number): void {
    const ttl = handshakeTtl(this.#fd, this.remoteAddress.version);
    if (ttl < minTtl) throw new Error(`it came with a TTL of ${ttl}, less than ${minTtl} (RFC 5082)`);
  }

  write(bytes: Uint8Array): boolean {
    if (this.#fd < 0 || this.#isEnding || this.#isFailing) return true;
    this.#queue.push(bytes);
    this.#queuedOctets += bytes.length;
    if (!this.#isBlocked) {
      if (this.#queuedOctets >= FLUSH_OCTETS) this.#flush();
      else this.#flushSoon();
    }
    if (this.#queuedOctets <= HIGH_WATER_OCTETS) return true;
    this.#mustSignal = true;
    return false;
  }

  hasUnread(): boolean {
    if (this.#fd < 0 || this.#isEnding) return false;
    if (this.#isPaused && this.#rest.length > 0) return true;
    try {
      return recv(this.#fd, new Uint8Array(1), 0, 1, MessageFlag.Peek | MessageFlag.DontWait) > 0;
    } catch {
      return false;
    }
  }

  pauseReading(): void {
    this.#isPaused = true;
    this.#watch();
  }

  resumeReading(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#watch();
    if (this.#rest.length === 0) return;
    this.#deferred?.clear();
    this.#deferred = this.#shared.clock.defer(() => this.#offerRest());
  }

  end(): void {
    if (this.#fd < 0 || this.#isEnding) return;
    if (this.#isConnecting) {
      this.destroy();
      return;
    }
    this.#isEnding = true;
    this.#isPaused = false;
    this.#rest = noOctets;
    this.#timer = this.#shared.clock.setTimer(LINGER_MS, () => this.destroy());
    this.#watch();
    this.#flush();
  }

  destroy(): void {
    const fd = this.#fd;
    this.#fd = -1;
    this.#timer?.clear();
    this.#deferred?.clear();
    this.#handlers = undefined;
    this.#queue = [];
    this.#queuedOctets = 0;
    this.#rest = noOctets;
    this.#watcher?.close();
    this.#watcher = undefined;
    if (fd >= 0) close(fd);
  }

  /** Waits for what is of interest now. */
  #watch(): void {
    if (this.#fd < 0) return;
    let events = 0;
    if (!this.#isPaused && !this.#isConnecting && (this.#handlers !== undefined || this.#isEnding)) {
      events |= PollEvent.Readable;
    }
    if (this.#isBlocked || this.#isConnecting) events |= PollEvent.Writable;
    if (events === 0) this.#watcher?.stop();
    else this.#watcher?.start(events);
  }

  #ready(events: number): void {
    if (this.#isConnecting) {
      this.#connected();
      return;
    }
    if ((events & PollEvent.Writable) !== 0 && this.#isBlocked) {
      this.#flush();
      if (this.#mustSignal && this.#queue.length === 0) {
        this.#mustSignal = false;
        this.#handlers?.drained();
      }
    }
    if (this.#fd >= 0 && (events & (PollEvent.Readable | PollEvent.Error | PollEvent.Disconnect)) !== 0) {
      if (this.#isEnding) this.#discard();
      else if (!this.#isPaused) this.#read();
    }
  }

  #connected(): void {
    const errno = getsockopt(this.#fd, SocketLevel.Socket, SocketOption.SO_ERROR);
    if (errno !== 0) {
      this.#close({ code: errnoName(errno), message: errnoText(errno) });
      return;
    }
    this.#isConnecting = false;
    this.#timer?.clear();
    try {
      this.#established();
    } catch (error) {
      this.#close(endOf(error));
      return;
    }
    this.#watch();
    this.#handlers?.connected();
  }

  #read(): void {
    const { input } = this.#shared;
    const before = this.#rest.length;
    input.set(this.#rest);
    let octets: number;
    try {
      octets = recv(this.#fd, input, before, Math.min(READ_OCTETS, input.length - before));
    } catch (error) {
      this.#close(endOf(error));
      return;
    }
    if (octets === WOULD_BLOCK) return;
    if (octets === 0) {
      this.#close({ message: 'closed by the peer' });
      return;
    }
    this.#offer(before + octets);
  }

  #offerRest(): void {
    if (this.#fd < 0 || this.#isPaused) return;
    this.#shared.input.set(this.#rest);
    this.#offer(this.#rest.length);
  }

  /** Offers the first `end` octets of the shared buffer, and keeps what is left. */
  #offer(end: number): void {
    const consumed = this.#handlers?.received(this.#shared.input, 0, end) ?? end;
    this.#rest = this.#fd < 0 || consumed >= end ? noOctets : this.#shared.input.slice(consumed, end);
  }

  /** While ending: what still arrives is of no use, but unread octets would turn our close into a reset. */
  #discard(): void {
    try {
      if (recv(this.#fd, this.#shared.input) === 0) this.destroy();
    } catch {
      this.destroy();
    }
  }

  /** At the end of this turn: what is written until then leaves in one call. */
  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    queueMicrotask(() => {
      this.#isFlushDue = false;
      if (this.#fd >= 0 && !this.#isBlocked && !this.#isFailing) this.#flush();
    });
  }

  #flush(): void {
    this.#isBlocked = false;
    try {
      while (this.#queue.length > 0 && !this.#isBlocked) this.#sendSome();
    } catch (error) {
      this.#queue = [];
      this.#queuedOctets = 0;
      this.#queueOffset = 0;
      if (this.#isEnding) this.destroy();
      else this.fail(error);
      return;
    }
    if (this.#isEnding && this.#queue.length === 0) this.#finish();
    else this.#watch();
  }

  /** One call: the first piece if it is large, else as many as fit the gathering buffer. */
  #sendSome(): void {
    const first = this.#queue[0] as Uint8Array;
    let from = first;
    let offset = this.#queueOffset;
    let length = first.length - offset;
    if (this.#queue.length > 1 && length < GATHER_BELOW_OCTETS) {
      from = this.#shared.output;
      length = this.#gather(from);
      offset = 0;
    }
    const sent = send(this.#fd, from, offset, length);
    this.#isBlocked = sent === WOULD_BLOCK || sent < length;
    if (sent > 0) this.#remove(sent);
  }

  /** Copies whole pieces from the head of the queue. @returns octets copied */
  #gather(into: Uint8Array): number {
    let length = 0;
    let skip = this.#queueOffset;
    for (const piece of this.#queue) {
      if (length > 0 && length + piece.length > into.length) break;
      into.set(skip === 0 ? piece : piece.subarray(skip), length);
      length += piece.length - skip;
      skip = 0;
    }
    return length;
  }

  #remove(sent: number): void {
    this.#queuedOctets -= sent;
    let left = sent + this.#queueOffset;
    let pieces = 0;
    for (const piece of this.#queue) {
      if (left < piece.length) break;
      left -= piece.length;
      pieces++;
    }
    this.#queue.splice(0, pieces);
    this.#queueOffset = left;
  }

  /** All is sent: says so, and waits for the other side to do the same. */
  #finish(): void {
    try {
      shutdown(this.#fd, 1);
      this.#watch();
    } catch {
      this.destroy();
    }
  }

  #close(end: ConnectionEnd): void {
    const handlers = this.#handlers;
    this.destroy();
    handlers?.closed(end);
  }
}

function endOf(error: unknown): ConnectionEnd {
  if (error instanceof SystemError) return { code: error.code, message: `${error.syscall}: ${errnoText(error.errno)}` };
  return { message: errorMessage(error) };
}
