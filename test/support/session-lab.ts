import type { FamilyName, Notification } from 'bgp-ts';
import { ip } from 'bgp-ts';
import type { LogFields, Logger } from '../../lib/log.ts';
import type { Connection, ConnectionEnd } from '../../speaker/connection.ts';
import { Listener } from '../../speaker/listener.ts';
import type { PeerSettings } from '../../speaker/negotiate.ts';
import type { PeerHandlers, SessionDownReason, SessionPort } from '../../speaker/peer.ts';
import { Peer } from '../../speaker/peer.ts';
import { FakeClock } from './fake-clock.ts';
import { FakeNetwork, type FakeNetworkOptions } from './fake-network.ts';

/** Settings with every default, for a peer at `address`. */
export function peerSettings(address: string, overrides: Partial<PeerSettings> = {}): PeerSettings {
  return {
    name: address,
    address: ip(address),
    port: 179,
    localAs: 65001,
    remoteAs: 65002,
    kind: 'ebgp',
    routerId: ip('10.0.0.1'),
    passive: false,
    holdSeconds: 90,
    connectRetrySeconds: 10,
    connectTimeoutSeconds: 5,
    idleHoldSeconds: 5,
    families: ['ipv4-unicast', 'ipv6-unicast'],
    tos: 0xc0,
    ...overrides,
  };
}

/** A log line that was written. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly event: string;
  readonly fields: LogFields;
}

/** A logger that keeps its lines. */
export function recordingLogger(lines: LogLine[], fields: LogFields = {}): Logger {
  const at =
    (level: LogLine['level']) =>
    (event: string, more: LogFields = {}): void => {
      lines.push({ level, event, fields: { ...fields, ...more } });
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (more) => recordingLogger(lines, { ...fields, ...more }),
  };
}

/** Handlers that keep what they are told. `onUpdate` may be replaced. */
export class RecordingHandlers implements PeerHandlers {
  readonly ups: SessionPort[] = [];
  readonly downs: SessionDownReason[] = [];
  readonly updates: Uint8Array[] = [];
  readonly refreshes: { family: FamilyName; subtype: number }[] = [];
  writables = 0;
  onUpdate: (bytes: Uint8Array) => Notification | undefined = () => undefined;
  onUp: (session: SessionPort) => void = () => {};

  /** The session that is up. */
  get session(): SessionPort {
    const last = this.ups.at(-1);
    if (last === undefined) throw new Error('no session is up');
    return last;
  }

  sessionUp(_peer: Peer, session: SessionPort): void {
    this.ups.push(session);
    this.onUp(session);
  }

  update(_peer: Peer, bytes: Uint8Array, start: number, end: number): Notification | undefined {
    const body = bytes.slice(start, end);
    this.updates.push(body);
    return this.onUpdate(body);
  }

  routeRefresh(_peer: Peer, family: FamilyName, subtype: 0 | 1 | 2): void {
    this.refreshes.push({ family, subtype });
  }

  writable(): void {
    this.writables++;
  }

  sessionDown(_peer: Peer, reason: SessionDownReason): void {
    this.downs.push(reason);
  }
}

/** A speaker with its peers, on the network of a lab. */
export class LabSpeaker {
  readonly handlers = new RecordingHandlers();
  readonly lines: LogLine[] = [];
  readonly listener: Listener;
  readonly peers: Peer[] = [];
  readonly #lab: SessionLab;
  readonly #address: string;

  constructor(lab: SessionLab, address: string) {
    this.#lab = lab;
    this.#address = address;
    this.listener = new Listener({
      clock: lab.clock,
      log: recordingLogger(this.lines),
      transport: lab.network.host(address),
    });
    this.listener.open([{ address: ip(address), port: 179 }]);
  }

  /** Configures a peer; it is not started yet. */
  add(settings: PeerSettings): Peer {
    const peer = new Peer(settings, {
      clock: this.#lab.clock,
      log: recordingLogger(this.lines),
      transport: this.#lab.network.host(this.#address),
      handlers: this.handlers,
    });
    this.peers.push(peer);
    this.listener.addPeer(peer);
    return peer;
  }
}

/** Speakers that exchange real messages over a fake network, by a fake clock. */
export class SessionLab {
  readonly clock = new FakeClock();
  readonly network: FakeNetwork;

  constructor(options: FakeNetworkOptions = {}) {
    this.network = new FakeNetwork(this.clock, options);
  }

  speaker(address: string): LabSpeaker {
    return new LabSpeaker(this, address);
  }

  /**
   * Two speakers, 10.0.0.1 (AS 65001) and 10.0.0.2 (AS 65002), each configured with the other and not started.
   * The second has the larger BGP identifier unless the overrides say otherwise.
   */
  pair(a: Partial<PeerSettings> = {}, b: Partial<PeerSettings> = {}): Pair {
    const left = this.speaker('10.0.0.1');
    const right = this.speaker('10.0.0.2');
    return {
      left,
      right,
      a: left.add(peerSettings('10.0.0.2', a)),
      b: right.add(peerSettings('10.0.0.1', { localAs: 65002, remoteAs: 65001, routerId: ip('10.0.0.2'), ...b })),
    };
  }

  /** A remote end that only says what the test tells it to: connects to `to` from `from`. */
  rawConnect(from: string, to: string): RawEnd {
    const end = new RawEnd();
    end.connection = this.network.host(from).connect({ remoteAddress: ip(to), remotePort: 179, timeoutMs: 5000 }, end);
    return end;
  }

  /** A remote end of that kind which listens on `address`; `ends` grows with each connection. */
  rawListen(address: string): { readonly ends: RawEnd[] } {
    const ends: RawEnd[] = [];
    this.network.host(address).listen({
      address: ip(address),
      port: 179,
      accepted: (connection) => {
        const end = new RawEnd();
        end.connection = connection;
        end.isConnected = true;
        connection.attach(end);
        ends.push(end);
      },
      failed: () => {},
    });
    return { ends };
  }
}

/** The two speakers of `SessionLab.pair`. */
export interface Pair {
  readonly left: LabSpeaker;
  readonly right: LabSpeaker;
  readonly a: Peer;
  readonly b: Peer;
}

/** One end of a connection without a speaker behind it. */
export class RawEnd {
  connection: Connection | undefined;
  isConnected = false;
  isClosed = false;
  /** Whole messages received, headers included. */
  readonly messages: Uint8Array[] = [];

  connected(): void {
    this.isConnected = true;
  }

  received(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (end - at >= 19) {
      const length = ((bytes[at + 16] ?? 0) << 8) | (bytes[at + 17] ?? 0);
      if (end - at < length) break;
      this.messages.push(bytes.slice(at, at + length));
      at += length;
    }
    return at - start;
  }

  drained(): void {}

  closed(_end: ConnectionEnd): void {
    this.isClosed = true;
  }

  send(...messages: Uint8Array[]): void {
    for (const message of messages) this.connection?.write(message);
  }

  /** Types of the messages received, and of NOTIFICATIONs code, subcode and data too. */
  get heard(): string[] {
    return this.messages.map((message) => {
      const type = message[18] ?? 0;
      const name = ['?', 'OPEN', 'UPDATE', 'NOTIFICATION', 'KEEPALIVE', 'ROUTE-REFRESH'][type] ?? '?';
      if (type !== 3) return name;
      const data = [...message.subarray(21)].join(' ');
      return `${name} ${message[19]}/${message[20]}${data === '' ? '' : `: ${data}`}`;
    });
  }
}
