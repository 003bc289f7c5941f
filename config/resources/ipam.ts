import { z } from 'zod';
import { boolean, cidr, field, integer, nonEmptyText, oneOf } from '../values.ts';
import type { KindDefinition, Resource } from './resource.ts';

const reservationSchema = z.strictObject({ reservedCIDRs: z.array(field(cidr())).optional() });

/** Addresses that are not given out. */
export type IpReservationResource = Resource<'IPReservation', z.infer<typeof reservationSchema>>;

/** IPReservation. */
export const ipReservation: KindDefinition<'IPReservation', z.infer<typeof reservationSchema>> = {
  kind: 'IPReservation',
  spec: reservationSchema,
};

const ipamSchema = z.strictObject({
  strictAffinity: field(boolean).optional(),
  maxBlocksPerHost: field(integer(0, 1_000_000)).optional(),
  autoAllocateBlocks: field(boolean).optional(),
  kubeVirtVMAddressPersistence: field(oneOf(['Enabled', 'Disabled'])).optional(),
  ipCooldownSeconds: field(integer(0, 1200)).optional(),
});

/** How addresses are managed. */
export type IpamConfigurationSpec = z.infer<typeof ipamSchema>;

/** IPAMConfiguration, called IPAMConfig in Calico's v1 group. */
export type IpamConfigurationResource = Resource<'IPAMConfiguration', IpamConfigurationSpec>;

/** IPAMConfiguration. */
export const ipamConfiguration: KindDefinition<'IPAMConfiguration', IpamConfigurationSpec> = {
  kind: 'IPAMConfiguration',
  spec: ipamSchema,
  rules(raw, report) {
    if (raw['strictAffinity'] !== true && raw['autoAllocateBlocks'] === false) {
      report.error(['spec', 'autoAllocateBlocks'], 'false needs strictAffinity: true');
    }
    if (typeof raw['maxBlocksPerHost'] === 'number' && raw['maxBlocksPerHost'] > 0 && raw['strictAffinity'] !== true) {
      report.error(['spec', 'maxBlocksPerHost'], 'a limit needs strictAffinity: true');
    }
    if (raw['kubeVirtVMAddressPersistence'] === 'Enabled') {
      report.warn(['spec', 'kubeVirtVMAddressPersistence'], 'Enabled: not supported, addresses go with the pod');
    }
  },
};

const affinitySchema = z.strictObject({
  state: field(oneOf(['pending', 'confirmed', 'pendingDeletion'])),
  node: field(nonEmptyText(253)),
  type: field(oneOf(['host', 'virtual'])).optional(),
  cidr: field(cidr()),
  deleted: field((value) => boolean(value === 'true' ? true : value === 'false' ? false : value)).optional(),
});

/** A block that belongs to a node. */
export type BlockAffinityResource = Resource<'BlockAffinity', z.infer<typeof affinitySchema>>;

/** BlockAffinity: only a confirmed one counts. */
export const blockAffinity: KindDefinition<'BlockAffinity', z.infer<typeof affinitySchema>> = {
  kind: 'BlockAffinity',
  spec: affinitySchema,
  rules(raw, report) {
    if (raw['deleted'] === true || raw['deleted'] === 'true') {
      report.error(['spec', 'deleted'], 'true: is for Calico itself to set, not for configuration');
    }
  },
};
