import { ip, type PathAttributes, parseAsPath, parseCommunity, prefix } from 'bgp-ts';
import { describe, expect, test } from 'vitest';
import { acceptAll, evaluate, policyNeedsPrefix, preparePolicy, rejectAll } from '../../../../rib/policy/evaluate.ts';
import type {
  CommunityPattern,
  PolicyAction,
  PolicyMatch,
  PolicyPeer,
  PolicyRoute,
  PolicyTerm,
  PrefixSet,
} from '../../../../rib/policy/policy.ts';

const tor: PolicyPeer = { name: 'tor', address: ip('192.0.2.1'), kind: 'ebgp', remoteAs: 65000, localAs: 64512 };
const node2: PolicyPeer = { name: 'node2', address: ip('10.0.0.2'), kind: 'ibgp', remoteAs: 64512, localAs: 64512 };

const std = (text: string) => parseCommunity(text) ?? Number.NaN;
const path = (text: string) => parseAsPath(text) ?? [];
const extended = Uint8Array.of(0x00, 0x02, 0xfd, 0xe8, 0, 0, 0, 1);

const attributes: PathAttributes = {
  origin: 0,
  asPath: path('65000 65010 4200000000'),
  nextHop: ip('192.0.2.1'),
  med: 50,
  localPref: 200,
  communities: [std('65000:1'), std('65000:2')],
  largeCommunities: [{ globalAdmin: 65000, local1: 1, local2: 2 }],
  extendedCommunities: [extended],
};

const route: PolicyRoute = {
  family: 'ipv4-unicast',
  prefix: prefix('10.1.0.0/24'),
  attributes,
  source: 'bgp',
  peer: tor,
  learnedFrom: node2,
  interfaceName: 'eth0',
};

const set = (name: string, ...entries: (readonly [string, number, number])[]): PrefixSet => ({
  name,
  entries: entries.map(([text, minLength, maxLength]) => ({ prefix: prefix(text), minLength, maxLength })),
});

const policy = (terms: readonly Partial<PolicyTerm>[], verdict: 'accept' | 'reject' = 'reject') =>
  preparePolicy({
    name: 'test',
    terms: terms.map((term, i) => ({ name: `term ${i}`, matches: [], actions: [], verdict: 'accept', ...term })),
    default: verdict,
    defaultName: 'the default',
  });

const standard = (...parts: Extract<CommunityPattern, { type: 'standard' }>['parts']): CommunityPattern => ({
  type: 'standard',
  parts,
});
const large = (...parts: Extract<CommunityPattern, { type: 'large' }>['parts']): CommunityPattern => ({
  type: 'large',
  parts,
});

/** What is tested, the match, a route where it holds, a route where it does not. */
const matches: readonly [string, PolicyMatch, Partial<PolicyRoute>, Partial<PolicyRoute>][] = [
  ['family', { type: 'family', family: 'ipv4-unicast' }, {}, { family: 'ipv6-unicast' }],
  ['prefix', { type: 'prefix', set: set('pods', ['10.1.0.0/16', 16, 24]) }, {}, { prefix: prefix('10.1.0.0/25') }],
  ['prefix without a prefix', { type: 'prefix', set: set('pods', ['10.1.0.0/16', 16, 24]) }, {}, { prefix: undefined }],
  ['prefix length', { type: 'prefix-length', min: 20, max: 24 }, {}, { prefix: prefix('10.0.0.0/19') }],
  ['prefix length, low end', { type: 'prefix-length', min: 24, max: 32 }, {}, { prefix: prefix('10.0.0.0/23') }],
  ['origin', { type: 'origin', origins: [0, 1] }, {}, { attributes: { ...attributes, origin: 2 } }],
  ['AS path pattern', { type: 'as-path', pattern: '^65000_' }, {}, { attributes: { asPath: path('650001 1') } }],
  ['AS path pattern, empty path', { type: 'as-path', pattern: '^$' }, { attributes: {} }, {}],
  [
    'AS path prefix',
    { type: 'as-path-prefix', asns: [65000, 65010] },
    {},
    { attributes: { asPath: path('65010 65000') } },
  ],
  [
    'AS path prefix, path too short',
    { type: 'as-path-prefix', asns: [65000, 65010] },
    {},
    { attributes: { asPath: path('65000') } },
  ],
  [
    'AS path prefix stops at a set',
    { type: 'as-path-prefix', asns: [65000, 65010] },
    {},
    { attributes: { asPath: path('65000 {65010}') } },
  ],
  [
    'AS path prefix passes over confederation segments',
    { type: 'as-path-prefix', asns: [65000] },
    { attributes: { asPath: path('(64601 64602) 65000 1') } },
    { attributes: { asPath: path('(65000) 1') } },
  ],
  [
    'AS path length',
    { type: 'as-path-length', range: { min: 3, max: 3 } },
    {},
    { attributes: { asPath: path('1 2') } },
  ],
  [
    'AS path length, open end',
    { type: 'as-path-length', range: { max: 1 } },
    { attributes: { asPath: path('{1,2}') } },
    {},
  ],
  ['neighbour AS', { type: 'neighbour-as', asns: [1, 65000] }, {}, { attributes: { asPath: path('65010 65000') } }],
  ['neighbour AS of an empty path', { type: 'neighbour-as', asns: [65000] }, {}, { attributes: {} }],
  ['origin AS', { type: 'origin-as', asns: [4200000000] }, {}, { attributes: { asPath: path('4200000000 1') } }],
  [
    'origin AS is not in a set',
    { type: 'origin-as', asns: [1] },
    { attributes: { asPath: path('2 1') } },
    { attributes: { asPath: path('2 {1}') } },
  ],
  [
    'any community',
    { type: 'community', require: 'any', patterns: [standard(1, 1), standard(65000, 2)] },
    {},
    { attributes: {} },
  ],
  [
    'all communities',
    { type: 'community', require: 'all', patterns: [standard(65000, 1), standard(65000, 2)] },
    {},
    { attributes: { communities: [std('65000:1')] } },
  ],
  [
    'no community',
    { type: 'community', require: 'none', patterns: [standard(65000, 3)] },
    {},
    { attributes: { communities: [std('65000:3')] } },
  ],
  [
    'community with a wildcard',
    { type: 'community', require: 'any', patterns: [standard('*', 2)] },
    {},
    { attributes: { communities: [std('65000:3')] } },
  ],
  [
    'community with a range',
    { type: 'community', require: 'any', patterns: [standard(65000, { min: 2, max: 9 })] },
    {},
    { attributes: { communities: [std('65000:1'), std('65000:10')] } },
  ],
  [
    'large community',
    { type: 'community', require: 'any', patterns: [large(65000, 1, '*')] },
    {},
    { attributes: { largeCommunities: [{ globalAdmin: 65000, local1: 2, local2: 2 }] } },
  ],
  [
    'extended community',
    { type: 'community', require: 'any', patterns: [{ type: 'extended', hex: '0002FDE8********' }] },
    {},
    { attributes: { extendedCommunities: [Uint8Array.of(0, 2, 0xfd, 0xe9, 0, 0, 0, 1)] } },
  ],
  ['MED', { type: 'med', range: { min: 50, max: 50 } }, {}, { attributes: { med: 51 } }],
  ['MED that is not there', { type: 'med', range: { min: 0 } }, {}, { attributes: {} }],
  ['local preference', { type: 'local-pref', range: { min: 200 } }, {}, { attributes: { localPref: 199 } }],
  [
    'local preference, 100 where absent',
    { type: 'local-pref', range: { min: 100, max: 100 } },
    { attributes: {} },
    { attributes: { localPref: 99 } },
  ],
  [
    'local preference, absent as said',
    { type: 'local-pref', range: { min: 7, max: 7 }, absent: 7 },
    { attributes: {} },
    { attributes: { localPref: 100 } },
  ],
  [
    'next hop',
    { type: 'next-hop', set: set('hops', ['192.0.2.0/24', 24, 24]) },
    {},
    { attributes: { nextHop: ip('192.0.3.1') } },
  ],
  ['next hop that is not there', { type: 'next-hop', set: set('hops', ['0.0.0.0/0', 0, 32]) }, {}, { attributes: {} }],
  ['peer', { type: 'peer', names: ['tor'] }, {}, { peer: node2 }],
  ['peer kind', { type: 'peer-kind', kind: 'ebgp' }, {}, { peer: node2 }],
  ['peer AS', { type: 'peer-as', asns: [65000] }, {}, { peer: node2 }],
  ['learned from', { type: 'learned-from', names: ['node2'] }, {}, { learnedFrom: undefined }],
  ['learned from kind', { type: 'learned-from-kind', kind: 'ibgp' }, {}, { learnedFrom: tor }],
  ['learned from kind, local', { type: 'learned-from-kind', kind: 'ibgp' }, {}, { learnedFrom: undefined }],
  ['source', { type: 'source', sources: ['bgp'] }, {}, { source: 'pod-block' }],
  ['interface', { type: 'interface', pattern: 'eth*' }, {}, { interfaceName: 'bond0' }],
  ['interface, exact', { type: 'interface', pattern: 'eth0' }, {}, { interfaceName: 'eth00' }],
  ['interface, * inside', { type: 'interface', pattern: 'e*h*0' }, {}, { interfaceName: 'eth1' }],
  [
    'interface, pieces do not overlap',
    { type: 'interface', pattern: 'ab*ba' },
    { interfaceName: 'abba' },
    { interfaceName: 'aba' },
  ],
  ['interface unknown', { type: 'interface', pattern: '*' }, {}, { interfaceName: undefined }],
  ['not', { type: 'not', match: { type: 'peer', names: ['tor'] } }, { peer: node2 }, {}],
  [
    'any of',
    {
      type: 'any',
      matches: [
        { type: 'peer', names: ['x'] },
        { type: 'source', sources: ['bgp'] },
      ],
    },
    {},
    { source: 'network' },
  ],
];

describe('matches', () => {
  for (const [name, match, holds, fails] of matches) {
    test(name, () => {
      const tested = policy([{ matches: [match] }]);
      expect(evaluate(tested, { ...route, ...holds }).accept).toBe(true);
      expect(evaluate(tested, { ...route, ...fails }).accept).toBe(false);
    });
  }

  test('any of nothing never holds', () => {
    expect(evaluate(policy([{ matches: [{ type: 'any', matches: [] }] }]), route).accept).toBe(false);
  });
});

/** What is tested, the actions, and the attributes after them. */
const actions: readonly [string, readonly PolicyAction[], PathAttributes][] = [
  ['set local preference', [{ type: 'set-local-pref', value: 5 }], { ...attributes, localPref: 5 }],
  ['set MED', [{ type: 'set-med', operation: 'set', value: 5 }], { ...attributes, med: 5 }],
  ['add to MED', [{ type: 'set-med', operation: 'add', value: 5 }], { ...attributes, med: 55 }],
  [
    'add to MED stops at the top',
    [{ type: 'set-med', operation: 'add', value: 0xffffffff }],
    { ...attributes, med: 0xffffffff },
  ],
  ['subtract from MED', [{ type: 'set-med', operation: 'subtract', value: 20 }], { ...attributes, med: 30 }],
  ['subtract from MED stops at 0', [{ type: 'set-med', operation: 'subtract', value: 51 }], { ...attributes, med: 0 }],
  ['set origin', [{ type: 'set-origin', origin: 2 }], { ...attributes, origin: 2 }],
  [
    'prepend: the first listed is first',
    [{ type: 'prepend', asns: [1, 2] }],
    { ...attributes, asPath: path('1 2 65000 65010 4200000000') },
  ],
  [
    'prepend the own AS',
    [{ type: 'prepend-local-as', times: 2 }],
    { ...attributes, asPath: path('64512 64512 65000 65010 4200000000') },
  ],
  [
    'prepend the first AS of the path',
    [{ type: 'prepend-last-as', times: 2 }],
    { ...attributes, asPath: path('65000 65000 65000 65010 4200000000') },
  ],
  ['set next hop', [{ type: 'set-next-hop', address: ip('10.9.9.9') }], { ...attributes, nextHop: ip('10.9.9.9') }],
  [
    'add communities of all kinds',
    [
      {
        type: 'add-communities',
        communities: [
          { type: 'standard', value: std('65000:3') },
          { type: 'large', globalAdmin: 1, local1: 2, local2: 3 },
          { type: 'extended', octets: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
        ],
      },
    ],
    {
      ...attributes,
      communities: [std('65000:1'), std('65000:2'), std('65000:3')],
      largeCommunities: [
        { globalAdmin: 65000, local1: 1, local2: 2 },
        { globalAdmin: 1, local1: 2, local2: 3 },
      ],
      extendedCommunities: [extended, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)],
    },
  ],
  [
    'set communities replaces the kinds listed',
    [{ type: 'set-communities', communities: [{ type: 'standard', value: 9 }] }],
    { ...attributes, communities: [9] },
  ],
  [
    'delete communities',
    [{ type: 'delete-communities', patterns: [standard(65000, 2), large('*', '*', '*')] }],
    (({ largeCommunities: _, ...rest }) => ({ ...rest, communities: [std('65000:1')] }))(attributes),
  ],
  [
    'delete extended communities',
    [{ type: 'delete-communities', patterns: [{ type: 'extended', hex: '****************' }] }],
    (({ extendedCommunities: _, ...rest }) => rest)(attributes),
  ],
  [
    'set link bandwidth takes the place of any other, of both forms',
    [
      { type: 'set-link-bandwidth', octetsPerSecond: 1, isTransitive: true },
      { type: 'set-link-bandwidth', octetsPerSecond: 1.25e9, isTransitive: false },
    ],
    // 1.25e9 as 32-bit floating point (IEEE 754), after the AS number 64512.
    { ...attributes, extendedCommunities: [extended, Uint8Array.of(0x40, 4, 0xfc, 0, 0x4e, 0x95, 0x02, 0xf9)] },
  ],
  ['remove MED', [{ type: 'remove-med' }], (({ med: _, ...rest }) => rest)(attributes)],
  [
    'in order',
    [
      { type: 'prepend', asns: [1] },
      { type: 'prepend', asns: [2] },
    ],
    { ...attributes, asPath: path('2 1 65000 65010 4200000000') },
  ],
];

describe('actions', () => {
  for (const [name, list, expected] of actions) {
    test(name, () => {
      const before = structuredClone(attributes);
      const verdict = evaluate(policy([{ actions: list }]), route);
      expect(verdict.attributes).toStrictEqual(expected);
      expect(attributes).toStrictEqual(before);
    });
  }

  test('clearing all communities', () => {
    const verdict = evaluate(policy([{ actions: [{ type: 'set-communities', communities: [] }] }]), route);
    expect(verdict.attributes.communities).toBeUndefined();
    expect(verdict.attributes.largeCommunities).toBeUndefined();
    expect(verdict.attributes.extendedCommunities).toBeUndefined();
    expect(verdict.attributes).not.toHaveProperty('communities');
  });

  const noChange: readonly [string, PolicyAction][] = [
    ['local preference that it has', { type: 'set-local-pref', value: 200 }],
    ['MED that it has', { type: 'set-med', operation: 'set', value: 50 }],
    ['adding 0 to MED', { type: 'set-med', operation: 'add', value: 0 }],
    ['origin that it has', { type: 'set-origin', origin: 0 }],
    ['prepending nothing', { type: 'prepend', asns: [] }],
    ['prepending the own AS 0 times', { type: 'prepend-local-as', times: 0 }],
    ['prepending the first AS 0 times', { type: 'prepend-last-as', times: 0 }],
    [
      'a community that it has',
      { type: 'add-communities', communities: [{ type: 'standard', value: std('65000:1') }] },
    ],
    [
      'a large community that it has',
      { type: 'add-communities', communities: [{ type: 'large', globalAdmin: 65000, local1: 1, local2: 2 }] },
    ],
    [
      'an extended community that it has',
      { type: 'add-communities', communities: [{ type: 'extended', octets: extended.slice() }] },
    ],
    [
      'setting the communities that it has',
      {
        type: 'set-communities',
        communities: attributes.communities?.map((value) => ({ type: 'standard', value })) ?? [],
      },
    ],
    ['deleting a community that it has not', { type: 'delete-communities', patterns: [standard(1, '*')] }],
    ['weight', { type: 'set-weight', value: 9 }],
    ['next hop self', { type: 'next-hop', mode: 'self' }],
  ];
  for (const [name, action] of noChange) {
    test(`same object: ${name}`, () => {
      expect(evaluate(policy([{ actions: [action] }]), route).attributes).toBe(attributes);
    });
  }

  test('same object: the link bandwidth that it has', () => {
    const action: PolicyAction = { type: 'set-link-bandwidth', octetsPerSecond: 5, isTransitive: false };
    const has = evaluate(policy([{ actions: [action] }]), route).attributes;
    expect(has).not.toBe(attributes);
    expect(evaluate(policy([{ actions: [action] }]), { ...route, attributes: has }).attributes).toBe(has);
  });

  test('a link bandwidth of an AS number above 65535 has AS_TRANS', () => {
    const actions: PolicyAction[] = [{ type: 'set-link-bandwidth', octetsPerSecond: 0, isTransitive: true }];
    const wide = { ...route, attributes: {}, peer: { ...tor, localAs: 4200000000 } };
    const { extendedCommunities = [] } = evaluate(policy([{ actions }]), wide).attributes;
    expect(extendedCommunities).toEqual([Uint8Array.of(0, 4, 0x5b, 0xa0, 0, 0, 0, 0)]);
  });

  test('removing a MED that is not there keeps the object', () => {
    const bare: PathAttributes = { origin: 0 };
    const tested = policy([{ actions: [{ type: 'remove-med' }] }]);
    expect(evaluate(tested, { ...route, attributes: bare }).attributes).toBe(bare);
  });

  test('weight and next hop are in the verdict', () => {
    const actions: PolicyAction[] = [
      { type: 'set-weight', value: 9 },
      { type: 'next-hop', mode: 'unchanged' },
    ];
    expect(evaluate(policy([{ actions }]), route)).toEqual({
      accept: true,
      attributes,
      term: 'term 0',
      weight: 9,
      nextHop: 'unchanged',
    });
    const explicit: PolicyAction = { type: 'set-next-hop', address: ip('10.9.9.9') };
    expect(evaluate(policy([{ actions: [explicit] }]), route).nextHop).toBe('explicit');
  });

  test('a link-local next hop does not outlive the address it belonged to', () => {
    const v6 = { nextHop: ip('2001:db8::1'), linkLocalNextHop: ip('fe80::1') };
    const actions: PolicyAction[] = [{ type: 'set-next-hop', address: ip('2001:db8::2') }];
    const verdict = evaluate(policy([{ actions }]), { ...route, attributes: v6 });
    expect(verdict.attributes).toStrictEqual({ nextHop: ip('2001:db8::2') });
  });
});

describe('terms', () => {
  const never: PolicyMatch = { type: 'any', matches: [] };

  test('the first term that matches decides, and is named', () => {
    const tested = policy([{ matches: [never] }, { name: 'second', verdict: 'reject' }, { name: 'third' }]);
    expect(evaluate(tested, route)).toEqual({ accept: false, attributes, term: 'second' });
  });

  test('all matches of a term must hold', () => {
    const tested = policy([{ matches: [{ type: 'source', sources: ['bgp'] }, never] }]);
    expect(evaluate(tested, route).term).toBe('the default');
  });

  test('next keeps its changes and goes on; later terms see them', () => {
    const tested = policy([
      { verdict: 'next', actions: [{ type: 'set-local-pref', value: 7 }] },
      { name: 'sees it', matches: [{ type: 'local-pref', range: { min: 7, max: 7 } }] },
    ]);
    expect(evaluate(tested, route)).toEqual({
      accept: true,
      attributes: { ...attributes, localPref: 7 },
      term: 'sees it',
    });
  });

  test('an accepting default keeps the changes of next', () => {
    const tested = policy([{ verdict: 'next', actions: [{ type: 'set-local-pref', value: 7 }] }], 'accept');
    expect(evaluate(tested, route).attributes.localPref).toBe(7);
  });

  test('a rejected path comes back as it was', () => {
    const tested = policy([
      { verdict: 'next', actions: [{ type: 'set-local-pref', value: 7 }] },
      { verdict: 'reject', actions: [{ type: 'set-local-pref', value: 8 }] },
    ]);
    expect(evaluate(tested, route).attributes).toBe(attributes);
  });

  test('accept all and reject all', () => {
    expect(evaluate(acceptAll, route)).toEqual({ accept: true, attributes, term: 'accept all' });
    expect(evaluate(rejectAll, route).accept).toBe(false);
    expect(evaluate(rejectAll, route).term).toContain('RFC 8212');
  });
});

describe('policyNeedsPrefix', () => {
  const byPrefix: PolicyMatch = { type: 'prefix', set: set('x', ['10.0.0.0/8', 8, 32]) };
  const rows: readonly [string, readonly PolicyMatch[], boolean][] = [
    ['no match', [], false],
    [
      'attributes only',
      [
        { type: 'med', range: {} },
        { type: 'source', sources: ['bgp'] },
      ],
      false,
    ],
    [
      'next hop sets are no prefixes',
      [{ type: 'next-hop', set: byPrefix.type === 'prefix' ? byPrefix.set : set('') }],
      false,
    ],
    ['prefix', [byPrefix], true],
    ['prefix length', [{ type: 'prefix-length', min: 0, max: 32 }], true],
    ['inside not', [{ type: 'not', match: byPrefix }], true],
    ['inside any', [{ type: 'any', matches: [{ type: 'med', range: {} }, byPrefix] }], true],
  ];
  test.each(rows)('%s', (_, list, expected) => {
    expect(policyNeedsPrefix(policy([{}, { matches: list }]))).toBe(expected);
  });
});

test('a prefix set is prepared once for all policies of a configuration', () => {
  const lists = new Map();
  const shared = set('shared', ['10.0.0.0/8', 8, 32]);
  const spec = (name: string) => ({
    name,
    terms: [
      { name: 't', matches: [{ type: 'prefix', set: shared } as const], actions: [], verdict: 'accept' as const },
    ],
    default: 'reject' as const,
    defaultName: 'd',
  });
  preparePolicy(spec('a'), lists);
  preparePolicy(spec('b'), lists);
  expect(lists.size).toBe(1);
});
