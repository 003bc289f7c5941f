import { describe } from 'vitest';
import { calico } from '../support.ts';
import { check } from './check.ts';

describe('IPPool', () => {
  check(
    (spec) => calico('IPPool', 'p', spec),
    [
      [
        'as installed by default, without encapsulation',
        'cidr: 192.168.0.0/16\nipipMode: Never\nvxlanMode: Never\nnatOutgoing: true\nnodeSelector: all()\nblockSize: 26\nallowedUses: [Workload, Tunnel]\nassignmentMode: Automatic\ndisableBGPExport: false',
        [],
      ],
      ['no cidr', 'natOutgoing: true', ['spec.cidr: is missing']],
      [
        'IPIP',
        'cidr: 192.168.0.0/16\nipipMode: Always',
        ['spec.ipipMode: Always: podroute does not encapsulate (no IPIP); set it to Never'],
      ],
      [
        'VXLAN',
        'cidr: 192.168.0.0/16\nvxlanMode: CrossSubnet',
        ['spec.vxlanMode: CrossSubnet: podroute does not encapsulate (no VXLAN); set it to Never'],
      ],
      ['link-local', 'cidr: 169.254.0.0/17', ['spec.cidr: 169.254.0.0/17: overlaps the link-local 169.254.0.0/16']],
      ['around link-local', 'cidr: fe00::/8', ['spec.cidr: fe00::/8: overlaps the link-local fe80::/10']],
      [
        'blockSize for IPv4',
        'cidr: 10.0.0.0/16\nblockSize: 33',
        ['spec.blockSize: 33: must be from 20 to 32 for IPv4'],
      ],
      [
        'blockSize for IPv6',
        'cidr: 2001:db8::/48\nblockSize: 64',
        ['spec.blockSize: 64: must be from 116 to 128 for IPv6'],
      ],
      ['smaller than a block', 'cidr: 10.0.0.0/27', ['spec.cidr: 10.0.0.0/27: is smaller than one block (/26)']],
      [
        'smaller than its block',
        'cidr: 10.0.0.0/24\nblockSize: 23',
        ['spec.blockSize: 10.0.0.0/24: is smaller than one block (/23)'],
      ],
      ['smaller than a block, but disabled', 'cidr: 10.0.0.0/27\ndisabled: true', []],
      [
        'nodeSelector',
        'cidr: 10.0.0.0/16\nnodeSelector: global()',
        ['spec.nodeSelector: "global()": global() has no meaning here'],
      ],
      ['namespaceSelector', `cidr: 10.0.0.0/16\nnamespaceSelector: team == 'a'`, []],
      ['load balancer', 'cidr: 10.0.0.0/16\nallowedUses: [LoadBalancer]', []],
      [
        'load balancer and more',
        'cidr: 10.0.0.0/16\nallowedUses: [LoadBalancer, Workload]',
        ['spec.allowedUses: LoadBalancer cannot be combined with other uses'],
      ],
      [
        'load balancer, not exported',
        'cidr: 10.0.0.0/16\nallowedUses: [LoadBalancer]\ndisableBGPExport: true',
        ['spec.disableBGPExport: has no meaning for a pool of load balancer addresses'],
      ],
      [
        'load balancer of some nodes',
        'cidr: 10.0.0.0/16\nallowedUses: [LoadBalancer]\nnodeSelector: has(x)',
        ['spec.nodeSelector: "has(x)": a pool of load balancer addresses needs all()'],
      ],
      [
        'assignmentMode',
        'cidr: 10.0.0.0/16\nassignmentMode: None',
        ['spec.assignmentMode: "None": must be Automatic or Manual'],
      ],
    ],
  );
});
