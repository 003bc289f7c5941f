import { ByteWriter } from '../bytes.ts';
import { HEADER_OCTETS, MAX_MESSAGE_OCTETS } from '../framing.ts';
import type { MessageType } from '../iana.ts';

/** A writer that already holds a header whose length `finishMessage` fills in. */
export function startMessage(type: MessageType, capacity = 256): ByteWriter {
  const w = new ByteWriter(capacity);
  for (let i = 0; i < 4; i++) w.u32(0xffffffff);
  w.u16(0);
  w.u8(type);
  return w;
}

/**
 * The whole message with its length.
 * @throws RangeError if it is longer than `maxOctets`
 */
export function finishMessage(w: ByteWriter, maxOctets: number = MAX_MESSAGE_OCTETS): Uint8Array {
  if (w.length > maxOctets) throw new RangeError(`message of ${w.length} octets: at most ${maxOctets}`);
  w.patchU16(HEADER_OCTETS - 3, w.length);
  return w.finish();
}
