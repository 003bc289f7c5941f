import { CHUNK_OCTETS } from './load-input.ts';

const SLAB_OCTETS = 4 << 20;
/** Slabs there from the start, touched, so that reading never waits for memory: a whole table of a million routes. */
const READY_SLABS = 12;
/** Octets handed on go on waiting for this long at most, so that sockets are looked after again. */
const SLICE_MS = 0.5;

/** Who octets belong to. */
export interface BacklogOwner {
  /** Octets that were read at `takenMs`; valid during the call only. */
  take(bytes: Uint8Array, start: number, end: number, takenMs: number): void;
  /** The socket came to its end, after all that was taken. */
  finished(reason: string): void;
}

interface Segment {
  readonly owner: BacklogOwner;
  readonly slab: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly takenMs: number;
  /** Why this is the last of its owner. */
  readonly reason: string | undefined;
}

/**
 * Octets that were taken from sockets and not looked at yet. Reading comes first, checking when no socket has anything: so a speaker is not
 * held up by what the load process does with its words, and the time of an octet is the time it was read.
 */
export class Backlog {
  readonly #ready: Uint8Array[];
  #segments: Segment[] = [];
  #next = 0;
  #slab: Uint8Array;
  #used = 0;
  #isScheduled = false;
  readonly #onSlice: () => void;

  /** @param onSlice called when octets were handed over */
  constructor(onSlice: () => void) {
    this.#onSlice = onSlice;
    this.#ready = Array.from({ length: READY_SLABS }, () => new Uint8Array(SLAB_OCTETS).fill(1));
    this.#slab = this.#ready.pop() ?? new Uint8Array(SLAB_OCTETS);
  }

  /** Where to read to: `bytes` from `start` on has room for a chunk. */
  room(): { readonly bytes: Uint8Array; readonly start: number } {
    if (this.#used + CHUNK_OCTETS > SLAB_OCTETS) {
      this.#slab = this.#ready.pop() ?? new Uint8Array(SLAB_OCTETS);
      this.#used = 0;
    }
    return { bytes: this.#slab, start: this.#used };
  }

  /** Notes that `octets` were read to `room()` for `owner`, and, with a reason, that these were the last. */
  add(owner: BacklogOwner, octets: number, takenMs: number, reason: string | undefined): void {
    const start = this.#used;
    this.#used += octets;
    this.#segments.push({ owner, slab: this.#slab, start, end: this.#used, takenMs, reason });
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#work();
    });
  }

  #work(): void {
    const deadline = performance.now() + SLICE_MS;
    do {
      const segment = this.#segments[this.#next++];
      if (segment === undefined) break;
      const { owner, slab, start, end, takenMs, reason } = segment;
      owner.take(slab, start, end, takenMs);
      if (reason !== undefined) owner.finished(reason);
      const following = this.#segments[this.#next];
      if (slab !== this.#slab && following?.slab !== slab) this.#ready.push(slab);
    } while (performance.now() < deadline);
    if (this.#next >= this.#segments.length) {
      this.#segments = [];
      this.#next = 0;
    } else this.#schedule();
    this.#onSlice();
  }
}
