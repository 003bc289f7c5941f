import { AttributeCode, AttributeFlag, UpdateSubcode } from '../iana.ts';
import { type AttributeCodec, malformed } from './codec.ts';

/**
 * ATOMIC_AGGREGATE (type 6, well-known discretionary), RFC 4271 §5.1.6. No value.
 * Malformed (length not 0): attribute discard, RFC 7606 §7.6.
 */
export const atomicAggregateCodec: AttributeCodec<true> = {
  name: 'ATOMIC_AGGREGATE',
  code: AttributeCode.AtomicAggregate,
  flags: AttributeFlag.Transitive,
  onError: 'attribute-discard',
  mayBeEmpty: true,
  decode(r) {
    if (r.remaining !== 0) {
      return malformed(atomicAggregateCodec, UpdateSubcode.AttributeLengthError, `${r.remaining} octets`);
    }
    return { ok: true, value: true };
  },
  encode() {},
  format: () => 'yes',
};
