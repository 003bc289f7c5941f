import { formatPrefix, ip, type Prefix, prefix, prefixContains } from 'bgp-ts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PrefixTable } from '../../../rib/prefix-table.ts';

const prefixOf = (version: 4 | 6): fc.Arbitrary<Prefix> =>
  fc
    .tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(version === 4 ? 32 : 128))
    .map(([octets, length]) => {
      // Few different octets, so that prefixes nest and meet again.
      const masked = Uint8Array.from(octets.subarray(0, version === 4 ? 4 : 16), (octet, i) => {
        const bits = length - i * 8;
        return bits >= 8 ? octet & 3 : bits <= 0 ? 0 : octet & 3 & (0xff00 >> bits);
      });
      return { address: { version, octets: masked }, length };
    });

for (const version of [4, 6] as const) {
  describe(`IPv${version}`, () => {
    const family = version === 4 ? 'ipv4-unicast' : 'ipv6-unicast';

    test('agrees with a Map over random insertions and removals', () => {
      const step = fc.record({ prefix: prefixOf(version), isRemoval: fc.boolean() });
      fc.assert(
        fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
          const table = new PrefixTable(family);
          const model = new Map<string, { prefix: Prefix; row: number }>();
          for (const { prefix: target, isRemoval } of steps) {
            const key = formatPrefix(target);
            const known = model.get(key);
            expect(table.find(target)).toBe(known?.row ?? 0);
            if (isRemoval) {
              if (known !== undefined) table.remove(known.row);
              model.delete(key);
            } else {
              const row = table.insert(target);
              if (known === undefined) for (const other of model.values()) expect(other.row).not.toBe(row);
              else expect(row).toBe(known.row);
              model.set(key, { prefix: target, row });
            }
          }
          expect(table.count).toBe(model.size);
          for (const { prefix: target, row } of model.values()) {
            expect(formatPrefix(table.prefixOf(row))).toBe(formatPrefix(target));
          }
          const inOrder = Array.from(table.sortedRows(), (row) => formatPrefix(table.prefixOf(row)));
          expect([...inOrder].sort()).toEqual([...model.keys()].sort());
        }),
        { numRuns: 100 },
      );
    });

    test('finds the longest match', () => {
      fc.assert(
        fc.property(fc.array(prefixOf(version), { maxLength: 60 }), prefixOf(version), (list, inside) => {
          const table = new PrefixTable(family);
          for (const target of list) table.insert(target);
          const { address } = inside;
          const covering = list.filter((target) => prefixContains(target, address));
          const longest = Math.max(-1, ...covering.map((target) => target.length));
          const row = table.longestMatch(address.octets, version === 4 ? 32 : 128, () => true);
          expect(row === 0 ? -1 : table.lengthOf(row)).toBe(longest);
          if (row !== 0) expect(prefixContains(table.prefixOf(row), address)).toBe(true);
        }),
      );
    });
  });
}

test('keeps row numbers and prefixes while it grows, shrinks and is swept full of holes', () => {
  const table = new PrefixTable('ipv4-unicast');
  const rows = new Map<number, number>();
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 20_000; i++) {
      const address = (i * 2654435761) & 0xffffff00;
      rows.set(address, table.insert4(address, 24));
    }
    for (const [address, row] of rows) expect(table.find4(address, 24)).toBe(row);
    let n = 0;
    for (const [address, row] of rows) {
      if (n++ % 5 === round) continue;
      table.remove(row);
      rows.delete(address);
    }
    expect(table.count).toBe(rows.size);
    for (const [address, row] of rows) expect(table.find4(address, 24)).toBe(row);
  }
  for (const row of rows.values()) table.remove(row);
  expect(table.count).toBe(0);
  expect(table.capacity).toBeLessThan(1000);
});

test('sorts by address, shorter first, the upper half of IPv4 too', () => {
  const list = ['0.0.0.0/0', '10.0.0.0/8', '10.0.0.0/16', '10.1.0.0/16', '192.0.2.0/24', '223.255.255.255/32'];
  const table = new PrefixTable('ipv4-unicast');
  for (const text of [...list].reverse()) table.insert(prefix(text));
  expect(Array.from(table.sortedRows(), (row) => formatPrefix(table.prefixOf(row)))).toEqual(list);
  expect(table.longestMatch(ip('192.0.2.9').octets, 32, () => true)).toBe(table.find(prefix('192.0.2.0/24')));
});

test.each([4, 6] as const)(
  'IPv%i: nothing is lost or found twice while a large index moves, whatever comes and goes',
  (version) => {
    const table = new PrefixTable(version === 4 ? 'ipv4-unicast' : 'ipv6-unicast');
    const target = (n: number): Prefix => {
      const octets = new Uint8Array(version === 4 ? 4 : 16);
      octets.set([n >> 16, n >> 8, n], 1);
      return { address: { version, octets }, length: 32 };
    };
    const rows = new Map<number, number>();
    let seed = 7;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    // Removals are as frequent as insertions now and then, so that rows change their prefix while their old entry still waits.
    for (let n = 0; n < 120_000; n++) {
      const isShrinking = n % 20_000 > 15_000;
      const key = random(100_000);
      const known = rows.get(key);
      expect(table.find(target(key))).toBe(known ?? 0);
      if (isShrinking && known !== undefined) {
        table.remove(known);
        rows.delete(key);
      } else {
        rows.set(key, table.insert(target(key)));
        if (known !== undefined) expect(rows.get(key)).toBe(known);
      }
    }
    expect(table.count).toBe(rows.size);
    expect(new Set(rows.values()).size).toBe(rows.size);
    for (const [key, row] of rows) expect(table.find(target(key))).toBe(row);
  },
);
