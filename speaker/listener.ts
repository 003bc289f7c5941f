import type { IpAddress } from 'bgp-ts';
import { CeaseSubcode, cease, formatIp, formatPrefix, isLinkLocal, type Prefix } from 'bgp-ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { errorMessage } from '../lib/result.ts';
import type { Connection, ListeningSocket, Transport } from './connection.ts';
import type { Peer } from './peer.ts';
import { refuseConnection } from './refusal.ts';

/** One address and port to listen on; an unspecified address means all of its family. */
export interface ListenAddress {
  readonly address: IpAddress;
  readonly port: number;
  readonly device?: string;
}

/** The TCP MD5 key of everybody in a prefix. */
export interface PrefixKey {
  readonly prefix: Prefix;
  readonly password: string;
}

/** What the listener works with. */
export interface ListenerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly transport: Transport;
  /** The peer for an address that was not added, if there is to be one. */
  unknown?(address: IpAddress, device: string | undefined): Peer | undefined;
}

/** A stranger is logged once in so many milliseconds, and so many strangers are remembered. */
const STRANGER_LOG_MS = 60_000;
const MAX_STRANGERS = 1000;

/**
 * Accepts the connections of configured peers and closes all others. Keeps the MD5 key of each peer on the listening
 * sockets, since the kernel checks it before there is anything to accept.
 */
export class Listener {
  readonly #deps: ListenerDeps;
  readonly #peers: Map<string, { readonly peer: Peer; readonly hasOwnKey: boolean }>;
  readonly #strangers: Map<string, number>;
  #prefixKeys: readonly PrefixKey[];
  #sockets: ListeningSocket[];

  constructor(deps: ListenerDeps) {
    this.#deps = deps;
    this.#peers = new Map();
    this.#strangers = new Map();
    this.#prefixKeys = [];
    this.#sockets = [];
  }

  /**
   * Listens on these addresses, in addition to those before.
   * @throws Error if one cannot be bound or a key is refused; then none of them stays open
   */
  open(addresses: readonly ListenAddress[]): void {
    const opened: ListeningSocket[] = [];
    try {
      for (const { address, port, device } of addresses) {
        const socket = this.#deps.transport.listen({
          address,
          port,
          ...(device === undefined ? {} : { device }),
          accepted: (connection) => this.#accepted(connection),
          failed: (error) => this.#deps.log.error('accept failed', { reason: error.message }),
        });
        opened.push(socket);
        for (const { prefix, password } of this.#prefixKeys) setPrefixPassword(socket, prefix, password);
        for (const { peer, hasOwnKey } of this.#peers.values()) {
          if (hasOwnKey) setPassword(socket, peer, peer.settings.password);
        }
      }
    } catch (error) {
      for (const socket of opened) socket.close();
      throw error;
    }
    this.#sockets.push(...opened);
  }

  /** Where it listens; with the port the kernel chose, if 0 was asked for. */
  get addresses(): readonly ListenAddress[] {
    return this.#sockets.map(({ address, port }) => ({ address, port }));
  }

  /**
   * Accepts connections of this peer from now on. Call it again when its password has changed.
   * @param hasOwnKey false: its address is covered by a key of `setPrefixKeys`; there may be many such peers, and the room of a
   * listening socket for keys is small
   * @throws Error if the kernel refuses the key: a peer with a password must not run without it
   */
  addPeer(peer: Peer, hasOwnKey = true): void {
    if (hasOwnKey) for (const socket of this.#sockets) setPassword(socket, peer, peer.settings.password);
    this.#peers.set(keyOf(peer.settings.address, peer.settings.device), { peer, hasOwnKey });
  }

  /**
   * The keys for everybody in these prefixes, in place of those before. A connection that stands keeps the key it was made with.
   * @throws Error if the kernel refuses one: then nobody in that prefix may be accepted
   */
  setPrefixKeys(keys: readonly PrefixKey[]): void {
    const wanted = new Set(keys.map(({ prefix }) => formatPrefix(prefix)));
    const gone = this.#prefixKeys.filter(({ prefix }) => !wanted.has(formatPrefix(prefix)));
    this.#prefixKeys = keys;
    for (const socket of this.#sockets) {
      for (const { prefix } of gone) setPrefixPassword(socket, prefix, undefined);
      for (const { prefix, password } of keys) setPrefixPassword(socket, prefix, password);
    }
  }

  /** Accepts no more connections of this peer, and forgets its key. */
  removePeer(peer: Peer): void {
    const key = keyOf(peer.settings.address, peer.settings.device);
    const entry = this.#peers.get(key);
    if (entry?.peer !== peer) return;
    this.#peers.delete(key);
    if (peer.settings.password === undefined || !entry.hasOwnKey) return;
    for (const socket of this.#sockets) {
      try {
        setPassword(socket, peer, undefined);
      } catch (error) {
        this.#deps.log.warn('key not removed', { peer: peer.name, reason: errorMessage(error) });
      }
    }
  }

  /** Stops listening; connections that were accepted go on. */
  close(): void {
    for (const socket of this.#sockets) socket.close();
    this.#sockets = [];
  }

  #accepted(connection: Connection): void {
    const { remoteAddress, device } = connection;
    const peer = this.#peers.get(keyOf(remoteAddress, device))?.peer ?? this.#deps.unknown?.(remoteAddress, device);
    if (peer === undefined) {
      this.#refuseStranger(connection, formatIp(remoteAddress) + (device === undefined ? '' : `%${device}`));
    } else if (!peer.accept(connection)) {
      this.#deps.log.debug('connection refused', { peer: peer.name, reason: 'the peer is down or in idle hold' });
    }
  }

  /** Who keeps coming is answered and logged once a minute (RFC 4486 §4), and else closed without a word. */
  #refuseStranger(connection: Connection, address: string): void {
    const now = this.#deps.clock.nowMs();
    const before = this.#strangers.get(address);
    if (before !== undefined && now - before < STRANGER_LOG_MS) {
      connection.destroy();
      return;
    }
    refuseConnection(connection, cease(CeaseSubcode.ConnectionRejected));
    if (this.#strangers.size >= MAX_STRANGERS) this.#strangers.clear();
    this.#strangers.set(address, now);
    this.#deps.log.warn('connection refused', { address, reason: 'no such peer is configured' });
  }
}

function setPrefixPassword(socket: ListeningSocket, prefix: Prefix, password: string | undefined): void {
  if (socket.address.version === prefix.address.version) socket.setPrefixPassword(prefix, password);
}

function setPassword(socket: ListeningSocket, peer: Peer, password: string | undefined): void {
  const { address, device } = peer.settings;
  if (socket.address.version !== address.version) return;
  socket.setPassword(address, device, password);
}

/** A link-local address means something only together with its interface. */
function keyOf(address: IpAddress, device: string | undefined): string {
  return isLinkLocal(address) ? `${formatIp(address)}%${device ?? ''}` : formatIp(address);
}
