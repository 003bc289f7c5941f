import { encodeNotification, type Notification } from 'bgp-ts';
import type { Connection } from './connection.ts';

/** Tells whoever opened a connection why it will not do (RFC 4486 §4), and closes it. */
export function refuseConnection(connection: Connection, notification: Notification): void {
  connection.attach({
    connected: () => {},
    received: (_bytes, start, end) => end - start,
    drained: () => {},
    closed: () => {},
  });
  connection.write(encodeNotification(notification));
  connection.end();
}
