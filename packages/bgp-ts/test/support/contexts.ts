import { defaultContext, type SessionContext } from '../../src/index.ts';

export const ebgp: SessionContext = defaultContext;
export const ibgp: SessionContext = { ...defaultContext, kind: 'ibgp' };
export const confed: SessionContext = { ...defaultContext, kind: 'confed' };
/** A peer without 4-octet AS numbers. */
export const ebgp2: SessionContext = { ...defaultContext, fourOctetAs: false };
export const ibgp2: SessionContext = { ...ibgp, fourOctetAs: false };
/** ADD-PATH in both directions for both families. */
export const addPath: SessionContext = {
  ...defaultContext,
  addPathReceive: new Set(['ipv4-unicast', 'ipv6-unicast']),
  addPathSend: new Set(['ipv4-unicast', 'ipv6-unicast']),
};
/** IPv6 next hops for IPv4 (RFC 8950). */
export const extendedNextHop: SessionContext = { ...defaultContext, extendedNextHop: new Set(['ipv4-unicast']) };
export const allContexts: readonly SessionContext[] = [ebgp, ibgp, confed, ebgp2, ibgp2, addPath, extendedNextHop];
