/** Writes the header of a path attribute (RFC 4271 §4.3), the short form where it fits; where the value begins. `flags` without Extended Length. */
export function putHeader(out: Uint8Array, at: number, flags: number, code: number, length: number): number {
  out[at + 1] = code;
  if (length < 256) {
    out[at] = flags;
    out[at + 2] = length;
    return at + 3;
  }
  out[at] = flags | 0x10;
  out[at + 2] = length >> 8;
  out[at + 3] = length;
  return at + 4;
}

/** Writes a 32-bit number; where the next octet goes. */
export function putInt32(out: Uint8Array, at: number, value: number): number {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
  return at + 4;
}

/** Copies octets, lowest first: within one array only to lower places. Where the next octet goes. */
export function copyInto(bytes: Uint8Array, start: number, end: number, out: Uint8Array, at: number): number {
  let to = at;
  for (let from = start; from < end; from++) out[to++] = bytes[from]!;
  return to;
}

/** Writes a path attribute whose value is one 32-bit number. */
export function put32(out: Uint8Array, at: number, flags: number, code: number, value: number): number {
  return putInt32(out, putHeader(out, at, flags, code, 4), value);
}
