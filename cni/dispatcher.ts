import { formatIp, type IpAddress, type Prefix } from 'bgp-ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { errorMessage, unreachable } from '../lib/result.ts';
import { add, addressesOf } from './add.ts';
import { check } from './check.ts';
import type { CommandContext, StepPoint } from './context.ts';
import { del } from './del.ts';
import type { RawRequest } from './frame.ts';
import { gc } from './gc.ts';
import { Ipam } from './ipam/ipam.ts';
import type { BlockSpec } from './ipam/pool.ts';
import { type Attachment, type AttachmentKey, type IpamStore, SqliteStore } from './ipam/store.ts';
import { KeyedLock } from './keyed-lock.ts';
import { reconcile } from './reconcile.ts';
import { type AttachRequest, type CniRequest, parseRequest, versionOf } from './request.ts';
import type { Answer } from './socket.ts';
import {
  CniCode,
  CniCommand,
  CniError,
  type CniVersion,
  fallbackVersion,
  isSupportedVersion,
  printError,
  printResult,
  printVersions,
} from './spec.ts';
import { status } from './status.ts';
import type { Wiring } from './wiring.ts';

/** Where the addresses handed out are kept. */
export const defaultStatePath = '/var/lib/podroute/state.db';

/** What the server tells its owner. Called synchronously; must not throw. */
export interface CniHandlers {
  /** No address is free: get more blocks if there are any. @returns whether trying again makes sense */
  moreAddresses?(): Promise<boolean>;
  /** The first pod address of a block came into use; at start once for every block in use. May be repeated. */
  blockUsed?(prefix: Prefix): void;
  /** The last pod address of a block was released. */
  blockUnused?(prefix: Prefix): void;
  /** A pod's network stands, its routes are in the kernel. */
  podAdded?(pod: PodView): void;
  /** A pod's network is gone. */
  podRemoved?(pod: PodView): void;
  /** The plugin waits for an answer (true), or no longer (false): what can wait had better give way. */
  busy?(isBusy: boolean): void;
}

/** How to build a {@link CniDispatcher}. */
export interface CniDispatcherOptions {
  /** File of the address store; its directory is made when missing. `:memory:` keeps nothing. */
  readonly statePath?: string;
  readonly wiring: Wiring;
  readonly clock: Clock;
  readonly log: Logger;
  readonly handlers?: CniHandlers;
  /** MTU of pods in octets, for configurations without `mtu`; nothing means detected from the node's uplinks. */
  readonly mtu?: number;
  /** How long a released address rests before it is handed out again, as long as others are free. Default 60. */
  readonly coolDownSeconds?: number;
  /** Opens the address store; the file at `statePath` when absent. */
  readonly openStore?: () => IpamStore;
  /** For tests: called between the steps of ADD and DEL. */
  readonly onStep?: (point: StepPoint, key: AttachmentKey) => void;
}

/** One pod interface, for `bgpctl show pods`. */
export interface PodView {
  readonly containerId: string;
  readonly ifName: string;
  readonly hostIfName: string;
  /** Name of the network configuration. */
  readonly network: string;
  readonly podNamespace?: string;
  readonly podName?: string;
  readonly netns: string;
  readonly addresses: readonly IpAddress[];
  readonly state: 'adding' | 'ready' | 'deleting';
  /** Milliseconds since 1970. */
  readonly createdMs: number;
}

/** One address block, for `bgpctl show blocks`. */
export interface BlockView {
  readonly prefix: Prefix;
  /** Addresses that can be handed out, reserved ones not counted. */
  readonly capacity: number;
  readonly used: number;
  /** No longer configured: serves the pods it has and takes no new ones. */
  readonly retired: boolean;
}

/** How long a request may wait for earlier ones of its container. */
const queueTimeoutMs = 60_000;
/** A store that could not be opened is tried again with a request, at most this often. */
const retryOpenMs = 1_000;

/**
 * Performs CNI commands: those of one container one after the other, those of different containers side by side. When
 * the store cannot be opened it answers all the same, with that as the error, and tries again with later requests.
 */
export class CniDispatcher {
  readonly #options: CniDispatcherOptions;
  readonly #statePath: string;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #locks = new KeyedLock();
  #blocks: readonly BlockSpec[] = [];
  #context: CommandContext | undefined;
  #opening: Promise<CommandContext> | undefined;
  #openFailure: { readonly error: CniError; readonly atMs: number } | undefined;
  #closing = false;

  constructor(options: CniDispatcherOptions) {
    this.#options = options;
    this.#statePath = options.statePath ?? defaultStatePath;
    this.#log = options.log;
    this.#clock = options.clock;
  }

  /** Opens the store and finishes or undoes what a crash left. A store that cannot be opened is logged. */
  async open(): Promise<void> {
    try {
      await this.#open();
    } catch (error) {
      this.#log.error('cni store', { path: this.#statePath, error: errorMessage(error) });
    }
  }

  /**
   * Sets the blocks that new pods get addresses from; blocks that pods still use live on as retired. May be called
   * before and after {@link open}, with the same blocks as well.
   */
  setBlocks(blocks: readonly BlockSpec[]): void {
    this.#blocks = blocks;
    if (this.#context !== undefined) this.#applyBlocks(this.#context.ipam);
  }

  pods(): PodView[] {
    return this.#context?.ipam.attachments().map(podView) ?? [];
  }

  blocks(): BlockView[] {
    return this.#context?.ipam.blocks() ?? [];
  }

  /** Compares pods and the kernel: host ends that are nobody's, and pods without one. */
  async audit(): Promise<{ readonly interfaces: number; readonly problems: readonly string[] }> {
    const { ipam, wiring } = this.#context ?? {};
    if (ipam === undefined || wiring === undefined)
      return { interfaces: 0, problems: ['the address store is not open'] };
    const found = await wiring.hostInterfaces();
    const names = new Set(found.map(({ name }) => name));
    // Read after the kernel: what is being added or deleted meanwhile is not held against it.
    const pods = ipam.attachments().map(podView);
    const known = new Set(pods.map(({ hostIfName: name }) => name));
    return {
      interfaces: found.length,
      problems: [
        ...found.filter(({ name }) => !known.has(name)).map(({ name }) => `interface ${name} belongs to no pod`),
        ...pods
          .filter(({ state, hostIfName: name }) => state === 'ready' && !names.has(name))
          .map(({ containerId, hostIfName: name }) => `container ${containerId} has no interface ${name}`),
      ],
    };
  }

  /** Refuses new commands from now on; running ones go on. */
  refuse(): void {
    this.#closing = true;
  }

  /** Lets running commands end and closes the store. Pods stay as they are. May be called twice. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#locks.idle();
    this.#context?.ipam.close();
    this.#context = undefined;
  }

  /**
   * Runs one request: what to print and the exit code. Never rejects.
   * @param isWanted asked once the request's turn has come; false means that nobody waits for the answer any more
   */
  async handle(raw: RawRequest, isWanted: () => boolean = () => true): Promise<Answer> {
    const asked = versionOf(raw) ?? '';
    const version: CniVersion = isSupportedVersion(asked) ? asked : fallbackVersion;
    try {
      const value = await this.#run(parseRequest(raw), isWanted);
      return { exitCode: 0, stdout: value === undefined ? '' : `${JSON.stringify(value)}\n` };
    } catch (error) {
      const shown =
        error instanceof CniError
          ? error
          : new CniError(CniCode.Internal, 'podrouted failed unexpectedly', errorMessage(error), { cause: error });
      this.#report(raw, shown);
      return { exitCode: 1, stdout: `${JSON.stringify(printError(shown, version))}\n` };
    }
  }

  async #run(request: CniRequest, isWanted: () => boolean): Promise<Record<string, unknown> | undefined> {
    if (request.command === CniCommand.Version) return printVersions(request.asked);
    const context = await this.#ready(request.command);
    switch (request.command) {
      case CniCommand.Add:
        return this.#locked(request.containerId, async () => {
          if (!isWanted()) throw new CniError(CniCode.TryAgainLater, 'the runtime gave up before its turn came');
          const startedMs = this.#clock.nowMs();
          const result = await add(context, request);
          const tookMs = Math.round((this.#clock.nowMs() - startedMs) * 100) / 100;
          this.#log.info('cni add', {
            ...logFields(request),
            addresses: result.ips.map((entry) => formatIp(entry.address)),
            tookMs,
          });
          return printResult(result, request.config.version, request.config.previous);
        });
      case CniCommand.Check:
        return this.#locked(request.containerId, async () => void (await check(context, request)));
      case CniCommand.Del:
        return this.#locked(request.containerId, async () => {
          await del(context, request);
          this.#log.info('cni del', { container: request.containerId, interface: request.ifName });
          return undefined;
        });
      case CniCommand.Gc:
        await gc(context, request, (containerId, task) => this.#locked(containerId, task));
        return undefined;
      case CniCommand.Status:
        status(context);
        return undefined;
      default:
        return unreachable(request);
    }
  }

  /** The task's own time starts when its turn comes; a turn that does not come is an error the runtime can retry. */
  #locked<T>(containerId: string, task: () => Promise<T>): Promise<T> {
    const askedMs = this.#clock.nowMs();
    return this.#locks.run(containerId, () => {
      if (this.#closing) throw new CniError(CniCode.TryAgainLater, 'podrouted is stopping');
      if (this.#clock.nowMs() - askedMs > queueTimeoutMs) {
        throw new CniError(
          CniCode.TryAgainLater,
          `an earlier request for this container took more than ${queueTimeoutMs / 1000} s`,
        );
      }
      return task();
    });
  }

  /** The opened store, or the error that the command answers with. */
  async #ready(command: CniCommand): Promise<CommandContext> {
    if (this.#closing) throw new CniError(CniCode.TryAgainLater, 'podrouted is stopping');
    if (this.#context !== undefined) return this.#context;
    const failure = this.#openFailure;
    const isFresh = failure !== undefined && this.#clock.nowMs() - failure.atMs < retryOpenMs;
    try {
      if (isFresh) throw failure.error;
      return await this.#open();
    } catch (error) {
      if (command !== CniCommand.Status || !(error instanceof CniError)) throw error;
      throw new CniError(CniCode.NotAvailable, error.message, error.details, { cause: error });
    }
  }

  #open(): Promise<CommandContext> {
    this.#opening ??= this.#openOnce().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #openOnce(): Promise<CommandContext> {
    const { wiring, mtu, handlers } = this.#options;
    const ipam = this.#openIpam();
    const context: CommandContext = {
      ipam,
      wiring,
      clock: this.#clock,
      log: this.#log,
      ...(mtu === undefined ? {} : { mtu }),
      step: (point, key) => this.#options.onStep?.(point, key),
      moreAddresses: async () => (await handlers?.moreAddresses?.()) ?? false,
      attached: (attachment) => handlers?.podAdded?.(podView(attachment)),
      detached: (attachment) => handlers?.podRemoved?.(podView(attachment)),
    };
    const report = await reconcile(context);
    this.#applyBlocks(ipam);
    if (Object.values(report).some((count) => count > 0)) this.#log.info('cni reconciled', { ...report });
    this.#context = context;
    this.#openFailure = undefined;
    for (const block of ipam.blocks()) if (block.used > 0) handlers?.blockUsed?.(block.prefix);
    return context;
  }

  #openIpam(): Ipam {
    try {
      const store = this.#options.openStore?.() ?? new SqliteStore(this.#statePath, this.#clock);
      const handlers = this.#options.handlers ?? {};
      return new Ipam(store, { coolDownMs: (this.#options.coolDownSeconds ?? 60) * 1000, handlers });
    } catch (cause) {
      const error = new CniError(
        CniCode.IoFailure,
        'podrouted cannot open its address store',
        `${this.#statePath}: ${errorMessage(cause)}`,
        { cause },
      );
      this.#openFailure = { error, atMs: this.#clock.nowMs() };
      throw error;
    }
  }

  #applyBlocks(ipam: Ipam): void {
    try {
      ipam.setBlocks(this.#blocks);
    } catch (error) {
      this.#log.error('cni blocks not saved', { path: this.#statePath, error: errorMessage(error) });
    }
    try {
      this.#options.wiring.prepareHost(ipam.families());
    } catch (error) {
      this.#log.error('cni forwarding', { error: errorMessage(error) });
    }
  }

  #report(raw: RawRequest, error: CniError): void {
    const fields = {
      command: raw.environment.get('CNI_COMMAND'),
      container: raw.environment.get('CNI_CONTAINERID'),
      code: error.code,
      msg: error.message,
      details: error.details,
    };
    if (error.code === CniCode.Internal) {
      const cause = error.cause instanceof Error ? error.cause.stack : undefined;
      this.#log.error('cni bug', { ...fields, stack: cause });
    } else this.#log.warn('cni refused', fields);
  }
}

function podView(attachment: Attachment): PodView {
  const { containerId, ifName, hostIfName, network, netns, podNamespace, podName, state, createdMs } = attachment;
  return {
    containerId,
    ifName,
    hostIfName,
    network,
    netns,
    ...(podNamespace === undefined ? {} : { podNamespace }),
    ...(podName === undefined ? {} : { podName }),
    addresses: addressesOf(attachment),
    state,
    createdMs,
  };
}

function logFields(request: AttachRequest): Record<string, unknown> {
  const pod = request.podName === undefined ? undefined : `${request.podNamespace ?? ''}/${request.podName}`;
  return { container: request.containerId, interface: request.ifName, ...(pod === undefined ? {} : { pod }) };
}
