/** Colours by meaning. */
export type Colour = 'good' | 'bad' | 'warn' | 'strong' | 'faint';

const sgr: Readonly<Record<Colour, string>> = { good: '32', bad: '31', warn: '33', strong: '1', faint: '2' };

/** `text` in a colour, or as it is where there are none. */
export function paint(text: string, colour: Colour | undefined, hasColours: boolean): string {
  return hasColours && colour !== undefined && text !== '' ? `\u001b[${sgr[colour]}m${text}\u001b[0m` : text;
}

/** Text for one line: control characters, which peers can put into their messages, are shown and not obeyed. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** `01:02:03`, from a day on `2d01:02:03`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const pad = (value: number): string => String(value).padStart(2, '0');
  const clock = `${pad(Math.floor(whole / 3600) % 24)}:${pad(Math.floor(whole / 60) % 60)}:${pad(whole % 60)}`;
  const days = Math.floor(whole / 86_400);
  return days === 0 ? clock : `${days}d${clock}`;
}

/** `1 path`, `2 paths`. */
export function plural(count: number, noun: string, many = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : many}`;
}

/** One column of a table. */
export interface Column<Row> {
  readonly title: string;
  readonly align?: 'right';
  value(row: Row): string;
  colour?(row: Row): Colour | undefined;
  /** May be shortened to this width where the terminal is too narrow. */
  readonly shrinkTo?: number;
  /** Left out where no row has a value. */
  readonly optional?: boolean;
}

/** How a table may look. */
export interface TableStyle {
  /** Width to fit into; undefined: as wide as the content. */
  readonly columns?: number | undefined;
  readonly hasColours?: boolean;
  readonly indent?: number;
}

const GAP = '  ';

/**
 * Lays out columns by the rows given and prints them, and any number of rows after them, in that layout: a long list is
 * measured by its beginning and never held whole.
 */
export class Table<Row> {
  readonly #columns: readonly Column<Row>[];
  readonly #widths: readonly number[];
  readonly #style: TableStyle;

  /** @param isComplete no further rows will come: optional columns without a value may go */
  constructor(columns: readonly Column<Row>[], sample: readonly Row[], style: TableStyle, isComplete = true) {
    const measured = columns.map((column) => ({
      column,
      content: sample.reduce((width, row) => Math.max(width, widthOf(printable(column.value(row)))), 0),
    }));
    const kept = measured.filter(({ column, content }) => !(isComplete && column.optional === true && content === 0));
    this.#columns = kept.map(({ column }) => column);
    this.#widths = fitWidths(
      kept.map(({ column, content }) => Math.max(content, widthOf(column.title))),
      kept.map(({ column }) => Math.max(column.shrinkTo ?? Number.POSITIVE_INFINITY, widthOf(column.title))),
      style.columns === undefined ? undefined : style.columns - (style.indent ?? 0),
    );
    this.#style = style;
  }

  /** The line of titles, without its end of line. */
  header(): string {
    return this.#line(
      this.#columns.map((column) => column.title),
      this.#columns.map(() => 'strong'),
    );
  }

  /** One row, without its end of line. */
  row(row: Row): string {
    return this.#line(
      this.#columns.map((column) => printable(column.value(row))),
      this.#columns.map((column) => column.colour?.(row)),
    );
  }

  #line(cells: readonly string[], colours: readonly (Colour | undefined)[]): string {
    const last = cells.length - 1;
    const parts = cells.map((cell, index) => {
      const width = this.#widths[index] ?? 0;
      const isShort = this.#columns[index]?.shrinkTo !== undefined && this.#style.columns !== undefined;
      const text = isShort ? shorten(cell, width) : cell;
      const painted = paint(text, colours[index], this.#style.hasColours === true);
      const padding = ' '.repeat(Math.max(0, width - widthOf(text)));
      if (this.#columns[index]?.align === 'right') return padding + painted;
      return index === last ? painted : painted + padding;
    });
    return (' '.repeat(this.#style.indent ?? 0) + parts.join(GAP)).trimEnd();
  }
}

/** A whole table as text with a line of titles; every line ends in a newline. */
export function formatTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  style: TableStyle = {},
): string {
  const table = new Table(columns, rows, style);
  return `${[table.header(), ...rows.map((row) => table.row(row))].join('\n')}\n`;
}

/** Names and values, the values aligned; entries without a value are left out, further lines of a value are aligned too. */
export function formatFields(fields: readonly (readonly [string, string | undefined])[], indent = 2): string {
  const given = fields.filter((field): field is readonly [string, string] => field[1] !== undefined && field[1] !== '');
  const width = given.reduce((most, [name]) => Math.max(most, widthOf(name)), 0);
  const hang = ' '.repeat(indent + width + GAP.length);
  return given
    .map(([name, value]) => `${' '.repeat(indent)}${name.padEnd(width)}${GAP}${value.split('\n').join(`\n${hang}`)}\n`)
    .join('');
}

function widthOf(text: string): number {
  return [...text].length;
}

function shorten(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, Math.max(0, width - 1)).join('')}…`;
}

/** Takes width from the widest column that may give, until the line fits or none can give more. */
function fitWidths(widths: number[], minimum: readonly number[], available: number | undefined): number[] {
  if (available === undefined) return widths;
  const fitted = [...widths];
  let excess = fitted.reduce((sum, width) => sum + width, 0) + GAP.length * (fitted.length - 1) - available;
  while (excess > 0) {
    let widest = -1;
    for (const [index, width] of fitted.entries()) {
      if (width > (minimum[index] ?? width) && (widest < 0 || width > (fitted[widest] ?? 0))) widest = index;
    }
    if (widest < 0) break;
    fitted[widest] = (fitted[widest] ?? 0) - 1;
    excess--;
  }
  return fitted;
}
