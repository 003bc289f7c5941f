import { AttributeCode, AttributeFlag, familyOf, formatFamily } from '../iana.ts';
import { formatPrefix } from '../ip.ts';
import { nlriTable } from '../nlri/table.ts';
import type { MpUnreach } from './attributes.ts';
import type { AttributeCodec } from './codec.ts';

/**
 * MP_UNREACH_NLRI (type 15, optional non-transitive), RFC 4760 §4. Value: AFI (2), SAFI (1), withdrawn NLRI.
 * Malformed (NLRI malformed, cut short): session reset, or the family disabled, as MP_REACH_NLRI, RFC 7606 §7.12 and §5.3. Other families
 * stay octets.
 */
export const mpUnreachNlriCodec: AttributeCodec<MpUnreach> = {
  name: 'MP_UNREACH_NLRI',
  code: AttributeCode.MpUnreachNlri,
  flags: AttributeFlag.Optional,
  onError: 'session-reset',
  decode(r, context) {
    const afi = r.u16();
    const safi = r.u8();
    const family = familyOf(afi, safi);
    if (!family) return { ok: true, value: { afi, safi, withdrawn: [], raw: r.copy(r.remaining) } };
    const withdrawn = nlriTable[family].decode(r, context.addPathReceive.has(family));
    return { ok: true, value: { afi, safi, family, withdrawn } as MpUnreach };
  },
  encode(w, value, context) {
    w.u16(value.afi);
    w.u8(value.safi);
    const family = familyOf(value.afi, value.safi);
    if (value.raw || !family) w.octets(value.raw ?? new Uint8Array(0));
    else nlriTable[family].encode(w, value.withdrawn, context.addPathSend.has(family));
  },
  format(value) {
    const prefixes = value.withdrawn.map((entry) => formatPrefix(entry.prefix));
    return `${formatFamily(value.afi, value.safi)}: ${prefixes.join(' ')}`;
  },
};
