import { ip } from 'bgp-ts';
import { expect, test } from 'vitest';
import { type AddResult, atLeast, CniError, printError, printResult, supportedVersions } from '../../../cni/spec.ts';

const result: AddResult = {
  interfaces: [
    { name: 'pr0123456789abc', mac: 'ee:ee:ee:ee:ee:ee', mtu: 1450 },
    { name: 'eth0', mac: '02:00:00:00:00:01', sandbox: '/run/netns/x', mtu: 1450 },
  ],
  ips: [
    { address: ip('10.1.0.5'), prefixLength: 32, gateway: ip('169.254.1.1'), interface: 1 },
    { address: ip('fd00::5'), prefixLength: 128, gateway: ip('fe80::1'), interface: 1 },
  ],
  routes: [{ dst: '0.0.0.0/0', gateway: ip('169.254.1.1') }],
  dns: { nameservers: ['10.0.0.10'] },
};

test.each(supportedVersions.map((version) => ({ version })))('a result in $version', ({ version }) => {
  const family = (text: string) => (atLeast(version, '1.0.0') ? {} : { version: text });
  const mtu = atLeast(version, '1.1.0') ? { mtu: 1450 } : {};
  expect(printResult(result, version)).toEqual({
    cniVersion: version,
    interfaces: [
      { name: 'pr0123456789abc', mac: 'ee:ee:ee:ee:ee:ee', ...mtu },
      { name: 'eth0', mac: '02:00:00:00:00:01', sandbox: '/run/netns/x', ...mtu },
    ],
    ips: [
      { ...family('4'), interface: 1, address: '10.1.0.5/32', gateway: '169.254.1.1' },
      { ...family('6'), interface: 1, address: 'fd00::5/128', gateway: 'fe80::1' },
    ],
    routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }],
    dns: { nameservers: ['10.0.0.10'] },
  });
});

test('behind another plugin, its entries come first and our interface indexes follow', () => {
  const previous = {
    interfaces: [{ name: 'eth0', sandbox: '/run/netns/x' }],
    ips: [{ interface: 0, address: '192.0.2.2/24' }],
    routes: [{ dst: '192.0.2.0/24' }],
    dns: { domain: 'example' },
  };
  const printed = printResult(result, '1.0.0', previous);
  expect(printed).toMatchObject({
    interfaces: [{ name: 'eth0' }, { name: 'pr0123456789abc' }, { name: 'eth0' }],
    ips: [{ interface: 0 }, { interface: 2, address: '10.1.0.5/32' }, { interface: 2 }],
    routes: [{ dst: '192.0.2.0/24' }, { dst: '0.0.0.0/0' }],
    dns: { domain: 'example', nameservers: ['10.0.0.10'] },
  });
});

test('an error', () => {
  expect(printError(new CniError(11, 'later', 'why'), '0.4.0')).toEqual({
    cniVersion: '0.4.0',
    code: 11,
    msg: 'later',
    details: 'why',
  });
  expect(printError(new CniError(11, 'later'), '0.4.0')).toEqual({ cniVersion: '0.4.0', code: 11, msg: 'later' });
});
