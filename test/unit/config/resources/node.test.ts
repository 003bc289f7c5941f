import { describe, expect, test } from 'vitest';
import { calico, podroute, read } from '../support.ts';
import { check } from './check.ts';

describe('Node of Calico', () => {
  check(
    (spec) => calico('Node', 'n', spec),
    [
      [
        'every field',
        'bgp: { asNumber: 64512, ipv4Address: 10.0.0.1/24, ipv6Address: "2001:db8::1/64", routeReflectorClusterID: 244.0.0.1 }\norchRefs: [{ nodeName: n, orchestrator: k8s }]\naddresses: [{ address: 10.0.0.1, type: CalicoNodeIP }]\ninterfaces: [{ name: eth0, addresses: [10.0.0.1] }]',
        [],
      ],
      ['an empty bgp', 'bgp: {}', ['spec.bgp: is empty: leave it out, or give an address']],
      [
        'addresses of the wrong version',
        'bgp: { ipv4Address: "2001:db8::1", ipv6Address: 10.0.0.1 }',
        [
          'spec.bgp.ipv4Address: "2001:db8::1": must be an IPv4 address, with or without a prefix length',
          'spec.bgp.ipv6Address: "10.0.0.1": must be an IPv6 address, with or without a prefix length',
        ],
      ],
      [
        'cluster id',
        'bgp: { routeReflectorClusterID: rr1 }',
        ['spec.bgp.routeReflectorClusterID: "rr1": must be written like an IPv4 address'],
      ],
      [
        'tunnels',
        'bgp: { ipv4Address: 10.0.0.1, ipv4IPIPTunnelAddr: 192.168.0.1 }\nipv4VXLANTunnelAddr: 192.168.0.2\nwireguard: {}',
        [
          'warning spec.bgp.ipv4IPIPTunnelAddr: podroute does not encapsulate: the address is not used',
          'warning spec.wireguard: podroute does not encapsulate: not used',
          'warning spec.ipv4VXLANTunnelAddr: podroute does not encapsulate: not used',
        ],
      ],
      ['a field of podroute', 'podCIDRs: []', ['warning spec.podCIDRs: unknown field, ignored']],
    ],
  );
});

describe('Node of podroute', () => {
  check(
    (spec) => podroute('Node', 'n', spec),
    [
      [
        'everything',
        'asNumber: 64512\nrouterID: 10.0.0.1\nipv4Address: 10.0.0.1\nipv6Address: 2001:db8::1/64\nrouteReflectorClusterID: 10.0.0.1\npodCIDRs: [10.1.0.0/24, "2001:db8:1::/64"]\nnetworks: [10.2.0.0/24, { cidr: 10.3.0.0/24, discard: true }]',
        [],
      ],
      ['with the bgp level', 'bgp: { asNumber: 64512, ipv4Address: 10.0.0.1 }', []],
      [
        'the same twice',
        'asNumber: 1\nbgp: { asNumber: 1 }',
        ['spec.bgp.asNumber: is there twice: also as spec.asNumber'],
      ],
      [
        'a network with host bits',
        'networks: [10.2.0.1/24]',
        ['spec.networks[0].cidr: "10.2.0.1/24": has bits set behind its length; did you mean 10.2.0.0/24?'],
      ],
      ['a misspelt field', 'podCIDR: []', ['spec.podCIDR: unknown field; did you mean podCIDRs?']],
      [
        'a misspelt field of a network',
        'networks: [{ cidr: 10.2.0.0/24, discrad: true }]',
        ['spec.networks[0].discrad: unknown field; did you mean discard?'],
      ],
    ],
  );
});

describe('Node of Kubernetes', () => {
  test('annotations and pod CIDRs', () => {
    const text = `apiVersion: v1
kind: Node
metadata:
  name: n
  annotations:
    projectcalico.org/ASNumber: "64513"
    projectcalico.org/IPv4Address: 10.0.0.1/24
    projectcalico.org/RouteReflectorClusterID: 244.0.0.1
    other/annotation: x
spec:
  podCIDR: 10.1.0.0/24
  podCIDRs: [10.1.0.0/24]
  taints: []
status: { conditions: [] }
`;
    expect(read(text)).toMatchObject({ errors: [], warnings: [], resources: [{ spec: { asNumber: 64513 } }] });
    expect(read(text.replace('10.0.0.1/24', 'x')).errors).toEqual([
      'test.yaml: document 1 (Node n), line 7: metadata.annotations.projectcalico.org/IPv4Address: "x": must be an IPv4 address, with or without a prefix length',
    ]);
  });
});
