import { type Expectation, Limits, type Position, type Step } from './datastore.ts';
import { DatastoreError } from './errors.ts';

/** Printable ASCII without space: what sorts the same everywhere and can be shown as it is. */
const keyPattern = /^[!-~]+$/;
const prefixPattern = /^[!-~]*$/;

/**
 * The checks that all implementations share, before anything is sent.
 * @throws DatastoreError `too-large`
 * @throws TypeError for what no store could mean: a bug of the caller's
 */
export function checkSteps(steps: readonly Step[]): void {
  if (steps.length === 0) throw new TypeError('a commit of no steps');
  limit('steps', steps.length, Limits.steps);
  const seen = new Set<string>();
  let total = 0;
  for (const step of steps) {
    checkKey(step.key);
    if (seen.has(step.key)) throw new TypeError(`${step.key}: twice in one commit`);
    seen.add(step.key);
    checkExpectation(step.key, step.expect);
    total += step.key.length;
    if (step.type !== 'put') continue;
    if (!step.value.isWellFormed()) throw new TypeError(`${step.key}: half a surrogate pair in the value`);
    const octets = Buffer.byteLength(step.value);
    limit('value', octets, Limits.valueOctets);
    total += octets;
  }
  limit('commit', total, Limits.commitOctets);
}

/** @throws DatastoreError `too-large` @throws TypeError when it has other characters than printable ASCII */
export function checkKey(key: string): void {
  limit('key', key.length, Limits.keyOctets);
  if (!keyPattern.test(key)) throw new TypeError(`key ${JSON.stringify(key)}: must be printable ASCII without spaces`);
}

/** The same for a prefix, which may be empty. */
export function checkPrefix(prefix: string): void {
  limit('key', prefix.length, Limits.keyOctets);
  if (!prefixPattern.test(prefix)) {
    throw new TypeError(`prefix ${JSON.stringify(prefix)}: must be printable ASCII without spaces`);
  }
}

/** @throws TypeError when it is no revision */
export function checkPosition(from: Position): void {
  if (!isRevision(from.revision)) throw new TypeError(`watch from ${from.revision}: must be a revision`);
}

/** Milliseconds of a lease. @throws TypeError when it is out of bounds */
export function leaseMs(ttlSeconds: number): number {
  const { min, max } = Limits.leaseSeconds;
  if (!(ttlSeconds >= min && ttlSeconds <= max)) {
    throw new TypeError(`lease of ${ttlSeconds} s: must be between ${min} and ${max} s`);
  }
  return Math.round(ttlSeconds * 1000);
}

function checkExpectation(key: string, expect: Expectation): void {
  if (expect !== 'absent' && !isRevision(expect)) throw new TypeError(`${key}: expects ${expect}: must be a revision`);
}

function isRevision(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function limit(what: 'key' | 'value' | 'steps' | 'commit', size: number, most: number): void {
  if (size > most) throw new DatastoreError({ code: 'too-large', what, size, limit: most });
}
