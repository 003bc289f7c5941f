import { z } from 'zod';
import { apiSchemas, problemSchema } from './api.ts';

const text = z.string();

/** Body of `POST /v1/resources`. */
export const applyRequestSchema = z
  .object({
    files: z
      .array(z.object({ name: text.describe('what messages call it'), text: text.describe('YAML or JSON documents') }))
      .min(1),
    dryRun: z.boolean().default(false).describe('say what would change, change nothing'),
    force: z.boolean().default(false).describe('also where nodes would be cut off from each other'),
  })
  .register(apiSchemas, { id: 'ApplyRequest' });
export type ApplyRequest = z.output<typeof applyRequestSchema>;

/** Body of `POST /v1/resources/delete`. */
export const deleteRequestSchema = z
  .object({
    resources: z.array(z.object({ kind: text, name: text })).min(1),
    dryRun: z.boolean().default(false).describe('say what would change, change nothing'),
    force: z.boolean().default(false).describe('also where nodes would be cut off from each other'),
  })
  .register(apiSchemas, { id: 'DeleteRequest' });
export type DeleteRequest = z.output<typeof deleteRequestSchema>;

/** What becomes of one stored resource. */
export const resourceChangeSchema = z
  .object({
    kind: text,
    name: text,
    action: z.enum(['created', 'configured', 'deleted', 'unchanged']),
    diff: text.describe('unified diff of the YAML; empty where nothing changes'),
  })
  .register(apiSchemas, { id: 'ResourceChange' });
export type ApiResourceChange = z.infer<typeof resourceChangeSchema>;

/** Reply of a change of stored resources. */
export const resourceChangesReplySchema = z
  .object({
    applied: z.boolean().describe('false for a dry run'),
    changes: z.array(resourceChangeSchema),
    warnings: z.array(problemSchema),
  })
  .register(apiSchemas, { id: 'ResourceChangesReply' });
export type ResourceChangesReply = z.infer<typeof resourceChangesReplySchema>;

/** Query of `GET /v1/resources`. */
export const resourcesQuerySchema = z
  .object({
    kind: text.optional().describe('such as `BGPPeer`; any letter case, also its plural'),
    name: text.optional(),
  })
  .register(apiSchemas, { id: 'ResourcesQuery' });
export type ResourcesQuery = z.output<typeof resourcesQuerySchema>;

/** One resource that is in force here. */
export const apiResourceSchema = z
  .object({
    kind: text,
    name: text,
    apiVersion: text,
    source: text.describe('the file it is in, `store`, or `registration`'),
    text: text.describe('as YAML; the data of a Secret is not shown'),
    fields: z
      .array(
        z.object({
          path: text.describe('such as `spec.peerIP`'),
          value: text.describe('as it was understood'),
          note: text.optional().describe('why it is not used, or what is said about it'),
        }),
      )
      .describe('every field that was written, and how it was understood'),
  })
  .register(apiSchemas, { id: 'Resource' });
export type ApiResource = z.infer<typeof apiResourceSchema>;

/** Reply of `GET /v1/resources`. */
export const resourcesReplySchema = z
  .object({ resources: z.array(apiResourceSchema) })
  .register(apiSchemas, { id: 'ResourcesReply' });
export type ResourcesReply = z.infer<typeof resourcesReplySchema>;

/** A node of the cluster. */
export const clusterNodeSchema = z
  .object({
    name: text,
    asn: z.int(),
    routerId: text,
    ipv4Address: text.optional(),
    ipv6Address: text.optional(),
    clusterId: text.optional().describe('a route reflector of this cluster id'),
    labels: z.record(text, text),
    version: text.optional(),
    startedAt: text.optional().describe('of its daemon, ISO 8601'),
    goneSeconds: z
      .number()
      .optional()
      .describe('since its registration ran out; it counts as there for the grace time'),
  })
  .register(apiSchemas, { id: 'ClusterNode' });
export type ApiClusterNode = z.infer<typeof clusterNodeSchema>;

/** How the node came to its address of one IP version. */
export const detectionSchema = z
  .object({
    version: z.union([z.literal(4), z.literal(6)]),
    method: text.describe('`configured`: its Node names it; else as in `addressDetection` of the Speaker'),
    address: text.optional().describe('in force'),
    interface: text.optional().describe('it was found on'),
    problem: text.optional(),
    candidates: z
      .array(
        z.object({
          interface: text,
          kind: text.optional().describe('such as `bridge`; absent for hardware'),
          address: text.optional().describe('with its length; absent for an interface without one'),
          isChosen: z.boolean(),
          reason: text.describe('why it was chosen, or passed over'),
        }),
      )
      .describe('every interface and address that was looked at, as they are now'),
  })
  .register(apiSchemas, { id: 'Detection' });
export type ApiDetection = z.infer<typeof detectionSchema>;

/** Reply of `GET /v1/node`. */
export const nodeReplySchema = z
  .object({
    node: clusterNodeSchema,
    addresses: z.array(detectionSchema).describe('how it came to them'),
    store: z.object({
      type: text.describe('`sqlite`, `redis`, or `none`'),
      problem: text.optional().describe('why it does not answer'),
    }),
    registration: z.object({
      state: z.enum(['none', 'starting', 'registered', 'away', 'refused']),
      reason: text.optional(),
      sinceSeconds: z.number().optional(),
    }),
    nodes: z.array(clusterNodeSchema).describe('every node that registered, this one included'),
  })
  .register(apiSchemas, { id: 'NodeReply' });
export type NodeReply = z.infer<typeof nodeReplySchema>;

/** A block of the cluster. */
export const clusterBlockSchema = z
  .object({
    block: text,
    pool: text.describe('the prefix it was cut from'),
    state: z.enum(['owned', 'grace', 'free']).describe('`grace`: its owner is gone and may come back'),
    owner: text.optional(),
    isOwn: z.boolean().describe('of the node that answers'),
    used: z.int().optional().describe('addresses that pods have, for blocks of the node that answers'),
    size: z.int().optional(),
    lent: z.array(z.object({ address: text, node: text, handle: text })),
  })
  .register(apiSchemas, { id: 'ClusterBlock' });
export type ApiClusterBlock = z.infer<typeof clusterBlockSchema>;

/** Reply of `GET /v1/ipam`. */
export const ipamReplySchema = z
  .object({
    pools: z.array(
      z.object({
        name: text,
        cidr: text,
        blockLength: z.int(),
        blocks: z.int(),
        taken: z.int(),
        disabled: z.boolean(),
      }),
    ),
    blocks: z.array(clusterBlockSchema),
    problem: text.optional().describe('why this node has no more blocks'),
  })
  .register(apiSchemas, { id: 'IpamReply' });
export type IpamReply = z.infer<typeof ipamReplySchema>;

/** Reply of `GET /v1/ipam/check`. */
export const ipamCheckReplySchema = z
  .object({
    isClean: z.boolean(),
    checked: z.object({ blocks: z.int(), pods: z.int(), interfaces: z.int() }),
    problems: z.array(text).describe('every difference between store, node, pods and kernel, in words'),
  })
  .register(apiSchemas, { id: 'IpamCheckReply' });
export type IpamCheckReply = z.infer<typeof ipamCheckReplySchema>;

/** Body of `POST /v1/plan`. */
export const planRequestSchema = z
  .object({
    files: z
      .array(z.object({ name: text.describe('what messages call it'), text: text.describe('YAML or JSON documents') }))
      .min(1)
      .describe('resources that would be applied'),
  })
  .register(apiSchemas, { id: 'PlanRequest' });
export type PlanRequest = z.output<typeof planRequestSchema>;

/** What a change would do to one node. */
export const nodePlanSchema = z
  .object({
    node: text,
    sessions: z.array(
      z.object({
        peer: text,
        action: z
          .enum(['add', 'remove', 'reset', 'refresh'])
          .describe('`refresh`: routes evaluated again, the session stays'),
        detail: text.optional().describe('what is different, such as `holdSeconds: 90 -> 9`'),
      }),
    ),
    gained: z.array(text).describe('nodes whose routes it would have'),
    lost: z.array(text).describe('nodes whose routes it would no longer have'),
    onlyOutside: z
      .array(text)
      .describe('nodes whose routes it would have from routers outside of the cluster, if at all'),
  })
  .register(apiSchemas, { id: 'NodePlan' });
export type ApiNodePlan = z.infer<typeof nodePlanSchema>;

/** Reply of `POST /v1/plan`. */
export const planReplySchema = z
  .object({
    nodes: z.array(nodePlanSchema).describe('nodes that anything would change for'),
    disconnected: z
      .array(z.object({ from: text, to: text }))
      .describe('pairs of nodes that reach each other and would not any more'),
    warnings: z.array(problemSchema),
  })
  .register(apiSchemas, { id: 'PlanReply' });
export type PlanReply = z.infer<typeof planReplySchema>;
