import type { IpAddress, Prefix } from 'bgp-ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { BlockSpec } from './ipam/pool.ts';
import type { Wiring } from './wiring.ts';

/** Where the plugin looks for the daemon unless PODROUTE_SOCKET says otherwise. */
export const defaultSocketPath = '/run/podroute/cni.sock';

/** Where the addresses handed out are kept. */
export const defaultStatePath = '/var/lib/podroute/state.db';

/** What the server tells its owner. Called synchronously; must not throw. */
export interface CniHandlers {
  /** The first pod address of a block came into use. */
  blockUsed?(prefix: Prefix): void;
  /** The last pod address of a block was released. */
  blockUnused?(prefix: Prefix): void;
  /** A pod's network stands, its routes are in the kernel. */
  podAdded?(pod: PodView): void;
  /** A pod's network is gone. */
  podRemoved?(pod: PodView): void;
}

/** How to build a {@link CniServer}. */
export interface CniServerOptions {
  readonly socketPath?: string;
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

/** Answers the CNI plugin on a Unix socket. */
export declare class CniServer {
  constructor(options: CniServerOptions);
  /** Opens the store, finishes or undoes what a crash left, then listens. */
  start(): Promise<void>;
  /** Sets the blocks that new pods get addresses from; blocks that pods still use live on as retired. Before or after `start`. */
  setBlocks(blocks: readonly BlockSpec[]): void;
  pods(): PodView[];
  blocks(): BlockView[];
  /** Stops listening, lets running commands end, closes the store. Pods stay as they are. May be called twice. */
  close(): Promise<void>;
}
