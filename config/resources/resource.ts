import { z } from 'zod';
import { isRawMap, type Origin, type RawMap, type RawResource, Reporter } from '../document.ts';
import { didYouMean, type Problem } from '../problem.ts';
import type { Labels } from '../selector.ts';
import { listWords, show } from '../values.ts';

/**
 * Whose rules hold for a resource: `calico` for Calico's API groups (unknown fields are warned about, Calico's defaults and policy
 * semantics), `podroute` for our own (unknown fields are refused), `kubernetes` for core kinds (only what is needed is read).
 */
export type Dialect = 'calico' | 'podroute' | 'kubernetes';

/** A resource that was read: its spec checked, defaults and values filled in. */
export interface Resource<Kind extends string = string, Spec = unknown> {
  readonly dialect: Dialect;
  readonly kind: Kind;
  readonly name: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly spec: Spec;
  /** As it was written, for printing. */
  readonly raw: RawMap;
  readonly origin: Origin;
}

/** How one kind is read in one dialect. */
export interface KindDefinition<Kind extends string, Spec> {
  readonly kind: Kind;
  /** Schema of the whole `spec` (for Secret: of the document). */
  readonly spec: z.ZodType<Spec>;
  /** The part that `spec` describes: `spec`, or the whole document. */
  readonly at?: 'spec' | 'document';
  /** Rules between fields, run over what was written, so that they report together with what the schema reports. */
  readonly rules?: (raw: RawMap, report: Reporter, dialect: Dialect) => void;
}

/** `NAME` as Kubernetes allows it: lower case letters, digits, `-` and `.`. */
const NAME = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/;

/** Reads one resource by its definition; all problems at once. The resource is absent if there are errors. */
export function readResource<Kind extends string, Spec>(
  raw: RawResource,
  definition: KindDefinition<Kind, Spec>,
  dialect: Dialect,
): { resource: Resource<Kind, Spec> | undefined; problems: Problem[] } {
  const { value, origin } = raw;
  const metadata = isRawMap(value['metadata']) ? value['metadata'] : {};
  const name = typeof metadata['name'] === 'string' ? metadata['name'] : '';
  const report = new Reporter(origin, name === '' ? definition.kind : `${definition.kind} ${name}`);
  if (name === '') report.error(['metadata', 'name'], 'is missing');
  else if (!NAME.test(name)) {
    report.error(['metadata', 'name'], `${show(name)}: must be lower case letters, digits, "-" and "."`);
  }
  if (dialect === 'podroute') checkEnvelope(value, report);
  const base = definition.at === 'document' ? [] : ['spec'];
  const asWritten = base.length === 0 ? value : (value['spec'] ?? {});
  // Calico's API leaves empty texts out of what it stores, so "" means "not set" there
  const written = dialect === 'calico' ? withoutEmptyTexts(asWritten) : asWritten;
  const spec = readSpec(written, base, definition.spec, dialect, report);
  if (isRawMap(written)) definition.rules?.(written, report, dialect);
  const problems = report.problems;
  if (spec === undefined || problems.some((problem) => problem.severity === 'error')) {
    return { resource: undefined, problems };
  }
  const labels = texts(metadata['labels']);
  const annotations = texts(metadata['annotations']);
  const { kind } = definition;
  return { resource: { dialect, kind, name, labels, annotations, spec, raw: value, origin }, problems };
}

const ENVELOPE = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];

function checkEnvelope(value: RawMap, report: Reporter): void {
  for (const key of Object.keys(value)) {
    if (!ENVELOPE.includes(key)) report.error([key], unknownField(key, ENVELOPE));
  }
}

function unknownField(key: string, candidates: readonly string[]): string {
  const meant = didYouMean(key, candidates);
  return `unknown field${meant === undefined ? '' : `; did you mean ${meant}?`}`;
}

/** The spec, or nothing after errors. Unknown fields are taken out and reported, then the rest is read. */
function readSpec<Spec>(
  written: unknown,
  base: readonly string[],
  schema: z.ZodType<Spec>,
  dialect: Dialect,
  report: Reporter,
): Spec | undefined {
  let value = written;
  let result = schema.safeParse(value);
  const unknown = result.success ? [] : result.error.issues.filter((issue) => issue.code === 'unrecognized_keys');
  for (const issue of unknown) {
    for (const key of issue.keys) {
      const path = [...base, ...issue.path, key];
      if (dialect === 'podroute') report.error(path, unknownField(key, keysAt(schema, issue.path)));
      else if (dialect === 'calico') report.warn(path, `${unknownField(key, keysAt(schema, issue.path))}, ignored`);
      value = withoutKey(value, [...issue.path, key]);
    }
  }
  if (unknown.length > 0) result = schema.safeParse(value);
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    report.error([...base, ...issue.path], issueMessage(issue, valueAt(value, issue.path)));
  }
  return undefined;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
};

function issueMessage(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case 'custom':
      return value === undefined && issue.message.startsWith('undefined: ') ? 'is missing' : issue.message;
    case 'invalid_type':
      if (value === undefined) return 'is missing';
      return `${show(value)}: must be ${TYPE_NAMES[issue.expected] ?? issue.expected}`;
    case 'too_big':
      return `has too many entries: at most ${issue.maximum} are allowed`;
    case 'too_small':
      return `has too few entries: at least ${issue.minimum} needed`;
    case 'invalid_value':
      return `${show(value)}: must be ${listWords(issue.values.map(String))}`;
    default:
      return issue.message;
  }
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const key of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Record<PropertyKey, unknown>)[key];
  }
  return at;
}

function withoutEmptyTexts(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmptyTexts);
  if (!isRawMap(value)) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== '');
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutEmptyTexts(inner)]));
}

function withoutKey(value: unknown, path: readonly PropertyKey[]): unknown {
  const [key, ...rest] = path;
  if (key === undefined || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item, i) => (i === key ? withoutKey(item, rest) : item));
  if (rest.length > 0) {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, k === key ? withoutKey(v, rest) : v]));
  }
  return Object.fromEntries(Object.entries(value).filter(([k]) => k !== key));
}

/** The field names that a schema knows at a path. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: z.core.$ZodType = unwrap(schema);
  for (const key of path) {
    if (at instanceof z.ZodArray) at = unwrap(at.element);
    else if (at instanceof z.ZodObject) {
      const inner = (at.shape as Record<PropertyKey, z.core.$ZodType | undefined>)[key];
      if (inner === undefined) return [];
      at = unwrap(inner);
    } else return [];
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  let at = schema;
  for (;;) {
    if (at instanceof z.ZodOptional || at instanceof z.ZodDefault || at instanceof z.ZodNullable) at = at.def.innerType;
    else if (at instanceof z.ZodPipe) at = at.def.in instanceof z.ZodTransform ? at.def.out : at.def.in;
    else return at;
  }
}

function texts(value: unknown): Labels {
  if (!isRawMap(value)) return {};
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => (typeof inner === 'string' ? [[key, inner] as const] : [])),
  );
}

/** True if a field was written (and not null). */
export function isSet(raw: RawMap, key: string): boolean {
  return raw[key] !== undefined;
}

/** Refuses fields that exclude each other. */
export function atMostOne(
  raw: RawMap,
  report: Reporter,
  keys: readonly string[],
  base: readonly PropertyKey[] = ['spec'],
): void {
  const written = keys.filter((key) => isSet(raw, key));
  for (const key of written.slice(1)) report.error([...base, key], `cannot be set together with ${written[0]}`);
}
