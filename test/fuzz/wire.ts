/** Octets of BGP messages, put together without the product's encoders: what they get wrong must not hide in here. */

/** One path attribute before it is written; every field may be a lie. */
export interface RawAttribute {
  readonly flags: number;
  readonly code: number;
  readonly value: readonly number[];
  /** Instead of the length of `value`. */
  readonly length?: number;
}

/** An UPDATE before it is written. */
export interface RawUpdate {
  readonly withdrawn: readonly number[];
  readonly attributes: readonly RawAttribute[];
  readonly nlri: readonly number[];
  /** Instead of the lengths of the sections. */
  readonly withdrawnLength?: number;
  readonly attributesLength?: number;
}

/** 16 bits, big-endian. */
export function u16(value: number): number[] {
  return [(value >> 8) & 0xff, value & 0xff];
}

/** 32 bits, big-endian. */
export function u32(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}

/** A message: marker, length, type, body. */
export function message(type: number, body: readonly number[], length = 19 + body.length): Uint8Array {
  return Uint8Array.from([...new Array<number>(16).fill(0xff), ...u16(length), type, ...body]);
}

/** An attribute, its length in two octets where the flags say so. */
export function writeAttribute({ flags, code, value, length = value.length }: RawAttribute): number[] {
  return [flags, code, ...((flags & 0x10) !== 0 ? u16(length) : [length & 0xff]), ...value];
}

/** The body of an UPDATE. */
export function writeUpdate(update: RawUpdate): number[] {
  const attributes = update.attributes.flatMap(writeAttribute);
  return [
    ...u16(update.withdrawnLength ?? update.withdrawn.length),
    ...update.withdrawn,
    ...u16(update.attributesLength ?? attributes.length),
    ...attributes,
    ...update.nlri,
  ];
}

/** A capability: code, length, value. */
export function capability(code: number, value: readonly number[], length = value.length): number[] {
  return [code, length & 0xff, ...value];
}

/** What an OPEN says. */
export interface RawOpen {
  readonly version?: number;
  readonly myAs: number;
  readonly holdSeconds?: number;
  readonly identifier: readonly number[];
  /** The Optional Parameters, their length octet not included. */
  readonly parameters: readonly number[];
  readonly parametersLength?: number;
}

/** The body of an OPEN. */
export function writeOpen(open: RawOpen): number[] {
  const { version = 4, myAs, holdSeconds = 90, identifier, parameters } = open;
  const length = open.parametersLength ?? parameters.length;
  return [version, ...u16(myAs), ...u16(holdSeconds), ...identifier, length & 0xff, ...parameters];
}

/** Optional Parameter with capabilities (RFC 5492 §4). */
export function capabilitiesParameter(...capabilities: readonly (readonly number[])[]): number[] {
  const octets = capabilities.flat();
  return [2, octets.length, ...octets];
}

/** An IPv4 address. */
export function address4(text: string): number[] {
  return text.split('.').map(Number);
}

/** A prefix: path identifier if there is one, length, as many octets as it needs. */
export function writePrefix(octets: readonly number[], length: number, pathId?: number): number[] {
  return [...(pathId === undefined ? [] : u32(pathId)), length, ...octets.slice(0, (length + 7) >> 3)];
}
