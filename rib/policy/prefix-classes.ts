import type { PrefixRange } from './policy.ts';

/** What may be asked about a prefix: whether it is in a list, whether its length is between two numbers (both included). */
export type PrefixQuestion =
  | { readonly type: 'list'; readonly entries: readonly PrefixRange[] }
  | { readonly type: 'length'; readonly min: number; readonly max: number };

const NONE = -1;
const ROOT_BITS = 8;
const NODE_BITS = 4;
const NODE_MASK = 15;
/** Numbers in a row of classes: one for each length. */
const LENGTHS_4 = 33;
const LENGTHS_6 = 129;

/**
 * Prefixes as one policy sees them: those for which all its questions have the same answer are one class, and what the policy says about
 * an attribute set is the same for a whole class. The class is found without allocating, by the longest entry that covers the address (a
 * trie of 8 bits and then 4 at a time) and then by the length of the prefix, whatever the number of questions and entries.
 * 64 octets a node of the trie, one to three nodes an entry where they are scattered; 132 octets (IPv6: 516) for each row of classes,
 * which entries with the same ranges under the same covering entries share. Immutable.
 */
export class PrefixClasses {
  /** Classes are numbered from 0 to below this. */
  readonly count: number;
  readonly #questions: number;
  /** Answer n of class c, 1 for yes: `[c * questions + n]`. */
  readonly #answers: Uint8Array;
  readonly #slots4: Int32Array;
  readonly #rows4: Int32Array;
  readonly #slots6: Int32Array;
  readonly #rows6: Int32Array;

  constructor(questions: readonly PrefixQuestion[]) {
    const vectors = new AnswerVectors(questions.length);
    const ipv4 = new TrieBuilder(4, questions, vectors);
    const ipv6 = new TrieBuilder(6, questions, vectors);
    this.#slots4 = ipv4.slots();
    this.#rows4 = ipv4.rows();
    this.#slots6 = ipv6.slots();
    this.#rows6 = ipv6.rows();
    this.count = vectors.count;
    this.#questions = questions.length;
    this.#answers = vectors.flat();
  }

  /** Number of the class of an IPv4 prefix whose host bits are zero. */
  classOf4(address: number, length: number): number {
    const slots = this.#slots4;
    // A slot holds the row of what covers the address, or, inverted, where the next node is. Entries longer than the prefix may be met,
    // since its host bits are zeros: in the column of this length they have left no trace.
    let slot = slots[address >>> 24]!;
    for (let shift = 20; slot < 0; shift -= NODE_BITS) slot = slots[~slot + ((address >>> shift) & NODE_MASK)]!;
    return this.#rows4[slot * LENGTHS_4 + length]!;
  }

  /** Number of the class of an IPv6 prefix whose host bits are zero and whose address is in the four words from `words[at]` on. */
  classOf6(words: Int32Array, at: number, length: number): number {
    const slots = this.#slots6;
    let slot = slots[words[at]! >>> 24]!;
    for (let bit = ROOT_BITS; slot < 0; bit += NODE_BITS) {
      slot = slots[~slot + ((words[at + (bit >> 5)]! >>> (28 - (bit & 31))) & NODE_MASK)]!;
    }
    return this.#rows6[slot * LENGTHS_6 + length]!;
  }

  /** Answer to question `n` for the prefixes of a class. */
  holds(classNumber: number, n: number): boolean {
    return this.#answers[classNumber * this.#questions + n] === 1;
  }
}

/** Answers to all questions, each combination that occurs under a number. */
class AnswerVectors {
  readonly #vectors: Uint8Array[];
  readonly #byText: Map<string, number>;
  /** Class `c` and question `n` answered with yes: `c * questions + n` -> class. */
  readonly #with: Map<number, number>;
  readonly #questions: number;

  constructor(questions: number) {
    this.#vectors = [];
    this.#byText = new Map();
    this.#with = new Map();
    this.#questions = questions;
  }

  get count(): number {
    return this.#vectors.length;
  }

  intern(vector: Uint8Array): number {
    const text = vector.join('');
    let number = this.#byText.get(text);
    if (number === undefined) {
      number = this.#vectors.length;
      this.#vectors.push(vector);
      this.#byText.set(text, number);
    }
    return number;
  }

  with(classNumber: number, question: number): number {
    const key = classNumber * this.#questions + question;
    let result = this.#with.get(key);
    if (result === undefined) {
      const vector = this.#vectors[classNumber]!.slice();
      vector[question] = 1;
      result = this.intern(vector);
      this.#with.set(key, result);
    }
    return result;
  }

  flat(): Uint8Array {
    const flat = new Uint8Array(this.#vectors.length * this.#questions);
    for (const [i, vector] of this.#vectors.entries()) flat.set(vector, i * this.#questions);
    return flat;
  }
}

/** Makes the trie of one family: bit by bit first, then in nodes of several bits with what covers them pushed down into their slots. */
class TrieBuilder {
  readonly #lengths: number;
  readonly #vectors: AnswerVectors;
  readonly #rows: Int32Array[];
  /** Row, question and range of lengths -> row with the answer yes there. */
  readonly #rowWith: Map<string, number>;
  /** Children of bit node n for bit 0 and 1: [2n] and [2n + 1]. */
  readonly #children: number[];
  /** Ranges of a bit node: a list through {@link #next}, three numbers each (question, least and greatest length). */
  readonly #first: number[];
  readonly #next: number[];
  readonly #ranges: number[];
  readonly #slots: number[];

  constructor(version: 4 | 6, questions: readonly PrefixQuestion[], vectors: AnswerVectors) {
    this.#lengths = version === 4 ? LENGTHS_4 : LENGTHS_6;
    this.#vectors = vectors;
    this.#rowWith = new Map();
    this.#children = [NONE, NONE];
    this.#first = [NONE];
    this.#next = [];
    this.#ranges = [];
    this.#slots = [];
    const row = new Int32Array(this.#lengths);
    for (let length = 0; length < row.length; length++) {
      const holds = questions.map((q) => (q.type === 'length' && length >= q.min && length <= q.max ? 1 : 0));
      row[length] = vectors.intern(Uint8Array.from(holds));
    }
    this.#rows = [row];
    for (const [n, question] of questions.entries()) {
      if (question.type !== 'list') continue;
      for (const entry of question.entries) if (entry.prefix.address.version === version) this.#add(n, entry);
    }
    this.#fill(0, this.#rowAt(0, 0), ROOT_BITS);
  }

  slots(): Int32Array {
    return Int32Array.from(this.#slots);
  }

  rows(): Int32Array {
    const flat = new Int32Array(this.#rows.length * this.#lengths);
    for (const [i, row] of this.#rows.entries()) flat.set(row, i * this.#lengths);
    return flat;
  }

  #add(question: number, { prefix, minLength, maxLength }: PrefixRange): void {
    const { octets } = prefix.address;
    let node = 0;
    for (let depth = 0; depth < prefix.length; depth++) {
      const child = 2 * node + ((octets[depth >> 3]! >> (7 - (depth & 7))) & 1);
      if (this.#children[child] === NONE) {
        this.#children[child] = this.#first.length;
        this.#first.push(NONE);
        this.#children.push(NONE, NONE);
      }
      node = this.#children[child]!;
    }
    // Nothing shorter than the entry itself can be inside of it.
    this.#ranges.push(question, Math.max(minLength, prefix.length), Math.min(maxLength, this.#lengths - 1));
    this.#next.push(this.#first[node]!);
    this.#first[node] = this.#next.length - 1;
  }

  /** The row below a bit node, where `row` is that above it. */
  #rowAt(node: number, row: number): number {
    let result = row;
    for (let range = this.#first[node]!; range !== NONE; range = this.#next[range]!) {
      const [question = 0, min = 0, max = 0] = this.#ranges.slice(range * 3, range * 3 + 3);
      if (min <= max) result = this.#withRange(result, question, min, max);
    }
    return result;
  }

  #withRange(row: number, question: number, min: number, max: number): number {
    const key = `${row} ${question} ${min} ${max}`;
    let result = this.#rowWith.get(key);
    if (result === undefined) {
      const numbers = this.#rows[row]!.slice();
      for (let length = min; length <= max; length++) numbers[length] = this.#vectors.with(numbers[length]!, question);
      result = this.#rows.push(numbers) - 1;
      this.#rowWith.set(key, result);
    }
    return result;
  }

  /** Makes the node for what is below a bit node; where it begins among the slots. */
  #fill(node: number, row: number, bits: number): number {
    const base = this.#slots.length;
    for (let i = 0; i < 1 << bits; i++) this.#slots.push(row);
    this.#push(node, row, bits, base);
    return base;
  }

  /** Fills the `1 << bits` slots from `at` on, all those below a bit node. */
  #push(node: number, row: number, bits: number, at: number): void {
    const isLeaf = this.#children[2 * node] === NONE && this.#children[2 * node + 1] === NONE;
    if (isLeaf) {
      for (let i = 0; i < 1 << bits; i++) this.#slots[at + i] = row;
    } else if (bits === 0) {
      this.#slots[at] = ~this.#fill(node, row, NODE_BITS);
    } else {
      const half = 1 << (bits - 1);
      for (let bit = 0; bit < 2; bit++) {
        const child = this.#children[2 * node + bit]!;
        if (child !== NONE) this.#push(child, this.#rowAt(child, row), bits - 1, at + bit * half);
        else for (let i = 0; i < half; i++) this.#slots[at + bit * half + i] = row;
      }
    }
  }
}
