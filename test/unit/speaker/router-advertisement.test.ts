import { ip } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import {
  discoveryFilter,
  hopLimitOf,
  readDiscovery,
  routerAdvertisement,
  routerSolicitation,
} from '../../../speaker/router-advertisement.ts';

const linkLocal = ip('fe80::1');

describe('router discovery (RFC 4861)', () => {
  test('what is sent makes nobody a default router and announces no prefix', () => {
    // type, code, checksum; hop limit, flags, router lifetime; reachable time; retransmission time
    expect(Buffer.from(routerAdvertisement()).toString('hex')).toBe(`86000000${'00000000'.repeat(3)}`);
    expect(Buffer.from(routerSolicitation()).toString('hex')).toBe('8500000000000000');
  });

  const advertisement = routerAdvertisement();
  const solicitation = routerSolicitation();
  const rows: [string, Uint8Array, string, number | undefined, 'advertisement' | 'solicitation' | undefined][] = [
    ['an advertisement', advertisement, 'fe80::1', 255, 'advertisement'],
    ['a solicitation', solicitation, 'fe80::1', 255, 'solicitation'],
    ['a solicitation before there is an address', solicitation, '::', 255, 'solicitation'],
    ['one that passed a router', advertisement, 'fe80::1', 254, undefined],
    ['one of unknown hop limit', advertisement, 'fe80::1', undefined, undefined],
    ['an advertisement from a global address', advertisement, '2001:db8::1', 255, undefined],
    ['one cut short', advertisement.subarray(0, 15), 'fe80::1', 255, undefined],
    [
      'one of another code',
      Uint8Array.from(advertisement, (octet, i) => (i === 1 ? 1 : octet)),
      'fe80::1',
      255,
      undefined,
    ],
    [
      'a neighbour solicitation',
      Uint8Array.from(advertisement, (octet, i) => (i === 0 ? 135 : octet)),
      'fe80::1',
      255,
      undefined,
    ],
  ];
  test.each(rows)('%s', (_name, bytes, source, hopLimit, expected) => {
    expect(readDiscovery({ bytes, octets: bytes.length, source: ip(source), hopLimit })).toBe(expected);
  });

  test('the filter lets 133 and 134 pass and nothing else', () => {
    const words = new Uint32Array(discoveryFilter().buffer);
    const passes = Array.from({ length: 256 }, (_, type) => type).filter((type) => {
      return ((words[type >> 5] as number) & (1 << (type & 31))) === 0;
    });
    expect(passes).toEqual([133, 134]);
  });

  test('the hop limit is found among control messages, and nothing is read past their end', () => {
    const message = (level: number, type: number, value: number): number[] => {
      const octets = new Uint8Array(24);
      const view = new DataView(octets.buffer);
      view.setBigUint64(0, 20n, true);
      view.setInt32(8, level, true);
      view.setInt32(12, type, true);
      view.setInt32(16, value, true);
      return [...octets];
    };
    const control = Uint8Array.from([...message(41, 50, 7), ...message(41, 52, 255)]);
    expect(hopLimitOf(control)).toBe(255);
    expect(hopLimitOf(control.subarray(0, 24))).toBeUndefined();
    for (let n = 0; n < 44; n++) expect(hopLimitOf(control.subarray(0, n))).toBeUndefined();
    expect(hopLimitOf(new Uint8Array(64))).toBeUndefined();
    expect(readDiscovery({ bytes: advertisement, octets: 16, source: linkLocal, hopLimit: hopLimitOf(control) })).toBe(
      'advertisement',
    );
  });
});
