import type { Scenario } from '../scenario.ts';
import { lifeScenarios } from './life.ts';
import { routeScenarios } from './routes.ts';
import { sessionOptionScenarios } from './session-options.ts';
import { sessionScenarios } from './sessions.ts';

/** Every line of the table. A new one is an entry in the file of its subject. */
export const scenarios: readonly Scenario[] = [
  ...lifeScenarios,
  ...sessionScenarios,
  ...sessionOptionScenarios,
  ...routeScenarios,
];
