import { CapabilityCode, formatFamily } from '../iana.ts';
import type { CapabilityCodec } from './codec.ts';

/** Extended Next Hop Encoding (code 5), RFC 8950 §4. Value, repeated: NLRI AFI (2), NLRI SAFI (2), next hop AFI (2). */
export const extendedNextHopCapability: CapabilityCodec<'extended-next-hop'> = {
  type: 'extended-next-hop',
  code: CapabilityCode.ExtendedNextHop,
  decode(r) {
    const entries: { afi: number; safi: number; nextHopAfi: number }[] = [];
    while (r.remaining > 0) entries.push({ afi: r.u16(), safi: r.u16(), nextHopAfi: r.u16() });
    return { type: 'extended-next-hop', entries };
  },
  encode(w, value) {
    for (const { afi, safi, nextHopAfi } of value.entries) {
      w.u16(afi);
      w.u16(safi);
      w.u16(nextHopAfi);
    }
  },
  format: (value) =>
    `extended-next-hop ${value.entries.map((e) => `${formatFamily(e.afi, e.safi)} by afi ${e.nextHopAfi}`).join(', ')}`,
};
