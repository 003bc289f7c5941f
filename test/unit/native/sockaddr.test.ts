import { endianness } from 'node:os';
import { describe, expect, test } from 'vitest';
import { inetSocketAddress, netlinkSocketAddress, parseSocketAddress } from '../../../native/sockaddr.ts';

const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');
const linkLocal = new Uint8Array([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

describe('socket addresses', () => {
  test.runIf(endianness() === 'LE').each([
    // family 2 (host order), port 179 (network order), address, 8 zeros
    ['IPv4', inetSocketAddress(new Uint8Array([10, 0, 0, 1]), 179), '0200 00b3 0a000001 0000000000000000'],
    // family 10, port, flow, address, scope (host order)
    ['IPv6', inetSocketAddress(linkLocal, 179, 3), '0a00 00b3 00000000 fe800000000000000000000000000001 03000000'],
    ['netlink', netlinkSocketAddress(258, 3), '1000 0000 02010000 03000000'],
  ] as const)('%s', (_name, octets, wanted) => {
    expect(hex(octets)).toBe(wanted.replaceAll(' ', ''));
  });

  test('read back', () => {
    expect(parseSocketAddress(inetSocketAddress(new Uint8Array([10, 0, 0, 1]), 65535))).toEqual({
      type: 'inet',
      octets: new Uint8Array([10, 0, 0, 1]),
      port: 65535,
    });
    expect(parseSocketAddress(inetSocketAddress(linkLocal, 1, 7))).toEqual({
      type: 'inet',
      octets: linkLocal,
      port: 1,
      scopeId: 7,
    });
    expect(parseSocketAddress(netlinkSocketAddress(0xfffffffe, 1))).toEqual({
      type: 'netlink',
      portId: 0xfffffffe,
      groups: 1,
    });
  });

  test('what is no address', () => {
    const octets = inetSocketAddress(linkLocal, 1, 7);
    for (let n = 0; n < 28; n++) expect(parseSocketAddress(octets.subarray(0, n))).toBeUndefined();
    expect(parseSocketAddress(new Uint8Array(16))).toBeUndefined();
    expect(() => inetSocketAddress(new Uint8Array(5), 1)).toThrow(RangeError);
    for (const port of [-1, 65536, 1.5, Number.NaN]) {
      expect(() => inetSocketAddress(new Uint8Array(4), port)).toThrow(RangeError);
    }
  });
});
