import { RowFlag } from './delta.ts';
import { RouteOp } from './kernel.ts';
import { isWay, Target, type TargetTable } from './target.ts';

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
 * How careful to be with a key: `none`: a foreign route beside ours would be known; `merged`: the same, in IPv6, where the kernel makes one
 * multipath route of the two; `any`: notifications were lost, so a foreign route may be there unknown.
 */
export type Caution = 'none' | 'merged' | 'any';

/**
 * The operation that brings a row nearer to what is wanted, 0 for none. The rules that keep foreign routes safe:
 * - a route is created exclusively (EEXIST instead of a second one beside a foreign route);
 * - it is replaced only where ours is known to be, and never when a foreign one may share prefix and metric, since the kernel replaces
 *   the first of them whoever owns it: ours is then taken out by protocol number and put in again (`Reclaim`), which costs a gap of
 *   microseconds; in IPv6, where both are one multipath route, ours is taken out hop by hop (`DeleteHops`);
 * - deletes name our protocol number, so the kernel itself spares everything else;
 * - after a refusal nothing is tried until the row is taken up again, but a stale route of ours goes, unless all its next hops are still
 *   wanted (a multipath route of which one way is down): what the RIB gave up must not go on forwarding.
 *
 * What is left: the kernel has no compare-and-swap, so a replace that is on its way while somebody puts his own route in the place of ours
 * hits his. He loses at most the milliseconds until the notification of his change would have arrived.
 */
export function nextOperation(
  wanted: number,
  actual: number,
  flags: number,
  targets: TargetTable,
  caution: Caution,
): RouteOp | 0 {
  if ((flags & RowFlag.Orphan) !== 0) return 0;
  const isShared = (flags & RowFlag.Shared) !== 0;
  // The kernel never merges a route that names a nexthop object with another.
  const isMerged = isShared && caution === 'merged' && actual !== Target.Unknown && !isWay(actual);
  const removal = isMerged ? RouteOp.DeleteHops : RouteOp.Delete;
  if ((flags & (RowFlag.Failed | RowFlag.Conflict)) !== 0) {
    if (actual === Target.None || actual === wanted || wanted === Target.None) return 0;
    return targets.isPartOf(actual, wanted) ? 0 : removal;
  }
  if (actual === wanted) return 0;
  if (wanted === Target.None) return removal;
  if (actual === Target.None) return (flags & RowFlag.Verify) === 0 ? RouteOp.Add : RouteOp.Reclaim;
  if (isShared && removal === RouteOp.DeleteHops) return removal;
  if (actual === Target.Unknown || isShared || caution === 'any') return RouteOp.Reclaim;
  return RouteOp.Replace;
}
