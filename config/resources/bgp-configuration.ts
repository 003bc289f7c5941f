import { z } from 'zod';
import { isRawMap, type RawMap, type Reporter } from '../document.ts';
import {
  asNumber,
  boolean,
  cidr,
  community,
  field,
  holdTime,
  integer,
  ipAddress,
  ipOfVersion,
  nonEmptyText,
  oneOf,
  secondsBetween,
} from '../values.ts';
import { secretKeyRef } from './bgp-peer.ts';
import { type Dialect, isSet, type KindDefinition, type Resource } from './resource.ts';

const MAX_PRIORITY = 2147483646;

/** Calico's log levels, and ours. */
const LOG_LEVELS = ['Trace', 'Debug', 'Info', 'Warning', 'Warn', 'Error', 'Fatal'] as const;

const cidrs = z.array(z.strictObject({ cidr: field(cidr()) })).optional();

const calicoFields = {
  logSeverityScreen: field(oneOf(LOG_LEVELS, true)).optional(),
  nodeToNodeMeshEnabled: field(boolean).optional(),
  asNumber: field(asNumber).optional(),
  serviceLoadBalancerIPs: cidrs,
  serviceExternalIPs: cidrs,
  serviceClusterIPs: cidrs,
  serviceLoadBalancerAggregation: field(oneOf(['Enabled', 'Disabled'])).optional(),
  communities: z
    .array(z.strictObject({ name: field(nonEmptyText(253)), value: field(community) }))
    .max(500)
    .optional(),
  prefixAdvertisements: z
    .array(
      z.strictObject({
        cidr: field(cidr()),
        communities: z
          .array(field(nonEmptyText(253)))
          .max(50)
          .optional(),
      }),
    )
    .max(500)
    .optional(),
  listenPort: field(integer(1, 65535)).optional(),
  nodeMeshPassword: z.strictObject({ secretKeyRef: secretKeyRef.optional() }).optional(),
  nodeMeshMaxRestartTime: field(secondsBetween(1, 4095)).optional(),
  bindMode: field(oneOf(['None', 'NodeIP'])).optional(),
  ignoredInterfaces: z.array(field(nonEmptyText(253))).optional(),
  localWorkloadPeeringIPV4: field(ipOfVersion(4)).optional(),
  localWorkloadPeeringIPV6: field(ipOfVersion(6)).optional(),
  programClusterRoutes: field(nonEmptyText(64)).optional(),
  ipv4NormalRoutePriority: field(integer(1, MAX_PRIORITY)).optional(),
  ipv6NormalRoutePriority: field(integer(1, MAX_PRIORITY)).optional(),
};

const podrouteSchema = z.strictObject({
  ...calicoFields,
  listenAddresses: z.array(field(ipAddress)).optional(),
  holdTime: field(holdTime).optional(),
  connectRetryTime: field(secondsBetween(1, 3600)).optional(),
  confederation: z
    .strictObject({ identifier: field(asNumber), members: z.array(field(asNumber)).min(1).max(1000) })
    .optional(),
  gracefulShutdown: field(boolean).optional(),
  allowASSets: field(boolean).optional(),
  clientToClientReflection: field(boolean).optional(),
  multipath: z
    .strictObject({ maxPaths: field(integer(1, 128)).optional(), relaxASPath: field(boolean).optional() })
    .optional(),
});

/** Cluster-wide BGP settings, or those of one node. */
export type BgpConfigurationSpec = z.infer<typeof podrouteSchema>;

/** BGPConfiguration of either API. */
export type BgpConfigurationResource = Resource<'BGPConfiguration', BgpConfigurationSpec>;

/** BGPConfiguration of Calico's API. */
export const calicoBgpConfiguration: KindDefinition<'BGPConfiguration', BgpConfigurationSpec> = {
  kind: 'BGPConfiguration',
  spec: z.strictObject(calicoFields),
  rules: configurationRules,
};

/** BGPConfiguration of podroute. */
export const podrouteBgpConfiguration: KindDefinition<'BGPConfiguration', BgpConfigurationSpec> = {
  kind: 'BGPConfiguration',
  spec: podrouteSchema,
  rules: configurationRules,
};

const ROUTE_PROGRAMMERS = ['Enabled', 'Disabled', 'EnabledIPIPOnly', 'EnabledNoEncapOnly'];

function configurationRules(raw: RawMap, report: Reporter, dialect: Dialect): void {
  const at = (key: string) => ['spec', key];
  if (raw['nodeToNodeMeshEnabled'] === false) {
    for (const key of ['nodeMeshPassword', 'nodeMeshMaxRestartTime']) {
      if (isSet(raw, key)) report.error(at(key), 'has no meaning while nodeToNodeMeshEnabled is false');
    }
  }
  const { nodeMeshPassword } = raw;
  if (isRawMap(nodeMeshPassword) && !isSet(nodeMeshPassword, 'secretKeyRef')) {
    report.error(['spec', 'nodeMeshPassword', 'secretKeyRef'], 'is missing');
  }
  if (isSet(raw, 'communities') && !isSet(raw, 'prefixAdvertisements')) {
    report.error(at('communities'), 'are named but not used: prefixAdvertisements is missing');
  }
  checkAdvertisements(raw, report);
  if (isSet(raw, 'nodeMeshMaxRestartTime')) {
    report.warn(at('nodeMeshMaxRestartTime'), 'kept, but graceful restart is not offered to peers yet');
  }
  if (isSet(raw, 'ignoredInterfaces')) {
    report.warn(at('ignoredInterfaces'), 'has no effect: podroute never advertises routes of interfaces');
  }
  for (const key of ['localWorkloadPeeringIPV4', 'localWorkloadPeeringIPV6']) {
    if (isSet(raw, key)) report.warn(at(key), 'has no effect: peering with pods is not supported');
  }
  const programmed = raw['programClusterRoutes'];
  if (typeof programmed === 'string' && !ROUTE_PROGRAMMERS.includes(programmed)) {
    report.warn(at('programClusterRoutes'), `${JSON.stringify(programmed)}: unknown, EnabledNoEncapOnly is used`);
  } else if (programmed === 'Disabled' || programmed === 'EnabledIPIPOnly') {
    report.warn(at('programClusterRoutes'), `${programmed}: podroute puts routes into the kernel all the same`);
  }
  if (raw['serviceLoadBalancerAggregation'] === 'Disabled') {
    const message = 'Disabled: addresses of single services are not advertised yet, so serviceLoadBalancerIPs are not';
    report.warn(at('serviceLoadBalancerAggregation'), message);
  }
  warnSingleAddresses(raw, report);
  if (dialect === 'podroute' && isSet(raw, 'listenAddresses') && raw['bindMode'] === 'NodeIP') {
    report.error(at('listenAddresses'), 'cannot be set together with bindMode: NodeIP');
  }
}

/** Names used by prefixAdvertisements are communities, or names of them. */
function checkAdvertisements(raw: RawMap, report: Reporter): void {
  const { communities, prefixAdvertisements } = raw;
  const names = new Set<unknown>();
  for (const [i, entry] of (Array.isArray(communities) ? communities : []).entries()) {
    if (!isRawMap(entry) || entry['name'] === undefined) continue;
    if (names.has(entry['name'])) {
      report.error(['spec', 'communities', i, 'name'], `${JSON.stringify(entry['name'])}: is there twice`);
    }
    names.add(entry['name']);
  }
  for (const [i, entry] of (Array.isArray(prefixAdvertisements) ? prefixAdvertisements : []).entries()) {
    const used = isRawMap(entry) ? entry['communities'] : undefined;
    for (const [j, name] of (Array.isArray(used) ? used : []).entries()) {
      if (typeof name !== 'string' || names.has(name) || community(name).ok) continue;
      const message = `${JSON.stringify(name)}: is neither a community nor the name of one in spec.communities`;
      report.error(['spec', 'prefixAdvertisements', i, 'communities', j], message);
    }
  }
}

/** Single addresses are advertised by the nodes that serve them, which takes a watch on services. */
function warnSingleAddresses(raw: RawMap, report: Reporter): void {
  for (const key of ['serviceLoadBalancerIPs', 'serviceExternalIPs']) {
    const list = raw[key];
    for (const [i, entry] of (Array.isArray(list) ? list : []).entries()) {
      const prefix = isRawMap(entry) ? cidr()(entry['cidr']) : undefined;
      if (!prefix?.ok || prefix.value.length < prefix.value.address.octets.length * 8) continue;
      report.warn(['spec', key, i], 'a single address is advertised for its service only, which is not supported yet');
    }
  }
}
