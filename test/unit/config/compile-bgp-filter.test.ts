import { type PathAttributes, parseAsPath, prefix } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { ask, communities, filtered, ibgp, pathWith, pool, reflector, self, tor } from './policy-support.ts';
import { calico, documents, peerOf, stateOf } from './support.ts';

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
