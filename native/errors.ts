import { getSystemErrorMap } from 'node:util';

const names = getSystemErrorMap();

/** The name of a positive errno as Node spells it (`ECONNREFUSED`; `E524` for one that has no name there). */
export function errnoName(errno: number): string {
  return names.get(-errno)?.[0] ?? `E${errno}`;
}

/** What the C library says about a positive errno. */
export function errnoText(errno: number): string {
  return names.get(-errno)?.[1] ?? `error ${errno}`;
}

/** A system call failed. `errno` is positive, `code` its name, as in `{ code: 'ECONNREFUSED', errno: 111, syscall: 'connect' }`. */
export class SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  constructor(errno: number, syscall: string) {
    super(`${syscall}: ${errnoName(errno)}: ${errnoText(errno)}`);
    this.name = 'SystemError';
    this.code = errnoName(errno);
    this.errno = errno;
    this.syscall = syscall;
  }
}
