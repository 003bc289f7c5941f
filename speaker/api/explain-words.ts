import { formatIp } from 'bgp-ts';
import type { ApiPathName, NotAdvertisedReason } from '../../lib/api-explain.ts';
import type { PathName, RankExplanation } from '../../rib/explain.ts';
import type { NextHopLookup } from '../../rib/types.ts';

/** A path by name, in printable form. */
export function apiPathName({ source, peer, pathId }: PathName): ApiPathName {
  return {
    source: source === 'bgp' ? 'peer' : source,
    ...(peer === undefined ? {} : { peer }),
    ...(pathId === undefined ? {} : { pathId }),
  };
}

/** `tor`, `tor (path id 3)`, `pod-block of this node`. */
export function pathWords({ source, peer, pathId }: PathName): string {
  const id = pathId === undefined ? '' : ` (path id ${pathId})`;
  return peer === undefined ? `${source === 'bgp' ? 'path' : source} of this node` : `${peer}${id}`;
}

/** `by LOCAL_PREF: 200 against 100 of tor-b (higher is preferred)`. */
export function rankWords(rank: RankExplanation): string {
  const where = rank.isWithinAs ? ', of the same neighbouring AS' : '';
  return `by ${rank.rule}: ${rank.own} against ${rank.other} of ${pathWords(rank.against)}${where} (${rank.prefers} is preferred)`;
}

/** What became of a next hop, as part of a sentence. */
export function lookupWords(lookup: NextHopLookup): string {
  const scope = lookup.device === undefined ? '' : `%${lookup.device}`;
  const found = lookup.text === undefined ? '' : `: ${lookup.text}`;
  switch (lookup.result) {
    case 'own':
      return `next hop ${formatIp(lookup.address)} is an address of this node`;
    case 'unreachable':
      return `next hop ${formatIp(lookup.address)}${scope} is unreachable${found}`;
    case 'reachable':
      return `next hop ${formatIp(lookup.address)}${scope} is reachable at cost ${lookup.metric ?? 0}${found}`;
  }
}

/** Why a peer is not told, after "not advertised: ". `term` is that of the export policy. */
export function notAdvertisedWords(reason: NotAdvertisedReason, term: string | undefined): string {
  switch (reason) {
    case 'session-down':
      return 'its session is down';
    case 'family-not-in-force':
      return 'its session does not carry this family';
    case 'no-path':
      return 'there is no path';
    case 'no-usable-path':
      return 'no path of it can be used';
    case 'split-horizon':
      return 'the best path came from it (split horizon)';
    case 'rfc8212':
      return 'it is an eBGP peer without an export policy, nothing is told (RFC 8212)';
    case 'export-policy':
      return `rejected by export policy${term === undefined ? '' : `, ${term}`}`;
    case 'not-originated-here':
      return 'it is told only what this node originates';
    case 'ibgp-to-ibgp':
      return 'heard by iBGP, told by iBGP only from or to route-reflector clients (RFC 4271 §9.2, RFC 4456 §6)';
    case 'client-to-client':
      return 'heard from a client of its cluster, and the clients speak to each other (RFC 4456)';
    case 'no-advertise':
      return 'it has the community NO_ADVERTISE (RFC 1997)';
    case 'no-export':
      return 'it has the community NO_EXPORT, and the peer is outside of this AS (RFC 1997)';
    case 'no-export-subconfed':
      return 'it has the community NO_EXPORT_SUBCONFED, and the peer is outside of this member AS (RFC 1997)';
    case 'only-to-customer':
      return 'it has ONLY_TO_CUSTOMER, and the peer is no customer (RFC 9234)';
    case 'no-next-hop':
      return 'there is no own address of this family to name as next hop';
    case 'too-long':
      return 'its attributes fit into no message';
    case 'pending':
      return 'it is on its way';
  }
}
