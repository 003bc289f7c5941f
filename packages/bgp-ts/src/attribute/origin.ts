import { AttributeCode, AttributeFlag, Origin, UpdateSubcode } from '../iana.ts';
import { type AttributeCodec, malformed } from './codec.ts';

/**
 * ORIGIN (type 1, well-known mandatory), RFC 4271 §5.1.1. Value: 1 octet, 0 = IGP, 1 = EGP, 2 = INCOMPLETE.
 * Malformed (length not 1, value above 2): treat-as-withdraw, RFC 7606 §7.1.
 */
export const originCodec: AttributeCodec<Origin> = {
  name: 'ORIGIN',
  code: AttributeCode.Origin,
  flags: AttributeFlag.Transitive,
  onError: 'treat-as-withdraw',
  decode(r) {
    if (r.remaining !== 1) return malformed(originCodec, UpdateSubcode.AttributeLengthError, `${r.remaining} octets`);
    const value = r.u8();
    if (!isOrigin(value)) return malformed(originCodec, UpdateSubcode.InvalidOrigin, `value ${value}`);
    return { ok: true, value };
  },
  encode(w, value) {
    w.u8(value);
  },
  format: (value) => (value === Origin.Igp ? 'IGP' : value === Origin.Egp ? 'EGP' : 'incomplete'),
};

function isOrigin(value: number): value is Origin {
  return value === Origin.Igp || value === Origin.Egp || value === Origin.Incomplete;
}
