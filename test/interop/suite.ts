import { afterAll, describe, test } from 'vitest';
import { type DaemonName, daemonVersion } from './daemons/daemon.ts';
import { Pair, type PairKind, pairKinds } from './lab/pair.ts';
import { Results } from './results.ts';
import type { ChainScenario, Note, PairScenario, Scenario, StepScenario } from './scenario.ts';
import { scenarios } from './scenarios/index.ts';
import { withLifeOfOneSession } from './scenarios/life.ts';

/** Far more than it takes: every wait has a deadline of its own, which says more when it passes. */
const TIMEOUT_MS = 300_000;

/** The tests of one daemon: every scenario of the table that it can take part in, side by side, since most of the time is daemons' timers. */
export function testWith(daemon: DaemonName): void {
  const results = new Results(daemon, scenarios);
  const able = scenarios.filter((scenario) => {
    const reason = scenario.lacks?.[daemon];
    if (reason !== undefined) results.lacks(scenario, reason);
    return reason === undefined;
  });
  const pairs = new Map<PairKind, Pair>();
  const paired = able.filter(isPair);
  /** Started with the first scenario that needs it. */
  const pairOf = (kind: PairKind): Pair => {
    const pair =
      pairs.get(kind) ??
      Pair.start(
        daemon,
        kind,
        paired.filter((scenario) => scenario.kind === kind),
      );
    pairs.set(kind, pair);
    return pair;
  };
  const meet = async (scenario: PairScenario): Promise<Note> => {
    const pair = pairOf(scenario.kind);
    try {
      return await scenario.run(pair.meeting(scenario));
    } catch (error) {
      console.error(pair.lab.logTails(30).join('\n'));
      throw error;
    }
  };
  afterAll(async () => {
    results.save(daemonVersion(daemon));
    for (const pair of pairs.values()) await pair.close();
  });

  describe.concurrent(daemon, () => {
    test('the life of one session', () => liveThrough(daemon, able.filter(isStep), results), TIMEOUT_MS);
    test.each(able.filter(isChain))(
      '$subject: $name',
      (scenario) => results.run(scenario, () => scenario.run(daemon)),
      TIMEOUT_MS,
    );
    for (const kind of Object.keys(pairKinds) as PairKind[]) {
      test.each(paired.filter((scenario) => scenario.kind === kind))(
        '$subject: $name',
        (scenario) => results.run(scenario, () => meet(scenario)),
        TIMEOUT_MS,
      );
    }
  });
}

async function liveThrough(daemon: DaemonName, steps: readonly StepScenario[], results: Results): Promise<void> {
  await withLifeOfOneSession(daemon, async (chain) => {
    for (const step of steps) await results.run(step, () => step.run(chain));
  });
}

function isStep(scenario: Scenario): scenario is StepScenario {
  return scenario.on === 'one session';
}

function isPair(scenario: Scenario): scenario is PairScenario {
  return scenario.on === 'shared network';
}

function isChain(scenario: Scenario): scenario is ChainScenario {
  return scenario.on === 'own network';
}
