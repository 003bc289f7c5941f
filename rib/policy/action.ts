import {
  AS_TRANS,
  makeLinkBandwidth,
  neighbourAs,
  type PathAttributes,
  parseLinkBandwidth,
  prependAsPath,
} from 'bgp-ts';
import { unreachable } from '../../lib/result.ts';
import { fitsExtended, fitsLarge, fitsStandard } from './community-match.ts';
import type { CommunityPattern, CommunityValue, PolicyAction, PolicyRoute } from './policy.ts';

const MAX_UINT32 = 0xffffffff;

/** What the actions of a policy have done so far. */
export interface Changes {
  /** Replaced by a changed copy, never written to; the same object while nothing changed. */
  attributes: PathAttributes;
  weight: number | undefined;
  nextHop: 'self' | 'unchanged' | 'explicit' | undefined;
}

/** Performs one action; an action that would change nothing leaves the very same attributes object. */
export function applyAction(action: PolicyAction, route: Pick<PolicyRoute, 'peer'>, changes: Changes): void {
  const { attributes } = changes;
  switch (action.type) {
    case 'set-local-pref':
      if (attributes.localPref !== action.value) changes.attributes = { ...attributes, localPref: action.value };
      return;
    case 'set-med': {
      const med = newMed(attributes.med, action.operation, action.value);
      if (attributes.med !== med) changes.attributes = { ...attributes, med };
      return;
    }
    case 'remove-med':
      if (attributes.med !== undefined) changes.attributes = without(attributes, 'med');
      return;
    case 'set-origin':
      if (attributes.origin !== action.origin) changes.attributes = { ...attributes, origin: action.origin };
      return;
    case 'prepend':
      changes.attributes = prepend(attributes, action.asns);
      return;
    case 'prepend-local-as':
      if (action.times > 0) {
        const asPath = prependAsPath(attributes.asPath ?? [], route.peer.localAs, action.times);
        changes.attributes = { ...attributes, asPath };
      }
      return;
    case 'prepend-last-as': {
      const last = neighbourAs(attributes.asPath ?? []);
      if (last === undefined || action.times === 0) return;
      changes.attributes = { ...attributes, asPath: prependAsPath(attributes.asPath ?? [], last, action.times) };
      return;
    }
    case 'set-next-hop':
      changes.attributes = { ...without(attributes, 'linkLocalNextHop'), nextHop: action.address };
      changes.nextHop = 'explicit';
      return;
    case 'next-hop':
      changes.nextHop = action.mode;
      return;
    case 'add-communities':
      changes.attributes = addCommunities(attributes, action.communities);
      return;
    case 'set-communities':
      changes.attributes = setCommunities(attributes, action.communities);
      return;
    case 'delete-communities':
      changes.attributes = deleteCommunities(attributes, action.patterns);
      return;
    case 'set-link-bandwidth':
      changes.attributes = setLinkBandwidth(attributes, action, route.peer.localAs);
      return;
    case 'set-weight':
      changes.weight = action.value;
      return;
    default:
      unreachable(action);
  }
}

function newMed(med: number | undefined, operation: 'set' | 'add' | 'subtract', value: number): number {
  switch (operation) {
    case 'set':
      return value;
    case 'add':
      return Math.min((med ?? 0) + value, MAX_UINT32);
    case 'subtract':
      return Math.max((med ?? 0) - value, 0);
  }
}

function prepend(attributes: PathAttributes, asns: readonly number[]): PathAttributes {
  if (asns.length === 0) return attributes;
  let asPath = attributes.asPath ?? [];
  for (const asn of asns.toReversed()) asPath = prependAsPath(asPath, asn, 1);
  return { ...attributes, asPath };
}

function without<K extends keyof PathAttributes>(attributes: PathAttributes, key: K): PathAttributes {
  if (attributes[key] === undefined) return attributes;
  const { [key]: _, ...rest } = attributes;
  return rest as PathAttributes;
}

/** An AS number that does not fit in two octets is told as AS_TRANS (RFC 6793 §2). */
function setLinkBandwidth(
  attributes: PathAttributes,
  { octetsPerSecond, isTransitive }: Extract<PolicyAction, { readonly type: 'set-link-bandwidth' }>,
  localAs: number,
): PathAttributes {
  const before = attributes.extendedCommunities ?? [];
  const asn = localAs > 0xffff ? AS_TRANS : localAs;
  const wanted = makeLinkBandwidth({ asn, octetsPerSecond, isTransitive });
  const others = before.filter((octets) => parseLinkBandwidth(octets) === undefined);
  if (others.length === before.length - 1 && before.some((octets) => sameOctets(octets, wanted))) return attributes;
  return { ...attributes, extendedCommunities: [...others, wanted] };
}

type Large = NonNullable<PathAttributes['largeCommunities']>[number];

function sameLarge(a: Large, b: Large): boolean {
  return a.globalAdmin === b.globalAdmin && a.local1 === b.local1 && a.local2 === b.local2;
}

function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, i) => octet === b[i]);
}

function addCommunities(attributes: PathAttributes, added: readonly CommunityValue[]): PathAttributes {
  let result = attributes;
  for (const community of added) {
    switch (community.type) {
      case 'standard': {
        const communities = result.communities ?? [];
        if (!communities.includes(community.value)) {
          result = { ...result, communities: [...communities, community.value] };
        }
        break;
      }
      case 'large': {
        const { globalAdmin, local1, local2 } = community;
        const value = { globalAdmin, local1, local2 };
        const largeCommunities = result.largeCommunities ?? [];
        if (!largeCommunities.some((other) => sameLarge(other, value))) {
          result = { ...result, largeCommunities: [...largeCommunities, value] };
        }
        break;
      }
      case 'extended': {
        const extendedCommunities = result.extendedCommunities ?? [];
        if (!extendedCommunities.some((other) => sameOctets(other, community.octets))) {
          result = { ...result, extendedCommunities: [...extendedCommunities, community.octets] };
        }
        break;
      }
    }
  }
  return result;
}

/** An empty list removes communities of every kind; else only the kinds that are listed are replaced. */
function setCommunities(attributes: PathAttributes, communities: readonly CommunityValue[]): PathAttributes {
  const replaces = (type: CommunityValue['type']) =>
    communities.length === 0 || communities.some((community) => community.type === type);
  let cleared = attributes;
  if (replaces('standard')) cleared = without(cleared, 'communities');
  if (replaces('large')) cleared = without(cleared, 'largeCommunities');
  if (replaces('extended')) cleared = without(cleared, 'extendedCommunities');
  const result = addCommunities(cleared, communities);
  return sameCommunities(result, attributes) ? attributes : result;
}

function sameCommunities(a: PathAttributes, b: PathAttributes): boolean {
  return (
    sameList(a.communities, b.communities, (x, y) => x === y) &&
    sameList(a.largeCommunities, b.largeCommunities, sameLarge) &&
    sameList(a.extendedCommunities, b.extendedCommunities, sameOctets)
  );
}

function sameList<T>(a: readonly T[] | undefined, b: readonly T[] | undefined, same: (x: T, y: T) => boolean): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((item, i) => same(item, b[i] as T));
}

function deleteCommunities(attributes: PathAttributes, patterns: readonly CommunityPattern[]): PathAttributes {
  let result = attributes;
  for (const pattern of patterns) {
    switch (pattern.type) {
      case 'standard':
        result = keep(result, 'communities', (value) => !fitsStandard(pattern.parts, value));
        break;
      case 'large':
        result = keep(result, 'largeCommunities', (value) => !fitsLarge(pattern.parts, value));
        break;
      case 'extended':
        result = keep(result, 'extendedCommunities', (octets) => !fitsExtended(pattern.hex, octets));
        break;
    }
  }
  return result;
}

type CommunityKey = 'communities' | 'largeCommunities' | 'extendedCommunities';
type Item<K extends CommunityKey> = NonNullable<PathAttributes[K]>[number];

/** The attribute without what is not to be kept; without the attribute when nothing is left. */
function keep<K extends CommunityKey>(
  attributes: PathAttributes,
  key: K,
  isKept: (item: Item<K>) => boolean,
): PathAttributes {
  const before = attributes[key] as readonly Item<K>[] | undefined;
  if (before === undefined) return attributes;
  const after = before.filter(isKept);
  if (after.length === before.length) return attributes;
  return after.length === 0 ? without(attributes, key) : { ...attributes, [key]: after };
}
