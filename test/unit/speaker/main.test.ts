import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
let directory: string;
beforeAll(() => {
  execFileSync('sh', ['native/build.sh'], { cwd: root, stdio: 'ignore' });
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podroute-main-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const podrouted = (...words: string[]) =>
  spawnSync(join(root, 'deploy/bin/podrouted'), words, { encoding: 'utf8', timeout: 15_000 });
const places = () => ['--cni-bin-dir', join(directory, 'bin'), '--cni-conf-dir', join(directory, 'net.d')];

test('--install-cni puts plugin and network configuration in place, --uninstall-cni takes both away', () => {
  const installed = podrouted('--install-cni', ...places());
  expect(installed.status, installed.stderr).toBe(0);
  const plugin = join(directory, 'bin/podroute');
  const conf = join(directory, 'net.d/10-podroute.conflist');
  expect(installed.stdout).toBe(`installed ${plugin}\ninstalled ${conf}\n`);
  expect(statSync(plugin).mode & 0o777).toBe(0o755);
  expect(JSON.parse(readFileSync(conf, 'utf8'))).toMatchObject({ name: 'podroute', plugins: [{ type: 'podroute' }] });
  // Nothing half written stays beside them, and again is the same.
  expect(podrouted('--install-cni', ...places()).status).toBe(0);
  expect([readdirSync(join(directory, 'bin')), readdirSync(join(directory, 'net.d'))]).toEqual([
    ['podroute'],
    ['10-podroute.conflist'],
  ]);
  const removed = podrouted('--uninstall-cni', ...places());
  expect(removed.stdout.split('\n').sort()).toEqual(['', `removed ${plugin}`, `removed ${conf}`].sort());
  expect([existsSync(plugin), existsSync(conf)]).toEqual([false, false]);
  expect(podrouted('--uninstall-cni', ...places()).stdout).toBe('nothing of podroute is there\n');
});

test('a configuration of somebody else under the same name stays', () => {
  mkdirSync(join(directory, 'net.d'));
  const conf = join(directory, 'net.d/10-podroute.conflist');
  writeFileSync(conf, '{"name":"other","plugins":[{"type":"bridge"}]}');
  podrouted('--uninstall-cni', ...places());
  expect(existsSync(conf)).toBe(true);
});

test('a place that cannot be written is told', () => {
  writeFileSync(join(directory, 'bin'), 'a file');
  const result = podrouted('--install-cni', ...places());
  expect(result.status).toBe(1);
  expect(result.stderr).toMatch(/^podrouted: .*bin/);
});

test('without a configuration nothing starts', () => {
  const result = podrouted();
  expect(result.status).toBe(2);
  expect(result.stderr).toContain("'-c, --config <path>'");
});
