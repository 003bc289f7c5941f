import type { ByteReader, ByteWriter } from '../bytes.ts';
import type { AddressOf } from '../family.ts';
import { Families, type FamilyName } from '../iana.ts';
import { ipv4Unicast } from './ipv4-unicast.ts';
import { ipv6Unicast } from './ipv6-unicast.ts';
import type { NlriEntry } from './nlri.ts';

/** How the prefixes of one family are written. */
export interface NlriCodec<F extends FamilyName = FamilyName> {
  readonly family: F;
  /** Longest prefix, bits. */
  readonly maxBits: 32 | 128;
  /**
   * Decodes the rest of `r`.
   * @throws BadNlri, Truncated
   */
  decode(r: ByteReader, hasPathIds: boolean): NlriEntry<AddressOf<F>>[];
  /** @throws RangeError for a prefix of another family */
  encode(w: ByteWriter, entries: readonly NlriEntry[], hasPathIds: boolean): void;
}

/** NLRI codecs by family. */
export const nlriTable: { readonly [F in FamilyName]: NlriCodec<F> } = {
  'ipv4-unicast': ipv4Unicast,
  'ipv6-unicast': ipv6Unicast,
};

/**
 * Entries whose family only the running program knows, as entries of that family: the same array, looked through.
 * @throws RangeError if one is of another family
 */
export function nlriOf<F extends FamilyName>(
  family: F,
  entries: readonly NlriEntry[],
): readonly NlriEntry<AddressOf<F>>[] {
  const { addressOctets } = Families[family];
  for (const { prefix } of entries) {
    if (prefix.address.octets.length !== addressOctets) {
      throw new RangeError(`an IPv${prefix.address.version} prefix among those of ${family}`);
    }
  }
  return entries as readonly NlriEntry<AddressOf<F>>[];
}
