import { CapabilityCode } from '../iana.ts';
import type { CapabilityCodec } from './codec.ts';
import { readText, writeText } from './text.ts';

/** Software Version (code 75), draft-abraitis-bgp-version-capability. Value: a length octet and UTF-8. */
export const softwareVersionCapability: CapabilityCodec<'software-version'> = {
  type: 'software-version',
  code: CapabilityCode.SoftwareVersion,
  isInformational: true,
  decode: (r) => ({ type: 'software-version', version: readText(r) }),
  encode(w, value) {
    writeText(w, value.version);
  },
  format: (value) => `software-version ${JSON.stringify(value.version)}`,
};
