import { formatIp, type IpAddress } from 'bgp-ts';
import { decodeAddress, dumpAddresses, type InterfaceAddress } from '../netlink/address.ts';
import { isRefused } from '../netlink/errors.ts';
import { decodeLink, getLink, type Link } from '../netlink/link.ts';
import { decodeRoute, dumpRoutes, type Route, RouteTable } from '../netlink/route.ts';
import type { NetlinkSocket } from '../netlink/socket.ts';
import { gateway4, gateway6, type WireRequest } from './wiring.ts';

/**
 * What inside the pod is not as it was left, one sentence each.
 * @param pod a socket in the pod's namespace
 * @param host the host end as it is now
 */
export function verifyPod(pod: NetlinkSocket, request: WireRequest, host: Link): string[] {
  const link = findLink(pod, request.ifName);
  if (link === undefined) return [`the pod has no interface ${request.ifName}`];
  const problems: string[] = [];
  if (!link.isUp) problems.push(`${request.ifName} is down in the pod`);
  if (host.peerIndex !== link.index) problems.push(`${request.ifName} is not the other end of ${request.hostIfName}`);
  const addresses = pod.querySync(dumpAddresses({ interfaceIndex: link.index }), decodeAddress);
  for (const address of request.addresses) {
    if (!addresses.some((other) => isAddress(other, address, link.index))) {
      problems.push(`${request.ifName} has lost address ${formatIp(address)}`);
    }
  }
  if (!request.defaultRoutes) return problems;
  for (const { version } of request.addresses) {
    const routes = pod.querySync(dumpRoutes({ version, table: RouteTable.Main }), decodeRoute);
    if (!routes.some((route) => isDefault(route, version === 4 ? gateway4 : gateway6, link.index))) {
      problems.push(`the pod has lost its IPv${version} default route`);
    }
  }
  return problems;
}

function findLink(socket: NetlinkSocket, name: string): Link | undefined {
  try {
    return socket.querySync(getLink({ name }), decodeLink)[0];
  } catch (error) {
    if (isRefused(error, 'ENODEV')) return undefined;
    throw error;
  }
}

function isAddress(found: InterfaceAddress, wanted: IpAddress, index: number): boolean {
  return found.interfaceIndex === index && Buffer.compare(found.octets, wanted.octets) === 0;
}

function isDefault(route: Route, gateway: IpAddress, index: number): boolean {
  const hop = route.nextHops[0];
  return (
    route.destinationLength === 0 &&
    hop?.interfaceIndex === index &&
    hop.gateway !== undefined &&
    Buffer.compare(hop.gateway, gateway.octets) === 0
  );
}
