import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { currentDeclarations, renderReport, reportPath } from '../tools/api-report.ts';
import { buildPackage } from '../tools/build.ts';
import { compile, packageDirectory } from '../tools/declarations.ts';

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

const BROWSER = fileURLToPath(new URL('support/run-in-vm.mjs', import.meta.url));
let directory: string;
let packed: Packed;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'bgp-ts-pack-'));
  buildPackage(join(directory, 'build'));
  const npm = ['pack', './build', '--json', '--ignore-scripts', '--offline'];
  const output = execFileSync('npm', npm, { cwd: directory, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  // One npm answers with a list, a later one with an object by name.
  const answer = JSON.parse(output) as Packed[] | Record<string, Packed>;
  packed = Object.values(answer)[0] as Packed;
  const installed = join(directory, 'user/node_modules/bgp-ts');
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['xzf', join(directory, packed.filename), '-C', installed, '--strip-components=1']);
}, 60_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Source files without `src/` and extension. */
function modules(): string[] {
  const files = readdirSync(join(packageDirectory, 'src'), { recursive: true, encoding: 'utf8' });
  return files.filter((file) => file.endsWith('.ts')).map((file) => file.slice(0, -3));
}

describe('npm pack', () => {
  test('holds sources, JavaScript, declarations and their maps, and nothing else', () => {
    const compiled = ['.js', '.js.map', '.d.ts', '.d.ts.map'];
    const expected = [
      'LICENSE',
      'README.md',
      'package.json',
      ...modules().flatMap((module) => [`src/${module}.ts`, ...compiled.map((end) => `dist/${module}${end}`)]),
    ];
    expect(packed.files.map(({ path }) => path).sort()).toEqual(expected.sort());
  });

  test('its manifest: no dependency, no script, ES modules with types', () => {
    const manifest = JSON.parse(readFileSync(join(directory, 'build/package.json'), 'utf8')) as Record<string, unknown>;
    const source = JSON.parse(readFileSync(join(packageDirectory, 'package.json'), 'utf8')) as Record<string, unknown>;
    expect(manifest).toEqual({
      name: 'bgp-ts',
      version: source['version'],
      description: source['description'],
      keywords: source['keywords'],
      license: 'Apache-2.0',
      type: 'module',
      sideEffects: false,
      exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' }, './package.json': './package.json' },
      types: './dist/index.d.ts',
      files: ['dist', 'src'],
    });
  });

  test('Node runs it where it is installed', () => {
    const program = "import { formatIp, ip } from 'bgp-ts'; process.stdout.write(formatIp(ip('2001:db8:0:0::1')));";
    const flags = ['--input-type=module', '-e', program];
    expect(execFileSync(process.execPath, flags, { cwd: join(directory, 'user'), encoding: 'utf8' })).toBe(
      '2001:db8::1',
    );
  });

  test.each([
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ])('its types hold for a program with module %s and resolution %s', (module, moduleResolution) => {
    const user = join(directory, 'user');
    writeFileSync(join(user, 'package.json'), '{ "type": "module" }');
    writeFileSync(
      join(user, 'user.ts'),
      `import { encodeUpdate, defaultContext, ip, prefix, type MpReach } from 'bgp-ts';
const nlri = [{ prefix: prefix('2001:db8::/32') }];
const mpReach: MpReach = { afi: 2, safi: 1, family: 'ipv6-unicast', nextHop: ip('2001:db8::1'), nlri };
export const octets: Uint8Array = encodeUpdate({ attributes: { origin: 0, asPath: [] }, mpReach }, defaultContext);
// @ts-expect-error IPv6 in the NLRI field
encodeUpdate({ nlri }, defaultContext);
`,
    );
    const compilerOptions = { module, moduleResolution, strict: true, noEmit: true, types: [], lib: ['es2024', 'dom'] };
    writeFileSync(join(user, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['user.ts'] }));
    expect(() => compile('-p', user)).not.toThrow();
  });

  test('runs where there is nothing of Node: a context with the Encoding Standard alone', () => {
    const output = execFileSync(process.execPath, ['--experimental-vm-modules', '--no-warnings', BROWSER], {
      cwd: join(directory, 'build/dist'),
      encoding: 'utf8',
    });
    expect(output).toBe('an UPDATE of 54 octets: 198.51.100.0/24; Cease/Administrative Shutdown: "maintenance"');
  });
});

describe('public API', () => {
  const declarations = currentDeclarations();

  test('is as the report says', () => {
    const advice = 'the public API changed: run `npm run api -w bgp-ts` and commit packages/bgp-ts/api.txt';
    expect(readFileSync(reportPath, 'utf8') === renderReport(declarations), advice).toBe(true);
  });

  test('every name has a docstring', () => {
    const documented = new Set(declarations.filter(({ comment }) => comment !== '').map(({ name }) => name));
    const bare = declarations
      .filter(({ name }) => !documented.has(name))
      .map(({ module, name }) => `${module} ${name}`);
    expect(bare).toEqual([]);
  });
});
