import { type Document, isNode, LineCounter, parseAllDocuments } from 'yaml';
import { formatPath, type Problem } from './problem.ts';

/** A mapping as YAML or JSON gives it. */
export type RawMap = Readonly<Record<string, unknown>>;

/** One resource as it was written, and where. Values that are null count as not there, as in Kubernetes. */
export interface RawResource {
  readonly value: RawMap;
  readonly origin: Origin;
}

/** Where a resource was written. */
export interface Origin {
  readonly file: string;
  /** Document in the file, from 1. */
  readonly document: number;
  /** Line of a path inside the resource, or of the nearest thing around it. */
  lineOf(path: readonly PropertyKey[]): number | undefined;
}

/** Reads all resources of a YAML text; a `List` of Kubernetes counts as the resources in it. */
export function parseDocuments(file: string, text: string): { resources: RawResource[]; problems: Problem[] } {
  const lineCounter = new LineCounter();
  const resources: RawResource[] = [];
  const problems: Problem[] = [];
  const documents = parseAllDocuments(text, { lineCounter, prettyErrors: false, uniqueKeys: true });
  if (!Array.isArray(documents)) return { resources, problems };
  for (const [index, document] of documents.entries()) {
    const number = index + 1;
    for (const { message, pos } of [...document.errors, ...document.warnings]) {
      const line = lineCounter.linePos(pos[0]).line;
      problems.push({
        severity: 'error',
        file,
        document: number,
        line,
        path: '',
        message: `not valid YAML: ${message}`,
      });
    }
    if (document.errors.length > 0) continue;
    let value: unknown;
    try {
      value = withoutNulls(document.toJS({ maxAliasCount: 100 }));
    } catch (thrown) {
      const message = `not valid YAML: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
      problems.push({ severity: 'error', file, document: number, path: '', message });
      continue;
    }
    if (value === undefined) continue; // only comments, or nothing between two separators
    if (!isRawMap(value)) {
      const line = lineOf(document, lineCounter, []);
      const message = 'must be a resource: a mapping with apiVersion, kind, metadata and spec';
      problems.push({ severity: 'error', file, document: number, line, path: '', message });
      continue;
    }
    collect(value, [], document, resources, { file, number, lineCounter });
  }
  return { resources, problems };
}

/** Reads what a store holds, one resource as JSON; a text that somebody put there in another way is read like a file. */
export function parseStored(file: string, text: string): { resources: RawResource[]; problems: Problem[] } {
  let value: unknown;
  try {
    value = withoutNulls(JSON.parse(text));
  } catch {
    return parseDocuments(file, text);
  }
  if (!isRawMap(value)) return parseDocuments(file, text);
  return { resources: [{ value, origin: { file, document: 1, lineOf: () => undefined } }], problems: [] };
}

/** True for a mapping, false for lists and scalars. */
export function isRawMap(value: unknown): value is RawMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

interface DocumentContext {
  readonly file: string;
  readonly number: number;
  readonly lineCounter: LineCounter;
}

function collect(
  value: RawMap,
  base: readonly PropertyKey[],
  document: Document,
  resources: RawResource[],
  context: DocumentContext,
): void {
  const { items, kind } = value;
  if (typeof kind === 'string' && kind.endsWith('List') && Array.isArray(items)) {
    for (const [i, item] of items.entries()) {
      if (!isRawMap(item)) continue;
      // lists of one kind may leave kind and apiVersion of their items out
      const complete = {
        apiVersion: value['apiVersion'],
        ...(kind === 'List' ? {} : { kind: kind.slice(0, -'List'.length) }),
        ...item,
      };
      collect(complete, [...base, 'items', i], document, resources, context);
    }
    return;
  }
  const origin: Origin = {
    file: context.file,
    document: context.number,
    lineOf: (path) => lineOf(document, context.lineCounter, [...base, ...path]),
  };
  resources.push({ value, origin });
}

/** Line of the deepest part of the path that is there; the key's line where it is a mapping's entry. */
function lineOf(document: Document, lineCounter: LineCounter, path: readonly PropertyKey[]): number | undefined {
  for (let length = path.length; length >= 0; length--) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return lineCounter.linePos(node.range[0]).line;
  }
  return undefined;
}

function withoutNulls(value: unknown): unknown {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isRawMap(value)) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, withoutNulls(inner)] as const);
  return Object.fromEntries(entries.filter(([, inner]) => inner !== undefined));
}

/** Collects the problems of one resource; paths become text and lines. */
export class Reporter {
  readonly problems: Problem[] = [];
  readonly #origin: Origin;
  readonly #resource: string;

  constructor(origin: Origin, resource: string) {
    this.#origin = origin;
    this.#resource = resource;
  }

  error(path: readonly PropertyKey[], message: string): void {
    this.#report('error', path, message);
  }

  warn(path: readonly PropertyKey[], message: string): void {
    this.#report('warning', path, message);
  }

  #report(severity: 'error' | 'warning', path: readonly PropertyKey[], message: string): void {
    const { file, document } = this.#origin;
    const line = this.#origin.lineOf(path);
    this.problems.push({ severity, file, document, resource: this.#resource, line, path: formatPath(path), message });
  }
}
