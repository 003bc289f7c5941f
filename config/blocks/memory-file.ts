import { errorMessage } from '../../lib/result.ts';
import { readIfThere, replaceFile } from '../../lib/whole-file.ts';
import type { BlockMemory } from './node-blocks.ts';
import { type Block, blockKey, formatRecord, parseRecord } from './records.ts';

/**
 * A node's memory of its blocks in a file that is replaced as a whole.
 * @throws Error from `load` when the file is there and cannot be read: starting without it could give an address twice
 */
export function fileMemory(path: string): BlockMemory {
  let written = '';
  return {
    load() {
      const text = readIfThere(path);
      if (text === undefined) return [];
      let records: unknown;
      try {
        records = JSON.parse(text);
      } catch (error) {
        throw new Error(`${path}: is no JSON: ${errorMessage(error)}`);
      }
      return Object.entries(records as Record<string, unknown>).map(([block, record]): Block => {
        const read = parseRecord(blockKey(block), JSON.stringify(record));
        if (!read.ok) throw new Error(`${path}: ${read.error}`);
        return read.value;
      });
    },
    save(blocks) {
      const text = `{${blocks.map(({ block, record }) => `${JSON.stringify(block)}:${formatRecord(record)}`).join(',\n')}}\n`;
      if (text === written) return;
      replaceFile(path, 0o600, text);
      written = text;
    },
  };
}
