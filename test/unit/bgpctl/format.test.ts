import { PassThrough, Writable } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  type Column,
  formatDuration,
  formatFields,
  formatTable,
  paint,
  printable,
  Table,
} from '../../../bgpctl/format.ts';
import { processTerminal, ReaderGone } from '../../../bgpctl/terminal.ts';

describe('durations', () => {
  test.each([
    [0, '00:00:00'],
    [3723.9, '01:02:03'],
    [86_399, '23:59:59'],
    [86_400, '1d00:00:00'],
    [10 * 86_400 + 3661, '10d01:01:01'],
    [-1, '00:00:00'],
  ])('%d s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});

describe('tables', () => {
  interface Row {
    readonly name: string;
    readonly count: number;
    readonly note: string;
  }
  const columns: readonly Column<Row>[] = [
    { title: 'Name', value: (row) => row.name },
    { title: 'Count', align: 'right', value: (row) => String(row.count) },
    { title: 'Note', value: (row) => row.note, shrinkTo: 6, optional: true },
  ];
  const rows: readonly Row[] = [
    { name: 'a', count: 5, note: 'short' },
    { name: 'longer-name', count: 12345, note: 'a note that goes on and on' },
  ];

  test('columns are as wide as what is in them', () => {
    expect(formatTable(columns, rows)).toBe(
      [
        'Name         Count  Note',
        'a                5  short',
        'longer-name  12345  a note that goes on and on',
        '',
      ].join('\n'),
    );
  });

  test('a narrow terminal shortens what may be shortened, down to its least width', () => {
    expect(formatTable(columns, rows, { columns: 30 })).toBe(
      ['Name         Count  Note', 'a                5  short', 'longer-name  12345  a note th…', ''].join('\n'),
    );
    expect(formatTable(columns, rows, { columns: 10 })).toContain('longer-name  12345  a not…\n');
  });

  test('an optional column nobody fills is left out, unless more rows may come', () => {
    const bare = [{ name: 'a', count: 1, note: '' }];
    expect(formatTable(columns, bare)).toBe('Name  Count\na         1\n');
    expect(new Table(columns, bare, {}, false).header()).toBe('Name  Count  Note');
  });

  test('rows beyond the sample keep the layout and lose nothing', () => {
    const table = new Table(columns, rows.slice(0, 1), {}, false);
    expect(table.row({ name: 'much-longer', count: 1, note: 'whole' })).toBe('much-longer      1  whole');
  });

  test('colours do not move columns', () => {
    const coloured = columns.map((column) => ({ ...column, colour: () => 'bad' as const }));
    const painted = formatTable(coloured, rows, { hasColours: true });
    expect(painted).not.toBe(formatTable(columns, rows));
    expect(stripVTControlCharacters(painted)).toBe(formatTable(columns, rows));
  });

  test('what a peer sent cannot drive the terminal', () => {
    expect(printable('ok\u001b[2J\nü\u202e')).toBe('ok\\u001b[2J\\u000aü\\u202e');
    expect(formatTable(columns, [{ name: '\u001b[31mx', count: 1, note: '' }])).toContain('\\u001b[31mx');
  });
});

test('fields are aligned, empty ones left out', () => {
  expect(
    formatFields([
      ['A', '1'],
      ['Longer', 'two\nlines'],
      ['Gone', undefined],
      ['Empty', ''],
    ]),
  ).toBe('  A       1\n  Longer  two\n          lines\n');
});

describe('terminals', () => {
  const out = (properties: object): PassThrough & { isTTY?: boolean; columns?: number } =>
    Object.assign(new PassThrough(), properties);
  const colours = (properties: object, env: Record<string, string>): boolean =>
    processTerminal(out(properties), new PassThrough(), env).hasColours;

  test('colours in a terminal only, and NO_COLOR is honoured', () => {
    expect(colours({ isTTY: true }, {})).toBe(true);
    expect(colours({}, {})).toBe(false);
    expect(colours({ isTTY: true }, { NO_COLOR: '1' })).toBe(false);
    expect(colours({ isTTY: true }, { NO_COLOR: '' })).toBe(true);
    expect(colours({ isTTY: true }, { TERM: 'dumb' })).toBe(false);
    expect(paint('x', 'bad', false)).toBe('x');
    expect(paint('x', 'bad', true)).toBe('\u001b[31mx\u001b[0m');
  });

  test('only a terminal has a width', () => {
    expect(processTerminal(out({ isTTY: true, columns: 120 }), new PassThrough(), {}).columns).toBe(120);
    expect(processTerminal(out({ columns: 120 }), new PassThrough(), {}).columns).toBeUndefined();
  });

  test('a slow reader is waited for, a gone one is the end', async () => {
    const slow = new PassThrough({ highWaterMark: 1 });
    const terminal = processTerminal(slow, new PassThrough(), {});
    let isWritten = false;
    const written = terminal.write('four').then(() => {
      isWritten = true;
    });
    await Promise.resolve();
    expect(isWritten).toBe(false);
    slow.resume();
    await written;
    const gone = new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, done) => done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })),
    });
    await expect(processTerminal(gone, new PassThrough(), {}).write('x')).rejects.toBeInstanceOf(ReaderGone);
  });
});
