import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { podrouteBgpConfiguration } from '../../../config/resources/bgp-configuration.ts';
import { podrouteBgpFilter } from '../../../config/resources/bgp-filter.ts';
import { podrouteBgpPeer } from '../../../config/resources/bgp-peer.ts';
import { ipPool } from '../../../config/resources/ip-pool.ts';
import { blockAffinity, ipamConfiguration, ipReservation } from '../../../config/resources/ipam.ts';
import { calicoNode, podrouteNode } from '../../../config/resources/node.ts';
import { asPathSet, communitySet, prefixSet } from '../../../config/resources/policy-sets.ts';
import { speaker } from '../../../config/resources/speaker.ts';

const text = readFileSync(join(import.meta.dirname, '../../../docs/configuration.md'), 'utf8');

/** Names of all fields below a schema. */
function fieldsOf(schema: z.core.$ZodType): string[] {
  if (schema instanceof z.ZodOptional) return fieldsOf(schema.def.innerType);
  if (schema instanceof z.ZodPipe) return [...fieldsOf(schema.def.in), ...fieldsOf(schema.def.out)];
  if (schema instanceof z.ZodArray) return fieldsOf(schema.element);
  if (!(schema instanceof z.ZodObject)) return [];
  return Object.entries(schema.shape).flatMap(([name, inner]) => [name, ...fieldsOf(inner as z.core.$ZodType)]);
}

/** Parts of things that other resources describe, and not worth a word here. */
const SELF_EVIDENT = ['name', 'key', 'value', 'type', 'address', 'node', 'deleted', 'state', 'cidr', 'prefix'];

const kinds = [
  podrouteBgpConfiguration,
  podrouteBgpFilter,
  podrouteBgpPeer,
  ipPool,
  calicoNode,
  podrouteNode,
  speaker,
  ipReservation,
  ipamConfiguration,
  blockAffinity,
  prefixSet,
  asPathSet,
  communitySet,
];

describe('docs/configuration.md names every field', () => {
  test.each(kinds)('$kind', ({ spec }) => {
    const names = [...new Set(fieldsOf(spec))].filter((name) => !SELF_EVIDENT.includes(name));
    const missing = names.filter((name) => !new RegExp(`[\`.{ ]${name}[\`.:, }]`).test(text));
    expect(missing).toEqual([]);
    if (![ipReservation, blockAffinity, prefixSet, asPathSet, communitySet].some(({ spec: small }) => small === spec))
      expect(names.length).toBeGreaterThan(3);
  });
});
