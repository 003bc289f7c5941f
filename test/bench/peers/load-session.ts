import {
  AS_TRANS,
  type Capability,
  decodeOpen,
  encodeKeepalive,
  encodeOpen,
  Families,
  ipv4FromUint32,
  MessageType,
} from 'bgp-ts';
import {
  AddressFamily,
  bind,
  close,
  connect,
  createDrainStatus,
  DrainFlag,
  drain,
  getsockopt,
  inetSocketAddress,
  PollEvent,
  SocketLevel,
  SocketOption,
  SocketType,
  send,
  setsockopt,
  socket,
  Watcher,
  WOULD_BLOCK,
} from '../../../native/index.ts';
import type { Backlog, BacklogOwner } from './load-backlog.ts';
import { CHUNK_OCTETS, inputBuffer, LoadInput } from './load-input.ts';

const HOLD_SECONDS = 240;
const EAGAIN = 11;

const drainStatus = createDrainStatus();
const keepalive = encodeKeepalive();

/** Who a load session is. Addresses as numbers. */
export interface LoadSessionOptions {
  readonly localAddress: number;
  readonly remoteAddress: number;
  readonly port: number;
  readonly asn: number;
  readonly ipv6: boolean;
}

/** What a session tells its owner. */
export interface LoadSessionHandlers {
  established(): void;
  /** Messages follow that were read from the socket at this time, milliseconds of the clock. */
  taken(takenMs: number): void;
  /** One UPDATE without its header: `bytes` is valid during the call only. */
  update(bytes: Uint8Array, start: number, end: number): void;
  /** The other side ended it, or it never came up. Not called after `close`. */
  ended(reason: string): void;
}

/** One BGP session of the load process: connects, keeps itself alive, sends octets that were prepared, hands over what comes. */
export class LoadSession implements BacklogOwner {
  isEstablished = false;
  readonly #handlers: LoadSessionHandlers;
  readonly #fd: number;
  readonly #watcher: Watcher;
  readonly #open: Uint8Array;
  readonly #input: LoadInput;
  readonly #backlog: Backlog;
  #isOver = false;
  #isConnected = false;
  #isClosed = false;
  #queue: Uint8Array[] = [];
  /** Octets of the first buffer of the queue that are gone. */
  #sent = 0;
  #sendsUpdates = false;
  #keepaliveTimer: NodeJS.Timeout | undefined;

  constructor(options: LoadSessionOptions, backlog: Backlog, handlers: LoadSessionHandlers) {
    this.#backlog = backlog;
    this.#handlers = handlers;
    this.#input = new LoadInput({ message: (type, start, end) => this.#message(type, start, end) });
    const { afi, safi } = Families[options.ipv6 ? 'ipv6-unicast' : 'ipv4-unicast'];
    const capabilities: Capability[] = [
      { type: 'multiprotocol', afi, safi },
      { type: 'route-refresh' },
      { type: 'four-octet-as', asn: options.asn },
    ];
    this.#open = encodeOpen({
      version: 4,
      myAs: options.asn > 0xffff ? AS_TRANS : options.asn,
      holdSeconds: HOLD_SECONDS,
      routerId: ipv4FromUint32(options.localAddress),
      capabilities,
    });
    this.#fd = socket(AddressFamily.Inet, SocketType.Stream | SocketType.NonBlocking, 0);
    setsockopt(this.#fd, SocketLevel.Tcp, SocketOption.TCP_NODELAY, 1);
    bind(this.#fd, inetSocketAddress(ipv4FromUint32(options.localAddress).octets, 0));
    connect(this.#fd, inetSocketAddress(ipv4FromUint32(options.remoteAddress).octets, options.port));
    this.#watcher = new Watcher(this.#fd, (events) => this.#ready(events));
    this.#watcher.start(PollEvent.Writable);
  }

  /** Octets that wait to be sent. */
  get queued(): number {
    return this.#queue.reduce((sum, bytes) => sum + bytes.length, 0) - this.#sent;
  }

  /** Queues octets, whole messages, which must not change any more. */
  send(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    this.#queue.push(bytes);
    if (this.#queue.length === 1) this.#pump();
  }

  /** Ends the connection (FIN); the handlers hear nothing more. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.isEstablished = false;
    clearInterval(this.#keepaliveTimer);
    this.#watcher.close();
    close(this.#fd);
  }

  #ready(events: number): void {
    if (this.#isClosed) return;
    try {
      if (!this.#isConnected) {
        const errno = getsockopt(this.#fd, SocketLevel.Socket, SocketOption.SO_ERROR);
        if (errno !== 0) {
          this.#end(`connect: errno ${errno}`);
          return;
        }
        this.#isConnected = true;
        this.send(this.#open);
        return;
      }
      if ((events & PollEvent.Readable) !== 0) this.#read();
      if (!this.#isClosed && (events & PollEvent.Writable) !== 0) this.#pump();
    } catch (error) {
      this.#end(String(error));
    }
  }

  #end(reason: string): void {
    if (this.#isClosed) return;
    this.close();
    this.#handlers.ended(reason);
  }

  /** Sends at most one chunk, then lets the others have their turn. */
  #pump(): void {
    let left = CHUNK_OCTETS;
    while (this.#queue.length > 0 && left > 0) {
      const bytes = this.#queue[0]!;
      const taken = send(this.#fd, bytes, this.#sent, Math.min(bytes.length - this.#sent, left));
      if (taken === WOULD_BLOCK) break;
      left -= taken;
      this.#sent += taken;
      if (this.#sent === bytes.length) {
        this.#queue.shift();
        this.#sent = 0;
      }
    }
    const isWaiting = this.#queue.length > 0;
    if (isWaiting !== this.#sendsUpdates || !this.isEstablished) {
      this.#sendsUpdates = isWaiting;
      this.#watcher.start(PollEvent.Readable | (isWaiting ? PollEvent.Writable : 0));
    }
  }

  /** Octets of this session, from the backlog. */
  take(bytes: Uint8Array, start: number, end: number, takenMs: number): void {
    if (this.#isClosed || start === end) return;
    this.#handlers.taken(takenMs);
    if (!this.#input.take(bytes, start, end)) this.#end('a message header that is none');
  }

  /** The other side ended it, and all it said before was heard. */
  finished(reason: string): void {
    this.#end(reason);
  }

  #read(): void {
    if (this.#isOver) return;
    const { bytes, start } = this.#backlog.room();
    const octets = drain(this.#fd, bytes.subarray(start, start + CHUNK_OCTETS), 0, 1, drainStatus);
    const takenMs = performance.now();
    const errno = drainStatus[0]!;
    let reason: string | undefined;
    if ((drainStatus[2]! & DrainFlag.EndOfStream) !== 0) reason = 'closed by the other side';
    else if (errno !== 0 && errno !== EAGAIN) reason = `recv: errno ${errno}`;
    if (reason !== undefined) {
      this.#isOver = true;
      this.#watcher.stop();
    }
    this.#backlog.add(this, octets, takenMs, reason);
  }

  #message(type: number, start: number, end: number): boolean {
    switch (type) {
      case MessageType.Update:
        this.#handlers.update(inputBuffer, start, end);
        break;
      case MessageType.Open: {
        const open = decodeOpen(inputBuffer.slice(start, end));
        if (open.ok) this.send(keepalive);
        else this.#end('an OPEN that cannot be read');
        break;
      }
      case MessageType.Keepalive:
        if (this.isEstablished) break;
        this.isEstablished = true;
        this.#keepaliveTimer = setInterval(() => this.send(keepalive), (HOLD_SECONDS / 4) * 1000);
        this.#handlers.established();
        break;
      case MessageType.Notification:
        this.#end(`NOTIFICATION ${inputBuffer[start]}/${inputBuffer[start + 1]}`);
        break;
      default:
        break;
    }
    return !this.#isClosed;
  }
}
