import type { Policy } from './policy/evaluate.ts';
import type { PrefixTable } from './prefix-table.ts';
import type { SetValues } from './set-values.ts';
import { Outcome, type VerdictSession, Verdicts } from './verdicts.ts';

/** Which received paths of a session a change of its import policy can touch, see `policyChange`. Close it when the review is over. */
export class ReviewScope {
  readonly #verdicts: Verdicts;
  readonly #source: number;

  constructor(change: Policy, session: VerdictSession, values: SetValues) {
    this.#verdicts = new Verdicts(change, session, values);
    this.#source = this.#verdicts.needsSource ? this.#verdicts.sourceKey('bgp', undefined) : 0;
  }

  /** @param set as the policy sees it */
  touches(set: number, prefixes: PrefixTable, row: number): boolean {
    this.#verdicts.open(set, this.#source);
    return this.#verdicts.outcomeOf(prefixes, row) !== Outcome.Refused;
  }

  close(): void {
    this.#verdicts.close();
  }
}
