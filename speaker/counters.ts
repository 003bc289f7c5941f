import { MessageType } from 'bgp-ts';
import type { MessageCounts } from './peer-handlers.ts';

/** Counts the messages of one direction by type, over all sessions of a peer. */
export class MessageCounter {
  open = 0;
  update = 0;
  notification = 0;
  keepalive = 0;
  routeRefresh = 0;
  octets = 0;

  /** Counts one message. @param type a `MessageType` */
  add(type: number, octets: number): void {
    this.octets += octets;
    switch (type) {
      case MessageType.Open:
        this.open++;
        break;
      case MessageType.Update:
        this.update++;
        break;
      case MessageType.Notification:
        this.notification++;
        break;
      case MessageType.Keepalive:
        this.keepalive++;
        break;
      case MessageType.RouteRefresh:
        this.routeRefresh++;
        break;
    }
  }

  /** Counts UPDATEs that share a buffer of `octets`. */
  addUpdates(updates: number, octets: number): void {
    this.update += updates;
    this.octets += octets;
  }

  /** A copy that does not change. */
  counts(): MessageCounts {
    const { open, update, notification, keepalive, routeRefresh } = this;
    return { open, update, notification, keepalive, routeRefresh };
  }
}
