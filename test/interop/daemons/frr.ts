import { formatCommunity, formatExtendedCommunity, makeLinkBandwidth, parseCommunity } from 'bgp-ts';
import { startFrr } from '../../../deploy/lab/frr.ts';
import type { LabHost } from '../../../deploy/lab/lab.ts';
import { waitFor } from '../../support/wait-for.ts';
import { type ShownRoute, textSet } from '../lab/shown-route.ts';
import type { CapabilityName, Daemon, DaemonOptions, NeighborOptions } from './daemon.ts';

/** A path in `show bgp FAMILY unicast json detail`. */
interface FrrPath {
  readonly aspath: { readonly segments: readonly { readonly type: string; readonly list: readonly number[] }[] };
  readonly origin: string;
  readonly metric?: number;
  readonly locPrf?: number;
  readonly atomicAggregate?: boolean;
  readonly aggregatorAs?: number;
  readonly aggregatorId?: string;
  readonly community?: { readonly string: string };
  readonly extendedCommunity?: { readonly string: string };
  readonly largeCommunity?: { readonly string: string };
  readonly originatorId?: string;
  readonly clusterList?: { readonly list: readonly string[] };
  readonly nexthops: readonly { readonly ip: string; readonly scope?: string }[];
  readonly peer: { readonly peerId: string };
}

interface FrrTable {
  readonly routes: Readonly<Record<string, readonly (FrrPath | { readonly prefix: string })[]>>;
}

interface FrrNeighbor {
  readonly bgpState: string;
  readonly bgpTimerHoldTimeMsecs?: number;
  readonly neighborCapabilities?: {
    readonly [name: string]: unknown;
    readonly multiprotocolExtensions?: Readonly<Record<string, { readonly advertisedAndReceived?: boolean }>>;
  };
  readonly addressFamilyInfo?: Readonly<Record<string, { readonly acceptedPrefixCounter?: number }>>;
  readonly messageStats?: {
    readonly keepalivesRecv: number;
    readonly routeRefreshRecv: number;
    readonly updatesRecv: number;
  };
}

/**
 * FRR. It does not show attributes it does not know, and of extended communities some only by kind (`UNK:3, 3`): both are judged by what it
 * passes on.
 */
export function startFrrDaemon(host: LabHost, options: DaemonOptions): Daemon {
  let current = options;
  const frr = startFrr(host, configuration(options));
  const wordFor = (address: string): string =>
    frrWord(current.neighbors.find((neighbor) => neighbor.address === address) ?? { address });
  const neighborJson = (address: string): FrrNeighbor => {
    const all = frr.vtyshJson<Record<string, FrrNeighbor>>(`show bgp neighbors ${wordFor(address)}`);
    return all[wordFor(address)] ?? { bgpState: 'unknown' };
  };
  const inRouter = (line: string): void => frr.configure([`router bgp ${current.asn}`, line]);
  return {
    name: 'FRR',
    hidden: new Set(['unknown', 'extendedCommunities']),
    isKnownDeparture(field, expected, found) {
      // FRR 8.4 means to set the flag of ORIGINATOR_ID on a route it reflects without one, and sets that of MED: the route leaves with a
      // MED of 0 (bgpd/bgp_route.c, subgroup_announce_check: SET_FLAG with the type code 9, where bit 8 was meant; bit 3 is that of MED).
      if (field === 'med') return expected.med === undefined && found.med === 0 && found.originatorId !== undefined;
      // It ignores AS4_PATH from whoever offers four-octet AS numbers, also if it did not offer them itself.
      const isNarrow = options.neighbors.some(({ twoOctetAs }) => twoOctetAs === true);
      return field === 'asPath' && isNarrow && found.asPath === narrowed(expected.asPath ?? '');
    },
    session(address) {
      const neighbor = neighborJson(address);
      const { multiprotocolExtensions = {} } = neighbor.neighborCapabilities ?? {};
      const families = neighbor.addressFamilyInfo ?? {};
      return {
        isEstablished: neighbor.bgpState === 'Established',
        families: (['ipv4-unicast', 'ipv6-unicast'] as const).filter((family) => {
          const offered = multiprotocolExtensions[family === 'ipv4-unicast' ? 'ipv4Unicast' : 'ipv6Unicast'];
          return offered?.advertisedAndReceived === true;
        }),
        holdSeconds: (neighbor.bgpTimerHoldTimeMsecs ?? 0) / 1000,
        keepalivesReceived: neighbor.messageStats?.keepalivesRecv ?? 0,
        refreshesReceived: neighbor.messageStats?.routeRefreshRecv ?? 0,
        updatesReceived: neighbor.messageStats?.updatesRecv ?? 0,
        prefixes: Object.values(families).reduce((sum, family) => sum + (family.acceptedPrefixCounter ?? 0), 0),
      };
    },
    capabilities: (address) => capabilitiesOf(neighborJson(address).neighborCapabilities ?? {}),
    routes(address) {
      const found = new Map<string, ShownRoute>();
      for (const family of ['ipv4', 'ipv6']) {
        const table = JSON.parse(frr.vtysh(`show bgp ${family} unicast json detail`)) as FrrTable;
        for (const [prefix, entries] of Object.entries(table.routes)) {
          for (const entry of entries) {
            if ('aspath' in entry && entry.peer.peerId === address) found.set(prefix, shownPath(entry));
          }
        }
      }
      return found;
    },
    asPaths(address, prefix) {
      const family = prefix.includes(':') ? 'ipv6' : 'ipv4';
      const { paths = [] } = frr.vtyshJson<{ paths?: (FrrPath & { aspath: { string: string } })[] }>(
        `show bgp ${family} unicast ${prefix}`,
      );
      return paths
        .filter(({ peer }) => peer.peerId === address)
        .map(({ aspath }) => aspath.string)
        .sort();
    },
    clear: (address) => void frr.vtysh(`clear bgp ${address}`),
    softClearIn: (address) => void frr.vtysh(`clear bgp ${address} soft in`),
    softClearOut: (address) => void frr.vtysh(`clear bgp ${address} soft out`),
    shutdown: (address, text) => inRouter(`neighbor ${address} shutdown message ${text}`),
    enable: (address) => inRouter(`no neighbor ${address} shutdown`),
    lastError: (address) => frr.vtysh(`show bgp neighbors ${address} json`),
    reconfigure(next) {
      current = next;
      frr.configure(routerLines(next));
    },
    async kill() {
      frr.killBgpd();
      await waitFor('the end of bgpd', () => !frr.isBgpdRunning());
    },
    restart: () => frr.restartBgpd(),
    log: () => '',
  };
}

function capabilitiesOf(shown: NonNullable<FrrNeighbor['neighborCapabilities']>): CapabilityName[] {
  const text = JSON.stringify(shown);
  const has = (name: string): boolean => new RegExp(`"${name}":"(advertisedAndReceived|received)`).test(text);
  const isFamily = (name: string): boolean =>
    new RegExp(`"${name}":\\{"(advertisedAndReceived|received)":true`).test(text);
  return [
    ...(isFamily('ipv4Unicast') ? ['ipv4-unicast' as const] : []),
    ...(isFamily('ipv6Unicast') ? ['ipv6-unicast' as const] : []),
    ...(has('routeRefresh') ? ['route-refresh' as const] : []),
    ...(has('enhancedRouteRefresh') ? ['enhanced-route-refresh' as const] : []),
    ...(has('4byteAs') ? ['four-octet-as' as const] : []),
    ...(has('extendedMessage') ? ['extended-message' as const] : []),
    ...(has('gracefulRestart') || has('gracefulRestartCapability') ? ['graceful-restart' as const] : []),
    ...(has('extendedNexthop') ? ['extended-next-hop' as const] : []),
    ...(/"rxAdvertised(AndReceived)?"|"(tx|rx)Received"|"(tx|rx)AdvertisedAndReceived"/.test(text)
      ? ['add-path' as const]
      : []),
  ];
}

function shownPath(path: FrrPath): ShownRoute {
  const { community, largeCommunity, clusterList, aggregatorAs, aggregatorId, metric, locPrf, originatorId } = path;
  const nextHop = path.nexthops.find(({ scope }) => scope !== 'link-local')?.ip;
  return {
    origin: path.origin,
    asPath: path.aspath.segments
      .map(({ type, list }) =>
        type === 'as-set' ? `{${[...list].sort(ascending).join(',')}}` : list.map(String).join(' '),
      )
      .join(' '),
    ...(nextHop === undefined ? {} : { nextHop }),
    ...(metric === undefined ? {} : { med: metric }),
    ...(locPrf === undefined ? {} : { localPref: locPrf }),
    ...(path.atomicAggregate === true ? { atomicAggregate: true } : {}),
    ...(aggregatorAs === undefined ? {} : { aggregator: `${aggregatorAs} ${aggregatorId}` }),
    ...textSet('communities', community?.string.split(' ').map(canonicalCommunity)),
    ...textSet('extendedCommunities', linkBandwidths(path.extendedCommunity?.string ?? '')),
    ...textSet('largeCommunities', largeCommunity?.string.split(' ')),
    ...(originatorId === undefined ? {} : { originatorId }),
    ...(clusterList === undefined ? {} : { clusterList: clusterList.list.join(' ') }),
  };
}

/** `LB:65010:1250000000 (10.000 Gbps)`: of extended communities the ones that it shows whole. Whether they are transitive it does not show. */
function linkBandwidths(text: string): string[] {
  return [...text.matchAll(/\bLB:(\d+):(\d+)/g)].map(([, asn, octets]) =>
    formatExtendedCommunity(
      makeLinkBandwidth({ asn: Number(asn), octetsPerSecond: Number(octets), isTransitive: true }),
    ),
  );
}

/** A path as it is in two octets: AS_TRANS in place of numbers that do not fit. */
function narrowed(asPath: string): string {
  const narrow = asPath.replace(/\d+/g, (asn) => (Number(asn) > 0xffff ? '23456' : asn));
  return narrow.replace(
    /\{([^}]*)\}/g,
    (_, members: string) => `{${members.split(',').map(Number).sort(ascending).join(',')}}`,
  );
}

function ascending(a: number, b: number): number {
  return a - b;
}

function canonicalCommunity(text: string): string {
  const value = parseCommunity(text);
  return value === undefined ? text : formatCommunity(value);
}

function configuration(options: DaemonOptions): string[] {
  return ['hostname frr', ...routerLines(options)];
}

function routerLines({ asn, routerId, confederation, neighbors }: DaemonOptions): string[] {
  return [
    ...neighbors.flatMap(routeMaps),
    `router bgp ${asn}`,
    `bgp router-id ${routerId}`,
    `bgp cluster-id ${routerId}`,
    ...(confederation === undefined
      ? []
      : [
          `bgp confederation identifier ${confederation.identifier}`,
          `bgp confederation peers ${confederation.members.filter((member) => member !== asn).join(' ')}`,
        ]),
    'no bgp default ipv4-unicast',
    'no bgp ebgp-requires-policy',
    'coalesce-time 0',
    ...neighbors.flatMap(neighborLines),
    ...['ipv4', 'ipv6'].flatMap((family) => [
      `address-family ${family} unicast`,
      ...neighbors.flatMap((neighbor) => familyLines(neighbor, family as 'ipv4' | 'ipv6')),
      'exit-address-family',
    ]),
    'exit',
  ];
}

/** What FRR calls a neighbor: its interface, or its address without one. */
function frrWord({ address, byInterface }: Pick<NeighborOptions, 'address' | 'byInterface'>): string {
  return address.replace(byInterface === true ? /^.*%/ : /%.*/, '');
}

function neighborLines(told: NeighborOptions): string[] {
  const n = { ...told, address: frrWord(told) };
  const device = /%(.*)/.exec(told.address)?.[1];
  const hold = n.holdSeconds ?? 90;
  return [
    `neighbor ${n.address} ${n.byInterface === true ? 'interface ' : ''}remote-as ${n.asn}`,
    ...(device === undefined ? [`neighbor ${n.address} update-source ${n.localAddress}`] : []),
    ...(device === undefined || n.byInterface === true ? [] : [`neighbor ${n.address} interface ${device}`]),
    `neighbor ${n.address} timers ${Math.floor(hold / 3)} ${hold}`,
    `neighbor ${n.address} timers connect 1`,
    `neighbor ${n.address} advertisement-interval 0`,
    ...(n.passive === true ? [`neighbor ${n.address} passive`] : []),
    ...(n.password === undefined ? [] : [`neighbor ${n.address} password ${n.password}`]),
    ...(n.ttlSecurity === true ? [`neighbor ${n.address} ttl-security hops 1`] : []),
    ...(n.twoOctetAs === true ? [`neighbor ${n.address} dont-capability-negotiate`] : []),
    ...(n.multihop === undefined ? [] : [`neighbor ${n.address} ebgp-multihop ${n.multihop}`]),
    ...(n.port === undefined ? [] : [`neighbor ${n.address} port ${n.port}`]),
    ...(n.localAs === undefined ? [] : [`neighbor ${n.address} local-as ${n.localAs} no-prepend replace-as`]),
    ...(n.role === undefined ? [] : [`neighbor ${n.address} local-role ${n.role}`]),
    ...(n.extendedNextHop === true ? [`neighbor ${n.address} capability extended-nexthop`] : []),
  ];
}

function familyLines(told: NeighborOptions, family: 'ipv4' | 'ipv6'): string[] {
  const n = { ...told, address: frrWord(told) };
  if (n.twoOctetAs === true && family === 'ipv6') return [];
  if (n.families?.includes(`${family}-unicast`) === false) return [];
  return [
    `neighbor ${n.address} activate`,
    ...(n.client === true ? [`neighbor ${n.address} route-reflector-client`] : []),
    ...(n.maxPrefixes === undefined || family === 'ipv6'
      ? []
      : [`neighbor ${n.address} maximum-prefix ${n.maxPrefixes}`]),
    ...(n.addPath === 'send' || n.addPath === 'both' ? [`neighbor ${n.address} addpath-tx-all-paths`] : []),
    ...(n.addPath === 'send' ? [`neighbor ${n.address} disable-addpath-rx`] : []),
    ...(n.allowOwnAs === undefined ? [] : [`neighbor ${n.address} allowas-in ${n.allowOwnAs}`]),
    ...(n.nextHopSelf === true ? [`neighbor ${n.address} next-hop-self`] : []),
    ...(n.addCommunityIn === undefined ? [] : [`neighbor ${n.address} route-map ${n.name}-in in`]),
    ...(n.addCommunityOut === undefined && n.linkBandwidthOut === undefined
      ? []
      : [`neighbor ${n.address} route-map ${n.name}-out out`]),
  ];
}

function routeMaps(n: NeighborOptions): string[] {
  const community = (text: string | undefined) => (text === undefined ? [] : [`set community ${text} additive`]);
  const { addCommunityIn, addCommunityOut, linkBandwidthOut: gigabits } = n;
  const bandwidth = gigabits === undefined ? [] : [`set extcommunity bandwidth ${gigabits * 1000}`];
  const out = [...community(addCommunityOut), ...bandwidth];
  return Object.entries({ in: community(addCommunityIn), out }).flatMap(([direction, lines]) =>
    lines.length === 0 ? [] : [`route-map ${n.name}-${direction} permit 10`, ...lines, 'exit'],
  );
}
