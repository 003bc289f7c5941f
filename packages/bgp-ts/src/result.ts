declare const brand: unique symbol;

/** A number or string that only the function which checked it can make. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** What a fallible function gives back when the failure is the peer's doing and not a bug. */
export type Result<T, E> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E };

/** A success. */
export function ok<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

/** A failure, as data. */
export function err<E>(error: E): { readonly ok: false; readonly error: E } {
  return { ok: false, error };
}

/**
 * Ends a `switch` over a union: does not compile while a case is missing.
 * @throws Error always, since reaching it is a bug
 */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
