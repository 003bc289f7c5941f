import { formatIp, formatPrefix, ip } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { chooseNodeName, hashedRouterId } from '../../../config/cluster.ts';
import type { DesiredState } from '../../../config/desired-state.ts';
import { toResourceSet } from '../../../config/resource-set.ts';
import { calico, compileErrors, compileText, documents, podroute, read, resource, stateOf } from './support.ts';

const node = calico('Node', 'a', 'bgp: { ipv4Address: 10.0.0.1/24 }');

describe('node', () => {
  test('AS number: the node, else the cluster, else 64512', () => {
    const as = (...texts: string[]) => stateOf(documents(...texts), 'a').node.asn;
    expect(as(node)).toBe(64512);
    expect(as(node, calico('BGPConfiguration', 'default', 'asNumber: 64999'))).toBe(64999);
    const own = podroute('Node', 'a', 'ipv4Address: 10.0.0.1\nasNumber: "1.1"');
    expect(as(own, calico('BGPConfiguration', 'default', 'asNumber: 64999'))).toBe(65537);
  });

  test('router id: as said, else the IPv4 address, else made of the name', () => {
    const id = (spec: string) => formatIp(stateOf(podroute('Node', 'a', spec), 'a').node.routerId);
    expect(id('ipv4Address: 10.0.0.1\nrouterID: 1.2.3.4')).toBe('1.2.3.4');
    expect(id('ipv4Address: 10.0.0.1/24')).toBe('10.0.0.1');
    expect(id('ipv6Address: 2001:db8::1')).toBe(formatIp(hashedRouterId('a')));
    expect(compileText(podroute('Node', 'a', '{}'), 'a').warnings, 'one is looked for').toEqual([]);
    expect(compileText(podroute('Node', 'a', 'ipv6Address: 2001:db8::1'), 'a').warnings).toEqual([
      'test.yaml: document 1 (Node a), line 5: spec: has neither an IPv4 address nor a router id: one is made of its name',
    ]);
  });

  test('a node that is not there', () => {
    expect(compileErrors(node, 'b')).toEqual(['this node is "b", and no Node has that name: there are a']);
    expect(compileErrors(calico('BGPConfiguration', 'default', '{}'), 'b')).toEqual([
      'this node is "b", and no Node has that name: there is no Node at all',
    ]);
  });

  test('two nodes with one address', () => {
    expect(compileErrors(documents(node, calico('Node', 'b', 'bgp: { ipv4Address: 10.0.0.1 }')), 'a')).toEqual([
      'test.yaml: document 2 (Node b), line 11: spec: 10.0.0.1: is also the address of Node a',
    ]);
  });

  test('a Node of Kubernetes with annotations of Calico', () => {
    const text = `apiVersion: v1
kind: Node
metadata:
  name: worker-1
  labels: { rack: r1 }
  annotations:
    projectcalico.org/ASNumber: "64513"
    projectcalico.org/IPv4Address: 10.0.0.1/24
    projectcalico.org/IPv6Address: 2001:db8::1/64
spec: { podCIDRs: [10.244.1.0/24] }
`;
    const { node, blocks } = stateOf(text, 'worker-1');
    expect(node).toMatchObject({
      asn: 64513,
      ipv4Address: ip('10.0.0.1'),
      ipv6Address: ip('2001:db8::1'),
      labels: { rack: 'r1' },
    });
    expect(blocks.map(({ prefix }) => formatPrefix(prefix))).toEqual(['10.244.1.0/24']);
  });

  test('names are chosen: asked for, the only one, the host', () => {
    const set = (...names: string[]) =>
      toResourceSet(read(documents(...names.map((name) => podroute('Node', name, '{}')))).resources, new Map());
    expect(chooseNodeName(set('a', 'b'), 'c', 'a')).toBe('c');
    expect(chooseNodeName(set('a'), undefined, 'host')).toBe('a');
    expect(chooseNodeName(set('a', 'b'), undefined, 'B.example.com')).toBe('b');
    expect(chooseNodeName(set('a.example.com', 'b'), undefined, 'a.example.com')).toBe('a.example.com');
    expect(chooseNodeName(set('a', 'b'), '', 'c')).toBeUndefined();
  });
});

describe('speaker-wide settings', () => {
  test('defaults', () => {
    const { bgp, fib, cni, api, log, ipam } = stateOf(node, 'a');
    expect({ bgp, fib, cni, api, log, ipam }).toEqual({
      bgp: { listenPort: 179, listenAddresses: [], multipath: { maxPaths: 16, relaxAsPath: true } },
      fib: {
        enabled: true,
        table: 254,
        metric: 1024,
        ipv6Metric: 1024,
        discardMetric: 4096,
        discardType: 'unreachable',
        protocol: 177,
        keepRoutes: true,
        nextHopObjects: 'auto',
        neverInstall: [],
      },
      cni: {
        enabled: false,
        mtu: undefined,
        socketPath: '/run/podroute/cni.sock',
        statePath: '/var/lib/podroute/state.db',
      },
      api: { socketPath: '/run/podroute/podrouted.sock' },
      log: { level: 'info' },
      ipam: { strictAffinity: false, maxBlocks: 20, autoAllocateBlocks: true, cooldownSeconds: 0, reserved: [] },
    });
  });

  test('Speaker: default, overlaid with that of the node', () => {
    const text = documents(
      node,
      podroute('Speaker', 'default', 'fib: { table: 100, metric: 50 }\ncni: { mtu: 9000 }\nlog: { level: debug }'),
      podroute('Speaker', 'node.a', 'fib: { metric: 60 }\napi: { socket: /run/a.sock }'),
      podroute('Speaker', 'node.b', 'fib: { metric: 70 }'),
      podroute('Speaker', 'odd', 'fib: { metric: 80 }'),
    );
    const { state, warnings } = compileText(text, 'a');
    expect(state.fib).toMatchObject({ table: 100, metric: 60, ipv6Metric: 60 });
    expect([state.cni.mtu, state.log.level, state.api.socketPath]).toEqual([9000, 'debug', '/run/a.sock']);
    expect(warnings).toEqual([
      'test.yaml: document 5 (Speaker odd), line 30: metadata.name: "odd": ignored, the name must be default, or node. and the name of a node',
    ]);
  });

  test.each([
    ['Trace', 'debug'],
    ['DEBUG', 'debug'],
    ['Info', 'info'],
    ['warning', 'warn'],
    ['Error', 'error'],
    ['Fatal', 'error'],
  ])('logSeverityScreen %s', (word, level) => {
    const text = documents(node, calico('BGPConfiguration', 'default', `logSeverityScreen: ${word}`));
    expect(stateOf(text, 'a').log.level).toBe(level);
    const own = documents(text, calico('BGPConfiguration', 'node.a', 'logSeverityScreen: Debug'));
    expect(stateOf(own, 'a').log.level).toBe('debug');
  });

  test('route priorities are the metrics of the kernel; discard routes stay worse', () => {
    const text = documents(
      node,
      calico('BGPConfiguration', 'default', 'ipv4NormalRoutePriority: 512\nipv6NormalRoutePriority: 5000'),
    );
    expect(stateOf(text, 'a').fib).toMatchObject({ metric: 512, ipv6Metric: 5000, discardMetric: 5001 });
  });

  test('where to listen', () => {
    const listen = (make: typeof calico, spec: string) =>
      stateOf(
        documents(
          calico('Node', 'a', 'bgp: { ipv4Address: 10.0.0.1, ipv6Address: "2001:db8::1" }'),
          make('BGPConfiguration', 'default', spec),
        ),
        'a',
      ).bgp.listenAddresses.map(formatIp);
    expect(listen(calico, 'bindMode: NodeIP')).toEqual(['10.0.0.1', '2001:db8::1']);
    expect(listen(calico, 'bindMode: None')).toEqual([]);
    expect(listen(podroute, 'listenAddresses: [127.0.0.1]')).toEqual(['127.0.0.1']);
  });

  test('multipath', () => {
    const text = documents(
      node,
      podroute('BGPConfiguration', 'default', 'multipath: { maxPaths: 1, relaxASPath: false }'),
    );
    expect(stateOf(text, 'a').bgp.multipath).toEqual({ maxPaths: 1, relaxAsPath: false });
  });

  test('address management', () => {
    const text = documents(
      node,
      calico(
        'IPAMConfiguration',
        'default',
        'strictAffinity: true\nmaxBlocksPerHost: 4\nautoAllocateBlocks: false\nipCooldownSeconds: 30',
      ),
      calico('IPReservation', 'r1', 'reservedCIDRs: [10.244.0.8/29, 10.244.0.0/29]'),
      calico('IPReservation', 'r2', 'reservedCIDRs: [10.244.0.0/29]'),
    );
    const { reserved, ...ipam } = stateOf(text, 'a').ipam;
    expect(ipam).toEqual({ strictAffinity: true, maxBlocks: 4, autoAllocateBlocks: false, cooldownSeconds: 30 });
    expect(reserved.map(formatPrefix)).toEqual(['10.244.0.0/29', '10.244.0.8/29']);
  });
});

describe('pools and blocks', () => {
  const own = (spec: string, labels?: string) => podroute('Node', 'a', `ipv4Address: 10.0.0.1\n${spec}`, labels);
  const blocks = (state: DesiredState) =>
    state.blocks.map(({ prefix, pool, advertise, allocate }) => [formatPrefix(prefix), pool, advertise, allocate]);

  test('a pool and its defaults', () => {
    const text = documents(
      own(''),
      calico('IPPool', 'pods', 'cidr: 10.244.0.0/16'),
      calico('IPPool', 'v6', 'cidr: 2001:db8:1::/48'),
    );
    expect(stateOf(text, 'a').pools.map(({ prefix, ...rest }) => ({ prefix: formatPrefix(prefix), ...rest }))).toEqual(
      [
        ['pods', '10.244.0.0/16', 26],
        ['v6', '2001:db8:1::/48', 122],
      ].map(([name, prefix, blockLength]) => ({
        name,
        prefix,
        blockLength,
        natOutgoing: false,
        disabled: false,
        disableBgpExport: false,
        selectsNode: true,
        namespaceSelector: undefined,
        allowedUses: ['Workload', 'Tunnel'],
        assignmentMode: 'Automatic',
      })),
    );
  });

  test('a pool for other nodes', () => {
    const text = (labels: string) =>
      documents(
        own('routerID: 10.0.0.1', labels),
        calico('IPPool', 'pods', `cidr: 10.244.0.0/16\nnodeSelector: rack == 'r1'`),
      );
    expect(stateOf(text('{ rack: r1 }'), 'a').pools[0]?.selectsNode).toBe(true);
    expect(stateOf(text('{ rack: r1 }'), 'a').cni.enabled).toBe(true);
    expect(stateOf(text('{ rack: r2 }'), 'a').pools[0]?.selectsNode).toBe(false);
    expect(stateOf(text('{ rack: r2 }'), 'a').cni.enabled).toBe(false);
  });

  test('blocks of the node, in order, with their pools', () => {
    const text = documents(
      own('podCIDRs: ["2001:db8:1::/64", 10.246.0.0/24, 10.245.0.0/26, 10.244.0.0/26, 10.9.0.0/24]'),
      calico('IPPool', 'pods', 'cidr: 10.244.0.0/16'),
      calico('IPPool', 'hidden', 'cidr: 10.245.0.0/16\ndisableBGPExport: true'),
      calico('IPPool', 'off', 'cidr: 10.246.0.0/16\ndisabled: true'),
    );
    expect(blocks(stateOf(text, 'a'))).toEqual([
      ['10.9.0.0/24', undefined, true, true],
      ['10.244.0.0/26', 'pods', true, true],
      ['10.245.0.0/26', 'hidden', false, true],
      ['10.246.0.0/24', 'off', true, false],
      ['2001:db8:1::/64', undefined, true, true],
    ]);
  });

  test('confirmed affinities are blocks of their node', () => {
    const affinity = (name: string, state: string, node: string, cidr: string) =>
      resource(
        'crd.projectcalico.org/v1',
        'BlockAffinity',
        name,
        `state: ${state}\nnode: ${node}\ncidr: ${cidr}\ndeleted: "false"`,
      );
    const text = documents(
      own('podCIDRs: [10.244.0.0/26]'),
      affinity('one', 'confirmed', 'a', '10.244.0.64/26'),
      affinity('two', 'pending', 'a', '10.244.0.128/26'),
      affinity('three', 'confirmed', 'b', '10.244.0.192/26'),
      affinity('again', 'confirmed', 'a', '10.244.0.0/26'),
    );
    expect(stateOf(text, 'a').blocks.map(({ prefix }) => formatPrefix(prefix))).toEqual([
      '10.244.0.0/26',
      '10.244.0.64/26',
    ]);
  });

  test('a block with two owners', () => {
    const text = documents(
      own('podCIDRs: [10.244.0.0/24]'),
      podroute('Node', 'b', 'ipv4Address: 10.0.0.2\npodCIDRs: [10.244.0.64/26]'),
    );
    expect(compileErrors(text, 'a')).toEqual([
      'test.yaml: document 2 (Node b), line 13: spec.podCIDRs[0]: 10.244.0.64/26: overlaps 10.244.0.0/24 of Node a',
    ]);
  });

  test('a node that lists overlapping blocks', () => {
    expect(compileErrors(own('podCIDRs: [10.244.0.0/24, 10.244.0.0/26]'), 'a')).toEqual([
      'test.yaml: document 1 (Node a), line 6: spec.podCIDRs[1]: 10.244.0.0/26: overlaps 10.244.0.0/24 of Node a',
    ]);
  });

  test('pools that overlap', () => {
    const text = documents(
      own('routerID: 10.0.0.1'),
      calico('IPPool', 'x', 'cidr: 10.0.0.0/8'),
      calico('IPPool', 'y', 'cidr: 10.244.0.0/16'),
    );
    expect(compileErrors(text, 'a')).toEqual([
      'test.yaml: document 3 (IPPool y), line 18: spec.cidr: 10.244.0.0/16: overlaps 10.0.0.0/8 of IPPool x',
    ]);
  });

  test('a reflector without pods leaves the kernel alone; one with pods does not', () => {
    const rr = 'routeReflectorClusterID: 10.0.0.1';
    expect(stateOf(own(rr), 'a')).toMatchObject({ fib: { enabled: false }, cni: { enabled: false } });
    expect(stateOf(own(`${rr}\npodCIDRs: [10.244.0.0/26]`), 'a')).toMatchObject({
      fib: { enabled: true },
      cni: { enabled: true },
    });
    const pool = calico('IPPool', 'pods', 'cidr: 10.244.0.0/16');
    expect(stateOf(documents(own(rr), pool), 'a').fib.enabled).toBe(true);
    const forced = podroute('Speaker', 'default', 'fib: { enabled: true }\ncni: { enabled: false }');
    expect(stateOf(documents(own(rr), forced), 'a')).toMatchObject({ fib: { enabled: true }, cni: { enabled: false } });
  });
});

describe('networks', () => {
  const networks = (text: string) =>
    stateOf(text, 'a').originate.map(
      ({ prefix, source, discard }) => `${formatPrefix(prefix)} ${source}${discard ? ' discard' : ''}`,
    );

  test('of the node', () => {
    expect(networks(podroute('Node', 'a', 'networks: [{ cidr: 10.3.0.0/24, discard: true }, 10.2.0.0/24]'))).toEqual([
      '10.2.0.0/24 network',
      '10.3.0.0/24 network discard',
    ]);
  });

  const services = `serviceClusterIPs: [{ cidr: 10.96.0.0/12 }]
serviceExternalIPs: [{ cidr: 192.0.2.0/24 }, { cidr: 203.0.113.1/32 }]
serviceLoadBalancerIPs: [{ cidr: 198.51.100.0/24 }]`;

  test('of services: whole ranges, single addresses not', () => {
    const text = documents(node, calico('BGPConfiguration', 'default', services));
    expect(networks(text)).toEqual(['10.96.0.0/12 service', '192.0.2.0/24 service', '198.51.100.0/24 service']);
    expect(stateOf(text, 'a').fib.neverInstall.map(formatPrefix)).toEqual([
      '10.96.0.0/12',
      '192.0.2.0/24',
      '198.51.100.0/24',
      '203.0.113.1/32',
    ]);
  });

  test('without aggregation no range of load balancers', () => {
    const text = documents(
      node,
      calico('BGPConfiguration', 'default', `${services}\nserviceLoadBalancerAggregation: Disabled`),
    );
    expect(networks(text)).toEqual(['10.96.0.0/12 service', '192.0.2.0/24 service']);
  });

  test('a node that is excluded advertises none, and installs none', () => {
    const excluded = calico(
      'Node',
      'a',
      'bgp: { ipv4Address: 10.0.0.1 }',
      '{ node.kubernetes.io/exclude-from-external-load-balancers: "true" }',
    );
    const text = documents(excluded, calico('BGPConfiguration', 'default', services));
    expect(networks(text)).toEqual([]);
    expect(stateOf(text, 'a').fib.neverInstall).toHaveLength(4);
  });
});

test('compiling is pure: the same in, the same out, whatever the order of the documents', () => {
  const texts = [
    node,
    calico('Node', 'b', 'bgp: { ipv4Address: 10.0.0.2 }'),
    calico('IPPool', 'x', 'cidr: 10.0.0.0/16'),
    calico('IPPool', 'y', 'cidr: 10.1.0.0/16'),
    calico('BGPPeer', 'p', 'peerIP: 192.0.2.1\nasNumber: 1'),
    calico('BGPPeer', 'q', 'peerIP: 192.0.2.2\nasNumber: 1'),
  ];
  expect(stateOf(documents(...texts.toReversed()), 'a')).toEqual(stateOf(documents(...texts), 'a'));
});
