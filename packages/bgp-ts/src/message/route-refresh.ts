import { ByteReader } from '../bytes.ts';
import { type Notification, notification } from '../errors.ts';
import { ErrorCode, MessageType, RouteRefreshSubcode } from '../iana.ts';
import { err, ok, type Result } from '../result.ts';
import { finishMessage, startMessage } from './header.ts';
import type { RouteRefresh } from './types.ts';

/**
 * ROUTE-REFRESH (type 5), RFC 2918 §3, RFC 7313 §3.2. Body: AFI (2), subtype (1), SAFI (1). Outbound route filters may follow
 * (RFC 5291 §4) and are kept as octets.
 * Less than 4 octets, or more with subtype 1 or 2: 7/1 with the message (RFC 7313 §5). Unknown AFI/SAFI and subtypes are for the
 * caller to ignore.
 */
export function decodeRouteRefresh(body: Uint8Array): Result<RouteRefresh, Notification> {
  const isMarker = body[2] === 1 || body[2] === 2;
  if (body.length < 4 || (body.length > 4 && isMarker)) return err(badLength(body));
  const r = new ByteReader(body);
  const afi = r.u16();
  const subtype = r.u8();
  const safi = r.u8();
  const value: RouteRefresh = { afi, safi, subtype };
  return ok(r.remaining > 0 ? { ...value, filters: r.copy(r.remaining) } : value);
}

/** The whole message. */
export function encodeRouteRefresh(message: RouteRefresh): Uint8Array {
  const w = startMessage(MessageType.RouteRefresh);
  w.u16(message.afi);
  w.u8(message.subtype);
  w.u8(message.safi);
  if (message.filters) w.octets(message.filters);
  return finishMessage(w);
}

/** The data of 7/1 is the complete message, so its header is put back. */
function badLength(body: Uint8Array): Notification {
  const w = startMessage(MessageType.RouteRefresh);
  w.octets(body.subarray(0, 2048));
  w.patchU16(16, 19 + body.length);
  return notification(ErrorCode.RouteRefresh, RouteRefreshSubcode.InvalidMessageLength, w.finish());
}
