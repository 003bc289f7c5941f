/** What the main thread and the thread of `netlink-worker.ts` say to each other. Words are transferred, not copied. */
import type {
  KernelAddress,
  KernelErrorDetail,
  KernelLink,
  KernelNextHop,
  NextHopOperation,
  RouteFilter,
} from './kernel.ts';
import type { FibNextHop } from './target.ts';

/** How to open the sockets. */
export interface WorkerOptions {
  /** Network namespace to work in (`/run/netns/NAME`); the process's own when absent. */
  readonly netnsPath?: string;
  /** Receive buffer for notifications. */
  readonly watchBufferOctets: number;
  /** Receive buffer for the verdicts on what is written. */
  readonly writeBufferOctets: number;
  /** One 32-bit value, 1 while route writes are to give way (`giveWay` of `NetlinkKernel`), else 0. */
  readonly giveWay: SharedArrayBuffer;
}

/** Main thread to writer thread. `targets` are the sets interned since the last message that had any, in the order of their ids. */
export type ToWorker =
  | {
      readonly type: 'apply';
      readonly id: number;
      readonly protocol: number;
      readonly table: number;
      readonly count: number;
      readonly words: Int32Array<ArrayBuffer>;
      readonly targets: readonly (readonly FibNextHop[])[];
    }
  | { readonly type: 'list'; readonly id: number; readonly filter: RouteFilter }
  | { readonly type: 'apply-nexthops'; readonly id: number; readonly operations: readonly NextHopOperation[] }
  | { readonly type: 'nexthops'; readonly id: number }
  | { readonly type: 'links'; readonly id: number }
  | { readonly type: 'addresses'; readonly id: number }
  | { readonly type: 'close' };

/** A piece of a listing (`id` above 0) or notifications (`id` 0). Target ids are the worker's own; `targets` are those new since its last piece. */
export interface RecordsMessage {
  readonly type: 'records';
  readonly id: number;
  readonly count: number;
  readonly words: Int32Array<ArrayBuffer>;
  readonly targets: readonly (readonly FibNextHop[])[];
}

/** Writer thread to main thread. */
export type FromWorker =
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly id: number; readonly detail: KernelErrorDetail }
  | {
      readonly type: 'applied';
      readonly id: number;
      readonly words: Int32Array<ArrayBuffer>;
      readonly failures: Int32Array;
      readonly uncertain: boolean;
    }
  | RecordsMessage
  | { readonly type: 'listed'; readonly id: number }
  | {
      readonly type: 'nexthops-applied';
      readonly id: number;
      readonly errnos: readonly number[];
      readonly uncertain: boolean;
    }
  | { readonly type: 'nexthops'; readonly id: number; readonly nextHops: readonly KernelNextHop[] | undefined }
  | { readonly type: 'nexthop'; readonly nextHop: number }
  | { readonly type: 'links'; readonly id: number; readonly links: readonly KernelLink[] }
  | { readonly type: 'addresses'; readonly id: number; readonly addresses: readonly KernelAddress[] }
  | { readonly type: 'link'; readonly link: KernelLink; readonly present: boolean }
  | { readonly type: 'address'; readonly address: KernelAddress; readonly present: boolean }
  | { readonly type: 'overflow' };
