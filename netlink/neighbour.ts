/**
 * Neighbours (ARP and ND entries) and proxy entries: RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH (linux/neighbour.h). The
 * fixed part is `struct ndmsg`, 12 octets: family, zero (24 bits), interface index (32), state (16), flags (8), type (8).
 */
import {
  AttributeReader,
  hostIsLittle,
  MessageFlag,
  MessageType,
  type NetlinkMessage,
  type NetlinkRequest,
} from './message.ts';
import type { NetlinkWriter } from './writer.ts';

const NDMSG_OCTETS = 12;
const AF_INET = 2;
const AF_INET6 = 10;
const Nda = { Destination: 1, LinkAddress: 2 } as const;

/** `ndm_state` bits. */
export const NeighbourState = {
  Incomplete: 0x1,
  Reachable: 0x2,
  Stale: 0x4,
  Delay: 0x8,
  Probe: 0x10,
  Failed: 0x20,
  NoArp: 0x40,
  Permanent: 0x80,
} as const;

const NTF_PROXY = 0x08;

/** One neighbour, or an address to answer for. */
export interface Neighbour {
  readonly version: 4 | 6;
  /** 4 or 16 octets. */
  readonly octets: Uint8Array;
  readonly interfaceIndex: number;
  /** Its hardware address; none for proxy entries and while it is being asked for. */
  readonly linkAddress?: Uint8Array | undefined;
  /** `NeighbourState` bits; permanent when absent. */
  readonly state?: number | undefined;
  /** This interface answers requests for the address on others' behalf (NTF_PROXY). */
  readonly isProxy?: boolean | undefined;
}

/** A request to add an entry, or to put it in the place of the one there. */
export function addNeighbour(neighbour: Neighbour, mode: 'create' | 'replace' = 'replace'): NetlinkRequest {
  const flags = MessageFlag.Create | (mode === 'replace' ? MessageFlag.Replace : MessageFlag.Exclusive);
  return { type: MessageType.NewNeighbour, flags, write: (writer) => writeNeighbour(writer, neighbour) };
}

/** A request to remove an entry. ENOENT when it is not there. */
export function deleteNeighbour(neighbour: Neighbour): NetlinkRequest {
  return { type: MessageType.DelNeighbour, flags: 0, write: (writer) => writeNeighbour(writer, neighbour) };
}

/** A request to list the neighbours of a family, or its proxy entries. */
export function dumpNeighbours(filter: { version: 4 | 6; isProxy?: boolean }): NetlinkRequest {
  return {
    type: MessageType.GetNeighbour,
    flags: MessageFlag.Dump,
    write: (w) => writeFixed(w, filter.version, 0, 0, filter.isProxy === true ? NTF_PROXY : 0),
  };
}

function writeFixed(w: NetlinkWriter, version: 4 | 6, interfaceIndex: number, state: number, flags: number): void {
  w.u8(version === 4 ? AF_INET : AF_INET6);
  w.u8(0);
  w.u16(0);
  w.u32(interfaceIndex);
  w.u16(state);
  w.u8(flags);
  w.u8(0);
}

function writeNeighbour(w: NetlinkWriter, neighbour: Neighbour): void {
  const isProxy = neighbour.isProxy === true;
  const state = neighbour.state ?? (isProxy ? 0 : NeighbourState.Permanent);
  writeFixed(w, neighbour.version, neighbour.interfaceIndex, state, isProxy ? NTF_PROXY : 0);
  w.attributeOctets(Nda.Destination, neighbour.octets);
  if (neighbour.linkAddress !== undefined) w.attributeOctets(Nda.LinkAddress, neighbour.linkAddress);
}

/**
 * Reads an RTM_NEWNEIGH or RTM_DELNEIGH, as an answer or a notification.
 * @returns undefined for another family than IPv4 and IPv6 (bridge entries), or an entry without an address
 * @throws MalformedNetlink
 */
export function decodeNeighbour(message: NetlinkMessage): Neighbour | undefined {
  const attributes = AttributeReader.ofMessage(message, NDMSG_OCTETS);
  const { view, start } = message;
  const family = view.getUint8(start);
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  const state = view.getUint16(start + 8, hostIsLittle);
  const flags = view.getUint8(start + 10);
  let octets: Uint8Array | undefined;
  let linkAddress: Uint8Array | undefined;
  while (attributes.next()) {
    if (attributes.type === Nda.Destination) octets = attributes.address();
    else if (attributes.type === Nda.LinkAddress && attributes.length > 0) linkAddress = attributes.octets();
  }
  if (octets === undefined) return undefined;
  return {
    version: family === AF_INET ? 4 : 6,
    octets,
    interfaceIndex: view.getUint32(start + 4, hostIsLittle),
    ...(linkAddress === undefined ? {} : { linkAddress }),
    state,
    ...((flags & NTF_PROXY) === 0 ? {} : { isProxy: true }),
  };
}
