import { CapabilityCode } from '../iana.ts';
import { emptyCapability } from './codec.ts';

/** BGP Extended Message (code 6), RFC 8654 §3. No value. */
export const extendedMessageCapability = emptyCapability('extended-message', CapabilityCode.ExtendedMessage);
