import { formatIp, formatPrefix, ip, prefix } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { AddressPool } from '../../../../cni/ipam/pool.ts';

function poolOf(...blocks: string[]): AddressPool {
  const pool = new AddressPool();
  pool.setBlocks(blocks.map((text) => ({ prefix: prefix(text) })));
  return pool;
}

/** Takes the next address as the allocator would. */
function take(pool: AddressPool, version: 4 | 6 = 4, nowMs = 0, coolDownMs = 1000): string {
  const address = pool.next(version, nowMs, coolDownMs);
  if (address === undefined) return 'none';
  pool.hold(address);
  return formatIp(address);
}

function usage(pool: AddressPool): string[] {
  return pool.usage().map((entry) => `${formatPrefix(entry.prefix)} ${entry.used}${entry.retired ? ' retired' : ''}`);
}

describe('choice', () => {
  test('fills one block before it opens the next', () => {
    const pool = poolOf('10.0.0.0/31', '10.0.1.0/31', 'fd00::/127');
    expect([take(pool), take(pool), take(pool), take(pool, 6)]).toEqual(['10.0.0.0', '10.0.0.1', '10.0.1.0', 'fd00::']);
  });

  test('an address rests while others are free, and is taken early when none is', () => {
    const pool = poolOf('10.0.0.0/31', '10.0.1.0/32');
    take(pool);
    take(pool);
    pool.release(ip('10.0.0.1'), 100);
    pool.release(ip('10.0.0.0'), 200);
    expect(take(pool, 4, 300)).toBe('10.0.1.0');
    expect(take(pool, 4, 300)).toBe('10.0.0.1');
    expect(take(pool, 4, 300)).toBe('10.0.0.0');
    expect(take(pool, 4, 300)).toBe('none');
  });

  test('a rested address comes before an unused block', () => {
    const pool = poolOf('10.0.0.0/32', '10.0.1.0/32');
    take(pool);
    pool.release(ip('10.0.0.0'), 0);
    expect(take(pool, 4, 1000)).toBe('10.0.0.0');
  });

  test('reserved parts are left out', () => {
    const pool = new AddressPool();
    const reserved = [prefix('10.0.0.0/31'), prefix('10.0.0.3/32'), prefix('192.0.2.0/24')];
    pool.setBlocks([{ prefix: prefix('10.0.0.0/30'), reserved }]);
    expect(pool.usage()[0]?.capacity).toBe(1);
    expect(pool.availability(ip('10.0.0.3'))).toBe('reserved');
    expect([take(pool), take(pool)]).toEqual(['10.0.0.2', 'none']);
  });

  test('a block reserved whole gives nothing', () => {
    const pool = new AddressPool();
    pool.setBlocks([{ prefix: prefix('10.0.0.0/30'), reserved: [prefix('10.0.0.0/8')] }]);
    expect(take(pool)).toBe('none');
  });
});

describe('availability', () => {
  test.each([
    { address: '10.0.0.2', is: 'free' },
    { address: '10.0.0.0', is: 'held' },
    { address: '10.0.9.9', is: 'outside' },
    { address: 'fd00::1', is: 'outside' },
    { address: '10.0.1.1', is: 'retired' },
  ])('$address is $is', ({ address, is }) => {
    const pool = poolOf('10.0.1.0/30', '10.0.0.0/30');
    pool.hold(ip('10.0.1.0'));
    pool.hold(ip('10.0.0.0'));
    pool.setBlocks([{ prefix: prefix('10.0.0.0/30') }]);
    expect(pool.availability(ip(address))).toBe(is);
  });
});

describe('new blocks', () => {
  test('a block taken out keeps its pods, takes no new ones, and goes with its last', () => {
    const pool = poolOf('10.0.0.0/30', '10.0.1.0/30');
    pool.hold(ip('10.0.0.1'));
    pool.setBlocks([{ prefix: prefix('10.0.1.0/30') }]);
    expect(usage(pool)).toEqual(['10.0.1.0/30 0', '10.0.0.0/30 1 retired']);
    expect(take(pool)).toBe('10.0.1.0');
    expect(pool.release(ip('10.0.0.1'), 5).map(formatPrefix)).toEqual(['10.0.0.0/30']);
    expect(usage(pool)).toEqual(['10.0.1.0/30 1']);
  });

  test('a block that comes back knows its pods and what rests', () => {
    const pool = poolOf('10.0.0.0/30');
    pool.hold(ip('10.0.0.0'));
    pool.hold(ip('10.0.0.1'));
    pool.release(ip('10.0.0.1'), 0);
    pool.setBlocks([]);
    pool.setBlocks([{ prefix: prefix('10.0.0.0/30') }]);
    expect(usage(pool)).toEqual(['10.0.0.0/30 1']);
    expect([take(pool), take(pool), take(pool)]).toEqual(['10.0.0.2', '10.0.0.3', '10.0.0.1']);
  });

  test('a larger block takes over the pods of the smaller one inside it', () => {
    const pool = poolOf('10.0.0.0/30');
    pool.hold(ip('10.0.0.0'));
    pool.setBlocks([{ prefix: prefix('10.0.0.0/24') }]);
    expect(usage(pool)).toEqual(['10.0.0.0/24 1']);
  });

  test('the first and the last address of a block are told', () => {
    const pool = poolOf('10.0.0.0/30');
    expect(pool.hold(ip('10.0.0.0')).map(formatPrefix)).toEqual(['10.0.0.0/30']);
    expect(pool.hold(ip('10.0.0.1'))).toEqual([]);
    expect(pool.release(ip('10.0.0.0'), 0)).toEqual([]);
    expect(pool.release(ip('10.0.0.1'), 0).map(formatPrefix)).toEqual(['10.0.0.0/30']);
  });
});
