import { CapabilityCode, formatFamily } from '../iana.ts';
import type { CapabilityCodec } from './codec.ts';

/**
 * Long-Lived Graceful Restart (code 71), RFC 9494 §3.1. Value, repeated: AFI (2), SAFI (1), flags (1) with the F bit 0x80, stale
 * time in seconds (3).
 */
export const longLivedGracefulRestartCapability: CapabilityCodec<'long-lived-graceful-restart'> = {
  type: 'long-lived-graceful-restart',
  code: CapabilityCode.LongLivedGracefulRestart,
  decode(r) {
    const families: { afi: number; safi: number; forwarding: boolean; staleSeconds: number }[] = [];
    while (r.remaining > 0) {
      const afi = r.u16();
      const safi = r.u8();
      const forwarding = (r.u8() & 0x80) !== 0;
      families.push({ afi, safi, forwarding, staleSeconds: (r.u8() << 16) | r.u16() });
    }
    return { type: 'long-lived-graceful-restart', families };
  },
  encode(w, value) {
    for (const { afi, safi, forwarding, staleSeconds } of value.families) {
      if (staleSeconds > 0xffffff) throw new RangeError(`stale time ${staleSeconds} s: at most 16777215 s`);
      w.u16(afi);
      w.u8(safi);
      w.u8(forwarding ? 0x80 : 0);
      w.u8(staleSeconds >> 16);
      w.u16(staleSeconds);
    }
  },
  format(value) {
    const families = value.families.map(
      (f) => `${formatFamily(f.afi, f.safi)} ${f.staleSeconds} s${f.forwarding ? ' forwarding' : ''}`,
    );
    return `long-lived-graceful-restart ${families.join(', ')}`;
  },
};
