import { compareIp, type IpAddress, ipv4ToUint32 } from 'bgp-ts';
import { growInt32, growUint8 } from './columns.ts';
import type { RibPeerSettings, RibSession } from './types.ts';

/** What a source is to the decision process and to export. `Confed` is a session with another member AS of our confederation (RFC 5065). */
export const SourceKind = { Local: 0, Ebgp: 1, Ibgp: 2, Confed: 3 } as const;

/** The source of what this node originates. */
export const LOCAL_SOURCE = 0;

/** Most sources alive at a time: a path has 16 bits for it. */
const MAX_SOURCES = 65_535;

/** Whom a source stands for: one run of a session. */
export interface SourceOwner {
  readonly settings: RibPeerSettings;
  readonly session: RibSession | undefined;
}

/**
 * Where paths come from: 0 is this node, every session that reaches Established gets a number of its own. A number is free again once the
 * session is down and its last path is gone, so that paths of an old session can never be taken for those of the new one. Columns.
 */
export class Sources {
  /** `SourceKind` per source. */
  kind: Uint8Array;
  /** 1 while the session is up (and for source 0). */
  alive: Uint8Array;
  /** 1 for clients of this route reflector. */
  client: Uint8Array;
  /** BGP identifier, as a signed number: compare with `>>> 0`. */
  routerId: Int32Array;
  /** Position of the peer's address among those of all sources. */
  addressRank: Int32Array;
  /** Two numbers a source, one per family: paths in Adj-RIB-In, those accepted, prefixes whose best path is from here. */
  received: Int32Array;
  accepted: Int32Array;
  best: Int32Array;
  readonly #owners: (SourceOwner | undefined)[];
  readonly #free: number[];
  /** Sources that are down and still have paths. */
  #dying: number;
  #isRanked: boolean;

  constructor(routerId: IpAddress) {
    this.kind = new Uint8Array(16);
    this.alive = new Uint8Array(16);
    this.client = new Uint8Array(16);
    this.routerId = new Int32Array(16);
    this.addressRank = new Int32Array(16);
    this.received = new Int32Array(32);
    this.accepted = new Int32Array(32);
    this.best = new Int32Array(32);
    this.alive[LOCAL_SOURCE] = 1;
    this.routerId[LOCAL_SOURCE] = ipv4ToUint32(routerId) | 0;
    this.#owners = [undefined];
    this.#free = [];
    this.#dying = 0;
    this.#isRanked = true;
  }

  /** One above the largest source so far. */
  get end(): number {
    return this.#owners.length;
  }

  /** Sources that are down and still have paths to be swept away. */
  get dying(): number {
    return this.#dying;
  }

  ownerOf(source: number): SourceOwner | undefined {
    return this.#owners[source];
  }

  /** A number for a session that came up. */
  open(owner: SourceOwner, session: RibSession): number {
    const source = this.#free.shift() ?? this.#owners.length;
    if (source > MAX_SOURCES) throw new RangeError(`${source} sessions: ${MAX_SOURCES} is the most`);
    if (source >= this.kind.length) this.#grow(source + 1);
    const { settings } = owner;
    this.#owners[source] = owner;
    this.kind[source] = kindOf(settings);
    this.client[source] = settings.kind === 'ibgp' && settings.routeReflectorClient === true ? 1 : 0;
    this.alive[source] = 1;
    this.routerId[source] = ipv4ToUint32(session.remoteRouterId) | 0;
    this.#isRanked = false;
    return source;
  }

  /** The session ended: nothing of it is selected from now on. */
  close(source: number): void {
    this.alive[source] = 0;
    if (this.#hasPaths(source)) this.#dying++;
    else this.#release(source);
  }

  /** Called when the last path of a source that is down was removed. */
  emptied(source: number): void {
    if (this.alive[source] === 1 || this.#hasPaths(source)) return;
    this.#dying--;
    this.#release(source);
  }

  /** After a change of settings that concerns a running session. */
  refresh(source: number): void {
    const settings = this.#owners[source]?.settings;
    if (settings === undefined) return;
    this.client[source] = settings.kind === 'ibgp' && settings.routeReflectorClient === true ? 1 : 0;
  }

  #hasPaths(source: number): boolean {
    return this.received[source * 2]! + this.received[source * 2 + 1]! > 0;
  }

  #release(source: number): void {
    this.#owners[source] = undefined;
    this.#free.push(source);
  }

  /** Orders all sources by the address of their peer, so that the last tie-breaker compares two numbers. Call before deciding. */
  rank(): void {
    if (this.#isRanked) return;
    this.#isRanked = true;
    const order = [...this.#owners.keys()].filter((source) => this.#owners[source] !== undefined);
    const addressOf = (source: number) => this.#owners[source]?.settings.address;
    order.sort((a, b) => {
      const [x, y] = [addressOf(a), addressOf(b)];
      return x === undefined || y === undefined ? 0 : compareIp(x, y) || a - b;
    });
    for (const [rank, source] of order.entries()) this.addressRank[source] = rank;
  }

  #grow(wanted: number): void {
    this.kind = growUint8(this.kind, wanted);
    this.alive = growUint8(this.alive, wanted);
    this.client = growUint8(this.client, wanted);
    this.routerId = growInt32(this.routerId, wanted);
    this.addressRank = growInt32(this.addressRank, wanted);
    this.received = growInt32(this.received, wanted * 2);
    this.accepted = growInt32(this.accepted, wanted * 2);
    this.best = growInt32(this.best, wanted * 2);
  }
}

function kindOf(settings: RibPeerSettings): number {
  if (settings.kind === 'ibgp') return SourceKind.Ibgp;
  return settings.isConfederationMember === true ? SourceKind.Confed : SourceKind.Ebgp;
}
