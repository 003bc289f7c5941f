import { describe, expect, test } from 'vitest';
import { diffStates, resets } from '../../../config/diff.ts';
import type { SecretLookup } from '../../../config/resource-set.ts';
import { SecretText } from '../../../config/secret.ts';
import { compileText, documents, podroute, stateOf } from './support.ts';

const nodeSpec = 'ipv4Address: 10.0.0.1\npodCIDRs: [10.244.0.0/26]';
const configuration = (spec = nodeSpec, ...more: string[]) =>
  stateOf(documents(podroute('Node', 'a', spec), ...more), 'a');
const peer = (spec: string, name = 'tor') => podroute('BGPPeer', name, `asNumber: 65000\n${spec}`);
const base = 'peerIP: 192.0.2.1';

/** `ACTION KIND NAME effect: detail`. */
const summary = (before: ReturnType<typeof stateOf>, after: ReturnType<typeof stateOf>) =>
  diffStates(before, after).map(
    ({ action, kind, name, effect, detail }) => `${action} ${kind} ${name} ${effect}: ${detail ?? ''}`,
  );

test('the same configuration is no change', () => {
  const text = documents(podroute('Node', 'a', nodeSpec), peer(base));
  expect(diffStates(stateOf(text, 'a'), stateOf(text, 'a'))).toEqual([]);
});

/** Field, spec before and after beside peerIP and asNumber, what is said of it. */
const fields: readonly [string, string, string, string][] = [
  ['address', 'peerIP: 192.0.2.1', 'peerIP: 192.0.2.2', 'reset: address: 192.0.2.1 -> 192.0.2.2'],
  ['port', base, `${base}\nport: 1790`, 'reset: port: 179 -> 1790'],
  ['device', base, `${base}\ndevice: eth0`, 'reset: device: none -> eth0'],
  ['local address', base, `${base}\nsourceAddress: None`, 'reset: localAddress: 10.0.0.1 -> none'],
  ['local AS', base, `${base}\nlocalASNumber: 64999`, 'reset: localAs: 64512 -> 64999'],
  ['hold time', base, `${base}\nholdTime: 9s`, 'reset: holdSeconds: 90 -> 9'],
  [
    'families',
    base,
    `${base}\nfamilies: [ipv4, ipv6]`,
    'reset: families: [ipv4-unicast] -> [ipv4-unicast ipv6-unicast]',
  ],
  ['shutdown', base, `${base}\nshutdown: true`, 'reset: adminDown: none -> {text: ""}'],
  ['no shutdown', `${base}\nshutdown: true`, base, 'none: adminDown: {text: ""} -> none'],
  ['keepalive', base, `${base}\nkeepaliveTime: 5s`, 'none: keepaliveSeconds: none -> 5'],
  ['connect retry', base, `${base}\nconnectRetryTime: 5s`, 'none: connectRetrySeconds: 10 -> 5'],
  ['passive', base, `${base}\npassive: true`, 'none: passive: false -> true'],
  ['description', base, `${base}\ndescription: rack 1`, 'none: description: none -> rack 1'],
  ['send hold time', base, `${base}\nsendHoldTime: 60s`, 'none: sendHoldSeconds: none -> 60'],
  ['extended messages', base, `${base}\nextendedMessages: true`, 'reset: extendedMessages: false -> true'],
  ['GTSM', base, `${base}\nttlSecurity: 1`, 'none: ttlSecurityHops: none -> 1'],
  [
    'max prefixes',
    base,
    `${base}\nmaxPrefixes: 5`,
    'none: maxPrefixes: none -> {count: 5, warnPercent: 80, action: restart, restartSeconds: 300}',
  ],
  [
    'ADD-PATH',
    base,
    `${base}\naddPath: { receive: true }`,
    'reset: addPath: [] -> [{family: ipv4-unicast, send: false, receive: true}]',
  ],
  [
    'paths told',
    `${base}\naddPath: { send: all }`,
    `${base}\naddPath: { send: best 3 }`,
    'refresh: addPathMax: {} -> {ipv4-unicast: 3}',
  ],
  ['next hop', base, `${base}\nnextHopMode: Self`, 'refresh: nextHop: auto -> self'],
  ['own AS', base, `${base}\nnumAllowedLocalASNumbers: 1`, 'refresh: allowOwnAs: 0 -> 1'],
  [
    'policy',
    base,
    `${base}\npolicy: { import: accept }`,
    'refresh: importPolicy: rfc8212 import: reject -> configured import: accept',
  ],
];

test.each(fields)('peer: %s', (_, before, after, expected) => {
  expect(summary(configuration(nodeSpec, peer(before)), configuration(nodeSpec, peer(after)))).toEqual([
    `change peer tor ${expected}`,
  ]);
});

test('several fields: the heaviest first, which names the effect', () => {
  const [change] = diffStates(
    configuration(nodeSpec, peer(base)),
    configuration(nodeSpec, peer(`${base}\npassive: true\nnextHopMode: Self\nholdTime: 9`)),
  );
  expect(change).toMatchObject({ effect: 'reset', fields: ['holdSeconds', 'nextHop', 'passive'] });
  expect(resets(change ? [change] : [])).toEqual([{ name: 'tor', fields: ['holdSeconds', 'nextHop', 'passive'] }]);
});

test('peers come and go', () => {
  const two = configuration(nodeSpec, peer(base), peer('peerIP: 192.0.2.2', 'tor2'));
  const other = configuration(nodeSpec, peer(base), peer('peerIP: 192.0.2.3', 'tor3'));
  expect(summary(two, other)).toEqual(['remove peer tor2 none: ', 'add peer tor3 none: ']);
  expect(resets(diffStates(two, other))).toEqual([]);
});

test('a policy that keeps its name: whom it concerns', () => {
  const filter = (rule: string) => podroute('BGPFilter', 'f', `importV4:\n  - ${rule}`);
  const state = (rule: string) => configuration(nodeSpec, peer(`${base}\nfilters: [f]`), filter(rule));
  expect(summary(state('{ action: Accept }'), state('{ action: Reject }'))).toEqual([
    'change policy configured import: f, reject refresh: used by tor',
  ]);
});

describe('passwords', () => {
  const state = (lookup: SecretLookup) =>
    compileText(
      documents(podroute('Node', 'a', nodeSpec), peer(`${base}\npasswordFile: k`)),
      'a',
      new Map([['file k', lookup]]),
    ).state;
  const key = (text: string): SecretLookup => ({ type: 'key', key: new SecretText(text) });

  test('a new key is said without showing it, and needs no reset', () => {
    expect(diffStates(state(key('old')), state(key('old')))).toEqual([]);
    const changes = diffStates(state(key('old')), state(key('new')));
    expect(changes).toMatchObject([{ kind: 'peer', name: 'tor', effect: 'none', fields: ['password'] }]);
    expect(JSON.stringify(changes)).not.toMatch(/old|new/);
  });

  test('no key any more, or none that can be read, is a reset', () => {
    const none = configuration(nodeSpec, peer(base));
    expect(diffStates(state(key('old')), none)).toMatchObject([{ effect: 'reset', fields: ['password'] }]);
    expect(diffStates(none, state(key('old')))).toMatchObject([{ effect: 'reset' }]);
    expect(diffStates(state(key('old')), state({ type: 'unreadable', reason: 'x' }))).toMatchObject([
      { effect: 'reset' },
    ]);
  });
});

test('a new router id resets every session, whatever else changes', () => {
  const before = configuration(nodeSpec, peer(base), peer('peerIP: 192.0.2.2', 'tor2'));
  const after = configuration(
    `${nodeSpec}\nrouterID: 1.1.1.1`,
    peer(`${base}\nholdTime: 9`),
    peer('peerIP: 192.0.2.2', 'tor2'),
  );
  expect(summary(before, after)).toEqual([
    'change node node restart: routerId: 10.0.0.1 -> 1.1.1.1',
    'change peer tor reset: routerId: 10.0.0.1 -> 1.1.1.1, holdSeconds: 90 -> 9',
    'change peer tor2 reset: routerId: 10.0.0.1 -> 1.1.1.1',
  ]);
});

const settings: readonly [string, string, string[], string][] = [
  ['networks', `${nodeSpec}\nnetworks: [10.9.0.0/24]`, [], 'add network 10.9.0.0/24 none: '],
  ['blocks', 'ipv4Address: 10.0.0.1\npodCIDRs: [10.244.0.0/26, 10.244.1.0/26]', [], 'add block 10.244.1.0/26 none: '],
  ['AS number', `${nodeSpec}\nasNumber: 1`, [], 'change node node restart: asn: 64512 -> 1'],
  [
    'FIB',
    nodeSpec,
    [podroute('Speaker', 'default', 'fib: { table: 100 }')],
    'change fib fib restart: table: 254 -> 100',
  ],
  [
    'CNI',
    nodeSpec,
    [podroute('Speaker', 'default', 'cni: { mtu: 9000 }')],
    'change cni cni restart: mtu: none -> 9000',
  ],
  [
    'log',
    nodeSpec,
    [podroute('Speaker', 'default', 'log: { level: debug }')],
    'change log log restart: level: info -> debug',
  ],
  [
    'API',
    nodeSpec,
    [podroute('Speaker', 'default', 'api: { socket: /run/x }')],
    'change api api restart: socketPath: /run/podroute/podrouted.sock -> /run/x',
  ],
  [
    'listening',
    nodeSpec,
    [podroute('BGPConfiguration', 'default', 'listenPort: 1790')],
    'change bgp bgp restart: listenPort: 179 -> 1790',
  ],
];

test.each(settings)('%s', (_, spec, more, expected) => {
  expect(summary(configuration(), configuration(spec, ...more))).toEqual([expected]);
});

test('a pool: what becomes of the block inside it', () => {
  const pool = podroute('IPPool', 'pods', 'cidr: 10.244.0.0/16\ndisableBGPExport: true');
  expect(summary(configuration(), configuration(nodeSpec, pool))).toEqual([
    'change block 10.244.0.0/26 none: pool: none -> pods, advertise: true -> false',
    'add pool pods none: ',
  ]);
});

test('there and back is the same list turned round', () => {
  const [a, b] = [configuration(nodeSpec, peer(base)), configuration(`${nodeSpec}\nnetworks: [10.9.0.0/24]`)];
  const names = (x: typeof a, y: typeof a) =>
    diffStates(x, y).map(({ kind, name, action }) => `${action} ${kind} ${name}`);
  expect(names(a, b).sort()).toEqual(['add network 10.9.0.0/24', 'remove peer tor']);
  expect(names(b, a).sort()).toEqual(['add peer tor', 'remove network 10.9.0.0/24']);
});
