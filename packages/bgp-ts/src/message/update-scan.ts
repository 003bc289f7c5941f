import { AttributeCursor } from '../attribute/cursor.ts';
import { isMpNextHopLength } from '../attribute/mp-next-hop.ts';
import type { SessionContext } from '../context.ts';
import { AttributeCode, AttributeFlag, type FamilyName, familyOf } from '../iana.ts';
import { countNlri } from '../nlri/nlri.ts';

/** Where an MP attribute lies, and what it says up to its NLRI. All offsets are into the octets scanned. */
export class MpRange {
  /** Whether the attribute is there; if not, the other fields mean nothing. */
  isPresent = false;
  /** Offset of the attribute's flags octet, and behind its value: what to leave out to get "the other attributes". */
  attributeStart = 0;
  attributeEnd = 0;
  afi = 0;
  safi = 0;
  /** `undefined` for families this package does not know: their next hop and NLRI are not looked at. */
  family: FamilyName | undefined = undefined;
  /** The next hop field of MP_REACH_NLRI: 4, 16 or 32 octets. */
  nextHopStart = 0;
  nextHopEnd = 0;
  nlriStart = 0;
  /** Always `attributeEnd`. */
  nlriEnd = 0;
  /** Prefixes in the NLRI. */
  count = 0;
}

/**
 * The parts of an UPDATE body (RFC 4271 §4.3) as offsets, found and checked in place. One object serves any number of messages and
 * `read` allocates nothing; it is what a RIB reads routes from.
 *
 *     if (!scan.read(bytes, start, end, context)) return slowPath(decodeUpdate(bytes.subarray(start, end), context));
 *     // all NLRI ranges are well-formed now: walk them without checks, mask host bits
 *     // the other attributes, bytes[attributesStart, attributesEnd) without the MP attributes: decodeAttributes once per distinct block,
 *     // then missingAttributes and updateProblem for what their problems come to
 */
export class UpdateScan {
  withdrawnStart = 0;
  withdrawnEnd = 0;
  /** Prefixes in the Withdrawn Routes field. */
  withdrawnCount = 0;
  attributesStart = 0;
  attributesEnd = 0;
  /** Attributes, all of them. */
  attributeCount = 0;
  nlriStart = 0;
  nlriEnd = 0;
  /** Prefixes in the NLRI field. */
  nlriCount = 0;
  readonly mpReach = new MpRange();
  readonly mpUnreach = new MpRange();
  readonly #cursor = new AttributeCursor();

  /**
   * Finds the parts of the UPDATE body (without message header) from `start` up to `end`.
   *
   * True: the sections fit, the attributes end where they should, MP_REACH_NLRI and MP_UNREACH_NLRI occur at most once, with right flags,
   * next hop length and host address, and all NLRI of known families are well-formed. The other attributes were not looked at.
   * False: one of these does not hold, and `decodeUpdate` says what is to be done; the fields mean nothing.
   */
  read(bytes: Uint8Array, start: number, end: number, context: SessionContext): boolean {
    this.mpReach.isPresent = false;
    this.mpUnreach.isPresent = false;
    if (!this.#sections(bytes, start, end)) return false;
    const hasPathIds = context.addPathReceive.has('ipv4-unicast');
    this.withdrawnCount = countNlri(bytes, this.withdrawnStart, this.withdrawnEnd, 32, hasPathIds);
    this.nlriCount = countNlri(bytes, this.nlriStart, this.nlriEnd, 32, hasPathIds);
    if (this.withdrawnCount < 0 || this.nlriCount < 0) return false;
    return this.#attributes(bytes, context);
  }

  /** The family whose End-of-RIB marker the message is (RFC 4724 §2), if it is one. */
  endOfRib(): FamilyName | undefined {
    if (this.withdrawnCount > 0 || this.nlriCount > 0) return undefined;
    if (this.attributeCount === 0) return 'ipv4-unicast';
    const isOnly = this.attributeCount === 1 && this.mpUnreach.isPresent && this.mpUnreach.count === 0;
    return isOnly ? this.mpUnreach.family : undefined;
  }

  #sections(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < 4) return false;
    this.withdrawnStart = start + 2;
    this.withdrawnEnd = this.withdrawnStart + u16(bytes, start);
    this.attributesStart = this.withdrawnEnd + 2;
    if (this.attributesStart > end) return false;
    this.attributesEnd = this.attributesStart + u16(bytes, this.withdrawnEnd);
    this.nlriStart = this.attributesEnd;
    this.nlriEnd = end;
    return this.attributesEnd <= end;
  }

  #attributes(bytes: Uint8Array, context: SessionContext): boolean {
    const cursor = this.#cursor;
    cursor.reset(bytes, this.attributesStart, this.attributesEnd);
    let count = 0;
    while (cursor.next()) {
      count++;
      if (cursor.code === AttributeCode.MpReachNlri) {
        if (!this.#locate(this.mpReach, bytes) || !readReach(this.mpReach, bytes, context)) return false;
      } else if (cursor.code === AttributeCode.MpUnreachNlri) {
        if (!this.#locate(this.mpUnreach, bytes) || !countIn(this.mpUnreach, bytes, context)) return false;
      }
    }
    this.attributeCount = count;
    return !cursor.isMalformed;
  }

  /** Fills what both MP attributes begin with; false for a repeated one, wrong flags, or a value too short. */
  #locate(range: MpRange, bytes: Uint8Array): boolean {
    const { flags, start, valueStart, valueEnd } = this.#cursor;
    const kind = flags & (AttributeFlag.Optional | AttributeFlag.Transitive);
    if (range.isPresent || kind !== AttributeFlag.Optional || valueEnd - valueStart < 3) return false;
    range.isPresent = true;
    range.attributeStart = start;
    range.attributeEnd = valueEnd;
    range.afi = u16(bytes, valueStart);
    range.safi = bytes[valueStart + 2] as number;
    range.family = familyOf(range.afi, range.safi);
    range.nextHopStart = valueStart + 3;
    range.nextHopEnd = valueStart + 3;
    range.nlriStart = valueStart + 3;
    range.nlriEnd = valueEnd;
    range.count = 0;
    return true;
  }
}

/** The next hop and NLRI of MP_REACH_NLRI. */
function readReach(range: MpRange, bytes: Uint8Array, context: SessionContext): boolean {
  if (!range.family) return true;
  const at = range.nlriStart;
  // Length octet, next hop and reserved octet must fit.
  if (at >= range.nlriEnd) return false;
  const octets = bytes[at] as number;
  if (at + 1 + octets + 1 > range.nlriEnd || !isMpNextHopLength(octets, range.family, context)) return false;
  range.nextHopStart = at + 1;
  range.nextHopEnd = at + 1 + octets;
  range.nlriStart = range.nextHopEnd + 1;
  return isHost(bytes, range.nextHopStart, range.nextHopEnd) && countIn(range, bytes, context);
}

function countIn(range: MpRange, bytes: Uint8Array, context: SessionContext): boolean {
  if (!range.family) return true;
  const maxBits = range.family === 'ipv4-unicast' ? 32 : 128;
  const hasPathIds = context.addPathReceive.has(range.family);
  range.count = countNlri(bytes, range.nlriStart, range.nlriEnd, maxBits, hasPathIds);
  return range.count >= 0;
}

/** `isNextHopHost` in place. A pair of `::` and a link-local address is fine: see `readMpNextHop`. */
function isHost(bytes: Uint8Array, start: number, end: number): boolean {
  const first = bytes[start] as number;
  if (end - start === 4) return first !== 0 && first !== 127 && first < 224;
  if (first === 0xff) return false;
  if (first !== 0) return true;
  for (let i = start; i < start + 15; i++) if (bytes[i] !== 0) return true;
  const last = bytes[start + 15] as number;
  if (last > 1) return true;
  const isPair = end - start === 32;
  return last === 0 && isPair && bytes[start + 16] === 0xfe && ((bytes[start + 17] as number) & 0xc0) === 0x80;
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}
