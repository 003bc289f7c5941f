import { ByteWriter } from '../bytes.ts';
import type { SessionContext } from '../context.ts';
import { AttributeCode, AttributeFlag } from '../iana.ts';
import { isConfederation } from './as-path.ts';
import type { MpReach, MpUnreach, PathAttributes } from './attributes.ts';
import type { AttributeCodec } from './codec.ts';
import { mpReachNlriCodec } from './mp-reach-nlri.ts';
import { mpUnreachNlriCodec } from './mp-unreach-nlri.ts';
import { type AttributeValues, attributeByCode, attributeRows } from './table.ts';

/** What to put beside the attributes of the route itself. */
export interface EncodeOptions {
  /** Leave NEXT_HOP out: the next hop is in MP_REACH_NLRI. An IPv6 next hop never makes a NEXT_HOP. */
  readonly omitNextHop?: boolean;
  readonly mpReach?: MpReach | undefined;
  readonly mpUnreach?: MpUnreach | undefined;
}

interface Outgoing {
  readonly code: number;
  readonly flags: number;
  readonly codec?: AttributeCodec<unknown>;
  readonly value: unknown;
}

/**
 * Encodes path attributes in one canonical form: MP_REACH_NLRI and MP_UNREACH_NLRI first if given (RFC 7606 §5.1), then by type code; flags
 * as defined, Partial only where `partial` or the unknown attribute says so; the short length where it fits. Without 4-octet AS
 * numbers, AS4_PATH and AS4_AGGREGATOR are added as needed (RFC 6793 §4.2.2).
 * @throws RangeError for values that cannot be written: an attribute above 65535 octets, addresses of the wrong version
 */
export function encodeAttributes(
  attributes: PathAttributes,
  context: SessionContext,
  options: EncodeOptions = {},
): Uint8Array {
  const w = new ByteWriter();
  if (options.mpReach) writeAttribute(w, outgoing(mpReachNlriCodec, options.mpReach), context);
  if (options.mpUnreach) writeAttribute(w, outgoing(mpUnreachNlriCodec, options.mpUnreach), context);
  for (const attribute of ordered(attributes, context, options)) writeAttribute(w, attribute, context);
  return w.finish();
}

/** Attributes for people, by type code. */
export function formatAttributes(attributes: PathAttributes): { code: number; name: string; text: string }[] {
  const lines: { code: number; name: string; text: string }[] = [];
  for (const { field, codec } of attributeRows()) {
    const value = (attributes as AttributeValues)[field];
    if (value !== undefined) lines.push({ code: codec.code, name: codec.name, text: codec.format(value) });
  }
  for (const { code, flags, value } of attributes.unknown ?? []) {
    lines.push({ code, name: `attribute ${code}`, text: `flags 0x${flags.toString(16)}, ${value.length} octets` });
  }
  return lines.sort((a, b) => a.code - b.code);
}

function ordered(attributes: PathAttributes, context: SessionContext, options: EncodeOptions): Outgoing[] {
  const list: Outgoing[] = [];
  const values: AttributeValues = { ...attributes, ...as4Values(attributes, context) };
  for (const { field, codec } of attributeRows()) {
    const value = values[field];
    if (value === undefined || codec.code === AttributeCode.MpReachNlri || codec.code === AttributeCode.MpUnreachNlri)
      continue;
    if (field === 'nextHop' && (options.omitNextHop === true || values.nextHop?.version === 6)) continue;
    const isPartial = attributes.partial?.includes(codec.code) === true;
    list.push({ ...outgoing(codec, value), flags: codec.flags | (isPartial ? AttributeFlag.Partial : 0) });
  }
  for (const { code, flags, value } of attributes.unknown ?? []) {
    if (attributeByCode(code)) throw new RangeError(`attribute ${code} is known: not to be sent as unknown`);
    list.push({ code, flags: flags & ~AttributeFlag.ExtendedLength & 0xff, value });
  }
  return list.sort((a, b) => a.code - b.code);
}

/** AS4_PATH and AS4_AGGREGATOR, only where an AS number does not fit two octets; never with confederation segments. */
function as4Values(
  attributes: PathAttributes,
  context: SessionContext,
): Pick<AttributeValues, 'as4Path' | 'as4Aggregator'> {
  if (context.fourOctetAs) return {};
  const { asPath, aggregator } = attributes;
  const as4Path = asPath?.filter((segment) => !isConfederation(segment));
  return {
    ...(as4Path?.some((segment) => segment.asns.some((asn) => asn > 0xffff)) && { as4Path }),
    ...(aggregator && aggregator.asn > 0xffff && { as4Aggregator: aggregator }),
  };
}

function outgoing<T>(codec: AttributeCodec<T>, value: T): Outgoing {
  return { code: codec.code, flags: codec.flags, codec: codec as AttributeCodec<unknown>, value };
}

function writeAttribute(w: ByteWriter, { code, flags, codec, value }: Outgoing, context: SessionContext): void {
  const body = new ByteWriter();
  if (codec) codec.encode(body, value, context);
  else body.octets(value as Uint8Array);
  const octets = body.finish();
  if (octets.length > 0xffff) throw new RangeError(`attribute ${code} of ${octets.length} octets: at most 65535`);
  if (octets.length > 0xff) {
    w.u8(flags | AttributeFlag.ExtendedLength);
    w.u8(code);
    w.u16(octets.length);
  } else {
    w.u8(flags);
    w.u8(code);
    w.u8(octets.length);
  }
  w.octets(octets);
}
