import type {
  ApiErrorCode,
  ApiProblem,
  ClearRequest,
  DrainReply,
  DrainRequest,
  HealthReply,
  PeerActionReply,
  PeerDetail,
  PeersReply,
  ReloadReply,
  ReloadRequest,
  Route,
  RoutesBegin,
  RoutesQuery,
  ShutdownRequest,
  StatusReply,
  VersionReply,
} from '../../lib/api.ts';
import type {
  ApplyRequest,
  DeleteRequest,
  IpamCheckReply,
  IpamReply,
  NodeReply,
  PlanReply,
  PlanRequest,
  ResourceChangesReply,
  ResourcesQuery,
  ResourcesReply,
} from '../../lib/api-cluster.ts';
import type { ExplainQuery, ExplainReply } from '../../lib/api-explain.ts';
import type { FibBegin, FibCheckReply, FibQuery, FibRoute } from '../../lib/api-fib.ts';
import type { BlocksReply, PodsReply } from '../../lib/api-pods.ts';

/** Now or later. */
export type Awaitable<T> = T | Promise<T>;

/**
 * A list that may be too long to hold. `entries` is read a few milliseconds at a time over many turns of the event loop
 * while tables change, so it must be a cursor that stays valid; what changes meanwhile may be seen or not. A reader that
 * goes away ends it with `return()`.
 */
export interface Listing<Begin, Entry> {
  readonly begin: Omit<Begin, 'type'>;
  readonly entries: Iterable<Entry> | AsyncIterable<Entry>;
}

/** What the control API asks about the cluster. */
export interface ClusterSurface {
  node(): Awaitable<NodeReply>;
  resources(query: ResourcesQuery): Awaitable<ResourcesReply>;
  apply(request: ApplyRequest): Awaitable<ResourceChangesReply>;
  delete(request: DeleteRequest): Awaitable<ResourceChangesReply>;
  plan(request: PlanRequest): Awaitable<PlanReply>;
  ipam(): Awaitable<IpamReply>;
  ipamCheck(): Awaitable<IpamCheckReply>;
}

/**
 * What the control API asks of the daemon; the daemon implements it. Every method may throw `ControlError`, whose text
 * reaches the user as it is; anything else thrown is a bug, logged with its stack and answered as `internal`.
 *
 * `peer` arguments are what the user typed: the name of a peer or its address. An unknown one is `ControlError.notFound`.
 */
export interface ControlSurface extends ClusterSurface {
  version(): VersionReply;
  health(): Awaitable<HealthReply>;
  status(): Awaitable<StatusReply>;
  /** As `status`, and begins to measure anew. */
  statusReset(): Awaitable<StatusReply>;
  peers(): Awaitable<PeersReply>;
  peer(peer: string): Awaitable<PeerDetail>;
  clear(peer: string, request: ClearRequest): Awaitable<PeerActionReply>;
  shutdown(peer: string, request: ShutdownRequest): Awaitable<PeerActionReply>;
  enable(peer: string): Awaitable<PeerActionReply>;
  drain(request: DrainRequest): Awaitable<DrainReply>;
  /** `query` is validated: `prefix`, where given, is a prefix without host bits or an address; `peer` is there when the view needs it. */
  routes(query: RoutesQuery): Awaitable<Listing<RoutesBegin, Route>>;
  /** Why a prefix is here or not; `query.prefix` is validated as for `routes`. */
  explain(query: ExplainQuery): Awaitable<ExplainReply>;
  fib(query: FibQuery): Awaitable<Listing<FibBegin, FibRoute>>;
  fibCheck(): Awaitable<FibCheckReply>;
  pods(): Awaitable<PodsReply>;
  blocks(): Awaitable<BlocksReply>;
  reload(request: ReloadRequest): Awaitable<ReloadReply>;
}

/** A request the daemon will not carry out, with the reason for the person who asked. */
export class ControlError extends Error {
  readonly code: ApiErrorCode;
  readonly problems: readonly ApiProblem[];

  /** @param message what was seen and what was wanted; never a secret */
  constructor(code: ApiErrorCode, message: string, problems: readonly ApiProblem[] = []) {
    super(message);
    this.name = 'ControlError';
    this.code = code;
    this.problems = problems;
  }

  /** The thing named does not exist; `known` are the names that do. */
  static notFound(kind: string, name: string, known: readonly string[] = []): ControlError {
    const hint =
      known.length === 0 ? '' : `; known: ${known.slice(0, 20).join(', ')}${known.length > 20 ? ' ...' : ''}`;
    return new ControlError('not-found', `no ${kind} '${name}'${hint}`);
  }
}
