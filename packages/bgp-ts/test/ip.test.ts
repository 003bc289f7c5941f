import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  compareIp,
  comparePrefix,
  formatIp,
  formatPrefix,
  ip,
  ipEquals,
  ipFromOctets,
  ipv4FromUint32,
  ipv4ToUint32,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isUnspecified,
  maskIp,
  parseIp,
  parsePrefix,
  prefix,
  prefixContains,
  prefixEquals,
} from '../src/index.ts';

describe('parseIp and formatIp', () => {
  test.each([
    // text, canonical text (RFC 5952 §4: lower case, no leading zeros, the longest run of zeros, the first of equals, never a single one)
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8::1', '2001:db8::1'],
    ['2001:0db8:0000:0000:0000:0000:0002:0001', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['::ffff:c000:201', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:192.0.2.1', '1:2:3:4:5:6:c000:201'],
  ])('%s is %s', (text, canonical) => {
    expect(formatIp(ip(text))).toBe(canonical);
    expect(ipEquals(ip(text), ip(canonical))).toBe(true);
  });

  test.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4 ',
    '-1.2.3.4',
    '1.2.3.0x4',
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '1::2::3',
    '12345::',
    'g::',
    ':1::2',
    '1::2:',
    '1.2.3.4::',
    '::1.2.3.4:5',
    '::1.2.3',
    'fe80::1%eth0',
    '1:2:3:4:5:6:7:1.2.3.4',
  ])('refuses %j', (text) => {
    expect(parseIp(text)).toBeUndefined();
    expect(() => ip(text)).toThrow(RangeError);
  });

  test('any address is read back', () => {
    const octets = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      // Addresses full of zeros, for the shortening.
      fc.array(fc.constantFrom(0, 0, 0, 1), { minLength: 16, maxLength: 16 }).map((a) => Uint8Array.from(a)),
    );
    fc.assert(
      fc.property(octets, (bytes) => {
        const address = ipFromOctets(bytes);
        expect(parseIp(formatIp(address))).toEqual(address);
      }),
    );
  });

  test('any text is read or refused', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f:./]{0,24}$/)), (text) => {
        const address = parseIp(text);
        if (address) expect(parseIp(formatIp(address))).toEqual(address);
        const block = parsePrefix(text);
        if (block) expect(parsePrefix(formatPrefix(block))).toEqual(block);
      }),
    );
  });
});

describe('prefixes', () => {
  test.each([
    '0.0.0.0/0',
    '10.0.0.0/8',
    '192.0.2.1/32',
    '::/0',
    '2001:db8::/32',
    '2001:db8::1/128',
    '2001:db8:8000::/33',
  ])('%s', (text) => {
    expect(formatPrefix(prefix(text))).toBe(text);
    expect(prefixEquals(prefix(text), prefix(text))).toBe(true);
  });

  test.each([
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.1/8',
    '::/129',
    '::1/127',
    '/8',
    '10/8',
    '::/-1',
  ])('refuses %s', (text) => {
    expect(parsePrefix(text)).toBeUndefined();
    expect(() => prefix(text)).toThrow(RangeError);
  });

  test('maskIp clears the rest', () => {
    expect(formatIp(maskIp(ip('255.255.255.255'), 13))).toBe('255.248.0.0');
    expect(formatIp(maskIp(ip('ffff::ffff'), 1))).toBe('8000::');
    expect(formatIp(maskIp(ip('10.1.2.3'), 0))).toBe('0.0.0.0');
    expect(formatIp(maskIp(ip('10.1.2.3'), 32))).toBe('10.1.2.3');
    expect(() => maskIp(ip('10.1.2.3'), 33)).toThrow(RangeError);
  });

  test.each([
    ['10.0.0.0/8', '10.255.0.0/16', true],
    ['10.0.0.0/8', '10.0.0.0/8', true],
    ['10.0.0.0/8', '10.0.0.0/7', false],
    ['10.0.0.0/8', '11.0.0.0/16', false],
    ['0.0.0.0/0', '::/0', false],
    ['2001:db8::/33', '2001:db8:8000::/48', false],
  ])('%s contains %s: %s', (outer, inner, contains) => {
    expect(prefixContains(prefix(outer), prefix(inner))).toBe(contains);
  });

  test('contains addresses', () => {
    expect(prefixContains(prefix('10.0.0.0/31'), ip('10.0.0.1'))).toBe(true);
    expect(prefixContains(prefix('10.0.0.0/31'), ip('10.0.0.2'))).toBe(false);
  });

  test('sort by version, address, length', () => {
    const sorted = ['10.0.0.0/8', '10.0.0.0/16', '11.0.0.0/8', '::/0', '2001:db8::/32'];
    expect([...sorted].reverse().map(prefix).sort(comparePrefix).map(formatPrefix)).toEqual(sorted);
    expect(compareIp(ip('255.0.0.0'), ip('::'))).toBeLessThan(0);
  });
});

test('unsigned 32-bit numbers', () => {
  expect(formatIp(ipv4FromUint32(0xc0000201))).toBe('192.0.2.1');
  expect(formatIp(ipv4FromUint32(-1))).toBe('255.255.255.255');
  expect(ipv4ToUint32(ip('255.255.255.255'))).toBe(0xffffffff);
  expect(() => ipv4ToUint32(ip('::1'))).toThrow(RangeError);
  expect(() => ipFromOctets(new Uint8Array(5))).toThrow(RangeError);
});

test.each([
  ['169.254.1.1', isLinkLocal, true],
  ['169.255.1.1', isLinkLocal, false],
  ['fe80::1', isLinkLocal, true],
  ['febf::1', isLinkLocal, true],
  ['fec0::1', isLinkLocal, false],
  ['224.0.0.1', isMulticast, true],
  ['240.0.0.1', isMulticast, false],
  ['ff02::1', isMulticast, true],
  ['127.1.2.3', isLoopback, true],
  ['::1', isLoopback, true],
  ['1::1', isLoopback, false],
  ['::', isUnspecified, true],
  ['0.0.0.1', isUnspecified, false],
] as const)('%s %o is %s', (text, claim, expected) => {
  expect(claim(ip(text))).toBe(expected);
});
