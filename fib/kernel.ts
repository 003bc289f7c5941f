import type { IpAddress } from 'bgp-ts';
import type { FibNextHop, TargetTable } from './target.ts';

/** What a batch asks for one prefix. The values are words of the batch (see `RouteBatch`). */
export const RouteOp = {
  /** Create; refused with EEXIST when any route holds prefix and metric. */
  Add: 1,
  /** Exchange the route that holds prefix and metric; refused with ENOENT when there is none. */
  Replace: 2,
  /** Delete the route of our protocol number with this prefix and metric; ESRCH when there is none. */
  Delete: 3,
  /** Delete, then Add: what turns out to be ours gives way, a foreign route stays and answers EEXIST. */
  Reclaim: 4,
  /** Delete these next hops, of our protocol number, from the routes with this prefix and metric; ESRCH when one is not there. IPv6 only. */
  DeleteHops: 5,
} as const;
export type RouteOp = (typeof RouteOp)[keyof typeof RouteOp];

/** Words of one operation in a `RouteBatch`. */
export const OP_WORDS = 8;

/**
 * Operations on routes of one protocol number in one table, in order. `words` holds `count` times `OP_WORDS` signed 32-bit values:
 * 0 operation | version (4, 6) << 8 | prefix length << 16; 1 the caller's own mark, handed back untouched; 2 target id (see
 * `TargetTable`; None for Delete, what is to go for DeleteHops); 3 metric as uint32; 4..7 address, most significant word first (IPv4 uses word 4 only).
 * The array's memory is moved to the kernel side and comes back with the result.
 */
export interface RouteBatch {
  readonly protocol: number;
  readonly table: number;
  readonly count: number;
  readonly words: Int32Array<ArrayBuffer>;
}

/** What became of a batch. */
export interface BatchResult {
  /** The batch as it was given, for its marks and for reuse. */
  readonly words: Int32Array<ArrayBuffer>;
  /** Pairs (index of the operation, positive errno) of those refused, in order; every other operation took effect. */
  readonly failures: Int32Array;
  /** The kernel lost answers (ENOBUFS): nothing is known about any operation of the batch; list and compare. */
  readonly uncertain: boolean;
}

/** Why a `RouteRecord` is given. */
export const RecordKind = {
  /** Found by `list`. */
  Listed: 0,
  /** Somebody else added it. */
  Added: 1,
  /** Somebody else put it in the place of the first route with the same prefix and metric. */
  Replaced: 2,
  /** It is gone, removed by somebody else or by the kernel. */
  Deleted: 3,
} as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

/** Or-ed to a `RecordKind` by `list` with `beside`: another program has a route with the same prefix and metric. */
export const FOREIGN_BESIDE = 0x100;

/** Words of one route in `RouteRecords`. */
export const RECORD_WORDS = 10;

/**
 * Routes as the kernel has them. `words` holds `count` times `RECORD_WORDS` signed 32-bit values: 0 RecordKind, perhaps with FOREIGN_BESIDE; 1 version (4, 6) |
 * prefix length << 8; 2 table as uint32; 3 protocol number; 4 metric as uint32; 5 target id in the kernel's `targets`; 6..9
 * address, most significant word first (IPv4 uses word 6 only). Valid only during the call that gives them.
 */
export interface RouteRecords {
  readonly count: number;
  readonly words: Int32Array;
}

/** A network interface. */
export interface KernelLink {
  readonly ifIndex: number;
  readonly name: string;
  /** Administratively up (IFF_UP). The kernel drops routes through a link when this turns false. */
  readonly up: boolean;
  /** Has carrier (IFF_LOWER_UP); routes through a link without carrier stay in the kernel but lead nowhere. */
  readonly carrier: boolean;
}

/** An address of this machine. */
export interface KernelAddress {
  readonly ifIndex: number;
  readonly address: IpAddress;
  readonly length: number;
}

/** Which routes `list` gives; what is left out is not asked for. */
export interface RouteFilter {
  readonly protocol?: number;
  readonly table?: number;
  /** Look at routes of all protocols, to find out which of those given have a foreign one beside them (costs reading them all). */
  readonly beside?: boolean;
}

/** A nexthop object: one way to go, or a group of objects to spread over. `other`: of a kind that is never written here. */
export type KernelNextHop =
  | { readonly type: 'single'; readonly id: number; readonly protocol: number; readonly hop: FibNextHop }
  | { readonly type: 'group'; readonly id: number; readonly protocol: number; readonly members: readonly GroupMember[] }
  | { readonly type: 'other'; readonly id: number; readonly protocol: number };

/** One member of a group, with its share of the traffic, 1 to 256. */
export interface GroupMember {
  readonly id: number;
  readonly weight: number;
}

/**
 * What to do with a nexthop object: `add` is refused with EEXIST when the id is taken; `replace` puts another content under the routes that
 * name it; with a deleted object the kernel removes the routes that name it.
 */
export type NextHopOperation =
  | { readonly op: 'add' | 'replace'; readonly nextHop: Exclude<KernelNextHop, { readonly type: 'other' }> }
  | { readonly op: 'delete'; readonly id: number };

/** What became of operations on nexthop objects. */
export interface NextHopResult {
  /** Positive errno of each operation, 0 for those that took effect. */
  readonly errnos: readonly number[];
  /** The kernel lost answers: nothing is known about any of them. */
  readonly uncertain: boolean;
}

/** Who is told of changes that others made. Changes made through `apply` are not reported. */
export interface KernelWatcher {
  routes(records: RouteRecords): void;
  link(link: KernelLink, present: boolean): void;
  address(address: KernelAddress, present: boolean): void;
  /** A nexthop object was added, changed or removed; those that go with a link go without a word. */
  nextHop?(id: number): void;
  /** Notifications were lost: whatever was believed about the kernel has to be read again. */
  overflow(): void;
}

/** The kernel's routing tables, as `Fib` and `NextHopTable` need them. Real: `NetlinkKernel`; in tests: a fake with faults on request. */
export interface KernelRoutes {
  /** The ids that batches and records use. */
  readonly targets: TargetTable;
  /** Performs a batch; batches take effect in the order given. Rejects with `KernelError` only when the kernel is out of reach. */
  apply(batch: RouteBatch): Promise<BatchResult>;
  /** Gives all routes of both families that match, in pieces, and resolves after the last. Rejects with `KernelError`. */
  list(filter: RouteFilter, sink: (records: RouteRecords) => void): Promise<void>;
  /** Performs operations on nexthop objects, in order, and in order with the batches given to `apply`. Rejects with `KernelError`. */
  applyNextHops(operations: readonly NextHopOperation[]): Promise<NextHopResult>;
  /** All nexthop objects; undefined when the kernel has none to offer. Rejects with `KernelError`. */
  listNextHops(): Promise<readonly KernelNextHop[] | undefined>;
  links(): Promise<readonly KernelLink[]>;
  addresses(): Promise<readonly KernelAddress[]>;
  /** Starts reporting to `watcher`; call what is returned to stop. */
  watch(watcher: KernelWatcher): () => void;
  /** Releases sockets and threads; leaves all routes as they are. May be called twice. */
  close(): Promise<void>;
}

/** What can be wrong with the kernel side as a whole (single routes report their errno in `BatchResult`). */
export type KernelErrorDetail =
  | { readonly code: 'closed' }
  | { readonly code: 'refused'; readonly errno: string; readonly syscall: string }
  | { readonly code: 'worker'; readonly reason: string };

/** The kernel, or the thread that talks to it, is out of reach. */
export class KernelError extends Error {
  readonly detail: KernelErrorDetail;

  constructor(detail: KernelErrorDetail, options?: ErrorOptions) {
    super(describe(detail), options);
    this.name = 'KernelError';
    this.detail = detail;
  }
}

function describe(detail: KernelErrorDetail): string {
  switch (detail.code) {
    case 'closed':
      return 'kernel routes: closed';
    case 'refused':
      return `kernel routes: ${detail.syscall} refused with ${detail.errno}`;
    case 'worker':
      return `kernel routes: writer thread ended: ${detail.reason}`;
  }
}
