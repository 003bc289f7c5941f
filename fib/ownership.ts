import { RowFlag } from './delta.ts';
import { RouteOp } from './kernel.ts';
import { Target, type TargetTable } from './target.ts';

/** What makes a kernel route ours: our protocol number, in our table. Nothing else is ever deleted or replaced. */
export interface Ownership {
  readonly protocol: number;
  readonly table: number;
}

/** Whether a route with this protocol number in this table is ours. */
export function isOurs(own: Ownership, protocol: number, table: number): boolean {
  return protocol === own.protocol && table === own.table;
}

/**
 * The operation that brings a row nearer to what is wanted, 0 for none. The rules that keep foreign routes safe:
 * - a route is created exclusively (EEXIST instead of a second one beside a foreign route);
 * - it is replaced only where ours is known to be, and never when a foreign one shares prefix and metric, since the kernel replaces the
 *   first of them whoever owns it: ours is then taken out by protocol number and put in again (`Reclaim`);
 * - deletes name our protocol number, so the kernel itself spares everything else;
 * - after a refusal nothing is tried until the row is taken up again, but a stale route of ours goes, unless all its next hops are still
 *   wanted (a multipath route of which one way is down): what the RIB gave up must not go on forwarding.
 */
export function nextOperation(wanted: number, actual: number, flags: number, targets: TargetTable): RouteOp | 0 {
  if ((flags & RowFlag.Orphan) !== 0) return 0;
  if ((flags & (RowFlag.Failed | RowFlag.Conflict)) !== 0) {
    if (actual === Target.None || actual === wanted || wanted === Target.None) return 0;
    return targets.isPartOf(actual, wanted) ? 0 : RouteOp.Delete;
  }
  if (wanted === Target.None) return actual === Target.None ? 0 : RouteOp.Delete;
  if (actual === Target.None) return (flags & RowFlag.Verify) === 0 ? RouteOp.Add : RouteOp.Reclaim;
  if (actual === wanted) return 0;
  if (actual === Target.Unknown || (flags & RowFlag.Shared) !== 0) return RouteOp.Reclaim;
  return RouteOp.Replace;
}
