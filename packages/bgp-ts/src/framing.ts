import { type Notification, notification } from './errors.ts';
import { ErrorCode, MessageHeaderSubcode, MessageType } from './iana.ts';
import { err, ok, type Result } from './result.ts';

/** Octets of the message header: marker (16), length (2), type (1). */
export const HEADER_OCTETS = 19;

/** Largest message without Extended Message (RFC 4271 §4.1). */
export const MAX_MESSAGE_OCTETS = 4096;

/** Largest message with Extended Message (RFC 8654 §2). */
export const MAX_EXTENDED_MESSAGE_OCTETS = 65535;

/**
 * Looks for one whole message at `start` (RFC 4271 §4.1, §6.1). Allocates nothing.
 * @param bytes octets received, valid from `start` up to `end`; not read beyond
 * @param maxOctets largest message allowed: 4096, or 65535 with Extended Message
 * @returns octets of the message including its header; 0 if more are needed; -1 if the header is bad, then see `frameError`
 */
export function nextFrame(bytes: Uint8Array, start: number, end: number, maxOctets: number): number {
  if (end - start < HEADER_OCTETS) return 0;
  for (let i = start; i < start + 16; i++) if (bytes[i] !== 0xff) return -1;
  const length = ((bytes[start + 16] as number) << 8) | (bytes[start + 17] as number);
  if (!isLengthValid(bytes[start + 18] as number, length, maxOctets)) return -1;
  return length <= end - start ? length : 0;
}

/** The type octet of the message at `start`. */
export function frameType(bytes: Uint8Array, start: number): number {
  return bytes[start + 18] as number;
}

/** The NOTIFICATION to send after `nextFrame` returned -1: 1/1, 1/2 with the length, or 1/3 with the type (RFC 4271 §6.1). */
export function frameError(bytes: Uint8Array, start: number, end: number, maxOctets: number): Notification {
  for (let i = start; i < Math.min(end, start + 16); i++) {
    if (bytes[i] !== 0xff) return notification(ErrorCode.MessageHeader, MessageHeaderSubcode.ConnectionNotSynchronized);
  }
  const length = ((bytes[start + 16] ?? 0) << 8) | (bytes[start + 17] ?? 0);
  if (length < HEADER_OCTETS || length > maxOctets || isLengthKnownBad(bytes[start + 18] ?? 0, length)) {
    const data = bytes.slice(start + 16, start + 18);
    return notification(ErrorCode.MessageHeader, MessageHeaderSubcode.BadMessageLength, data);
  }
  return notification(
    ErrorCode.MessageHeader,
    MessageHeaderSubcode.BadMessageType,
    bytes.slice(start + 18, start + HEADER_OCTETS),
  );
}

/** What `splitFrames` found. */
export interface Frames {
  /** Whole messages with their headers, in order: views into the stream. */
  readonly messages: readonly Uint8Array[];
  /** Octets the messages took; the rest is the beginning of the next one. */
  readonly consumed: number;
}

/**
 * Splits received octets into whole messages (RFC 4271 §4.1). The convenient form of `nextFrame`.
 * @param stream octets received so far; read only, and the messages returned are views into it
 * @param maxOctets largest message allowed: 4096, or 65535 with Extended Message (RFC 8654 §2)
 * @returns messages in order and octets consumed, or the NOTIFICATION to send (1/1, 1/2 or 1/3, RFC 4271 §6.1)
 * @throws RangeError if `maxOctets` is below 19 (a caller's bug, never the peer's doing)
 */
export function splitFrames(stream: Uint8Array, maxOctets: number): Result<Frames, Notification> {
  if (maxOctets < HEADER_OCTETS) throw new RangeError(`maxOctets ${maxOctets}: a header alone has ${HEADER_OCTETS}`);
  const messages: Uint8Array[] = [];
  let at = 0;
  for (;;) {
    const length = nextFrame(stream, at, stream.length, maxOctets);
    if (length === 0) return ok({ messages, consumed: at });
    if (length < 0) return err(frameError(stream, at, stream.length, maxOctets));
    messages.push(stream.subarray(at, at + length));
    at += length;
  }
}

/** Length and type together: the type must be known, the length fit it (RFC 4271 §6.1; OPEN and KEEPALIVE never extended, RFC 8654 §4). */
function isLengthValid(type: number, length: number, maxOctets: number): boolean {
  if (length < HEADER_OCTETS || length > maxOctets) return false;
  return type >= MessageType.Open && type <= MessageType.RouteRefresh && !isLengthKnownBad(type, length);
}

/** Whether no message of this type can have this length; false for unknown types. */
function isLengthKnownBad(type: number, length: number): boolean {
  switch (type) {
    case MessageType.Open:
      return length < 29 || length > MAX_MESSAGE_OCTETS;
    case MessageType.Update:
      return length < 23;
    case MessageType.Notification:
      return length < 21;
    case MessageType.Keepalive:
      return length !== HEADER_OCTETS;
    default:
      // ROUTE-REFRESH has an error code of its own for its length (RFC 7313 §5).
      return false;
  }
}
