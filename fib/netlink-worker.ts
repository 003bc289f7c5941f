/**
 * The thread that talks to the kernel for `NetlinkKernel`: three sockets, for writing, for listing and for notifications. One send can
 * stall for hundreds of milliseconds while the kernel resizes its trie, which is why this is not the main thread.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { close, openNetns, SystemError } from '../native/index.ts';
import { decodeAddress, dumpAddresses, type InterfaceAddress } from '../netlink/address.ts';
import { NetlinkError } from '../netlink/errors.ts';
import { decodeLink, dumpLinks, type Link } from '../netlink/link.ts';
import { MessageType, type NetlinkMessage } from '../netlink/message.ts';
import { decodeNextHop, dumpNextHops } from '../netlink/nexthop.ts';
import { dumpRoutes } from '../netlink/route.ts';
import { NetlinkGroup, NetlinkSocket } from '../netlink/socket.ts';
import {
  type KernelAddress,
  type KernelErrorDetail,
  type KernelLink,
  type NextHopOperation,
  RECORD_WORDS,
  type RouteFilter,
} from './kernel.ts';
import { asKernelNextHop, nextHopRequest } from './next-hop-codec.ts';
import { type Outcome, RouteBatchWriter } from './route-batch.ts';
import { RouteRecordReader } from './route-records.ts';
import { encoderWarmUp } from './warm-up.ts';
import type { FromWorker, ToWorker, WorkerOptions } from './worker-protocol.ts';

/** Records that make a message to the main thread worth its while; 40 octets each. */
const PIECE = 4096;

/**
 * Octets handed to the kernel at once, some 1,100 routes: about 3 ms, after which somebody else may have its lock. A quarter of it lets go sooner,
 * but costs 7 to 17 % more CPU.
 */
const SEND_OCTETS = 64 * 1024;

/** How long one send gives way at most. */
const PAUSE_MS = 25;

if (parentPort === null) throw new Error('netlink-worker: to be started by NetlinkKernel');
const port = parentPort;

function post(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

function detailOf(error: unknown): KernelErrorDetail {
  if (error instanceof NetlinkError) {
    const { detail } = error;
    if (detail.code === 'refused') return { code: 'refused', errno: detail.name, syscall: 'netlink' };
    if (detail.code === 'system') return { code: 'refused', errno: detail.name, syscall: detail.syscall };
  }
  if (error instanceof Error && 'code' in error && 'syscall' in error) {
    return { code: 'refused', errno: String(error.code), syscall: String(error.syscall) };
  }
  return { code: 'worker', reason: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

function asKernelLink(link: Link): KernelLink {
  return { ifIndex: link.index, name: link.name, up: link.isUp, carrier: link.isRunning };
}

function asKernelAddress(address: InterfaceAddress): KernelAddress {
  const { version, octets, interfaceIndex, prefixLength } = address;
  return { ifIndex: interfaceIndex, address: { version, octets }, length: prefixLength };
}

/** Notifications, in the order they came, in pieces as big as one turn of the event loop brought. */
class Watch {
  readonly #reader = new RouteRecordReader();
  readonly #writerPort: number;
  #isFlushDue = false;

  constructor(writerPort: number) {
    this.#writerPort = writerPort;
  }

  notification(message: NetlinkMessage): void {
    if (message.portId === this.#writerPort) return;
    switch (message.type) {
      case MessageType.NewRoute:
      case MessageType.DelRoute:
        this.#reader.read(message, false);
        if (this.#reader.count >= PIECE) this.flush();
        else this.#flushSoon();
        break;
      case MessageType.NewNextHop:
      case MessageType.DelNextHop: {
        const nextHop = decodeNextHop(message);
        this.flush();
        if (nextHop !== undefined) post({ type: 'nexthop', nextHop: nextHop.id });
        break;
      }
      case MessageType.NewLink:
      case MessageType.DelLink: {
        const link = decodeLink(message);
        this.flush();
        if (link !== undefined) {
          post({ type: 'link', link: asKernelLink(link), present: message.type === MessageType.NewLink });
        }
        break;
      }
      case MessageType.NewAddress:
      case MessageType.DelAddress: {
        const address = decodeAddress(message);
        this.flush();
        if (address !== undefined) {
          const present = message.type === MessageType.NewAddress;
          post({ type: 'address', address: asKernelAddress(address), present });
        }
        break;
      }
    }
  }

  overrun(): void {
    this.flush();
    post({ type: 'overflow' });
  }

  flush(): void {
    this.#isFlushDue = false;
    if (this.#reader.count === 0) return;
    const { count, words, targets } = this.#reader.take();
    post({ type: 'records', id: 0, count, words, targets }, [words.buffer]);
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    queueMicrotask(() => this.flush());
  }
}

/** What `open` makes of the first groups, or of the second on a kernel that does not know all of the first. */
function openBest(
  open: (groups: readonly number[]) => NetlinkSocket,
  groups: readonly number[],
  fewer: readonly number[],
): NetlinkSocket {
  try {
    return open(groups);
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== 'EINVAL') throw error;
    return open(fewer);
  }
}

/** Whether an answer means that the kernel knows no nexthop objects (before Linux 5.3). */
function isUnsupported({ detail }: NetlinkError): boolean {
  if (detail.code !== 'refused') return false;
  return ['ENOTSUP', 'EOPNOTSUPP', 'EINVAL'].includes(detail.name);
}

/** The sockets, and what is asked of them. */
class Sockets {
  readonly #write: NetlinkSocket;
  readonly #list: NetlinkSocket;
  readonly #watch: NetlinkSocket;
  readonly #writer: RouteBatchWriter;

  constructor(options: WorkerOptions) {
    const netnsFd = options.netnsPath === undefined ? -1 : openNetns(options.netnsPath);
    const inNetns = netnsFd < 0 ? {} : { netnsFd };
    try {
      this.#write = NetlinkSocket.open({ ...inNetns, receiveBufferOctets: options.writeBufferOctets });
      this.#list = NetlinkSocket.open(inNetns);
      const { Link, Ipv4Address, Ipv4Route, Ipv6Address, Ipv6Route } = NetlinkGroup;
      const groups = [Link, Ipv4Address, Ipv4Route, Ipv6Address, Ipv6Route];
      const watch = new Watch(this.#write.portId);
      const open = (groups: readonly number[]): NetlinkSocket =>
        NetlinkSocket.open({
          ...inNetns,
          groups,
          handlers: {
            notification: (message) => watch.notification(message),
            overrun: () => watch.overrun(),
            failed: (error) => {
              throw error; // ends the thread: another one starts afresh
            },
          },
          receiveBufferOctets: options.watchBufferOctets,
        });
      this.#watch = openBest(open, [...groups, NetlinkGroup.NextHop], groups);
      this.#watch.hidePorts([this.#write.portId]);
      const giveWay = new Int32Array(options.giveWay);
      const pause = (): void => void Atomics.wait(giveWay, 0, 1, PAUSE_MS);
      this.#writer = new RouteBatchWriter(this.#write.batch(SEND_OCTETS, pause));
    } finally {
      if (netnsFd >= 0) close(netnsFd);
    }
  }

  apply(message: ToWorker & { readonly type: 'apply' }): void {
    const { id, words } = message;
    let outcome: Outcome = { failures: new Int32Array(0), uncertain: true };
    this.#writer.addTargets(message.targets);
    try {
      outcome = this.#writer.apply(words, message.count, message.protocol, message.table);
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
    }
    post({ type: 'applied', id, words, ...outcome }, [words.buffer]);
  }

  async routes(id: number, filter: RouteFilter): Promise<void> {
    const reader = new RouteRecordReader(filter);
    for (const version of [4, 6] as const) {
      const request = dumpRoutes({
        version,
        table: filter.table,
        ...(filter.beside === true ? {} : { protocol: filter.protocol }),
      });
      await this.#list.query(
        {
          ...request,
          write(writer) {
            reader.reset(); // written again when the listing was interrupted by a change
            request.write(writer);
          },
        },
        (message) => {
          if (message.type === MessageType.NewRoute) reader.read(message, true);
          return undefined;
        },
      );
      const { words, targets, count } = reader.take();
      for (let from = 0; from < count; from += PIECE) {
        const piece = words.slice(from * RECORD_WORDS, (from + PIECE) * RECORD_WORDS);
        const isFirst = from === 0;
        const inPiece = piece.length / RECORD_WORDS;
        post({ type: 'records', id, count: inPiece, words: piece, targets: isFirst ? targets : [] }, [piece.buffer]);
      }
    }
    post({ type: 'listed', id });
  }

  applyNextHops(id: number, operations: readonly NextHopOperation[]): void {
    const errnos = operations.map(() => 0);
    let uncertain = false;
    const batch = this.#write.batch();
    try {
      for (const operation of operations) batch.add(nextHopRequest(operation));
      const { errors, isOverrun } = batch.flush();
      for (const { index, problem } of errors) errnos[index] = problem.errno;
      uncertain = isOverrun;
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error;
      uncertain = true;
    }
    post({ type: 'nexthops-applied', id, errnos, uncertain });
  }

  async nextHops(id: number): Promise<void> {
    try {
      const nextHops = await this.#list.query(dumpNextHops(), asKernelNextHop);
      post({ type: 'nexthops', id, nextHops });
    } catch (error) {
      if (!(error instanceof NetlinkError) || !isUnsupported(error)) throw error;
      post({ type: 'nexthops', id, nextHops: undefined });
    }
  }

  async links(id: number): Promise<void> {
    const links = await this.#list.query(dumpLinks(), decodeLink);
    post({ type: 'links', id, links: links.map(asKernelLink) });
  }

  async addresses(id: number): Promise<void> {
    const addresses = await this.#list.query(dumpAddresses(), decodeAddress);
    post({ type: 'addresses', id, addresses: addresses.map(asKernelAddress) });
  }

  close(): void {
    this.#write.close();
    this.#list.close();
    this.#watch.close();
  }
}

function start(): void {
  let sockets: Sockets;
  try {
    sockets = new Sockets(workerData as WorkerOptions);
  } catch (error) {
    post({ type: 'failed', id: 0, detail: detailOf(error) });
    port.close();
    return;
  }
  const answer = (id: number, work: Promise<void>): void => {
    work.catch((error: unknown) => post({ type: 'failed', id, detail: detailOf(error) }));
  };
  port.on('message', (message: ToWorker) => {
    switch (message.type) {
      case 'apply':
        sockets.apply(message);
        break;
      case 'list':
        answer(message.id, sockets.routes(message.id, message.filter));
        break;
      case 'apply-nexthops':
        sockets.applyNextHops(message.id, message.operations);
        break;
      case 'nexthops':
        answer(message.id, sockets.nextHops(message.id));
        break;
      case 'links':
        answer(message.id, sockets.links(message.id));
        break;
      case 'addresses':
        answer(message.id, sockets.addresses(message.id));
        break;
      case 'close':
        sockets.close();
        port.close();
        break;
    }
  });
  post({ type: 'ready' });
  warmUp();
}

/** Between other things, in pieces too short to keep them waiting. */
function warmUp(): void {
  const step = encoderWarmUp();
  const next = (): void => {
    if (step()) setImmediate(next).unref();
  };
  setImmediate(next).unref();
}

start();
