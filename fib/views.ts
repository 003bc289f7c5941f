import { type Prefix, prefixEquals } from 'bgp-ts';
import type { DeltaTable } from './delta.ts';
import { errnoName, errnoText } from './errno.ts';
import { type KernelRoutes, RECORD_WORDS } from './kernel.ts';
import { isOurs } from './ownership.ts';
import { errnoOf, type Rows, stateOf } from './rows.ts';
import { Target } from './target.ts';
import type { FibCounters, FibDifference, FibRouteView, FibTargetView } from './types.ts';
import { octetsOfWords, prefixOfRow } from './words.ts';

/** All routes, wanted or found, in no particular order; or only those of one prefix, whatever their metric. */
export function listRoutes(rows: Rows, prefix?: Prefix): FibRouteView[] {
  const views: FibRouteView[] = [];
  for (const table of rows.tables) {
    if (prefix !== undefined && rows.version(table) !== prefix.address.version) continue;
    for (let row = 0; row < table.keys.end; row++) {
      if (!table.keys.has(row)) continue;
      if (prefix !== undefined) {
        if (table.keys.length(row) !== prefix.length) continue;
        if (!prefixEquals(prefixOfRow(table.keys, row, rows.version(table)), prefix)) continue;
      }
      const wanted = table.wanted[row] ?? 0;
      const target = wanted === Target.None ? (table.actual[row] ?? 0) : wanted;
      if (target === Target.None) continue;
      const { kind, nextHops } = describe(rows, target);
      const errno = errnoOf(rows, table, row);
      views.push({
        prefix: prefixOfRow(table.keys, row, rows.version(table)),
        metric: table.keys.metric(row),
        kind: kind === 'other' ? 'unreachable' : kind,
        nextHops,
        state: stateOf(rows, table, row),
        ...(errno === 0 ? {} : { error: { errno: errnoName(errno), text: errnoText(errno) } }),
      });
    }
  }
  return views;
}

/** Routes by state, and the work done. */
export function countRoutes(rows: Rows): FibCounters {
  const states = { installed: 0, pending: 0, failed: 0, conflict: 0, orphan: 0 };
  let wanted = 0;
  for (const table of rows.tables) {
    for (let row = 0; row < table.keys.end; row++) {
      if (!table.keys.has(row)) continue;
      if (table.wanted[row] !== Target.None) wanted++;
      else if (table.actual[row] === Target.None) continue;
      states[stateOf(rows, table, row)]++;
    }
  }
  const { conflict: conflicts, orphan: orphans, ...others } = states;
  return { wanted, ...others, conflicts, orphans, ...rows.work, wayChanges: rows.ways.replacements };
}

/** Reads the kernel and names every disagreement with what is wanted; changes nothing. @throws KernelError */
export async function findDifferences(kernel: KernelRoutes, rows: Rows): Promise<FibDifference[]> {
  const differences: FibDifference[] = [];
  const seen = new Map(rows.tables.map((table) => [table, new Uint8Array(table.keys.end)]));
  await kernel.list(rows.own, ({ words, count }) => {
    for (let at = 0; at < count * RECORD_WORDS; at += RECORD_WORDS) {
      const difference = compareListed(rows, seen, words, at);
      if (difference !== undefined) differences.push(difference);
    }
  });
  for (const [table, marks] of seen) {
    for (let row = 0; row < marks.length; row++) {
      const wanted = table.wanted[row] ?? 0;
      if (marks[row] === 1 || !table.keys.has(row) || wanted === Target.None) continue;
      differences.push({
        type: 'missing',
        prefix: prefixOfRow(table.keys, row, rows.version(table)),
        metric: table.keys.metric(row),
        wanted: describe(rows, wanted),
        state: stateOf(rows, table, row),
      });
    }
  }
  return differences;
}

function compareListed(
  rows: Rows,
  seen: ReadonlyMap<DeltaTable, Uint8Array>,
  words: Int32Array,
  at: number,
): FibDifference | undefined {
  if (!isOurs(rows.own, words[at + 3] ?? 0, (words[at + 2] ?? 0) >>> 0)) return undefined;
  const shape = words[at + 1] ?? 0;
  const version = (shape & 0xff) === 4 ? 4 : 6;
  const length = (shape >> 8) & 0xff;
  const table = rows.table(version);
  const metric = (words[at + 4] ?? 0) >>> 0;
  const row = table.keys.find(words, at + 6, length, metric);
  const marks = seen.get(table);
  if (row >= 0 && marks !== undefined) marks[row] = 1;
  const wanted = row < 0 ? Target.None : (table.wanted[row] ?? 0);
  const target = words[at + 5] ?? 0;
  const effective = row < 0 ? Target.None : rows.wanted(table, row);
  if (wanted !== Target.None && rows.targets.matches(effective, target)) return undefined;
  const prefix: Prefix = { address: { version, octets: octetsOfWords(words, at + 6, version) }, length };
  return {
    type: wanted === Target.None ? 'unexpected' : 'different',
    prefix,
    metric,
    ...(wanted === Target.None ? {} : { wanted: describe(rows, wanted) }),
    found: describe(rows, target),
    ...(row < 0 ? {} : { state: stateOf(rows, table, row) }),
  };
}

function describe(rows: Rows, target: number): FibTargetView {
  if (target === Target.Blackhole) return { kind: 'blackhole', nextHops: [] };
  if (target === Target.Unreachable) return { kind: 'unreachable', nextHops: [] };
  const nextHops = rows.targets.hops(rows.ways.setOf(target));
  return { kind: nextHops.length === 0 ? 'other' : 'unicast', nextHops };
}
