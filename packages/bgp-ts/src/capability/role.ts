import { CapabilityCode, Role } from '../iana.ts';
import type { CapabilityCodec } from './codec.ts';

/** BGP Role (code 9), RFC 9234 §4.1. Value: 1 octet. */
export const roleCapability: CapabilityCodec<'role'> = {
  type: 'role',
  code: CapabilityCode.Role,
  decode: (r) => ({ type: 'role', role: r.u8() }),
  encode(w, value) {
    w.u8(value.role);
  },
  format(value) {
    const name = Object.entries(Role).find(([, role]) => role === value.role)?.[0];
    return `role ${name ?? value.role}`;
  },
};
