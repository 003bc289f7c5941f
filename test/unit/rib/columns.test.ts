import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BitSet, RowQueue } from '../../../rib/columns.ts';
import { OctetArena } from '../../../rib/octet-arena.ts';

test('BitSet agrees with a Set', () => {
  const step = fc.record({ n: fc.nat(300), isRemoval: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const bits = new BitSet();
      const model = new Set<number>();
      for (const { n, isRemoval } of steps) {
        if (isRemoval) expect(bits.delete(n)).toBe(model.delete(n));
        else {
          expect(bits.add(n)).toBe(!model.has(n));
          model.add(n);
        }
      }
      const found: number[] = [];
      for (let n = bits.next(0); n >= 0; n = bits.next(n + 1)) found.push(n);
      expect(found).toEqual([...model].sort((a, b) => a - b));
      expect(bits.count).toBe(model.size);
      expect(bits.clone().count).toBe(model.size);
    }),
  );
});

test('RowQueue is first in, first out, however it grows and wraps', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -90, max: 120 }), { maxLength: 60 }), (steps) => {
      const queue = new RowQueue();
      const model: number[] = [];
      let next = 1;
      for (const step of steps) {
        for (let i = 0; i < step; i++) {
          queue.push(next);
          model.push(next++);
        }
        for (let i = 0; i > step; i--) expect(queue.shift()).toBe(model.shift() ?? 0);
        expect(queue.length).toBe(model.length);
      }
    }),
  );
});

test('OctetArena gives out blocks that do not overlap, and takes back all of them', () => {
  const step = fc.record({ length: fc.nat(300), freed: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const arena = new OctetArena();
      const blocks: { offset: number; length: number; mark: number }[] = [];
      for (const [i, { length, freed }] of steps.entries()) {
        const offset = arena.allocate(length);
        arena.bytes.fill(i & 0xff, offset, offset + length);
        blocks.push({ offset, length, mark: i & 0xff });
        if (freed % 3 === 0) {
          const [gone] = blocks.splice(freed % blocks.length, 1);
          if (gone !== undefined) arena.release(gone.offset, gone.length);
        }
        for (const block of blocks) {
          const octets = arena.bytes.subarray(block.offset, block.offset + block.length);
          expect(octets.every((octet) => octet === block.mark)).toBe(true);
        }
      }
      for (const { offset, length } of blocks) arena.release(offset, length);
      expect(arena.usedOctets).toBe(0);
    }),
    { numRuns: 50 },
  );
});
