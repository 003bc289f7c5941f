import type { FamilyName } from 'bgp-ts';
import { formatCommunity, formatExtendedCommunity } from 'bgp-ts';
import { startBird } from '../../../deploy/lab/bird.ts';
import type { LabHost } from '../../../deploy/lab/lab.ts';
import { type ShownRoute, textSet } from '../lab/shown-route.ts';
import type { CapabilityName, Daemon, DaemonOptions, NeighborOptions } from './daemon.ts';

/** BIRD 2. Shows everything but the flags of unknown attributes and the end of long values: those are judged by what it passes on. */
export function startBirdDaemon(host: LabHost, options: DaemonOptions): Daemon {
  let current = options;
  const bird = startBird(host, configuration(options));
  const nameOf = (address: string): string =>
    current.neighbors.find((neighbor) => neighbor.address === address)?.name ?? address;
  const protocol = (address: string): string => bird.birdc(`show protocols all ${nameOf(address)}`);
  return {
    name: 'BIRD',
    hidden: new Set(),
    session(address) {
      const text = protocol(address);
      const routes = [...text.matchAll(/Routes:\s+(\d+) imported/g)];
      const updates = [...text.matchAll(/Import updates:\s+(\d+)/g)];
      const hold = /Hold timer:\s+[\d.]+\/(\d+)/.exec(text);
      return {
        isEstablished: /BGP state:\s+Established/.test(text),
        families: commonFamilies(text),
        ...(hold === null ? {} : { holdSeconds: Number(hold[1]) }),
        updatesReceived: updates.reduce((sum, match) => sum + Number(match[1]), 0),
        prefixes: routes.reduce((sum, match) => sum + Number(match[1]), 0),
      };
    },
    capabilities: (address) => neighborCapabilities(protocol(address)),
    routes: (address) => parseRoutes(bird.birdc(`show route all protocol ${nameOf(address)}`)),
    asPaths(address, prefix) {
      const text = bird.birdc(`show route ${prefix} all protocol ${nameOf(address)}`);
      return [...text.matchAll(/BGP\.as_path: (.*)/g)].map((match) => (match[1] ?? '').trim()).sort();
    },
    clear: (address) => void bird.birdc(`restart ${nameOf(address)}`),
    softClearIn: (address) => void bird.birdc(`reload in ${nameOf(address)}`),
    softClearOut: (address) => void bird.birdc(`reload out ${nameOf(address)}`),
    shutdown: (address, text) => void bird.birdc(`disable ${nameOf(address)} "${text}"`),
    enable: (address) => void bird.birdc(`enable ${nameOf(address)}`),
    lastError: (address) => `${protocol(address)}\n${bird.process.log()}`,
    reconfigure(next) {
      current = next;
      bird.reconfigure(configuration(next));
    },
    kill: () => bird.process.stop('SIGKILL'),
    restart: () => bird.restart(),
    log: () => bird.process.log(),
  };
}

/** Families under both `Local capabilities` and `Neighbor capabilities`. */
function commonFamilies(text: string): FamilyName[] {
  const sides = [...text.matchAll(/AF announced: (.*)/g)].map((match) => (match[1] ?? '').split(' '));
  return (['ipv4', 'ipv6'] as const)
    .filter((word) => sides.length === 2 && sides.every((side) => side.includes(word)))
    .map((word): FamilyName => `${word}-unicast`);
}

/** Those under `Neighbor capabilities`. */
function neighborCapabilities(text: string): CapabilityName[] {
  const [, own = ''] = /Neighbor capabilities\n((?: {6,}.*\n)*)/.exec(text) ?? [];
  const announced = /AF announced: (.*)/.exec(own)?.[1]?.split(' ') ?? [];
  return [
    ...(announced.includes('ipv4') ? ['ipv4-unicast' as const] : []),
    ...(announced.includes('ipv6') ? ['ipv6-unicast' as const] : []),
    ...(/^ +Route refresh/m.test(own) ? ['route-refresh' as const] : []),
    ...(/^ +Enhanced refresh/m.test(own) ? ['enhanced-route-refresh' as const] : []),
    ...(/^ +4-octet AS/m.test(own) ? ['four-octet-as' as const] : []),
    ...(/^ +Extended message/m.test(own) ? ['extended-message' as const] : []),
    ...(/^ +Graceful restart/m.test(own) ? ['graceful-restart' as const] : []),
    ...(/^ +Extended next hop/m.test(own) ? ['extended-next-hop' as const] : []),
    ...(/^ +ADD-PATH/m.test(own) ? ['add-path' as const] : []),
    ...(/^ +Role/m.test(own) ? ['role' as const] : []),
  ];
}

/** The answer of `show route all`: a line per route, its attributes indented below it; a further route of a prefix leaves the prefix out. */
function parseRoutes(text: string): Map<string, ShownRoute> {
  const found = new Map<string, ShownRoute>();
  let prefix = '';
  for (const line of text.split('\n')) {
    const head = /^(\S*\/\d+)?\s+\w+ \[/.exec(line);
    if (head !== null) {
      prefix = head[1] ?? prefix;
      found.set(prefix, {});
      continue;
    }
    const attribute = /^\tBGP\.(\w+)(?: \[[^\]]*\])?:(.*)$/.exec(line);
    if (attribute === null) continue;
    const [, name = '', value = ''] = attribute;
    found.set(prefix, { ...found.get(prefix), ...shownAttribute(name, value.trim()) });
  }
  return found;
}

function shownAttribute(name: string, value: string): ShownRoute {
  switch (name) {
    case 'origin':
      return { origin: value === 'Incomplete' ? 'incomplete' : value };
    case 'as_path':
      return {
        asPath: value.replace(
          /\{([^}]*)\}/g,
          (_, members: string) =>
            `{${members
              .split(' ')
              .map(Number)
              .sort((a, b) => a - b)
              .join(',')}}`,
        ),
      };
    case 'next_hop':
      return { nextHop: value.split(' ')[0] as string };
    case 'med':
      return { med: Number(value) };
    case 'local_pref':
      return { localPref: Number(value) };
    case 'atomic_aggr':
      return { atomicAggregate: true };
    case 'aggregator':
      return { aggregator: value.replace(/^(\S+) AS(\d+)$/, '$2 $1') };
    case 'community':
      return textSet(
        'communities',
        tuples(value).map(([high, low]) => formatCommunity(Number(high) * 0x10000 + Number(low))),
      );
    case 'large_community':
      return textSet(
        'largeCommunities',
        tuples(value).map((parts) => parts.join(':')),
      );
    case 'ext_community':
      return textSet('extendedCommunities', tuples(value).map(extendedCommunity).map(formatExtendedCommunity));
    case 'originator_id':
      return { originatorId: value };
    case 'cluster_list':
      return { clusterList: value };
    case 'aigp':
      return { aigp: value };
    default:
      return unknownAttribute(name, value);
  }
}

/** `BGP.d5 [t]: de ad be ef`: code and value in hexadecimal; the flags are not shown. */
function unknownAttribute(name: string, value: string): ShownRoute {
  if (!/^[0-9a-f]{2}$/.test(name)) return {};
  return { unknown: `${Number.parseInt(name, 16)} ? ${value.replaceAll(' ', '')}` };
}

function tuples(value: string): string[][] {
  return [...value.matchAll(/\(([^)]*)\)/g)].map((match) => (match[1] ?? '').split(/, ?/));
}

/** `(rt, 65000, 1)`, `(ro, 192.0.2.1, 7)`, `(generic, 0x30b0000, 0x1234)`, `(unknown 0x4004, 65000, 65535)` as 8 octets. */
function extendedCommunity([kind = '', key = '', value = '']: readonly string[]): Uint8Array {
  const octets = new Uint8Array(8);
  const view = new DataView(octets.buffer);
  if (kind === 'generic') {
    view.setUint32(0, Number(key));
    view.setUint32(4, Number(value));
    return octets;
  }
  const types: Readonly<Record<string, number>> = { rt: 0x0002, ro: 0x0003 };
  const given = kind.startsWith('unknown ') ? Number(kind.slice('unknown '.length)) : undefined;
  const subtype = given ?? types[kind] ?? 0;
  if (key.includes('.')) {
    view.setUint16(0, given ?? subtype | 0x0100);
    for (const [i, part] of key.split('.').entries()) octets[2 + i] = Number(part);
    view.setUint16(6, Number(value));
  } else if (Number(key) > 0xffff) {
    view.setUint16(0, given ?? subtype | 0x0200);
    view.setUint32(2, Number(key));
    view.setUint16(6, Number(value));
  } else {
    view.setUint16(0, subtype);
    view.setUint16(2, Number(key));
    view.setUint32(4, Number(value));
  }
  return octets;
}

function configuration({ asn, routerId, confederation, neighbors }: DaemonOptions): string {
  return [
    'log stderr all;',
    `router id ${routerId};`,
    'protocol device {}',
    ...neighbors.map((neighbor) => protocolText(neighbor, asn, routerId, confederation)),
    '',
  ].join('\n');
}

function protocolText(
  n: NeighborOptions,
  asn: number,
  routerId: string,
  confederation: DaemonOptions['confederation'],
): string {
  const hold = n.holdSeconds ?? 90;
  const isIpv4 = !n.address.includes(':');
  const channel = (family: 'ipv4' | 'ipv6'): string => {
    const isOther = isIpv4 !== (family === 'ipv4');
    const limit =
      n.maxPrefixes === undefined || family === 'ipv6' ? '' : `import limit ${n.maxPrefixes} action disable;`;
    const nextHop = isOther && n.extendedNextHop !== true ? `next hop address ${n.otherNextHop};` : '';
    const into = n.addCommunityIn === undefined ? 'accept' : `bgp_community.add(${pair(n.addCommunityIn)}); accept`;
    const out = n.addCommunityOut === undefined ? 'accept' : `bgp_community.add(${pair(n.addCommunityOut)}); accept`;
    const bandwidth =
      n.linkBandwidthOut === undefined ? '' : `bgp_ext_community.add(${linkBandwidth(n.linkBandwidthOut)});`;
    const aigp = n.aigp === true ? 'aigp on;' : '';
    const addPath =
      n.addPath === undefined ? '' : `add paths ${{ send: 'tx', receive: 'rx', both: 'yes' }[n.addPath]};`;
    const extended = n.extendedNextHop === true && family === 'ipv4' ? 'extended next hop yes;' : '';
    const self = n.nextHopSelf === true ? 'next hop self;' : '';
    if (n.families?.includes(`${family}-unicast`) === false) return '';
    return `${family} { ${addPath} ${extended} ${self} ${aigp} import filter { ${into}; }; export filter { ${bandwidth} ${out}; }; ${limit} ${nextHop} };`;
  };
  return `protocol bgp ${n.name} {
  local ${n.localAddress} as ${n.localAs ?? asn};
  neighbor ${n.address.replace(/%(.*)/, "%'$1'")} ${n.port === undefined ? '' : `port ${n.port}`} as ${n.asn};
  hold time ${hold}; keepalive time ${Math.floor(hold / 3)};
  connect retry time 1; connect delay time 1; error wait time 1, 2; error forget time 1;
  ${n.passive === true ? 'passive yes;' : ''}
  ${n.client === true ? `rr client; rr cluster id ${routerId};` : ''}
  ${n.role === undefined ? '' : `local role ${n.role.replace('-', '_')};`}
  ${confederation === undefined ? '' : `confederation ${confederation.identifier};`}
  ${confederation?.members.includes(n.asn) === true ? 'confederation member yes;' : ''}
  ${n.password === undefined ? '' : `password "${n.password}";`}
  ${n.ttlSecurity === true ? 'ttl security yes;' : ''}
  ${n.twoOctetAs === true ? 'enable as4 off;' : ''}
  ${n.multihop === undefined ? '' : `multihop ${n.multihop};`}
  ${n.extendedMessages === true ? 'enable extended messages on;' : ''}
  ${n.role === undefined ? '' : `local role ${n.role.replace('-', '_')};`}
  ${n.allowOwnAs === undefined ? '' : `allow local as ${n.allowOwnAs};`}
  ${channel('ipv4')}
  ${channel('ipv6')}
}`;
}

/** BIRD has no word for it: octets of the community as two numbers. */
function linkBandwidth(gigabits: number): string {
  const octets = new DataView(new ArrayBuffer(8));
  octets.setUint16(0, 0x0004);
  octets.setUint16(2, 65020);
  octets.setFloat32(4, (gigabits * 1e9) / 8);
  return `(generic, ${octets.getUint32(0)}, ${octets.getUint32(4)})`;
}

function pair(community: string): string {
  return `(${community.replace(':', ',')})`;
}
