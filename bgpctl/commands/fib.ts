import type {
  FibBegin,
  FibCheckReply,
  FibDifference,
  FibNextHop,
  FibNextHopDifference,
  FibRoute,
} from '../../lib/api-fib.ts';
import { type Context, print, styleOf } from '../context.ts';
import { CliError, ExitCode } from '../errors.ts';
import { type Colour, type Column, formatTable, plural, Table, type TableStyle } from '../format.ts';
import { familyNames } from './routes.ts';

/** Rows that decide how wide columns are. */
const SAMPLE_ROWS = 1000;

/** `show fib [PREFIX]`. */
export async function showFib(
  context: Context,
  prefix: string | undefined,
  options: { readonly family?: string },
): Promise<void> {
  const { terminal } = context;
  const family = options.family === undefined ? undefined : familyNames[options.family];
  const list = context.client.list<FibBegin, FibRoute>('/v1/fib', { prefix, family });
  let count = 0;
  let sample: FibRoute[] = [];
  let table: Table<FibRoute> | undefined;
  let isOn = true;
  const layOut = (isComplete: boolean): string => {
    const laidOut = new Table(fibColumns, sample, styleOf(context), isComplete);
    const lines = [laidOut.header(), ...sample.map((route) => laidOut.row(route))];
    table = laidOut;
    sample = [];
    return `${lines.join('\n')}\n`;
  };
  for await (const part of list) {
    if (!Array.isArray(part)) {
      const { type: _type, ...begin } = part;
      isOn = begin.enabled;
      if (context.json) await terminal.write(`${JSON.stringify(begin).slice(0, -1)},"routes":[`);
      else await terminal.write(formatFibHeading(part));
    } else if (context.json) {
      await terminal.write(`${count === 0 ? '\n' : ',\n'}${part.map((route) => JSON.stringify(route)).join(',\n')}`);
    } else if (table !== undefined) {
      const laidOut: Table<FibRoute> = table;
      await terminal.write(`${part.map((route) => laidOut.row(route)).join('\n')}\n`);
    } else {
      for (const route of part) sample.push(route);
      if (sample.length >= SAMPLE_ROWS) await terminal.write(layOut(false));
    }
    if (Array.isArray(part)) count += part.length;
  }
  if (context.json) {
    await terminal.write('\n]}\n');
    return;
  }
  if (table === undefined && sample.length > 0) await terminal.write(layOut(true));
  if (isOn) await terminal.write(count === 0 ? 'No routes.\n' : `\n${plural(count, 'route')}\n`);
}

function formatFibHeading(begin: FibBegin): string {
  if (!begin.enabled) return 'This speaker writes no kernel routes.\n';
  return `Kernel table ${begin.table}, protocol ${begin.protocol}, metric ${begin.metric}\n\n`;
}

const fibColumns: readonly Column<FibRoute>[] = [
  { title: 'Prefix', value: (route) => route.prefix },
  { title: 'Next hops', value: formatNextHops, shrinkTo: 16 },
  { title: 'Metric', align: 'right', value: (route) => String(route.metric) },
  { title: 'Origin', value: (route) => route.origin },
  {
    title: 'State',
    value: (route) => (route.error === undefined ? route.state : `${route.state}: ${route.error}`),
    colour: (route): Colour => (route.state === 'installed' ? 'good' : route.state === 'failed' ? 'bad' : 'warn'),
  },
];

/** `10.0.1.254 dev eth0`, several of them with weights, or the kind of a route without any. */
export function formatNextHops(route: FibRoute): string {
  if (route.kind !== 'unicast') return route.kind;
  return route.nextHops.map(formatNextHop).join(', ');
}

function formatNextHop(hop: FibNextHop): string {
  const words = [
    hop.gateway ?? '',
    hop.device === undefined ? '' : `dev ${hop.device}`,
    hop.weight === undefined ? '' : `weight ${hop.weight}`,
    hop.onlink === true ? 'onlink' : '',
  ];
  return words.filter((word) => word !== '').join(' ');
}

/** `fib check`: exit code 1 on any difference. */
export async function checkFib(context: Context): Promise<void> {
  const reply = await context.client.get<FibCheckReply>('/v1/fib/check');
  await print(context, reply, formatFibCheck);
  const routes = reply.differences.length;
  const nextHops = reply.nextHopDifferences?.length ?? 0;
  const found = [
    ...(routes > 0 ? [plural(routes, 'route')] : []),
    ...(nextHops > 0 ? [plural(nextHops, 'nexthop object')] : []),
  ];
  if (found.length > 0) {
    throw new CliError(ExitCode.Refused, 'refused', `the kernel differs in ${found.join(' and ')}`);
  }
}

/** What `fib check` prints. */
export function formatFibCheck(reply: FibCheckReply, style: TableStyle = {}): string {
  const { checked, differences, nextHopDifferences = [] } = reply;
  const compared = `${plural(checked, 'route')} compared`;
  if (differences.length + nextHopDifferences.length === 0) return `${compared}, no difference.\n`;
  const columns: Column<FibDifference | FibNextHopDifference>[] = [
    { title: 'Problem', value: (one) => one.problem, colour: () => 'bad' },
    { title: 'Wanted', value: (one) => one.wanted ?? '-', shrinkTo: 16 },
    { title: 'Found', value: (one) => one.found ?? '-', shrinkTo: 16 },
  ];
  const tables: string[] = [];
  if (differences.length > 0) {
    const prefix: Column<FibDifference> = { title: 'Prefix', value: (one) => one.prefix };
    tables.push(formatTable([prefix, ...columns], differences, style));
  }
  if (nextHopDifferences.length > 0) {
    const id: Column<FibNextHopDifference> = { title: 'Nexthop', value: (one) => String(one.id) };
    tables.push(formatTable([id, ...columns], nextHopDifferences, style));
  }
  const found = differences.length + nextHopDifferences.length;
  return `${tables.join('\n')}\n${compared}, ${plural(found, 'difference')}\n`;
}
