import type { ApiChange, ReloadReply } from '../../lib/api.ts';
import { type Context, print } from '../context.ts';
import { type Colour, paint, plural, printable, type TableStyle } from '../format.ts';
import { formatProblem } from '../problems.ts';

/** `reload [--dry-run]`. */
export async function reload(context: Context, options: { readonly dryRun?: boolean }): Promise<void> {
  const reply = await context.client.post<ReloadReply>('/v1/reload', { dryRun: options.dryRun === true });
  await print(context, reply, formatReload);
}

const signs: Readonly<Record<ApiChange['action'], { readonly sign: string; readonly colour: Colour }>> = {
  add: { sign: '+', colour: 'good' },
  remove: { sign: '-', colour: 'bad' },
  change: { sign: '~', colour: 'warn' },
};

const effects: Readonly<Record<ApiChange['effect'], string>> = {
  none: '',
  refresh: ' [routes evaluated again]',
  reset: ' [session resets]',
  restart: ' [applies at the next start of the daemon]',
};

/** The difference, line by line, and what it does to sessions. */
export function formatReload(reply: ReloadReply, style: TableStyle = {}): string {
  const lines = reply.changes.map((change) => {
    const { sign, colour } = signs[change.action];
    const detail = change.detail === undefined ? '' : `: ${printable(change.detail)}`;
    return paint(
      `${sign} ${change.kind} ${printable(change.name)}${detail}${effects[change.effect]}`,
      colour,
      style.hasColours === true,
    );
  });
  for (const warning of reply.warnings) lines.push(`warning: ${formatProblem(warning)}`);
  if (reply.changes.length === 0) lines.push('Nothing changes: the running configuration is this one already.');
  else {
    const resets =
      reply.resets.length === 0
        ? 'no session resets'
        : `sessions that reset: ${reply.resets.map(printable).join(', ')}`;
    lines.push(`${reply.applied ? 'Applied' : 'Would apply'} ${plural(reply.changes.length, 'change')}; ${resets}.`);
  }
  return `${lines.join('\n')}\n`;
}
