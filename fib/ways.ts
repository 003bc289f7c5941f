import type { Clock, TimerHandle } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import { errorMessage } from '../lib/result.ts';
import { Errno, errnoName } from './errno.ts';
import type { GroupMember, KernelNextHop, KernelRoutes, NextHopOperation, NextHopResult } from './kernel.ts';
import { NextHopObjects } from './next-hop-objects.ts';
import type { Ownership } from './ownership.ts';
import {
  FIRST_WAY,
  type FibNextHop,
  hopText,
  isWay,
  LAST_NEXT_HOP,
  nextHopId,
  Target,
  type TargetTable,
} from './target.ts';
import type { FibNextHopDifference } from './types.ts';

/** First and longest wait before what was refused is tried again. */
const FIRST_MS = 1000;
const LONGEST_MS = 60_000;

/** As in `retry.ts`: changes in the machine come in bursts. */
const BURST_MS = 20;

/** How often in a row the kernel may surprise us about one way before its routes get gateways of their own. */
const MAX_SURPRISES = 3;

/** Operations in one message. */
const MAX_OPERATIONS = 2 ** 24;

/** What ways tell their owner. */
export interface WayHandlers {
  /** There is something to send. */
  wake(): void;
  /** What rows that want this target should have has changed. */
  changed(target: number): void;
  /** The kernel removed every route that led to this target. */
  emptied(target: number): void;
  /** What is believed of the objects may be wrong: the kernel must be read. `isBroken` when the kernel side as a whole failed. */
  lost(isBroken: boolean): void;
}

/**
 * Where a way stands. `plain`: its routes carry the gateways themselves; `wanted`: not told to the kernel yet; `there`: told, and not refused so
 * far, so routes may name it; `blocked`: the kernel has no such object now, routes have to wait.
 */
type WayState = 'plain' | 'wanted' | 'there' | 'blocked';

interface Way {
  readonly target: number;
  /** What is wanted. */
  hops: readonly FibNextHop[];
  text: string;
  /** The same as a set that never changes. */
  set: number;
  state: WayState;
  /** Members the kernel's group has, as far as known; empty when there is none. */
  members: readonly GroupMember[];
  /** Hops the kernel refused, left out until the next try. */
  leftOut: Set<string>;
  /** Why `blocked`, 0 when not for a refusal. */
  errno: number;
  isInFlight: boolean;
  isClosed: boolean;
  /** Somebody asked for it while it was `wanted`, and went away empty-handed: rows are to be looked at again once it is `there`. */
  wasAskedEarly: boolean;
  surprises: number;
}

/** What the operations of one message were for, in their order. */
type Purpose =
  | { readonly type: 'single'; readonly number: number; readonly key: string }
  | {
      readonly type: 'group';
      readonly way: Way;
      readonly members: readonly GroupMember[];
      readonly keys: readonly string[];
    }
  | { readonly type: 'delete'; readonly number: number };

/**
 * Next-hop sets whose content may change under the routes that lead there. With nexthop objects a way is a group of one object for each
 * distinct gateway and interface, so a change is one message however many routes there are; without, a way stands for a set of
 * gateways, and a change is told to the owner, who writes its routes again. Always a group, also for one next hop: the
 * kernel exchanges group for group and single for single only.
 */
export class Ways {
  readonly #kernel: KernelRoutes;
  readonly #own: Ownership;
  readonly #targets: TargetTable;
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #handlers: WayHandlers;
  readonly #objects: NextHopObjects;
  readonly #ways = new Map<number, Way>();
  readonly #dirty = new Set<Way>();
  readonly #mode: 'auto' | 'off';
  #isOn: boolean;
  #inFlight = 0;
  /** Operations in the next message; fewer after verdicts were lost, or the same ones would be lost for ever. */
  #limit = MAX_OPERATIONS;
  #mayCollect = false;
  /** There are objects to be removed as soon as no route leads there. */
  #isWaitingToGo = false;
  #isSwept = false;
  #isClosed = false;
  #delayMs = FIRST_MS;
  #timer: TimerHandle | undefined;
  #burst: TimerHandle | undefined;
  #replacements = 0;

  constructor(
    kernel: KernelRoutes,
    options: { readonly own: Ownership; readonly mode: 'auto' | 'off'; readonly log: Logger; readonly clock: Clock },
    handlers: WayHandlers,
  ) {
    this.#kernel = kernel;
    this.#own = options.own;
    this.#targets = kernel.targets;
    this.#log = options.log;
    this.#clock = options.clock;
    this.#handlers = handlers;
    this.#mode = options.mode;
    this.#isOn = options.mode === 'auto';
    this.#objects = new NextHopObjects(options.own.protocol);
  }

  /** Whether ways are nexthop objects. */
  get areObjects(): boolean {
    return this.#isOn;
  }

  /** Messages under way, or about to be sent. */
  get isBusy(): boolean {
    return this.#inFlight > 0 || this.#dirty.size > 0;
  }

  /** There may be objects that nothing needs: `collect` is to be called. */
  get mayCollect(): boolean {
    return this.#mayCollect;
  }

  /** Routes were written: what some of them led to may be needed no more. */
  routesWritten(): void {
    this.#mayCollect ||= this.#isWaitingToGo;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Messages that changed an object under its routes. */
  get replacements(): number {
    return this.#replacements;
  }

  /**
   * A way with this content, of the caller's own; one that was closed, or is left from an earlier run, if its content is the same.
   * @throws RangeError as `TargetTable.intern`
   */
  open(hops: readonly FibNextHop[]): number {
    const set = this.#targets.intern(hops);
    const wanted = this.#targets.hops(set);
    const text = textOf(wanted);
    for (const way of this.#ways.values()) {
      if (!way.isClosed || way.text !== text) continue;
      way.isClosed = false;
      return way.target;
    }
    const adopted = this.#isOn ? this.#objects.adoptedWith(text) : undefined;
    const target = FIRST_WAY | (adopted?.number ?? this.#objects.allocate());
    const way: Way = {
      target,
      hops: wanted,
      text,
      set,
      state: this.#isOn && canBeObject(wanted) ? (adopted === undefined ? 'wanted' : 'there') : 'plain',
      members: adopted?.members ?? [],
      leftOut: new Set(),
      errno: 0,
      isInFlight: false,
      isClosed: false,
      wasAskedEarly: false,
      surprises: 0,
    };
    this.#ways.set(target, way);
    if (way.state === 'wanted') this.#touch(way);
    return target;
  }

  /** Gives a way another content. @throws RangeError as `open`, and for a way that is not open */
  change(target: number, hops: readonly FibNextHop[]): void {
    const way = this.#ways.get(target);
    if (way === undefined || way.isClosed) throw new RangeError(`way ${target}: not open`);
    const set = this.#targets.intern(hops);
    if (set === way.set) return;
    way.set = set;
    way.hops = this.#targets.hops(set);
    way.text = textOf(way.hops);
    way.leftOut.clear();
    way.surprises = 0;
    if (way.state === 'plain') this.#handlers.changed(target);
    else if (canBeObject(way.hops)) this.#touch(way);
    else this.#makePlain(way);
  }

  /** The caller needs it no more; it goes when no route leads there. */
  close(target: number): void {
    const way = this.#ways.get(target);
    if (way === undefined || way.isClosed) return;
    way.isClosed = true;
    this.#mayCollect = true;
    this.#handlers.wake();
  }

  /** What the kernel should have for a row that wants `target`: a target it can name, or `Target.Blocked`. */
  effective(target: number): number {
    if (!isWay(target)) return target;
    const way = this.#ways.get(target);
    if (way === undefined) return Target.Blocked;
    if (way.state === 'plain') return way.set;
    if (way.state === 'wanted') way.wasAskedEarly = true;
    return way.state === 'there' ? target : Target.Blocked;
  }

  /** Why routes to `target` wait, 0 when they do not. */
  errno(target: number): number {
    return this.#ways.get(target)?.errno ?? 0;
  }

  /** The set that a way stands for; any other target as it is. */
  setOf(target: number): number {
    if (!isWay(target)) return target;
    return this.#ways.get(target)?.set ?? this.#objects.setOf(target & LAST_NEXT_HOP, this.#targets) ?? Target.Other;
  }

  // ---- sending

  /** Sends what there is to tell the kernel, before the routes that need it. */
  send(): void {
    if (this.#dirty.size === 0) return;
    const operations: NextHopOperation[] = [];
    const purposes: Purpose[] = [];
    const late: number[] = [];
    for (const way of [...this.#dirty]) {
      if (way.isInFlight) continue;
      if (purposes.length >= this.#limit) break;
      this.#dirty.delete(way);
      if (way.wasAskedEarly) late.push(way.target);
      way.wasAskedEarly = false;
      this.#prepare(way, operations, purposes);
    }
    this.#perform(operations, purposes);
    for (const target of late) this.#handlers.changed(target);
  }

  /**
   * Removes the objects that nothing needs. To be called with nothing in flight and no row waiting.
   * @param used which numbers below `end` rows want or have: 1 at the number
   */
  collect(used: (end: number) => Uint8Array): void {
    if (!this.#mayCollect || this.isBusy) return;
    this.#mayCollect = false;
    this.#isWaitingToGo = false;
    const operations: NextHopOperation[] = [];
    const purposes: Purpose[] = [];
    const marks = used(this.#objects.end);
    const isUsed = (number: number): boolean => marks[number] === 1;
    const remove = (number: number): void => {
      operations.push({ op: 'delete', id: nextHopId(this.#own.protocol, number) });
      purposes.push({ type: 'delete', number });
    };
    for (const way of this.#ways.values()) {
      const number = way.target & LAST_NEXT_HOP;
      if (!way.isClosed) continue;
      if (isUsed(number)) {
        this.#isWaitingToGo = true;
        continue;
      }
      this.#ways.delete(way.target);
      if (way.members.length > 0) remove(number);
      else this.#objects.free(number);
      way.members = [];
    }
    const needed = new Set<number>();
    for (const way of this.#ways.values()) for (const { id } of way.members) needed.add(id & LAST_NEXT_HOP);
    for (const { number, members } of this.#objects.adopted()) {
      if (this.#isSwept && !isUsed(number)) {
        remove(number);
        continue;
      }
      this.#isWaitingToGo ||= this.#isSwept;
      for (const { id } of members) needed.add(id & LAST_NEXT_HOP);
    }
    for (const number of this.#objects.singles()) {
      // Before the sweep they may be what the next way needs.
      if (this.#isSwept && !needed.has(number)) remove(number);
    }
    this.#perform(operations, purposes);
  }

  /** From now on what was left by an earlier run, and is not needed, goes. */
  sweep(): void {
    this.#isSwept = true;
    this.#mayCollect = true;
  }

  /** Every way is closed. */
  closeAll(): void {
    this.sweep();
    for (const way of this.#ways.values()) way.isClosed = true;
  }

  /** Something changed in the machine: what was refused may be accepted now. */
  probe(): void {
    if (this.#burst !== undefined || this.#isClosed || !this.#hasRefused()) return;
    this.#burst = this.#clock.setTimer(BURST_MS, () => {
      this.#burst = undefined;
      this.#tryAgain();
    });
  }

  /** Ends its timers. */
  stop(): void {
    this.#isClosed = true;
    this.#timer?.clear();
    this.#burst?.clear();
  }

  // ---- what the kernel has

  /** Reads the objects, and tells the ways what became of them. Nothing may be in flight. @throws KernelError */
  async read(): Promise<void> {
    const listed = await this.#kernel.listNextHops();
    if (listed === undefined) {
      if (this.#isOn) this.#turnOff('the kernel has none');
      return;
    }
    this.#objects.take(listed);
    this.#mayCollect = true;
    for (const way of this.#ways.values()) {
      if (way.state === 'plain') continue;
      const number = way.target & LAST_NEXT_HOP;
      const members = this.#objects.claim(number);
      if (members === 'foreign') {
        this.#makePlain(way);
        continue;
      }
      way.members = members;
      const isSurprise = way.state === 'there' && members.length === 0;
      if (way.state === 'there' && isSurprise) way.state = 'blocked';
      else if (way.state === 'blocked' && members.length > 0) {
        way.state = 'there';
        way.errno = 0;
        this.#handlers.changed(way.target);
      }
      way.leftOut.clear();
      if (!way.isClosed) this.#touch(way);
    }
  }

  /** Says once which form routes have. */
  tellMode(): void {
    if (this.#mode === 'off') this.#log.info('nexthop objects off', { reason: 'configured' });
  }

  /** Every disagreement between what the kernel has listed and what is wanted. */
  compare(listed: readonly KernelNextHop[] | undefined): FibNextHopDifference[] {
    if (!this.#isOn) return [];
    const seen = new NextHopObjects(this.#own.protocol);
    seen.take(listed ?? []);
    const differences: FibNextHopDifference[] = [];
    for (const way of this.#ways.values()) {
      if (way.state === 'plain' || way.isClosed) continue;
      const id = nextHopId(this.#own.protocol, way.target);
      const found = seen.contentOf(way.target & LAST_NEXT_HOP);
      if (found === undefined) differences.push({ type: 'missing', id, wanted: way.hops });
      else if (textOf(found) !== way.text) differences.push({ type: 'different', id, wanted: way.hops, found });
    }
    if (!this.#isSwept) return differences;
    const known = new Set([...this.#ways.values()].map((way) => way.target & LAST_NEXT_HOP));
    for (const number of seen.groups()) {
      if (known.has(number)) continue;
      const id = nextHopId(this.#own.protocol, number);
      differences.push({ type: 'unexpected', id, found: seen.contentOf(number) ?? [] });
    }
    return differences;
  }

  /**
   * A route was refused because its way is not there.
   * @returns false when the kernel has it all the same: the refusal has another reason
   */
  missing(target: number): boolean {
    const way = this.#ways.get(target);
    if (way === undefined || way.state !== 'there') return true;
    if (++way.surprises > MAX_SURPRISES) return false;
    way.state = 'blocked';
    this.#handlers.lost(false);
    return true;
  }

  // ---- one way

  #touch(way: Way): void {
    this.#dirty.add(way);
    this.#handlers.wake();
  }

  /** Adds what brings the kernel's group to what is wanted. */
  #prepare(way: Way, operations: NextHopOperation[], purposes: Purpose[]): void {
    if (way.state === 'plain') return;
    const { protocol } = this.#own;
    const weights = new Map<number, number>();
    const keys: string[] = [];
    for (const hop of way.hops) {
      const key = keyOf(hop);
      if (way.leftOut.has(key)) continue;
      keys.push(key);
      let number = this.#objects.single(key);
      if (number === undefined) {
        number = this.#objects.addSingle(key, hop);
        operations.push({
          op: 'add',
          nextHop: { type: 'single', id: nextHopId(protocol, number), protocol, hop: withoutWeight(hop) },
        });
        purposes.push({ type: 'single', number, key });
      }
      const id = nextHopId(protocol, number);
      weights.set(id, Math.min(256, (weights.get(id) ?? 0) + (hop.weight ?? 1)));
    }
    const members = [...weights].map(([id, weight]) => ({ id, weight })).sort((a, b) => a.id - b.id);
    if (members.length === 0 || sameMembers(members, way.members)) return;
    const op = way.members.length === 0 ? 'add' : 'replace';
    if (op === 'replace') this.#replacements++;
    operations.push({ op, nextHop: { type: 'group', id: nextHopId(protocol, way.target), protocol, members } });
    purposes.push({ type: 'group', way, members, keys });
    way.isInFlight = true;
    if (way.state === 'wanted') way.state = 'there';
  }

  #perform(operations: readonly NextHopOperation[], purposes: readonly Purpose[]): void {
    if (operations.length === 0) return;
    this.#inFlight++;
    this.#kernel.applyNextHops(operations).then(
      (result) => this.#settle(result, purposes),
      (error: unknown) => {
        this.#log.error('nexthop objects not written', { error: errorMessage(error) });
        this.#unsettled(purposes, true);
      },
    );
  }

  #settle({ errnos, uncertain }: NextHopResult, purposes: readonly Purpose[]): void {
    this.#limit = uncertain ? Math.max(1, this.#limit >> 4) : Math.min(MAX_OPERATIONS, this.#limit * 2);
    if (uncertain) {
      this.#unsettled(purposes, false);
      return;
    }
    const refused = new Map<string, number>();
    purposes.forEach((purpose, i) => {
      const errno = errnos[i] ?? 0;
      if (purpose.type === 'single') {
        if (errno === 0) return;
        this.#objects.dropSingle(purpose.key, errno === Errno.EEXIST);
        refused.set(purpose.key, errno);
      } else if (purpose.type === 'group') this.#settleGroup(purpose, errno, refused);
      else {
        this.#objects.dropped(purpose.number);
        if (this.#ways.has(FIRST_WAY | purpose.number)) this.#handlers.emptied(FIRST_WAY | purpose.number);
        else this.#objects.free(purpose.number);
      }
    });
    this.#done();
  }

  #settleGroup(purpose: Purpose & { readonly type: 'group' }, errno: number, refused: Map<string, number>): void {
    const { way, members, keys } = purpose;
    way.isInFlight = false;
    if (errno === 0) {
      way.members = members;
      way.errno = 0;
      way.surprises = 0;
      if (way.state === 'blocked') {
        way.state = 'there';
        this.#handlers.changed(way.target);
      }
      if (way.leftOut.size > 0) this.#retryLater();
      return;
    }
    const failed = keys.filter((key) => refused.has(key) || this.#objects.single(key) === undefined);
    if (failed.length === 0) {
      this.#surprised(way, errno);
      return;
    }
    const isTaken = failed.every((key) => refused.get(key) === Errno.EEXIST);
    if (!isTaken) {
      for (const key of failed) way.leftOut.add(key);
      this.#retryLater();
    }
    if (isTaken || keys.length > failed.length) this.#touch(way);
    else this.#refuse(way, refused.get(failed[0] ?? '') ?? errno);
  }

  /** None of the hops is accepted: the routes wait, and what the kernel still has of the way leads nowhere and goes. */
  #refuse(way: Way, errno: number): void {
    if (way.errno !== errno) {
      this.#log.warn('nexthop refused', { errno: errnoName(errno), nextHop: way.text });
    }
    way.state = 'blocked';
    way.errno = errno;
    this.#retryLater();
    if (way.members.length > 0) {
      way.members = [];
      const number = way.target & LAST_NEXT_HOP;
      this.#perform([{ op: 'delete', id: nextHopId(this.#own.protocol, number) }], [{ type: 'delete', number }]);
    }
    this.#handlers.changed(way.target);
  }

  /** The group was refused although its members are there, as far as known: something is not as believed. */
  #surprised(way: Way, errno: number): void {
    way.surprises++;
    if (way.surprises > MAX_SURPRISES || (errno === Errno.EEXIST && way.members.length === 0)) {
      this.#log.warn('nexthop object not to be had, routes get gateways', {
        id: nextHopId(this.#own.protocol, way.target),
        errno: errnoName(errno),
      });
      this.#makePlain(way);
      return;
    }
    way.state = 'blocked';
    this.#handlers.lost(false);
  }

  #makePlain(way: Way): void {
    way.state = 'plain';
    way.errno = 0;
    way.members = [];
    this.#dirty.delete(way);
    this.#handlers.changed(way.target);
  }

  #turnOff(reason: string): void {
    this.#isOn = false;
    this.#log.info('nexthop objects off', { reason });
    for (const way of this.#ways.values()) this.#makePlain(way);
  }

  #unsettled(purposes: readonly Purpose[], isBroken: boolean): void {
    for (const purpose of purposes) {
      if (purpose.type === 'group') purpose.way.isInFlight = false;
    }
    this.#handlers.lost(isBroken);
    this.#done();
  }

  #done(): void {
    this.#inFlight--;
    this.#mayCollect ||= this.#isSwept;
    this.#handlers.wake();
  }

  // ---- trying again

  #hasRefused(): boolean {
    for (const way of this.#ways.values()) if (isRefused(way)) return true;
    return false;
  }

  #retryLater(): void {
    if (this.#isClosed) return;
    this.#timer ??= this.#clock.setTimer(this.#delayMs, () => {
      this.#timer = undefined;
      this.#delayMs = Math.min(this.#delayMs * 2, LONGEST_MS);
      if (this.#hasRefused()) this.#tryAgain();
      else this.#delayMs = FIRST_MS;
    });
  }

  #tryAgain(): void {
    for (const way of this.#ways.values()) {
      if (!isRefused(way)) continue;
      way.leftOut.clear();
      this.#touch(way);
    }
  }
}

function isRefused(way: Way): boolean {
  return !way.isClosed && way.state !== 'plain' && (way.errno !== 0 || way.leftOut.size > 0);
}

/** The kernel wants gateway and interface of an object. */
function canBeObject(hops: readonly FibNextHop[]): boolean {
  return hops.every(({ gateway, ifIndex }) => gateway !== undefined && ifIndex !== undefined);
}

function sameMembers(a: readonly GroupMember[], b: readonly GroupMember[]): boolean {
  return a.length === b.length && a.every(({ id, weight }, i) => b[i]?.id === id && b[i]?.weight === weight);
}

/** Equal contents have equal texts. */
export function textOf(hops: readonly FibNextHop[]): string {
  return hops.map(hopText).sort().join(' ');
}

/** Equal for hops that are one nexthop object. */
export function keyOf(hop: FibNextHop): string {
  return hopText(withoutWeight(hop));
}

function withoutWeight(hop: FibNextHop): FibNextHop {
  const { gateway, ifIndex, onlink } = hop;
  return {
    ...(gateway === undefined ? {} : { gateway }),
    ...(ifIndex === undefined ? {} : { ifIndex }),
    ...(onlink === true ? { onlink } : {}),
  };
}
