import type { Notification, OpenMessage } from 'bgp-ts';
import { decodeOpen, describeNotification } from 'bgp-ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Connection } from './connection.ts';
import { type Negotiated, negotiate, openProblem, type PeerSettings } from './negotiate.ts';

/** An OPEN that was found in order, and what it means together with ours. */
export interface AcceptedOpen {
  readonly open: OpenMessage;
  readonly negotiated: Negotiated;
}

/** What to answer, and why in words. */
export interface RefusedOpen {
  readonly notification: Notification;
  readonly message: string;
}

/** Decodes and judges an OPEN (RFC 4271 §6.2). @param body without the header; decoded capabilities are views of it */
export function checkOpen(
  settings: PeerSettings,
  body: Uint8Array,
  connection: Connection,
): Result<AcceptedOpen, RefusedOpen> {
  const decoded = decodeOpen(body);
  if (!decoded.ok) return err({ notification: decoded.error, message: describeNotification(decoded.error) });
  const open = decoded.value;
  const { localAddress, remoteAddress, device } = connection;
  const result = negotiate(settings, open, {
    localAddress: localAddress ?? settings.localAddress ?? settings.address,
    remoteAddress,
    ...(device === undefined ? {} : { device }),
  });
  if (result.ok) return ok({ open, negotiated: result.value });
  const message = `${describeNotification(result.error)}: ${openProblem(settings, open)}`;
  return err({ notification: result.error, message });
}
