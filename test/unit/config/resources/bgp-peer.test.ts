import { describe } from 'vitest';
import { calico, podroute } from '../support.ts';
import { check } from './check.ts';

const peer = (spec: string) => calico('BGPPeer', 'tor', spec);
const target = 'peerIP: 192.0.2.1\nasNumber: 65000\n';

describe('BGPPeer of Calico', () => {
  check(peer, [
    ['peerIP', target, []],
    ['peerIP with a port', 'peerIP: "[2001:db8::1]:1790"\nasNumber: "1.10"', []],
    [
      'peerIP with a zone',
      'peerIP: fe80::1%eth0\nasNumber: 1',
      ['spec.peerIP: "fe80::1%eth0": a zone is not allowed here'],
    ],
    ['peerIP without asNumber', 'peerIP: 192.0.2.1', ['spec.asNumber: is missing: peerIP needs it']],
    ['nobody to peer with', 'node: n', ['spec: does not say whom to peer with: peerIP or peerSelector is missing']],
    [
      'node and nodeSelector',
      `${target}node: n\nnodeSelector: all()`,
      ['spec.nodeSelector: cannot be set together with node'],
    ],
    ['nodeSelector', `${target}nodeSelector: rack == 'r1'`, []],
    [
      'nodeSelector that does not parse',
      `${target}nodeSelector: rack = 'r1'`,
      [`spec.nodeSelector: "rack = 'r1'": expected an operator after rack, not "= 'r1'" (column 6)`],
    ],
    [
      'nodeSelector too long',
      `${target}nodeSelector: ${'a'.repeat(1025)}`,
      ['spec.nodeSelector: 1025 characters: at most 1024 are allowed'],
    ],
    ['node too long', `${target}node: ${'a'.repeat(254)}`, ['spec.node: 254 characters: at most 253 are allowed']],
    ['peerSelector', 'peerSelector: has(rr)\nnodeSelector: all()', []],
    [
      'peerSelector with asNumber',
      'peerSelector: has(rr)\nasNumber: 1',
      ['spec.asNumber: cannot be set together with peerSelector: the nodes it selects have their own'],
    ],
    [
      'peerSelector with peerIP',
      `${target}peerSelector: has(rr)`,
      [
        'spec.peerSelector: cannot be set together with peerIP',
        'spec.asNumber: cannot be set together with peerSelector: the nodes it selects have their own',
      ],
    ],
    ['localASNumber', `${target}localASNumber: 64999`, []],
    ['localASNumber 0', `${target}localASNumber: 0`, ['spec.localASNumber: 0: AS 0 is reserved (RFC 7607)']],
    ['keepOriginalNextHop', `${target}keepOriginalNextHop: true`, []],
    [
      'keepOriginalNextHop and nextHopMode',
      `${target}keepOriginalNextHop: true\nnextHopMode: Keep`,
      ['spec.nextHopMode: cannot be set together with keepOriginalNextHop'],
    ],
    ['nextHopMode', `${target}nextHopMode: self`, ['spec.nextHopMode: "self": must be Auto, Self or Keep']],
    ['password', `${target}password: { secretKeyRef: { name: s, key: k, optional: true } }`, []],
    [
      'password without a key',
      `${target}password: { secretKeyRef: { name: s } }`,
      ['spec.password.secretKeyRef.key: is missing'],
    ],
    ['password without a reference', `${target}password: {}`, ['spec.password.secretKeyRef: is missing']],
    [
      'password that leads out of its directory',
      `${target}password: { secretKeyRef: { name: .., key: a/b } }`,
      [
        'spec.password.secretKeyRef.name: "..": must be letters, digits, ".", "_" and "-"',
        'spec.password.secretKeyRef.key: "a/b": must be letters, digits, ".", "_" and "-"',
      ],
    ],
    ['sourceAddress', `${target}sourceAddress: None`, []],
    [
      'sourceAddress of another kind',
      `${target}sourceAddress: 10.0.0.1`,
      ['spec.sourceAddress: "10.0.0.1": must be UseNodeIP or None'],
    ],
    [
      'maxRestartTime',
      `${target}maxRestartTime: 2m`,
      ['warning spec.maxRestartTime: kept, but graceful restart is not offered to peers yet'],
    ],
    ['keepaliveTime', `${target}keepaliveTime: 10s`, []],
    ['keepaliveTime 0', `${target}keepaliveTime: 0s`, ['spec.keepaliveTime: 0 s: must be from 1 to 21845 s']],
    ['numAllowedLocalASNumbers', `${target}numAllowedLocalASNumbers: 2`, []],
    [
      'numAllowedLocalASNumbers below 0',
      `${target}numAllowedLocalASNumbers: -1`,
      ['spec.numAllowedLocalASNumbers: -1: must be from 0 to 255'],
    ],
    ['ttlSecurity', `${target}ttlSecurity: 1`, []],
    ['ttlSecurity too far', `${target}ttlSecurity: 255`, ['spec.ttlSecurity: 255: must be from 1 to 254']],
    ['reachableBy', `${target}reachableBy: 10.0.0.254`, []],
    [
      'reachableBy of the other version',
      `${target}reachableBy: 2001:db8::1`,
      ['spec.reachableBy: must be an IPv4 address, as peerIP is'],
    ],
    ['filters', `${target}filters: [a, b]`, []],
    ['filters that are no list', `${target}filters: a`, ['spec.filters: "a": must be a list']],
    [
      'localWorkloadSelector',
      'localWorkloadSelector: all()\nasNumber: 1',
      ['spec.localWorkloadSelector: peering with pods is not supported'],
    ],
    ['reversePeering', `${target}reversePeering: Manual`, []],
    [
      'reversePeering of another kind',
      `${target}reversePeering: Off`,
      ['spec.reversePeering: "Off": must be Auto or Manual'],
    ],
    ['a field of podroute', `${target}passive: true`, ['warning spec.passive: unknown field, ignored']],
  ]);
});

describe('BGPPeer of podroute', () => {
  const hold = 'must be 0 or at least 3 s (RFC 4271 §4.2)';
  check(
    (spec) => podroute('BGPPeer', 'tor', spec),
    [
      [
        'everything',
        `${target}description: rack 1
port: 1790
device: eth0
sourceAddress: 10.0.0.1
passive: true
shutdown: true
shutdownText: maintenance
holdTime: 9s
keepaliveTime: 3
connectRetryTime: 5s
families: [ipv4, ipv6]
routeReflectorClient: false
multihop: 2
maxPrefixes: { count: 1000, warnPercent: 90, action: restart, restartTime: 1m }
passwordFile: tor.key
policy: { import: { filters: [a], default: accept }, export: own }`,
        [],
      ],
      ['addPath', `${target}addPath: { send: best 12, receive: true, ipv6: { send: all, receive: false } }`, []],
      [
        'addPath send',
        `${target}addPath: { send: best 0, ipv4: { send: true } }`,
        [
          'spec.addPath.send: "best 0": must be all, best N (N from 1 to 999) or false',
          'spec.addPath.ipv4.send: true: must be all, best N (N from 1 to 999) or false',
        ],
      ],
      ['maxPrefixes in short', `${target}maxPrefixes: 1000`, []],
      ['maxPrefixes 0', `${target}maxPrefixes: 0`, ['spec.maxPrefixes.count: 0: must be from 1 to 4294967295']],
      [
        'maxPrefixes action',
        `${target}maxPrefixes: { count: 1, action: drop }`,
        ['spec.maxPrefixes.action: "drop": must be warn, restart or shutdown'],
      ],
      ['peerIP with a zone', 'peerIP: fe80::1%eth0\nasNumber: 1', []],
      [
        'zone and device',
        'peerIP: fe80::1%eth0\ndevice: eth0\nasNumber: 1',
        ['spec.device: is there twice: also as the zone of peerIP'],
      ],
      ['port twice', 'peerIP: 192.0.2.1:179\nport: 179\nasNumber: 1', ['spec.port: is there twice: also in peerIP']],
      ['peerPrefixes', 'peerPrefixes: [10.0.0.0/8]\npeerLimit: 10\nasNumber: 1', []],
      ['peerPrefixes with a password', 'peerPrefixes: [10.0.0.0/8]\npasswordFile: key\nasNumber: 1', []],
      [
        'localASNoPrepend without a local AS number',
        `${target}localASNoPrepend: false`,
        ['spec.localASNoPrepend: needs localASNumber'],
      ],
      [
        'sourceInterface with sourceAddress',
        `${target}sourceAddress: None\nsourceInterface: lo`,
        ['spec.sourceInterface: cannot be set together with sourceAddress'],
      ],
      [
        'an AS number that is none',
        'peerIP: 10.0.0.1\nasNumber: other',
        ['spec.asNumber: "other": must be an AS number, 1 to 4294967295 or "1.10"'],
      ],
      ['peerLimit alone', `${target}peerLimit: 10`, ['spec.peerLimit: needs peerPrefixes']],
      [
        'peerPrefixes that is empty',
        'peerPrefixes: []\nasNumber: 1',
        ['spec.peerPrefixes: has too few entries: at least 1 needed'],
      ],
      [
        'passive with peerPrefixes',
        'peerPrefixes: [10.0.0.0/8]\npassive: true\nasNumber: 1',
        ['spec.passive: has no meaning with peerPrefixes: such peers always connect to this node'],
      ],
      ['hold time 2', `${target}holdTime: 2s`, [`spec.holdTime: 2 s: ${hold}`]],
      ['hold time 0', `${target}holdTime: 0`, []],
      [
        'keepalive not below hold',
        `${target}holdTime: 9\nkeepaliveTime: 9`,
        ['spec.keepaliveTime: 9 s: must be less than holdTime (9 s)'],
      ],
      [
        'both kinds of password',
        `${target}passwordFile: k\npassword: { secretKeyRef: { name: s, key: k } }`,
        ['spec.passwordFile: cannot be set together with password'],
      ],
      [
        'ttlSecurity and multihop',
        `${target}ttlSecurity: 1\nmultihop: 2`,
        ['spec.multihop: cannot be set together with ttlSecurity'],
      ],
      ['families', `${target}families: [ipv5]`, ['spec.families[0]: "ipv5": must be ipv4 or ipv6']],
      [
        'policy of another kind',
        `${target}policy: { import: own }`,
        ['spec.policy.import.default: "own": must be accept or reject'],
      ],
      [
        'shutdownText alone',
        `${target}shutdownText: x`,
        ['warning spec.shutdownText: has no effect without shutdown: true'],
      ],
      [
        'sourceAddress',
        `${target}sourceAddress: eth0`,
        ['spec.sourceAddress: "eth0": must be an IPv4 or IPv6 address'],
      ],
    ],
  );
});
