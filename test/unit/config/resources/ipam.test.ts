import { describe } from 'vitest';
import { calico, resource } from '../support.ts';
import { check } from './check.ts';

describe('address management', () => {
  check(
    (spec) => calico('IPReservation', 'r', spec),
    [
      ['reservedCIDRs', 'reservedCIDRs: [10.0.0.0/29, 10.0.0.9/32]', []],
      [
        'reservedCIDRs with host bits',
        'reservedCIDRs: [10.0.0.1/29]',
        ['spec.reservedCIDRs[0]: "10.0.0.1/29": has bits set behind its length; did you mean 10.0.0.0/29?'],
      ],
    ],
  );
  check(
    (spec) => calico('IPAMConfig', 'default', spec),
    [
      ['IPAMConfig', 'strictAffinity: true\nmaxBlocksPerHost: 4\nautoAllocateBlocks: true\nipCooldownSeconds: 30', []],
      [
        'a limit without strict affinity',
        'maxBlocksPerHost: 4',
        ['spec.maxBlocksPerHost: a limit needs strictAffinity: true'],
      ],
      [
        'neither blocks nor borrowing',
        'autoAllocateBlocks: false',
        ['spec.autoAllocateBlocks: false needs strictAffinity: true'],
      ],
      ['a long cooldown', 'ipCooldownSeconds: 1201', ['spec.ipCooldownSeconds: 1201: must be from 0 to 1200']],
      [
        'virtual machines',
        'kubeVirtVMAddressPersistence: Enabled',
        ['warning spec.kubeVirtVMAddressPersistence: Enabled: not supported, addresses go with the pod'],
      ],
    ],
  );
  check(
    (spec) => resource('crd.projectcalico.org/v1', 'BlockAffinity', 'n-10-0-0-0-26', spec),
    [
      ['BlockAffinity', 'state: confirmed\nnode: n\ntype: host\ncidr: 10.0.0.0/26\ndeleted: "false"', []],
      [
        'a state that is none',
        'state: maybe\nnode: n\ncidr: 10.0.0.0/26',
        ['spec.state: "maybe": must be pending, confirmed or pendingDeletion'],
      ],
      [
        'deleted',
        'state: confirmed\nnode: n\ncidr: 10.0.0.0/26\ndeleted: "true"',
        ['spec.deleted: true: is for Calico itself to set, not for configuration'],
      ],
    ],
  );
});
