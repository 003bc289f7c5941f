import { CapabilityCode, formatFamily } from '../iana.ts';
import type { CapabilityCodec } from './codec.ts';

/**
 * Graceful Restart (code 64), RFC 4724 §3, RFC 8538 §2. Value: R bit (0x8), N bit (0x4) and two reserved bits, restart time in
 * seconds (12 bits); then, repeated: AFI (2), SAFI (1), flags (1) with the F bit 0x80.
 */
export const gracefulRestartCapability: CapabilityCodec<'graceful-restart'> = {
  type: 'graceful-restart',
  code: CapabilityCode.GracefulRestart,
  decode(r) {
    const head = r.u16();
    const families: { afi: number; safi: number; forwarding: boolean }[] = [];
    while (r.remaining > 0) families.push({ afi: r.u16(), safi: r.u8(), forwarding: (r.u8() & 0x80) !== 0 });
    return {
      type: 'graceful-restart',
      restarted: (head & 0x8000) !== 0,
      notifications: (head & 0x4000) !== 0,
      restartSeconds: head & 0x0fff,
      families,
    };
  },
  encode(w, value) {
    if (value.restartSeconds > 0x0fff) throw new RangeError(`restart time ${value.restartSeconds} s: at most 4095 s`);
    w.u16((value.restarted ? 0x8000 : 0) | (value.notifications ? 0x4000 : 0) | value.restartSeconds);
    for (const { afi, safi, forwarding } of value.families) {
      w.u16(afi);
      w.u8(safi);
      w.u8(forwarding ? 0x80 : 0);
    }
  },
  format(value) {
    const flags = `${value.restarted ? ' restarted' : ''}${value.notifications ? ' notifications' : ''}`;
    const families = value.families.map((f) => `${formatFamily(f.afi, f.safi)}${f.forwarding ? ' forwarding' : ''}`);
    return `graceful-restart ${value.restartSeconds} s${flags}${families.length > 0 ? `: ${families.join(', ')}` : ''}`;
  },
};
