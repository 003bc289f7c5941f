import { formatPrefix } from 'bgp-ts';
import type { Logger } from '../lib/log.ts';
import { errorMessage, unreachable } from '../lib/result.ts';
import { type DeltaTable, RowFlag } from './delta.ts';
import { Errno, errnoName } from './errno.ts';
import { type BatchResult, type KernelRoutes, OP_WORDS, RouteOp } from './kernel.ts';
import type { Rows } from './rows.ts';
import { isWay, Target } from './target.ts';
import { prefixOfRow } from './words.ts';

/** Operations in one batch: enough to keep the kernel side's 64 KiB sends full, few enough to cost the event loop about a millisecond. */
const BATCH_OPS = 4096;

/** Batches under way at once: one being written, one waiting or being settled. */
const MAX_IN_FLIGHT = 8;

/** What the writer tells its owner. */
export interface WriterHandlers {
  /** A batch came back and was settled. */
  settled(): void;
  /** Nothing is known of what a batch did: the kernel must be read. `isBroken` when the kernel side as a whole failed. */
  lost(isBroken: boolean): void;
}

/** Takes rows from the queues, has the kernel side perform what they need, and takes in the verdicts. */
export class Writer {
  readonly #kernel: KernelRoutes;
  readonly #rows: Rows;
  readonly #log: Logger;
  readonly #handlers: WriterHandlers;
  readonly #spareWords: Int32Array<ArrayBuffer>[] = [];
  readonly #complaints = new Set<number>();
  #inFlight = 0;
  /** Operations in the next batch; fewer after verdicts were lost, or the same ones would be lost for ever. */
  #limit = BATCH_OPS;

  constructor(kernel: KernelRoutes, rows: Rows, log: Logger, handlers: WriterHandlers) {
    this.#kernel = kernel;
    this.#rows = rows;
    this.#log = log;
    this.#handlers = handlers;
  }

  /** Batches under way. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Sends as much as may be under way. */
  send(): void {
    while (this.#inFlight < MAX_IN_FLIGHT && this.#rows.waiting > 0) this.#sendBatch();
  }

  #sendBatch(): void {
    const { v4, v6, own } = this.#rows;
    const words = this.#spareWords.pop() ?? new Int32Array(BATCH_OPS * OP_WORDS);
    let count = this.#fill(v4, words, 0, this.#limit / 2);
    count = this.#fill(v6, words, count, this.#limit);
    count = this.#fill(v4, words, count, this.#limit);
    if (count === 0) {
      this.#spareWords.push(words);
      return;
    }
    this.#inFlight++;
    this.#kernel.apply({ ...own, count, words }).then(
      (result) => this.#settleBatch(result, count),
      (error: unknown) => this.#batchLost(error),
    );
  }

  /** Fills operations `count`..`limit` from a table's queue; the new count. */
  #fill(table: DeltaTable, words: Int32Array, count: number, limit: number): number {
    const version = this.#rows.version(table);
    let filled = count;
    while (filled < limit) {
      const row = table.dequeue();
      if (row < 0) break;
      const op = this.#rows.operation(table, row);
      if (op === 0) {
        this.#rows.settled(table, row);
        continue;
      }
      const at = filled * OP_WORDS;
      words[at] = op | (version << 8) | (table.keys.length(row) << 16);
      words[at + 1] = row;
      words[at + 2] = this.#targetOf(table, row, op);
      words[at + 3] = table.keys.metric(row);
      table.keys.copyAddress(row, words, at + 4);
      table.mark(row, RowFlag.InFlight);
      filled++;
    }
    return filled;
  }

  #settleBatch(result: BatchResult, count: number): void {
    const { words, failures, uncertain } = result;
    let failure = 0;
    for (let i = 0; i < count; i++) {
      let errno = 0;
      if (failure < failures.length && failures[failure] === i) {
        errno = failures[failure + 1] ?? 0;
        failure += 2;
      }
      const at = i * OP_WORDS;
      const head = words[at] ?? 0;
      const table = this.#rows.table((head >> 8) & 0xff);
      const row = words[at + 1] ?? 0;
      table.clear(row, RowFlag.InFlight);
      if (uncertain) this.#unsettled(table, row);
      else this.#settle(table, row, (head & 0xff) as RouteOp, words[at + 2] ?? 0, errno);
    }
    this.#spareWords.push(words);
    this.#limit = uncertain ? Math.max(1, this.#limit >> 4) : Math.min(BATCH_OPS, this.#limit * 2);
    this.#batchDone(uncertain ? 'uncertain' : 'known');
  }

  /** The kernel side broke down under a batch: what was done is unknown, and so is which rows it held. */
  #batchLost(error: unknown): void {
    this.#log.error('fib batch lost', { error: errorMessage(error) });
    for (const table of this.#rows.tables) {
      for (let row = 0; row < table.keys.end; row++) {
        if (!table.is(row, RowFlag.InFlight)) continue;
        table.clear(row, RowFlag.InFlight);
        this.#unsettled(table, row);
      }
    }
    this.#batchDone('broken');
  }

  #batchDone(how: 'known' | 'uncertain' | 'broken'): void {
    this.#inFlight--;
    this.#rows.retry.healed();
    if (this.#complaints.size > 0 && this.#rows.retry.size === 0) {
      this.#complaints.clear();
      this.#log.info('routes accepted again');
    }
    if (how !== 'known') this.#handlers.lost(how === 'broken');
    this.#handlers.settled();
  }

  #unsettled(table: DeltaTable, row: number): void {
    table.actual[row] = Target.Unknown;
    table.clear(row, RowFlag.Suspect | RowFlag.Verify);
    table.enqueue(row);
  }

  /** Takes in what became of one operation. */
  #settle(table: DeltaTable, row: number, op: RouteOp, target: number, errno: number): void {
    const flags = table.flags[row] ?? 0;
    const isDelete = op === RouteOp.Delete || op === RouteOp.DeleteHops;
    // A stale route is deleted although something else is wanted; else a delete that is no longer right says nothing about what is wanted.
    const isStale = isDelete && table.wanted[row] !== Target.None;
    const isStillWanted = isStale
      ? (flags & RowFlag.Failed) !== 0
      : isDelete || this.#rows.wanted(table, row) === target;
    table.clear(row, RowFlag.Suspect | RowFlag.Verify | RowFlag.Probe);
    const refusal = errno === 0 ? 'none' : this.#refusalOf(op, target, errno);
    switch (refusal) {
      case 'none':
        table.actual[row] = isDelete ? Target.None : target;
        this.#count(op);
        if (!isDelete) {
          table.errnos[row] = 0;
          table.clear(row, RowFlag.Failed | RowFlag.Conflict | (op === RouteOp.Replace ? 0 : RowFlag.Shared));
        }
        if ((flags & RowFlag.Probe) !== 0) this.#rows.retry.good(table.actual[row] ?? 0);
        break;
      case 'no-way':
        if (op !== RouteOp.Replace) table.actual[row] = Target.None;
        break;
      case 'absent':
        table.actual[row] = Target.None;
        break;
      case 'occupied':
        table.actual[row] = Target.None;
        table.mark(row, RowFlag.Verify);
        break;
      case 'conflict':
        table.actual[row] = Target.None;
        if (isStillWanted) this.#refuse(table, row, RowFlag.Conflict, errno);
        break;
      case 'failed':
        if (op === RouteOp.Reclaim) table.actual[row] = Target.None;
        if (isStillWanted) this.#refuse(table, row, RowFlag.Failed, errno);
        break;
      default:
        unreachable(refusal);
    }
    if ((flags & RowFlag.Suspect) !== 0) {
      table.actual[row] = Target.Unknown;
      table.clear(row, RowFlag.Failed | RowFlag.Conflict);
    }
    this.#rows.settled(table, row);
  }

  /** What an operation needs to know: where to lead, or which next hops to take out. */
  #targetOf(table: DeltaTable, row: number, op: RouteOp): number {
    if (op === RouteOp.Delete) return Target.None;
    return op === RouteOp.DeleteHops ? (table.actual[row] ?? 0) : this.#rows.wanted(table, row);
  }

  #refusalOf(op: RouteOp, target: number, errno: number): Refusal | 'no-way' {
    if (errno === Errno.EINVAL && isWay(target) && this.#rows.ways.missing(target)) return 'no-way';
    return refusalOf(op, errno);
  }

  #count(op: RouteOp): void {
    const { work } = this.#rows;
    if (op === RouteOp.Delete || op === RouteOp.DeleteHops) work.deletes++;
    else if (op === RouteOp.Replace) work.replaces++;
    else work.adds++;
  }

  #refuse(table: DeltaTable, row: number, flag: number, errno: number): void {
    table.mark(row, flag);
    table.errnos[row] = errno;
    this.#rows.work.refused++;
    if (this.#complaints.has(errno)) return;
    this.#complaints.add(errno);
    const prefix = formatPrefix(prefixOfRow(table.keys, row, this.#rows.version(table)));
    this.#log.warn('route refused', { errno: errnoName(errno), prefix, metric: table.keys.metric(row) });
  }
}

type Refusal = 'absent' | 'occupied' | 'conflict' | 'failed';

/** What an errno means: `absent`: there is nothing to delete or replace; `occupied`: something is there, ours or not; `conflict`: it is not ours. */
function refusalOf(op: RouteOp, errno: number): Refusal {
  const isDelete = op === RouteOp.Delete || op === RouteOp.DeleteHops;
  if (isDelete && errno === Errno.ESRCH) return 'absent';
  if (op === RouteOp.Replace && (errno === Errno.ENOENT || errno === Errno.ESRCH)) return 'absent';
  if (op === RouteOp.Add && errno === Errno.EEXIST) return 'occupied';
  if (op === RouteOp.Reclaim && errno === Errno.EEXIST) return 'conflict';
  return 'failed';
}
