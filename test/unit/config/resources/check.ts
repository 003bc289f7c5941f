import { expect, test } from 'vitest';
import { read } from '../support.ts';

/** Name of the case, spec, and problems without their place: `path: message`. Errors, unless they begin with `warning `. */
export type Row = readonly [name: string, spec: string, problems: readonly string[]];

/** A test for each row: the problems of a resource that `make` puts around the spec. One with an error gives no resource. */
export function check(make: (spec: string) => string, rows: readonly Row[]): void {
  test.each(rows)('%s', (_, spec, expected) => {
    const { errors, warnings, resources } = read(make(spec));
    const bare = (text: string) => text.replace(/^test\.yaml: document 1 \([^)]*\), line \d+: /, '');
    expect([...errors.map(bare), ...warnings.map((text) => `warning ${bare(text)}`)]).toEqual(expected);
    expect(resources).toHaveLength(errors.length === 0 ? 1 : 0);
  });
}
