import type { FamilyName } from './iana.ts';

/** What a NOTIFICATION says (RFC 4271 §4.5): sent to the peer, or received from it. */
export interface Notification {
  /** `ErrorCode`. */
  readonly code: number;
  /** Meaning depends on `code`; 0 is "unspecific". */
  readonly subcode: number;
  /** Octets, as the subcode prescribes; often empty. */
  readonly data: Uint8Array;
}

/**
 * What to do about a malformed path attribute, weakest first (RFC 7606 §2): drop the attribute; treat the routes of the
 * UPDATE as withdrawn; stop using the address family; send the NOTIFICATION and drop the session.
 */
export type ErrorAction = 'attribute-discard' | 'treat-as-withdraw' | 'disable-family' | 'session-reset';

/** One thing wrong with the path attributes of an UPDATE, and what the RFCs want done about it. */
export interface AttributeProblem {
  readonly action: ErrorAction;
  /** Type code of the attribute, 0 where none can be named. */
  readonly attributeCode: number;
  /** For the log: attribute name, what was seen and wanted. */
  readonly message: string;
  /** The family to disable, where that is the action. */
  readonly family?: FamilyName;
  /** What to send when the action is (or has been escalated to) `session-reset`. */
  readonly notification: Notification;
}

/** Thrown by `ByteReader` when a value runs past the end: the one exception on the decode path, caught by the codecs. */
export class Truncated extends Error {
  constructor(wanted: number, remaining: number) {
    super(`${wanted} octets wanted, ${remaining} left`);
    this.name = 'Truncated';
  }
}

const noData = new Uint8Array(0);

/** A NOTIFICATION, by default without data. */
export function notification(code: number, subcode: number, data: Uint8Array = noData): Notification {
  return { code, subcode, data };
}

const actionOrder: Record<ErrorAction, number> = {
  'attribute-discard': 1,
  'treat-as-withdraw': 2,
  'disable-family': 3,
  'session-reset': 4,
};

/** The problem with the strongest action (RFC 7606 §3 h), the first of equals; `undefined` when there is none. */
export function strongestProblem(problems: readonly AttributeProblem[]): AttributeProblem | undefined {
  let strongest: AttributeProblem | undefined;
  for (const problem of problems) {
    if (!strongest || actionOrder[problem.action] > actionOrder[strongest.action]) strongest = problem;
  }
  return strongest;
}
