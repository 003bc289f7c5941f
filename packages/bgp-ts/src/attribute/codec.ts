import type { ByteReader, ByteWriter } from '../bytes.ts';
import type { SessionContext } from '../context.ts';
import type { ErrorAction } from '../errors.ts';
import type { UpdateSubcode } from '../iana.ts';

/** What `decode` found: the value, or a fault with what was understood all the same (the routes to withdraw). */
export type Decoded<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: AttributeFault; readonly value?: T };

/** Why the value of an attribute is malformed. */
export interface AttributeFault {
  readonly subcode: UpdateSubcode;
  /** For the log. */
  readonly message: string;
  /** Where one cause of several asks for another action than the codec's `onError`. */
  readonly action?: ErrorAction;
}

/** How one path attribute is written, and what to do when it is malformed; one file each, all listed in `table.ts`. */
export interface AttributeCodec<T> {
  /** In the RFC's spelling. */
  readonly name: string;
  readonly code: number;
  /** The Optional and Transitive bits it must have; a conflict means treat-as-withdraw (RFC 7606 §3 c). */
  readonly flags: number;
  /** What RFC 7606 §7 wants done about a malformed value. */
  readonly onError: ErrorAction;
  /** A value of no octets is well-formed; for all others it is an error (RFC 7606 §4). */
  readonly mayBeEmpty?: boolean;
  /** Means nothing from another AS and is dropped there (RFC 7606 §7.5, §7.9, §7.10). */
  readonly isInternal?: boolean;
  /**
   * Reads the value: `r` covers exactly its octets. The result owns its octets.
   * @throws Truncated, BadNlri
   */
  decode(r: ByteReader, context: SessionContext): Decoded<T>;
  /** Writes the value without the attribute header. */
  encode(w: ByteWriter, value: T, context: SessionContext): void;
  /** For people. */
  format(value: T): string;
}

/** The failure of `decode`: `AS_PATH: segment type 9`. */
export function malformed(
  codec: { readonly name: string },
  subcode: UpdateSubcode,
  what: string,
  action?: ErrorAction,
): { readonly ok: false; readonly error: AttributeFault } {
  const message = `${codec.name}: ${what}`;
  return { ok: false, error: action ? { subcode, message, action } : { subcode, message } };
}
