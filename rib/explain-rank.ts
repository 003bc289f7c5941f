import { formatIp, type IpAddress, ipv4FromUint32, Origin } from 'bgp-ts';
import { type Candidate, NO_AIGP, Rule, ruleName } from './decision.ts';

type RuleNumber = (typeof Rule)[keyof typeof Rule];

/** What a rule of the decision process compares, for people. */
interface RuleWords {
  /** Which value wins. */
  readonly prefers: string;
  value(candidate: Candidate, address: IpAddress | undefined): string;
}

const originNames: Readonly<Record<number, string>> = {
  [Origin.Igp]: 'IGP',
  [Origin.Egp]: 'EGP',
  [Origin.Incomplete]: 'incomplete',
};

/** One entry per rule: a new rule does not compile without its words. */
const rules = {
  [Rule.LocalOrigin]: {
    prefers: 'what this node originates',
    value: ({ isLocal }) => (isLocal ? 'originated here' : 'heard from a peer'),
  },
  [Rule.Weight]: { prefers: 'higher', value: ({ weight }) => String(weight) },
  [Rule.Aigp]: { prefers: 'lower', value: ({ aigp }) => (aigp === NO_AIGP ? 'none' : String(aigp)) },
  [Rule.LocalPref]: { prefers: 'higher', value: ({ localPref }) => String(localPref) },
  [Rule.AsPathLength]: { prefers: 'shorter', value: ({ asPathLength }) => String(asPathLength) },
  [Rule.Origin]: { prefers: 'IGP before EGP before incomplete', value: ({ origin }) => originNames[origin] ?? '?' },
  [Rule.Med]: { prefers: 'lower', value: ({ med }) => String(med) },
  [Rule.EbgpOverIbgp]: { prefers: 'eBGP', value: ({ isEbgp }) => (isEbgp ? 'eBGP' : 'iBGP') },
  [Rule.IgpMetric]: { prefers: 'lower', value: ({ igpMetric }) => String(igpMetric) },
  [Rule.Current]: {
    prefers: 'the eBGP path that is selected already',
    value: ({ isCurrent }) => (isCurrent ? 'selected' : 'not selected'),
  },
  [Rule.RouterId]: { prefers: 'lower', value: ({ routerId }) => formatIp(ipv4FromUint32(routerId)) },
  [Rule.ClusterListLength]: { prefers: 'shorter', value: ({ clusterListLength }) => String(clusterListLength) },
  [Rule.PeerAddress]: {
    prefers: 'lower',
    value: (_, address) => (address === undefined ? 'this node' : formatIp(address)),
  },
  [Rule.PathId]: { prefers: 'lower', value: ({ pathId }) => String(pathId) },
} as const satisfies Record<RuleNumber, RuleWords>;

/** How a rule told two paths apart. */
export interface RuleComparison {
  /** Printable name of the rule. */
  readonly rule: string;
  /** Which value the rule prefers, in words. */
  readonly prefers: string;
  /** The values compared: of the path in question, and of the other one. */
  readonly own: string;
  readonly other: string;
}

/**
 * Words for what `comparePaths` answered.
 * @param result its answer, not 0; the sign does not matter
 * @param ownAddress address of the peer each path is from, absent for local origin
 */
export function compareInWords(
  result: number,
  own: Candidate,
  other: Candidate,
  ownAddress: IpAddress | undefined,
  otherAddress: IpAddress | undefined,
): RuleComparison {
  const words: RuleWords = rules[Math.abs(result) as RuleNumber];
  return {
    rule: ruleName(result),
    prefers: words.prefers,
    own: words.value(own, ownAddress),
    other: words.value(other, otherAddress),
  };
}
