import { AttributeCode, AttributeFlag, UpdateSubcode } from '../iana.ts';
import { type AttributeCodec, malformed } from './codec.ts';

/**
 * ONLY_TO_CUSTOMER (OTC, type 35, optional transitive), RFC 9234 §5. Value: an AS number (4).
 * Malformed (length not 4): treat-as-withdraw, RFC 9234 §5.
 */
export const onlyToCustomerCodec: AttributeCodec<number> = {
  name: 'ONLY_TO_CUSTOMER',
  code: AttributeCode.OnlyToCustomer,
  flags: AttributeFlag.Optional | AttributeFlag.Transitive,
  onError: 'treat-as-withdraw',
  decode(r) {
    if (r.remaining !== 4) {
      return malformed(onlyToCustomerCodec, UpdateSubcode.AttributeLengthError, `${r.remaining} octets`);
    }
    return { ok: true, value: r.u32() };
  },
  encode(w, value) {
    w.u32(value);
  },
  format: String,
};
