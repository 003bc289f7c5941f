import {
  decodeUpdate,
  encodeUpdate,
  type FamilyName,
  formatPrefix,
  type IpAddress,
  ip,
  makeMpReach,
  makeMpUnreach,
  type NlriEntry,
  type Notification,
  nlriOf,
  type PathAttributes,
  type Prefix,
  type SessionContext,
} from 'bgp-ts';
import { type PeerHandle, Rib } from '../../rib/rib.ts';
import type { RibOptions, RibPeerSettings } from '../../rib/types.ts';
import type { Negotiated } from '../../speaker/negotiate.ts';
import type { SessionPort } from '../../speaker/peer-handlers.ts';
import type { GroupLimits } from '../../speaker/update-group.ts';
import { UpdateIn } from '../../speaker/update-in.ts';
import { UpdateOut } from '../../speaker/update-out.ts';

const HEADER_OCTETS = 19;

/** How a session of the lab differs from the usual one. */
export interface LabSession {
  readonly fourOctetAs?: boolean;
  readonly addPathReceive?: boolean;
  readonly addPathSend?: boolean;
  /** RFC 8950, both ways. */
  readonly extendedNextHop?: boolean;
  /** Interface of the session. */
  readonly device?: string;
  readonly families?: readonly FamilyName[];
  readonly maxOctets?: number;
  readonly enhancedRefresh?: boolean;
  readonly localAddress?: IpAddress;
  readonly routerId?: IpAddress;
}

/**
 * A RIB with both ends of update handling, and peers that are nothing but a fake socket: what they say goes in as octets, what they are
 * told is decoded and kept as they would.
 */
export class RibLab {
  readonly rib: Rib;
  readonly out: UpdateOut;
  /** Next hops that are not reachable now, as text of octets; others have metric 0 or what `metrics` says. */
  readonly metrics = new Map<string, number | undefined>();
  workArrived = 0;
  readonly warnings: string[] = [];
  #now = 0;

  constructor(
    options: Partial<RibOptions> = {},
    limits?: GroupLimits,
    noNextHopSelf: (peers: readonly string[], family: FamilyName) => void = () => {},
  ) {
    const all: RibOptions = {
      localAs: 64999,
      routerId: ip('10.0.0.1'),
      nextHops: {
        resolve: (address) => {
          const metric = this.metricOf(address);
          return metric === undefined ? { reachable: false } : { reachable: true, metric };
        },
      },
      // Time moves with every look at it, so that a budget of 0 is one slice.
      nowMs: () => ++this.#now,
      ...options,
    };
    this.rib = new Rib(all, {
      workArrived: () => {
        this.workArrived++;
      },
      prefixLimitWarning: (peer, family, count, limit) => {
        this.warnings.push(`${peer} ${family} ${count}/${limit}`);
      },
      noNextHopSelf,
    });
    this.out = new UpdateOut(this.rib, limits);
  }

  metricOf(address: IpAddress): number | undefined {
    const key = address.octets.join('.');
    return this.metrics.has(key) ? this.metrics.get(key) : 0;
  }

  peer(settings: RibPeerSettings, session: LabSession = {}): LabPeer {
    return new LabPeer(this, settings, session);
  }

  /** One slice of everything. True: there is more. */
  slice(): boolean {
    const decided = this.rib.work(0);
    const packed = this.out.work(0);
    return decided || packed;
  }

  /** Works as the daemon does: as long as a slice says that there is more, or asked to be called again. */
  settle(): void {
    for (let n = 0; ; n++) {
      const asked = this.workArrived;
      if (!this.slice() && this.workArrived === asked) return;
      if (n > 100_000) throw new Error('never settles');
    }
  }
}

/** A peer of the lab. */
export class LabPeer {
  readonly handle: PeerHandle;
  /** By prefix text, and where there are path identifiers ` ID` behind it, what the peer holds from us. */
  readonly told = new Map<string, PathAttributes>();
  /** End-of-RIB markers received, in order, with how much was told by then. */
  readonly endOfRib: { family: FamilyName; told: number }[] = [];
  /** The socket takes nothing for the time being: `send` accepts one more buffer, then says no. */
  isStuck = false;
  updates = 0;
  octets = 0;
  /** Withdrawals of what it did not hold, by the key of `told`. */
  readonly needless: string[] = [];
  /** Refreshes that were marked, with what was announced between begin and end; the last one may not be ended. */
  readonly refreshes: { family: FamilyName; announced: Set<string>; isEnded: boolean }[] = [];
  /** What `send` was given. */
  readonly buffers: Uint8Array[] = [];
  /** Called after each UPDATE was taken in. */
  onTold: () => void = () => {};
  updateIn: UpdateIn | undefined;
  readonly #lab: RibLab;
  readonly #session: LabSession;
  settings: RibPeerSettings;

  constructor(lab: RibLab, settings: RibPeerSettings, session: LabSession) {
    this.#lab = lab;
    this.#session = session;
    this.settings = settings;
    this.handle = lab.rib.addPeer(settings);
  }

  get context(): SessionContext {
    const { fourOctetAs = true, addPathReceive, addPathSend, extendedNextHop } = this.#session;
    const families: FamilyName[] = ['ipv4-unicast', 'ipv6-unicast'];
    // From the peer's side: what we receive with path ids it sends so.
    return {
      fourOctetAs,
      addPathSend: new Set(addPathReceive === true ? families : []),
      addPathReceive: new Set(addPathSend === true ? families : []),
      extendedNextHop: new Set(extendedNextHop === true ? ['ipv4-unicast'] : []),
      kind: this.settings.isConfederationMember === true ? 'confed' : this.settings.kind,
    };
  }

  up(): void {
    const { families = ['ipv4-unicast', 'ipv6-unicast'], maxOctets = 4096, enhancedRefresh = true } = this.#session;
    const { settings, context } = this;
    this.told.clear();
    this.endOfRib.length = 0;
    this.needless.length = 0;
    this.refreshes.length = 0;
    this.isStuck = false;
    const negotiated: Negotiated = {
      families: new Set(families),
      fourOctetAs: context.fourOctetAs,
      addPathReceive: context.addPathSend,
      addPathSend: context.addPathReceive,
      extendedNextHop: context.extendedNextHop ?? new Set(),
      routeRefresh: true,
      enhancedRefresh,
      holdSeconds: 90,
      keepaliveSeconds: 30,
      maxOctets,
      kind: settings.kind,
      localAs: settings.localAs,
      remoteAs: settings.remoteAs,
      localRouterId: ip('10.0.0.1'),
      remoteRouterId: this.#session.routerId ?? settings.address,
      localAddress: this.#session.localAddress ?? ip('10.0.0.1'),
      remoteAddress: settings.address,
      ...(this.#session.device === undefined ? {} : { device: this.#session.device }),
      capabilitiesSent: [],
      capabilitiesReceived: [],
    };
    const port: SessionPort = {
      negotiated,
      isUp: true,
      send: (bytes) => {
        this.#take(bytes);
        return !this.isStuck;
      },
      requestRefresh: () => true,
      markRefresh: (family, mark) => {
        if (enhancedRefresh) this.#mark(family, mark);
      },
      close() {},
      pauseReading() {},
      resumeReading() {},
    };
    this.#lab.rib.sessionUp(this.handle, negotiated);
    this.updateIn = new UpdateIn(this.#lab.rib, this.handle, negotiated);
    this.#lab.out.sessionUp(this.handle, port);
  }

  down(): void {
    this.updateIn = undefined;
    this.#lab.out.sessionDown(this.handle);
    this.#lab.rib.sessionDown(this.handle);
  }

  /** The socket takes data again. */
  unstick(): void {
    if (!this.isStuck) return;
    this.isStuck = false;
    this.#lab.out.writable(this.handle);
  }

  /** Sends a whole UPDATE as octets; the NOTIFICATION it is answered with, if any. */
  sendOctets(message: Uint8Array): Notification | undefined {
    return this.updateIn?.receive(message, HEADER_OCTETS, message.length);
  }

  announce(prefixes: readonly Prefix[], attributes: PathAttributes, pathId?: number): Notification | undefined {
    return this.sendOctets(this.announcement(prefixes, attributes, pathId));
  }

  /** The UPDATE that {@link announce} sends. */
  announcement(prefixes: readonly Prefix[], attributes: PathAttributes, pathId?: number): Uint8Array {
    const nlri = entries(prefixes, pathId);
    const { nextHop, linkLocalNextHop, ...rest } = attributes;
    const family: FamilyName = prefixes[0]?.address.version === 4 ? 'ipv4-unicast' : 'ipv6-unicast';
    if (family === 'ipv4-unicast' && nextHop?.version !== 6) {
      return encodeUpdate({ attributes, nlri: nlriOf('ipv4-unicast', nlri) }, this.context);
    }
    if (nextHop === undefined) throw new RangeError('an IPv6 route without a next hop');
    const hops = linkLocalNextHop === undefined ? { nextHop } : { nextHop, linkLocalNextHop };
    const mpReach = makeMpReach(family, hops, nlri);
    return encodeUpdate({ attributes: rest, mpReach }, this.context);
  }

  withdraw(prefixes: readonly Prefix[], pathId?: number): Notification | undefined {
    const withdrawn = entries(prefixes, pathId);
    if (prefixes[0]?.address.version === 4) {
      return this.sendOctets(encodeUpdate({ withdrawn: nlriOf('ipv4-unicast', withdrawn) }, this.context));
    }
    return this.sendOctets(encodeUpdate({ mpUnreach: makeMpUnreach('ipv6-unicast', withdrawn) }, this.context));
  }

  /** As a peer should (RFC 7313 §4): what was not announced between the marks is gone. */
  #mark(family: FamilyName, mark: 'begin' | 'end'): void {
    if (!this.endOfRib.some((marker) => marker.family === family)) throw new Error('refresh before End-of-RIB');
    const open = this.refreshes.find((refresh) => refresh.family === family && !refresh.isEnded);
    if (mark === 'begin') {
      if (open === undefined) this.refreshes.push({ family, announced: new Set(), isEnded: false });
      else open.announced.clear();
      return;
    }
    if (open === undefined) throw new Error('end of a refresh that was not begun');
    open.isEnded = true;
    for (const key of this.told.keys()) {
      if (key.includes(':') === (family === 'ipv6-unicast') && !open.announced.has(key)) this.told.delete(key);
    }
  }

  #take(bytes: Uint8Array): void {
    this.buffers.push(bytes);
    let at = 0;
    while (at < bytes.length) {
      const length = ((bytes[at + 16] ?? 0) << 8) | (bytes[at + 17] ?? 0);
      if (length < HEADER_OCTETS || length > (this.#session.maxOctets ?? 4096) || at + length > bytes.length) {
        throw new Error(`message of ${length} octets at ${at} of ${bytes.length}`);
      }
      const decoded = decodeUpdate(bytes.subarray(at + HEADER_OCTETS, at + length), this.context);
      if (!decoded.ok) throw new Error(`UPDATE refused: ${JSON.stringify(decoded.error)}`);
      const { withdrawn, mpUnreach, nlri, mpReach, attributes, problems, endOfRib } = decoded.value;
      if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('; '));
      for (const entry of [...withdrawn, ...(mpUnreach?.withdrawn ?? [])]) {
        if (!this.told.delete(toldKey(entry))) this.needless.push(toldKey(entry));
      }
      for (const entry of [...nlri, ...(mpReach?.nlri ?? [])]) {
        this.told.set(toldKey(entry), attributes);
        for (const { isEnded, announced } of this.refreshes) if (!isEnded) announced.add(toldKey(entry));
      }
      if (endOfRib !== undefined) this.endOfRib.push({ family: endOfRib, told: this.told.size });
      this.updates++;
      this.onTold();
      at += length;
    }
    this.octets += bytes.length;
  }
}

function toldKey({ prefix, pathId }: NlriEntry): string {
  return pathId === undefined ? formatPrefix(prefix) : `${formatPrefix(prefix)} ${pathId}`;
}

function entries(prefixes: readonly Prefix[], pathId: number | undefined): NlriEntry[] {
  return prefixes.map((prefix) => (pathId === undefined ? { prefix } : { prefix, pathId }));
}
