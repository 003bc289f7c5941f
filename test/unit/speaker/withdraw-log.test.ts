import { prefix } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { WithdrawLog } from '../../../speaker/withdraw-log.ts';

describe('what was treated as withdraw', () => {
  let now = 1000;
  const log = () => new WithdrawLog(() => now++);

  test('is found by its prefix, whatever the host bits, with and without path identifiers', () => {
    const it = log();
    // 10.1.0.0/20 sent as 10.1.15/20; 10.2.0.0/15
    const octets = Uint8Array.of(0xff, 20, 10, 1, 0x0f, 15, 10, 3);
    it.addOctets('ipv4-unicast', octets, 1, octets.length, false, 'first');
    const withIds = Uint8Array.of(0, 0, 0, 7, 24, 192, 0, 2);
    it.addOctets('ipv4-unicast', withIds, 0, withIds.length, true, 'second');
    it.addEntries('ipv6-unicast', [{ prefix: prefix('2001:db8::/32') }], 'third');
    expect(it.find('ipv4-unicast', prefix('10.1.0.0/20'))?.reason).toBe('first');
    expect(it.find('ipv4-unicast', prefix('10.2.0.0/15'))?.reason).toBe('first');
    expect(it.find('ipv4-unicast', prefix('192.0.2.0/24'))?.reason).toBe('second');
    expect(it.find('ipv6-unicast', prefix('2001:db8::/32'))?.reason).toBe('third');
    expect(it.find('ipv4-unicast', prefix('10.1.0.0/16'))).toBeUndefined();
    expect(it.total).toBe(3);
  });

  test('the last word counts', () => {
    const it = log();
    const octets = Uint8Array.of(8, 10);
    it.addOctets('ipv4-unicast', octets, 0, 2, false, 'old');
    it.addOctets('ipv4-unicast', octets, 0, 2, false, 'new');
    expect(it.find('ipv4-unicast', prefix('10.0.0.0/8'))).toMatchObject({ reason: 'new', family: 'ipv4-unicast' });
  });

  test('is bounded in number and in octets, whatever is sent', () => {
    const it = log();
    for (let n = 0; n < 200; n++) it.addOctets('ipv4-unicast', Uint8Array.of(8, n), 0, 2, false, 'small');
    expect(it.find('ipv4-unicast', prefix('167.0.0.0/8'))).toBeUndefined();
    expect(it.find('ipv4-unicast', prefix('168.0.0.0/8'))).toBeDefined();
    const large = new Uint8Array(60_000);
    for (let at = 0; at < large.length; at += 4) large.set([24, 172, at >> 10, (at >> 2) & 0xff], at);
    it.addOctets('ipv4-unicast', large, 0, large.length, false, 'large');
    expect(it.find('ipv4-unicast', prefix('199.0.0.0/8'))).toBeUndefined();
    expect(it.find('ipv4-unicast', prefix('172.0.0.0/24'))?.reason).toBe('large');
    expect(it.find('ipv4-unicast', prefix('172.58.0.0/24'))).toBeUndefined();
    const many = Array.from({ length: 5000 }, (_, n) => ({ prefix: prefix(`10.${n >> 8}.${n & 255}.0/24`) }));
    it.addEntries('ipv4-unicast', many, 'many');
    expect(it.find('ipv4-unicast', prefix('10.0.0.0/24'))?.reason).toBe('many');
    expect(it.find('ipv4-unicast', prefix('10.19.0.0/24'))).toBeUndefined();
    expect(it.total).toBe(202);
  });
});
