import { describe } from 'vitest';
import { calico, podroute } from '../support.ts';
import { check } from './check.ts';

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
