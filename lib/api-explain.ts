/**
 * Shapes of `GET /v1/explain`: why a route is here, or is not. Part of the control API, see lib/api.ts for what holds of all of them.
 * Every reason comes twice: as a code for programs, and as a sentence for people.
 */
import { z } from 'zod';
import { apiSchemas, attributesSchema, familySchema, routeSchema, text, uint32 } from './api.ts';

/** Query of `GET /v1/explain`. */
export const explainQuerySchema = z
  .object({
    prefix: text.describe('a prefix; an address: its longest match in the Loc-RIB'),
    peer: text
      .optional()
      .describe('name or address: why it is not heard from this peer, and what this one peer is told of it'),
  })
  .register(apiSchemas, { id: 'ExplainQuery' });
export type ExplainQuery = z.output<typeof explainQuerySchema>;

/** Which path of a prefix. */
export const pathNameSchema = z
  .object({
    source: text.describe('`peer`, or the local origin: `network`, `pod-block` ...'),
    peer: text.optional(),
    pathId: uint32.optional().describe('ADD-PATH identifier'),
  })
  .register(apiSchemas, { id: 'PathName' });
export type ApiPathName = z.infer<typeof pathNameSchema>;

/** One attribute that became another. */
export const attributeChangeSchema = z
  .object({
    attribute: text.describe('as in PathAttributes, or `weight`'),
    before: text.optional().describe('left out where there was none'),
    after: text.optional().describe('left out where there is none any more'),
  })
  .register(apiSchemas, { id: 'AttributeChange' });
export type AttributeChange = z.infer<typeof attributeChangeSchema>;

/** What a policy did to a path. */
export const policyTraceSchema = z
  .object({
    direction: z.enum(['import', 'export']),
    verdict: z.enum(['accept', 'reject']),
    term: text.describe('the term that decided, or the default'),
    steps: z
      .array(
        z.object({
          term: text,
          verdict: z.enum(['accept', 'reject', 'next']),
          changes: z.array(attributeChangeSchema).describe('what this term changed'),
        }),
      )
      .describe('the terms that matched, in order'),
    changes: z.array(attributeChangeSchema).describe('what all of them together changed'),
  })
  .register(apiSchemas, { id: 'PolicyTrace' });
export type ApiPolicyTrace = z.infer<typeof policyTraceSchema>;

/** The step of the decision process that gave a path its place. */
export const rankSchema = z
  .object({
    rule: text.describe('such as `LOCAL_PREF`, `AS_PATH length`, `MED`, `router id`'),
    won: z.boolean().describe('over the path in `against`; false: it lost to it'),
    against: pathNameSchema.describe('for the best path the next one, else the one that it lost to'),
    own: text.describe('the value of this path that was compared'),
    other: text.describe('that of the other one'),
    prefers: text.describe('which value wins, such as `higher`'),
    withinAs: z
      .boolean()
      .describe(
        'it lost to a path of its own neighbouring AS before the best one was looked at (MED, RFC 4271 §9.1.2.2 c)',
      ),
  })
  .register(apiSchemas, { id: 'Rank' });
export type ApiRank = z.infer<typeof rankSchema>;

/** Why a path cannot be used. */
export const unusableReasonSchema = z.enum([
  'import-policy',
  'rfc8212',
  'as-loop',
  'originator-loop',
  'cluster-loop',
  'route-leak',
  'family-disabled',
  'next-hop-unreachable',
  'next-hop-own',
  'session-down',
]);
export type ApiUnusableReason = z.infer<typeof unusableReasonSchema>;

/** One path of the prefix. */
export const explainCandidateSchema = z
  .object({
    route: routeSchema.describe('as in the Loc-RIB'),
    state: z.enum(['best', 'multipath', 'not-best', 'not-usable']),
    reason: unusableReasonSchema.optional().describe('why it is not usable'),
    text: text.describe('why it has its place, in words'),
    rank: rankSchema.optional().describe('left out where there was nothing to compare'),
    policy: policyTraceSchema.optional().describe('import policy; left out where it was not asked'),
    nextHop: z
      .object({
        address: text,
        result: z.enum(['reachable', 'unreachable', 'own']),
        metric: uint32.optional().describe('interior cost'),
        text: text.optional().describe('what was looked up and what was found'),
      })
      .optional(),
  })
  .register(apiSchemas, { id: 'ExplainCandidate' });
export type ExplainCandidate = z.infer<typeof explainCandidateSchema>;

/** Why a peer is not told. */
export const notAdvertisedReasonSchema = z.enum([
  'session-down',
  'family-not-in-force',
  'no-path',
  'no-usable-path',
  'split-horizon',
  'rfc8212',
  'export-policy',
  'not-originated-here',
  'ibgp-to-ibgp',
  'client-to-client',
  'no-advertise',
  'no-export',
  'no-export-subconfed',
  'only-to-customer',
  'no-next-hop',
  'too-long',
  'pending',
]);
export type NotAdvertisedReason = z.infer<typeof notAdvertisedReasonSchema>;

/** Why a path that is not the best is not told. */
const keptReasonSchema = z
  .enum([...notAdvertisedReasonSchema.options, 'not-usable', 'not-best', 'beyond-limit'])
  .describe(
    '`not-best`: the session carries one path a prefix; `beyond-limit`: several (ADD-PATH), and better ones fill them',
  );
export type KeptReason = z.infer<typeof keptReasonSchema>;

/** What one peer is told of the prefix. */
export const explainAdvertisementSchema = z
  .object({
    peer: text,
    kind: z.enum(['ebgp', 'ibgp']),
    advertised: z.boolean().describe('the peer holds a path of this prefix from here'),
    reason: notAdvertisedReasonSchema
      .optional()
      .describe('why the best path is not told; with `advertised` true: `pending`, or another path is told'),
    text: text.describe('the same in words'),
    paths: z.array(
      z.object({
        pathId: uint32.optional().describe('identifier it is sent with (ADD-PATH)'),
        from: pathNameSchema,
        attributes: attributesSchema.describe('as sent'),
        changes: z.array(attributeChangeSchema).optional().describe('against the Loc-RIB, for the best path'),
      }),
    ),
    policy: policyTraceSchema.optional().describe('export policy; left out where another rule came first'),
    kept: z
      .array(z.object({ path: pathNameSchema, reason: keptReasonSchema }))
      .optional()
      .describe('paths beside the best one that are not told; left out while there is no best one'),
  })
  .register(apiSchemas, { id: 'ExplainAdvertisement' });
export type ExplainAdvertisement = z.infer<typeof explainAdvertisementSchema>;

/** What the kernel holds for the prefix. */
export const explainKernelSchema = z
  .object({
    state: z
      .enum(['same', 'missing', 'different', 'pending', 'failed', 'conflict', 'extra', 'not-written', 'none'])
      .describe(
        '`same`: as wanted; `extra`: the kernel has a route of ours that is not wanted; `not-written`: see `reason`; ' +
          '`none`: there is nothing to write',
      ),
    reason: z
      .enum(['no-kernel', 'local-origin', 'never-installed', 'next-hop-unresolved'])
      .optional()
      .describe('why it is not written'),
    text: text.describe('the same in words'),
    wanted: text.optional().describe('as `ip route` would print it'),
    found: text.optional(),
    compared: z.boolean().describe('the kernel was read now; false: as its notifications have it (large tables)'),
  })
  .register(apiSchemas, { id: 'ExplainKernel' });
export type ExplainKernel = z.infer<typeof explainKernelSchema>;

/** Whether a prefix is here from one peer, and if not why. */
export const explainReceivedSchema = z
  .object({
    peer: text,
    state: z.enum(['best', 'multipath', 'not-best', 'not-usable', 'absent']),
    reason: z
      .enum([
        ...unusableReasonSchema.options,
        'shut-down',
        'prefix-limit',
        'family-not-in-force',
        'treated-as-withdraw',
        'not-sent-yet',
        'not-sent',
      ])
      .optional()
      .describe('why it is not usable, or not here'),
    text: text.describe('the same in words'),
    treatedAsWithdraw: z
      .object({ at: text.describe('ISO 8601, UTC'), problem: text })
      .optional()
      .describe('the last UPDATE with this prefix that was malformed (RFC 7606)'),
    covering: text.optional().describe('the longest prefix it sent that covers this one'),
  })
  .register(apiSchemas, { id: 'ExplainReceived' });
export type ExplainReceived = z.infer<typeof explainReceivedSchema>;

/** Reply of `GET /v1/explain`. */
export const explainReplySchema = z
  .object({
    asked: text,
    prefix: text.describe('the prefix explained: the one asked for, or the longest match of the address'),
    family: familySchema,
    found: z.boolean().describe('there is a path of this very prefix'),
    coveredBy: text.optional().describe('where there is none: the longest prefix that covers it'),
    text: text.describe('the outcome in a sentence'),
    candidates: z.array(explainCandidateSchema).describe('the best first, then as ranked, unusable ones last'),
    received: explainReceivedSchema.optional().describe('with `peer`: whether it is here from this peer'),
    advertisements: z.array(explainAdvertisementSchema).describe('for each peer; with `peer`: for this one'),
    kernel: explainKernelSchema,
  })
  .register(apiSchemas, { id: 'ExplainReply' });
export type ExplainReply = z.infer<typeof explainReplySchema>;
