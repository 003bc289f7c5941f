/** Blocks are multiples of this many octets; smaller wastes less, larger needs fewer free lists. */
const GRANULE = 8;
const CLASSES = 65_536 / GRANULE + 2;
const INITIAL_OCTETS = 4096;
const MAX_OCTETS = 0x7fff_fff8;

/**
 * Storage for octet strings of up to 65,535 octets, without an object per string. A freed block is reused for strings of the same
 * rounded size; blocks are never joined, so the arena is as large as the sum of each size's peak.
 */
export class OctetArena {
  /** The storage; replaced when it grows, so read it anew after every `allocate`. */
  bytes: Uint8Array;
  /** Per size in granules the first free block, in granules from the start; 0 is none. */
  readonly #free: Int32Array;
  /** First octet that was never used. Offset 0 stays unused, so that 0 can mean "none". */
  #end: number;
  #used: number;

  constructor() {
    this.bytes = new Uint8Array(INITIAL_OCTETS);
    this.#free = new Int32Array(CLASSES);
    this.#end = GRANULE;
    this.#used = 0;
  }

  /** Octets in use, rounded up as they are stored. */
  get usedOctets(): number {
    return this.#used;
  }

  /**
   * Room for `length` octets: their offset in {@link bytes}.
   * @throws RangeError when 2 GiB are full
   */
  allocate(length: number): number {
    const granules = (length + GRANULE - 1) >> 3 || 1;
    this.#used += granules * GRANULE;
    const head = this.#free[granules]!;
    if (head !== 0) {
      const offset = head * GRANULE;
      const b = this.bytes;
      this.#free[granules] = b[offset]! | (b[offset + 1]! << 8) | (b[offset + 2]! << 16) | (b[offset + 3]! << 24);
      return offset;
    }
    const offset = this.#end;
    const end = offset + granules * GRANULE;
    if (end > this.bytes.length) this.#grow(end);
    this.#end = end;
    return offset;
  }

  /** Gives back what `allocate(length)` returned as `offset`. */
  release(offset: number, length: number): void {
    const granules = (length + GRANULE - 1) >> 3 || 1;
    this.#used -= granules * GRANULE;
    const next = this.#free[granules]!;
    const b = this.bytes;
    b[offset] = next;
    b[offset + 1] = next >> 8;
    b[offset + 2] = next >> 16;
    b[offset + 3] = next >> 24;
    this.#free[granules] = offset / GRANULE;
  }

  #grow(needed: number): void {
    if (needed > MAX_OCTETS)
      throw new RangeError(`attribute arena: ${needed} octets wanted, ${MAX_OCTETS} is the most`);
    let size = this.bytes.length;
    while (size < needed) size = size < 1 << 20 ? size * 2 : size + (size >> 2);
    size = Math.min((size + GRANULE - 1) & ~(GRANULE - 1), MAX_OCTETS);
    // Not grown in place as columns are: DataView, by which attributes are read, is several times slower on shared memory.
    const grown = new Uint8Array(size);
    grown.set(this.bytes);
    this.bytes = grown;
  }
}
