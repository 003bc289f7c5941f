import { prefix } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { findFreeBlock, poolsFor } from '../../../../config/blocks/pools.ts';
import {
  type BlockRecord,
  blockKey,
  blockOfKey,
  formatRecord,
  parseRecord,
} from '../../../../config/blocks/records.ts';
import {
  borrowed,
  claimed,
  gaveBack,
  lendablePart,
  released,
  tookBack,
} from '../../../../config/blocks/transitions.ts';

const block = '10.0.0.0/29';
const key = 'blocks/v4/10.0.0.0-29';
const record: BlockRecord = {
  pool: '10.0.0.0/24',
  holder: { state: 'owned', owner: 'a' },
  sequence: 7,
  lendable: ['10.0.0.4/30'],
  lent: { '10.0.0.5': { node: 'b', handle: 'pod', sequence: 7 } },
};

test.each([
  [block, key],
  ['fd00::/122', 'blocks/v6/fd00::-122'],
])('the key of %s', (text, wanted) => {
  expect(blockKey(text)).toBe(wanted);
  expect(blockOfKey(wanted)).toBe(text);
});

test.each(['blocks/epoch', 'blocks/v6/10.0.0.0-29', 'blocks/v4/10.0.0.1-29', 'blocks/v4/10.0.0.0/29'])(
  '%s is no block',
  (text) => expect(blockOfKey(text)).toBeUndefined(),
);

describe('records', () => {
  test('what is written is read', () => {
    expect(parseRecord(key, formatRecord(record))).toEqual({ ok: true, value: { block, record } });
  });

  test.each<[string, unknown, string]>([
    ['no JSON', '{', '"{"'],
    ['an unknown state', { ...record, holder: { state: 'mine' } }, 'holder.state: "mine"'],
    ['a field too many', { ...record, colour: 1 }, 'colour'],
    ['no sequence', { ...record, sequence: 0 }, 'sequence: 0'],
    ['a pool elsewhere', { ...record, pool: '10.1.0.0/24' }, 'pool: 10.1.0.0/24: does not contain 10.0.0.0/29'],
    ['lendable elsewhere', { ...record, lendable: ['10.0.1.0/30'] }, 'lendable: 10.0.1.0/30: is not in'],
    ['lent, not lendable', { ...record, lendable: [] }, 'lent: 10.0.0.5: is not in the lendable part'],
    ['a loan of the future', { ...record, sequence: 6 }, "lent.10.0.0.5.sequence: 7: is above the block's 6"],
    ['lent by nobody', { ...record, holder: { state: 'free' } }, 'a block without owner cannot lend'],
  ])('%s is refused', (_, value, wanted) => {
    const read = parseRecord(key, typeof value === 'string' ? value : JSON.stringify(value));
    expect(read.ok ? '' : read.error).toContain(wanted);
    expect(read.ok ? '' : read.error).toContain(key);
  });
});

describe('transitions', () => {
  test('a late release does not free an address that was lent again', () => {
    const back = gaveBack(record, '10.0.0.5', 'b', 7);
    const again = back && borrowed(back, { address: '10.0.0.5', node: 'b', handle: 'pod' });
    expect(again?.lent['10.0.0.5']?.sequence).toBe(8);
    expect(again && gaveBack(again, '10.0.0.5', 'b', 7)).toBeUndefined();
  });

  test('a block that lends is not released, and keeps its number when it is free', () => {
    expect(released(record, 'a')).toBeUndefined();
    const free = released({ ...record, lent: {} }, 'a');
    expect(free?.holder).toEqual({ state: 'free' });
    const claim = { pool: record.pool, node: 'b', lendable: [], nowMs: 1 };
    expect(free && claimed(free, claim)?.sequence).toBe(9);
    expect(claimed(record, claim)).toBeUndefined();
  });

  test('what is lent is not taken back', () => {
    expect(tookBack(record, 'a')?.lendable).toEqual(['10.0.0.5/32']);
    expect(borrowed({ ...record, lendable: ['10.0.0.5/32'] }, { address: '10.0.0.4', node: 'c', handle: 'x' })).toBe(
      undefined,
    );
  });

  test.each([
    ['10.0.0.0/26', 0.25, ['10.0.0.48/28']],
    ['10.0.0.0/31', 0.25, []],
    ['10.0.0.0/26', 0, []],
    ['fd00::/122', 0.5, ['fd00::20/123']],
  ])('of %s, %d is for lending', (text, share, wanted) => expect(lendablePart(text, share)).toEqual(wanted));
});

describe('pools', () => {
  test('only pools for the pods of this node count', () => {
    const cidr = prefix('10.0.0.0/24');
    const found = poolsFor(
      [
        { cidr, disabled: true },
        { cidr, assignmentMode: 'Manual' },
        { cidr, allowedUses: ['LoadBalancer'] },
        { cidr, nodeSelector: { type: 'has', label: 'rack' } },
        { cidr, blockSize: 29 },
        { cidr: prefix('fd00::/112') },
      ],
      {},
    );
    expect(found.map((pool) => pool.blockLength)).toEqual([29, 122]);
  });

  test('the search goes once around the pool and past blocks of another length', () => {
    const pool = { cidr: prefix('10.0.0.0/27'), blockLength: 29 };
    const records = new Map<string, BlockRecord>([['10.0.0.0/28', record]]);
    const avoid = new Set<string>();
    const found: string[] = [];
    for (;;) {
      const next = findFreeBlock(pool, 'a', records, true, avoid);
      if (next === undefined) break;
      found.push(next);
      avoid.add(next);
    }
    expect(found.sort()).toEqual(['10.0.0.16/29', '10.0.0.24/29']);
    expect(findFreeBlock(pool, 'a', records, false)).toBeUndefined();
  });
});
