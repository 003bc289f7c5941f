import { type FamilyName, ip, type PathAttributes, type Prefix, prefix } from 'bgp-ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AttributeReader } from '../../../rib/attribute-reader.ts';
import { AttributeScanner } from '../../../rib/attribute-scan.ts';
import { AttributeSets } from '../../../rib/attribute-sets.ts';
import { NextHops } from '../../../rib/next-hop.ts';
import { evaluate, type Policy, preparePolicy } from '../../../rib/policy/evaluate.ts';
import { holds, prepareMatch } from '../../../rib/policy/match.ts';
import type { CommunityPattern, PolicyPeer, PolicyRoute, PolicySpec, RouteSource } from '../../../rib/policy/policy.ts';
import { type AttributeMatch, compileAttributeMatch, holdsForSet } from '../../../rib/policy/set-match.ts';
import { PrefixTable } from '../../../rib/prefix-table.ts';
import { SetClasses } from '../../../rib/set-classes.ts';
import { SetValues } from '../../../rib/set-values.ts';
import { Outcome, Verdicts } from '../../../rib/verdicts.ts';
import { attributeValues, peers, plainMatches, policySpecs, prefixValues } from '../../support/policy-arbitraries.ts';

/** Tables with nothing in them. */
function tables() {
  const nextHops = new NextHops({ resolve: () => ({ reachable: true }) }, []);
  const sets = new AttributeSets(nextHops);
  const scanner = new AttributeScanner({ localAs: 64_512, routerId: 1, clusterId: 1 });
  return { nextHops, sets, values: new SetValues(sets, nextHops, scanner) };
}

const session = { family: 'ipv4-unicast' as const, peer: peers[0] as PolicyPeer };

interface Asked {
  readonly set: number;
  readonly prefix: Prefix;
  readonly source: RouteSource;
  readonly learnedFrom: PolicyPeer | undefined;
}

/** Asks the compiled policy and the plain one, which must agree. Returns what the compiled one came to. */
function compare(policy: Policy, verdicts: Verdicts, values: SetValues, family: FamilyName, asked: Asked): number {
  const key = verdicts.needsSource ? verdicts.sourceKey(asked.source, asked.learnedFrom) : 0;
  verdicts.open(asked.set, key);
  const prefixes = new PrefixTable(family);
  const outcome = verdicts.outcomeOf(prefixes, prefixes.insert(asked.prefix));
  const attributes = values.decode(asked.set);
  const { prefix: value, source, learnedFrom } = asked;
  const route: PolicyRoute = { family, prefix: value, attributes, source, peer: session.peer, learnedFrom };
  const { term, ...wanted } = evaluate(policy, route);
  if (outcome === Outcome.Refused) expect(wanted.accept).toBe(false);
  else if (outcome === Outcome.Unchanged) expect(wanted).toStrictEqual({ accept: true, attributes });
  else expect({ ...verdicts.effect(outcome, route), term }).toStrictEqual({ ...wanted, term });
  if (wanted.attributes !== attributes) expect(verdicts.keepsAttributes(outcome)).toBe(false);
  return outcome;
}

test('a match over octets agrees with the same match over values', () => {
  const lists = new Map();
  const attributeMatches = plainMatches
    .map((match) => prepareMatch(match, lists))
    .filter(
      (match): match is AttributeMatch =>
        !/^(family|prefix.*|peer.*|learned.*|source|interface|not|any)$/.test(match.type),
    );
  fc.assert(
    fc.property(
      fc.array(attributeMatches, { minLength: 5, maxLength: 5 }),
      fc.constantFrom(4 as const, 6 as const).chain((v) => fc.tuple(fc.constant(v), attributeValues(v))),
      (matches, [version, given]) => {
        const { sets, nextHops, values } = tables();
        const family = version === 4 ? 'ipv4-unicast' : 'ipv6-unicast';
        const set = values.intern(given, family, 0, '');
        const attributes = values.decode(set);
        const reader = new AttributeReader();
        const start = sets.offsetOf(set);
        const nextHop = nextHops.get(sets.nextHopOf(set))?.address;
        reader.open(sets.view, start, start + sets.lengthOf(set), nextHop);
        const route: PolicyRoute = { ...session, family, attributes, source: 'bgp' };
        for (const match of matches) {
          const isHeld = holdsForSet(compileAttributeMatch(match), reader);
          expect({ match, isHeld }).toEqual({ match, isHeld: holds(match, route, attributes) });
        }
      },
    ),
    { numRuns: 2000 },
  );
});

const sources = fc.constantFrom<readonly [RouteSource, PolicyPeer | undefined]>(
  ['bgp', peers[1]],
  ['bgp', peers[2]],
  ['bgp', peers[0]],
  ['network', undefined],
  ['pod-block', undefined],
);

test('compiled policies agree with the plain evaluator: random policies, attributes, prefixes and sources', () => {
  fc.assert(
    fc.property(
      policySpecs,
      fc
        .constantFrom(4 as const, 6 as const)
        .chain((v) =>
          fc.tuple(
            fc.constant(v),
            fc.array(attributeValues(v), { minLength: 1, maxLength: 6 }),
            fc.array(prefixValues(v), { minLength: 1, maxLength: 6 }),
            fc.array(sources, { minLength: 1, maxLength: 3 }),
          ),
        ),
      (spec, [version, given, prefixes, from]) => {
        const { sets, values } = tables();
        const family = version === 4 ? 'ipv4-unicast' : 'ipv6-unicast';
        const policy = preparePolicy(spec);
        const verdicts = new Verdicts(policy, { family, peer: session.peer }, values);
        const ids = given.map((attributes) => values.intern(attributes, family, 0, ''));
        // Twice: what is remembered must be right as well.
        for (let round = 0; round < 2; round++) {
          for (const set of ids) {
            for (const value of prefixes) {
              for (const [source, learnedFrom] of from) {
                compare(policy, verdicts, values, family, { set, prefix: value, source, learnedFrom });
              }
            }
          }
        }
        // Ids that come back as other sets are looked at anew.
        for (const set of new Set(ids)) sets.discard(set);
        for (const attributes of given.toReversed()) {
          const set = values.intern({ ...attributes, med: 5 }, family, 0, '');
          for (const value of prefixes) {
            compare(policy, verdicts, values, family, { set, prefix: value, source: 'bgp', learnedFrom: peers[1] });
          }
        }
      },
    ),
    { numRuns: 1500 },
  );
});

const community = (lower: number): CommunityPattern => ({ type: 'standard', parts: [65_000, lower] });
const carrying = (...lower: number[]): PathAttributes => ({
  origin: 0,
  asPath: [{ type: 'sequence', asns: [7] }],
  nextHop: ip('192.0.2.1'),
  communities: lower.map((n) => 65_000 * 65_536 + n),
});
const base = { default: 'accept', defaultName: 'rest', name: 'test' } as const;
const asked = { prefix: prefix('10.0.0.0/8'), source: 'bgp', learnedFrom: undefined } as const;

describe('limits', () => {
  test('40 community matches, and more outcomes than get a number', () => {
    const spec: PolicySpec = {
      ...base,
      terms: Array.from({ length: 40 }, (_, n) => ({
        name: `term ${n}`,
        matches: [{ type: 'community', require: 'any', patterns: [community(n)] }],
        actions: [{ type: 'set-local-pref', value: n }],
        verdict: 'next',
      })),
    };
    const { values } = tables();
    const policy = preparePolicy(spec);
    const verdicts = new Verdicts(policy, session, values);
    const outcomes = new Set<number>();
    for (let i = 0; i < 40; i++) {
      for (let j = 0; j < 4; j++) {
        const set = values.intern(carrying(i, (i * 7 + j) % 40), session.family, 0, '');
        outcomes.add(compare(policy, verdicts, values, session.family, { ...asked, set }));
      }
    }
    expect(outcomes).toContain(Outcome.Unnumbered);
    expect(outcomes.size).toBeGreaterThan(50);
  });

  test('classes of sets begin anew when there are too many', () => {
    const { sets, nextHops, values } = tables();
    const patterns = Array.from({ length: 8 }, (_, n) => community(n));
    const matches = patterns.map((pattern) =>
      compileAttributeMatch({ type: 'community', require: 'any', patterns: [pattern] }),
    );
    const classes = new SetClasses(sets, nextHops, matches, 3);
    for (let i = 0; i < 300; i++) {
      const wanted = patterns.map((_, n) => n === i % 8 || n === i % 5);
      const set = values.intern(carrying(i % 8, i % 5, 100 + i), session.family, 0, '');
      const number = classes.classOf(set);
      expect(number).toBeLessThan(3);
      expect(patterns.map((_, n) => classes.holds(number, n))).toEqual(wanted);
    }
    expect(classes.epoch).toBeGreaterThan(10);
  });
});

test('sessions with one policy share what is known about sets, until the last one is gone', () => {
  const { sets, values } = tables();
  const terms: PolicySpec['terms'] = [
    {
      name: 'tagged',
      matches: [{ type: 'community', require: 'any', patterns: [community(1)] }],
      actions: [],
      verdict: 'reject',
    },
  ];
  const policy = preparePolicy({ ...base, terms });
  const first = new Verdicts(policy, session, values);
  const second = new Verdicts(policy, { ...session, family: 'ipv6-unicast' }, values);
  const classes = values.classesFor(policy.program);
  values.releaseClasses(policy.program);
  first.close();
  const set = values.intern(carrying(1), session.family, 0, '');
  const prefixes = new PrefixTable(session.family);
  second.open(set, 0);
  expect(second.outcomeOf(prefixes, 0)).toBe(Outcome.Refused);
  sets.discard(set);
  const other = values.intern(carrying(2), session.family, 0, '');
  expect(other).toBe(set);
  second.open(other, 0);
  expect(second.outcomeOf(prefixes, 0)).toBe(Outcome.Unchanged);
  second.close();
  expect(values.classesFor(policy.program)).not.toBe(classes);
});
