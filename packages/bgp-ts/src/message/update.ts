import { missingAttributes, updateProblem } from '../attribute/check.ts';
import { decodeAttributes } from '../attribute/decode.ts';
import { encodeAttributes } from '../attribute/encode.ts';
import { ByteReader } from '../bytes.ts';
import type { SessionContext } from '../context.ts';
import { type Notification, notification, Truncated } from '../errors.ts';
import { ErrorCode, type FamilyName, MessageType, UpdateSubcode } from '../iana.ts';
import type { Ipv4Address } from '../ip.ts';
import { ipv4Unicast } from '../nlri/ipv4-unicast.ts';
import { BadNlri, type NlriEntry } from '../nlri/nlri.ts';
import { err, ok, type Result } from '../result.ts';
import { finishMessage, startMessage } from './header.ts';
import type { UpdateInput, UpdateMessage } from './types.ts';

/**
 * UPDATE (type 2), RFC 4271 §4.3. Body: octets of withdrawn routes (2), these, octets of path attributes (2), these, NLRI to the end.
 *
 * Errors: lengths that do not fit: session reset with 3/1 (RFC 4271 §6.3); withdrawn routes or NLRI malformed: session reset with 3/10
 * (RFC 7606 §5.3); attributes: as `decodeAttributes`, `missingAttributes` and `updateProblem` say. A session reset is the `error` here;
 * anything less is in `problems`, and routes are given even if they are to be withdrawn.
 */
export function decodeUpdate(body: Uint8Array, context: SessionContext): Result<UpdateMessage, Notification> {
  const sections = findSections(body);
  if (!sections) return err(notification(ErrorCode.UpdateMessage, UpdateSubcode.MalformedAttributeList));
  const { withdrawnEnd, attributesStart, attributesEnd } = sections;
  const withdrawn = decodeField(body, 2, withdrawnEnd, context);
  const nlri = decodeField(body, attributesEnd, body.length, context);
  if (!withdrawn || !nlri) return err(notification(ErrorCode.UpdateMessage, UpdateSubcode.InvalidNetworkField));

  const nlriIsEmpty = nlri.length === 0;
  const decoded = decodeAttributes(body, attributesStart, attributesEnd, context, { nlriIsEmpty });
  const { attributes, mpReach, mpUnreach } = decoded;
  const announces = { nlri: !nlriIsEmpty, mpReach: mpReach !== undefined };
  const missing = missingAttributes(attributes, context, announces, decoded.problems);
  const problems = [...decoded.problems, ...missing];
  const hasOtherAttributes = decoded.count > (mpUnreach ? 1 : 0);
  const worst = updateProblem(problems, { announces: announces.nlri || announces.mpReach, hasOtherAttributes });
  if (worst?.action === 'session-reset') return err(worst.notification);

  const isEmpty = withdrawn.length === 0 && nlriIsEmpty && !hasOtherAttributes;
  const endOfRib = isEmpty ? endOfRibFamily(mpUnreach) : undefined;
  return ok({
    withdrawn,
    attributes,
    nlri,
    ...(mpReach && { mpReach }),
    ...(mpUnreach && { mpUnreach }),
    problems,
    ...(endOfRib && { endOfRib }),
  });
}

/**
 * The whole message. NEXT_HOP is left out where all routes are in an `mpReach` with a next hop of its own.
 * @throws RangeError if it exceeds `context.maxOctets` (4096 by default), or a value cannot be written
 */
export function encodeUpdate(update: UpdateInput, context: SessionContext): Uint8Array {
  const w = startMessage(MessageType.Update);
  const hasPathIds = context.addPathSend.has('ipv4-unicast');
  const { withdrawn = [], nlri = [], attributes = {}, mpReach, mpUnreach } = update;
  const withdrawnAt = w.length;
  w.u16(0);
  ipv4Unicast.encode(w, withdrawn, hasPathIds);
  const withdrawnOctets = w.length - withdrawnAt - 2;
  if (withdrawnOctets > 0xffff) throw new RangeError(`withdrawn routes of ${withdrawnOctets} octets: at most 65535`);
  w.patchU16(withdrawnAt, withdrawnOctets);
  const omitNextHop = nlri.length === 0 && mpReach?.nextHop !== undefined;
  const octets = encodeAttributes(attributes, context, { omitNextHop, mpReach, mpUnreach });
  if (octets.length > 0xffff) throw new RangeError(`path attributes of ${octets.length} octets: at most 65535`);
  w.u16(octets.length);
  w.octets(octets);
  ipv4Unicast.encode(w, nlri, hasPathIds);
  return finishMessage(w, context.maxOctets);
}

/** The End-of-RIB marker of a family (RFC 4724 §2), a whole message. */
export function encodeEndOfRib(family: FamilyName, context: SessionContext): Uint8Array {
  if (family === 'ipv4-unicast') return encodeUpdate({}, context);
  return encodeUpdate({ mpUnreach: { afi: 2, safi: 1, family, withdrawn: [] } }, context);
}

interface Sections {
  readonly withdrawnEnd: number;
  readonly attributesStart: number;
  readonly attributesEnd: number;
}

function findSections(body: Uint8Array): Sections | undefined {
  if (body.length < 4) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const withdrawnEnd = 2 + view.getUint16(0);
  const attributesStart = withdrawnEnd + 2;
  if (attributesStart > body.length) return undefined;
  const attributesEnd = attributesStart + view.getUint16(withdrawnEnd);
  return attributesEnd > body.length ? undefined : { withdrawnEnd, attributesStart, attributesEnd };
}

function decodeField(
  body: Uint8Array,
  start: number,
  end: number,
  context: SessionContext,
): NlriEntry<Ipv4Address>[] | undefined {
  try {
    return ipv4Unicast.decode(new ByteReader(body, start, end), context.addPathReceive.has('ipv4-unicast'));
  } catch (thrown) {
    if (thrown instanceof Truncated || thrown instanceof BadNlri) return undefined;
    throw thrown;
  }
}

function endOfRibFamily(mpUnreach: UpdateMessage['mpUnreach']): FamilyName | undefined {
  if (!mpUnreach) return 'ipv4-unicast';
  return mpUnreach.withdrawn.length === 0 ? mpUnreach.family : undefined;
}
