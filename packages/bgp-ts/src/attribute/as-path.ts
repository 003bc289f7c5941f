import type { ByteReader, ByteWriter } from '../bytes.ts';
import { AS_TRANS, AttributeCode, AttributeFlag, UpdateSubcode } from '../iana.ts';
import { formatAsPath, MAX_SEGMENT_ASNS } from './as-path-value.ts';
import type { AsPath, AsPathSegment } from './attributes.ts';
import { type AttributeCodec, type Decoded, malformed } from './codec.ts';

const segmentTypes: Readonly<Record<number, AsPathSegment['type']>> = {
  1: 'set',
  2: 'sequence',
  3: 'confed-sequence',
  4: 'confed-set',
};
const segmentCodes: Readonly<Record<AsPathSegment['type'], number>> = {
  set: 1,
  sequence: 2,
  'confed-sequence': 3,
  'confed-set': 4,
};

/**
 * AS_PATH (type 2, well-known mandatory), RFC 4271 §5.1.2, RFC 5065 §3, RFC 6793 §4. Value: segments of type (1), number of AS numbers
 * (1) and these, 4 octets each, or 2 where the session has no 4-octet AS numbers.
 * Malformed (unknown segment type, segment past the end, a single octet left over, segment without AS numbers, AS 0 (RFC 7607 §2),
 * confederation segments from outside (RFC 5065 §5.3)): treat-as-withdraw, RFC 7606 §7.2.
 */
export const asPathCodec: AttributeCodec<AsPath> = {
  name: 'AS_PATH',
  code: AttributeCode.AsPath,
  flags: AttributeFlag.Transitive,
  onError: 'treat-as-withdraw',
  mayBeEmpty: true,
  decode(r, context) {
    const path = readAsPath(asPathCodec, r, context.fourOctetAs);
    if (path.ok && context.kind === 'ebgp' && path.value.some(isConfederation)) {
      return malformed(asPathCodec, UpdateSubcode.MalformedAsPath, 'confederation segment from outside');
    }
    return path;
  },
  encode(w, value, context) {
    writeAsPath(w, value, context.fourOctetAs);
  },
  format: formatAsPath,
};

/** Reads segments to the end of `r`; shared with AS4_PATH. */
export function readAsPath(codec: { readonly name: string }, r: ByteReader, fourOctetAs: boolean): Decoded<AsPath> {
  const fault = (what: string) => malformed(codec, UpdateSubcode.MalformedAsPath, what);
  const path: AsPathSegment[] = [];
  while (r.remaining > 0) {
    if (r.remaining < 2) return fault('1 octet left over');
    const code = r.u8();
    const count = r.u8();
    const type = segmentTypes[code];
    if (type === undefined) return fault(`segment type ${code}`);
    if (count === 0) return fault('segment without AS numbers');
    if (count * (fourOctetAs ? 4 : 2) > r.remaining) return fault(`segment of ${count} past the end`);
    const asns = new Array<number>(count);
    for (let i = 0; i < count; i++) {
      const asn = fourOctetAs ? r.u32() : r.u16();
      if (asn === 0) return fault('AS 0');
      asns[i] = asn;
    }
    path.push({ type, asns });
  }
  return { ok: true, value: path };
}

/** Writes segments, longer ones as several of at most 255; shared with AS4_PATH. */
export function writeAsPath(w: ByteWriter, path: AsPath, fourOctetAs: boolean): void {
  for (const { type, asns } of path) {
    for (let from = 0; from < asns.length; from += MAX_SEGMENT_ASNS) {
      const count = Math.min(MAX_SEGMENT_ASNS, asns.length - from);
      w.u8(segmentCodes[type]);
      w.u8(count);
      for (let i = from; i < from + count; i++) {
        const asn = asns[i] as number;
        if (fourOctetAs) w.u32(asn);
        else w.u16(asn > 0xffff ? AS_TRANS : asn);
      }
    }
  }
}

/** Whether a segment belongs to a confederation (RFC 5065 §3). */
export function isConfederation(segment: AsPathSegment): boolean {
  return segment.type === 'confed-sequence' || segment.type === 'confed-set';
}
