import { AttributeReader } from './attribute-reader.ts';
import type { AttributeSets, SetFreedListener } from './attribute-sets.ts';
import { growInt32, growUint16 } from './columns.ts';
import type { NextHops } from './next-hop.ts';
import { holdsForSet, type SetMatch } from './policy/set-match.ts';

/** What the column holds. */
const MAX_CLASSES = 65_000;
/** Answers that fit a number used as a key. */
const WORD_BITS = 30;

/**
 * Attribute sets as the matches of one policy see them: sets for which all have the same answer are one class. Each set is looked at once,
 * as octets, and its class is remembered: two octets a set, for all sessions with this policy together.
 */
export class SetClasses implements SetFreedListener {
  /** Changes when classes get their numbers anew: what was remembered by class is then void. */
  epoch: number;
  readonly #sets: AttributeSets;
  readonly #nextHops: NextHops;
  readonly #matches: readonly SetMatch[];
  readonly #words: number;
  readonly #needsNextHop: boolean;
  readonly #maxClasses: number;
  readonly #reader: AttributeReader;
  /** Class of a set plus 1; 0: not looked at yet. */
  #column: Uint16Array;
  /** Answers of a class as bits, {@link WORD_BITS} a word. */
  #answers: Int32Array;
  #count: number;
  readonly #byWord: Map<number, number>;
  readonly #byText: Map<string, number>;
  readonly #found: Int32Array;

  /** @param maxClasses most classes at a time: with more everything is forgotten and begins anew */
  constructor(sets: AttributeSets, nextHops: NextHops, matches: readonly SetMatch[], maxClasses = MAX_CLASSES) {
    this.epoch = 0;
    this.#sets = sets;
    this.#nextHops = nextHops;
    this.#matches = matches;
    this.#maxClasses = maxClasses;
    this.#needsNextHop = matches.some((match) => match.type === 'next-hop');
    this.#words = Math.ceil(matches.length / WORD_BITS);
    this.#reader = new AttributeReader();
    this.#column = new Uint16Array(64);
    this.#answers = new Int32Array(this.#words * 16);
    this.#count = 0;
    this.#byWord = new Map();
    this.#byText = new Map();
    this.#found = new Int32Array(this.#words);
    sets.listen(this);
  }

  /** Nobody asks any more. */
  close(): void {
    this.#sets.unlisten(this);
  }

  setFreed(id: number): void {
    if (id < this.#column.length) this.#column[id] = 0;
  }

  /** Number of the set's class. */
  classOf(set: number): number {
    const known = set < this.#column.length ? this.#column[set]! : 0;
    return known !== 0 ? known - 1 : this.#look(set);
  }

  /** Whether match `n` holds for the sets of a class. */
  holds(classNumber: number, n: number): boolean {
    const word = (n / WORD_BITS) | 0;
    return (this.#answers[classNumber * this.#words + word]! & (1 << (n - word * WORD_BITS))) !== 0;
  }

  #look(set: number): number {
    const sets = this.#sets;
    const start = sets.offsetOf(set);
    const nextHop = this.#needsNextHop ? this.#nextHops.get(sets.nextHopOf(set))?.address : undefined;
    this.#reader.open(sets.view, start, start + sets.lengthOf(set), nextHop);
    const number = this.#words === 1 ? this.#internWord(this.#answersFrom(0)) : this.#internText(this.#allAnswers());
    if (set >= this.#column.length) this.#column = growUint16(this.#column, Math.max(set + 1, sets.end));
    this.#column[set] = number + 1;
    return number;
  }

  /** Answers of the matches from `first` on that go into one word. */
  #answersFrom(first: number): number {
    const matches = this.#matches;
    const count = Math.min(matches.length - first, WORD_BITS);
    let word = 0;
    for (let n = 0; n < count; n++) if (holdsForSet(matches[first + n]!, this.#reader)) word |= 1 << n;
    return word;
  }

  #allAnswers(): string {
    const found = this.#found;
    for (let word = 0; word < found.length; word++) found[word] = this.#answersFrom(word * WORD_BITS);
    return found.join();
  }

  #internWord(word: number): number {
    const known = this.#byWord.get(word);
    if (known !== undefined) return known;
    this.#found[0] = word;
    const number = this.#newClass();
    this.#byWord.set(word, number);
    return number;
  }

  #internText(text: string): number {
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const number = this.#newClass();
    this.#byText.set(text, number);
    return number;
  }

  #newClass(): number {
    if (this.#count === this.#maxClasses) {
      this.#column.fill(0);
      this.#byWord.clear();
      this.#byText.clear();
      this.#count = 0;
      this.epoch++;
    }
    const number = this.#count++;
    const at = number * this.#words;
    if (at + this.#words > this.#answers.length) this.#answers = growInt32(this.#answers, at + this.#words);
    this.#answers.set(this.#found, at);
    return number;
  }
}
