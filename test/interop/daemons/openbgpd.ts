import type { FamilyName } from 'bgp-ts';
import { formatCommunity, formatExtendedCommunity, parseCommunity, parseExtendedCommunity } from 'bgp-ts';
import type { LabHost } from '../../../deploy/lab/lab.ts';
import { startOpenbgpd } from '../../../deploy/lab/openbgpd.ts';
import { type ShownRoute, textSet } from '../lab/shown-route.ts';
import type { CapabilityName, Daemon, DaemonOptions, NeighborOptions } from './daemon.ts';

/** What both sides of a session offered, in `show neighbor`. */
interface Capabilities {
  readonly multiprotocol?: readonly string[];
  readonly refresh?: boolean;
  readonly enhanced_refresh?: boolean;
  readonly graceful_restart?: unknown;
  readonly as4byte?: boolean;
  readonly add_path?: unknown;
  readonly open_policy_role?: string;
}

interface Neighbor {
  readonly state: string;
  readonly stats?: {
    readonly prefixes?: { readonly received?: number };
    readonly message?: {
      readonly received?: {
        readonly keepalives?: number;
        readonly updates?: number;
        readonly route_refresh?: number;
      };
    };
  };
  readonly session?: {
    readonly holdtime?: number;
    readonly remote?: { readonly capabilities?: Capabilities };
    readonly local?: { readonly capabilities?: Capabilities };
  };
}

interface RibEntry {
  readonly prefix: string;
  readonly aspath?: string;
  readonly exit_nexthop?: string;
  readonly neighbor?: { readonly remote_addr?: string };
  readonly origin?: string;
  readonly metric?: number;
  readonly localpref?: number;
  readonly communities?: readonly string[];
  readonly large_communities?: readonly string[];
  readonly extended_communities?: readonly string[];
  readonly attributes?: readonly {
    readonly type: string;
    readonly flags: { readonly partial: boolean; readonly transitive: boolean; readonly optional: boolean };
    readonly AS?: number;
    readonly router_id?: string;
    readonly originator?: string;
    readonly cluster_list?: readonly string[];
    /** Hexadecimal. */
    readonly data?: string;
  }[];
}

/** OpenBGPD. Extended communities are shown in words of its own: they are judged by what it passes on. */
export function startOpenbgpdDaemon(host: LabHost, options: DaemonOptions): Daemon {
  const bgpd = startOpenbgpd(host, configuration(options));
  const neighborOf = (address: string): Neighbor =>
    bgpd.controlJson<{ neighbors: Neighbor[] }>('show', 'neighbor', address).neighbors[0] ?? { state: 'unknown' };
  return {
    name: 'OpenBGPD',
    // A route without a MED is shown with one of 0.
    hidden: new Set(['extendedCommunities', 'med']),
    isKnownDeparture(field, expected, found) {
      // It keeps the type of an extended community whose type it does not know, and loses the value.
      if (field !== 'extendedCommunities') return false;
      const emptied = expected.extendedCommunities?.replace(/\b(0x0f23)[0-9a-f]{12}/, '$1000000000000');
      return found.extendedCommunities === emptied;
    },
    session(address) {
      const { state, stats, session } = neighborOf(address);
      const received = stats?.message?.received;
      return {
        isEstablished: state === 'Established',
        families: familiesOf(session?.remote?.capabilities),
        holdSeconds: session?.holdtime ?? 0,
        keepalivesReceived: received?.keepalives ?? 0,
        refreshesReceived: received?.route_refresh ?? 0,
        updatesReceived: received?.updates ?? 0,
        prefixes: stats?.prefixes?.received ?? 0,
      };
    },
    capabilities: (address) => capabilitiesOf(neighborOf(address).session?.remote?.capabilities ?? {}),
    routes(address) {
      const { rib = [] } = bgpd.controlJson<{ rib?: RibEntry[] }>('show', 'rib', 'detail', 'neighbor', address);
      return new Map(rib.map((entry) => [entry.prefix, shownEntry(entry, options.routerId)]));
    },
    asPaths(address, prefix) {
      const { rib = [] } = bgpd.controlJson<{ rib?: RibEntry[] }>('show', 'rib', 'detail', 'neighbor', address);
      const paths = rib.filter((entry) => entry.prefix === prefix);
      return paths.map((entry) => shownEntry(entry, options.routerId).asPath ?? '').sort();
    },
    clear: (address) => void bgpd.control('neighbor', address, 'clear'),
    softClearIn: (address) => void bgpd.control('neighbor', address, 'refresh'),
    // A changed filter is applied to what was sent when it is loaded.
    softClearOut: () => undefined,
    shutdown: (address, text) => void bgpd.control('neighbor', address, 'down', text),
    enable: (address) => void bgpd.control('neighbor', address, 'up'),
    lastError: (address) => `${bgpd.control('show', 'neighbor', address)}\n${bgpd.process.log()}`,
    reconfigure: (next) => bgpd.reconfigure(configuration(next)),
    kill: () => bgpd.process.stop('SIGKILL'),
    restart: () => bgpd.restart(),
    log: () => bgpd.process.log(),
  };
}

function familiesOf(capabilities: Capabilities | undefined): FamilyName[] {
  const offered = new Set(capabilities?.multiprotocol ?? []);
  return [
    ...(offered.has('IPv4 unicast') ? ['ipv4-unicast' as const] : []),
    ...(offered.has('IPv6 unicast') ? ['ipv6-unicast' as const] : []),
  ];
}

function capabilitiesOf(c: Capabilities): CapabilityName[] {
  return [
    ...familiesOf(c),
    ...(c.refresh === true ? ['route-refresh' as const] : []),
    ...(c.enhanced_refresh === true ? ['enhanced-route-refresh' as const] : []),
    ...(c.as4byte === true ? ['four-octet-as' as const] : []),
    ...(c.graceful_restart === undefined ? [] : ['graceful-restart' as const]),
    ...(c.add_path === undefined ? [] : ['add-path' as const]),
    ...(c.open_policy_role === undefined ? [] : ['role' as const]),
  ];
}

function shownEntry(e: RibEntry, ownClusterId: string): ShownRoute {
  const find = (type: string) => e.attributes?.find((attribute) => attribute.type === type);
  const aggregator = find('Aggregator');
  const originator = find('Originator Id');
  // Its own cluster id is in front already when it shows a route that it may reflect.
  const clusters = find('Cluster Id List')?.cluster_list?.filter((id) => id !== ownClusterId) ?? [];
  const unknown = (e.attributes ?? []).flatMap(({ type, flags, data = '' }) => {
    const code = /^Unknown Attribute #(\d+)/.exec(type)?.[1];
    const bits = (flags.optional ? 0x80 : 0) | (flags.transitive ? 0x40 : 0) | (flags.partial ? 0x20 : 0);
    return code === undefined ? [] : [`${code} ${bits.toString(16)} ${data}`];
  });
  return {
    ...(e.origin === undefined ? {} : { origin: e.origin }),
    asPath: (e.aspath ?? '').replace(
      /\{([^}]*)\}/g,
      (_, members: string) =>
        `{${members
          .trim()
          .split(/[ ,]+/)
          .map(Number)
          .sort((a, b) => a - b)
          .join(',')}}`,
    ),
    ...(e.exit_nexthop === undefined ? {} : { nextHop: e.exit_nexthop }),
    ...(e.metric === undefined ? {} : { med: e.metric }),
    ...(e.localpref === undefined ? {} : { localPref: e.localpref }),
    ...(find('Atomic Aggregate') === undefined ? {} : { atomicAggregate: true }),
    ...(aggregator === undefined ? {} : { aggregator: `${aggregator.AS} ${aggregator.router_id}` }),
    ...textSet('communities', e.communities?.map(community)),
    ...textSet('largeCommunities', e.large_communities),
    ...textSet('extendedCommunities', e.extended_communities?.map(extendedCommunity)),
    ...(originator?.originator === undefined ? {} : { originatorId: originator.originator }),
    ...(clusters.length === 0 ? {} : { clusterList: clusters.join(' ') }),
    ...textSet('unknown', unknown),
  };
}

function community(text: string): string {
  const value = parseCommunity(text.toLowerCase().replaceAll('_', '-'));
  return value === undefined ? text : formatCommunity(value);
}

function extendedCommunity(text: string): string {
  const value = parseExtendedCommunity(text.replace(' ', ':'));
  return value === undefined ? text : formatExtendedCommunity(value);
}

function configuration({ asn, routerId, neighbors }: DaemonOptions): string {
  return [
    `AS ${asn}`,
    `router-id ${routerId}`,
    'fib-update no',
    'connect-retry 1',
    ...neighbors.flatMap((neighbor) => neighborLines(neighbor, routerId, neighbor.asn !== asn)),
    'allow from any',
    'allow to any',
    ...neighbors.filter((neighbor) => neighbor.asn !== asn).flatMap(otherNextHopLines),
    ...neighbors.flatMap(({ address, addCommunityIn, addCommunityOut }) => [
      ...(addCommunityIn === undefined ? [] : [`match from ${address} set community ${addCommunityIn}`]),
      ...(addCommunityOut === undefined ? [] : [`match to ${address} set community ${addCommunityOut}`]),
    ]),
    '',
  ].join('\n');
}

/**
 * Over eBGP it names, for the family that the session does not run over, whatever address it finds first, `::1` too; and it lets nothing else be
 * set for a neighbor on the same link but what is on the link of the session's own family. So eBGP neighbors are two hops away for it.
 */
function otherNextHopLines({ address, otherNextHop }: NeighborOptions): string[] {
  const family = address.includes(':') ? 'inet' : 'inet6';
  return [
    `match to ${address} ${family} set nexthop ${otherNextHop}`,
    `match to ${address} ${family} set nexthop no-modify`,
  ];
}

function neighborLines(n: NeighborOptions, routerId: string, isEbgp: boolean): string[] {
  const families = n.families ?? ['ipv4-unicast', 'ipv6-unicast'];
  const announce = (word: 'IPv4' | 'IPv6', family: FamilyName): string =>
    `  announce ${word} ${families.includes(family) ? 'unicast' : 'none'}`;
  return [
    `neighbor ${n.address} {`,
    `  descr "${n.name}"`,
    `  remote-as ${n.asn}`,
    `  local-address ${n.localAddress}`,
    `  holdtime ${n.holdSeconds ?? 90}`,
    announce('IPv4', 'ipv4-unicast'),
    announce('IPv6', 'ipv6-unicast'),
    ...(n.passive === true ? ['  passive'] : []),
    ...(n.client === true ? [`  route-reflector ${routerId}`] : []),
    ...(n.password === undefined ? [] : [`  tcp md5sig password "${n.password}"`]),
    ...(n.ttlSecurity === true ? ['  ttl-security yes'] : []),
    ...(isEbgp ? [`  multihop ${n.multihop ?? 2}`] : []),
    ...(n.port === undefined ? [] : [`  port ${n.port}`]),
    ...(n.twoOctetAs === true ? ['  announce as-4byte no'] : []),
    ...(n.maxPrefixes === undefined ? [] : [`  max-prefix ${n.maxPrefixes}`]),
    ...(n.localAs === undefined ? [] : [`  local-as ${n.localAs}`]),
    ...(n.enhancedRefresh === true ? ['  announce enhanced refresh yes'] : []),
    ...(n.addPath === 'receive' || n.addPath === 'both' ? ['  announce add-path recv yes'] : []),
    ...(n.addPath === 'send' || n.addPath === 'both' ? ['  announce add-path send all'] : []),
    ...(n.role === undefined ? [] : [`  announce policy ${n.role === 'rs-server' ? 'rs' : n.role}`]),
    ...(n.allowOwnAs === undefined ? [] : ['  enforce local-as no']),
    ...(n.nextHopSelf === true ? ['  set nexthop self'] : []),
    '}',
  ];
}
