import { type IpAddress, isLinkLocal, isLoopback, isMulticast, isUnspecified, parseIp } from 'bgp-ts';
import { z } from 'zod';
import { errorMessage } from '../lib/result.ts';
import type { RawRequest } from './frame.ts';
import type { AttachmentKey } from './ipam/store.ts';
import {
  atLeast,
  CniCode,
  CniCommand,
  CniError,
  type CniVersion,
  commandSince,
  isCommand,
  isSupportedVersion,
  type PreviousResult,
  supportedVersions,
} from './spec.ts';

/** The part of a network configuration that every command reads; keys we do not know are the runtime's and let through. */
export interface NetworkConfig {
  readonly version: CniVersion;
  readonly name: string;
  /** GC: what the runtime still knows. */
  readonly validAttachments?: readonly AttachmentKey[];
}

/** The part that ADD and CHECK read as well. DEL does not, so that a pod refused for it can be deleted. */
export interface AttachConfig extends NetworkConfig {
  /** Octets. */
  readonly mtu?: number;
  /** Whether the pod's default routes go through the interface. Default true. */
  readonly defaultRoutes: boolean;
  /** Addresses that `runtimeConfig.ips` or `args.cni.ips` ask for. */
  readonly wanted: readonly IpAddress[];
  readonly dns: Readonly<Record<string, unknown>>;
  readonly previous?: PreviousResult;
}

/** ADD and CHECK: a container with a namespace. */
export interface AttachRequest extends AttachmentKey {
  readonly command: typeof CniCommand.Add | typeof CniCommand.Check;
  readonly netns: string;
  readonly podNamespace?: string;
  readonly podName?: string;
  readonly wanted: readonly IpAddress[];
  readonly config: AttachConfig;
}

/** DEL: by container id, whatever else is still there. */
export interface DetachRequest {
  readonly command: typeof CniCommand.Del;
  readonly containerId: string;
  /** Nothing: every interface of the container. */
  readonly ifName?: string;
  readonly config: NetworkConfig;
}

/** GC and STATUS: about the node. */
export interface NodeRequest {
  readonly command: typeof CniCommand.Gc | typeof CniCommand.Status;
  readonly config: NetworkConfig;
}

/** VERSION. */
export interface VersionRequest {
  readonly command: typeof CniCommand.Version;
  readonly asked?: string;
}

/** A request whose names and paths have been checked. */
export type CniRequest = AttachRequest | DetachRequest | NodeRequest | VersionRequest;

// Structures as the specification has them; what another plugin may add is let through.
const looseObject = z.record(z.string(), z.unknown());
const listOf = (item: z.ZodType<Record<string, unknown>>) => z.array(item).nullish();
const attachmentList = z.array(z.looseObject({ containerID: z.string(), ifname: z.string() })).nullish();
const networkSchema = z.looseObject({
  cniVersion: z.string().default('0.1.0'),
  name: z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, 'must be letters, digits, "_", "." and "-"'),
  'cni.dev/valid-attachments': attachmentList,
  // The name that the text of the specification used first; libcni sends both.
  'cni.dev/attachments': attachmentList,
});
const attachSchema = z.looseObject({
  type: z.string().default('podroute'),
  mtu: z.number().int().min(0).max(65_535).optional(),
  include_default_routes: z.boolean().default(true),
  ipMasq: z.boolean().default(false),
  ipam: z.looseObject({ type: z.string().optional() }).nullish(),
  runtimeConfig: z.looseObject({ ips: z.array(z.string()).nullish() }).nullish(),
  args: z.looseObject({ cni: z.looseObject({ ips: z.array(z.string()).nullish() }).nullish() }).nullish(),
  dns: looseObject.nullish(),
  prevResult: z
    .looseObject({
      interfaces: listOf(looseObject),
      ips: listOf(looseObject),
      routes: listOf(looseObject),
      dns: looseObject.nullish(),
    })
    .nullish(),
});

/**
 * Checks a request and gives it its type. Nothing of it is used before.
 * @throws CniError with the specification's code for what is wrong
 */
export function parseRequest(raw: RawRequest): CniRequest {
  const command = required(raw, 'CNI_COMMAND');
  if (!isCommand(command)) throw invalidEnvironment(`CNI_COMMAND=${command}: not a CNI command`);
  if (command === CniCommand.Version) {
    const asked = versionOf(raw);
    return asked === undefined ? { command } : { command, asked };
  }
  const json = parseJson(raw.stdin);
  const config = parseNetworkConfig(json);
  if (!atLeast(config.version, commandSince[command])) {
    throw new CniError(
      CniCode.IncompatibleVersion,
      `${command} exists since CNI ${commandSince[command]}, the network configuration says ${config.version}`,
    );
  }
  switch (command) {
    case CniCommand.Gc:
    case CniCommand.Status:
      return { command, config };
    case CniCommand.Del: {
      const containerId = parseContainerId(required(raw, 'CNI_CONTAINERID'));
      const ifName = raw.environment.get('CNI_IFNAME') ?? '';
      return ifName === ''
        ? { command, containerId, config }
        : { command, containerId, ifName: parseIfName(ifName), config };
    }
    default: {
      const attach = parseAttachConfig(config, json);
      const args = parseArgs(raw.environment.get('CNI_ARGS') ?? '');
      const podNamespace = args.get('K8S_POD_NAMESPACE');
      const podName = args.get('K8S_POD_NAME');
      return {
        command,
        containerId: parseContainerId(required(raw, 'CNI_CONTAINERID')),
        ifName: parseIfName(required(raw, 'CNI_IFNAME')),
        netns: parseNetns(required(raw, 'CNI_NETNS')),
        ...(podNamespace === undefined ? {} : { podNamespace }),
        ...(podName === undefined ? {} : { podName }),
        wanted: oneWantedPerFamily([...parseWanted('CNI_ARGS IP', args.get('IP')?.split(',')), ...attach.wanted]),
        config: attach,
      };
    }
  }
}

/** The version to answer in, read from a request that may be anything; undefined when it names none. */
export function versionOf(raw: RawRequest): string | undefined {
  try {
    const value: unknown = JSON.parse(raw.stdin);
    if (typeof value !== 'object' || value === null || !('cniVersion' in value)) return undefined;
    return typeof value.cniVersion === 'string' ? value.cniVersion : undefined;
  } catch {
    return undefined;
  }
}

function parseJson(stdin: string): unknown {
  try {
    return JSON.parse(stdin);
  } catch (error) {
    throw new CniError(CniCode.Undecodable, 'the network configuration is not JSON', errorMessage(error));
  }
}

/** @throws CniError of another version (1) or invalid (7) */
function parseNetworkConfig(json: unknown): NetworkConfig {
  const config = checked(networkSchema, json);
  if (!isSupportedVersion(config.cniVersion)) {
    throw new CniError(
      CniCode.IncompatibleVersion,
      `cniVersion ${config.cniVersion} of the network configuration is not supported`,
      `podroute answers ${supportedVersions.join(', ')}.`,
    );
  }
  const valid = config['cni.dev/valid-attachments'] ?? config['cni.dev/attachments'] ?? undefined;
  return {
    version: config.cniVersion,
    name: config.name,
    ...(valid === undefined
      ? {}
      : { validAttachments: valid.map((entry) => ({ containerId: entry.containerID, ifName: entry.ifname })) }),
  };
}

/** @throws CniError invalid (7), or asking for what this plugin does not do (2) */
function parseAttachConfig(network: NetworkConfig, json: unknown): AttachConfig {
  const config = checked(attachSchema, json);
  refuseForeignParts(config);
  const previous = config.prevResult ?? undefined;
  return {
    ...network,
    ...(config.mtu === undefined || config.mtu === 0 ? {} : { mtu: checkMtu(config.mtu) }),
    defaultRoutes: config.include_default_routes,
    wanted: [
      ...parseWanted('runtimeConfig.ips', config.runtimeConfig?.ips),
      ...parseWanted('args.cni.ips', config.args?.cni?.ips),
    ],
    dns: config.dns ?? {},
    ...(previous === undefined
      ? {}
      : {
          previous: {
            interfaces: previous.interfaces ?? [],
            ips: previous.ips ?? [],
            routes: previous.routes ?? [],
            ...(previous.dns ? { dns: previous.dns } : {}),
          },
        }),
  };
}

function checked<T>(schema: z.ZodType<T>, json: unknown): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'configuration'}: ${issue.message}`);
  throw new CniError(CniCode.InvalidConfig, 'the network configuration is invalid', problems.join('; '));
}

/** What a configuration may ask of other plugins and this one does not do is refused by name, not ignored. */
function refuseForeignParts(config: z.infer<typeof attachSchema>): void {
  const ipam = config.ipam?.type ?? '';
  if (ipam === 'podroute' && config.type !== 'podroute') {
    throw new CniError(
      CniCode.UnsupportedField,
      `ipam.type: podroute in a network of type ${config.type} is not supported`,
      'podroute makes the interfaces that its addresses are for; name it as the `type` of the network.',
    );
  }
  if (config.ipMasq) {
    throw new CniError(
      CniCode.UnsupportedField,
      'ipMasq: true is not supported',
      'podroute gives pods routable addresses and translates none; take the key out of the network configuration.',
    );
  }
  if (ipam !== '' && ipam !== 'podroute') {
    throw new CniError(
      CniCode.UnsupportedField,
      `ipam.type: ${ipam} is not supported`,
      "podroute takes addresses from the node's own blocks; take `ipam` out of the network configuration.",
    );
  }
}

function checkMtu(mtu: number): number {
  if (mtu >= 1280) return mtu;
  throw new CniError(CniCode.InvalidConfig, `mtu ${mtu}: must be 0 (detected) or at least 1280, the least of IPv6`);
}

/** @throws CniError 4 unless it is a letter or digit and then letters, digits, `_`, `.`, `-` (specification, section 2) */
function parseContainerId(text: string): string {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/.test(text)) return text;
  throw invalidEnvironment(`CNI_CONTAINERID=${printable(text)}: must be at most 255 letters, digits, "_", "." and "-"`);
}

/** @throws CniError 4 unless the kernel would take it as an interface name */
function parseIfName(text: string): string {
  if (/^[\x21-\x7e]{1,15}$/.test(text) && !/[/:%]/.test(text) && text !== '.' && text !== '..') return text;
  throw invalidEnvironment(
    `CNI_IFNAME=${printable(text)}: must be 1 to 15 printable characters without "/", ":" and "%"`,
  );
}

/** @throws CniError 4 unless it is an absolute path without `..`; whether it is a namespace is seen when it is opened */
function parseNetns(text: string): string {
  const isPath = text.startsWith('/') && text.length < 4096 && !text.split('/').includes('..');
  if (isPath && !hasControlCharacter(text)) return text;
  throw invalidEnvironment(`CNI_NETNS=${printable(text)}: must be the absolute path of a network namespace`);
}

/** `KEY=VALUE;KEY=VALUE`; keys that we do not know are let through. */
function parseArgs(text: string): Map<string, string> {
  const args = new Map<string, string>();
  for (const part of text.split(';')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    if (equals <= 0) throw invalidEnvironment(`CNI_ARGS: "${printable(part)}" is not KEY=VALUE`);
    args.set(part.slice(0, equals), part.slice(equals + 1));
  }
  return args;
}

function parseWanted(where: string, texts: readonly string[] | null | undefined): IpAddress[] {
  return (texts ?? [])
    .filter((text) => text.trim() !== '')
    .map((text) => {
      const address = parseIp(text.trim().split('/')[0] ?? '');
      if (address === undefined) throw badAddress(`${where}: "${printable(text)}" is not an IP address`);
      if (isUnspecified(address) || isLoopback(address) || isMulticast(address) || isLinkLocal(address)) {
        throw badAddress(`${where}: ${printable(text)} cannot be the address of a pod`);
      }
      return address;
    });
}

function oneWantedPerFamily(wanted: readonly IpAddress[]): IpAddress[] {
  for (const version of [4, 6] as const) {
    const count = wanted.filter((address) => address.version === version).length;
    if (count > 1)
      throw badAddress(`${count} IPv${version} addresses are asked for: an interface gets one of each family`);
  }
  return [...wanted];
}

function required(raw: RawRequest, name: string): string {
  const value = raw.environment.get(name) ?? '';
  if (value === '') throw invalidEnvironment(`${name} is not set`);
  return value;
}

function invalidEnvironment(message: string): CniError {
  return new CniError(CniCode.InvalidEnvironment, message);
}

function badAddress(message: string): CniError {
  return new CniError(CniCode.InvalidConfig, message);
}

function hasControlCharacter(text: string): boolean {
  return [...text].some((character) => character < ' ' || character === '\x7f');
}

/** `text` cut and escaped for a message. */
function printable(text: string): string {
  return JSON.stringify(text.slice(0, 80)).slice(1, -1);
}
