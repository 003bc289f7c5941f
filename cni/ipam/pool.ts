import { formatIp, formatPrefix, type IpAddress, type Prefix, parseIp, prefixContains, prefixEquals } from 'bgp-ts';
import { AddressBlock } from './block.ts';

/** A block as the configuration gives it. */
export interface BlockSpec {
  readonly prefix: Prefix;
  /** Parts of the block that no new pod gets (IPReservation). */
  readonly reserved?: readonly Prefix[];
}

/** One block and how full it is. */
export interface BlockUsage {
  readonly prefix: Prefix;
  /** Addresses that can be handed out, reserved ones not counted. */
  readonly capacity: number;
  readonly used: number;
  /** No longer configured: serves the pods it has and takes no new ones. */
  readonly retired: boolean;
}

/** Whether an address that a pod asks for can be given. */
export type Availability = 'free' | 'held' | 'reserved' | 'outside' | 'retired';

interface Entry {
  readonly block: AddressBlock;
  readonly retired: boolean;
}

/**
 * The blocks of this node and all addresses held or at rest, in memory. Pure: no I/O, time is an argument. An address
 * that is in no block (its block went away while the daemon was down) is still known as held.
 */
export class AddressPool {
  #entries: readonly Entry[] = [];
  /** Canonical text of every held address. */
  readonly #held = new Set<string>();
  /** Canonical text of every released address -> when, ms since 1970, oldest first. */
  readonly #released = new Map<string, number>();

  /**
   * Sets the configured blocks. Blocks that are no longer among them stay as retired while a pod holds one of their
   * addresses that no other block contains.
   */
  setBlocks(specs: readonly BlockSpec[]): void {
    const entries: Entry[] = [];
    for (const spec of specs) {
      if (entries.some((entry) => prefixEquals(entry.block.prefix, spec.prefix))) continue;
      entries.push({ block: this.#build(spec), retired: false });
    }
    for (const old of this.#entries) {
      if (entries.some((entry) => prefixEquals(entry.block.prefix, old.block.prefix))) continue;
      const orphans = this.#heldIn(old.block).some(
        (address) => !entries.some((entry) => entry.block.indexOf(address) >= 0),
      );
      if (orphans) entries.push({ block: this.#build({ prefix: old.block.prefix }), retired: true });
    }
    this.#entries = entries;
  }

  /** Puts blocks that only serve the pods they have beside the configured ones, as after a restart. */
  addRetired(prefixes: readonly Prefix[]): void {
    const entries = [...this.#entries];
    for (const prefix of prefixes) {
      if (entries.some((entry) => prefixEquals(entry.block.prefix, prefix))) continue;
      const block = this.#build({ prefix });
      if (block.held > 0) entries.push({ block, retired: true });
    }
    this.#entries = entries;
  }

  /** The families that new pods get an address of. */
  families(): { readonly ipv4: boolean; readonly ipv6: boolean } {
    const has = (version: 4 | 6) =>
      this.#entries.some((entry) => !entry.retired && entry.block.prefix.address.version === version);
    return { ipv4: has(4), ipv6: has(6) };
  }

  /** Whether `address` can be given to a pod that asks for it. */
  availability(address: IpAddress): Availability {
    let found: Availability = 'outside';
    for (const { block, retired } of this.#entries) {
      const index = block.indexOf(address);
      if (index < 0) continue;
      if (block.isHeld(index)) return 'held';
      if (retired) found = found === 'outside' ? 'retired' : found;
      else if (block.isReserved(index)) return 'reserved';
      else found = 'free';
    }
    return found;
  }

  /**
   * Chooses the next address of a family and marks nothing. Blocks are used in the order given, each until it has no
   * address left that was never used or has rested for `coolDownMs`. When no block has one, the address released
   * longest ago is chosen early: a pod that starts is worth more than the rest of a cool-down.
   * @returns undefined when every address is held or reserved
   */
  next(version: 4 | 6, nowMs: number, coolDownMs: number): IpAddress | undefined {
    let early: { address: IpAddress; releasedMs: number } | undefined;
    for (const { block, retired } of this.#entries) {
      if (retired || block.prefix.address.version !== version) continue;
      const rested = block.next(nowMs - coolDownMs);
      if (rested >= 0) return block.addressAt(rested);
      const index = block.next(Number.POSITIVE_INFINITY);
      if (index < 0) continue;
      const releasedMs = block.releasedAt(index) ?? 0;
      if (early === undefined || releasedMs < early.releasedMs) early = { address: block.addressAt(index), releasedMs };
    }
    return early?.address;
  }

  /**
   * Marks an address as held.
   * @returns blocks that it is the first held address of
   * @throws Error when it is held already (a bug)
   */
  hold(address: IpAddress): readonly Prefix[] {
    const text = formatIp(address);
    if (this.#held.has(text)) throw new Error(`${text} is held already`);
    this.#held.add(text);
    this.#released.delete(text);
    const first: Prefix[] = [];
    for (const { block } of this.#entries) {
      const index = block.indexOf(address);
      if (index < 0) continue;
      block.hold(index);
      if (block.held === 1) first.push(block.prefix);
    }
    return first;
  }

  /**
   * Frees an address, or files a free one under the time it was released (when the store is read).
   * @returns blocks that it was the last held address of; retired ones are dropped
   */
  release(address: IpAddress, releasedMs: number): readonly Prefix[] {
    const text = formatIp(address);
    const wasHeld = this.#held.delete(text);
    this.#released.delete(text);
    this.#released.set(text, releasedMs);
    const last: Prefix[] = [];
    for (const { block } of this.#entries) {
      const index = block.indexOf(address);
      if (index < 0) continue;
      block.release(index, releasedMs);
      if (wasHeld && block.held === 0) last.push(block.prefix);
    }
    if (last.length > 0) this.#entries = this.#entries.filter((entry) => !entry.retired || entry.block.held > 0);
    return last;
  }

  isHeld(address: IpAddress): boolean {
    return this.#held.has(formatIp(address));
  }

  /** All blocks, the configured ones first, in their order. */
  usage(): BlockUsage[] {
    return this.#entries.map(({ block, retired }) => ({
      prefix: block.prefix,
      capacity: block.capacity,
      used: block.held,
      retired,
    }));
  }

  /** `10.0.0.0/26 (64 of 64 in use)`, joined, for messages. */
  describe(version: 4 | 6): string {
    const parts = this.usage()
      .filter((usage) => !usage.retired && usage.prefix.address.version === version)
      .map((usage) => `${formatPrefix(usage.prefix)} (${usage.used} of ${usage.capacity} in use)`);
    return parts.join(', ');
  }

  #build(spec: BlockSpec): AddressBlock {
    const block = new AddressBlock(spec.prefix);
    for (const reserved of spec.reserved ?? []) reserveRange(block, reserved);
    for (const address of this.#heldIn(block)) block.hold(block.indexOf(address));
    for (const [text, releasedMs] of this.#released) {
      const address = parseIp(text);
      const index = address === undefined ? -1 : block.indexOf(address);
      if (index >= 0) block.release(index, releasedMs);
    }
    return block;
  }

  #heldIn(block: AddressBlock): IpAddress[] {
    const found: IpAddress[] = [];
    for (const text of this.#held) {
      const address = parseIp(text);
      if (address !== undefined && block.indexOf(address) >= 0) found.push(address);
    }
    return found;
  }
}

function reserveRange(block: AddressBlock, reserved: Prefix): void {
  if (prefixContains(reserved, block.prefix)) {
    for (let index = 0; index < block.size; index++) block.reserve(index);
    return;
  }
  const first = block.indexOf(reserved.address);
  if (first < 0) return;
  const bits = reserved.address.octets.length * 8;
  const end = Math.min(block.size, first + 2 ** Math.min(32, bits - reserved.length));
  for (let index = first; index < end; index++) block.reserve(index);
}
