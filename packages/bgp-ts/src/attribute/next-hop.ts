import { AttributeCode, AttributeFlag, UpdateSubcode } from '../iana.ts';
import { formatIp, type IpAddress } from '../ip.ts';
import { type AttributeCodec, malformed } from './codec.ts';

/**
 * NEXT_HOP (type 3, well-known mandatory where the NLRI field is used), RFC 4271 §5.1.3. Value: an IPv4 address.
 * Malformed (length not 4, not the address of a host): treat-as-withdraw, RFC 7606 §7.3 and §3 e. That it is none of our own addresses
 * and, on a direct eBGP session, on the shared subnet (RFC 4271 §6.3) is for the receiver to check.
 */
export const nextHopCodec: AttributeCodec<IpAddress> = {
  name: 'NEXT_HOP',
  code: AttributeCode.NextHop,
  flags: AttributeFlag.Transitive,
  onError: 'treat-as-withdraw',
  decode(r) {
    if (r.remaining !== 4) return malformed(nextHopCodec, UpdateSubcode.AttributeLengthError, `${r.remaining} octets`);
    const value: IpAddress = { version: 4, octets: r.copy(4) };
    if (!isIpv4Host(value)) return malformed(nextHopCodec, UpdateSubcode.InvalidNextHop, formatIp(value));
    return { ok: true, value };
  },
  encode(w, value) {
    if (value.version !== 4) throw new RangeError(`NEXT_HOP ${formatIp(value)}: IPv6 belongs in MP_REACH_NLRI`);
    w.octets(value.octets);
  },
  format: formatIp,
};

/** Not 0.0.0.0/8, 127.0.0.0/8 or 224.0.0.0/3. */
export function isIpv4Host(address: IpAddress): boolean {
  const first = address.octets[0] as number;
  return first !== 0 && first !== 127 && first < 224;
}
