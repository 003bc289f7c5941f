import type { RawRequest } from '../../cni/frame.ts';

/** What a runtime would hand to the plugin; everything can be replaced. */
export interface CniCall {
  readonly command: string;
  readonly containerId?: string;
  readonly ifName?: string;
  readonly netns?: string;
  readonly args?: string;
  /** Keys of the network configuration beside `cniVersion` and `name`. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly version?: string;
  /** Instead of a configuration. */
  readonly stdin?: string;
}

/** The environment of a call. */
export function cniEnvironment(call: CniCall): Record<string, string> {
  const entries: [string, string | undefined][] = [
    ['CNI_COMMAND', call.command],
    ['CNI_CONTAINERID', call.containerId],
    ['CNI_IFNAME', call.ifName],
    ['CNI_NETNS', call.netns],
    ['CNI_ARGS', call.args],
    ['CNI_PATH', '/opt/cni/bin'],
  ];
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** The standard input of a call. */
export function cniStdin(call: CniCall): string {
  if (call.stdin !== undefined) return call.stdin;
  return JSON.stringify({ cniVersion: call.version ?? '1.0.0', name: 'podroute', type: 'podroute', ...call.config });
}

/** A call as the daemon receives it. */
export function rawRequest(call: CniCall): RawRequest {
  return { environment: new Map(Object.entries(cniEnvironment(call))), stdin: cniStdin(call) };
}
