import { CapabilityCode, formatFamily } from '../iana.ts';
import type { CapabilityCodec } from './codec.ts';

const directions = { 1: 'receive', 2: 'send', 3: 'send and receive' } as const;

/**
 * ADD-PATH (code 69), RFC 7911 §4. Value, repeated: AFI (2), SAFI (1), send/receive (1): 1 can receive, 2 can send, 3 both.
 * An entry with any other value is ignored, as §4 wants.
 */
export const addPathCapability: CapabilityCodec<'add-path'> = {
  type: 'add-path',
  code: CapabilityCode.AddPath,
  decode(r) {
    const entries: { afi: number; safi: number; sendReceive: 1 | 2 | 3 }[] = [];
    while (r.remaining > 0) {
      const afi = r.u16();
      const safi = r.u8();
      const sendReceive = r.u8();
      if (sendReceive === 1 || sendReceive === 2 || sendReceive === 3) entries.push({ afi, safi, sendReceive });
    }
    return { type: 'add-path', entries };
  },
  encode(w, value) {
    for (const { afi, safi, sendReceive } of value.entries) {
      w.u16(afi);
      w.u8(safi);
      w.u8(sendReceive);
    }
  },
  format: (value) =>
    `add-path ${value.entries.map((e) => `${formatFamily(e.afi, e.safi)} ${directions[e.sendReceive]}`).join(', ')}`,
};
