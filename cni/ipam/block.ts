import type { IpAddress, Prefix } from 'bgp-ts';
import { formatIp } from 'bgp-ts';

/** At most this many addresses of a block are handed out: the first ones of an IPv6 /64, all of an IPv4 /16. */
export const maxBlockAddresses = 65_536;

/**
 * Who holds what in one address block: a bitmap of held addresses, one of reserved ones, and the released ones in the
 * order they were released. Addresses are numbered from the start of the block. Pure: time is an argument.
 */
export class AddressBlock {
  readonly prefix: Prefix;
  /** Addresses numbered 0 .. size - 1. */
  readonly size: number;
  /** One bit per address, 1 = held by a pod. */
  readonly #held: Uint32Array;
  /** One bit per address, 1 = no new pod gets it. */
  readonly #reserved: Uint32Array;
  /** One bit per address, 1 = in `#released`. */
  readonly #resting: Uint32Array;
  /** Number -> when it was released (ms since 1970), in that order; re-use takes the first. */
  readonly #released = new Map<number, number>();
  readonly #base: number;
  #heldCount = 0;
  #reservedCount = 0;

  /**
   * @throws RangeError if the prefix length does not fit its family (a caller's bug)
   */
  constructor(prefix: Prefix) {
    const bits = prefix.address.octets.length * 8;
    if (prefix.length < 0 || prefix.length > bits) throw new RangeError(`prefix length ${prefix.length} of ${bits}`);
    this.prefix = prefix;
    this.size = Math.min(maxBlockAddresses, 2 ** Math.min(32, bits - prefix.length));
    this.#base = low16(prefix.address);
    const words = Math.ceil(this.size / 32);
    this.#held = new Uint32Array(words);
    this.#reserved = new Uint32Array(words);
    this.#resting = new Uint32Array(words);
  }

  /** Held addresses. */
  get held(): number {
    return this.#heldCount;
  }

  /** Addresses that may be handed out at all: all but the reserved ones. */
  get capacity(): number {
    return this.size - this.#reservedCount;
  }

  /** The number of `address` in this block, or -1 when it is outside (or beyond {@link maxBlockAddresses}). */
  indexOf(address: IpAddress): number {
    const base = this.prefix.address.octets;
    const octets = address.octets;
    if (octets.length !== base.length) return -1;
    for (let i = 0; i < base.length - 2; i++) if (octets[i] !== base[i]) return -1;
    const index = low16(address) - this.#base;
    return index >= 0 && index < this.size ? index : -1;
  }

  /**
   * The address of a number.
   * @throws RangeError outside 0 .. size - 1
   */
  addressAt(index: number): IpAddress {
    this.#check(index);
    const octets = this.prefix.address.octets.slice();
    const low = this.#base + index;
    octets[octets.length - 2] = low >> 8;
    octets[octets.length - 1] = low & 0xff;
    return { version: this.prefix.address.version, octets };
  }

  isHeld(index: number): boolean {
    return getBit(this.#held, index);
  }

  isReserved(index: number): boolean {
    return getBit(this.#reserved, index);
  }

  /** When a free address was released, in ms since 1970; undefined when it is held or was never used. */
  releasedAt(index: number): number | undefined {
    return this.#released.get(index);
  }

  /**
   * The address to hand out next: the lowest one never used, else the one released longest ago.
   * @param notAfterMs a released address counts only if it was released at or before this time
   * @returns its number, or -1
   */
  next(notAfterMs: number): number {
    for (let word = 0; word < this.#held.length; word++) {
      const taken = (this.#held[word] ?? 0) | (this.#reserved[word] ?? 0) | (this.#resting[word] ?? 0);
      if (taken === -1) continue;
      const index = word * 32 + (31 - Math.clz32(~taken & -~taken));
      return index < this.size ? index : this.#oldest(notAfterMs);
    }
    return this.#oldest(notAfterMs);
  }

  /**
   * Marks an address as held, reserved or not: a pod that has it keeps it.
   * @throws Error when it is held already (a bug: an address has one holder)
   */
  hold(index: number): void {
    this.#check(index);
    if (this.isHeld(index)) throw new Error(`${formatIp(this.addressAt(index))} is held already`);
    setBit(this.#held, index, true);
    setBit(this.#resting, index, false);
    this.#released.delete(index);
    this.#heldCount++;
  }

  /** Frees an address; it goes to the end of the queue for re-use. Also files a free one under its release time. */
  release(index: number, nowMs: number): void {
    this.#check(index);
    if (this.isHeld(index)) {
      setBit(this.#held, index, false);
      this.#heldCount--;
    }
    setBit(this.#resting, index, true);
    this.#released.delete(index);
    this.#released.set(index, nowMs);
  }

  /** Takes an address out of use for new pods. */
  reserve(index: number): void {
    this.#check(index);
    if (this.isReserved(index)) return;
    setBit(this.#reserved, index, true);
    this.#reservedCount++;
  }

  #oldest(notAfterMs: number): number {
    for (const [index, releasedMs] of this.#released) {
      if (this.isReserved(index)) continue;
      return releasedMs <= notAfterMs ? index : -1;
    }
    return -1;
  }

  #check(index: number): void {
    if (!Number.isInteger(index) || index < 0 || index >= this.size) {
      throw new RangeError(`address number ${index}: must be 0 .. ${this.size - 1}`);
    }
  }
}

function low16(address: IpAddress): number {
  const octets = address.octets;
  return ((octets[octets.length - 2] ?? 0) << 8) | (octets[octets.length - 1] ?? 0);
}

function getBit(bits: Uint32Array, index: number): boolean {
  return (((bits[index >> 5] ?? 0) >>> (index & 31)) & 1) === 1;
}

function setBit(bits: Uint32Array, index: number, value: boolean): void {
  const mask = 1 << (index & 31);
  const word = bits[index >> 5] ?? 0;
  bits[index >> 5] = value ? word | mask : word & ~mask;
}
