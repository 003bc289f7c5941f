import type { FamilyName } from 'bgp-ts';
import { formatCommunity, formatExtendedCommunity, Origin } from 'bgp-ts';
import { startGobgp } from '../../../deploy/lab/gobgp.ts';
import type { LabHost } from '../../../deploy/lab/lab.ts';
import { hex, type ShownRoute, textSet } from '../lab/shown-route.ts';
import type { CapabilityName, Daemon, DaemonOptions, NeighborOptions } from './daemon.ts';

/** An attribute in `gobgp -j global rib`: its type code and what that brings. */
interface GobgpAttribute {
  readonly type: number;
  readonly flags?: number;
  readonly value?: unknown;
  readonly as_paths?: readonly { readonly segment_type: number; readonly asns: readonly number[] }[];
  readonly nexthop?: string;
  readonly metric?: number;
  readonly as?: number;
  readonly address?: string;
  readonly communities?: readonly number[];
}

interface GobgpPath {
  readonly attrs: readonly GobgpAttribute[];
  readonly 'neighbor-ip': string;
}

interface GobgpExtendedCommunity {
  readonly type: number;
  readonly subtype: number;
  readonly value?: string | number;
  readonly color?: number;
  readonly asn?: number;
  readonly bandwidth?: number;
}

interface GobgpLargeCommunity {
  readonly ASN: number;
  readonly LocalData1: number;
  readonly LocalData2: number;
}

interface GobgpNeighbor {
  readonly state?: {
    readonly session_state?: number;
    readonly messages?: {
      readonly received?: { readonly keepalive?: number; readonly update?: number; readonly refresh?: number };
    };
    readonly remote_cap?: readonly { readonly type_url: string; readonly value?: string }[];
  };
  readonly timers?: { readonly state?: { readonly negotiated_hold_time?: number } };
  readonly afi_safis?: readonly {
    readonly state?: { readonly family?: { readonly afi: number }; readonly accepted?: number };
  }[];
}

const ESTABLISHED = 6;

/** GoBGP. Shows every attribute with its octets or fields. */
export function startGobgpDaemon(host: LabHost, options: DaemonOptions): Daemon {
  const gobgp = startGobgp(host, configuration(options));
  const neighborOf = (address: string): GobgpNeighbor => gobgp.gobgpJson<GobgpNeighbor>(`neighbor ${address}`);
  return {
    name: 'GoBGP',
    hidden: new Set(),
    keepsInternal: true,
    session(address) {
      const { state = {}, timers, afi_safis = [] } = neighborOf(address);
      return {
        isEstablished: state.session_state === ESTABLISHED,
        families: familiesOf(state.remote_cap ?? []),
        holdSeconds: timers?.state?.negotiated_hold_time ?? 0,
        keepalivesReceived: state.messages?.received?.keepalive ?? 0,
        refreshesReceived: state.messages?.received?.refresh ?? 0,
        updatesReceived: state.messages?.received?.update ?? 0,
        prefixes: afi_safis.reduce((sum, family) => sum + (family.state?.accepted ?? 0), 0),
      };
    },
    capabilities: (address) => capabilitiesOf(neighborOf(address).state?.remote_cap ?? []),
    routes(address) {
      const found = new Map<string, ShownRoute>();
      for (const family of ['ipv4', 'ipv6']) {
        const table = gobgp.gobgpJson<Record<string, readonly GobgpPath[]>>(`global rib -a ${family}`);
        for (const [prefix, paths] of Object.entries(table)) {
          const path = paths.find((candidate) => candidate['neighbor-ip'] === address);
          if (path !== undefined) found.set(prefix, shownPath(path));
        }
      }
      return found;
    },
    asPaths(address, prefix) {
      const family = prefix.includes(':') ? 'ipv6' : 'ipv4';
      const table = gobgp.gobgpJson<Record<string, readonly GobgpPath[]>>(`global rib ${prefix} -a ${family}`);
      const paths = (table[prefix] ?? []).filter((path) => path['neighbor-ip'] === address);
      return paths.map((path) => shownPath(path).asPath ?? '').sort();
    },
    // `neighbor reset` makes GoBGP stay idle for 30 s, whatever idle-hold-time-after-reset says.
    clear(address) {
      gobgp.gobgp(`neighbor ${address} disable`);
      gobgp.gobgp(`neighbor ${address} enable`);
    },
    softClearIn: (address) => void gobgp.gobgp(`neighbor ${address} softresetin`),
    softClearOut: (address) => void gobgp.gobgp(`neighbor ${address} softresetout`),
    // Only `shutdown` sends the text, and only `disable` makes the session stay down.
    shutdown(address, text) {
      gobgp.gobgp(`neighbor ${address} shutdown --reason=${text}`);
      gobgp.gobgp(`neighbor ${address} disable`);
    },
    enable: (address) => void gobgp.gobgp(`neighbor ${address} enable`),
    lastError: (address) => `${gobgp.gobgp(`neighbor ${address}`)}\n${gobgp.process.log()}`,
    reconfigure(next) {
      host.write('gobgpd.toml', configuration(next));
      process.kill(gobgp.process.pid, 'SIGHUP');
    },
    kill: () => gobgp.process.stop('SIGKILL'),
    restart: () => gobgp.restart(),
    log: () => gobgp.process.log(),
  };
}

/** Families of the neighbor's MultiProtocolCapability messages (protobuf: AFI 1 or 2, SAFI 1). */
function familiesOf(capabilities: readonly { readonly type_url: string; readonly value?: string }[]): FamilyName[] {
  const afis = capabilities
    .filter(({ type_url }) => type_url.endsWith('.MultiProtocolCapability'))
    .map(({ value = '' }) => Buffer.from(value, 'base64')[3]);
  return [
    ...(afis.includes(1) ? ['ipv4-unicast' as const] : []),
    ...(afis.includes(2) ? ['ipv6-unicast' as const] : []),
  ];
}

const capabilityTypes: Readonly<Record<string, CapabilityName>> = {
  RouteRefreshCapability: 'route-refresh',
  EnhancedRouteRefreshCapability: 'enhanced-route-refresh',
  FourOctetASNCapability: 'four-octet-as',
  ExtendedNexthopCapability: 'extended-next-hop',
  AddPathCapability: 'add-path',
  GracefulRestartCapability: 'graceful-restart',
};

function capabilitiesOf(
  capabilities: readonly { readonly type_url: string; readonly value?: string }[],
): CapabilityName[] {
  const names = capabilities.map(({ type_url }) => capabilityTypes[type_url.split('.').at(-1) ?? '']);
  return [...familiesOf(capabilities), ...names.filter((name): name is CapabilityName => name !== undefined)];
}

const originNames: Readonly<Record<number, string>> = {
  [Origin.Igp]: 'IGP',
  [Origin.Egp]: 'EGP',
  [Origin.Incomplete]: 'incomplete',
};

function shownPath(path: GobgpPath): ShownRoute {
  let route: ShownRoute = {};
  const unknown: string[] = [];
  for (const attribute of path.attrs) {
    if (attribute.flags !== undefined) {
      const value = Buffer.from(String(attribute.value ?? ''), 'base64');
      unknown.push(`${attribute.type} ${(attribute.flags & 0xef).toString(16)} ${hex(value)}`);
    } else {
      route = { ...route, ...shownAttribute(attribute) };
    }
  }
  return { ...route, ...textSet('unknown', unknown) };
}

function shownAttribute(attribute: GobgpAttribute): ShownRoute {
  const { value } = attribute;
  switch (attribute.type) {
    case 1:
      return { origin: originNames[Number(value)] ?? `${value}` };
    case 2:
      return { asPath: (attribute.as_paths ?? []).map(segmentText).join(' ') };
    case 3:
    case 14:
      return { nextHop: String(attribute.nexthop) };
    case 4:
      return { med: Number(attribute.metric) };
    case 5:
      return { localPref: Number(value) };
    case 6:
      return { atomicAggregate: true };
    case 7:
      return { aggregator: `${attribute.as} ${attribute.address}` };
    case 8:
      return textSet('communities', attribute.communities?.map(formatCommunity));
    case 9:
      return { originatorId: String(value) };
    case 10:
      return { clusterList: (value as readonly string[]).join(' ') };
    case 16:
      return textSet('extendedCommunities', (value as readonly GobgpExtendedCommunity[]).map(extendedCommunity));
    case 26:
      return { aigp: String((value as readonly { readonly metric?: number }[])[0]?.metric) };
    case 32:
      return textSet(
        'largeCommunities',
        (value as readonly GobgpLargeCommunity[]).map((c) => `${c.ASN}:${c.LocalData1}:${c.LocalData2}`),
      );
    default:
      return {};
  }
}

function segmentText({
  segment_type: type,
  asns,
}: {
  readonly segment_type: number;
  readonly asns: readonly number[];
}): string {
  return type === 1 ? `{${[...asns].sort((a, b) => a - b).join(',')}}` : asns.join(' ');
}

/** Fields of an extended community as 8 octets again, then as text. */
function extendedCommunity(community: GobgpExtendedCommunity): string {
  const { type, subtype, value, color, asn, bandwidth } = community;
  const octets = Uint8Array.of(type, subtype, 0, 0, 0, 0, 0, 0);
  const view = new DataView(octets.buffer);
  const [admin = '', local = ''] = String(value ?? '').split(':');
  if (color !== undefined) {
    view.setUint32(4, color);
  } else if (asn !== undefined) {
    view.setUint16(2, asn);
    view.setFloat32(4, bandwidth ?? 0);
  } else if (typeof value === 'number') {
    view.setUint32(4, value);
  } else if (type === 0) {
    view.setUint16(2, Number(admin));
    view.setUint32(4, Number(local));
  } else if (type === 1) {
    for (const [i, part] of admin.split('.').entries()) octets[2 + i] = Number(part);
    view.setUint16(6, Number(local));
  } else if (type === 2) {
    const [high = 0, low = 0] = admin.split('.').map(Number);
    view.setUint16(2, high);
    view.setUint16(4, low);
    view.setUint16(6, Number(local));
  } else {
    octets.set(Buffer.from(String(value ?? ''), 'base64').subarray(0, 7), 1);
  }
  return formatExtendedCommunity(octets);
}

function confederationText(confederation: DaemonOptions['confederation']): string {
  if (confederation === undefined) return '';
  const { identifier, members } = confederation;
  return `[global.confederation.config]
  enabled = true
  identifier = ${identifier}
  member-as-list = [${members.join(', ')}]
`;
}

function configuration({ asn, routerId, confederation, neighbors }: DaemonOptions): string {
  const numbered = neighbors.filter(({ address }) => !address.includes('%'));
  return [
    `[global.config]
  as = ${asn}
  router-id = "${routerId}"
${confederationText(confederation)}[global.apply-policy.config]
  default-import-policy = "accept-route"
  import-policy-list = [${numbered.map((n) => `"${n.name}-in"`).join(', ')}]
  default-export-policy = "accept-route"
  export-policy-list = [${numbered.map((n) => `"${n.name}-out"`).join(', ')}]
[[defined-sets.prefix-sets]]
  prefix-set-name = "ipv4"
  [[defined-sets.prefix-sets.prefix-list]]
    ip-prefix = "0.0.0.0/0"
    masklength-range = "0..32"
[[defined-sets.prefix-sets]]
  prefix-set-name = "ipv6"
  [[defined-sets.prefix-sets.prefix-list]]
    ip-prefix = "::/0"
    masklength-range = "0..128"`,
    ...neighbors.map((neighbor) => neighborText(neighbor, routerId)),
    // A set of neighbors takes no address with an interface.
    ...numbered.map((neighbor) => policyText(neighbor, neighbor.asn !== asn)),
    '',
  ].join('\n');
}

function neighborText(n: NeighborOptions, routerId: string): string {
  const hold = n.holdSeconds ?? 90;
  const family = (name: 'ipv4' | 'ipv6'): string[] => [
    '  [[neighbors.afi-safis]]',
    '    [neighbors.afi-safis.config]',
    `      afi-safi-name = "${name}-unicast"`,
    ...(n.addPath === undefined
      ? []
      : [
          '    [neighbors.afi-safis.add-paths.config]',
          `      receive = ${n.addPath !== 'send'}`,
          `      send-max = ${n.addPath === 'receive' ? 0 : 8}`,
        ]),
    ...(n.maxPrefixes === undefined || name === 'ipv6'
      ? []
      : ['    [neighbors.afi-safis.prefix-limit.config]', `      max-prefixes = ${n.maxPrefixes}`]),
  ];
  return [
    '[[neighbors]]',
    '  [neighbors.config]',
    `    neighbor-address = "${n.address}"`,
    `    peer-as = ${n.asn}`,
    ...(n.localAs === undefined ? [] : [`    local-as = ${n.localAs}`]),
    ...(n.password === undefined ? [] : [`    auth-password = "${n.password}"`]),
    '  [neighbors.timers.config]',
    '    connect-retry = 1',
    `    hold-time = ${hold}`,
    `    keepalive-interval = ${Math.floor(hold / 3)}`,
    '  [neighbors.transport.config]',
    `    local-address = "${n.localAddress}${/%.*/.exec(n.address)?.[0] ?? ''}"`,
    `    passive-mode = ${n.passive === true}`,
    ...(n.port === undefined ? [] : [`    remote-port = ${n.port}`]),
    ...(n.multihop === undefined
      ? []
      : ['  [neighbors.ebgp-multihop.config]', '    enabled = true', `    multihop-ttl = ${n.multihop}`]),
    ...(n.ttlSecurity === true ? ['  [neighbors.ttl-security.config]', '    enabled = true', '    ttl-min = 255'] : []),
    ...(n.client === true
      ? [
          '  [neighbors.route-reflector.config]',
          '    route-reflector-client = true',
          `    route-reflector-cluster-id = "${routerId}"`,
        ]
      : []),
    ...(['ipv4', 'ipv6'] as const)
      .filter((name) => n.families?.includes(`${name}-unicast`) !== false)
      .flatMap((name) => family(name)),
  ].join('\n');
}

/**
 * Policies towards and from one neighbor. Over eBGP GoBGP names its end of the session as next hop for both families, an IPv4 address in
 * IPv6 form for IPv6 routes: of no use to anybody, so that a policy sets it.
 */
function policyText(n: NeighborOptions, isEbgp: boolean): string {
  const other = n.address.includes(':') ? 'ipv4' : 'ipv6';
  return [
    '[[defined-sets.neighbor-sets]]',
    `  neighbor-set-name = "${n.name}"`,
    `  neighbor-info-list = ["${n.address}"]`,
    '[[policy-definitions]]',
    `  name = "${n.name}-in"`,
    ...(n.addCommunityIn === undefined ? [] : statement(n.name, 'in', addCommunity(n.addCommunityIn))),
    '[[policy-definitions]]',
    `  name = "${n.name}-out"`,
    ...(n.addCommunityOut === undefined ? [] : statement(n.name, 'out', addCommunity(n.addCommunityOut))),
    ...(n.linkBandwidthOut === undefined ? [] : statement(n.name, 'bandwidth', addLinkBandwidth(n.linkBandwidthOut))),
    ...(isEbgp ? statement(n.name, 'next-hop', [`    set-next-hop = "${n.otherNextHop}"`], other) : []),
  ].join('\n');
}

function statement(neighbor: string, name: string, actions: readonly string[], prefixSet?: string): string[] {
  const conditions = '  [policy-definitions.statements.conditions';
  return [
    '  [[policy-definitions.statements]]',
    `    name = "${neighbor}-${name}"`,
    `${conditions}.match-neighbor-set]`,
    `      neighbor-set = "${neighbor}"`,
    ...(prefixSet === undefined ? [] : [`${conditions}.match-prefix-set]`, `      prefix-set = "${prefixSet}"`]),
    '  [policy-definitions.statements.actions.bgp-actions]',
    ...actions,
  ];
}

function addCommunity(community: string): string[] {
  return [
    '    [policy-definitions.statements.actions.bgp-actions.set-community]',
    '      options = "add"',
    '    [policy-definitions.statements.actions.bgp-actions.set-community.set-community-method]',
    `      communities-list = ["${community}"]`,
  ];
}

function addLinkBandwidth(gigabits: number): string[] {
  return [
    '    [policy-definitions.statements.actions.bgp-actions.set-ext-community]',
    '      options = "add"',
    '    [policy-definitions.statements.actions.bgp-actions.set-ext-community.set-ext-community-method]',
    `      communities-list = ["lb:65020:${(gigabits * 1e9) / 8}"]`,
  ];
}
