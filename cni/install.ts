import { copyFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../lib/whole-file.ts';

/** Where runtimes look unless told otherwise. */
export const defaultBinDirectory = '/opt/cni/bin';
export const defaultConfDirectory = '/etc/cni/net.d';
/** Sorts before what most other plugins install, and runtimes take the first. */
export const defaultConfName = '10-podroute.conflist';

/** Where the plugin goes. */
export interface InstallPlace {
  readonly binDirectory?: string;
  readonly confDirectory?: string;
  readonly confName?: string;
}

/** What to install. */
export interface InstallOptions extends InstallPlace {
  /** The built plugin. */
  readonly plugin: string;
  /** Octets; detected by the daemon when absent. */
  readonly mtu?: number;
  /** Whether to chain the reference plugin `portmap` for hostPort. Default: if it is in the bin directory. */
  readonly portmap?: boolean;
}

/** What was put where. */
export interface Installed {
  readonly plugin: string;
  readonly conf: string;
}

/**
 * The network configuration as installed. Version 1.0.0: containerd 1.7 cannot take a later one, and the plugin answers
 * every version all the same.
 */
export function conflist(options: { readonly mtu?: number; readonly portmap: boolean }): Record<string, unknown> {
  const podroute = {
    type: 'podroute',
    ...(options.mtu === undefined ? {} : { mtu: options.mtu }),
    capabilities: { ips: true },
  };
  const portmap = { type: 'portmap', snat: true, capabilities: { portMappings: true } };
  return { cniVersion: '1.0.0', name: 'podroute', plugins: options.portmap ? [podroute, portmap] : [podroute] };
}

/**
 * Puts plugin and network configuration on the host. Each file appears whole or not at all, also over a running one: it
 * is written beside its place and renamed (a rename from another directory goes unnoticed by containerd 1.6). The
 * configuration comes last, since a runtime calls the plugin as soon as it sees it.
 * @throws Error when a file cannot be written; what was there before is still there then
 */
export function installCni(options: InstallOptions): Installed {
  const binDirectory = options.binDirectory ?? defaultBinDirectory;
  const place = placeOf(options);
  const portmap = options.portmap ?? existsSync(join(binDirectory, 'portmap'));
  const conf = conflist({ portmap, ...(options.mtu === undefined ? {} : { mtu: options.mtu }) });
  replaceFile(place.plugin, 0o755, (path) => copyFileSync(options.plugin, path));
  replaceFile(place.conf, 0o644, `${JSON.stringify(conf, null, 2)}\n`);
  return place;
}

/**
 * Takes away what {@link installCni} put there, the configuration first. A file that is not ours stays. May be called
 * when nothing is there.
 * @returns the paths removed
 */
export function uninstallCni(options: InstallPlace = {}): string[] {
  const place = placeOf(options);
  const removed: string[] = [];
  if (isOurConf(place.conf)) removed.push(place.conf);
  if (existsSync(place.plugin)) removed.push(place.plugin);
  for (const path of removed) rmSync(path, { force: true });
  return removed;
}

function placeOf(options: InstallPlace): Installed {
  return {
    plugin: join(options.binDirectory ?? defaultBinDirectory, 'podroute'),
    conf: join(options.confDirectory ?? defaultConfDirectory, options.confName ?? defaultConfName),
  };
}

function isOurConf(path: string): boolean {
  try {
    const conf: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof conf !== 'object' || conf === null || !('plugins' in conf) || !Array.isArray(conf.plugins)) return false;
    const [first] = conf.plugins as readonly unknown[];
    return typeof first === 'object' && first !== null && 'type' in first && first.type === 'podroute';
  } catch {
    return false;
  }
}
