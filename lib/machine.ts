import type { IpAddress } from 'bgp-ts';

/** An address of an interface. */
export interface MachineAddress {
  readonly address: IpAddress;
  readonly prefixLength: number;
  readonly scope: 'global' | 'link' | 'host';
  readonly flags: readonly AddressWord[];
}

/** What the kernel says about an address. `secondary` is IPv4's: another address of the same network is the first one. */
export type AddressWord = 'secondary' | 'temporary' | 'tentative' | 'duplicate' | 'deprecated';

/** An interface of this machine. */
export interface MachineInterface {
  readonly index: number;
  readonly name: string;
  /** `veth`, `bridge`, ...; absent for hardware. */
  readonly kind?: string | undefined;
  readonly isLoopback: boolean;
  readonly isUp: boolean;
  /** The bridge, bond or VRF it belongs to. */
  readonly master?: string | undefined;
  /** In the kernel's order. */
  readonly addresses: readonly MachineAddress[];
}
