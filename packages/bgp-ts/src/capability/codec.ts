import type { ByteReader, ByteWriter } from '../bytes.ts';
import type { Capability } from './capability.ts';

/** The capability with this literal `type`. */
export type CapabilityOf<Type extends Capability['type']> = Extract<Capability, { readonly type: Type }>;

/** How one capability is written; one file each, all listed in `table.ts`. */
export interface CapabilityCodec<Type extends Exclude<Capability['type'], 'unknown'>> {
  readonly type: Type;
  /** Capability code of the IANA registry. */
  readonly code: number;
  /** Only tells people something: if malformed it is kept as unknown, and does not end the session. */
  readonly isInformational?: boolean;
  /**
   * Reads the value; octets left over make the capability malformed, as `Truncated` does.
   * @throws Truncated
   */
  decode(r: ByteReader): CapabilityOf<Type>;
  encode(w: ByteWriter, value: CapabilityOf<Type>): void;
  /** For people. */
  format(value: CapabilityOf<Type>): string;
}

/** A codec for a capability that has no value and says all by being there. */
export function emptyCapability<Type extends 'route-refresh' | 'extended-message' | 'enhanced-route-refresh'>(
  type: Type,
  code: number,
): CapabilityCodec<Type> {
  return {
    type,
    code,
    decode: () => ({ type }) as CapabilityOf<Type>,
    encode() {},
    format: () => type,
  };
}
