import { chmod, lstat, mkdir, rename, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { API_VERSION, type DrainRequest, type ErrorReply, errorStatus, type RoutesQuery } from '../../lib/api.ts';
import type { ApplyRequest, DeleteRequest, PlanRequest, ResourcesQuery } from '../../lib/api-cluster.ts';
import { type Endpoint, type EndpointName, endpoints } from '../../lib/api-endpoints.ts';
import type { ExplainQuery } from '../../lib/api-explain.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { errorMessage } from '../../lib/result.ts';
import { ControlError, type ControlSurface, type Listing } from './control-surface.ts';
import { linesOf } from './lines.ts';
import { checkPrefixQuery, checkRoutesQuery, validate } from './validate.ts';

/** Longest path of a Unix socket: sun_path is 108 octets with its NUL (unix(7)). */
const MAX_SOCKET_PATH_OCTETS = 107;

/** What the server needs. */
export interface ApiServerOptions {
  readonly surface: ControlSurface;
  /** Unix socket; its directory is made if it is missing. */
  readonly socketPath: string;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Handled {
  readonly params: { readonly peer?: string };
  readonly query: unknown;
  readonly body: unknown;
}

/** The control API on a Unix socket that its owner and group may use (mode 0660). */
export class ApiServer {
  readonly #options: ApiServerOptions;
  readonly #app: FastifyInstance;
  #listening = false;

  constructor(options: ApiServerOptions) {
    this.#options = options;
    this.#app = buildApp(options);
  }

  /**
   * Begins to answer. The socket appears under its name already with its mode, in the place of one that a dead daemon left.
   * @throws Error where another daemon answers on the path, something else than a socket is there, or the path cannot be used
   */
  async start(): Promise<void> {
    const { socketPath, log } = this.#options;
    const temporary = `${socketPath}.${process.pid}`;
    if (Buffer.byteLength(temporary) > MAX_SOCKET_PATH_OCTETS) {
      throw new Error(
        `control socket ${socketPath}: a Unix socket's path has at most ${MAX_SOCKET_PATH_OCTETS - 8} octets here`,
      );
    }
    await mkdir(dirname(socketPath), { recursive: true });
    await refuseIfTaken(socketPath);
    await unlink(temporary).catch(() => undefined);
    await this.#app.listen({ path: temporary });
    this.#listening = true;
    await chmod(temporary, 0o660);
    await rename(temporary, socketPath);
    log.info('api', { listening: socketPath });
  }

  /** Stops answering, cuts connections and removes the socket. May be called twice. */
  async close(): Promise<void> {
    if (this.#listening) {
      this.#listening = false;
      await unlink(this.#options.socketPath).catch(() => undefined);
    }
    await this.#app.close();
  }
}

/** The application without its socket, for tests that inject requests. */
export function buildApp(options: ApiServerOptions): FastifyInstance {
  const { log } = options;
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    bodyLimit: 64 * 1024,
    routerOptions: { maxParamLength: 512 },
  });
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('podroute-api', String(API_VERSION));
  });
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply, log));
  app.setNotFoundHandler(() => {
    throw new ControlError(
      'not-found',
      'no such request; this daemon speaks version 1 of the control API (docs/api.md)',
    );
  });
  const handlers = handlersOf(options.surface);
  for (const name of Object.keys(endpoints) as EndpointName[]) {
    const endpoint: Endpoint = endpoints[name];
    app.route({
      method: endpoint.method,
      url: endpoint.path,
      ...(endpoint.bodyLimit === undefined ? {} : { bodyLimit: endpoint.bodyLimit }),
      handler: async (request, reply) => {
        const handled: Handled = {
          params: request.params as { peer?: string },
          query: validate('query', endpoint.query, request.query),
          body: validate('body', endpoint.body, request.body),
        };
        const answer = await handlers[name](handled);
        if (endpoint.reply.type === 'lines') return sendLines(answer as Listing<object, object>, reply, options);
        if (name === 'health' && !(answer as { ready: boolean }).ready) reply.code(503);
        // Parsing drops whatever the schema does not name: nothing undocumented, and no secret, leaves by accident.
        return endpoint.reply.schema.parse(answer);
      },
    });
  }
  return app;
}

function handlersOf(surface: ControlSurface): Record<EndpointName, (request: Handled) => unknown> {
  const peerOf = (request: Handled): string => request.params.peer ?? '';
  return {
    version: () => surface.version(),
    health: () => surface.health(),
    status: () => surface.status(),
    statusReset: () => surface.statusReset(),
    peers: () => surface.peers(),
    peer: (request) => surface.peer(peerOf(request)),
    clear: (request) => surface.clear(peerOf(request), request.body as { soft: boolean }),
    shutdown: (request) => surface.shutdown(peerOf(request), request.body as { message?: string }),
    enable: (request) => surface.enable(peerOf(request)),
    drain: (request) => surface.drain(request.body as DrainRequest),
    routes: (request) => surface.routes(checkRoutesQuery(request.query as RoutesQuery)),
    explain: (request) => surface.explain(checkPrefixQuery(request.query as ExplainQuery)),
    fib: (request) => surface.fib(checkPrefixQuery(request.query as { prefix?: string })),
    fibCheck: () => surface.fibCheck(),
    pods: () => surface.pods(),
    blocks: () => surface.blocks(),
    reload: (request) => surface.reload(request.body as { dryRun: boolean }),
    node: () => surface.node(),
    resources: (request) => surface.resources(request.query as ResourcesQuery),
    apply: (request) => surface.apply(request.body as ApplyRequest),
    delete: (request) => surface.delete(request.body as DeleteRequest),
    plan: (request) => surface.plan(request.body as PlanRequest),
    ipam: () => surface.ipam(),
    ipamCheck: () => surface.ipamCheck(),
  };
}

function sendLines(listing: Listing<object, object>, reply: FastifyReply, options: ApiServerOptions): FastifyReply {
  const stream = Readable.from(
    linesOf(listing, options.clock, (error) => errorReplyOf(error, options.log, 'stream')),
    { objectMode: true, highWaterMark: 1 },
  );
  return reply.type('application/x-ndjson; charset=utf-8').send(stream);
}

function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Logger): void {
  const body = errorReplyOf(error, log, `${request.method} ${request.url}`);
  void reply.code(errorStatus[body.error.code]).send(body);
}

/** The reply for what was thrown. A bug is logged with its stack and answered without it. */
function errorReplyOf(error: unknown, log: Logger, request: string): ErrorReply {
  if (error instanceof ControlError) {
    const problems = error.problems.length === 0 ? {} : { problems: [...error.problems] };
    return { error: { code: error.code, message: error.message, ...problems } };
  }
  const status = (error as { statusCode?: unknown } | undefined)?.statusCode;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return { error: { code: 'invalid-request', message: errorMessage(error) } };
  }
  log.error('api', { request, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  return { error: { code: 'internal', message: "the daemon failed to answer; the reason is in its log ('api')" } };
}

/** A socket that nobody serves may be replaced; anything else may not. */
async function refuseIfTaken(path: string): Promise<void> {
  const stat = await lstat(path).catch(() => undefined);
  if (stat === undefined) return;
  if (!stat.isSocket())
    throw new Error(`control socket ${path}: something that is not a socket is there; move it away`);
  const answered = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (answered) throw new Error(`control socket ${path}: another daemon answers there`);
}
