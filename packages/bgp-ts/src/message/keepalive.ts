import { type Notification, notification } from '../errors.ts';
import { HEADER_OCTETS } from '../framing.ts';
import { ErrorCode, MessageHeaderSubcode, MessageType } from '../iana.ts';
import { err, ok, type Result } from '../result.ts';
import { finishMessage, startMessage } from './header.ts';

/** KEEPALIVE (type 4), RFC 4271 §4.4: a header and nothing else. Anything behind it: 1/2 with the length. */
export function decodeKeepalive(body: Uint8Array): Result<undefined, Notification> {
  if (body.length === 0) return ok(undefined);
  const length = HEADER_OCTETS + body.length;
  return err(
    notification(
      ErrorCode.MessageHeader,
      MessageHeaderSubcode.BadMessageLength,
      Uint8Array.of(length >> 8, length & 0xff),
    ),
  );
}

/** The whole message, 19 octets. */
export function encodeKeepalive(): Uint8Array {
  return finishMessage(startMessage(MessageType.Keepalive));
}
