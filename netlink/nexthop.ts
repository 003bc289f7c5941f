/**
 * Nexthop objects: RTM_NEWNEXTHOP, RTM_DELNEXTHOP, RTM_GETNEXTHOP (linux/nexthop.h). The fixed part is `struct nhmsg`, 8
 * octets: family, scope, protocol, zero, flags (32 bits). Routes name them by id, so one message changes all of them.
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
import { type AddMode, addFlags, NextHopFlag } from './route.ts';
import type { NetlinkWriter } from './writer.ts';

const NHMSG_OCTETS = 8;
const AF_INET = 2;
const AF_INET6 = 10;
const Nha = { Id: 1, Group: 2, GroupType: 3, Blackhole: 4, OutputInterface: 5, Gateway: 6 } as const;

/** One member of a group. */
export interface NextHopMember {
  readonly id: number;
  /** 1 to 65536 (above 256 only on new kernels), relative to the others. */
  readonly weight: number;
}

/** A nexthop object: one way to go, nowhere, or a group of objects to spread over. */
export type NextHop =
  | {
      readonly type: 'single';
      /** 1 to 2^32-1. */
      readonly id: number;
      readonly protocol: number;
      /** Family of the routes that may use it when there is no gateway; otherwise the gateway's decides. */
      readonly version: 4 | 6;
      readonly gateway?: Uint8Array | undefined;
      readonly interfaceIndex: number;
      readonly onLink?: boolean | undefined;
      /** The kernel's view, `NextHopFlag` bits; read only. */
      readonly flags?: number | undefined;
      /** Read only. */
      readonly scope?: number | undefined;
    }
  | { readonly type: 'blackhole'; readonly id: number; readonly protocol: number; readonly version: 4 | 6 }
  | {
      readonly type: 'group';
      readonly id: number;
      readonly protocol: number;
      readonly members: readonly NextHopMember[];
    };

/** A request to add a nexthop object, or to put another in the place of the one with the same id. */
export function addNextHop(nextHop: NextHop, mode: AddMode = 'create'): NetlinkRequest {
  return { type: MessageType.NewNextHop, flags: addFlags(mode), write: (writer) => writeNextHop(writer, nextHop) };
}

/** A request to remove a nexthop object. The kernel removes it from its groups, and the routes that name it. */
export function deleteNextHop(id: number): NetlinkRequest {
  return {
    type: MessageType.DelNextHop,
    flags: 0,
    write(writer) {
      writeFixed(writer, 0, 0, 0);
      writer.attributeU32(Nha.Id, id);
    },
  };
}

/** A request to list all nexthop objects. EOPNOTSUPP (as `ENOTSUP`) on a kernel without them. */
export function dumpNextHops(): NetlinkRequest {
  return { type: MessageType.GetNextHop, flags: MessageFlag.Dump, write: (writer) => writeFixed(writer, 0, 0, 0) };
}

function writeFixed(w: NetlinkWriter, family: number, protocol: number, flags: number): void {
  w.u8(family);
  w.u8(0);
  w.u8(protocol);
  w.u8(0);
  w.u32(flags);
}

/** Writes the body of an add; the caller begins and ends the message. */
export function writeNextHop(w: NetlinkWriter, nextHop: NextHop): void {
  switch (nextHop.type) {
    case 'group': {
      writeFixed(w, 0, nextHop.protocol, 0);
      w.attributeU32(Nha.Id, nextHop.id);
      const group = w.open(Nha.Group);
      for (const { id, weight } of nextHop.members) {
        w.u32(id);
        w.u8((weight - 1) & 0xff);
        w.u8((weight - 1) >>> 8);
        w.u16(0);
      }
      w.close(group);
      return;
    }
    case 'blackhole':
      writeFixed(w, nextHop.version === 4 ? AF_INET : AF_INET6, nextHop.protocol, 0);
      w.attributeU32(Nha.Id, nextHop.id);
      w.attributeFlag(Nha.Blackhole);
      return;
    case 'single': {
      const { gateway } = nextHop;
      const version = gateway === undefined ? nextHop.version : gateway.length === 4 ? 4 : 6;
      const flags = nextHop.onLink === true ? NextHopFlag.OnLink : 0;
      writeFixed(w, version === 4 ? AF_INET : AF_INET6, nextHop.protocol, flags);
      w.attributeU32(Nha.Id, nextHop.id);
      if (gateway !== undefined) w.attributeOctets(Nha.Gateway, gateway);
      w.attributeU32(Nha.OutputInterface, nextHop.interfaceIndex);
    }
  }
}

/**
 * Reads an RTM_NEWNEXTHOP or RTM_DELNEXTHOP, as an answer or a notification.
 * @returns undefined for a kind not known here (resilient groups, bridge FDB)
 * @throws MalformedNetlink
 */
export function decodeNextHop(message: NetlinkMessage): NextHop | undefined {
  const attributes = AttributeReader.ofMessage(message, NHMSG_OCTETS);
  const { view, start } = message;
  const family = view.getUint8(start);
  const scope = view.getUint8(start + 1);
  const protocol = view.getUint8(start + 2);
  const flags = view.getUint32(start + 4, hostIsLittle);
  const version = family === AF_INET6 ? 6 : 4;
  let id: number | undefined;
  let gateway: Uint8Array | undefined;
  let interfaceIndex: number | undefined;
  let isBlackhole = false;
  let members: NextHopMember[] | undefined;
  while (attributes.next()) {
    switch (attributes.type) {
      case Nha.Id:
        id = attributes.u32();
        break;
      case Nha.Group:
        members = readMembers(view, attributes);
        break;
      case Nha.GroupType:
        if (attributes.u16() !== 0) return undefined;
        break;
      case Nha.Blackhole:
        isBlackhole = true;
        break;
      case Nha.OutputInterface:
        interfaceIndex = attributes.u32();
        break;
      case Nha.Gateway:
        gateway = attributes.address();
        break;
    }
  }
  if (id === undefined) throw new MalformedNetlink('nexthop without an id');
  if (members !== undefined) return { type: 'group', id, protocol, members };
  if (isBlackhole) return { type: 'blackhole', id, protocol, version };
  if (interfaceIndex === undefined) return undefined;
  return {
    type: 'single',
    id,
    protocol,
    version: gateway === undefined ? version : gateway.length === 4 ? 4 : 6,
    ...(gateway === undefined ? {} : { gateway }),
    interfaceIndex,
    ...((flags & NextHopFlag.OnLink) === 0 ? {} : { onLink: true }),
    ...(flags === 0 ? {} : { flags }),
    scope,
  };
}

/** `struct nexthop_grp`: id (32 bits), weight - 1 (8), its upper octet (8, zero on older kernels), zero (16). */
function readMembers(view: DataView, attribute: AttributeReader): NextHopMember[] {
  if (attribute.length % 8 !== 0) throw new MalformedNetlink(`group of ${attribute.length} octets: 8 for each member`);
  const members: NextHopMember[] = [];
  for (let at = attribute.start; at < attribute.end; at += 8) {
    members.push({
      id: view.getUint32(at, hostIsLittle),
      weight: (view.getUint8(at + 4) | (view.getUint8(at + 5) << 8)) + 1,
    });
  }
  return members;
}
