import { formatIp, ip, prefix } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { readInterfaceAddresses } from '../../../fib/interface-addresses.ts';
import { LocalAddresses } from '../../../speaker/local-addresses.ts';

const entry = (interfaceName: string, address: string, subnet: string) => ({
  interfaceName,
  address: ip(address),
  subnet: prefix(subnet),
});

const machine = new LocalAddresses([
  entry('lo', '127.0.0.1', '127.0.0.0/8'),
  entry('eth0', '10.0.1.10', '10.0.1.0/24'),
  entry('eth0', 'fe80::10', 'fe80::/64'),
  entry('eth0', 'fd00:1::10', 'fd00:1::/64'),
  entry('eth1', '10.0.2.10', '10.0.2.0/24'),
  entry('eth1', 'fe80::20', 'fe80::/64'),
]);

describe('an address of the other family towards a peer', () => {
  test.each<[string, string, string | undefined, 4 | 6, string | undefined]>([
    ['on the subnet of the peer', '10.0.1.1', undefined, 6, 'fd00:1::10'],
    ['the other way round', 'fd00:1::1', undefined, 4, '10.0.1.10'],
    ['a link-local address is none', '10.0.2.1', undefined, 6, undefined],
    ['where the source address is, wherever the peer is', '192.0.2.1', '10.0.1.10', 6, 'fd00:1::10'],
    ['the source address goes before the subnet of the peer', '10.0.2.1', '10.0.1.10', 6, 'fd00:1::10'],
    ['a peer behind a router', '192.0.2.1', undefined, 6, undefined],
    ['a source address that is not here', '10.0.1.1', '10.9.9.9', 6, undefined],
  ])('%s', (_, peer, local, version, wanted) => {
    const found = machine.towards(ip(peer), local === undefined ? undefined : ip(local), version);
    expect(found && formatIp(found)).toBe(wanted);
  });
});

test('all of them are known, for no received path may name one as its next hop', () => {
  expect(machine.all().map(formatIp)).toEqual([
    '127.0.0.1',
    '10.0.1.10',
    'fe80::10',
    'fd00:1::10',
    '10.0.2.10',
    'fe80::20',
  ]);
});

test('this machine has a loopback address', () => {
  expect(new LocalAddresses(readInterfaceAddresses()).all().map(formatIp)).toContain('127.0.0.1');
});

test('are compared as they are on the interfaces', () => {
  const one = () => new LocalAddresses([entry('eth0', '10.0.1.10', '10.0.1.0/24')]);
  expect(one().equals(one())).toBe(true);
  expect(one().equals(machine)).toBe(false);
  expect(one().equals(new LocalAddresses([entry('eth1', '10.0.1.10', '10.0.1.0/24')]))).toBe(false);
  expect(one().equals(new LocalAddresses([entry('eth0', '10.0.1.11', '10.0.1.0/24')]))).toBe(false);
  expect(one().equals(new LocalAddresses([entry('eth0', '10.0.1.10', '10.0.0.0/16')]))).toBe(false);
});
