import type { ApiAttributes, Route, RoutesBegin } from '../../lib/api.ts';
import type { Query } from '../client.ts';
import { type Context, styleOf } from '../context.ts';
import { type Colour, type Column, formatFields, paint, plural, printable, Table, type TableStyle } from '../format.ts';

/** Rows that decide how wide columns are; a longer list goes on in that layout. */
const SAMPLE_ROWS = 1000;

/** What `show routes` was asked. */
export interface RoutesOptions {
  readonly received?: string;
  readonly advertised?: string;
  readonly best?: boolean;
  readonly family?: string;
  readonly longer?: boolean;
}

/** Family names and the short forms that are typed. */
export const familyNames: Readonly<Record<string, string>> = {
  ipv4: 'ipv4-unicast',
  ipv6: 'ipv6-unicast',
  'ipv4-unicast': 'ipv4-unicast',
  'ipv6-unicast': 'ipv6-unicast',
};

/** `show routes`: a table, or every attribute where one prefix or address was named. */
export async function showRoutes(context: Context, prefix: string | undefined, options: RoutesOptions): Promise<void> {
  const query: Query = {
    view: options.received !== undefined ? 'received' : options.advertised !== undefined ? 'advertised' : undefined,
    peer: options.received ?? options.advertised,
    best: options.best,
    family: options.family === undefined ? undefined : familyNames[options.family],
    prefix,
    longer: options.longer,
  };
  const list = context.client.list<RoutesBegin, Route>('/v1/routes', query);
  if (context.json) await writeJson(context, list);
  else if (prefix !== undefined && options.longer !== true) await writeDetail(context, list, prefix);
  else await writeTable(context, list);
}

type RouteList = AsyncGenerator<RoutesBegin | Route[], void, void>;

async function writeJson(context: Context, list: RouteList): Promise<void> {
  const { terminal } = context;
  let separator = '\n';
  for await (const part of list) {
    if (!Array.isArray(part)) {
      const { type: _type, ...begin } = part;
      await terminal.write(`${JSON.stringify(begin).slice(0, -1)},"routes":[`);
      continue;
    }
    await terminal.write(`${separator}${part.map((route) => JSON.stringify(route)).join(',\n')}`);
    separator = ',\n';
  }
  await terminal.write('\n]}\n');
}

async function writeTable(context: Context, list: RouteList): Promise<void> {
  const { terminal } = context;
  const style = styleOf(context);
  let sample: Route[] = [];
  let table: Table<Route> | undefined;
  let paths = 0;
  let prefixes = 0;
  let last = '';
  const count = (route: Route): void => {
    paths++;
    if (route.prefix !== last) prefixes++;
    last = route.prefix;
  };
  const layOut = (isComplete: boolean): string => {
    const laidOut = new Table(routeColumns, sample, style, isComplete);
    const lines = [laidOut.header(), ...sample.map((route) => laidOut.row(route))];
    table = laidOut;
    sample = [];
    return `${legend}\n${lines.join('\n')}\n`;
  };
  for await (const part of list) {
    if (!Array.isArray(part)) {
      await terminal.write(`${formatHeading(part)}\n`);
      continue;
    }
    for (const route of part) count(route);
    if (table !== undefined) {
      const laidOut: Table<Route> = table;
      await terminal.write(`${part.map((route) => laidOut.row(route)).join('\n')}\n`);
      continue;
    }
    for (const route of part) sample.push(route);
    if (sample.length >= SAMPLE_ROWS) await terminal.write(layOut(false));
  }
  if (table === undefined && sample.length > 0) await terminal.write(layOut(true));
  await terminal.write(
    paths === 0 ? 'No routes.\n' : `\n${plural(paths, 'path')}, ${plural(prefixes, 'prefix', 'prefixes')}\n`,
  );
}

/** Which table this is. */
export function formatHeading(begin: RoutesBegin): string {
  const self = `local AS ${begin.localAs}, router id ${begin.routerId}`;
  if (begin.view === 'received') return `Adj-RIB-In of ${printable(begin.peer ?? '?')}, as received; ${self}`;
  if (begin.view === 'advertised') return `Adj-RIB-Out to ${printable(begin.peer ?? '?')}, as sent; ${self}`;
  return `Loc-RIB; ${self}`;
}

const legend = '* valid, > best, = multipath, S stale, ! rejected by policy; origin: i IGP, e EGP, ? incomplete';

/** The marks before a path: `*>` is what users of BIRD, FRR and GoBGP look for. */
export function marks(route: Route): string {
  const choice = route.best ? '>' : route.multipath ? '=' : ' ';
  const more = `${route.stale === true ? 'S' : ''}${route.policy?.verdict === 'reject' ? '!' : ''}`;
  return `${route.valid ? '*' : ' '}${choice}${more}`.trimEnd();
}

const originCodes = { IGP: 'i', EGP: 'e', incomplete: '?' } as const;

const routeColumns: readonly Column<Route>[] = [
  { title: '', value: marks, colour: markColour },
  { title: 'Prefix', value: (route) => route.prefix, colour: (route) => (route.best ? 'strong' : undefined) },
  {
    title: 'Id',
    align: 'right',
    optional: true,
    value: (route) => (route.pathId === undefined ? '' : String(route.pathId)),
  },
  { title: 'Next hop', value: (route) => route.attributes.nextHop ?? '-' },
  { title: 'MED', align: 'right', value: (route) => numberOr(route.attributes.med) },
  { title: 'LocPrf', align: 'right', value: (route) => numberOr(route.attributes.localPref) },
  { title: 'AS path', value: pathWithOrigin, shrinkTo: 12 },
  { title: 'Communities', optional: true, shrinkTo: 12, value: (route) => allCommunities(route.attributes).join(' ') },
  { title: 'From', value: (route) => route.peer ?? route.source, shrinkTo: 8 },
];

function markColour(route: Route): Colour | undefined {
  if (route.best || route.multipath) return 'good';
  return route.valid ? undefined : 'bad';
}

function numberOr(value: number | undefined): string {
  return value === undefined ? '' : String(value);
}

function pathWithOrigin(route: Route): string {
  const { asPath, origin } = route.attributes;
  return `${asPath} ${origin === undefined ? '' : originCodes[origin]}`.trim();
}

function allCommunities(attributes: ApiAttributes): readonly string[] {
  return [
    ...(attributes.communities ?? []),
    ...(attributes.largeCommunities ?? []),
    ...(attributes.extendedCommunities ?? []),
  ];
}

async function writeDetail(context: Context, list: RouteList, asked: string): Promise<void> {
  const routes: Route[] = [];
  for await (const part of list) {
    if (Array.isArray(part)) for (const route of part) routes.push(route);
    else await context.terminal.write(`${formatHeading(part)}\n\n`);
  }
  await context.terminal.write(formatRoutesDetail(routes, asked, styleOf(context)));
}

/** Every path of the prefixes found, with all attributes and the rule that decided. */
export function formatRoutesDetail(routes: readonly Route[], asked: string, style: TableStyle = {}): string {
  if (routes.length === 0) return `No route for ${asked}.\n`;
  const byPrefix = new Map<string, Route[]>();
  for (const route of routes) {
    const same = byPrefix.get(route.prefix);
    if (same === undefined) byPrefix.set(route.prefix, [route]);
    else same.push(route);
  }
  return [...byPrefix.values()].map((paths) => formatPrefix(paths, style.hasColours === true)).join('\n');
}

function formatPrefix(paths: readonly Route[], hasColours: boolean): string {
  const [first] = paths;
  const title = `${paint(first?.prefix ?? '', 'strong', hasColours)}, ${first?.family}, ${plural(paths.length, 'path')}\n`;
  return title + paths.map((route) => formatPath(route, hasColours)).join('');
}

/** Where a path is from: `from tor (10.0.1.254), eBGP, path id 3`, `originated here (pod-block)`. */
export function fromWords(route: Route): string {
  const id = route.pathId === undefined ? '' : `, path id ${route.pathId}`;
  if (route.peer === undefined) return `originated here (${route.source})${id}`;
  const address = route.peerAddress === undefined ? '' : ` (${route.peerAddress})`;
  return `from ${printable(route.peer)}${address}, ${route.kind === 'ebgp' ? 'eBGP' : 'iBGP'}${id}`;
}

function formatPath(route: Route, hasColours: boolean): string {
  const head = `  ${paint(marks(route).padEnd(2), markColour(route), hasColours)} ${fromWords(route)}`.trimEnd();
  const changed = (title: string, attributes: ApiAttributes | undefined): (readonly [string, string | undefined])[] => {
    if (attributes === undefined) return [];
    return [
      [
        title,
        attributeFields(attributes)
          .map(([name, value]) => `${name} ${value}`)
          .join(', '),
      ],
    ];
  };
  const fields: (readonly [string, string | undefined])[] = [
    ['State', statusWords(route)],
    [
      'Policy',
      route.policy && `${route.policy.direction} ${route.policy.verdict}ed by ${printable(route.policy.term)}`,
    ],
    ...attributeFields(route.attributes),
    ...changed('Before policy', route.beforePolicy),
    ...changed('After policy', route.afterPolicy),
  ];
  return `${head}\n${formatFields(fields, 7)}`;
}

function statusWords(route: Route): string {
  const words: string[] = [];
  if (route.best) words.push(route.rule === undefined ? 'best' : `best, by ${printable(route.rule)}`);
  else if (route.multipath) words.push('multipath');
  else if (route.valid && route.rule !== undefined) words.push(`not best, by ${printable(route.rule)}`);
  if (!route.valid) words.push(`not valid${route.reason === undefined ? '' : `: ${printable(route.reason)}`}`);
  if (route.stale === true) words.push('stale, kept through a restart of its peer');
  return words.join('; ');
}

function attributeFields(attributes: ApiAttributes): (readonly [string, string])[] {
  const { aggregator, unknown } = attributes;
  const all: (readonly [string, string | undefined])[] = [
    ['AS path', attributes.asPath === '' ? 'empty' : `${attributes.asPath} (length ${attributes.asPathLength})`],
    ['Origin', attributes.origin],
    ['Next hop', attributes.nextHop],
    ['Link-local next hop', attributes.linkLocalNextHop],
    ['MED', attributes.med?.toString()],
    ['Local preference', attributes.localPref?.toString()],
    ['Communities', attributes.communities?.join(' ')],
    ['Large communities', attributes.largeCommunities?.join(' ')],
    ['Extended communities', attributes.extendedCommunities?.join(' ')],
    ['Atomic aggregate', attributes.atomicAggregate === true ? 'yes' : undefined],
    ['Aggregator', aggregator && `AS ${aggregator.asn}, ${aggregator.address}`],
    ['Originator id', attributes.originatorId],
    ['Cluster list', attributes.clusterList?.join(' ')],
    ['AIGP', attributes.aigp],
    ['Only to customer', attributes.onlyToCustomer?.toString()],
    [
      'Unknown',
      unknown
        ?.map((one) => `type ${one.code} flags 0x${one.flags.toString(16).padStart(2, '0')} value ${one.value}`)
        .join('; '),
    ],
  ];
  return all.filter((field): field is readonly [string, string] => field[1] !== undefined && field[1] !== '');
}
