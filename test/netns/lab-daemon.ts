import { join } from 'node:path';
import { expect } from 'vitest';
import { run } from '../../bgpctl/run.ts';
import type { CommandResult, LabHost } from '../../deploy/lab/lab.ts';
import type { Podroute } from '../../deploy/lab/podroute.ts';
import type { PeerDetail, PeerSummary, PeersReply, Route } from '../../lib/api.ts';
import { waitFor } from '../support/wait-for.ts';

/** True where namespaces can be made. */
export const isRoot = process.getuid?.() === 0;

/** A route as `ip -j route` shows it. */
export interface KernelRoute {
  readonly dst: string;
  readonly type?: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly protocol?: string;
  readonly metric?: number;
  readonly nexthops?: readonly { readonly gateway?: string; readonly dev?: string }[];
}

/** A daemon, as far as bgpctl needs to know where it is. */
export type Asked = Pick<Podroute, 'runDirectory' | 'host'>;

/** Runs bgpctl in this process, whatever its exit code: the same code as the program, without the time to start one. */
export async function bgpctl(daemon: Asked, ...words: string[]): Promise<CommandResult> {
  let stdout = '';
  let stderr = '';
  const terminal = {
    async write(text: string) {
      stdout += text;
    },
    complain(text: string) {
      stderr += text;
    },
    columns: undefined,
    hasColours: false,
  };
  const status = await run(['--socket', join(daemon.runDirectory, 'podrouted.sock'), ...words], terminal, {});
  return { status, stdout, stderr };
}

/** What `bgpctl WORDS --json` prints. @throws Error when it exits non-zero */
export async function ask<T>(daemon: Asked, ...words: string[]): Promise<T> {
  const { status, stdout, stderr } = await bgpctl(daemon, ...words, '--json');
  if (status !== 0) throw new Error(`${daemon.host.name}: bgpctl ${words.join(' ')}: exit ${status}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** Everything about one peer. */
export function peerOf(daemon: Asked, name: string): Promise<PeerDetail> {
  return ask<PeerDetail>(daemon, 'show', 'peers', name);
}

/** Paths that `bgpctl show routes WORDS` lists. */
export async function routesOf(daemon: Asked, ...words: string[]): Promise<Route[]> {
  return (await ask<{ routes: Route[] }>(daemon, 'show', 'routes', ...words)).routes;
}

/** Prefixes of the paths that `bgpctl show routes WORDS` lists, sorted. */
export async function prefixesOf(daemon: Asked, ...words: string[]): Promise<string[]> {
  return (await routesOf(daemon, ...words)).map(({ prefix }) => prefix).sort();
}

/** Waits until these peers (all, when none is named) are Established. */
export function waitForPeers(daemon: Asked, ...names: string[]): Promise<PeersReply> {
  return waitForAll(daemon, names, ({ state }) => state === 'Established');
}

/** Waits until these peers have told all they have, for each family in force; not every router says so. */
export function waitForTables(daemon: Asked, ...names: string[]): Promise<PeersReply> {
  return waitForAll(
    daemon,
    names,
    ({ state, families }) =>
      state === 'Established' &&
      families.every(({ inForce, endOfRibReceived }) => !inForce || endOfRibReceived === true),
  );
}

function waitForAll(
  daemon: Asked,
  names: readonly string[],
  isDone: (peer: PeerSummary) => boolean,
): Promise<PeersReply> {
  const look = async (): Promise<PeersReply> => {
    const reply = await ask<PeersReply>(daemon, 'show', 'peers');
    const wanted = reply.peers.filter(({ name }) => names.length === 0 || names.includes(name));
    const missing = wanted.filter((peer) => !isDone(peer));
    if (missing.length > 0 || wanted.length < names.length || wanted.length === 0) {
      const seen = (missing.length > 0 ? missing : reply.peers).map(({ name, state, lastError }) => {
        return `${name} ${state} ${lastError ?? ''}`;
      });
      throw new Error(seen.join('; '));
    }
    return reply;
  };
  return waitFor(`peers of ${daemon.host.name}: ${names.join(', ') || 'all'}`, look, 20_000);
}

/** The kernel's routes of one family in a host; `selector` as `ip route show` takes it. */
export function kernelRoutes(host: LabHost, version: 4 | 6, selector = 'proto 177'): KernelRoute[] {
  const all = host.ipJson<KernelRoute>(`-${version} route show ${selector}`);
  return all.filter(({ dst }) => !dst.startsWith('ff00::/8'));
}

/** The kernel's route for one destination with our protocol number, if there is one that forwards. */
export function kernelRoute(host: LabHost, dst: string): KernelRoute | undefined {
  const found = kernelRoutes(host, dst.includes(':') ? 6 : 4, `exact ${dst} proto 177`);
  const route = found.find(({ type }) => type === undefined || type === 'unicast');
  // An IPv6 route by way of a nexthop group of one is shown as a list of one.
  const [only, ...others] = route?.nexthops ?? [];
  return route === undefined || only === undefined || others.length > 0 ? route : { ...route, ...only };
}

/** Waits until the kernel has a forwarding route of ours for `dst`, with that gateway where one is named. */
export function waitForRoute(host: LabHost, dst: string, gateway?: string): Promise<KernelRoute> {
  return waitFor(`${dst} in the kernel of ${host.name}${gateway === undefined ? '' : ` via ${gateway}`}`, () => {
    const route = kernelRoute(host, dst);
    if (gateway !== undefined && route?.gateway !== gateway) throw new Error(JSON.stringify(route));
    return route;
  });
}

/** Waits until the kernel has no forwarding route of ours for `dst`. */
export async function waitForNoRoute(host: LabHost, dst: string): Promise<void> {
  await waitFor(`${dst} out of the kernel of ${host.name}`, () => {
    const route = kernelRoute(host, dst);
    if (route !== undefined) throw new Error(JSON.stringify(route));
    return true;
  });
}

/** A configuration file of these resources. JSON is YAML too. */
export function yaml(...documents: readonly object[]): string {
  return `${documents.map((document) => JSON.stringify(document, undefined, 1)).join('\n---\n')}\n`;
}

/** One resource of podroute's own kinds. */
export function resource(kind: string, name: string, spec: object): object {
  return { apiVersion: 'podroute.io/v1', kind, metadata: { name }, spec };
}

/** One resource of Calico's kinds. */
export function calico(kind: string, name: string, spec: object): object {
  return { apiVersion: 'projectcalico.org/v3', kind, metadata: { name }, spec };
}

/** Fails if a daemon's log tells of a bug or of an end that nobody asked for. */
export function expectNoBugs(...daemons: readonly Podroute[]): void {
  for (const { host, process } of daemons) {
    const lines = process.log().split('\n');
    const bad = lines.filter((line) => /"level":"error".*"msg":"(bug|api|stop failed|start failed)"/.test(line));
    expect(bad, `${host.name}: ${bad.join('\n')}`).toEqual([]);
  }
}
