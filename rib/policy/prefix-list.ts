import type { IpAddress, Prefix } from 'bgp-ts';
import type { PrefixRange } from './policy.ts';

const NONE = -1;

/** Prefix ranges of one list, ready to be asked one by one; the trie is made when somebody does. Policies of a session ask {@link PrefixClasses}. */
export class PrefixList {
  readonly entries: readonly PrefixRange[];
  #trie: RangeTrie | undefined;

  constructor(entries: readonly PrefixRange[]) {
    this.entries = entries;
    this.#trie = undefined;
  }

  /** True if `prefix` is inside an entry's prefix and its length is in that entry's range. */
  matches(prefix: Prefix): boolean {
    return this.#made().matches(prefix);
  }

  /** True if the address is inside the prefix of any entry; lengths do not matter. */
  covers(address: IpAddress): boolean {
    return this.#made().covers(address);
  }

  #made(): RangeTrie {
    this.#trie ??= new RangeTrie(this.entries);
    return this.#trie;
  }
}

/**
 * Prefix ranges in a binary trie, one for each address family: looking a prefix up costs one step per bit of its length, whatever
 * the number of entries. Columns of plain numbers, about 30 octets a node. Immutable once built.
 */
class RangeTrie {
  /** Children of node n for bit 0 and 1: [2n] and [2n + 1]; NONE where there is none. Nodes 0 and 1 are the roots of IPv4 and IPv6. */
  readonly #children: number[] = [NONE, NONE, NONE, NONE];
  /** First range of node n, or NONE. */
  readonly #firstRange: number[] = [NONE, NONE];
  readonly #min: number[] = [];
  readonly #max: number[] = [];
  /** Next range of the same node, or NONE. */
  readonly #nextRange: number[] = [];

  constructor(entries: readonly PrefixRange[]) {
    for (const entry of entries) this.#add(entry);
  }

  matches(prefix: Prefix): boolean {
    const { octets, version } = prefix.address;
    let node = version === 4 ? 0 : 1;
    for (let depth = 0; ; depth++) {
      for (let range = this.#firstRange[node]!; range !== NONE; range = this.#nextRange[range]!) {
        if (prefix.length >= this.#min[range]! && prefix.length <= this.#max[range]!) return true;
      }
      if (depth >= prefix.length) return false;
      node = this.#children[2 * node + bitAt(octets, depth)]!;
      if (node === NONE) return false;
    }
  }

  covers(address: IpAddress): boolean {
    const { octets, version } = address;
    const bits = octets.length * 8;
    let node = version === 4 ? 0 : 1;
    for (let depth = 0; ; depth++) {
      if (this.#firstRange[node] !== NONE) return true;
      if (depth >= bits) return false;
      node = this.#children[2 * node + bitAt(octets, depth)]!;
      if (node === NONE) return false;
    }
  }

  #add({ prefix, minLength, maxLength }: PrefixRange): void {
    const { octets, version } = prefix.address;
    let node = version === 4 ? 0 : 1;
    for (let depth = 0; depth < prefix.length; depth++) {
      const slot = 2 * node + bitAt(octets, depth);
      let child = this.#children[slot]!;
      if (child === NONE) {
        child = this.#firstRange.length;
        this.#firstRange.push(NONE);
        this.#children.push(NONE, NONE);
        this.#children[slot] = child;
      }
      node = child;
    }
    this.#nextRange.push(this.#firstRange[node]!);
    this.#min.push(minLength);
    this.#max.push(maxLength);
    this.#firstRange[node] = this.#min.length - 1;
  }
}

function bitAt(octets: Uint8Array, index: number): 0 | 1 {
  return ((octets[index >> 3]! >> (7 - (index & 7))) & 1) as 0 | 1;
}
