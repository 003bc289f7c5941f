import type { BgpConfigurationResource } from './resources/bgp-configuration.ts';
import type { BgpFilterResource } from './resources/bgp-filter.ts';
import type { BgpPeerResource } from './resources/bgp-peer.ts';
import type { IpPoolResource } from './resources/ip-pool.ts';
import type { BlockAffinityResource, IpamConfigurationResource, IpReservationResource } from './resources/ipam.ts';
import type { NodeResource } from './resources/node.ts';
import type { AsPathSetResource, CommunitySetResource, PrefixSetResource } from './resources/policy-sets.ts';
import type { SecretResource } from './resources/secret.ts';
import type { SpeakerResource } from './resources/speaker.ts';
import type { AnyResource } from './resources/table.ts';
import type { SecretText } from './secret.ts';

/** What looking for a secret gave. */
export type SecretLookup =
  | { readonly type: 'key'; readonly key: SecretText }
  /** It is not there; `optional` secrets may do that. */
  | { readonly type: 'missing'; readonly reason: string }
  | { readonly type: 'unreadable'; readonly reason: string };

/** All resources that were read, by kind, each kind in order of name; and the secrets they refer to. */
export interface ResourceSet {
  readonly all: readonly AnyResource[];
  readonly configurations: readonly BgpConfigurationResource[];
  readonly peers: readonly BgpPeerResource[];
  readonly filters: readonly BgpFilterResource[];
  readonly prefixSets: readonly PrefixSetResource[];
  readonly asPathSets: readonly AsPathSetResource[];
  readonly communitySets: readonly CommunitySetResource[];
  readonly pools: readonly IpPoolResource[];
  readonly nodes: readonly NodeResource[];
  readonly speakers: readonly SpeakerResource[];
  readonly reservations: readonly IpReservationResource[];
  readonly ipam: readonly IpamConfigurationResource[];
  readonly affinities: readonly BlockAffinityResource[];
  /** By {@link secretId}. */
  readonly secrets: ReadonlyMap<string, SecretLookup>;
}

/** A place where a secret is: a key of a Secret, or a file. */
export type SecretReference =
  | { readonly type: 'secret'; readonly name: string; readonly key: string }
  | { readonly type: 'file'; readonly path: string };

/** Key of a reference in {@link ResourceSet.secrets}; also how messages name it. */
export function secretId(reference: SecretReference): string {
  return reference.type === 'file' ? `file ${reference.path}` : `key ${reference.key} of Secret ${reference.name}`;
}

/** Sorts resources by kind and name. */
export function toResourceSet(all: readonly AnyResource[], secrets: ReadonlyMap<string, SecretLookup>): ResourceSet {
  const sorted = all.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const ofKind = <K extends AnyResource['kind']>(kind: K) =>
    sorted.filter((resource): resource is Extract<AnyResource, { kind: K }> => resource.kind === kind);
  return {
    all,
    configurations: ofKind('BGPConfiguration'),
    peers: ofKind('BGPPeer'),
    filters: ofKind('BGPFilter'),
    prefixSets: ofKind('PrefixSet'),
    asPathSets: ofKind('ASPathSet'),
    communitySets: ofKind('CommunitySet'),
    pools: ofKind('IPPool'),
    nodes: ofKind('Node'),
    speakers: ofKind('Speaker'),
    reservations: ofKind('IPReservation'),
    ipam: ofKind('IPAMConfiguration'),
    affinities: ofKind('BlockAffinity'),
    secrets,
  };
}

/** Every secret that the resources refer to, once. */
export function secretReferences(resources: readonly AnyResource[]): SecretReference[] {
  const found = new Map<string, SecretReference>();
  const add = (reference: SecretReference | undefined) => {
    if (reference !== undefined) found.set(secretId(reference), reference);
  };
  for (const resource of resources) {
    if (resource.kind === 'BGPPeer') add(peerSecret(resource));
    else if (resource.kind === 'BGPConfiguration') add(meshSecret(resource));
  }
  return [...found.values()];
}

/** Where a peer's password is. */
export function peerSecret(peer: BgpPeerResource): SecretReference | undefined {
  const { password, passwordFile } = peer.spec;
  if (passwordFile !== undefined) return { type: 'file', path: passwordFile };
  const reference = password?.secretKeyRef;
  return reference && { type: 'secret', name: reference.name, key: reference.key };
}

/** Where the password of the node-to-node mesh is. */
export function meshSecret(configuration: BgpConfigurationResource): SecretReference | undefined {
  const reference = configuration.spec.nodeMeshPassword?.secretKeyRef;
  return reference && { type: 'secret', name: reference.name, key: reference.key };
}

/** Secrets that are resources themselves. */
export function secretsInResources(resources: readonly AnyResource[]): SecretResource[] {
  return resources.filter((resource): resource is SecretResource => resource.kind === 'Secret');
}
