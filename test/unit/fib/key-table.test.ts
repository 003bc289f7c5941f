import fc from 'fast-check';
import { expect, test } from 'vitest';
import { KeyTable } from '../../../fib/key-table.ts';

for (const words of [1, 4] as const) {
  test(`agrees with a Map over any sequence (${words} words)`, () => {
    const key = fc.record({
      address: fc.array(fc.integer({ min: -3, max: 3 }), { minLength: words, maxLength: words }),
      length: fc.integer({ min: 0, max: 3 }),
      metric: fc.constantFrom(0, 1024, 0xffffffff),
    });
    const step = fc.record({ op: fc.constantFrom('ensure', 'remove'), key });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const table = new KeyTable(words, 2);
        const model = new Map<string, number>();
        for (const { op, key } of steps) {
          const text = JSON.stringify(key);
          const address = Int32Array.from(key.address);
          const row = table.find(address, 0, key.length, key.metric);
          expect(row).toBe(model.get(text) ?? -1);
          if (op === 'remove') {
            if (row >= 0) table.remove(row);
            model.delete(text);
          } else {
            const made = table.ensure(address, 0, key.length, key.metric);
            expect(table.has(made)).toBe(true);
            expect(table.length(made)).toBe(key.length);
            expect(table.metric(made)).toBe(key.metric);
            const back = new Int32Array(words);
            table.copyAddress(made, back, 0);
            expect([...back]).toEqual(key.address);
            model.set(text, made);
          }
          expect(table.size).toBe(model.size);
        }
        expect(new Set(model.values()).size).toBe(model.size);
      }),
      { numRuns: 100 },
    );
  });
}

test('finds 200,000 keys again after half of them went', () => {
  const table = new KeyTable(1);
  const address = new Int32Array(1);
  for (let i = 0; i < 200_000; i++) {
    address[0] = i << 8;
    table.ensure(address, 0, 24, 1024);
  }
  for (let i = 0; i < 200_000; i += 2) {
    address[0] = i << 8;
    table.remove(table.find(address, 0, 24, 1024));
  }
  expect(table.size).toBe(100_000);
  for (let i = 0; i < 200_000; i++) {
    address[0] = i << 8;
    expect(table.find(address, 0, 24, 1024) >= 0).toBe(i % 2 === 1);
  }
  const { end } = table;
  for (let i = 0; i < 200_000; i += 2) {
    address[0] = i << 8;
    table.ensure(address, 0, 24, 1024);
  }
  expect(table.end).toBe(end);
});
