import { Families, type FamilyName, formatIp, formatPrefix, type Prefix } from 'bgp-ts';
import type {
  ApiUnusableReason,
  ExplainAdvertisement,
  ExplainCandidate,
  ExplainKernel,
  ExplainReceived,
  ExplainReply,
} from '../lib/api-explain.ts';
import type { PathExplanation, PrefixExplanation } from '../rib/explain.ts';
import type { Rib } from '../rib/rib.ts';
import type { InvalidReason, PathView } from '../rib/types.ts';
import { attributeChanges, policyTrace } from './api/attribute-changes.ts';
import { apiPathName, lookupWords, notAdvertisedWords, pathWords, rankWords } from './api/explain-words.ts';
import type { PeerFacts } from './api/peer-view.ts';
import { apiAttributes, apiRoute, reasonText } from './api/route-view.ts';
import { type PeerEntry, PREFIX_LIMIT_REACHED } from './speaker.ts';

/** What an explanation is made from. */
export interface ExplainSources {
  readonly rib: Rib;
  /** All peers, or the one that was asked about. */
  readonly entries: readonly PeerEntry[];
  readonly peerFacts: (name: string) => PeerFacts;
}

/** What was asked. */
export interface ExplainQuestion {
  readonly asked: string;
  /** The prefix, or the longest match of the address that was asked about. */
  readonly prefix: Prefix;
  /** Undefined: about all peers. */
  readonly peer: PeerEntry | undefined;
}

/** Why a prefix is here or not, for people and programs. */
export function explainRoute(
  { rib, entries, peerFacts }: ExplainSources,
  { asked, prefix, peer }: ExplainQuestion,
  kernel: ExplainKernel,
): ExplainReply {
  const found = rib.explain(prefix);
  const candidates = (found?.paths ?? []).map((path) => explainCandidate(path, peerFacts));
  const best = found?.paths.find(({ view }) => view.best)?.view;
  const covering = found === undefined ? rib.longestMatch(prefix) : undefined;
  const family = familyOf(prefix);
  return {
    asked,
    prefix: formatPrefix(prefix),
    family,
    found: found !== undefined,
    ...(covering === undefined ? {} : { coveredBy: formatPrefix(covering) }),
    text: summary(found, covering),
    candidates,
    ...(peer === undefined ? {} : { received: explainReceived(rib, peer, prefix, candidates) }),
    advertisements: entries.map((entry) => explainAdvertisement(rib, entry, prefix, best, peerFacts)),
    kernel,
  };
}

function summary(found: PrefixExplanation | undefined, covering: Prefix | undefined): string {
  if (found === undefined) {
    const instead = covering === undefined ? 'nothing covers it' : `${formatPrefix(covering)} covers it`;
    return `no path of this prefix is here; ${instead}`;
  }
  const { length: paths } = found.paths;
  const usable = found.paths.filter(({ view }) => view.valid).length;
  const counts = `${paths === 1 ? '1 path' : `${paths} paths`}, ${usable} usable`;
  const best = found.paths.find(({ view }) => view.best)?.view;
  if (best === undefined) return `${counts}: no path is selected`;
  const from = best.peer === undefined ? `this node (${best.source})` : best.peer.name;
  return `${counts}; the best is from ${from}`;
}

function explainCandidate(path: PathExplanation, peerFacts: (name: string) => PeerFacts): ExplainCandidate {
  const { view, rank, policy, lookup } = path;
  const state = view.best ? 'best' : view.multipath ? 'multipath' : view.valid ? 'not-best' : 'not-usable';
  const reason = view.invalidReason === undefined ? undefined : unusableReason(view.invalidReason, path, peerFacts);
  return {
    route: apiRoute(view, 'import'),
    state,
    ...(reason === undefined ? {} : { reason }),
    text: candidateWords(path, state, reason),
    ...(rank === undefined
      ? {}
      : {
          rank: {
            rule: rank.rule,
            won: rank.isWinner,
            against: apiPathName(rank.against),
            own: rank.own,
            other: rank.other,
            prefers: rank.prefers,
            withinAs: rank.isWithinAs,
          },
        }),
    ...(policy === undefined ? {} : { policy: policyTrace(policy, 'import') }),
    ...(lookup === undefined
      ? {}
      : {
          nextHop: {
            address: formatIp(lookup.address) + (lookup.device === undefined ? '' : `%${lookup.device}`),
            result: lookup.result,
            ...(lookup.metric === undefined ? {} : { metric: lookup.metric }),
            ...(lookup.text === undefined ? {} : { text: lookup.text }),
          },
        }),
  };
}

/** An eBGP session without policy rejects everything: that is another reason than a term. */
function unusableReason(
  reason: InvalidReason,
  { view }: PathExplanation,
  peerFacts: (name: string) => PeerFacts,
): ApiUnusableReason {
  if (reason !== 'import-policy' || view.peer === undefined) return reason;
  return peerFacts(view.peer.name).importPolicy.mode === 'rfc8212' ? 'rfc8212' : reason;
}

function candidateWords(
  { view, rank, policy, lookup }: PathExplanation,
  state: ExplainCandidate['state'],
  reason: ApiUnusableReason | undefined,
): string {
  switch (state) {
    case 'best':
      return rank === undefined ? 'best: the only usable path' : `best, ${rankWords(rank)}`;
    case 'multipath':
      return `used beside the best path, ranked below it${rank === undefined ? '' : ` ${rankWords(rank)}`}`;
    case 'not-best':
      return rank === undefined ? 'not selected yet' : `not best, ${rankWords(rank)}`;
    case 'not-usable':
      return `not usable: ${unusableWords(reason, view.invalidReason, policy?.verdict.term, lookup)}`;
  }
}

function unusableWords(
  reason: ApiUnusableReason | undefined,
  stored: InvalidReason | undefined,
  term: string | undefined,
  lookup: PathExplanation['lookup'],
): string {
  if (reason === 'rfc8212') return 'it is from an eBGP peer without an import policy, nothing is let in (RFC 8212)';
  if (reason === 'import-policy') return `rejected by import policy${term === undefined ? '' : `, ${term}`}`;
  if ((reason === 'next-hop-unreachable' || reason === 'next-hop-own') && lookup !== undefined) {
    return lookupWords(lookup);
  }
  return stored === undefined ? 'for no known reason' : reasonText(stored);
}

function explainAdvertisement(
  rib: Rib,
  { peer, handle }: PeerEntry,
  prefix: Prefix,
  bestView: PathView | undefined,
  peerFacts: (name: string) => PeerFacts,
): ExplainAdvertisement {
  const advertisement = rib.advertisement(handle, prefix);
  const { told, best, policy, kept } = advertisement;
  const isUnasked = peerFacts(peer.name).exportPolicy.mode === 'rfc8212';
  const reason = advertisement.reason === 'export-policy' && isUnasked ? ('rfc8212' as const) : advertisement.reason;
  const why = reason === undefined ? '' : notAdvertisedWords(reason, policy?.verdict.term);
  return {
    peer: peer.name,
    kind: handle.settings.kind,
    advertised: told.length > 0,
    ...(reason === undefined ? {} : { reason }),
    text: advertisementWords(told.length, why, told[0] === undefined ? '' : pathWords(told[0].from)),
    paths: told.map(({ pathId, from, attributes }) => {
      const sent = apiAttributes(attributes);
      const isBest = from.source === best?.source && from.peer === best?.peer && bestView !== undefined;
      return {
        ...(pathId === undefined ? {} : { pathId }),
        from: apiPathName(from),
        attributes: sent,
        ...(isBest ? { changes: attributeChanges(apiAttributes(bestView.attributes), sent) } : {}),
      };
    }),
    ...(policy === undefined ? {} : { policy: policyTrace(policy, 'export') }),
    ...(kept === undefined ? {} : { kept: kept.map(({ path, reason }) => ({ path: apiPathName(path), reason })) }),
  };
}

function advertisementWords(told: number, why: string, from: string): string {
  if (told === 0) return `not advertised: ${why}`;
  const what = told === 1 ? `advertised, from ${from}` : `${told} paths advertised`;
  return why === '' ? what : `${what}; the best path is not: ${why}`;
}

function explainReceived(
  rib: Rib,
  entry: PeerEntry,
  prefix: Prefix,
  candidates: readonly ExplainCandidate[],
): ExplainReceived {
  const { peer, handle, withdrawLog, updateIn } = entry;
  const name = peer.name;
  const family = familyOf(prefix);
  const own = candidates.filter(({ route }) => route.peer === name);
  const [first] = own;
  if (first !== undefined && first.reason !== 'session-down') {
    const { state, reason, text } = first;
    return { peer: name, state, ...(reason === undefined ? {} : { reason }), text };
  }
  const absent = (reason: NonNullable<ExplainReceived['reason']>, text: string): ExplainReceived => ({
    peer: name,
    state: 'absent',
    reason,
    text: `not here: ${text}`,
  });
  const snapshot = peer.snapshot();
  if (snapshot.adminDown !== undefined) {
    const { text } = snapshot.adminDown;
    if (text === PREFIX_LIMIT_REACHED) {
      return absent('prefix-limit', 'the session was ended because the peer sent more prefixes than its limit allows');
    }
    return absent('shut-down', `the peer is shut down${text === '' ? '' : ` ("${text}")`}`);
  }
  const event = withdrawLog.find(family, prefix);
  const noted =
    event === undefined ? {} : { treatedAsWithdraw: { at: new Date(event.atMs).toISOString(), problem: event.reason } };
  if (snapshot.state !== 'Established') {
    const last = entry.lastReset === undefined ? '' : `; the last one ended: ${entry.lastReset.text}`;
    return { ...absent('session-down', `there is no session, its state is ${snapshot.state}${last}`), ...noted };
  }
  if (snapshot.negotiated?.families.has(family) !== true) {
    const isOurs = peer.settings.families.includes(family);
    const who = isOurs ? 'the peer did not offer it' : 'it is not configured for this peer';
    return absent('family-not-in-force', `the session does not carry ${family}, ${who}`);
  }
  if (event !== undefined) {
    const text = `its last UPDATE with this prefix was malformed and treated as withdraw (RFC 7606): ${event.reason}`;
    return { ...absent('treated-as-withdraw', text), ...noted };
  }
  const covering = rib.receivedCovering(handle, prefix);
  const shorter = covering === undefined ? {} : { covering: formatPrefix(covering.prefix) };
  const instead = covering === undefined ? '' : `; it sent ${formatPrefix(covering.prefix)}, which covers it`;
  if (updateIn?.endOfRibReceived(family) === false) {
    return { ...absent('not-sent-yet', `the peer has not sent it so far, and no End-of-RIB${instead}`), ...shorter };
  }
  const nothing = 'the peer has not sent it, or has withdrawn it (nothing is damped here)';
  return { ...absent('not-sent', `${nothing}${instead}`), ...shorter };
}

function familyOf({ address }: Prefix): FamilyName {
  return address.version === 4 ? Families['ipv4-unicast'].name : Families['ipv6-unicast'].name;
}
