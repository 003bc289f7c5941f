import { lstatSync, type Stats } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:http';
import { userInfo } from 'node:os';
import type { ErrorReply } from '../lib/api.ts';
import { CliError, ExitCode } from './errors.ts';

/** Version of the shapes in lib/api.ts; not imported from there, for that would load every schema. */
const API_VERSION = '1';

/** How long the daemon may stay silent, in milliseconds. */
const SILENCE_MS = 30_000;

/** Query values; undefined ones are left out. */
export type Query = Readonly<Record<string, string | boolean | undefined>>;

/**
 * The control API of one daemon. Replies are taken as the daemon sends them: it has checked them against the schemas of
 * lib/api.ts, and the `podroute-api` header says which version of them.
 */
export class Client {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** The reply of a GET. @throws CliError when the daemon is away or refuses */
  async get<T>(path: string, query: Query = {}): Promise<T> {
    return this.#document<T>('GET', path + encodeQuery(query), undefined);
  }

  /** The reply of a POST. @throws CliError */
  async post<T>(path: string, body: object = {}): Promise<T> {
    return this.#document<T>('POST', path, body);
  }

  /** Like `get`, for a reply that says what it says with status 503 too. @throws CliError */
  async getHealth<T>(path: string): Promise<T> {
    return this.#document<T>('GET', path, undefined, [503]);
  }

  /**
   * The lines of a list: `begin` first, then the entries in batches as they arrive.
   * @throws CliError also when the list is cut short
   */
  async *list<Begin, Entry>(path: string, query: Query = {}): AsyncGenerator<Begin | Entry[], void, void> {
    const response = await this.#request('GET', path + encodeQuery(query), undefined);
    if (response.statusCode !== 200) throw refusal(await this.#text(response), response.statusCode);
    // Whoever reads the list may stop for long (a pager): silence says nothing from here on.
    response.socket.setTimeout(0);
    let rest = '';
    let isWhole = false;
    try {
      response.setEncoding('utf8');
      for await (const piece of response as AsyncIterable<string>) {
        const lines = (rest + piece).split('\n');
        rest = lines.pop() ?? '';
        const entries: Entry[] = [];
        for (const line of lines) {
          const value = JSON.parse(line) as { type?: string; route?: Entry };
          if (value.type === 'route') entries.push(value.route as Entry);
          else if (value.type === 'begin') yield value as Begin;
          else if (value.type === 'end') isWhole = true;
          else throw refusal(line, 200);
        }
        if (entries.length > 0) yield entries;
      }
    } catch (error) {
      if (error instanceof CliError) throw error;
      throw this.#away(error as NodeJS.ErrnoException);
    }
    if (!isWhole) throw this.#away(new Error('the list ended before its end'));
  }

  async #document<T>(
    method: string,
    path: string,
    body: object | undefined,
    allowed: readonly number[] = [],
  ): Promise<T> {
    const response = await this.#request(method, path, body);
    const text = await this.#text(response);
    if (response.statusCode !== 200 && !allowed.includes(response.statusCode ?? 0))
      throw refusal(text, response.statusCode);
    try {
      return JSON.parse(text) as T;
    } catch (error) {
      throw this.#away(error as Error);
    }
  }

  #request(method: string, path: string, body: object | undefined): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { 'content-type': 'application/json' };
      const outgoing = request({ socketPath: this.#socketPath, method, path, headers, agent: false });
      outgoing.setTimeout(SILENCE_MS, () => {
        outgoing.destroy(new Error(`no answer within ${SILENCE_MS / 1000} s`));
      });
      outgoing.once('error', (error) => reject(this.#away(error)));
      outgoing.once('response', (response) => {
        const version = response.headers['podroute-api'];
        if (version === API_VERSION) {
          resolve(response);
          return;
        }
        response.destroy();
        const seen =
          version === undefined
            ? 'what answers there is not podrouted'
            : `the daemon speaks version ${String(version)} of the API`;
        reject(
          new CliError(
            ExitCode.Away,
            'unavailable',
            `${this.#socketPath}: ${seen}, this bgpctl speaks version ${API_VERSION}: use the bgpctl that came with the daemon`,
          ),
        );
      });
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  async #text(response: IncomingMessage): Promise<string> {
    try {
      let text = '';
      response.setEncoding('utf8');
      for await (const piece of response as AsyncIterable<string>) text += piece;
      return text;
    } catch (error) {
      throw this.#away(error as Error);
    }
  }

  #away(error: NodeJS.ErrnoException): CliError {
    return new CliError(ExitCode.Away, 'unavailable', describeAway(this.#socketPath, error));
  }
}

/** What was tried, what the system said, and what to do about it. */
function describeAway(path: string, error: NodeJS.ErrnoException): string {
  const elsewhere = 'name its socket with --socket PATH or PODROUTE_API_SOCKET.';
  if (error.code === 'ENOENT') {
    return `podrouted is not running: there is no socket ${path}.\nStart podrouted, or ${elsewhere}`;
  }
  const stat = lookAt(path);
  if (stat !== undefined && !stat.isSocket())
    return `${path} is not a socket.\nThe default is /run/podroute/podrouted.sock; ${elsewhere}`;
  if (error.code === 'ECONNREFUSED') {
    return `podrouted is not running: nobody answers on ${path}, the socket was left by a daemon that ended.\nStart podrouted, or ${elsewhere}`;
  }
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    const mode =
      stat === undefined
        ? ''
        : `; it belongs to uid ${stat.uid}, gid ${stat.gid}, mode ${(stat.mode & 0o777).toString(8)}`;
    return `no permission to open ${path} as ${whoAmI()}${mode}.\nRun bgpctl as root or as a member of that group.`;
  }
  if (error.code === 'ENAMETOOLONG') return `${path}: the path is too long for a Unix socket (107 octets).`;
  return `podrouted did not answer on ${path}: ${error.message}.\nIts log says why; the command may or may not have been carried out.`;
}

function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

function whoAmI(): string {
  try {
    const { username, uid } = userInfo();
    return `${username} (uid ${uid})`;
  } catch {
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}

/** The error that a reply tells of. A request that makes no sense is a usage error. */
function refusal(text: string, status: number | undefined): CliError {
  let error: ErrorReply['error'] | undefined;
  try {
    error = (JSON.parse(text) as Partial<ErrorReply>).error;
  } catch {
    // Not JSON: told below by its status.
  }
  if (error === undefined)
    return new CliError(ExitCode.Refused, 'internal', `the daemon answered with status ${status ?? '?'}`);
  const exitCode = error.code === 'invalid-request' ? ExitCode.Usage : ExitCode.Refused;
  return new CliError(exitCode, error.code, error.message, error.problems ?? []);
}

function encodeQuery(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}
