import { formatIp } from 'bgp-ts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AttributeSets, hashOctets } from '../../../rib/attribute-sets.ts';
import { ChangeBatch } from '../../../rib/change-batch.ts';
import { NextHops } from '../../../rib/next-hop.ts';
import { NextHopSets } from '../../../rib/next-hop-sets.ts';
import { PathTable } from '../../../rib/path-table.ts';
import {
  PlainAttributeSets,
  PlainNextHopSets,
  PlainPathTable,
  type PlainRun,
  plainRuns,
} from '../../support/plain-tables.ts';

const everywhere = { resolve: () => ({ reachable: true }) };

test('PathTable agrees with a Map of objects', () => {
  const step = fc.record({
    op: fc.constantFrom('add', 'add', 'add many', 'remove', 'remove', 'remove all', 'id', 'after'),
    n: fc.nat(1000),
    value: fc.integer({ min: 0, max: 5 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const table = new PathTable();
      const plain = new PlainPathTable();
      const add = (n: number): void => {
        const path = table.add(n, n % 77);
        plain.add(path, n, n % 77);
      };
      for (const { op, n, value } of steps) {
        const live = [...plain.paths.keys()];
        // One of the last few, so that what was changed is often removed and its number given again.
        const path = live[live.length - 1 - (n % 3)];
        if (op === 'add') add(n);
        else if (op === 'add many') for (let i = 0; i < 120; i++) add(n + i);
        else if (op === 'remove all') {
          for (const p of live) table.remove(p);
          plain.paths.clear();
        } else if (path !== undefined) {
          const known = plain.paths.get(path);
          if (op === 'remove') {
            table.remove(path);
            plain.paths.delete(path);
          } else if (op === 'id') {
            table.setId(path, value);
            if (known !== undefined) known.id = value;
          } else {
            table.setAfter(path, value);
            if (known !== undefined) known.after = value;
          }
        }
        expect(table.count).toBe(plain.paths.size);
      }
      for (const [path, { source, id, after }] of plain.paths) {
        const found = { source: table.sourceOf(path), id: table.ids?.[path] ?? 0, after: table.after?.[path] ?? 0 };
        expect(found).toEqual({ source, id, after });
        expect(table.effectiveSet(path)).toBe(plain.effectiveSet(path));
      }
    }),
  );
});

test('AttributeSets agrees with a Map of values', () => {
  const step = fc.record({
    op: fc.constantFrom('intern', 'intern', 'intern many', 'release', 'release', 'retain', 'discard'),
    octets: fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 9 }),
    nextHop: fc.integer({ min: 0, max: 2 }),
    weight: fc.constantFrom(0, 0, 7),
    n: fc.nat(1000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const nextHops = new NextHops(everywhere, []);
      // Held throughout, so that the ids stay: 0 is none.
      const hops = [0, nextHops.intern4(0x0a000001), nextHops.intern4(0x0a000002)];
      for (const hop of hops) if (hop !== 0) nextHops.retain(hop);
      const sets = new AttributeSets(nextHops);
      const plain = new PlainAttributeSets();
      const freed: number[] = [];
      sets.listen({ setFreed: (id) => freed.push(id) });
      const gone: number[] = [];
      const intern = (values: readonly number[], nextHop: number, weight: number): number => {
        // Somewhere within more octets, as in an UPDATE.
        const bytes = Uint8Array.from([9, 9, 9, ...values, 9]);
        const view = new DataView(bytes.buffer);
        const end = 3 + values.length;
        const hash = hashOctets(view, 3, end);
        const known = plain.find(values, nextHop, weight);
        expect(sets.find(view, 3, end, hash, nextHop, weight)).toBe(known ?? 0);
        const id = sets.intern(bytes, view, 3, end, hash, nextHop, weight);
        if (known === undefined) {
          expect(plain.byId.has(id)).toBe(false);
          plain.byId.set(id, { octets: values, nextHop, weight, references: 0 });
        } else expect(id).toBe(known);
        return id;
      };
      const hold = (id: number): void => {
        sets.retain(id);
        const set = plain.byId.get(id);
        if (set !== undefined) set.references++;
      };
      for (const { op, octets, nextHop, weight, n } of steps) {
        const held = [...plain.byId.keys()];
        const id = held[n % Math.max(1, held.length)];
        const hop = hops[nextHop] ?? 0;
        if (op === 'intern') hold(intern(octets, hop, weight));
        else if (op === 'intern many') for (let i = 0; i < 60; i++) hold(intern([...octets, n & 0xff, i], hop, weight));
        else if (op === 'discard') {
          const wanted = intern(octets, hop, weight);
          sets.discard(wanted);
          if (plain.byId.get(wanted)?.references === 0) {
            plain.byId.delete(wanted);
            gone.push(wanted);
          }
        } else if (id !== undefined && op === 'retain') hold(id);
        else if (id !== undefined) {
          sets.release(id);
          if (plain.release(id)) gone.push(id);
        }
        expect(sets.count).toBe(plain.byId.size);
        expect(freed).toEqual(gone);
      }
      for (const [id, { octets, nextHop, weight, references }] of plain.byId) {
        const offset = sets.offsetOf(id);
        expect([...sets.bytes.subarray(offset, offset + sets.lengthOf(id))]).toEqual(octets);
        expect(sets.referencesTo(id)).toBe(references);
        expect(sets.nextHopOf(id)).toBe(nextHop);
        expect(plain.find(octets, nextHop, weight)).toBe(id);
      }
      for (const [id, { references }] of plain.byId) sets.release(id, references);
      expect([sets.count, sets.octets]).toEqual([0, 0]);
    }),
  );
});

test('NextHops gives one id for one address while somebody holds it', () => {
  const step = fc.record({ isRelease: fc.boolean(), isIpv6: fc.boolean(), address: fc.nat(4), n: fc.nat(100) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const nextHops = new NextHops(everywhere, []);
      const plain = new Map<number, { text: string; references: number }>();
      for (const { isRelease, isIpv6, address, n } of steps) {
        const held = [...plain.keys()];
        const id = held[n % Math.max(1, held.length)];
        if (isRelease) {
          const known = id === undefined ? undefined : plain.get(id);
          if (id === undefined || known === undefined) continue;
          nextHops.release(id);
          if (--known.references === 0) plain.delete(id);
        } else {
          const octets = isIpv6 ? Uint8Array.from({ length: 16 }, (_, i) => (i === 15 ? address : 1)) : undefined;
          const text = octets === undefined ? `10.0.0.${address}` : formatIp({ version: 6, octets });
          const made =
            octets === undefined ? nextHops.intern4(0x0a000000 + address) : nextHops.intern6(octets, 0, 16, '');
          const [known] = [...plain].find(([, value]) => value.text === text) ?? [];
          if (known === undefined) expect(plain.has(made)).toBe(false);
          else expect(made).toBe(known);
          nextHops.retain(made);
          const references = (plain.get(made)?.references ?? 0) + 1;
          plain.set(made, { text, references });
        }
        for (const [held, { text }] of plain) {
          const value = nextHops.get(held);
          expect(value === undefined ? undefined : formatIp(value.address)).toBe(text);
        }
      }
    }),
  );
});

test('NextHopSets agrees with a Map, and holds its next hops as long as it has them', () => {
  const members = fc.uniqueArray(fc.nat(5), { minLength: 1, maxLength: 4 });
  const step = fc.record({ isRelease: fc.boolean(), members, n: fc.nat(100) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const nextHops = new NextHops(everywhere, []);
      const freed: number[] = [];
      const sets = new NextHopSets(nextHops, (id) => freed.push(id));
      const plain = new PlainNextHopSets();
      const gone: number[] = [];
      for (const { isRelease, members, n } of steps) {
        const held = [...plain.byId.keys()];
        const id = held[n % Math.max(1, held.length)];
        if (isRelease) {
          if (id === undefined) continue;
          sets.release(id);
          if (plain.release(id)) gone.push(id);
        } else {
          const ids = members.map((member) => nextHops.intern4(0x0a000000 + member));
          const known = plain.find(ids);
          const made =
            ids.length === 1 && n % 2 === 0
              ? sets.one(ids[0] ?? 0)
              : sets.many(Int32Array.from([...ids, 99]), ids.length);
          if (known === undefined) plain.add(made, ids);
          else expect(made).toBe(known);
          sets.retain(made);
          const set = plain.byId.get(made);
          if (set !== undefined) set.references++;
        }
        expect(freed).toEqual(gone);
        // Its next hops are there without anybody else that holds them.
        for (const [key, { members }] of plain.byId) {
          expect(sets.get(key)).toEqual(members.map((member) => nextHops.get(member)));
        }
      }
      for (const [id, { references }] of plain.byId) for (let i = 0; i < references; i++) sets.release(id);
      for (let member = 0; member < 6; member++) expect(nextHops.find4(0x0a000000 + member)).toBe(0);
    }),
  );
});

test('ChangeBatch sorts as lists by audience and set would', () => {
  const change = fc.record({ row: fc.integer({ min: 1, max: 9999 }), audience: fc.nat(5), set: fc.nat(3) });
  const many = fc.record({ count: fc.constant(1500), from: fc.nat(9) });
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.oneof(change, { weight: 9, arbitrary: change }), { maxLength: 60 }), { maxLength: 4 }),
      many,
      (batches, { count, from }) => {
        const batch = new ChangeBatch();
        // The last one has more runs and rows than there is room for at first.
        const large = Array.from({ length: count }, (_, i) => ({
          row: i + 1,
          audience: i % 3,
          set: from + (i % 1300),
        }));
        for (const added of [...batches, large, ...batches.slice(0, 1)]) {
          batch.clear();
          for (const { row, audience, set } of added) batch.add(row, audience, set);
          batch.sort();
          const runs: PlainRun[] = Array.from({ length: batch.runCount }, (_, i) => ({
            audience: batch.runAudience[i] ?? -1,
            set: batch.runSet[i] ?? -1,
            rows: [...batch.rows.subarray(batch.runStart[i], batch.runStart[i + 1])],
          }));
          const byKey = (a: PlainRun, b: PlainRun): number => a.audience - b.audience || a.set - b.set;
          expect([...runs].sort(byKey)).toEqual(plainRuns(added).sort(byKey));
          for (const [i, run] of runs.entries()) {
            const next = runs[i + 1];
            if (next === undefined) continue;
            // An audience in one piece, "all but" before "only", withdrawals first.
            if (next.audience !== run.audience) {
              expect(runs.slice(i + 1).some((r) => r.audience === run.audience)).toBe(false);
              expect(run.audience & 1).toBeLessThanOrEqual(next.audience & 1);
            } else if (next.set === 0) expect(run.set).toBe(0);
          }
        }
      },
    ),
    { numRuns: 40 },
  );
});
