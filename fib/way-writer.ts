import type { Logger } from '../lib/log.ts';
import { errorMessage } from '../lib/result.ts';
import { Errno, errnoName } from './errno.ts';
import type { GroupMember, KernelRoutes, NextHopOperation, NextHopResult } from './kernel.ts';
import type { NextHopObjects } from './next-hop-objects.ts';
import { FIRST_WAY, LAST_NEXT_HOP, nextHopId } from './target.ts';
import { keyOf, sameMembers, type Way, withoutWeight } from './way.ts';

/** How often in a row the kernel may surprise us about one way before its routes get gateways of their own. */
export const MAX_SURPRISES = 3;

/** Operations in one message. */
const MAX_OPERATIONS = 2 ** 24;

/** What the writer of ways tells its owner. */
export interface WayWriterHandlers {
  /** There is something to send. */
  wake(): void;
  /** What rows that want this target should have has changed. */
  changed(target: number): void;
  /** The kernel removed every route that led to this target. */
  emptied(target: number): void;
  /** What is believed of the objects may be wrong: the kernel must be read. `isBroken` when the kernel side as a whole failed. */
  lost(isBroken: boolean): void;
  /** Something was refused and is to be tried again later. */
  refused(): void;
  /** A message was answered, and the answer taken in. */
  done(): void;
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

/** Tells the kernel what ways have become, and takes in its verdicts. */
export class WayWriter {
  readonly #kernel: KernelRoutes;
  readonly #protocol: number;
  readonly #log: Logger;
  readonly #handlers: WayWriterHandlers;
  readonly #objects: NextHopObjects;
  readonly #ways: ReadonlyMap<number, Way>;
  readonly #dirty = new Set<Way>();
  #inFlight = 0;
  /** Operations in the next message; fewer after verdicts were lost, or the same ones would be lost for ever. */
  #limit = MAX_OPERATIONS;
  #replacements = 0;

  /** @param state what the owner keeps, by target, and which objects the kernel has; both are read and the objects changed here */
  constructor(
    kernel: KernelRoutes,
    state: { readonly protocol: number; readonly ways: ReadonlyMap<number, Way>; readonly objects: NextHopObjects },
    log: Logger,
    handlers: WayWriterHandlers,
  ) {
    this.#kernel = kernel;
    this.#protocol = state.protocol;
    this.#ways = state.ways;
    this.#objects = state.objects;
    this.#log = log;
    this.#handlers = handlers;
  }

  /** Messages under way, or about to be sent. */
  get isBusy(): boolean {
    return this.#inFlight > 0 || this.#dirty.size > 0;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Messages that changed an object under its routes. */
  get replacements(): number {
    return this.#replacements;
  }

  /** What the kernel has of a way may not be what is wanted. */
  touch(way: Way): void {
    this.#dirty.add(way);
    this.#handlers.wake();
  }

  /** Its routes get gateways of their own. */
  makePlain(way: Way): void {
    way.state = 'plain';
    way.errno = 0;
    way.members = [];
    this.#dirty.delete(way);
    this.#handlers.changed(way.target);
  }

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

  /** Deletes objects in this order; a group goes before its members. */
  remove(numbers: readonly number[]): void {
    this.#perform(
      numbers.map((number) => ({ op: 'delete', id: nextHopId(this.#protocol, number) })),
      numbers.map((number) => ({ type: 'delete', number })),
    );
  }

  /** Adds what brings the kernel's group to what is wanted. */
  #prepare(way: Way, operations: NextHopOperation[], purposes: Purpose[]): void {
    if (way.state === 'plain') return;
    const protocol = this.#protocol;
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
      if (way.leftOut.size > 0) this.#handlers.refused();
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
      this.#handlers.refused();
    }
    if (isTaken || keys.length > failed.length) this.touch(way);
    else this.#refuse(way, refused.get(failed[0] ?? '') ?? errno);
  }

  /** None of the hops is accepted: the routes wait, and what the kernel still has of the way leads nowhere and goes. */
  #refuse(way: Way, errno: number): void {
    if (way.errno !== errno) {
      this.#log.warn('nexthop refused', { errno: errnoName(errno), nextHop: way.text });
    }
    way.state = 'blocked';
    way.errno = errno;
    this.#handlers.refused();
    if (way.members.length > 0) {
      way.members = [];
      this.remove([way.target & LAST_NEXT_HOP]);
    }
    this.#handlers.changed(way.target);
  }

  /** The group was refused although its members are there, as far as known: something is not as believed. */
  #surprised(way: Way, errno: number): void {
    way.surprises++;
    if (way.surprises > MAX_SURPRISES || (errno === Errno.EEXIST && way.members.length === 0)) {
      this.#log.warn('nexthop object not to be had, routes get gateways', {
        id: nextHopId(this.#protocol, way.target),
        errno: errnoName(errno),
      });
      this.makePlain(way);
      return;
    }
    way.state = 'blocked';
    this.#handlers.lost(false);
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
    this.#handlers.done();
  }
}
