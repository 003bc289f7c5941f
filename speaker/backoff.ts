import type { FsmState, Notification } from 'bgp-ts';
import { CeaseSubcode, ErrorCode } from 'bgp-ts';
import type { Clock } from '../lib/clock.ts';

/**
 * What ended an attempt or a session, as far as it decides how soon to try again:
 * - `unreachable`: TCP did not come about, or broke before both OPENs were accepted;
 * - `lost`: an established session broke off without anybody's fault (reset, hold timer, BFD, the peer restarting);
 * - `collision`: this connection gave way to another one;
 * - `protocol`: one side found an error in what the other sent, or is configured otherwise: it will happen again.
 */
export type FailureKind = 'unreachable' | 'lost' | 'collision' | 'protocol';

/** When to go on after a failure. */
export interface Delay {
  /** Milliseconds to stay in Idle, where the peer's connections are refused too. */
  readonly idleMs: number;
  /** Milliseconds until our next attempt, `idleMs` included; the peer's own attempts are welcome from `idleMs` on. */
  readonly connectMs: number;
}

/** A session that lasted so long ends a row of failures. */
const STABLE_MS = 30_000;
const FIRST_RETRY_MS = 1000;
const PROTOCOL_GROWTH = 12;

/** How long each kind waits, in seconds, as configured. */
export interface BackoffSettings {
  /** The wait for an unreachable peer grows from one second to this. */
  readonly connectRetrySeconds: number;
  /** After an error of the protocol: this, growing to twelve times as much. */
  readonly idleHoldSeconds: number;
}

/**
 * The one place that decides how long a peer waits between attempts: twice as long after each failure in a row, up to a
 * limit per kind, and each wait shortened by up to a quarter at random (RFC 4271 §10), so that peers which failed
 * together do not come back together.
 */
export class Backoff {
  readonly #clock: Clock;
  #settings: BackoffSettings;
  #failures: number;
  #establishedAtMs: number | undefined;

  constructor(clock: Clock, settings: BackoffSettings) {
    this.#clock = clock;
    this.#settings = settings;
    this.#failures = 0;
    this.#establishedAtMs = undefined;
  }

  /** Other limits from the next failure on. */
  configure(settings: BackoffSettings): void {
    this.#settings = settings;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** A session came up; if it stays up for half a minute, earlier failures are forgotten. */
  established(): void {
    this.#establishedAtMs = this.#clock.nowMs();
  }

  /** Forgets all failures: the configuration changed, or an administrator asked for another try. */
  reset(): void {
    this.#failures = 0;
    this.#establishedAtMs = undefined;
  }

  /** Counts a failure and says how long to wait. */
  failed(kind: FailureKind): Delay {
    if (this.#establishedAtMs !== undefined && this.#clock.nowMs() - this.#establishedAtMs >= STABLE_MS) {
      this.#failures = 0;
    }
    this.#establishedAtMs = undefined;
    const factor = 2 ** Math.min(this.#failures, 16);
    this.#failures++;
    if (kind === 'protocol') {
      const baseMs = this.#settings.idleHoldSeconds * 1000;
      const connectMs = this.#jitter(Math.min(baseMs * factor, baseMs * PROTOCOL_GROWTH));
      return { idleMs: Math.min(baseMs, connectMs), connectMs };
    }
    const limitMs = this.#settings.connectRetrySeconds * 1000;
    return { idleMs: 0, connectMs: this.#jitter(Math.min(FIRST_RETRY_MS * factor, limitMs)) };
  }

  #jitter(ms: number): number {
    return jitter(this.#clock, ms);
  }
}

/** `ms` shortened by up to a quarter (RFC 4271 §10). */
export function jitter(clock: Clock, ms: number): number {
  return ms * (0.75 + 0.25 * clock.random());
}

/** How soon it makes sense to come back after the peer closed with a NOTIFICATION. */
export function failureOf(notification: Notification, state: FsmState): FailureKind {
  if (notification.code === ErrorCode.HoldTimerExpired || notification.code === ErrorCode.SendHoldTimerExpired) {
    return 'lost';
  }
  if (notification.code !== ErrorCode.Cease) return 'protocol';
  switch (notification.subcode) {
    case CeaseSubcode.ConnectionCollisionResolution:
      return 'collision';
    case CeaseSubcode.MaximumPrefixesReached:
    case CeaseSubcode.PeerDeconfigured:
    case CeaseSubcode.OutOfResources:
      return 'protocol';
    default:
      return state === 'Established' ? 'lost' : 'unreachable';
  }
}
