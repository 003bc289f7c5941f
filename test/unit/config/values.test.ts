import { formatIp, formatPrefix } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import {
  asNumber,
  boolean,
  cidr,
  community,
  communityPattern,
  holdTime,
  integer,
  interfaceAddress,
  ipAddress,
  oneOf,
  peerAddress,
  type Read,
  routerId,
  seconds,
  secondsBetween,
  selector,
  text,
} from '../../../config/values.ts';

/** Reader, what is written, what is read (addresses as text) or refused with. */
const rows: readonly [string, Read<unknown>, unknown, unknown][] = [
  ['AS number', asNumber, 65000, 65000],
  ['AS number as text', asNumber, '65000', 65000],
  ['AS number with a dot', asNumber, '1.10', 65546],
  ['largest AS number', asNumber, 4294967295, 4294967295],
  [
    'AS number with a dot that YAML took for a fraction',
    asNumber,
    1.1,
    new Error('1.1: an AS number with a dot must be in quotes ("1.1")'),
  ],
  ['AS 0', asNumber, 0, new Error('0: AS 0 is reserved (RFC 7607)')],
  [
    'AS number too large',
    asNumber,
    4294967296,
    new Error('4294967296: must be an AS number, 1 to 4294967295 or "1.10"'),
  ],
  [
    'AS number that is none',
    asNumber,
    'AS65000',
    new Error('"AS65000": must be an AS number, 1 to 4294967295 or "1.10"'),
  ],
  ['AS number below 0', asNumber, -1, new Error('-1: must be an AS number, 1 to 4294967295 or "1.10"')],
  ['duration', seconds, '90s', 90],
  ['duration of two parts', seconds, '1m30s', 90],
  ['duration with a fraction', seconds, '1.5h', 5400],
  ['duration, rounded', seconds, '1500ms', 2],
  ['duration in seconds', seconds, 9, 9],
  ['duration 0', seconds, '0', 0],
  ['duration without a unit', seconds, '90', new Error('"90": must be a duration such as "90s" or "1m30s"')],
  ['duration below 0', seconds, -1, new Error('-1: must be a duration such as "90s"')],
  ['duration of another kind', seconds, [], new Error('a list: must be a duration such as "90s" or "1m30s"')],
  ['duration in bounds', secondsBetween(1, 10), '10s', 10],
  ['duration out of bounds', secondsBetween(1, 10), '11s', new Error('11 s: must be from 1 to 10 s')],
  ['hold time 0', holdTime, 0, 0],
  ['hold time 3', holdTime, '3s', 3],
  ['hold time 2', holdTime, '2s', new Error('2 s: must be 0 or at least 3 s (RFC 4271 §4.2)')],
  ['hold time too long', holdTime, 65536, new Error('65536 s: must be at most 65535 s')],
  ['address', ipAddress, '2001:DB8::1', '2001:db8::1'],
  ['address with a length', ipAddress, '10.0.0.1/24', new Error('"10.0.0.1/24": must be an IPv4 or IPv6 address')],
  ['interface address', interfaceAddress(4), '10.0.0.1/24', '10.0.0.1'],
  ['interface address without a length', interfaceAddress(6), '2001:db8::1', '2001:db8::1'],
  [
    'interface address of the other version',
    interfaceAddress(4),
    '2001:db8::1',
    new Error('"2001:db8::1": must be an IPv4 address, with or without a prefix length'),
  ],
  [
    'interface address, length too long',
    interfaceAddress(4),
    '10.0.0.1/33',
    new Error('"10.0.0.1/33": must be an IPv4 address, with or without a prefix length'),
  ],
  ['router id', routerId, '10.0.0.1', '10.0.0.1'],
  ['router id 0.0.0.0', routerId, '0.0.0.0', new Error('0.0.0.0: is no identifier')],
  ['router id of IPv6', routerId, '::1', new Error('"::1": must be written like an IPv4 address')],
  ['prefix', cidr(), '10.0.0.0/8', '10.0.0.0/8'],
  [
    'prefix with host bits',
    cidr(),
    '10.1.0.0/8',
    new Error('"10.1.0.0/8": has bits set behind its length; did you mean 10.0.0.0/8?'),
  ],
  [
    'prefix without a length',
    cidr(),
    '10.0.0.0',
    new Error('"10.0.0.0": must be a prefix such as 10.0.0.0/16 or 2001:db8::/48'),
  ],
  ['prefix of the other version', cidr(4), '2001:db8::/32', new Error('"2001:db8::/32": must be an IPv4 prefix')],
  ['prefix that is a number', cidr(), 10, new Error('10: must be a prefix such as 10.0.0.0/16 or 2001:db8::/48')],
  ['truth', boolean, true, true],
  ['truth as text', boolean, 'yes', new Error('"yes": must be true or false')],
  ['number', integer(1, 10), 10, 10],
  ['number out of bounds', integer(1, 10), 11, new Error('11: must be from 1 to 10')],
  ['number with a fraction', integer(1, 10), 1.5, new Error('1.5: must be a whole number')],
  ['number as text', integer(1, 10), '5', new Error('"5": must be a whole number')],
  ['word', oneOf(['Auto', 'Self']), 'Auto', 'Auto'],
  ['word in another case', oneOf(['Auto', 'Self']), 'auto', new Error('"auto": must be Auto or Self')],
  ['word in any case', oneOf(['Info', 'Debug'], true), 'INFO', 'Info'],
  ['text', text(5), 'abcde', 'abcde'],
  ['text too long', text(5), 'abcdef', new Error('6 characters: at most 5 are allowed')],
  ['text that is a number', text(), 1, new Error('1: must be text, so put it in quotes')],
  ['peer address', peerAddress(false), '192.0.2.1', { address: '192.0.2.1', port: undefined, zone: undefined }],
  [
    'peer address with a port',
    peerAddress(false),
    '192.0.2.1:1790',
    { address: '192.0.2.1', port: 1790, zone: undefined },
  ],
  [
    'peer address of IPv6',
    peerAddress(false),
    '2001:db8::1',
    { address: '2001:db8::1', port: undefined, zone: undefined },
  ],
  [
    'peer address of IPv6 with a port',
    peerAddress(false),
    '[2001:db8::1]:1790',
    { address: '2001:db8::1', port: 1790, zone: undefined },
  ],
  [
    'peer address with a zone',
    peerAddress(true),
    'fe80::1%eth0',
    { address: 'fe80::1', port: undefined, zone: 'eth0' },
  ],
  [
    'peer address with a zone and a port',
    peerAddress(true),
    '[fe80::1%eth0]:1790',
    { address: 'fe80::1', port: 1790, zone: 'eth0' },
  ],
  [
    'peer address with a zone, for Calico',
    peerAddress(false),
    'fe80::1%eth0',
    new Error('"fe80::1%eth0": a zone is not allowed here'),
  ],
  ['peer address with port 0', peerAddress(false), '192.0.2.1:0', new Error('0: a port is from 1 to 65535')],
  [
    'peer address that is a name',
    peerAddress(false),
    'tor.example',
    new Error('"tor.example": must be an address, with a port as 192.0.2.1:179 or [2001:db8::1]:179'),
  ],
  ['community', community, '65000:1', { type: 'standard', value: 65000 * 65536 + 1 }],
  ['community by name', community, 'no-export', { type: 'standard', value: 0xffffff01 }],
  ['large community', community, '4200000000:1:2', { type: 'large', globalAdmin: 4200000000, local1: 1, local2: 2 }],
  [
    'community out of bounds',
    community,
    '65536:1',
    new Error('"65536:1": must be a community, "aa:nn" (16-bit numbers) or "aa:nn:mm" (32-bit numbers)'),
  ],
  ['community pattern', communityPattern, '65000:*', { type: 'standard', parts: [65000, '*'] }],
  [
    'community pattern with a range',
    communityPattern,
    '65000:1-9:*',
    { type: 'large', parts: [65000, { min: 1, max: 9 }, '*'] },
  ],
  [
    'community pattern, range turned round',
    communityPattern,
    '65000:9-1',
    new Error('"65000:9-1": must be a community, where a part may be * or a range such as 100-199'),
  ],
  [
    'community pattern out of bounds',
    communityPattern,
    '65000:65536',
    new Error('"65000:65536": must be a community, where a part may be * or a range such as 100-199'),
  ],
  // RFC 4360 §3: behind an AS number of two octets there are four, else two
  [
    'extended community pattern of a short AS number',
    communityPattern,
    'rt:65000:*',
    { type: 'extended', hex: '0002fde8********' },
  ],
  [
    'extended community pattern of a long AS number',
    communityPattern,
    'rt:65536:*',
    { type: 'extended', hex: '020200010000****' },
  ],
  [
    'extended community pattern of an address',
    communityPattern,
    'soo:192.0.2.1:*',
    { type: 'extended', hex: '0103c0000201****' },
  ],
  [
    'extended community pattern in hex',
    communityPattern,
    '0x0002FDE8****0007',
    { type: 'extended', hex: '0002fde8****0007' },
  ],
  ['selector', selector(), 'has(x)', { type: 'has', label: 'x' }],
  ['selector that does not parse', selector(), 'has(x', new Error('"has(x": expected ), not the end (column 6)')],
  ['selector with global()', selector(true), '!global()', new Error('"!global()": global() has no meaning here')],
];

describe('values', () => {
  for (const [name, read, written, expected] of rows) {
    test(name, () => {
      const result = read(written);
      if (expected instanceof Error) expect(result).toEqual({ ok: false, error: expected.message });
      else expect(result.ok && readable(result.value)).toEqual(expected);
    });
  }
});

/** Addresses and prefixes as text. */
function readable(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('octets' in value) return formatIp(value as Parameters<typeof formatIp>[0]);
  if ('length' in value && 'address' in value) return formatPrefix(value as Parameters<typeof formatPrefix>[0]);
  if ('address' in value) return { ...value, address: readable(value.address) };
  return value;
}
