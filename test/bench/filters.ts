/**
 * What filters cost: the table of rib.ts from one eBGP peer to another, in turns as the event loop has it, without policy and with one prefix
 * match, one community match, and both, on import and export of both sessions. All in one process and in turns; medians of CPU time.
 * `node --expose-gc test/bench/filters.ts [prefixes] [sets] [v4|v6] [rounds]`
 */
import { acceptAll, type Policy, preparePolicy } from '../../rib/policy/evaluate.ts';
import { Bench, filter } from './rib.ts';
import { tableMessages } from './rib-table.ts';

function part(term: number): Policy {
  return preparePolicy({ ...filter.spec, terms: filter.spec.terms.slice(term, term + 1) });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function main(): void {
  const [prefixes = '1000000', sets = '100000', family = 'v4', rounds = '7'] = process.argv.slice(2);
  const shape = { prefixes: Number(prefixes), sets: Number(sets), peerAs: 100_001, nextHop: 0x0a000101, seed: 12_345 };
  const table = tableMessages({ ...shape, ipv6: family === 'v6' });
  const cases: readonly (readonly [string, Policy])[] = [
    ['open', acceptAll],
    ['prefix', part(0)],
    ['community', part(1)],
    ['prefix and community', filter],
  ];
  const benches = cases.map(([name, policy]) => ({ name, bench: new Bench([table], policy) }));
  const times = new Map<string, { all: number[]; withdraw: number[] }>(
    cases.map(([name]) => [name, { all: [], withdraw: [] }]),
  );
  for (let n = -1; n < Number(rounds); n++) {
    for (const { name, bench } of benches) {
      const result = bench.run(true);
      if (n < 0) continue; // code warms up
      times.get(name)?.all.push(result['all'] ?? 0);
      times.get(name)?.withdraw.push(result['withdraw'] ?? 0);
    }
  }
  const open = times.get('open') ?? { all: [], withdraw: [] };
  for (const [name, { all, withdraw }] of times) {
    const ratio = (values: readonly number[], to: readonly number[]) => (median(values) / median(to)).toFixed(3);
    console.log(
      `${name.padEnd(22)} in, decided, out ${median(all).toFixed(0)} ms, ${ratio(all, open.all)} of open;`,
      `withdrawn ${median(withdraw).toFixed(0)} ms, ${ratio(withdraw, open.withdraw)}`,
    );
  }
}

main();
