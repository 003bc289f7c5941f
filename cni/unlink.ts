/**
 * Deletes interfaces without holding up the daemon's loop: the kernel keeps the caller for 25 to 40 ms, which threads of the
 * pool sit out. Nearly all of that is waiting for other CPUs to let go of the interface, and it is the same wait for one as
 * for many: what piles up meanwhile is put into one interface group and deleted with it.
 */
import { randomInt } from 'node:crypto';
import { errorMessage } from '../lib/result.ts';
import type { NetlinkBatch } from '../netlink/batch.ts';
import { NetlinkError, type NetlinkProblem } from '../netlink/errors.ts';
import { decodeLink, deleteLink } from '../netlink/link.ts';
import { MessageType, type NetlinkRequest } from '../netlink/message.ts';
import { NetlinkGroup, NetlinkSocket } from '../netlink/socket.ts';

/**
 * So many deletions at once. One after the other they take 40 ms each; the next one started while the kernel still waits for
 * the last one's CPUs takes 3 to 4 ms. The pool has four threads, and one stays free.
 */
const laneCount = 3;
/** At most so many interfaces in one deletion: the kernel's interface lock is held for all of them. */
const maxGroup = 32;
const IFLA_GROUP = 27;

interface Removal {
  readonly index: number;
  resolve(): void;
  reject(error: Error): void;
}

interface Lane {
  readonly socket: NetlinkSocket;
  readonly batch: NetlinkBatch;
  /** A number that nobody else uses, so that the group holds what was put there here and nothing else. */
  readonly group: number;
  running: Promise<void> | undefined;
}

/**
 * Deletes interfaces of this namespace by their index, which the kernel does not use again, as it does with names. The kernel
 * tells everybody that an interface is gone, and its routes with it, well before it lets go of the one who deleted it: what
 * it does in between is give the memory back. So whoever waits is told by that notification, or by the end of the call if it
 * is lost.
 */
export class Unlinker {
  readonly #removals: NetlinkSocket;
  readonly #lanes: readonly Lane[];
  readonly #queue: Removal[] = [];
  /** Queued or being deleted, by index. */
  readonly #waiting = new Map<number, Removal[]>();
  #isClosed = false;

  constructor() {
    this.#removals = NetlinkSocket.open({
      groups: [NetlinkGroup.Link],
      receiveBufferOctets: 1024 * 1024,
      buffer: new Uint8Array(64 * 1024),
      handlers: {
        notification: (message) => {
          if (message.type !== MessageType.DelLink) return;
          const link = decodeLink(message);
          if (link !== undefined) this.#settle(link.index);
        },
        overrun: () => {},
      },
    });
    this.#removals.hearOnly(MessageType.DelLink);
    const buffer = new Uint8Array(64 * 1024);
    this.#lanes = Array.from({ length: laneCount }, () => {
      const socket = NetlinkSocket.open({ receiveBufferOctets: 256 * 1024, buffer });
      return { socket, batch: socket.batch(4096), group: randomInt(2 ** 30, 2 ** 31 - 1), running: undefined };
    });
  }

  /**
   * Deletes an interface; none there is success.
   * @throws Error with the kernel's reason
   */
  unlink(index: number): Promise<void> {
    if (this.#isClosed) return Promise.reject(new NetlinkError({ code: 'closed' }));
    return new Promise((resolve, reject) => {
      const removal = { index, resolve, reject };
      this.#waiting.set(index, [...(this.#waiting.get(index) ?? []), removal]);
      this.#queue.push(removal);
      this.#pump();
    });
  }

  /** Lets what was begun come to its end; what was not begun fails. May be called twice. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { index } of this.#queue.splice(0)) this.#settle(index, new NetlinkError({ code: 'closed' }));
    await Promise.all(this.#lanes.map((lane) => lane.running));
    for (const lane of this.#lanes) lane.socket.close();
    this.#removals.close();
  }

  #pump(): void {
    while (this.#queue.length > 0) {
      const lane = this.#lanes.find(({ running }) => running === undefined);
      if (lane === undefined) return;
      const indexes = this.#queue.splice(0, maxGroup).map((removal) => removal.index);
      lane.running = this.#remove(lane, indexes).finally(() => {
        lane.running = undefined;
        this.#pump();
      });
    }
  }

  /** Never rejects. */
  async #remove(lane: Lane, indexes: readonly number[]): Promise<void> {
    try {
      // One by one where the group would not do: what it took is ENODEV now.
      if (indexes.length === 1 || !(await removeGroup(lane, indexes))) await this.#removeEach(lane, indexes);
      for (const index of indexes) this.#settle(index);
    } catch (error) {
      for (const index of indexes) this.#settle(index, error);
    }
  }

  async #removeEach(lane: Lane, indexes: readonly number[]): Promise<void> {
    for (const index of indexes) lane.batch.add(deleteLink({ index }));
    const { errors, isOverrun } = await lane.batch.flushInThread();
    if (isOverrun) throw new NetlinkError({ code: 'overrun' });
    for (const { index: at, problem } of errors) {
      const index = indexes[at];
      if (index !== undefined && !isGone(problem)) this.#settle(index, new NetlinkError(problem));
    }
  }

  #settle(index: number, error?: unknown): void {
    const removals = this.#waiting.get(index);
    if (removals === undefined) return;
    this.#waiting.delete(index);
    for (const removal of removals) {
      if (error === undefined) removal.resolve();
      else removal.reject(error instanceof Error ? error : new Error(errorMessage(error)));
    }
  }
}

/** Deletes interfaces as a group; false when something was refused. */
async function removeGroup(lane: Lane, indexes: readonly number[]): Promise<boolean> {
  for (const index of indexes) lane.batch.add(groupRequest(MessageType.NewLink, lane.group, index));
  lane.batch.add(groupRequest(MessageType.DelLink, lane.group, 0));
  const { errors, isOverrun } = await lane.batch.flushInThread();
  return !isOverrun && errors.every(({ problem }) => isGone(problem));
}

function isGone(problem: NetlinkProblem): boolean {
  return problem.code === 'refused' && problem.name === 'ENODEV';
}

/** Puts one interface into the group (NewLink without Create changes), or deletes the whole group (index 0). */
function groupRequest(type: number, group: number, index: number): NetlinkRequest {
  return {
    type,
    flags: 0,
    write(writer) {
      for (const word of [0, index, 0, 0]) writer.u32(word); // struct ifinfomsg: any family, index, no flags
      writer.attributeU32(IFLA_GROUP, group);
    },
  };
}
