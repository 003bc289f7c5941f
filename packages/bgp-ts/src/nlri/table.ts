import type { ByteReader, ByteWriter } from '../bytes.ts';
import type { FamilyName } from '../iana.ts';
import { ipv4Unicast } from './ipv4-unicast.ts';
import { ipv6Unicast } from './ipv6-unicast.ts';
import type { NlriEntry } from './nlri.ts';

/** How the prefixes of one family are written. */
export interface NlriCodec {
  readonly family: FamilyName;
  /** Longest prefix, bits. */
  readonly maxBits: 32 | 128;
  /**
   * Decodes the rest of `r`.
   * @throws BadNlri, Truncated
   */
  decode(r: ByteReader, hasPathIds: boolean): NlriEntry[];
  /** @throws RangeError for a prefix of another family */
  encode(w: ByteWriter, entries: readonly NlriEntry[], hasPathIds: boolean): void;
}

/** NLRI codecs by family. */
export const nlriTable: Readonly<Record<FamilyName, NlriCodec>> = {
  'ipv4-unicast': ipv4Unicast,
  'ipv6-unicast': ipv6Unicast,
};
