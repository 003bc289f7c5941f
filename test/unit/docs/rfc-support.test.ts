import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const text = readFileSync(join(root, 'docs/rfc-support.md'), 'utf8');
const statuses = ['yes', 'part', 'library', 'no'];

/** Rows of the tables that have a status, with their columns by name. */
const rows = text.split('\n\n').flatMap((block) => {
  const lines = block
    .trim()
    .split('\n')
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  const [head = []] = lines;
  if (!head.includes('code')) return [];
  return lines.slice(2).map((cells) => Object.fromEntries(head.map((name, i) => [name, cells[i] ?? ''])));
});

describe('docs/rfc-support.md', () => {
  test('names files that exist, each of them once a row', () => {
    const named = rows.flatMap((row) => [
      ...(row['code'] ?? '').matchAll(/`([^`]+)`/g),
      ...(row['test'] ?? '').matchAll(/`([^`]+)`/g),
    ]);
    expect(named.length).toBeGreaterThan(100);
    expect(named.map(([, path = '']) => path).filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  test('every row has a status, and what is there has code and a test', () => {
    expect(rows.filter((row) => !statuses.includes(row['status'] ?? ''))).toEqual([]);
    const claimed = rows.filter(({ status }) => status === 'yes' || status === 'library');
    expect(claimed.filter((row) => row['code'] === '' || row['test'] === '')).toEqual([]);
  });
});
