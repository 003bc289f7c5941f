import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { KernelNextHop, KernelRoutes } from './kernel.ts';
import { NextHopObjects } from './next-hop-objects.ts';
import type { Ownership } from './ownership.ts';
import { FIRST_WAY, type FibNextHop, isWay, LAST_NEXT_HOP, nextHopId, Target, type TargetTable } from './target.ts';
import type { FibNextHopDifference } from './types.ts';
import { canBeObject, isRefused, textOf, type Way } from './way.ts';
import { WayRetry } from './way-retry.ts';
import { MAX_SURPRISES, WayWriter } from './way-writer.ts';

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
  readonly #handlers: WayHandlers;
  readonly #objects: NextHopObjects;
  readonly #ways = new Map<number, Way>();
  readonly #writer: WayWriter;
  readonly #retry: WayRetry;
  readonly #mode: 'auto' | 'off';
  #isOn: boolean;
  #mayCollect = false;
  /** There are objects to be removed as soon as no route leads there. */
  #isWaitingToGo = false;
  #isSwept = false;

  constructor(
    kernel: KernelRoutes,
    options: { readonly own: Ownership; readonly mode: 'auto' | 'off'; readonly log: Logger; readonly clock: Clock },
    handlers: WayHandlers,
  ) {
    this.#kernel = kernel;
    this.#own = options.own;
    this.#targets = kernel.targets;
    this.#log = options.log;
    this.#handlers = handlers;
    this.#mode = options.mode;
    this.#isOn = options.mode === 'auto';
    this.#objects = new NextHopObjects(options.own.protocol);
    this.#retry = new WayRetry(options.clock, {
      hasRefused: () => [...this.#ways.values()].some(isRefused),
      tryAgain: () => this.#tryAgain(),
    });
    const state = { protocol: options.own.protocol, ways: this.#ways, objects: this.#objects };
    this.#writer = new WayWriter(kernel, state, options.log, {
      ...handlers,
      refused: () => this.#retry.later(),
      done: () => {
        this.#mayCollect ||= this.#isSwept;
        handlers.wake();
      },
    });
  }

  /** Whether ways are nexthop objects. */
  get areObjects(): boolean {
    return this.#isOn;
  }

  /** Messages under way, or about to be sent. */
  get isBusy(): boolean {
    return this.#writer.isBusy;
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
    return this.#writer.inFlight;
  }

  /** Messages that changed an object under its routes. */
  get replacements(): number {
    return this.#writer.replacements;
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
    if (way.state === 'wanted') this.#writer.touch(way);
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
    else if (canBeObject(way.hops)) this.#writer.touch(way);
    else this.#writer.makePlain(way);
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
    this.#writer.send();
  }

  /**
   * Removes the objects that nothing needs. To be called with nothing in flight and no row waiting.
   * @param used which numbers below `end` rows want or have: 1 at the number
   */
  collect(used: (end: number) => Uint8Array): void {
    if (!this.#mayCollect || this.isBusy) return;
    this.#mayCollect = false;
    this.#isWaitingToGo = false;
    const numbers: number[] = [];
    const marks = used(this.#objects.end);
    const isUsed = (number: number): boolean => marks[number] === 1;
    for (const way of this.#ways.values()) {
      const number = way.target & LAST_NEXT_HOP;
      if (!way.isClosed) continue;
      if (isUsed(number)) {
        this.#isWaitingToGo = true;
        continue;
      }
      this.#ways.delete(way.target);
      if (way.members.length > 0) numbers.push(number);
      else this.#objects.free(number);
      way.members = [];
    }
    const needed = new Set<number>();
    for (const way of this.#ways.values()) for (const { id } of way.members) needed.add(id & LAST_NEXT_HOP);
    for (const { number, members } of this.#objects.adopted()) {
      if (this.#isSwept && !isUsed(number)) {
        numbers.push(number);
        continue;
      }
      this.#isWaitingToGo ||= this.#isSwept;
      for (const { id } of members) needed.add(id & LAST_NEXT_HOP);
    }
    for (const number of this.#objects.singles()) {
      // Before the sweep they may be what the next way needs.
      if (this.#isSwept && !needed.has(number)) numbers.push(number);
    }
    this.#writer.remove(numbers);
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
    this.#retry.probe();
  }

  /** Ends its timers. */
  stop(): void {
    this.#retry.stop();
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
        this.#writer.makePlain(way);
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
      if (!way.isClosed) this.#writer.touch(way);
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

  #turnOff(reason: string): void {
    this.#isOn = false;
    this.#log.info('nexthop objects off', { reason });
    for (const way of this.#ways.values()) this.#writer.makePlain(way);
  }

  #tryAgain(): void {
    for (const way of this.#ways.values()) {
      if (!isRefused(way)) continue;
      way.leftOut.clear();
      this.#writer.touch(way);
    }
  }
}
