import { ip, type PathAttributes, type Prefix, prefix } from 'bgp-ts';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { acceptAll, evaluate, preparePolicy, rejectAll } from '../../../../rib/policy/evaluate.ts';
import type { PolicyMatch, PolicyRoute, PolicySpec, PolicyTerm, PrefixRange } from '../../../../rib/policy/policy.ts';
import { policyChange } from '../../../../rib/policy/policy-change.ts';
import { attributeValues, peers, policySpecs, prefixValues } from '../../../support/policy-arbitraries.ts';
import { type LabPeer, RibLab } from '../../../support/rib-lab.ts';

/** A policy, and the same with terms taken out, put in, exchanged or replaced. */
const pairs = fc
  .tuple(policySpecs, policySpecs, fc.nat({ max: 5 }), fc.nat({ max: 2 }), fc.nat({ max: 2 }), fc.boolean())
  .map(([a, b, at, removed, added, hasOtherDefault]): readonly [PolicySpec, PolicySpec] => [
    a,
    {
      ...a,
      terms: a.terms.toSpliced(at, removed, ...b.terms.slice(0, added)),
      default: hasOtherDefault ? b.default : a.default,
    },
  ]);

test('what a change does not touch comes out the same: random policies and changes', () => {
  let untouched = 0;
  fc.assert(
    fc.property(
      pairs,
      fc
        .constantFrom(4 as const, 6 as const)
        .chain((v) =>
          fc.tuple(fc.constant(v), fc.array(fc.tuple(attributeValues(v), prefixValues(v)), { maxLength: 8 })),
        ),
      ([a, b], [version, paths]) => {
        const [before, after] = [preparePolicy(a), preparePolicy(b)];
        const change = policyChange(before, after);
        for (const [attributes, value] of paths) {
          const route: PolicyRoute = {
            family: version === 4 ? 'ipv4-unicast' : 'ipv6-unicast',
            prefix: value,
            attributes,
            source: 'bgp',
            peer: peers[0] ?? expect.fail(),
            learnedFrom: peers[1],
          };
          if (change !== undefined && evaluate(change, route).accept) continue;
          untouched++;
          const { term: _, ...wanted } = evaluate(before, route);
          expect(evaluate(after, route)).toMatchObject(wanted);
        }
      },
    ),
    { numRuns: 3000 },
  );
  expect(untouched).toBeGreaterThan(1000);
});

const within = (text: string): PolicyMatch => {
  const range: PrefixRange = { prefix: prefix(text), minLength: 0, maxLength: 32 };
  return { type: 'prefix', set: { name: text, entries: [range] } };
};
const tagged = (value: number): PolicyMatch => ({
  type: 'community',
  require: 'any',
  patterns: [{ type: 'standard', parts: [65_000, value] }],
});
const prefer = (name: string, value: number, ...matches: PolicyMatch[]): PolicyTerm => ({
  name,
  matches,
  actions: [{ type: 'set-local-pref', value }],
  verdict: 'accept',
});
const policy = (...terms: PolicyTerm[]) =>
  preparePolicy({ name: 'p', terms, default: 'accept', defaultName: 'the rest' });

/** 100 prefixes in each of 10.0.0.0/8 to 10.9.0.0/16, those of an odd second octet with the community 65000:1. */
class Sender {
  readonly lab = new RibLab({ sliceRows: 64 });
  readonly peer: LabPeer;

  constructor(importPolicy = policy()) {
    this.peer = this.lab.peer({
      name: 'tor',
      address: ip('192.0.2.1'),
      kind: 'ebgp',
      remoteAs: 7,
      localAs: 64999,
      importPolicy,
      exportPolicy: rejectAll,
    });
    this.peer.up();
    for (let i = 0; i < 10; i++) {
      const prefixes: Prefix[] = Array.from({ length: 100 }, (_, n) => prefix(`10.${i}.${n}.0/24`));
      const attributes: PathAttributes = {
        origin: 0,
        asPath: [{ type: 'sequence', asns: [7] }],
        nextHop: ip('192.0.2.1'),
        ...(i % 2 === 1 ? { communities: [65_000 * 65_536 + 1] } : {}),
      };
      expect(this.peer.announce(prefixes, attributes)).toBeUndefined();
    }
    this.lab.settle();
  }

  get reviewed(): number {
    return this.lab.rib.adjRibIn(this.peer.handle, 'ipv4-unicast')?.reviewed ?? Number.NaN;
  }

  change(importPolicy: ReturnType<typeof policy>): void {
    this.peer.settings = { ...this.peer.settings, importPolicy };
    this.lab.rib.updatePeer(this.peer.handle, this.peer.settings);
  }

  /** How many paths were evaluated again for this policy. */
  after(importPolicy: ReturnType<typeof policy>): number {
    const before = this.reviewed;
    this.change(importPolicy);
    this.lab.settle();
    return this.reviewed - before;
  }

  /** LOCAL_PREF after policy, by how many prefixes have it. */
  get preferences(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { attributes, best } of this.lab.rib.routes({ family: 'ipv4-unicast' })) {
      if (!best) continue;
      const key = String(attributes.localPref ?? 'none');
      counts[key] = (counts[key] ?? 0) + 1;
    }
    return counts;
  }
}

describe('a new import policy looks again at what it can touch', () => {
  test('the same policy, and the same terms under other names: nothing', () => {
    const sender = new Sender(policy(prefer('one', 200, within('10.1.0.0/16'))));
    expect(sender.after(sender.peer.settings.importPolicy)).toBe(0);
    expect(sender.after(policy(prefer('another name', 200, within('10.1.0.0/16'))))).toBe(0);
    expect(sender.preferences).toEqual({ none: 900, 200: 100 });
  });

  test('a prefix list that became another one: prefixes of the old and the new', () => {
    const tail = prefer('tail', 50, within('10.9.0.0/16'));
    const sender = new Sender(policy(prefer('list', 200, within('10.1.0.0/16')), tail));
    expect(sender.after(policy(prefer('list', 200, within('10.2.0.0/16')), tail))).toBe(200);
    expect(sender.preferences).toEqual({ none: 800, 200: 100, 50: 100 });
  });

  test('an action: what its term applies to, but for what a term before it decides', () => {
    const first = prefer('first', 300, within('10.1.0.0/16'));
    const sender = new Sender(policy(first, prefer('tagged', 200, tagged(1))));
    expect(sender.preferences).toEqual({ none: 500, 300: 100, 200: 400 });
    expect(sender.after(policy(first, prefer('tagged', 250, tagged(1))))).toBe(400);
    expect(sender.preferences).toEqual({ none: 500, 300: 100, 250: 400 });
  });

  test('another default: what comes so far', () => {
    const terms = [prefer('tagged', 200, tagged(1))];
    const sender = new Sender(policy(...terms));
    const closed = preparePolicy({ name: 'p', terms, default: 'reject', defaultName: 'the rest' });
    expect(sender.after(closed)).toBe(500);
    expect(sender.preferences).toEqual({ 200: 500 });
    expect(sender.after(acceptAll)).toBe(1000);
    expect(sender.preferences).toEqual({ none: 1000 });
  });

  test('a change in the middle of a review: both are seen through', () => {
    const sender = new Sender();
    sender.change(policy(prefer('list', 200, within('10.1.0.0/16'))));
    for (let n = 0; n < 4; n++) sender.lab.slice();
    sender.change(policy(prefer('list', 200, within('10.1.0.0/16')), prefer('more', 300, within('10.0.0.0/14'))));
    sender.lab.settle();
    expect(sender.preferences).toEqual({ none: 600, 200: 100, 300: 300 });
    expect(sender.after(policy(prefer('more', 300, within('10.9.0.0/16'))))).toBe(500);
    expect(sender.preferences).toEqual({ none: 900, 300: 100 });
  });
});

describe('a new export policy tells only what is different', () => {
  const open = policy(prefer('one', 200, within('10.1.0.0/16')));

  /** Two receivers that are told all 1000 prefixes. */
  function receivers(exportPolicy: ReturnType<typeof policy>): { sender: Sender; pair: LabPeer[] } {
    const sender = new Sender();
    const pair = [1, 2].map((n) =>
      sender.lab.peer(
        {
          name: `node${n}`,
          address: ip(`10.0.0.${n + 1}`),
          kind: 'ibgp',
          remoteAs: 64999,
          localAs: 64999,
          importPolicy: acceptAll,
          exportPolicy,
        },
        { routerId: ip(`10.0.0.${n + 1}`) },
      ),
    );
    for (const peer of pair) peer.up();
    sender.lab.settle();
    for (const { told } of pair) expect(told.size).toBe(1000);
    return { sender, pair };
  }

  /** How many prefixes each was told (or that they are gone) after both got this policy. */
  function toldAfter(
    { sender, pair }: ReturnType<typeof receivers>,
    exportPolicy: ReturnType<typeof policy>,
  ): number[] {
    const spies = pair.map(({ told }) => [vi.spyOn(told, 'set'), vi.spyOn(told, 'delete')] as const);
    for (const peer of pair) {
      peer.settings = { ...peer.settings, exportPolicy };
      sender.lab.rib.updatePeer(peer.handle, peer.settings);
    }
    sender.lab.settle();
    const counts = spies.map(([set, gone]) => set.mock.calls.length + gone.mock.calls.length);
    for (const spy of spies.flat()) spy.mockRestore();
    return counts;
  }

  const preferences = ({ told }: LabPeer) => [...told.values()].filter(({ localPref }) => localPref === 300).length;

  test('other names: nothing', () => {
    const world = receivers(open);
    expect(toldAfter(world, policy(prefer('another name', 200, within('10.1.0.0/16'))))).toEqual([0, 0]);
  });

  test('another list of prefixes, another action: those in either', () => {
    const world = receivers(open);
    expect(toldAfter(world, policy(prefer('one', 300, within('10.2.0.0/16'))))).toEqual([200, 200]);
    expect(world.pair.map(preferences)).toEqual([100, 100]);
  });

  test('a term that rejects is put in, and taken out again', () => {
    const world = receivers(open);
    const reject: PolicyTerm = { name: 'no', matches: [tagged(1)], actions: [], verdict: 'reject' };
    expect(toldAfter(world, policy(reject, ...open.spec.terms))).toEqual([500, 500]);
    expect(world.pair.map(({ told }) => told.size)).toEqual([500, 500]);
    expect(toldAfter(world, open)).toEqual([500, 500]);
    expect(world.pair.map(({ told }) => told.size)).toEqual([1000, 1000]);
  });
});
