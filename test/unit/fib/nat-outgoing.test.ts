import { describe, expect, test } from 'vitest';
import { NatOutgoing, natRuleset } from '../../../fib/nat-outgoing.ts';
import { silentLogger } from '../../../lib/log.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const nat = { prefix: '10.244.0.0/16', natOutgoing: true };
const plain = { prefix: '10.245.0.0/16', natOutgoing: false };

/** What is handed to nft, and how it answers: `failures` of them are refused. */
function lab() {
  const clock = new FakeClock();
  const runs: string[] = [];
  const refusals: string[] = [];
  const outgoing = new NatOutgoing({
    clock,
    log: silentLogger,
    run: async (ruleset) => {
      const refusal = refusals.shift();
      if (refusal !== undefined) throw new Error(refusal);
      runs.push(ruleset);
    },
  });
  const settled = async () => {
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  return { clock, runs, refusals, outgoing, settled };
}

describe('ruleset', () => {
  test('only pools that ask for it are translated, and nothing that stays between pools', () => {
    const text = natRuleset([nat, plain]);
    expect(text).toContain(
      'set translated { type ipv4_addr; flags interval; auto-merge; elements = { 10.244.0.0/16 }; }',
    );
    expect(text).toContain('elements = { 10.244.0.0/16, 10.245.0.0/16 }');
    expect(text).not.toContain('table ip6 podroute-nat {');
  });

  test('without such a pool both tables are taken away', () => {
    expect(natRuleset([plain])).toBe(
      'table ip podroute-nat\ndelete table ip podroute-nat\ntable ip6 podroute-nat\ndelete table ip6 podroute-nat\n',
    );
  });
});

describe('keeping it in force', () => {
  test('the same pools again cost nothing; others replace the whole', async () => {
    const { outgoing, runs, settled } = lab();
    outgoing.setPools([nat]);
    await settled();
    outgoing.setPools([nat]);
    await settled();
    expect(runs).toEqual([natRuleset([nat])]);
    outgoing.setPools([nat, plain]);
    await settled();
    expect(runs.at(-1)).toBe(natRuleset([nat, plain]));
  });

  test('a refusal is told, and tried again until it works', async () => {
    const { outgoing, runs, refusals, settled, clock } = lab();
    refusals.push('nft: no such thing', 'nft: no such thing');
    outgoing.setPools([nat]);
    await settled();
    expect(outgoing.problem).toBe('nft: no such thing');
    clock.advance(30_000);
    await settled();
    expect(runs).toEqual([]);
    clock.advance(30_000);
    await settled();
    expect(runs).toEqual([natRuleset([nat])]);
    expect(outgoing.problem).toBeUndefined();
  });

  test('a machine without nft is no problem while no pool asks for translation', async () => {
    const { outgoing, refusals, settled, clock } = lab();
    refusals.push('nft is not installed');
    outgoing.setPools([plain]);
    await settled();
    expect(outgoing.problem).toBeUndefined();
    expect(clock.pendingCount).toBe(0);
  });

  test('what is set while nft runs comes next', async () => {
    const { outgoing, runs, settled } = lab();
    outgoing.setPools([nat]);
    outgoing.setPools([plain]);
    outgoing.setPools([nat, plain]);
    await settled();
    expect(runs).toEqual([natRuleset([nat]), natRuleset([nat, plain])]);
  });
});
