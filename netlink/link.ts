/**
 * Interfaces: RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK (linux/if_link.h). The fixed part is `struct ifinfomsg`, 16 octets:
 * family, zero, device type (16 bits), index, flags, mask of the flags to change (32 bits each).
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

const IFINFOMSG_OCTETS = 16;
const Ifla = {
  Address: 1,
  Name: 3,
  Mtu: 4,
  Link: 5,
  Master: 10,
  TxQueueLength: 13,
  OperState: 16,
  LinkInfo: 18,
  NetnsPid: 19,
  Alias: 20,
  Stats64: 23,
  NetnsFd: 28,
  NumTxQueues: 31,
  NumRxQueues: 32,
  LinkNetnsId: 37,
} as const;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;

/** Interface flags (`IFF_*`). */
export const LinkFlag = {
  Up: 0x1,
  Broadcast: 0x2,
  Loopback: 0x8,
  PointToPoint: 0x10,
  Running: 0x40,
  NoArp: 0x80,
  Multicast: 0x1000,
  LowerUp: 0x10000,
} as const;

/** An interface as the kernel reports it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** `LinkFlag` bits. */
  readonly flags: number;
  /** Set up by the administrator. */
  readonly isUp: boolean;
  /** Up and with a carrier: packets can go. */
  readonly isRunning: boolean;
  readonly mtu: number;
  /** Hardware address, 6 octets for Ethernet; none for some kinds. */
  readonly address?: Uint8Array;
  /** `veth`, `bridge`, ...; absent for hardware. */
  readonly kind?: string;
  /** Index of the other end (veth), meaningful in the namespace `linkNetnsId` when that is set. */
  readonly peerIndex?: number;
  readonly linkNetnsId?: number;
  /** Index of the bridge or bond it belongs to. */
  readonly masterIndex?: number;
  readonly alias?: string;
  /** Counters since it was made. */
  readonly stats?: LinkStats;
}

export interface LinkStats {
  readonly rxPackets: number;
  readonly txPackets: number;
  readonly rxOctets: number;
  readonly txOctets: number;
}

/** What names an interface: its index (0 is none), or its name. */
export type LinkName =
  | { readonly index: number; readonly name?: never }
  | { readonly name: string; readonly index?: never };

/** A pair of interfaces wired to each other. */
export interface VethOptions {
  readonly name: string;
  /** Sets this end up at birth; the other end cannot be (ENOTCONN). */
  readonly isUp?: boolean;
  readonly mtu?: number;
  readonly address?: Uint8Array;
  readonly txQueueLength?: number;
  /**
   * Queues that either end can ever have. Without it the kernel makes one for each CPU, uses one, and waits for the whole
   * machine when it puts the others away.
   */
  readonly queues?: number;
  readonly peer: {
    readonly name: string;
    /** The namespace the other end is born in; the socket's own when absent. */
    readonly netnsFd?: number;
    readonly mtu?: number;
    readonly address?: Uint8Array;
    readonly txQueueLength?: number;
  };
}

/** A request for a veth pair. EEXIST when either name is taken. */
export function addVeth(options: VethOptions): NetlinkRequest {
  return {
    type: MessageType.NewLink,
    flags: MessageFlag.Create | MessageFlag.Exclusive,
    write(w) {
      writeFixed(w, 0, options.isUp === true ? LinkFlag.Up : 0, options.isUp === true ? LinkFlag.Up : 0);
      writeCommon(w, options);
      writeQueues(w, options.queues);
      const info = w.open(Ifla.LinkInfo);
      w.attributeOctets(IFLA_INFO_KIND, Buffer.from('veth'));
      const data = w.open(IFLA_INFO_DATA);
      const peer = w.open(VETH_INFO_PEER);
      writeFixed(w, 0, 0, 0);
      writeCommon(w, options.peer);
      writeQueues(w, options.queues);
      if (options.peer.netnsFd !== undefined) w.attributeU32(Ifla.NetnsFd, options.peer.netnsFd);
      w.close(peer);
      w.close(data);
      w.close(info);
    },
  };
}

/** A request for an interface of a kind without settings of its own (`bridge`, `dummy`, `ifb`). */
export function addLink(
  kind: string,
  options: { name: string; isUp?: boolean; mtu?: number; address?: Uint8Array },
): NetlinkRequest {
  return {
    type: MessageType.NewLink,
    flags: MessageFlag.Create | MessageFlag.Exclusive,
    write(w) {
      writeFixed(w, 0, options.isUp === true ? LinkFlag.Up : 0, options.isUp === true ? LinkFlag.Up : 0);
      writeCommon(w, options);
      const info = w.open(Ifla.LinkInfo);
      w.attributeOctets(IFLA_INFO_KIND, Buffer.from(kind));
      w.close(info);
    },
  };
}

/** What to change; absent stays as it is. */
export interface LinkChange {
  readonly isUp?: boolean;
  readonly mtu?: number;
  readonly address?: Uint8Array;
  readonly newName?: string;
  /** Moves it into another namespace, where it is down and without addresses. */
  readonly netnsFd?: number;
  /** Puts it into a bridge; 0 takes it out. */
  readonly masterIndex?: number;
  readonly alias?: string;
}

/** A request to change an interface. A new name needs the index, and on older kernels the interface down. */
export function setLink(link: LinkName, change: LinkChange): NetlinkRequest {
  return {
    type: MessageType.NewLink,
    flags: 0,
    write(w) {
      const mask = change.isUp === undefined ? 0 : LinkFlag.Up;
      writeFixed(w, link.index ?? 0, change.isUp === true ? LinkFlag.Up : 0, mask);
      const name = link.name ?? change.newName;
      writeCommon(w, {
        ...(name === undefined ? {} : { name }),
        ...(change.mtu === undefined ? {} : { mtu: change.mtu }),
        ...(change.address === undefined ? {} : { address: change.address }),
      });
      if (change.masterIndex !== undefined) w.attributeU32(Ifla.Master, change.masterIndex);
      if (change.alias !== undefined) w.attributeText(Ifla.Alias, change.alias);
      if (change.netnsFd !== undefined) w.attributeU32(Ifla.NetnsFd, change.netnsFd);
    },
  };
}

/** A request to remove an interface; a veth goes with its other end. ENODEV when there is none. */
export function deleteLink(link: LinkName): NetlinkRequest {
  return {
    type: MessageType.DelLink,
    flags: 0,
    write(w) {
      writeFixed(w, link.index ?? 0, 0, 0);
      if (link.name !== undefined) w.attributeText(Ifla.Name, link.name);
    },
  };
}

/** A request for one interface. ENODEV when there is none. */
export function getLink(link: LinkName): NetlinkRequest {
  return {
    type: MessageType.GetLink,
    flags: 0,
    write(w) {
      writeFixed(w, link.index ?? 0, 0, 0);
      if (link.name !== undefined) w.attributeText(Ifla.Name, link.name);
    },
  };
}

/** A request for all interfaces. */
export function dumpLinks(): NetlinkRequest {
  return { type: MessageType.GetLink, flags: MessageFlag.Dump, write: (w) => writeFixed(w, 0, 0, 0) };
}

function writeFixed(w: NetlinkWriter, index: number, flags: number, mask: number): void {
  w.u32(0);
  w.i32(index);
  w.u32(flags);
  w.u32(mask);
}

function writeCommon(
  w: NetlinkWriter,
  options: { name?: string; mtu?: number; address?: Uint8Array; txQueueLength?: number },
): void {
  if (options.mtu !== undefined) w.attributeU32(Ifla.Mtu, options.mtu);
  if (options.name !== undefined) w.attributeText(Ifla.Name, options.name);
  if (options.address !== undefined) w.attributeOctets(Ifla.Address, options.address);
  if (options.txQueueLength !== undefined) w.attributeU32(Ifla.TxQueueLength, options.txQueueLength);
}

function writeQueues(w: NetlinkWriter, queues: number | undefined): void {
  if (queues === undefined) return;
  w.attributeU32(Ifla.NumTxQueues, queues);
  w.attributeU32(Ifla.NumRxQueues, queues);
}

/**
 * Reads an RTM_NEWLINK or RTM_DELLINK, as an answer or a notification.
 * @returns undefined for what is no interface of its own (a bridge port's notification, family AF_BRIDGE)
 * @throws MalformedNetlink
 */
export function decodeLink(message: NetlinkMessage): Link | undefined {
  const attributes = AttributeReader.ofMessage(message, IFINFOMSG_OCTETS);
  const { view, start } = message;
  if (view.getUint8(start) !== 0) return undefined;
  const flags = view.getUint32(start + 8, hostIsLittle);
  const found: { -readonly [K in keyof Link]: Link[K] } = {
    index: view.getInt32(start + 4, hostIsLittle),
    name: '',
    flags,
    isUp: (flags & LinkFlag.Up) !== 0,
    isRunning: (flags & LinkFlag.Up) !== 0 && (flags & LinkFlag.LowerUp) !== 0,
    mtu: 0,
  };
  while (attributes.next()) {
    switch (attributes.type) {
      case Ifla.Address:
        if (attributes.length > 0) found.address = attributes.octets();
        break;
      case Ifla.Name:
        found.name = attributes.text();
        break;
      case Ifla.Mtu:
        found.mtu = attributes.u32();
        break;
      case Ifla.Link:
        found.peerIndex = attributes.i32();
        break;
      case Ifla.LinkNetnsId:
        found.linkNetnsId = attributes.i32();
        break;
      case Ifla.Master:
        found.masterIndex = attributes.u32();
        break;
      case Ifla.Alias:
        found.alias = attributes.text();
        break;
      case Ifla.LinkInfo: {
        const info = attributes.nested();
        while (info.next()) if (info.type === IFLA_INFO_KIND) found.kind = info.text();
        break;
      }
      case Ifla.Stats64:
        found.stats = {
          rxPackets: attributes.u64(0),
          txPackets: attributes.u64(8),
          rxOctets: attributes.u64(16),
          txOctets: attributes.u64(24),
        };
        break;
    }
  }
  return found;
}
