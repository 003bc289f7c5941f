/**
 * Many requests in few system calls. Messages are collected and sent 64 KiB at a time without asking for answers; only the
 * last one of a `flush` asks for an acknowledgement, which is the barrier. The kernel handles a batch in order before the
 * call returns, goes on after an error, and names the message at fault by its sequence number.
 */

import { type NetlinkProblem, refusal } from './errors.ts';
import { MessageFlag, type NetlinkReply, type NetlinkRequest } from './message.ts';
import { NetlinkWriter } from './writer.ts';

/** One request of a batch was refused. */
export interface BatchError {
  /** Which one, counted from 0 since the last flush. */
  readonly index: number;
  readonly problem: NetlinkProblem & { readonly code: 'refused' };
}

/** What became of a batch: everything not in `errors` was done, unless `isOverrun`. */
export interface BatchResult {
  /** Requests sent since the last flush. */
  readonly sent: number;
  readonly errors: readonly BatchError[];
  /** Error answers were lost: some requests may have failed unnoticed. List what the kernel has, and reconcile. */
  readonly isOverrun: boolean;
}

/** What a batch needs of its socket. */
export interface BatchPort {
  /** Sends whole messages. @throws NetlinkError if the socket fails */
  send(buffer: Uint8Array, octets: number): void;
  /** The same from another thread. @throws NetlinkError if the socket fails */
  sendInThread(buffer: Uint8Array, octets: number): Promise<void>;
  /** Reads the answers that are there. */
  receive(): void;
  /** Reads answers until `isDone`. @throws NetlinkError when that takes too long */
  receiveUntil(isDone: () => boolean): void;
}

/** Sequence numbers of batches have the top bit set, those of single requests do not. */
export const BATCH_SEQUENCE_BIT = 0x80000000;

/** Collects requests for one socket; see above. All synchronous, so made for worker threads. */
export class NetlinkBatch {
  readonly #port: BatchPort;
  readonly #limit: number;
  readonly #writer: NetlinkWriter;
  /** Sequence number of request 0 since the last flush, without the top bit. */
  #base = 1;
  #count = 0;
  #errors: BatchError[] = [];
  #isOverrun = false;
  #barrier = -1;

  /** @param octets how much to collect for one system call */
  constructor(port: BatchPort, octets = 65536) {
    this.#port = port;
    this.#limit = octets;
    this.#writer = new NetlinkWriter(octets + 4096);
  }

  /** Requests since the last flush. */
  get count(): number {
    return this.#count;
  }

  /**
   * Starts a request, sending what was collected if it is enough. Write the body with the writer given, then `end`.
   * For the one loop where a closure per request is too much; see `add`.
   */
  begin(type: number, flags: number): NetlinkWriter {
    if (this.#writer.length >= this.#limit) this.#send();
    const sequence = (BATCH_SEQUENCE_BIT | ((this.#base + this.#count) & 0x7fffffff)) >>> 0;
    this.#writer.begin(type, flags | MessageFlag.Request, sequence);
    return this.#writer;
  }

  /** Ends the request begun; its index is the value returned. */
  end(): number {
    this.#writer.end();
    return this.#count++;
  }

  /**
   * Adds a copy of a whole message (written by another `NetlinkWriter`, NLM_F_REQUEST set), sending what was collected if it is enough.
   * For the one loop where writing every attribute again is too much.
   * @returns index of its first word in `words`, where the caller puts what differs, before anything else is added
   */
  copy(message: Int32Array): number {
    if (this.#writer.length >= this.#limit) this.#send();
    const sequence = BATCH_SEQUENCE_BIT | ((this.#base + this.#count) & 0x7fffffff);
    this.#count++;
    return this.#writer.copy(message, sequence);
  }

  /** What was collected, as 32-bit words in host byte order. */
  get words(): Int32Array {
    return this.#writer.words;
  }

  /** The same as octets. */
  get octets(): Uint8Array {
    return this.#writer.buffer;
  }

  /** Adds a request; its index is the value returned. */
  add(request: NetlinkRequest): number {
    const writer = this.begin(request.type, request.flags);
    try {
      request.write(writer);
    } catch (error) {
      writer.abandon();
      throw error;
    }
    return this.end();
  }

  /**
   * Sends the rest and waits until the kernel has handled everything.
   * @throws NetlinkError `system` or `timeout`: how much was done is unknown
   */
  flush(): BatchResult {
    const sent = this.#count;
    try {
      if (this.#writer.length > 0) {
        this.#writer.addFlags(MessageFlag.Ack);
        this.#barrier = sent - 1;
        this.#send();
        this.#port.receiveUntil(() => this.#barrier === -1 || this.#isOverrun);
      }
      return { sent, errors: this.#errors, isOverrun: this.#isOverrun };
    } finally {
      this.#clear(sent);
    }
  }

  /**
   * `flush` for what the kernel takes long over: another thread waits for it. Nothing else may be done with the batch until
   * it is done, and the socket must stay open.
   * @throws NetlinkError `system` or `timeout`: how much was done is unknown
   */
  async flushInThread(): Promise<BatchResult> {
    const sent = this.#count;
    try {
      if (this.#writer.length > 0) {
        this.#writer.addFlags(MessageFlag.Ack);
        this.#barrier = sent - 1;
        await this.#port.sendInThread(this.#writer.buffer, this.#writer.length);
        this.#port.receiveUntil(() => this.#barrier === -1 || this.#isOverrun);
      }
      return { sent, errors: this.#errors, isOverrun: this.#isOverrun };
    } finally {
      this.#clear(sent);
    }
  }

  /** The socket's: an answer whose sequence number has the top bit. */
  reply(reply: NetlinkReply): void {
    const index = (reply.sequence - this.#base) & 0x7fffffff;
    if (index >= this.#count) return;
    if (reply.errno !== 0) this.#errors.push({ index, problem: refusal(reply.errno, reply.text, reply.offset) });
    if (index === this.#barrier) this.#barrier = -1;
  }

  /** The socket's: answers were lost. */
  overrun(): void {
    if (this.#count > 0) this.#isOverrun = true;
  }

  /** Ready for the next requests, after so many. */
  #clear(sent: number): void {
    this.#writer.reset();
    this.#base = (this.#base + sent) & 0x7fffffff;
    this.#count = 0;
    this.#errors = [];
    this.#isOverrun = false;
    this.#barrier = -1;
  }

  #send(): void {
    const octets = this.#writer.length;
    try {
      this.#port.send(this.#writer.buffer, octets);
    } finally {
      this.#writer.reset();
    }
    this.#port.receive();
  }
}
