import type { NetlinkBatch } from '../netlink/batch.ts';
import { hostIsLittle, MessageFlag, MessageType } from '../netlink/message.ts';
import { type Route, type RouteNextHop, RouteType, writeRoute } from '../netlink/route.ts';
import { NetlinkWriter } from '../netlink/writer.ts';
import { OP_WORDS, RouteOp } from './kernel.ts';
import { FIRST_SET, type FibNextHop, isWay, nextHopId, Target } from './target.ts';

const ADD_FLAGS = MessageFlag.Create | MessageFlag.Exclusive;

const NO_HOPS: readonly RouteNextHop[] = [];

/** What the kernel said to a list of operations; the shape of `kernel.ts`'s BatchResult without the words. */
export interface Outcome {
  /** Pairs of index and errno. */
  readonly failures: Int32Array;
  readonly uncertain: boolean;
}

/** Messages kept as templates; more than that are distinct targets of a strange day. */
const MAX_TEMPLATES = 4096;

/** Where the prefix stands in a message: word of its length, and of its address, behind header and `struct rtmsg`. */
const LENGTH_OCTET = 17;
const ADDRESS_WORD = 8;

/** A message for one operation and target, whose prefix and metric are put in for each route. */
interface Template {
  readonly message: Int32Array;
  /** Word of the metric. */
  readonly metric: number;
}

/** Turns operations into netlink messages, and the errors of messages back into those of operations. Allocates nothing per route. */
export class RouteBatchWriter {
  readonly #batch: NetlinkBatch;
  /** Next hops by target id - FIRST_SET, as the codec wants them. */
  #hops: (readonly RouteNextHop[])[] = [];
  readonly #octets = { 4: new Uint8Array(4), 6: new Uint8Array(16) } as const;
  /** The one route object, filled again for each operation. */
  readonly #route: { -readonly [K in keyof Route]: Route[K] };
  /** Operation of each message; ~operation for the delete of a Reclaim, whose error does not count. */
  #operationOf = new Int32Array(8192);
  /** By target, operation and family. */
  readonly #templates = new Map<number, Template>();
  /** What the templates are for. */
  #protocol = -1;
  #table = -1;

  constructor(batch: NetlinkBatch) {
    this.#batch = batch;
    this.#route = {
      version: 4,
      destination: this.#octets[4],
      destinationLength: 0,
      table: 0,
      protocol: 0,
      type: RouteType.Unicast,
      priority: 0,
      nextHops: NO_HOPS,
    };
  }

  /** The next target ids mean these sets. */
  addTargets(sets: readonly (readonly FibNextHop[])[]): void {
    for (const set of sets) {
      this.#hops.push(
        set.map(({ gateway, ifIndex, weight, onlink }) => ({
          gateway: gateway?.octets,
          interfaceIndex: ifIndex,
          weight,
          onLink: onlink,
        })),
      );
    }
  }

  /**
   * Performs operations (words as in `RouteBatch`) and waits for the kernel's verdict.
   * @throws NetlinkError when the socket fails: how much was done is unknown
   */
  apply(words: Int32Array, count: number, protocol: number, table: number): Outcome {
    const route = this.#route;
    route.protocol = protocol;
    route.table = table;
    if (this.#operationOf.length < 2 * count) this.#operationOf = new Int32Array(2 * count);
    const operationOf = this.#operationOf;
    if (protocol !== this.#protocol || table !== this.#table) this.#templates.clear();
    this.#protocol = protocol;
    this.#table = table;
    const batch = this.#batch;
    let template: Template | undefined;
    let templateKey = -1;
    for (let i = 0; i < count; i++) {
      const at = i * OP_WORDS;
      const head = words[at] ?? 0;
      const op = head & 0xff;
      if (head >> 16 !== 0 && op <= RouteOp.Delete) {
        const key = (words[at + 2] ?? 0) * 32 + (head & 0xf) * 4 + ((head >> 9) & 3);
        if (template === undefined || key !== templateKey) {
          template = this.#template(key, head, words[at + 2] ?? 0);
          templateKey = key;
        }
        operationOf[batch.count] = i;
        const to = batch.copy(template.message);
        const out = batch.words;
        const address = to + ADDRESS_WORD;
        batch.octets[to * 4 + LENGTH_OCTET] = head >> 16;
        out[to + template.metric] = words[at + 3] ?? 0;
        out[address] = networkOrder(words[at + 4] ?? 0);
        if (((head >> 8) & 0xff) === 6) {
          out[address + 1] = networkOrder(words[at + 5] ?? 0);
          out[address + 2] = networkOrder(words[at + 6] ?? 0);
          out[address + 3] = networkOrder(words[at + 7] ?? 0);
        }
        continue;
      }
      this.#key(words, at, head);
      const isDelete = op === RouteOp.Delete || op === RouteOp.DeleteHops;
      if (isDelete || op === RouteOp.Reclaim) {
        route.type = RouteType.Unspecified;
        route.nextHopId = undefined;
        route.nextHops = op === RouteOp.DeleteHops ? this.#hopsOf(words[at + 2] ?? 0) : NO_HOPS;
        const index = this.#write(MessageType.DelRoute, 0, true);
        operationOf[index] = isDelete ? i : ~i;
      }
      if (!isDelete) {
        this.#target(words[at + 2] ?? 0);
        const index = this.#write(
          MessageType.NewRoute,
          op === RouteOp.Replace ? MessageFlag.Replace : ADD_FLAGS,
          false,
        );
        operationOf[index] = i;
      }
    }
    const { errors, isOverrun } = this.#batch.flush();
    const failures: number[] = [];
    for (const { index, problem } of errors) {
      const operation = operationOf[index] ?? -1;
      if (operation >= 0) failures.push(operation, problem.errno); // of a Reclaim the add says what matters
    }
    return { failures: Int32Array.from(failures), uncertain: isOverrun };
  }

  /** The message of an operation, as the plain codec writes it, with all of it but the prefix and the metric. */
  #template(key: number, head: number, target: number): Template {
    const known = this.#templates.get(key);
    if (known !== undefined) return known;
    if (this.#templates.size >= MAX_TEMPLATES) this.#templates.clear();
    const op = head & 0xff;
    const isDelete = op === RouteOp.Delete;
    const route = this.#route;
    route.version = ((head >> 8) & 0xff) === 4 ? 4 : 6;
    route.destination = this.#octets[route.version];
    route.destinationLength = route.version === 4 ? 32 : 128;
    route.priority = 0;
    if (isDelete) {
      route.type = RouteType.Unspecified;
      route.nextHops = NO_HOPS;
      route.nextHopId = undefined;
    } else this.#target(target);
    const flags = isDelete ? 0 : op === RouteOp.Replace ? MessageFlag.Replace : ADD_FLAGS;
    const writer = new NetlinkWriter();
    writer.begin(isDelete ? MessageType.DelRoute : MessageType.NewRoute, flags | MessageFlag.Request, 0);
    writeRoute(writer, route, isDelete);
    writer.end();
    const message = new Int32Array(writer.written().slice().buffer);
    const metric = ADDRESS_WORD + (route.version === 4 ? 1 : 4) + (route.table > 255 ? 2 : 0) + 1;
    const template = { message, metric };
    this.#templates.set(key, template);
    return template;
  }

  #key(words: Int32Array, at: number, head: number): void {
    const route = this.#route;
    const version = ((head >> 8) & 0xff) === 4 ? 4 : 6;
    const octets = this.#octets[version];
    for (let word = 0, o = 0; o < octets.length; word++, o += 4) {
      const value = words[at + 4 + word] ?? 0;
      octets[o] = value >>> 24;
      octets[o + 1] = value >>> 16;
      octets[o + 2] = value >>> 8;
      octets[o + 3] = value;
    }
    route.version = version;
    route.destination = octets;
    route.destinationLength = head >> 16;
    route.priority = (words[at + 3] ?? 0) >>> 0;
  }

  #target(target: number): void {
    const route = this.#route;
    route.nextHops = NO_HOPS;
    route.nextHopId = undefined;
    if (isWay(target)) {
      route.type = RouteType.Unicast;
      route.nextHopId = nextHopId(route.protocol, target);
    } else if (target >= FIRST_SET) {
      route.type = RouteType.Unicast;
      route.nextHops = this.#hopsOf(target);
    } else if (target === Target.Blackhole) route.type = RouteType.Blackhole;
    else if (target === Target.Unreachable) route.type = RouteType.Unreachable;
    else throw new Error(`target ${target} cannot be written`);
  }

  #hopsOf(target: number): readonly RouteNextHop[] {
    if (target < FIRST_SET) return NO_HOPS;
    const hops = this.#hops[target - FIRST_SET];
    if (hops === undefined) throw new Error(`target ${target} was never told to the writer`);
    return hops;
  }

  #write(type: number, flags: number, isDelete: boolean): number {
    writeRoute(this.#batch.begin(type, flags), this.#route, isDelete);
    return this.#batch.end();
  }
}

/** A word of an address, most significant octet first, as it must stand in memory. */
function networkOrder(value: number): number {
  if (!hostIsLittle) return value;
  return (value >>> 24) | ((value >>> 8) & 0xff00) | ((value << 8) & 0xff0000) | (value << 24);
}
