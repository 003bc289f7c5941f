import { z } from 'zod';
import { err, type Result } from '../../lib/result.ts';
import { isRawMap, type RawMap, type Reporter } from '../document.ts';
import {
  asNumber,
  asPathPattern,
  boolean,
  cidr,
  community,
  communityPattern,
  communityValue,
  field,
  integer,
  ipAddress,
  nonEmptyText,
  oneOf,
  wordOr,
} from '../values.ts';
import { linkBandwidth } from './link-bandwidth.ts';
import { checkOrder, checkPrefixes, prefixEntry } from './policy-sets.ts';
import { type Dialect, isSet, type KindDefinition, type Resource } from './resource.ts';

const MAX_UINT32 = 0xffffffff;
/** Largest route priority: one below the number that LOCAL_PREF is counted down from. */
const MAX_PRIORITY = 2147483646;

const NO_ORIGIN_VALIDATION =
  'origin validation (RFC 6811) is not supported: podroute has no RPKI cache to ask, so the state of a route is not known';

const interfacePattern = field((value) => {
  const result = nonEmptyText(15)(value);
  if (!result.ok || /^[a-zA-Z0-9_.*:@-]+$/.test(result.value)) return result;
  return { ok: false, error: `${JSON.stringify(value)}: must be an interface name, with * for any characters` };
});

const calicoOperation = {
  addCommunity: z.strictObject({ value: field(community) }).optional(),
  prependASPath: z.strictObject({ prefix: z.array(field(asNumber)).min(1).max(10) }).optional(),
  setPriority: z.strictObject({ value: field(integer(1, MAX_PRIORITY)) }).optional(),
};

/** What a rule may ask for in Calico's API. */
const calicoConditions = (version?: 4 | 6) => ({
  cidr: field(cidr(version)).optional(),
  matchOperator: field(oneOf(['Equal', 'NotEqual', 'In', 'NotIn'])).optional(),
  prefixLength: z
    .strictObject({
      min: field(integer(0, version === 4 ? 32 : 128)).optional(),
      max: field(integer(0, version === 4 ? 32 : 128)).optional(),
    })
    .optional(),
  source: field(oneOf(['RemotePeers'])).optional(),
  interface: interfacePattern.optional(),
  peerType: field(oneOf(['eBGP', 'iBGP'])).optional(),
  communities: z.strictObject({ values: z.array(field(community)).length(1) }).optional(),
  asPathPrefix: z.array(field(asNumber)).min(1).optional(),
  priority: field(integer(1, MAX_PRIORITY)).optional(),
});

const calicoRule = (version: 4 | 6) => ({
  action: field(oneOf(['Accept', 'Reject'])),
  ...calicoConditions(version),
  operations: z.array(z.strictObject(calicoOperation)).min(1).max(10).optional(),
});

const calicoSchema = z.strictObject({
  importV4: z.array(z.strictObject(calicoRule(4))).optional(),
  exportV4: z.array(z.strictObject(calicoRule(4))).optional(),
  importV6: z.array(z.strictObject(calicoRule(6))).optional(),
  exportV6: z.array(z.strictObject(calicoRule(6))).optional(),
});

const range = z.preprocess(
  (value) => (typeof value === 'number' ? { min: value, max: value } : value),
  z.strictObject({ min: field(integer(0, MAX_UINT32)).optional(), max: field(integer(0, MAX_UINT32)).optional() }),
);

const podrouteOperation = {
  ...calicoOperation,
  addCommunities: z.array(field(communityValue)).min(1).optional(),
  setCommunities: z.array(field(communityValue)).optional(),
  deleteCommunities: z.array(field(communityPattern)).min(1).optional(),
  setLocalPref: field(integer(0, MAX_UINT32)).optional(),
  setMED: field(integer(0, MAX_UINT32)).optional(),
  addMED: field(integer(-MAX_UINT32, MAX_UINT32)).optional(),
  removeMED: field((value) => (value === true ? boolean(value) : { ok: false, error: 'must be true' })).optional(),
  setOrigin: field(oneOf(['IGP', 'EGP', 'Incomplete'])).optional(),
  setNextHop: field(wordOr(['Self', 'Keep'], ipAddress)).optional(),
  prependLocalAS: field(integer(1, 10)).optional(),
  prependLastAS: field(integer(1, 10)).optional(),
  setLinkBandwidth: linkBandwidth.optional(),
  setWeight: field(integer(0, 65535)).optional(),
};

const names = z
  .array(field(nonEmptyText(253)))
  .min(1)
  .optional();

/** What a rule may ask for in podroute's: of one family, or of both. */
const podrouteConditions = (version?: 4 | 6) => ({
  ...calicoConditions(version),
  prefixes: z.array(prefixEntry(version)).min(1).optional(),
  prefixSets: names,
  asPathSets: names,
  communitySets: names,
  source: field(oneOf(['RemotePeers', 'Local'])).optional(),
  origin: z
    .array(field(oneOf(['IGP', 'EGP', 'Incomplete'])))
    .min(1)
    .optional(),
  asPath: field(asPathPattern).optional(),
  asPathLength: range.optional(),
  neighbourAS: z.array(field(asNumber)).min(1).optional(),
  originAS: z.array(field(asNumber)).min(1).optional(),
  communities: z
    .strictObject({
      values: z.array(field(community)).min(1).optional(),
      any: z.array(field(communityPattern)).min(1).optional(),
      all: z.array(field(communityPattern)).min(1).optional(),
      none: z.array(field(communityPattern)).min(1).optional(),
    })
    .optional(),
  med: range.optional(),
  localPref: range.optional(),
  nextHops: z.array(field(cidr())).min(1).optional(),
  peers: names,
  peerAS: z.array(field(asNumber)).min(1).optional(),
  learnedFrom: names,
  learnedFromType: field(oneOf(['eBGP', 'iBGP'])).optional(),
  rpki: field((): Result<never, string> => err(NO_ORIGIN_VALIDATION)).optional(),
});

const podrouteRule = (version?: 4 | 6) => ({
  name: field(nonEmptyText(64)).optional(),
  action: field(oneOf(['Accept', 'Reject', 'Next'])),
  ...podrouteConditions(version),
  not: z.strictObject(podrouteConditions(version)).optional(),
  operations: z.array(z.strictObject(podrouteOperation)).min(1).max(20).optional(),
});

const podrouteSchema = z.strictObject({
  import: z.array(z.strictObject(podrouteRule())).optional(),
  export: z.array(z.strictObject(podrouteRule())).optional(),
  importV4: z.array(z.strictObject(podrouteRule(4))).optional(),
  exportV4: z.array(z.strictObject(podrouteRule(4))).optional(),
  importV6: z.array(z.strictObject(podrouteRule(6))).optional(),
  exportV6: z.array(z.strictObject(podrouteRule(6))).optional(),
});

/** The lists of rules of each direction, in the order in which they are tried: first those of both families. */
export const FILTER_LISTS = {
  import: ['import', 'importV4', 'importV6'],
  export: ['export', 'exportV4', 'exportV6'],
} as const;

/** All of them. */
export const ALL_FILTER_LISTS = [...FILTER_LISTS.import, ...FILTER_LISTS.export] as const;

/** Import and export rules, of both families and by family. */
export type BgpFilterSpec = z.infer<typeof podrouteSchema>;

/** One rule. */
export type BgpFilterRule = NonNullable<BgpFilterSpec['importV4']>[number];

/** What a rule asks for. */
export type BgpFilterConditions = NonNullable<BgpFilterRule['not']>;

/** One operation of a rule. */
export type BgpFilterOperation = NonNullable<BgpFilterRule['operations']>[number];

/** BGPFilter of either API. */
export type BgpFilterResource = Resource<'BGPFilter', BgpFilterSpec>;

/** BGPFilter of Calico's API. */
export const calicoBgpFilter: KindDefinition<'BGPFilter', BgpFilterSpec> = {
  kind: 'BGPFilter',
  spec: calicoSchema,
  rules: filterRules,
};

/** BGPFilter of podroute: Calico's rules, and what any router has beside. */
export const podrouteBgpFilter: KindDefinition<'BGPFilter', BgpFilterSpec> = {
  kind: 'BGPFilter',
  spec: podrouteSchema,
  rules: filterRules,
};

function filterRules(raw: RawMap, report: Reporter, dialect: Dialect): void {
  for (const list of ALL_FILTER_LISTS) {
    const rules = raw[list];
    if (!Array.isArray(rules)) continue;
    for (const [i, rule] of rules.entries()) {
      if (isRawMap(rule)) checkRule(rule, ['spec', list, i], report, dialect);
    }
  }
}

function checkRule(rule: RawMap, path: readonly PropertyKey[], report: Reporter, dialect: Dialect): void {
  checkConditions(rule, path, report, dialect);
  const { not, operations } = rule;
  if (isRawMap(not)) {
    if (Object.keys(not).length === 0) report.error([...path, 'not'], 'has no condition');
    checkConditions(not, [...path, 'not'], report, dialect);
  }
  if (operations === undefined) return;
  if (rule['action'] === 'Reject') report.error([...path, 'operations'], 'have no meaning with action Reject');
  if (!Array.isArray(operations)) return;
  for (const [i, operation] of operations.entries()) {
    if (!isRawMap(operation)) continue;
    const count = Object.keys(operation).length;
    if (count === 1) continue;
    const known = Object.keys(dialect === 'calico' ? calicoOperation : podrouteOperation);
    const message = `has ${count} operations: must be exactly one of ${known.join(', ')}`;
    report.error([...path, 'operations', i], message);
  }
}

function checkConditions(rule: RawMap, path: readonly PropertyKey[], report: Reporter, dialect: Dialect): void {
  if (isSet(rule, 'cidr') && !isSet(rule, 'matchOperator')) {
    report.error([...path, 'matchOperator'], 'is missing: cidr needs it');
  }
  if (isSet(rule, 'matchOperator') && !isSet(rule, 'cidr')) {
    report.error([...path, 'cidr'], 'is missing: matchOperator needs it');
  }
  const { prefixLength, prefixes } = rule;
  if (isRawMap(prefixLength)) {
    if (!isSet(rule, 'cidr') && dialect === 'calico') report.error([...path, 'prefixLength'], 'needs cidr');
    checkOrder(prefixLength, [...path, 'prefixLength'], report);
    if (rule['matchOperator'] === 'Equal' || rule['matchOperator'] === 'NotEqual') {
      const message = `says nothing more with ${rule['matchOperator']}, which already fixes the length; use In or NotIn`;
      report.warn([...path, 'prefixLength'], message);
    }
  }
  for (const key of ['asPathLength', 'med', 'localPref']) {
    const inner = rule[key];
    if (isRawMap(inner)) checkOrder(inner, [...path, key], report);
  }
  if (Array.isArray(prefixes)) checkPrefixes(prefixes, [...path, 'prefixes'], report);
}
