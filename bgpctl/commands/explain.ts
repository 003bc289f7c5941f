import type {
  ApiPolicyTrace,
  AttributeChange,
  ExplainAdvertisement,
  ExplainCandidate,
  ExplainReply,
} from '../../lib/api-explain.ts';
import { type Context, print } from '../context.ts';
import { type Colour, paint, printable, type TableStyle } from '../format.ts';
import { fromWords, marks } from './routes.ts';

/** What `explain` was asked. */
export interface ExplainOptions {
  readonly peer?: string;
}

/** `explain PREFIX [--peer PEER]`. */
export async function explain(context: Context, prefix: string, options: ExplainOptions): Promise<void> {
  const reply = await context.client.get<ExplainReply>('/v1/explain', { prefix, peer: options.peer });
  await print(context, reply, formatExplanation);
}

/** What `explain` prints. */
export function formatExplanation(reply: ExplainReply, style: TableStyle = {}): string {
  const hasColours = style.hasColours === true;
  const title = paint(reply.prefix, 'strong', hasColours);
  const sections = [`${title}, ${reply.family}: ${printable(reply.text)}\n`];
  const { received } = reply;
  if (received !== undefined) {
    const colour = received.state === 'best' || received.state === 'multipath' ? 'good' : 'bad';
    const noted = received.treatedAsWithdraw;
    // Where that is the reason, the sentence says what was wrong.
    const more = noted === undefined ? [] : [`malformed UPDATE at ${noted.at}: ${noted.problem}`];
    sections.push(
      [
        heading(`Heard from ${received.peer}`, hasColours),
        `  ${paint(printable(received.text), colour, hasColours)}`,
        ...more.map((line) => `  ${printable(line)}`),
        '',
      ].join('\n'),
    );
  }
  if (reply.candidates.length > 0) {
    const paths = reply.candidates.map((candidate) => formatCandidate(candidate, hasColours)).join('');
    sections.push(`${heading('Paths', hasColours)}\n${paths}`);
  }
  if (reply.advertisements.length > 0) {
    const told = reply.advertisements.map((one) => formatAdvertisement(one, hasColours)).join('');
    sections.push(`${heading('Told to', hasColours)}\n${told}`);
  }
  sections.push(`${heading('Kernel', hasColours)}\n${formatKernel(reply, hasColours)}`);
  return sections.join('\n');
}

function heading(text: string, hasColours: boolean): string {
  return paint(printable(text), 'strong', hasColours);
}

const stateColours: Readonly<Record<ExplainCandidate['state'], Colour | undefined>> = {
  best: 'good',
  multipath: 'good',
  'not-best': undefined,
  'not-usable': 'bad',
};

function formatCandidate({ route, state, text, policy, nextHop }: ExplainCandidate, hasColours: boolean): string {
  const lines = [
    `  ${paint(marks(route).padEnd(2), stateColours[state], hasColours)} ${fromWords(route)}`,
    `       ${paint(printable(text), stateColours[state], hasColours)}`,
    ...(policy === undefined ? [] : formatPolicy(policy).map((line) => `       ${line}`)),
  ];
  if (nextHop !== undefined) {
    const found = nextHop.text === undefined ? nextHop.result : nextHop.text;
    const cost = nextHop.metric === undefined ? '' : `, cost ${nextHop.metric}`;
    lines.push(`       next hop ${nextHop.address}: ${printable(found)}${cost}`);
  }
  return `${lines.join('\n')}\n`;
}

/** The verdict (of a rejected path the sentence above has it), and each term that matched and did not decide or changed something. */
function formatPolicy(policy: ApiPolicyTrace): string[] {
  const { direction, verdict, term } = policy;
  const lines = verdict === 'reject' ? [] : [`${direction} policy: accepted by ${printable(term)}`];
  for (const { term, verdict, changes } of policy.steps) {
    if (changes.length === 0 && verdict !== 'next') continue;
    const what = changes.length === 0 ? 'changed nothing' : changes.map(changeWords).join(', ');
    lines.push(`  ${printable(term)}: ${what}`);
  }
  return lines;
}

const attributeNames: Readonly<Record<string, string>> = {
  origin: 'origin',
  asPath: 'AS path',
  nextHop: 'next hop',
  linkLocalNextHop: 'link-local next hop',
  med: 'MED',
  localPref: 'LOCAL_PREF',
  atomicAggregate: 'atomic aggregate',
  communities: 'communities',
  extendedCommunities: 'extended communities',
  largeCommunities: 'large communities',
  originatorId: 'originator id',
  clusterList: 'cluster list',
};

/** `LOCAL_PREF 100 -> 200`; of lists only what came and went. */
function changeWords({ attribute, before, after }: AttributeChange): string {
  const name = attributeNames[attribute] ?? printable(attribute);
  if (/communities$/i.test(attribute)) {
    const [was, is] = [before, after].map((list) => (list === undefined ? [] : list.split(' ')));
    const came = (is ?? []).filter((one) => !was?.includes(one)).map((one) => `+${one}`);
    const went = (was ?? []).filter((one) => !is?.includes(one)).map((one) => `-${one}`);
    if (came.length + went.length > 0) return `${name} ${[...came, ...went].map(printable).join(' ')}`;
  }
  const value = (text: string | undefined): string =>
    text === undefined ? 'none' : text === '' ? 'empty' : printable(text);
  return before === undefined && after !== undefined
    ? `${name} set to ${value(after)}`
    : `${name} ${value(before)} -> ${value(after)}`;
}

const keptWords: Readonly<Record<string, string>> = {
  'beyond-limit': 'better ones fill what the session may carry',
  'split-horizon': 'it came from this peer',
  'export-policy': 'rejected by export policy',
  pending: 'on its way',
};

function formatAdvertisement(advertisement: ExplainAdvertisement, hasColours: boolean): string {
  const { peer, kind, advertised, reason, text, paths, policy, kept = [] } = advertisement;
  const colour = advertised ? (reason === undefined ? 'good' : 'warn') : undefined;
  const lines = [
    `  ${printable(peer)} (${kind === 'ebgp' ? 'eBGP' : 'iBGP'}): ${paint(printable(text), colour, hasColours)}`,
  ];
  if (policy !== undefined && policy.steps.length > 0) {
    lines.push(...formatPolicy(policy).map((line) => `       ${line}`));
  }
  for (const path of paths) {
    const id = path.pathId === undefined ? '' : `path id ${path.pathId}, `;
    const from = paths.length === 1 ? '' : `from ${printable(path.from.peer ?? path.from.source)}, `;
    const changes = path.changes ?? [];
    const what = changes.length === 0 ? '' : changes.map(changeWords).join(', ');
    const words = `${id}${from}${what}`.replace(/, $/, '');
    if (words !== '') lines.push(`       as sent: ${words}`);
  }
  // Where one path a prefix is told, that the others are not goes without saying.
  for (const { path, reason: why } of kept.filter((one) => one.reason !== 'not-best' && one.reason !== 'not-usable')) {
    lines.push(`       not told: from ${printable(path.peer ?? path.source)}, ${keptWords[why] ?? why}`);
  }
  return `${lines.join('\n')}\n`;
}

function formatKernel({ kernel }: ExplainReply, hasColours: boolean): string {
  const { state, text, wanted, found, compared } = kernel;
  const isRight = state === 'same' || state === 'none' || state === 'not-written';
  const routes =
    wanted !== undefined && wanted === found
      ? [`  ${wanted}`]
      : [
          ...(wanted === undefined ? [] : [`  wanted ${wanted}`]),
          ...(found === undefined ? [] : [`  found  ${found}`]),
        ];
  const painted = paint(state, isRight ? 'good' : 'bad', hasColours);
  const how = compared || state === 'not-written' ? '' : ' (by its notifications; not read for a table of this size)';
  return `${[`  ${painted}: ${printable(text)}${how}`, ...routes.map(printable)].join('\n')}\n`;
}
