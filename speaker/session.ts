import type { FsmAction, FsmContext, FsmEvent, FsmState, Notification } from 'bgp-ts';
import {
  CeaseSubcode,
  cease,
  decodeNotification,
  decodeRouteRefresh,
  describeNotification,
  ErrorCode,
  encodeKeepalive,
  encodeNotification,
  encodeOpen,
  encodeRouteRefresh,
  Families,
  familyOf,
  frameError,
  frameType,
  HEADER_OCTETS,
  MAX_MESSAGE_OCTETS,
  MessageType,
  nextFrame,
  OpenSubcode,
  transition,
} from 'bgp-ts';
import { unreachable } from '../lib/result.ts';
import { type FailureKind, failureOf } from './backoff.ts';
import type { ConnectionOrigin } from './collision.ts';
import type { Connection, ConnectionEnd } from './connection.ts';
import type { Negotiated } from './negotiate.ts';
import { maxReceivedOctets, openEncoding, openFor } from './negotiate.ts';
import { checkOpen } from './open-check.ts';
import type { SessionDownReason, SessionPort } from './peer-handlers.ts';
import type { SessionOwner } from './session-owner.ts';
import { SessionTimers } from './session-timers.ts';
import { tcpOptionsOf } from './tcp-options.ts';

const keepaliveMessage = encodeKeepalive();
const DEFAULT_SEND_HOLD_SECONDS = 480;

/** One run of the state machine: owns its connection, its timers and what was negotiated on it. */
export class Session {
  readonly #owner: SessionOwner;
  readonly #timers: SessionTimers;
  #state: FsmState;
  #context: FsmContext;
  #connection: Connection | undefined;
  #origin: ConnectionOrigin;
  #negotiated: Negotiated | undefined;
  #port: SessionPort | undefined;
  #maxOctets: number;
  #paused: boolean;
  #octetsWritten: number;
  #retryAfterMs: number | undefined;
  #failure: FailureKind;
  /** Why the event being processed happened, in words. */
  #cause: string;
  #down: SessionDownReason;
  #isSilent: boolean;

  constructor(owner: SessionOwner) {
    this.#owner = owner;
    this.#state = 'Idle';
    this.#context = {
      passive: owner.settings.passive,
      holdSeconds: 0,
      keepaliveSeconds: 0,
      sendHoldSeconds: 0,
    };
    this.#connection = undefined;
    this.#origin = 'outgoing';
    this.#negotiated = undefined;
    this.#port = undefined;
    this.#maxOctets = MAX_MESSAGE_OCTETS;
    this.#paused = false;
    this.#octetsWritten = 0;
    this.#retryAfterMs = undefined;
    this.#failure = 'unreachable';
    this.#cause = '';
    this.#down = { type: 'connection-lost', message: '' };
    this.#isSilent = false;
    this.#timers = new SessionTimers(owner.clock, {
      connectRetryExpired: () => this.#feed({ type: 'ConnectRetryTimerExpires' }, 'connect retry timer'),
      holdExpired: () => this.#feed({ type: 'HoldTimerExpires' }, 'hold timer expired'),
      keepaliveExpired: () => this.#feed({ type: 'KeepaliveTimerExpires' }, 'keepalive timer'),
      sendHoldExpired: () => {
        this.#owner.connectionFailed('send hold timer expired: the peer takes no octets (RFC 9687)');
        this.#feed({ type: 'SendHoldTimerExpires' }, 'send hold timer expired: the peer takes no octets');
      },
      connection: () => this.#connection,
      octetsWritten: () => this.#octetsWritten,
    });
  }

  get state(): FsmState {
    return this.#state;
  }

  get origin(): ConnectionOrigin {
    return this.#origin;
  }

  get negotiated(): Negotiated | undefined {
    return this.#negotiated;
  }

  /** Present while Established. */
  get port(): SessionPort | undefined {
    return this.#port;
  }

  get hasConnection(): boolean {
    return this.#connection !== undefined;
  }

  /** What ended this run, for the back-off. */
  get failure(): FailureKind {
    return this.#failure;
  }

  get queuedOctets(): number {
    return this.#connection?.queuedOctets ?? 0;
  }

  /** Milliseconds left on each timer that runs. */
  get timers(): { connectRetryMs?: number; holdMs?: number; keepaliveMs?: number } {
    return this.#timers.remaining();
  }

  /** Begins: event 1, or 4 for a passive peer. */
  startManually(): void {
    this.#feed({ type: this.#context.passive ? 'ManualStartPassive' : 'ManualStart' }, 'started');
  }

  /** Begins again after a failure: listens at once (event 5), connects after `connectMs`. */
  startAfter(connectMs: number): void {
    this.#retryAfterMs = connectMs;
    this.#feed({ type: 'AutomaticStartPassive' }, 'waiting to try again');
  }

  /** Begins with a connection that the peer opened: event 5, and for lack of a timer no attempt of ours. */
  startWith(connection: Connection): void {
    this.#context = { ...this.#context, passive: true };
    this.#feed({ type: 'AutomaticStartPassive' }, 'the peer connects');
    this.adopt(connection);
  }

  /** In Active: takes the connection that the peer opened (event 17). */
  adopt(connection: Connection): void {
    this.#origin = 'incoming';
    this.#take(connection);
    this.#feed({ type: 'TcpConnectionConfirmed' }, 'the peer connected');
  }

  /** The administrator ends it: event 2. */
  stop(notification: Notification): void {
    this.#feed({ type: 'ManualStop', notification }, describeNotification(notification));
  }

  /** The speaker ends it: event 8. */
  close(notification: Notification, failure: FailureKind = 'lost'): void {
    if (this.#state === 'Idle') return;
    this.#failure = failure;
    this.#feed({ type: 'AutomaticStop', notification }, describeNotification(notification));
  }

  /** Gives way to another connection: event 23. */
  dump(): void {
    this.#failure = 'collision';
    this.#feed({ type: 'OpenCollisionDump' }, 'gave way to another connection (RFC 4271 §6.8)');
  }

  /** Closes TCP without a word, so that a peer capable of graceful restart keeps our routes (RFC 4724 §4). */
  abandon(): void {
    if (this.#state === 'Idle') return;
    this.#isSilent = true;
    this.#feed({ type: 'TcpConnectionFails' }, 'closed to restart gracefully');
    // From OpenSent the machine goes back to Active; this run is over in any case.
    if (this.state !== 'Idle') this.#feed({ type: 'ManualStop' }, 'closed');
  }

  /** Applies changed socket options, key included, to the connection as it stands. */
  reconfigureConnection(): void {
    this.#connection?.configure(tcpOptionsOf(this.#owner.settings));
  }

  #feed(event: FsmEvent, cause: string): void {
    const from = this.#state;
    const { next, actions } = transition(from, event, this.#context);
    this.#state = next;
    this.#cause = cause;
    if (event.type === 'HoldTimerExpires') this.#failure = from === 'Established' ? 'lost' : 'unreachable';
    if (next !== from) {
      if (from === 'Established') this.#down = this.#downReason(event, actions);
      this.#logChange(from, next);
    }
    for (const action of actions) this.#perform(action);
    if (next !== from) this.#owner.settled(this, from);
  }

  #perform(action: FsmAction): void {
    switch (action.type) {
      case 'start-connect-retry':
        this.#timers.startConnectRetry(this.#connectRetryMs());
        break;
      case 'start-timer':
        if (action.timer === 'hold') this.#timers.startHold(action.seconds);
        else if (action.timer === 'keepalive') this.#timers.startKeepalive(action.seconds);
        else this.#timers.startSendHold(action.seconds);
        break;
      case 'stop-timer':
        if (action.timer === 'hold') this.#timers.stopHold();
        else if (action.timer === 'keepalive') this.#timers.stopKeepalive();
        else if (action.timer === 'send-hold') this.#timers.stopSendHold();
        else this.#timers.stopConnectRetry();
        break;
      case 'connect':
        this.#connect();
        break;
      case 'send-open': {
        const { settings } = this.#owner;
        this.#send(MessageType.Open, encodeOpen(openFor(settings), openEncoding(settings)));
        break;
      }
      case 'send-keepalive':
        this.#send(MessageType.Keepalive, keepaliveMessage);
        break;
      case 'send-notification':
        this.#send(MessageType.Notification, encodeNotification(action.notification));
        this.#owner.notificationSent(action.notification, this.#cause);
        break;
      case 'drop':
        this.#drop(action.abort || this.#isSilent);
        break;
      case 'session-up':
        this.#up();
        break;
      case 'session-down':
        this.#port = undefined;
        this.#owner.sessionDown(this, this.#down);
        break;
      case 'retry-counter':
        // The back-off counts, over all runs.
        break;
      case 'process-update':
      case 'process-route-refresh':
        // Done by `#received`, which alone has the octets.
        break;
      default:
        unreachable(action);
    }
  }

  /** In Connect the timer only backs up the connect timeout; in Active it is the back-off. */
  #connectRetryMs(): number {
    if (this.#state === 'Connect') {
      const { connectRetrySeconds, connectTimeoutSeconds } = this.#owner.settings;
      return (connectRetrySeconds + connectTimeoutSeconds) * 1000;
    }
    const ms = this.#retryAfterMs ?? this.#owner.connectRetryMs();
    this.#retryAfterMs = undefined;
    return ms;
  }

  #connect(): void {
    const settings = this.#owner.settings;
    this.#origin = 'outgoing';
    const connection = this.#owner.transport.connect(
      {
        remoteAddress: settings.address,
        remotePort: settings.port,
        ...(settings.localAddress === undefined ? {} : { localAddress: settings.localAddress }),
        ...(settings.localInterface === undefined ? {} : { localInterface: settings.localInterface }),
        ...(settings.device === undefined ? {} : { device: settings.device }),
        timeoutMs: settings.connectTimeoutSeconds * 1000,
        ...tcpOptionsOf(settings),
      },
      {
        connected: () => this.#feed({ type: 'TcpConnectionRequestAcked' }, 'connected'),
        received: (bytes, start, end) => this.#received(bytes, start, end),
        drained: () => this.#drained(),
        closed: (end) => this.#closed(end),
      },
    );
    this.#octetsWritten = 0;
    this.#connection = connection;
  }

  #take(connection: Connection): void {
    this.#octetsWritten = 0;
    this.#connection = connection;
    connection.attach({
      connected: () => {},
      received: (bytes, start, end) => this.#received(bytes, start, end),
      drained: () => this.#drained(),
      closed: (end) => this.#closed(end),
    });
  }

  #drop(isAbort: boolean): void {
    const connection = this.#connection;
    this.#connection = undefined;
    this.#paused = false;
    if (isAbort) connection?.destroy();
    else connection?.end();
  }

  #closed(end: ConnectionEnd): void {
    const state = this.#state;
    this.#failure = state === 'Established' ? 'lost' : 'unreachable';
    const message = state === 'Connect' ? `connect: ${end.message}` : `${end.message} in ${state}`;
    this.#owner.connectionFailed(message);
    this.#feed({ type: 'TcpConnectionFails' }, message);
  }

  #drained(): void {
    if (this.#state !== 'Established') return;
    try {
      this.#owner.writable(this);
    } catch (error) {
      this.#bug(error);
    }
  }

  /** A bug of ours must not take the other sessions down with it. */
  #bug(error: unknown): void {
    this.#owner.log.error('session failed', { error: error instanceof Error ? error.stack : String(error) });
    this.close(cease(CeaseSubcode.Unspecific), 'protocol');
  }

  #send(type: number, message: Uint8Array): void {
    if (this.#connection === undefined) return;
    this.#owner.sent.add(type, message.length);
    this.#octetsWritten += message.length;
    this.#connection.write(message);
  }

  #up(): void {
    const negotiated = this.#negotiated;
    if (negotiated === undefined) throw new Error('Established without an OPEN');
    this.#port = this.#makePort(negotiated);
    this.#owner.sessionUp(this);
  }

  #makePort(negotiated: Negotiated): SessionPort {
    const session = this;
    const isUp = (): boolean => session.#state === 'Established' && session.#negotiated === negotiated;
    return {
      negotiated,
      get isUp() {
        return isUp();
      },
      send(bytes, updates = 1) {
        const connection = session.#connection;
        if (connection === undefined || !isUp()) return false;
        session.#owner.sent.addUpdates(updates, bytes.length);
        session.#octetsWritten += bytes.length;
        return connection.write(bytes);
      },
      requestRefresh(family) {
        if (!isUp() || !negotiated.routeRefresh || !negotiated.families.has(family)) return false;
        const { afi, safi } = Families[family];
        session.#send(MessageType.RouteRefresh, encodeRouteRefresh({ afi, safi, subtype: 0 }));
        return true;
      },
      markRefresh(family, mark) {
        if (!isUp() || !negotiated.enhancedRefresh) return;
        const { afi, safi } = Families[family];
        session.#send(MessageType.RouteRefresh, encodeRouteRefresh({ afi, safi, subtype: mark === 'begin' ? 1 : 2 }));
      },
      close(notification) {
        if (isUp()) session.close(notification, 'protocol');
      },
      pauseReading() {
        if (!isUp()) return;
        session.#paused = true;
        session.#connection?.pauseReading();
      },
      resumeReading() {
        if (!isUp() || !session.#paused) return;
        session.#paused = false;
        session.#connection?.resumeReading();
      },
    };
  }

  /** Takes whole messages out of what has arrived; what is left is the beginning of the next one. */
  #received(bytes: Uint8Array, start: number, end: number): number {
    const connection = this.#connection;
    let at = start;
    try {
      while (!this.#paused) {
        const length = nextFrame(bytes, at, end, this.#maxOctets);
        if (length === 0) break;
        if (length < 0) {
          const notification = frameError(bytes, at, end, this.#maxOctets);
          this.#failure = 'protocol';
          this.#feed({ type: 'HeaderError', notification }, describeNotification(notification));
          return end - start;
        }
        this.#message(bytes, at, at + length);
        at += length;
        // The message may have ended this run, or its use of this connection.
        if (this.#connection !== connection) return end - start;
      }
    } catch (error) {
      this.#bug(error);
      return end - start;
    }
    if (at > start) this.#timers.heard();
    return at - start;
  }

  #message(bytes: Uint8Array, start: number, end: number): void {
    const type = frameType(bytes, start);
    this.#owner.received.add(type, end - start);
    const bodyStart = start + HEADER_OCTETS;
    switch (type) {
      case MessageType.Update:
        // In Established this is event 27 without the detour: the machine would stay there and restart the hold timer,
        // which `#received` does once for all messages of one read.
        if (this.#state !== 'Established') {
          this.#unexpected({ type: 'UpdateReceived' }, 'UPDATE');
          return;
        }
        this.#update(this.#owner.update(this, bytes, bodyStart, end));
        return;
      case MessageType.Keepalive:
        if (this.#state === 'OpenConfirm') this.#feed({ type: 'KeepaliveReceived' }, 'KEEPALIVE received');
        else if (this.#state !== 'Established') this.#unexpected({ type: 'KeepaliveReceived' }, 'KEEPALIVE');
        return;
      case MessageType.Open:
        this.#open(bytes.slice(bodyStart, end));
        return;
      case MessageType.Notification:
        this.#notification(decodeNotification(bytes.slice(bodyStart, end)));
        return;
      case MessageType.RouteRefresh:
        this.#routeRefresh(bytes.slice(bodyStart, end));
        return;
    }
  }

  #update(problem: Notification | undefined): void {
    if (problem === undefined) return;
    this.#failure = 'protocol';
    const event: FsmEvent =
      problem.code === ErrorCode.UpdateMessage
        ? { type: 'UpdateMessageError', notification: problem }
        : { type: 'AutomaticStop', notification: problem };
    this.#feed(event, describeNotification(problem));
  }

  #unexpected(event: FsmEvent, name: string): void {
    this.#failure = 'protocol';
    this.#feed(event, `${name} received in ${this.#state}`);
  }

  #open(body: Uint8Array): void {
    const connection = this.#connection;
    if (this.#state !== 'OpenSent' || connection === undefined) {
      this.#unexpected({ type: 'OpenReceived', holdSeconds: 0, keepaliveSeconds: 0 }, 'OPEN');
      return;
    }
    const settings = this.#owner.settings;
    const checked = checkOpen(settings, body, connection);
    if (!checked.ok) {
      this.#failure = 'protocol';
      this.#feed({ type: 'OpenMessageError', notification: checked.error.notification }, checked.error.message);
      return;
    }
    const { open, negotiated } = checked.value;
    if (!this.#owner.survivesCollision(this, open)) {
      this.dump();
      return;
    }
    this.#negotiated = negotiated;
    this.#maxOctets = maxReceivedOctets(settings);
    const { holdSeconds, keepaliveSeconds } = negotiated;
    this.#context = {
      ...this.#context,
      holdSeconds,
      keepaliveSeconds,
      sendHoldSeconds: settings.sendHoldSeconds ?? Math.max(DEFAULT_SEND_HOLD_SECONDS, 2 * holdSeconds),
    };
    this.#feed({ type: 'OpenReceived', holdSeconds, keepaliveSeconds }, 'OPEN accepted');
  }

  #notification(notification: Notification): void {
    this.#owner.notificationReceived(notification);
    this.#failure = failureOf(notification, this.#state);
    const isVersion =
      notification.code === ErrorCode.OpenMessage && notification.subcode === OpenSubcode.UnsupportedVersionNumber;
    this.#down = { type: 'notification-received', notification, message: describeNotification(notification) };
    this.#feed(
      { type: isVersion ? 'NotificationVersionError' : 'NotificationReceived' },
      `received ${describeNotification(notification)}`,
    );
  }

  #routeRefresh(body: Uint8Array): void {
    if (this.#state !== 'Established') {
      this.#unexpected({ type: 'RouteRefreshReceived' }, 'ROUTE-REFRESH');
      return;
    }
    const decoded = decodeRouteRefresh(body);
    if (!decoded.ok) {
      this.close(decoded.error, 'protocol');
      return;
    }
    const { afi, safi, subtype } = decoded.value;
    const family = familyOf(afi, safi);
    // What was not negotiated is ignored (RFC 2918 §4), unknown subtypes too (RFC 7313 §5).
    if (family === undefined || this.#negotiated?.families.has(family) !== true) return;
    if (subtype === 0 || subtype === 1 || subtype === 2) this.#owner.routeRefresh(this, family, subtype);
  }

  #downReason(event: FsmEvent, actions: readonly FsmAction[]): SessionDownReason {
    if (this.#isSilent) return { type: 'silent', message: this.#cause };
    if (event.type === 'NotificationReceived' || event.type === 'NotificationVersionError') return this.#down;
    for (const action of actions) {
      if (action.type !== 'send-notification') continue;
      return { type: 'notification-sent', notification: action.notification, message: this.#cause };
    }
    return { type: 'connection-lost', message: this.#cause };
  }

  /** The way to and from a session is news; the coming and going of attempts is not. */
  #logChange(from: FsmState, to: FsmState): void {
    const isNews = from === 'OpenConfirm' || from === 'Established' || to === 'OpenConfirm' || to === 'Established';
    const fields = { from, to, cause: this.#cause };
    if (isNews) this.#owner.log.info('fsm', fields);
    else this.#owner.log.debug('fsm', fields);
  }
}
