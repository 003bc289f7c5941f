import { createConnection, type Socket } from 'node:net';
import {
  AS_TRANS,
  encodeKeepalive,
  encodeOpen,
  Families,
  frameType,
  HEADER_OCTETS,
  MAX_MESSAGE_OCTETS,
  MessageType,
  nextFrame,
  parseIp,
} from 'bgp-ts';

/** Who a session is, and whom it calls: port 179. Addresses as text. */
export interface RawSessionOptions {
  readonly localAddress: string;
  readonly remoteAddress: string;
  readonly asn: number;
  readonly holdSeconds: number;
}

/** What a session tells its owner. */
export interface RawSessionHandlers {
  established(): void;
  /** A message arrived; `bytes[start, end)` is its body, valid during the call. */
  message(type: number, bytes: Uint8Array, start: number, end: number): void;
  /** The other side ended it, or it never came up. Not called after `close`. */
  ended(reason: string): void;
}

const keepalive = encodeKeepalive();

/** One IPv4 BGP session of a load process: keeps itself alive, sends octets as they are, hands over every message. Many fit a process. */
export class RawSession {
  readonly #socket: Socket;
  readonly #handlers: RawSessionHandlers;
  readonly #holdSeconds: number;
  #rest: Uint8Array = new Uint8Array(0);
  #keepaliveTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: RawSessionOptions, handlers: RawSessionHandlers) {
    this.#handlers = handlers;
    this.#holdSeconds = options.holdSeconds;
    const { localAddress, remoteAddress, asn, holdSeconds } = options;
    const routerId = parseIp(localAddress);
    if (routerId === undefined) throw new RangeError(`address ${localAddress}`);
    this.#socket = createConnection({ host: remoteAddress, port: 179, localAddress, noDelay: true });
    const { afi, safi } = Families['ipv4-unicast'];
    this.#socket.on('connect', () => {
      const capabilities = [{ type: 'multiprotocol', afi, safi } as const, { type: 'four-octet-as', asn } as const];
      const myAs = asn > 0xffff ? AS_TRANS : asn;
      this.#socket.write(encodeOpen({ version: 4, myAs, holdSeconds, routerId, capabilities }));
    });
    this.#socket.on('data', (chunk) => this.#take(chunk));
    this.#socket.on('error', (error) => this.#end(error.message));
    this.#socket.on('close', () => this.#end('closed by the other side'));
  }

  /** Queues whole messages. */
  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Ends the connection without a word. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#keepaliveTimer);
    this.#socket.destroy();
  }

  #end(reason: string): void {
    if (this.#isClosed) return;
    this.close();
    this.#handlers.ended(reason);
  }

  #take(chunk: Uint8Array): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (!this.#isClosed) {
      const length = nextFrame(bytes, at, bytes.length, MAX_MESSAGE_OCTETS);
      if (length === 0) break;
      if (length < 0) {
        this.#end('a message header that is none');
        return;
      }
      this.#message(frameType(bytes, at), bytes, at + HEADER_OCTETS, at + length);
      at += length;
    }
    this.#rest = bytes.subarray(at);
  }

  #message(type: number, bytes: Uint8Array, start: number, end: number): void {
    if (type === MessageType.Open) {
      this.#socket.write(keepalive);
    } else if (type === MessageType.Keepalive && this.#keepaliveTimer === undefined) {
      this.#keepaliveTimer = setInterval(() => this.#socket.write(keepalive), (this.#holdSeconds * 1000) / 3);
      this.#handlers.established();
    } else if (type === MessageType.Notification) {
      this.#end(`NOTIFICATION ${bytes[start]}/${bytes[start + 1]}`);
      return;
    }
    this.#handlers.message(type, bytes, start, end);
  }
}
