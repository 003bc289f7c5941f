import {
  asPathLength,
  Families,
  formatAsPath,
  formatCommunity,
  formatExtendedCommunity,
  formatIp,
  formatLargeCommunity,
  formatPrefix,
  Origin,
  type PathAttributes,
} from 'bgp-ts';
import type { ApiAttributes, Route } from '../../lib/api.ts';
import { unreachable } from '../../lib/result.ts';
import type { InvalidReason, PathView } from '../../rib/types.ts';

/** A path as the control API prints it. `direction` is the policy that `view.policyTerm` belongs to. */
export function apiRoute(view: PathView, direction: 'import' | 'export'): Route {
  const isRejected = view.invalidReason === 'import-policy';
  return {
    prefix: formatPrefix(view.prefix),
    family: Families[view.family].name,
    ...(view.pathId === undefined ? {} : { pathId: view.pathId }),
    source: view.source === 'bgp' ? 'peer' : view.source,
    ...(view.peer === undefined ? {} : { peer: view.peer.name, peerAddress: formatIp(view.peer.address) }),
    kind: view.peer?.kind ?? 'local',
    valid: view.valid,
    best: view.best,
    multipath: view.multipath,
    ...(view.rule === undefined ? {} : { rule: view.rule }),
    ...(view.invalidReason === undefined ? {} : { reason: reasonText(view.invalidReason) }),
    attributes: apiAttributes(view.attributes),
    ...(view.beforePolicy === undefined ? {} : { beforePolicy: apiAttributes(view.beforePolicy) }),
    ...(view.afterPolicy === undefined ? {} : { afterPolicy: apiAttributes(view.afterPolicy) }),
    ...(view.policyTerm === undefined
      ? {}
      : {
          policy: { direction, verdict: isRejected ? ('reject' as const) : ('accept' as const), term: view.policyTerm },
        }),
  };
}

/** Path attributes in the field's printable forms. */
export function apiAttributes(a: PathAttributes): ApiAttributes {
  const asPath = a.asPath ?? [];
  return {
    ...(a.origin === undefined ? {} : { origin: originText(a.origin) }),
    asPath: formatAsPath(asPath),
    asPathLength: asPathLength(asPath),
    ...(a.nextHop === undefined ? {} : { nextHop: formatIp(a.nextHop) }),
    ...(a.linkLocalNextHop === undefined ? {} : { linkLocalNextHop: formatIp(a.linkLocalNextHop) }),
    ...(a.med === undefined ? {} : { med: a.med }),
    ...(a.localPref === undefined ? {} : { localPref: a.localPref }),
    ...(a.atomicAggregate === undefined ? {} : { atomicAggregate: true as const }),
    ...(a.aggregator === undefined
      ? {}
      : { aggregator: { asn: a.aggregator.asn, address: formatIp(a.aggregator.address) } }),
    ...(a.communities === undefined ? {} : { communities: a.communities.map(formatCommunity) }),
    ...(a.extendedCommunities === undefined
      ? {}
      : { extendedCommunities: a.extendedCommunities.map(formatExtendedCommunity) }),
    ...(a.largeCommunities === undefined ? {} : { largeCommunities: a.largeCommunities.map(formatLargeCommunity) }),
    ...(a.originatorId === undefined ? {} : { originatorId: formatIp(a.originatorId) }),
    ...(a.clusterList === undefined ? {} : { clusterList: a.clusterList.map(formatIp) }),
    ...(a.aigp === undefined ? {} : { aigp: String(a.aigp.metric) }),
    ...(a.onlyToCustomer === undefined ? {} : { onlyToCustomer: a.onlyToCustomer }),
    ...(a.unknown === undefined || a.unknown.length === 0
      ? {}
      : {
          unknown: a.unknown.map(({ code, flags, value }) => ({
            code,
            flags,
            value: Buffer.from(value).toString('hex'),
          })),
        }),
  };
}

function originText(origin: Origin): 'IGP' | 'EGP' | 'incomplete' {
  switch (origin) {
    case Origin.Igp:
      return 'IGP';
    case Origin.Egp:
      return 'EGP';
    case Origin.Incomplete:
      return 'incomplete';
    default:
      return unreachable(origin);
  }
}

/** Why a path is not usable, in words. */
export function reasonText(reason: InvalidReason): string {
  switch (reason) {
    case 'import-policy':
      return 'rejected by import policy';
    case 'as-loop':
      return 'own AS in the AS path';
    case 'originator-loop':
      return 'own router id as ORIGINATOR_ID';
    case 'cluster-loop':
      return 'own cluster id in CLUSTER_LIST';
    case 'route-leak':
      return 'route leak: ONLY_TO_CUSTOMER from a peer it must not come from (RFC 9234)';
    case 'family-disabled':
      return 'routes of this family could not be read, the family is out of use (RFC 7606)';
    case 'next-hop-unreachable':
      return 'next hop unreachable';
    case 'next-hop-own':
      return 'next hop is an address of this node';
    case 'session-down':
      return 'session down';
    default:
      return unreachable(reason);
  }
}
