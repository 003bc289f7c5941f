import type { ApiAttributes } from '../../lib/api.ts';
import type { ApiPolicyTrace, AttributeChange } from '../../lib/api-explain.ts';
import type { PolicyTrace } from '../../rib/explain.ts';
import type { Verdict } from '../../rib/policy/evaluate.ts';
import { apiAttributes } from './route-view.ts';

/** Attributes that follow from others or are told apart elsewhere. */
const derived: ReadonlySet<string> = new Set(['asPathLength']);

/** What differs between two sets of attributes, in the order of their fields. */
export function attributeChanges(before: ApiAttributes, after: ApiAttributes): AttributeChange[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const changes: AttributeChange[] = [];
  for (const name of names) {
    if (derived.has(name)) continue;
    const was = textOf(before[name as keyof ApiAttributes]);
    const is = textOf(after[name as keyof ApiAttributes]);
    if (was === is) continue;
    changes.push({
      attribute: name,
      ...(was === undefined ? {} : { before: was }),
      ...(is === undefined ? {} : { after: is }),
    });
  }
  return changes;
}

/** A policy's doing in printable form: each term that matched with what it changed, and all of it together. */
export function policyTrace(trace: PolicyTrace, direction: 'import' | 'export'): ApiPolicyTrace {
  const { verdict, passed, before } = trace;
  return {
    direction,
    verdict: verdict.accept ? 'accept' : 'reject',
    term: verdict.term,
    steps: passed.map((step) => ({
      term: step.name,
      verdict: step.verdict,
      changes: [
        ...(step.before === step.after ? [] : attributeChanges(apiAttributes(step.before), apiAttributes(step.after))),
        ...settingChanges(step),
      ],
    })),
    changes: [
      ...attributeChanges(apiAttributes(before), apiAttributes(verdict.attributes)),
      ...settingChanges(verdict),
    ],
  };
}

/** Weight and the choice of next hop are no attributes: they stay in this speaker. */
function settingChanges(step: {
  readonly weight?: number;
  readonly nextHop?: Verdict['nextHop'] | undefined;
}): AttributeChange[] {
  const { weight, nextHop } = step;
  return [
    ...(weight === undefined ? [] : [{ attribute: 'weight', after: String(weight) }]),
    ...(nextHop === 'self' || nextHop === 'unchanged' ? [{ attribute: 'nextHop', after: nextHop }] : []),
  ];
}

function textOf(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (Array.isArray(value)) return value.map((item) => textOf(item)).join(' ');
  if (typeof value === 'object' && value !== null) return Object.values(value).map(String).join(' ');
  return String(value);
}
