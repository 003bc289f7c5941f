import { formatIp, ip, prefix } from 'bgp-ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AddressBlock, maxBlockAddresses } from '../../../../cni/ipam/block.ts';

const always = Number.POSITIVE_INFINITY;

describe('numbering', () => {
  test.each([
    { block: '10.0.0.64/26', size: 64, last: '10.0.0.127', outside: ['10.0.0.63', '10.0.0.128', 'fd00::1'] },
    { block: '10.0.0.7/32', size: 1, last: '10.0.0.7', outside: ['10.0.0.6', '10.0.0.8'] },
    { block: '10.1.0.0/16', size: 65_536, last: '10.1.255.255', outside: ['10.0.255.255', '10.2.0.0'] },
    { block: '10.0.0.0/8', size: maxBlockAddresses, last: '10.0.255.255', outside: ['10.1.0.0', '11.0.0.0'] },
    { block: 'fd00::ff80/122', size: 64, last: 'fd00::ffbf', outside: ['fd00::ff7f', 'fd00::ffc0', '10.0.0.1'] },
    { block: 'fd00::/64', size: maxBlockAddresses, last: 'fd00::ffff', outside: ['fd00::1:0', 'fd00:0:0:1::'] },
  ])('$block has $size addresses, the last one $last', ({ block: text, size, last, outside }) => {
    const block = new AddressBlock(prefix(text));
    expect(block.size).toBe(size);
    expect(formatIp(block.addressAt(size - 1))).toBe(last);
    expect(block.indexOf(ip(last))).toBe(size - 1);
    expect(block.indexOf(block.prefix.address)).toBe(0);
    for (const address of outside) expect(block.indexOf(ip(address)), address).toBe(-1);
    expect(() => block.addressAt(size)).toThrow(RangeError);
  });
});

test('a block is handed out in order, to the last address', () => {
  const block = new AddressBlock(prefix('10.0.0.0/26'));
  block.reserve(0);
  block.reserve(33);
  const order: number[] = [];
  for (let index = block.next(always); index >= 0; index = block.next(always)) {
    block.hold(index);
    order.push(index);
  }
  expect(order).toEqual(Array.from({ length: 64 }, (_, i) => i).filter((i) => i !== 0 && i !== 33));
  expect(block).toMatchObject({ held: 62, capacity: 62 });
});

test('released addresses come back last, in the order of their release, once they have rested', () => {
  const block = new AddressBlock(prefix('10.0.0.0/30'));
  for (const index of [0, 1, 2]) block.hold(index);
  block.release(1, 100);
  block.release(0, 200);
  expect(block.next(always)).toBe(3);
  block.hold(3);
  expect(block.next(99)).toBe(-1);
  expect(block.next(100)).toBe(1);
  block.hold(1);
  expect(block.next(always)).toBe(0);
});

test('a held address cannot be held again', () => {
  const block = new AddressBlock(prefix('10.0.0.0/30'));
  block.hold(2);
  expect(() => block.hold(2)).toThrow('10.0.0.2 is held already');
});

test('any operations agree with a plain list', () => {
  const operation = fc.oneof(
    fc.record({ type: fc.constant('take' as const) }),
    fc.record({ type: fc.constant('release' as const), index: fc.nat(39) }),
    fc.record({ type: fc.constant('reserve' as const), index: fc.nat(39) }),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
      const block = new AddressBlock(prefix('10.0.0.0/27'));
      const held = new Set<number>();
      const reserved = new Set<number>();
      let queue = Array.from({ length: 32 }, (_, i) => i);
      let now = 0;
      for (const step of operations) {
        now++;
        if (step.type === 'take') {
          const expected = queue.find((index) => !reserved.has(index)) ?? -1;
          const index = block.next(now);
          expect(index).toBe(expected);
          if (index < 0) continue;
          block.hold(index);
          held.add(index);
          queue = queue.filter((other) => other !== index);
        } else if (step.index < 32 && step.type === 'release' && held.has(step.index)) {
          block.release(step.index, now);
          held.delete(step.index);
          queue.push(step.index);
        } else if (step.index < 32 && step.type === 'reserve') {
          block.reserve(step.index);
          reserved.add(step.index);
        }
        expect(block.held).toBe(held.size);
        expect(block.capacity).toBe(32 - reserved.size);
      }
    }),
  );
});
