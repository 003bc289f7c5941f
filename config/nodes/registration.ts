import { parseIp } from 'bgp-ts';
import { z } from 'zod';
import { err, errorMessage, ok, type Result } from '../../lib/result.ts';
import type { SharedNode } from '../shared.ts';

/** All registrations begin so. */
export const registrationsPrefix = 'nodes/';

/** What a node tells the others about itself, for as long as it is there. */
export interface Registration extends SharedNode {
  /** Made by chance on each machine and kept there: tells two machines with one name apart. */
  readonly machine: string;
  /** When its daemon began, ms since 1970. */
  readonly startedMs: number;
  readonly version: string;
}

/** The key of a node's registration. */
export function registrationKey(node: string): string {
  // Names of nodes are DNS names; whatever else somebody gives must not become another key.
  return `${registrationsPrefix}${encodeURIComponent(node)}`;
}

const address = (version: 4 | 6) =>
  z.string().refine((text) => parseIp(text)?.version === version, `must be an IPv${version} address`);

const schema = z.strictObject({
  name: z.string().min(1).max(253),
  asNumber: z.int().min(1).max(0xffffffff),
  ipv4Address: address(4).exactOptional(),
  ipv6Address: address(6).exactOptional(),
  routerId: address(4),
  clusterId: address(4).exactOptional(),
  labels: z.record(z.string(), z.string()),
  machine: z.string().min(1).max(64),
  startedMs: z.int().min(0),
  version: z.string().max(64),
});

/** Reads a registration. @returns it, or what is wrong with it in one line */
export function parseRegistration(key: string, text: string): Result<Registration, string> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return err(`${key}: is no JSON: ${errorMessage(error)}`);
  }
  const read = schema.safeParse(json);
  if (!read.success) {
    return err(`${key}: ${read.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')}`);
  }
  if (registrationKey(read.data.name) !== key) return err(`${key}: is the registration of ${read.data.name}`);
  return ok(read.data);
}
