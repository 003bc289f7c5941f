import { AttributeCode, Origin, WellKnownCommunity } from 'bgp-ts';
import { isLinkBandwidthAt } from './link-bandwidth.ts';

/** What a set of attributes says about itself, one bit each; word {@link Fact.Flags} of a set. */
export const SetFlag = {
  HasMed: 0x1,
  HasLocalPref: 0x2,
  HasOriginatorId: 0x4,
  NoExport: 0x8,
  NoAdvertise: 0x10,
  NoExportSubconfed: 0x20,
  /** ORIGINATOR_ID is our router id (RFC 4456 §8). */
  OwnOriginator: 0x40,
  /** CLUSTER_LIST has our cluster id. */
  OwnCluster: 0x80,
  /** Checked as the attributes of an eBGP, of an iBGP session: these very octets need no second look there. */
  CheckedEbgp: 0x100,
  CheckedIbgp: 0x200,
  /** As those of a session with another member of our confederation. */
  CheckedConfed: 0x800,
  /** The other facts of the set were filled in. */
  HasFacts: 0x400,
  /** How often our AS is in AS_PATH, up to 15. */
  OwnAsShift: 12,
  OwnAsMask: 0xf000,
  GracefulShutdown: 0x10000,
  /** ONLY_TO_CUSTOMER is there (RFC 9234). */
  HasOtc: 0x20000,
  HasAigp: 0x40000,
  /** AS_PATH has an AS_SET or AS_CONFED_SET (RFC 9774). */
  HasAsSet: 0x80000,
  /** AS_PATH has segments of a confederation (RFC 5065). */
  HasConfederation: 0x100000,
  /** An extended community tells the bandwidth of a link. */
  HasLinkBandwidth: 0x200000,
  /** Length of CLUSTER_LIST in the upper octet, up to 255. */
  ClusterShift: 24,
} as const;

/** LOCAL_PREF of a path that has none (RFC 4271 §9.1.1 leaves the degree of preference to us; 100 is what everybody uses). */
export const DEFAULT_LOCAL_PREF = 100;

/** What the scanner is told about who it scans for. */
export interface ScanIdentity {
  readonly localAs: number;
  /** Our confederation, of which `localAs` is a member; 0: none. */
  readonly confederationId?: number;
  /** As signed 32-bit numbers. */
  readonly routerId: number;
  readonly clusterId: number;
}

/** Which rules apply to the octets scanned. `trusted`: our own encoding, any attribute allowed. */
export type ScanMode = 'ebgp' | 'ibgp' | 'confed' | 'trusted';

const KNOWN = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 26, 32, 35];
const MAX_CODE = 36;
/** Per type code of a known attribute the flags it must have (without Partial and Extended Length); 0: not known here. */
const FLAGS = new Uint8Array(256);
for (const code of [1, 2, 3, 5, 6]) FLAGS[code] = 0x40;
for (const code of [4, 9, 10, 26]) FLAGS[code] = 0x80;
for (const code of [7, 8, 16, 32, 35]) FLAGS[code] = 0xc0;

const noOctets = new Uint8Array(0);
const noView = new DataView(noOctets.buffer);

/**
 * Checks the attributes of an UPDATE in place, without allocating, and gathers what the decision process wants to know. It accepts only
 * what is beyond doubt well-formed: for everything else (errors, unknown attributes, two-octet AS numbers) `scan` says
 * no and the decoder of bgp-ts takes over, which knows RFC 7606 in full. What is accepted comes out in canonical form: by type code,
 * least length octets, without MP_REACH_NLRI and MP_UNREACH_NLRI, and without what the session kind forbids.
 */
export class AttributeScanner {
  /** Result: canonical octets are `bytes[start, end)`, readable through `view` as well. Valid until the next scan. */
  bytes: Uint8Array;
  view: DataView;
  start: number;
  end: number;
  /** Result: facts, see `Fact` in attribute-sets.ts. */
  localPref: number;
  asPathLength: number;
  origin: number;
  med: number;
  neighbourAs: number;
  originatorId: number;
  flags: number;
  /** Result: NEXT_HOP as a signed 32-bit number. */
  nextHop4: number;
  /** Whether any set scanned so far had AIGP: nothing need be done for it before. */
  hasSeenAigp: boolean;
  /** Result: type code of the first mandatory attribute that is missing, 0 if none. */
  missing: number;

  readonly #identity: ScanIdentity;
  /** Our AS in the segments of the outside, and in those of our confederation. */
  readonly #outerAs: number;
  readonly #memberAs: number;
  readonly #scratch: Uint8Array;
  readonly #scratchView: DataView;
  readonly #at: Int32Array;
  readonly #length: Int32Array;
  readonly #flags: Uint8Array;

  constructor(identity: ScanIdentity) {
    this.bytes = noOctets;
    this.view = noView;
    this.start = 0;
    this.end = 0;
    this.localPref = DEFAULT_LOCAL_PREF;
    this.asPathLength = 0;
    this.origin = 0;
    this.med = 0;
    this.neighbourAs = 0;
    this.originatorId = 0;
    this.flags = 0;
    this.nextHop4 = 0;
    this.missing = 0;
    this.hasSeenAigp = false;
    this.#identity = identity;
    this.#memberAs = identity.localAs | 0;
    this.#outerAs = (identity.confederationId ?? 0) === 0 ? this.#memberAs : (identity.confederationId as number) | 0;
    this.#scratch = new Uint8Array(65_536);
    this.#scratchView = new DataView(this.#scratch.buffer);
    this.#at = new Int32Array(MAX_CODE);
    this.#length = new Int32Array(MAX_CODE);
    this.#flags = new Uint8Array(MAX_CODE);
  }

  /**
   * Scans `bytes[start, end)`; `view` shows the same memory, with the same offsets.
   * @param withNextHop NEXT_HOP belongs to the set (IPv4); otherwise it is dropped (the next hop is that of MP_REACH_NLRI)
   * @returns false: not for this scanner, use the decoder
   */
  scan(bytes: Uint8Array, view: DataView, start: number, end: number, mode: ScanMode, withNextHop: boolean): boolean {
    const trusted = mode === 'trusted';
    const ebgp = mode === 'ebgp';
    let isCanonical = true;
    let previous = -1; // 0 is a type code too, if one that nobody may use
    let seen = 0; // bit per type code below 32
    let seenHigh = 0;
    this.localPref = DEFAULT_LOCAL_PREF;
    this.asPathLength = 0;
    this.origin = Origin.Incomplete;
    this.med = 0;
    this.neighbourAs = 0;
    this.originatorId = 0;
    this.nextHop4 = 0;
    this.flags = SetFlag.HasFacts;
    let at = start;
    let first = start;
    let last = end;
    while (at < end) {
      if (at + 3 > end) return false;
      const flags = bytes[at]!;
      const code = bytes[at + 1]!;
      let value = at + 3;
      let length = bytes[at + 2]!;
      if ((flags & 0x10) !== 0) {
        if (at + 4 > end) return false;
        length = (length << 8) | bytes[at + 3]!;
        value++;
        if (length < 256) isCanonical = false;
      }
      const next = value + length;
      if (next > end) return false;
      if (code === AttributeCode.MpReachNlri || code === AttributeCode.MpUnreachNlri) {
        // At either end they leave the rest in one piece.
        if (at === first) first = next;
        else if (next === end && last === end) last = at;
        else isCanonical = false;
        at = next;
        continue;
      }
      const expected = FLAGS[code]!;
      if (expected === 0) {
        if (!trusted) return false;
        if (code <= previous) isCanonical = false;
        previous = code;
        at = next;
        continue;
      }
      if ((flags & 0xc0) !== expected || ((flags & 0x20) !== 0 && expected !== 0xc0)) return false;
      if ((flags & 0x0f) !== 0) isCanonical = false;
      if (code < 32) {
        if ((seen & (1 << code)) !== 0) return false;
        seen |= 1 << code;
      } else {
        if ((seenHigh & (1 << (code - 32))) !== 0) return false;
        seenHigh |= 1 << (code - 32);
      }
      if (code < previous) isCanonical = false;
      previous = code;
      this.#at[code] = value;
      this.#length[code] = length;
      this.#flags[code] = flags;
      switch (code) {
        case AttributeCode.Origin:
          if (length !== 1 || bytes[value]! > Origin.Incomplete) return false;
          this.origin = bytes[value]!;
          break;
        case AttributeCode.AsPath:
          if (!this.#asPath(bytes, view, value, next, trusted, ebgp)) return false;
          break;
        case AttributeCode.NextHop:
          if (length !== 4) return false;
          if (!trusted && withNextHop && !isHost4(bytes[value]!)) return false;
          this.nextHop4 = view.getInt32(value);
          if (!withNextHop) isCanonical = false;
          break;
        case AttributeCode.MultiExitDisc:
          if (length !== 4) return false;
          this.med = view.getInt32(value);
          this.flags |= SetFlag.HasMed;
          break;
        case AttributeCode.LocalPref:
          if (length !== 4) return false;
          if (ebgp) {
            isCanonical = false; // not ours to hear from another AS: dropped (RFC 4271 §5.1.5)
          } else {
            this.localPref = view.getInt32(value);
            this.flags |= SetFlag.HasLocalPref;
          }
          break;
        case AttributeCode.AtomicAggregate:
          if (length !== 0) return false;
          break;
        case AttributeCode.Aggregator:
          if (length !== 8 || (view.getInt32(value) === 0 && !trusted)) return false;
          break;
        case AttributeCode.Communities:
          if (length === 0 || (length & 3) !== 0) return false;
          this.#communities(view, value, next);
          break;
        case AttributeCode.OriginatorId:
          if (length !== 4) return false;
          if (ebgp) {
            isCanonical = false;
          } else {
            this.originatorId = view.getInt32(value);
            this.flags |= SetFlag.HasOriginatorId;
            if (this.originatorId === this.#identity.routerId) this.flags |= SetFlag.OwnOriginator;
          }
          break;
        case AttributeCode.ClusterList:
          if (length === 0 || (length & 3) !== 0) return false;
          if (ebgp) {
            isCanonical = false;
          } else {
            this.flags |= Math.min(length >> 2, 0xff) << SetFlag.ClusterShift;
            for (let i = value; i < next; i += 4) {
              if (view.getInt32(i) === this.#identity.clusterId) this.flags |= SetFlag.OwnCluster;
            }
          }
          break;
        case AttributeCode.ExtendedCommunities:
          if (length === 0 || (length & 7) !== 0) return false;
          for (let i = value; i < next; i += 8) {
            if (isLinkBandwidthAt(view, i)) this.flags |= SetFlag.HasLinkBandwidth;
          }
          break;
        case AttributeCode.LargeCommunities:
          if (length === 0 || length % 12 !== 0 || (!trusted && hasDuplicate12(view, value, next))) return false;
          break;
        case AttributeCode.Aigp:
          if (!trusted && !isOneMetric(view, value, length)) return false;
          this.flags |= SetFlag.HasAigp;
          this.hasSeenAigp = true;
          break;
        default: // OTC
          if (length !== 4) return false;
          this.flags |= SetFlag.HasOtc;
      }
      at = next;
    }
    this.missing = 0;
    if ((seen & 0b110) !== 0b110) this.missing = (seen & 0b10) === 0 ? AttributeCode.Origin : AttributeCode.AsPath;
    else if (withNextHop && (seen & 0b1000) === 0) this.missing = AttributeCode.NextHop;
    else if (mode === 'ibgp' && (seen & 0b100000) === 0) this.missing = AttributeCode.LocalPref;
    if (isCanonical) {
      this.bytes = bytes;
      this.view = view;
      this.start = first;
      this.end = last;
      return true;
    }
    if (trusted) return false;
    this.#rewrite(bytes, seen, seenHigh, ebgp, withNextHop);
    return true;
  }

  /** AS_PATH with four-octet AS numbers: length, first AS, own AS. */
  #asPath(bytes: Uint8Array, view: DataView, start: number, end: number, trusted: boolean, ebgp: boolean): boolean {
    let at = start;
    let length = 0;
    let own = 0;
    let neighbour = 0;
    let isFirst = true;
    while (at < end) {
      if (at + 2 > end) return false;
      const type = bytes[at]!;
      const count = bytes[at + 1]!;
      at += 2;
      const next = at + count * 4;
      if (count === 0 || next > end) return false;
      let ownAs = this.#outerAs;
      if (type === 2) {
        length += count;
      } else if (type === 1) {
        length++;
        this.flags |= SetFlag.HasAsSet;
      } else {
        // RFC 5065 §5.3: these do not count, and nobody outside may send them.
        if (ebgp || type > 4 || type === 0) return false;
        ownAs = this.#memberAs;
        this.flags |= type === 4 ? SetFlag.HasConfederation | SetFlag.HasAsSet : SetFlag.HasConfederation;
      }
      if (isFirst && type <= 2) {
        if (type === 2) neighbour = view.getInt32(at);
        isFirst = false;
      }
      for (; at < next; at += 4) {
        const asn = view.getInt32(at);
        if (asn === 0 && !trusted) return false; // RFC 7607
        if (asn === ownAs) own++;
      }
    }
    this.asPathLength = length;
    this.neighbourAs = neighbour;
    this.flags |= Math.min(own, 15) << SetFlag.OwnAsShift;
    return true;
  }

  #communities(view: DataView, start: number, end: number): void {
    for (let at = start; at < end; at += 4) {
      const value = view.getInt32(at);
      if (value >>> 16 !== 0xffff) continue;
      if (value === (WellKnownCommunity.GracefulShutdown | 0)) this.flags |= SetFlag.GracefulShutdown;
      else if (value === (WellKnownCommunity.NoExport | 0)) this.flags |= SetFlag.NoExport;
      else if (value === (WellKnownCommunity.NoAdvertise | 0)) this.flags |= SetFlag.NoAdvertise;
      else if (value === (WellKnownCommunity.NoExportSubconfed | 0)) this.flags |= SetFlag.NoExportSubconfed;
    }
  }

  /** Writes the attributes that stay to the scratch buffer, by type code. */
  #rewrite(bytes: Uint8Array, seen: number, seenHigh: number, ebgp: boolean, withNextHop: boolean): void {
    const out = this.#scratch;
    let to = 0;
    for (let k = 0; k < KNOWN.length; k++) {
      const code = KNOWN[k]!;
      if ((code < 32 ? seen & (1 << code) : seenHigh & (1 << (code - 32))) === 0) continue;
      if (code === AttributeCode.NextHop && !withNextHop) continue;
      if (
        ebgp &&
        (code === AttributeCode.LocalPref || code === AttributeCode.OriginatorId || code === AttributeCode.ClusterList)
      ) {
        continue;
      }
      const length = this.#length[code]!;
      const flags = this.#flags[code]! & 0xe0;
      out[to + 1] = code;
      if (length > 255) {
        out[to] = flags | 0x10;
        out[to + 2] = length >> 8;
        out[to + 3] = length;
        to += 4;
      } else {
        out[to] = flags;
        out[to + 2] = length;
        to += 3;
      }
      let from = this.#at[code]!;
      for (const stop = from + length; from < stop; from++) out[to++] = bytes[from]!;
    }
    this.bytes = out;
    this.view = this.#scratchView;
    this.start = 0;
    this.end = to;
  }
}

/** Whether an IPv4 address that begins so can be that of a host: not 0/8, 127/8, 224/3. */
function isHost4(first: number): boolean {
  return first !== 0 && first !== 127 && first < 224;
}

/** Whether the value of an AIGP attribute is one metric (RFC 7311 §3), and not the one that means an error. */
function isOneMetric(view: DataView, at: number, length: number): boolean {
  if (length !== 11 || view.getUint8(at) !== 1 || view.getUint16(at + 1) !== 11) return false;
  return view.getInt32(at + 3) !== -1 || view.getInt32(at + 7) !== -1;
}

/** Whether a large community is there twice, which must not be passed on (RFC 8092 §5). */
function hasDuplicate12(view: DataView, start: number, end: number): boolean {
  for (let a = start + 12; a < end; a += 12) {
    for (let b = start; b < a; b += 12) {
      if (
        view.getInt32(a) === view.getInt32(b) &&
        view.getInt32(a + 4) === view.getInt32(b + 4) &&
        view.getInt32(a + 8) === view.getInt32(b + 8)
      ) {
        return true;
      }
    }
  }
  return false;
}
