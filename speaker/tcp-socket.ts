import { networkInterfaces } from 'node:os';
import type { IpAddress, Prefix } from 'bgp-ts';
import { isLinkLocal, parseIp } from 'bgp-ts';
import {
  AddressFamily,
  getsockoptOctets,
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
const MD5SIG_FLAGS_AT = 128;
const MD5SIG_PREFIX_LENGTH_AT = 129;
const MD5SIG_FLAG_PREFIX = 1;
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

/** `struct cmsghdr`: length (8 octets), level (4), type (4); one with an `int` after it is padded to 24. */
const CMSG_LEVEL_AT = 8;
const CMSG_VALUE_AT = 16;
const CMSG_INT_OCTETS = 24;

/**
 * TTL or hop limit of the segment that completed the handshake of an accepted socket. What comes between it and `accept` is queued
 * before the socket can be told which TTL to ask for, so that this one has to be looked at.
 * @throws SystemError if the socket is not connected any more; Error if the kernel does not tell
 */
export function handshakeTtl(fd: number, version: 4 | 6): number {
  const [level, ask, read] =
    version === 4
      ? ([SocketLevel.Ip, SocketOption.IP_RECVTTL, SocketOption.IP_PKTOPTIONS] as const)
      : ([SocketLevel.Ipv6, SocketOption.IPV6_2292HOPLIMIT, SocketOption.IPV6_2292PKTOPTIONS] as const);
  setsockopt(fd, level, ask, 1);
  const octets = getsockoptOctets(fd, level, read, CMSG_INT_OCTETS);
  setsockopt(fd, level, ask, 0);
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  const isThere = octets.byteLength > CMSG_VALUE_AT && view.getUint32(CMSG_LEVEL_AT, true) === level;
  if (!isThere) throw new Error('the kernel does not tell the TTL of an accepted connection');
  return view.getInt32(CMSG_VALUE_AT, true);
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
  setKey(fd, SocketOption.TCP_MD5SIG, md5Signature(socketAddress(remote, 0, device), key));
}

/** As `setMd5Key`, for every address of a prefix (Linux 4.13): the way to keep the keys of peers that are not known one by one. */
export function setMd5PrefixKey(fd: number, prefix: Prefix, key: string | undefined): void {
  const value = md5Signature(socketAddress(prefix.address, 0, undefined), key);
  value[MD5SIG_FLAGS_AT] = MD5SIG_FLAG_PREFIX;
  value[MD5SIG_PREFIX_LENGTH_AT] = prefix.length;
  setKey(fd, SocketOption.TCP_MD5SIG_EXT, value);
}

function md5Signature(address: Uint8Array, key: string | undefined): Uint8Array {
  const octets = new TextEncoder().encode(key ?? '');
  if (key !== undefined && (octets.length === 0 || octets.length > MAX_KEY_OCTETS)) {
    throw new RangeError(`TCP MD5 key of ${octets.length} octets: must be 1 to ${MAX_KEY_OCTETS}`);
  }
  const value = new Uint8Array(MD5SIG_OCTETS);
  value.set(address, 0);
  new Uint16Array(value.buffer, MD5SIG_KEY_LENGTH_AT, 1)[0] = octets.length;
  value.set(octets, MD5SIG_KEY_AT);
  return value;
}

function setKey(fd: number, option: number, value: Uint8Array): void {
  const isRemoval = new Uint16Array(value.buffer, MD5SIG_KEY_LENGTH_AT, 1)[0] === 0;
  try {
    setsockopt(fd, SocketLevel.Tcp, option, value);
  } catch (error) {
    // Removing a key that is not there is no failure.
    if (isRemoval && error instanceof SystemError && error.code === 'ENOENT') return;
    throw error;
  }
}

/**
 * The address of an interface to connect from: a global one before a link-local one.
 * @throws Error if it has none of that version, or does not exist
 */
export function addressOfInterface(name: string, version: 4 | 6): IpAddress {
  const addresses = (networkInterfaces()[name] ?? []).flatMap(({ address }) => {
    const parsed = parseIp(address);
    return parsed?.version === version ? [parsed] : [];
  });
  const found = addresses.find((address) => !isLinkLocal(address)) ?? addresses[0];
  if (found === undefined) throw new Error(`interface ${name} has no IPv${version} address to connect from`);
  return found;
}

function deviceName(index: number): string | undefined {
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    if (addresses?.some((address) => address.family === 'IPv6' && address.scopeid === index)) return name;
  }
  return undefined;
}
