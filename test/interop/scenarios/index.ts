import type { Scenario } from '../scenario.ts';
import { addPathScenarios } from './add-path.ts';
import { admissionScenarios } from './admission.ts';
import { aigpScenarios } from './aigp.ts';
import { asZeroScenarios } from './as-zero.ts';
import { attributeScenarios } from './attributes.ts';
import { capabilityScenarios } from './capabilities.ts';
import { errorScenarios } from './errors.ts';
import { fabricScenarios } from './fabric.ts';
import { lifeScenarios } from './life.ts';
import { linkBandwidthScenarios } from './link-bandwidth.ts';
import { linkLocalScenarios } from './link-local.ts';
import { nextHopScenarios } from './next-hop.ts';
import { peerRuleScenarios } from './peer-rules.ts';
import { policyScenarios } from './policy.ts';
import { policyRuleScenarios } from './policy-rules.ts';
import { reachScenarios } from './reach.ts';
import { reflectionScenarios } from './reflection.ts';
import { routeScenarios } from './routes.ts';
import { sessionOptionScenarios } from './session-options.ts';
import { sessionScenarios } from './sessions.ts';
import { timerScenarios } from './timers.ts';

/** Every line of the table. A new one is an entry in the file of its subject. */
export const scenarios: readonly Scenario[] = [
  ...lifeScenarios,
  ...sessionScenarios,
  ...sessionOptionScenarios,
  ...timerScenarios,
  ...reachScenarios,
  ...admissionScenarios,
  ...routeScenarios,
  ...capabilityScenarios,
  ...attributeScenarios,
  ...asZeroScenarios,
  ...nextHopScenarios,
  ...aigpScenarios,
  ...peerRuleScenarios,
  ...reflectionScenarios,
  ...policyScenarios,
  ...policyRuleScenarios,
  ...fabricScenarios,
  ...linkLocalScenarios,
  ...linkBandwidthScenarios,
  ...addPathScenarios,
  ...errorScenarios,
];
