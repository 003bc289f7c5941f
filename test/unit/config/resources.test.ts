import { describe, expect, test } from 'vitest';
import { calico, podroute, read, resource } from './support.ts';

/** Kind, spec, and problems without their place: `path: message`. Errors, unless they begin with `warning `. */
type Row = readonly [name: string, spec: string, problems: readonly string[]];

function check(make: (spec: string) => string, rows: readonly Row[]): void {
  test.each(rows)('%s', (_, spec, expected) => {
    const { errors, warnings, resources } = read(make(spec));
    const bare = (text: string) => text.replace(/^test\.yaml: document 1 \([^)]*\), line \d+: /, '');
    expect([...errors.map(bare), ...warnings.map((text) => `warning ${bare(text)}`)]).toEqual(expected);
    expect(resources).toHaveLength(errors.length === 0 ? 1 : 0);
  });
}

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

describe('BGPFilter of Calico', () => {
  const rule = (text: string) => `importV4:\n  - ${text}`;
  const at = 'spec.importV4[0]';
  check(
    (spec) => calico('BGPFilter', 'f', spec),
    [
      ['nothing', '{}', []],
      [
        'every field',
        rule(`{ cidr: 10.0.0.0/8, matchOperator: In, prefixLength: { min: 16, max: 24 }, source: RemotePeers, interface: "eth*",
      peerType: eBGP, communities: { values: ["65000:1"] }, asPathPrefix: [65000, "1.10"], priority: 512, action: Accept,
      operations: [{ addCommunity: { value: "65000:1:2" } }, { prependASPath: { prefix: [1, 2] } }, { setPriority: { value: 256 } }] }`),
        [],
      ],
      ['no action', rule('{ cidr: 10.0.0.0/8, matchOperator: In }'), [`${at}.action: is missing`]],
      ['action of another kind', rule('{ action: accept }'), [`${at}.action: "accept": must be Accept or Reject`]],
      [
        'cidr without an operator',
        rule('{ cidr: 10.0.0.0/8, action: Accept }'),
        [`${at}.matchOperator: is missing: cidr needs it`],
      ],
      [
        'an operator without cidr',
        rule('{ matchOperator: In, action: Accept }'),
        [`${at}.cidr: is missing: matchOperator needs it`],
      ],
      [
        'cidr of the other version',
        rule('{ cidr: "2001:db8::/32", matchOperator: In, action: Accept }'),
        [`${at}.cidr: "2001:db8::/32": must be an IPv4 prefix`],
      ],
      [
        'IPv6 cidr',
        'exportV6: [{ cidr: "2001:db8::/32", matchOperator: NotIn, prefixLength: { max: 128 }, action: Reject }]',
        [],
      ],
      [
        'operator of another kind',
        rule('{ cidr: 10.0.0.0/8, matchOperator: Within, action: Accept }'),
        [`${at}.matchOperator: "Within": must be Equal, NotEqual, In or NotIn`],
      ],
      [
        'prefixLength without cidr',
        rule('{ prefixLength: { min: 8 }, action: Accept }'),
        [`${at}.prefixLength: needs cidr`],
      ],
      [
        'prefixLength too long',
        rule('{ cidr: 10.0.0.0/8, matchOperator: In, prefixLength: { max: 33 }, action: Accept }'),
        [`${at}.prefixLength.max: 33: must be from 0 to 32`],
      ],
      [
        'prefixLength turned round',
        rule('{ cidr: 10.0.0.0/8, matchOperator: In, prefixLength: { min: 24, max: 16 }, action: Accept }'),
        [`${at}.prefixLength.min: 24: is more than max (16)`],
      ],
      [
        'prefixLength with Equal',
        rule('{ cidr: 10.0.0.0/8, matchOperator: Equal, prefixLength: { max: 16 }, action: Accept }'),
        [`warning ${at}.prefixLength: says nothing more with Equal, which already fixes the length; use In or NotIn`],
      ],
      [
        'source of another kind',
        rule('{ source: Local, action: Accept }'),
        [`${at}.source: "Local": must be RemotePeers`],
      ],
      [
        'interface too long',
        rule('{ interface: abcdefghijklmnop, action: Accept }'),
        [`${at}.interface: 16 characters: at most 15 are allowed`],
      ],
      [
        'interface with a space',
        rule('{ interface: "eth 0", action: Accept }'),
        [`${at}.interface: "eth 0": must be an interface name, with * for any characters`],
      ],
      [
        'peerType of another kind',
        rule('{ peerType: EBGP, action: Accept }'),
        [`${at}.peerType: "EBGP": must be eBGP or iBGP`],
      ],
      [
        'two communities',
        rule('{ communities: { values: ["1:1", "1:2"] }, action: Accept }'),
        [`${at}.communities.values: has too many entries: at most 1 are allowed`],
      ],
      [
        'no community',
        rule('{ communities: { values: [] }, action: Accept }'),
        [`${at}.communities.values: has too few entries: at least 1 needed`],
      ],
      ['priority 0', rule('{ priority: 0, action: Accept }'), [`${at}.priority: 0: must be from 1 to 2147483646`]],
      [
        'operations with Reject',
        rule('{ action: Reject, operations: [{ setPriority: { value: 1 } }] }'),
        [`${at}.operations: have no meaning with action Reject`],
      ],
      [
        'no operation',
        rule('{ action: Accept, operations: [] }'),
        [`${at}.operations: has too few entries: at least 1 needed`],
      ],
      [
        'eleven operations',
        rule(
          `{ action: Accept, operations: [${Array.from({ length: 11 }, () => '{ setPriority: { value: 1 } }').join(', ')}] }`,
        ),
        [`${at}.operations: has too many entries: at most 10 are allowed`],
      ],
      [
        'two operations in one',
        rule('{ action: Accept, operations: [{ setPriority: { value: 1 }, addCommunity: { value: "1:1" } }] }'),
        [`${at}.operations[0]: has 2 operations: must be exactly one of addCommunity, prependASPath, setPriority`],
      ],
      [
        'an empty operation',
        rule('{ action: Accept, operations: [{}] }'),
        [`${at}.operations[0]: has 0 operations: must be exactly one of addCommunity, prependASPath, setPriority`],
      ],
      [
        'eleven AS numbers',
        rule(
          `{ action: Accept, operations: [{ prependASPath: { prefix: [${Array.from({ length: 11 }, () => 1).join(', ')}] } }] }`,
        ),
        [`${at}.operations[0].prependASPath.prefix: has too many entries: at most 10 are allowed`],
      ],
      ['a field of podroute', rule('{ action: Accept, med: 1 }'), [`warning ${at}.med: unknown field, ignored`]],
    ],
  );
});

describe('BGPFilter of podroute', () => {
  const rule = (text: string) => `importV4:\n  - ${text}`;
  const at = 'spec.importV4[0]';
  check(
    (spec) => podroute('BGPFilter', 'f', spec),
    [
      [
        'every match',
        rule(`{ name: all of them, prefixes: [10.0.0.0/8, { cidr: 172.16.0.0/12, min: 16, max: 24 }], source: Local, origin: [IGP, Incomplete],
      asPath: "^65000_", asPathLength: { max: 5 }, neighbourAS: [1], originAS: [2], communities: { any: ["65000:*"], all: ["1:1-9"], none: ["1:2:*"], values: [no-export] },
      med: 5, localPref: { min: 1 }, nextHops: [10.0.0.0/8], peers: [a], learnedFrom: [b], action: Next }`),
        [],
      ],
      [
        'every operation',
        rule(`{ action: Accept, operations: [{ setCommunities: [] }, { deleteCommunities: ["1:*"] }, { setLocalPref: 1 }, { setMED: 1 }, { addMED: -1 },
      { removeMED: true }, { setOrigin: EGP }, { setNextHop: Self }, { setNextHop: 10.0.0.1 }, { prependLocalAS: 3 }, { setWeight: 1 }] }`),
        [],
      ],
      [
        'an AS path that does not parse',
        rule('{ asPath: "(65000", action: Accept }'),
        [`${at}.asPath: AS-path pattern "(65000": missing ) (column 7)`],
      ],
      [
        'a range turned round',
        rule('{ med: { min: 2, max: 1 }, action: Accept }'),
        [`${at}.med.min: 2: is more than max (1)`],
      ],
      [
        'a prefix range shorter than its prefix',
        rule('{ prefixes: [{ cidr: 10.0.0.0/8, min: 7 }], action: Accept }'),
        [`${at}.prefixes[0].min: 7: is shorter than the prefix (/8)`],
      ],
      [
        'removeMED: false',
        rule('{ action: Accept, operations: [{ removeMED: false }] }'),
        [`${at}.operations[0].removeMED: must be true`],
      ],
    ],
  );
});

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

describe('Speaker', () => {
  check(
    (spec) => podroute('Speaker', 'default', spec),
    [
      [
        'everything',
        'fib: { enabled: true, table: 100, metric: 50, discardMetric: 60, discardType: blackhole, protocol: 200, keepRoutes: false, nextHopObjects: off }\ncni: { enabled: true, mtu: 9000, socket: /run/cni.sock, state: /var/lib/s.db }\napi: { socket: /run/api.sock }\nlog: { level: debug }\nsecretsDirectory: /etc/secrets',
        [],
      ],
      [
        'a discard metric that is too good',
        'fib: { metric: 100, discardMetric: 100 }',
        ['spec.fib.discardMetric: 100: must be more than fib.metric, or discard routes would cover real ones'],
      ],
      [
        'a discard metric below the default',
        'fib: { discardMetric: 1024 }',
        ['spec.fib.discardMetric: 1024: must be more than fib.metric, or discard routes would cover real ones'],
      ],
      ['a protocol that others use', 'fib: { protocol: 4 }', ['spec.fib.protocol: 4: must be from 5 to 255']],
      [
        'nexthop objects neither here nor there',
        'fib: { nextHopObjects: maybe }',
        ['spec.fib.nextHopObjects: "maybe": must be auto or off'],
      ],
      ['a small MTU', 'cni: { mtu: 1000 }', ['spec.cni.mtu: 1000: must be from 1280 to 65535']],
      [
        'a path that is relative',
        'api: { socket: api.sock }',
        ['spec.api.socket: "api.sock": must be a path that begins with /'],
      ],
      [
        'a socket path that is too long',
        `cni: { socket: /${'a'.repeat(107)} }`,
        ['spec.cni.socket: 108 characters: at most 107 are allowed'],
      ],
    ],
  );
});

describe('address management', () => {
  check(
    (spec) => calico('IPReservation', 'r', spec),
    [
      ['reservedCIDRs', 'reservedCIDRs: [10.0.0.0/29, 10.0.0.9/32]', []],
      [
        'reservedCIDRs with host bits',
        'reservedCIDRs: [10.0.0.1/29]',
        ['spec.reservedCIDRs[0]: "10.0.0.1/29": has bits set behind its length; did you mean 10.0.0.0/29?'],
      ],
    ],
  );
  check(
    (spec) => calico('IPAMConfig', 'default', spec),
    [
      ['IPAMConfig', 'strictAffinity: true\nmaxBlocksPerHost: 4\nautoAllocateBlocks: true\nipCooldownSeconds: 30', []],
      [
        'a limit without strict affinity',
        'maxBlocksPerHost: 4',
        ['spec.maxBlocksPerHost: a limit needs strictAffinity: true'],
      ],
      [
        'neither blocks nor borrowing',
        'autoAllocateBlocks: false',
        ['spec.autoAllocateBlocks: false needs strictAffinity: true'],
      ],
      ['a long cooldown', 'ipCooldownSeconds: 1201', ['spec.ipCooldownSeconds: 1201: must be from 0 to 1200']],
      [
        'virtual machines',
        'kubeVirtVMAddressPersistence: Enabled',
        ['warning spec.kubeVirtVMAddressPersistence: Enabled: not supported, addresses go with the pod'],
      ],
    ],
  );
  check(
    (spec) => resource('crd.projectcalico.org/v1', 'BlockAffinity', 'n-10-0-0-0-26', spec),
    [
      ['BlockAffinity', 'state: confirmed\nnode: n\ntype: host\ncidr: 10.0.0.0/26\ndeleted: "false"', []],
      [
        'a state that is none',
        'state: maybe\nnode: n\ncidr: 10.0.0.0/26',
        ['spec.state: "maybe": must be pending, confirmed or pendingDeletion'],
      ],
      [
        'deleted',
        'state: confirmed\nnode: n\ncidr: 10.0.0.0/26\ndeleted: "true"',
        ['spec.deleted: true: is for Calico itself to set, not for configuration'],
      ],
    ],
  );
});

describe('core kinds', () => {
  test('Node: annotations and pod CIDRs', () => {
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

  test('Secret: what is wrong is said without showing it', () => {
    const text = 'apiVersion: v1\nkind: Secret\nmetadata: { name: s }\ndata: { k: "hunter2!" }\n';
    expect(read(text).errors).toEqual(['test.yaml: document 1 (Secret s), line 4: data.k: must be text in base64']);
  });
});
