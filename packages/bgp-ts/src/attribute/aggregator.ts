import type { ByteReader } from '../bytes.ts';
import { AS_TRANS, AttributeCode, AttributeFlag, UpdateSubcode } from '../iana.ts';
import { formatIp } from '../ip.ts';
import type { Aggregator } from './attributes.ts';
import { type AttributeCodec, malformed } from './codec.ts';

/**
 * AGGREGATOR (type 7, optional transitive), RFC 4271 §5.1.7, RFC 6793 §4. Value: AS number (4, or 2 where the session has no 4-octet AS
 * numbers), IPv4 address.
 * Malformed (any other length, AS 0 (RFC 7607 §2)): attribute discard, RFC 7606 §7.7.
 */
export const aggregatorCodec: AttributeCodec<Aggregator> = {
  name: 'AGGREGATOR',
  code: AttributeCode.Aggregator,
  flags: AttributeFlag.Optional | AttributeFlag.Transitive,
  onError: 'attribute-discard',
  decode(r, context) {
    if (r.remaining !== (context.fourOctetAs ? 8 : 6)) {
      return malformed(aggregatorCodec, UpdateSubcode.AttributeLengthError, `${r.remaining} octets`);
    }
    const value = readAggregator(r, context.fourOctetAs);
    if (value.asn === 0) return malformed(aggregatorCodec, UpdateSubcode.OptionalAttributeError, 'AS 0');
    return { ok: true, value };
  },
  encode(w, value, context) {
    if (context.fourOctetAs) w.u32(value.asn);
    else w.u16(value.asn > 0xffff ? AS_TRANS : value.asn);
    w.octets(value.address.octets);
  },
  format: formatAggregator,
};

/** Shared with AS4_AGGREGATOR. */
export function readAggregator(r: ByteReader, fourOctetAs: boolean): Aggregator {
  return { asn: fourOctetAs ? r.u32() : r.u16(), address: { version: 4, octets: r.copy(4) } };
}

/** `65000 192.0.2.1`. */
export function formatAggregator(value: Aggregator): string {
  return `${value.asn} ${formatIp(value.address)}`;
}
