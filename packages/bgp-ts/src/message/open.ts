import { ByteReader } from '../bytes.ts';
import type { Capability } from '../capability/capability.ts';
import { decodeCapabilities, encodeCapabilities } from '../capability/table.ts';
import { type Notification, notification, Truncated } from '../errors.ts';
import { ErrorCode, MessageType, OpenSubcode } from '../iana.ts';
import { isUnspecified } from '../ip.ts';
import { err, ok, type Result } from '../result.ts';
import { finishMessage, startMessage } from './header.ts';
import type { OpenMessage } from './types.ts';

const BGP_VERSION = 4;
/** Optional Parameter type of capabilities (RFC 5492 §4). */
const CAPABILITIES_PARAMETER = 2;
/** Marks the extended form where it stands as length, and as type of the first parameter (RFC 9072 §2). */
const EXTENDED = 255;

/**
 * OPEN (type 1), RFC 4271 §4.2. Body: version (1), my AS (2), hold time in seconds (2), BGP identifier (4), length of the Optional
 * Parameters (1), these: type (1), length (1), value, repeated. Extended form (RFC 9072 §2), recognised by a first parameter of type
 * 255: length 255 (any value but 0 is accepted), 255, length (2), then parameters with lengths of 2 octets.
 *
 * Errors (RFC 4271 §6.2): version not 4: 2/1 with our version; AS 0: 2/2 (RFC 7607 §2); identifier 0: 2/3 (RFC 6286 §2.2); hold time 1
 * or 2: 2/6; a parameter other than capabilities: 2/4; lengths that do not fit, malformed capabilities: 2/0. Whether AS, identifier and
 * capabilities are the ones wanted is for the session to judge.
 */
export function decodeOpen(body: Uint8Array): Result<OpenMessage, Notification> {
  try {
    return decode(new ByteReader(body));
  } catch (thrown) {
    if (thrown instanceof Truncated) return bad(OpenSubcode.Unspecific);
    throw thrown;
  }
}

/** How an OPEN is written. */
export interface OpenEncoding {
  /** The extended form also where the ordinary one would do: RFC 9072 §2 leaves that to configuration. Default false. */
  readonly extendedParameters?: boolean;
}

/**
 * The whole message: one Capabilities parameter with all capabilities, in the extended form only if they need it or `encoding` asks for it.
 * @throws RangeError if a capability has more than 255 octets, or the message more than 4096
 */
export function encodeOpen(open: OpenMessage, encoding: OpenEncoding = {}): Uint8Array {
  const w = startMessage(MessageType.Open);
  w.u8(open.version);
  w.u16(open.myAs);
  w.u16(open.holdSeconds);
  w.octets(open.routerId.octets);
  const capabilities = encodeCapabilities(open.capabilities);
  if (capabilities.length === 0) {
    w.u8(0);
  } else if (capabilities.length + 2 <= 255 && encoding.extendedParameters !== true) {
    w.u8(capabilities.length + 2);
    w.u8(CAPABILITIES_PARAMETER);
    w.u8(capabilities.length);
  } else {
    w.u8(EXTENDED);
    w.u8(EXTENDED);
    w.u16(capabilities.length + 3);
    w.u8(CAPABILITIES_PARAMETER);
    w.u16(capabilities.length);
  }
  w.octets(capabilities);
  return finishMessage(w);
}

function decode(r: ByteReader): Result<OpenMessage, Notification> {
  const version = r.u8();
  if (version !== BGP_VERSION) return bad(OpenSubcode.UnsupportedVersionNumber, Uint8Array.of(0, BGP_VERSION));
  const myAs = r.u16();
  const holdSeconds = r.u16();
  const routerId = { version: 4, octets: r.copy(4) } as const;
  if (myAs === 0) return bad(OpenSubcode.BadPeerAs);
  if (holdSeconds === 1 || holdSeconds === 2) return bad(OpenSubcode.UnacceptableHoldTime);
  if (isUnspecified(routerId)) return bad(OpenSubcode.BadBgpIdentifier);

  let parametersOctets = r.u8();
  const isExtended = parametersOctets > 0 && r.remaining > 0 && r.bytes[r.position] === EXTENDED;
  if (isExtended) {
    r.u8();
    parametersOctets = r.u16();
  }
  if (parametersOctets !== r.remaining) return bad(OpenSubcode.Unspecific);
  const capabilities: Capability[] = [];
  while (r.remaining > 0) {
    const type = r.u8();
    const value = r.view(isExtended ? r.u16() : r.u8());
    if (type !== CAPABILITIES_PARAMETER) return bad(OpenSubcode.UnsupportedOptionalParameter);
    const decoded = decodeCapabilities(value);
    if (!decoded.ok) return decoded;
    for (const capability of decoded.value) {
      if (capability.type === 'four-octet-as' && capability.asn === 0) return bad(OpenSubcode.BadPeerAs);
      capabilities.push(capability);
    }
  }
  return ok({ version, myAs, holdSeconds, routerId, capabilities });
}

function bad(subcode: OpenSubcode, data?: Uint8Array): Result<never, Notification> {
  return err(notification(ErrorCode.OpenMessage, subcode, data));
}
