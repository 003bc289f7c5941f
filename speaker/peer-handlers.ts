import type { FamilyName, FsmState, IpAddress, Notification } from 'bgp-ts';
import type { Negotiated } from './negotiate.ts';
import type { Peer } from './peer.ts';

/** What an established session offers to those who speak through it. */
export interface SessionPort {
  readonly negotiated: Negotiated;
  /** False once the session is over; then every method does nothing. */
  readonly isUp: boolean;
  /**
   * Queues whole messages, several per buffer if wanted. The buffer may be shared between sessions and must never
   * change afterwards.
   * @param updates how many UPDATE messages the buffer holds, for the counters
   * @returns false: enough is queued, stop until `writable`
   */
  send(bytes: Uint8Array, updates?: number): boolean;
  /** Asks for everything again (RFC 2918); false if the peer did not offer to or does not speak the family. */
  requestRefresh(family: FamilyName): boolean;
  /** Marks begin and end of a refresh towards the peer (RFC 7313 §3.2), in order with what is sent; only where that was agreed on. */
  markRefresh(family: FamilyName, mark: 'begin' | 'end'): void;
  /** Ends the session with this NOTIFICATION. */
  close(notification: Notification): void;
  /** Stops delivery of UPDATEs until `resumeReading`: back-pressure, which TCP passes on to the peer. */
  pauseReading(): void;
  resumeReading(): void;
}

/** Why an established session ended. */
export type SessionDownReason =
  | { readonly type: 'notification-sent'; readonly notification: Notification; readonly message: string }
  | { readonly type: 'notification-received'; readonly notification: Notification; readonly message: string }
  /** TCP broke, or the send hold timer expired: nothing was said. */
  | { readonly type: 'connection-lost'; readonly message: string }
  /** We closed without a word, to be resumed by graceful restart. */
  | { readonly type: 'silent'; readonly message: string };

/** What a peer tells the rest of the speaker. */
export interface PeerHandlers {
  /** The session reached Established. */
  sessionUp(peer: Peer, session: SessionPort): void;
  /**
   * An UPDATE arrived: its body, header stripped, in `bytes[start, end)`, a view that is valid only during the call.
   * @returns a NOTIFICATION to end the session with, or undefined
   */
  update(peer: Peer, bytes: Uint8Array, start: number, end: number): Notification | undefined;
  /** A ROUTE-REFRESH arrived; subtype 0 asks for the routes, 1 and 2 frame an enhanced refresh (RFC 7313). */
  routeRefresh(peer: Peer, family: FamilyName, subtype: 0 | 1 | 2): void;
  /** The socket can take more, after `SessionPort.send` returned false. */
  writable(peer: Peer): void;
  /** The session left Established; its SessionPort is dead. */
  sessionDown(peer: Peer, reason: SessionDownReason): void;
}

/** How many messages of each type. */
export interface MessageCounts {
  readonly open: number;
  readonly update: number;
  readonly notification: number;
  readonly keepalive: number;
  readonly routeRefresh: number;
}

/** The last thing that went wrong, in words. */
export interface PeerError {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly message: string;
}

/** A peer's state at one moment, for `bgpctl` and metrics. Holds no secret. */
export interface PeerSnapshot {
  readonly name: string;
  readonly address: IpAddress;
  readonly port: number;
  readonly device?: string;
  readonly localAs: number;
  /** Absent while it is not known: configured as `external` or `auto`, and no session. */
  readonly remoteAs?: number;
  readonly kind: 'ebgp' | 'ibgp';
  readonly passive: boolean;
  readonly hasPassword: boolean;
  readonly state: FsmState;
  /** Milliseconds since 1970 at which `state` was entered. */
  readonly sinceMs: number;
  /** Present while the administrator has shut the peer down; the text may be empty. */
  readonly adminDown?: { readonly text: string };
  /** Present in Established. */
  readonly negotiated?: Negotiated;
  /** Sessions that reached Established since the peer was configured. */
  readonly established: number;
  /** Attempts that failed since the last session. */
  readonly connectRetryCounter: number;
  /** Milliseconds until the next connection attempt, when one is due. */
  readonly nextAttemptMs?: number;
  /** Milliseconds until the hold timer expires and until the next keepalive, on the running session. */
  readonly holdRemainingMs?: number;
  readonly keepaliveRemainingMs?: number;
  readonly sent: MessageCounts;
  readonly received: MessageCounts;
  readonly octetsSent: number;
  readonly octetsReceived: number;
  /** Octets waiting for the socket. */
  readonly queuedOctets: number;
  /** Connections alive at the moment, 0 to 2. */
  readonly connections: number;
  readonly lastErrorSent?: PeerError;
  readonly lastErrorReceived?: PeerError;
  /** Trouble that was not a NOTIFICATION: connection refused, reset, timed out ... */
  readonly lastFailure?: PeerError;
}
