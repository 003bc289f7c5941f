/**
 * Addresses of interfaces: RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR (linux/if_addr.h). The fixed part is `struct ifaddrmsg`,
 * 8 octets: family, prefix length, flags (the low 8 of 32), scope, interface index (32 bits).
 */
import {
  AttributeReader,
  hostIsLittle,
  MalformedNetlink,
  MessageFlag,
  MessageType,
  type NetlinkMessage,
  type NetlinkRequest,
} from './message.ts';
import type { NetlinkWriter } from './writer.ts';

const IFADDRMSG_OCTETS = 8;
const AF_INET = 2;
const AF_INET6 = 10;
const Ifa = { Address: 1, Local: 2, Label: 3, Flags: 8 } as const;

/** Flags of an address (`IFA_F_*`). */
export const AddressFlag = {
  Secondary: 0x1,
  NoDad: 0x2,
  DadFailed: 0x8,
  Deprecated: 0x20,
  Tentative: 0x40,
  Permanent: 0x80,
  NoPrefixRoute: 0x200,
} as const;

/** One address of one interface. */
export interface InterfaceAddress {
  readonly version: 4 | 6;
  /** 4 or 16 octets. */
  readonly octets: Uint8Array;
  readonly prefixLength: number;
  readonly interfaceIndex: number;
  /** The other end's address, where it differs (point-to-point, IPv4). */
  readonly peer?: Uint8Array | undefined;
  /** `RouteScope`; worked out from the address when absent. */
  readonly scope?: number | undefined;
  /** IPv6: usable at once, no duplicate address detection. */
  readonly noDad?: boolean | undefined;
  /** Adds no route to the prefix. */
  readonly noPrefixRoute?: boolean | undefined;
  readonly label?: string | undefined;
  /** All flags as the kernel has them, `AddressFlag` bits; read only. */
  readonly flags?: number | undefined;
}

/** A request to add an address. EEXIST when it is there, unless `replace`. */
export function addAddress(address: InterfaceAddress, mode: 'create' | 'replace' = 'create'): NetlinkRequest {
  const flags = MessageFlag.Create | (mode === 'replace' ? MessageFlag.Replace : MessageFlag.Exclusive);
  return { type: MessageType.NewAddress, flags, write: (writer) => writeAddress(writer, address) };
}

/** A request to remove an address. EADDRNOTAVAIL when it is not there. */
export function deleteAddress(address: InterfaceAddress): NetlinkRequest {
  return { type: MessageType.DelAddress, flags: 0, write: (writer) => writeAddress(writer, address) };
}

/** A request to list addresses: of one family, or of all; of one interface (filtered by the kernel only when strict), or of all. */
export function dumpAddresses(filter: { version?: 4 | 6; interfaceIndex?: number } = {}): NetlinkRequest {
  return {
    type: MessageType.GetAddress,
    flags: MessageFlag.Dump,
    write(w) {
      w.u8(filter.version === undefined ? 0 : filter.version === 4 ? AF_INET : AF_INET6);
      w.u8(0);
      w.u8(0);
      w.u8(0);
      w.u32(filter.interfaceIndex ?? 0);
    },
  };
}

/** Host scope for loopback, link scope for fe80::/10, universe else, as `ip address add` does. */
function scopeOf(octets: Uint8Array): number {
  if (octets.length === 4) return octets[0] === 127 ? 254 : 0;
  if (octets[0] === 0xfe && ((octets[1] ?? 0) & 0xc0) === 0x80) return 253;
  return octets[15] === 1 && octets.subarray(0, 15).every((octet) => octet === 0) ? 254 : 0;
}

function writeAddress(w: NetlinkWriter, address: InterfaceAddress): void {
  let flags = 0;
  if (address.noDad === true) flags |= AddressFlag.NoDad;
  if (address.noPrefixRoute === true) flags |= AddressFlag.NoPrefixRoute;
  w.u8(address.version === 4 ? AF_INET : AF_INET6);
  w.u8(address.prefixLength);
  w.u8(0);
  w.u8(address.scope ?? scopeOf(address.octets));
  w.u32(address.interfaceIndex);
  w.attributeOctets(Ifa.Local, address.octets);
  w.attributeOctets(Ifa.Address, address.peer ?? address.octets);
  if (address.label !== undefined) w.attributeText(Ifa.Label, address.label);
  if (flags !== 0) w.attributeU32(Ifa.Flags, flags);
}

/**
 * Reads an RTM_NEWADDR or RTM_DELADDR, as an answer or a notification.
 * @returns undefined for another family than IPv4 and IPv6
 * @throws MalformedNetlink
 */
export function decodeAddress(message: NetlinkMessage): InterfaceAddress | undefined {
  const attributes = AttributeReader.ofMessage(message, IFADDRMSG_OCTETS);
  const { view, start } = message;
  const family = view.getUint8(start);
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  let flags = view.getUint8(start + 2);
  let address: Uint8Array | undefined;
  let local: Uint8Array | undefined;
  let label: string | undefined;
  while (attributes.next()) {
    switch (attributes.type) {
      case Ifa.Address:
        address = attributes.address();
        break;
      case Ifa.Local:
        local = attributes.address();
        break;
      case Ifa.Label:
        label = attributes.text();
        break;
      case Ifa.Flags:
        flags = attributes.u32();
        break;
    }
  }
  const octets = local ?? address;
  if (octets === undefined) throw new MalformedNetlink('address message without an address');
  const wanted = family === AF_INET ? 4 : 16;
  if (octets.length !== wanted)
    throw new MalformedNetlink(`address of ${octets.length} octets: the family has ${wanted}`);
  return {
    version: family === AF_INET ? 4 : 6,
    octets,
    prefixLength: view.getUint8(start + 1),
    interfaceIndex: view.getUint32(start + 4, hostIsLittle),
    ...(address === undefined || sameOctets(address, octets) ? {} : { peer: address }),
    scope: view.getUint8(start + 3),
    ...((flags & AddressFlag.NoDad) === 0 ? {} : { noDad: true }),
    ...((flags & AddressFlag.NoPrefixRoute) === 0 ? {} : { noPrefixRoute: true }),
    ...(label === undefined ? {} : { label }),
    flags,
  };
}

function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, i) => octet === b[i]);
}
