import { encodeEndOfRib, type FamilyName } from 'bgp-ts';
import type { BatchLimits, RibOut } from '../rib/adj-rib-out.ts';
import { Audience, type ChangeBatch } from '../rib/change-batch.ts';
import { BitSet } from '../rib/columns.ts';
import type { PeerHandle } from '../rib/rib.ts';
import { canonicalContext } from '../rib/set-values.ts';
import type { SessionPort } from './peer-handlers.ts';
import type { EncodedRound, EncodingOptions, UpdateEncoder } from './update-encode.ts';

/** How much is done and kept at a time. */
export interface GroupLimits {
  /** Most rows packed in one go. */
  readonly batchRows: number;
  /** No more is packed once it makes for so many octets of messages, about. */
  readonly batchOctets: number;
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
  /** A refresh that is to be marked (RFC 7313): due after End-of-RIB, or begun and not ended. */
  refresh: 'none' | 'due' | 'begun';
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
  /** Side lanes: rows (or keys, see `RibOut`) whose state the members have not been told, and where to go on looking for them. */
  readonly pending: BitSet;
  /** Side lanes: what a member may hold, so that the rest need not be withdrawn; undefined: that is not known. */
  readonly held: BitSet | undefined;
  cursor: number;
  /** Rows gone through since the lane began. */
  done: number;
  /** Wait until the group has no dirty rows: what it has been told is not complete yet. */
  waitsForGroup: boolean;
}

/** Sends what one Adj-RIB-Out says to the sessions that share it. */
export class UpdateGroup {
  readonly out: RibOut;
  readonly #encoder: UpdateEncoder;
  readonly #options: EncodingOptions;
  readonly #limits: GroupLimits;
  readonly #batch: ChangeBatch;
  readonly #batchLimits: BatchLimits;
  readonly #members: Map<Receiver, Member>;
  /** Sources of the members. */
  readonly #sources: Set<number>;
  readonly #main: Lane;
  readonly #sides: Set<Lane>;
  readonly #endOfRib: Uint8Array;
  readonly #isMember: (source: number) => boolean;
  readonly #holdsRow: (row: number) => boolean;
  #needsPump: boolean;

  constructor(out: RibOut, encoder: UpdateEncoder, batch: ChangeBatch, options: EncodingOptions, limits: GroupLimits) {
    this.out = out;
    this.#encoder = encoder;
    this.#options = options;
    this.#limits = limits;
    this.#batch = batch;
    this.#members = new Map();
    this.#sources = new Set();
    this.#main = newLane(true, undefined);
    this.#batchLimits = { rows: limits.batchRows, octets: limits.batchOctets };
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
    this.#enter(receiver, lane, lane.done + rows, 'none');
  }

  /** A session that belonged to `from` so far: it is told the differences. */
  moveFrom(receiver: Receiver, from: UpdateGroup): void {
    const { out } = this;
    const before = from.#members.get(receiver);
    const held = new BitSet();
    const lane = newLane(false, held);
    lane.waitsForGroup = true;
    // Rows are the same in both groups, keys are not.
    const take = (key: number) => held.add(out.keyFor(from.out.rowOf(key), from.out.pathIdOf(key)));
    if (before !== undefined) from.#eachUntold(before, take);
    eachTold(from.out, receiver.source, take);
    const isAtStart = before === undefined || before.endOfRibAt >= 0;
    if (isAtStart || out.keys !== undefined || from.out.keys !== undefined) {
      addAll(held, lane.pending);
      addTold(out, lane.pending);
    } else {
      // What both groups were told the same is not told again.
      from.#eachUntold(before, (row) => lane.pending.add(row));
      addDifferent(from.out, out, receiver.source, lane.pending);
    }
    this.#sides.add(lane);
    this.#enter(receiver, lane, isAtStart ? lane.pending.count : -1, before?.refresh ?? 'none');
    from.leave(receiver);
  }

  /**
   * The peer asks for everything again (RFC 2918). Where that was agreed on, begin and end are marked, but not before End-of-RIB is sent
   * (RFC 7313 §4).
   */
  refresh(receiver: Receiver): void {
    const member = this.#members.get(receiver);
    if (member === undefined) return;
    const isMarked = receiver.port.negotiated.enhancedRefresh;
    if (isMarked && member.endOfRibAt >= 0) {
      member.refresh = 'due';
      this.#needsPump = true;
    } else {
      this.#beginRefresh(member, isMarked);
    }
  }

  #beginRefresh(member: Member, isMarked: boolean): void {
    const { receiver } = member;
    const held = new BitSet();
    const lane = newLane(false, held);
    this.#eachUntold(member, (key) => held.add(key));
    eachTold(this.out, receiver.source, (key) => held.add(key));
    addAll(held, lane.pending);
    addTold(this.out, lane.pending);
    this.#sides.add(lane);
    this.#move(member, lane);
    if (!isMarked) return;
    member.refresh = 'begun';
    receiver.port.markRefresh(this.family, 'begin');
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
        : (key: number) => {
            for (const side of sides) side.pending.add(key);
          };
    const before = this.out.dirtyCount;
    this.#measure();
    this.out.takeChanges(this.#batchLimits, this.#batch, this.#isMember, mark);
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
    const { held } = lane;
    const { rows, octets } = this.#batchLimits;
    const [first] = lane.members;
    const sole = lane.members.size === 1 ? first?.receiver.source : undefined;
    batch.clear();
    this.#measure();
    let key = lane.cursor;
    for (let n = 0; n < rows && batch.octets < octets && lane.pending.count > 0; n++) {
      key = lane.pending.next(key);
      if (key < 0) key = lane.pending.next(0);
      lane.pending.delete(key);
      lane.done++;
      const set = out.toldOf(key);
      const source = out.sourceOf(key);
      const isOwn = set !== 0 && this.#isMember(source);
      const wasHeld = held === undefined || held.has(key);
      if (set !== 0 && (!isOwn || source !== sole)) {
        batch.add(key, Audience.allBut(isOwn ? source : 0), set);
        held?.add(key);
      } else {
        held?.delete(key);
      }
      // Nobody is told that something is gone which he never had: least of all that it is his own.
      if (!wasHeld) continue;
      if (isOwn) batch.add(key, Audience.only(source), 0);
      else if (set === 0) batch.add(key, Audience.allBut(0), 0);
    }
    lane.cursor = key;
    batch.sort();
    this.#push(lane);
    return true;
  }

  #measure(): void {
    this.#batch.measureBy(this.#encoder.sets, this.#options.maxOctets);
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
    if (member.refresh === 'due') {
      this.#beginRefresh(member, true);
      return;
    }
    if (member.refresh === 'begun') {
      member.refresh = 'none';
      receiver.port.markRefresh(this.family, 'end');
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
        side = newLane(false, undefined);
        byRound.set(member.round, side);
        const { pending } = side;
        this.#eachUntold(member, (key) => pending.add(key));
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
    const lane = newLane(false, new BitSet());
    addTold(this.out, lane.pending);
    this.#sides.add(lane);
    return lane;
  }

  /** Rows (or keys) that a member may not have been told as the group was: in rounds it has not sent, or that its lane has not come to. */
  #eachUntold(member: Member, take: (key: number) => void): void {
    const { lane } = member;
    for (const round of lane.rounds.slice(member.round - lane.base)) {
      for (let i = 0; i < round.rows.length; i++) take(round.rows[i]!);
    }
    for (let key = lane.pending.next(0); key >= 0; key = lane.pending.next(key + 1)) take(key);
  }

  #enter(receiver: Receiver, lane: Lane, endOfRibAt: number, refresh: Member['refresh']): void {
    const member: Member = {
      receiver,
      lane,
      round: lane.base + lane.rounds.length,
      part: 0,
      endOfRibAt,
      refresh,
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

function newLane(isMain: boolean, held: BitSet | undefined): Lane {
  return {
    isMain,
    members: new Set(),
    rounds: [],
    base: 0,
    octets: 0,
    pending: new BitSet(),
    held,
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

function addTold(out: RibOut, into: BitSet): void {
  const { end } = out;
  for (let key = 1; key < end; key++) if (out.toldOf(key) !== 0) into.add(key);
}

/** Rows of which one group has told the member with this source something else than the other. */
function addDifferent(a: RibOut, b: RibOut, source: number, into: BitSet): void {
  const end = Math.max(a.end, b.end);
  for (let row = 1; row < end; row++) if (toldTo(a, row, source) !== toldTo(b, row, source)) into.add(row);
}

function toldTo(out: RibOut, row: number, source: number): number {
  const told = out.toldOf(row);
  return told === 0 || out.sourceOf(row) === source ? 0 : told;
}

/** What the member with this source was told. */
function eachTold(out: RibOut, source: number, take: (key: number) => void): void {
  const { end } = out;
  for (let key = 1; key < end; key++) if (out.toldOf(key) !== 0 && out.sourceOf(key) !== source) take(key);
}

function addAll(from: BitSet, to: BitSet): void {
  for (let key = from.next(0); key >= 0; key = from.next(key + 1)) to.add(key);
}
