import { endianness } from 'node:os';
import { AddressFamily } from './constants.ts';

/**
 * Socket addresses as the kernel lays them out. Families and interface indexes are in host byte order, ports and
 * addresses in network byte order.
 */
const isLittle = endianness() === 'LE';

/** An IP socket address. `octets` are 4 or 16, in network order. */
export interface InetSocketAddress {
  readonly type: 'inet';
  readonly octets: Uint8Array;
  readonly port: number;
  /** Interface index of an IPv6 link-local address; 0 or absent for none. */
  readonly scopeId?: number;
}

/** A netlink socket address: port id (0 asks the kernel for one) and a mask of the first 32 groups. */
export interface NetlinkSocketAddress {
  readonly type: 'netlink';
  readonly portId: number;
  readonly groups: number;
}

export type SocketAddress = InetSocketAddress | NetlinkSocketAddress;

/**
 * A `sockaddr_in` (16 octets) or `sockaddr_in6` (28 octets), by the length of the address.
 * @param octets 4 or 16 octets in network order
 * @param scopeId interface index, needed for an IPv6 link-local address
 * @throws RangeError for another length or a port outside 0..65535
 */
export function inetSocketAddress(octets: Uint8Array, port: number, scopeId = 0): Uint8Array {
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new RangeError(`port ${port}: must be 0..65535`);
  if (octets.length === 4) {
    const address = new Uint8Array(16);
    const view = new DataView(address.buffer);
    view.setUint16(0, AddressFamily.Inet, isLittle);
    view.setUint16(2, port);
    address.set(octets, 4);
    return address;
  }
  if (octets.length === 16) {
    const address = new Uint8Array(28);
    const view = new DataView(address.buffer);
    view.setUint16(0, AddressFamily.Inet6, isLittle);
    view.setUint16(2, port);
    address.set(octets, 8);
    view.setUint32(24, scopeId, isLittle);
    return address;
  }
  throw new RangeError(`address of ${octets.length} octets: must be 4 or 16`);
}

/** A `sockaddr_nl` (12 octets). */
export function netlinkSocketAddress(portId = 0, groups = 0): Uint8Array {
  const address = new Uint8Array(12);
  const view = new DataView(address.buffer);
  view.setUint16(0, AddressFamily.Netlink, isLittle);
  view.setUint32(4, portId, isLittle);
  view.setUint32(8, groups, isLittle);
  return address;
}

/**
 * Reads what `getsockname`, `getpeername` or `receiveMessage` gave.
 * @returns undefined for a family other than IPv4, IPv6 and netlink, or when cut short; the octets are a copy
 */
export function parseSocketAddress(address: Uint8Array): SocketAddress | undefined {
  if (address.length < 2) return undefined;
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  const family = view.getUint16(0, isLittle);
  if (family === AddressFamily.Inet && address.length >= 8) {
    return { type: 'inet', octets: address.slice(4, 8), port: view.getUint16(2) };
  }
  if (family === AddressFamily.Inet6 && address.length >= 28) {
    const scopeId = view.getUint32(24, isLittle);
    return {
      type: 'inet',
      octets: address.slice(8, 24),
      port: view.getUint16(2),
      ...(scopeId === 0 ? {} : { scopeId }),
    };
  }
  if (family === AddressFamily.Netlink && address.length >= 12) {
    return { type: 'netlink', portId: view.getUint32(4, isLittle), groups: view.getUint32(8, isLittle) };
  }
  return undefined;
}
