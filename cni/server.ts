import { type BlockView, CniDispatcher, type CniDispatcherOptions, type PodView } from './dispatcher.ts';
import type { RawRequest } from './frame.ts';
import type { BlockSpec } from './ipam/pool.ts';
import { type Answer, CniSocket, removeStaleSocket } from './socket.ts';

export { type BlockView, type CniHandlers, defaultStatePath, type PodView } from './dispatcher.ts';

/** Where the plugin looks for the daemon unless PODROUTE_SOCKET says otherwise. */
export const defaultSocketPath = '/run/podroute/cni.sock';

/** How to build a {@link CniServer}. */
export interface CniServerOptions extends CniDispatcherOptions {
  readonly socketPath?: string;
}

/** Answers the CNI plugin on a Unix socket; the daemon's one door to `cni/`. Owns the wiring it is given. */
export class CniServer {
  readonly #options: CniServerOptions;
  readonly #socketPath: string;
  readonly #dispatcher: CniDispatcher;
  readonly #socket: CniSocket;

  constructor(options: CniServerOptions) {
    this.#options = options;
    this.#socketPath = options.socketPath ?? defaultSocketPath;
    this.#dispatcher = new CniDispatcher(options);
    this.#socket = new CniSocket({
      path: this.#socketPath,
      answer: (raw, isWanted) => this.#dispatcher.handle(raw, isWanted),
      clock: options.clock,
      log: options.log,
      busy: (isBusy) => options.handlers?.busy?.(isBusy),
    });
  }

  /**
   * Opens the store, finishes or undoes what a crash left, then listens. A store that cannot be opened is no reason not
   * to listen: commands and STATUS say what is wrong, and it is tried again.
   * @throws Error when the socket cannot be listened on, or another daemon answers on it
   */
  async start(): Promise<void> {
    await removeStaleSocket(this.#socketPath);
    await this.#dispatcher.open();
    await this.#socket.listen();
    this.#options.log.info('cni listening', { socket: this.#socketPath });
  }

  /**
   * Sets the blocks that new pods get addresses from; blocks that pods still use live on as retired. May be called
   * before and after {@link start}, with the same blocks as well.
   */
  setBlocks(blocks: readonly BlockSpec[]): void {
    this.#dispatcher.setBlocks(blocks);
  }

  /** The pod interfaces of this node, those being added and deleted included. */
  pods(): PodView[] {
    return this.#dispatcher.pods();
  }

  /** The blocks of this node, the configured ones first. */
  blocks(): BlockView[] {
    return this.#dispatcher.blocks();
  }

  /** Compares pods and the kernel, in words; see {@link CniDispatcher.audit}. */
  audit(): Promise<{ readonly interfaces: number; readonly problems: readonly string[] }> {
    return this.#dispatcher.audit();
  }

  /** Runs one request without the socket. */
  handle(raw: RawRequest): Promise<Answer> {
    return this.#dispatcher.handle(raw);
  }

  /** Stops listening, lets running commands end, closes the store. Pods stay as they are. May be called twice. */
  async close(): Promise<void> {
    this.#dispatcher.refuse();
    await this.#socket.close();
    await this.#dispatcher.close();
    await this.#options.wiring.close();
  }
}
