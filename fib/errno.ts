import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';

/** Errnos that the kernel's route code answers and that have a meaning of their own here. */
export const Errno = {
  ENOENT: constants.errno.ENOENT,
  ESRCH: 3,
  EEXIST: constants.errno.EEXIST,
  EINVAL: constants.errno.EINVAL,
} as const;

const names = getSystemErrorMap();

/** `ENETUNREACH`; `E524` for an errno without a name. */
export function errnoName(errno: number): string {
  return names.get(-errno)?.[0] ?? `E${errno}`;
}

/** `ENETUNREACH: network is unreachable`. */
export function errnoText(errno: number): string {
  return `${errnoName(errno)}: ${names.get(-errno)?.[1] ?? 'no text for it'}`;
}
