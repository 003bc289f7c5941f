import {
  chmodSync,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * The text of a file.
 * @returns undefined when there is none
 * @throws Error when it is there and cannot be read
 */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Makes or replaces a file: after a crash at any time there is the old one or the new one, whole. It is written beside its place, under a
 * name that starts with a dot and has no extension, which others that read the directory pass over.
 * @param content a text, or what writes the file
 * @throws Error when it cannot be written; what was there before is still there then
 */
export function replaceFile(path: string, mode: number, content: string | ((temporary: string) => void)): void {
  const directory = dirname(path);
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const temporary = join(directory, `.${basename(path)}.new-${process.pid}`);
  try {
    if (typeof content === 'string') writeText(temporary, content);
    else content(temporary);
    chmodSync(temporary, mode);
    sync(temporary);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  sync(directory);
}

function writeText(path: string, text: string): void {
  const fd = openSync(path, 'w', 0o600);
  try {
    writeSync(fd, text);
  } finally {
    closeSync(fd);
  }
}

/** Waits until a file, or the names in a directory, are on the disk. */
function sync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
