/** Pods and blocks in the control API; see api.ts. */
import { z } from 'zod';
import { apiSchemas, count, familySchema, text, timestamp } from './api.ts';

/** One interface of one pod, wired by this node. */
export const podSchema = z
  .object({
    containerId: text,
    interface: text.describe('name inside the pod'),
    hostInterface: text.optional(),
    namespace: text.optional().describe('Kubernetes namespace, where the runtime gave one'),
    name: text.optional(),
    uid: text.optional(),
    network: text.optional().describe('name of the network configuration'),
    addresses: z.array(text),
    createdAt: timestamp.optional(),
  })
  .register(apiSchemas, { id: 'Pod' });
export type Pod = z.infer<typeof podSchema>;

/** Reply of `GET /v1/pods`. */
export const podsReplySchema = z.object({ pods: z.array(podSchema) }).register(apiSchemas, { id: 'PodsReply' });
export type PodsReply = z.infer<typeof podsReplySchema>;

/** One block of addresses that this node hands out. */
export const blockSchema = z
  .object({
    prefix: text,
    family: familySchema,
    pool: text.optional().describe('name of the pool it was cut from'),
    size: z.number().describe('addresses in it; 2^53-1 where there are more'),
    used: count,
    free: z.number(),
    advertised: z.boolean().describe('originated into BGP'),
    discard: z.enum(['none', 'blackhole', 'unreachable']).describe('kernel route under it'),
  })
  .register(apiSchemas, { id: 'Block' });
export type Block = z.infer<typeof blockSchema>;

/** Reply of `GET /v1/blocks`. */
export const blocksReplySchema = z.object({ blocks: z.array(blockSchema) }).register(apiSchemas, { id: 'BlocksReply' });
export type BlocksReply = z.infer<typeof blocksReplySchema>;
