import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteReader, ByteWriter, fromHex, Truncated, toHex } from '../src/index.ts';

test('reads big-endian within its range', () => {
  const r = new ByteReader(fromHex('ee 01 0203 04050607 0809 ee'), 1, 10);
  expect([r.u8(), r.u16(), r.u32(), r.remaining, r.position]).toEqual([1, 0x0203, 0x04050607, 2, 8]);
  expect(r.sub(1).u8()).toBe(8);
  expect(() => r.u16()).toThrow(Truncated);
  expect(r.u8()).toBe(9);
  expect(() => r.view(1)).toThrow(Truncated);
});

test('a copy survives, a view does not', () => {
  const bytes = fromHex('0102');
  const r = new ByteReader(bytes);
  const [copy, view] = [r.copy(1), r.view(1)];
  bytes.fill(9);
  expect([copy[0], view[0]]).toEqual([1, 9]);
});

test('a range outside the octets is a bug', () => {
  for (const [start, end] of [
    [-1, 1],
    [2, 1],
    [0, 3],
  ]) {
    expect(() => new ByteReader(new Uint8Array(2), start, end)).toThrow(RangeError);
  }
});

test('the writer grows under any mix of writes', () => {
  const item = fc.oneof(
    fc.record({ kind: fc.constant('u8' as const), value: fc.integer({ min: 0, max: 0xff }) }),
    fc.record({ kind: fc.constant('u16' as const), value: fc.integer({ min: 0, max: 0xffff }) }),
    fc.record({ kind: fc.constant('u32' as const), value: fc.integer({ min: 0, max: 0xffffffff }) }),
    fc.record({ kind: fc.constant('octets' as const), value: fc.uint8Array({ maxLength: 40 }) }),
  );
  fc.assert(
    fc.property(fc.array(item, { maxLength: 60 }), (items) => {
      const w = new ByteWriter(1);
      for (const { kind, value } of items) {
        if (kind === 'octets') w.octets(value);
        else w[kind](value);
      }
      const r = new ByteReader(w.finish());
      for (const { kind, value } of items) {
        if (kind === 'octets') expect(r.copy(value.length)).toEqual(value);
        else expect(r[kind]()).toBe(value);
      }
      expect(r.remaining).toBe(0);
    }),
  );
});

test('placeholders', () => {
  const w = new ByteWriter();
  w.u16(0);
  w.u8(0);
  w.patchU16(0, 0x1234);
  w.patchU8(2, 0x56);
  expect(toHex(w.finish())).toBe('123456');
  expect(() => w.patchU16(2, 1)).toThrow(RangeError);
  expect(() => w.patchU8(3, 1)).toThrow(RangeError);
});

test('hex', () => {
  expect(toHex(fromHex('00 FF\n0a'))).toBe('00ff0a');
  expect(() => fromHex('0')).toThrow(RangeError);
  expect(() => fromHex('zz')).toThrow(RangeError);
});
