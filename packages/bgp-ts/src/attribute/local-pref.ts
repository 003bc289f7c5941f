import { AttributeCode, AttributeFlag, UpdateSubcode } from '../iana.ts';
import { type AttributeCodec, malformed } from './codec.ts';

/**
 * LOCAL_PREF (type 5, well-known, required from internal peers), RFC 4271 §5.1.5. Value: 4 octets.
 * From an external peer: dropped. Malformed (length not 4): treat-as-withdraw. RFC 7606 §7.5.
 */
export const localPrefCodec: AttributeCodec<number> = {
  name: 'LOCAL_PREF',
  code: AttributeCode.LocalPref,
  flags: AttributeFlag.Transitive,
  onError: 'treat-as-withdraw',
  isInternal: true,
  decode(r) {
    if (r.remaining !== 4)
      return malformed(localPrefCodec, UpdateSubcode.AttributeLengthError, `${r.remaining} octets`);
    return { ok: true, value: r.u32() };
  },
  encode(w, value) {
    w.u32(value);
  },
  format: String,
};
