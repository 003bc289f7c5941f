import { errnoName, errnoText } from '../native/errors.ts';

/** What can go wrong with a request, beside bugs. */
export type NetlinkProblem =
  /** The kernel said no: positive errno, its name, and the kernel's own words where it has any. */
  | {
      readonly code: 'refused';
      readonly errno: number;
      readonly name: string;
      readonly text?: string;
      readonly offset?: number;
    }
  /** Answers were lost because the receive buffer was full: what was asked may or may not have been done. */
  | { readonly code: 'overrun' }
  /** A listing kept changing while it was read. */
  | { readonly code: 'interrupted'; readonly attempts: number }
  /** No answer in time. */
  | { readonly code: 'timeout'; readonly timeoutMs: number }
  /** The socket was closed meanwhile. */
  | { readonly code: 'closed' }
  /** The socket itself failed. */
  | { readonly code: 'system'; readonly errno: number; readonly name: string; readonly syscall: string };

/** A netlink request failed; `detail` says how. */
export class NetlinkError extends Error {
  readonly detail: NetlinkProblem;

  constructor(detail: NetlinkProblem) {
    super(describeProblem(detail));
    this.name = 'NetlinkError';
    this.detail = detail;
  }
}

/** Whether `thrown` is the kernel's refusal with one of these errno names (`EEXIST`, `ESRCH`, ...). */
export function isRefused(thrown: unknown, ...names: readonly string[]): boolean {
  return (
    thrown instanceof NetlinkError &&
    thrown.detail.code === 'refused' &&
    (names.length === 0 || names.includes(thrown.detail.name))
  );
}

/** The kernel's refusal as a problem. */
export function refusal(errno: number, text?: string, offset?: number): NetlinkProblem & { readonly code: 'refused' } {
  return {
    code: 'refused',
    errno,
    name: errnoName(errno),
    ...(text === undefined ? {} : { text }),
    ...(offset === undefined ? {} : { offset }),
  };
}

/** A problem in words. */
export function describeProblem(problem: NetlinkProblem): string {
  switch (problem.code) {
    case 'refused':
      return `netlink: ${problem.name}: ${problem.text ?? errnoText(problem.errno)}`;
    case 'overrun':
      return 'netlink: answers were lost (receive buffer full)';
    case 'interrupted':
      return `netlink: the listing changed while it was read, ${problem.attempts} times in a row`;
    case 'timeout':
      return `netlink: no answer within ${problem.timeoutMs} ms`;
    case 'closed':
      return 'netlink: the socket was closed';
    case 'system':
      return `netlink: ${problem.syscall}: ${problem.name}: ${errnoText(problem.errno)}`;
  }
}
