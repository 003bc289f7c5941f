import type { RawResource } from '../document.ts';
import { didYouMean, type Problem } from '../problem.ts';
import { show } from '../values.ts';
import {
  type BgpConfigurationResource,
  calicoBgpConfiguration,
  podrouteBgpConfiguration,
} from './bgp-configuration.ts';
import { type BgpFilterResource, calicoBgpFilter, podrouteBgpFilter } from './bgp-filter.ts';
import { type BgpPeerResource, calicoBgpPeer, podrouteBgpPeer } from './bgp-peer.ts';
import { type IpPoolResource, ipPool } from './ip-pool.ts';
import {
  type BlockAffinityResource,
  blockAffinity,
  type IpamConfigurationResource,
  type IpReservationResource,
  ipamConfiguration,
  ipReservation,
} from './ipam.ts';
import { calicoNode, kubernetesNode, type NodeResource, podrouteNode } from './node.ts';
import {
  type AsPathSetResource,
  asPathSet,
  type CommunitySetResource,
  communitySet,
  type PrefixSetResource,
  prefixSet,
} from './policy-sets.ts';
import { type Dialect, type KindDefinition, readResource } from './resource.ts';
import { type SecretResource, secret } from './secret.ts';
import { type SpeakerResource, speaker } from './speaker.ts';

/** Any resource that podroute reads. */
export type AnyResource =
  | BgpConfigurationResource
  | BgpPeerResource
  | BgpFilterResource
  | PrefixSetResource
  | AsPathSetResource
  | CommunitySetResource
  | IpPoolResource
  | NodeResource
  | SpeakerResource
  | IpReservationResource
  | IpamConfigurationResource
  | BlockAffinityResource
  | SecretResource;

interface Api {
  readonly dialect: Dialect;
  /** Kinds that are read, by the name they have in this API. */
  // biome-ignore lint/suspicious/noExplicitAny: each definition has a spec of its own; AnyResource ties kind and spec together again
  readonly kinds: Readonly<Record<string, KindDefinition<AnyResource['kind'], any>>>;
}

const calicoKinds = {
  BGPConfiguration: calicoBgpConfiguration,
  BGPPeer: calicoBgpPeer,
  BGPFilter: calicoBgpFilter,
  IPPool: ipPool,
  Node: calicoNode,
  IPReservation: ipReservation,
  IPAMConfiguration: ipamConfiguration,
  IPAMConfig: ipamConfiguration,
  BlockAffinity: blockAffinity,
};

const podrouteKinds = {
  BGPConfiguration: podrouteBgpConfiguration,
  BGPPeer: podrouteBgpPeer,
  BGPFilter: podrouteBgpFilter,
  PrefixSet: prefixSet,
  ASPathSet: asPathSet,
  CommunitySet: communitySet,
  IPPool: ipPool,
  Node: podrouteNode,
  IPReservation: ipReservation,
  IPAMConfiguration: ipamConfiguration,
  BlockAffinity: blockAffinity,
  Speaker: speaker,
};

const APIS: Readonly<Record<string, Api>> = {
  'projectcalico.org/v3': { dialect: 'calico', kinds: calicoKinds },
  'crd.projectcalico.org/v1': { dialect: 'calico', kinds: calicoKinds },
  'podroute.io/v1': { dialect: 'podroute', kinds: podrouteKinds },
  v1: { dialect: 'kubernetes', kinds: { Node: kubernetesNode, Secret: secret } },
};

/** Kinds of Calico that come in the same files and have nothing to do with routing. */
const UNRELATED = [
  'CalicoNodeStatus',
  'ClusterInformation',
  'FelixConfiguration',
  'GlobalNetworkPolicy',
  'GlobalNetworkSet',
  'HostEndpoint',
  'IPAMBlock',
  'IPAMHandle',
  'KubeControllersConfiguration',
  'NetworkPolicy',
  'NetworkSet',
  'Profile',
  'StagedGlobalNetworkPolicy',
  'StagedKubernetesNetworkPolicy',
  'StagedNetworkPolicy',
  'Tier',
  'WorkloadEndpoint',
];

/** True for a kind by any of the names that people type: `BGPPeer`, `bgppeer`, `bgppeers`. */
export function isKind(kind: string, typed: string): boolean {
  const [a, b] = [kind.toLowerCase(), typed.toLowerCase()];
  return a === b || `${a}s` === b;
}

/** Reads one resource of any kind; nothing comes back for kinds that are passed over, and after errors. */
export function readAnyResource(raw: RawResource): { resource: AnyResource | undefined; problems: Problem[] } {
  const { value, origin } = raw;
  const { apiVersion, kind } = value;
  const { file, document } = origin;
  const report = (severity: 'error' | 'warning', path: string, message: string) => {
    const resource = typeof kind === 'string' ? kind : undefined;
    const line = origin.lineOf(path === '' ? [] : [path]);
    return { resource: undefined, problems: [{ severity, file, document, resource, line, path, message }] };
  };
  if (typeof apiVersion !== 'string') return report('error', 'apiVersion', 'is missing');
  if (typeof kind !== 'string') return report('error', 'kind', 'is missing');
  const api = Object.hasOwn(APIS, apiVersion) ? APIS[apiVersion] : undefined;
  if (api === undefined) {
    const group = apiVersion.split('/')[0] ?? '';
    const isOurs = ['podroute.io', 'projectcalico.org', 'crd.projectcalico.org'].includes(group);
    const meant = isOurs
      ? undefined
      : didYouMean(
          apiVersion,
          Object.keys(APIS).filter((name) => name.includes('/')),
        );
    if (isOurs) return report('error', 'apiVersion', `${show(apiVersion)}: this version is not known`);
    if (meant !== undefined) return report('error', 'apiVersion', `${show(apiVersion)}: did you mean ${meant}?`);
    return report('warning', '', `${kind} of ${apiVersion} is not used by podroute, ignored`);
  }
  const definition = Object.hasOwn(api.kinds, kind) ? api.kinds[kind] : undefined;
  if (definition === undefined) {
    if (api.dialect === 'calico' && UNRELATED.includes(kind))
      return report('warning', '', 'is not used by podroute, ignored');
    const known = [...Object.keys(api.kinds), ...(api.dialect === 'calico' ? UNRELATED : [])];
    const meant = api.dialect === 'kubernetes' ? undefined : didYouMean(kind, known);
    const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
    if (api.dialect === 'podroute')
      return report('error', 'kind', `${show(kind)}: unknown kind of ${apiVersion}${hint}`);
    return report(
      'warning',
      meant === undefined ? '' : 'kind',
      `${kind} of ${apiVersion} is not used by podroute${hint || ', ignored'}`,
    );
  }
  const read = readResource(raw, definition, api.dialect);
  return { resource: read.resource as AnyResource | undefined, problems: read.problems };
}
