import { Worker } from 'node:worker_threads';

/** To the worker: delete this interface. */
export interface UnlinkRequest {
  readonly id: number;
  readonly name: string;
}

/** From the worker: done, or why not. */
export interface UnlinkReply {
  readonly id: number;
  readonly error?: string;
}

interface Waiting {
  resolve(): void;
  reject(error: Error): void;
}

/** The daemon's side of the worker that deletes interfaces. The worker lives from construction to close. */
export class Unlinker {
  readonly #worker = new Worker(new URL('./unlink-worker.ts', import.meta.url));
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #failure: Error | undefined;

  constructor() {
    this.#worker.unref();
    this.#worker.on('message', (reply: UnlinkReply) => this.#settle(reply));
    this.#worker.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on('exit', () => this.#fail(new Error('the thread that deletes interfaces has ended')));
  }

  /**
   * Deletes an interface of this namespace; none there is success.
   * @throws Error with the kernel's reason
   */
  unlink(name: string): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId;
      this.#waiting.set(id, { resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage({ id, name } satisfies UnlinkRequest);
    });
  }

  /** Ends the worker; what it has not answered fails. May be called twice. */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #settle(reply: UnlinkReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (reply.error === undefined) waiting?.resolve();
    else waiting?.reject(new Error(reply.error));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}
