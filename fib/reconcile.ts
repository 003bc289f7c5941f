import { type DeltaTable, RowFlag } from './delta.ts';
import { FOREIGN_BESIDE, type KernelRoutes, RECORD_WORDS, RecordKind } from './kernel.ts';
import { isOurs } from './ownership.ts';
import type { Rows } from './rows.ts';
import { Target } from './target.ts';

/**
 * Reads the kernel, brings what is believed to be there up to date, and queues whatever is not as wanted. Nothing may be written meanwhile.
 * @param beside also find out where foreign routes stand beside ours; costs reading the whole table
 * @returns how many routes of ours there are
 * @throws KernelError
 */
export async function readKernel(kernel: KernelRoutes, rows: Rows, beside: boolean): Promise<number> {
  let count = 0;
  await kernel.list({ ...rows.own, beside }, (records) => {
    for (let at = 0; at < records.count * RECORD_WORDS; at += RECORD_WORDS) {
      if (takeListed(rows, records.words, at)) count++;
    }
  });
  for (const table of rows.tables) {
    for (let row = 0; row < table.keys.end; row++) {
      if (!table.keys.has(row)) continue;
      if (table.is(row, RowFlag.Seen)) table.clear(row, RowFlag.Seen);
      else if (table.actual[row] !== Target.None) {
        table.actual[row] = Target.None;
        table.clear(row, RowFlag.Orphan | RowFlag.Shared);
        rows.settled(table, row);
      }
    }
  }
  return count;
}

function takeListed(rows: Rows, words: Int32Array, at: number): boolean {
  if (!isOurs(rows.own, words[at + 3] ?? 0, (words[at + 2] ?? 0) >>> 0)) return false;
  const shape = words[at + 1] ?? 0;
  const table = rows.table(shape & 0xff);
  const row = table.ensure(words, at + 6, (shape >> 8) & 0xff, (words[at + 4] ?? 0) >>> 0);
  rows.found(table, row, words[at + 5] ?? 0);
  if (((words[at] ?? 0) & FOREIGN_BESIDE) !== 0) table.mark(row, RowFlag.Shared);
  table.mark(row, RowFlag.Seen);
  rows.settled(table, row);
  return true;
}

/** Takes in a change that somebody else made, to our routes or beside them. */
export function takeChange(rows: Rows, words: Int32Array, at: number): void {
  const kind = (words[at] ?? 0) as RecordKind;
  const isGone = kind === RecordKind.Deleted;
  const inTable = (words[at + 2] ?? 0) >>> 0;
  const isMine = isOurs(rows.own, words[at + 3] ?? 0, inTable);
  if (!isMine && !isGone) rows.retry.probe(); // it may be the way to a gateway that was not there
  if (inTable !== rows.own.table) return;
  const shape = words[at + 1] ?? 0;
  const table = rows.table(shape & 0xff);
  const length = (shape >> 8) & 0xff;
  const metric = (words[at + 4] ?? 0) >>> 0;
  const isNewOfOurs = isMine && !isGone;
  const row = isNewOfOurs
    ? table.ensure(words, at + 6, length, metric)
    : table.keys.find(words, at + 6, length, metric);
  if (row < 0) return;
  if (isMine || kind === RecordKind.Replaced) {
    rows.work.foreignChanges++;
    oursChanged(rows, table, row, isNewOfOurs ? (words[at + 5] ?? 0) : Target.None);
  } else if (isGone) foreignGone(rows, table, row);
  else if (table.actual[row] !== Target.None || table.is(row, RowFlag.InFlight)) table.mark(row, RowFlag.Shared);
}

/** Somebody put (or took away, `Target.None`) a route of ours. */
function oursChanged(rows: Rows, table: DeltaTable, row: number, target: number): void {
  if (table.is(row, RowFlag.InFlight)) {
    table.mark(row, RowFlag.Suspect);
    return;
  }
  if (target === Target.None) {
    table.actual[row] = Target.None;
    table.clear(row, RowFlag.Orphan | RowFlag.Failed | RowFlag.Conflict);
  } else rows.found(table, row, target);
  rows.settled(table, row);
}

/** A foreign route with the key of a row is gone: ours may go in where it stood. */
function foreignGone(rows: Rows, table: DeltaTable, row: number): void {
  if (table.is(row, RowFlag.InFlight)) {
    table.mark(row, RowFlag.Suspect);
    return;
  }
  table.clear(row, RowFlag.Shared | RowFlag.Conflict);
  rows.settled(table, row);
}
