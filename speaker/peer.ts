import type { FsmState, Notification, OpenMessage } from 'bgp-ts';
import { CeaseSubcode, cease, describeNotification, fsmStates, ipEquals } from 'bgp-ts';
import type { Clock, TimerHandle } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { Backoff } from './backoff.ts';
import { resolveCollision } from './collision.ts';
import type { Connection, Transport } from './connection.ts';
import { MessageCounter } from './counters.ts';
import type { PeerSettings } from './negotiate.ts';
import type { PeerError, PeerHandlers, PeerSnapshot, SessionPort } from './peer-handlers.ts';
import { Session } from './session.ts';
import type { SessionOwner } from './session-owner.ts';
import { needsReset } from './settings-change.ts';
import { tcpOptionsOf } from './tcp-options.ts';

export type {
  MessageCounts,
  PeerError,
  PeerHandlers,
  PeerSnapshot,
  SessionDownReason,
  SessionPort,
} from './peer-handlers.ts';

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
  #adminDown: { readonly text: string } | undefined;
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
    this.#adminDown = { text };
    this.#end(cease(CeaseSubcode.AdministrativeShutdown, text));
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
   * Takes a TCP connection that came in from this peer's address.
   * @returns false if the peer is down or must stay idle: the caller closes the connection
   */
  accept(connection: Connection): boolean {
    if (!this.#isRunning || !ipEquals(connection.remoteAddress, this.#settings.address)) return false;
    // No run: administratively down, or in idle hold.
    if (this.#main === undefined) return false;
    connection.configure(tcpOptionsOf(this.#settings));
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
      this.stop(settings.adminDown.text);
      return 'reset';
    }
    if (before.adminDown !== undefined && this.#adminDown !== undefined) {
      this.#backoff.reset();
      this.enable();
      return 'reset';
    }
    if (needsReset(before, settings)) {
      if (!this.#isRunning || this.#adminDown !== undefined) return 'kept';
      this.#end(cease(CeaseSubcode.OtherConfigurationChange));
      this.#begin();
      return 'reset';
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
    const { name, address, port, device, localAs, remoteAs, kind, passive, password } = this.#settings;
    const timers = this.#main?.timers;
    const negotiated = this.#main?.state === 'Established' ? this.#main.negotiated : undefined;
    const idleMs = this.#idle === undefined ? undefined : Math.max(0, this.#idle.atMs - this.#deps.clock.nowMs());
    const nextAttemptMs = this.#main?.state === 'Active' ? timers?.connectRetryMs : idleMs;
    return {
      name,
      address,
      port,
      ...(device !== undefined && { device }),
      localAs,
      remoteAs,
      kind,
      passive,
      hasPassword: password !== undefined,
      state: this.#shownState,
      sinceMs: this.#sinceMs,
      ...(this.#adminDown !== undefined && { adminDown: this.#adminDown }),
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
        return peer.#settings;
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
      sessionDown: (_session, reason) => handlers.sessionDown(peer, reason),
      update: (_session, bytes, start, end) => handlers.update(peer, bytes, start, end),
      routeRefresh: (_session, family, subtype) => handlers.routeRefresh(peer, family, subtype),
      writable: () => handlers.writable(peer),
      settled: (session, from) => peer.#settled(session, from),
    };
  }

  #survivesCollision(session: Session, open: OpenMessage): boolean {
    const other = session === this.#main ? this.#second : this.#main;
    if (other === undefined) return true;
    const verdict = resolveCollision({
      localRouterId: this.#settings.routerId,
      remoteRouterId: open.routerId,
      localAs: this.#settings.localAs,
      remoteAs: this.#settings.remoteAs,
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
