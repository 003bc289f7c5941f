import { ip, makeLinkBandwidth, type PathAttributes, parseAsPath, parseCommunity, prefix } from 'bgp-ts';
import { describe, expect, expectTypeOf, test } from 'vitest';
import type { DesiredPolicy } from '../../../config/desired-state.ts';
import { evaluate, preparePolicy } from '../../../rib/policy/evaluate.ts';
import type { PolicyRoute, PolicySpec } from '../../../rib/policy/policy.ts';
import { calico, compileErrors, documents, peerOf, podroute, policyOf, read, stateOf } from './support.ts';

test('a policy of the desired state is a policy of the RIB', () => {
  expectTypeOf<DesiredPolicy>().toEqualTypeOf<PolicySpec>();
});

const self = calico('Node', 'a', 'bgp: { ipv4Address: 10.0.0.1/24 }');
const reflector = calico('Node', 'a', 'bgp: { ipv4Address: 10.0.0.1/24, routeReflectorClusterID: 244.0.0.1 }');
const pool = calico('IPPool', 'pods', 'cidr: 10.244.0.0/16');

const communities = (...texts: string[]) => texts.map((text) => parseCommunity(text) ?? Number.NaN);

const linkBandwidth = (kind: { isTransitive: boolean }) =>
  makeLinkBandwidth({ asn: 64512, octetsPerSecond: 1e9, ...kind });

const routeTarget = (n: number) => Uint8Array.of(0, 2, 0xfd, 0xe8, 0, 0, 0, n);

/** A path from the ToR, changed as given. */
function pathWith(changes: Partial<PolicyRoute> & { attributes?: PathAttributes } = {}): PolicyRoute {
  return {
    family: 'ipv4-unicast',
    prefix: prefix('10.244.5.0/24'),
    attributes: { origin: 0, asPath: parseAsPath('65000 65001 7') ?? [], nextHop: ip('192.0.2.1') },
    source: 'bgp',
    peer: { name: 'tor', address: ip('192.0.2.1'), kind: 'ebgp', remoteAs: 65000, localAs: 64512 },
    ...changes,
  };
}
const ibgp = { name: 'tor', address: ip('192.0.2.1'), kind: 'ibgp', remoteAs: 64512, localAs: 64512 } as const;

/** What the policy of peer `tor` says. */
function ask(text: string, direction: 'import' | 'export', route: PolicyRoute) {
  return evaluate(preparePolicy(policyOf(stateOf(text, 'a'), 'tor', direction)), route);
}

const tor = (spec = '', as = 65000) => calico('BGPPeer', 'tor', `peerIP: 192.0.2.1\nasNumber: ${as}\n${spec}`);
const filtered = (rules: string, as = 65000) =>
  documents(self, pool, tor('filters: [f]', as), calico('BGPFilter', 'f', rules));

describe('Calico without filters', () => {
  const text = documents(self, pool, tor());

  test('imports everything', () => {
    expect(ask(text, 'import', pathWith())).toMatchObject({ accept: true, term: 'Calico: import everything' });
    expect(ask(text, 'import', pathWith({ prefix: prefix('0.0.0.0/0') })).accept).toBe(true);
  });

  test('exports what this node originates, and nothing else', () => {
    for (const source of ['network', 'pod-block', 'service'] as const) {
      expect(ask(text, 'export', pathWith({ source }))).toMatchObject({ accept: true, term: 'own routes' });
    }
    expect(ask(text, 'export', pathWith())).toMatchObject({ accept: false, term: 'Calico: export own routes only' });
  });

  test('says so', () => {
    const { importPolicy, exportPolicy } = peerOf(stateOf(text, 'a'), 'tor');
    expect([importPolicy.mode, exportPolicy.mode]).toEqual(['calico', 'calico']);
  });

  test('a reflector also exports learned routes inside pools and ranges of services', () => {
    const services = calico('BGPConfiguration', 'default', 'serviceExternalIPs: [{ cidr: 198.51.100.0/24 }]');
    const rr = documents(reflector, pool, tor(), services);
    expect(ask(rr, 'export', pathWith())).toMatchObject({ accept: true, term: 'route reflector: pools and services' });
    expect(ask(rr, 'export', pathWith({ prefix: prefix('198.51.100.7/32') })).accept).toBe(true);
    expect(ask(rr, 'export', pathWith({ prefix: prefix('0.0.0.0/0') })).accept).toBe(false);
  });

  test('a reflector that knows no pool reflects everything between iBGP peers, and tells eBGP peers nothing', () => {
    const inside = documents(reflector, tor('', 64512));
    expect(ask(inside, 'export', pathWith({ peer: ibgp })).accept).toBe(true);
    expect(ask(documents(reflector, tor()), 'export', pathWith()).accept).toBe(false);
  });

  test('a pool with disableBGPExport is not exported, neither by a reflector', () => {
    const hidden = calico('IPPool', 'hidden', 'cidr: 10.245.0.0/16\ndisableBGPExport: true');
    for (const node of [self, reflector]) {
      const text = documents(node, pool, hidden, tor());
      const verdict = ask(text, 'export', pathWith({ source: 'pod-block', prefix: prefix('10.245.1.0/26') }));
      expect(verdict).toMatchObject({ accept: false, term: 'IPPool hidden: disableBGPExport' });
    }
  });

  test('prefixAdvertisements add communities to what is exported', () => {
    const configuration = calico(
      'BGPConfiguration',
      'default',
      `communities: [{ name: pods, value: "65000:7" }, { name: big, value: "65000:1:2" }]
prefixAdvertisements:
  - { cidr: 10.244.0.0/16, communities: [pods, "65000:8"] }
  - { cidr: 10.244.5.0/24, communities: [big] }
  - { cidr: 10.0.0.0/16, communities: [pods] }`,
    );
    const text = documents(self, pool, tor(), configuration);
    const { attributes, accept } = ask(text, 'export', pathWith({ source: 'pod-block' }));
    expect(accept).toBe(true);
    expect(attributes.communities).toEqual(communities('65000:7', '65000:8'));
    expect(attributes.largeCommunities).toEqual([{ globalAdmin: 65000, local1: 1, local2: 2 }]);
    expect(ask(text, 'export', pathWith({ source: 'pod-block', prefix: prefix('10.9.0.0/24') })).attributes).toEqual(
      pathWith().attributes,
    );
  });
});

describe('BGPFilter', () => {
  /** A rule, paths that it accepts, paths that it leaves to the Reject behind it. */
  const at = (text: string) => ({ prefix: prefix(text) });
  const rows: readonly [string, string, Parameters<typeof pathWith>[0][], Parameters<typeof pathWith>[0][]][] = [
    [
      'Equal',
      '{ cidr: 10.244.5.0/24, matchOperator: Equal, action: Accept }',
      [{}],
      [at('10.244.5.0/25'), at('10.244.0.0/16')],
    ],
    [
      'NotEqual',
      '{ cidr: 10.244.5.0/24, matchOperator: NotEqual, action: Accept }',
      [at('10.244.5.0/25'), at('0.0.0.0/0')],
      [{}],
    ],
    [
      'In',
      '{ cidr: 10.244.0.0/16, matchOperator: In, action: Accept }',
      [{}, at('10.244.0.0/16'), at('10.244.1.1/32')],
      [at('10.0.0.0/8'), at('10.245.0.0/16')],
    ],
    [
      'NotIn',
      '{ cidr: 10.244.0.0/16, matchOperator: NotIn, action: Accept }',
      [at('10.0.0.0/8')],
      [{}, at('10.244.0.0/16')],
    ],
    [
      'In with lengths',
      '{ cidr: 10.244.0.0/16, matchOperator: In, prefixLength: { min: 24, max: 28 }, action: Accept }',
      [{}, at('10.244.0.0/28')],
      [at('10.244.0.0/16'), at('10.244.0.0/29')],
    ],
    [
      'In with a shortest length below the prefix',
      '{ cidr: 10.244.0.0/16, matchOperator: In, prefixLength: { min: 8 }, action: Accept }',
      [at('10.244.0.0/16')],
      [at('10.0.0.0/8')],
    ],
    [
      'NotIn with lengths',
      '{ cidr: 10.244.0.0/16, matchOperator: NotIn, prefixLength: { min: 24, max: 28 }, action: Accept }',
      [at('10.244.0.0/16'), at('10.244.0.0/29')],
      [{}],
    ],
    [
      'Equal with lengths that exclude it',
      '{ cidr: 10.244.5.0/24, matchOperator: Equal, prefixLength: { max: 16 }, action: Accept }',
      [],
      [{}],
    ],
    [
      'interface',
      '{ interface: "eth*", action: Accept }',
      [{ interfaceName: 'eth1' }],
      [{ interfaceName: 'bond0' }, {}],
    ],
    ['peerType eBGP', '{ peerType: eBGP, action: Accept }', [{}], [{ peer: ibgp }]],
    ['peerType iBGP', '{ peerType: iBGP, action: Accept }', [{ peer: ibgp }], [{}]],
    [
      'community',
      '{ communities: { values: ["65000:100"] }, action: Accept }',
      [{ attributes: { communities: communities('65000:1', '65000:100') } }],
      [{}, { attributes: { communities: communities('65000:1') } }],
    ],
    [
      'large community',
      '{ communities: { values: ["65000:100:999"] }, action: Accept }',
      [{ attributes: { largeCommunities: [{ globalAdmin: 65000, local1: 100, local2: 999 }] } }],
      [{}, { attributes: { largeCommunities: [{ globalAdmin: 65000, local1: 100, local2: 998 }] } }],
    ],
    [
      'asPathPrefix',
      '{ asPathPrefix: [65000, 65001], action: Accept }',
      [{}, { attributes: { asPath: parseAsPath('65000 65001') ?? [] } }],
      [{ attributes: { asPath: parseAsPath('65001 65000') ?? [] } }, { attributes: {} }],
    ],
    [
      'priority',
      '{ priority: 512, action: Accept }',
      [{ attributes: { localPref: 2147483647 - 512 } }],
      [{}, { attributes: { localPref: 100 } }],
    ],
    [
      'normal priority',
      '{ priority: 1024, action: Accept }',
      [
        { attributes: { localPref: 2147483647 - 1024 } },
        { attributes: { localPref: 100 }, peer: ibgp },
        { attributes: {}, peer: ibgp },
      ],
      [{ attributes: { localPref: 2147483647 - 512 }, peer: ibgp }],
    ],
    ['source', '{ source: RemotePeers, action: Accept }', [{}], [{ source: 'network' }]],
    [
      'all conditions at once',
      '{ cidr: 10.244.0.0/16, matchOperator: In, peerType: eBGP, action: Accept }',
      [{}],
      [at('10.0.0.0/8'), { peer: ibgp }],
    ],
    ['no condition', '{ action: Accept }', [{}, at('0.0.0.0/0')], []],
  ];
  for (const [name, rule, accepted, left] of rows) {
    test(name, () => {
      // the direction must not matter to a match; priority on eBGP import is set before, so there iBGP is asked
      const lists = `importV4:\n  - ${rule}\n  - { action: Reject }\nexportV4:\n  - ${rule}\n  - { action: Reject }`;
      const as = name === 'priority' || name === 'normal priority' ? 64512 : 65000;
      const text = filtered(lists, as);
      for (const direction of ['import', 'export'] as const) {
        for (const route of accepted) {
          const verdict = ask(text, direction, pathWith(route));
          expect(verdict).toMatchObject({ accept: true, term: `BGPFilter f: ${direction}V4[0]` });
        }
        for (const route of left) {
          const verdict = ask(text, direction, pathWith(route));
          expect(verdict).toMatchObject({ accept: false, term: `BGPFilter f: ${direction}V4[1]` });
        }
      }
    });
  }

  test('unmatched import is accepted', () => {
    const text = filtered('importV4:\n  - { cidr: 192.0.2.0/24, matchOperator: In, action: Reject }');
    expect(ask(text, 'import', pathWith())).toMatchObject({ accept: true, term: 'Calico: import everything' });
    expect(ask(text, 'import', pathWith(at('192.0.2.0/25')))).toMatchObject({ accept: false });
  });

  test('unmatched export goes on to the own rule of the node', () => {
    const text = filtered('exportV4:\n  - { cidr: 192.0.2.0/24, matchOperator: In, action: Accept }');
    expect(ask(text, 'export', pathWith(at('192.0.2.0/25')))).toMatchObject({
      accept: true,
      term: 'BGPFilter f: exportV4[0]',
    });
    expect(ask(text, 'export', pathWith({ source: 'pod-block' }))).toMatchObject({ accept: true, term: 'own routes' });
    expect(ask(text, 'export', pathWith())).toMatchObject({ accept: false, term: 'Calico: export own routes only' });
  });

  test('a filter for export can hold own routes back', () => {
    const text = filtered('exportV4:\n  - { cidr: 10.244.0.0/16, matchOperator: In, action: Reject }');
    expect(ask(text, 'export', pathWith({ source: 'pod-block' }))).toMatchObject({ accept: false });
  });

  test('rules of one family leave the other alone', () => {
    const text = documents(
      calico('Node', 'a', 'bgp: { ipv4Address: 10.0.0.1/24, ipv6Address: "2001:db8::1/64" }'),
      tor('filters: [f]'),
      calico(
        'BGPFilter',
        'f',
        'importV4:\n  - { action: Reject }\nimportV6:\n  - { cidr: "2001:db8::/32", matchOperator: In, action: Reject }',
      ),
    );
    const v6 = { family: 'ipv6-unicast', prefix: prefix('2001:db8:1::/48') } as const;
    expect(ask(text, 'import', pathWith(v6)).term).toBe('BGPFilter f: importV6[0]');
    expect(ask(text, 'import', pathWith({ ...v6, prefix: prefix('2001:db9::/48') })).accept).toBe(true);
    expect(ask(text, 'import', pathWith()).term).toBe('BGPFilter f: importV4[0]');
  });

  test('several filters, in the order of the peer', () => {
    const text = documents(
      self,
      tor('filters: [second, first]'),
      calico('BGPFilter', 'first', 'importV4:\n  - { action: Accept }'),
      calico('BGPFilter', 'second', 'importV4:\n  - { cidr: 10.244.0.0/16, matchOperator: In, action: Reject }'),
    );
    expect(ask(text, 'import', pathWith()).term).toBe('BGPFilter second: importV4[0]');
    expect(ask(text, 'import', pathWith(at('10.0.0.0/8'))).term).toBe('BGPFilter first: importV4[0]');
  });

  test('operations, in order, on import', () => {
    const text = filtered(`importV4:
  - action: Accept
    operations:
      - setPriority: { value: 256 }
      - addCommunity: { value: "65000:200" }
      - addCommunity: { value: "65000:300:400" }
      - prependASPath: { prefix: [65011, 65012] }`);
    expect(ask(text, 'import', pathWith()).attributes).toEqual({
      ...pathWith().attributes,
      localPref: 2147483647 - 256,
      communities: communities('65000:200'),
      largeCommunities: [{ globalAdmin: 65000, local1: 300, local2: 400 }],
      asPath: parseAsPath('65011 65012 65000 65001 7'),
    });
  });

  describe('priority, once any filter speaks of it', () => {
    const rules = 'importV4:\n  - { priority: 512, action: Accept, operations: [{ setPriority: { value: 256 } }] }';
    const normal = 2147483647 - 1024;

    test('eBGP routes come in with normal priority', () => {
      expect(ask(filtered(rules), 'import', pathWith()).attributes.localPref).toBe(normal);
    });

    test('own routes go to iBGP peers with normal priority, and to eBGP peers without', () => {
      const own = pathWith({ source: 'pod-block', attributes: {} });
      expect(ask(filtered(rules, 64512), 'export', { ...own, peer: ibgp }).attributes.localPref).toBe(normal);
      expect(ask(filtered(rules), 'export', own).attributes.localPref).toBeUndefined();
    });

    test('normal priority can be another', () => {
      const text = documents(filtered(rules), calico('BGPConfiguration', 'default', 'ipv4NormalRoutePriority: 512'));
      expect(ask(text, 'import', pathWith()).attributes.localPref).toBe(2147483647 - 256);
    });

    test('without such a filter LOCAL_PREF is left alone', () => {
      expect(ask(filtered('importV4: []'), 'import', pathWith()).attributes).toEqual(pathWith().attributes);
    });
  });

  test('the example with all criteria: rules for each kind of peer', () => {
    const text = (as: number) =>
      filtered(
        `importV4:
  - { cidr: 10.244.0.0/16, matchOperator: In, prefixLength: { min: 24, max: 28 }, peerType: iBGP, communities: { values: ["65000:100"] },
      asPathPrefix: [65000], priority: 512, interface: eth0, action: Accept, operations: [{ setPriority: { value: 256 } }] }
  - { cidr: 10.244.0.0/16, matchOperator: In, peerType: eBGP, communities: { values: ["65000:100:999"] }, asPathPrefix: [65000, 65001],
      priority: 1024, action: Accept, operations: [{ setPriority: { value: 512 } }] }
  - { action: Reject }`,
        as,
      );
    const attributes: PathAttributes = {
      asPath: parseAsPath('65000 65001 7') ?? [],
      localPref: 2147483647 - 512,
      communities: communities('65000:100'),
      largeCommunities: [{ globalAdmin: 65000, local1: 100, local2: 999 }],
    };
    const inside = ask(text(64512), 'import', pathWith({ attributes, peer: ibgp, interfaceName: 'eth0' }));
    expect(inside).toMatchObject({ accept: true, attributes: { localPref: 2147483647 - 256 } });
    const outside = ask(text(65000), 'import', pathWith({ attributes, interfaceName: 'eth0' }));
    expect(outside).toMatchObject({ accept: true, attributes: { localPref: 2147483647 - 512 } });
    const other = ask(text(64512), 'import', pathWith({ attributes, peer: ibgp, interfaceName: 'eth1' }));
    expect(other).toMatchObject({ accept: false, term: 'BGPFilter f: importV4[2]' });
  });
});

describe('podroute', () => {
  const own = podroute('Node', 'a', 'ipv4Address: 10.0.0.1');
  const peer = (spec = '', as = 65000) => podroute('BGPPeer', 'tor', `peerIP: 192.0.2.1\nasNumber: ${as}\n${spec}`);
  const modes = (text: string) => {
    const { importPolicy, exportPolicy } = peerOf(stateOf(text, 'a'), 'tor');
    return [importPolicy.mode, exportPolicy.mode];
  };
  const local = pathWith({ source: 'network' });

  test('eBGP without a policy passes nothing (RFC 8212)', () => {
    const text = documents(own, peer());
    expect(modes(text)).toEqual(['rfc8212', 'rfc8212']);
    expect(ask(text, 'import', pathWith())).toMatchObject({
      accept: false,
      term: 'RFC 8212: eBGP peer without import policy',
    });
    expect(ask(text, 'export', local)).toMatchObject({
      accept: false,
      term: 'RFC 8212: eBGP peer without export policy',
    });
  });

  test('iBGP without a policy imports everything and exports own routes', () => {
    const text = documents(own, peer('', 64512));
    expect(modes(text)).toEqual(['ibgp', 'ibgp']);
    expect(ask(text, 'import', pathWith()).accept).toBe(true);
    expect(ask(text, 'export', local).accept).toBe(true);
    expect(ask(text, 'export', pathWith())).toMatchObject({ accept: false, term: 'iBGP: export own routes only' });
  });

  test('a reflector without a policy exports everything to iBGP peers, and nothing to eBGP peers', () => {
    const rr = podroute('Node', 'a', 'ipv4Address: 10.0.0.1\nrouteReflectorClusterID: 10.0.0.1');
    expect(ask(documents(rr, peer('', 64512)), 'export', pathWith()).accept).toBe(true);
    expect(ask(documents(rr, peer()), 'export', pathWith()).accept).toBe(false);
  });

  test('defaults of each direction', () => {
    const text = documents(own, peer('policy: { import: accept, export: own }'));
    expect(modes(text)).toEqual(['configured', 'configured']);
    expect(ask(text, 'import', pathWith())).toMatchObject({ accept: true, term: 'policy.import.default: accept' });
    expect(ask(text, 'export', local)).toMatchObject({ accept: true, term: 'own routes' });
    expect(ask(text, 'export', pathWith())).toMatchObject({ accept: false, term: 'policy.export.default: own' });
    const all = documents(own, peer('policy: { export: accept }'));
    expect(modes(all)).toEqual(['rfc8212', 'configured']);
    expect(ask(all, 'export', pathWith()).accept).toBe(true);
    const none = documents(own, peer('policy: { export: reject, import: reject }', 64512));
    expect(ask(none, 'export', local).accept).toBe(false);
    expect(ask(none, 'import', pathWith()).accept).toBe(false);
  });

  test('filters without a default: eBGP rejects what they leave open', () => {
    const filter = podroute(
      'BGPFilter',
      'f',
      'importV4:\n  - { prefixes: [{ cidr: 10.244.0.0/16, max: 24, min: 24 }], action: Accept }',
    );
    const text = documents(own, peer('filters: [f]'), filter);
    expect(modes(text)).toEqual(['configured', 'rfc8212']);
    expect(ask(text, 'import', pathWith()).accept).toBe(true);
    expect(ask(text, 'import', pathWith({ prefix: prefix('10.244.0.0/25') }))).toMatchObject({
      accept: false,
      term: 'policy.import.default: reject',
    });
  });

  test('filters of one direction, after those of both', () => {
    const text = documents(
      own,
      peer('filters: [both]\npolicy: { import: { filters: [in], default: accept } }'),
      podroute(
        'BGPFilter',
        'both',
        'importV4:\n  - { cidr: 10.0.0.0/8, matchOperator: Equal, action: Reject }\nexportV4:\n  - { action: Accept }',
      ),
      podroute(
        'BGPFilter',
        'in',
        'importV4:\n  - { action: Reject, name: the rest }\nexportV4:\n  - { action: Reject }',
      ),
    );
    expect(ask(text, 'import', pathWith({ prefix: prefix('10.0.0.0/8') })).term).toBe('BGPFilter both: importV4[0]');
    expect(ask(text, 'import', pathWith()).term).toBe('BGPFilter in: importV4[0] (the rest)');
    expect(ask(text, 'export', pathWith()).term).toBe('BGPFilter both: exportV4[0]');
  });

  const attributes: PathAttributes = {
    origin: 2,
    asPath: parseAsPath('65000 7') ?? [],
    nextHop: ip('192.0.2.1'),
    med: 50,
    localPref: 200,
    communities: communities('65000:1', '65000:2'),
    largeCommunities: [{ globalAdmin: 65000, local1: 4, local2: 5 }],
    extendedCommunities: [routeTarget(7)],
  };
  const matches: readonly [string, string, boolean][] = [
    ['exact prefix', 'prefixes: [10.244.5.0/24]', true],
    ['exact prefix, another', 'prefixes: [10.244.0.0/16]', false],
    ['prefix or longer', 'prefixes: [{ cidr: 10.244.0.0/16, max: 32 }]', true],
    ['prefix from a length on', 'prefixes: [{ cidr: 10.244.0.0/16, min: 25 }]', false],
    ['origin', 'origin: [Incomplete]', true],
    ['origin, another', 'origin: [IGP, EGP]', false],
    ['AS path', 'asPath: "_7$"', true],
    ['AS path length', 'asPathLength: { min: 3 }', false],
    ['neighbour AS', 'neighbourAS: [65000]', true],
    ['origin AS', 'originAS: [65000]', false],
    ['any community', 'communities: { any: ["1:1", "65000:*"] }', true],
    ['all communities', 'communities: { all: ["65000:1", "65000:3"] }', false],
    ['no community', 'communities: { none: ["65000:2"] }', false],
    ['MED', 'med: 50', true],
    ['local preference', 'localPref: { max: 199 }', false],
    ['next hop', 'nextHops: [192.0.2.0/24]', true],
    ['peer', 'peers: [other]', false],
    ['learned from', 'learnedFrom: [other]', false],
    ['source', 'source: Local', false],
    ['length alone', 'prefixLength: { min: 24, max: 24 }', true],
    ['length alone, another', 'prefixLength: { max: 23 }', false],
    ['large community by pattern', 'communities: { any: ["65000:1-5:*"] }', true],
    ['extended community', 'communities: { all: ["rt:65000:7"] }', true],
    ['extended community, another', 'communities: { any: ["soo:65000:7", "rt:65000:8", "rt:192.0.2.1:*"] }', false],
    ['extended community with any last part', 'communities: { any: ["rt:65000:*"] }', true],
    ['extended community as hex', 'communities: { any: ["0x0002fde8****0007"] }', true],
    ['well-known community', 'communities: { none: [no-export] }', true],
    ['AS of the peer', 'peerAS: [65000, 1]', true],
    ['AS of the peer, another', 'peerAS: [7]', false],
    ['kind of the peer it came from, which there is none of', 'learnedFromType: iBGP', false],
    ['prefix set', 'prefixSets: [none, pods]', true],
    ['prefix set, another', 'prefixSets: [none]', false],
    ['AS-path set', 'asPathSets: [short]', true],
    ['AS-path set, another', 'asPathSets: [empty]', false],
    ['community set', 'communitySets: [ours]', true],
    ['community set, another', 'communitySets: [theirs]', false],
    ['not', 'not: { prefixSets: [none] }', true],
    ['not, where it holds', 'not: { prefixSets: [pods], origin: [Incomplete] }', false],
    ['not, where only a part holds', 'not: { prefixSets: [pods], origin: [IGP] }', true],
  ];
  const sets = documents(
    podroute('PrefixSet', 'pods', 'prefixes: [{ cidr: 10.244.0.0/16, max: 28 }, 2001:db8::/32]'),
    podroute('PrefixSet', 'none', 'prefixes: [10.0.0.0/8, { cidr: 10.244.0.0/16, min: 25 }]'),
    podroute('ASPathSet', 'short', 'patterns: ["^1$", "^65000 [0-9]$"]'),
    podroute('ASPathSet', 'empty', 'patterns: ["^$"]'),
    podroute('CommunitySet', 'ours', 'communities: ["65000:2", "1:1:*"]'),
    podroute('CommunitySet', 'theirs', 'communities: ["64999:*", "rt:64999:*"]'),
  );
  test.each(matches)('match: %s', (_, rule, expected) => {
    for (const list of ['importV4', 'import']) {
      const filter = podroute('BGPFilter', 'f', `${list}:\n  - { ${rule}, action: Accept }`);
      const text = documents(own, peer('filters: [f]'), filter, sets);
      expect(ask(text, 'import', pathWith({ attributes })).accept).toBe(expected);
    }
  });

  const operations: readonly [string, string, Partial<Record<keyof PathAttributes, unknown>>][] = [
    ['setCommunities', 'setCommunities: ["65000:9", no-export]', { communities: communities('65000:9', 'no-export') }],
    ['deleteCommunities', 'deleteCommunities: ["65000:2-9"]', { communities: communities('65000:1') }],
    ['setLocalPref', 'setLocalPref: 5', { localPref: 5 }],
    ['setMED', 'setMED: 5', { med: 5 }],
    ['addMED', 'addMED: 5', { med: 55 }],
    ['addMED below 0', 'addMED: -20', { med: 30 }],
    ['setOrigin', 'setOrigin: IGP', { origin: 0 }],
    ['setNextHop', 'setNextHop: 10.9.9.9', { nextHop: ip('10.9.9.9') }],
    ['addCommunities', 'addCommunities: ["65000:2", "rt:65000:9"]', { extendedCommunities: [7, 9].map(routeTarget) }],
    ['setCommunities, extended', 'setCommunities: ["rt:65000:9"]', { extendedCommunities: [routeTarget(9)] }],
    ['deleteCommunities, large', 'deleteCommunities: ["65000:*:5"]', { largeCommunities: undefined }],
    ['deleteCommunities, extended', 'deleteCommunities: ["rt:65000:*"]', { extendedCommunities: undefined }],
    [
      'setLinkBandwidth',
      'setLinkBandwidth: 8G',
      { extendedCommunities: [routeTarget(7), linkBandwidth({ isTransitive: false })] },
    ],
    [
      'setLinkBandwidth, transitive',
      'setLinkBandwidth: { rate: 8G, transitive: true }',
      { extendedCommunities: [routeTarget(7), linkBandwidth({ isTransitive: true })] },
    ],
    ['prependLastAS', 'prependLastAS: 2', { asPath: parseAsPath('65000 65000 65000 7') ?? [] }],
    ['prependLocalAS', 'prependLocalAS: 2', { asPath: parseAsPath('64512 64512 65000 7') ?? [] }],
  ];
  test.each(operations)('operation: %s', (_, operation, expected) => {
    const filter = podroute('BGPFilter', 'f', `importV4:\n  - { action: Accept, operations: [{ ${operation} }] }`);
    const text = documents(own, peer('filters: [f]'), filter);
    expect(ask(text, 'import', pathWith({ attributes })).attributes).toEqual({ ...attributes, ...expected });
  });

  test('operations that are not attributes, and removal', () => {
    const filter = podroute(
      'BGPFilter',
      'f',
      'importV4:\n  - { action: Next, operations: [{ removeMED: true }, { setWeight: 7 }] }\n  - { action: Accept, operations: [{ setNextHop: Keep }] }',
    );
    const verdict = ask(documents(own, peer('filters: [f]'), filter), 'import', pathWith({ attributes }));
    expect(verdict).toMatchObject({ accept: true, weight: 7, nextHop: 'unchanged', term: 'BGPFilter f: importV4[1]' });
    expect(verdict.attributes).not.toHaveProperty('med');
  });

  test('on export: kind of the peer that a path came from', () => {
    const filter = podroute('BGPFilter', 'f', 'export:\n  - { learnedFromType: iBGP, action: Accept }');
    const text = documents(own, peer('filters: [f]'), filter);
    expect(ask(text, 'export', pathWith({ learnedFrom: ibgp })).accept).toBe(true);
    expect(ask(text, 'export', pathWith({ learnedFrom: { ...ibgp, kind: 'ebgp' } })).accept).toBe(false);
  });

  test('rules of both families come before those of one', () => {
    const rules = 'importV4:\n  - { action: Reject }\nimport:\n  - { origin: [Incomplete], action: Accept }';
    const text = documents(own, peer('filters: [f]'), podroute('BGPFilter', 'f', rules));
    expect(ask(text, 'import', pathWith({ attributes })).term).toBe('BGPFilter f: import[0]');
    expect(ask(text, 'import', pathWith()).term).toBe('BGPFilter f: importV4[0]');
    const ipv6 = pathWith({ attributes, family: 'ipv6-unicast', prefix: prefix('2001:db8::/32') });
    expect(ask(text, 'import', ipv6).term).toBe('BGPFilter f: import[0]');
  });

  test('a set that several rules name is one object', () => {
    const rules = 'import:\n  - { prefixSets: [pods], action: Next }\n  - { prefixSets: [pods], action: Accept }';
    const text = documents(own, peer('filters: [f]'), podroute('BGPFilter', 'f', rules), sets);
    const [first, second] = policyOf(stateOf(text, 'a'), 'tor', 'import').terms.map(({ matches: [match] }) => match);
    expect(first?.type === 'prefix' && second?.type === 'prefix' && first.set === second.set).toBe(true);
  });

  const mistakes: readonly [string, string, string][] = [
    [
      'a set that is not there',
      'import:\n  - { prefixSets: [pots], action: Accept }',
      'spec.import[0].prefixSets[0]: there is no PrefixSet "pots"; did you mean pods?',
    ],
    [
      'a set inside not',
      'exportV6:\n  - { not: { communitySets: [x] }, action: Accept }',
      'spec.exportV6[0].not.communitySets[0]: there is no CommunitySet "x"',
    ],
  ];
  test.each(mistakes)('%s', (_, rules, message) => {
    const text = documents(own, peer('filters: [f]'), podroute('BGPFilter', 'f', rules), sets);
    expect(compileErrors(text, 'a').join()).toContain(message);
  });

  const unreadable: readonly [string, string, string][] = [
    [
      'origin validation',
      'import:\n  - { rpki: Invalid, action: Reject }',
      'rpki: origin validation (RFC 6811) is not supported',
    ],
    ['an empty not', 'import:\n  - { not: {}, action: Reject }', 'not: has no condition'],
    [
      'a range that is shorter than its prefix',
      'import:\n  - { prefixes: [{ cidr: 10.0.0.0/16, max: 8 }], action: Reject }',
      'max: 8: is shorter than the prefix (/16)',
    ],
    [
      'an extended community out of range',
      'import:\n  - { communities: { any: ["rt:65536:65536"] }, action: Reject }',
      '"rt:65536:65536": must be a community',
    ],
    ['a pattern that does not parse', 'import:\n  - { asPath: "(65000", action: Reject }', 'missing )'],
    [
      'a condition of a wrong name',
      'import:\n  - { communitySet: [x], action: Reject }',
      'unknown field; did you mean communitySets?',
    ],
  ];
  test.each(unreadable)('%s', (_, rules, message) => {
    expect(read(podroute('BGPFilter', 'f', rules)).errors.join()).toContain(message);
  });
});
