import type { ByteReader, ByteWriter } from '../bytes.ts';

/**
 * A length octet and that much UTF-8; octets that are not UTF-8 become U+FFFD.
 * @throws Truncated
 */
export function readText(r: ByteReader): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(r.view(r.u8()));
}

/** @throws RangeError if the text takes more than 255 octets */
export function writeText(w: ByteWriter, text: string): void {
  const octets = new TextEncoder().encode(text);
  if (octets.length > 255) throw new RangeError(`text of ${octets.length} octets: at most 255`);
  w.u8(octets.length);
  w.octets(octets);
}
