import { AttributeCode, AttributeFlag, UpdateSubcode } from '../iana.ts';
import { formatAggregator, readAggregator } from './aggregator.ts';
import type { Aggregator } from './attributes.ts';
import { type AttributeCodec, malformed } from './codec.ts';

/**
 * AS4_AGGREGATOR (type 18, optional transitive), RFC 6793 §3: AGGREGATOR with a 4-octet AS number, behind speakers that know only 2.
 * Malformed (length not 8, AS 0): attribute discard, RFC 6793 §6.
 */
export const as4AggregatorCodec: AttributeCodec<Aggregator> = {
  name: 'AS4_AGGREGATOR',
  code: AttributeCode.As4Aggregator,
  flags: AttributeFlag.Optional | AttributeFlag.Transitive,
  onError: 'attribute-discard',
  decode(r) {
    if (r.remaining !== 8) {
      return malformed(as4AggregatorCodec, UpdateSubcode.AttributeLengthError, `${r.remaining} octets`);
    }
    const value = readAggregator(r, true);
    if (value.asn === 0) return malformed(as4AggregatorCodec, UpdateSubcode.OptionalAttributeError, 'AS 0');
    return { ok: true, value };
  },
  encode(w, value) {
    w.u32(value.asn);
    w.octets(value.address.octets);
  },
  format: formatAggregator,
};
