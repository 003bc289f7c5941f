import { formatIp, ip } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import type { DesiredPeer } from '../../../config/desired-state.ts';
import { SecretText } from '../../../config/secret.ts';
import { calico, compileErrors, compileText, documents, peerOf, podroute, stateOf } from './support.ts';

const node = (name: string, n: number, extra = '', labels = '{}') =>
  calico('Node', name, `bgp: { ipv4Address: 10.0.0.${n}/24${extra} }`, labels);
const dual = (name: string, n: number) => node(name, n, `, ipv6Address: "2001:db8::${n}/64"`);
const off = calico('BGPConfiguration', 'default', 'nodeToNodeMeshEnabled: false');

/** `NAME address:port AS kind`, and `passive`. */
const summary = (peer: DesiredPeer) =>
  `${peer.name} ${formatIp(peer.address)} ${peer.port} AS${peer.remoteAs} ${peer.kind}${peer.passive ? ' passive' : ''}`;
const peersOf = (text: string, name: string) => stateOf(text, name).peers.map(summary);

describe('node-to-node mesh', () => {
  test('is there by default; the side whose peer has the greater address as text waits', () => {
    const text = documents(node('a', 1), node('b', 2), node('c', 10));
    expect(peersOf(text, 'a')).toEqual([
      'mesh/b 10.0.0.2 179 AS64512 ibgp passive',
      'mesh/c 10.0.0.10 179 AS64512 ibgp passive',
    ]);
    // "10.0.0.10" < "10.0.0.2"
    expect(peersOf(text, 'b')).toEqual(['mesh/a 10.0.0.1 179 AS64512 ibgp', 'mesh/c 10.0.0.10 179 AS64512 ibgp']);
    expect(peersOf(text, 'c')).toEqual([
      'mesh/a 10.0.0.1 179 AS64512 ibgp',
      'mesh/b 10.0.0.2 179 AS64512 ibgp passive',
    ]);
  });

  test('has a session for each IP version that both ends have', () => {
    const state = stateOf(documents(dual('a', 1), dual('b', 2), node('c', 3)), 'a');
    expect(state.peers.map((peer) => `${summary(peer)} ${peer.families}`)).toEqual([
      'mesh/b 10.0.0.2 179 AS64512 ibgp passive ipv4-unicast',
      'mesh/b/ipv6 2001:db8::2 179 AS64512 ibgp passive ipv6-unicast',
      'mesh/c 10.0.0.3 179 AS64512 ibgp passive ipv4-unicast',
    ]);
    expect(formatIp(peerOf(state, 'mesh/b/ipv6').localAddress ?? peerOf(state, 'mesh/b').address)).toBe('2001:db8::1');
  });

  test('of podroute has one session with all families', () => {
    const text = documents(dual('a', 1), dual('b', 2), podroute('BGPConfiguration', 'default', 'holdTime: 9s'));
    const state = stateOf(text, 'a');
    expect(state.peers.map((peer) => `${summary(peer)} ${peer.families} ${peer.holdSeconds}`)).toEqual([
      'mesh/b 10.0.0.2 179 AS64512 ibgp ipv4-unicast,ipv6-unicast 9',
    ]);
    expect(peerOf(state, 'mesh/b').importPolicy.mode).toBe('calico');
  });

  test('knows AS numbers and ports of the others', () => {
    const text = documents(
      node('a', 1),
      node('b', 2, ', asNumber: "1.1"'),
      calico('BGPConfiguration', 'default', 'asNumber: 64999\nlistenPort: 1790'),
      calico('BGPConfiguration', 'node.b', 'listenPort: 1791\nasNumber: 1'),
    );
    expect(peersOf(text, 'a')).toEqual(['mesh/b 10.0.0.2 1791 AS65537 ebgp passive']);
    expect(peersOf(text, 'b')).toEqual(['mesh/a 10.0.0.1 1790 AS64999 ebgp']);
    expect(stateOf(text, 'b').bgp.listenPort).toBe(1791);
    expect(compileText(text, 'b').warnings).toEqual([
      'test.yaml: document 4 (BGPConfiguration node.b), line 25: spec.asNumber: cannot be set for a single node, ignored: it belongs into BGPConfiguration default',
    ]);
  });

  test('is left by reflectors, and can be switched off', () => {
    const text = documents(node('a', 1), node('b', 2), node('rr', 3, ', routeReflectorClusterID: 244.0.0.1'));
    expect(peersOf(text, 'a')).toEqual(['mesh/b 10.0.0.2 179 AS64512 ibgp passive']);
    expect(peersOf(text, 'rr')).toEqual([]);
    expect(peersOf(documents(node('a', 1), node('b', 2), off), 'a')).toEqual([]);
  });

  test('has its password', () => {
    const text = documents(
      node('a', 1),
      node('b', 2),
      calico('BGPConfiguration', 'default', 'nodeMeshPassword: { secretKeyRef: { name: mesh, key: key } }'),
    );
    const key = new SecretText('x');
    const { state } = compileText(text, 'a', new Map([['key key of Secret mesh', { type: 'key', key }]]));
    expect(peerOf(state, 'mesh/b').password).toEqual({ type: 'key', key });
  });
});

describe('BGPPeer', () => {
  const three = documents(
    node('a', 1, '', '{ rack: r1 }'),
    node('b', 2, '', '{ rack: r2 }'),
    node('rr', 3, ', routeReflectorClusterID: 244.0.0.1', '{ rr: "true" }'),
    off,
  );

  test('without node or nodeSelector is of all nodes', () => {
    const text = documents(three, calico('BGPPeer', 'tor', 'peerIP: 192.0.2.1\nasNumber: 65000'));
    expect(peersOf(text, 'a')).toEqual(['tor 192.0.2.1 179 AS65000 ebgp']);
    expect(peersOf(text, 'b')).toEqual(['tor 192.0.2.1 179 AS65000 ebgp']);
    expect(stateOf(text, 'a').peers[0]?.origin).toEqual({ dialect: 'calico', type: 'global', resource: 'BGPPeer tor' });
  });

  test('with node or nodeSelector is of those nodes', () => {
    const one = documents(three, calico('BGPPeer', 'tor', 'node: a\npeerIP: 192.0.2.1\nasNumber: 65000'));
    expect([peersOf(one, 'a').length, peersOf(one, 'b').length]).toEqual([1, 0]);
    const rack = documents(
      three,
      calico('BGPPeer', 'tor', `nodeSelector: rack == 'r2'\npeerIP: 192.0.2.1\nasNumber: 65000`),
    );
    expect([peersOf(rack, 'a').length, peersOf(rack, 'b').length]).toEqual([0, 1]);
    expect(stateOf(rack, 'b').peers[0]?.origin.type).toBe('node');
  });

  test('with peerSelector peers with nodes, and they with it', () => {
    const text = documents(three, calico('BGPPeer', 'clients', `nodeSelector: '!has(rr)'\npeerSelector: has(rr)`));
    expect(peersOf(text, 'a')).toEqual(['clients/rr 10.0.0.3 179 AS64512 ibgp passive']);
    expect(peersOf(text, 'rr')).toEqual(['clients/a 10.0.0.1 179 AS64512 ibgp', 'clients/b 10.0.0.2 179 AS64512 ibgp']);
    expect(peerOf(stateOf(text, 'rr'), 'clients/a').origin.type).toBe('reverse');
  });

  test('a peering among reflectors has one session to each', () => {
    const text = documents(
      node('r1', 1, ', routeReflectorClusterID: 244.0.0.1', '{ rr: "true" }'),
      node('r2', 2, ', routeReflectorClusterID: 244.0.0.1', '{ rr: "true" }'),
      calico('BGPPeer', 'rrs', 'nodeSelector: has(rr)\npeerSelector: has(rr)'),
    );
    expect(peersOf(text, 'r1')).toEqual(['rrs/r2 10.0.0.2 179 AS64512 ibgp passive']);
    expect(peersOf(text, 'r2')).toEqual(['rrs/r1 10.0.0.1 179 AS64512 ibgp']);
  });

  test('reversePeering: Manual has no mirror image', () => {
    const text = documents(
      three,
      calico('BGPPeer', 'clients', `nodeSelector: '!has(rr)'\npeerSelector: has(rr)\nreversePeering: Manual`),
    );
    expect(peersOf(text, 'a')).toHaveLength(1);
    expect(peersOf(text, 'rr')).toEqual([]);
  });

  test('peerIP of a node is mirrored there, and takes its port', () => {
    const text = documents(
      three,
      calico('BGPPeer', 'b', 'node: a\npeerIP: 10.0.0.2\nasNumber: 64512'),
      calico('BGPConfiguration', 'node.b', 'listenPort: 1790'),
    );
    // whoever is named by address may not know of it, so the namer always calls
    expect(peersOf(text, 'a')).toEqual(['b 10.0.0.2 1790 AS64512 ibgp']);
    expect(peersOf(text, 'b')).toEqual(['b/a 10.0.0.1 179 AS64512 ibgp']);
  });

  test('peerIP of a node with another AS number is no peering of nodes', () => {
    const text = documents(three, calico('BGPPeer', 'b', 'node: a\npeerIP: 10.0.0.2\nasNumber: 65000'));
    expect(peersOf(text, 'b')).toEqual([]);
  });

  test('a node does not peer with itself', () => {
    const text = documents(three, calico('BGPPeer', 'b', 'peerIP: 10.0.0.2\nasNumber: 64512'));
    expect(peersOf(text, 'b')).toEqual(['b/a 10.0.0.1 179 AS64512 ibgp', 'b/rr 10.0.0.3 179 AS64512 ibgp passive']);
  });

  test('of all nodes wins over one of some nodes with the same address and port, which is said', () => {
    const text = documents(
      three,
      calico('BGPPeer', 'a-rack', 'node: a\npeerIP: 192.0.2.1\nasNumber: 65001'),
      calico('BGPPeer', 'z-all', 'peerIP: 192.0.2.1\nasNumber: 65000'),
      calico('BGPPeer', 'other-port', 'node: a\npeerIP: 192.0.2.1:1790\nasNumber: 65001'),
    );
    const { state, warnings } = compileText(text, 'a');
    expect(state.peers.map(({ name }) => name)).toEqual(['other-port', 'z-all']);
    expect(warnings).toEqual([
      'test.yaml: document 5 (BGPPeer a-rack), line 29: spec: 192.0.2.1 port 179 is already a peer of this node by BGPPeer z-all, ignored',
    ]);
  });

  test('explicit peers win over the mesh', () => {
    const text = documents(
      node('a', 1),
      node('b', 2),
      calico('BGPPeer', 'x', 'node: a\npeerIP: 10.0.0.2\nasNumber: 64512\nkeepaliveTime: 1s'),
    );
    expect(stateOf(text, 'a').peers.map(({ name, keepaliveSeconds }) => [name, keepaliveSeconds])).toEqual([['x', 1]]);
  });

  test('a filter that is not there', () => {
    const text = documents(three, calico('BGPPeer', 'tor', 'peerIP: 192.0.2.1\nasNumber: 65000\nfilters: [f]'));
    expect(compileErrors(text, 'a')).toEqual([
      'test.yaml: document 5 (BGPPeer tor), line 31: spec.filters[0]: there is no BGPFilter "f"',
    ]);
  });

  /** Fields of the peer that a spec gives. */
  const tor = (spec: string, make = calico, base = documents(dual('a', 1), off)): DesiredPeer =>
    peerOf(stateOf(documents(base, make('BGPPeer', 'tor', `peerIP: 192.0.2.1\nasNumber: 65000\n${spec}`)), 'a'), 'tor');
  const inside = (spec: string) => tor(spec.replace('asNumber', 'x'), calico);

  test('defaults', () => {
    expect(tor('')).toMatchObject({
      device: undefined,
      localAs: 64512,
      holdSeconds: 90,
      keepaliveSeconds: undefined,
      connectRetrySeconds: 10,
      families: ['ipv4-unicast'],
      password: undefined,
      ttlSecurityHops: undefined,
      multihopTtl: undefined,
      tos: 0xc0,
      addPath: [],
      addPathMax: {},
      routeReflectorClient: false,
      nextHop: 'auto',
      maxPrefixes: undefined,
      allowOwnAs: 0,
      passive: false,
      adminDown: undefined,
    });
  });

  const rows: readonly [string, string, Partial<DesiredPeer>][] = [
    ['localASNumber makes it iBGP', 'localASNumber: 65000', { localAs: 65000, kind: 'ibgp' }],
    ['keepaliveTime', 'keepaliveTime: 10s', { keepaliveSeconds: 10, holdSeconds: 90 }],
    [
      'a long keepaliveTime asks for a longer hold time',
      'keepaliveTime: 80s',
      { keepaliveSeconds: 80, holdSeconds: 240 },
    ],
    ['numAllowedLocalASNumbers', 'numAllowedLocalASNumbers: 2', { allowOwnAs: 2 }],
    ['ttlSecurity', 'ttlSecurity: 3', { ttlSecurityHops: 3 }],
    ['maxRestartTime', 'maxRestartTime: 2m', { restartSeconds: 120 }],
    ['nextHopMode Self', 'nextHopMode: Self', { nextHop: 'self' }],
    ['nextHopMode Keep', 'nextHopMode: Keep', { nextHop: 'unchanged' }],
    ['nextHopMode Auto', 'nextHopMode: Auto', { nextHop: 'auto' }],
    ['keepOriginalNextHop with eBGP', 'keepOriginalNextHop: true', { nextHop: 'unchanged' }],
    ['keepOriginalNextHop with iBGP', 'keepOriginalNextHop: true\nlocalASNumber: 65000', { nextHop: 'auto' }],
    ['sourceAddress None', 'sourceAddress: None', { localAddress: undefined }],
  ];
  test.each(rows)('%s', (_, spec, expected) => {
    expect(tor(spec)).toMatchObject(expected);
  });

  test('TCP comes from the address of the node', () => {
    const { localAddress } = inside('');
    expect(localAddress && formatIp(localAddress)).toBe('10.0.0.1');
  });

  const podrouteRows: readonly [string, string, Partial<DesiredPeer>][] = [
    ['both families where the node has both', '', { families: ['ipv4-unicast', 'ipv6-unicast'] }],
    ['families', 'families: [ipv6]', { families: ['ipv6-unicast'] }],
    ['hold time', 'holdTime: 9s', { holdSeconds: 9 }],
    ['connectRetryTime', 'connectRetryTime: 3s', { connectRetrySeconds: 3 }],
    ['multihop', 'multihop: 2', { multihopTtl: 2 }],
    ['idleHoldTime', 'idleHoldTime: 7s', { idleHoldSeconds: 7 }],
    ['sendHoldTime', 'sendHoldTime: 2m', { sendHoldSeconds: 120 }],
    ['extendedMessages', 'extendedMessages: true', { extendedMessages: true }],
    ['fourOctetAS', 'fourOctetAS: false', { fourOctetAs: false }],
    ['extendedOpenParameters', 'extendedOpenParameters: true', { extendedOpenParameters: true }],
    ['sourceInterface', 'sourceInterface: lo', { localInterface: 'lo', localAddress: undefined }],
    [
      'a local AS number',
      'localASNumber: 64999',
      { localAs: 64999, localAsInPaths: { prependIn: false, keepOwn: false } },
    ],
    [
      'a local AS number in front of received paths, and the own one behind it',
      'localASNumber: 64999\nlocalASNoPrepend: false\nlocalASReplaceAS: false',
      { localAsInPaths: { prependIn: true, keepOwn: true } },
    ],
    [
      'maxPrefixesOut in short',
      'maxPrefixesOut: 10',
      { maxPrefixesOut: { count: 10, action: 'restart', restartSeconds: 300 } },
    ],
    [
      'maxPrefixesOut',
      'maxPrefixesOut: { count: 10, action: shutdown, restartTime: 1m }',
      { maxPrefixesOut: { count: 10, action: 'shutdown', restartSeconds: 60 } },
    ],
    ['port', 'port: 1790', { port: 1790 }],
    ['device', 'device: eth1', { device: 'eth1' }],
    ['passive', 'passive: true', { passive: true }],
    ['shutdown', 'shutdown: true', { adminDown: { text: '' } }],
    ['shutdown with a text', 'shutdown: true\nshutdownText: maintenance', { adminDown: { text: 'maintenance' } }],
    ['description', 'description: rack 1', { description: 'rack 1' }],
    [
      'addPath',
      'addPath: { send: best 2, receive: true }',
      {
        addPath: [
          { family: 'ipv4-unicast', send: true, receive: true },
          { family: 'ipv6-unicast', send: true, receive: true },
        ],
        addPathMax: { 'ipv4-unicast': 2, 'ipv6-unicast': 2 },
      },
    ],
    [
      'addPath by family',
      'families: [ipv4, ipv6]\naddPath: { send: all, ipv4: { send: false }, ipv6: { receive: true } }',
      { addPath: [{ family: 'ipv6-unicast', send: true, receive: true }], addPathMax: {} },
    ],
    [
      'maxPrefixes in short',
      'maxPrefixes: 1000',
      { maxPrefixes: { count: 1000, warnPercent: 80, action: 'restart', restartSeconds: 300 } },
    ],
    [
      'maxPrefixes',
      'maxPrefixes: { count: 5, warnPercent: 50, action: warn, restartTime: 1m }',
      { maxPrefixes: { count: 5, warnPercent: 50, action: 'warn', restartSeconds: 60 } },
    ],
  ];
  test.each(podrouteRows)('podroute: %s', (_, spec, expected) => {
    expect(tor(spec, podroute)).toMatchObject(expected);
  });

  test.each([
    ['internal', { remoteAs: 64512, kind: 'ibgp' }],
    ['external', { remoteAs: 'external', kind: 'ebgp' }],
    ['auto', { remoteAs: 'auto', kind: 'ebgp' }],
  ] as const)('podroute: AS number %s', (word, expected) => {
    const text = documents(node('a', 1), off, podroute('BGPPeer', 'tor', `peerIP: 192.0.2.1\nasNumber: ${word}`));
    const peer = peerOf(stateOf(text, 'a'), 'tor');
    expect(peer).toMatchObject(expected);
    // What is not known to be of our own AS passes nothing without a policy.
    expect(peer.importPolicy.mode).toBe(word === 'internal' ? 'ibgp' : 'rfc8212');
  });

  test('podroute: two-octet AS numbers are not for a node with a larger one', () => {
    const text = documents(
      podroute('Node', 'a', 'ipv4Address: 10.0.0.1\nasNumber: 4200000001'),
      off,
      podroute('BGPPeer', 'tor', 'peerIP: 192.0.2.1\nasNumber: 65000\nfourOctetAS: false'),
    );
    expect(compileErrors(text, 'a')).toEqual([
      expect.stringContaining(
        'spec.fourOctetAS: cannot be false: AS 4200000001, which the peer is shown, has more than two octets',
      ),
    ]);
  });

  test('podroute: a link-local peer', () => {
    const text = documents(node('a', 1), off, podroute('BGPPeer', 'tor', 'peerIP: fe80::1%eth0\nasNumber: 65000'));
    const peer = peerOf(stateOf(text, 'a'), 'tor');
    expect([formatIp(peer.address), peer.device, peer.localAddress]).toEqual(['fe80::1', 'eth0', undefined]);
  });

  test('podroute: a source address of the wrong version', () => {
    const text = documents(
      node('a', 1),
      off,
      podroute('BGPPeer', 'tor', 'peerIP: 192.0.2.1\nasNumber: 65000\nsourceAddress: 2001:db8::1'),
    );
    expect(compileErrors(text, 'a')).toEqual([
      "test.yaml: document 3 (BGPPeer tor), line 19: spec.sourceAddress: 2001:db8::1: must be an IPv4 address, as the peer's is",
    ]);
  });

  test('podroute: nodes that know each other have one session, and both call', () => {
    const text = documents(
      dual('a', 1),
      dual('b', 2),
      off,
      podroute('BGPPeer', 'all', 'nodeSelector: all()\npeerSelector: all()'),
    );
    expect(stateOf(text, 'a').peers.map((peer) => `${summary(peer)} ${peer.families}`)).toEqual([
      'all/b 10.0.0.2 179 AS64512 ibgp ipv4-unicast,ipv6-unicast',
    ]);
  });

  test('the mirror image of a peer with a local AS number', () => {
    const text = documents(
      node('a', 1),
      node('b', 2, '', '{ x: "" }'),
      off,
      calico('BGPPeer', 'p', 'node: a\npeerSelector: has(x)\nlocalASNumber: 65001'),
    );
    expect(peersOf(text, 'a')).toEqual(['p/b 10.0.0.2 179 AS64512 ebgp passive']);
    expect(peersOf(text, 'b')).toEqual(['p/a 10.0.0.1 179 AS65001 ebgp']);
    expect(peerOf(stateOf(text, 'a'), 'p/b').localAs).toBe(65001);
  });

  test('the mirror image leaves out what one end says of itself, and keeps the rest', () => {
    const text = documents(
      podroute('Node', 'rr', 'ipv4Address: 10.0.0.1'),
      podroute('Node', 'b', 'ipv4Address: 10.0.0.2', '{ x: "" }'),
      podroute('BGPConfiguration', 'default', 'nodeToNodeMeshEnabled: false'),
      podroute(
        'BGPPeer',
        'p',
        `node: rr
peerSelector: has(x)
routeReflectorClient: true
passive: true
port: 1790
device: eth7
description: clients
sourceAddress: 10.0.0.1
holdTime: 9
maxPrefixes: 5`,
      ),
    );
    expect(peerOf(stateOf(text, 'rr'), 'p/b')).toMatchObject({
      routeReflectorClient: true,
      passive: true,
      port: 1790,
      device: 'eth7',
      description: 'clients',
      localAddress: ip('10.0.0.1'),
    });
    const { node, peers } = stateOf(text, 'b');
    expect(node.clusterId).toBeUndefined();
    expect(peers).toMatchObject([
      {
        name: 'p/rr',
        routeReflectorClient: false,
        passive: false,
        port: 179,
        device: undefined,
        description: undefined,
        localAddress: ip('10.0.0.2'),
        holdSeconds: 9,
        maxPrefixes: { count: 5 },
      },
    ]);
  });

  test('what is wrong with a resource is said once, however many peers it makes', () => {
    const text = documents(
      node('a', 1),
      node('b', 2),
      node('c', 3),
      off,
      calico('BGPPeer', 'all', 'peerSelector: all()\npassword: { secretKeyRef: { name: s, key: k } }'),
    );
    const { state, warnings } = compileText(text, 'a');
    expect(state.peers.map(({ password }) => password?.type)).toEqual(['unreadable', 'unreadable']);
    expect(warnings).toHaveLength(1);
  });

  test('podroute: peers by prefix', () => {
    const text = documents(
      node('a', 1),
      off,
      podroute(
        'BGPPeer',
        'dyn',
        'peerPrefixes: [10.0.0.0/24]\npeerLimit: 5\nasNumber: 64512\nrouteReflectorClient: true',
      ),
    );
    const state = stateOf(text, 'a');
    expect(state.peers).toEqual([]);
    expect(state.dynamicPeers).toMatchObject([
      { name: 'dyn', limit: 5, remoteAs: 64512, kind: 'ibgp', routeReflectorClient: true },
    ]);
    expect(state.dynamicPeers[0]).not.toHaveProperty('address');
  });
});

describe('route reflection', () => {
  const cluster = (clusterId: string) => `, routeReflectorClusterID: ${clusterId}`;
  const text = documents(
    node('a', 1),
    node('r1', 2, cluster('244.0.0.1'), '{ rr: "" }'),
    node('r2', 3, cluster('244.0.0.1'), '{ rr: "" }'),
    node('r3', 4, cluster('244.0.0.2'), '{ rr: "" }'),
    calico('BGPPeer', 'rr', 'peerSelector: has(rr)'),
    calico('BGPPeer', 'tor', 'peerIP: 192.0.2.1\nasNumber: 65000'),
    calico('BGPPeer', 'inner', 'peerIP: 192.0.2.2\nasNumber: 64512'),
  );

  test('iBGP peers are clients but for those of the same cluster id', () => {
    const clients = stateOf(text, 'r1').peers.map(({ name, routeReflectorClient }) => [name, routeReflectorClient]);
    expect(Object.fromEntries(clients)).toEqual({
      'rr/a': true,
      'rr/r2': false,
      'rr/r3': true,
      tor: false,
      inner: true,
    });
  });

  test('other nodes have no clients', () => {
    const state = stateOf(text, 'a');
    expect(state.node.clusterId).toBeUndefined();
    expect(state.peers.some(({ routeReflectorClient }) => routeReflectorClient)).toBe(false);
  });

  test('podroute: a peer that is named a client makes the node a reflector, with its router id as cluster id', () => {
    const own = documents(
      podroute('Node', 'rr', 'ipv4Address: 10.0.0.1\nrouterID: 10.9.9.9'),
      podroute('BGPPeer', 'n1', 'peerIP: 10.0.0.2\nasNumber: 64512\nrouteReflectorClient: true'),
      podroute('BGPPeer', 'n2', 'peerIP: 10.0.0.3\nasNumber: 64512'),
    );
    const state = stateOf(own, 'rr');
    expect(state.node.clusterId && formatIp(state.node.clusterId)).toBe('10.9.9.9');
    expect(state.peers.map(({ routeReflectorClient }) => routeReflectorClient)).toEqual([true, false]);
  });

  test('podroute: an eBGP peer cannot be a client', () => {
    const own = documents(
      podroute('Node', 'rr', 'ipv4Address: 10.0.0.1'),
      podroute('BGPPeer', 'n1', 'peerIP: 10.0.0.2\nasNumber: 65000\nrouteReflectorClient: true'),
    );
    expect(compileErrors(own, 'rr')).toEqual([
      'test.yaml: document 2 (BGPPeer n1), line 13: spec.routeReflectorClient: only iBGP peers can be clients: AS 65000 is not AS 64512 (RFC 4456)',
    ]);
  });
});

describe('passwords', () => {
  const spec = (optional = '') =>
    documents(
      node('a', 1),
      off,
      calico(
        'BGPPeer',
        'tor',
        `peerIP: 192.0.2.1\nasNumber: 65000\npassword: { secretKeyRef: { name: s, key: k${optional} } }`,
      ),
    );
  const id = 'key k of Secret s';

  test('readable', () => {
    const { state, warnings } = compileText(spec(), 'a', new Map([[id, { type: 'key', key: new SecretText('pw') }]]));
    const { password } = peerOf(state, 'tor');
    expect(password?.type === 'key' && password.key.reveal()).toBe('pw');
    expect(warnings).toEqual([]);
  });

  const failures = [
    ['missing', { type: 'missing', reason: 'Secret s has no key k' }],
    ['unreadable', { type: 'unreadable', reason: 'Secret s has no key k' }],
  ] as const;
  test.each(failures)('%s: the peer stays down, and it is said', (_, lookup) => {
    const { state, warnings } = compileText(spec(), 'a', new Map([[id, lookup]]));
    expect(peerOf(state, 'tor').password).toEqual({ type: 'unreadable', reason: 'Secret s has no key k' });
    expect(warnings).toEqual([
      'test.yaml: document 3 (BGPPeer tor), line 19: spec.password: Secret s has no key k: the peer stays down, as it must not come up without its password',
    ]);
  });

  test('never looked for is as bad', () => {
    expect(peerOf(compileText(spec(), 'a').state, 'tor').password?.type).toBe('unreadable');
  });

  test('optional and missing: no password; optional and unreadable: down', () => {
    const missing = compileText(spec(', optional: true'), 'a', new Map([[id, { type: 'missing', reason: 'gone' }]]));
    expect(peerOf(missing.state, 'tor').password).toBeUndefined();
    expect(missing.warnings[0]).toContain('it is optional, so sessions come up without a password');
    const broken = compileText(
      spec(', optional: true'),
      'a',
      new Map([[id, { type: 'unreadable', reason: 'EACCES' }]]),
    );
    expect(peerOf(broken.state, 'tor').password?.type).toBe('unreadable');
  });
});
