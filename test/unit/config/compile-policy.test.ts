import { ip, makeLinkBandwidth, type PathAttributes, parseAsPath, prefix } from 'bgp-ts';
import { describe, expect, expectTypeOf, test } from 'vitest';
import type { DesiredPolicy } from '../../../config/desired-state.ts';
import type { PolicySpec } from '../../../rib/policy/policy.ts';
import { ask, communities, ibgp, pathWith } from './policy-support.ts';
import { compileErrors, documents, peerOf, podroute, policyOf, read, stateOf } from './support.ts';

test('a policy of the desired state is a policy of the RIB', () => {
  expectTypeOf<DesiredPolicy>().toEqualTypeOf<PolicySpec>();
});

const linkBandwidth = (kind: { isTransitive: boolean }) =>
  makeLinkBandwidth({ asn: 64512, octetsPerSecond: 1e9, ...kind });

const routeTarget = (n: number) => Uint8Array.of(0, 2, 0xfd, 0xe8, 0, 0, 0, n);

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
