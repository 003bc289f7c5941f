import type { ApiNodePlan, PlanReply } from '../../lib/api-cluster.ts';
import { type Context, print } from '../context.ts';
import { CliError, ExitCode } from '../errors.ts';
import { type Colour, paint, plural, printable, type TableStyle } from '../format.ts';
import { formatProblem } from '../problems.ts';
import { readFiles } from './resources.ts';

/** `plan -f FILE... [--node NAME]`. @throws CliError when nodes would be cut off from each other */
export async function plan(
  context: Context,
  options: { readonly filename: readonly string[]; readonly node?: string },
): Promise<void> {
  const whole = await context.client.post<PlanReply>('/v1/plan', { files: options.filename.flatMap(readFiles) });
  const { node } = options;
  const reply = node === undefined ? whole : { ...whole, nodes: whole.nodes.filter((one) => one.node === node) };
  await print(context, reply, formatPlan);
  if (whole.disconnected.length === 0) return;
  const count = plural(whole.disconnected.length, 'way');
  throw new CliError(ExitCode.Refused, 'refused', `this would cut nodes off: ${count} from one node to another`);
}

const actions: Readonly<
  Record<ApiNodePlan['sessions'][number]['action'], { sign: string; colour: Colour | undefined; text: string }>
> = {
  add: { sign: '+', colour: 'good', text: 'session added' },
  remove: { sign: '-', colour: 'bad', text: 'session removed' },
  reset: { sign: '~', colour: 'warn', text: 'session resets' },
  refresh: { sign: '~', colour: undefined, text: 'routes evaluated again' },
};

/** Node by node: sessions, then whose routes come and go. */
export function formatPlan(reply: PlanReply, style: TableStyle = {}): string {
  const hasColours = style.hasColours === true;
  const lines: string[] = [];
  for (const { node, sessions, gained, lost, onlyOutside } of reply.nodes) {
    lines.push(`Node ${printable(node)}`);
    for (const { peer, action, detail } of sessions) {
      const { sign, colour, text } = actions[action];
      const more = detail === undefined ? '' : `: ${printable(detail)}`;
      lines.push(paint(`  ${sign} ${printable(peer)} [${text}]${more}`, colour, hasColours));
    }
    const names = (nodes: readonly string[]) => nodes.map(printable).join(', ');
    if (gained.length > 0) lines.push(paint(`  + routes of ${names(gained)}`, 'good', hasColours));
    if (lost.length > 0) lines.push(paint(`  - routes of ${names(lost)}`, 'bad', hasColours));
    if (onlyOutside.length > 0) {
      lines.push(
        paint(`  ? routes of ${names(onlyOutside)}: only from routers outside of the cluster`, 'warn', hasColours),
      );
    }
  }
  for (const warning of reply.warnings) lines.push(`warning: ${formatProblem(warning)}`);
  const count = (action: string) =>
    reply.nodes.flatMap(({ sessions }) => sessions).filter((one) => one.action === action).length;
  const total = `${count('add')} added, ${count('remove')} removed, ${count('reset')} reset`;
  lines.push(
    reply.nodes.length === 0 ? 'Nothing would change.' : `Sessions: ${total}, each counted on both its nodes.`,
  );
  return `${lines.join('\n')}\n`;
}
