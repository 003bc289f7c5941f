import { AttributeCode, AttributeFlag, UpdateSubcode } from '../iana.ts';
import { formatIp, type IpAddress } from '../ip.ts';
import { type AttributeCodec, malformed } from './codec.ts';

/**
 * ORIGINATOR_ID (type 9, optional non-transitive), RFC 4456 §8. Value: the router id (4) of the speaker the AS got the route from.
 * From an external peer: dropped. Malformed (length not 4): treat-as-withdraw. RFC 7606 §7.9.
 */
export const originatorIdCodec: AttributeCodec<IpAddress> = {
  name: 'ORIGINATOR_ID',
  code: AttributeCode.OriginatorId,
  flags: AttributeFlag.Optional,
  onError: 'treat-as-withdraw',
  isInternal: true,
  decode(r) {
    if (r.remaining !== 4) {
      return malformed(originatorIdCodec, UpdateSubcode.AttributeLengthError, `${r.remaining} octets`);
    }
    return { ok: true, value: { version: 4, octets: r.copy(4) } };
  },
  encode(w, value) {
    w.octets(value.octets);
  },
  format: formatIp,
};
