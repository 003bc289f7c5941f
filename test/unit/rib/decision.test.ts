import { formatPrefix, ip, type PathAttributes, prefix } from 'bgp-ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Candidate, compareCosts, comparePaths, emptyCandidate, Rule, ruleName } from '../../../rib/decision.ts';
import { acceptAll } from '../../../rib/policy/evaluate.ts';
import type { RibOptions, RibPeerSettings } from '../../../rib/types.ts';
import { RibLab } from '../../support/rib-lab.ts';

/** Per rule what makes `better` win over `worse`, in the order the rules are applied. */
const rules: readonly { rule: keyof typeof Rule; better: Partial<Candidate>; worse: Partial<Candidate> }[] = [
  { rule: 'LocalOrigin', better: { isLocal: true }, worse: { isLocal: false } },
  { rule: 'Weight', better: { weight: 10 }, worse: { weight: 9 } },
  { rule: 'LocalPref', better: { localPref: 0xffff_ffff }, worse: { localPref: 0x7fff_ffff } },
  { rule: 'AsPathLength', better: { asPathLength: 1 }, worse: { asPathLength: 2 } },
  { rule: 'Origin', better: { origin: 0 }, worse: { origin: 1 } },
  { rule: 'Med', better: { med: 0 }, worse: { med: 0xffff_ffff } },
  { rule: 'EbgpOverIbgp', better: { isEbgp: true }, worse: { isEbgp: false } },
  { rule: 'IgpMetric', better: { igpMetric: 5 }, worse: { igpMetric: 6 } },
  { rule: 'RouterId', better: { routerId: 0x0a000001 }, worse: { routerId: 0xc0000001 } },
  { rule: 'ClusterListLength', better: { clusterListLength: 0 }, worse: { clusterListLength: 1 } },
  { rule: 'PeerAddress', better: { peerRank: 3 }, worse: { peerRank: 4 } },
  { rule: 'PathId', better: { pathId: 1 }, worse: { pathId: 0x8000_0001 } },
];

const candidate = (...parts: Partial<Candidate>[]): Candidate => Object.assign(emptyCandidate(), ...parts);

describe('comparePaths', () => {
  for (const [i, { rule, better, worse }] of rules.entries()) {
    test(`${rule} decides, in both directions`, () => {
      expect(comparePaths(candidate(better), candidate(worse), {})).toBe(Rule[rule]);
      expect(comparePaths(candidate(worse), candidate(better), {})).toBe(-Rule[rule]);
      expect(ruleName(Rule[rule])).not.toBe('none');
    });

    test(`${rule} comes before all that follow`, () => {
      const later = rules.slice(i + 1);
      // Best by this rule, worst by all later ones.
      const a = candidate(...later.map((other) => other.worse), better);
      const b = candidate(...later.map((other) => other.better), worse);
      expect(comparePaths(a, b, {})).toBe(Rule[rule]);
      expect(comparePaths(b, a, {})).toBe(-Rule[rule]);
    });
  }

  test('MED says nothing between two neighbouring ASes, unless told to', () => {
    const a = candidate({ neighbourAs: 1, med: 10, routerId: 1 });
    const b = candidate({ neighbourAs: 2, med: 0, routerId: 2 });
    expect(comparePaths(a, b, {})).toBe(Rule.RouterId);
    expect(comparePaths(a, b, { alwaysCompareMed: true })).toBe(-Rule.Med);
  });

  test('the current path of two eBGP paths stays (RFC 5004), but not against a rule, nor of one router', () => {
    const options = { preferCurrent: true };
    const current = candidate({ isEbgp: true, isCurrent: true, routerId: 9 });
    expect(comparePaths(current, candidate({ isEbgp: true, routerId: 1 }), options)).toBe(Rule.Current);
    expect(comparePaths(candidate({ isEbgp: true, routerId: 1 }), current, options)).toBe(-Rule.Current);
    expect(comparePaths(current, candidate({ isEbgp: true, routerId: 1 }), {})).toBe(-Rule.RouterId);
    expect(comparePaths(current, candidate({ isEbgp: true, routerId: 1, localPref: 1 }), options)).toBe(
      -Rule.LocalPref,
    );
    expect(comparePaths(current, candidate({ isEbgp: true, routerId: 9, peerRank: -1 }), options)).toBe(
      -Rule.PeerAddress,
    );
    const internal = candidate({ isCurrent: true, routerId: 9 });
    expect(comparePaths(internal, candidate({ routerId: 1 }), options)).toBe(-Rule.RouterId);
  });

  test('costs end before the tie-breakers', () => {
    expect(compareCosts(candidate({ routerId: 1 }), candidate({ routerId: 2, peerRank: 7 }), {})).toBe(0);
    expect(compareCosts(candidate({ igpMetric: 1 }), candidate({ igpMetric: 2 }), {})).toBe(Rule.IgpMetric);
  });

  test('is 0 only for equals', () => {
    expect(comparePaths(candidate({}), candidate({}), {})).toBe(0);
  });
});

interface Path {
  readonly name: string;
  readonly as: number;
  readonly path?: readonly number[];
  readonly med?: number;
  readonly ibgp?: boolean;
  readonly attributes?: PathAttributes;
  readonly nextHop?: string;
}

const target = prefix('10.1.0.0/16');

function settings(path: Path, index: number): RibPeerSettings {
  return {
    name: path.name,
    address: ip(`10.0.1.${index + 1}`),
    kind: path.ibgp === true ? 'ibgp' : 'ebgp',
    remoteAs: path.ibgp === true ? 64999 : path.as,
    localAs: 64999,
    importPolicy: acceptAll,
    exportPolicy: acceptAll,
  };
}

function attributes(path: Path, index: number): PathAttributes {
  return {
    origin: 0,
    asPath: [{ type: 'sequence', asns: [path.as, ...(path.path ?? [])] }],
    nextHop: ip(path.nextHop ?? `10.0.1.${index + 1}`),
    ...(path.med === undefined ? {} : { med: path.med }),
    ...(path.ibgp === true ? { localPref: 100 } : {}),
    ...path.attributes,
  };
}

/** Who is best, and who is used beside it, after the paths arrived in this order. */
function outcome(
  paths: readonly Path[],
  order: readonly number[],
  options: Partial<RibOptions> = {},
  eachSettles = true,
) {
  const lab = new RibLab(options);
  const peers = paths.map((path, i) => lab.peer(settings(path, i)));
  for (const peer of peers) peer.up();
  for (const i of order) {
    const path = paths[i];
    if (path === undefined) throw new RangeError(`path ${i}`);
    expect(peers[i]?.announce([target], attributes(path, i))).toBeUndefined();
    if (eachSettles) lab.settle();
  }
  lab.settle();
  const views = [...lab.rib.routes({})];
  return {
    best: views.find((view) => view.best)?.peer?.name,
    used: views
      .filter((view) => view.best || view.multipath)
      .map((view) => view.peer?.name)
      .sort(),
    rules: Object.fromEntries(views.map((view) => [view.peer?.name, view.rule ?? ''])),
  };
}

function permutations(n: number): number[][] {
  if (n === 0) return [[]];
  return permutations(n - 1).flatMap((rest) =>
    Array.from({ length: n }, (_, at) => [...rest.slice(0, at), n - 1, ...rest.slice(at)]),
  );
}

describe('the choice does not depend on the order of arrival', () => {
  const cases: readonly { name: string; paths: readonly Path[]; best: string; options?: Partial<RibOptions> }[] = [
    {
      // Pairwise: a loses to b by router id, b to c by router id, c to a by MED.
      name: 'MED makes a circle',
      paths: [
        { name: 'a', as: 1, med: 0, attributes: { originatorId: ip('3.0.0.0') }, ibgp: true },
        { name: 'b', as: 2, attributes: { originatorId: ip('2.0.0.0') }, ibgp: true },
        { name: 'c', as: 1, med: 10, attributes: { originatorId: ip('1.0.0.0') }, ibgp: true },
      ],
      best: 'b',
    },
    {
      name: 'MED within an AS, metric between ASes',
      paths: [
        { name: 'a', as: 1, med: 10, nextHop: '10.9.0.1' },
        { name: 'b', as: 1, med: 5, nextHop: '10.9.0.30' },
        { name: 'c', as: 2, med: 100, nextHop: '10.9.0.20' },
        { name: 'd', as: 2, med: 200, nextHop: '10.9.0.2' },
      ],
      best: 'c',
    },
    {
      name: 'eBGP, iBGP and shorter paths',
      paths: [
        { name: 'long', as: 1, path: [5, 6] },
        { name: 'inside', as: 1, path: [5], ibgp: true },
        { name: 'outside', as: 3, path: [5] },
        { name: 'inside2', as: 1, path: [5], ibgp: true, med: 1 },
      ],
      best: 'outside',
    },
    {
      name: 'equal but for the peer address',
      paths: ['a', 'b', 'c', 'd'].map((name) => ({
        name,
        as: 1,
        attributes: { originatorId: ip('9.9.9.9') },
        ibgp: true,
      })),
      best: 'a',
    },
  ];
  for (const { name, paths, best, options } of cases) {
    test(name, () => {
      const metrics: Partial<RibOptions> = {
        nextHops: { resolve: (hop) => ({ reachable: true, metric: hop.octets[1] === 9 ? (hop.octets[3] ?? 0) : 0 }) },
        ...options,
      };
      for (const order of permutations(paths.length)) {
        for (const eachSettles of [true, false]) {
          expect({ order, best: outcome(paths, order, metrics, eachSettles).best }).toEqual({ order, best });
        }
      }
    });
  }

  test('for any set of paths (property)', () => {
    const path = fc.record({
      as: fc.constantFrom(1, 2, 3),
      med: fc.constantFrom(0, 1, 2),
      ibgp: fc.boolean(),
      path: fc.constantFrom([], [7]),
    });
    fc.assert(
      fc.property(fc.array(path, { minLength: 3, maxLength: 6 }), fc.infiniteStream(fc.nat()), (list, chance) => {
        const paths = list.map((item, i) => ({ ...item, name: `p${i}` }));
        const order = paths.map((_, i) => i).sort(() => (chance.next().value % 2 === 0 ? 1 : -1));
        const forward = outcome(
          paths,
          paths.map((_, i) => i),
        );
        expect(outcome(paths, order).best).toBe(forward.best);
        expect(outcome(paths, [...order].reverse(), {}, false).best).toBe(forward.best);
      }),
      { numRuns: 150 },
    );
  });
});

describe('the choice is explained', () => {
  test('every path names the rule that ranked it, those fallen to MED too', () => {
    const paths: readonly Path[] = [
      { name: 'a', as: 1, med: 0, attributes: { originatorId: ip('3.0.0.0') }, ibgp: true },
      { name: 'b', as: 2, attributes: { originatorId: ip('2.0.0.0') }, ibgp: true },
      { name: 'c', as: 1, med: 10, attributes: { originatorId: ip('1.0.0.0') }, ibgp: true },
      { name: 'd', as: 4, path: [5], ibgp: true },
    ];
    expect(outcome(paths, [0, 1, 2, 3]).rules).toEqual({
      a: 'router id',
      b: 'router id',
      c: 'MED',
      d: 'AS_PATH length',
    });
  });
});

describe('multipath', () => {
  const same = (name: string, as: number, more: Partial<Path> = {}): Path => ({ name, as, path: [9], ...more });
  const multipath = (maxPaths: number, relaxAsPath: boolean): Partial<RibOptions> => ({
    multipath: { maxPaths, relaxAsPath },
  });

  test('within one neighbouring AS, and across ASes when relaxed', () => {
    const paths = [same('a', 1), same('b', 1), same('c', 2)];
    for (const order of permutations(3)) {
      expect(outcome(paths, order, multipath(1, true)).used).toEqual(['a']);
      expect(outcome(paths, order, multipath(4, false)).used).toEqual(['a', 'b']);
      expect(outcome(paths, order, multipath(4, true)).used).toEqual(['a', 'b', 'c']);
      expect(outcome(paths, order, multipath(2, true)).used).toEqual(['a', 'b']);
    }
  });

  test('not with a longer path, another origin, iBGP beside eBGP, a higher metric or one next hop twice', () => {
    const paths = [
      same('a', 1),
      same('longer', 1, { path: [9, 9] }),
      same('origin', 1, { attributes: { origin: 1 } }),
      same('inside', 1, { ibgp: true }),
      same('far', 1, { nextHop: '10.9.0.5' }),
      same('twice', 1, { nextHop: '10.0.1.1' }),
      same('b', 1),
    ];
    const nextHops = {
      resolve: (hop: { octets: Uint8Array }) => ({ reachable: true, metric: hop.octets[1] === 9 ? 5 : 0 }),
    };
    expect(outcome(paths, [0, 1, 2, 3, 4, 5, 6], { ...multipath(8, true), nextHops }).used).toEqual(['a', 'b']);
  });

  test('a path that fell to MED in its own AS is not used beside the best of another', () => {
    const paths = [same('a', 1, { med: 5 }), same('b', 2, { med: 1 }), same('worse', 2, { med: 2 })];
    for (const order of permutations(3)) expect(outcome(paths, order, multipath(8, true)).used).toEqual(['a', 'b']);
  });

  test('the kernel is told of a set of next hops, and again only when it changes', () => {
    const lab = new RibLab({ multipath: { maxPaths: 4, relaxAsPath: true } });
    const paths = [same('a', 1), same('b', 2), same('c', 3)];
    const peers = paths.map((path, i) => lab.peer(settings(path, i)));
    const log: string[] = [];
    const take = () => {
      lab.settle();
      log.length = 0;
      lab.rib.takeSelected(100, {
        route: (_family, octets, length, set) => {
          const hops = lab.rib.nextHopSet(set).map((hop) => hop.address.octets[3]);
          log.push(`${octets.join('.')}/${length} via ${hops.sort().join(',')}`);
        },
        remove: (_family, octets, length) => {
          log.push(`${octets.join('.')}/${length} gone`);
        },
      });
      return [...log];
    };
    for (const [i, peer] of peers.entries()) {
      peer.up();
      const path = paths[i];
      if (path !== undefined) peer.announce([target], attributes(path, i));
    }
    expect(take()).toEqual(['10.1.0.0/16 via 1,2,3']);
    expect(take()).toEqual([]);
    peers[0]?.withdraw([target]);
    expect(take()).toEqual(['10.1.0.0/16 via 2,3']);
    // Ten changes that come to nothing cost nothing.
    for (let n = 0; n < 10; n++) {
      peers[1]?.withdraw([target]);
      lab.settle();
      peers[1]?.announce([target], attributes(same('b', 2), 1));
      lab.settle();
    }
    expect(take()).toEqual([]);
    lab.rib.resendSelected();
    expect(take()).toEqual(['10.1.0.0/16 via 2,3']);
    expect(take()).toEqual([]);
    // What goes while it waits to be handed over again is taken away all the same.
    lab.rib.resendSelected();
    peers[1]?.withdraw([target]);
    peers[2]?.withdraw([target]);
    expect(take()).toEqual(['10.1.0.0/16 gone']);
    peers[1]?.announce([target], attributes(same('b', 2), 1));
    peers[2]?.announce([target], attributes(same('c', 3), 2));
    expect(take()).toEqual(['10.1.0.0/16 via 2,3']);
    peers[1]?.down();
    peers[2]?.withdraw([target]);
    expect(take()).toEqual(['10.1.0.0/16 gone']);
    lab.settle();
    expect(lab.rib.sets.count).toBe(0);
  });
});

test('a path of a session that went down is not chosen, also before it was swept away', () => {
  const lab = new RibLab({ sliceRows: 1 });
  const a = lab.peer(settings({ name: 'a', as: 1 }, 0));
  const b = lab.peer(settings({ name: 'b', as: 2 }, 1));
  a.up();
  b.up();
  const many = Array.from({ length: 40 }, (_, i) => prefix(`10.2.${i}.0/24`));
  a.announce(many, attributes({ name: 'a', as: 1 }, 0));
  lab.settle();
  a.down();
  // One row a slice: most are still there.
  b.announce([prefix('10.2.39.0/24')], attributes({ name: 'b', as: 2, path: [3, 4] }, 1));
  lab.rib.work(0);
  const views = [...lab.rib.routes({ prefix: prefix('10.2.39.0/24') })];
  expect(views.map((view) => [view.peer?.name ?? '', view.best, view.invalidReason ?? ''])).toEqual([
    ['b', true, ''],
    ['a', false, 'session-down'],
  ]);
  expect(lab.rib.size('ipv4-unicast').paths).toBeGreaterThan(30);
  lab.settle();
  expect([...lab.rib.routes({})].map((view) => formatPrefix(view.prefix))).toEqual(['10.2.39.0/24']);
});
