/**
 * The addon, typed. Calls are synchronous and thin; what they mean is the caller's business. Failures are thrown as
 * `SystemError`, except "not now" on a non-blocking socket, which is the value `WOULD_BLOCK`.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { SystemError } from './errors.ts';

export * from './constants.ts';
export { errnoName, errnoText, SystemError } from './errors.ts';
export * from './sockaddr.ts';

/** What the C side exports. Every number is a result of 0 or more, or a negated errno. */
interface Addon {
  socket(domain: number, type: number, protocol: number, netnsFd: number): number;
  close(fd: number): number;
  bind(fd: number, address: Uint8Array): number;
  connect(fd: number, address: Uint8Array): number;
  listen(fd: number, backlog: number): number;
  accept4(fd: number, flags: number): number;
  shutdown(fd: number, how: number): number;
  setsockopt(fd: number, level: number, name: number, value: number | Uint8Array): number;
  attachFilter(fd: number, program: Uint8Array): number;
  getsockopt(fd: number, level: number, name: number, value: Uint8Array): number;
  getsockname(fd: number, address: Uint8Array): number;
  getpeername(fd: number, address: Uint8Array): number;
  send(fd: number, buffer: Uint8Array, offset: number, length: number, flags: number): number;
  sendInThread(fd: number, buffer: Uint8Array, offset: number, length: number): Promise<number>;
  sendto(fd: number, buffer: Uint8Array, offset: number, length: number, flags: number, address: Uint8Array): number;
  recv(fd: number, buffer: Uint8Array, offset: number, length: number, flags: number): number;
  recvmsg(
    fd: number,
    buffer: Uint8Array,
    flags: number,
    address: Uint8Array,
    control: Uint8Array,
    info: Int32Array,
  ): number;
  drain(fd: number, buffer: Uint8Array, offset: number, minRoom: number, status: Int32Array): number;
  poll(fd: number, events: number, timeoutMs: number): number;
  setNonBlocking(fd: number, on: boolean): number;
  openNetns(path: string): number;
  withNetns(fd: number, fn: () => void): number;
  ifNameToIndex(name: string): number;
  turnsOpen(): object | number;
  turnsRead(handle: object, figures: Uint8Array): number;
  turnsReset(handle: object): number;
  turnsClose(handle: object): number;
  watchOpen(fd: number, callback: (events: number) => void): object | number;
  watchStart(handle: object, events: number): number;
  watchStop(handle: object): number;
  watchRef(handle: object, on: boolean): number;
  watchClose(handle: object): void;
}

const EAGAIN = 11;
const EINPROGRESS = 115;

/** Returned by `send`, `recv`, `accept` and the like when a non-blocking socket cannot go on now. */
export const WOULD_BLOCK = -1;

const addon = load();

/** @throws Error saying how to build the addon when it is not there */
function load(): Addon {
  const path = fileURLToPath(new URL('../build/podroute.node', import.meta.url));
  try {
    return createRequire(import.meta.url)(path) as Addon;
  } catch (cause) {
    throw new Error(`cannot load the native addon ${path}: build it with native/build.sh (needs a C compiler)`, {
      cause,
    });
  }
}

function check(result: number, syscall: string): number {
  if (result < 0) throw new SystemError(-result, syscall);
  return result;
}

function checkOrBlock(result: number, syscall: string): number {
  if (result >= 0) return result;
  if (result === -EAGAIN) return WOULD_BLOCK;
  throw new SystemError(-result, syscall);
}

/**
 * A new close-on-exec socket.
 * @param type a `SocketType`, or-ed with `SocketType.NonBlocking` where wanted
 * @param netnsFd create it inside this network namespace instead of the process's own
 * @returns the file descriptor, which the caller owns
 */
export function socket(domain: number, type: number, protocol: number, netnsFd = -1): number {
  return check(addon.socket(domain, type, protocol, netnsFd), 'socket');
}

/** Closes a file descriptor. */
export function close(fd: number): void {
  check(addon.close(fd), 'close');
}

/** @param address as `inetSocketAddress` or `netlinkSocketAddress` makes it */
export function bind(fd: number, address: Uint8Array): void {
  check(addon.bind(fd, address), 'bind');
}

/**
 * Connects. On a non-blocking socket the answer is mostly `EINPROGRESS`: wait until it is writable, then read
 * `getsockopt(fd, SocketLevel.Socket, SocketOption.SO_ERROR)`, an errno, 0 for success.
 */
export function connect(fd: number, address: Uint8Array): 'connected' | 'EINPROGRESS' {
  const result = addon.connect(fd, address);
  if (result === -EINPROGRESS) return 'EINPROGRESS';
  check(result, 'connect');
  return 'connected';
}

export function listen(fd: number, backlog = 128): void {
  check(addon.listen(fd, backlog), 'listen');
}

/**
 * Takes one waiting connection.
 * @param flags `SocketType.NonBlocking` by default; close-on-exec is always set
 * @returns the new file descriptor, or `WOULD_BLOCK`
 */
export function accept(fd: number, flags = 0o4000): number {
  return checkOrBlock(addon.accept4(fd, flags), 'accept4');
}

/** @param how 0: no more receiving, 1: no more sending, 2: both */
export function shutdown(fd: number, how: 0 | 1 | 2): void {
  check(addon.shutdown(fd, how), 'shutdown');
}

/** @param value a number is passed as a C `int`, octets as they are */
export function setsockopt(fd: number, level: number, name: number, value: number | Uint8Array): void {
  check(addon.setsockopt(fd, level, name, value), 'setsockopt');
}

/**
 * Attaches a classic BPF program (SO_ATTACH_FILTER) in place of the one before.
 * @param program 8 octets for each instruction: code (16 bits), jump if true, jump if false (8 each), operand (32), host byte order
 */
export function attachFilter(fd: number, program: Uint8Array): void {
  check(addon.attachFilter(fd, program), 'setsockopt');
}

/** The value of an option that is a C `int`. */
export function getsockopt(fd: number, level: number, name: number): number {
  const value = new Int32Array(1);
  check(addon.getsockopt(fd, level, name, new Uint8Array(value.buffer)), 'getsockopt');
  return value[0] ?? 0;
}

/** The octets of an option, at most `maxOctets` of them. */
export function getsockoptOctets(fd: number, level: number, name: number, maxOctets: number): Uint8Array {
  const value = new Uint8Array(maxOctets);
  return value.subarray(0, check(addon.getsockopt(fd, level, name, value), 'getsockopt'));
}

/** The local address; see `parseSocketAddress`. */
export function getsockname(fd: number): Uint8Array {
  const address = new Uint8Array(128);
  return address.subarray(0, check(addon.getsockname(fd, address), 'getsockname'));
}

/** The other end's address; see `parseSocketAddress`. */
export function getpeername(fd: number): Uint8Array {
  const address = new Uint8Array(128);
  return address.subarray(0, check(addon.getpeername(fd, address), 'getpeername'));
}

/**
 * Sends `length` octets of `buffer` from `offset`, never raising SIGPIPE.
 * @param to destination, for a datagram socket that is not connected
 * @returns octets taken (fewer than `length` when a stream's buffer is full), or `WOULD_BLOCK`
 * @throws RangeError if the range lies outside the buffer
 */
export function send(
  fd: number,
  buffer: Uint8Array,
  offset = 0,
  length = buffer.length - offset,
  flags = 0,
  to?: Uint8Array,
): number {
  if (to !== undefined) return checkOrBlock(addon.sendto(fd, buffer, offset, length, flags, to), 'sendto');
  return checkOrBlock(addon.send(fd, buffer, offset, length, flags), 'send');
}

/**
 * Sends from another thread: for netlink requests that the kernel takes long over, since it works inside the call. The octets
 * are copied before this returns. At most four such calls run at once in a process; the descriptor must stay open meanwhile.
 * @returns octets sent
 * @throws SystemError
 */
export async function sendInThread(fd: number, buffer: Uint8Array, length: number): Promise<number> {
  return check(await addon.sendInThread(fd, buffer, 0, length), 'send');
}

/**
 * Receives into `length` octets of `buffer` from `offset`.
 * @returns octets received, 0 at the end of a stream, or `WOULD_BLOCK`
 * @throws RangeError if the range lies outside the buffer
 */
export function recv(fd: number, buffer: Uint8Array, offset = 0, length = buffer.length - offset, flags = 0): number {
  return checkOrBlock(addon.recv(fd, buffer, offset, length, flags), 'recv');
}

/** One datagram with all that comes beside it. `address` and `control` are copies; `control` holds `cmsghdr`s. */
export interface ReceivedMessage {
  readonly octets: number;
  readonly address: Uint8Array;
  readonly control: Uint8Array;
  /** The datagram was longer than the buffer. */
  readonly isTruncated: boolean;
}

/** `recvmsg`: the datagram goes into `buffer`, its sender and control messages into the result; undefined if none waits. */
export function receiveMessage(fd: number, buffer: Uint8Array, flags = 0): ReceivedMessage | undefined {
  const address = new Uint8Array(128);
  const control = new Uint8Array(512);
  const info = new Int32Array(3);
  const octets = checkOrBlock(addon.recvmsg(fd, buffer, flags, address, control, info), 'recvmsg');
  if (octets === WOULD_BLOCK) return undefined;
  return {
    octets,
    address: address.slice(0, info[0]),
    control: control.slice(0, info[1]),
    isTruncated: ((info[2] ?? 0) & 0x20) !== 0,
  };
}

/** Filled by `drain`: `[errno, count, flags]`; errno is 0 when the buffer ended before the socket did. */
export type DrainStatus = Int32Array;

/** Bits of `DrainStatus[2]`. */
export const DrainFlag = { Truncated: 1, EndOfStream: 2 } as const;

/** A `DrainStatus` to pass to `drain`, again and again. */
export function createDrainStatus(): DrainStatus {
  return new Int32Array(3);
}

/**
 * Receives without waiting until the socket is empty or fewer than `minRoom` octets are left in `buffer`, one message
 * right after the other (their boundaries are not kept: for streams, and for formats that carry their own lengths).
 * Never throws for a failing socket: octets already received count, and `status[0]` has the errno that ended the call
 * (11, EAGAIN, when simply empty; 105, ENOBUFS, when netlink dropped messages).
 * @param minRoom largest datagram expected; 1 for streams
 * @param status `[errno that ended the call or 0, messages received, DrainFlag bits]`
 * @returns octets received
 */
export function drain(fd: number, buffer: Uint8Array, offset: number, minRoom: number, status: DrainStatus): number {
  return addon.drain(fd, buffer, offset, minRoom, status);
}

/**
 * Blocks the calling thread until one of `events` (`PollEvent`) holds or `timeoutMs` have passed (-1: for ever).
 * @returns the events that hold, 0 when time ran out
 */
export function poll(fd: number, events: number, timeoutMs: number): number {
  return check(addon.poll(fd, events, timeoutMs), 'poll');
}

export function setNonBlocking(fd: number, on: boolean): void {
  check(addon.setNonBlocking(fd, on), 'fcntl');
}

/**
 * Opens a network namespace (`/run/netns/NAME`, `/proc/PID/ns/net`). The caller owns the file descriptor.
 * @throws SystemError `EINVAL` when the path is something else than a network namespace
 */
export function openNetns(path: string): number {
  return check(addon.openNetns(path), 'openNetns');
}

/**
 * Runs `fn` with the calling thread inside another network namespace and comes back, also when `fn` throws. `fn` must
 * be synchronous: what it starts and does not finish would run outside. `/proc/sys/net` and new sockets follow the thread.
 * Aborts the process if the way back fails, since going on in the wrong namespace would be worse.
 * @throws TypeError when `fn` returns a promise
 */
export function withNetns<T>(netnsFd: number, fn: () => T): T {
  let result: { readonly value: T } | undefined;
  const status = addon.withNetns(netnsFd, () => {
    result = { value: fn() };
  });
  check(status, 'setns');
  if (result === undefined) throw new Error('withNetns: the function was not run');
  if (result.value instanceof Promise) throw new TypeError('withNetns: the function must be synchronous');
  return result.value;
}

/** Interface index of a name, in the calling thread's namespace. */
export function interfaceIndex(name: string): number {
  return check(addon.ifNameToIndex(name), 'if_nametoindex');
}

/**
 * Watches one file descriptor from this thread's event loop. Level-triggered: the callback comes again while an event
 * holds. A running watcher keeps the loop alive unless `unref`ed. Close it before closing the descriptor, and before
 * handing the descriptor to a `net.Socket`.
 */
export class Watcher {
  #handle: object | undefined;

  /**
   * @param callback gets the `PollEvent` bits that hold. After an error on the descriptor (a refused connection, a
   * netlink overrun) it gets all the events asked for plus `PollEvent.Error`: the next `recv` or `SO_ERROR` says what it is
   */
  constructor(fd: number, callback: (events: number) => void) {
    const handle = addon.watchOpen(fd, callback);
    if (typeof handle === 'number') throw new SystemError(-handle, 'uv_poll_init');
    this.#handle = handle;
  }

  /** Waits for `events` from now on, in place of what it waited for before. */
  start(events: number): void {
    if (this.#handle !== undefined) check(addon.watchStart(this.#handle, events), 'uv_poll_start');
  }

  /** Waits for nothing; `start` goes on. */
  stop(): void {
    if (this.#handle !== undefined) check(addon.watchStop(this.#handle), 'uv_poll_stop');
  }

  /** Lets the process end while this watcher runs. */
  unref(): void {
    if (this.#handle !== undefined) addon.watchRef(this.#handle, false);
  }

  ref(): void {
    if (this.#handle !== undefined) addon.watchRef(this.#handle, true);
  }

  /** Ends it for good; the descriptor stays open. No callback comes after this. */
  close(): void {
    if (this.#handle === undefined) return;
    addon.watchClose(this.#handle);
    this.#handle = undefined;
  }
}

/** Turns in `TurnFigures` are sorted into so many buckets: see {@link TurnMeter}. */
const TURN_BUCKETS = 464;

/** Turns by their length. */
export interface TurnLengths {
  readonly longestMs: number;
  /** Shortest first: per bucket how many turns, and how long together. The turns of a bucket differ by at most a sixteenth. */
  readonly counts: Float64Array;
  readonly sumsMs: Float64Array;
}

/** Turns of an event loop since it was looked at first, or since a reset. */
export interface TurnFigures {
  /** How long they were counted, milliseconds. */
  readonly elapsedMs: number;
  readonly turns: number;
  /** From waking up until the next look at sockets and timers: how long these may have to wait. */
  readonly busy: TurnLengths;
  /** The processor time of this thread in it: less where others had the processor, or where it waited for the kernel. */
  readonly cpu: TurnLengths;
}

/**
 * How long the turns of this thread's event loop take, sleep left out: as long as a turn lasts, sockets and timers wait. Costs four looks at
 * clocks in a turn, and nothing while the loop sleeps. Keeps no process alive.
 */
export class TurnMeter {
  #handle: object | undefined;

  constructor() {
    const handle = addon.turnsOpen();
    if (typeof handle === 'number') throw new SystemError(-handle, 'turnsOpen');
    this.#handle = handle;
  }

  /** What was counted so far, without the present turn. @throws Error when closed */
  read(): TurnFigures {
    if (this.#handle === undefined) throw new Error('the meter is closed');
    const all = new Float64Array(2 + 2 * (1 + 2 * TURN_BUCKETS));
    addon.turnsRead(this.#handle, new Uint8Array(all.buffer));
    const lengths = (at: number): TurnLengths => ({
      longestMs: all[at] ?? 0,
      counts: all.subarray(at + 1, at + 1 + TURN_BUCKETS),
      sumsMs: all.subarray(at + 1 + TURN_BUCKETS, at + 1 + 2 * TURN_BUCKETS),
    });
    return { elapsedMs: all[0] ?? 0, turns: all[1] ?? 0, busy: lengths(2), cpu: lengths(3 + 2 * TURN_BUCKETS) };
  }

  /** Counts from now on. */
  reset(): void {
    if (this.#handle !== undefined) addon.turnsReset(this.#handle);
  }

  close(): void {
    if (this.#handle === undefined) return;
    addon.turnsClose(this.#handle);
    this.#handle = undefined;
  }
}
