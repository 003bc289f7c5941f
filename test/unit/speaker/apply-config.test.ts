import { formatIp, formatPrefix, ip, prefix } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import type { DesiredState } from '../../../config/desired-state.ts';
import type { SecretLookup } from '../../../config/resource-set.ts';
import { SecretText } from '../../../config/secret.ts';
import { acceptAll } from '../../../rib/policy/evaluate.ts';
import {
  discardPrefixes,
  dynamicRule,
  liveState,
  originations,
  PolicySet,
  peerSettings,
} from '../../../speaker/apply-config.ts';
import { LocalAddresses } from '../../../speaker/local-addresses.ts';
import type { SpeakerPeerSettings } from '../../../speaker/speaker.ts';
import { calico, compileText, documents, peerOf, podroute, stateOf } from '../config/support.ts';

const node = podroute(
  'Node',
  'a',
  'asNumber: 64512\nipv4Address: 10.0.1.10/24\nipv6Address: fd00:1::10/64\npodCIDRs: [10.244.1.0/26]',
);

const local = new LocalAddresses([
  { interfaceName: 'eth0', address: ip('10.0.1.10'), subnet: prefix('10.0.1.0/24') },
  { interfaceName: 'eth0', address: ip('fd00:1::10'), subnet: prefix('fd00:1::/64') },
  { interfaceName: 'eth1', address: ip('10.0.2.10'), subnet: prefix('10.0.2.0/24') },
  { interfaceName: 'eth1', address: ip('fd00:2::10'), subnet: prefix('fd00:2::/64') },
]);

/** Settings of the only peer of a configuration: node `a` and a BGPPeer `tor` with this spec. */
function tor(spec: string, secrets: ReadonlyMap<string, SecretLookup> = new Map()): SpeakerPeerSettings {
  const { state } = compileText(documents(node, podroute('BGPPeer', 'tor', spec)), 'a', secrets);
  const policies = new PolicySet();
  policies.replace(state.policies);
  return peerSettings(state, peerOf(state, 'tor'), policies, local);
}

const plain = 'peerIP: 10.0.1.1\nasNumber: 65000\npolicy: { import: accept, export: own }';

describe('a peer', () => {
  test('with nothing but address and AS number gets every default', () => {
    const { session, rib, prefixLimitRestartSeconds } = tor(plain);
    expect(session).toEqual({
      name: 'tor',
      address: ip('10.0.1.1'),
      port: 179,
      localAddress: ip('10.0.1.10'),
      localAs: 64512,
      remoteAs: 65000,
      kind: 'ebgp',
      routerId: ip('10.0.1.10'),
      passive: false,
      holdSeconds: 90,
      connectRetrySeconds: 10,
      connectTimeoutSeconds: 5,
      idleHoldSeconds: 2,
      families: ['ipv4-unicast', 'ipv6-unicast'],
      addPath: [],
      tos: 0xc0,
      multihopTtl: 64,
    });
    expect(rib).toMatchObject({
      name: 'tor',
      address: ip('10.0.1.1'),
      kind: 'ebgp',
      localAs: 64512,
      remoteAs: 65000,
      routeReflectorClient: false,
      nextHop: 'auto',
      allowOwnAs: 0,
    });
    expect(rib).not.toHaveProperty('prefixLimit');
    expect(prefixLimitRestartSeconds).toBeUndefined();
  });

  test('with everything it can have', () => {
    const { session, rib } = tor(
      `${plain}\nport: 1179\ndevice: eth0\nsourceAddress: 10.0.1.11\nholdTime: 9s\nkeepaliveTime: 2s\nconnectRetryTime: 3s\n` +
        'passive: true\nfamilies: [ipv6]\nttlSecurity: 2\nlocalASNumber: 64999\nnumAllowedLocalASNumbers: 1\nnextHopMode: Self',
    );
    expect(session).toMatchObject({
      port: 1179,
      device: 'eth0',
      localAddress: ip('10.0.1.11'),
      holdSeconds: 9,
      keepaliveSeconds: 2,
      connectRetrySeconds: 3,
      passive: true,
      families: ['ipv6-unicast'],
      ttlSecurityHops: 2,
      localAs: 64999,
    });
    expect(rib).toMatchObject({ localAs: 64999, allowOwnAs: 1, nextHop: 'self' });
  });

  test.each<[string, string, object]>([
    ['multihop', 'multihop: 3', { multihopTtl: 3 }],
    ['no distance given', '', { multihopTtl: 64 }],
    ['shut down with a text', 'shutdown: true\nshutdownText: moved', { adminDown: { text: 'moved' } }],
    ['shut down without one', 'shutdown: true', { adminDown: { text: '' } }],
  ])('%s', (_, spec, wanted) => {
    expect(tor(`${plain}\n${spec}`).session).toMatchObject(wanted);
  });

  test('with what only few peers need', () => {
    const settings = tor(
      `${plain}\nsourceInterface: eth1\nsendHoldTime: 60s\nidleHoldTime: 9s\nextendedMessages: true\nfourOctetAS: false\n` +
        'extendedOpenParameters: true\nlocalASNumber: 64999\nlocalASNoPrepend: false\nlocalASReplaceAS: false\nmaxPrefixesOut: 5',
    );
    expect(settings.session).toMatchObject({
      localInterface: 'eth1',
      sendHoldSeconds: 60,
      idleHoldSeconds: 9,
      extendedMessages: true,
      fourOctetAs: false,
      extendedOpenParameters: true,
    });
    expect(settings.session).not.toHaveProperty('localAddress');
    expect(settings.rib).toMatchObject({ localAs: 64999, prependLocalAsIn: true, keepOwnAs: true });
    expect(settings.exportLimit).toEqual({ count: 5, action: 'restart', restartSeconds: 300 });
  });

  test('whose AS number its OPEN tells', () => {
    const { session, rib } = tor(plain.replace('65000', 'external'));
    expect(session).toMatchObject({ remoteAs: 'external', kind: 'ebgp' });
    expect(rib).toMatchObject({ remoteAs: 0, kind: 'ebgp' });
  });

  describe('TCP MD5', () => {
    const lookup: SecretLookup = { type: 'key', key: new SecretText('geheim') };
    const secrets = new Map([['key tor of Secret keys', lookup]]);
    const withKey = (key: string) => `${plain}\npassword: { secretKeyRef: { name: keys, key: ${key} } }`;

    test('a key that can be read is used, and shows nowhere else', () => {
      const settings = tor(withKey('tor'), secrets);
      expect(settings.session.password).toBe('geheim');
      expect(settings.session.adminDown).toBeUndefined();
      expect(JSON.stringify(settings.rib)).not.toContain('geheim');
    });

    test('one that cannot keeps the peer down: never without', () => {
      const { session } = tor(withKey('lost'), secrets);
      expect(session.password).toBeUndefined();
      expect(session.adminDown?.text).toMatch(/^TCP MD5 key cannot be read: .*lost/);
      expect(session.adminDown?.isPrivate).toBe(true);
    });
  });

  describe('the next hop for routes of the other family', () => {
    const nextHopSelf = (spec: string) => {
      const { ipv4, ipv6 } = tor(spec).rib.nextHopSelf ?? {};
      return { ipv4: ipv4 && formatIp(ipv4), ipv6: ipv6 && formatIp(ipv6) };
    };

    test.each<[string, string, { ipv4?: string; ipv6?: string }]>([
      ['is on the interface towards an IPv4 peer', 'peerIP: 10.0.1.1\nasNumber: 65000', { ipv6: 'fd00:1::10' }],
      [
        'is on the interface of the source address',
        'peerIP: 10.0.9.1\nasNumber: 65000\nsourceAddress: 10.0.2.10',
        { ipv6: 'fd00:2::10' },
      ],
      [
        'is on the interface towards an IPv6 peer',
        'peerIP: fd00:2::1\nasNumber: 65000\nsourceAddress: None',
        { ipv4: '10.0.2.10' },
      ],
      [
        'is that of the node where the peer is behind a router',
        'peerIP: 192.0.2.1\nasNumber: 65000\nsourceAddress: None',
        { ipv6: 'fd00:1::10' },
      ],
    ])('%s', (_, spec, wanted) => {
      expect(nextHopSelf(spec)).toEqual({ ipv4: undefined, ipv6: undefined, ...wanted });
    });
  });

  describe('prefix limits', () => {
    test.each<[string, object, number | undefined]>([
      ['warn', { limit: 100, warnPercent: 80, action: 'warn' }, undefined],
      ['shutdown', { limit: 100, warnPercent: 80, action: 'reset' }, undefined],
      ['restart', { limit: 100, warnPercent: 80, action: 'reset' }, 30],
    ])('%s', (action, wanted, restart) => {
      const settings = tor(
        `${plain}\nmaxPrefixes: { count: 100, warnPercent: 80, action: ${action}, restartTime: 30s }`,
      );
      expect(settings.rib.prefixLimit).toEqual({ 'ipv4-unicast': wanted, 'ipv6-unicast': wanted });
      expect(settings.prefixLimitRestartSeconds).toBe(restart);
    });
  });

  test('eBGP without a policy gets the one that lets nothing pass', () => {
    const { rib } = tor('peerIP: 10.0.1.1\nasNumber: 65000');
    expect(rib.importPolicy.spec).toMatchObject({ terms: [], default: 'reject' });
    expect(rib.exportPolicy.spec).toMatchObject({ terms: [], default: 'reject' });
  });
});

describe('policies', () => {
  const filter = (cidr: string) =>
    podroute('BGPFilter', 'f', `importV4: [{ action: Accept, matchOperator: In, cidr: ${cidr} }]`);
  const withFilter = (cidr: string, more: readonly string[] = []) =>
    stateOf(
      documents(
        node,
        podroute('BGPPeer', 'tor', `${plain.replace('import: accept', 'import: { filters: [f], default: reject }')}`),
        filter(cidr),
        ...more,
      ),
      'a',
    );
  const importOf = (set: PolicySet, state: DesiredState) => set.get(peerOf(state, 'tor').importPolicy.policy);

  test('one that did not change stays the same object, so that nothing is evaluated again', () => {
    const set = new PolicySet();
    const state = withFilter('10.0.0.0/8');
    set.replace(state.policies);
    const before = importOf(set, state);
    const other = withFilter('10.0.0.0/8', [podroute('BGPPeer', 'second', 'peerIP: 10.0.1.2\nasNumber: 65001')]);
    set.replace(other.policies);
    expect(importOf(set, other)).toBe(before);
  });

  test('one that changed is another, also where only a prefix did', () => {
    const set = new PolicySet();
    const state = withFilter('10.0.0.0/8');
    set.replace(state.policies);
    const before = importOf(set, state);
    const changed = withFilter('10.0.0.0/9');
    set.replace(changed.policies);
    expect(importOf(set, changed)).not.toBe(before);
    expect(importOf(set, changed).spec.terms).toHaveLength(1);
  });

  test('one that is used no more is forgotten', () => {
    const set = new PolicySet();
    const state = withFilter('10.0.0.0/8');
    set.replace(state.policies);
    set.replace([]);
    expect(() => importOf(set, state)).toThrow('not in the configuration');
    expect(set.get('accept-all')).toBe(acceptAll);
  });
});

describe('peers by prefix', () => {
  test('each gets a name of its own and waits to be called', () => {
    const spec = 'peerPrefixes: [10.0.0.0/16, "fd00::/32"]\nasNumber: 64512\nrouteReflectorClient: true\npeerLimit: 7';
    const state = stateOf(documents(node, podroute('BGPPeer', 'nodes', spec)), 'a');
    const policies = new PolicySet();
    policies.replace(state.policies);
    const [desired] = state.dynamicPeers;
    if (desired === undefined) throw new Error('no rule');
    const rule = dynamicRule(state, desired, policies, local);
    expect(rule).toMatchObject({ name: 'nodes', limit: 7 });
    expect(rule.prefixes.map(formatPrefix)).toEqual(['10.0.0.0/16', 'fd00::/32']);
    const { session, rib } = rule.settings(ip('10.0.2.1'));
    expect(session).toMatchObject({ name: 'nodes/10.0.2.1', address: ip('10.0.2.1'), passive: true, kind: 'ibgp' });
    expect(rib).toMatchObject({ name: 'nodes/10.0.2.1', address: ip('10.0.2.1'), routeReflectorClient: true });
    expect(rib.nextHopSelf?.ipv6 && formatIp(rib.nextHopSelf.ipv6)).toBe('fd00:1::10');
  });
});

describe('what is originated', () => {
  const keys = (state: DesiredState, retired: readonly string[] = []) => [
    ...originations(
      state,
      retired.map((text) => prefix(text)),
    ).keys(),
  ];

  test('blocks and networks', () => {
    const state = stateOf(
      podroute('Node', 'a', 'ipv4Address: 10.0.1.10\npodCIDRs: [10.244.1.0/26]\nnetworks: [192.0.2.0/24]'),
      'a',
    );
    expect(keys(state)).toEqual(['pod-block 10.244.1.0/26', 'network 192.0.2.0/24']);
  });

  test('a block of a pool that is not exported stays here', () => {
    const pool = calico('IPPool', 'hidden', 'cidr: 10.244.0.0/16\ndisableBGPExport: true');
    expect(keys(stateOf(documents(node, pool), 'a'))).toEqual([]);
  });

  test('a block that was taken away is announced as long as it is told of, a configured one once', () => {
    const state = stateOf(node, 'a');
    expect(keys(state, ['10.244.9.0/26'])).toEqual(['pod-block 10.244.9.0/26', 'pod-block 10.244.1.0/26']);
    expect(keys(state, ['10.244.1.0/26'])).toEqual(['pod-block 10.244.1.0/26']);
  });

  test('discard routes lie under blocks and networks that ask for one, never under a single address', () => {
    const spec =
      'ipv4Address: 10.0.1.10\npodCIDRs: [10.244.1.0/26, 10.244.2.1/32, "fd00:10::1/128", "fd00:10:1::/122"]\n' +
      'networks: [192.0.2.0/24, { cidr: 198.51.100.0/24, discard: true }]';
    const wanted = ['10.244.1.0/26', '198.51.100.0/24', 'fd00:10:1::/122'];
    expect([...discardPrefixes(stateOf(podroute('Node', 'a', spec), 'a')).keys()].sort()).toEqual(wanted);
  });
});

describe('a reload', () => {
  test('takes over what a running daemon can, and keeps the rest as it runs', () => {
    const running = stateOf(documents(node, podroute('Speaker', 'default', 'fib: { metric: 20 }')), 'a');
    const { state: wanted } = compileText(
      documents(
        node,
        podroute('BGPPeer', 'tor', plain),
        podroute('BGPConfiguration', 'default', 'listenPort: 1790\nserviceClusterIPs: [{ cidr: 10.96.0.0/12 }]'),
        podroute(
          'Speaker',
          'default',
          'fib: { metric: 30, keepRoutes: false }\nlog: { level: debug }\ncni: { mtu: 1400 }',
        ),
      ),
      'a',
    );
    const live = liveState(running, wanted);
    expect(live.peers).toEqual(wanted.peers);
    expect(live.fib).toEqual({ ...running.fib, keepRoutes: false, neverInstall: [prefix('10.96.0.0/12')] });
    expect(live.bgp.listenPort).toBe(179);
    expect(live.log).toEqual(running.log);
    expect(live.cni).toEqual(running.cni);
  });
});
