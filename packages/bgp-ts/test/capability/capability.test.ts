import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Capability,
  capabilityCode,
  capabilityTable,
  decodeCapabilities,
  encodeCapabilities,
  formatCapability,
} from '../../src/index.ts';
import { capabilities } from '../support/arbitrary.ts';
import { hex } from '../support/hex.ts';

const valid: readonly [string, string, Capability, string][] = [
  ['multiprotocol', '01 04 0001 00 01', { type: 'multiprotocol', afi: 1, safi: 1 }, 'multiprotocol ipv4-unicast'],
  // RFC 4760 §8: the reserved octet is ignored; encoded as 0.
  [
    'multiprotocol EVPN',
    '01 04 0019 00 46',
    { type: 'multiprotocol', afi: 25, safi: 70 },
    'multiprotocol afi 25 safi 70',
  ],
  ['route refresh', '02 00', { type: 'route-refresh' }, 'route-refresh'],
  [
    'extended next hop',
    '05 06 0001 0001 0002',
    { type: 'extended-next-hop', entries: [{ afi: 1, safi: 1, nextHopAfi: 2 }] },
    'extended-next-hop ipv4-unicast by afi 2',
  ],
  ['extended message', '06 00', { type: 'extended-message' }, 'extended-message'],
  ['role', '09 01 03', { type: 'role', role: 3 }, 'role Customer'],
  ['role without a name', '09 01 09', { type: 'role', role: 9 }, 'role 9'],
  [
    'graceful restart',
    '40 06 4078 0001 01 80',
    {
      type: 'graceful-restart',
      restarted: false,
      notifications: true,
      restartSeconds: 120,
      families: [{ afi: 1, safi: 1, forwarding: true }],
    },
    'graceful-restart 120 s notifications: ipv4-unicast forwarding',
  ],
  [
    'graceful restart helper',
    '40 02 8fff',
    { type: 'graceful-restart', restarted: true, notifications: false, restartSeconds: 4095, families: [] },
    'graceful-restart 4095 s restarted',
  ],
  ['4-octet AS', '41 04 fffe0001', { type: 'four-octet-as', asn: 4294836225 }, 'four-octet-as 4294836225'],
  [
    'ADD-PATH',
    '45 08 0001 01 01 0002 01 03',
    {
      type: 'add-path',
      entries: [
        { afi: 1, safi: 1, sendReceive: 1 },
        { afi: 2, safi: 1, sendReceive: 3 },
      ],
    },
    'add-path ipv4-unicast receive, ipv6-unicast send and receive',
  ],
  ['enhanced route refresh', '46 00', { type: 'enhanced-route-refresh' }, 'enhanced-route-refresh'],
  [
    'long-lived graceful restart',
    '47 07 0002 01 80 015180',
    {
      type: 'long-lived-graceful-restart',
      families: [{ afi: 2, safi: 1, forwarding: true, staleSeconds: 86400 }],
    },
    'long-lived-graceful-restart ipv6-unicast 86400 s forwarding',
  ],
  [
    'FQDN',
    '49 0b 03 746f72 06 72322e6e6574',
    { type: 'fqdn', hostName: 'tor', domainName: 'r2.net' },
    'fqdn "tor.r2.net"',
  ],
  // From ExaBGP's tests (qa/encoding/conf-cap-software-version.ci).
  [
    'software version',
    '4b 14 13 4578614247502f352e302e302d302b74657374',
    { type: 'software-version', version: 'ExaBGP/5.0.0-0+test' },
    'software-version "ExaBGP/5.0.0-0+test"',
  ],
  ['unknown', 'fa 02 0102', { type: 'unknown', code: 250, value: hex('0102') }, 'unknown 250 (2 octets)'],
];

describe.each(valid)('%s', (_name, text, value, description) => {
  test('decodes, encodes, prints', () => {
    expect(decodeCapabilities(hex(text))).toEqual({ ok: true, value: [value] });
    expect(encodeCapabilities([value])).toEqual(hex(text));
    expect(formatCapability(value)).toBe(description);
    expect(capabilityCode(value)).toBe(hex(text)[0]);
  });
});

test.each([
  ['no length', '01'],
  ['value past the end', '01 04 0001 00'],
  ['multiprotocol of 3', '01 03 0001 00'],
  ['multiprotocol of 5', '01 05 0001 00 01 00'],
  ['route refresh with a value', '02 01 00'],
  ['extended next hop of 5', '05 05 0001 0001 00'],
  ['extended message with a value', '06 01 00'],
  ['role without a value', '09 00'],
  ['role of 2', '09 02 0303'],
  ['graceful restart without a value', '40 00'],
  ['graceful restart of 5', '40 05 0078 0001 01'],
  ['4-octet AS of 2', '41 02 fde8'],
  ['ADD-PATH of 5', '45 05 0001 01 01 00'],
  ['long-lived graceful restart of 6', '47 06 0002 01 80 0151'],
])('malformed: %s', (_name, text) => {
  expect(decodeCapabilities(hex(text))).toEqual({ ok: false, error: { code: 2, subcode: 0, data: hex('') } });
});

test('ADD-PATH entries with another direction are ignored (RFC 7911 §4)', () => {
  expect(decodeCapabilities(hex('45 08 0001 01 00 0002 01 02'))).toEqual({
    ok: true,
    value: [{ type: 'add-path', entries: [{ afi: 2, safi: 1, sendReceive: 2 }] }],
  });
});

test.each([
  ['FQDN without domain', '49 02 01 61'],
  ['FQDN with more behind it', '49 05 01 61 01 62 00'],
  ['software version longer than its value', '4b 02 05 61'],
])('malformed, but only for people: %s', (_name, text) => {
  const octets = hex(text);
  expect(decodeCapabilities(octets)).toEqual({
    ok: true,
    value: [{ type: 'unknown', code: octets[0], value: octets.subarray(2) }],
  });
});

test('text that is not UTF-8 does not end the session', () => {
  expect(decodeCapabilities(hex('49 03 01 ff 00'))).toEqual({
    ok: true,
    value: [{ type: 'fqdn', hostName: '\ufffd', domainName: '' }],
  });
});

test.each<[string, Capability]>([
  [
    'restart time above 12 bits',
    { type: 'graceful-restart', restarted: false, notifications: false, restartSeconds: 4096, families: [] },
  ],
  [
    'stale time above 24 bits',
    { type: 'long-lived-graceful-restart', families: [{ afi: 1, safi: 1, forwarding: false, staleSeconds: 2 ** 24 }] },
  ],
  ['host name above 255 octets', { type: 'fqdn', hostName: 'x'.repeat(256), domainName: '' }],
  ['value above 255 octets', { type: 'unknown', code: 250, value: new Uint8Array(256) }],
])('cannot be written: %s', (_name, value) => {
  expect(() => encodeCapabilities([value])).toThrow(RangeError);
});

test('the table knows each code once, and itself', () => {
  const entries = Object.entries(capabilityTable);
  expect(new Set(entries.map(([, codec]) => codec.code)).size).toBe(entries.length);
  for (const [type, codec] of entries) expect(codec.type).toBe(type);
});

test('round trip', () => {
  fc.assert(
    fc.property(capabilities, (value) => {
      expect(decodeCapabilities(encodeCapabilities(value))).toEqual({ ok: true, value });
    }),
  );
});

test('any octets, and octets that look like capabilities, never throw', () => {
  const codes = fc.constantFrom(...Object.values(capabilityTable).map((codec) => codec.code), 200);
  const looksLike = fc
    .array(fc.tuple(codes, fc.uint8Array({ maxLength: 20 })), { maxLength: 5 })
    .map((list) => Uint8Array.from(list.flatMap(([code, value]) => [code, value.length, ...value])));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), looksLike), (octets) => {
      const decoded = decodeCapabilities(octets);
      if (decoded.ok) for (const capability of decoded.value) expect(formatCapability(capability)).not.toBe('');
    }),
  );
});
