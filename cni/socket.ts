import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { errorMessage } from '../lib/result.ts';
import { encodeReply, FrameReader, type RawRequest } from './frame.ts';

/** What to answer: the plugin's exit code and standard output. */
export interface Answer {
  readonly exitCode: number;
  readonly stdout: string;
}

/** Answers a request. Must not reject. `isWanted` tells whether the plugin still waits for the answer. */
export type AnswerRequest = (raw: RawRequest, isWanted: () => boolean) => Promise<Answer>;

/** A plugin sends its whole request at once; one that has not done so by then is gone. */
const frameTimeoutMs = 10_000;
/** How long a closing socket waits for plugins to take their answers. */
const closeTimeoutMs = 2_000;

/** The Unix socket of the plugin: one request and one reply per connection, any number of connections at once. */
export class CniSocket {
  readonly #path: string;
  readonly #answer: AnswerRequest;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #connections = new Set<Socket>();
  readonly #answering = new Set<Promise<void>>();
  /** Connections whose answer is due; those that have not sent their request yet included. */
  readonly #due = new Set<Socket>();
  readonly #busy: (isBusy: boolean) => void;
  #server: Server | undefined;

  constructor(options: {
    readonly path: string;
    readonly answer: AnswerRequest;
    readonly clock: Clock;
    readonly log: Logger;
    /** A plugin waits (true), or none waits any more (false). Called synchronously, and only on a change; must not throw. */
    readonly busy?: (isBusy: boolean) => void;
  }) {
    this.#path = options.path;
    this.#answer = options.answer;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#busy = options.busy ?? (() => {});
  }

  /**
   * Binds the socket with mode 0660, in place of one left by a daemon that was killed.
   * @throws Error when another daemon answers on it or it cannot be bound
   */
  async listen(): Promise<void> {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o755 });
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#serve(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.once('listening', () => {
        server.off('error', reject);
        server.on('error', (error) => this.#log.error('cni socket', { error: errorMessage(error) }));
        resolve();
      });
      // The socket is bound within listen(): with this umask it never exists with a wider mode than 0660.
      const before = process.umask(0o117);
      try {
        server.listen(this.#path);
      } finally {
        process.umask(before);
      }
    });
    this.#server = server;
  }

  /** Accepts nothing more and resolves once every answer that is due has been given. May be called twice. */
  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    while (this.#answering.size > 0) await Promise.all(this.#answering);
    for (const socket of this.#connections) if (!socket.writableEnded) socket.destroy();
    const timeout = this.#clock.setTimer(closeTimeoutMs, () => {
      for (const socket of this.#connections) socket.destroy();
    });
    await closed;
    timeout.clear();
  }

  #serve(socket: Socket): void {
    const reader = new FrameReader();
    let isGone = false;
    const timeout = this.#clock.setTimer(frameTimeoutMs, () => socket.destroy());
    this.#connections.add(socket);
    this.#due.add(socket);
    if (this.#due.size === 1) this.#busy(true);
    const gone = () => {
      isGone = true;
      this.#notDue(socket);
    };
    socket.on('error', () => socket.destroy());
    socket.on('end', gone);
    socket.on('close', () => {
      gone();
      timeout.clear();
      this.#connections.delete(socket);
    });
    socket.on('data', (chunk) => {
      try {
        const raw = reader.push(chunk);
        if (raw === undefined) return;
        timeout.clear();
        const answering = this.#reply(socket, raw, () => !isGone).finally(() => this.#answering.delete(answering));
        this.#answering.add(answering);
      } catch (error) {
        this.#log.warn('cni frame', { error: errorMessage(error) });
        socket.destroy();
      }
    });
  }

  async #reply(socket: Socket, raw: RawRequest, isWanted: () => boolean): Promise<void> {
    const { exitCode, stdout } = await this.#answer(raw, isWanted);
    if (!socket.destroyed) socket.end(encodeReply(exitCode, stdout));
    this.#notDue(socket);
  }

  #notDue(socket: Socket): void {
    if (this.#due.delete(socket) && this.#due.size === 0) this.#busy(false);
  }
}

/**
 * Removes the socket of a daemon that was killed, which nothing answers on.
 * @throws Error when something does
 */
export async function removeStaleSocket(path: string): Promise<void> {
  if (!existsSync(path)) return;
  const answers = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (answers) throw new Error(`${path}: another podrouted answers there`);
  rmSync(path, { force: true });
}
