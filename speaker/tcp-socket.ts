import { networkInterfaces } from 'node:os';
import type { IpAddress } from 'bgp-ts';
import { isLinkLocal } from 'bgp-ts';
import {
  AddressFamily,
  inetSocketAddress,
  interfaceIndex,
  parseSocketAddress,
  SocketLevel,
  SocketOption,
  SocketProtocol,
  SocketType,
  SystemError,
  setsockopt,
  socket,
} from '../native/index.ts';
import type { TcpOptions } from './connection.ts';

/** The kernel's default TTL, and its default for a socket that has asked for another before. */
const DEFAULT_TTL = -1;
/** `struct tcp_md5sig`: address (128), flags (1), prefix length (1), key length (2), interface (4), key (80). */
const MD5SIG_OCTETS = 216;
const MD5SIG_KEY_LENGTH_AT = 130;
const MD5SIG_KEY_AT = 136;
const MAX_KEY_OCTETS = 80;

/** An address with its port, and the interface if it is a link-local one. */
export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
  readonly device: string | undefined;
}

/** A non-blocking TCP socket of the address's family; the caller owns the file descriptor. */
export function tcpSocket(address: IpAddress): number {
  const domain = address.version === 4 ? AddressFamily.Inet : AddressFamily.Inet6;
  return socket(domain, SocketType.Stream | SocketType.NonBlocking, SocketProtocol.Tcp);
}

/**
 * The `sockaddr` of an address.
 * @param device the scope of a link-local address; ignored for others
 * @throws SystemError `ENODEV` if there is no such interface
 */
export function socketAddress(address: IpAddress, port: number, device: string | undefined): Uint8Array {
  const needsScope = address.version === 6 && isLinkLocal(address) && device !== undefined;
  return inetSocketAddress(address.octets, port, needsScope ? interfaceIndex(device) : 0);
}

/**
 * Reads a `sockaddr` of the kernel.
 * @throws Error if it is not an internet address
 */
export function endpointOf(socketAddressOctets: Uint8Array): Endpoint {
  const parsed = parseSocketAddress(socketAddressOctets);
  if (parsed?.type !== 'inet') throw new Error('not an internet socket address');
  const { octets, port, scopeId } = parsed;
  return {
    address: { version: octets.length === 4 ? 4 : 6, octets },
    port,
    device: scopeId === undefined ? undefined : deviceName(scopeId),
  };
}

/** Sets what is asked for; an option that is absent goes back to the system's default. */
export function applyTcpOptions(fd: number, version: 4 | 6, options: TcpOptions): void {
  setTtl(fd, version, options.ttl ?? DEFAULT_TTL);
  if (version === 4) {
    setsockopt(fd, SocketLevel.Ip, SocketOption.IP_MINTTL, options.minTtl ?? 0);
    setsockopt(fd, SocketLevel.Ip, SocketOption.IP_TOS, options.tos ?? 0);
  } else {
    setsockopt(fd, SocketLevel.Ipv6, SocketOption.IPV6_MINHOPCOUNT, options.minTtl ?? 0);
    setsockopt(fd, SocketLevel.Ipv6, SocketOption.IPV6_TCLASS, options.tos ?? 0);
  }
  setsockopt(fd, SocketLevel.Tcp, SocketOption.TCP_USER_TIMEOUT, options.userTimeoutMs ?? 0);
  setsockopt(fd, SocketLevel.Tcp, SocketOption.TCP_NODELAY, 1);
}

/** TTL or hop limit of what the socket sends. */
export function setTtl(fd: number, version: 4 | 6, ttl: number): void {
  if (version === 4) setsockopt(fd, SocketLevel.Ip, SocketOption.IP_TTL, ttl);
  else setsockopt(fd, SocketLevel.Ipv6, SocketOption.IPV6_UNICAST_HOPS, ttl);
}

/** Binds to an interface. */
export function bindToDevice(fd: number, device: string): void {
  setsockopt(fd, SocketLevel.Socket, SocketOption.SO_BINDTODEVICE, new TextEncoder().encode(`${device}\0`));
}

/**
 * Sets, changes or (undefined) removes the MD5 key for segments from and to `remote` (RFC 2385).
 * @throws RangeError for a key that is empty or longer than 80 octets of UTF-8; SystemError if the kernel refuses
 */
export function setMd5Key(fd: number, remote: IpAddress, device: string | undefined, key: string | undefined): void {
  const octets = new TextEncoder().encode(key ?? '');
  if (key !== undefined && (octets.length === 0 || octets.length > MAX_KEY_OCTETS)) {
    throw new RangeError(`TCP MD5 key of ${octets.length} octets: must be 1 to ${MAX_KEY_OCTETS}`);
  }
  const value = new Uint8Array(MD5SIG_OCTETS);
  value.set(socketAddress(remote, 0, device), 0);
  new Uint16Array(value.buffer, MD5SIG_KEY_LENGTH_AT, 1)[0] = octets.length;
  value.set(octets, MD5SIG_KEY_AT);
  try {
    setsockopt(fd, SocketLevel.Tcp, SocketOption.TCP_MD5SIG, value);
  } catch (error) {
    // Removing a key that is not there is no failure.
    if (key === undefined && error instanceof SystemError && error.code === 'ENOENT') return;
    throw error;
  }
}

function deviceName(index: number): string | undefined {
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (addresses?.some((address) => address.family === 'IPv6' && address.scopeid === index)) return name;
  }
  return undefined;
}
