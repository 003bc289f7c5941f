import type { Entry, Expectation } from './datastore.ts';

/** What went wrong, with what was seen and what was wanted. */
export type DatastoreProblem =
  /** A compare-and-swap found something else; nothing of the commit was done. */
  | {
      readonly code: 'conflict';
      readonly key: string;
      readonly wanted: Expectation;
      readonly current: Entry | undefined;
    }
  /**
   * The store did not answer, or not in time.
   * `not-done`: the request did not reach it, or it refused; `unknown`: it may have been carried out, so read again.
   */
  | { readonly code: 'unavailable'; readonly reason: string; readonly outcome: 'not-done' | 'unknown' }
  /** It answers and takes no writes (a replica, a read-only file, a disk that cannot be written). */
  | { readonly code: 'read-only'; readonly reason: string }
  /** It has no room (disk full, Redis at `maxmemory`). */
  | { readonly code: 'full'; readonly reason: string }
  /** Credentials are wrong, or the user may not do this. */
  | { readonly code: 'denied'; readonly reason: string }
  | {
      readonly code: 'too-large';
      readonly what: 'key' | 'value' | 'steps' | 'commit';
      readonly size: number;
      readonly limit: number;
    }
  | { readonly code: 'no-lease'; readonly lease: string }
  /** What is stored is not ours or is damaged: a person must look. */
  | { readonly code: 'broken'; readonly reason: string }
  | { readonly code: 'closed' };

/** The one error that a datastore gives; `detail` is for programs, the message for people. */
export class DatastoreError extends Error {
  readonly detail: DatastoreProblem;

  constructor(detail: DatastoreProblem, options?: ErrorOptions) {
    super(messageOf(detail), options);
    this.name = 'DatastoreError';
    this.detail = detail;
  }
}

/** Whether `thrown` is a {@link DatastoreError} of this kind. */
export function isProblem<C extends DatastoreProblem['code']>(
  thrown: unknown,
  code: C,
): thrown is DatastoreError & { readonly detail: Extract<DatastoreProblem, { code: C }> } {
  return thrown instanceof DatastoreError && thrown.detail.code === code;
}

function messageOf(detail: DatastoreProblem): string {
  switch (detail.code) {
    case 'conflict': {
      const seen = detail.current === undefined ? 'it is absent' : `it is at revision ${detail.current.revision}`;
      const wanted = detail.wanted === 'absent' ? 'must be absent' : `must be at revision ${detail.wanted}`;
      return `${detail.key}: ${seen}, ${wanted}`;
    }
    case 'unavailable': {
      const done = detail.outcome === 'unknown' ? 'whether it was done is unknown' : 'nothing was done';
      return `datastore unavailable: ${detail.reason} (${done})`;
    }
    case 'read-only':
      return `datastore is read-only: ${detail.reason}`;
    case 'full':
      return `datastore is full: ${detail.reason}`;
    case 'denied':
      return `datastore denies access: ${detail.reason}`;
    case 'too-large':
      return `${detail.what}: ${detail.size}${detail.what === 'steps' ? '' : ' octets'}: at most ${detail.limit} are allowed`;
    case 'no-lease':
      return `lease ${detail.lease}: ran out, was revoked, or is of another store`;
    case 'broken':
      return `datastore is broken: ${detail.reason}`;
    case 'closed':
      return 'datastore is closed';
  }
}
