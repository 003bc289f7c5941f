import { aggregatorCodec } from './aggregator.ts';
import { aigpCodec } from './aigp.ts';
import { asPathCodec } from './as-path.ts';
import { as4AggregatorCodec } from './as4-aggregator.ts';
import { as4PathCodec } from './as4-path.ts';
import { atomicAggregateCodec } from './atomic-aggregate.ts';
import type { Aggregator, AsPath, MpReach, MpUnreach, PathAttributes } from './attributes.ts';
import { clusterListCodec } from './cluster-list.ts';
import type { AttributeCodec } from './codec.ts';
import { communitiesCodec } from './communities.ts';
import { extendedCommunitiesCodec } from './extended-communities.ts';
import { largeCommunitiesCodec } from './large-communities.ts';
import { localPrefCodec } from './local-pref.ts';
import { mpReachNlriCodec } from './mp-reach-nlri.ts';
import { mpUnreachNlriCodec } from './mp-unreach-nlri.ts';
import { multiExitDiscCodec } from './multi-exit-disc.ts';
import { nextHopCodec } from './next-hop.ts';
import { onlyToCustomerCodec } from './only-to-customer.ts';
import { originCodec } from './origin.ts';
import { originatorIdCodec } from './originator-id.ts';

/** A value per attribute on the wire: the fields of `PathAttributes`, and those that do not survive decoding. */
export interface AttributeValues extends Omit<PathAttributes, 'linkLocalNextHop' | 'unknown' | 'partial'> {
  readonly mpReach?: MpReach;
  readonly mpUnreach?: MpUnreach;
  readonly as4Path?: AsPath;
  readonly as4Aggregator?: Aggregator;
}

/** Name of a field of `AttributeValues`. */
export type AttributeField = keyof AttributeValues;

/** The one list of path attributes: field -> codec (name, code, flags, error action, decode, encode, format). */
export const attributeTable: { readonly [F in AttributeField]-?: AttributeCodec<NonNullable<AttributeValues[F]>> } = {
  origin: originCodec,
  asPath: asPathCodec,
  nextHop: nextHopCodec,
  med: multiExitDiscCodec,
  localPref: localPrefCodec,
  atomicAggregate: atomicAggregateCodec,
  aggregator: aggregatorCodec,
  communities: communitiesCodec,
  originatorId: originatorIdCodec,
  clusterList: clusterListCodec,
  mpReach: mpReachNlriCodec,
  mpUnreach: mpUnreachNlriCodec,
  extendedCommunities: extendedCommunitiesCodec,
  as4Path: as4PathCodec,
  as4Aggregator: as4AggregatorCodec,
  aigp: aigpCodec,
  largeCommunities: largeCommunitiesCodec,
  onlyToCustomer: onlyToCustomerCodec,
};

/** A row of the table, its value type forgotten: a codec is only ever given values that it made or that its field holds. */
export interface AttributeRow {
  readonly field: AttributeField;
  readonly codec: AttributeCodec<unknown>;
}

const rows: readonly AttributeRow[] = (Object.keys(attributeTable) as AttributeField[])
  .map((field) => ({ field, codec: attributeTable[field] as AttributeCodec<unknown> }))
  .sort((a, b) => a.codec.code - b.codec.code);

const byCode: readonly (AttributeRow | undefined)[] = Array.from({ length: 256 }, (_, code) =>
  rows.find((row) => row.codec.code === code),
);

/** All rows by ascending type code. */
export function attributeRows(): readonly AttributeRow[] {
  return rows;
}

/** The row of a type code, `undefined` for attributes this package does not know. */
export function attributeByCode(code: number): AttributeRow | undefined {
  return byCode[code];
}

/** The RFC's name of a type code, or `attribute 99`. */
export function attributeName(code: number): string {
  return byCode[code]?.codec.name ?? `attribute ${code}`;
}
