import { AttributeCode, AttributeFlag, UpdateSubcode } from '../iana.ts';
import type { Aigp } from './attributes.ts';
import { type AttributeCodec, malformed } from './codec.ts';

/** Type and length of the one TLV with a meaning; the length counts type and length too. */
const AIGP_TLV = 1;
const AIGP_TLV_OCTETS = 11;
const NO_METRIC = 0xffff_ffff_ffff_ffffn;

/**
 * AIGP (type 26, optional non-transitive), RFC 7311 §3. Value: TLVs of type (1), length of the whole TLV (2) and value; type 1 holds the
 * accumulated metric (8). Only the first of type 1 counts; all others are kept.
 * Malformed (TLVs that do not fit, no metric, a metric of 2^64-1): attribute discard, RFC 7311 §3.
 */
export const aigpCodec: AttributeCodec<Aigp> = {
  name: 'AIGP',
  code: AttributeCode.Aigp,
  flags: AttributeFlag.Optional,
  onError: 'attribute-discard',
  decode(r) {
    const fault = (what: string) => malformed(aigpCodec, UpdateSubcode.OptionalAttributeError, what);
    let metric: bigint | undefined;
    const further: number[] = [];
    while (r.remaining > 0) {
      if (r.remaining < 3) return fault(`${r.remaining} octets left over`);
      const type = r.u8();
      const length = r.u16();
      if (length < 3 || length - 3 > r.remaining) return fault(`TLV of ${length} octets`);
      if (type === AIGP_TLV && metric === undefined) {
        if (length !== AIGP_TLV_OCTETS) return fault(`metric in a TLV of ${length} octets`);
        metric = (BigInt(r.u32()) << 32n) | BigInt(r.u32());
      } else {
        further.push(type, length >> 8, length & 0xff, ...r.copy(length - 3));
      }
    }
    if (metric === undefined) return fault('no metric');
    if (metric === NO_METRIC) return fault('metric 2^64-1');
    return { ok: true, value: further.length === 0 ? { metric } : { metric, further: Uint8Array.from(further) } };
  },
  encode(w, { metric, further }) {
    if (metric < 0n || metric >= NO_METRIC) throw new RangeError(`AIGP metric ${metric}: must be 0 to 2^64-2`);
    w.u8(AIGP_TLV);
    w.u16(AIGP_TLV_OCTETS);
    w.u32(Number(metric >> 32n));
    w.u32(Number(metric & 0xffff_ffffn));
    if (further !== undefined) w.octets(further);
  },
  format: ({ metric }) => String(metric),
};
