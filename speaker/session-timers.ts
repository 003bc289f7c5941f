import type { Clock, TimerHandle } from '../lib/clock.ts';
import { jitter } from './backoff.ts';
import type { Connection } from './connection.ts';

/** What the timers of a session tell it. */
export interface SessionTimerHandlers {
  connectRetryExpired(): void;
  holdExpired(): void;
  keepaliveExpired(): void;
  sendHoldExpired(): void;
  /** The connection the timers judge, if any. */
  connection(): Connection | undefined;
  /** Octets handed to that connection so far. */
  octetsWritten(): number;
}

/** How often silence is looked at again while octets of the peer wait unread. */
const UNREAD_RECHECK_MS = 1000;
/** The send hold timer looks for progress so many times in its duration. */
const SEND_HOLD_CHECKS = 8;

/**
 * The timers of one session (RFC 4271 §10). Restarting the hold timer only moves a deadline, so that it costs nothing
 * per message; the timer behind it goes off at the old one and is set again.
 */
export class SessionTimers {
  readonly #clock: Clock;
  readonly #handlers: SessionTimerHandlers;
  #connectRetry: TimerHandle | undefined;
  #connectRetryAtMs: number;
  #hold: TimerHandle | undefined;
  #holdMs: number;
  #holdAtMs: number;
  #keepalive: TimerHandle | undefined;
  #keepaliveAtMs: number;
  #sendHold: TimerHandle | undefined;

  constructor(clock: Clock, handlers: SessionTimerHandlers) {
    this.#clock = clock;
    this.#handlers = handlers;
    this.#connectRetry = undefined;
    this.#connectRetryAtMs = 0;
    this.#hold = undefined;
    this.#holdMs = 0;
    this.#holdAtMs = 0;
    this.#keepalive = undefined;
    this.#keepaliveAtMs = 0;
    this.#sendHold = undefined;
  }

  /** @param ms as the back-off has it, jitter included */
  startConnectRetry(ms: number): void {
    this.#connectRetry?.clear();
    this.#connectRetryAtMs = this.#clock.nowMs() + ms;
    this.#connectRetry = this.#clock.setTimer(ms, () => {
      this.#connectRetry = undefined;
      this.#handlers.connectRetryExpired();
    });
  }

  stopConnectRetry(): void {
    this.#connectRetry?.clear();
    this.#connectRetry = undefined;
  }

  startHold(seconds: number): void {
    this.#hold?.clear();
    this.#holdMs = seconds * 1000;
    this.heard();
    this.#armHold(this.#holdMs);
  }

  /** A message arrived: the hold timer starts afresh, if it runs. */
  heard(): void {
    this.#holdAtMs = this.#clock.nowMs() + this.#holdMs;
  }

  stopHold(): void {
    this.#hold?.clear();
    this.#hold = undefined;
  }

  /** Once, after `seconds` less a jitter of up to a quarter; the session starts it again. */
  startKeepalive(seconds: number): void {
    this.#keepalive?.clear();
    const ms = jitter(this.#clock, seconds * 1000);
    this.#keepaliveAtMs = this.#clock.nowMs() + ms;
    this.#keepalive = this.#clock.setTimer(ms, () => {
      this.#keepalive = undefined;
      this.#handlers.keepaliveExpired();
    });
  }

  stopKeepalive(): void {
    this.#keepalive?.clear();
    this.#keepalive = undefined;
  }

  /** Watches that what we send leaves (RFC 9687): expires after `seconds` in which octets waited and none was taken. */
  startSendHold(seconds: number): void {
    this.#sendHold?.clear();
    const everyMs = (seconds * 1000) / SEND_HOLD_CHECKS;
    let taken = -1;
    let progressAtMs = this.#clock.nowMs();
    const check = (): void => {
      const queued = this.#handlers.connection()?.queuedOctets ?? 0;
      const takenNow = this.#handlers.octetsWritten() - queued;
      if (queued === 0 || takenNow !== taken) progressAtMs = this.#clock.nowMs();
      taken = takenNow;
      if (this.#clock.nowMs() - progressAtMs >= seconds * 1000) {
        this.#sendHold = undefined;
        this.#handlers.sendHoldExpired();
      } else {
        this.#sendHold = this.#clock.setTimer(everyMs, check);
      }
    };
    this.#sendHold = this.#clock.setTimer(everyMs, check);
  }

  stopSendHold(): void {
    this.#sendHold?.clear();
    this.#sendHold = undefined;
  }

  stopAll(): void {
    this.stopConnectRetry();
    this.stopHold();
    this.stopKeepalive();
    this.stopSendHold();
  }

  /** Milliseconds left on each timer that runs. */
  remaining(): { connectRetryMs?: number; holdMs?: number; keepaliveMs?: number } {
    const now = this.#clock.nowMs();
    return {
      ...(this.#connectRetry && { connectRetryMs: Math.max(0, this.#connectRetryAtMs - now) }),
      ...(this.#hold && { holdMs: Math.max(0, this.#holdAtMs - now) }),
      ...(this.#keepalive && { keepaliveMs: Math.max(0, this.#keepaliveAtMs - now) }),
    };
  }

  #armHold(ms: number): void {
    this.#hold = this.#clock.setTimer(ms, () => this.#holdDue());
  }

  /**
   * The deadline seems to have passed. If this process was held up, the peer's messages may be waiting: let waiting I/O
   * be served first, and never call a peer silent whose octets we have not read.
   */
  #holdDue(): void {
    const leftMs = this.#holdAtMs - this.#clock.nowMs();
    if (leftMs > 0) {
      this.#armHold(leftMs);
      return;
    }
    this.#hold = this.#clock.defer(() => {
      if (this.#holdAtMs > this.#clock.nowMs()) {
        this.#armHold(this.#holdAtMs - this.#clock.nowMs());
      } else if (this.#handlers.connection()?.hasUnread() === true) {
        this.#armHold(UNREAD_RECHECK_MS);
      } else {
        this.#hold = undefined;
        this.#handlers.holdExpired();
      }
    });
  }
}
