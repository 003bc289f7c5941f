import { ByteWriter } from '../bytes.ts';
import { AttributeCode, AttributeFlag, type FamilyName, familyOf, formatFamily, UpdateSubcode } from '../iana.ts';
import { formatIp, formatPrefix } from '../ip.ts';
import { nlriTable } from '../nlri/table.ts';
import type { MpReach } from './attributes.ts';
import { type AttributeCodec, malformed } from './codec.ts';
import { isMpNextHopLength, isNextHopHost, type MpNextHop, readMpNextHop, writeMpReachHead } from './mp-next-hop.ts';

/**
 * MP_REACH_NLRI (type 14, optional non-transitive), RFC 4760 §3, RFC 2545 §3. Value: AFI (2), SAFI (1), length of the next hop (1), next
 * hop, reserved (1), NLRI.
 * Malformed (next hop of a wrong length, NLRI malformed, cut short): session reset, RFC 7606 §7.11 and §5.3, which leave the choice of
 * disabling the family instead: decode.ts takes it where AFI and SAFI are there and known. A next hop that is no host address:
 * treat-as-withdraw, as for NEXT_HOP. Other families stay octets.
 */
export const mpReachNlriCodec: AttributeCodec<MpReach> = {
  name: 'MP_REACH_NLRI',
  code: AttributeCode.MpReachNlri,
  flags: AttributeFlag.Optional,
  onError: 'session-reset',
  decode(r, context) {
    const afi = r.u16();
    const safi = r.u8();
    const family = familyOf(afi, safi);
    if (!family) return { ok: true, value: { afi, safi, nlri: [], raw: r.copy(r.remaining) } };
    const field = r.sub(r.u8());
    if (!isMpNextHopLength(field.remaining, family, context)) {
      const what = `next hop of ${field.remaining} octets for ${family}`;
      return malformed(mpReachNlriCodec, UpdateSubcode.OptionalAttributeError, what);
    }
    const nextHops = readMpNextHop(field);
    r.u8();
    const nlri = nlriTable[family].decode(r, context.addPathReceive.has(family));
    // The family's own rules have read all of it, which the compiler cannot follow.
    const value = { afi, safi, family, ...nextHops, nlri } as MpReach;
    if (isNextHopHost(nextHops.nextHop)) return { ok: true, value };
    const what = `next hop ${formatIp(nextHops.nextHop)}`;
    return { ...malformed(mpReachNlriCodec, UpdateSubcode.InvalidNextHop, what, 'treat-as-withdraw'), value };
  },
  encode(w, value, context) {
    const family = familyOf(value.afi, value.safi);
    if (value.raw || !family) {
      if (value.nlri.length > 0)
        throw new RangeError(`prefixes of ${formatFamily(value.afi, value.safi)}: octets only`);
      w.u16(value.afi);
      w.u8(value.safi);
      w.octets(value.raw ?? new Uint8Array(0));
      return;
    }
    if (!value.nextHop) throw new RangeError('MP_REACH_NLRI without a next hop');
    if (family === 'ipv6-unicast' && value.nextHop.version !== 6) {
      throw new RangeError(`next hop ${formatIp(value.nextHop)} for ${family}`);
    }
    writeMpReachHead(w, family, { ...value, nextHop: value.nextHop });
    nlriTable[family].encode(w, value.nlri, context.addPathSend.has(family));
  },
  format(value) {
    const family = formatFamily(value.afi, value.safi);
    const nextHop = value.nextHop ? ` next hop ${formatIp(value.nextHop)}` : '';
    return `${family}${nextHop}: ${value.nlri.map((entry) => formatPrefix(entry.prefix)).join(' ')}`;
  },
};

/**
 * The value of MP_REACH_NLRI up to its NLRI, for writers that append these themselves: AFI, SAFI, next hop length, next hop, reserved.
 * The attribute header (flags, type, length) is not part of it.
 */
export function encodeMpReachHead(family: FamilyName, nextHop: MpNextHop): Uint8Array {
  const w = new ByteWriter(48);
  writeMpReachHead(w, family, nextHop);
  return w.finish();
}
