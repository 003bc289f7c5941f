/**
 * A NETLINK_ROUTE socket: requests with their answers, listings, batches, notifications. The kernel does what a request
 * asks for inside the send call, so the synchronous forms hardly ever wait; the asynchronous ones give the event loop a
 * turn between the parts of a long listing.
 */
import {
  AddressFamily,
  attachFilter,
  bind,
  close,
  createDrainStatus,
  DrainFlag,
  drain,
  errnoName,
  getsockname,
  netlinkSocketAddress,
  PollEvent,
  parseSocketAddress,
  poll,
  SocketLevel,
  SocketOption,
  SocketProtocol,
  SocketType,
  SystemError,
  send,
  sendInThread,
  setsockopt,
  socket,
  Watcher,
  WOULD_BLOCK,
} from '../native/index.ts';
import { BATCH_SEQUENCE_BIT, NetlinkBatch } from './batch.ts';
import { NetlinkError, type NetlinkProblem, refusal } from './errors.ts';
import { hidePortsProgram, onlyTypeProgram } from './filter.ts';
import {
  decodeDone,
  decodeReply,
  MalformedNetlink,
  MessageFlag,
  MessageReader,
  MessageType,
  type NetlinkMessage,
  type NetlinkReply,
  type NetlinkRequest,
} from './message.ts';
import { NetlinkWriter } from './writer.ts';

/** Multicast groups of rtnetlink (`RTNLGRP_*`). */
export const NetlinkGroup = {
  Link: 1,
  Neighbour: 3,
  Ipv4Address: 5,
  Ipv4Route: 7,
  Ipv6Address: 9,
  Ipv6Route: 11,
  NextHop: 32,
} as const;

/** Who hears of notifications. */
export interface NetlinkHandlers {
  /** A message of a subscribed group; a view, valid only during the call. */
  notification(message: NetlinkMessage): void;
  /** Notifications were lost. All that had arrived were handed over before this call: list, and compare. */
  overrun(): void;
  /** The socket failed and hears nothing any more. */
  failed?(error: NetlinkError): void;
}

export interface NetlinkSocketOptions {
  /** Multicast groups (`NetlinkGroup`) to hear; needs `handlers`. */
  readonly groups?: readonly number[];
  readonly handlers?: NetlinkHandlers;
  /** The namespace to work in; the thread's own when absent. */
  readonly netnsFd?: number;
  /** 16 MiB when absent. Above the system's limit it needs CAP_NET_ADMIN, and is cut to the limit without. */
  readonly receiveBufferOctets?: number;
  /** How long the synchronous forms wait for an answer; 10 s when absent. */
  readonly timeoutMs?: number;
  /**
   * What to receive into, 64 KiB or more; 256 KiB of its own when absent. Sockets that live for a few synchronous requests,
   * one after the other, may share one.
   */
  readonly buffer?: Uint8Array;
}

const EAGAIN = 11;
const ENOBUFS = 105;
const BUFFER_OCTETS = 256 * 1024;
/** The kernel fills parts of a listing up to this. */
const LARGEST_DATAGRAM_OCTETS = 32 * 1024;
const DUMP_ATTEMPTS = 8;

/** A request on its way. */
interface Exchange {
  readonly isDump: boolean;
  readonly message: ((message: NetlinkMessage) => void) | undefined;
  isInterrupted: boolean;
  /** What `message` threw: the answer is read to its end all the same, and then this goes to who asked. */
  thrown?: unknown;
  end: ((problem: NetlinkProblem | undefined) => void) | undefined;
}

/** What `decode` made of the messages of an answer, or that they do not belong together. */
type Outcome<T> = { readonly values: T[]; readonly isInterrupted: boolean };

/** See the head of this file. One thread's; worker threads open their own. */
export class NetlinkSocket {
  readonly fd: number;
  /** The kernel's name for this socket, in the header of the notifications it causes. */
  readonly portId: number;
  /** Whether the kernel filters listings; before Linux 4.20 it does not. */
  readonly isStrict: boolean;
  readonly #handlers: NetlinkHandlers | undefined;
  readonly #isSubscribed: boolean;
  readonly #timeoutMs: number;
  readonly #pending = new Map<number, Exchange>();
  readonly #writer = new NetlinkWriter();
  readonly #buffer: Uint8Array;
  readonly #status = createDrainStatus();
  #depth = 0;
  #sequence = 0;
  #batch: NetlinkBatch | undefined;
  #watcher: Watcher | undefined;
  #isWatching = false;
  /** Listings go one after the other: the kernel answers EBUSY to a second one on the same socket. */
  #lastDump: Promise<unknown> = Promise.resolve();
  #hasFailed = false;
  #isClosed = false;

  private constructor(fd: number, portId: number, isStrict: boolean, options: NetlinkSocketOptions) {
    this.fd = fd;
    this.portId = portId;
    this.isStrict = isStrict;
    this.#handlers = options.handlers;
    this.#buffer = options.buffer ?? new Uint8Array(BUFFER_OCTETS);
    this.#timeoutMs = options.timeoutMs ?? 10_000;
    this.#isSubscribed = options.groups !== undefined && options.groups.length > 0;
    this.#watch();
  }

  /** @throws SystemError when the socket cannot be made, or joined to a group */
  static open(options: NetlinkSocketOptions = {}): NetlinkSocket {
    const type = SocketType.Raw | SocketType.NonBlocking;
    const fd = socket(AddressFamily.Netlink, type, SocketProtocol.NetlinkRoute, options.netnsFd ?? -1);
    try {
      const octets = options.receiveBufferOctets ?? 16 * 1024 * 1024;
      if (!trySetsockopt(fd, SocketLevel.Socket, SocketOption.SO_RCVBUFFORCE, octets)) {
        setsockopt(fd, SocketLevel.Socket, SocketOption.SO_RCVBUF, octets);
      }
      trySetsockopt(fd, SocketLevel.Netlink, SocketOption.NETLINK_EXT_ACK, 1);
      trySetsockopt(fd, SocketLevel.Netlink, SocketOption.NETLINK_CAP_ACK, 1);
      const isStrict = trySetsockopt(fd, SocketLevel.Netlink, SocketOption.NETLINK_GET_STRICT_CHK, 1);
      bind(fd, netlinkSocketAddress());
      for (const group of options.groups ?? []) {
        setsockopt(fd, SocketLevel.Netlink, SocketOption.NETLINK_ADD_MEMBERSHIP, group);
      }
      const address = parseSocketAddress(getsockname(fd));
      const portId = address?.type === 'netlink' ? address.portId : 0;
      return new NetlinkSocket(fd, portId, isStrict, options);
    } catch (error) {
      close(fd);
      throw error;
    }
  }

  /** Hears no more of what the sockets with these port ids cause, in whichever thread or process they are. */
  hidePorts(portIds: readonly number[]): void {
    attachFilter(this.fd, hidePortsProgram(portIds));
  }

  /** Hears messages of this type (`MessageType`) and no others: for a socket that only listens, since answers are others too. */
  hearOnly(type: number): void {
    attachFilter(this.fd, onlyTypeProgram(type));
  }

  /**
   * Does what the request asks for, and waits until it is done.
   * @throws NetlinkError
   */
  requestSync(request: NetlinkRequest): void {
    this.#exchangeSync(request, undefined);
  }

  /**
   * Asks, and gives back what `decode` makes of the messages that come as the answer, `undefined` left out. A listing
   * that changed while it was read is read again.
   * @param decode gets views; `decodeRoute` and the like fit
   * @throws NetlinkError, and what `decode` throws
   */
  querySync<T>(request: NetlinkRequest, decode: (message: NetlinkMessage) => T | undefined): T[] {
    for (let attempt = 1; ; attempt++) {
      const values: T[] = [];
      const { isInterrupted } = this.#exchangeSync(request, (message) => {
        const value = decode(message);
        if (value !== undefined) values.push(value);
      });
      if (!isInterrupted) return values;
      if (attempt === DUMP_ATTEMPTS) throw new NetlinkError({ code: 'interrupted', attempts: attempt });
    }
  }

  /** `requestSync` for those who may not block. */
  async request(request: NetlinkRequest): Promise<void> {
    await this.#exchange(request, undefined);
  }

  /** `querySync` for those who may not block: the event loop gets a turn every 256 KiB. */
  async query<T>(request: NetlinkRequest, decode: (message: NetlinkMessage) => T | undefined): Promise<T[]> {
    const run = async (): Promise<T[]> => {
      for (let attempt = 1; ; attempt++) {
        const { values, isInterrupted } = await this.#query(request, decode);
        if (!isInterrupted) return values;
        if (attempt === DUMP_ATTEMPTS) throw new NetlinkError({ code: 'interrupted', attempts: attempt });
      }
    };
    const before = this.#lastDump;
    const mine = before.then(run, run);
    this.#lastDump = mine.catch(() => undefined);
    return mine;
  }

  async #query<T>(request: NetlinkRequest, decode: (message: NetlinkMessage) => T | undefined): Promise<Outcome<T>> {
    const values: T[] = [];
    const { isInterrupted } = await this.#exchange(request, (message) => {
      const value = decode(message);
      if (value !== undefined) values.push(value);
    });
    return { values, isInterrupted };
  }

  /**
   * The batch of this socket; always the same one.
   * @param octets how much to collect for one system call, when it is made
   * @param beforeSend called before each of these calls; may block
   */
  batch(octets?: number, beforeSend: () => void = () => {}): NetlinkBatch {
    this.#batch ??= new NetlinkBatch(
      {
        send: (buffer, length) => {
          beforeSend();
          this.#send(buffer, length);
        },
        sendInThread: (buffer, length) => this.#sendInThread(buffer, length),
        receive: () => this.#receive(Number.POSITIVE_INFINITY),
        receiveUntil: (isDone) => this.#receiveUntil(isDone),
      },
      octets,
    );
    return this.#batch;
  }

  /** Ends everything; requests on their way fail with `closed`. May be called twice. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watcher?.close();
    close(this.fd);
    this.#failPending({ code: 'closed' });
  }

  // ---- one request ----

  #start(request: NetlinkRequest, exchange: Exchange): number {
    if (this.#isClosed) throw new NetlinkError({ code: 'closed' });
    this.#sequence = (this.#sequence + 1) & 0x7fffffff || 1;
    const sequence = this.#sequence;
    const flags = request.flags | MessageFlag.Request | (exchange.isDump ? 0 : MessageFlag.Ack);
    this.#writer.reset();
    this.#writer.begin(request.type, flags, sequence);
    request.write(this.#writer);
    this.#writer.end();
    this.#pending.set(sequence, exchange);
    try {
      this.#send(this.#writer.buffer, this.#writer.length);
    } catch (error) {
      this.#pending.delete(sequence);
      throw error;
    }
    return sequence;
  }

  #exchangeSync(request: NetlinkRequest, message: Exchange['message']): Exchange {
    const exchange: Exchange = { isDump: isDump(request), message, isInterrupted: false, end: undefined };
    // The kernel runs one listing per socket: let an asynchronous one come to its end first.
    if (exchange.isDump && this.#hasPendingDump()) this.#receiveUntil(() => !this.#hasPendingDump());
    let isDone = false;
    let problem: NetlinkProblem | undefined;
    exchange.end = (seen) => {
      isDone = true;
      problem = seen;
    };
    const sequence = this.#start(request, exchange);
    try {
      this.#receiveUntil(() => isDone);
    } finally {
      this.#pending.delete(sequence);
    }
    if ('thrown' in exchange) throw exchange.thrown;
    if (problem !== undefined && !isEmpty(request, problem)) throw new NetlinkError(problem);
    return exchange;
  }

  #hasPendingDump(): boolean {
    for (const exchange of this.#pending.values()) if (exchange.isDump) return true;
    return false;
  }

  #exchange(request: NetlinkRequest, message: Exchange['message']): Promise<Exchange> {
    return new Promise((resolve, reject) => {
      const exchange: Exchange = { isDump: isDump(request), message, isInterrupted: false, end: undefined };
      exchange.end = (problem) => {
        if ('thrown' in exchange) reject(exchange.thrown);
        else if (problem !== undefined && !isEmpty(request, problem)) reject(new NetlinkError(problem));
        else resolve(exchange);
      };
      this.#start(request, exchange);
      this.#receive(1);
      this.#watch();
    });
  }

  // ---- octets ----

  #send(buffer: Uint8Array, octets: number): void {
    try {
      const sent = send(this.fd, buffer, 0, octets);
      if (sent === WOULD_BLOCK) throw new SystemError(EAGAIN, 'send');
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      throw new NetlinkError({ code: 'system', errno: error.errno, name: error.code, syscall: error.syscall });
    }
  }

  async #sendInThread(buffer: Uint8Array, octets: number): Promise<void> {
    if (this.#isClosed) throw new NetlinkError({ code: 'closed' });
    try {
      await sendInThread(this.fd, buffer, octets);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      throw new NetlinkError({ code: 'system', errno: error.errno, name: error.code, syscall: error.syscall });
    }
  }

  #receiveUntil(isDone: () => boolean): void {
    const deadline = performance.now() + this.#timeoutMs;
    for (;;) {
      this.#receive(1);
      if (isDone()) return;
      const left = Math.ceil(deadline - performance.now());
      if (left <= 0 || poll(this.fd, PollEvent.Readable, left) === 0) {
        throw new NetlinkError({ code: 'timeout', timeoutMs: this.#timeoutMs });
      }
    }
  }

  /**
   * Reads what waits, up to so many buffers full, and hands it out. After lost messages it reads on to the end in any
   * case: the kernel drops all news until the queue was empty once, and only then does "list again" help.
   */
  #receive(buffers: number): void {
    const isNested = this.#depth > 0;
    const buffer = isNested ? new Uint8Array(BUFFER_OCTETS) : this.#buffer;
    const status = isNested ? createDrainStatus() : this.#status;
    let isOverrun = false;
    this.#depth++;
    try {
      for (let i = 0; i < buffers || isOverrun; i++) {
        const octets = drain(this.fd, buffer, 0, LARGEST_DATAGRAM_OCTETS, status);
        const errno = status[0];
        if (((status[2] ?? 0) & DrainFlag.Truncated) !== 0) isOverrun = true;
        if (!this.#dispatch(buffer, octets)) isOverrun = true;
        if (this.#isClosed) return;
        if (errno === ENOBUFS) isOverrun = true;
        else if (errno === EAGAIN) break;
        else if (errno !== undefined && errno !== 0) {
          this.#fail(errno);
          return;
        }
      }
    } finally {
      this.#depth--;
    }
    if (!isOverrun) return;
    this.#batch?.overrun();
    this.#failPending({ code: 'overrun' });
    this.#handlers?.overrun();
  }

  /** False when a message could not be read, here or by the handler: as good as lost. */
  #dispatch(buffer: Uint8Array, octets: number): boolean {
    const message = new MessageReader(buffer, 0, octets);
    try {
      while (message.next()) {
        if (this.#isClosed) return true;
        if (message.type === MessageType.Error) this.#reply(decodeReply(message), false);
        else if (message.type === MessageType.Done) this.#done(message);
        else if (message.type > MessageType.Overrun) this.#content(message);
      }
      return true;
    } catch (error) {
      if (error instanceof MalformedNetlink) return false;
      throw error;
    }
  }

  #reply(reply: NetlinkReply, isEndOfDump: boolean): void {
    if (reply.sequence >= BATCH_SEQUENCE_BIT) {
      this.#batch?.reply(reply);
      return;
    }
    const exchange = this.#pending.get(reply.sequence);
    if (exchange === undefined || (exchange.isDump && reply.errno === 0 && !isEndOfDump)) return;
    this.#pending.delete(reply.sequence);
    exchange.end?.(reply.errno === 0 ? undefined : refusal(reply.errno, reply.text, reply.offset));
  }

  #done(message: NetlinkMessage): void {
    const exchange = this.#pending.get(message.sequence);
    if (exchange === undefined) return;
    if ((message.flags & MessageFlag.DumpInterrupted) !== 0) exchange.isInterrupted = true;
    this.#reply(decodeDone(message), true);
  }

  /** Anything but an error or an end: part of an answer to this socket, or a notification. */
  #content(message: NetlinkMessage): void {
    if (message.portId === this.portId) {
      const exchange = this.#pending.get(message.sequence);
      if (exchange?.message !== undefined) {
        if ((message.flags & MessageFlag.DumpInterrupted) !== 0) exchange.isInterrupted = true;
        if ('thrown' in exchange) return;
        try {
          exchange.message(message);
        } catch (error) {
          exchange.thrown = error;
        }
        return;
      }
    }
    this.#handlers?.notification(message);
  }

  #fail(errno: number): void {
    const problem: NetlinkProblem = { code: 'system', errno, name: errnoName(errno), syscall: 'recv' };
    this.#hasFailed = true;
    this.#failPending(problem);
    this.#watch();
    this.#handlers?.failed?.(new NetlinkError(problem));
  }

  #failPending(problem: NetlinkProblem): void {
    const exchanges = [...this.#pending.values()];
    this.#pending.clear();
    for (const exchange of exchanges) exchange.end?.(problem);
  }

  /** Lets the event loop read, or not: a socket that nobody waits for must not keep the process alive. */
  #watch(): void {
    const isWanted = !this.#hasFailed && (this.#isSubscribed || this.#pending.size > 0);
    if (isWanted === this.#isWatching || this.#isClosed) return;
    this.#watcher ??= new Watcher(this.fd, () => {
      this.#receive(1);
      this.#watch();
    });
    this.#isWatching = isWanted;
    if (isWanted) this.#watcher.start(PollEvent.Readable);
    else this.#watcher.stop();
  }
}

function isDump(request: NetlinkRequest): boolean {
  return (request.flags & MessageFlag.Dump) === MessageFlag.Dump && isGet(request.type);
}

/** rtnetlink numbers its types in fours: NEW, DEL, GET, SET. */
function isGet(type: number): boolean {
  return (type & 3) === 2;
}

function isEmpty(request: NetlinkRequest, problem: NetlinkProblem): boolean {
  return problem.code === 'refused' && problem.errno === request.emptyErrno;
}

function trySetsockopt(fd: number, level: number, name: number, value: number): boolean {
  try {
    setsockopt(fd, level, name, value);
    return true;
  } catch (error) {
    if (error instanceof SystemError) return false;
    throw error;
  }
}
