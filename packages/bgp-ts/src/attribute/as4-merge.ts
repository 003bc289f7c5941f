import { AS_TRANS } from '../iana.ts';
import { isConfederation } from './as-path.ts';
import { asPathLength } from './as-path-value.ts';
import type { Aggregator, AsPath, AsPathSegment } from './attributes.ts';

/** What a 2-octet session delivered. */
export interface As4Attributes {
  readonly asPath: AsPath | undefined;
  readonly as4Path: AsPath | undefined;
  readonly aggregator: Aggregator | undefined;
  readonly as4Aggregator: Aggregator | undefined;
}

/**
 * AS path and aggregator as they were before a speaker without 4-octet AS numbers passed them on (RFC 6793 §4.2.3). An AGGREGATOR whose AS
 * is not AS_TRANS beside an AS4_AGGREGATOR shows that someone aggregated later: then both AS4 attributes are void.
 */
export function mergeAs4(given: As4Attributes): { asPath: AsPath | undefined; aggregator: Aggregator | undefined } {
  const { asPath, as4Path, aggregator, as4Aggregator } = given;
  if (aggregator && as4Aggregator && aggregator.asn !== AS_TRANS) return { asPath, aggregator };
  return {
    asPath: asPath && as4Path ? mergeAs4Path(asPath, as4Path) : asPath,
    aggregator: aggregator && as4Aggregator ? as4Aggregator : aggregator,
  };
}

/**
 * AS4_PATH with what AS_PATH has more in front. The AS_PATH alone if it is the shorter of the two. Lengths count as in the decision
 * process (a set is 1, confederation segments 0).
 */
export function mergeAs4Path(asPath: AsPath, as4Path: AsPath): AsPath {
  let missing = asPathLength(asPath) - asPathLength(as4Path);
  if (missing < 0) return asPath;
  const merged: AsPathSegment[] = [];
  for (const segment of asPath) {
    if (isConfederation(segment)) {
      merged.push(segment);
    } else if (missing === 0) {
      break;
    } else if (segment.type === 'set') {
      merged.push(segment);
      missing -= 1;
    } else {
      const taken = Math.min(missing, segment.asns.length);
      merged.push({ type: 'sequence', asns: segment.asns.slice(0, taken) });
      missing -= taken;
      if (taken < segment.asns.length) break;
    }
  }
  const last = merged.at(-1);
  const next = as4Path[0];
  if (last?.type !== 'sequence' || next?.type !== 'sequence') return [...merged, ...as4Path];
  return [...merged.slice(0, -1), { type: 'sequence', asns: [...last.asns, ...next.asns] }, ...as4Path.slice(1)];
}
