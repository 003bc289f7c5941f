import { fileURLToPath } from 'node:url';
import { type FamilyName, formatCommunity, formatExtendedCommunity, parseCommunity } from 'bgp-ts';
import { startExabgp } from '../../../deploy/lab/exabgp.ts';
import type { LabHost } from '../../../deploy/lab/lab.ts';
import { type ShownRoute, textSet } from '../lab/shown-route.ts';
import type { CapabilityName, Daemon, DaemonOptions, NeighborOptions } from './daemon.ts';

/** One line of what ExaBGP tells the process of its API. */
interface ExabgpEvent {
  readonly type: string;
  readonly neighbor: {
    readonly address: { readonly peer: string };
    readonly state?: string;
    readonly reason?: string;
    readonly negotiated?: { readonly hold_time: number; readonly families: string };
    readonly message?: { readonly update?: ExabgpUpdate; readonly notification?: unknown };
    readonly notification?: { readonly code: number; readonly subcode: number; readonly message?: string };
    readonly open?: {
      readonly capabilities: Readonly<
        Record<string, { readonly name?: string; readonly families?: readonly string[] | string }>
      >;
    };
  };
}

interface ExabgpUpdate {
  readonly attribute?: Readonly<Record<string, unknown>>;
  readonly announce?: Readonly<Record<string, Readonly<Record<string, readonly { readonly nlri: string }[]>>>>;
  readonly withdraw?: Readonly<Record<string, readonly { readonly nlri: string }[]>>;
}

const program = fileURLToPath(new URL('exabgp-raw.py', import.meta.url));

/** ExaBGP: tells every message as JSON, sends what it is told, holds no table and passes nothing on. */
export function startExabgpDaemon(host: LabHost, options: DaemonOptions): Daemon {
  const exabgp = startExabgp(host, {
    config: options.neighbors.map((neighbor) => neighborText(neighbor, options)).join('\n'),
    listen: [...new Set(options.neighbors.map(({ localAddress }) => localAddress))],
    program,
  });
  const eventsOf = (address: string): ExabgpEvent[] =>
    exabgp
      .events()
      .filter((line) => line.startsWith('{'))
      .map(parseEvent)
      .filter(({ neighbor }) => neighbor?.address?.peer === address);
  /** Those of the present session. */
  const present = (address: string): ExabgpEvent[] => {
    const all = eventsOf(address);
    const down = all.findLastIndex(({ type, neighbor }) => type === 'state' && neighbor.state === 'down');
    return all.slice(down + 1);
  };
  const tell = (address: string, line: string): void => exabgp.command(`neighbor ${address} ${line}`);
  return {
    name: 'ExaBGP',
    hidden: new Set(),
    session(address) {
      const events = present(address);
      const negotiated = events.findLast(({ type }) => type === 'negotiated')?.neighbor.negotiated;
      const families = negotiated?.families ?? '';
      return {
        isEstablished: events.some(({ type, neighbor }) => type === 'state' && neighbor.state === 'up'),
        families: [
          ...(families.includes('ipv4 unicast') ? ['ipv4-unicast' as const] : []),
          ...(families.includes('ipv6 unicast') ? ['ipv6-unicast' as const] : []),
        ],
        ...(negotiated === undefined ? {} : { holdSeconds: negotiated.hold_time }),
        keepalivesReceived: events.filter(({ type }) => type === 'keepalive').length,
        refreshesReceived: events.filter(({ type }) => type === 'refresh').length,
        updatesReceived: events.filter(({ type }) => type === 'update').length,
        prefixes: routesIn(events).size,
      };
    },
    capabilities(address) {
      const open = present(address).findLast(({ type }) => type === 'open')?.neighbor.open;
      return Object.entries(open?.capabilities ?? {}).flatMap(([code, { families }]) =>
        capabilityNames(Number(code), String(families ?? '')),
      );
    },
    routes: (address) => routesIn(present(address)),
    announce(address, prefixes, route) {
      for (const prefix of prefixes) tell(address, `announce route ${prefix} ${attributeWords(route)}`);
    },
    withdraw(address, prefixes) {
      for (const prefix of prefixes) tell(address, `withdraw route ${prefix}`);
    },
    sendRaw: (address, octets) => tell(address, `raw ${Buffer.from(octets).toString('hex')}`),
    clear: (address) => tell(address, 'teardown 4'),
    softClearIn(address) {
      for (const family of ['ipv4', 'ipv6']) tell(address, `announce route-refresh ${family} unicast`);
    },
    softClearOut: () => undefined,
    shutdown: (address) => tell(address, 'teardown 2'),
    enable: () => undefined,
    lastError: (address) =>
      eventsOf(address)
        .filter(({ type, neighbor }) => type === 'notification' || neighbor.state === 'down')
        .map((event) => JSON.stringify(event))
        .join('\n'),
    reconfigure: () => undefined,
    kill: () => exabgp.process.stop('SIGKILL'),
    restart: () => exabgp.restart(),
    log: () => exabgp.process.log(),
  };
}

/** A line of ExaBGP's. Not all are JSON: words of a ROUTE-REFRESH lack quotes, and the reason for an end may hold the end of the line. */
function parseEvent(line: string): ExabgpEvent {
  const text = line.replace(/\p{Cc}/gu, ' ');
  try {
    return JSON.parse(text) as ExabgpEvent;
  } catch {
    const word = (name: string): string => new RegExp(`"${name}": ?"([^"]*)"`).exec(text)?.[1] ?? '';
    return { type: word('type'), neighbor: { address: { peer: word('peer') }, state: word('state'), reason: text } };
  }
}

function capabilityNames(code: number, families: string): CapabilityName[] {
  switch (code) {
    case 1:
      return [
        ...(families.includes('ipv4/unicast') || families.includes('ipv4 unicast') ? ['ipv4-unicast' as const] : []),
        ...(families.includes('ipv6/unicast') || families.includes('ipv6 unicast') ? ['ipv6-unicast' as const] : []),
      ];
    case 2:
      return ['route-refresh'];
    case 5:
      return ['extended-next-hop'];
    case 6:
      return ['extended-message'];
    case 9:
      return ['role'];
    case 64:
      return ['graceful-restart'];
    case 65:
      return ['four-octet-as'];
    case 69:
      return ['add-path'];
    case 70:
      return ['enhanced-route-refresh'];
    default:
      return [];
  }
}

/** What was announced and not withdrawn. */
function routesIn(events: readonly ExabgpEvent[]): Map<string, ShownRoute> {
  const routes = new Map<string, ShownRoute>();
  for (const { neighbor } of events) {
    const update = neighbor.message?.update;
    for (const entries of Object.values(update?.withdraw ?? {})) for (const { nlri } of entries) routes.delete(nlri);
    for (const byNextHop of Object.values(update?.announce ?? {})) {
      // A route with a link-local next hop beside the global one is shown under both.
      const nextHops = Object.entries(byNextHop).sort(([a]) => (a.startsWith('fe80:') ? -1 : 1));
      for (const [nextHop, entries] of nextHops) {
        for (const { nlri } of entries) routes.set(nlri, shownUpdate(update?.attribute ?? {}, nextHop));
      }
    }
  }
  return routes;
}

const origins: Readonly<Record<string, string>> = { igp: 'IGP', egp: 'EGP', incomplete: 'incomplete' };

function shownUpdate(attributes: Readonly<Record<string, unknown>>, nextHop: string): ShownRoute {
  let route: ShownRoute = { nextHop, asPath: '' };
  const unknown: string[] = [];
  for (const [name, value] of Object.entries(attributes)) {
    const generic = /^attribute-0x([0-9A-Fa-f]+)-0x([0-9A-Fa-f]+)$/.exec(name);
    if (generic === null) route = { ...route, ...shownAttribute(name, value) };
    else {
      const [, code = '', flags = ''] = generic;
      const octets = String(value).replace(/^0x/, '').toLowerCase();
      unknown.push(`${Number.parseInt(code, 16)} ${(Number.parseInt(flags, 16) & 0xef).toString(16)} ${octets}`);
    }
  }
  return { ...route, ...textSet('unknown', unknown) };
}

function shownAttribute(name: string, value: unknown): ShownRoute {
  switch (name) {
    case 'origin':
      return { origin: origins[String(value)] ?? String(value) };
    case 'as-path':
      return { asPath: (value as readonly unknown[]).join(' ') };
    case 'med':
      return { med: Number(value) };
    case 'local-preference':
      return { localPref: Number(value) };
    case 'atomic-aggregate':
      return value === true ? { atomicAggregate: true } : {};
    case 'aggregator':
      return { aggregator: String(value).replace(':', ' ') };
    case 'community':
      return textSet(
        'communities',
        (value as readonly (readonly [number, number])[]).map(([high, low]) => formatCommunity(high * 0x10000 + low)),
      );
    case 'large-community':
      return textSet(
        'largeCommunities',
        (value as readonly (readonly number[])[]).map((parts) => parts.join(':')),
      );
    case 'extended-community':
      return textSet(
        'extendedCommunities',
        (value as readonly { readonly value: number | string }[]).map((c) => extendedText(c.value)),
      );
    case 'originator-id':
      return { originatorId: String(value) };
    case 'cluster-list':
      return { clusterList: (value as readonly string[]).join(' ') };
    default:
      return {};
  }
}

/** The eight octets as one number, which JSON's reader has rounded if it is beyond 2^53. */
function extendedText(value: number | string): string {
  return formatExtendedCommunity(Uint8Array.from(Buffer.from(BigInt(value).toString(16).padStart(16, '0'), 'hex')));
}

/** A community as two numbers: an unknown name ends ExaBGP. */
function plainCommunity(text: string): string {
  const value = parseCommunity(text) ?? 0;
  return `${value >>> 16}:${value & 0xffff}`;
}

/** The words of `announce route` for what is in a route. */
function attributeWords(route: ShownRoute): string {
  const list = (text: string): string => `[ ${text} ]`;
  return [
    `next-hop ${route.nextHop ?? 'self'}`,
    ...(route.origin === undefined ? [] : [`origin ${route.origin.toLowerCase()}`]),
    ...(route.asPath === undefined
      ? []
      : [
          `as-path ${list(route.asPath.replace(/\{([^}]*)\}/g, (_, set: string) => `( ${set.replaceAll(',', ' ')} )`))}`,
        ]),
    ...(route.med === undefined ? [] : [`med ${route.med}`]),
    ...(route.localPref === undefined ? [] : [`local-preference ${route.localPref}`]),
    ...(route.atomicAggregate === undefined ? [] : ['atomic-aggregate']),
    ...(route.aggregator === undefined ? [] : [`aggregator ( ${route.aggregator.replace(' ', ':')} )`]),
    ...(route.communities === undefined
      ? []
      : [`community ${list(route.communities.split(' ').map(plainCommunity).join(' '))}`]),
    ...(route.largeCommunities === undefined ? [] : [`large-community ${list(route.largeCommunities)}`]),
    ...(route.extendedCommunities === undefined
      ? []
      : [
          `extended-community ${list(route.extendedCommunities.replace(/\brt:/g, 'target:').replace(/\bsoo:/g, 'origin:'))}`,
        ]),
    ...(route.originatorId === undefined ? [] : [`originator-id ${route.originatorId}`]),
    ...(route.clusterList === undefined ? [] : [`cluster-list ${list(route.clusterList)}`]),
    ...(route.unknown?.split(/ (?=\d+ [0-9a-f]{2} )/).map((text) => {
      const [code = '', flags = '', value = ''] = text.split(' ');
      return `attribute [ 0x${Number(code).toString(16).padStart(2, '0')} 0x${flags} 0x${value} ]`;
    }) ?? []),
  ].join(' ');
}

function neighborText(n: NeighborOptions, { asn, routerId }: DaemonOptions): string {
  const families: readonly FamilyName[] = n.families ?? ['ipv4-unicast', 'ipv6-unicast'];
  const addPath = n.addPath === 'both' ? 'send/receive' : n.addPath;
  return [
    `neighbor ${n.address} {`,
    `  description "${n.name}";`,
    `  router-id ${routerId};`,
    `  local-address ${n.localAddress};`,
    `  local-as ${n.localAs ?? asn};`,
    `  peer-as ${n.asn};`,
    `  hold-time ${n.holdSeconds ?? 90};`,
    ...(n.passive === true ? ['  passive true;'] : []),
    ...(n.password === undefined ? [] : [`  md5-password "${n.password}";`]),
    ...(n.ttlSecurity === true ? ['  outgoing-ttl 255;', '  incoming-ttl 255;'] : []),
    ...(n.multihop === undefined ? [] : [`  outgoing-ttl ${n.multihop};`]),
    ...(n.port === undefined ? [] : [`  connect ${n.port};`]),
    '  capability {',
    `    asn4 ${n.twoOctetAs === true ? 'disable' : 'enable'};`,
    '    route-refresh enable;',
    ...(addPath === undefined ? [] : [`    add-path ${addPath};`]),
    ...(n.extendedNextHop === true ? ['    nexthop enable;'] : []),
    '  }',
    `  family { ${families.map((family) => `${family.replace('-', ' ')};`).join(' ')} }`,
    ...(n.extendedNextHop === true ? ['  nexthop { ipv4 unicast ipv6; }'] : []),
    '  api {',
    '    processes [ PROCESS ];',
    '    neighbor-changes;',
    '    negotiated;',
    '    receive { parsed; open; update; notification; keepalive; refresh; }',
    '  }',
    '}',
  ].join('\n');
}
