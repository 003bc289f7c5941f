import type { FamilyName } from 'bgp-ts';
import type { RibOut } from '../rib/adj-rib-out.ts';
import { ChangeBatch } from '../rib/change-batch.ts';
import type { GroupListener, PeerHandle, Rib } from '../rib/rib.ts';
import type { SessionPort } from './peer-handlers.ts';
import { UpdateEncoder } from './update-encode.ts';
import { type GroupLimits, type Receiver, UpdateGroup } from './update-group.ts';

/** A batch is a few tens of milliseconds' work, and a lane holds two of the largest. */
const defaultLimits: GroupLimits = { batchRows: 16_384, batchOctets: 2 << 20, laneOctets: 4 << 20 };

/** What a session is told in, family by family. */
interface Session {
  readonly receiver: Receiver;
  readonly groups: Map<FamilyName, UpdateGroup>;
}

/** Adj-RIB-Out -> UPDATEs for all sessions: one encoding per update group, pulled when a socket can take more. */
export class UpdateOut implements GroupListener {
  readonly #rib: Rib;
  readonly #limits: GroupLimits;
  readonly #encoder: UpdateEncoder;
  readonly #batch: ChangeBatch;
  readonly #groups: Map<RibOut, UpdateGroup>;
  readonly #sessions: Map<PeerHandle, Session>;

  constructor(rib: Rib, limits: GroupLimits = defaultLimits) {
    this.#rib = rib;
    this.#limits = limits;
    this.#encoder = new UpdateEncoder(rib);
    this.#batch = new ChangeBatch();
    this.#groups = new Map();
    this.#sessions = new Map();
    rib.setGroupListener(this);
  }

  /** Routes that did not fit a message, with their attributes, and were withdrawn instead. */
  get tooLong(): number {
    return this.#encoder.tooLong;
  }

  /** After `rib.sessionUp`: the peer gets what there is, then End-of-RIB for each family, then changes. */
  sessionUp(peer: PeerHandle, port: SessionPort): void {
    this.sessionDown(peer);
    const receiver: Receiver = { peer, port, source: this.#rib.sourceOf(peer), isBlocked: false };
    const session: Session = { receiver, groups: new Map() };
    this.#sessions.set(peer, session);
    for (const family of port.negotiated.families) {
      const out = this.#rib.adjRibOut(peer, family);
      if (out === undefined) continue;
      const group = this.#groupOf(out, port);
      group.join(receiver);
      session.groups.set(family, group);
    }
    this.#rib.observer.workArrived();
  }

  /** Before or after `rib.sessionDown`. */
  sessionDown(peer: PeerHandle): void {
    const session = this.#sessions.get(peer);
    if (session === undefined) return;
    this.#sessions.delete(peer);
    for (const group of session.groups.values()) {
      group.leave(session.receiver);
      this.#dropIfEmpty(group);
    }
    this.#rib.observer.workArrived();
  }

  /** The socket can take more. */
  writable(peer: PeerHandle): void {
    const session = this.#sessions.get(peer);
    if (session === undefined) return;
    session.receiver.isBlocked = false;
    for (const group of session.groups.values()) group.writable();
    this.#rib.observer.workArrived();
  }

  /** The peer asks for everything again (RFC 2918); where agreed on, begin and end are marked (RFC 7313). */
  routeRefresh(peer: PeerHandle, family: FamilyName): void {
    const session = this.#sessions.get(peer);
    if (session === undefined) return;
    session.groups.get(family)?.refresh(session.receiver);
    this.#rib.observer.workArrived();
  }

  /** Packs and sends for at most about `budgetMs`; call after `rib.work`. True: there is more that could be done now. */
  work(budgetMs: number): boolean {
    const { nowMs } = this.#rib;
    const deadline = nowMs() + budgetMs;
    let hasWorked = false;
    let hasMore = true;
    while (hasMore) {
      hasMore = false;
      for (const group of this.#groups.values()) if (group.step()) hasMore = true;
      if (hasMore) hasWorked = true;
      if (hasMore && nowMs() >= deadline) return true;
    }
    if (hasWorked) this.#rib.reclaim();
    return false;
  }

  groupChanged(peer: PeerHandle, family: FamilyName, from: RibOut, to: RibOut): void {
    const session = this.#sessions.get(peer);
    const before = this.#groups.get(from);
    if (session === undefined || before === undefined) return;
    const after = this.#groupOf(to, session.receiver.port);
    after.moveFrom(session.receiver, before);
    session.groups.set(family, after);
    this.#dropIfEmpty(before);
    this.#rib.observer.workArrived();
  }

  outDirty(): void {
    this.#rib.observer.workArrived();
  }

  #groupOf(out: RibOut, port: SessionPort): UpdateGroup {
    let group = this.#groups.get(out);
    if (group === undefined) {
      const { negotiated } = port;
      group = new UpdateGroup(
        out,
        this.#encoder,
        this.#batch,
        {
          family: out.family,
          fourOctetAs: negotiated.fourOctetAs,
          keys: out.keys,
          maxOctets: negotiated.maxOctets,
        },
        this.#limits,
      );
      this.#groups.set(out, group);
    }
    return group;
  }

  #dropIfEmpty(group: UpdateGroup): void {
    if (group.memberCount > 0) return;
    group.close();
    this.#groups.delete(group.out);
  }
}
