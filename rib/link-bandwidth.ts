import { AttributeCode } from 'bgp-ts';

/** Largest share of a next hop: what the kernel takes. */
const MAX_SHARE = 256;
/** How far the ratio of small shares may be off before larger ones are taken. */
const TOLERANCE = 0.01;

/** Whether the extended community at `at` is a link bandwidth, transitive or not (draft-ietf-idr-link-bandwidth §3). */
export function isLinkBandwidthAt(view: DataView, at: number): boolean {
  return (view.getUint8(at) & 0xbf) === 0 && view.getUint8(at + 1) === 4;
}

/** Octets per second of the first link bandwidth among canonical attributes in `view[start, end)`; 0 where there is none that says anything. */
export function linkBandwidthIn(view: DataView, start: number, end: number): number {
  let at = start;
  while (at < end) {
    const isLong = (view.getUint8(at) & 0x10) !== 0;
    const code = view.getUint8(at + 1);
    const value = at + (isLong ? 4 : 3);
    const next = value + (isLong ? view.getUint16(at + 2) : view.getUint8(at + 2));
    if (code === AttributeCode.ExtendedCommunities) {
      for (let i = value; i < next; i += 8) {
        if (!isLinkBandwidthAt(view, i)) continue;
        const octetsPerSecond = view.getFloat32(i + 4);
        return octetsPerSecond > 0 && octetsPerSecond < Number.POSITIVE_INFINITY ? octetsPerSecond : 0;
      }
      return 0;
    }
    at = next;
  }
  return 0;
}

/**
 * Shares of next hops, 1 to 256, in proportion to the first `count` bandwidths, all above 0: the smallest numbers that come within one
 * percent, so that links of 10 and 40 Gbit/s are 1 and 4.
 */
export function sharesOf(bandwidths: Float64Array, count: number): number[] {
  let largest = 0;
  for (let i = 0; i < count; i++) largest = Math.max(largest, bandwidths[i]!);
  for (let top = 1; top < MAX_SHARE; top++) {
    let fits = true;
    for (let i = 0; i < count && fits; i++) {
      const exact = (bandwidths[i]! / largest) * top;
      const whole = Math.round(exact);
      fits = whole >= 1 && Math.abs(whole - exact) <= exact * TOLERANCE;
    }
    if (fits) return shares(bandwidths, count, top / largest);
  }
  return shares(bandwidths, count, MAX_SHARE / largest);
}

function shares(bandwidths: Float64Array, count: number, factor: number): number[] {
  return Array.from(bandwidths.subarray(0, count), (bandwidth) => Math.max(1, Math.round(bandwidth * factor)));
}
