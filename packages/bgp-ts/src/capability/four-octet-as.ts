import { CapabilityCode } from '../iana.ts';
import type { CapabilityCodec } from './codec.ts';

/** Support for 4-octet AS numbers (code 65), RFC 6793 §3. Value: the speaker's AS number (4). */
export const fourOctetAsCapability: CapabilityCodec<'four-octet-as'> = {
  type: 'four-octet-as',
  code: CapabilityCode.FourOctetAs,
  decode: (r) => ({ type: 'four-octet-as', asn: r.u32() }),
  encode(w, value) {
    w.u32(value.asn);
  },
  format: (value) => `four-octet-as ${value.asn}`,
};
