import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  BadNlri,
  ByteReader,
  ByteWriter,
  countNlri,
  formatPrefix,
  NlriCursor,
  nlriTable,
  prefix,
  Truncated,
} from '../../src/index.ts';
import { hex } from '../support/hex.ts';

describe.each([
  // family, path ids, name, hex, [prefix, path id]
  ['ipv4-unicast', false, 'default route', '00', [['0.0.0.0/0']]],
  ['ipv4-unicast', false, 'two prefixes', '08 0a  18 c00002', [['10.0.0.0/8'], ['192.0.2.0/24']]],
  ['ipv4-unicast', false, 'a host', '20 c0000201', [['192.0.2.1/32']]],
  ['ipv4-unicast', false, 'an odd length', '09 0a80', [['10.128.0.0/9']]],
  [
    'ipv4-unicast',
    true,
    'path ids',
    '00000001 08 0a  ffffffff 00',
    [
      ['10.0.0.0/8', 1],
      ['0.0.0.0/0', 0xffffffff],
    ],
  ],
  ['ipv6-unicast', false, 'a default route and a /33', '00  21 20010db880', [['::/0'], ['2001:db8:8000::/33']]],
  ['ipv6-unicast', false, 'a host', `80 20010db8${'00'.repeat(11)}01`, [['2001:db8::1/128']]],
  ['ipv6-unicast', true, 'a path id', '80000000 20 20010db8', [['2001:db8::/32', 0x80000000]]],
  ['ipv4-unicast', false, 'nothing', '', []],
] as const)('%s (path ids: %s) %s', (family, hasIds, _name, text, wanted) => {
  const octets = hex(text);
  const entries = wanted.map(([p, pathId]) =>
    pathId === undefined ? { prefix: prefix(p) } : { prefix: prefix(p), pathId },
  );

  test('decodes', () => {
    expect(nlriTable[family].decode(new ByteReader(octets), hasIds)).toEqual(entries);
  });

  test('encodes', () => {
    const w = new ByteWriter();
    nlriTable[family].encode(w, entries, hasIds);
    expect(w.finish()).toEqual(octets);
  });

  test('counts', () => {
    expect(countNlri(octets, 0, octets.length, nlriTable[family].maxBits, hasIds)).toBe(wanted.length);
  });
});

describe.each([
  ['ipv4-unicast', false, 'length 33', '21 0a00000000', BadNlri],
  ['ipv4-unicast', false, 'length 255', `ff ${'00'.repeat(32)}`, BadNlri],
  ['ipv4-unicast', false, 'prefix cut short', '08 0a 18 c000', Truncated],
  ['ipv4-unicast', true, 'path id cut short', '000000', Truncated],
  ['ipv4-unicast', true, 'path id alone', '00000001', Truncated],
  ['ipv4-unicast', true, 'octets without path ids', '18 c00002', Truncated],
  ['ipv6-unicast', false, 'length 129', `81 ${'00'.repeat(17)}`, BadNlri],
  ['ipv6-unicast', false, 'prefix cut short', '20 20010d', Truncated],
] as const)('%s (path ids: %s) malformed: %s', (family, hasIds, _name, text, error) => {
  const octets = hex(text);
  const { maxBits } = nlriTable[family];

  test('is refused by decoder, counter and cursor', () => {
    expect(() => nlriTable[family].decode(new ByteReader(octets), hasIds)).toThrow(error);
    expect(countNlri(octets, 0, octets.length, maxBits, hasIds)).toBe(-1);
    const cursor = new NlriCursor();
    cursor.reset(octets, 0, octets.length, maxBits, hasIds);
    while (cursor.next());
    expect(cursor.isMalformed).toBe(true);
    expect(cursor.next()).toBe(false);
  });
});

test('host bits are cleared (RFC 4271 §4.3: their value is irrelevant)', () => {
  const [entry] = nlriTable['ipv4-unicast'].decode(new ByteReader(hex('0c 0aff')), false);
  expect(entry && formatPrefix(entry.prefix)).toBe('10.240.0.0/12');
});

test('prefixes of the wrong version are a bug', () => {
  expect(() => nlriTable['ipv4-unicast'].encode(new ByteWriter(), [{ prefix: prefix('::/0') }], false)).toThrow(
    RangeError,
  );
});

test('decoder, counter and cursor agree on any octets', () => {
  const octets = fc.array(fc.integer({ min: 0, max: 140 }), { maxLength: 60 }).map((a) => Uint8Array.from(a));
  fc.assert(
    fc.property(
      octets,
      fc.constantFrom('ipv4-unicast' as const, 'ipv6-unicast' as const),
      fc.boolean(),
      (bytes, family, ids) => {
        const { maxBits, decode } = nlriTable[family];
        let decoded: number;
        try {
          decoded = decode(new ByteReader(bytes), ids).length;
        } catch (thrown) {
          expect(thrown instanceof BadNlri || thrown instanceof Truncated).toBe(true);
          decoded = -1;
        }
        expect(countNlri(bytes, 0, bytes.length, maxBits, ids)).toBe(decoded);
        const cursor = new NlriCursor();
        cursor.reset(bytes, 0, bytes.length, maxBits, ids);
        let walked = 0;
        while (cursor.next()) walked++;
        expect(cursor.isMalformed ? -1 : walked).toBe(decoded);
      },
    ),
  );
});
