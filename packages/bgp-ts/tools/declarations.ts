import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of the package. */
export const packageDirectory = fileURLToPath(new URL('..', import.meta.url));

/** Runs the project's TypeScript compiler. @throws Error with its output if anything does not compile */
export function compile(...args: string[]): void {
  const tsc = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url));
  try {
    execFileSync(process.execPath, [tsc, ...args], { encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    throw new Error(`tsc ${args.join(' ')}: ${(error as { stdout?: string }).stdout ?? ''}`, { cause: error });
  }
}

/** One exported declaration, as the compiler emitted it. */
export interface Declaration {
  /** File under `src`, without extension. */
  readonly module: string;
  readonly name: string;
  /** Without its comment; comments on members are in it. */
  readonly text: string;
  /** The comment in front of it, empty if there is none. */
  readonly comment: string;
}

/** What a module gives on: every name, or some. */
interface Export {
  readonly module: string;
  readonly names: ReadonlySet<string> | undefined;
}

/**
 * Everything that `index.d.ts` in `directory` exports, in its order.
 * @throws Error for a form of export or declaration that is not understood: better no report than one with a hole
 */
export function exportedDeclarations(directory: string): Declaration[] {
  return collect(directory, 'index', undefined, new Set());
}

function collect(
  directory: string,
  module: string,
  wanted: ReadonlySet<string> | undefined,
  found: Set<string>,
): Declaration[] {
  const text = readFileSync(join(directory, `${module}.d.ts`), 'utf8');
  const all: Declaration[] = [];
  for (const declaration of declarationsOf(module, text)) {
    if (wanted !== undefined && !wanted.has(declaration.name)) continue;
    found.add(declaration.name);
    all.push(declaration);
  }
  for (const given of exportsOf(module, text)) {
    const names = given.names === undefined ? wanted : intersection(given.names, wanted);
    if (names?.size === 0) continue;
    const deeper = new Set<string>();
    all.push(...collect(directory, given.module, names, deeper));
    for (const name of given.names ?? []) {
      if (names?.has(name) === true && !deeper.has(name))
        throw new Error(`${module}: ${name} not found in ${given.module}`);
    }
    for (const name of deeper) found.add(name);
  }
  return all;
}

function intersection(a: ReadonlySet<string>, b: ReadonlySet<string> | undefined): ReadonlySet<string> {
  return b === undefined ? a : new Set([...a].filter((name) => b.has(name)));
}

function exportsOf(module: string, text: string): Export[] {
  const found: Export[] = [];
  const folder = module.includes('/') ? module.slice(0, module.lastIndexOf('/') + 1) : '';
  for (const [statement, list, from = ''] of text.matchAll(
    /^export (?:type )?(\*|\{[^}]*\}) from '\.\/([^']+)\.ts';$/gm,
  )) {
    if (list === undefined) throw new Error(`${module}: ${statement}`);
    const names =
      list === '*'
        ? undefined
        : new Set(
            list
              .slice(1, -1)
              .split(',')
              .map(nameIn)
              .filter((name) => name !== ''),
          );
    found.push({ module: folder + from, names });
  }
  return found;
}

function nameIn(entry: string): string {
  const name = entry.trim().replace(/^type /, '');
  if (name.includes(' ')) throw new Error(`export of ${entry}: renaming is not understood`);
  return name;
}

/** The exported declarations of a file: each begins at the start of a line, with its comment. */
function declarationsOf(module: string, text: string): Declaration[] {
  const found: Declaration[] = [];
  const parts = text.split(/^(?=\/\*\*|export |declare |import |interface |type )/m);
  let comment = '';
  for (const part of parts) {
    if (part.startsWith('/**')) {
      comment = part.trim();
      continue;
    }
    const name = /^export (?:declare )?(?:abstract )?(?:const|function|class|interface|type) (\w+)/.exec(part)?.[1];
    const isReExport = /^export (?:type )?[*{]/.test(part);
    if (name === undefined && part.startsWith('export ') && !isReExport) throw new Error(`${module}: ${part}`);
    if (name !== undefined)
      found.push({ module, name, text: part.trim().replace(/\n\/\/# sourceMapping.*/, ''), comment });
    comment = '';
  }
  return found;
}
