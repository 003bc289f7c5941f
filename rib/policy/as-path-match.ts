import { type AsPath, formatAsPath } from 'bgp-ts';
import type { AsPathPattern } from '../../lib/as-path-pattern.ts';

/** True if the pattern is found in the text of the path, `65000 64512 {1,2} (65001)`. */
export function matchesAsPath(pattern: AsPathPattern, path: AsPath): boolean {
  return pattern.test(formatAsPath(path));
}

/** The AS numbers of the leading sequences begin with `asns`; a set ends the comparison, confederation segments are passed over. */
export function startsWithAsns(path: AsPath, asns: readonly number[]): boolean {
  let matched = 0;
  for (const segment of path) {
    if (matched === asns.length) return true;
    if (segment.type === 'confed-sequence' || segment.type === 'confed-set') continue;
    if (segment.type === 'set') return false;
    for (const asn of segment.asns) {
      if (matched === asns.length) return true;
      if (asn !== asns[matched]) return false;
      matched++;
    }
  }
  return matched === asns.length;
}
