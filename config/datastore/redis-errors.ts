import { errorMessage } from '../../lib/result.ts';
import { DatastoreError, type DatastoreProblem } from './errors.ts';

/**
 * What Redis or the way to it said, in the words of all datastores.
 * @param isWrite whether the request could change something
 */
export function redisProblem(error: unknown, isWrite: boolean): DatastoreError {
  if (error instanceof DatastoreError) return error;
  return new DatastoreError(problemOf(withCause(error), isWrite), { cause: error });
}

function problemOf(reason: string, isWrite: boolean): DatastoreProblem {
  // What a script said is wrapped: "ERR Error running script (...): @user_script:12: READONLY You can't write".
  const has = (...codes: readonly string[]) =>
    codes.some((code) => new RegExp(`(^|[^A-Z])${code}([^A-Z]|$)`).test(reason));
  if (has('READONLY', 'MISCONF', 'NOREPLICAS')) return { code: 'read-only', reason };
  if (has('OOM')) return { code: 'full', reason };
  if (has('NOAUTH', 'WRONGPASS', 'NOPERM') || /invalid (username-)?password/i.test(reason)) {
    return { code: 'denied', reason };
  }
  if (has('WRONGTYPE')) return { code: 'broken', reason };
  const isRefused = has('LOADING', 'CLUSTERDOWN', 'MASTERDOWN', 'TRYAGAIN', 'BUSY', 'MOVED', 'ASK');
  const isUnsent =
    /isn't writeable|enableOfflineQueue|ECONNREFUSED|EHOSTUNREACH|ENOTFOUND|sentinels are unreachable/i.test(reason);
  return { code: 'unavailable', reason, outcome: isWrite && !isRefused && !isUnsent ? 'unknown' : 'not-done' };
}

/** A client of a Cluster says what is wrong with it in the error of the node that it asked last. */
function withCause(error: unknown): string {
  const last =
    error instanceof Error && 'lastNodeError' in error && error.lastNodeError instanceof Error
      ? error.lastNodeError
      : undefined;
  const message = errorMessage(error) || (error instanceof Error && 'code' in error ? String(error.code) : 'no reason');
  return last === undefined ? message : `${message}: ${errorMessage(last)}`;
}
