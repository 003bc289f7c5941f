import { type FamilyName, formatIp, type IpAddress, ipEquals, isLinkLocal } from 'bgp-ts';
import { type Cluster, type ClusterNode, nodeAddress } from './cluster.ts';
import { attributeRules, NEXT_HOP_MODES } from './compile-attributes.ts';
import type { PolicyBook } from './compile-policy.ts';
import type {
  DesiredMaxPrefixes,
  DesiredMaxPrefixesOut,
  DesiredPassword,
  DesiredPeerOrigin,
  DesiredRemoteAs,
  DesiredSession,
} from './desired-state.ts';
import { Reporter } from './document.ts';
import type { Problem } from './problem.ts';
import { type SecretReference, secretId } from './resource-set.ts';
import type { BgpFilterResource } from './resources/bgp-filter.ts';
import type { BgpPeerResource, BgpPeerSpec } from './resources/bgp-peer.ts';

/** Hold time where nobody says (RFC 4271 §10 suggests 90 s). */
const HOLD_SECONDS = 90;
const CONNECT_RETRY_SECONDS = 10;
/** CS6, network control. */
const TOS = 0xc0;

/** The far end of one session. */
export interface Remote {
  readonly name: string;
  readonly address: IpAddress;
  readonly port: number;
  readonly asn: DesiredRemoteAs;
  /** The node at the far end, where it is one of the cluster. */
  readonly node: ClusterNode | undefined;
  readonly device: string | undefined;
  readonly localAs: number;
  /** The two ends were generated from the same resource, so they can agree on who connects. */
  readonly isAgreed: boolean;
  readonly families: readonly FamilyName[];
}

/** Works out what a session needs to know: what its BGPPeer says, else what the cluster says, else defaults. */
export class SessionCompiler {
  readonly #cluster: Cluster;
  readonly #isReflector: boolean;
  readonly #problems: Problem[];
  readonly #policies: PolicyBook;

  constructor(cluster: Cluster, isReflector: boolean, policies: PolicyBook, problems: Problem[]) {
    this.#cluster = cluster;
    this.#isReflector = isReflector;
    this.#policies = policies;
    this.#problems = problems;
  }

  /** What every kind of peer has: explicit fields of the resource, else defaults. */
  session(
    peer: BgpPeerResource | undefined,
    origin: DesiredPeerOrigin,
    remote: Remote,
    password: DesiredPassword | undefined,
  ): DesiredSession & { readonly origin: DesiredPeerOrigin } {
    const { configuration } = this.#cluster;
    const spec: BgpPeerSpec = peer?.spec ?? {};
    const kind = remote.asn === remote.localAs ? 'ibgp' : 'ebgp';
    const keepaliveSeconds = spec.keepaliveTime;
    const isConfederationMember = kind === 'ebgp' && this.#isMember(remote.asn);
    const report = peer && reporterOf(peer);
    const rules = attributeRules(spec, configuration, { kind, isConfederationMember }, report);
    this.#problems.push(...(report?.problems ?? []));
    return {
      ...rules,
      origin,
      device: remote.device,
      localAddress: this.#localAddress(peer, remote),
      localInterface: spec.sourceInterface,
      localAs: kind === 'ebgp' && !isConfederationMember ? this.#outerAs(remote.localAs) : remote.localAs,
      // Calico's peers know only the number they are shown, and so do podroute's unless asked otherwise
      localAsInPaths: { prependIn: spec.localASNoPrepend === false, keepOwn: spec.localASReplaceAS === false },
      kind,
      // a keepalive time without a hold time asks for a hold time of three of them (RFC 4271 §4.4)
      holdSeconds: spec.holdTime ?? configuration.holdTime ?? Math.max(HOLD_SECONDS, 3 * (keepaliveSeconds ?? 0)),
      keepaliveSeconds,
      connectRetrySeconds: spec.connectRetryTime ?? configuration.connectRetryTime ?? CONNECT_RETRY_SECONDS,
      idleHoldSeconds: spec.idleHoldTime,
      sendHoldSeconds: spec.sendHoldTime,
      extendedMessages: spec.extendedMessages ?? false,
      // between link-local addresses there is no IPv4 address that both ends know of
      extendedNextHop: spec.extendedNextHop ?? isLinkLocal(remote.address),
      fourOctetAs: this.#fourOctetAs(peer, remote),
      extendedOpenParameters: spec.extendedOpenParameters ?? false,
      families: remote.families,
      password,
      ttlSecurityHops: spec.ttlSecurity,
      multihopTtl: spec.multihop,
      tos: TOS,
      ...addPath(spec, remote.families),
      linkBandwidth: spec.linkBandwidth && {
        bitsPerSecond: spec.linkBandwidth.rate,
        isTransitive: spec.linkBandwidth.transitive ?? false,
      },
      routeReflectorClient: this.#isClient(peer, kind, remote),
      nextHop: nextHopMode(spec, kind),
      maxPrefixes: maxPrefixes(spec),
      maxPrefixesOut: spec.maxPrefixesOut && prefixLimit(spec.maxPrefixesOut),
      allowOwnAs: spec.numAllowedLocalASNumbers ?? 0,
      ...this.#policyOf(peer, origin, kind),
      restartSeconds:
        spec.maxRestartTime ?? (origin.type === 'mesh' ? configuration.nodeMeshMaxRestartTime : undefined),
      adminDown: spec.shutdown === true ? { text: spec.shutdownText ?? '' } : undefined,
    };
  }

  /** Whether an AS is another member of our confederation. */
  #isMember(asn: number | string): boolean {
    const { members = [] } = this.#cluster.configuration.confederation ?? {};
    return typeof asn === 'number' && members.includes(asn);
  }

  /** The AS that the outside sees: the confederation in place of the node's own, which nobody there knows (RFC 5065 §4). */
  #outerAs(localAs: number): number {
    const { self, configuration } = this.#cluster;
    return localAs === self.asn ? (configuration.confederation?.identifier ?? localAs) : localAs;
  }

  #policyOf(
    peer: BgpPeerResource | undefined,
    origin: DesiredPeerOrigin,
    kind: 'ebgp' | 'ibgp',
  ): Pick<DesiredSession, 'importPolicy' | 'exportPolicy'> {
    const spec: BgpPeerSpec = peer?.spec ?? {};
    // the mesh is trusted by being switched on: its nodes may have an AS number each, and still need no policy
    const dialect = origin.type === 'mesh' ? 'calico' : origin.dialect;
    const base = { dialect, kind, isReflector: this.#isReflector } as const;
    const filters = (names: readonly string[] = []) =>
      [...(spec.filters ?? []), ...names].flatMap((name) => this.filters(name));
    const { import: incoming, export: outgoing } = spec.policy ?? {};
    return {
      importPolicy: this.#policies.use('import', {
        ...base,
        filters: filters(incoming?.filters),
        default: incoming?.default,
      }),
      exportPolicy: this.#policies.use('export', {
        ...base,
        filters: filters(outgoing?.filters),
        default: outgoing?.default,
      }),
    };
  }

  /** The filters of that name: one, or none if there is no such filter. */
  filters(name: string): BgpFilterResource[] {
    return this.#cluster.resources.filters.filter((filter) => filter.name === name);
  }

  /** A reflector's iBGP peers are clients, but for reflectors of the same cluster id. */
  #isClient(peer: BgpPeerResource | undefined, kind: 'ebgp' | 'ibgp', remote: Remote): boolean {
    const { self } = this.#cluster;
    if (peer?.spec.routeReflectorClient !== undefined) {
      if (peer.spec.routeReflectorClient && kind === 'ebgp') {
        const report = reporterOf(peer);
        const message = `only iBGP peers can be clients: AS ${remote.asn} is not AS ${remote.localAs} (RFC 4456)`;
        report.error(['spec', 'routeReflectorClient'], message);
        this.#problems.push(...report.problems);
      }
      return peer.spec.routeReflectorClient;
    }
    if (kind === 'ebgp' || self.clusterId === undefined) return false;
    const other = remote.node?.clusterId;
    return other === undefined || !ipEquals(other, self.clusterId);
  }

  #localAddress(peer: BgpPeerResource | undefined, remote: Remote): IpAddress | undefined {
    if (peer?.spec.sourceInterface !== undefined) return undefined;
    const source = peer?.spec.sourceAddress ?? 'UseNodeIP';
    const { version } = remote.address;
    if (source === 'None' || (source === 'UseNodeIP' && isLinkLocal(remote.address))) return undefined;
    if (source === 'UseNodeIP') return nodeAddress(this.#cluster.self, version);
    if (source.version !== version && peer !== undefined) {
      const report = reporterOf(peer);
      report.error(
        ['spec', 'sourceAddress'],
        `${formatIp(source)}: must be an IPv${version} address, as the peer's is`,
      );
      this.#problems.push(...report.problems);
    }
    return source;
  }

  /** A number of more than two octets cannot be told without the capability. */
  #fourOctetAs(peer: BgpPeerResource | undefined, remote: Remote): boolean {
    if (peer?.spec.fourOctetAS !== false) return true;
    if (remote.localAs > 0xffff) {
      const report = reporterOf(peer);
      const message = `cannot be false: AS ${remote.localAs}, which the peer is shown, has more than two octets`;
      report.error(['spec', 'fourOctetAS'], message);
      this.#problems.push(...report.problems);
    }
    return false;
  }

  /** The key behind a reference. What cannot be read is said, and never means that there is no password. */
  password(
    reference: SecretReference,
    isOptional: boolean,
    report: Reporter,
    path: readonly string[],
  ): DesiredPassword | undefined {
    const id = secretId(reference);
    const found = this.#cluster.resources.secrets.get(id) ?? { type: 'missing', reason: `${id} was not looked for` };
    if (found.type === 'key') return found;
    if (found.type === 'missing' && isOptional) {
      report.warn(path, `${found.reason}: it is optional, so sessions come up without a password`);
      this.#problems.push(...report.problems.splice(0));
      return undefined;
    }
    report.warn(path, `${found.reason}: the peer stays down, as it must not come up without its password`);
    this.#problems.push(...report.problems.splice(0));
    return { type: 'unreadable', reason: found.reason };
  }
}

/** Reports problems of a BGPPeer. */
export function reporterOf(peer: BgpPeerResource): Reporter {
  return new Reporter(peer.origin, `BGPPeer ${peer.name}`);
}

function nextHopMode(spec: BgpPeerSpec, kind: 'ebgp' | 'ibgp'): 'auto' | 'self' | 'unchanged' {
  const byDefault = spec.keepOriginalNextHop === true && kind === 'ebgp' ? 'Keep' : 'Auto';
  return NEXT_HOP_MODES[spec.nextHopMode ?? byDefault];
}

function prefixLimit({
  count,
  action,
  restartTime,
}: NonNullable<BgpPeerSpec['maxPrefixesOut']>): DesiredMaxPrefixesOut {
  return { count, action: action ?? 'restart', restartSeconds: restartTime ?? 300 };
}

function maxPrefixes({ maxPrefixes: written }: BgpPeerSpec): DesiredMaxPrefixes | undefined {
  if (written === undefined) return undefined;
  const { count, ...more } = prefixLimit(written);
  return { count, warnPercent: written.warnPercent ?? 80, ...more };
}

/** What a family says, else what is said for both. */
function addPath(
  { addPath: written = {} }: BgpPeerSpec,
  families: readonly FamilyName[],
): Pick<DesiredSession, 'addPath' | 'addPathMax'> {
  const entries: { family: FamilyName; send: boolean; receive: boolean }[] = [];
  const addPathMax: Partial<Record<FamilyName, number>> = {};
  for (const family of families) {
    const own = family === 'ipv4-unicast' ? written.ipv4 : written.ipv6;
    const send = own?.send ?? written.send ?? false;
    const receive = own?.receive ?? written.receive ?? false;
    if (typeof send === 'number') addPathMax[family] = send;
    if (send !== false || receive) entries.push({ family, send: send !== false, receive });
  }
  return { addPath: entries, addPathMax };
}
