import { formatIp, type IpAddress } from 'bgp-ts';

/** CNI specification versions answered, oldest first. 0.3.0 and later share the `interfaces`/`ips` shape of results. */
export const supportedVersions = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

/** A CNI specification version this plugin answers in. */
export type CniVersion = (typeof supportedVersions)[number];

/** The version an answer is given in when the request did not get far enough to name one. */
export const fallbackVersion: CniVersion = '1.0.0';

/** Whether `text` names a version of {@link supportedVersions}. */
export function isSupportedVersion(text: string): text is CniVersion {
  return (supportedVersions as readonly string[]).includes(text);
}

/** Whether `version` is `least` or later. */
export function atLeast(version: CniVersion, least: CniVersion): boolean {
  return supportedVersions.indexOf(version) >= supportedVersions.indexOf(least);
}

/** The commands of the specification. */
export const CniCommand = {
  Add: 'ADD',
  Del: 'DEL',
  Check: 'CHECK',
  Gc: 'GC',
  Status: 'STATUS',
  Version: 'VERSION',
} as const;
export type CniCommand = (typeof CniCommand)[keyof typeof CniCommand];

/** Since which version each command exists. */
export const commandSince: Readonly<Record<CniCommand, CniVersion>> = {
  ADD: '0.3.0',
  DEL: '0.3.0',
  VERSION: '0.3.0',
  CHECK: '0.4.0',
  GC: '1.1.0',
  STATUS: '1.1.0',
};

/** Whether `text` is a CNI command. */
export function isCommand(text: string): text is CniCommand {
  return Object.hasOwn(commandSince, text);
}

/** Error codes: up to 99 the specification's own (section 5, "Error"), from 100 this plugin's. */
export const CniCode = {
  IncompatibleVersion: 1,
  UnsupportedField: 2,
  UnknownContainer: 3,
  InvalidEnvironment: 4,
  IoFailure: 5,
  Undecodable: 6,
  InvalidConfig: 7,
  TryAgainLater: 11,
  NotAvailable: 50,
  /** Every address of this node's blocks is held. */
  NoFreeAddress: 100,
  /** The address asked for is outside our blocks, reserved or held by another pod. */
  AddressUnavailable: 101,
  /** The kernel refused a step of the wiring; everything done before it was undone. */
  WiringFailed: 102,
  /** CHECK found the pod's network not as ADD left it. */
  CheckFailed: 103,
  /** A bug of ours. */
  Internal: 110,
} as const;
export type CniCode = (typeof CniCode)[keyof typeof CniCode];

/**
 * A failed command. `message` and `details` end up in the pod's events, so they are written for the person who reads
 * `kubectl describe pod`: what was seen, what was wanted, what to do.
 */
export class CniError extends Error {
  readonly code: CniCode;
  readonly details: string;

  constructor(code: CniCode, message: string, details = '', options?: ErrorOptions) {
    super(message, options);
    this.name = 'CniError';
    this.code = code;
    this.details = details;
  }
}

/** One interface of a result. */
export interface ResultInterface {
  readonly name: string;
  /** `aa:bb:cc:dd:ee:ff`. */
  readonly mac: string;
  /** Path of the network namespace, or nothing for an interface of the host. */
  readonly sandbox?: string;
  /** Octets; printed from 1.1.0 on. */
  readonly mtu?: number;
}

/** One address of a result. */
export interface ResultIp {
  readonly address: IpAddress;
  readonly prefixLength: number;
  readonly gateway: IpAddress;
  /** Index into `interfaces`. */
  readonly interface: number;
}

/** One route inside the pod. */
export interface ResultRoute {
  /** CIDR text. */
  readonly dst: string;
  readonly gateway: IpAddress;
}

/** What ADD answers, before it is printed for one version. */
export interface AddResult {
  readonly interfaces: readonly ResultInterface[];
  readonly ips: readonly ResultIp[];
  readonly routes: readonly ResultRoute[];
  /** The configuration's `dns` object, handed through. */
  readonly dns: Readonly<Record<string, unknown>>;
}

/** What a plugin before us in a chain answered; its entries come first in our result. */
export interface PreviousResult {
  readonly interfaces: readonly Readonly<Record<string, unknown>>[];
  readonly ips: readonly Readonly<Record<string, unknown>>[];
  readonly routes: readonly Readonly<Record<string, unknown>>[];
  readonly dns?: Readonly<Record<string, unknown>>;
}

/**
 * The result of ADD as the JSON value of `version`: 1.0.0 dropped `ips[].version`, 1.1.0 added `interfaces[].mtu`.
 * @param previous the result of the plugins before us; our interface indexes are moved behind theirs
 */
export function printResult(
  result: AddResult,
  version: CniVersion,
  previous?: PreviousResult,
): Record<string, unknown> {
  const offset = previous?.interfaces.length ?? 0;
  const interfaces = result.interfaces.map((entry) => ({
    name: entry.name,
    mac: entry.mac,
    ...(entry.sandbox === undefined ? {} : { sandbox: entry.sandbox }),
    ...(entry.mtu === undefined || !atLeast(version, '1.1.0') ? {} : { mtu: entry.mtu }),
  }));
  const ips = result.ips.map((entry) => ({
    ...(atLeast(version, '1.0.0') ? {} : { version: String(entry.address.version) }),
    interface: entry.interface + offset,
    address: `${formatIp(entry.address)}/${entry.prefixLength}`,
    gateway: formatIp(entry.gateway),
  }));
  const routes = result.routes.map((entry) => ({ dst: entry.dst, gw: formatIp(entry.gateway) }));
  return {
    cniVersion: version,
    interfaces: [...(previous?.interfaces ?? []), ...interfaces],
    ips: [...(previous?.ips ?? []), ...ips],
    routes: [...(previous?.routes ?? []), ...routes],
    dns: { ...previous?.dns, ...result.dns },
  };
}

/** An error as the JSON value of the specification. */
export function printError(error: CniError, version: CniVersion): Record<string, unknown> {
  return {
    cniVersion: version,
    code: error.code,
    msg: error.message,
    ...(error.details === '' ? {} : { details: error.details }),
  };
}

/** The answer to VERSION. */
export function printVersions(asked: string | undefined): Record<string, unknown> {
  return { cniVersion: asked ?? '1.1.0', supportedVersions: [...supportedVersions] };
}
