import type { IpAddress } from 'bgp-ts';
import type { Clock, TimerHandle } from '../lib/clock.ts';
import { errorMessage } from '../lib/result.ts';
import {
  AddressFamily,
  close,
  inetSocketAddress,
  interfaceIndex,
  PollEvent,
  parseSocketAddress,
  receiveMessage,
  SocketLevel,
  SocketOption,
  SocketProtocol,
  SocketType,
  SystemError,
  send,
  setsockopt,
  socket,
  Watcher,
} from '../native/index.ts';
import {
  allNodes,
  allRouters,
  DISCOVERY_HOP_LIMIT,
  discoveryFilter,
  hopLimitOf,
  readDiscovery,
  routerAdvertisement,
  routerSolicitation,
} from './router-advertisement.ts';

/** What is told of one link. */
export interface LinkHandlers {
  /** A router on the link advertised itself from this link-local address. */
  heard(address: IpAddress): void;
  /** Advertisements can or cannot be sent and heard now; called when that changes. `reason` is absent when they can. */
  changed(reason: string | undefined): void;
}

/** Finds the routers of a link, and lets them find us. */
export interface LinkNeighbours {
  /** Until it is closed; the interface may come and go meanwhile. */
  watch(device: string, handlers: LinkHandlers): { close(): void };
}

/** Between two advertisements (FRR has 10 s too). */
const INTERVAL_MS = 10_000;
/** The same for the first few, when somebody may be waiting, and between two looks whether the interface is there. */
const SOON_MS = 1000;
const FIRST_COUNT = 5;
/** Advertisements in answer to solicitations, at most one in this time (RFC 4861 §6.2.6). */
const ANSWER_MS = 3000;

/** Router discovery of the kernel's links (RFC 4861), over a raw ICMPv6 socket for each. */
export function createLinkNeighbours(clock: Clock): LinkNeighbours {
  return { watch: (device, handlers) => new LinkWatch(clock, device, handlers) };
}

class LinkWatch {
  readonly #clock: Clock;
  readonly #device: string;
  readonly #handlers: LinkHandlers;
  readonly #buffer = new Uint8Array(2048);
  #fd = -1;
  #ifIndex = 0;
  #watcher: Watcher | undefined;
  #timer: TimerHandle | undefined;
  #sent = 0;
  #answeredMs = Number.NEGATIVE_INFINITY;
  #reason: string | undefined;
  #hasTold = false;
  #isClosed = false;

  constructor(clock: Clock, device: string, handlers: LinkHandlers) {
    this.#clock = clock;
    this.#device = device;
    this.#handlers = handlers;
    this.#timer = clock.defer(() => this.#turn());
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.clear();
    this.#closeSocket();
  }

  /** Opens what is not open, and advertises. */
  #turn(): void {
    if (this.#isClosed) return;
    let waitMs = SOON_MS;
    try {
      const ifIndex = interfaceIndex(this.#device);
      if (ifIndex !== this.#ifIndex || this.#fd < 0) this.#open(ifIndex);
      if (this.#sent === 0) this.#send(routerSolicitation(), allRouters);
      this.#send(routerAdvertisement(), allNodes);
      this.#sent++;
      if (this.#sent >= FIRST_COUNT) waitMs = INTERVAL_MS;
      this.#tell(undefined);
    } catch (error) {
      // No such interface, or none of its addresses is ready: also what is sent first then is still to come.
      this.#sent = 0;
      this.#tell(errorMessage(error));
      if (!(error instanceof SystemError) || error.code === 'ENODEV') this.#closeSocket();
    }
    this.#timer = this.#clock.setTimer(waitMs, () => this.#turn());
  }

  #tell(reason: string | undefined): void {
    if (this.#hasTold && reason === this.#reason) return;
    this.#hasTold = true;
    this.#reason = reason;
    this.#handlers.changed(reason);
  }

  #open(ifIndex: number): void {
    this.#closeSocket();
    const fd = socket(AddressFamily.Inet6, SocketType.Raw | SocketType.NonBlocking, SocketProtocol.Icmpv6);
    try {
      setsockopt(fd, SocketLevel.Socket, SocketOption.SO_BINDTODEVICE, new TextEncoder().encode(`${this.#device}\0`));
      setsockopt(fd, SocketLevel.Icmpv6, SocketOption.ICMP6_FILTER, discoveryFilter());
      setsockopt(fd, SocketLevel.Ipv6, SocketOption.IPV6_MULTICAST_IF, ifIndex);
      setsockopt(fd, SocketLevel.Ipv6, SocketOption.IPV6_MULTICAST_HOPS, DISCOVERY_HOP_LIMIT);
      setsockopt(fd, SocketLevel.Ipv6, SocketOption.IPV6_UNICAST_HOPS, DISCOVERY_HOP_LIMIT);
      setsockopt(fd, SocketLevel.Ipv6, SocketOption.IPV6_MULTICAST_LOOP, 0);
      setsockopt(fd, SocketLevel.Ipv6, SocketOption.IPV6_RECVHOPLIMIT, 1);
      setsockopt(fd, SocketLevel.Ipv6, SocketOption.IPV6_JOIN_GROUP, multicastRequest(allRouters, ifIndex));
      this.#watcher = new Watcher(fd, () => this.#receive());
      this.#watcher.start(PollEvent.Readable);
    } catch (error) {
      close(fd);
      throw error;
    }
    this.#fd = fd;
    this.#ifIndex = ifIndex;
    this.#sent = 0;
  }

  #closeSocket(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    if (this.#fd >= 0) close(this.#fd);
    this.#fd = -1;
  }

  #send(octets: Uint8Array, to: IpAddress): void {
    send(this.#fd, octets, 0, octets.length, 0, inetSocketAddress(to.octets, 0, this.#ifIndex));
  }

  #receive(): void {
    while (this.#fd >= 0) {
      let message: ReturnType<typeof receiveMessage>;
      try {
        message = receiveMessage(this.#fd, this.#buffer);
      } catch {
        // The interface went down; the next turn sees to it.
        this.#closeSocket();
        return;
      }
      if (message === undefined) return;
      const from = parseSocketAddress(message.address);
      if (from?.type !== 'inet' || from.octets.length !== 16) continue;
      const source: IpAddress = { version: 6, octets: from.octets };
      const { octets, control } = message;
      const kind = readDiscovery({ bytes: this.#buffer, octets, source, hopLimit: hopLimitOf(control) });
      if (kind === 'advertisement') this.#handlers.heard(source);
      else if (kind === 'solicitation') this.#answer();
    }
  }

  #answer(): void {
    const now = this.#clock.nowMs();
    if (now - this.#answeredMs < ANSWER_MS) return;
    this.#answeredMs = now;
    try {
      this.#send(routerAdvertisement(), allNodes);
    } catch {
      // The next regular one says why.
    }
  }
}

/** `struct ipv6_mreq`: address, then the interface in host byte order, which here is little-endian. */
function multicastRequest(group: IpAddress, ifIndex: number): Uint8Array {
  const octets = new Uint8Array(20);
  octets.set(group.octets);
  new DataView(octets.buffer).setUint32(16, ifIndex, true);
  return octets;
}
