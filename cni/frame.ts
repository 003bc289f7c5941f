/**
 * What the plugin and the daemon say to each other, one request and one reply per connection:
 *
 * - request: 4 octets length, big endian; then every `CNI_*` variable as `NAME=VALUE` and a NUL; one more NUL; stdin
 * - reply: 4 octets length, big endian; then 1 octet exit code; then what goes to standard output
 */

/** Largest length accepted in either direction, octets. A GC request grows with the pods of a node. */
export const maxFrameOctets = 4 * 1024 * 1024;

/** What the runtime gave the plugin. */
export interface RawRequest {
  /** The `CNI_*` variables. */
  readonly environment: ReadonlyMap<string, string>;
  readonly stdin: string;
}

/** Collects the octets of one request. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #octets = 0;

  /**
   * Takes what was received.
   * @returns the request once it is complete; undefined while more is awaited
   * @throws RangeError when the length is over {@link maxFrameOctets} or more than one frame came
   */
  push(chunk: Buffer): RawRequest | undefined {
    this.#chunks.push(chunk);
    this.#octets += chunk.length;
    if (this.#octets < 4) return undefined;
    const all = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#octets);
    this.#chunks = [all];
    const length = all.readUInt32BE(0);
    if (length > maxFrameOctets) throw new RangeError(`frame of ${length} octets: at most ${maxFrameOctets}`);
    if (all.length < 4 + length) return undefined;
    if (all.length > 4 + length) throw new RangeError(`${all.length - 4 - length} octets after the frame`);
    return decodeRequest(all.subarray(4));
  }
}

/**
 * Takes a request apart.
 * @throws RangeError when the variables do not end
 */
export function decodeRequest(body: Buffer): RawRequest {
  const environment = new Map<string, string>();
  let at = 0;
  for (;;) {
    const end = body.indexOf(0, at);
    if (end < 0) throw new RangeError('the request ends within its variables');
    if (end === at) return { environment, stdin: body.toString('utf8', end + 1) };
    const entry = body.toString('utf8', at, end);
    const equals = entry.indexOf('=');
    if (equals > 0) environment.set(entry.slice(0, equals), entry.slice(equals + 1));
    at = end + 1;
  }
}

/** A request as the plugin sends it, length included. For tests and tools; the plugin itself is C. */
export function encodeRequest(environment: Readonly<Record<string, string>>, stdin: string): Buffer {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}\0`);
  return withLength(Buffer.from(`${variables.join('')}\0${stdin}`));
}

/** A reply as the daemon sends it, length included. */
export function encodeReply(exitCode: number, stdout: string): Buffer {
  return withLength(Buffer.concat([Buffer.from([exitCode]), Buffer.from(stdout)]));
}

/** Takes a whole reply apart. For tests and tools. */
export function decodeReply(frame: Buffer): { readonly exitCode: number; readonly stdout: string } {
  return { exitCode: frame.readUInt8(4), stdout: frame.toString('utf8', 5) };
}

function withLength(body: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  return Buffer.concat([head, body]);
}
