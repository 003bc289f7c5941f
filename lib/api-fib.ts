/** Kernel routes in the control API; see api.ts. */
import { z } from 'zod';
import { apiSchemas, count, errorReplySchema, familySchema, streamEndSchema, text, uint32 } from './api.ts';

/** One next hop of a kernel route. */
export const fibNextHopSchema = z
  .object({
    gateway: text.optional(),
    device: text.optional(),
    weight: z.int().positive().optional(),
    onlink: z.literal(true).optional(),
  })
  .register(apiSchemas, { id: 'FibNextHop' });
export type FibNextHop = z.infer<typeof fibNextHopSchema>;

/** One route of ours in the kernel's forwarding table, or wanted there. */
export const fibRouteSchema = z
  .object({
    prefix: text,
    family: familySchema,
    kind: z
      .enum(['unicast', 'blackhole', 'unreachable', 'other'])
      .describe('`other`: found at start, of a kind that is never written'),
    origin: text.describe('`bgp`, `discard` or `pod`'),
    nextHops: z.array(fibNextHopSchema),
    table: uint32,
    metric: uint32,
    protocol: z.int().min(0).max(255).describe('kernel protocol number that marks it as ours'),
    state: z
      .enum(['installed', 'pending', 'failed', 'conflict', 'orphan'])
      .describe(
        '`conflict`: a route of another program holds prefix and metric; `orphan`: found at start, wanted by nobody so far',
      ),
    error: text.optional().describe("the kernel's answer where it failed, in words"),
  })
  .register(apiSchemas, { id: 'FibRoute' });
export type FibRoute = z.infer<typeof fibRouteSchema>;

/** First line of the FIB stream. */
export const fibBeginSchema = z
  .object({
    type: z.literal('begin'),
    enabled: z.boolean().describe('false: this speaker writes no kernel routes (a pure reflector)'),
    table: uint32,
    protocol: z.int(),
    metric: uint32,
  })
  .register(apiSchemas, { id: 'FibBegin' });
export type FibBegin = z.infer<typeof fibBeginSchema>;

/** A line of `GET /v1/fib`. */
export const fibLineSchema = z.union([
  fibBeginSchema,
  z.object({ type: z.literal('route'), route: fibRouteSchema }),
  streamEndSchema,
  errorReplySchema,
]);

/** What `bgpctl show fib --json` prints. */
export const fibOutputSchema = z
  .object({
    enabled: z.boolean(),
    table: uint32,
    protocol: z.int(),
    metric: uint32,
    routes: z.array(fibRouteSchema),
  })
  .register(apiSchemas, { id: 'FibOutput' });

/** Query of `GET /v1/fib`. */
export const fibQuerySchema = z
  .object({
    family: familySchema.optional(),
    prefix: text.optional().describe('a prefix; an address: the longest match'),
  })
  .register(apiSchemas, { id: 'FibQuery' });
export type FibQuery = z.output<typeof fibQuerySchema>;

/** One difference between what the kernel holds and what it should hold. */
export const fibDifferenceSchema = z
  .object({
    prefix: text,
    family: familySchema,
    problem: z.enum(['missing', 'extra', 'different']),
    wanted: text.optional().describe('as `ip route` would print it'),
    found: text.optional(),
  })
  .register(apiSchemas, { id: 'FibDifference' });
export type FibDifference = z.infer<typeof fibDifferenceSchema>;

/** One difference in the nexthop objects that routes name. */
export const fibNextHopDifferenceSchema = z
  .object({
    id: uint32.describe("the kernel's id, as `ip nexthop` prints it"),
    problem: z.enum(['missing', 'extra', 'different']),
    wanted: text.optional(),
    found: text.optional(),
  })
  .register(apiSchemas, { id: 'FibNextHopDifference' });
export type FibNextHopDifference = z.infer<typeof fibNextHopDifferenceSchema>;

/** Reply of `GET /v1/fib/check`. */
export const fibCheckReplySchema = z
  .object({
    checked: count.describe('routes compared'),
    differences: z.array(fibDifferenceSchema),
    nextHopDifferences: z
      .array(fibNextHopDifferenceSchema)
      .optional()
      .describe('in the nexthop objects of ours; absent when there are none'),
  })
  .register(apiSchemas, { id: 'FibCheckReply' });
export type FibCheckReply = z.infer<typeof fibCheckReplySchema>;
