declare const brand: unique symbol;

/** A `T` that only the function which checked it can make, so that two kinds of number are never mixed up. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
