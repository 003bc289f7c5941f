import { expect, test } from 'vitest';
import { DeltaTable, RowFlag } from '../../../fib/delta.ts';

function rows(table: DeltaTable, n: number): number[] {
  return Array.from({ length: n }, (_, i) => table.ensure(Int32Array.of(i), 0, 24, 1024));
}

test('a row waits once, first come first served', () => {
  const table = new DeltaTable(1);
  const [a = -1, b = -1] = rows(table, 2);
  table.enqueue(b);
  table.enqueue(a);
  table.enqueue(b);
  expect(table.waiting).toBe(2);
  expect([table.dequeue(), table.dequeue(), table.dequeue()]).toEqual([b, a, -1]);
});

test('a row in flight is not queued', () => {
  const table = new DeltaTable(1);
  const [a = -1] = rows(table, 1);
  table.mark(a, RowFlag.InFlight);
  table.enqueue(a);
  expect(table.waiting).toBe(0);
});

test('the queue grows while its start has moved, and keeps its order', () => {
  const table = new DeltaTable(1);
  const all = rows(table, 300);
  for (const row of all.slice(0, 60)) table.enqueue(row);
  for (let i = 0; i < 50; i++) table.dequeue();
  for (const row of all.slice(60)) table.enqueue(row);
  const out: number[] = [];
  for (let row = table.dequeue(); row >= 0; row = table.dequeue()) out.push(row);
  expect(out).toEqual(all.slice(50));
});

test('columns keep their values when the table grows', () => {
  const table = new DeltaTable(1);
  for (const row of rows(table, 1000)) table.wanted[row] = row + 7;
  for (const row of rows(table, 1000)) expect(table.wanted[row]).toBe(row + 7);
});

test('an idle row is given up, any other is kept', () => {
  const table = new DeltaTable(1);
  const [a = -1, b = -1, c = -1, d = -1] = rows(table, 4);
  table.wanted[b] = 9;
  table.actual[c] = 9;
  table.enqueue(d);
  for (const row of [a, b, c, d]) table.releaseIfIdle(row);
  expect([a, b, c, d].map((row) => table.keys.has(row))).toEqual([false, true, true, true]);
});
