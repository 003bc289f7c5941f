import { ByteReader, toHex } from '../bytes.ts';
import { type Notification, notification } from '../errors.ts';
import { CeaseSubcode, ErrorCode, formatFamily, MessageType } from '../iana.ts';
import { nameOfError } from './error-names.ts';
import { finishMessage, startMessage } from './header.ts';

/**
 * NOTIFICATION (type 3), RFC 4271 §4.5. Body: error code (1), subcode (1), data. Never an error itself (§6.4): of a body too short to
 * hold both, what is missing reads as 0.
 */
export function decodeNotification(body: Uint8Array): Notification {
  return { code: body[0] ?? 0, subcode: body[1] ?? 0, data: body.slice(2) };
}

/** The whole message; data that would not fit 4096 octets is cut. */
export function encodeNotification(value: Notification): Uint8Array {
  const w = startMessage(MessageType.Notification);
  w.u8(value.code);
  w.u8(value.subcode);
  w.octets(value.data.subarray(0, 4096 - w.length));
  return finishMessage(w);
}

/**
 * The operator's text in a Cease/Administrative Shutdown or Reset (RFC 9003 §2): a length octet and UTF-8. `undefined` if there is
 * none, or if it is malformed (not UTF-8, length past the end): then log the octets (§3).
 */
export function shutdownText(value: Notification): string | undefined {
  if (value.code !== ErrorCode.Cease) return undefined;
  if (value.subcode !== CeaseSubcode.AdministrativeShutdown && value.subcode !== CeaseSubcode.AdministrativeReset) {
    return undefined;
  }
  const length = value.data[0] ?? 0;
  if (length === 0 || length > value.data.length - 1) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value.data.subarray(1, 1 + length));
  } catch {
    return undefined;
  }
}

/** The data of a Cease/Administrative Shutdown or Reset with a text (RFC 9003 §2), cut at a character to 255 octets. */
export function encodeShutdownData(text: string): Uint8Array {
  const data = new Uint8Array(256);
  const { written } = new TextEncoder().encodeInto(text, data.subarray(1));
  data[0] = written;
  return data.slice(0, 1 + written);
}

/** The NOTIFICATION within a Cease/Hard Reset (RFC 8538 §3.1); `undefined` if it is not one or holds none. */
export function hardResetReason(value: Notification): Notification | undefined {
  if (value.code !== ErrorCode.Cease || value.subcode !== CeaseSubcode.HardReset || value.data.length < 2)
    return undefined;
  return decodeNotification(value.data);
}

/**
 * For logs and people: `Cease/Administrative Shutdown: "maintenance"`, `OPEN Message Error/Bad Peer AS`, and the data in hex where it has
 * no better form. Control and direction-changing characters in the peer's text are escaped.
 */
export function describeNotification(value: Notification): string {
  const name = nameOfError(value.code, value.subcode);
  const detail = describeData(value);
  return detail === '' ? name : `${name}: ${detail}`;
}

function describeData(value: Notification): string {
  if (value.data.length === 0) return '';
  const text = shutdownText(value);
  if (text !== undefined) return quote(text);
  const inner = hardResetReason(value);
  // One level only: a peer could nest these as deep as the message allows.
  if (inner)
    return (
      nameOfError(inner.code, inner.subcode) +
      (shutdownText(inner) === undefined ? '' : `: ${quote(shutdownText(inner) ?? '')}`)
    );
  if (
    value.code === ErrorCode.Cease &&
    value.subcode === CeaseSubcode.MaximumPrefixesReached &&
    value.data.length === 7
  ) {
    const r = new ByteReader(value.data);
    return `${formatFamily(r.u16(), r.u8())} limit ${r.u32()}`;
  }
  return hex(value.data);
}

function quote(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function hex(data: Uint8Array): string {
  const shown = toHex(data.subarray(0, 32));
  return data.length > 32 ? `0x${shown}... (${data.length} octets)` : `0x${shown}`;
}

/** The Cease a session ends with: subcode and, for shutdown and reset, the operator's text. */
export function cease(subcode: CeaseSubcode, text?: string): Notification {
  return text === undefined || text === ''
    ? notification(ErrorCode.Cease, subcode)
    : notification(ErrorCode.Cease, subcode, encodeShutdownData(text));
}
