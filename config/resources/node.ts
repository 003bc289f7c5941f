import type { IpAddress, Prefix } from 'bgp-ts';
import { z } from 'zod';
import { isRawMap } from '../document.ts';
import { asNumber, boolean, cidr, field, interfaceAddress, ipOfVersion, oneOf, routerId, text } from '../values.ts';
import { isSet, type KindDefinition, type Resource } from './resource.ts';

/** What a Node says about BGP, whatever form it was written in. */
export interface NodeSpec {
  readonly asNumber?: number | undefined;
  readonly ipv4Address?: IpAddress | undefined;
  readonly ipv6Address?: IpAddress | undefined;
  readonly routerID?: IpAddress | undefined;
  readonly routeReflectorClusterID?: IpAddress | undefined;
  readonly podCIDRs?: readonly Prefix[] | undefined;
  readonly networks?: readonly NodeNetwork[] | undefined;
}

/** A network that the node originates. */
export interface NodeNetwork {
  readonly cidr: Prefix;
  readonly discard?: boolean | undefined;
}

/** A node of the cluster. */
export type NodeResource = Resource<'Node', NodeSpec>;

const calicoBgp = z.strictObject({
  asNumber: field(asNumber).optional(),
  ipv4Address: field(interfaceAddress(4)).optional(),
  ipv6Address: field(interfaceAddress(6)).optional(),
  /** Tunnel addresses belong to encapsulation, which podroute does not do. */
  ipv4IPIPTunnelAddr: field(ipOfVersion(4)).optional(),
  routeReflectorClusterID: field(routerId).optional(),
});

/** Fields of a Calico Node that have no meaning without encapsulation or host endpoints; read and left alone. */
const calicoOther = {
  orchRefs: z.array(z.unknown()).optional(),
  addresses: z
    .array(
      z.strictObject({
        address: field(text(64)),
        type: field(oneOf(['CalicoNodeIP', 'InternalIP', 'ExternalIP'])).optional(),
      }),
    )
    .optional(),
  interfaces: z.array(z.unknown()).optional(),
  wireguard: z.unknown().optional(),
  ipv4VXLANTunnelAddr: z.unknown().optional(),
  vxlanTunnelMACAddr: z.unknown().optional(),
  ipv6VXLANTunnelAddr: z.unknown().optional(),
  vxlanTunnelMACAddrV6: z.unknown().optional(),
};

/** Node of Calico's API: what BGP needs is under `spec.bgp`. */
export const calicoNode: KindDefinition<'Node', NodeSpec> = {
  kind: 'Node',
  spec: z.strictObject({ bgp: calicoBgp.optional(), ...calicoOther }).transform(({ bgp }): NodeSpec => ({ ...bgp })),
  rules(raw, report) {
    const { bgp } = raw;
    if (isRawMap(bgp) && Object.keys(bgp).length === 0) {
      report.error(['spec', 'bgp'], 'is empty: leave it out, or give an address');
    }
    if (isRawMap(bgp) && isSet(bgp, 'ipv4IPIPTunnelAddr')) {
      report.warn(['spec', 'bgp', 'ipv4IPIPTunnelAddr'], 'podroute does not encapsulate: the address is not used');
    }
    for (const key of ['wireguard', 'ipv4VXLANTunnelAddr', 'ipv6VXLANTunnelAddr']) {
      if (isSet(raw, key)) report.warn(['spec', key], 'podroute does not encapsulate: not used');
    }
  },
};

const podrouteFields = {
  asNumber: field(asNumber).optional(),
  ipv4Address: field(interfaceAddress(4)).optional(),
  ipv6Address: field(interfaceAddress(6)).optional(),
  routeReflectorClusterID: field(routerId).optional(),
};

const network = z.strictObject({ cidr: field(cidr()), discard: field(boolean).optional() });

/** Node of podroute: the same fields without the `bgp` level (which is accepted too), and what this node originates. */
export const podrouteNode: KindDefinition<'Node', NodeSpec> = {
  kind: 'Node',
  spec: z
    .strictObject({
      ...podrouteFields,
      bgp: calicoBgp.optional(),
      routerID: field(routerId).optional(),
      podCIDRs: z.array(field(cidr())).optional(),
      networks: z
        .array(z.preprocess((value) => (typeof value === 'string' ? { cidr: value } : value), network))
        .optional(),
    })
    .transform(({ bgp, ...rest }): NodeSpec => ({ ...bgp, ...rest })),
  rules(raw, report) {
    const { bgp } = raw;
    if (!isRawMap(bgp)) return;
    for (const key of Object.keys(bgp)) {
      if (isSet(raw, key)) report.error(['spec', 'bgp', key], `is there twice: also as spec.${key}`);
    }
  },
};

/** Node of Kubernetes itself: Calico keeps its BGP settings in annotations there. */
export const kubernetesNode: KindDefinition<'Node', NodeSpec> = {
  kind: 'Node',
  at: 'document',
  spec: z
    .object({
      metadata: z.object({
        annotations: z
          .object({
            'projectcalico.org/ASNumber': field(asNumber).optional(),
            'projectcalico.org/IPv4Address': field(interfaceAddress(4)).optional(),
            'projectcalico.org/IPv6Address': field(interfaceAddress(6)).optional(),
            'projectcalico.org/RouteReflectorClusterID': field(routerId).optional(),
          })
          .optional(),
      }),
      spec: z.object({ podCIDR: field(cidr()).optional(), podCIDRs: z.array(field(cidr())).optional() }).optional(),
    })
    .transform(({ metadata, spec }): NodeSpec => {
      const annotations = metadata.annotations ?? {};
      return {
        asNumber: annotations['projectcalico.org/ASNumber'],
        ipv4Address: annotations['projectcalico.org/IPv4Address'],
        ipv6Address: annotations['projectcalico.org/IPv6Address'],
        routeReflectorClusterID: annotations['projectcalico.org/RouteReflectorClusterID'],
        podCIDRs: spec?.podCIDRs ?? (spec?.podCIDR === undefined ? undefined : [spec.podCIDR]),
      };
    }),
};
