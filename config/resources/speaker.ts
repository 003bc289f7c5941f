import { z } from 'zod';
import { ok } from '../../lib/result.ts';
import { isRawMap, type Reporter } from '../document.ts';
import { parseDetectionMethod } from '../nodes/detection-method.ts';
import { boolean, field, integer, nonEmptyText, oneOf, type Read } from '../values.ts';
import { isSet, type KindDefinition, type Resource } from './resource.ts';

/** A path in the file system, from the root. */
const absolutePath = field((value) => {
  const result = nonEmptyText(4096)(value);
  if (!result.ok || result.value.startsWith('/')) return result;
  return { ok: false, error: `${JSON.stringify(value)}: must be a path that begins with /` };
});

/** Unix socket addresses end after 107 octets. */
const socketPath = field((value) => {
  const result = nonEmptyText(107)(value);
  if (!result.ok || result.value.startsWith('/')) return result;
  return { ok: false, error: `${JSON.stringify(value)}: must be a path that begins with /` };
});

/** `redis://` or, with TLS, `rediss://`. A user and a password belong into fields of their own, where they are not shown. */
const redisUrl = field((value) => {
  const result = nonEmptyText(1024)(value);
  if (!result.ok) return result;
  const url = URL.canParse(result.value) ? new URL(result.value) : undefined;
  if (url === undefined || !['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '') {
    return { ok: false, error: `${JSON.stringify(value)}: must be redis://HOST:PORT or rediss://HOST:PORT` };
  }
  if (url.password !== '' || url.username !== '') {
    return { ok: false, error: 'has a user or password in it: they go into username and passwordFile' };
  }
  return result;
});

/** `HOST:PORT`, the host of an IPv6 address in brackets. */
const hostPort = field((value) => {
  const result = nonEmptyText(300)(value);
  if (!result.ok) return result;
  const url = URL.canParse(`redis://${result.value}`) ? new URL(`redis://${result.value}`) : undefined;
  if (url !== undefined && url.port !== '' && url.hostname !== '' && url.pathname === '') return result;
  return { ok: false, error: `${JSON.stringify(value)}: must be HOST:PORT` };
});

const redis = z.strictObject({
  url: redisUrl.optional(),
  sentinels: z.array(hostPort).min(1).optional(),
  masterName: field(nonEmptyText(200)).optional(),
  cluster: z.array(hostPort).min(1).optional(),
  username: field(nonEmptyText(200)).optional(),
  passwordFile: absolutePath.optional(),
  tls: z
    .strictObject({
      caFile: absolutePath.optional(),
      certFile: absolutePath.optional(),
      keyFile: absolutePath.optional(),
      serverName: field(nonEmptyText(253)).optional(),
    })
    .optional(),
});

/** The store that nodes share. */
const datastore = z.strictObject({
  sqlite: z.strictObject({ path: absolutePath.optional() }).optional(),
  redis: redis.optional(),
  graceSeconds: field(integer(10, 86_400)).optional(),
});

/** How the node finds an address that its Node does not name; kept as it is written. */
function detectionMethod(version: 4 | 6): Read<string> {
  return (value) => {
    const method = parseDetectionMethod(value, version);
    return method.ok ? ok(String(value)) : method;
  };
}

const schema = z.strictObject({
  addressDetection: z
    .strictObject({ ipv4: field(detectionMethod(4)).optional(), ipv6: field(detectionMethod(6)).optional() })
    .optional(),
  datastore: datastore.optional(),
  fib: z
    .strictObject({
      enabled: field(boolean).optional(),
      table: field(integer(1, 0xffffffff)).optional(),
      metric: field(integer(1, 0x7ffffffe)).optional(),
      discardMetric: field(integer(1, 0x7fffffff)).optional(),
      discardType: field(oneOf(['blackhole', 'unreachable'])).optional(),
      protocol: field(integer(5, 255)).optional(),
      keepRoutes: field(boolean).optional(),
      nextHopObjects: field(oneOf(['auto', 'off'])).optional(),
    })
    .optional(),
  cni: z
    .strictObject({
      enabled: field(boolean).optional(),
      mtu: field(integer(1280, 65535)).optional(),
      socket: socketPath.optional(),
      state: absolutePath.optional(),
    })
    .optional(),
  api: z.strictObject({ socket: socketPath.optional() }).optional(),
  log: z.strictObject({ level: field(oneOf(['debug', 'info', 'warn', 'error', 'silent'])).optional() }).optional(),
  secretsDirectory: absolutePath.optional(),
});

/** Settings of the daemon itself: kernel, pod wiring, sockets, log. */
export type SpeakerSpec = z.infer<typeof schema>;

/** Speaker of podroute: `default` for all nodes, `node.NAME` for one. */
export type SpeakerResource = Resource<'Speaker', SpeakerSpec>;

/** Speaker. */
export const speaker: KindDefinition<'Speaker', SpeakerSpec> = {
  kind: 'Speaker',
  spec: schema,
  rules(raw, report) {
    datastoreRules(raw['datastore'], report);
    const fib = raw['fib'] as Record<string, unknown> | undefined;
    const { metric, discardMetric } = fib ?? {};
    if (typeof discardMetric === 'number' && discardMetric <= (typeof metric === 'number' ? metric : 1024)) {
      const message = `${discardMetric}: must be more than fib.metric, or discard routes would cover real ones`;
      report.error(['spec', 'fib', 'discardMetric'], message);
    }
  },
};

function datastoreRules(raw: unknown, report: Reporter): void {
  if (!isRawMap(raw)) return;
  const at = (...path: string[]) => ['spec', 'datastore', ...path];
  if (isSet(raw, 'sqlite') && isSet(raw, 'redis')) report.error(at(), 'has both sqlite and redis: one of them');
  const { redis } = raw;
  if (!isRawMap(redis)) return;
  const places = ['url', 'sentinels', 'cluster'].filter((key) => isSet(redis, key));
  if (places.length !== 1) {
    report.error(at('redis'), `has ${places.join(' and ') || 'no place'}: needs one of url, sentinels, cluster`);
  }
  if (isSet(redis, 'sentinels') !== isSet(redis, 'masterName')) {
    report.error(at('redis'), 'sentinels and masterName need each other');
  }
}
