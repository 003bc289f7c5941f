/**
 * Octets from hex written field by field: white space is ignored, and so is everything from a `#` to the end of its line.
 * @throws Error for anything that is not hex, so that a typing error is no test
 */
export function hex(text: string): Uint8Array {
  const digits = text.replace(/#.*$/gm, '').replace(/\s+/g, '');
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new Error(`not hex: ${digits}`);
  return Uint8Array.from(Buffer.from(digits, 'hex'));
}

/** The marker every message begins with. */
export const marker = 'ff'.repeat(16);
