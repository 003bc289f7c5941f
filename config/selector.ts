import { err, ok, type Result } from '../lib/result.ts';

/** Labels of a node, pool or namespace. */
export type Labels = Readonly<Record<string, string>>;

/** A parsed label selector: plain data, run by {@link matchesSelector}. */
export type Selector =
  | { readonly type: 'all' | 'global' }
  | { readonly type: 'has'; readonly label: string }
  | { readonly type: 'compare'; readonly operator: Operator; readonly label: string; readonly value: string }
  | { readonly type: 'in'; readonly isNegated: boolean; readonly label: string; readonly values: readonly string[] }
  | { readonly type: 'not'; readonly operand: Selector }
  | { readonly type: 'and' | 'or'; readonly operands: readonly Selector[] };

/** Comparisons of a label's value with a text. All but `!=` need the label to be there. */
export type Operator = '==' | '!=' | 'contains' | 'starts with' | 'ends with';

/** Longest label name. */
const MAX_LABEL = 512;

/**
 * Reads a selector of Calico's language: `==`, `!=`, `in {…}`, `not in {…}`, `contains`, `starts with`, `ends with`, `has(…)`,
 * `all()`, `global()`, `!`, `&&`, `||` and parentheses; values in single or double quotes. An empty text selects everything, as
 * `all()` does: where "not set" means something else, the caller looks first.
 * @returns the selector, or what is wrong and at which column (from 1)
 */
export function parseSelector(text: string): Result<Selector, string> {
  try {
    return ok(new SelectorParser(text).parse());
  } catch (thrown) {
    if (thrown instanceof SelectorError) return err(thrown.message);
    throw thrown;
  }
}

/** True if the labels are selected. `global()` selects everything here: it tells kinds of resources apart, and nodes are one kind. */
export function matchesSelector(selector: Selector, labels: Labels): boolean {
  switch (selector.type) {
    case 'all':
    case 'global':
      return true;
    case 'has':
      return Object.hasOwn(labels, selector.label);
    case 'compare':
      return compare(selector.operator, labelValue(labels, selector.label), selector.value);
    case 'in': {
      const value = labelValue(labels, selector.label);
      return (value !== undefined && selector.values.includes(value)) !== selector.isNegated;
    }
    case 'not':
      return !matchesSelector(selector.operand, labels);
    case 'and':
      return selector.operands.every((operand) => matchesSelector(operand, labels));
    case 'or':
      return selector.operands.some((operand) => matchesSelector(operand, labels));
  }
}

/** Text that parses to the same selector. */
export function formatSelector(selector: Selector): string {
  switch (selector.type) {
    case 'all':
    case 'global':
      return `${selector.type}()`;
    case 'has':
      return `has(${selector.label})`;
    case 'compare':
      return `${selector.label} ${selector.operator} ${quote(selector.value)}`;
    case 'in':
      return `${selector.label} ${selector.isNegated ? 'not in' : 'in'} {${selector.values.map(quote).join(', ')}}`;
    case 'not':
      return `!(${formatSelector(selector.operand)})`;
    case 'and':
    case 'or': {
      const word = selector.type === 'and' ? ' && ' : ' || ';
      return selector.operands.map((operand) => `(${formatSelector(operand)})`).join(word);
    }
  }
}

function quote(value: string): string {
  return value.includes("'") ? `"${value}"` : `'${value}'`;
}

function labelValue(labels: Labels, label: string): string | undefined {
  return Object.hasOwn(labels, label) ? labels[label] : undefined;
}

function compare(operator: Operator, value: string | undefined, wanted: string): boolean {
  switch (operator) {
    case '==':
      return value === wanted;
    case '!=':
      return value !== wanted;
    case 'contains':
      return value?.includes(wanted) ?? false;
    case 'starts with':
      return value?.startsWith(wanted) ?? false;
    case 'ends with':
      return value?.endsWith(wanted) ?? false;
  }
}

class SelectorError extends Error {}

const LABEL = /[a-zA-Z0-9_./-]+/y;
const SPACE = /[ \t\r\n]*/y;

/** Recursive descent: or, and, unary, primary. */
class SelectorParser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Selector {
    this.#space();
    if (this.#at === this.#text.length) return { type: 'all' };
    const selector = this.#or();
    if (this.#at < this.#text.length) throw this.#error(`expected && or || or the end, not ${this.#seen()}`);
    return selector;
  }

  #or(): Selector {
    return this.#list('or', '||', () => this.#list('and', '&&', () => this.#unary()));
  }

  #list(type: 'and' | 'or', sign: string, operand: () => Selector): Selector {
    const first = operand();
    if (!this.#take(sign)) return first;
    const operands = [first];
    do operands.push(operand());
    while (this.#take(sign));
    return { type, operands };
  }

  #unary(): Selector {
    if (this.#take('!')) return { type: 'not', operand: this.#unary() };
    if (this.#take('(')) {
      const inner = this.#or();
      this.#expect(')');
      return inner;
    }
    return this.#primary();
  }

  #primary(): Selector {
    const start = this.#at;
    const label = this.#label();
    if (this.#take('(')) {
      if (label === 'all' || label === 'global') {
        this.#expect(')');
        return { type: label };
      }
      if (label === 'has') {
        const name = this.#label();
        this.#expect(')');
        return { type: 'has', label: name };
      }
      this.#at = start;
      throw this.#error(`${label}(): there are only has(), all() and global()`);
    }
    for (const operator of ['==', '!='] as const) {
      if (this.#take(operator)) return { type: 'compare', operator, label, value: this.#value() };
    }
    if (this.#takeWords('contains')) return { type: 'compare', operator: 'contains', label, value: this.#value() };
    if (this.#takeWords('starts', 'with')) {
      return { type: 'compare', operator: 'starts with', label, value: this.#value() };
    }
    if (this.#takeWords('ends', 'with')) {
      return { type: 'compare', operator: 'ends with', label, value: this.#value() };
    }
    if (this.#takeWords('not', 'in')) return { type: 'in', isNegated: true, label, values: this.#set() };
    if (this.#takeWords('in')) return { type: 'in', isNegated: false, label, values: this.#set() };
    throw this.#error(`expected an operator after ${label}, not ${this.#seen()}`);
  }

  #label(): string {
    LABEL.lastIndex = this.#at;
    const found = LABEL.exec(this.#text)?.[0];
    if (found === undefined) throw this.#error(`expected a label, not ${this.#seen()}`);
    if (found.length > MAX_LABEL) throw this.#error(`a label has at most ${MAX_LABEL} characters, not ${found.length}`);
    this.#at += found.length;
    this.#space();
    return found;
  }

  #value(): string {
    const sign = this.#text[this.#at];
    if (sign !== "'" && sign !== '"') throw this.#error(`expected a value in quotes, not ${this.#seen()}`);
    const end = this.#text.indexOf(sign, this.#at + 1);
    if (end < 0) throw this.#error(`the closing ${sign} is missing`);
    const value = this.#text.slice(this.#at + 1, end);
    this.#at = end + 1;
    this.#space();
    return value;
  }

  #set(): string[] {
    this.#expect('{');
    const values: string[] = [];
    if (this.#take('}')) return values;
    do values.push(this.#value());
    while (this.#take(','));
    this.#expect('}');
    return values;
  }

  #take(sign: string): boolean {
    if (!this.#text.startsWith(sign, this.#at)) return false;
    this.#at += sign.length;
    this.#space();
    return true;
  }

  /** Takes whole words, with any space between them, or nothing. */
  #takeWords(...words: string[]): boolean {
    const start = this.#at;
    for (const word of words) {
      LABEL.lastIndex = this.#at;
      if (LABEL.exec(this.#text)?.[0] !== word) {
        this.#at = start;
        return false;
      }
      this.#at += word.length;
      this.#space();
    }
    return true;
  }

  #expect(sign: string): void {
    if (!this.#take(sign)) throw this.#error(`expected ${sign}, not ${this.#seen()}`);
  }

  #space(): void {
    SPACE.lastIndex = this.#at;
    this.#at += SPACE.exec(this.#text)?.[0].length ?? 0;
  }

  #seen(): string {
    return this.#at < this.#text.length ? `"${this.#text.slice(this.#at, this.#at + 12)}"` : 'the end';
  }

  #error(message: string): SelectorError {
    return new SelectorError(`${message} (column ${this.#at + 1})`);
  }
}
