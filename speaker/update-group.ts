import { encodeEndOfRib, type FamilyName } from 'bgp-ts';
import { type AdjRibOut, Audience, type ChangeBatch } from '../rib/adj-rib-out.ts';
import { BitSet } from '../rib/columns.ts';
import type { PeerHandle } from '../rib/rib.ts';
import { canonicalContext } from '../rib/set-values.ts';
import type { SessionPort } from './peer-handlers.ts';
import type { EncodedRound, EncodingOptions, UpdateEncoder } from './update-encode.ts';

/** How much is done and kept at a time. */
export interface GroupLimits {
  /** Most rows packed in one go. */
  readonly batchRows: number;
  /** Octets a lane keeps for members that lag before they are left to a lane of their own. */
  readonly laneOctets: number;
}

/** A session that is being told routes; shared by its families. */
export interface Receiver {
  readonly peer: PeerHandle;
  readonly port: SessionPort;
  /** Number of the session among the sources. */
  readonly source: number;
  /** The socket has enough: wait for `writable`. */
  isBlocked: boolean;
}

/** One session in one family. */
interface Member {
  readonly receiver: Receiver;
  lane: Lane;
  /** Next round and part to send. */
  round: number;
  part: number;
  /** End-of-RIB is due once the lane has gone through so many rows; -1: was sent. */
  endOfRibAt: number;
}

/**
 * Members that are told the same, at the same pace or a little apart. The main lane follows the group's dirty list; a side lane brings
 * late joiners and laggards up to what the group has been told, row by row, and then ends.
 */
interface Lane {
  readonly isMain: boolean;
  readonly members: Set<Member>;
  readonly rounds: EncodedRound[];
  /** Number of the first round in `rounds`. */
  base: number;
  /** Octets in `rounds`. */
  octets: number;
  /** Side lanes: rows whose state the members have not been told, and where to go on looking for them. */
  readonly pending: BitSet;
  cursor: number;
  /** Rows gone through since the lane began. */
  done: number;
  /** Wait until the group has no dirty rows: what it has been told is not complete yet. */
  waitsForGroup: boolean;
}

/** Sends what one Adj-RIB-Out says to the sessions that share it. */
export class UpdateGroup {
  readonly out: AdjRibOut;
  readonly #encoder: UpdateEncoder;
  readonly #options: EncodingOptions;
  readonly #limits: GroupLimits;
  readonly #batch: ChangeBatch;
  readonly #members: Map<Receiver, Member>;
  /** Sources of the members. */
  readonly #sources: Set<number>;
  readonly #main: Lane;
  readonly #sides: Set<Lane>;
  readonly #endOfRib: Uint8Array;
  readonly #isMember: (source: number) => boolean;
  readonly #holdsRow: (row: number) => boolean;
  #needsPump: boolean;

  constructor(
    out: AdjRibOut,
    encoder: UpdateEncoder,
    batch: ChangeBatch,
    options: EncodingOptions,
    limits: GroupLimits,
  ) {
    this.out = out;
    this.#encoder = encoder;
    this.#options = options;
    this.#limits = limits;
    this.#batch = batch;
    this.#members = new Map();
    this.#sources = new Set();
    this.#main = newLane(true);
    this.#sides = new Set();
    this.#endOfRib = encodeEndOfRib(options.family, canonicalContext);
    this.#isMember = (source) => this.#sources.has(source);
    this.#holdsRow = (row) => this.#holds(row);
    this.#needsPump = false;
    out.addHolder(this.#holdsRow);
  }

  get family(): FamilyName {
    return this.#options.family;
  }

  get memberCount(): number {
    return this.#members.size;
  }

  /** A session begins: it is told everything, End-of-RIB, then changes. */
  join(receiver: Receiver): void {
    const lane = this.out.count === 0 ? this.#main : this.#dumpLane();
    const rows = lane.isMain ? this.out.dirtyCount : lane.pending.count;
    this.#enter(receiver, lane, lane.done + rows);
  }

  /** A session that belonged to `from` so far: it is told the differences. */
  moveFrom(receiver: Receiver, from: UpdateGroup): void {
    const before = from.#members.get(receiver);
    const lane = newLane(false);
    lane.waitsForGroup = true;
    if (before !== undefined) from.#collectUntold(before, lane.pending);
    addTold(from.out, lane.pending);
    addTold(this.out, lane.pending);
    this.#sides.add(lane);
    this.#enter(receiver, lane, before === undefined || before.endOfRibAt >= 0 ? lane.pending.count : -1);
    from.leave(receiver);
  }

  /** The peer asks for everything again (RFC 2918). */
  refresh(receiver: Receiver): void {
    const member = this.#members.get(receiver);
    if (member === undefined) return;
    const lane = newLane(false);
    this.#collectUntold(member, lane.pending);
    addTold(this.out, lane.pending);
    this.#sides.add(lane);
    this.#move(member, lane);
  }

  /** The session is over. */
  leave(receiver: Receiver): void {
    const member = this.#members.get(receiver);
    if (member === undefined) return;
    this.#members.delete(receiver);
    this.#sources.delete(receiver.source);
    member.lane.members.delete(member);
    this.#trim(member.lane);
    this.#needsPump = true;
  }

  /** Nobody is left: lets go of the rows. */
  close(): void {
    this.out.removeHolder(this.#holdsRow);
  }

  /** The socket of a member can take more. */
  writable(): void {
    this.#needsPump = true;
  }

  /** One step: packs at most one batch per lane and sends what sockets take. False: there is nothing to do now. */
  step(): boolean {
    let hasWorked = this.#packMain();
    for (const lane of this.#sides) if (this.#packSide(lane)) hasWorked = true;
    if (!hasWorked && !this.#needsPump) return false;
    this.#needsPump = false;
    this.#pump(this.#main);
    for (const lane of this.#sides) this.#pump(lane);
    return true;
  }

  /** Changes of the group, for everybody who is up to date. */
  #packMain(): boolean {
    const lane = this.#main;
    if (this.out.dirtyCount === 0 || !canPack(lane)) return false;
    const sides = this.#sides;
    const mark =
      sides.size === 0
        ? undefined
        : (row: number) => {
            for (const side of sides) side.pending.add(row);
          };
    const before = this.out.dirtyCount;
    this.out.takeChanges(this.#limits.batchRows, this.#batch, this.#isMember, mark);
    lane.done += before - this.out.dirtyCount;
    if (lane.members.size > 0) this.#push(lane);
    this.#needsPump = true;
    return true;
  }

  /** Rows that the members of a side lane have to catch up on. */
  #packSide(lane: Lane): boolean {
    if (lane.waitsForGroup) {
      if (this.out.dirtyCount > 0) return false;
      lane.waitsForGroup = false;
      this.#needsPump = true;
    }
    if (lane.pending.count === 0 || !canPack(lane)) return false;
    const batch = this.#batch;
    const { out } = this;
    batch.clear();
    let row = lane.cursor;
    for (let n = 0; n < this.#limits.batchRows && lane.pending.count > 0; n++) {
      row = lane.pending.next(row);
      if (row < 0) row = lane.pending.next(0);
      lane.pending.delete(row);
      lane.done++;
      const set = out.toldOf(row);
      const source = out.sourceOf(row);
      const isOwn = set !== 0 && this.#isMember(source);
      batch.add(row, Audience.allBut(isOwn ? source : 0), set);
      if (isOwn) batch.add(row, Audience.only(source), 0);
    }
    lane.cursor = row;
    batch.sort();
    this.#push(lane);
    return true;
  }

  #push(lane: Lane): void {
    if (this.#batch.runCount === 0) return;
    const round = this.#encoder.encode(this.#batch, this.#options, (audience) => isWanted(lane, audience));
    if (round.bytes.length === 0) return;
    lane.rounds.push(round);
    lane.octets += round.bytes.length;
  }

  #pump(lane: Lane): void {
    const end = lane.base + lane.rounds.length;
    for (const member of lane.members) {
      const { receiver } = member;
      while (member.round < end && !receiver.isBlocked) {
        const round = lane.rounds[member.round - lane.base]!;
        this.#send(member, round);
      }
      if (member.round === end && !receiver.isBlocked) this.#caughtUp(member);
    }
    this.#trim(lane);
    if (lane.octets > this.#limits.laneOctets) this.#detach(lane);
  }

  /** Sends the rest of a round as far as the socket takes it: stretches of parts that are for this member, each in one piece. */
  #send(member: Member, round: EncodedRound): void {
    const { receiver } = member;
    const { partStart, partAudience, partUpdates, bytes } = round;
    const parts = partAudience.length;
    let part = member.part;
    while (part < parts) {
      if (!isFor(partAudience[part]!, receiver.source)) {
        part++;
        continue;
      }
      const first = part;
      let updates = 0;
      while (part < parts && isFor(partAudience[part]!, receiver.source)) updates += partUpdates[part++]!;
      const isReady = receiver.port.send(bytes.subarray(partStart[first], partStart[part]), updates);
      if (!isReady) {
        receiver.isBlocked = true;
        break;
      }
    }
    while (part < parts && !isFor(partAudience[part]!, receiver.source)) part++;
    if (part < parts) {
      member.part = part;
      return;
    }
    member.part = 0;
    member.round++;
  }

  /** A member has everything its lane has to say at the moment. */
  #caughtUp(member: Member): void {
    const { lane, receiver } = member;
    const isComplete = lane.isMain ? lane.done >= member.endOfRibAt : lane.pending.count === 0 && !lane.waitsForGroup;
    if (!isComplete) return;
    if (member.endOfRibAt >= 0) {
      member.endOfRibAt = -1;
      if (!receiver.port.send(this.#endOfRib, 1)) receiver.isBlocked = true;
    }
    if (!lane.isMain) this.#move(member, this.#main);
  }

  /** Forgets rounds that all members have sent, and lanes that nobody is in. */
  #trim(lane: Lane): void {
    let first = lane.base + lane.rounds.length;
    for (const member of lane.members) if (member.round < first) first = member.round;
    const count = first - lane.base;
    if (count > 0) {
      for (const round of lane.rounds.splice(0, count)) lane.octets -= round.bytes.length;
      lane.base = first;
    }
    if (!lane.isMain && lane.members.size === 0) this.#sides.delete(lane);
  }

  /** A lane holds too much for those who lag: they get a lane of their own, which remembers rows instead of octets. */
  #detach(lane: Lane): void {
    const end = lane.base + lane.rounds.length;
    const byRound = new Map<number, Lane>();
    for (const member of lane.members) {
      // The first half of what is kept has to go.
      if (member.round - lane.base > lane.rounds.length >> 1 || member.round === end) continue;
      let side = byRound.get(member.round);
      if (side === undefined) {
        side = newLane(false);
        byRound.set(member.round, side);
        this.#collectUntold(member, side.pending);
        this.#sides.add(side);
      }
      this.#move(member, side);
    }
    this.#trim(lane);
  }

  #dumpLane(): Lane {
    for (const lane of this.#sides) {
      // Sessions that come up together share a dump, as long as it has not begun.
      if (lane.done === 0 && !lane.waitsForGroup) return lane;
    }
    const lane = newLane(false);
    addTold(this.out, lane.pending);
    this.#sides.add(lane);
    return lane;
  }

  /** Rows that a member may not have been told as the group was: in rounds it has not sent, or that its lane has not come to. */
  #collectUntold(member: Member, into: BitSet): void {
    const { lane } = member;
    for (const round of lane.rounds.slice(member.round - lane.base)) {
      for (let i = 0; i < round.rows.length; i++) into.add(round.rows[i]!);
    }
    for (let row = lane.pending.next(0); row >= 0; row = lane.pending.next(row + 1)) into.add(row);
  }

  #enter(receiver: Receiver, lane: Lane, endOfRibAt: number): void {
    const member: Member = {
      receiver,
      lane,
      round: lane.base + lane.rounds.length,
      part: 0,
      endOfRibAt,
    };
    this.#members.set(receiver, member);
    this.#sources.add(receiver.source);
    lane.members.add(member);
    this.#needsPump = true;
  }

  #move(member: Member, to: Lane): void {
    const from = member.lane;
    from.members.delete(member);
    member.lane = to;
    member.round = to.base + to.rounds.length;
    member.part = 0;
    to.members.add(member);
    this.#trim(from);
    this.#needsPump = true;
  }

  #holds(row: number): boolean {
    if (this.#main.rounds.length > 0) return true;
    for (const lane of this.#sides) if (lane.rounds.length > 0 || lane.pending.has(row)) return true;
    return false;
  }
}

function newLane(isMain: boolean): Lane {
  return {
    isMain,
    members: new Set(),
    rounds: [],
    base: 0,
    octets: 0,
    pending: new BitSet(),
    cursor: 0,
    done: 0,
    waitsForGroup: false,
  };
}

/** Packing waits until somebody has sent all there is: what is not packed yet can still be superseded. */
function canPack(lane: Lane): boolean {
  if (lane.members.size === 0) return lane.isMain;
  const end = lane.base + lane.rounds.length;
  for (const member of lane.members) if (member.round === end && !member.receiver.isBlocked) return true;
  return false;
}

/** Whether any member must get what is for this audience: the only member may be the source itself. */
function isWanted(lane: Lane, audience: number): boolean {
  for (const { receiver } of lane.members) if (isFor(audience, receiver.source)) return true;
  return false;
}

function isFor(audience: number, source: number): boolean {
  const isOnly = (audience & 1) === 1;
  return (audience >> 1 === source) === isOnly;
}

function addTold(out: AdjRibOut, into: BitSet): void {
  for (let row = 1; row < out.end; row++) if (out.toldOf(row) !== 0) into.add(row);
}
