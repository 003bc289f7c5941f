import { formatIp, formatPrefix, type IpAddress, type Prefix } from 'bgp-ts';
import { printResources } from '../../config/print.ts';
import { formatPath, type Problem } from '../../config/problem.ts';
import type { AnyResource } from '../../config/resources/table.ts';
import type { ApiResource } from '../../lib/api-cluster.ts';

/** A resource with every field that was written, how it was understood, and what is said about it. */
export function apiResource(resource: AnyResource, problems: readonly Problem[]): ApiResource {
  const { kind, name, raw, spec, origin } = resource;
  const isStored = origin.file.startsWith('store: ');
  const source = isStored ? 'store' : origin.file.startsWith('registration of ') ? 'registration' : origin.file;
  const own = problems.filter(({ file, document }) => file === origin.file && document === origin.document);
  const written = kind === 'Secret' ? {} : raw['spec'];
  return {
    kind,
    name,
    apiVersion: String(raw['apiVersion']),
    source,
    text: printResources([resource], { secrets: 'hide' }),
    fields: leaves(written, []).map(({ path, value }) => {
      const text = formatPath(['spec', ...path]);
      const understood = path.reduce<unknown>(memberOf, spec);
      const note = own
        .filter((problem) => problem.path !== '' && text.startsWith(problem.path))
        .map(({ message }) => message);
      return {
        path: text,
        value: wordOf(understood) ?? wordOf(value) ?? JSON.stringify(value),
        ...(note.length === 0 ? {} : { note: note.join('; ') }),
      };
    }),
  };
}

/** Every value of a tree that has no values below it, lists of plain values as one. */
function leaves(
  value: unknown,
  path: readonly (string | number)[],
): { path: readonly (string | number)[]; value: unknown }[] {
  if (Array.isArray(value) && value.some((item) => typeof item === 'object' && item !== null)) {
    return value.flatMap((item, i) => leaves(item, [...path, i]));
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]));
  }
  return value === undefined || value === null ? [] : [{ path, value }];
}

function memberOf(at: unknown, key: string | number): unknown {
  if (typeof at !== 'object' || at === null) return undefined;
  return (at as Record<string | number, unknown>)[key];
}

/** A value of a resource in words, addresses and prefixes as people write them; nothing for what has no short form. */
function wordOf(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (Array.isArray(value)) {
    const words = value.map(wordOf);
    return words.includes(undefined) ? undefined : words.join(', ') || 'none';
  }
  if (typeof value !== 'object' || value === null) return String(value);
  if ('octets' in value && 'version' in value) return formatIp(value as IpAddress);
  if ('address' in value && 'length' in value) return formatPrefix(value as Prefix);
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  const [only] = entries;
  return entries.length === 1 && only?.[0] === 'address' ? wordOf(only[1]) : undefined;
}
