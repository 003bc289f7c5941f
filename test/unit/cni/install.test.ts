import {
  chmodSync,
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
import { afterEach, beforeEach, expect, test } from 'vitest';
import { defaultConfName, installCni, uninstallCni } from '../../../cni/install.ts';
import { parseRequest } from '../../../cni/request.ts';
import { rawRequest } from '../../support/cni-request.ts';

let directory: string;
let place: { binDirectory: string; confDirectory: string };
let plugin: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podroute-install-'));
  place = { binDirectory: join(directory, 'opt/cni/bin'), confDirectory: join(directory, 'etc/cni/net.d') };
  plugin = join(directory, 'podroute');
  writeFileSync(plugin, '#!/bin/sh\necho one\n', { mode: 0o600 });
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

function conf(): { plugins: Record<string, unknown>[]; cniVersion: string; name: string } {
  return JSON.parse(readFileSync(join(place.confDirectory, defaultConfName), 'utf8')) as ReturnType<typeof conf>;
}

test('puts an executable plugin and a configuration in place, and nothing else', () => {
  const installed = installCni({ ...place, plugin, mtu: 1450 });
  expect(installed).toEqual({
    plugin: join(place.binDirectory, 'podroute'),
    conf: join(place.confDirectory, '10-podroute.conflist'),
  });
  expect(statSync(installed.plugin).mode & 0o777).toBe(0o755);
  expect(statSync(installed.conf).mode & 0o777).toBe(0o644);
  expect(readdirSync(place.binDirectory)).toEqual(['podroute']);
  expect(readdirSync(place.confDirectory)).toEqual(['10-podroute.conflist']);
  expect(conf()).toEqual({
    cniVersion: '1.0.0',
    name: 'podroute',
    plugins: [{ type: 'podroute', mtu: 1450, capabilities: { ips: true } }],
  });
});

test('the configuration is one that the plugin takes', () => {
  installCni({ ...place, plugin });
  const { cniVersion, name, plugins } = conf();
  const stdin = JSON.stringify({ cniVersion, name, ...plugins[0] });
  const call = { command: 'ADD', containerId: 'a', ifName: 'eth0', netns: '/run/netns/a', stdin };
  expect(parseRequest(rawRequest(call))).toMatchObject({ config: { name: 'podroute', version: '1.0.0' } });
});

test('chains portmap where it is installed', () => {
  mkdirSync(place.binDirectory, { recursive: true });
  writeFileSync(join(place.binDirectory, 'portmap'), '');
  installCni({ ...place, plugin });
  expect(conf().plugins.map((entry) => entry['type'])).toEqual(['podroute', 'portmap']);
  installCni({ ...place, plugin, portmap: false });
  expect(conf().plugins.map((entry) => entry['type'])).toEqual(['podroute']);
});

test('an upgrade replaces the file and leaves the running one alone', () => {
  const installed = installCni({ ...place, plugin });
  const before = statSync(installed.plugin).ino;
  writeFileSync(plugin, '#!/bin/sh\necho two\n');
  installCni({ ...place, plugin });
  expect(statSync(installed.plugin).ino).not.toBe(before);
  expect(readFileSync(installed.plugin, 'utf8')).toContain('two');
});

test('a failure leaves what was there and no temporary file', () => {
  installCni({ ...place, plugin });
  expect(() => installCni({ ...place, plugin: join(directory, 'none') })).toThrow(/ENOENT/);
  expect(readdirSync(place.binDirectory)).toEqual(['podroute']);
  rmSync(join(place.confDirectory, defaultConfName));
  mkdirSync(join(place.confDirectory, defaultConfName));
  expect(() => installCni({ ...place, plugin })).toThrow();
  expect(readdirSync(place.confDirectory)).toEqual([defaultConfName]);
});

test('removal takes both away, twice is fine, and a configuration of others stays', () => {
  const installed = installCni({ ...place, plugin });
  expect(uninstallCni(place)).toEqual([installed.conf, installed.plugin]);
  expect(existsSync(installed.conf) || existsSync(installed.plugin)).toBe(false);
  expect(uninstallCni(place)).toEqual([]);
  for (const text of ['{"plugins":[{"type":"bridge"}]}', '{"type":"bridge"}', 'no JSON', '[]']) {
    writeFileSync(installed.conf, text);
    chmodSync(installed.conf, 0o600);
    expect(uninstallCni(place)).toEqual([]);
    expect(readFileSync(installed.conf, 'utf8')).toBe(text);
  }
});
