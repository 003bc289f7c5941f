import type { SessionContext } from '../context.ts';
import { type Notification, notification } from '../errors.ts';
import { ErrorCode, MessageHeaderSubcode, MessageType } from '../iana.ts';
import { err, ok, type Result, unreachable } from '../result.ts';
import { decodeKeepalive, encodeKeepalive } from './keepalive.ts';
import { decodeNotification, encodeNotification } from './notification.ts';
import { decodeOpen, encodeOpen } from './open.ts';
import { decodeRouteRefresh, encodeRouteRefresh } from './route-refresh.ts';
import type { BgpMessage } from './types.ts';
import { decodeUpdate, encodeUpdate } from './update.ts';

/**
 * Decodes the body of a message, that is, what follows the 19 octets of header.
 * @param type the type octet of the header
 * @returns the message, or the NOTIFICATION to send before closing the session
 */
export function decodeMessage(
  type: number,
  body: Uint8Array,
  context: SessionContext,
): Result<BgpMessage, Notification> {
  switch (type) {
    case MessageType.Open: {
      const open = decodeOpen(body);
      return open.ok ? ok({ type: 'open', open: open.value }) : open;
    }
    case MessageType.Update: {
      const update = decodeUpdate(body, context);
      return update.ok ? ok({ type: 'update', update: update.value }) : update;
    }
    case MessageType.Notification:
      return ok({ type: 'notification', notification: decodeNotification(body) });
    case MessageType.Keepalive: {
      const keepalive = decodeKeepalive(body);
      return keepalive.ok ? ok({ type: 'keepalive' }) : keepalive;
    }
    case MessageType.RouteRefresh: {
      const routeRefresh = decodeRouteRefresh(body);
      return routeRefresh.ok ? ok({ type: 'route-refresh', routeRefresh: routeRefresh.value }) : routeRefresh;
    }
    default:
      return err(
        notification(ErrorCode.MessageHeader, MessageHeaderSubcode.BadMessageType, Uint8Array.of(type & 0xff)),
      );
  }
}

/**
 * Encodes a message with its header.
 * @throws RangeError for values that cannot be written
 */
export function encodeMessage(message: BgpMessage, context: SessionContext): Uint8Array {
  switch (message.type) {
    case 'open':
      return encodeOpen(message.open);
    case 'update':
      return encodeUpdate(message.update, context);
    case 'notification':
      return encodeNotification(message.notification);
    case 'keepalive':
      return encodeKeepalive();
    case 'route-refresh':
      return encodeRouteRefresh(message.routeRefresh);
    default:
      return unreachable(message);
  }
}
