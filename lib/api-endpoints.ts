import type { z } from 'zod';
import * as api from './api.ts';
import * as cluster from './api-cluster.ts';
import { explainQuerySchema, explainReplySchema } from './api-explain.ts';
import * as fib from './api-fib.ts';
import * as pods from './api-pods.ts';

/** One request that the daemon answers. */
export interface Endpoint {
  readonly method: 'GET' | 'POST';
  /** Path with `:peer` for the peer's name or address. */
  readonly path: string;
  readonly summary: string;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodObject;
  /** Octets of a body at most; 64 KiB unless told. */
  readonly bodyLimit?: number;
  /** The reply: one JSON document, or lines of JSON. */
  readonly reply:
    | { readonly type: 'json'; readonly schema: z.ZodType }
    | { readonly type: 'lines'; readonly schema: z.ZodType };
}

const json = <S extends z.ZodType>(schema: S) => ({ type: 'json', schema }) as const;
const lines = <S extends z.ZodType>(schema: S) => ({ type: 'lines', schema }) as const;

/** Every request of the control API: the server registers them, docs/api.md prints them. */
export const endpoints = {
  version: {
    method: 'GET',
    path: '/v1/version',
    summary: 'Which daemon answers.',
    reply: json(api.versionReplySchema),
  },
  health: {
    method: 'GET',
    path: '/v1/health',
    summary: 'Whether the daemon has done its own job.',
    reply: json(api.healthReplySchema),
  },
  status: {
    method: 'GET',
    path: '/v1/status',
    summary: 'How the daemon itself is doing: memory, and how long its event loop keeps sockets and timers waiting.',
    reply: json(api.statusReplySchema),
  },
  statusReset: {
    method: 'POST',
    path: '/v1/status/reset',
    summary: 'The same, and begins to measure anew.',
    reply: json(api.statusReplySchema),
  },
  peers: { method: 'GET', path: '/v1/peers', summary: 'All configured peers.', reply: json(api.peersReplySchema) },
  peer: {
    method: 'GET',
    path: '/v1/peers/:peer',
    summary: 'One peer: capabilities, timers, counters, last error, policy in force.',
    reply: json(api.peerDetailSchema),
  },
  clear: {
    method: 'POST',
    path: '/v1/peers/:peer/clear',
    summary: 'Resets the session, or with `soft` only evaluates its routes again in both directions.',
    body: api.clearRequestSchema,
    reply: json(api.peerActionReplySchema),
  },
  shutdown: {
    method: 'POST',
    path: '/v1/peers/:peer/shutdown',
    summary: 'Takes the peer down administratively until it is enabled or the daemon restarts (RFC 9003).',
    body: api.shutdownRequestSchema,
    reply: json(api.peerActionReplySchema),
  },
  enable: {
    method: 'POST',
    path: '/v1/peers/:peer/enable',
    summary: 'Ends an administrative shutdown.',
    reply: json(api.peerActionReplySchema),
  },
  drain: {
    method: 'POST',
    path: '/v1/drain',
    summary:
      'Announces that a session, or all of the node, will go down (RFC 8326): paths are told with GRACEFUL_SHUTDOWN, and those heard are used last.',
    body: api.drainRequestSchema,
    reply: json(api.drainReplySchema),
  },
  routes: {
    method: 'GET',
    path: '/v1/routes',
    summary: 'Paths of the Loc-RIB, or of the Adj-RIB-In or Adj-RIB-Out of one peer, as lines of JSON.',
    query: api.routesQuerySchema,
    reply: lines(api.routesLineSchema),
  },
  explain: {
    method: 'GET',
    path: '/v1/explain',
    summary:
      'Why a prefix is here or not: every candidate path with the step of the decision process that ranked it and what policy changed, ' +
      'who is told and why others are not, what the kernel holds.',
    query: explainQuerySchema,
    reply: json(explainReplySchema),
  },
  fib: {
    method: 'GET',
    path: '/v1/fib',
    summary: "Our routes in the kernel's forwarding table, as lines of JSON.",
    query: fib.fibQuerySchema,
    reply: lines(fib.fibLineSchema),
  },
  fibCheck: {
    method: 'GET',
    path: '/v1/fib/check',
    summary: 'Reads the kernel and compares it with what it should hold.',
    reply: json(fib.fibCheckReplySchema),
  },
  pods: { method: 'GET', path: '/v1/pods', summary: 'Pods wired by this node.', reply: json(pods.podsReplySchema) },
  blocks: {
    method: 'GET',
    path: '/v1/blocks',
    summary: 'Address blocks of this node.',
    reply: json(pods.blocksReplySchema),
  },
  reload: {
    method: 'POST',
    path: '/v1/reload',
    summary: 'Reads the configuration again and applies the difference; all or nothing.',
    body: api.reloadRequestSchema,
    reply: json(api.reloadReplySchema),
  },
  node: {
    method: 'GET',
    path: '/v1/node',
    summary: 'This node, its registration in the store, and every node that registered.',
    reply: json(cluster.nodeReplySchema),
  },
  resources: {
    method: 'GET',
    path: '/v1/resources',
    summary:
      'Resources in force on this node, from files, the store and registrations, each field as it was understood.',
    query: cluster.resourcesQuerySchema,
    reply: json(cluster.resourcesReplySchema),
  },
  apply: {
    method: 'POST',
    path: '/v1/resources',
    summary: 'Puts resources into the store, all or none, once the whole was found good for every node.',
    body: cluster.applyRequestSchema,
    bodyLimit: 8 * 1024 * 1024,
    reply: json(cluster.resourceChangesReplySchema),
  },
  delete: {
    method: 'POST',
    path: '/v1/resources/delete',
    summary: 'Takes resources out of the store, all or none, once what is left was found good for every node.',
    body: cluster.deleteRequestSchema,
    reply: json(cluster.resourceChangesReplySchema),
  },
  plan: {
    method: 'POST',
    path: '/v1/plan',
    summary: 'What applying resources would do to the sessions and routes of every node; nothing is changed.',
    body: cluster.planRequestSchema,
    bodyLimit: 8 * 1024 * 1024,
    reply: json(cluster.planReplySchema),
  },
  ipam: {
    method: 'GET',
    path: '/v1/ipam',
    summary: "The cluster's pools and address blocks.",
    reply: json(cluster.ipamReplySchema),
  },
  ipamCheck: {
    method: 'GET',
    path: '/v1/ipam/check',
    summary: "Compares the store's blocks, this node's memory, its pods and the kernel.",
    reply: json(cluster.ipamCheckReplySchema),
  },
} as const satisfies Record<string, Endpoint>;

/** Name of a request. */
export type EndpointName = keyof typeof endpoints;
