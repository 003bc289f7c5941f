import { AttributeCode, AttributeFlag, UpdateSubcode } from '../iana.ts';
import { type AttributeCodec, malformed } from './codec.ts';

/**
 * MULTI_EXIT_DISC (type 4, optional non-transitive), RFC 4271 §5.1.4. Value: 4 octets.
 * Malformed (length not 4): treat-as-withdraw, RFC 7606 §7.4.
 */
export const multiExitDiscCodec: AttributeCodec<number> = {
  name: 'MULTI_EXIT_DISC',
  code: AttributeCode.MultiExitDisc,
  flags: AttributeFlag.Optional,
  onError: 'treat-as-withdraw',
  decode(r) {
    if (r.remaining !== 4) {
      return malformed(multiExitDiscCodec, UpdateSubcode.AttributeLengthError, `${r.remaining} octets`);
    }
    return { ok: true, value: r.u32() };
  },
  encode(w, value) {
    w.u32(value);
  },
  format: String,
};
