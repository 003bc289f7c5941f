import { ip, type PathAttributes, parseAsPath, parseCommunity, prefix } from 'bgp-ts';
import { evaluate, preparePolicy } from '../../../rib/policy/evaluate.ts';
import type { PolicyRoute } from '../../../rib/policy/policy.ts';
import { calico, documents, policyOf, stateOf } from './support.ts';

/** This node. */
export const self = calico('Node', 'a', 'bgp: { ipv4Address: 10.0.0.1/24 }');
/** This node as a route reflector. */
export const reflector = calico('Node', 'a', 'bgp: { ipv4Address: 10.0.0.1/24, routeReflectorClusterID: 244.0.0.1 }');
/** The pool of pods. */
export const pool = calico('IPPool', 'pods', 'cidr: 10.244.0.0/16');

/** Communities by their texts. */
export const communities = (...texts: string[]) => texts.map((text) => parseCommunity(text) ?? Number.NaN);

/** A path from the ToR, changed as given. */
export function pathWith(changes: Partial<PolicyRoute> & { attributes?: PathAttributes } = {}): PolicyRoute {
  return {
    family: 'ipv4-unicast',
    prefix: prefix('10.244.5.0/24'),
    attributes: { origin: 0, asPath: parseAsPath('65000 65001 7') ?? [], nextHop: ip('192.0.2.1') },
    source: 'bgp',
    peer: { name: 'tor', address: ip('192.0.2.1'), kind: 'ebgp', remoteAs: 65000, localAs: 64512 },
    ...changes,
  };
}
/** The ToR in the same AS. */
export const ibgp = { name: 'tor', address: ip('192.0.2.1'), kind: 'ibgp', remoteAs: 64512, localAs: 64512 } as const;

/** What the policy of peer `tor` says. */
export function ask(text: string, direction: 'import' | 'export', route: PolicyRoute) {
  return evaluate(preparePolicy(policyOf(stateOf(text, 'a'), 'tor', direction)), route);
}

/** The ToR as a peer. */
export const tor = (spec = '', as = 65000) => calico('BGPPeer', 'tor', `peerIP: 192.0.2.1\nasNumber: ${as}\n${spec}`);
/** This node, its pool and a ToR with a BGPFilter. */
export const filtered = (rules: string, as = 65000) =>
  documents(self, pool, tor('filters: [f]', as), calico('BGPFilter', 'f', rules));
