import { afterAll, describe, test } from 'vitest';
import { type DaemonName, daemonVersion } from './daemons/daemon.ts';
import { Results } from './results.ts';
import type { ChainScenario, Scenario, StepScenario } from './scenario.ts';
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
  afterAll(() => results.save(daemonVersion(daemon)));

  describe.concurrent(daemon, () => {
    test('the life of one session', () => liveThrough(daemon, able.filter(isStep), results), TIMEOUT_MS);
    test.each(able.filter(isChain))(
      '$subject: $name',
      (scenario) => results.run(scenario, () => scenario.run(daemon)),
      TIMEOUT_MS,
    );
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

function isChain(scenario: Scenario): scenario is ChainScenario {
  return scenario.on === 'own network';
}
