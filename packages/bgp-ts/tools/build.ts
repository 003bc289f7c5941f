/**
 * Makes the package as it is published, in `build/` or the folder named: TypeScript sources, JavaScript and declarations with maps back to them.
 * Inside this repository the sources are imported as they are; Node runs no TypeScript under `node_modules`, so what ships is compiled.
 * `npm run build -w bgp-ts && npm pack ./packages/bgp-ts/build`
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compile, packageDirectory } from './declarations.ts';

/** The keys of package.json that stay as they are. */
const KEPT = ['name', 'version', 'description', 'keywords', 'license', 'type', 'sideEffects'] as const;

/** Builds into `directory`, which is emptied first. @throws Error if the sources do not compile */
export function buildPackage(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  cpSync(join(packageDirectory, 'src'), join(directory, 'src'), { recursive: true });
  for (const file of ['README.md', 'LICENSE']) cpSync(join(packageDirectory, file), join(directory, file));
  writeFileSync(join(directory, 'package.json'), `${JSON.stringify(manifest(), undefined, 2)}\n`);
  const project = join(directory, 'tsconfig.json');
  const options = { rootDir: 'src', outDir: 'dist' };
  const include = ['src', join(packageDirectory, 'globals.d.ts')];
  const base = join(packageDirectory, 'tsconfig.json');
  writeFileSync(project, JSON.stringify({ extends: base, compilerOptions: options, include }));
  compile('-p', project);
  rmSync(project);
  nameDeclarationsAsBuilt(join(directory, 'dist'));
}

/** The compiler leaves `.ts` in the imports of declarations; beside them there are only `.js` and `.d.ts`. */
function nameDeclarationsAsBuilt(directory: string): void {
  for (const file of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.d.ts')) continue;
    const path = join(directory, file);
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, text.replace(/((?:from |import\()['"]\.{1,2}\/[^'"]*)\.ts(['"])/g, '$1.js$2'));
  }
}

function manifest(): object {
  const source = JSON.parse(readFileSync(join(packageDirectory, 'package.json'), 'utf8')) as Record<string, unknown>;
  return {
    ...Object.fromEntries(KEPT.map((key) => [key, source[key]])),
    exports: {
      '.': { types: './dist/index.d.ts', default: './dist/index.js' },
      './package.json': './package.json',
    },
    types: './dist/index.d.ts',
    files: ['dist', 'src'],
  };
}

if (import.meta.main) buildPackage(process.argv[2] ?? join(packageDirectory, 'build'));
