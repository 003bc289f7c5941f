import type { FsmState, Notification, OpenMessage } from 'bgp-ts';
import { CeaseSubcode, cease, describeNotification, ErrorCode, fsmStates, ipEquals, OpenSubcode } from 'bgp-ts';
import type { Clock, TimerHandle } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { Backoff } from './backoff.ts';
import { resolveCollision } from './collision.ts';
import type { Connection, Transport } from './connection.ts';
import { MessageCounter } from './counters.ts';
import { type AdminDown, type PeerSettings, remoteAsOf, withoutCapabilities } from './negotiate.ts';
import type { PeerError, PeerHandlers, PeerSnapshot, SessionPort } from './peer-handlers.ts';
import { refuseConnection } from './refusal.ts';
import { Session } from './session.ts';
import type { SessionOwner } from './session-owner.ts';
import { changesAttempts, needsReset } from './settings-change.ts';
import { tcpOptionsOf } from './tcp-options.ts';

export type {
  MessageCounts,
  PeerError,
  PeerHandlers,
  PeerSnapshot,
  SessionDownReason,
  SessionPort,
} from './peer-handlers.ts';

const connectionRejected = cease(CeaseSubcode.ConnectionRejected);

/** What a peer works with. */
export interface PeerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly transport: Transport;
  readonly handlers: PeerHandlers;
}

/**
 * One configured peer. It has at most two connections: the one in use or being made (`main`), and one that the peer
 * opened meanwhile (`second`), until it is clear which of them stays (RFC 4271 §6.8).
 */
export class Peer {
  readonly #deps: PeerDeps;
  readonly #log: Logger;
  readonly #owner: SessionOwner;
  readonly #backoff: Backoff;
  readonly #sent: MessageCounter;
  readonly #received: MessageCounter;
  #settings: PeerSettings;
  #main: Session | undefined;
  #second: Session | undefined;
  #idle: { readonly timer: TimerHandle; readonly atMs: number } | undefined;
  #isRunning: boolean;
  #adminDown: AdminDown | undefined;
  /** The peer knows no Optional Parameters: the next OPEN has none. */
  #isPlain: boolean;
  #shownState: FsmState;
  #sinceMs: number;
  #established: number;
  #lastErrorSent: PeerError | undefined;
  #lastErrorReceived: PeerError | undefined;
  #lastFailure: PeerError | undefined;
  #loggedFailure: string | undefined;

  constructor(settings: PeerSettings, deps: PeerDeps) {
    this.#deps = deps;
    this.#log = deps.log.child({ peer: settings.name });
    this.#settings = settings;
    this.#backoff = new Backoff(deps.clock, settings);
    this.#sent = new MessageCounter();
    this.#received = new MessageCounter();
    this.#main = undefined;
    this.#second = undefined;
    this.#idle = undefined;
    this.#isRunning = false;
    this.#adminDown = settings.adminDown;
    this.#isPlain = false;
    this.#shownState = 'Idle';
    this.#sinceMs = deps.clock.wallMs();
    this.#established = 0;
    this.#lastErrorSent = undefined;
    this.#lastErrorReceived = undefined;
    this.#lastFailure = undefined;
    this.#loggedFailure = undefined;
    this.#owner = this.#makeOwner();
  }

  get name(): string {
    return this.#settings.name;
  }

  get settings(): PeerSettings {
    return this.#settings;
  }

  /** The established session, if there is one. */
  get session(): SessionPort | undefined {
    return this.#main?.port;
  }

  /** Begins to connect or, if passive, to wait; a peer that is administratively down stays in Idle. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    if (this.#adminDown === undefined) this.#begin();
  }

  /** Shuts the peer down as an administrator does, telling it `text` (RFC 9003); it stays down until `enable`. */
  stop(text = ''): void {
    this.#stop({ text });
  }

  /** Takes back `stop`. */
  enable(): void {
    if (this.#adminDown === undefined) return;
    this.#adminDown = undefined;
    if (this.#isRunning) this.#begin();
  }

  /** Resets the session (Cease/Administrative Reset) and tries again at once. */
  clear(text = ''): void {
    if (!this.#isRunning || this.#adminDown !== undefined) return;
    this.#end(cease(CeaseSubcode.AdministrativeReset, text));
    this.#begin();
  }

  /**
   * Ends the session because the speaker found a reason of its own, such as a BFD session going down; the back-off
   * decides when to try again.
   */
  reset(notification: Notification): void {
    this.#second?.close(notification);
    this.#main?.close(notification);
  }

  /**
   * Takes a TCP connection that came in from this peer's address, or tells the peer why not (RFC 4486 §4).
   * @returns false if the peer is down or must stay idle: the connection is or will be closed
   */
  accept(connection: Connection): boolean {
    if (!ipEquals(connection.remoteAddress, this.#settings.address)) return false;
    connection.configure(tcpOptionsOf(this.#settings));
    if (!this.#isRunning || this.#main === undefined) {
      refuseConnection(connection, this.#refusal());
      return false;
    }
    if (this.#main.state === 'Active') {
      this.#main.adopt(connection);
      return true;
    }
    // A peer that opens another connection has given up the one before.
    this.#second?.dump();
    const session = new Session(this.#owner);
    this.#second = session;
    session.startWith(connection);
    return true;
  }

  /**
   * Applies changed settings with as little disturbance as they allow.
   * @returns `reset` if the session had to be ended (Cease/Other Configuration Change), else `kept`
   */
  update(settings: PeerSettings): 'kept' | 'reset' {
    const before = this.#settings;
    this.#settings = settings;
    this.#backoff.configure(settings);
    if (settings.adminDown !== undefined) {
      if (this.#adminDown?.text === settings.adminDown.text) return 'kept';
      this.#stop(settings.adminDown);
      return 'reset';
    }
    if (before.adminDown !== undefined && this.#adminDown !== undefined) {
      this.#backoff.reset();
      this.enable();
      return 'reset';
    }
    if (this.#adminDown !== undefined) return 'kept';
    if (needsReset(before, settings) && this.#main?.state === 'Established') {
      this.#end(cease(CeaseSubcode.OtherConfigurationChange));
      this.#begin();
      return 'reset';
    }
    if (this.#main?.state !== 'Established' && this.#isRunning && changesAttempts(before, settings)) {
      // There is no session to lose, and waiting would leave it open whether the change was the right one.
      this.#end(cease(CeaseSubcode.OtherConfigurationChange));
      this.#begin();
      return 'kept';
    }
    this.#main?.reconfigureConnection();
    this.#second?.reconfigureConnection();
    return 'kept';
  }

  /**
   * Ends everything for good; calling it again does nothing.
   * @param how `deconfigured`: Cease/Peer De-configured; `shutdown`: Cease/Administrative Shutdown, the speaker ends;
   * `silent`: no NOTIFICATION, so that a graceful restart follows
   */
  close(how: 'deconfigured' | 'shutdown' | 'silent' = 'shutdown'): void {
    if (!this.#isRunning) return;
    if (how === 'silent') {
      this.#isRunning = false;
      this.#second?.abandon();
      this.#main?.abandon();
    }
    this.#isRunning = false;
    const subcode = how === 'deconfigured' ? CeaseSubcode.PeerDeconfigured : CeaseSubcode.AdministrativeShutdown;
    this.#end(cease(subcode));
  }

  /** The state of affairs, without secrets. */
  snapshot(): PeerSnapshot {
    const { name, address, port, device, localAs, passive, password } = this.#settings;
    const timers = this.#main?.timers;
    const negotiated = this.#main?.state === 'Established' ? this.#main.negotiated : undefined;
    const remoteAs = negotiated?.remoteAs ?? asNumberOf(this.#settings);
    const idleMs = this.#idle === undefined ? undefined : Math.max(0, this.#idle.atMs - this.#deps.clock.nowMs());
    const nextAttemptMs = this.#main?.state === 'Active' ? timers?.connectRetryMs : idleMs;
    return {
      name,
      address,
      port,
      ...(device !== undefined && { device }),
      localAs,
      ...(remoteAs !== undefined && { remoteAs }),
      kind: negotiated?.kind ?? this.#settings.kind,
      passive,
      hasPassword: password !== undefined,
      state: this.#shownState,
      sinceMs: this.#sinceMs,
      ...(this.#adminDown !== undefined && { adminDown: { text: this.#adminDown.text } }),
      ...(negotiated !== undefined && { negotiated }),
      established: this.#established,
      connectRetryCounter: this.#backoff.failures,
      ...(nextAttemptMs !== undefined && { nextAttemptMs }),
      ...(timers?.holdMs !== undefined && { holdRemainingMs: timers.holdMs }),
      ...(timers?.keepaliveMs !== undefined && { keepaliveRemainingMs: timers.keepaliveMs }),
      sent: this.#sent.counts(),
      received: this.#received.counts(),
      octetsSent: this.#sent.octets,
      octetsReceived: this.#received.octets,
      queuedOctets: this.#main?.queuedOctets ?? 0,
      connections: Number(this.#main?.hasConnection === true) + Number(this.#second?.hasConnection === true),
      ...(this.#lastErrorSent !== undefined && { lastErrorSent: this.#lastErrorSent }),
      ...(this.#lastErrorReceived !== undefined && { lastErrorReceived: this.#lastErrorReceived }),
      ...(this.#lastFailure !== undefined && { lastFailure: this.#lastFailure }),
    };
  }

  /** A fresh start, failures forgotten. */
  #begin(): void {
    this.#stopIdle();
    this.#backoff.reset();
    this.#main = new Session(this.#owner);
    this.#main.startManually();
    this.#show();
  }

  /** Ends what there is, and schedules nothing. */
  #end(notification: Notification): void {
    this.#stopIdle();
    const { main, second } = { main: this.#main, second: this.#second };
    this.#main = undefined;
    this.#second = undefined;
    second?.stop(notification);
    main?.stop(notification);
    this.#show();
  }

  /** After a failure: Idle for a while if it must be, then listening, then connecting. */
  #beginAfter(session: Session): void {
    if (!this.#isRunning || this.#adminDown !== undefined) return;
    const delay = this.#backoff.failed(session.failure);
    const listen = (): void => {
      this.#idle = undefined;
      this.#main = new Session(this.#owner);
      this.#main.startAfter(delay.connectMs - delay.idleMs);
      this.#show();
    };
    if (delay.idleMs === 0) {
      listen();
      return;
    }
    this.#stopIdle();
    this.#idle = {
      timer: this.#deps.clock.setTimer(delay.idleMs, listen),
      atMs: this.#deps.clock.nowMs() + delay.connectMs,
    };
  }

  #stopIdle(): void {
    this.#idle?.timer.clear();
    this.#idle = undefined;
  }

  #makeOwner(): SessionOwner {
    const peer = this;
    const { clock, transport, handlers } = this.#deps;
    return {
      clock,
      transport,
      log: this.#log,
      sent: this.#sent,
      received: this.#received,
      get settings() {
        return peer.#isPlain ? withoutCapabilities(peer.#settings) : peer.#settings;
      },
      connectRetryMs: () => peer.#backoff.failed('unreachable').connectMs,
      survivesCollision: (session, open) => peer.#survivesCollision(session, open),
      notificationSent(notification, message) {
        const described = describeNotification(notification);
        const words = message.startsWith(described) ? message : `${described} (${message})`;
        peer.#lastErrorSent = peer.#errorNow(words);
        peer.#log.warn('notification sent', { notification: words });
      },
      notificationReceived(notification) {
        const words = describeNotification(notification);
        peer.#noteRefusedParameters(notification);
        peer.#lastErrorReceived = peer.#errorNow(words);
        peer.#log.warn('notification received', { notification: words });
      },
      connectionFailed(message) {
        peer.#lastFailure = peer.#errorNow(message);
        if (peer.#loggedFailure === message) return;
        peer.#loggedFailure = message;
        peer.#log.warn('connection failed', { reason: message });
      },
      sessionUp: (session) => peer.#up(session),
      sessionDown(_session, reason) {
        peer.#isPlain = false;
        handlers.sessionDown(peer, reason);
      },
      update: (_session, bytes, start, end) => handlers.update(peer, bytes, start, end),
      routeRefresh: (_session, family, subtype) => handlers.routeRefresh(peer, family, subtype),
      writable: () => handlers.writable(peer),
      settled: (session, from) => peer.#settled(session, from),
    };
  }

  #stop(adminDown: AdminDown): void {
    this.#adminDown = adminDown;
    this.#end(
      adminDown.isPrivate === true ? connectionRejected : cease(CeaseSubcode.AdministrativeShutdown, adminDown.text),
    );
  }

  /** What a connection hears that comes while there is no run to take it. */
  #refusal(): Notification {
    if (this.#adminDown === undefined || this.#adminDown.isPrivate === true) return connectionRejected;
    return cease(CeaseSubcode.AdministrativeShutdown, this.#adminDown.text);
  }

  /** A peer that refuses the Capabilities parameter is met without it next time (RFC 5492 §3), and with it after that. */
  #noteRefusedParameters({ code, subcode }: Notification): void {
    if (code !== ErrorCode.OpenMessage) return;
    this.#isPlain = !this.#isPlain && subcode === OpenSubcode.UnsupportedOptionalParameter;
  }

  #survivesCollision(session: Session, open: OpenMessage): boolean {
    const other = session === this.#main ? this.#second : this.#main;
    if (other === undefined) return true;
    const verdict = resolveCollision({
      localRouterId: this.#settings.routerId,
      remoteRouterId: open.routerId,
      localAs: this.#settings.localAs,
      remoteAs: remoteAsOf(open),
      existing: { state: other.state, origin: other.origin },
      fresh: { origin: session.origin },
    });
    if (verdict === 'drop-existing') other.dump();
    return verdict !== 'drop-fresh';
  }

  #up(session: Session): void {
    // Whatever else is on its way has lost: a connection in OpenConfirm or before gives way to an established one.
    const other = session === this.#main ? this.#second : this.#main;
    this.#main = session;
    this.#second = undefined;
    other?.dump();
    this.#established++;
    this.#backoff.established();
    this.#loggedFailure = undefined;
    this.#show();
    const port = session.port;
    if (port !== undefined) this.#deps.handlers.sessionUp(this, port);
  }

  #settled(session: Session, from: FsmState): void {
    const isOver = session.state === 'Idle';
    // The machine goes back to Active when TCP fails in OpenSent: of no use while there is another connection.
    const isBack = session.state === 'Active' && from !== 'Idle';
    if (session === this.#second) {
      if (isOver || isBack) this.#second = undefined;
    } else if (session === this.#main && this.#second !== undefined && (isOver || isBack)) {
      this.#main = this.#second;
      this.#second = undefined;
      if (isBack) session.stop(cease(CeaseSubcode.ConnectionCollisionResolution));
    } else if (session === this.#main && isOver) {
      this.#main = undefined;
      this.#beginAfter(session);
    }
    this.#show();
  }

  /** Notes when the state that people see changes: that of the connection which got further. */
  #show(): void {
    const mainRank = fsmStates.indexOf(this.#main?.state ?? 'Idle');
    const secondRank = fsmStates.indexOf(this.#second?.state ?? 'Idle');
    const state = fsmStates[Math.max(mainRank, secondRank)] ?? 'Idle';
    if (state === this.#shownState) return;
    this.#shownState = state;
    this.#sinceMs = this.#deps.clock.wallMs();
  }

  #errorNow(message: string): PeerError {
    return { atMs: this.#deps.clock.wallMs(), message };
  }
}

/** The peer's AS number as far as the configuration alone tells it. */
function asNumberOf({ remoteAs }: PeerSettings): number | undefined {
  return typeof remoteAs === 'number' ? remoteAs : undefined;
}
