import { formatIp, type IpAddress } from 'bgp-ts';
import { addAddress } from '../netlink/address.ts';
import { setLink } from '../netlink/link.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import { addRoute, type Route, RouteProtocol, RouteScope, RouteTable } from '../netlink/route.ts';
import { gateway4, gateway6, type WireRequest } from './wiring.ts';

/** `rtm_protocol` of the routes to our pods. */
export const podRouteProtocol = 178;

/** Metric of the routes to pods in IPv6, as of the kernel's own on-link routes: better than any that BGP brings. */
const podRouteMetric6 = 256;
/** A request and what it is for, in words that end up in an error. */
export interface Step {
  readonly what: string;
  readonly request: NetlinkRequest;
}

/** Inside the pod: interface up, addresses, routes. */
export function podSteps(request: WireRequest, index: number): Step[] {
  const steps: Step[] = [
    { what: `setting ${request.ifName} up in the pod`, request: setLink({ index }, { isUp: true }) },
  ];
  for (const address of request.addresses) {
    steps.push({
      what: `giving ${formatIp(address)} to ${request.ifName} in the pod`,
      request: addAddress({
        version: address.version,
        octets: address.octets,
        prefixLength: address.octets.length * 8,
        interfaceIndex: index,
        noDad: address.version === 6,
      }),
    });
  }
  for (const address of request.addresses) {
    const gateway = address.version === 4 ? gateway4 : gateway6;
    if (address.version === 4) {
      steps.push({
        what: 'adding the route to the gateway in the pod',
        request: addRoute(podRoute(gateway, 32, index)),
      });
    }
    if (!request.defaultRoutes) continue;
    const anywhere = { version: address.version, octets: new Uint8Array(address.octets.length) };
    steps.push({
      what: `adding the IPv${address.version} default route in the pod`,
      request: addRoute(podRoute(anywhere, 0, index, gateway)),
    });
  }
  return steps;
}

function podRoute(destination: IpAddress, length: number, index: number, gateway?: IpAddress): Route {
  return {
    version: destination.version,
    destination: destination.octets,
    destinationLength: length,
    table: RouteTable.Main,
    // As `ip route add` has it: inside the pod these are its own routes.
    protocol: RouteProtocol.Boot,
    nextHops: [{ interfaceIndex: index, ...(gateway === undefined ? {} : { gateway: gateway.octets }) }],
  };
}

/**
 * The gateways' addresses on the host end. The IPv4 one has host scope, so that the kernel never takes it as the source
 * of what the node itself sends to the pod.
 */
export function gatewaySteps(
  families: { readonly ipv4: boolean; readonly ipv6: boolean },
  name: string,
  index: number,
): Step[] {
  const steps: Step[] = [];
  if (families.ipv4) {
    const address = { version: 4, octets: gateway4.octets, prefixLength: 32, interfaceIndex: index } as const;
    steps.push({
      what: `giving ${formatIp(gateway4)} to ${name}`,
      request: addAddress({ ...address, scope: RouteScope.Host }, 'replace'),
    });
  }
  if (families.ipv6) {
    const address = { version: 6, octets: gateway6.octets, prefixLength: 64, interfaceIndex: index } as const;
    steps.push({
      what: `giving ${formatIp(gateway6)} to ${name}`,
      request: addAddress({ ...address, noDad: true }, 'replace'),
    });
  }
  return steps;
}

/** The route on the node that leads to a pod. */
export function hostRoute(address: IpAddress, index: number): Route {
  return {
    version: address.version,
    destination: address.octets,
    destinationLength: address.octets.length * 8,
    table: RouteTable.Main,
    protocol: podRouteProtocol,
    ...(address.version === 4 ? { scope: RouteScope.Link } : { priority: podRouteMetric6 }),
    nextHops: [{ interfaceIndex: index }],
  };
}

/** Whether two routes would stand in each other's place: same destination and metric. */
export function isSameDestination(a: Route, b: Route): boolean {
  return (
    a.destinationLength === b.destinationLength &&
    (a.priority ?? 0) === (b.priority ?? 0) &&
    Buffer.compare(a.destination, b.destination) === 0
  );
}
