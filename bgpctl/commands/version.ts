import type { HealthReply, StatusReply, VersionReply } from '../../lib/api.ts';
import { type Context, print } from '../context.ts';
import { CliError, ExitCode } from '../errors.ts';
import { type Column, formatDuration, formatFields, formatTable, type TableStyle } from '../format.ts';

/** `version`: of bgpctl itself, also where no daemon answers, and of the daemon. */
export async function showVersion(context: Context, own: string): Promise<void> {
  if (!context.json) await context.terminal.write(`bgpctl ${own}\n`);
  const daemon = await context.client.get<VersionReply>('/v1/version');
  await print(context, context.json ? { bgpctl: own, daemon } : daemon, () => formatDaemon(daemon));
}

function formatDaemon(daemon: VersionReply): string {
  const up = formatDuration(daemon.uptimeSeconds);
  return `podrouted ${daemon.version} on node ${daemon.node}, pid ${daemon.pid}, up ${up}, Node.js ${daemon.nodejs}\n`;
}

/** `health`: exit code 1 while the daemon is not ready. */
export async function showHealth(context: Context): Promise<void> {
  const reply = await context.client.getHealth<HealthReply>('/v1/health');
  await print(context, reply, formatHealth);
  if (!reply.ready) throw new CliError(ExitCode.Refused, 'unavailable', 'the daemon is not ready');
}

/** What `health` prints. */
export function formatHealth(reply: HealthReply, style: TableStyle = {}): string {
  const columns: Column<HealthReply['checks'][number]>[] = [
    { title: 'Check', value: (check) => check.name },
    { title: 'Ok', value: (check) => (check.ok ? 'yes' : 'no'), colour: (check) => (check.ok ? 'good' : 'bad') },
    { title: 'Detail', optional: true, value: (check) => check.detail ?? '' },
  ];
  return `${reply.ready ? 'ready' : 'not ready'}\n${reply.checks.length === 0 ? '' : `\n${formatTable(columns, reply.checks, style)}`}`;
}

/** `status [--reset]`. */
export async function showStatus(context: Context, options: { readonly reset?: boolean }): Promise<void> {
  const reply =
    options.reset === true
      ? await context.client.post<StatusReply>('/v1/status/reset', {})
      : await context.client.get<StatusReply>('/v1/status');
  await print(context, reply, formatStatus);
}

/** What `status` prints. */
export function formatStatus(reply: StatusReply): string {
  const { memory, eventLoop } = reply;
  const ms = (seconds: number): string => `${(seconds * 1000).toFixed(1)} ms`;
  const megabytes = (octets: number): string => `${(octets / 1e6).toFixed(0)} MB`;
  return formatFields([
    ['Node', `${reply.node}, up ${formatDuration(reply.uptimeSeconds)}`],
    ['Memory', `${megabytes(memory.residentOctets)}, of it ${megabytes(memory.heapOctets)} JavaScript heap`],
    ['Event loop', `busy ${(eventLoop.busyShare * 100).toFixed(1)} % of ${formatDuration(eventLoop.measuredSeconds)}`],
    ['Delay', `p50 ${ms(eventLoop.p50Seconds)}, p99 ${ms(eventLoop.p99Seconds)}, max ${ms(eventLoop.maxSeconds)}`],
    ['On processor', `p99 ${ms(eventLoop.cpu.p99Seconds)}, max ${ms(eventLoop.cpu.maxSeconds)}`],
  ]);
}
