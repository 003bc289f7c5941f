/**
 * Routes: RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE (linux/rtnetlink.h). The fixed part is `struct rtmsg`, 12 octets:
 * family, destination length, source length, TOS, table (255 at most), protocol, scope, type, flags (32 bits).
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

const RTMSG_OCTETS = 12;
const AF_INET = 2;
const AF_INET6 = 10;

const Rta = {
  Destination: 1,
  Source: 2,
  OutputInterface: 4,
  Gateway: 5,
  Priority: 6,
  PreferredSource: 7,
  Metrics: 8,
  Multipath: 9,
  Table: 15,
  Via: 18,
  NextHopId: 30,
} as const;
const RTAX_MTU = 2;

/** `rtm_type`: what becomes of a packet. */
export const RouteType = {
  Unspecified: 0,
  Unicast: 1,
  Local: 2,
  Broadcast: 3,
  Anycast: 4,
  Multicast: 5,
  Blackhole: 6,
  Unreachable: 7,
  Prohibit: 8,
  Throw: 9,
} as const;

/** `rtm_scope`. IPv6 has only the first. */
export const RouteScope = { Universe: 0, Site: 200, Link: 253, Host: 254, Nowhere: 255 } as const;

export const RouteTable = { Unspecified: 0, Default: 253, Main: 254, Local: 255 } as const;

/** `rtm_protocol` of others; ours are chosen by whoever installs routes. */
export const RouteProtocol = {
  Unspecified: 0,
  Redirect: 1,
  Kernel: 2,
  Boot: 3,
  Static: 4,
  RouterAdvertisement: 9,
} as const;

/** `rtm_flags` and `rtnh_flags`. */
export const NextHopFlag = {
  Dead: 1,
  Pervasive: 2,
  OnLink: 4,
  Offload: 8,
  LinkDown: 16,
  Unresolved: 32,
  Trap: 64,
} as const;

/** `rtm_flags` beyond those of the next hop: a cache entry (IPv6), not a route of the table. */
export const RTM_F_CLONED = 0x200;
/** `rtm_flags` of a request: answer with the route of the table. */
const RTM_F_FIB_MATCH = 0x2000;

/** One way to go. */
export interface RouteNextHop {
  /** 4 or 16 octets; may be IPv6 under an IPv4 route (RTA_VIA, RFC 8950). Absent: the destination is on the link. */
  readonly gateway?: Uint8Array | undefined;
  /** Output interface index. */
  readonly interfaceIndex?: number | undefined;
  /** 1 to 256, relative to the others; 1 if absent. */
  readonly weight?: number | undefined;
  /** Take the gateway for a neighbour, whatever the addresses say. */
  readonly onLink?: boolean | undefined;
  /** The kernel's view, `NextHopFlag` bits; read only. */
  readonly flags?: number | undefined;
}

/** A route as the kernel has it. */
export interface Route {
  readonly version: 4 | 6;
  /** 4 or 16 octets, host bits zero. */
  readonly destination: Uint8Array;
  readonly destinationLength: number;
  /** IPv6 only: packets from this prefix. */
  readonly source?: Uint8Array | undefined;
  readonly sourceLength?: number | undefined;
  readonly tos?: number | undefined;
  /** 0 to 2^32-1. */
  readonly table: number;
  readonly protocol: number;
  /** `RouteScope`; when absent, worked out from type and next hops (add) or any (delete). */
  readonly scope?: number | undefined;
  /** `RouteType`; unicast when absent (any, for a delete). */
  readonly type?: number | undefined;
  /** The kernel's view of the route, bits of `NextHopFlag` and `RTM_F_*`; read only. */
  readonly flags?: number | undefined;
  /** Metric; lower is preferred. IPv6 makes 1024 of 0. */
  readonly priority?: number | undefined;
  readonly preferredSource?: Uint8Array | undefined;
  readonly mtu?: number | undefined;
  /** None for discard routes, and where a nexthop object is named when adding. */
  readonly nextHops: readonly RouteNextHop[];
  /** Id of a nexthop object (see nexthop.ts), in place of `nextHops` when adding; the kernel reports both. */
  readonly nextHopId?: number | undefined;
}

/** How to add: `create` fails if the route is there, `replace` takes its place, `append` stands beside it. */
export type AddMode = 'create' | 'replace' | 'append';

/** Header flags of an add. */
export function addFlags(mode: AddMode): number {
  switch (mode) {
    case 'create':
      return MessageFlag.Create | MessageFlag.Exclusive;
    case 'replace':
      return MessageFlag.Create | MessageFlag.Replace;
    case 'append':
      return MessageFlag.Create | MessageFlag.Append;
  }
}

/** A request to add a route. */
export function addRoute(route: Route, mode: AddMode = 'create'): NetlinkRequest {
  return { type: MessageType.NewRoute, flags: addFlags(mode), write: (writer) => writeRoute(writer, route, false) };
}

/** A request to remove the route that matches in destination, table and everything else that is given. */
export function deleteRoute(route: Route): NetlinkRequest {
  return { type: MessageType.DelRoute, flags: 0, write: (writer) => writeRoute(writer, route, true) };
}

/** Which routes to list. The kernel filters when strict checking is on, so filter again where it matters. */
export interface RouteFilter {
  readonly version: 4 | 6;
  readonly table?: number | undefined;
  readonly protocol?: number | undefined;
  readonly type?: number | undefined;
  readonly interfaceIndex?: number | undefined;
}

/** A request to list routes. None from a table that does not exist. */
export function dumpRoutes(filter: RouteFilter): NetlinkRequest {
  return {
    type: MessageType.GetRoute,
    flags: MessageFlag.Dump,
    emptyErrno: 2,
    write(writer) {
      const table = filter.table ?? 0;
      writeFixed(writer, filter.version, 0, 0, 0, table, filter.protocol ?? 0, 0, filter.type ?? 0, 0);
      if (table !== 0) writer.attributeU32(Rta.Table, table);
      if (filter.interfaceIndex !== undefined) writer.attributeU32(Rta.OutputInterface, filter.interfaceIndex);
    },
  };
}

/**
 * A request for the route a packet to `destination` would take. The answer is one RTM_NEWROUTE: what becomes of the packet, or with `fibMatch` the
 * route of the table that says so.
 */
export function lookupRoute(
  version: 4 | 6,
  destination: Uint8Array,
  { fibMatch = false }: { readonly fibMatch?: boolean } = {},
): NetlinkRequest {
  return {
    type: MessageType.GetRoute,
    flags: 0,
    write(writer) {
      writeFixed(writer, version, destination.length * 8, 0, 0, 0, 0, 0, 0, fibMatch ? RTM_F_FIB_MATCH : 0);
      writer.attributeOctets(Rta.Destination, destination);
    },
  };
}

function writeFixed(
  w: NetlinkWriter,
  version: 4 | 6,
  destinationLength: number,
  sourceLength: number,
  tos: number,
  table: number,
  protocol: number,
  scope: number,
  type: number,
  flags: number,
): void {
  w.u8(version === 4 ? AF_INET : AF_INET6);
  w.u8(destinationLength);
  w.u8(sourceLength);
  w.u8(tos);
  w.u8(table > 255 ? 0 : table);
  w.u8(protocol);
  w.u8(scope);
  w.u8(type);
  w.u32(flags);
}

/** Scope of an IPv4 route that names none: as far as its next hop is. */
function defaultScope(route: Route, type: number): number {
  if (route.version === 6) return RouteScope.Universe;
  if (type === RouteType.Local) return RouteScope.Host;
  if (type === RouteType.Broadcast || type === RouteType.Multicast || type === RouteType.Anycast)
    return RouteScope.Link;
  if (type !== RouteType.Unicast || route.nextHopId !== undefined) return RouteScope.Universe;
  for (const hop of route.nextHops) if (hop.gateway !== undefined) return RouteScope.Universe;
  return RouteScope.Link;
}

/**
 * Writes the body of an add or a delete; the caller begins and ends the message. Allocates nothing.
 * @throws RangeError for more next hops than one attribute holds
 */
export function writeRoute(w: NetlinkWriter, route: Route, isDelete: boolean): void {
  const type = route.type ?? (isDelete ? RouteType.Unspecified : RouteType.Unicast);
  const scope = route.scope ?? (isDelete && route.version === 4 ? RouteScope.Nowhere : defaultScope(route, type));
  const hops = route.nextHops;
  const only = hops.length === 1 && route.nextHopId === undefined ? hops[0] : undefined;
  const flags = only?.onLink === true ? NextHopFlag.OnLink : 0;
  const { version, destinationLength, sourceLength = 0, tos = 0, table, protocol } = route;
  writeFixed(w, version, destinationLength, sourceLength, tos, table, protocol, scope, type, flags);
  if (destinationLength > 0) w.attributeOctets(Rta.Destination, route.destination);
  if (sourceLength > 0 && route.source !== undefined) w.attributeOctets(Rta.Source, route.source);
  if (table > 255) w.attributeU32(Rta.Table, table);
  if (route.priority !== undefined) w.attributeU32(Rta.Priority, route.priority);
  if (route.preferredSource !== undefined) w.attributeOctets(Rta.PreferredSource, route.preferredSource);
  if (route.mtu !== undefined) {
    const metrics = w.open(Rta.Metrics);
    w.attributeU32(RTAX_MTU, route.mtu);
    w.close(metrics);
  }
  if (route.nextHopId !== undefined) {
    w.attributeU32(Rta.NextHopId, route.nextHopId);
  } else if (only !== undefined) {
    if (only.gateway !== undefined) writeGateway(w, version, only.gateway);
    if (only.interfaceIndex !== undefined) w.attributeU32(Rta.OutputInterface, only.interfaceIndex);
  } else if (hops.length > 1) {
    const multipath = w.open(Rta.Multipath);
    for (const hop of hops) writeMultipathHop(w, version, hop);
    w.close(multipath);
  }
}

function writeGateway(w: NetlinkWriter, version: 4 | 6, gateway: Uint8Array): void {
  if (gateway.length === (version === 4 ? 4 : 16)) {
    w.attributeOctets(Rta.Gateway, gateway);
    return;
  }
  // RTA_VIA: the family (16 bits), then the address. Two octets of family leave it unaligned, hence octet by octet.
  const opened = w.open(Rta.Via);
  w.u16(gateway.length === 4 ? AF_INET : AF_INET6);
  for (let i = 0; i < gateway.length; i++) w.u8(gateway[i]!);
  w.close(opened);
  w.u16(0);
}

/** `struct rtnexthop`: length, flags, weight - 1, interface index; then attributes. */
function writeMultipathHop(w: NetlinkWriter, version: 4 | 6, hop: RouteNextHop): void {
  const opened = w.length;
  w.u16(0);
  w.u8(hop.onLink === true ? NextHopFlag.OnLink : 0);
  w.u8((hop.weight ?? 1) - 1);
  w.u32(hop.interfaceIndex ?? 0);
  if (hop.gateway !== undefined) writeGateway(w, version, hop.gateway);
  w.close(opened);
}

/**
 * Reads an RTM_NEWROUTE or RTM_DELROUTE, as an answer or a notification. Addresses are copies.
 * @returns undefined for another family than IPv4 and IPv6
 * @throws MalformedNetlink
 */
export function decodeRoute(message: NetlinkMessage): Route | undefined {
  const attributes = AttributeReader.ofMessage(message, RTMSG_OCTETS);
  const { view, start } = message;
  const family = view.getUint8(start);
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  const version = family === AF_INET ? 4 : 6;
  const addressOctets = version === 4 ? 4 : 16;
  const destinationLength = view.getUint8(start + 1);
  const sourceLength = view.getUint8(start + 2);
  if (destinationLength > addressOctets * 8 || sourceLength > addressOctets * 8) {
    throw new MalformedNetlink(`prefix length ${destinationLength}, ${sourceLength}: at most ${addressOctets * 8}`);
  }
  const tos = view.getUint8(start + 3);
  const flags = view.getUint32(start + 8, hostIsLittle);

  let table = view.getUint8(start + 4);
  let destination: Uint8Array | undefined;
  let source: Uint8Array | undefined;
  let priority: number | undefined;
  let preferredSource: Uint8Array | undefined;
  let mtu: number | undefined;
  let gateway: Uint8Array | undefined;
  let interfaceIndex: number | undefined;
  let nextHops: RouteNextHop[] | undefined;
  let nextHopId: number | undefined;
  while (attributes.next()) {
    switch (attributes.type) {
      case Rta.Destination:
        destination = ownAddress(attributes, addressOctets);
        break;
      case Rta.Source:
        source = ownAddress(attributes, addressOctets);
        break;
      case Rta.OutputInterface:
        interfaceIndex = attributes.u32();
        break;
      case Rta.Gateway:
        gateway = attributes.address();
        break;
      case Rta.Via:
        gateway = readVia(attributes);
        break;
      case Rta.Priority:
        priority = attributes.u32();
        break;
      case Rta.PreferredSource:
        preferredSource = attributes.address();
        break;
      case Rta.Metrics: {
        const metrics = attributes.nested();
        while (metrics.next()) if (metrics.type === RTAX_MTU) mtu = metrics.u32();
        break;
      }
      case Rta.Multipath:
        nextHops = readMultipath(message, attributes);
        break;
      case Rta.Table:
        table = attributes.u32();
        break;
      case Rta.NextHopId:
        nextHopId = attributes.u32();
        break;
    }
  }
  nextHops ??=
    gateway === undefined && interfaceIndex === undefined ? [] : [oneHop(gateway, interfaceIndex, flags & 0xff, 1)];
  return {
    version,
    destination: destination ?? new Uint8Array(addressOctets),
    destinationLength,
    ...(sourceLength === 0 ? {} : { source: source ?? new Uint8Array(addressOctets), sourceLength }),
    ...(tos === 0 ? {} : { tos }),
    table,
    protocol: view.getUint8(start + 5),
    scope: view.getUint8(start + 6),
    type: view.getUint8(start + 7),
    flags,
    ...(priority === undefined ? {} : { priority }),
    ...(preferredSource === undefined ? {} : { preferredSource }),
    ...(mtu === undefined ? {} : { mtu }),
    nextHops,
    ...(nextHopId === undefined ? {} : { nextHopId }),
  };
}

function ownAddress(attribute: AttributeReader, octets: number): Uint8Array {
  const address = attribute.address();
  if (address.length !== octets)
    throw new MalformedNetlink(`address of ${address.length} octets: the family has ${octets}`);
  return address;
}

function readVia(attribute: AttributeReader): Uint8Array {
  const family = attribute.u16();
  const address = attribute.octets().slice(2);
  const wanted = family === AF_INET ? 4 : 16;
  if (address.length !== wanted) throw new MalformedNetlink(`RTA_VIA of family ${family}: ${address.length} octets`);
  return address;
}

function oneHop(
  gateway: Uint8Array | undefined,
  interfaceIndex: number | undefined,
  flags: number,
  weight: number,
): RouteNextHop {
  return {
    ...(gateway === undefined ? {} : { gateway }),
    ...(interfaceIndex === undefined ? {} : { interfaceIndex }),
    ...(weight === 1 ? {} : { weight }),
    ...((flags & NextHopFlag.OnLink) === 0 ? {} : { onLink: true }),
    ...(flags === 0 ? {} : { flags }),
  };
}

function readMultipath(message: NetlinkMessage, attribute: AttributeReader): RouteNextHop[] {
  const { bytes, view } = message;
  const hops: RouteNextHop[] = [];
  let at = attribute.start;
  while (at < attribute.end) {
    const left = attribute.end - at;
    if (left < 8) throw new MalformedNetlink(`${left} octets left: a next hop has at least 8`);
    const length = view.getUint16(at, hostIsLittle);
    if (length < 8 || length > left) throw new MalformedNetlink(`next hop length ${length}: must be 8 to ${left}`);
    const inner = new AttributeReader(bytes, view, at + 8, at + length);
    let gateway: Uint8Array | undefined;
    while (inner.next()) {
      if (inner.type === Rta.Gateway) gateway = inner.address();
      else if (inner.type === Rta.Via) gateway = readVia(inner);
    }
    const index = view.getUint32(at + 4, hostIsLittle);
    hops.push(oneHop(gateway, index === 0 ? undefined : index, view.getUint8(at + 2), view.getUint8(at + 3) + 1));
    at += (length + 3) & ~3;
  }
  return hops;
}
