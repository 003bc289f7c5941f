import {
  type BgpMessage,
  type Capability,
  capabilityCode,
  decodeMessage,
  encodeCapabilities,
  formatIp,
  formatLargeCommunity,
  formatPrefix,
  HEADER_OCTETS,
  type MpReach,
  type MpUnreach,
  type NlriEntry,
  type Notification,
  type PathAttributes,
  type Result,
  type SessionContext,
  toHex,
} from '../../src/index.ts';

/** A row of `vectors/messages.jsonl`; see the README beside it. */
export interface Vector {
  readonly source: string;
  readonly name: string;
  readonly kind: string;
  readonly asn4: boolean;
  readonly addpath: boolean;
  readonly hex: string;
  readonly class: string;
  readonly expect: Expected;
  readonly families?: readonly string[];
  readonly license: string;
}

/** The part of `expect` that a decoder can be held to, by kind of message. */
export type Expected = Readonly<Record<string, unknown>>;

/** The context a row was recorded in. iBGP or confederation, so that nothing is dropped for coming from outside. */
export function vectorContext(vector: Vector): SessionContext {
  const addPath = new Set(vector.addpath ? (['ipv4-unicast', 'ipv6-unicast'] as const) : []);
  return {
    fourOctetAs: vector.asn4,
    addPathReceive: addPath,
    addPathSend: addPath,
    kind: 'confed',
    extendedNextHop: new Set(['ipv4-unicast']),
    maxOctets: 65535,
  };
}

/** Decodes a whole message in hex, header left to the caller. */
export function decodeVector(vector: Vector, context: SessionContext): Result<BgpMessage, Notification> {
  const octets = Uint8Array.from(Buffer.from(vector.hex, 'hex'));
  return decodeMessage(octets[HEADER_OCTETS - 1] as number, octets.subarray(HEADER_OCTETS), context);
}

/** A decoded message in the words of `expect`. */
export function describe(message: BgpMessage): Expected {
  switch (message.type) {
    case 'keepalive':
      return { kind: 'keepalive' };
    case 'notification': {
      const { code, subcode, data } = message.notification;
      return { kind: 'notification', code, subcode, data: toHex(data) };
    }
    case 'route-refresh': {
      const { afi, safi, subtype, filters } = message.routeRefresh;
      return { kind: 'refresh', afi, safi, subtype, ...(filters && { orf_hex: toHex(filters) }) };
    }
    case 'open': {
      const { version, myAs, holdSeconds, routerId, capabilities } = message.open;
      const caps = capabilities.map((capability) => ({
        code: capabilityCode(capability),
        hex: capabilityHex(capability),
      }));
      return { kind: 'open', version, as2: myAs, hold_time: holdSeconds, bgp_id: formatIp(routerId), caps };
    }
    case 'update': {
      const { withdrawn, nlri, attributes, mpReach, mpUnreach } = message.update;
      return {
        kind: 'update',
        withdrawn: withdrawn.map(entry),
        attrs: {
          ...describeAttributes(attributes, nlri.length === 0 && mpReach?.nextHop !== undefined),
          ...(mpReach && { mp_reach: describeReach(mpReach) }),
          ...(mpUnreach && { mp_unreach: describeUnreach(mpUnreach) }),
        },
        nlri: nlri.map(entry),
      };
    }
  }
}

function capabilityHex(capability: Capability): string {
  return toHex(encodeCapabilities([capability]).subarray(2));
}

function entry({ prefix, pathId }: NlriEntry): unknown {
  return pathId === undefined ? formatPrefix(prefix) : { prefix: formatPrefix(prefix), path_id: pathId };
}

const segmentNames = {
  sequence: 'seq',
  set: 'set',
  'confed-sequence': 'confed_seq',
  'confed-set': 'confed_set',
} as const;

function describeAttributes(a: PathAttributes, nextHopIsMp: boolean): Record<string, unknown> {
  const all: Record<string, unknown> = {
    origin: a.origin,
    as_path: a.asPath?.map((segment) => ({ type: segmentNames[segment.type], asns: segment.asns })),
    next_hop: a.nextHop && !nextHopIsMp ? formatIp(a.nextHop) : undefined,
    med: a.med,
    local_pref: a.localPref,
    atomic_aggregate: a.atomicAggregate,
    aggregator: a.aggregator && { as: a.aggregator.asn, addr: formatIp(a.aggregator.address) },
    communities: a.communities?.map((c) => `${c >>> 16}:${c & 0xffff}`),
    originator_id: a.originatorId && formatIp(a.originatorId),
    cluster_list: a.clusterList?.map(formatIp),
    ext_communities: a.extendedCommunities?.map(toHex),
    large_communities: a.largeCommunities?.map(formatLargeCommunity),
    unknown: a.unknown?.map(({ code, flags, value }) => ({ type: code, flags, hex: toHex(value) })),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function describeReach(mp: MpReach): unknown {
  if (mp.raw) {
    const length = mp.raw[0] ?? 0;
    return {
      afi: mp.afi,
      safi: mp.safi,
      next_hop_hex: toHex(mp.raw.subarray(1, 1 + length)),
      nlri_hex: toHex(mp.raw.subarray(2 + length)),
    };
  }
  const nextHops = [mp.nextHop, mp.linkLocalNextHop].flatMap((hop) => (hop ? [formatIp(hop)] : []));
  return { afi: mp.afi, safi: mp.safi, next_hop: nextHops, nlri: mp.nlri.map(entry) };
}

function describeUnreach(mp: MpUnreach): unknown {
  if (mp.raw) return { afi: mp.afi, safi: mp.safi, nlri_hex: toHex(mp.raw) };
  return { afi: mp.afi, safi: mp.safi, nlri: mp.withdrawn.map(entry) };
}
