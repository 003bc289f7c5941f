import { CapabilityCode, formatFamily } from '../iana.ts';
import type { CapabilityCodec } from './codec.ts';

/** Multiprotocol Extensions (code 1), RFC 4760 §8. Value: AFI (2), reserved (1), SAFI (1). */
export const multiprotocolCapability: CapabilityCodec<'multiprotocol'> = {
  type: 'multiprotocol',
  code: CapabilityCode.Multiprotocol,
  decode(r) {
    const afi = r.u16();
    r.u8();
    return { type: 'multiprotocol', afi, safi: r.u8() };
  },
  encode(w, value) {
    w.u16(value.afi);
    w.u8(0);
    w.u8(value.safi);
  },
  format: (value) => `multiprotocol ${formatFamily(value.afi, value.safi)}`,
};
