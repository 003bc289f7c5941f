import type { AttributeSets } from './attribute-sets.ts';

const ENTRIES = 1024;

interface Block {
  readonly octets: Uint8Array;
  readonly context: number;
  readonly set: number;
  readonly generation: number;
}

/**
 * Attribute blocks as received that had to be decoded into values (two-octet AS numbers, unknown attributes ...), and the set they turned
 * out to be: the next UPDATE with the same octets costs a hash and a comparison. Direct-mapped, of fixed size; holds no set.
 */
export class BlockCache {
  readonly #sets: AttributeSets;
  readonly #blocks: (Block | undefined)[];

  constructor(sets: AttributeSets) {
    this.#sets = sets;
    this.#blocks = new Array<Block | undefined>(ENTRIES).fill(undefined);
  }

  /**
   * The set of `bytes[start, end)`, 0 if it is not known.
   * @param context whatever else the outcome depends on, as one number
   */
  find(bytes: Uint8Array, start: number, end: number, hash: number, context: number): number {
    const block = this.#blocks[hash & (ENTRIES - 1)];
    if (block === undefined || block.context !== context || block.octets.length !== end - start) return 0;
    if (this.#sets.generationOf(block.set) !== block.generation || this.#sets.referencesTo(block.set) === 0) return 0;
    for (let i = 0; i < block.octets.length; i++) if (block.octets[i] !== bytes[start + i]) return 0;
    return block.set;
  }

  /** Remembers what {@link find} did not know. */
  remember(bytes: Uint8Array, start: number, end: number, hash: number, context: number, set: number): void {
    const generation = this.#sets.generationOf(set);
    this.#blocks[hash & (ENTRIES - 1)] = { octets: bytes.slice(start, end), context, set, generation };
  }
}
