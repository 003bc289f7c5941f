import type { GroupMember } from './kernel.ts';
import { type FibNextHop, hopText } from './target.ts';

/**
 * Where a way stands. `plain`: its routes carry the gateways themselves; `wanted`: not told to the kernel yet; `there`: told, and not refused so
 * far, so routes may name it; `blocked`: the kernel has no such object now, routes have to wait.
 */
export type WayState = 'plain' | 'wanted' | 'there' | 'blocked';

/** A set of next hops that may change under the routes that lead there. */
export interface Way {
  readonly target: number;
  /** What is wanted. */
  hops: readonly FibNextHop[];
  text: string;
  /** The same as a set that never changes. */
  set: number;
  state: WayState;
  /** Members the kernel's group has, as far as known; empty when there is none. */
  members: readonly GroupMember[];
  /** Hops the kernel refused, left out until the next try. */
  leftOut: Set<string>;
  /** Why `blocked`, 0 when not for a refusal. */
  errno: number;
  isInFlight: boolean;
  isClosed: boolean;
  /** Somebody asked for it while it was `wanted`, and went away empty-handed: rows are to be looked at again once it is `there`. */
  wasAskedEarly: boolean;
  surprises: number;
}

/** Something of it was refused, and is to be tried again. */
export function isRefused(way: Way): boolean {
  return !way.isClosed && way.state !== 'plain' && (way.errno !== 0 || way.leftOut.size > 0);
}

/** The kernel wants gateway and interface of an object. */
export function canBeObject(hops: readonly FibNextHop[]): boolean {
  return hops.every(({ gateway, ifIndex }) => gateway !== undefined && ifIndex !== undefined);
}

/** Whether two lists in order of id are equal. */
export function sameMembers(a: readonly GroupMember[], b: readonly GroupMember[]): boolean {
  return a.length === b.length && a.every(({ id, weight }, i) => b[i]?.id === id && b[i]?.weight === weight);
}

/** Equal contents have equal texts. */
export function textOf(hops: readonly FibNextHop[]): string {
  return hops.map(hopText).sort().join(' ');
}

/** Equal for hops that are one nexthop object. */
export function keyOf(hop: FibNextHop): string {
  return hopText(withoutWeight(hop));
}

/** What of a hop is in its single object: the weight is the group's. */
export function withoutWeight(hop: FibNextHop): FibNextHop {
  const { gateway, ifIndex, onlink } = hop;
  return {
    ...(gateway === undefined ? {} : { gateway }),
    ...(ifIndex === undefined ? {} : { ifIndex }),
    ...(onlink === true ? { onlink } : {}),
  };
}
