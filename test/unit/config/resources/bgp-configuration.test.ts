import { describe } from 'vitest';
import { calico, podroute } from '../support.ts';
import { check } from './check.ts';

describe('BGPConfiguration of Calico', () => {
  check(
    (spec) => calico('BGPConfiguration', 'default', spec),
    [
      ['nothing', '{}', []],
      ['logSeverityScreen in any case', 'logSeverityScreen: WARNING', []],
      [
        'logSeverityScreen of another kind',
        'logSeverityScreen: loud',
        ['spec.logSeverityScreen: "loud": must be Trace, Debug, Info, Warning, Warn, Error or Fatal'],
      ],
      [
        'nodeToNodeMeshEnabled',
        'nodeToNodeMeshEnabled: "true"',
        ['spec.nodeToNodeMeshEnabled: "true": must be true or false'],
      ],
      ['asNumber', 'asNumber: "64512"', []],
      [
        'service ranges',
        'serviceClusterIPs: [{ cidr: 10.96.0.0/12 }]\nserviceExternalIPs: [{ cidr: 192.0.2.0/24 }]\nserviceLoadBalancerIPs: [{ cidr: 198.51.100.0/24 }]',
        [],
      ],
      [
        'a service range with host bits',
        'serviceClusterIPs: [{ cidr: 10.96.0.1/12 }]',
        ['spec.serviceClusterIPs[0].cidr: "10.96.0.1/12": has bits set behind its length; did you mean 10.96.0.0/12?'],
      ],
      [
        'a single service address',
        'serviceExternalIPs: [{ cidr: 192.0.2.1/32 }]',
        [
          'warning spec.serviceExternalIPs[0]: a single address is advertised for its service only, which is not supported yet',
        ],
      ],
      [
        'serviceLoadBalancerAggregation',
        'serviceLoadBalancerAggregation: Disabled',
        [
          'warning spec.serviceLoadBalancerAggregation: Disabled: addresses of single services are not advertised yet, so serviceLoadBalancerIPs are not',
        ],
      ],
      [
        'communities',
        'communities: [{ name: c, value: "65000:1" }]\nprefixAdvertisements: [{ cidr: 10.0.0.0/8, communities: [c, "65000:1:2"] }]',
        [],
      ],
      [
        'communities without use',
        'communities: [{ name: c, value: "65000:1" }]',
        ['spec.communities: are named but not used: prefixAdvertisements is missing'],
      ],
      [
        'a community twice',
        'communities: [{ name: c, value: "1:1" }, { name: c, value: "1:2" }]\nprefixAdvertisements: [{ cidr: 10.0.0.0/8, communities: [c] }]',
        ['spec.communities[1].name: "c": is there twice'],
      ],
      [
        'a community that nobody named',
        'prefixAdvertisements: [{ cidr: 10.0.0.0/8, communities: [c] }]',
        [
          'spec.prefixAdvertisements[0].communities[0]: "c": is neither a community nor the name of one in spec.communities',
        ],
      ],
      [
        'a community out of bounds',
        'communities: [{ name: c, value: "65536:1" }]\nprefixAdvertisements: [{ cidr: 10.0.0.0/8, communities: [c] }]',
        [
          'spec.communities[0].value: "65536:1": must be a community, "aa:nn" (16-bit numbers) or "aa:nn:mm" (32-bit numbers)',
        ],
      ],
      [
        'too many communities',
        `prefixAdvertisements: [{ cidr: 10.0.0.0/8, communities: [${Array.from({ length: 51 }, (_, i) => `"1:${i}"`).join(', ')}] }]`,
        ['spec.prefixAdvertisements[0].communities: has too many entries: at most 50 are allowed'],
      ],
      ['listenPort', 'listenPort: 0', ['spec.listenPort: 0: must be from 1 to 65535']],
      ['nodeMeshPassword', 'nodeMeshPassword: { secretKeyRef: { name: s, key: k } }', []],
      [
        'nodeMeshPassword without a mesh',
        'nodeToNodeMeshEnabled: false\nnodeMeshPassword: { secretKeyRef: { name: s, key: k } }',
        ['spec.nodeMeshPassword: has no meaning while nodeToNodeMeshEnabled is false'],
      ],
      [
        'nodeMeshMaxRestartTime',
        'nodeMeshMaxRestartTime: 120s',
        ['warning spec.nodeMeshMaxRestartTime: kept, but graceful restart is not offered to peers yet'],
      ],
      ['bindMode', 'bindMode: NodeIP', []],
      [
        'ignoredInterfaces',
        'ignoredInterfaces: [vxlan*]',
        ['warning spec.ignoredInterfaces: has no effect: podroute never advertises routes of interfaces'],
      ],
      [
        'localWorkloadPeering',
        'localWorkloadPeeringIPV4: 169.254.1.1\nlocalWorkloadPeeringIPV6: fe80::1',
        [
          'warning spec.localWorkloadPeeringIPV4: has no effect: peering with pods is not supported',
          'warning spec.localWorkloadPeeringIPV6: has no effect: peering with pods is not supported',
        ],
      ],
      ['programClusterRoutes', 'programClusterRoutes: EnabledNoEncapOnly', []],
      [
        'programClusterRoutes off',
        'programClusterRoutes: Disabled',
        ['warning spec.programClusterRoutes: Disabled: podroute puts routes into the kernel all the same'],
      ],
      [
        'programClusterRoutes unknown',
        'programClusterRoutes: Sometimes',
        ['warning spec.programClusterRoutes: "Sometimes": unknown, EnabledNoEncapOnly is used'],
      ],
      [
        'route priorities',
        'ipv4NormalRoutePriority: 512\nipv6NormalRoutePriority: 2147483647',
        ['spec.ipv6NormalRoutePriority: 2147483647: must be from 1 to 2147483646'],
      ],
    ],
  );
});

describe('BGPConfiguration of podroute', () => {
  check(
    (spec) => podroute('BGPConfiguration', 'default', spec),
    [
      [
        'everything',
        'listenAddresses: [10.0.0.1, "2001:db8::1"]\nholdTime: 9s\nconnectRetryTime: 5\nmultipath: { maxPaths: 4, relaxASPath: false }',
        [],
      ],
      ['maxPaths', 'multipath: { maxPaths: 0 }', ['spec.multipath.maxPaths: 0: must be from 1 to 128']],
      [
        'listenAddresses and bindMode',
        'listenAddresses: [10.0.0.1]\nbindMode: NodeIP',
        ['spec.listenAddresses: cannot be set together with bindMode: NodeIP'],
      ],
      ['an unknown field', 'multipaht: {}', ['spec.multipaht: unknown field; did you mean multipath?']],
    ],
  );
});
