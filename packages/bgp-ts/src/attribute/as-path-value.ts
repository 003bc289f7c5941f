import { type Asn, parseAsn } from '../iana.ts';
import type { AsPath, AsPathSegment } from './attributes.ts';

/** Most AS numbers a segment can hold: its count is one octet. */
export const MAX_SEGMENT_ASNS = 255;

/**
 * Length for the decision process: a set counts as 1 (RFC 4271 §9.1.2.2 a), confederation segments do not count (RFC 5065 §5.3).
 */
export function asPathLength(path: AsPath): number {
  let length = 0;
  for (const segment of path) {
    if (segment.type === 'sequence') length += segment.asns.length;
    else if (segment.type === 'set') length += 1;
  }
  return length;
}

/** How often `asn` occurs anywhere in the path, confederation segments included: the loop check. */
export function asPathCount(path: AsPath, asn: number): number {
  let count = 0;
  for (const segment of path) for (const member of segment.asns) if (member === asn) count++;
  return count;
}

/** Whether `asn` occurs anywhere in the path. */
export function asPathContains(path: AsPath, asn: number): boolean {
  return path.some((segment) => segment.asns.includes(asn));
}

/**
 * The AS the route was received from by our AS (or confederation): first of the first segment that is not a confederation's, if that is
 * a sequence. `undefined` for local routes and where a set stands first.
 */
export function neighbourAs(path: AsPath): number | undefined {
  const first = path.find((segment) => segment.type === 'sequence' || segment.type === 'set');
  return first?.type === 'sequence' ? first.asns[0] : undefined;
}

/** The AS that originated the route: last of the last segment, if that is a sequence. */
export function originAs(path: AsPath): number | undefined {
  const last = path.at(-1);
  return last?.type === 'sequence' ? last.asns.at(-1) : undefined;
}

/**
 * The path with `asn` put in front `times` times (RFC 4271 §5.1.2 b), in a segment of type `type`.
 * Segments over 255 AS numbers are the encoder's business.
 */
export function prependAsPath(
  path: AsPath,
  asn: number,
  times = 1,
  type: 'sequence' | 'confed-sequence' = 'sequence',
): AsPath {
  if (times <= 0) return path;
  const added = new Array<number>(times).fill(asn);
  const first = path[0];
  if (first?.type === type) return [{ type, asns: [...added, ...first.asns] }, ...path.slice(1)];
  return [{ type, asns: added }, ...path];
}

/** `65000 64512 {1,2}`; confederation segments in `(65001 65002)` and `[65001,65002]`. Empty for an empty path. */
export function formatAsPath(path: AsPath): string {
  return path.map(formatSegment).join(' ');
}

/** Reads what `formatAsPath` writes; `undefined` for anything else. */
export function parseAsPath(text: string): AsPath | undefined {
  const path: { type: AsPathSegment['type']; asns: Asn[] }[] = [];
  const pattern = /\s*(?:\{([^}]*)\}|\(([^)]*)\)|\[([^\]]*)\]|([\d.]+(?=[\s{([]|$)))/y;
  let at = 0;
  while (at < text.trimEnd().length) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (!match) return undefined;
    at = pattern.lastIndex;
    const [, set, confedSequence, confedSet, plain] = match;
    const body = set ?? confedSequence ?? confedSet ?? plain ?? '';
    const asns = body
      .split(set !== undefined || confedSet !== undefined ? ',' : /\s+/)
      .map((word) => parseAsn(word.trim()));
    if (!asns.every((asn) => asn !== undefined)) return undefined;
    if (plain === undefined) {
      path.push({ type: set !== undefined ? 'set' : confedSet !== undefined ? 'confed-set' : 'confed-sequence', asns });
    } else {
      const last = path.at(-1);
      if (last?.type === 'sequence') last.asns.push(...asns);
      else path.push({ type: 'sequence', asns });
    }
  }
  return path;
}

function formatSegment(segment: AsPathSegment): string {
  switch (segment.type) {
    case 'sequence':
      return segment.asns.join(' ');
    case 'set':
      return `{${segment.asns.join(',')}}`;
    case 'confed-sequence':
      return `(${segment.asns.join(' ')})`;
    case 'confed-set':
      return `[${segment.asns.join(',')}]`;
  }
}
