import { formatPrefix, parsePrefix, prefix } from 'bgp-ts';
import { z } from 'zod';
import { overlaps } from '../cidr.ts';
import type { RawMap, Reporter } from '../document.ts';
import { boolean, cidr, field, integer, oneOf, selector } from '../values.ts';
import { isSet, type KindDefinition, type Resource } from './resource.ts';

const ENCAPSULATION = ['Never', 'Always', 'CrossSubnet'] as const;
const USES = ['Workload', 'Tunnel', 'LoadBalancer'] as const;
const RESERVED = [prefix('169.254.0.0/16'), prefix('fe80::/10')];

const schema = z.strictObject({
  cidr: field(cidr()),
  vxlanMode: field(oneOf(ENCAPSULATION)).optional(),
  ipipMode: field(oneOf(ENCAPSULATION)).optional(),
  natOutgoing: field(boolean).optional(),
  disabled: field(boolean).optional(),
  disableBGPExport: field(boolean).optional(),
  blockSize: field(integer(20, 128)).optional(),
  nodeSelector: field(selector(true)).optional(),
  namespaceSelector: field(selector()).optional(),
  allowedUses: z.array(field(oneOf(USES))).optional(),
  assignmentMode: field(oneOf(['Automatic', 'Manual'])).optional(),
});

/** A pool of pod addresses. */
export type IpPoolSpec = z.infer<typeof schema>;

/** IPPool of either API: both have the same fields. */
export type IpPoolResource = Resource<'IPPool', IpPoolSpec>;

/** IPPool. */
export const ipPool: KindDefinition<'IPPool', IpPoolSpec> = { kind: 'IPPool', spec: schema, rules };

/** Length of a pool's blocks where it does not say. */
export function defaultBlockLength(version: 4 | 6): number {
  return version === 4 ? 26 : 122;
}

function rules(raw: RawMap, report: Reporter): void {
  const at = (key: string) => ['spec', key];
  for (const key of ['ipipMode', 'vxlanMode']) {
    const mode = raw[key];
    if (mode === 'Always' || mode === 'CrossSubnet') {
      const name = key === 'ipipMode' ? 'IPIP' : 'VXLAN';
      report.error(at(key), `${mode}: podroute does not encapsulate (no ${name}); set it to Never`);
    }
  }
  const pool = typeof raw['cidr'] === 'string' ? parsePrefix(raw['cidr']) : undefined;
  if (pool !== undefined) {
    const reserved = RESERVED.find((other) => overlaps(pool, other));
    if (reserved !== undefined) {
      report.error(at('cidr'), `${formatPrefix(pool)}: overlaps the link-local ${formatPrefix(reserved)}`);
    }
    const { version } = pool.address;
    const [min, max] = version === 4 ? [20, 32] : [116, 128];
    const written = raw['blockSize'];
    const blockSize = typeof written === 'number' ? written : defaultBlockLength(version);
    if (typeof written === 'number' && (blockSize < min || blockSize > max)) {
      report.error(at('blockSize'), `${blockSize}: must be from ${min} to ${max} for IPv${version}`);
    } else if (blockSize < pool.length && raw['disabled'] !== true) {
      const path = isSet(raw, 'blockSize') ? at('blockSize') : at('cidr');
      report.error(path, `${formatPrefix(pool)}: is smaller than one block (/${blockSize})`);
    }
  }
  const uses = raw['allowedUses'];
  if (!Array.isArray(uses) || !uses.includes('LoadBalancer')) return;
  if (uses.length > 1) report.error(at('allowedUses'), 'LoadBalancer cannot be combined with other uses');
  if (raw['disableBGPExport'] === true) {
    report.error(at('disableBGPExport'), 'has no meaning for a pool of load balancer addresses');
  }
  const nodes = raw['nodeSelector'];
  if (typeof nodes === 'string' && nodes.replaceAll(' ', '') !== 'all()') {
    report.error(at('nodeSelector'), `${JSON.stringify(nodes)}: a pool of load balancer addresses needs all()`);
  }
}
