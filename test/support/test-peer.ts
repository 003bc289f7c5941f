import { Socket } from 'node:net';
import {
  AS_TRANS,
  type BgpMessage,
  type Capability,
  decodeMessage,
  describeNotification,
  encodeKeepalive,
  encodeOpen,
  encodeUpdate,
  Families,
  type FamilyName,
  formatIp,
  formatPrefix,
  frameType,
  HEADER_OCTETS,
  type IpAddress,
  ip,
  type MpReach,
  makeMpReach,
  makeMpUnreach,
  nextFrame,
  nlriOf,
  type OpenMessage,
  type PathAttributes,
  type Prefix,
  type SessionContext,
} from 'bgp-ts';
import {
  AddressFamily,
  bind,
  close,
  connect,
  getsockopt,
  inetSocketAddress,
  openNetns,
  PollEvent,
  poll,
  SocketLevel,
  SocketOption,
  SocketProtocol,
  SocketType,
  setNonBlocking,
  socket,
} from '../../native/index.ts';
import { waitFor } from './wait-for.ts';

/** Whom a test peer is and whom it talks to. */
export interface TestPeerOptions {
  /** Path of the network namespace that the connection is made in. */
  readonly netnsPath: string;
  readonly localAddress: IpAddress;
  readonly remoteAddress: IpAddress;
  readonly remotePort?: number;
  readonly asn: number;
  readonly routerId: IpAddress;
  readonly kind: 'ebgp' | 'ibgp';
  readonly families?: readonly FamilyName[];
  /** False: the AS number travels in two octets (RFC 6793). */
  readonly fourOctetAs?: boolean;
  readonly holdSeconds?: number;
}

/**
 * A BGP speaker of a few lines for tests: sends what it is told and remembers what it hears. Wire format by bgp-ts, everything
 * else on its own, so that the sessions and tables of the product are not tested by themselves.
 */
export class TestPeer {
  /** What the other side announced and has not withdrawn: prefix text -> attributes. */
  readonly routes = new Map<string, PathAttributes>();
  readonly endOfRib = new Set<FamilyName>();
  readonly notifications: string[] = [];
  readonly context: SessionContext;
  /** What was wrong with messages that came; the connection ends with the first. */
  readonly problems: string[] = [];
  /** The OPEN that came from the other side. */
  remoteOpen: OpenMessage | undefined;
  isClosed = false;
  /** UPDATE messages received. */
  updates = 0;
  readonly #socket: Socket;
  #pending: Buffer = Buffer.alloc(0);
  #isEstablished = false;
  #keepalive: NodeJS.Timeout | undefined;

  /**
   * Connects, exchanges OPENs and resolves once the session is up. A speaker that does not listen yet, or closes because it does not know
   * its peers yet, is tried again.
   * @throws Error naming the last thing seen once `timeoutMs` have passed
   */
  static async connect(options: TestPeerOptions, timeoutMs = 30_000): Promise<TestPeer> {
    let peer: TestPeer | undefined;
    const what = `the session of the test peer in AS ${options.asn} with ${formatIp(options.remoteAddress)}`;
    try {
      await waitFor(
        what,
        () => {
          if (peer?.isClosed === true) {
            const seen = peer.notifications.join('; ') || 'without a word';
            peer = undefined;
            throw new Error(`closed: ${seen}`);
          }
          if (peer === undefined) {
            peer = new TestPeer(options, openSocket(options));
            peer.#socket.write(encodeOpen(openOf(options)));
          }
          return peer.#isEstablished;
        },
        timeoutMs,
      );
    } catch (error) {
      peer?.close();
      throw error;
    }
    return peer as unknown as TestPeer;
  }

  private constructor(options: TestPeerOptions, fd: number) {
    this.context = {
      fourOctetAs: options.fourOctetAs ?? true,
      addPathReceive: new Set(),
      addPathSend: new Set(),
      kind: options.kind,
    };
    this.#socket = new Socket({ fd, readable: true, writable: true });
    this.#socket.on('data', (chunk) => this.#receive(chunk));
    this.#socket.on('error', () => this.#ended());
    this.#socket.on('close', () => this.#ended());
  }

  /** Announces prefixes of one family with one set of attributes, in as many messages as it takes. */
  announce(prefixes: readonly Prefix[], attributes: PathAttributes): void {
    const isIpv4 = prefixes[0]?.address.version === 4;
    for (let i = 0; i < prefixes.length; i += 150) {
      const nlri = prefixes.slice(i, i + 150).map((prefix) => ({ prefix }));
      if (isIpv4) this.send(encodeUpdate({ attributes, nlri: nlriOf('ipv4-unicast', nlri) }, this.context));
      else {
        const { nextHop, ...rest } = attributes;
        const mpReach = makeMpReach('ipv6-unicast', { nextHop: nextHop ?? ip('::') }, nlri);
        this.send(encodeUpdate({ attributes: rest, mpReach }, this.context));
      }
    }
  }

  /** Withdraws prefixes of one family. */
  withdraw(prefixes: readonly Prefix[]): void {
    const isIpv4 = prefixes[0]?.address.version === 4;
    for (let i = 0; i < prefixes.length; i += 150) {
      const withdrawn = prefixes.slice(i, i + 150).map((prefix) => ({ prefix }));
      if (isIpv4) this.send(encodeUpdate({ withdrawn: nlriOf('ipv4-unicast', withdrawn) }, this.context));
      else {
        this.send(encodeUpdate({ mpUnreach: makeMpUnreach('ipv6-unicast', withdrawn) }, this.context));
      }
    }
  }

  /** Sends octets as they are, messages or not. */
  send(octets: Uint8Array): void {
    this.#socket.write(octets);
  }

  /** Closes the connection without a word. */
  close(): void {
    clearInterval(this.#keepalive);
    this.#socket.destroy();
    this.#ended();
  }

  #malformed(what: string): void {
    this.problems.push(what);
    this.close();
  }

  #ended(): void {
    clearInterval(this.#keepalive);
    this.isClosed = true;
  }

  #receive(chunk: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    let at = 0;
    for (;;) {
      const length = nextFrame(this.#pending, at, this.#pending.length, 65535);
      if (length < 0) {
        this.#malformed('header');
        return;
      }
      if (length === 0) break;
      const type = frameType(this.#pending, at);
      const body = Uint8Array.from(this.#pending.subarray(at + HEADER_OCTETS, at + length));
      const message = decodeMessage(type, body, this.context);
      if (!message.ok) {
        this.#malformed(describeNotification(message.error));
        return;
      }
      this.#handle(message.value);
      at += length;
    }
    this.#pending = this.#pending.subarray(at);
  }

  #handle(message: BgpMessage): void {
    switch (message.type) {
      case 'open':
        this.remoteOpen = message.open;
        this.#socket.write(encodeKeepalive());
        this.#keepalive = setInterval(() => this.#socket.write(encodeKeepalive()), 1000);
        return;
      case 'keepalive':
        this.#isEstablished = true;
        return;
      case 'notification':
        this.notifications.push(describeNotification(message.notification));
        return;
      case 'update': {
        const { update } = message;
        this.updates += 1;
        for (const problem of update.problems) this.problems.push(problem.message);
        if (update.endOfRib !== undefined) this.endOfRib.add(update.endOfRib);
        for (const { prefix } of [...update.withdrawn, ...(update.mpUnreach?.withdrawn ?? [])]) {
          this.routes.delete(formatPrefix(prefix));
        }
        for (const { prefix } of update.nlri) this.routes.set(formatPrefix(prefix), update.attributes);
        const mpAttributes = { ...update.attributes, ...nextHopOf(update.mpReach) };
        for (const { prefix } of update.mpReach?.nlri ?? []) this.routes.set(formatPrefix(prefix), mpAttributes);
        return;
      }
      case 'route-refresh':
        return;
    }
  }
}

function nextHopOf(reach: MpReach | undefined): { nextHop?: IpAddress } {
  return reach?.nextHop === undefined ? {} : { nextHop: reach.nextHop };
}

function openOf(options: TestPeerOptions): OpenMessage {
  const families = options.families ?? ['ipv4-unicast', 'ipv6-unicast'];
  const capabilities: Capability[] = families.map((name) => {
    const { afi, safi } = Families[name];
    return { type: 'multiprotocol', afi, safi };
  });
  if (options.fourOctetAs !== false) capabilities.push({ type: 'four-octet-as', asn: options.asn });
  return {
    version: 4,
    myAs: options.asn > 0xffff ? AS_TRANS : options.asn,
    holdSeconds: options.holdSeconds ?? 90,
    routerId: options.routerId,
    capabilities,
  };
}

/**
 * A connected socket inside the namespace; connecting to an address of the same machine takes no time worth waiting for.
 * @throws Error if it does not come about
 */
export function openSocket(
  options: Pick<TestPeerOptions, 'netnsPath' | 'localAddress' | 'remoteAddress' | 'remotePort'>,
): number {
  const { netnsPath, localAddress, remoteAddress, remotePort = 179 } = options;
  const domain = localAddress.version === 4 ? AddressFamily.Inet : AddressFamily.Inet6;
  const netns = openNetns(netnsPath);
  const fd = socket(domain, SocketType.Stream, SocketProtocol.Tcp, netns);
  close(netns);
  setNonBlocking(fd, true);
  bind(fd, inetSocketAddress(localAddress.octets, 0));
  connect(fd, inetSocketAddress(remoteAddress.octets, remotePort));
  poll(fd, PollEvent.Writable, 5000);
  const errno = getsockopt(fd, SocketLevel.Socket, SocketOption.SO_ERROR);
  if (errno !== 0) {
    close(fd);
    throw new Error(`test peer: connecting failed with errno ${errno}`);
  }
  return fd;
}
