import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compile } from '../../../config/compile.ts';
import { sameValue } from '../../../config/equal.ts';
import { parseState, printResources, printState } from '../../../config/print.ts';
import { toResourceSet } from '../../../config/resource-set.ts';
import { SecretText } from '../../../config/secret.ts';
import { calico, compileText, documents, podroute, read } from './support.ts';

const text = fc.constantFrom('a', 'yes', '1', 'x: y', '# no comment', 'ü', '', 'null', '- x', 'é"\'');
const seconds = fc.oneof(fc.integer({ min: 3, max: 100 }), fc.constantFrom('9s', '1m30s'));
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

/** Specs of peers as a user may write them. */
const peerSpec = fc.record({
  peerIP: fc.constantFrom('192.0.2.1', '192.0.2.2:1790', '2001:db8::9', '[2001:db8::9]:1790', 'fe80::1%eth0'),
  asNumber: fc.constantFrom<unknown>(65000, '65000', '1.10', 64512),
  description: maybe(text),
  passive: maybe(fc.boolean()),
  holdTime: maybe(seconds),
  families: maybe(fc.constantFrom(['ipv4'], ['ipv6'], ['ipv4', 'ipv6'])),
  maxPrefixes: maybe(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.record({ count: fc.integer({ min: 1, max: 9 }) }))),
  addPath: maybe(
    fc.constantFrom<unknown>({ send: 'best 2' }, { ipv4: { send: 'all' }, receive: true }, { send: false }),
  ),
  policy: maybe(fc.constantFrom({ import: 'accept' }, { import: { filters: ['f'] }, export: 'own' })),
  filters: maybe(fc.constantFrom([], ['f'])),
  passwordFile: maybe(fc.constantFrom('k')),
});
const ruleSpec = fc.record({
  action: fc.constantFrom('Accept', 'Next'),
  prefixes: maybe(fc.constantFrom(['10.0.0.0/8'], [{ cidr: '10.0.0.0/8', min: 9 }])),
  communities: maybe(fc.constantFrom({ any: ['65000:*', '1:2:3-4'] }, { values: ['no-export'] })),
  med: maybe(fc.constantFrom<unknown>(5, { max: 5 })),
  operations: maybe(fc.constantFrom([{ setNextHop: '10.0.0.9' }, { setCommunities: ['1:2:3'] }], [{ addMED: -5 }])),
});
const nodeSpec = fc.record({
  ipv4Address: fc.constant('10.0.0.1/24'),
  ipv6Address: maybe(fc.constant('2001:db8::1')),
  podCIDRs: maybe(fc.constantFrom([], ['10.244.0.0/26'], ['2001:db8:1::/64', '10.244.1.0/24'])),
  networks: maybe(fc.constantFrom(['10.9.0.0/24'], [{ cidr: '10.9.0.0/24', discard: true }])),
});

const resources = fc
  .record({ node: nodeSpec, peer: peerSpec, rules: fc.array(ruleSpec, { maxLength: 3 }) })
  .map(({ node, peer, rules }) =>
    [
      { kind: 'Node', name: 'a', spec: node },
      { kind: 'BGPPeer', name: 'tor', spec: peer },
      { kind: 'BGPFilter', name: 'f', spec: { importV4: rules } },
    ].map(({ kind, name, spec }) => JSON.stringify({ apiVersion: 'podroute.io/v1', kind, metadata: { name }, spec })),
  );

const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

describe('round trips', () => {
  test('resources print as text that loads to the same resources', () => {
    fc.assert(
      fc.property(resources, (written) => {
        const first = read(`${written.join('\n---\n')}\n`);
        expect(first.errors).toEqual([]);
        const second = read(printResources(first.resources, { secrets: 'reveal' }));
        expect(second.errors).toEqual([]);
        const comparable = (resource: (typeof first.resources)[number]) => {
          const { origin: _, ...rest } = resource;
          return plain(rest);
        };
        expect(second.resources.map(comparable)).toEqual(first.resources.map(comparable));
      }),
      { numRuns: 200 },
    );
  });

  test('a desired state prints as text that parses to the same state', () => {
    fc.assert(
      fc.property(resources, (written) => {
        const secrets = new Map([['file k', { type: 'key', key: new SecretText('hunter2: #') } as const]]);
        const result = compile(toResourceSet(read(written.join('\n---\n')).resources, secrets), 'a');
        if (!result.ok) throw new Error(result.error.map(({ message }) => message).join());
        const { state } = result.value;
        const printed = printState(state, { secrets: 'reveal' });
        const again = parseState(printed);
        expect(sameValue(again, state)).toBe(true);
        expect(printState(again, { secrets: 'reveal' })).toBe(printed);
        expect(printState(state, { secrets: 'hide' })).not.toContain(Buffer.from('hunter2: #').toString('base64'));
      }),
      { numRuns: 100 },
    );
  });
});

test('a desired state for people', () => {
  const { state } = compileText(
    documents(
      podroute('Node', 'a', 'ipv4Address: 10.0.0.1\npodCIDRs: [10.244.0.0/26]'),
      podroute('BGPPeer', 'tor', 'peerIP: 192.0.2.1\nasNumber: 65000'),
    ),
    'a',
  );
  const printed = printState(state, { secrets: 'hide' });
  expect(printed).toContain('routerId: !ip 10.0.0.1\n');
  expect(printed).toContain('  - prefix: !prefix 10.244.0.0/26\n    advertise: true\n');
  expect(printed).toContain('    holdSeconds: 90\n');
});

test('what a tag does not allow is refused', () => {
  expect(() => parseState('node: !ip 10.0.0\n')).toThrow();
  expect(() => parseState('node: !prefix 10.0.0.1/8\n')).toThrow();
  expect(() => parseState('node: !octets zz\n')).toThrow();
  expect(() => parseState('node: [')).toThrow();
});

test('secrets of resources are hidden on request', () => {
  const written =
    'apiVersion: v1\nkind: Secret\nmetadata: { name: s }\nstringData: { k: hunter2 }\ndata: { j: aHVudGVyMg== }\n';
  const { resources } = read(documents(written, calico('IPPool', 'p', 'cidr: 10.0.0.0/16')));
  const hidden = printResources(resources, { secrets: 'hide' });
  expect(hidden).not.toMatch(/hunter2|aHVudGVyMg/);
  expect(hidden).toContain('[secret]');
  expect(printResources(resources, { secrets: 'reveal' })).toContain('hunter2');
});

describe('sameValue', () => {
  const rows: readonly [string, unknown, unknown, boolean][] = [
    ['missing and undefined', { a: 1 }, { a: 1, b: undefined }, true],
    ['another key', { a: 1 }, { b: 1 }, false],
    ['octets', Uint8Array.of(1, 2), Uint8Array.of(1, 2), true],
    ['other octets', Uint8Array.of(1, 2), Uint8Array.of(1, 3), false],
    ['octets and a list', Uint8Array.of(1), [1], false],
    ['lists', [1, [2]], [1, [2]], true],
    ['a longer list', [1], [1, undefined], false],
    ['a list and a mapping', [], {}, false],
    ['secrets', new SecretText('a'), new SecretText('a'), true],
    ['other secrets', new SecretText('a'), new SecretText('b'), false],
    ['a secret and a mapping', new SecretText('a'), {}, false],
    ['null', null, {}, false],
  ];
  test.each(rows)('%s', (_, a, b, expected) => {
    expect(sameValue(a, b)).toBe(expected);
    expect(sameValue(b, a)).toBe(expected);
  });
});
