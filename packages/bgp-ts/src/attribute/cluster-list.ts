import { AttributeCode, AttributeFlag, UpdateSubcode } from '../iana.ts';
import { formatIp, type IpAddress } from '../ip.ts';
import { type AttributeCodec, malformed } from './codec.ts';

/**
 * CLUSTER_LIST (type 10, optional non-transitive), RFC 4456 §8. Value: cluster ids of 4 octets, the last reflector's first.
 * From an external peer: dropped. Malformed (length 0 or not a multiple of 4): treat-as-withdraw. RFC 7606 §7.10.
 */
export const clusterListCodec: AttributeCodec<readonly IpAddress[]> = {
  name: 'CLUSTER_LIST',
  code: AttributeCode.ClusterList,
  flags: AttributeFlag.Optional,
  onError: 'treat-as-withdraw',
  isInternal: true,
  decode(r) {
    if (r.remaining === 0 || r.remaining % 4 !== 0) {
      return malformed(clusterListCodec, UpdateSubcode.OptionalAttributeError, `${r.remaining} octets`);
    }
    const value: IpAddress[] = [];
    while (r.remaining > 0) value.push({ version: 4, octets: r.copy(4) });
    return { ok: true, value };
  },
  encode(w, value) {
    for (const id of value) w.octets(id.octets);
  },
  format: (value) => value.map(formatIp).join(' '),
};
