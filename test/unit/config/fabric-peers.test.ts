import { formatIp } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import type { DesiredPeer } from '../../../config/desired-state.ts';
import { calico, documents, peerOf, podroute, stateOf } from './support.ts';

const base = documents(
  calico('Node', 'a', 'bgp: { ipv4Address: 10.0.0.1/24 }'),
  calico('BGPConfiguration', 'default', 'nodeToNodeMeshEnabled: false'),
);

function tor(spec: string): DesiredPeer {
  return peerOf(stateOf(documents(base, podroute('BGPPeer', 'tor', spec)), 'a'), 'tor');
}

describe('peers of a fabric', () => {
  test('an interface in place of an address: both families, IPv6 next hops for IPv4', () => {
    const peer = tor('interface: eth1\nasNumber: external');
    expect(peer).toMatchObject({
      unnumbered: true,
      device: 'eth1',
      localAddress: undefined,
      remoteAs: 'external',
      extendedNextHop: true,
      families: ['ipv4-unicast', 'ipv6-unicast'],
    });
    expect(formatIp(peer.address)).toBe('fe80::');
  });

  test.each([
    ['peerIP: "fe80::1%eth1"', true],
    ['peerIP: "2001:db8::1"', false],
    ['peerIP: "2001:db8::1"\nextendedNextHop: true', true],
    ['peerIP: "fe80::1%eth1"\nextendedNextHop: false', false],
  ])('%s: extended next hops %s', (spec, expected) => {
    expect(tor(`${spec}\nasNumber: 65000`).extendedNextHop).toBe(expected);
  });

  test.each([
    ['10G', 10e9, false],
    ['2.5G', 2.5e9, false],
    ['100M', 100e6, false],
    ['{ rate: 1T, transitive: true }', 1e12, true],
  ])('link bandwidth %s', (text, bitsPerSecond, isTransitive) => {
    const peer = tor(`peerIP: 192.0.2.1\nasNumber: 65000\nlinkBandwidth: ${text}`);
    expect(peer.linkBandwidth).toEqual({ bitsPerSecond, isTransitive });
  });

  test.each([
    ['interface: eth1', 'asNumber'],
    ['interface: eth1\nasNumber: 65000\npeerIP: 192.0.2.1', 'interface'],
    ['interface: eth1\nasNumber: 65000\nsourceAddress: 10.0.0.1', 'sourceAddress'],
    ['interface: eth1\nasNumber: 65000\nmultihop: 3', 'multihop'],
    ['peerIP: 192.0.2.1\nasNumber: 65000\nlinkBandwidth: fast', 'linkBandwidth'],
    ['peerIP: 192.0.2.1\nasNumber: 65000\nlinkBandwidth: 0', 'linkBandwidth'],
  ])('%j is refused for %s', (spec, field) => {
    expect(() => tor(spec)).toThrow(`spec.${field}`);
  });
});
