import { type IpAddress, ip } from 'bgp-ts';
import type { AddressWord, MachineAddress, MachineInterface } from '../lib/machine.ts';
import { AddressFlag, decodeAddress, dumpAddresses, type InterfaceAddress } from '../netlink/address.ts';
import { isRefused } from '../netlink/errors.ts';
import { decodeLink, dumpLinks, LinkFlag } from '../netlink/link.ts';
import { decodeRoute, lookupRoute, type Route, RouteScope, RouteType } from '../netlink/route.ts';
import { NetlinkSocket, type NetlinkSocketOptions } from '../netlink/socket.ts';

/** Interfaces and default routes of this machine at one moment. */
export interface Machine {
  /** In order of index. */
  readonly interfaces: readonly MachineInterface[];
  /** Interfaces that the default route leaves through; several where it is a multipath route. */
  readonly defaultDevices: { readonly 4: readonly string[]; readonly 6: readonly string[] };
}

const BUFFER_OCTETS = 64 * 1024;

/** Reads all interfaces of this machine. @throws NetlinkError if the kernel cannot be asked */
export function readMachine(options: Pick<NetlinkSocketOptions, 'netnsFd'> = {}): Machine {
  return withSocket(options, (socket) => {
    const links = socket.querySync(dumpLinks(), decodeLink);
    const addresses = socket.querySync(dumpAddresses(), decodeAddress);
    const names = new Map(links.map(({ index, name }) => [index, name]));
    const interfaces = links
      .map(
        ({ index, name, kind, flags, isUp, masterIndex }): MachineInterface => ({
          index,
          name,
          kind,
          isUp,
          isLoopback: (flags & LinkFlag.Loopback) !== 0,
          master: masterIndex === undefined ? undefined : names.get(masterIndex),
          addresses: addresses.filter(({ interfaceIndex }) => interfaceIndex === index).map(toAddress),
        }),
      )
      .sort((a, b) => a.index - b.index);
    return { interfaces, defaultDevices: { 4: defaultDevices(socket, 4, names), 6: defaultDevices(socket, 6, names) } };
  });
}

/** The interface and source address of packets to `target`; undefined where there is no route. @throws NetlinkError */
export function sourceTowards(
  target: IpAddress,
  options: Pick<NetlinkSocketOptions, 'netnsFd'> = {},
): { readonly device: string; readonly source: IpAddress } | undefined {
  return withSocket(options, (socket) => {
    const route = lookUp(socket, target);
    const index = route?.nextHops[0]?.interfaceIndex;
    const link = socket.querySync(dumpLinks(), decodeLink).find((one) => one.index === index);
    if (route?.preferredSource === undefined || link === undefined) return undefined;
    return { device: link.name, source: { version: target.version, octets: route.preferredSource } };
  });
}

function withSocket<T>(options: Pick<NetlinkSocketOptions, 'netnsFd'>, use: (socket: NetlinkSocket) => T): T {
  const socket = NetlinkSocket.open({ ...options, buffer: new Uint8Array(BUFFER_OCTETS) });
  try {
    return use(socket);
  } finally {
    socket.close();
  }
}

/**
 * Addresses that no route but a default route leads to (RFC 1112 §4, RFC 5737, RFC 3849, RFC 4291 §2.4). Asked for one by one, since listing the
 * table takes seconds where it is a full one; the second of each is for machines that drop what goes to the first.
 */
const NOWHERE = {
  4: [ip('240.0.0.1'), ip('198.51.100.1')],
  6: [ip('2001:db8::1'), ip('4000::1')],
} as const;
/** 2000::/3 stands for all of the global addresses. */
const LONGEST_DEFAULT = 3;

function defaultDevices(socket: NetlinkSocket, version: 4 | 6, names: ReadonlyMap<number, string>): string[] {
  for (const address of NOWHERE[version]) {
    const route = lookUp(socket, address, { fibMatch: true });
    if (route === undefined || route.destinationLength > LONGEST_DEFAULT || route.type !== RouteType.Unicast) continue;
    const devices = route.nextHops.map(({ interfaceIndex }) => names.get(interfaceIndex ?? 0));
    return [...new Set(devices.filter((name) => name !== undefined))];
  }
  return [];
}

/** @returns undefined where no route leads there */
function lookUp(socket: NetlinkSocket, { version, octets }: IpAddress, options = {}): Route | undefined {
  try {
    return socket.querySync(lookupRoute(version, octets, options), decodeRoute)[0];
  } catch (error) {
    // What a blackhole, an unreachable and a prohibit route answer with, and no route at all.
    if (isRefused(error, 'ENETUNREACH', 'EHOSTUNREACH', 'EINVAL', 'EACCES')) return undefined;
    throw error;
  }
}

function toAddress({ version, octets, prefixLength, scope, flags = 0 }: InterfaceAddress): MachineAddress {
  const words: AddressWord[] = [];
  // One bit with two meanings: IFA_F_SECONDARY for IPv4, IFA_F_TEMPORARY for IPv6.
  if ((flags & AddressFlag.Secondary) !== 0) words.push(version === 4 ? 'secondary' : 'temporary');
  if ((flags & AddressFlag.DadFailed) !== 0) words.push('duplicate');
  if ((flags & AddressFlag.Tentative) !== 0) words.push('tentative');
  if ((flags & AddressFlag.Deprecated) !== 0) words.push('deprecated');
  return {
    address: { version, octets },
    prefixLength,
    scope: scope === RouteScope.Host ? 'host' : scope === RouteScope.Link ? 'link' : 'global',
    flags: words,
  };
}
