import { Role, type Role as RoleNumber } from 'bgp-ts';
import type { DesiredAttributeRules } from './desired-state.ts';
import type { Reporter } from './document.ts';
import type { BgpConfigurationSpec } from './resources/bgp-configuration.ts';
import type { BgpPeerSpec } from './resources/bgp-peer.ts';

/** What a session is, as far as rules for attributes depend on it. */
export interface SessionKind {
  readonly kind: 'ebgp' | 'ibgp';
  /** eBGP with another member AS of our confederation. */
  readonly isConfederationMember: boolean;
}

/** What becomes of next hops, by its word in a BGPPeer. */
export const NEXT_HOP_MODES = { Auto: 'auto', Self: 'self', Keep: 'unchanged' } as const;

/** Fields that mean something on eBGP sessions only. */
const EBGP_FIELDS = ['asOverride', 'removePrivateAS', 'localRole', 'strictRole'] as const;

/**
 * What becomes of path attributes on a session: the words of its BGPPeer, else those of the BGPConfiguration. What nobody wrote is left out,
 * and the RIB's default holds, which depends on the kind of session.
 */
export function attributeRules(
  spec: BgpPeerSpec,
  configuration: BgpConfigurationSpec,
  { kind, isConfederationMember }: SessionKind,
  report: Reporter | undefined,
): DesiredAttributeRules {
  const isOutside = kind === 'ebgp' && !isConfederationMember;
  if (!isOutside) {
    for (const name of EBGP_FIELDS) {
      if (spec[name] === undefined) continue;
      const message = 'has a meaning for eBGP only, to peers outside of the confederation';
      report?.error(['spec', name], message);
    }
  }
  if (kind === 'ebgp' && spec.clusterID !== undefined) {
    report?.error(['spec', 'clusterID'], 'only iBGP peers can be in a cluster (RFC 4456)');
  }
  if (spec.strictRole === true && spec.localRole === undefined) {
    report?.error(['spec', 'strictRole'], 'needs localRole');
  }
  const role: RoleNumber | undefined = spec.localRole && Role[spec.localRole];
  const { nextHop } = spec;
  const rules: DesiredAttributeRules = {
    isConfederationMember: isConfederationMember || undefined,
    asOverride: spec.asOverride,
    removePrivateAs: spec.removePrivateAS,
    role,
    strictRole: spec.strictRole,
    gracefulShutdown: spec.gracefulShutdown ?? configuration.gracefulShutdown,
    honoursGracefulShutdown: spec.honorGracefulShutdown,
    aigp: spec.aigp,
    allowsAsSets: spec.allowASSets ?? configuration.allowASSets,
    clusterId: spec.clusterID,
    clientToClient: spec.clientToClientReflection ?? configuration.clientToClientReflection,
    nextHopOf:
      nextHop?.ebgp === undefined && nextHop?.ibgp === undefined
        ? undefined
        : { ebgp: nextHop.ebgp && NEXT_HOP_MODES[nextHop.ebgp], ibgp: nextHop.ibgp && NEXT_HOP_MODES[nextHop.ibgp] },
    nextHopIn: nextHop?.import === 'Peer' ? 'peer' : undefined,
  };
  return Object.fromEntries(Object.entries(rules).filter(([, value]) => value !== undefined));
}
