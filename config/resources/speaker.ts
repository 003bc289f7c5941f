import { z } from 'zod';
import { boolean, field, integer, nonEmptyText, oneOf } from '../values.ts';
import type { KindDefinition, Resource } from './resource.ts';

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

const schema = z.strictObject({
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
    const fib = raw['fib'] as Record<string, unknown> | undefined;
    const { metric, discardMetric } = fib ?? {};
    if (typeof discardMetric === 'number' && discardMetric <= (typeof metric === 'number' ? metric : 1024)) {
      const message = `${discardMetric}: must be more than fib.metric, or discard routes would cover real ones`;
      report.error(['spec', 'fib', 'discardMetric'], message);
    }
  },
};
