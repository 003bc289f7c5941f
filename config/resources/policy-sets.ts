import { parsePrefix } from 'bgp-ts';
import { z } from 'zod';
import { isRawMap, type RawMap, type Reporter } from '../document.ts';
import { asPathPattern, cidr, communityPattern, field, integer } from '../values.ts';
import type { KindDefinition, Resource } from './resource.ts';

/** A prefix as text, which is that prefix alone, or with the lengths that may be inside of it. */
export const prefixEntry = (version?: 4 | 6) =>
  z.preprocess(
    (value) => (typeof value === 'string' ? { cidr: value } : value),
    z.strictObject({
      cidr: field(cidr(version)),
      min: field(integer(0, version === 4 ? 32 : 128)).optional(),
      max: field(integer(0, version === 4 ? 32 : 128)).optional(),
    }),
  );

/** One entry of a list of prefixes. */
export type PrefixEntry = z.infer<ReturnType<typeof prefixEntry>>;

const prefixSetSchema = z.strictObject({ prefixes: z.array(prefixEntry()).min(1) });

/** Prefixes under a name, of both families. */
export type PrefixSetResource = Resource<'PrefixSet', z.infer<typeof prefixSetSchema>>;

/** PrefixSet. */
export const prefixSet: KindDefinition<'PrefixSet', z.infer<typeof prefixSetSchema>> = {
  kind: 'PrefixSet',
  spec: prefixSetSchema,
  rules(raw, report) {
    if (Array.isArray(raw['prefixes'])) checkPrefixes(raw['prefixes'], ['spec', 'prefixes'], report);
  },
};

const asPathSetSchema = z.strictObject({ patterns: z.array(field(asPathPattern)).min(1) });

/** Patterns of AS paths under a name. */
export type AsPathSetResource = Resource<'ASPathSet', z.infer<typeof asPathSetSchema>>;

/** ASPathSet. */
export const asPathSet: KindDefinition<'ASPathSet', z.infer<typeof asPathSetSchema>> = {
  kind: 'ASPathSet',
  spec: asPathSetSchema,
};

const communitySetSchema = z.strictObject({ communities: z.array(field(communityPattern)).min(1) });

/** Communities under a name, standard, large and extended. */
export type CommunitySetResource = Resource<'CommunitySet', z.infer<typeof communitySetSchema>>;

/** CommunitySet. */
export const communitySet: KindDefinition<'CommunitySet', z.infer<typeof communitySetSchema>> = {
  kind: 'CommunitySet',
  spec: communitySetSchema,
};

/** Reports a range of lengths that is empty, or begins outside of its prefix. */
export function checkPrefixes(prefixes: readonly unknown[], path: readonly PropertyKey[], report: Reporter): void {
  for (const [i, entry] of prefixes.entries()) {
    if (!isRawMap(entry)) continue;
    checkOrder(entry, [...path, i], report);
    const prefix = typeof entry['cidr'] === 'string' ? parsePrefix(entry['cidr']) : undefined;
    for (const key of ['min', 'max']) {
      const length = entry[key];
      if (prefix !== undefined && typeof length === 'number' && length < prefix.length) {
        report.error([...path, i, key], `${length}: is shorter than the prefix (/${prefix.length})`);
      }
    }
  }
}

/** Reports a range that ends before it begins. */
export function checkOrder(range: RawMap, path: readonly PropertyKey[], report: Reporter): void {
  const { min, max } = range;
  if (typeof min === 'number' && typeof max === 'number' && min > max) {
    report.error([...path, 'min'], `${min}: is more than max (${max})`);
  }
}
