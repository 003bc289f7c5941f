import { type Capability, Role } from 'bgp-ts';

/** What the other side must be for each of our roles (RFC 9234 §4.2, table 2). */
const counterparts: Readonly<Record<Role, Role>> = {
  [Role.Provider]: Role.Customer,
  [Role.Customer]: Role.Provider,
  [Role.RouteServer]: Role.RouteServerClient,
  [Role.RouteServerClient]: Role.RouteServer,
  [Role.Peer]: Role.Peer,
};

/** Printable names, as configurations write them. */
export function roleName(role: number): string {
  return Object.entries(Role).find(([, value]) => value === role)?.[0] ?? `role ${role}`;
}

/**
 * Why the roles of both sides do not go together, in words; undefined if they do (RFC 9234 §4.2).
 * @param role ours, undefined if there is none: then the peer's does not matter
 * @param isStrict the peer must have one
 */
export function roleProblem(
  role: Role | undefined,
  isStrict: boolean,
  received: readonly Capability[],
): string | undefined {
  if (role === undefined) return undefined;
  const theirs = new Set<number>();
  for (const capability of received) if (capability.type === 'role') theirs.add(capability.role);
  if (theirs.size > 1) return `${[...theirs].map(roleName).join(' and ')}: more than one role`;
  const [other] = theirs;
  if (other === undefined) return isStrict ? `no role: ours is ${roleName(role)}, and strict` : undefined;
  return other === counterparts[role] ? undefined : `role ${roleName(other)}: ours is ${roleName(role)}`;
}
