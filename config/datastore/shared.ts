/**
 * A silence of the store, in milliseconds, after which leases begin anew instead of running out: nobody could keep them
 * alive while the store was away. Longer than any watch waits before it looks at the store again.
 */
export const awayMs = 15_000;

/** Whether so much time has passed since somebody last wrote (or the clock went back) that leases begin anew. */
export function expiredAtOnce(nowMs: number, seenMs: number): boolean {
  return Math.abs(nowMs - seenMs) > awayMs;
}

/** The smallest text that sorts behind everything that begins with `prefix`; keys are printable ASCII. */
export function afterPrefix(prefix: string): string {
  return `${prefix}\x7f`;
}
