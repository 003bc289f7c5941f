/**
 * Regular expressions over an AS path (`65000 64512 {1,2} (65001)`), as routers have them, but that AS numbers are whole:
 *
 * - `_` is a border: start, end, space, comma, brace, bracket or parenthesis; `^` and `$` are start and end
 * - `.`, `[0-9]`, `[^ ]`, `( )`, `|`, `*`, `+`, `?`, `{n}`, `{n,}` and `{n,m}` as usual; `\` takes the next character literally
 *
 * A match neither begins nor ends inside of a number, and where a number stands next to `.*` (or `.+`) none is split there: `65000` is not
 * found in `165000`, and `^65000 .*10$` wants AS 10 at the end. A class such as `[0-9]` and a single `.` stand for one character of a number.
 *
 * A literal `{` or `}` of an AS_SET is written `\{` and `\}`, a literal parenthesis `\(` and `\)`.
 *
 * The path is what a peer sent, so matching takes time proportional to its length whatever the pattern: all states that the pattern
 * could be in advance together (Thompson's construction), and nothing is ever tried twice.
 */
export class AsPathPattern {
  readonly text: string;
  readonly #program: readonly Instruction[];

  private constructor(text: string, program: readonly Instruction[]) {
    this.text = text;
    this.#program = program;
  }

  /** @throws RangeError if `text` is no regular expression, with the column */
  static parse(text: string): AsPathPattern {
    const tree: Tree = { type: 'sequence', items: [{ type: 'edge' }, new Parser(text).parse(), { type: 'edge' }] };
    const program: Instruction[] = [];
    emit(tree, program);
    if (program.length > MAX_INSTRUCTIONS) throw new RangeError(`AS-path pattern "${text}": too long when repeated`);
    program.push({ type: 'match' });
    return new AsPathPattern(text, program);
  }

  /** True if the pattern is found anywhere in the path's text. */
  test(path: string): boolean {
    const program = this.#program;
    let current: number[] = [];
    const seen = new Int32Array(program.length).fill(-1);
    for (let at = 0; at <= path.length; at++) {
      const next: number[] = [];
      // a match may begin at every position; states from before come first, order does not matter
      addThread(program, 0, at, path, current, seen, at);
      for (let i = 0; i < current.length; i++) {
        const instruction = program[current[i]!]!;
        if (instruction.type === 'match') return true;
        if (instruction.type === 'border-char') {
          if (isBorderChar(path[at])) addThread(program, current[i]! + 1, at + 1, path, next, seen, at + 1);
        } else if (instruction.type === 'char' && at < path.length && instruction.accepts(path[at]!)) {
          addThread(program, current[i]! + 1, at + 1, path, next, seen, at + 1);
        }
      }
      current = next;
    }
    return false;
  }
}

const MAX_INSTRUCTIONS = 4096;
const BORDERS = ' ,{}()[]';

type Instruction =
  | { readonly type: 'char'; readonly accepts: (char: string) => boolean }
  | { readonly type: 'border-char' }
  | { readonly type: 'start' | 'end' | 'edge' | 'match' }
  | { readonly type: 'split'; readonly offsets: readonly number[] };

type Tree =
  | { readonly type: 'char'; readonly accepts: (char: string) => boolean; readonly is?: 'digit' | 'any' }
  | { readonly type: 'border' | 'start' | 'end' | 'edge' | 'empty' }
  | { readonly type: 'sequence' | 'choice'; readonly items: readonly Tree[] }
  | { readonly type: 'repeat'; readonly item: Tree; readonly min: number; readonly max: number | undefined };

function isBorderChar(char: string | undefined): boolean {
  return char !== undefined && BORDERS.includes(char);
}

function isDigit(char: string | undefined): boolean {
  return char !== undefined && char >= '0' && char <= '9';
}

/** Whether a number and `.*` meet here. */
function isSeam(before: Tree, after: Tree): boolean {
  return (isOpen(before) && hasDigitAt(after, 0)) || (hasDigitAt(before, -1) && isOpen(after));
}

/** `.*`, `.+` and the like. */
function isOpen(tree: Tree): boolean {
  return tree.type === 'repeat' && tree.max === undefined && tree.item.type === 'char' && tree.item.is === 'any';
}

/** Whether the first (0) or last (-1) thing in it may be a digit that is written as such. */
function hasDigitAt(tree: Tree, end: 0 | -1): boolean {
  switch (tree.type) {
    case 'char':
      return tree.is === 'digit';
    case 'repeat':
      return hasDigitAt(tree.item, end);
    case 'sequence': {
      const item = tree.items.at(end);
      return item !== undefined && hasDigitAt(item, end);
    }
    case 'choice':
      return tree.items.some((item) => hasDigitAt(item, end));
    default:
      return false;
  }
}

/** Adds a state and everything reachable from it without consuming a character; `seen` holds the position a state was last added at. */
function addThread(
  program: readonly Instruction[],
  first: number,
  at: number,
  path: string,
  states: number[],
  seen: Int32Array,
  mark: number,
): void {
  const stack = [first];
  for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
    if (seen[state] === mark) continue;
    seen[state] = mark;
    const instruction = program[state]!;
    if (instruction.type === 'split') {
      for (const offset of instruction.offsets) stack.push(state + offset);
    } else if (instruction.type === 'start') {
      if (at === 0) stack.push(state + 1);
    } else if (instruction.type === 'end') {
      if (at === path.length) stack.push(state + 1);
    } else if (instruction.type === 'edge') {
      if (!isDigit(path[at - 1]) || !isDigit(path[at])) stack.push(state + 1);
    } else {
      states.push(state);
    }
  }
}

function emit(tree: Tree, program: Instruction[]): void {
  if (program.length > MAX_INSTRUCTIONS) return;
  switch (tree.type) {
    case 'char':
      program.push(tree);
      return;
    case 'start':
    case 'end':
    case 'edge':
      program.push({ type: tree.type });
      return;
    case 'empty':
      return;
    case 'border': // start | end | one border character
      program.push({ type: 'split', offsets: [1, 3, 5] });
      program.push({ type: 'start' }, { type: 'split', offsets: [4] });
      program.push({ type: 'end' }, { type: 'split', offsets: [2] });
      program.push({ type: 'border-char' });
      return;
    case 'sequence':
      for (const item of tree.items) emit(item, program);
      return;
    case 'choice':
      emitChoice(tree.items, program);
      return;
    case 'repeat':
      emitRepeat(tree, program);
      return;
  }
}

function emitChoice(items: readonly Tree[], program: Instruction[]): void {
  const split = program.length;
  program.push({ type: 'split', offsets: [1] });
  const offsets: number[] = [];
  const exits: number[] = [];
  for (const item of items) {
    offsets.push(program.length - split);
    emit(item, program);
    exits.push(program.length);
    program.push({ type: 'split', offsets: [1] });
  }
  program[split] = { type: 'split', offsets };
  for (const exit of exits) program[exit] = { type: 'split', offsets: [program.length - exit] };
}

function emitRepeat(
  { item, min, max }: { readonly item: Tree; readonly min: number; readonly max: number | undefined },
  program: Instruction[],
): void {
  for (let i = 0; i < min && program.length <= MAX_INSTRUCTIONS; i++) emit(item, program);
  if (max === undefined) {
    const split = program.length;
    program.push({ type: 'split', offsets: [1] });
    emit(item, program);
    program.push({ type: 'split', offsets: [split - program.length] });
    program[split] = { type: 'split', offsets: [1, program.length - split] };
    return;
  }
  for (let i = min; i < max && program.length <= MAX_INSTRUCTIONS; i++) {
    const split = program.length;
    program.push({ type: 'split', offsets: [1] });
    emit(item, program);
    program[split] = { type: 'split', offsets: [1, program.length - split] };
  }
}

/** Recursive descent: choice, sequence, repeat, atom. */
class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Tree {
    const tree = this.#choice();
    if (this.#at < this.#text.length) throw this.#error('unexpected )');
    return tree;
  }

  #choice(): Tree {
    const items = [this.#sequence()];
    while (this.#take('|')) items.push(this.#sequence());
    return items.length === 1 ? items[0]! : { type: 'choice', items };
  }

  #sequence(): Tree {
    const items: Tree[] = [];
    while (this.#at < this.#text.length && !'|)'.includes(this.#text[this.#at]!)) {
      const before = items.at(-1);
      const item = this.#repeat();
      if (before !== undefined && isSeam(before, item)) items.push({ type: 'edge' });
      items.push(item);
    }
    return items.length === 1 ? items[0]! : { type: 'sequence', items };
  }

  #repeat(): Tree {
    let item = this.#atom();
    for (;;) {
      if (this.#take('*')) item = { type: 'repeat', item, min: 0, max: undefined };
      else if (this.#take('+')) item = { type: 'repeat', item, min: 1, max: undefined };
      else if (this.#take('?')) item = { type: 'repeat', item, min: 0, max: 1 };
      else if (this.#take('{')) item = { type: 'repeat', item, ...this.#bounds() };
      else return item;
    }
  }

  #bounds(): { min: number; max: number | undefined } {
    const found = /^(\d{1,3})(,(\d{1,3})?)?\}/.exec(this.#text.slice(this.#at));
    if (found === null) throw this.#error('expected {n}, {n,} or {n,m}');
    this.#at += found[0].length;
    const min = Number(found[1]);
    const max = found[2] === undefined ? min : found[3] === undefined ? undefined : Number(found[3]);
    if (max !== undefined && max < min) throw this.#error(`{${min},${max}}: the second number is the smaller one`);
    return { min, max };
  }

  #atom(): Tree {
    const char = this.#text[this.#at++]!;
    switch (char) {
      case '(': {
        const inner = this.#choice();
        if (!this.#take(')')) throw this.#error('missing )');
        return inner;
      }
      case '[':
        return { type: 'char', accepts: this.#class() };
      case '^':
        return { type: 'start' };
      case '$':
        return { type: 'end' };
      case '_':
        return { type: 'border' };
      case '.':
        return { type: 'char', accepts: () => true, is: 'any' };
      case '*':
      case '+':
      case '?':
      case '{':
        this.#at--;
        throw this.#error(`nothing to repeat before ${char}`);
      case '\\':
        return literal(this.#escaped());
      default:
        return literal(char);
    }
  }

  #class(): (char: string) => boolean {
    const isNegated = this.#take('^');
    const ranges: (readonly [string, string])[] = [];
    for (let first = true; first || this.#text[this.#at] !== ']'; first = false) {
      if (this.#at >= this.#text.length) throw this.#error('missing ]');
      const from = this.#take('\\') ? this.#escaped() : this.#text[this.#at++]!;
      const isRange = this.#text[this.#at] === '-' && (this.#text[this.#at + 1] ?? ']') !== ']';
      if (!isRange) {
        ranges.push([from, from]);
        continue;
      }
      this.#at++;
      const to = this.#take('\\') ? this.#escaped() : this.#text[this.#at++]!;
      if (to < from) throw this.#error(`[${from}-${to}]: the range is empty`);
      ranges.push([from, to]);
    }
    this.#at++;
    return (char) => ranges.some(([from, to]) => char >= from && char <= to) !== isNegated;
  }

  #escaped(): string {
    const char = this.#text[this.#at++];
    if (char === undefined) throw this.#error('nothing after \\');
    return char;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #error(message: string): RangeError {
    return new RangeError(`AS-path pattern "${this.#text}": ${message} (column ${this.#at + 1})`);
  }
}

function literal(wanted: string): Tree {
  return { type: 'char', accepts: (char) => char === wanted, ...(isDigit(wanted) ? { is: 'digit' } : {}) };
}
