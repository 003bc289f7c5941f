import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApiResource, ApiResourceChange, ResourceChangesReply, ResourcesReply } from '../../lib/api-cluster.ts';
import { errorMessage } from '../../lib/result.ts';
import { type Context, print } from '../context.ts';
import { CliError, ExitCode } from '../errors.ts';
import { type Colour, type Column, formatTable, paint, plural, printable, type TableStyle } from '../format.ts';
import { formatProblem } from '../problems.ts';

/** `apply -f FILE... [--dry-run]`. */
export async function apply(
  context: Context,
  options: { readonly filename: readonly string[]; readonly dryRun?: boolean; readonly force?: boolean },
): Promise<void> {
  const files = options.filename.flatMap(readFiles);
  const reply = await context.client.post<ResourceChangesReply>('/v1/resources', {
    files,
    dryRun: options.dryRun === true,
    force: options.force === true,
  });
  await print(context, reply, formatChanges);
}

/** `delete KIND NAME [--dry-run]`. */
export async function deleteResource(
  context: Context,
  kind: string,
  name: string,
  options: { readonly dryRun?: boolean; readonly force?: boolean },
): Promise<void> {
  const body = { resources: [{ kind, name }], dryRun: options.dryRun === true, force: options.force === true };
  await print(context, await context.client.post<ResourceChangesReply>('/v1/resources/delete', body), formatChanges);
}

/** `get [KIND [NAME]] [-o table|yaml] [--explain]`. */
export async function get(
  context: Context,
  kind: string | undefined,
  name: string | undefined,
  options: { readonly output?: string; readonly explain?: boolean },
): Promise<void> {
  const reply = await context.client.get<ResourcesReply>('/v1/resources', { kind, name });
  if (name !== undefined && reply.resources.length === 0) {
    throw new CliError(ExitCode.Refused, 'not-found', `no ${kind} '${name}'`);
  }
  const format = options.explain === true ? formatFields : options.output === 'yaml' ? formatYaml : formatResources;
  await print(context, reply, format);
}

/** `export`: what is in the store, as one text that `apply` takes. */
export async function exportResources(context: Context): Promise<void> {
  const reply = await context.client.get<ResourcesReply>('/v1/resources');
  await print(context, { resources: reply.resources.filter(({ source }) => source === 'store') }, formatYaml);
}

/** `edit KIND NAME`: in the editor of the environment, again as long as what was written is refused. */
export async function edit(
  context: Context,
  kind: string,
  name: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const { resources } = await context.client.get<ResourcesReply>('/v1/resources', { kind, name });
  const [resource] = resources;
  if (resource === undefined) throw new CliError(ExitCode.Refused, 'not-found', `no ${kind} '${name}'`);
  if (resource.source !== 'store') {
    const message = `${resource.kind} ${name} is in ${resource.source}, not in the store: edit it there`;
    throw new CliError(ExitCode.Refused, 'refused', message);
  }
  const directory = mkdtempSync(join(tmpdir(), 'bgpctl-'));
  const path = join(directory, `${resource.kind}-${name.replaceAll('/', '-')}.yaml`);
  try {
    let text = resource.text;
    for (;;) {
      writeFileSync(path, text, { mode: 0o600 });
      runEditor(env['VISUAL'] || env['EDITOR'] || 'vi', path);
      const written = readFileSync(path, 'utf8');
      if (written === text) {
        await context.terminal.write('Nothing was changed.\n');
        return;
      }
      try {
        const files = [{ name: path, text: written }];
        const reply = await context.client.post<ResourceChangesReply>('/v1/resources', { files, dryRun: false });
        await print(context, reply, formatChanges);
        return;
      } catch (error) {
        if (!(error instanceof CliError) || error.code !== 'invalid-config') throw error;
        // What is wrong stands above what was written; comments are not kept.
        const lines = error.problems.map((problem) => `# ${formatProblem(problem)}\n`);
        text = `${lines.join('')}${written.replace(/^(#.*\n)*/, '')}`;
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @throws CliError when the editor cannot be run, or failed: then nothing is applied */
function runEditor(editor: string, path: string): void {
  // As git does: the variable may hold options.
  const result = spawnSync('sh', ['-c', `${editor} "$@"`, editor, path], { stdio: 'inherit' });
  if (result.status === 0) return;
  const why = result.error === undefined ? `exit code ${result.status}` : errorMessage(result.error);
  throw new CliError(ExitCode.Refused, 'refused', `${editor}: ${why}; nothing was changed`);
}

/** `-` is standard input; of a directory all its YAML and JSON files, in order of name. */
export function readFiles(path: string): { name: string; text: string }[] {
  try {
    if (path === '-') return [{ name: '(standard input)', text: readFileSync(0, 'utf8') }];
    if (!statSync(path).isDirectory()) return [{ name: path, text: readFileSync(path, 'utf8') }];
    const names = readdirSync(path).filter((name) => /\.(ya?ml|json)$/.test(name) && !name.startsWith('.'));
    return names.sort().map((name) => ({ name: join(path, name), text: readFileSync(join(path, name), 'utf8') }));
  } catch (error) {
    throw new CliError(ExitCode.Usage, 'invalid-request', `${path}: ${errorMessage(error)}`);
  }
}

const colours: Readonly<Record<ApiResourceChange['action'], Colour | undefined>> = {
  created: 'good',
  configured: 'warn',
  deleted: 'bad',
  unchanged: undefined,
};

/** One line a resource, and what changes in it. */
export function formatChanges(reply: ResourceChangesReply, style: TableStyle = {}): string {
  const hasColours = style.hasColours === true;
  const parts = reply.changes.map(({ kind, name, action, diff }) => {
    const title = paint(`${kind} ${printable(name)}: ${action}`, colours[action], hasColours);
    const lines = diff
      .split('\n')
      .filter((line) => line !== '')
      .map((line) =>
        paint(printable(line), line.startsWith('+') ? 'good' : line.startsWith('-') ? 'bad' : undefined, hasColours),
      );
    return [title, ...lines].join('\n');
  });
  const warnings = reply.warnings.map((warning) => `warning: ${formatProblem(warning)}`);
  const changed = reply.changes.filter(({ action }) => action !== 'unchanged').length;
  const end = reply.applied ? `Applied ${plural(changed, 'change')}.` : `Would apply ${plural(changed, 'change')}.`;
  return `${[...parts, ...warnings, end].join('\n')}\n`;
}

/** A line a resource. */
export function formatResources(reply: ResourcesReply, style: TableStyle = {}): string {
  if (reply.resources.length === 0) return 'No resources.\n';
  const columns: Column<ApiResource>[] = [
    { title: 'Kind', value: ({ kind }) => kind },
    { title: 'Name', value: ({ name }) => name },
    { title: 'API', value: ({ apiVersion }) => apiVersion },
    { title: 'Source', value: ({ source }) => source },
  ];
  return `${formatTable(columns, reply.resources, style)}\n${plural(reply.resources.length, 'resource')}\n`;
}

/** The resources as YAML. */
export function formatYaml(reply: ResourcesReply): string {
  return reply.resources.map(({ text }) => text).join('---\n');
}

/** Every field that was written, and how it was understood. */
export function formatFields(reply: ResourcesReply, style: TableStyle = {}): string {
  const columns: Column<ApiResource['fields'][number]>[] = [
    { title: 'Field', value: ({ path }) => path },
    { title: 'Understood as', value: ({ value }) => value },
    { title: 'Note', value: ({ note }) => note ?? '', colour: ({ note }) => (note === undefined ? undefined : 'warn') },
  ];
  return reply.resources
    .map(({ kind, name, apiVersion, source, fields }) => {
      const title = `${kind} ${printable(name)} (${apiVersion}, ${source})`;
      return fields.length === 0 ? `${title}\nNo fields.\n` : `${title}\n${formatTable(columns, fields, style)}\n`;
    })
    .join('\n');
}
