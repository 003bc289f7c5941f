import { ByteReader } from '../bytes.ts';
import type { SessionContext } from '../context.ts';
import { type AttributeProblem, type ErrorAction, notification, Truncated } from '../errors.ts';
import { AttributeCode, AttributeFlag, ErrorCode, type FamilyName, familyOf, UpdateSubcode } from '../iana.ts';
import { BadNlri } from '../nlri/nlri.ts';
import { mergeAs4 } from './as4-merge.ts';
import type { MpReach, MpUnreach, PathAttributes, UnknownAttribute } from './attributes.ts';
import type { AttributeCodec, Decoded } from './codec.ts';
import { AttributeCursor } from './cursor.ts';
import {
  type AttributeField,
  type AttributeRow,
  type AttributeValues,
  attributeByCode,
  attributeName,
} from './table.ts';

/** The path attributes of an UPDATE, and everything wrong with them. */
export interface DecodedAttributes {
  readonly attributes: PathAttributes;
  readonly mpReach?: MpReach;
  readonly mpUnreach?: MpUnreach;
  /** How many attributes there were, malformed and repeated ones included. */
  readonly count: number;
  /** In order of occurrence; see `updateProblem` for what the whole message comes to. */
  readonly problems: readonly AttributeProblem[];
}

/** What the attributes alone do not show. */
export interface DecodeOptions {
  /**
   * Whether the NLRI field is empty. If so, NEXT_HOP means nothing beside MP_REACH_NLRI and its address is not judged (RFC 4760 §3); if not,
   * the next hop is only ever that of NEXT_HOP. Not said: that of NEXT_HOP if there is one, else that of MP_REACH_NLRI.
   */
  readonly nlriIsEmpty?: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
/** Optional, Transitive and Partial: the flags that mean something apart from the length. */
const MEANINGFUL_FLAGS = AttributeFlag.Optional | AttributeFlag.Transitive | AttributeFlag.Partial;
const KIND_FLAGS = AttributeFlag.Optional | AttributeFlag.Transitive;

/**
 * Decodes the path attributes from `start` up to `end` (RFC 4271 §4.3, §5, errors by RFC 7606 and RFC 4271 §6.3). Never throws on what a
 * peer sent, and the result owns its octets. Well-known attributes that are missing are not looked for: see `missingAttributes`.
 * @throws RangeError if the range is not within `bytes`
 */
export function decodeAttributes(
  bytes: Uint8Array,
  start: number,
  end: number,
  context: SessionContext,
  options: DecodeOptions = {},
): DecodedAttributes {
  return new AttributeDecoder(bytes, context, options).decode(start, end);
}

/** One run over one attribute section. */
class AttributeDecoder {
  readonly #bytes: Uint8Array;
  readonly #context: SessionContext;
  readonly #options: DecodeOptions;
  readonly #cursor = new AttributeCursor();
  readonly #seen = new Uint8Array(256);
  readonly #values: Mutable<AttributeValues> = {};
  readonly #unknown: UnknownAttribute[] = [];
  readonly #partial: number[] = [];
  readonly #problems: AttributeProblem[] = [];
  #count = 0;

  constructor(bytes: Uint8Array, context: SessionContext, options: DecodeOptions) {
    this.#bytes = bytes;
    this.#context = context;
    this.#options = options;
  }

  decode(start: number, end: number): DecodedAttributes {
    if (start < 0 || start > end || end > this.#bytes.length) {
      throw new RangeError(`octets ${start} to ${end} of ${this.#bytes.length}`);
    }
    const cursor = this.#cursor;
    cursor.reset(this.#bytes, start, end);
    while (cursor.next()) this.#attribute();
    if (cursor.isMalformed) this.#overrun(end);
    return this.#result();
  }

  #attribute(): void {
    this.#count++;
    const { code } = this.#cursor;
    const row = attributeByCode(code);
    const isMp = code === AttributeCode.MpReachNlri || code === AttributeCode.MpUnreachNlri;
    const isRepeated = this.#seen[code] === 1;
    this.#seen[code] = 1;
    if (isRepeated) this.#repeated(isMp);
    else if (!row) this.#unknownAttribute();
    else if (this.#isFit(row, isMp)) this.#known(row);
  }

  /** Whether the value of a known attribute is to be looked at, by flags and by who sent it. */
  #isFit(row: AttributeRow, isMp: boolean): boolean {
    const { code, flags } = this.#cursor;
    if (row.codec.isInternal && this.#context.kind === 'ebgp') {
      this.#problem('attribute-discard', UpdateSubcode.OptionalAttributeError, 'from an external peer');
      return false;
    }
    if (this.#context.fourOctetAs && (code === AttributeCode.As4Path || code === AttributeCode.As4Aggregator)) {
      this.#problem(
        'attribute-discard',
        UpdateSubcode.OptionalAttributeError,
        'with 4-octet AS numbers (RFC 6793 §4.1)',
      );
      return false;
    }
    if ((flags & KIND_FLAGS) === row.codec.flags) return true;
    const what = `flags 0x${flags.toString(16)}, wanted 0x${row.codec.flags.toString(16)}`;
    this.#problem('treat-as-withdraw', UpdateSubcode.AttributeFlagsError, what);
    // The routes in an MP attribute are needed all the same: they are the ones to withdraw.
    return isMp;
  }

  #known({ field, codec }: AttributeRow): void {
    const { code, flags, valueStart, valueEnd } = this.#cursor;
    if (valueStart === valueEnd && codec.mayBeEmpty !== true) {
      this.#problem(codec.onError, UpdateSubcode.AttributeLengthError, '0 octets');
      return;
    }
    const decoded = this.#value(codec);
    if (!decoded.ok) {
      const isUnused = code === AttributeCode.NextHop && this.#options.nlriIsEmpty === true;
      const isAddress = decoded.error.subcode === UpdateSubcode.InvalidNextHop;
      const action = isUnused && isAddress ? 'attribute-discard' : (decoded.error.action ?? codec.onError);
      // An MP attribute that says which family it is about need not cost the others their session (RFC 7606 §2, §5.3).
      const family = action === 'session-reset' ? this.#familyOfValue() : undefined;
      this.#report(family ? 'disable-family' : action, decoded.error.subcode, decoded.error.message, family);
      if (decoded.value === undefined) return;
    }
    this.#keep(field, decoded.value);
    if ((flags & AttributeFlag.Partial) !== 0 && codec.flags === KIND_FLAGS) this.#partial.push(code);
  }

  #value(codec: AttributeCodec<unknown>): Decoded<unknown> {
    const { valueStart, valueEnd } = this.#cursor;
    const r = new ByteReader(this.#bytes, valueStart, valueEnd);
    try {
      const decoded = codec.decode(r, this.#context);
      if (decoded.ok && r.remaining > 0) throw new Error(`${codec.name} left ${r.remaining} octets unread`);
      return decoded;
    } catch (thrown) {
      if (!(thrown instanceof Truncated || thrown instanceof BadNlri)) throw thrown;
      const subcode =
        codec.onError === 'session-reset' ? UpdateSubcode.OptionalAttributeError : UpdateSubcode.AttributeLengthError;
      return { ok: false, error: { subcode, message: `${codec.name}: ${thrown.message}` } };
    }
  }

  /** AFI and SAFI that an MP attribute begins with. */
  #familyOfValue(): FamilyName | undefined {
    const { code, valueStart, valueEnd } = this.#cursor;
    const isMp = code === AttributeCode.MpReachNlri || code === AttributeCode.MpUnreachNlri;
    if (!isMp || valueEnd - valueStart < 3) return undefined;
    const r = new ByteReader(this.#bytes, valueStart, valueEnd);
    return familyOf(r.u16(), r.u8());
  }

  #keep(field: AttributeField, value: unknown): void {
    (this.#values as Record<AttributeField, unknown>)[field] = value;
  }

  /** RFC 7606 §3 g: a second MP attribute ends the session, of others the first one counts. */
  #repeated(isMp: boolean): void {
    this.#problem(isMp ? 'session-reset' : 'attribute-discard', UpdateSubcode.MalformedAttributeList, 'repeated');
  }

  /** RFC 4271 §5, §6.3: unknown optional attributes are kept, well-known ones are no longer that, and end the session. */
  #unknownAttribute(): void {
    const { code, flags, valueStart, valueEnd } = this.#cursor;
    if ((flags & AttributeFlag.Optional) === 0) {
      this.#problem('session-reset', UpdateSubcode.UnrecognizedWellKnownAttribute, 'well-known but unknown');
      return;
    }
    this.#unknown.push({ flags: flags & MEANINGFUL_FLAGS, code, value: this.#bytes.slice(valueStart, valueEnd) });
  }

  /** RFC 7606 §4: treat-as-withdraw; but an MP attribute that cannot be read hides the routes to withdraw (§3 j). */
  #overrun(end: number): void {
    this.#count++;
    const { code, start } = this.#cursor;
    const isMp = code === AttributeCode.MpReachNlri || code === AttributeCode.MpUnreachNlri;
    this.#problems.push({
      action: isMp ? 'session-reset' : 'treat-as-withdraw',
      attributeCode: code,
      message: `${attributeName(code)}: runs past the end of the path attributes (${end - start} octets left)`,
      notification: notification(
        ErrorCode.UpdateMessage,
        UpdateSubcode.AttributeLengthError,
        this.#bytes.slice(start, end),
      ),
    });
  }

  #problem(action: ErrorAction, subcode: UpdateSubcode, what: string): void {
    this.#report(action, subcode, `${attributeName(this.#cursor.code)}: ${what}`);
  }

  /** The data of the NOTIFICATION is the attribute with its header (RFC 4271 §6.3); a bad list has none. */
  #report(action: ErrorAction, subcode: UpdateSubcode, message: string, family?: FamilyName): void {
    const { code, start, valueEnd } = this.#cursor;
    const hasData = subcode !== UpdateSubcode.MalformedAttributeList && subcode !== UpdateSubcode.MalformedAsPath;
    const data = hasData ? this.#bytes.slice(start, valueEnd) : undefined;
    this.#problems.push({
      action,
      attributeCode: code,
      message,
      notification: notification(ErrorCode.UpdateMessage, subcode, data),
      ...(family && { family }),
    });
  }

  #result(): DecodedAttributes {
    const { mpReach, mpUnreach, as4Path, as4Aggregator, asPath, aggregator, ...rest } = this.#values;
    const merged = mergeAs4({ asPath, as4Path, aggregator, as4Aggregator });
    const attributes: Mutable<PathAttributes> = { ...rest };
    if (merged.asPath) attributes.asPath = merged.asPath;
    if (merged.aggregator) attributes.aggregator = merged.aggregator;
    if (mpReach?.nextHop && (this.#options.nlriIsEmpty ?? !attributes.nextHop)) {
      attributes.nextHop = mpReach.nextHop;
      if (mpReach.linkLocalNextHop) attributes.linkLocalNextHop = mpReach.linkLocalNextHop;
    }
    if (this.#unknown.length > 0) attributes.unknown = this.#unknown;
    const partial = this.#partial.filter(
      (code) => code !== AttributeCode.As4Path && code !== AttributeCode.As4Aggregator,
    );
    if (partial.length > 0) attributes.partial = partial.sort((a, b) => a - b);
    return {
      attributes,
      ...(mpReach && { mpReach }),
      ...(mpUnreach && { mpUnreach }),
      count: this.#count,
      problems: this.#problems,
    };
  }
}
